//! The SE5 subscriber: whatever is done to it, in whatever order, its invariants hold.

use arbitrary::{Arbitrary, Result, Unstructured};
use se5_events::platform::{
    Cause, Config, Event, Input, Link, Op, Output, Platform, Seq, Source, Span,
};
use se5_events::{
    Answer, Ask, AskError, DeviceInfo, DeviceList, Dialect, ExchangeId, FaceEvent, FromBox,
    HistoryPage, LiveForm, Sighting, Subscription, ToBox, UnixMillis,
};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Lists of operations never break an invariant: one connection at a time, the subscription first,
/// no event twice, every gap ended once, nothing fetched actionable, no deadlock, no spin, `Closed`
/// once and last; and draining late or firing timers twice changes nothing.
pub fn ops(data: &[u8]) {
    let _ = try_ops(&mut Unstructured::new(data));
}

/// One thing done to a machine. Times are seconds of our wall clock; events go by number.
#[derive(Debug, Clone, Copy, Arbitrary)]
enum Operation {
    Connected,
    Face {
        number: u16,
    },
    Pong,
    Heard,
    Garbled,
    Disconnected,
    StoreFailed {
        seq: u8,
    },
    /// Answers the question asked so many questions ago, with as many of the events that it asks
    /// for, from one on.
    Page {
        back: u8,
        skip: u8,
        take: u8,
        total: Option<u8>,
    },
    Devices {
        back: u8,
    },
    Failed {
        back: u8,
        how: u8,
    },
    Subscribe {
        faces: bool,
    },
    AskDevices,
    Backfill {
        from: u16,
        to: u16,
    },
    Wait {
        millis: u16,
    },
    /// Up to the next timer.
    Fire,
    /// Moves the wall clock.
    Wall {
        seconds: i8,
    },
    Close,
}

/// What the outputs so far amount to.
#[derive(Default)]
struct Account {
    is_open: bool,
    is_subscribed: bool,
    is_closed: bool,
    delivered: BTreeSet<String>,
    gaps: Vec<Span>,
    asks: Vec<(ExchangeId, Dialect, Ask)>,
    last_seq: Option<Seq>,
}

fn try_ops(input: &mut Unstructured<'_>) -> Result<()> {
    let mut config = Config::new(input.arbitrary()?);
    config.dialect = match input.int_in_range(0..=2)? {
        0 => None,
        1 => Some(Dialect::V1),
        _ => Some(Dialect::V2),
    };
    if input.arbitrary()? {
        (config.per_page, config.max_slice, config.max_gaps) = (2, 4, 2);
        config.max_silence = Some(Duration::from_secs(50));
    }
    config.backfill = input.arbitrary()?;
    // Every event that these lists can hold is remembered.
    config.window_time = Duration::from_secs(1_000_000);
    let form = config.dialect.unwrap_or_default();
    let mut eager = Platform::new(config.clone());
    let mut lazy = Platform::new(config);
    let (mut account, mut said) = (Account::default(), Vec::new());
    #[allow(clippy::disallowed_methods, reason = "the origin of a virtual clock")]
    let (mut now, mut wall) = (Instant::now(), UnixMillis(START));
    for _ in 0..300 {
        let Ok(operation) = Operation::arbitrary(input) else {
            break;
        };
        let wait = match operation {
            Operation::Wait { millis } => Duration::from_millis(millis.into()),
            Operation::Fire => eager
                .poll_timeout()
                .map_or(Duration::ZERO, |due| due.saturating_duration_since(now)),
            _ => Duration::ZERO,
        };
        now += wait;
        wall = wall.plus(i64::try_from(wait.as_millis()).unwrap_or_default());
        if let Operation::Wall { seconds } = operation {
            wall = wall.plus(i64::from(seconds) * 1_000);
        }
        let was_up = is_up(eager.link());
        apply(&mut eager, now, wall, form, operation, &account.asks);
        apply(&mut lazy, now, wall, form, operation, &account.asks);
        eager.handle_timeout(now);
        if was_up && matches!(operation, Operation::Disconnected) {
            (account.is_open, account.is_subscribed) = (false, false);
        }
        while let Some(output) = eager.poll_output() {
            account.take(&output);
            said.push(output);
        }
        check(&eager, now, &account);
    }
    eager.close(now);
    while let Some(output) = eager.poll_output() {
        account.take(&output);
        said.push(output);
    }
    lazy.close(now);
    let all: Vec<Output> = std::iter::from_fn(|| lazy.poll_output()).collect();
    assert!(
        said == all,
        "draining late or firing twice changed something"
    );
    assert!(account.is_closed && account.gaps.is_empty());
    assert_eq!(eager.poll_timeout(), None);
    Ok(())
}

fn apply(
    platform: &mut Platform,
    now: Instant,
    wall: UnixMillis,
    form: Dialect,
    operation: Operation,
    asks: &[(ExchangeId, Dialect, Ask)],
) {
    let asked = |back: u8| asks.iter().rev().nth(back.into());
    let answer = |back: u8, answer: Answer| {
        let id = asked(back).map_or(ExchangeId(u64::MAX), |(id, ..)| *id);
        Input::Received(wall, FromBox::Answer(id, answer))
    };
    let input = match operation {
        Operation::Connected => Input::Connected(wall),
        Operation::Face { number } => {
            let event = sighting(number).to_live(LiveForm::new(form));
            Input::Received(wall, FromBox::Face(event))
        }
        Operation::Pong => Input::Received(wall, FromBox::Pong),
        Operation::Heard => Input::Heard(wall),
        Operation::Garbled => match FaceEvent::decode("[]".into()) {
            Ok(_) => return,
            Err(error) => Input::Garbled(wall, error),
        },
        Operation::Disconnected => Input::Disconnected(wall, Cause::Eof),
        Operation::StoreFailed { seq } => Input::StoreFailed(Seq(seq.into())),
        Operation::Page {
            back,
            skip,
            take,
            total,
        } => {
            let Some((_, dialect, Ask::Events(query))) = asked(back) else {
                return;
            };
            let mut page = HistoryPage::default();
            let first = query.from.0.saturating_sub(START).max(0) / STEP * 2;
            let first = u16::try_from(first)
                .unwrap_or(u16::MAX)
                .saturating_add(skip.into());
            page.records = (first..first.saturating_add((take % 8).into()))
                .map(|number| sighting(number).to_recorded(*dialect))
                .collect();
            page.total = total.map(u64::from);
            answer(back, Answer::Page(page))
        }
        Operation::Devices { back } => {
            let mut list = DeviceList::default();
            list.devices.push(DeviceInfo::new(CAMERA));
            answer(back, Answer::Devices(list))
        }
        Operation::Failed { back, how } => {
            let error = match how % 4 {
                0 => AskError::Http(404),
                1 => AskError::Http(503),
                2 => AskError::Unreachable,
                _ => AskError::Body,
            };
            answer(back, Answer::Failed(error))
        }
        Operation::Subscribe { faces } => {
            let wanted = Subscription::new([CAMERA]).with_faces(faces);
            return drop(platform.subscribe(now, wanted));
        }
        Operation::AskDevices => return drop(platform.devices(now)),
        Operation::Backfill { from, to } => {
            let time = |seconds: u16| UnixMillis(START + i64::from(seconds) * 1_000);
            return drop(platform.backfill(now, Span::new(time(from), time(to))));
        }
        Operation::Wait { .. } | Operation::Fire | Operation::Wall { .. } => {
            return platform.handle_timeout(now);
        }
        Operation::Close => return platform.close(now),
    };
    platform.handle_input(now, input);
}

fn check(platform: &Platform, now: Instant, account: &Account) {
    let next = platform.poll_timeout();
    assert!(next.is_none_or(|next| next > now), "a timer spins");
    let may_rest = matches!(platform.link(), Link::Idle | Link::Closed);
    assert!(may_rest || next.is_some(), "nothing will ever happen");
    if !account.is_closed {
        let mut gaps = account.gaps.clone();
        gaps.sort_unstable();
        assert_eq!(platform.open_gaps(), gaps);
    }
    let counters = platform.counters();
    assert_eq!(
        counters.received,
        counters.delivered_live + counters.duplicates_live
    );
    assert_eq!(
        counters.fetched,
        counters.delivered_backfill + counters.duplicates_backfill
    );
}

impl Account {
    fn take(&mut self, output: &Output) {
        assert!(!self.is_closed, "nothing follows Closed");
        match output {
            Output::Connect => {
                assert!(!self.is_open, "one connection at a time");
                (self.is_open, self.is_subscribed) = (true, false);
            }
            Output::Disconnect => (self.is_open, self.is_subscribed) = (false, false),
            Output::Send(ToBox::Subscribe(..)) => {
                assert!(self.is_open);
                self.is_subscribed = true;
            }
            Output::Send(ToBox::Ping) => assert!(self.is_subscribed),
            Output::Send(ToBox::Ask(id, dialect, ask)) => {
                self.asks.push((*id, *dialect, ask.clone()));
            }
            Output::Event(event) => self.event(event),
            Output::Store(Op::Mark { seq, .. }) => {
                assert!(self.last_seq < Some(*seq));
                self.last_seq = Some(*seq);
            }
            _ => {}
        }
    }

    fn event(&mut self, event: &Event) {
        match event {
            Event::Face {
                event: face,
                source,
                ..
            } => {
                assert!(self.is_subscribed, "nothing before the subscription");
                assert!(*source == Source::Live || !event.actionable());
                let id = face.event_id().unwrap_or_default().into_owned();
                assert!(self.delivered.insert(id), "delivered twice");
            }
            Event::Gap(span) => {
                self.gaps.retain(|gap| !span.covers(*gap));
                assert!(!self.gaps.iter().any(|gap| gap.touches(*span)));
                self.gaps.push(*span);
            }
            Event::GapFilled { span, .. } => self.end(|gap| gap == span),
            Event::GapOpen { span, .. } => self.end(|gap| gap.covers(*span)),
            Event::Closed(_) => self.is_closed = true,
            _ => {}
        }
    }

    fn end(&mut self, is_it: impl Fn(&Span) -> bool) {
        let nth = self.gaps.iter().position(is_it);
        self.gaps
            .remove(nth.expect("a gap that was announced ends"));
    }
}

fn is_up(link: Link) -> bool {
    matches!(link, Link::Unconfirmed | Link::Streaming | Link::Suspect)
}

/// Event `number`: two strangers at a time, every so many milliseconds.
fn sighting(number: u16) -> Sighting {
    let at = START + i64::from(number / 2) * STEP;
    let mut sighting = Sighting::new(format!("{number}.5"), CAMERA, UnixMillis(at));
    sighting.identity_id = if number.is_multiple_of(3) { "7" } else { "" }.to_owned();
    sighting
}

const START: i64 = 1_607_062_600_000;
const STEP: i64 = 30;
const CAMERA: &str = "04f98265-1fad-47e5-9dda-66e191272055";

//! The laws of every machine, and the subscriber's invariants, for inputs in any order.

mod platform_kit;

use platform_kit::{CAMERA, START, devices, live, live_with_id, origin, sighting};
use proptest::collection::vec;
use proptest::prelude::*;
use se5_events::platform::*;
use se5_events::*;
use std::time::{Duration, Instant};

/// One thing done to a machine.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "a few dozen at a time")]
enum Step {
    Input(Input),
    /// Answers the question asked so many questions ago.
    Answer(u64, Answer),
    Timeout,
    Subscribe(u8),
    Devices,
    Backfill(i64, i64),
    Close,
}

fn face() -> impl Strategy<Value = FaceEvent> {
    (0..400_i64, 0..3_u8, 0..3_u8).prop_map(|(at, person, form)| {
        let mut one = sighting(&format!("{at}-{person}"), START + at * 300);
        one.identity_id = "x".repeat(person.into());
        match form {
            0 => live(&one),
            1 => live_with_id(&one, Dialect::V1),
            _ => live_with_id(&one, Dialect::V2),
        }
    })
}

fn answer() -> impl Strategy<Value = Answer> {
    let records = vec((0..400_i64, 0..3_u8), 0..6);
    let page = (records, proptest::option::of(0..9_u64), any::<bool>());
    let page = page.prop_map(|(records, total, is_v2)| {
        let dialect = if is_v2 { Dialect::V2 } else { Dialect::V1 };
        let record = |(at, person): (i64, u8)| {
            let mut one = sighting(&format!("{at}-{person}"), START + at * 300);
            one.identity_id = "x".repeat(person.into());
            one.to_recorded(dialect)
        };
        let mut page = HistoryPage::default();
        page.records = records.into_iter().map(record).collect();
        page.total = total;
        Answer::Page(page)
    });
    let starting = AskError::Box {
        code: "DEVICE_INIT_ERROR".into(),
        message: String::new(),
        status: None,
    };
    prop_oneof![
        4 => page,
        3 => Just(Answer::Devices(devices())),
        1 => Just(Answer::Failed(AskError::Http(404))),
        1 => Just(Answer::Failed(AskError::Unreachable)),
        1 => Just(Answer::Failed(AskError::Body)),
        1 => Just(Answer::Failed(starting)),
        1 => Just(Answer::Picture("jpeg".into())),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let at = (0..150_i64).prop_map(|seconds| UnixMillis(START + seconds * 1_000));
    let garbled = FaceEvent::decode("[]".into()).unwrap_err();
    prop_oneof![
        4 => at.clone().prop_map(|at| Step::Input(Input::Connected(at))),
        6 => (at.clone(), face())
            .prop_map(|(at, face)| Step::Input(Input::Received(at, FromBox::Face(face)))),
        1 => at.clone().prop_map(|at| Step::Input(Input::Received(at, FromBox::Pong))),
        1 => at.clone().prop_map(|at| Step::Input(Input::Heard(at))),
        1 => at.clone().prop_map(move |at| Step::Input(Input::Garbled(at, garbled.clone()))),
        2 => at.prop_map(|at| Step::Input(Input::Disconnected(at, Cause::Eof))),
        1 => (0..9_u64).prop_map(|seq| Step::Input(Input::StoreFailed(Seq(seq)))),
        1 => (0..9_u64).prop_map(|seq| Step::Input(Input::Stored(Seq(seq)))),
        8 => (0..3_u64, answer()).prop_map(|(back, answer)| Step::Answer(back, answer)),
        4 => Just(Step::Timeout),
        3 => (0..3_u8).prop_map(Step::Subscribe),
        1 => Just(Step::Devices),
        1 => (0..200_i64, 0..200_i64).prop_map(|(from, to)| Step::Backfill(from, to)),
        1 => Just(Step::Close),
    ]
}

fn steps() -> impl Strategy<Value = Vec<(u64, Step)>> {
    vec(
        (prop_oneof![Just(0), 0..2_000_u64, 0..40_000_u64], step()),
        0..60,
    )
}

fn config() -> impl Strategy<Value = Config> {
    (any::<u64>(), 0..3_u8, any::<bool>()).prop_map(|(seed, dialect, small)| {
        let mut config = Config::new(seed);
        config.dialect = match dialect {
            0 => None,
            1 => Some(Dialect::V1),
            _ => Some(Dialect::V2),
        };
        if small {
            config.per_page = 2;
            config.max_slice = 4;
            config.max_gaps = 2;
            config.max_silence = Some(Duration::from_secs(50));
        }
        config
    })
}

fn apply(platform: &mut Platform, now: Instant, step: Step) {
    match step {
        Step::Input(input) => platform.handle_input(now, input),
        Step::Answer(back, answer) => {
            let last = platform.counters().asks;
            let id = ExchangeId(last.saturating_sub(back + 1));
            let at = UnixMillis(START + 150_000);
            platform.handle_input(now, Input::Received(at, FromBox::Answer(id, answer)));
        }
        Step::Timeout => platform.handle_timeout(now),
        Step::Subscribe(which) => {
            let wanted = Subscription::new([CAMERA]).with_faces(which == 1);
            let wanted = wanted.with_registered(which == 2);
            drop(platform.subscribe(now, wanted));
        }
        Step::Devices => drop(platform.devices(now)),
        Step::Backfill(from, to) => {
            let time = |seconds: i64| UnixMillis(START + seconds * 1_000);
            drop(platform.backfill(now, Span::new(time(from), time(to))));
        }
        Step::Close => platform.close(now),
    }
}

fn drain(platform: &mut Platform) -> Vec<Output> {
    std::iter::from_fn(|| platform.poll_output()).collect()
}

/// Keeps the ledger of gaps as the documentation of [`Event::Gap`] tells an application to.
fn account(ledger: &mut Vec<Span>, output: &Output) -> Result<(), TestCaseError> {
    match output {
        Output::Event(Event::Gap(span)) => {
            ledger.retain(|gap| !span.covers(*gap));
            prop_assert!(
                !ledger.iter().any(|gap| gap.touches(*span)),
                "gaps lie apart"
            );
            ledger.push(*span);
        }
        Output::Event(Event::GapFilled { span, .. }) => {
            let held = ledger.iter().position(|gap| gap == span);
            prop_assert!(held.is_some(), "{span:?} was announced");
            ledger.remove(held.unwrap());
        }
        Output::Event(Event::GapOpen { span, .. }) => {
            let held = ledger.iter().position(|gap| gap.covers(*span));
            prop_assert!(held.is_some(), "{span:?} is part of a gap");
            ledger.remove(held.unwrap());
        }
        _ => {}
    }
    Ok(())
}

proptest! {
    #[test]
    fn draining_late_changes_nothing(config in config(), steps in steps()) {
        let mut now = origin();
        let (mut eager, mut lazy) = (Platform::new(config.clone()), Platform::new(config));
        let mut seen = Vec::new();
        for (wait, step) in steps {
            now += Duration::from_millis(wait);
            apply(&mut eager, now, step.clone());
            seen.extend(drain(&mut eager));
            apply(&mut lazy, now, step);
            prop_assert_eq!(eager.poll_timeout(), lazy.poll_timeout());
        }
        prop_assert_eq!(seen, drain(&mut lazy));
    }

    #[test]
    fn firing_timers_twice_or_early_changes_nothing(config in config(), steps in steps()) {
        let mut now = origin();
        let (mut once, mut often) = (Platform::new(config.clone()), Platform::new(config));
        for (wait, step) in steps {
            let early = now + Duration::from_millis(wait / 2);
            now += Duration::from_millis(wait);
            // A timer may be late, so both machines are told of the moment in between.
            once.handle_timeout(early);
            often.handle_timeout(early);
            often.handle_timeout(early);
            apply(&mut once, now, step.clone());
            apply(&mut often, now, step);
            often.handle_timeout(now);
            prop_assert_eq!(drain(&mut once), drain(&mut often));
        }
    }

    #[test]
    fn after_its_timers_fired_a_machine_waits_and_never_for_nothing(
        config in config(),
        steps in steps(),
    ) {
        let mut now = origin();
        let mut platform = Platform::new(config);
        for (wait, step) in steps {
            now += Duration::from_millis(wait);
            apply(&mut platform, now, step);
            drain(&mut platform);
            platform.handle_timeout(now);
            let next = platform.poll_timeout();
            prop_assert!(next.is_none_or(|next| next > now));
            //= docs/spec/se5-events.md#liveness
            //# The subscriber MUST always have an output or a deadline while it is subscribed and
            //# not closed.
            let may_rest = matches!(platform.link(), Link::Idle | Link::Closed);
            let has_output = platform.poll_output().is_some();
            prop_assert!(may_rest || has_output || next.is_some(), "{:?}", platform.link());
        }
    }

    #[test]
    fn replaying_the_same_gives_the_same(config in config(), steps in steps()) {
        let run = || {
            let mut now = origin();
            let mut platform = Platform::new(config.clone());
            for (wait, step) in steps.clone() {
                now += Duration::from_millis(wait);
                apply(&mut platform, now, step);
            }
            (drain(&mut platform), platform.counters())
        };
        prop_assert_eq!(run(), run());
    }

    #[test]
    fn the_invariants_hold_whatever_happens(config in config(), steps in steps()) {
        let mut now = origin();
        let mut platform = Platform::new(config.clone());
        let (mut ledger, mut is_dialled, mut is_subscribed) = (Vec::new(), false, false);
        let (mut closed, mut last_seq) = (0, None);
        for (wait, step) in steps.into_iter().chain([(0, Step::Close), (1, Step::Timeout)]) {
            now += Duration::from_millis(wait);
            let was_up = matches!(
                platform.link(),
                Link::Unconfirmed | Link::Streaming | Link::Suspect
            );
            let is_loss = matches!(step, Step::Input(Input::Disconnected(..)));
            apply(&mut platform, now, step);
            for output in drain(&mut platform) {
                prop_assert_eq!(closed, 0, "nothing follows Closed");
                account(&mut ledger, &output)?;
                match output {
                    Output::Connect => {
                        //= docs/spec/se5-events.md#liveness
                        //# The subscriber MUST NOT have more than one dial or connection at a time.
                        prop_assert!(!is_dialled, "one connection at a time");
                        (is_dialled, is_subscribed) = (true, false);
                    }
                    Output::Disconnect => (is_dialled, is_subscribed) = (false, false),
                    Output::Send(ToBox::Subscribe(..)) => {
                        prop_assert!(is_dialled);
                        is_subscribed = true;
                    }
                    Output::Send(ToBox::Ping) => prop_assert!(is_subscribed),
                    Output::Event(ref event @ Event::Face { source, .. }) => {
                        //= docs/spec/se5-events.md#subscription
                        //# The subscriber MUST NOT report an event of a connection before it has
                        //# sent the subscription on that connection.
                        prop_assert!(is_subscribed, "nothing before the subscription");
                        prop_assert!(source == Source::Live || !event.actionable());
                    }
                    Output::Event(Event::Closed(_)) => closed += 1,
                    Output::Store(Op::Mark { seq, mark }) => {
                        prop_assert!(last_seq < Some(seq));
                        last_seq = Some(seq);
                        prop_assert!(mark.open.len() <= config.max_gaps);
                    }
                    _ => {}
                }
            }
            if is_loss && was_up {
                (is_dialled, is_subscribed) = (false, false);
            }
            if closed == 0 {
                ledger.sort_unstable();
                prop_assert_eq!(&platform.open_gaps(), &ledger);
            }
            let counters = platform.counters();
            prop_assert_eq!(
                counters.received,
                counters.delivered_live + counters.duplicates_live
            );
            prop_assert_eq!(
                counters.fetched,
                counters.delivered_backfill + counters.duplicates_backfill
            );
        }
        prop_assert_eq!(closed, 1);
        //= docs/spec/se5-events.md#gaps
        //# Each reported gap MUST end in exactly one report that it is filled or that it stays
        //# open, or be in the last mark.
        prop_assert!(ledger.is_empty(), "every gap has ended");
        prop_assert_eq!(platform.poll_timeout(), None);
    }
}

//! A subscriber under a virtual clock, for tests.
#![allow(
    unreachable_pub,
    dead_code,
    clippy::arithmetic_side_effects,
    reason = "each test file uses its part of this"
)]

use se5_events::platform::{
    Cause, Config, Event, Freshness, Input, Link, Mark, Op, OpenReason, Output, Platform, Source,
    Span,
};
use se5_events::{
    Answer, Ask, AskError, DeviceInfo, DeviceList, Dialect, ExchangeId, FaceEvent, FromBox,
    HistoryPage, HistoryQuery, LiveForm, Sighting, Subscription, ToBox, UnixMillis,
};
use std::time::{Duration, Instant};

/// The wall-clock time at which every test begins.
pub const START: i64 = 1_607_062_600_000;
/// The device that everybody subscribes to.
pub const CAMERA: &str = "04f98265-1fad-47e5-9dda-66e191272055";

/// A subscriber, its clock, and what it has said since somebody looked.
pub struct Rig {
    pub platform: Platform,
    pub now: Instant,
    pub elapsed: Duration,
    pub log: Vec<Output>,
}

/// Defaults in dialect 1.
pub fn config() -> Config {
    let mut config = Config::new(7);
    config.dialect = Some(Dialect::V1);
    config
}

pub fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[expect(clippy::disallowed_methods, reason = "the origin of a virtual clock")]
pub fn origin() -> Instant {
    Instant::now()
}

impl Rig {
    pub fn new(config: Config) -> Self {
        Self::of(Platform::new(config))
    }

    pub fn of(platform: Platform) -> Self {
        Self {
            platform,
            now: origin(),
            elapsed: Duration::ZERO,
            log: Vec::new(),
        }
    }

    /// Subscribed, connected, nothing said yet.
    pub fn up(config: Config) -> Self {
        let mut rig = Self::new(config);
        rig.subscribe();
        rig.connect();
        rig.log.clear();
        rig
    }

    pub fn subscribe(&mut self) {
        let wanted = Subscription::new([CAMERA]).with_faces(true);
        assert_eq!(self.platform.subscribe(self.now, wanted), Ok(()));
        self.drain();
    }

    pub fn at(&self) -> UnixMillis {
        UnixMillis(START + i64::try_from(self.elapsed.as_millis()).unwrap())
    }

    pub fn drain(&mut self) {
        while let Some(output) = self.platform.poll_output() {
            self.log.push(output);
        }
    }

    pub fn input(&mut self, input: Input) {
        self.platform.handle_input(self.now, input);
        self.drain();
    }

    pub fn connect(&mut self) {
        self.input(Input::Connected(self.at()));
    }

    pub fn lose(&mut self) {
        self.input(Input::Disconnected(self.at(), Cause::Eof));
    }

    pub fn face(&mut self, event: FaceEvent) {
        self.input(Input::Received(self.at(), FromBox::Face(event)));
    }

    pub fn pong(&mut self) {
        self.input(Input::Received(self.at(), FromBox::Pong));
    }

    /// A whole message that is no event.
    pub fn garbled(&mut self) {
        let error = FaceEvent::decode("no json".into()).unwrap_err();
        self.input(Input::Garbled(self.at(), error));
    }

    pub fn answer(&mut self, id: ExchangeId, answer: Answer) {
        self.input(Input::Received(self.at(), FromBox::Answer(id, answer)));
    }

    /// Passes time, firing every timer when it is due.
    pub fn pass(&mut self, wait: Duration) {
        let end = self.now + wait;
        while let Some(due) = self.platform.poll_timeout().filter(|due| *due <= end) {
            self.jump(due.max(self.now));
        }
        self.jump(end);
    }

    /// Passes time up to the next timer.
    pub fn next_timer(&mut self) {
        let due = self.platform.poll_timeout().expect("a timer is armed");
        self.jump(due.max(self.now));
    }

    /// Passes time until `found` says of an output that it came, at most `limit`.
    pub fn until(&mut self, limit: Duration, found: impl Fn(&Output) -> bool) -> bool {
        let end = self.now + limit;
        loop {
            if self.log.iter().any(&found) {
                return true;
            }
            match self.platform.poll_timeout().filter(|due| *due <= end) {
                Some(due) => self.jump(due.max(self.now)),
                None => return false,
            }
        }
    }

    /// Down, and up again after at least `down`.
    pub fn reconnect(&mut self, down: Duration) {
        self.lose();
        self.pass(down);
        self.redial();
    }

    /// Up again, as soon as the subscriber dials. The box begins to say something at once, so that
    /// the subscription is known to have arrived.
    pub fn redial(&mut self) {
        self.redial_silently();
        self.input(Input::Heard(self.at()));
    }

    /// Up again, with nothing to show that the subscription has arrived.
    pub fn redial_silently(&mut self) {
        while self.platform.link() != Link::Dialing {
            self.next_timer();
        }
        self.connect();
    }

    /// What was said, and forgets it.
    pub fn said(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.log)
    }

    pub fn events(&self) -> Vec<&Event> {
        let mut events = Vec::new();
        for output in &self.log {
            if let Output::Event(event) = output {
                events.push(event);
            }
        }
        events
    }

    /// Ids of the faces delivered.
    pub fn faces(&self, wanted: Source) -> Vec<String> {
        let id = |event: &&Event| match event {
            Event::Face { event, source, .. } if *source == wanted => {
                event.event_id().map(std::borrow::Cow::into_owned)
            }
            _ => None,
        };
        self.events().iter().filter_map(id).collect()
    }

    pub fn freshness(&self) -> Vec<Freshness> {
        let freshness = |event: &&Event| match event {
            Event::Face { freshness, .. } => Some(*freshness),
            _ => None,
        };
        self.events().iter().filter_map(freshness).collect()
    }

    pub fn gaps(&self) -> Vec<Span> {
        let gap = |event: &&Event| match event {
            Event::Gap(span) => Some(*span),
            _ => None,
        };
        self.events().iter().filter_map(gap).collect()
    }

    pub fn open(&self) -> Vec<(Span, OpenReason)> {
        let open = |event: &&Event| match event {
            Event::GapOpen { span, why } => Some((*span, *why)),
            _ => None,
        };
        self.events().iter().filter_map(open).collect()
    }

    pub fn filled(&self) -> Vec<(Span, u64, u64)> {
        let filled = |event: &&Event| match event {
            Event::GapFilled {
                span,
                recovered,
                known,
            } => Some((*span, *recovered, *known)),
            _ => None,
        };
        self.events().iter().filter_map(filled).collect()
    }

    pub fn asks(&self) -> Vec<(ExchangeId, Dialect, Ask)> {
        let ask = |output: &Output| match output {
            Output::Send(ToBox::Ask(id, dialect, ask)) => Some((*id, *dialect, ask.clone())),
            _ => None,
        };
        self.log.iter().filter_map(ask).collect()
    }

    /// The last question, which must be one for the history.
    pub fn query(&self) -> (ExchangeId, HistoryQuery) {
        match self.asks().pop() {
            Some((id, _, Ask::Events(query))) => (id, query),
            other => panic!("not a history query: {other:?}"),
        }
    }

    pub fn marks(&self) -> Vec<Mark> {
        let mark = |output: &Output| match output {
            Output::Store(Op::Mark { mark, .. }) => Some(mark.clone()),
            _ => None,
        };
        self.log.iter().filter_map(mark).collect()
    }

    pub fn count(&self, wanted: impl Fn(&Output) -> bool) -> usize {
        self.log.iter().filter(|output| wanted(output)).count()
    }

    pub fn pings(&self) -> usize {
        self.count(|output| matches!(output, Output::Send(ToBox::Ping)))
    }

    pub fn dials(&self) -> usize {
        self.count(|output| matches!(output, Output::Connect))
    }

    /// Answers history queries from `records` for as long as they come, for at most `limit`.
    pub fn serve(&mut self, dialect: Dialect, records: &[Sighting], limit: Duration) {
        let end = self.now + limit;
        let mut done = std::collections::BTreeSet::new();
        loop {
            let fresh: Vec<_> = self
                .asks()
                .into_iter()
                .filter(|ask| done.insert(ask.0))
                .collect();
            for (id, _, ask) in fresh {
                let answer = match ask {
                    Ask::Events(query) => Answer::Page(page(dialect, records, &query)),
                    _ => Answer::Devices(devices()),
                };
                self.answer(id, answer);
            }
            if self.asks().iter().any(|ask| !done.contains(&ask.0)) {
                continue;
            }
            match self.platform.poll_timeout().filter(|due| *due <= end) {
                Some(due) => self.jump(due.max(self.now)),
                None => return self.jump(end),
            }
        }
    }

    fn jump(&mut self, then: Instant) {
        self.elapsed += then.saturating_duration_since(self.now);
        self.now = then;
        self.platform.handle_timeout(then);
        self.drain();
        let next = self.platform.poll_timeout();
        assert!(next.is_none_or(|next| next > then), "a timer spins");
    }
}

/// From so many milliseconds after the start to so many.
pub fn span(from: i64, to: i64) -> Span {
    Span::new(UnixMillis(START + from), UnixMillis(START + to))
}

/// Lost at 10 s after the start, up again and heard at 60 s.
pub fn with_gap(config: Config) -> Rig {
    let mut rig = Rig::up(config);
    rig.pass(secs(10));
    rig.garbled();
    rig.lose();
    while rig.platform.link() != Link::Dialing || rig.at().0 < START + 60_000 {
        if rig.platform.link() == Link::Dialing {
            rig.input(Input::Disconnected(rig.at(), Cause::Refused));
        }
        let wait = ms(u64::try_from((START + 60_000 - rig.at().0).clamp(1, 500)).unwrap());
        rig.pass(wait);
    }
    rig.log.clear();
    rig.connect();
    rig.input(Input::Heard(rig.at()));
    rig
}

/// What the box keeps of one sighting at `at`, of a stranger unless named otherwise.
pub fn sighting(id: &str, at: i64) -> Sighting {
    let mut sighting = Sighting::new(id, CAMERA, UnixMillis(at));
    sighting.score = 0.5;
    sighting
}

/// As pushed in dialect 1 as documented, without the script's ids.
pub fn live(sighting: &Sighting) -> FaceEvent {
    let mut form = LiveForm::new(Dialect::V1);
    form.script_ids = false;
    sighting.to_live(form)
}

/// As pushed with an id.
pub fn live_with_id(sighting: &Sighting, dialect: Dialect) -> FaceEvent {
    sighting.to_live(LiveForm::new(dialect))
}

pub fn devices() -> DeviceList {
    let mut list = DeviceList::default();
    list.devices.push(DeviceInfo::new(CAMERA));
    list
}

pub fn failed(status: u16) -> Answer {
    Answer::Failed(AskError::Http(status))
}

/// The page a box would give, by the bounds as they are on the wire.
pub fn page(dialect: Dialect, records: &[Sighting], query: &HistoryQuery) -> HistoryPage {
    let (from, to) = bounds(query);
    let all: Vec<&Sighting> = records
        .iter()
        .filter(|record| (from..=to).contains(&record.at.0))
        .collect();
    let (page, size) = (query.page as usize, query.per_page as usize);
    let some = all.iter().skip(page * size).take(size);
    HistoryPage::of(dialect, query, some.map(|one| Ref(one)), all.len() as u64)
}

/// The range of a query after rounding to its unit.
pub fn bounds(query: &HistoryQuery) -> (i64, i64) {
    match query.unit {
        se5_events::TimeUnit::Seconds => {
            let down = query.from.0.div_euclid(1000) * 1000;
            let up = (query.to.0 + 999).div_euclid(1000) * 1000;
            (down, up)
        }
        se5_events::TimeUnit::Millis => (query.from.0, query.to.0),
    }
}

struct Ref<'a>(&'a Sighting);

impl AsRef<Sighting> for Ref<'_> {
    fn as_ref(&self) -> &Sighting {
        self.0
    }
}

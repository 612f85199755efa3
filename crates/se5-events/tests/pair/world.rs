//! One session: a box, a network, a subscriber, and everything between them in bytes.

mod network;
mod simulator;
mod subscriber;
mod trouble;

use crate::application::Application;
use crate::plan::{Plan, Saboteur};
use bytes::Bytes;
use se5_events::device::{self, Device, LinkId};
use se5_events::platform::{self, Cause, Mark, Platform, Seq};
use se5_events::{
    Answer, Ask, AskError, DeviceInfo, Dialect, EventKey, ExchangeId, FromBox, HistoryPage, Limits,
    Subscription, ToBox, UnixMillis, codec,
};
use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::time::{Duration, Instant};
use testkit::campaign::Session;
use testkit::{Pipe, Rng, Schedule, Trace, epoch};

/// The subscriber's wall clock when a session starts.
const START: UnixMillis = UnixMillis(1_700_000_000_000);

pub(crate) struct World {
    plan: Plan,
    saboteur: Saboteur,
    schedule: Schedule<Happening>,
    chance: Rng,
    limits: Limits,
    the_box: Device,
    platform: Option<Platform>,
    /// Counts the subscriber's processes, so that news for an old one is dropped.
    process: u64,
    /// Outputs the process still gets to hand out before it is killed.
    doomed: Option<u64>,
    link: Option<Connection>,
    links: u64,
    asks: BTreeMap<ExchangeId, (u64, ExchangeId, Dialect, Ask)>,
    next_ask: u64,
    network_is_up: bool,
    history_is_broken: bool,
    page_before: HistoryPage,
    stalled_until: Instant,
    mark: Option<Mark>,
    wakes: [Option<Instant>; 2],
    happened: Vec<Happened>,
    by_key: BTreeMap<EventKey, usize>,
    emitted: u64,
    /// The first event after the box knew what the subscriber wants; nothing is promised for
    /// those before. A subscriber that is killed before it has stored a mark starts anew.
    promised_from: Option<usize>,
    healed: Option<Instant>,
    app: Application,
    stats: Stats,
    trace: Option<Trace>,
    narrates: bool,
}

/// What a session came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Stats {
    pub events: u64,
    pub delivered: u64,
    pub backfilled: u64,
    pub losses: u64,
    pub crashes: u64,
    pub reboots: u64,
    pub filled: u64,
    pub open: u64,
    pub excused: u64,
    pub trace: u64,
}

/// An event that really happened.
#[derive(Debug, Clone)]
struct Happened {
    is_wanted: bool,
    at: UnixMillis, // by the subscriber's clock
}

struct Connection {
    id: u64,
    to_box: Pipe,
    to_subscriber: Pipe,
    is_open: bool,
}

#[derive(Debug)]
enum Happening {
    Sighted,
    Trouble,
    NetworkHeals,
    HistoryHeals,
    Heal,
    Restart,
    Dialed(u64),
    DialFailed(u64, Cause),
    AtBox(u64, ToBox),
    AtSubscriber(u64, Bytes),
    PongAtSubscriber(u64),
    BoxLearns(u64),
    SubscriberLearns(u64, Cause),
    Asked(u64, ExchangeId, Dialect, Ask),
    Answered(u64, ExchangeId, Ask, u16, Bytes),
    Unanswered(u64, ExchangeId),
    Stored(u64, Seq, Mark),
    /// For a timer that has been armed anew meanwhile, it comes to nothing.
    Wake(usize, Instant),
}

const BOX: usize = 0;
const SUBSCRIBER: usize = 1;

impl Session for World {
    type Stats = Stats;

    fn narrate(&mut self) {
        println!("{:#?}", self.plan);
        self.narrates = true;
    }

    fn trace(&mut self) {
        self.trace = Some(Trace::default());
    }

    /// Runs until the world has healed and everything has settled.
    fn run(mut self) -> Result<Stats, String> {
        let now = self.schedule.now();
        for fault in self.plan.faults.clone() {
            self.the_box.fault(now, fault);
        }
        self.start()?;
        self.schedule
            .after(Duration::from_millis(500), Happening::Sighted);
        if self.plan.trouble > 0 {
            self.after(self.plan.trouble, Happening::Trouble);
        }
        let span = self.plan.events * self.plan.pace + 5_000;
        self.schedule
            .after(Duration::from_millis(span), Happening::Heal);
        let mut steps = 0_u64;
        while let Some(happening) = self.schedule.take() {
            if self.has_settled() {
                break;
            }
            steps += 1;
            if steps > 500_000 + 200 * self.plan.events {
                return Err("the session spins".to_owned());
            }
            if self.narrates {
                println!("{:>9} {happening:?}", self.schedule.elapsed_millis());
            }
            self.happen(happening)?;
            self.settle()?;
        }
        self.finish()
    }
}

impl World {
    pub(crate) fn new(plan: Plan, saboteur: Saboteur) -> Self {
        let mut config = device::Config::new(plan.seed);
        config.dialect = plan.dialect;
        config.script_ids = plan.script_ids;
        let mut the_box = Device::new(config);
        let now = epoch();
        for camera in 0..plan.cameras {
            let info = DeviceInfo::new(camera_id(camera)).with_name(format!("摄像头{camera}"));
            the_box.add_device(now, info).unwrap();
        }
        Self {
            schedule: Schedule::new(now),
            chance: Rng::new(plan.seed).stream("world"),
            limits: Limits::default(),
            the_box,
            platform: None,
            process: 0,
            doomed: None,
            link: None,
            links: 0,
            asks: BTreeMap::new(),
            next_ask: 0,
            network_is_up: true,
            history_is_broken: false,
            page_before: HistoryPage::default(),
            stalled_until: now,
            mark: None,
            wakes: [None; 2],
            happened: Vec::new(),
            by_key: BTreeMap::new(),
            emitted: 0,
            promised_from: None,
            healed: None,
            app: Application::default(),
            stats: Stats::default(),
            trace: None,
            narrates: false,
            plan,
            saboteur,
        }
    }

    /// True once nothing more is to be expected: half an hour after all has healed, or as soon as
    /// nothing is missing and no gap is being repaired.
    fn has_settled(&self) -> bool {
        let Some(healed) = self.healed else {
            return false;
        };
        let since = self.schedule.now().saturating_duration_since(healed);
        let is_whole = || {
            self.app.unfinished().is_empty() && self.platform.is_some() && self.missing().is_none()
        };
        since > Duration::from_secs(1_800) || (since > Duration::from_secs(60) && is_whole())
    }

    fn happen(&mut self, happening: Happening) -> Result<(), String> {
        let now = self.schedule.now();
        match happening {
            Happening::Sighted => self.sight(),
            Happening::Trouble => self.make_trouble(),
            Happening::NetworkHeals => self.network_is_up = true,
            Happening::HistoryHeals => self.history_is_broken = false,
            Happening::Heal => self.heal(),
            Happening::Restart if self.platform.is_none() => return self.start(),
            Happening::Dialed(id) => self.dialed(id),
            Happening::DialFailed(id, cause) if id == self.links => {
                self.tell(|at| platform::Input::Disconnected(at, cause));
            }
            Happening::AtBox(id, message) if self.is_open(id) => self.at_box(id, message),
            Happening::AtSubscriber(id, json) if self.is_open(id) => self.at_subscriber(json),
            Happening::PongAtSubscriber(id) if self.is_open(id) => {
                self.tell(|at| platform::Input::Received(at, FromBox::Pong));
            }
            Happening::BoxLearns(id) => {
                self.the_box
                    .handle_input(now, device::Input::Disconnected(LinkId(id)));
            }
            Happening::SubscriberLearns(id, cause) if self.has_link(id) => {
                self.link = None;
                self.lost(cause);
            }
            Happening::Asked(process, id, dialect, ask) => self.asked(process, id, dialect, ask),
            Happening::Answered(process, id, ask, status, body) if process == self.process => {
                let answer = codec::decode_answer(&ask, status, body, &self.limits);
                self.tell(|at| platform::Input::Received(at, FromBox::Answer(id, answer)));
            }
            Happening::Unanswered(process, id) if process == self.process => {
                let answer = Answer::Failed(AskError::Unreachable);
                self.tell(|at| platform::Input::Received(at, FromBox::Answer(id, answer)));
            }
            Happening::Stored(process, seq, mark) if process == self.process => {
                self.store(mark);
                self.tell(|_| platform::Input::Stored(seq));
            }
            Happening::Wake(who, armed) if self.wakes[who] == Some(armed) => self.wake(who),
            _ => {} // too late for whom it was meant
        }
        Ok(())
    }

    fn start(&mut self) -> Result<(), String> {
        let mut config = self.plan.config.clone();
        self.saboteur.tamper(&mut config);
        let now = self.schedule.now();
        let mut platform = match self.mark.clone() {
            Some(mark) if self.saboteur != Saboteur::StartsAnew => Platform::resume(config, mark),
            _ => Platform::new(config),
        };
        let cameras = (0..self.plan.subscribed).map(camera_id);
        let wanted = platform.subscribe(now, Subscription::new(cameras));
        wanted.map_err(|refused| format!("subscription: {refused}"))?;
        self.platform = Some(platform);
        self.settle()
    }

    fn wall(&self) -> UnixMillis {
        START.plus(self.schedule.elapsed_millis())
    }

    fn latency(&mut self) -> Duration {
        let stall = self
            .stalled_until
            .saturating_duration_since(self.schedule.now());
        stall + self.chance.millis(0..=self.plan.latency)
    }

    fn after(&mut self, most: u64, happening: Happening) {
        let delay = self.chance.millis(0..=most);
        self.schedule.after(delay, happening);
    }

    fn wake(&mut self, who: usize) {
        self.wakes[who] = None;
        let now = self.schedule.now();
        match (who, &mut self.platform) {
            (BOX, _) => self.the_box.handle_timeout(now),
            (_, Some(platform)) => platform.handle_timeout(now),
            (_, None) => {}
        }
    }

    /// Drains both machines and arms their timers.
    fn settle(&mut self) -> Result<(), String> {
        self.drain_box();
        self.drain_subscriber()?;
        self.drain_box();
        let timers = [
            self.the_box.poll_timeout(),
            self.platform.as_ref().and_then(Platform::poll_timeout),
        ];
        for (who, timer) in timers.into_iter().enumerate() {
            let Some(at) = timer else { continue };
            if self.wakes[who].is_none_or(|armed| at < armed) {
                self.wakes[who] = Some(at);
                self.schedule.at(at, Happening::Wake(who, at));
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Stats, String> {
        let now = self.schedule.now();
        let unfinished = self.app.unfinished();
        if !unfinished.is_empty() {
            return Err(format!(
                "half an hour after all healed, {unfinished:?} is still open"
            ));
        }
        if let Some(event) = self.missing() {
            return Err(format!("{event:?} is missing and nobody said so"));
        }
        let strangers = self
            .happened
            .iter()
            .enumerate()
            .find(|(number, event)| !event.is_wanted && self.app.stored.contains(number));
        if let Some((_, event)) = strangers {
            return Err(format!("{event:?} was not subscribed to"));
        }
        let excused = self
            .happened
            .iter()
            .enumerate()
            .filter(|(number, event)| event.is_wanted && self.is_excused(*number, event));
        self.stats.excused = excused.count() as u64;
        if let Some(platform) = &mut self.platform {
            platform.close(now);
        }
        self.drain_subscriber()?;
        let silent = self.platform.as_mut().is_none_or(|platform| {
            platform.poll_output().is_none() && platform.poll_timeout().is_none()
        });
        if !silent {
            return Err("a closed subscriber has more to say".to_owned());
        }
        self.stats.trace = self.trace.map_or(0, Trace::value);
        Ok(self.stats)
    }

    /// An event that the application should hold and does not.
    fn missing(&self) -> Option<&Happened> {
        let mut events = self.happened.iter().enumerate();
        let missing = events.find(|(number, event)| {
            event.is_wanted && !self.app.stored.contains(number) && !self.is_excused(*number, event)
        });
        missing.map(|(_, event)| event)
    }

    /// True if nobody promised this event, or the application was told that it may be missing.
    fn is_excused(&self, number: usize, event: &Happened) -> bool {
        let is_promised = self.promised_from.is_some_and(|first| first <= number);
        !is_promised || self.app.was_warned_of(event.at)
    }
}

impl AddAssign for Stats {
    fn add_assign(&mut self, other: Self) {
        self.events += other.events;
        self.delivered += other.delivered;
        self.backfilled += other.backfilled;
        self.losses += other.losses;
        self.crashes += other.crashes;
        self.reboots += other.reboots;
        self.filled += other.filled;
        self.open += other.open;
        self.excused += other.excused;
        self.trace ^= other.trace;
    }
}

fn camera_id(nth: u64) -> String {
    format!("00000000-0000-4000-8000-{nth:012}")
}

//! One session: a box, a network, a subscriber, and everything between them in bytes.

use crate::application::{Application, Fact};
use crate::plan::{Plan, Saboteur, Trouble};
use bytes::Bytes;
use se5_events::device::{self, Device, Fault, LinkId, Peer, PingAnswer, Reboot};
use se5_events::platform::{self, Cause, Mark, Op, Platform, Seq};
use se5_events::{
    Answer, Ask, AskError, DeviceInfo, Dialect, EventKey, ExchangeId, FaceEvent, FromBox, Limits,
    LiveForm, PersonType, Sighting, Subscription, ToBox, UnixMillis, codec,
};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use testkit::{Arrival, Pipe, Rng, Schedule, Trace, epoch};

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
    trace: Trace,
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
    Wake(usize),
}

const BOX: usize = 0;
const SUBSCRIBER: usize = 1;

impl World {
    pub(crate) fn new(plan: Plan, saboteur: Saboteur) -> Self {
        let mut config = device::Config::new(plan.seed);
        config.dialect = plan.dialect;
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
            mark: None,
            wakes: [None; 2],
            happened: Vec::new(),
            by_key: BTreeMap::new(),
            emitted: 0,
            promised_from: None,
            healed: None,
            app: Application::default(),
            stats: Stats::default(),
            trace: Trace::default(),
            narrates: false,
            plan,
            saboteur,
        }
    }

    /// Prints everything that happens.
    pub(crate) fn narrate(&mut self) {
        println!("{:#?}", self.plan);
        self.narrates = true;
    }

    /// Runs until the world has healed and everything has settled.
    pub(crate) fn run(mut self) -> Result<Stats, String> {
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
            if steps > 500_000 {
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
            Happening::HistoryHeals => self.heal_history(),
            Happening::Heal => self.heal(),
            Happening::Restart if self.platform.is_none() => return self.start(),
            Happening::Restart => {}
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
            Happening::SubscriberLearns(id, cause) => {
                if self.link.as_ref().is_some_and(|link| link.id == id) {
                    self.link = None;
                    self.lost(cause);
                }
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
            Happening::Wake(who) => self.wake(who),
            _ => {} // too late for whom it was meant
        }
        Ok(())
    }

    fn start(&mut self) -> Result<(), String> {
        let mut config = self.plan.config.clone();
        self.saboteur.tamper(&mut config);
        let now = self.schedule.now();
        let mut platform = match self.mark.clone() {
            Some(mark) => Platform::resume(config, mark),
            None => Platform::new(config),
        };
        let cameras = (0..self.plan.subscribed).map(camera_id);
        let wanted = platform.subscribe(now, Subscription::new(cameras));
        wanted.map_err(|refused| format!("subscription: {refused}"))?;
        self.platform = Some(platform);
        self.settle()
    }

    // --- the box's side -------------------------------------------------------------------------

    fn sight(&mut self) {
        let now = self.schedule.now();
        let camera = self.chance.below(self.plan.cameras);
        let at = self.wall();
        let number = self.emitted;
        self.emitted += 1;
        let device = camera_id(camera);
        let at_box = at.plus(self.plan.box_ahead);
        let mut event = Sighting::new(format!("{}.{number:06}", at_box.0 / 1000), &device, at_box);
        if self.chance.percent(60) {
            event.person = PersonType::Employee;
            event.identity_id = self.chance.below(4).to_string();
            event.identity_name = "测试员".to_owned();
        }
        // Two strangers in the same millisecond differ by their score only.
        event.score = f64::from(u32::try_from(number).unwrap()) / 1024.0;
        // A firmware of another dialect gives the same event another key.
        for dialect in [Dialect::V1, Dialect::V2] {
            let key = event.to_live(LiveForm::new(dialect)).key();
            self.by_key.insert(key, self.happened.len());
        }
        let is_wanted = camera < self.plan.subscribed;
        self.happened.push(Happened { is_wanted, at });
        let _ = self.the_box.emit(now, event);
        self.stats.events += 1;
        if self.emitted < self.plan.events {
            let pause = if self.chance.percent(20) {
                0
            } else {
                2 * self.plan.pace
            };
            self.after(pause, Happening::Sighted);
        }
    }

    fn at_box(&mut self, id: u64, message: ToBox) {
        let now = self.schedule.now();
        let link = LinkId(id);
        let message = match message {
            ToBox::Subscribe(dialect, subscription) => {
                let mut json = Vec::new();
                subscription.encode(dialect, &mut json);
                let (dialect, subscription) =
                    Subscription::decode(json.into(), &self.limits).unwrap();
                ToBox::Subscribe(dialect, subscription)
            }
            other => other,
        };
        if message == ToBox::Ping && self.the_box.answers_ping(link) == PingAnswer::Answer {
            self.send_to_subscriber(id, |id| Happening::PongAtSubscriber(id));
        }
        self.the_box
            .handle_input(now, device::Input::Received(link, message));
    }

    fn asked(&mut self, process: u64, id: ExchangeId, dialect: Dialect, ask: Ask) {
        if !self.network_is_up {
            self.schedule
                .after(Duration::from_secs(10), Happening::Unanswered(process, id));
            return;
        }
        let request = codec::encode_ask(&ask, dialect);
        let read = codec::decode_ask(request.method, &request.target, &request.body, &self.limits);
        let (dialect, ask_read) = read.unwrap();
        self.next_ask += 1;
        let at_box = ExchangeId(self.next_ask);
        self.asks.insert(at_box, (process, id, dialect, ask));
        let now = self.schedule.now();
        self.the_box
            .handle_input(now, device::Input::Asked(at_box, dialect, ask_read));
    }

    fn drain_box(&mut self) {
        while let Some(output) = self.the_box.poll_output() {
            self.trace.note(&output);
            match output {
                device::Output::Send(link, message, delivery) => {
                    let FromBox::Face(event) = &*message else {
                        continue;
                    };
                    let dialect = self.the_box.dialect();
                    let json = codec::deface(event.json().clone(), dialect, &delivery.faults);
                    self.send_to_subscriber(link.0, |id| Happening::AtSubscriber(id, json));
                }
                device::Output::Answer(id, answer) => self.answer(id, answer),
                device::Output::Disconnect(link) => {
                    // A box that goes down takes what is under way with it, or not.
                    let id = link.0;
                    if self.chance.percent(50) {
                        self.send_to_subscriber(id, |id| {
                            Happening::SubscriberLearns(id, Cause::Eof)
                        });
                    } else {
                        self.after(100, Happening::SubscriberLearns(id, Cause::Io));
                        self.close(id);
                    }
                }
                device::Output::Event(device::Event::Subscribed(_, 1..)) => {
                    self.promised_from.get_or_insert(self.happened.len());
                }
                _ => {}
            }
        }
    }

    fn answer(&mut self, id: ExchangeId, mut answer: Answer) {
        let Some((process, asked, dialect, ask)) = self.asks.remove(&id) else {
            return;
        };
        if let (Saboteur::ShortPages, Answer::Page(page)) = (self.saboteur, &mut answer) {
            page.records.pop();
        }
        if !self.network_is_up {
            let lost = Happening::Unanswered(process, asked);
            return self.schedule.after(Duration::from_secs(10), lost);
        }
        let response = codec::encode_answer(&answer, &ask, dialect);
        let news = Happening::Answered(process, asked, ask, response.status, response.body);
        self.after(self.plan.latency, news);
    }

    // --- the subscriber's side ------------------------------------------------------------------

    fn dialed(&mut self, id: u64) {
        if id != self.links || self.platform.is_none() {
            return;
        }
        if !self.network_is_up {
            return self.tell(|at| platform::Input::Disconnected(at, Cause::Unreachable));
        }
        let now = self.schedule.now();
        self.link = Some(Connection {
            id,
            to_box: Pipe::default(),
            to_subscriber: Pipe::default(),
            is_open: true,
        });
        let peer = Peer("192.0.2.7:40001".to_owned());
        self.the_box
            .handle_input(now, device::Input::Connected(LinkId(id), peer));
        self.tell(platform::Input::Connected);
    }

    fn at_subscriber(&mut self, json: Bytes) {
        if self.saboteur == Saboteur::LeakyDriver && self.chance.percent(2) {
            return;
        }
        let json = if self.saboteur == Saboteur::ForgedTime && self.chance.percent(2) {
            let text =
                String::from_utf8_lossy(&json).replace("\"timestamp\":17", "\"timestamp\":18");
            Bytes::from(text)
        } else {
            json
        };
        match FaceEvent::decode(json) {
            Ok(event) => self.tell(|at| platform::Input::Received(at, FromBox::Face(event))),
            Err(error) => self.tell(|at| platform::Input::Garbled(at, error)),
        }
    }

    /// Hands out what the subscriber has to say; false if it was killed meanwhile.
    fn drain_subscriber(&mut self) -> Result<(), String> {
        loop {
            if self.doomed == Some(0) {
                self.kill();
                return Ok(());
            }
            let Some(platform) = &mut self.platform else {
                return Ok(());
            };
            let Some(output) = platform.poll_output() else {
                return Ok(());
            };
            self.doomed = self.doomed.map(|left| left - 1);
            self.trace.note(&output);
            if self.narrates {
                println!("{:>9}   {output:?}", self.schedule.elapsed_millis());
            }
            match output {
                platform::Output::Connect => self.dial(),
                platform::Output::Disconnect => self.hang_up(),
                platform::Output::Send(ToBox::Ask(id, dialect, ask)) => {
                    let news = Happening::Asked(self.process, id, dialect, ask);
                    self.after(self.plan.latency, news);
                }
                platform::Output::Send(message) => self.send_to_box(message),
                platform::Output::Store(Op::Mark { seq, mark }) => {
                    let mark = self.tampered(mark);
                    self.after(500, Happening::Stored(self.process, seq, mark));
                }
                platform::Output::Event(event) => self.give(&event)?,
                other => return Err(format!("{other:?} is new to this test")),
            }
        }
    }

    fn give(&mut self, event: &platform::Event) -> Result<(), String> {
        match event {
            platform::Event::Face { source, .. } => {
                self.stats.delivered += 1;
                self.stats.backfilled += u64::from(*source == platform::Source::Backfill);
            }
            platform::Event::GapFilled { .. } => self.stats.filled += 1,
            platform::Event::GapOpen { .. } => self.stats.open += 1,
            _ => {}
        }
        if self.saboteur == Saboteur::NoBackfill && matches!(event, platform::Event::GapOpen { .. })
        {
            return Ok(());
        }
        let reorders = self
            .plan
            .faults
            .iter()
            .any(|fault| matches!(fault, Fault::Reorder(_)));
        let (by_key, happened) = (&self.by_key, &self.happened);
        let now = START.plus(self.schedule.elapsed_millis());
        self.app.take(now, event, |key| {
            let number = *by_key.get(&key)?;
            let happened = happened.get(number)?.at;
            Some(Fact {
                number,
                happened,
                may_be_reordered: reorders,
            })
        })
    }

    fn dial(&mut self) {
        self.links += 1;
        self.link = None;
        let id = self.links;
        if self.network_is_up {
            self.after(self.plan.latency, Happening::Dialed(id));
        } else if self.chance.percent(50) {
            self.after(3_000, Happening::DialFailed(id, Cause::Unreachable));
        }
    }

    fn hang_up(&mut self) {
        self.links += 1; // a dial under way is for nobody now
        if let Some(link) = self.link.take() {
            self.after(self.plan.latency, Happening::BoxLearns(link.id));
        }
    }

    fn tell(&mut self, input: impl FnOnce(UnixMillis) -> platform::Input) {
        let (now, at) = (self.schedule.now(), self.wall());
        if let Some(platform) = &mut self.platform {
            platform.handle_input(now, input(at));
        }
    }

    fn lost(&mut self, cause: Cause) {
        self.stats.losses += 1;
        if self.saboteur == Saboteur::SilentReconnect {
            // Reconnects by itself and says nothing: the subscription goes out again, the gap does not.
            let cameras: Vec<String> = (0..self.plan.subscribed).map(camera_id).collect();
            self.links += 1;
            let id = self.links;
            if !self.network_is_up {
                return self.tell(|at| platform::Input::Disconnected(at, cause));
            }
            self.link = Some(Connection {
                id,
                to_box: Pipe::default(),
                to_subscriber: Pipe::default(),
                is_open: true,
            });
            let now = self.schedule.now();
            let peer = Peer::default();
            self.the_box
                .handle_input(now, device::Input::Connected(LinkId(id), peer));
            self.send_to_box(ToBox::Subscribe(
                self.the_box.dialect(),
                Subscription::new(cameras),
            ));
            return;
        }
        self.tell(|at| platform::Input::Disconnected(at, cause));
    }

    fn tampered(&self, mut mark: Mark) -> Mark {
        match self.saboteur {
            Saboteur::BoldMark => mark.live = mark.live.plus(60_000),
            Saboteur::ForgetfulMark => mark.open.clear(),
            _ => {}
        }
        mark
    }

    fn store(&mut self, mark: Mark) {
        if self.saboteur == Saboteur::LyingStore && self.mark.is_some() {
            let moved = Mark {
                open: Vec::new(),
                live: self.wall(),
                ..mark
            };
            self.mark = Some(moved);
        } else {
            self.mark = Some(mark);
        }
    }

    // --- trouble --------------------------------------------------------------------------------

    fn make_trouble(&mut self) {
        if self.healed.is_some() {
            return;
        }
        let now = self.schedule.now();
        let kinds = self.plan.kinds.clone();
        match *self.chance.pick(&kinds) {
            Trouble::Cut => self.cut(),
            Trouble::Freeze => self.freeze(),
            Trouble::Outage => {
                self.network_is_up = false;
                self.freeze();
                self.after(60_000, Happening::NetworkHeals);
            }
            Trouble::Reboot => {
                self.stats.reboots += 1;
                self.the_box.reboot(now, Reboot::default());
            }
            Trouble::Upgrade => self.upgrade(),
            Trouble::HangUp => self.the_box.cut_links(now),
            Trouble::BrokenHistory => {
                self.the_box.fault(now, Fault::BrokenHistory);
                self.after(60_000, Happening::HistoryHeals);
            }
            Trouble::Crash => self.doomed = Some(self.chance.below(3)),
        }
        self.after(self.plan.trouble, Happening::Trouble);
    }

    fn cut(&mut self) {
        let Some(id) = self.link.as_ref().map(|link| link.id) else {
            return;
        };
        self.close(id);
        self.after(3_000, Happening::SubscriberLearns(id, Cause::Io));
        self.after(3_000, Happening::BoxLearns(id));
    }

    fn freeze(&mut self) {
        let Some(link) = &mut self.link else { return };
        link.to_box.freeze();
        link.to_subscriber.freeze();
        let id = link.id;
        // What is under way is lost as well.
        self.close(id);
        if self.plan.keepalive {
            let dead = Happening::SubscriberLearns(id, Cause::Timeout);
            self.schedule.after(Duration::from_secs(30), dead);
        }
        self.schedule
            .after(Duration::from_secs(40), Happening::BoxLearns(id));
    }

    fn upgrade(&mut self) {
        let other = match self.the_box.dialect() {
            Dialect::V1 => Dialect::V2,
            _ => Dialect::V1,
        };
        let mut how = Reboot::default();
        how.dialect = Some(other);
        self.stats.reboots += 1;
        let now = self.schedule.now();
        self.the_box.reboot(now, how);
    }

    /// The subscriber's process is killed; what it has not handed out is gone.
    fn kill(&mut self) {
        self.doomed = None;
        if self.platform.take().is_none() {
            return;
        }
        self.stats.crashes += 1;
        self.process += 1;
        self.links += 1;
        if let Some(link) = self.link.take() {
            self.after(1_000, Happening::BoxLearns(link.id));
        }
        self.wakes[SUBSCRIBER] = None;
        self.app.restart();
        if self.mark.is_none() {
            self.promised_from = None;
        }
        let pause = self.chance.millis(0..=60_000);
        self.schedule.after(pause, Happening::Restart);
    }

    fn heal_history(&mut self) {
        let now = self.schedule.now();
        self.the_box.clear_faults(now);
        for fault in self.plan.faults.clone() {
            self.the_box.fault(now, fault);
        }
    }

    fn heal(&mut self) {
        self.healed = Some(self.schedule.now());
        self.doomed = None;
        self.network_is_up = true;
        self.heal_history();
    }

    // --- the network ----------------------------------------------------------------------------

    fn is_open(&self, id: u64) -> bool {
        self.link
            .as_ref()
            .is_some_and(|link| link.id == id && link.is_open)
    }

    fn close(&mut self, id: u64) {
        if let Some(link) = self.link.as_mut().filter(|link| link.id == id) {
            link.is_open = false;
        }
    }

    fn send_to_box(&mut self, message: ToBox) {
        let (now, latency) = (self.schedule.now(), self.latency());
        let Some(link) = self.link.as_mut().filter(|link| link.is_open) else {
            return;
        };
        if let Arrival::At(at) = link.to_box.send(now, latency) {
            let id = link.id;
            self.schedule.at(at, Happening::AtBox(id, message));
        }
    }

    fn send_to_subscriber(&mut self, id: u64, news: impl FnOnce(u64) -> Happening) {
        let (now, latency) = (self.schedule.now(), self.latency());
        let Some(link) = self
            .link
            .as_mut()
            .filter(|link| link.id == id && link.is_open)
        else {
            return;
        };
        if let Arrival::At(at) = link.to_subscriber.send(now, latency) {
            self.schedule.at(at, news(id));
        }
    }

    // --- time -----------------------------------------------------------------------------------

    fn wall(&self) -> UnixMillis {
        START.plus(self.schedule.elapsed_millis())
    }

    fn latency(&mut self) -> Duration {
        self.chance.millis(0..=self.plan.latency)
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
                self.schedule.at(at, Happening::Wake(who));
            }
        }
        Ok(())
    }

    // --- the verdict ----------------------------------------------------------------------------

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
        self.stats.trace = self.trace.value();
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

impl Stats {
    pub(crate) fn add(&mut self, other: &Self) {
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

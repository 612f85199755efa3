//! What one seed has in store: which faults are on, and how often they strike.

use std::time::Duration;
use testkit::Rng;
use zzw_push_proto::device::{self, Ack, Binding, Replaced};
use zzw_push_proto::platform::{
    self, ClientToken, NodeId, OnUnacked, Rate, Rule, Scopes, Transport,
};

/// The circumstances of one session. Each seed turns some kinds of trouble off altogether.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub seed: u64,
    pub clients: Vec<Client>,
    /// Messages that are published while things go wrong.
    pub letters: u64,
    /// They come this far apart on average, in milliseconds.
    pub pace: u64,
    pub topics: u64,
    /// Lives of messages, in seconds; `None` is as long as it lives by itself.
    pub lives: Vec<Option<u64>>,
    /// Longest body, in bytes.
    pub longest: u64,
    /// Longest way of a frame, in milliseconds.
    pub latency: u64,
    /// Longest time until the broker's store carries out a request, and until it answers, in
    /// milliseconds.
    pub store: u64,
    /// Requests about different aliases overtake each other.
    pub has_lanes: bool,
    /// Messages that the store keeps for one alias.
    pub cap: usize,
    /// Longest time of a commit of a device, in milliseconds.
    pub flash: u64,
    /// Longest time until the application has worked off a message or decided, in milliseconds.
    pub work: u64,
    /// Longest time between two commands to a device, in milliseconds; none if 0.
    pub commands: u64,
    /// Of these, so many in a hundred change its topics,
    pub topic_changes: u64,
    /// and of those, so many in a hundred are undone at once.
    pub second_thoughts: u64,
    /// Longest time between two pulls of a device that pulls, in milliseconds.
    pub pulls: u64,
    /// Timers fire so late at most, in milliseconds.
    pub lateness: u64,
    /// Devices have tokens.
    pub has_tokens: bool,
    /// What goes over links is bytes, in pieces.
    pub is_byte_true: bool,
    pub weather: Weather,
    /// Longest time between two troubles, in milliseconds.
    pub trouble: u64,
    pub kinds: Vec<Trouble>,
    pub device: device::Config,
    pub broker: platform::Config,
}

/// One alias and what has it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Client {
    pub transport: Transport,
    pub ack: Ack,
    /// It is there from the start. Otherwise it comes when all has healed, or never.
    pub is_present: bool,
    pub never_comes: bool,
    /// It asks for its messages now and then.
    pub pulls: bool,
    /// Its program beats before it connects, as the document advises.
    pub beats_first: bool,
}

/// What happens to requests and frames, each so many times in a hundred.
#[derive(Debug, Clone, Default)]
pub(crate) struct Weather {
    /// A request to the broker's store fails, and has done nothing.
    pub fails_before: u64,
    /// It fails, and has done all.
    pub fails_after: u64,
    /// A device's store refuses.
    pub flash_fails: u64,
    /// A dial fails.
    pub unreachable: u64,
    /// The application says no.
    pub denied: u64,
}

/// Something that happens to the world, not to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The broker is killed, at some boundary of its store or between two outputs.
    Crash,
    /// The broker is stopped and started.
    Drain,
    /// A device loses its power, at some boundary of its store or between two outputs.
    PowerCut,
    /// A device is switched off and on.
    Leave,
    /// A link breaks; each end learns of it soon or not at all.
    Cut,
    /// A link loses all that goes over it, and nobody is told.
    BlackHole,
    /// A device does not read for a while.
    Stall,
    /// Nobody reaches the broker for a while.
    Outage,
    /// The broker's store fails for a while.
    StoreOutage,
    /// The clock of the broker's store jumps.
    ClockJump,
    /// Somebody else takes an alias, acknowledges nothing and goes.
    Impostor,
    /// The application closes a link.
    Kick,
    /// Somebody writes nonsense over a device's link.
    Garbage,
}

impl Trouble {
    const ALL: [Self; 13] = [
        Self::Crash,
        Self::Drain,
        Self::PowerCut,
        Self::Leave,
        Self::Cut,
        Self::BlackHole,
        Self::Stall,
        Self::Outage,
        Self::StoreOutage,
        Self::ClockJump,
        Self::Impostor,
        Self::Kick,
        Self::Garbage,
    ];
}

/// Never so long that what expires is given up before all has healed.
const KEPT: Option<u64> = None;

impl Plan {
    /// 50 aliases with some 400 messages each, and everything goes wrong.
    pub(crate) fn large(seed: u64) -> Self {
        let mut plan = Self::draw(seed);
        let mut rng = Rng::new(seed).stream("large");
        plan.clients = (0..50).map(|_| Client::draw(&mut rng)).collect();
        // Every other client has the topic, to which two letters in five go.
        plan.topics = 1;
        plan.letters = 2_000;
        plan.pace = 400;
        plan.trouble = 20_000;
        plan.store = plan.store.min(400);
        plan.cap = if seed % 2 == 0 { 100 } else { 5 };
        plan.kinds = Trouble::ALL.to_vec();
        plan.weather = Weather {
            fails_before: 1,
            fails_after: 1,
            flash_fails: 1,
            unreachable: 5,
            denied: 0,
        };
        let usual = platform::Config::new(NodeId(0), "");
        plan.broker.frame_rate = usual.frame_rate;
        plan.broker.publish_rate = usual.publish_rate;
        plan.broker.address_rate = usual.address_rate;
        plan.broker.max_held = 1 << 30;
        plan.broker.max_links = 1_000;
        plan.broker.max_publishing = 65_536;
        plan
    }

    /// Two devices, a few messages, and nothing goes wrong by itself.
    pub(crate) fn calm(seed: u64) -> Self {
        let mut plan = Self::draw(seed);
        plan.clients = [Transport::Tcp, Transport::SocketIo]
            .map(|transport| Client {
                transport,
                ack: Ack::Stored,
                is_present: true,
                never_comes: false,
                pulls: false,
                beats_first: false,
            })
            .to_vec();
        plan.letters = 12;
        plan.pace = 500;
        plan.latency = 40;
        plan.store = 40;
        plan.flash = 40;
        plan.lateness = 0;
        plan.lives = vec![KEPT];
        plan.longest = 100;
        plan.cap = 100;
        plan.commands = 0;
        plan.kinds.clear();
        plan.has_tokens = false;
        plan.weather = Weather::default();
        plan.device = device::Config::new("", seed);
        plan.broker = platform::Config::new(NodeId(0), "192.0.2.1");
        plan
    }

    pub(crate) fn draw(seed: u64) -> Self {
        let mut rng = Rng::new(seed).stream("plan");
        let count = *rng.pick(&[1, 1, 2, 2, 2, 3, 5]);
        let mut clients: Vec<_> = (0..count).map(|_| Client::draw(&mut rng)).collect();
        let mut broker = broker_config(&mut rng);
        if rng.percent(10) {
            broker.on_unacked = OnUnacked::Park;
            for client in &mut clients {
                client.pulls = true;
            }
        }
        let mut kinds = Trouble::ALL.to_vec();
        kinds.retain(|_| rng.percent(40));
        let lives = match rng.below(3) {
            0 => vec![KEPT],
            1 => vec![KEPT, KEPT, Some(30), Some(0)],
            _ => vec![KEPT, Some(60), Some(10), Some(3), Some(0)],
        };
        let weather = if rng.percent(40) {
            Weather::default()
        } else {
            let mut draw = |most| *rng.pick(&[0, 5, most]);
            Weather {
                fails_before: draw(30),
                fails_after: draw(20),
                flash_fails: draw(30),
                unreachable: draw(50),
                denied: draw(30),
            }
        };
        let mut plan = Self {
            seed,
            clients,
            letters: rng.between(1..=14),
            pace: *rng.pick(&[5, 200, 2_000]),
            topics: rng.below(3),
            lives,
            longest: *rng.pick(&[20, 20, 400]),
            latency: *rng.pick(&[1, 40, 800]),
            store: *rng.pick(&[0, 10, 400, 4_000]),
            has_lanes: rng.percent(50),
            cap: usize::try_from(*rng.pick(&[2, 5, 100])).unwrap(),
            flash: *rng.pick(&[0, 40, 1_000]),
            work: *rng.pick(&[0, 100, 6_000]),
            commands: *rng.pick(&[0, 2_000, 10_000]),
            topic_changes: 33,
            second_thoughts: 10,
            pulls: 20_000,
            has_tokens: broker.client_token == ClientToken::Required || rng.percent(10),
            lateness: *rng.pick(&[0, 0, 60]),
            is_byte_true: rng.percent(30),
            weather,
            trouble: *rng.pick(&[1_000, 5_000, 20_000]),
            kinds,
            device: device_config(&mut rng),
            broker,
        };
        match rng.below(12) {
            0 => plan.pull_much(),
            1 => plan.change_topics_much(&mut rng),
            2 => plan.doubt_the_store(&mut rng),
            _ => {}
        }
        plan
    }

    /// Devices ask again before a slow store has answered.
    fn pull_much(&mut self) {
        for client in &mut self.clients {
            client.pulls = true;
        }
        self.pulls = 1_000;
        self.device.request_timeout = Duration::from_secs(3);
        self.store = 4_000;
        self.weather.fails_before = 20;
    }

    /// Topics come and go at once, and links break before that is answered.
    fn change_topics_much(&mut self, rng: &mut Rng) {
        self.clients.truncate(2);
        self.topics = self.topics.max(1);
        self.topic_changes = 90;
        self.second_thoughts = 80;
        self.commands = 10_000;
        self.store = *rng.pick(&[1_000, 4_000]);
        self.device.backoff_max = Duration::from_secs(4);
        self.kinds = vec![Trouble::Cut];
        self.trouble = 8_000;
        self.pace = 2_000;
    }

    /// The store often does what it says that it has not done.
    fn doubt_the_store(&mut self, rng: &mut Rng) {
        self.weather.fails_after = *rng.pick(&[20, 50]);
        self.cap = *rng.pick(&[2, 100]);
        self.store = *rng.pick(&[10, 400]);
    }
}

impl Client {
    fn draw(rng: &mut Rng) -> Self {
        let is_present = rng.percent(85);
        Self {
            transport: *rng.pick(&[Transport::Tcp, Transport::SocketIo]),
            ack: *rng.pick(&[Ack::Stored, Ack::Stored, Ack::Automatic, Ack::Manual]),
            is_present,
            never_comes: !is_present && rng.percent(50),
            pulls: rng.percent(20),
            beats_first: rng.percent(20),
        }
    }

    pub(crate) fn binding(self) -> Binding {
        match self.transport {
            Transport::SocketIo => Binding::Handshake,
            _ => Binding::Frame,
        }
    }
}

fn device_config(rng: &mut Rng) -> device::Config {
    let mut device = device::Config::new("", rng.draw());
    device.heartbeat = Duration::from_secs(*rng.pick(&[5, 30]));
    device.backoff_max = Duration::from_secs(*rng.pick(&[4, 60]));
    device.max_storing = usize::try_from(*rng.pick(&[2, 64])).unwrap();
    if rng.percent(50) {
        device.replaced = Replaced::After(Duration::from_secs(10));
    }
    device
}

fn broker_config(rng: &mut Rng) -> platform::Config {
    let mut broker = platform::Config::new(NodeId(0), "192.0.2.1");
    let mut size = |sizes: &[u64]| usize::try_from(*rng.pick(sizes)).unwrap();
    broker.window = size(&[1, 3, 32]);
    broker.window_bytes = size(&[1_500, 256 << 10]);
    broker.max_held = size(&[2_000, 1 << 30, 1 << 30]);
    broker.pull_limit = size(&[2, 50]);
    broker.pull_bytes = size(&[100, 64 << 10]);
    broker.max_requests = size(&[2, 64, 64]);
    broker.redeliver_after = Duration::from_secs(*rng.pick(&[3, 30]));
    broker.link_timeout = Duration::from_secs(90);
    if rng.percent(10) {
        broker.frame_rate = Rate::new(2, 6);
        broker.publish_rate = Rate::new(1, 2);
        broker.address_rate = Rate::new(5, 20);
    }
    broker.max_publishing = *rng.pick(&[2, 65_536, 65_536]);
    broker.max_links = *rng.pick(&[6, 1_000, 1_000]);
    broker.reject_unknown_alias = rng.percent(10);
    broker.allow_rebind = rng.percent(30);
    broker.require_heartbeat_first = rng.percent(30);
    broker.client_token = *rng.pick(&[
        ClientToken::Off,
        ClientToken::Optional,
        ClientToken::Optional,
        ClientToken::Required,
    ]);
    let rules = &mut broker.rules;
    rules.open_door = *rng.pick(&[Rule::Ask, Rule::Token(Scopes::DOOR)]);
    for rule in [
        &mut rules.bind,
        &mut rules.publish_to_alias,
        &mut rules.pull,
    ] {
        if rng.percent(10) {
            *rule = Rule::Ask;
        }
    }
    broker
}

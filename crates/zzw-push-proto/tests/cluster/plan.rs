//! What one seed has in store: which faults are on, and how often they strike.

use std::time::Duration;
use testkit::Rng;
use zzw_push_proto::platform::{Config, Lease, NodeId};

/// The circumstances of one session. Each seed turns some kinds of trouble off altogether.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub seed: u64,
    pub nodes: usize,
    pub aliases: usize,
    pub topics: usize,
    /// Messages that are published while things go wrong,
    pub letters: u64,
    /// this far apart on average, in milliseconds.
    pub pace: u64,
    /// Things go wrong for so long behind the last one, in milliseconds.
    pub tail: u64,
    /// Lives of messages, in seconds.
    pub lives: Vec<u64>,
    /// Longest way of a frame, in milliseconds.
    pub latency: u64,
    /// Longest way to Redis, and back, in milliseconds.
    pub store: u64,
    /// Messages that are kept for one alias.
    pub cap: usize,
    /// Messages that an inbox holds.
    pub inbox: usize,
    /// Of the messages that come, so many in a hundred are acknowledged,
    pub acks: u64,
    /// after so long at most, in milliseconds.
    pub ack_delay: u64,
    /// Longest time until a device goes to another node, in milliseconds; none if 0.
    pub wander: u64,
    /// So many in a hundred of the links that devices leave are left without a word,
    pub half_open: u64,
    /// and so many of these are kept alive by somebody who acknowledges nothing.
    pub ghosts: u64,
    /// So many in a hundred of the heartbeats of a device are followed by a pull.
    pub pulls: u64,
    pub heartbeat: Duration,
    /// After such a silence, a device tries another link.
    pub patience: Duration,
    /// Timers fire so late at most, in milliseconds.
    pub lateness: u64,
    pub weather: Weather,
    /// Longest time between two troubles, in milliseconds.
    pub trouble: u64,
    pub kinds: Vec<Trouble>,
    /// Wall clocks of nodes are wrong by so many milliseconds at most.
    pub skew: u64,
    pub lease: Lease,
    /// So long after its lease has ended, a node is swept.
    pub sweep_after: Duration,
    pub broker: Config,
}

/// What happens to requests and to what nodes say, each so many times in a hundred.
#[derive(Debug, Clone, Default)]
pub(crate) struct Weather {
    /// A request fails, and has done nothing.
    pub fails_before: u64,
    /// It fails, and has done all.
    pub fails_after: u64,
    /// What a node says is lost, and its driver knows.
    pub relay_lost: u64,
    /// Part of an inbox is read twice.
    pub doubles: u64,
}

/// Something that happens to the world, not to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// A node is killed, at once or a few outputs later.
    Crash,
    /// A node is killed when it has heard that a message is kept.
    CrashBehindAppend,
    /// A node stands still.
    Pause,
    /// A node is stopped and started.
    Drain,
    /// A node does not reach Redis.
    Partition,
    /// Redis is restarted.
    Restart,
    /// A link breaks; each end learns of it soon or not at all.
    Cut,
    /// A device is away for a while.
    Leave,
    /// The wall clock of a node jumps.
    Skew,
}

impl Trouble {
    const ALL: [Self; 9] = [
        Self::Crash,
        Self::CrashBehindAppend,
        Self::Pause,
        Self::Drain,
        Self::Partition,
        Self::Restart,
        Self::Cut,
        Self::Leave,
        Self::Skew,
    ];
}

/// As good as for ever.
const KEPT: u64 = 3_600;

impl Plan {
    pub(crate) fn draw(seed: u64) -> Self {
        let mut rng = Rng::new(seed).stream("cluster");
        let size = |number: u64| usize::try_from(number).unwrap();
        let lives = match rng.below(3) {
            0 => vec![KEPT],
            1 => vec![KEPT, KEPT, 10, 0],
            _ => vec![KEPT, 10, 3, 1, 0],
        };
        let mut kinds = Trouble::ALL.to_vec();
        kinds.retain(|_| rng.percent(40));
        let weather = if rng.percent(50) {
            Weather::default()
        } else {
            let mut draw = |most| *rng.pick(&[0, 5, most]);
            Weather {
                fails_before: draw(20),
                fails_after: draw(20),
                relay_lost: draw(40),
                doubles: draw(50),
            }
        };
        let heartbeat = Duration::from_millis(*rng.pick(&[2_000, 4_000]));
        let lease = draw_lease(&mut rng);
        let mut plan = Self {
            seed,
            nodes: size(*rng.pick(&[2, 2, 3, 3, 4])),
            aliases: size(*rng.pick(&[1, 1, 2, 3])),
            topics: size(rng.below(3)),
            letters: rng.between(3..=12),
            pace: *rng.pick(&[20, 500, 1_500]),
            tail: *rng.pick(&[1_000, 5_000, 20_000, 50_000]),
            lives,
            latency: *rng.pick(&[1, 40, 400]),
            store: *rng.pick(&[1, 10, 100, 700]),
            cap: size(*rng.pick(&[2, 100, 100])),
            inbox: size(*rng.pick(&[2, 100, 100])),
            acks: *rng.pick(&[0, 50, 100, 100]),
            ack_delay: *rng.pick(&[0, 500, 4_000]),
            wander: *rng.pick(&[0, 0, 3_000, 10_000]),
            half_open: *rng.pick(&[0, 50, 100]),
            ghosts: *rng.pick(&[0, 0, 50]),
            pulls: *rng.pick(&[0, 0, 50]),
            heartbeat,
            patience: heartbeat + Duration::from_secs(3),
            lateness: *rng.pick(&[0, 0, 60]),
            weather,
            trouble: *rng.pick(&[1_000, 4_000, 10_000]),
            kinds,
            skew: *rng.pick(&[0, 2_000, 3_600_000]),
            lease,
            sweep_after: Duration::from_secs(*rng.pick(&[5, 20, 20])),
            broker: draw_broker(&mut rng, lease),
        };
        match rng.below(12) {
            0 => plan.crowd_the_inboxes(),
            1 => plan.doubt_redis(&mut rng),
            2 => plan.stand_still(),
            3 => plan.make_widows(),
            4 => plan.cut_off(),
            _ => {}
        }
        plan
    }

    /// More is said than an inbox holds.
    fn crowd_the_inboxes(&mut self) {
        (self.nodes, self.aliases, self.letters) = (2, 3, 12);
        (self.inbox, self.store, self.pace) = (1, 700, 400);
        self.weather = Weather::default();
        (self.topics, self.wander) = (0, 0);
        self.lives = vec![KEPT];
        self.kinds.clear();
    }

    /// Redis often does what it says that it has not done.
    fn doubt_redis(&mut self, rng: &mut Rng) {
        self.weather.fails_after = *rng.pick(&[20, 50]);
        self.wander = 3_000;
        (self.half_open, self.ghosts) = (100, 50);
    }

    /// Nodes stand still until they have been swept, and go on.
    fn stand_still(&mut self) {
        self.kinds = vec![Trouble::Pause];
        self.sweep_after = Duration::from_secs(5);
        (self.letters, self.pace, self.trouble) = (12, 4_000, 8_000);
        self.wander = 0;
    }

    /// Nodes do not reach Redis for less than a lease, and that is all.
    fn cut_off(&mut self) {
        self.kinds = vec![Trouble::Partition];
        (self.trouble, self.pace) = (3_000, 800);
        self.wander = 0;
        self.weather = Weather::default();
    }

    /// Nodes die with what they should have said.
    fn make_widows(&mut self) {
        self.kinds = vec![Trouble::CrashBehindAppend];
        (self.wander, self.tail) = (0, 5_000);
        self.pace = 1_500;
    }

    /// So long after an epoch has begun, an earlier one may still be sent what is kept.
    ///
    /// Whoever took the alias says so at once. If it cannot, it owns up when it can; if it does not,
    /// its own lease ends, after `length`. A node that is not fenced has seen who is there no longer
    /// ago than `usable`, and asks about each link when somebody has gone; so it has if it stood
    /// still. The rest is ways to Redis and back.
    pub(crate) fn overlap(&self) -> Duration {
        let ways = Duration::from_millis(6 * self.store + 2 * self.lateness);
        self.lease.length + self.lease.usable() + ways
    }
}

fn draw_lease(rng: &mut Rng) -> Lease {
    let mut lease = Lease::default();
    if rng.percent(50) {
        lease.length = Duration::from_secs(5);
        // Nothing takes so long to be done: what was asked with a lease is done before it ends.
        lease.fence = Duration::from_secs(1);
    }
    lease.renew_every = Duration::from_millis(*rng.pick(&[1_000, 1_000, 1_700]));
    lease.leave_after = Duration::from_secs(*rng.pick(&[3, 60]));
    lease
}

fn draw_broker(rng: &mut Rng, lease: Lease) -> Config {
    let mut broker = Config::new(NodeId(0), "192.0.2.1");
    let mut size = |sizes: &[u64]| usize::try_from(*rng.pick(sizes)).unwrap();
    broker.window = size(&[1, 3, 32]);
    broker.max_held = size(&[100, 1 << 30, 1 << 30]);
    broker.redeliver_after = Duration::from_secs(*rng.pick(&[2, 6]));
    broker.link_timeout = Duration::from_secs(*rng.pick(&[10, 30]));
    broker.drain_over = Duration::from_secs(1);
    broker.lease = Some(lease);
    broker
}

//! What one seed has in store: which faults are on, and how often they strike.

use se5_events::Dialect;
use se5_events::device::Fault;
use se5_events::platform::{Config, KeyRule, PingPolicy};
use std::time::Duration;
use testkit::Rng;

/// The circumstances of one session. Each seed turns some kinds of trouble off altogether.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub seed: u64,
    pub dialect: Dialect,
    pub cameras: u64,
    /// Of the cameras, so many are subscribed to.
    pub subscribed: u64,
    pub events: u64,
    /// Events come this far apart on average, in milliseconds.
    pub pace: u64,
    /// Longest way of a message, in milliseconds.
    pub latency: u64,
    /// So long after an event the history does not know of it, in milliseconds.
    pub(crate) history_lag: i64,
    /// The box's clock is ahead by so many milliseconds.
    pub box_ahead: i64,
    /// Longest time between two troubles, in milliseconds; none if 0.
    pub trouble: u64,
    pub kinds: Vec<Trouble>,
    pub faults: Vec<Fault>,
    /// Whether live events of dialect 1 carry the box's id.
    pub(crate) script_ids: bool,
    /// Whether the driver's TCP keepalive finds a dead connection.
    pub keepalive: bool,
    pub config: Config,
}

/// Something that happens to the world, not to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The connection breaks; both ends learn of it.
    Cut,
    /// The connection dies and nobody is told.
    Freeze,
    /// Nothing gets through for a while, then all of it does, unless the connection is cut first.
    Stall,
    /// The connection dies, and there is no other for a while.
    Outage,
    /// The box restarts with its history.
    Reboot,
    /// The box restarts with a firmware of the other dialect.
    Upgrade,
    /// The box hangs up on everyone.
    HangUp,
    /// The history fails for a while.
    BrokenHistory,
    /// The subscriber is killed and started again.
    Crash,
}

/// A rule of the design taken out, to see that it is missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Saboteur {
    None,
    /// Gaps are not widened for what was under way. (Alone it goes unnoticed: the slack for a
    /// doubtful clock covers it.)
    NoOverlap,
    /// Gaps are not widened for a doubtful clock.
    NoSlack,
    /// Nothing is remembered against doubles.
    NoWindow,
    /// Only ids count, which dialect 1 does not have.
    IdsOnly,
    /// Gaps are not repaired, and the application is not told so.
    NoBackfill,
    /// The mark claims a minute more than was delivered.
    BoldMark,
    /// The mark forgets the open gaps.
    ForgetfulMark,
    /// The store says stored and stores nothing.
    LyingStore,
    /// Late events count as live.
    EverythingIsLive,
    /// The driver reports a lost connection as a new one.
    SilentReconnect,
    /// The driver drops one event in fifty.
    LeakyDriver,
    /// The driver delivers one event in fifty under another time.
    ForgedTime,
    /// The driver cuts off the last record of each page.
    ShortPages,
    /// The driver empties every page but the first.
    OnePage,
    /// The driver answers with the page of the question before.
    CrossedAnswers,
    /// The driver asks the history about one camera only.
    OneCamera,
    /// The driver drops what one camera pushes.
    BlindSpot,
    /// The driver sends only the first subscription.
    SubscribesOnce,
    /// The driver's wall clock stands still.
    FrozenWall,
    /// Nobody looks for dead connections.
    NoLiveness,
    /// The program starts anew after a crash, without its mark.
    StartsAnew,
}

impl Saboteur {
    pub(crate) const ALL: [Self; 21] = [
        Self::NoOverlap,
        Self::NoSlack,
        Self::NoWindow,
        Self::IdsOnly,
        Self::NoBackfill,
        Self::BoldMark,
        Self::ForgetfulMark,
        Self::LyingStore,
        Self::EverythingIsLive,
        Self::SilentReconnect,
        Self::LeakyDriver,
        Self::ForgedTime,
        Self::ShortPages,
        Self::OnePage,
        Self::CrossedAnswers,
        Self::OneCamera,
        Self::BlindSpot,
        Self::SubscribesOnce,
        Self::FrozenWall,
        Self::NoLiveness,
        Self::StartsAnew,
    ];

    /// Takes the rule out of `config`, if that is where it is.
    pub(crate) fn tamper(self, config: &mut Config) {
        match self {
            Self::NoOverlap => {
                (config.overlap, config.clock_slack) = (Duration::ZERO, Duration::ZERO);
            }
            Self::NoSlack => config.clock_slack = Duration::ZERO,
            Self::NoWindow => config.window_keys = 1,
            Self::IdsOnly => config.key_rule = KeyRule::Id,
            Self::NoBackfill => config.backfill = false,
            Self::NoLiveness => {
                (config.max_silence, config.ping) = (None, PingPolicy::Never);
            }
            Self::EverythingIsLive => config.live_within = Duration::from_secs(86_400),
            _ => {}
        }
    }
}

impl Plan {
    /// A site of 200 cameras through 20,000 events, which is about a day.
    pub(crate) fn large(seed: u64) -> Self {
        Self {
            cameras: 200,
            subscribed: 190,
            events: 20_000,
            pace: 4_000,
            trouble: 600_000,
            ..Self::draw(seed)
        }
    }

    pub(crate) fn draw(seed: u64) -> Self {
        let mut rng = Rng::new(seed).stream("plan");
        let dialect = *rng.pick(&[Dialect::V1, Dialect::V2]);
        let dialect_is_known = rng.percent(50);
        let cameras = rng.between(1..=4);
        let mut kinds = vec![
            Trouble::Cut,
            Trouble::Freeze,
            Trouble::Stall,
            Trouble::Outage,
            Trouble::Reboot,
            Trouble::HangUp,
            Trouble::BrokenHistory,
            Trouble::Crash,
        ];
        if !dialect_is_known {
            kinds.push(Trouble::Upgrade);
        }
        kinds.retain(|_| rng.percent(60));
        let mut faults = vec![
            Fault::WrongTypes,
            Fault::EscapedSlashes,
            Fault::UnsortedPages,
            Fault::SlowHistory(Duration::from_millis(rng.between(1..=4_000))),
            Fault::NoPong,
            Fault::PingKills,
            Fault::Duplicate(0.2),
            Fault::Reorder(3),
            Fault::SwappedUnit,
        ];
        faults.retain(|_| rng.percent(20));
        let trouble = if kinds.is_empty() {
            0
        } else {
            *rng.pick(&[2_000, 10_000, 40_000])
        };
        let mut config = Config::new(seed);
        config.dialect = dialect_is_known.then_some(dialect);
        config.slice = Duration::from_secs(rng.between(20..=60));
        config.per_page = u32::try_from(rng.between(1..=50)).unwrap();
        config.max_slice = usize::try_from(rng.between(20..=2_000)).unwrap();
        let keepalive = rng.percent(70);
        if !keepalive {
            // Against a box that never answered a ping, one of the two has to find a dead link.
            config.max_silence = Some(Duration::from_secs(300));
        }
        Self {
            seed,
            dialect,
            cameras,
            subscribed: rng.between(1..=cameras),
            events: rng.between(1..=40),
            pace: *rng.pick(&[50, 500, 5_000]),
            latency: *rng.pick(&[1, 50, 900]),
            history_lag: *rng.pick(&[0, 0, 1_500]),
            box_ahead: *rng.pick(&[0, 0, 40_000, -40_000]),
            trouble,
            kinds,
            faults,
            script_ids: rng.percent(50),
            keepalive,
            config,
        }
    }
}

//! What one seed has in store: which faults are on, and how often they strike.

use face_record_push::device::{self, Durability, Overflow};
use face_record_push::{Profile, platform};
use std::time::Duration;
use testkit::Rng;

/// The circumstances of one session. Each seed turns some kinds of trouble off altogether.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub seed: u64,
    pub terminals: usize,
    /// Records that each terminal captures.
    pub records: u64,
    /// Captures come this far apart on average, in milliseconds.
    pub pace: u64,
    /// Longest way of a request or an answer, in milliseconds.
    pub latency: u64,
    /// Longest time of a commit, in milliseconds.
    pub commit: u64,
    pub weather: Weather,
    /// Longest time between two troubles, in milliseconds.
    pub trouble: u64,
    pub kinds: Vec<Trouble>,
    pub profile: Profile,
    /// Terminals' clocks are ahead of ours by so many milliseconds.
    pub ahead: i64,
    /// So many records in a hundred have a picture.
    pub pictures: u64,
    pub device: device::Config,
    pub platform: platform::Config,
}

/// What happens to messages, each so many times in a hundred.
#[derive(Debug, Clone, Default)]
pub(crate) struct Weather {
    /// The request never arrives, and the terminal is not told.
    pub lost: u64,
    /// The connection breaks before the body is there.
    pub reset: u64,
    /// The answer never arrives, and the terminal is not told.
    pub unanswered: u64,
    /// The connection breaks within the answer.
    pub half_answered: u64,
    /// The request arrives once more, perhaps much later.
    pub repeated: u64,
}

/// Something that happens to the world, not to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// A terminal loses its power.
    PowerCut,
    /// A terminal's program is killed.
    Kill,
    /// The receiver is killed.
    Crash,
    /// Nobody reaches anybody for a while.
    Outage,
    /// Something else answers in the receiver's place for a while.
    Proxy,
    /// A terminal's disk is full for a while.
    DiskFull,
    /// A write of a terminal fails.
    DiskBroken,
    /// A terminal's disk forgets a record.
    Rot,
    /// The receiver's disk is full for a while.
    JournalFull,
    /// A write of the receiver fails.
    JournalBroken,
    /// A terminal's clock jumps.
    ClockJump,
    /// Someone switches a terminal's pushing off and on again.
    Switch,
    /// A terminal spells things in another way from now on, or says them twice.
    Misbehave,
}

impl Trouble {
    const ALL: [Self; 13] = [
        Self::PowerCut,
        Self::Kill,
        Self::Crash,
        Self::Outage,
        Self::Proxy,
        Self::DiskFull,
        Self::DiskBroken,
        Self::Rot,
        Self::JournalFull,
        Self::JournalBroken,
        Self::ClockJump,
        Self::Switch,
        Self::Misbehave,
    ];
}

/// A rule of the design taken out, to see that it is missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Saboteur {
    None,
    /// The receiver's journal and memory take everything for new.
    NoWindow,
    /// The receiver's driver answers 200 before the journal has the record.
    AcknowledgesEarly,
    /// The terminal's driver takes the record out of the store when it is posted.
    AdvancesEarly,
    /// The terminal's driver posts the next record, too.
    TwoInFlight,
    /// The terminal's store gives the numbers of records that are gone again.
    ReusesNumbers,
    /// Records of one terminal and second count as one.
    KeyIsTheSecond,
    /// The terminal's store takes the picture out of a record that may have arrived.
    StripsTheTried,
    /// The journal keeps the key first and the record later.
    TwoTransactions,
    /// The application commits its cursor before the effect.
    CursorFirst,
    /// The terminal's store says stored and stores later.
    LyingFlash,
    /// The receiver's store says stored and stores later.
    LyingJournal,
    /// The terminal drops records and tells nobody.
    SilentDrop,
    /// The terminal's driver takes every answer for an acknowledgement.
    EveryAnswerIsYes,
    /// The terminal takes a status of 200 for an acknowledgement.
    StatusIsEnough,
    /// The terminal's store reads another record.
    CrossedLoads,
    /// The journal keeps what came last first.
    LastFirst,
    /// The application skips what was kept while it was away.
    NoCatchingUp,
    /// Old records count as live.
    EverythingIsLive,
    /// The terminal answers a change of its configuration before it is kept.
    ForgetsConfig,
    /// The terminal's timers never fire.
    NoTimers,
    /// The receiver's driver answers failures of the store with 200.
    FailureIsSuccess,
    /// The terminal's program starts with an empty queue.
    StartsAnew,
    /// A broken store is opened anew, and what was on its way is forgotten.
    ForgetsUnstored,
}

impl Saboteur {
    pub(crate) const ALL: [Self; 23] = [
        Self::NoWindow,
        Self::AcknowledgesEarly,
        Self::AdvancesEarly,
        Self::TwoInFlight,
        Self::ReusesNumbers,
        Self::KeyIsTheSecond,
        Self::StripsTheTried,
        Self::TwoTransactions,
        Self::CursorFirst,
        Self::LyingFlash,
        Self::LyingJournal,
        Self::SilentDrop,
        Self::EveryAnswerIsYes,
        Self::StatusIsEnough,
        Self::CrossedLoads,
        Self::LastFirst,
        Self::NoCatchingUp,
        Self::EverythingIsLive,
        Self::ForgetsConfig,
        Self::NoTimers,
        Self::FailureIsSuccess,
        Self::StartsAnew,
        Self::ForgetsUnstored,
    ];
}

impl Plan {
    /// 50 terminals with 400 records each, and everything goes wrong.
    pub(crate) fn large(seed: u64) -> Self {
        let mut plan = Self::draw(seed);
        plan.terminals = 50;
        plan.records = 400;
        plan.pace = 2_000;
        plan.trouble = 2_000;
        plan.kinds = Trouble::ALL.to_vec();
        plan.weather = Weather {
            lost: 2,
            reset: 2,
            unanswered: 2,
            half_answered: 2,
            repeated: 5,
        };
        plan.device.max_records = if seed % 2 == 0 { 50_000 } else { 100 };
        plan.device.max_bytes = 2 << 30;
        plan
    }

    /// One terminal, a few records, and nothing goes wrong by itself.
    pub(crate) fn calm(seed: u64) -> Self {
        let mut plan = Self::draw(seed);
        plan.terminals = 1;
        plan.records = 20;
        plan.pace = 3_000;
        plan.latency = 40;
        plan.commit = 40;
        plan.kinds.clear();
        plan.weather = Weather::default();
        plan.device = device::Config::new(seed);
        plan.platform = platform::Config::new(seed);
        plan
    }

    pub(crate) fn draw(seed: u64) -> Self {
        let mut rng = Rng::new(seed).stream("plan");
        let mut kinds = Trouble::ALL.to_vec();
        kinds.retain(|_| rng.percent(45));
        let weather = if rng.percent(30) {
            Weather::default()
        } else {
            let mut draw = || *rng.pick(&[0, 5, 30]);
            Weather {
                lost: draw(),
                reset: draw(),
                unanswered: draw(),
                half_answered: draw(),
                repeated: draw(),
            }
        };
        let mut device = device::Config::new(seed);
        device.max_records = usize::try_from(*rng.pick(&[3, 8, 50_000])).unwrap();
        device.max_bytes = *rng.pick(&[8_000, 20_000, 2 << 30]);
        device.overflow = *rng.pick(&[
            Overflow::DropOldest,
            Overflow::DropOldest,
            Overflow::RefuseNew,
            Overflow::DropImages,
            Overflow::DropImagesThenRefuse,
        ]);
        device.durability = *rng.pick(&[
            Durability::BeforeSend,
            Durability::BeforeSend,
            Durability::Concurrent,
            Durability::Lazy(Duration::from_millis(300)),
        ]);
        device.max_unstored = usize::try_from(*rng.pick(&[1, 4, 64])).unwrap();
        device.poison_after = *rng.pick(&[None, None, Some(3)]);
        device.dest_policy.allow_special = true;
        let mut platform = platform::Config::new(seed);
        platform.keys_per_terminal = usize::try_from(*rng.pick(&[0, 2, 4_096])).unwrap();
        platform.max_terminals = usize::try_from(*rng.pick(&[1, 10_000])).unwrap();
        let trouble = *rng.pick(&[1_000, 5_000, 20_000]);
        Self {
            seed,
            terminals: usize::try_from(rng.between(1..=3)).unwrap(),
            records: rng.between(1..=20),
            pace: *rng.pick(&[20, 400, 4_000]),
            latency: *rng.pick(&[1, 40, 800]),
            commit: *rng.pick(&[1, 10, 400]),
            weather,
            trouble,
            kinds,
            profile: *rng.pick(&[Profile::V1_1, Profile::V1_1, Profile::V1_2_1, Profile::V1_3]),
            ahead: *rng.pick(&[0, 0, 40_000, -40_000]),
            pictures: *rng.pick(&[0, 50, 100]),
            device,
            platform,
        }
    }
}

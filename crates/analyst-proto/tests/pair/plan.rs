//! What one seed has in store: which faults are on, and how often they strike.

use analyst_proto::BrokerProfile;
use std::time::Duration;
use testkit::Rng;

/// The circumstances of one session. Each seed turns some kinds of trouble off altogether.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub seed: u64,
    pub analysts: usize,
    pub tasks: u64,
    /// Tasks come this far apart on average, in milliseconds.
    pub pace: u64,
    pub profile: BrokerProfile,
    /// Longest way of anything, in milliseconds.
    pub latency: u64,
    /// Longest time of a commit, in milliseconds.
    pub commit: u64,
    /// Longest time of a run, in milliseconds.
    pub work: u64,
    pub lease: Duration,
    pub attempts: u32,
    /// Analysts take so many tasks at a time, and are given as many.
    pub capacity: usize,
    pub has_labels: bool,
    pub nudges: bool,
    /// So many tasks in a hundred have to be decided within a minute.
    pub urgent: u64,
    /// So many tasks in a hundred are cancelled.
    pub cancelled: u64,
    /// So many runs in a hundred fail.
    pub failing: u64,
    /// So many runs in a hundred never end by themselves.
    pub hanging: u64,
    pub weather: Weather,
    /// Longest time between two troubles, in milliseconds.
    pub trouble: u64,
    pub kinds: Vec<Trouble>,
    pub max_unstored: usize,
    pub kept_results: usize,
}

/// What happens to messages, each so many times in a hundred.
#[derive(Debug, Clone, Default)]
pub(crate) struct Weather {
    /// The broker acknowledges it and throws it away.
    pub lied: u64,
    /// The broker delivers it twice.
    pub doubled: u64,
    /// It takes its time, and others overtake it.
    pub overtaken: u64,
    /// An acknowledgement of either side is lost with its connection.
    pub broken: u64,
    /// A stranger says something on the same topic.
    pub strange: u64,
    /// A request to a store fails.
    pub unstored: u64,
    /// A connection is refused.
    pub refused: u64,
}

/// Something that happens to the world, not to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The dispatcher is killed.
    Crash,
    /// An analyser loses its power.
    PowerCut,
    /// A connection breaks.
    Cut,
    /// All connections break, and the broker forgets its sessions.
    Amnesia,
    /// All connections break.
    Outage,
    /// An analyser is away for a long time.
    Absence,
}

impl Trouble {
    const ALL: [Self; 6] = [
        Self::Crash,
        Self::PowerCut,
        Self::Cut,
        Self::Amnesia,
        Self::Outage,
        Self::Absence,
    ];
}

/// A rule of the design taken out, to see that it is missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Saboteur {
    None,
    /// The dispatcher's driver acknowledges results at once.
    ServerAcksEarly,
    /// The analyser's driver acknowledges tasks at once.
    AnalystAcksEarly,
    /// The dispatcher's store says stored and stores later.
    LyingJournal,
    /// The analyser's store says stored and stores later.
    LyingFlash,
    /// The dispatcher starts with nothing.
    ServerForgets,
    /// The dispatcher's timers never fire.
    ServerHasNoClock,
    /// The analyser's timers never fire.
    AnalystHasNoClock,
    /// A FAIL ends the current attempt.
    NaiveFail,
    /// The nth FAIL ends the nth attempt.
    CountedFail,
    /// The dispatcher's driver keeps late results to itself.
    SilentLate,
    /// The analyser's driver says that a run has stopped which goes on.
    StopsInWordsOnly,
    /// The analyser reads numbers as floating point.
    RoundsNumbers,
    /// The dispatcher's store keeps the first verdict and no other.
    FirstVerdictCounts,
    /// Nobody subscribes.
    NoSubscription,
}

impl Saboteur {
    pub(crate) const ALL: [Self; 14] = [
        Self::ServerAcksEarly,
        Self::AnalystAcksEarly,
        Self::LyingJournal,
        Self::LyingFlash,
        Self::ServerForgets,
        Self::ServerHasNoClock,
        Self::AnalystHasNoClock,
        Self::NaiveFail,
        Self::CountedFail,
        Self::SilentLate,
        Self::StopsInWordsOnly,
        Self::RoundsNumbers,
        Self::FirstVerdictCounts,
        Self::NoSubscription,
    ];
}

impl Plan {
    /// Fifty analysers, a thousand tasks, and everything goes wrong.
    pub(crate) fn large(seed: u64) -> Self {
        let mut plan = Self::draw(seed);
        plan.analysts = 50;
        plan.tasks = 1_000;
        plan.pace = 500;
        plan.trouble = 20_000;
        plan.kinds = Trouble::ALL.to_vec();
        plan.kept_results = 1_000;
        // With less, an ordinary broker is hung up on for nearly every result of so many analysts.
        plan.max_unstored = 64;
        plan.cancelled = 1;
        plan.urgent = 1;
        plan.failing = 5;
        plan.hanging = 1;
        plan.attempts = 3;
        plan.weather = Weather {
            lied: 1,
            doubled: 1,
            overtaken: 1,
            broken: 1,
            strange: 1,
            unstored: 1,
            refused: 1,
        };
        plan
    }

    /// Two analysers, three tasks, and nothing goes wrong by itself.
    pub(crate) fn calm(seed: u64) -> Self {
        let mut plan = Self::draw(seed);
        plan.analysts = 2;
        plan.tasks = 3;
        plan.pace = 3_000;
        plan.profile = BrokerProfile::Plain;
        (plan.latency, plan.commit, plan.work) = (40, 40, 4_000);
        (plan.lease, plan.attempts, plan.capacity) = (Duration::from_secs(60), 3, 1);
        (plan.urgent, plan.cancelled, plan.failing, plan.hanging) = (0, 0, 0, 0);
        (plan.has_labels, plan.nudges) = (false, false);
        (plan.max_unstored, plan.kept_results) = (64, 1_000);
        plan.kinds.clear();
        plan.weather = Weather::default();
        plan
    }

    /// True if every task is bound to be finished.
    pub(crate) fn is_calm(&self) -> bool {
        let Weather {
            lied,
            broken,
            refused,
            ..
        } = self.weather;
        let is_fast = self.work + 20 * (self.latency + self.commit) + 2_000
            < u64::try_from(self.lease.as_millis()).unwrap();
        // The first START may come before the analyser does; where TIMEOUT is delivered again, one of
        // the first attempt may come after the second START.
        is_fast
            && self.attempts > 1
            && self.profile == BrokerProfile::Plain
            && self.kinds.is_empty()
            && [
                lied,
                broken,
                refused,
                self.weather.unstored,
                self.weather.overtaken,
            ] == [0; 5]
            && [self.urgent, self.cancelled, self.failing, self.hanging] == [0; 4]
    }

    pub(crate) fn draw(seed: u64) -> Self {
        let mut rng = Rng::new(seed).stream("plan");
        let mut kinds = Trouble::ALL.to_vec();
        if rng.percent(25) {
            kinds.clear();
        }
        kinds.retain(|_| rng.percent(45));
        let profile = *rng.pick(&[BrokerProfile::Lmq, BrokerProfile::Plain]);
        let is_lmq = profile == BrokerProfile::Lmq;
        let weather = if rng.percent(30) {
            Weather::default()
        } else {
            let mut draw = || *rng.pick(&[0, 0, 5, 30]);
            Weather {
                lied: draw() / 2,
                doubled: draw(),
                overtaken: if is_lmq { draw() } else { 0 },
                broken: draw() / 2,
                strange: draw() / 2,
                unstored: draw(),
                refused: draw(),
            }
        };
        // An analyser takes a TIMEOUT for an old one within 15 s of a second START (A-D8).
        let leases = if is_lmq { [20, 60] } else { [2, 20] };
        let work = *rng.pick(&[10, 1_000, 15_000, 40_000]);
        Self {
            seed,
            analysts: usize::try_from(rng.between(1..=3)).unwrap(),
            tasks: rng.between(1..=6),
            pace: *rng.pick(&[10, 1_000, 20_000]),
            profile,
            latency: *rng.pick(&[1, 40, 1_500]),
            commit: *rng.pick(&[1, 10, 400]),
            work,
            lease: Duration::from_secs(*rng.pick(&leases)),
            attempts: u32::try_from(rng.between(1..=3)).unwrap(),
            capacity: usize::try_from(*rng.pick(&[1, 1, 2])).unwrap(),
            has_labels: rng.percent(20),
            nudges: rng.percent(20),
            urgent: *rng.pick(&[0, 0, 30]),
            cancelled: *rng.pick(&[0, 0, 10]),
            failing: *rng.pick(&[0, 0, 30]),
            hanging: *rng.pick(&[0, 0, 30]),
            weather,
            trouble: *rng.pick(&[2_000, 20_000, 100_000]),
            kinds,
            max_unstored: usize::try_from(*rng.pick(&[1, 3, 64])).unwrap(),
            kept_results: usize::try_from(*rng.pick(&[2, 1_000])).unwrap(),
        }
    }
}

//! Many seeds, on every core: the runner of the simulations.
//!
//! The environment says how many and which:
//!
//! ```text
//! SIM_SESSIONS=n   so many sessions           SIM_SEED=n   only that one, telling what happens
//! SIM_SITES=n      so many large ones         SIM_SITE=n   only that one, telling what happens
//! ```

use std::fmt::Debug;
use std::ops::AddAssign;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};

/// A rule that is taken out must be missed within so many sessions.
const NOTICED_WITHIN: u64 = 10_000;

/// A simulation of one package, `pair` as a rule.
#[derive(Debug, Clone, Copy)]
pub struct Campaign {
    /// The package, to say how a failure is repeated.
    pub package: &'static str,
    /// Its test program.
    pub target: &'static str,
    /// Seeds that once failed, one a line; they are run first. Lines with `#` are comments.
    pub regressions: &'static str,
}

/// Everything that one seed decides, from the start to when all has settled.
pub trait Session: Sized {
    /// What it came to, to be added up.
    type Stats: AddAssign + Copy + Default + PartialEq + Debug + Send;

    /// Prints everything that happens.
    fn narrate(&mut self);

    /// Hashes everything that happens into the stats, which takes longer than the happening.
    fn trace(&mut self);

    /// Runs to the end.
    ///
    /// # Errors
    ///
    /// What has gone wrong.
    fn run(self) -> Result<Self::Stats, String>;
}

/// Where the numbers come from, and which test takes them.
struct Scale {
    one: &'static str,
    many: &'static str,
    test: &'static str,
}

const SESSIONS: Scale = Scale {
    one: "SIM_SEED",
    many: "SIM_SESSIONS",
    test: "application",
};

const SITES: Scale = Scale {
    one: "SIM_SITE",
    many: "SIM_SITES",
    test: "large_sites",
};

impl Campaign {
    /// Runs what once failed and then `SIM_SESSIONS` seeds, or as many as `usual`, every hundredth
    /// twice to see that it has one history. Gives how many these were, and what they came to; or
    /// nothing, where only the session of `SIM_SEED` was asked for.
    ///
    /// # Panics
    ///
    /// If a session fails, with its text and how to repeat it.
    pub fn sessions<S: Session>(
        &self,
        usual: u64,
        session: impl Fn(u64) -> S + Sync,
    ) -> Option<(u64, S::Stats)> {
        if is_told(&SESSIONS, &session) {
            return None;
        }
        for seed in self.known() {
            self.run(&SESSIONS, seed, &session)
                .unwrap_or_else(|what| panic!("{what}"));
        }
        let count = number_from_env(SESSIONS.many).unwrap_or(usual);
        let total = in_parallel::<S>(count, |seed| {
            if seed % 100 == 0 {
                self.run_twice(seed, &session)
            } else {
                self.run(&SESSIONS, seed, &session)
            }
        });
        println!("{count} sessions: {total:#?}");
        Some((count, total))
    }

    /// The same with `SIM_SITES` and `SIM_SITE`, each once.
    ///
    /// # Panics
    ///
    /// If a site fails, with its text and how to repeat it.
    pub fn sites<S: Session>(
        &self,
        usual: u64,
        site: impl Fn(u64) -> S + Sync,
    ) -> Option<(u64, S::Stats)> {
        if is_told(&SITES, &site) {
            return None;
        }
        let count = number_from_env(SITES.many).unwrap_or(usual);
        let total = in_parallel::<S>(count, |seed| self.run(&SITES, seed, &site));
        println!("{count} sites: {total:#?}");
        Some((count, total))
    }

    /// Runs sessions without the rule that a saboteur takes out until one fails; so with each.
    ///
    /// # Panics
    ///
    /// If the sessions get along without a rule, with the saboteurs of all such.
    pub fn notices<B: Copy + Debug, S: Session>(
        &self,
        saboteurs: &[B],
        session: impl Fn(u64, B) -> S,
    ) {
        let mut unnoticed = Vec::new();
        for saboteur in saboteurs {
            let sabotaged = |seed| session(seed, *saboteur);
            let mut failures = (0..NOTICED_WITHIN).filter_map(|seed| {
                let what = outcome(sabotaged, seed, S::run).err()?;
                Some((seed, what))
            });
            match failures.next() {
                Some((seed, what)) => println!("{saboteur:?}: seed {seed}: {what}"),
                None => unnoticed.push(saboteur),
            }
        }
        assert!(
            unnoticed.is_empty(),
            "unnoticed in {NOTICED_WITHIN} sessions: {unnoticed:?}"
        );
    }

    fn known(&self) -> impl Iterator<Item = u64> {
        let lines = self
            .regressions
            .lines()
            .filter(|line| !line.starts_with('#'));
        lines.map(|line| line.parse().expect("a line has one seed"))
    }

    fn run<S: Session>(
        &self,
        scale: &Scale,
        seed: u64,
        session: impl Fn(u64) -> S,
    ) -> Result<S::Stats, String> {
        outcome(session, seed, S::run).map_err(|what| self.blame(scale, seed, &what))
    }

    fn run_twice<S: Session>(
        &self,
        seed: u64,
        session: impl Fn(u64) -> S,
    ) -> Result<S::Stats, String> {
        let traced = || {
            outcome(&session, seed, |mut session: S| {
                session.trace();
                session.run()
            })
        };
        let twice = traced().and_then(|first| Ok([first, traced()?]));
        match twice {
            Ok([first, second]) if first == second => Ok(first),
            Ok(_) => Err(self.blame(&SESSIONS, seed, "it has two histories")),
            Err(what) => Err(self.blame(&SESSIONS, seed, &what)),
        }
    }

    /// What has gone wrong, and how to see it happen.
    fn blame(&self, scale: &Scale, seed: u64, what: &str) -> String {
        let (
            Scale { one, test, .. },
            Self {
                package, target, ..
            },
        ) = (scale, self);
        format!(
            "{what}\n{one}={seed} cargo test -p {package} --test {target} {test} -- --nocapture"
        )
    }
}

/// Runs the one session that was asked for, telling what happens. False if none was.
fn is_told<S: Session>(scale: &Scale, session: impl Fn(u64) -> S) -> bool {
    let Some(seed) = number_from_env(scale.one) else {
        return false;
    };
    let mut session = session(seed);
    session.narrate();
    match session.run() {
        Ok(stats) => println!("{stats:#?}"),
        Err(what) => panic!("{what}"),
    }
    true
}

/// What one session came to. It has failed if it panics: nobody sees what is left of it.
fn outcome<S: Session>(
    session: impl Fn(u64) -> S,
    seed: u64,
    run: impl FnOnce(S) -> Result<S::Stats, String>,
) -> Result<S::Stats, String> {
    std::panic::catch_unwind(AssertUnwindSafe(|| run(session(seed))))
        .unwrap_or_else(|_| Err("it panicked".to_owned()))
}

/// Runs seeds 0 up to `count` on every core and adds up what they came to; stops at the first
/// failure.
fn in_parallel<S: Session>(
    count: u64,
    run: impl Fn(u64) -> Result<S::Stats, String> + Sync,
) -> S::Stats {
    let next = AtomicU64::new(0);
    let worker = || {
        let mut total = S::Stats::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= count {
                return Ok(total);
            }
            total += run(seed).inspect_err(|_| next.store(count, Ordering::Relaxed))?;
        }
    };
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..workers).map(|_| scope.spawn(worker)).collect();
        let mut total = S::Stats::default();
        for handle in handles {
            let stats: Result<S::Stats, String> = handle.join().expect("sessions catch panics");
            total += stats.unwrap_or_else(|what| panic!("{what}"));
        }
        total
    })
}

/// The number in the environment variable `name`, if it is set to one.
fn number_from_env(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

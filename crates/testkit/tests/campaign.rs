//! The runner of the simulations says what has gone wrong, and how to repeat it.

use std::sync::atomic::{AtomicU64, Ordering};
use testkit::campaign::{Campaign, Session};

const CAMPAIGN: Campaign = Campaign {
    package: "some-protocol",
    target: "pair",
    regressions: "# Seeds that once failed.\n7\n",
};

/// A world that comes to its seed.
struct World {
    seed: u64,
    fails: bool,
}

impl Session for World {
    type Stats = u64;

    fn narrate(&mut self) {}

    fn trace(&mut self) {}

    fn run(self) -> Result<u64, String> {
        match self {
            Self { fails: true, .. } => Err("the bridge is down".to_owned()),
            Self { seed, .. } => Ok(seed),
        }
    }
}

fn world(seed: u64, fails: bool) -> World {
    World { seed, fails }
}

#[test]
fn all_seeds_are_run_and_added_up() {
    let all = CAMPAIGN.sessions(250, |seed| world(seed, false));
    let (count, total) = all.expect("no single seed is asked for");
    assert_eq!(total, (0..count).sum());
}

#[test]
#[should_panic(
    expected = "the bridge is down\nSIM_SEED=7 cargo test -p some-protocol --test pair application -- --nocapture"
)]
fn a_seed_that_once_failed_is_run_though_fewer_are_asked_for() {
    CAMPAIGN.sessions(1, |seed| world(seed, seed == 7));
}

#[test]
#[should_panic(expected = "the bridge is down\nSIM_SITE=0 cargo test")]
fn a_failing_site_is_repeated_as_a_site() {
    CAMPAIGN.sites(1, |seed| world(seed, true));
}

#[test]
#[should_panic(expected = "it has two histories\nSIM_SEED=0 ")]
fn two_histories_of_one_seed_are_noticed() {
    let runs = AtomicU64::new(0);
    CAMPAIGN.sessions(1, |_| world(runs.fetch_add(1, Ordering::Relaxed), false));
}

#[test]
#[should_panic(expected = r#"unnoticed in 10000 sessions: ["harmless"]"#)]
fn a_rule_that_nobody_misses_is_named() {
    CAMPAIGN.notices(&["harmful", "harmless"], |seed, saboteur| {
        world(seed, saboteur == "harmful" && seed > 20)
    });
}

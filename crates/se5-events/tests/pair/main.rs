//! The headline: a box, a faulty network and a subscriber that all break, in virtual time, and an
//! application that still holds every event exactly once.
//!
//! `SIM_SESSIONS=1000000 cargo test --release -p se5-events --test pair` runs that many seeds;
//! `SIM_SEED=n` runs one and prints what happened. A seed that fails goes into `regressions.txt`.
#![allow(
    clippy::arithmetic_side_effects,
    reason = "a simulation that overflows has failed"
)]

mod application;
mod plan;
mod world;

use plan::{Plan, Saboteur};
use std::panic::UnwindSafe;
use testkit::campaign::{self, number_from_env};
use world::{Stats, World};

/// Seeds that once failed; they are run first.
const REGRESSIONS: &str = include_str!("regressions.txt");

#[test]
fn application_holds_every_event_exactly_once() {
    if let Some(seed) = number_from_env("SIM_SEED") {
        let mut world = World::new(Plan::draw(seed), Saboteur::None);
        world.narrate();
        println!("{:?}", world.run().unwrap());
        return;
    }
    let sessions = number_from_env("SIM_SESSIONS").unwrap_or(3_000);
    let regressions = REGRESSIONS.lines().filter(|line| !line.starts_with('#'));
    for seed in regressions.filter_map(|line| line.parse().ok()) {
        session(seed, Saboteur::None).unwrap();
    }
    let total = in_parallel(sessions, |seed| {
        if seed % 100 != 0 {
            return session(seed, Saboteur::None);
        }
        let twice = [traced(seed)?, traced(seed)?];
        if twice[0] != twice[1] {
            return Err(format!("seed {seed} gave two histories"));
        }
        Ok(twice[0])
    });
    println!("{sessions} sessions: {total:#?}");
    // A simulation in which nothing goes wrong proves nothing.
    let often = sessions / 20;
    assert!(
        total.events > sessions && total.backfilled > often,
        "{total:?}"
    );
    assert!(
        total.losses > often && total.crashes > often / 4,
        "{total:?}"
    );
    assert!(
        total.filled > often && total.reboots > often / 4,
        "{total:?}"
    );
}

#[test]
fn large_sites_lose_nothing_in_a_day() {
    let sites = number_from_env("SIM_SITES").unwrap_or(2);
    let total = in_parallel(sites, |seed| {
        outcome(seed, || World::new(Plan::large(seed), Saboteur::None))
    });
    println!("{sites} sites: {total:#?}");
    assert_eq!(total.events, 20_000 * sites);
}

/// Each rule of the design is load-bearing: without it, the same test fails.
#[test]
fn every_removed_rule_is_noticed() {
    let mut unnoticed = Vec::new();
    for saboteur in Saboteur::ALL {
        match (0..10_000).find(|seed| session(*seed, saboteur).is_err()) {
            Some(seed) => println!("{saboteur:?} is noticed by seed {seed}"),
            None => unnoticed.push(saboteur),
        }
    }
    assert!(
        unnoticed.is_empty(),
        "unnoticed in 10,000 sessions: {unnoticed:?}"
    );
}

fn session(seed: u64, saboteur: Saboteur) -> Result<Stats, String> {
    outcome(seed, || World::new(Plan::draw(seed), saboteur))
}

fn traced(seed: u64) -> Result<Stats, String> {
    outcome(seed, || {
        World::new(Plan::draw(seed), Saboteur::None).traced()
    })
}

fn outcome(seed: u64, world: impl FnOnce() -> World + UnwindSafe) -> Result<Stats, String> {
    campaign::session("se5-events", seed, move || world().run())
}

fn in_parallel(sessions: u64, run: impl Fn(u64) -> Result<Stats, String> + Sync) -> Stats {
    campaign::in_parallel(sessions, run, |total, stats| total.add(&stats))
}

//! The headline: terminals, a faulty network and a receiver that all break, in virtual time, and an
//! application that still sees every record exactly once, in the order of capture.
//!
//! `SIM_SESSIONS=1000000 cargo test --release -p face-record-push --test pair` runs that many seeds;
//! `SIM_SEED=n` runs one and prints what happened. A seed that fails goes into `regressions.txt`.
#![allow(
    clippy::arithmetic_side_effects,
    reason = "a simulation that overflows has failed"
)]

mod application;
mod flash;
mod journal;
mod ledger;
mod plan;
mod world;

use plan::{Plan, Saboteur};
use std::panic::UnwindSafe;
use testkit::campaign::{self, number_from_env};
use world::{Stats, StoreFault, World};

/// Seeds that once failed; they are run first.
const REGRESSIONS: &str = include_str!("regressions.txt");

#[test]
fn application_sees_every_record_exactly_once_in_order() {
    if let Some(seed) = number_from_env("SIM_SEED") {
        let mut world = World::new(Plan::draw(seed), Saboteur::None);
        world.narrate();
        println!("{:?}", world.run().unwrap());
        return;
    }
    let sessions = number_from_env("SIM_SESSIONS").unwrap_or(5_000);
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
    assert!(total.delivered > 5 * sessions, "{total:?}");
    assert!(total.repeated > often && total.lost > often, "{total:?}");
    assert!(
        total.power_cuts > often && total.crashes > often,
        "{total:?}"
    );
    assert!(
        total.store_failures > often && total.journal_failures > often,
        "{total:?}"
    );
}

#[test]
fn large_sites_lose_nothing() {
    let sites = number_from_env("SIM_SITES").unwrap_or(2);
    let total = in_parallel(sites, |seed| {
        outcome(seed, || World::new(Plan::large(seed), Saboteur::None))
    });
    println!("{sites} sites: {total:#?}");
    assert!(total.recorded > 10_000 * sites, "{total:?}");
}

/// Power cuts of the terminal and crashes of the receiver, each after every single thing that they
/// ask for, in every pair.
#[test]
fn no_instant_is_a_bad_one_to_stop_at() {
    let stops = (0..50).flat_map(|terminal| (0..30).map(move |receiver| (terminal, receiver)));
    for (terminal, receiver) in stops {
        let mut world = World::new(Plan::calm(7), Saboteur::None);
        world.stop_after(terminal, receiver);
        let stats = world.run().unwrap_or_else(|what| {
            panic!("stopped after {terminal} and {receiver}: {what}");
        });
        assert_eq!((stats.power_cuts, stats.crashes), (1, 1));
    }
}

/// Each single request to either store fails once, for lack of room and for good.
#[test]
fn no_request_is_a_bad_one_to_fail() {
    let failures = [
        StoreFault::FlashFull,
        StoreFault::FlashBroken,
        StoreFault::JournalFull,
        StoreFault::JournalBroken,
    ];
    for (fault, nth) in failures
        .into_iter()
        .flat_map(|fault| (0..50).map(move |nth| (fault, nth)))
    {
        let mut world = World::new(Plan::calm(7), Saboteur::None);
        world.fail_store(fault, nth);
        let stats = world
            .run()
            .unwrap_or_else(|what| panic!("{fault:?} at request {nth}: {what}"));
        assert_eq!(stats.delivered + stats.lost, stats.recorded);
    }
}

/// Each rule of the design is load-bearing: without it, the same test fails.
#[test]
fn every_removed_rule_is_noticed() {
    let mut unnoticed = Vec::new();
    for saboteur in Saboteur::ALL {
        let mut failures = (0..10_000).filter_map(|seed| session(seed, saboteur).err());
        match failures.next() {
            Some(what) => println!("{saboteur:?}: {what}"),
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
    campaign::session("face-record-push", seed, move || world().run())
}

fn in_parallel(sessions: u64, run: impl Fn(u64) -> Result<Stats, String> + Sync) -> Stats {
    campaign::in_parallel(sessions, run, |total, stats| total.add(&stats))
}

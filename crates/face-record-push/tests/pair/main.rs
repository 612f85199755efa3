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
use testkit::campaign::{Campaign, Session};
use world::{StoreFault, World};

const CAMPAIGN: Campaign = Campaign {
    package: "face-record-push",
    target: "pair",
    regressions: include_str!("regressions.txt"),
};

#[test]
fn application_sees_every_record_exactly_once_in_order() {
    let Some((sessions, total)) = CAMPAIGN.sessions(5_000, session) else {
        return;
    };
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
    let site = |seed| World::new(Plan::large(seed), Saboteur::None);
    let Some((sites, total)) = CAMPAIGN.sites(2, site) else {
        return;
    };
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
    CAMPAIGN.notices(&Saboteur::ALL, |seed, saboteur| {
        World::new(Plan::draw(seed), saboteur)
    });
}

fn session(seed: u64) -> World {
    World::new(Plan::draw(seed), Saboteur::None)
}

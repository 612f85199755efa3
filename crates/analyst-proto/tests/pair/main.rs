//! The headline: a dispatcher, analysers and a broker that all break, in virtual time, and an
//! application that still gets exactly one verdict for every task.
//!
//! `SIM_SESSIONS=1000000 cargo test --release -p analyst-proto --test pair` runs that many seeds;
//! `SIM_SEED=n` runs one and prints what happened. A seed that fails goes into `regressions.txt`.
#![allow(
    clippy::arithmetic_side_effects,
    reason = "a simulation that overflows has failed"
)]

mod broker;
mod disk;
mod ledger;
mod plan;
mod world;

use plan::{Plan, Saboteur};
use testkit::campaign::{Campaign, Session};
use world::{Side, World};

const CAMPAIGN: Campaign = Campaign {
    package: "analyst-proto",
    target: "pair",
    regressions: include_str!("regressions.txt"),
};

#[test]
fn applications_get_exactly_one_verdict_for_every_task() {
    let Some((sessions, total)) = CAMPAIGN.sessions(5_000, session) else {
        return;
    };
    // A simulation in which nothing goes wrong proves nothing.
    let often = sessions / 20;
    assert!(total.finished > sessions, "{total:?}");
    assert!(total.failed > often && total.expired > often, "{total:?}");
    assert!(total.late > often && total.timed_out > often, "{total:?}");
    assert!(
        total.crashes > often && total.power_cuts > often,
        "{total:?}"
    );
    assert!(total.store_failures > often, "{total:?}");
    assert!(total.repeated > often / 5, "{total:?}");
}

#[test]
fn large_sites_lose_nothing() {
    let site = |seed| World::new(Plan::large(seed), Saboteur::None);
    let Some((sites, total)) = CAMPAIGN.sites(1, site) else {
        return;
    };
    assert!(total.finished > 500 * sites, "{total:?}");
}

/// Crashes of the dispatcher and power cuts of an analyser, each after every single thing that they
/// ask for, in every pair.
#[test]
fn no_instant_is_a_bad_one_to_stop_at() {
    for (server, analyst) in (0..40).flat_map(|server| (0..24).map(move |it| (server, it))) {
        let mut world = World::new(Plan::calm(7), Saboteur::None);
        world.stop_after(server, analyst);
        let stats = world
            .run()
            .unwrap_or_else(|what| panic!("stopped after {server} and {analyst}: {what}"));
        assert_eq!(stats.finished, 3, "after {server} and {analyst}");
    }
}

/// Each single request to either store fails once.
#[test]
fn no_request_is_a_bad_one_to_fail() {
    for (side, nth) in [Side::Server, Side::Analyst]
        .into_iter()
        .flat_map(|side| (0..16).map(move |nth| (side, nth)))
    {
        let mut world = World::new(Plan::calm(7), Saboteur::None);
        world.fail_store(side, nth);
        let stats = world
            .run()
            .unwrap_or_else(|what| panic!("{side:?} at request {nth}: {what}"));
        assert_eq!(stats.finished, 3, "{side:?} at request {nth}");
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

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
use testkit::campaign::Campaign;
use world::World;

const CAMPAIGN: Campaign = Campaign {
    package: "se5-events",
    target: "pair",
    regressions: include_str!("regressions.txt"),
};

#[test]
fn application_holds_every_event_exactly_once() {
    let Some((sessions, total)) = CAMPAIGN.sessions(3_000, session) else {
        return;
    };
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
    let site = |seed| World::new(Plan::large(seed), Saboteur::None);
    let Some((sites, total)) = CAMPAIGN.sites(2, site) else {
        return;
    };
    assert_eq!(total.events, 20_000 * sites);
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

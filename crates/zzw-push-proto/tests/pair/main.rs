//! The headline: devices, a network, a broker and its store that all break, in virtual time, and
//! applications that still see every message that was promised to them, in order.
//!
//! `SIM_SESSIONS=1000000 cargo test --release -p zzw-push-proto --test pair` runs that many seeds;
//! `SIM_SEED=n` runs one and prints what happened. A seed that fails goes into `regressions.txt`.
//! `docs/design/zzw-broker.md` tells what is simulated, checked, and not shown.
#![allow(
    clippy::arithmetic_side_effects,
    reason = "a simulation that overflows has failed"
)]

mod application;
mod cable;
mod flash;
mod ledger;
mod plan;
mod saboteur;
#[path = "../platform_kit/store.rs"]
#[allow(
    unreachable_pub,
    dead_code,
    clippy::new_without_default,
    clippy::cast_possible_truncation,
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    reason = "shared with the other tests of the broker"
)]
mod store;
mod watch;
mod world;

use plan::Plan;
use saboteur::Saboteur;
use testkit::campaign::{Campaign, Session};
use world::{Doom, Moment, Stats, World};

const CAMPAIGN: Campaign = Campaign {
    package: "zzw-push-proto",
    target: "pair",
    regressions: include_str!("regressions.txt"),
};

#[test]
//= docs/spec/zzw-push-proto.md#queue
//# A message that was acknowledged to its publisher MUST stay in the store until its alias has
//# acknowledged it, its time is over, or newer ones have pushed it out.
//= docs/spec/zzw-push-proto.md#queue
//# Messages MUST be sent to a link for the first time in the order of their ids, in whichever order
//# the store answers.
//= docs/spec/zzw-push-proto.md#device-delivery
//# The device MUST report a delivery once as long as its id is among the last `remembered`.
fn applications_see_every_promised_message_in_order() {
    let Some((sessions, total)) = CAMPAIGN.sessions(5_000, session) else {
        return;
    };
    // A simulation in which nothing goes wrong proves nothing.
    let often = sessions / 40;
    assert!(total.delivered > 3 * sessions && total.promised > 3 * sessions);
    assert!(total.crashes > often && total.power_cuts > often);
    assert!(total.store_failures > often && total.flash_failures > often);
    assert!(total.expired > often && total.evicted > often);
    assert!(total.doors > often && total.pulls > often);
    assert!(total.redelivered > often && total.slow > often / 4);
}

#[test]
fn large_sites_lose_nothing() {
    let site = |seed| World::new(Plan::large(seed), Saboteur::None);
    let Some((sites, total)) = CAMPAIGN.sites(1, site) else {
        return;
    };
    assert!(total.delivered > 5_000 * sites, "{total:?}");
}

/// The broker is killed and a device loses its power, each at every boundary of its store and between
/// any two outputs, alone and in pairs.
#[test]
//= docs/spec/zzw-push-proto.md#queue
//# A message that was acknowledged to its publisher MUST stay in the store until its alias has
//# acknowledged it, its time is over, or newer ones have pushed it out.
fn no_instant_is_a_bad_one_to_stop_at() {
    for moment in Moment::ALL {
        let stop = |nth: u64| Some(Doom { moment, left: nth });
        let crashes = (0..).take_while(|nth| stopped(stop(*nth), None).crashes == 1);
        let cuts = (0..).take_while(|nth| stopped(None, stop(*nth)).power_cuts == 1);
        let (crashes, cuts) = (crashes.count(), cuts.count());
        assert!(crashes > 20 && cuts > 5, "{moment:?}: {crashes}, {cuts}");
        for (broker, device) in (0..60).flat_map(|nth| [(nth, nth / 6), (nth, nth / 2)]) {
            stopped(stop(broker), stop(device));
        }
    }
}

/// A calm session in which somebody is stopped.
fn stopped(broker: Option<Doom>, device: Option<Doom>) -> Stats {
    let mut world = World::new(Plan::calm(7), Saboteur::None);
    world.stop_at(broker, device);
    let stats = world.run();
    stats.unwrap_or_else(|what| panic!("stopped at {broker:?}, {device:?}: {what}"))
}

/// Each single request to the broker's store fails once, before it is done and afterwards.
#[test]
fn no_request_is_a_bad_one_to_fail() {
    for (nth, is_done) in (0..120).flat_map(|nth| [(nth, false), (nth, true)]) {
        let mut world = World::new(Plan::calm(7), Saboteur::None);
        world.fail_store(nth, is_done);
        world
            .run()
            .unwrap_or_else(|what| panic!("request {nth} fails, done {is_done}: {what}"));
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

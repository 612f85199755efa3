//! Several brokers over one Redis, all of which break, in virtual time: devices that wander from one
//! to another, and applications that still see every message that was promised to them, in order.
//!
//! `SIM_SESSIONS=1000000 cargo test --release -p zzw-push-proto --test cluster` runs that many seeds;
//! `SIM_SEED=n` runs one and prints what happened. A seed that fails goes into `regressions.txt`.
//!
//! The nodes are real; the devices, the network, the drivers and Redis are models. What is simulated
//! is in `plan.rs`, what is checked in `world/checks.rs` and `world/settle.rs`.
#![allow(
    clippy::arithmetic_side_effects,
    reason = "a simulation that overflows has failed"
)]

mod ledger;
mod plan;
mod redis;
mod saboteur;
mod stats;
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
mod world;

use plan::Plan;
use saboteur::Saboteur;
use std::time::Instant;
use testkit::campaign::Campaign;
use world::World;

const CAMPAIGN: Campaign = Campaign {
    package: "zzw-push-proto",
    target: "cluster",
    regressions: include_str!("regressions.txt"),
};

#[test]
//= docs/spec/zzw-push-proto.md#queue
//= type=test
//# A message that was acknowledged to its publisher MUST stay in the store until its alias has
//# acknowledged it, its time is over, or newer ones have pushed it out.
//= docs/spec/zzw-push-proto.md#node
//= type=test
//# A node MUST NOT send or pull what is kept from `fence` before its lease ends on, counted from
//# when it asked for that.
//= docs/spec/zzw-push-proto.md#node
//= type=test
//# When the lease of another node has ended, every queue MUST be looked at again: that node may have
//# kept a message and told nobody.
//= docs/spec/zzw-push-proto.md#alias
//= type=test
//# When the process stood still, a link MUST NOT be bound before what may have waited meanwhile is
//# read, and not at all if its end is among that.
//= docs/spec/zzw-push-proto.md#node
//= type=test
//# A node that may have missed what another one has said MUST look at every queue again.
fn applications_of_a_cluster_see_every_promised_message_in_order() {
    let session = |seed| World::new(Plan::draw(seed), Saboteur::None);
    let start = clock();
    let Some((sessions, total)) = CAMPAIGN.sessions(3_000, session) else {
        return;
    };
    let each = (clock() - start).as_micros() / u128::from(sessions.max(1));
    println!("{each} us for each");
    // A simulation in which nothing goes wrong proves nothing.
    let often = sessions / 40;
    assert!(total.promised > 2 * sessions && total.delivered > 2 * sessions);
    assert!(
        total.pulled > often
            && total.direct > often
            && total.expired > often
            && total.evicted > often
    );
    assert!(total.crashes > often && total.widowed > often / 2 && total.drains > often);
    assert!(total.pauses > often && total.fences > often && total.skews > often);
    assert!(total.partitions > often && total.restarts > often);
    assert!(total.store_failures > often && total.relays_lost > often);
    assert!(total.missed > often && total.doubles > often && total.inbox_cuts > often / 4);
    assert!(total.swept > often / 4 && total.replaced > often && total.half_open > often);
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long it takes is told, and decides nothing"
)]
fn clock() -> Instant {
    Instant::now()
}

/// Each rule of the design is load-bearing: without it, the same test fails.
#[test]
fn every_removed_rule_is_noticed() {
    CAMPAIGN.notices(&Saboteur::ALL, |seed, saboteur| {
        World::new(Plan::draw(seed), saboteur)
    });
}

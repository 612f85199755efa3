//! Everything that can become of one alias on two nodes: a breadth-first search over the real machines.
//!
//! A state is two nodes with leases, the store that they share, what was asked of it and what it has
//! answered, what the nodes have written to each other, a device with its links, and how much may still
//! happen. From each state all is tried that can happen next: the store carries out the oldest request
//! of a node about the alias, or that for its lease; an answer arrives, in any order; a request is
//! reported as failed, carried out or not; a node reads its inbox, in order, or the first entry is lost
//! and `Missed` is owed; the device connects, to either node if it has no link; the link that it has
//! left is noticed to be dead, or not; it acknowledges what came first; a message is published at either
//! node; time passes to the next timer of a node or the end of a lease; a node stands still for up to
//! longer than its lease and goes on; it cannot reach the store, and reaches it again; it is killed,
//! with some of its last words, and another one takes its place; an alias whose node has no lease any
//! more is given to nobody, under a new epoch.
//!
//! What must hold in every state:
//!
//! - I1: a message that its publisher was promised is in the store, or the device has acknowledged it;
//! - I2: on one link, which has one epoch, messages are sent in the order of their ids;
//! - I5: nothing is sent on a link that is over or unbound; a node sends nothing from its fence on, which
//!   is `length - fence` after it asked for the lease that was answered last; a link sends nothing whose
//!   node was told of a later epoch, by a kick or by whatever it has read or claimed, nor one whose
//!   epoch was ended by a sweep; and whoever sends has a lease in the store of which more than `fence`
//!   is left. The margin is for what has left the machine and not the driver: here that takes no time.
//!   A link whose alias was claimed elsewhere may send until its node hears of it;
//! - I9: nothing is promised before the store has kept it;
//! - no timer is in the past once it has fired.
//!
//! From every state there is one way on which nothing more goes wrong: whoever stands still goes on, the
//! store is reached, requests are carried out and answered, inboxes are read, the device connects if it
//! has no link and acknowledges, and time passes. It comes to where only time goes round, and there the
//! device has a link, which is bound and is the only one that is; its node is whom the store calls the
//! owner; and the store keeps nothing that was not acknowledged, whether it was promised or not.
//!
//! The store gives a lease of 3 s, which is renewed every second and relied on for 2 s; nodes `shifted`
//! renew theirs at different times. Unless a plan is `unhurried`, what nobody waits for (renewals,
//! acknowledgements, releases) is carried out and answered at once, if the store can be reached. With an
//! `eager` store that is so for carrying out whatever is asked, and only answers take their time. In a
//! `prompt` world time does not pass while anything is under way that nothing holds up. A `restless`
//! device leaves its link also for one to the same node, and with `leaving`, nodes send their links away
//! after a second without a lease.
//!
//! A machine is rebuilt by what it was told, and its states are told apart by what `Debug` shows of them,
//! with times relative to now; what a state does when it is told something is found out once.
//!
//! `cargo test` explores what is marked `-`; `EXHAUSTIVE=full cargo test --release -p zzw-push-proto
//! --test exhaustive` explores what is marked `full` too, and `EXHAUSTIVE=long` also `long`. M, F, L, P,
//! O, C are how often the device moves, a request fails, an entry is lost, a node stands still, cannot
//! reach the store, or is killed.
//!
//! Nothing is wrong in any of these states.
//!
//! Left out: messages that expire or are sent again on the same link, windows that are full, pulls,
//! topics, messages for those who are online only, nodes that drain, requests that are carried out after
//! they were reported as failed, clocks that run at different speeds, and a store that forgets.
//!
//! The checker is checked: with a rule of the design taken out it finds what that leads to, each time
//! on the shortest way.
//!
//! | taken out | leads to | moves |
//! |-|-|-|
//! | C-6: no fence, and a lease that the node takes for longer than the store | a node sends whose lease has ended | 5 |
//! | the same, and an outage | a link sends that was given up for dead | 9 |
//! | C-3: epochs that are read are 0, and kicks are dropped | two links stay bound | 6 |
//! | T-1: a message is answered before it is kept | it is promised too early | 2 |
//! | C-4: a node that is gone stays listed, a crash | a message of its is never delivered | 6 |
//! | C-5: `Missed` is not sent, a loss | a message is never delivered | 4 |
//! | C-4: a sweep leaves the epoch as it was, an outage | a link sends that was given up for dead | 12 |
//!
//! The search has found that a node did not tell others of what the store may have done for them when it
//! failed: a message that was kept so lay there (3 moves), and a link whose alias was taken so stayed
//! bound (8 moves). `platform_lease` has the rule.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "a search that overflows has failed"
)]

mod digest;
mod machines;
mod normal;
mod plan;
mod search;
#[path = "../platform_kit/store.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "others use more of it"
)]
mod store;
mod tell;
mod world;

use plan::{Plan, Saboteur};
use search::{Counterexample, search};

/// How much is explored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Effort {
    /// What takes some seconds without optimisation.
    Usual,
    /// What takes some minutes with it.
    Full,
    /// What takes some minutes more.
    Long,
}

impl Effort {
    fn of_this_run() -> Self {
        match std::env::var("EXHAUSTIVE").as_deref() {
            Ok("full") => Self::Full,
            Ok("long") => Self::Long,
            _ => Self::Usual,
        }
    }
}

#[test]
fn every_message_arrives_once_the_device_has_settled() {
    explore(&[
        (Effort::Usual, Plan::new("no move", 3)),
        (
            Effort::Usual,
            Plan::new("every order", 1).moving(1).unhurried().prompt(),
        ),
        (Effort::Usual, Plan::new("one move", 1).moving(1)),
        (Effort::Full, Plan::new("two moves", 1).moving(2).prompt()),
        (
            Effort::Usual,
            Plan::new("here or there", 1)
                .moving(2)
                .restless()
                .prompt()
                .eager(),
        ),
        (
            Effort::Usual,
            Plan::new("two messages", 2).moving(1).prompt(),
        ),
        (
            Effort::Full,
            Plan::new("two messages, any time", 2).moving(1),
        ),
        (
            Effort::Full,
            Plan::new("three messages", 3).moving(1).prompt(),
        ),
    ]);
}

#[test]
fn every_message_arrives_although_the_store_fails() {
    explore(&[
        (
            Effort::Usual,
            Plan::new("one failure", 1).moving(1).failing(1),
        ),
        (
            Effort::Usual,
            Plan::new("every order", 1).failing(1).unhurried().prompt(),
        ),
        (Effort::Usual, Plan::new("two failures", 1).failing(2)),
        (
            Effort::Full,
            Plan::new("two moves", 1)
                .moving(2)
                .failing(1)
                .eager()
                .prompt(),
        ),
        (
            Effort::Full,
            Plan::new("three messages", 3)
                .moving(1)
                .failing(1)
                .eager()
                .prompt(),
        ),
    ]);
}

#[test]
fn every_message_arrives_although_nodes_do_not_hear_each_other() {
    explore(&[
        (Effort::Usual, Plan::new("one loss", 1).moving(1).losing(1)),
        (
            Effort::Full,
            Plan::new("and a failure", 1)
                .moving(1)
                .failing(1)
                .losing(1)
                .prompt(),
        ),
        (
            Effort::Full,
            Plan::new("two messages", 2).moving(1).losing(1).prompt(),
        ),
        (
            Effort::Full,
            Plan::new("three messages", 3)
                .moving(1)
                .losing(1)
                .eager()
                .prompt(),
        ),
    ]);
}

#[test]
fn every_message_arrives_although_a_lease_ends() {
    let outage = |name, messages| Plan::new(name, messages).cut_off(1);
    let pause = |name, messages| Plan::new(name, messages).pausing(1);
    explore(&[
        (Effort::Usual, outage("an outage", 1)),
        (Effort::Usual, outage("every order", 1).unhurried().prompt()),
        (Effort::Usual, outage("links leave", 1).leaving().prompt()),
        (Effort::Usual, outage("not at once", 1).shifted()),
        (Effort::Usual, pause("a pause", 1)),
        (Effort::Usual, pause("not at once", 1).shifted()),
        (Effort::Full, outage("a move", 1).moving(1)),
        (
            Effort::Full,
            outage("links leave", 1).moving(1).leaving().prompt(),
        ),
        (
            Effort::Full,
            outage("two messages", 2).moving(1).eager().prompt(),
        ),
        (Effort::Full, outage("three messages", 3).eager().prompt()),
        (Effort::Full, pause("a move", 1).moving(1)),
        (
            Effort::Full,
            pause("two messages", 2).moving(1).eager().prompt(),
        ),
        (Effort::Full, pause("three messages", 3).eager().prompt()),
        (
            Effort::Long,
            outage("three messages", 3).moving(1).eager().prompt(),
        ),
        (
            Effort::Long,
            pause("three messages", 3).moving(1).eager().prompt(),
        ),
    ]);
}

#[test]
fn every_message_arrives_although_a_node_dies() {
    let crash = |name, messages| Plan::new(name, messages).crashing(1);
    explore(&[
        (Effort::Usual, crash("a crash", 1)),
        (
            Effort::Usual,
            crash("not at once", 1).shifted().eager().prompt(),
        ),
        (Effort::Full, crash("a move", 1).moving(1).prompt()),
        (Effort::Usual, Plan::new("an end", 1).ending(1)),
        (
            Effort::Full,
            Plan::new("an end, and a move", 1)
                .moving(1)
                .ending(1)
                .prompt(),
        ),
        (
            Effort::Full,
            crash("and a loss", 1).moving(1).losing(1).eager().prompt(),
        ),
        (
            Effort::Full,
            crash("and a failure", 1)
                .moving(1)
                .failing(1)
                .eager()
                .prompt(),
        ),
        (
            Effort::Full,
            crash("and an outage", 1).cut_off(1).eager().prompt(),
        ),
        (
            Effort::Full,
            crash("and a pause", 1).pausing(1).eager().prompt(),
        ),
        (Effort::Full, crash("three messages", 3).eager().prompt()),
        (Effort::Long, crash("a move, any time", 1).moving(1)),
        (
            Effort::Long,
            crash("three messages", 3).moving(1).eager().prompt(),
        ),
    ]);
}

/// C-6. The store has given the lease up, and the node has not.
#[test]
fn a_node_without_a_fence_is_found_out() {
    let plan = Plan::new("no fence", 1)
        .unhurried()
        .spoiled(Saboteur::LongLease);
    finds(&plan, "a node sends whose lease has ended (I5)", 5);
    let plan = Plan::new("no fence", 1)
        .cut_off(1)
        .spoiled(Saboteur::LongLease);
    finds(&plan, "a link sends that was given up for dead (I5)", 9);
}

/// C-4.
#[test]
fn a_node_that_hears_of_no_epochs_is_found_out() {
    let plan = Plan::new("no epochs", 1)
        .moving(1)
        .spoiled(Saboteur::NoEpochs);
    finds(&plan, "two links stay bound (I5)", 6);
}

/// T-1.
#[test]
fn a_message_that_is_promised_before_it_is_kept_is_found_out() {
    let plan = Plan::new("hasty driver", 1).spoiled(Saboteur::EarlyAnswer);
    finds(&plan, "message 1 is said to be kept before it is (I9)", 2);
}

/// C-4. What a node kept before it died, and told nobody.
#[test]
fn a_message_of_a_node_that_died_unnoticed_is_missed() {
    let plan = Plan::new("gone, and listed", 1)
        .crashing(1)
        .spoiled(Saboteur::GoneStays);
    finds(&plan, "a kept message is never delivered", 6);
}

#[test]
fn a_message_of_which_the_word_was_lost_is_missed() {
    let plan = Plan::new("not a word", 1)
        .losing(1)
        .spoiled(Saboteur::NoMissed);
    finds(&plan, "a kept message is never delivered", 4);
}

/// C-4. Whoever seemed to be dead comes back, and takes its links for its own.
#[test]
fn a_sweep_that_leaves_the_epoch_is_found_out() {
    let plan = Plan::new("same epoch", 1)
        .cut_off(1)
        .spoiled(Saboteur::SweepKeepsEpoch);
    finds(&plan, "a link sends that was given up for dead (I5)", 12);
}

/// Explores what this run has the time for, and finds nothing wrong with it.
fn explore(plans: &[(Effort, Plan)]) {
    let effort = Effort::of_this_run();
    for (_, plan) in plans.iter().filter(|(least, _)| *least <= effort) {
        let report = search(plan);
        println!("{plan}: {report}");
        assert!(
            report.ends > 0 || report.counterexample.is_some(),
            "{plan}: it never ends"
        );
        if let Some(counterexample) = report.counterexample {
            panic!("{plan}\n{counterexample}");
        }
    }
}

/// The shortest way to this fault takes so many moves.
fn finds(plan: &Plan, what: &str, moves: usize) {
    let report = search(plan);
    println!("{plan}: {report}");
    let found: Option<Counterexample> = report.counterexample;
    let found = found.unwrap_or_else(|| panic!("{plan}: nothing was found"));
    println!("{found}");
    assert_eq!((found.what.as_str(), found.moves.len()), (what, moves));
}

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
//! with some of its last words, or is closed, with all that it has asked for done and its lease given
//! back or not, and another one takes its place; an alias whose node has no lease any more is given to
//! nobody, under a new epoch.
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
//! acknowledgements, releases) is carried out and answered at once, if the store can be reached. In a
//! `prompt` world time does not pass while anything is under way that nothing holds up; an `eager` store
//! is in one, too, and carries out at once whatever it is asked, and only its answers take their time.
//! A `restless` device leaves its link also for one to the same node, and with `leaving`, nodes send
//! their links away after a second without a lease. What is `deep` goes down before it goes on, which
//! takes little memory.
//!
//! A machine is rebuilt by what it was told, and its states are told apart by what `Debug` shows of them
//! (on Unix), with times relative to now; what a state does when it is told something is found out once.
//!
//! `cargo test` explores what is marked `-`; `EXHAUSTIVE=full cargo test --release -p zzw-push-proto
//! --test exhaustive` explores what is marked `full` too, and `EXHAUSTIVE=long` also `long`. M, F, L, P,
//! O, C, E are how often the device moves, a request fails, an entry is lost, a node stands still, cannot
//! reach the store, is killed, or is closed. Nothing else is limited but the messages.
//!
//! | messages | M | F | L | P | O | C | E | | states | moves | |
//! |-|-|-|-|-|-|-|-|-|-|-|-|
//! | 1 | 1 | 0 | 0 | 0 | 0 | 0 | 0 | | 686 | 2 274 | - |
//! | 1 | 1 | 0 | 0 | 0 | 0 | 0 | 0 | unhurried, prompt | 17 928 | 72 639 | - |
//! | 1 | 2 | 0 | 0 | 0 | 0 | 0 | 0 | eager, restless | 13 546 | 44 142 | - |
//! | 1 | 2 | 0 | 0 | 0 | 0 | 0 | 0 | | 80 360 | 354 514 | full |
//! | 2 | 1 | 0 | 0 | 0 | 0 | 0 | 0 | | 26 484 | 111 080 | - |
//! | 3 | 0 | 0 | 0 | 0 | 0 | 0 | 0 | | 2 618 | 8 768 | - |
//! | 3 | 1 | 0 | 0 | 0 | 0 | 0 | 0 | | 1 092 729 | 5 439 608 | full |
//! | 1 | 0 | 1 | 0 | 0 | 0 | 0 | 0 | unhurried, prompt | 1 323 | 3 177 | - |
//! | 1 | 1 | 1 | 0 | 0 | 0 | 0 | 0 | | 16 177 | 58 302 | - |
//! | 1 | 1 | 1 | 0 | 0 | 0 | 0 | 0 | unhurried, prompt | 278 087 | 1 120 277 | full |
//! | 1 | 2 | 1 | 0 | 0 | 0 | 0 | 0 | eager | 109 626 | 407 813 | full |
//! | 3 | 1 | 1 | 0 | 0 | 0 | 0 | 0 | eager | 1 286 204 | 5 340 887 | full |
//! | 1 | 0 | 2 | 0 | 0 | 0 | 0 | 0 | | 79 | 170 | - |
//! | 1 | 1 | 0 | 1 | 0 | 0 | 0 | 0 | | 3 000 | 11 450 | - |
//! | 1 | 2 | 0 | 1 | 0 | 0 | 0 | 0 | eager, restless | 81 443 | 300 453 | full |
//! | 2 | 1 | 0 | 1 | 0 | 0 | 0 | 0 | prompt | 157 991 | 586 617 | full |
//! | 3 | 1 | 0 | 1 | 0 | 0 | 0 | 0 | eager | 949 735 | 4 305 592 | full |
//! | 1 | 1 | 1 | 1 | 0 | 0 | 0 | 0 | prompt | 46 948 | 140 814 | full |
//! | 1 | 0 | 0 | 0 | 1 | 0 | 0 | 0 | | 1 369 | 3 503 | - |
//! | 1 | 0 | 0 | 0 | 1 | 0 | 0 | 0 | shifted | 2 883 | 7 358 | - |
//! | 1 | 1 | 0 | 0 | 1 | 0 | 0 | 0 | shifted, eager | 35 928 | 98 108 | full |
//! | 1 | 1 | 0 | 0 | 1 | 0 | 0 | 0 | | 468 120 | 2 046 538 | full |
//! | 2 | 1 | 0 | 0 | 1 | 0 | 0 | 0 | eager | 418 540 | 1 520 745 | full |
//! | 3 | 0 | 0 | 0 | 1 | 0 | 0 | 0 | eager | 51 734 | 148 273 | full |
//! | 3 | 1 | 0 | 0 | 1 | 0 | 0 | 0 | eager, deep | 9 345 678 | 41 710 591 | long |
//! | 1 | 1 | 1 | 0 | 1 | 0 | 0 | 0 | eager | 238 500 | 716 506 | full |
//! | 1 | 0 | 0 | 0 | 0 | 1 | 0 | 0 | | 1 504 | 4 154 | - |
//! | 1 | 0 | 0 | 0 | 0 | 1 | 0 | 0 | shifted | 2 533 | 6 820 | - |
//! | 1 | 0 | 0 | 0 | 0 | 1 | 0 | 0 | prompt, leaving | 3 098 | 6 623 | - |
//! | 1 | 0 | 0 | 0 | 0 | 1 | 0 | 0 | unhurried, prompt | 23 645 | 62 852 | - |
//! | 1 | 1 | 0 | 0 | 0 | 1 | 0 | 0 | eager, restless | 25 840 | 71 578 | full |
//! | 1 | 1 | 0 | 0 | 0 | 1 | 0 | 0 | shifted, eager | 38 604 | 110 651 | full |
//! | 1 | 1 | 0 | 0 | 0 | 1 | 0 | 0 | | 442 677 | 1 946 365 | full |
//! | 1 | 1 | 0 | 0 | 0 | 1 | 0 | 0 | prompt, leaving | 510 175 | 1 736 054 | full |
//! | 2 | 1 | 0 | 0 | 0 | 1 | 0 | 0 | eager | 535 917 | 1 964 395 | full |
//! | 3 | 0 | 0 | 0 | 0 | 1 | 0 | 0 | eager | 91 093 | 272 428 | full |
//! | 3 | 1 | 0 | 0 | 0 | 1 | 0 | 0 | eager, deep | 12 890 243 | 57 339 307 | long |
//! | 1 | 1 | 1 | 0 | 0 | 1 | 0 | 0 | eager | 298 424 | 917 070 | full |
//! | 1 | 0 | 0 | 0 | 0 | 2 | 0 | 0 | eager | 13 331 | 33 328 | full |
//! | 1 | 0 | 0 | 0 | 0 | 0 | 1 | 0 | | 1 868 | 4 722 | - |
//! | 1 | 0 | 0 | 0 | 0 | 0 | 1 | 0 | shifted, eager | 3 041 | 4 917 | - |
//! | 1 | 1 | 0 | 0 | 0 | 0 | 1 | 0 | prompt | 628 272 | 2 096 361 | full |
//! | 1 | 1 | 0 | 0 | 0 | 0 | 1 | 0 | | 2 023 952 | 10 341 768 | long |
//! | 3 | 0 | 0 | 0 | 0 | 0 | 1 | 0 | eager | 90 967 | 258 107 | full |
//! | 3 | 1 | 0 | 0 | 0 | 0 | 1 | 0 | eager, deep | 16 218 618 | 74 373 627 | long |
//! | 0 | 2 | 1 | 0 | 0 | 0 | 1 | 0 | eager | 199 450 | 659 361 | full |
//! | 1 | 1 | 1 | 0 | 0 | 0 | 1 | 0 | eager | 477 142 | 1 554 037 | full |
//! | 0 | 2 | 0 | 1 | 0 | 0 | 1 | 0 | eager | 51 604 | 168 058 | full |
//! | 1 | 1 | 0 | 1 | 0 | 0 | 1 | 0 | eager | 103 152 | 330 629 | full |
//! | 1 | 0 | 0 | 0 | 1 | 0 | 1 | 0 | eager | 28 465 | 55 712 | full |
//! | 1 | 0 | 0 | 0 | 0 | 1 | 1 | 0 | prompt | 65 071 | 145 081 | full |
//! | 1 | 0 | 0 | 0 | 0 | 0 | 2 | 0 | eager | 11 966 | 20 915 | full |
//! | 1 | 0 | 0 | 0 | 0 | 0 | 0 | 1 | | 6 243 | 18 313 | - |
//! | 1 | 1 | 0 | 0 | 0 | 0 | 0 | 1 | eager | 59 076 | 183 539 | full |
//! | 1 | 1 | 0 | 0 | 0 | 0 | 0 | 1 | prompt | 1 404 594 | 5 247 545 | long |
//! | 1 | 0 | 0 | 0 | 0 | 1 | 0 | 1 | eager | 47 089 | 110 066 | full |
//! | 1 | 0 | 0 | 0 | 0 | 0 | 1 | 1 | eager | 42 737 | 86 151 | full |
//!
//! That is ten seconds of one processor for `cargo test`, a bit more than two minutes for
//! `EXHAUSTIVE=full` with `--release`, and about seven more for `EXHAUSTIVE=long`, which takes 1.5 GB.
//! Nothing is wrong in any of these states.
//!
//! Left out: messages that expire or are sent again on the same link, windows that are full, pulls,
//! topics, messages for those who are online only, nodes that drain, requests that are carried out after
//! they were reported as failed, clocks that run at different speeds, and a store that forgets. What
//! a node keeps while its lease is over, and dies before it has another, nobody looks for: a test shows
//! it, and no plan has it.
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
//! | C-4: a node that is gone stays listed, a crash | a message that it kept is never delivered | 6 |
//! | C-5: `Missed` is not sent, a loss | a message is never delivered | 4 |
//! | C-4: a sweep leaves the epoch as it was, an outage | a link sends that was given up for dead | 12 |
//!
//! The search has found two faults of the machine, for which `platform_lease` has rules now. A node did not
//! tell others of what the store may have done for them when it failed: a message that was kept so lay
//! there (in 3 moves), and a link whose alias was taken so stayed bound (in 8). And whoever had heard a
//! node's goodbye did not look for what it had kept and told nobody (in 6).
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "a search that overflows has failed"
)]

mod faults;
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

use machines::Machines;
use plan::{Effort, Plan};
use search::search;
use world::{Fault, Step, World};

#[test]
fn every_message_arrives_once_the_device_has_settled() {
    explore(
        Effort::Usual,
        &[
            Plan::new("no move", 3),
            Plan::new("every order", 1).moving(1).unhurried().prompt(),
            Plan::new("one move", 1).moving(1),
            Plan::new("here or there", 1).moving(2).restless().eager(),
            Plan::new("two messages", 2).moving(1),
        ],
    );
    explore(
        Effort::Full,
        &[
            Plan::new("two moves", 1).moving(2),
            Plan::new("three messages", 3).moving(1),
        ],
    );
}

#[test]
fn every_message_arrives_although_the_store_fails() {
    explore(
        Effort::Usual,
        &[
            Plan::new("one failure", 1).moving(1).failing(1),
            Plan::new("every order", 1).failing(1).unhurried().prompt(),
            Plan::new("two failures", 1).failing(2),
        ],
    );
    explore(
        Effort::Full,
        &[
            Plan::new("every order", 1)
                .moving(1)
                .failing(1)
                .unhurried()
                .prompt(),
            Plan::new("two moves", 1).moving(2).failing(1).eager(),
            Plan::new("three messages", 3).moving(1).failing(1).eager(),
        ],
    );
}

#[test]
fn every_message_arrives_although_nodes_do_not_hear_each_other() {
    explore(
        Effort::Usual,
        &[Plan::new("one loss", 1).moving(1).losing(1)],
    );
    explore(
        Effort::Full,
        &[
            Plan::new("two moves", 1)
                .moving(2)
                .losing(1)
                .restless()
                .eager(),
            Plan::new("and a failure", 1)
                .moving(1)
                .failing(1)
                .losing(1)
                .prompt(),
            Plan::new("two messages", 2).moving(1).losing(1).prompt(),
            Plan::new("three messages", 3).moving(1).losing(1).eager(),
        ],
    );
}

#[test]
fn every_message_arrives_although_a_lease_ends() {
    let outage = |name, messages| Plan::new(name, messages).cut_off(1);
    let pause = |name, messages| Plan::new(name, messages).pausing(1);
    explore(
        Effort::Usual,
        &[
            outage("an outage", 1),
            outage("every order", 1).unhurried().prompt(),
            outage("links leave", 1).leaving().prompt(),
            outage("not at once", 1).shifted(),
            pause("a pause", 1),
            pause("not at once", 1).shifted(),
        ],
    );
    explore(
        Effort::Full,
        &[
            outage("two outages", 1).cut_off(2).eager(),
            outage("a failure", 1).moving(1).failing(1).eager(),
            outage("not at once", 1).moving(1).shifted().eager(),
            outage("here or there", 1).moving(1).restless().eager(),
            pause("a failure", 1).moving(1).failing(1).eager(),
            pause("not at once", 1).moving(1).shifted().eager(),
            outage("a move", 1).moving(1),
            outage("links leave", 1).moving(1).leaving().prompt(),
            outage("two messages", 2).moving(1).eager(),
            outage("three messages", 3).eager(),
            pause("a move", 1).moving(1),
            pause("two messages", 2).moving(1).eager(),
            pause("three messages", 3).eager(),
        ],
    );
    explore(
        Effort::Long,
        &[
            outage("three messages", 3).moving(1).eager().deep(),
            pause("three messages", 3).moving(1).eager().deep(),
        ],
    );
}

#[test]
fn every_message_arrives_although_a_node_dies() {
    let crash = |name, messages| Plan::new(name, messages).crashing(1);
    explore(
        Effort::Usual,
        &[
            crash("a crash", 1),
            crash("not at once", 1).shifted().eager(),
        ],
    );
    explore(
        Effort::Full,
        &[
            crash("two crashes", 1).crashing(2).eager(),
            crash("two moves", 0).moving(2).failing(1).eager(),
            crash("two moves", 0).moving(2).losing(1).eager(),
            crash("a move", 1).moving(1).prompt(),
            crash("and a loss", 1).moving(1).losing(1).eager(),
            crash("and a failure", 1).moving(1).failing(1).eager(),
            crash("and an outage", 1).cut_off(1).prompt(),
            crash("and a pause", 1).pausing(1).eager(),
            crash("three messages", 3).eager(),
        ],
    );
    explore(
        Effort::Long,
        &[
            crash("a move, any time", 1).moving(1),
            crash("three messages", 3).moving(1).eager().deep(),
        ],
    );
}

#[test]
fn every_message_arrives_although_a_node_is_closed() {
    let end = |name| Plan::new(name, 1).ending(1);
    explore(Effort::Usual, &[end("an end")]);
    explore(
        Effort::Full,
        &[
            end("a move").moving(1).eager(),
            end("and an outage").cut_off(1).eager(),
            end("and a crash").crashing(1).eager(),
        ],
    );
    explore(
        Effort::Long,
        &[end("a move, at its time").moving(1).prompt()],
    );
}

/// What no plan has, because renewals come first when the store can be reached again: here the store
/// keeps a message of a node whose lease is over, and the node dies before it has a new one. Others
/// have looked for what it kept when its lease ended, and do not look again. Nothing was promised.
#[test]
fn nobody_looks_for_what_a_node_kept_without_a_lease() {
    let plan = Plan::new("late", 1).cut_off(1).crashing(1).unhurried();
    let mut machines = Machines::new(&plan);
    let mut world = World::new(&plan, &mut machines).unwrap();
    let mut go = |step| world = world.go(step, &mut machines).unwrap();
    go(Step::CutOff(1));
    go(Step::Publish(1));
    for _ in 0..4 {
        for step in [Step::Time, Step::Carry(0, 0), Step::Answer(0, 0)] {
            go(step);
        }
    }
    // The other node has found out, and has looked.
    for step in [Step::Carry(0, 0), Step::Answer(0, 0), Step::Mend(1)] {
        go(step);
    }
    go(Step::Carry(1, 0));
    go(Step::Crash(1, 0));
    for _ in 0..60 {
        let next = world.next(&machines).unwrap();
        world = world.go(next, &mut machines).unwrap();
    }
    assert_eq!(world.fault_at_rest(), Some(Fault::Undelivered));
}

/// Explores that if this run has the time for it, and finds nothing wrong with it.
fn explore(least: Effort, plans: &[Plan]) {
    if Effort::of_this_run() < least {
        return;
    }
    for plan in plans {
        let report = search(plan);
        println!("{plan}: {report}");
        if let Some(counterexample) = report.counterexample {
            panic!("{plan}\n{counterexample}");
        }
        // A world that never comes to rest proves nothing about where it does.
        assert!(report.ends > 0, "{plan}: it never ends");
    }
}

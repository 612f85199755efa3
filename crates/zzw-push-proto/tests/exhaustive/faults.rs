//! The checker is checked: rules of the design are taken out, and it finds what that leads to.

use crate::plan::{Plan, Saboteur};
use crate::search::{Counterexample, search};

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

/// The shortest way to this fault takes so many moves.
fn finds(plan: &Plan, what: &str, moves: usize) {
    let report = search(plan);
    println!("{plan}: {report}");
    let found: Option<Counterexample> = report.counterexample;
    let found = found.unwrap_or_else(|| panic!("{plan}: nothing was found"));
    println!("{found}");
    assert_eq!((found.what.as_str(), found.moves.len()), (what, moves));
}

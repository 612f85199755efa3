//! Everything that can become of one task: a breadth-first search over the real machines.
//!
//! A state is a dispatcher, one or two analysers, what their stores hold and were asked for, what is
//! on its way between them, and how much may still go wrong. From each state all is tried that can
//! happen next: a store carries out its oldest request, a PUBACK arrives, a message arrives, once or
//! twice, or is lost after its PUBACK, a run finds out what was taken or fails, time passes up to the
//! next deadline (before or after all that, so that a run takes longer than its lease), and either end
//! crashes between any two things that it asks for, with any part of what its store was asked for done.
//! Messages keep their order (`Fifo`) or come in any (`Bag`).
//!
//! What must hold in every state:
//!
//! - A-I1: the application is told one verdict in each life of the dispatcher, the same in all, and one
//!   that an analyser has found;
//! - A-I2: no task is given up while an attempt is within its lease and has not failed;
//! - A-I3: a FINISH is acknowledged once it is the stored verdict or the application knows of it;
//! - A-I4: an analyser has one run of a task at a time;
//! - A-I5: a result goes out until its PUBACK, and again when START asks for it;
//! - A-I6: no lease is cut short, and no timer is in the past once it has fired;
//! - A-I7: an analyser has no more attempts than its capacity, those included that it was not told of;
//! - A-I10: a TIMEOUT without an id ends nothing if it comes again, or if nothing is at work.
//!
//! Where nothing more happens by itself, even if a run hangs, there is a verdict, it was told in this
//! life of the dispatcher, and no analyser has a result that never reached the broker.
//!
//! Unless a plan is `unhurried`, what no message waits for (the records that an attempt is out or over,
//! that a result is delivered, the PUBACK of anything but START) is done at once, though a crash may
//! still come before it; and once the application has the verdict, one way is gone to the end, and one
//! more after a crash of the dispatcher, in place of all.
//!
//! `cargo test` explores what is marked `-`; `EXHAUSTIVE=full cargo test --release -p analyst-proto
//! --test exhaustive` explores what is marked `full` too, `EXHAUSTIVE=long` also `long`, and
//! `EXHAUSTIVE=all` everything. D, L, C are the duplicates, losses and crashes of a plan. A `deep` one
//! goes down before it goes on: that takes little memory and does not find shortest ways.
//!
//! | network | analysers | attempts | D | L | C | | states | moves | |
//! |-|-|-|-|-|-|-|-|-|-|
//! | Fifo | 1 | 1 | 1 | 1 | 1 | | 29 697 | 84 468 | - |
//! | Fifo | 1 | 1 | 1 | 1 | 1 | unhurried | 179 104 | 750 765 | full |
//! | Fifo | 1 | 1 | 2 | 0 | 0 | DUP is never set | 2 745 | 6 335 | - |
//! | Fifo | 1 | 1 | 0 | 0 | 1 | one TIMEOUT without an id | 7 698 | 21 979 | - |
//! | Fifo | 1 | 2 | 1 | 1 | 0 | | 66 906 | 189 742 | full |
//! | Fifo | 1 | 2 | 0 | 1 | 1 | | 327 352 | 971 732 | full |
//! | Fifo | 1 | 2 | 1 | 1 | 1 | | 2 117 919 | 7 161 253 | long |
//! | Fifo | 2 | 2 | 0 | 0 | 0 | | 19 436 | 55 457 | - |
//! | Fifo | 2 | 2 | 0 | 0 | 0 | labelled attempts | 19 816 | 54 671 | - |
//! | Fifo | 2 | 2 | 1 | 1 | 0 | | 302 762 | 1 095 797 | full |
//! | Fifo | 2 | 2 | 0 | 0 | 1 | | 979 543 | 3 295 102 | full |
//! | Fifo | 2 | 2 | 0 | 1 | 1 | deep | 2 205 404 | 8 401 910 | long |
//! | Fifo | 2 | 2 | 1 | 0 | 1 | deep | 9 552 226 | 35 154 730 | long |
//! | Fifo | 2 | 2 | 1 | 1 | 1 | deep | 20 662 541 | 89 390 098 | all |
//! | Fifo | 2 | 3 | 0 | 0 | 0 | | 348 710 | 1 085 897 | full |
//! | Bag | 1 | 1 | 0 | 1 | 1 | | 9 454 | 26 051 | - |
//! | Bag | 1 | 1 | 1 | 1 | 1 | | 55 753 | 185 082 | full |
//! | Bag | 1 | 2 | 0 | 0 | 0 | guard | 18 544 | 52 287 | - |
//! | Bag | 1 | 3 | 0 | 0 | 0 | guard | 809 537 | 2 807 983 | full |
//! | Bag | 1 | 2 | 0 | 0 | 0 | unhurried | 120 510 | 460 942 | full |
//! | Bag | 2 | 2 | 0 | 0 | 0 | | 31 649 | 97 566 | - |
//! | Bag | 2 | 2 | 1 | 0 | 0 | | 268 860 | 921 974 | full |
//! | Bag | 2 | 2 | 0 | 0 | 1 | deep | 2 064 496 | 7 549 570 | long |
//!
//! That is half a minute of one processor for `cargo test`, two minutes for `EXHAUSTIVE=full` with
//! `--release`, ten more for `EXHAUSTIVE=long` and ten more for `EXHAUSTIVE=all`, which takes 1.1 GB; the
//! tests run beside each other. Nothing is wrong in any of these states.
//!
//! The checker is checked: with a rule of the design taken out it finds what that leads to, each time
//! on the shortest way. Steps on the network are messages and PUBACKs that arrive.
//!
//! | taken out | leads to | steps | on the network |
//! |-|-|-|-|
//! | A-P3: a FAIL ends the current attempt | failed while attempt 2 lives | 10 | 2 |
//! | A-P3: the nth FAIL ends attempt n, one FAIL comes twice | the same | 10 | 3 |
//! | A-P7: START before `Stored(Assign)`, a crash | failed while attempt 1 lives | 7 | 2 |
//! | A-P8: results acknowledged at once, a crash | a result is gone | 8 | 2 |
//! | A-D1: tasks acknowledged at once, a crash | a task is gone | 4 | 1 |
//! | A-D6: results offered before they are stored, a crash | a result is gone | 10 | 3 |
//! | A-D8: no guard in a bag, the same analyser again | TIMEOUT 1 cancels attempt 2 | 8 | 4 |
//!
//! The last is no wrong verdict but a lost chance, and with the guard no state has it in which both STARTs
//! have come to the analyser. One that knows of the second alone cannot tell; the last test shows it.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "a search that overflows has failed"
)]

mod plan;
mod search;
mod world;

use plan::{LEASE, Order, Overtaking, Plan, Saboteur};
use search::{Counterexample, search};
use std::time::Duration;

/// How much is explored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Effort {
    /// What takes less than a minute without optimisation.
    Usual,
    /// What takes about a minute with it.
    Full,
    /// What takes some minutes more.
    Long,
    /// And as much again.
    All,
}

impl Effort {
    fn of_this_run() -> Self {
        match std::env::var("EXHAUSTIVE").as_deref() {
            Ok("full") => Self::Full,
            Ok("long") => Self::Long,
            Ok("all") => Self::All,
            _ => Self::Usual,
        }
    }
}

#[test]
fn a_task_gets_one_verdict_where_messages_keep_their_order() {
    let fifo = |name, analysts, attempts| Plan::new(name, analysts, attempts, Order::Fifo);
    explore(&[
        (Effort::Usual, fifo("two analysers, two attempts", 2, 2)),
        (Effort::Usual, fifo("and labels", 2, 2).labelled()),
        (Effort::Full, fifo("and trouble", 2, 2).with(1, 1, 0)),
        (Effort::Full, fifo("three attempts", 2, 3)),
    ]);
}

#[test]
fn a_task_gets_one_verdict_where_messages_come_in_any_order() {
    let bag = |name, analysts, attempts| Plan::new(name, analysts, attempts, Order::Bag);
    let guarded = bag("one analyser, two attempts", 1, 2).minding(Overtaking::OfStarts);
    let guarded_longer = bag("three attempts", 1, 3).minding(Overtaking::OfStarts);
    explore(&[
        (Effort::Usual, guarded.clone()),
        (Effort::Full, guarded_longer),
        (Effort::Usual, bag("two analysers, two attempts", 2, 2)),
        (Effort::Full, bag("and duplicates", 2, 2).with(1, 0, 0)),
        (Effort::Full, bag("every order", 1, 2).unhurried()),
    ]);
}

#[test]
fn a_task_gets_one_verdict_whatever_crashes() {
    let fifo = |name, analysts, attempts| Plan::new(name, analysts, attempts, Order::Fifo);
    let bag = |name, analysts, attempts| Plan::new(name, analysts, attempts, Order::Bag);
    explore(&[
        (Effort::Usual, fifo("a single attempt", 1, 1).with(1, 1, 1)),
        (Effort::Usual, bag("a single attempt", 1, 1).with(0, 1, 1)),
        (Effort::Full, bag("all at once", 1, 1).with(1, 1, 1)),
        (
            Effort::Full,
            fifo("every order", 1, 1).with(1, 1, 1).unhurried(),
        ),
        (Effort::Full, fifo("two attempts", 1, 2).with(0, 1, 1)),
        (Effort::Long, fifo("all at once", 1, 2).with(1, 1, 1)),
        (Effort::Full, fifo("two analysers", 2, 2).with(0, 0, 1)),
        (Effort::Long, fifo("and a loss", 2, 2).with(0, 1, 1).deep()),
        (
            Effort::Long,
            fifo("and one twice", 2, 2).with(1, 0, 1).deep(),
        ),
        (
            Effort::Long,
            bag("two analysers", 2, 2).with(0, 0, 1).deep(),
        ),
        (Effort::All, fifo("everything", 2, 2).with(1, 1, 1).deep()),
    ]);
}

#[test]
fn a_task_gets_one_verdict_whatever_comes_again() {
    let fifo = |name, analysts, attempts| Plan::new(name, analysts, attempts, Order::Fifo);
    let forgetful = fifo("DUP is never set", 1, 1).with(2, 0, 0).forgetful();
    let strange = fifo("TIMEOUT of nothing", 1, 1)
        .with(0, 0, 1)
        .with_strangers(1);
    explore(&[
        (Effort::Usual, forgetful),
        (Effort::Usual, strange),
        (Effort::Full, fifo("two attempts", 1, 2).with(1, 1, 0)),
    ]);
}

/// A-P3. Attempt 1 fails after attempt 2 has begun, and the dispatcher takes it for the end of both.
#[test]
fn a_dispatcher_that_blames_the_current_attempt_is_found_out() {
    for order in [Order::Fifo, Order::Bag] {
        let plan = Plan::new("naive", 2, 2, order).spoiled(Saboteur::NaiveFail);
        finds(&plan, "it is given up, and attempt 2 lives (A-I2)", 2);
    }
}

/// A-P3. One FAIL that comes twice is taken for two.
#[test]
fn a_dispatcher_that_counts_failures_is_found_out_by_one_that_comes_twice() {
    let plan = |duplicates| {
        Plan::new("counting", 2, 2, Order::Fifo)
            .with(duplicates, 0, 0)
            .spoiled(Saboteur::CountedFail)
    };
    finds(&plan(1), "it is given up, and attempt 2 lives (A-I2)", 3);
}

/// A-P8.
#[test]
fn a_result_that_is_acknowledged_before_it_is_stored_is_missed() {
    let plan = Plan::new("hasty dispatcher", 1, 1, Order::Fifo)
        .with(0, 0, 1)
        .spoiled(Saboteur::ServerAcksEarly);
    finds(&plan, "a result has vanished (A-I3)", 2);
}

/// A-D1.
#[test]
fn a_task_that_is_acknowledged_before_it_is_stored_is_missed() {
    let plan = Plan::new("hasty analyser", 1, 1, Order::Fifo)
        .with(0, 0, 1)
        .spoiled(Saboteur::AnalystAcksEarly);
    finds(&plan, "an acknowledged task has vanished (A-D1)", 1);
}

/// A-P7. An attempt that the dispatcher has forgotten fails, and it takes that for the next one's end.
#[test]
fn a_start_that_leaves_before_its_attempt_is_stored_ends_the_wrong_one() {
    let plan = Plan::new("early START", 2, 1, Order::Fifo)
        .with(0, 0, 1)
        .spoiled(Saboteur::StartsEarly);
    finds(&plan, "it is given up, and attempt 1 lives (A-I2)", 2);
}

/// A-D6.
#[test]
fn a_result_that_is_offered_before_it_is_stored_is_missed() {
    let plan = Plan::new("early result", 1, 1, Order::Fifo)
        .with(0, 0, 1)
        .spoiled(Saboteur::OffersEarly);
    finds(
        &plan,
        "FINISH of analyser 1 never reached the broker (A-I5)",
        3,
    );
}

/// A-D8. No verdict is wrong, but the second attempt has lost its chance.
#[test]
fn a_timeout_that_is_overtaken_ends_the_next_run_unless_there_is_a_guard() {
    let plan = Plan::new("one analyser", 1, 2, Order::Bag).minding(Overtaking::OfStarts);
    let unguarded = plan.clone().guarded_for(Duration::ZERO);
    finds(&unguarded, "TIMEOUT 1 ends attempt 2 (A-D8)", 4);
    assert_eq!(plan.guard, LEASE);
    assert!(search(&plan).counterexample.is_none());
}

/// What the guard does not see: a START that comes first, although it is of a later attempt. The one
/// before it is lost, or comes later and then begins another run.
#[test]
fn the_guard_does_not_see_that_the_first_start_to_come_is_the_second() {
    let plan = Plan::new("late first START", 1, 2, Order::Bag).minding(Overtaking::Always);
    finds(&plan, "TIMEOUT 1 ends attempt 2 (A-D8)", 3);
}

/// Explores what this run has the time for, and finds nothing wrong with it.
fn explore(plans: &[(Effort, Plan)]) {
    let effort = Effort::of_this_run();
    for (_, plan) in plans.iter().filter(|(least, _)| *least <= effort) {
        let report = search(plan);
        println!("{plan}: {report}");
        if let Some(counterexample) = report.counterexample {
            panic!("{plan}\n{counterexample}");
        }
        // A world in which a task never ends in some way proves nothing about that.
        assert!(report.decided.iter().all(|&states| states > 0), "{report}");
    }
}

/// The shortest way to this fault takes so many steps on the network.
fn finds(plan: &Plan, what: &str, on_network: usize) {
    let report = search(plan);
    println!("{plan}: {report}");
    let found: Option<Counterexample> = report.counterexample;
    let found = found.unwrap_or_else(|| panic!("{plan}: nothing was found"));
    println!("{found}");
    assert_eq!(
        (found.what.as_str(), found.on_network()),
        (what, on_network)
    );
}

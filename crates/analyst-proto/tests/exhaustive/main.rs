//! Everything that can become of one task.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "a search that overflows has failed"
)]

mod digest;
mod plan;
mod search;
mod world;

use plan::{Order, Plan, Saboteur};
use search::{Report, search};

fn explore(plan: &Plan) -> Report {
    let report = search(plan);
    println!(
        "{}: {plan:?}\n {} states {} moves {} ends depth {}",
        plan.name, report.states, report.moves, report.ends, report.depth
    );
    if let Some(c) = &report.counterexample {
        println!("{c}\n{} network steps", c.on_network());
    }
    report
}

#[test]
fn probe() {
    let order = if std::env::var("BAG").is_ok() {
        Order::Bag
    } else {
        Order::Fifo
    };
    let n = |k: &str, d: usize| std::env::var(k).map_or(d, |s| s.parse().unwrap());
    let plan = Plan::new("probe", n("A", 2), n("K", 2) as u32, order).with(
        n("D", 0) as u8,
        n("L", 0) as u8,
        n("C", 0) as u8,
    );
    let sab = match n("S", 0) {
        0 => Saboteur::None,
        1 => Saboteur::NaiveFail,
        2 => Saboteur::CountedFail,
        3 => Saboteur::ServerAcksEarly,
        4 => Saboteur::AnalystAcksEarly,
        5 => Saboteur::StartsEarly,
        _ => Saboteur::OffersEarly,
    };
    let mut plan = plan.spoiled(sab);
    if n("O", 0) == 1 {
        plan.overtaking = plan::Overtaking::Any;
    }
    plan.has_labels = n("LAB", 0) == 1;
    plan.says_again = n("AG", 1) == 1;
    plan.budgets.strangers = n("X", 0) as u8;
    plan.goes_on = n("T", 0) == 1;
    plan.hurries = n("H", 1) == 1;
    if n("G", 1) == 0 {
        plan.guard = std::time::Duration::ZERO;
    }
    let report = explore(&plan);
    if report.counterexample.is_some() {
        println!("COUNTEREXAMPLE");
    }
}

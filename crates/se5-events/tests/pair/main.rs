//! The headline: a box, a faulty network and a subscriber that all break, in virtual time, and an
//! application that still holds every event exactly once.
//!
//! `SIM_SESSIONS=1000000 cargo test --release -p se5-events --test pair` runs that many seeds;
//! `SIM_SEED=n` runs one and prints what happened.
#![allow(missing_docs, reason = "a test's modules have no readers outside")]

mod application;
mod plan;
mod world;

use plan::{Plan, Saboteur};
use std::sync::atomic::{AtomicU64, Ordering};
use world::{Stats, World};

/// Seeds that once failed; they are run first.
const REGRESSIONS: &str = include_str!("regressions.txt");

#[test]
fn application_holds_every_event_exactly_once() {
    if let Some(seed) = number_from_env("SIM_SEED") {
        let mut world = World::new(Plan::draw(seed), Saboteur::None);
        world.narrate();
        println!("{:?}", world.run());
        return;
    }
    let sessions = number_from_env("SIM_SESSIONS").unwrap_or(3_000);
    let regressions = REGRESSIONS.lines().filter(|line| !line.starts_with('#'));
    for seed in regressions.filter_map(|line| line.parse().ok()) {
        session(seed, Saboteur::None).unwrap();
    }
    let total = in_parallel(sessions, |seed| {
        let stats = session(seed, Saboteur::None)?;
        if seed % 100 == 0 {
            let again = session(seed, Saboteur::None)?;
            if again != stats {
                return Err(format!("seed {seed} gave two histories"));
            }
        }
        Ok(stats)
    });
    println!("{sessions} sessions: {total:#?}");
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

/// Each rule of the design is load-bearing: without it, the same test fails.
#[test]
fn every_removed_rule_is_noticed() {
    for saboteur in Saboteur::ALL {
        let found = (0..10_000).find(|seed| session(*seed, saboteur).is_err());
        match found {
            Some(seed) => println!("{saboteur:?} is noticed by seed {seed}"),
            None => panic!("{saboteur:?} goes unnoticed in 10,000 sessions"),
        }
    }
}

fn session(seed: u64, saboteur: Saboteur) -> Result<Stats, String> {
    let outcome = std::panic::catch_unwind(|| World::new(Plan::draw(seed), saboteur).run());
    let outcome = outcome.unwrap_or_else(|_| Err("panicked".to_owned()));
    outcome.map_err(|what| {
        format!("{what}\nSIM_SEED={seed} cargo test -p se5-events --test pair -- --nocapture")
    })
}

/// Runs seeds 0 up to `sessions` on every core; stops at the first failure.
fn in_parallel(sessions: u64, run: impl Fn(u64) -> Result<Stats, String> + Sync) -> Stats {
    let next = AtomicU64::new(0);
    let worker = || {
        let mut total = Stats::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= sessions {
                return Ok(total);
            }
            total.add(&run(seed).inspect_err(|_| next.store(sessions, Ordering::Relaxed))?);
        }
    };
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..workers).map(|_| scope.spawn(worker)).collect();
        let mut total = Stats::default();
        for handle in handles {
            let outcome: Result<Stats, String> = handle.join().unwrap();
            total.add(&outcome.unwrap_or_else(|what| panic!("{what}")));
        }
        total
    })
}

fn number_from_env(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
#[ignore = "temporary"]
fn survey() {
    std::panic::set_hook(Box::new(|_| {}));
    let mut kinds: std::collections::BTreeMap<String, (u64, Vec<u64>)> = Default::default();
    let n = number_from_env("SURVEY").unwrap_or(2000);
    for seed in 0..n {
        if let Err(what) = session(seed, Saboteur::None) {
            let key: String = what
                .lines()
                .next()
                .unwrap_or("")
                .chars()
                .filter(|c| !c.is_ascii_digit())
                .take(400)
                .collect();
            let key = if key.contains("is missing") {
                "missing".into()
            } else if key.contains("given twice") {
                "twice".into()
            } else {
                key
            };
            let e = kinds.entry(key).or_default();
            e.0 += 1;
            if e.1.len() < 8 {
                e.1.push(seed);
            }
        }
    }
    for (k, v) in kinds {
        println!("{v:?} {k}");
    }
}

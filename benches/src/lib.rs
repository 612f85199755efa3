//! How every bench here measures: the cases of one [`Group`] do the same work on the same input,
//! take turns in rounds whose order rotates, and are compared round by round.
//!
//! Time is the CPU time of the measuring thread. A ratio is the median over the rounds of *time of
//! the peer in this round* divided by *time of the case in this round*, so whatever slows a whole
//! round cancels out; 2.0 means twice as fast as the peer. Allocations are counted by the global
//! allocator, one call per case. Goals are printed, never enforced.
//!
//! ```no_run
//! use benches::Group;
//!
//! let text = "12345".repeat(100);
//! Group::new("sum of digits")
//!     .bytes(text.len())
//!     .case("fold", || text.bytes().fold(0_u32, |sum, digit| sum + u32::from(digit - b'0')))
//!     .case("chars", || text.chars().filter_map(|c| c.to_digit(10)).sum::<u32>())
//!     .goal("fold", "chars", 1.5)
//!     .run();
//! ```
#![allow(clippy::disallowed_methods)] // measuring time is what this package is for

pub mod process;

use std::alloc::System;
use std::fmt;
use std::hint::black_box;
use std::time::Duration;

use cpu_time::ThreadTime;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const ROUNDS: usize = 61;
/// CPU time of one sample; far above the resolution of the thread clock.
const SAMPLE: Duration = Duration::from_millis(2);

/// Whether figures are wanted: true under `cargo bench`, which passes `--bench`. Without, a bench
/// does just enough to see that it works.
pub fn is_measured() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}

/// What `make` makes, and how many bytes more are allocated afterwards than before.
pub fn held_bytes<T>(make: impl FnOnce() -> T) -> (T, usize) {
    let region = Region::new(ALLOCATOR);
    let value = make();
    let change = region.change();
    let held = change
        .bytes_allocated
        .saturating_sub(change.bytes_deallocated);
    (value, held)
}

/// Cases that do the same work, compared with each other.
pub struct Group<'a> {
    name: String,
    bytes: Option<usize>,
    items: Option<usize>,
    cases: Vec<Case<'a>>,
    goals: Vec<Goal>,
}

struct Case<'a> {
    name: String,
    /// Calls the measured closure that many times.
    repeat: Box<dyn FnMut(u64) + 'a>,
}

struct Goal {
    case: String,
    peer: String,
    at_least: Option<f64>,
}

struct Report {
    name: String,
    bytes: Option<usize>,
    items: Option<usize>,
    rows: Vec<Row>,
    ratios: Vec<Ratio>,
}

struct Row {
    case: String,
    nanos: f64, // CPU time of one call, median over the rounds
    allocations: usize,
}

struct Ratio {
    goal: Goal,
    times: f64, // as fast as the peer, median over the rounds
}

impl<'a> Group<'a> {
    /// A group without cases.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            bytes: None,
            items: None,
            cases: Vec::new(),
            goals: Vec::new(),
        }
    }

    /// Bytes of input a call works through, for the GB/s column.
    #[must_use]
    pub fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = Some(bytes);
        self
    }

    /// Items that a call works through, for the ns/item column.
    #[must_use]
    pub fn items(mut self, items: usize) -> Self {
        self.items = Some(items);
        self
    }

    /// Adds a case; what `call` returns is kept from being optimised away.
    #[must_use]
    pub fn case<R>(mut self, name: impl Into<String>, mut call: impl FnMut() -> R + 'a) -> Self {
        let repeat = move |calls| {
            for _ in 0..calls {
                black_box(call());
            }
        };
        self.cases.push(Case {
            name: name.into(),
            repeat: Box::new(repeat),
        });
        self
    }

    /// Compares `case` with `peer`, aiming at `at_least` times its speed.
    #[must_use]
    pub fn goal(self, case: &str, peer: &str, at_least: f64) -> Self {
        self.compared(case, peer, Some(at_least))
    }

    /// Compares `case` with `peer`, without a goal.
    #[must_use]
    pub fn against(self, case: &str, peer: &str) -> Self {
        self.compared(case, peer, None)
    }

    fn compared(mut self, case: &str, peer: &str, at_least: Option<f64>) -> Self {
        self.goals.push(Goal {
            case: case.to_owned(),
            peer: peer.to_owned(),
            at_least,
        });
        self
    }

    /// Measures and prints the table.
    ///
    /// Unless [`is_measured`], every case runs a few times only.
    ///
    /// # Panics
    ///
    /// When a goal names a case that does not exist.
    pub fn run(self) {
        let report = if is_measured() {
            self.measure(ROUNDS, SAMPLE)
        } else {
            self.measure(1, Duration::ZERO)
        };
        println!("{report}");
    }

    fn measure(mut self, rounds: usize, sample: Duration) -> Report {
        let allocations: Vec<usize> = self.cases.iter_mut().map(Case::allocations).collect();
        let calls: Vec<u64> = self.cases.iter_mut().map(|c| c.calls_in(sample)).collect();
        let mut nanos = vec![Vec::with_capacity(rounds); self.cases.len()];
        for round in 0..rounds {
            for turn in 0..self.cases.len() {
                let index = (round + turn) % self.cases.len();
                nanos[index].push(self.cases[index].nanos_per_call(calls[index]));
            }
        }
        let nanos_of = |name: &str| {
            let mut measured = self.cases.iter().zip(&nanos);
            let found = measured.find(|(case, _)| case.name == name);
            found
                .unwrap_or_else(|| panic!("no case `{name}` in `{}`", self.name))
                .1
        };
        let ratio = |goal: Goal| {
            let pairs = nanos_of(&goal.peer).iter().zip(nanos_of(&goal.case));
            let times = median(pairs.map(|(peer, case)| peer / case));
            Ratio { goal, times }
        };
        let ratios = self.goals.into_iter().map(ratio).collect();
        let rows = self.cases.iter().zip(allocations).zip(&nanos);
        let row = |((case, allocations), nanos): ((&Case<'_>, usize), &Vec<f64>)| Row {
            case: case.name.clone(),
            nanos: median(nanos.iter().copied()),
            allocations,
        };
        Report {
            rows: rows.map(row).collect(),
            ratios,
            name: self.name,
            bytes: self.bytes,
            items: self.items,
        }
    }
}

impl fmt::Debug for Group<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cases: Vec<&str> = self.cases.iter().map(|case| case.name.as_str()).collect();
        f.debug_struct("Group")
            .field("name", &self.name)
            .field("cases", &cases)
            .finish_non_exhaustive()
    }
}

impl Case<'_> {
    fn allocations(&mut self) -> usize {
        (self.repeat)(1); // what is allocated once for all calls does not count
        let region = Region::new(ALLOCATOR);
        (self.repeat)(1);
        let change = region.change();
        change.allocations + change.reallocations
    }

    /// How many calls fill `sample`.
    fn calls_in(&mut self, sample: Duration) -> u64 {
        let mut calls = 1;
        loop {
            let start = ThreadTime::now();
            (self.repeat)(calls);
            if start.elapsed() >= sample {
                return calls;
            }
            calls *= 2;
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    fn nanos_per_call(&mut self, calls: u64) -> f64 {
        let start = ThreadTime::now();
        (self.repeat)(calls);
        start.elapsed().as_secs_f64() * 1e9 / calls as f64
    }
}

impl fmt::Display for Report {
    #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "## {}\n", self.name)?;
        for Ratio { goal, times } in &self.ratios {
            write!(f, "{} is {times:.2}x as fast as {}", goal.case, goal.peer)?;
            match goal.at_least {
                Some(goal) if *times >= goal => writeln!(f, " (goal {goal:.2}x: met)")?,
                Some(goal) => writeln!(f, " (goal {goal:.2}x: MISSED)")?,
                None => writeln!(f)?,
            }
        }
        writeln!(
            f,
            "\n{:<36} {:>12} {:>8} {:>8} {:>7}",
            "case", "ns/call", "ns/item", "GB/s", "allocs"
        )?;
        for row in &self.rows {
            let rate = self.bytes.map_or_else(String::new, |bytes| {
                format!("{:.3}", bytes as f64 / row.nanos)
            });
            let each = self.items.map_or_else(String::new, |items| {
                format!("{:.1}", row.nanos / items as f64)
            });
            let Row {
                case,
                nanos,
                allocations,
            } = row;
            writeln!(
                f,
                "{case:<36} {nanos:>12.1} {each:>8} {rate:>8} {allocations:>7}"
            )?;
        }
        Ok(())
    }
}

/// The value in the middle; NaN if there is none.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allocations_of_one_call_are_counted() {
        let report = Group::new("allocation")
            .case("one", || vec![0_u8; 100])
            .case("none", || [0_u8; 100])
            .against("none", "one")
            .measure(3, Duration::ZERO);
        let counts: Vec<usize> = report.rows.iter().map(|row| row.allocations).collect();
        assert!(counts[0] >= 1 && counts[0] > counts[1], "{counts:?}");
        assert!(report.to_string().contains("none is"), "{report}");
    }
}

//! Virtual time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Things that will happen, in order of time; of the same time, in the order they were put in.
///
/// Taking the next one moves the clock there.
#[derive(Debug)]
pub struct Schedule<E> {
    now: Instant,
    start: Instant,
    taken: u64,
    heap: BinaryHeap<Reverse<Due<E>>>,
}

/// The start of every virtual clock, the same for all of a process: histories can be compared. The one place that reads the real one.
#[expect(
    clippy::disallowed_methods,
    reason = "`Instant` has no other constructor"
)]
pub fn epoch() -> Instant {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    *EPOCH.get_or_init(Instant::now)
}

#[derive(Debug)]
struct Due<E> {
    at: Instant,
    order: u64,
    event: E,
}

impl<E> Schedule<E> {
    /// An empty schedule at `start`.
    pub fn new(start: Instant) -> Self {
        Self {
            now: start,
            start,
            taken: 0,
            heap: BinaryHeap::new(),
        }
    }

    /// Puts in `event` for the time `at`, or for now if that has passed.
    pub fn at(&mut self, at: Instant, event: E) {
        self.taken += 1;
        self.heap.push(Reverse(Due {
            at: at.max(self.now),
            order: self.taken,
            event,
        }));
    }

    /// Puts in `event` for `delay` from now.
    pub fn after(&mut self, delay: Duration, event: E) {
        self.at(self.now + delay, event);
    }

    /// Takes the next thing and moves the clock to its time.
    pub fn take(&mut self) -> Option<E> {
        let Reverse(due) = self.heap.pop()?;
        self.now = due.at;
        Some(due.event)
    }

    /// The time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Time since the start, in milliseconds.
    pub fn elapsed_millis(&self) -> i64 {
        i64::try_from((self.now - self.start).as_millis()).unwrap_or(i64::MAX)
    }
}

impl<E> PartialEq for Due<E> {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}

impl<E> Eq for Due<E> {}

impl<E> PartialOrd for Due<E> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Due<E> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

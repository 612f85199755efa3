//! Double-entry bookkeeping: every emitted event has to arrive, exactly once.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

/// What was emitted and what arrived, by the events' own ids.
///
/// Arrived events are remembered for as long as a second arrival is to be noticed; waiting ones up
/// to a number, beyond which the oldest count as lost.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    waiting: HashMap<String, Instant>,
    order: VecDeque<String>, // of `waiting`, and possibly of some that have arrived since
    early: HashSet<String>,  // arrived before the news of their emission
    arrived: HashSet<String>,
    arrived_order: VecDeque<String>,
    /// Events emitted.
    pub(super) sent: u64,
    /// Events arrived, each counted once.
    pub(super) delivered: u64,
    /// Second arrivals.
    pub(super) doubled: u64,
    lost: u64,
}

impl Ledger {
    /// The field end emitted an event.
    pub(super) fn emitted(&mut self, now: Instant, id: &str) {
        if self.early.remove(id) {
            self.sent += 1;
            return;
        }
        self.sent += 1;
        self.waiting.insert(id.to_owned(), now);
        self.order.push_back(id.to_owned());
        while self.waiting.len() > MAX_HELD {
            let oldest = self.order.pop_front();
            if oldest.is_some_and(|id| self.waiting.remove(&id).is_some()) {
                self.lost += 1;
            }
        }
        while self
            .order
            .front()
            .is_some_and(|id| !self.waiting.contains_key(id))
        {
            self.order.pop_front();
        }
    }

    /// The collecting end's application got an event.
    pub(super) fn arrived(&mut self, id: &str) {
        if !self.arrived.insert(id.to_owned()) {
            self.doubled += 1;
            return;
        }
        self.arrived_order.push_back(id.to_owned());
        if self.arrived_order.len() > MAX_HELD {
            let oldest = self.arrived_order.pop_front();
            oldest.inspect(|id| {
                self.arrived.remove(id);
                self.early.remove(id);
            });
        }
        self.delivered += 1;
        if self.waiting.remove(id).is_none() {
            self.early.insert(id.to_owned());
        }
    }

    /// Counts what has waited longer than `patience` as lost. It may still arrive.
    pub(super) fn lost(&self, now: Instant, patience: Duration) -> u64 {
        let is_late = |since: &&Instant| now.saturating_duration_since(**since) > patience;
        let late = self.waiting.values().filter(is_late).count();
        self.lost + late as u64
    }

    /// True if everything emitted has arrived.
    pub(super) fn is_settled(&self) -> bool {
        self.waiting.is_empty()
    }
}

/// Most events waited for, and most remembered as arrived.
const MAX_HELD: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_that_arrives_twice_is_doubled_not_delivered_twice() {
        let mut ledger = Ledger::default();
        ledger.emitted(Instant::now(), "a");
        ledger.arrived("a");
        ledger.arrived("a");
        assert_eq!((ledger.delivered, ledger.doubled), (1, 1));
        assert!(ledger.is_settled());
    }

    #[test]
    fn event_that_overtakes_the_news_of_it_is_settled() {
        let mut ledger = Ledger::default();
        ledger.arrived("a");
        ledger.emitted(Instant::now(), "a");
        assert!(ledger.is_settled());
        assert_eq!((ledger.sent, ledger.delivered), (1, 1));
    }

    #[test]
    fn event_that_waits_too_long_is_lost_until_it_arrives() {
        let (mut ledger, now) = (Ledger::default(), Instant::now());
        ledger.emitted(now, "a");
        let later = now + Duration::from_secs(9);
        assert_eq!(ledger.lost(later, Duration::from_secs(10)), 0);
        assert_eq!(ledger.lost(later, Duration::from_secs(5)), 1);
        ledger.arrived("a");
        assert_eq!(ledger.lost(later, Duration::from_secs(5)), 0);
    }
}

//! What the store has been asked for and has not answered.

use super::backoff::Backoff;
use super::{DeliveryId, LinkConfig, Seq};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Requests to the store, each with the deliveries that are acknowledged once it is carried out.
///
/// A request that failed is asked for again. Others may overtake it meanwhile, so records must mean
/// the same in any order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Journal<Op> {
    pending: BTreeMap<Seq, Pending<Op>>,
    failed: BTreeSet<Seq>,
    retry_at: Option<Instant>,
    trouble_since: Option<Instant>,
    waiting: usize, // deliveries
    owes_hangup: bool,
    backoff: Backoff,
    give_up: Duration,
    max_unstored: usize,
    asked: u64,
}

#[derive(Debug, Clone, PartialEq)]
struct Pending<Op> {
    op: Op,
    deliveries: Vec<DeliveryId>,
}

/// A request that was carried out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Done<Op> {
    /// What it was.
    pub(crate) op: Op,
    /// What may be acknowledged now.
    pub(crate) deliveries: Vec<DeliveryId>,
}

/// A journal at one moment, but for the chance in its delays: two that are equal go on alike.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct JournalSnapshot<S> {
    pending: Vec<(S, Vec<DeliveryId>, bool)>, // in order, and whether it failed
    retry_in: Option<Duration>,
    trouble_for: Option<Duration>,
    delay: Duration, // the next one
    owes_hangup: bool,
}

impl<Op: Clone> Journal<Op> {
    pub(crate) fn new(config: &LinkConfig, seed: u64) -> Self {
        Self {
            pending: BTreeMap::new(),
            failed: BTreeSet::new(),
            retry_at: None,
            trouble_since: None,
            waiting: 0,
            owes_hangup: false,
            backoff: Backoff::new(config.store_retry_min, config.store_retry_max, seed),
            give_up: config.store_give_up,
            max_unstored: config.max_unstored.max(1), // or nothing would ever be accepted
            asked: 0,
        }
    }

    /// Notes a request; the caller sends it.
    pub(crate) fn ask(&mut self, op: Op) -> Seq {
        self.asked = self.asked.saturating_add(1);
        let seq = Seq(self.asked);
        let pending = Pending {
            op,
            deliveries: Vec::new(),
        };
        self.pending.insert(seq, pending);
        seq
    }

    /// True if one more delivery may wait. If not, the connection will have to be hung up once the
    /// store answers again, so that the broker delivers it anew.
    //= docs/spec/analyst-proto.md#link
    //# A machine MUST leave a delivery unacknowledged while `max_unstored` wait for the store, and on
    //# an ordinary broker hang up once the store has answered, so that it is delivered again.
    pub(crate) fn has_room(&mut self) -> bool {
        let has_room = self.waiting < self.max_unstored;
        self.owes_hangup |= !has_room;
        has_room
    }

    /// Lets a delivery wait for a request. False if the request is not pending any more, so that
    /// nothing need be waited for.
    pub(crate) fn wait(&mut self, seq: Seq, delivery: DeliveryId) -> bool {
        let Some(pending) = self.pending.get_mut(&seq) else {
            return false;
        };
        pending.deliveries.push(delivery);
        self.waiting = self.waiting.saturating_add(1);
        true
    }

    /// The request need not be carried out any more. What waited for it waits for another one.
    pub(crate) fn replace(&mut self, old: Seq, new: Seq) {
        let Some(old) = self.take(old) else {
            return;
        };
        if let Some(new) = self.pending.get_mut(&new) {
            new.deliveries.extend(old.deliveries);
        }
    }

    /// `None` if nothing is known of it.
    pub(crate) fn stored(&mut self, seq: Seq) -> Option<Done<Op>> {
        let Pending { op, deliveries } = self.take(seq)?;
        self.waiting = self.waiting.saturating_sub(deliveries.len());
        self.backoff.reset();
        self.trouble_since = None;
        Some(Done { op, deliveries })
    }

    fn take(&mut self, seq: Seq) -> Option<Pending<Op>> {
        self.failed.remove(&seq);
        if self.failed.is_empty() {
            self.retry_at = None;
        }
        self.pending.remove(&seq)
    }

    /// True if this is the first failure since the store last did something.
    pub(crate) fn failed(&mut self, now: Instant, seq: Seq) -> bool {
        if !self.pending.contains_key(&seq) {
            return false;
        }
        self.failed.insert(seq);
        if self.retry_at.is_none() {
            self.retry_at = now.checked_add(self.backoff.next());
        }
        let is_first = self.trouble_since.is_none();
        self.trouble_since = self.trouble_since.or(Some(now));
        is_first
    }

    /// What is to be asked for again at `now`.
    //= docs/spec/analyst-proto.md#link
    //# A machine MUST ask its store again for what it has not done, after a delay that doubles with
    //# each failure up to `store_retry_max`.
    pub(crate) fn retry(&mut self, now: Instant) -> Vec<(Seq, Op)> {
        if self.retry_at.is_none_or(|at| now < at) {
            return Vec::new();
        }
        self.retry_at = None;
        std::mem::take(&mut self.failed)
            .into_iter()
            .filter_map(|seq| Some((seq, self.pending.get(&seq)?.op.clone())))
            .collect()
    }

    /// True if the store has failed for too long.
    //= docs/spec/analyst-proto.md#link
    //# A machine MUST end when its store has failed for `store_give_up`.
    pub(crate) fn is_hopeless(&self, now: Instant) -> bool {
        self.hopeless_at().is_some_and(|at| at <= now)
    }

    fn hopeless_at(&self) -> Option<Instant> {
        self.trouble_since?.checked_add(self.give_up)
    }

    pub(crate) fn due(&self) -> Option<Instant> {
        self.retry_at.into_iter().chain(self.hopeless_at()).min()
    }

    /// True once, if a delivery was turned away and the store has answered since.
    pub(crate) fn take_hangup(&mut self) -> bool {
        let owes = self.owes_hangup && self.waiting < self.max_unstored;
        self.owes_hangup &= !owes;
        owes
    }

    /// The connection is gone, and with it whatever was to be acknowledged over it.
    pub(crate) fn disconnected(&mut self) {
        for pending in self.pending.values_mut() {
            pending.deliveries.clear();
        }
        self.waiting = 0;
        self.owes_hangup = false;
    }

    /// What it is at `now`, with times relative to that; `describe` says what there is to know of a
    /// request.
    pub(crate) fn snapshot<S>(
        &self,
        now: Instant,
        describe: impl Fn(&Op) -> S,
    ) -> JournalSnapshot<S> {
        let pending = self.pending.iter().map(|(seq, pending)| {
            let has_failed = self.failed.contains(seq);
            (
                describe(&pending.op),
                pending.deliveries.clone(),
                has_failed,
            )
        });
        let until = |at: Instant| at.saturating_duration_since(now);
        let since = |at: Instant| now.saturating_duration_since(at);
        JournalSnapshot {
            pending: pending.collect(),
            retry_in: self.retry_at.map(until),
            trouble_for: self.trouble_since.map(since),
            delay: self.backoff.base(),
            owes_hangup: self.owes_hangup,
        }
    }

    /// What a request is for, if it is not carried out yet.
    pub(crate) fn op(&self, seq: Seq) -> Option<&Op> {
        Some(&self.pending.get(&seq)?.op)
    }

    /// True if the request is not carried out yet.
    pub(crate) fn is_pending(&self, seq: Seq) -> bool {
        self.pending.contains_key(&seq)
    }

    /// Which of the requests that are not carried out this is.
    pub(crate) fn position(&self, seq: Seq) -> Option<usize> {
        self.pending.keys().position(|&pending| pending == seq)
    }
}

//! Records on their way into the store, and what the store answers.

use super::ledger::Pending;
use super::{Device, Durability, Event, LossReason, Op, OpId, Seq};
use crate::Item;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A record that is only here.
#[derive(Debug)]
pub(super) struct Unstored {
    pub(super) seq: Seq,
    pub(super) item: Arc<Item>,
    pub(super) append: Option<OpId>, // none if it has not been asked for
    pub(super) lazy_until: Option<Instant>, // when it is asked for, if it may wait
    pub(super) was_refused: bool,    // the disk was full once
}

/// How long to leave a store alone that had no room.
const STORE_RETRY: Duration = Duration::from_secs(1);

impl Device {
    pub(super) fn take_in(&mut self, now: Instant, seq: Seq, item: Arc<Item>) {
        self.unstored.push_back(Unstored {
            seq,
            item,
            append: None,
            lazy_until: None,
            was_refused: false,
        });
        match self.config.durability {
            //= docs/spec/face-record-push.md#delivery
            //# The terminal MUST NOT ask the store to keep a record that is acknowledged within the time of `Lazy` unless it closes or half of `max_unstored` wait.
            Durability::Lazy(time) => {
                // A clock that does not reach that far is no reason to keep nothing.
                let until = now.checked_add(time).filter(|until| *until > now);
                if let Some(unstored) = self.unstored.back_mut() {
                    unstored.lazy_until = until;
                }
                let is_crowded = self.unstored.len().saturating_mul(2) >= self.config.max_unstored;
                if is_crowded || until.is_none() {
                    self.append_all_lazy();
                }
            }
            Durability::BeforeSend | Durability::Concurrent => self.append_all_lazy(),
        }
    }

    pub(super) fn lazy_due(&self) -> Option<Instant> {
        self.unstored
            .iter()
            .find_map(|unstored| unstored.lazy_until)
    }

    pub(super) fn append_lazy(&mut self, now: Instant) {
        if self.lazy_due().is_some_and(|at| at <= now) {
            self.append_where(|unstored| unstored.lazy_until.is_some_and(|at| at <= now));
        }
    }

    /// Asks the store to keep every record that it has not been asked to keep.
    pub(super) fn append_all_lazy(&mut self) {
        self.append_where(|unstored| unstored.append.is_none());
    }

    fn append_where(&mut self, is_due: impl Fn(&Unstored) -> bool) {
        for unstored in self.unstored.iter_mut().filter(|unstored| is_due(unstored)) {
            let op = self.ledger.open(Pending::Append(unstored.seq));
            unstored.append = Some(op);
            unstored.lazy_until = None;
            let (seq, item) = (unstored.seq, unstored.item.clone());
            self.out
                .push_back(super::Output::Store(op, Op::Append { seq, item }));
        }
    }

    pub(super) fn is_kept(&self, seq: Seq) -> bool {
        self.unstored_at(seq).is_none()
    }

    pub(super) fn unstored_item(&self, seq: Seq) -> Option<&Arc<Item>> {
        let unstored = self.unstored_at(seq).and_then(|at| self.unstored.get(at));
        unstored.map(|unstored| &unstored.item)
    }

    /// Lets go of a record that need not be kept any more; `None` if it is kept or unknown.
    pub(super) fn forget_unstored(&mut self, seq: Seq) -> Option<Unstored> {
        self.unstored.remove(self.unstored_at(seq)?)
    }

    fn unstored_at(&self, seq: Seq) -> Option<usize> {
        self.unstored
            .binary_search_by_key(&seq, |unstored| unstored.seq)
            .ok()
    }

    pub(super) fn stored(&mut self, now: Instant, op: OpId) {
        let is_write = |pending: &Pending| !matches!(pending, Pending::Load(_));
        match self.ledger.close_if(op, is_write) {
            Some(Pending::Append(seq)) => self.kept(seq),
            Some(Pending::Advance(count)) => {
                self.unadvanced = self.unadvanced.saturating_sub(count);
            }
            Some(Pending::Drop(loss)) => self.note_loss(now, loss),
            Some(Pending::Strip(pictures)) => self.stripped(&pictures),
            Some(Pending::Bury(seq)) => self.buried(seq),
            Some(Pending::Configure) => self.configured(),
            Some(Pending::Load(_)) | None => {}
        }
    }

    fn kept(&mut self, seq: Seq) {
        let Some(unstored) = self.forget_unstored(seq) else {
            return; // acknowledged or lost meanwhile
        };
        self.say(Event::Kept(seq));
        self.hold(seq, unstored.item);
    }

    /// The store had no room for a request.
    pub(super) fn no_room(&mut self, now: Instant, op: OpId) {
        match self.ledger.close_if(op, |_| true) {
            Some(Pending::Append(seq)) => self.not_kept(op, seq),
            Some(Pending::Load(_)) => self.wait_to_fetch(now, STORE_RETRY),
            Some(Pending::Advance(count)) => {
                self.owed_advance = self.owed_advance.saturating_add(count);
                self.retry_store(now);
            }
            Some(Pending::Drop(loss)) => {
                self.owed_drops.push(loss);
                self.retry_store(now);
            }
            Some(Pending::Strip(pictures)) => self.unstrip(&pictures),
            // The platform goes on refusing it, and then it is tried again.
            Some(Pending::Bury(_)) => {
                self.sending.is_burying = false;
                self.keep_within_limits();
            }
            Some(Pending::Configure) => self.not_configured(),
            None => {}
        }
    }

    fn not_kept(&mut self, op: OpId, seq: Seq) {
        let Some(at) = self.unstored_at(seq) else {
            return;
        };
        let Some(unstored) = self.unstored.get_mut(at) else {
            return;
        };
        unstored.append = None;
        let is_first = !std::mem::replace(&mut unstored.was_refused, true);
        if is_first {
            // What was freed after this request went out has not helped it yet.
            let has_helped = self.last_freed.is_some_and(|freed| freed > op);
            //= docs/spec/face-record-push.md#overflow
            //# When the disk is full, the terminal MUST make room once as its overflow policy says and try again before it reports the record as lost.
            if has_helped || self.free_disk() {
                self.append_where(|unstored| unstored.seq == seq);
                return;
            }
        }
        // While it is being posted it may still arrive.
        if !self.is_pinned(seq) {
            self.lose(seq, LossReason::StoreFull);
        }
    }

    fn retry_store(&mut self, now: Instant) {
        let at = now.checked_add(STORE_RETRY);
        self.retry_store_at = self.retry_store_at.or(at);
    }

    /// Tells the store how far acknowledgements have come.
    pub(super) fn ask_to_advance(&mut self) {
        let is_blocked = self.retry_store_at.is_some()
            || self.owed_drops.iter().any(|loss| loss.from <= self.acked_upto)
            // It would sweep away what the drop has to count, should that fail.
            || self.ledger.drops_upto(self.acked_upto);
        //= docs/spec/face-record-push.md#delivery
        //# The terminal MUST NOT advance over a record that is neither acknowledged nor lost nor set aside.
        if self.owed_advance > 0 && !is_blocked {
            let count = std::mem::take(&mut self.owed_advance);
            let upto = self.acked_upto;
            self.ask_store(Pending::Advance(count), Op::Advance { upto });
        }
    }
}

//! From a push to its acknowledgement, by way of the store.

use super::budget::Share;
use super::freshness::Times;
use super::journal::{Identity, Pending, What};
use super::{
    Entry, Event, Freshness, Novelty, Op, Output, Platform, Quarantined, Seq, Source, StoreError,
};
use crate::{ExchangeId, LegacyPass, Push, Reply, SerialNumber, StoredToken};
use std::sync::Arc;
use std::time::Instant;

/// What an exchange brought.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) identity: Identity,
    pub(super) push: Push,
}

/// An exchange that is answered when the store has answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiter {
    pub(super) id: ExchangeId,
    pub(super) times: Times,
    /// When its body came.
    pub(super) since: Instant,
    /// What the terminal decided about its door.
    pub(super) pass: Option<bool>,
}

impl Platform {
    /// Hands a push to the store.
    pub(super) fn keep_push(&mut self, waiter: Waiter, body: Body, share: Share) -> Seq {
        let entry = self.entry(waiter.times, body.push, &body.identity, Source::Pushed);
        self.out.push_back(Output::Store(Op::Keep(entry.clone())));
        let what = What::Push(Arc::new(entry));
        self.hand_over(what, body.identity, Some(waiter), share)
    }

    /// Hands an imported record to the store. The store alone decides whether it is known: were it
    /// to wait for an entry under way that fails, nobody would bring it again.
    pub(super) fn keep_import(&mut self, times: Times, body: Body, share: Share) -> Seq {
        let entry = self.entry(times, body.push, &body.identity, Source::Imported);
        self.out.push_back(Output::Store(Op::Keep(entry.clone())));
        let what = What::Import(Arc::new(entry));
        self.hand_over(what, body.identity, None, share)
    }

    /// Hands a body that could not be taken for a push to the store.
    pub(super) fn keep_quarantined(
        &mut self,
        waiter: Waiter,
        mut body: Quarantined,
        identity: Identity,
        share: Share,
    ) -> Seq {
        body.seq = self.journal.take_number();
        let op = Op::Quarantine(body.clone());
        self.out.push_back(Output::Store(op));
        let what = What::Quarantine(Arc::new(body));
        self.hand_over(what, identity, Some(waiter), share)
    }

    /// The store has answered; what follows from it is told once all before it are answered.
    pub(super) fn answered(&mut self, now: Instant, seq: Seq, answer: Result<Novelty, StoreError>) {
        self.journal.answer(seq, answer);
        //= docs/spec/face-record-push.md#acknowledgement
        //# The pushes of one terminal MUST be kept, reported and acknowledged in the same order.
        while let Some((mut pending, answer)) = self.journal.settled() {
            self.budget.release(std::mem::take(&mut pending.share));
            match answer {
                Ok(novelty) => self.kept(now, &pending, novelty),
                Err(error) => self.not_kept(&pending, error),
            }
            if let What::Push(entry) = pending.what {
                self.free_place(now, &entry.serial);
            }
        }
    }

    /// Says that what an exchange brought is kept.
    pub(super) fn acknowledge(&mut self, now: Instant, waiter: &Waiter) {
        let pass = self.legacy_pass(now, waiter);
        //= docs/spec/face-record-push.md#acknowledgement
        //# An acknowledgement MUST only be made from a proof that the push is kept.
        self.finish(waiter.id, Reply::accepted(StoredToken::stored(), pass));
    }

    fn entry(&mut self, times: Times, push: Push, identity: &Identity, source: Source) -> Entry {
        Entry {
            seq: self.journal.take_number(),
            serial: identity.serial.clone(),
            key: identity.key,
            received: times.received,
            //= docs/spec/face-record-push.md#freshness
            //# Freshness MUST be judged once, when the push came.
            freshness: times.freshness(&self.config),
            source,
            push,
        }
    }

    fn hand_over(
        &mut self,
        what: What,
        identity: Identity,
        waiter: Option<Waiter>,
        share: Share,
    ) -> Seq {
        let seq = what.seq();
        let pending = Pending {
            what,
            identity,
            waiting: waiter
                .map(|waiter| (waiter.id, waiter))
                .into_iter()
                .collect(),
            owner: waiter.map(|waiter| waiter.id),
            share,
            answer: None,
        };
        self.journal.insert(seq, pending);
        seq
    }

    fn kept(&mut self, now: Instant, pending: &Pending, novelty: Novelty) {
        let identity = &pending.identity;
        if !identity.is_quarantined {
            self.keys.insert(&identity.serial, identity.key);
        }
        let is_new = novelty == Novelty::New;
        let repetitions = u64::try_from(pending.repetitions()).unwrap_or(u64::MAX);
        let counters = &mut self.counters;
        counters.remembered = counters.remembered.saturating_add(repetitions);
        let known = repetitions.saturating_add(u64::from(!is_new));
        counters.known = counters.known.saturating_add(known);
        if is_new {
            let is_import = matches!(pending.what, What::Import(_));
            counters.imported = counters.imported.saturating_add(u64::from(is_import));
            let kind = match pending.what {
                What::Push(_) | What::Import(_) => &mut counters.kept,
                What::Quarantine(_) => &mut counters.quarantined,
            };
            *kind = kind.saturating_add(1);
        }
        //= docs/spec/face-record-push.md#acknowledgement
        //# The receiver MUST NOT acknowledge a push before it is kept.
        for waiter in pending.waiting.values() {
            self.acknowledge(now, waiter);
        }
        //= docs/spec/face-record-push.md#duplicates
        //# A known push MUST be acknowledged and not be reported again.
        if is_new {
            //= docs/spec/face-record-push.md#duplicates
            //# A new entry MUST be reported once.
            self.tell(match &pending.what {
                What::Push(entry) | What::Import(entry) => Event::Kept(Arc::clone(entry)),
                What::Quarantine(body) => Event::Quarantined(Arc::clone(body)),
            });
        }
    }

    fn not_kept(&mut self, pending: &Pending, error: StoreError) {
        for id in pending.waiting.keys() {
            let failed = &mut self.counters.store_failed;
            *failed = failed.saturating_add(1);
            //= docs/spec/face-record-push.md#acknowledgement
            //# A push that the store fails to keep MUST be answered with status 503.
            self.defer(*id);
        }
        self.tell(Event::StoreFailed(error));
    }

    /// Lets the next push of a terminal to the store. One that turns out to be known, or the same
    /// as what is under way, needs no place and lets the one after it.
    fn free_place(&mut self, now: Instant, serial: &SerialNumber) {
        while let Some(next) = self.journal.next_at_place(serial) {
            self.leave_queue(now, next);
            if self.journal.is_place_taken(serial) {
                return;
            }
        }
    }

    /// What a terminal of profile 1.0 is told about its door. The time at the store counts: what was
    /// live when it came must open nothing a minute later.
    fn legacy_pass(&self, now: Instant, waiter: &Waiter) -> Option<bool> {
        match self.config.legacy_pass {
            LegacyPass::Omit => None,
            LegacyPass::Deny => Some(false),
            LegacyPass::Echo => {
                let held = now.saturating_duration_since(waiter.since);
                let freshness = waiter.times.freshness_after(&self.config, held);
                //= docs/spec/face-record-push.md#reply
                //# The receiver MUST NOT reply `pass` true to a record that is not live.
                Some(freshness == Freshness::Live && waiter.pass == Some(true))
            }
        }
    }
}

impl What {
    fn seq(&self) -> Seq {
        match self {
            Self::Push(entry) | Self::Import(entry) => entry.seq,
            Self::Quarantine(body) => body.seq,
        }
    }
}

//! What the store has in hands, and in which order it is told.

use super::budget::Share;
use super::keep::Waiter;
use super::{Entry, Novelty, Quarantined, Seq, StoreError};
use crate::{ExchangeId, RecordKey, SerialNumber};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Entries between `Store` and its answer.
///
/// A store may answer in any order. What follows from its answers is told in the order of the
/// numbers, over all terminals: only so can an application that has seen entry 7 say that it has
/// dealt with all up to 7, and lose nothing when it reads on from there after a crash.
#[derive(Debug)]
pub(super) struct Journal {
    next: Seq,
    pending: BTreeMap<Seq, Pending>,
    under_way: BTreeMap<Identity, Seq>,
    /// Terminals that have a push in the store's hands, or are about to.
    places: BTreeMap<SerialNumber, Place>,
    queued: usize,
    importing: usize,
}

/// What makes two entries the same. A body in quarantine is never the same as one that was read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Identity {
    pub(super) is_quarantined: bool,
    pub(super) serial: SerialNumber,
    pub(super) key: RecordKey,
}

/// An entry in the store's hands.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) what: What,
    pub(super) identity: Identity,
    /// Who waits for it.
    pub(super) waiting: BTreeMap<ExchangeId, Waiter>,
    /// Who brought it; the others repeated it.
    pub(super) owner: Option<ExchangeId>,
    /// The memory of its body, also after its exchange has gone.
    pub(super) share: Share,
    pub(super) answer: Option<Result<Novelty, StoreError>>,
}

#[derive(Debug)]
pub(super) enum What {
    Push(Arc<Entry>),
    Import(Arc<Entry>),
    Quarantine(Arc<Quarantined>),
}

/// The place of one terminal at the store: one push is in it, the others wait with their bodies.
#[derive(Debug, Default)]
struct Place {
    is_taken: bool,
    waiting: VecDeque<ExchangeId>,
}

impl Journal {
    pub(super) fn new(next: Seq) -> Self {
        Self {
            next,
            pending: BTreeMap::new(),
            under_way: BTreeMap::new(),
            places: BTreeMap::new(),
            queued: 0,
            importing: 0,
        }
    }

    /// What the store has not answered is awaited no longer.
    pub(super) fn forget_all(&mut self) {
        *self = Self::new(self.next);
    }

    //= docs/spec/face-record-push.md#duplicates
    //# The number of an entry MUST be higher than that of all entries before it, whichever terminal
    //# they came from.
    pub(super) fn take_number(&mut self) -> Seq {
        let seq = self.next;
        self.next = Seq(seq.0.saturating_add(1));
        seq
    }

    /// True if the store owes no answer.
    pub(super) fn is_idle(&self) -> bool {
        self.pending.is_empty()
    }

    pub(super) fn importing(&self) -> usize {
        self.importing
    }

    /// How many wait with their bodies.
    pub(super) fn queued(&self) -> usize {
        self.queued
    }

    /// Waits with its body for its terminal's place. The one that has waited longest is returned
    /// if more than `max` wait.
    pub(super) fn queue(
        &mut self,
        serial: &SerialNumber,
        id: ExchangeId,
        max: usize,
    ) -> Option<ExchangeId> {
        let place = self.places.entry(serial.clone()).or_default();
        place.waiting.push_back(id);
        self.queued = self.queued.saturating_add(1);
        let oldest = place.waiting.front().copied();
        oldest.filter(|_| place.waiting.len() > max)
    }

    /// Waits no longer.
    pub(super) fn unqueue(&mut self, serial: &SerialNumber, id: ExchangeId) {
        let Some(place) = self.places.get_mut(serial) else {
            return;
        };
        if let Some(at) = place.waiting.iter().position(|waiting| *waiting == id) {
            place.waiting.remove(at);
            self.queued = self.queued.saturating_sub(1);
        }
    }

    /// Waits for an entry that the store has in hands already, if there is one.
    pub(super) fn join(&mut self, identity: &Identity, waiter: Waiter) -> Option<Seq> {
        let seq = *self.under_way.get(identity)?;
        let pending = self.pending.get_mut(&seq)?;
        pending.waiting.insert(waiter.id, waiter);
        Some(seq)
    }

    /// Waits for it no longer; the store goes on.
    pub(super) fn part(&mut self, seq: Seq, id: ExchangeId) {
        if let Some(pending) = self.pending.get_mut(&seq) {
            pending.waiting.remove(&id);
        }
    }

    //= docs/spec/face-record-push.md#fairness
    //# The receiver MUST NOT have more than one push of a terminal in the store's hands at a time.
    pub(super) fn is_place_taken(&self, serial: &SerialNumber) -> bool {
        self.places.get(serial).is_some_and(|place| place.is_taken)
    }

    /// The place is free again; who has waited for it longest is next.
    pub(super) fn next_at_place(&mut self, serial: &SerialNumber) -> Option<ExchangeId> {
        let place = self.places.get_mut(serial)?;
        place.is_taken = false;
        let next = place.waiting.pop_front();
        match next {
            Some(_) => self.queued = self.queued.saturating_sub(1),
            None => drop(self.places.remove(serial)),
        }
        next
    }

    /// The store has got an entry in hands.
    pub(super) fn insert(&mut self, seq: Seq, pending: Pending) {
        match &pending.what {
            What::Push(entry) => {
                let place = self.places.entry(entry.serial.clone()).or_default();
                place.is_taken = true;
            }
            What::Import(_) => self.importing = self.importing.saturating_add(1),
            What::Quarantine(_) => {}
        }
        let identity = pending.identity.clone();
        self.under_way.entry(identity).or_insert(seq);
        self.pending.insert(seq, pending);
    }

    /// The store has answered. Only its first answer counts.
    pub(super) fn answer(&mut self, seq: Seq, answer: Result<Novelty, StoreError>) {
        if let Some(pending) = self.pending.get_mut(&seq) {
            pending.answer = pending.answer.or(Some(answer));
        }
    }

    /// The first entry, once the store has answered it.
    pub(super) fn settled(&mut self) -> Option<(Pending, Result<Novelty, StoreError>)> {
        let first = self.pending.first_entry()?;
        let answer = first.get().answer?;
        let (seq, pending) = first.remove_entry();
        if self.under_way.get(&pending.identity) == Some(&seq) {
            self.under_way.remove(&pending.identity);
        }
        if matches!(pending.what, What::Import(_)) {
            self.importing = self.importing.saturating_sub(1);
        }
        Some((pending, answer))
    }
}

impl Pending {
    /// How many who wait only repeated it.
    pub(super) fn repetitions(&self) -> usize {
        let owner = self.owner.filter(|owner| self.waiting.contains_key(owner));
        self.waiting
            .len()
            .saturating_sub(usize::from(owner.is_some()))
    }
}

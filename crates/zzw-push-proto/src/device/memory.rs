//! Which deliveries have come before.

use super::{Recovered, Seq};
use crate::wire::{Delivery, Mid, Text};
use std::collections::{HashMap, VecDeque};

/// The last deliveries by their ids, and those on their way into the store.
#[derive(Debug)]
pub(super) struct Memory {
    marks: HashMap<Text, Mark>,
    order: VecDeque<Text>, // the ids of `marks`, oldest first
    capacity: usize,
    storing: VecDeque<(Seq, Delivery)>,
    next_seq: Seq,
}

/// How far a delivery has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// Not to be acknowledged yet.
    Open,
    /// To be acknowledged whenever it comes.
    Acked,
}

impl Memory {
    pub(super) fn new(capacity: usize, recovered: Recovered) -> Self {
        let mut memory = Self {
            marks: HashMap::new(),
            order: VecDeque::new(),
            capacity,
            storing: VecDeque::new(),
            next_seq: recovered.next_seq,
        };
        //= docs/spec/zzw-push-proto.md#device-delivery
        //# The device MUST NOT report a delivery again that its store held when it was opened.
        for mid in recovered.mids {
            memory.remember(&mid, Mark::Acked);
        }
        memory
    }

    pub(super) fn mark(&self, mid: &Mid) -> Option<Mark> {
        let is_storing = || self.storing.iter().any(|(_, stored)| stored.mid == *mid);
        let mark = self.marks.get(mid.as_str()).copied();
        mark.or_else(|| is_storing().then_some(Mark::Open))
    }

    pub(super) fn remember(&mut self, mid: &Mid, mark: Mark) {
        if let Some(known) = self.marks.get_mut(mid.as_str()) {
            *known = mark;
            return;
        }
        // Of its own bytes: an id does not hold on to the message it came in.
        //= docs/spec/zzw-push-proto.md#device-delivery
        //# The device MUST NOT hold a message any longer than until it is reported and stored.
        let id: Text = mid.as_str().into();
        self.marks.insert(id.clone(), mark);
        self.order.push_back(id);
        if self.order.len() > self.capacity {
            if let Some(oldest) = self.order.pop_front() {
                self.marks.remove(&oldest);
            }
        }
    }

    fn forget(&mut self, mid: &Mid) {
        if self.marks.remove(mid.as_str()).is_some() {
            self.order.retain(|id| **id != *mid.as_str());
        }
    }

    pub(super) fn storing(&self) -> usize {
        self.storing.len()
    }

    /// Gives a delivery that goes into the store its number.
    pub(super) fn store(&mut self, delivery: Delivery) -> Seq {
        let seq = self.next_seq;
        self.next_seq = seq.next();
        self.remember(&delivery.mid, Mark::Open);
        self.storing.push_back((seq, delivery));
        seq
    }

    /// The store has it.
    pub(super) fn stored(&mut self, seq: Seq) -> Option<Delivery> {
        let delivery = self.take(seq)?;
        self.remember(&delivery.mid, Mark::Acked);
        Some(delivery)
    }

    /// The store has it not: when it comes again it is new.
    pub(super) fn not_stored(&mut self, seq: Seq) -> Option<Mid> {
        let delivery = self.take(seq)?;
        //= docs/spec/zzw-push-proto.md#device-delivery
        //# The device MUST take a delivery that its store has refused for a new one when it comes
        //# again.
        self.forget(&delivery.mid);
        Some(delivery.mid)
    }

    fn take(&mut self, seq: Seq) -> Option<Delivery> {
        let at = self.storing.iter().position(|(known, _)| *known == seq)?;
        self.storing.remove(at).map(|(_, delivery)| delivery)
    }

    pub(super) fn clear(&mut self) {
        self.storing.clear();
    }
}

//! How many bytes of bodies may be in memory.

use crate::ExchangeId;
use std::collections::BTreeMap;

/// The bytes reserved for bodies, and the one slot for a body beyond the usual.
///
/// A share is reserved whole before a body is read, so nobody holds half of what he needs. What is
/// waited for comes in one order: share, slot, the terminal's place at the store, the store; whoever
/// waits for one of them holds none of the later ones. So whoever holds the last is never kept from
/// finishing, and nobody waits in a circle.
#[derive(Debug)]
pub(super) struct Budget {
    limit: u64,
    slot_bytes: u64,
    used: u64,
    is_slot_taken: bool,
    asking: BTreeMap<Ticket, ExchangeId>,
    next_ticket: Ticket,
}

/// What one body holds. Given back by [`Budget::release`], and by nothing else.
#[derive(Debug, Default)]
pub(super) struct Share {
    bytes: u64,
    has_slot: bool,
}

/// A place among those who want the slot.
pub(super) type Ticket = u64;

/// What the smallest body counts, in bytes: the request around it is in memory, too.
pub(super) const MIN_SHARE: u64 = 4 << 10;

impl Budget {
    pub(super) fn new(limit: u64, slot_bytes: u64) -> Self {
        Self {
            limit,
            slot_bytes,
            used: 0,
            is_slot_taken: false,
            asking: BTreeMap::new(),
            next_ticket: 0,
        }
    }

    /// All of `bytes` or nothing.
    pub(super) fn reserve(&mut self, bytes: u64) -> Option<Share> {
        let bytes = bytes.max(MIN_SHARE);
        let used = self.used.checked_add(bytes)?;
        (used <= self.limit).then(|| {
            self.used = used;
            Share {
                bytes,
                has_slot: false,
            }
        })
    }

    /// Gives back what a share holds beyond `bytes`.
    pub(super) fn trim(&mut self, share: &mut Share, bytes: u64) {
        let kept = share.bytes.min(bytes.max(MIN_SHARE));
        self.used = self.used.saturating_sub(share.bytes.saturating_sub(kept));
        share.bytes = kept;
    }

    #[expect(clippy::needless_pass_by_value, reason = "given back once")]
    pub(super) fn release(&mut self, share: Share) {
        self.used = self.used.saturating_sub(share.bytes);
        if share.has_slot {
            self.is_slot_taken = false;
        }
    }

    /// Gets in line for the slot.
    pub(super) fn ask_slot(&mut self, id: ExchangeId) -> Ticket {
        let ticket = self.next_ticket;
        self.next_ticket = ticket.saturating_add(1);
        self.asking.insert(ticket, id);
        ticket
    }

    /// Gets out of the line.
    pub(super) fn withdraw(&mut self, ticket: Ticket) {
        self.asking.remove(&ticket);
    }

    /// Who gets the slot now.
    pub(super) fn next_for_slot(&self) -> Option<ExchangeId> {
        let first = self
            .asking
            .first_key_value()
            .filter(|_| !self.is_slot_taken);
        first.map(|(_, id)| *id)
    }

    pub(super) fn take_slot(&mut self, ticket: Ticket, share: &mut Share) {
        self.asking.remove(&ticket);
        self.is_slot_taken = true;
        share.has_slot = true;
    }

    /// How many want the slot.
    pub(super) fn asking(&self) -> usize {
        self.asking.len()
    }

    /// Bytes that may be in memory now.
    pub(super) fn reserved(&self) -> u64 {
        let slot = if self.is_slot_taken {
            self.slot_bytes
        } else {
            0
        };
        self.used.saturating_add(slot)
    }
}

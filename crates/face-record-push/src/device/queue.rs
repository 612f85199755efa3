//! Which records wait, without their content: 16 bytes each.

use super::{Charge, IndexEntry, Seq};
use std::collections::VecDeque;

/// The records that are neither acknowledged nor lost nor set aside, ascending.
///
/// Posts go to the front and in order, so whether a record was posted is a comparison and not a mark;
/// pictures are stripped in order, so the next one is found without a search through all.
#[derive(Debug)]
pub(super) struct Queue {
    entries: VecDeque<IndexEntry>,
    charge: Charge,
    bytes: u64,
    tried_upto: Seq,
    stripped_upto: Seq,
}

impl Queue {
    /// What a store held when it was opened.
    pub(super) fn new(charge: Charge, mut index: Vec<IndexEntry>) -> Self {
        index.sort_unstable_by_key(|entry| entry.seq);
        index.dedup_by_key(|entry| entry.seq);
        let bytes = index.iter().fold(0_u64, |sum, entry| {
            sum.saturating_add(charge.of(entry.row, entry.picture))
        });
        let recent = index.iter().take(MAYBE_POSTED).next_back();
        Self {
            tried_upto: recent.map(|entry| entry.seq).unwrap_or_default(),
            stripped_upto: Seq::default(),
            entries: index.into(),
            charge,
            bytes,
        }
    }

    pub(super) fn push(&mut self, entry: IndexEntry) {
        self.bytes = self.bytes.saturating_add(self.cost(&entry));
        self.entries.push_back(entry);
    }

    pub(super) fn remove(&mut self, seq: Seq) -> Option<IndexEntry> {
        self.remove_nth(self.position(seq)?)
    }

    pub(super) fn remove_nth(&mut self, nth: usize) -> Option<IndexEntry> {
        let entry = self.entries.remove(nth)?;
        self.bytes = self.bytes.saturating_sub(self.cost(&entry));
        Some(entry)
    }

    /// A record is posted: from now on it may have arrived.
    pub(super) fn mark_tried(&mut self, seq: Seq) {
        self.tried_upto = self.tried_upto.max(seq);
    }

    /// Takes the oldest picture that may go, and says how long it was. Stops at the first record that
    /// is not kept yet: what the store has been told is not what it has done.
    pub(super) fn strip(&mut self, is_kept: impl Fn(Seq) -> bool) -> Option<(Seq, u32)> {
        //= docs/spec/face-record-push.md#overflow
        //# The picture of a record that may have arrived MUST NOT give way.
        let spared = self.tried_upto.max(self.stripped_upto);
        let from = self.entries.partition_point(|entry| entry.seq <= spared);
        let charge = self.charge;
        for entry in self.entries.range_mut(from..) {
            if !is_kept(entry.seq) {
                return None;
            }
            self.stripped_upto = entry.seq;
            if entry.picture > 0 {
                let before = charge.of(entry.row, entry.picture);
                let picture = std::mem::take(&mut entry.picture);
                let freed = before.saturating_sub(charge.of(entry.row, 0));
                self.bytes = self.bytes.saturating_sub(freed);
                return Some((entry.seq, picture));
            }
        }
        None
    }

    /// Takes back a strip that the store has not done.
    pub(super) fn restore(&mut self, seq: Seq, picture: u32) {
        let charge = self.charge;
        let position = self.position(seq);
        if let Some(entry) = position.and_then(|at| self.entries.get_mut(at)) {
            entry.picture = picture;
            let regained = charge.of(entry.row, picture);
            let regained = regained.saturating_sub(charge.of(entry.row, 0));
            self.bytes = self.bytes.saturating_add(regained);
            self.stripped_upto = self.stripped_upto.min(Seq(seq.0.saturating_sub(1)));
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What all records cost in the store, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What the first record costs, in bytes.
    pub(super) fn head_cost(&self) -> u64 {
        self.entries.front().map_or(0, |entry| self.cost(entry))
    }

    pub(super) fn nth(&self, nth: usize) -> Option<Seq> {
        self.entries.get(nth).map(|entry| entry.seq)
    }

    pub(super) fn last(&self) -> Option<Seq> {
        self.entries.back().map(|entry| entry.seq)
    }

    pub(super) fn find(&self, seq: Seq) -> Option<&IndexEntry> {
        self.position(seq).and_then(|at| self.entries.get(at))
    }

    pub(super) fn contains(&self, seq: Seq) -> bool {
        self.position(seq).is_some()
    }

    /// Whether any record from one to the other waits.
    pub(super) fn has_between(&self, from: Seq, to: Seq) -> bool {
        let at = self.entries.partition_point(|entry| entry.seq < from);
        self.nth(at).is_some_and(|seq| seq <= to)
    }

    /// Whether a record was posted, or may have been in an earlier life.
    pub(super) fn is_tried(&self, seq: Seq) -> bool {
        seq <= self.tried_upto
    }

    pub(super) fn cost(&self, entry: &IndexEntry) -> u64 {
        self.charge.of(entry.row, entry.picture)
    }

    fn position(&self, seq: Seq) -> Option<usize> {
        self.entries
            .binary_search_by_key(&seq, |entry| entry.seq)
            .ok()
    }
}

/// Records that an earlier life may have posted: as many as a store may advance over before it makes
/// that last, the one that was in flight, and the one whose acknowledgement was on its way.
const MAYBE_POSTED: usize = super::UNADVANCED_MAX as usize + 2;

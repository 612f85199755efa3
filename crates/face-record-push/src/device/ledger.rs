//! What the store has been asked and has not answered.

use super::{Loss, OpId, Seq};
use std::collections::VecDeque;

/// The requests on their way, ascending.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    next: u64,
    pending: VecDeque<(OpId, Pending)>,
}

/// A request, and what its answer needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pending {
    Append(Seq),
    Load(Seq),
    /// How many acknowledgements it carries.
    Advance(u32),
    Drop(Loss),
    /// The pictures and their lengths, to take the strip back.
    Strip(Vec<(Seq, u32)>),
    Bury(Seq),
    Configure,
}

impl Ledger {
    pub(super) fn open(&mut self, pending: Pending) -> OpId {
        self.next = self.next.saturating_add(1);
        let op = OpId(self.next);
        self.pending.push_back((op, pending));
        op
    }

    /// Closes a request of the right kind: an answer of another kind answers nothing.
    pub(super) fn close_if(
        &mut self,
        op: OpId,
        is_right: impl FnOnce(&Pending) -> bool,
    ) -> Option<Pending> {
        let at = self.pending.binary_search_by_key(&op, |(id, _)| *id).ok()?;
        if !self
            .pending
            .get(at)
            .is_some_and(|(_, found)| is_right(found))
        {
            return None;
        }
        self.pending.remove(at).map(|(_, pending)| pending)
    }

    pub(super) fn contains(&self, op: OpId) -> bool {
        self.pending
            .binary_search_by_key(&op, |(id, _)| *id)
            .is_ok()
    }

    /// Gives up on all of them, as a store does that is opened anew.
    pub(super) fn take_all(&mut self) -> VecDeque<(OpId, Pending)> {
        std::mem::take(&mut self.pending)
    }

    /// Whether something is on its way that closing has to wait for.
    pub(super) fn is_writing(&self) -> bool {
        let is_write = |(_, pending): &(OpId, Pending)| !matches!(pending, Pending::Load(_));
        self.pending.iter().any(is_write)
    }

    /// The drops on their way.
    pub(super) fn drops(&self) -> impl Iterator<Item = Loss> {
        self.pending
            .iter()
            .filter_map(|(_, pending)| match pending {
                Pending::Drop(loss) => Some(*loss),
                _ => None,
            })
    }

    /// Whether a drop is on its way that begins at or before `upto`.
    pub(super) fn drops_upto(&self, upto: Seq) -> bool {
        self.drops().any(|loss| loss.from <= upto)
    }

    /// Whether the picture of a record is being stripped.
    pub(super) fn strips(&self, seq: Seq) -> bool {
        self.pending.iter().any(|(_, pending)| match pending {
            Pending::Strip(pictures) => pictures.iter().any(|(stripped, _)| *stripped == seq),
            _ => false,
        })
    }
}

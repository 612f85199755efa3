//! A store that commits late, not always, and in groups.

use analyst_proto::link::Seq;
use analyst_proto::{device, platform};
use std::collections::VecDeque;
use testkit::Rng;

/// What survives a power cut, and what is on its way there.
#[derive(Debug)]
pub(crate) struct Disk<O> {
    records: Vec<O>,
    /// The records as they were when the last thing was really written.
    hard: Option<Vec<O>>,
    pending: VecDeque<(Seq, O)>,
    /// It says stored, and stores later.
    is_lying: bool,
}

/// What a store is asked to keep.
pub(crate) trait Record: Clone {
    /// True if this record is gone once `request` is carried out.
    fn is_erased_by(&self, request: &Self) -> bool;

    /// True if the request is only to erase.
    fn erases(&self) -> bool;
}

impl<O: Record> Disk<O> {
    pub(crate) fn new(is_lying: bool) -> Self {
        Self {
            records: Vec::new(),
            hard: None,
            pending: VecDeque::new(),
            is_lying,
        }
    }

    /// Takes a request; true if a commit is to be scheduled for it.
    pub(crate) fn ask(&mut self, seq: Seq, op: O) -> bool {
        self.pending.push_back((seq, op));
        self.pending.len() == 1
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.pending.is_empty()
    }

    pub(crate) fn records(&self) -> &[O] {
        &self.records
    }

    /// Carries out the first `count` of what is pending. Each is done, or fails so many times in a
    /// hundred, and then it may be there or not.
    pub(crate) fn commit(
        &mut self,
        count: usize,
        failing: u64,
        chance: &mut Rng,
    ) -> Vec<(Seq, bool)> {
        if !self.is_lying {
            self.hard = None;
        } else if self.hard.is_none() {
            self.hard = Some(self.records.clone());
        }
        let count = count.min(self.pending.len());
        let batch: Vec<_> = self.pending.drain(..count).collect();
        let mut done = Vec::new();
        for (seq, op) in batch {
            let fails = chance.percent(failing);
            if !fails || chance.percent(50) {
                self.write(op);
            }
            done.push((seq, !fails));
        }
        done
    }

    fn write(&mut self, op: O) {
        self.records.retain(|record| !record.is_erased_by(&op));
        if !op.erases() {
            self.records.push(op);
        }
    }

    /// The power goes: what is pending is gone or just arrived.
    pub(crate) fn stop(&mut self, chance: &mut Rng) {
        if let Some(hard) = self.hard.take() {
            self.records = hard;
            self.pending.clear();
        }
        let landed = chance.below(self.pending.len() as u64 + 1);
        for (_, op) in std::mem::take(&mut self.pending)
            .into_iter()
            .take(usize::try_from(landed).unwrap())
        {
            self.write(op);
        }
    }
}

impl Record for platform::Op {
    fn is_erased_by(&self, request: &Self) -> bool {
        matches!(request, Self::Forget(id) if *id == self.id())
    }

    fn erases(&self) -> bool {
        matches!(self, Self::Forget(_))
    }
}

impl Record for device::Op {
    fn is_erased_by(&self, request: &Self) -> bool {
        let Self::Forget { id, run } = request else {
            return false;
        };
        let (Self::Accept { run: own, .. }
        | Self::Cancel { run: own, .. }
        | Self::Result { run: own, .. }
        | Self::Delivered { run: own, .. }
        | Self::Forget { run: own, .. }) = self
        else {
            return false;
        };
        *id == self.id() && own <= run
    }

    fn erases(&self) -> bool {
        matches!(self, Self::Forget { .. })
    }
}

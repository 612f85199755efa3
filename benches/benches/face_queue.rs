//! A terminal's outbox on disk, filled without a terminal.
#![allow(
    clippy::disallowed_methods,
    reason = "the outbox is told the time by its driver"
)]

use super::face_samples::item;
use drive::store::{Folder, Outbox, Settings};
use face_record_push::Item;
use face_record_push::device::{Input, Op, OpId, Seq};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// An outbox that records are put into.
pub(crate) struct Queue {
    outbox: Outbox,
    next: u64,
}

/// Records of these people.
pub(crate) fn people(numbers: Range<u64>) -> Vec<Arc<Item>> {
    numbers.map(|person| Arc::new(item(person))).collect()
}

impl Queue {
    pub(crate) fn open(folder: &Path) -> Self {
        let folder = Folder::new(folder).expect("a folder");
        let (outbox, recovered) = Outbox::open(folder, Settings::default()).expect("a store");
        Self {
            outbox,
            next: recovered.next_seq.0.max(1),
        }
    }

    /// Keeps records in one transaction.
    pub(crate) fn keep(&mut self, items: &[Arc<Item>]) {
        let append = |(nth, item): (u64, &Arc<Item>)| {
            let (seq, item) = (Seq(self.next + nth), Arc::clone(item));
            (OpId(seq.0), Op::Append { seq, item })
        };
        let batch: Vec<(OpId, Op)> = (0..).zip(items).map(append).collect();
        self.next += batch.len() as u64;
        let answers = self.outbox.apply(Instant::now(), batch);
        let is_kept = |answer: &Input| matches!(answer, Input::Stored(_));
        assert!(answers.iter().all(is_kept), "not everything is kept");
    }

    /// Keeps so many records more.
    pub(crate) fn fill(&mut self, records: u64) {
        let end = self.next + records;
        while self.next < end {
            self.keep(&people(self.next..end.min(self.next + 32)));
        }
    }
}

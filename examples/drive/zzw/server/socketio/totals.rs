//! What all links of the port together have lost or had repaired.

use std::sync::atomic::{AtomicU64, Ordering};
use zzw_push_proto::socketio::Counters;

/// Sums over all links there are or have been.
#[derive(Debug, Default)]
pub(in super::super) struct Totals {
    binary: AtomicU64,
    attachments: AtomicU64,
    foreign: AtomicU64,
    garbled: AtomicU64,
    folded: AtomicU64,
    not_folded: AtomicU64,
}

/// Reads one of a link's counters.
type Read = fn(&Counters) -> u64;

impl Totals {
    /// Counts what a link's counters have grown by.
    pub(super) fn add(&self, before: Counters, after: Counters) {
        for (sum, read) in self.all() {
            let more = read(&after).saturating_sub(read(&before));
            if more > 0 {
                sum.fetch_add(more, Ordering::Relaxed);
            }
        }
    }

    /// The sums.
    pub(in super::super) fn sums(&self) -> Counters {
        let read = |sum: &AtomicU64| sum.load(Ordering::Relaxed);
        let mut sums = Counters::default();
        sums.binary = read(&self.binary);
        sums.attachments = read(&self.attachments);
        sums.foreign = read(&self.foreign);
        sums.garbled = read(&self.garbled);
        sums.folded = read(&self.folded);
        sums.not_folded = read(&self.not_folded);
        sums
    }

    fn all(&self) -> [(&AtomicU64, Read); 6] {
        [
            (&self.binary, |counters| counters.binary),
            (&self.attachments, |counters| counters.attachments),
            (&self.foreign, |counters| counters.foreign),
            (&self.garbled, |counters| counters.garbled),
            (&self.folded, |counters| counters.folded),
            (&self.not_folded, |counters| counters.not_folded),
        ]
    }
}

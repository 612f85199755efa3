//! What links over lines have not been given, and nobody is told of otherwise.

use std::sync::atomic::{AtomicU64, Ordering};

/// Sums over all links there are or have been.
#[derive(Debug, Default)]
pub(in super::super) struct Losses {
    cut_off: AtomicU64,
    surplus_signals: AtomicU64,
    late_signals: AtomicU64,
}

/// How many there have been.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in super::super) struct Lost {
    /// Messages for links that are cut off for what they have not read.
    pub(in super::super) cut_off: u64,
    /// Signals for links for which too many waited already, or that were being closed.
    pub(in super::super) surplus_signals: u64,
    /// Signals that came to be written only when they were worth nothing.
    pub(in super::super) late_signals: u64,
}

impl Lost {
    /// Those of both.
    #[must_use]
    pub(in super::super) fn plus(self, other: Self) -> Self {
        Self {
            cut_off: self.cut_off.saturating_add(other.cut_off),
            surplus_signals: self.surplus_signals.saturating_add(other.surplus_signals),
            late_signals: self.late_signals.saturating_add(other.late_signals),
        }
    }
}

impl Losses {
    pub(super) fn cut_off(&self) {
        self.cut_off.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn surplus_signal(&self) {
        self.surplus_signals.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn late_signal(&self) {
        self.late_signals.fetch_add(1, Ordering::Relaxed);
    }

    pub(in super::super) fn sums(&self) -> Lost {
        Lost {
            cut_off: self.cut_off.load(Ordering::Relaxed),
            surplus_signals: self.surplus_signals.load(Ordering::Relaxed),
            late_signals: self.late_signals.load(Ordering::Relaxed),
        }
    }
}

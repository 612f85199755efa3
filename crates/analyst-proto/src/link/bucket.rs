//! How many messages a second a client may publish.

use crate::Rate;
use std::time::{Duration, Instant};

/// Tokens, one for each message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bucket {
    every: Duration, // for one token
    full_at: Instant,
    burst: u32,
}

impl Bucket {
    pub(crate) fn new(now: Instant, rate: Rate) -> Self {
        Self {
            every: Duration::from_secs(1)
                .checked_div(rate.per_second)
                .unwrap_or(Duration::from_secs(1)),
            full_at: now,
            burst: rate.burst.max(1),
        }
    }

    /// When a message may be published: now, if that is not later.
    pub(crate) fn ready_at(&self) -> Option<Instant> {
        let spare = self.every.saturating_mul(self.burst.saturating_sub(1));
        // The clock of the process may be younger than that.
        self.full_at.checked_sub(spare)
    }

    /// How long until all tokens are there again.
    pub(crate) fn missing(&self, now: Instant) -> Duration {
        self.full_at.saturating_duration_since(now)
    }

    pub(crate) fn is_ready(&self, now: Instant) -> bool {
        self.ready_at().is_none_or(|at| at <= now)
    }

    pub(crate) fn take(&mut self, now: Instant) {
        let from = self.full_at.max(now);
        self.full_at = from.checked_add(self.every).unwrap_or(from);
    }
}

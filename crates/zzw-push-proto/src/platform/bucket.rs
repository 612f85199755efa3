//! Token buckets.

use super::config::Rate;
use std::time::Instant;

/// Tokens of one link or address.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bucket {
    micros: u64, // microseconds' worth of tokens: a token is 1_000_000 / per_second of them
    filled_at: Instant,
}

impl Bucket {
    pub(super) fn full(rate: Rate, now: Instant) -> Self {
        Self {
            micros: capacity(rate),
            filled_at: now,
        }
    }

    /// Takes a token if there is one.
    pub(super) fn take(&mut self, rate: Rate, now: Instant) -> bool {
        self.fill(rate, now);
        match self.micros.checked_sub(price(rate)) {
            Some(rest) => {
                self.micros = rest;
                true
            }
            None => false,
        }
    }

    /// True if nothing has been taken lately.
    pub(super) fn is_full(&mut self, rate: Rate, now: Instant) -> bool {
        self.fill(rate, now);
        self.micros == capacity(rate)
    }

    fn fill(&mut self, rate: Rate, now: Instant) {
        let passed = now.saturating_duration_since(self.filled_at).as_micros();
        let passed = u64::try_from(passed).unwrap_or(u64::MAX);
        self.micros = self.micros.saturating_add(passed).min(capacity(rate));
        self.filled_at = self.filled_at.max(now);
    }
}

fn price(rate: Rate) -> u64 {
    1_000_000_u64
        .checked_div(rate.per_second.into())
        .unwrap_or(u64::MAX)
}

fn capacity(rate: Rate) -> u64 {
    price(rate).saturating_mul(rate.burst.into())
}

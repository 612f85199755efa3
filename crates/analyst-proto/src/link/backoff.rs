//! How long to wait before something is tried again.

use std::time::Duration;

/// A delay that doubles with each failure; up to a fifth more or less is chance, so that those who
/// failed together do not come back together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Backoff {
    min: Duration,
    max: Duration,
    failures: u32,
    state: u64,
}

impl Backoff {
    pub(super) fn new(min: Duration, max: Duration, seed: u64) -> Self {
        Self {
            min,
            max: max.max(min),
            failures: 0,
            state: seed,
        }
    }

    /// The next delay, at least 1 ms.
    //= docs/spec/analyst-proto.md#link
    //# A machine MUST wait before connecting again for a time that doubles with each failure up to
    //# `backoff_max`, of which up to a fifth more or less is chance.
    pub(super) fn next(&mut self) -> Duration {
        let delay = self.base();
        self.failures = self.failures.saturating_add(1);
        let micros = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
        let fifth = micros / 5;
        let rest = micros.saturating_sub(fifth);
        // The high half of a 128-bit product: an even draw without a division.
        let draw = u128::from(self.random()).wrapping_mul(u128::from(fifth) << 1) >> 64;
        let micros = rest.saturating_add(u64::try_from(draw).unwrap_or(u64::MAX));
        Duration::from_micros(micros).max(Duration::from_millis(1))
    }

    /// The delay after a first failure, but for chance.
    pub(super) fn shortest(&self) -> Duration {
        self.min
    }

    /// The last attempt was a success.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// True if nothing has failed since the last success, or nothing has come of it.
    pub(super) fn is_fresh(&self) -> bool {
        self.base() == self.min
    }

    /// The next delay, but for chance.
    pub(super) fn base(&self) -> Duration {
        let doubled = 2_u32.saturating_pow(self.failures);
        self.min.saturating_mul(doubled).min(self.max)
    }

    /// `SplitMix64`.
    fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_within_a_fifth() {
        let (min, max) = (Duration::from_secs(1), Duration::from_secs(60));
        for seed in 0..200 {
            let mut backoff = Backoff::new(min, max, seed);
            for failures in 0..12 {
                let wanted = min.saturating_mul(1 << failures).min(max);
                let delay = backoff.next();
                assert!(delay >= wanted.mul_f64(0.799) && delay <= wanted.mul_f64(1.201));
            }
            backoff.reset();
            assert!(backoff.next() <= min.mul_f64(1.201));
        }
    }
}

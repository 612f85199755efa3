//! How long to wait before dialling again.

use std::time::Duration;

/// Full jitter: an even draw from nothing to a bound that doubles with each failure.
///
/// After a server restarts, its devices come back spread out instead of all at once.
#[derive(Debug)]
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
    //= docs/spec/zzw-push-proto.md#device-link
    //# The device MUST wait before dialling again for a time drawn evenly between zero and a bound
    //# that doubles with each failure up to `backoff_max`.
    pub(super) fn next(&mut self) -> Duration {
        let doubled = 2_u32.saturating_pow(self.failures);
        let bound = self.min.saturating_mul(doubled).min(self.max);
        self.failures = self.failures.saturating_add(1);
        let micros = u64::try_from(bound.as_micros()).unwrap_or(u64::MAX);
        // The high half of a 128-bit product: an even draw without a division.
        let draw = (u128::from(self.random()).wrapping_mul(u128::from(micros))) >> 64;
        Duration::from_micros(u64::try_from(draw).unwrap_or(u64::MAX)).max(Duration::from_millis(1))
    }

    /// The last connection was a success.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
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
    //= docs/spec/zzw-push-proto.md#device-link
    //= type=test
    //# The device MUST wait before dialling again for a time drawn evenly between zero and a bound
    //# that doubles with each failure up to `backoff_max`.
    fn delays_stay_below_a_doubling_bound() {
        let (min, max) = (Duration::from_millis(500), Duration::from_secs(30));
        for seed in 0..200 {
            let mut backoff = Backoff::new(min, max, seed);
            for failures in 0..12 {
                let delay = backoff.next();
                assert!(delay <= min.saturating_mul(1 << failures).min(max));
                assert!(delay >= Duration::from_millis(1));
            }
            backoff.reset();
            assert!(backoff.next() <= min);
        }
    }

    #[test]
    //= docs/spec/zzw-push-proto.md#device-link
    //= type=test
    //# The device MUST wait before dialling again for a time drawn evenly between zero and a bound
    //# that doubles with each failure up to `backoff_max`.
    fn delays_of_different_seeds_are_spread_evenly() {
        let (min, max) = (Duration::from_secs(10), Duration::from_secs(10));
        let early = (0..1_000)
            .filter(|&seed| Backoff::new(min, max, seed).next() < Duration::from_secs(5))
            .count();
        assert!(
            (450..550).contains(&early),
            "{early} of 1000 in the first half"
        );
    }
}

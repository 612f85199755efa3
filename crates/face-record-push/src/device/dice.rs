//! Chance, for delays and faults.

use std::time::Duration;

/// `SplitMix64`: random enough for jitter and faults, and the same everywhere.
#[derive(Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// Evenly from zero to `bound`.
    pub(super) fn upto(&mut self, bound: Duration) -> Duration {
        let micros = u64::try_from(bound.as_micros()).unwrap_or(u64::MAX);
        let drawn = self.roll().checked_rem(micros.saturating_add(1));
        Duration::from_micros(drawn.unwrap_or_default())
    }

    /// True with this probability; nothing that is no number strikes.
    pub(super) fn strikes(&mut self, probability: f64) -> bool {
        // 53 bits, as many as a float holds: evenly from 0 up to, but not including, 1.
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let drawn = (self.roll() >> 11) as f64 / (1_u64 << 53) as f64;
        drawn < probability
    }
}

//! Seeded chance.

use std::ops::RangeInclusive;
use std::time::Duration;

/// A `SplitMix64` generator: small, fast, and the same everywhere.
#[derive(Debug, Clone)]
pub struct Rng {
    state: u64,
}

impl Rng {
    /// The generator of `seed`.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// A generator of its own for the component called `name`.
    ///
    /// Components that draw from streams of their own do not shift each other's draws.
    #[must_use]
    pub fn stream(&self, name: &str) -> Self {
        let mix = |state: u64, byte: u8| {
            Self {
                state: state ^ u64::from(byte),
            }
            .draw()
        };
        Self {
            state: name.bytes().fold(self.state, mix),
        }
    }

    /// The next 64 bits.
    pub fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `bound`.
    ///
    /// # Panics
    ///
    /// If `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.draw() % bound
    }

    /// A number in `range`.
    ///
    /// # Panics
    ///
    /// If `range` is empty.
    pub fn between(&mut self, range: RangeInclusive<u64>) -> u64 {
        let (first, last) = range.into_inner();
        first + self.below(last - first + 1)
    }

    /// True `percent` times in a hundred.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// A duration in `range` of milliseconds.
    ///
    /// # Panics
    ///
    /// If `range` is empty.
    pub fn millis(&mut self, range: RangeInclusive<u64>) -> Duration {
        Duration::from_millis(self.between(range))
    }

    /// One of `items`.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        let nth = self.below(items.len() as u64);
        &items[usize::try_from(nth).expect("an index below a length fits")]
    }
}

//! 128 bits that stand for a state.

use std::hash::{BuildHasherDefault, Hash, Hasher};

/// Two halves that are mixed in different ways. Among 10^8 states, two are taken for one with a chance
/// of less than one in 10^22.
#[derive(Debug, Clone)]
pub struct Digest([u64; 2]);

/// For keys that are digests already.
pub type Ready = BuildHasherDefault<First>;

/// The first 64 bits.
#[derive(Debug, Default)]
pub struct First(u64);

/// Of nothing yet.
impl Default for Digest {
    fn default() -> Self {
        Self([0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344])
    }
}

impl Digest {
    /// What stands for one value.
    pub fn of(value: &impl Hash) -> u128 {
        let mut digest = Self::default();
        value.hash(&mut digest);
        digest.whole()
    }

    /// What stands for all that was hashed.
    pub fn whole(&self) -> u128 {
        let [high, low] = self.0;
        u128::from(fold(high, low ^ FACTORS[0])) << 64 | u128::from(fold(low, high ^ FACTORS[1]))
    }

    fn mix(&mut self, word: u64) {
        let [high, low] = self.0;
        self.0 = [
            fold(high ^ word, FACTORS[0]) ^ low.rotate_left(23),
            fold(low ^ word.rotate_left(32), FACTORS[1]).wrapping_add(high),
        ];
    }
}

impl Hasher for Digest {
    fn finish(&self) -> u64 {
        self.0[0]
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.mix(u64::from_le_bytes(word));
        }
        self.mix(bytes.len() as u64);
    }

    fn write_u8(&mut self, it: u8) {
        self.mix(u64::from(it));
    }

    fn write_u32(&mut self, it: u32) {
        self.mix(u64::from(it));
    }

    fn write_u64(&mut self, it: u64) {
        self.mix(it);
    }

    fn write_usize(&mut self, it: usize) {
        self.mix(it as u64);
    }
}

impl Hasher for First {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0 ^= u64::from_le_bytes(word);
        }
    }
}

const FACTORS: [u64; 2] = [0x9e37_79b9_7f4a_7c15, 0xd6e8_feb8_6659_fd93];

/// Both halves of a product.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the upper half is the other one"
)]
fn fold(one: u64, other: u64) -> u64 {
    let product = u128::from(one).wrapping_mul(u128::from(other));
    (product >> 64) as u64 ^ product as u64
}

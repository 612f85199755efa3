//! 128 bits that stand for a state.

use std::hash::{BuildHasherDefault, Hash, Hasher};

/// Two halves that are mixed in different ways. Among 10^8 states, two are taken for one with a chance
/// of less than one in 10^22.
#[derive(Debug)]
pub(crate) struct Digest([u64; 2]);

/// For keys that are digests already.
pub(crate) type Ready = BuildHasherDefault<Half>;

#[derive(Debug, Default)]
pub(crate) struct Half(u64);

impl Digest {
    pub(crate) fn new() -> Self {
        Self([0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344])
    }

    /// What stands for one value.
    pub(crate) fn of(value: &impl Hash) -> u128 {
        let mut digest = Self::new();
        value.hash(&mut digest);
        digest.whole()
    }

    pub(crate) fn whole(&self) -> u128 {
        let [one, other] = self.0;
        u128::from(fold(one, other ^ FACTORS[0])) << 64 | u128::from(fold(other, one ^ FACTORS[1]))
    }

    fn mix(&mut self, word: u64) {
        let [one, other] = self.0;
        self.0 = [
            fold(one ^ word, FACTORS[0]) ^ other.rotate_left(23),
            fold(other ^ word.rotate_left(32), FACTORS[1]).wrapping_add(one),
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
}

impl Hasher for Half {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks_exact(8) {
            self.0 ^= chunk
                .iter()
                .fold(0, |word, byte| word << 8 | u64::from(*byte));
        }
    }
}

const FACTORS: [u64; 2] = [0x9e37_79b9_7f4a_7c15, 0xd6e8_feb8_6659_fd93];

/// Both halves of a product.
fn fold(one: u64, other: u64) -> u64 {
    let product = u128::from(one).wrapping_mul(u128::from(other));
    (product >> 64) as u64 ^ product as u64
}

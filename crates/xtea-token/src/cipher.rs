//! The block cipher: XTEA with 32 cycles and the word order as a parameter.

use core::fmt;

use crate::error::InvalidKey;

const DELTA: u32 = 0x9E37_79B9;
const SCHEDULE: usize = 64;

/// Blocks that are worked on side by side: one 128-bit vector for each half.
const LANES: usize = 4;

/// XTEA under one key: 64-bit blocks, 128-bit key, 32 cycles (64 Feistel rounds).
///
/// The schedule is computed once; a round is additions, exclusive-ors and fixed shifts, without a
/// table and without an index or branch that depends on data or key.
///
/// ```
/// use xtea_token::{Key, WordOrder, Xtea};
///
/// let cipher = Xtea::new(&Key::new([0; 16]), WordOrder::Big);
/// assert_eq!(cipher.encrypt_block([0; 8]), 0xdee9_d4d8_f713_1ed9_u64.to_be_bytes());
/// ```
#[derive(Clone)]
pub struct Xtea {
    schedule: [u32; SCHEDULE],
    order: WordOrder,
}

/// A 128-bit XTEA key.
///
/// Not `Copy` and not comparable, `Debug` hides it, and with feature `zeroize` it is wiped when
/// dropped.
#[derive(Clone)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Key([u8; 16]);

/// How four bytes become a 32-bit word, for key, input and output alike.
///
/// The same key and block give unrelated results under the two orders. They are tied by
/// `little(key, block) = swap32(big(swap32(key), swap32(block)))`, where `swap32` reverses the
/// bytes of every 32-bit word: the recipe for a library that has only the other order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[non_exhaustive]
pub enum WordOrder {
    /// Most significant byte first: Bouncy Castle, Crypto++, libmcrypt, Botan, libtomcrypt, H2.
    #[default]
    Big,
    /// Least significant byte first: the Linux kernel, the `xtea` crate of RustCrypto.
    Little,
}

/// The left words of the blocks, then the right ones.
type Lanes = [[u32; LANES]; 2];

impl Xtea {
    /// Computes the key schedule.
    //= docs/spec/xtea-token.md#block-cipher
    //# The cipher MUST be XTEA with 32 cycles, that is 64 Feistel rounds.
    pub const fn new(key: &Key, order: WordOrder) -> Self {
        let words = key.words(order);
        let mut schedule = [0; SCHEDULE];
        let mut rest: &mut [u32] = &mut schedule;
        let mut sum = 0_u32;
        while let [first, second, tail @ ..] = rest {
            *first = sum.wrapping_add(pick(words, sum));
            sum = sum.wrapping_add(DELTA);
            *second = sum.wrapping_add(pick(words, sum >> 11));
            rest = tail;
        }
        Self { schedule, order }
    }

    /// The word order this cipher was made for.
    pub const fn order(&self) -> WordOrder {
        self.order
    }

    /// Encrypts one block.
    pub const fn encrypt_block(&self, block: [u8; 8]) -> [u8; 8] {
        let [mut left, mut right] = load(block, self.order);
        let mut rest: &[u32] = &self.schedule;
        while let [first, second, tail @ ..] = rest {
            left = left.wrapping_add(mix(right) ^ *first);
            right = right.wrapping_add(mix(left) ^ *second);
            rest = tail;
        }
        store([left, right], self.order)
    }

    /// Decrypts one block.
    pub const fn decrypt_block(&self, block: [u8; 8]) -> [u8; 8] {
        let [mut left, mut right] = load(block, self.order);
        let mut rest: &[u32] = &self.schedule;
        while let [head @ .., first, second] = rest {
            right = right.wrapping_sub(mix(left) ^ *second);
            left = left.wrapping_sub(mix(right) ^ *first);
            rest = head;
        }
        store([left, right], self.order)
    }

    /// Encrypts every block on its own (ECB), several at a time.
    ///
    /// One block is bound by the latency of its 64 dependent steps; independent blocks are worked
    /// on side by side in vector registers, which is several times faster.
    pub fn encrypt_blocks(&self, blocks: &mut [[u8; 8]]) {
        for group in blocks.chunks_mut(LANES) {
            match group {
                [block] => *block = self.encrypt_block(*block),
                several => self.in_lanes(several, encrypt_lanes),
            }
        }
    }

    /// Decrypts every block on its own (ECB), several at a time.
    pub fn decrypt_blocks(&self, blocks: &mut [[u8; 8]]) {
        for group in blocks.chunks_mut(LANES) {
            match group {
                [block] => *block = self.decrypt_block(*block),
                several => self.in_lanes(several, decrypt_lanes),
            }
        }
    }

    /// Works on at most [`LANES`] blocks; spare lanes hold zeros that nobody reads.
    fn in_lanes(
        &self,
        blocks: &mut [[u8; 8]],
        work: impl FnOnce(&[u32; SCHEDULE], Lanes) -> Lanes,
    ) {
        let (mut lefts, mut rights) = ([0; LANES], [0; LANES]);
        for ((block, left), right) in blocks.iter().zip(&mut lefts).zip(&mut rights) {
            [*left, *right] = load(*block, self.order);
        }
        let [lefts, rights] = work(&self.schedule, [lefts, rights]);
        for ((block, left), right) in blocks.iter_mut().zip(lefts).zip(rights) {
            *block = store([left, right], self.order);
        }
    }
}

impl Key {
    /// The key made of these bytes, in the order they are written.
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The key written as 32 hexadecimal digits of either case.
    ///
    /// # Errors
    ///
    /// [`InvalidKey`] unless the text is exactly 32 hexadecimal digits.
    pub fn from_hex(digits: &str) -> Result<Self, InvalidKey> {
        let mut bytes = [0; 16];
        let pairs = digits.as_bytes().chunks(2);
        if digits.len() != 32 {
            return Err(InvalidKey::new());
        }
        for (byte, pair) in bytes.iter_mut().zip(pairs) {
            let &[high, low] = pair else {
                return Err(InvalidKey::new());
            };
            match (crate::text::hex_digit(high), crate::text::hex_digit(low)) {
                (Some(high), Some(low)) => *byte = (high << 4) | low,
                _ => return Err(InvalidKey::new()),
            }
        }
        Ok(Self(bytes))
    }

    #[expect(clippy::many_single_char_names, reason = "bytes in wire order")]
    const fn words(&self, order: WordOrder) -> [u32; 4] {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = self.0;
        let [k0, k1] = load([a, b, c, d, e, f, g, h], order);
        let [k2, k3] = load([i, j, k, l, m, n, o, p], order);
        [k0, k1, k2, k3]
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

impl fmt::Debug for Xtea {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Xtea")
            .field("order", &self.order)
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "zeroize")]
impl Drop for Key {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.0);
    }
}

#[cfg(feature = "zeroize")]
impl Drop for Xtea {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.schedule);
    }
}

#[cfg(feature = "zeroize")]
impl zeroize::ZeroizeOnDrop for Key {}

#[cfg(feature = "zeroize")]
impl zeroize::ZeroizeOnDrop for Xtea {}

fn encrypt_lanes(schedule: &[u32; SCHEDULE], lanes: Lanes) -> Lanes {
    let [mut lefts, mut rights] = lanes;
    let mut rest: &[u32] = schedule;
    while let [first, second, tail @ ..] = rest {
        for (left, right) in lefts.iter_mut().zip(rights) {
            *left = left.wrapping_add(mix(right) ^ first);
        }
        for (left, right) in lefts.into_iter().zip(&mut rights) {
            *right = right.wrapping_add(mix(left) ^ second);
        }
        rest = tail;
    }
    [lefts, rights]
}

fn decrypt_lanes(schedule: &[u32; SCHEDULE], lanes: Lanes) -> Lanes {
    let [mut lefts, mut rights] = lanes;
    let mut rest: &[u32] = schedule;
    while let [head @ .., first, second] = rest {
        for (left, right) in lefts.into_iter().zip(&mut rights) {
            *right = right.wrapping_sub(mix(left) ^ second);
        }
        for (left, right) in lefts.iter_mut().zip(rights) {
            *left = left.wrapping_sub(mix(right) ^ first);
        }
        rest = head;
    }
    [lefts, rights]
}

const fn mix(word: u32) -> u32 {
    ((word << 4) ^ (word >> 5)).wrapping_add(word)
}

const fn pick([k0, k1, k2, k3]: [u32; 4], index: u32) -> u32 {
    match index & 3 {
        0 => k0,
        1 => k1,
        2 => k2,
        _ => k3,
    }
}

//= docs/spec/xtea-token.md#block-cipher
//# The word order MUST apply to the key, the input block and the output block alike.
#[expect(clippy::many_single_char_names, reason = "bytes in wire order")]
const fn load([a, b, c, d, e, f, g, h]: [u8; 8], order: WordOrder) -> [u32; 2] {
    match order {
        WordOrder::Big => [
            u32::from_be_bytes([a, b, c, d]),
            u32::from_be_bytes([e, f, g, h]),
        ],
        WordOrder::Little => [
            u32::from_le_bytes([a, b, c, d]),
            u32::from_le_bytes([e, f, g, h]),
        ],
    }
}

#[expect(clippy::many_single_char_names, reason = "bytes in wire order")]
const fn store([left, right]: [u32; 2], order: WordOrder) -> [u8; 8] {
    let ([a, b, c, d], [e, f, g, h]) = match order {
        WordOrder::Big => (left.to_be_bytes(), right.to_be_bytes()),
        WordOrder::Little => (left.to_le_bytes(), right.to_le_bytes()),
    };
    [a, b, c, d, e, f, g, h]
}

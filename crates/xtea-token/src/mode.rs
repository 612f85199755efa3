//! How blocks are chained.

use core::fmt;

use crate::cipher::Xtea;

/// How the blocks of a token are chained.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[non_exhaustive]
pub enum Mode {
    /// Every block on its own. Blocks can be reordered and spliced between tokens.
    #[default]
    Ecb,
    /// Cipher block chaining from an initialisation vector both ends are configured with.
    Cbc {
        /// The initialisation vector; not part of the token.
        iv: [u8; 8],
    },
    /// Cipher block chaining with the initialisation vector as the first block of the token.
    CbcIvPrefix {
        /// What [`issue`](crate::TokenFormat::issue) puts in front, fresh for every token;
        /// opening takes it from the token instead.
        iv: [u8; 8],
    },
}

impl Mode {
    /// Blocks in front of the ones that carry plaintext.
    pub(crate) const fn prefix_blocks(self) -> usize {
        match self {
            Self::Ecb | Self::Cbc { .. } => 0,
            Self::CbcIvPrefix { .. } => 1,
        }
    }

    /// Encrypts `blocks`, whose first [`Self::prefix_blocks`] are still free.
    pub(crate) fn encrypt(self, cipher: &Xtea, blocks: &mut [[u8; 8]]) {
        match self {
            Self::Ecb => cipher.encrypt_blocks(blocks),
            Self::Cbc { iv } => chain(cipher, iv, blocks),
            Self::CbcIvPrefix { iv } => {
                if let [prefix, blocks @ ..] = blocks {
                    *prefix = iv;
                    chain(cipher, iv, blocks);
                }
            }
        }
    }

    /// Turns the cipher's raw output for `token` into plaintext; raw output is the same in all
    /// modes, chaining is one exclusive-or afterwards.
    pub(crate) fn unchain(self, token: &[[u8; 8]], raw: &mut [[u8; 8]]) {
        let iv = match self {
            Self::Ecb => return,
            Self::Cbc { iv } => iv,
            Self::CbcIvPrefix { .. } => [0; 8], // lands in the prefix, which nobody reads
        };
        for (block, previous) in raw.iter_mut().zip(core::iter::once(&iv).chain(token)) {
            *block = xor(*block, *previous);
        }
    }
}

impl fmt::Debug for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ecb => "Ecb",
            Self::Cbc { .. } => "Cbc { .. }",
            Self::CbcIvPrefix { .. } => "CbcIvPrefix { .. }",
        })
    }
}

fn chain(cipher: &Xtea, iv: [u8; 8], blocks: &mut [[u8; 8]]) {
    let mut previous = iv;
    for block in blocks {
        *block = cipher.encrypt_block(xor(*block, previous));
        previous = *block;
    }
}

fn xor(a: [u8; 8], b: [u8; 8]) -> [u8; 8] {
    (u64::from_ne_bytes(a) ^ u64::from_ne_bytes(b)).to_ne_bytes()
}

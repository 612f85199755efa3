//! The block cipher behind the traits of RustCrypto's `cipher` crate.

use cipher::array::Array;
use cipher::consts::{U4, U8, U16};
use cipher::{
    AlgorithmName, BlockCipherDecBackend, BlockCipherDecClosure, BlockCipherDecrypt,
    BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser, InOut,
    KeyInit, KeySizeUser, ParBlocks, ParBlocksSizeUser,
};
use core::fmt;

use crate::cipher::{Key, WordOrder, Xtea};

macro_rules! block_cipher {
    ($name:ident, $order:expr, $algorithm:literal, $doc:literal) => {
        #[doc = $doc]
        #[derive(Debug, Clone)]
        pub struct $name(Xtea);

        impl KeySizeUser for $name {
            type KeySize = U16;
        }

        impl KeyInit for $name {
            fn new(key: &cipher::Key<Self>) -> Self {
                Self(Xtea::new(&Key::new((*key).into()), $order))
            }
        }

        impl BlockSizeUser for $name {
            type BlockSize = U8;
        }

        impl ParBlocksSizeUser for $name {
            type ParBlocksSize = U4;
        }

        impl BlockCipherEncrypt for $name {
            fn encrypt_with_backend(&self, f: impl BlockCipherEncClosure<BlockSize = U8>) {
                f.call(self);
            }
        }

        impl BlockCipherEncBackend for $name {
            fn encrypt_block(&self, mut block: InOut<'_, '_, cipher::Block<Self>>) {
                *block.get_out() = Array(self.0.encrypt_block(block.clone_in().into()));
            }

            fn encrypt_par_blocks(&self, blocks: InOut<'_, '_, ParBlocks<Self>>) {
                together(blocks, |blocks| self.0.encrypt_blocks(blocks));
            }
        }

        impl BlockCipherDecrypt for $name {
            fn decrypt_with_backend(&self, f: impl BlockCipherDecClosure<BlockSize = U8>) {
                f.call(self);
            }
        }

        impl BlockCipherDecBackend for $name {
            fn decrypt_block(&self, mut block: InOut<'_, '_, cipher::Block<Self>>) {
                *block.get_out() = Array(self.0.decrypt_block(block.clone_in().into()));
            }

            fn decrypt_par_blocks(&self, blocks: InOut<'_, '_, ParBlocks<Self>>) {
                together(blocks, |blocks| self.0.decrypt_blocks(blocks));
            }
        }

        impl AlgorithmName for $name {
            fn write_alg_name(f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($algorithm)
            }
        }

        #[cfg(feature = "zeroize")]
        impl zeroize::ZeroizeOnDrop for $name {}
    };
}

block_cipher!(
    XteaBe,
    WordOrder::Big,
    "Xtea (big-endian)",
    "XTEA with big-endian words for RustCrypto's traits: agrees with Bouncy Castle."
);
block_cipher!(
    XteaLe,
    WordOrder::Little,
    "Xtea (little-endian)",
    "XTEA with little-endian words for RustCrypto's traits: agrees with their `xtea` crate."
);

/// Four blocks in RustCrypto's arrays.
type Four = Array<Array<u8, U8>, U4>;

fn together(mut blocks: InOut<'_, '_, Four>, work: impl FnOnce(&mut [[u8; 8]])) {
    let mut bytes = blocks.clone_in().0.map(|block| block.0);
    work(&mut bytes);
    *blocks.get_out() = Array(bytes.map(Array));
}

//! The traits of RustCrypto's `cipher` crate.
#![cfg(feature = "cipher")]

use cipher::{Block, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use proptest::prelude::*;
use xtea_token::{Key, WordOrder, Xtea, XteaBe, XteaLe};

proptest! {
    #[test]
    fn blocks_through_the_traits_equal_the_plain_cipher(
        key: [u8; 16],
        blocks in prop::collection::vec(any::<[u8; 8]>(), 0..11),
    ) {
        fn check<C>(key: [u8; 16], order: WordOrder, blocks: &[[u8; 8]])
        where
            C: KeyInit<KeySize = cipher::consts::U16>
                + BlockCipherEncrypt<BlockSize = cipher::consts::U8>
                + BlockCipherDecrypt,
        {
            let plain = Xtea::new(&Key::new(key), order);
            let cipher = C::new(&key.into());
            let mut through: Vec<Block<C>> = blocks.iter().map(|block| (*block).into()).collect();
            cipher.encrypt_blocks(&mut through);
            for (block, original) in through.iter().zip(blocks) {
                assert_eq!(block[..], plain.encrypt_block(*original));
            }
            cipher.decrypt_blocks(&mut through);
            for (block, original) in through.iter().zip(blocks) {
                assert_eq!(&block[..], original);
            }
        }
        check::<XteaBe>(key, WordOrder::Big, &blocks);
        check::<XteaLe>(key, WordOrder::Little, &blocks);
    }

    #[test]
    fn the_little_endian_type_replaces_the_xtea_crate(key: [u8; 16], block: [u8; 8]) {
        let (mut ours, mut theirs) = (block.into(), block.into());
        XteaLe::new(&key.into()).encrypt_block(&mut ours);
        xtea::Xtea::new(&key.into()).encrypt_block(&mut theirs);
        prop_assert_eq!(ours, theirs);
    }
}

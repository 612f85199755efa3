//! The block cipher against published vectors, its laws, and the `xtea` crate of RustCrypto.

mod common;

use common::{lines, order_named, unhex};
use proptest::prelude::*;
use xtea::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use xtea_token::{Key, WordOrder, Xtea};

const VECTORS: [&str; 5] = [
    include_str!("vectors/bouncycastle.txt"),
    include_str!("vectors/botan.txt"),
    include_str!("vectors/libtomcrypt.txt"),
    include_str!("vectors/linux.txt"),
    include_str!("vectors/rustcrypto.txt"),
];

fn other(order: WordOrder) -> WordOrder {
    match order {
        WordOrder::Big => WordOrder::Little,
        _ => WordOrder::Big,
    }
}

fn swap32<const N: usize>(bytes: [u8; N]) -> [u8; N] {
    std::array::from_fn(|i| bytes[i ^ 3])
}

//= docs/spec/xtea-token.md#block-cipher
//= type=test
//# The cipher MUST be XTEA with 32 cycles, that is 64 Feistel rounds.
#[test]
fn every_published_vector_holds_under_its_word_order_and_fails_under_the_other() {
    let mut count = 0;
    for line in VECTORS.into_iter().flat_map(lines) {
        let [order, key, plaintext, ciphertext] = line[..] else {
            panic!("four fields expected");
        };
        let order = order_named(order);
        let key = Key::new(unhex(key));
        let (plaintext, ciphertext) = (unhex(plaintext), unhex(ciphertext));
        let right = Xtea::new(&key, order);
        let wrong = Xtea::new(&key, other(order));
        assert_eq!(right.encrypt_block(plaintext), ciphertext);
        assert_eq!(right.decrypt_block(ciphertext), plaintext);
        assert_ne!(wrong.encrypt_block(plaintext), ciphertext);
        assert_ne!(wrong.decrypt_block(ciphertext), plaintext);
        count += 1;
    }
    assert!(count >= 14, "{count} vectors");
}

#[test]
fn key_text_is_exactly_32_hexadecimal_digits_of_either_case() {
    assert!(Key::from_hex("000102030405060708090A0b0c0d0e0f").is_ok());
    for bad in [
        "",
        "00",
        &"0".repeat(31),
        &"0".repeat(33),
        &"g".repeat(32),
        &"\u{ff10}".repeat(16),
    ] {
        assert!(Key::from_hex(bad).is_err(), "{bad}");
    }
}

proptest! {
    #[test]
    fn decrypting_what_was_encrypted_gives_the_block_back(key: [u8; 16], block: [u8; 8]) {
        for order in [WordOrder::Big, WordOrder::Little] {
            let cipher = Xtea::new(&Key::new(key), order);
            prop_assert_eq!(cipher.decrypt_block(cipher.encrypt_block(block)), block);
        }
    }

    //= docs/spec/xtea-token.md#block-cipher
    //= type=test
    //# The word order MUST apply to the key, the input block and the output block alike.
    #[test]
    fn swapping_every_word_turns_one_order_into_the_other(key: [u8; 16], block: [u8; 8]) {
        let little = Xtea::new(&Key::new(key), WordOrder::Little);
        let big = Xtea::new(&Key::new(swap32(key)), WordOrder::Big);
        prop_assert_eq!(little.encrypt_block(block), swap32(big.encrypt_block(swap32(block))));
    }

    #[test]
    fn many_blocks_at_once_equal_the_same_blocks_one_by_one(
        key: [u8; 16],
        blocks in prop::collection::vec(any::<[u8; 8]>(), 0..40),
    ) {
        for order in [WordOrder::Big, WordOrder::Little] {
            let cipher = Xtea::new(&Key::new(key), order);
            let singly: Vec<_> = blocks.iter().map(|block| cipher.encrypt_block(*block)).collect();
            let mut together = blocks.clone();
            cipher.encrypt_blocks(&mut together);
            prop_assert_eq!(&together, &singly);
            cipher.decrypt_blocks(&mut together);
            prop_assert_eq!(&together, &blocks);
        }
    }

    #[test]
    fn little_endian_equals_rustcrypto(key: [u8; 16], block: [u8; 8]) {
        let ours = Xtea::new(&Key::new(key), WordOrder::Little);
        let theirs = xtea::Xtea::new(&key.into());
        let mut expected = block.into();
        theirs.encrypt_block(&mut expected);
        prop_assert_eq!(&ours.encrypt_block(block)[..], &expected[..]);
        let mut expected = block.into();
        theirs.decrypt_block(&mut expected);
        prop_assert_eq!(&ours.decrypt_block(block)[..], &expected[..]);
    }
}

//! Laws that hold for every format, and what is never shown.

mod common;

use common::{GOLDEN_MILLIS, any_format, golden_key};
use proptest::prelude::*;
use xtea_token::{
    Claim, Claims, Key, Mode, TokenFormat, UnixMillis, UnixSeconds, Verifier, WordOrder, Xtea,
};

fn claim_for(claims: Claims, seconds: u64, bytes: &[u8]) -> Claim<'_> {
    match claims {
        Claims::UnixSeconds => Claim::AtSeconds(UnixSeconds(seconds)),
        Claims::Opaque => Claim::Bytes(bytes),
        _ => Claim::At(UnixMillis(seconds * 1000 + seconds % 1000)),
    }
}

proptest! {
    #[test]
    fn what_is_issued_opens_as_the_same_claim(
        format in any_format(),
        key: [u8; 16],
        seconds in 1_000_000_000_u64..10_000_000_000,
        bytes in prop::collection::vec(any::<u8>(), 0..150),
    ) {
        let claim = claim_for(format.claims, seconds, &bytes);
        if let Ok(token) = format.issue(&Key::new(key), claim) {
            let mut buffer = [0; 152];
            prop_assert_eq!(format.open(&Key::new(key), &token, &mut buffer), Ok(claim));
        }
    }

    #[test]
    fn what_opens_is_issued_as_the_same_token(
        format in any_format(),
        tail in 0_usize..9,
        blocks in prop::collection::vec(any::<[u8; 8]>(), 1..6),
    ) {
        let format = format.with_claims(Claims::Opaque).with_mode(Mode::Ecb);
        // Random plaintext rarely has good padding, so its end is made of likely bytes.
        let mut plaintext = blocks.concat();
        let len = plaintext.len();
        plaintext[len - tail.min(len)..].fill(u8::try_from(tail % 8).unwrap());
        let cipher = Xtea::new(&golden_key(), format.order);
        let encrypt = |block: &[u8]| cipher.encrypt_block(block.try_into().unwrap());
        let ciphertext: Vec<u8> = plaintext.chunks(8).flat_map(encrypt).collect();
        let token = common::hex(&ciphertext);
        let format = format.with_text(xtea_token::Text::HexLower);
        let mut buffer = [0; 152];
        if let Ok(claim) = format.open(&golden_key(), &token, &mut buffer) {
            if let Ok(again) = format.issue(&golden_key(), claim) {
                prop_assert_eq!(&*again, token);
            } else {
                prop_assert_eq!(format.padding, xtea_token::Padding::None);
            }
        }
    }

    #[test]
    fn no_text_makes_opening_panic(format in any_format(), token in "\\PC{0,64}|[0-9a-f]{0,320}|[A-Za-z0-9+/_=-]{0,220}") {
        let _ = format.open(&golden_key(), &token, &mut [0; 152]);
    }
}

#[test]
fn every_preset_issues_a_time_that_it_opens() {
    let at = Claim::At(UnixMillis(GOLDEN_MILLIS));
    let at_seconds = Claim::AtSeconds(UnixSeconds(GOLDEN_MILLIS / 1000));
    for (name, format) in TokenFormat::PRESETS {
        assert_eq!(TokenFormat::preset(name), Some(*format));
        let is_seconds = format.claims == Claims::UnixSeconds;
        let claim = if is_seconds { at_seconds } else { at };
        let token = format.issue(&golden_key(), claim).unwrap();
        assert_eq!(
            format.open(&golden_key(), &token, &mut [0; 152]),
            Ok(claim),
            "{name}"
        );
    }
    assert_eq!(TokenFormat::preset("no such"), None);
}

#[test]
fn debug_shows_neither_key_nor_token_nor_iv_nor_plaintext() {
    let secret = *b"0123456789abcdef";
    let key = Key::new(secret);
    let iv = *b"vector!!";
    let format = TokenFormat::LEGACY
        .with_mode(Mode::Cbc { iv })
        .with_claims(Claims::Opaque);
    let token = format.issue(&key, Claim::Bytes(b"plaintext")).unwrap();
    let verifier = Verifier::new(TokenFormat::LEGACY, key.clone()).unwrap();
    let keyed = format.keyed(&key);
    let cipher = Xtea::new(&key, WordOrder::Big);
    let prefix = Mode::CbcIvPrefix { iv };
    let claim = Claim::Bytes(b"plaintext");
    let shown = format!(
        "{key:?} {cipher:?} {format:?} {format} {keyed:?} {token:?} {verifier:?} {prefix:?} {claim:?}"
    );
    let first = secret[0].to_string();
    for leak in [
        "0123",
        "30, 31",
        &first,
        "vector",
        "118, 101",
        "plain",
        &token[..8],
    ] {
        assert!(!shown.contains(leak), "{leak:?} in {shown}");
    }
}

#[cfg(feature = "zeroize")]
#[test]
fn keys_and_schedules_are_wiped_when_dropped() {
    fn is_wiped<T: zeroize::ZeroizeOnDrop>() {}
    is_wiped::<Key>();
    is_wiped::<Xtea>();
    assert!(std::mem::needs_drop::<Verifier>());
}

//! Finding the format of a captured token.

mod common;

use common::{GOLDEN, GOLDEN_MILLIS, Golden, golden_key};
use proptest::prelude::*;
use xtea_token::{
    Claim, ClaimKind, Claims, Hint, Key, Mode, Padding, Text, TokenFormat, UnixMillis, identify,
    shape,
};

//= docs/spec/xtea-token.md#identification
//= type=test
//# A finding MUST be reported only when the token is the canonical spelling of a plaintext in that format.
#[test]
fn every_golden_token_gives_its_format_as_the_first_finding() {
    let keys = [golden_key()];
    for golden in Golden::all() {
        if matches!(golden.format.mode, Mode::Cbc { iv } if iv != [0; 8]) {
            continue; // no one can guess a configured IV
        }
        let first = identify(golden.token, &keys).next().unwrap();
        let expected = golden.format;
        // The bytes of these paddings are the same where plaintext fills no block, or the last.
        let twins = matches!(
            (first.format.padding, expected.padding),
            (Padding::Zero, Padding::ZeroAlways | Padding::None)
        );
        if twins {
            assert_eq!(first.format.with_padding(expected.padding), expected);
        } else {
            assert_eq!(first.format, expected, "{}", golden.token);
        }
        assert_eq!(first.at, golden.claim().at());
        let is_weak = first.claim_kind == ClaimKind::Text;
        assert_eq!(is_weak, expected.claims == Claims::Opaque);
    }
}

#[test]
fn cbc_with_the_iv_in_front_is_found_and_reopens() {
    let format = TokenFormat::LEGACY.with_mode(Mode::CbcIvPrefix {
        iv: *b"\x90\x01vector",
    });
    let claim = Claim::At(UnixMillis(GOLDEN_MILLIS));
    let token = format.issue(&golden_key(), claim).unwrap();
    let keys = [Key::new([9; 16]), golden_key()];
    let found: Vec<_> = identify(&token, &keys).collect();
    assert_eq!(found[0].format, format);
    assert_eq!(found[0].key_index, 1);
    assert_eq!(
        found[0].format.open(&golden_key(), &token, &mut [0; 152]),
        Ok(claim)
    );
}

//= docs/spec/xtea-token.md#identification
//= type=test
//# Findings whose plaintext holds a time MUST come before findings whose plaintext is only text.
#[test]
fn a_time_is_reported_before_text_whatever_the_order_of_the_keys() {
    let text_key = Key::new([1; 16]);
    let opaque = TokenFormat::LEGACY.with_claims(Claims::Opaque);
    let token = opaque
        .issue(&text_key, Claim::Bytes("门口机".as_bytes()))
        .unwrap();
    let keys = [text_key, golden_key()];
    assert!(identify(&token, &keys).all(|finding| finding.claim_kind == ClaimKind::Text));
    let found: Vec<_> = identify(GOLDEN, &keys).collect();
    assert_eq!(
        (found[0].key_index, found[0].claim_kind),
        (1, ClaimKind::UnixMillis)
    );
}

#[test]
fn upper_case_is_reported_as_upper_case_only() {
    let keys = [golden_key()];
    let found: Vec<_> = identify(&GOLDEN.to_uppercase(), &keys)
        .map(|finding| finding.format.text)
        .collect();
    assert_eq!(found, [Text::HexUpper]);
}

#[test]
fn ten_thousand_random_tokens_of_16_bytes_yield_no_time() {
    let keys = [golden_key()];
    let cipher = xtea_token::Xtea::new(
        &Key::new(*b"a random stream!"),
        xtea_token::WordOrder::default(),
    );
    for index in 0..10_000_u64 {
        let [a, b] = [2 * index, 2 * index + 1].map(|n| cipher.encrypt_block(n.to_be_bytes()));
        let token = common::hex(&[a, b].concat());
        let times = identify(&token, &keys).filter(|finding| finding.at.is_some());
        assert_eq!(times.count(), 0, "{token}");
    }
}

#[test]
fn nothing_is_found_without_a_key_or_a_token() {
    assert_eq!(identify(GOLDEN, &[]).count(), 0);
    assert_eq!(identify("", &[golden_key()]).count(), 0);
    assert_eq!(identify(&"ab".repeat(500), &[golden_key()]).count(), 0);
}

#[test]
fn the_shape_of_a_token_is_told_without_a_key() {
    let hint = |token: &str| shape(token).hint;
    assert_eq!(hint(GOLDEN), Hint::Legacy(2));
    assert_eq!(hint("gMgHXhv0nGE4jiFGw4f+Og=="), Hint::H2Aligned16);
    assert_eq!(hint("v2.AgEABw.AA"), Hint::V2);
    for nothing in [
        "",
        "測試",
        "zz",
        &"a".repeat(513),
        "gMgHXhv0nGE4jiFGw4f%2BOg==",
    ] {
        assert_eq!(hint(nothing), Hint::NotAToken, "{nothing}");
    }
    let shape = shape(GOLDEN);
    assert_eq!(shape.bytes, 16);
    assert!(shape.parses_as(Text::HexLower) && shape.parses_as(Text::Base64));
}

#[test]
fn four_bytes_more_than_whole_blocks_name_the_look_alike() {
    for blocks in 0..4 {
        let token = "0123456789abcdef".repeat(blocks) + "01234567";
        assert_eq!(shape(&token).hint, Hint::LooksLikeTeaVariant, "{token}");
    }
}

proptest! {
    #[test]
    fn every_finding_reopens_the_token(
        millis in 1_000_000_000_000_u64..10_000_000_000_000,
        format in common::any_format(),
        key: [u8; 16],
    ) {
        let keys = [Key::new(key)];
        let format = format.with_claims(Claims::UnixMillis);
        if let Ok(token) = format.issue(&keys[0], Claim::At(UnixMillis(millis))) {
            for finding in identify(&token, &keys) {
                let mut buffer = [0; 152];
                let claim = finding.format.open(&keys[0], &token, &mut buffer);
                prop_assert_eq!(claim.map(|claim| claim.at()), Ok(finding.at));
            }
        }
    }

    #[test]
    fn no_text_makes_shape_or_identify_panic(token in "\\PC{0,64}|[0-9a-f]{0,64}") {
        let _ = shape(&token);
        let _ = identify(&token, &[golden_key()]).count();
    }
}

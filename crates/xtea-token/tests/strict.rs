//! Every part of a token has one accepted spelling; here are the others.

mod common;

use common::{GOLDEN, GOLDEN_MILLIS, golden_key};
use xtea_token::{
    Claim, Claims, IssueError, Mode, Padding, Rejected, Text, TokenFormat, UnixMillis, UnixSeconds,
    WordOrder, Xtea,
};

const MILLIS: TokenFormat = TokenFormat::LEGACY;
const SECONDS: TokenFormat = MILLIS.with_claims(Claims::UnixSeconds);
const ALIAS: TokenFormat = MILLIS.with_claims(Claims::AliasThenMillis { separator: b'|' });
const OPAQUE: TokenFormat = MILLIS.with_claims(Claims::Opaque);

fn opens(format: TokenFormat, token: &str) -> bool {
    format.open(&golden_key(), token, &mut [0; 152]).is_ok()
}

/// A token of exactly these padded bytes.
fn token_of(blocks: &[u8]) -> String {
    assert_eq!(blocks.len() % 8, 0);
    let cipher = Xtea::new(&golden_key(), WordOrder::Big);
    let encrypt = |block: &[u8]| cipher.encrypt_block(block.try_into().unwrap());
    common::hex(&blocks.chunks(8).flat_map(encrypt).collect::<Vec<u8>>())
}

/// A token of this plaintext under PKCS#7.
fn pkcs7(plaintext: impl AsRef<[u8]>) -> String {
    let mut blocks = plaintext.as_ref().to_vec();
    let count = 8 - blocks.len() % 8;
    blocks.resize(blocks.len() + count, u8::try_from(count).unwrap());
    token_of(&blocks)
}

//= docs/spec/xtea-token.md#text-forms
//= type=test
//# A hexadecimal token MUST have an even number of digits, all from `0-9a-f` or all from `0-9A-F`.
#[test]
fn hexadecimal_that_is_mixed_odd_or_surrounded_is_rejected() {
    assert!(opens(MILLIS, GOLDEN));
    assert!(opens(MILLIS, &GOLDEN.to_uppercase()));
    assert!(opens(MILLIS.with_text(Text::HexUpper), GOLDEN));
    let mut mixed = GOLDEN.to_uppercase();
    mixed.replace_range(2..3, "c");
    for token in [
        mixed.as_str(),
        &GOLDEN[..31],
        &format!("{GOLDEN}0"),
        &format!(" {GOLDEN}"),
        &format!("{GOLDEN}\n"),
        &format!("{GOLDEN}\0"),
        &format!("0x{GOLDEN}"),
        &format!("+{}", &GOLDEN[1..]),
        &GOLDEN.replace('0', "o"),
        &GOLDEN.replace('0', "\u{ff10}"),
        &GOLDEN.replace('8', "%38"),
        "",
    ] {
        assert!(!opens(MILLIS, token), "{token:?}");
    }
}

//= docs/spec/xtea-token.md#text-forms
//= type=test
//# A Base64 token MUST use the standard alphabet, carry its `=` padding and leave its unused low bits zero.
#[test]
fn base64_of_another_alphabet_padding_or_spare_bits_is_rejected() {
    let format = MILLIS.with_text(Text::Base64);
    assert!(opens(format, "gMgHXhv0nGE4jiFGw4f+Og=="));
    for token in [
        "gMgHXhv0nGE4jiFGw4f-Og==",
        "gMgHXhv0nGE4jiFGw4f+Og",
        "gMgHXhv0nGE4jiFGw4f+Og=",
        "gMgHXhv0nGE4jiFGw4f+Og===",
        "gMgHXhv0nGE4jiFGw4f+Oh==",
        "gMgHXhv0nGE4jiFGw4f+O===",
        "gMgHXhv0nGE4 jiFGw4f+Og==",
        "gMgHXhv0nGE4jiFGw4f+Og==\n",
        "gMgHXhv0nGE4jiFGw4f%2BOg==",
        "=gMgHXhv0nGE4jiFGw4f+Og=",
        "====",
        "",
    ] {
        assert!(!opens(format, token), "{token:?}");
    }
}

//= docs/spec/xtea-token.md#text-forms
//= type=test
//# A URL Base64 token MUST use the URL alphabet, carry no `=` and leave its unused low bits zero.
#[test]
fn url_base64_of_another_alphabet_padding_or_spare_bits_is_rejected() {
    let format = MILLIS.with_text(Text::Base64UrlNoPad);
    assert!(opens(format, "gMgHXhv0nGE4jiFGw4f-Og"));
    for token in [
        "gMgHXhv0nGE4jiFGw4f+Og",
        "gMgHXhv0nGE4jiFGw4f-Og==",
        "gMgHXhv0nGE4jiFGw4f-Oh",
        "gMgHXhv0nGE4jiFGw4f-OgA",
        "gMgHXhv0nGE4jiFGw4f-O",
        " gMgHXhv0nGE4jiFGw4f-Og",
    ] {
        assert!(!opens(format, token), "{token:?}");
    }
}

//= docs/spec/xtea-token.md#limits
//= type=test
//# A token of more than 512 bytes MUST be rejected before it is decoded.
//= docs/spec/xtea-token.md#limits
//= type=test
//# The ciphertext MUST be a positive multiple of 8 bytes and at most 152 bytes long.
#[test]
fn ciphertext_that_is_empty_ragged_or_too_long_is_rejected() {
    let format = OPAQUE.with_padding(Padding::None);
    assert!(opens(format, &"00".repeat(8)));
    assert!(opens(format, &"00".repeat(144)));
    for bytes in [0, 1, 7, 9, 12, 160, 256, 257, 1 << 20] {
        assert!(!opens(format, &"00".repeat(bytes)), "{bytes}");
    }
}

//= docs/spec/xtea-token.md#limits
//= type=test
//# The plaintext MUST be at most 144 bytes long.
#[test]
fn plaintext_of_144_bytes_fits_and_of_145_does_not() {
    for padding in [
        Padding::Pkcs7,
        Padding::ZeroAlways,
        Padding::Zero,
        Padding::LenPrefixBe,
    ] {
        let format = OPAQUE.with_padding(padding);
        let token = format
            .issue(&golden_key(), Claim::Bytes(&[b'x'; 144]))
            .unwrap();
        assert!(opens(format, &token), "{padding:?}");
        let refused = format.issue(&golden_key(), Claim::Bytes(&[b'x'; 145]));
        assert_eq!(refused.err(), Some(IssueError::Length), "{padding:?}");
    }
    assert!(!opens(
        OPAQUE.with_padding(Padding::None),
        &token_of(&[b'x'; 152])
    ));
    assert!(!opens(OPAQUE, &pkcs7([b'x'; 151])));
}

#[test]
fn iv_in_front_needs_a_block_behind_it() {
    let format = OPAQUE.with_mode(Mode::CbcIvPrefix { iv: [1; 8] });
    assert!(!opens(format, &"00".repeat(8)));
    let full = format.issue(&golden_key(), Claim::Bytes(&[b'x'; 136]));
    assert_eq!(full.err(), None);
    let over = format.issue(&golden_key(), Claim::Bytes(&[b'x'; 144]));
    assert_eq!(over.err(), Some(IssueError::Length));
}

//= docs/spec/xtea-token.md#padding
//= type=test
//# Under PKCS#7 the last byte n MUST be in 1..=8 and the last n bytes MUST all equal n.
#[test]
fn pkcs7_bytes_zero_nine_or_unequal_are_rejected() {
    assert!(opens(OPAQUE, &token_of(b"1234567\x01")));
    assert!(opens(
        OPAQUE,
        &token_of(b"12345678\x08\x08\x08\x08\x08\x08\x08\x08")
    ));
    for blocks in [
        *b"12345678123456\x00\x00",
        *b"1234567\x09\x09\x09\x09\x09\x09\x09\x09\x09",
        *b"1234567812345\x02\x03\x03",
        *b"1234567812345\x03\x02\x03",
        *b"12345678\x01\x08\x08\x08\x08\x08\x08\x08",
        *b"123456781234567\xff",
        *b"1234567812345678",
    ] {
        assert!(!opens(OPAQUE, &token_of(&blocks)), "{blocks:?}");
    }
}

//= docs/spec/xtea-token.md#padding
//= type=test
//# Under zero padding there MUST be 0..=7 trailing zero bytes after a plaintext that is not empty and holds no zero byte.
#[test]
fn eight_zeros_and_a_zero_inside_are_rejected_under_zero_padding() {
    let format = OPAQUE.with_padding(Padding::Zero);
    assert!(opens(format, &token_of(b"12345678")));
    assert!(opens(format, &token_of(b"1\0\0\0\0\0\0\0")));
    for blocks in [
        &b"\0\0\0\0\0\0\0\0"[..],
        b"12345678\0\0\0\0\0\0\0\0",
        b"1234\x00567",
        b"\x001234567",
    ] {
        assert!(!opens(format, &token_of(blocks)), "{blocks:?}");
    }
    let issue = |bytes| format.issue(&golden_key(), Claim::Bytes(bytes)).err();
    assert_eq!(issue(b""), Some(IssueError::Length));
    assert_eq!(issue(b"a\0"), Some(IssueError::ZeroByte));
}

//= docs/spec/xtea-token.md#padding
//= type=test
//# Under always-zero padding there MUST be 1..=8 trailing zero bytes after a plaintext that holds no zero byte.
#[test]
fn no_zero_nine_zeros_and_a_zero_inside_are_rejected_under_always_zero_padding() {
    let format = OPAQUE.with_padding(Padding::ZeroAlways);
    assert!(opens(format, &token_of(b"12345678\0\0\0\0\0\0\0\0")));
    assert!(opens(format, &token_of(b"1234567\0")));
    for blocks in [
        &b"12345678"[..],
        b"1234567\0\0\0\0\0\0\0\0\0",
        b"12\x0045\0\0\0",
    ] {
        assert!(!opens(format, &token_of(blocks)), "{blocks:?}");
    }
}

//= docs/spec/xtea-token.md#padding
//= type=test
//# Without padding the plaintext MUST be as long as the ciphertext, and a multiple of 16 bytes when issued.
#[test]
fn unpadded_plaintext_is_issued_in_multiples_of_16_bytes_only() {
    let format = OPAQUE.with_padding(Padding::None);
    let issue = |len: usize| format.issue(&golden_key(), Claim::Bytes(&[b'x'; 144][..len]));
    for len in [16, 32, 144] {
        assert_eq!(issue(len).unwrap().len(), 2 * len);
    }
    for len in [0, 1, 8, 15, 17, 24] {
        assert_eq!(issue(len).err(), Some(IssueError::Length), "{len}");
    }
}

//= docs/spec/xtea-token.md#padding
//= type=test
//# Under the length prefix, a big-endian `u32` length of at least 1 MUST be followed by that many bytes and then only by zero bytes up to the next multiple of 8.
#[test]
fn length_prefix_that_is_zero_too_long_too_short_or_followed_by_more_is_rejected() {
    let format = OPAQUE.with_padding(Padding::LenPrefixBe);
    assert!(opens(format, &token_of(b"\0\0\0\x041234")));
    assert!(opens(format, &token_of(b"\0\0\0\x01A\0\0\0")));
    for blocks in [
        &b"\0\0\0\0\0\0\0\0"[..],
        b"\0\0\0\x051234",
        b"\xff\xff\xff\xff1234",
        b"\0\0\0\x031234",
        b"\0\0\0\x041234\0\0\0\0\0\0\0\0",
        b"\x04\0\0\x001234",
    ] {
        assert!(!opens(format, &token_of(blocks)), "{blocks:?}");
    }
}

//= docs/spec/xtea-token.md#claims
//= type=test
//# A time in milliseconds MUST be exactly 13 ASCII digits, the first of them not `0`.
#[test]
fn milliseconds_that_are_not_13_plain_digits_are_rejected() {
    assert!(opens(MILLIS, &pkcs7("1501234567890")));
    for text in [
        "150123456789",
        "15012345678901",
        "0501234567890",
        "+150123456789",
        "-150123456789",
        " 1501234567890",
        "1501234567890 ",
        "1501234567890\n",
        "1501234567890\0",
        "150123456789.",
        "0x5d8a4b5c6d2",
        "１５０１",
        "1_501_234_567",
        "",
    ] {
        assert!(!opens(MILLIS, &pkcs7(text)), "{text:?}");
    }
}

//= docs/spec/xtea-token.md#claims
//= type=test
//# A time in seconds MUST be exactly 10 ASCII digits, the first of them not `0`.
#[test]
fn seconds_that_are_not_10_plain_digits_are_rejected() {
    assert!(opens(SECONDS, &pkcs7("1501234567")));
    for text in [
        "150123456",
        "15012345678",
        "0501234567",
        "+150123456",
        "1501234567890",
    ] {
        assert!(!opens(SECONDS, &pkcs7(text)), "{text:?}");
    }
    assert!(!opens(MILLIS, &pkcs7("1501234567")));
}

//= docs/spec/xtea-token.md#claims
//= type=test
//# An alias with a time MUST be a UTF-8 alias of 1..=128 bytes, the separator once, and 13 digits.
//= docs/spec/xtea-token.md#claims
//= type=test
//# The alias MUST NOT hold a control character, `/` or the separator.
#[test]
fn alias_with_a_time_has_one_spelling() {
    let time = "1501234567890";
    for alias in ["m_2", "门口机", "a b", &"x".repeat(128)] {
        assert!(opens(ALIAS, &pkcs7(format!("{alias}|{time}"))), "{alias:?}");
    }
    for alias in [
        "",
        "a|b",
        "a/b",
        "a\nb",
        "a\0b",
        "a\u{85}b",
        "a|",
        &"x".repeat(129),
    ] {
        assert!(
            !opens(ALIAS, &pkcs7(format!("{alias}|{time}"))),
            "{alias:?}"
        );
    }
    for text in [
        time.to_owned(),
        format!("m_2{time}"),
        format!("m_2:{time}"),
        format!("m_2||{time}"),
        format!("m_2|{time} "),
        format!("m_2|0{}", &time[1..]),
    ] {
        assert!(!opens(ALIAS, &pkcs7(&text)), "{text:?}");
    }
    assert!(!opens(ALIAS, &pkcs7([b"\xff|", time.as_bytes()].concat())));
}

//= docs/spec/xtea-token.md#claims
//= type=test
//# A token that holds an alias MUST NOT be issued.
#[test]
fn claims_of_another_kind_and_times_of_other_lengths_are_not_issued() {
    let at = Claim::At(UnixMillis(GOLDEN_MILLIS));
    let issue = |format: TokenFormat, claim| format.issue(&golden_key(), claim).err();
    let alias = Claim::AliasAt("m_2", UnixMillis(GOLDEN_MILLIS));
    assert_eq!(issue(ALIAS, alias), Some(IssueError::Unsafe));
    assert_eq!(issue(ALIAS, at), Some(IssueError::Unsafe));
    assert_eq!(issue(SECONDS, at), Some(IssueError::WrongClaim));
    assert_eq!(
        issue(MILLIS, Claim::Bytes(b"1501234567890")),
        Some(IssueError::WrongClaim)
    );
    for millis in [0, 1, 999_999_999_999, 10_000_000_000_000, u64::MAX] {
        let claim = Claim::At(UnixMillis(millis));
        assert_eq!(
            issue(MILLIS, claim),
            Some(IssueError::TimeOutOfRange),
            "{millis}"
        );
    }
    for seconds in [999_999_999, 10_000_000_000] {
        let claim = Claim::AtSeconds(UnixSeconds(seconds));
        assert_eq!(
            issue(SECONDS, claim),
            Some(IssueError::TimeOutOfRange),
            "{seconds}"
        );
    }
}

//= docs/spec/xtea-token.md#verification
//= type=test
//# Every failed verification MUST give the same opaque result.
#[test]
fn every_rejection_looks_the_same() {
    for token in [
        "",
        "zz",
        &GOLDEN[..30],
        &pkcs7("hello"),
        &token_of(&[9; 16]),
    ] {
        let rejected: Rejected = MILLIS
            .open(&golden_key(), token, &mut [0; 152])
            .unwrap_err();
        assert_eq!(rejected.to_string(), "token rejected");
        assert_eq!(
            format!("{rejected:?} {rejected:#?}"),
            "token rejected token rejected"
        );
        assert!(std::error::Error::source(&rejected).is_none());
    }
    assert_eq!(size_of::<Rejected>(), 0);
}

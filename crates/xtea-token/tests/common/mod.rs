//! Reading the vector files.
#![allow(dead_code, unreachable_pub)] // every test binary uses its own part

use proptest::prelude::*;
use xtea_token::{Claim, Claims, Key, Mode, Padding, Text, TokenFormat, WordOrder};

/// The key of every golden token, 00 01 .. 0f.
pub fn golden_key() -> Key {
    Key::from_hex("000102030405060708090a0b0c0d0e0f").unwrap()
}

/// The legacy golden token, made at 2017-07-28T09:36:07.890Z.
pub const GOLDEN: &str = "80c8075e1bf49c61388e2146c387fe3a";
pub const GOLDEN_MILLIS: u64 = 1_501_234_567_890;

/// The fields of every line that is not a comment.
pub fn lines(file: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    file.lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| line.split(' ').collect())
}

pub fn unhex<const N: usize>(digits: &str) -> [u8; N] {
    assert_eq!(digits.len(), 2 * N, "{digits}");
    std::array::from_fn(|i| u8::from_str_radix(&digits[2 * i..2 * i + 2], 16).unwrap())
}

pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// One line of the golden tokens.
pub struct Golden {
    pub plaintext: &'static str,
    pub format: TokenFormat,
    pub token: &'static str,
}

impl Golden {
    pub fn all() -> Vec<Self> {
        lines(include_str!("../vectors/golden_tokens.txt"))
            .map(|fields| {
                let [claims, plaintext, order, mode, padding, text, token] = fields[..] else {
                    panic!("seven fields expected");
                };
                let format = TokenFormat::LEGACY
                    .with_claims(claims_named(claims))
                    .with_order(order_named(order))
                    .with_mode(mode_named(mode))
                    .with_padding(padding_named(padding))
                    .with_text(text_named(text));
                Self {
                    plaintext,
                    format,
                    token,
                }
            })
            .collect()
    }

    /// The claim as the plaintext states it.
    pub fn claim(&self) -> Claim<'static> {
        let number = |digits: &str| digits.parse().unwrap();
        match self.format.claims {
            Claims::UnixMillis => Claim::At(xtea_token::UnixMillis(number(self.plaintext))),
            Claims::UnixSeconds => {
                Claim::AtSeconds(xtea_token::UnixSeconds(number(self.plaintext)))
            }
            Claims::AliasThenMillis { .. } => {
                let (alias, digits) = self.plaintext.split_once('|').unwrap();
                Claim::AliasAt(alias, xtea_token::UnixMillis(number(digits)))
            }
            _ => Claim::Bytes(self.plaintext.as_bytes()),
        }
    }
}

/// Any format at all.
pub fn any_format() -> impl Strategy<Value = TokenFormat> {
    let order = prop_oneof![Just(WordOrder::Big), Just(WordOrder::Little)];
    let mode = prop_oneof![
        Just(Mode::Ecb),
        any::<[u8; 8]>().prop_map(|iv| Mode::Cbc { iv }),
        any::<[u8; 8]>().prop_map(|iv| Mode::CbcIvPrefix { iv }),
    ];
    let padding = prop_oneof![
        Just(Padding::Pkcs7),
        Just(Padding::Zero),
        Just(Padding::ZeroAlways),
        Just(Padding::None),
        Just(Padding::LenPrefixBe),
    ];
    let text = prop_oneof![
        Just(Text::HexLower),
        Just(Text::HexUpper),
        Just(Text::Base64),
        Just(Text::Base64UrlNoPad),
    ];
    let claims = prop_oneof![
        Just(Claims::UnixMillis),
        Just(Claims::UnixSeconds),
        any::<u8>().prop_map(|separator| Claims::AliasThenMillis { separator }),
        Just(Claims::Opaque),
    ];
    (order, mode, padding, text, claims).prop_map(|(order, mode, padding, text, claims)| {
        TokenFormat::LEGACY
            .with_order(order)
            .with_mode(mode)
            .with_padding(padding)
            .with_text(text)
            .with_claims(claims)
    })
}

pub fn order_named(name: &str) -> WordOrder {
    match name {
        "big" => WordOrder::Big,
        "little" => WordOrder::Little,
        _ => panic!("no word order {name}"),
    }
}

fn claims_named(name: &str) -> Claims {
    match name {
        "millis" => Claims::UnixMillis,
        "seconds" => Claims::UnixSeconds,
        "alias" => Claims::AliasThenMillis { separator: b'|' },
        "opaque" => Claims::Opaque,
        _ => panic!("no claims {name}"),
    }
}

fn mode_named(name: &str) -> Mode {
    match name.split_once(':') {
        None if name == "ecb" => Mode::Ecb,
        Some(("cbc", iv)) => Mode::Cbc { iv: unhex(iv) },
        _ => panic!("no mode {name}"),
    }
}

fn padding_named(name: &str) -> Padding {
    match name {
        "pkcs7" => Padding::Pkcs7,
        "zero" => Padding::Zero,
        "zero-always" => Padding::ZeroAlways,
        "none" => Padding::None,
        "len-prefix" => Padding::LenPrefixBe,
        _ => panic!("no padding {name}"),
    }
}

fn text_named(name: &str) -> Text {
    match name {
        "hex" => Text::HexLower,
        "base64" => Text::Base64,
        "base64url" => Text::Base64UrlNoPad,
        _ => panic!("no text form {name}"),
    }
}

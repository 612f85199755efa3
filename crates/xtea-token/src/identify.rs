//! Finding out which format a deployed server uses, from one token and the key.

use crate::cipher::{Key, WordOrder, Xtea};
use crate::claims::{Claim, Claims, UnixMillis};
use crate::mode::Mode;
use crate::padding::Padding;
use crate::text::Text;
use crate::token::{Ciphertext, MAX_TOKEN, Raw, TokenFormat};
use crate::verify::V2_PREFIX;

const TEXTS: [Text; 4] = [
    Text::HexLower,
    Text::HexUpper,
    Text::Base64,
    Text::Base64UrlNoPad,
];
const ORDERS: [WordOrder; 2] = [WordOrder::Big, WordOrder::Little];
const PADDINGS: [Padding; 5] = [
    Padding::Pkcs7,
    Padding::Zero,
    Padding::ZeroAlways,
    Padding::None,
    Padding::LenPrefixBe,
];
const SEPARATORS: [u8; 6] = *b"|_:,#;";

/// Every format under which `token` opens canonically with one of `keys`, best first.
///
/// Formats whose plaintext is a time come before those whose plaintext is merely printable text,
/// which is weak evidence. Tried are both word orders, ECB, CBC from a zero IV and CBC with the IV
/// in front, all paddings, the text forms that parse, and 13 digits, 10 digits, an alias before
/// 13 digits, or printable UTF-8. The work is bounded: four decryptions for each key and text form
/// that parses.
///
/// For someone who holds the key, as a diagnosis; a server answers requests with
/// [`Verifier`](crate::Verifier).
///
/// ```
/// use xtea_token::{Key, TokenFormat, identify};
///
/// let keys = [Key::from_hex("000102030405060708090a0b0c0d0e0f")?];
/// let found = identify("80c8075e1bf49c61388e2146c387fe3a", &keys).next();
/// assert_eq!(found.map(|finding| finding.format), Some(TokenFormat::LEGACY));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn identify<'a>(token: &'a str, keys: &'a [Key]) -> impl Iterator<Item = Finding> + Clone + 'a {
    //= docs/spec/xtea-token.md#identification
    //# Findings whose plaintext holds a time MUST come before findings whose plaintext is only text.
    [Evidence::Time, Evidence::Text]
        .into_iter()
        .flat_map(move |evidence| {
            openings(token, keys).flat_map(move |opening| opening.findings(evidence))
        })
}

/// What the outside of `token` tells, without a key.
///
/// The text forms are tried in the order of [`Text`]'s variants; the first that gives a hint other
/// than [`Hint::NotAToken`] decides.
pub fn shape(token: &str) -> Shape {
    let lengths = TEXTS.map(|text| decoded_len(text, token));
    let hints = TEXTS.into_iter().zip(lengths).filter_map(|(text, bytes)| {
        let bytes = bytes?;
        Some((Hint::of(text, bytes), bytes))
    });
    let (hint, bytes) = if token.starts_with(V2_PREFIX) {
        (Hint::V2, 0)
    } else {
        let mut hints = hints.filter(|(hint, _)| *hint != Hint::NotAToken);
        hints.next().unwrap_or((Hint::NotAToken, 0))
    };
    Shape {
        hint,
        bytes,
        parses_as: lengths.map(|bytes| bytes.is_some()),
    }
}

/// One format under which a token opens canonically.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The format; [`TokenFormat::open`] with it opens the token.
    pub format: TokenFormat,
    /// Which of the keys.
    pub key_index: usize,
    /// What the plaintext is.
    pub claim_kind: ClaimKind,
    /// The time it states.
    pub at: Option<UnixMillis>,
}

/// What the plaintext of a [`Finding`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClaimKind {
    /// 13 digits.
    UnixMillis,
    /// 10 digits.
    UnixSeconds,
    /// An alias, a separator, 13 digits.
    AliasThenMillis,
    /// Printable UTF-8 without a time: weak evidence.
    Text,
}

/// What the outside of a token tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shape {
    /// The best guess.
    pub hint: Hint,
    /// Length of the ciphertext behind the guess, in bytes; 0 without one.
    pub bytes: usize,
    parses_as: [bool; TEXTS.len()],
}

/// A guess at what made a token, from its length alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Hint {
    /// That many whole blocks.
    Legacy(usize),
    /// Base64 of a multiple of 16 bytes, as H2's class makes; also possible for other formats.
    H2Aligned16,
    /// 4 bytes more than whole blocks: a length word in front, the mark of a class that is named
    /// `XTEA` in several Java code bases but computes a variant of TEA. Not supported here.
    LooksLikeTeaVariant,
    /// Starts as an authenticated `v2.` token does.
    V2,
    /// Neither; perhaps it still carries percent escapes.
    NotAToken,
}

/// What a plaintext has to hold, strong evidence first.
#[derive(Clone, Copy)]
enum Evidence {
    Time,
    Text,
}

/// A token decrypted with one key, text form and word order.
#[derive(Clone)]
struct Opening {
    key_index: usize,
    text: Text,
    order: WordOrder,
    ciphertext: Ciphertext,
    raw: Raw,
}

impl Shape {
    /// True when the token is the canonical spelling of some bytes in this form.
    pub fn parses_as(&self, text: Text) -> bool {
        TEXTS
            .into_iter()
            .zip(self.parses_as)
            .any(|(form, parses)| form == text && parses)
    }
}

impl Hint {
    fn of(text: Text, bytes: usize) -> Self {
        let is_base64 = matches!(text, Text::Base64 | Text::Base64UrlNoPad);
        match bytes % 16 {
            _ if bytes == 0 => Self::NotAToken,
            0 if is_base64 => Self::H2Aligned16,
            0 | 8 => Self::Legacy(bytes / 8),
            4 | 12 => Self::LooksLikeTeaVariant,
            _ => Self::NotAToken,
        }
    }
}

impl Opening {
    /// Tries every mode and padding: exclusive-ors and comparisons, no further decryption.
    fn findings(self, evidence: Evidence) -> impl Iterator<Item = Finding> + Clone {
        let first_block = self.ciphertext.blocks().first().copied();
        let modes = [
            Mode::Ecb,
            Mode::Cbc { iv: [0; 8] },
            Mode::CbcIvPrefix {
                iv: first_block.unwrap_or_default(),
            },
        ];
        modes
            .into_iter()
            .flat_map(|mode| PADDINGS.map(|padding| (mode, padding)))
            .filter_map(move |(mode, padding)| self.finding(mode, padding, evidence))
    }

    fn finding(&self, mode: Mode, padding: Padding, evidence: Evidence) -> Option<Finding> {
        let format = TokenFormat::LEGACY
            .with_order(self.order)
            .with_mode(mode)
            .with_padding(padding)
            .with_text(self.text)
            .with_claims(Claims::Opaque);
        let mut buffer = [0; 152];
        //= docs/spec/xtea-token.md#identification
        //# A finding MUST be reported only when the token is the canonical spelling of a plaintext in that format.
        let Claim::Bytes(plaintext) = self.raw.open(&self.ciphertext, &format, &mut buffer)? else {
            return None;
        };
        let (claims, claim_kind, at) = match (evidence, time_in(plaintext)) {
            (Evidence::Time, Some((claims, kind, at))) => (claims, kind, Some(at)),
            (Evidence::Text, None) if is_printable(plaintext) => {
                (Claims::Opaque, ClaimKind::Text, None)
            }
            _ => return None,
        };
        Some(Finding {
            format: format.with_claims(claims),
            key_index: self.key_index,
            claim_kind,
            at,
        })
    }
}

/// The token decrypted in every way that differs in more than chaining and padding.
fn openings<'a>(token: &'a str, keys: &'a [Key]) -> impl Iterator<Item = Opening> + Clone + 'a {
    let spellings = TEXTS
        .into_iter()
        .filter_map(|text| Some((text, Ciphertext::decode(text, token)?)))
        .filter(|(text, _)| is_in_its_case(*text, token));
    keys.iter().enumerate().flat_map(move |(key_index, key)| {
        spellings.clone().flat_map(move |(text, ciphertext)| {
            ORDERS.map(|order| Opening {
                key_index,
                text,
                order,
                raw: ciphertext.decrypt(&Xtea::new(key, order)),
                ciphertext: ciphertext.clone(),
            })
        })
    })
}

/// False for one of the two hexadecimal forms, so that a token is reported as it is written.
fn is_in_its_case(text: Text, token: &str) -> bool {
    let has_upper = token.bytes().any(|byte| byte.is_ascii_uppercase());
    match text {
        Text::HexLower => !has_upper,
        Text::HexUpper => has_upper,
        Text::Base64 | Text::Base64UrlNoPad => true,
    }
}

/// Length of the bytes that `token` spells canonically, whether or not they are whole blocks.
fn decoded_len(text: Text, token: &str) -> Option<usize> {
    if token.len() > MAX_TOKEN {
        return None;
    }
    let bytes = text.decode(token.as_bytes(), &mut [0; MAX_TOKEN])?.len();
    Some(bytes)
}

fn time_in(plaintext: &[u8]) -> Option<(Claims, ClaimKind, UnixMillis)> {
    let with_alias = SEPARATORS.map(|separator| {
        let claims = Claims::AliasThenMillis { separator };
        (claims, ClaimKind::AliasThenMillis)
    });
    [
        (Claims::UnixMillis, ClaimKind::UnixMillis),
        (Claims::UnixSeconds, ClaimKind::UnixSeconds),
    ]
    .into_iter()
    .chain(with_alias)
    .find_map(|(claims, kind)| Some((claims, kind, claims.read(plaintext)?.at()?)))
}

fn is_printable(plaintext: &[u8]) -> bool {
    let text = core::str::from_utf8(plaintext);
    text.is_ok_and(|text| !text.is_empty() && !text.chars().any(char::is_control))
}

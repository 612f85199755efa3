//! Signatures of requests.
//!
//! The document refers to another one for its rules, which are those of [`Preset::MakeMd5`]. The
//! other presets are what platforms of that kind use elsewhere, for servers that differ.

mod order;

use crate::codec::Digits;
use crate::wire::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use order::for_each_sorted;
use sha1::Sha1;
use sha2::Sha256;
use std::fmt;
use subtle::ConstantTimeEq;

/// Signs parameters, and tells whether somebody else who has the key did.
pub trait Signer {
    /// Appends the signature of `params` to `out`. Their order does not matter, and one that is
    /// called `sign` is passed over.
    fn sign(&self, params: &[(&str, SignValue<'_>)], out: &mut String);

    /// True if `sign` is the signature of `params`. Takes as long whichever it is.
    fn verify(&self, params: &[(&str, SignValue<'_>)], sign: &str) -> bool {
        let mut expected = String::new();
        self.sign(params, &mut expected);
        expected.as_bytes().ct_eq(sign.as_bytes()).into()
    }
}

/// What a parameter says, as it is signed: not percent-encoded, not escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SignValue<'a> {
    /// A text.
    Str(&'a str),
    /// A whole number. Signed like the text of its digits.
    Int(i64),
    /// JSON's `null`.
    Null,
}

/// How parameters become a signature. `K` is the key; parameters go in ascending order of their
/// names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Preset {
    /// MD5 of `k1=v1&k2=v2&key=K`, in upper-case hexadecimal. Empty values count; null is signed as
    /// `None`.
    #[default]
    MakeMd5,
    /// The same without parameters that are empty or null.
    WeChatPayMd5,
    /// HMAC-SHA256 under K of what [`Self::WeChatPayMd5`] digests, in upper-case hexadecimal.
    WeChatPayHmacSha256,
    /// MD5 of `Kk1v1k2v2K`, in upper-case hexadecimal, without parameters that are empty or null.
    TopMd5,
    /// HMAC-MD5 under K of `k1v1k2v2`, in upper-case hexadecimal, without parameters that are empty
    /// or null.
    TopHmacMd5,
    /// MD5 of `v1v2K`, in lower-case hexadecimal. Null is signed as `None`.
    ValuesMd5,
    /// HMAC-SHA1 under K of `k1=v1&k2=v2`, in base64. Null is signed as `None`.
    HmacSha1Base64,
}

/// A preset and its key, made ready once: to sign and to verify allocates nothing but room for the
/// signature.
///
/// ```
/// use analyst_proto::sign::{Preset, SigningKey, SignValue, Signer as _};
/// use analyst_proto::wire::Secret;
///
/// let key = SigningKey::new(Preset::MakeMd5, &Secret::new("test-secret"));
/// let params = [
///     ("timestamp", SignValue::Int(1_558_583_537_598)),
///     ("name", SignValue::Str("analyst_3")),
/// ];
/// let mut sign = String::new();
/// key.sign(&params, &mut sign);
/// assert_eq!(sign, "414CF01A66FA2BD0DA58BF25B6ED2884");
/// assert!(key.verify(&params, "414cf01a66fa2bd0da58bf25b6ed2884"));
/// ```
#[derive(Clone)]
pub struct SigningKey {
    preset: Preset,
    secret: Secret,
    state: State,
}

/// What a digest starts from. States with a key are wiped when dropped, as texts are.
#[derive(Clone)]
enum State {
    Md5,
    HmacMd5(Hmac<Md5>),
    HmacSha1(Hmac<Sha1>),
    HmacSha256(Hmac<Sha256>),
}

/// The bytes of a digest: the first so many of the longest one's.
struct Raw {
    bytes: [u8; Raw::MAX],
    len: usize,
}

impl SigningKey {
    /// Makes a key ready.
    pub fn new(preset: Preset, secret: &Secret) -> Self {
        let bytes = secret.as_str().as_bytes();
        let state = match preset {
            Preset::MakeMd5 | Preset::WeChatPayMd5 | Preset::TopMd5 | Preset::ValuesMd5 => {
                State::Md5
            }
            Preset::TopHmacMd5 => State::HmacMd5(keyed(bytes)),
            Preset::HmacSha1Base64 => State::HmacSha1(keyed(bytes)),
            Preset::WeChatPayHmacSha256 => State::HmacSha256(keyed(bytes)),
        };
        let secret = secret.clone();
        Self {
            preset,
            secret,
            state,
        }
    }

    /// How it signs.
    pub fn preset(&self) -> Preset {
        self.preset
    }

    fn digest(&self, params: &[(&str, SignValue<'_>)]) -> Raw {
        match &self.state {
            State::Md5 => {
                let mut md5 = Md5::new();
                self.write(params, |part| md5.update(part));
                Raw::new(&md5.finalize())
            }
            State::HmacMd5(mac) => self.mac(mac.clone(), params),
            State::HmacSha1(mac) => self.mac(mac.clone(), params),
            State::HmacSha256(mac) => self.mac(mac.clone(), params),
        }
    }

    fn mac(&self, mut mac: impl Mac, params: &[(&str, SignValue<'_>)]) -> Raw {
        self.write(params, |part| mac.update(part));
        Raw::new(&mac.finalize().into_bytes())
    }

    /// Hands out the text that is digested, part by part.
    fn write(&self, params: &[(&str, SignValue<'_>)], mut each: impl FnMut(&[u8])) {
        let secret = self.secret.as_str().as_bytes();
        if self.preset == Preset::TopMd5 {
            each(secret);
        }
        self.preset.write(params, &mut each);
        match self.preset {
            Preset::MakeMd5 | Preset::WeChatPayMd5 | Preset::WeChatPayHmacSha256 => {
                each(b"&key=");
                each(secret);
            }
            Preset::TopMd5 | Preset::ValuesMd5 => each(secret),
            Preset::TopHmacMd5 | Preset::HmacSha1Base64 => {}
        }
    }
}

impl Signer for SigningKey {
    fn sign(&self, params: &[(&str, SignValue<'_>)], out: &mut String) {
        let raw = self.digest(params);
        match self.preset {
            Preset::HmacSha1Base64 => STANDARD.encode_string(raw.bytes(), out),
            Preset::ValuesMd5 => push_hex(raw.bytes(), b"0123456789abcdef", out),
            _ => push_hex(raw.bytes(), b"0123456789ABCDEF", out),
        }
    }

    fn verify(&self, params: &[(&str, SignValue<'_>)], sign: &str) -> bool {
        let expected = self.digest(params);
        let given = match self.preset {
            Preset::HmacSha1Base64 => Raw::from_base64(sign),
            //= docs/spec/analyst-proto.md#signature
            //# A signature in hexadecimal MUST be verified whatever the case of its letters.
            _ => Raw::from_hex(sign),
        };
        // What was given is no secret: only the comparison has to take the same time.
        //= docs/spec/analyst-proto.md#signature
        //# A signature MUST be compared in a time that does not depend on where it differs.
        given.is_some_and(|given| expected.bytes().ct_eq(given.bytes()).into())
    }
}

impl Preset {
    /// Every preset, in the order in which they are declared.
    pub const ALL: [Self; 7] = [
        Self::MakeMd5,
        Self::WeChatPayMd5,
        Self::WeChatPayHmacSha256,
        Self::TopMd5,
        Self::TopHmacMd5,
        Self::ValuesMd5,
        Self::HmacSha1Base64,
    ];

    /// Whether parameters that are empty or null are left out.
    fn drops_blank(self) -> bool {
        //= docs/spec/analyst-proto.md#signature
        //# An empty text MUST be signed as such by default.
        matches!(
            self,
            Self::WeChatPayMd5 | Self::WeChatPayHmacSha256 | Self::TopMd5 | Self::TopHmacMd5
        )
    }

    /// Hands out the text that is signed, but for the key, part by part.
    fn write(self, params: &[(&str, SignValue<'_>)], each: &mut impl FnMut(&[u8])) {
        let (between, equals): (&[u8], &[u8]) = match self {
            Self::TopMd5 | Self::TopHmacMd5 | Self::ValuesMd5 => (b"", b""),
            _ => (b"&", b"="),
        };
        let mut is_first = true;
        for_each_sorted(params, |(name, value)| {
            //= docs/spec/analyst-proto.md#signature
            //# A parameter with the name `sign` MUST NOT be signed.
            let is_blank = matches!(value, SignValue::Null | SignValue::Str(""));
            if name == "sign" || (is_blank && self.drops_blank()) {
                return;
            }
            if !std::mem::take(&mut is_first) {
                each(between);
            }
            if self != Self::ValuesMd5 {
                each(name.as_bytes());
                each(equals);
            }
            match value {
                //= docs/spec/analyst-proto.md#signature
                //# A value MUST be signed as it is, neither percent-encoded nor escaped.
                SignValue::Str(text) => each(text.as_bytes()),
                //= docs/spec/analyst-proto.md#signature
                //# A number MUST be signed as its decimal digits.
                SignValue::Int(number) => {
                    if number < 0 {
                        each(b"-");
                    }
                    each(Digits::of(number.unsigned_abs()).as_bytes());
                }
                //= docs/spec/analyst-proto.md#signature
                //# Null MUST be signed as `None` by default.
                SignValue::Null => each(b"None"),
            }
        });
    }
}

impl Raw {
    /// The longest: SHA-256.
    const MAX: usize = 32;

    fn new(digest: &[u8]) -> Self {
        let mut bytes = [0; Self::MAX];
        for (byte, from) in bytes.iter_mut().zip(digest) {
            *byte = *from;
        }
        let len = digest.len().min(Self::MAX);
        Self { bytes, len }
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    fn from_hex(text: &str) -> Option<Self> {
        let pairs = text.as_bytes().chunks_exact(2);
        if !pairs.remainder().is_empty() {
            return None;
        }
        let mut bytes = [0; Self::MAX];
        let mut len = 0_usize;
        for pair in pairs {
            let [high, low] = pair else { return None };
            *bytes.get_mut(len)? = (nibble(*high)? << 4) | nibble(*low)?;
            len = len.saturating_add(1);
        }
        Some(Self { bytes, len })
    }

    fn from_base64(text: &str) -> Option<Self> {
        let mut bytes = [0; Self::MAX];
        let len = STANDARD.decode_slice(text, &mut bytes).ok()?;
        Some(Self { bytes, len })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({:?}, ..)", self.preset)
    }
}

impl<'a> From<&'a str> for SignValue<'a> {
    fn from(text: &'a str) -> Self {
        Self::Str(text)
    }
}

impl From<i64> for SignValue<'_> {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

/// HMAC takes keys of any length.
pub(crate) fn keyed<M: Mac + KeyInit>(key: &[u8]) -> M {
    match <M as KeyInit>::new_from_slice(key) {
        Ok(mac) => mac,
        Err(_) => unreachable!("hmac takes keys of any length"),
    }
}

fn push_hex(bytes: &[u8], digits: &[u8; 16], out: &mut String) {
    out.reserve(bytes.len().saturating_mul(2));
    for byte in bytes {
        for nibble in [byte >> 4, byte & 0xf] {
            let digit = digits.get(usize::from(nibble)).copied();
            out.push(digit.unwrap_or_default().into());
        }
    }
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit & 0xf),
        b'a'..=b'f' | b'A'..=b'F' => Some((digit & 0xf).wrapping_add(9)),
        _ => None,
    }
}

//! The bytes of a `v2.` token.

use core::ops::Deref;

use super::{Scope, Ticket};
use crate::claims::UnixSeconds;
use crate::text::Text;
use crate::token::{MAX_TOKEN, TokenText};
use crate::verify::V2_PREFIX;

const VERSION: u8 = 2;
const FLAG_BOUND: u8 = 1;
/// Version to subject length: 1 + 1 + 2 + 8 + 8 + 2 + 8 + 1.
const FIXED: usize = 31;
const MAX_SUBJECT: usize = 128;
const MAC: usize = 16;

/// A token's two parts, decoded but not believed.
pub(super) struct Decoded {
    claims: ClaimBytes,
    mac: [u8; MAC],
}

/// The claims as bytes:
///
/// ```text
/// version 1 · flags 1 · key id 2 · issued 8 · expires 8 · scope 2 · nonce 8 · n 1 · subject n
/// ```
pub(super) struct ClaimBytes {
    bytes: [u8; FIXED + MAX_SUBJECT],
    len: usize,
}

/// What must be known to check the MAC.
#[derive(Clone, Copy)]
pub(super) struct Header {
    pub(super) bound: bool,
    pub(super) key_id: u16,
}

/// The claims of a token whose MAC is right.
pub(super) struct Claims<'t> {
    pub(super) bound: bool,
    pub(super) key_id: u16,
    pub(super) issued: UnixSeconds,
    pub(super) expires: UnixSeconds,
    pub(super) scope: Scope,
    pub(super) nonce: [u8; 8],
    pub(super) subject: &'t str,
}

impl Decoded {
    pub(super) fn from_text(token: &str) -> Option<Self> {
        if token.len() > MAX_TOKEN {
            return None;
        }
        //= docs/spec/xtea-token.md#text-of-a-v2-token
        //# A v2 token MUST be `v2.`, the claims, `.` and the MAC, both parts in URL Base64 without padding and with unused low bits zero.
        let (claims_text, mac_text) = token.strip_prefix(V2_PREFIX)?.split_once('.')?;
        let mut claims = ClaimBytes::EMPTY;
        claims.len = decode(claims_text, &mut claims.bytes)?;
        let mut mac = [0; MAC];
        let mac_len = decode(mac_text, &mut mac)?;
        //= docs/spec/xtea-token.md#text-of-a-v2-token
        //# The claims MUST be exactly as long as the subject length says, and the MAC 16 bytes.
        let subject_len = usize::from(*claims.get(FIXED.wrapping_sub(1))?);
        let exact = claims.len == FIXED.wrapping_add(subject_len) && mac_len == MAC;
        exact.then_some(Self { claims, mac })
    }

    pub(super) fn claims(&self) -> &[u8] {
        &self.claims
    }

    pub(super) fn mac(&self) -> &[u8] {
        &self.mac
    }

    /// Version, flags and key id.
    pub(super) fn header(&self) -> Option<Header> {
        let &[version, flags, high, low, ..] = &*self.claims else {
            return None;
        };
        //= docs/spec/xtea-token.md#checks-of-a-v2-token
        //# The version MUST be 2 and every flag other than `bound` MUST be zero.
        let known = version == VERSION && flags & !FLAG_BOUND == 0;
        known.then_some(Header {
            bound: flags & FLAG_BOUND != 0,
            key_id: u16::from_be_bytes([high, low]),
        })
    }

    /// The claims behind the header; for a token whose MAC is right.
    pub(super) fn interpret(&self, header: Header) -> Option<Claims<'_>> {
        let (_, rest) = self.claims.split_first_chunk::<4>()?;
        let (issued, rest) = rest.split_first_chunk()?;
        let (expires, rest) = rest.split_first_chunk()?;
        let (scope, rest) = rest.split_first_chunk()?;
        let (nonce, rest) = rest.split_first_chunk()?;
        let (_, subject) = rest.split_first()?;
        Some(Claims {
            bound: header.bound,
            key_id: header.key_id,
            issued: UnixSeconds(u64::from_be_bytes(*issued)),
            expires: UnixSeconds(u64::from_be_bytes(*expires)),
            scope: Scope::from_bits(u16::from_be_bytes(*scope)),
            nonce: *nonce,
            subject: core::str::from_utf8(subject).ok()?,
        })
    }
}

impl ClaimBytes {
    const EMPTY: Self = Self {
        bytes: [0; FIXED + MAX_SUBJECT],
        len: 0,
    };

    /// `None` when the subject is too long.
    pub(super) fn new(key_id: u16, bound: bool, ticket: &Ticket<'_>) -> Option<Self> {
        let mut claims = Self::EMPTY;
        claims.push(&[VERSION, if bound { FLAG_BOUND } else { 0 }])?;
        claims.push(&key_id.to_be_bytes())?;
        claims.push(&ticket.issued.0.to_be_bytes())?;
        claims.push(&ticket.expires.0.to_be_bytes())?;
        claims.push(&ticket.scope.bits().to_be_bytes())?;
        claims.push(&ticket.nonce)?;
        claims.push(&[u8::try_from(ticket.subject.len()).ok()?])?;
        claims.push(ticket.subject.as_bytes())?;
        Some(claims)
    }

    fn push(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.len.checked_add(bytes.len())?;
        self.bytes.get_mut(self.len..end)?.copy_from_slice(bytes);
        self.len = end;
        Some(())
    }
}

impl Deref for ClaimBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// The token's text; only the first 16 bytes of `mac` go into it.
pub(super) fn to_text(claims: &[u8], mac: &[u8]) -> Option<TokenText> {
    let mac = mac.get(..MAC)?;
    TokenText::build(|out| {
        let (prefix, rest) = out.split_at_mut_checked(V2_PREFIX.len())?;
        prefix.copy_from_slice(V2_PREFIX.as_bytes());
        let claims_len = Text::Base64UrlNoPad.encode(claims, rest)?;
        let (dot, rest) = rest.get_mut(claims_len..)?.split_first_mut()?;
        *dot = b'.';
        let mac_len = Text::Base64UrlNoPad.encode(mac, rest)?;
        V2_PREFIX
            .len()
            .checked_add(claims_len)?
            .checked_add(1)?
            .checked_add(mac_len)
    })
}

fn decode(text: &str, out: &mut [u8]) -> Option<usize> {
    let bytes = Text::Base64UrlNoPad.decode(text.as_bytes(), out)?;
    Some(bytes.len())
}

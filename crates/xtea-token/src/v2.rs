//! The authenticated `v2.` token: HMAC-SHA256 over its claims and, when bound, over one request.
//!
//! It fits the same path segment as an XTEA token and shares nothing else with it: another key,
//! another construction. XTEA carries no part of its security.
//!
//! ```
//! use xtea_token::UnixSeconds;
//! use xtea_token::v2::{MacKey, ReplayCache, Request, Scope, Ticket, Verifier};
//!
//! let key = MacKey::new(7, [0x42; 32]);
//! let request = Request::new("POST", "/push", [0; 32], Scope::PUBLISH);
//! let now = UnixSeconds(1_501_234_567);
//! let ticket = Ticket::new(Scope::PUBLISH, now, UnixSeconds(now.0 + 300), [1; 8]);
//! let token = key.issue_bound(&ticket, &request)?;
//!
//! let verifier = Verifier::new(key);
//! let mut replays = ReplayCache::<64>::new();
//! let grant = verifier.verify_request(now, &token, &request, &mut replays)?;
//! assert_eq!(grant.scope, Scope::PUBLISH);
//! assert!(verifier.verify_request(now, &token, &request, &mut replays).is_err()); // replayed
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod replay;
mod wire;

use core::fmt;
use core::iter;
use core::ops::BitOr;
use core::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

pub use self::replay::{AllowReplays, Nonce, ReplayCache, ReplayGuard};
use self::wire::Decoded;
use crate::claims::{Alias, UnixMillis, UnixSeconds};
use crate::error::{IssueError, Refused, Rejected};
use crate::token::TokenText;
use crate::verify::{Accept, V2_PREFIX, Verified};

const DOMAIN: &[u8] = b"xtea-token/v2\n";
/// Keys beside the first.
const MORE: usize = 3;
const DEFAULT_SKEW: Duration = Duration::from_secs(300);
/// The longest life of a bound token, in seconds.
const MAX_BOUND_LIFE: u64 = 900;
/// The longest life of a token that is not bound, in seconds.
const MAX_LIFE: u64 = 86_400;

/// Verifies `v2.` tokens against up to four MAC keys.
#[derive(Debug, Clone)]
pub struct Verifier {
    key: MacKey,
    more_keys: [Option<MacKey>; MORE],
    skew: Duration,
}

/// A MAC key and the number tokens name it by; `Debug` hides the key.
///
/// Must be another key than the XTEA key. The 32 bytes are not kept, only the keyed state.
#[derive(Clone)]
pub struct MacKey {
    id: u16,
    state: Hmac<Sha256>,
}

/// What is to be said by a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ticket<'a> {
    /// What the bearer may do.
    pub scope: Scope,
    /// Whose token this is: an alias of at most 128 bytes, or empty.
    pub subject: &'a str,
    /// When it is issued.
    pub issued: UnixSeconds,
    /// From when on it is not valid any more.
    pub expires: UnixSeconds,
    /// Eight bytes that no other token under this key has, from the caller's random source.
    pub nonce: [u8; 8],
}

/// The request a token comes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Request<'a> {
    /// The method in capitals, `"POST"`.
    pub method: &'a str,
    /// The raw path, still percent-encoded, up to and without the last `/` and the token.
    pub path: &'a str,
    /// SHA-256 of the body, so that a streamed body needs no copy.
    pub body_sha256: [u8; 32],
    /// What this request needs.
    pub scope: Scope,
}

/// What a token allows, as a set of bits. Unknown bits are kept and grant nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Scope(u16);

/// What an accepted token allows.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Grant {
    /// What the bearer may do.
    pub scope: Scope,
    /// Which key signed it.
    pub key_id: u16,
    /// From when on it is not valid any more.
    pub expires: UnixSeconds,
    subject: Alias,
}

/// A token of either generation that was accepted.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Admitted {
    /// An XTEA token, which grants everything: it has neither scope nor subject.
    Legacy(Verified),
    /// A `v2.` token.
    Secure(Grant),
}

impl Verifier {
    /// A verifier for one key; the issuer's clock may be 300 s ahead.
    pub fn new(key: MacKey) -> Self {
        Self {
            key,
            more_keys: [None, None, None],
            skew: DEFAULT_SKEW,
        }
    }

    /// Also accepts tokens under `key`.
    ///
    /// # Errors
    ///
    /// Hands `key` back when there are four already or its number is taken.
    #[expect(
        clippy::result_large_err,
        reason = "set-up code, and there is no allocator"
    )]
    pub fn also_key(mut self, key: MacKey) -> Result<Self, Refused<MacKey>> {
        if self.key_with(key.id).is_some() {
            return Err(Refused(key));
        }
        match self.more_keys.iter_mut().find(|slot| slot.is_none()) {
            Some(slot) => *slot = Some(key),
            None => return Err(Refused(key)),
        }
        Ok(self)
    }

    /// Accepts tokens issued up to `skew` ahead of this server's clock.
    #[must_use]
    pub fn skew(mut self, skew: Duration) -> Self {
        self.skew = skew;
        self
    }

    /// Verifies the token of one HTTP request.
    ///
    /// Methods other than `GET` and `HEAD` need a bound token. A bound token is taken once, as far
    /// as `replays` remembers; one that is not bound may come back until it expires.
    ///
    /// # Errors
    ///
    /// [`Rejected`], for whatever reason.
    pub fn verify_request(
        &self,
        now: UnixSeconds,
        token: &str,
        request: &Request<'_>,
        replays: &mut impl ReplayGuard,
    ) -> Result<Grant, Rejected> {
        self.check_request(now, token, request, replays)
            .ok_or(Rejected::new())
    }

    /// Verifies the token with which `alias` opens a connection: not bound, and made for `alias`.
    ///
    /// `scope` is [`Scope::CONNECT`], [`Scope::RELAY`] or [`Scope::DOOR`]. The token may come back
    /// until it expires, since clients reconnect.
    ///
    /// # Errors
    ///
    /// [`Rejected`], for whatever reason.
    pub fn verify_connection(
        &self,
        now: UnixSeconds,
        token: &str,
        alias: &str,
        scope: Scope,
    ) -> Result<Grant, Rejected> {
        let grant = self.verify_subject(now, token, alias)?;
        let is_enough = grant.scope.contains(scope);
        is_enough.then_some(grant).ok_or(Rejected::new())
    }

    /// The same whatever the token allows, for who needs to know first whose it is: what it allows
    /// is the caller's to judge by [`Grant::scope`].
    ///
    /// # Errors
    ///
    /// [`Rejected`], for whatever reason.
    pub fn verify_subject(
        &self,
        now: UnixSeconds,
        token: &str,
        alias: &str,
    ) -> Result<Grant, Rejected> {
        self.check_subject(now, token, alias).ok_or(Rejected::new())
    }

    fn check_request(
        &self,
        now: UnixSeconds,
        token: &str,
        request: &Request<'_>,
        replays: &mut impl ReplayGuard,
    ) -> Option<Grant> {
        let token = Decoded::from_text(token)?;
        let claims = self.authentic(&token, Some(request))?;
        //= docs/spec/xtea-token.md#use-of-v2-tokens
        //# A request whose method is neither `GET` nor `HEAD`, and every request to `/push`, MUST carry a bound token.
        let reads = matches!(request.method, "GET" | "HEAD") && request.path != "/push";
        if !(claims.bound || reads) {
            return None;
        }
        self.check_time(now, &claims)?;
        claims.scope.contains(request.scope).then_some(())?;
        let grant = claims.grant()?;
        //= docs/spec/xtea-token.md#use-of-v2-tokens
        //# A bound token MUST be accepted at most once while the replay cache remembers its nonce.
        let nonce = Nonce {
            key_id: claims.key_id,
            bytes: claims.nonce,
        };
        let fresh = !claims.bound || replays.take(now, nonce, claims.expires);
        fresh.then_some(grant)
    }

    fn check_subject(&self, now: UnixSeconds, token: &str, alias: &str) -> Option<Grant> {
        let token = Decoded::from_text(token)?;
        let claims = self.authentic(&token, None)?; // no bound token gets past this
        self.check_time(now, &claims)?;
        //= docs/spec/xtea-token.md#use-of-v2-tokens
        //# A connection MUST carry a token that is not bound and whose subject is the alias that connects.
        let its_own = !alias.is_empty() && claims.subject == alias;
        its_own.then_some(())?;
        claims.grant()
    }

    /// The claims, once the MAC has been found right. A bound token needs its request.
    //= docs/spec/xtea-token.md#checks-of-a-v2-token
    //# Claims other than version, flags and key id MUST NOT be interpreted before the MAC has been found right.
    fn authentic<'t>(
        &self,
        token: &'t Decoded,
        request: Option<&Request<'_>>,
    ) -> Option<wire::Claims<'t>> {
        let header = token.header()?;
        let key = self.key_with(header.key_id)?;
        let binding = if header.bound { Some(request?) } else { None };
        //= docs/spec/xtea-token.md#checks-of-a-v2-token
        //# The MAC MUST be compared in constant time.
        key.mac(token.claims(), binding)?
            .verify_truncated_left(token.mac())
            .ok()?;
        token.interpret(header)
    }

    fn check_time(&self, now: UnixSeconds, claims: &wire::Claims<'_>) -> Option<()> {
        //= docs/spec/xtea-token.md#checks-of-a-v2-token
        //# The token MUST NOT be issued later than `now + skew`, and `now` MUST be before its expiry.
        let latest = now.0.saturating_add(self.skew.as_secs());
        let in_force = claims.issued.0 <= latest && now < claims.expires;
        //= docs/spec/xtea-token.md#checks-of-a-v2-token
        //# The time from issue to expiry MUST NOT exceed 900 seconds when bound and 86400 seconds when not.
        let life = claims.expires.0.checked_sub(claims.issued.0)?;
        let most = max_life(claims.bound);
        (in_force && life <= most).then_some(())
    }

    fn key_with(&self, id: u16) -> Option<&MacKey> {
        iter::once(&self.key)
            .chain(self.more_keys.iter().flatten())
            .find(|key| key.id == id)
    }
}

impl crate::Verifier {
    /// Verifies the token of one HTTP request, of whichever generation the policy admits.
    ///
    /// # Errors
    ///
    /// [`Rejected`], for whatever reason.
    pub fn admit(
        &self,
        now: UnixMillis,
        token: &str,
        request: &Request<'_>,
        replays: &mut impl ReplayGuard,
    ) -> Result<Admitted, Rejected> {
        if !token.starts_with(V2_PREFIX) {
            return self.verify(now, token).map(Admitted::Legacy);
        }
        //= docs/spec/xtea-token.md#policy
        //# A `v2.` token MUST be rejected under the policy `Legacy`, and a legacy token under `SecureOnly`.
        match self.secure_verifier() {
            Some(secure) if self.policy() != Accept::Legacy => {
                let now = UnixSeconds(now.0 / 1000);
                let grant = secure.verify_request(now, token, request, replays)?;
                Ok(Admitted::Secure(grant))
            }
            _ => Err(Rejected::new()),
        }
    }
}

impl MacKey {
    /// The key that tokens name by `id`.
    pub fn new(id: u16, key: [u8; 32]) -> Self {
        let state = Hmac::new(&padded(key).into());
        Self { id, state }
    }

    /// The number tokens name this key by.
    pub fn id(&self) -> u16 {
        self.id
    }

    /// Makes a token for one request; `ticket` expires within 900 s.
    ///
    /// # Errors
    ///
    /// [`IssueError::Length`] when subject, method or path is too long,
    /// [`IssueError::TimeOutOfRange`] when the life is negative or too long.
    pub fn issue_bound(
        &self,
        ticket: &Ticket<'_>,
        request: &Request<'_>,
    ) -> Result<TokenText, IssueError> {
        self.issue(ticket, Some(request))
    }

    /// Makes a token for the bearer; `ticket` expires within 86400 s.
    ///
    /// # Errors
    ///
    /// [`IssueError::Length`] when the subject is too long, [`IssueError::TimeOutOfRange`] when the
    /// life is negative or too long.
    pub fn issue_unbound(&self, ticket: &Ticket<'_>) -> Result<TokenText, IssueError> {
        self.issue(ticket, None)
    }

    fn issue(
        &self,
        ticket: &Ticket<'_>,
        request: Option<&Request<'_>>,
    ) -> Result<TokenText, IssueError> {
        let bound = request.is_some();
        let life = ticket.expires.0.checked_sub(ticket.issued.0);
        if life.is_none_or(|life| life > max_life(bound)) {
            return Err(IssueError::TimeOutOfRange);
        }
        let claims = wire::ClaimBytes::new(self.id, bound, ticket).ok_or(IssueError::Length)?;
        let mac = self.mac(&claims, request).ok_or(IssueError::Length)?;
        wire::to_text(&claims, &mac.finalize().into_bytes()).ok_or(IssueError::Length)
    }

    /// The MAC's state after claims and binding; `None` when a part is too long for its length
    /// field.
    //= docs/spec/xtea-token.md#mac-of-a-v2-token
    //# The MAC MUST be the first 16 bytes of HMAC-SHA256 over the domain, the length of the claims, the claims and the binding.
    fn mac(&self, claims: &[u8], binding: Option<&Request<'_>>) -> Option<Hmac<Sha256>> {
        let len = u16::try_from(claims.len()).ok()?;
        let mut mac = self.state.clone();
        mac.update(DOMAIN);
        mac.update(&len.to_be_bytes());
        mac.update(claims);
        //= docs/spec/xtea-token.md#mac-of-a-v2-token
        //# The binding of a bound token MUST cover the method, the path and the SHA-256 of the body.
        if let Some(request) = binding {
            mac.update(&[u8::try_from(request.method.len()).ok()?]);
            mac.update(request.method.as_bytes());
            mac.update(&u16::try_from(request.path.len()).ok()?.to_be_bytes());
            mac.update(request.path.as_bytes());
            mac.update(&request.body_sha256);
        }
        Some(mac)
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MacKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl<'a> Ticket<'a> {
    /// A ticket without a subject.
    pub fn new(scope: Scope, issued: UnixSeconds, expires: UnixSeconds, nonce: [u8; 8]) -> Self {
        Self {
            scope,
            subject: "",
            issued,
            expires,
            nonce,
        }
    }

    /// This ticket for one alias.
    #[must_use]
    pub fn with_subject(self, subject: &'a str) -> Self {
        Self { subject, ..self }
    }
}

impl<'a> Request<'a> {
    /// A request that needs all of `scope`.
    pub fn new(method: &'a str, path: &'a str, body_sha256: [u8; 32], scope: Scope) -> Self {
        Self {
            method,
            path,
            body_sha256,
            scope,
        }
    }
}

impl Scope {
    /// Push messages.
    pub const PUBLISH: Self = Self(1);
    /// Read server information.
    pub const INFO: Self = Self(2);
    /// Read whether an alias is on line.
    pub const STATUS: Self = Self(4);
    /// Read the lists of aliases.
    pub const ALIAS_LISTS: Self = Self(8);
    /// Connect as a client, ports 9800 and 9906.
    pub const CONNECT: Self = Self(16);
    /// Use the relay, port 9000.
    pub const RELAY: Self = Self(32);
    /// Open doors.
    pub const DOOR: Self = Self(64);

    /// The scope of these bits.
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    /// The bits, unknown ones included.
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// True when everything in `needed` is allowed; nothing at all is never enough.
    pub const fn contains(self, needed: Self) -> bool {
        needed.0 != 0 && self.0 & needed.0 == needed.0
    }
}

impl BitOr for Scope {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Grant {
    /// Whose token it is; empty when it names nobody.
    pub fn subject(&self) -> &str {
        self.subject.as_str()
    }
}

impl wire::Claims<'_> {
    fn grant(&self) -> Option<Grant> {
        Some(Grant {
            scope: self.scope,
            key_id: self.key_id,
            expires: self.expires,
            subject: Alias::new(self.subject)?,
        })
    }
}

fn max_life(bound: bool) -> u64 {
    if bound { MAX_BOUND_LIFE } else { MAX_LIFE }
}

/// The key at the length of one hash block, which HMAC defines to be the same key.
fn padded(key: [u8; 32]) -> [u8; 64] {
    let mut block = [0; 64];
    for (padded, byte) in block.iter_mut().zip(key) {
        *padded = byte;
    }
    block
}

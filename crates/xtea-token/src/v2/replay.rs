//! Which nonces have been seen.

use crate::claims::UnixSeconds;

/// Remembers nonces so that a bound token is taken once.
///
/// Only holders of a MAC key reach it, since the MAC is checked first. A cluster implements it
/// over a shared store.
pub trait ReplayGuard {
    /// True when `nonce` is new; it is then remembered until `expires`.
    fn take(&mut self, now: UnixSeconds, nonce: Nonce, expires: UnixSeconds) -> bool;
}

/// What makes one token unlike every other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Nonce {
    /// The key it was issued under.
    pub key_id: u16,
    /// The issuer's eight bytes.
    pub bytes: [u8; 8],
}

/// Remembers up to `N` nonces in place, 24 bytes each; full of live ones it takes no more.
///
/// The default holds 96 KiB: keep it in a `static` or on the heap. Taking a nonce walks all `N`.
#[derive(Debug, Clone)]
pub struct ReplayCache<const N: usize = 4096> {
    entries: [Entry; N],
}

/// Takes every nonce: for servers whose operations may be repeated.
#[derive(Debug, Clone, Copy, Default)]
pub struct AllowReplays;

/// A nonce until it expires; from then on a free place.
#[derive(Debug, Clone, Copy)]
struct Entry {
    nonce: Nonce,
    expires: UnixSeconds,
}

impl Entry {
    const FREE: Self = Self {
        nonce: Nonce {
            key_id: 0,
            bytes: [0; 8],
        },
        expires: UnixSeconds(0),
    };
}

impl<const N: usize> ReplayCache<N> {
    /// An empty cache.
    pub const fn new() -> Self {
        Self {
            entries: [Entry::FREE; N],
        }
    }
}

impl<const N: usize> Default for ReplayCache<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> ReplayGuard for ReplayCache<N> {
    fn take(&mut self, now: UnixSeconds, nonce: Nonce, expires: UnixSeconds) -> bool {
        let mut free = None;
        for entry in &mut self.entries {
            if now >= entry.expires {
                free = Some(entry);
            } else if entry.nonce == nonce {
                return false;
            }
        }
        //= docs/spec/xtea-token.md#use-of-v2-tokens
        //# A replay cache that is full of nonces of live tokens MUST reject further tokens.
        let Some(entry) = free else {
            return false;
        };
        *entry = Entry { nonce, expires };
        true
    }
}

impl ReplayGuard for AllowReplays {
    fn take(&mut self, _now: UnixSeconds, _nonce: Nonce, _expires: UnixSeconds) -> bool {
        true
    }
}

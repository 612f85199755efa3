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
    entries: [Option<Entry>; N],
}

/// Takes every nonce: for servers whose operations may be repeated.
#[derive(Debug, Clone, Copy, Default)]
pub struct AllowReplays;

#[derive(Debug, Clone, Copy)]
struct Entry {
    nonce: Nonce,
    expires: UnixSeconds,
}

impl<const N: usize> ReplayCache<N> {
    /// An empty cache.
    pub const fn new() -> Self {
        Self { entries: [None; N] }
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
        for slot in &mut self.entries {
            match slot {
                Some(entry) if now < entry.expires => {
                    if entry.nonce == nonce {
                        return false;
                    }
                }
                _ => free = Some(slot),
            }
        }
        //= docs/spec/xtea-token.md#use-of-v2-tokens
        //# A replay cache that is full of nonces of live tokens MUST reject further tokens.
        let Some(slot) = free else {
            return false;
        };
        *slot = Some(Entry { nonce, expires });
        true
    }
}

impl ReplayGuard for AllowReplays {
    fn take(&mut self, _now: UnixSeconds, _nonce: Nonce, _expires: UnixSeconds) -> bool {
        true
    }
}

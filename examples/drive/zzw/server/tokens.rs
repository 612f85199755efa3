//! Tokens: which are valid, and what they allow.

use crate::cli;
use sha2::{Digest as _, Sha256};
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use xtea_token::v2::{self, MacKey, ReplayCache, Request, Ticket};
use xtea_token::{Accept, Claim, Claims, Key, TokenFormat, UnixSeconds, Verifier};
use zzw_push_proto::platform::{Grant, Scopes};
use zzw_push_proto::rest::RestCall;

pub use xtea_token::v2::Scope;

/// The keys of a server: the first of each kind issues, all of them verify, so that keys can be
/// changed without an outage.
#[derive(Debug)]
#[non_exhaustive]
pub struct Keys {
    /// XTEA keys; at most four.
    pub xtea: Vec<Key>,
    /// Formats of XTEA tokens; at most four. The legacy one.
    pub formats: Vec<TokenFormat>,
    /// Keys of authenticated tokens; at most four. None.
    pub mac: Vec<MacKey>,
    /// Which tokens are taken; both kinds, if there are keys for both.
    pub accept: Option<Accept>,
    /// How old an XTEA token may be; 5 min.
    pub max_age: Duration,
    /// How far ahead of this machine's clock the time of a token may be; 5 min.
    pub max_skew: Duration,
}

/// Verifies tokens.
#[derive(Debug)]
pub(super) struct Tokens {
    verifier: Verifier,
    format: TokenFormat,
    /// What issues if XTEA tokens are not taken.
    issuing: Option<MacKey>,
    secure: Option<v2::Verifier>,
    replays: Mutex<Box<ReplayCache>>,
}

/// What a request is about, for tokens that are bound to it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) method: &'a str,
    /// As it stands in the request, the token included.
    pub(super) path: &'a str,
    pub(super) body: &'a [u8],
}

impl Keys {
    /// One key, for tokens of the legacy format.
    pub fn new(key: Key) -> Self {
        Self {
            xtea: vec![key],
            formats: vec![TokenFormat::LEGACY],
            mac: Vec::new(),
            accept: None,
            max_age: Duration::from_mins(5),
            max_skew: Duration::from_mins(5),
        }
    }
}

impl Tokens {
    pub(super) fn new(keys: Keys) -> io::Result<Self> {
        let wrong = |text: &str| io::Error::new(io::ErrorKind::InvalidInput, text.to_owned());
        let (mut xtea, mut formats) = (keys.xtea.into_iter(), keys.formats.into_iter());
        let (Some(key), Some(format)) = (xtea.next(), formats.next()) else {
            return Err(wrong("no key for tokens, or no format; give one"));
        };
        let timeless = "a token format without a time proves nothing; choose another";
        let mut verifier = Verifier::new(format, key).map_err(|_| wrong(timeless))?;
        for key in xtea {
            let added = verifier.also_key(key);
            verifier = added.map_err(|_| wrong("more than four keys; drop the oldest"))?;
        }
        for format in formats {
            let added = verifier.also_format(format);
            let text = "more than four token formats, or one without a time; drop one";
            verifier = added.map_err(|_| wrong(text))?;
        }
        let mut mac = keys.mac.into_iter();
        let (mut links, mut issuing) = (None, None);
        if let Some(first) = mac.next() {
            issuing = Some(first.clone());
            let mut secure = v2::Verifier::new(first).skew(keys.max_skew);
            for key in mac {
                let added = secure.also_key(key);
                let text = "more than four MAC keys, or two of one number; drop one";
                secure = added.map_err(|_| wrong(text))?;
            }
            links = Some(secure.clone());
            verifier = verifier.secure(secure);
        }
        if let Some(accept) = keys.accept {
            verifier = verifier.accept(accept);
        }
        let verifier = verifier.window(keys.max_age, keys.max_skew);
        let policy = verifier.policy();
        let issuing = issuing.filter(|_| policy == Accept::SecureOnly);
        if policy == Accept::SecureOnly && issuing.is_none() {
            return Err(wrong("only authenticated tokens, but no MAC key; give one"));
        }
        Ok(Self {
            verifier,
            format,
            issuing,
            secure: links.filter(|_| policy != Accept::Legacy),
            replays: Mutex::new(Box::new(ReplayCache::new())),
        })
    }

    /// A fresh token of the first format under the first key. Where only authenticated ones are taken
    /// it is one that reads everything for a day: what changes something needs one of its own.
    pub(super) fn issue(&self) -> io::Result<String> {
        let now = cli::now();
        let seconds = UnixSeconds(now.0 / 1000);
        let token = if let Some(key) = &self.issuing {
            let scope = Scope::INFO | Scope::STATUS | Scope::ALIAS_LISTS;
            let end = UnixSeconds(seconds.0.saturating_add(86_400));
            key.issue_unbound(&Ticket::new(scope, seconds, end, nonce()))
        } else {
            let claim = match self.format.claims {
                Claims::UnixSeconds => Claim::AtSeconds(seconds),
                _ => Claim::At(now),
            };
            self.verifier.issue(claim)
        };
        Ok(token.map_err(io::Error::other)?.as_str().to_owned())
    }

    /// True if the token allows that call.
    pub(super) fn admit(&self, token: &str, asked: Asked<'_>, call: &RestCall) -> bool {
        let path = asked.path.split(['?', '#']).next().unwrap_or_default();
        let path = path.rsplit_once('/').map_or("", |(before, _)| before);
        let body = Sha256::digest(asked.body).into();
        let request = Request::new(asked.method, path, body, scope_of(call));
        let mut replays = self.replays.lock().unwrap_or_else(PoisonError::into_inner);
        let admitted = self
            .verifier
            .admit(cli::now(), token, &request, &mut **replays);
        admitted.is_ok()
    }

    /// What the token allows that alias on a link.
    ///
    /// An XTEA token is none for a link: it says nothing of whose it is (K-2).
    //= docs/spec/zzw-push-proto.md#permission
    //# A client token MUST be an authenticated one of its alias, in time and with the scope for
    //# what it is used for.
    pub(super) fn grant(&self, token: &str, alias: &str) -> Option<Grant> {
        let now = UnixSeconds(cli::now().0 / 1000);
        let secure = self.secure.as_ref()?;
        let grant = secure.verify_subject(now, token, alias).ok()?;
        let lasts = grant.expires.0.saturating_sub(now.0);
        let scopes = Scopes(grant.scope.bits());
        Some(Grant::new(alias, scopes, Duration::from_secs(lasts)))
    }

    /// True if there is a key for tokens of links.
    pub(super) fn knows_links(&self) -> bool {
        self.secure.is_some()
    }
}

/// Random bytes: a hasher is keyed with such, and no two are keyed alike.
fn nonce() -> [u8; 8] {
    RandomState::new().build_hasher().finish().to_be_bytes()
}

fn scope_of(call: &RestCall) -> Scope {
    match call {
        RestCall::Push => Scope::PUBLISH,
        RestCall::Info | RestCall::Servers => Scope::INFO,
        RestCall::Status(_) => Scope::STATUS,
        // Lists of aliases; calls to come need what allows most to be seen.
        _ => Scope::ALIAS_LISTS,
    }
}

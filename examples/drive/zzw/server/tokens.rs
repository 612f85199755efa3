//! Tokens: which are valid, and what they allow.

use crate::cli;
use sha2::{Digest as _, Sha256};
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use xtea_token::v2::{self, MacKey, ReplayCache, Request};
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
}

/// Verifies tokens.
#[derive(Debug)]
pub(super) struct Tokens {
    verifier: Verifier,
    /// Those of clients.
    secure: Option<v2::Verifier>,
    format: TokenFormat,
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
        }
    }
}

impl Tokens {
    pub(super) fn new(keys: Keys) -> io::Result<Self> {
        let wrong = |text: &str| io::Error::new(io::ErrorKind::InvalidInput, text.to_owned());
        let (mut xtea, mut formats) = (keys.xtea.into_iter(), keys.formats.into_iter());
        let (Some(key), Some(format)) = (xtea.next(), formats.next()) else {
            return Err(wrong("no key for tokens; give one"));
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
        let mut clients = None;
        if let Some(first) = mac.next() {
            let mut secure = v2::Verifier::new(first);
            for key in mac {
                let added = secure.also_key(key);
                let text = "more than four MAC keys, or two of one number; drop one";
                secure = added.map_err(|_| wrong(text))?;
            }
            clients = (keys.accept != Some(Accept::Legacy)).then(|| secure.clone());
            verifier = verifier.secure(secure);
        }
        if let Some(accept) = keys.accept {
            verifier = verifier.accept(accept);
        }
        Ok(Self {
            verifier,
            secure: clients,
            format,
            replays: Mutex::new(Box::new(ReplayCache::new())),
        })
    }

    /// A fresh token of the first format under the first key.
    pub(super) fn issue(&self) -> io::Result<String> {
        let now = cli::now();
        let claim = match self.format.claims {
            Claims::UnixSeconds => Claim::AtSeconds(UnixSeconds(now.0 / 1000)),
            _ => Claim::At(now),
        };
        let token = self.verifier.issue(claim).map_err(io::Error::other)?;
        Ok(token.as_str().to_owned())
    }

    /// What a client's token allows, if it is valid and that alias' own (K-2). Tokens of the legacy
    /// format are nobody's own.
    pub(super) fn grant(&self, alias: &str, token: &str) -> Option<Grant> {
        let now = UnixSeconds(cli::now().0 / 1000);
        let secure = self.secure.as_ref()?;
        let valid = |scope| secure.verify_connection(now, token, alias, scope).ok();
        let scopes = [Scope::CONNECT, Scope::RELAY, Scope::DOOR];
        let granted = scopes.into_iter().find_map(valid)?;
        let lasts = Duration::from_secs(granted.expires.0.saturating_sub(now.0));
        Some(Grant::new(alias, Scopes(granted.scope.bits()), lasts))
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

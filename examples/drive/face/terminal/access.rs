//! Who may use the configuration API: those who know its account.

use face_record_push::{AskReply, Login, Token};
use lenient_wire::decode_base64;
use rustls::crypto::ring;
use sha2::{Digest as _, Sha256};
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The account, and the tokens that it has bought.
///
/// Hashes of either are compared, never the texts, so that the time that an answer takes tells nothing.
pub(super) struct Access {
    account: Hash,
    tokens: Mutex<VecDeque<Live>>,
    clock: Arc<dyn Fn() -> Instant + Send + Sync>,
}

type Hash = [u8; 32];

/// A token that was given out.
struct Live {
    token: Hash,
    until: Option<Instant>, // none is never
}

impl Access {
    pub(super) fn new(account: &Login, clock: Arc<dyn Fn() -> Instant + Send + Sync>) -> Self {
        Self {
            account: account_hash(&account.username, &account.password),
            tokens: Mutex::new(VecDeque::new()),
            clock,
        }
    }

    /// A token for whoever knows the account; the answer to give for anybody else.
    pub(super) fn log_in(&self, login: &Login, valid: Duration) -> Result<Token, AskReply> {
        let offered = account_hash(&login.username, &login.password);
        if !is_same(&offered, &self.account) {
            let msg = "wrong username or password; use the account of this terminal";
            return Err(AskReply::failure(401, msg));
        }
        let mut secret = [0; 32];
        let random = ring::default_provider().secure_random;
        random.fill(&mut secret).map_err(|_| {
            AskReply::failure(503, "the system has no random numbers; log in again later")
        })?;
        let mut token = String::with_capacity(64);
        for byte in secret {
            // A text takes everything.
            let _ = write!(token, "{byte:02x}");
        }
        let now = (self.clock)();
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        forget_expired(&mut tokens, now);
        if tokens.len() >= MAX_TOKENS {
            tokens.pop_front();
        }
        tokens.push_back(Live {
            token: Sha256::digest(&token).into(),
            //= docs/spec/face-record-push.md#subscription
            //# A token MUST expire after the time that its login asks for, of at least one minute
            //# and at most 1440.
            until: now.checked_add(valid),
        });
        Ok(Token(token))
    }

    /// Whether this `Authorization` is a live token, or the account itself.
    pub(super) fn admits(&self, authorization: &str) -> bool {
        let Some((scheme, credentials)) = authorization.split_once(' ') else {
            return false;
        };
        let credentials = credentials.trim();
        if scheme.eq_ignore_ascii_case("bearer") {
            self.is_live(credentials)
        } else {
            scheme.eq_ignore_ascii_case("basic") && self.is_account(credentials)
        }
    }

    fn is_live(&self, token: &str) -> bool {
        let offered = Sha256::digest(token).into();
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        forget_expired(&mut tokens, (self.clock)());
        // All of them, so that the time does not tell which one it is like.
        let found = |found, live: &Live| found | is_same(&live.token, &offered);
        tokens.iter().fold(false, found)
    }

    fn is_account(&self, credentials: &str) -> bool {
        let mut account = Vec::new();
        if decode_base64(credentials.as_bytes(), &mut account, MAX_ACCOUNT).is_err() {
            return false;
        }
        let account = String::from_utf8_lossy(&account);
        let (user, password) = account.split_once(':').unwrap_or_default();
        is_same(&account_hash(user, password), &self.account)
    }
}

/// Most tokens that live at a time. One more ends the oldest.
const MAX_TOKENS: usize = 64;

/// Longest name and password that a header may carry, in bytes.
const MAX_ACCOUNT: usize = 4 << 10;

fn forget_expired(tokens: &mut VecDeque<Live>, now: Instant) {
    tokens.retain(|live| live.until.is_none_or(|until| now < until));
}

fn account_hash(user: &str, password: &str) -> Hash {
    let mut hash = Sha256::new();
    hash.update((user.len() as u64).to_be_bytes());
    hash.update(user);
    hash.update(password);
    hash.finalize().into()
}

/// Takes as long for any two hashes.
fn is_same(left: &Hash, right: &Hash) -> bool {
    let pairs = left.iter().zip(right);
    let differing = pairs.fold(0, |sum, (left, right)| sum | (left ^ right));
    black_box(differing) == 0
}

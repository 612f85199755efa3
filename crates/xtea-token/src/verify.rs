//! Verification: several keys while they are rotated, several formats while a fleet is mixed, a
//! window of time.

use core::fmt;
use core::iter;
use core::time::Duration;

use crate::cipher::{Key, WordOrder, Xtea};
use crate::claims::{Alias, Claim, Claims, UnixMillis, UnixSeconds};
use crate::error::{IssueError, Refused, Rejected};
use crate::token::{Ciphertext, TokenFormat, TokenText};

/// Keys, and formats, beside the first.
const MORE: usize = 3;
const DEFAULT_WINDOW: Duration = Duration::from_secs(300);
/// What every `v2.` token starts with; no legacy text form has a full stop.
pub(crate) const V2_PREFIX: &str = "v2.";

/// Verifies tokens against up to four keys and four formats.
///
/// ```
/// use xtea_token::{Key, TokenFormat, UnixMillis, Verifier};
///
/// let key = Key::from_hex("000102030405060708090a0b0c0d0e0f")?;
/// let verifier = Verifier::new(TokenFormat::LEGACY, key)?;
/// let now = UnixMillis(1_501_234_600_000);
/// let verified = verifier.verify(now, "80c8075e1bf49c61388e2146c387fe3a")?;
/// assert_eq!(verified.claim().at(), Some(UnixMillis(1_501_234_567_890)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// To rotate a key without an outage: add the new key second on every server; make it first on
/// every server; drop the old one when [`Verified::key_index`] has been 0 for longer than the
/// window.
#[derive(Clone)]
pub struct Verifier {
    key: Schedules,
    more_keys: [Option<Schedules>; MORE],
    format: TokenFormat,
    more_formats: [Option<TokenFormat>; MORE],
    max_age: Duration,
    max_skew: Duration,
    accept: Option<Accept>, // None: nobody chose
    #[cfg(feature = "v2")]
    secure: Option<crate::v2::Verifier>,
}

/// One key's schedules under both word orders.
#[derive(Clone)]
struct Schedules {
    big: Xtea,
    little: Xtea,
}

/// Which generation of tokens a server takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[non_exhaustive]
pub enum Accept {
    /// Only XTEA tokens: the default until a `v2.` verifier is set.
    #[default]
    Legacy,
    /// Both, while clients move: the default once a `v2.` verifier is set.
    Both,
    /// Only authenticated `v2.` tokens.
    SecureOnly,
}

/// A token that was accepted, and by what.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Verified {
    /// Which key matched, 0 for the issuing key. An old key is out of use when its index no longer
    /// occurs.
    pub key_index: u8,
    /// Which format matched, 0 for the one given first.
    pub format_index: u8,
    said: Said,
}

/// A verified claim that owns its alias.
#[derive(Debug, Clone)]
enum Said {
    At(UnixMillis),
    AtSeconds(UnixSeconds),
    AliasAt(Alias, UnixMillis),
}

impl Verifier {
    /// A verifier for one format and one key, which is also the issuing key.
    ///
    /// The window is 300 s to either side unless [`window`](Self::window) says otherwise.
    ///
    /// # Errors
    ///
    /// Hands `format` back when its claims are [`Claims::Opaque`]: such tokens prove nothing.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the key moves in, no copy stays behind"
    )]
    pub fn new(format: TokenFormat, key: Key) -> Result<Self, Refused<TokenFormat>> {
        let format = with_time(format)?;
        Ok(Self {
            key: Schedules::new(&key),
            more_keys: [None, None, None],
            format,
            more_formats: [None; MORE],
            max_age: DEFAULT_WINDOW,
            max_skew: DEFAULT_WINDOW,
            accept: None,
            #[cfg(feature = "v2")]
            secure: None,
        })
    }

    /// Also accepts tokens under `key`, after the keys given before.
    ///
    /// # Errors
    ///
    /// Hands `key` back when there are four already.
    //= docs/spec/xtea-token.md#verification
    //# A verifier MUST NOT try more than 4 keys or more than 4 formats.
    pub fn also_key(mut self, key: Key) -> Result<Self, Refused<Key>> {
        match self.more_keys.iter_mut().find(|slot| slot.is_none()) {
            Some(slot) => *slot = Some(Schedules::new(&key)),
            None => return Err(Refused(key)),
        }
        Ok(self)
    }

    /// Also accepts tokens of `format`, after the formats given before.
    ///
    /// # Errors
    ///
    /// Hands `format` back when there are four already or its claims are [`Claims::Opaque`].
    pub fn also_format(mut self, format: TokenFormat) -> Result<Self, Refused<TokenFormat>> {
        let format = with_time(format)?;
        match self.more_formats.iter_mut().find(|slot| slot.is_none()) {
            Some(slot) => *slot = Some(format),
            None => return Err(Refused(format)),
        }
        Ok(self)
    }

    /// Accepts times from `max_age` ago to `max_skew` ahead, borders included.
    #[must_use]
    pub fn window(mut self, max_age: Duration, max_skew: Duration) -> Self {
        self.max_age = max_age;
        self.max_skew = max_skew;
        self
    }

    /// Chooses which generation of tokens is taken.
    #[must_use]
    pub fn accept(mut self, accept: Accept) -> Self {
        self.accept = Some(accept);
        self
    }

    /// Also accepts `v2.` tokens; the policy becomes [`Accept::Both`] unless one was chosen.
    #[cfg(feature = "v2")]
    #[must_use]
    pub fn secure(mut self, secure: crate::v2::Verifier) -> Self {
        self.secure = Some(secure);
        self
    }

    /// Makes a token in the first format under the first key.
    ///
    /// # Errors
    ///
    /// Those of [`KeyedFormat::issue`](crate::KeyedFormat::issue).
    pub fn issue(&self, claim: Claim<'_>) -> Result<TokenText, IssueError> {
        let cipher = self.key.cipher(self.format.order);
        self.format.issue_with(cipher, claim)
    }

    /// Verifies an XTEA token: the text of the last path segment, percent-decoded exactly once.
    ///
    /// # Errors
    ///
    /// [`Rejected`], for whatever reason; under [`Accept::SecureOnly`] always.
    pub fn verify(&self, now: UnixMillis, token: &str) -> Result<Verified, Rejected> {
        //= docs/spec/xtea-token.md#policy
        //# A text that starts with `v2.` MUST NOT be tried as a legacy token.
        if token.starts_with(V2_PREFIX) || self.policy() == Accept::SecureOnly {
            return Err(Rejected::new());
        }
        let mut buffer = [0; 152];
        for (format, format_index) in self.formats().zip(0..) {
            let Some(ciphertext) = Ciphertext::decode(format.text, token) else {
                continue;
            };
            for (key, key_index) in self.keys().zip(0..) {
                let raw = ciphertext.decrypt(key.cipher(format.order));
                let claim = raw.open(&ciphertext, format, &mut buffer);
                if let Some(said) = claim.and_then(|claim| self.timely(now, claim)) {
                    return Ok(Verified {
                        key_index,
                        format_index,
                        said,
                    });
                }
            }
        }
        Err(Rejected::new())
    }

    /// The policy in force.
    pub fn policy(&self) -> Accept {
        #[cfg(feature = "v2")]
        let default = match self.secure {
            Some(_) => Accept::Both,
            None => Accept::Legacy,
        };
        #[cfg(not(feature = "v2"))]
        let default = Accept::Legacy;
        self.accept.unwrap_or(default)
    }

    #[cfg(feature = "v2")]
    pub(crate) fn secure_verifier(&self) -> Option<&crate::v2::Verifier> {
        self.secure.as_ref()
    }

    fn keys(&self) -> impl Iterator<Item = &Schedules> {
        iter::once(&self.key).chain(self.more_keys.iter().flatten())
    }

    fn formats(&self) -> impl Iterator<Item = &TokenFormat> {
        iter::once(&self.format).chain(self.more_formats.iter().flatten())
    }

    /// The claim, if its time lies in the window.
    fn timely(&self, now: UnixMillis, claim: Claim<'_>) -> Option<Said> {
        //= docs/spec/xtea-token.md#verification
        //# A time MUST be accepted from `now - max_age` to `now + max_skew`, borders included, in saturating arithmetic.
        let oldest = now.0.saturating_sub(millis(self.max_age));
        let newest = now.0.saturating_add(millis(self.max_skew));
        let UnixMillis(at) = claim.at()?;
        if !(oldest..=newest).contains(&at) {
            return None;
        }
        match claim {
            Claim::At(at) => Some(Said::At(at)),
            Claim::AtSeconds(at) => Some(Said::AtSeconds(at)),
            Claim::AliasAt(alias, at) => Some(Said::AliasAt(Alias::new(alias)?, at)),
            Claim::Bytes(_) => None,
        }
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("keys", &self.keys().count())
            .field("formats", &self.formats().count())
            .field("max_age", &self.max_age)
            .field("max_skew", &self.max_skew)
            .field("policy", &self.policy())
            .finish_non_exhaustive()
    }
}

impl Verified {
    /// What the token says: a time, and the alias where the format carries one.
    pub fn claim(&self) -> Claim<'_> {
        match &self.said {
            Said::At(at) => Claim::At(*at),
            Said::AtSeconds(at) => Claim::AtSeconds(*at),
            Said::AliasAt(alias, at) => Claim::AliasAt(alias.as_str(), *at),
        }
    }
}

impl Schedules {
    fn new(key: &Key) -> Self {
        Self {
            big: Xtea::new(key, WordOrder::Big),
            little: Xtea::new(key, WordOrder::Little),
        }
    }

    fn cipher(&self, order: WordOrder) -> &Xtea {
        match order {
            WordOrder::Big => &self.big,
            WordOrder::Little => &self.little,
        }
    }
}

//= docs/spec/xtea-token.md#verification
//# A token whose plaintext holds no time MUST NOT be verified.
fn with_time(format: TokenFormat) -> Result<TokenFormat, Refused<TokenFormat>> {
    match format.claims {
        Claims::Opaque => Err(Refused(format)),
        _ => Ok(format),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

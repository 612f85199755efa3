//! What a token says, and its one plaintext spelling.

use core::fmt;

use crate::error::IssueError;

const MILLIS_DIGITS: usize = 13;
const SECONDS_DIGITS: usize = 10;
const MAX_ALIAS: usize = 128;

/// What kind of plaintext the tokens of a format hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[non_exhaustive]
pub enum Claims {
    /// 13 decimal digits: milliseconds, from September 2001 to November 2286.
    #[default]
    UnixMillis,
    /// 10 decimal digits: seconds, over the same years.
    UnixSeconds,
    /// An alias, the separator, 13 digits. Can be verified, never issued: where the alias ends on
    /// a block border, splicing two tokens swaps identities.
    AliasThenMillis {
        /// The byte between alias and time.
        separator: u8,
    },
    /// Any bytes. Can be opened, never verified: padding alone proves about one byte.
    Opaque,
}

/// What one token says.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Claim<'a> {
    /// When it was made.
    At(UnixMillis),
    /// When it was made, to the second.
    AtSeconds(UnixSeconds),
    /// Who made it, 1 to 128 bytes of UTF-8, and when.
    AliasAt(&'a str, UnixMillis),
    /// The plaintext as it is.
    Bytes(&'a [u8]),
}

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct UnixMillis(pub u64);

/// Seconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct UnixSeconds(pub u64);

/// An alias that owns its bytes, without an allocator.
#[derive(Clone)]
pub(crate) struct Alias {
    bytes: [u8; MAX_ALIAS],
    len: usize,
}

impl Claims {
    /// The plaintext of `claim`, written into `digits` when it is a time.
    pub(crate) fn write<'p>(
        self,
        claim: Claim<'p>,
        digits: &'p mut [u8; MILLIS_DIGITS],
    ) -> Result<&'p [u8], IssueError> {
        match (self, claim) {
            //= docs/spec/xtea-token.md#claims
            //# A token that holds an alias MUST NOT be issued.
            (Self::AliasThenMillis { .. }, _) => Err(IssueError::Unsafe),
            (Self::UnixMillis, Claim::At(UnixMillis(time))) => write_digits(time, digits),
            (Self::UnixSeconds, Claim::AtSeconds(UnixSeconds(time))) => {
                let (digits, _) = digits
                    .split_first_chunk_mut::<SECONDS_DIGITS>()
                    .ok_or(IssueError::TimeOutOfRange)?;
                write_digits(time, digits)
            }
            (Self::Opaque, Claim::Bytes(bytes)) => Ok(bytes),
            _ => Err(IssueError::WrongClaim),
        }
    }

    /// Reads the one spelling of a claim of this kind.
    pub(crate) fn read(self, plaintext: &[u8]) -> Option<Claim<'_>> {
        match self {
            Self::UnixMillis => read_millis(plaintext).map(Claim::At),
            Self::UnixSeconds => read_seconds(plaintext).map(Claim::AtSeconds),
            Self::AliasThenMillis { separator } => read_alias(plaintext, separator),
            Self::Opaque => Some(Claim::Bytes(plaintext)),
        }
    }
}

impl Claim<'_> {
    /// The time this claim states; seconds count as their first millisecond.
    //= docs/spec/xtea-token.md#verification
    //# A time in seconds MUST count as the first millisecond of its second.
    pub fn at(&self) -> Option<UnixMillis> {
        match *self {
            Self::At(at) | Self::AliasAt(_, at) => Some(at),
            Self::AtSeconds(at) => Some(at.into()),
            Self::Bytes(_) => None,
        }
    }
}

impl fmt::Debug for Claim<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(at) => f.debug_tuple("At").field(at).finish(),
            Self::AtSeconds(at) => f.debug_tuple("AtSeconds").field(at).finish(),
            Self::AliasAt(alias, at) => f.debug_tuple("AliasAt").field(alias).field(at).finish(),
            Self::Bytes(bytes) => write!(f, "Bytes({} bytes)", bytes.len()),
        }
    }
}

impl Alias {
    /// `None` when `alias` is longer than 128 bytes.
    pub(crate) fn new(alias: &str) -> Option<Self> {
        let mut bytes = [0; MAX_ALIAS];
        let len = alias.len();
        bytes.get_mut(..len)?.copy_from_slice(alias.as_bytes());
        Some(Self { bytes, len })
    }

    pub(crate) fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..self.len).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl fmt::Debug for Alias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl From<UnixSeconds> for UnixMillis {
    fn from(UnixSeconds(seconds): UnixSeconds) -> Self {
        Self(seconds.saturating_mul(1000))
    }
}

fn write_digits(time: u64, digits: &mut [u8]) -> Result<&[u8], IssueError> {
    let mut rest = time;
    for digit in digits.iter_mut().rev() {
        let [value, ..] = (rest % 10).to_le_bytes();
        *digit = value.wrapping_add(b'0');
        rest /= 10;
    }
    match digits.first() {
        Some(b'1'..=b'9') if rest == 0 => Ok(digits),
        _ => Err(IssueError::TimeOutOfRange),
    }
}

//= docs/spec/xtea-token.md#claims
//# A time in milliseconds MUST be exactly 13 ASCII digits, the first of them not `0`.
fn read_millis(text: &[u8]) -> Option<UnixMillis> {
    read_digits(text, MILLIS_DIGITS).map(UnixMillis)
}

//= docs/spec/xtea-token.md#claims
//# A time in seconds MUST be exactly 10 ASCII digits, the first of them not `0`.
fn read_seconds(text: &[u8]) -> Option<UnixSeconds> {
    read_digits(text, SECONDS_DIGITS).map(UnixSeconds)
}

/// Reads every byte before it judges, so that the work does not tell where a fault is.
fn read_digits(text: &[u8], count: usize) -> Option<u64> {
    let mut value = 0_u64;
    let mut wrong = text.len() != count || text.first() == Some(&b'0');
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        wrong |= digit > 9;
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
    }
    (!wrong).then_some(value)
}

//= docs/spec/xtea-token.md#claims
//# An alias with a time MUST be a UTF-8 alias of 1..=128 bytes, the separator once, and 13 digits.
fn read_alias(plaintext: &[u8], separator: u8) -> Option<Claim<'_>> {
    let (rest, digits) = plaintext.split_last_chunk::<MILLIS_DIGITS>()?;
    let (found, alias) = rest.split_last()?;
    //= docs/spec/xtea-token.md#claims
    //# The alias MUST NOT hold a control character, `/` or the separator.
    let alias = core::str::from_utf8(alias).ok()?;
    let clean = |c: char| !c.is_control() && c != '/';
    let canonical = *found == separator
        && (1..=MAX_ALIAS).contains(&alias.len())
        && alias.chars().all(clean)
        && !alias.as_bytes().contains(&separator);
    let at = read_millis(digits)?;
    canonical.then_some(Claim::AliasAt(alias, at))
}

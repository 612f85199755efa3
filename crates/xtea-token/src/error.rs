//! What can go wrong. Errors are told by hand so that the crate needs no dependency.

use core::error::Error;
use core::fmt;

/// A token was not accepted.
///
/// One opaque value for every cause: a caller who could tell a padding fault from an expired time
/// would be an oracle. To find out why, run [`identify`](crate::identify) with the key in hand.
//= docs/spec/xtea-token.md#verification
//# Every failed verification MUST give the same opaque result.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Rejected(());

impl Rejected {
    pub(crate) const fn new() -> Self {
        Self(())
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("token rejected")
    }
}

impl fmt::Debug for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for Rejected {}

/// Why a token could not be issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum IssueError {
    /// The format's tokens can be spliced into another identity: it is for verifying only.
    Unsafe,
    /// The claim is of another kind than the format's [`Claims`](crate::Claims).
    WrongClaim,
    /// The time does not have 13 (milliseconds) or 10 (seconds) decimal digits.
    TimeOutOfRange,
    /// The plaintext is empty, too long, or not of a length this padding can carry.
    Length,
    /// The plaintext holds a zero byte, which zero padding cannot tell from padding.
    ZeroByte,
}

impl fmt::Display for IssueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unsafe => "tokens of this format can be spliced; issue another format",
            Self::WrongClaim => "claim is of another kind than the format; pass the format's kind",
            Self::TimeOutOfRange => "time has too few or too many digits; check its unit",
            Self::Length => "plaintext does not fit the format; check its length and the padding",
            Self::ZeroByte => "plaintext holds a zero byte; use a padding that can carry it",
        })
    }
}

impl Error for IssueError {}

/// A text is not a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidKey(());

impl InvalidKey {
    pub(crate) const fn new() -> Self {
        Self(())
    }
}

impl fmt::Display for InvalidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a key; write exactly 32 hexadecimal digits")
    }
}

impl Error for InvalidKey {}

/// A value that could not be taken, handed back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused<T>(pub T);

impl<T> fmt::Display for Refused<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no room left or not allowed here; see the method that refused")
    }
}

impl<T: fmt::Debug> Error for Refused<T> {}

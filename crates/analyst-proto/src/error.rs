//! What can be wrong with what comes from outside.

use thiserror::Error;

/// Why a name cannot be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum NameError {
    /// It has no characters.
    #[error("the name is empty: give it at least one character")]
    Empty,
    /// It is too long.
    #[error("the name has more than {0} bytes: shorten it")]
    TooLong(usize),
    /// It has a character that MQTT or the broker gives a meaning.
    #[error("the name has {0:?} in it: leave that out")]
    Forbidden(char),
}

/// Why a message cannot be read, and where.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Error)]
#[error("{kind}")]
#[non_exhaustive]
pub struct WireError {
    /// What is wrong.
    pub kind: WireErrorKind,
}

/// What is wrong with a message.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum WireErrorKind {
    /// A member that has to be there is missing.
    #[error("the member `{0}` is missing")]
    Missing(&'static str),
}

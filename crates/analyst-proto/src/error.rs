//! What can be wrong with what comes from outside.

use lenient_wire::ScanError;
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

/// Why a message cannot be read. What the peer wrote is not in it.
//= docs/spec/analyst-proto.md#message
//# An error MUST NOT repeat what a peer sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Error)]
#[error("no message: {kind}")]
#[non_exhaustive]
pub struct WireError {
    /// What is wrong.
    pub kind: WireErrorKind,
}

/// What is wrong with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum WireErrorKind {
    /// Longer than the limit.
    #[error("longer than {max} bytes; the vendor's broker drops what is longer than 65536")]
    TooLong {
        /// The limit, in bytes.
        max: usize,
    },
    /// Text that is not UTF-8.
    #[error("text is not utf-8; find the program that writes it in gbk")]
    NotUtf8,
    /// Half of a surrogate pair, which is no character.
    #[error("an escape in a text is half a character; write utf-8 without escapes")]
    LoneSurrogate,
    /// Not JSON.
    #[error("not json from byte {offset} on")]
    NotJson {
        /// Byte offset at which it stops being JSON.
        offset: usize,
    },
    /// JSON, but no object.
    #[error("json, but no object; send {{\"action\":..,\"data\":{{..}}}}")]
    NotObject,
    /// Nested too deep.
    #[error("nested deeper than {max} levels")]
    TooDeep {
        /// The limit, in levels.
        max: u32,
    },
    /// More in a list than is accepted.
    #[error("more than {max} {what}; send fewer or raise the limit")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The limit.
        max: usize,
    },
    /// A member that has to be there is missing.
    #[error("the member `{0}` is missing")]
    Missing(&'static str),
    /// A member is not of the kind it has to be.
    #[error("`{0}` is not what it has to be; compare it with the document's example")]
    Shape(&'static str),
    /// A number is beyond what its member can hold.
    #[error("a number in `{0}` is too large, too small or negative")]
    Range(&'static str),
    /// A task's number came through floating point and may be another one now.
    #[error(
        "`id` is written as a float and may have lost digits; keep it whole or send it as text"
    )]
    LossyId,
    /// A member is there twice, and the reader is strict.
    #[error("`{0}` occurs twice; write it once")]
    Repeated(&'static str),
    /// A member is spelled in a way that only a lenient reader takes.
    #[error("`{0}` is spelled as only a lenient reader takes it; read with Lenience::field()")]
    NotStrict(&'static str),
}

impl WireErrorKind {
    /// The same, of JSON that is the value of a member.
    pub(crate) fn within(self, member: &'static str) -> Self {
        match self {
            Self::NotJson { .. } | Self::NotObject => Self::Shape(member),
            other => other,
        }
    }
}

impl From<WireErrorKind> for WireError {
    fn from(kind: WireErrorKind) -> Self {
        Self { kind }
    }
}

impl From<ScanError> for WireErrorKind {
    fn from(error: ScanError) -> Self {
        match error {
            ScanError::Utf8 { .. } => Self::NotUtf8,
            ScanError::TooDeep { max } => Self::TooDeep { max },
            ScanError::TooLong => Self::TooLong {
                max: u32::MAX as usize,
            },
            ScanError::Syntax { at } => Self::NotJson { offset: at },
            _ => Self::NotJson { offset: 0 },
        }
    }
}

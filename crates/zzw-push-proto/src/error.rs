//! What can be wrong with what a peer sent.

use crate::wire::{Code, Failure, Num};
use bytes::Bytes;

/// What was received is no message.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
//= docs/spec/zzw-push-proto.md#permission
//# An error MUST NOT repeat what a peer sent.
#[error("{} bytes are no message: {kind}", raw.len())]
#[non_exhaustive]
pub struct WireError {
    /// What is wrong.
    pub kind: WireErrorKind,
    /// The type, if there is one that could be read.
    pub t: Option<i64>,
    /// The number of the request, if it has one that could be read.
    pub num: Num,
    /// The text as it came.
    pub raw: Bytes,
}

/// What is wrong with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum WireErrorKind {
    /// Text that is not UTF-8.
    #[error("text is not utf-8; find the program that writes it in gbk")]
    NotUtf8,
    /// Not JSON, also after a repair.
    #[error("not json from byte {offset} on")]
    NotJson {
        /// Byte offset at which it stops being JSON.
        offset: usize,
    },
    /// JSON, but no object.
    #[error("json, but no object; send one object per line or event")]
    NotObject,
    /// Nested too deep.
    #[error("nested deeper than {max} levels")]
    TooDeep {
        /// The limit, in levels.
        max: u32,
    },
    /// A member that has to be there is not, or it is empty.
    #[error("no `{0}`, or nothing in it")]
    Missing(&'static str),
    /// A member is not of the kind it has to be.
    #[error("`{0}` is not what it has to be")]
    Shape(&'static str),
    /// More in a list than is accepted.
    #[error("more than {max} in `{field}`")]
    TooMany {
        /// The list.
        field: &'static str,
        /// The limit.
        max: usize,
    },
    /// The event's name says one type and `t` another.
    #[error("`t` contradicts the event's name")]
    Contradiction,
}

/// A stream of lines is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum LineError {
    /// A line is longer than the limit; what comes of it is skipped.
    #[error("line longer than {max} bytes; hang up")]
    TooLong {
        /// The limit, in bytes, without the line feed.
        max: usize,
    },
}

/// A method and a path are no call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum RestError {
    /// No such path.
    #[error("no such path; the last segment of every path is the token")]
    NotFound,
    /// The path is asked with another method.
    #[error("method not allowed; use {allowed}")]
    Method {
        /// The method that it takes.
        allowed: &'static str,
    },
    /// The token is empty or longer than 512 bytes.
    #[error("a token has 1 to 512 bytes")]
    Token,
    /// Percent encoding of no UTF-8, or none at all.
    #[error("percent encoding is broken; encode utf-8, once")]
    Escape,
    /// No page.
    #[error("a page is a number from 1 on, or number-size")]
    Page,
}

impl WireError {
    /// The answer that a server owes the sender.
    pub fn to_failure(&self) -> Failure {
        Failure::new(self.kind.code(), self.num.clone())
    }
}

impl WireErrorKind {
    /// The code of the answer.
    pub fn code(&self) -> Code {
        match self {
            Self::Missing(_) => Code::Missing,
            Self::TooMany { .. } | Self::TooDeep { .. } => Code::TooLarge,
            _ => Code::Garbled,
        }
    }
}

impl LineError {
    /// True if the link has to end: a peer that sends such a line is no peer (Z-39).
    pub fn is_fatal(&self) -> bool {
        match self {
            //= docs/spec/zzw-push-proto.md#line
            //# A line beyond the limit MUST count as the end of its link.
            Self::TooLong { .. } => true,
        }
    }
}

impl RestError {
    /// The HTTP status of the answer.
    pub fn status(&self) -> u16 {
        match self {
            //= docs/spec/zzw-push-proto.md#rest
            //# A path that is no call MUST be answered with status 404, a call by another method
            //# with 405, and one that cannot be decoded with 400.
            Self::NotFound => 404,
            Self::Method { .. } => 405,
            Self::Token => 401,
            Self::Escape | Self::Page => 400,
        }
    }

    /// The body of the answer.
    pub fn to_failure(&self) -> Failure {
        let code = match self {
            Self::NotFound => Code::Other("not_found".into()),
            Self::Method { .. } => Code::Other("method".into()),
            Self::Token => Code::Token,
            Self::Escape | Self::Page => Code::Garbled,
        };
        //= docs/spec/zzw-push-proto.md#rest
        //# Every answer with another status than 200 MUST hold a failure in its body, because old
        //# clients read nothing else.
        Failure::new(code, Num::Absent)
    }
}

/// Without the text: it may hold what is nobody's business.
impl std::fmt::Debug for WireError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WireError")
            .field("kind", &self.kind)
            .field("t", &self.t)
            .field("num", &self.num)
            .field("len", &self.raw.len())
            .finish()
    }
}

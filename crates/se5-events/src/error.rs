//! What can be wrong with what a peer sent or an application asked.

use bytes::Bytes;
use lenient_wire::ScanError;

/// A message that is no event. It costs nothing but itself: the connection goes on.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("message of {} bytes is no event: {kind}", raw.len())]
#[non_exhaustive]
pub struct EventError {
    /// What is wrong with it.
    pub kind: EventErrorKind,
    /// The message as it came.
    pub raw: Bytes,
}

/// What is wrong with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventErrorKind {
    /// Text outside pictures is not UTF-8.
    #[error("text is not utf-8; find the program that re-encodes it (gbk?) between box and here")]
    NotUtf8,
    /// Not JSON.
    #[error("not json from byte {offset} on")]
    NotJson {
        /// Byte offset at which it stops being JSON.
        offset: usize,
    },
    /// JSON, but no object.
    #[error("json, but no object at the top")]
    NotObject,
    /// Nested too deep.
    #[error("nested deeper than {max} levels; raise `Limits::max_depth` if this is wanted")]
    TooDeep {
        /// The limit, in levels.
        max: u32,
    },
    /// Too long.
    #[error("longer than {max} bytes; raise `Limits::max_message` if this is wanted")]
    TooLarge {
        /// The limit, in bytes.
        max: usize,
    },
}

/// A picture that cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// Not base64, also not after white space, prefix and escapes were removed.
    #[error("picture is not base64 from byte {offset} of its cleaned text on")]
    NotBase64 {
        /// Offset in the text, cleaned where it needed cleaning.
        offset: usize,
    },
    /// Larger than allowed.
    #[error("picture decodes to more than {max} bytes; raise the limit if this is wanted")]
    TooLarge {
        /// The limit, in bytes of JPEG.
        max: usize,
    },
}

/// A question over HTTP that was not answered as asked.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// An HTTP status other than 200 without an error body.
    #[error("box answered http status {0}")]
    Http(u16),
    /// The box says what is wrong.
    #[error("box refused: {code} ({status:?})")]
    Box {
        /// `1234` in dialect 1, `"DEVICE_INIT_ERROR"` and its like in dialect 2.
        code: String,
        /// The box's own words, which no program should depend on.
        message: String,
        /// The status beside the code, dialect 1 only.
        status: Option<String>,
    },
    /// The body is not the answer to this question.
    #[error("answer is not what the documents show; is this port the box's http port?")]
    Body,
    /// The exchange did not happen: no connection, or no answer in time.
    #[error("no answer; check address and port of the box's http service")]
    Unreachable,
}

/// A command that could not be taken; gives its value back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused<T> {
    /// The subscription names no device, and `Config::allow_empty` is not set.
    #[error("subscription names no device: name some, or set `Config::allow_empty`")]
    EmptyList(T),
    /// A limit is reached: more outputs wait than the configuration allows, or the limit that the
    /// command names.
    #[error("full: drain `poll_output`, or raise the limit that the command's documentation names")]
    Full(T),
    /// The machine is closed.
    #[error("closed: make a new machine")]
    Closed(T),
}

impl EventError {
    pub(crate) fn new(kind: EventErrorKind, raw: Bytes) -> Self {
        Self { kind, raw }
    }
}

impl std::fmt::Debug for EventError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EventError({:?}, {} bytes)", self.kind, self.raw.len())
    }
}

impl From<ScanError> for EventErrorKind {
    fn from(error: ScanError) -> Self {
        match error {
            ScanError::Utf8 { .. } => Self::NotUtf8,
            ScanError::TooDeep { max } => Self::TooDeep { max },
            ScanError::Syntax { at } => Self::NotJson { offset: at },
            _ => Self::TooLarge {
                max: u32::MAX as usize,
            },
        }
    }
}

impl std::fmt::Debug for AskError {
    /// The box's words may name people.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Http(status) => write!(f, "Http({status})"),
            Self::Box { code, message, .. } => {
                write!(f, "Box({code:?}, {} bytes)", message.len())
            }
            Self::Body => f.write_str("Body"),
            Self::Unreachable => f.write_str("Unreachable"),
        }
    }
}

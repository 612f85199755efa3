//! What can be wrong with what a peer sent or an application asked.

use bytes::Bytes;

/// A body that is no push.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("body of {} bytes is no push: {kind}", raw.len())]
#[non_exhaustive]
pub struct PushError {
    /// What is wrong with it.
    pub kind: PushErrorKind,
    /// The body as it came.
    pub raw: Bytes,
}

/// What is wrong with a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum PushErrorKind {
    /// Text outside pictures is not UTF-8.
    #[error(
        "text is not utf-8; find the program that re-encodes it (gbk?) between terminal and here"
    )]
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
    #[error("nested deeper than {max} levels")]
    TooDeep {
        /// The limit, in levels.
        max: u32,
    },
    /// An envelope with a `type` but without an object `data`.
    #[error("a type, but no object in `data`")]
    NoData,
}

/// What came back for a post is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// Not JSON, or no object.
    #[error("http status {0}, and the body is not json; is this the platform's record address?")]
    NotJson(u16),
    /// No `code` that is a whole number.
    #[error("http status {0}, and the body has no `code`; is this the platform's record address?")]
    NoCode(u16),
    /// Longer than the limit.
    #[error("http status {0}, and the body does not end; is this the platform's record address?")]
    TooLong(u16),
    /// A redirection, which is never followed.
    #[error("http status {0}: redirections are not followed; set the address it leads to")]
    Redirected(u16),
}

/// What came over the configuration API is no question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// Not JSON, or no object.
    #[error(
        "body is not a json object; send {{\"event_dest\":\"http://ip:port/Record\",\"enabled\":true}}"
    )]
    NotJson,
    /// `event_dest` is no text.
    #[error("event_dest must be text")]
    Dest,
    /// `enabled` is neither true nor false.
    #[error("enabled must be true or false")]
    Enabled,
    /// Longer than the limit.
    #[error("body is longer than {max} bytes")]
    TooLong {
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

/// A command that could not be taken; gives its value back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused<T> {
    /// A limit is reached: the one that the command's documentation names.
    #[error(
        "full: wait until the store or the platform has caught up, or raise the limit that the command's documentation names"
    )]
    Full(T),
    /// The value alone is larger than a limit allows.
    #[error("too large: it alone exceeds the limit that the command's documentation names")]
    TooLarge(T),
    /// The store is broken.
    #[error("paused: open the store anew, then call `resume`")]
    Paused(T),
    /// The value is not allowed here, or comes too late.
    #[error("not taken: see the command's documentation")]
    Invalid(T),
    /// The machine is closed.
    #[error("closed: make a new machine")]
    Closed(T),
}

impl std::fmt::Debug for PushError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        //= docs/spec/face-record-push.md#privacy
        //# An error MUST NOT repeat what a peer sent.
        write!(f, "PushError({:?}, {} bytes)", self.kind, self.raw.len())
    }
}

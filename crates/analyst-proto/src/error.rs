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
    /// It has `@@@` in more than one place, so that group and device cannot be told apart.
    #[error("the name has `@@@` in more than one place: have it only between group and device")]
    Ambiguous,
    /// It is a topic, but none of one client.
    #[error("the topic is not {{parent}}/p2p/{{client}}: subscribe to nothing else")]
    NotPointToPoint,
}

/// A reply is no connection information, and no refusal of it either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum InfoError {
    /// Longer than the limit.
    #[error("the reply has more than {max} bytes: is this the address of the server?")]
    TooLong {
        /// The limit, in bytes.
        max: usize,
    },
    /// Not JSON, or no object.
    #[error("http status {http}, and the reply is not json: is this the address of the server?")]
    NotJson {
        /// The HTTP status it came with.
        http: u16,
    },
    /// Nested too deep.
    #[error("the reply is nested deeper than {max} levels")]
    TooDeep {
        /// The limit, in levels.
        max: u32,
    },
    /// A member that has to be there is missing, or of another type.
    #[error("the reply has no `{0}` that can be used: ask the operator of the server")]
    Missing(&'static str),
    /// `data` within `data` within `data`.
    #[error("the reply has `data` in more than two levels: ask the operator of the server")]
    Nested,
    /// A name that cannot be one.
    #[error("`{member}`: {error}")]
    Name {
        /// Which member holds it.
        member: &'static str,
        /// What is wrong with it.
        error: NameError,
    },
    /// `brokerUrl` names no host, or more than a host and a port.
    #[error("`brokerUrl` must be a host, with `tcp://` or the like and a port if need be")]
    Host,
    /// A port that is none.
    #[error("`port` is no number from 1 to 65535")]
    Port,
}

/// A request for connection information that cannot be made or read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum RequestError {
    /// Longer than the limit.
    #[error("the request has more than {max} bytes: send name, timestamp and sign only")]
    TooLong {
        /// The limit, in bytes.
        max: usize,
    },
    /// A body that begins like JSON and is none.
    #[error("the body is no json object: send name, timestamp and sign in one")]
    NotJson,
    /// A percent sign that begins no escape, or escapes that are not UTF-8.
    #[error("the request is not percent-encoded utf-8")]
    Escape,
    /// A parameter that has to be there is missing, or of another type.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A parameter that is there twice: its readers could disagree.
    #[error("`{0}` is there twice: send it once")]
    Twice(&'static str),
    /// The name is empty, or longer than the document allows.
    #[error("`name` must have 1 to {max} characters")]
    NameLength {
        /// The limit, in characters.
        max: usize,
    },
    /// The name has a character that the text that is signed gives a meaning, or that no text has.
    #[error("`name` has {0:?} in it: leave that out")]
    NameCharacter(char),
    /// No decimal number.
    #[error("`timestamp` is no decimal number: send milliseconds since 1970")]
    Timestamp,
    /// Seconds, or a time that no clock shows.
    #[error("`timestamp` is not in milliseconds since 1970, or before 2001 or after 2286")]
    TimestampRange,
    /// Longer than the document allows.
    #[error("`sign` has more than {max} characters")]
    SignLength {
        /// The limit, in characters.
        max: usize,
    },
}

/// A broker that must not be connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum BrokerError {
    /// A host that the policy does not list.
    #[error("the broker's host is not among those that are allowed: allow it, or ask who sent it")]
    Host,
    /// A port that the policy does not list.
    #[error("the broker's port is not among those that are allowed: allow it, or ask who sent it")]
    Port,
    /// This host, a link-local or multicast address, or a cloud's own services.
    #[error("the broker is at a special address: allow that, or ask who sent it")]
    Special,
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

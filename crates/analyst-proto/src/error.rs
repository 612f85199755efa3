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

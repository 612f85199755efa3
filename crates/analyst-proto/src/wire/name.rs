//! Names of clients and topics.

use crate::NameError;
use std::fmt;
use std::sync::Arc;

/// Identifier of an MQTT client, `GID_Analyst@@@analyst_3`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(Arc<str>);

/// The topic above all point-to-point topics, `Analyst`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParentTopic(Arc<str>);

/// The topic of what is for one client, `Analyst/p2p/GID_Analyst@@@analyst_3`. Cheap to clone.
///
/// ```
/// use analyst_proto::wire::{ClientId, ParentTopic, Topic};
///
/// let client = ClientId::new("GID_Analyst@@@analyst_3")?;
/// let topic = ParentTopic::new("Analyst")?.p2p(&client);
/// assert_eq!(Topic::parse("Analyst/p2p/GID_Analyst@@@analyst_3/")?, topic);
/// assert_eq!((topic.parent(), topic.client()), ("Analyst", client.as_str()));
/// # Ok::<(), analyst_proto::NameError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic(Arc<str>);

/// Between the group and the device in a client identifier.
const SEPARATOR: &str = "@@@";
/// Between the parent topic and the client in a point-to-point topic.
const P2P: &str = "/p2p";

impl ClientId {
    /// Longest identifier, in bytes.
    pub const MAX_LEN: usize = 64;

    /// An identifier, if it can be a level of a topic.
    ///
    /// # Errors
    ///
    /// If it is empty, has more than 64 bytes, has one of `+`, `#`, `/`, `$` or a character that
    /// no [`Topic`] has, or has `@@@` in more than one place.
    pub fn new(text: impl AsRef<str>) -> Result<Self, NameError> {
        let text = text.as_ref();
        //= docs/spec/analyst-proto.md#names
        //# A client identifier MUST be refused that is empty, has more than 64 bytes, or has one of
        //# `+`, `#`, `/` and `$` in it.
        check(text, Self::MAX_LEN, &['+', '#', '/', '$'])?;
        //= docs/spec/analyst-proto.md#names
        //# A client identifier MUST be refused that can be divided at `@@@` in more than one place.
        if text.find(SEPARATOR) != text.rfind(SEPARATOR) {
            return Err(NameError::Ambiguous);
        }
        Ok(Self(text.into()))
    }

    /// The identifier of a device of a group: `{group}@@@{device}`.
    ///
    /// # Errors
    ///
    /// As [`Self::new`], and if group or device is empty.
    pub fn of(group: &str, device: &str) -> Result<Self, NameError> {
        if group.is_empty() || device.is_empty() {
            return Err(NameError::Empty);
        }
        Self::new(format!("{group}{SEPARATOR}{device}"))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The group it says it is of: what stands before `@@@`.
    pub fn group(&self) -> Option<&str> {
        Some(self.0.split_once(SEPARATOR)?.0)
    }

    /// The device it says it is: what stands behind `@@@`.
    pub fn device(&self) -> Option<&str> {
        Some(self.0.split_once(SEPARATOR)?.1)
    }

    /// True if Aliyun's broker takes it: a group of 7 to 64 letters, digits, `-` and `_` that begins
    /// with `GID_` or `GID-`, and a device.
    pub fn is_of_lmq(&self) -> bool {
        let is_of_a_group = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let is_group = |group: &str| {
            (7..=64).contains(&group.len())
                && (group.starts_with("GID_") || group.starts_with("GID-"))
                && group.bytes().all(is_of_a_group)
        };
        self.group().is_some_and(is_group) && self.device().is_some_and(|name| !name.is_empty())
    }
}

impl ParentTopic {
    /// Longest topic, in bytes.
    pub const MAX_LEN: usize = 64;

    /// A parent topic; a trailing `/` is left out.
    ///
    /// # Errors
    ///
    /// If it is empty, has more than 64 bytes, has one of `+` and `#`, a character that no [`Topic`]
    /// has, or begins with `$`.
    pub fn new(text: impl AsRef<str>) -> Result<Self, NameError> {
        //= docs/spec/analyst-proto.md#names
        //# A parent topic MUST be taken with and without `/` at its end, as the same.
        let text = text.as_ref().trim_end_matches('/');
        //= docs/spec/analyst-proto.md#names
        //# A parent topic MUST be refused that is empty, has more than 64 bytes, has `+` or `#` in it,
        //# or begins with `$`.
        check(text, Self::MAX_LEN, &['+', '#'])?;
        if text.starts_with('$') {
            return Err(NameError::Forbidden('$'));
        }
        Ok(Self(text.into()))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The topic of what is for `client`.
    pub fn p2p(&self, client: &ClientId) -> Topic {
        //= docs/spec/analyst-proto.md#names
        //# What is for a client MUST be published to `{parent}/p2p/{client}`, without `/` at the end.
        Topic(format!("{}{P2P}/{}", self.0, client.0).into())
    }
}

impl Topic {
    /// Longest topic that Aliyun's broker takes, in characters.
    pub const MAX_LEN_LMQ: usize = 64;

    /// Reads a point-to-point topic as brokers write it, with or without `/` at its end.
    ///
    /// # Errors
    ///
    /// [`NameError::NotPointToPoint`] for another topic, else what is wrong with the parent topic or
    /// the client identifier in it.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        //= docs/spec/analyst-proto.md#names
        //# A point-to-point topic MUST be read with and without `/` at its end, as the same.
        let text = text.strip_suffix('/').unwrap_or(text);
        let (above, client) = text.rsplit_once('/').ok_or(NameError::NotPointToPoint)?;
        let parent = above.strip_suffix(P2P).ok_or(NameError::NotPointToPoint)?;
        if parent.ends_with('/') {
            return Err(NameError::NotPointToPoint);
        }
        //= docs/spec/analyst-proto.md#names
        //# Names MUST be checked alike in what is sent and in what is received.
        Ok(ParentTopic::new(parent)?.p2p(&ClientId::new(client)?))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The topic above all others.
    pub fn parent(&self) -> &str {
        let above = self.0.rsplit_once('/').unwrap_or_default().0;
        above.strip_suffix(P2P).unwrap_or_default()
    }

    /// Whom it is for.
    pub fn client(&self) -> &str {
        self.0.rsplit_once('/').unwrap_or_default().1
    }

    /// True if Aliyun's broker takes it: at most 64 characters.
    pub fn is_of_lmq(&self) -> bool {
        self.0.chars().count() <= Self::MAX_LEN_LMQ
    }
}

/// The rules that all names have in common.
fn check(text: &str, max: usize, forbidden: &[char]) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text.len() > max {
        return Err(NameError::TooLong(max));
    }
    //= docs/spec/analyst-proto.md#names
    //# A name MUST be refused that has a control character, a character that changes the direction or
    //# the line of a text, or a code point that is no character in it.
    let is_bad = |char: char| forbidden.contains(&char) || is_unprintable(char);
    match text.chars().find(|char| is_bad(*char)) {
        Some(char) => Err(NameError::Forbidden(char)),
        None => Ok(()),
    }
}

/// What MQTT forbids in texts or advises against, and what makes a log say something else.
pub(crate) fn is_unprintable(char: char) -> bool {
    let code = u32::from(char);
    char.is_control()
        || matches!(code, 0x200e | 0x200f | 0x2028..=0x202e | 0x2066..=0x2069 | 0xfdd0..=0xfdef)
        || code & 0xfffe == 0xfffe
}

macro_rules! shown_as_text {
    ($($name:ident)*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }
    )*};
}

shown_as_text!(ClientId ParentTopic Topic);

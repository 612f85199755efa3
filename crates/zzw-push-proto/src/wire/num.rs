//! Numbers of requests and ids of messages, kept as they came.

use super::{Json, Text};
use lenient_wire::push_utf8;
use std::fmt;
use std::hash::{Hash, Hasher};

/// The number by which a request finds its reply, echoed unchanged (Z-6).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Num {
    /// Not written, or `null`.
    #[default]
    Absent,
    /// A text, which may be empty.
    Str(Text),
    /// A number, as it was written.
    Num(Text),
}

/// The id of a message, opaque (Z-4). Text when we write it; one that came as a number goes back as
/// one. Ids are equal if their texts are.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Mid {
    /// A text.
    Str(Text),
    /// A number, as it was written.
    Num(Text),
}

impl Num {
    /// A number as a text, which is what our own requests carry.
    pub fn new(text: impl Into<Text>) -> Self {
        Self::Str(text.into())
    }

    /// What was written; empty if nothing was.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Absent => "",
            Self::Str(text) | Self::Num(text) => text,
        }
    }

    /// The number as JSON, `None` if absent.
    pub fn to_json(&self) -> Option<Json> {
        let mut json = Vec::new();
        self.write(&mut json);
        Json::parse(json).ok()
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Absent => {}
            Self::Str(text) => push_utf8(out, text.as_utf8()),
            Self::Num(number) => out.extend_from_slice(number.as_utf8()),
        }
    }
}

impl Mid {
    /// An id of ours.
    pub fn new(text: impl Into<Text>) -> Self {
        Self::Str(text.into())
    }

    /// What was written.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Str(text) | Self::Num(text) => text,
        }
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Str(text) => push_utf8(out, text.as_utf8()),
            Self::Num(number) => out.extend_from_slice(number.as_utf8()),
        }
    }
}

impl PartialEq for Mid {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Mid {}

impl Hash for Mid {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Display for Mid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

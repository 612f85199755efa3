//! Texts: slices of what was received, or our own.

use super::slice::{Cut, Slice};
use lenient_wire::{Kind, Value};
use std::borrow::{Borrow, Cow};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

/// A text: an alias, a topic, an error. Cheap to clone.
///
/// One of up to 22 bytes stands in place. A longer one that was received without escapes is a slice
/// of the received bytes.
#[derive(Clone, Default)]
pub struct Text(Slice); // UTF-8

/// A token of REST or of a client. Its text is never shown by `Debug`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Token(pub Text);

impl Text {
    /// A text that costs no allocation.
    pub const fn from_static(text: &'static str) -> Self {
        Self(Slice::from_static(text.as_bytes()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        // Every constructor takes UTF-8 only.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Its bytes, for whoever writes them: to see again that they are UTF-8 costs more than that.
    #[inline]
    pub(crate) fn as_utf8(&self) -> &[u8] {
        &self.0
    }

    /// Its length in bytes of UTF-8.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if it has no characters.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A text of its own bytes: it does not hold on to the message it came in.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self(Slice::copied(&self.0))
    }

    /// A text that has been found to be one.
    #[inline]
    pub(crate) fn validated(text: Slice) -> Self {
        Self(text)
    }

    /// The content of a text or number found in `json`.
    #[inline]
    pub(crate) fn of(json: &impl Cut, value: Value) -> Option<Self> {
        match value.kind {
            Kind::Text | Kind::Number => Some(Self(json.cut(value.range()))),
            _ => lenient_wire::text(json.bytes(), value).map(Self::from),
        }
    }
}

impl Token {
    /// A token; any text may turn out to be one.
    pub fn new(text: impl Into<Text>) -> Self {
        Self(text.into())
    }

    /// Its text, for whoever checks or sends it.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl std::ops::Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

/// As `str` does it, because maps of texts are asked with `&str`.
impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        *self.0 == *other.0
    }
}

impl Eq for Text {}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&*other.0)
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        *self.0 == *other.as_bytes()
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self == *other
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text.into_bytes().into())
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(Slice::copied(text.as_bytes()))
    }
}

impl From<Cow<'_, str>> for Text {
    fn from(text: Cow<'_, str>) -> Self {
        text.into_owned().into()
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        //= docs/spec/zzw-push-proto.md#permission
        //# Tokens, bodies of messages, what a device tells about itself and frames of rooms MUST
        //# NOT appear in debug output.
        f.write_str("Token(..)")
    }
}

//! Texts: slices of what was received, or our own.

use bytes::Bytes;
use std::fmt;

/// A text. Cheap to clone; one that was received without escapes is a slice of the received bytes.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(Bytes); // UTF-8

impl Text {
    /// A text that costs no allocation.
    pub const fn from_static(text: &'static str) -> Self {
        Self(Bytes::from_static(text.as_bytes()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        // Every constructor takes UTF-8 only.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// A text of its own bytes: it does not hold on to the message it came in.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self(Bytes::copy_from_slice(&self.0))
    }

    /// A text that has been found to be one.
    pub(crate) fn validated(text: Bytes) -> Self {
        Self(text)
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        self.0
    }

    /// The text for a log: no more than 128 bytes of it.
    pub(crate) fn shown(&self) -> Shown<'_> {
        Shown::new(self, self.len())
    }

    /// An address for a log: without a query, which may be what lets one in.
    pub(crate) fn shown_address(&self) -> Shown<'_> {
        Shown::new(self, self.find(['?', '#']).unwrap_or(self.len()))
    }
}

/// The beginning of a text, for a log.
pub(crate) struct Shown<'a> {
    text: &'a str,
    is_whole: bool,
}

impl<'a> Shown<'a> {
    fn new(text: &'a str, end: usize) -> Self {
        let shown = cut(text.get(..end).unwrap_or_default(), 128);
        Self {
            text: shown,
            is_whole: shown.len() == text.len(),
        }
    }
}

/// As many characters as there are in the first `max` bytes.
pub(crate) fn cut(text: &str, max: usize) -> &str {
    if text.len() <= max {
        return text;
    }
    let ends = (0..=max).rev();
    let mut fitting = ends.filter_map(|end| text.get(..end));
    fitting.next().unwrap_or_default()
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

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text.into_bytes().into())
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
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

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.text, f)?;
        f.write_str(if self.is_whole { "" } else { ".." })
    }
}

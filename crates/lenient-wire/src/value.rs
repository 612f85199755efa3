//! What a scanner finds, or does not.

/// Where a value stands in the text, and of what kind it is.
///
/// Offsets are bytes into the text given to [`Scanner::new`](crate::Scanner::new). For text they exclude the quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Value {
    /// What stands there.
    pub kind: Kind,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Kind {
    /// Not in the document at all.
    #[default]
    Missing,
    /// `null`
    Null,
    /// `true`
    True,
    /// `false`
    False,
    /// A number in JSON's grammar.
    Number,
    /// Text without a backslash: its bytes are its content.
    Text,
    /// Text with at least one escape.
    EscapedText,
    /// Text found by [`Scanner::bulk`](crate::Scanner::bulk): neither its escapes nor its UTF-8 have been looked at.
    Bulk,
    /// `{…}`, validated.
    Object,
    /// `[…]`, validated.
    Array,
}

/// The text is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScanError {
    /// Not JSON from this byte on.
    Syntax {
        /// Byte offset.
        at: usize,
    },
    /// Text outside bulk values that is not UTF-8.
    Utf8 {
        /// Byte offset of the text.
        at: usize,
    },
    /// Nested deeper than the scanner was told to accept.
    TooDeep {
        /// The limit, in levels.
        max: u32,
    },
    /// Longer than offsets of 32 bits reach.
    TooLong,
}

impl Value {
    /// The bytes of this value in `json`, the text it was found in.
    pub fn of<'a>(&self, json: &'a [u8]) -> &'a [u8] {
        json.get(self.range()).unwrap_or_default()
    }

    /// The place as a range.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

impl std::fmt::Display for ScanError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Syntax { at } => write!(f, "not json from byte {at} on"),
            Self::Utf8 { at } => write!(f, "text at byte {at} is not utf-8"),
            Self::TooDeep { max } => write!(f, "nested deeper than {max} levels"),
            Self::TooLong => write!(f, "longer than 4 GiB"),
        }
    }
}

impl std::error::Error for ScanError {}

/// Offsets fit: [`Scanner::new`](crate::Scanner::new) takes no text that is longer.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "see above")]
pub(crate) fn span(kind: Kind, start: usize, end: usize) -> Value {
    Value {
        kind,
        start: start as u32,
        end: end as u32,
    }
}

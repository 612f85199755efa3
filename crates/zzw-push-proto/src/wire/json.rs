//! JSON that is carried, not understood.

use super::MAX_BODY_DEPTH;
use super::slice::{Cut, Slice};
use super::write::push_raw;
use bytes::Bytes;
use lenient_wire::{Kind, ScanError, Scanner, Value, push_text};
use std::borrow::Cow;
use std::fmt;

/// One JSON value as it was written: the body of a message. Cheap to clone.
///
/// Two are equal if their texts are, but for line breaks between tokens, which no encoder writes.
/// `Debug` shows the length only.
#[derive(Clone)]
pub struct Json(Slice); // validated

impl Json {
    /// The JSON of a text.
    pub fn text(text: &str) -> Self {
        let mut json = Vec::with_capacity(text.len().saturating_add(2));
        push_text(&mut json, text);
        Self(json.into())
    }

    /// Any JSON value, nested at most [`MAX_BODY_DEPTH`] levels.
    ///
    /// # Errors
    ///
    /// [`ScanError`] if it is none.
    pub fn parse(json: impl Into<Bytes>) -> Result<Self, ScanError> {
        let json = json.into();
        let mut scan = Scanner::new(&json, MAX_BODY_DEPTH);
        let value = scan.value()?;
        scan.end()?;
        Ok(Self::of(&json, value))
    }

    /// The JSON as it was written.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The JSON as it was written.
    pub fn as_str(&self) -> &str {
        // A scanner has validated it.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// What the text says, if this is a text.
    pub fn to_text(&self) -> Option<Cow<'_, str>> {
        let value = Scanner::new(&self.0, MAX_BODY_DEPTH).value().ok()?;
        match value.kind {
            Kind::Text | Kind::EscapedText => lenient_wire::text(&self.0, value),
            _ => None,
        }
    }

    /// A value of its own bytes: it does not hold on to the message it came in.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self(Slice::copied(&self.0))
    }

    /// JSON that has been found to be some.
    #[inline]
    pub(crate) fn validated(json: Slice) -> Self {
        Self(json)
    }

    #[inline]
    pub(crate) fn of(json: &impl Cut, value: Value) -> Self {
        Self(json.cut(whole(value)))
    }

    /// A value that is known to stand there.
    pub(crate) fn part_of(json: &Bytes, part: std::ops::Range<usize>) -> Self {
        Self(json.cut(part))
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        push_raw(out, &self.0);
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        let is_kept = |byte: &&u8| !matches!(byte, b'\n' | b'\r');
        *self.0 == *other.0 || {
            let ours = self.0.iter().filter(is_kept);
            ours.eq(other.0.iter().filter(is_kept))
        }
    }
}

impl Eq for Json {}

impl From<&str> for Json {
    /// The JSON of a text, as [`Json::text`].
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        //= docs/spec/zzw-push-proto.md#permission
        //# Tokens, bodies of messages, what a device tells about itself and frames of rooms MUST
        //# NOT appear in debug output.
        write!(f, "Json({} bytes)", self.0.len())
    }
}

/// The range of a value with the quotes that text has.
pub(crate) fn whole(value: Value) -> std::ops::Range<usize> {
    match value.kind {
        Kind::Text | Kind::EscapedText | Kind::Bulk => {
            (value.start as usize).saturating_sub(1)..(value.end as usize).saturating_add(1)
        }
        _ => value.range(),
    }
}

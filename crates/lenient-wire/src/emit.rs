//! Writing JSON: compact, strict, members in the order they are given.

use crate::plain::is_plain;

/// Appends `text` in quotes; only what JSON demands is escaped.
#[inline]
pub fn push_text(out: &mut Vec<u8>, text: &str) {
    push_utf8(out, text.as_bytes());
}

/// Appends text given as its UTF-8, as [`push_text`] does.
#[inline]
pub fn push_utf8(out: &mut Vec<u8>, text: &[u8]) {
    if !is_plain(text) {
        return push_escaped(out, text);
    }
    out.reserve(text.len().saturating_add(2));
    out.push(b'"');
    out.extend_from_slice(text);
    out.push(b'"');
}

#[cold]
fn push_escaped(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for &byte in text {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            ..=0x1f => {
                let nibble = byte & 0xf;
                let digit = if nibble < 10 {
                    b'0' | nibble
                } else {
                    nibble.wrapping_add(b'a' - 10)
                };
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', b'0' | (byte >> 4), digit]);
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

/// Appends one object, member by member. The closing brace is written by [`Self::end`].
///
/// ```
/// use lenient_wire::ObjectWriter;
///
/// let mut out = Vec::new();
/// let mut object = ObjectWriter::new(&mut out);
/// object.text("name", "小明").raw("score", "0.78");
/// object.object("ext_data").raw("person_type", "1").end();
/// object.end();
/// assert_eq!(out, r#"{"name":"小明","score":0.78,"ext_data":{"person_type":1}}"#.as_bytes());
/// ```
#[derive(Debug)]
pub struct ObjectWriter<'o> {
    out: &'o mut Vec<u8>,
    is_empty: bool,
}

impl<'o> ObjectWriter<'o> {
    /// Opens an object at the end of `out`.
    #[inline]
    pub fn new(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self {
            out,
            is_empty: true,
        }
    }

    /// Adds a text member.
    #[inline]
    pub fn text(&mut self, name: &str, text: &str) -> &mut Self {
        push_text(self.name(name), text);
        self
    }

    /// Adds a member whose value is JSON already.
    #[inline]
    pub fn raw(&mut self, name: &str, json: impl AsRef<[u8]>) -> &mut Self {
        self.name(name).extend_from_slice(json.as_ref());
        self
    }

    /// Adds a member whose value prints as JSON: a whole number, `true`, `false`.
    pub fn display(&mut self, name: &str, value: impl std::fmt::Display) -> &mut Self {
        use std::io::Write as _;
        // Writing to a Vec cannot fail.
        let _ = write!(self.name(name), "{value}");
        self
    }

    /// Adds a member that is an object itself.
    #[inline]
    pub fn object(&mut self, name: &str) -> ObjectWriter<'_> {
        ObjectWriter::new(self.name(name))
    }

    /// Adds a member's name; the caller appends its value to what comes back.
    #[inline]
    pub fn name(&mut self, name: &str) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.is_empty) {
            self.out.push(b',');
        }
        push_text(self.out, name);
        self.out.push(b':');
        self.out
    }

    /// Writes the closing brace.
    #[inline]
    pub fn end(&mut self) {
        self.out.push(b'}');
    }
}

//! JSON that is carried, not understood.

use super::lenience::Limits;
use crate::WireErrorKind;
use crate::wire::Text;
use bytes::Bytes;
use lenient_wire::Scanner;

/// The JSON of a text, without white space between its tokens.
pub(crate) fn compact(json: &Text) -> Result<Text, WireErrorKind> {
    let mut scan = Scanner::new(json.as_bytes(), Limits::default().depth);
    scan.value().and_then(|_| scan.end())?;
    if has_lone_surrogate(json.as_bytes()) {
        return Err(WireErrorKind::LoneSurrogate);
    }
    Ok(compacted(Bytes::copy_from_slice(json.as_bytes())))
}

/// The text of a value that has been validated, without white space between its tokens.
pub(super) fn compacted(json: Bytes) -> Text {
    if !json.iter().any(u8::is_ascii_whitespace) {
        return Text::validated(json);
    }
    let mut kept = Vec::with_capacity(json.len());
    push_compact(&mut kept, &json);
    if kept.len() == json.len() {
        return Text::validated(json);
    }
    Text::validated(kept.into())
}

/// Appends JSON without white space between its tokens.
fn push_compact(out: &mut Vec<u8>, json: &[u8]) {
    let (mut in_text, mut is_escaped) = (false, false);
    for &byte in json {
        if in_text {
            in_text = is_escaped || byte != b'"';
            is_escaped = !is_escaped && byte == b'\\';
        } else if byte.is_ascii_whitespace() {
            continue;
        } else {
            in_text = byte == b'"';
        }
        out.push(byte);
    }
}

/// True if JSON that has been validated has half of a surrogate pair somewhere.
//= docs/spec/analyst-proto.md#message
//# Text MUST be written as UTF-8, and a lone surrogate MUST make a message unreadable.
pub(super) fn has_lone_surrogate(json: &[u8]) -> bool {
    if !json.contains(&b'\\') {
        return false;
    }
    let mut rest = json;
    // Backslashes stand in texts only, and each begins an escape.
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        let escape = rest.get(at..).unwrap_or_default();
        let taken = match unit(escape) {
            Some(0xd800..=0xdbff) => match escape.get(6..).and_then(unit) {
                Some(0xdc00..=0xdfff) => 12,
                _ => return true,
            },
            Some(0xdc00..=0xdfff) => return true,
            _ => 2,
        };
        rest = escape.get(taken..).unwrap_or_default();
    }
    false
}

/// The UTF-16 unit that is escaped here.
fn unit(escape: &[u8]) -> Option<u16> {
    let digits = escape.strip_prefix(b"\\u")?.get(..4)?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

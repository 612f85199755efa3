//! What a value says, once someone asks.

use crate::{Kind, Value};
use std::borrow::Cow;

/// The content of `value`: text without its escapes, or a number as it was written.
///
/// `None` for everything else, and for bulk text that is not UTF-8 or has a broken escape. A lone
/// surrogate becomes U+FFFD: one odd character never costs the message.
pub fn text(json: &[u8], value: Value) -> Option<Cow<'_, str>> {
    let bytes = value.of(json);
    match value.kind {
        Kind::Text | Kind::Number => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
        Kind::EscapedText => unescape(std::str::from_utf8(bytes).ok()?).map(Cow::Owned),
        Kind::Bulk => {
            let text = std::str::from_utf8(bytes).ok()?;
            if bytes.contains(&b'\\') {
                unescape(text).map(Cow::Owned)
            } else {
                Some(Cow::Borrowed(text))
            }
        }
        _ => None,
    }
}

fn unescape(escaped: &str) -> Option<String> {
    let mut out = String::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some((plain, tail)) = rest.split_once('\\') {
        out.push_str(plain);
        let mut chars = tail.chars();
        match chars.next()? {
            'b' => out.push('\u{8}'),
            'f' => out.push('\u{c}'),
            'n' => out.push('\n'),
            'r' => out.push('\r'),
            't' => out.push('\t'),
            same @ ('"' | '\\' | '/') => out.push(same),
            'u' => {
                let (scalar, behind) = unicode(chars.as_str())?;
                out.push(scalar);
                rest = behind;
                continue;
            }
            _ => return None,
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
    Some(out)
}

/// The character behind `\u`, with its low surrogate if it needs one, and what follows.
fn unicode(tail: &str) -> Option<(char, &str)> {
    let (high, rest) = hex4(tail)?;
    let (scalar, rest) = match (high, rest.strip_prefix("\\u").and_then(hex4)) {
        (0xd800..=0xdbff, Some((low @ 0xdc00..=0xdfff, behind))) => (
            (((high & 0x3ff) << 10) | (low & 0x3ff)).saturating_add(0x1_0000),
            behind,
        ),
        _ => (high, rest),
    };
    Some((
        char::from_u32(scalar).unwrap_or(char::REPLACEMENT_CHARACTER),
        rest,
    ))
}

fn hex4(tail: &str) -> Option<(u32, &str)> {
    let (digits, rest) = tail.split_at_checked(4)?;
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    Some((u32::from_str_radix(digits, 16).ok()?, rest))
}

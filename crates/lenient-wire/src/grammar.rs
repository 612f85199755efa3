//! Escapes and numbers in JSON's grammar.

/// What follows the escape at the front of `text`.
#[inline]
pub(crate) fn behind_escape(text: &[u8]) -> Option<&[u8]> {
    match text {
        [
            b'\\',
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't',
            rest @ ..,
        ] => Some(rest),
        [b'\\', b'u', a, b, c, d, rest @ ..] => {
            let is_hex = [a, b, c, d].iter().all(|digit| digit.is_ascii_hexdigit());
            is_hex.then_some(rest)
        }
        _ => None,
    }
}

/// What follows the number at the front of `text`, in JSON's grammar.
#[inline]
pub(crate) fn behind_number(text: &[u8]) -> Option<&[u8]> {
    let unsigned = text.strip_prefix(b"-").unwrap_or(text);
    let mut rest = match unsigned {
        [b'0', rest @ ..] => rest,
        _ => behind_digits(unsigned)?,
    };
    if let [b'.', fraction @ ..] = rest {
        rest = behind_digits(fraction)?;
    }
    if let [b'e' | b'E', b'+' | b'-', exponent @ ..] | [b'e' | b'E', exponent @ ..] = rest {
        rest = behind_digits(exponent)?;
    }
    // `01` is no number, and not one number before another either.
    (!rest.first().is_some_and(u8::is_ascii_digit)).then_some(rest)
}

/// What follows the digits at the front of `text`, of which there must be one.
#[inline]
fn behind_digits(text: &[u8]) -> Option<&[u8]> {
    let [b'0'..=b'9', rest @ ..] = text else {
        return None;
    };
    let mut rest = rest;
    while let [b'0'..=b'9', behind @ ..] = rest {
        rest = behind;
    }
    Some(rest)
}

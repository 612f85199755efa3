//! Text without escapes, eight bytes at a time.

pub(crate) const ONES: u64 = 0x0101_0101_0101_0101;
pub(crate) const HIGH_BITS: u64 = 0x8080_8080_8080_8080;

/// Splits JSON text behind its opening quote: what it says, and what follows its closing quote.
/// `None` if it has an escape or is not what it should be.
///
/// ```
/// use lenient_wire::plain_text;
///
/// assert_eq!(plain_text(br#"open","num":"7"}"#), Some((&b"open"[..], &br#","num":"7"}"#[..])));
/// assert_eq!(plain_text(br#"a\nb""#), None);
/// ```
#[expect(clippy::inline_always, reason = "a call costs as much as the work")]
#[inline(always)]
pub fn plain_text(json: &[u8]) -> Option<(&[u8], &[u8])> {
    let (mut rest, mut seen) = (json, 0);
    let (plain, byte) = loop {
        let bytes = eight(rest);
        let stops = stops_in(bytes);
        if stops != 0 {
            // Everything below the lowest mark stands before the stop.
            seen |= bytes & stops.wrapping_sub(1) & !stops;
            let bits = stops.trailing_zeros() & !7;
            break ((bits / 8) as usize, bytes.wrapping_shr(bits) & 0xff);
        }
        seen |= bytes;
        rest = rest.get(8..)?;
    };
    if byte != u64::from(b'"') {
        return None;
    }
    let len = json.len().wrapping_sub(rest.len()).wrapping_add(plain);
    let (text, behind) = json.split_at_checked(len)?;
    if seen & HIGH_BITS != 0 && !is_utf8(text) {
        return None;
    }
    Some((text, behind.get(1..)?))
}

/// True if this text stands in JSON as it is, between quotes.
#[inline]
pub fn is_plain(text: &[u8]) -> bool {
    let Some(last) = text.last_chunk() else {
        // Spaces behind it, which are plain.
        let behind = text.len().wrapping_mul(8);
        let spaces = (ONES * 0x20) << (behind & 63);
        return stops_in(eight(text) | spaces) == 0;
    };
    let mut stops = stops_in(u64::from_le_bytes(*last));
    let mut rest = text;
    while let Some((eight, behind)) = rest.split_first_chunk() {
        stops |= stops_in(u64::from_le_bytes(*eight));
        rest = behind;
    }
    stops == 0
}

/// Marks the high bit of each byte at which plain text stops: a quote, a backslash, a control
/// character. Marks above the first one may be false.
#[inline]
pub(crate) fn stops_in(bytes: u64) -> u64 {
    // Turning bit 1 over takes the quote below the space and leaves control characters there.
    let low = (bytes ^ (ONES * 0x02)).wrapping_sub(ONES * 0x21);
    let backslash = (bytes ^ (ONES * 0x5c)).wrapping_sub(ONES);
    // A subtraction borrows out of exactly the bytes that are too small, up to the first of them.
    (low | backslash) & !bytes & HIGH_BITS
}

#[inline(never)]
pub(crate) fn is_utf8(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok()
}

/// The first eight bytes. Behind the end stand zeros, which are no text.
#[expect(clippy::inline_always, reason = "a call costs as much as the work")]
#[inline(always)]
fn eight(rest: &[u8]) -> u64 {
    if let Some(eight) = rest.first_chunk() {
        return u64::from_le_bytes(*eight);
    }
    if let (Some(first), Some(last)) = (rest.first_chunk(), rest.last_chunk()) {
        // The two overlap in the same bytes.
        let [first, last] = [first, last].map(|four| u64::from(u32::from_le_bytes(*four)));
        let behind = rest.len().wrapping_sub(4).wrapping_mul(8);
        return first | last.wrapping_shl(u32::try_from(behind).unwrap_or_default());
    }
    let push = |word: u64, byte: &u8| (word << 8) | u64::from(*byte);
    rest.iter().rev().fold(0, push)
}

//! Numbers, truths and times in every spelling that devices use.

use crate::{Kind, Value, text};

/// A whole number, bare or in quotes: `5`, `"5"`, `5.0`.
///
/// Whole numbers never pass through a float, so 19-digit ids stay exact.
pub fn integer(json: &[u8], value: Value) -> Option<i64> {
    let text = text(json, value)?;
    let text = text.trim();
    text.parse().ok().or_else(|| {
        let (whole, fraction) = text.split_once('.')?;
        let is_whole = !fraction.is_empty() && fraction.bytes().all(|digit| digit == b'0');
        is_whole.then(|| whole.parse().ok())?
    })
}

/// A finite number, bare or in quotes.
pub fn float(json: &[u8], value: Value) -> Option<f64> {
    let text = text(json, value)?;
    text.trim()
        .parse()
        .ok()
        .filter(|number: &f64| number.is_finite())
}

/// A truth: `true`, `1`, `"true"`, `"True"`, `"1"` and their opposites.
pub fn boolean(json: &[u8], value: Value) -> Option<bool> {
    match value.kind {
        Kind::True => Some(true),
        Kind::False => Some(false),
        _ => match text(json, value)?.trim() {
            "1" | "true" | "True" | "TRUE" => Some(true),
            "0" | "false" | "False" | "FALSE" => Some(false),
            _ => None,
        },
    }
}

/// A point in time as milliseconds since 1970, its unit told by its size.
///
/// Below 1e11 it counts seconds, below 1e14 milliseconds, below 1e17 microseconds, and beyond that
/// it is no time. A fraction of any length is cut, not rounded, to the millisecond, without a float.
///
/// ```
/// use lenient_wire::unix_millis;
///
/// assert_eq!(unix_millis("1607062639.7013178"), Some(1_607_062_639_701));
/// assert_eq!(unix_millis("1565771454932"), Some(1_565_771_454_932));
/// assert_eq!(unix_millis("1628066406652506"), Some(1_628_066_406_652));
/// assert_eq!(unix_millis("soon"), None);
/// ```
pub fn unix_millis(text: &str) -> Option<i64> {
    let text = text.trim();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return exponential(text);
    }
    let Ok(count) = whole.parse::<i64>() else {
        return exponential(text);
    };
    match count.unsigned_abs() {
        0..100_000_000_000 => {
            let digits = fraction.bytes().chain(std::iter::repeat(b'0')).take(3);
            let millis = digits.fold(0_i64, |sum, digit| {
                sum.saturating_mul(10)
                    .saturating_add(i64::from(digit.saturating_sub(b'0')))
            });
            let signed = if whole.starts_with('-') {
                0_i64.saturating_sub(millis)
            } else {
                millis
            };
            Some(count.saturating_mul(1000).saturating_add(signed))
        }
        100_000_000_000..100_000_000_000_000 => Some(count),
        100_000_000_000_000..100_000_000_000_000_000 => Some(count.div_euclid(1000)),
        _ => None,
    }
}

/// `1.5e9` and its like: legal JSON that no known device writes.
fn exponential(text: &str) -> Option<i64> {
    let number: f64 = text
        .parse()
        .ok()
        .filter(|number: &f64| number.abs() < 1e17)?;
    let (whole, thousandths) = (number.trunc(), (number.fract() * 1000.0).trunc().abs());
    unix_millis(&format!("{whole:.0}.{thousandths:03.0}"))
}

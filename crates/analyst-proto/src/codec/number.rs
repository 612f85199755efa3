//! Numbers, exactly.

use super::Lenience;
use crate::WireErrorKind;
use crate::wire::{Floor, GoodsId, IdForm, TaskId};
use lenient_wire::{Kind, Value, text};
use std::str::FromStr;

/// Below this every whole number is one of floating point: 2 to the power of 53.
const EXACT: u64 = 1 << 53;

/// A whole number of the member's type: bare, or by lenience in quotes or with a fraction of zero.
pub(super) fn integer<T: FromStr + TryFrom<i64>>(
    json: &[u8],
    value: Value,
    member: &'static str,
    lenience: &Lenience,
) -> Result<T, WireErrorKind> {
    let shape = WireErrorKind::Shape(member);
    let written = match value.kind {
        Kind::Number | Kind::Text | Kind::EscapedText => text(json, value).ok_or(shape)?,
        _ => return Err(shape),
    };
    let written = written.as_ref();
    if is_plain(written) {
        if value.kind != Kind::Number && !lenience.other_spellings {
            return Err(WireErrorKind::NotStrict(member));
        }
        return written.parse().map_err(|_| WireErrorKind::Range(member));
    }
    if value.kind != Kind::Number {
        return Err(shape);
    }
    let number = whole(written).ok_or(shape)?;
    if !lenience.other_spellings {
        return Err(WireErrorKind::NotStrict(member));
    }
    T::try_from(number).map_err(|_| WireErrorKind::Range(member))
}

/// A task's number and how it is spelled.
//= docs/spec/analyst-proto.md#message
//# The number of a task MUST be read exactly, up to 18446744073709551615.
//= docs/spec/analyst-proto.md#message
//# A lenient reader MUST read the number of a task also from digits in quotes, without a sign, white
//# space or a leading zero.
pub(super) fn task_id(
    json: &[u8],
    value: Value,
    lenience: &Lenience,
) -> Result<(TaskId, IdForm), WireErrorKind> {
    let form = match value.kind {
        Kind::Number => IdForm::Number,
        _ => IdForm::String,
    };
    match integer(json, value, "id", lenience) {
        Ok(id) => Ok((TaskId(id), form)),
        //= docs/spec/analyst-proto.md#message
        //# The number of a task that is written with a fraction or an exponent MUST be refused unless
        //# it is whole and below 9007199254740992: it may have lost digits.
        Err(WireErrorKind::Shape(_)) if form == IdForm::Number => Err(WireErrorKind::LossyId),
        Err(error) => Err(error),
    }
}

/// A floor, as the name of a member.
//= docs/spec/analyst-proto.md#message
//# A floor that is not written as a plain decimal number MUST be refused.
pub(super) fn floor(name: &str) -> Option<Floor> {
    is_plain(name).then(|| name.parse().ok().map(Floor))?
}

/// A kind of goods, as the name of a member or in a text.
pub(super) fn goods_id(name: &str) -> Option<GoodsId> {
    is_plain(name).then(|| name.parse().ok().map(GoodsId))?
}

/// True for a decimal number as we would write it: no plus, no white space, no leading zero.
fn is_plain(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    match digits.as_bytes() {
        [b'0'] => digits.len() == text.len(),
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

/// The whole number that a JSON number with a fraction or an exponent is, without a float; `None`
/// if it is none, or if a float need not have kept it.
fn whole(number: &str) -> Option<i64> {
    let (mantissa, exponent) = match number.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (number, 0),
    };
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(mantissa) => (-1_i64, mantissa),
        None => (1, mantissa),
    };
    let (before, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let fraction = fraction.trim_end_matches('0');
    let digits = || before.bytes().chain(fraction.bytes());
    let zeros = digits().rev().take_while(|digit| *digit == b'0').count();
    let significant = before
        .len()
        .saturating_add(fraction.len())
        .saturating_sub(zeros);
    if significant == 0 {
        return Some(0);
    }
    let shift = i64::from(exponent)
        .checked_sub(i64::try_from(fraction.len()).ok()?)?
        .checked_add(i64::try_from(zeros).ok()?)?;
    let mut sum = 0_u64;
    for digit in digits().take(significant) {
        let digit = u64::from(digit.saturating_sub(b'0'));
        sum = sum.checked_mul(10)?.checked_add(digit)?;
    }
    let power = 10_u64.checked_pow(u32::try_from(shift).ok()?)?;
    let number = sum.checked_mul(power).filter(|number| *number < EXACT)?;
    sign.checked_mul(i64::try_from(number).ok()?)
}

#[cfg(test)]
mod tests {
    use super::{is_plain, whole};

    #[test]
    fn numbers_with_a_fraction_or_an_exponent_are_whole_or_none() {
        for (text, expected) in [
            ("1.0", Some(1)),
            ("-1.0", Some(-1)),
            ("0.0", Some(0)),
            ("-0", Some(0)),
            ("0e999999", Some(0)),
            ("1e3", Some(1_000)),
            ("1.25e2", Some(125)),
            ("120e-1", Some(12)),
            ("0.00120e4", Some(12)),
            ("9007199254740991.0", Some(9_007_199_254_740_991)),
            ("9007199254740992.0", None),
            ("9007199254740991.4", None),
            ("1.5", None),
            ("1e-1", None),
            ("1e400", None),
            ("1e99999999999", None),
            ("1.679846303806259201e18", None),
        ] {
            assert_eq!(whole(text), expected, "{text}");
        }
    }

    #[test]
    fn plain_numbers_are_those_that_we_would_write() {
        for text in ["0", "7", "-1", "10", "18446744073709551616"] {
            assert!(is_plain(text), "{text}");
        }
        for text in [
            "", "-", "-0", "+1", "01", "-01", " 1", "1 ", "1.0", "1e3", "١",
        ] {
            assert!(!is_plain(text), "{text}");
        }
    }
}

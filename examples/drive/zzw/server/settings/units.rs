//! Times and sizes as people write them: with their unit.

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::time::Duration;

/// A time: `"250ms"`, `"30s"`, `"5m"`, `"12h"`, `"3d"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span(Duration);

/// Bytes: `65536`, or `"64KiB"`, `"1MiB"`, `"1GiB"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size(u64);

impl From<Span> for Duration {
    fn from(span: Span) -> Self {
        span.0
    }
}

impl From<Span> for Option<Duration> {
    fn from(span: Span) -> Self {
        Some(span.0)
    }
}

impl From<Size> for u64 {
    fn from(size: Size) -> Self {
        size.0
    }
}

impl From<Size> for usize {
    fn from(size: Size) -> Self {
        Self::try_from(size.0).unwrap_or(Self::MAX)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Span;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(r#"a time with its unit, as in "250ms", "30s", "5m", "12h" or "3d""#)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Span, E> {
                let wrong = || E::invalid_value(Unexpected::Str(text), &self);
                span(text).ok_or_else(wrong)
            }
        }
        deserializer.deserialize_any(Text)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Size;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(r#"a number of bytes, or one with its unit, as in "64KiB" or "1MiB""#)
            }

            fn visit_i64<E: Error>(self, bytes: i64) -> Result<Size, E> {
                let wrong = |_| E::invalid_value(Unexpected::Signed(bytes), &self);
                u64::try_from(bytes).map(Size).map_err(wrong)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Size, E> {
                let wrong = || E::invalid_value(Unexpected::Str(text), &self);
                size(text).ok_or_else(wrong)
            }
        }
        deserializer.deserialize_any(Text)
    }
}

fn span(text: &str) -> Option<Span> {
    let (number, unit) = parts(text)?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    Some(Span(Duration::from_millis(number.checked_mul(millis)?)))
}

fn size(text: &str) -> Option<Size> {
    let (number, unit) = parts(text)?;
    let bytes = match unit {
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    Some(Size(number.checked_mul(bytes)?))
}

fn parts(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit() {
        for (text, millis) in [
            ("0s", 0),
            ("250ms", 250),
            ("30s", 30_000),
            ("30 s", 30_000),
            ("5m", 300_000),
            ("12h", 43_200_000),
            ("3d", 259_200_000),
        ] {
            assert_eq!(
                span(text),
                Some(Span(Duration::from_millis(millis))),
                "{text}"
            );
        }
        for text in [
            "",
            "30",
            "s",
            "-1s",
            "1.5s",
            "30S",
            "1w",
            "99999999999999999999s",
        ] {
            assert_eq!(span(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_may_have_a_unit() {
        assert_eq!(size("64KiB"), Some(Size(65_536)));
        assert_eq!(size("1 MiB"), Some(Size(1_048_576)));
        assert_eq!(size("2GiB"), Some(Size(2_147_483_648)));
        for text in ["", "64", "64K", "64kb", "KiB", "99999999999999GiB"] {
            assert_eq!(size(text), None, "{text}");
        }
    }
}

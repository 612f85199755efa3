//! Conversions: tables of spellings, and laws.

use lenient_wire::unix_millis;
use lenient_wire::{ObjectWriter, Scanner, Value, boolean, float, integer, push_text, text};
use proptest::prelude::*;
use serde_json::Value as Json;

fn value(json: &str) -> Value {
    Scanner::new(json.as_bytes(), 64).value().expect("valid")
}

fn int(json: &str) -> Option<i64> {
    integer(json.as_bytes(), value(json))
}

#[test]
fn integers_in_every_spelling() {
    for (json, expected) in [
        ("5", Some(5)),
        ("-5", Some(-5)),
        (r#""5""#, Some(5)),
        (r#"" 5 ""#, Some(5)),
        (r#""+5""#, Some(5)),
        ("5.0", Some(5)),
        (r#""5.000""#, Some(5)),
        ("5.5", None),
        ("5e3", None),
        (r#""5.""#, None),
        (r#""""#, None),
        (r#""five""#, None),
        ("null", None),
        ("true", None),
        ("{}", None),
        ("[5]", None),
        ("9223372036854775807", Some(i64::MAX)),
        ("-9223372036854775808", Some(i64::MIN)),
        ("9223372036854775808", None),
        ("9007199254740993", Some(9_007_199_254_740_993)), // 2^53 + 1: not through a float
        (r#""\u0035""#, Some(5)),
    ] {
        assert_eq!(int(json), expected, "{json}");
    }
}

#[test]
fn floats_in_every_spelling() {
    for (json, expected) in [
        ("0.6231614351272583", Some(0.623_161_435_127_258_3)),
        (r#""82.05""#, Some(82.05)),
        ("1", Some(1.0)),
        ("1e-3", Some(0.001)),
        ("1e999", None),
        (r#""inf""#, None),
        (r#""NaN""#, None),
        (r#""""#, None),
        ("null", None),
        ("false", None),
    ] {
        assert_eq!(float(json.as_bytes(), value(json)), expected, "{json}");
    }
}

#[test]
fn truths_in_every_spelling() {
    for (json, expected) in [
        ("true", Some(true)),
        ("1", Some(true)),
        (r#""True""#, Some(true)),
        (r#""TRUE""#, Some(true)),
        (r#"" true ""#, Some(true)),
        (r#""1""#, Some(true)),
        ("false", Some(false)),
        ("0", Some(false)),
        (r#""False""#, Some(false)),
        ("2", None),
        (r#""yes""#, None),
        (r#""""#, None),
        ("null", None),
        ("[]", None),
    ] {
        assert_eq!(boolean(json.as_bytes(), value(json)), expected, "{json}");
    }
}

#[test]
fn times_are_told_apart_by_their_size() {
    for (written, expected) in [
        ("0", Some(0)),
        ("1607062639", Some(1_607_062_639_000)),
        ("1607062639.7013178", Some(1_607_062_639_701)),
        ("1607062639.7", Some(1_607_062_639_700)),
        (
            "1607062639.7019999999999999999999999999",
            Some(1_607_062_639_701),
        ),
        ("99999999999", Some(99_999_999_999_000)),
        ("100000000000", Some(100_000_000_000)),
        ("1565771454932", Some(1_565_771_454_932)),
        ("1565771454932.9", Some(1_565_771_454_932)),
        ("99999999999999", Some(99_999_999_999_999)),
        ("100000000000000", Some(100_000_000_000)),
        ("1628066406652506", Some(1_628_066_406_652)),
        ("99999999999999999", Some(99_999_999_999_999)),
        ("100000000000000000", None),
        ("-1.5", Some(-1_500)),
        ("-0.5", Some(-500)),
        (" 1607062639 ", Some(1_607_062_639_000)),
        ("1.607062639e9", Some(1_607_062_639_000)),
        ("1.565771454932e12", Some(1_565_771_454_932)),
        ("1e17", None),
        ("1e400", None),
        ("inf", None),
        ("nan", None),
        ("", None),
        ("-", None),
        (".", None),
        ("1607062639.7x", None),
        ("2020-12-04", None),
    ] {
        assert_eq!(unix_millis(written), expected, "{written}");
    }
}

/// Quadratic work on a megabyte would take minutes where this takes milliseconds.
#[test]
fn long_digits_cost_no_more_than_their_length() {
    for digits in ["9".repeat(1 << 20), format!("0.{}", "9".repeat(1 << 20))] {
        let json = format!("\"{digits}\"");
        let _ = int(&json);
        let _ = float(json.as_bytes(), value(&json));
        let _ = boolean(json.as_bytes(), value(&json));
        let _ = unix_millis(&digits);
    }
    for evil in ["\\\"", "\\\\", "\\u0041", "\\ud83d", "\\/"] {
        let json = format!("\"{}\"", evil.repeat(1 << 18));
        assert!(text(json.as_bytes(), value(&json)).is_some());
        let bulk = Scanner::new(json.as_bytes(), 64).bulk().expect("valid");
        assert_eq!(bulk.range(), value(&json).range());
    }
}

proptest! {
    #[test]
    fn escapes_resolve_as_serde_json_resolves_them(escaped in r#"([a-z小]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4}|😀){0,40}"#) {
        let json = format!("\"{escaped}\"");
        let found = text(json.as_bytes(), value(&json)).map(std::borrow::Cow::into_owned);
        match serde_json::from_str::<String>(&json) {
            Ok(expected) => prop_assert_eq!(found, Some(expected)),
            // Only lone surrogates are left, which we replace.
            Err(_) => prop_assert!(found.is_some_and(|found| found.contains(char::REPLACEMENT_CHARACTER))),
        }
    }

    #[test]
    fn whole_numbers_are_exact(number: i64, quoted: bool) {
        let json = if quoted { format!("\"{number}\"") } else { number.to_string() };
        prop_assert_eq!(int(&json), Some(number));
    }

    #[test]
    fn floats_are_exact(number in any::<f64>().prop_filter("finite", |n| n.is_finite())) {
        let json = format!("{number:?}");
        prop_assert_eq!(float(json.as_bytes(), value(&json)), Some(number));
    }

    #[test]
    fn one_moment_reads_the_same_in_every_unit(seconds in 1_000_000_000_i64..99_999_999_999, millis in 0_i64..1000) {
        let expected = Some(seconds * 1000 + millis);
        prop_assert_eq!(unix_millis(&format!("{seconds}.{millis:03}")), expected);
        prop_assert_eq!(unix_millis(&format!("{seconds}{millis:03}")), expected);
        prop_assert_eq!(unix_millis(&format!("{seconds}{millis:03}999")), expected);
    }

    #[test]
    fn any_text_as_a_time_never_panics(text: String, number: f64) {
        let _ = unix_millis(&text);
        let _ = unix_millis(&format!("{number:?}"));
        let _ = unix_millis(&format!("{number}"));
    }

    #[test]
    fn written_text_reads_back(content: String) {
        let mut out = Vec::new();
        push_text(&mut out, &content);
        prop_assert_eq!(serde_json::from_slice::<String>(&out).ok(), Some(content.clone()));
        let json = std::str::from_utf8(&out).expect("utf-8");
        let found = text(&out, value(json));
        prop_assert_eq!(found.as_deref(), Some(&*content));
    }

    #[test]
    fn written_objects_read_back(
        members in prop::collection::btree_map(any::<String>(), any::<String>(), 0..8),
        inner in prop::collection::btree_map(any::<String>(), any::<i64>(), 0..8),
    ) {
        let mut out = Vec::new();
        let mut object = ObjectWriter::new(&mut out);
        for (name, content) in &members {
            object.text(name, content);
        }
        let mut nested = object.object("nested");
        for (name, number) in &inner {
            nested.display(name, number);
        }
        nested.end();
        object.raw("raw", "[1,null]");
        object.end();

        let mut expected: serde_json::Map<String, Json> =
            members.into_iter().map(|(name, content)| (name, content.into())).collect();
        expected.insert("nested".into(), inner.into_iter().map(|(n, v)| (n, Json::from(v))).collect::<serde_json::Map<_, _>>().into());
        expected.insert("raw".into(), serde_json::json!([1, null]));
        prop_assert_eq!(serde_json::from_slice::<Json>(&out).ok(), Some(expected.into()));
    }
}

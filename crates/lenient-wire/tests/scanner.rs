//! The scanner against `serde_json`, and at its limits.

use lenient_wire::{Kind, ScanError, Scanner, Value, text};
use proptest::prelude::*;
use serde::de::IgnoredAny;
use serde_json::Value as Json;
use std::fmt::Write as _;

/// Any JSON document, with the strings that matter: escapes, Chinese, controls, long runs.
fn document() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        content().prop_map(Json::from),
    ];
    leaf.prop_recursive(12, 96, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
            prop::collection::btree_map(content(), inner, 0..6)
                .prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}

fn content() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => any::<String>(),
        4 => "[a-zA-Z_小明\\\\\"/\u{0}-\u{1f}😀]{0,12}",
        1 => "[a-z\\\\\"]{30,90}",
    ]
}

/// Space, and spellings that mean the same, where JSON allows them.
fn respelled(json: &str, spaces: bool, escape_all: bool) -> String {
    let mut out = String::new();
    let mut in_text = false;
    let mut chars = json.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => {
                out.push(char);
                let escaped = chars.next();
                let digits = if escaped == Some('u') { 4 } else { 0 };
                out.extend(escaped);
                out.extend(chars.by_ref().take(digits));
            }
            '"' => {
                in_text = !in_text;
                out.push(char);
            }
            '/' if in_text => out.push_str("\\/"),
            _ if in_text && escape_all => {
                for unit in char.encode_utf16(&mut [0; 2]) {
                    write!(out, "\\u{unit:04X}").expect("a string");
                }
            }
            ',' | ':' | '{' | ']' if !in_text && spaces => {
                out.push_str(" \t");
                out.push(char);
                out.push_str("\r\n");
            }
            _ => out.push(char),
        }
    }
    out
}

/// The document as the scanner tells it, entering every container.
fn entered(scan: &mut Scanner<'_>, json: &[u8]) -> Result<Json, ScanError> {
    if scan.at_object() {
        scan.enter_object()?;
        let mut members = serde_json::Map::new();
        while let Some(key) = scan.key()? {
            let name = text(json, key).expect("validated").into_owned();
            members.insert(name, entered(scan, json)?);
        }
        return Ok(members.into());
    }
    if scan.at_array() {
        scan.enter_array()?;
        let mut elements = Vec::new();
        while scan.element()? {
            elements.push(entered(scan, json)?);
        }
        return Ok(elements.into());
    }
    let value = scan.value()?;
    Ok(match value.kind {
        Kind::Null => Json::Null,
        Kind::True => true.into(),
        Kind::False => false.into(),
        Kind::Number => serde_json::from_slice(value.of(json)).expect("validated"),
        _ => text(json, value).expect("validated").into_owned().into(),
    })
}

fn scanned(json: &[u8], max_depth: u32) -> Result<Value, ScanError> {
    let mut scan = Scanner::new(json, max_depth);
    let value = scan.value()?;
    scan.end()?;
    Ok(value)
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

proptest! {
    #[test]
    fn a_document_reads_as_serde_json_reads_it(doc in document(), spaces: bool, escape_all: bool) {
        let json = respelled(&doc.to_string(), spaces, escape_all);
        let mut scan = Scanner::new(json.as_bytes(), 64);
        prop_assert_eq!(entered(&mut scan, json.as_bytes()).expect("valid"), doc);
        prop_assert_eq!(scan.end(), Ok(()));
    }

    #[test]
    fn a_whole_value_spans_the_document(doc in document(), spaces: bool) {
        let json = respelled(&doc.to_string(), spaces, false);
        let value = scanned(json.as_bytes(), 64).expect("valid");
        let inner = json.trim().trim_matches('"');
        if matches!(value.kind, Kind::Object | Kind::Array | Kind::Number) {
            prop_assert_eq!(value.of(json.as_bytes()), inner.as_bytes());
        }
    }

    #[test]
    fn a_damaged_document_is_accepted_only_if_serde_json_accepts_it(
        doc in document(),
        damages in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..4), 1..4),
    ) {
        let mut bytes = doc.to_string().into_bytes();
        for (place, byte, how) in damages {
            let at = place.index(bytes.len().max(1)).min(bytes.len().saturating_sub(1));
            let signs = b"{}[]\",:\\/0-+.eEtfnu \n\x01";
            match how {
                0 if !bytes.is_empty() => drop(bytes.remove(at)),
                1 => bytes.insert(at, byte),
                2 => bytes.insert(at, signs[usize::from(byte) % signs.len()]),
                _ => bytes.truncate(at),
            }
        }
        if let Ok(text) = std::str::from_utf8(&bytes) {
            prop_assert_eq!(scanned(&bytes, 64).is_ok(), is_json(text), "{}", text);
        } else {
            // serde_json does not check the encoding of what it passes over.
            let _ = scanned(&bytes, 64);
        }
    }

    #[test]
    fn text_from_json_signs_is_accepted_only_if_serde_json_accepts_it(
        text in r#"[{}\[\]",:\\/0-9+.eEtrufalsn \nu]{0,24}"#,
    ) {
        prop_assert_eq!(scanned(text.as_bytes(), 64).is_ok(), is_json(&text));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>, depth in 0_u32..70) {
        let _ = scanned(&bytes, depth);
        let mut scan = Scanner::new(&bytes, depth);
        let _ = scan.bulk().map(|value| text(&bytes, value).map(drop));
        let mut scan = Scanner::new(&bytes, depth);
        if scan.enter_object().is_ok() {
            while let Ok(Some(_)) = scan.key() {
                if scan.bulk().is_err() {
                    break;
                }
            }
        }
    }

    #[test]
    fn bulk_ends_where_value_ends(content in content(), tail: String) {
        let json = format!("{} {tail}", Json::from(content.as_str()));
        let (mut bulk, mut value) = (
            Scanner::new(json.as_bytes(), 64),
            Scanner::new(json.as_bytes(), 64),
        );
        let (fast, checked) = (bulk.bulk().expect("valid"), value.value().expect("valid"));
        prop_assert_eq!(fast.range(), checked.range());
        prop_assert_eq!(fast.kind, Kind::Bulk);
        prop_assert_eq!(bulk.offset(), value.offset());
        let found = text(json.as_bytes(), fast);
        prop_assert_eq!(found.as_deref(), Some(&*content));
    }

    #[test]
    fn bulk_counts_backslashes_before_each_quote(runs in prop::collection::vec(0_usize..7, 1..40)) {
        // x\\\"x\\"...: every odd run keeps the text open, the first even one ends it.
        let mut json = String::from("\"");
        for run in &runs {
            json.push_str(&"\\".repeat(*run));
            json.push('"');
        }
        let mut bulk = Scanner::new(json.as_bytes(), 64);
        let mut expected = 1;
        let mut ends = None;
        for run in &runs {
            expected += run;
            if run % 2 == 0 {
                ends = Some(expected);
                break;
            }
            expected += 1;
        }
        prop_assert_eq!(bulk.bulk().ok().map(|value| value.range().end), ends);
    }
}

#[test]
fn lone_surrogates_read_as_the_replacement_character() {
    for (json, expected) in [
        (r#""\ud83d""#, "\u{fffd}"),
        (r#""\ude00""#, "\u{fffd}"),
        (r#""a\ud83db""#, "a\u{fffd}b"),
        (r#""\ud83d\ud83d\ude00""#, "\u{fffd}😀"),
        (r#""\ud83d\n""#, "\u{fffd}\n"),
    ] {
        let value = scanned(json.as_bytes(), 64).expect("the scanner accepts it");
        assert_eq!(text(json.as_bytes(), value).as_deref(), Some(expected));
    }
}

#[test]
fn a_duplicate_member_is_seen_twice() {
    let json = br#"{"a":1,"a":2}"#;
    let mut scan = Scanner::new(json, 64);
    let mut seen = Vec::new();
    scan.enter_object().unwrap();
    while scan.key().unwrap().is_some() {
        seen.push(scan.value().unwrap().of(json).to_vec());
    }
    assert_eq!(seen, [b"1", b"2"]);
}

#[test]
fn depth_is_accepted_up_to_the_limit() {
    for limit in [1_u32, 2, 7, 63, 64] {
        for depth in [limit - 1, limit, limit + 1] {
            let depth_usize = depth as usize;
            for (open, close) in [("[", "]"), (r#"{"a":"#, "}"), (r#"[{"a":"#, "}]")] {
                let levels = depth_usize * open.matches(['[', '{']).count();
                let json = format!("{}1{}", open.repeat(depth_usize), close.repeat(depth_usize));
                let expected = levels <= limit as usize;
                assert_eq!(scanned(json.as_bytes(), limit).is_ok(), expected, "{json}");
                if !expected {
                    let error = scanned(json.as_bytes(), limit).unwrap_err();
                    assert_eq!(error, ScanError::TooDeep { max: limit });
                }
            }
        }
    }
}

#[test]
fn levels_that_were_entered_count_for_values_taken_whole() {
    let json = format!(r#"{{"a":{}}}"#, "[".repeat(3) + &"]".repeat(3));
    for (limit, fits) in [(3, false), (4, true)] {
        let mut scan = Scanner::new(json.as_bytes(), limit);
        scan.enter_object().unwrap();
        scan.key().unwrap();
        assert_eq!(scan.value().is_ok(), fits);
    }
}

#[test]
fn the_limit_cannot_be_raised_beyond_64_levels() {
    let json = "[".repeat(65) + &"]".repeat(65);
    let error = scanned(json.as_bytes(), 1_000).unwrap_err();
    assert_eq!(error, ScanError::TooDeep { max: 64 });
}

#[test]
fn a_million_brackets_need_no_stack() {
    let small = std::thread::Builder::new().stack_size(64 << 10);
    let thread = small.spawn(|| {
        for bracket in ["[", "{\"a\":", "[{\"a\":"] {
            let json = bracket.repeat(1_000_000);
            let error = scanned(json.as_bytes(), 64).unwrap_err();
            assert_eq!(error, ScanError::TooDeep { max: 64 });
        }
    });
    thread.unwrap().join().unwrap();
}

#[test]
fn errors_say_where() {
    for (json, at) in [
        ("", 0),
        ("  ", 2),
        ("{,}", 1),
        (r#"{"a" 1}"#, 5),
        (r#"{"a":1,}"#, 7),
        ("[1 2]", 3),
        ("[01]", 1),
        ("tru", 0),
        ("\u{feff}{}", 0),
        ("1 1", 2),
        ("\"a\u{1}\"", 2),
        (r#""\x""#, 1),
        ("\"open", 5),
    ] {
        assert_eq!(
            scanned(json.as_bytes(), 64),
            Err(ScanError::Syntax { at }),
            "{json:?}"
        );
    }
    assert_eq!(
        scanned(b"[\"ok\",\"\xc4\xe3\"]", 64),
        Err(ScanError::Utf8 { at: 7 })
    );
}

#[test]
fn the_encoding_of_a_long_text_is_checked_too() {
    let mut json = b"\"".to_vec();
    json.extend([b'a'; 100]);
    json.extend(b"\xff\"");
    assert_eq!(scanned(&json, 64), Err(ScanError::Utf8 { at: 1 }));
}

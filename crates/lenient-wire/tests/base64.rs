//! Base64 in JSON text: every spelling of the same bytes.
#![cfg(feature = "base64")]

use lenient_wire::{Base64Error, clean_base64, decode_base64, is_blank_base64, push_base64};
use proptest::prelude::*;

fn encoded(bytes: &[u8]) -> String {
    let mut text = Vec::new();
    push_base64(&mut text, bytes);
    String::from_utf8(text).expect("ascii")
}

fn decoded(text: &str) -> Result<Vec<u8>, Base64Error> {
    let mut out = vec![1, 2, 3];
    decode_base64(text.as_bytes(), &mut out, 1 << 20)?;
    Ok(out)
}

fn cleaned(text: &str) -> Vec<u8> {
    let mut clean = Vec::new();
    clean_base64(text.as_bytes(), |piece| clean.extend_from_slice(piece));
    clean
}

/// Lines of `every` characters, with the given line break.
fn wrapped(text: &str, every: usize, line_break: &str) -> String {
    let lines = text.as_bytes().chunks(every).map(String::from_utf8_lossy);
    lines.collect::<Vec<_>>().join(line_break)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_spelling_says_the_same(
        bytes in prop::collection::vec(any::<u8>(), 0..15_000),
        every in 1_usize..200,
    ) {
        let text = encoded(&bytes);
        let expected = text.trim_end_matches('=').as_bytes();
        for spelled in [
            text.clone(),
            text.trim_end_matches('=').to_owned(),
            text.replace('/', "\\/"),
            text.replace('=', "\\u003d").replace('+', "\\u002B").replace('/', "\\u002f"),
            wrapped(&text, every, "\\r\\n"),
            wrapped(&text, every, "\r\n"),
            wrapped(&text, every, " "),
            format!("data:image/jpeg;base64,{text}"),
        ] {
            prop_assert_eq!(decoded(&spelled), Ok(bytes.clone()));
            prop_assert_eq!(cleaned(&spelled), expected);
            prop_assert_eq!(is_blank_base64(spelled.as_bytes()), bytes.is_empty());
        }
    }

    #[test]
    fn arbitrary_text_never_panics(text: Vec<u8>, max in 0_usize..64) {
        let mut out = Vec::new();
        let read = decode_base64(&text, &mut out, max);
        prop_assert!(out.len() <= max && (read.is_ok() || out.is_empty()));
        let mut len = 0;
        clean_base64(&text, |piece| len += piece.len());
        prop_assert!(len <= text.len());
        let _ = is_blank_base64(&text);
    }
}

#[test]
fn equals_signs_in_the_middle_are_kept() {
    assert_eq!(cleaned("QQ==QQ=="), b"QQ==QQ");
    assert_eq!(cleaned("QQ==\\nQQ=="), b"QQ==QQ");
    // As many as one piece holds and more.
    let many = format!("{}Q=", "\\u003d".repeat(20_000));
    assert_eq!(cleaned(&many).len(), 20_001);
}

#[test]
fn errors_say_what_is_wrong() {
    assert_eq!(
        decoded("QQ==QQ=="),
        Err(Base64Error::NotBase64 { offset: 2 })
    );
    let mut out = Vec::new();
    let error = decode_base64(b"QUFB", &mut out, 2).unwrap_err();
    assert_eq!(error, Base64Error::TooLarge { max: 2 });
    assert_eq!(error.to_string(), "decodes to more than 2 bytes");
}

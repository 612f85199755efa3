//! The scanner accepts what `serde_json` accepts.

use lenient_wire::{Kind, ScanError, Scanner, boolean, float, integer, text, unix_millis};
use serde::de::IgnoredAny;

/// The same verdict as `serde_json` on every text that is not too deep, and the same text.
pub fn scan(data: &[u8]) {
    let mut scan = Scanner::new(data, 64);
    let scanned = scan.value().and_then(|value| scan.end().map(|()| value));
    let Ok(json) = std::str::from_utf8(data) else {
        return;
    };
    let is_json = serde_json::from_str::<IgnoredAny>(json).is_ok();
    let value = match scanned {
        Err(ScanError::TooDeep { .. }) => return,
        Err(error) => return assert!(!is_json, "{error}"),
        Ok(value) => value,
    };
    assert!(is_json);
    let content = text(data, value);
    match (value.kind, serde_json::from_str::<String>(json)) {
        (Kind::Text | Kind::EscapedText, Ok(expected)) => {
            assert_eq!(content.as_deref(), Some(&*expected));
            let bulk = Scanner::new(data, 64).bulk().expect("the same text");
            assert_eq!(bulk.range(), value.range());
            assert_eq!(text(data, bulk), content);
        }
        // Only a lone surrogate is left, which we replace.
        (Kind::Text | Kind::EscapedText, Err(_)) => assert!(content.is_some()),
        (Kind::Number, _) => {
            let whole = json.trim().parse().ok();
            assert!(whole.is_none() || integer(data, value) == whole);
            assert_eq!(
                float(data, value),
                json.trim().parse().ok().filter(|n: &f64| n.is_finite())
            );
        }
        _ => {}
    }
    let _ = (
        boolean(data, value),
        content.as_deref().and_then(unix_millis),
    );
}

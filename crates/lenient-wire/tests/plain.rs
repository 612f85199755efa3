//! Text that stands in JSON as it is, by each byte at each place.

use lenient_wire::{is_plain, plain_text, push_text};

const LONGEST: usize = 34; // several times eight, and each remainder

/// Text of each length with each byte at each place.
fn texts() -> impl Iterator<Item = Vec<u8>> {
    (0..LONGEST).flat_map(|len| {
        (0..len).flat_map(move |place| {
            (0..=u8::MAX).map(move |byte| {
                let mut text = vec![b'x'; len];
                text[place] = byte;
                text
            })
        })
    })
}

fn needs_escape(byte: u8) -> bool {
    matches!(byte, 0..=0x1f | b'"' | b'\\')
}

#[test]
fn plain_is_what_needs_no_escape() {
    assert!(is_plain(b""));
    for text in texts() {
        let is_odd = text.iter().copied().any(needs_escape);
        assert_eq!(is_plain(&text), !is_odd, "{text:?}");
    }
}

#[test]
fn plain_text_ends_at_its_quote_or_is_none() {
    for text in texts().chain([Vec::new()]) {
        let end = text.iter().copied().position(needs_escape);
        for behind in [&b""[..], b",", b"}}}}}}}}}}}}"] {
            let json = [&text, &b"\""[..], behind].concat();
            let end = end.unwrap_or(text.len());
            let is_text = json[end] == b'"' && std::str::from_utf8(&json[..end]).is_ok();
            let expected = is_text.then(|| (&json[..end], &json[end + 1..]));
            assert_eq!(plain_text(&json), expected, "{json:?}");
        }
        assert_eq!(
            plain_text(&text).is_some(),
            text.contains(&b'"'),
            "{text:?}"
        );
    }
}

#[test]
fn every_character_is_written_as_serde_json_reads_it() {
    for len in [0, 3, 7, 8, 20] {
        for char in (0..=0x2_0000).filter_map(char::from_u32) {
            let text = "x".repeat(len) + char.encode_utf8(&mut [0; 4]);
            let mut json = Vec::new();
            push_text(&mut json, &text);
            let read: String = serde_json::from_slice(&json).expect("our own text");
            assert_eq!(read, text);
        }
    }
}

//! Pictures: every way boxes write them, against a plain decoder.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use proptest::prelude::*;
use se5_events::ImageError::NotBase64;
use se5_events::*;
use serde_json::json;

/// The picture whose text stands between the quotes of a JSON message exactly as given.
fn picture(wire: &str) -> Picture {
    let json = format!("{{\"ext_data\":{{\"recognize_face\":\"{wire}\"}}}}");
    FaceEvent::decode(json.into())
        .expect("an event")
        .face_picture()
}

fn image(wire: &str) -> Image {
    picture(wire).inline().expect("a picture").clone()
}

/// What a plain decoder makes of the text once everything allowed is taken out of it.
fn reference(wire: &str) -> Option<Vec<u8>> {
    let text: String = serde_json::from_str(&format!("\"{wire}\"")).ok()?;
    let text = text.split_once("base64,").map_or(&*text, |(_, rest)| rest);
    let text: String = text.chars().filter(|c| !" \r\n\t".contains(*c)).collect();
    let engine = base64::engine::GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        base64::engine::GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent),
    );
    engine.decode(text).ok()
}

/// Base64 as a sloppy box would put it into JSON.
fn dirtied(jpeg: &[u8], prefix: bool, wrap: Option<usize>, slashes: u8, padding: bool) -> String {
    let mut text = STANDARD.encode(jpeg);
    if !padding {
        text.truncate(text.trim_end_matches('=').len());
    }
    if let Some(every) = wrap {
        let lines: Vec<_> = text
            .as_bytes()
            .chunks(every)
            .map(String::from_utf8_lossy)
            .collect();
        text = lines.join("\\r\\n") + "\\n";
    }
    if prefix {
        text = format!("data:image/jpeg;base64,{text}");
    }
    match slashes {
        0 => text,
        1 => text.replace('/', "\\/"),
        _ => text
            .replace('/', "\\u002F")
            .replace('+', "\\u002b")
            .replace('=', "\\u003d"),
    }
}

proptest! {
    #[test]
    //= docs/spec/se5-events.md#pictures
    //# A picture MUST be readable as bare base64 and with a `data:` prefix.
    //= docs/spec/se5-events.md#pictures
    //# A picture MUST be readable with line breaks and spaces inside its base64.
    //= docs/spec/se5-events.md#pictures
    //# A picture MUST be readable without the padding of its base64.
    //= docs/spec/se5-events.md#pictures
    //# A picture MUST be readable with slashes, plus signs and equals signs written as JSON escapes.
    fn every_spelling_gives_the_same_picture(
        jpeg in prop::collection::vec(any::<u8>(), 1..20_000),
        prefix: bool,
        wrap in prop::option::of(1_usize..100),
        slashes in 0_u8..3,
        padding: bool,
    ) {
        let wire = dirtied(&jpeg, prefix, wrap, slashes, padding);
        let image = image(&wire);
        prop_assert_eq!(image.jpeg(), Ok(jpeg.clone()));
        prop_assert_eq!(image.detach().jpeg(), Ok(jpeg.clone()));
        prop_assert!(image.decoded_len_hint() >= jpeg.len());
        prop_assert_eq!(reference(&wire), Some(jpeg));
    }

    #[test]
    fn any_text_decodes_as_the_reference_decodes_it(
        wire in r"(data:image\\?/jpeg;base64,)?([A-Za-z0-9+/]{1,9}|\\/|\\n|\\r\\n| |\\u003d|=|!|-|_|\\u0041){0,30}",
    ) {
        match (picture(&wire), reference(&wire)) {
            (Picture::Inline(image), Some(expected)) => prop_assert_eq!(image.jpeg(), Ok(expected)),
            (Picture::Inline(image), None) => prop_assert!(image.jpeg().is_err()),
            (_, expected) => prop_assert!(expected.unwrap_or_default().is_empty()),
        }
    }

    #[test]
    fn arbitrary_text_never_panics(wire: String, max in 0_usize..64) {
        let json = json!({"reg_pic": wire}).to_string();
        let event = FaceEvent::decode(json.into()).expect("an event");
        if let Picture::Inline(image) = event.registered_picture() {
            let mut jpeg = Vec::new();
            let decoded = image.jpeg_into(&mut jpeg, max);
            prop_assert!(jpeg.len() <= max);
            prop_assert!(decoded.is_ok() || jpeg.is_empty());
        }
    }

    #[test]
    //= docs/spec/se5-events.md#pictures
    //# A picture that decodes to more than the caller's limit MUST be reported as too large.
    fn the_limit_is_exact(
        jpeg in prop::collection::vec(any::<u8>(), 1..9_000),
        wrap in prop::option::of(60_usize..100),
        padding: bool,
    ) {
        let image = image(&dirtied(&jpeg, false, wrap, 0, padding));
        let mut out = Vec::new();
        let max = jpeg.len() - 1;
        prop_assert_eq!(image.jpeg_into(&mut out, max), Err(ImageError::TooLarge { max }));
        prop_assert!(out.is_empty());
        for max in [jpeg.len(), jpeg.len() + 1] {
            prop_assert_eq!(image.jpeg_into(&mut out, max), Ok(()));
            prop_assert_eq!(&out, &jpeg);
        }
    }
}

#[test]
//= docs/spec/se5-events.md#pictures
//# A picture that is missing, null, empty or blank MUST be read as absent.
fn pictures_that_are_not_there() {
    let escaped_blank = r"\r\n";
    for wire in [
        "",
        " ",
        "   ",
        escaped_blank,
        "data:image/jpeg;base64,",
        "data:image\\/jpeg;base64, ",
    ] {
        assert_eq!(picture(wire), Picture::Absent, "{wire:?}");
    }
    for json in [
        json!({}),
        json!({"reg_pic": null}),
        json!({"reg_pic": 0}),
        json!({"reg_pic": {}}),
        json!({"reg_pic": false}),
    ] {
        let event = FaceEvent::decode(json.to_string().into()).unwrap();
        assert_eq!(event.registered_picture(), Picture::Absent, "{json}");
        assert!(!event.registered_picture().is_some());
    }
}

#[test]
fn line_breaks_that_json_forbids_are_read_too() {
    assert_eq!(
        image("/9j/\n2Q==").jpeg().unwrap(),
        [0xff, 0xd8, 0xff, 0xd9]
    );
    assert_eq!(
        image("/9j/\r\n2Q==\n").jpeg().unwrap(),
        [0xff, 0xd8, 0xff, 0xd9]
    );
}

#[test]
//= docs/spec/se5-events.md#pictures
//# A picture in the URL-safe alphabet MUST be reported as no base64.
//= docs/spec/se5-events.md#pictures
//# A picture that cannot be decoded MUST NOT make its event malformed.
fn what_is_no_base64_says_where() {
    for (wire, offset) in [
        ("_9j_2Q==", 0),
        ("/9j-2Q==", 3),
        ("/9j/2Q==/9j/", 6),
        ("/9j/2", 0),
        (r"/9j/\u4e2d2Q==", 4),
        (r"/9j/\u00e92Q==", 4),
        (r"/9j/\u00zz2Q==", 4),
        (r"/9j/\\2Q==", 4),
        (r#"/9j/\"2Q=="#, 4),
    ] {
        let NotBase64 { offset: at } = image(wire).jpeg().unwrap_err() else {
            panic!("{wire}");
        };
        assert!(at >= offset, "{wire}: {at} before {offset}");
    }
}
#[test]
fn characters_of_a_kind_that_no_text_has_are_no_base64() {
    let json = b"{\"reg_pic\":\"/9j/\xff\xfe2Q==\"}";
    let event = FaceEvent::decode(Bytes::from_static(json)).expect("pictures are not looked at");
    let image = event.registered_picture();
    let image = image.inline().expect("a picture");
    assert!(matches!(image.jpeg(), Err(NotBase64 { .. })));
}

#[test]
fn a_picture_may_have_8_mib() {
    let wire = "A".repeat((8 << 20) / 3 * 4 + 3); // 8 MiB to the byte, without padding
    assert_eq!(image(&wire).jpeg().map(|jpeg| jpeg.len()), Ok(8 << 20));
    let error = image(&(wire + "A")).jpeg();
    assert_eq!(error, Err(ImageError::TooLarge { max: 8 << 20 }));
}

#[test]
fn a_buffer_is_reused() {
    let mut jpeg = Vec::with_capacity(16);
    let (place, room) = (jpeg.as_ptr(), jpeg.capacity());
    for wire in ["/9j/2Q==", "/9j/4P/Z", r"\/9j\/2Q==", "/9j/2Q"] {
        image(wire).jpeg_into(&mut jpeg, 100).unwrap();
        assert_eq!(jpeg.get(..3), Some(&[0xff, 0xd8, 0xff][..]));
    }
    assert_eq!((jpeg.as_ptr(), jpeg.capacity()), (place, room));
}

#[test]
fn many_characters_to_clean_cost_no_more_than_their_number() {
    // Quadratic work on 4 MiB would take minutes.
    for dirt in [" ", "\\n", "\\/", "\n", "\\u002f"] {
        let _ = image(&format!("A{}", dirt.repeat(1 << 20))).jpeg();
    }
    let _ = image(&format!(" {}", "A".repeat(4 << 20))).jpeg();
}

#[test]
fn a_picture_is_shown_by_its_length() {
    let shown = format!("{:?}", picture("/9j/2Q=="));
    assert_eq!(shown, "Inline(<jpeg 6 B>)");
}

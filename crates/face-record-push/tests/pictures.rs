//! Pictures: every way terminals write them.

use bytes::Bytes;
use face_record_push::*;

/// The picture whose text stands between the quotes of a body exactly as given.
fn picture(wire: &str) -> Option<Image> {
    let json = format!("{{\"type\":0,\"data\":{{\"rgb_image\":\"{wire}\",\"pass\":true}}}}");
    let read = Push::decode(json.into()).expect("a push");
    assert_eq!(read.pass(), Some(true));
    read.picture()
}

#[test]
//= docs/spec/face-record-push.md#record
//# A picture that is missing, null, empty or blank MUST be read as absent.
fn pictures_that_are_not_there() {
    for wire in ["", " ", "  ", r"\r\n", "data:image/jpeg;base64,"] {
        assert_eq!(picture(wire), None, "{wire:?}");
    }
    for data in [
        "{}",
        r#"{"rgb_image":null}"#,
        r#"{"rgb_image":0}"#,
        r#"{"rgb_image":{}}"#,
    ] {
        let body = format!("{{\"type\":0,\"data\":{data}}}");
        assert_eq!(Push::decode(body.into()).unwrap().picture(), None, "{data}");
    }
}

#[test]
//= docs/spec/face-record-push.md#record
//# A picture MUST be readable with a `data:` prefix, with line breaks, with JSON escapes and without
//# its padding.
fn every_spelling_gives_the_same_picture() {
    for wire in [
        "/9j/2Q==",
        r"\/9j\/2Q==",
        "/9j/2Q",
        r"/9j/\r\n2Q==\n",
        "/9j/ 2Q==",
        "data:image/jpeg;base64,/9j/2Q==",
        r"data:image\/jpeg;base64,\/9j\/2Q",
        r"\u002F9j\u002f2Q\u003d\u003d",
    ] {
        let image = picture(wire).expect("a picture");
        assert_eq!(image.jpeg().unwrap(), [0xff, 0xd8, 0xff, 0xd9], "{wire}");
        assert_eq!(image.detach().jpeg().unwrap(), [0xff, 0xd8, 0xff, 0xd9]);
        assert_eq!(
            (image.as_wire(), image.encoded_len()),
            (&Bytes::from(wire.to_owned()), wire.len())
        );
        assert!(image.decoded_len_hint() >= 4);
    }
    let body = r#"{"type":1,"data":{"alarm_photo":"/9j/2Q=="}}"#;
    let image = Push::decode(body.into()).unwrap().picture().unwrap();
    assert_eq!(image.jpeg().unwrap(), [0xff, 0xd8, 0xff, 0xd9]);
}

#[test]
//= docs/spec/face-record-push.md#record
//# A picture that cannot be decoded MUST NOT make its push unreadable.
fn what_is_no_base64_says_so() {
    for wire in ["_9j_2Q==", "/9j/2", r"\\", r"/9j/\u4e2d"] {
        let error = picture(wire).expect("a picture").jpeg().unwrap_err();
        assert!(matches!(error, ImageError::NotBase64 { .. }), "{wire}");
    }
    let mut jpeg = vec![1];
    let error = picture("/9j/2Q==").unwrap().jpeg_into(&mut jpeg, 3);
    assert_eq!(error, Err(ImageError::TooLarge { max: 3 }));
    assert!(jpeg.is_empty());
}

#[test]
fn a_picture_that_is_not_utf8_is_no_base64() {
    let body = Bytes::from_static(b"{\"type\":0,\"data\":{\"rgb_image\":\"/9j/\xff\xfe2Q==\"}}");
    let read = Push::decode(body).expect("pictures are not looked at");
    assert!(read.picture().unwrap().jpeg().is_err());
    let _ = read.key(&SerialNumber::new("PS7"));
}

#[test]
//= docs/spec/face-record-push.md#record
//# A picture MUST be written as bare padded base64.
fn pictures_are_written_bare_and_padded() {
    for len in 0..5_usize {
        let jpeg = vec![0xff; len];
        let item = Recognition::new("PS7", UnixMillis(0))
            .to_item(Profile::V1_1, Some(jpeg.clone().into()));
        let mut body = Vec::new();
        codec::encode_push(&item, &mut body);
        let text = ["", "/w==", "//8=", "////", "/////w=="][len];
        assert!(
            String::from_utf8(body.clone())
                .unwrap()
                .contains(&format!("\"rgb_image\":\"{text}\""))
        );
        let image = Push::decode(body.into()).unwrap().picture();
        assert_eq!(
            image.map(|image| image.jpeg().unwrap()).unwrap_or_default(),
            jpeg
        );
        assert_eq!(item.without_picture().jpeg(), None);
    }
}

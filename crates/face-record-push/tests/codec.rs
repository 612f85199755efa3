//! What is written reads back, byte for byte and profile by profile.

use bytes::Bytes;
use face_record_push::codec::{decode_push, encode_push, push_len};
use face_record_push::*;

const PROFILES: [Profile; 5] = [
    Profile::V1_0,
    Profile::V1_1,
    Profile::V1_2,
    Profile::V1_2_1,
    Profile::V1_3,
];

fn recognition() -> Recognition {
    let mut recognition = Recognition::new("PS71HD01MC22C00014", UnixMillis(1_660_625_866_000));
    recognition.score = 0.983_748_078_346_252_4;
    recognition.mask = Mask::NOT_WORN;
    recognition.temperature = 36.533_088_684_082_03;
    recognition.user = Some(Person::new("1", "Q"));
    recognition
}

fn posted(item: &Item) -> Bytes {
    let mut body = Vec::new();
    encode_push(item, &mut body);
    assert_eq!(body.len(), push_len(item));
    body.into()
}

fn record(body: Bytes) -> Record {
    match decode_push(body).unwrap() {
        Push::Record(record) => record,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_record_is_written_as_the_document_shows_it() {
    let jpeg = Bytes::from_static(b"\xff\xd8\xff\xd9");
    let item = recognition().to_item(Profile::V1_1, Some(jpeg.clone()));
    let expected = r#"{"type":0,"data":{"recognitionType":1,"deviceSN":"PS71HD01MC22C00014","recognizeScore":0.9837480783462524,"mask":1,"rgb_image":"/9j/2Q==","pass":true,"mode":0,"user":{"name":"Q","user_id":1,"type":1},"timestamp":1660625866,"bodyTemperature":36.53308868408203}}"#;
    let body = posted(&item);
    assert_eq!(body, expected);
    assert_eq!(record(body).picture().unwrap().jpeg().unwrap(), jpeg);
}

#[test]
fn every_profile_reads_back() {
    for profile in PROFILES {
        let item = recognition().to_item(profile, Some(Bytes::from_static(b"picture")));
        let body = posted(&item);
        let again = record(body.clone());
        let back = again
            .to_recognition()
            .to_item(profile, Some(Bytes::from_static(b"picture")));
        assert_eq!(posted(&back), body, "{profile:?}");
    }
}

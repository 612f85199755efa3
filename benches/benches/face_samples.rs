//! Records to measure with, for every bench of face-record-push.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each bench uses its part of this"
)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use face_record_push::wire::Person;
use face_record_push::{Item, Profile, Recognition, UnixMillis};
use std::sync::LazyLock;

/// Bytes of JPEG whose record is 62 KB of JSON.
pub const PICTURE: usize = 46_000;

/// The body of a record of profile 1.1, as a terminal pushes it. Bodies of different people have the
/// same length.
pub fn body(serial: usize, person: usize, jpeg: &[u8]) -> Vec<u8> {
    let (head, tail) = halves(serial, person);
    let mut body = head.into_bytes();
    body.extend_from_slice(STANDARD.encode(jpeg).as_bytes());
    body.extend_from_slice(tail.as_bytes());
    body
}

/// The same up to where the picture goes, and from there on.
pub fn halves(serial: usize, person: usize) -> (String, String) {
    let head = format!(
        r#"{{"type":0,"data":{{"recognitionType":1,"deviceSN":"PS71HD01MC22C{serial:05}","recognizeScore":0.9837480783462524,"mask":1,"rgb_image":""#
    );
    let tail = format!(
        r#"","pass":true,"mode":0,"user":{{"name":"测试员甲","user_id":{},"type":1}},"timestamp":1660625866,"bodyTemperature":36.53308868408203}}}}"#,
        FIRST_PERSON + person
    );
    (head, tail)
}

/// The first `user_id`: eight digits, as many as the document allows.
const FIRST_PERSON: usize = 10_000_000;

/// Gives the record of a [`body`] to someone else, in place; its picture changes, too.
pub fn turn_over(body: &mut [u8], person: usize) {
    let digits = (FIRST_PERSON + person).to_string();
    let (user, picture) = (br#""user_id":"#, br#""rgb_image":""#);
    let user = memchr::memmem::rfind(body, user).expect("a user") + user.len();
    let picture = memchr::memmem::find(body, picture).expect("a picture") + picture.len();
    body[user..user + 8].copy_from_slice(digits.as_bytes());
    // Digits are base64, too.
    if body[picture] != b'"' {
        body[picture..picture + 8].copy_from_slice(digits.as_bytes());
    }
}

/// The record of the person with this number, with a picture of its own.
pub fn item(person: u64) -> Item {
    let mut recognition = Recognition::new("PS71HD01MC22C00001", UnixMillis(1_660_625_866_000));
    recognition.score = 0.983_748_078_346_252_4;
    recognition.user = Some(Person::new(person.to_string(), "测试员甲"));
    let mut picture = NOISE.to_vec();
    picture[..8].copy_from_slice(&person.to_le_bytes());
    recognition.to_item(Profile::V1_1, Some(picture.into()))
}

/// Every `/` as `\/`, as PHP and some Java write it.
pub fn escape_slashes(json: &[u8]) -> Bytes {
    let text = String::from_utf8(json.to_vec()).expect("text");
    let json = Bytes::from(text.replace('/', "\\/"));
    let _shared = json.clone();
    json
}

static NOISE: LazyLock<Bytes> = LazyLock::new(|| noise(PICTURE, 1));

/// Bytes that compress no better than a JPEG.
pub fn noise(len: usize, seed: u64) -> Bytes {
    let mut state = seed;
    let byte = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    std::iter::repeat_with(byte).take(len).collect()
}

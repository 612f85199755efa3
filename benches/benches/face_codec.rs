//! Records of face terminals beside what a program would do with `serde_json` and `base64`, and
//! beside the limits of the machine; then the steps of both machines.

mod face_samples;
mod face_steps;

use base64::Engine as _;
use base64::engine::Simd;
use base64::engine::general_purpose::{PAD, STANDARD};
use benches::Group;
use bytes::Bytes;
use face_record_push::{Push, SerialNumber, codec};
use face_samples::{PICTURE, body, escape_slashes, item, noise};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::borrow::Cow;
use std::hint::black_box;

fn main() {
    let plain = shared(body(1, 1, &noise(PICTURE, 1)));
    let escaped = escape_slashes(&plain);
    decode("face: decode a record with a picture", &plain, 14.0);
    decode("face: decode the same with every / escaped", &escaped, 20.0);
    same_time(&plain, &escaped);
    without_picture();
    key(&plain, &escaped);
    jpeg("face: record to JPEG", &plain);
    jpeg("face: the same with every / escaped", &escaped);
    encode();
    growth();
    face_steps::device();
    face_steps::platform();
}

/// Sharing a plain vector's memory allocates once; what comes from a socket is shared already.
fn shared(json: Vec<u8>) -> Bytes {
    let json = Bytes::from(json);
    let _shared = json.clone();
    json
}

fn decode(name: &str, json: &Bytes, goal: f64) {
    let mut copy = vec![0; json.len()];
    Group::new(name)
        .bytes(json.len())
        .case("ours", || Push::decode(json.clone()).is_ok())
        .case("serde_json Value", || {
            serde_json::from_slice::<Value>(json).is_ok()
        })
        .case("serde_json owned struct", || {
            serde_json::from_slice::<Owned>(json).is_ok()
        })
        .case("serde_json borrowed struct", || {
            serde_json::from_slice::<Borrowed<'_>>(json).is_ok()
        })
        .case("memcpy", || copy.copy_from_slice(black_box(json)))
        .case("simdutf8", || simdutf8::basic::from_utf8(json).is_ok())
        .goal("ours", "serde_json Value", goal)
        .against("ours", "serde_json owned struct")
        .against("ours", "serde_json borrowed struct")
        .against("ours", "simdutf8")
        .against("ours", "memcpy")
        .run();
}

fn same_time(plain: &Bytes, escaped: &Bytes) {
    Group::new("face: escaping costs nothing until the picture is wanted")
        .bytes(plain.len())
        .case("plain", || Push::decode(plain.clone()).is_ok())
        .case("escaped", || Push::decode(escaped.clone()).is_ok())
        .goal("escaped", "plain", 1.0 / 1.1)
        .run();
}

fn without_picture() {
    let json = shared(body(1, 1, &[]));
    Group::new("face: decode a record without a picture")
        .bytes(json.len())
        .case("ours", || Push::decode(json.clone()).is_ok())
        .case("serde_json Value", || {
            serde_json::from_slice::<Value>(&json).is_ok()
        })
        .case("serde_json borrowed struct", || {
            serde_json::from_slice::<Borrowed<'_>>(&json).is_ok()
        })
        .against("ours", "serde_json Value")
        .against("ours", "serde_json borrowed struct")
        .run();
}

/// What tells a repetition from a second record.
fn key(plain: &Bytes, escaped: &Bytes) {
    let serial = SerialNumber::new("PS71HD01MC22C00001");
    let [plain_push, escaped_push] =
        [plain, escaped].map(|json| Push::decode(json.clone()).unwrap());
    Group::new("face: key of a record")
        .bytes(plain.len())
        .case("ours", || plain_push.key(&serial))
        .case("ours, escaped", || escaped_push.key(&serial))
        .case("SHA-256 of the body", || {
            <sha2::Sha256 as sha2::Digest>::digest(plain)
        })
        .against("ours", "SHA-256 of the body")
        .against("ours, escaped", "ours")
        .run();
}

fn jpeg(name: &str, json: &Bytes) {
    let mut jpeg = Vec::with_capacity(2 * PICTURE);
    let mut copy = vec![0; json.len()];
    Group::new(name)
        .bytes(json.len())
        .case("ours, buffer reused", || {
            let push = Push::decode(json.clone()).unwrap();
            let picture = push.picture().unwrap();
            picture.jpeg_into(&mut jpeg, 8 << 20).unwrap();
        })
        .case("serde_json Value + base64 STANDARD", || {
            let push: Value = serde_json::from_slice(json).unwrap();
            STANDARD
                .decode(push["data"]["rgb_image"].as_str().unwrap())
                .unwrap()
        })
        .case("memcpy of the message", || {
            copy.copy_from_slice(black_box(json));
        })
        .against("ours, buffer reused", "serde_json Value + base64 STANDARD")
        .against("ours, buffer reused", "memcpy of the message")
        .run();
}

fn encode() {
    let item = item(1);
    let jpeg = item.jpeg().unwrap();
    let mut bytes = Vec::with_capacity(codec::push_len(&item));
    codec::encode_push(&item, &mut bytes);
    let mut push: Owned = serde_json::from_slice(&bytes).unwrap();
    let (simd, mut text) = (Simd::standard(PAD), vec![0; 2 * PICTURE]);
    Group::new("face: JPEG to a body ready to be posted")
        .bytes(bytes.len())
        .case("ours, buffer reused", || {
            bytes.clear();
            codec::encode_push(&item, &mut bytes);
            bytes.len()
        })
        .case("base64 engine::Simd alone", || {
            simd.encode_slice(jpeg, &mut text).unwrap()
        })
        .case("base64 STANDARD + serde_json to_vec", || {
            push.data.rgb_image = STANDARD.encode(jpeg);
            serde_json::to_vec(&push).unwrap()
        })
        .against("ours, buffer reused", "base64 STANDARD + serde_json to_vec")
        .against("ours, buffer reused", "base64 engine::Simd alone")
        .run();
}

fn growth() {
    for size in [64 << 10, 512 << 10, 6 << 20] {
        let json = shared(body(1, 1, &noise(size / 4 * 3, 1)));
        Group::new(format!("face: growth, a record of {} KiB", size >> 10))
            .bytes(json.len())
            .case("ours", || Push::decode(json.clone()).is_ok())
            .case("serde_json Value", || {
                serde_json::from_slice::<Value>(&json).is_ok()
            })
            .against("ours", "serde_json Value")
            .run();
    }
}

#[derive(Serialize, Deserialize)]
struct Owned {
    r#type: i64,
    data: OwnedData,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OwnedData {
    recognition_type: i64,
    #[serde(rename = "deviceSN")]
    device_sn: String,
    recognize_score: f64,
    mask: i64,
    #[serde(rename = "rgb_image")]
    rgb_image: String,
    pass: bool,
    mode: i64,
    user: OwnedUser,
    timestamp: i64,
    body_temperature: f64,
}

#[derive(Serialize, Deserialize)]
struct OwnedUser {
    name: String,
    user_id: i64,
    r#type: i64,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only decoded")]
struct Borrowed<'a> {
    r#type: i64,
    #[serde(borrow)]
    data: BorrowedData<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "only decoded")]
struct BorrowedData<'a> {
    recognition_type: i64,
    #[serde(rename = "deviceSN")]
    device_sn: &'a str,
    recognize_score: f64,
    mask: i64,
    #[serde(borrow, rename = "rgb_image")]
    rgb_image: Cow<'a, str>,
    pass: bool,
    mode: i64,
    user: BorrowedUser<'a>,
    timestamp: i64,
    body_temperature: f64,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only decoded")]
struct BorrowedUser<'a> {
    name: &'a str,
    user_id: i64,
    r#type: i64,
}

//! SE5 events beside what a program would do with `serde_json` and `base64`, and beside the limits
//! of the machine: `memcpy`, `memchr`, UTF-8 validation.

mod samples;

use base64::Engine as _;
use base64::engine::Simd;
use base64::engine::general_purpose::{PAD, STANDARD};
use benches::Group;
use bytes::Bytes;
use lenient_wire::Scanner;
use samples::{Owned, live, owned, with_pictures};
use se5_events::{Dialect, FaceEvent, LiveForm, Sighting};
use serde::Deserialize;
use serde_json::Value;
use std::borrow::Cow;
use std::hint::black_box;

fn main() {
    let event = with_pictures(20 << 10, 120 << 10);
    let (plain, escaped) = (live(&event), escape_slashes(&live(&event)));
    decode("se5: decode an event with pictures", &plain, 12.0, true);
    decode(
        "se5: decode the same with every / escaped",
        &escaped,
        25.0,
        false,
    );
    same_time(&plain, &escaped);
    jpegs("se5: event to both JPEGs", &plain, 7.5);
    jpegs("se5: the same with every / escaped", &escaped, 2.9);
    without_pictures();
    encode(&event);
    cold(&plain);
    growth();
    adversarial();
}

fn decode(name: &str, json: &Bytes, goal: f64, borrowed: bool) {
    let mut copy = vec![0; json.len()];
    let mut group = Group::new(name)
        .bytes(json.len())
        .case("ours", || FaceEvent::decode(json.clone()).is_ok())
        .case("serde_json Value", || {
            serde_json::from_slice::<Value>(json).is_ok()
        })
        .case("serde_json owned struct", || {
            serde_json::from_slice::<Owned>(json).is_ok()
        });
    if borrowed {
        group = group
            .case("serde_json borrowed struct", || {
                serde_json::from_slice::<Borrowed<'_>>(json).is_ok()
            })
            .against("ours", "serde_json borrowed struct");
    }
    group
        .case("memcpy", || copy.copy_from_slice(black_box(json)))
        .case("simdutf8", || simdutf8::basic::from_utf8(json).is_ok())
        .case("memchr to the end", || memchr::memchr(0, json))
        .goal("ours", "serde_json Value", goal)
        .against("ours", "serde_json owned struct")
        .goal("ours", "simdutf8", 0.6)
        .goal("ours", "memcpy", 1.0)
        .run();
}

fn same_time(plain: &Bytes, escaped: &Bytes) {
    Group::new("se5: escaping costs nothing until the picture is wanted")
        .bytes(plain.len())
        .case("plain", || FaceEvent::decode(plain.clone()).is_ok())
        .case("escaped", || FaceEvent::decode(escaped.clone()).is_ok())
        .goal("escaped", "plain", 1.0 / 1.15)
        .run();
}

fn jpegs(name: &str, json: &Bytes, goal: f64) {
    let (mut face, mut scene) = (Vec::with_capacity(200 << 10), Vec::with_capacity(200 << 10));
    let mut copy = vec![0; json.len()];
    Group::new(name)
        .bytes(json.len())
        .case("ours, buffers reused", || {
            let event = FaceEvent::decode(json.clone()).unwrap();
            let max = 8 << 20;
            let picture = event.face_picture();
            picture.inline().unwrap().jpeg_into(&mut face, max).unwrap();
            let picture = event.scene_picture();
            picture
                .inline()
                .unwrap()
                .jpeg_into(&mut scene, max)
                .unwrap();
        })
        .case("serde_json Value + base64 STANDARD", || {
            let event: Value = serde_json::from_slice(json).unwrap();
            let picture = |name: &str| {
                STANDARD
                    .decode(event["ext_data"][name].as_str().unwrap())
                    .unwrap()
            };
            (picture("recognize_face"), picture("spot_pic"))
        })
        .case("memcpy of the message", || {
            copy.copy_from_slice(black_box(json));
        })
        .goal(
            "ours, buffers reused",
            "serde_json Value + base64 STANDARD",
            goal,
        )
        .against("ours, buffers reused", "memcpy of the message")
        .run();
}

fn without_pictures() {
    let json = live(&with_pictures(0, 0));
    Group::new("se5: decode an event without pictures")
        .bytes(json.len())
        .case("ours", || FaceEvent::decode(json.clone()).is_ok())
        .case("serde_json Value", || {
            serde_json::from_slice::<Value>(&json).is_ok()
        })
        .case("serde_json borrowed struct", || {
            serde_json::from_slice::<Borrowed<'_>>(&json).is_ok()
        })
        .goal("ours", "serde_json Value", 4.0)
        .goal("ours", "serde_json borrowed struct", 2.0)
        .run();
}

fn encode(event: &Sighting) {
    let mut frame = Vec::with_capacity(256 << 10);
    let (face, scene) = (event.face.as_ref().unwrap(), event.scene.as_ref().unwrap());
    let (simd, mut text) = (Simd::standard(PAD), vec![0; 256 << 10]);
    Group::new("se5: JPEGs to an event ready to be sent")
        .bytes(live(event).len())
        .case("ours, buffer reused", || {
            frame.clear();
            event.encode_live(LiveForm::new(Dialect::V1), &mut frame);
            frame.len()
        })
        .case("base64 engine::Simd alone", || {
            let face = simd.encode_slice(face, &mut text).unwrap();
            face + simd.encode_slice(scene, &mut text).unwrap()
        })
        .case("base64 STANDARD + serde_json to_vec", || {
            let event = owned(event, STANDARD.encode(face), STANDARD.encode(scene));
            serde_json::to_vec(&event).unwrap()
        })
        .goal(
            "ours, buffer reused",
            "base64 STANDARD + serde_json to_vec",
            12.0,
        )
        .against("ours, buffer reused", "base64 engine::Simd alone")
        .run();
}

/// Events that come from the network are in no cache.
fn cold(plain: &Bytes) {
    let ring: Vec<Bytes> = (0..256).map(|_| Bytes::copy_from_slice(plain)).collect();
    let _shared = ring.clone();
    let turn = |at: &mut usize| {
        *at = (*at + 1) % ring.len();
        ring[*at].clone()
    };
    let (mut a, mut b, mut c) = (0, 85, 170);
    Group::new("se5: decode from a ring of 49 MB, which no cache holds")
        .bytes(plain.len())
        .case("ours", || FaceEvent::decode(turn(&mut a)).is_ok())
        .case("serde_json Value", || {
            serde_json::from_slice::<Value>(&turn(&mut b)).is_ok()
        })
        .case("memchr to the end", || memchr::memchr(0, &turn(&mut c)))
        .goal("ours", "serde_json Value", 3.5)
        .goal("ours", "memchr to the end", 0.85)
        .run();
}

fn growth() {
    let sizes = [128 << 10, 1 << 20, 15 << 20].map(|size| {
        let json = live(&with_pictures(0, size / 4 * 3));
        (json.len(), json)
    });
    for (len, json) in &sizes {
        Group::new(format!("se5: growth, a message of {} KiB", len >> 10))
            .bytes(*len)
            .case("ours", || FaceEvent::decode(json.clone()).is_ok())
            .case("serde_json Value", || {
                serde_json::from_slice::<Value>(json).is_ok()
            })
            .against("ours", "serde_json Value")
            .run();
    }
}

/// The worst that text can do to a search for its end.
fn adversarial() {
    let shapes: [(&str, &[u8]); 4] = [
        ("escaped quotes", br#"\""#),
        ("escaped backslashes", br"\\"),
        ("backslash pairs and quotes", br#"\\\""#),
        ("plain", b"AAAA"),
    ];
    for (name, piece) in shapes {
        for size in [1_usize << 20, 4 << 20] {
            let text = piece.repeat(size / piece.len());
            let mut json = br#"{"reg_pic":""#.to_vec();
            json.extend_from_slice(&text);
            json.extend_from_slice(br#"","x":""#);
            json.extend_from_slice(&text);
            json.extend_from_slice(br#""}"#);
            let json = Bytes::from(json);
            Group::new(format!(
                "se5: adversarial text, {name}, 2 x {} MiB",
                size >> 20
            ))
            .bytes(json.len())
            .case("ours", || FaceEvent::decode(json.clone()).is_ok())
            .case("ours, as if all were text", || {
                Scanner::new(&json, 64).value().is_ok()
            })
            .case("serde_json Value", || {
                serde_json::from_slice::<Value>(&json).is_ok()
            })
            .against("ours", "serde_json Value")
            .run();
        }
    }
}

fn escape_slashes(json: &Bytes) -> Bytes {
    let text = String::from_utf8(json.to_vec())
        .unwrap()
        .replace('/', "\\/");
    let json = Bytes::from(text);
    let _shared = json.clone();
    json
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only decoded")]
struct Borrowed<'a> {
    reg_pic: Cow<'a, str>,
    #[serde(borrow)]
    ext_data: BorrowedExt<'a>,
    identity_id: &'a str,
    device_id: &'a str,
    score: f64,
    timestamp: i64,
    group_name: &'a str,
    identity_name: &'a str,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only decoded")]
struct BorrowedExt<'a> {
    person_type: i64,
    device_ip: &'a str,
    device_type: &'a str,
    spot_pic: Option<&'a str>,
    recognize_face: Option<&'a str>,
}

//! Messages of analysers beside what a program would do with `serde_json`; signatures beside keying
//! anew for each, beside ring, and beside the bare HMAC of a text that is there in one piece.
//!
//! A message is read with its members in our order and, as a map of Python or Java may have it, with
//! `data` before `action`: "serde tagged" is `#[serde(tag, content)]` over structs, with goods by
//! number. It reads no message whose `data` comes first, since what serde sets aside has texts for
//! names; so another one with goods by text stands beside ours there. Ratios are to be at least 4
//! against `Value` and 2.2 against serde tagged.

mod analyst_samples;
mod analyst_serde;

use analyst_proto::codec::{Dialect, Lenience, decode, encode};
use analyst_proto::sign::{Preset, SignValue, Signer as _, SigningKey};
use analyst_proto::wire::Secret;
use analyst_samples::{FAIL, FINISH, START, TIMEOUT};
use analyst_serde::{Tagged, TaggedByText};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use benches::Group;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac as _};
use serde_json::Value;
use sha1::Sha1;
use std::hint::black_box;

fn main() {
    for (name, json) in [
        ("START", START),
        ("FINISH", FINISH),
        ("FAIL", FAIL),
        ("TIMEOUT", TIMEOUT),
    ] {
        read(name, json);
        write(name, json);
    }
    sign(Preset::MakeMd5);
    sign(Preset::HmacSha1Base64);
}

fn read(name: &str, json: &'static str) {
    let payload = Bytes::from_static(json.as_bytes());
    let turned = Bytes::from(analyst_samples::data_first(json));
    let (strict, lenience) = (Lenience::strict(), Lenience::field());
    assert_eq!(decode(&payload, &lenience), decode(&turned, &lenience));
    let tagged = |json: &Bytes| serde_json::from_slice::<Tagged>(json);
    let by_text = |json: &Bytes| serde_json::from_slice::<TaggedByText>(json);
    if let Err(error) = tagged(&turned) {
        println!("serde tagged, {name} with data first: {error}\n");
    }
    tagged(&payload).unwrap();
    by_text(&turned).unwrap();
    Group::new(format!("analyst: decode {name}"))
        .bytes(payload.len())
        .case("ours", || decode(&payload, &lenience).is_ok())
        .case("ours, data first", || decode(&turned, &lenience).is_ok())
        .case("ours, strict", || decode(&payload, &strict).is_ok())
        .case("serde_json Value", || {
            serde_json::from_slice::<Value>(&payload).is_ok()
        })
        .case("Value, data first", || {
            serde_json::from_slice::<Value>(&turned).is_ok()
        })
        .case("serde tagged", || tagged(&payload).is_ok())
        .case("serde tagged by text, data first", || {
            by_text(&turned).is_ok()
        })
        .goal("ours", "serde_json Value", 4.0)
        .goal("ours", "serde tagged", 2.2)
        .goal("ours, data first", "Value, data first", 4.0)
        .goal("ours, data first", "serde tagged by text, data first", 2.2)
        .against("ours, data first", "ours")
        .run();
}

fn write(name: &str, json: &'static str) {
    let payload = Bytes::from_static(json.as_bytes());
    let message = decode(&payload, &Lenience::field()).unwrap();
    let tagged: Tagged = serde_json::from_slice(&payload).unwrap();
    let value: Value = serde_json::from_slice(&payload).unwrap();
    let mut ours = Vec::with_capacity(2 * payload.len());
    let mut theirs = Vec::with_capacity(2 * payload.len());
    let mut third = Vec::with_capacity(2 * payload.len());
    Group::new(format!("analyst: encode {name}, buffer reused"))
        .bytes(payload.len())
        .case("ours", || {
            ours.clear();
            encode(&message, &Dialect::default(), &mut ours);
            ours.len()
        })
        .case("serde_json Value", || {
            theirs.clear();
            serde_json::to_writer(&mut theirs, &value).unwrap();
            theirs.len()
        })
        .case("serde tagged", || {
            third.clear();
            serde_json::to_writer(&mut third, &tagged).unwrap();
            third.len()
        })
        .against("ours", "serde_json Value")
        .against("ours", "serde tagged")
        .run();
}

/// A request as an analyser signs it, and one of which 200 bytes are signed, for which the goals
/// are: 4 million signatures and 3.5 million verifications a second on one core, 1.25 times as many
/// as with a key that is made ready for each, 3 times as many as ring's HMAC-SHA1.
fn sign(preset: Preset) {
    let short = [
        ("name", SignValue::Str("analyst_3")),
        ("timestamp", SignValue::Int(1_558_583_537_598)),
    ];
    signed(preset, "a request", &short);
    let digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    let long = [
        ("digest", SignValue::Str(digest)),
        ("name", SignValue::Str("analyst_3")),
        ("nonce", SignValue::Str("5ad015a3bf4f1b2b0b822cd15d6c15b0")),
        (
            "path",
            SignValue::Str("/recognition/api/get_connection_info/"),
        ),
        ("timestamp", SignValue::Int(1_558_583_537_598)),
        ("v", SignValue::Str("1.020")),
    ];
    signed(preset, "200 bytes", &long);
}

fn signed(preset: Preset, what: &str, params: &[(&str, SignValue<'_>)]) {
    let secret = Secret::new("test-secret-of-32-characters-len");
    let key = SigningKey::new(preset, &secret);
    let text = analyst_samples::signed_text(params);
    assert!(what != "200 bytes" || text.len() == 200, "{}", text.len());
    let mut signature = String::new();
    key.sign(params, &mut signature);
    let ring_key = ring::hmac::Key::new(
        ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        secret.as_str().as_bytes(),
    );
    // ring's is given the text in one piece, which ours has to put together.
    let tag = ring::hmac::sign(&ring_key, text.as_bytes());
    let is_same = STANDARD.encode(tag.as_ref()) == signature;
    assert!(is_same || preset != Preset::HmacSha1Base64);
    let bare = <Hmac<Sha1> as KeyInit>::new_from_slice(secret.as_str().as_bytes()).unwrap();
    let room = || String::with_capacity(signature.len());
    let (mut once, mut anew, mut rings) = (room(), room(), room());
    let mut group = Group::new(format!("analyst: {what}, signed by {preset:?}"))
        .bytes(text.len())
        .case("sign", || {
            once.clear();
            key.sign(black_box(params), &mut once);
            once.len()
        })
        .case("sign, keyed anew", || {
            anew.clear();
            SigningKey::new(preset, black_box(&secret)).sign(params, &mut anew);
            anew.len()
        })
        .case("verify", || key.verify(black_box(params), &signature))
        .case("verify, keyed anew", || {
            SigningKey::new(preset, black_box(&secret)).verify(params, &signature)
        });
    if preset == Preset::HmacSha1Base64 {
        group = group
            .case("ring, sign", || {
                rings.clear();
                let tag = ring::hmac::sign(&ring_key, black_box(text.as_bytes()));
                STANDARD.encode_string(tag.as_ref(), &mut rings);
                rings.len()
            })
            .case("hmac alone, text in one piece", || {
                let mut mac = bare.clone();
                mac.update(black_box(text.as_bytes()));
                mac.finalize().into_bytes()
            })
            .case("ring, verify", || {
                let mut tag = [0; 21];
                let tag_len = STANDARD.decode_slice(&signature, &mut tag).unwrap_or(0);
                let text = black_box(text.as_bytes());
                ring::hmac::verify(&ring_key, text, &tag[..tag_len]).is_ok()
            })
            .goal("sign", "sign, keyed anew", 1.25)
            .goal("verify", "verify, keyed anew", 1.25)
            .goal("sign", "ring, sign", 3.0)
            .goal("verify", "ring, verify", 3.0)
            .against("sign", "hmac alone, text in one piece");
    } else {
        group = group
            .against("sign", "sign, keyed anew")
            .against("verify", "verify, keyed anew");
    }
    group.run();
}

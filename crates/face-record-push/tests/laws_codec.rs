//! What holds for every body: nothing panics, nothing is lost, and a record keeps its key.

use bytes::Bytes;
use face_record_push::*;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

fn serial() -> SerialNumber {
    SerialNumber::new("PS7")
}

fn key(body: impl Into<Bytes>) -> RecordKey {
    Push::decode(body.into()).expect("a push").key(&serial())
}

fn push(kind: i64, data: &Json) -> String {
    json!({"type": kind, "data": data}).to_string()
}

fn look_at(push: &Push) {
    let _ = (
        push.serial(),
        push.time(),
        push.pass(),
        push.kind(),
        push.key(&serial()),
    );
    let _ = push.picture().map(|image| image.jpeg());
    let _ = format!("{push:?}");
    if let Push::Record(record) = push {
        let _ = (
            record.to_recognition(),
            record.extra_members(),
            record.raw(&["user", "name"]),
        );
    }
}

fn name() -> impl Strategy<Value = &'static str> + Clone {
    prop::sample::select(vec![
        "type",
        "data",
        "user",
        "groups",
        "pass",
        "timestamp",
        "rgb_image",
        "deviceSN",
        "name",
        "id",
        "recognitionType",
        "trace_id",
        "x",
    ])
}

/// An object with members that documents name.
fn any_object() -> impl Strategy<Value = Json> {
    prop::collection::vec((name(), any_json()), 0..6).prop_map(|members| {
        let members = members
            .into_iter()
            .map(|(name, json)| (name.to_owned(), json));
        Json::Object(members.collect())
    })
}

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        any::<String>().prop_map(Json::from),
        "[A-Za-z0-9+/]{0,12}={0,2}".prop_map(Json::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::vec((name(), inner), 0..6).prop_map(|members| {
                let members = members
                    .into_iter()
                    .map(|(name, json)| (name.to_owned(), json));
                Json::Object(members.collect())
            }),
        ]
    })
}

/// The same JSON in another spelling: other white space, other order, other escapes.
fn respelled(json: &Json) -> String {
    match json {
        Json::Object(members) => {
            let members = members
                .iter()
                .rev()
                .map(|(name, json)| format!(" {} :\t{}", escaped(name), respelled(json)));
            format!("{{{}\n}}", members.collect::<Vec<_>>().join(","))
        }
        Json::Array(items) => {
            let items: Vec<_> = items.iter().map(respelled).collect();
            format!("[ {} ]", items.join(" ,"))
        }
        Json::String(text) => escaped(text),
        other => other.to_string(),
    }
}

fn escaped(text: &str) -> String {
    let units = text
        .encode_utf16()
        .map(|unit| match char::from_u32(unit.into()) {
            Some('/') => r"\/".to_owned(),
            Some(char) if char.is_ascii_alphanumeric() => char.to_string(),
            _ => format!("\\u{unit:04x}"),
        });
    format!("\"{}\"", units.collect::<String>())
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>, status: u16) {
        let body = Bytes::from(bytes);
        match Push::decode(body.clone()) {
            Ok(push) => look_at(&push),
            Err(error) => prop_assert_eq!(error.raw, body.clone()),
        }
        let _ = (codec::read_answer(status, None, &body), codec::read_decision(status, &body));
        let _ = (codec::read_ask(true, &body), codec::read_query(&body), codec::read_login(&body));
        let _ = (codec::read_ask_reply(200, &body), codec::read_page(200, &body));
        let _ = Item::read_row(&body, None);
    }

    #[test]
    //= docs/spec/face-record-push.md#record
    //# The decoder MUST accept every JSON object with a `type` and an object in `data` as a push,
    //# whatever the members of that are.
    fn every_object_is_a_push(data in any_json(), kind in 0_i64..4) {
        let body = push(kind, &data);
        match Push::decode(body.clone().into()) {
            Ok(push) => {
                look_at(&push);
                prop_assert_eq!(push.json(), body.as_bytes());
                prop_assert!(data.is_object() || kind > 1);
            }
            Err(error) => {
                prop_assert_eq!(error.kind, PushErrorKind::NoData);
                prop_assert!(!data.is_object() && kind < 2);
            }
        }
        if let Ok(push) = Push::decode(data.to_string().into()) {
            look_at(&push);
        }
    }

    #[test]
    //= docs/spec/face-record-push.md#duplicates
    //# A key that is made of what a push says MUST NOT depend on the white space, the order of members
    //# or the escapes of its JSON.
    fn the_key_does_not_depend_on_the_spelling(mut data in any_object(), kind in 0_i64..2) {
        data["timestamp"] = 1_660_625_866.into();
        data["trace_id"] = "t/1".into();
        // What is no base64 is no picture, and may be taken for another one.
        let is_base64 = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "+/=".contains(c));
        prop_assume!(data["rgb_image"].as_str().is_none_or(is_base64));
        let json = json!({"type": kind, "data": data});
        prop_assert_eq!(key(json.to_string()), key(respelled(&json)), "{}", json);
    }

    #[test]
    fn a_picture_has_one_key_in_every_spelling(
        jpeg in prop::collection::vec(any::<u8>(), 0..12_000),
        wrap in prop::option::of(1_usize..100),
    ) {
        use base64::Engine as _;
        let text = base64::engine::general_purpose::STANDARD.encode(&jpeg);
        let body = |text: &str| {
            format!(r#"{{"type":0,"data":{{"timestamp":1660625866,"rgb_image":"{text}"}}}}"#)
        };
        let expected = key(body(&text));
        prop_assert_eq!(key(body(&text.replace('/', "\\/"))), expected);
        prop_assert_eq!(key(body(text.trim_end_matches('='))), expected);
        prop_assert_eq!(key(body(&format!("data:image/jpeg;base64,{text}"))), expected);
        prop_assert_eq!(key(body(&text.replace('=', "\\u003d").replace('+', "\\u002b"))), expected);
        if let Some(every) = wrap {
            let lines: Vec<_> = text.as_bytes().chunks(every).map(String::from_utf8_lossy).collect();
            prop_assert_eq!(key(body(&lines.join("\\r\\n"))), expected);
        }
        if text.len() > 8 {
            prop_assert_ne!(key(body(&text[4..])), expected);
        }
    }
}

#[test]
//= docs/spec/face-record-push.md#duplicates
//# A key that is made of what a push says MUST NOT depend on the white space, the order of members or
//# the escapes of its JSON.
fn ids_and_numbers_are_the_same_in_every_spelling() {
    let with = |id: Json, score: Json, kind: Json| {
        let user = json!({"user_id": id});
        let data =
            json!({"timestamp": 1, "recognizeScore": score, "recognitionType": kind, "user": user});
        (key(push(0, &data)), key(data.to_string()))
    };
    let (plain, bare) = with(json!(1), json!(0.5), json!(1));
    assert_eq!(plain, bare, "with and without envelope");
    for (id, score, kind) in [
        (json!("1"), json!("0.50"), json!("1")),
        (json!(1.0), json!(0.5), json!(1.0)),
        (json!(" 1 "), json!(" 0.5"), json!("1 ")),
    ] {
        assert_eq!(with(id, score, kind), (plain, plain));
    }
    for id in [
        json!("01"),
        json!("1.5"),
        json!("1."),
        json!("a.0"),
        json!(null),
    ] {
        assert_ne!(with(id.clone(), json!(0.5), json!(1)).0, plain, "{id}");
    }
}

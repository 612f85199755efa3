//! Facts in every spelling that terminals and receivers use.

use face_record_push::codec::{encode_push, read_answer, read_ask};
use face_record_push::*;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

fn push(body: impl Into<Vec<u8>>) -> Push {
    Push::decode(body.into().into()).unwrap()
}

/// The record with these members in `data`.
fn record(data: &Json) -> Record {
    match push(json!({"type": 0, "data": data}).to_string()) {
        Push::Record(record) => record,
        other => panic!("no record: {other:?}"),
    }
}

/// The picture whose text stands between the quotes of the JSON exactly as given.
fn picture(wire: &str) -> Option<Image> {
    push(format!(
        r#"{{"type":0,"data":{{"rgb_image":"{wire}","pass":true}}}}"#
    ))
    .picture()
}

fn error(body: &[u8]) -> PushErrorKind {
    let body = bytes::Bytes::copy_from_slice(body);
    let error = Push::decode(body.clone()).unwrap_err();
    assert_eq!(error.raw, body);
    error.kind
}

#[test]
//= docs/spec/face-record-push.md#record
//# A time MUST be read as seconds below 1e11, as milliseconds below 1e14 and as microseconds below
//# 1e17.
fn times_are_told_by_their_size() {
    for (written, millis) in [
        (json!(1_660_700_000), 1_660_700_000_000),
        (json!("1660700000"), 1_660_700_000_000),
        (json!(99_999_999_999_i64), 99_999_999_999_000),
        (json!(100_000_000_000_i64), 100_000_000_000),
        (json!(1_660_700_000_123_i64), 1_660_700_000_123),
        (json!(99_999_999_999_999_i64), 99_999_999_999_999),
        (json!(1_660_700_000_123_456_i64), 1_660_700_000_123),
    ] {
        let record = record(&json!({ "timestamp": written }));
        let time = record.timestamp().unwrap();
        assert_eq!(time.unix, UnixMillis(millis), "{written}");
        assert_eq!(time.raw, written.to_string().trim_matches('"'));
    }
    for written in [
        json!(null),
        json!(""),
        json!("soon"),
        json!({}),
        json!(true),
    ] {
        assert_eq!(record(&json!({ "timestamp": written })).timestamp(), None);
    }
}

#[test]
//= docs/spec/face-record-push.md#record
//# The time of a record MUST be written in seconds.
//= docs/spec/face-record-push.md#record
//# The times of an alarm and of a guest MUST be written in milliseconds.
fn times_are_written_in_the_unit_of_their_place() {
    let at = UnixMillis(1_683_500_000_999);
    let mut recognition = Recognition::new("PS7", at);
    let mut guest = Person::new("7", "测试访客");
    guest.guest_from = Some(at);
    recognition.user = Some(guest);
    let mut body = Vec::new();
    encode_push(&recognition.to_item(Profile::V1_3, None), &mut body);
    let json: Json = serde_json::from_slice(&body).unwrap();
    assert_eq!(json["data"]["timestamp"], 1_683_500_000);
    let user = &json["data"]["user"];
    assert_eq!(user["guest_time_start"], 1_683_500_000_999_i64);
    assert_eq!(user["guest_time_end"], 0);

    body.clear();
    let alarm = AlarmReport::new("t", AlarmCode::FIRE, at);
    encode_push(&alarm.to_item(None), &mut body);
    let json: Json = serde_json::from_slice(&body).unwrap();
    assert_eq!(json["data"]["event_time"], 1_683_500_000_999_i64);
}

#[test]
//= docs/spec/face-record-push.md#record
//# The hours of a guest MUST be read as absent where they are 0.
//= docs/spec/face-record-push.md#record
//# A body temperature that is missing or 0 MUST be read as not measured.
fn nought_is_nothing_where_the_documents_say_so() {
    let user = json!({"name": "测试访客", "guest_time_start": 0, "guest_time_end": 0});
    let record = record(&json!({"bodyTemperature": 0, "user": user}));
    assert_eq!(record.temperature(), None);
    let user = record.user().unwrap();
    assert_eq!((user.guest_from(), user.guest_until()), (None, None));
}

#[test]
//= docs/spec/face-record-push.md#record
//# A truth MUST be read from true and false and from 1 and 0.
fn truths_may_be_numbers() {
    for (written, truth) in [
        (json!(true), Some(true)),
        (json!(1), Some(true)),
        (json!(false), Some(false)),
        (json!(0), Some(false)),
        (json!(null), None),
        (json!([]), None),
    ] {
        assert_eq!(record(&json!({ "pass": written })).pass(), truth);
    }
}

#[test]
//= docs/spec/face-record-push.md#record
//# A score MUST be given as the terminal wrote it, without rounding.
fn scores_keep_their_noise() {
    for score in [0.899_999_976_158_142_1_f64, 0.91, 1.0, 0.0, 97.5] {
        let read = record(&json!({ "recognizeScore": score })).score().unwrap();
        assert_eq!(read.to_bits(), score.to_bits());
    }
}

#[test]
//= docs/spec/face-record-push.md#record
//# A user that is missing or null MUST be read as absent, and so each member of a user that is
//# missing, null or empty.
fn nobody_in_every_spelling() {
    for user in [json!(null), json!({}), json!({"name": "", "user_id": ""})] {
        assert!(record(&json!({ "user": user })).user().is_none());
    }
    assert!(record(&json!({})).user().is_none());
    let record = record(&json!({"user": {"name": "测试员", "user_id": null, "job_number": ""}}));
    let user = record.user().unwrap();
    assert_eq!(user.name().as_deref(), Some("测试员"));
    assert!(user.user_id().is_none() && user.job_number().is_none());
}

#[test]
//= docs/spec/face-record-push.md#record
//# A picture that is missing, null, empty or blank MUST be read as absent.
fn pictures_that_are_not_there() {
    for wire in ["", " ", "  ", "\\r\\n"] {
        assert_eq!(picture(wire), None, "{wire:?}");
    }
    for data in [
        json!({}),
        json!({"rgb_image": null}),
        json!({"rgb_image": 7}),
    ] {
        assert_eq!(record(&data).picture(), None);
    }
}

#[test]
//= docs/spec/face-record-push.md#record
//# A picture MUST be readable with a `data:` prefix, with line breaks, with JSON escapes and without
//# its padding.
fn untidy_pictures_are_the_same_picture() {
    for wire in [
        "/9j/2Q==",
        "\\/9j\\/2Q==",
        "\\u002F9j\\u002f2Q\\u003D=",
        "/9j/2Q",
        "/9j/\\r\\n2Q==\\n",
        "data:image/jpeg;base64,/9j/2Q==",
        "data:image\\/jpeg;base64,\\/9j\\/2Q",
    ] {
        let jpeg = picture(wire).unwrap().jpeg().unwrap();
        assert_eq!(jpeg, b"\xff\xd8\xff\xd9", "{wire}");
    }
}

#[test]
//= docs/spec/face-record-push.md#record
//# A picture that cannot be decoded MUST NOT make its push unreadable.
//= docs/spec/face-record-push.md#record
//# Decoding a push MUST NOT copy or decode its picture.
fn what_is_no_picture_is_found_out_when_it_is_asked_for() {
    let body =
        bytes::Bytes::from_static(br#"{"type":0,"data":{"rgb_image":"no picture?","pass":true}}"#);
    let push = Push::decode(body.clone()).unwrap();
    assert_eq!(push.pass(), Some(true));
    let image = push.picture().unwrap();
    assert!(image.jpeg().is_err());
    assert!(body.as_ptr_range().contains(&image.as_wire().as_ptr()));
}

#[test]
//= docs/spec/face-record-push.md#record
//# If a member occurs twice in one object, the last one MUST win.
fn the_last_of_two_members_wins() {
    let body =
        r#"{"type":0,"data":{"pass":true,"user":{"name":"a"},"pass":false,"user":{"name":"b"}}}"#;
    let Push::Record(record) = push(body) else {
        panic!("no record")
    };
    assert_eq!(record.pass(), Some(false));
    assert_eq!(record.user().unwrap().name().as_deref(), Some("b"));
}

#[test]
//= docs/spec/face-record-push.md#record
//# Members that no document names MUST be kept as the JSON text they came in.
fn strange_members_are_kept_as_they_came() {
    let body =
        r#"{"type":0,"data":{"pass":true,"new":{"a": [1, 9007199254740993]},"新":"\u65b0"}}"#;
    let Push::Record(record) = push(body) else {
        panic!("no record")
    };
    let extra = record.extra_members();
    let expected = [
        ("new", r#"{"a": [1, 9007199254740993]}"#),
        ("新", r#""\u65b0""#),
    ];
    let extra: Vec<_> = extra
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()))
        .collect();
    assert_eq!(extra, expected);
    assert_eq!(record.raw(&["new", "a"]), Some("[1, 9007199254740993]"));
    assert_eq!(record.json(), body);
}

#[test]
fn types_that_no_document_names_are_pushes() {
    for (body, kind) in [
        (r#"{"type":2,"data":{"x":1}}"#, Some(2)),
        (r#"{"type":-1,"data":{}}"#, Some(-1)),
        (r#"{"type":"door","data":{}}"#, None),
        (
            r#"{"type":7,"data":{"deviceSN":"PS7","pass":true}}"#,
            Some(7),
        ),
    ] {
        let push = push(body);
        assert!(matches!(push, Push::Unknown(_)), "{body}");
        assert_eq!(push.kind(), kind);
        assert_eq!(push.json(), body);
    }
}

#[test]
//= docs/spec/face-record-push.md#record
//# A body whose text is not UTF-8 MUST be reported as such.
//= docs/spec/face-record-push.md#record
//# JSON nested deeper than the limit MUST be reported as too deep.
fn bodies_that_are_no_pushes_say_why() {
    let gbk = b"{\"type\":0,\"data\":{\"user\":{\"name\":\"\xb2\xe2\xca\xd4\"}}}";
    assert_eq!(error(gbk), PushErrorKind::NotUtf8);
    let deep = format!("{{\"type\":0,\"data\":{{\"x\":{}", "[".repeat(1_000_000));
    assert!(matches!(
        error(deep.as_bytes()),
        PushErrorKind::TooDeep { .. }
    ));
    for body in ["[]", "7", "\"x\"", "null"] {
        assert_eq!(error(body.as_bytes()), PushErrorKind::NotObject);
    }
    for body in [
        "",
        "{",
        "{\"type\":0,}",
        "{\"type\":0} {}",
        "type=0",
        "{'type':0}",
    ] {
        assert!(
            matches!(error(body.as_bytes()), PushErrorKind::NotJson { .. }),
            "{body}"
        );
    }
    for body in [
        r#"{"type":0}"#,
        r#"{"type":1,"data":null}"#,
        r#"{"type":0,"data":[]}"#,
    ] {
        assert_eq!(error(body.as_bytes()), PushErrorKind::NoData);
    }
}

#[test]
//= docs/spec/face-record-push.md#reply
//# The code MUST be read from a number, also with a fraction of zero, and from either of them in
//# quotes.
//= docs/spec/face-record-push.md#reply
//# The terminal MUST take an answer for an acknowledgement only if its HTTP status is 2xx and its
//# code is 200.
fn codes_in_every_spelling() {
    for (status, code, is_yes) in [
        (200, "200", true),
        (200, "200.0", true),
        (200, "\"200\"", true),
        (200, "\"200.0\"", true),
        (201, "200", true),
        (200, "201", false),
        (200, "0", false),
        (200, "-200", false),
        (500, "200", false),
        (404, "200", false),
    ] {
        let body = format!(r#"{{"code":{code},"msg":"success","data":{{}}}}"#);
        let answer = read_answer(status, None, body.as_bytes()).unwrap();
        assert_eq!(answer.is_acknowledgement(false), is_yes, "{status} {code}");
    }
    for body in [
        "",
        "{}",
        "OK",
        "null",
        "[200]",
        r#"{"code":true}"#,
        r#"{"code":200.5}"#,
    ] {
        let answer = read_answer(200, None, body.as_bytes());
        assert!(
            !answer.is_ok_and(|answer| answer.is_acknowledgement(false)),
            "{body}"
        );
    }
}

#[test]
//= docs/spec/face-record-push.md#reply
//# An answer with an empty body MUST be taken for an acknowledgement only where that is configured.
fn an_empty_answer_counts_only_where_it_is_asked_for() {
    let empty = read_answer(200, None, b"").unwrap();
    assert!(!empty.is_acknowledgement(false));
    assert!(empty.is_acknowledgement(true));
    let failed = read_answer(500, None, b"").unwrap();
    assert!(!failed.is_acknowledgement(true));
}

#[test]
//= docs/spec/face-record-push.md#subscription
//# The terminal MUST read `enabled` from true and false, from 1 and 0 and from the words in quotes.
//= docs/spec/face-record-push.md#subscription
//# The terminal MUST pass over members of a change that it does not know.
fn switches_in_every_spelling() {
    for (written, is_enabled) in [
        ("true", Some(true)),
        ("1", Some(true)),
        ("\"true\"", Some(true)),
        ("false", Some(false)),
        ("0", Some(false)),
        ("\"false\"", Some(false)),
        ("null", None),
    ] {
        let body = format!(r#"{{"enabled":{written},"new":[1]}}"#);
        let event_dest = None;
        let expected = Ask::Change {
            event_dest,
            is_enabled,
        };
        assert_eq!(read_ask(true, body.as_bytes()), Ok(expected), "{written}");
    }
    let odd = read_ask(true, br#"{"enabled":"perhaps"}"#);
    assert_eq!(odd, Err(AskError::Enabled));
    let odd = read_ask(true, br#"{"event_dest":7}"#);
    assert_eq!(odd, Err(AskError::Dest));
    assert_eq!(read_ask(true, b"enabled"), Err(AskError::NotJson));
}

/// Any JSON that is not nested too deep.
fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        any::<String>().prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|map| map.into_iter().collect()),
        ]
    })
}

const MEMBERS: [&str; 20] = [
    "deviceSN",
    "recognitionType",
    "recognizeStatus",
    "recognizeScore",
    "livenessScore",
    "mask",
    "mode",
    "rgb_image",
    "pass",
    "timestamp",
    "bodyTemperature",
    "uuid",
    "entry_mode",
    "abnormal_type",
    "user",
    "groups",
    "trace_id",
    "event_time",
    "status",
    "alarm_photo",
];

proptest! {
    #[test]
    //= docs/spec/face-record-push.md#record
    //# The decoder MUST accept every JSON object with a `type` and an object in `data` as a push,
    //# whatever the members of that are.
    //= docs/spec/face-record-push.md#record
    //# A member of an unexpected type MUST NOT make a push unreadable.
    fn members_of_any_type_are_read(
        kind in prop_oneof![0_i64..3, any::<i64>()],
        members in prop::collection::vec((prop::sample::select(&MEMBERS[..]), any_json()), 0..8),
    ) {
        let data: serde_json::Map<_, _> =
            members.into_iter().map(|(name, json)| (name.to_owned(), json)).collect();
        let body = json!({"type": kind, "data": data}).to_string();
        let push = push(body.clone());
        prop_assert_eq!(push.json(), &body);
        prop_assert_eq!(push.kind(), Some(kind));
        let _ = (push.serial(), push.time(), push.pass(), push.key(&SerialNumber::new("PS7")));
        if let Push::Record(record) = &push {
            let _ = record.to_recognition();
        }
    }

    #[test]
    //= docs/spec/face-record-push.md#duplicates
    //# A key that is made of what a push says MUST NOT depend on the white space, the order of members
    //# or the escapes of its JSON.
    fn a_key_is_that_of_the_facts(
        kind in 0_i64..2,
        mut members in prop::collection::btree_map(
            prop::sample::select(&MEMBERS[..]),
            prop_oneof![any::<u32>().prop_map(Json::from), "[a-z/]{1,9}".prop_map(Json::from)],
            0..9,
        ),
    ) {
        // Without them the body is the key.
        members.insert("timestamp", 1.into());
        members.insert("trace_id", "t".into());
        members.remove("user");
        members.remove("groups");
        members.remove("alarm_photo"); // another name for the same
        let write = |escape: bool, names: Vec<&&str>| {
            let members: Vec<_> = names.iter().map(|name| {
                let json = members[**name].to_string();
                let json = if escape { json.replace('/', "\\/") } else { json };
                format!("{name:?} :\n{json}")
            }).collect();
            format!(r#"{{"type":{kind}, "data":{{{}}}}}"#, members.join(","))
        };
        let serial = SerialNumber::new("PS7");
        let plain = push(write(false, members.keys().collect()));
        let other = push(write(true, members.keys().rev().collect()));
        prop_assert_eq!(plain.key(&serial), other.key(&serial));
    }
}

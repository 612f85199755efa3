//! Facts in every spelling that terminals use.

use face_record_push::*;
use serde_json::{Value as Json, json};

fn push(json: &Json) -> Push {
    Push::decode(json.to_string().into()).unwrap()
}

fn record(data: &Json) -> Record {
    match push(&json!({"type": 0, "data": data})) {
        Push::Record(record) => record,
        other => panic!("{other:?}"),
    }
}

#[test]
fn types_in_every_spelling() {
    for zero in [json!(0), json!("0"), json!(0.0), json!(" 0 ")] {
        let read = push(&json!({"type": zero, "data": {}}));
        assert!(matches!(read, Push::Record(_)), "{zero}");
        assert_eq!(read.kind(), Some(0));
    }
    for one in [json!(1), json!("1"), json!(1.0)] {
        let read = push(&json!({"data": {}, "type": one}));
        assert!(matches!(read, Push::Alarm(_)), "{one}");
        assert_eq!(read.kind(), Some(1));
    }
}

#[test]
//= docs/spec/face-record-push.md#record
//# A push of a type that no document names MUST be kept and acknowledged like a record.
fn types_that_no_document_names() {
    for (kind, number) in [
        (json!(2), Some(2)),
        (json!(-1), Some(-1)),
        (json!("7"), Some(7)),
        (json!("card"), None),
        (json!(0.5), None),
        (json!(true), None),
        (json!([0]), None),
    ] {
        for data in [json!({"a": 1}), json!([1]), json!(null)] {
            let read = push(&json!({"type": kind, "data": data}));
            assert!(matches!(read, Push::Unknown(_)), "{kind}");
            assert_eq!(read.kind(), number, "{kind}");
        }
    }
}

#[test]
//= docs/spec/face-record-push.md#remote-auth
//# A JSON object without a `type` MUST be read as the question whether a person may pass only if it
//# is about a face and states no outcome.
//= docs/spec/face-record-push.md#remote-auth
//# A JSON object without a `type` that states an outcome MUST be read as a record.
fn objects_without_a_type() {
    for question in [
        json!({"deviceSN": "PS7", "recognizeStatus": 4}),
        json!({"recognizeStatus": 3}),
        json!({"qrcode_content": "x"}),
        json!({"type": null, "deviceSN": "PS7", "pass": null}),
    ] {
        assert!(matches!(push(&question), Push::RemoteAuth(_)), "{question}");
        assert_eq!(push(&question).kind(), None);
    }
    for outcome in [
        json!({"deviceSN": "PS7", "recognizeStatus": 4, "pass": false}),
        json!({"recognitionType": 1}),
        json!({"data": {"recognitionType": 1, "deviceSN": "PS7"}}),
        json!({"type": null, "data": {"pass": true}}),
    ] {
        let read = push(&outcome);
        assert!(matches!(read, Push::Record(_)), "{outcome}");
        assert_eq!(read.kind(), Some(0));
    }
    for neither in [
        json!({}),
        json!({"a": 1}),
        json!({"trace_id": "t"}),
        json!({"data": {"deviceSN": "PS7"}}),
        json!({"data": null, "type": null}),
        json!({"deviceSN": "PS7", "data": []}),
    ] {
        assert!(matches!(push(&neither), Push::Unknown(_)), "{neither}");
    }
}

#[test]
//= docs/spec/face-record-push.md#record
//# The decoder MUST accept every JSON object with a `type` and an object in `data` as a push,
//# whatever the members of that are.
//= docs/spec/face-record-push.md#record
//# A member of an unexpected type MUST NOT make a push unreadable.
fn members_of_every_type_are_accepted() {
    const MEMBERS: [&str; 26] = [
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
        "trackID",
        "user",
        "groups",
        "trace_id",
        "description",
        "code",
        "user_id",
        "event_time",
        "status",
        "alarm_photo",
        "qrcode_content",
        "data",
    ];
    for odd in [
        json!(null),
        json!([]),
        json!({}),
        json!([1, {"a": 2}]),
        json!(true),
        json!("x"),
        json!(""),
    ] {
        for kind in [0, 1, 2] {
            let data: serde_json::Map<_, _> = MEMBERS
                .iter()
                .map(|name| ((*name).to_owned(), odd.clone()))
                .collect();
            let read = push(&json!({"type": kind, "data": data}));
            let _ = (read.serial(), read.time(), read.pass(), format!("{read:?}"));
            let _ = read.key(&SerialNumber::new("PS7"));
        }
    }
}

#[test]
//= docs/spec/face-record-push.md#record
//# A body that is no push MUST be reported with the reason and the body as it came.
//= docs/spec/face-record-push.md#record
//# A body with a comma behind the last member of an object MUST be reported as no JSON.
//= docs/spec/face-record-push.md#record
//# A body whose text is not UTF-8 MUST be reported as such.
//= docs/spec/face-record-push.md#record
//# JSON nested deeper than the limit MUST be reported as too deep.
fn what_is_no_push_says_why() {
    let deep = format!(
        r#"{{"type":0,"data":{{"a":{}{}}}}}"#,
        "[".repeat(70),
        "]".repeat(70)
    );
    for (body, kind) in [
        (&b""[..], PushErrorKind::NotJson { offset: 0 }),
        (b"{", PushErrorKind::NotJson { offset: 1 }),
        (
            br#"{"type":1,"data":{"status":1,}}"#,
            PushErrorKind::NotJson { offset: 29 },
        ),
        (b"{} {}", PushErrorKind::NotJson { offset: 3 }),
        (b"[1]", PushErrorKind::NotObject),
        (b" null", PushErrorKind::NotObject),
        (
            b"{\"type\":0,\"data\":{\"deviceSN\":\"\xc4\xe3\"}}",
            PushErrorKind::NotUtf8,
        ),
        (deep.as_bytes(), PushErrorKind::TooDeep { max: 64 }),
        (br#"{"type":0}"#, PushErrorKind::NoData),
        (br#"{"type":1,"data":[]}"#, PushErrorKind::NoData),
        (br#"{"type":0,"data":null}"#, PushErrorKind::NoData),
        (br#"{"type":0,"data":{},"data":"x"}"#, PushErrorKind::NoData),
    ] {
        let error = Push::decode(bytes::Bytes::copy_from_slice(body)).unwrap_err();
        assert_eq!(error.kind, kind, "{}", String::from_utf8_lossy(body));
        assert_eq!(error.raw, body);
    }
}

#[test]
//= docs/spec/face-record-push.md#record
//# If a member occurs twice in one object, the last one MUST win.
fn the_last_of_two_members_wins() {
    let body = r#"{"type":1,"data":{"pass":true,"user":{"name":"a","user_id":1}},"type":0,
        "data":{"pass":false,"user":{"name":"b","pin":"1"},"user":{"name":"c","name":"d"}}}"#;
    let Push::Record(record) = Push::decode(body.into()).unwrap() else {
        panic!("no record");
    };
    let user = record.user().unwrap();
    assert_eq!(record.pass(), Some(false));
    assert_eq!(user.name().as_deref(), Some("d"));
    assert_eq!((user.pin(), user.user_id()), (None, None));
}

#[test]
fn members_beside_the_data_say_nothing() {
    for body in [
        r#"{"pass":true,"user":{"name":"x"},"deviceSN":"no","type":0,"data":{"deviceSN":"PS7"}}"#,
        r#"{"type":0,"data":{"deviceSN":"PS7"},"pass":true,"user":{"name":"x"},"deviceSN":"no"}"#,
    ] {
        let Push::Record(record) = Push::decode(body.into()).unwrap() else {
            panic!("no record");
        };
        assert_eq!(record.device_sn().as_deref(), Some("PS7"));
        assert_eq!(record.pass(), None);
        assert!(record.user().is_none());
    }
}

#[test]
//= docs/spec/face-record-push.md#record
//# The members `user_id`, `ic_number` and `job_number` MUST be read from text and from numbers alike,
//# digit by digit.
fn ids_are_text_and_numbers() {
    let big = 9_007_199_254_740_993_u64; // no float holds it
    for (json, text, is_number) in [
        (json!(1), "1", true),
        (json!("1"), "1", false),
        (json!(big), "9007199254740993", true),
        (json!("007"), "007", false),
        (json!("5f0c6bb6-1"), "5f0c6bb6-1", false),
    ] {
        let record =
            record(&json!({"user": {"user_id": json, "ic_number": json, "job_number": json}}));
        let user = record.user().unwrap();
        for id in [user.user_id(), user.ic_number(), user.job_number()] {
            let id = id.unwrap();
            assert_eq!((&*id.text, id.is_number), (text, is_number));
        }
    }
}

#[test]
//= docs/spec/face-record-push.md#record
//# A user that is missing or null MUST be read as absent, and so each member of a user that is
//# missing, null or empty.
fn users_that_are_not_there() {
    for data in [
        json!({}),
        json!({"user": null}),
        json!({"user": {}}),
        json!({"user": ""}),
        json!({"user": {"name": "", "user_id": null, "ic_number": " "}}),
    ] {
        assert!(record(&data).user().is_none(), "{data}");
    }
    let record =
        record(&json!({"user": {"name": "小明", "user_id": null, "remark": "", "pin": null}}));
    let user = record.user().unwrap();
    assert_eq!(user.name().as_deref(), Some("小明"));
    assert_eq!(
        (user.user_id(), user.remark(), user.pin()),
        (None, None, None)
    );
    assert_eq!((user.user_type(), user.guest_from()), (None, None));
}

#[test]
//= docs/spec/face-record-push.md#record
//# Groups MUST be read inside the user and beside it alike.
fn groups_stand_in_either_place() {
    let groups = json!([{"id": 1, "name": "员工"}, {"name": "b", "id": "2"}, 5, {}]);
    let expected = vec![Group::new("1", "员工"), Group::new("2", "b")];
    for data in [
        json!({"user": {"name": "x", "groups": groups}}),
        json!({"user": {"name": "x"}, "groups": groups}),
        json!({"groups": groups, "user": {"name": "x", "groups": []}}),
        json!({"user": {"name": "x", "groups": groups}, "groups": []}),
        json!({"groups": null, "user": {"name": "x", "groups": groups}}),
    ] {
        assert_eq!(record(&data).user().unwrap().groups(), expected, "{data}");
    }
}

#[test]
//= docs/spec/face-record-push.md#record
//# A time MUST be read as seconds below 1e11, as milliseconds below 1e14 and as microseconds below
//# 1e17.
//= docs/spec/face-record-push.md#record
//# The hours of a guest MUST be read as absent where they are 0.
fn times_in_every_spelling() {
    for (raw, unix) in [
        ("1660625866", 1_660_625_866_000),
        ("1660625866123", 1_660_625_866_123),
        ("1660625866123456", 1_660_625_866_123),
        ("1660625866.5", 1_660_625_866_500),
    ] {
        for body in [
            format!(r#"{{"type":0,"data":{{"timestamp":{raw}}}}}"#),
            format!(r#"{{"type":0,"data":{{"timestamp":"{raw}"}}}}"#),
            format!(r#"{{"type":1,"data":{{"event_time":{raw}}}}}"#),
        ] {
            let read = Push::decode(body.into()).unwrap();
            assert_eq!(read.time(), Some(UnixMillis(unix)), "{raw}");
        }
    }
    for no_time in [
        json!(null),
        json!("soon"),
        json!(1e300),
        json!({}),
        json!(true),
    ] {
        assert_eq!(
            push(&json!({"type": 0, "data": {"timestamp": no_time}})).time(),
            None
        );
    }
    let record = record(
        &json!({"timestamp": 5, "user": {"name": "x", "guest_time_start": 0, "guest_time_end": 1_660_625_866_123_i64}}),
    );
    assert_eq!(record.timestamp().unwrap().raw, "5");
    let user = record.user().unwrap();
    assert_eq!(
        (user.guest_from(), user.guest_until()),
        (None, Some(UnixMillis(1_660_625_866_123)))
    );
}

#[test]
//= docs/spec/face-record-push.md#record
//# A mode MUST be named by the vendor's corrected table unless the caller asks for the table as
//# printed.
fn modes_have_two_tables() {
    for number in -1..12 {
        let mode = record(&json!({"mode": number})).mode().unwrap();
        assert_eq!(mode, Mode(number));
        let is_swapped = matches!(number, 2 | 3);
        assert_eq!(
            mode.name() != mode.name_as_printed(),
            is_swapped,
            "{number}"
        );
        assert_eq!(mode.name().is_some(), (0..=9).contains(&number), "{number}");
    }
    assert_eq!(Mode(2).name(), Some("face and card"));
    assert_eq!(Mode(3).name_as_printed(), Some("face and card"));
}

#[test]
//= docs/spec/face-record-push.md#record
//# The members `recognitionType` and `recognizeStatus` MUST NOT be read as each other.
//= docs/spec/face-record-push.md#record
//# A number that no document names MUST be kept as it came.
fn numbers_are_open() {
    let record = record(
        &json!({"recognitionType": 77, "entry_mode": "99", "abnormal_type": 12.0, "mask": -4}),
    );
    assert_eq!(record.recognition_type(), Some(RecognitionType(77)));
    assert_eq!(record.recognize_status(), None);
    assert_eq!(record.entry_mode(), Some(EntryMode(99)));
    assert_eq!(record.abnormal_type(), Some(AbnormalType(12)));
    assert_eq!(record.mask(), Some(Mask(-4)));
    assert_eq!(RecognitionType(77).name(), None);
    assert_eq!(RecognitionType(77).to_string(), "77");
    assert_eq!(RecognitionType::STRANGER.to_string(), "stranger");

    let old = self::record(&json!({"recognizeStatus": 4, "livenessScore": "0.5", "trackID": 12}));
    assert_eq!(old.recognize_status(), Some(RecognizeStatus::RECOGNISED));
    assert_eq!((old.recognition_type(), old.liveness()), (None, Some(0.5)));
    assert_eq!(old.track_id().unwrap().text, "12");
}

#[test]
//= docs/spec/face-record-push.md#record
//# A truth MUST be read from true and false and from 1 and 0.
//= docs/spec/face-record-push.md#record
//# A body temperature that is missing or 0 MUST be read as not measured.
//= docs/spec/face-record-push.md#record
//# A score MUST be given as the terminal wrote it, without rounding.
fn truths_and_measures_in_every_spelling() {
    for (json, expected) in [
        (json!(true), Some(true)),
        (json!(1), Some(true)),
        (json!("true"), Some(true)),
        (json!(false), Some(false)),
        (json!(0), Some(false)),
        (json!("0"), Some(false)),
        (json!(null), None),
        (json!(2), None),
        (json!("yes"), None),
    ] {
        assert_eq!(
            push(&json!({"type": 0, "data": {"pass": json}})).pass(),
            expected,
            "{json}"
        );
    }
    for (json, expected) in [
        (json!(36.533_088_684_082_03), Some(36.533_088_684_082_03)),
        (json!("36.5"), Some(36.5)),
        (json!(0), None),
        (json!(0.0), None),
        (json!("0"), None),
        (json!(null), None),
        (json!({}), None),
    ] {
        assert_eq!(
            record(&json!({"bodyTemperature": json})).temperature(),
            expected,
            "{json}"
        );
    }
    assert_eq!(record(&json!({})).temperature(), None);
    let score = record(&json!({"recognizeScore": 0.899_999_976_158_142_1})).score();
    assert_eq!(score, Some(0.899_999_976_158_142_1));
}

#[test]
//= docs/spec/face-record-push.md#record
//# Members that no document names MUST be kept as the JSON text they came in.
fn unknown_members_survive() {
    let body = r#"{"type":0,"seq":7,"data":{"pass":true,"novel":{"a" : [1.50, "\u5c0f"]},"n":1e3,"user":{"name":"x","vip": true}}}"#;
    let Push::Record(record) = Push::decode(body.into()).unwrap() else {
        panic!("no record");
    };
    assert_eq!(record.raw(&["novel"]), Some(r#"{"a" : [1.50, "\u5c0f"]}"#));
    assert_eq!(record.raw(&["novel", "a"]), Some(r#"[1.50, "\u5c0f"]"#));
    assert_eq!(record.raw(&["user", "vip"]), Some("true"));
    assert_eq!(record.raw(&["user", "name"]), Some("\"x\""));
    assert_eq!(
        (record.raw(&["none"]), record.raw(&["n", "x"])),
        (None, None)
    );
    let names: Vec<String> = record
        .extra_members()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names, ["novel", "n"]);
    assert_eq!(record.json(), body);
    let mut again = Vec::new();
    codec::encode_push(
        &record.to_recognition().to_item(Profile::V1_3, None),
        &mut again,
    );
    let again = String::from_utf8(again).unwrap();
    assert!(
        again.ends_with(r#","novel":{"a" : [1.50, "\u5c0f"]},"n":1e3}}"#),
        "{again}"
    );
}

#[test]
fn names_of_members_may_be_escaped() {
    let body = r#"{"\u0074ype":0,"data":{"device\u0053N":"PS7","\u0075ser":{"na\u006de":"小红"}}}"#;
    let read = Push::decode(body.into()).unwrap();
    assert_eq!(read.serial(), Some(SerialNumber::new("PS7")));
    let Push::Record(record) = read else {
        panic!("no record")
    };
    assert_eq!(record.user().unwrap().name().as_deref(), Some("小红"));
}

#[test]
fn a_member_called_data_is_an_envelope_only_where_one_can_be() {
    let beside = Push::decode(r#"{"pass":true,"data":0,"deviceSN":"PS7"}"#.into()).unwrap();
    assert_eq!(beside.pass(), Some(true));
    assert_eq!(beside.serial(), Some(SerialNumber::new("PS7")));
    let within = r#"{"deviceSN":"PS7","pass":true,"data":{"pass":false}}"#;
    let pushed = Push::decode(format!(r#"{{"type":0,"data":{within}}}"#).into()).unwrap();
    assert_eq!(pushed.pass(), Some(true));
    let item = Record::decode_item(within.into()).unwrap();
    assert_eq!(item.pass(), Some(true));
}

//! Laws of the event codec (ST-3).

mod kit;

use bytes::Bytes;
use kit::{facts, plain, sighting, stated};
use proptest::prelude::*;
use se5_events::*;
use serde_json::{Value as Json, json};

fn decode(json: &Json) -> FaceEvent {
    FaceEvent::decode(json.to_string().into()).expect("an object")
}

/// Every accessor, for what must not panic.
fn read_all(event: &FaceEvent) {
    let _ = facts(event);
    let _ = (event.key(), event.id_key(), event.fields_key());
    let _ = (event.score_scale(), event.is_stranger(), event.video_id());
    let _ = (event.group_id(), event.extra_members(), event.to_sighting());
    let _ = (event.device_name(), event.endpoint_id(), event.card_id());
    let _ = (event.permission_id(), event.permission_name());
    let _ = (event.frame_id(), event.action(), event.is_sent());
    let _ = (event.face_attributes(), event.camera_quality());
    let _ = (event.box_quality(), event.entered_at(), event.left_at());
    let _ = (event.recognised_at(), event.track_id(), event.unknown_id());
    let _ = (event.pose_score(), event.api_version(), event.box_serial());
    let _ = (event.license_key(), event.infrared_picture());
    let _ = (event.depth_picture(), event.raw(&["ext_data", "x"]));
    if let Some(info) = event.identity_info() {
        let _ = (info.name(), info.kind(), info.added_at(), info.image_id());
        let _ = (info.user_id(), info.permission_ids(), info.face_ids());
        let _ = (info.ext_info(), info.is_empty(), info.json());
    }
    let _ = format!("{event:?}");
}

/// The members that documents name, with values of every type.
fn strange_event() -> impl Strategy<Value = Json> {
    const NAMES: [&str; 40] = [
        "reg_pic",
        "register_image",
        "reg_image",
        "ext_data",
        "common",
        "ep_info",
        "media_device_info",
        "recognize_face",
        "recognize_face_image",
        "spot_pic",
        "spot_image",
        "event_id",
        "_id",
        "video_id",
        "timestamp",
        "identity_id",
        "identity_name",
        "identity_info",
        "group_name",
        "group_id",
        "score",
        "device_id",
        "media_device_id",
        "device_ip",
        "media_device_ip",
        "device_type",
        "media_device_type",
        "person_type",
        "user_type",
        "recognize_face_pic_id",
        "recognize_face_image_id",
        "spot_pic_id",
        "register_image_id",
        "api_version",
        "video_data",
        "gate_data",
        "ir_pic",
        "name",
        "type",
        "novel",
    ];
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        any::<String>().prop_map(Json::from),
        "[0-9]{1,18}(\\.[0-9]{1,9})?".prop_map(Json::from),
        "(data:image/jpeg;base64,)?[A-Za-z0-9+/ \r\n\\\\]{0,40}={0,2}".prop_map(Json::from),
        Just(json!("stranger")),
        Just(json!({})),
        Just(json!([])),
    ];
    let object = |inner: BoxedStrategy<Json>| {
        prop::collection::vec((prop::sample::select(&NAMES[..]), inner), 0..12)
            .prop_map(|members| {
                members
                    .into_iter()
                    .map(|(k, v)| (k.to_owned(), v))
                    .collect()
            })
            .prop_map(Json::Object)
            .boxed()
    };
    let inner = object(leaf.clone().boxed());
    let middle = object(prop_oneof![3 => leaf.clone(), 2 => inner].boxed());
    object(prop_oneof![3 => leaf, 2 => middle].boxed())
}

proptest! {
    #[test]
    fn a_live_event_says_what_the_box_saw(sighting in sighting(), v2: bool) {
        let dialect = if v2 { Dialect::V2 } else { Dialect::V1 };
        let event = sighting.to_live(LiveForm::new(dialect));
        prop_assert_eq!(event.shape(), Shape::Live(dialect));
        let mut expected = sighting.clone();
        if v2 {
            // No place for these in live events of dialect 2.
            (expected.scene, expected.group_name) = (None, String::new());
            expected.identity_info = "{}".into();
        }
        prop_assert_eq!(event.to_sighting().expect("our own base64"), expected);
    }

    #[test]
    fn a_recorded_event_says_what_the_box_saw_but_for_its_pictures(sighting in sighting(), v2: bool) {
        let dialect = if v2 { Dialect::V2 } else { Dialect::V1 };
        let event = sighting.to_recorded(dialect);
        prop_assert_eq!(event.shape(), Shape::Recorded(dialect));
        prop_assert_eq!(event.face_picture().is_some(), sighting.face.is_some());
        prop_assert_eq!(event.scene_picture().is_some(), sighting.scene.is_some());
        let mut expected = sighting.clone();
        (expected.face, expected.scene, expected.registered) = (None, None, None);
        if v2 {
            expected.group_name = String::new();
            expected.identity_info = "{}".into();
        }
        prop_assert_eq!(event.to_sighting().expect("no base64"), expected);
    }

    #[test]
    fn live_and_recorded_events_of_one_sighting_have_one_key(sighting in sighting(), v2: bool) {
        let dialect = if v2 { Dialect::V2 } else { Dialect::V1 };
        let live = sighting.to_live(LiveForm::new(dialect));
        let recorded = sighting.to_recorded(dialect);
        prop_assert_eq!(live.key(), recorded.key());
        prop_assert_eq!(live.fields_key(), recorded.fields_key());
        //= docs/spec/se5-events.md#duplicates
        //# The key of an event MUST be the same whenever the same message is decoded.
        prop_assert_eq!(FaceEvent::decode(live.json().clone()).unwrap().key(), live.key());
    }

    #[test]
    fn writing_is_strict_json(sighting in sighting(), v2: bool) {
        let dialect = if v2 { Dialect::V2 } else { Dialect::V1 };
        for event in [sighting.to_live(LiveForm::new(dialect)), sighting.to_recorded(dialect)] {
            let strict: Json = serde_json::from_slice(event.json()).expect("strict JSON");
            prop_assert!(strict.is_object());
            prop_assert!(!event.json().contains(&b'\n'));
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
        if let Ok(event) = FaceEvent::decode(bytes.into()) {
            read_all(&event);
        }
    }

    #[test]
    fn damaged_events_never_panic(
        sighting in sighting(),
        damages in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = sighting.to_live(LiveForm::new(Dialect::V1)).json().to_vec();
        for (place, byte) in damages {
            let at = place.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(event) = FaceEvent::decode(bytes.into()) {
            read_all(&event);
        }
    }

    #[test]
    //= docs/spec/se5-events.md#events
    //# The decoder MUST accept every JSON object as an event.
    //= docs/spec/se5-events.md#events
    //# A member of an unexpected type MUST NOT make an event malformed.
    fn any_object_is_an_event_and_states_the_same_when_written_again(json in strange_event(), v2: bool) {
        let event = decode(&json);
        read_all(&event);
        prop_assert_eq!(event.json(), &json.to_string());
        let Ok(sighting) = event.to_sighting() else { return Ok(()) };
        let dialect = if v2 { Dialect::V2 } else { Dialect::V1 };
        // Milliseconds before March 1973 are so few that they read as seconds.
        let millis = sighting.at.0.unsigned_abs();
        prop_assume!(millis == 0 || millis >= 100_000_000_000);
        let again = sighting.to_live(LiveForm::new(dialect));
        prop_assert_eq!(stated(&again), stated(&event));
        // Written once, the form is canonical: writing it again changes nothing.
        let twice = again.to_sighting().expect("our own").to_live(LiveForm::new(dialect));
        prop_assert_eq!(twice.json(), again.json());
    }

    #[test]
    //= docs/spec/se5-events.md#events
    //# Members that no document names MUST be kept as the JSON text they came in.
    fn unknown_members_are_kept(
        names in prop::collection::btree_set("x[a-z小\"\\\\]{1,8}", 1..5),
        number: i64,
        content: String,
    ) {
        let values = [json!(number), json!(content), json!(null), json!([1, {"a": content}]), json!({"b": {}})];
        let mut top = serde_json::Map::new();
        let mut ext = serde_json::Map::new();
        for (nth, name) in names.iter().enumerate() {
            top.insert(name.clone(), values[nth].clone());
            ext.insert(format!("e{name}"), values[nth].clone());
        }
        let mut expected: Vec<_> = top.iter().chain(&ext).map(|(k, v)| (k.clone(), v.to_string())).collect();
        for (name, value) in &top {
            let raw = value.to_string();
            let event = decode(&Json::Object(top.clone()));
            prop_assert_eq!(event.raw(&[name]), Some(&*raw));
        }
        top.insert("ext_data".into(), ext.into());
        let mut found = decode(&top.into()).extra_members();
        expected.sort();
        found.sort();
        prop_assert_eq!(found, expected);
    }

    #[test]
    //= docs/spec/se5-events.md#events
    //# An event MUST be readable from a text message and from a binary message.
    fn the_spelling_of_a_message_does_not_matter(sighting in sighting(), v2: bool) {
        let dialect = if v2 { Dialect::V2 } else { Dialect::V1 };
        let event = sighting.to_live(LiveForm::new(dialect));
        // Other order, other white space, everything beyond ASCII escaped, as Python writes it.
        let value: Json = serde_json::from_slice(event.json()).unwrap();
        let pretty = serde_json::to_string_pretty(&value).unwrap();
        let mut escaped = String::new();
        for char in pretty.chars() {
            if char.is_ascii() {
                escaped.push(char);
            } else {
                let mut units = [0; 2];
                escaped.extend(char.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
            }
        }
        let binary = Bytes::from(escaped.into_bytes());
        let again = FaceEvent::decode(binary).unwrap();
        prop_assert_eq!(plain(&again), plain(&event));
        prop_assert_eq!(again.key(), event.key());
    }
}

#[test]
//= docs/spec/se5-events.md#events
//# The decoder MUST report a message that is no JSON object with the reason and the message as it
//# came.
fn what_is_no_object_says_why() {
    let cases: [(&[u8], EventErrorKind); 7] = [
        (b"", EventErrorKind::NotJson { offset: 0 }),
        (b"{", EventErrorKind::NotJson { offset: 1 }),
        (b"{} {}", EventErrorKind::NotJson { offset: 3 }),
        (b"[]", EventErrorKind::NotObject),
        (b"\"{}\"", EventErrorKind::NotObject),
        (b"null", EventErrorKind::NotObject),
        (
            b"{\"identity_name\":\"\xd0\xa1\xba\xec\"}",
            EventErrorKind::NotUtf8,
        ),
    ];
    for (message, kind) in cases {
        let error = FaceEvent::decode(Bytes::from_static(message)).unwrap_err();
        assert_eq!((error.kind, &*error.raw), (kind, message));
    }
}

#[test]
//= docs/spec/se5-events.md#limits
//# A message longer than `max_message` MUST be reported as too large without being looked at.
fn a_message_may_have_16_mib() {
    let event = |len: usize| {
        let mut json = b"{\"reg_pic\":\"".to_vec();
        json.resize(len - 2, b'A');
        json.extend_from_slice(b"\"}");
        FaceEvent::decode(json.into())
    };
    let max = 16 << 20;
    assert!(event(max - 1).is_ok());
    assert!(event(max).is_ok());
    let error = event(max + 1).unwrap_err();
    assert_eq!(error.kind, EventErrorKind::TooLarge { max });
}

#[test]
//= docs/spec/se5-events.md#limits
//# JSON nested deeper than `max_depth` levels MUST be reported as too deep.
fn an_event_may_nest_64_levels() {
    let nested = |depth: usize| {
        let inner = depth - 1; // the event itself is the first
        let json = format!("{{\"x\":{}{}}}", "[".repeat(inner), "]".repeat(inner));
        FaceEvent::decode(json.into())
    };
    assert!(nested(63).is_ok());
    assert!(nested(64).is_ok());
    assert_eq!(
        nested(65).unwrap_err().kind,
        EventErrorKind::TooDeep { max: 64 }
    );
}

#[test]
//= docs/spec/se5-events.md#events
//# If a member occurs twice in one object, the last one MUST win.
fn the_last_of_two_members_wins() {
    for (json, expected) in [
        (r#"{"identity_id":"a","identity_id":"b"}"#, Some("b")),
        (r#"{"identity_id":"a","identity_id":""}"#, Some("")),
        (r#"{"identity_id":"a","identity_id":null}"#, None),
        (r#"{"identity_id":"a","\u0069dentity_id":"b"}"#, Some("b")),
    ] {
        let event = FaceEvent::decode(json.into()).unwrap();
        assert_eq!(event.identity_id().as_deref(), expected, "{json}");
    }
    for (json, expected) in [
        (
            r#"{"ext_data":{"person_type":3},"ext_data":{"person_type":4}}"#,
            (PersonType::Stranger, false),
        ),
        (
            r#"{"ext_data":{"person_type":3},"ext_data":{}}"#,
            (PersonType::Employee, true),
        ),
        (
            r#"{"ext_data":{"person_type":3},"ext_data":null}"#,
            (PersonType::Employee, true),
        ),
    ] {
        let person = FaceEvent::decode(json.into()).unwrap().person();
        assert_eq!((person.kind, person.defaulted), expected, "{json}");
    }
}

#[test]
fn an_empty_member_does_not_hide_another_that_states_the_same() {
    for json in [
        r#"{"register_image":"/9j/2Q==","reg_pic":""}"#,
        r#"{"reg_pic":null,"register_image":"/9j/2Q=="}"#,
        r#"{"register_image":"/9j/2Q==","reg_pic":null}"#,
    ] {
        let event = FaceEvent::decode(json.into()).unwrap();
        assert!(event.registered_picture().is_some(), "{json}");
    }
}

#[test]
//= docs/spec/se5-events.md#events
//# A missing or null person type MUST be read as employee and flagged as a default.
//= docs/spec/se5-events.md#events
//# A person type that no document names MUST be kept as it was written and never be taken for an
//# employee.
fn persons_in_every_spelling() {
    let other = |raw: &str| PersonType::Other(raw.to_owned());
    for (json, kind, defaulted) in [
        (json!({}), PersonType::Employee, true),
        (json!({"ext_data": {}}), PersonType::Employee, true),
        (
            json!({"ext_data": {"person_type": null}}),
            PersonType::Employee,
            true,
        ),
        (
            json!({"ext_data": {"person_type": 1}}),
            PersonType::Employee,
            false,
        ),
        (
            json!({"ext_data": {"person_type": "2"}}),
            PersonType::Visitor,
            false,
        ),
        (
            json!({"ext_data": {"person_type": 3.0}}),
            PersonType::Blacklist,
            false,
        ),
        (
            json!({"ext_data": {"person_type": 4}}),
            PersonType::Stranger,
            false,
        ),
        (
            json!({"ext_data": {"person_type": 5}}),
            PersonType::Vip,
            false,
        ),
        (json!({"ext_data": {"person_type": 6}}), other("6"), false),
        (json!({"ext_data": {"person_type": 0}}), other("0"), false),
        (json!({"ext_data": {"person_type": -1}}), other("-1"), false),
        (
            json!({"ext_data": {"person_type": 1.5}}),
            other("1.5"),
            false,
        ),
        (json!({"ext_data": {"person_type": ""}}), other(""), false),
        (
            json!({"ext_data": {"person_type": true}}),
            other("true"),
            false,
        ),
        (
            json!({"ext_data": {"person_type": [1]}}),
            other("[1]"),
            false,
        ),
        (json!({"person_type": 3}), PersonType::Blacklist, false),
        (
            json!({"user_type": "employee"}),
            PersonType::Employee,
            false,
        ),
        (
            json!({"user_type": "stranger"}),
            PersonType::Stranger,
            false,
        ),
        (json!({"user_type": "car"}), PersonType::Car, false),
        (json!({"user_type": "Employee"}), other("Employee"), false),
        (json!({"user_type": null}), PersonType::Employee, true),
    ] {
        let person = decode(&json).person();
        assert_eq!((person.kind, person.defaulted), (kind, defaulted), "{json}");
    }
}

#[test]
//= docs/spec/se5-events.md#events
//# An event MUST count as a stranger's if its person type says so, and for no other reason.
fn only_the_person_type_makes_a_stranger() {
    for (json, expected) in [
        (json!({"ext_data": {"person_type": 4}}), true),
        (
            json!({"ext_data": {"person_type": "4"}, "identity_name": "小明"}),
            true,
        ),
        (json!({"user_type": "stranger"}), true),
        (
            json!({"ext_data": {"person_type": 5}, "identity_name": "stranger"}),
            false,
        ),
        (
            json!({"ext_data": {"person_type": 5}, "identity_info": {"type": 4}}),
            false,
        ),
        (
            json!({"ext_data": {"person_type": 1}, "identity_id": ""}),
            false,
        ),
        (json!({"identity_id": "1602612036.3828533"}), false),
        (
            json!({"identity_name": "stranger", "identity_info": {"type": 4}}),
            false,
        ),
    ] {
        assert_eq!(decode(&json).is_stranger(), expected, "{json}");
    }
}

#[test]
//= docs/spec/se5-events.md#events
//# A time MUST be read as seconds below 1e11, as milliseconds below 1e14 and as microseconds below
//# 1e17.
//= docs/spec/se5-events.md#events
//# A time MUST be read from a whole number, from a number with a fraction and from either of them
//# in quotes.
//= docs/spec/se5-events.md#events
//# The text of a time MUST be kept as the box wrote it.
fn times_in_every_spelling() {
    for (raw, expected) in [
        ("1565771454932", 1_565_771_454_932),
        ("1565771454", 1_565_771_454_000),
        ("1607062639.7013178", 1_607_062_639_701),
        ("1628066406652506", 1_628_066_406_652),
        ("1565771454932.0", 1_565_771_454_932),
    ] {
        for json in [
            format!("{{\"timestamp\":{raw}}}"),
            format!("{{\"timestamp\":\"{raw}\"}}"),
        ] {
            let event = FaceEvent::decode(json.into()).unwrap();
            let timestamp = event.timestamp().unwrap();
            assert_eq!(
                (timestamp.unix, &*timestamp.raw),
                (UnixMillis(expected), raw)
            );
        }
    }
    for unreadable in [
        json!(null),
        json!("soon"),
        json!({}),
        json!(1e300),
        json!(true),
    ] {
        assert_eq!(decode(&json!({"timestamp": unreadable})).timestamp(), None);
    }
}

#[test]
//= docs/spec/se5-events.md#events
//# An id MUST be read from text and from a number alike, and kept as text.
//= docs/spec/se5-events.md#events
//# The identifiers `video_id` and `event_id` of dialect 1 MUST be read where present and never be
//# required.
fn ids_may_be_numbers() {
    let big = 9_007_199_254_740_993_u64; // no float holds it
    let event =
        decode(&json!({"identity_id": big, "device_id": 7, "video_id": 3, "event_id": "e"}));
    assert_eq!(event.identity_id().as_deref(), Some("9007199254740993"));
    assert_eq!(event.device_id().as_deref(), Some("7"));
    assert_eq!(event.video_id().as_deref(), Some("3"));
    assert_eq!(event.event_id().as_deref(), Some("e"));
    let event = decode(&json!({}));
    assert_eq!((event.video_id(), event.event_id()), (None, None));
}

#[test]
//= docs/spec/se5-events.md#events
//# A device type MUST be read from a number, from digits in quotes and from a word.
fn device_types_in_every_spelling() {
    let kinds = [
        (json!(0), DeviceKind::Turnstile),
        (json!("0"), DeviceKind::Turnstile),
        (json!(1), DeviceKind::CaptureCamera),
        (json!("3"), DeviceKind::IpcStream),
        (json!(4), DeviceKind::Door),
        (json!(2), DeviceKind::Other("2".to_owned())),
        (json!("photo"), DeviceKind::Photo),
        (json!("rtsp"), DeviceKind::Rtsp),
        (json!("file"), DeviceKind::File),
        (json!("card"), DeviceKind::Card),
        (json!("gb28181"), DeviceKind::Gb28181),
        (json!("onvif"), DeviceKind::Other("onvif".to_owned())),
    ];
    for (json, kind) in kinds {
        assert_eq!(
            decode(&json!({"ext_data": {"device_type": json}})).device_kind(),
            Some(kind.clone())
        );
        assert_eq!(
            decode(&json!({"media_device_type": json})).device_kind(),
            Some(kind)
        );
    }
}

#[test]
//= docs/spec/se5-events.md#events
//# Registered data MUST be read from an object, and missing or null registered data as none.
fn registered_data_is_an_object_or_none() {
    for (json, expected) in [
        (json!({"identity_info": {}}), Some("{}")),
        (
            json!({"identity_info": {"name": "小明"}}),
            Some(r#"{"name":"小明"}"#),
        ),
        (json!({"identity_info": null}), None),
        (json!({}), None),
        (json!({"identity_info": "x"}), None),
        (json!({"identity_info": []}), None),
    ] {
        let event = decode(&json);
        assert_eq!(event.identity_info().map(|info| info.json()), expected);
    }
}

#[test]
//= docs/spec/se5-events.md#events
//# A score MUST be given as the box wrote it, without rescaling.
fn scores_are_not_rescaled() {
    for (json, expected, scale) in [
        (json!(0.62), Some(0.62), ScoreScale::Unit),
        (json!(82.05), Some(82.05), ScoreScale::Percent),
        (json!("0.62"), Some(0.62), ScoreScale::Unit),
        (json!(1), Some(1.0), ScoreScale::Unit),
        (json!(-1), Some(-1.0), ScoreScale::Unknown),
        (json!(1000), Some(1000.0), ScoreScale::Unknown),
        (json!("nan"), None, ScoreScale::Unknown),
        (json!(null), None, ScoreScale::Unknown),
    ] {
        let event = decode(&json!({"score": json}));
        assert_eq!((event.score(), event.score_scale()), (expected, scale));
    }
}

#[test]
//= docs/spec/se5-events.md#events
//# A score that is not finite MUST be written as null.
fn a_score_that_is_not_finite_is_null() {
    for score in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for dialect in [Dialect::V1, Dialect::V2] {
            let mut sighting = Sighting::new("e", "d", UnixMillis(0));
            sighting.score = score;
            let event = sighting.to_live(LiveForm::new(dialect));
            assert_eq!(event.raw(&["score"]), Some("null"));
        }
    }
}

#[test]
//= docs/spec/se5-events.md#events
//# A live event MUST always be written with its person type.
fn every_person_type_is_written_and_read_back() {
    let other = ["6", "0", "guest", ""].map(|raw| PersonType::Other(raw.to_owned()));
    let named = [
        PersonType::Employee,
        PersonType::Visitor,
        PersonType::Blacklist,
        PersonType::Stranger,
        PersonType::Vip,
        PersonType::Car,
    ];
    for person in named.into_iter().chain(other) {
        for dialect in [Dialect::V1, Dialect::V2] {
            let mut sighting = Sighting::new("e", "d", UnixMillis(0));
            sighting.person = person.clone();
            let event = sighting.to_live(LiveForm::new(dialect));
            assert_eq!(event.person(), Person::new(person.clone()));
        }
    }
}

#[test]
//= docs/spec/se5-events.md#events
//# The decoder MUST accept an event of either dialect on any connection.
fn the_dialect_is_told_by_the_message() {
    for (json, shape) in [
        (json!({}), Shape::Live(Dialect::V1)),
        (json!({"device_id": "d"}), Shape::Live(Dialect::V1)),
        (json!({"media_device_id": "d"}), Shape::Live(Dialect::V2)),
        (json!({"user_type": "vip"}), Shape::Live(Dialect::V2)),
        (
            json!({"ext_data": {"user_type": "vip"}}),
            Shape::Live(Dialect::V1),
        ),
        (json!({"_id": "e"}), Shape::Recorded(Dialect::V1)),
        (json!({"spot_image_id": "s"}), Shape::Recorded(Dialect::V2)),
        (json!({"api_version": "1.0"}), Shape::Pushed(Dialect::V1)),
    ] {
        assert_eq!(decode(&json).shape(), shape, "{json}");
    }
}

#[test]
fn what_a_sighting_says_that_is_no_json_is_left_out() {
    let mut sighting = Sighting::new("e", "d", UnixMillis(0));
    sighting.identity_info = "{addTime: 1}".into();
    sighting.extra = vec![
        ("good".into(), "[1]".into()),
        ("bad".into(), "[1".into()),
        ("deep".into(), "[".repeat(64) + &"]".repeat(64)),
    ];
    for dialect in [Dialect::V1, Dialect::V2] {
        let event = sighting.to_live(LiveForm::new(dialect));
        let expected = vec![("good".to_owned(), "[1]".to_owned())];
        assert_eq!(event.extra_members(), expected);
        assert_eq!(event.device_id().as_deref(), Some("d"));
    }
}

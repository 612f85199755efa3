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

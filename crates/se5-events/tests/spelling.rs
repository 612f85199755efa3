//! Facts in every spelling that boxes use.

use se5_events::*;
use serde_json::{Value as Json, json};

fn decode(json: &Json) -> FaceEvent {
    FaceEvent::decode(json.to_string().into()).unwrap()
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

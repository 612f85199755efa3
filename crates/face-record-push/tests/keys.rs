//! What makes two pushes the same, and what does not.

use face_record_push::*;
use serde_json::{Value as Json, json};

fn key_at(serial: &str, push: &Json) -> RecordKey {
    let push = Push::decode(push.to_string().into()).unwrap();
    push.key(&SerialNumber::new(serial))
}

fn key(push: &Json) -> RecordKey {
    key_at("PS7", push)
}

/// A record without an id of its own, with `members` changed.
fn record(members: &Json) -> Json {
    let mut data = json!({
        "recognitionType": 1, "deviceSN": "PS7", "recognizeScore": 0.91, "mask": 1,
        "rgb_image": "/9j/2Q==", "pass": true, "mode": 0,
        "user": {"name": "测试员", "user_id": 7, "type": 1},
        "timestamp": 1_660_700_000, "bodyTemperature": 36.4,
    });
    for (name, json) in members.as_object().unwrap() {
        data[name] = json.clone();
    }
    json!({"type": 0, "data": data})
}

fn alarm(trace: &str, status: i64, time: i64) -> Json {
    let data = json!({"trace_id": trace, "code": 10_001, "event_time": time, "status": status});
    json!({"type": 1, "data": data})
}

#[test]
//= docs/spec/face-record-push.md#duplicates
//# The key of a record that has a `uuid` MUST be made of that, its second and its person.
fn a_uuid_decides_for_one_person_in_one_second() {
    let one = record(&json!({"uuid": "a-1"}));
    let changed = json!({
        "uuid": "a-1", "timestamp": 1_660_700_000_999_i64, "pass": false, "rgb_image": "",
        "recognizeScore": 0.5, "user": {"user_id": "7"},
    });
    assert_eq!(key(&one), key(&record(&changed)));
    // A firmware that gives an id twice loses nothing.
    for another in [
        json!({"uuid": "a-1", "timestamp": 1_660_700_001}),
        json!({"uuid": "a-1", "user": {"user_id": 8}}),
    ] {
        assert_ne!(key(&one), key(&record(&another)));
    }
    assert_ne!(key(&one), key(&record(&json!({"uuid": "a-2"}))));
    assert_ne!(key(&one), key(&record(&json!({}))));
    let blank = record(&json!({"uuid": ""}));
    assert_eq!(key(&blank), key(&record(&json!({}))), "a blank is none");
}

#[test]
//= docs/spec/face-record-push.md#duplicates
//# The key of any other record with a time MUST be made of its time, outcome, person, score and
//# picture.
fn without_a_uuid_the_facts_decide() {
    let plain = key(&record(&json!({})));
    for changed in [
        json!({"timestamp": 1_660_700_001}),
        json!({"recognitionType": 3}),
        json!({"pass": false}),
        json!({"user": {"name": "测试员", "user_id": 8, "type": 1}}),
        json!({"recognizeScore": 0.92}),
        json!({"rgb_image": "/9j/4P/Z"}),
        json!({"rgb_image": ""}),
    ] {
        assert_ne!(key(&record(&changed)), plain, "{changed}");
    }
    for spelled in [
        json!({"rgb_image": "data:image/jpeg;base64,/9j/\r\n2Q"}),
        json!({"user": {"user_id": "7", "type": 1, "name": "测试员"}}),
        json!({"timestamp": "1660700000"}),
        json!({"timestamp": 1_660_700_000_000_i64}),
        json!({"pass": 1}),
    ] {
        assert_eq!(key(&record(&spelled)), plain, "{spelled}");
    }
}

#[test]
//= docs/spec/face-record-push.md#duplicates
//# Two records of one terminal in one second MUST NOT count as the same for that.
fn two_people_in_one_second_are_two() {
    let second =
        json!({"user": {"name": "访客", "user_id": 8, "type": 2}, "rgb_image": "/9j/4P/Z"});
    assert_ne!(key(&record(&json!({}))), key(&record(&second)));
    // Two strangers differ by what the terminal saw of them.
    let stranger = |score: f64| record(&json!({"user": null, "recognizeScore": score}));
    assert_ne!(key(&stranger(0.31)), key(&stranger(0.32)));
}

#[test]
//= docs/spec/face-record-push.md#duplicates
//# The key of an alarm that has a trace id MUST be made of that, its status and its time.
fn an_alarm_that_is_released_is_another() {
    let raised = key(&alarm("t-1", 1, 1_683_500_000_123));
    assert_ne!(raised, key(&alarm("t-1", 3, 1_683_500_000_123)));
    assert_ne!(raised, key(&alarm("t-1", 1, 1_683_500_000_124)));
    assert_ne!(raised, key(&alarm("t-2", 1, 1_683_500_000_123)));
    let mut again = alarm("t-1", 1, 1_683_500_000_123);
    again["data"]["description"] = json!("机身被拆");
    assert_eq!(raised, key(&again));
}

#[test]
//= docs/spec/face-record-push.md#duplicates
//# The key of any other push MUST be made of its body.
fn what_says_nothing_is_told_by_its_body() {
    let unknown = json!({"type": 9, "data": {"x": 1}});
    assert_eq!(
        key(&unknown),
        RecordKey::of_body(&SerialNumber::new("PS7"), unknown.to_string().as_bytes())
    );
    let timeless = |n: i64| record(&json!({"timestamp": null, "new": n}));
    assert_ne!(key(&timeless(1)), key(&timeless(2)));
    assert_eq!(key(&timeless(1)), key(&timeless(1)));
}

#[test]
fn terminals_do_not_share_keys() {
    for push in [
        record(&json!({})),
        record(&json!({"uuid": "a-1"})),
        alarm("t-1", 1, 5),
        json!({"type": 9, "data": {}}),
    ] {
        assert_ne!(key_at("PS7", &push), key_at("PS8", &push));
    }
    // The parts of a key have lengths: what one ends with, another cannot begin with.
    let first = json!({"type": 0, "data": {"uuid": "b"}});
    let second = json!({"type": 0, "data": {"uuid": "ab"}});
    assert_ne!(key_at("PSa", &first), key_at("PS", &second));
}

//! The events of the vendor document, and the frame in their arguments.

use bytes::Bytes;
use zzw_push_proto::socketio::*;

#[test]
//= docs/spec/zzw-push-proto.md#message
//# A reply MUST be written with the negated type of its request.
fn every_event_of_the_document_has_its_type_and_its_reply() {
    for (name, t, reply, reply_t) in [
        ("heartbeat", Some(1), Some("heartbeat_c"), Some(-1)),
        ("register", Some(2), Some("register_c"), Some(-2)),
        ("get_topic", Some(3), Some("get_topic_c"), Some(-3)),
        ("pull", Some(4), Some("pull_c"), Some(-4)),
        ("push", Some(5), Some("push_c"), Some(-5)),
        ("push_c", Some(-5), None, None),
        ("do_push", Some(6), Some("do_push_c"), Some(-6)),
        ("connect", Some(14), Some("connect_c"), Some(-14)),
        ("disconnect", None, None, None),
        ("info_status", None, Some("info_status_c"), None),
    ] {
        let event = EventName::of(name).unwrap();
        assert_eq!(event.as_str(), name);
        assert_eq!(event.t(), t, "{name}");
        assert_eq!(event.reply().map(EventName::as_str), reply, "{name}");
        assert_eq!(event.reply().and_then(EventName::t), reply_t, "{name}");
    }
}

#[test]
//= docs/spec/zzw-push-proto.md#socket-io
//# Deliveries MUST be sent under the event `push` unless another name is configured.
fn names_and_types_lead_back_to_their_event() {
    for event in EventName::ALL {
        assert_eq!(EventName::of(event.as_str()), Some(event));
        assert_eq!(event.to_string(), event.as_str());
        if let Some(t) = event.t() {
            assert_eq!(EventName::of_type(t), Some(event));
        }
    }
    assert_eq!(EventName::of_type(11), Some(EventName::Connect));
    assert_eq!(EventName::of_type(-11), Some(EventName::ConnectReply));
    for t in [0, 7, 8, 9, 10, 12, 13, -7, -13, i64::MIN, i64::MAX] {
        assert_eq!(EventName::of_type(t), None);
    }
    for name in [
        "",
        "Heartbeat",
        "push_cc",
        "error",
        "newListener",
        "connect_error",
    ] {
        assert_eq!(EventName::of(name), None);
    }
}

#[test]
//= docs/spec/zzw-push-proto.md#socket-io
//# The messages of `connect`, `disconnect`, `info_status` and `info_status_c` MUST be written
//# without a type.
fn only_an_event_with_a_type_of_its_own_writes_it() {
    let silent: Vec<&str> = EventName::ALL
        .into_iter()
        .filter(|event| !event.writes_t())
        .map(EventName::as_str)
        .collect();
    assert_eq!(
        silent,
        ["connect", "disconnect", "info_status", "info_status_c"]
    );
}

#[test]
fn a_type_contradicts_an_event_only_if_it_is_another() {
    assert!(EventName::Heartbeat.allows(None));
    assert!(EventName::Heartbeat.allows(Some(1)));
    assert!(!EventName::Heartbeat.allows(Some(2)));
    assert!(!EventName::Heartbeat.allows(Some(0)));
    assert!(EventName::RegisterReply.allows(Some(0)));
    assert!(EventName::Connect.allows(Some(14)) && EventName::Connect.allows(Some(11)));
    assert!(!EventName::Disconnect.allows(Some(1)));
    assert!(EventName::InfoStatusReply.allows(Some(0)));
}

#[test]
//= docs/spec/zzw-push-proto.md#socket-io
//# Deliveries MUST count as events of servers, and `push_c` as one of clients.
fn deliveries_come_from_the_server_and_their_acknowledgements_from_clients() {
    assert!(!EventName::Push.is_from_client());
    assert!(EventName::PushReply.is_from_client());
    assert!(EventName::Heartbeat.is_from_client());
    assert!(!EventName::HeartbeatReply.is_from_client());
}

#[test]
//= docs/spec/zzw-push-proto.md#socket-io
//# A message MUST be found in an argument that is an object, and in one that is a text with an
//# object in it.
fn an_object_is_its_own_frame_and_is_not_copied() {
    let argument = Bytes::from_static(br#"{"t":1}"#);
    let frame = payload(&argument).unwrap();
    assert_eq!(frame.json.as_ptr(), argument.as_ptr());
    assert!(!frame.was_text);
}

#[test]
//= docs/spec/zzw-push-proto.md#socket-io
//# A message MUST be found in an argument that is an object, and in one that is a text with an
//# object in it.
fn a_string_that_holds_an_object_is_a_frame() {
    let plain = Bytes::from("\" {'t':1,'alias':'小明'} \"");
    let frame = payload(&plain).unwrap();
    assert_eq!(frame.json, "{'t':1,'alias':'小明'}");
    assert!(frame.was_text);
    let escaped = Bytes::from(r#""{\"alias\":\"\u5c0f\u660e\ud83d\udeaa\\n\"}""#);
    let frame = payload(&escaped).unwrap();
    assert_eq!(frame.json, r#"{"alias":"小明🚪\n"}"#);
}

#[test]
fn everything_else_is_no_frame() {
    for argument in [
        "null",
        "1",
        "[{}]",
        r#""""#,
        r#""m_2""#,
        r#""\"{}\"""#,
        r#""[{}]""#,
        "",
        "{",
        "{}{}",
    ] {
        assert_eq!(payload(&Bytes::from(argument)), None, "{argument}");
    }
}

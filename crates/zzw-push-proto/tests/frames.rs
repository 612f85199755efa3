//! What frames carry beyond the document's samples.

use bytes::Bytes;
use zzw_push_proto::WireErrorKind;
use zzw_push_proto::wire::*;

fn read(json: &str) -> Message {
    Message::decode(json.to_owned().into(), Lenience::Vendor)
        .unwrap_or_else(|error| panic!("{json}: {error}"))
        .message
}

fn fault(json: &str) -> WireErrorKind {
    Message::decode(json.to_owned().into(), Lenience::Vendor)
        .unwrap_err()
        .kind
}

fn written(message: &Message) -> String {
    let mut out = Vec::new();
    message.encode(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
//= docs/spec/zzw-push-proto.md#message
//# Members that nobody knows MUST be kept as the JSON text they came in and be written behind the
//# known ones.
//= docs/spec/zzw-push-proto.md#publication
//# A publication MUST go to its topics with the method `publish` and to its aliases with
//# `publish_to_alias`, whichever lists it has.
fn members_that_nobody_knows_survive() {
    let json = r#"{"t":6,"method":"publish","topic":["a"],"alias":["b"],"msg":null,"opts":{"time_to_live":0,"qos":1},"num":1.50,"apn":{"b":[ 1]},"小":"\n"}"#;
    let message = read(json);
    assert_eq!(written(&message), json);
    let Message::Publish(publish) = message else {
        panic!();
    };
    assert_eq!(publish.ttl(), Ttl::ONLINE_ONLY);
    assert_eq!(publish.opts.text("qos"), Some("1".into()));
    assert!(publish.targets().iter().eq(["a"]));
}

#[test]
fn a_member_that_is_added_is_written_unless_it_is_a_field() {
    let mut heartbeat = Heartbeat::new("m_2");
    heartbeat.extra.push("版本", &"1.0".into());
    heartbeat.extra.push("alias", &"thief".into());
    let message = Message::Heartbeat(heartbeat);
    assert_eq!(written(&message), r#"{"t":1,"alias":"m_2","版本":"1.0"}"#);
}

#[test]
//= docs/spec/zzw-push-proto.md#message
//# The body of a message MUST be any JSON value and be delivered as the text it was published in,
//# but for line breaks between its tokens.
fn a_line_break_inside_json_never_ends_the_line() {
    for json in [
        "{\"t\":5,\"mid\":\"1\",\"msg\":{\r\n \"a\":\n[1,\n2]}}",
        "{\"t\":99,\n\"a\":1}",
        "{\"t\":-4,\"msg\":[\n1,\n2]}",
        "{\"t\":1,\"x\":\n[\n]}",
    ] {
        let message = read(json);
        let mut out = Vec::new();
        message.encode_line(&mut out);
        let end = out.iter().position(|byte| *byte == b'\n');
        assert_eq!(end, Some(out.len() - 1));
        assert_eq!(read(std::str::from_utf8(&out).unwrap()), message);
    }
}

#[test]
//= docs/spec/zzw-push-proto.md#message
//# What comes from a server with an id and a body MUST be read as a delivery, whatever its type.
fn from_a_server_whatever_has_an_id_and_a_body_is_a_delivery() {
    for t in ["", "\"t\":5,", "\"t\":6,", "\"t\":77,"] {
        let json = Bytes::from(format!(r#"{{{t}"mid":"7","msg":"x"}}"#));
        let decoded = Message::decode_from_server(json, Lenience::Vendor).unwrap();
        assert!(matches!(decoded.message, Message::Deliver(_)), "{t}");
    }
    let batch = r#"{"t":-4,"mid":["7"],"msg":["x"]}"#;
    let decoded = Message::decode_from_server(batch.into(), Lenience::Vendor).unwrap();
    assert!(matches!(decoded.message, Message::Batch(_)));
}

#[test]
//= docs/spec/zzw-push-proto.md#message
//# A topic of another shape MUST NOT make a delivery unreadable.
fn a_delivery_outlives_a_topic_of_another_shape() {
    let json = r#"{"t":5,"mid":"7","msg":"x","topic":["a","b"]}"#;
    let message = read(json);
    let Message::Deliver(delivery) = &message else {
        panic!();
    };
    assert_eq!(delivery.topic, None);
    assert_eq!(written(&message), json);
}

#[test]
//= docs/spec/zzw-push-proto.md#message
//# A message of no known type MUST be kept whole together with its number.
fn an_unknown_type_is_kept_whole_with_its_number() {
    for (json, t) in [
        (r#"{"t":12,"num":"n","a":1}"#, Some(12)),
        (r#"{"num":"n","a":1}"#, None),
    ] {
        let message = read(json);
        assert_eq!(written(&message), json);
        assert_eq!((message.t(), message.num().as_str()), (t, "n"));
    }
}

#[test]
//= docs/spec/zzw-push-proto.md#number-and-failure
//# The number of a request MUST be kept as it came, as text or as a number, and be echoed
//# unchanged.
//= docs/spec/zzw-push-proto.md#number-and-failure
//# A number that is missing or null MUST be read as absent and not be echoed.
fn a_number_is_echoed_as_it_came() {
    for num in [
        "\"\"",
        "\"1700\"",
        "1700",
        "1.50",
        "-1e3",
        "9007199254740993",
    ] {
        let Message::Topics(asked) = read(&format!(r#"{{"t":3,"num":{num}}}"#)) else {
            panic!();
        };
        let reply = Message::TopicList(TopicList::new(Texts::default(), asked.num));
        assert_eq!(
            written(&reply),
            format!(r#"{{"t":-3,"num":{num},"topic":[]}}"#)
        );
    }
    for json in [r#"{"t":3}"#, r#"{"t":3,"num":null}"#] {
        assert_eq!(read(json).num(), &Num::Absent);
    }
}

#[test]
//= docs/spec/zzw-push-proto.md#number-and-failure
//# A failure MUST carry the number of the request that failed wherever it can be read.
//= docs/spec/zzw-push-proto.md#number-and-failure
//# A request in which something is missing or empty MUST fail with the document's text `参数不全` and
//# the code `missing`.
//= docs/spec/zzw-push-proto.md#publication
//# A publication MUST go to its topics with the method `publish` and to its aliases with
//# `publish_to_alias`, whichever lists it has.
//= docs/spec/zzw-push-proto.md#publication
//# A publication for nobody MUST fail as incomplete.
//= docs/spec/zzw-push-proto.md#topic
//# A registration without topics MUST fail as incomplete.
fn what_is_missing_is_named_and_the_number_is_not_lost() {
    for (json, field) in [
        (r#"{"t":2,"num":"n"}"#, "topic"),
        (r#"{"t":2,"topic":[],"num":"n"}"#, "topic"),
        (r#"{"t":6,"topic":["a"],"num":"n"}"#, "msg"),
        (r#"{"t":6,"msg":1,"num":"n"}"#, "method"),
        (
            r#"{"t":6,"method":"publish","alias":["a"],"msg":1,"num":"n"}"#,
            "topic",
        ),
        (
            r#"{"t":6,"method":"publish_to_alias","msg":1,"num":"n"}"#,
            "alias",
        ),
        (r#"{"t":-5,"alias":"a","num":"n"}"#, "mid"),
        (r#"{"t":14,"alias":"","num":"n"}"#, "alias"),
        (r#"{"t":8,"u":"x","num":"n"}"#, "r"),
    ] {
        let error = Message::decode(json.into(), Lenience::Vendor).unwrap_err();
        assert_eq!(error.kind, WireErrorKind::Missing(field), "{json}");
        assert_eq!(error.to_failure().num, Num::new("n"));
        assert_eq!(error.to_failure().code, Some(Code::Missing));
    }
}

#[test]
//= docs/spec/zzw-push-proto.md#publication
//# A name that occurs twice in a publication MUST count once, where it occurs first.
//= docs/spec/zzw-push-proto.md#publication
//# A publication to more than 1000 aliases or 100 topics MUST fail as too large.
fn lists_have_limits() {
    let list = |len: usize| vec!["\"a\""; len].join(",");
    let json = |name: &str, len| format!(r#"{{"t":6,"{name}":[{}],"msg":1}}"#, list(len));
    read(&json("topic", MAX_TOPICS));
    read(&json("alias", MAX_ALIASES));
    for (name, max) in [("topic", MAX_TOPICS), ("alias", MAX_ALIASES)] {
        let expected = WireErrorKind::TooMany { field: name, max };
        assert_eq!(fault(&json(name, max + 1)), expected);
        assert_eq!(expected.code(), Code::TooLarge);
    }
    let texts = Texts::from_iter(["b", "a", "b"]);
    assert_eq!(texts.distinct(), ["b", "a"]);
}

#[test]
//= docs/spec/zzw-push-proto.md#message
//# A body nested deeper than 56 levels MUST be reported as too deep, so that what delivers it can
//# be read.
fn a_body_is_nested_less_deep_than_what_carries_it() {
    let json = |depth: usize| {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        format!(r#"{{"t":6,"alias":"a","msg":{open}{close}}}"#)
    };
    let Message::Publish(publish) = read(&json(MAX_BODY_DEPTH as usize)) else {
        panic!();
    };
    let bodies = Bodies::from_iter([publish.msg]);
    let batch = Message::Batch(Batch::new(bodies, Texts::default(), Num::Absent));
    assert_eq!(read(&written(&batch)), batch);
    let max = MAX_BODY_DEPTH;
    assert_eq!(
        fault(&json(max as usize + 1)),
        WireErrorKind::TooDeep { max }
    );
}

#[test]
//= docs/spec/zzw-push-proto.md#message
//# A message nested deeper than 64 levels MUST be reported as too deep.
fn a_message_is_nested_64_levels_deep_and_no_more() {
    let json = |depth: usize| {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        format!(r#"{{"t":1,"x":{open}{close}}}"#)
    };
    read(&json(MAX_DEPTH as usize - 1));
    let deeper = fault(&json(MAX_DEPTH as usize));
    assert_eq!(deeper, WireErrorKind::TooDeep { max: 64 });
    assert_eq!(deeper.code(), Code::TooLarge);
}

#[test]
//= docs/spec/zzw-push-proto.md#number-and-failure
//# A failure MUST be written with type 0, with a text for people in `error` and with a code for
//# programs in `code`.
//= docs/spec/zzw-push-proto.md#number-and-failure
//# A failure without a code, or with one that nobody knows, MUST be read.
fn every_code_has_a_name_and_a_text() {
    for code in Code::ALL {
        assert!(!code.text().is_empty());
        assert_eq!(Code::of(code.as_str().into()), code);
    }
    assert_eq!(Code::of("x".into()), Code::Other("x".into()));
}

/// A name that only begins like a known one is another name, with escapes and without.
#[test]
fn names_that_end_in_zeros_or_are_longer_by_one_are_not_known_ones() {
    for name in [
        r"num\u0000",
        "numm",
        "aliasesp",
        r"aliases\u0000",
        "untopics",
        "servicep",
    ] {
        let json = format!(r#"{{"t":3,"{name}":"1","num":"2"}}"#);
        let Message::Topics(topics) = read(&json) else {
            panic!("{json}");
        };
        assert_eq!(topics.num, Num::new("2"), "{json}");
        assert_eq!(topics.extra.iter().count(), 1, "{json}");
    }
    let broken = b"{\"z\":1,\"num\0\":\"1\"}";
    assert!(Message::decode(broken.to_vec().into(), Lenience::Strict).is_err());
}

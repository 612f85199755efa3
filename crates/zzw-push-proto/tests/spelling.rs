//! Spellings that are put up with, and what they are without that.

use bytes::Bytes;
use zzw_push_proto::WireErrorKind;
use zzw_push_proto::wire::*;

fn read(json: &str, lenience: Lenience) -> Result<Message, WireErrorKind> {
    let decoded = Message::decode(Bytes::from(json.to_owned()), lenience);
    decoded
        .map(|decoded| decoded.message)
        .map_err(|error| error.kind)
}

/// Read alike where it is put up with, refused where not.
fn lenient(odd: &str, plain: &str) {
    let expected = read(plain, Lenience::Strict).unwrap();
    assert_eq!(read(odd, Lenience::Vendor).as_ref(), Ok(&expected), "{odd}");
    assert!(read(odd, Lenience::Strict).is_err(), "{odd}");
}

/// Read alike everywhere.
fn same(odd: &str, plain: &str) {
    for lenience in [Lenience::Vendor, Lenience::Strict] {
        assert_eq!(read(odd, lenience), read(plain, lenience), "{odd}");
        assert!(read(odd, lenience).is_ok(), "{odd}");
    }
}

#[test]
//= docs/spec/zzw-push-proto.md#lenience
//# A lenient reader MUST repair single quotes around texts, full-width commas and commas that are
//# missing between members.
fn broken_json_is_repaired_once() {
    let plain = r#"{"t":1,"alias":"m_2"}"#;
    for odd in [
        "{'t':1,'alias':'m_2'}",
        r#"{"t":1 "alias":"m_2"}"#,
        r#"{"t":1，"alias":"m_2"}"#,
        r#"{"alias":"m_2" "t":1}"#,
        "{'t':1，'alias':'m_2'}",
        r#"{'t':1 "alias":'m_2'}"#,
    ] {
        lenient(odd, plain);
    }
    lenient(
        r"{'t':1,'alias':'it\'s \u597d''x':{'y':[]}'z':1}",
        r#"{"t":1,"alias":"it's 好","x":{"y":[]},"z":1}"#,
    );
    lenient(
        r#"{'t':5,'mid':'1','msg':'say "hi"，\\ok'}"#,
        r#"{"t":5,"mid":"1","msg":"say \"hi\"，\\ok"}"#,
    );
}

#[test]
//= docs/spec/zzw-push-proto.md#number-and-failure
//# An error MUST be reported with the text as it came.
fn an_error_holds_the_text_as_it_came() {
    for json in [
        "{'t':14,'num':1}",
        r#""{\"t\":14}""#,
        "\u{feff}{\"t\":14}",
        "\u{feff}{'t':14}",
    ] {
        let error = Message::decode(json.into(), Lenience::Vendor).unwrap_err();
        assert_eq!(error.kind, WireErrorKind::Missing("alias"), "{json}");
        assert_eq!(error.raw, json);
    }
}

#[test]
fn what_no_rule_repairs_stays_broken() {
    for json in [
        "{t:1}",
        r#"{"t":1,}"#,
        r#"{"t":1,"msg":[1 2]}"#,
        r#"{"t":1"#,
        r#"{"t":1,"alias":"m_2}"#,
        "{'t':1",
        "",
        "\u{feff}",
        &"[".repeat(100_000),
        &"{'a':".repeat(100_000),
    ] {
        for lenience in [Lenience::Vendor, Lenience::Strict] {
            assert!(read(json, lenience).is_err(), "{json:.20}");
        }
    }
}

#[test]
//= docs/spec/zzw-push-proto.md#lenience
//# A lenient reader MUST read a JSON text that holds an object as that object.
fn a_text_that_holds_an_object_is_that_object() {
    lenient(
        r#""{\"t\":1,\"alias\":\"m_2\"}""#,
        r#"{"t":1,"alias":"m_2"}"#,
    );
    for json in ["[]", "1", "true", r#""x""#, r#""\"{}\"""#] {
        assert_eq!(
            read(json, Lenience::Vendor),
            Err(WireErrorKind::NotObject),
            "{json}"
        );
    }
}

#[test]
//= docs/spec/zzw-push-proto.md#message
//# An id MUST be read from text and from a number alike, and go back as it came.
//= docs/spec/zzw-push-proto.md#message
//# The room and the user of a door frame MUST be read from text and from numbers alike.
//= docs/spec/zzw-push-proto.md#lenience
//# A lenient reader MUST read a type, an alias and a topic from text and from numbers alike.
fn numbers_and_texts_stand_for_each_other() {
    lenient(r#"{"t":"1","alias":12}"#, r#"{"t":1,"alias":"12"}"#);
    lenient(r#"{"t":2,"topic":[1,"b"]}"#, r#"{"t":2,"topic":["1","b"]}"#);
    same(r#"{"t":8,"r":12,"u":3}"#, r#"{"t":8,"r":"12","u":"3"}"#);
    same(r#"{"t":-5,"mid":12}"#, r#"{"t":-5,"mid":"12"}"#);
    let mut out = Vec::new();
    let ack = read(r#"{"t":-5,"mid":12}"#, Lenience::Strict).unwrap();
    ack.encode(&mut out);
    assert_eq!(out, br#"{"t":-5,"mid":12}"#, "as it came");
}

#[test]
//= docs/spec/zzw-push-proto.md#lenience
//# One alias or topic MUST be read as a list of one.
//= docs/spec/zzw-push-proto.md#publication
//# The method MUST be inferred where it is missing and only one of the lists has something in it.
//= docs/spec/zzw-push-proto.md#publication
//# The method `publish_to_alias_batch` with its list `aliases` MUST be read as `publish_to_alias`.
fn one_topic_or_alias_needs_no_list() {
    same(r#"{"t":2,"topic":"c_1"}"#, r#"{"t":2,"topic":["c_1"]}"#);
    same(
        r#"{"t":6,"alias":"a","msg":1}"#,
        r#"{"t":6,"method":"publish_to_alias","alias":["a"],"msg":1}"#,
    );
    same(
        r#"{"t":6,"topic":"a","msg":1}"#,
        r#"{"t":6,"method":"publish","topic":["a"],"msg":1}"#,
    );
    same(
        r#"{"t":6,"method":"publish_to_alias_batch","aliases":["a","b"],"msg":1}"#,
        r#"{"t":6,"method":"publish_to_alias","alias":["a","b"],"msg":1}"#,
    );
}

#[test]
//= docs/spec/zzw-push-proto.md#message
//# The four counters MUST be read with either case of their first letter and be written in the
//# document's.
fn the_capitals_of_counters_do_not_matter() {
    same(
        r#"{"t":-7,"one2OneSize":1,"one2ManySize":2,"many2ManySize":3,"ChannelSize":4}"#,
        r#"{"t":-7,"One2OneSize":1,"One2ManySize":2,"Many2ManySize":3,"channelSize":4}"#,
    );
}

#[test]
//= docs/spec/zzw-push-proto.md#message
//# If a member occurs twice in one object, the last one MUST win.
//= docs/spec/zzw-push-proto.md#message
//# The name of a member MUST be the same with JSON escapes in it.
fn names_of_members_may_be_escaped_and_the_last_of_two_counts() {
    same(
        r#"{"\u0074":1,"al\u0069as":"m_2"}"#,
        r#"{"t":1,"alias":"m_2"}"#,
    );
    same(
        r#"{"t":2,"alias":"x","t":1,"alias":"m_2"}"#,
        r#"{"t":1,"alias":"m_2"}"#,
    );
}

#[test]
//= docs/spec/zzw-push-proto.md#publication
//# A time to live MUST be read in seconds, from a number and from text, with a fraction as one
//# second more.
//= docs/spec/zzw-push-proto.md#publication
//# A time to live that is missing or null MUST be read as 259200 seconds.
//= docs/spec/zzw-push-proto.md#publication
//# A time to live above 1296000 seconds MUST be read as 1296000 seconds.
//= docs/spec/zzw-push-proto.md#publication
//# A time to live that is negative or no number MUST be refused.
fn a_time_to_live_is_seconds_in_any_spelling() {
    for (opts, seconds) in [
        ("", 259_200),
        (r#","opts":null"#, 259_200),
        (r#","opts":{}"#, 259_200),
        (r#","opts":{"time_to_live":null}"#, 259_200),
        (r#","opts":{"time_to_live":0}"#, 0),
        (r#","opts":{"time_to_live":60}"#, 60),
        (r#","opts":{"time_to_live":"60"}"#, 60),
        (r#","opts":{"time_to_live":" 60 "}"#, 60),
        (r#","opts":{"time_to_live":0.5}"#, 1),
        (r#","opts":{"time_to_live":6e1}"#, 60),
        (r#","opts":{"time_to_live":1296001}"#, 1_296_000),
        (r#","opts":{"time_to_live":1e300}"#, 1_296_000),
        (
            r#","opts":{"time_to_live":99999999999999999999}"#,
            1_296_000,
        ),
    ] {
        let json = format!(r#"{{"t":6,"topic":["a"],"msg":1{opts}}}"#);
        let Ok(Message::Publish(publish)) = read(&json, Lenience::Vendor) else {
            panic!("{json}");
        };
        assert_eq!(publish.ttl().as_secs(), seconds, "{json}");
    }
    for ttl in [
        "-1", "\"-0.5\"", "\"NaN\"", "\"\"", "\"soon\"", "true", "[]",
    ] {
        let json = format!(r#"{{"t":6,"topic":["a"],"msg":1,"opts":{{"time_to_live":{ttl}}}}}"#);
        assert_eq!(
            read(&json, Lenience::Vendor),
            Err(WireErrorKind::Shape("time_to_live")),
            "{json}"
        );
    }
}

#[test]
//= docs/spec/zzw-push-proto.md#lenience
//# The name of an event MUST decide what its message is where its type says otherwise, unless the
//# reader is strict.
//= docs/spec/zzw-push-proto.md#lenience
//# A strict reader MUST refuse an event whose type contradicts its name.
fn the_name_of_an_event_outweighs_its_type() {
    let json = r#"{"t":2,"alias":"m_2"}"#;
    let read = |lenience| Message::decode_event(MessageKind::Heartbeat, json.into(), lenience);
    assert_eq!(
        read(Lenience::Vendor).unwrap().message,
        Message::Heartbeat(Heartbeat::new("m_2"))
    );
    assert_eq!(
        read(Lenience::Strict).unwrap_err().kind,
        WireErrorKind::Contradiction
    );
}

//! The broker: what it makes of frames that are rare, wrong, or none of a client's.

mod platform_kit;

use platform_kit::{Rig, config, secs};
use zzw_push_proto::platform::{Event, Input, LinkEnd, LinkId, Output, StoreOp, StoreReply};
use zzw_push_proto::wire::{Goodbye, Json, Message, Publish, StatusRequest, Text};

fn received(rig: &mut Rig, id: u64, message: Message) {
    let at = rig.at();
    rig.input(Input::Received(LinkId(id), at, message));
}

/// The codes of the failures among what was heard.
fn codes(heard: &[String]) -> Vec<String> {
    let failures = heard.iter().filter(|json| json.starts_with(r#"{"t":0,"#));
    let code = |json: &String| {
        let value: serde_json::Value = serde_json::from_str(json).unwrap();
        value["code"].as_str().unwrap().to_owned()
    };
    failures.map(code).collect()
}

#[test]
//= docs/spec/zzw-push-proto.md#alias
//# The broker MUST bind a link by the alias of its handshake, by type 14 and 11, by a heartbeat
//# with an alias, and by type -14 from a client.
fn the_name_of_the_answer_takes_the_alias_too() {
    let mut rig = Rig::new(config());
    rig.connect(1);
    rig.says(1, r#"{"t":-14,"alias":"m_2"}"#);
    assert_eq!(rig.heard(1), [r#"{"t":-14,"alias":"m_2"}"#]);
    assert!(rig.platform.is_online("m_2"));
}

#[test]
//= docs/spec/zzw-push-proto.md#alias
//# The broker MUST send `connect_c` over Socket.IO when a link is bound, also if a heartbeat has
//# bound it.
fn a_heartbeat_over_socketio_is_told_of_the_alias_first() {
    let mut rig = Rig::new(config());
    rig.connect_socketio_as_nobody(1);
    rig.says(1, r#"{"t":1,"alias":"m_2"}"#);
    let told = [r#"{"t":-14,"alias":"m_2"}"#, r#"{"t":-1,"alias":"m_2"}"#];
    assert_eq!(rig.heard(1), told);
    rig.says(1, r#"{"t":1,"alias":"m_2"}"#);
    assert_eq!(rig.heard(1), told[1..]);
}

#[test]
//= docs/spec/zzw-push-proto.md#alias
//# The broker MUST answer `alias_mismatch` to a frame with another alias than that of its link, and
//# do nothing else with it, unless `allow_rebind` lets a heartbeat or a connect frame take that
//# alias.
//= docs/spec/zzw-push-proto.md#alias
//# The broker MUST end a link that says goodbye at once.
fn a_goodbye_ends_the_link_and_only_ones_own() {
    let mut rig = Rig::new(config());
    rig.connect_socketio(1, "m_2");
    rig.heard(1);
    received(&mut rig, 1, Message::Goodbye(Goodbye::new("m_3")));
    assert_eq!(codes(&rig.heard(1)), ["alias_mismatch"]);
    received(&mut rig, 1, Message::Goodbye(Goodbye::new("m_2")));
    assert_eq!(rig.heard(1), ["closed"]);
    let end = Event::Offline("m_2".into(), LinkId(1), LinkEnd::Goodbye);
    assert!(rig.events().contains(&end));
    assert!(rig.store.aliases["m_2"].owner.is_none());
}

#[test]
//= docs/spec/zzw-push-proto.md#alias
//# The broker MUST answer `unknown_type` to a message of no known type and to one that only servers
//# send, and keep the link.
//= docs/spec/zzw-push-proto.md#alias
//# The broker MUST NOT answer a failure or a null.
fn what_only_servers_say_is_no_type_for_a_client_and_a_failure_is_not_answered() {
    let mut rig = Rig::new(config());
    rig.bind(1, "m_2");
    rig.heard(1);
    for json in [
        r#"{"t":5,"alias":"m_2","mid":"1","msg":"x"}"#,
        r#"{"t":-6,"num":"n"}"#,
        r#"{"t":-1,"alias":"m_2"}"#,
        r#"{"t":-4,"msg":[],"num":"n"}"#,
    ] {
        rig.says(1, json);
        assert_eq!(codes(&rig.heard(1)), ["unknown_type"], "{json}");
    }
    for json in [r#"{"t":0,"error":"x","num":"n"}"#, "null"] {
        rig.says(1, json);
        assert!(rig.heard(1).is_empty(), "{json}");
    }
}

#[test]
//= docs/spec/zzw-push-proto.md#alias
//# The broker MUST refuse an alias or a topic that is no name.
fn names_that_are_none_are_refused() {
    let mut rig = Rig::new(config());
    rig.connect(1);
    let long = "x".repeat(129);
    for (name, code) in [
        ("a/b", "garbled"),
        ("a\\nb", "garbled"),
        ("", "missing"),
        (&long, "too_large"),
    ] {
        rig.says(1, &format!(r#"{{"t":1,"alias":"{name}"}}"#));
        let publish = format!(r#"{{"t":6,"alias":["m_2","{name}"],"msg":1,"num":"n"}}"#);
        rig.says(1, &publish);
        received(
            &mut rig,
            1,
            Message::Status(StatusRequest::new(unescaped(name))),
        );
        assert_eq!(codes(&rig.heard(1)), [code; 3], "{name}");
    }
    assert!(rig.store.aliases.is_empty());
    rig.bind(2, "m_2");
    rig.heard(2);
    rig.says(2, r#"{"t":2,"topic":["ok","a/b"],"num":"n"}"#);
    assert_eq!(codes(&rig.heard(2)), ["garbled"]);
    assert!(rig.store.aliases["m_2"].topics.is_empty());
}

fn unescaped(name: &str) -> Text {
    name.replace("\\n", "\n").into()
}

#[test]
//= docs/spec/zzw-push-proto.md#alias
//# The broker MUST answer `alias_mismatch` to a frame with another alias than that of its link, and
//# do nothing else with it, unless `allow_rebind` lets a heartbeat or a connect frame take that
//# alias.
//= docs/spec/zzw-push-proto.md#alias
//# The broker MUST answer `not_bound` to a frame that needs an alias on a link that has none.
//= docs/spec/zzw-push-proto.md#queue
//# An acknowledgement of an id that is unknown or acknowledged already MUST change nothing and not
//# be answered.
fn an_acknowledgement_is_for_the_alias_of_its_link() {
    let mut rig = Rig::new(config());
    rig.connect(1);
    rig.says(1, r#"{"t":-5,"mid":"1"}"#);
    assert_eq!(codes(&rig.heard(1)), ["not_bound"]);
    rig.says(1, r#"{"t":6,"alias":"m_2","msg":"x","num":"n"}"#);
    rig.bind(2, "m_2");
    let mid = rig.store.aliases["m_2"].queue[0].mid.0;
    rig.heard(2);
    rig.says(2, &format!(r#"{{"t":-5,"alias":"m_3","mid":"{mid}"}}"#));
    assert_eq!(codes(&rig.heard(2)), ["alias_mismatch"]);
    assert_eq!(rig.store.aliases["m_2"].queue.len(), 1);
    for json in [
        r#"{"t":-5,"mid":"no id of ours"}"#.to_owned(),
        r#"{"t":-5,"mid":"12"}"#.to_owned(),
        format!(r#"{{"t":-5,"alias":"m_2","mid":"{mid}"}}"#),
    ] {
        rig.says(2, &json);
        assert!(rig.heard(2).is_empty(), "{json}");
    }
    assert!(rig.store.aliases["m_2"].queue.is_empty());
}

#[test]
//= docs/spec/zzw-push-proto.md#alias
//# The broker MUST answer type 7 over TCP with the four counters, and with type -7 unless
//# `bare_type7` is set.
fn type_7_is_for_lines_and_may_be_bare() {
    let mut config = config();
    config.bare_type7 = true;
    let mut rig = Rig::new(config);
    rig.connect(1);
    rig.says(1, r#"{"t":7,"num":"n"}"#);
    let bare = r#"{"One2OneSize":0,"One2ManySize":0,"Many2ManySize":0,"channelSize":1,"num":"n"}"#;
    assert_eq!(rig.heard(1), [bare]);
    rig.connect_socketio(2, "m_2");
    rig.heard(2);
    rig.says(2, r#"{"t":7}"#);
    assert_eq!(codes(&rig.heard(2)), ["unknown_type"]);
}

#[test]
//= docs/spec/zzw-push-proto.md#topic
//# The broker MUST hand what a device tells about itself to the store, all of it.
//= docs/spec/zzw-push-proto.md#topic
//# The broker MUST answer type 2 when the store has done it and not before.
fn what_a_device_tells_about_itself_goes_to_the_store() {
    let mut rig = Rig::new(config());
    rig.bind(1, "m_2");
    rig.heard(1);
    rig.is_held = true;
    let json = r#"{"t":2,"topic":["a"],"info":{"communityId":"7","name":"东门","x":1},"num":"n"}"#;
    rig.says(1, json);
    let StoreOp::Subscribe { info, .. } = &rig.asked[0].1 else {
        panic!("{:?}", rig.asked);
    };
    let info = info.as_ref().unwrap();
    assert_eq!(info.name.as_deref(), Some("东门"));
    assert_eq!(info.extra.text("x"), Some("1".into()));
    assert!(rig.heard(1).is_empty(), "the store has not done it");
    rig.answer_all();
    assert_eq!(rig.heard(1), [r#"{"t":-2,"num":"n"}"#]);
}

#[test]
//= docs/spec/zzw-push-proto.md#queue
//# The broker MUST answer -6 only when the publication is kept for every alias that it is for, or
//# was for those online only.
//= docs/spec/zzw-push-proto.md#queue
//# A publication that the store has failed to keep for one alias MUST fail.
fn a_message_that_is_not_kept_for_one_is_not_acknowledged() {
    let mut rig = Rig::new(config());
    rig.connect(1);
    rig.is_held = true;
    rig.says(1, r#"{"t":6,"alias":["m_2","m_3"],"msg":"x","num":"n"}"#);
    let (seq, op) = rig.asked.remove(0);
    let kept = rig.store.execute(rig.at(), op);
    rig.answer(seq, kept);
    assert!(rig.heard(1).is_empty(), "one is not all");
    rig.fails = true;
    rig.answer_all();
    assert_eq!(codes(&rig.heard(1)), ["store_unavailable"]);
    assert_eq!(rig.store.aliases["m_2"].queue.len(), 1);
}

#[test]
//= docs/spec/zzw-push-proto.md#store
//# An answer that does not fit what was asked MUST count as a failure, and one to what was not
//# asked as nothing.
fn an_answer_that_is_none_to_what_the_store_was_asked_counts_as_its_failure() {
    let mut rig = Rig::new(config());
    rig.connect(1);
    rig.is_held = true;
    rig.says(1, r#"{"t":6,"alias":"m_2","msg":"x","num":"n"}"#);
    let (seq, _) = rig.asked.remove(0);
    rig.answer(seq, Ok(StoreReply::Done));
    assert_eq!(codes(&rig.heard(1)), ["store_unavailable"]);
    rig.answer(seq, Ok(StoreReply::Done));
    assert!(rig.heard(1).is_empty(), "answered twice");
}

#[test]
//= docs/spec/zzw-push-proto.md#queue
//# A publication to topics MUST reach each alias once for each of those that it has, also the
//# publisher.
fn an_alias_in_two_topics_gets_one_copy_for_each() {
    let mut rig = Rig::new(config());
    rig.bind(1, "m_1");
    rig.says(1, r#"{"t":2,"topic":["a","b"],"num":"n"}"#);
    rig.heard(1);
    rig.says(1, r#"{"t":6,"topic":["a","b","a"],"msg":"x","num":"n"}"#);
    let heard = rig.heard(1);
    assert_eq!(heard.len(), 3, "{heard:?}");
    assert!(heard[0].contains(r#""topic":"a""#) && heard[1].contains(r#""topic":"b""#));
}

#[test]
//= docs/spec/zzw-push-proto.md#queue
//# A publication MUST be kept for an alias that nobody has ever had unless `reject_unknown_alias`
//# is set.
fn an_alias_that_nobody_ever_had_may_be_refused() {
    let json = r#"{"t":6,"alias":"m_2","msg":"x","num":"n"}"#;
    let mut rig = Rig::new(config());
    rig.connect(1);
    rig.says(1, json);
    assert_eq!(rig.heard(1), [r#"{"t":-6,"num":"n"}"#]);
    let mut config = config();
    config.reject_unknown_alias = true;
    let mut rig = Rig::new(config);
    rig.connect(1);
    rig.says(1, json);
    assert_eq!(codes(&rig.heard(1)), ["unknown_alias"]);
    rig.bind(2, "m_2");
    rig.says(1, json);
    assert_eq!(rig.heard(1), [r#"{"t":-6,"num":"n"}"#]);
}

#[test]
//= docs/spec/zzw-push-proto.md#queue
//# A publication with a time to live of 0 that a link has no room for MUST be dropped and counted.
fn a_message_for_those_online_is_dropped_where_there_is_no_room_for_it() {
    let mut rig = Rig::new(config());
    rig.connect(1);
    rig.bind(2, "m_2");
    rig.heard(2);
    rig.input(Input::Slow(LinkId(2)));
    rig.says(
        1,
        r#"{"t":6,"alias":"m_2","msg":1,"opts":{"time_to_live":0}}"#,
    );
    rig.input(Input::Drained(LinkId(2)));
    rig.wait(secs(60));
    assert!(rig.heard(2).is_empty());
    assert_eq!(rig.platform.snapshot().dropped, 1);
}

#[test]
//= docs/spec/zzw-push-proto.md#time-to-live
//# A message MUST NOT be sent, sent again or pulled when its time is over.
fn a_pulled_message_whose_time_is_over_is_not_pulled_again() {
    let mut rig = Rig::new(config());
    rig.bind(1, "m_2");
    let short = r#"{"t":6,"alias":"m_2","msg":"short","opts":{"time_to_live":9},"num":"n"}"#;
    rig.says(1, short);
    rig.says(1, r#"{"t":6,"alias":"m_2","msg":"long","num":"n"}"#);
    rig.heard(1);
    rig.says(1, r#"{"t":4,"num":"a"}"#);
    assert!(rig.heard(1)[0].starts_with(r#"{"t":-4,"msg":["short","long"],"#));
    rig.wait(secs(9));
    rig.says(1, r#"{"t":4,"num":"a"}"#);
    assert!(rig.heard(1)[0].starts_with(r#"{"t":-4,"msg":["long"],"#));
}

#[test]
//= docs/spec/zzw-push-proto.md#queue
//# A publication of the application's own MUST keep to the same rules as that of a client.
fn the_application_cannot_publish_what_a_client_cannot() {
    let mut rig = Rig::new(config());
    let nobody = Publish::to_aliases(
        ["a/b"].into_iter().collect(),
        "x".into(),
        zzw_push_proto::wire::Num::Absent,
    );
    assert!(rig.platform.publish(rig.now, rig.at(), nobody).is_err());
}

#[test]
//= docs/spec/zzw-push-proto.md#queue
//# An acknowledgement MUST be told to the store until the store has done it, also if it was not
//# waited for.
fn an_acknowledgement_that_the_store_fails_is_told_again() {
    let mut rig = Rig::new(config());
    rig.bind(1, "m_2");
    rig.says(1, r#"{"t":6,"alias":"m_2","msg":"x","num":"n"}"#);
    let mid = rig.store.aliases["m_2"].queue[0].mid.0;
    rig.fails = true;
    rig.says(1, &format!(r#"{{"t":-5,"mid":"{mid}"}}"#));
    assert_eq!(rig.store.aliases["m_2"].queue.len(), 1);
    rig.fails = false;
    rig.wait(secs(1));
    assert!(rig.store.aliases["m_2"].queue.is_empty());
}

#[test]
//= docs/spec/zzw-push-proto.md#time-to-live
//# A message whose time was not over when the store was asked MUST be read again if the store took
//# too long to tell.
fn a_message_that_the_store_told_of_too_late_is_read_again() {
    let mut rig = Rig::new(config());
    rig.connect(1);
    let json = r#"{"t":6,"alias":"m_2","msg":"x","opts":{"time_to_live":8},"num":"n"}"#;
    rig.says(1, json);
    rig.bind(2, "m_2");
    rig.input(Input::Disconnected(LinkId(2)));
    rig.is_held = true;
    rig.bind(3, "m_2");
    // The claim at once; the reading after three seconds, by a store whose clock has stood still.
    let (seq, op) = rig.asked.pop().unwrap();
    let claimed = rig.store.execute(rig.at(), op);
    rig.answer(seq, claimed);
    rig.heard(3);
    let (seq, op) = rig.asked.pop().unwrap();
    let StoreReply::Loaded {
        mut entries,
        last,
        epoch,
        at,
    } = rig.store.execute(rig.at(), op).unwrap()
    else {
        panic!("no queue");
    };
    entries[0].expires_at.0 = at.0 + 2_000;
    rig.wait(secs(3));
    let late = StoreReply::Loaded {
        entries,
        last,
        epoch,
        at,
    };
    rig.answer(seq, Ok(late));
    assert!(rig.heard(3).is_empty(), "it may be too late");
    assert_eq!(rig.asked.len(), 1);
    rig.is_held = false;
    rig.answer_all();
    assert_eq!(rig.heard(3).len(), 1);
}

#[test]
//= docs/spec/zzw-push-proto.md#presence
//# The lists of aliases MUST hold those that have a link over TCP and over Socket.IO, in the order
//# of their bytes, with the number of all of them.
fn lists_of_aliases_are_in_the_order_of_their_bytes() {
    let mut rig = Rig::new(config());
    for (id, alias) in (1..).zip(["b", "小明", "a", "B"]) {
        rig.bind(id, alias);
    }
    rig.connect_socketio(9, "c");
    let call = |rig: &mut Rig, transport| {
        let page = zzw_push_proto::rest::Page::new(1).of_size(3);
        rig.calls(1, zzw_push_proto::platform::Call::Aliases(transport, page));
        rig.replied(1).remove(0).1
    };
    let tcp = call(&mut rig, zzw_push_proto::platform::Transport::Tcp);
    assert_eq!(tcp, r#"{"total":4,"list":["B","a","b"]}"#);
    let socketio = call(&mut rig, zzw_push_proto::platform::Transport::SocketIo);
    assert_eq!(socketio, r#"{"total":1,"list":["c"]}"#);
}

/// A parcel is written as the message that it stands for, whatever its alias, body and topic.
#[test]
//= docs/spec/zzw-push-proto.md#message
//# A delivery MUST be written with its alias, its id in `mid` and its body in `msg`, and with its
//# topic if it was published to one.
fn parcels_are_written_as_their_messages() {
    let bodies = [
        r#""火警""#,
        "7",
        "null",
        r#"{"门":[1.50,"\/\u0041"],"a":{}}"#,
        "[1,\r\n 2]",
        "\"0123456789012345678901234567890123456789\"",
    ];
    for (alias, topic) in [("m_2", "c"), ("小明\"\\", "小区\""), ("a b", "b a")] {
        for body in bodies {
            let mut rig = Rig::new(config());
            let quoted = |text: &str| Json::text(text).as_str().to_owned();
            let (name, topic) = (quoted(alias), quoted(topic));
            rig.connect(1);
            rig.says(1, &format!(r#"{{"t":14,"alias":{name}}}"#));
            rig.says(1, &format!(r#"{{"t":2,"topic":[{topic}]}}"#));
            for to in [
                format!(r#""topic":[{topic}]"#),
                format!(r#""alias":[{name}]"#),
            ] {
                rig.log.clear();
                rig.says(1, &format!(r#"{{"t":6,{to},"msg":{body},"num":"1"}}"#));
                let mut parcels = rig.log.iter().filter_map(|output| match output {
                    Output::Deliver(_, parcel) => Some(parcel),
                    _ => None,
                });
                let parcel = parcels.next().unwrap_or_else(|| panic!("{to} {body}"));
                let (mut own, mut of_message) = (Vec::new(), Vec::new());
                parcel.encode_line(&mut own);
                parcel.to_message().encode_line(&mut of_message);
                assert_eq!(own, of_message);
                assert_eq!(*parcel.body(), Json::parse(body).unwrap());
                assert!(own.len().abs_diff(parcel.len_hint()) <= 8);
            }
        }
    }
}

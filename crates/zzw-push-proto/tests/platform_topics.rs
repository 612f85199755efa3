//! The broker: topics, pulls and REST calls.

mod platform_kit;

use platform_kit::{Rig, config, message, secs};
use zzw_push_proto::platform::{
    Call, Input, LinkId, NodeId, NodeInfo, NodeMessage, Output, Transport,
};
use zzw_push_proto::rest::Page;
use zzw_push_proto::wire::{Message, NodeCounts, Publish, Service};

fn to_topic(topic: &str, msg: &str, ttl: u32) -> String {
    format!(
        r#"{{"t":6,"method":"publish","topic":["{topic}"],"msg":"{msg}","opts":{{"time_to_live":{ttl}}},"num":"n"}}"#
    )
}

fn read(json: &str) -> Publish {
    match message(json) {
        Message::Publish(publish) => publish,
        other => panic!("{other:?}"),
    }
}

#[test]
//= docs/spec/zzw-push-proto.md#message
//# A delivery MUST be written with its alias, its id in `mid` and its body in `msg`, and with its
//# topic if it was published to one.
//= docs/spec/zzw-push-proto.md#topic
//# The broker MUST add the topics of type 2 to those that the alias has, keep them until they are
//# removed, and take what is there already for done.
//= docs/spec/zzw-push-proto.md#queue
//# A publication to topics MUST reach each alias once for each of those that it has, also the
//# publisher.
fn a_topic_reaches_its_members_there_and_away() {
    let mut rig = Rig::new(config());
    rig.bind(1, "m_1");
    rig.bind(2, "m_2");
    for id in [1, 2] {
        rig.says(id, r#"{"t":2,"topic":["lift"],"num":"n"}"#);
    }
    rig.input(Input::Disconnected(LinkId(2)));
    rig.heard(1);
    rig.says(1, &to_topic("lift", "stuck", 60));
    let heard = rig.heard(1);
    // Who publishes and is a member gets it too.
    assert!(
        heard[0].starts_with(r#"{"t":5,"alias":"m_1","mid":"#),
        "{heard:?}"
    );
    assert!(heard[0].contains(r#""topic":"lift""#));
    assert_eq!(heard[1], r#"{"t":-6,"num":"n"}"#);
    rig.bind(3, "m_2");
    assert!(rig.heard(3)[1].contains(r#""msg":"stuck","topic":"lift""#));
    rig.says(1, &to_topic("nobody", "x", 60));
    assert_eq!(rig.heard(1), [r#"{"t":-6,"num":"n"}"#]);
}

#[test]
//= docs/spec/zzw-push-proto.md#queue
//# A publication with a time to live of 0 MUST be sent to the links that are bound and have room
//# for it, and MUST NOT be stored.
fn a_topic_for_those_online_is_kept_for_nobody() {
    let mut rig = Rig::new(config());
    rig.bind(1, "m_1");
    rig.bind(2, "m_2");
    for id in [1, 2] {
        rig.says(id, r#"{"t":2,"topic":["lift"],"num":"n"}"#);
    }
    rig.input(Input::Disconnected(LinkId(2)));
    rig.heard(1);
    rig.says(1, &to_topic("lift", "stuck", 0));
    assert_eq!(rig.heard(1).len(), 2);
    assert!(
        rig.store
            .aliases
            .values()
            .all(|alias| alias.queue.is_empty())
    );
}

#[test]
//= docs/spec/zzw-push-proto.md#pull
//# A pull MUST be answered with the oldest unacknowledged messages, their bodies in `msg` and their
//# ids in the same order in `mid`.
//= docs/spec/zzw-push-proto.md#pull
//# A pull with the number of the last one MUST be answered with the same messages.
//= docs/spec/zzw-push-proto.md#pull
//# A pull with another number MUST acknowledge what the last one has brought.
//= docs/spec/zzw-push-proto.md#pull
//# Messages that were pulled on a link MUST NOT be pushed on it.
//= docs/spec/zzw-push-proto.md#pull
//# A pull MUST be answered with an empty list where nothing waits.
fn a_pull_brings_the_same_until_another_number_says_that_it_came() {
    let mut rig = Rig::new(config());
    rig.connect(1);
    for n in 0..3 {
        rig.says(
            1,
            &format!(r#"{{"t":6,"alias":"m_2","msg":"{n}","num":"n"}}"#),
        );
    }
    rig.bind(2, "m_2");
    rig.heard(2);
    rig.says(2, r#"{"t":4,"num":"a"}"#);
    let first = rig.heard(2);
    assert!(
        first[0].starts_with(r#"{"t":-4,"msg":["0","1","2"],"mid":[""#),
        "{first:?}"
    );
    rig.says(1, r#"{"t":6,"alias":"m_2","msg":"3","num":"n"}"#);
    assert!(rig.heard(2)[0].contains(r#""msg":"3""#));
    rig.says(2, r#"{"t":4,"num":"a"}"#);
    assert_eq!(rig.heard(2), first);
    // What was pulled is not sent again by itself.
    rig.wait(secs(40));
    assert_eq!(rig.heard(2).len(), 1);
    rig.says(2, r#"{"t":4,"num":"b"}"#);
    assert!(rig.heard(2)[0].starts_with(r#"{"t":-4,"msg":["3"],"#));
    assert_eq!(rig.store.aliases["m_2"].queue.len(), 1);
    rig.says(2, r#"{"t":4,"num":"c"}"#);
    assert_eq!(rig.heard(2), [r#"{"t":-4,"msg":[],"num":"c"}"#]);
    assert_eq!(rig.platform.snapshot().held_bytes, 0);
}

#[test]
//= docs/spec/zzw-push-proto.md#alias
//# The broker MUST answer `alias_mismatch` to a frame with another alias than that of its link, and
//# do nothing else with it, unless `allow_rebind` lets a heartbeat or a connect frame take that
//# alias.
//= docs/spec/zzw-push-proto.md#pull
//# A pull without a number MUST NOT acknowledge anything.
fn a_pull_without_a_number_acknowledges_nothing() {
    let mut rig = Rig::new(config());
    rig.bind(2, "m_2");
    rig.says(2, r#"{"t":6,"alias":"m_2","msg":"0","num":"n"}"#);
    rig.heard(2);
    for _ in 0..2 {
        rig.says(2, r#"{"t":4}"#);
        assert!(rig.heard(2)[0].starts_with(r#"{"t":-4,"msg":["0"],"#));
    }
    rig.says(2, r#"{"t":4,"alias":"m_3","num":1}"#);
    assert!(rig.heard(2)[0].contains("alias_mismatch"));
}

#[test]
//= docs/spec/zzw-push-proto.md#pull
//# A pull MUST bring at most `pull_limit` messages and `pull_bytes` bytes of bodies, and one
//# message in any case.
fn a_pull_has_limits() {
    let mut rig = Rig::new(config());
    rig.connect(1);
    let body = "x".repeat(30_000);
    for _ in 0..4 {
        rig.says(
            1,
            &format!(r#"{{"t":6,"alias":"m_2","msg":"{body}","num":"n"}}"#),
        );
    }
    rig.bind(2, "m_2");
    rig.heard(2);
    rig.says(2, r#"{"t":4,"num":"a"}"#);
    let heard = rig.heard(2);
    assert!(heard[0].len() < 65_536, "{}", heard[0].len());
    let json: serde_json::Value = serde_json::from_str(&heard[0]).unwrap();
    assert_eq!(json["mid"].as_array().unwrap().len(), 2);
}

#[test]
//= docs/spec/zzw-push-proto.md#rest
//# Every answer with another status than 200 MUST hold a failure in its body, because old clients
//# read nothing else.
//= docs/spec/zzw-push-proto.md#presence
//# A call MUST be answered with the number that its body has.
fn rest_publishes_and_echoes_the_number() {
    let mut rig = Rig::new(config());
    rig.bind(1, "m_2");
    rig.heard(1);
    let publish = read(r#"{"t":6,"alias":["m_2"],"msg":"hi","num":12}"#);
    rig.calls(1, Call::Push(publish.clone()));
    assert_eq!(rig.replied(1), [(200, r#"{"t":-6,"num":12}"#.into())]);
    assert_eq!(rig.heard(1).len(), 1);
    rig.fails = true;
    rig.calls(2, Call::Push(publish));
    let [(status, body)] = &rig.replied(2)[..] else {
        panic!("one answer");
    };
    assert_eq!(*status, 503);
    assert!(body.contains(r#""num":12"#));
}

#[test]
//= docs/spec/zzw-push-proto.md#presence
//# An alias MUST be called online exactly as long as a link has it, here or on another node.
//= docs/spec/zzw-push-proto.md#presence
//# An alias that nobody knows MUST be called offline and without topics, with status 200 over REST.
//= docs/spec/zzw-push-proto.md#presence
//# The status of an alias MUST be told with the alias over Socket.IO and without it over REST.
//= docs/spec/zzw-push-proto.md#presence
//# The lists of aliases MUST hold those that have a link over TCP and over Socket.IO, in the order
//# of their bytes, with the number of all of them.
//= docs/spec/zzw-push-proto.md#presence
//# The number in `onlineAllSize` MUST be the sum of the other three.
//= docs/spec/zzw-push-proto.md#presence
//# A client MUST be sent to the node with the least links for its weight, of those that take
//# any.
fn rest_tells_status_aliases_servers_and_counts() {
    let mut rig = Rig::new(config());
    rig.bind(1, "m_2");
    rig.connect_socketio(2, "test");
    rig.says(1, r#"{"t":2,"topic":["m_2","c_2"],"num":"n"}"#);
    rig.calls(1, Call::Status("m_2".into()));
    let online = r#"{"list":["c_2","m_2"],"status":"online"}"#;
    assert_eq!(rig.replied(1), [(200, online.into())]);
    rig.calls(2, Call::Status("nobody".into()));
    let offline = r#"{"list":[],"status":"offline"}"#;
    assert_eq!(rig.replied(2), [(200, offline.into())]);
    rig.calls(3, Call::Aliases(Transport::SocketIo, Page::default()));
    assert_eq!(
        rig.replied(3),
        [(200, r#"{"total":1,"list":["test"]}"#.into())]
    );
    rig.calls(4, Call::Info);
    let info =
        r#"{"192.0.2.1":{"webSocketSize":0,"channelSize":1,"onlineAllSize":2,"socketIOSize":1}}"#;
    assert_eq!(rig.replied(4), [(200, info.into())]);
    rig.calls(5, Call::Servers);
    let servers = r#"{"service":{"rest":9900,"webSocket":9000,"socket":9906,"push":9800},"host":"192.0.2.1"}"#;
    assert_eq!(rig.replied(5), [(200, servers.into())]);
    let idle = NodeInfo::new("192.0.2.2", Service::default(), NodeCounts::new(0, 0, 0));
    let message = NodeMessage::Announce(idle);
    rig.input(Input::FromNode {
        node: NodeId(2),
        message,
    });
    rig.calls(6, Call::Servers);
    assert!(rig.replied(6)[0].1.contains("192.0.2.2"));
    rig.heard(2);
    let status = zzw_push_proto::wire::StatusRequest::new("m_2");
    let at = rig.at();
    rig.input(Input::Received(LinkId(2), at, Message::Status(status)));
    let told = r#"{"alias":"m_2","list":["c_2","m_2"],"status":"online"}"#;
    assert_eq!(rig.heard(2), [told]);
}

#[test]
//= docs/spec/zzw-push-proto.md#alias
//# The broker MUST answer type 7 over TCP with the four counters, and with type -7 unless
//# `bare_type7` is set.
fn type_7_tells_the_four_counters() {
    let mut rig = Rig::new(config());
    rig.connect(1);
    rig.connect(2);
    rig.says(1, r#"{"t":7}"#);
    let heard = rig.heard(1);
    let expected = r#""One2OneSize":0,"One2ManySize":0,"Many2ManySize":0,"channelSize":2"#;
    assert!(heard[0].contains(expected), "{heard:?}");
}

#[test]
//= docs/spec/zzw-push-proto.md#load
//# Calls of an address beyond `address_rate` MUST be answered with status 429.
fn one_address_cannot_call_for_ever() {
    let mut rig = Rig::new(config());
    for id in 0..1_001 {
        rig.calls(id, Call::Info);
    }
    assert_eq!(rig.replied(999)[0].0, 200);
    assert_eq!(rig.replied(1_000)[0].0, 429);
}

#[test]
//= docs/spec/zzw-push-proto.md#node
//# A message for those online only MUST be passed on to the other nodes where its alias is not
//# here.
fn messages_for_who_is_elsewhere_go_to_the_other_node() {
    let mut rig = Rig::new(config());
    rig.connect(1);
    let info = NodeInfo::new("192.0.2.2", Service::default(), NodeCounts::new(0, 0, 0));
    let message = NodeMessage::Announce(info);
    rig.input(Input::FromNode {
        node: NodeId(2),
        message,
    });
    rig.says(
        1,
        r#"{"t":6,"alias":"m_2","msg":"hi","opts":{"time_to_live":0},"num":"n"}"#,
    );
    let is_direct = |output: &Output| {
        matches!(
            output,
            Output::Relay {
                node: NodeId(2),
                message: NodeMessage::Direct { .. }
            }
        )
    };
    assert!(rig.log.iter().any(is_direct));
}

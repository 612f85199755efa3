//! The broker: aliases, queues, deliveries.

mod platform_kit;

use platform_kit::{Rig, config, secs};
use zzw_push_proto::platform::{Event, Input, LinkEnd, LinkId, NodeId, NodeMessage, StoreOp};
use zzw_push_proto::wire::Text;

/// The ids of the deliveries among what was heard, and what they say.
fn deliveries(heard: &[String]) -> Vec<(String, String)> {
    let delivered = heard.iter().filter(|json| json.starts_with(r#"{"t":5,"#));
    delivered
        .map(|json| {
            let value: serde_json::Value = serde_json::from_str(json).unwrap();
            (
                value["mid"].as_str().unwrap().into(),
                value["msg"].to_string(),
            )
        })
        .collect()
}

fn publish(alias: &str, msg: &str, num: &str) -> String {
    format!(
        r#"{{"t":6,"method":"publish_to_alias","alias":["{alias}"],"msg":"{msg}","opts":{{}},"num":"{num}"}}"#
    )
}

#[test]
//= docs/spec/zzw-push-proto.md#message
//# A connect frame MUST be answered with the negated type that it came with.
//= docs/spec/zzw-push-proto.md#alias
//# The broker MUST bind a link by the alias of its handshake, by type 14 and 11, by a heartbeat
//# with an alias, and by type -14 from a client.
//= docs/spec/zzw-push-proto.md#alias
//# The broker MUST answer a heartbeat with the alias of its link, and without one if it has none.
fn a_connect_frame_takes_the_alias_and_gets_its_own_type_negated() {
    let mut rig = Rig::new(config());
    rig.connect(1);
    rig.says(1, r#"{"t":11,"alias":"m_2"}"#);
    assert_eq!(rig.heard(1), [r#"{"t":-11,"alias":"m_2"}"#]);
    rig.says(1, r#"{"t":1,"alias":"m_2"}"#);
    rig.says(1, r#"{"t":1}"#);
    assert_eq!(rig.heard(1), [r#"{"t":-1,"alias":"m_2"}"#; 2]);
    assert!(rig.platform.is_online("m_2"));
    assert_eq!(rig.events(), [Event::Online("m_2".into(), LinkId(1))]);
}

#[test]
//= docs/spec/zzw-push-proto.md#alias
//# The broker MUST bind a link by the alias of its handshake, by type 14 and 11, by a heartbeat
//# with an alias, and by type -14 from a client.
//= docs/spec/zzw-push-proto.md#alias
//# The broker MUST answer a heartbeat with the alias of its link, and without one if it has none.
//= docs/spec/zzw-push-proto.md#alias
//# The broker MUST answer `alias_mismatch` to a frame with another alias than that of its link, and
//# do nothing else with it, unless `allow_rebind` lets a heartbeat or a connect frame take that
//# alias.
fn a_heartbeat_takes_the_alias_and_another_one_is_refused() {
    let mut rig = Rig::new(config());
    rig.connect(1);
    rig.says(1, r#"{"t":1}"#);
    rig.says(1, r#"{"t":1,"alias":"m_2"}"#);
    assert_eq!(rig.heard(1), [r#"{"t":-1}"#, r#"{"t":-1,"alias":"m_2"}"#]);
    rig.says(1, r#"{"t":1,"alias":"m_3"}"#);
    assert!(rig.heard(1)[0].contains("alias_mismatch"));
}

#[test]
//= docs/spec/zzw-push-proto.md#alias
//# The broker MUST bind a link by the alias of its handshake, by type 14 and 11, by a heartbeat
//# with an alias, and by type -14 from a client.
//= docs/spec/zzw-push-proto.md#alias
//# The broker MUST send `connect_c` over Socket.IO when a link is bound, also if a heartbeat has
//# bound it.
fn a_handshake_takes_the_alias_over_socketio() {
    let mut rig = Rig::new(config());
    rig.connect_socketio(1, "小明");
    assert_eq!(rig.heard(1), [r#"{"t":-14,"alias":"小明"}"#]);
}

#[test]
//= docs/spec/zzw-push-proto.md#alias
//# An alias MUST have one link at most, the newest over whatever transport, and what it replaces be
//# told `replaced` and closed.
fn the_last_link_wins_and_the_first_is_told_and_closed() {
    let mut rig = Rig::new(config());
    rig.bind(1, "m_2");
    rig.heard(1);
    rig.connect_socketio(2, "m_2");
    let told = rig.heard(1);
    assert!(told[0].contains(r#""code":"replaced""#), "{told:?}");
    assert_eq!(told[1..], ["closed"]);
    assert!(rig.platform.is_online("m_2"));
    rig.says(1, r#"{"t":1,"alias":"m_2"}"#);
    assert!(rig.heard(1).is_empty());
    let events = rig.events();
    assert!(events.contains(&Event::Offline("m_2".into(), LinkId(1), LinkEnd::Replaced)));
    assert_eq!(rig.store.aliases["m_2"].epoch, 2);
}

#[test]
//= docs/spec/zzw-push-proto.md#alias
//# A link whose alias the store does not give MUST be told so and stay unbound, so that it can try
//# again.
fn whose_claim_the_store_fails_may_try_again() {
    let mut rig = Rig::new(config());
    rig.fails = true;
    rig.bind(1, "m_2");
    assert!(rig.heard(1)[0].contains("store_unavailable"));
    assert!(!rig.platform.is_online("m_2"));
    rig.fails = false;
    rig.says(1, r#"{"t":1,"alias":"m_2"}"#);
    assert_eq!(rig.heard(1), [r#"{"t":-1,"alias":"m_2"}"#]);
}

#[test]
//= docs/spec/zzw-push-proto.md#number-and-failure
//# The number of a request MUST be kept as it came, as text or as a number, and be echoed
//# unchanged.
//= docs/spec/zzw-push-proto.md#topic
//# The broker MUST add the topics of type 2 to those that the alias has, keep them until they are
//# removed, and take what is there already for done.
//= docs/spec/zzw-push-proto.md#topic
//# The broker MUST remove the topics that type 2 names in `untopic`.
//= docs/spec/zzw-push-proto.md#topic
//# An alias without topics MUST be told an empty list.
fn topics_are_added_removed_and_told() {
    let mut rig = Rig::new(config());
    rig.bind(1, "m_2");
    rig.says(1, r#"{"t":3,"num":"0"}"#);
    rig.says(1, r#"{"t":2,"topic":["b","a"],"num":7}"#);
    rig.says(1, r#"{"t":2,"topic":["a"],"untopic":["b"],"num":8}"#);
    rig.says(1, r#"{"t":3,"num":""}"#);
    let heard = rig.heard(1);
    let expected = [
        r#"{"t":-14,"alias":"m_2"}"#,
        r#"{"t":-3,"num":"0","topic":[]}"#,
        r#"{"t":-2,"num":7}"#,
        r#"{"t":-2,"num":8}"#,
        r#"{"t":-3,"num":"","topic":["a"]}"#,
    ];
    assert_eq!(heard, expected);
}

#[test]
//= docs/spec/zzw-push-proto.md#alias
//# The broker MUST answer `not_bound` to a frame that needs an alias on a link that has none.
//= docs/spec/zzw-push-proto.md#alias
//# The broker MUST answer `unknown_type` to a message of no known type and to one that only servers
//# send, and keep the link.
fn what_needs_an_alias_is_refused_without_one() {
    let mut rig = Rig::new(config());
    rig.connect(1);
    for json in [
        r#"{"t":2,"topic":["a"],"num":"9"}"#,
        r#"{"t":3,"num":"9"}"#,
        r#"{"t":4,"num":"9"}"#,
    ] {
        rig.says(1, json);
        let heard = rig.heard(1);
        assert!(
            heard[0].contains(r#""code":"not_bound","num":"9""#),
            "{heard:?}"
        );
    }
    rig.says(1, r#"{"t":12,"num":3}"#);
    assert_eq!(
        rig.heard(1),
        [r#"{"t":0,"error":"unknown type","code":"unknown_type","num":3}"#]
    );
}

#[test]
//= docs/spec/zzw-push-proto.md#queue
//# The broker MUST answer -6 only when the publication is kept for every alias that it is for, or
//# was for those online only.
//= docs/spec/zzw-push-proto.md#store
//# A failure of the store MUST be answered with `store_unavailable` and never become a -6.
fn a_message_is_acknowledged_when_it_is_kept_and_not_before() {
    let mut rig = Rig::new(config());
    rig.connect(1);
    rig.is_held = true;
    rig.says(1, &publish("m_2", "hello", "n1"));
    assert!(rig.heard(1).is_empty());
    assert!(matches!(rig.asked[0].1, StoreOp::Append { .. }));
    rig.answer_all();
    assert_eq!(rig.heard(1), [r#"{"t":-6,"num":"n1"}"#]);
    rig.fails = true;
    rig.says(1, &publish("m_2", "hello", "n2"));
    rig.answer_all();
    let heard = rig.heard(1);
    assert!(
        heard[0].contains(r#""code":"store_unavailable","num":"n2""#),
        "{heard:?}"
    );
}

#[test]
//= docs/spec/zzw-push-proto.md#queue
//# A message that was acknowledged to its publisher MUST stay in the store until its alias has
//# acknowledged it, its time is over, or newer ones have pushed it out.
//= docs/spec/zzw-push-proto.md#queue
//# Whenever an alias is bound its unacknowledged messages MUST be sent, from the oldest on.
//= docs/spec/zzw-push-proto.md#queue
//# An acknowledgement of an id that is unknown or acknowledged already MUST change nothing and not
//# be answered.
fn who_was_away_gets_all_in_order_and_what_is_acknowledged_is_gone() {
    let mut rig = Rig::new(config());
    rig.connect(1);
    for n in 0..3 {
        rig.says(1, &publish("m_2", &n.to_string(), "n"));
    }
    rig.bind(2, "m_2");
    let heard = rig.heard(2);
    assert_eq!(heard[0], r#"{"t":-14,"alias":"m_2"}"#);
    let sent = deliveries(&heard);
    assert_eq!(
        sent.iter().map(|(_, msg)| msg.as_str()).collect::<Vec<_>>(),
        [r#""0""#, r#""1""#, r#""2""#]
    );
    for (mid, _) in &sent[..2] {
        rig.says(2, &format!(r#"{{"t":-5,"mid":"{mid}"}}"#));
        rig.says(2, &format!(r#"{{"t":-5,"mid":{mid}}}"#));
    }
    assert!(rig.heard(2).is_empty());
    rig.input(Input::Disconnected(LinkId(2)));
    rig.bind(3, "m_2");
    assert_eq!(deliveries(&rig.heard(3)), sent[2..]);
}

#[test]
fn who_is_there_gets_it_without_the_store_being_read() {
    let mut rig = Rig::new(config());
    rig.connect(1);
    rig.bind(2, "m_2");
    rig.says(1, &publish("m_2", "0", "n"));
    rig.heard(2);
    rig.is_held = true;
    rig.says(1, &publish("m_2", "1", "n"));
    assert_eq!(rig.asked.len(), 1);
    let (seq, op) = rig.asked.remove(0);
    let reply = rig.store.execute(rig.at(), op);
    rig.answer(seq, reply);
    assert!(rig.asked.is_empty());
    assert_eq!(deliveries(&rig.heard(2)).len(), 1);
}

#[test]
//= docs/spec/zzw-push-proto.md#queue
//# Messages MUST be sent to a link for the first time in the order of their ids, in whichever order
//# the store answers.
//= docs/spec/zzw-push-proto.md#store
//# Answers of the store MUST be taken in any order.
fn answers_of_the_store_in_any_order_leave_the_messages_in_theirs() {
    let mut rig = Rig::new(config());
    rig.connect(1);
    rig.bind(2, "m_2");
    rig.is_held = true;
    for n in 0..3 {
        rig.says(1, &publish("m_2", &n.to_string(), "n"));
    }
    let at = rig.at();
    let asked: Vec<_> = rig.asked.drain(..).collect();
    let mut replies: Vec<_> = asked
        .into_iter()
        .map(|(seq, op)| (seq, rig.store.execute(at, op)))
        .collect();
    while let Some((seq, reply)) = replies.pop() {
        rig.answer(seq, reply);
    }
    rig.is_held = false;
    rig.answer_all();
    let sent: Vec<_> = deliveries(&rig.heard(2))
        .into_iter()
        .map(|(_, msg)| msg)
        .collect();
    assert_eq!(sent, [r#""0""#, r#""1""#, r#""2""#]);
}

#[test]
//= docs/spec/zzw-push-proto.md#queue
//# A link MUST NOT have more than `window` messages and `window_bytes` bytes unacknowledged, but
//# for one message that is longer.
fn no_more_than_the_window_is_sent_unacknowledged() {
    let mut rig = Rig::new(config());
    rig.connect(1);
    for n in 0..40 {
        rig.says(1, &publish("m_2", &n.to_string(), "n"));
        rig.wait(secs(1));
    }
    rig.bind(2, "m_2");
    let sent = deliveries(&rig.heard(2));
    assert_eq!(sent.len(), 32);
    rig.says(2, &format!(r#"{{"t":-5,"mid":"{}"}}"#, sent[5].0));
    let next = deliveries(&rig.heard(2));
    assert_eq!(next.len(), 1);
    assert_eq!(next[0].1, r#""32""#);
}

#[test]
//= docs/spec/zzw-push-proto.md#queue
//# A publication with a time to live of 0 MUST be sent to the links that are bound and have room
//# for it, and MUST NOT be stored.
fn a_message_for_those_online_only_is_never_stored() {
    let mut rig = Rig::new(config());
    rig.connect(1);
    rig.bind(2, "m_2");
    rig.heard(2);
    rig.is_held = true;
    let json = r#"{"t":6,"alias":["m_2","m_3"],"msg":{"a":1},"opts":{"time_to_live":"0"},"num":1}"#;
    rig.says(1, json);
    assert!(rig.asked.is_empty());
    assert_eq!(rig.heard(1), [r#"{"t":-6,"num":1}"#]);
    assert_eq!(deliveries(&rig.heard(2))[0].1, r#"{"a":1}"#);
}

#[test]
//= docs/spec/zzw-push-proto.md#node
//# A link MUST be closed when its alias has moved to another node by a later epoch, and by none
//# else.
fn an_alias_that_has_moved_to_another_node_is_closed_here() {
    let mut rig = Rig::new(config());
    rig.bind(1, "m_2");
    rig.heard(1);
    let alias: Text = "m_2".into();
    for epoch in [1, 2] {
        let message = NodeMessage::Kick {
            alias: alias.clone(),
            epoch,
        };
        rig.input(Input::FromNode {
            node: NodeId(2),
            message,
        });
        assert_eq!(rig.heard(1).is_empty(), epoch == 1);
    }
    assert!(!rig.platform.is_online("m_2"));
}

//! The broker: how much of everything there may be, and what becomes of the rest.

mod platform_kit;

use platform_kit::{ADDRESS, Rig, config, message, secs};
use std::collections::BTreeSet;
use zzw_push_proto::platform::{
    Call, Input, LinkId, MessageId, NodeId, NodeInfo, NodeMessage, Output, Owner, Peer, Rate,
    Transport, UnixMillis,
};
use zzw_push_proto::wire::{Message, NodeCounts, Service};

fn busy(heard: &[String]) -> usize {
    let is_busy = |json: &&String| json.contains(r#""code":"busy""#);
    heard.iter().filter(is_busy).count()
}

fn deliveries(heard: &[String]) -> usize {
    let is_delivery = |json: &&String| json.starts_with(r#"{"t":5,"#);
    heard.iter().filter(is_delivery).count()
}

#[test]
//= docs/spec/zzw-push-proto.md#queue
//# A link MUST NOT have more than `window` messages and `window_bytes` bytes unacknowledged, but
//# for one message that is longer.
fn bytes_that_are_not_acknowledged_are_limited_but_for_one_message() {
    let mut config = config();
    config.window_bytes = 10;
    let mut rig = Rig::new(config);
    rig.connect(1);
    for body in ["1234567890123456", "12", "345", "678"] {
        rig.says(
            1,
            &format!(r#"{{"t":6,"alias":"m_2","msg":"{body}","num":"n"}}"#),
        );
    }
    rig.bind(2, "m_2");
    assert_eq!(deliveries(&rig.heard(2)), 1, "one is more than all may be");
    let mid = rig.store.aliases["m_2"].queue[0].mid.0;
    rig.says(2, &format!(r#"{{"t":-5,"mid":"{mid}"}}"#));
    assert_eq!(deliveries(&rig.heard(2)), 2, "4 and 5 bytes");
}

#[test]
//= docs/spec/zzw-push-proto.md#queue
//# The body of a publication MUST NOT have more than `max_body` bytes.
fn a_body_has_64_kib_and_no_more() {
    let mut rig = Rig::new(config());
    rig.connect(1);
    for (len, is_taken) in [((64 << 10) - 2, true), ((64 << 10) - 1, false)] {
        let body = "x".repeat(len);
        rig.says(
            1,
            &format!(r#"{{"t":6,"alias":"m_2","msg":"{body}","num":"n"}}"#),
        );
        let heard = rig.heard(1);
        assert_eq!(heard[0] == r#"{"t":-6,"num":"n"}"#, is_taken, "{heard:?}");
        assert_eq!(heard[0].contains(r#""code":"too_large""#), !is_taken);
    }
}

#[test]
//= docs/spec/zzw-push-proto.md#load
//# A frame MUST be answered with `busy` while `max_waiting` wait on its link.
fn frames_that_wait_for_a_decision_are_limited() {
    let mut config = config();
    config.max_waiting = 2;
    let mut rig = Rig::new(config);
    rig.is_held = true;
    rig.connect(1);
    rig.says(1, r#"{"t":14,"alias":"m_2"}"#);
    for num in ["a", "b", "c"] {
        rig.says(1, &format!(r#"{{"t":3,"num":"{num}"}}"#));
    }
    assert!(rig.heard(1)[0].contains(r#""code":"busy","num":"c""#));
    rig.is_held = false;
    rig.answer_all();
    let heard = rig.heard(1);
    assert!(heard[1].contains(r#""num":"a""#) && heard[2].contains(r#""num":"b""#));
}

#[test]
//= docs/spec/zzw-push-proto.md#load
//# A request MUST be answered with `busy` while the store has `max_requests` of its link, or
//# `max_publishing` publications in all.
fn requests_that_the_store_has_not_answered_are_limited_by_link() {
    let mut rig = Rig::new(config());
    rig.bind(1, "m_2");
    rig.bind(2, "m_3");
    rig.heard(1);
    rig.is_held = true;
    for _ in 0..65 {
        rig.says(1, r#"{"t":3,"num":"n"}"#);
    }
    assert_eq!(busy(&rig.heard(1)), 1);
    rig.says(2, r#"{"t":3,"num":"n"}"#);
    assert_eq!(busy(&rig.heard(2)), 0, "of that link");
    rig.answer_all();
    rig.is_held = false;
    rig.says(1, r#"{"t":3,"num":"n"}"#);
    assert_eq!(busy(&rig.heard(1)), 0);
}

#[test]
//= docs/spec/zzw-push-proto.md#load
//# A request MUST be answered with `busy` while the store has `max_requests` of its link, or
//# `max_publishing` publications in all.
fn publications_on_their_way_are_limited() {
    let mut config = config();
    config.max_publishing = 1;
    let mut rig = Rig::new(config);
    rig.connect(1);
    rig.is_held = true;
    for _ in 0..2 {
        rig.says(1, r#"{"t":6,"alias":"m_2","msg":"x","num":"n"}"#);
    }
    assert_eq!(busy(&rig.heard(1)), 1);
}

#[test]
//= docs/spec/zzw-push-proto.md#load
//# Publications of a link beyond `publish_rate` MUST be answered with `busy`.
fn a_link_publishes_20_messages_a_second_and_40_at_once() {
    let mut rig = Rig::new(config());
    rig.connect(1);
    let publish = |rig: &mut Rig, times: usize| {
        for _ in 0..times {
            rig.says(1, r#"{"t":6,"alias":"m_2","msg":"x","num":"n"}"#);
        }
        busy(&rig.heard(1))
    };
    assert_eq!(publish(&mut rig, 50), 10);
    rig.wait(secs(1));
    assert_eq!(publish(&mut rig, 25), 5);
}

#[test]
//= docs/spec/zzw-push-proto.md#load
//# Frames of a link beyond `frame_rate` and those of an address beyond `address_rate` MUST be
//# answered with `busy`, but for heartbeats and for acknowledgements that are waited for.
fn all_links_of_an_address_together_are_limited() {
    let mut config = config();
    config.address_rate = Rate::new(10, 10);
    let mut rig = Rig::new(config);
    for id in 1..=4 {
        rig.connect(id);
    }
    let mut refused = 0;
    for id in 1..=4 {
        for _ in 0..5 {
            rig.says(id, r#"{"t":7}"#);
        }
        refused += busy(&rig.heard(id));
    }
    assert_eq!(refused, 10);
}

#[test]
//= docs/spec/zzw-push-proto.md#load
//# A link beyond `max_links` MUST be told `busy` and closed.
fn a_link_beyond_the_limit_is_refused() {
    let mut config = config();
    config.max_links = 1;
    let mut rig = Rig::new(config);
    rig.connect(1);
    rig.connect(2);
    let heard = rig.heard(2);
    assert_eq!((busy(&heard), &*heard[1]), (1, "closed"));
    rig.input(Input::Disconnected(LinkId(1)));
    rig.input(Input::Connected(
        LinkId(3),
        Peer::new(Transport::Tcp, ADDRESS),
    ));
    assert!(rig.heard(3).is_empty());
}

#[test]
//= docs/spec/zzw-push-proto.md#store
//# The id of a message MUST be made of the milliseconds since the beginning of 2020 times 4096 and
//# a number, and be higher than all ids before it of its alias.
fn ids_grow_with_time_and_stay_below_2_to_the_53_until_2089() {
    let at = UnixMillis(1_577_836_800_000 + 5);
    assert_eq!(
        MessageId::next(MessageId::default(), at),
        MessageId(5 * 4096)
    );
    let year_2089 = UnixMillis(3_755_376_000_000);
    assert!(MessageId::next(MessageId::default(), year_2089).0 < 1 << 53);
    let (mut last, mut now) = (MessageId::default(), at.0);
    for n in 0..20_000_u64 {
        // A clock that stands still, goes back, and goes on.
        now = if n % 5_000 == 0 { now - 3 } else { now + n % 2 };
        let next = MessageId::next(last, UnixMillis(now));
        assert!(next > last);
        assert_eq!(MessageId::of(&next.to_mid()), Some(next));
        last = next;
    }
}

#[test]
//= docs/spec/zzw-push-proto.md#store
//# The ids of messages that are kept and of those that are not MUST differ, whatever the clock does.
fn a_message_that_is_not_kept_has_no_id_of_one_that_is() {
    let mut config = config();
    config.window = 100_000;
    let mut rig = Rig::new(config);
    rig.store.cap = 100_000;
    rig.bind(1, "m_1");
    rig.heard(1);
    // So many that each half of a millisecond is used up, at one time, and then at one before.
    for n in 0..5_000 {
        let at = UnixMillis(rig.at().0 - n / 2_500);
        for ttl in [0, 60] {
            let publish = format!(
                r#"{{"t":6,"alias":["m_1"],"msg":"","opts":{{"time_to_live":{ttl}}},"num":""}}"#
            );
            let Message::Publish(publish) = message(&publish) else {
                panic!("another type");
            };
            rig.platform.publish(rig.now, at, publish).unwrap();
            rig.drain();
        }
    }
    let mids: Vec<u64> = rig.log.iter().filter_map(mid_of).collect();
    let distinct: BTreeSet<u64> = mids.iter().copied().collect();
    assert_eq!((mids.len(), distinct.len()), (10_000, 10_000));
    let upper = mids.iter().filter(|mid| *mid & 2048 != 0).count();
    assert_eq!(upper, 5_000);
}

fn mid_of(output: &Output) -> Option<u64> {
    match output {
        Output::Deliver(_, parcel) => Some(parcel.mid().0),
        _ => None,
    }
}

fn from_node(rig: &mut Rig, message: NodeMessage) {
    let node = NodeId(2);
    rig.input(Input::FromNode { node, message });
}

#[test]
//= docs/spec/zzw-push-proto.md#node
//# The owner of an alias on another node MUST be told when its alias moves here, and when a message
//# is kept for it.
fn a_message_for_an_alias_of_another_node_is_told_that_node() {
    let mut rig = Rig::new(config());
    rig.connect(1);
    rig.says(1, r#"{"t":6,"alias":"m_2","msg":"x","num":"n"}"#);
    let owner = Owner::new(NodeId(2), Transport::Tcp);
    rig.store.aliases.get_mut("m_2").unwrap().owner = Some(owner);
    rig.log.clear();
    rig.says(1, r#"{"t":6,"alias":"m_2","msg":"y","num":"n"}"#);
    let mid = rig.store.aliases["m_2"].last;
    let nudge = Output::Relay {
        node: NodeId(2),
        message: NodeMessage::Nudge {
            alias: "m_2".into(),
            mid,
        },
    };
    assert!(rig.log.contains(&nudge));
    rig.bind(2, "m_2");
    let kick = |output: &Output| {
        let message = NodeMessage::Kick {
            alias: "m_2".into(),
            epoch: 1,
        };
        let node = NodeId(2);
        *output == Output::Relay { node, message }
    };
    assert!(rig.log.iter().any(kick), "who had the alias is told");
}

#[test]
//= docs/spec/zzw-push-proto.md#node
//# A node that is told of a message MUST read the queue of its alias, and send nothing twice for
//# it.
fn a_node_that_is_told_of_a_message_reads_the_queue() {
    let mut rig = Rig::new(config());
    rig.bind(1, "m_2");
    rig.heard(1);
    // Another node has kept it in the store that is common to them.
    let (at, ttl) = (rig.at(), zzw_push_proto::wire::Ttl::default());
    let append = zzw_push_proto::platform::StoreOp::Append {
        alias: "m_2".into(),
        body: "x".into(),
        ttl,
        only_known: false,
    };
    rig.store.execute(at, append).unwrap();
    let mid = rig.store.aliases["m_2"].last;
    let alias = "m_2".into();
    from_node(&mut rig, NodeMessage::Nudge { alias, mid });
    assert_eq!(deliveries(&rig.heard(1)), 1);
    let alias = "m_2".into();
    from_node(&mut rig, NodeMessage::Nudge { alias, mid });
    assert_eq!(deliveries(&rig.heard(1)), 0, "told twice");
}

#[test]
//= docs/spec/zzw-push-proto.md#presence
//# A client MUST be sent to the node with the least links for its weight, of those that take
//# any.
//= docs/spec/zzw-push-proto.md#presence
//# The question for a server MUST be answered with `draining` and status 503 where no node takes
//# links.
//= docs/spec/zzw-push-proto.md#node
//# A node that is gone MUST NOT be shown any more.
fn a_node_that_drains_or_is_gone_is_not_recommended() {
    let mut rig = Rig::new(config());
    rig.bind(1, "m_2");
    let mut other = NodeInfo::new("192.0.2.2", Service::default(), NodeCounts::new(0, 0, 0));
    from_node(&mut rig, NodeMessage::Announce(other.clone()));
    rig.calls(1, Call::Servers);
    assert!(rig.replied(1)[0].1.contains("192.0.2.2"));
    other.is_draining = true;
    from_node(&mut rig, NodeMessage::Announce(other.clone()));
    rig.calls(2, Call::Servers);
    assert!(rig.replied(2)[0].1.contains("192.0.2.1"));
    other.is_draining = false;
    from_node(&mut rig, NodeMessage::Announce(other));
    from_node(&mut rig, NodeMessage::Gone);
    rig.calls(3, Call::Info);
    assert!(!rig.replied(3)[0].1.contains("192.0.2.2"));
    rig.platform.drain(rig.now);
    rig.calls(4, Call::Servers);
    let replied = rig.replied(4);
    assert_eq!(replied[0].0, 503);
    assert!(replied[0].1.contains(r#""code":"draining""#));
}

//! A node among others: what it does when its lease ends, and what it tells of the others (C-4, C-6).

mod platform_kit;

use platform_kit::others::*;
use platform_kit::{Rig, config, secs};
use std::time::Duration;
use zzw_push_proto::platform::*;
use zzw_push_proto::wire::*;

#[test]
fn a_broker_that_is_alone_needs_no_lease() {
    let mut rig = Rig::new(config());
    rig.wait(secs(3600));
    assert!(!rig.platform.is_fenced() && rig.log.is_empty());
}

#[test]
//= docs/spec/zzw-push-proto.md#node
//= type=test
//# A node MUST NOT send or pull what is kept from `fence` before its lease ends on, counted from
//# when it asked for that.
fn what_is_kept_is_not_sent_from_two_seconds_before_the_lease_ends_on() {
    let mut rig = node_with_link();
    rig.wait(Duration::from_millis(500));
    rig.fails = true;
    // The last lease is of the start: it ends after eight seconds.
    rig.wait(Duration::from_millis(5_499));
    assert!(!rig.platform.is_fenced());
    rig.wait(Duration::from_millis(1));
    assert!(rig.platform.is_fenced());
    assert_eq!(rig.events(), [Event::Fenced]);
    // The store can be read again, and has something, but the lease is not back.
    let mid = append_elsewhere(&mut rig, "one");
    rig.fails = false;
    let alias = Text::from("m_1");
    let message = NodeMessage::Nudge { alias, mid };
    rig.is_held = true;
    let node = NodeId(2);
    rig.input(Input::FromNode { node, message });
    rig.says(1, r#"{"t":4,"num":"a"}"#);
    let said = rig.heard(1);
    assert_eq!(
        said,
        [
            r#"{"t":0,"error":"store unavailable, try again later","code":"store_unavailable","num":"a"}"#
        ]
    );
    assert!(
        !rig.asked
            .iter()
            .any(|(_, op)| matches!(op, StoreOp::Load { .. }))
    );
    rig.is_held = false;
    rig.wait(secs(2));
    assert_eq!(bodies(&mut rig, 1), ["one"]);
    assert_eq!(rig.events(), [Event::Leased]);
}

#[test]
//= docs/spec/zzw-push-proto.md#node
//= type=test
//# A node MUST NOT send or pull what is kept from `fence` before its lease ends on, counted from
//# when it asked for that.
fn what_was_read_or_sent_before_the_fence_is_not_sent_behind_it() {
    let mut rig = node_with_link();
    let mid = append_elsewhere(&mut rig, "read before");
    rig.is_held = true;
    let alias = Text::from("m_1");
    let (node, message) = (NodeId(2), NodeMessage::Nudge { alias, mid });
    rig.input(Input::FromNode { node, message });
    let (seq, load) = rig.asked.pop().unwrap();
    let loaded = rig.store.execute(rig.at(), load);
    rig.wait(secs(7));
    rig.is_held = false;
    rig.fails = true;
    rig.answer(seq, loaded);
    assert!(rig.platform.is_fenced());
    assert!(bodies(&mut rig, 1).is_empty());

    // One that waits for its acknowledgement is not sent again either.
    let mut rig = node_with_link();
    rig.says(
        1,
        r#"{"t":6,"method":"publish_to_alias","alias":["m_1"],"msg":"sent","num":"1"}"#,
    );
    assert_eq!(bodies(&mut rig, 1), ["sent"]);
    for _ in 0..4 {
        rig.wait(secs(6));
        rig.says(1, r#"{"t":1,"alias":"m_1"}"#);
    }
    rig.fails = true;
    rig.wait(secs(8));
    assert!(rig.platform.is_fenced() && bodies(&mut rig, 1).is_empty());
    rig.fails = false;
    rig.wait(secs(31));
    assert_eq!(bodies(&mut rig, 1), ["sent"]);
}

#[test]
//= docs/spec/zzw-push-proto.md#node
//= type=test
//# A node without a lease MUST answer `store_unavailable` to who wants an alias.
fn a_node_without_a_lease_gives_no_alias() {
    let mut config = config();
    config.lease = Some(Lease::default());
    let mut rig = Rig::new(config);
    rig.fails = true;
    rig.bind(1, "m_1");
    let refusal =
        [r#"{"t":0,"error":"store unavailable, try again later","code":"store_unavailable"}"#];
    assert_eq!(rig.heard(1), refusal);
    rig.fails = false;
    rig.is_held = true;
    rig.wait(secs(1));
    rig.says(1, r#"{"t":14,"alias":"m_1"}"#);
    assert_eq!(rig.heard(1), refusal);
    rig.is_held = false;
    rig.answer_all();
    rig.says(1, r#"{"t":14,"alias":"m_1"}"#);
    assert_eq!(rig.heard(1), [r#"{"t":-14,"alias":"m_1"}"#]);
}

#[test]
fn a_lease_that_came_too_late_is_none() {
    let mut config = config();
    config.lease = Some(Lease::default());
    let mut rig = Rig::new(config);
    rig.is_held = true;
    rig.wait(secs(0));
    let (seq, op) = rig.asked.pop().unwrap();
    let renewed = rig.store.execute(rig.at(), op);
    rig.wait(secs(6));
    rig.answer(seq, renewed);
    assert!(rig.platform.is_fenced() && rig.events().is_empty());
    rig.answer_all();
    assert!(!rig.platform.is_fenced());
}

#[test]
//= docs/spec/zzw-push-proto.md#node
//= type=test
//# A node whose lease had ended MUST ask the store which of its links still have their alias, and
//# look at their queues again, before it sends what is kept.
fn whoever_comes_back_finds_out_what_has_moved_and_what_has_come() {
    let mut rig = node_with_link();
    rig.bind(2, "m_2");
    rig.heard(2);
    rig.fails = true;
    rig.wait(secs(8));
    append_elsewhere(&mut rig, "for the other link");
    claim_elsewhere(&mut rig);
    let op = StoreOp::Append {
        alias: "m_2".into(),
        body: Json::text("missed"),
        ttl: Ttl::default(),
        only_known: false,
    };
    rig.store.execute(rig.at(), op).unwrap();
    rig.fails = false;
    rig.wait(secs(1));
    assert_eq!(rig.heard(1), REPLACED);
    assert_eq!(bodies(&mut rig, 2), ["missed"]);
    // What moved is not taken back.
    let status = StoreOp::Status {
        alias: "m_1".into(),
    };
    let Ok(StoreReply::Status { owner, .. }) = rig.store.execute(rig.at(), status) else {
        panic!("no status");
    };
    assert_eq!(owner, Some(Owner::new(NodeId(2), Transport::Tcp)));
}

#[test]
//= docs/spec/zzw-push-proto.md#node
//= type=test
//# A node whose lease had ended MUST ask the store which of its links still have their alias, and
//# look at their queues again, before it sends what is kept.
fn nothing_is_sent_on_a_link_of_which_the_store_cannot_tell() {
    let mut rig = node_with_link();
    rig.fails = true;
    rig.wait(secs(8));
    append_elsewhere(&mut rig, "one");
    // The lease comes back, but nothing else can be read.
    rig.is_held = true;
    rig.fails = false;
    rig.wait(secs(1));
    let (seq, renew) = rig.asked.remove(0);
    let renewed = rig.store.execute(rig.at(), renew);
    rig.answer(seq, renewed);
    let (seq, load) = rig.asked.remove(0);
    assert!(matches!(load, StoreOp::Load { limit: 0, .. }), "{load:?}");
    rig.answer(seq, Err(StoreError::Unavailable));
    rig.says(
        1,
        r#"{"t":6,"method":"publish_to_alias","alias":["m_1"],"msg":"two","num":"1"}"#,
    );
    let (seq, append) = rig.asked.remove(0);
    let appended = rig.store.execute(rig.at(), append);
    rig.answer(seq, appended);
    assert!(bodies(&mut rig, 1).is_empty());
    rig.is_held = false;
    rig.answer_all();
    rig.wait(secs(1));
    assert_eq!(bodies(&mut rig, 1), ["one", "two"]);
}

#[test]
//= docs/spec/zzw-push-proto.md#node
//= type=test
//# A node without a lease for `leave_after` MUST close the links that have an alias, over
//# `drain_over`.
fn links_find_another_node_when_theirs_stays_without_a_lease() {
    let mut rig = node();
    for link in 1..=20 {
        rig.bind(link, &format!("m_{link}"));
    }
    rig.connect(21);
    rig.fails = true;
    let beat = |rig: &mut Rig| {
        rig.wait(secs(5));
        for link in 1..=20 {
            rig.says(link, r#"{"t":1}"#);
        }
    };
    for _ in 0..13 {
        beat(&mut rig);
    }
    rig.events();
    let open = |rig: &Rig| rig.platform.snapshot().tcp_links;
    assert_eq!(
        open(&rig),
        21,
        "the lease ended six seconds after it was asked for last"
    );
    let mut left = vec![open(&rig)];
    for _ in 0..6 {
        rig.wait(secs(1));
        left.push(open(&rig));
    }
    assert_eq!(*left.last().unwrap(), 1, "{left:?}: who has no alias stays");
    left.dedup();
    assert!(left.len() > 3, "{left:?}: not all at once");
    let ends = rig.events();
    let fenced = |event: &Event| matches!(event, Event::Offline(_, _, LinkEnd::Fenced));
    assert_eq!(ends.iter().filter(|event| fenced(event)).count(), 20);
}

#[test]
fn links_stay_when_the_lease_comes_back_in_time() {
    let mut rig = node_with_link();
    rig.fails = true;
    for _ in 0..13 {
        rig.wait(secs(5));
        rig.says(1, r#"{"t":1}"#);
    }
    rig.wait(secs(1));
    rig.fails = false;
    rig.wait(secs(30));
    assert_eq!(rig.platform.snapshot().tcp_links, 1);
}

#[test]
//= docs/spec/zzw-push-proto.md#node
//= type=test
//# A node whose lease had ended MUST ask the store which of its links still have their alias, and
//# look at their queues again, before it sends what is kept.
fn what_was_pulled_before_the_lease_ended_is_asked_for_again() {
    let mut rig = node_with_link();
    append_elsewhere(&mut rig, "one");
    rig.is_held = true;
    rig.says(1, r#"{"t":4,"num":"a"}"#);
    let (seq, load) = rig.asked.pop().unwrap();
    let loaded = rig.store.execute(rig.at(), load);
    claim_elsewhere(&mut rig);
    (rig.is_held, rig.fails) = (false, true);
    rig.wait(secs(7));
    assert!(rig.platform.is_fenced());
    (rig.is_held, rig.fails) = (true, false);
    rig.wait(secs(1));
    let (renewal, renew) = rig.asked.remove(0);
    let renewed = rig.store.execute(rig.at(), renew);
    rig.answer(renewal, renewed);
    assert_eq!(rig.events(), [Event::Fenced, Event::Leased]);
    rig.answer(seq, loaded);
    assert!(rig.heard(1).is_empty());
    rig.is_held = false;
    rig.answer_all();
    assert_eq!(rig.heard(1), REPLACED);
}

#[test]
fn a_batch_is_not_repeated_on_a_link_that_may_have_lost_its_alias() {
    let pull = r#"{"t":4,"num":"a"}"#;
    let batch = r#"{"t":-4,"msg":["one"],"mid":["#;
    let mut rig = node_with_link();
    append_elsewhere(&mut rig, "one");
    rig.says(1, pull);
    assert!(rig.heard(1)[0].starts_with(batch));
    rig.is_held = true;
    rig.input(Input::Missed);
    rig.says(1, pull);
    assert!(rig.heard(1).is_empty());
    rig.is_held = false;
    rig.answer_all();
    assert!(rig.heard(1)[0].starts_with(batch));

    claim_elsewhere(&mut rig);
    rig.is_held = true;
    rig.input(Input::Missed);
    rig.says(1, pull);
    rig.is_held = false;
    rig.answer_all();
    assert_eq!(rig.heard(1), REPLACED);
}

#[test]
//= docs/spec/zzw-push-proto.md#node
//= type=test
//# A node without a lease MUST keep nothing, and answer `store_unavailable` to a publication that is
//# to be kept.
fn a_node_without_a_lease_keeps_nothing_that_nobody_would_look_for() {
    let publish = r#"{"t":6,"method":"publish_to_alias","alias":["m_1"],"msg":"one","num":"1"}"#;
    let mut config = config();
    config.lease = Some(Lease::default());
    let mut rig = Rig::new(config);
    renew(&mut rig, 2, secs(100_000));
    rig.is_held = true;
    rig.connect(1);
    rig.says(1, publish);
    let refused = r#"{"t":0,"error":"store unavailable, try again later","code":"store_unavailable","num":"1"}"#;
    assert_eq!(rig.heard(1), [refused]);
    let at = rig.at();
    let message = Publish::to_aliases(["m_1"].iter().collect(), Json::text("one"), Num::Absent);
    let id = rig.platform.publish(rig.now, at, message).unwrap();
    rig.drain();
    let events = rig.events();
    assert_eq!(events, [Event::NotPublished(id, Code::StoreUnavailable)]);
    let is_append = |(_, op): &(_, StoreOp)| matches!(op, StoreOp::Append { .. });
    assert!(!rig.asked.iter().any(is_append));
    assert_eq!(rig.platform.snapshot(), rig.platform.recount());

    // What is not kept needs no lease.
    let direct = publish.replace("\"num\"", "\"opts\":{\"time_to_live\":0},\"num\"");
    rig.says(1, &direct);
    assert_eq!(rig.heard(1), [r#"{"t":-6,"num":"1"}"#]);
    rig.is_held = false;
    rig.answer_all();
    rig.says(1, publish);
    assert_eq!(rig.heard(1), [r#"{"t":-6,"num":"1"}"#]);
}

#[test]
//= docs/spec/zzw-push-proto.md#node
//= type=test
//# An alias whose node has lost its lease MUST NOT be called online.
fn an_alias_of_a_dead_node_is_offline() {
    let mut rig = node();
    claim_elsewhere(&mut rig);
    let mut status = || {
        rig.calls(1, Call::Status("m_1".into()));
        let status = rig.replied(1).remove(0).1;
        renew(&mut rig, 2, Duration::from_millis(1));
        rig.wait(secs(2));
        status
    };
    assert_eq!(status(), r#"{"list":[],"status":"online"}"#);
    assert_eq!(status(), r#"{"list":[],"status":"offline"}"#);
}

#[test]
//= docs/spec/zzw-push-proto.md#presence
//= type=test
//# A client MUST NOT be sent to a node without a lease.
fn a_node_without_a_lease_sends_clients_to_others() {
    let mut config = config();
    config.lease = Some(Lease::default());
    let mut rig = Rig::new(config);
    rig.fails = true;
    rig.calls(1, Call::Servers);
    assert_eq!(rig.replied(1)[0].0, 503);
    let node = NodeId(2);
    let info = NodeInfo::new("192.0.2.2", Service::default(), NodeCounts::new(900, 0, 0));
    let message = NodeMessage::Announce(info);
    rig.input(Input::FromNode { node, message });
    rig.calls(2, Call::Servers);
    assert!(rig.replied(2)[0].1.contains("192.0.2.2"));
}

#[test]
//= docs/spec/zzw-push-proto.md#presence
//= type=test
//# Nodes with the same host MUST be counted together.
fn nodes_of_one_host_are_one_line_of_the_counts() {
    let mut rig = node_with_link();
    let node = NodeId(3);
    let info = NodeInfo::new("192.0.2.1", Service::default(), NodeCounts::new(1, 2, 3));
    let message = NodeMessage::Announce(info);
    rig.input(Input::FromNode { node, message });
    rig.calls(1, Call::Info);
    let told = rig.replied(1).remove(0).1;
    let own =
        r#""192.0.2.1":{"webSocketSize":1,"channelSize":3,"onlineAllSize":7,"socketIOSize":3}"#;
    assert!(told.contains(own), "{told}");
    assert_eq!(told.matches("192.0.2.1").count(), 1);
    assert_eq!(told.matches("192.0.2.2").count(), 1);
}

#[test]
//= docs/spec/zzw-push-proto.md#node
//= type=test
//# A broker that drains or has ended MUST tell the other nodes so.
fn other_nodes_hear_that_one_drains_and_ends() {
    let mut rig = node_with_link();
    let now = rig.now;
    rig.platform.drain(now);
    rig.drain();
    let mut relayed = || {
        let mut relayed = Vec::new();
        for output in rig.log.drain(..) {
            if let Output::Relay { node, message } = output {
                assert_eq!(node, NodeId(2));
                relayed.push(message);
            }
        }
        rig.wait(secs(10));
        relayed
    };
    let told = relayed();
    assert!(
        matches!(&told[..], [NodeMessage::Announce(info)] if info.is_draining),
        "{told:?}"
    );
    assert_eq!(relayed(), [NodeMessage::Gone]);
    assert!(rig.platform.is_closed() && rig.platform.poll_timeout().is_none());
}

#[test]
fn what_two_nodes_say_to_one_alias_in_one_millisecond_has_two_ids() {
    let said = |own: u64| {
        let mut config = config();
        (config.node, config.lease) = (NodeId(own), Some(Lease::default()));
        let mut rig = Rig::new(config);
        rig.wait(Duration::ZERO);
        rig.bind(1, "m_1");
        rig.heard(1);
        let publish = r#"{"t":6,"method":"publish_to_alias","alias":["m_1"],"msg":"x","num":"1",
            "opts":{"time_to_live":0}}"#;
        rig.says(1, publish);
        let heard = rig.heard(1).remove(0);
        let (_, mid) = heard.split_once(r#""mid":""#).unwrap();
        mid.split('"').next().unwrap().to_owned()
    };
    let mids: std::collections::BTreeSet<String> = (1..=4).map(said).collect();
    assert_eq!(mids.len(), 4, "{mids:?}");
}

#[test]
fn a_lease_that_could_not_be_held_is_one_that_can() {
    let mut lease = Lease::default();
    (lease.fence, lease.renew_every) = (secs(100), secs(100));
    let mut config = config();
    config.lease = Some(lease);
    let mut rig = Rig::new(config);
    rig.wait(secs(60));
    assert!(!rig.platform.is_fenced());
    assert_eq!(rig.platform.snapshot().fences, 0);
    // Four of the eight seconds are left, of which two pass between renewals.
    assert_eq!(rig.events(), [Event::Leased]);
    rig.fails = true;
    rig.wait(secs(4));
    assert!(rig.platform.is_fenced());
    lease.length = Duration::ZERO;
    let mut config = platform_kit::config();
    config.lease = Some(lease);
    let mut rig = Rig::new(config);
    rig.wait(Duration::from_millis(100));
    assert_eq!(rig.platform.snapshot().fences, 0);
}

//! Who comes and goes, told to those who watch (P-8).

mod platform_kit;

use platform_kit::{Rig, START, config, secs};
use std::time::Duration;
use zzw_push_proto::platform::{
    Config, Input, LinkId, NodeId, Output, Owner, StoreError, StoreOp, StoreReply, Transport,
};

fn watching() -> Config {
    let mut config = config();
    config.presence = true;
    config
}

/// A watcher of topic `c_2` as link 9, and who is told what.
fn watched() -> Rig {
    let mut rig = Rig::new(watching());
    rig.bind(9, "watcher");
    rig.says(9, r#"{"t":2,"topic":["c_2/p"],"num":"1"}"#);
    assert!(rig.heard(9)[1].starts_with(r#"{"t":-2"#));
    rig
}

/// What the watcher was told since somebody looked.
fn told(rig: &mut Rig) -> Vec<String> {
    let heard = rig.heard(9);
    let told = heard.iter().filter_map(|json| {
        let json: serde_json::Value = serde_json::from_str(json).unwrap();
        let msg = &json["msg"];
        if msg["action"].is_null() {
            return None;
        }
        assert_eq!(json["topic"], "c_2/p");
        assert!(msg["timestamp"].as_u64().unwrap() >= START);
        let word = |name: &str| msg[name].as_str().unwrap().to_owned();
        Some(format!("{} {}", word("alias"), word("action")))
    });
    told.collect()
}

/// A link that has an alias and the topic `c_2`.
fn member(rig: &mut Rig, id: u64, alias: &str) {
    rig.bind(id, alias);
    rig.says(id, r#"{"t":2,"topic":["c_2","c_3"],"num":"1"}"#);
}

fn beat(rig: &mut Rig, ids: &[u64]) {
    for id in ids {
        rig.says(*id, r#"{"t":1}"#);
    }
}

#[test]
//= docs/spec/zzw-push-proto.md#news
//# News MUST be published to those online who have registered `T/p`, and be kept for nobody.
fn joining_leaving_coming_and_going_are_told() {
    let mut rig = watched();
    member(&mut rig, 1, "m_2");
    assert_eq!(told(&mut rig), ["m_2 join"]);
    member(&mut rig, 2, "小明");
    assert_eq!(told(&mut rig), ["小明 join"]);
    // What one has already is not joined again.
    rig.says(1, r#"{"t":2,"topic":["c_2"],"num":"2"}"#);
    assert!(told(&mut rig).is_empty());
    rig.input(Input::Disconnected(LinkId(1)));
    rig.wait(secs(4));
    assert!(told(&mut rig).is_empty());
    rig.wait(secs(1));
    assert_eq!(told(&mut rig), ["m_2 offline"]);
    rig.bind(3, "m_2");
    assert_eq!(told(&mut rig), ["m_2 online"]);
    rig.says(3, r#"{"t":2,"topic":[],"untopic":["c_2"],"num":"3"}"#);
    assert_eq!(told(&mut rig), ["m_2 leave"]);
    rig.input(Input::Disconnected(LinkId(3)));
    rig.wait(secs(10));
    assert!(told(&mut rig).is_empty(), "it has left");
    assert_eq!(rig.platform.snapshot().presence, 4 * 2 + 1 + 1);
}

#[test]
//= docs/spec/zzw-push-proto.md#news
//# Whoever is back within `presence_grace` MUST NOT be said to have been away, unless it said
//# goodbye.
fn who_is_back_within_the_grace_was_never_away() {
    let mut rig = watched();
    member(&mut rig, 1, "m_2");
    told(&mut rig);
    rig.input(Input::Disconnected(LinkId(1)));
    rig.wait(Duration::from_millis(4_999));
    rig.bind(2, "m_2");
    rig.wait(secs(20));
    assert!(told(&mut rig).is_empty());
    // Nor is who takes the alias over.
    rig.bind(3, "m_2");
    rig.wait(secs(20));
    assert!(told(&mut rig).is_empty());
    // Nor is who takes it over, fails, and comes again.
    rig.is_held = true;
    rig.bind(4, "m_2");
    rig.is_held = false;
    rig.fails = true;
    rig.answer_all();
    rig.fails = false;
    rig.says(4, r#"{"t":1,"alias":"m_2"}"#);
    rig.wait(secs(20));
    assert!(rig.platform.is_online("m_2"));
    assert!(told(&mut rig).is_empty());
}

#[test]
//= docs/spec/zzw-push-proto.md#news
//# Whoever is back within `presence_grace` MUST NOT be said to have been away, unless it said
//# goodbye.
fn a_goodbye_is_told_at_once() {
    let mut rig = watched();
    member(&mut rig, 1, "m_2");
    told(&mut rig);
    rig.platform.kick(rig.now, "m_2".into()).unwrap();
    rig.drain();
    assert_eq!(told(&mut rig), ["m_2 offline"]);
    rig.bind(2, "m_2");
    assert_eq!(told(&mut rig), ["m_2 online"]);
    let bye = zzw_push_proto::wire::Goodbye::new("m_2");
    let bye = zzw_push_proto::wire::Message::Goodbye(bye);
    let at = rig.at();
    rig.input(Input::Received(LinkId(2), at, bye));
    assert_eq!(told(&mut rig), ["m_2 offline"]);
    assert_eq!(rig.platform.snapshot().online, 1);
}

#[test]
fn a_silent_link_is_offline_when_it_is_found_out() {
    let mut rig = watched();
    member(&mut rig, 1, "m_2");
    told(&mut rig);
    for _ in 0..9 {
        rig.wait(secs(10));
        beat(&mut rig, &[9]);
    }
    assert!(!rig.platform.is_online("m_2"));
    assert!(told(&mut rig).is_empty());
    rig.wait(secs(5));
    assert_eq!(told(&mut rig), ["m_2 offline"]);
}

#[test]
//= docs/spec/zzw-push-proto.md#news
//# News of one alias MUST be published in their order, with the time at which they happened.
fn the_time_is_when_it_happened() {
    let mut rig = watched();
    member(&mut rig, 1, "m_2");
    rig.heard(9);
    rig.wait(secs(7));
    rig.input(Input::Disconnected(LinkId(1)));
    rig.wait(secs(5));
    let heard = rig.heard(9);
    let at = START + 7_000;
    let body = format!(r#"{{"action":"offline","alias":"m_2","timestamp":{at}}}"#);
    assert!(heard[0].contains(&body), "{heard:?}");
}

#[test]
//= docs/spec/zzw-push-proto.md#news
//# News MUST be published to those online who have registered `T/p`, and be kept for nobody.
fn news_are_kept_for_nobody() {
    let mut rig = watched();
    rig.input(Input::Disconnected(LinkId(9)));
    rig.wait(secs(6));
    member(&mut rig, 1, "m_2");
    rig.bind(9, "watcher");
    rig.wait(secs(10));
    assert!(told(&mut rig).is_empty());
    assert!(rig.store.aliases["watcher"].queue.is_empty());
}

#[test]
//= docs/spec/zzw-push-proto.md#news
//# A topic `T/p` MUST be accepted in a registration where `presence` is set, and nowhere else from
//# a client.
fn without_presence_there_is_nothing_to_watch() {
    let mut rig = Rig::new(config());
    rig.bind(1, "m_2");
    rig.heard(1);
    rig.says(1, r#"{"t":2,"topic":["c_2/p"],"num":"1"}"#);
    assert!(rig.heard(1)[0].contains(r#""code":"garbled","num":"1""#));
}

#[test]
//= docs/spec/zzw-push-proto.md#news
//# A topic `T/p` MUST be accepted in a registration where `presence` is set, and nowhere else from
//# a client.
fn only_the_broker_publishes_presence() {
    let mut rig = watched();
    member(&mut rig, 1, "m_2");
    told(&mut rig);
    rig.heard(1);
    for topic in ["c_2/p", "/p", "a/b/p", "c_2/q"] {
        let publish = format!(r#"{{"t":6,"topic":["{topic}"],"msg":"x","num":"n"}}"#);
        rig.says(1, &publish);
        assert!(rig.heard(1)[0].contains("garbled"), "{topic}");
    }
    for topic in ["/p", "a/b/p", "c_2/q", "c_2/p/p"] {
        rig.says(1, &format!(r#"{{"t":2,"topic":["{topic}"],"num":"n"}}"#));
        assert!(rig.heard(1)[0].contains("garbled"), "{topic}");
    }
    let long = format!("{}/p", "x".repeat(127));
    rig.says(1, &format!(r#"{{"t":2,"topic":["{long}"],"num":"n"}}"#));
    assert!(rig.heard(1)[0].contains("too_large"));
    // To watch a topic is not to join one that is watched.
    rig.says(1, r#"{"t":2,"topic":["c_2/p"],"num":"n"}"#);
    rig.heard(1);
    assert!(told(&mut rig).is_empty());
}

#[test]
//= docs/spec/zzw-push-proto.md#news
//# Whoever has a link on another node MUST NOT be said to be offline.
fn who_is_on_another_node_is_not_offline() {
    let mut rig = watched();
    member(&mut rig, 1, "m_2");
    told(&mut rig);
    rig.input(Input::Disconnected(LinkId(1)));
    let other = Owner::new(NodeId(2), Transport::Tcp);
    rig.store.aliases.get_mut("m_2").unwrap().owner = Some(other);
    rig.wait(secs(10));
    assert!(told(&mut rig).is_empty());
    // Nor is it new when it comes from there.
    rig.bind(2, "m_2");
    assert!(told(&mut rig).is_empty());
}

#[test]
//= docs/spec/zzw-push-proto.md#news
//# News of one alias MUST be published in their order, with the time at which they happened.
fn news_of_one_alias_stay_in_order_however_late_the_store_is() {
    let mut rig = watched();
    member(&mut rig, 1, "m_2");
    told(&mut rig);
    rig.platform.kick(rig.now, "m_2".into()).unwrap();
    rig.is_held = true;
    rig.drain();
    rig.bind(2, "m_2");
    // Whatever is asked about the alias is answered, last first, but one thing at a time is told.
    while let Some((seq, op)) = rig.asked.pop() {
        let reply = rig.store.execute(rig.at(), op);
        rig.answer(seq, reply);
    }
    assert_eq!(told(&mut rig), ["m_2 offline", "m_2 online"]);
}

#[test]
//= docs/spec/zzw-push-proto.md#news
//# News that are lost to the store or to a limit MUST be counted.
fn news_that_the_store_fails_are_counted() {
    let mut rig = watched();
    member(&mut rig, 1, "m_2");
    told(&mut rig);
    rig.is_held = true;
    rig.input(Input::Disconnected(LinkId(1)));
    rig.wait(secs(5));
    while let Some((seq, op)) = rig.asked.pop() {
        let reply = match op {
            StoreOp::Status { .. } => Err(StoreError::Unavailable),
            op => rig.store.execute(rig.at(), op),
        };
        rig.answer(seq, reply);
    }
    assert!(told(&mut rig).is_empty());
    assert_eq!(rig.platform.snapshot().presence_lost, 1);
    rig.is_held = false;
    rig.bind(2, "m_2");
    assert_eq!(told(&mut rig), ["m_2 online"]);
}

#[test]
fn a_store_that_does_not_tell_what_changed_is_good_enough() {
    let mut rig = watched();
    rig.bind(1, "m_2");
    rig.is_held = true;
    rig.says(1, r#"{"t":2,"topic":["c_2"],"num":"1"}"#);
    let (seq, op) = rig.asked.remove(0);
    rig.store.execute(rig.at(), op).unwrap();
    rig.answer(seq, Ok(StoreReply::Done));
    rig.is_held = false;
    assert_eq!(rig.heard(1)[1], r#"{"t":-2,"num":"1"}"#);
    assert!(told(&mut rig).is_empty());
}

#[test]
fn a_broker_that_ends_forgets_what_was_to_be_told() {
    let mut rig = watched();
    member(&mut rig, 1, "m_2");
    rig.input(Input::Disconnected(LinkId(1)));
    rig.platform.close(rig.now);
    rig.drain();
    assert_eq!(rig.platform.poll_timeout(), None);
    let is_news = |output: &&Output| matches!(output, Output::Event(_));
    assert!(rig.log.iter().filter(is_news).count() > 0);
}

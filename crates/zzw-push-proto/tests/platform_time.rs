//! The broker as time passes: sending again, expiry, silence, slow links, draining.

mod platform_kit;

use platform_kit::{Rig, config, secs};
use std::time::Duration;
use zzw_push_proto::platform::{
    Event, Input, LinkEnd, LinkId, OnUnacked, Output, Reason, Refused, Rule, Verdict,
};
use zzw_push_proto::wire::Publish;

fn publish(alias: &str, msg: &str, ttl: u32) -> String {
    format!(
        r#"{{"t":6,"alias":["{alias}"],"msg":"{msg}","opts":{{"time_to_live":{ttl}}},"num":"n"}}"#
    )
}

/// How many deliveries are among what was heard.
fn count(heard: &[String]) -> usize {
    let is_delivery = |json: &&String| json.starts_with(r#"{"t":5,"#);
    heard.iter().filter(is_delivery).count()
}

/// Heartbeats every 30 seconds meanwhile.
fn wait_alive(rig: &mut Rig, ids: &[u64], seconds: u64) {
    for _ in 0..seconds / 10 {
        rig.wait(secs(10));
        for id in ids {
            rig.says(*id, r#"{"t":1}"#);
        }
    }
}

#[test]
//= docs/spec/zzw-push-proto.md#alias
//# The broker MUST close a link on which nothing came for `link_timeout`.
//= docs/spec/zzw-push-proto.md#presence
//# An alias MUST be called online exactly as long as a link has it, here or on another node.
fn a_link_that_is_silent_for_90_seconds_is_over() {
    let mut rig = Rig::new(config());
    rig.bind(1, "m_2");
    rig.wait(secs(60));
    rig.says(1, r#"{"t":1}"#);
    rig.wait(secs(89));
    assert!(rig.platform.is_online("m_2"));
    rig.heard(1);
    rig.wait(secs(1));
    assert!(!rig.platform.is_online("m_2"));
    assert_eq!(rig.heard(1), ["closed"]);
    assert!(rig.store.aliases["m_2"].owner.is_none());
    let end = Event::Offline("m_2".into(), LinkId(1), LinkEnd::Silent);
    assert!(rig.events().contains(&end));
}

#[test]
//= docs/spec/zzw-push-proto.md#queue
//# A message that is not acknowledged within `redeliver_after` MUST be sent again, `max_tries`
//# times in all since the link has acknowledged anything.
//= docs/spec/zzw-push-proto.md#queue
//# A link that acknowledges none of them MUST be closed or, with `Park`, be sent nothing more until
//# it acknowledges something.
fn what_is_not_acknowledged_is_sent_three_times_then_the_link_is_closed() {
    let mut rig = Rig::new(config());
    rig.connect(1);
    rig.bind(2, "m_2");
    rig.says(1, &publish("m_2", "hello", 600));
    assert_eq!(count(&rig.heard(2)), 1);
    wait_alive(&mut rig, &[1, 2], 80);
    let again = rig.heard(2);
    assert_eq!(count(&again), 2);
    assert!(rig.platform.is_online("m_2"));
    rig.wait(secs(10));
    assert_eq!(rig.heard(2), ["closed"]);
    rig.bind(3, "m_2");
    assert_eq!(count(&rig.heard(3)), 1);
}

#[test]
//= docs/spec/zzw-push-proto.md#queue
//# A link that acknowledges none of them MUST be closed or, with `Park`, be sent nothing more until
//# it acknowledges something.
fn a_link_that_only_pulls_may_be_parked_instead() {
    let mut config = config();
    config.on_unacked = OnUnacked::Park;
    let mut rig = Rig::new(config);
    rig.connect(1);
    rig.bind(2, "m_2");
    rig.says(1, &publish("m_2", "hello", 600));
    wait_alive(&mut rig, &[1, 2], 200);
    assert_eq!(count(&rig.heard(2)), 3);
    rig.says(1, &publish("m_2", "again", 600));
    assert_eq!(count(&rig.heard(2)), 0);
    let mid = rig.store.aliases["m_2"].queue[0].mid;
    rig.says(2, &format!(r#"{{"t":-5,"mid":"{}"}}"#, mid.0));
    assert_eq!(count(&rig.heard(2)), 1);
}

#[test]
fn a_parked_link_that_acknowledges_what_it_pulled_is_sent_to_again() {
    let mut config = config();
    config.on_unacked = OnUnacked::Park;
    let mut rig = Rig::new(config);
    rig.connect(1);
    rig.bind(2, "m_2");
    rig.says(1, &publish("m_2", "hello", 600));
    wait_alive(&mut rig, &[1, 2], 120);
    rig.says(2, r#"{"t":4,"num":"p"}"#);
    rig.heard(2);
    rig.says(1, &publish("m_2", "again", 600));
    assert_eq!(count(&rig.heard(2)), 0, "it only pulls");
    let mid = rig.store.aliases["m_2"].queue[0].mid;
    rig.says(2, &format!(r#"{{"t":-5,"mid":"{}"}}"#, mid.0));
    assert_eq!(count(&rig.heard(2)), 1);
}

#[test]
//= docs/spec/zzw-push-proto.md#time-to-live
//# A message MUST NOT be sent, sent again or pulled when its time is over.
//= docs/spec/zzw-push-proto.md#queue
//# The number of messages that an alias has lost MUST be told once in `gap`, with the first answer
//# to a handshake or a connect frame.
fn nothing_is_sent_when_its_time_is_over() {
    let mut rig = Rig::new(config());
    rig.connect(1);
    rig.says(1, &publish("m_2", "short", 5));
    rig.says(1, &publish("m_2", "long", 100));
    rig.wait(secs(5));
    rig.bind(2, "m_2");
    let heard = rig.heard(2);
    assert_eq!(heard[0], r#"{"t":-14,"alias":"m_2","gap":1}"#);
    assert_eq!(count(&heard), 1);
    assert!(heard[1].contains("long"));
}

#[test]
//= docs/spec/zzw-push-proto.md#time-to-live
//# A message MUST NOT be sent, sent again or pulled when its time is over.
fn nothing_is_sent_again_when_its_time_is_over() {
    let mut rig = Rig::new(config());
    rig.connect(1);
    rig.bind(2, "m_2");
    rig.says(1, &publish("m_2", "short", 30));
    wait_alive(&mut rig, &[1, 2], 120);
    assert_eq!(count(&rig.heard(2)), 1);
    assert_eq!(rig.platform.snapshot().expired, 1);
    assert_eq!(rig.platform.snapshot().held_bytes, 0);
}

#[test]
//= docs/spec/zzw-push-proto.md#time-to-live
//# What is left of a message's time MUST be measured by the store's clock and counted from when the
//# store was asked.
fn an_answer_of_the_store_that_took_too_long_makes_no_message_late() {
    let mut rig = Rig::new(config());
    rig.connect(1);
    rig.bind(2, "m_2");
    rig.heard(2);
    rig.is_held = true;
    rig.says(1, &publish("m_2", "short", 5));
    let (seq, op) = rig.asked.remove(0);
    let reply = rig.store.execute(rig.at(), op);
    rig.wait(secs(5));
    rig.answer(seq, reply);
    assert_eq!(count(&rig.heard(2)), 0);
}

#[test]
//= docs/spec/zzw-push-proto.md#queue
//# The number of messages that an alias has lost MUST be told once in `gap`, with the first answer
//# to a handshake or a connect frame.
fn what_the_queue_has_no_place_for_is_told_as_a_gap() {
    let mut rig = Rig::new(config());
    rig.store.cap = 3;
    rig.connect(1);
    for n in 0..5 {
        rig.says(1, &publish("m_2", &n.to_string(), 600));
    }
    rig.bind(2, "m_2");
    let heard = rig.heard(2);
    assert_eq!(heard[0], r#"{"t":-14,"alias":"m_2","gap":2}"#);
    assert_eq!(count(&heard), 3);
    assert_eq!(rig.platform.snapshot().evicted, 2);
}

#[test]
//= docs/spec/zzw-push-proto.md#queue
//# The number of messages that an alias has lost MUST be told once in `gap`, with the first answer
//# to a handshake or a connect frame.
fn a_gap_is_told_when_a_link_connects_that_a_heartbeat_has_bound() {
    let mut rig = Rig::new(config());
    rig.store.cap = 3;
    rig.connect(1);
    for n in 0..5 {
        rig.says(1, &publish("m_2", &n.to_string(), 600));
    }
    rig.connect(2);
    rig.says(2, r#"{"t":1,"alias":"m_2"}"#);
    assert_eq!(rig.heard(2)[0], r#"{"t":-1,"alias":"m_2"}"#);
    rig.says(2, r#"{"t":14,"alias":"m_2"}"#);
    assert_eq!(rig.heard(2), [r#"{"t":-14,"alias":"m_2","gap":2}"#]);
    rig.says(2, r#"{"t":14,"alias":"m_2"}"#);
    assert_eq!(rig.heard(2), [r#"{"t":-14,"alias":"m_2"}"#]);
}

#[test]
//= docs/spec/zzw-push-proto.md#queue
//# A link that is slow MUST be sent nothing of the queue, and be closed when it stays slow for
//# `slow_timeout`.
fn a_slow_link_is_sent_nothing_and_closed_unless_it_recovers() {
    let mut rig = Rig::new(config());
    rig.connect(1);
    rig.bind(2, "m_2");
    rig.heard(2);
    rig.input(Input::Slow(LinkId(2)));
    rig.says(1, &publish("m_2", "a", 600));
    assert!(rig.heard(2).is_empty());
    rig.wait(secs(9));
    rig.input(Input::Drained(LinkId(2)));
    assert_eq!(count(&rig.heard(2)), 1);
    rig.input(Input::Slow(LinkId(2)));
    rig.wait(secs(10));
    assert_eq!(rig.heard(2), ["closed"]);
    assert_eq!(rig.platform.snapshot().slow, 1);
}

#[test]
//= docs/spec/zzw-push-proto.md#store
//# A queue that the store failed to read MUST be read again.
fn a_store_that_fails_is_read_again_after_a_second() {
    let mut rig = Rig::new(config());
    rig.connect(1);
    rig.says(1, &publish("m_2", "a", 600));
    rig.is_held = true;
    rig.bind(2, "m_2");
    rig.answer_all();
    rig.heard(2);
    rig.input(Input::Disconnected(LinkId(2)));
    rig.bind(3, "m_2");
    rig.is_held = false;
    // The claim succeeds, the first reading does not.
    let asked: Vec<_> = rig.asked.drain(..).collect();
    rig.is_held = true;
    for (seq, op) in asked {
        let reply = rig.store.execute(rig.at(), op);
        rig.answer(seq, reply);
    }
    rig.is_held = false;
    rig.fails = true;
    rig.answer_all();
    rig.fails = false;
    assert_eq!(count(&rig.heard(3)), 0);
    rig.wait(secs(1));
    assert_eq!(count(&rig.heard(3)), 1);
}

#[test]
//= docs/spec/zzw-push-proto.md#store
//# The end of a link MUST be told to the store again after growing pauses until it is done or was
//# told twelve times, and then be reported.
fn an_alias_that_the_store_would_not_let_go_is_given_back_later() {
    let mut rig = Rig::new(config());
    rig.bind(1, "m_2");
    rig.fails = true;
    rig.input(Input::Disconnected(LinkId(1)));
    rig.wait(secs(6));
    assert!(rig.store.aliases["m_2"].owner.is_some());
    rig.fails = false;
    rig.wait(secs(1));
    assert!(rig.store.aliases["m_2"].owner.is_none());
    assert_eq!(rig.platform.poll_timeout(), None);
    assert_eq!(rig.platform.snapshot().store_failures, 3);
}

#[test]
//= docs/spec/zzw-push-proto.md#store
//# The end of an earlier link MUST NOT touch a later one of the same alias.
fn a_late_release_does_not_touch_the_next_link() {
    let mut rig = Rig::new(config());
    rig.bind(1, "m_2");
    rig.fails = true;
    rig.input(Input::Disconnected(LinkId(1)));
    rig.fails = false;
    rig.bind(2, "m_2");
    rig.wait(secs(30));
    assert!(rig.store.aliases["m_2"].owner.is_some());
    assert!(rig.platform.is_online("m_2"));
}

#[test]
//= docs/spec/zzw-push-proto.md#store
//# The end of a link MUST be told to the store again after growing pauses until it is done or was
//# told twelve times, and then be reported.
fn an_alias_that_the_store_never_lets_go_is_reported() {
    let mut rig = Rig::new(config());
    rig.bind(1, "m_2");
    rig.fails = true;
    rig.input(Input::Disconnected(LinkId(1)));
    rig.wait(secs(600));
    assert!(rig.events().contains(&Event::NotReleased("m_2".into())));
    assert_eq!(rig.platform.snapshot().unreleased, 1);
    assert_eq!(rig.platform.poll_timeout(), None);
}

#[test]
//= docs/spec/zzw-push-proto.md#load
//# A broker that drains MUST end when its last link has gone and the store has answered.
fn a_broker_that_stops_tells_the_store_three_times() {
    let mut rig = Rig::new(config());
    rig.bind(1, "m_2");
    rig.fails = true;
    rig.platform.drain(rig.now);
    rig.wait(secs(10));
    assert!(rig.platform.is_closed());
    assert_eq!(rig.platform.snapshot().store_failures, 3);
    assert!(rig.events().contains(&Event::NotReleased("m_2".into())));
}

#[test]
//= docs/spec/zzw-push-proto.md#alias
//# The broker MUST answer what is no message with a failure, and close a link with `max_garbled` of
//# them within `garbled_within`.
fn a_link_that_sends_garbage_ten_times_a_minute_is_closed() {
    let mut rig = Rig::new(config());
    rig.connect(1);
    let json = bytes::Bytes::from_static(b"{]");
    let error = zzw_push_proto::wire::Message::decode(json, zzw_push_proto::wire::Lenience::Vendor)
        .unwrap_err();
    for _ in 0..9 {
        rig.input(Input::Garbled(LinkId(1), error.clone()));
    }
    assert_eq!(rig.heard(1).len(), 9);
    rig.wait(secs(60));
    for _ in 0..10 {
        rig.input(Input::Garbled(LinkId(1), error.clone()));
    }
    assert_eq!(rig.heard(1).last().unwrap(), "closed");
}

#[test]
//= docs/spec/zzw-push-proto.md#load
//# Frames of a link beyond `frame_rate` and those of an address beyond `address_rate` MUST be
//# answered with `busy`, but for heartbeats and for acknowledgements that are waited for.
fn too_many_frames_are_answered_with_busy_but_heartbeats_are_free() {
    let mut rig = Rig::new(config());
    rig.bind(1, "m_2");
    for _ in 0..300 {
        rig.says(1, r#"{"t":1}"#);
    }
    assert_eq!(rig.heard(1).len(), 301);
    for _ in 0..250 {
        rig.says(1, r#"{"t":7,"num":1}"#);
    }
    let busy = rig.heard(1);
    let busy = busy
        .iter()
        .filter(|json| json.contains(r#""code":"busy","num":1"#));
    assert_eq!(busy.count(), 51);
    rig.wait(secs(1));
    rig.says(1, r#"{"t":7,"num":1}"#);
    assert!(rig.heard(1)[0].starts_with(r#"{"t":-7,"#));
}

#[test]
//= docs/spec/zzw-push-proto.md#alias
//# Frames of a link MUST wait while it is being bound or one of them is being decided about, and
//# then be served in their order.
//= docs/spec/zzw-push-proto.md#permission
//# What the application or the driver has not decided within `ask_timeout` MUST be denied.
fn a_door_is_opened_only_when_the_application_says_so_in_time() {
    let mut config = config();
    config.rules.open_door = Rule::Ask;
    let mut rig = Rig::new(config);
    rig.bind(1, "m_2");
    rig.log.clear();
    let open = r#"{"t":8,"r":"1-2-3","u":"m_2"}"#;
    for verdict in [Some(Verdict::Allow), Some(Verdict::Deny), None] {
        rig.says(1, open);
        rig.says(1, r#"{"t":3,"num":"behind"}"#);
        assert!(rig.heard(1).is_empty(), "what comes behind waits");
        let [Event::Asked(ask, question)] = &rig.events()[..] else {
            panic!("the application is asked");
        };
        assert_eq!(question.alias.as_deref(), Some("m_2"));
        match verdict {
            Some(verdict) => rig.platform.decide(rig.now, *ask, verdict).unwrap(),
            None => rig.wait(secs(5)),
        }
        rig.drain();
        let again = rig.platform.decide(rig.now, *ask, Verdict::Allow);
        assert_eq!(again, Err(Refused::Unknown(*ask)));
        let allowed = verdict == Some(Verdict::Allow);
        let is_handed_on = |output: &Output| matches!(output, Output::Door { is_authorised, .. } if *is_authorised == allowed);
        assert_eq!(
            rig.log.iter().filter(|output| is_handed_on(output)).count(),
            1
        );
        assert_eq!(rig.heard(1), [r#"{"t":-3,"num":"behind","topic":[]}"#]);
        rig.log.clear();
    }
    assert!(rig.store.aliases["m_2"].queue.is_empty());
    assert_eq!(rig.platform.snapshot().denied, 2);
}

#[test]
//= docs/spec/zzw-push-proto.md#permission
//# Each kind of operation MUST have a rule that allows it, denies it, asks for scopes of a token,
//# or asks the application.
//= docs/spec/zzw-push-proto.md#permission
//# What is denied MUST fail with its number and be counted.
fn what_nobody_may_do_is_refused_with_its_number() {
    let mut config = config();
    config.rules.publish_to_alias = Rule::Deny;
    config.rules.bind = Rule::Ask;
    let mut rig = Rig::new(config);
    rig.connect_socketio(1, "m_2");
    let [Event::Asked(ask, _)] = rig.events()[..] else {
        panic!("the application is asked");
    };
    rig.says(1, &publish("m_3", "a", 600));
    rig.platform.decide(rig.now, ask, Verdict::Allow).unwrap();
    rig.drain();
    let heard = rig.heard(1);
    assert_eq!(heard[0], r#"{"t":-14,"alias":"m_2"}"#);
    assert!(
        heard[1].contains(r#""code":"not_allowed","num":"n""#),
        "{heard:?}"
    );
}

#[test]
//= docs/spec/zzw-push-proto.md#load
//# A broker that drains MUST refuse new links with `draining` and close those that it has over
//# `drain_over`.
//= docs/spec/zzw-push-proto.md#load
//# A broker that drains MUST end when its last link has gone and the store has answered.
fn draining_closes_links_over_five_seconds_then_says_so() {
    let mut rig = Rig::new(config());
    for id in 1..=20 {
        rig.bind(id, &format!("m_{id}"));
    }
    rig.log.clear();
    rig.platform.drain(rig.now);
    rig.drain();
    rig.connect(99);
    let refused = rig.heard(99);
    assert!(refused[0].contains("draining"));
    assert_eq!(refused[1], "closed");
    rig.wait(Duration::from_millis(2_500));
    let closed = |rig: &Rig| {
        rig.log
            .iter()
            .filter(|o| matches!(o, Output::Disconnect(_)))
            .count()
    };
    let half = closed(&rig);
    assert!((1..20).contains(&half), "{half}");
    rig.wait(Duration::from_millis(2_500));
    assert_eq!(closed(&rig), 20);
    assert!(rig.platform.is_closed());
    assert_eq!(
        rig.log.last(),
        Some(&Output::Event(Event::Closed(Reason::Drained)))
    );
    assert_eq!(rig.platform.poll_timeout(), None);
}

#[test]
//= docs/spec/zzw-push-proto.md#queue
//# A publication of the application's own MUST keep to the same rules as that of a client.
fn the_application_publishes_kicks_and_closes() {
    let mut rig = Rig::new(config());
    rig.connect_socketio(1, "m_2");
    let topics = ["m_2"].into_iter().collect();
    let sent = Publish::to_aliases(topics, "hello".into(), zzw_push_proto::wire::Num::Absent);
    let id = rig
        .platform
        .publish(rig.now, rig.at(), sent.clone())
        .unwrap();
    rig.drain();
    assert!(rig.events().contains(&Event::Published(id)));
    assert_eq!(count(&rig.heard(1)), 1);
    rig.platform.kick(rig.now, "m_2".into()).unwrap();
    assert!(rig.platform.kick(rig.now, "m_2".into()).is_err());
    rig.drain();
    assert_eq!(rig.heard(1), ["closed"]);
    rig.platform.close(rig.now);
    rig.drain();
    let refused = rig.platform.publish(rig.now, rig.at(), sent.clone());
    assert_eq!(refused, Err(Refused::Closed(sent)));
    assert_eq!(
        rig.log.last(),
        Some(&Output::Event(Event::Closed(Reason::Local)))
    );
    assert_eq!(rig.platform.info().counts.socket_ios, 0);
}

#[test]
//= docs/spec/zzw-push-proto.md#queue
//# An acknowledgement MUST be told to the store until the store has done it, also if it was not
//# waited for.
fn acknowledgements_are_gathered_while_the_store_is_busy() {
    let mut rig = Rig::new(config());
    rig.connect(1);
    for n in 0..20 {
        rig.says(1, &publish("m_2", &n.to_string(), 600));
    }
    rig.bind(2, "m_2");
    let mids: Vec<u64> = rig.store.aliases["m_2"]
        .queue
        .iter()
        .map(|e| e.mid.0)
        .collect();
    rig.is_held = true;
    for mid in mids {
        rig.says(2, &format!(r#"{{"t":-5,"mid":"{mid}"}}"#));
    }
    assert_eq!(rig.asked.len(), 1);
    rig.is_held = false;
    rig.answer_all();
    assert!(rig.store.aliases["m_2"].queue.is_empty());
}

#[test]
//= docs/spec/zzw-push-proto.md#load
//# A publication MUST be answered with `busy` and a queue not be read while `max_held` bytes of
//# bodies are held.
fn queues_are_not_read_beyond_the_memory_there_is() {
    let mut config = config();
    config.max_held = 100;
    let mut rig = Rig::new(config);
    rig.connect(1);
    let body = "x".repeat(58);
    for alias in ["m_2", "m_3"] {
        rig.says(1, &publish(alias, &body, 600));
        rig.says(1, &publish(alias, &body, 600));
    }
    rig.heard(1);
    rig.bind(2, "m_2");
    assert_eq!(count(&rig.heard(2)), 2);
    rig.bind(3, "m_3");
    assert_eq!(count(&rig.heard(3)), 0);
    rig.says(1, &publish("m_4", &body, 600));
    assert!(rig.heard(1)[0].contains(r#""code":"busy""#));
    rig.input(Input::Disconnected(LinkId(2)));
    assert_eq!(count(&rig.heard(3)), 2);
}

//! The broker where a simulation found it wanting.

mod platform_kit;

use platform_kit::{Rig, config, json, secs};
use zzw_push_proto::platform::{
    AskId, Event, LinkId, OnUnacked, Output, Rule, StoreError, Verdict,
};

fn publish(alias: &str, msg: &str) -> String {
    format!(r#"{{"t":6,"alias":["{alias}"],"msg":"{msg}","num":"n"}}"#)
}

#[test]
//= docs/spec/zzw-push-proto.md#alias
//# An acknowledgement MUST NOT wait for the decision about another frame.
fn an_acknowledgement_waits_for_no_decision() {
    let mut rig = asking();
    rig.connect(1);
    rig.bind(2, "m_2");
    rig.says(1, &publish("m_2", "hello"));
    let mid = rig.store.aliases["m_2"].queue[0].mid.0;
    rig.says(2, r#"{"t":8,"r":"1-2-3","u":"m_2"}"#);
    rig.says(2, &format!(r#"{{"t":-5,"mid":"{mid}"}}"#));
    assert!(rig.store.aliases["m_2"].queue.is_empty());
    assert_eq!(rig.platform.snapshot().acked, 1);
}

fn asking() -> Rig {
    let mut config = config();
    config.rules.open_door = Rule::Ask;
    Rig::new(config)
}

fn doors(rig: &Rig) -> Vec<String> {
    let doors = rig.log.iter().filter_map(|output| match output {
        Output::Door { message, .. } => Some(json(message)),
        _ => None,
    });
    doors.collect()
}

fn asked(rig: &mut Rig) -> AskId {
    let asked = rig.events().into_iter().find_map(|event| match event {
        Event::Asked(ask, _) => Some(ask),
        _ => None,
    });
    asked.expect("the application is asked")
}

#[test]
//= docs/spec/zzw-push-proto.md#permission
//# A command to open a door that has waited for `door_life` MUST be dropped, counted and reported
//# even if it is allowed.
fn a_command_for_a_door_that_had_to_wait_opens_none_after_five_seconds() {
    let mut rig = asking();
    rig.bind(1, "m_2");
    rig.log.clear();
    rig.says(1, r#"{"t":8,"r":"1-2-3","u":"first"}"#);
    rig.says(1, r#"{"t":8,"r":"1-2-3","u":"second"}"#);
    rig.says(1, r#"{"t":9,"r":"1-2-3","u":"third"}"#);
    let mut events = Vec::new();
    for seconds in [4, 3] {
        let ask = asked(&mut rig);
        rig.wait(secs(seconds));
        rig.platform.decide(rig.now, ask, Verdict::Allow).unwrap();
        rig.drain();
        events.extend(rig.log.iter().filter_map(|output| match output {
            Output::Event(Event::DoorTooLate(link)) => Some(*link),
            _ => None,
        }));
    }
    // Who announces that it is there is there.
    let expected = [
        r#"{"t":8,"r":"1-2-3","u":"first"}"#,
        r#"{"t":9,"r":"1-2-3","u":"third"}"#,
    ];
    assert_eq!(doors(&rig), expected);
    assert_eq!(rig.platform.snapshot().late, 1);
    assert_eq!(events, [LinkId(1)]);
}

#[test]
fn whoever_is_there_may_say_so_late() {
    let mut rig = Rig::new(config());
    rig.is_held = true;
    rig.bind(1, "m_2");
    rig.says(1, r#"{"t":10,"r":"1-2-3","u":"m_2"}"#);
    let came = rig.now;
    rig.wait(secs(5));
    rig.answer_all();
    assert_eq!(doors(&rig).len(), 1);
    let is_old =
        |output: &Output| matches!(output, Output::Door { received, .. } if *received == came);
    assert!(rig.log.iter().any(is_old), "the rooms know how old it is");
}

#[test]
//= docs/spec/zzw-push-proto.md#store
//# A queue MUST be read again when the store cannot tell whether it has kept a message for it.
fn what_the_store_kept_without_saying_so_is_delivered_soon() {
    let mut rig = Rig::new(config());
    rig.connect(1);
    rig.bind(2, "m_2");
    rig.heard(2);
    rig.is_held = true;
    rig.says(1, &publish("m_2", "hello"));
    let (seq, op) = rig.asked.remove(0);
    rig.store.execute(rig.at(), op).unwrap();
    rig.is_held = false;
    rig.answer(seq, Err(StoreError::Unavailable));
    assert!(rig.heard(1)[0].contains("store_unavailable"));
    rig.wait(secs(1));
    let heard = rig.heard(2);
    assert!(heard[0].contains(r#""msg":"hello""#), "{heard:?}");
}

#[test]
//= docs/spec/zzw-push-proto.md#pull
//# A pull that a later one has overtaken MUST fail with `busy`, so that what it would have brought
//# is not acknowledged unseen.
fn a_batch_that_nobody_waits_for_any_more_is_not_acknowledged_unseen() {
    let mut rig = Rig::new(config());
    rig.connect(1);
    rig.connect(2);
    rig.says(1, &publish("m_2", "first"));
    rig.says(2, r#"{"t":14,"alias":"m_2"}"#);
    rig.says(2, r#"{"t":4,"num":"1"}"#);
    rig.heard(2);
    rig.is_held = true;
    // The same again, once more by another number: the store answers the last one first.
    rig.says(1, &publish("m_2", "second"));
    for num in ["2", "2", "3"] {
        rig.says(2, &format!(r#"{{"t":4,"num":"{num}"}}"#));
    }
    let asked = std::mem::take(&mut rig.asked);
    let mut replies = Vec::new();
    for (seq, op) in asked {
        let reply = rig.store.execute(rig.at(), op);
        replies.push((seq, reply));
    }
    while let Some((seq, reply)) = replies.pop() {
        rig.answer(seq, reply);
    }
    rig.is_held = false;
    rig.answer_all();
    let heard = rig.heard(2);
    let busy = heard.iter().filter(|json| json.contains("busy")).count();
    assert_eq!(busy, 2, "{heard:?}");
    let batch = heard.iter().find(|json| json.starts_with(r#"{"t":-4"#));
    assert!(batch.is_some_and(|json| json.contains("second") && json.contains(r#""num":"3""#)));
    assert_eq!(rig.store.aliases["m_2"].queue.len(), 1);
    rig.says(2, r#"{"t":4,"num":"4"}"#);
    assert!(rig.store.aliases["m_2"].queue.is_empty());
}

#[test]
fn whoever_acknowledges_some_is_sent_the_others_again_for_as_long_as_that_goes_on() {
    let mut config = config();
    config.on_unacked = OnUnacked::Park;
    let mut rig = Rig::new(config);
    rig.bind(1, "m_1");
    rig.connect(2);
    for number in 0..12 {
        rig.says(2, &publish("m_1", &number.to_string()));
    }
    let mut waiting: Vec<String> = Vec::new();
    // A device that keeps one message at a time, and leaves the others to come again.
    for round in 0..12 {
        let heard = rig.heard(1).into_iter();
        let sent: Vec<String> = heard.filter(|line| line.contains("\"t\":5")).collect();
        assert_eq!(sent.len(), 12 - round, "round {round}");
        waiting = sent;
        let mid = waiting[0].split("\"mid\":\"").nth(1).unwrap();
        let mid = mid.split('"').next().unwrap().to_owned();
        rig.says(1, &format!(r#"{{"t":-5,"mid":"{mid}"}}"#));
        rig.wait(secs(29));
        rig.says(1, r#"{"t":1}"#);
        rig.heard(1);
        rig.wait(secs(1));
    }
    assert_eq!(waiting.len(), 1);
}

#[test]
//= docs/spec/zzw-push-proto.md#pull
//# A pull with another number MUST NOT acknowledge what only some of the answers to the last one have
//# brought.
fn a_second_batch_by_one_number_is_not_acknowledged_by_who_has_seen_the_first() {
    let mut rig = Rig::new(config());
    rig.connect(1);
    rig.says(
        1,
        r#"{"t":6,"alias":"m_2","msg":"short","opts":{"time_to_live":10},"num":"n"}"#,
    );
    rig.bind(2, "m_2");
    rig.heard(2);
    rig.is_held = true;
    // Before the store answers, another message is kept and the client asks again.
    rig.says(2, r#"{"t":4,"num":"1"}"#);
    rig.says(1, &publish("m_2", "long"));
    rig.says(2, r#"{"t":4,"num":"1"}"#);
    let asked = std::mem::take(&mut rig.asked);
    let [(first, load), (_, append), (second, again)] = asked.try_into().unwrap();
    let reply = rig.store.execute(rig.at(), load);
    rig.answer(first, reply);
    rig.wait(secs(11));
    rig.store.execute(rig.at(), append).unwrap();
    let reply = rig.store.execute(rig.at(), again);
    rig.answer(second, reply);
    let heard = rig.heard(2);
    assert!(
        heard[0].contains("short") && heard[1].contains("long"),
        "{heard:?}"
    );
    // The client has had the first answer, and goes on.
    rig.is_held = false;
    rig.says(2, r#"{"t":4,"num":"2"}"#);
    let heard = rig.heard(2);
    assert!(heard[0].contains(r#""msg":["long"]"#), "{heard:?}");
    rig.says(2, r#"{"t":4,"num":"3"}"#);
    assert!(rig.store.aliases["m_2"].queue.is_empty());
}

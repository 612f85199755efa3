//! Options of getting an alias: another one on the same link (Z-15), and before all else (Z-14).

mod platform_kit;

use platform_kit::{Rig, config, secs};
use zzw_push_proto::platform::{ClientToken, Config, Event, LinkEnd, LinkId, StoreError, StoreOp};

fn rebinding() -> Config {
    let mut config = config();
    config.allow_rebind = true;
    config
}

fn publish(alias: &str, msg: &str) -> String {
    format!(r#"{{"t":6,"alias":["{alias}"],"msg":"{msg}","num":"n"}}"#)
}

fn messages(heard: &[String]) -> Vec<String> {
    let delivered = heard.iter().filter(|json| json.starts_with(r#"{"t":5,"#));
    let body = |json: &String| {
        let json: serde_json::Value = serde_json::from_str(json).unwrap();
        format!("{}: {}", json["alias"], json["msg"]).replace('"', "")
    };
    delivered.map(body).collect()
}

#[test]
//= docs/spec/zzw-push-proto.md#alias
//# The broker MUST answer `alias_mismatch` to a frame with another alias than that of its link, and
//# do nothing else with it, unless `allow_rebind` lets a heartbeat or a connect frame take that
//# alias.
//= docs/spec/zzw-push-proto.md#alias
//# A link that takes another alias MUST give back the one that it had, and what is under way for
//# that MUST NOT touch the new one.
fn a_link_may_take_another_alias_where_that_is_allowed() {
    let mut rig = Rig::new(rebinding());
    rig.connect(9);
    rig.says(9, &publish("m_3", "three"));
    rig.bind(1, "m_2");
    rig.says(9, &publish("m_2", "two"));
    assert_eq!(messages(&rig.heard(1)), ["m_2: two"]);
    rig.says(1, r#"{"t":1,"alias":"m_3"}"#);
    let heard = rig.heard(1);
    assert_eq!(heard[0], r#"{"t":-1,"alias":"m_3"}"#);
    assert_eq!(messages(&heard), ["m_3: three"]);
    assert!(rig.platform.is_online("m_3") && !rig.platform.is_online("m_2"));
    assert!(rig.store.aliases["m_2"].owner.is_none());
    let end = Event::Offline("m_2".into(), LinkId(1), LinkEnd::Rebound);
    assert!(rig.events().contains(&end));
    // What it has not acknowledged as the other one is kept for that.
    let mid = rig.store.aliases["m_2"].queue[0].mid.0;
    rig.says(1, &format!(r#"{{"t":-5,"alias":"m_2","mid":"{mid}"}}"#));
    assert!(rig.heard(1)[0].contains("alias_mismatch"));
    rig.says(1, r#"{"t":14,"alias":"m_2"}"#);
    assert_eq!(messages(&rig.heard(1)), ["m_2: two"]);
    assert_eq!(rig.platform.snapshot().tcp_links, 2);
}

#[test]
//= docs/spec/zzw-push-proto.md#alias
//# The broker MUST refuse an alias or a topic that is no name.
fn a_name_that_is_none_costs_no_alias() {
    let mut rig = Rig::new(rebinding());
    rig.bind(1, "m_2");
    rig.heard(1);
    rig.says(1, r#"{"t":1,"alias":"a/b"}"#);
    assert!(rig.heard(1)[0].contains("garbled"));
    assert!(rig.platform.is_online("m_2"));
}

#[test]
//= docs/spec/zzw-push-proto.md#alias
//# A link that takes another alias MUST give back the one that it had, and what is under way for
//# that MUST NOT touch the new one.
fn answers_for_the_alias_before_do_not_touch_the_next_one() {
    let mut rig = Rig::new(rebinding());
    rig.connect(9);
    for msg in ["a", "b"] {
        rig.says(9, &publish("m_2", msg));
    }
    rig.bind(1, "m_2");
    rig.heard(1);
    // A pull and acknowledgements of m_2 are on their way when the link becomes m_3 and m_2 again.
    rig.is_held = true;
    rig.says(1, r#"{"t":4,"num":"p"}"#);
    let mid = rig.store.aliases["m_2"].queue[0].mid.0;
    rig.says(1, &format!(r#"{{"t":-5,"mid":"{mid}"}}"#));
    let late = std::mem::take(&mut rig.asked);
    rig.says(1, r#"{"t":1,"alias":"m_3"}"#);
    for (seq, op) in std::mem::take(&mut rig.asked) {
        let reply = rig.store.execute(rig.at(), op);
        rig.answer(seq, reply);
    }
    rig.says(1, r#"{"t":1,"alias":"m_2"}"#);
    rig.is_held = false;
    rig.answer_all();
    rig.heard(1);
    for (seq, op) in late {
        let reply = match op {
            StoreOp::Ack { .. } => Err(StoreError::Unavailable),
            op => rig.store.execute(rig.at(), op),
        };
        rig.answer(seq, reply);
    }
    let heard = rig.heard(1);
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert!(heard[0].contains(r#""code":"not_bound","num":"p""#));
    rig.wait(secs(2));
    // Nothing was acknowledged that this session has not.
    assert_eq!(rig.store.aliases["m_2"].queue.len(), 2);
    rig.wait(secs(28));
    assert_eq!(messages(&rig.heard(1)), ["m_2: a", "m_2: b"]);
}

#[test]
//= docs/spec/zzw-push-proto.md#permission
//# A link that has shown whose it is MUST NOT be bound to another alias without a token of that.
fn another_alias_needs_a_token_of_its_own() {
    let mut config = rebinding();
    config.client_token = ClientToken::Required;
    let mut rig = Rig::new(config);
    rig.connect(1);
    rig.says(1, r#"{"t":14,"alias":"m_2","token":"m_2 16 3600"}"#);
    for token in ["", r#","token":"m_2 16 3600""#, r#","token":"m_4 16 1""#] {
        rig.heard(1);
        rig.says(1, &format!(r#"{{"t":1,"alias":"m_3"{token}}}"#));
        assert!(rig.heard(1)[0].contains(r#""code":"token""#), "{token}");
        assert!(rig.platform.is_online("m_2"));
    }
    rig.says(1, r#"{"t":1,"alias":"m_3","token":"m_3 16 3600"}"#);
    assert_eq!(rig.heard(1), [r#"{"t":-1,"alias":"m_3"}"#]);
    assert!(rig.platform.is_online("m_3"));
}

#[test]
//= docs/spec/zzw-push-proto.md#alias
//# Where `require_heartbeat_first` is set, a link without an alias MUST be answered `not_bound` to
//# all but what binds it and heartbeats.
fn a_heartbeat_may_have_to_be_first() {
    let mut config = config();
    config.require_heartbeat_first = true;
    let mut rig = Rig::new(config);
    rig.connect(1);
    for json in [
        publish("m_2", "a"),
        r#"{"t":7,"num":"n"}"#.into(),
        r#"{"t":2,"topic":["a"],"num":"n"}"#.into(),
    ] {
        rig.says(1, &json);
        let heard = rig.heard(1);
        assert!(heard[0].contains(r#""code":"not_bound","num":"n""#));
    }
    rig.says(1, r#"{"t":1}"#);
    assert_eq!(rig.heard(1), [r#"{"t":-1}"#]);
    rig.says(1, r#"{"t":7,"num":"n"}"#);
    assert!(rig.heard(1)[0].contains("not_bound"), "it has no alias yet");
    rig.says(1, r#"{"t":1,"alias":"m_2"}"#);
    rig.says(1, r#"{"t":7,"num":"n"}"#);
    assert!(rig.heard(1)[1].contains(r#""t":-7"#));
    rig.says(1, &publish("m_3", "a"));
    assert_eq!(rig.heard(1), [r#"{"t":-6,"num":"n"}"#]);
}

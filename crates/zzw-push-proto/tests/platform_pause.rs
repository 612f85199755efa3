//! A process that stood still reads what may be old.

mod platform_kit;

use platform_kit::{Rig, config, secs};
use std::time::Duration;
use zzw_push_proto::platform::{Event, Output};
use zzw_push_proto::platform::{Input, LinkId, Rule, StoreOp, Verdict};

const PUBLISH: &str = r#"{"t":6,"alias":["m_2"],"msg":"早","num":"n"}"#;

/// A broker that was just told that its process stood still.
fn paused(pause: Duration) -> Rig {
    let mut rig = Rig::new(config());
    rig.input(Input::Paused(pause));
    rig
}

fn claims(rig: &Rig) -> usize {
    let is_claim = |(_, op): &&(_, StoreOp)| matches!(op, StoreOp::Claim { .. });
    rig.asked.iter().filter(is_claim).count()
}

#[test]
//= docs/spec/zzw-push-proto.md#alias
//= type=test
//# When the process stood still, a link MUST NOT be bound before what may have waited meanwhile is
//# read, and not at all if its end is among that.
fn a_link_that_was_given_up_meanwhile_takes_no_alias() {
    let mut rig = paused(secs(12));
    rig.is_held = true;
    // They have come one after the other: a line, a handshake, a heartbeat.
    rig.bind(1, "m_2");
    rig.connect_socketio(2, "m_2");
    rig.connect(3);
    rig.says(3, r#"{"t":1,"alias":"m_2"}"#);
    for given_up in 1..=3 {
        rig.input(Input::Disconnected(LinkId(given_up)));
    }
    rig.wait(secs(5));
    assert_eq!(claims(&rig), 0);
    assert!(rig.log.is_empty(), "{:?}", rig.log);
    let counters = rig.platform.snapshot();
    assert_eq!((counters.held_bytes, counters.tcp_links), (0, 0));
}

#[test]
fn a_link_that_is_alive_is_bound_a_moment_later_and_then_served_in_order() {
    let mut rig = paused(secs(12));
    rig.bind(1, "m_2");
    rig.says(1, r#"{"t":2,"topic":["T"],"num":"r"}"#);
    rig.says(1, PUBLISH);
    // Whoever wants no alias has not to wait.
    rig.connect(2);
    rig.says(2, r#"{"t":7,"num":"c"}"#);
    assert_eq!(rig.heard(2).len(), 1);
    rig.wait(Duration::from_millis(999));
    assert!(rig.heard(1).is_empty());
    rig.wait(Duration::from_millis(1));
    let heard = rig.heard(1);
    assert_eq!(heard[0], r#"{"t":-14,"alias":"m_2"}"#);
    assert_eq!(heard[1], r#"{"t":-2,"num":"r"}"#);
    assert!(
        heard[2..].contains(&r#"{"t":-6,"num":"n"}"#.to_owned()),
        "{heard:?}"
    );
    assert!(
        heard[2..].iter().any(|json| json.contains("早")),
        "{heard:?}"
    );
    assert_eq!(rig.platform.snapshot().tcp_links, 2);
    // What comes later has not waited.
    rig.bind(3, "m_3");
    assert_eq!(rig.heard(3), [r#"{"t":-14,"alias":"m_3"}"#]);
}

#[test]
fn of_several_links_the_newest_keeps_the_alias() {
    let mut rig = paused(secs(12));
    // The newest is whichever has asked last.
    rig.connect(3);
    for link in 1..=2 {
        rig.bind(link, "m_2");
    }
    rig.says(3, r#"{"t":14,"alias":"m_2"}"#);
    rig.connect(4);
    rig.wait(secs(1));
    for link in 1..=2 {
        let heard = rig.heard(link);
        assert_eq!(heard.last().unwrap(), "closed");
    }
    assert_eq!(rig.heard(3), [r#"{"t":-14,"alias":"m_2"}"#]);
}

#[test]
fn a_short_pause_holds_nobody_up_and_another_one_anew() {
    let mut rig = paused(Duration::from_millis(999));
    rig.bind(1, "m_1");
    assert_eq!(rig.heard(1).len(), 1);
    rig.input(Input::Paused(secs(2)));
    rig.bind(2, "m_2");
    rig.wait(Duration::from_millis(500));
    rig.input(Input::Paused(secs(2)));
    rig.wait(Duration::from_millis(999));
    assert!(rig.heard(2).is_empty());
    rig.wait(Duration::from_millis(1));
    assert_eq!(rig.heard(2).len(), 1);
    // Also if it is over when a link was to be bound.
    rig.input(Input::Paused(secs(2)));
    rig.bind(3, "m_3");
    rig.now += secs(4);
    rig.input(Input::Paused(secs(4)));
    rig.input(Input::Disconnected(LinkId(3)));
    assert!(rig.heard(3).is_empty());
    // A link that has its alias is served at once.
    rig.input(Input::Paused(secs(2)));
    rig.says(2, r#"{"t":1,"alias":"m_2"}"#);
    assert_eq!(rig.heard(2), [r#"{"t":-1,"alias":"m_2"}"#]);
}

#[test]
fn what_was_allowed_during_a_pause_waits_too_and_is_not_asked_again() {
    let mut config = config();
    config.rules.bind = Rule::Ask;
    let mut rig = Rig::new(config);
    rig.bind(1, "m_2");
    let asked = |rig: &mut Rig| {
        let ask = |event| match event {
            Event::Asked(ask, _) => Some(ask),
            _ => None,
        };
        rig.events().into_iter().filter_map(ask).collect::<Vec<_>>()
    };
    let asks = asked(&mut rig);
    rig.input(Input::Paused(secs(4)));
    rig.platform
        .decide(rig.now, asks[0], Verdict::Allow)
        .unwrap();
    rig.drain();
    assert!(rig.heard(1).is_empty());
    rig.wait(secs(1));
    assert_eq!(rig.heard(1), [r#"{"t":-14,"alias":"m_2"}"#]);
    assert!(asked(&mut rig).is_empty());
    let is_send = |output: &Output| matches!(output, Output::Send(..));
    assert!(!rig.log.iter().any(is_send));
}

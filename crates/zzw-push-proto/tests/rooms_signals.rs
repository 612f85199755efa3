//! Who hears "open the door" (R-4, Z-13, K-4).

mod rooms_kit;

use rooms_kit::*;
use zzw_push_proto::rooms::*;

/// A door as link 1 and a phone as link 2, announced.
fn doorstep() -> Relay {
    let mut relay = Relay::new(Config::new());
    relay.announce(1, SignalKind::Door, "1203");
    relay.announce(2, SignalKind::Phone, "1203");
    relay.drain();
    relay
}

fn why(relay: &mut Relay) -> Option<SignalDrop> {
    relay.events().into_iter().find_map(|event| match event {
        Event::SignalDropped { why, .. } => Some(why),
        _ => None,
    })
}

#[test]
//= docs/spec/zzw-push-proto.md#door
//# A command to open a door MUST be sent to the links that have announced the door of its room, and
//# to nobody else.
//= docs/spec/zzw-push-proto.md#door
//# A door frame MUST be sent on with the time after which it is worth nothing, and not be written
//# after that.
fn a_door_is_told_to_open_and_nobody_else() {
    let mut relay = doorstep();
    relay.announce(3, SignalKind::Door, "1204");
    relay.announce(4, SignalKind::Phone, "1203");
    relay.drain();
    let signal = relay.signal(SignalKind::OpenDoor, "1203");
    relay.hand_over(2, &signal, true);
    let outputs = relay.drain();
    assert_eq!(short(&outputs), ["1<t8"]);
    assert!(outputs.iter().any(|output| matches!(
        output,
        Output::Signal { deadline, .. } if *deadline == relay.now + secs(5)
    )));
    assert!(outputs.contains(&Output::Event(Event::Signalled {
        signal,
        from: LinkId(2),
        receivers: 1
    })));
}

#[test]
//= docs/spec/zzw-push-proto.md#door
//# A door frame MUST be sent on at once or never.
fn a_door_command_is_not_stored() {
    let mut relay = Relay::new(Config::new());
    let signal = relay.signal(SignalKind::OpenDoor, "1203");
    relay.hand_over(2, &signal, true);
    assert_eq!(why(&mut relay), Some(SignalDrop::NoReceiver));
    assert_eq!(relay.rooms.held_bytes(), 0);
    relay.announce(1, SignalKind::Door, "1203");
    relay.wait(secs(60));
    assert!(relay.heard().is_empty());
}

#[test]
//= docs/spec/zzw-push-proto.md#door
//# A door frame MUST NOT be sent on a second time, not even if it is handed over again.
fn a_door_command_is_not_redelivered() {
    let mut relay = doorstep();
    let signal = relay.signal(SignalKind::OpenDoor, "1203");
    relay.hand_over(2, &signal, true);
    assert_eq!(relay.heard(), ["1<t8"]);
    // Neither to whoever comes back, nor when it is handed over again, nor as time goes by.
    relay.gone(1);
    relay.announce(3, SignalKind::Door, "1203");
    assert_eq!(relay.heard(), ["2<t10"]);
    relay.hand_over(2, &signal, true);
    assert_eq!(why(&mut relay), Some(SignalDrop::Repeated));
    for _ in 0..10 {
        relay.wait(secs(1));
        relay.hand_over(2, &signal, true);
    }
    assert!(relay.heard().is_empty());
}

#[test]
//= docs/spec/zzw-push-proto.md#door
//# A door frame that is not allowed MUST be dropped, counted and reported.
fn a_door_command_without_authorisation_is_denied() {
    let mut relay = doorstep();
    let signal = relay.signal(SignalKind::OpenDoor, "1203");
    relay.hand_over(2, &signal, false);
    let outputs = relay.drain();
    assert!(short(&outputs).is_empty());
    assert_eq!(
        outputs,
        [Output::Event(Event::SignalDropped {
            signal,
            from: LinkId(2),
            why: SignalDrop::Unauthorised
        })]
    );
    assert_eq!(relay.rooms.counters().signals_dropped, 1);
}

#[test]
//= docs/spec/zzw-push-proto.md#door
//# A door frame MUST NOT be sent on when it is as old as `door_ttl`, which is at most 5 s.
fn a_late_door_command_is_dropped() {
    let mut relay = doorstep();
    let on_time = relay.signal(SignalKind::OpenDoor, "1203");
    let late = relay.signal(SignalKind::OpenDoor, "1203");
    relay.wait(std::time::Duration::from_millis(4_999));
    relay.hand_over(2, &on_time, true);
    assert_eq!(relay.heard(), ["1<t8"]);
    relay.wait(std::time::Duration::from_millis(1));
    relay.hand_over(2, &late, true);
    assert_eq!(why(&mut relay), Some(SignalDrop::Late));
}

#[test]
//= docs/spec/zzw-push-proto.md#door
//# A door frame MUST NOT be sent on when it is as old as `door_ttl`, which is at most 5 s.
fn no_setting_lets_a_door_command_live_longer_than_five_seconds() {
    let mut config = Config::new();
    config.door_ttl = secs(60);
    let mut relay = Relay::new(config);
    relay.announce(1, SignalKind::Door, "1203");
    let signal = relay.signal(SignalKind::OpenDoor, "1203");
    relay.wait(secs(5));
    relay.hand_over(2, &signal, true);
    assert!(relay.heard().is_empty());
}

#[test]
//= docs/spec/zzw-push-proto.md#door
//# A door frame MUST be sent on at once or never.
fn a_door_that_takes_nothing_is_not_told_later() {
    let mut relay = doorstep();
    relay.input(Input::Slow(LinkId(1)));
    let signal = relay.signal(SignalKind::OpenDoor, "1203");
    relay.hand_over(2, &signal, true);
    assert_eq!(why(&mut relay), Some(SignalDrop::NoReceiver));
    relay.drained(1);
    assert!(relay.heard().is_empty());
}

#[test]
//= docs/spec/zzw-push-proto.md#door
//# A link that has announced a door MUST NOT open it.
fn a_door_cannot_open_itself() {
    let mut relay = doorstep();
    relay.announce(3, SignalKind::Door, "1203");
    relay.drain();
    let signal = relay.signal(SignalKind::OpenDoor, "1203");
    relay.hand_over(1, &signal, true);
    assert_eq!(why(&mut relay), Some(SignalDrop::WrongSide));
}

#[test]
//= docs/spec/zzw-push-proto.md#door
//# A link that sends type 9 MUST be announced as a phone of the room, and one that sends type 10 as
//# its door.
fn each_side_is_told_when_the_other_is_there() {
    let mut relay = Relay::new(Config::new());
    relay.announce(1, SignalKind::Door, "1203");
    relay.announce(2, SignalKind::Phone, "1203");
    relay.announce(1, SignalKind::Door, "1203");
    assert_eq!(relay.heard(), ["1<t9", "2<t10"]);
}

#[test]
//= docs/spec/zzw-push-proto.md#door
//# A command to open a door MUST be sent to the links that have announced the door of its room, and
//# to nobody else.
fn a_relay_link_does_not_hear_signals() {
    let mut relay = Relay::with(Config::new(), &["/1203/0/ios", "/1203/1/ios"]);
    let signal = relay.signal(SignalKind::OpenDoor, "1203");
    relay.hand_over(9, &signal, true);
    assert_eq!(why(&mut relay), Some(SignalDrop::NoReceiver));
}

#[test]
//= docs/spec/zzw-push-proto.md#door
//# A flood of announcements MUST NOT keep a door shut.
fn announcements_without_end_are_refused_and_keep_no_door_shut() {
    let mut config = Config::new();
    (config.max_signals, config.max_announcements) = (4, 16);
    let mut relay = Relay::new(config);
    relay.announce(1, SignalKind::Door, "1203");
    relay.drain();
    for link in 10..30 {
        for room in 0..10 {
            relay.announce(link, SignalKind::Phone, &format!("room {room}"));
        }
    }
    assert_eq!(why(&mut relay), Some(SignalDrop::TooMany));
    let signal = relay.signal(SignalKind::OpenDoor, "1203");
    relay.hand_over(2, &signal, true);
    assert_eq!(relay.heard(), ["1<t8"]);
}

#[test]
//= docs/spec/zzw-push-proto.md#door
//# A command MUST NOT be let through when more of them come than can be known again.
fn more_door_commands_than_can_be_known_again_are_not_let_through() {
    let mut config = Config::new();
    config.max_signals = 2;
    let mut relay = Relay::new(config);
    relay.announce(1, SignalKind::Door, "1203");
    relay.drain();
    for _ in 0..4 {
        let signal = relay.signal(SignalKind::OpenDoor, "1203");
        relay.hand_over(2, &signal, true);
    }
    assert_eq!(relay.heard(), ["1<t8", "1<t8"]);
    relay.wait(secs(5));
    let signal = relay.signal(SignalKind::OpenDoor, "1203");
    relay.hand_over(2, &signal, true);
    assert_eq!(relay.heard(), ["1<t8"]);
}

#[test]
//= docs/spec/zzw-push-proto.md#door
//# A door frame of a room with an impossible name MUST be dropped.
fn a_room_with_an_impossible_name_has_no_door() {
    let mut relay = Relay::new(Config::new());
    for room in ["", "a/b", &"a".repeat(129)] {
        relay.announce(1, SignalKind::Door, room);
        assert_eq!(why(&mut relay), Some(SignalDrop::NoRoom), "{room}");
    }
}

#[test]
fn a_signal_goes_out_as_the_message_it_came_as() {
    let mut relay = Relay::new(Config::new());
    for kind in [SignalKind::OpenDoor, SignalKind::Phone, SignalKind::Door] {
        let signal = relay.signal(kind, "一号门");
        let message = signal.to_message();
        let again = Signal::of(signal.id, &message, signal.received);
        assert_eq!(again.as_ref(), Some(&*signal));
    }
}

/// The rooms of a node among others, with a door as link 1.
fn node() -> Relay {
    let mut config = Config::new();
    config.has_others = true;
    let mut relay = Relay::new(config);
    relay.announce(1, SignalKind::Door, "1203");
    relay.drain();
    relay
}

fn relayed(outputs: &[Output]) -> usize {
    let relayed = outputs
        .iter()
        .filter(|output| matches!(output, Output::Relay(_)));
    relayed.count()
}

#[test]
//= docs/spec/zzw-push-proto.md#door
//= type=test
//# A door frame that is let through MUST be told to the other nodes, which send it on to their links
//# by the same rules, and to no node.
fn what_one_node_lets_through_others_send_on_once_in_time_and_to_no_node() {
    let mut here = node();
    let signal = here.signal(SignalKind::OpenDoor, "1203");
    here.hand_over(2, &signal, true);
    let outputs = here.drain();
    assert_eq!(short(&outputs), ["1<t8"]);
    assert_eq!(relayed(&outputs), 1);
    // The door may be elsewhere: that nobody is here is no loss.
    let elsewhere = here.signal(SignalKind::OpenDoor, "1204");
    here.hand_over(2, &elsewhere, true);
    assert_eq!(relayed(&here.drain()), 1);

    let mut there = node();
    there.input(Input::FarSignal(signal.clone()));
    let outputs = there.drain();
    assert_eq!(
        (short(&outputs), relayed(&outputs)),
        (vec!["1<t8".into()], 0)
    );
    assert!(outputs.contains(&Output::Event(Event::FarSignal(signal.clone(), Ok(1)))));
    there.input(Input::FarSignal(signal.clone()));
    let again = Event::FarSignal(signal, Err(SignalDrop::Repeated));
    assert_eq!(there.drain(), [Output::Event(again)]);
    let late = there.signal(SignalKind::OpenDoor, "1203");
    there.wait(secs(5));
    there.input(Input::FarSignal(late.clone()));
    let late = Event::FarSignal(late, Err(SignalDrop::Late));
    assert_eq!(there.drain(), [Output::Event(late)]);
    assert_eq!(there.rooms.counters().signals_dropped, 2);
}

#[test]
fn what_is_not_let_through_is_told_to_no_node() {
    let mut relay = node();
    let denied = relay.signal(SignalKind::OpenDoor, "1203");
    relay.hand_over(2, &denied, false);
    let wrong_side = relay.signal(SignalKind::OpenDoor, "1203");
    relay.hand_over(1, &wrong_side, true);
    let late = relay.signal(SignalKind::OpenDoor, "1203");
    relay.wait(secs(6));
    relay.hand_over(2, &late, true);
    assert_eq!(relayed(&relay.drain()), 0);
}

#[test]
fn who_announces_itself_elsewhere_is_not_announced_here() {
    let mut relay = node();
    let door = relay.signal(SignalKind::Door, "1203");
    relay.input(Input::FarSignal(door));
    let command = relay.signal(SignalKind::OpenDoor, "1203");
    relay.hand_over(2, &command, true);
    assert_eq!(relay.heard(), ["1<t8"], "one door, which is here");
}

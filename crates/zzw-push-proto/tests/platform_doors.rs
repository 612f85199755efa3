//! A command to open a door, from the link it comes on through broker and rooms to the door (K-4).

mod platform_kit;

use platform_kit::{Rig, config, secs};
use std::sync::Arc;
use std::time::Duration;
use zzw_push_proto::platform::{
    AskId, Event, Input, LinkId, NodeId, NodeInfo, NodeMessage, Output, Rule, Verdict,
};
use zzw_push_proto::rooms::{self, Rooms, Signal, SignalDrop, SignalId, SignalKind};
use zzw_push_proto::wire::{NodeCounts, Service};

const OPEN: &str = r#"{"t":8,"r":"1203","u":"m_2"}"#;

/// A phone as link 1 and a door as link 2, announced, at one broker with its rooms.
struct Doorstep {
    rig: Rig,
    rooms: Rooms,
    /// The phone's link.
    phone: u64,
    handed_over: u64,
    /// How often the rooms told a door to open, and what they dropped.
    opened: usize,
    dropped: Vec<SignalDrop>,
}

impl Doorstep {
    fn new(rule: Rule) -> Self {
        let mut config = config();
        config.rules.open_door = rule;
        let mut rig = Rig::new(config);
        rig.bind(1, "m_2");
        rig.bind(2, "d_1203");
        rig.says(2, r#"{"t":10,"r":"1203","u":"d_1203"}"#);
        let mut doorstep = Self {
            rig,
            rooms: Rooms::new(rooms::Config::new()),
            phone: 1,
            handed_over: 0,
            opened: 0,
            dropped: Vec::new(),
        };
        doorstep.carry();
        doorstep
    }

    /// Takes to the rooms what is for them, as a driver does.
    fn carry(&mut self) {
        for output in std::mem::take(&mut self.rig.log) {
            let Output::Door {
                link,
                received,
                message,
                is_authorised,
            } = output
            else {
                self.rig.log.push(output);
                continue;
            };
            self.handed_over += 1;
            let signal = Signal::of(SignalId(self.handed_over), &message, received);
            let input = rooms::Input::Signal {
                link,
                signal: Arc::new(signal.expect("it is one")),
                is_authorised,
            };
            self.rooms.handle_input(self.rig.now, input);
        }
        while let Some(output) = self.rooms.poll_output() {
            match output {
                rooms::Output::Signal { signal, .. } if signal.kind == SignalKind::OpenDoor => {
                    self.opened += 1;
                }
                rooms::Output::Event(rooms::Event::SignalDropped { why, .. }) => {
                    self.dropped.push(why);
                }
                _ => {}
            }
        }
    }

    fn says(&mut self, json: &str) {
        self.rig.says(self.phone, json);
        self.carry();
    }

    fn wait(&mut self, by: Duration) {
        self.rig.wait(by);
        self.rooms.handle_timeout(self.rig.now);
        self.carry();
    }

    fn asked(&mut self) -> AskId {
        let is_question = |event: &Event| match event {
            Event::Asked(id, _) => Some(*id),
            _ => None,
        };
        let asked = self.rig.events().iter().find_map(is_question);
        asked.expect("the application is asked")
    }

    fn decide(&mut self, id: AskId, verdict: Verdict) {
        self.rig.platform.decide(self.rig.now, id, verdict).unwrap();
        self.rig.drain();
        self.carry();
    }
}

#[test]
//= docs/spec/zzw-push-proto.md#permission
//# A command to open a door that is denied MUST be handed to the rooms as denied, so that it is
//# reported, and not be answered.
fn a_door_command_without_authorisation_is_dropped_counted_and_reported() {
    for rule in [Rule::Deny, Rule::Ask] {
        let mut doorstep = Doorstep::new(rule);
        doorstep.says(OPEN);
        if rule == Rule::Ask {
            let ask = doorstep.asked();
            doorstep.decide(ask, Verdict::Deny);
        }
        assert_eq!(doorstep.opened, 0);
        assert_eq!(doorstep.dropped, [SignalDrop::Unauthorised]);
        assert_eq!(doorstep.rig.platform.snapshot().denied, 1);
        assert_eq!(doorstep.rooms.counters().signals_dropped, 1);
    }
}

#[test]
//= docs/spec/zzw-push-proto.md#permission
//# A door frame MUST be handed to the rooms once, with the time at which it came, and never to the
//# store.
fn a_door_command_is_not_stored() {
    let mut doorstep = Doorstep::new(Rule::Allow);
    let store = format!("{:?}", doorstep.rig.store);
    doorstep.rig.is_held = true;
    doorstep.says(OPEN);
    assert!(doorstep.rig.asked.is_empty(), "the store is asked nothing");
    assert_eq!(format!("{:?}", doorstep.rig.store), store);
    assert_eq!(doorstep.opened, 1);
    assert_eq!(doorstep.rig.platform.snapshot().held_bytes, 0);
}

#[test]
//= docs/spec/zzw-push-proto.md#permission
//# A door frame MUST be handed to the rooms once, with the time at which it came, and never to the
//# store.
fn a_door_command_is_not_redelivered() {
    let mut doorstep = Doorstep::new(Rule::Allow);
    doorstep.says(OPEN);
    assert_eq!((doorstep.opened, doorstep.handed_over), (1, 2));
    // Neither as time goes by, nor to whoever comes back, nor for who sent it and comes back.
    doorstep.wait(secs(80));
    doorstep.rig.input(Input::Disconnected(LinkId(1)));
    doorstep.rig.input(Input::Disconnected(LinkId(2)));
    doorstep.rig.bind(3, "m_2");
    doorstep.rig.bind(4, "d_1203");
    doorstep.rig.says(4, r#"{"t":10,"r":"1203","u":"d_1203"}"#);
    doorstep.wait(secs(80));
    assert_eq!((doorstep.opened, doorstep.handed_over), (1, 3));
    // What waits on a link that ends dies with it.
    let mut doorstep = Doorstep::new(Rule::Ask);
    doorstep.says(OPEN);
    let ask = doorstep.asked();
    doorstep.rig.input(Input::Disconnected(LinkId(1)));
    let verdict = Verdict::Allow;
    let late = doorstep.rig.platform.decide(doorstep.rig.now, ask, verdict);
    assert!(late.is_err());
    doorstep.wait(secs(10));
    assert_eq!(doorstep.opened, 0);
}

#[test]
//= docs/spec/zzw-push-proto.md#permission
//# A door frame MUST be handed to the rooms once, with the time at which it came, and never to the
//# store.
//= docs/spec/zzw-push-proto.md#permission
//# A command to open a door that has waited for `door_life` MUST be dropped, counted and reported
//# even if it is allowed.
fn a_late_door_command_is_dropped() {
    // It waits 4 s for its link's alias and 4 s for the application: 8 s are too many.
    let mut doorstep = Doorstep::new(Rule::Ask);
    doorstep.rig.input(Input::Disconnected(LinkId(1)));
    doorstep.rig.is_held = true;
    doorstep.phone = 3;
    doorstep.rig.bind(3, "m_2");
    doorstep.says(OPEN);
    doorstep.wait(secs(4));
    doorstep.rig.is_held = false;
    doorstep.rig.answer_all();
    let ask = doorstep.asked();
    doorstep.wait(secs(4));
    doorstep.decide(ask, Verdict::Allow);
    assert_eq!(doorstep.opened, 0);
    assert_eq!(doorstep.rig.platform.snapshot().late, 1);
    let late = Event::DoorTooLate(LinkId(3));
    assert!(doorstep.rig.events().contains(&late), "it is reported");
    // Less is not.
    doorstep.says(OPEN);
    let ask = doorstep.asked();
    doorstep.wait(secs(4));
    doorstep.decide(ask, Verdict::Allow);
    assert_eq!(doorstep.opened, 1);
}

#[test]
//= docs/spec/zzw-push-proto.md#permission
//= type=test
//# The same MUST become of one that may have waited so long because the process stood still.
fn what_may_have_waited_while_the_process_stood_still_opens_no_door() {
    let pause = |seconds| Input::Paused(secs(seconds));
    let mut doorstep = Doorstep::new(Rule::Allow);
    // Shorter than what a command may take: it was not too late when it came.
    doorstep.rig.input(pause(2));
    doorstep.rig.says(1, OPEN);
    doorstep.carry();
    assert_eq!(doorstep.opened, 1);
    doorstep.rig.input(pause(11));
    doorstep.rig.says(1, OPEN);
    doorstep.carry();
    assert_eq!(doorstep.opened, 1);
    assert!(
        doorstep
            .rig
            .events()
            .contains(&Event::DoorTooLate(LinkId(1)))
    );
    assert_eq!(doorstep.rig.platform.snapshot().late, 1);
    // Whoever announces itself is there all the same.
    doorstep.rig.says(2, r#"{"t":10,"r":"1203","u":"d_1203"}"#);
    // What comes later was sent later.
    doorstep.rig.wait(Duration::from_millis(2_500));
    doorstep.rig.says(1, OPEN);
    doorstep.carry();
    assert_eq!(doorstep.opened, 2);
}

#[test]
fn a_frame_for_the_rooms_of_other_nodes_keeps_its_age() {
    let message = platform_kit::message(OPEN);
    let mut doorstep = Doorstep::new(Rule::Allow);
    let rig = &mut doorstep.rig;
    let info = NodeInfo::new("192.0.2.2", Service::default(), NodeCounts::default());
    let from = |message| Input::FromNode {
        node: NodeId(2),
        message,
    };
    rig.input(from(NodeMessage::Announce(info)));
    let received = rig.now;
    rig.wait(secs(1));
    let now = rig.now;
    rig.platform.relay_door(now, received, &message);
    rig.drain();
    let told = rig.log.pop();
    let Some(Output::Relay { node, message }) = told else {
        panic!("{told:?}");
    };
    let age = secs(1);
    assert_eq!(node, NodeId(2));
    let NodeMessage::Door { age: told, .. } = &message else {
        panic!("{message:?}");
    };
    assert_eq!(*told, age);
    rig.input(from(message.clone()));
    let handed_over = rig.log.pop();
    let Some(Output::FarDoor { received, .. }) = handed_over else {
        panic!("{handed_over:?}");
    };
    assert_eq!(received + age, now);
    // Nobody knows how long it has waited by now.
    rig.input(Input::Paused(secs(11)));
    rig.input(from(message));
    let is_far = |output: &Output| matches!(output, Output::FarDoor { .. });
    assert!(!rig.log.iter().any(is_far));
    assert_eq!(rig.platform.snapshot().late, 1);
}

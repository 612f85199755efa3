//! What the device is sent: at least once on the wire, once for the application.

mod device_kit;

use device_kit::{ME, Rig, config, delivery, push, secs};
use zzw_push_proto::device::{Ack, Config, Event, Input, Output, Recovered, Refused, Seq};
use zzw_push_proto::wire::{self, Message, Mid};

fn with(ack: Ack) -> Config {
    let mut config = config();
    config.ack = ack;
    config
}

fn ack(mid: &str) -> Output {
    Output::Send(Message::Ack(wire::Ack::new(ME, Mid::new(mid))))
}

fn told(mid: &str) -> Output {
    Output::Event(Event::Delivered(delivery(mid)))
}

#[test]
//= docs/spec/zzw-push-proto.md#device-delivery
//# The device MUST report a delivery once as long as its id is among the last `remembered`.
//= docs/spec/zzw-push-proto.md#device-delivery
//# The device MUST acknowledge a delivery that comes again if it may acknowledge it.
//= docs/spec/zzw-push-proto.md#device-delivery
//# The device MUST acknowledge with its alias and the id as it came.
//= docs/spec/zzw-push-proto.md#device-delivery
//# The device MUST acknowledge a delivery behind its report under `Automatic`, when it is told to
//# under `Manual`, and once it is stored under `Stored`.
fn a_delivery_is_reported_once_and_acknowledged_as_often_as_it_comes() {
    let mut rig = Rig::bound(with(Ack::Automatic));
    rig.hear(push("1"));
    assert_eq!(rig.take(), [told("1"), ack("1")]);
    rig.hear(push("1"));
    assert_eq!(rig.take(), [ack("1")]);
    rig.cut();
    rig.wait_for_dial();
    rig.bind();
    rig.take();
    rig.hear(push("1"));
    assert_eq!(rig.take(), [ack("1")]);
    assert_eq!(rig.device.counters().repeated, 2);
}

#[test]
//= docs/spec/zzw-push-proto.md#message
//# What comes from a server with an id and a body MUST be read as a delivery, whatever its type.
fn whatever_has_an_id_and_a_body_is_a_delivery() {
    let mut rig = Rig::bound(with(Ack::Automatic));
    for line in [
        r#"{"t":5,"mid":7,"msg":"x"}"#,
        r#"{"t":-5,"mid":"8","msg":{"a":1}}"#,
        r#"{"t":99,"alias":"m_2","mid":"9","msg":null}"#,
    ] {
        rig.hear_line(line);
        let outputs = rig.take();
        let is_right = matches!(
            &outputs[..],
            [
                Output::Event(Event::Delivered(_)),
                Output::Send(Message::Ack(_))
            ]
        );
        assert!(is_right, "{outputs:?}");
    }
}

#[test]
//= docs/spec/zzw-push-proto.md#device-delivery
//# The device MUST acknowledge a delivery behind its report under `Automatic`, when it is told to
//# under `Manual`, and once it is stored under `Stored`.
fn a_delivery_that_is_acknowledged_by_hand_waits_for_that() {
    let mut rig = Rig::bound(with(Ack::Manual));
    rig.hear(push("1"));
    rig.hear(push("1"));
    assert_eq!(rig.take(), [told("1")]);
    let (now, mid) = (rig.now, || Mid::new("1"));
    assert_eq!(rig.device.acknowledge(now, mid()), Ok(()));
    assert_eq!(rig.device.acknowledge(now, mid()), Ok(()));
    assert_eq!(rig.take(), [ack("1")]);
    rig.hear(push("1"));
    assert_eq!(rig.take(), [ack("1")]);
}

#[test]
fn what_was_never_delivered_is_not_acknowledged() {
    let mut rig = Rig::bound(with(Ack::Manual));
    let refused = Err(Refused::Unknown(Mid::new("1")));
    assert_eq!(rig.device.acknowledge(rig.now, Mid::new("1")), refused);
    let mut rig = Rig::bound(with(Ack::Automatic));
    rig.hear(push("1"));
    let refused = Err(Refused::Unsupported(Mid::new("1")));
    assert_eq!(rig.device.acknowledge(rig.now, Mid::new("1")), refused);
}

#[test]
//= docs/spec/zzw-push-proto.md#device-delivery
//# The device MUST NOT queue acknowledgements for a link.
fn what_is_acknowledged_without_a_link_is_told_the_server_when_it_comes_again() {
    let mut rig = Rig::bound(with(Ack::Manual));
    rig.hear(push("1"));
    rig.cut();
    assert_eq!(rig.device.acknowledge(rig.now, Mid::new("1")), Ok(()));
    rig.wait_for_dial();
    rig.bind();
    rig.take();
    rig.hear(push("1"));
    assert_eq!(rig.take(), [ack("1")]);
}

#[test]
//= docs/spec/zzw-push-proto.md#device-delivery
//# The device MUST acknowledge a delivery behind its report under `Automatic`, when it is told to
//# under `Manual`, and once it is stored under `Stored`.
//= docs/spec/zzw-push-proto.md#device-delivery
//# The device MUST NOT report or acknowledge a delivery under `Stored` before it is stored.
fn a_stored_delivery_is_reported_and_acknowledged_once_it_is_stored() {
    let mut rig = Rig::bound(with(Ack::Stored));
    rig.hear(push("1"));
    rig.hear(push("2"));
    rig.hear(push("1"));
    let stores = [
        Output::Store(Seq(0), delivery("1")),
        Output::Store(Seq(1), delivery("2")),
    ];
    assert_eq!(rig.take(), stores);
    rig.input(Input::Stored(Seq(1)));
    assert_eq!(rig.take(), [told("2"), ack("2")]);
    rig.input(Input::Stored(Seq(0)));
    rig.input(Input::Stored(Seq(0)));
    rig.input(Input::Stored(Seq(99)));
    assert_eq!(rig.take(), [told("1"), ack("1")]);
}

#[test]
//= docs/spec/zzw-push-proto.md#device-delivery
//# The device MUST take a delivery that its store has refused for a new one when it comes again.
fn a_delivery_that_was_not_stored_is_new_when_it_comes_again() {
    let mut rig = Rig::bound(with(Ack::Stored));
    rig.hear(push("1"));
    rig.take();
    rig.input(Input::StoreFailed(Seq(0)));
    let failed = Output::Event(Event::NotStored(Mid::new("1")));
    assert_eq!(rig.take(), [failed]);
    rig.hear(push("1"));
    assert_eq!(rig.take(), [Output::Store(Seq(1), delivery("1"))]);
    rig.input(Input::Stored(Seq(1)));
    assert_eq!(rig.take(), [told("1"), ack("1")]);
}

#[test]
//= docs/spec/zzw-push-proto.md#device-delivery
//# The device MUST NOT queue acknowledgements for a link.
fn a_delivery_that_is_stored_while_there_is_no_link_is_acknowledged_over_the_next() {
    let mut rig = Rig::bound(with(Ack::Stored));
    rig.hear(push("1"));
    rig.cut();
    rig.take();
    rig.input(Input::Stored(Seq(0)));
    assert_eq!(rig.take(), [told("1")]);
    rig.wait_for_dial();
    rig.bind();
    rig.take();
    rig.hear(push("1"));
    assert_eq!(rig.take(), [ack("1")]);
}

#[test]
//= docs/spec/zzw-push-proto.md#device-delivery
//# The device MUST NOT report a delivery again that its store held when it was opened.
fn what_the_store_held_is_not_stored_again() {
    let mut recovered = Recovered::empty();
    recovered.next_seq = Seq(8);
    recovered.mids = vec![Mid::new("1"), Mid::new("2")];
    let mut rig = Rig::with(with(Ack::Stored), recovered);
    rig.bind();
    rig.take();
    rig.hear(push("2"));
    rig.hear(push("3"));
    assert_eq!(rig.take(), [ack("2"), Output::Store(Seq(8), delivery("3"))]);
}

#[test]
//= docs/spec/zzw-push-proto.md#device-delivery
//# The device MUST leave a delivery alone, so that it comes again, while `max_storing` wait for the
//# store.
fn what_exceeds_the_stores_queue_is_left_to_come_again() {
    let mut config = with(Ack::Stored);
    config.max_storing = 2;
    let mut rig = Rig::bound(config);
    for mid in ["1", "2", "3"] {
        rig.hear(push(mid));
    }
    assert_eq!(rig.take().len(), 2);
    assert_eq!(
        (rig.device.storing(), rig.device.counters().deferred),
        (2, 1)
    );
    rig.input(Input::Stored(Seq(0)));
    rig.take();
    rig.hear(push("3"));
    assert_eq!(rig.take(), [Output::Store(Seq(2), delivery("3"))]);
}

#[test]
//= docs/spec/zzw-push-proto.md#device-delivery
//# The device MUST report a delivery once as long as its id is among the last `remembered`.
fn the_last_256_ids_are_remembered() {
    let mut rig = Rig::bound(with(Ack::Automatic));
    for nth in 0..256 {
        rig.hear(push(&nth.to_string()));
    }
    rig.take();
    rig.hear(push("0"));
    assert_eq!(rig.take(), [ack("0")]);
    rig.hear(push("256"));
    rig.take();
    rig.hear(push("0"));
    assert_eq!(rig.take(), [told("0"), ack("0")]);
}

#[test]
//= docs/spec/zzw-push-proto.md#device-delivery
//# The device MUST NOT acknowledge an id of more than 128 bytes.
fn an_id_that_cannot_be_remembered_is_not_acknowledged() {
    let mut rig = Rig::bound(with(Ack::Automatic));
    rig.hear(push(&"9".repeat(129)));
    assert!(matches!(
        rig.take()[..],
        [Output::Event(Event::Unexpected(_))]
    ));
}

#[test]
fn a_device_that_was_closed_acknowledges_nothing_more() {
    let mut rig = Rig::bound(with(Ack::Stored));
    rig.hear(push("1"));
    rig.close();
    rig.take();
    rig.input(Input::Stored(Seq(0)));
    rig.wait(secs(100));
    assert_eq!((rig.take(), rig.device.storing()), (vec![], 0));
}

//! The device and its link: dialling, binding, heartbeats, the end.

mod device_kit;

use device_kit::{ME, Rig, beaten, config, connected, ms, no_num, push, secs, texts};
use zzw_push_proto::device::{
    Binding, Cause, Event, Input, LinkEnd, Output, Reason, Replaced, State,
};
use zzw_push_proto::wire::{
    Code, Connect, Door, Failure, Goodbye, Heartbeat, Message, Register, Token,
};

fn failure(code: Code) -> Message {
    Message::Failure(Failure::new(code, no_num()))
}

fn subscription(sent: &[Message]) -> Vec<&Register> {
    let registers = sent.iter().map(|message| match message {
        Message::Register(register) => Some(register),
        _ => None,
    });
    registers.flatten().collect()
}

#[test]
//= docs/spec/zzw-push-proto.md#device-link
//# The device MUST send type 14 and a heartbeat, in this order, as the first lines of a link.
//= docs/spec/zzw-push-proto.md#device-link
//# The device MUST take an answer to type 14, an answer to a heartbeat that names its alias, and a
//# delivery for the proof that it is bound.
//= docs/spec/zzw-push-proto.md#device-link
//# The device MUST register all its topics on every link once it is bound, at most 100 in one
//# message.
fn a_device_dials_binds_and_subscribes_to_everything() {
    let mut config = config();
    config.topics = vec!["c_1".into(), "c_2".into()];
    config.token = Some(Token::new("secret"));
    let mut rig = Rig::new(config);
    assert_eq!(rig.take(), [Output::Connect]);
    assert_eq!(rig.device.state(), State::Opening);

    rig.input(Input::Connected);
    let mut connect = Connect::new(ME);
    connect.token = Some(Token::new("secret"));
    let mut heartbeat = Heartbeat::new(ME);
    heartbeat.token = Some(Token::new("secret"));
    let first = [Message::Connect(connect), Message::Heartbeat(heartbeat)];
    assert_eq!(rig.sent(), first);
    assert_eq!(rig.device.state(), State::Opening);

    rig.hear(connected(0));
    assert_eq!(rig.device.state(), State::Bound);
    let outputs = rig.take();
    let [Output::Event(Event::Bound), Output::Send(register)] = &outputs[..] else {
        panic!("{outputs:?}");
    };
    let Message::Register(request) = register else {
        panic!("{register:?}");
    };
    assert_eq!(request.topics, texts(&["c_1", "c_2"]));
    assert!(!request.num.as_str().is_empty());
    rig.hear(device_kit::done(register));
    assert_eq!(rig.events(), [Event::Subscribed]);
}

#[test]
//= docs/spec/zzw-push-proto.md#device-link
//# The device MUST send a heartbeat as its first event on a link over Socket.IO.
//= docs/spec/zzw-push-proto.md#device-link
//# The device MUST say goodbye over Socket.IO when it is closed while it is bound.
fn over_socket_io_the_handshake_tells_the_alias_and_the_heartbeat_repeats_it() {
    let mut config = config();
    config.binding = Binding::Handshake;
    let mut rig = Rig::new(config);
    rig.take();
    rig.input(Input::Connected);
    let sent = rig.sent();
    assert_eq!(sent, [Message::Heartbeat(Heartbeat::new(ME))]);
    rig.hear(beaten()); // a server that sends no `connect_c`
    assert_eq!(rig.device.state(), State::Bound);
    rig.take();
    rig.close();
    let goodbye = Message::Goodbye(Goodbye::new(ME));
    let closed = Output::Event(Event::Closed(Reason::Local));
    assert_eq!(
        rig.take(),
        [Output::Send(goodbye), closed, Output::Disconnect]
    );
}

#[test]
//= docs/spec/zzw-push-proto.md#device-link
//# The device MUST take an answer to type 14, an answer to a heartbeat that names its alias, and a
//# delivery for the proof that it is bound.
fn a_server_that_knows_no_connect_frame_binds_by_the_heartbeat() {
    let mut rig = Rig::new(config());
    rig.input(Input::Connected);
    rig.take();
    rig.hear(failure(Code::UnknownType));
    assert!(matches!(rig.events()[..], [Event::LinkError(_)]));
    rig.hear_line(r#"{"t":-1}"#); // it knows no alias yet
    assert_eq!(rig.device.state(), State::Opening);
    rig.hear_line(r#"{"t":-1,"alias":"m_2"}"#);
    assert_eq!(rig.device.state(), State::Bound);
}

#[test]
//= docs/spec/zzw-push-proto.md#device-link
//# The device MUST take an answer to type 14, an answer to a heartbeat that names its alias, and a
//# delivery for the proof that it is bound.
fn a_delivery_proves_that_the_link_is_bound() {
    let mut rig = Rig::new(config());
    rig.input(Input::Connected);
    rig.take();
    rig.hear(push("1"));
    assert!(matches!(
        rig.events()[..],
        [Event::Bound, Event::Delivered(_)]
    ));
}

#[test]
//= docs/spec/zzw-push-proto.md#device-link
//# The device MUST leave a server that has not accepted its alias within `bind_timeout`.
fn a_server_that_does_not_accept_the_alias_in_time_is_left() {
    let mut rig = Rig::new(config());
    rig.input(Input::Connected);
    rig.take();
    rig.wait(secs(10));
    let down = Output::Event(Event::Down(LinkEnd::Unbound));
    assert_eq!(rig.take(), [Output::Disconnect, down]);
}

#[test]
//= docs/spec/zzw-push-proto.md#device-link
//# The device MUST leave a server at once that refuses its alias or its token.
fn a_refused_token_ends_the_link_at_once() {
    let mut rig = Rig::new(config());
    rig.input(Input::Connected);
    rig.take();
    rig.hear(failure(Code::Token));
    assert!(matches!(
        rig.events()[..],
        [Event::LinkError(_), Event::Down(LinkEnd::Rejected)]
    ));
}

#[test]
//= docs/spec/zzw-push-proto.md#device-link
//# The device MUST send a heartbeat every `heartbeat`.
fn a_heartbeat_goes_out_every_thirty_seconds() {
    let mut rig = Rig::bound(config());
    for _ in 0..10 {
        rig.wait(secs(30));
        assert_eq!(rig.sent_one(), Message::Heartbeat(Heartbeat::new(ME)));
        rig.hear(beaten());
    }
    assert_eq!(rig.events(), []);
}

#[test]
//= docs/spec/zzw-push-proto.md#device-link
//# The device MUST end a link on which nothing came for `silent_periods` times `heartbeat`.
//= docs/spec/zzw-push-proto.md#device-link
//# The device MUST take whatever comes for a sign of life.
fn three_silent_periods_end_the_link_and_any_word_prevents_that() {
    let mut rig = Rig::bound(config());
    rig.wait(secs(89));
    rig.hear(Message::Null); // even no message at all is a word
    rig.wait(secs(89));
    assert_eq!(rig.events(), []);
    rig.wait(secs(1));
    let down = Output::Event(Event::Down(LinkEnd::Silent));
    assert_eq!(rig.take(), [Output::Disconnect, down]);
    assert_eq!(rig.device.state(), State::Down);
}

#[test]
//= docs/spec/zzw-push-proto.md#device-link
//# The device MUST NOT have more than one link or dial at a time.
fn nothing_is_dialled_before_the_driver_has_ended_the_last_link() {
    let mut rig = Rig::bound(config());
    rig.wait(secs(90));
    rig.take();
    rig.wait(secs(1_000));
    rig.hear(push("1")); // still on its way in
    rig.input(Input::Connected);
    assert_eq!(rig.take(), []);
    rig.input(Input::Disconnected(Cause::Local));
    assert_eq!(rig.take(), []); // the end was told already
    rig.wait(secs(1));
    assert_eq!(rig.take(), [Output::Connect]);
}

#[test]
//= docs/spec/zzw-push-proto.md#device-link
//# The device MUST wait before dialling again for a time drawn evenly between zero and a bound that
//# doubles with each failure up to `backoff_max`.
//= docs/spec/zzw-push-proto.md#device-link
//# The device MUST reset that bound only after a link that was bound for at least `heartbeat`.
fn delays_between_dials_grow_to_a_minute_and_shrink_after_a_link_that_lasted() {
    let mut rig = Rig::new(config());
    let mut longest = ms(0);
    for nth in 0..40 {
        rig.take();
        rig.input(Input::Disconnected(Cause::Unreachable));
        let down = Event::Down(LinkEnd::Disconnected(Cause::Unreachable));
        assert_eq!(rig.events(), [down]);
        let delay = rig.wait_for_dial();
        let bound = secs(1 << nth.min(6)).min(secs(60));
        assert!(delay > ms(0) && delay <= bound, "{delay:?} of {bound:?}");
        longest = longest.max(delay);
    }
    assert!(longest > secs(30));

    // Taken and dropped at once is no success.
    let mut sum = ms(0);
    for _ in 0..20 {
        rig.bind();
        rig.cut();
        rig.take();
        sum += rig.wait_for_dial();
    }
    assert!(sum > secs(100), "{sum:?}");

    rig.bind();
    rig.wait(secs(30));
    rig.cut();
    rig.take();
    assert!(rig.wait_for_dial() <= secs(1));
}

#[test]
//= docs/spec/zzw-push-proto.md#device-link
//# The device MUST report the gap that a server tells.
fn messages_lost_to_the_servers_limits_are_reported() {
    let mut rig = Rig::new(config());
    rig.input(Input::Connected);
    rig.take();
    rig.hear_line(r#"{"t":-14,"alias":"m_2","gap":3}"#);
    assert_eq!(rig.events(), [Event::Bound, Event::Gap(3)]);
}

#[test]
//= docs/spec/zzw-push-proto.md#device-link
//# The device MUST NOT dial again when another link has taken its alias, unless it was told after
//# which time to.
fn a_device_that_is_replaced_ends_instead_of_fighting_for_its_alias() {
    let mut rig = Rig::bound(config());
    rig.hear_line(r#"{"t":0,"error":"replaced","num":""}"#);
    let closed = Output::Event(Event::Closed(Reason::Replaced));
    assert_eq!(rig.take(), [closed, Output::Disconnect]);
    assert!(rig.device.is_closed() && rig.device.poll_timeout().is_none());
}

#[test]
//= docs/spec/zzw-push-proto.md#device-link
//# The device MUST NOT dial again when another link has taken its alias, unless it was told after
//# which time to.
fn a_device_that_may_come_back_stays_away_for_as_long_as_it_was_told() {
    let mut config = config();
    config.replaced = Replaced::After(secs(300));
    let mut rig = Rig::bound(config);
    rig.hear(failure(Code::Replaced));
    assert_eq!(rig.events(), [Event::Down(LinkEnd::Replaced)]);
    rig.input(Input::Disconnected(Cause::Closed));
    assert_eq!(rig.wait_for_dial(), secs(300));
}

#[test]
//= docs/spec/zzw-push-proto.md#device-link
//# The device MUST end a link with `max_garbled` unreadable messages within a minute.
fn ten_garbled_messages_within_a_minute_end_the_link() {
    let mut rig = Rig::bound(config());
    for _ in 0..9 {
        rig.hear_line("garbage");
    }
    rig.wait(secs(60));
    for _ in 0..9 {
        rig.hear_line("garbage");
    }
    let events = rig.events();
    let is_garbled = |event: &Event| matches!(event, Event::Garbled(_));
    assert!(events.len() == 18 && events.iter().all(is_garbled));
    rig.hear_line("garbage");
    assert_eq!(rig.events()[1..], [Event::Down(LinkEnd::Garbled)]);
}

#[test]
//= docs/spec/zzw-push-proto.md#device-link
//# The device MUST pass up what it has not expected and what is for another alias.
fn what_nobody_knows_is_passed_up() {
    let mut rig = Rig::bound(config());
    for line in [
        r#"{"t":12,"x":1}"#,
        r#"{"t":-6,"num":"999"}"#,
        r#"{"t":0,"error":"late","num":"999"}"#,
        r#"{"t":1,"alias":"m_2"}"#,
        r#"{"t":5,"alias":"m_3","mid":"1","msg":"for another"}"#,
        r#"{"t":-14,"alias":"m_3"}"#,
    ] {
        rig.hear_line(line);
        assert!(matches!(
            rig.take()[..],
            [Output::Event(Event::Unexpected(_))]
        ));
    }
    rig.hear_line("null");
    assert_eq!(rig.take(), []);
    assert_eq!(rig.device.counters().unexpected, 6);
}

#[test]
//= docs/spec/zzw-push-proto.md#device-link
//# The device MUST register all its topics on every link once it is bound, at most 100 in one
//# message.
fn more_topics_than_a_frame_holds_go_in_several() {
    let mut config = config();
    config.topics = (0..250).map(|nth| format!("c_{nth}").into()).collect();
    let mut rig = Rig::new(config);
    rig.bind();
    let sent = rig.sent();
    let parts: Vec<usize> = subscription(&sent).iter().map(|r| r.topics.len()).collect();
    assert_eq!(parts, [100, 100, 50]);
    let registers = sent.iter().filter(|m| matches!(m, Message::Register(_)));
    for register in registers {
        assert_eq!(rig.events(), []);
        rig.hear(device_kit::done(register));
    }
    assert_eq!(rig.events(), [Event::Subscribed]);
}

#[test]
//= docs/spec/zzw-push-proto.md#device-link
//# The device MUST offer topics again after `heartbeat` that the server has not taken.
fn topics_that_the_server_does_not_take_are_offered_again() {
    let mut config = config();
    config.topics = vec!["c_1".into()];
    let mut rig = Rig::new(config);
    rig.bind();
    let sent = rig.sent();
    let num = subscription(&sent)[0].num.clone();
    rig.hear(Message::Failure(Failure::new(Code::StoreUnavailable, num)));
    assert!(matches!(rig.events()[..], [Event::NotSubscribed { .. }]));
    rig.wait(secs(30));
    assert_eq!(subscription(&rig.sent()).len(), 1);
    rig.hear(beaten());
    rig.wait(secs(10)); // no answer at all
    assert!(matches!(rig.events()[..], [Event::NotSubscribed { .. }]));
    rig.wait(secs(30));
    assert_eq!(subscription(&rig.sent()).len(), 1);
}

#[test]
//= docs/spec/zzw-push-proto.md#device-delivery
//# The device MUST report a request to open a door once within `door_window`, and none while it is
//# not bound.
fn a_request_to_open_the_door_is_reported_once() {
    let mut rig = Rig::bound(config());
    let ask = || Message::OpenDoor(Door::new("r_1", "u_1"));
    rig.hear(ask());
    rig.hear(ask());
    assert_eq!(rig.events(), [Event::DoorAsked(Door::new("r_1", "u_1"))]);
    rig.wait(ms(4_999));
    rig.hear(ask());
    rig.cut();
    rig.wait(ms(1));
    rig.wait_for_dial();
    rig.take();
    rig.input(Input::Connected);
    rig.hear(ask()); // not bound: nobody knows for whom it is
    assert_eq!(rig.events(), []);
    rig.hear(connected(0));
    rig.take();
    rig.hear(ask());
    assert_eq!(rig.events(), [Event::DoorAsked(Door::new("r_1", "u_1"))]);
    assert_eq!(rig.device.counters().doors_dropped, 3);
}

#[test]
//= docs/spec/zzw-push-proto.md#device-delivery
//# The device MUST drop requests to open doors beyond 16 within `door_window`.
fn a_flood_of_requests_to_open_doors_is_cut_short() {
    let mut rig = Rig::bound(config());
    for nth in 0..1_000 {
        rig.hear(Message::OpenDoor(Door::new("r", nth.to_string())));
    }
    assert_eq!(rig.events().len(), 16);
}

#[test]
//= docs/spec/zzw-push-proto.md#device-link
//# A machine that is closed MUST report so once, and no other event after that.
fn a_closed_device_says_so_last_and_nothing_more() {
    let mut rig = Rig::bound(config());
    let request = rig.device.topics(rig.now).expect("taken");
    rig.take();
    rig.close();
    let events = [
        Output::Event(device_kit::timed_out(request, true)),
        Output::Event(Event::Closed(Reason::Local)),
        Output::Disconnect,
    ];
    assert_eq!(rig.take(), events);
    rig.hear(push("1"));
    rig.cut();
    rig.close();
    rig.wait(secs(1_000));
    assert_eq!((rig.take(), rig.device.poll_timeout()), (vec![], None));
    assert!(rig.device.topics(rig.now).is_err());
}

#[test]
//= docs/spec/zzw-push-proto.md#permission
//# Tokens, bodies of messages, what a device tells about itself and frames of rooms MUST NOT appear
//# in debug output.
fn what_is_secret_is_not_shown() {
    let mut config = config();
    config.token = Some(Token::new("s3cret"));
    let mut rig = Rig::new(config);
    rig.input(Input::Connected);
    rig.hear(push("1"));
    let outputs = rig.take();
    let shown = format!("{:?} {outputs:?}", rig.device);
    assert!(!shown.contains("s3cret") && !shown.contains("有人按门铃"));
}

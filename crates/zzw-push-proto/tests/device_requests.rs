//! The device's commands: each ends in exactly one event.

mod device_kit;

use device_kit::{ME, Rig, beaten, body, config, done, push, secs, texts, timed_out};
use zzw_push_proto::device::{Ack, Answer, Binding, Event, Input, Refused, RequestId};
use zzw_push_proto::wire::{
    Batch, Bodies, Code, Door, Failure, Message, Num, Publish, Texts, Topics,
};

fn publish(rig: &mut Rig) -> RequestId {
    let taken = rig.device.publish_to_alias(rig.now, "m_3", body("1"));
    taken.expect("taken")
}

fn socket_io() -> zzw_push_proto::device::Config {
    let mut config = config();
    config.binding = Binding::Handshake;
    config
}

#[test]
//= docs/spec/zzw-push-proto.md#device-command
//# Every command MUST end in exactly one of an answer, a failure and a time-out.
//= docs/spec/zzw-push-proto.md#device-command
//# The device MUST take a reply for that of the request with its number, as text or as a number,
//# and one without a number for that of the only request that it can answer.
fn each_command_is_answered_with_what_it_asked_for() {
    let mut rig = Rig::bound(config());
    let now = rig.now;
    let topics = rig.device.topics(now).expect("taken");
    let info = rig.device.server_info(now).expect("taken");
    let register = rig.device.register(now, texts(&["c_1"])).expect("taken");
    let published = publish(&mut rig);
    let sent = rig.sent();
    assert!(matches!(
        &sent[..],
        [
            Message::Topics(_),
            Message::Counts(_),
            Message::Register(_),
            Message::Publish(_)
        ]
    ));

    let num = |nth: usize| Message::num(&sent[nth]).as_str().to_owned();
    rig.hear(done(&sent[3])); // in any order
    rig.hear_line(&format!(r#"{{"t":-3,"num":{},"topic":["c_1"]}}"#, num(0))); // as a number
    rig.hear_line(
        r#"{"One2OneSize":1,"One2ManySize":2,"Many2ManySize":3,"channelSize":4}"#, // with none
    );
    rig.hear(done(&sent[2]));
    let events = rig.events();
    let answers: Vec<(RequestId, &Answer)> = events
        .iter()
        .map(|event| match event {
            Event::Answered(id, answer) => (*id, answer),
            other => panic!("{other:?}"),
        })
        .collect();
    let expected = Answer::Topics(texts(&["c_1"]));
    assert_eq!(answers[0], (published, &Answer::Published));
    assert_eq!(answers[1], (topics, &expected));
    let (id, Answer::ServerInfo(counts)) = answers[2] else {
        panic!("{events:?}");
    };
    assert_eq!((id, counts.channels), (info, 4));
    assert_eq!(answers[3], (register, &Answer::Registered));
    assert_eq!(rig.device.waiting(), 0);
}

#[test]
//= docs/spec/zzw-push-proto.md#device-command
//# The device MUST take a reply for that of the request with its number, as text or as a number,
//# and one without a number for that of the only request that it can answer.
fn the_status_of_others_is_asked_over_socket_io_only() {
    let mut rig = Rig::bound(config());
    let refused = Err(Refused::Unsupported("m_3".into()));
    assert_eq!(rig.device.status(rig.now, "m_3".into()), refused);

    let mut rig = Rig::bound(socket_io());
    assert!(rig.device.server_info(rig.now).is_err());
    let door = Door::new("r", "u");
    let refused = Err(Refused::Unsupported(door.clone()));
    assert_eq!(rig.device.open_door(rig.now, door), refused);

    let other = rig.device.status(rig.now, "m_3".into()).expect("taken");
    let own = rig.device.status(rig.now, ME.into()).expect("taken");
    // The document's answers have no number, but they tell of whom they are.
    rig.hear_line(r#"{"alias":"m_2","list":["c_2"],"status":"online"}"#);
    rig.hear_line(r#"{"alias":"m_3","list":[],"status":"offline"}"#);
    let events = rig.events();
    let who: Vec<(RequestId, bool)> = events
        .iter()
        .map(|event| match event {
            Event::Answered(id, Answer::Status(status)) => (*id, status.is_online),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(who, [(own, true), (other, false)]);
}

#[test]
//= docs/spec/zzw-push-proto.md#device-command
//# The device MUST number its requests with a text of milliseconds that it never uses again, except
//# for a pull that asks for the same messages.
fn numbers_are_milliseconds_and_never_used_twice() {
    let mut rig = Rig::bound(config());
    let mut nums = Vec::new();
    for nth in 0..50 {
        rig.device.topics(rig.now).expect("taken");
        nums.extend(rig.sent().iter().map(|m| {
            let num: u64 = m.num().as_str().parse().expect("a number");
            num
        }));
        let num = nums[nth];
        rig.hear_line(&format!(r#"{{"t":-3,"num":"{num}","topic":[]}}"#));
        if nth % 10 == 0 {
            rig.wait(secs(1));
        }
    }
    rig.take();
    assert!(nums.windows(2).all(|pair| pair[0] < pair[1]), "{nums:?}");
    assert!(nums[49] >= 5_000 && nums[49] < 5_100, "{nums:?}");
}

#[test]
fn a_failure_tells_which_command_and_why() {
    let mut rig = Rig::bound(config());
    let (first, second) = (publish(&mut rig), publish(&mut rig));
    let sent = rig.sent();
    let failure = Failure::new(Code::Busy, sent[1].num().clone());
    let text = failure.error.clone();
    rig.hear(Message::Failure(failure));
    let failed = Event::Failed {
        request: second,
        code: Some(Code::Busy),
        text,
    };
    assert_eq!(rig.events(), [failed]);
    rig.hear(done(&sent[0]));
    assert_eq!(rig.events(), [Event::Answered(first, Answer::Published)]);
}

#[test]
//= docs/spec/zzw-push-proto.md#device-command
//# The device MUST take a failure without a number for that of its only request, unless it may be
//# about a heartbeat or a door frame.
fn a_failure_without_a_number_is_that_of_the_only_command() {
    let mut rig = Rig::bound(config());
    let only = publish(&mut rig);
    rig.hear_line(r#"{"t":0,"error":"参数不全"}"#);
    let failed = Event::Failed {
        request: only,
        code: None,
        text: "参数不全".into(),
    };
    assert_eq!(rig.events(), [failed]);
}

#[test]
//= docs/spec/zzw-push-proto.md#device-command
//# The device MUST take a failure without a number for that of its only request, unless it may be
//# about a heartbeat or a door frame.
fn a_failure_without_a_number_belongs_to_nobody_when_it_may_be_of_another() {
    let complaint = r#"{"t":0,"error":"参数不全","num":""}"#;
    let is_complaint = |events: &[Event]| matches!(events, [Event::LinkError(_)]);

    let mut rig = Rig::bound(config());
    rig.hear_line(complaint);
    assert!(is_complaint(&rig.events()), "nothing was asked");

    publish(&mut rig);
    publish(&mut rig);
    rig.hear_line(complaint);
    assert!(is_complaint(&rig.events()), "two were asked");

    let mut rig = Rig::bound(config());
    publish(&mut rig);
    rig.device
        .open_door(rig.now, Door::new("r", "u"))
        .expect("sent");
    rig.hear_line(complaint);
    assert!(is_complaint(&rig.events()), "the door may be meant");

    let mut rig = Rig::bound(config());
    rig.wait(secs(30));
    publish(&mut rig);
    rig.hear_line(complaint);
    assert!(is_complaint(&rig.events()), "the heartbeat may be meant");
    rig.hear(beaten());
    rig.hear_line(complaint);
    assert!(matches!(rig.events()[..], [Event::Failed { .. }]));
}

#[test]
//= docs/spec/zzw-push-proto.md#device-command
//# The device MUST end a command within `request_timeout`, the time it waits for a link included.
fn a_command_without_an_answer_ends_after_ten_seconds_and_a_late_answer_is_passed_up() {
    let mut rig = Rig::bound(config());
    let request = publish(&mut rig);
    let sent = rig.sent_one();
    rig.wait(secs(10));
    assert_eq!(rig.events(), [timed_out(request, true)]);
    rig.hear(done(&sent));
    assert_eq!(rig.events(), [Event::Unexpected(done(&sent))]);
}

#[test]
//= docs/spec/zzw-push-proto.md#device-command
//# The device MUST end a command within `request_timeout`, the time it waits for a link included.
fn a_command_waits_for_a_link_as_long_as_for_an_answer() {
    let mut rig = Rig::new(config());
    rig.take();
    let late = publish(&mut rig);
    rig.wait(secs(10));
    assert_eq!(rig.events(), [timed_out(late, false)]);
    let timely = publish(&mut rig);
    rig.wait(secs(9));
    rig.bind();
    let sent = rig.sent();
    rig.hear(done(sent.last().expect("the command")));
    assert_eq!(rig.events(), [Event::Answered(timely, Answer::Published)]);
}

#[test]
//= docs/spec/zzw-push-proto.md#device-command
//# The device MUST NOT send a publication over another link that may have been carried out over the
//# last.
//= docs/spec/zzw-push-proto.md#device-command
//# The device MUST send every other request again over the next link that was not answered over the
//# last, without topics that a later one has changed.
fn over_the_next_link_only_what_may_be_done_twice_is_done_again() {
    let mut config = config();
    config.backoff_max = secs(1);
    let mut rig = Rig::bound(config);
    let risky = publish(&mut rig);
    let safe = rig.device.topics(rig.now).expect("taken");
    let before = rig.sent();
    rig.cut();
    let events = rig.events();
    assert_eq!(events[0], timed_out(risky, true));
    assert_eq!(events.len(), 2); // and `Down`
    rig.wait_for_dial();
    rig.take();
    rig.bind();
    let again = rig.sent().pop().expect("the safe one");
    assert!(matches!(again, Message::Topics(_)));
    assert_ne!(again.num(), before[1].num());
    rig.hear_line(&format!(
        r#"{{"t":-3,"num":"{}","topic":[]}}"#,
        again.num().as_str()
    ));
    let answer = Answer::Topics(Topics::default());
    assert_eq!(rig.events(), [Event::Answered(safe, answer)]);
}

#[test]
//= docs/spec/zzw-push-proto.md#device-command
//# The device MUST send a command to open a door at once or refuse it, and never again.
fn a_door_is_opened_now_or_not_at_all() {
    let mut rig = Rig::new(config());
    let door = || Door::new("r_1", "u_1");
    let refused = || Err(Refused::NotBound(door()));
    assert_eq!(rig.device.open_door(rig.now, door()), refused());
    rig.input(Input::Connected);
    assert_eq!(rig.device.open_door(rig.now, door()), refused());
    rig.take();
    rig.hear(device_kit::connected(0));
    assert_eq!(rig.events(), [Event::Bound]);

    assert_eq!(rig.device.open_door(rig.now, door()), Ok(()));
    assert_eq!(rig.device.phone_present(rig.now, door()), Ok(()));
    assert_eq!(rig.device.door_present(rig.now, door()), Ok(()));
    let frames = [
        Message::OpenDoor(door()),
        Message::Phone(door()),
        Message::Door(door()),
    ];
    assert_eq!(rig.sent(), frames);
    rig.cut();
    assert_eq!(rig.device.open_door(rig.now, door()), refused());
    rig.wait_for_dial();
    rig.take();
    rig.bind();
    let is_door = |message: &Message| matches!(message, Message::OpenDoor(_));
    assert!(!rig.sent().iter().any(is_door), "opened a second time");
}

#[test]
//= docs/spec/zzw-push-proto.md#device-command
//# The device MUST refuse commands while `max_requests` wait, and topics beyond `max_topics`.
fn at_most_sixty_four_commands_wait() {
    let mut rig = Rig::bound(config());
    for _ in 0..64 {
        publish(&mut rig);
    }
    let refused = rig.device.publish_to_alias(rig.now, "m_3", body("1"));
    assert!(matches!(refused, Err(Refused::Full(_))));
    assert_eq!(rig.device.topics(rig.now), Err(Refused::Full(())));
    let sent = rig.sent();
    rig.hear(done(&sent[10]));
    publish(&mut rig);
    rig.wait(secs(10));
    assert_eq!(rig.device.waiting(), 0);
}

#[test]
//= docs/spec/zzw-push-proto.md#message
//# An alias or a topic MUST have 1 to 128 bytes, without a slash and without control characters.
//= docs/spec/zzw-push-proto.md#device-command
//# The device MUST refuse a command that no server would take.
fn what_no_server_would_take_is_given_back() {
    let mut rig = Rig::bound(config());
    let now = rig.now;
    let none = Texts::default();
    assert_eq!(
        rig.device.register(now, none.clone()),
        Err(Refused::Invalid(none))
    );
    for name in ["", "a/b", "a\nb", &"x".repeat(129)] {
        let topics = texts(&[name]);
        let refused = Err(Refused::Invalid(topics.clone()));
        assert_eq!(rig.device.unregister(now, topics), refused);
    }
    let many: Topics = (0..101).map(|nth| nth.to_string()).collect();
    assert!(rig.device.register(now, many).is_err());
    let long = zzw_push_proto::wire::Json::text(&"x".repeat(64 << 10));
    let publish = Publish::to_topics(texts(&["c"]), long, Num::Absent);
    let refused = Err(Refused::Invalid(publish.clone()));
    assert_eq!(rig.device.publish(now, publish), refused);
    assert_eq!(rig.take(), []);
}

#[test]
//= docs/spec/zzw-push-proto.md#device-link
//# The device MUST register topics on later links that were registered by command, and none that
//# were removed or refused.
fn registered_topics_are_subscribed_to_on_every_link_and_removed_ones_are_not() {
    let mut config = config();
    config.topics = vec!["c_1".into()];
    let mut rig = Rig::bound(config);
    let now = rig.now;
    rig.device
        .register(now, texts(&["c_2", "c_3"]))
        .expect("taken");
    rig.device
        .unregister(now, texts(&["c_1", "c_3"]))
        .expect("taken");
    for request in rig.sent() {
        rig.hear(done(&request));
    }
    assert_eq!(rig.device.subscriptions(), ["c_2"]);
    rig.cut();
    rig.wait_for_dial();
    rig.take();
    rig.bind();
    let sent = rig.sent();
    let Some(Message::Register(register)) = sent.last() else {
        panic!("{sent:?}");
    };
    assert_eq!(register.topics, texts(&["c_2"]));
}

#[test]
//= docs/spec/zzw-push-proto.md#device-command
//# The device MUST send every other request again over the next link that was not answered over the
//# last, without topics that a later one has changed.
fn what_is_sent_again_undoes_nothing_that_was_done_later() {
    let mut rig = Rig::bound(config());
    let now = rig.now;
    let change = |rig: &mut Rig, adds: &[&str], removes: &[&str]| {
        let taken = if removes.is_empty() {
            rig.device.register(now, texts(adds))
        } else {
            rig.device.unregister(now, texts(removes))
        };
        taken.expect("taken")
    };
    // Of each pair, the later one is answered, and the answer to the earlier one is lost.
    let removal = change(&mut rig, &[], &["c_1"]);
    change(&mut rig, &["c_1"], &[]);
    let addition = change(&mut rig, &["c_2"], &[]);
    change(&mut rig, &[], &["c_2"]);
    let both = change(&mut rig, &["c_3", "c_4"], &[]);
    change(&mut rig, &[], &["c_3"]);
    let sent = rig.sent();
    for nth in [1, 3, 5] {
        rig.hear(done(&sent[nth]));
    }
    rig.events();
    rig.cut();
    let events = rig.events();
    let lost = [timed_out(removal, true), timed_out(addition, true)];
    assert!(
        lost.iter().all(|event| events.contains(event)),
        "{events:?}"
    );
    rig.wait_for_dial();
    rig.take();
    rig.bind();
    let sent = rig.sent();
    let registers = sent.iter().filter_map(|message| match message {
        Message::Register(register) => Some((register.topics.clone(), register.untopics.clone())),
        _ => None,
    });
    let registers: Vec<(Topics, Topics)> = registers.collect();
    let nothing = Topics::default();
    let expected = [
        (texts(&["c_1"]), nothing.clone()),
        (texts(&["c_4"]), nothing),
    ];
    assert_eq!(registers, expected);
    rig.hear(done(sent.last().unwrap()));
    let answered = Event::Answered(both, Answer::Registered);
    assert!(rig.events().contains(&answered));
}

#[test]
//= docs/spec/zzw-push-proto.md#device-link
//# The device MUST register topics on later links that were registered by command, and none that
//# were removed or refused.
fn a_refused_registration_is_not_repeated_on_later_links() {
    let mut rig = Rig::bound(config());
    rig.device
        .register(rig.now, texts(&["c_2"]))
        .expect("taken");
    let num = rig.sent_one().num().clone();
    rig.hear(Message::Failure(Failure::new(Code::NotAllowed, num)));
    assert!(rig.device.subscriptions().is_empty());
}

#[test]
//= docs/spec/zzw-push-proto.md#device-command
//# The device MUST refuse commands while `max_requests` wait, and topics beyond `max_topics`.
fn topics_are_bounded() {
    let mut config = config();
    config.max_topics = 3;
    let mut rig = Rig::bound(config);
    rig.device
        .register(rig.now, texts(&["a", "b"]))
        .expect("taken");
    let two = texts(&["c", "d"]);
    let refused = Err(Refused::Full(two.clone()));
    assert_eq!(rig.device.register(rig.now, two), refused);
    rig.device.register(rig.now, texts(&["c"])).expect("taken");
}

fn batch(mids: &[&str], num: &Num) -> Message {
    let bodies: Bodies = mids.iter().map(|mid| body(mid)).collect();
    Message::Batch(Batch::new(bodies, texts(mids), num.clone()))
}

fn pulled(request: RequestId, fresh: usize, repeated: usize) -> Event {
    let bare = Bodies::default();
    Event::Answered(
        request,
        Answer::Pulled {
            fresh,
            repeated,
            bare,
        },
    )
}

#[test]
//= docs/spec/zzw-push-proto.md#device-delivery
//# The device MUST treat pulled messages with ids like pushed ones, and give those without in the
//# answer.
fn pulled_messages_are_delivered_like_pushed_ones() {
    let mut rig = Rig::bound(config());
    rig.hear(push("1"));
    rig.take();
    let request = rig.device.pull(rig.now).expect("taken");
    assert_eq!(rig.device.pull(rig.now), Err(Refused::Busy(())));
    let num = rig.sent_one().num().clone();
    rig.hear(batch(&["1", "2"], &num));
    rig.hear(push("2"));
    let outputs = rig.take();
    let acks = outputs.iter().filter(|output| {
        use zzw_push_proto::device::Output;
        matches!(output, Output::Send(Message::Ack(_)))
    });
    assert_eq!(acks.count(), 3); // 1, 2, and 2 again
    let events = outputs.into_iter().filter_map(|output| match output {
        zzw_push_proto::device::Output::Event(event) => Some(event),
        _ => None,
    });
    let delivered = Event::Delivered(device_kit::delivery("2"));
    assert_eq!(
        events.collect::<Vec<_>>(),
        [delivered, pulled(request, 1, 1)]
    );
}

#[test]
//= docs/spec/zzw-push-proto.md#device-delivery
//# The device MUST treat pulled messages with ids like pushed ones, and give those without in the
//# answer.
fn pulled_messages_without_ids_are_in_the_answer() {
    let mut rig = Rig::bound(config());
    let request = rig.device.pull(rig.now).expect("taken");
    rig.hear_line(r#"{"t":-4,"msg":["有人",{"a":1}],"num":""}"#);
    let events = rig.events();
    let [Event::Answered(id, Answer::Pulled { fresh, bare, .. })] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!((*id, *fresh, bare.len()), (request, 0, 2));
}

#[test]
//= docs/spec/zzw-push-proto.md#device-delivery
//# The device MUST pull with the last number of its link until all that came with it is
//# acknowledged.
fn another_number_would_acknowledge_a_pull_so_it_comes_only_after_all_is_acknowledged() {
    let mut config = config();
    config.ack = Ack::Manual;
    let mut rig = Rig::bound(config);
    let pull = |rig: &mut Rig| {
        rig.device.pull(rig.now).expect("taken");
        rig.sent_one().num().clone()
    };
    let first = pull(&mut rig);
    rig.wait(secs(10)); // the answer is late
    rig.take();
    let second = pull(&mut rig);
    assert_eq!(first, second);
    rig.hear(batch(&["1", "2"], &second));
    rig.take();
    let mid = |mid: &str| zzw_push_proto::wire::Mid::new(mid);
    rig.device.acknowledge(rig.now, mid("1")).expect("known");
    rig.take();
    let third = pull(&mut rig);
    assert_eq!(second, third);
    rig.hear(batch(&["1", "2"], &third));
    rig.take();
    rig.device.acknowledge(rig.now, mid("2")).expect("known");
    rig.take();
    assert_ne!(third, pull(&mut rig));
}

#[test]
//= docs/spec/zzw-push-proto.md#device-delivery
//# The device MUST treat pulled messages with ids like pushed ones, and give those without in the
//# answer.
fn an_answer_to_a_pull_that_nobody_waits_for_any_more_still_delivers() {
    let mut rig = Rig::bound(config());
    rig.device.pull(rig.now).expect("taken");
    let num = rig.sent_one().num().clone();
    rig.wait(secs(10));
    rig.take();
    rig.hear(batch(&["1"], &num));
    let delivered = Event::Delivered(device_kit::delivery("1"));
    assert_eq!(rig.events(), [delivered]);
}

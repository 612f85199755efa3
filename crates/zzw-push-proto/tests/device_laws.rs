//! What holds for the device whatever happens to it.

mod device_kit;

use device_kit::{ME, beaten, body, config, connected, ms, push, texts};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Instant;
use zzw_push_proto::device::{
    Ack, Binding, Cause, Config, Device, Event, Input, Output, Recovered, Replaced, RequestId, Seq,
    State,
};
use zzw_push_proto::wire::{
    Batch, Bodies, Code, Counts, Door, Failure, Lenience, Message, Mid, Num, Numbered, TopicList,
};

/// One thing that happens.
#[derive(Debug, Clone)]
enum Happening {
    Connected,
    Hear(Box<Message>),
    Garbled,
    Disconnected(Cause),
    Stored(u64),
    StoreFailed(u64),
    Register(u8),
    Unregister(u8),
    Topics,
    Pull,
    Publish(u8),
    Status,
    ServerInfo,
    Door,
    Acknowledge(u8),
    Wait,
}

/// Numbers that requests may well have: the first few, and those of busy milliseconds.
fn num() -> impl Strategy<Value = Num> {
    prop_oneof![
        2 => Just(Num::Absent),
        6 => (0_u32..40).prop_map(|num| Num::new(num.to_string())),
        3 => (0_u32..4_000).prop_map(|num| Num::new(num.to_string())),
    ]
}

fn mid() -> impl Strategy<Value = String> {
    (0_u8..12).prop_map(|mid| mid.to_string())
}

fn code() -> impl Strategy<Value = Code> {
    prop_oneof![
        4 => Just(Code::Busy),
        2 => Just(Code::UnknownType),
        1 => Just(Code::Token),
        1 => Just(Code::Replaced),
    ]
}

fn message() -> impl Strategy<Value = Message> {
    let numbered = || num().prop_map(Numbered::new);
    prop_oneof![
        8 => (0_u64..3).prop_map(connected),
        4 => Just(beaten()),
        16 => mid().prop_map(|mid| push(&mid)),
        4 => (vec(mid(), 0..5), num()).prop_map(|(mids, num)| {
            let bodies: Bodies = mids.iter().map(|mid| body(mid)).collect();
            Message::Batch(Batch::new(bodies, mids.iter().collect(), num))
        }),
        4 => numbered().prop_map(Message::Registered),
        4 => numbered().prop_map(Message::Published),
        2 => num().prop_map(|num| Message::TopicList(TopicList::new(texts(&["c"]), num))),
        2 => num().prop_map(|num| {
            let mut counts = Counts::default();
            counts.num = num;
            Message::CountsReply(counts)
        }),
        5 => (code(), num()).prop_map(|(code, num)| Message::Failure(Failure::new(code, num))),
        2 => Just(Message::OpenDoor(Door::new("r", "u"))),
        1 => Just(Message::Phone(Door::new("r", "u"))),
        1 => Just(Message::Null),
    ]
}

fn happening() -> impl Strategy<Value = Happening> {
    let cause = prop_oneof![Just(Cause::Broken), Just(Cause::Unreachable)];
    prop_oneof![
        12 => Just(Happening::Connected),
        40 => message().prop_map(|message| Happening::Hear(Box::new(message))),
        2 => Just(Happening::Garbled),
        6 => cause.prop_map(Happening::Disconnected),
        8 => (0_u64..20).prop_map(Happening::Stored),
        3 => (0_u64..20).prop_map(Happening::StoreFailed),
        3 => (0_u8..5).prop_map(Happening::Register),
        2 => (0_u8..5).prop_map(Happening::Unregister),
        2 => Just(Happening::Topics),
        4 => Just(Happening::Pull),
        5 => (0_u8..9).prop_map(Happening::Publish),
        1 => Just(Happening::Status),
        1 => Just(Happening::ServerInfo),
        2 => Just(Happening::Door),
        4 => (0_u8..12).prop_map(Happening::Acknowledge),
        6 => Just(Happening::Wait),
    ]
}

fn histories() -> impl Strategy<Value = Vec<(u64, Happening)>> {
    let pause = prop_oneof![6 => 0_u64..50, 3 => 0_u64..2_000, 1 => 0_u64..100_000];
    vec((pause, happening()), 0..150)
}

fn small() -> impl Strategy<Value = Config> {
    let ack = prop_oneof![Just(Ack::Automatic), Just(Ack::Manual), Just(Ack::Stored)];
    let replaced = prop_oneof![
        Just(Replaced::Close),
        Just(Replaced::After(ms(0))),
        Just(Replaced::After(ms(90_000)))
    ];
    let binding = prop_oneof![2 => Just(Binding::Frame), 1 => Just(Binding::Handshake)];
    (ack, replaced, binding, any::<bool>()).prop_map(|(ack, replaced, binding, is_quick)| {
        let mut config = config();
        (config.ack, config.replaced, config.binding) = (ack, replaced, binding);
        config.topics = vec!["c_1".into()];
        (config.max_requests, config.max_topics) = (4, 4);
        (config.remembered, config.max_storing, config.max_garbled) = (6, 3, 3);
        if is_quick {
            // Times that are no times.
            (config.heartbeat, config.request_timeout) = (ms(700), ms(0));
            (config.backoff_min, config.backoff_max, config.bind_timeout) = (ms(0), ms(0), ms(0));
        }
        config
    })
}

fn apply(device: &mut Device, now: Instant, happening: &Happening) -> Option<RequestId> {
    let topic = |nth: &u8| texts(&[&format!("t_{nth}")]);
    let input = match happening {
        Happening::Register(nth) => return device.register(now, topic(nth)).ok(),
        Happening::Unregister(nth) => return device.unregister(now, topic(nth)).ok(),
        Happening::Topics => return device.topics(now).ok(),
        Happening::Pull => return device.pull(now).ok(),
        Happening::Publish(nth) => {
            let body = body(&nth.to_string());
            return device.publish_to_alias(now, "m_3", body).ok();
        }
        Happening::Status => return device.status(now, ME.into()).ok(),
        Happening::ServerInfo => return device.server_info(now).ok(),
        Happening::Door => {
            let is_bound = device.state() == State::Bound;
            let taken = device.open_door(now, Door::new("r", "u"));
            assert!(is_bound || taken.is_err());
            return None;
        }
        Happening::Acknowledge(mid) => {
            drop(device.acknowledge(now, Mid::new(mid.to_string())));
            return None;
        }
        Happening::Wait => {
            device.handle_timeout(now);
            return None;
        }
        Happening::Connected => Input::Connected,
        Happening::Hear(message) => Input::Received((**message).clone()),
        Happening::Garbled => {
            let error = Message::decode("x".into(), Lenience::default());
            Input::Garbled(error.expect_err("garbage"))
        }
        Happening::Disconnected(cause) => Input::Disconnected(*cause),
        Happening::Stored(seq) => Input::Stored(Seq(*seq)),
        Happening::StoreFailed(seq) => Input::StoreFailed(Seq(*seq)),
    };
    device.handle_input(now, input);
    None
}

/// Runs a history with timers on time; `watch` sees the device after each step.
fn run(
    config: &Config,
    history: &[(u64, Happening)],
    mut watch: impl FnMut(&mut Device, Instant),
) -> (Device, Instant, Vec<RequestId>) {
    let mut device = Device::new(config.clone(), Recovered::empty());
    let (mut now, mut asked) = (origin(), Vec::new());
    for (pause, happening) in history {
        let next = now + ms(*pause);
        while let Some(due) = device.poll_timeout().filter(|&due| due <= next) {
            device.handle_timeout(due);
            watch(&mut device, due);
        }
        now = next;
        asked.extend(apply(&mut device, now, happening));
        watch(&mut device, now);
    }
    device.close(now);
    watch(&mut device, now);
    (device, now, asked)
}

/// One origin for all runs, so that they can be compared.
fn origin() -> Instant {
    static ORIGIN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    *ORIGIN.get_or_init(testkit::epoch)
}

fn drain(device: &mut Device) -> Vec<Output> {
    std::iter::from_fn(|| device.poll_output()).collect()
}

/// The request that an event ends.
fn ended(output: &Output) -> Option<RequestId> {
    match output {
        Output::Event(
            Event::Answered(request, _)
            | Event::Failed { request, .. }
            | Event::TimedOut { request, .. },
        ) => Some(*request),
        _ => None,
    }
}

proptest! {
    #[test]
    //= docs/spec/zzw-push-proto.md#device-link
    //# When outputs are drained and how often timers fire MUST NOT change what a machine does.
    fn draining_late_changes_nothing_and_a_replay_repeats_it(config in small(), history in histories()) {
        let mut eager = Vec::new();
        run(&config, &history, |device, _| eager.extend(drain(device)));
        let (mut lazy, ..) = run(&config, &history, |_, _| {});
        prop_assert_eq!(&eager, &drain(&mut lazy));
        let (mut again, ..) = run(&config, &history, |_, _| {});
        prop_assert_eq!(eager, drain(&mut again));
    }

    #[test]
    //= docs/spec/zzw-push-proto.md#device-link
    //# A machine that is closed MUST report so once, and no other event after that.
    fn closed_is_said_once_and_last(config in small(), history in histories()) {
        let (mut device, now, _) = run(&config, &history, |_, _| {});
        prop_assert!(device.is_closed() && device.state() == State::Closed);
        device.close(now);
        apply(&mut device, now, &Happening::Hear(Box::new(push("1"))));
        prop_assert_eq!(apply(&mut device, now, &Happening::Topics), None);
        let outputs = drain(&mut device);
        let closed = |output: &&Output| matches!(output, Output::Event(Event::Closed(_)));
        prop_assert_eq!(outputs.iter().filter(closed).count(), 1);
        prop_assert!(closed(&&outputs[outputs.len() - 2]));
        prop_assert_eq!(outputs.last(), Some(&Output::Disconnect));
        prop_assert_eq!(device.poll_timeout(), None);
    }

    #[test]
    //= docs/spec/zzw-push-proto.md#device-link
    //# When outputs are drained and how often timers fire MUST NOT change what a machine does.
    fn timers_move_on_and_firing_twice_or_early_is_harmless(config in small(), history in histories()) {
        let mut failure = None;
        run(&config, &history, |device, now| {
            drain(device);
            device.handle_timeout(now);
            if !drain(device).is_empty() || device.poll_timeout().is_some_and(|due| due <= now) {
                failure = Some(now);
            }
        });
        prop_assert_eq!(failure, None);
    }

    #[test]
    //= docs/spec/zzw-push-proto.md#device-command
    //# Every command MUST end in exactly one of an answer, a failure and a time-out.
    fn every_command_ends_once(config in small(), history in histories()) {
        let (mut device, _, mut asked) = run(&config, &history, |_, _| {});
        let mut ends: Vec<RequestId> = drain(&mut device).iter().filter_map(ended).collect();
        ends.sort();
        asked.sort();
        prop_assert_eq!(ends, asked);
    }

    #[test]
    //= docs/spec/zzw-push-proto.md#device-command
    //# The device MUST refuse commands while `max_requests` wait, and topics beyond `max_topics`.
    fn what_is_held_is_bounded(config in small(), history in histories()) {
        let mut failure = None;
        run(&config, &history, |device, now| {
            let sizes = (device.waiting(), device.storing(), device.subscriptions().len());
            if sizes.0 > config.max_requests || sizes.1 > config.max_storing || sizes.2 > config.max_topics {
                failure = Some((now, sizes));
            }
        });
        prop_assert_eq!(failure, None);
    }

    /// Everything the driver relies on: what is dialled ends before the next is dialled; nothing is
    /// sent without a link, and nothing but the frames that bind before it is bound; numbers are used
    /// once, but for pulls.
    #[test]
    //= docs/spec/zzw-push-proto.md#device-link
    //# The device MUST NOT have more than one link or dial at a time.
    //= docs/spec/zzw-push-proto.md#device-link
    //# The device MUST NOT send anything else before it is bound.
    //= docs/spec/zzw-push-proto.md#device-command
    //# The device MUST number its requests with a text of milliseconds that it never uses again,
    //# except for a pull that asks for the same messages.
    //= docs/spec/zzw-push-proto.md#device-command
    //# The device MUST send a command to open a door at once or refuse it, and never again.
    fn links_come_one_after_the_other_and_numbers_once(config in small(), history in histories()) {
        let (mut is_dialled, mut is_up, mut is_bound, mut doors) = (false, false, false, 0);
        let mut nums: BTreeMap<String, bool> = BTreeMap::new();
        let mut device = Device::new(config.clone(), Recovered::empty());
        let mut now = origin();
        let mut opened = 0;
        for (pause, happening) in &history {
            now += ms(*pause);
            device.handle_timeout(now);
            for step in 0..2 {
                for output in drain(&mut device) {
                    match output {
                        Output::Connect => {
                            prop_assert!(!is_dialled);
                            is_dialled = true;
                        }
                        Output::Disconnect => (is_up, is_bound) = (false, false),
                        Output::Event(Event::Bound) => is_bound = true,
                        Output::Send(message) => {
                            prop_assert!(is_up, "{:?} without a link", message);
                            let binds = matches!(message, Message::Connect(_) | Message::Heartbeat(_));
                            prop_assert!(is_bound || binds, "{:?} too early", message);
                            doors += usize::from(matches!(message, Message::OpenDoor(_)));
                            if !message.num().as_str().is_empty() {
                                let is_pull = matches!(message, Message::Pull(_));
                                let before = nums.insert(message.num().as_str().into(), is_pull);
                                prop_assert!(before.is_none() || (is_pull && before == Some(true)));
                            }
                        }
                        _ => {}
                    }
                }
                if step == 1 {
                    break;
                }
                match happening {
                    Happening::Connected => is_up |= is_dialled && device.state() == State::Opening,
                    Happening::Disconnected(_) => (is_dialled, is_up, is_bound) = (false, false, false),
                    Happening::Door if is_bound && config.binding == Binding::Frame => opened += 1,
                    _ => {}
                }
                apply(&mut device, now, happening);
            }
        }
        prop_assert!(doors <= opened);
    }
}

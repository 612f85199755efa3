//! What holds for the terminal whatever happens to it.

mod device_kit;

use device_kit::{Store, THERE, config, item, ms, off, to};
use face_record_push::device::{
    AttemptId, Cause, Config, Device, Durability, Event, Fault, Input, Op, OpId, Output, Overflow,
    Seq, State, StoreError,
};
use face_record_push::{Answer, AnswerError, Ask, AskError, ExchangeId, Subscription};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::time::Instant;

/// One thing that happens; requests and posts are counted from 1, and may not be there.
#[derive(Debug, Clone)]
enum Happening {
    Record(usize),
    Stored(u64),
    StoreFailed(u64, StoreError),
    Loaded(u64, Option<u64>),
    Answer(u64, u16, i64, Option<u64>),
    Garbled(u64),
    Disconnected(u64),
    Connected,
    Ask(Ask),
    Misask,
    Unask(u64),
    Configure(Subscription),
    Resume,
    Fault(Fault),
    ClearFaults,
    Wait,
}

fn happening() -> impl Strategy<Value = Happening> {
    let id = || 1_u64..40;
    let error = prop_oneof![3 => Just(StoreError::Full), 1 => Just(StoreError::Broken)];
    let ask = prop_oneof![
        Just(Ask::Read),
        any::<(bool, Option<bool>)>().prop_map(|(is_new, is_enabled)| Ask::Change {
            event_dest: is_new.then(|| THERE.to_owned()),
            is_enabled,
        }),
    ];
    let fault = prop_oneof![
        Just(Fault::TwoAtOnce),
        Just(Fault::Rewritten),
        (0.0..1.0).prop_map(Fault::Duplicate),
        (0.0..1.0).prop_map(Fault::LoseAck),
    ];
    prop_oneof![
        12 => (0_usize..5_000).prop_map(Happening::Record),
        20 => id().prop_map(Happening::Stored),
        4 => (id(), error).prop_map(|(op, error)| Happening::StoreFailed(op, error)),
        10 => (id(), prop::option::weighted(0.9, 0_u64..9)).prop_map(|(op, item)| Happening::Loaded(op, item)),
        10 => (id(), prop_oneof![4 => Just(200_u16), 1 => 100_u16..600], prop_oneof![4 => Just(200_i64), 1 => Just(500)], prop::option::of(0_u64..1_000))
            .prop_map(|(attempt, status, code, after)| Happening::Answer(attempt, status, code, after)),
        2 => id().prop_map(Happening::Garbled),
        3 => id().prop_map(Happening::Disconnected),
        1 => Just(Happening::Connected),
        3 => ask.prop_map(Happening::Ask),
        1 => Just(Happening::Misask),
        1 => id().prop_map(Happening::Unask),
        2 => any::<bool>().prop_map(|is_on| Happening::Configure(if is_on { to(THERE) } else { off() })),
        3 => Just(Happening::Resume),
        1 => fault.prop_map(Happening::Fault),
        1 => Just(Happening::ClearFaults),
        4 => Just(Happening::Wait),
    ]
}

fn happenings() -> impl Strategy<Value = Vec<(u64, Happening)>> {
    vec((0_u64..2_000, happening()), 0..120)
}

fn small() -> impl Strategy<Value = Config> {
    let overflow = prop_oneof![
        Just(Overflow::DropOldest),
        Just(Overflow::RefuseNew),
        Just(Overflow::DropImages),
        Just(Overflow::DropImagesThenRefuse),
    ];
    let durability = prop_oneof![
        Just(Durability::BeforeSend),
        Just(Durability::Concurrent),
        Just(Durability::Lazy(ms(300))),
    ];
    (overflow, durability).prop_map(|(overflow, durability)| {
        let mut config = config();
        (config.overflow, config.durability) = (overflow, durability);
        (config.max_records, config.max_bytes, config.max_unstored) = (5, 20_000, 4);
        (config.max_questions, config.poison_after) = (3, Some(2));
        config
    })
}

fn apply(device: &mut Device, now: Instant, nth: usize, happening: &Happening) {
    let exchange = ExchangeId(nth as u64);
    let input = match happening.clone() {
        Happening::Record(picture) => return drop(device.record(now, item(nth as u64, picture))),
        Happening::Configure(wanted) => return drop(device.configure(now, wanted)),
        Happening::Resume => return device.resume(now, Store::default().recovered()),
        Happening::Fault(fault) => return device.fault(now, fault),
        Happening::ClearFaults => return device.clear_faults(now),
        Happening::Wait => return device.handle_timeout(now),
        Happening::Stored(op) => Input::Stored(OpId(op)),
        Happening::StoreFailed(op, error) => Input::StoreFailed(OpId(op), error),
        Happening::Loaded(op, nth) => {
            Input::Loaded(OpId(op), nth.map(|nth| std::sync::Arc::new(item(nth, 9))))
        }
        Happening::Answer(attempt, status, code, after) => {
            let mut answer = Answer::new(status, Some(code));
            answer.retry_after = after.map(device_kit::secs);
            Input::Received(AttemptId(attempt), answer)
        }
        Happening::Garbled(attempt) => {
            Input::Garbled(AttemptId(attempt), AnswerError::NotJson(200))
        }
        Happening::Disconnected(attempt) => Input::Disconnected(AttemptId(attempt), Cause::Tls),
        Happening::Connected => Input::Connected,
        Happening::Ask(ask) => Input::Asked(exchange, ask),
        Happening::Misask => Input::Misasked(exchange, AskError::NotJson),
        Happening::Unask(exchange) => Input::Unasked(ExchangeId(exchange)),
    };
    device.handle_input(now, input);
}

/// Runs a history with timers on time; `watch` sees the terminal after each step.
fn run(
    config: &Config,
    history: &[(u64, Happening)],
    mut watch: impl FnMut(&mut Device, Instant),
) -> (Device, Instant) {
    let store = Store {
        subscription: to(device_kit::HERE),
        ..Store::default()
    };
    let mut device = Device::new(config.clone(), store.recovered());
    let mut now = origin();
    for (nth, (pause, happening)) in history.iter().enumerate() {
        let next = now + ms(*pause);
        while let Some(due) = device.poll_timeout().filter(|&due| due <= next) {
            device.handle_timeout(due);
            watch(&mut device, due);
        }
        now = next;
        apply(&mut device, now, nth, happening);
        watch(&mut device, now);
    }
    device.close(now);
    watch(&mut device, now);
    while let Some(due) = device.poll_timeout() {
        now = due;
        device.handle_timeout(due);
        watch(&mut device, due);
    }
    (device, now)
}

/// One origin for all runs, so that they can be compared.
fn origin() -> Instant {
    static ORIGIN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    *ORIGIN.get_or_init(testkit::epoch)
}

fn drain(device: &mut Device) -> Vec<Output> {
    std::iter::from_fn(|| device.poll_output()).collect()
}

proptest! {
    #[test]
    fn draining_late_changes_nothing_and_a_replay_repeats_it(config in small(), history in happenings()) {
        let mut eager = Vec::new();
        run(&config, &history, |device, _| eager.extend(drain(device)));
        let (mut lazy, _) = run(&config, &history, |_, _| {});
        prop_assert_eq!(&eager, &drain(&mut lazy));
        let (mut again, _) = run(&config, &history, |_, _| {});
        prop_assert_eq!(eager, drain(&mut again));
    }

    #[test]
    fn closed_is_said_once_and_last(config in small(), history in happenings()) {
        let (mut device, now) = run(&config, &history, |_, _| {});
        prop_assert!(device.is_closed() && device.state() == State::Closed);
        device.close(now);
        apply(&mut device, now, 0, &Happening::Ask(Ask::Read));
        let outputs = drain(&mut device);
        let closed = |output: &&Output| matches!(output, Output::Event(Event::Closed(_)));
        //= docs/spec/face-record-push.md#delivery
        //# A machine that is closed MUST report so once, as the last thing it says.
        prop_assert_eq!(outputs.iter().filter(closed).count(), 1);
        prop_assert!(outputs.last().as_ref().is_some_and(closed));
        prop_assert_eq!(device.poll_timeout(), None);
    }

    #[test]
    fn timers_move_on_and_firing_twice_or_early_is_harmless(config in small(), history in happenings()) {
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
    fn every_record_is_counted_once_and_every_question_answered_once(config in small(), history in happenings()) {
        let (mut asked, mut answered) = (BTreeSet::new(), Vec::new());
        for (nth, (_, happening)) in history.iter().enumerate() {
            match happening {
                Happening::Ask(_) | Happening::Misask => drop(asked.insert(nth as u64)),
                _ => {}
            }
        }
        let unasked: BTreeSet<u64> = history.iter().filter_map(|(_, happening)| match happening {
            Happening::Unask(exchange) => Some(*exchange),
            _ => None,
        }).collect();
        let mut failure = None;
        let (mut appended, mut in_flight) = (0_usize, 0_usize);
        run(&config, &history, |device, _| {
            let counters = device.counters();
            let sum = counters.acked + counters.lost + counters.buried + device.queued() as u64;
            //= docs/spec/face-record-push.md#overflow
            //# The number of records taken MUST always be that of the records acknowledged, lost, set aside, queued and on their way into the store.
            if counters.recorded != sum || counters.failed + counters.acked > counters.posts {
                failure = Some(counters);
            }
            for output in drain(device) {
                match output {
                    Output::Answer(exchange, _) => answered.push(exchange.0),
                    Output::Store(_, Op::Append { .. }) => appended += 1,
                    Output::Send(_) => in_flight += 1,
                    _ => {}
                }
            }
        });
        prop_assert_eq!(failure, None);
        prop_assert!(in_flight < 10_000 && appended < 10_000);
        let once: BTreeSet<u64> = answered.iter().copied().collect();
        prop_assert_eq!(once.len(), answered.len(), "answered twice");
        prop_assert!(once.is_subset(&asked));
        prop_assert!(asked.difference(&once).all(|exchange| unasked.contains(exchange)));
    }
}

#[test]
fn a_terminal_with_fifty_thousand_records_is_as_quick_as_one_with_ten() {
    let store = Store {
        subscription: to(device_kit::HERE),
        ..Store::default()
    };
    let mut recovered = store.recovered();
    recovered.next_seq = Seq(50_001);
    recovered.index = (1..=50_000)
        .map(|seq| face_record_push::device::IndexEntry::new(Seq(seq), 400, 60_000))
        .collect();
    let mut config = Config::new(7);
    config.max_bytes = 50_000 * (512 + 65_536);
    config.overflow = Overflow::DropImages;
    let mut device = Device::new(config, recovered);
    let now = origin();
    device.handle_timeout(now);
    drain(&mut device);
    // Each of these strips one picture and drops one row: 20,000 of them would take minutes if each
    // searched the queue.
    for nth in 0..20_000 {
        device.record(now, item(nth, 60_000)).expect("room");
        for output in drain(&mut device) {
            if let Output::Store(op, request) = output {
                if !matches!(request, Op::Load { .. }) {
                    device.handle_input(now, Input::Stored(op));
                }
            }
        }
    }
    assert_eq!(device.queued(), 50_000);
}

//! What holds for the analyser whatever happens to it.

mod device_kit;

use analyst_proto::device::{
    Busy, Config, Device, Event, Input, Op, Outcome, Output, Recovered, ReplyToTimeout, Run, State,
};
use analyst_proto::link::{DeliveryId, Down, ExchangeId, Incoming, NotSent, SendId, Seq};
use analyst_proto::wire::{ErrorCode, GoodsId, Message, NoInfo, Rejection, TaskId, Timeout};
use analyst_proto::{BrokerProfile, WireErrorKind};
use device_kit::{fail, finish, info, ms, start};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

/// One thing that happens; requests and messages are counted from 1, and may not be there.
#[derive(Debug, Clone)]
enum Happening {
    Link, // the next step of a connection
    NoInfo(u64, bool),
    Disconnected(Down),
    Start(u64, bool),
    Timeout(Option<u64>, bool),
    WrongWay(u64),
    Garbled,
    Sent(u64),
    NotSent(u64, NotSent),
    Stored(u64),
    StoreFailed(u64),
    Complete(u64, u32, bool),
    Stopped(u64, u32),
    Wait,
}

fn happening() -> impl Strategy<Value = Happening> {
    let id = || 1_u64..5;
    let run = || 1_u32..4;
    let down = prop_oneof![
        4 => Just(Down::Lost),
        1 => Just(Down::BadCredentials),
        1 => (1_u8..6).prop_map(Down::Refused),
        1 => Just(Down::Timeout),
    ];
    let not_sent = prop_oneof![Just(NotSent::TooLarge), Just(NotSent::Closed)];
    prop_oneof![
        12 => Just(Happening::Link),
        1 => (1_u64..6, any::<bool>()).prop_map(|(exchange, is_rejected)| Happening::NoInfo(exchange, is_rejected)),
        2 => down.prop_map(Happening::Disconnected),
        12 => (id(), prop::bool::weighted(0.3)).prop_map(|(id, is_again)| Happening::Start(id, is_again)),
        4 => (prop::option::weighted(0.8, id()), prop::bool::weighted(0.3))
            .prop_map(|(id, is_again)| Happening::Timeout(id, is_again)),
        1 => id().prop_map(Happening::WrongWay),
        1 => Just(Happening::Garbled),
        8 => (1_u64..20).prop_map(Happening::Sent),
        2 => (1_u64..20, not_sent).prop_map(|(send, why)| Happening::NotSent(send, why)),
        24 => (1_u64..40).prop_map(Happening::Stored),
        3 => (1_u64..40).prop_map(Happening::StoreFailed),
        10 => (id(), run(), any::<bool>()).prop_map(|(id, run, is_taken)| Happening::Complete(id, run, is_taken)),
        3 => (id(), run()).prop_map(|(id, run)| Happening::Stopped(id, run)),
        3 => Just(Happening::Wait),
    ]
}

fn histories() -> impl Strategy<Value = Vec<(u64, Happening)>> {
    let pause = prop_oneof![6 => 0_u64..50, 3 => 0_u64..3_000, 1 => 0_u64..120_000];
    vec((pause, happening()), 0..150)
}

fn records() -> impl Strategy<Value = Vec<Op>> {
    let record = (1_u64..4, 1_u32..4, 1_u32..3, 0_u8..6).prop_map(|(id, run, nth, kind)| {
        let task = Arc::new(start(id));
        let (id, run) = (TaskId(id), Run(run));
        let outcome = Arc::new(outcome(id.0, run.0, kind == 2));
        match kind {
            0 => Op::Cancel { id, run },
            1 => Op::Delivered { id, run, nth },
            2 | 3 => Op::Result {
                id,
                run,
                nth,
                outcome,
            },
            4 => Op::Accept { id, run, task },
            _ => Op::Forget { id, run },
        }
    });
    vec(record, 0..12)
}

fn small() -> impl Strategy<Value = Config> {
    let profile = prop::option::of(prop_oneof![
        Just(BrokerProfile::Lmq),
        Just(BrokerProfile::Plain)
    ]);
    let limits = (1_usize..3, 0_usize..3, 0_usize..4, 1_usize..4, 1_usize..3);
    (profile, limits, any::<[bool; 3]>()).prop_map(
        |(profile, limits, [is_fail, is_reply, is_echo])| {
            let mut config = device_kit::config();
            config.profile = profile;
            (config.parallel, config.max_queue, config.kept_results, ..) = limits;
            (_, _, _, config.link.max_unstored, config.max_busy) = limits;
            config.busy = if is_fail { Busy::Fail } else { Busy::Hold };
            if is_reply {
                config.reply_to_timeout = ReplyToTimeout::Fail;
            }
            config.echo_attempt = is_echo;
            config.kept_for = device_kit::secs(300);
            config
        },
    )
}

fn outcome(id: u64, run: u32, is_taken: bool) -> Outcome {
    if is_taken {
        Outcome::Taken(vec![(GoodsId(id), i32::try_from(run).expect("small"))])
    } else {
        Outcome::Failed("dark".into())
    }
}

/// The next step of a connection, whatever that is.
fn link(device: &mut Device, now: Instant) {
    match device.state() {
        State::Fetching => {
            // One of these is the one that is waited for.
            for exchange in 1..20 {
                device.handle_input(now, Input::Info(ExchangeId(exchange), Ok(info())));
            }
        }
        _ => device.handle_input(now, Input::Connected),
    }
}

fn apply(device: &mut Device, now: Instant, nth: usize, happening: &Happening) {
    let message = |is_again, message| {
        let delivery = DeliveryId(nth as u64);
        Input::Received(Incoming::new(delivery, is_again, message))
    };
    let input = match happening.clone() {
        Happening::Link => return link(device, now),
        Happening::Complete(id, run, is_taken) => {
            let outcome = outcome(id, run, is_taken);
            return drop(device.complete(now, TaskId(id), Run(run), outcome));
        }
        Happening::Stopped(id, run) => return device.stopped(now, TaskId(id), Run(run)),
        Happening::Wait => return device.handle_timeout(now),
        Happening::NoInfo(exchange, is_rejected) => {
            let why = if is_rejected {
                NoInfo::Rejected(Rejection::new(ErrorCode::SignInvalid, "sign is invaild"))
            } else {
                NoInfo::Unreachable
            };
            Input::Info(ExchangeId(exchange), Err(why))
        }
        Happening::Disconnected(why) => Input::Disconnected(why),
        Happening::Start(id, is_again) => message(is_again, Message::Start(start(id))),
        Happening::Timeout(id, is_again) => {
            let mut timeout = Timeout::new(TaskId(0));
            timeout.id = id.map(TaskId);
            message(is_again, Message::Timeout(timeout))
        }
        Happening::WrongWay(id) if id % 2 == 0 => message(false, finish(id)),
        Happening::WrongWay(id) => message(true, fail(id, "echo")),
        Happening::Garbled => Input::Garbled(DeliveryId(nth as u64), WireErrorKind::Missing("id")),
        Happening::Sent(send) => Input::Sent(SendId(send)),
        Happening::NotSent(send, why) => Input::SendFailed(SendId(send), why),
        Happening::Stored(seq) => Input::Stored(Seq(seq)),
        Happening::StoreFailed(seq) => Input::StoreFailed(Seq(seq)),
    };
    device.handle_input(now, input);
}

/// Runs a history with timers on time; `watch` sees the analyser after each step.
fn run(
    config: &Config,
    records: &[Op],
    history: &[(u64, Happening)],
    mut watch: impl FnMut(&mut Device, Instant),
) -> (Device, Instant) {
    let mut now = testkit::epoch();
    let mut device = Device::new(now, config.clone(), Recovered::new(records.to_vec()));
    watch(&mut device, now);
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
    (device, now)
}

fn drain(device: &mut Device) -> Vec<Output> {
    std::iter::from_fn(|| device.poll_output()).collect()
}

/// What the application works on, as the outputs tell.
#[derive(Default)]
struct Works(BTreeMap<TaskId, Run>);

impl Works {
    fn note(&mut self, outputs: &[Output], parallel: usize) {
        for output in outputs {
            if let Output::Event(Event::Work { id, run, .. }) = output {
                let before = self.0.insert(*id, *run);
                assert_eq!(before, None, "two runs of one task at once");
            }
        }
        assert!(self.0.len() <= parallel);
    }
}

proptest! {
    #[test]
    fn draining_late_changes_nothing_and_a_replay_repeats_it(config in small(), records in records(), history in histories()) {
        let mut eager = Vec::new();
        run(&config, &records, &history, |device, _| eager.extend(drain(device)));
        let (mut lazy, _) = run(&config, &records, &history, |_, _| {});
        prop_assert_eq!(&eager, &drain(&mut lazy));
        let (mut again, _) = run(&config, &records, &history, |_, _| {});
        prop_assert_eq!(eager, drain(&mut again));
    }

    #[test]
    fn closed_is_said_once_and_last(config in small(), history in histories()) {
        let (mut device, now) = run(&config, &[], &history, |_, _| {});
        prop_assert!(device.is_closed() && device.state() == State::Closed);
        device.close(now);
        apply(&mut device, now, 0, &Happening::Start(1, false));
        let outputs = drain(&mut device);
        let is_closed = |output: &&Output| matches!(output, Output::Event(Event::Closed(_)));
        //= docs/spec/analyst-proto.md#analyser
        //# An analyser that is closed MUST report so once, as the last thing it says.
        prop_assert_eq!(outputs.iter().filter(is_closed).count(), 1);
        let last: Vec<_> = outputs.iter().rev().take(2).collect();
        prop_assert!(last[0] == &Output::Disconnect && is_closed(&last[1]));
        prop_assert_eq!(device.poll_timeout(), None);
    }

    #[test]
    fn timers_move_on_and_firing_twice_or_early_is_harmless(config in small(), records in records(), history in histories()) {
        let mut failure = None;
        run(&config, &records, &history, |device, now| {
            drain(device);
            let before = device.snapshot(now);
            device.handle_timeout(now);
            let is_idle = drain(device).is_empty() && device.snapshot(now) == before;
            if !is_idle || device.poll_timeout().is_some_and(|due| due <= now) {
                failure = Some(now);
            }
        });
        prop_assert_eq!(failure, None);
    }

    #[test]
    fn an_analyser_looks_and_does_the_same_at_any_hour(config in small(), records in records(), history in histories()) {
        let late = device_kit::secs(3_600);
        let mut now = testkit::epoch();
        let new = |now| Device::new(now, config.clone(), Recovered::new(records.clone()));
        let (mut early, mut later) = (new(now), new(now + late));
        for (nth, (pause, happening)) in history.iter().enumerate() {
            now += ms(*pause);
            apply(&mut early, now, nth, happening);
            apply(&mut later, now + late, nth, happening);
            prop_assert_eq!(early.snapshot(now), later.snapshot(now + late));
        }
        prop_assert_eq!(drain(&mut early), drain(&mut later));
    }

    //= docs/spec/analyst-proto.md#analyser
    //# What an analyser does after a restart MUST NOT depend on the order of its records.
    #[test]
    fn records_of_any_order_come_to_the_same(config in small(), records in records(), order in any::<u64>()) {
        // What is forgotten is not handed back.
        let mut records = records;
        records.retain(|op| !matches!(op, Op::Forget { .. }));
        // Nor are there two different results of one number.
        let mut numbers = BTreeSet::new();
        records.retain(|op| match op {
            Op::Result { id, run, nth, .. } => numbers.insert((*id, *run, *nth)),
            _ => true,
        });
        let mut other = records.clone();
        let mut random = testkit::Rng::new(order);
        for last in (1..other.len()).rev() {
            let with = usize::try_from(random.below(last as u64 + 1)).expect("small");
            other.swap(last, with);
        }
        let look = |records: Vec<Op>| {
            let now = testkit::epoch();
            let mut config = config.clone();
            config.kept_results = 9;
            let device = Device::new(now, config, Recovered::new(records));
            let states: Vec<_> = (0..9).map(|id| device.task(TaskId(id))).collect();
            (states, device.queued(), device.unsent())
        };
        prop_assert_eq!(look(records), look(other));
    }

    #[test]
    fn a_restart_invents_no_results(config in small(), records in records()) {
        let now = testkit::epoch();
        let mut device = Device::new(now, config, Recovered::new(records.clone()));
        for _ in 0..3 {
            link(&mut device, now);
        }
        while let Some(output) = device.poll_output() {
            let Output::Send(publish) = output else {
                continue;
            };
            device.handle_input(now, Input::Sent(publish.send));
            let told = match &*publish.message {
                Message::Finish(finish) => (finish.id, Outcome::Taken(finish.taken.clone())),
                Message::Fail(fail) => (fail.id, Outcome::Failed(fail.reason.clone())),
                other => panic!("an analyser does not say {other:?}"),
            };
            let is_known = records.iter().any(|op| match op {
                Op::Result { id, outcome, .. } => (*id, &**outcome) == (told.0, &told.1),
                _ => false,
            });
            prop_assert!(is_known, "{:?}", told);
        }
        prop_assert_eq!(device.unsent(), 0);
    }

    //= docs/spec/analyst-proto.md#analyser
    //# A task MUST NOT run again before its run that was cancelled has ended.
    #[test]
    fn a_task_never_runs_twice_at_once_and_bounds_hold(config in small(), records in records(), history in histories()) {
        let mut now = testkit::epoch();
        let mut device = Device::new(now, config.clone(), Recovered::new(records));
        let restored = device.tasks();
        let (mut works, mut acked) = (Works::default(), BTreeSet::new());
        for (nth, (pause, happening)) in history.iter().enumerate() {
            now += ms(*pause);
            // A run whose outcome is taken is over.
            let ended = match happening {
                Happening::Complete(id, run, _) | Happening::Stopped(id, run) => Some((TaskId(*id), Run(*run))),
                _ => None,
            };
            let before = device.running();
            device.handle_timeout(now);
            works.note(&drain(&mut device), config.parallel);
            if let Some((id, run)) = ended {
                if works.0.get(&id) == Some(&run) && !device.is_closed() {
                    works.0.remove(&id);
                }
            }
            apply(&mut device, now, nth, happening);
            let outputs = drain(&mut device);
            works.note(&outputs, config.parallel);
            for output in &outputs {
                if let Output::Ack(delivery) = output {
                    prop_assert!(acked.insert(*delivery), "acknowledged twice");
                }
            }
            prop_assert!(before <= config.parallel);
            if !device.is_closed() {
                prop_assert_eq!(works.0.len(), device.running());
            }
            let room = config.parallel + config.max_queue;
            prop_assert!(device.queued() <= room.max(restored));
            prop_assert!(device.tasks() <= 4, "as many as there are numbers");
            prop_assert!(device.unsent() <= 4 + config.max_busy);
        }
    }
}

#[test]
fn an_analyser_may_move_to_another_thread() {
    fn is_send<T: Send + Clone + 'static>() {}
    is_send::<Device>();
}

#[test]
fn a_flood_of_tasks_and_garbage_holds_no_more_than_is_configured() {
    let mut rig = device_kit::Rig::up(device_kit::config());
    rig.config.kept_results = 1_000;
    rig.is_broker_prompt = true;
    for id in 1..=5_000 {
        rig.start(id);
        if rig.work().last() == Some(&(id, 1)) {
            rig.take(id, 1);
        }
        rig.deliver(false, finish(id));
        rig.log.clear();
        rig.events.clear();
    }
    assert_eq!(rig.device.tasks(), 1_000);
    assert_eq!((rig.device.unsent(), rig.device.queued()), (0, 0));
    assert_eq!(rig.counters().delivered, 5_000);
}

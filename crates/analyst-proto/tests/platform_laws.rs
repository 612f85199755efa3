//! What holds for a dispatcher whatever happens to it.

mod platform_kit;

use analyst_proto::link::{DeliveryId, Down, Incoming, NotSent, SendId, Seq};
use analyst_proto::platform::{
    Config, Event, Input, NodeId, Op, Output, Platform, Relay, Ticket, Verdict,
};
use analyst_proto::wire::{Message, TaskId, UnixMillis};
use analyst_proto::{BrokerProfile, WireErrorKind};
use platform_kit::{WALL, client, config, fail, finish, id, registration, secs, task, timeout};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use testkit::epoch;

/// One thing done to a dispatcher. Messages and requests go by their numbers.
#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant, reason = "there are few, and not for long")]
enum Step {
    Submit {
        task: u64,
        priority: i32,
        expires: Option<i64>,
    },
    Cancel(u64),
    Confirm(u64),
    Register(u32, usize),
    Unregister(u32),
    Tell(Input),
    Timeout,
    Close,
}

fn message() -> impl Strategy<Value = Message> {
    prop_oneof![
        4 => (0..6_u64, 0..3_i32).prop_map(|(number, count)| finish(number, count)),
        4 => (0..6_u64, 0..3_u8).prop_map(|(number, reason)| {
            fail(number, ["busy", "404", "太暗"][usize::from(reason)])
        }),
        1 => (0..6_u64).prop_map(timeout),
        1 => (0..6_u64).prop_map(|number| Message::Start(task(number).task)),
    ]
}

fn relay() -> impl Strategy<Value = Relay> {
    let ticket = || (0..8_u64).prop_map(Ticket);
    prop_oneof![
        2 => (ticket(), message()).prop_map(|(ticket, message)| {
            let message = Arc::new(message);
            Relay::Result { ticket, message }
        }),
        1 => ticket().prop_map(|ticket| Relay::Known { ticket }),
        2 => ticket().prop_map(|ticket| Relay::Unknown { ticket }),
    ]
}

fn input() -> impl Strategy<Value = Input> {
    let down = prop_oneof![
        4 => Just(Down::Lost),
        1 => Just(Down::BadCredentials),
        1 => Just(Down::Refused(3)),
        1 => Just(Down::Timeout),
    ];
    prop_oneof![
        6 => Just(Input::Connected),
        2 => down.prop_map(Input::Disconnected),
        8 => (any::<u64>(), any::<bool>(), message()).prop_map(|(delivery, duplicate, message)| {
            Input::Received(Incoming::new(DeliveryId(delivery), duplicate, message))
        }),
        1 => any::<u64>().prop_map(|delivery| {
            Input::Garbled(DeliveryId(delivery), WireErrorKind::Missing("id"))
        }),
        8 => (1..12_u64).prop_map(|send| Input::Sent(SendId(send))),
        1 => (1..12_u64, any::<bool>()).prop_map(|(send, is_large)| {
            let why = if is_large { NotSent::TooLarge } else { NotSent::Closed };
            Input::SendFailed(SendId(send), why)
        }),
        16 => (1..30_u64).prop_map(|seq| Input::Stored(Seq(seq))),
        2 => (1..30_u64).prop_map(|seq| Input::StoreFailed(Seq(seq))),
        1 => (1..4_u32, any::<bool>()).prop_map(|(number, online)| {
            Input::Presence { client: client(number), online }
        }),
        4 => (1..4_u64, relay()).prop_map(|(node, relay)| {
            Input::FromNode { node: NodeId(node), relay }
        }),
    ]
}

fn steps() -> impl Strategy<Value = Vec<(u64, Step)>> {
    let expires = proptest::option::of(-10..100_000_i64);
    let step = prop_oneof![
        6 => (0..6_u64, -1..2_i32, expires)
            .prop_map(|(task, priority, expires)| Step::Submit { task, priority, expires }),
        1 => (0..6_u64).prop_map(Step::Cancel),
        2 => (0..6_u64).prop_map(Step::Confirm),
        4 => (1..4_u32, 0..3_usize).prop_map(|(number, room)| Step::Register(number, room)),
        1 => (1..4_u32).prop_map(Step::Unregister),
        30 => input().prop_map(Step::Tell),
        4 => Just(Step::Timeout),
    ];
    let step = prop_oneof![200 => step, 1 => Just(Step::Close)];
    let gap = prop_oneof![4 => 0..50_u64, 2 => 0..3_000_u64, 1 => 0..90_000_u64];
    proptest::collection::vec((gap, step), 0..120)
}

fn config_of() -> impl Strategy<Value = Config> {
    (any::<u64>(), any::<[bool; 7]>(), 1..4_u32).prop_map(|(seed, flags, attempts)| {
        let [is_lmq, is_small, nudges, labels, rounds, waits, has_peers] = flags;
        let mut config = config();
        config.seed = seed;
        config.max_attempts = attempts;
        config.nudge = nudges;
        config.label_attempts = labels;
        config.rounded_ids = rounds;
        config.fatal_reasons = vec!["404".to_owned()];
        config.queue_wait = waits.then_some(secs(20));
        if is_lmq {
            config.profile = BrokerProfile::Lmq;
            config.rate = BrokerProfile::Lmq.rate();
            config.settle = secs(10);
        }
        if is_small {
            (config.max_tasks, config.tombstones) = (3, 1);
            (config.link.window, config.link.max_unstored) = (1, 1);
            config.suspend_after = 1;
            config.tombstone_time = secs(30);
            config.max_relays = 1;
        }
        if has_peers {
            // With which tickets begin at one.
            config.seed = 0;
            config.peers = [NodeId(1), NodeId(2)].into();
        }
        config
    })
}

fn start() -> Instant {
    epoch() + secs(3_600)
}

fn wall(now: Instant) -> UnixMillis {
    let passed = (now - start()).as_millis();
    WALL.plus(i64::try_from(passed).unwrap())
}

fn apply(platform: &mut Platform, now: Instant, step: &Step) {
    match step.clone() {
        Step::Submit {
            task: number,
            priority,
            expires,
        } => {
            let mut submission = task(number);
            submission.priority = priority;
            submission.expires_at = expires.map(|after| wall(now).plus(after));
            let _ = platform.submit(now, wall(now), submission);
        }
        Step::Cancel(number) => drop(platform.cancel(now, id(number))),
        Step::Confirm(number) => drop(platform.confirm(now, id(number))),
        Step::Register(number, capacity) => {
            let mut registration = registration(number);
            registration.capacity = capacity;
            let _ = platform.register(now, registration);
        }
        Step::Unregister(number) => drop(platform.unregister(now, &client(number))),
        Step::Tell(input) => platform.handle_input(now, input),
        Step::Timeout => platform.handle_timeout(now),
        Step::Close => platform.close(now),
    }
}

/// How many offers peers may have answered.
fn answers(steps: &[(u64, Step)]) -> usize {
    let is_answer = |step: &Step| {
        let Step::Tell(Input::FromNode { relay, .. }) = step else {
            return false;
        };
        matches!(relay, Relay::Known { .. } | Relay::Unknown { .. })
    };
    steps.iter().filter(|(_, step)| is_answer(step)).count()
}

/// How outputs are drained and timers fired.
#[derive(Clone, Copy)]
struct Manner {
    is_lazy: bool,
    fires_twice: bool,
}

/// What it says, with the moment of each step after which it was said.
fn run(config: &Config, steps: &[(u64, Step)], manner: Manner) -> Vec<Output> {
    let mut now = start();
    let mut platform = Platform::new(now, config.clone());
    let mut outputs = Vec::new();
    for (gap, step) in steps {
        now += Duration::from_millis(*gap);
        apply(&mut platform, now, step);
        if manner.fires_twice {
            platform.handle_timeout(now);
            platform.handle_timeout(now);
        }
        if !manner.is_lazy {
            outputs.extend(std::iter::from_fn(|| platform.poll_output()));
        }
    }
    outputs.extend(std::iter::from_fn(|| platform.poll_output()));
    outputs
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    //= docs/spec/analyst-proto.md#link
    //= type=test
    //# When outputs are drained and how often timers fire MUST NOT change what a machine does.
    fn draining_and_firing_change_nothing(config in config_of(), steps in steps()) {
        let manner = |is_lazy, fires_twice| Manner { is_lazy, fires_twice };
        let eager = run(&config, &steps, manner(false, false));
        prop_assert_eq!(&eager, &run(&config, &steps, manner(false, false)), "a second time");
        prop_assert_eq!(&eager, &run(&config, &steps, manner(true, false)), "lazily");
        prop_assert_eq!(&eager, &run(&config, &steps, manner(true, true)), "fired twice");
    }

    #[test]
    fn timers_lie_in_the_future(config in config_of(), steps in steps()) {
        let mut now = start();
        let mut platform = Platform::new(now, config);
        for (gap, step) in &steps {
            now += Duration::from_millis(*gap);
            apply(&mut platform, now, step);
            platform.handle_timeout(now);
            let due = platform.poll_timeout();
            prop_assert!(due.is_none_or(|due| due > now), "{:?}", due.map(|due| now - due));
            prop_assert!(due.is_none() || !platform.is_closed());
        }
    }

    #[test]
    //= docs/spec/analyst-proto.md#link
    //= type=test
    //# A machine that is closed MUST report so once, and no other event after that.
    fn what_ends_it_is_said_once_and_last(config in config_of(), steps in steps()) {
        let mut steps = steps;
        steps.push((0, Step::Close));
        let outputs = run(&config, &steps, Manner { is_lazy: false, fires_twice: false });
        let is_closed = |output: &Output| matches!(output, Output::Event(Event::Closed(_)));
        prop_assert_eq!(outputs.iter().filter(|output| is_closed(output)).count(), 1);
        prop_assert!(is_closed(&outputs[outputs.len() - 2]));
        prop_assert_eq!(outputs.last(), Some(&Output::Disconnect));
    }

    /// A result is offered to peers for so long, and then acknowledged if its connection is there yet;
    /// there are no more of them than may be, and no peer hears of the same ticket twice.
    #[test]
    fn what_peers_are_asked_about_is_bounded(config in config_of(), steps in steps()) {
        let (mut now, mut offered) = (start(), BTreeMap::new());
        let mut platform = Platform::new(now, config.clone());
        for (gap, step) in &steps {
            now += Duration::from_millis(*gap);
            apply(&mut platform, now, step);
            for output in std::iter::from_fn(|| platform.poll_output()) {
                if let Output::Relay { node, relay } = output {
                    prop_assert!(config.peers.contains(&node));
                    if let Relay::Result { ticket, .. } = relay {
                        prop_assert_eq!(offered.insert((ticket, node), now), None);
                    }
                }
            }
            let is_open = |at: &&Instant| now - **at < config.relay_wait;
            let open = offered.values().filter(is_open).count();
            let relayed = usize::try_from(platform.counters().relayed).unwrap();
            prop_assert_eq!(offered.len(), relayed * config.peers.len());
            // Those that were answered have made room.
            prop_assert!(open <= (config.max_relays + answers(&steps)) * config.peers.len());
        }
    }

    /// Whatever the store says it has not done, and whatever else happens: what is told is kept,
    /// and nothing is told twice.
    #[test]
    fn what_is_told_is_kept(config in config_of(), steps in steps()) {
        let mut now = start();
        let mut platform = Platform::new(now, config.clone());
        let mut asked: BTreeMap<Seq, Op> = BTreeMap::new();
        let mut kept: Vec<Op> = Vec::new();
        let mut told: BTreeMap<TaskId, Verdict> = BTreeMap::new();
        let mut accepted: BTreeSet<TaskId> = BTreeSet::new();
        for (gap, step) in &steps {
            now += Duration::from_millis(*gap);
            // What time brings about is asked for before the store says that it is done.
            platform.handle_timeout(now);
            let mut outputs: Vec<Output> = std::iter::from_fn(|| platform.poll_output()).collect();
            let asks = outputs.iter().filter_map(|output| match output {
                Output::Store(seq, op) => Some((*seq, op.clone())),
                _ => None,
            });
            asked.extend(asks);
            if let Step::Tell(Input::Stored(seq)) = step {
                kept.extend(asked.remove(seq));
            }
            apply(&mut platform, now, step);
            let rest = std::iter::from_fn(|| platform.poll_output()).filter(|output| {
                !matches!((output, step), (Output::Store(seq, _), Step::Tell(Input::Stored(it))) if seq == it)
            });
            outputs.extend(rest);
            for output in outputs {
                match output {
                    Output::Store(seq, op) => {
                        if let Op::Submit(id, _) = op {
                            told.remove(&id); // it may have been forgotten, and is new
                        }
                        asked.insert(seq, op);
                    }
                    Output::Event(Event::Accepted(id)) => {
                        let is_kept = |op: &Op| matches!(op, Op::Submit(it, _) if *it == id);
                        prop_assert!(kept.iter().any(is_kept));
                        accepted.insert(id);
                    }
                    Output::Event(Event::Verdict { id, verdict, .. }) => {
                        prop_assert!(kept.contains(&Op::Terminal(id, verdict.clone())));
                        prop_assert_eq!(told.insert(id, verdict), None);
                    }
                    Output::Send(publish) => {
                        if let Message::Start(start) = &*publish.message {
                            let is_kept = |op: &Op| {
                                matches!(op, Op::Assign { id, client, .. }
                                    if *id == start.id && publish.topic.as_str().ends_with(client.as_str()))
                            };
                            prop_assert!(kept.iter().any(is_kept));
                        }
                    }
                    _ => {}
                }
            }
            let stats = platform.stats();
            let tasks = stats.submitting + stats.queued + stats.working + stats.lingering
                + stats.judging + stats.judged;
            prop_assert!(tasks <= config.max_tasks && stats.remembered <= config.tombstones);
        }
        // What was accepted is known in the next life, unless it was forgotten.
        let next = Platform::restore(now, wall(now), config, kept.clone());
        let stats = next.stats();
        let known = stats.submitting + stats.queued + stats.working + stats.lingering
            + stats.judging + stats.judged + stats.remembered;
        let is_forgotten = |id: &TaskId| kept.contains(&Op::Forget(*id));
        let wanted = accepted.iter().filter(|id| !is_forgotten(id)).count();
        prop_assert!(known >= wanted, "{} of {}", known, wanted);
    }
}

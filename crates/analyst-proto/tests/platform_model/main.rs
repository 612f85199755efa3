//! A-T3: the dispatcher against a model of its rules. Whatever the application, the broker, the store
//! and analysers do, both ask the store for the same, tell the same and have the same tasks.
#![allow(
    clippy::arithmetic_side_effects,
    reason = "a test that overflows has failed"
)]

mod model;
#[path = "../platform_kit/mod.rs"]
mod platform_kit;

use analyst_proto::link::{DeliveryId, Down, ExchangeId, Incoming, NotSent, Publish, Seq};
use analyst_proto::platform::{
    Config, Event, Input, NodeId, Op, Output, Platform, Refused, Relay, Submission, Ticket,
};
use analyst_proto::wire::{Fail, Finish, Message, Start, TaskId, UnixMillis};
use analyst_proto::{RequestError, WireErrorKind};
use model::Model;
use platform_kit::{WALL, client, config, ms, registration, secs, taken};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use testkit::epoch;

#[derive(Debug, Clone)]
enum Step {
    Submit {
        task: u64,
        priority: i32,
        lease: Option<u64>,
        expires: Option<i64>,
        attempts: Option<u32>,
    },
    Cancel(u64),
    Confirm(u64),
    Register(u32, usize),
    Unregister(u32),
    Presence(u32, bool),
    Connect,
    Lose(Down),
    Sent(u8),
    NotSent(u8, NotSent),
    Store(u8),
    FailStore(u8),
    Finish(u64, i32),
    Fail(u64, u8),
    Strange,
}

struct World {
    platform: Platform,
    model: Model,
    now: Instant,
    waiting: VecDeque<(Seq, Op)>,
    in_flight: VecDeque<Publish>,
    is_opening: bool,
    delivered: u64,
    verdicts: usize,
}

fn steps() -> impl Strategy<Value = Vec<(u64, Step)>> {
    let submit = (
        0..6_u64,
        -1..2_i32,
        option::of(1..30_u64),
        option::of(-10..100_000_i64),
        option::of(1..4_u32),
    );
    let submit = submit.prop_map(|(task, priority, lease, expires, attempts)| Step::Submit {
        task,
        priority,
        lease,
        expires: expires.filter(|at| at % 3 == 0),
        attempts,
    });
    let down = prop_oneof![4 => Just(Down::Lost), 1 => Just(Down::BadCredentials)];
    let not_sent = prop_oneof![2 => Just(NotSent::TooLarge), 1 => Just(NotSent::Closed)];
    let step = prop_oneof![
        12 => submit,
        2 => (0..6_u64).prop_map(Step::Cancel),
        6 => (0..6_u64).prop_map(Step::Confirm),
        8 => (1..4_u32, 0..3_usize).prop_map(|(number, room)| Step::Register(number, room)),
        1 => (1..4_u32).prop_map(Step::Unregister),
        2 => (1..4_u32, any::<bool>()).prop_map(|(number, online)| Step::Presence(number, online)),
        20 => Just(Step::Connect),
        2 => down.prop_map(Step::Lose),
        20 => any::<u8>().prop_map(Step::Sent),
        2 => (any::<u8>(), not_sent).prop_map(|(at, why)| Step::NotSent(at, why)),
        50 => (0..4_u8).prop_map(Step::Store),
        4 => any::<u8>().prop_map(Step::FailStore),
        10 => (0..6_u64, 0..2_i32).prop_map(|(number, count)| Step::Finish(number, count)),
        14 => (0..6_u64, 0..3_u8).prop_map(|(number, reason)| Step::Fail(number, reason)),
        2 => Just(Step::Strange),
    ];
    let gap = prop_oneof![12 => 0..50_u64, 3 => 0..3_000_u64, 1 => 0..40_000_u64];
    vec((gap, step), 0..200)
}

fn configs() -> impl Strategy<Value = Config> {
    let limits = (1..4_u32, 1..4_usize, 2..6_usize, 0..3_usize, 1..4_usize);
    (any::<u64>(), limits, option::of(1..40_u64)).prop_map(|(seed, limits, wait)| {
        let mut config = config();
        config.seed = seed;
        (
            config.max_attempts,
            config.link.window,
            config.max_tasks,
            config.tombstones,
            _,
        ) = limits;
        config.max_analysts = limits.4;
        config.queue_wait = wait.map(secs);
        config.lease = secs(20);
        config.ack_wait = secs(10);
        config.fatal_reasons = vec!["404".to_owned()];
        // These have tests of their own.
        config.link.max_unstored = 1_000;
        config.link.store_give_up = secs(1_000_000);
        config.suspend_after = u32::MAX;
        config
    })
}

/// Small enough not to be taken for each other once they are rounded.
fn id(number: u64) -> TaskId {
    TaskId(1_000 + number)
}

impl World {
    fn new(config: Config) -> Self {
        let now = epoch() + secs(3_600);
        let mut world = Self {
            platform: Platform::new(now, config.clone()),
            model: Model::new(config),
            now,
            waiting: VecDeque::new(),
            in_flight: VecDeque::new(),
            is_opening: false,
            delivered: 0,
            verdicts: 0,
        };
        world.compare();
        for number in 1..=2 {
            world.step(&Step::Register(number, 1));
        }
        world
    }

    fn wall(&self) -> UnixMillis {
        let passed = self.now.duration_since(epoch() + secs(3_600)).as_millis();
        WALL.plus(i64::try_from(passed).unwrap())
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.platform.poll_timeout().filter(|due| *due <= end) {
            self.fire(due);
        }
        self.fire(end);
    }

    fn fire(&mut self, now: Instant) {
        self.now = now;
        self.platform.handle_timeout(now);
        let outputs = self.drain();
        // It is not for the model to say what the connection does.
        if outputs.contains(&Output::Hangup) {
            self.cut();
        }
        self.model.fire(now);
        self.look(outputs);
    }

    fn step(&mut self, step: &Step) {
        self.fire(self.now);
        let now = self.now;
        match *step {
            Step::Submit {
                task,
                priority,
                lease,
                expires,
                attempts,
            } => {
                let mut submission = Submission::new(Start::new(id(task), "top.mp4"));
                submission.priority = priority;
                submission.lease = lease.map(secs);
                submission.expires_at = expires.map(|after| self.wall().plus(after));
                submission.max_attempts = attempts;
                let left = expires.map(|after| now + ms(u64::try_from(after).unwrap_or(0)));
                let wanted = self.model.submit(now, left, &submission);
                let done = self.platform.submit(now, self.wall(), submission);
                assert_eq!(name(&done), wanted);
            }
            Step::Cancel(number) => {
                let done = self.platform.cancel(now, id(number));
                assert_eq!(name(&done), self.model.cancel(id(number)));
            }
            Step::Confirm(number) => {
                let done = self.platform.confirm(now, id(number));
                assert_eq!(name(&done), self.model.confirm(id(number)));
            }
            Step::Register(number, capacity) => {
                let mut registration = registration(number);
                registration.capacity = capacity;
                let done = self.platform.register(now, registration);
                assert_eq!(name(&done), self.model.register(client(number), capacity));
            }
            Step::Unregister(number) => {
                let done = self.platform.unregister(now, &client(number));
                assert_eq!(name(&done), self.model.unregister(&client(number)));
            }
            Step::Presence(number, online) => {
                let client = client(number);
                self.model.present(&client, online);
                self.tell(Input::Presence { client, online });
            }
            Step::Connect => {
                if std::mem::take(&mut self.is_opening) {
                    self.model.connected(now);
                    self.tell(Input::Connected);
                }
            }
            Step::Lose(why) => {
                self.cut();
                self.tell(Input::Disconnected(why));
            }
            Step::Sent(at) => {
                if let Some(publish) = self.fly(at) {
                    self.model.sent(now, publish.send);
                    self.tell(Input::Sent(publish.send));
                }
            }
            Step::NotSent(at, why) => {
                if let Some(publish) = self.fly(at) {
                    match why {
                        NotSent::TooLarge => self.model.too_large(publish.send),
                        _ => self.cut(),
                    }
                    self.tell(Input::SendFailed(publish.send, why));
                }
            }
            Step::Store(at) => {
                let at = usize::from(at) % self.waiting.len().max(1);
                if let Some((seq, _)) = self.waiting.remove(at) {
                    self.model.stored(now, seq);
                    self.tell(Input::Stored(seq));
                }
            }
            Step::FailStore(at) => {
                let at = usize::from(at) % self.waiting.len().max(1);
                if let Some((seq, _)) = self.waiting.remove(at) {
                    self.tell(Input::StoreFailed(seq));
                }
            }
            Step::Finish(number, count) => {
                let delivery = self.deliver(Message::Finish(Finish::new(id(number), taken(count))));
                if self.model.is_up() {
                    self.model.found(id(number), &taken(count), delivery);
                }
            }
            Step::Fail(number, reason) => {
                let reason = ["busy", "404", "太暗"][usize::from(reason)];
                let delivery = self.deliver(Message::Fail(Fail::new(id(number), reason)));
                if self.model.is_up() {
                    self.model.failed(now, id(number), &reason.into(), delivery);
                }
            }
            Step::Strange => self.strange(),
        }
        self.model.go_on(now);
        self.compare();
    }

    /// What changes nothing.
    fn strange(&mut self) {
        let delivery = self.deliver(Message::Start(Start::new(id(1), "top.mp4")));
        if self.model.is_up() {
            self.model.say(&Event::Unexpected("ANALYSIS_START"));
            self.model.acknowledges(delivery);
            self.model
                .say(&Event::Garbled(WireErrorKind::Missing("id")));
            self.model.acknowledges(DeliveryId(0));
        }
        self.tell(Input::Garbled(DeliveryId(0), WireErrorKind::Missing("id")));
        self.tell(Input::Stored(Seq(u64::MAX)));
        self.tell(Input::StoreFailed(Seq(u64::MAX)));
        let (exchange, at) = (ExchangeId(1), self.wall());
        let request = Err(RequestError::Missing("name"));
        self.tell(Input::InfoRequest {
            exchange,
            at,
            request,
        });
        let (node, ticket) = (NodeId(1), Ticket(1));
        self.model.say(&Event::StrangeNode(node));
        let relay = Relay::Known { ticket };
        self.tell(Input::FromNode { node, relay });
    }

    fn tell(&mut self, input: Input) {
        self.platform.handle_input(self.now, input);
    }

    fn deliver(&mut self, message: Message) -> DeliveryId {
        self.delivered += 1;
        let delivery = DeliveryId(self.delivered);
        self.tell(Input::Received(Incoming::new(delivery, false, message)));
        delivery
    }

    fn fly(&mut self, at: u8) -> Option<Publish> {
        let at = usize::from(at) % self.in_flight.len().max(1);
        self.in_flight.remove(at)
    }

    fn cut(&mut self) {
        self.model.disconnected();
        self.in_flight.clear();
        self.is_opening = false;
    }

    fn drain(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.platform.poll_output()).collect()
    }

    fn compare(&mut self) {
        let outputs = self.drain();
        self.look(outputs);
    }

    /// Compares what was said with what was expected.
    fn look(&mut self, outputs: Vec<Output>) {
        let mut said = Vec::new();
        for output in outputs {
            match output {
                Output::Open(_) => self.is_opening = true,
                Output::Store(seq, op) => {
                    if self.model.asks(seq, &op) {
                        said.push(format!("{op:?}"));
                    }
                    self.waiting.push_back((seq, op));
                }
                Output::Send(publish) => {
                    self.model.sends(self.now, &publish);
                    self.in_flight.push_back(publish);
                }
                Output::Event(Event::Verdict { id, verdict, .. }) => {
                    self.verdicts += 1;
                    said.push(format!("{id:?} {verdict:?}"));
                }
                Output::Event(
                    Event::Up
                    | Event::Down(_)
                    | Event::HungUp(_)
                    | Event::DuplicateIdSuspected
                    | Event::Refused { .. }
                    | Event::StoreTrouble,
                ) => {}
                Output::Event(event) => said.push(format!("{event:?}")),
                Output::Ack(_) => said.push(format!("{output:?}")),
                _ => {}
            }
        }
        let mut wanted = self.model.facts();
        said.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(said, wanted);
        self.model.check(&self.platform.stats());
    }
}

fn name<T, V>(done: &Result<V, Refused<T>>) -> &'static str {
    match done {
        Ok(_) => "ok",
        Err(Refused::Known(_)) => "known",
        Err(Refused::Unknown(_)) => "unknown",
        Err(Refused::Decided(_)) => "decided",
        Err(Refused::Full(_)) => "full",
        Err(_) => "closed",
    }
}

fn live(config: Config, steps: Vec<(u64, Step)>) -> World {
    let mut world = World::new(config);
    for (gap, step) in steps {
        world.wait(ms(gap));
        world.step(&step);
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn it_does_what_its_rules_say(config in configs(), steps in steps()) {
        live(config, steps);
    }
}

#[test]
fn the_histories_of_these_tests_come_to_something() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut verdicts, mut late, mut timed_out) = (0, 0, 0);
    for _ in 0..100 {
        let tree = (configs(), steps()).new_tree(&mut runner);
        let (config, steps) = tree.expect("a history").current();
        let world = live(config, steps);
        verdicts += world.verdicts;
        late += world.platform.counters().late;
        timed_out += world.platform.counters().timed_out;
    }
    assert!(
        verdicts > 100 && late > 20 && timed_out > 20,
        "{verdicts} {late} {timed_out}"
    );
}

//! A dispatcher, a broker, a store and an application around one analyser, and a list of what each
//! may expect of it.

use crate::device_kit::{info, run_of, start};
use analyst_proto::device::{
    Config, Device, Event, Input, Op, Outcome, Output, Recovered, Run, State, TaskState,
};
use analyst_proto::link::{DeliveryId, Down, ExchangeId, Incoming, NotSent, Publish, Seq};
use analyst_proto::wire::{GoodsId, Message, TaskId, Timeout};
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

/// One thing that happens.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    Start(u64),
    Timeout(u64),
    BlankTimeout,
    Redeliver(u8),
    Store(u8),
    FailStore,
    StoreOther(u8), // one that is not the oldest
    Connect,
    Lose(Down),
    Sent,
    NotSent(NotSent),
    Finish(u8),
    Fail(u8),
    Stop(u8),
    PowerCut(u8), // so many requests were carried out that are not answered
}

pub(crate) struct World {
    pub(crate) device: Device,
    pub(crate) now: Instant,
    config: Config,
    disk: Vec<Op>,
    waiting: VecDeque<(Seq, Op)>,
    fetch: Option<ExchangeId>,
    unacked: BTreeMap<u64, Held>, // messages that the broker holds for the analyser
    given: u64,
    deliveries: BTreeMap<DeliveryId, u64>, // over this connection, each of which message
    delivered: u64,
    in_flight: VecDeque<Publish>,
    works: BTreeMap<TaskId, Run>, // what the application works on
    last_runs: BTreeMap<TaskId, Run>,
    pub(crate) stats: Stats,
    book: Book,
}

/// How often things came about, to see that the test tests something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Stats {
    pub(crate) works: u64,
    pub(crate) answers: u64,
    pub(crate) cancels: u64,
    pub(crate) cuts: u64,
}

/// A message that the broker holds.
#[derive(Debug, Clone)]
struct Held {
    message: Message,
    came: u64, // when it was delivered first
}

/// What is expected.
#[derive(Default)]
struct Book {
    tick: u64,
    cancelled: BTreeMap<TaskId, u64>,     // when last
    debts: BTreeMap<TaskId, u64>,         // tasks that are acknowledged and not answered
    outcomes: HashSet<(TaskId, Outcome)>, // what was handed in
    stored: BTreeMap<TaskId, Outcome>, // findings that are in the store, and not yet at the broker
}

impl World {
    pub(crate) fn new(config: Config) -> Self {
        let now = testkit::epoch();
        let device = Device::new(now, config.clone(), Recovered::empty());
        let mut world = Self {
            device,
            now,
            config,
            disk: Vec::new(),
            waiting: VecDeque::new(),
            fetch: None,
            unacked: BTreeMap::new(),
            given: 0,
            deliveries: BTreeMap::new(),
            delivered: 0,
            in_flight: VecDeque::new(),
            works: BTreeMap::new(),
            last_runs: BTreeMap::new(),
            stats: Stats::default(),
            book: Book::default(),
        };
        world.drain();
        world
    }

    pub(crate) fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.device.poll_timeout().filter(|&due| due <= end) {
            self.now = due;
            self.device.handle_timeout(due);
            self.drain();
        }
        self.now = end;
    }

    pub(crate) fn step(&mut self, step: Step) {
        self.book.tick += 1;
        match step {
            Step::Start(id) => self.give(Message::Start(start(id))),
            Step::Timeout(id) => self.give(Message::Timeout(Timeout::new(TaskId(id)))),
            Step::BlankTimeout => {
                let mut timeout = Timeout::new(TaskId(0));
                timeout.id = None;
                self.give(Message::Timeout(timeout));
            }
            Step::Redeliver(which) => self.redeliver(which),
            Step::Store(count) => (0..count).for_each(|_| self.store(0)),
            Step::FailStore => self.fail_store(),
            Step::StoreOther(which) => self.store(which.into()),
            Step::Connect => self.connect(),
            Step::Lose(why) => {
                self.cut();
                self.input(Input::Disconnected(why));
            }
            Step::Sent => self.sent(),
            Step::NotSent(why) => self.not_sent(why),
            Step::Finish(which) => self.end(which, |id, run| {
                let count = i32::try_from(run.0).expect("small");
                Outcome::Taken(vec![(GoodsId(id.0), count)])
            }),
            Step::Fail(which) => self.end(which, |_, run| {
                Outcome::Failed(format!("dark {}", run.0).into())
            }),
            Step::Stop(which) => self.stop(which),
            Step::PowerCut(carried_out) => self.power_cut(carried_out),
        }
    }

    /// Everything works again: what was promised must come.
    pub(crate) fn heal(&mut self) {
        for round in 0..400 {
            self.wait(Duration::from_secs(20));
            self.connect();
            self.store_all();
            let held: Vec<u64> = self.unacked.keys().copied().collect();
            for given in held {
                self.deliver(given);
                self.store_all();
            }
            self.step(Step::Finish(0));
            self.store_all();
            while !self.in_flight.is_empty() {
                self.sent();
                self.store_all();
            }
            let is_quiet = self.unacked.is_empty() && self.works.is_empty();
            if is_quiet && self.device.unsent() == 0 && self.device.queued() == 0 {
                return self.check_debts();
            }
            assert!(round < 399, "it does not come to rest: {:?}", self.device);
        }
    }

    fn check_debts(&self) {
        assert!(
            self.book.debts.is_empty(),
            "unanswered: {:?}",
            self.book.debts
        );
        assert!(
            self.book.stored.is_empty(),
            "unsent: {:?}",
            self.book.stored
        );
        for id in self.last_runs.keys() {
            let state = self.device.task(*id);
            let is_over = matches!(
                state,
                None | Some(TaskState::Kept | TaskState::Cancelled | TaskState::Forgetting)
            );
            assert!(is_over, "{id:?} is {state:?}");
        }
    }

    fn store_all(&mut self) {
        while !self.waiting.is_empty() {
            self.store(0);
        }
    }

    /// The dispatcher has something to say, now or over the next connection.
    fn give(&mut self, message: Message) {
        self.given += 1;
        self.unacked.insert(self.given, Held { message, came: 0 });
        self.deliver(self.given);
    }

    fn redeliver(&mut self, which: u8) {
        let count = self.unacked.len().max(1);
        let given = self.unacked.keys().nth(usize::from(which) % count);
        if let Some(given) = given.copied() {
            self.deliver(given);
        }
    }

    fn deliver(&mut self, given: u64) {
        if self.device.state() != State::Up {
            return;
        }
        self.book.tick += 1;
        let Some(held) = self.unacked.get_mut(&given) else {
            return;
        };
        let is_again = held.came > 0;
        if !is_again {
            held.came = self.book.tick;
        }
        let message = held.message.clone();
        self.book.note_delivery(&message);
        self.delivered += 1;
        let delivery = DeliveryId(self.delivered);
        self.deliveries.insert(delivery, given);
        self.input(Input::Received(Incoming::new(delivery, is_again, message)));
    }

    fn cut(&mut self) {
        self.in_flight.clear();
        self.deliveries.clear();
    }

    fn connect(&mut self) {
        if let Some(exchange) = self.fetch.take() {
            self.input(Input::Info(exchange, Ok(info())));
        }
        if self.device.state() == State::Opening {
            self.input(Input::Connected);
        }
    }

    fn store(&mut self, which: usize) {
        let count = self.waiting.len().max(1);
        if let Some((seq, op)) = self.waiting.remove(which % count) {
            self.carry_out(op);
            self.input(Input::Stored(seq));
        }
    }

    fn carry_out(&mut self, op: Op) {
        if let Op::Result { id, outcome, .. } = &op {
            match &**outcome {
                Outcome::Taken(_) => drop(self.book.stored.insert(*id, (**outcome).clone())),
                _ => drop(self.book.stored.remove(id)),
            }
        }
        self.disk.push(op);
    }

    fn fail_store(&mut self) {
        if let Some((seq, _)) = self.waiting.pop_front() {
            self.input(Input::StoreFailed(seq));
        }
    }

    fn sent(&mut self) {
        if let Some(publish) = self.in_flight.pop_front() {
            self.stats.answers += 1;
            self.book.note_answer(&publish.message);
            self.input(Input::Sent(publish.send));
        }
    }

    fn not_sent(&mut self, why: NotSent) {
        let Some(publish) = self.in_flight.pop_front() else {
            return;
        };
        // The dispatcher will never learn of a failure that is too large.
        if let (Message::Fail(fail), NotSent::TooLarge) = (&*publish.message, why) {
            self.book.debts.remove(&fail.id);
        }
        self.input(Input::SendFailed(publish.send, why));
    }

    fn end(&mut self, which: u8, outcome: impl Fn(TaskId, Run) -> Outcome) {
        let Some((id, run)) = self.nth_work(which) else {
            return;
        };
        let outcome = outcome(id, run);
        self.book.outcomes.insert((id, outcome.clone()));
        self.works.remove(&id);
        let result = self.device.complete(self.now, id, run, outcome);
        assert!(self.device.is_closed() || result.is_ok(), "a run at work");
        self.drain();
    }

    fn stop(&mut self, which: u8) {
        if let Some((id, run)) = self.nth_work(which) {
            self.works.remove(&id);
            self.device.stopped(self.now, id, run);
            self.drain();
        }
    }

    fn nth_work(&self, which: u8) -> Option<(TaskId, Run)> {
        let nth = usize::from(which) % self.works.len().max(1);
        self.works.iter().nth(nth).map(|(&id, &run)| (id, run))
    }

    fn power_cut(&mut self, carried_out: u8) {
        self.stats.cuts += 1;
        for _ in 0..carried_out {
            if let Some((_, op)) = self.waiting.pop_front() {
                self.carry_out(op);
            }
        }
        self.forget_promises();
        self.waiting.clear();
        self.cut();
        self.works.clear();
        let recovered = Recovered::new(self.records());
        self.device = Device::new(self.now, self.config.clone(), recovered);
        self.drain();
    }

    /// What was promised and is in no store: answers of busy, and results that were asked for again.
    fn forget_promises(&mut self) {
        let ids: Vec<TaskId> = self.book.debts.keys().copied().collect();
        for id in ids {
            let is_open = |op: &Op| matches!(op, Op::Accept { id: of, .. } if *of == id);
            let is_result = |op: &Op| matches!(op, Op::Delivered { id: of, .. } if *of == id);
            let records = self.records();
            if !records.iter().any(is_open) || records.iter().any(is_result) {
                self.book.debts.remove(&id);
            }
        }
    }

    /// What the store hands back: the last ones first, since the order must not matter.
    fn records(&self) -> Vec<Op> {
        let mut records: Vec<Op> = Vec::new();
        for op in &self.disk {
            match op {
                Op::Forget { id, run } => {
                    records.retain(|old| old.id() != *id || run_of(old) > *run);
                }
                op => records.push(op.clone()),
            }
        }
        records.reverse();
        records
    }

    fn input(&mut self, input: Input) {
        self.device.handle_input(self.now, input);
        self.drain();
    }

    fn drain(&mut self) {
        let outputs: Vec<Output> = std::iter::from_fn(|| self.device.poll_output()).collect();
        for output in &outputs {
            match output {
                Output::Fetch(exchange) => self.fetch = Some(*exchange),
                Output::Store(seq, op) => self.waiting.push_back((*seq, op.clone())),
                Output::Send(publish) => self.published(publish),
                Output::Hangup | Output::Disconnect => self.cut(),
                Output::Ack(delivery) => self.acked(*delivery, &outputs),
                Output::Event(event) => self.told(event),
                _ => {}
            }
        }
    }

    fn told(&mut self, event: &Event) {
        match event {
            Event::Work { id, run, .. } => {
                self.stats.works += 1;
                let other = self.works.insert(*id, *run);
                assert_eq!(other, None, "{id:?} runs twice at once");
                assert!(self.works.len() <= self.config.parallel);
                let last = self.last_runs.insert(*id, *run);
                assert!(last.is_none_or(|last| last < *run), "a number comes again");
            }
            Event::Cancel { id, run } => {
                self.stats.cancels += 1;
                assert_eq!(self.works.get(id), Some(run), "nobody works on it");
            }
            Event::Forgotten(id) => {
                self.last_runs.remove(id);
                assert!(!self.book.stored.contains_key(id), "not yet delivered");
            }
            Event::Closed(_) => panic!("it has ended"),
            _ => {}
        }
    }

    fn published(&mut self, publish: &Publish) {
        assert!(self.in_flight.len() < self.config.link.window);
        let told = match &*publish.message {
            Message::Finish(finish) => (finish.id, Outcome::Taken(finish.taken.clone())),
            Message::Fail(fail) => (fail.id, Outcome::Failed(fail.reason.clone())),
            other => panic!("an analyser does not say {other:?}"),
        };
        if matches!(told.1, Outcome::Taken(_)) {
            assert!(
                self.book.outcomes.contains(&told),
                "nobody has found {told:?}"
            );
        }
        let is_busy = told.1 == Outcome::Failed("busy".into());
        let is_it = |op: &Op| match op {
            Op::Result { id, outcome, .. } => (*id, &**outcome) == (told.0, &told.1),
            _ => false,
        };
        assert!(is_busy || self.disk.iter().any(is_it), "it is not stored");
        self.in_flight.push_back(publish.clone());
    }

    fn acked(&mut self, delivery: DeliveryId, outputs: &[Output]) {
        let given = self.deliveries.remove(&delivery);
        let given = given.expect("it is acknowledged twice, or over another connection");
        let Some(held) = self.unacked.remove(&given) else {
            return; // it was delivered twice
        };
        let Message::Start(start) = held.message else {
            return;
        };
        let id = start.id;
        let is_stored = self.records().iter().any(|op| op.id() == id);
        let busy = Output::Event(Event::Busy(id));
        assert!(is_stored || outputs.contains(&busy), "it is not stored");
        let last = self.book.cancelled.get(&id).copied();
        if last.is_none_or(|last| last < held.came) {
            self.book.debts.insert(id, self.book.tick);
        }
    }
}

impl Book {
    /// A cancelled task need not be answered.
    fn note_delivery(&mut self, message: &Message) {
        if let Message::Timeout(timeout) = message {
            let ids = timeout.id.map_or(1..=9, |id| id.0..=id.0);
            for id in ids.map(TaskId) {
                self.debts.remove(&id);
                self.cancelled.insert(id, self.tick);
            }
        }
    }

    fn note_answer(&mut self, message: &Message) {
        match message {
            Message::Finish(finish) => {
                self.debts.remove(&finish.id);
                self.stored.remove(&finish.id);
            }
            Message::Fail(fail) => drop(self.debts.remove(&fail.id)),
            _ => {}
        }
    }
}

//! An analyser under a virtual clock, with a server, a broker and a store that do as they are told.
#![allow(dead_code, reason = "each test program uses its part")]

use analyst_proto::BrokerProfile;
use analyst_proto::device::{
    Config, Counters, Device, Event, Input, Op, Outcome, Output, Recovered, Run, State, TaskState,
};
use analyst_proto::link::{DeliveryId, Down, ExchangeId, Incoming, Login, NotSent, Publish, Seq};
use analyst_proto::wire::{
    ClientId, ConnectionInfo, Finish, GoodsId, Message, ParentTopic, Secret, Start, TaskId, Timeout,
};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

pub(crate) struct Rig {
    pub(crate) device: Device,
    pub(crate) now: Instant,
    pub(crate) config: Config,
    pub(crate) is_store_prompt: bool,  // carries out at once
    pub(crate) is_broker_prompt: bool, // acknowledges at once
    pub(crate) waiting: VecDeque<(Seq, Op)>,
    pub(crate) disk: Vec<Op>, // what was carried out, in order
    pub(crate) fetches: Vec<ExchangeId>,
    pub(crate) opens: Vec<Login>,
    pub(crate) sends: Vec<Publish>, // all so far
    pub(crate) in_flight: Vec<Publish>,
    pub(crate) acks: Vec<u64>,
    pub(crate) events: Vec<Event>,
    pub(crate) log: Vec<Output>, // everything, in order
    deliveries: u64,
}

impl Rig {
    /// An analyser that has never run before.
    pub(crate) fn new(config: Config) -> Self {
        Self::restored(config, Vec::new())
    }

    pub(crate) fn restored(config: Config, records: Vec<Op>) -> Self {
        let now = testkit::epoch();
        let device = Device::new(now, config.clone(), Recovered::new(records.clone()));
        let mut rig = Self {
            device,
            now,
            config,
            is_store_prompt: true,
            is_broker_prompt: false,
            waiting: VecDeque::new(),
            disk: records,
            fetches: Vec::new(),
            opens: Vec::new(),
            sends: Vec::new(),
            in_flight: Vec::new(),
            acks: Vec::new(),
            events: Vec::new(),
            log: Vec::new(),
            deliveries: 0,
        };
        rig.drain();
        rig
    }

    /// One that is connected to an ordinary broker.
    pub(crate) fn up(config: Config) -> Self {
        let mut rig = Self::new(config);
        rig.connect();
        rig
    }

    /// Connects, whatever that takes.
    pub(crate) fn connect(&mut self) {
        while self.device.state() != State::Up {
            match self.device.state() {
                State::Waiting => {
                    let due = self.device.poll_timeout().expect("a timer");
                    self.wait(due.saturating_duration_since(self.now));
                }
                State::Fetching => self.inform(info()),
                State::Opening => self.accept(),
                other => panic!("cannot connect while {other:?}"),
            }
        }
    }

    pub(crate) fn inform(&mut self, info: ConnectionInfo) {
        let exchange = *self.fetches.last().expect("a question");
        self.input(Input::Info(exchange, Ok(info)));
    }

    /// The broker accepts the connection.
    pub(crate) fn accept(&mut self) {
        self.input(Input::Connected);
    }

    /// The power goes, and comes back: what the store has not done is lost.
    pub(crate) fn power_cut(&mut self) {
        self.waiting.clear();
        self.in_flight.clear();
        let recovered = Recovered::new(self.records());
        self.device = Device::new(self.now, self.config.clone(), recovered);
        self.drain();
    }

    /// What the store hands back: what was stored and not forgotten.
    pub(crate) fn records(&self) -> Vec<Op> {
        let mut records: Vec<Op> = Vec::new();
        for op in &self.disk {
            match op {
                Op::Forget { id, run } => {
                    records.retain(|old| old.id() != *id || run_of(old) > *run);
                }
                op => records.push(op.clone()),
            }
        }
        records
    }

    pub(crate) fn input(&mut self, input: Input) {
        self.device.handle_input(self.now, input);
        self.drain();
    }

    /// The broker delivers a message; gives what it is acknowledged by.
    pub(crate) fn deliver(&mut self, is_again: bool, message: Message) -> u64 {
        self.deliveries += 1;
        let delivery = DeliveryId(self.deliveries);
        self.input(Input::Received(Incoming::new(delivery, is_again, message)));
        self.deliveries
    }

    pub(crate) fn start(&mut self, id: u64) -> u64 {
        self.deliver(false, Message::Start(start(id)))
    }

    /// With DUP.
    pub(crate) fn start_again(&mut self, id: u64) -> u64 {
        self.deliver(true, Message::Start(start(id)))
    }

    pub(crate) fn timeout(&mut self, id: u64) -> u64 {
        self.deliver(false, Message::Timeout(Timeout::new(TaskId(id))))
    }

    /// One that does not say of which task.
    pub(crate) fn blank_timeout(&mut self, is_again: bool) -> u64 {
        let mut timeout = Timeout::new(TaskId(0));
        timeout.id = None;
        self.deliver(is_again, Message::Timeout(timeout))
    }

    /// The application has found what was taken.
    pub(crate) fn take(&mut self, id: u64, run: u32) {
        self.complete(id, run, taken());
    }

    pub(crate) fn fail(&mut self, id: u64, run: u32) {
        self.complete(id, run, Outcome::Failed("dark".into()));
    }

    pub(crate) fn complete(&mut self, id: u64, run: u32, outcome: Outcome) {
        self.device
            .complete(self.now, TaskId(id), Run(run), outcome)
            .expect("a run at work");
        self.drain();
    }

    pub(crate) fn stopped(&mut self, id: u64, run: u32) {
        self.device.stopped(self.now, TaskId(id), Run(run));
        self.drain();
    }

    /// The broker acknowledges the oldest message.
    pub(crate) fn sent(&mut self) {
        let send = self.in_flight.remove(0).send;
        self.input(Input::Sent(send));
    }

    pub(crate) fn not_sent(&mut self, why: NotSent) {
        let send = self.in_flight.remove(0).send;
        self.input(Input::SendFailed(send, why));
    }

    pub(crate) fn lose(&mut self, why: Down) {
        self.in_flight.clear();
        self.input(Input::Disconnected(why));
    }

    /// The store carries out the oldest request.
    pub(crate) fn store_one(&mut self) -> Op {
        let (seq, op) = self.waiting.pop_front().expect("a request");
        self.disk.push(op.clone());
        self.input(Input::Stored(seq));
        op
    }

    pub(crate) fn store_all(&mut self) {
        while !self.waiting.is_empty() {
            self.store_one();
        }
    }

    pub(crate) fn fail_store(&mut self) -> Op {
        let (seq, op) = self.waiting.pop_front().expect("a request");
        self.input(Input::StoreFailed(seq));
        op
    }

    /// Moves the clock, firing every timer when it is due.
    pub(crate) fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.device.poll_timeout().filter(|&due| due <= end) {
            assert!(due >= self.now, "a timer was left behind");
            self.now = due;
            self.device.handle_timeout(due);
            self.drain();
        }
        self.now = end;
        self.device.handle_timeout(end);
        self.drain();
    }

    /// Carries out what the analyser asks; store and broker only if they are prompt.
    pub(crate) fn drain(&mut self) {
        while let Some(output) = self.device.poll_output() {
            self.log.push(output.clone());
            match output {
                Output::Fetch(exchange) => self.fetches.push(exchange),
                Output::Open(login) => self.opens.push(login),
                Output::Subscribe(_) => {}
                Output::Send(publish) => self.send(publish),
                Output::Ack(delivery) => self.acks.push(delivery.0),
                Output::Hangup | Output::Disconnect => self.in_flight.clear(),
                Output::Store(seq, op) => {
                    self.waiting.push_back((seq, op));
                    if self.is_store_prompt {
                        self.store_all();
                    }
                }
                Output::Event(event) => self.events.push(event),
                _ => unreachable!("an output that this test does not know"),
            }
        }
    }

    fn send(&mut self, publish: Publish) {
        self.sends.push(publish.clone());
        self.in_flight.push(publish);
        if self.is_broker_prompt {
            self.sent();
        }
    }

    pub(crate) fn state_of(&self, id: u64) -> Option<TaskState> {
        self.device.task(TaskId(id))
    }

    pub(crate) fn is_acked(&self, delivery: u64) -> bool {
        self.acks.contains(&delivery)
    }

    pub(crate) fn messages(&self) -> Vec<Message> {
        let messages = self.sends.iter().map(|publish| (*publish.message).clone());
        messages.collect()
    }

    /// What the application was given to do so far.
    pub(crate) fn work(&self) -> Vec<(u64, u32)> {
        let work = self.events.iter().filter_map(|event| match event {
            Event::Work { id, run, .. } => Some((id.0, run.0)),
            _ => None,
        });
        work.collect()
    }

    pub(crate) fn cancels(&self) -> Vec<(u64, u32)> {
        let cancels = self.events.iter().filter_map(|event| match event {
            Event::Cancel { id, run } => Some((id.0, run.0)),
            _ => None,
        });
        cancels.collect()
    }

    pub(crate) fn has_said(&self, event: &Event) -> bool {
        self.events.contains(event)
    }

    pub(crate) fn times_said(&self, event: &Event) -> usize {
        self.events.iter().filter(|said| *said == event).count()
    }

    /// The place of an output in the log.
    pub(crate) fn place(&self, is_it: impl Fn(&Output) -> bool) -> usize {
        self.log.iter().position(is_it).expect("no such output")
    }

    pub(crate) fn counters(&self) -> Counters {
        self.device.counters()
    }
}

pub(crate) fn config() -> Config {
    Config::new("analyst_3", 7)
}

/// Aliyun's broker, which keeps no order.
pub(crate) fn lmq() -> Config {
    let mut config = config();
    config.profile = Some(BrokerProfile::Lmq);
    config
}

pub(crate) fn info() -> ConnectionInfo {
    info_of("GID_Analyst@@@analyst_3", "GID_Analyst@@@monitor")
}

pub(crate) fn info_of(client: &str, server: &str) -> ConnectionInfo {
    let id = |text: &str| ClientId::new(text).expect("a client id");
    let parent = ParentTopic::new("Analyst").expect("a topic");
    ConnectionInfo::new(parent, id(client), id(server), "192.0.2.10")
        .with_login("analyst", Secret::new("hush"))
}

pub(crate) fn start(id: u64) -> Start {
    Start::new(TaskId(id), format!("http://192.0.2.10/{id}.mp4"))
}

pub(crate) fn taken() -> Outcome {
    Outcome::Taken(vec![(GoodsId(9), 2)])
}

pub(crate) fn finish(id: u64) -> Message {
    Message::Finish(Finish::new(TaskId(id), vec![(GoodsId(9), 2)]))
}

pub(crate) fn fail(id: u64, reason: &str) -> Message {
    Message::Fail(analyst_proto::wire::Fail::new(TaskId(id), reason))
}

pub(crate) fn run_of(op: &Op) -> Run {
    match *op {
        Op::Accept { run, .. }
        | Op::Cancel { run, .. }
        | Op::Result { run, .. }
        | Op::Delivered { run, .. }
        | Op::Forget { run, .. } => run,
        _ => unreachable!("a request that this test does not know"),
    }
}

pub(crate) fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub(crate) fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

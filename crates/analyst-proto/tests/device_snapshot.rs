//! Snapshots are worth something to a search: analysers that look alike go on alike, however they
//! came there.

mod device_kit;

use analyst_proto::device::{
    Busy, Config, Device, Event, Input, Op, Output, Recovered, ReplyToTimeout, Run, Snapshot, State,
};
use analyst_proto::link::{DeliveryId, Down, ExchangeId, Incoming, NotSent, SendId, Seq};
use analyst_proto::wire::{Message, TaskId, Timeout};
use device_kit::{info, start, taken};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};
use testkit::Rng;

/// One thing that happens; what it refers to is counted from the oldest.
#[derive(Debug, Clone, Copy)]
enum Step {
    Connect,
    Lose,
    Start(u64, bool),
    Timeout(Option<u64>),
    Store(usize),
    FailStore,
    Sent,
    NotSent(NotSent),
    End(u64, u8),
    Wait,
}

/// One analyser and what its driver knows, with the smallest numbers for deliveries.
#[derive(Clone)]
struct Driver {
    device: Device,
    now: Instant,
    fetch: Option<ExchangeId>,
    pending: BTreeSet<Seq>,
    in_flight: BTreeSet<SendId>,
    unacked: BTreeSet<u64>,
    works: BTreeMap<TaskId, Run>,
    seqs: HashMap<Seq, usize>, // the how many-th since the comparison began
    sends: HashMap<SendId, usize>,
    said: Vec<String>,
}

impl Driver {
    fn new(config: Config) -> Self {
        let now = testkit::epoch();
        let mut driver = Self {
            device: Device::new(now, config, Recovered::empty()),
            now,
            fetch: None,
            pending: BTreeSet::new(),
            in_flight: BTreeSet::new(),
            unacked: BTreeSet::new(),
            works: BTreeMap::new(),
            seqs: HashMap::new(),
            sends: HashMap::new(),
            said: Vec::new(),
        };
        driver.drain();
        driver
    }

    fn look(&self) -> (Snapshot, BTreeSet<u64>, BTreeMap<TaskId, Run>) {
        let snapshot = self.device.snapshot(self.now);
        (snapshot, self.unacked.clone(), self.works.clone())
    }

    /// From now on what it says is compared: numbers are counted from what is open.
    fn begin(&mut self) {
        self.said.clear();
        self.seqs = self.pending.iter().copied().zip(0..).collect();
        self.sends = self.in_flight.iter().copied().zip(0..).collect();
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Connect => self.connect(),
            Step::Lose => {
                self.cut();
                self.input(Input::Disconnected(Down::Lost));
            }
            Step::Start(id, is_again) => self.deliver(is_again, Message::Start(start(id))),
            Step::Timeout(id) => {
                let mut timeout = Timeout::new(TaskId(0));
                timeout.id = id.map(TaskId);
                self.deliver(false, Message::Timeout(timeout));
            }
            Step::Store(nth) => {
                if let Some(seq) = self.pending.iter().nth(nth).copied() {
                    self.pending.remove(&seq);
                    self.input(Input::Stored(seq));
                }
            }
            Step::FailStore => {
                if let Some(seq) = self.pending.first().copied() {
                    self.input(Input::StoreFailed(seq));
                }
            }
            Step::Sent => {
                if let Some(send) = self.in_flight.pop_first() {
                    self.input(Input::Sent(send));
                }
            }
            Step::NotSent(why) => {
                if let Some(send) = self.in_flight.pop_first() {
                    self.input(Input::SendFailed(send, why));
                }
            }
            Step::End(id, how) => self.end(TaskId(id), how),
            Step::Wait => {
                self.now = self.device.poll_timeout().unwrap_or(self.now);
                self.device.handle_timeout(self.now);
                self.drain();
            }
        }
    }

    fn connect(&mut self) {
        if let Some(exchange) = self.fetch.take() {
            self.input(Input::Info(exchange, Ok(info())));
        } else {
            self.input(Input::Connected);
        }
    }

    fn cut(&mut self) {
        self.in_flight.clear();
        self.unacked.clear();
    }

    fn deliver(&mut self, is_again: bool, message: Message) {
        if self.device.state() == State::Up {
            let free = (1..=99).find(|number| !self.unacked.contains(number));
            let number = free.expect("a number");
            self.unacked.insert(number);
            let incoming = Incoming::new(DeliveryId(number), is_again, message);
            self.input(Input::Received(incoming));
        }
    }

    fn end(&mut self, id: TaskId, how: u8) {
        let Some(run) = self.works.remove(&id) else {
            return;
        };
        match how {
            0 => {
                let result = self.device.complete(self.now, id, run, taken());
                assert!(self.device.is_closed() || result.is_ok());
            }
            _ => self.device.stopped(self.now, id, run),
        }
        self.drain();
    }

    fn input(&mut self, input: Input) {
        self.device.handle_input(self.now, input);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.device.poll_output() {
            let said = match &output {
                Output::Fetch(exchange) => {
                    self.fetch = Some(*exchange);
                    "Fetch".into()
                }
                Output::Store(seq, op) => self.asked(*seq, op),
                Output::Send(publish) => {
                    self.in_flight.insert(publish.send);
                    let count = self.sends.len();
                    let nth = *self.sends.entry(publish.send).or_insert(count);
                    format!("{nth} {} {:?}", publish.topic, publish.message)
                }
                _ => format!("{output:?}"),
            };
            self.said.push(said);
            match output {
                Output::Ack(delivery) => drop(self.unacked.remove(&delivery.0)),
                Output::Hangup => self.cut(),
                Output::Event(Event::Work { id, run, .. }) => drop(self.works.insert(id, run)),
                _ => {}
            }
        }
    }

    fn asked(&mut self, seq: Seq, op: &Op) -> String {
        self.pending.insert(seq);
        let count = self.seqs.len();
        let nth = *self.seqs.entry(seq).or_insert(count);
        format!("{nth} {op:?}")
    }
}

fn step(random: &mut Rng) -> Step {
    let id = 1 + u64::from(random.percent(30));
    match random.below(30) {
        0..=3 => Step::Connect,
        4 => Step::Lose,
        5..=11 => Step::Start(id, random.percent(40)),
        12 => Step::Timeout(Some(id)),
        13 => Step::Timeout(None),
        14..=19 => Step::Store(usize::from(random.percent(20))),
        20 => Step::FailStore,
        21..=23 => Step::Sent,
        24 => Step::NotSent(if random.percent(50) {
            NotSent::TooLarge
        } else {
            NotSent::Closed
        }),
        25..=26 => Step::End(id, 0),
        27 => Step::End(id, 1),
        _ => Step::Wait,
    }
}

/// Without chance in delays.
fn even(random: &mut Rng) -> Config {
    let mut config = device_kit::config();
    let link = &mut config.link;
    for delay in [
        &mut link.backoff_min,
        &mut link.backoff_max,
        &mut link.auth_backoff_min,
        &mut link.auth_backoff_max,
        &mut link.store_retry_min,
        &mut link.store_retry_max,
    ] {
        *delay = Duration::ZERO;
    }
    link.max_unstored = 1 + usize::from(random.percent(50));
    config.max_queue = usize::from(random.percent(50));
    config.kept_results = usize::from(random.percent(50));
    config.overtake_guard = random.percent(50).then_some(device_kit::secs(15));
    if random.percent(30) {
        config.busy = Busy::Hold;
    }
    if random.percent(30) {
        config.reply_to_timeout = ReplyToTimeout::Fail;
    }
    config
}

#[test]
fn analysers_that_look_alike_go_on_alike() {
    let mut compared = 0;
    for seed in 0..30 {
        let mut random = Rng::new(seed);
        let config = even(&mut random);
        let mut seen: HashMap<_, Driver> = HashMap::new();
        for _ in 0..100 {
            let mut driver = Driver::new(config.clone());
            driver.step(Step::Connect);
            driver.step(Step::Connect);
            for _ in 0..30 {
                driver.step(step(&mut random));
                let look = driver.look();
                let Some(twin) = seen.get(&look) else {
                    seen.insert(look, driver.clone());
                    continue;
                };
                compared += 1;
                let (mut one, mut other) = (driver.clone(), twin.clone());
                one.begin();
                other.begin();
                let steps: Vec<Step> = (0..12).map(|_| step(&mut random)).collect();
                for &next in &steps {
                    one.step(next);
                    other.step(next);
                }
                assert_eq!(one.said, other.said, "{steps:?} after {look:?}");
                assert!(one.look() == other.look(), "{steps:?} after {look:?}");
            }
        }
    }
    assert!(compared > 20_000, "{compared}");
}

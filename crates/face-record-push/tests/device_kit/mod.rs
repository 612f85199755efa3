//! A terminal under a virtual clock, with a store and a platform that do as they are told.
#![allow(dead_code, reason = "each test program uses its part")]

use bytes::Bytes;
use face_record_push::device::{
    AttemptId, Cause, Config, Device, Event, IndexEntry, Input, Loss, Op, OpId, Output, Post,
    Recovered, Seq, StoreError,
};
use face_record_push::{Answer, AskReply, Dest, ExchangeId, Item, Subscription};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) const HERE: &str = "http://192.0.2.10:9000/Record";
pub(crate) const THERE: &str = "http://192.0.2.20:9000/Record";

pub(crate) struct Rig {
    pub(crate) device: Device,
    pub(crate) now: Instant,
    pub(crate) store: Store,
    pub(crate) is_store_prompt: bool, // answers at once
    pub(crate) posts: Vec<Post>,      // all so far
    pub(crate) in_flight: Vec<Post>,
    pub(crate) events: Vec<Event>,
    pub(crate) log: Vec<Output>, // everything, in order
    pub(crate) answers: Vec<(ExchangeId, AskReply)>,
    pub(crate) given_up: Vec<AttemptId>,
    pub(crate) config: Config,
}

/// What the disk holds, and what has been asked of it.
#[derive(Default)]
pub(crate) struct Store {
    pub(crate) rows: BTreeMap<Seq, Arc<Item>>,
    pub(crate) dead: Vec<Seq>,
    pub(crate) losses: Vec<Loss>,
    pub(crate) subscription: Subscription,
    pub(crate) next_seq: u64,
    pub(crate) waiting: VecDeque<(OpId, Op)>,
    pub(crate) seen: Vec<Op>, // every request so far
    pub(crate) is_damaged: bool,
}

impl Rig {
    /// A terminal that was told its destination long ago.
    pub(crate) fn new(config: Config) -> Self {
        let store = Store {
            subscription: to(HERE),
            ..Store::default()
        };
        Self::with_store(config, store)
    }

    pub(crate) fn with_store(config: Config, store: Store) -> Self {
        let device = Device::new(config.clone(), store.recovered());
        let mut rig = Self {
            device,
            now: testkit::epoch(),
            store,
            is_store_prompt: true,
            posts: Vec::new(),
            in_flight: Vec::new(),
            events: Vec::new(),
            log: Vec::new(),
            answers: Vec::new(),
            given_up: Vec::new(),
            config,
        };
        rig.device.handle_timeout(rig.now);
        rig.drain();
        rig
    }

    /// The power goes, and comes back: what the store has not done is lost.
    pub(crate) fn power_cut(&mut self) {
        self.store.waiting.clear();
        self.device = Device::new(self.config.clone(), self.store.recovered());
        self.in_flight.clear();
        self.device.handle_timeout(self.now);
        self.drain();
    }

    pub(crate) fn input(&mut self, input: Input) {
        self.device.handle_input(self.now, input);
        self.drain();
    }

    pub(crate) fn record(&mut self, item: Item) -> Seq {
        let seq = self.device.record(self.now, item).expect("room");
        self.drain();
        seq
    }

    pub(crate) fn record_many(&mut self, count: u64) {
        for nth in 0..count {
            self.record(item(nth, 0));
        }
    }

    pub(crate) fn configure(&mut self, subscription: Subscription) {
        self.device
            .configure(self.now, subscription)
            .expect("room for a change");
        self.drain();
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

    /// Moves the clock until something is posted.
    pub(crate) fn wait_for_post(&mut self) {
        while self.in_flight.is_empty() {
            let due = self.device.poll_timeout().expect("a timer");
            self.wait(due - self.now);
        }
    }

    /// Carries out what the terminal asks; the store only if it is prompt.
    pub(crate) fn drain(&mut self) {
        while let Some(output) = self.device.poll_output() {
            self.log.push(output.clone());
            match output {
                Output::Send(post) => {
                    self.posts.push(post.clone());
                    self.in_flight.push(post);
                }
                Output::Answer(exchange, reply) => self.answers.push((exchange, reply)),
                Output::Store(id, op) => {
                    self.store.seen.push(op.clone());
                    self.store.waiting.push_back((id, op));
                    if self.is_store_prompt {
                        self.store_all_once();
                    }
                }
                Output::Event(event) => self.events.push(event),
                Output::Disconnect(attempt) => {
                    self.in_flight.retain(|post| post.attempt != attempt);
                    self.given_up.push(attempt);
                }
                _ => unreachable!("an output that this test does not know"),
            }
        }
    }

    fn store_all_once(&mut self) {
        while let Some(input) = self.store.carry_out() {
            self.device.handle_input(self.now, input);
        }
    }

    /// Lets the store do the next thing it was asked.
    pub(crate) fn store_one(&mut self) {
        let input = self.store.carry_out().expect("a request");
        self.input(input);
    }

    pub(crate) fn store_all(&mut self) {
        while let Some(input) = self.store.carry_out() {
            self.input(input);
        }
    }

    /// The store refuses the next request.
    pub(crate) fn fail_store(&mut self, error: StoreError) -> Op {
        let (id, op) = self.store.waiting.pop_front().expect("a request");
        self.input(Input::StoreFailed(id, error));
        op
    }

    /// The store breaks: nothing that waits is done.
    pub(crate) fn break_store(&mut self) {
        for (id, _) in std::mem::take(&mut self.store.waiting) {
            self.input(Input::StoreFailed(id, StoreError::Broken));
        }
    }

    pub(crate) fn resume(&mut self) {
        let recovered = self.store.recovered();
        self.device.resume(self.now, recovered);
        self.drain();
    }

    /// The platform answers the oldest post.
    pub(crate) fn answer(&mut self, answer: Answer) {
        let post = self.in_flight.remove(0);
        self.input(Input::Received(post.attempt, answer));
    }

    pub(crate) fn ack(&mut self) {
        self.answer(Answer::new(200, Some(200)));
    }

    pub(crate) fn refuse(&mut self) {
        self.answer(Answer::new(200, Some(500)));
    }

    pub(crate) fn lose(&mut self, cause: Cause) {
        let post = self.in_flight.remove(0);
        self.input(Input::Disconnected(post.attempt, cause));
    }

    /// Acknowledges until nothing is posted any more.
    pub(crate) fn ack_all(&mut self) {
        while !self.in_flight.is_empty() {
            self.ack();
        }
    }

    pub(crate) fn posted(&self) -> Vec<u64> {
        self.posts.iter().map(|post| post.seq.0).collect()
    }

    pub(crate) fn acked(&self) -> Vec<u64> {
        let acked = self.events.iter().filter_map(|event| match event {
            Event::Acked(seq) => Some(seq.0),
            _ => None,
        });
        acked.collect()
    }

    pub(crate) fn losses(&self) -> Vec<Loss> {
        let losses = self.events.iter().filter_map(|event| match event {
            Event::Lost(loss) => Some(*loss),
            _ => None,
        });
        losses.collect()
    }

    pub(crate) fn count(&self, is_it: impl Fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|event| is_it(event)).count()
    }

    /// FI-4
    pub(crate) fn check_counters(&self) {
        let counters = self.device.counters();
        let sum = counters.acked + counters.lost + counters.buried;
        assert_eq!(counters.recorded, sum + self.device.queued() as u64);
    }
}

impl Store {
    pub(crate) fn recovered(&self) -> Recovered {
        let mut recovered = Recovered::empty();
        recovered.next_seq = Seq(self.next_seq);
        recovered.index = self
            .rows
            .iter()
            .map(|(seq, item)| entry(*seq, item))
            .collect();
        recovered.subscription = self.subscription.clone();
        recovered.losses.clone_from(&self.losses);
        recovered
    }

    /// Does the next thing it was asked; `None` if there is none.
    pub(crate) fn carry_out(&mut self) -> Option<Input> {
        let (id, op) = self.waiting.pop_front()?;
        match op {
            Op::Append { seq, item } => {
                self.next_seq = self.next_seq.max(seq.0 + 1);
                self.rows.insert(seq, item);
            }
            Op::Load { seq } => return Some(Input::Loaded(id, self.rows.get(&seq).cloned())),
            Op::Advance { upto } => self.rows = self.rows.split_off(&Seq(upto.0 + 1)),
            Op::Drop(loss) => {
                self.rows
                    .retain(|seq, _| !(loss.from..=loss.to).contains(seq));
                self.losses.push(loss);
            }
            Op::Strip { from, to } => {
                for item in self.rows.range_mut(from..=to).map(|(_, item)| item) {
                    *item = Arc::new(item.without_picture());
                }
            }
            Op::Bury { seq } => {
                let is_there = self.rows.remove(&seq).is_some();
                assert!(is_there || self.is_damaged, "nothing to bury");
                self.dead.push(seq);
            }
            Op::Configure(subscription) => self.subscription = subscription,
            _ => unreachable!("a request that this test does not know"),
        }
        Some(Input::Stored(id))
    }
}

pub(crate) fn config() -> Config {
    let mut config = Config::new(7);
    config.dest_policy.allow_special = true;
    config
}

pub(crate) fn to(url: &str) -> Subscription {
    Subscription::to(Dest::parse(url).expect("a url"))
}

pub(crate) fn off() -> Subscription {
    let mut subscription = to(HERE);
    subscription.is_enabled = false;
    subscription
}

/// A record that says which one it is, with a picture of so many bytes.
pub(crate) fn item(nth: u64, picture: usize) -> Item {
    let head = "{\"type\":0,\"data\":{\"rgb_image\":\"";
    let json = format!("{head}\",\"user\":{{\"user_id\":{nth}}}}}}}");
    let mut row = vec![1];
    row.extend_from_slice(&u32::try_from(head.len()).expect("short").to_le_bytes());
    row.extend_from_slice(json.as_bytes());
    let jpeg = (picture > 0).then(|| Bytes::from(vec![0xff; picture]));
    Item::read_row(&row.into(), jpeg).expect("a row")
}

pub(crate) fn entry(seq: Seq, item: &Item) -> IndexEntry {
    IndexEntry::new(seq, item.row_len(), item.picture_len())
}

pub(crate) fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub(crate) fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

//! The face terminal: operation lists, against its invariants.

use arbitrary::{Result, Unstructured};
use face_record_push::device::{
    AttemptId, Cause, Charge, Config, Device, Durability, Event, Fault, IndexEntry, Input, Loss,
    Op, OpId, Output, Overflow, Post, Recovered, Seq, State, StoreError,
};
use face_record_push::{
    Answer, AnswerError, Ask, AskError, Dest, ExchangeId, Item, Subscription, codec,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Whatever happens to a terminal: each record is acknowledged, lost and reported, set aside or still
/// there, and counted as one of these; posts are one at a time, in order, and only of what is kept
/// where that is asked for; nothing is advanced over that is not acknowledged; every question is
/// answered once; timers move on; once all is well again the queue drains; and closed is said once and
/// last.
pub fn ops(data: &[u8]) {
    // A list that ends in the middle of an operation is as good as one that ends before it.
    let _ = run(&mut Unstructured::new(data));
}

struct World {
    device: Device,
    config: Config,
    now: Instant,
    disk: Disk,
    waiting: VecDeque<(OpId, Op)>,
    in_flight: Vec<Post>,
    kept: BTreeSet<Seq>,
    acked: BTreeSet<Seq>,
    lost: u64,
    last_posted: Seq,
    open_questions: BTreeSet<ExchangeId>,
    asked: u64,
    is_closed: bool,
}

#[derive(Default)]
struct Disk {
    rows: BTreeMap<Seq, Arc<Item>>,
    next_seq: u64,
    losses: Vec<Loss>,
    subscription: Subscription,
}

fn run(input: &mut Unstructured<'_>) -> Result<()> {
    let config = config(input)?;
    let disk = Disk {
        subscription: to("http://192.0.2.10:9000/Record"),
        ..Disk::default()
    };
    #[allow(clippy::disallowed_methods, reason = "the origin of a virtual clock")]
    let now = Instant::now();
    let mut world = World {
        device: Device::new(config.clone(), disk.recovered()),
        config,
        now,
        disk,
        waiting: VecDeque::new(),
        in_flight: Vec::new(),
        kept: BTreeSet::new(),
        acked: BTreeSet::new(),
        lost: 0,
        last_posted: Seq(0),
        open_questions: BTreeSet::new(),
        asked: 0,
        is_closed: false,
    };
    for nth in 0..300 {
        if input.is_empty() {
            break;
        }
        world.wait(Duration::from_millis(input.int_in_range(0..=2_000)?));
        world.step(input, nth)?;
        world.check();
    }
    world.heal();
    world.device.close(world.now);
    world.see();
    world.store_all();
    assert!(world.is_closed && world.device.is_closed());
    assert!(world.open_questions.is_empty(), "not answered");
    assert_eq!(world.device.poll_timeout(), None);
    Ok(())
}

fn config(input: &mut Unstructured<'_>) -> Result<Config> {
    let mut config = Config::new(input.arbitrary()?);
    config.overflow = *input.choose(&[
        Overflow::DropOldest,
        Overflow::RefuseNew,
        Overflow::DropImages,
        Overflow::DropImagesThenRefuse,
    ])?;
    config.durability = *input.choose(&[
        Durability::BeforeSend,
        Durability::BeforeSend,
        Durability::Concurrent,
        Durability::Lazy(Duration::from_millis(400)),
    ])?;
    config.charge = *input.choose(&[Charge::Exact, Charge::PowerOfTwo])?;
    (config.max_records, config.max_bytes, config.max_unstored) = (6, 8_000, 4);
    config.max_questions = 3;
    config.poison_after = input
        .arbitrary::<Option<u8>>()?
        .map(|limit| u32::from(limit % 4));
    Ok(config)
}

impl World {
    fn step(&mut self, input: &mut Unstructured<'_>, nth: u64) -> Result<()> {
        let now = self.now;
        match input.int_in_range(0..=27)? {
            0..=6 => {
                let picture = input.int_in_range(0..=2_000)?;
                let next = self.device.next_seq();
                if let Ok(seq) = self.device.record(now, item(nth, picture)) {
                    assert_eq!(seq, next);
                }
            }
            7..=12 => {
                for _ in 0..input.int_in_range(1..=4)? {
                    self.store_one();
                }
            }
            13 => self.fail(StoreError::Full),
            14 => self.fail(StoreError::Broken),
            15 => self.resume(),
            16..=18 => self.answer(Answer::new(200, Some(200))),
            19 => {
                let mut answer = Answer::new(input.arbitrary()?, input.arbitrary()?);
                let after: Option<u16> = input.arbitrary()?;
                answer.retry_after = after.map(|after| Duration::from_secs(after.into()));
                self.answer(answer);
            }
            20 => {
                if let Some(post) = self.in_flight.pop() {
                    let error = AnswerError::Redirected(307);
                    self.device
                        .handle_input(now, Input::Garbled(post.attempt, error));
                }
            }
            21 => {
                if let Some(post) = self.in_flight.pop() {
                    let cause = *input.choose(&[Cause::Unreachable, Cause::Broken])?;
                    self.device
                        .handle_input(now, Input::Disconnected(post.attempt, cause));
                }
            }
            22 => self.device.handle_input(now, Input::Connected),
            23 => self.ask(input)?,
            24 => {
                let fault = *input.choose(&[
                    Fault::Duplicate(0.5),
                    Fault::LoseAck(0.5),
                    Fault::UserIdKind,
                    Fault::WrappedBase64,
                    Fault::Rewritten,
                    Fault::NullUser,
                ])?;
                self.device.fault(now, fault);
            }
            25 => self.device.clear_faults(now),
            26 => self.power_cut(),
            // News of what is not there.
            _ => {
                let (op, attempt) = (OpId(input.arbitrary()?), AttemptId(input.arbitrary()?));
                let is_open = self.waiting.iter().any(|(id, _)| *id == op)
                    || self.in_flight.iter().any(|post| post.attempt == attempt);
                if !is_open {
                    self.device.handle_input(now, Input::Stored(op));
                    self.device.handle_input(now, Input::Loaded(op, None));
                    let failed = Input::StoreFailed(op, StoreError::Broken);
                    self.device.handle_input(now, failed);
                    let acked = Input::Received(attempt, Answer::new(200, Some(200)));
                    self.device.handle_input(now, acked);
                }
            }
        }
        self.see();
        Ok(())
    }

    fn ask(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        self.asked += 1;
        let exchange = ExchangeId(self.asked);
        self.open_questions.insert(exchange);
        let asked = match input.int_in_range(0..=3)? {
            0 => Input::Asked(exchange, Ask::Read),
            1 => Input::Misasked(exchange, AskError::NotJson),
            _ => {
                let url = *input.choose(&["http://192.0.2.20/", "http://127.0.0.1/", "gopher:"])?;
                let event_dest = input.arbitrary::<bool>()?.then(|| url.to_owned());
                let is_enabled = input.arbitrary()?;
                Input::Asked(
                    exchange,
                    Ask::Change {
                        event_dest,
                        is_enabled,
                    },
                )
            }
        };
        self.device.handle_input(self.now, asked);
        self.see();
        if input.ratio(1, 4)? && self.open_questions.remove(&exchange) {
            self.device.handle_input(self.now, Input::Unasked(exchange));
        }
        Ok(())
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.device.poll_timeout().filter(|&due| due <= end) {
            self.now = due.max(self.now);
            self.device.handle_timeout(self.now);
            let next = self.device.poll_timeout();
            assert!(next.is_none_or(|next| next > self.now), "a timer spins");
            self.see();
        }
        self.now = end;
    }

    fn answer(&mut self, answer: Answer) {
        if let Some(post) = self.in_flight.pop() {
            let received = Input::Received(post.attempt, answer);
            self.device.handle_input(self.now, received);
            self.see();
        }
    }

    fn store_one(&mut self) {
        if let Some((id, op)) = self.waiting.pop_front() {
            let done = self.disk.carry_out(id, op);
            self.device.handle_input(self.now, done);
            self.see();
        }
    }

    fn store_all(&mut self) {
        while !self.waiting.is_empty() {
            self.store_one();
        }
    }

    fn fail(&mut self, error: StoreError) {
        if let Some((id, _)) = self.waiting.pop_front() {
            self.device
                .handle_input(self.now, Input::StoreFailed(id, error));
            if error == StoreError::Broken {
                self.waiting.clear();
            }
            self.see();
        }
    }

    fn resume(&mut self) {
        if self.device.state() == State::Paused {
            self.device.resume(self.now, self.disk.recovered());
            self.see();
        }
    }

    fn power_cut(&mut self) {
        self.waiting.clear();
        self.in_flight.clear();
        self.open_questions.clear();
        self.kept = self.disk.rows.keys().copied().collect();
        self.acked.clear();
        self.lost = 0;
        self.last_posted = Seq(0);
        self.device = Device::new(self.config.clone(), self.disk.recovered());
        // Losses of earlier lives are not of this one.
        for _ in 0..self.disk.losses.len() {
            let first = self.device.poll_output();
            assert!(matches!(first, Some(Output::Event(Event::Lost(_)))));
        }
        self.device.handle_timeout(self.now);
    }

    fn see(&mut self) {
        while let Some(output) = self.device.poll_output() {
            assert!(!self.is_closed, "something follows the end");
            match output {
                Output::Send(post) => self.posted(post),
                Output::Answer(exchange, _) => {
                    assert!(self.open_questions.remove(&exchange), "nobody asked");
                }
                Output::Store(_, Op::Advance { upto }) if !self.acked.contains(&upto) => {
                    panic!("{upto:?} is advanced over");
                }
                Output::Store(id, op) => self.waiting.push_back((id, op)),
                Output::Event(event) => self.heard(&event),
                Output::Disconnect(attempt) => {
                    self.in_flight.retain(|post| post.attempt != attempt);
                }
                _ => {}
            }
        }
    }

    fn posted(&mut self, post: Post) {
        assert!(self.in_flight.is_empty(), "two at once");
        assert!(post.seq >= self.last_posted, "out of order");
        let is_kept = self.kept.contains(&post.seq);
        assert!(is_kept || self.config.durability != Durability::BeforeSend);
        self.last_posted = post.seq;
        let mut body = Vec::new();
        codec::encode_push(&post.item, &mut body);
        codec::deface(body.into(), &post.faults);
        self.in_flight.push(post);
    }

    fn heard(&mut self, event: &Event) {
        match event {
            Event::Kept(seq) => assert!(self.kept.insert(*seq), "kept twice"),
            Event::Acked(seq) => assert!(self.acked.insert(*seq), "acknowledged twice"),
            Event::Lost(loss) => {
                assert!(loss.from <= loss.to && loss.tried <= loss.count);
                self.lost += loss.count;
            }
            Event::Closed(_) => self.is_closed = true,
            _ => {}
        }
    }

    fn check(&self) {
        let counters = self.device.counters();
        let queued = self.device.queued() as u64;
        let sum = counters.acked + counters.lost + counters.buried + queued;
        assert_eq!(counters.recorded, sum);
        assert_eq!(counters.acked, self.acked.len() as u64);
        assert!(self.lost <= counters.lost, "more reported than lost");
        let is_quiet = matches!(
            self.device.state(),
            State::Off | State::Idle | State::Paused
        );
        let is_waiting = self.device.poll_timeout().is_some() || !self.waiting.is_empty();
        assert!(is_quiet || is_waiting, "hangs in {:?}", self.device.state());
    }

    /// Everything is well from now on.
    fn heal(&mut self) {
        self.device.clear_faults(self.now);
        self.resume();
        self.store_all();
        drop(self.device.configure(self.now, to("http://192.0.2.30/")));
        for _ in 0..200 {
            self.see();
            self.store_all();
            self.answer(Answer::new(200, Some(200)));
            self.store_all();
            self.wait(Duration::from_secs(10));
        }
        assert_eq!(
            (self.device.queued(), self.device.state()),
            (0, State::Idle)
        );
        assert!(self.disk.rows.is_empty(), "left in the store");
        assert_eq!(
            self.lost,
            self.device.counters().lost,
            "lost without a report"
        );
        assert!(self.open_questions.is_empty(), "not answered");
    }
}

impl Disk {
    fn recovered(&self) -> Recovered {
        let mut recovered = Recovered::empty();
        let entry = |(seq, item): (&Seq, &Arc<Item>)| {
            IndexEntry::new(*seq, item.row_len(), item.picture_len())
        };
        recovered.index = self.rows.iter().map(entry).collect();
        recovered.next_seq = Seq(self.next_seq);
        recovered.losses.clone_from(&self.losses);
        recovered.subscription = self.subscription.clone();
        recovered
    }

    fn carry_out(&mut self, id: OpId, op: Op) -> Input {
        match op {
            Op::Append { seq, item } => {
                self.next_seq = self.next_seq.max(seq.0 + 1);
                self.rows.insert(seq, item);
            }
            Op::Load { seq } => return Input::Loaded(id, self.rows.get(&seq).cloned()),
            Op::Advance { upto } => self.rows.retain(|seq, _| *seq > upto),
            Op::Drop(loss) => {
                self.rows
                    .retain(|seq, _| !(loss.from..=loss.to).contains(seq));
                self.losses.push(loss);
            }
            Op::Strip { from, to } => {
                for (_, item) in self.rows.range_mut(from..=to) {
                    *item = Arc::new(item.without_picture());
                }
            }
            Op::Bury { seq } => assert!(self.rows.remove(&seq).is_some(), "nothing to bury"),
            Op::Configure(subscription) => self.subscription = subscription,
            _ => {}
        }
        Input::Stored(id)
    }
}

fn to(url: &str) -> Subscription {
    Subscription::to(Dest::parse(url).expect("a url"))
}

fn item(nth: u64, picture: usize) -> Item {
    let head = "{\"type\":0,\"data\":{\"rgb_image\":\"";
    let json = format!("{head}\",\"user\":{{\"user_id\":{nth}}}}}}}");
    let mut row = vec![1];
    row.extend_from_slice(&(head.len() as u32).to_le_bytes());
    row.extend_from_slice(json.as_bytes());
    Item::read_row(&row.into(), Some(vec![0xff; picture].into())).expect("a row")
}

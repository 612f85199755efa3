//! The analyser: operation lists with power cuts, and records in any order.

use analyst_proto::BrokerProfile;
use analyst_proto::device::{
    Busy, Config, Device, Event, Input, Op, Outcome, Output, Recovered, ReplyToTimeout, Run, State,
    TaskState,
};
use analyst_proto::link::{DeliveryId, Down, ExchangeId, Incoming, NotSent, Publish, SendId, Seq};
use analyst_proto::wire::{
    ClientId, ConnectionInfo, ErrorCode, Finish, GoodsId, Message, NoInfo, ParentTopic, Rejection,
    Secret, Start, TaskId, Timeout,
};
use arbitrary::{Result, Unstructured};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Whatever happens to an analyser: no task runs twice at once, no number of a run comes again, nothing
/// is acknowledged or published before it is stored, an acknowledgement comes once and over the same
/// connection, draining late and firing twice change nothing, timers move on, bounds hold, each result
/// that is stored arrives once all is well, and closed is said once and last.
pub fn ops(data: &[u8]) {
    // A list that ends in the middle of an operation is as good as one that ends before it.
    let _ = run(&mut Unstructured::new(data));
}

/// Records, in whatever order they come, make the same analyser of it, which tells no result that is
/// not among them.
pub fn restore(input: &mut Unstructured<'_>) -> Result<()> {
    let config = config(input)?;
    let mut records = Vec::new();
    let mut results = BTreeSet::new();
    for _ in 0..input.int_in_range(0..=24)? {
        let record = record(input)?;
        // No store holds two different results of one number.
        let is_new = match &record {
            Op::Result { id, run, nth, .. } => results.insert((*id, *run, *nth)),
            _ => true,
        };
        if is_new {
            records.push(record);
        }
    }
    let mut other = records.clone();
    for last in (1..other.len()).rev() {
        other.swap(last, input.int_in_range(0..=last)?);
    }
    assert_eq!(come_to(&config, &records), come_to(&config, &other));
    Ok(())
}

const TASKS: u64 = 5;

struct World {
    twin: Twin,
    now: Instant,
    config: Config,
    disk: Vec<Op>,
    waiting: VecDeque<(Seq, Op)>,
    fetch: Option<ExchangeId>,
    unacked: BTreeMap<u64, (Message, bool)>, // what the broker holds, and whether it came before
    given: u64,
    deliveries: BTreeMap<DeliveryId, u64>, // over this connection, each of which message
    delivered: u64,
    in_flight: VecDeque<Publish>,
    works: BTreeMap<TaskId, Run>, // what the application works on
    last_runs: BTreeMap<TaskId, Run>,
    handed_in: BTreeSet<(TaskId, Vec<(GoodsId, i32)>)>,
    undelivered: BTreeMap<TaskId, Vec<(GoodsId, i32)>>, // what was found and is stored
    is_closed: bool,
}

/// An analyser that is drained at once and fired twice, and one that is drained at the end.
struct Twin {
    device: Device,
    lazy: Device,
    log: Vec<Output>,
}

impl Twin {
    fn new(now: Instant, config: &Config, records: &[Op]) -> Self {
        let new = || Device::new(now, config.clone(), Recovered::new(records.to_vec()));
        Self {
            device: new(),
            lazy: new(),
            log: Vec::new(),
        }
    }

    fn input(&mut self, now: Instant, input: Input) {
        self.device.handle_timeout(now);
        self.device.handle_timeout(now);
        self.device.handle_input(now, input.clone());
        self.lazy.handle_input(now, input);
    }

    fn fire(&mut self, now: Instant) {
        self.device.handle_timeout(now);
        self.lazy.handle_timeout(now);
        let next = self.device.poll_timeout();
        assert!(next.is_none_or(|next| next > now), "a timer spins");
    }

    fn complete(&mut self, now: Instant, id: TaskId, run: Run, outcome: Outcome) -> bool {
        let is_taken = self.device.complete(now, id, run, outcome.clone()).is_ok();
        let too = self.lazy.complete(now, id, run, outcome).is_ok();
        assert_eq!(is_taken, too);
        is_taken
    }

    fn drain(&mut self) -> Vec<Output> {
        let outputs: Vec<_> = std::iter::from_fn(|| self.device.poll_output()).collect();
        self.log.extend(outputs.iter().cloned());
        outputs
    }

    fn compare(&mut self) {
        let late: Vec<_> = std::iter::from_fn(|| self.lazy.poll_output()).collect();
        assert_eq!(self.log, late, "drained late");
        self.log.clear();
    }
}

fn run(input: &mut Unstructured<'_>) -> Result<()> {
    let config = config(input)?;
    #[allow(clippy::disallowed_methods, reason = "the origin of a virtual clock")]
    let now = Instant::now();
    let mut world = World {
        twin: Twin::new(now, &config, &[]),
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
        handed_in: BTreeSet::new(),
        undelivered: BTreeMap::new(),
        is_closed: false,
    };
    world.see();
    world.connect();
    world.connect();
    for _ in 0..250 {
        if input.is_empty() {
            break;
        }
        let pause = if input.ratio(1, 8)? { 60_000 } else { 500 };
        world.wait(Duration::from_millis(input.int_in_range(0..=pause)?));
        world.step(input)?;
        world.check();
    }
    world.heal();
    world.close();
    Ok(())
}

fn config(input: &mut Unstructured<'_>) -> Result<Config> {
    let mut config = Config::new("analyst_3", input.arbitrary()?);
    config.profile = Some(*input.choose(&[BrokerProfile::Lmq, BrokerProfile::Plain])?);
    config.busy = *input.choose(&[Busy::Fail, Busy::Hold])?;
    config.reply_to_timeout = *input.choose(&[ReplyToTimeout::Nothing, ReplyToTimeout::Fail])?;
    config.echo_attempt = input.arbitrary()?;
    config.parallel = input.int_in_range(1..=2)?;
    config.max_queue = input.int_in_range(0..=2)?;
    config.max_busy = input.int_in_range(1..=2)?;
    config.kept_results = input.int_in_range(0..=4)?;
    config.link.max_unstored = input.int_in_range(1..=4)?;
    config.link.window = input.int_in_range(1..=2)?;
    // The end for want of a store is for `check_closed`.
    config.link.store_give_up = Duration::from_secs(1_000_000);
    Ok(config)
}

impl World {
    fn step(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        match input.int_in_range(0..=31)? {
            0..=6 => {
                let id = TaskId(input.int_in_range(1..=TASKS)?);
                self.give(Message::Start(start(id)));
            }
            7..=8 => {
                let id = TaskId(input.int_in_range(1..=TASKS)?);
                self.give(Message::Timeout(Timeout::new(id)));
            }
            9 => {
                let mut timeout = Timeout::new(TaskId(0));
                timeout.id = None;
                self.give(Message::Timeout(timeout));
            }
            10..=11 => {
                let held: Vec<u64> = self.unacked.keys().copied().collect();
                if !held.is_empty() {
                    self.deliver(*input.choose(&held)?);
                }
            }
            12..=16 => {
                for _ in 0..input.int_in_range(1..=3)? {
                    self.store(0);
                }
            }
            17 => {
                if !self.waiting.is_empty() {
                    self.store(input.int_in_range(0..=self.waiting.len() - 1)?);
                }
            }
            18 => {
                if let Some((seq, op)) = self.waiting.pop_front() {
                    // Whether it is there after a power cut is not known.
                    if input.arbitrary()? {
                        self.carry_out(op);
                    }
                    self.input(Input::StoreFailed(seq));
                }
            }
            19..=21 => self.connect(),
            22 => {
                let why = *input.choose(&[
                    Down::Lost,
                    Down::BadCredentials,
                    Down::Refused(3),
                    Down::Timeout,
                ])?;
                self.cut();
                self.input(Input::Disconnected(why));
            }
            23..=24 => self.sent(),
            25 => {
                if let Some(publish) = self.in_flight.pop_front() {
                    let why = *input.choose(&[NotSent::TooLarge, NotSent::Closed])?;
                    self.not_sent(&publish, why);
                }
            }
            26..=28 => self.end(input)?,
            29 => self.power_cut(input)?,
            30 => {
                if let Some(exchange) = self.fetch.take() {
                    let rejection = Rejection::new(ErrorCode::SignInvalid, "sign is invaild");
                    let why = [NoInfo::Rejected(rejection), NoInfo::Unreachable];
                    self.input(Input::Info(exchange, Err(input.choose(&why)?.clone())));
                }
            }
            // News of what is not there, and what is not for analysers.
            _ => {
                self.input(Input::Stored(Seq(u64::MAX)));
                self.input(Input::StoreFailed(Seq(u64::MAX)));
                self.input(Input::Sent(SendId(u64::MAX)));
                self.input(Input::SendFailed(SendId(u64::MAX), NotSent::TooLarge));
                self.input(Input::Info(ExchangeId(u64::MAX), Err(NoInfo::Unreachable)));
                self.give(Message::Finish(Finish::new(TaskId(1), Vec::new())));
            }
        }
        Ok(())
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.twin.device.poll_timeout().filter(|&due| due <= end) {
            assert!(due >= self.now, "a timer was left behind");
            self.now = due;
            self.twin.fire(due);
            self.see();
        }
        self.now = end;
    }

    /// The dispatcher has something to say, now or over the next connection.
    fn give(&mut self, message: Message) {
        self.given += 1;
        self.unacked.insert(self.given, (message, false));
        self.deliver(self.given);
    }

    fn deliver(&mut self, given: u64) {
        if self.twin.device.state() != State::Up {
            return;
        }
        let Some((message, came)) = self.unacked.get_mut(&given) else {
            return;
        };
        let is_again = std::mem::replace(came, true);
        let message = message.clone();
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
        if self.twin.device.state() == State::Opening {
            self.input(Input::Connected);
        }
    }

    fn store(&mut self, at: usize) {
        if let Some((seq, op)) = self.waiting.remove(at) {
            self.carry_out(op);
            self.input(Input::Stored(seq));
        }
    }

    fn store_all(&mut self) {
        while !self.waiting.is_empty() {
            self.store(0);
        }
    }

    fn carry_out(&mut self, op: Op) {
        if let Op::Result { id, outcome, .. } = &op {
            match &**outcome {
                Outcome::Taken(taken) => drop(self.undelivered.insert(*id, taken.clone())),
                _ => drop(self.undelivered.remove(id)),
            }
        }
        self.disk.push(op);
    }

    fn sent(&mut self) {
        if let Some(publish) = self.in_flight.pop_front() {
            if let Message::Finish(finish) = &*publish.message {
                self.undelivered.remove(&finish.id);
            }
            self.input(Input::Sent(publish.send));
        }
    }

    fn not_sent(&mut self, publish: &Publish, why: NotSent) {
        if let (Message::Finish(finish), NotSent::TooLarge) = (&*publish.message, why) {
            self.undelivered.remove(&finish.id);
        }
        self.input(Input::SendFailed(publish.send, why));
    }

    fn end(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        let works: Vec<_> = self.works.iter().map(|(&id, &run)| (id, run)).collect();
        if works.is_empty() {
            let none = Outcome::Taken(Vec::new());
            let is_taken = self.twin.complete(self.now, TaskId(1), Run(1), none);
            assert!(!is_taken, "nobody works on it");
            self.see();
            return Ok(());
        }
        let (id, run) = *input.choose(&works)?;
        let outcome = match input.int_in_range(0..=3)? {
            0 => Outcome::Failed("dark".into()),
            _ => found(id, run),
        };
        self.complete(id, run, outcome);
        Ok(())
    }

    fn complete(&mut self, id: TaskId, run: Run, outcome: Outcome) {
        if let Outcome::Taken(taken) = &outcome {
            self.handed_in.insert((id, taken.clone()));
        }
        self.works.remove(&id);
        let is_taken = self.twin.complete(self.now, id, run, outcome);
        assert!(is_taken, "a run at work");
        self.see();
    }

    fn power_cut(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        // A prefix of what was asked for has got there.
        for _ in 0..input.int_in_range(0..=self.waiting.len())? {
            if let Some((_, op)) = self.waiting.pop_front() {
                self.carry_out(op);
            }
        }
        self.twin.compare();
        self.waiting.clear();
        self.cut();
        self.works.clear();
        self.fetch = None;
        let mut records = self.records();
        if input.arbitrary()? {
            records.reverse();
        }
        self.twin = Twin::new(self.now, &self.config, &records);
        self.see();
        Ok(())
    }

    /// What the store hands back.
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
        records
    }

    fn input(&mut self, input: Input) {
        self.twin.input(self.now, input);
        self.see();
    }

    fn see(&mut self) {
        let outputs = self.twin.drain();
        for output in &outputs {
            assert!(!self.is_closed || *output == Output::Disconnect);
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
                let other = self.works.insert(*id, *run);
                assert_eq!(other, None, "{id:?} runs twice at once");
                assert!(self.works.len() <= self.config.parallel);
                let last = self.last_runs.insert(*id, *run);
                assert!(last.is_none_or(|last| last < *run), "a number comes again");
            }
            Event::Cancel { id, run } => {
                assert_eq!(self.works.get(id), Some(run), "nobody works on it");
            }
            Event::Forgotten(id) => {
                self.last_runs.remove(id);
                assert!(!self.undelivered.contains_key(id), "not yet delivered");
            }
            Event::Closed(_) => self.is_closed = true,
            _ => {}
        }
    }

    fn published(&mut self, publish: &Publish) {
        assert!(self.in_flight.len() < self.config.link.window);
        let told = match &*publish.message {
            Message::Finish(finish) => {
                let handed_in = (finish.id, finish.taken.clone());
                assert!(self.handed_in.contains(&handed_in), "nobody has found it");
                (finish.id, Outcome::Taken(finish.taken.clone()))
            }
            Message::Fail(fail) => (fail.id, Outcome::Failed(fail.reason.clone())),
            other => panic!("an analyser does not say {other:?}"),
        };
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
        let Some((Message::Start(start), _)) = self.unacked.remove(&given) else {
            return;
        };
        let id = start.id;
        let is_stored = self.disk.iter().any(|op| op.id() == id);
        let busy = Output::Event(Event::Busy(id));
        assert!(is_stored || outputs.contains(&busy), "it is not stored");
    }

    fn check(&self) {
        let device = &self.twin.device;
        assert_eq!(device.running(), self.works.len());
        assert!(
            device.tasks() <= TASKS as usize,
            "as many as there are numbers"
        );
        assert!(device.unsent() <= TASKS as usize + self.config.max_busy);
        assert_eq!(device.snapshot(self.now), self.twin.lazy.snapshot(self.now));
    }

    /// Everything is well from now on.
    fn heal(&mut self) {
        for _ in 0..400 {
            self.wait(Duration::from_secs(20));
            self.connect();
            self.store_all();
            let held: Vec<u64> = self.unacked.keys().copied().collect();
            for given in held {
                self.deliver(given);
                self.store_all();
            }
            let works: Vec<_> = self.works.iter().map(|(&id, &run)| (id, run)).collect();
            for (id, run) in works {
                self.complete(id, run, found(id, run));
                self.store_all();
            }
            while !self.in_flight.is_empty() {
                self.sent();
                self.store_all();
            }
            let device = &self.twin.device;
            let is_idle = device.unsent() == 0 && device.queued() == 0;
            if is_idle && self.unacked.is_empty() && self.works.is_empty() {
                assert!(self.undelivered.is_empty(), "stored, and not sent");
                return self.check_over();
            }
        }
        panic!("it does not come to rest");
    }

    fn check_over(&self) {
        for id in self.last_runs.keys() {
            let state = self.twin.device.task(*id);
            let is_over = matches!(
                state,
                None | Some(TaskState::Kept | TaskState::Cancelled | TaskState::Forgetting)
            );
            assert!(is_over, "{id:?} is {state:?}");
        }
    }

    fn close(&mut self) {
        self.twin.device.close(self.now);
        self.twin.lazy.close(self.now);
        self.see();
        let end = &self.twin.log[self.twin.log.len() - 2..];
        assert!(matches!(
            end,
            [Output::Event(Event::Closed(_)), Output::Disconnect]
        ));
        assert_eq!(self.twin.device.poll_timeout(), None);
        self.input(Input::Connected);
        self.twin.compare();
    }
}

fn record(input: &mut Unstructured<'_>) -> Result<Op> {
    let id = TaskId(input.int_in_range(1..=4)?);
    let run = Run(input.int_in_range(1..=3)?);
    let nth = input.int_in_range(1..=3)?;
    Ok(match input.int_in_range(0..=4)? {
        0 => Op::Cancel { id, run },
        1 => Op::Delivered { id, run, nth },
        2 => Op::Result {
            id,
            run,
            nth,
            outcome: Arc::new(found(id, run)),
        },
        3 => Op::Result {
            id,
            run,
            nth,
            outcome: Arc::new(Outcome::Failed("dark".into())),
        },
        _ => {
            // A record may be of another task than it says.
            let of = TaskId(id.0 + u64::from(input.ratio(1, 16)?));
            Op::Accept {
                id,
                run,
                task: Arc::new(start(of)),
            }
        }
    })
}

/// What becomes of each task, and what is told of it once there is a connection.
fn come_to(config: &Config, records: &[Op]) -> (Vec<Option<TaskState>>, usize, BTreeSet<String>) {
    let mut config = config.clone();
    // Which of too many are forgotten depends on which are the oldest.
    config.kept_results = 9;
    // So that what waits for room does not depend on it, either.
    (config.parallel, config.link.window) = (9, 9);
    #[allow(clippy::disallowed_methods, reason = "the origin of a virtual clock")]
    let now = Instant::now();
    let mut device = Device::new(now, config, Recovered::new(records.to_vec()));
    let states = (0..9).map(|id| device.task(TaskId(id))).collect();
    let queued = device.queued();
    let mut told = BTreeSet::new();
    while let Some(output) = device.poll_output() {
        match output {
            Output::Fetch(exchange) => device.handle_input(now, Input::Info(exchange, Ok(info()))),
            Output::Open(_) => {
                device.handle_input(now, Input::Connected);
            }
            Output::Store(seq, op) => {
                told.insert(format!("store {op:?}"));
                device.handle_input(now, Input::Stored(seq));
            }
            Output::Send(publish) => {
                check_known(&publish.message, records);
                told.insert(format!("send {:?}", publish.message));
                device.handle_input(now, Input::Sent(publish.send));
            }
            Output::Event(event @ (Event::Work { .. } | Event::Cancel { .. })) => {
                told.insert(format!("{event:?}"));
            }
            _ => {}
        }
    }
    assert_eq!(device.unsent(), 0);
    (states, queued, told)
}

fn check_known(message: &Message, records: &[Op]) {
    let told = match message {
        Message::Finish(finish) => (finish.id, Outcome::Taken(finish.taken.clone())),
        Message::Fail(fail) => (fail.id, Outcome::Failed(fail.reason.clone())),
        other => panic!("an analyser does not say {other:?}"),
    };
    let is_known = records.iter().any(|op| match op {
        Op::Result { id, outcome, .. } => (*id, &**outcome) == (told.0, &told.1),
        _ => false,
    });
    assert!(is_known, "invented: {told:?}");
}

fn info() -> ConnectionInfo {
    let id = |text: &str| ClientId::new(text).expect("a client id");
    let parent = ParentTopic::new("Analyst").expect("a topic");
    let (me, server) = ("GID_Analyst@@@analyst_3", "GID_Analyst@@@monitor");
    ConnectionInfo::new(parent, id(me), id(server), "192.0.2.10")
        .with_login("analyst", Secret::new("test-secret"))
}

fn start(id: TaskId) -> Start {
    Start::new(id, "http://192.0.2.10/top.mp4")
}

fn found(id: TaskId, run: Run) -> Outcome {
    Outcome::Taken(vec![(GoodsId(id.0), i32::try_from(run.0).unwrap_or(0))])
}

fn run_of(op: &Op) -> Run {
    match *op {
        Op::Accept { run, .. }
        | Op::Cancel { run, .. }
        | Op::Result { run, .. }
        | Op::Delivered { run, .. }
        | Op::Forget { run, .. } => run,
        _ => Run(u32::MAX),
    }
}

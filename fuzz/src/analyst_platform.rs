//! The dispatcher: operation lists with crashes, and records in any order.

use analyst_proto::link::{DeliveryId, Down, Incoming, Login, NotSent, Publish, SendId, Seq};
use analyst_proto::platform::{
    Config, Event, Input, NodeId, Op, Output, Platform, Registration, Relay, Submission, Ticket,
    Verdict,
};
use analyst_proto::wire::{
    Attempt, ClientId, Fail, Finish, GoodsId, Message, ParentTopic, Progress, Secret, Start, Taken,
    TaskId, UnixMillis,
};
use analyst_proto::{BrokerProfile, WireErrorKind};
use arbitrary::{Result, Unstructured};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Whatever happens to a dispatcher: what it tells is stored, each accepted task has one verdict, which
/// nobody made up and which is told once a life until it is confirmed; a result is acknowledged once,
/// over its own connection, and not before what follows from it is stored; START goes only to whom the
/// attempt is stored for, and no analyser has more attempts than its capacity; peers are asked about
/// what is not known here, once, and hear of what is known once what follows from it is stored; draining
/// late and firing twice change nothing, timers move on, bounds hold, every task ends once all is well, and closed is
/// said once and last.
pub fn ops(data: &[u8]) {
    // A list that ends in the middle of an operation is as good as one that ends before it.
    let _ = run(&mut Unstructured::new(data));
}

/// Records, in whatever order they come, make the same dispatcher of it, which tells no verdict that
/// does not follow from them.
pub fn restore(input: &mut Unstructured<'_>) -> Result<()> {
    let config = config(input)?;
    let mut records = Vec::new();
    let mut attempts: BTreeMap<(TaskId, u32), ClientId> = BTreeMap::new();
    for _ in 0..input.int_in_range(0..=24)? {
        let mut record = record(input)?;
        // No store holds two analysers of one attempt.
        if let Op::Assign {
            id,
            attempt,
            client,
        } = &mut record
        {
            let first = attempts.entry((*id, *attempt));
            client.clone_from(first.or_insert_with(|| client.clone()));
        }
        records.push(record);
    }
    // Nor two verdicts, but a result in the place of another verdict; nor two reasons of one attempt.
    let mut said = BTreeSet::new();
    records.retain(|record| match record {
        Op::Submit(id, _) => said.insert((0, *id, 0)),
        Op::Terminal(id, Verdict::Finished(_)) => said.insert((1, *id, 0)),
        Op::Terminal(id, _) => said.insert((2, *id, 0)),
        Op::FailNoted {
            id,
            attempt: Some(attempt),
            ..
        } => said.insert((3, *id, *attempt)),
        _ => true,
    });
    let mut other = records.clone();
    for last in (1..other.len()).rev() {
        other.swap(last, input.int_in_range(0..=last)?);
    }
    assert_eq!(come_to(&config, &records), come_to(&config, &other));
    Ok(())
}

const TASKS: u64 = 6;
const ANALYSTS: u32 = 3;
const WALL: UnixMillis = UnixMillis(1_679_846_303_000);

struct World {
    twin: Twin,
    start: Instant,
    now: Instant,
    config: Config,
    disk: Vec<Op>,
    waiting: VecDeque<(Seq, Op)>,
    in_flight: VecDeque<Publish>,
    is_opening: bool,
    deliveries: BTreeMap<DeliveryId, (TaskId, bool, bool)>, // results over this connection
    delivered: u64,
    asked: BTreeSet<(NodeId, Ticket)>, // by us, in this life
    offered: BTreeSet<(TaskId, bool)>, // results that peers were asked about, and whether a FINISH
    peers_ask: Vec<(NodeId, Message)>, // by ticket
    capacities: BTreeMap<ClientId, usize>,
    seen: BTreeSet<(TaskId, Vec<(GoodsId, i32)>)>, // what analysers have said
    failed: BTreeSet<(TaskId, String)>,
    cancelled: BTreeSet<TaskId>,
    accepted: BTreeSet<TaskId>,
    verdicts: BTreeMap<TaskId, Verdict>,
    told: BTreeSet<TaskId>, // in this life
    is_closed: bool,
}

/// A dispatcher that is drained at once and fired twice, and one that is drained at the end.
struct Twin {
    platform: Platform,
    lazy: Platform,
    log: Vec<Output>,
}

impl Twin {
    fn new(platform: Platform) -> Self {
        Self {
            lazy: platform.clone(),
            platform,
            log: Vec::new(),
        }
    }

    /// Does the same to both.
    fn both<T: PartialEq + std::fmt::Debug>(
        &mut self,
        now: Instant,
        mut act: impl FnMut(&mut Platform) -> T,
    ) -> T {
        self.platform.handle_timeout(now);
        self.platform.handle_timeout(now);
        let done = act(&mut self.platform);
        assert_eq!(done, act(&mut self.lazy));
        done
    }

    fn fire(&mut self, now: Instant) {
        self.both(now, |platform| platform.handle_timeout(now));
        let next = self.platform.poll_timeout();
        assert!(next.is_none_or(|next| next > now), "a timer spins");
    }

    fn drain(&mut self) -> Vec<Output> {
        let outputs: Vec<_> = std::iter::from_fn(|| self.platform.poll_output()).collect();
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
    let start = epoch();
    let mut world = World {
        twin: Twin::new(Platform::new(start, config.clone())),
        start,
        now: start,
        config,
        disk: Vec::new(),
        waiting: VecDeque::new(),
        in_flight: VecDeque::new(),
        is_opening: false,
        deliveries: BTreeMap::new(),
        delivered: 0,
        asked: BTreeSet::new(),
        offered: BTreeSet::new(),
        peers_ask: Vec::new(),
        capacities: BTreeMap::new(),
        seen: BTreeSet::new(),
        failed: BTreeSet::new(),
        cancelled: BTreeSet::new(),
        accepted: BTreeSet::new(),
        verdicts: BTreeMap::new(),
        told: BTreeSet::new(),
        is_closed: false,
    };
    world.register(1, 1);
    world.connect();
    for _ in 0..250 {
        if input.is_empty() {
            break;
        }
        let pause = if input.ratio(1, 6)? { 90_000 } else { 500 };
        world.wait(Duration::from_millis(input.int_in_range(0..=pause)?));
        world.step(input)?;
        world.check();
    }
    world.heal();
    world.close();
    Ok(())
}

fn config(input: &mut Unstructured<'_>) -> Result<Config> {
    let login = Login::new(
        "broker.example",
        1883,
        ClientId::new("GID_Analyst@@@monitor").expect("a client id"),
        "monitor",
        Secret::new("test-secret"),
        ParentTopic::new("Analyst").expect("a topic"),
    );
    let mut config = Config::new(login, input.arbitrary()?);
    let flags: [bool; 6] = input.arbitrary()?;
    [
        config.nudge,
        config.label_attempts,
        config.takes_progress,
        config.rounded_ids,
        ..,
    ] = flags;
    let [.., is_lmq, waits] = flags;
    if is_lmq {
        config.profile = BrokerProfile::Lmq;
        config.rate = BrokerProfile::Lmq.rate();
        config.settle = Duration::from_secs(10);
    }
    // By its seed, so that lists without peers mean what they always did.
    if config.seed & 4 != 0 {
        config.peers = [NodeId(1), NodeId(2)].into();
        config.max_relays = 1 + usize::from(config.seed & 8 != 0);
    }
    config.queue_wait = waits.then_some(Duration::from_secs(40));
    config.max_attempts = input.int_in_range(1..=3)?;
    config.link.window = input.int_in_range(1..=3)?;
    config.link.max_unstored = input.int_in_range(1..=3)?;
    config.link.store_give_up = Duration::from_secs(1_000_000);
    config.max_tasks = input.int_in_range(2..=6)?;
    config.max_analysts = input.int_in_range(1..=3)?;
    config.tombstones = input.int_in_range(0..=3)?;
    config.suspend_after = input.int_in_range(1..=3)?;
    config.fatal_reasons = vec!["404".to_owned()];
    Ok(config)
}

impl World {
    fn step(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        let last = if self.config.peers.is_empty() { 35 } else { 41 };
        match input.int_in_range(0..=last)? {
            0..=4 => self.submit(input)?,
            5 => {
                let (now, id) = (self.now, any_id(input)?);
                if self
                    .twin
                    .both(now, |platform| platform.cancel(now, id))
                    .is_ok()
                {
                    self.cancelled.insert(id);
                }
            }
            6..=8 => {
                let (now, id) = (self.now, any_id(input)?);
                let done = self.twin.both(now, |platform| platform.confirm(now, id));
                assert!(done.is_err() || self.told.contains(&id), "it was not told");
            }
            9 => self.register(
                input.int_in_range(1..=ANALYSTS)?,
                input.int_in_range(0..=2)?,
            ),
            10 => {
                let (now, client) = (self.now, client(input.int_in_range(1..=ANALYSTS)?));
                let done = self
                    .twin
                    .both(now, |platform| platform.unregister(now, &client));
                if done.is_ok() {
                    self.capacities.insert(client, 0);
                }
            }
            11..=15 => {
                for _ in 0..input.int_in_range(1..=4)? {
                    self.store(0);
                }
            }
            16 => {
                if !self.waiting.is_empty() {
                    self.store(input.int_in_range(0..=self.waiting.len() - 1)?);
                }
            }
            17 => {
                if let Some((seq, op)) = self.waiting.pop_front() {
                    // Whether it is there after a power cut is not known.
                    if input.arbitrary()? {
                        self.disk.push(op);
                    }
                    self.input(Input::StoreFailed(seq));
                }
            }
            18..=19 => self.connect(),
            20 => {
                let why = *input.choose(&[
                    Down::Lost,
                    Down::BadCredentials,
                    Down::Refused(3),
                    Down::Timeout,
                ])?;
                self.cut();
                self.input(Input::Disconnected(why));
            }
            21..=23 => self.sent(),
            24 => {
                if let Some(publish) = self.in_flight.pop_front() {
                    let why = *input.choose(&[NotSent::TooLarge, NotSent::Closed])?;
                    if let Message::Start(start) = &*publish.message {
                        let reason = "the task is larger than the broker takes";
                        self.failed.insert((start.id, reason.to_owned()));
                    }
                    self.input(Input::SendFailed(publish.send, why));
                }
            }
            25..=28 => {
                let (id, count) = (any_id(input)?, input.int_in_range(0..=2)?);
                let mut finish = Finish::new(id, taken(count));
                finish.analyst_id = label(input)?;
                self.hear(Message::Finish(finish));
            }
            29..=31 => {
                let reason = *input.choose(&["busy", "404", "太暗"])?;
                let mut fail = Fail::new(any_id(input)?, reason);
                fail.analyst_id = label(input)?;
                self.hear(Message::Fail(fail));
            }
            32 => self.hear(Message::Progress(Progress::new(any_id(input)?))),
            33 => {
                let client = client(input.int_in_range(1..=ANALYSTS)?);
                let online = input.arbitrary()?;
                self.input(Input::Presence { client, online });
            }
            34 => self.power_cut(input)?,
            36..=38 => self.peer_asks(input)?,
            39..=41 => self.peer_answers(input)?,
            // News of what is not there, and what is not for dispatchers.
            _ => {
                self.input(Input::Stored(Seq(u64::MAX)));
                self.input(Input::StoreFailed(Seq(u64::MAX)));
                self.input(Input::Sent(SendId(u64::MAX)));
                let rounded = TaskId(id(1).0 / 256 * 256);
                self.hear(Message::Finish(Finish::new(rounded, taken(1))));
                self.hear(Message::Start(Start::new(id(1), "top.mp4")));
                self.delivered += 1;
                let garbled = WireErrorKind::Missing("id");
                self.input(Input::Garbled(DeliveryId(self.delivered), garbled));
            }
        }
        self.see();
        Ok(())
    }

    /// Another dispatcher has a result, perhaps for a task of ours, and perhaps not for the first time.
    fn peer_asks(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        let id = any_id(input)?;
        let mut at = self.peers_ask.len();
        if at > 0 && input.ratio(1, 4)? {
            at = input.int_in_range(0..=at - 1)?;
        } else {
            let message = if input.arbitrary()? {
                let taken = taken(input.int_in_range(0..=2)?);
                self.seen.insert((id, taken.clone()));
                Message::Finish(Finish::new(id, taken))
            } else {
                let reason = *input.choose(&["busy", "404", "太暗"])?;
                self.failed.insert((id, reason.to_owned()));
                Message::Fail(Fail::new(id, reason))
            };
            let node = NodeId(input.int_in_range(1..=3)?);
            self.peers_ask.push((node, message));
        }
        let (node, message) = self.peers_ask[at].clone();
        let (ticket, message) = (Ticket(at as u64), Arc::new(message));
        let relay = Relay::Result { ticket, message };
        self.input(Input::FromNode { node, relay });
        Ok(())
    }

    /// Another dispatcher says whether it knows a task that we asked about, or did not.
    fn peer_answers(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        let asked: Vec<_> = self.asked.iter().copied().collect();
        let (node, ticket) = if asked.is_empty() || input.ratio(1, 8)? {
            (NodeId(input.int_in_range(1..=3)?), Ticket(7))
        } else {
            *input.choose(&asked)?
        };
        let relay = if input.arbitrary()? {
            Relay::Known { ticket }
        } else {
            Relay::Unknown { ticket }
        };
        self.input(Input::FromNode { node, relay });
        Ok(())
    }

    fn submit(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        let (now, wall, id) = (self.now, self.wall(), any_id(input)?);
        let mut submission = Submission::new(Start::new(id, "top.mp4"));
        submission.priority = input.int_in_range(-1..=1)?;
        if input.ratio(1, 4)? {
            submission.expires_at = Some(wall.plus(input.int_in_range(-10..=100_000)?));
        }
        let submit =
            |platform: &mut Platform| platform.submit(now, wall, submission.clone()).map_err(drop);
        if self.twin.both(now, submit).is_ok() {
            // It may have been forgotten, and is new.
            self.verdicts.remove(&id);
            self.told.remove(&id);
            self.accepted.remove(&id);
        }
        self.see();
        Ok(())
    }

    fn register(&mut self, number: u32, capacity: usize) {
        let (now, client) = (self.now, client(number));
        let key = Secret::new("test-secret");
        let mut registration = Registration::new(format!("analyst_{number}"), key, client.clone());
        registration.capacity = capacity;
        let done = self
            .twin
            .both(now, |platform| platform.register(now, registration.clone()));
        if done.is_ok() {
            self.capacities.insert(client, capacity);
        }
        self.see();
    }

    fn wall(&self) -> UnixMillis {
        let passed = (self.now - self.start).as_millis();
        WALL.plus(i64::try_from(passed).unwrap_or(i64::MAX))
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.twin.platform.poll_timeout().filter(|&due| due <= end) {
            assert!(due >= self.now, "a timer was left behind");
            self.now = due;
            self.twin.fire(due);
            self.see();
        }
        self.now = end;
    }

    /// An analyser says something.
    fn hear(&mut self, message: Message) {
        if !self.twin.platform.is_up() {
            return;
        }
        self.delivered += 1;
        let delivery = DeliveryId(self.delivered);
        let mut result = None;
        match &message {
            Message::Finish(finish) => {
                // A rounded number may be taken for any.
                let ids = (1..=TASKS).map(id).chain([finish.id]);
                self.seen.extend(ids.map(|id| (id, finish.taken.clone())));
                result = Some(finish.id);
            }
            Message::Fail(fail) => {
                self.failed.insert((fail.id, fail.reason.to_string()));
                result = Some(fail.id);
            }
            _ => {}
        }
        if let Some(id) = result {
            let is_found = matches!(message, Message::Finish(_));
            self.deliveries.insert(delivery, (id, is_found, false));
        }
        let incoming = Incoming::new(delivery, false, message);
        self.input(Input::Received(incoming));
    }

    fn cut(&mut self) {
        self.in_flight.clear();
        self.deliveries.clear();
        self.is_opening = false;
    }

    fn connect(&mut self) {
        if std::mem::take(&mut self.is_opening) {
            self.input(Input::Connected);
        }
    }

    fn store(&mut self, at: usize) {
        if let Some((seq, op)) = self.waiting.remove(at) {
            self.disk.push(op);
            self.input(Input::Stored(seq));
        }
    }

    fn store_all(&mut self) {
        while !self.waiting.is_empty() {
            self.store(0);
        }
    }

    fn sent(&mut self) {
        if let Some(publish) = self.in_flight.pop_front() {
            self.input(Input::Sent(publish.send));
        }
    }

    fn input(&mut self, input: Input) {
        let now = self.now;
        // What time brings about is asked for before.
        self.twin.fire(now);
        self.see();
        let tell = |platform: &mut Platform| platform.handle_input(now, input.clone());
        self.twin.both(now, tell);
        self.see();
    }

    fn power_cut(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        // A prefix of what was asked for has got there.
        for _ in 0..input.int_in_range(0..=self.waiting.len())? {
            self.disk.extend(self.waiting.pop_front().map(|(_, op)| op));
        }
        self.twin.compare();
        self.waiting.clear();
        self.cut();
        self.told.clear();
        self.asked.clear();
        let mut records = self.records();
        if input.arbitrary()? {
            records.reverse();
        }
        let next = Platform::restore(self.now, self.wall(), self.config.clone(), records);
        self.twin = Twin::new(next);
        self.see();
        for (client, capacity) in std::mem::take(&mut self.capacities) {
            let number = client.as_str().rsplit('_').next().map(str::parse);
            if let (Some(Ok(number)), 1..) = (number, capacity) {
                self.register(number, capacity);
            }
        }
        Ok(())
    }

    /// What the store hands back.
    fn records(&self) -> Vec<Op> {
        let mut records: Vec<Op> = Vec::new();
        for op in &self.disk {
            match op {
                Op::Forget(id) => records.retain(|old| old.id() != *id),
                op => records.push(op.clone()),
            }
        }
        records
    }

    fn see(&mut self) {
        for output in self.twin.drain() {
            assert!(!self.is_closed || output == Output::Disconnect);
            match output {
                Output::Open(_) => self.is_opening = true,
                Output::Store(seq, op) => self.waiting.push_back((seq, op)),
                Output::Send(publish) => self.published(publish),
                Output::Hangup | Output::Disconnect => self.cut(),
                Output::Ack(delivery) => self.acked(delivery),
                Output::Event(event) => self.heard(event),
                Output::Relay { node, relay } => self.relayed(node, relay),
                _ => {}
            }
        }
    }

    fn is_kept(&self, is_it: impl Fn(&Op) -> bool) -> bool {
        self.disk.iter().any(is_it)
    }

    fn heard(&mut self, event: Event) {
        match event {
            Event::Accepted(id) => {
                assert!(self.is_kept(|op| matches!(op, Op::Submit(it, _) if *it == id)));
                self.accepted.insert(id);
            }
            Event::Verdict { id, verdict, .. } => {
                let terminal = Op::Terminal(id, verdict.clone());
                assert!(self.is_kept(|op| *op == terminal), "it is not stored");
                assert!(self.told.insert(id), "told twice in one life");
                match &verdict {
                    Verdict::Finished(taken) => {
                        let is_seen = self.seen.contains(&(id, taken.clone()));
                        assert!(is_seen, "nobody has found it");
                    }
                    Verdict::Failed(reasons) => {
                        for reason in reasons {
                            let is_said = self.failed.contains(&(id, reason.to_string()));
                            assert!(is_said || self.config.rounded_ids, "nobody said {reason}");
                        }
                    }
                    Verdict::Cancelled => assert!(self.cancelled.contains(&id)),
                    _ => {}
                }
                let before = self.verdicts.insert(id, verdict.clone());
                assert!(
                    before.is_none_or(|before| before == verdict),
                    "two verdicts"
                );
            }
            Event::Closed(_) => self.is_closed = true,
            _ => {}
        }
    }

    fn published(&mut self, publish: Publish) {
        assert!(self.in_flight.len() < self.config.link.window);
        if let Message::Start(start) = &*publish.message {
            let is_it = |op: &Op| match op {
                Op::Assign { id, client, .. } => {
                    *id == start.id && publish.topic.client() == client.as_str()
                }
                _ => false,
            };
            assert!(self.is_kept(is_it), "the attempt is not stored");
        }
        self.in_flight.push_back(publish);
    }

    fn relayed(&mut self, node: NodeId, relay: Relay) {
        assert!(self.config.peers.contains(&node), "no peer");
        match relay {
            Relay::Result { ticket, message } => {
                assert!(self.asked.insert((node, ticket)), "asked twice");
                match &*message {
                    Message::Finish(finish) => self.offered.insert((finish.id, true)),
                    Message::Fail(fail) => self.offered.insert((fail.id, false)),
                    _ => panic!("no result"),
                };
            }
            Relay::Known { ticket } => {
                let (asker, message) = &self.peers_ask[ticket.0 as usize];
                assert_eq!(node, *asker);
                if let Message::Finish(Finish { id, .. }) = message {
                    let is_it = |op: &Op| matches!(op, Op::Terminal(it, _) if it == id);
                    let is_deciding = self.waiting.iter().any(|(_, op)| is_it(op));
                    assert!(!is_deciding || self.is_kept(is_it), "not stored");
                }
            }
            Relay::Unknown { ticket } => assert_eq!(node, self.peers_ask[ticket.0 as usize].0),
            _ => unreachable!("there are no others"),
        }
    }

    fn acked(&mut self, delivery: DeliveryId) {
        let Some((id, is_found, was_acked)) = self.deliveries.get_mut(&delivery) else {
            return; // no result
        };
        assert!(!std::mem::replace(was_acked, true), "acknowledged twice");
        let (id, is_found) = (*id, *is_found);
        if self.offered.contains(&(id, is_found)) {
            return; // the task was not known then, and may have come since
        }
        // What was found waits for the verdict; a failure may be noted before it.
        let is_deciding = self
            .waiting
            .iter()
            .any(|(_, op)| matches!(op, Op::Terminal(it, _) if *it == id));
        let is_decided = self.is_kept(|op| matches!(op, Op::Terminal(it, _) if *it == id));
        assert!(
            !is_found || !is_deciding || is_decided || self.config.rounded_ids,
            "acknowledged and not stored"
        );
    }

    fn check(&self) {
        let platform = &self.twin.platform;
        let stats = platform.stats();
        assert!(tasks(platform) <= TASKS as usize);
        assert!(stats.remembered <= self.config.tombstones.max(1));
        assert!(stats.analysts <= self.config.max_analysts.max(ANALYSTS as usize));
        assert_eq!(
            platform.snapshot(self.now),
            self.twin.lazy.snapshot(self.now)
        );
    }

    /// Everything is well from now on: analysers answer whatever they are given.
    fn heal(&mut self) {
        let now = self.now;
        for number in 1..=ANALYSTS {
            self.register(number, 1);
            let client = client(number);
            let presence = Input::Presence {
                client,
                online: true,
            };
            self.twin
                .both(now, |platform| platform.handle_input(now, presence.clone()));
        }
        for _ in 0..400 {
            self.wait(Duration::from_secs(30));
            self.connect();
            self.store_all();
            while let Some(publish) = self.in_flight.front() {
                let message = Arc::clone(&publish.message);
                self.sent();
                self.store_all();
                if let Message::Start(start) = &*message {
                    let mut finish = Finish::new(start.id, taken(1));
                    finish.analyst_id.clone_from(&start.analyst_id);
                    self.hear(Message::Finish(finish));
                    self.store_all();
                }
            }
            for number in 1..=TASKS {
                let (now, id) = (self.now, id(number));
                let _ = self.twin.both(now, |platform| platform.confirm(now, id));
                self.see();
                self.store_all();
            }
            if tasks(&self.twin.platform) == 0 && self.in_flight.is_empty() {
                let is_told = |id: &TaskId| self.verdicts.contains_key(id);
                assert!(self.accepted.iter().all(is_told), "without a verdict");
                return;
            }
        }
        panic!("not all tasks end: {:?}", self.twin.platform.stats());
    }

    fn close(&mut self) {
        let now = self.now;
        self.twin.both(now, |platform| platform.close(now));
        self.see();
        let end = &self.twin.log[self.twin.log.len() - 2..];
        assert!(matches!(
            end,
            [Output::Event(Event::Closed(_)), Output::Disconnect]
        ));
        assert_eq!(self.twin.platform.poll_timeout(), None);
        self.twin
            .both(now, |platform| platform.handle_input(now, Input::Connected));
        self.see();
        self.twin.compare();
    }
}

fn tasks(platform: &Platform) -> usize {
    let stats = platform.stats();
    stats.submitting + stats.queued + stats.working + stats.lingering + stats.judging + stats.judged
}

fn record(input: &mut Unstructured<'_>) -> Result<Op> {
    let id = id(input.int_in_range(1..=3)?);
    let attempt = input.int_in_range(1..=4)?;
    let reason = (*input.choose(&["busy", "太暗", "404"])?).into();
    Ok(match input.int_in_range(0..=9)? {
        0..=2 => Op::Submit(id, Arc::new(Submission::new(Start::new(id, "top.mp4")))),
        3 => Op::Assign {
            id,
            attempt,
            client: client(input.int_in_range(1..=ANALYSTS)?),
        },
        4 => Op::Out { id, attempt },
        5 => Op::Over { id, attempt },
        6 => Op::FailNoted {
            id,
            attempt: input.arbitrary::<bool>()?.then_some(attempt),
            reason,
        },
        7 => {
            let finished = Verdict::Finished(taken(1));
            let failed = Verdict::Failed(vec![reason]);
            let all = [finished, failed, Verdict::Expired, Verdict::Cancelled];
            Op::Terminal(id, input.choose(&all)?.clone())
        }
        8 => Op::Confirmed(id),
        _ => Op::Forget(id),
    })
}

/// What becomes of each task, in no order.
fn come_to(config: &Config, records: &[Op]) -> (BTreeSet<String>, String) {
    let mut config = config.clone();
    // Which of too many are forgotten depends on which are the oldest.
    config.tombstones = 9;
    let now = epoch();
    let mut platform = Platform::restore(now, WALL, config, records.to_vec());
    let mut told = BTreeSet::new();
    while let Some(output) = platform.poll_output() {
        match output {
            Output::Store(seq, op) => {
                told.insert(format!("store {op:?}"));
                platform.handle_input(now, Input::Stored(seq));
            }
            Output::Event(Event::Verdict {
                id,
                verdict,
                attempts,
                ..
            }) => {
                check_known(id, &verdict, records);
                told.insert(format!("{id:?} {verdict:?} {attempts}"));
            }
            _ => {}
        }
    }
    (told, format!("{:?}", platform.stats()))
}

fn check_known(id: TaskId, verdict: &Verdict, records: &[Op]) {
    let is_stored = records.contains(&Op::Terminal(id, verdict.clone()));
    let of_it = |op: &&Op| op.id() == id;
    let is_known = match verdict {
        Verdict::Finished(_) | Verdict::Cancelled => is_stored,
        Verdict::Failed(reasons) => {
            let is_said = |reason| {
                records
                    .iter()
                    .filter(of_it)
                    .any(|op| matches!(op, Op::FailNoted { reason: said, .. } if said == reason))
            };
            is_stored || reasons.iter().all(is_said)
        }
        _ => true,
    };
    assert!(is_known, "invented: {verdict:?}");
}

fn epoch() -> Instant {
    #[allow(clippy::disallowed_methods, reason = "the origin of a virtual clock")]
    Instant::now()
}

/// The number of a task that floating point would not keep.
fn id(number: u64) -> TaskId {
    TaskId(1_679_846_303_806_259_200 + number)
}

fn any_id(input: &mut Unstructured<'_>) -> Result<TaskId> {
    Ok(id(input.int_in_range(1..=TASKS)?))
}

fn client(number: u32) -> ClientId {
    ClientId::new(format!("GID_Analyst@@@analyst_{number}")).expect("a client id")
}

fn taken(count: i32) -> Taken {
    vec![(GoodsId(17), count)]
}

fn label(input: &mut Unstructured<'_>) -> Result<Option<analyst_proto::wire::Text>> {
    if input.ratio(1, 2)? {
        return Ok(None);
    }
    let client = client(input.int_in_range(1..=ANALYSTS)?);
    Ok(Some(
        Attempt::new(client, input.int_in_range(0..=4)?).to_json(),
    ))
}

//! The analyser: operation lists with power cuts, and records in any order.

mod oracle;
mod records;
mod steps;

pub use records::restore;

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

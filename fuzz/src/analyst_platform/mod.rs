//! The dispatcher: operation lists with crashes, and records in any order.

mod oracle;
mod records;
mod steps;

pub use records::restore;

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

fn tasks(platform: &Platform) -> usize {
    let stats = platform.stats();
    stats.submitting + stats.queued + stats.working + stats.lingering + stats.judging + stats.judged
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

//! One session: nodes, the Redis that they share, devices, and everybody who publishes.

mod calls;
mod checks;
mod inbox;
mod link;
mod node;
mod phone;
mod requests;
mod settle;
mod trouble;

use crate::ledger::{Account, Ledger};
use crate::plan::{Plan, Weather};
use crate::redis::Redis;
use crate::saboteur::Saboteur;
use crate::stats::Stats;
use calls::Exchange;
use inbox::Said;
use link::{Frame, Link};
use node::Node;
use phone::Phone;
use requests::{Answer, Request};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use testkit::campaign::Session;
use testkit::{Rng, Schedule, Trace, epoch};
use zzw_push_proto::platform::{ExchangeId, MessageId, NodeId, NodeMessage, UnixMillis};
use zzw_push_proto::wire::{Message, Text};

/// The clock of Redis when a session starts.
const START: u64 = 1_700_000_000_000;

pub(crate) struct World {
    plan: Plan,
    saboteur: Saboteur,
    schedule: Schedule<Happening>,
    chance: Rng,
    nodes: Vec<Node>,
    /// Processes so far: each is a node of its own for the others.
    processes: u64,
    redis: Redis,
    /// Until when a connection that is broken still brings to Redis what was sent over it.
    broken: BTreeMap<Connection, Instant>,
    links: Vec<Link>,
    phones: Vec<Phone>,
    ledger: Ledger,
    exchanges: BTreeMap<ExchangeId, Exchange>,
    healed: Option<Instant>,
    stats: Stats,
    trace: Option<Trace>,
    narrates: bool,
}

/// A connection of a process to Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Connection {
    pub process: u64,
    pub nth: u64,
}

#[derive(Debug)]
enum Happening {
    Letter,
    Trouble,
    Heal,
    /// Somebody looks whether everything has settled.
    Look,
    Call(ExchangeId),
    Dial(usize, u64),
    LinkUp(usize),
    Up(usize, Box<Message>),
    Down(usize, Frame),
    /// The node's end learns that its link is over.
    NodeEndBreaks(usize),
    Beat(usize, usize),
    Wander(usize),
    Ack(usize, MessageId),
    Start(usize),
    Resume(usize, u64),
    Kill(usize, u64),
    Reconnect(usize, u64),
    /// For timers that have been armed anew meanwhile, it comes to nothing.
    Wake(usize, u64, Instant),
    RedisDoes(Box<Request>),
    RedisAnswers(Box<Answer>),
    /// What was said to be done is done.
    RedisCatchesUp(Box<Request>),
    Relay(Connection, NodeId, Box<NodeMessage>),
    /// A driver owns up to have lost what its node has said.
    OwnUp(u64),
    ReadInbox(u64),
    Hear(u64, Vec<Said>),
}

impl Session for World {
    type Stats = Stats;

    fn narrate(&mut self) {
        println!("{:#?}", self.plan);
        self.narrates = true;
    }

    fn trace(&mut self) {
        self.trace = Some(Trace::default());
    }

    /// Runs until the world has healed and everything has settled.
    fn run(mut self) -> Result<Stats, String> {
        for nth in 0..self.nodes.len() {
            self.start(nth)?;
        }
        for nth in 0..self.phones.len() {
            self.after(1_000, Happening::Dial(nth, 0));
            if self.plan.wander > 0 {
                self.after(self.plan.wander, Happening::Wander(nth));
            }
        }
        self.after(2_000, Happening::Letter);
        if !self.plan.kinds.is_empty() {
            self.after(self.plan.trouble + 1_000, Happening::Trouble);
        }
        let span = 2_000 + self.plan.letters * self.plan.pace + self.plan.tail;
        self.schedule
            .after(Duration::from_millis(span), Happening::Heal);
        loop {
            let happening = self.schedule.take().ok_or("nothing happens any more")?;
            self.stats.steps += 1;
            if self.stats.steps > 50_000 {
                return Err("the session spins".to_owned());
            }
            if !matches!(happening, Happening::Wake(..)) {
                self.note(&happening);
            }
            if matches!(happening, Happening::Look) && self.has_settled()? {
                return self.finish();
            }
            self.happen(happening)?;
        }
    }
}

impl World {
    pub(crate) fn new(plan: Plan, saboteur: Saboteur) -> Self {
        let mut chance = Rng::new(plan.seed).stream("world");
        let mut ledger = Ledger::default();
        let mut redis = Redis::new(plan.cap, plan.aliases);
        for nth in 0..plan.aliases {
            let alias = Text::from(format!("a{nth}"));
            let topics = (0..plan.topics).filter(|_| chance.percent(70));
            let known = redis.store.aliases.entry(alias.clone()).or_default();
            known.topics = topics.map(topic_of).collect();
            ledger.accounts.push(Account::new(alias));
        }
        Self {
            schedule: Schedule::new(epoch()),
            nodes: (0..plan.nodes).map(|_| Node::default()).collect(),
            processes: 0,
            redis,
            broken: BTreeMap::new(),
            links: Vec::new(),
            phones: (0..plan.aliases).map(|_| Phone::default()).collect(),
            ledger,
            exchanges: BTreeMap::new(),
            healed: None,
            stats: Stats::default(),
            trace: None,
            narrates: false,
            chance,
            plan,
            saboteur,
        }
    }

    fn happen(&mut self, happening: Happening) -> Result<(), String> {
        match happening {
            Happening::Letter => self.write_letter(),
            Happening::Trouble => self.make_trouble()?,
            Happening::Heal => self.heal()?,
            Happening::Look => {
                let soon = Duration::from_millis(300);
                self.schedule.after(soon, Happening::Look);
            }
            Happening::Call(exchange) => self.call(exchange)?,
            Happening::Dial(phone, attempt) => self.dial(phone, attempt),
            Happening::LinkUp(link) => self.link_up(link)?,
            Happening::Up(link, message) => self.frame_comes_up(link, *message)?,
            Happening::Down(link, frame) => self.frame_comes_down(link, frame)?,
            Happening::NodeEndBreaks(link) => self.node_end_breaks(link)?,
            Happening::Beat(phone, link) => self.beat(phone, link),
            Happening::Wander(phone) => self.wander(phone),
            Happening::Ack(phone, mid) => self.acknowledge(phone, mid),
            Happening::Start(node) => self.start(node)?,
            Happening::Resume(node, process) if self.is_process(node, process) => {
                self.resume(node)?;
            }
            Happening::Kill(node, process) if self.is_process(node, process) => self.crash(node),
            Happening::Reconnect(node, process) if self.is_process(node, process) => {
                self.reconnect(node);
            }
            Happening::Wake(node, process, armed) if self.is_process(node, process) => {
                self.wake(node, armed)?;
            }
            Happening::RedisDoes(request) => self.redis_does(*request)?,
            Happening::RedisAnswers(answer) => self.redis_answers(*answer)?,
            Happening::RedisCatchesUp(request) => self.catch_up(*request)?,
            Happening::Relay(connection, to, message) => self.relay(connection, to, *message),
            Happening::OwnUp(process) => self.own_up(process),
            Happening::ReadInbox(process) => self.read_inbox(process),
            Happening::Hear(process, entries) => self.hear(process, entries)?,
            _ => {} // too late for whom it was meant
        }
        Ok(())
    }

    /// The clock of Redis, which nobody sets.
    fn redis_clock(&self) -> UnixMillis {
        UnixMillis(START.saturating_add_signed(self.schedule.elapsed_millis()))
    }

    fn after(&mut self, most: u64, happening: Happening) {
        let delay = self.chance.millis(0..=most);
        self.schedule.after(delay, happening);
    }

    fn weather(&self) -> Weather {
        if self.healed.is_some() {
            return Weather::default();
        }
        self.plan.weather.clone()
    }

    fn note(&mut self, what: &impl std::fmt::Debug) {
        if self.narrates {
            println!("{:>9} {what:?}", self.schedule.elapsed_millis());
        }
        if let Some(trace) = &mut self.trace {
            trace.note(what);
        }
    }
}

fn topic_of(nth: usize) -> Text {
    Text::from(format!("t{nth}"))
}

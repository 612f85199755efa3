//! One session: a dispatcher, analysers, a broker between them, and everything in bytes.

mod analyst;
mod network;
mod server;
mod trouble;

use crate::broker::Broker;
use crate::disk::Disk;
use crate::ledger::Ledger;
use crate::plan::{Plan, Saboteur, Weather};
use analyst::Analyst;
use analyst_proto::link::{DeliveryId, ExchangeId, SendId};
use analyst_proto::platform::{self, Platform};
use analyst_proto::wire::{ConnectionInfo, NoInfo, SignedRequest, TaskId, UnixMillis};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::time::{Duration, Instant};
use testkit::campaign::Session;
use testkit::{Rng, Schedule, Trace, epoch};

/// The wall clock when a session starts.
const START: UnixMillis = UnixMillis(1_679_846_303_000);

pub(crate) struct World {
    plan: Plan,
    saboteur: Saboteur,
    schedule: Schedule<Happening>,
    chance: Rng,
    analysts: Vec<Analyst>,
    server: Server,
    broker: Broker,
    ledger: Ledger,
    connections: u64,
    deliveries: BTreeMap<DeliveryId, Delivered>,
    next_delivery: u64,
    next_exchange: u64,
    /// Whose store fails, and after how many requests.
    failing: Option<(Side, u64)>,
    healed: Option<Instant>,
    fails_counted: BTreeMap<TaskId, u32>,
    stats: Stats,
    trace: Option<Trace>,
    narrates: bool,
}

/// The dispatcher, with what survives its crashes.
struct Server {
    /// None while it is down.
    platform: Option<Platform>,
    disk: Disk<platform::Op>,
    life: Life,
}

/// One life of a machine after the other.
#[derive(Debug, Default)]
pub(crate) struct Life {
    /// Counts them, so that news for an old one is dropped.
    pub number: u64,
    /// Outputs that it still gets to hand out before it is killed.
    pub doomed: Option<u64>,
    pub connection: Option<u64>,
    pub wake: Option<Instant>,
    /// When what goes to it, and what comes from it, has arrived so far.
    pub last: [Option<Instant>; 2],
}

/// A client of the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Party {
    Server,
    Analyst(usize),
}

/// One of the two ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Server,
    Analyst,
}

/// A message that the broker has handed over.
#[derive(Debug, Clone, Copy)]
struct Delivered {
    party: Party,
    connection: u64,
    packet: u64,
    /// The task, if this has to be kept before it is acknowledged.
    id: Option<TaskId>,
}

/// What a session came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Stats {
    pub finished: u64,
    pub failed: u64,
    pub expired: u64,
    pub cancelled: u64,
    pub repeated: u64,
    pub late: u64,
    pub timed_out: u64,
    pub held: u64,
    pub runs: u64,
    pub crashes: u64,
    pub power_cuts: u64,
    pub store_failures: u64,
    pub trace: u64,
}

#[derive(Debug)]
enum Happening {
    Submit(u64),
    Cancel(u64),
    Confirm(TaskId, u64),
    Trouble,
    Heal,
    /// Somebody looks whether everything has settled.
    Look,
    Opens(Party, u64),
    Breaks(Party, u64),
    PublishArrives {
        from: Party,
        connection: u64,
        send: SendId,
        to: Party,
        payload: Bytes,
    },
    AckComes(Party, u64, SendId),
    DeliveryArrives(Party, u64, u64, bool, Bytes),
    /// The task is told if it has to be kept before.
    AckArrives(Party, u64, u64, Option<TaskId>),
    /// The broker looks for what nobody has acknowledged.
    Redelivers(Party, u64),
    Commits(Party, u64),
    Returns(Party),
    RequestArrives(usize, u64, ExchangeId, SignedRequest),
    ReplyArrives(usize, u64, ExchangeId, Result<ConnectionInfo, NoInfo>),
    Ends(usize, u64, TaskId, u32),
    /// For timers that have been armed anew meanwhile, they come to nothing.
    Wake(Party, Instant),
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
        self.start_server()?;
        for nth in 0..self.analysts.len() {
            self.power_on(nth)?;
        }
        let span = self.plan.tasks * self.plan.pace + 5_000;
        for nth in 0..self.plan.tasks {
            self.after(self.plan.tasks * self.plan.pace, Happening::Submit(nth));
            if self.chance.percent(self.plan.cancelled) {
                self.after(span, Happening::Cancel(nth));
            }
        }
        if !self.plan.kinds.is_empty() {
            self.after(self.plan.trouble, Happening::Trouble);
        }
        let span = Duration::from_millis(span) + self.plan.lease;
        self.schedule.after(span, Happening::Heal);
        let look = span + Duration::from_millis(3_001);
        self.schedule.after(look, Happening::Look);
        let mut steps = 0_u64;
        loop {
            let happening = self.schedule.take().ok_or("nothing happens any more")?;
            if self.has_settled()? {
                break;
            }
            steps += 1;
            if steps > 50_000 + 2_000 * self.plan.tasks {
                return Err("the session spins".to_owned());
            }
            // Every run has an epoch of its own.
            if !matches!(happening, Happening::Wake(..)) {
                self.note(&happening);
            }
            self.happen(happening)?;
        }
        self.finish()
    }
}

impl World {
    pub(crate) fn new(plan: Plan, saboteur: Saboteur) -> Self {
        let analysts = (0..plan.analysts)
            .map(|nth| Analyst::new(&plan, saboteur, nth))
            .collect();
        Self {
            schedule: Schedule::new(epoch()),
            chance: Rng::new(plan.seed).stream("world"),
            analysts,
            server: Server {
                platform: None,
                disk: Disk::new(saboteur == Saboteur::LyingJournal),
                life: Life::default(),
            },
            broker: Broker::default(),
            ledger: Ledger::default(),
            connections: 0,
            deliveries: BTreeMap::new(),
            next_delivery: 0,
            next_exchange: 0,
            failing: None,
            healed: None,
            fails_counted: BTreeMap::new(),
            stats: Stats::default(),
            trace: None,
            narrates: false,
            plan,
            saboteur,
        }
    }

    /// Kills the dispatcher and cuts the first analyser's power after so many things that they ask
    /// for.
    pub(crate) fn stop_after(&mut self, server: u64, analyst: u64) {
        self.server.life.doomed = Some(server);
        self.analysts[0].life.doomed = Some(analyst);
    }

    /// Lets a request to the store of the dispatcher or of any analyser fail, after so many.
    pub(crate) fn fail_store(&mut self, side: Side, after: u64) {
        self.failing = Some((side, after));
    }

    /// How often a request to this store fails, in a hundred.
    fn unstored(&mut self, side: Side, count: u64) -> u64 {
        match &mut self.failing {
            Some((failing, left)) if *failing == side => {
                if *left < count {
                    self.failing = None;
                    return 100;
                }
                *left -= count;
                0
            }
            _ => self.weather().unstored,
        }
    }

    /// True once nothing is under way any more. An error three hours after all has healed.
    fn has_settled(&mut self) -> Result<bool, String> {
        let Some(healed) = self.healed else {
            return Ok(false);
        };
        let since = self.schedule.now().saturating_duration_since(healed);
        self.note_confirmed();
        let is_complete = self.ledger.is_complete(self.plan.tasks);
        let is_quiet = self.server.disk.is_idle()
            && self.server.platform.is_some()
            && self.analysts.iter().all(Analyst::is_quiet);
        if since > Duration::from_secs(3 * 3_600) {
            let waits = match (is_complete, is_quiet) {
                (false, _) => format!("{:?}", self.ledger),
                _ => "somebody".to_owned(),
            };
            return Err(format!("three hours after all healed, {waits} still waits"));
        }
        Ok(is_complete && is_quiet && since > Duration::from_secs(3))
    }

    fn happen(&mut self, happening: Happening) -> Result<(), String> {
        match happening {
            Happening::Submit(nth) => self.submit(nth)?,
            Happening::Cancel(nth) => self.cancel(nth)?,
            Happening::Confirm(id, life) if self.is_alive(Party::Server, life) => {
                self.confirm(id)?;
            }
            Happening::Trouble => self.make_trouble()?,
            Happening::Heal => self.heal(),
            Happening::Look => self
                .schedule
                .after(Duration::from_secs(30), Happening::Look),
            Happening::Opens(party, connection) => self.opens(party, connection)?,
            Happening::Breaks(party, connection) => self.breaks(party, connection)?,
            Happening::PublishArrives {
                from,
                connection,
                send,
                to,
                payload,
            } => self.publish_arrives(from, connection, send, to, &payload),
            Happening::AckComes(party, connection, send) => {
                self.ack_comes(party, connection, send)?;
            }
            Happening::DeliveryArrives(party, connection, packet, is_again, payload) => {
                self.delivery_arrives(party, connection, packet, is_again, &payload)?;
            }
            Happening::AckArrives(party, connection, packet, id) => {
                self.ack_arrives(party, connection, packet, id)?;
            }
            Happening::Redelivers(party, connection) => self.redelivers(party, connection),
            Happening::Commits(party, life) if self.is_alive(party, life) => {
                self.commits(party)?;
            }
            Happening::Returns(Party::Server) if self.server.platform.is_none() => {
                self.start_server()?;
            }
            Happening::Returns(Party::Analyst(nth)) if self.analysts[nth].device.is_none() => {
                self.power_on(nth)?;
            }
            Happening::RequestArrives(nth, life, exchange, request) => {
                self.request_arrives(nth, life, exchange, request)?;
            }
            Happening::ReplyArrives(nth, life, exchange, reply)
                if self.is_alive(Party::Analyst(nth), life) =>
            {
                let input = analyst_proto::device::Input::Info(exchange, reply);
                self.tell_analyst(nth, input)?;
            }
            Happening::Ends(nth, life, id, run) if self.is_alive(Party::Analyst(nth), life) => {
                self.run_ends(nth, id, run)?;
            }
            Happening::Wake(party, armed) => self.wake(party, armed)?,
            _ => {} // too late for whom it was meant
        }
        Ok(())
    }

    fn wake(&mut self, party: Party, armed: Instant) -> Result<(), String> {
        let now = self.schedule.now();
        if self.life(party).wake != Some(armed) {
            return Ok(());
        }
        self.life(party).wake = None;
        match party {
            Party::Server => {
                if let Some(platform) = &mut self.server.platform
                    && self.saboteur != Saboteur::ServerHasNoClock
                {
                    platform.handle_timeout(now);
                }
                self.settle_server()
            }
            Party::Analyst(nth) => {
                if let Some(device) = &mut self.analysts[nth].device
                    && self.saboteur != Saboteur::AnalystHasNoClock
                {
                    device.handle_timeout(now);
                }
                self.settle_analyst(nth)
            }
        }
    }

    fn finish(mut self) -> Result<Stats, String> {
        for (id, fate) in self.ledger.all() {
            use analyst_proto::platform::Verdict;
            let count = match &fate.verdict {
                Some(Verdict::Finished(_)) => &mut self.stats.finished,
                Some(Verdict::Failed(_)) => &mut self.stats.failed,
                Some(Verdict::Expired) => &mut self.stats.expired,
                Some(Verdict::Cancelled) => &mut self.stats.cancelled,
                _ => return Err(format!("{id} has no verdict")),
            };
            *count += 1;
        }
        if self.plan.is_calm() && self.stats.finished != self.plan.tasks {
            return Err(format!("nothing went wrong, and yet {:?}", self.stats));
        }
        if let Some(nth) = self.analysts.iter().position(Analyst::owes) {
            return Err(format!("analyst {nth} has kept a result to itself"));
        }
        let now = self.schedule.now();
        if let Some(platform) = &mut self.server.platform {
            platform.close(now);
        }
        self.settle_server()?;
        let is_silent = self.server.platform.as_mut().is_none_or(|platform| {
            platform.poll_output().is_none() && platform.poll_timeout().is_none()
        });
        if !is_silent {
            return Err("a closed dispatcher has more to say".to_owned());
        }
        self.stats.trace = self.trace.map_or(0, Trace::value);
        Ok(self.stats)
    }

    fn life(&mut self, party: Party) -> &mut Life {
        match party {
            Party::Server => &mut self.server.life,
            Party::Analyst(nth) => &mut self.analysts[nth].life,
        }
    }

    fn is_alive(&mut self, party: Party, life: u64) -> bool {
        let runs = match party {
            Party::Server => self.server.platform.is_some(),
            Party::Analyst(nth) => self.analysts[nth].device.is_some(),
        };
        runs && self.life(party).number == life
    }

    /// The wall clock.
    fn wall(&self) -> UnixMillis {
        START.plus(self.schedule.elapsed_millis())
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

impl AddAssign for Stats {
    fn add_assign(&mut self, other: Self) {
        self.finished += other.finished;
        self.failed += other.failed;
        self.expired += other.expired;
        self.cancelled += other.cancelled;
        self.repeated += other.repeated;
        self.late += other.late;
        self.timed_out += other.timed_out;
        self.held += other.held;
        self.runs += other.runs;
        self.crashes += other.crashes;
        self.power_cuts += other.power_cuts;
        self.store_failures += other.store_failures;
        self.trace ^= other.trace;
    }
}

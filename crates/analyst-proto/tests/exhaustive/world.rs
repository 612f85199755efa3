//! One state: a dispatcher, analysers, their stores, what is on its way, and what may still go wrong.

mod analyst;
mod ledger;
mod moves;
mod network;
mod server;

pub(crate) use moves::{Cut, Move, Party, Step};

use crate::plan::{Budgets, Plan};
use analyst::Analyst;
use analyst_proto::link::{DeliveryId, Seq};
use analyst_proto::platform::Verdict;
use analyst_proto::wire::TaskId;
use analyst_proto::{device, platform};
use ledger::Ledger;
use moves::Outcome;
use network::{Flight, Kind, Unacked};
use server::Server;
use std::collections::VecDeque;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};
use testkit::digest::Digest;

/// The task. Floating point would not keep its number.
const TASK: TaskId = TaskId(1_679_846_303_806_259_201);

/// Timers further away than that do not matter.
const HORIZON: Duration = Duration::from_secs(3_600);

#[derive(Debug, Clone)]
pub(crate) struct World {
    plan: Arc<Plan>,
    now: Instant,
    left: Budgets,
    server: Server,
    analysts: Vec<Analyst>,
    ledger: Ledger,
    /// What the dispatcher is hearing.
    hearing: Option<DeliveryId>,
    doomed: Option<(Party, Cut)>,
    outputs: u8,
    lost: u8,
}

/// What stands behind a machine: its store, and its connection.
#[derive(Debug, Clone)]
struct Client<O> {
    pending: VecDeque<Request<O>>,
    records: Vec<(u128, O)>,
    flights: VecDeque<Flight>,
    unacked: Vec<Unacked>,
    /// Of the machine, as of the last time that it was looked at.
    digest: u128,
    is_stale: bool,
}

/// What a store was asked for and has not done.
#[derive(Debug, Clone)]
struct Request<O> {
    seq: Seq,
    digest: u128,
    op: O,
    /// The store lies: it has said that it has done it.
    is_answered: bool,
}

/// What a store is asked to keep.
trait Record: Clone {
    /// Whatever is to be told from others.
    fn digest(&self) -> u128;

    /// True if this record is gone once `request` is carried out.
    fn is_erased_by(&self, request: &Self) -> bool;

    /// True if the request is only to erase.
    fn erases(&self) -> bool;
}

impl World {
    /// Both ends have started, and the task is submitted.
    pub(crate) fn new(plan: Plan) -> Result<Self, String> {
        let now = testkit::epoch();
        let analysts = (0_u8..).take(plan.analysts);
        let mut world = Self {
            now,
            left: plan.budgets,
            server: Server::new(now, &plan),
            analysts: analysts.map(|nth| Analyst::new(now, &plan, nth)).collect(),
            ledger: Ledger::default(),
            hearing: None,
            doomed: None,
            outputs: 0,
            lost: 0,
            plan: Arc::new(plan),
        };
        world.start_server()?;
        for nth in (0_u8..).take(world.analysts.len()) {
            world.start_analyst(nth)?;
        }
        world.refresh();
        Ok(world)
    }

    /// All that can happen next.
    pub(crate) fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        self.client_steps(Party::Server, &self.server.client, &mut steps);
        for (nth, analyst) in (0_u8..).zip(&self.analysts) {
            let party = Party::Analyst(nth);
            self.client_steps(party, &analyst.client, &mut steps);
            let outcomes: &[Outcome] = match analyst.run {
                None => &[],
                Some((_, false)) => &[Outcome::Taken, Outcome::Failed],
                Some((_, true)) => &[Outcome::Taken, Outcome::Stopped],
            };
            steps.extend(outcomes.iter().map(|&outcome| Step::Ends(nth, outcome)));
            if self.left.strangers > 0 {
                steps.extend([false, true].map(|is_again| Step::Stranger(nth, is_again)));
            }
        }
        self.network_steps(&mut steps);
        if self.deadline().is_some() {
            steps.push(Step::Time);
        }
        steps
    }

    fn client_steps<O>(&self, party: Party, client: &Client<O>, steps: &mut Vec<Step>) {
        if !client.pending.is_empty() {
            steps.push(Step::Commit(party));
        }
        if !client.flights.is_empty() {
            steps.push(Step::Acked(party));
        }
        if self.may_crash() {
            let most = u8::try_from(client.pending.len()).expect("few requests");
            steps.extend((0..=most).map(|landed| Step::Crash(party, landed)));
        }
    }

    /// What it is after a move, or what must not be.
    pub(crate) fn go(&self, by: Move) -> Result<Self, String> {
        let mut next = self.clone();
        (next.outputs, next.lost) = (0, 0);
        next.doomed = by.cut.map(|cut| (by.step.actor(), cut));
        next.take(by.step)?;
        while next.plan.hurries && next.hurry()? {}
        next.refresh();
        Ok(next)
    }

    fn take(&mut self, step: Step) -> Result<(), String> {
        match step {
            Step::Starts => Ok(()),
            Step::Commit(Party::Server) => self.server_commits(),
            Step::Commit(Party::Analyst(nth)) => self.analyst_commits(nth),
            Step::Acked(party) => self.acked(party),
            Step::Deliver {
                lane, at, twice, ..
            } => self.deliver(lane, at, twice),
            Step::Lose { lane, at, .. } => {
                self.lose(lane, at);
                Ok(())
            }
            Step::Time => self.pass_time(),
            Step::Ends(nth, outcome) => self.run_ends(nth, outcome),
            Step::Crash(party, landed) => self.crash(party, landed),
            Step::Stranger(nth, is_again) => self.stranger(nth, is_again),
        }
    }

    /// Does one thing that nobody waits for. False if there is none.
    fn hurry(&mut self) -> Result<bool, String> {
        let is_unawaited =
            |op: &platform::Op| matches!(op, platform::Op::Out { .. } | platform::Op::Over { .. });
        let Client {
            pending, flights, ..
        } = &self.server.client;
        if pending.front().is_some_and(|it| is_unawaited(&it.op)) {
            self.server_commits()?;
            return Ok(true);
        }
        if flights.front().is_some_and(|it| it.kind == Kind::Timeout) {
            self.acked(Party::Server)?;
            return Ok(true);
        }
        let is_unawaited =
            |op: &device::Op| !matches!(op, device::Op::Accept { .. } | device::Op::Result { .. });
        for nth in 0..self.analysts.len() {
            let Client {
                pending, flights, ..
            } = &self.analysts[nth].client;
            let nth = u8::try_from(nth).expect("few analysers");
            if pending.front().is_some_and(|it| is_unawaited(&it.op)) {
                self.analyst_commits(nth)?;
                return Ok(true);
            }
            if !flights.is_empty() {
                self.acked(Party::Analyst(nth))?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The next deadline that matters.
    fn deadline(&self) -> Option<Instant> {
        let analysts = self.analysts.iter();
        let timers = analysts.map(|analyst| analyst.device.poll_timeout());
        let timers = timers.chain([self.server.platform.poll_timeout()]);
        let next = timers.flatten().min()?;
        (next < self.now + HORIZON).then_some(next)
    }

    fn pass_time(&mut self) -> Result<(), String> {
        self.now = self.deadline().unwrap_or(self.now);
        self.server.client.is_stale = true;
        for nth in (0_u8..).take(self.analysts.len()) {
            self.wake_analyst(nth)?;
        }
        self.wake_server()
    }

    fn crash(&mut self, party: Party, landed: u8) -> Result<(), String> {
        self.left.crashes -= 1;
        self.doomed = None;
        self.hearing = None;
        match party {
            Party::Server => self.crash_server(landed),
            Party::Analyst(nth) => self.crash_analyst(nth, landed),
        }
    }

    /// How much of what it has asked for is stored, if this is where it is killed.
    fn is_doomed(&mut self, party: Party) -> Option<u8> {
        match &mut self.doomed {
            Some((doomed, cut)) if *doomed == party => {
                if cut.after == 0 {
                    return Some(cut.landed);
                }
                cut.after -= 1;
                None
            }
            _ => None,
        }
    }

    pub(crate) fn may_crash(&self) -> bool {
        self.left.crashes > 0
    }

    /// What the application has learned.
    pub(crate) fn verdict(&self) -> Option<&Verdict> {
        self.ledger.verdict()
    }

    /// What comes next if nothing more goes wrong.
    pub(crate) fn next(&self) -> Option<Step> {
        let steps = self.steps();
        let goes_on = |step: &&Step| step.goes_on() && **step != Step::Time;
        let next = steps.iter().find(goes_on);
        let ends = |step: &&Step| matches!(step, Step::Ends(..));
        let next = next.or_else(|| steps.iter().find(ends));
        next.or_else(|| steps.iter().find(|step| **step == Step::Time))
            .copied()
    }

    /// What the machine has asked for in the last move.
    pub(crate) fn outputs(&self) -> u8 {
        self.outputs
    }

    /// How many requests the store had not answered when the machine was killed in the last move.
    pub(crate) fn lost(&self) -> u8 {
        self.lost
    }

    /// Nothing more happens by itself, unless a run ends.
    pub(crate) fn check_end(&self) -> Result<(), String> {
        if !self.ledger.is_told() {
            return Err("it ends without a verdict (A-I1)".to_owned());
        }
        for (nth, analyst) in (0_u8..).zip(&self.analysts) {
            if let Some(kind) = analyst.owes {
                let party = Party::Analyst(nth);
                return Err(format!("{kind} of {party} never reached the broker (A-I5)"));
            }
        }
        Ok(())
    }

    fn refresh(&mut self) {
        let now = self.now;
        let Server { platform, client } = &mut self.server;
        client.refresh(|| Digest::of(&platform.snapshot(now)));
        for Analyst { device, client, .. } in &mut self.analysts {
            client.refresh(|| Digest::of(&device.snapshot(now)));
        }
    }

    /// What stands for it among all states.
    pub(crate) fn digest(&self) -> u128 {
        let mut digest = Digest::default();
        self.left.hash(&mut digest);
        self.server.client.hash(&mut digest);
        for analyst in &self.analysts {
            analyst.hash(&mut digest);
        }
        self.ledger.hash_at(self.now, &mut digest);
        digest.whole()
    }
}

impl<O: Record> Client<O> {
    fn new() -> Self {
        Self {
            pending: VecDeque::new(),
            records: Vec::new(),
            flights: VecDeque::new(),
            unacked: Vec::new(),
            digest: 0,
            is_stale: true,
        }
    }

    fn ask(&mut self, seq: Seq, op: O, is_answered: bool) {
        self.pending.push_back(Request {
            seq,
            digest: op.digest(),
            op,
            is_answered,
        });
    }

    /// Carries out the oldest request. Gives it, if that is news.
    fn commit(&mut self) -> Option<(Seq, O)> {
        let request = self.pending.pop_front()?;
        self.records
            .retain(|(_, record)| !record.is_erased_by(&request.op));
        let is_known = self
            .records
            .iter()
            .any(|(digest, _)| *digest == request.digest);
        if !request.op.erases() && !is_known {
            self.records.push((request.digest, request.op.clone()));
        }
        (!request.is_answered).then_some((request.seq, request.op))
    }

    /// The power goes. Gives what was not acknowledged over its connection.
    fn stop(&mut self, landed: u8) -> Vec<Unacked> {
        for _ in 0..landed {
            self.commit();
        }
        self.pending.clear();
        self.flights.clear();
        std::mem::take(&mut self.unacked)
    }

    fn lost(&self) -> u8 {
        u8::try_from(self.pending.len()).expect("few requests")
    }

    fn refresh(&mut self, digest: impl FnOnce() -> u128) {
        if std::mem::replace(&mut self.is_stale, false) {
            self.digest = digest();
        }
    }
}

impl<O> Hash for Client<O> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
        for request in &self.pending {
            (request.digest, request.is_answered).hash(state);
        }
        // Records mean the same in any order.
        let records = self.records.iter().fold(0_u128, |all, (digest, _)| {
            all.wrapping_add(digest.wrapping_mul(*digest | 1))
        });
        (records, self.records.len(), self.flights.len()).hash(state);
        self.unacked.hash(state);
    }
}

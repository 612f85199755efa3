//! The analysers: machine, store, and the recognition behind it.

use super::network::client;
use super::server::FOR_EVER;
use super::{Happening, Life, Party, World};
use crate::disk::Disk;
use crate::ledger::found;
use crate::plan::{Plan, Saboteur};
use analyst_proto::device::{Config, Device, Event, Input, Op, Outcome, Output, Recovered, Run};
use analyst_proto::link::{ExchangeId, SendId, Seq};
use analyst_proto::sign::{Preset, SigningKey};
use analyst_proto::wire::{ConnectionInfoRequest, Message, Secret, TaskId};
use std::collections::{BTreeMap, BTreeSet};

/// An analyser, with what survives its power cuts.
#[derive(Debug)]
pub(crate) struct Analyst {
    /// None while it has no power.
    pub device: Option<Device>,
    pub disk: Disk<Op>,
    pub life: Life,
    /// The question that waits for its answer: as the dispatcher knows it, and as it does itself.
    pub asks: Option<(ExchangeId, u64, ExchangeId)>,
    /// What is really being worked on: which run, and whether it is about to stop.
    pub runs: BTreeMap<TaskId, (u32, bool)>,
    /// Results that are kept and that the broker does not have yet.
    owed: BTreeSet<TaskId>,
    /// What is being kept, and what is on its way.
    keeping: BTreeMap<Seq, TaskId>,
    sending: BTreeMap<SendId, TaskId>,
    /// Tasks that were kept at some time, or answered for want of room.
    answered: BTreeSet<TaskId>,
    accepting: BTreeMap<Seq, TaskId>,
    config: Config,
}

impl Analyst {
    pub(crate) fn new(plan: &Plan, saboteur: Saboteur, nth: usize) -> Self {
        let seed = plan.seed ^ u64::try_from(nth + 1).unwrap();
        let mut config = Config::new(format!("analyst_{nth}"), seed);
        config.profile = Some(plan.profile);
        config.parallel = plan.capacity;
        config.max_queue = if plan.seed % 2 == 0 { 4 } else { 0 };
        config.kept_results = plan.kept_results;
        config.link.max_unstored = plan.max_unstored;
        config.echo_attempt = plan.has_labels;
        Self {
            device: None,
            disk: Disk::new(saboteur == Saboteur::LyingFlash),
            life: Life::default(),
            asks: None,
            runs: BTreeMap::new(),
            owed: BTreeSet::new(),
            keeping: BTreeMap::new(),
            sending: BTreeMap::new(),
            answered: BTreeSet::new(),
            accepting: BTreeMap::new(),
            config,
        }
    }

    /// The store has done what was asked.
    pub(crate) fn promises(&mut self, seq: Seq) {
        self.owed.extend(self.keeping.remove(&seq));
        self.answered.extend(self.accepting.remove(&seq));
    }

    /// The broker has what was sent.
    pub(crate) fn delivers(&mut self, send: SendId) {
        if let Some(id) = self.sending.remove(&send) {
            self.owed.remove(&id);
        }
    }

    /// True if a result was kept that never got out.
    pub(crate) fn owes(&self) -> bool {
        !self.owed.is_empty()
    }

    /// True if it has nothing left to say or to store.
    pub(crate) fn is_quiet(&self) -> bool {
        let is_done = |device: &Device| device.unsent() == 0 && device.running() == 0;
        self.disk.is_idle() && self.device.as_ref().is_some_and(is_done)
    }
}

impl World {
    pub(super) fn power_on(&mut self, nth: usize) -> Result<(), String> {
        let now = self.schedule.now();
        let analyst = &mut self.analysts[nth];
        let recovered = Recovered::new(analyst.disk.records().to_vec());
        analyst.device = Some(Device::new(now, analyst.config.clone(), recovered));
        self.settle_analyst(nth)
    }

    /// It comes back after some time, at most so many milliseconds.
    pub(super) fn cut_power(&mut self, nth: usize, away: u64) {
        self.stats.power_cuts += 1;
        let analyst = &mut self.analysts[nth];
        analyst.device = None;
        analyst.runs.clear();
        analyst.keeping.clear();
        analyst.accepting.clear();
        analyst.sending.clear();
        analyst.life.number += 1;
        analyst.life.wake = None;
        analyst.life.doomed = None;
        analyst.disk.stop(&mut self.chance);
        self.hang_up(Party::Analyst(nth));
        self.after(away, Happening::Returns(Party::Analyst(nth)));
    }

    pub(super) fn tell_analyst(&mut self, nth: usize, input: Input) -> Result<(), String> {
        let now = self.schedule.now();
        self.note(&(nth, &input));
        if let Some(device) = &mut self.analysts[nth].device {
            device.handle_input(now, input);
        }
        self.settle_analyst(nth)
    }

    /// Drains the machine and arms its timer.
    pub(super) fn settle_analyst(&mut self, nth: usize) -> Result<(), String> {
        while let Some(output) = self.analysts[nth]
            .device
            .as_mut()
            .and_then(Device::poll_output)
        {
            match &mut self.analysts[nth].life.doomed {
                Some(0) => {
                    self.cut_power(nth, 20_000);
                    return Ok(());
                }
                Some(left) => *left -= 1,
                None => {}
            }
            self.note(&(nth, &output));
            self.do_for_analyst(nth, output)?;
        }
        let timer = self.analysts[nth]
            .device
            .as_ref()
            .and_then(Device::poll_timeout);
        self.arm(Party::Analyst(nth), timer);
        Ok(())
    }

    fn do_for_analyst(&mut self, nth: usize, output: Output) -> Result<(), String> {
        let party = Party::Analyst(nth);
        match output {
            Output::Fetch(exchange) => self.fetch(nth, exchange),
            Output::Open(login) => {
                if login.client_id != client(party) {
                    return Err(format!("{nth} logs in as {}", login.client_id));
                }
                self.open(party);
            }
            Output::Subscribe(_) => {
                if self.saboteur != Saboteur::NoSubscription {
                    self.broker.subscribe(party);
                }
            }
            Output::Send(publish) => {
                let id = match &*publish.message {
                    Message::Finish(finish) => Some(finish.id),
                    Message::Fail(fail) => Some(fail.id),
                    _ => None,
                };
                let analyst = &mut self.analysts[nth];
                analyst.sending.extend(id.map(|id| (publish.send, id)));
                if let Message::Fail(fail) = &*publish.message {
                    for lease in &mut self.ledger.fate(fail.id).leases {
                        lease.has_failed |= lease.analyst == nth;
                    }
                }
                self.publish(party, &publish);
            }
            Output::Ack(delivery) if self.saboteur == Saboteur::AnalystAcksEarly => {
                self.deliveries.remove(&delivery);
            }
            Output::Ack(delivery) => self.acknowledge(delivery)?,
            Output::Hangup => self.hang_up(party),
            Output::Store(seq, op) => {
                let analyst = &mut self.analysts[nth];
                match op {
                    Op::Result { id, .. } => drop(analyst.keeping.insert(seq, id)),
                    Op::Accept { id, .. } => drop(analyst.accepting.insert(seq, id)),
                    _ => {}
                }
                if self.analysts[nth].disk.ask(seq, op) {
                    let life = self.analysts[nth].life.number;
                    self.after(self.plan.commit, Happening::Commits(party, life));
                }
            }
            Output::Event(event) => self.recognition_learns(nth, &event)?,
            Output::Disconnect => {}
            _ => return Err(format!("unexpected: {output:?}")),
        }
        Ok(())
    }

    /// A task is acknowledged: it is kept, or was answered.
    pub(super) fn check_start(&self, nth: usize, id: TaskId) -> Result<(), String> {
        let analyst = &self.analysts[nth];
        let is_kept = analyst.disk.records().iter().any(|op| op.id() == id);
        if is_kept || analyst.answered.contains(&id) {
            return Ok(());
        }
        Err(format!("analyst {nth} has {id} in its memory only"))
    }

    fn fetch(&mut self, nth: usize, exchange: ExchangeId) {
        let key = SigningKey::new(Preset::MakeMd5, &Secret::new("test-secret"));
        let name = format!("analyst_{nth}");
        let request = ConnectionInfoRequest::new(name, self.wall()).unwrap();
        let life = self.analysts[nth].life.number;
        let happening = Happening::RequestArrives(nth, life, exchange, request.signed(&key));
        self.after(self.plan.latency, happening);
    }

    fn recognition_learns(&mut self, nth: usize, event: &Event) -> Result<(), String> {
        match *event {
            Event::Busy(id) => {
                self.analysts[nth].answered.insert(id);
                Ok(())
            }
            Event::Work { id, run, .. } => self.work(nth, id, run),
            Event::Cancel { id, run } => {
                if self.saboteur == Saboteur::StopsInWordsOnly {
                    let now = self.schedule.now();
                    if let Some(device) = &mut self.analysts[nth].device {
                        device.stopped(now, id, run);
                    }
                    return Ok(());
                }
                let most = self.chance.between(0..=2_000);
                let life = self.analysts[nth].life.number;
                // It cannot stop at once.
                self.analysts[nth].runs.insert(id, (run.0, true));
                self.after(most, Happening::Ends(nth, life, id, run.0));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn work(&mut self, nth: usize, id: TaskId, run: Run) -> Result<(), String> {
        self.stats.runs += 1;
        if self.analysts[nth].runs.insert(id, (run.0, false)).is_some() {
            return Err(format!("analyst {nth} works on {id} twice at once"));
        }
        let hangs = self.healed.is_none() && self.chance.percent(self.plan.hanging);
        let time = if hangs {
            FOR_EVER
        } else {
            self.chance.millis(0..=self.plan.work)
        };
        let life = self.analysts[nth].life.number;
        self.schedule
            .after(time, Happening::Ends(nth, life, id, run.0));
        Ok(())
    }

    /// A run comes to its end, or has been stopped.
    pub(super) fn run_ends(&mut self, nth: usize, id: TaskId, run: u32) -> Result<(), String> {
        let now = self.schedule.now();
        let is_stopped = match self.analysts[nth].runs.get(&id) {
            Some(&(current, is_stopping)) if current == run => is_stopping,
            _ => return Ok(()),
        };
        self.analysts[nth].runs.remove(&id);
        let fails = self.chance.percent(self.plan.failing);
        let outcome = if is_stopped && self.chance.percent(70) {
            None
        } else if fails {
            let reason = *self.chance.pick(&["太暗", "视频损坏", "fatal: 404"]);
            Some(Outcome::Failed(reason.into()))
        } else {
            let taken = found(id, nth, run);
            let listed = taken.iter().map(|it| (it.0, it.1)).collect();
            self.ledger.fate(id).computed.insert(listed);
            Some(Outcome::Taken(taken))
        };
        if let Some(device) = &mut self.analysts[nth].device {
            match outcome {
                None => device.stopped(now, id, Run(run)),
                // Whoever has reported that it stopped is not asked again.
                Some(outcome) => drop(device.complete(now, id, Run(run), outcome)),
            }
        }
        self.settle_analyst(nth)
    }

    /// Whoever may hang is started anew.
    pub(super) fn shake(&mut self, nth: usize) {
        if self.plan.hanging > 0
            && self.analysts[nth].device.is_some()
            && !self.analysts[nth].runs.is_empty()
        {
            self.cut_power(nth, 20_000);
        }
    }
}

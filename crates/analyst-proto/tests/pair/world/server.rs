//! The dispatcher: machine, store, and the application behind it.

use super::network::client;
use super::{Happening, Party, Side, World};
use crate::ledger::{Lease, id, made_up};
use crate::plan::Saboteur;
use analyst_proto::link::{ExchangeId, Login};
use analyst_proto::platform::{
    Config, Event, Input, Op, Output, Platform, Refused, Registration, Submission, Verdict,
};
use analyst_proto::wire::{InfoReply, NoInfo, ParentTopic, Secret, SignedRequest, Start, TaskId};
use std::collections::BTreeSet;
use std::time::Duration;

impl World {
    fn config(&self) -> Config {
        let login = Login::new(
            "broker.example",
            1883,
            client(Party::Server),
            "monitor",
            Secret::new("test-secret"),
            ParentTopic::new("Analyst").unwrap(),
        );
        let mut config = Config::new(login, self.plan.seed);
        config.profile = self.plan.profile;
        config.settle = self.plan.profile.settle();
        config.rate = self.plan.profile.rate();
        config.lease = self.plan.lease;
        config.max_attempts = self.plan.attempts;
        config.nudge = self.plan.nudges;
        let is_naive = matches!(self.saboteur, Saboteur::NaiveFail | Saboteur::CountedFail);
        config.label_attempts = self.plan.has_labels || is_naive;
        config.link.max_unstored = self.plan.max_unstored;
        config.fatal_reasons = vec!["fatal".to_owned()];
        config
    }

    pub(super) fn start_server(&mut self) -> Result<(), String> {
        self.note_confirmed();
        let (now, wall) = (self.schedule.now(), self.wall());
        let mut records = self.server.disk.records().to_vec();
        match self.saboteur {
            Saboteur::ServerForgets => records.clear(),
            Saboteur::FirstVerdictCounts => first_verdict_counts(&mut records),
            _ => {}
        }
        let mut platform = Platform::restore(now, wall, self.config(), records);
        for nth in 0..self.analysts.len() {
            let name = format!("analyst_{nth}");
            let secret = Secret::new("test-secret");
            let mut registration = Registration::new(name, secret, client(Party::Analyst(nth)));
            registration.capacity = self.plan.capacity;
            platform
                .register(now, registration)
                .map_err(|refused| format!("{refused:?}"))?;
        }
        self.server.platform = Some(platform);
        // Whoever was not told that a task is accepted asks again.
        let open: Vec<TaskId> = self
            .ledger
            .all()
            .filter(|(_, fate)| !fate.is_accepted)
            .map(|(id, _)| *id)
            .collect();
        for id in open {
            self.try_to_submit(id)?;
        }
        self.settle_server()
    }

    pub(super) fn crash(&mut self) {
        self.stats.crashes += 1;
        self.server.platform = None;
        self.server.life.number += 1;
        self.server.life.wake = None;
        self.server.life.doomed = None;
        self.hang_up(Party::Server);
        self.server.disk.stop(&mut self.chance);
        self.after(20_000, Happening::Returns(Party::Server));
    }

    pub(super) fn submit(&mut self, nth: u64) -> Result<(), String> {
        let is_urgent = self.chance.percent(self.plan.urgent);
        self.ledger.fate(id(nth)).is_urgent = is_urgent;
        self.try_to_submit(id(nth))
    }

    fn try_to_submit(&mut self, id: TaskId) -> Result<(), String> {
        let (now, wall) = (self.schedule.now(), self.wall());
        let fate = self.ledger.fate(id);
        let mut submission = Submission::new(Start::new(id, "样例/top.mp4"));
        submission.expires_at = fate.is_urgent.then(|| wall.plus(60_000));
        let Some(platform) = &mut self.server.platform else {
            return Ok(());
        };
        match platform.submit(now, wall, submission) {
            Ok(()) => {}
            Err(Refused::Known(_)) => fate.is_accepted = true,
            Err(refused) => return Err(format!("{refused:?}")),
        }
        self.settle_server()
    }

    pub(super) fn cancel(&mut self, nth: u64) -> Result<(), String> {
        let now = self.schedule.now();
        if let Some(platform) = &mut self.server.platform
            && platform.cancel(now, id(nth)).is_ok()
        {
            self.ledger.fate(id(nth)).was_cancelled = true;
        }
        self.settle_server()
    }

    pub(super) fn confirm(&mut self, id: TaskId) -> Result<(), String> {
        let now = self.schedule.now();
        if let Some(platform) = &mut self.server.platform {
            let confirmed = platform.confirm(now, id);
            confirmed.map_err(|refused| format!("cannot confirm: {refused:?}"))?;
        }
        self.settle_server()
    }

    pub(super) fn tell_server(&mut self, input: Input) -> Result<(), String> {
        let now = self.schedule.now();
        self.note(&input);
        if let Some(platform) = &mut self.server.platform {
            platform.handle_input(now, input);
        }
        self.settle_server()
    }

    /// Drains the machine and arms its timer.
    pub(super) fn settle_server(&mut self) -> Result<(), String> {
        while let Some(output) = self
            .server
            .platform
            .as_mut()
            .and_then(Platform::poll_output)
        {
            match &mut self.server.life.doomed {
                Some(0) => {
                    self.crash();
                    return Ok(());
                }
                Some(left) => *left -= 1,
                None => {}
            }
            self.note(&output);
            self.do_for_server(output)?;
        }
        let timer = self
            .server
            .platform
            .as_ref()
            .and_then(Platform::poll_timeout);
        self.arm(Party::Server, timer);
        Ok(())
    }

    pub(super) fn arm(&mut self, party: Party, timer: Option<std::time::Instant>) {
        let life = self.life(party);
        if let Some(at) = timer
            && life.wake.is_none_or(|armed| at < armed)
        {
            life.wake = Some(at);
            self.schedule.at(at, Happening::Wake(party, at));
        }
    }

    fn do_for_server(&mut self, output: Output) -> Result<(), String> {
        match output {
            Output::Open(_) => self.open(Party::Server),
            Output::Subscribe(_) => {
                if self.saboteur != Saboteur::NoSubscription {
                    self.broker.subscribe(Party::Server);
                }
            }
            Output::Send(publish) => self.publish(Party::Server, &publish),
            Output::Ack(delivery) if self.saboteur == Saboteur::ServerAcksEarly => {
                self.deliveries.remove(&delivery);
            }
            Output::Ack(delivery) => self.acknowledge(delivery)?,
            Output::Hangup => self.hang_up(Party::Server),
            Output::Store(seq, op) => {
                self.check_op(&op)?;
                if self.server.disk.ask(seq, op) {
                    let life = self.server.life.number;
                    self.after(self.plan.commit, Happening::Commits(Party::Server, life));
                }
            }
            Output::InfoReply(exchange, reply) => self.reply(exchange, reply),
            Output::Event(event) => self.application_learns(event)?,
            Output::Disconnect => {}
            _ => return Err(format!("unexpected: {output:?}")),
        }
        Ok(())
    }

    fn check_op(&mut self, op: &Op) -> Result<(), String> {
        let now = self.schedule.now();
        match op {
            Op::Terminal(id, Verdict::Failed(_)) => self.ledger.gives_up(now, *id, self.plan.lease),
            // From here on it may have the task, and no longer than a lease after the broker has it.
            Op::Out { id, attempt } => {
                let leases = &mut self.ledger.fate(*id).leases;
                if let Some(lease) = leases.get_mut(usize::try_from(*attempt).unwrap() - 1) {
                    lease.since.get_or_insert(now);
                }
                Ok(())
            }
            Op::Assign {
                id,
                attempt,
                client,
            } => {
                let (_, analyst) = client.as_str().rsplit_once('_').unwrap();
                let leases = &mut self.ledger.fate(*id).leases;
                leases.truncate(usize::try_from(*attempt).unwrap() - 1);
                leases.push(Lease {
                    analyst: analyst.parse().unwrap(),
                    since: None,
                    has_failed: false,
                });
                Ok(())
            }
            Op::Over { id, attempt } => {
                let leases = &mut self.ledger.fate(*id).leases;
                if let Some(lease) = leases.get_mut(usize::try_from(*attempt).unwrap() - 1)
                    && lease.goes_on(now, self.plan.lease)
                {
                    return Err(format!("the lease of {id} is cut short"));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A result is acknowledged: it has become the verdict, or somebody was told.
    pub(super) fn check_finish(&mut self, id: TaskId) -> Result<(), String> {
        let is_stored =
            self.server.disk.records().iter().any(
                |record| matches!(record, Op::Terminal(it, Verdict::Finished(_)) if *it == id),
            );
        if is_stored || id == made_up() || self.ledger.fate(id).told > 0 {
            return Ok(());
        }
        Err(format!("a result for {id} has vanished"))
    }

    fn application_learns(&mut self, event: Event) -> Result<(), String> {
        match event {
            Event::Accepted(id) => self.ledger.fate(id).is_accepted = true,
            Event::Verdict { id, verdict, .. } => {
                let is_news = self.ledger.learn(id, verdict)?;
                self.stats.repeated += u64::from(!is_news);
                let life = self.server.life.number;
                self.after(3_000, Happening::Confirm(id, life));
            }
            Event::LateResult(id, _) => {
                self.stats.late += 1;
                if self.saboteur != Saboteur::SilentLate {
                    self.ledger.fate(id).told += 1;
                }
            }
            Event::Unsolicited(id) => self.ledger.fate(id).told += 1,
            Event::UnknownResult(id) | Event::RoundedId { got: id, .. } if id != made_up() => {
                return Err(format!("{id} is not known to the dispatcher"));
            }
            Event::TimedOut { .. } => self.stats.timed_out += 1,
            Event::FailHeld { .. } => self.stats.held += 1,
            _ => {}
        }
        Ok(())
    }

    pub(super) fn commits(&mut self, party: Party) -> Result<(), String> {
        let most = self.chance.between(1..=8);
        let side = match party {
            Party::Server => Side::Server,
            Party::Analyst(_) => Side::Analyst,
        };
        let failing = self.unstored(side, most);
        let count = usize::try_from(most).unwrap();
        let (done, is_idle) = match party {
            Party::Server => {
                let disk = &mut self.server.disk;
                let done = disk.commit(count, failing, &mut self.chance);
                (done, disk.is_idle())
            }
            Party::Analyst(nth) => {
                let disk = &mut self.analysts[nth].disk;
                let done = disk.commit(count, failing, &mut self.chance);
                (done, disk.is_idle())
            }
        };
        let life = self.life(party).number;
        if !is_idle {
            self.after(self.plan.commit, Happening::Commits(party, life));
        }
        for (seq, is_stored) in done {
            if !self.is_alive(party, life) {
                return Ok(());
            }
            self.stats.store_failures += u64::from(!is_stored);
            match party {
                Party::Server if is_stored => self.tell_server(Input::Stored(seq))?,
                Party::Server => self.tell_server(Input::StoreFailed(seq))?,
                Party::Analyst(nth) => {
                    use analyst_proto::device::Input;
                    if is_stored {
                        self.analysts[nth].promises(seq);
                    }
                    let input = if is_stored {
                        Input::Stored(seq)
                    } else {
                        Input::StoreFailed(seq)
                    };
                    self.tell_analyst(nth, input)?;
                }
            }
        }
        Ok(())
    }

    /// An analyser asks where the broker is.
    pub(super) fn request_arrives(
        &mut self,
        nth: usize,
        life: u64,
        asked: ExchangeId,
        request: SignedRequest,
    ) -> Result<(), String> {
        if self.server.platform.is_none() {
            let reply = Err(NoInfo::Unreachable);
            self.after(
                self.plan.latency,
                Happening::ReplyArrives(nth, life, asked, reply),
            );
            return Ok(());
        }
        self.next_exchange += 1;
        let exchange = ExchangeId(self.next_exchange);
        self.analysts[nth].asks = Some((exchange, life, asked));
        let at = self.wall();
        self.tell_server(Input::InfoRequest {
            exchange,
            at,
            request: Ok(request),
        })
    }

    fn reply(&mut self, exchange: ExchangeId, reply: InfoReply) {
        let who = self
            .analysts
            .iter()
            .position(|it| it.asks.is_some_and(|(asks, ..)| asks == exchange));
        let Some(nth) = who else {
            return;
        };
        let Some((_, life, asked)) = self.analysts[nth].asks.take() else {
            return;
        };
        let reply = match reply {
            InfoReply::Info(info) => Ok(info),
            InfoReply::Rejected(rejection) => Err(NoInfo::Rejected(rejection)),
            _ => Err(NoInfo::Unreachable),
        };
        self.after(
            self.plan.latency,
            Happening::ReplyArrives(nth, life, asked, reply),
        );
    }

    /// What the application has taken note of for good.
    pub(super) fn note_confirmed(&mut self) {
        for record in self.server.disk.records() {
            if let Op::Confirmed(id) = record {
                self.ledger.fate(*id).is_confirmed = true;
            }
        }
    }
}

/// A store that keeps one verdict for each task: the first one.
fn first_verdict_counts(records: &mut Vec<Op>) {
    let mut decided = BTreeSet::new();
    records.retain(|record| match record {
        Op::Terminal(id, _) => decided.insert(*id),
        _ => true,
    });
}

/// How long a run takes that never ends by itself.
pub(super) const FOR_EVER: Duration = Duration::from_secs(1_000_000);

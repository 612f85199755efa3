//! The dispatcher, its store, and the application behind it.

use super::network::{Kind, Unacked, analyst, client};
use super::{Client, Party, Record, TASK, World};
use crate::plan::{LEASE, LINGER, Order, Plan, SETTLE, Saboteur};
use analyst_proto::BrokerProfile;
use analyst_proto::link::{LinkConfig, Login};
use analyst_proto::platform::{
    Config, Event, Input, Op, Output, Platform, Refused, Registration, Submission, Verdict,
};
use analyst_proto::wire::{ParentTopic, Secret, Start, UnixMillis};
use std::sync::Arc;
use std::time::{Duration, Instant};
use testkit::digest::Digest;

#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) platform: Arc<Platform>,
    pub(super) client: Client<Op>,
}

/// The wall clock, which nothing here depends on.
const WALL: UnixMillis = UnixMillis(1_679_846_303_000);

impl Server {
    pub(super) fn new(now: Instant, plan: &Plan) -> Self {
        Self {
            platform: Arc::new(Platform::new(now, config(plan))),
            client: Client::new(),
        }
    }
}

fn config(plan: &Plan) -> Config {
    let login = Login::new(
        "broker.example",
        1883,
        client(Party::Server),
        "monitor",
        Secret::new("test-secret"),
        ParentTopic::new("Analyst").unwrap(),
    );
    let mut config = Config::new(login, 7);
    config.profile = profile(plan);
    config.rate = None;
    config.lease = LEASE;
    config.ack_wait = LEASE;
    config.linger = LINGER;
    config.settle = SETTLE;
    config.retry_delays = vec![Duration::ZERO];
    config.max_attempts = plan.attempts;
    config.suspend_after = u32::MAX;
    let is_naive = matches!(plan.saboteur, Saboteur::NaiveFail | Saboteur::CountedFail);
    config.label_attempts = plan.has_labels || is_naive;
    link(&mut config.link);
    config
}

pub(super) fn profile(plan: &Plan) -> BrokerProfile {
    match plan.order {
        Order::Fifo => BrokerProfile::Plain,
        Order::Bag => BrokerProfile::Lmq,
    }
}

/// No chance in delays, and no connection that breaks by itself.
pub(super) fn link(config: &mut LinkConfig) {
    let zero = Duration::ZERO;
    (config.backoff_min, config.backoff_max) = (zero, zero);
    (config.auth_backoff_min, config.auth_backoff_max) = (zero, zero);
    (config.store_retry_min, config.store_retry_max) = (zero, zero);
    config.ack_timeout = Duration::MAX;
}

impl World {
    /// It starts with what is stored, and the application asks again for what was not accepted.
    pub(super) fn start_server(&mut self) -> Result<(), String> {
        let records = self.server.client.records.iter();
        let records = records.map(|(_, record)| record.clone()).collect();
        let mut platform = Platform::restore(self.now, WALL, config(&self.plan), records);
        for nth in (0_u8..).take(self.analysts.len()) {
            let name = format!("analyst_{nth}");
            let client = client(Party::Analyst(nth));
            let registration = Registration::new(name, Secret::new("test-secret"), client);
            let registered = platform.register(self.now, registration);
            registered.map_err(|refused| format!("{refused:?}"))?;
        }
        if !self.ledger.is_accepted {
            let submission = Submission::new(Start::new(TASK, "top.mp4"));
            match platform.submit(self.now, WALL, submission) {
                Ok(()) => {}
                Err(Refused::Known(_)) => self.ledger.is_accepted = true,
                Err(refused) => return Err(format!("{refused:?}")),
            }
        }
        self.server.platform = Arc::new(platform);
        self.settle_server()
    }

    pub(super) fn crash_server(&mut self, landed: u8) -> Result<(), String> {
        self.lost = self.server.client.lost();
        let unacked = self.server.client.stop(landed);
        let (acked, unacked): (Vec<_>, Vec<_>) = unacked.into_iter().partition(|it| it.is_acked);
        self.check_results(&acked)?;
        self.give_back(unacked);
        let records = self.server.client.records.iter();
        let assigned = records.filter_map(|(_, record)| match record {
            Op::Assign { attempt, .. } => Some(*attempt),
            _ => None,
        });
        self.ledger.crashed(assigned.max().unwrap_or(0));
        self.start_server()
    }

    /// Results that the broker does not deliver again.
    fn check_results(&self, acked: &[Unacked]) -> Result<(), String> {
        let is_stored = self
            .server
            .client
            .records
            .iter()
            .any(|(_, record)| matches!(record, Op::Terminal(_, Verdict::Finished(_))));
        let is_lost = |it: &Unacked| it.mail.kind == Kind::Finish && !it.is_told && !is_stored;
        if acked.iter().any(is_lost) {
            return Err("a result has vanished (A-I3)".to_owned());
        }
        Ok(())
    }

    pub(super) fn tell_server(&mut self, input: Input) -> Result<(), String> {
        Arc::make_mut(&mut self.server.platform).handle_input(self.now, input);
        self.settle_server()
    }

    pub(super) fn server_commits(&mut self) -> Result<(), String> {
        match self.server.client.commit() {
            Some((seq, _)) => self.tell_server(Input::Stored(seq)),
            None => Ok(()),
        }
    }

    pub(super) fn wake_server(&mut self) -> Result<(), String> {
        Arc::make_mut(&mut self.server.platform).handle_timeout(self.now);
        self.settle_server()?;
        let timer = self.server.platform.poll_timeout();
        if timer.is_some_and(|timer| timer <= self.now) {
            return Err("a timer of the dispatcher is in the past (A-I6)".to_owned());
        }
        Ok(())
    }

    fn settle_server(&mut self) -> Result<(), String> {
        self.server.client.is_stale = true;
        while let Some(output) = Arc::make_mut(&mut self.server.platform).poll_output() {
            if let Some(landed) = self.is_doomed(Party::Server) {
                return self.crash(Party::Server, landed);
            }
            self.outputs += 1;
            self.do_for_server(output)?;
        }
        Ok(())
    }

    fn do_for_server(&mut self, output: Output) -> Result<(), String> {
        match output {
            Output::Open(_) => {
                let platform = Arc::make_mut(&mut self.server.platform);
                platform.handle_input(self.now, Input::Connected);
            }
            Output::Send(publish) => self.publish(Party::Server, publish)?,
            Output::Ack(delivery) => {
                let unacked = self.server.client.acknowledged(delivery)?;
                self.check_results(&[unacked])?;
            }
            Output::Store(seq, op) => {
                self.check_op(&op)?;
                let is_early =
                    self.plan.saboteur == Saboteur::StartsEarly && matches!(op, Op::Assign { .. });
                self.server.client.ask(seq, op, is_early);
                if is_early {
                    let platform = Arc::make_mut(&mut self.server.platform);
                    platform.handle_input(self.now, Input::Stored(seq));
                }
            }
            Output::Event(event) => self.application_learns(event)?,
            Output::Subscribe(_) => {}
            _ => return Err(format!("unexpected: {output:?}")),
        }
        Ok(())
    }

    fn check_op(&mut self, op: &Op) -> Result<(), String> {
        match op {
            Op::Assign {
                attempt, client, ..
            } => self.ledger.assigned(*attempt, analyst(client.as_str())),
            Op::Over { attempt, .. } => self.ledger.over(self.now, *attempt),
            Op::FailNoted {
                attempt: Some(attempt),
                ..
            } => {
                self.ledger.fail_noted(*attempt);
                Ok(())
            }
            Op::Terminal(_, verdict) => {
                if matches!(verdict, Verdict::Failed(_) | Verdict::Expired) {
                    self.ledger.given_up(self.now)?;
                }
                self.ledger.decided();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn application_learns(&mut self, event: Event) -> Result<(), String> {
        match event {
            Event::Accepted(_) => self.ledger.is_accepted = true,
            Event::Verdict { verdict, .. } => self.ledger.learn(verdict)?,
            Event::LateResult(..) | Event::Unsolicited(_) => {
                let heard = self.hearing;
                if let Some(unacked) = heard.and_then(|it| self.server.client.delivery(it)) {
                    unacked.is_told = true;
                }
            }
            Event::UnknownResult(_) | Event::RoundedId { .. } => {
                return Err("the task is not known (A-I1)".to_owned());
            }
            _ => {}
        }
        Ok(())
    }
}

impl Record for Op {
    fn digest(&self) -> u128 {
        match self {
            Self::Submit(..) => Digest::of(&0_u8),
            Self::Assign {
                attempt, client, ..
            } => Digest::of(&(1_u8, attempt, client)),
            Self::Out { attempt, .. } => Digest::of(&(2_u8, attempt)),
            Self::Over { attempt, .. } => Digest::of(&(3_u8, attempt)),
            Self::FailNoted {
                attempt, reason, ..
            } => Digest::of(&(4_u8, attempt, reason)),
            Self::Terminal(_, verdict) => match verdict {
                Verdict::Finished(taken) => Digest::of(&(5_u8, taken)),
                Verdict::Failed(reasons) => Digest::of(&(6_u8, reasons)),
                Verdict::Expired => Digest::of(&7_u8),
                _ => Digest::of(&8_u8),
            },
            _ => Digest::of(&9_u8),
        }
    }

    fn is_erased_by(&self, request: &Self) -> bool {
        request.erases()
    }

    fn erases(&self) -> bool {
        matches!(self, Self::Forget(_))
    }
}

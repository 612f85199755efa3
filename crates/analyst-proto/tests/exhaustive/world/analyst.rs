//! The analysers, their stores, and the recognition behind them.

use super::moves::Outcome;
use super::network::{Kind, Mail, STRANGE, client};
use super::server::{link, profile};
use super::{Client, Party, Record, TASK, World};
use crate::plan::{Overtaking, Plan, Saboteur};
use analyst_proto::Rate;
use analyst_proto::device::{
    self, Config, Device, Event, Input, Op, Output, Recovered, Run, TaskState,
};
use analyst_proto::wire::{ConnectionInfo, GoodsId, ParentTopic};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};
use testkit::digest::Digest;

/// An analyser, with what survives its power cuts.
#[derive(Debug, Clone)]
pub(super) struct Analyst {
    pub(super) device: Arc<Device>,
    pub(super) client: Client<Op>,
    pub(super) inbox: Vec<Mail>,
    pub(super) outbox: Vec<Mail>,
    /// What is being worked on, and whether it is to stop.
    pub(super) run: Option<(Run, bool)>,
    /// A result that is kept and that the broker has not acknowledged.
    pub(super) owes: Option<Kind>,
    /// The last result is that it failed.
    has_failed: bool,
}

/// What there was to know of an analyser before a message came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Before {
    state: Option<TaskState>,
    stale: u64,
    crashes: u8,
}

impl Analyst {
    pub(super) fn new(now: Instant, plan: &Plan, nth: u8) -> Self {
        let device = Device::new(now, config(plan, nth), Recovered::empty());
        Self {
            device: Arc::new(device),
            client: Client::new(),
            inbox: Vec::new(),
            outbox: Vec::new(),
            run: None,
            owes: None,
            has_failed: false,
        }
    }

    /// The store says that it has done this.
    fn promises(&mut self, op: &Op) {
        if let Op::Result { outcome, .. } = op {
            self.owes = Some(match **outcome {
                device::Outcome::Taken(_) => Kind::Finish,
                _ => Kind::Fail,
            });
        }
    }
}

fn config(plan: &Plan, nth: u8) -> Config {
    let mut config = Config::new(format!("analyst_{nth}"), u64::from(nth));
    config.rate = Some(Rate::new(u32::MAX, u32::MAX)); // how fast is of no concern here
    config.profile = Some(profile(plan));
    config.kept_for = Duration::MAX;
    config.overtake_guard = Some(plan.guard);
    config.echo_attempt = plan.has_labels;
    link(&mut config.link);
    config
}

impl Hash for Analyst {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.client.hash(state);
        self.inbox.hash(state);
        self.outbox.hash(state);
        (self.run, self.owes, self.has_failed).hash(state);
    }
}

impl World {
    fn analyst(&mut self, nth: u8) -> &mut Analyst {
        &mut self.analysts[usize::from(nth)]
    }

    fn device(&mut self, nth: u8) -> &mut Device {
        Arc::make_mut(&mut self.analyst(nth).device)
    }

    pub(super) fn start_analyst(&mut self, nth: u8) -> Result<(), String> {
        let records = self.analyst(nth).client.records.iter();
        let recovered = Recovered::new(records.map(|(_, record)| record.clone()).collect());
        let device = Device::new(self.now, config(&self.plan, nth), recovered);
        self.analyst(nth).device = Arc::new(device);
        self.settle_analyst(nth)
    }

    pub(super) fn crash_analyst(&mut self, nth: u8, landed: u8) -> Result<(), String> {
        let analyst = self.analyst(nth);
        analyst.run = None;
        let lost = analyst.client.lost();
        let unacked = analyst.client.stop(landed);
        let is_kept = !analyst.client.records.is_empty();
        let (acked, unacked): (Vec<_>, Vec<_>) = unacked.into_iter().partition(|it| it.is_acked);
        self.lost = lost;
        if !is_kept && acked.iter().any(|it| it.mail.kind == Kind::Start) {
            return Err("an acknowledged task has vanished (A-D1)".to_owned());
        }
        self.give_back(unacked);
        self.start_analyst(nth)
    }

    pub(super) fn tell_analyst(&mut self, nth: u8, input: Input) -> Result<(), String> {
        let now = self.now;
        self.device(nth).handle_input(now, input);
        self.settle_analyst(nth)
    }

    pub(super) fn analyst_commits(&mut self, nth: u8) -> Result<(), String> {
        let analyst = self.analyst(nth);
        let Some((seq, op)) = analyst.client.commit() else {
            return Ok(());
        };
        analyst.promises(&op);
        self.tell_analyst(nth, Input::Stored(seq))
    }

    pub(super) fn wake_analyst(&mut self, nth: u8) -> Result<(), String> {
        let now = self.now;
        self.device(nth).handle_timeout(now);
        self.settle_analyst(nth)?;
        let timer = self.analyst(nth).device.poll_timeout();
        if timer.is_some_and(|timer| timer <= now) {
            return Err("a timer of an analyser is in the past (A-I6)".to_owned());
        }
        Ok(())
    }

    /// Drains the machine.
    fn settle_analyst(&mut self, nth: u8) -> Result<(), String> {
        self.analyst(nth).client.is_stale = true;
        while let Some(output) = self.device(nth).poll_output() {
            if let Some(landed) = self.is_doomed(Party::Analyst(nth)) {
                return self.crash(Party::Analyst(nth), landed);
            }
            self.outputs += 1;
            self.do_for_analyst(nth, output)?;
        }
        Ok(())
    }

    fn do_for_analyst(&mut self, nth: u8, output: Output) -> Result<(), String> {
        let now = self.now;
        match output {
            Output::Fetch(exchange) => {
                let parent = ParentTopic::new("Analyst").unwrap();
                let (own, server) = (client(Party::Analyst(nth)), client(Party::Server));
                let info = ConnectionInfo::new(parent, own, server, "broker.example");
                self.device(nth)
                    .handle_input(now, Input::Info(exchange, Ok(info)));
            }
            Output::Open(_) => self.device(nth).handle_input(now, Input::Connected),
            Output::Send(publish) => self.publish(Party::Analyst(nth), publish)?,
            Output::Ack(delivery) if delivery != STRANGE => {
                let client = &mut self.analyst(nth).client;
                let unacked = client.acknowledged(delivery)?;
                let is_kept = !client.records.is_empty() || unacked.is_acked;
                if unacked.mail.kind == Kind::Start && !is_kept {
                    return Err("a task is acknowledged and not stored (A-D1)".to_owned());
                }
            }
            Output::Store(seq, op) => {
                let is_early =
                    self.plan.saboteur == Saboteur::OffersEarly && matches!(op, Op::Result { .. });
                let analyst = self.analyst(nth);
                if is_early {
                    analyst.promises(&op);
                }
                analyst.client.ask(seq, op, is_early);
                if is_early {
                    self.device(nth).handle_input(now, Input::Stored(seq));
                }
            }
            Output::Event(event) => self.recognition_learns(nth, &event)?,
            Output::Ack(STRANGE) | Output::Subscribe(_) => {}
            _ => return Err(format!("unexpected: {output:?}")),
        }
        Ok(())
    }

    fn recognition_learns(&mut self, nth: u8, event: &Event) -> Result<(), String> {
        let analyst = self.analyst(nth);
        match event {
            Event::Work { run, .. } => match analyst.run.replace((*run, false)) {
                Some(_) => Err("two runs at once (A-I4)".to_owned()),
                None => Ok(()),
            },
            Event::Cancel { run, .. } => {
                analyst.run = Some((*run, true));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A run comes to its end.
    pub(super) fn run_ends(&mut self, nth: u8, outcome: Outcome) -> Result<(), String> {
        let now = self.now;
        let (run, _) = self.analyst(nth).run.take().expect("a run");
        let done = match outcome {
            Outcome::Taken => {
                self.ledger.has_found(nth);
                self.analyst(nth).has_failed = false;
                let taken = vec![(GoodsId(u64::from(nth)), 1)];
                let outcome = device::Outcome::Taken(taken);
                self.device(nth).complete(now, TASK, run, outcome)
            }
            Outcome::Failed => {
                self.ledger.has_failed(nth);
                self.analyst(nth).has_failed = true;
                let outcome = device::Outcome::Failed("too dark".into());
                self.device(nth).complete(now, TASK, run, outcome)
            }
            Outcome::Stopped => {
                self.device(nth).stopped(now, TASK, run);
                Ok(())
            }
        };
        done.map_err(|refused| format!("{refused}"))?;
        self.settle_analyst(nth)
    }

    pub(super) fn before(&self, nth: u8) -> Before {
        let device = &self.analysts[usize::from(nth)].device;
        Before {
            state: device.task(TASK),
            stale: device.counters().stale_cancels,
            crashes: self.left.crashes,
        }
    }

    /// A message has come to an analyser that may have been killed over it.
    pub(super) fn check_delivery(
        &mut self,
        nth: u8,
        before: Before,
        kind: Kind,
        attempt: u8,
    ) -> Result<(), String> {
        let now = self.before(nth);
        if now.crashes != before.crashes {
            return Ok(());
        }
        let analyst = &self.analysts[usize::from(nth)];
        let had_result = matches!(
            before.state,
            Some(TaskState::Storing | TaskState::Offered | TaskState::Kept)
        );
        match kind {
            Kind::Start => {
                let goes_again = now.state == Some(TaskState::Accepting);
                let is_answered = had_result && analyst.has_failed && !goes_again;
                let asks = before.state == Some(TaskState::Kept) && !analyst.has_failed;
                if asks && analyst.device.unsent() == 0 {
                    return Err("a result is not offered on request (A-I5)".to_owned());
                }
                self.ledger.arrived(attempt, is_answered);
                Ok(())
            }
            Kind::Timeout if before.is_active() && now.stale == before.stale => {
                let is_wrong = match self.plan.overtaking {
                    Overtaking::Never => false,
                    Overtaking::OfStarts => self.ledger.has_arrived(attempt),
                    Overtaking::Always => true,
                };
                if is_wrong {
                    return self.ledger.cancelled(self.now, attempt, nth);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A cancellation of nothing has come, with DUP or without.
    pub(super) fn check_stranger(
        &self,
        nth: u8,
        before: Before,
        is_again: bool,
    ) -> Result<(), String> {
        let now = self.before(nth);
        let is_changed = now.state != before.state && now.crashes == before.crashes;
        if is_changed && (is_again || !before.is_active()) {
            return Err("a repeated TIMEOUT of nothing ends something (A-I10)".to_owned());
        }
        Ok(())
    }
}

impl Before {
    fn is_active(self) -> bool {
        matches!(
            self.state,
            Some(TaskState::Accepting | TaskState::Queued | TaskState::Running)
        )
    }
}

impl Record for Op {
    fn digest(&self) -> u128 {
        match self {
            Self::Accept { run, .. } => Digest::of(&(0_u8, run)),
            Self::Cancel { run, .. } => Digest::of(&(1_u8, run)),
            Self::Result {
                run, nth, outcome, ..
            } => Digest::of(&(2_u8, run, nth, outcome)),
            Self::Delivered { run, nth, .. } => Digest::of(&(3_u8, run, nth)),
            Self::Forget { run, .. } => Digest::of(&(4_u8, run)),
            _ => Digest::of(&5_u8),
        }
    }

    fn is_erased_by(&self, request: &Self) -> bool {
        let Self::Forget { run, .. } = request else {
            return false;
        };
        match self {
            Self::Accept { run: own, .. }
            | Self::Cancel { run: own, .. }
            | Self::Result { run: own, .. }
            | Self::Delivered { run: own, .. } => own <= run,
            _ => false,
        }
    }

    fn erases(&self) -> bool {
        matches!(self, Self::Forget { .. })
    }
}

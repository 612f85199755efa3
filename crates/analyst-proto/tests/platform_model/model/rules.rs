//! The rules.

use super::job::{Stage, number};
use super::{Errand, Model};
use analyst_proto::link::DeliveryId;
use analyst_proto::platform::{Event, Late, Op, Verdict};
use analyst_proto::wire::{ClientId, Taken, TaskId, Text};
use std::time::Instant;

impl Model {
    pub(super) fn time_is_up(&mut self, now: Instant, id: TaskId) {
        let at = self.at(id).expect("a task");
        let job = &self.jobs[at];
        if let Stage::Lingering(_) = job.stage {
            let verdict = job.hopeless();
            return self.judge(at, verdict, false, None);
        }
        let (made, is_last) = (job.attempts.len(), !job.has_attempts_left());
        let (last, past) = job.attempts.split_last().expect("an attempt");
        // A-P4: an earlier attempt that never answered may still do so.
        let is_hopeless = is_last && past.iter().all(|it| it.failure.is_some());
        let (client, attempt) = (last.client.clone(), number(made));
        self.say(&Event::TimedOut {
            id,
            attempt,
            client: client.clone(),
        });
        if is_hopeless {
            let verdict = self.jobs[at].hopeless();
            return self.judge(at, verdict, true, None);
        }
        self.take_start(id, made);
        self.outbox.insert(Errand::Timeout(id, made, client));
        self.ask(Op::Over { id, attempt }, Vec::new());
        if is_last {
            self.jobs[at].stage = Stage::Lingering(now + self.config.linger);
        } else {
            self.requeue(now, at);
        }
    }

    pub(super) fn requeue(&mut self, now: Instant, at: usize) {
        let delays = &self.config.retry_delays;
        let delay = delays
            .get(self.jobs[at].attempts.len() - 1)
            .or(delays.last());
        self.jobs[at].stage = Stage::Queued(now + *delay.expect("delays"));
    }

    pub(super) fn judge(
        &mut self,
        at: usize,
        verdict: Verdict,
        is_told: bool,
        delivery: Option<DeliveryId>,
    ) {
        let job = &mut self.jobs[at];
        let (id, stage, made) = (job.id(), job.stage, job.attempts.len());
        let client = job.attempts.last().map(|last| last.client.clone());
        (job.stage, job.verdict) = (Stage::Judging, Some(verdict.clone()));
        self.take_start(id, made);
        match (stage, client) {
            (Stage::Starting(_) | Stage::Working(_), Some(client)) if is_told => {
                self.outbox.insert(Errand::Timeout(id, made, client));
            }
            (Stage::Assigning | Stage::Starting(_) | Stage::Working(_), Some(client)) => {
                self.release(&client, id, made);
            }
            _ => {}
        }
        let mut deliveries = Vec::new();
        if matches!(stage, Stage::Submitting | Stage::Judging) {
            // What it takes the place of need not be stored.
            let is_outdated =
                |op: &Op| op.id() == id && matches!(op, Op::Submit(..) | Op::Terminal(..));
            let old = self
                .asked
                .iter()
                .find(|(_, (op, _))| is_outdated(op))
                .map(|(seq, _)| *seq);
            deliveries = old
                .and_then(|seq| self.asked.remove(&seq))
                .map_or(deliveries, |it| it.1);
        }
        deliveries.extend(delivery);
        self.ask(Op::Terminal(id, verdict), deliveries);
    }

    /// The first task that somebody is free for, and who (A-P6).
    pub(super) fn next(&self, now: Instant) -> Option<(usize, ClientId)> {
        let is_ready =
            |at: &usize| matches!(self.jobs[*at].stage, Stage::Queued(from) if from <= now);
        let mut ready: Vec<usize> = (0..self.jobs.len()).filter(is_ready).collect();
        ready.sort_by_key(|at| -self.jobs[*at].submission.priority);
        ready.into_iter().find_map(|at| {
            let job = &self.jobs[at];
            let (id, free) = (job.id(), self.free());
            let is_untried = |it: &&ClientId| job.attempts.iter().all(|attempt| attempt.client != **it);
            // A-P5: not before the broker has its TIMEOUT.
            let was_told = |it: &&ClientId| {
                let is_it = |errand: &Errand| matches!(errand, Errand::Timeout(of, _, to) if *of == id && to == *it);
                !self.outbox.iter().any(is_it)
            };
            let client = free.iter().find(is_untried).or_else(|| free.iter().find(was_told));
            Some((at, client?.clone()))
        })
    }

    /// Those with room, the one with the fewest tasks first, then the one that was idle longest.
    pub(super) fn free(&self) -> Vec<ClientId> {
        let mut free: Vec<(usize, u64, &ClientId)> = self
            .analysts
            .iter()
            .filter(|(_, it)| !it.is_offline && it.holds.len() < it.capacity)
            .map(|(client, it)| (it.holds.len(), it.idle_since, client))
            .collect();
        free.sort_unstable();
        free.into_iter()
            .map(|(_, _, client)| client.clone())
            .collect()
    }

    pub(super) fn assigning(&self) -> usize {
        let is_it = |op: &Op| matches!(op, Op::Assign { .. });
        let asked = self.asked.values().filter(|(op, _)| is_it(op)).count();
        asked + self.asking.iter().filter(|(op, _)| is_it(op)).count()
    }

    pub(super) fn release(&mut self, client: &ClientId, id: TaskId, made: usize) {
        if let Some(analyst) = self.analysts.get_mut(client) {
            if analyst.holds.remove(&(id, made)) {
                self.turns += 1;
                analyst.idle_since = self.turns;
            }
        }
    }

    /// START need not go out any more.
    pub(super) fn take_start(&mut self, id: TaskId, made: usize) {
        let start = Errand::Start(id, made);
        if self.outbox.remove(&start) {
            let flights = self.flights.values_mut();
            flights
                .filter(|it| it.as_ref() == Some(&start))
                .for_each(|it| *it = None);
        }
    }

    pub(super) fn ask(&mut self, op: Op, deliveries: Vec<DeliveryId>) {
        self.facts.push(format!("{op:?}"));
        self.asking.push((op, deliveries));
    }

    /// A-P8: acknowledged once what was asked for because of the same is stored.
    pub(super) fn ack_with(&mut self, delivery: DeliveryId, is_it: impl Fn(&Op) -> bool) {
        let mut asked = self.asked.values_mut().chain(&mut self.asking);
        match asked.find(|(op, _)| is_it(op)) {
            Some((_, deliveries)) => deliveries.push(delivery),
            None => self.acknowledges(delivery),
        }
    }

    pub(super) fn late_or_unknown(
        &mut self,
        id: TaskId,
        taken: Option<&Taken>,
        delivery: DeliveryId,
    ) {
        let verdict = self.remembered.iter().find(|(it, _)| *it == id);
        let event = match verdict {
            Some((_, verdict)) => Event::LateResult(id, says(verdict, taken)),
            None => Event::UnknownResult(id),
        };
        self.say(&event);
        self.acknowledges(delivery);
    }

    pub(super) fn unsolicited(&mut self, id: TaskId, delivery: DeliveryId) {
        self.say(&Event::Unsolicited(id));
        self.acknowledges(delivery);
    }

    pub(super) fn at(&self, id: TaskId) -> Option<usize> {
        self.jobs.iter().position(|job| job.id() == id)
    }

    pub(super) fn is_unstored(&self, id: TaskId) -> bool {
        let mut all = self.asked.values().chain(&self.asking);
        all.any(|(op, _)| op.id() == id)
    }
}

pub(super) fn says(verdict: &Verdict, taken: Option<&Taken>) -> Late {
    match (verdict, taken) {
        (_, None) => Late::Fail,
        (Verdict::Finished(found), Some(taken)) if found == taken => Late::Same,
        _ => Late::Conflict,
    }
}

pub(super) fn is_verdict(id: TaskId) -> impl Fn(&Op) -> bool {
    move |op| matches!(op, Op::Terminal(of, _) if *of == id)
}

pub(super) fn begins(reason: &Text, with: &[String]) -> bool {
    with.iter()
        .any(|it| reason.as_str().starts_with(it.as_str()))
}

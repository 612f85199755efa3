//! The dispatcher as its rules have it, with plain lists and no regard for speed.

mod job;
mod rules;

use analyst_proto::link::{DeliveryId, Publish, SendId, Seq};
use analyst_proto::platform::{Config, Event, Late, Op, Output, Stats, Submission, Verdict};
use analyst_proto::wire::{ClientId, Message, Taken, TaskId, Text};
use job::{Attempt, Job, Stage, number};
use rules::{begins, is_verdict, says};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

pub(crate) struct Model {
    config: Config,
    up: Option<Instant>,
    jobs: Vec<Job>, // in order of submission
    remembered: Vec<(TaskId, Verdict)>,
    analysts: BTreeMap<ClientId, Analyst>,
    turns: u64,
    outbox: BTreeSet<Errand>,
    flights: BTreeMap<SendId, Option<Errand>>, // over this connection; none if it was taken back
    asking: Vec<(Op, Vec<DeliveryId>)>, // what the store is to be asked for, and has not been
    asked: BTreeMap<Seq, (Op, Vec<DeliveryId>)>,
    leaving: BTreeSet<TaskId>,
    facts: Vec<String>,
}

#[derive(Default)]
struct Analyst {
    capacity: usize,
    is_offline: bool,
    holds: BTreeSet<(TaskId, usize)>,
    idle_since: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Errand {
    Timeout(TaskId, usize, ClientId),
    Start(TaskId, usize),
}

impl Model {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            config,
            up: None,
            jobs: Vec::new(),
            remembered: Vec::new(),
            analysts: BTreeMap::new(),
            turns: 0,
            outbox: BTreeSet::new(),
            flights: BTreeMap::new(),
            asking: Vec::new(),
            asked: BTreeMap::new(),
            leaving: BTreeSet::new(),
            facts: Vec::new(),
        }
    }

    // What the application wants.

    pub(crate) fn submit(
        &mut self,
        now: Instant,
        left: Option<Instant>,
        task: &Submission,
    ) -> &'static str {
        let id = task.task.id;
        let is_remembered = self.remembered.iter().any(|(it, _)| *it == id);
        if self.at(id).is_some() || is_remembered || self.is_unstored(id) {
            return "known";
        }
        if self.jobs.len() >= self.config.max_tasks {
            return "full";
        }
        let submission = Arc::new(task.clone());
        self.ask(Op::Submit(id, Arc::clone(&submission)), Vec::new());
        self.jobs.push(Job {
            max_attempts: task.max_attempts.unwrap_or(self.config.max_attempts),
            submission,
            at_latest: left,
            queued_until: self.config.queue_wait.map(|wait| now + wait),
            stage: Stage::Submitting,
            attempts: Vec::new(),
            strays: Vec::new(),
            verdict: None,
            is_confirming: false,
        });
        "ok"
    }

    pub(crate) fn cancel(&mut self, id: TaskId) -> &'static str {
        let is_remembered = self.remembered.iter().any(|(it, _)| *it == id);
        match self.at(id) {
            None if is_remembered => "decided",
            None => "unknown",
            Some(at) if self.jobs[at].is_decided() => "decided",
            Some(at) => {
                self.judge(at, Verdict::Cancelled, true, None);
                "ok"
            }
        }
    }

    pub(crate) fn confirm(&mut self, id: TaskId) -> &'static str {
        match self.at(id).map(|at| &mut self.jobs[at]) {
            Some(job) if job.stage == Stage::Judged => {
                if !std::mem::replace(&mut job.is_confirming, true) {
                    self.ask(Op::Confirmed(id), Vec::new());
                }
                "ok"
            }
            _ => "unknown",
        }
    }

    pub(crate) fn register(&mut self, client: ClientId, capacity: usize) -> &'static str {
        let is_new = !self.analysts.contains_key(&client);
        if is_new && self.analysts.len() >= self.config.max_analysts {
            return "full";
        }
        self.analysts.entry(client).or_default().capacity = capacity;
        "ok"
    }

    pub(crate) fn unregister(&mut self, client: &ClientId) -> &'static str {
        self.analysts.remove(client).map_or("unknown", |_| "ok")
    }

    pub(crate) fn present(&mut self, client: &ClientId, is_online: bool) {
        if let Some(analyst) = self.analysts.get_mut(client) {
            analyst.is_offline = !is_online;
        }
    }

    // What the world does.

    pub(crate) fn connected(&mut self, now: Instant) {
        self.up = Some(now);
    }

    pub(crate) fn disconnected(&mut self) {
        self.up = None;
        self.flights.clear();
        let waiting = self.asked.values_mut().chain(&mut self.asking);
        waiting.for_each(|(_, deliveries)| deliveries.clear());
    }

    pub(crate) fn is_up(&self) -> bool {
        self.up.is_some()
    }

    pub(crate) fn found(&mut self, id: TaskId, taken: &Taken, delivery: DeliveryId) {
        let Some(at) = self.at(id) else {
            return self.late_or_unknown(id, Some(taken), delivery);
        };
        let job = &self.jobs[at];
        match (job.stage, &job.verdict) {
            _ if job.is_ungiven() => self.unsolicited(id, delivery),
            (Stage::Judging | Stage::Judged, Some(verdict)) if !job.may_be_replaced() => {
                let late = says(verdict, Some(taken));
                self.say(&Event::LateResult(id, late));
                self.ack_with(delivery, is_verdict(id));
            }
            _ => {
                let is_sure = job.attempts.len() == 1;
                self.judge(
                    at,
                    Verdict::Finished(taken.clone()),
                    !is_sure,
                    Some(delivery),
                );
            }
        }
    }

    pub(crate) fn failed(&mut self, now: Instant, id: TaskId, reason: &Text, delivery: DeliveryId) {
        let Some(at) = self.at(id) else {
            return self.late_or_unknown(id, None, delivery);
        };
        let job = &mut self.jobs[at];
        let made = job.attempts.len();
        let is_out = matches!(job.stage, Stage::Starting(_) | Stage::Working(_));
        if job.is_ungiven() || job.stage == Stage::Assigning && made == 1 {
            return self.unsolicited(id, delivery);
        }
        if job.is_decided() {
            self.say(&Event::LateResult(id, Late::Fail));
            return self.ack_with(delivery, is_verdict(id));
        }
        // A-P3: it decides only while a single attempt was made.
        let (attempt, is_news) = if made == 1 {
            let only = &mut job.attempts[0];
            let is_news = only.failure.is_none();
            only.failure.get_or_insert(reason.clone());
            only.is_busy |= is_out && begins(reason, &self.config.busy_reasons);
            (Some(1), is_news)
        } else {
            let is_news = !job.strays.contains(reason);
            if is_news {
                job.strays.push(reason.clone());
            }
            (None, is_news)
        };
        let client = job.attempts[0].client.clone();
        let is_fatal = begins(reason, &self.config.fatal_reasons);
        if made == 1 && is_out && (is_fatal || !job.has_attempts_left()) {
            let verdict = job.hopeless();
            return self.judge(at, verdict, false, Some(delivery));
        }
        if !is_news {
            return self.ack_with(delivery, |op| match op {
                Op::FailNoted {
                    id: of,
                    attempt: number,
                    reason: said,
                } => (of, number) == (&id, &attempt) && (made == 1 || said == reason),
                _ => false,
            });
        }
        let reason = reason.clone();
        if made == 1 {
            self.take_start(id, 1);
            self.release(&client, id, 1);
        }
        self.ask(
            Op::FailNoted {
                id,
                attempt,
                reason: reason.clone(),
            },
            vec![delivery],
        );
        if made == 1 && is_out {
            self.say(&Event::AttemptFailed {
                id,
                attempt: 1,
                reason,
            });
            self.requeue(now, at);
        } else {
            self.say(&Event::FailHeld { id, reason });
        }
    }

    pub(crate) fn acknowledges(&mut self, delivery: DeliveryId) {
        self.facts.push(format!("{:?}", Output::Ack(delivery)));
    }

    pub(crate) fn say(&mut self, event: &Event) {
        self.facts.push(format!("{event:?}"));
    }

    pub(crate) fn sent(&mut self, now: Instant, send: SendId) {
        match self.flights.remove(&send).flatten() {
            Some(Errand::Start(id, made)) => {
                self.outbox.remove(&Errand::Start(id, made));
                let at = self.at(id).expect("a task that is out");
                if matches!(self.jobs[at].stage, Stage::Starting(_)) {
                    let lease = self.jobs[at].submission.lease.unwrap_or(self.config.lease);
                    self.jobs[at].stage = Stage::Working(now + lease); // A-P1
                    self.ask(
                        Op::Out {
                            id,
                            attempt: number(made),
                        },
                        Vec::new(),
                    );
                }
            }
            Some(Errand::Timeout(id, made, client)) => {
                self.outbox
                    .remove(&Errand::Timeout(id, made, client.clone()));
                self.release(&client, id, made);
            }
            None => {}
        }
    }

    pub(crate) fn too_large(&mut self, send: SendId) {
        match self.flights.remove(&send).flatten() {
            Some(Errand::Start(id, made)) => {
                self.outbox.remove(&Errand::Start(id, made));
                let reason = "the task is larger than the broker takes".into();
                let at = self.at(id).expect("a task that is out");
                self.judge(at, Verdict::Failed(vec![reason]), false, None);
            }
            Some(Errand::Timeout(id, made, client)) => {
                self.outbox
                    .remove(&Errand::Timeout(id, made, client.clone()));
                self.release(&client, id, made);
            }
            None => {}
        }
    }

    /// What the dispatcher asks of its store; false if it was asked for that before.
    pub(crate) fn asks(&mut self, seq: Seq, op: &Op) -> bool {
        if self.asked.contains_key(&seq) {
            return false;
        }
        if let Some(at) = self.asking.iter().position(|(it, _)| it == op) {
            let asked = self.asking.remove(at);
            self.asked.insert(seq, asked);
        }
        true
    }

    pub(crate) fn stored(&mut self, now: Instant, seq: Seq) {
        let Some((op, deliveries)) = self.asked.remove(&seq) else {
            return;
        };
        let id = op.id();
        let at = self.at(id);
        match (op, at) {
            (Op::Submit(..), Some(at)) => {
                self.jobs[at].stage = Stage::Queued(now);
                self.say(&Event::Accepted(id));
            }
            (Op::Assign { attempt, .. }, Some(at)) => {
                let job = &mut self.jobs[at];
                if job.stage == Stage::Assigning && number(job.attempts.len()) == attempt {
                    job.stage = Stage::Starting(None);
                    self.outbox.insert(Errand::Start(id, job.attempts.len()));
                }
            }
            (Op::Terminal(_, verdict), Some(at)) => {
                self.jobs[at].stage = Stage::Judged;
                self.facts.push(format!("{id:?} {verdict:?}"));
            }
            (Op::Confirmed(_), Some(at)) => {
                let job = self.jobs.remove(at);
                self.remembered.push((id, job.verdict.expect("a verdict")));
            }
            _ => {}
        }
        if self.leaving.contains(&id) && !self.is_unstored(id) {
            self.leaving.remove(&id);
            self.ask(Op::Forget(id), Vec::new());
        }
        for delivery in deliveries {
            self.acknowledges(delivery);
        }
    }

    /// Checks what the dispatcher publishes.
    pub(crate) fn sends(&mut self, now: Instant, publish: &Publish) {
        assert!(self.is_up() && self.flights.len() < self.config.link.window);
        let in_flight: BTreeSet<&Errand> = self.flights.values().flatten().collect();
        let waiting = |errand: &&Errand| !in_flight.contains(errand);
        // Cancellations go first.
        let is_it = |errand: &&Errand| match (&*publish.message, errand) {
            (Message::Start(start), Errand::Start(id, _)) => start.id == *id,
            (Message::Timeout(timeout), Errand::Timeout(id, _, client)) => {
                timeout.id == Some(*id) && publish.topic.client() == client.as_str()
            }
            _ => false,
        };
        let errand = self.outbox.iter().filter(waiting).find(is_it).cloned();
        let errand = errand.unwrap_or_else(|| panic!("nobody is to be sent {publish:?}"));
        if let Errand::Start(id, made) = errand {
            let urgent = self
                .outbox
                .iter()
                .filter(waiting)
                .any(|it| matches!(it, Errand::Timeout(..)));
            assert!(!urgent, "a TIMEOUT waits");
            let at = self.at(id).expect("a task that is out");
            let job = &mut self.jobs[at];
            let client = &job.attempts.last().expect("an attempt").client;
            assert_eq!(
                (made, publish.topic.client()),
                (job.attempts.len(), client.as_str())
            );
            if job.stage == Stage::Starting(None) {
                job.stage = Stage::Starting(Some(now + self.config.ack_wait));
            }
        }
        self.flights.insert(publish.send, Some(errand));
    }

    /// What time brings about, and what can be done at once.
    pub(crate) fn fire(&mut self, now: Instant) {
        for at in 0..self.jobs.len() {
            let job = &self.jobs[at];
            let is_late = job.at_latest.is_some_and(|it| it <= now);
            let waits_long =
                job.attempts.is_empty() && job.queued_until.is_some_and(|it| it <= now);
            if !job.is_decided() && (is_late || waits_long) {
                self.judge(at, Verdict::Expired, true, None);
            }
        }
        // A-P9: a deaf dispatcher does not judge.
        if self
            .up
            .is_some_and(|since| since + self.config.settle <= now)
        {
            let mut due: Vec<(Instant, TaskId)> = self
                .jobs
                .iter()
                .filter_map(|job| Some((job.deadline()?, job.id())))
                .collect();
            due.sort_unstable();
            for (_, id) in due.into_iter().filter(|(due, _)| *due <= now) {
                self.time_is_up(now, id);
            }
        }
        self.go_on(now);
    }

    /// Gives tasks to analysers, and forgets what is too much to remember.
    pub(crate) fn go_on(&mut self, now: Instant) {
        while self.is_up() && self.outbox.len() + self.assigning() < self.config.link.window {
            let Some((at, client)) = self.next(now) else {
                break;
            };
            let job = &mut self.jobs[at];
            job.attempts.push(Attempt {
                client: client.clone(),
                failure: None,
                is_busy: false,
            });
            job.stage = Stage::Assigning;
            let (id, made) = (job.id(), job.attempts.len());
            self.analysts
                .get_mut(&client)
                .expect("an analyser")
                .holds
                .insert((id, made));
            self.ask(
                Op::Assign {
                    id,
                    attempt: number(made),
                    client,
                },
                Vec::new(),
            );
        }
        while self.remembered.len() > self.config.tombstones {
            let (id, _) = self.remembered.remove(0);
            if self.is_unstored(id) {
                self.leaving.insert(id);
            } else {
                self.ask(Op::Forget(id), Vec::new());
            }
        }
    }

    /// What has been expected since somebody looked.
    pub(crate) fn facts(&mut self) -> Vec<String> {
        std::mem::take(&mut self.facts)
    }

    pub(crate) fn check(&self, stats: &Stats) {
        let count =
            |is_it: fn(&Stage) -> bool| self.jobs.iter().filter(|job| is_it(&job.stage)).count();
        let working = |it: &Stage| {
            matches!(
                it,
                Stage::Assigning | Stage::Starting(_) | Stage::Working(_)
            )
        };
        let wanted = [
            count(|it| *it == Stage::Submitting),
            count(|it| matches!(it, Stage::Queued(_))),
            count(working),
            count(|it| matches!(it, Stage::Lingering(_))),
            count(|it| *it == Stage::Judging),
            count(|it| *it == Stage::Judged),
            self.remembered.len(),
            self.analysts.len(),
            self.free().len(),
            self.outbox.len(),
        ];
        let real = [
            stats.submitting,
            stats.queued,
            stats.working,
            stats.lingering,
            stats.judging,
            stats.judged,
            stats.remembered,
            stats.analysts,
            stats.free,
            stats.unsent,
        ];
        assert_eq!(real, wanted);
        let in_flight = self.flights.values().flatten().count();
        let is_full = self.flights.len() >= self.config.link.window;
        assert!(
            !self.is_up() || is_full || in_flight == self.outbox.len(),
            "something is not sent"
        );
    }
}

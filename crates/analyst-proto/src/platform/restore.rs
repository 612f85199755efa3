//! A dispatcher as its store remembers it.

use super::Platform;
use super::relay::Cluster;
use super::roster::Roster;
use super::table::Table;
use super::task::{Attempt, Lease, Stage};
use super::tombstones::{Epitaph, Tombstones};
use super::vocabulary::{Config, Counters, Op, Submission, Verdict};
use crate::desk::Desk;
use crate::link::{Bucket, Dialer, Journal, Outbox};
use crate::wire::{ClientId, TaskId, Text, UnixMillis};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

/// What the records of one task come to, in whatever order they are.
#[derive(Debug, Default)]
struct Past {
    submission: Option<Arc<Submission>>,
    attempts: BTreeMap<u32, PastAttempt>,
    strays: Vec<Text>,
    verdict: Option<Verdict>,
    is_confirmed: bool,
    is_forgotten: bool,
}

#[derive(Debug, Default)]
struct PastAttempt {
    client: Option<ClientId>,
    is_out: bool,
    is_over: bool,
    failure: Option<Text>,
}

impl Platform {
    /// A dispatcher with what its store holds, in the order of their submission. `wall` is the time
    /// at `now`.
    ///
    /// Its first output is [`super::Output::Open`], behind the verdicts that are not confirmed.
    pub fn restore(now: Instant, wall: UnixMillis, config: Config, records: Vec<Op>) -> Self {
        let mut platform = Self::empty(now, config);
        let mut pasts: BTreeMap<TaskId, Past> = BTreeMap::new();
        let mut order = Vec::new();
        for record in records {
            let id = record.id();
            let past = pasts.entry(id).or_insert_with(|| {
                order.push(id);
                Past::default()
            });
            past.learn(record);
        }
        for id in order {
            if let Some(past) = pasts.remove(&id) {
                platform.remember(now, wall, id, past);
            }
        }
        platform.fire(now);
        platform
    }

    fn empty(now: Instant, config: Config) -> Self {
        let login = config.login.clone();
        Self {
            dialer: Dialer::fixed(now, &config.link, config.seed, login),
            outbox: Outbox::default(),
            bucket: config.rate.map(|rate| Bucket::new(now, rate)),
            journal: Journal::new(&config.link, config.seed.rotate_left(32)),
            table: Table::default(),
            roster: Roster::new((&config).into(), config.preset),
            desk: Desk::new(config.desk.clone()),
            tombstones: Tombstones::new(config.tombstones, config.tombstone_time),
            cluster: Cluster::new(&config),
            unstored: BTreeSet::new(),
            leaving: BTreeSet::new(),
            counters: Counters::default(),
            submitted: 0,
            assigning: 0,
            is_closed: false,
            out: VecDeque::new(),
            config,
        }
    }

    fn remember(&mut self, now: Instant, wall: UnixMillis, id: TaskId, past: Past) {
        if past.is_forgotten {
            return;
        }
        match (past.verdict, past.submission) {
            (Some(verdict), _) if past.is_confirmed => {
                self.tombstones.insert(now, id, Epitaph::of(&verdict));
            }
            (verdict, Some(submission)) => {
                let attempts = past.attempts;
                self.resume(now, wall, submission, attempts, past.strays, verdict);
            }
            // It was decided before it was kept.
            (Some(verdict), None) => {
                let task = crate::wire::Start::new(id, "");
                let submission = Arc::new(Submission::new(task));
                let none = BTreeMap::new();
                self.resume(now, wall, submission, none, Vec::new(), Some(verdict));
            }
            // What is left of a task that was forgotten.
            (None, None) => {
                self.ask_store(Op::Forget(id));
            }
        }
    }

    fn resume(
        &mut self,
        now: Instant,
        wall: UnixMillis,
        submission: Arc<Submission>,
        attempts: BTreeMap<u32, PastAttempt>,
        strays: Vec<Text>,
        verdict: Option<Verdict>,
    ) {
        let id = submission.task.id;
        let mut task = self.task(now, wall, submission);
        let is_out = attempts
            .values()
            .next_back()
            .is_some_and(|last| last.is_out);
        for past in attempts.into_values() {
            // An attempt is kept before anything else is known of it.
            let Some(client) = past.client else { break };
            let is_busy = past
                .failure
                .as_ref()
                .is_some_and(|reason| self.is_busy(reason));
            task.attempts.push(Attempt {
                client,
                failure: past.failure,
                is_over: past.is_over,
                is_busy,
            });
        }
        for reason in strays {
            task.note_failure(None, reason);
        }
        if let Some(verdict) = verdict {
            task.verdict = Some(verdict);
            task.stage = Stage::Judged;
            task.expires = None;
            self.table.insert(task);
            return self.tell_verdict(id);
        }
        let is_ended = |attempt: &Attempt| attempt.is_over || attempt.failure.is_some();
        let last = task.attempts.last();
        let goes_on = last.is_some_and(|attempt| !is_ended(attempt));
        let has_begun = last.is_some();
        task.stage = match () {
            () if goes_on && is_out => Stage::Working(Lease {
                until: None,
                nudge: None,
            }),
            () if goes_on => Stage::Starting(None),
            () if !has_begun || task.has_attempts_left() => Stage::Queued(now),
            () => Stage::Lingering(None),
        };
        if has_begun {
            let at_latest = task.at_latest;
            task.expires = at_latest;
        }
        let stage = task.stage;
        self.table.insert(task);
        self.reoccupy(id);
        if matches!(stage, Stage::Starting(_)) {
            self.push_start(id);
        }
    }

    /// Attempts that go on take up room; those that are over are told so once more, unless their
    /// analyser has been given the task again.
    fn reoccupy(&mut self, id: TaskId) {
        let Some(task) = self.table.get(id) else {
            return;
        };
        let attempts: Vec<(u32, Attempt)> = (1_u32..).zip(task.attempts.clone()).collect();
        for (at, (number, attempt)) in attempts.iter().enumerate() {
            let client = &attempt.client;
            let later = attempts.get(at.saturating_add(1)..).unwrap_or_default();
            let is_back = later.iter().any(|(_, other)| other.client == *client);
            if attempt.failure.is_some() || is_back {
                continue;
            }
            self.roster.occupy(client, id, *number);
            if attempt.is_over {
                self.take_back(id, *number, client.clone());
            }
        }
    }

    fn is_busy(&self, reason: &Text) -> bool {
        super::results::starts_with_any(reason, &self.config.busy_reasons)
    }
}

impl Past {
    //= docs/spec/analyst-proto.md#dispatcher
    //# The records of a task MUST mean the same in any order.
    fn learn(&mut self, record: Op) {
        match record {
            Op::Submit(_, submission) => {
                self.submission.get_or_insert(submission);
            }
            Op::Assign {
                attempt, client, ..
            } => {
                self.attempt(attempt).client.get_or_insert(client);
            }
            Op::Out { attempt, .. } => self.attempt(attempt).is_out = true,
            Op::Over { attempt, .. } => self.attempt(attempt).is_over = true,
            Op::FailNoted {
                attempt: Some(attempt),
                reason,
                ..
            } => {
                self.attempt(attempt).failure.get_or_insert(reason);
            }
            Op::FailNoted { reason, .. } => self.strays.push(reason),
            Op::Terminal(_, verdict) => {
                let is_final = matches!(self.verdict, Some(Verdict::Finished(_)));
                if !is_final {
                    self.verdict = Some(verdict);
                }
            }
            Op::Confirmed(_) => self.is_confirmed = true,
            Op::Forget(_) => self.is_forgotten = true,
        }
    }

    fn attempt(&mut self, number: u32) -> &mut PastAttempt {
        self.attempts.entry(number).or_default()
    }
}

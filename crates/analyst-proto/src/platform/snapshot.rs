//! A dispatcher at one moment, for those who search all that can become of it.

use super::relay::ClusterSnapshot;
use super::roster::RosterSnapshot;
use super::task::{Attempt, Lease, Stage, Task};
use super::tombstones::Epitaph;
use super::vocabulary::{Op, Verdict};
use super::{Errand, Platform};
use crate::link::{DialerSnapshot, JournalSnapshot, OutboxSnapshot};
use crate::wire::{ClientId, TaskId, Text};
use std::time::{Duration, Instant};

/// What a dispatcher is at one moment, with all times relative to that. Two that are equal go on
/// alike.
///
/// Left out are what was not drained, the content of tasks but for their numbers, counters, numbers
/// that the machine gives to requests and messages (their order is here), who has asked for connection
/// information, the rate, and the chance in delays.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Snapshot {
    dialer: DialerSnapshot,
    outbox: OutboxSnapshot<Errand>,
    journal: JournalSnapshot<(u8, TaskId, u32)>,
    tasks: Vec<TaskSnapshot>, // in order of submission
    roster: RosterSnapshot,
    tombstones: Vec<(Duration, TaskId, Option<Epitaph>)>,
    cluster: ClusterSnapshot,
    leaving: Vec<TaskId>,
    assigning: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct TaskSnapshot {
    id: TaskId,
    priority: i32,
    max_attempts: u32,
    expires_in: [Option<Duration>; 2],
    stage: StageSnapshot,
    attempts: Vec<Attempt>,
    strays: Vec<Text>,
    verdict: Option<(u8, Option<Epitaph>, Vec<Text>)>,
    judge: Option<ClientId>,
    is_confirming: bool,
    awaits: Option<usize>, // its last request to the store, if that is pending: which one
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum StageSnapshot {
    Submitting,
    Queued(Duration),
    Assigning,
    Starting(Option<Duration>),
    Working(Option<Duration>, Option<Duration>),
    Lingering(Option<Duration>),
    Judging(Option<usize>),
    Judged,
}

impl Platform {
    /// What it is at `now`. Drain its outputs before.
    pub fn snapshot(&self, now: Instant) -> Snapshot {
        let mut tasks: Vec<&Task> = self.table.iter().collect();
        tasks.sort_unstable_by_key(|task| task.number);
        let tombstones = self.tombstones.iter();
        Snapshot {
            dialer: self.dialer.snapshot(now),
            outbox: self
                .outbox
                .snapshot(now, self.config.link.ack_timeout, |errand, _| {
                    errand.clone()
                }),
            journal: self.journal.snapshot(now, describe),
            tasks: tasks
                .into_iter()
                .map(|task| self.task_snapshot(now, task))
                .collect(),
            roster: self.roster.snapshot(now),
            tombstones: tombstones
                .map(|(at, id, epitaph)| (at.saturating_duration_since(now), id, epitaph))
                .collect(),
            cluster: self.cluster.snapshot(now, |seq| self.journal.position(seq)),
            leaving: self.leaving.iter().copied().collect(),
            assigning: self.assigning,
        }
    }

    fn task_snapshot(&self, now: Instant, task: &Task) -> TaskSnapshot {
        let until = |at: Instant| at.saturating_duration_since(now);
        let stage = match task.stage {
            Stage::Submitting => StageSnapshot::Submitting,
            Stage::Queued(from) => StageSnapshot::Queued(until(from)),
            Stage::Assigning => StageSnapshot::Assigning,
            Stage::Starting(by) => StageSnapshot::Starting(by.map(until)),
            Stage::Working(Lease { until: end, nudge }) => {
                StageSnapshot::Working(end.map(until), nudge.map(until))
            }
            Stage::Lingering(end) => StageSnapshot::Lingering(end.map(until)),
            Stage::Judging(seq) => StageSnapshot::Judging(self.journal.position(seq)),
            Stage::Judged => StageSnapshot::Judged,
        };
        TaskSnapshot {
            id: task.id(),
            priority: task.submission.priority,
            max_attempts: task.max_attempts,
            expires_in: [task.expires.map(until), task.at_latest.map(until)],
            stage,
            attempts: task.attempts.clone(),
            strays: task.strays.clone(),
            verdict: task.verdict.as_ref().map(outline),
            judge: task.judge.clone(),
            is_confirming: task.is_confirming,
            awaits: task.last.and_then(|seq| self.journal.position(seq)),
        }
    }
}

/// A verdict, but for its counts.
fn outline(verdict: &Verdict) -> (u8, Option<Epitaph>, Vec<Text>) {
    match verdict {
        Verdict::Finished(_) => (0, Some(Epitaph::of(verdict)), Vec::new()),
        Verdict::Failed(reasons) => (1, None, reasons.clone()),
        Verdict::Expired => (2, None, Vec::new()),
        Verdict::Cancelled => (3, None, Vec::new()),
    }
}

/// A request, but for the content of its task.
fn describe(op: &Op) -> (u8, TaskId, u32) {
    match op {
        Op::Submit(id, _) => (0, *id, 0),
        Op::Assign { id, attempt, .. } => (1, *id, *attempt),
        Op::Out { id, attempt } => (2, *id, *attempt),
        Op::Over { id, attempt } => (3, *id, *attempt),
        Op::FailNoted { id, attempt, .. } => (4, *id, attempt.unwrap_or(0)),
        Op::Terminal(id, verdict) => (5, *id, u32::from(outline(verdict).0)),
        Op::Confirmed(id) => (6, *id, 0),
        Op::Forget(id) => (7, *id, 0),
    }
}

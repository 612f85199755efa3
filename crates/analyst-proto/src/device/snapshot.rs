//! An analyser at one moment, for those who search all that can become of it.

use super::task::{Found, Stage, Task};
use super::{Device, Mail, Op, Run, TaskState};
use crate::link::{DialerSnapshot, JournalSnapshot, OutboxSnapshot};
use crate::wire::{IdForm, Message, TaskId, Text, Topic};
use std::time::{Duration, Instant};

/// What an analyser is at one moment, with all times relative to that. Two that are equal go on alike.
///
/// Left out are what was not drained, the content of tasks but for their numbers, counters, numbers
/// that the machine gives to requests and messages (their order is here), and the chance in delays. The
/// last is none where `backoff_min` and `backoff_max` of the link, and likewise the others, are zero:
/// each delay is 1 ms then.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Snapshot {
    dialer: DialerSnapshot,
    answers_to: Option<Topic>,
    outbox: OutboxSnapshot<(Mail, Spelling)>,
    unaddressed: Vec<TaskId>,
    rate_spent: Duration, // how long until as much as ever may be published
    is_holding: bool,
    journal: JournalSnapshot<(u8, TaskId, Run, u32)>,
    tasks: Vec<(TaskId, TaskSnapshot)>,
    queue: Vec<TaskId>,
    slots: Vec<(TaskId, Run)>,
    kept: Vec<(Option<Duration>, TaskId)>,
}

/// How an answer refers to its task.
type Spelling = (IdForm, Option<Text>);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct TaskSnapshot {
    run: Run,
    state: TaskState,
    is_cancel_noted: bool,
    is_owed: bool,
    found_before: Option<(Run, u32)>, // as long as that run is at work
    found: Option<Found>,
    guarded_for: Option<(Duration, bool)>, // and whether it had come before
    outlived: Option<Run>,
    spelling: Spelling,
}

impl Device {
    /// What it is at `now`. Drain its outputs before.
    pub fn snapshot(&self, now: Instant) -> Snapshot {
        let until = |at: Instant| at.saturating_duration_since(now);
        let tasks = self
            .tasks
            .iter()
            .map(|(&id, task)| (id, self.task_snapshot(now, id, task)));
        let timeout = self.config.link.ack_timeout;
        let kept = self.kept.values().map(|&(at, id)| (at.map(until), id));
        Snapshot {
            dialer: self.dialer.snapshot(now),
            answers_to: self.answers_to.clone(),
            outbox: self
                .outbox
                .snapshot(now, timeout, |mail, message| (*mail, spelling(message))),
            unaddressed: self.unaddressed.iter().copied().collect(),
            rate_spent: self
                .bucket
                .as_ref()
                .map_or(Duration::ZERO, |bucket| bucket.missing(now)),
            is_holding: self.is_holding,
            journal: self.journal.snapshot(now, describe),
            tasks: tasks.collect(),
            queue: self.queue.iter().copied().collect(),
            slots: self.slots.iter().map(|(&id, &run)| (id, run)).collect(),
            kept: kept.collect(),
        }
    }

    fn task_snapshot(&self, now: Instant, id: TaskId, task: &Task) -> TaskSnapshot {
        let (form, label) = task.spelling();
        let guard = self.overtake_guard();
        let age = task.doubtful_for(now, true);
        let guarded_for = age.and_then(|age| guard.checked_sub(age));
        TaskSnapshot {
            run: task.run,
            is_owed: task.is_owed,
            found_before: task
                .found_before
                .filter(|(run, _)| self.slots.get(&id) == Some(run)),
            state: task.state(self.slots.contains_key(&id)),
            is_cancel_noted: matches!(
                task.stage,
                Stage::Accepting {
                    is_cancelled: true,
                    ..
                }
            ),
            found: match &task.stage {
                Stage::Storing(found, _) | Stage::Offered(found) | Stage::Kept(found) => {
                    Some(found.clone())
                }
                _ => None,
            },
            guarded_for: guarded_for
                .filter(|left| !left.is_zero())
                .map(|left| (left, task.came_before)),
            outlived: task.outlived,
            spelling: (form, label.cloned()),
        }
    }
}

fn spelling(message: &Message) -> Spelling {
    match message {
        Message::Finish(finish) => (finish.id_form, finish.analyst_id.clone()),
        Message::Fail(fail) => (fail.id_form, fail.analyst_id.clone()),
        _ => (IdForm::default(), None),
    }
}

/// A request, but for the content of its task.
fn describe(op: &Op) -> (u8, TaskId, Run, u32) {
    match *op {
        Op::Accept { id, run, .. } => (0, id, run, 0),
        Op::Cancel { id, run } => (1, id, run, 0),
        Op::Result { id, run, nth, .. } => (2, id, run, nth),
        Op::Delivered { id, run, nth } => (3, id, run, nth),
        Op::Forget { id, run } => (4, id, run, 0),
    }
}

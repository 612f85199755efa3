//! All tasks, and when something is to be done about them.

use super::task::{Lease, Stage, Task};
use super::vocabulary::Stats;
use crate::wire::TaskId;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Tasks by number, and in the orders in which they are looked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    tasks: BTreeMap<TaskId, Task>,
    ready: BTreeSet<(Reverse<i32>, u64, TaskId)>,
    delayed: BTreeSet<(Instant, TaskId)>,
    judged: BTreeSet<(Instant, TaskId)>, // by time
    expiring: BTreeSet<(Instant, TaskId)>,
}

impl Table {
    pub(super) fn get(&self, id: TaskId) -> Option<&Task> {
        self.tasks.get(&id)
    }

    /// A task, to change anything but its stage and when it expires.
    pub(super) fn get_mut(&mut self, id: TaskId) -> Option<&mut Task> {
        self.tasks.get_mut(&id)
    }

    pub(super) fn contains(&self, id: TaskId) -> bool {
        self.tasks.contains_key(&id)
    }

    pub(super) fn len(&self) -> usize {
        self.tasks.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Task> {
        self.tasks.values()
    }

    pub(super) fn insert(&mut self, task: Task) {
        let id = task.id();
        if let Some(expires) = task.expires {
            self.expiring.insert((expires, id));
        }
        let stage = task.stage;
        self.tasks.insert(id, task);
        self.enter(id, stage);
    }

    pub(super) fn remove(&mut self, id: TaskId) -> Option<Task> {
        self.leave(id);
        let task = self.tasks.remove(&id)?;
        if let Some(expires) = task.expires {
            self.expiring.remove(&(expires, id));
        }
        Some(task)
    }

    /// Moves a task to another stage.
    pub(super) fn set_stage(&mut self, id: TaskId, stage: Stage) {
        self.leave(id);
        if let Some(task) = self.tasks.get_mut(&id) {
            task.stage = stage;
        }
        self.enter(id, stage);
    }

    /// Its time does not run out any more, or at another moment.
    pub(super) fn set_expiry(&mut self, id: TaskId, expires: Option<Instant>) {
        if let Some(task) = self.tasks.get_mut(&id) {
            if let Some(old) = std::mem::replace(&mut task.expires, expires) {
                self.expiring.remove(&(old, id));
            }
            if let Some(new) = expires {
                self.expiring.insert((new, id));
            }
        }
    }

    fn leave(&mut self, id: TaskId) {
        let Some(task) = self.tasks.get(&id) else {
            return;
        };
        if let Stage::Queued(from) = task.stage {
            self.ready.remove(&rank(task));
            self.delayed.remove(&(from, id));
        }
        if let Some(deadline) = task.stage.deadline() {
            self.judged.remove(&(deadline, id));
        }
    }

    fn enter(&mut self, id: TaskId, stage: Stage) {
        if let Stage::Queued(from) = stage {
            self.delayed.insert((from, id));
        }
        if let Some(deadline) = stage.deadline() {
            self.judged.insert((deadline, id));
        }
    }

    /// Tasks whose delay is over become ready.
    pub(super) fn ripen(&mut self, now: Instant) {
        while let Some(&(from, id)) = self.delayed.first() {
            if now < from {
                return;
            }
            self.delayed.pop_first();
            if let Some(task) = self.tasks.get(&id) {
                self.ready.insert(rank(task));
            }
        }
    }

    /// Tasks that may be given to an analyser, the most urgent first.
    pub(super) fn ready(&self) -> impl Iterator<Item = &Task> {
        self.ready
            .iter()
            .filter_map(|(_, _, id)| self.tasks.get(id))
    }

    /// The only task with the number that `got` is, once a reader with floating point has had it.
    #[expect(clippy::cast_precision_loss, reason = "which is the point")]
    pub(super) fn unrounded(&self, got: TaskId) -> Option<TaskId> {
        let rounded = |id: TaskId| (id.0 as f64).to_bits();
        let near = |id: &TaskId| rounded(*id) == rounded(got) && !is_judged(self, *id);
        // No two numbers further apart than that become one.
        let from = TaskId(got.0.saturating_sub(2_048));
        let to = TaskId(got.0.saturating_add(2_048));
        let mut ids = self.tasks.range(from..=to).map(|(id, _)| *id).filter(near);
        ids.next().filter(|_| ids.next().is_none())
    }

    /// The first task whose stage has lasted too long.
    pub(super) fn overdue(&self, now: Instant) -> Option<TaskId> {
        let (deadline, id) = *self.judged.first()?;
        (deadline <= now).then_some(id)
    }

    /// The first task that has expired.
    pub(super) fn expired(&self, now: Instant) -> Option<TaskId> {
        let (expires, id) = *self.expiring.first()?;
        (expires <= now).then_some(id)
    }

    /// When the first stage has lasted too long.
    pub(super) fn next_judgement(&self) -> Option<Instant> {
        Some(self.judged.first()?.0)
    }

    /// When something is due whatever the connection does.
    pub(super) fn due(&self) -> Option<Instant> {
        let delayed = self.delayed.first().map(|(from, _)| *from);
        let expiring = self.expiring.first().map(|(expires, _)| *expires);
        delayed.into_iter().chain(expiring).min()
    }

    /// A connection was made: what waited for one counts from now on.
    pub(super) fn wind_up(
        &mut self,
        now: Instant,
        linger: Duration,
        lease: impl Fn(&Task) -> Lease,
    ) {
        let waits = |task: &&Task| {
            matches!(
                task.stage,
                Stage::Lingering(None) | Stage::Working(Lease { until: None, .. })
            )
        };
        let waiting: Vec<(TaskId, Stage)> = self
            .tasks
            .values()
            .filter(waits)
            .map(|task| match task.stage {
                Stage::Working(_) => (task.id(), Stage::Working(lease(task))),
                _ => (task.id(), Stage::Lingering(now.checked_add(linger))),
            })
            .collect();
        for (id, stage) in waiting {
            self.set_stage(id, stage);
        }
    }

    /// Tasks by stage.
    pub(super) fn count(&self, stats: &mut Stats) {
        for task in self.tasks.values() {
            let count = match task.stage {
                Stage::Submitting => &mut stats.submitting,
                Stage::Queued(_) => &mut stats.queued,
                Stage::Assigning | Stage::Starting(_) | Stage::Working(_) => &mut stats.working,
                Stage::Lingering(_) => &mut stats.lingering,
                Stage::Judging(_) => &mut stats.judging,
                Stage::Judged => &mut stats.judged,
            };
            *count = count.saturating_add(1);
        }
    }
}

fn is_judged(table: &Table, id: TaskId) -> bool {
    let task = table.tasks.get(&id);
    task.is_some_and(|task| matches!(task.stage, Stage::Judging(_) | Stage::Judged))
}

/// Where a task stands in the queue.
fn rank(task: &Task) -> (Reverse<i32>, u64, TaskId) {
    (Reverse(task.submission.priority), task.number, task.id())
}

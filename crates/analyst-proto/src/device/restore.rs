//! What a store held, made into tasks again.

use super::task::{Found, Stage, Task};
use super::{Device, Op, Outcome, Recovered, Run};
use crate::wire::{Start, TaskId};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

/// What the records say of one task. In whatever order they come, they make the same of it.
#[derive(Debug, Default)]
struct Past {
    runs: BTreeMap<Run, PastRun>,
}

/// What the records say of one run.
#[derive(Debug, Default)]
struct PastRun {
    task: Option<Arc<Start>>,
    is_cancelled: bool,
    result: Option<(u32, Arc<Outcome>)>, // the last
    delivered: u32,                      // which of its results, at most
}

/// What a task was at when the machine before this one ended.
enum Left {
    /// Waiting or running.
    Undone(Run, Arc<Start>),
    Cancelled,
    Over(Found),
}

impl Device {
    /// Takes up what the machine before this one has left.
    pub(super) fn restore(&mut self, now: Instant, recovered: Recovered) {
        for (id, past) in read(recovered.records) {
            //= docs/spec/analyst-proto.md#analyser
            //# What an analyser does after a restart MUST NOT depend on the order of its records.
            if let Some(left) = past.left() {
                self.take_up(now, id, &past, left);
            }
        }
    }

    fn take_up(&mut self, now: Instant, id: TaskId, past: &Past, left: Left) {
        let last = past.last_run();
        let stage = match left {
            Left::Undone(run, task) => return self.undone(now, run, &task),
            //= docs/spec/analyst-proto.md#analyser
            //# A cancelled task MUST be cancelled after a restart.
            Left::Cancelled => Stage::Cancelled,
            Left::Over(found) if found.is_delivered => Stage::Kept(found),
            Left::Over(found) => Stage::Offered(found),
        };
        let is_offered = matches!(stage, Stage::Offered(_));
        let mut task = Task::new(last, stage);
        // Who knows whether it came anew and was not stored any more.
        task.is_owed = matches!(task.stage, Stage::Cancelled);
        if let Some(start) = past.last_task() {
            task.follow(start, self.config.echo_attempt);
        }
        self.tasks.insert(id, task);
        //= docs/spec/analyst-proto.md#analyser
        //# A result that the broker is not known to have acknowledged MUST be published after a restart.
        if is_offered {
            self.offer(id);
        }
        self.settle(now, id);
    }

    /// Nobody knows how far a run had come, so it does not count.
    fn undone(&mut self, now: Instant, run: Run, task: &Arc<Start>) {
        let id = task.id;
        //= docs/spec/analyst-proto.md#analyser
        //# A task that was accepted and has no result MUST run after a restart, under the next number.
        self.ask_to_accept(now, run.next(), task);
        if let Some(known) = self.tasks.get_mut(&id) {
            known.outlived = Some(run);
            if run == Run::FIRST {
                known.came = None;
            }
        }
    }
}

/// Sorts records by their task, in the order in which the tasks come first.
fn read(records: Vec<Op>) -> Vec<(TaskId, Past)> {
    let mut places: BTreeMap<TaskId, usize> = BTreeMap::new();
    let mut pasts: Vec<(TaskId, Past)> = Vec::new();
    for op in records {
        let id = op.id();
        let place = *places.entry(id).or_insert(pasts.len());
        if place == pasts.len() {
            pasts.push((id, Past::default()));
        }
        if let Some((_, past)) = pasts.get_mut(place) {
            past.note(op);
        }
    }
    pasts
}

impl Past {
    fn note(&mut self, op: Op) {
        match op {
            Op::Accept { id, run, task } if task.id == id => self.run(run).task = Some(task),
            Op::Accept { .. } => {} // of no task
            Op::Cancel { run, .. } => self.run(run).is_cancelled = true,
            Op::Result {
                run, nth, outcome, ..
            } => {
                let past = self.run(run);
                if past.result.as_ref().is_none_or(|(last, _)| *last < nth) {
                    past.result = Some((nth, outcome));
                }
            }
            Op::Delivered { run, nth, .. } => {
                let past = self.run(run);
                past.delivered = past.delivered.max(nth);
            }
            Op::Forget { run, .. } => self.runs.retain(|&past, _| past > run),
        }
    }

    fn run(&mut self, run: Run) -> &mut PastRun {
        self.runs.entry(run).or_default()
    }

    fn last_run(&self) -> Run {
        self.runs.keys().next_back().copied().unwrap_or(Run::FIRST)
    }

    fn last_task(&self) -> Option<&Arc<Start>> {
        self.runs.values().rev().find_map(|past| past.task.as_ref())
    }

    /// What was found last counts for more than what waited for it; else the last run tells.
    fn left(&self) -> Option<Left> {
        let is_taken = |past: &PastRun| {
            let result = past.result.as_ref();
            result.is_some_and(|(_, outcome)| matches!(**outcome, Outcome::Taken(_)))
        };
        let taken = self.runs.iter().rev().find(|(_, past)| is_taken(past));
        let (&run, past) = taken.or_else(|| self.runs.iter().next_back())?;
        if let Some((nth, outcome)) = &past.result {
            // A task that came later and had nothing to wait for asked for the result once more.
            let is_last = run == self.last_run() || past.is_cancelled;
            return Some(Left::Over(Found {
                run,
                nth: *nth,
                outcome: Arc::clone(outcome),
                is_delivered: past.delivered >= *nth && is_last,
            }));
        }
        match self.last_task() {
            _ if past.is_cancelled => Some(Left::Cancelled),
            Some(task) => Some(Left::Undone(run, Arc::clone(task))),
            None => None,
        }
    }
}

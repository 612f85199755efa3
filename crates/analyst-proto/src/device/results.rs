//! Runs, and what becomes of their results.

use super::task::{Found, Stage, Task};
use super::{Device, Event, Mail, Op, Outcome, Run};
use crate::wire::{Message, TaskId};
use std::sync::Arc;
use std::time::Instant;

impl Device {
    /// Gives the application what it has a free slot for.
    pub(super) fn begin_runs(&mut self) {
        while self.slots.len() < self.parallel() {
            let Some(at) = self.queue.iter().position(|id| self.may_run(*id)) else {
                return;
            };
            if let Some(id) = self.queue.remove(at) {
                self.begin_run(id);
            }
        }
    }

    /// Most runs at once: one at least, or nothing would ever run.
    pub(super) fn parallel(&self) -> usize {
        self.config.parallel.max(1)
    }

    fn may_run(&self, id: TaskId) -> bool {
        let task = self.tasks.get(&id);
        let is_queued = task.is_some_and(|task| matches!(task.stage, Stage::Queued(_)));
        //= docs/spec/analyst-proto.md#analyser
        //# A task MUST NOT run again before its run that was cancelled has ended.
        is_queued && !self.slots.contains_key(&id)
    }

    fn begin_run(&mut self, id: TaskId) {
        let Some(known) = self.tasks.get_mut(&id) else {
            return;
        };
        let run = known.run;
        if let Stage::Queued(task) = std::mem::replace(&mut known.stage, Stage::Running) {
            self.slots.insert(id, run);
            self.counters.runs = self.counters.runs.saturating_add(1);
            self.say(Event::Work { id, run, task });
        }
    }

    /// The application has done with a run.
    pub(super) fn ended(&mut self, now: Instant, id: TaskId, run: Run, outcome: Outcome) {
        self.slots.remove(&id);
        let is_running = self.tasks.get(&id).map(|task| &task.stage) == Some(&Stage::Running);
        match outcome {
            //= docs/spec/analyst-proto.md#analyser
            //# What a cancelled run has found MUST be published, in place of a run that waits for it to end.
            Outcome::Taken(_) => {
                self.queue.retain(|&queued| queued != id);
                self.found(id, run, outcome);
            }
            Outcome::Failed(_) if is_running => self.found(id, run, outcome),
            Outcome::Failed(_) => {}
        }
        self.settle(now, id);
    }

    /// A run has a result, which is to be kept before it is published.
    pub(super) fn found(&mut self, id: TaskId, run: Run, outcome: Outcome) {
        let count = match outcome {
            Outcome::Taken(_) => &mut self.counters.finished,
            Outcome::Failed(_) => &mut self.counters.failed,
        };
        *count = count.saturating_add(1);
        self.unkeep(id);
        self.outbox.remove(&Mail::Result(id));
        let Some(task) = self.tasks.get(&id) else {
            return;
        };
        let found = task.find(run, outcome);
        let (nth, outcome) = (found.nth, Arc::clone(&found.outcome));
        let seq = self.ask_store(Op::Result {
            id,
            run,
            nth,
            outcome,
        });
        if let Some(task) = self.tasks.get_mut(&id) {
            task.stage = Stage::Storing(found, seq);
        }
    }

    /// The store has a result.
    pub(super) fn result_is_stored(&mut self, id: TaskId, run: Run, nth: u32) {
        let Some(task) = self.tasks.get_mut(&id) else {
            return;
        };
        //= docs/spec/analyst-proto.md#analyser
        //# A result MUST NOT be published before it is stored.
        if let Stage::Storing(found, _) = &task.stage {
            if (found.run, found.nth) == (run, nth) {
                task.stage = Stage::Offered(found.clone());
                self.offer(id);
            }
        }
    }

    /// The dispatcher asks again for a result that the broker has acknowledged.
    pub(super) fn answer_again(&mut self, id: TaskId) {
        self.unkeep(id);
        let Some(task) = self.tasks.get_mut(&id) else {
            return;
        };
        if let Stage::Kept(found) = &task.stage {
            task.stage = Stage::Offered(found.clone());
            self.offer(id);
        }
    }

    /// The broker has acknowledged a result.
    pub(super) fn delivered(&mut self, now: Instant, id: TaskId) {
        let Some((found, is_new)) = self.tasks.get_mut(&id).and_then(keep) else {
            return;
        };
        self.counters.delivered = self.counters.delivered.saturating_add(1);
        let (run, nth) = (found.run, found.nth);
        if is_new {
            self.ask_store(Op::Delivered { id, run, nth });
        }
        self.say(Event::Delivered { id, run });
        self.settle(now, id);
    }

    /// The broker does not take a result.
    pub(super) fn too_large(&mut self, now: Instant, id: TaskId) {
        let Some(Stage::Offered(found)) = self.tasks.get(&id).map(|task| &task.stage) else {
            return;
        };
        let (run, is_failure) = (found.run, matches!(*found.outcome, Outcome::Failed(_)));
        if is_failure {
            self.tasks.get_mut(&id).and_then(keep);
            self.say(Event::Undeliverable { id, run });
            return self.settle(now, id);
        }
        //= docs/spec/analyst-proto.md#analyser
        //# A result that is too large for the broker MUST be replaced by the failure `result too large`.
        self.say(Event::TooLarge { id, run });
        self.found(id, run, Outcome::Failed("result too large".into()));
    }

    /// The message that says what was found.
    pub(super) fn answer(&self, id: TaskId) -> Option<Message> {
        let task = self.tasks.get(&id)?;
        match &task.stage {
            Stage::Offered(found) => Some(task.answer(id, &found.outcome)),
            _ => None,
        }
    }
}

/// Keeps a result that was offered; with it, whether it is kept for the first time.
fn keep(task: &mut Task) -> Option<(Found, bool)> {
    let Stage::Offered(found) = &task.stage else {
        return None;
    };
    let mut found = found.clone();
    let is_new = !std::mem::replace(&mut found.is_delivered, true);
    task.stage = Stage::Kept(found.clone());
    Some((found, is_new))
}

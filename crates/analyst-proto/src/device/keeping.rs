//! What the store has been asked for, and tasks that are over.

use super::task::Stage;
use super::{Device, Event, Op, Output, Run};
use crate::BrokerProfile;
use crate::link::{HangUp, Seq};
use crate::wire::TaskId;
use std::time::Instant;

impl Device {
    /// Asks the store for something about a task that is known.
    pub(super) fn ask_store(&mut self, op: Op) -> Seq {
        if let Some(task) = self.tasks.get_mut(&op.id()) {
            task.unstored = task.unstored.saturating_add(1);
        }
        self.request(op)
    }

    pub(super) fn request(&mut self, op: Op) -> Seq {
        let seq = self.journal.ask(op.clone());
        self.out.push_back(Output::Store(seq, op));
        seq
    }

    /// The store has carried out a request.
    pub(super) fn stored(&mut self, now: Instant, seq: Seq) {
        let Some(done) = self.journal.stored(seq) else {
            return;
        };
        //= docs/spec/analyst-proto.md#analyser
        //# The analyser MUST NOT acknowledge a task before it is stored.
        //= docs/spec/analyst-proto.md#analyser
        //# The analyser MUST acknowledge a task that is stored without waiting for its run.
        for delivery in done.deliveries {
            self.ack(delivery);
        }
        let id = done.op.id();
        if let Some(task) = self.tasks.get_mut(&id) {
            task.unstored = task.unstored.saturating_sub(1);
        }
        match done.op {
            Op::Accept { run, .. } => self.accepted(id, run),
            Op::Result { run, nth, .. } => self.result_is_stored(id, run, nth),
            Op::Forget { .. } => self.forgotten(id),
            Op::Cancel { .. } | Op::Delivered { .. } => {}
        }
        self.settle(now, id);
        let delivers_again = self.profile().is_some_and(BrokerProfile::delivers_again);
        if self.journal.take_hangup() && !delivers_again {
            self.hang_up(now, HangUp::TurnedAway);
        }
    }

    fn accepted(&mut self, id: TaskId, run: Run) {
        let Some(known) = self.tasks.get_mut(&id).filter(|task| task.run == run) else {
            return;
        };
        let outlived = known.outlived.take();
        // If it is not being accepted any more, there is a result of the run before.
        if let Stage::Accepting {
            task, is_cancelled, ..
        } = &known.stage
        {
            let is_cancelled = *is_cancelled;
            known.stage = Stage::Queued(task.clone());
            if is_cancelled {
                self.cancel_queued(id);
            }
        }
        if let Some(run) = outlived {
            self.ask_store(Op::Forget { id, run });
        }
    }

    fn forgotten(&mut self, id: TaskId) {
        if self.tasks.get(&id).map(|task| &task.stage) == Some(&Stage::Forgetting) {
            self.tasks.remove(&id);
        }
    }

    /// Takes a task to those that are over, if it is.
    pub(super) fn settle(&mut self, now: Instant, id: TaskId) {
        let is_working = self.slots.contains_key(&id);
        let Some(task) = self.tasks.get_mut(&id).filter(|task| task.is_over()) else {
            return;
        };
        if is_working || task.kept_as.is_some() {
            return;
        }
        self.kept_last = self.kept_last.saturating_add(1);
        task.kept_as = Some(self.kept_last);
        // Where the clock does not reach that far, it is kept until others take its place.
        let until = now.checked_add(self.config.kept_for);
        self.kept.insert(self.kept_last, (until, id));
    }

    /// Takes a task away from those that are over.
    pub(super) fn unkeep(&mut self, id: TaskId) {
        let place = self.tasks.get_mut(&id).and_then(|task| task.kept_as.take());
        if let Some(place) = place {
            self.kept.remove(&place);
        }
    }

    /// Forgets the oldest of the tasks that are over, as they are too old or too many.
    pub(super) fn forget_old(&mut self, now: Instant) {
        //= docs/spec/analyst-proto.md#analyser
        //# A task that is over MUST be forgotten after `kept_for`, or when it is the oldest of more than `kept_results`.
        while let Some((_, &(until, id))) = self.kept.first_key_value() {
            let is_old = until.is_some_and(|until| until <= now);
            if !is_old && self.kept.len() <= self.config.kept_results {
                return;
            }
            self.unkeep(id);
            let Some(task) = self.tasks.get_mut(&id) else {
                return;
            };
            task.stage = Stage::Forgetting;
            let run = task.run;
            self.ask_store(Op::Forget { id, run });
            self.say(Event::Forgotten(id));
        }
    }
}

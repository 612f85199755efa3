//! One task, from when it is accepted until it is forgotten.

use super::{Outcome, Run, TaskState};
use crate::link::Seq;
use crate::wire::{Fail, Finish, IdForm, Message, Start, TaskId, Text};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What is known of one task.
#[derive(Debug, Clone)]
pub(super) struct Task {
    /// The last run that it was accepted for.
    pub(super) run: Run,
    pub(super) stage: Stage,
    /// When it came last, as something new.
    pub(super) came: Option<Instant>,
    /// It had come before that.
    pub(super) came_before: bool,
    /// It came anew and was not accepted, or may have: when it comes again with DUP, that is still to
    /// be done.
    pub(super) is_owed: bool,
    /// Requests about it that the store has not carried out.
    pub(super) unstored: usize,
    /// Its place among the tasks that are over.
    pub(super) kept_as: Option<u64>,
    /// What earlier lives have stored of it, to be forgotten once it is accepted anew.
    pub(super) outlived: Option<Run>,
    /// The last result of a run before this one, which may still be at work.
    pub(super) found_before: Option<(Run, u32)>,
    form: IdForm,
    label: Option<Text>,
}

/// How far a task has come.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Stage {
    Accepting {
        seq: Seq,
        task: Arc<Start>,
        is_cancelled: bool,
    },
    Queued(Arc<Start>),
    Running,
    /// While its run has a slot, it is still to stop.
    Cancelled,
    Storing(Found, Seq),
    Offered(Found),
    Kept(Found),
    Forgetting,
}

/// What a run has found.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Found {
    pub(super) run: Run,
    pub(super) nth: u32,
    pub(super) outcome: Arc<Outcome>,
    /// The store was told that the broker has it.
    pub(super) is_delivered: bool,
}

/// Longest `analyst_id` that is echoed, in bytes.
const LONGEST_LABEL: usize = 128;

impl Task {
    pub(super) fn new(run: Run, stage: Stage) -> Self {
        Self {
            run,
            stage,
            came: None,
            came_before: false,
            is_owed: false,
            unstored: 0,
            kept_as: None,
            outlived: None,
            found_before: None,
            form: IdForm::default(),
            label: None,
        }
    }

    /// Answers follow the task as it came last.
    pub(super) fn follow(&mut self, start: &Start, is_echoing: bool) {
        self.form = start.id_form;
        self.label = label(start, is_echoing);
    }

    /// The message that tells the dispatcher what was found.
    pub(super) fn answer(&self, id: TaskId, outcome: &Outcome) -> Message {
        answer(id, self.form, self.label.clone(), outcome)
    }

    pub(super) fn spelling(&self) -> (IdForm, Option<&Text>) {
        (self.form, self.label.as_ref())
    }

    /// What it is waiting for, `is_working` if the application works on it.
    pub(super) fn state(&self, is_working: bool) -> TaskState {
        match self.stage {
            Stage::Accepting { .. } => TaskState::Accepting,
            Stage::Queued(_) => TaskState::Queued,
            Stage::Running => TaskState::Running,
            Stage::Cancelled if is_working => TaskState::Cancelling,
            Stage::Cancelled => TaskState::Cancelled,
            Stage::Storing(..) => TaskState::Storing,
            Stage::Offered(_) => TaskState::Offered,
            Stage::Kept(_) => TaskState::Kept,
            Stage::Forgetting => TaskState::Forgetting,
        }
    }

    /// True if a cancellation could stop it.
    pub(super) fn is_active(&self) -> bool {
        match self.stage {
            Stage::Accepting { is_cancelled, .. } => !is_cancelled,
            Stage::Queued(_) | Stage::Running => true,
            _ => false,
        }
    }

    /// How long ago a task came for which a cancellation may be late, one of an attempt before; those
    /// that the broker delivers again may be so also when it had not come before.
    pub(super) fn doubtful_for(&self, now: Instant, is_again: bool) -> Option<Duration> {
        let is_doubtful = self.is_active() && (self.came_before || is_again);
        let came = self.came.filter(|_| is_doubtful)?;
        Some(now.saturating_duration_since(came))
    }

    /// It comes once more, not as a message that is delivered again.
    pub(super) fn comes_again(&mut self, now: Instant) {
        (self.came, self.came_before) = (Some(now), true);
    }

    /// True if nothing more will happen to it by itself.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Cancelled | Stage::Kept(_)) && self.unstored == 0
    }

    /// The task is accepted for a run.
    pub(super) fn begin(&mut self, run: Run, stage: Stage) {
        self.found_before = self.last_found();
        (self.run, self.stage) = (run, stage);
    }

    /// The last result of any run, by its number.
    fn last_found(&self) -> Option<(Run, u32)> {
        match &self.stage {
            Stage::Storing(found, _) | Stage::Offered(found) | Stage::Kept(found) => {
                Some((found.run, found.nth))
            }
            _ => self.found_before,
        }
    }

    /// A further result of a run.
    pub(super) fn find(&self, run: Run, outcome: Outcome) -> Found {
        let last = self.last_found().filter(|&(of, _)| of == run);
        Found {
            run,
            nth: last.map_or(1, |(_, nth)| nth.saturating_add(1)),
            outcome: Arc::new(outcome),
            is_delivered: false,
        }
    }
}

/// The message that tells the dispatcher how a task ended.
pub(super) fn answer(id: TaskId, form: IdForm, label: Option<Text>, outcome: &Outcome) -> Message {
    match outcome {
        Outcome::Taken(taken) => {
            let mut finish = Finish::new(id, taken.clone());
            //= docs/spec/analyst-proto.md#analyser
            //# An answer MUST spell the number of its task as the task did.
            (finish.id_form, finish.analyst_id) = (form, label);
            Message::Finish(finish)
        }
        Outcome::Failed(reason) => {
            let mut fail = Fail::new(id, reason.clone());
            (fail.id_form, fail.analyst_id) = (form, label);
            Message::Fail(fail)
        }
    }
}

/// What an answer to this task echoes. It does not hold on to the message that the task came in.
pub(super) fn label(start: &Start, is_echoing: bool) -> Option<Text> {
    //= docs/spec/analyst-proto.md#analyser
    //# An answer MUST NOT carry the `analyst_id` of its task unless the extension `attempt` is on.
    let label = start.analyst_id.as_ref().filter(|_| is_echoing)?;
    (label.len() <= LONGEST_LABEL).then(|| label.detached())
}

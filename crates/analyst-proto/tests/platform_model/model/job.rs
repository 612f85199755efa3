//! One task.

use analyst_proto::platform::{Submission, Verdict};
use analyst_proto::wire::{ClientId, TaskId, Text};
use std::sync::Arc;
use std::time::Instant;

pub(super) struct Job {
    pub(super) submission: Arc<Submission>,
    pub(super) max_attempts: u32,
    pub(super) at_latest: Option<Instant>,
    pub(super) queued_until: Option<Instant>,
    pub(super) stage: Stage,
    pub(super) attempts: Vec<Attempt>,
    pub(super) strays: Vec<Text>,
    pub(super) verdict: Option<Verdict>,
    pub(super) is_confirming: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Stage {
    Submitting,
    Queued(Instant),
    Assigning,
    Starting(Option<Instant>),
    Working(Instant),
    Lingering(Instant),
    Judging,
    Judged,
}

pub(super) struct Attempt {
    pub(super) client: ClientId,
    pub(super) failure: Option<Text>,
    pub(super) is_busy: bool,
}

impl Job {
    pub(super) fn id(&self) -> TaskId {
        self.submission.task.id
    }

    pub(super) fn is_decided(&self) -> bool {
        matches!(self.stage, Stage::Judging | Stage::Judged)
    }

    pub(super) fn is_ungiven(&self) -> bool {
        self.attempts.is_empty() && !self.is_decided()
    }

    pub(super) fn may_be_replaced(&self) -> bool {
        let is_weak = matches!(self.verdict, Some(Verdict::Failed(_) | Verdict::Expired));
        is_weak && self.stage == Stage::Judging
    }

    pub(super) fn has_attempts_left(&self) -> bool {
        let counted = self.attempts.iter().filter(|attempt| !attempt.is_busy);
        number(counted.count()) < self.max_attempts
    }

    pub(super) fn hopeless(&self) -> Verdict {
        let known = self
            .attempts
            .iter()
            .filter_map(|attempt| attempt.failure.as_ref());
        let reasons: Vec<Text> = known.chain(&self.strays).cloned().collect();
        if reasons.is_empty() {
            Verdict::Expired
        } else {
            Verdict::Failed(reasons)
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.stage {
            Stage::Starting(until) => until,
            Stage::Working(until) | Stage::Lingering(until) => Some(until),
            _ => None,
        }
    }
}

pub(super) fn number(made: usize) -> u32 {
    u32::try_from(made).expect("few attempts")
}

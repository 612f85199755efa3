//! One task: how far it is, and what its attempts came to.

use super::vocabulary::{Submission, Verdict};
use crate::link::Seq;
use crate::wire::{ClientId, Message, TaskId, Text};
use std::sync::Arc;
use std::time::Instant;

/// A task without a confirmed verdict.
#[derive(Debug, Clone)]
pub(super) struct Task {
    pub(super) submission: Arc<Submission>,
    pub(super) message: Arc<Message>, // its START
    pub(super) number: u64,           // in order of submission
    pub(super) max_attempts: u32,
    pub(super) expires: Option<Instant>,
    pub(super) at_latest: Option<Instant>, // as the application wants it
    pub(super) stage: Stage,
    pub(super) attempts: Vec<Attempt>,
    pub(super) strays: Vec<Text>, // what analysers said who failed in no known attempt
    pub(super) verdict: Option<Verdict>,
    pub(super) judge: Option<ClientId>, // whose result the verdict is
    pub(super) is_confirming: bool,
    pub(super) last: Option<Seq>, // the store was asked for this last
}

/// How far a task is. Deadlines that are not known yet begin with the next connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Stage {
    /// Not kept yet.
    Submitting,
    /// Waits for an analyser, and for this moment.
    Queued(Instant),
    /// An attempt is being kept.
    Assigning,
    /// START is on its way to the broker, which has until then to acknowledge it.
    Starting(Option<Instant>),
    /// The analyser has it, until then.
    Working(Lease),
    /// No attempt is left; results are waited for until then.
    Lingering(Option<Instant>),
    /// The verdict is being kept, by this request.
    Judging(Seq),
    /// The verdict waits to be confirmed.
    Judged,
}

/// How long an analyser has a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Lease {
    pub(super) until: Option<Instant>,
    /// When it is sent again, if it is.
    pub(super) nudge: Option<Instant>,
}

/// One time that a task was given to an analyser.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Attempt {
    pub(super) client: ClientId,
    pub(super) failure: Option<Text>,
    pub(super) is_over: bool, // its lease
    pub(super) is_busy: bool, // the analyser had no room
}

/// Most attempts that do not count since the analyser was busy.
const MAX_BUSY: usize = 16;

/// Most reasons kept of failures in no known attempt.
const MAX_STRAYS: usize = 8;

/// Most bytes kept of what an analyser says.
const MAX_REASON: usize = 512;

impl Task {
    pub(super) fn new(
        submission: Arc<Submission>,
        number: u64,
        max_attempts: u32,
        expires: Option<Instant>,
    ) -> Self {
        let message = Arc::new(Message::Start(submission.task.clone()));
        Self {
            submission,
            message,
            number,
            max_attempts,
            expires,
            at_latest: None,
            stage: Stage::Submitting,
            attempts: Vec::new(),
            strays: Vec::new(),
            verdict: None,
            judge: None,
            is_confirming: false,
            last: None,
        }
    }

    pub(super) fn id(&self) -> TaskId {
        self.submission.task.id
    }

    /// How often it was given to an analyser.
    pub(super) fn made(&self) -> u32 {
        u32::try_from(self.attempts.len()).unwrap_or(u32::MAX)
    }

    /// True if it may be given to an analyser once more.
    pub(super) fn has_attempts_left(&self) -> bool {
        let busy = self.attempts.iter().filter(|attempt| attempt.is_busy);
        let free = busy.take(MAX_BUSY).count();
        let counted = self.attempts.len().saturating_sub(free);
        u32::try_from(counted).unwrap_or(u32::MAX) < self.max_attempts
    }

    /// The analyser that has it, or is about to get it from the broker.
    pub(super) fn assignee(&self) -> Option<&ClientId> {
        match self.stage {
            Stage::Starting(_) | Stage::Working(_) => Some(&self.attempts.last()?.client),
            _ => None,
        }
    }

    pub(super) fn was_tried_by(&self, client: &ClientId) -> bool {
        self.attempts
            .iter()
            .any(|attempt| attempt.client == *client)
    }

    /// True if an attempt before the last one may still be going on.
    pub(super) fn has_silent_past(&self) -> bool {
        let past = self.attempts.split_last().map(|(_, past)| past);
        let is_silent = |attempt: &Attempt| attempt.failure.is_none();
        past.unwrap_or_default().iter().any(is_silent)
    }

    /// The attempt of this number, from 1.
    pub(super) fn attempt_mut(&mut self, attempt: u32) -> Option<&mut Attempt> {
        let at = usize::try_from(attempt.checked_sub(1)?).ok()?;
        self.attempts.get_mut(at)
    }

    /// Notes what an analyser said. False if it was known of this attempt.
    pub(super) fn note_failure(&mut self, attempt: Option<u32>, reason: Text) -> bool {
        let Some(attempt) = attempt else {
            let is_new = !self.strays.contains(&reason);
            if is_new && self.strays.len() < MAX_STRAYS {
                self.strays.push(reason);
            }
            return is_new;
        };
        let Some(attempt) = self.attempt_mut(attempt) else {
            return false;
        };
        let is_new = attempt.failure.is_none();
        attempt.failure.get_or_insert(reason);
        is_new
    }

    /// How it ends if no result comes any more.
    pub(super) fn hopeless(&self) -> Verdict {
        let known = self
            .attempts
            .iter()
            .filter_map(|attempt| attempt.failure.as_ref());
        let reasons: Vec<Text> = known.chain(&self.strays).cloned().collect();
        //= docs/spec/analyst-proto.md#dispatcher
        //# A task MUST end as expired when all its attempts are over and nobody said anything.
        if reasons.is_empty() {
            Verdict::Expired
        } else {
            Verdict::Failed(reasons)
        }
    }
}

impl Stage {
    /// When time is up, if it is known.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Starting(until) | Self::Lingering(until) => *until,
            Self::Working(lease) => lease.nudge.or(lease.until),
            _ => None,
        }
    }
}

impl Attempt {
    pub(super) fn new(client: ClientId) -> Self {
        Self {
            client,
            failure: None,
            is_over: false,
            is_busy: false,
        }
    }
}

/// What is kept of what an analyser says: not all of its message, and no more than a log can bear.
pub(super) fn kept_reason(reason: &Text) -> Text {
    let mut end = reason.len().min(MAX_REASON);
    while !reason.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    Text::from(reason.get(..end).unwrap_or_default())
}

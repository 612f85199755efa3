//! What analysers say.

use super::task::{Stage, Task, kept_reason};
use super::tombstones::Epitaph;
use super::verdicts::Farewell;
use super::vocabulary::{Event, Late, Op, Output, Verdict};
use super::{Platform, dispatch};
use crate::link::{DeliveryId, Incoming, Seq};
use crate::wire::{self, ClientId, Fail, Finish, Message, Taken, TaskId, Text};
use std::time::Instant;

/// What has become of a result.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fate {
    /// It may be acknowledged once this is kept.
    Kept(Seq),
    /// It may be acknowledged now.
    Noted,
}

impl Platform {
    pub(super) fn received(&mut self, now: Instant, incoming: Incoming) {
        if !self.dialer.is_up() {
            return; // of a connection that we have ended
        }
        let Incoming {
            delivery, message, ..
        } = incoming;
        match message {
            Message::Finish(_) | Message::Fail(_) if !self.journal.has_room() => {
                self.counters.deferred = self.counters.deferred.saturating_add(1);
            }
            Message::Finish(finish) if self.is_foreign(finish.id) => {
                self.offer(now, delivery, finish.id, Message::Finish(finish));
            }
            Message::Fail(fail) if self.is_foreign(fail.id) => {
                self.offer(now, delivery, fail.id, Message::Fail(fail));
            }
            Message::Finish(finish) => {
                let fate = self.finished(finish);
                self.answer(delivery, fate);
            }
            Message::Fail(fail) => {
                let fate = self.failed(now, &fail);
                self.answer(delivery, fate);
            }
            Message::Start(_) => self.unexpected(delivery, "ANALYSIS_START"),
            Message::Timeout(_) => self.unexpected(delivery, "ANALYSIS_TIMEOUT"),
            Message::Progress(progress) if self.config.takes_progress => {
                self.goes_on(now, progress.id);
                self.out.push_back(Output::Ack(delivery));
            }
            Message::Progress(_) => self.unexpected(delivery, "ANALYSIS_PROGRESS"),
            Message::Unknown(_) => self.unexpected(delivery, "an action that is not known"),
        }
    }

    fn answer(&mut self, delivery: DeliveryId, fate: Fate) {
        let waits = match fate {
            Fate::Kept(seq) => self.journal.wait(seq, delivery),
            Fate::Noted => false,
        };
        if !waits {
            self.out.push_back(Output::Ack(delivery));
        }
    }

    fn unexpected(&mut self, delivery: DeliveryId, what: &'static str) {
        self.count_unexpected();
        self.say(Event::Unexpected(what));
        self.out.push_back(Output::Ack(delivery));
    }

    /// The task that a result is about.
    fn known(&mut self, id: TaskId) -> Option<TaskId> {
        if self.is_known(id) {
            return Some(id);
        }
        let live = self.stray(id)?;
        self.config.rounded_ids.then_some(live)
    }

    pub(super) fn is_known(&self, id: TaskId) -> bool {
        self.table.contains(id) || self.tombstones.get(id).is_some()
    }

    /// A result came for a task that is not known. Says which one it is likely to mean.
    pub(super) fn stray(&mut self, id: TaskId) -> Option<TaskId> {
        self.counters.stray = self.counters.stray.saturating_add(1);
        let Some(live) = self.table.unrounded(id) else {
            self.say(Event::UnknownResult(id));
            return None;
        };
        //= docs/spec/analyst-proto.md#dispatcher
        //# The dispatcher MUST report a number that is that of a task once it is rounded to
        //# floating point, and take it for that task only if its settings say so.
        self.say(Event::RoundedId { got: id, live });
        Some(live)
    }

    //= docs/spec/analyst-proto.md#dispatcher
    //# The first FINISH for a task that has no verdict MUST become its verdict, whoever sent it.
    pub(super) fn finished(&mut self, finish: Finish) -> Fate {
        let Some(id) = self.known(finish.id) else {
            return Fate::Noted;
        };
        let label = self.label(id, finish.analyst_id.as_ref());
        let Some(task) = self.table.get(id) else {
            let epitaph = self.tombstones.get(id);
            let late = epitaph.map_or(Late::Conflict, |epitaph| epitaph.compare(&finish.taken));
            return self.late(id, late);
        };
        match (task.stage, &task.verdict) {
            (Stage::Submitting, _) => self.unsolicited(id),
            (Stage::Queued(_), _) if task.attempts.is_empty() => self.unsolicited(id),
            //= docs/spec/analyst-proto.md#dispatcher
            //# A FINISH that comes before a verdict of failure or expiry is stored MUST replace it.
            (Stage::Judging(_), Some(Verdict::Failed(_) | Verdict::Expired)) => {
                self.finish(id, label, finish.taken)
            }
            (Stage::Judging(_) | Stage::Judged, verdict) => {
                let epitaph = verdict.as_ref().map(Epitaph::of);
                let late = epitaph.map_or(Late::Conflict, |epitaph| epitaph.compare(&finish.taken));
                self.late(id, late)
            }
            _ => self.finish(id, label, finish.taken),
        }
    }

    fn finish(&mut self, id: TaskId, label: Option<u32>, taken: Taken) -> Fate {
        let Some(task) = self.table.get(id) else {
            return Fate::Noted;
        };
        let (made, live) = (task.made(), task.assignee().cloned());
        let source = label.or((made == 1).then_some(1));
        let judge = source.and_then(|attempt| client_of(task, attempt));
        if let Some(client) = judge.as_ref().or(live.as_ref()) {
            self.roster.answered(client);
        }
        // Whoever else has it need not go on.
        //= docs/spec/analyst-proto.md#dispatcher
        //# The dispatcher MUST send TIMEOUT to the analyser that has a task when an earlier attempt
        //# may have finished it.
        let farewell = if source == Some(made) {
            Farewell::Known
        } else {
            Farewell::Told
        };
        self.judge(id, Verdict::Finished(taken), judge, farewell)
            .map_or(Fate::Noted, Fate::Kept)
    }

    pub(super) fn failed(&mut self, now: Instant, fail: &Fail) -> Fate {
        let Some(id) = self.known(fail.id) else {
            return Fate::Noted;
        };
        let reason = kept_reason(&fail.reason);
        let label = self.label(id, fail.analyst_id.as_ref());
        let Some(task) = self.table.get(id) else {
            return self.late(id, Late::Fail);
        };
        let made = task.made();
        let is_out = matches!(task.stage, Stage::Starting(_) | Stage::Working(_));
        match task.stage {
            Stage::Submitting => self.unsolicited(id),
            Stage::Queued(_) if made == 0 => self.unsolicited(id),
            Stage::Assigning if made == 1 => self.unsolicited(id),
            Stage::Judging(_) | Stage::Judged => self.late(id, Late::Fail),
            //= docs/spec/analyst-proto.md#dispatcher
            //# A FAIL of the only attempt MUST end it, and the task if it is fatal or no attempt is
            //# left.
            _ if made == 1 && is_out => self.attempt_failed(now, id, 1, reason),
            _ if made == 1 => self.note_failure(id, Some(1), reason),
            _ if is_out && label == Some(made) => self.attempt_failed(now, id, made, reason),
            //= docs/spec/analyst-proto.md#dispatcher
            //# A FAIL MUST NOT end an attempt unless it is known to be of that attempt.
            _ => self.note_failure(id, label.filter(|&label| label < made), reason),
        }
    }

    /// The analyser that has the task says that it failed.
    fn attempt_failed(&mut self, now: Instant, id: TaskId, number: u32, reason: Text) -> Fate {
        let is_busy = starts_with_any(&reason, &self.config.busy_reasons);
        let is_fatal = starts_with_any(&reason, &self.config.fatal_reasons);
        let Some(task) = self.table.get_mut(id) else {
            return Fate::Noted;
        };
        task.note_failure(Some(number), reason.clone());
        if let Some(attempt) = task.attempt_mut(number) {
            attempt.is_busy = is_busy;
        }
        let client = task.assignee().cloned();
        let is_last = is_fatal || !task.has_attempts_left();
        //= docs/spec/analyst-proto.md#dispatcher
        //# A task MUST end as failed only when each of its attempts has failed or is over, and
        //# after `linger` if one before the last has not failed.
        let lingers = is_last && task.has_silent_past();
        if let Some(client) = &client {
            self.roster.answered(client);
        }
        if is_last && !lingers {
            let verdict = self.table.get(id).map(Task::hopeless);
            return verdict
                .and_then(|verdict| self.judge(id, verdict, client, Farewell::Known))
                .map_or(Fate::Noted, Fate::Kept);
        }
        if let Some(client) = client {
            self.outbox.remove(&super::Errand::Start(id, number));
            self.roster.release(&client, id, number);
        }
        let seq = self.note(
            id,
            Op::FailNoted {
                id,
                attempt: Some(number),
                reason: reason.clone(),
            },
        );
        self.say(Event::AttemptFailed {
            id,
            attempt: number,
            reason,
        });
        if lingers {
            let until = super::after(now, self.config.linger);
            self.table.set_stage(id, Stage::Lingering(until));
        } else {
            self.requeue(now, id);
        }
        Fate::Kept(seq)
    }

    /// Keeps in mind what an analyser said, and goes on.
    fn note_failure(&mut self, id: TaskId, attempt: Option<u32>, reason: Text) -> Fate {
        let Some(task) = self.table.get_mut(id) else {
            return Fate::Noted;
        };
        if !task.note_failure(attempt, reason.clone()) {
            let noted = self.unstored_failure(id, attempt, &reason);
            return noted.map_or(Fate::Noted, Fate::Kept);
        }
        let client = attempt.and_then(|attempt| client_of(task, attempt));
        if let (Some(client), Some(attempt)) = (client, attempt) {
            self.roster.release(&client, id, attempt);
        }
        let seq = self.note(
            id,
            Op::FailNoted {
                id,
                attempt,
                reason: reason.clone(),
            },
        );
        self.say(Event::FailHeld { id, reason });
        Fate::Kept(seq)
    }

    /// What the store was asked for when this failure came first, if it has not done it.
    fn unstored_failure(&self, id: TaskId, of: Option<u32>, said: &Text) -> Option<Seq> {
        let is_it = |op: &Op| match op {
            Op::FailNoted {
                attempt, reason, ..
            } => *attempt == of && (of.is_some() || reason == said),
            _ => false,
        };
        let mut unstored = self.unstored_of(id);
        unstored.find(|&seq| self.journal.op(seq).is_some_and(is_it))
    }

    fn unsolicited(&mut self, id: TaskId) -> Fate {
        self.counters.stray = self.counters.stray.saturating_add(1);
        self.say(Event::Unsolicited(id));
        Fate::Noted
    }

    /// A result came after the verdict, which may not be kept yet.
    //= docs/spec/analyst-proto.md#dispatcher
    //# The dispatcher MUST report a result that comes after the verdict, and whether it says the
    //# same.
    fn late(&mut self, id: TaskId, late: Late) -> Fate {
        self.counters.late = self.counters.late.saturating_add(1);
        self.say(Event::LateResult(id, late));
        match self.table.get(id).map(|task| task.stage) {
            Some(Stage::Judging(seq)) => Fate::Kept(seq),
            _ => Fate::Noted,
        }
    }

    /// The attempt that a result names, if it may.
    fn label(&self, id: TaskId, analyst_id: Option<&Text>) -> Option<u32> {
        if !self.config.label_attempts {
            return None;
        }
        let label = wire::Attempt::read(analyst_id?)?;
        let task = self.table.get(id)?;
        let client = client_of(task, label.number)?;
        (client == label.client).then_some(label.number)
    }

    /// An analyser is still at it.
    fn goes_on(&mut self, now: Instant, id: TaskId) {
        let task = self.table.get(id);
        let Some(task) = task.filter(|task| matches!(task.stage, Stage::Working(_))) else {
            return;
        };
        let lease = dispatch::lease(&self.config, task, now);
        self.table.set_stage(id, Stage::Working(lease));
    }
}

/// The analyser of an attempt.
fn client_of(task: &Task, attempt: u32) -> Option<ClientId> {
    let at = usize::try_from(attempt.checked_sub(1)?).ok()?;
    task.attempts.get(at).map(|attempt| attempt.client.clone())
}

pub(super) fn starts_with_any(reason: &Text, beginnings: &[String]) -> bool {
    beginnings
        .iter()
        .any(|beginning| reason.as_str().starts_with(beginning.as_str()))
}

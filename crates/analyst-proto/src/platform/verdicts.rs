//! From a task that is kept to one that is forgotten: how it is decided, and who is told.

use super::task::Stage;
use super::tombstones::Epitaph;
use super::vocabulary::{Event, Op, Verdict};
use super::{Errand, Platform};
use crate::link::Seq;
use crate::wire::{ClientId, Message, TaskId, Timeout};
use std::sync::Arc;
use std::time::Instant;

/// How the analyser that has a task learns that it is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Farewell {
    /// It decided it itself.
    Known,
    /// It is told.
    Told,
}

impl Platform {
    //= docs/spec/analyst-proto.md#dispatcher
    //# The dispatcher MUST report a task as accepted once it is stored.
    pub(super) fn accepted(&mut self, now: Instant, id: TaskId) {
        let Some(task) = self.table.get(id) else {
            return;
        };
        if task.stage == Stage::Submitting {
            self.table.set_stage(id, Stage::Queued(now));
        }
        self.counters.accepted = self.counters.accepted.saturating_add(1);
        self.say(Event::Accepted(id));
    }

    /// Decides a task. Says which request keeps the verdict.
    pub(super) fn judge(
        &mut self,
        id: TaskId,
        verdict: Verdict,
        judge: Option<ClientId>,
        farewell: Farewell,
    ) -> Option<Seq> {
        let task = self.table.get(id)?;
        let (stage, attempt, before) = (task.stage, task.made(), task.last);
        let client = task.attempts.last().map(|attempt| attempt.client.clone());
        self.outbox.remove(&Errand::Start(id, attempt));
        if let Some(client) = client {
            match (stage, farewell) {
                (Stage::Starting(_) | Stage::Working(_), Farewell::Told) => {
                    self.take_back(id, attempt, client);
                }
                (Stage::Assigning | Stage::Starting(_) | Stage::Working(_), _) => {
                    self.roster.release(&client, id, attempt);
                }
                _ => {}
            }
        }
        let seq = self.ask_store(Op::Terminal(id, verdict.clone()));
        // What this verdict makes untrue must not be stored after it is forgotten.
        if matches!(stage, Stage::Submitting | Stage::Judging(_)) {
            if let Some(before) = before {
                self.journal.replace(before, seq);
                self.cluster.replace(before, seq);
                self.unstored.remove(&(id, before));
            }
        }
        self.table.set_expiry(id, None);
        self.table.set_stage(id, Stage::Judging(seq));
        let task = self.table.get_mut(id)?;
        task.verdict = Some(verdict);
        task.judge = judge;
        task.last = Some(seq);
        Some(seq)
    }

    pub(super) fn judged(&mut self, id: TaskId, seq: Seq) {
        let task = self.table.get(id);
        if task.is_none_or(|task| task.stage != Stage::Judging(seq)) {
            return;
        }
        self.table.set_stage(id, Stage::Judged);
        self.tell_verdict(id);
    }

    //= docs/spec/analyst-proto.md#dispatcher
    //# The dispatcher MUST report the verdict of a task once it is stored, and again after each
    //# restart until it is confirmed.
    pub(super) fn tell_verdict(&mut self, id: TaskId) {
        let Some(task) = self.table.get(id) else {
            return;
        };
        let Some(verdict) = task.verdict.clone() else {
            return;
        };
        let (attempts, client) = (task.made(), task.judge.clone());
        let counters = &mut self.counters;
        let count = match verdict {
            Verdict::Finished(_) => &mut counters.finished,
            Verdict::Failed(_) => &mut counters.failed,
            Verdict::Expired => &mut counters.expired,
            Verdict::Cancelled => &mut counters.cancelled,
        };
        *count = count.saturating_add(1);
        self.say(Event::Verdict {
            id,
            verdict,
            attempts,
            client,
        });
    }

    pub(super) fn confirmed(&mut self, now: Instant, id: TaskId) {
        let Some(task) = self.table.remove(id) else {
            return;
        };
        if let Some(verdict) = &task.verdict {
            self.tombstones.insert(now, id, Epitaph::of(verdict));
        }
    }

    /// Tells an analyser that an attempt is over. It takes up room until the broker has that.
    pub(super) fn take_back(&mut self, id: TaskId, attempt: u32, client: ClientId) {
        let Some(task) = self.table.get(id) else {
            return;
        };
        let mut timeout = Timeout::new(id);
        timeout.id_form = task.submission.task.id_form;
        let topic = self.config.login.parent.p2p(&client);
        let message = Arc::new(Message::Timeout(timeout));
        //= docs/spec/analyst-proto.md#dispatcher
        //# The dispatcher MUST send TIMEOUT before START where both wait.
        let errand = Errand::Timeout(id, attempt, client);
        self.outbox.push(errand, true, topic, message);
    }

    /// Forgets a task, behind all that the store has not done about it: what came later would stay,
    /// and be taken for records of the next task of that number.
    pub(super) fn forget(&mut self, id: TaskId) {
        if self.is_unstored(id) {
            self.leaving.insert(id);
        } else {
            self.ask_store(Op::Forget(id));
        }
    }
}

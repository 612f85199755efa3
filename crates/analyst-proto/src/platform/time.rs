//! What time alone brings about.

use super::task::{Lease, Stage, Task};
use super::verdicts::Farewell;
use super::vocabulary::{Event, Op, Output, Reason, Verdict};
use super::{Errand, Platform, after};
use crate::link::{Dialled, HangUp, Phase};
use crate::wire::{self, ClientId, Message, TaskId};
use std::sync::Arc;
use std::time::Instant;

impl Platform {
    /// When to call [`Self::handle_timeout`]; `None` means no timer is armed.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.is_closed {
            return None;
        }
        let own = [
            self.dialer.due(),
            self.ack_due(),
            self.send_due(),
            self.journal.due(),
            self.judgement_due(),
            self.table.due(),
            self.roster.due(),
            self.tombstones.due(),
            self.cluster.due(),
        ];
        own.into_iter().flatten().min()
    }

    /// Does what is due, and what follows from it. Every entry begins with it, so that it does not
    /// matter whether timers were fired before.
    pub(super) fn fire(&mut self, now: Instant) {
        if self.is_closed {
            return;
        }
        if self.journal.is_hopeless(now) {
            return self.end(Reason::Store);
        }
        for (seq, op) in self.journal.retry(now) {
            self.out.push_back(Output::Store(seq, op));
        }
        if self.ack_due().is_some_and(|due| due <= now) {
            self.hang_up(now, HangUp::NotAcknowledged);
        }
        self.fire_dialer(now);
        //= docs/spec/analyst-proto.md#dispatcher
        //# A task MUST end as expired at its time whatever the connection does.
        while let Some(id) = self.table.expired(now) {
            self.expire(now, id);
        }
        if self.judgement_due().is_some_and(|due| due <= now) {
            while let Some(id) = self.table.overdue(now) {
                self.time_is_up(now, id);
            }
        }
        while let Some(ticket) = self.cluster.overdue(now) {
            self.unanswered(ticket);
        }
        self.roster.wake(now);
        self.go_on(now);
    }

    fn fire_dialer(&mut self, now: Instant) {
        while let Some(dialled) = self.dialer.fire(now) {
            match dialled {
                Dialled::Open(login) => self.out.push_back(Output::Open(login)),
                Dialled::OpenTimedOut => {
                    self.out.push_back(Output::Hangup);
                    self.say(Event::HungUp(HangUp::NotOpened));
                }
                // The login is configured.
                Dialled::Fetch(_) | Dialled::FetchTimedOut => {}
            }
        }
    }

    //= docs/spec/analyst-proto.md#link
    //# A machine MUST hang up if the broker does not acknowledge a message within `ack_timeout`.
    fn ack_due(&self) -> Option<Instant> {
        if !self.dialer.is_up() {
            return None;
        }
        after(self.outbox.oldest()?, self.config.link.ack_timeout)
    }

    /// When the next message may go out that only the rate holds back.
    fn send_due(&self) -> Option<Instant> {
        let rate = self.bucket.as_ref().filter(|_| self.dialer.is_up());
        self.outbox.send_due(self.config.link.window, rate)
    }

    //= docs/spec/analyst-proto.md#dispatcher
    //# The dispatcher MUST NOT judge by time while it is not connected, nor within `settle` after
    //# it was.
    fn judgement_due(&self) -> Option<Instant> {
        let Phase::Up(since) = self.dialer.phase() else {
            return None;
        };
        let settled = since.checked_add(self.config.settle)?;
        Some(self.table.next_judgement()?.max(settled))
    }

    fn expire(&mut self, now: Instant, id: TaskId) {
        let Some(task) = self.table.get(id) else {
            return;
        };
        let is_late = task.at_latest.is_some_and(|at| at <= now);
        let is_queued = task.attempts.is_empty();
        if is_late || is_queued {
            self.judge(id, Verdict::Expired, None, Farewell::Told);
        } else {
            let at_latest = task.at_latest;
            self.table.set_expiry(id, at_latest);
        }
    }

    /// The stage of a task has lasted too long.
    fn time_is_up(&mut self, now: Instant, id: TaskId) {
        match self.table.get(id).map(|task| task.stage) {
            Some(Stage::Working(Lease {
                until,
                nudge: Some(_),
            })) => {
                let lease = Lease { until, nudge: None };
                self.table.set_stage(id, Stage::Working(lease));
                self.push_start(id);
            }
            Some(Stage::Starting(_) | Stage::Working(_)) => self.lease_over(now, id),
            Some(Stage::Lingering(_)) => self.give_up(id, Farewell::Known),
            _ => {}
        }
    }

    /// Nobody will say anything more about it.
    pub(super) fn give_up(&mut self, id: TaskId, farewell: Farewell) {
        if let Some(verdict) = self.table.get(id).map(Task::hopeless) {
            self.judge(id, verdict, None, farewell);
        }
    }

    fn lease_over(&mut self, now: Instant, id: TaskId) {
        let Some(task) = self.table.get_mut(id) else {
            return;
        };
        let number = task.made();
        let Some(attempt) = task.attempt_mut(number) else {
            return;
        };
        attempt.is_over = true;
        let client = attempt.client.clone();
        let is_last = !task.has_attempts_left();
        let is_hopeless = is_last && !task.has_silent_past();
        self.counters.timed_out = self.counters.timed_out.saturating_add(1);
        self.say(Event::TimedOut {
            id,
            attempt: number,
            client: client.clone(),
        });
        if let Some(rest) = self.roster.timed_out(now, &client) {
            self.say(Event::Suspended(client.clone(), rest));
        }
        if is_hopeless {
            return self.give_up(id, Farewell::Told);
        }
        self.outbox.remove(&Errand::Start(id, number));
        //= docs/spec/analyst-proto.md#dispatcher
        //# The dispatcher MUST send TIMEOUT to an analyser whose lease has run out.
        self.take_back(id, number, client);
        self.note(
            id,
            Op::Over {
                id,
                attempt: number,
            },
        );
        if is_last {
            let until = after(now, self.config.linger);
            self.table.set_stage(id, Stage::Lingering(until));
        } else {
            self.requeue(now, id);
        }
    }

    /// The task waits for its next attempt.
    pub(super) fn requeue(&mut self, now: Instant, id: TaskId) {
        let Some(task) = self.table.get(id) else {
            return;
        };
        let delays = &self.config.retry_delays;
        let at = usize::try_from(task.made().saturating_sub(1)).unwrap_or(usize::MAX);
        let delay = delays.get(at).or(delays.last()).copied();
        let from = now.checked_add(delay.unwrap_or_default()).unwrap_or(now);
        self.table.set_stage(id, Stage::Queued(from));
    }

    /// Keeps something that nobody waits for.
    pub(super) fn note(&mut self, id: TaskId, op: Op) -> crate::link::Seq {
        let seq = self.ask_store(op);
        if let Some(task) = self.table.get_mut(id) {
            task.last = Some(seq);
        }
        seq
    }

    /// Sends the task to the analyser of its last attempt.
    pub(super) fn push_start(&mut self, id: TaskId) {
        let Some(task) = self.table.get(id) else {
            return;
        };
        let Some(attempt) = task.attempts.last() else {
            return;
        };
        let topic = self.config.login.parent.p2p(&attempt.client);
        let message = if self.config.label_attempts {
            labelled(task, &attempt.client)
        } else {
            Arc::clone(&task.message)
        };
        let errand = Errand::Start(id, task.made());
        self.outbox.push(errand, false, topic, message);
    }
}

/// START with a label of its attempt in `analyst_id`.
fn labelled(task: &Task, client: &ClientId) -> Arc<Message> {
    let mut start = task.submission.task.clone();
    let label = wire::Attempt::new(client.clone(), task.made());
    start.analyst_id = Some(label.to_json());
    Arc::new(Message::Start(start))
}

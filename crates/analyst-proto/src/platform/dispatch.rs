//! From the queue to an analyser.

use super::task::{Attempt, Lease, Stage, Task};
use super::vocabulary::{Config, Op, Output};
use super::{Errand, LEASES, Platform, after};
use crate::wire::{ClientId, TaskId};
use std::time::Instant;

impl Platform {
    /// Does what can be done now. Doing it twice does nothing more.
    pub(super) fn go_on(&mut self, now: Instant) {
        if self.is_closed {
            return;
        }
        self.table.ripen(now);
        self.assign();
        self.send(now);
        while let Some(id) = self.tombstones.bury(now) {
            self.forget(id);
        }
    }

    /// Gives tasks to analysers, no more at a time than the broker takes.
    fn assign(&mut self) {
        while self.dialer.is_up() && self.roster.has_free() && self.has_room_to_assign() {
            let Some((id, client)) = self.next_assignment() else {
                return;
            };
            let Some(task) = self.table.get_mut(id) else {
                return;
            };
            task.attempts.push(Attempt::new(client.clone()));
            let attempt = task.made();
            self.table.set_stage(id, Stage::Assigning);
            self.roster.occupy(&client, id, attempt);
            self.assigning = self.assigning.saturating_add(1);
            self.counters.attempts = self.counters.attempts.saturating_add(1);
            self.note(
                id,
                Op::Assign {
                    id,
                    attempt,
                    client,
                },
            );
        }
    }

    fn has_room_to_assign(&self) -> bool {
        self.outbox.len().saturating_add(self.assigning) < self.config.link.window.max(1)
    }

    /// The first task in the queue that somebody is free for. A task can only be passed over while
    /// a TIMEOUT of it is under way, so not many are.
    fn next_assignment(&self) -> Option<(TaskId, ClientId)> {
        self.table.ready().find_map(|task| {
            let was_told = |client: &ClientId| self.was_told(task, client);
            Some((task.id(), self.roster.choose(task, was_told)?))
        })
    }

    //= docs/spec/analyst-proto.md#dispatcher
    //# The dispatcher MUST NOT give a task to the same analyser again before the broker has
    //# acknowledged the TIMEOUT of the attempt before.
    fn was_told(&self, task: &Task, client: &ClientId) -> bool {
        let mut attempts = (1_u32..).zip(&task.attempts);
        attempts.all(|(number, attempt)| {
            attempt.client != *client
                || !self
                    .outbox
                    .contains(&Errand::Timeout(task.id(), number, client.clone()))
        })
    }

    //= docs/spec/analyst-proto.md#dispatcher
    //# The dispatcher MUST NOT send START before the attempt is stored.
    pub(super) fn assigned(&mut self, id: TaskId, attempt: u32) {
        self.assigning = self.assigning.saturating_sub(1);
        let task = self.table.get(id);
        if task.is_some_and(|task| task.stage == Stage::Assigning && task.made() == attempt) {
            self.table.set_stage(id, Stage::Starting(None));
            self.push_start(id);
        }
    }

    /// The broker has a START.
    //= docs/spec/analyst-proto.md#dispatcher
    //# The lease of an attempt MUST begin when the broker acknowledges its START.
    pub(super) fn started(&mut self, now: Instant, id: TaskId, attempt: u32) {
        let Some(task) = self.table.get(id) else {
            return;
        };
        if matches!(task.stage, Stage::Starting(_)) && task.made() == attempt {
            let lease = lease(&self.config, task, now);
            self.table.set_stage(id, Stage::Working(lease));
            self.note(id, Op::Out { id, attempt });
        }
    }

    /// Sends what waits, as far as broker and rate allow.
    fn send(&mut self, now: Instant) {
        let window = self.config.link.window;
        while self.dialer.is_up() {
            let Some(publish) = self.outbox.send(now, window, self.bucket.as_mut()) else {
                return;
            };
            if let Some(&Errand::Start(id, _)) = self.outbox.key(publish.send) {
                self.await_ack(now, id);
            }
            self.out.push_back(Output::Send(publish));
        }
    }

    fn await_ack(&mut self, now: Instant, id: TaskId) {
        let stage = self.table.get(id).map(|task| task.stage);
        if stage == Some(Stage::Starting(None)) {
            let until = after(now, self.config.ack_wait);
            self.table.set_stage(id, Stage::Starting(until));
        }
    }
}

/// How long the analyser has the task from now on.
pub(super) fn lease(config: &Config, task: &Task, now: Instant) -> Lease {
    let (shortest, longest) = LEASES;
    let lease = task.submission.lease.unwrap_or(config.lease);
    let lease = lease.clamp(shortest, longest);
    Lease {
        until: now.checked_add(lease),
        nudge: config
            .nudge
            .then(|| now.checked_add(lease.div_f32(2.0)))
            .flatten(),
    }
}

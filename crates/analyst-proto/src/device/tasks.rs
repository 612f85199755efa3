//! What the dispatcher says: tasks, and cancellations of them.

use super::task::{Stage, Task, answer, label};
use super::{Busy, Device, Event, Ignored, Mail, Op, Outcome, Output, ReplyToTimeout, Run};
use crate::WireErrorKind;
use crate::link::{DeliveryId, Incoming, Seq};
use crate::wire::{Fail, Finish, Message, Progress, Start, TaskId, Timeout};
use std::sync::Arc;
use std::time::Instant;

/// What a task is to lead to.
enum Cue {
    /// A run, if there is room.
    Run,
    /// An acknowledgement once this request is carried out.
    Join(Seq),
    /// The result that is kept.
    Answer,
    /// An acknowledgement.
    Nothing,
}

impl Device {
    pub(super) fn received(&mut self, now: Instant, incoming: Incoming) {
        if !self.dialer.is_up() {
            return; // late news from the driver
        }
        let (delivery, is_again) = (incoming.delivery, incoming.duplicate);
        match incoming.message {
            Message::Start(start) => self.came(now, delivery, is_again, start),
            Message::Timeout(timeout) => {
                self.ack(delivery);
                self.cancelled(now, is_again, &timeout);
            }
            Message::Finish(Finish { id, .. })
            | Message::Fail(Fail { id, .. })
            | Message::Progress(Progress { id, .. }) => {
                self.wrong_way(delivery, id);
            }
            Message::Unknown(unknown) => {
                //= docs/spec/analyst-proto.md#analyser
                //# A message that is not for analysers, or cannot be read, MUST be acknowledged, counted and reported, and MUST change nothing else.
                self.counters.unknown = self.counters.unknown.saturating_add(1);
                self.ack(delivery);
                self.say(Event::Ignored(Ignored::Unknown(unknown.action)));
            }
        }
    }

    fn wrong_way(&mut self, delivery: DeliveryId, id: TaskId) {
        self.counters.wrong_way = self.counters.wrong_way.saturating_add(1);
        self.ack(delivery);
        self.say(Event::Ignored(Ignored::WrongWay(id)));
    }

    pub(super) fn garbled(&mut self, delivery: DeliveryId, kind: WireErrorKind) {
        if self.dialer.is_up() {
            self.counters.garbled = self.counters.garbled.saturating_add(1);
            self.ack(delivery);
            self.say(Event::Ignored(Ignored::Garbled(kind)));
        }
    }

    /// A task came, perhaps again.
    fn came(&mut self, now: Instant, delivery: DeliveryId, is_again: bool, start: Start) {
        self.counters.starts = self.counters.starts.saturating_add(1);
        if let Some(task) = self.tasks.get_mut(&start.id) {
            task.follow(&start, self.config.echo_attempt);
        }
        match self.cue(now, start.id, is_again) {
            Cue::Run => self.accept(now, delivery, start),
            Cue::Join(seq) => self.join(seq, delivery),
            Cue::Answer => {
                self.ack(delivery);
                self.answer_again(start.id);
            }
            Cue::Nothing => self.ack(delivery),
        }
    }

    fn cue(&mut self, now: Instant, id: TaskId, is_again: bool) -> Cue {
        let Some(task) = self.tasks.get_mut(&id) else {
            return Cue::Run;
        };
        let is_again = is_again && !task.is_owed;
        match &mut task.stage {
            Stage::Accepting {
                seq, is_cancelled, ..
            } => {
                // The dispatcher has changed its mind.
                *is_cancelled &= is_again;
                let seq = *seq;
                if !is_again {
                    task.comes_again(now);
                }
                Cue::Join(seq)
            }
            //= docs/spec/analyst-proto.md#analyser
            //# A task that comes again while it waits for a run, is running, or has a result that the broker has not acknowledged MUST be acknowledged and start nothing.
            Stage::Queued(_) | Stage::Running if !is_again => {
                task.comes_again(now);
                Cue::Nothing
            }
            Stage::Queued(_) | Stage::Running | Stage::Offered(_) => Cue::Nothing,
            // It may have been cancelled, and then nothing else in the store stands for it.
            Stage::Storing(_, seq) => Cue::Join(*seq),
            //= docs/spec/analyst-proto.md#analyser
            //# The result of a finished task MUST be published again when the task comes again.
            Stage::Kept(found) if matches!(*found.outcome, Outcome::Taken(_)) => Cue::Answer,
            //= docs/spec/analyst-proto.md#analyser
            //# A failure MUST be published again when its task comes again with DUP.
            Stage::Kept(_) if is_again => Cue::Answer,
            //= docs/spec/analyst-proto.md#analyser
            //# A cancelled task that comes with DUP MUST NOT run again unless it was held or turned away before, or the analyser was restarted since.
            Stage::Cancelled if is_again => Cue::Nothing,
            //= docs/spec/analyst-proto.md#analyser
            //# A task that failed or is cancelled MUST run again, under the next number, when it comes again without DUP.
            Stage::Cancelled | Stage::Kept(_) | Stage::Forgetting => Cue::Run,
        }
    }

    /// Accepts a task for a run, if there is room.
    fn accept(&mut self, now: Instant, delivery: DeliveryId, start: Start) {
        let (id, slots) = (start.id, self.slots.len());
        let room = self.parallel().saturating_add(self.config.max_queue);
        if slots.saturating_add(self.queue.len()) >= room {
            return self.busy(delivery, &start);
        }
        //= docs/spec/analyst-proto.md#analyser
        //# A delivery that would have to wait for the store beside `max_unstored` others MUST NOT be acknowledged, and the analyser MUST hang up once the store has caught up.
        if !self.journal.has_room() {
            self.owe(id, true);
            return self.turn_away();
        }
        self.not_busy(id);
        let run = self
            .tasks
            .get(&id)
            .map_or(Run::FIRST, |task| task.run.next());
        let seq = self.ask_to_accept(now, run, &Arc::new(start));
        self.journal.wait(seq, delivery);
    }

    /// Has the store accept a task for a run.
    pub(super) fn ask_to_accept(&mut self, now: Instant, run: Run, task: &Arc<Start>) -> Seq {
        let id = task.id;
        let op = Op::Accept {
            id,
            run,
            task: Arc::clone(task),
        };
        let seq = self.request(op);
        self.unkeep(id);
        let stage = Stage::Accepting {
            seq,
            task: Arc::clone(task),
            is_cancelled: false,
        };
        let entry = self
            .tasks
            .entry(id)
            .or_insert_with(|| Task::new(run, Stage::Forgetting));
        entry.follow(task, self.config.echo_attempt);
        entry.begin(run, stage);
        (entry.came, entry.came_before) = (Some(now), run > Run::FIRST);
        entry.is_owed = false;
        entry.unstored = entry.unstored.saturating_add(1);
        self.queue.push_back(id);
        self.counters.accepted = self.counters.accepted.saturating_add(1);
        seq
    }

    fn join(&mut self, seq: Seq, delivery: DeliveryId) {
        if !self.journal.has_room() {
            self.turn_away();
        } else if !self.journal.wait(seq, delivery) {
            self.ack(delivery);
        }
    }

    /// Notes whether a task that came anew is still to be done when the broker delivers it again.
    fn owe(&mut self, id: TaskId, is_owed: bool) {
        if let Some(task) = self.tasks.get_mut(&id) {
            task.is_owed = is_owed;
        }
    }

    fn turn_away(&mut self) {
        self.counters.turned_away = self.counters.turned_away.saturating_add(1);
    }

    /// There is no room for a task.
    fn busy(&mut self, delivery: DeliveryId, start: &Start) {
        let mail = Mail::Busy(start.id);
        let is_new = !self.outbox.contains(&mail);
        let topic = self.answers_to.clone().filter(|_| {
            let has_room = !is_new || self.busy_answers < self.config.max_busy;
            self.config.busy == Busy::Fail && has_room
        });
        //= docs/spec/analyst-proto.md#analyser
        //# A task for which there is no room MUST be answered with the failure `busy`, or not be acknowledged, as configured.
        let Some(topic) = topic else {
            self.counters.held = self.counters.held.saturating_add(1);
            self.is_holding = true;
            return self.owe(start.id, true);
        };
        self.owe(start.id, false);
        if is_new {
            self.busy_answers = self.busy_answers.saturating_add(1);
            let label = label(start, self.config.echo_attempt);
            let outcome = Outcome::Failed("busy".into());
            let message = answer(start.id, start.id_form, label, &outcome);
            self.outbox.push(mail, false, topic, message.into());
        }
        self.counters.busy = self.counters.busy.saturating_add(1);
        self.ack(delivery);
        self.say(Event::Busy(start.id));
    }

    /// Takes back that there is no room for a task.
    fn not_busy(&mut self, id: TaskId) {
        if self.outbox.remove(&Mail::Busy(id)) {
            self.busy_answers = self.busy_answers.saturating_sub(1);
        }
    }

    fn cancelled(&mut self, now: Instant, is_again: bool, timeout: &Timeout) {
        self.counters.cancels = self.counters.cancels.saturating_add(1);
        //= docs/spec/analyst-proto.md#analyser
        //# A cancellation without the number of a task MUST cancel nothing unless it comes without DUP while one task alone waits for a run or is running.
        if let Some(id) = timeout.id.or_else(|| self.only_active(is_again)) {
            return self.cancel(now, id, is_again);
        }
        let count = &mut self.counters.ambiguous_cancels;
        *count = count.saturating_add(1);
        self.say(Event::AmbiguousCancel);
    }

    fn only_active(&self, is_again: bool) -> Option<TaskId> {
        let mut active = self.tasks.iter().filter(|(_, task)| task.is_active());
        let (&only, _) = active.next().filter(|_| !is_again)?;
        active.next().is_none().then_some(only)
    }

    fn cancel(&mut self, now: Instant, id: TaskId, is_again: bool) {
        let guard = self.overtake_guard();
        let Some(task) = self.tasks.get_mut(&id) else {
            return self.stray(id);
        };
        //= docs/spec/analyst-proto.md#analyser
        //# A cancellation within `overtake_guard` after its task came again without DUP MUST be ignored.
        //= docs/spec/analyst-proto.md#analyser
        //# A cancellation with DUP within `overtake_guard` after its task came MUST be ignored.
        let age = task.doubtful_for(now, is_again);
        if age.is_some_and(|age| age < guard) {
            let run = task.run;
            let count = &mut self.counters.stale_cancels;
            *count = count.saturating_add(1);
            return self.say(Event::StaleCancel { id, run });
        }
        match &mut task.stage {
            Stage::Accepting { is_cancelled, .. } => *is_cancelled = true,
            Stage::Queued(_) => self.cancel_queued(id),
            Stage::Running => self.cancel_running(id),
            Stage::Forgetting => self.stray(id),
            //= docs/spec/analyst-proto.md#analyser
            //# A cancellation MUST NOT take away a result.
            Stage::Cancelled | Stage::Storing(..) | Stage::Offered(_) | Stage::Kept(_) => {}
        }
    }

    fn stray(&mut self, id: TaskId) {
        let count = &mut self.counters.stray_cancels;
        *count = count.saturating_add(1);
        self.say(Event::StrayCancel(id));
    }

    pub(super) fn cancel_queued(&mut self, id: TaskId) {
        self.queue.retain(|&queued| queued != id);
        let Some(task) = self.tasks.get_mut(&id) else {
            return;
        };
        task.stage = Stage::Cancelled;
        let run = task.run;
        self.ask_store(Op::Cancel { id, run });
    }

    fn cancel_running(&mut self, id: TaskId) {
        let Some(task) = self.tasks.get_mut(&id) else {
            return;
        };
        task.stage = Stage::Cancelled;
        let run = task.run;
        self.say(Event::Cancel { id, run });
        self.ask_store(Op::Cancel { id, run });
        if self.config.reply_to_timeout == ReplyToTimeout::Fail {
            self.found(id, run, Outcome::Failed("timeout".into()));
        }
    }

    pub(super) fn ack(&mut self, delivery: DeliveryId) {
        self.out.push_back(Output::Ack(delivery));
    }
}

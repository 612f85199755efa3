//! The dispatcher: every task that it accepts ends once.

mod dispatch;
mod info;
mod relay;
mod restore;
mod results;
mod roster;
mod snapshot;
mod table;
mod task;
mod time;
mod tombstones;
mod verdicts;
mod vocabulary;

pub use relay::{NodeId, Relay, Ticket};
pub use snapshot::Snapshot;
pub use vocabulary::{
    Config, Counters, Credentials, Event, Input, Late, Op, Output, Reason, Refused, Registration,
    Stats, Submission, Verdict,
};

use crate::desk::Desk;
use crate::link::{Bucket, Dialer, Down, HangUp, Journal, NotSent, Outbox, SendId, Seq};
use crate::wire::{ClientId, TaskId, UnixMillis};
use relay::Cluster;
use roster::{Roster, Suspension};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use table::Table;
use task::{Stage, Task};
use tombstones::Tombstones;
use verdicts::Farewell;

/// A server that gives tasks to analysers, one MQTT client of its own.
///
/// It connects when it is made, and again whenever the connection is gone.
#[derive(Debug, Clone)]
pub struct Platform {
    config: Config,
    dialer: Dialer,
    outbox: Outbox<Errand>,
    bucket: Option<Bucket>,
    journal: Journal<Op>,
    table: Table,
    roster: Roster,
    desk: Desk,
    tombstones: Tombstones,
    cluster: Cluster,
    unstored: BTreeSet<(TaskId, Seq)>, // what the store has not done, by task
    leaving: BTreeSet<TaskId>,         // to be forgotten once it has
    counters: Counters,
    submitted: u64,
    assigning: usize, // attempts that are not kept yet
    is_closed: bool,
    out: VecDeque<Output>,
}

/// What a message is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Errand {
    /// Gives a task, in this attempt.
    Start(TaskId, u32),
    /// Takes it back.
    Timeout(TaskId, u32, ClientId),
}

/// Shortest and longest lease.
const LEASES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60 * 60));

impl Platform {
    /// A dispatcher without tasks. Its first output is [`Output::Open`].
    pub fn new(now: Instant, config: Config) -> Self {
        Self::restore(now, UnixMillis(0), config, Vec::new())
    }

    /// Takes one fact from the world. Never fails: whatever others did wrong comes out as output.
    ///
    /// News of a connection that has ended, or of a store that was not asked, mean nothing.
    pub fn handle_input(&mut self, now: Instant, input: Input) {
        self.fire(now);
        if self.is_closed {
            return;
        }
        match input {
            Input::Connected => self.connected(now),
            Input::Disconnected(why) => self.disconnected(now, why),
            Input::Received(incoming) => self.received(now, incoming),
            Input::Garbled(delivery, kind) => {
                if self.dialer.is_up() {
                    self.count_unexpected();
                    self.say(Event::Garbled(kind));
                    self.out.push_back(Output::Ack(delivery));
                }
            }
            Input::Sent(send) => self.sent(now, send),
            Input::SendFailed(send, why) => self.not_sent(now, send, why),
            Input::Stored(seq) => self.stored(now, seq),
            Input::StoreFailed(seq) => {
                if self.journal.failed(now, seq) {
                    self.say(Event::StoreTrouble);
                }
            }
            Input::InfoRequest {
                exchange,
                at,
                request,
            } => {
                self.asked_for_info(exchange, at, request);
            }
            Input::Presence { client, online } => self.roster.set_presence(&client, online),
            Input::FromNode { node, relay } => self.node_says(now, node, relay),
        }
        self.go_on(now);
    }

    /// Fires what is due at `now`. Harmless when called early, late or twice.
    //= docs/spec/analyst-proto.md#link
    //# When outputs are drained and how often timers fire MUST NOT change what a machine does.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.fire(now);
    }

    /// Next thing to do, oldest first; `None` when there is nothing until the next input.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// Takes a task. It is accepted once [`Event::Accepted`] says so.
    ///
    /// # Errors
    ///
    /// [`Refused::Known`] for a number that is or was in use, [`Refused::Full`] beyond
    /// [`Config::max_tasks`], [`Refused::Closed`].
    #[expect(clippy::result_large_err, reason = "the task is given back as it came")]
    pub fn submit(
        &mut self,
        now: Instant,
        wall: UnixMillis,
        submission: Submission,
    ) -> Result<(), Refused<Submission>> {
        self.fire(now);
        let id = submission.task.id;
        if self.is_closed {
            return Err(Refused::Closed(submission));
        }
        //= docs/spec/analyst-proto.md#dispatcher
        //# The dispatcher MUST refuse the number of a task that it has not forgotten, or whose
        //# records the store has not.
        let is_remembered = self.tombstones.get(id).is_some() || self.is_unstored(id);
        if self.table.contains(id) || is_remembered {
            return Err(Refused::Known(submission));
        }
        //= docs/spec/analyst-proto.md#dispatcher
        //# The dispatcher MUST refuse a task beyond `max_tasks`.
        if self.table.len() >= self.config.max_tasks {
            return Err(Refused::Full(submission));
        }
        let submission = Arc::new(submission);
        let mut task = self.task(now, wall, Arc::clone(&submission));
        let seq = self.ask_store(Op::Submit(id, submission));
        task.last = Some(seq);
        self.table.insert(task);
        self.go_on(now);
        Ok(())
    }

    /// Ends a task whose verdict is not decided yet: [`Verdict::Cancelled`], once that is kept.
    ///
    /// # Errors
    ///
    /// [`Refused::Unknown`], [`Refused::Decided`], [`Refused::Closed`].
    pub fn cancel(&mut self, now: Instant, id: TaskId) -> Result<(), Refused<TaskId>> {
        self.fire(now);
        if self.is_closed {
            return Err(Refused::Closed(id));
        }
        match self.table.get(id).map(|task| task.stage) {
            None if self.tombstones.get(id).is_some() => return Err(Refused::Decided(id)),
            None => return Err(Refused::Unknown(id)),
            Some(Stage::Judging(_) | Stage::Judged) => return Err(Refused::Decided(id)),
            Some(_) => self.judge(id, Verdict::Cancelled, None, Farewell::Told),
        };
        self.go_on(now);
        Ok(())
    }

    /// The application has taken note of a verdict; it is not told again.
    ///
    /// # Errors
    ///
    /// [`Refused::Unknown`] if there was no [`Event::Verdict`] for it that is not confirmed yet,
    /// [`Refused::Closed`].
    pub fn confirm(&mut self, now: Instant, id: TaskId) -> Result<(), Refused<TaskId>> {
        self.fire(now);
        if self.is_closed {
            return Err(Refused::Closed(id));
        }
        let task = self
            .table
            .get_mut(id)
            .filter(|task| task.stage == Stage::Judged);
        let Some(task) = task else {
            return Err(Refused::Unknown(id));
        };
        if !std::mem::replace(&mut task.is_confirming, true) {
            self.ask_store(Op::Confirmed(id));
        }
        self.go_on(now);
        Ok(())
    }

    /// An analyser may be given tasks, or is registered otherwise than before.
    ///
    /// # Errors
    ///
    /// [`Refused::Known`] if another analyser has its name, [`Refused::Full`] beyond
    /// [`Config::max_analysts`], [`Refused::Closed`].
    pub fn register(
        &mut self,
        now: Instant,
        registration: Registration,
    ) -> Result<(), Refused<Registration>> {
        self.fire(now);
        if self.is_closed {
            return Err(Refused::Closed(registration));
        }
        if self.roster.is_taken(&registration) {
            return Err(Refused::Known(registration));
        }
        let is_new = self.roster.registration(&registration.client_id).is_none();
        if is_new && self.roster.registered() >= self.config.max_analysts {
            return Err(Refused::Full(registration));
        }
        self.roster.register(registration);
        self.go_on(now);
        Ok(())
    }

    /// An analyser is given no more tasks. Those that it has may still end with its results.
    ///
    /// # Errors
    ///
    /// [`Refused::Unknown`], [`Refused::Closed`].
    pub fn unregister(
        &mut self,
        now: Instant,
        client: &ClientId,
    ) -> Result<Registration, Refused<ClientId>> {
        self.fire(now);
        if self.is_closed {
            return Err(Refused::Closed(client.clone()));
        }
        let registration = self.roster.unregister(client);
        self.go_on(now);
        registration.ok_or_else(|| Refused::Unknown(client.clone()))
    }

    /// Ends the machine. All that matters is in the store. Drain the outputs, then drop.
    pub fn close(&mut self, now: Instant) {
        self.fire(now);
        self.end(Reason::Local);
    }

    /// True once [`Event::Closed`] has been queued.
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// True while the broker has accepted us.
    pub fn is_up(&self) -> bool {
        self.dialer.is_up()
    }

    /// What there is to do.
    pub fn stats(&self) -> Stats {
        let mut stats = Stats {
            remembered: self.tombstones.len(),
            analysts: self.roster.registered(),
            free: self.roster.free(),
            unsent: self.outbox.len(),
            ..Stats::default()
        };
        self.table.count(&mut stats);
        stats
    }

    /// What it has done so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    fn task(&mut self, now: Instant, wall: UnixMillis, submission: Arc<Submission>) -> Task {
        self.submitted = self.submitted.saturating_add(1);
        let max_attempts = submission.max_attempts.unwrap_or(self.config.max_attempts);
        let at_latest = submission.expires_at.and_then(|at| {
            let left = u64::try_from(at.since(wall)).unwrap_or(0);
            now.checked_add(Duration::from_millis(left))
        });
        let in_queue = self
            .config
            .queue_wait
            .and_then(|wait| now.checked_add(wait));
        let expires = at_latest.into_iter().chain(in_queue).min();
        let mut task = Task::new(submission, self.submitted, max_attempts.max(1), expires);
        task.at_latest = at_latest;
        task
    }

    fn connected(&mut self, now: Instant) {
        if !self.dialer.connected(now) {
            return;
        }
        self.say(Event::Up);
        //= docs/spec/analyst-proto.md#link
        //# A machine MUST subscribe to its own topic over each connection to an ordinary broker, and
        //# on Aliyun's never.
        if self.config.profile.needs_subscription() {
            let topic = self.config.login.topic();
            self.out.push_back(Output::Subscribe(topic));
        }
        let linger = self.config.linger;
        let config = &self.config;
        self.table
            .wind_up(now, linger, |task| dispatch::lease(config, task, now));
    }

    fn disconnected(&mut self, now: Instant, why: Down) {
        let Some(is_suspicious) = self.dialer.disconnected(now, why) else {
            return;
        };
        self.link_gone();
        self.say(Event::Down(why));
        if is_suspicious {
            self.say(Event::DuplicateIdSuspected);
        }
    }

    fn hang_up(&mut self, now: Instant, why: HangUp) {
        if self.dialer.is_up() {
            self.dialer.hung_up(now, why);
            self.link_gone();
            self.out.push_back(Output::Hangup);
            self.say(Event::HungUp(why));
        }
    }

    fn link_gone(&mut self) {
        self.outbox.disconnected();
        self.journal.disconnected();
        self.cluster.disconnected();
    }

    fn sent(&mut self, now: Instant, send: SendId) {
        match self.outbox.sent(send) {
            Some(Errand::Start(id, attempt)) => self.started(now, id, attempt),
            Some(Errand::Timeout(id, attempt, client)) => {
                self.roster.release(&client, id, attempt);
            }
            None => {}
        }
    }

    fn not_sent(&mut self, now: Instant, send: SendId, why: NotSent) {
        match self.outbox.not_sent(send, why) {
            Some(Errand::Start(id, _)) => {
                let is_decided =
                    |task: &Task| matches!(task.stage, Stage::Judging(_) | Stage::Judged);
                if self.table.get(id).is_some_and(|task| !is_decided(task)) {
                    let reason = "the task is larger than the broker takes".into();
                    self.judge(id, Verdict::Failed(vec![reason]), None, Farewell::Known);
                }
            }
            Some(Errand::Timeout(id, attempt, client)) => {
                self.roster.release(&client, id, attempt);
            }
            None if why == NotSent::Closed => self.hang_up(now, HangUp::NotSent),
            None => {}
        }
    }

    fn stored(&mut self, now: Instant, seq: Seq) {
        let Some(done) = self.journal.stored(seq) else {
            return;
        };
        let id = done.op.id();
        self.unstored.remove(&(id, seq));
        match done.op {
            Op::Submit(id, _) => self.accepted(now, id),
            Op::Assign { id, attempt, .. } => self.assigned(id, attempt),
            Op::Terminal(id, _) => self.judged(id, seq),
            Op::Confirmed(id) => self.confirmed(now, id),
            Op::Out { .. } | Op::Over { .. } | Op::FailNoted { .. } | Op::Forget(_) => {}
        }
        if self.leaving.contains(&id) && !self.is_unstored(id) {
            self.leaving.remove(&id);
            self.ask_store(Op::Forget(id));
        }
        //= docs/spec/analyst-proto.md#dispatcher
        //# The dispatcher MUST acknowledge a result only once what follows from it is stored.
        let acks = done.deliveries.into_iter().map(Output::Ack);
        self.out.extend(acks);
        self.tell_nodes(seq);
        if self.journal.take_hangup() && !self.config.profile.delivers_again() {
            self.hang_up(now, HangUp::TurnedAway);
        }
    }

    /// True if the store was asked for something about a task and has not done it.
    fn is_unstored(&self, id: TaskId) -> bool {
        self.unstored_of(id).next().is_some()
    }

    /// What the store was asked for about a task and has not done.
    fn unstored_of(&self, id: TaskId) -> impl Iterator<Item = Seq> {
        let all = (id, Seq(0))..=(id, Seq(u64::MAX));
        self.unstored.range(all).map(|&(_, seq)| seq)
    }

    fn ask_store(&mut self, op: Op) -> Seq {
        let id = op.id();
        let seq = self.journal.ask(op.clone());
        self.unstored.insert((id, seq));
        self.out.push_back(Output::Store(seq, op));
        seq
    }

    fn end(&mut self, reason: Reason) {
        if self.is_closed {
            return;
        }
        self.is_closed = true;
        self.dialer.close();
        self.cluster.close();
        //= docs/spec/analyst-proto.md#link
        //# A machine that is closed MUST report so once, and no other event after that.
        self.say(Event::Closed(reason));
        self.out.push_back(Output::Disconnect);
    }

    fn count_unexpected(&mut self) {
        self.counters.unexpected = self.counters.unexpected.saturating_add(1);
    }

    fn say(&mut self, event: Event) {
        self.out.push_back(Output::Event(event));
    }
}

impl From<&Config> for Suspension {
    fn from(config: &Config) -> Self {
        Self {
            after: config.suspend_after.max(1),
            min: config.suspend_min,
            max: config.suspend_max.max(config.suspend_min),
        }
    }
}

/// Later than `now`; never, if no clock gets there.
fn after(now: Instant, delay: Duration) -> Option<Instant> {
    now.checked_add(delay.max(Duration::from_millis(1)))
}

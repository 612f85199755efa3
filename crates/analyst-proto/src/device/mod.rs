//! The analyser: takes tasks from the broker, has them worked on, and offers each result until the
//! broker has it.
//!
//! ```
//! use analyst_proto::device::{Config, Device, Event, Input, Op, Outcome, Output, Recovered};
//! use analyst_proto::link::{DeliveryId, Incoming};
//! use analyst_proto::wire::{ClientId, ConnectionInfo, GoodsId, Message, ParentTopic, Start, TaskId};
//! # #[allow(clippy::disallowed_methods)]
//! # fn clock() -> std::time::Instant { std::time::Instant::now() }
//!
//! let now = clock();
//! let mut device = Device::new(now, Config::new("analyst_3", 7), Recovered::empty());
//! let mut answers = Vec::new();
//! while let Some(output) = device.poll_output() {
//!     match output {
//!         // A server, a broker, a store and an application that are prompt.
//!         Output::Fetch(exchange) => {
//!             let (me, monitor) = (ClientId::new("analyst_3")?, ClientId::new("monitor")?);
//!             let info = ConnectionInfo::new(ParentTopic::new("Analyst")?, me, monitor, "192.0.2.10");
//!             device.handle_input(now, Input::Info(exchange, Ok(info)));
//!         }
//!         Output::Open(_) => {
//!             device.handle_input(now, Input::Connected);
//!             let task = Message::Start(Start::new(TaskId(1), "http://192.0.2.10/1.mp4"));
//!             let incoming = Incoming::new(DeliveryId(1), false, task);
//!             device.handle_input(now, Input::Received(incoming));
//!         }
//!         Output::Store(seq, _) => device.handle_input(now, Input::Stored(seq)),
//!         Output::Event(Event::Work { id, run, .. }) => {
//!             device.complete(now, id, run, Outcome::Taken(vec![(GoodsId(9), 2)]))?;
//!         }
//!         Output::Send(publish) => {
//!             answers.push(publish.topic.to_string());
//!             device.handle_input(now, Input::Sent(publish.send));
//!         }
//!         _ => {}
//!     }
//! }
//! assert_eq!((answers, device.counters().delivered), (vec!["Analyst/p2p/monitor".into()], 1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod keeping;
mod link;
mod restore;
mod results;
mod snapshot;
mod task;
mod tasks;
mod vocabulary;

pub use snapshot::Snapshot;
pub use vocabulary::{
    Busy, Config, Counters, Event, Ignored, Input, Op, Outcome, Output, Reason, Recovered, Refused,
    ReplyToTimeout, Run, State, TaskState,
};

use crate::link::{Bucket, Dialer, HangUp, Journal, Outbox, Phase};
use crate::wire::{TaskId, Topic};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};
use task::Task;

/// An analyser: its connection, the tasks it has accepted, and the results it has kept.
#[derive(Debug, Clone)]
pub struct Device {
    config: Config,
    dialer: Dialer,
    answers_to: Option<Topic>, // once the server has said so
    outbox: Outbox<Mail>,
    unaddressed: VecDeque<TaskId>, // results for the outbox, as long as it is not known where to
    bucket: Option<Bucket>,        // where the broker limits the rate
    busy_answers: usize,           // of those in the outbox
    is_holding: bool,              // the broker holds back tasks for which there was no room
    journal: Journal<Op>,
    tasks: BTreeMap<TaskId, Task>,
    queue: VecDeque<TaskId>,      // tasks to be accepted or run, oldest first
    slots: BTreeMap<TaskId, Run>, // what the application works on
    kept: BTreeMap<u64, (Option<Instant>, TaskId)>, // tasks that are over, oldest first, and until when
    kept_last: u64,
    counters: Counters,
    out: VecDeque<Output>,
}

/// What a message in the outbox is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Mail {
    /// A result of this task, which is in the store.
    Result(TaskId),
    /// There is no room for this task.
    Busy(TaskId),
}

/// Shortest delay: a timer of zero would never be in the future.
const SHORTEST: Duration = Duration::from_millis(1);

impl Device {
    /// An analyser with what its store held when it was opened.
    pub fn new(now: Instant, config: Config, recovered: Recovered) -> Self {
        let (timeout, again_after) = (config.fetch_timeout, config.refetch_after);
        let mut device = Self {
            dialer: Dialer::asking(now, &config.link, config.seed, timeout, again_after),
            answers_to: None,
            outbox: Outbox::default(),
            unaddressed: VecDeque::new(),
            bucket: None,
            busy_answers: 0,
            is_holding: false,
            journal: Journal::new(&config.link, config.seed),
            tasks: BTreeMap::new(),
            queue: VecDeque::new(),
            slots: BTreeMap::new(),
            kept: BTreeMap::new(),
            kept_last: 0,
            counters: Counters::default(),
            out: VecDeque::new(),
            config,
        };
        device.restore(now, recovered);
        device.handle_timeout(now);
        device
    }

    /// Takes one fact from the world. Never fails: whatever others did wrong comes out as output.
    ///
    /// News of an exchange, a connection or a request that is not open any more means nothing.
    pub fn handle_input(&mut self, now: Instant, input: Input) {
        self.fire(now);
        if self.is_closed() {
            return;
        }
        match input {
            Input::Info(exchange, answer) => self.informed(now, exchange, answer),
            Input::Connected => self.connected(now),
            Input::Disconnected(why) => self.disconnected(now, why),
            Input::Received(incoming) => self.received(now, incoming),
            Input::Garbled(delivery, kind) => self.garbled(delivery, kind),
            Input::Sent(send) => self.sent(now, send),
            Input::SendFailed(send, why) => self.not_sent(now, send, why),
            Input::Stored(seq) => self.stored(now, seq),
            Input::StoreFailed(seq) => {
                if self.journal.failed(now, seq) {
                    self.say(Event::StoreTrouble);
                }
            }
        }
        self.go_on(now);
    }

    /// Fires what is due at `now`. Harmless when called early, late or twice.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.fire(now);
        self.go_on(now);
    }

    /// Next thing to do, oldest first; `None` when there is nothing until the next input.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// When to call [`Self::handle_timeout`]; `None` means no timer is armed.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.is_closed() {
            return None;
        }
        let oldest = self.kept.first_key_value();
        let due = [
            self.dialer.due(),
            self.journal.due(),
            self.unacknowledged_at(),
            self.publishable_at(),
            oldest.and_then(|(_, &(until, _))| until),
        ];
        due.into_iter().flatten().min()
    }

    /// Takes the outcome of a run, also of one that was cancelled: what it has found counts.
    ///
    /// # Errors
    ///
    /// Hands the outcome back if the application does not work on this run.
    pub fn complete(
        &mut self,
        now: Instant,
        id: TaskId,
        run: Run,
        outcome: Outcome,
    ) -> Result<(), Refused<Outcome>> {
        self.handle_timeout(now);
        //= docs/spec/analyst-proto.md#analyser
        //# The outcome of a run that is not at work MUST be refused.
        if self.is_closed() || self.slots.get(&id) != Some(&run) {
            return Err(Refused(outcome));
        }
        self.ended(now, id, run, outcome);
        self.go_on(now);
        Ok(())
    }

    /// A cancelled run has ended without an outcome. One that was not cancelled has failed.
    pub fn stopped(&mut self, now: Instant, id: TaskId, run: Run) {
        // One that is not at work has been reported before.
        let _ = self.complete(now, id, run, Outcome::Failed("stopped".into()));
    }

    /// Ends the machine at once: what is accepted and what is found is in the store.
    pub fn close(&mut self, now: Instant) {
        self.handle_timeout(now);
        self.end(Reason::Local);
    }

    /// True once [`Event::Closed`] has been queued.
    pub fn is_closed(&self) -> bool {
        self.dialer.phase() == Phase::Closed
    }

    /// What the connection does at the moment.
    pub fn state(&self) -> State {
        match self.dialer.phase() {
            Phase::Waiting(_) => State::Waiting,
            Phase::Fetching(..) => State::Fetching,
            Phase::Opening(_) => State::Opening,
            Phase::Up(_) => State::Up,
            Phase::Closed => State::Closed,
        }
    }

    /// What is going on with a task; `None` if it is not known.
    pub fn task(&self, id: TaskId) -> Option<TaskState> {
        let task = self.tasks.get(&id)?;
        Some(task.state(self.slots.contains_key(&id)))
    }

    /// Tasks that are known, those that are over included.
    pub fn tasks(&self) -> usize {
        self.tasks.len()
    }

    /// Tasks that wait for a run.
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Runs that the application works on.
    pub fn running(&self) -> usize {
        self.slots.len()
    }

    /// Messages that the broker has not acknowledged.
    pub fn unsent(&self) -> usize {
        self.outbox.len().saturating_add(self.unaddressed.len())
    }

    /// What it has done so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Fires timers; what follows from them is for [`Self::go_on`].
    fn fire(&mut self, now: Instant) {
        if self.is_closed() {
            return;
        }
        //= docs/spec/analyst-proto.md#analyser
        //# The analyser MUST end when its store has failed for `store_give_up`.
        if self.journal.is_hopeless(now) {
            return self.end(Reason::Store);
        }
        //= docs/spec/analyst-proto.md#analyser
        //# A request that the store has not carried out MUST be made again.
        for (seq, op) in self.journal.retry(now) {
            self.out.push_back(Output::Store(seq, op));
        }
        self.dial(now);
        //= docs/spec/analyst-proto.md#analyser
        //# The analyser MUST hang up when the broker has not acknowledged a message within `ack_timeout`.
        if self.unacknowledged_at().is_some_and(|at| at <= now) {
            self.hang_up(now, HangUp::NotAcknowledged);
        }
    }

    /// Does what can be done now. Doing it twice does nothing more.
    fn go_on(&mut self, now: Instant) {
        if self.is_closed() {
            return;
        }
        self.begin_runs();
        self.forget_old(now);
        self.release_held(now);
        self.publish(now);
    }

    fn end(&mut self, reason: Reason) {
        if self.is_closed() {
            return;
        }
        self.dialer.close();
        //= docs/spec/analyst-proto.md#analyser
        //# An analyser that is closed MUST report so once, as the last thing it says.
        self.say(Event::Closed(reason));
        self.out.push_back(Output::Disconnect);
    }

    fn say(&mut self, event: Event) {
        self.out.push_back(Output::Event(event));
    }
}

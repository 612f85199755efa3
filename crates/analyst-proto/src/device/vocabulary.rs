//! What a [`super::Device`] hears and says.

use crate::link::{
    DeliveryId, Down, ExchangeId, HangUp, Incoming, LinkConfig, Login, NotSent, Publish,
};
use crate::link::{SendId, Seq};
use crate::wire::{
    ClientId, ConnectionInfo, InfoWarning, NoInfo, Start, Taken, TaskId, Text, Topic,
};
use crate::{BrokerProfile, Rate, WireErrorKind};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Settings of an analyser.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Its name at the server, which the driver signs for.
    pub name: Text,
    /// Seed of the chance in delays. Give every analyser its own.
    pub seed: u64,
    /// How it keeps its connection and waits for its store; a window of 1.
    pub link: LinkConfig,
    /// What the broker does differently; `None` to tell by its host and the user name. Default
    /// `None`.
    pub profile: Option<BrokerProfile>,
    /// How long the server may take to say where the broker is; 10 s.
    pub fetch_timeout: Duration,
    /// The server is asked again where the broker is after so many connections in a row that were
    /// not made; 3.
    pub refetch_after: u32,
    /// Most runs at once; 1.
    pub parallel: usize,
    /// Most tasks that wait for a run; 4.
    pub max_queue: usize,
    /// What a task gets for which there is no room; [`Busy::Fail`].
    pub busy: Busy,
    /// Most answers of [`Busy::Fail`] that wait for the broker; 64. Beyond that tasks are held.
    pub max_busy: usize,
    /// Most tasks that are over and kept, with their results; 1,000.
    pub kept_results: usize,
    /// How long such a task is kept; 24 h.
    pub kept_for: Duration,
    /// A cancellation within this time after a task came again is taken for one of the time before,
    /// and one that is delivered again also when it came once; `None` is 15 s under
    /// [`BrokerProfile::Lmq`], which keeps no order, and else 0. Default `None`.
    pub overtake_guard: Option<Duration>,
    /// How fast it may publish; `None` is 20 messages a second under [`BrokerProfile::Lmq`], and else
    /// as it likes. Default `None`.
    pub rate: Option<Rate>,
    /// How a cancellation is answered; [`ReplyToTimeout::Nothing`], as the document does not say.
    pub reply_to_timeout: ReplyToTimeout,
    /// Extension `attempt`: answers carry the `analyst_id` of their task; false. One of more than 128
    /// bytes is left out.
    pub echo_attempt: bool,
}

/// What a task gets for which there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Busy {
    /// The failure `busy`, at once.
    Fail,
    /// Nothing: it is not acknowledged, so that the broker delivers it again. A broker that does so
    /// only over a new connection gets one once there is nothing else to do.
    Hold,
}

/// How a cancellation is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReplyToTimeout {
    /// Not at all.
    Nothing,
    /// With the failure `timeout`, if the task was running.
    Fail,
}

/// Number of a run: one time that a task is worked on, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Run(pub u32);

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// What was taken.
    Taken(Taken),
    /// Why it could not be found out.
    Failed(Text),
}

/// What the world tells the machine.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Input {
    /// Answers [`Output::Fetch`].
    Info(ExchangeId, Result<ConnectionInfo, NoInfo>),
    /// The broker has accepted the connection.
    Connected,
    /// The connection is gone, or was not to be had.
    Disconnected(Down),
    /// The broker delivered a message on our topic.
    Received(Incoming),
    /// What the broker delivered is no message.
    Garbled(DeliveryId, WireErrorKind),
    /// The broker has acknowledged a message.
    Sent(SendId),
    /// A message was not published.
    SendFailed(SendId, NotSent),
    /// The store has done what was asked, and it will be there after a power cut.
    Stored(Seq),
    /// The store has not done what was asked. Whether it is there after a power cut is not known.
    StoreFailed(Seq),
}

/// What the machine asks of the world, in order.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Output {
    /// Ask the server where the broker is. A question before it need not be answered any more.
    Fetch(ExchangeId),
    /// Connect to the broker.
    Open(Login),
    /// Subscribe with quality of service 1.
    Subscribe(Topic),
    /// Publish a message with quality of service 1. Answered with [`Input::Sent`] or
    /// [`Input::SendFailed`], or with the end of the connection.
    Send(Publish),
    /// Acknowledge a delivery.
    Ack(DeliveryId),
    /// Drop the connection, and say nothing more of it.
    Hangup,
    /// Ask the store for something. The same number may come again after [`Input::StoreFailed`].
    Store(Seq, Op),
    /// Tell the application.
    Event(Event),
    /// Drop the connection; nothing follows.
    Disconnect,
}

/// What the machine asks of its store: to keep this, or to forget.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Op {
    /// A task is accepted: it will have a result.
    Accept {
        /// Number of the task.
        id: TaskId,
        /// Number of the run that it is accepted for.
        run: Run,
        /// The task.
        task: Arc<Start>,
    },
    /// A run is cancelled.
    Cancel {
        /// Number of the task.
        id: TaskId,
        /// Number of the run.
        run: Run,
    },
    /// A run has ended.
    Result {
        /// Number of the task.
        id: TaskId,
        /// Number of the run.
        run: Run,
        /// Counts the results of this run from 1: a later one takes the place of an earlier one.
        nth: u32,
        /// How it ended.
        outcome: Arc<Outcome>,
    },
    /// The broker has acknowledged a result.
    Delivered {
        /// Number of the task.
        id: TaskId,
        /// Number of the run.
        run: Run,
        /// Which of its results.
        nth: u32,
    },
    /// Delete all of a task up to this run. What is deleted, and this request itself, need not be
    /// handed back when the machine is restored; a store that does so hands all back in the order in
    /// which it was stored.
    Forget {
        /// Number of the task.
        id: TaskId,
        /// Number of the last run to forget.
        run: Run,
    },
}

/// What the store held when it was opened.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Recovered {
    /// All that was stored and not forgotten, in any order. A record that was cut off while it was
    /// written is left out.
    pub records: Vec<Op>,
}

/// What the application learns.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The server said where the broker is.
    Info {
        /// Who the analyser is there.
        client_id: ClientId,
        /// Who the dispatcher is there.
        server_client_id: ClientId,
        /// What the broker does differently.
        profile: BrokerProfile,
    },
    /// The server said something that may not work.
    Warning(InfoWarning),
    /// The server did not say where the broker is; it is asked again after a while.
    NotInformed(NoInfo),
    /// Connected.
    Up,
    /// The connection is gone, or was not to be had. It is made again after a while.
    Down(Down),
    /// The machine has dropped the connection. It is made again after a while.
    HungUp(HangUp),
    /// Connections break so often that another client is likely to use the same identifier.
    DuplicateIdSuspected,
    /// Work on this task, and report with [`super::Device::complete`].
    Work {
        /// Number of the task.
        id: TaskId,
        /// Number of the run.
        run: Run,
        /// The task.
        task: Arc<Start>,
    },
    /// Stop working on this task. Report with [`super::Device::stopped`], or with
    /// [`super::Device::complete`] if there is a result already.
    Cancel {
        /// Number of the task.
        id: TaskId,
        /// Number of the run.
        run: Run,
    },
    /// A task was answered with the failure `busy`.
    Busy(TaskId),
    /// A task is cancelled that is not known.
    StrayCancel(TaskId),
    /// A cancellation was ignored: it came so soon after the task that it belongs to the time before.
    StaleCancel {
        /// Number of the task.
        id: TaskId,
        /// Number of the run that goes on.
        run: Run,
    },
    /// A cancellation was ignored: it does not say of which task.
    AmbiguousCancel,
    /// The broker has acknowledged a result.
    Delivered {
        /// Number of the task.
        id: TaskId,
        /// Number of the run.
        run: Run,
    },
    /// A result is larger than the broker takes; the failure `result too large` goes in its place.
    TooLarge {
        /// Number of the task.
        id: TaskId,
        /// Number of the run.
        run: Run,
    },
    /// Not even a failure is small enough for the broker: the server learns nothing.
    Undeliverable {
        /// Number of the task.
        id: TaskId,
        /// Number of the run.
        run: Run,
    },
    /// A task that was over is not known any more: it was kept for [`Config::kept_for`], or was the
    /// oldest of more than [`Config::kept_results`].
    Forgotten(TaskId),
    /// A message was ignored.
    Ignored(Ignored),
    /// The store has failed; said once until it does something again. What it was asked for is asked
    /// for again.
    StoreTrouble,
    /// The machine has ended; nothing follows.
    Closed(Reason),
}

/// A message that was ignored.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ignored {
    /// A result: only dispatchers get those.
    WrongWay(TaskId),
    /// Its action is not known.
    Unknown(Text),
    /// It cannot be read.
    Garbled(WireErrorKind),
}

/// Why a machine ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// [`super::Device::close`] was called.
    Local,
    /// The store has failed for too long.
    Store,
}

/// What an analyser's connection does at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// Waits before it tries again.
    Waiting,
    /// Asks the server where the broker is.
    Fetching,
    /// Connects.
    Opening,
    /// Connected.
    Up,
    /// Has ended.
    Closed,
}

/// What is going on with a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TaskState {
    /// Waits for the store to accept it.
    Accepting,
    /// Waits for a run.
    Queued,
    /// Is worked on.
    Running,
    /// Is cancelled and still worked on.
    Cancelling,
    /// Is cancelled.
    Cancelled,
    /// Its result waits for the store.
    Storing,
    /// Its result waits for the broker.
    Offered,
    /// The broker has its result.
    Kept,
    /// Waits for the store to forget it.
    Forgetting,
}

/// A command could not be taken; gives its value back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Refused<T>(pub T);

/// What an analyser has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counters {
    /// Tasks that came, also again.
    pub starts: u64,
    /// Runs that tasks were accepted for.
    pub accepted: u64,
    /// Tasks that were answered as busy.
    pub busy: u64,
    /// Tasks that were held for want of room.
    pub held: u64,
    /// Tasks that were turned away while the store was behind.
    pub turned_away: u64,
    /// Runs that began.
    pub runs: u64,
    /// Runs that found out what was taken.
    pub finished: u64,
    /// Runs that failed.
    pub failed: u64,
    /// Results that the broker has acknowledged, also again.
    pub delivered: u64,
    /// Cancellations that came.
    pub cancels: u64,
    /// Cancellations of tasks that are not known.
    pub stray_cancels: u64,
    /// Cancellations that were too soon to be meant.
    pub stale_cancels: u64,
    /// Cancellations that did not say of which task.
    pub ambiguous_cancels: u64,
    /// Results that came, as only dispatchers get them.
    pub wrong_way: u64,
    /// Messages of an action that is not known.
    pub unknown: u64,
    /// Messages that could not be read.
    pub garbled: u64,
}

impl Config {
    /// The defaults, with the analyser's name and a seed for the chance in delays.
    pub fn new(name: impl Into<Text>, seed: u64) -> Self {
        Self {
            name: name.into(),
            seed,
            link: LinkConfig::with_window(1),
            profile: None,
            fetch_timeout: Duration::from_secs(10),
            refetch_after: 3,
            parallel: 1,
            max_queue: 4,
            busy: Busy::Fail,
            max_busy: 64,
            kept_results: 1_000,
            kept_for: Duration::from_secs(24 * 60 * 60),
            overtake_guard: None,
            rate: None,
            reply_to_timeout: ReplyToTimeout::Nothing,
            echo_attempt: false,
        }
    }
}

impl Run {
    /// A task's first run.
    pub const FIRST: Self = Self(1);

    /// The run after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl Op {
    /// Number of the task that it is about.
    pub fn id(&self) -> TaskId {
        match *self {
            Self::Accept { id, .. }
            | Self::Cancel { id, .. }
            | Self::Result { id, .. }
            | Self::Delivered { id, .. }
            | Self::Forget { id, .. } => id,
        }
    }
}

impl Recovered {
    /// What a new store holds.
    pub fn empty() -> Self {
        Self::default()
    }

    /// What a store holds.
    pub fn new(records: Vec<Op>) -> Self {
        Self { records }
    }
}

impl<T> fmt::Debug for Refused<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Refused(..)")
    }
}

impl<T> fmt::Display for Refused<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no such run is at work: drop the result")
    }
}

impl<T> std::error::Error for Refused<T> {}

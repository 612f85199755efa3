//! What a [`super::Platform`] hears and says.

use super::relay::{NodeId, Relay};
use crate::link::{
    DeliveryId, Down, ExchangeId, HangUp, Incoming, LinkConfig, Login, NotSent, Publish, SendId,
    Seq,
};
use crate::sign::Preset;
use crate::wire::{
    ClientId, InfoReply, Secret, SignedRequest, Start, Taken, TaskId, Text, Topic, UnixMillis,
};
use crate::{BrokerProfile, DeskConfig, Rate, Refusal, RequestError, WireErrorKind};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Settings of a dispatcher.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// Seed of the jitter in delays and of the first ticket of a relay: another one for each start, so
    /// that no answer to an earlier life is taken for one to this.
    pub seed: u64,
    /// Where the broker is, and who the dispatcher is there.
    pub login: Login,
    /// How the broker treats point-to-point messages; as the login tells.
    pub profile: BrokerProfile,
    /// The broker's host, as analysers are told; that of the login.
    pub public_host: Text,
    /// Its port, as analysers are told; that of the login.
    pub public_port: u16,
    /// Whether that port is one of TLS; as we connect.
    pub public_is_tls: bool,
    /// What analysers log in to the broker with; what the dispatcher does.
    pub credentials: Credentials,
    /// How requests for connection information are judged.
    pub desk: DeskConfig,
    /// How they are signed; [`Preset::MakeMd5`].
    pub preset: Preset,
    /// Connection and store.
    pub link: LinkConfig,
    /// How long an analyser may work on a task, unless the task says otherwise, from the broker's
    /// acknowledgement of its START; 60 s. At least 1 s and at most 1 h.
    pub lease: Duration,
    /// How long the broker may take to acknowledge a START before its lease counts as over; 30 s.
    pub ack_wait: Duration,
    /// How often a task is given to an analyser, unless the task says otherwise; 3. Analysers that
    /// were busy are not counted, up to 16 of them.
    pub max_attempts: u32,
    /// Delays before the second attempt, the third, and so on; the last one is for all that follow.
    /// 0, 2 and 10 s.
    pub retry_delays: Vec<Duration>,
    /// How long a result of an earlier attempt is waited for before a task fails; 2 s.
    pub linger: Duration,
    /// How long a task may wait for its first attempt; `None` for as long as it takes. Default
    /// `None`.
    pub queue_wait: Option<Duration>,
    /// Sends START again when half the lease is over, so that an analyser whose result was lost says
    /// it again; false.
    pub nudge: bool,
    /// Puts a label into `analyst_id` of each START, and takes a result that echoes it for one of
    /// that attempt; false. No document knows it.
    pub label_attempts: bool,
    /// Extension `progress`: whether `ANALYSIS_PROGRESS` begins the lease anew; false.
    pub takes_progress: bool,
    /// An analyser is given no tasks for a while after so many leases in a row ran out; 3.
    pub suspend_after: u32,
    /// How long at first; 60 s. It doubles each time. Then one task tries it out.
    pub suspend_min: Duration,
    /// How long at most; 15 min.
    pub suspend_max: Duration,
    /// How long after a connection is made nothing is judged by time, so that what has queued up at
    /// the broker is heard first; 10 s or 1 s, by the profile.
    pub settle: Duration,
    /// How fast the dispatcher may publish; `None` without limit. 20 a second or none, by the profile.
    pub rate: Option<Rate>,
    /// Most tasks without a confirmed verdict; 100,000.
    pub max_tasks: usize,
    /// Most analysers; 10,000.
    pub max_analysts: usize,
    /// Most verdicts remembered after they are confirmed, to tell late results; 100,000.
    pub tombstones: usize,
    /// How long they are remembered; 24 h.
    pub tombstone_time: Duration,
    /// Reasons of an analyser that end the task: whatever begins so; none.
    pub fatal_reasons: Vec<String>,
    /// Reasons that say that the analyser has no room: whatever begins so; `busy`.
    pub busy_reasons: Vec<String>,
    /// Takes a result whose id was rounded by a reader with floating point for the one live task
    /// that it can mean; false.
    pub rounded_ids: bool,
    /// The other dispatchers of a cluster, which results for tasks that are not known here are offered
    /// to; none.
    pub peers: BTreeSet<NodeId>,
    /// How long they have to say whether they know the task; 2 s.
    pub relay_wait: Duration,
    /// Most results that are offered to peers at a time, and most of theirs that wait for the store; 64.
    pub max_relays: usize,
}

/// A task to be given to an analyser.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Submission {
    /// The task itself.
    pub task: Start,
    /// Tasks of a higher priority go first; 0.
    pub priority: i32,
    /// How long an analyser may work on it; `None` as configured.
    pub lease: Option<Duration>,
    /// When its verdict is [`Verdict::Expired`] at the latest; `None` never.
    pub expires_at: Option<UnixMillis>,
    /// How often it is given to an analyser; `None` as configured.
    pub max_attempts: Option<u32>,
}

/// An analyser that may be given tasks.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Registration {
    /// Its name at the server.
    pub name: Text,
    /// The key that it signs with.
    pub secret: Secret,
    /// Who it is at the broker.
    pub client_id: ClientId,
    /// Most tasks that it is given at a time; 1.
    pub capacity: usize,
}

/// What analysers log in to the broker with.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credentials {
    /// All with the same.
    Shared {
        /// The user name.
        user_name: Text,
        /// The password.
        password: Secret,
    },
    /// Each with a password of its own, as Aliyun's brokers have it.
    Signed {
        /// `Signature|{access key id}|{instance}`.
        user_name: Text,
        /// The secret of that access key, which signs client identifiers.
        secret: Secret,
    },
}

/// What the world tells the machine.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Input {
    /// The broker accepted us.
    Connected,
    /// The connection is gone, or was not to be had.
    Disconnected(Down),
    /// The broker delivered a message.
    Received(Incoming),
    /// The broker delivered something else.
    Garbled(DeliveryId, WireErrorKind),
    /// The broker acknowledged a message.
    Sent(SendId),
    /// A message was not sent.
    SendFailed(SendId, NotSent),
    /// The store has done what was asked, and it will be there after a power cut.
    Stored(Seq),
    /// The store has not done what was asked. It will be asked again.
    StoreFailed(Seq),
    /// Somebody asks for connection information.
    InfoRequest {
        /// What it is answered by.
        exchange: ExchangeId,
        /// The wall-clock time at which it came.
        at: UnixMillis,
        /// What it says, or why it says nothing.
        request: Result<SignedRequest, RequestError>,
    },
    /// Somebody knows whether an analyser is connected to the broker.
    Presence {
        /// The analyser.
        client: ClientId,
        /// True if it is.
        online: bool,
    },
    /// Another dispatcher says something.
    FromNode {
        /// Which one.
        node: NodeId,
        /// What it says.
        relay: Relay,
    },
}

/// What the machine asks of the world, in order.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Output {
    /// Connect to the broker.
    Open(Login),
    /// Subscribe with quality of service 1.
    Subscribe(Topic),
    /// Publish a message.
    Send(Publish),
    /// Acknowledge a delivery.
    Ack(DeliveryId),
    /// Drop the connection. Nothing more is to be told of it.
    Hangup,
    /// Answer a request for connection information.
    InfoReply(ExchangeId, InfoReply),
    /// Tell another dispatcher. It need not arrive, nor in order.
    Relay {
        /// Which one.
        node: NodeId,
        /// What to tell.
        relay: Relay,
    },
    /// Ask the store for something. The same number may come again after [`Input::StoreFailed`].
    Store(Seq, Op),
    /// Tell the application.
    Event(Event),
    /// The machine has ended; nothing follows.
    Disconnect,
}

/// What is to be kept. Records mean the same in any order.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Op {
    /// A task was accepted.
    Submit(TaskId, Arc<Submission>),
    /// An analyser is going to be given the task.
    Assign {
        /// The task.
        id: TaskId,
        /// Number of the attempt, from 1.
        attempt: u32,
        /// The analyser.
        client: ClientId,
    },
    /// The broker has acknowledged the START of an attempt.
    Out {
        /// The task.
        id: TaskId,
        /// Number of the attempt.
        attempt: u32,
    },
    /// The lease of an attempt is over.
    Over {
        /// The task.
        id: TaskId,
        /// Number of the attempt.
        attempt: u32,
    },
    /// An analyser said that it failed.
    FailNoted {
        /// The task.
        id: TaskId,
        /// Number of its attempt; `None` if it is not known.
        attempt: Option<u32>,
        /// What it said.
        reason: Text,
    },
    /// How the task ended. If there are several, [`Verdict::Finished`] counts.
    Terminal(TaskId, Verdict),
    /// The application has taken note of the verdict.
    Confirmed(TaskId),
    /// Nothing need be known of the task any more: all records of it may go.
    Forget(TaskId),
}

/// How a task ended.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Verdict {
    /// An analyser found what was taken.
    Finished(Taken),
    /// No analyser could find out; what they said, oldest first.
    Failed(Vec<Text>),
    /// No analyser said anything in time.
    Expired,
    /// [`super::Platform::cancel`] was called.
    Cancelled,
}

/// What the application learns.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The broker accepted us.
    Up,
    /// The connection is gone, or was not to be had. It is made again after a while.
    Down(Down),
    /// The machine has dropped the connection. It is made again after a while.
    HungUp(HangUp),
    /// Connections break so soon that another client is likely to have our identifier.
    DuplicateIdSuspected,
    /// An analyser was told where the broker is.
    Informed(ClientId),
    /// Somebody was not told where the broker is.
    Refused {
        /// The name that was given, by whoever it was.
        name: Option<Text>,
        /// Why not.
        refusal: Refusal,
    },
    /// A task is kept: it will get a verdict.
    Accepted(TaskId),
    /// An attempt took too long; another analyser gets the task if there are attempts left.
    TimedOut {
        /// The task.
        id: TaskId,
        /// Number of the attempt.
        attempt: u32,
        /// The analyser.
        client: ClientId,
    },
    /// An attempt failed; another analyser gets the task.
    AttemptFailed {
        /// The task.
        id: TaskId,
        /// Number of the attempt.
        attempt: u32,
        /// What the analyser said.
        reason: Text,
    },
    /// An analyser failed, and it is not known in which attempt; the task goes on.
    FailHeld {
        /// The task.
        id: TaskId,
        /// What it said.
        reason: Text,
    },
    /// The task has ended, and that is kept. Told again after each restart until
    /// [`super::Platform::confirm`] is called.
    Verdict {
        /// The task.
        id: TaskId,
        /// How it ended.
        verdict: Verdict,
        /// How often it was given to an analyser.
        attempts: u32,
        /// The analyser whose result it is, if that is known.
        client: Option<ClientId>,
    },
    /// A result came after the verdict.
    LateResult(TaskId, Late),
    /// A result came for a task that no analyser was given.
    Unsolicited(TaskId),
    /// A result came for a task that is not known, nor to any peer that has said so.
    UnknownResult(TaskId),
    /// Such a result was not offered to peers, since [`Config::max_relays`] were.
    NotRelayed(TaskId),
    /// Such a result was offered to peers, and these have not said in time whether they know the task.
    /// Those that do may have it nevertheless.
    RelayUnanswered(TaskId, BTreeSet<NodeId>),
    /// Something came from a node that is no peer.
    StrangeNode(NodeId),
    /// A result came for a task that is not known, with the number that a reader with floating point
    /// makes of one that is.
    RoundedId {
        /// The number that came.
        got: TaskId,
        /// The one that it is likely to mean.
        live: TaskId,
    },
    /// A message came that is none for a dispatcher.
    Unexpected(&'static str),
    /// What came cannot be read.
    Garbled(WireErrorKind),
    /// An analyser let too many leases run out and gets no tasks for so long.
    Suspended(ClientId, Duration),
    /// The store does not do what it is asked; told once until it does.
    StoreTrouble,
    /// The machine has ended; nothing follows.
    Closed(Reason),
}

/// What a result that came after the verdict says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Late {
    /// The same as the verdict.
    Same,
    /// Something else: somebody should look at it.
    Conflict,
    /// That the analyser failed.
    Fail,
}

/// Why a machine ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// [`super::Platform::close`] was called.
    Local,
    /// The store failed for longer than [`LinkConfig::store_give_up`].
    Store,
}

/// A command that could not be taken, with what it was given.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused<T> {
    /// There is a task of this number, or was not long ago; or another analyser has the name.
    #[error("the number or name is taken: choose another")]
    Known(T),
    /// There is none.
    #[error("there is none of this number or name, or nothing to be confirmed: drop the command")]
    Unknown(T),
    /// It is too late.
    #[error("the task is decided: wait for its verdict")]
    Decided(T),
    /// There are as many as may be.
    #[error("there are as many as may be: try again when there are fewer")]
    Full(T),
    /// The machine has ended.
    #[error("the machine has ended: make a new one")]
    Closed(T),
}

/// What the dispatcher has to do at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Tasks that are not kept yet.
    pub submitting: usize,
    /// Tasks that wait for an analyser.
    pub queued: usize,
    /// Tasks that an analyser is given or has.
    pub working: usize,
    /// Tasks that wait for a late result before they fail.
    pub lingering: usize,
    /// Tasks whose verdict is not kept yet.
    pub judging: usize,
    /// Tasks whose verdict is not confirmed.
    pub judged: usize,
    /// Verdicts that are remembered for late results.
    pub remembered: usize,
    /// Analysers that are registered.
    pub analysts: usize,
    /// Analysers that could be given a task at once.
    pub free: usize,
    /// Messages that the broker has not acknowledged.
    pub unsent: usize,
}

/// What the dispatcher has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counters {
    /// Tasks accepted.
    pub accepted: u64,
    /// Attempts.
    pub attempts: u64,
    /// Attempts whose lease ran out.
    pub timed_out: u64,
    /// Tasks finished.
    pub finished: u64,
    /// Tasks failed.
    pub failed: u64,
    /// Tasks expired.
    pub expired: u64,
    /// Tasks cancelled.
    pub cancelled: u64,
    /// Results that came after the verdict.
    pub late: u64,
    /// Results for tasks that are not known, or that nobody was given.
    pub stray: u64,
    /// Results that were offered to peers.
    pub relayed: u64,
    /// Results of peers that were taken.
    pub adopted: u64,
    /// Requests for connection information that were answered with it.
    pub informed: u64,
    /// Requests for connection information that were refused.
    pub refused: u64,
    /// Messages that are none for a dispatcher, or cannot be read.
    pub unexpected: u64,
    /// Deliveries that were left for the broker to deliver again, and results of peers that were left
    /// without an answer, since the store was behind.
    pub deferred: u64,
}

impl Config {
    /// The defaults for this login.
    pub fn new(login: Login, seed: u64) -> Self {
        let profile = login.profile();
        Self {
            seed,
            public_host: login.host.clone(),
            public_port: login.port,
            public_is_tls: login.is_tls,
            credentials: Credentials::Shared {
                user_name: login.user_name.clone(),
                password: login.password.clone(),
            },
            desk: DeskConfig::new(),
            preset: Preset::default(),
            login,
            profile,
            link: LinkConfig::with_window(16),
            lease: Duration::from_secs(60),
            ack_wait: Duration::from_secs(30),
            max_attempts: 3,
            retry_delays: vec![
                Duration::ZERO,
                Duration::from_secs(2),
                Duration::from_secs(10),
            ],
            linger: Duration::from_secs(2),
            queue_wait: None,
            nudge: false,
            label_attempts: false,
            takes_progress: false,
            suspend_after: 3,
            suspend_min: Duration::from_secs(60),
            suspend_max: Duration::from_secs(15 * 60),
            settle: profile.settle(),
            rate: profile.rate(),
            max_tasks: 100_000,
            max_analysts: 10_000,
            tombstones: 100_000,
            tombstone_time: Duration::from_secs(24 * 60 * 60),
            fatal_reasons: Vec::new(),
            busy_reasons: vec!["busy".to_owned()],
            rounded_ids: false,
            peers: BTreeSet::new(),
            relay_wait: Duration::from_secs(2),
            max_relays: 64,
        }
    }
}

impl Submission {
    /// A task as configured.
    pub fn new(task: Start) -> Self {
        Self {
            task,
            priority: 0,
            lease: None,
            expires_at: None,
            max_attempts: None,
        }
    }
}

impl Registration {
    /// An analyser that works on one task at a time.
    pub fn new(name: impl Into<Text>, secret: Secret, client_id: ClientId) -> Self {
        Self {
            name: name.into(),
            secret,
            client_id,
            capacity: 1,
        }
    }
}

impl Op {
    /// The task that it is about.
    pub fn id(&self) -> TaskId {
        match self {
            Self::Submit(id, _)
            | Self::Assign { id, .. }
            | Self::Out { id, .. }
            | Self::Over { id, .. }
            | Self::FailNoted { id, .. }
            | Self::Terminal(id, _)
            | Self::Confirmed(id)
            | Self::Forget(id) => *id,
        }
    }
}

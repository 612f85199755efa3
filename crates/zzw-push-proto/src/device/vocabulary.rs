//! What a [`super::Device`] hears and says.

use crate::WireError;
use crate::wire::{
    Bodies, Code, Counts, Delivery, Door, Failure, Info, Message, Mid, Status, Text, Token, Topics,
};
use std::time::Duration;

/// Settings of a device.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// Who it is, 1 to 128 bytes: see [`is_name`](crate::wire::is_name).
    pub alias: Text,
    /// The client's token, where servers ask for one; none.
    pub token: Option<Token>,
    /// How a link comes to know the alias; [`Binding::Frame`].
    pub binding: Binding,
    /// Topics to subscribe to on every link; none. [`super::Device::register`] adds to them.
    pub topics: Vec<Text>,
    /// What it says about itself when it subscribes; nothing.
    pub info: Option<Info>,
    /// When a delivery is acknowledged; [`Ack::Automatic`].
    pub ack: Ack,
    /// What to do when another link takes the alias; [`Replaced::Close`].
    pub replaced: Replaced,
    /// Seed of the jitter in delays. Give every device its own.
    pub seed: u64,
    /// Time between heartbeats; 30 s.
    pub heartbeat: Duration,
    /// After so many heartbeats' time without a word a link is dead; 3.
    pub silent_periods: u32,
    /// How long a server may take to accept the alias; 10 s.
    pub bind_timeout: Duration,
    /// How long a request may take, the time it waits for a link included; 10 s.
    pub request_timeout: Duration,
    /// Longest first delay before dialling again; 1 s. The delay is drawn evenly from zero to a bound
    /// that doubles with each failure.
    pub backoff_min: Duration,
    /// Longest delay before dialling again; 60 s.
    pub backoff_max: Duration,
    /// Most requests that wait for a link or an answer; 64.
    pub max_requests: usize,
    /// Most topics to subscribe to on every link; 1,024.
    pub max_topics: usize,
    /// Ids of deliveries that are remembered, so that none is reported twice; 256, more than a server
    /// leaves unacknowledged.
    pub remembered: usize,
    /// Most deliveries that wait for the store; 64. Beyond that they are left to be delivered again.
    pub max_storing: usize,
    /// A request to open the door that repeats an earlier one within this time is dropped; 5 s.
    pub door_window: Duration,
    /// A link on which so many messages are garbled within a minute is given up; 10.
    pub max_garbled: u32,
}

/// How a link comes to know the alias.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Binding {
    /// By `t:14` (Z-1), and by the heartbeat behind it: lines over TCP.
    #[default]
    Frame,
    /// By the handshake, where the driver puts the alias into the query and into `auth` (Z-25), and
    /// by the first heartbeat: Socket.IO.
    Handshake,
}

/// When a delivery is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Ack {
    /// Behind its event. A crash of the application loses what it has not worked off.
    #[default]
    Automatic,
    /// When [`super::Device::acknowledge`] is called.
    Manual,
    /// Once the store has it. Its event comes then, too, so nothing is reported that a power cut
    /// could take back.
    Stored,
}

/// What to do when another link takes the alias (Z-42). Two devices that both dial again would throw each
/// other out for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Replaced {
    /// End with [`Reason::Replaced`].
    #[default]
    Close,
    /// Dial again, but not before this time has passed.
    After(Duration),
}

/// Names one command in the event that ends it. Never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Number of a request to the store: ascending in the order of delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Seq(pub u64);

/// What the store held when it was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovered {
    /// The number for the next delivery: one more than the highest that was ever stored.
    pub next_seq: Seq,
    /// Ids of the deliveries stored last, the oldest first; as many as [`Config::remembered`] are
    /// enough. They are acknowledged and not reported when they come again.
    pub mids: Vec<Mid>,
}

/// What the world tells the machine.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Input {
    /// The link is up; over Socket.IO also the handshake.
    Connected,
    /// A message came.
    Received(Message),
    /// What came is no message.
    Garbled(WireError),
    /// The link is gone, or there was none to be had. Ends every [`Output::Connect`], exactly once,
    /// also after [`Output::Disconnect`]; before it nothing is dialled again.
    Disconnected(Cause),
    /// The store has the delivery, and it will be there after a power cut.
    Stored(Seq),
    /// The store has it not and will not.
    StoreFailed(Seq),
}

/// Why a link is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// No server to be had: nobody told of one, refused, unreachable, name not found.
    Unreachable,
    /// The server ended it.
    Closed,
    /// It broke.
    Broken,
    /// What came was no stream of messages: a line or a packet beyond all limits.
    Garbled,
    /// We ended it: the answer to [`Output::Disconnect`].
    Local,
}

/// What the machine asks of the world, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Output {
    /// Ask which server has least to do and connect to it.
    Connect,
    /// Send a message.
    Send(Message),
    /// Tell the application.
    Event(Event),
    /// Keep a delivery, with its id, so that [`Recovered`] has both or none; only with
    /// [`Ack::Stored`]. Answered by [`Input::Stored`] or [`Input::StoreFailed`].
    Store(Seq, Delivery),
    /// End the link or give up dialling, once what was to be sent is sent. Answered by
    /// [`Input::Disconnected`]; behind [`Event::Closed`] no answer is needed.
    Disconnect,
}

/// News for the application.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The server knows us on a new link.
    Bound,
    /// Every topic is subscribed to on this link.
    Subscribed,
    /// The server has not taken the topics; they are offered again a heartbeat later.
    NotSubscribed {
        /// For programs, if the server said so.
        code: Option<Code>,
        /// For people.
        text: Text,
    },
    /// So many messages were lost to the server's limits since the last link.
    Gap(u64),
    /// A message, for the first time.
    Delivered(Delivery),
    /// The store has failed to keep a message; the server delivers it again.
    NotStored(Mid),
    /// Somebody asks to open the door (Z-13). Nothing of the protocol proves who, so the application
    /// decides.
    /// It is never repeated within [`Config::door_window`].
    DoorAsked(Door),
    /// The phone's side of a call is there.
    PhonePresent(Door),
    /// The door's side of a call is there.
    DoorPresent(Door),
    /// A command was carried out.
    Answered(RequestId, Answer),
    /// A command was refused by the server.
    Failed {
        /// Which.
        request: RequestId,
        /// Why, for programs, if the server said so.
        code: Option<Code>,
        /// Why, for people.
        text: Text,
    },
    /// A command has no answer and will get none: none came in time, its link is gone and it must not
    /// be repeated, or the machine was closed.
    TimedOut {
        /// Which.
        request: RequestId,
        /// Whether it was sent, so that it may have been carried out.
        was_sent: bool,
    },
    /// The server complains, and it is not clear about what (Z-7).
    LinkError(Failure),
    /// A message that is no business of a device, of a type that nobody knows (Z-2), or an answer to
    /// nothing.
    Unexpected(Message),
    /// What came is no message.
    Garbled(WireError),
    /// The link is gone, or there was none to be had. It is dialled again.
    Down(LinkEnd),
    /// The machine has ended.
    Closed(Reason),
}

/// What a command brought.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// The topics are added or removed.
    Registered,
    /// The topics of the alias.
    Topics(Topics),
    /// Messages were pulled. Those with an id come as [`Event::Delivered`].
    Pulled {
        /// How many were new.
        fresh: usize,
        /// How many had come before.
        repeated: usize,
        /// Those without an id, from servers that send none, or with one beyond 128 bytes. Nothing
        /// tells whether they came before.
        bare: Bodies,
    },
    /// The message is kept for all who are away. It does not say that anybody has it.
    Published,
    /// How somebody is.
    Status(Status),
    /// How much the server has to do.
    ServerInfo(Counts),
}

/// Why a link ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LinkEnd {
    /// The driver said so.
    Disconnected(Cause),
    /// Not a word for [`Config::silent_periods`] heartbeats.
    Silent,
    /// The server did not accept the alias in time.
    Unbound,
    /// The server refused the alias; an [`Event::LinkError`] told why.
    Rejected,
    /// Another link has taken the alias.
    Replaced,
    /// Too much was garbled.
    Garbled,
}

/// Why a machine ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// [`super::Device::close`] was called.
    Local,
    /// Another link has taken the alias, and [`Config::replaced`] says to end then.
    Replaced,
}

/// What a device does at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// No link; it waits before it dials, or for the driver to end the last one.
    Down,
    /// Dials, or waits for the server to accept the alias.
    Opening,
    /// The server knows it.
    Bound,
    /// Has ended.
    Closed,
}

/// A command that was not taken, with what was given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused<T> {
    /// [`Config::max_requests`] wait, or [`Config::max_topics`] are subscribed to.
    #[error("full: wait for answers, or raise the limit that the command's documentation names")]
    Full(T),
    /// There is no link, and this must not wait for one.
    #[error("not bound: say it again after `Event::Bound`, if it still matters then")]
    NotBound(T),
    /// The same is under way.
    #[error("under way: wait for its outcome")]
    Busy(T),
    /// No such delivery waits for an acknowledgement.
    #[error("unknown: acknowledge what was delivered, while it is remembered")]
    Unknown(T),
    /// Empty, too large, or no name.
    #[error("not valid: see the command's documentation")]
    Invalid(T),
    /// The transport has no such message.
    #[error("not over this transport: see the command's documentation")]
    Unsupported(T),
    /// The machine is closed.
    #[error("closed: make a new machine")]
    Closed(T),
}

/// What a device has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counters {
    /// Times it was bound.
    pub bound: u64,
    /// Deliveries reported.
    pub delivered: u64,
    /// Deliveries that had come before.
    pub repeated: u64,
    /// Deliveries left to come again, because [`Config::max_storing`] waited for the store.
    pub deferred: u64,
    /// Acknowledgements sent.
    pub acked: u64,
    /// Messages garbled.
    pub garbled: u64,
    /// Messages nobody expected.
    pub unexpected: u64,
    /// Requests to open the door that were dropped: repeated, too many, or before the link was bound.
    pub doors_dropped: u64,
}

impl Config {
    /// The defaults for `alias`.
    pub fn new(alias: impl Into<Text>, seed: u64) -> Self {
        Self {
            alias: alias.into(),
            token: None,
            binding: Binding::default(),
            topics: Vec::new(),
            info: None,
            ack: Ack::default(),
            replaced: Replaced::default(),
            seed,
            heartbeat: Duration::from_secs(30),
            silent_periods: 3,
            bind_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(10),
            backoff_min: Duration::from_secs(1),
            backoff_max: Duration::from_secs(60),
            max_requests: 64,
            max_topics: 1_024,
            remembered: 256,
            max_storing: 64,
            door_window: Duration::from_secs(5),
            max_garbled: 10,
        }
    }
}

impl Recovered {
    /// An empty store.
    pub fn empty() -> Self {
        Self::default()
    }
}

impl Seq {
    /// The number after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

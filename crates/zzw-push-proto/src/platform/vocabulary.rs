//! What a [`super::Platform`] hears and says.

use super::store::{
    MessageId, NodeId, Seq, StoreError, StoreOp, StoreReply, Transport, UnixMillis,
};
use crate::WireError;
use crate::rest::{Page, RestReply};
use crate::rooms::LinkId;
use crate::wire::{Code, Json, Message, NodeCounts, Publish, Service, Text};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Settings of a broker.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// This node.
    pub node: NodeId,
    /// Address or name that `/info` and `/info/servers` tell.
    pub host: Text,
    /// Ports that `/info/servers` tells.
    pub service: Service,
    /// Seed of the jitter while draining.
    pub seed: u64,
    /// Messages that may be unacknowledged on a link; 32.
    pub window: usize,
    /// Bytes of bodies that may be unacknowledged on a link; 256 KiB.
    pub window_bytes: usize,
    /// Bytes of bodies held in all; 1 GiB. Beyond that nothing is published and nothing read.
    pub max_held: usize,
    /// When a message is sent again; 30 s.
    pub redeliver_after: Duration,
    /// How often a message is sent on one link; 3.
    pub max_tries: u8,
    /// What becomes of a link that acknowledges none of them; [`OnUnacked::Close`].
    pub on_unacked: OnUnacked,
    /// After which silence a link is gone; 90 s.
    pub link_timeout: Duration,
    /// How long a link may be slow; 10 s.
    pub slow_timeout: Duration,
    /// How long the application may take to decide; 5 s. Then it is no.
    pub ask_timeout: Duration,
    /// After so long, a frame for a door opens none; 5 s.
    pub door_life: Duration,
    /// Longest body, in bytes; 64 KiB.
    pub max_body: usize,
    /// Messages of one pull; 50.
    pub pull_limit: usize,
    /// Bytes of bodies of one pull; 64 KiB.
    pub pull_bytes: usize,
    /// Requests of one link that the store has not answered; 64. Beyond that, `busy`.
    pub max_requests: usize,
    /// Publications that the store has not kept; 65,536. Beyond that, `busy`.
    pub max_publishing: usize,
    /// Frames that wait on a link for a decision; 32. Beyond that, `busy`.
    pub max_waiting: usize,
    /// Most links; 1,048,576.
    pub max_links: usize,
    /// Frames a second on a link, and at once: 50, 200. Heartbeats and expected acknowledgements
    /// cost nothing.
    pub frame_rate: Rate,
    /// Frames and calls a second from one address, and at once: 500, 1,000.
    pub address_rate: Rate,
    /// Publications a second on a link, and at once: 20, 40.
    pub publish_rate: Rate,
    /// How many unreadable frames end a link; 10.
    pub max_garbled: u8,
    /// Within what time; 60 s.
    pub garbled_within: Duration,
    /// Over what time links are closed while draining; 5 s.
    pub drain_over: Duration,
    /// Type 7 is answered with the four counters only, as the document shows it; false.
    pub bare_type7: bool,
    /// Messages for an alias that nobody has ever had fail with `unknown_alias`; false.
    pub reject_unknown_alias: bool,
    /// Who may do what.
    pub rules: Rules,
}

/// How often something may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "two numbers")]
pub struct Rate {
    /// In a second.
    pub per_second: u32,
    /// At once, after a pause.
    pub burst: u32,
}

/// What becomes of a link that acknowledges nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnUnacked {
    /// It is closed.
    Close,
    /// Nothing more is pushed to it until it acknowledges something: for clients that pull.
    Park,
}

/// Who may do what (K-3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rules {
    /// To take an alias; [`Rule::Allow`].
    pub bind: Rule,
    /// To publish to topics; [`Rule::Allow`].
    pub publish: Rule,
    /// To publish to aliases; [`Rule::Allow`].
    pub publish_to_alias: Rule,
    /// To change one's topics; [`Rule::Allow`].
    pub register: Rule,
    /// To pull; [`Rule::Allow`].
    pub pull: Rule,
    /// To ask how somebody is; [`Rule::Allow`].
    pub status: Rule,
    /// To open a door; [`Rule::Ask`].
    pub open_door: Rule,
}

/// Whether something may be done on a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// By everybody.
    Allow,
    /// By nobody.
    Deny,
    /// The application decides, within [`Config::ask_timeout`].
    Ask,
}

/// What the application decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verdict {
    /// It may be done.
    Allow,
    /// It may not.
    Deny,
}

/// Names a REST call. The driver chooses it and does not use it twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a number")]
pub struct ExchangeId(pub u64);

/// Names a question to the application. The machine never uses it twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a number")]
pub struct AskId(pub u64);

/// Names a publication. The machine never uses it twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a number")]
pub struct PublishId(pub u64);

/// The other end of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    /// What it speaks.
    pub transport: Transport,
    /// Where it is.
    pub address: IpAddr,
    /// The alias that its handshake states (Z-25).
    pub alias: Option<Text>,
}

/// A REST call whose token has been found valid.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Call {
    /// `/push`
    Push(Publish),
    /// `/info`
    Info,
    /// `/info/servers`
    Servers,
    /// `/info/status`
    Status(Text),
    /// `/info/allChannelAlias`, `/info/allSocketIOAlias`
    Aliases(Transport, Page),
}

/// What the world tells the machine.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Input {
    /// A transport is up.
    Connected(LinkId, Peer),
    /// A message came, at that time by the wall clock.
    Received(LinkId, UnixMillis, Message),
    /// Something came that is no message.
    Garbled(LinkId, WireError),
    /// A link takes no more for now.
    Slow(LinkId),
    /// It takes more again.
    Drained(LinkId),
    /// A link is gone.
    Disconnected(LinkId),
    /// A REST call came from that address, at that time by the wall clock.
    Called(ExchangeId, IpAddr, UnixMillis, Call),
    /// Whoever called is gone.
    HungUp(ExchangeId),
    /// The store answers. All but the last part of [`StoreReply::Fanned`] leave the request open.
    Stored(Seq, StoreReply),
    /// The store has not done it, or cannot tell.
    StoreFailed(Seq, StoreError),
    /// The rooms of this node have changed.
    Rooms(RoomCounts),
    /// Another node says something.
    FromNode {
        /// Which.
        node: NodeId,
        /// What.
        message: NodeMessage,
    },
}

/// What the machine asks of the world, in order.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Output {
    /// Send a message.
    Send(LinkId, Arc<Message>),
    /// Answer a REST call. The first answer is the only one.
    Reply(ExchangeId, RestReply),
    /// Hand a frame of type 8, 9 or 10 to the rooms. It is never kept and never handed over twice.
    Door {
        /// The link it came on.
        link: LinkId,
        /// The frame.
        message: Message,
        /// Whether it was found to be allowed.
        is_authorised: bool,
    },
    /// Tell the application.
    Event(Event),
    /// Ask the store.
    Store(Seq, StoreOp),
    /// Tell another node.
    Relay {
        /// Which.
        node: NodeId,
        /// What.
        message: NodeMessage,
    },
    /// Send what was to be sent, then close the link. No [`Input::Disconnected`] is needed.
    Disconnect(LinkId),
}

/// What nodes tell each other.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum NodeMessage {
    /// A message is kept for an alias that the other node has.
    Nudge {
        /// For whom.
        alias: Text,
        /// Its id.
        mid: MessageId,
    },
    /// An alias has moved: the other node's epochs before this one are over.
    Kick {
        /// Who.
        alias: Text,
        /// The epoch that has begun.
        epoch: u64,
    },
    /// A message for those who are online now.
    Direct {
        /// For whom.
        alias: Text,
        /// Its id.
        mid: MessageId,
        /// The body.
        body: Json,
        /// The topic it was published to, if it was.
        topic: Option<Text>,
    },
    /// How the other node is.
    Announce(NodeInfo),
    /// The other node's lease has ended.
    Gone,
}

/// How a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeInfo {
    /// Address or name.
    pub host: Text,
    /// Ports.
    pub service: Service,
    /// What it has to do.
    pub counts: NodeCounts,
    /// It takes no new links.
    pub is_draining: bool,
}

/// Rooms and their links.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_structs, reason = "what the document counts")]
pub struct RoomCounts {
    /// Intercom calls.
    pub one_to_one: u64,
    /// Rooms of capture pictures.
    pub one_to_many: u64,
    /// Other rooms.
    pub many_to_many: u64,
    /// Links of all of them.
    pub links: u64,
}

/// What the application learns.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// An alias is online.
    Online(Text, LinkId),
    /// That link of the alias is over.
    Offline(Text, LinkId, LinkEnd),
    /// May it be done? [`super::Platform::decide`] is due within [`Config::ask_timeout`].
    Asked(AskId, Question),
    /// What [`super::Platform::publish`] was given is kept for all who are away.
    Published(PublishId),
    /// It is not, or not for all of them.
    NotPublished(PublishId, Code),
    /// Terminal: the broker is over.
    Closed(Reason),
}

/// What the application is asked.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Question {
    /// The link.
    pub link: LinkId,
    /// Where its other end is.
    pub address: IpAddr,
    /// The alias it has, or wants in a handshake.
    pub alias: Option<Text>,
    /// What it wants to do. A handshake is shown as the connect frame that it stands for.
    pub message: Arc<Message>,
}

/// Why a link ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LinkEnd {
    /// It was disconnected.
    Remote,
    /// It said goodbye.
    Goodbye,
    /// Its alias has a newer link (Z-42).
    Replaced,
    /// Nothing was heard for [`Config::link_timeout`].
    Silent,
    /// It acknowledged nothing.
    Unacked,
    /// It took nothing for [`Config::slow_timeout`].
    Slow,
    /// It sent garbage.
    Rude,
    /// The application closed it.
    Kicked,
    /// The broker stops.
    Closing,
}

/// Why a broker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// [`super::Platform::close`]
    Local,
    /// [`super::Platform::drain`], and the last link has gone.
    Drained,
}

/// A command was not taken; it gives its value back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused<T> {
    /// Too much is on its way; try again later.
    #[error("too much is on its way; try again later")]
    Full(T),
    /// It is larger than the settings allow, or names nobody.
    #[error("it is too large or names nobody; change it")]
    Invalid(T),
    /// The broker has been closed.
    #[error("the broker is closed; make a new one")]
    Closed(T),
    /// There is no such thing, or no longer.
    #[error("there is no such thing any more")]
    Unknown(T),
}

/// What has happened so far, and what is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counters {
    /// Links over TCP now.
    pub tcp_links: u64,
    /// Links over Socket.IO now.
    pub socketio_links: u64,
    /// Aliases that are online here now.
    pub online: u64,
    /// Bytes of bodies held now.
    pub held_bytes: usize,
    /// Requests that the store has not answered now.
    pub store_requests: usize,
    /// Publications taken.
    pub published: u64,
    /// Messages sent for the first time.
    pub delivered: u64,
    /// Messages sent again on the same link.
    pub redelivered: u64,
    /// Messages acknowledged that were waited for.
    pub acked: u64,
    /// Messages not sent because their time was over.
    pub expired: u64,
    /// Messages that had to go for newer ones.
    pub evicted: u64,
    /// Messages for those who are online only that a link had no room for.
    pub dropped: u64,
    /// Frames that were none.
    pub garbled: u64,
    /// Requests answered with `busy`.
    pub busy: u64,
    /// Requests that were not allowed.
    pub denied: u64,
    /// Frames for doors that had to wait for so long that they came to nothing.
    pub late: u64,
    /// Requests that the store has failed.
    pub store_failures: u64,
    /// Links that were too slow.
    pub slow: u64,
}

impl Config {
    /// The defaults, for a node of that name.
    pub fn new(node: NodeId, host: impl Into<Text>) -> Self {
        Self {
            node,
            host: host.into(),
            service: Service::default(),
            seed: 0,
            window: 32,
            window_bytes: 256 << 10,
            max_held: 1 << 30,
            redeliver_after: Duration::from_secs(30),
            max_tries: 3,
            on_unacked: OnUnacked::Close,
            link_timeout: Duration::from_secs(90),
            slow_timeout: Duration::from_secs(10),
            ask_timeout: Duration::from_secs(5),
            door_life: Duration::from_secs(5),
            max_body: 64 << 10,
            pull_limit: 50,
            pull_bytes: 64 << 10,
            max_requests: 64,
            max_publishing: 65_536,
            max_waiting: 32,
            max_links: 1 << 20,
            frame_rate: Rate::new(50, 200),
            address_rate: Rate::new(500, 1_000),
            publish_rate: Rate::new(20, 40),
            max_garbled: 10,
            garbled_within: Duration::from_secs(60),
            drain_over: Duration::from_secs(5),
            bare_type7: false,
            reject_unknown_alias: false,
            rules: Rules::default(),
        }
    }

    /// Zero would stop everything, or let timers fire for ever.
    pub(super) fn sane(mut self) -> Self {
        let least = Duration::from_millis(1);
        self.window = self.window.max(1);
        self.pull_limit = self.pull_limit.max(1);
        self.max_tries = self.max_tries.max(1);
        self.redeliver_after = self.redeliver_after.max(least);
        self.link_timeout = self.link_timeout.max(least);
        self.slow_timeout = self.slow_timeout.max(least);
        self.ask_timeout = self.ask_timeout.max(least);
        self
    }
}

impl Rate {
    /// So often in a second, so often at once.
    pub const fn new(per_second: u32, burst: u32) -> Self {
        Self { per_second, burst }
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            bind: Rule::Allow,
            publish: Rule::Allow,
            publish_to_alias: Rule::Allow,
            register: Rule::Allow,
            pull: Rule::Allow,
            status: Rule::Allow,
            open_door: Rule::Ask,
        }
    }
}

impl Peer {
    /// Somebody at that address.
    pub fn new(transport: Transport, address: IpAddr) -> Self {
        Self {
            transport,
            address,
            alias: None,
        }
    }

    /// Whose handshake states that alias.
    #[must_use]
    pub fn with_alias(self, alias: impl Into<Text>) -> Self {
        Self {
            alias: Some(alias.into()),
            ..self
        }
    }
}

impl NodeInfo {
    /// A node that takes links.
    pub fn new(host: impl Into<Text>, service: Service, counts: NodeCounts) -> Self {
        Self {
            host: host.into(),
            service,
            counts,
            is_draining: false,
        }
    }
}

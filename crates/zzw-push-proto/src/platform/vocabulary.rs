//! What a [`super::Platform`] hears and says.

use super::access::{AskId, Presented, Question};
use super::parcel::Parcel;
use super::store::{
    MessageId, NodeId, Seq, StoreError, StoreOp, StoreReply, Transport, UnixMillis,
};
use crate::WireError;
use crate::rest::{Page, RestReply};
use crate::rooms::LinkId;
use crate::wire::{Code, Json, Message, NodeCounts, Publish, Service, Text, Token};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Names a REST call. The driver chooses it and does not use it twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a number")]
pub struct ExchangeId(pub u64);

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
    /// The token that its handshake brings (K-2).
    pub token: Option<Token>,
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
    /// What other nodes have said has been lost, or may have been.
    Missed,
    /// The process stood still for so long: what is read next may have waited as long. For a moment
    /// no command opens a door, and links without an alias wait for theirs.
    Paused(Duration),
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
    /// Send a message that is no delivery.
    Send(LinkId, Arc<Message>),
    /// Send a delivery. Those of one publication follow one another, and what they share has been
    /// encoded once.
    Deliver(LinkId, Parcel),
    /// Answer a REST call. The first answer is the only one.
    Reply(ExchangeId, RestReply),
    /// Hand a frame of type 8, 9 or 10 to the rooms. It is never kept and never handed over twice.
    Door {
        /// The link it came on.
        link: LinkId,
        /// When it came: its life is counted from then, however long it had to wait.
        received: Instant,
        /// The frame.
        message: Message,
        /// Whether it was found to be allowed.
        is_authorised: bool,
    },
    /// Hand a frame of type 8, 9 or 10 to the rooms that those of another node have let through.
    FarDoor {
        /// When it came there, or before.
        received: Instant,
        /// The frame.
        message: Message,
    },
    /// Is this token valid, and this alias' own? [`super::Platform::verified`] is due within
    /// [`Config::ask_timeout`](super::Config::ask_timeout).
    Verify(AskId, Presented),
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
        /// Its id. 0: the store could not tell whether it has kept one, or given the alias to
        /// another node, and has to be asked.
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
    /// What the other node has said before may have been lost.
    Missed,
    /// A frame of type 8, 9 or 10 that the rooms of the other node have let through.
    Door {
        /// The frame.
        message: Message,
        /// How long ago it came there: at least so long.
        age: Duration,
    },
    /// How the other node is.
    Announce(NodeInfo),
    /// The other node has ended.
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
    /// How many links it takes, compared with others; 1. Clients are sent to none of weight 0.
    pub weight: u32,
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
    /// May it be done? [`super::Platform::decide`] is due within [`Config::ask_timeout`](super::Config::ask_timeout).
    Asked(AskId, Question),
    /// What [`super::Platform::publish`] was given is kept for all who are away.
    Published(PublishId),
    /// It is not, or not for all of them.
    NotPublished(PublishId, Code),
    /// A command for a door, from that link, had to wait longer than [`super::Config::door_life`] and
    /// opened none.
    DoorTooLate(LinkId),
    /// The store would not hear that the alias has no link here any more: it stays listed until it
    /// is claimed again.
    NotReleased(Text),
    /// This node has a place among the others: it sends what is kept.
    Leased,
    /// It has lost it, because the store could not be reached in time: it sends nothing that is kept
    /// until it has it again.
    Fenced,
    /// Terminal: the broker is over.
    Closed(Reason),
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
    /// It has taken another alias; it stays open.
    Rebound,
    /// Nothing was heard for [`Config::link_timeout`](super::Config::link_timeout).
    Silent,
    /// It acknowledged nothing.
    Unacked,
    /// It took nothing for [`Config::slow_timeout`](super::Config::slow_timeout).
    Slow,
    /// It sent garbage, or tokens that were not valid.
    Rude,
    /// Its token is not valid any more.
    Expired,
    /// The application closed it.
    Kicked,
    /// Its node has had no place among the others for [`Lease::leave_after`](super::Lease::leave_after).
    Fenced,
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

impl LinkEnd {
    /// Every reason.
    pub const ALL: [Self; 12] = [
        Self::Remote,
        Self::Goodbye,
        Self::Replaced,
        Self::Rebound,
        Self::Silent,
        Self::Unacked,
        Self::Slow,
        Self::Rude,
        Self::Expired,
        Self::Kicked,
        Self::Fenced,
        Self::Closing,
    ];

    /// A word for it, for figures.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Remote => "remote",
            Self::Goodbye => "goodbye",
            Self::Replaced => "replaced",
            Self::Rebound => "rebound",
            Self::Silent => "silent",
            Self::Unacked => "unacked",
            Self::Slow => "slow",
            Self::Rude => "rude",
            Self::Expired => "expired",
            Self::Kicked => "kicked",
            Self::Fenced => "fenced",
            Self::Closing => "closing",
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
            token: None,
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

    /// Whose handshake brings that token.
    #[must_use]
    pub fn with_token(self, token: Token) -> Self {
        Self {
            token: Some(token),
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
            weight: 1,
            is_draining: false,
        }
    }
}

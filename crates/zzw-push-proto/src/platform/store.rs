//! What the platform asks of its store, and what it is told.

use super::vocabulary::NodeInfo;
use crate::rest::Page;
use crate::wire::{Info, Json, Mid, Text, Texts, Ttl};
use std::fmt;
use std::time::Duration;

/// The id of a kept message: (milliseconds since 2020-01-01T00:00:00Z) * 4096 + a number, so that it
/// grows with time and stays below 2^53 until 2089.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[expect(clippy::exhaustive_structs, reason = "a number")]
pub struct MessageId(pub u64);

/// Wall-clock time in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[expect(clippy::exhaustive_structs, reason = "a number")]
pub struct UnixMillis(pub u64);

/// Names a request to the store. The machine never uses it twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[expect(clippy::exhaustive_structs, reason = "a number")]
pub struct Seq(pub u64);

/// Names a node of the cluster, one run of it: a server that restarts is another node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[expect(clippy::exhaustive_structs, reason = "a number")]
pub struct NodeId(pub u64);

/// What links speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Transport {
    /// Lines on :9800.
    Tcp,
    /// Socket.IO on :9906.
    SocketIo,
}

/// A request to the store.
///
/// Those about one alias are carried out in the order in which they were made; they are answered in
/// any order.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreOp {
    /// This node takes the alias over: its epoch grows by one, and its gap is told and forgotten.
    /// Answered with [`StoreReply::Claimed`]. A store that nodes share does not carry it out once it was
    /// answered with a failure: its device may be at another node by then.
    Claim {
        /// Who.
        alias: Text,
        /// The new owner.
        owner: Owner,
    },
    /// The alias has no owner any more, unless its epoch has grown since.
    Release {
        /// Who.
        alias: Text,
        /// The epoch that ends.
        epoch: u64,
    },
    /// Keeps a message. Answered with [`StoreReply::Appended`].
    Append {
        /// For whom.
        alias: Text,
        /// The body.
        body: Json,
        /// How long; never 0.
        ttl: Ttl,
        /// Fails with [`StoreError::UnknownAlias`] if nobody has ever claimed the alias.
        only_known: bool,
    },
    /// Keeps a message for each member of a topic, also those who are away. Answered with
    /// [`StoreReply::Fanned`], in parts if there are many.
    AppendTopic {
        /// The topic.
        topic: Text,
        /// The body, to be kept once.
        body: Json,
        /// How long; never 0.
        ttl: Ttl,
    },
    /// The members of a topic. Answered with [`StoreReply::Members`].
    Members {
        /// The topic.
        topic: Text,
    },
    /// Messages in order, oldest first. Answered with [`StoreReply::Loaded`], also where `limit` is 0.
    Load {
        /// Whose.
        alias: Text,
        /// Those behind this one.
        after: MessageId,
        /// At most so many.
        limit: usize,
    },
    /// Messages have arrived and need not be kept. Unknown ones change nothing.
    Ack {
        /// Whose.
        alias: Text,
        /// Which.
        mids: Vec<MessageId>,
    },
    /// Changes the topics of an alias. Answered with [`StoreReply::Subscribed`].
    Subscribe {
        /// Who.
        alias: Text,
        /// Topics to add; known ones change nothing.
        add: Texts,
        /// Topics to remove, after that.
        remove: Texts,
        /// What the device tells about itself, if it does.
        info: Option<Info>,
    },
    /// The topics of an alias and who has it. Answered with [`StoreReply::Status`].
    Status {
        /// Who.
        alias: Text,
    },
    /// Aliases that have an owner. Answered with [`StoreReply::Listed`].
    List {
        /// By what they are connected.
        transport: Transport,
        /// Which of them, in the order of their bytes.
        page: Page,
    },
    /// Keeps the place of a node among others for some time from now. Answered with
    /// [`StoreReply::Renewed`].
    Renew {
        /// The node.
        node: NodeId,
        /// What the others are to know of it.
        info: NodeInfo,
        /// For how long.
        length: Duration,
    },
}

/// Who has an alias.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Owner {
    /// The node.
    pub node: NodeId,
    /// By what it is connected.
    pub transport: Transport,
}

/// What the store answers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreReply {
    /// To [`StoreOp::Claim`].
    Claimed {
        /// The epoch that begins.
        epoch: u64,
        /// Who had it.
        previous: Option<Owner>,
        /// Messages lost to the queue's limit or to time since the gap was told last. One that has
        /// arrived but was acknowledged when its time was over counts as lost: a store cannot know.
        gap: u64,
    },
    /// To [`StoreOp::Append`].
    Appended(Appended),
    /// To [`StoreOp::AppendTopic`].
    Fanned {
        /// Whom it is kept for.
        members: Vec<(Text, Appended)>,
        /// No more parts follow.
        is_last: bool,
    },
    /// To [`StoreOp::Members`].
    Members(Vec<Text>),
    /// To [`StoreOp::Load`].
    Loaded {
        /// Messages, oldest first; those that have expired may be among them.
        entries: Vec<Entry>,
        /// The id that the alias was given last.
        last: MessageId,
        /// The epoch of the alias; 0 if nobody has claimed it.
        epoch: u64,
        /// The store's time.
        at: UnixMillis,
    },
    /// To [`StoreOp::Subscribe`]. [`StoreReply::Done`] is as good where nobody watches presence.
    Subscribed {
        /// Topics that it did not have before.
        joined: Texts,
        /// Topics that it has not any more.
        left: Texts,
    },
    /// To [`StoreOp::Status`].
    Status {
        /// The topics, in the order of their bytes.
        topics: Texts,
        /// Who has it.
        owner: Option<Owner>,
    },
    /// To [`StoreOp::List`].
    Listed {
        /// Aliases on all pages.
        total: u64,
        /// Those of the page.
        aliases: Texts,
    },
    /// To [`StoreOp::Renew`].
    Renewed {
        /// Every node whose time is not over, the asker included or not.
        nodes: Vec<(NodeId, NodeInfo)>,
    },
    /// To all others.
    Done,
}

/// A message is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Appended {
    /// Its id.
    pub mid: MessageId,
    /// The id that the alias was given before; 0 if none.
    pub prev: MessageId,
    /// Who has the alias.
    pub owner: Option<Owner>,
    /// Older messages that had to go for it.
    pub evicted: u64,
}

/// A kept message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// Its id.
    pub mid: MessageId,
    /// The body.
    pub body: Json,
    /// The topic it was published to, if it was.
    pub topic: Option<Text>,
    /// When it is not to be sent any more.
    pub expires_at: UnixMillis,
}

/// The store has not done what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It cannot be reached or written.
    #[error("the store does not answer; look after it")]
    Unavailable,
    /// Nobody has that alias.
    #[error("nobody has that alias")]
    UnknownAlias,
    /// It has no room for it.
    #[error("the store is full; give it room, or let devices fetch what it keeps")]
    Full,
    /// The alias would have more topics than the store allows.
    #[error("the alias has too many topics; take some away first")]
    TooManyTopics,
}

impl MessageId {
    /// 2020-01-01T00:00:00Z.
    const EPOCH: u64 = 1_577_836_800_000;

    /// From here on the ids of a millisecond are for messages that are not kept.
    const HALF: u64 = 2048;

    /// The id behind `last` at that time, in the lower half of a millisecond.
    ///
    /// When so many are given that the half is used up, or the clock goes back, ids run ahead of
    /// the clock.
    #[must_use]
    //= docs/spec/zzw-push-proto.md#store
    //# The id of a message MUST be made of the milliseconds since the beginning of 2020 times 4096
    //# and a number, and be higher than all ids before it of its alias.
    pub fn next(last: Self, at: UnixMillis) -> Self {
        let next = Self::earliest(at).max(last.0.saturating_add(1));
        if next & Self::HALF == 0 {
            Self(next)
        } else {
            Self((next | 4095).saturating_add(1))
        }
    }

    /// The same for messages that are not kept: in the upper half, where nodes begin at one of 32
    /// places, so that what two of them say to one alias in one millisecond is rarely given one id.
    #[must_use]
    //= docs/spec/zzw-push-proto.md#store
    //# The ids of messages that are kept and of those that are not MUST differ, whatever the clock
    //# does.
    pub(super) fn next_direct(last: Self, at: UnixMillis, node: u64) -> Self {
        let place = Self::HALF | (node & 31) << 6;
        let next = (Self::earliest(at) | place).max(last.0.saturating_add(1));
        if next & Self::HALF == 0 {
            Self((next & !4095) | place)
        } else {
            Self(next)
        }
    }

    fn earliest(at: UnixMillis) -> u64 {
        at.0.saturating_sub(Self::EPOCH).saturating_mul(4096)
    }

    /// The id on the wire.
    pub fn to_mid(self) -> Mid {
        Mid::new(self.0.to_string())
    }

    /// The id that was read; `None` if it is none of ours.
    pub fn of(mid: &Mid) -> Option<Self> {
        mid.as_str().parse().ok().map(Self)
    }
}

impl Owner {
    /// That node, by that transport.
    pub fn new(node: NodeId, transport: Transport) -> Self {
        Self { node, transport }
    }
}

impl Appended {
    /// Kept under `mid`, behind `prev`.
    pub fn new(mid: MessageId, prev: MessageId, owner: Option<Owner>, evicted: u64) -> Self {
        Self {
            mid,
            prev,
            owner,
            evicted,
        }
    }
}

impl Entry {
    /// A message that is kept until then.
    pub fn new(mid: MessageId, body: Json, topic: Option<Text>, expires_at: UnixMillis) -> Self {
        Self {
            mid,
            body,
            topic,
            expires_at,
        }
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mid {}", self.0)
    }
}

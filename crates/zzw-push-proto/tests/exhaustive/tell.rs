//! What a node can be told, and what comes of it.

use crate::machines::key_of;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;
use zzw_push_proto::platform::{
    Event, LinkId, NodeId, NodeInfo, NodeMessage, Output, PublishId, StoreOp, StoreReply,
    UnixMillis,
};
use zzw_push_proto::wire::{Code, Message, NodeCounts, Service};

/// The alias.
pub(crate) const ALIAS: &str = "m_1";

/// The wall clock stands still: nothing expires here, and messages are numbered from 1 on.
pub(crate) const WALL: UnixMillis = UnixMillis(1_577_836_800_000);

/// Numbers a link, from 1 on.
pub(crate) type Link = u8;

/// The id of a kept message.
pub(crate) type Mid = u8;

/// What a node is told.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Stimulus {
    /// What time it is.
    Wake,
    Connected(Link),
    Disconnected(Link),
    Acked(Link, Mid),
    /// The application publishes a message that is so long.
    Publish(u8),
    /// The store answers a request; they are counted from the oldest one that is not answered.
    Answer(u8, Keyed<StoreReply>),
    Failed(u8),
    Heard(NodeId, Keyed<NodeMessage>),
    Close,
}

/// What a node wants done.
#[derive(Debug)]
pub(crate) enum Effect {
    Ask(Keyed<StoreOp>),
    Deliver(Link, Mid),
    Bound(Link),
    /// The link does not get its alias.
    Refused(Link),
    Disconnect(Link),
    Relay(NodeId, Keyed<NodeMessage>),
    /// A publication is kept, or is not; they are counted from the oldest one that is not settled.
    Published(u8),
    NotPublished(u8),
}

/// A value, and what stands for it.
#[derive(Debug)]
pub(crate) struct Keyed<T> {
    value: Arc<T>,
    key: u128,
}

impl<T: fmt::Debug> Keyed<T> {
    pub(crate) fn new(value: T) -> Self {
        let key = key_of(&value);
        let value = Arc::new(value);
        Self { value, key }
    }
}

impl<T> Clone for Keyed<T> {
    fn clone(&self) -> Self {
        Self {
            value: Arc::clone(&self.value),
            key: self.key,
        }
    }
}

impl<T> PartialEq for Keyed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl<T> Eq for Keyed<T> {}

impl<T> Hash for Keyed<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

impl<T> Deref for Keyed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// What is to be done; nothing for news that change nothing here.
pub(crate) fn effect_of(output: Output, publishing: &mut Vec<PublishId>) -> Option<Effect> {
    let mut settle = |id: PublishId| {
        let at = publishing.iter().position(|it| *it == id);
        let at = at.expect("published, and not settled");
        publishing.remove(at);
        small(at as u64)
    };
    match output {
        Output::Store(_, op) => Some(Effect::Ask(Keyed::new(without_load(op)))),
        Output::Deliver(link, parcel) => Some(Effect::Deliver(number(link), small(parcel.mid().0))),
        Output::Disconnect(link) => Some(Effect::Disconnect(number(link))),
        Output::Relay { node, message } => Some(Effect::Relay(node, Keyed::new(message))),
        Output::Event(event) => match event {
            Event::Online(_, link) => Some(Effect::Bound(number(link))),
            Event::Published(id) => Some(Effect::Published(settle(id))),
            Event::NotPublished(id, _) => Some(Effect::NotPublished(settle(id))),
            _ => None,
        },
        Output::Send(link, message) => match &*message {
            Message::Failure(failure) if failure.code == Some(Code::StoreUnavailable) => {
                Some(Effect::Refused(number(link)))
            }
            _ => None,
        },
        other => panic!("unexpected: {other:?}"),
    }
}

/// What a node tells of its links is of no concern here, and would tell states apart.
fn without_load(op: StoreOp) -> StoreOp {
    match op {
        StoreOp::Renew { node, length, .. } => StoreOp::Renew {
            node,
            info: nobody(),
            length,
        },
        op => op,
    }
}

/// What nodes tell of themselves.
pub(crate) fn nobody() -> NodeInfo {
    NodeInfo::new("192.0.2.0", Service::default(), NodeCounts::default())
}

pub(crate) fn small(number: u64) -> u8 {
    u8::try_from(number).expect("a small number")
}

fn number(link: LinkId) -> Link {
    small(link.0)
}

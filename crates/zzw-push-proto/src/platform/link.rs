//! One link and what is known about it.

use super::bucket::Bucket;
use super::store::{MessageId, UnixMillis};
use super::vocabulary::{AskId, Peer};
use crate::wire::{Message, Num, Text};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A link.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) peer: Peer,
    pub(super) session: Option<Session>,
    pub(super) last_seen: Instant,
    /// Its place among the timers: no later than anything that is due.
    pub(super) timer: Option<Instant>,
    pub(super) slow_since: Option<Instant>,
    pub(super) frames: Bucket,
    pub(super) publishes: Bucket,
    pub(super) garbled: u8,
    pub(super) garbled_since: Option<Instant>,
    /// What the frames in `waiting` wait for, besides a claim.
    pub(super) asking: Option<AskId>,
    pub(super) waiting: VecDeque<Frame>,
    pub(super) waiting_bytes: usize,
    /// Requests that the store has not answered.
    pub(super) requests: usize,
}

/// A frame that came, at that time by either clock.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) came: Instant,
    pub(super) at: UnixMillis,
    pub(super) message: Message,
}

/// A link that has an alias.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) alias: Text,
    /// None until the store has answered the claim.
    pub(super) epoch: Option<u64>,
    /// The latest epoch that another node has told of.
    pub(super) kicked: u64,
    /// The epoch of the link that this one replaced: to be released if the claim fails.
    pub(super) replaced: Option<u64>,
    pub(super) greeting: Greeting,
    /// Messages up to this one were sent, or need not be.
    pub(super) cursor: MessageId,
    /// The latest message that the store is known to have been given.
    pub(super) known: MessageId,
    /// The store may have more behind the cursor, whatever `known` says.
    pub(super) has_more: bool,
    /// The store has failed to say whether it keeps a message: what was read before does not tell.
    pub(super) is_unsure: bool,
    pub(super) is_loading: bool,
    /// When the store is asked again, after it failed.
    pub(super) retry_at: Option<Instant>,
    /// Lost messages that an earlier link was to be told of.
    pub(super) gap: u64,
    pub(super) is_parked: bool,
    pub(super) inflight: BTreeMap<MessageId, InFlight>,
    pub(super) bytes: usize,
    pub(super) batch: Option<PulledBatch>,
    /// The number of the last pull: answers to earlier ones would be acknowledged unseen.
    pub(super) pulling: Num,
    /// Acknowledgements that the store is told of when it has answered the last ones.
    pub(super) acks: Vec<MessageId>,
    pub(super) is_acking: bool,
}

/// What a link is told when it has got its alias.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Greeting {
    /// A heartbeat is answered.
    Heartbeat,
    /// A connect frame or a handshake is.
    Connect(crate::wire::ConnectCode),
}

/// A message that was sent and not acknowledged.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) message: Arc<Message>,
    pub(super) len: usize,
    pub(super) deadline: Option<Instant>,
    pub(super) sent_at: Instant,
    pub(super) tries: u8,
}

/// What the last pull brought.
#[derive(Debug)]
pub(super) struct PulledBatch {
    pub(super) num: Num,
    pub(super) mids: Vec<MessageId>,
    pub(super) message: Arc<Message>,
    pub(super) len: usize,
    /// When the time of one of its messages is over.
    pub(super) deadline: Option<Instant>,
}

impl Frame {
    /// True for a frame for a door that came so long ago that it opens none.
    pub(super) fn is_late(&self, now: Instant, life: Duration) -> bool {
        let is_for_door = matches!(
            self.message,
            Message::OpenDoor(_) | Message::Phone(_) | Message::Door(_)
        );
        is_for_door && now.saturating_duration_since(self.came) >= life
    }
}

impl Session {
    pub(super) fn new(alias: Text, greeting: Greeting, replaced: Option<u64>) -> Self {
        Self {
            alias,
            epoch: None,
            kicked: 0,
            replaced,
            greeting,
            cursor: MessageId::default(),
            known: MessageId::default(),
            has_more: true,
            is_unsure: false,
            is_loading: false,
            retry_at: None,
            gap: 0,
            is_parked: false,
            inflight: BTreeMap::new(),
            bytes: 0,
            batch: None,
            pulling: Num::Absent,
            acks: Vec::new(),
            is_acking: false,
        }
    }

    /// Bytes of bodies that it holds.
    pub(super) fn held(&self) -> usize {
        let batch = self.batch.as_ref().map_or(0, |batch| batch.len);
        self.bytes.saturating_add(batch)
    }
}

impl Link {
    /// True while later frames have to wait.
    pub(super) fn is_undecided(&self) -> bool {
        let is_claiming = self.session.as_ref().is_some_and(|s| s.epoch.is_none());
        self.asking.is_some() || is_claiming
    }

    /// The session, once the alias is its own.
    pub(super) fn bound(&mut self) -> Option<&mut Session> {
        self.session.as_mut().filter(|s| s.epoch.is_some())
    }

    pub(super) fn alias(&self) -> Option<&Text> {
        let session = self.session.as_ref().filter(|s| s.epoch.is_some());
        session.map(|s| &s.alias)
    }

    pub(super) fn held(&self) -> usize {
        let session = self.session.as_ref().map_or(0, Session::held);
        session.saturating_add(self.waiting_bytes)
    }
}

/// About how many bytes a frame holds on to.
pub(super) fn weight(message: &Message) -> usize {
    match message {
        Message::Publish(publish) => publish.msg.as_bytes().len().saturating_add(256),
        Message::Other(other) => other.raw.as_bytes().len().saturating_add(256),
        _ => 256,
    }
}

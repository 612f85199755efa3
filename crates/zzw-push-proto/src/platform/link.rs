//! One link and what is known about it.

use super::LinkId;
use super::access::AskId;
use super::bucket::Bucket;
use super::config::Config;
use super::store::{MessageId, Transport, UnixMillis};
use super::token::Granted;
use super::window::Window;
use crate::wire::{Message, Num, Text, Token};
use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

/// A link.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) transport: Transport,
    pub(super) address: IpAddr,
    /// What its handshake brought, until it is verified.
    pub(super) token: Option<Box<Token>>,
    pub(super) session: Option<Session>,
    /// What a token allows here.
    pub(super) grant: Option<Box<Granted>>,
    pub(super) last_seen: Instant,
    /// Its place among the timers: no later than anything that is due.
    pub(super) timer: Option<Instant>,
    pub(super) slow_since: Option<Instant>,
    pub(super) frames: Bucket,
    pub(super) publishes: Bucket,
    pub(super) garbled: u8,
    pub(super) garbled_since: Option<Instant>,
    /// What the frames in `waiting` wait for, besides a claim or the time after a pause.
    pub(super) asking: Option<AskId>,
    pub(super) waiting: Option<Box<Waiting>>,
    /// Requests that the store has not answered.
    pub(super) requests: usize,
}

/// Frames that wait, in order.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    pub(super) frames: VecDeque<Frame>,
    pub(super) bytes: usize,
    /// The place of the link among those that wait because the process stood still.
    pub(super) postponed: Option<u64>,
}

/// A frame that came on a link.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) received: Instant,
    /// The same by the wall clock.
    pub(super) at: UnixMillis,
    pub(super) message: Message,
}

/// A link that has an alias.
#[derive(Debug)]
pub(super) struct Session {
    /// Tells it from an earlier one of the same link.
    pub(super) serial: u64,
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
    /// Something was acknowledged since messages were last sent again: whoever does that, reads, and
    /// may only be slow to keep what it was sent.
    pub(super) has_acked: bool,
    pub(super) inflight: Window,
    pub(super) bytes: usize,
    pub(super) batch: Option<Box<PulledBatch>>,
    /// The number of the last pull: answers to earlier ones would be acknowledged unseen.
    pub(super) pulling: Option<Box<Num>>,
    /// Acknowledgements that the store is told of when it has answered the last ones.
    pub(super) acks: Vec<MessageId>,
    pub(super) is_acking: bool,
    pub(super) doubt: Doubt,
}

/// Whether the alias may have gone to another node, or the queue have grown, and nobody has told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doubt {
    None,
    /// The store is to be asked when it can be.
    Unasked,
    /// The store has been asked.
    Asking,
    /// It has, but what it answers may be old already.
    AskingInVain,
}

/// What a link is told when it has got its alias.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Greeting {
    /// A heartbeat is answered.
    Heartbeat,
    /// A connect frame or a handshake is.
    Connect(crate::wire::ConnectCode),
}

/// What the last pull brought.
#[derive(Debug)]
pub(super) struct PulledBatch {
    pub(super) num: Num,
    pub(super) mids: Vec<MessageId>,
    /// Of these, what all answers by this number have brought.
    pub(super) seen: Vec<MessageId>,
    pub(super) message: Arc<Message>,
    pub(super) len: usize,
    /// When the time of one of its messages is over.
    pub(super) deadline: Option<Instant>,
}

impl Session {
    pub(super) fn new(serial: u64, alias: Text, greeting: Greeting, replaced: Option<u64>) -> Self {
        Self {
            serial,
            alias,
            epoch: None,
            kicked: 0,
            replaced,
            greeting,
            //= docs/spec/zzw-push-proto.md#queue
            //# Whenever an alias is bound its unacknowledged messages MUST be sent, from the oldest
            //# on.
            cursor: MessageId::default(),
            known: MessageId::default(),
            has_more: true,
            is_unsure: false,
            is_loading: false,
            retry_at: None,
            gap: 0,
            is_parked: false,
            has_acked: false,
            inflight: Window::default(),
            bytes: 0,
            batch: None,
            pulling: None,
            acks: Vec::new(),
            is_acking: false,
            doubt: Doubt::None,
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
        self.asking.is_some() || is_claiming || self.postponed().is_some()
    }

    /// Its place among those that wait because the process stood still.
    pub(super) fn postponed(&self) -> Option<u64> {
        self.waiting.as_ref()?.postponed
    }

    /// The session, once the alias is its own.
    pub(super) fn bound(&mut self) -> Option<&mut Session> {
        self.session.as_mut().filter(|s| s.epoch.is_some())
    }

    /// The session of that number, once the alias is its own.
    pub(super) fn session(&mut self, serial: u64) -> Option<&mut Session> {
        self.bound().filter(|session| session.serial == serial)
    }

    pub(super) fn alias(&self) -> Option<&Text> {
        let session = self.session.as_ref().filter(|s| s.epoch.is_some());
        session.map(|s| &s.alias)
    }

    /// True if it may be sent so many bytes more now.
    pub(super) fn has_credit(&self, config: &Config, len: usize) -> bool {
        let Some(session) = self.session.as_ref().filter(|s| s.epoch.is_some()) else {
            return false;
        };
        //= docs/spec/zzw-push-proto.md#queue
        //# A link MUST NOT have more than `window` messages and `window_bytes` bytes
        //# unacknowledged, but for one message that is longer.
        let fits = session.bytes.saturating_add(len) <= config.window_bytes;
        let has_place = session.inflight.len() < config.window;
        let is_open = self.slow_since.is_none() && !session.is_parked;
        is_open && has_place && (fits || session.inflight.is_empty())
    }

    /// Lets its timer fire no later than then.
    pub(super) fn arm(&mut self, due: &mut BTreeSet<(Instant, LinkId)>, id: LinkId, at: Instant) {
        if self.timer.is_none_or(|timer| at < timer) {
            if let Some(timer) = self.timer.replace(at) {
                due.remove(&(timer, id));
            }
            due.insert((at, id));
        }
    }

    /// The first of the frames that wait, and how many bytes it held.
    pub(super) fn next_waiting(&mut self) -> Option<(Frame, usize)> {
        let waiting = self.waiting.as_mut()?;
        let frame = waiting.frames.pop_front()?;
        let weight = weight(&frame.message);
        waiting.bytes = waiting.bytes.saturating_sub(weight);
        if waiting.frames.is_empty() {
            self.waiting = None;
        }
        Some((frame, weight))
    }

    pub(super) fn held(&self) -> usize {
        let session = self.session.as_ref().map_or(0, Session::held);
        let waiting = self.waiting.as_ref().map_or(0, |waiting| waiting.bytes);
        session.saturating_add(waiting)
    }
}

impl Waiting {
    /// Adds a frame behind the others, or before them.
    pub(super) fn push(&mut self, frame: Frame, is_first: bool) -> usize {
        let weight = weight(&frame.message);
        self.bytes = self.bytes.saturating_add(weight);
        if is_first {
            self.frames.push_front(frame);
        } else {
            self.frames.push_back(frame);
        }
        weight
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

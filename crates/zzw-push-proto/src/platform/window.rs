//! Messages on their way to links.

use super::store::MessageId;
use crate::wire::{Delivery, Json, Message, Text};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

/// Messages that were sent and not acknowledged, in the order of their ids, which is the order of
/// sending. Without one it holds no memory: most links are idle.
#[derive(Debug, Default)]
pub(super) struct Window(VecDeque<InFlight>);

/// A message that was sent and not acknowledged.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) mid: MessageId,
    pub(super) content: Arc<Content>,
    pub(super) deadline: Option<Instant>,
    pub(super) sent_at: Instant,
    pub(super) tries: u8,
}

/// What a message says: the same for all whom it is for.
#[derive(Debug)]
//= docs/spec/zzw-push-proto.md#queue
//# A body for many MUST be held once.
pub(super) struct Content {
    pub(super) body: Json,
    /// The topic it was published to, if it was.
    pub(super) topic: Option<Text>,
}

impl Content {
    pub(super) fn new(body: Json, topic: Option<Text>) -> Arc<Self> {
        Arc::new(Self { body, topic })
    }

    /// Bytes that it holds.
    pub(super) fn len(&self) -> usize {
        self.body.as_bytes().len()
    }

    /// The frame of one of them. Its body is a clone: senders can tell by [`Json::is_same`].
    pub(super) fn to_message(&self, alias: Text, mid: MessageId) -> Message {
        let mut delivery = Delivery::new(alias, mid.to_mid(), self.body.clone());
        delivery.topic.clone_from(&self.topic);
        Message::Deliver(delivery)
    }
}

impl Window {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn contains(&self, mid: MessageId) -> bool {
        self.place(mid).is_ok()
    }

    /// Adds one, which is the latest.
    pub(super) fn push(&mut self, sent: InFlight) {
        let place = self.place(sent.mid).unwrap_or_else(|place| place);
        self.0.insert(place, sent);
    }

    pub(super) fn remove(&mut self, mid: MessageId) -> Option<InFlight> {
        let sent = self.0.remove(self.place(mid).ok()?);
        if self.0.is_empty() {
            self.0 = VecDeque::new();
        }
        sent
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut InFlight> {
        self.0.iter_mut()
    }

    fn place(&self, mid: MessageId) -> Result<usize, usize> {
        self.0.binary_search_by_key(&mid, |sent| sent.mid)
    }
}

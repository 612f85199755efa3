//! Deliveries on their way to links.

use super::store::MessageId;
use crate::wire::{Delivery, DeliveryFrame, Json, Message, Text};
use std::sync::Arc;

/// A message for one alias. What it says is shared with those that it says the same to, and encoded
/// already.
#[derive(Debug, Clone, PartialEq)]
pub struct Parcel {
    alias: Text,
    mid: MessageId,
    content: Arc<Content>,
}

/// What a message says: the same for all whom it is for.
//= docs/spec/zzw-push-proto.md#queue
//# A body for many MUST be held once.
#[derive(Debug, PartialEq)]
pub(super) struct Content {
    frame: DeliveryFrame, // which the body is a part of
    pub(super) body: Json,
    /// The topic it was published to, if it was.
    pub(super) topic: Option<Text>,
}

impl Content {
    pub(super) fn new(body: &Json, topic: Option<Text>) -> Arc<Self> {
        let (frame, body) = DeliveryFrame::around(body, topic.as_ref());
        Arc::new(Self { frame, body, topic })
    }

    /// Bytes that it holds.
    pub(super) fn len(&self) -> usize {
        self.body.as_bytes().len()
    }
}

impl Parcel {
    pub(super) fn new(alias: Text, mid: MessageId, content: Arc<Content>) -> Self {
        Self {
            alias,
            mid,
            content,
        }
    }

    /// Whom it is for.
    pub fn alias(&self) -> &Text {
        &self.alias
    }

    /// Its id.
    pub fn mid(&self) -> MessageId {
        self.mid
    }

    /// What it says.
    pub fn body(&self) -> &Json {
        &self.content.body
    }

    /// The topic it was published to, if it was.
    pub fn topic(&self) -> Option<&Text> {
        self.content.topic.as_ref()
    }

    /// True if both say the same, for what that can be told at once: they are of one publication.
    pub fn is_like(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.content, &other.content)
    }

    /// About its bytes as a line: as many, if nothing in its alias has to be escaped.
    pub fn len_hint(&self) -> usize {
        let alias = self.alias.len();
        self.content
            .frame
            .len()
            .saturating_add(alias)
            .saturating_add(48)
    }

    /// The message, as [`Self::encode_line`] writes it.
    pub fn to_message(&self) -> Message {
        let mut delivery =
            Delivery::new(self.alias.clone(), self.mid.to_mid(), self.body().clone());
        delivery.topic.clone_from(&self.content.topic);
        Message::Deliver(delivery)
    }

    /// Appends it as JSON, as [`Message::encode`] would.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.encode_line(out);
        out.truncate(out.len().saturating_sub(1));
    }

    /// Appends it as a line of the TCP protocol, as [`Message::encode_line`] would.
    pub fn encode_line(&self, out: &mut Vec<u8>) {
        self.content.frame.splice_line(&self.alias, self.mid.0, out);
    }
}

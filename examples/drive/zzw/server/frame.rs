//! Messages on their way out: a delivery to many is encoded once (G-2).

use std::sync::Arc;
use zzw_push_proto::wire::{Delivery, DeliveryFrame, Json, Message, Text};

/// Remembers the last delivery, since those to many follow one another.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    last: Option<Encoded>,
}

/// What a message is written from.
#[derive(Debug)]
pub(super) struct Frame<'f> {
    message: &'f Message,
    /// The part of a delivery that is the same for all.
    shared: Option<&'f DeliveryFrame>,
}

#[derive(Debug)]
struct Encoded {
    // Held, so that no other body can come to lie at the same place.
    body: Json,
    topic: Option<Text>,
    frame: Arc<DeliveryFrame>,
}

impl Encoder {
    pub(super) fn frame<'f>(&'f mut self, message: &'f Message) -> Frame<'f> {
        let Message::Deliver(delivery) = message else {
            return Frame {
                message,
                shared: None,
            };
        };
        let is_same = self.last.as_ref().is_some_and(|last| last.is_for(delivery));
        if !is_same {
            self.last = Some(Encoded::new(delivery));
        }
        let shared = self.last.as_ref().map(|last| &*last.frame);
        Frame { message, shared }
    }
}

impl Encoded {
    fn new(delivery: &Delivery) -> Self {
        Self {
            body: delivery.msg.clone(),
            topic: delivery.topic.clone(),
            frame: Arc::new(DeliveryFrame::new(delivery)),
        }
    }

    fn is_for(&self, delivery: &Delivery) -> bool {
        let is_plain = delivery.extra.is_empty();
        is_plain && self.body.is_same(&delivery.msg) && self.topic == delivery.topic
    }
}

impl Frame<'_> {
    pub(super) fn message(&self) -> &Message {
        self.message
    }

    /// Appends it as a line.
    pub(super) fn write_line(&self, out: &mut Vec<u8>) {
        self.write(out);
        out.push(b'\n');
    }

    /// Appends it as the object that a Socket.IO event carries.
    pub(super) fn write_event(&self, out: &mut Vec<u8>) {
        match (self.message, self.shared) {
            (Message::Deliver(_), Some(_)) => self.write(out),
            (message, _) => message.encode_event(out),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match (self.message, self.shared) {
            (Message::Deliver(delivery), Some(shared)) => {
                shared.write(delivery.alias.as_deref(), &delivery.mid, out);
            }
            (message, _) => message.encode(out),
        }
    }
}

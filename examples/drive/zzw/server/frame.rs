//! Messages on their way out: a delivery to many is encoded once (G-2).

use std::cell::OnceCell;
use zzw_push_proto::socketio::escape;
use zzw_push_proto::wire::{Delivery, DeliveryFrame, Json, Message, Mid, Text};

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
    shared: Option<&'f Encoded>,
}

#[derive(Debug)]
struct Encoded {
    // Held, so that no other body can come to lie at the same place.
    body: Json,
    topic: Option<Text>,
    frame: DeliveryFrame,
    /// The same with an escaped body (S-4), once somebody needs it.
    escaped: OnceCell<DeliveryFrame>,
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
        let shared = self.last.as_ref();
        Frame { message, shared }
    }
}

impl Encoded {
    fn new(delivery: &Delivery) -> Self {
        Self {
            body: delivery.msg.clone(),
            topic: delivery.topic.clone(),
            frame: DeliveryFrame::new(delivery),
            escaped: OnceCell::new(),
        }
    }

    fn is_for(&self, delivery: &Delivery) -> bool {
        let is_plain = delivery.extra.is_empty();
        is_plain && self.body.is_same(&delivery.msg) && self.topic == delivery.topic
    }

    /// With nothing but ASCII in the body. Topic and alias may have more in them.
    fn escaped(&self, delivery: &Delivery) -> &DeliveryFrame {
        self.escaped.get_or_init(|| {
            let body = std::str::from_utf8(self.body.as_bytes()).unwrap_or_default();
            let mut escaped = Vec::with_capacity(body.len().saturating_mul(2));
            escape(body, &mut escaped);
            let mut same = Delivery::new("", Mid::new(""), self.body.clone());
            same.topic.clone_from(&delivery.topic);
            same.extra.clone_from(&delivery.extra);
            // It was JSON, and still is.
            if let Ok(body) = Json::parse(escaped) {
                same.msg = body;
            }
            DeliveryFrame::new(&same)
        })
    }
}

impl Frame<'_> {
    pub(super) fn message(&self) -> &Message {
        self.message
    }

    /// Appends it as a line.
    pub(super) fn write_line(&self, out: &mut Vec<u8>) {
        match (self.message, self.shared) {
            (Message::Deliver(delivery), Some(shared)) => write(delivery, &shared.frame, out),
            (message, _) => message.encode(out),
        }
        out.push(b'\n');
    }

    /// Appends it as the object that a Socket.IO event carries. If it `escapes`, a body that goes to
    /// many is escaped once; what is left is the caller's.
    pub(super) fn write_event(&self, escapes: bool, out: &mut Vec<u8>) {
        match (self.message, self.shared) {
            (Message::Deliver(delivery), Some(shared)) if escapes => {
                write(delivery, shared.escaped(delivery), out);
            }
            (Message::Deliver(delivery), Some(shared)) => write(delivery, &shared.frame, out),
            (message, _) => message.encode_event(out),
        }
    }
}

/// Appends the delivery of which this is the shared part.
fn write(delivery: &Delivery, shared: &DeliveryFrame, out: &mut Vec<u8>) {
    shared.write(delivery.alias.as_deref(), &delivery.mid, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_for_many_is_escaped_once_and_reads_the_same() {
        let mut encoder = Encoder::default();
        let body = Json::parse(r#"{"门":"🚪\n","n":[1.50]}"#).unwrap();
        let mut escaped = Vec::new();
        for (alias, mid) in [("m_2", "7"), ("小明", "8")] {
            let mut delivery = Delivery::new(alias, Mid::new(mid), body.clone());
            delivery.topic = Some("小区".into());
            let message = Message::Deliver(delivery);
            let frame = encoder.frame(&message);
            let (mut plain, mut ascii, mut own) = (Vec::new(), Vec::new(), Vec::new());
            frame.write_event(false, &mut plain);
            frame.write_event(true, &mut ascii);
            message.encode_event(&mut own);
            assert_eq!(plain, own);
            let shown = String::from_utf8(ascii).unwrap();
            assert!(
                shown.contains(r#"{"\u95e8":"\ud83d\udeaa\n","n":[1.50]}"#),
                "{shown}"
            );
            let value = |json: &[u8]| serde_json::from_slice::<serde_json::Value>(json).unwrap();
            assert_eq!(value(shown.as_bytes()), value(&plain));
            let last = encoder.last.as_ref().unwrap();
            escaped.push(std::ptr::from_ref(last.escaped.get().unwrap()));
        }
        assert_eq!(escaped[0], escaped[1], "the second was made anew");
    }
}

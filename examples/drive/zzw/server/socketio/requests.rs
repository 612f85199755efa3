//! Which event answers a request, and under which number it is acknowledged (Z-27).

use std::borrow::Cow;
use std::collections::VecDeque;
use zzw_push_proto::socketio::{AckId, EventName};
use zzw_push_proto::wire::{Code, Message, Num};

/// What one link has asked and was not answered yet.
#[derive(Debug, Default)]
pub(super) struct Requests {
    asked: VecDeque<Request>,
}

/// What is sent for a message: an event, and an acknowledgement if one was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer<'e> {
    pub(super) event: Cow<'e, str>,
    pub(super) ack: Option<AckId>,
}

#[derive(Debug)]
struct Request {
    reply: Cow<'static, str>,
    num: Num,
    ack: Option<AckId>,
}

/// The broker answers more than 96 with `busy` at once; if it ever kept more waiting, the oldest
/// would lose its acknowledgement.
const MAX_ASKED: usize = 128;

/// The name of a failure that no request is known for: it is the link that failed.
const LINK: EventName = EventName::ConnectReply;

impl Requests {
    /// Remembers a request that is answered under this name.
    pub(super) fn ask(&mut self, reply: Cow<'static, str>, num: Num, ack: Option<AckId>) {
        if self.asked.len() >= MAX_ASKED {
            self.asked.pop_front();
        }
        self.asked.push_back(Request { reply, num, ack });
    }

    /// How a message goes out; `None` if no event carries it.
    pub(super) fn answer<'e>(&mut self, message: &Message) -> Option<Answer<'e>> {
        if let Message::Failure(failure) = message {
            let found = match failure.code {
                Some(Code::Replaced | Code::Draining) => None,
                _ => self.take(|request| request.num == failure.num),
            };
            return Some(match found {
                Some(request) => request.into(),
                None => Answer::unasked(LINK.as_str()),
            });
        }
        let event = message.kind()?.event()?.as_str();
        let num = message.num();
        let found = self.take(|request| request.reply == event && request.num == *num);
        Some(Answer {
            event: event.into(),
            ack: found.and_then(|request| request.ack),
        })
    }

    /// Forgets the youngest request that would be answered under this name: nothing was to be said.
    pub(super) fn settle(&mut self, reply: &str) -> Option<Answer<'static>> {
        let at = self.asked.iter().rposition(|r| r.reply == reply)?;
        self.remove(at).map(Answer::from)
    }

    fn take(&mut self, is_it: impl Fn(&Request) -> bool) -> Option<Request> {
        let at = self.asked.iter().position(is_it)?;
        self.remove(at)
    }

    fn remove(&mut self, at: usize) -> Option<Request> {
        let removed = self.asked.remove(at);
        if self.asked.is_empty() {
            // Most links ask little.
            self.asked = VecDeque::new();
        }
        removed
    }
}

impl<'e> Answer<'e> {
    /// What nobody has asked for.
    pub(super) fn unasked(event: &'e str) -> Self {
        Self {
            event: event.into(),
            ack: None,
        }
    }
}

impl From<Request> for Answer<'_> {
    fn from(request: Request) -> Self {
        Self {
            event: request.reply,
            ack: request.ack,
        }
    }
}

/// The name under which an event is answered. The document has the rule: `X` by `X_c`; what is an
/// answer already answers itself.
pub(super) fn reply_to(event: EventName) -> Cow<'static, str> {
    match event {
        // Not the client's own `disconnect`.
        EventName::Disconnect => "disconnect_c".into(),
        event => event.reply().unwrap_or(event).as_str().into(),
    }
}

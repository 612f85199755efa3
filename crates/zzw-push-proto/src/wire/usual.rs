//! The frames that come most, in the order in which everybody writes their members.
//!
//! Where that order is guessed right, a name is compared and not looked up, and a member goes from
//! the text to its place. Whatever is written in another way is read as all other frames are: this
//! may give up wherever it likes, but never accept, refuse or mean anything else.

use super::read::{Form, read_any};
use super::slice::Cut;
use super::{
    Ack, Aliases, Decoded, Delivery, Extra, Heartbeat, HeartbeatReply, Info, Json, Lenience,
    MAX_ALIASES, MAX_BODY_DEPTH, MAX_TOPICS, Message, MessageKind, Method, Mid, Num, Numbered,
    Publish, Register, Text, Texts, Topics, Ttl,
};
use crate::WireError;
use bytes::Bytes;
use lenient_wire::{Scanner, plain_text};
use std::ops::Range;

/// Reads a message; repairs it once if it is broken and that is put up with.
pub(crate) fn read_message(
    source: &Bytes,
    form: Form,
    lenience: Lenience,
) -> Result<Decoded, WireError> {
    // A message is large: each kind is written in its place, not moved there.
    match type_in(source) {
        Some((b"1", rest)) if form.agrees(MessageKind::Heartbeat) => {
            usual(source, rest, form, lenience, Walk::heartbeat)
        }
        Some((b"-1", rest)) if form.agrees(MessageKind::HeartbeatReply) => {
            usual(source, rest, form, lenience, Walk::heartbeat_reply)
        }
        Some((b"2", rest)) if form.agrees(MessageKind::Register) => {
            usual(source, rest, form, lenience, Walk::register)
        }
        Some((b"5", rest)) if form.agrees(MessageKind::Deliver) => {
            usual(source, rest, form, lenience, Walk::delivery)
        }
        Some((b"-5", rest)) if form.agrees(MessageKind::Ack) => {
            usual(source, rest, form, lenience, Walk::ack)
        }
        Some((b"6", rest)) if form.agrees(MessageKind::Publish) => {
            usual(source, rest, form, lenience, Walk::publish)
        }
        Some((b"-6", rest)) if form.agrees(MessageKind::Published) => {
            usual(source, rest, form, lenience, Walk::published)
        }
        _ => read_any(source, form, lenience),
    }
}

/// The type that stands first, if it is one digit, and what follows it.
#[inline]
fn type_in(json: &[u8]) -> Option<(&[u8], &[u8])> {
    // Beyond 4 GiB no message is read.
    u32::try_from(json.len()).ok()?;
    let behind = json.strip_prefix(b"{\"t\":")?;
    let len = match behind {
        [b'0'..=b'9', b',' | b'}', ..] => 1,
        [b'-', b'1'..=b'9', b',' | b'}', ..] => 2,
        _ => return None,
    };
    behind.split_at_checked(len)
}

#[inline(never)]
fn usual<'a>(
    source: &'a Bytes,
    rest: &'a [u8],
    form: Form,
    lenience: Lenience,
    read: impl FnOnce(&mut Walk<'a>) -> Option<Message>,
) -> Result<Decoded, WireError> {
    let json = source;
    match read(&mut Walk { source, json, rest }) {
        Some(message) => Ok(Decoded {
            message,
            is_repaired: false,
        }),
        None => read_any(source, form, lenience),
    }
}

/// Reads on as long as everything is as usual.
struct Walk<'a> {
    source: &'a Bytes,
    json: &'a [u8], // all of it
    rest: &'a [u8], // not read yet
}

impl Walk<'_> {
    #[inline]
    fn heartbeat(&mut self) -> Option<Message> {
        self.take(b",\"alias\":\"")?;
        let alias = self.text()?;
        self.end()?;
        Some(Message::Heartbeat(Heartbeat {
            alias: Some(alias),
            token: None,
            extra: Extra::default(),
        }))
    }

    #[inline]
    fn heartbeat_reply(&mut self) -> Option<Message> {
        self.take(b",\"alias\":\"")?;
        let alias = self.text()?;
        self.end()?;
        Some(Message::HeartbeatReply(HeartbeatReply {
            alias: Some(alias),
            extra: Extra::default(),
        }))
    }

    #[inline]
    fn ack(&mut self) -> Option<Message> {
        let (alias, mid) = self.alias_and_mid()?;
        self.end()?;
        Some(Message::Ack(Ack {
            alias: Some(alias),
            mid,
            extra: Extra::default(),
        }))
    }

    #[inline]
    fn delivery(&mut self) -> Option<Message> {
        let (alias, mid) = self.alias_and_mid()?;
        self.take(b",\"msg\":")?;
        let msg = self.body()?;
        let topic = match self.take(b",\"topic\":\"") {
            Some(()) => Some(self.text()?),
            None => None,
        };
        self.end()?;
        Some(Message::Deliver(Delivery {
            alias: Some(alias),
            mid,
            msg,
            topic,
            extra: Extra::default(),
        }))
    }

    #[inline]
    fn publish(&mut self) -> Option<Message> {
        self.take(b",\"method\":\"publish")?;
        let (method, topics, aliases) = if let Some(()) = self.take(b"\",\"topic\":") {
            let topics = self.texts(MAX_TOPICS)?;
            (Method::Publish, topics, Aliases::default())
        } else {
            self.take(b"_to_alias\",\"alias\":")?;
            let aliases = self.texts(MAX_ALIASES)?;
            (Method::PublishToAlias, Topics::default(), aliases)
        };
        self.take(b",\"msg\":")?;
        let msg = self.body()?;
        let ttl = match self.take(b",\"opts\":{\"time_to_live\":") {
            Some(()) => Some(self.ttl()?),
            None => None,
        };
        let num = self.num()?;
        self.end()?;
        Some(Message::Publish(Publish {
            method,
            topics,
            aliases,
            msg,
            ttl,
            opts: Extra::default(),
            num,
            extra: Extra::default(),
        }))
    }

    #[inline]
    fn published(&mut self) -> Option<Message> {
        let num = self.num()?;
        self.end()?;
        Some(Message::Published(Numbered::new(num)))
    }

    #[inline]
    fn register(&mut self) -> Option<Message> {
        self.take(b",\"topic\":")?;
        let topics = self.texts(MAX_TOPICS)?;
        let info = match self.take(b",\"info\":{\"communityId\":\"") {
            Some(()) => Some(self.info()?),
            None => None,
        };
        let num = self.num()?;
        self.end()?;
        Some(Message::Register(Register {
            topics,
            untopics: Topics::default(),
            info,
            num,
            extra: Extra::default(),
        }))
    }

    #[inline]
    fn alias_and_mid(&mut self) -> Option<(Text, Mid)> {
        self.take(b",\"alias\":\"")?;
        let alias = self.text()?;
        self.take(b",\"mid\":\"")?;
        let mid = self.text().filter(|mid| !mid.is_empty())?;
        Some((alias, Mid::Str(mid)))
    }

    #[inline]
    fn info(&mut self) -> Option<Info> {
        let community_id = self.text()?;
        self.take(b",\"name\":\"")?;
        let name = self.text()?;
        self.take(b"}")?;
        Some(Info {
            community_id: Some(community_id),
            name: Some(name),
            extra: Extra::default(),
        })
    }

    /// A number of a request, or none.
    #[inline]
    fn num(&mut self) -> Option<Num> {
        match self.take(b",\"num\":\"") {
            Some(()) => Some(Num::Str(self.text()?)),
            None => Some(Num::Absent),
        }
    }

    /// A time of a few digits, and the brace behind it.
    #[inline]
    fn ttl(&mut self) -> Option<Ttl> {
        let digits = self.rest.iter().take_while(|byte| byte.is_ascii_digit());
        let (number, behind) = self.rest.split_at_checked(digits.take(10).count())?;
        let behind = behind.strip_prefix(b"}")?;
        let seconds = Ttl::of_digits(number)?;
        self.rest = behind;
        Some(seconds)
    }

    /// The body: a text, or what a scanner says.
    #[inline]
    fn body(&mut self) -> Option<Json> {
        let start = self.offset();
        if let [b'"', behind @ ..] = self.rest {
            if let Some((_, behind)) = plain_text(behind) {
                self.rest = behind;
                return Some(self.json_from(start));
            }
        }
        self.odd_body()
    }

    #[inline(never)]
    fn odd_body(&mut self) -> Option<Json> {
        // White space before it is no part of it.
        if let [b' ' | b'\t' | b'\n' | b'\r', ..] = self.rest {
            return None;
        }
        let start = self.offset();
        let mut scan = Scanner::new(self.rest, MAX_BODY_DEPTH);
        scan.value().ok()?;
        self.rest = self.rest.get(scan.offset()..)?;
        Some(self.json_from(start))
    }

    #[inline]
    fn json_from(&self, start: usize) -> Json {
        Json::validated(self.cut(start..self.offset()))
    }

    /// One text or more in brackets, none of them with escapes.
    #[inline]
    fn texts(&mut self, max: usize) -> Option<Texts> {
        let start = self.offset();
        self.take(b"[\"")?;
        let mut len = 1_usize;
        loop {
            let (_, behind) = plain_text(self.rest)?;
            self.rest = behind;
            if self.take(b"]").is_some() {
                break;
            }
            self.take(b",\"")?;
            len = len.wrapping_add(1);
        }
        let json = self.cut(start..self.offset());
        (len <= max).then(|| Texts::compact(json, len))
    }

    /// The text behind an opening quote.
    #[inline]
    fn text(&mut self) -> Option<Text> {
        let start = self.offset();
        let (text, behind) = plain_text(self.rest)?;
        self.rest = behind;
        Some(Text::validated(
            self.cut(start..start.wrapping_add(text.len())),
        ))
    }

    /// The end of the frame.
    #[inline]
    fn end(&mut self) -> Option<()> {
        matches!(self.rest, [b'}']).then_some(())
    }

    #[inline]
    fn take(&mut self, expected: &'static [u8]) -> Option<()> {
        self.rest = self.rest.strip_prefix(expected)?;
        Some(())
    }

    #[inline]
    fn offset(&self) -> usize {
        // `rest` is a tail of `json`, so it cannot wrap.
        self.json.len().wrapping_sub(self.rest.len())
    }
}

impl Cut for Walk<'_> {
    #[inline]
    fn bytes(&self) -> &[u8] {
        self.json
    }

    fn share(&self, part: Range<usize>) -> Bytes {
        self.source.slice(part)
    }
}

//! Writing messages.

use super::write::{Writer, push_number};
use super::{Delivery, Info, Json, Message, MessageKind, Mid, Publish, Text};
use bytes::Bytes;
use lenient_wire::{is_plain, push_utf8};

/// A delivery to many, encoded once: what differs from one to the next is spliced in.
///
/// ```
/// use zzw_push_proto::wire::{Delivery, DeliveryFrame, Mid};
///
/// let frame = DeliveryFrame::new(&Delivery::new("", Mid::new(""), "火警".into()));
/// let mut out = Vec::new();
/// frame.write_line(Some("m_2"), &Mid::new("7"), &mut out);
/// assert_eq!(out, "{\"t\":5,\"alias\":\"m_2\",\"mid\":\"7\",\"msg\":\"火警\"}\n".as_bytes());
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct DeliveryFrame {
    tail: Bytes, // from the quote behind the id to the line feed
}

impl Message {
    /// Appends it as a line of the TCP protocol, with the line feed.
    pub fn encode_line(&self, out: &mut Vec<u8>) {
        //= docs/spec/zzw-push-proto.md#message
        //# A JSON null MUST be read as no message at all and never be written as one.
        if *self != Self::Null {
            self.encode(out);
            out.push(b'\n');
        }
    }

    /// Appends it as JSON, with `t` where it has one: what a line and an HTTP body hold.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.write(self.t(), out);
    }

    /// Appends the object that a Socket.IO event carries: `connect` has no `t` there.
    //= docs/spec/zzw-push-proto.md#socket-io
    //# The messages of `connect`, `disconnect`, `info_status` and `info_status_c` MUST be written
    //# without a type.
    pub fn encode_event(&self, out: &mut Vec<u8>) {
        let t = match self {
            Self::Connect(_) => None,
            other => other.t(),
        };
        self.write(t, out);
    }

    //= docs/spec/zzw-push-proto.md#message
    //# A message MUST be written as strict JSON on one line, with its type first if it has one.
    fn write(&self, t: Option<i64>, out: &mut Vec<u8>) {
        match self {
            Self::Other(other) => return other.raw.write(out),
            Self::Null => return,
            _ => {}
        }
        let mut to = Writer::new(out);
        if let Some(t) = t {
            to.t(t);
        }
        self.write_members(&mut to);
        to.end();
    }

    //= docs/spec/zzw-push-proto.md#message
    //# What is read and written again MUST be read as the same message.
    fn write_members(&self, to: &mut Writer<'_>) {
        let Some(kind) = self.kind() else { return };
        let known = kind.known();
        match self {
            Self::Heartbeat(m) => to
                .alias(m.alias.as_ref())
                .token(m.token.as_ref())
                .extra(&m.extra, known),
            Self::HeartbeatReply(m) => to.alias(m.alias.as_ref()).extra(&m.extra, known),
            Self::Register(m) => {
                to.texts("\"topic\":", &m.topics);
                if !m.untopics.is_empty() {
                    to.texts("\"untopic\":", &m.untopics);
                }
                if let Some(info) = &m.info {
                    info.write(to.name("\"info\":"));
                }
                to.num(&m.num).extra(&m.extra, known)
            }
            Self::Registered(m) | Self::Topics(m) | Self::Published(m) | Self::Counts(m) => {
                to.num(&m.num).extra(&m.extra, known)
            }
            Self::TopicList(m) => to
                .num(&m.num)
                .texts("\"topic\":", &m.topics)
                .extra(&m.extra, known),
            Self::Pull(m) => to
                .alias(m.alias.as_ref())
                .num(&m.num)
                .extra(&m.extra, known),
            Self::Batch(m) => {
                m.bodies.write(to.name("\"msg\":"));
                if !m.mids.is_empty() {
                    to.texts("\"mid\":", &m.mids);
                }
                to.num(&m.num).extra(&m.extra, known)
            }
            //= docs/spec/zzw-push-proto.md#message
            //# A delivery MUST be written with its alias, its id in `mid` and its body in `msg`,
            //# and with its topic if it was published to one.
            Self::Deliver(m) => {
                to.alias(m.alias.as_ref()).mid(&m.mid);
                m.write_tail(to);
                to
            }
            Self::Ack(m) => to
                .alias(m.alias.as_ref())
                .mid(&m.mid)
                .extra(&m.extra, known),
            Self::Publish(m) => {
                m.write(to);
                to
            }
            Self::CountsReply(m) => to
                .number("\"One2OneSize\":", m.one_to_one)
                .number("\"One2ManySize\":", m.one_to_many)
                .number("\"Many2ManySize\":", m.many_to_many)
                .number("\"channelSize\":", m.channels)
                .num(&m.num)
                .extra(&m.extra, known),
            Self::OpenDoor(m) | Self::Phone(m) | Self::Door(m) => to
                .text("\"r\":", m.room.as_utf8())
                .text("\"u\":", m.user.as_utf8())
                .extra(&m.extra, known),
            Self::Connect(m) => to
                .text("\"alias\":", m.alias.as_utf8())
                .token(m.token.as_ref())
                .extra(&m.extra, known),
            Self::Connected(m) => {
                to.alias(m.alias.as_ref());
                if m.gap > 0 {
                    to.number("\"gap\":", m.gap);
                }
                to.extra(&m.extra, known)
            }
            Self::Status(m) => to
                .text("\"alias\":", m.alias.as_utf8())
                .num(&m.num)
                .extra(&m.extra, known),
            Self::StatusReply(m) => to
                .alias(m.alias.as_ref())
                .texts("\"list\":", &m.topics)
                .text(
                    "\"status\":",
                    if m.is_online { b"online" } else { b"offline" },
                )
                .num(&m.num)
                .extra(&m.extra, known),
            Self::Goodbye(m) => to.alias(m.alias.as_ref()).extra(&m.extra, known),
            Self::Failure(m) => {
                to.text("\"error\":", m.error.as_utf8());
                if let Some(code) = &m.code {
                    to.text("\"code\":", code.as_str().as_bytes());
                }
                to.num(&m.num).extra(&m.extra, known)
            }
            Self::Other(_) | Self::Null => to,
        };
    }
}

impl Delivery {
    /// What stands behind the id.
    fn write_tail(&self, to: &mut Writer<'_>) {
        to.json("\"msg\":", &self.msg);
        if let Some(topic) = &self.topic {
            to.text("\"topic\":", topic.as_utf8());
        }
        to.extra(&self.extra, Self::known(self.topic.as_ref()));
    }
}

impl Publish {
    fn write(&self, to: &mut Writer<'_>) {
        to.text("\"method\":", self.method.as_str().as_bytes());
        if !self.topics.is_empty() {
            to.texts("\"topic\":", &self.topics);
        }
        if !self.aliases.is_empty() {
            to.texts("\"alias\":", &self.aliases);
        }
        to.json("\"msg\":", &self.msg);
        if self.ttl.is_some() || !self.opts.is_empty() {
            let mut opts = Writer::new(to.name("\"opts\":"));
            if let Some(ttl) = self.ttl {
                opts.number("\"time_to_live\":", ttl.as_secs().into());
            }
            opts.extra(&self.opts, Self::KNOWN_OPTS).end();
        }
        to.num(&self.num)
            .extra(&self.extra, MessageKind::Publish.known());
    }
}

impl Info {
    fn write(&self, out: &mut Vec<u8>) {
        let mut to = Writer::new(out);
        if let Some(community) = &self.community_id {
            to.text("\"communityId\":", community.as_utf8());
        }
        if let Some(name) = &self.name {
            to.text("\"name\":", name.as_utf8());
        }
        to.extra(&self.extra, Self::KNOWN).end();
    }
}

impl DeliveryFrame {
    /// Encodes what is the same for all: body, topic and further members.
    pub fn new(delivery: &Delivery) -> Self {
        let body = delivery.msg.as_bytes().len();
        let mut tail = Vec::with_capacity(body.saturating_add(64)); // a topic is short
        tail.push(b'"');
        let mut to = Writer::new(&mut tail);
        delivery.write_tail(&mut to);
        to.end();
        tail.push(b'\n');
        // What was a whole object is the end of one.
        if let Some(brace) = tail.get_mut(1) {
            *brace = b',';
        }
        Self { tail: tail.into() }
    }

    /// The frame of a body that was published to a topic or to none, and that body as a part of it.
    pub(crate) fn around(body: &Json, topic: Option<&Text>) -> (Self, Json) {
        const NAME: &[u8] = b"\",\"msg\":";
        let topic_len = topic.map_or(0, |topic| topic.len().saturating_add(16));
        let len = body.as_bytes().len().saturating_add(topic_len);
        let mut tail = Vec::with_capacity(len.saturating_add(NAME.len()).saturating_add(2));
        tail.extend_from_slice(NAME);
        body.write(&mut tail);
        let end = tail.len();
        if let Some(topic) = topic {
            tail.extend_from_slice(b",\"topic\":");
            push_utf8(&mut tail, topic.as_utf8());
        }
        tail.extend_from_slice(b"}\n");
        let tail = Bytes::from(tail);
        let body = Json::part_of(&tail, NAME.len()..end);
        (Self { tail }, body)
    }

    /// Bytes that are the same for all.
    pub(crate) fn len(&self) -> usize {
        self.tail.len()
    }

    /// Appends the line of one receiver, whose message has a number of ours.
    pub(crate) fn splice_line(&self, alias: &Text, mid: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"t\":5,\"alias\":");
        push_utf8(out, alias.as_utf8());
        out.extend_from_slice(b",\"mid\":\"");
        push_number(out, mid);
        out.extend_from_slice(&self.tail);
    }

    /// Appends the frame of one receiver, as [`Message::encode`] would.
    pub fn write(&self, alias: Option<&str>, mid: &Mid, out: &mut Vec<u8>) {
        self.write_line(alias, mid, out);
        out.truncate(out.len().saturating_sub(1));
    }

    /// Appends the line of one receiver, as [`Message::encode_line`] would.
    #[inline]
    pub fn write_line(&self, alias: Option<&str>, mid: &Mid, out: &mut Vec<u8>) {
        if let (Some(alias), Mid::Str(mid)) = (alias, mid) {
            let (alias, mid) = (alias.as_bytes(), mid.as_utf8());
            if is_plain(alias) && is_plain(mid) {
                out.extend_from_slice(b"{\"t\":5,\"alias\":\"");
                out.extend_from_slice(alias);
                out.extend_from_slice(b"\",\"mid\":\"");
                out.extend_from_slice(mid);
                return out.extend_from_slice(&self.tail);
            }
        }
        self.write_odd_line(alias, mid, out);
    }

    #[inline(never)]
    fn write_odd_line(&self, alias: Option<&str>, mid: &Mid, out: &mut Vec<u8>) {
        let mut to = Writer::new(out);
        to.t(5);
        if let Some(alias) = alias {
            to.text("\"alias\":", alias.as_bytes());
        }
        to.mid(mid);
        out.extend_from_slice(self.tail.get(1..).unwrap_or_default());
    }
}

/// Without the body.
impl std::fmt::Debug for DeliveryFrame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DeliveryFrame({} bytes)", self.tail.len())
    }
}

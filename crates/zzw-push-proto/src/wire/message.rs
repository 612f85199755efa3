//! One type for all messages.

use super::read::Form;
use super::usual::read_message;
use super::{
    Ack, Batch, Connect, Connected, Counts, Delivery, Door, Failure, Goodbye, Heartbeat,
    HeartbeatReply, Lenience, MessageKind, Num, Numbered, Other, Publish, Pull, Register, Status,
    StatusRequest, TopicList,
};
use crate::WireError;
use bytes::Bytes;

/// A message of the push system, received or to be sent, over either transport.
///
/// A reply's type is its request's, negated. The delivery is in no document: what acknowledges it is
/// `t:-5` under the event `push_c`, so it is `t:5` under the event `push`.
///
/// ```
/// use zzw_push_proto::wire::{Lenience, Message};
///
/// let line = r#"{"t":5,"alias":"m_2","mid":"7","msg":"有人按门铃"}"#;
/// let decoded = Message::decode(line.into(), Lenience::Vendor)?;
/// let Message::Deliver(delivery) = &decoded.message else { unreachable!() };
/// assert_eq!(delivery.msg.to_text().as_deref(), Some("有人按门铃"));
///
/// let mut out = Vec::new();
/// Message::Ack(delivery.ack()).encode_line(&mut out);
/// assert_eq!(out, b"{\"t\":-5,\"alias\":\"m_2\",\"mid\":\"7\"}\n");
/// # Ok::<(), zzw_push_proto::WireError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Message {
    /// `t:1`
    Heartbeat(Heartbeat),
    /// `t:-1`
    HeartbeatReply(HeartbeatReply),
    /// `t:2`
    Register(Register),
    /// `t:-2`
    Registered(Numbered),
    /// `t:3`: asks for the topics of the alias.
    Topics(Numbered),
    /// `t:-3`
    TopicList(TopicList),
    /// `t:4`
    Pull(Pull),
    /// `t:-4`
    Batch(Batch),
    /// `t:5`
    Deliver(Delivery),
    /// `t:-5`
    Ack(Ack),
    /// `t:6`
    Publish(Publish),
    /// `t:-6`: the message is kept for all who are away. It does not say that anybody has it (Z-23).
    Published(Numbered),
    /// `t:7`: asks for the counters of the server.
    Counts(Numbered),
    /// `t:-7`
    CountsReply(Counts),
    /// `t:8`: open the door.
    OpenDoor(Door),
    /// `t:9`: the phone's side is there.
    Phone(Door),
    /// `t:10`: the door's side is there.
    Door(Door),
    /// `t:14`, also read as `t:11`
    Connect(Connect),
    /// `t:-14`
    Connected(Connected),
    /// Event `info_status`
    Status(StatusRequest),
    /// Event `info_status_c`
    StatusReply(Status),
    /// Event `disconnect`
    Goodbye(Goodbye),
    /// `t:0`
    Failure(Failure),
    /// Any other type.
    Other(Other),
    /// `null`: no message at all (Z-5). To be ignored; encoding it writes nothing.
    Null,
}

/// What was received, and at what price.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Decoded {
    /// The message.
    pub message: Message,
    /// Its JSON was broken and has been repaired (Z-9): worth a count.
    pub is_repaired: bool,
}

impl Message {
    /// Reads the content of a line, without its line feed.
    ///
    /// # Errors
    ///
    /// [`WireError`] for what is no message; [`WireError::to_failure`] is the answer to it.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the message goes on sharing it"
    )]
    pub fn decode(json: Bytes, lenience: Lenience) -> Result<Decoded, WireError> {
        read_message(&json, Form::Line, lenience)
    }

    /// Reads the content of a line from a server: whatever has an id and a body is a delivery, of
    /// whatever type it is (Z-3).
    ///
    /// # Errors
    ///
    /// As [`Self::decode`].
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the message goes on sharing it"
    )]
    pub fn decode_from_server(json: Bytes, lenience: Lenience) -> Result<Decoded, WireError> {
        read_message(&json, Form::FromServer, lenience)
    }

    /// Reads the object that a Socket.IO event carries. The event's name tells the type (Z-24); a
    /// reply may be a failure.
    ///
    /// # Errors
    ///
    /// As [`Self::decode`].
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the message goes on sharing it"
    )]
    pub fn decode_event(
        kind: MessageKind,
        json: Bytes,
        lenience: Lenience,
    ) -> Result<Decoded, WireError> {
        read_message(&json, Form::Event(kind), lenience)
    }

    /// Its kind, if it has a known one.
    pub fn kind(&self) -> Option<MessageKind> {
        Some(match self {
            Self::Heartbeat(_) => MessageKind::Heartbeat,
            Self::HeartbeatReply(_) => MessageKind::HeartbeatReply,
            Self::Register(_) => MessageKind::Register,
            Self::Registered(_) => MessageKind::Registered,
            Self::Topics(_) => MessageKind::Topics,
            Self::TopicList(_) => MessageKind::TopicList,
            Self::Pull(_) => MessageKind::Pull,
            Self::Batch(_) => MessageKind::Batch,
            Self::Deliver(_) => MessageKind::Deliver,
            Self::Ack(_) => MessageKind::Ack,
            Self::Publish(_) => MessageKind::Publish,
            Self::Published(_) => MessageKind::Published,
            Self::Counts(_) => MessageKind::Counts,
            Self::CountsReply(_) => MessageKind::CountsReply,
            Self::OpenDoor(_) => MessageKind::OpenDoor,
            Self::Phone(_) => MessageKind::Phone,
            Self::Door(_) => MessageKind::Door,
            Self::Connect(_) => MessageKind::Connect,
            Self::Connected(_) => MessageKind::Connected,
            Self::Status(_) => MessageKind::Status,
            Self::StatusReply(_) => MessageKind::StatusReply,
            Self::Goodbye(_) => MessageKind::Goodbye,
            Self::Failure(_) => MessageKind::Failure,
            Self::Other(_) | Self::Null => return None,
        })
    }

    /// The type that is written, `None` where none is.
    pub fn t(&self) -> Option<i64> {
        match self {
            Self::Connect(connect) => Some(connect.code.t()),
            //= docs/spec/zzw-push-proto.md#message
            //# A connect frame MUST be answered with the negated type that it came with.
            Self::Connected(connected) => Some(0_i64.saturating_sub(connected.code.t())),
            Self::CountsReply(counts) if counts.is_bare => None,
            Self::Other(other) => other.t,
            known => known.kind()?.t(),
        }
    }

    /// Its number; absent too for messages that never have one.
    pub fn num(&self) -> &Num {
        match self {
            Self::Register(message) => &message.num,
            Self::Registered(message)
            | Self::Topics(message)
            | Self::Published(message)
            | Self::Counts(message) => &message.num,
            Self::TopicList(message) => &message.num,
            Self::Pull(message) => &message.num,
            Self::Batch(message) => &message.num,
            Self::Publish(message) => &message.num,
            Self::CountsReply(message) => &message.num,
            Self::Status(message) => &message.num,
            Self::StatusReply(message) => &message.num,
            Self::Failure(message) => &message.num,
            Self::Other(message) => &message.num,
            _ => &Num::Absent,
        }
    }
}

//! Packets: what stands in an Engine.IO message.

use super::content::Content;
use super::{
    Ack, AckId, Connect, Event, MAX_ATTACHMENTS, MAX_NAMESPACE, PacketError, Refusal, Revision,
    emit,
};
use bytes::Bytes;
use std::borrow::Cow;

/// A packet of namespace `/`, or one of another that we do not serve.
///
/// ```text
/// <type>[<attachments>-][<namespace>,][<ack id>][json]
/// ```
///
/// What a packet carries are slices of the text it was read from. `Debug` shows no content.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Packet {
    /// `0`: from the server, the link is connected; from a client of protocol 5, connect it.
    Connect(Connect),
    /// `1`: goodbye.
    Disconnect,
    /// `2`: an event.
    Event(Event),
    /// `3`: the answer to an event that asked for one.
    Ack(Ack),
    /// `4`: the server refuses.
    Error(Refusal),
    /// Any packet of another namespace.
    Foreign(Foreign),
}

/// A packet of a namespace other than `/`.
#[derive(Debug, Clone, PartialEq)]
pub struct Foreign {
    kind: Kind,
    namespace: Content,
}

/// The first character of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// `0`
    Connect,
    /// `1`
    Disconnect,
    /// `2`
    Event,
    /// `3`
    Ack,
    /// `4`: ERROR of protocol 4, `CONNECT_ERROR` of protocol 5.
    Error,
    /// `5`
    BinaryEvent,
    /// `6`
    BinaryAck,
}

impl Packet {
    /// Reads the content of one Engine.IO text message, without Engine.IO's own `4`.
    ///
    /// Binary packets are refused here; a [`Decoder`](super::Decoder) also drops what follows them.
    ///
    /// # Errors
    ///
    /// [`PacketError`] for everything that is no packet, and for binary ones.
    //= docs/spec/zzw-push-proto.md#socket-io
    //# A packet MUST be read and written in the form of the Socket.IO protocol.
    pub fn decode(packet: &Bytes) -> Result<Self, PacketError> {
        let (first, rest) = packet.split_first().ok_or(PacketError::Empty)?;
        let kind = Kind::of(*first).ok_or(PacketError::UnknownType)?;
        let rest = match kind {
            Kind::BinaryEvent | Kind::BinaryAck => {
                //= docs/spec/zzw-push-proto.md#socket-io
                //# A binary packet without a number of attachments or with more than 64 MUST end
                //# its link.
                let attachments = attachments(rest).ok_or(PacketError::Attachments)?;
                return Err(PacketError::Binary { attachments });
            }
            _ => rest,
        };
        let (namespace, rest) = split_namespace(rest)?;
        if let Some(namespace) = namespace {
            let namespace = Content(packet.slice_ref(namespace));
            return Ok(Self::Foreign(Foreign { kind, namespace }));
        }
        let (id, rest) = split_id(rest)?;
        let json = packet.slice_ref(rest);
        match (kind, id) {
            (Kind::Connect, None) => Connect::read(json).map(Self::Connect),
            (Kind::Disconnect, None) if json.is_empty() => Ok(Self::Disconnect),
            (Kind::Event, id) => Event::read(id, json).map(Self::Event),
            (Kind::Ack, Some(id)) => Ack::read(id, json).map(Self::Ack),
            (Kind::Error, None) => Refusal::read(json).map(Self::Error),
            (Kind::Disconnect, None) => Err(PacketError::Shape),
            _ => Err(PacketError::AckId),
        }
    }

    /// Appends the packet as it goes into an Engine.IO message.
    ///
    /// Of a packet of another namespace only the refusal is left: see [`Foreign::refuse`].
    pub fn encode(&self, revision: Revision, out: &mut Vec<u8>) {
        match self {
            Self::Connect(connect) => emit::write_connect(out, connect.json().map(|json| &**json)),
            Self::Disconnect => emit::write_disconnect(out),
            Self::Event(event) => event.encode(out),
            Self::Ack(ack) => ack.encode(out),
            Self::Error(refusal) => emit::write_error(out, refusal.json()),
            Self::Foreign(foreign) => foreign.refuse(revision, out),
        }
    }

    /// Which type of packet it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Connect(_) => Kind::Connect,
            Self::Disconnect => Kind::Disconnect,
            Self::Event(_) => Kind::Event,
            Self::Ack(_) => Kind::Ack,
            Self::Error(_) => Kind::Error,
            Self::Foreign(foreign) => foreign.kind,
        }
    }
}

impl Foreign {
    /// Which type of packet it was.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The namespace with its `/`, without a query.
    pub fn namespace(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.namespace.0)
    }

    /// Appends the answer: that there is no such namespace. Nothing unless it was a CONNECT, since
    /// an answer to anything else would be taken for the answer to a connection that is not ours.
    pub fn refuse(&self, revision: Revision, out: &mut Vec<u8>) {
        //= docs/spec/zzw-push-proto.md#socket-io
        //# Anything else for another namespace MUST NOT be answered.
        if self.kind == Kind::Connect {
            emit::invalid_namespace(out, revision, &self.namespace.0);
        }
    }
}

impl Kind {
    /// The type this character stands for.
    pub fn of(digit: u8) -> Option<Self> {
        Some(match digit {
            b'0' => Self::Connect,
            b'1' => Self::Disconnect,
            b'2' => Self::Event,
            b'3' => Self::Ack,
            b'4' => Self::Error,
            b'5' => Self::BinaryEvent,
            b'6' => Self::BinaryAck,
            _ => return None,
        })
    }

    /// The character.
    pub fn digit(self) -> u8 {
        match self {
            Self::Connect => b'0',
            Self::Disconnect => b'1',
            Self::Event => b'2',
            Self::Ack => b'3',
            Self::Error => b'4',
            Self::BinaryEvent => b'5',
            Self::BinaryAck => b'6',
        }
    }
}

/// The number in front of the `-`.
fn attachments(rest: &[u8]) -> Option<u32> {
    let dash = rest.iter().take(11).position(|byte| *byte == b'-')?;
    let digits = std::str::from_utf8(rest.get(..dash)?).ok()?;
    if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().filter(|n| *n <= MAX_ATTACHMENTS)
}

/// The namespace, unless it is `/`, and what follows its comma. A query behind it, as clients of
/// 2.x write it, is no part of the name.
fn split_namespace(rest: &[u8]) -> Result<(Option<&[u8]>, &[u8]), PacketError> {
    if rest.first() != Some(&b'/') {
        return Ok((None, rest));
    }
    let comma = memchr::memchr(b',', rest).unwrap_or(rest.len());
    let (whole, behind) = rest.split_at_checked(comma).unwrap_or((rest, &[]));
    let behind = behind.get(1..).unwrap_or_default();
    let query = memchr::memchr(b'?', whole).unwrap_or(whole.len());
    let name = whole.get(..query).unwrap_or(whole);
    //= docs/spec/zzw-push-proto.md#socket-io
    //# The namespace `/` MUST be served whether it is written out or not.
    if name == b"/" {
        return Ok((None, behind));
    }
    //= docs/spec/zzw-push-proto.md#socket-io
    //# A namespace of more than 128 bytes MUST be refused.
    if name.len() > MAX_NAMESPACE || std::str::from_utf8(name).is_err() {
        return Err(PacketError::Namespace);
    }
    Ok((Some(name), behind))
}

/// The digits in front of the JSON.
fn split_id(rest: &[u8]) -> Result<(Option<AckId>, &[u8]), PacketError> {
    let digits = rest
        .iter()
        .take(20) // `AckId::MAX` has 16
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let (number, behind) = rest.split_at_checked(digits).unwrap_or((rest, &[]));
    if number.is_empty() {
        return Ok((None, behind));
    }
    let number = std::str::from_utf8(number).ok();
    let id = number.and_then(|number| number.parse().ok());
    let id = id.and_then(AckId::new).ok_or(PacketError::AckId)?;
    Ok((Some(id), behind))
}

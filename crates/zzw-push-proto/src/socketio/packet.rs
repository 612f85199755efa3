//! Packets: what stands in an Engine.IO message.

use super::{EventName, MAX_ATTACHMENTS, MAX_DEPTH, MAX_NAMESPACE, PacketError, Revision, emit};
use bytes::Bytes;
use lenient_wire::{Kind as Json, Scanner, Value, text};
use std::borrow::Cow;
use std::fmt;

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

/// What a CONNECT carries: an object, or nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Connect {
    json: Option<Content>,
}

/// Why the server refuses: text in protocol 4, an object with `message` in protocol 5.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    json: Content,
}

/// An event: a name and arguments.
#[derive(Clone, PartialEq)]
pub struct Event {
    id: Option<AckId>,
    json: Content,
    name: Value,
    first: Value,
}

/// An acknowledgement: arguments for the sender of the event.
#[derive(Clone, PartialEq)]
pub struct Ack {
    id: AckId,
    json: Content,
    first: Value,
}

/// The number by which an event asks for an acknowledgement, at most 2^53 - 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AckId(u64);

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

/// The arguments of an event or an acknowledgement, in order, each the JSON as it came.
#[derive(Debug, Clone)]
pub struct Arguments<'a> {
    json: &'a Bytes,
    scan: Scanner<'a>,
}

/// Bytes of the peer that `Debug` does not show.
#[derive(Clone, PartialEq)]
struct Content(Bytes);

impl Packet {
    /// Reads the content of one Engine.IO text message, without Engine.IO's own `4`.
    ///
    /// Binary packets are refused here; a [`Decoder`](super::Decoder) also drops what follows them.
    ///
    /// # Errors
    ///
    /// [`PacketError`] for everything that is no packet, and for binary ones.
    pub fn decode(packet: &Bytes) -> Result<Self, PacketError> {
        let (first, rest) = packet.split_first().ok_or(PacketError::Empty)?;
        let kind = Kind::of(*first).ok_or(PacketError::UnknownType)?;
        let rest = match kind {
            Kind::BinaryEvent | Kind::BinaryAck => {
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

impl Connect {
    /// The object as it came: `auth` from a client, `{"sid":…}` from a server.
    pub fn json(&self) -> Option<&Bytes> {
        self.json.as_ref().map(|json| &json.0)
    }

    /// `alias` of a client's `auth`.
    pub fn alias(&self) -> Option<Cow<'_, str>> {
        self.member("alias")
    }

    /// `token` of a client's `auth`.
    pub fn token(&self) -> Option<Cow<'_, str>> {
        self.member("token")
    }

    /// `sid` from a server of protocol 5.
    pub fn sid(&self) -> Option<Cow<'_, str>> {
        self.member("sid")
    }

    fn read(json: Bytes) -> Result<Self, PacketError> {
        if json.is_empty() {
            return Ok(Self::default());
        }
        if whole(&json)?.kind != Json::Object {
            return Err(PacketError::Shape);
        }
        let json = Some(Content(json));
        Ok(Self { json })
    }

    fn member(&self, name: &str) -> Option<Cow<'_, str>> {
        member(self.json()?, name)
    }
}

impl Refusal {
    /// The JSON as it came, or nothing.
    pub fn json(&self) -> &Bytes {
        &self.json.0
    }

    /// What the server says, in the shape of either protocol.
    pub fn message(&self) -> Option<Cow<'_, str>> {
        let json = self.json();
        let value = whole(json).ok()?;
        text(json, value).or_else(|| member(json, "message"))
    }

    fn read(json: Bytes) -> Result<Self, PacketError> {
        if !json.is_empty() {
            whole(&json)?;
        }
        let json = Content(json);
        Ok(Self { json })
    }
}

impl Event {
    /// The number under which an answer is asked for.
    pub fn id(&self) -> Option<AckId> {
        self.id
    }

    /// The name.
    pub fn name(&self) -> Cow<'_, str> {
        text(&self.json.0, self.name).unwrap_or_default()
    }

    /// The name, if it is one of the push system's.
    pub fn known(&self) -> Option<EventName> {
        EventName::of(&self.name())
    }

    /// The first argument, the JSON as it came. Every documented event has one or none.
    pub fn argument(&self) -> Option<Bytes> {
        slice(&self.json.0, self.first)
    }

    /// All arguments.
    pub fn arguments(&self) -> Arguments<'_> {
        let mut arguments = Arguments::of(&self.json.0);
        arguments.next(); // the name
        arguments
    }

    /// The array of name and arguments as it came.
    pub fn json(&self) -> &Bytes {
        &self.json.0
    }

    fn read(id: Option<AckId>, json: Bytes) -> Result<Self, PacketError> {
        let (name, first) = elements(&json)?;
        // CVE-2023-32695: an object with a `toString` for a name.
        if !matches!(name.kind, Json::Text | Json::EscapedText) {
            return Err(PacketError::Shape);
        }
        let json = Content(json);
        Ok(Self {
            id,
            json,
            name,
            first,
        })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        emit::write_array(out, Kind::Event, self.id, &self.json.0);
    }
}

impl Ack {
    /// The number of the event this answers.
    pub fn id(&self) -> AckId {
        self.id
    }

    /// The first argument, the JSON as it came.
    pub fn argument(&self) -> Option<Bytes> {
        slice(&self.json.0, self.first)
    }

    /// All arguments.
    pub fn arguments(&self) -> Arguments<'_> {
        Arguments::of(&self.json.0)
    }

    /// The array of arguments as it came.
    pub fn json(&self) -> &Bytes {
        &self.json.0
    }

    fn read(id: AckId, json: Bytes) -> Result<Self, PacketError> {
        let (first, _) = elements(&json)?;
        let json = Content(json);
        Ok(Self { id, json, first })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        emit::write_array(out, Kind::Ack, Some(self.id), &self.json.0);
    }
}

impl AckId {
    /// The largest number that every client keeps exactly.
    pub const MAX: Self = Self((1 << 53) - 1);

    /// The number, if it is at most [`Self::MAX`].
    pub fn new(id: u64) -> Option<Self> {
        (id <= Self::MAX.0).then_some(Self(id))
    }

    /// The number.
    pub fn value(self) -> u64 {
        self.0
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

impl<'a> Arguments<'a> {
    fn of(json: &'a Bytes) -> Self {
        let mut scan = Scanner::new(json, MAX_DEPTH);
        // It was an array when the packet was read.
        let _ = scan.enter_array();
        Self { json, scan }
    }
}

impl Iterator for Arguments<'_> {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        match self.scan.element() {
            Ok(true) => slice(self.json, self.scan.value().ok()?),
            _ => None,
        }
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("id", &self.id)
            .field("name", &self.known())
            .field("json", &self.json)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Ack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ack")
            .field("id", &self.id)
            .field("json", &self.json)
            .finish_non_exhaustive()
    }
}

/// The one value the text is.
fn whole(json: &[u8]) -> Result<Value, PacketError> {
    let mut scan = Scanner::new(json, MAX_DEPTH);
    let value = scan.value()?;
    scan.end()?;
    Ok(value)
}

/// A member of an object, text or a number. The last one counts if there are several, as in the
/// peers' own JSON libraries.
fn member<'j>(json: &'j [u8], name: &str) -> Option<Cow<'j, str>> {
    let mut scan = Scanner::new(json, MAX_DEPTH);
    let mut found = None;
    scan.enter_object().ok()?;
    while let Some(key) = scan.key().ok()? {
        let value = scan.value().ok()?;
        if text(json, key).as_deref() == Some(name) {
            found = text(json, value);
        }
    }
    found
}

/// Validates the array of an event or an acknowledgement and finds its first two elements.
fn elements(json: &[u8]) -> Result<(Value, Value), PacketError> {
    let mut scan = Scanner::new(json, MAX_DEPTH);
    if !scan.at_array() {
        // Says what is wrong with it if it is no JSON at all.
        scan.value()?;
        return Err(PacketError::Shape);
    }
    scan.enter_array()?;
    let mut found = [Value::default(); 2];
    let mut places = found.iter_mut();
    while scan.element()? {
        let value = scan.value()?;
        if let Some(place) = places.next() {
            *place = value;
        }
    }
    scan.end()?;
    let [first, second] = found;
    Ok((first, second))
}

/// The value as it stands in the text, with its quotes.
fn slice(json: &Bytes, value: Value) -> Option<Bytes> {
    let range = value.range();
    let range = match value.kind {
        Json::Missing => return None,
        Json::Text | Json::EscapedText => range.start.checked_sub(1)?..range.end.checked_add(1)?,
        _ => range,
    };
    json.get(range).map(|part| json.slice_ref(part))
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
    if name == b"/" {
        return Ok((None, behind));
    }
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

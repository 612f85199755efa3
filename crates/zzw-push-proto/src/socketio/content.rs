//! What the packets carry: slices of the text they were read from.

use super::text::{Payload, payload_at};
use super::{EventName, Kind, MAX_DEPTH, PacketError, emit};
use bytes::Bytes;
use lenient_wire::{Kind as Json, Scanner, Value, text};
use std::borrow::Cow;
use std::fmt;

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

/// The arguments of an event or an acknowledgement, in order, each the JSON as it came.
#[derive(Debug, Clone)]
pub struct Arguments<'a> {
    json: &'a Bytes,
    scan: Scanner<'a>,
}

/// Bytes of the peer that `Debug` does not show.
#[derive(Clone, PartialEq)]
pub(super) struct Content(pub(super) Bytes);

impl Connect {
    /// The object as it came: `auth` from a client, `{"sid":…}` from a server.
    pub fn json(&self) -> Option<&Bytes> {
        self.json.as_ref().map(|json| &json.0)
    }

    /// `alias` of a client's `auth`.
    //= docs/spec/zzw-push-proto.md#socket-io
    //# An alias and a token MUST be read from `auth` in the CONNECT packet of protocol 5.
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

    pub(super) fn read(json: Bytes) -> Result<Self, PacketError> {
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

    pub(super) fn read(json: Bytes) -> Result<Self, PacketError> {
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

    /// The frame in the first argument, as [`payload`](super::payload) finds it.
    pub fn payload(&self) -> Option<Payload> {
        payload_at(&self.json.0, self.first)
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

    pub(super) fn read(id: Option<AckId>, json: Bytes) -> Result<Self, PacketError> {
        let (name, first) = elements(&json)?;
        // CVE-2023-32695: an object with a `toString` for a name.
        //= docs/spec/zzw-push-proto.md#socket-io
        //# The name of an event MUST be a text.
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

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
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

    /// The frame in the first argument, as [`payload`](super::payload) finds it.
    pub fn payload(&self) -> Option<Payload> {
        payload_at(&self.json.0, self.first)
    }

    /// All arguments.
    pub fn arguments(&self) -> Arguments<'_> {
        Arguments::of(&self.json.0)
    }

    /// The array of arguments as it came.
    pub fn json(&self) -> &Bytes {
        &self.json.0
    }

    pub(super) fn read(id: AckId, json: Bytes) -> Result<Self, PacketError> {
        let (first, _) = elements(&json)?;
        let json = Content(json);
        Ok(Self { id, json, first })
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        emit::write_array(out, Kind::Ack, Some(self.id), &self.json.0);
    }
}

impl AckId {
    /// The largest number that every client keeps exactly.
    pub const MAX: Self = Self((1 << 53) - 1);

    /// The number, if it is at most [`Self::MAX`].
    pub fn new(id: u64) -> Option<Self> {
        //= docs/spec/zzw-push-proto.md#socket-io
        //# A number of an acknowledgement above 9007199254740991 MUST be refused.
        (id <= Self::MAX.0).then_some(Self(id))
    }

    /// The number.
    pub fn value(self) -> u64 {
        self.0
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
//= docs/spec/zzw-push-proto.md#socket-io
//# The time that reading a packet takes MUST grow in proportion to its length.
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

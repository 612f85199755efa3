//! Polling payloads: several packets in the body of one request or answer.

use super::{EngineError, EnginePacket};
use crate::socketio::Revision;
use bytes::Bytes;
use std::io::Write as _;

/// Reads a polling payload packet by packet. Holds nothing but the body.
///
/// ```text
/// revision 3    <length>:<packet><length>:<packet>…     length in UTF-16 code units
///               <0|1><length><255><packet>…             length in bytes, one byte per digit
/// revision 4    <packet>\x1e<packet>…
/// ```
///
/// The second framing of revision 3 is that of `application/octet-stream`, with 1 in front of
/// binary packets; python-engineio 3 posts nothing else.
///
/// Ends behind the first error, since nothing says where the next packet would start.
#[derive(Debug, Clone)]
pub struct PayloadReader {
    revision: Revision,
    body: Bytes,
    is_done: bool,
}

/// Writes a polling payload.
#[derive(Debug)]
pub struct PayloadWriter<'o> {
    revision: Revision,
    out: &'o mut Vec<u8>,
    packet: Vec<u8>, // its length stands in front of it
    is_empty: bool,
}

const SEPARATOR: u8 = 0x1e;

const FRAME_END: u8 = 0xff;

/// Digits of a length. No body comes near.
const MAX_DIGITS: usize = 9;

impl PayloadReader {
    /// A reader of this body, whose length the caller has limited. A body without any packet is an
    /// error.
    pub fn new(revision: Revision, body: Bytes) -> Self {
        Self {
            revision,
            body,
            is_done: false,
        }
    }

    //= docs/spec/zzw-push-proto.md#engine-io
    //# Lengths in a polling payload of Engine.IO 3 MUST count UTF-16 code units.
    fn counted(&mut self) -> Result<EnginePacket, EngineError> {
        let mut front = self.body.iter().take(MAX_DIGITS.saturating_add(1));
        let colon = front.position(|byte| *byte == b':');
        let digits = self.body.split_to(colon.ok_or(EngineError::Length)?);
        let units = number(&digits).ok_or(EngineError::Length)?;
        let behind = self.body.slice(1..); // the colon
        let len = utf16_prefix(&behind, units)?;
        let packet = behind.slice(..len);
        self.body = behind.slice(len..);
        self.is_done = self.body.is_empty();
        text_or(b"b4", &packet)
    }

    //= docs/spec/zzw-push-proto.md#engine-io
    //# A polling payload of Engine.IO 3 MUST also be read in the binary framing, whose lengths
    //# count bytes.
    fn framed(&mut self) -> Result<EnginePacket, EngineError> {
        let is_binary = self.body.first() == Some(&1);
        let mut front = self.body.iter().take(MAX_DIGITS.saturating_add(2));
        let end = front.position(|byte| *byte == FRAME_END);
        let head = self.body.split_to(end.ok_or(EngineError::Length)?);
        let digits: Option<Vec<u8>> = head.iter().skip(1).map(|digit| ascii(*digit)).collect();
        let len = digits.and_then(|digits| number(&digits));
        let behind = self.body.slice(1..); // the end of the frame's head
        let len = len.filter(|len| *len <= behind.len());
        let len = len.ok_or(EngineError::Length)?;
        self.body = behind.slice(len..);
        self.is_done = self.body.is_empty();
        if is_binary {
            return Ok(EnginePacket::Binary);
        }
        EnginePacket::decode(&behind.slice(..len))
    }

    //= docs/spec/zzw-push-proto.md#engine-io
    //# Packets in a polling payload of Engine.IO 4 MUST be parted by U+001E.
    fn separated(&mut self) -> Result<EnginePacket, EngineError> {
        let packet = if let Some(end) = memchr::memchr(SEPARATOR, &self.body) {
            let packet = self.body.split_to(end);
            self.body = self.body.slice(1..); // the separator
            packet
        } else {
            self.is_done = true;
            std::mem::take(&mut self.body)
        };
        text_or(b"b", &packet)
    }
}

impl Iterator for PayloadReader {
    type Item = Result<EnginePacket, EngineError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done {
            return None;
        }
        let packet = match self.revision {
            Revision::V4 if matches!(self.body.first(), Some(0 | 1)) => self.framed(),
            Revision::V4 => self.counted(),
            Revision::V5 => self.separated(),
        };
        //= docs/spec/zzw-push-proto.md#engine-io
        //# A length that does not fit and an empty packet MUST end the payload.
        if packet.is_err() {
            self.is_done = true;
            self.body = Bytes::new();
        }
        Some(packet)
    }
}

impl std::iter::FusedIterator for PayloadReader {}

impl<'o> PayloadWriter<'o> {
    /// A writer at the end of `out`.
    pub fn new(revision: Revision, out: &'o mut Vec<u8>) -> Self {
        Self {
            revision,
            out,
            packet: Vec::new(),
            is_empty: true,
        }
    }

    /// Appends a packet; nothing of a binary one. In revision 4 its content must not hold U+001E,
    /// which JSON never does.
    pub fn push(&mut self, packet: &EnginePacket) -> &mut Self {
        if *packet == EnginePacket::Binary {
            return self;
        }
        self.packet.clear();
        packet.encode(&mut self.packet);
        match self.revision {
            Revision::V4 => {
                // Writing to a Vec cannot fail.
                let _ = write!(self.out, "{}:", utf16_len(&self.packet));
            }
            Revision::V5 if !self.is_empty => self.out.push(SEPARATOR),
            Revision::V5 => {}
        }
        self.is_empty = false;
        self.out.extend_from_slice(&self.packet);
        self
    }
}

/// The packet, or that it is binary if it starts with this mark.
//= docs/spec/zzw-push-proto.md#engine-io
//# A binary message in a polling payload MUST be told from text and dropped.
fn text_or(mark: &[u8], packet: &Bytes) -> Result<EnginePacket, EngineError> {
    if packet.starts_with(mark) {
        return Ok(EnginePacket::Binary);
    }
    EnginePacket::decode(packet)
}

/// A digit of the framing with one byte per digit.
fn ascii(digit: u8) -> Option<u8> {
    (digit <= 9).then_some(digit | b'0')
}

fn number(digits: &[u8]) -> Option<usize> {
    // `parse` would take a sign as well.
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// UTF-16 code units a character of UTF-8 makes, told at its first byte.
fn units_at(byte: u8) -> usize {
    match byte {
        0x80..=0xbf => 0,
        0xf0.. => 2,
        _ => 1,
    }
}

fn utf16_len(text: &[u8]) -> usize {
    text.iter()
        .fold(0, |sum, byte| sum.saturating_add(units_at(*byte)))
}

/// How many bytes the first `units` UTF-16 code units of `text` take.
fn utf16_prefix(text: &[u8], units: usize) -> Result<usize, EngineError> {
    let mut left = units;
    for (at, byte) in text.iter().enumerate() {
        match units_at(*byte) {
            0 => {}
            _ if left == 0 => return Ok(at),
            // `left` cannot be 1 here, or a pair is cut in two.
            wide => left = left.checked_sub(wide).ok_or(EngineError::Length)?,
        }
    }
    if left == 0 {
        Ok(text.len())
    } else {
        Err(EngineError::Length)
    }
}

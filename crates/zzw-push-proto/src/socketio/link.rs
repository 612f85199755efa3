//! What one link remembers between its packets.

use super::{Fold, MAX_PACKET, Packet, PacketError, Revision, escape};
use bytes::Bytes;
use std::borrow::Cow;

/// Reads the packets of one link.
///
/// Remembers how the link encodes text and how many attachments of a refused packet are still to
/// come: some 100 bytes, whatever arrives.
#[derive(Debug, Clone)]
pub struct Decoder {
    revision: Revision,
    max_len: usize,
    fold: Option<Fold>,
    //= docs/spec/zzw-push-proto.md#socket-io
    //# Attachments that are due MUST NOT hold memory.
    due: u32, // attachments
    counters: Counters,
}

/// The transport a link was opened by. It may have been upgraded since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Opening {
    /// HTTP requests.
    Polling,
    /// A websocket from the start.
    Websocket,
}

/// What a link lost or had repaired so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counters {
    /// Binary packets that were dropped.
    pub binary: u64,
    /// Attachments that were dropped.
    pub attachments: u64,
    /// Packets of namespaces other than `/`.
    pub foreign: u64,
    /// Texts that were no packet.
    pub garbled: u64,
    /// Packets whose double encoding was undone.
    pub folded: u64,
    /// Packets that might have been encoded twice and were kept as they are.
    pub not_folded: u64,
}

impl Counters {
    /// Those of two links together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            binary: self.binary.saturating_add(other.binary),
            attachments: self.attachments.saturating_add(other.attachments),
            foreign: self.foreign.saturating_add(other.foreign),
            garbled: self.garbled.saturating_add(other.garbled),
            folded: self.folded.saturating_add(other.folded),
            not_folded: self.not_folded.saturating_add(other.not_folded),
        }
    }
}

impl Decoder {
    /// A decoder for a new link, which takes packets of up to [`MAX_PACKET`] bytes.
    pub fn new(revision: Revision, opening: Opening) -> Self {
        // S-3: only there does the fault occur, and elsewhere `Ã©` may well be meant.
        //= docs/spec/zzw-push-proto.md#doubly-encoded-text
        //# Text on any other link MUST NOT be decoded once more.
        let may_be_doubled = revision == Revision::V4 && opening == Opening::Polling;
        Self {
            revision,
            max_len: MAX_PACKET,
            fold: may_be_doubled.then(Fold::default),
            due: 0,
            counters: Counters::default(),
        }
    }

    /// The same with another limit, in bytes.
    #[must_use]
    pub fn with_max_len(mut self, max_len: usize) -> Self {
        self.max_len = max_len;
        self
    }

    /// Reads the content of one Engine.IO text message, without Engine.IO's own `4`.
    ///
    /// # Errors
    ///
    /// [`PacketError`]; the link is to be closed if it [is fatal](PacketError::is_fatal).
    pub fn text(&mut self, packet: Bytes) -> Result<Packet, PacketError> {
        let read = self.read(packet);
        let count = match &read {
            Ok(Packet::Foreign(_)) => &mut self.counters.foreign,
            Ok(_) => return read,
            Err(PacketError::Binary { attachments }) => {
                self.due = *attachments;
                &mut self.counters.binary
            }
            Err(_) => &mut self.counters.garbled,
        };
        *count = count.saturating_add(1);
        read
    }

    /// Drops one Engine.IO binary message.
    ///
    /// # Errors
    ///
    /// [`PacketError::Unannounced`] unless it is an attachment of a packet that was refused.
    pub fn binary(&mut self) -> Result<(), PacketError> {
        let Some(due) = self.due.checked_sub(1) else {
            self.counters.garbled = self.counters.garbled.saturating_add(1);
            //= docs/spec/zzw-push-proto.md#socket-io
            //# Text where an attachment is due MUST end its link, and so an attachment that is not
            //# due.
            return Err(PacketError::Unannounced);
        };
        self.due = due;
        self.counters.attachments = self.counters.attachments.saturating_add(1);
        Ok(())
    }

    /// The packet as this link is sure to understand it: escaped where it may encode twice, else
    /// as it is.
    //= docs/spec/zzw-push-proto.md#doubly-encoded-text
    //# What is sent on a link that may encode twice MUST be ASCII with a JSON escape for every
    //# other character.
    pub fn outbound<'p>(&self, packet: &'p str) -> Cow<'p, [u8]> {
        if !self.wants_escapes() || packet.is_ascii() {
            return Cow::Borrowed(packet.as_bytes());
        }
        let mut escaped = Vec::with_capacity(packet.len().saturating_mul(2));
        escape(packet, &mut escaped);
        Cow::Owned(escaped)
    }

    /// True if what is sent on this link must be [escaped](escape).
    pub fn wants_escapes(&self) -> bool {
        self.fold.is_some()
    }

    /// Which protocol the link speaks.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The longest packet taken, in bytes.
    pub fn max_len(&self) -> usize {
        self.max_len
    }

    /// How the link has shown to encode text; `None` where that is certain.
    pub fn fold(&self) -> Option<&Fold> {
        self.fold.as_ref()
    }

    /// What was lost or repaired so far.
    pub fn counters(&self) -> Counters {
        let (folded, not_folded) = match &self.fold {
            Some(fold) => (fold.folded(), fold.kept()),
            None => (0, 0),
        };
        Counters {
            folded,
            not_folded,
            ..self.counters
        }
    }

    fn read(&mut self, packet: Bytes) -> Result<Packet, PacketError> {
        let due = std::mem::take(&mut self.due);
        if due > 0 {
            //= docs/spec/zzw-push-proto.md#socket-io
            //# Text where an attachment is due MUST end its link, and so an attachment that is not
            //# due.
            return Err(PacketError::Interrupted { due });
        }
        // Before the fold, which only shortens it.
        //= docs/spec/zzw-push-proto.md#socket-io
        //# A packet of more than 102400 bytes MUST be refused unless another limit is set.
        if packet.len() > self.max_len {
            return Err(PacketError::TooLong { max: self.max_len });
        }
        let packet = match &mut self.fold {
            Some(fold) => fold.fold(packet),
            None => packet,
        };
        Packet::decode(&packet)
    }
}

//! What goes through a room.

use bytes::Bytes;
use std::fmt;

/// A frame of a WebSocket, or the body of a POST. Nobody looks into it; `Debug` shows its length.
#[derive(Clone, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "RFC 6455 has two kinds of data")]
//= docs/spec/zzw-push-proto.md#room
//# A frame MUST be passed on as it came, text as text and binary as binary, without being looked
//# at.
pub enum RoomFrame {
    /// A text frame. Whoever reads it from the network sees to it that it is UTF-8.
    Text(Bytes),
    /// A binary frame, or the body of a POST.
    Binary(Bytes),
}

/// What the smallest frame counts, in bytes: the list around it is in memory, too.
const MIN_COST: usize = 64;

impl RoomFrame {
    /// What is in it.
    pub fn bytes(&self) -> &Bytes {
        match self {
            Self::Text(bytes) | Self::Binary(bytes) => bytes,
        }
    }

    /// Length of what is in it, in bytes.
    pub fn len(&self) -> usize {
        self.bytes().len()
    }

    /// True if there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.bytes().is_empty()
    }

    /// What it counts where memory is counted.
    pub(super) fn cost(&self) -> usize {
        self.len().max(MIN_COST)
    }
}

impl fmt::Debug for RoomFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Text(_) => "Text",
            Self::Binary(_) => "Binary",
        };
        //= docs/spec/zzw-push-proto.md#permission
        //# Tokens, bodies of messages, what a device tells about itself and frames of rooms MUST
        //# NOT appear in debug output.
        write!(f, "{kind}({} bytes)", self.len())
    }
}

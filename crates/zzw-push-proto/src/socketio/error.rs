//! What can be wrong with a packet.

use lenient_wire::ScanError;

/// A text that is no packet we take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PacketError {
    /// Nothing in it.
    #[error("empty packet; is an engine.io message passed on without its content?")]
    Empty,
    /// The first character is none of `0` to `6`.
    #[error("unknown packet type; is the engine.io type still in front of the packet?")]
    UnknownType,
    /// Longer than [`Decoder::max_len`](super::Decoder::max_len).
    #[error("packet longer than {max} bytes; send less or raise the limit")]
    TooLong {
        /// The limit, in bytes.
        max: usize,
    },
    /// A binary event or acknowledgement. It and its attachments are dropped, the link lives on.
    #[error("binary packet with {attachments} attachments dropped; send text")]
    Binary {
        /// How many binary messages follow, which are dropped too.
        attachments: u32,
    },
    /// No number of attachments in a binary packet, or more than
    /// [`MAX_ATTACHMENTS`](super::MAX_ATTACHMENTS).
    #[error("no sane number of attachments; close the link")]
    Attachments,
    /// A text where an attachment was due.
    #[error("text where {due} attachments were due; close the link")]
    Interrupted {
        /// How many were due.
        due: u32,
    },
    /// A binary message that no packet announced.
    #[error("binary message without a packet; close the link")]
    Unannounced,
    /// A namespace that is too long or not UTF-8.
    #[error("namespace too long or not utf-8; close the link")]
    Namespace,
    /// A number of an acknowledgement beyond 2^53 - 1, where none may stand, or missing.
    #[error("acknowledgement number missing, misplaced or too large; close the link")]
    AckId,
    /// Not JSON, nested too deep or not UTF-8.
    #[error("content of the packet: {0}")]
    Json(ScanError),
    /// JSON, but not of the shape this type of packet has.
    #[error("content does not fit the type of packet; close the link")]
    Shape,
}

impl PacketError {
    /// True if the link should be closed, as the official servers do; false if it is in order and
    /// only this packet is lost.
    //= docs/spec/zzw-push-proto.md#socket-io
    //# A packet that cannot be read MUST end its link.
    pub fn is_fatal(&self) -> bool {
        //= docs/spec/zzw-push-proto.md#socket-io
        //# A binary packet MUST be dropped together with its attachments, and its link live on.
        !matches!(self, Self::Binary { .. })
    }
}

impl From<ScanError> for PacketError {
    fn from(error: ScanError) -> Self {
        Self::Json(error)
    }
}

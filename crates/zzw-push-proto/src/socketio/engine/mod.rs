//! Engine.IO, revisions 3 and 4: the layer below Socket.IO.
//!
//! What a client of ours needs over a websocket (handshake, ping and pong, probe and upgrade,
//! messages), and the framing of polling payloads for both ends.
//!
//! ```
//! use zzw_push_proto::socketio::engine::EnginePacket;
//!
//! let EnginePacket::Open(open) = EnginePacket::decode(
//!     &r#"0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":60000}"#.into(),
//! )? else { unreachable!() };
//! assert_eq!(open.ping_interval.as_secs(), 25);
//! # Ok::<(), zzw_push_proto::socketio::engine::EngineError>(())
//! ```

mod handshake;
mod payload;
mod query;

pub use handshake::Handshake;
pub use payload::{PayloadReader, PayloadWriter};
pub use query::{Query, QueryError, Transport};

use bytes::Bytes;
use std::fmt;

/// The content of the ping and the pong that try a websocket out before an upgrade.
pub const PROBE: &[u8] = b"probe";

/// The longest content of a ping or a pong, in bytes.
pub const MAX_PING: usize = 125;

/// An Engine.IO packet. `Debug` shows no content.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum EnginePacket {
    /// `0`: the server's handshake.
    Open(Handshake),
    /// `1`: the link ends. Over polling only; a websocket is simply closed.
    Close,
    /// `2`: from the client in revision 3, from the server in revision 4. [`PROBE`] before an
    /// upgrade, from the client in both.
    Ping(Bytes),
    /// `3`: the answer, with the same content.
    Pong(Bytes),
    /// `4`: a Socket.IO packet.
    Message(Bytes),
    /// `5`: the client's messages come over the new transport from here on.
    Upgrade,
    /// `6`: ends a waiting poll before an upgrade.
    Noop,
    /// A binary message of a polling payload. Its content is not kept: nothing of the push system
    /// is binary.
    Binary,
}

/// A text that is no Engine.IO packet or payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// Nothing in it.
    #[error("empty engine.io packet; close the link")]
    Empty,
    /// The first character is none of `0` to `6`.
    #[error("unknown engine.io packet type; close the link")]
    UnknownType,
    /// Not UTF-8.
    #[error("engine.io packet is not utf-8; close the link")]
    NotUtf8,
    /// Content where none may be, or more of it than a ping has.
    #[error("engine.io packet of a type without content has some; close the link")]
    Content,
    /// The handshake is no JSON object, or lacks a session or a ping interval one can keep.
    #[error("handshake without session or ping times; is this an engine.io server?")]
    Handshake,
    /// A length in a polling payload that is no number, or more than what follows.
    #[error("length in a polling payload does not fit; close the link")]
    Length,
}

impl EnginePacket {
    /// Reads the text of one websocket message, or of one packet of a polling payload.
    ///
    /// # Errors
    ///
    /// [`EngineError`] for everything that is no packet.
    pub fn decode(packet: &Bytes) -> Result<Self, EngineError> {
        let text = std::str::from_utf8(packet).map_err(|_| EngineError::NotUtf8)?;
        let kind = text.bytes().next().ok_or(EngineError::Empty)?;
        let content = packet.slice(1..);
        match kind {
            b'0' => Handshake::read(&content).map(Self::Open),
            //= docs/spec/zzw-push-proto.md#engine-io
            //# A ping or a pong MUST carry 125 bytes at most, and a close, an upgrade and a noop
            //# nothing.
            b'2' | b'3' if content.len() > MAX_PING => Err(EngineError::Content),
            b'2' => Ok(Self::Ping(content)),
            b'3' => Ok(Self::Pong(content)),
            b'4' => Ok(Self::Message(content)),
            b'1' | b'5' | b'6' if !content.is_empty() => Err(EngineError::Content),
            b'1' => Ok(Self::Close),
            b'5' => Ok(Self::Upgrade),
            b'6' => Ok(Self::Noop),
            _ => Err(EngineError::UnknownType),
        }
    }

    /// Appends the packet as the text of a websocket message. Of a binary one nothing is written.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let content: &[u8] = match self {
            Self::Open(handshake) => {
                out.push(b'0');
                handshake.write(out);
                return;
            }
            Self::Binary => return,
            Self::Close | Self::Upgrade | Self::Noop => &[],
            Self::Ping(content) | Self::Pong(content) | Self::Message(content) => content,
        };
        out.push(self.digit());
        out.extend_from_slice(content);
    }

    fn digit(&self) -> u8 {
        match self {
            Self::Open(_) => b'0',
            Self::Close => b'1',
            Self::Ping(_) => b'2',
            Self::Pong(_) => b'3',
            Self::Message(_) | Self::Binary => b'4',
            Self::Upgrade => b'5',
            Self::Noop => b'6',
        }
    }
}

impl fmt::Debug for EnginePacket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, content) = match self {
            Self::Open(handshake) => return f.debug_tuple("Open").field(handshake).finish(),
            Self::Close => return f.write_str("Close"),
            Self::Upgrade => return f.write_str("Upgrade"),
            Self::Noop => return f.write_str("Noop"),
            Self::Binary => return f.write_str("Binary"),
            Self::Ping(content) => ("Ping", content),
            Self::Pong(content) => ("Pong", content),
            Self::Message(content) => ("Message", content),
        };
        write!(f, "{name}({} bytes)", content.len())
    }
}

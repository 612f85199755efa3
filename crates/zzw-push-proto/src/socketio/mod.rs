//! Socket.IO packets over Engine.IO, revisions 3 and 4, both ends.
//!
//! Three layers, each usable alone:
//!
//! - [`engine`]: Engine.IO packets, the opening handshake, polling payloads and the query a
//!   connection starts with. A server whose Engine.IO library does this needs none of it.
//! - [`Decoder`] and [`Packet`]: what stands in an Engine.IO message. A [`Decoder`] per link also
//!   undoes the double encoding of old clients ([`Fold`]) and drops binary packets.
//! - [`EventName`] and [`Payload`]: which event carries which frame, and where the frame stands in
//!   its arguments.
//!
//! ```
//! use zzw_push_proto::socketio::{Decoder, EventName, Opening, Packet, Revision, write_event};
//!
//! let mut link = Decoder::new(Revision::V4, Opening::Polling);
//! let packet = link.text(r#"2["heartbeat",{"t":1,"alias":"m_2"}]"#.into())?;
//! let Packet::Event(event) = packet else { unreachable!() };
//! assert_eq!(event.known(), Some(EventName::Heartbeat));
//! assert_eq!(event.payload().unwrap().json, r#"{"t":1,"alias":"m_2"}"#);
//!
//! let mut out = Vec::new();
//! write_event(&mut out, None, "heartbeat_c", &[br#"{"t":-1,"alias":"m_2"}"#]);
//! assert_eq!(out, br#"2["heartbeat_c",{"t":-1,"alias":"m_2"}]"#);
//! # Ok::<(), zzw_push_proto::socketio::PacketError>(())
//! ```

pub mod engine;

#[cfg(feature = "arbitrary")]
mod any;
mod content;
mod emit;
mod error;
mod event;
mod fold;
mod link;
mod packet;
mod text;

pub use content::{Ack, AckId, Arguments, Connect, Event, Refusal};
pub use emit::{
    invalid_namespace, write_ack, write_connect, write_disconnect, write_error, write_event,
};
pub use error::PacketError;
pub use event::EventName;
pub use fold::{Fold, FoldMemory, escape};
pub use link::{Counters, Decoder, Opening};
pub use packet::{Foreign, Kind, Packet};
pub use text::{Payload, payload};

/// The longest packet a link accepts unless told otherwise, in bytes.
pub const MAX_PACKET: usize = 100 * 1024;

/// The longest namespace that is answered, in bytes.
pub const MAX_NAMESPACE: usize = 128;

/// The most attachments a binary packet may announce.
pub const MAX_ATTACHMENTS: u32 = 64;

/// The deepest nesting of a packet's JSON, in levels.
pub const MAX_DEPTH: u32 = 64;

/// Which Socket.IO protocol a link speaks, and with it which Engine.IO.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Revision {
    /// Socket.IO protocol 4 over Engine.IO 3: clients of 1.x and 2.x. The client pings, and the
    /// server connects namespace `/` by itself.
    V4,
    /// Socket.IO protocol 5 over Engine.IO 4: clients of 3.x and 4.x. The server pings, and the
    /// client connects namespace `/`, with its `auth` if it has one.
    V5,
}

impl Revision {
    /// The revision that runs over this Engine.IO, the number in `EIO=`.
    pub fn of_engine(eio: u8) -> Option<Self> {
        match eio {
            3 => Some(Self::V4),
            4 => Some(Self::V5),
            _ => None,
        }
    }

    /// The number in `EIO=`: 3 or 4.
    pub fn engine(self) -> u8 {
        match self {
            Self::V4 => 3,
            Self::V5 => 4,
        }
    }

    /// True if pings come from the client and pongs from the server; the other way round otherwise.
    //= docs/spec/zzw-push-proto.md#engine-io
    //# The client of Engine.IO 3 MUST ping and its server connect namespace `/`; in Engine.IO 4 the
    //# server pings and the client connects.
    pub fn client_pings(self) -> bool {
        self == Self::V4
    }

    /// True if the client has to connect namespace `/`; the server does it by itself otherwise.
    pub fn client_connects(self) -> bool {
        self == Self::V5
    }
}

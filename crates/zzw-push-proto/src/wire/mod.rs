//! The messages: what they say, in Rust's terms.
//!
//! One type, [`Message`], for both directions and both transports. One that was received holds
//! slices of the received bytes; one that was built is written the same way.

mod answers;
#[cfg(feature = "arbitrary")]
mod any;
mod encode;
mod extra;
mod failure;
mod frames;
mod info;
mod json;
mod kind;
mod list;
mod message;
mod name;
mod num;
mod object;
mod publish;
mod read;
mod slice;
mod text;
mod usual;
mod write;

pub use encode::DeliveryFrame;
pub use extra::Extra;
pub use failure::{Code, Failure};
pub use frames::{
    Ack, Batch, Connect, ConnectCode, Connected, Delivery, Door, Goodbye, Heartbeat,
    HeartbeatReply, Info, Numbered, Other, Pull, Register, StatusRequest, TopicList,
};
pub use info::{AliasPage, ClusterInfo, Counts, NodeCounts, Servers, Service, Status};
pub use json::Json;
pub use kind::MessageKind;
pub use list::{Aliases, Bodies, Texts, Topics};
pub use message::{Decoded, Message};
pub use num::{Mid, Num};
pub use publish::{Method, Publish, Ttl};
pub use text::{Text, Token};

pub(crate) use answers::read_reply;
pub(crate) use read::Form;
pub(crate) use usual::read_message;

/// The deepest nesting of a message, in levels.
pub const MAX_DEPTH: u32 = 64;

/// The deepest nesting of a body, in levels: less, because it is delivered inside other messages.
pub const MAX_BODY_DEPTH: u32 = 56;

/// The most aliases of one message.
pub const MAX_ALIASES: usize = 1_000;

/// The most topics of one message.
pub const MAX_TOPICS: usize = 100;

/// The longest alias or topic, in bytes. What is longer is read; machines refuse it.
pub const MAX_NAME: usize = 128;

/// How much is put up with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Lenience {
    /// What is seen in the field: single quotes, commas that are missing or full-width, numbers as
    /// texts, texts as numbers. For both ends.
    #[default]
    Vendor,
    /// What the document means: for tests of conformance.
    Strict,
}

/// True for an alias or a topic: 1 to [`MAX_NAME`] bytes, no control characters, no `/`.
//= docs/spec/zzw-push-proto.md#message
//# An alias or a topic MUST have 1 to 128 bytes, without a slash and without control characters.
pub fn is_name(text: &str) -> bool {
    let is_fit = |char: char| char != '/' && !char.is_control();
    !text.is_empty() && text.len() <= MAX_NAME && text.chars().all(is_fit)
}

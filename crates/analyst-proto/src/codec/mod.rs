//! Bytes to messages and back: pure, and without a memory of what was before.
//!
//! What is read can be spelled in many ways ([`Lenience`]), what is written in one ([`Dialect`]).

mod comments;
mod compact;
mod dialect;
mod digits;
mod fields;
mod goods;
mod lenience;
mod number;
mod read;
mod rest;
mod usual;
mod write;

pub use comments::without_comments;
pub use dialect::{Dialect, Nested, ResultKey};
pub use lenience::{Lenience, Limits};

pub(crate) use compact::compact;
pub(crate) use digits::Digits;
pub(crate) use write::{write_goods, write_taken, write_weights};

use crate::WireError;
use crate::wire::Message;
use bytes::Bytes;

/// Reads one message, the payload of one PUBLISH. What it holds of the payload it shares.
///
/// # Errors
///
/// [`WireError`], which tells what the sender has to change.
pub fn decode(payload: &Bytes, lenience: &Lenience) -> Result<Message, WireError> {
    //= docs/spec/analyst-proto.md#message
    //# A reader MUST NOT panic, whatever bytes it is given.
    read::message(payload, lenience)
}

/// Appends one message: the same bytes for the same message.
pub fn encode(message: &Message, dialect: &Dialect, out: &mut Vec<u8>) {
    write::message(message, *dialect, out);
}

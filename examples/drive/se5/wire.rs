//! What went over the wire, for people who want to see the bytes.

use bytes::Bytes;
use std::fmt;

/// One message as it stood on the wire.
#[derive(Clone)]
pub enum Wire {
    /// A WebSocket message that was sent.
    Sent(Bytes),
    /// A WebSocket message that came.
    Received(Bytes),
    /// An HTTP request that was sent.
    Asked {
        /// `GET` or `POST`.
        method: &'static str,
        /// The whole address.
        url: String,
        /// The body, if any.
        body: Bytes,
    },
    /// The HTTP answer that came.
    Answered {
        /// The whole address that was asked.
        url: String,
        /// The status; 0 if there was no answer.
        status: u16,
        /// The body.
        body: Bytes,
    },
}

impl fmt::Debug for Wire {
    /// What is in the bytes are people: only lengths are printed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sent(bytes) => write!(f, "Sent({} B)", bytes.len()),
            Self::Received(bytes) => write!(f, "Received({} B)", bytes.len()),
            Self::Asked { method, body, .. } => write!(f, "Asked({method}, {} B)", body.len()),
            Self::Answered { status, body, .. } => {
                write!(f, "Answered({status}, {} B)", body.len())
            }
        }
    }
}

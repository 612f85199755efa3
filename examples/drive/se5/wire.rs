//! What went over the wire, for people who want to see the bytes.

use bytes::Bytes;

/// One message as it stood on the wire.
#[derive(Debug, Clone)]
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

//! Port 9906: Socket.IO, both revisions.

use super::core::Core;
use super::frame::Frame;
use super::tokens::Tokens;
use std::sync::Arc;
use std::time::Instant;
use tokio::net::TcpListener;
use zzw_push_proto::wire::{Lenience, Message};

/// What waits to be written to one link.
#[derive(Debug, Default)]
pub(super) struct Outbox {}

/// Takes links until it is dropped.
pub(super) async fn serve(
    _listener: TcpListener,
    _core: Arc<Core>,
    _tokens: Arc<Tokens>,
    _lenience: Lenience,
) {
}

impl Outbox {
    /// Takes a message; true if it is full by that.
    pub(super) fn send(&self, _frame: &Frame<'_>) -> bool {
        false
    }

    /// Takes a signal, to be written by then or not at all.
    pub(super) fn signal(&self, _message: &Message, _deadline: Instant) {}

    /// Writes what waits, then closes the link.
    pub(super) fn close(&self) {}
}

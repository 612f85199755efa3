//! Port 9000: relay rooms over WebSocket.

use super::core::Core;
use super::tokens::Tokens;
use crate::http::{self, Limits, Server, StatusCode};
use std::io;
use std::sync::Arc;
use tokio::net::TcpListener;
use zzw_push_proto::rooms::{CloseCode, RoomFrame};

/// What waits to be written to one link.
#[derive(Debug, Default)]
pub(super) struct Outbox {}

/// Serves rooms until the server is stopped or dropped.
pub(super) fn serve(
    listener: TcpListener,
    _core: Arc<Core>,
    _tokens: Arc<Tokens>,
) -> io::Result<Server> {
    http::serve(listener, Limits::DEFAULT, move |_, _| async {
        http::text(StatusCode::NOT_IMPLEMENTED, "not yet")
    })
}

impl Outbox {
    pub(super) fn send(&self, _frame: Arc<RoomFrame>) {}

    pub(super) fn close(&self, _code: CloseCode) {}
}

//! WebSocket both ways: a client that dials, and the server's half of the upgrade.

mod pings;
mod socket;

pub use pings::{PingFilter, PingRule, PingRules};
pub use socket::{Limits, Socket};
pub use tokio_tungstenite::tungstenite::error::ProtocolError;
pub use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes, protocol::frame};

use crate::http::{self, Body, Request, Response, StatusCode, Uri};
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use hyper_util::rt::TokioIo;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

/// A connection that we dialled.
pub type ClientSocket = WebSocketStream<Metered<TcpStream>>;

/// A connection that we accepted.
pub type ServerSocket = WebSocketStream<PingFilter<TcpStream>>;

/// The longest message either way, in bytes; 16 MiB.
pub const MAX_MESSAGE: usize = 16 << 20;

/// Dials `ws://host[:port][/path]`. The name is resolved anew each time.
///
/// # Errors
///
/// Whatever stands between: no such name, nobody there, no WebSocket.
pub async fn dial(url: &str) -> Result<ClientSocket, Error> {
    let (host, port) = host_and_port(url).map_err(Error::Io)?;
    let addresses = tokio::net::lookup_host((host, port)).await;
    let unreachable = |error| io::Error::new(io::ErrorKind::HostUnreachable, error);
    let addresses: Vec<SocketAddr> = addresses.map_err(unreachable)?.collect();
    let stream = TcpStream::connect(&*addresses).await?;
    tune(&stream)?;
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE))
        .max_write_buffer_size(1 << 20)
        .read_buffer_size(128 << 10);
    let stream = Metered { stream, bytes: 0 };
    let (socket, _) =
        tokio_tungstenite::client_async_with_config(url, stream, Some(config)).await?;
    Ok(socket)
}

/// Takes a WebSocket address apart.
///
/// # Errors
///
/// If it is none that we can dial, with advice.
pub fn host_and_port(url: &str) -> io::Result<(String, u16)> {
    let wrong = || {
        let text = format!("{url}: not an address; write ws://HOST:PORT (there is no TLS)");
        io::Error::new(io::ErrorKind::InvalidInput, text)
    };
    let uri: Uri = url.parse().map_err(|_| wrong())?;
    let host = uri.host().filter(|_| uri.scheme_str() == Some("ws"));
    let host = host.ok_or_else(wrong)?.trim_matches(['[', ']']);
    Ok((host.to_owned(), uri.port_u16().unwrap_or(80)))
}

/// Small messages leave at once; a peer that vanished is noticed after 30 s.
pub(crate) fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = socket2::TcpKeepalive::new()
        .with_time(Duration::from_secs(15))
        .with_interval(Duration::from_secs(5))
        .with_retries(3);
    socket2::SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

/// The answer to a request for a WebSocket on any path, and what becomes of it.
pub fn upgrade(
    request: Request<Incoming>,
    rules: Arc<PingRules>,
) -> (
    Response<Body>,
    Option<impl Future<Output = io::Result<ServerSocket>>>,
) {
    let (response, accepted) = accept(request);
    let socket = accepted.map(|accepted| async move {
        let (stream, early) = accepted.await?;
        tune(&stream)?;
        let config = WebSocketConfig::default()
            .max_message_size(Some(1 << 20))
            .max_frame_size(Some(1 << 20))
            // One message is flushed before the next, so this bounds one message; a box may be
            // asked to send one that is too long for its subscribers.
            .max_write_buffer_size(64 << 20)
            .read_buffer_size(16 << 10);
        let stream = PingFilter::new(stream, early, rules);
        Ok(WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await)
    });
    (response, socket)
}

/// The answer to a request for a WebSocket on any path, and the connection once it is one, with what
/// was read of it early.
///
/// tungstenite's own handshake refuses every `Sec-WebSocket-Key` that is not 16 bytes of base64,
/// before anyone is asked. Old clients are not that careful, so the upgrade is made here.
pub fn accept(
    mut request: Request<Incoming>,
) -> (
    Response<Body>,
    Option<impl Future<Output = io::Result<(TcpStream, Bytes)>>>,
) {
    let wants = |name, word: &str| {
        let values = request.headers().get_all(name).into_iter();
        values
            .filter_map(|value| value.to_str().ok())
            .any(|value| value.to_ascii_lowercase().contains(word))
    };
    if !(wants(UPGRADE, "websocket") && wants(CONNECTION, "upgrade")) {
        let line = "this port speaks WebSocket only: dial it with ws://";
        return (http::text(StatusCode::UPGRADE_REQUIRED, line), None);
    }
    let key = request.headers().get(SEC_WEBSOCKET_KEY);
    let accept = derive_accept_key(key.map_or(b"", HeaderValue::as_bytes));
    let mut response = http::answer(StatusCode::SWITCHING_PROTOCOLS, "text/plain", "");
    let headers = response.headers_mut();
    headers.clear();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    if let Ok(accept) = HeaderValue::from_str(&accept) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    let upgraded = hyper::upgrade::on(&mut request);
    let accepted = async move {
        let upgraded = upgraded.await.map_err(io::Error::other)?;
        let parts = upgraded
            .downcast::<TokioIo<http::Stream>>()
            .map_err(|_| io::Error::other("upgraded from something else than HTTP"))?;
        let stream = parts.io.into_inner().into_tcp();
        let stream = stream.ok_or_else(|| io::Error::other("this port has no TLS"))?;
        // A copy: even an empty part would hold on to the whole of HTTP's buffer, 8 KiB.
        Ok((stream, Bytes::copy_from_slice(&parts.read_buf)))
    };
    (response, Some(accepted))
}

/// A stream that counts what was read, so that part of a large message can be told from silence.
#[derive(Debug)]
pub struct Metered<S> {
    stream: S,
    bytes: u64,
}

impl<S> Metered<S> {
    /// Bytes read so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.bytes += (buffer.filled().len() - before) as u64;
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

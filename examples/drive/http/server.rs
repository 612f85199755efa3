//! A server that answers every request with a handler.

use super::room::{Busy, Room, Seat};
use super::stream::Stream;
use super::{Body, Pace, text};
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// A running server. Dropped, it stops at once; see [`Self::stop`].
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    room: Arc<Room>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// What a server puts up with.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most connections at a time; 256. A further one takes the place of the one that has waited
    /// longest for a request; if all are being answered, it is closed.
    pub connections: usize,
    /// Most connections from one address; 256. As above.
    pub per_address: usize,
    /// Longest TLS handshake; 10 s.
    pub handshake: Duration,
    /// Longest wait for a request's head, from the end of the one before; 15 s. A peer that keeps
    /// its connection and asks every 30 s needs more.
    pub head: Duration,
    /// Longest request body that [`super::collect`] takes, in bytes; 1 MiB.
    pub body: usize,
    /// How fast a request body has to come, for a [`super::BodyReader`].
    pub pace: Pace,
    /// Longest time from a request's head to the head of its answer; 60 s. Then it is answered with
    /// 503.
    pub exchange: Duration,
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Where from.
    pub address: SocketAddr,
    /// Number of the connection; no two of a server have the same.
    pub link: u64,
}

impl Server {
    /// Answers every request with `handler`, until the server is stopped or dropped; over TLS, if
    /// there is an acceptor (see [`crate::tls::acceptor`]).
    ///
    /// `None` hangs up without an answer. A handler whose peer is gone is dropped where it waits.
    ///
    /// # Errors
    ///
    /// If the listener has no address.
    pub fn start<H, F>(
        listener: TcpListener,
        limits: Limits,
        tls: Option<TlsAcceptor>,
        handler: H,
    ) -> io::Result<Self>
    where
        H: Fn(Request<Incoming>, Peer) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Option<Response<Body>>> + Send + 'static,
    {
        let address = listener.local_addr()?;
        keep_freed_memory();
        let (stop, stopped) = watch::channel(false);
        let room = Arc::new(Room::new(limits.connections, limits.per_address));
        let shared = Shared {
            limits,
            tls,
            handler,
            stopped,
        };
        let task = tokio::spawn(accept(listener, Arc::clone(&room), shared));
        Ok(Self {
            address,
            room,
            stop,
            task,
        })
    }

    /// Takes no more requests, lets those being answered finish for at most 2 s, and returns.
    pub async fn stop(self) {
        self.stop_within(Duration::from_secs(2)).await;
    }

    /// Takes no more requests, lets those being answered finish for at most so long, and returns.
    pub async fn stop_within(mut self, patience: Duration) {
        self.stop.send_replace(true);
        // What is not finished by then is cut off by the drop.
        let _ = tokio::time::timeout(patience, &mut self.task).await;
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections at the moment, without those that became something else than HTTP.
    pub fn connections(&self) -> usize {
        self.room.len()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Limits {
    /// The defaults, for constants.
    pub const DEFAULT: Self = Self {
        connections: 256,
        per_address: 256,
        handshake: Duration::from_secs(10),
        head: Duration::from_secs(15),
        body: 1 << 20,
        pace: Pace::DEFAULT,
        exchange: Duration::from_mins(1),
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Listens on `address`, and says what to do if that cannot be.
///
/// # Errors
///
/// The system's, with the address and advice in its text.
pub async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let bound = (|| {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        // After a restart, the port is not taken by the connections of before.
        #[cfg(unix)]
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        // When a network is back, all come at once, and who finds no room tries again a second later.
        socket.listen(1024)
    })();
    bound.map_err(|error: io::Error| {
        let advice = match error.kind() {
            io::ErrorKind::AddrInUse => "the port is taken: stop what uses it, or choose another",
            io::ErrorKind::AddrNotAvailable => "no network interface of this machine has it",
            io::ErrorKind::PermissionDenied => "ports below 1024 need privileges: choose another",
            _ => "choose another address",
        };
        io::Error::new(
            error.kind(),
            format!("cannot listen on {address}: {error}; {advice}"),
        )
    })
}

/// Answers every request with `handler`, without TLS, until the server is stopped or dropped.
///
/// # Errors
///
/// If the listener has no address.
pub fn serve<H, F>(listener: TcpListener, limits: Limits, handler: H) -> io::Result<Server>
where
    H: Fn(Request<Incoming>, SocketAddr) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    Server::start(listener, limits, None, move |request, peer| {
        let answer = handler(request, peer.address);
        async move { Some(answer.await) }
    })
}

/// Lets glibc keep what a body leaves behind. It gives everything above 128 KiB back to the system
/// until a larger block has come and gone, and the page faults of the next body then cost several
/// times its reading: 80 us instead of 20 for 133 KB. Other allocators do not care.
fn keep_freed_memory() {
    drop(std::hint::black_box(Vec::<u8>::with_capacity(8 << 20)));
}

/// What every connection needs.
#[derive(Clone)]
struct Shared<H> {
    limits: Limits,
    tls: Option<TlsAcceptor>,
    handler: H,
    stopped: watch::Receiver<bool>,
}

async fn accept<H, F>(listener: TcpListener, room: Arc<Room>, shared: Shared<H>)
where
    H: Fn(Request<Incoming>, Peer) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Option<Response<Body>>> + Send + 'static,
{
    let mut stopped = shared.stopped.clone();
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = told(&mut stopped) => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, address)) = accepted else {
            // Out of file descriptors, most likely: some must close first.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let Some(seat) = room.admit(address.ip()) else {
            continue;
        };
        // A socket that cannot be tuned is about to fail anyway.
        let _ = stream.set_nodelay(true);
        connections.spawn(host(stream, address, Arc::new(seat), shared.clone()));
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// One connection, until it ends, is told to, or has to give its seat to another.
async fn host<H, F>(stream: TcpStream, address: SocketAddr, seat: Arc<Seat>, shared: Shared<H>)
where
    H: Fn(Request<Incoming>, Peer) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Option<Response<Body>>> + Send + 'static,
{
    let Shared {
        limits,
        tls,
        handler,
        mut stopped,
    } = shared;
    let opened = tokio::select! {
        opened = open(stream, tls, &limits) => opened,
        () = told(&mut stopped) => None,
        () = seat.evicted() => None,
    };
    let Some(stream) = opened else {
        return;
    };
    let peer = Peer {
        address,
        link: seat.link(),
    };
    let place = Arc::clone(&seat);
    let service = service_fn(move |request| {
        let busy = place.busy();
        let answer = busy.is_some().then(|| handler(request, peer));
        async move {
            let answer = answer.ok_or(HangUp)?;
            let answer = tokio::time::timeout(limits.exchange, answer).await;
            let late = |_| Some(text(StatusCode::SERVICE_UNAVAILABLE, "no answer in time"));
            let answer = answer.unwrap_or_else(late).ok_or(HangUp)?;
            Ok::<_, HangUp>(answer.map(|body| Tracked { body, _busy: busy }))
        }
    });
    // Boxed: a peer that never speaks does not cost the memory of one that does.
    let mut connection = Box::pin(
        hyper::server::conn::http1::Builder::new()
            //= docs/spec/face-record-push.md#fairness
            //# A connection whose head is not complete in time MUST be hung up on.
            // Without a timer the timeout of the head is silently off.
            .timer(TokioTimer::new())
            .header_read_timeout(limits.head)
            .max_headers(64)
            .max_header_size(32 << 10)
            .max_buf_size(64 << 10)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades(),
    );
    // How a peer leaves is its own affair.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = seat.evicted() => {}
        () = told(&mut stopped) => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

/// The stream, once the first bytes of a request or a TLS handshake have come over it.
async fn open(stream: TcpStream, tls: Option<TlsAcceptor>, limits: &Limits) -> Option<Stream> {
    match tls {
        None => {
            // A peer that never speaks costs no read buffer.
            let spoken = tokio::time::timeout(limits.head, stream.peek(&mut [0])).await;
            spoken.ok()?.ok()?;
            Some(stream.into())
        }
        Some(tls) => {
            let stream = tokio::time::timeout(limits.handshake, tls.accept(stream)).await;
            Some(stream.ok()?.ok()?.into())
        }
    }
}

/// Waits for the word to stop, or for the server to be dropped.
async fn told(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|&stop| stop).await;
}

/// Ends a connection without an answer.
#[derive(Debug)]
struct HangUp;

impl std::fmt::Display for HangUp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no answer is wanted")
    }
}

impl std::error::Error for HangUp {}

/// The body of an answer; its connection counts as busy until it is sent.
struct Tracked {
    body: Body,
    _busy: Option<Busy>,
}

impl HttpBody for Tracked {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

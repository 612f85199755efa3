//! A receiver that tells what became of each body, and a peer that says exactly what it is told to.
#![allow(dead_code, unreachable_pub, reason = "each test program uses its part")]

use bytes::Bytes;
use drive::http::{
    self, Body, BodyError, BodyReader, Incoming, Limits, Pace, Peer, Request, Response, Server,
    StatusCode,
};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

/// How long anything may take before the test fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Limits that are reached soon.
pub fn quick() -> Limits {
    Limits {
        handshake: millis(300),
        head: millis(300),
        pace: Pace {
            total: Duration::from_secs(10),
            grace: millis(300),
            rate: 4096,
        },
        exchange: PATIENCE,
        ..Limits::DEFAULT
    }
}

/// Limits that no test reaches: nobody is hung up on for being slow.
pub fn patient() -> Limits {
    Limits {
        handshake: PATIENCE,
        head: 2 * PATIENCE,
        pace: Pace::DEFAULT,
        ..quick()
    }
}

/// A server that reads bodies. `/limit/N` reads N bytes at first, `/refuse` nothing at all, `/held`
/// waits for [`Receiver::release`].
pub struct Receiver {
    pub server: Server,
    pub release: Arc<Notify>,
    pub seen: Arc<Seen>,
}

#[derive(Default)]
pub struct Seen {
    pub read: Mutex<Vec<Result<usize, BodyError>>>,
    pub links: Mutex<Vec<u64>>,
    pub held: AtomicUsize,
}

impl Receiver {
    pub async fn start(limits: Limits) -> Self {
        Self::start_tls(limits, None).await
    }

    pub async fn start_tls(limits: Limits, tls: Option<TlsAcceptor>) -> Self {
        let listener = http::listen(([127, 0, 0, 1], 0).into()).await.unwrap();
        let (release, seen) = (Arc::new(Notify::new()), Arc::new(Seen::default()));
        let (released, news) = (Arc::clone(&release), Arc::clone(&seen));
        let handler = move |request, peer| {
            let (released, news) = (Arc::clone(&released), Arc::clone(&news));
            receive(request, peer, limits.pace, released, news)
        };
        let server = Server::start(listener, limits, tls, handler).unwrap();
        Self {
            server,
            release,
            seen,
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// What became of each body so far.
    pub fn read(&self) -> Vec<Result<usize, BodyError>> {
        self.seen.read.lock().unwrap().clone()
    }

    /// The connection of each request so far.
    pub fn links(&self) -> Vec<u64> {
        self.seen.links.lock().unwrap().clone()
    }

    pub async fn wait_read(&self, count: usize) {
        until(|| self.read().len() >= count).await;
    }

    pub async fn wait_held(&self, count: usize) {
        until(|| self.seen.held.load(Ordering::SeqCst) >= count).await;
    }
}

/// Waits until it is so.
pub async fn until(is_so: impl Fn() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::time::sleep(millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap();
}

async fn receive(
    request: Request<Incoming>,
    peer: Peer,
    pace: Pace,
    release: Arc<Notify>,
    seen: Arc<Seen>,
) -> Option<Response<Body>> {
    seen.links.lock().unwrap().push(peer.link);
    let (parts, mut reader) = BodyReader::open(request, pace);
    let path = parts.uri.path().to_owned();
    if path == "/refuse" {
        return Some(http::text(StatusCode::SERVICE_UNAVAILABLE, "not now"));
    }
    if path == "/held" {
        let released = release.notified();
        seen.held.fetch_add(1, Ordering::SeqCst);
        released.await;
        return Some(http::answer(StatusCode::OK, "text/plain", "held"));
    }
    if parts.method != hyper::Method::POST {
        return Some(http::answer(StatusCode::OK, "text/plain", "heartbeat"));
    }
    let first = path.strip_prefix("/limit/");
    let first = first.map_or(64 << 20, |limit| limit.parse().unwrap());
    let mut body = reader.read(first).await;
    let held = reader.so_far();
    let has_outgrown = body == Err(BodyError::Outgrown);
    if has_outgrown {
        body = reader.read(64 << 20).await;
    }
    let body = body.map(|body| body.len());
    seen.read.lock().unwrap().push(body);
    let len = body.ok()?;
    let line = if has_outgrown {
        format!("outgrew {first}, then read {len} having held {held}")
    } else {
        format!("read {len}")
    };
    Some(http::answer(StatusCode::OK, "text/plain", line))
}

/// A peer that says what it is told to.
pub struct Raw(BufReader<TcpStream>);

/// An answer as [`Raw`] reads it.
#[derive(Debug)]
pub struct Heard {
    pub status: u16,
    pub headers: Vec<String>,
    pub body: String,
}

impl Raw {
    pub async fn dial(receiver: &Receiver) -> Self {
        Self::dial_from("127.0.0.1", receiver.address()).await
    }

    /// Dials from this address of our own.
    pub async fn dial_from(own: &str, address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(format!("{own}:0").parse().unwrap()).unwrap();
        let stream = socket.connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self(BufReader::new(stream))
    }

    pub async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.get_mut().write_all(bytes.as_ref()).await.unwrap();
    }

    /// False if the connection is closed.
    pub async fn try_say(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.0.get_mut().write_all(bytes.as_ref()).await.is_ok()
    }

    pub async fn post_head(&mut self, framing: &str) {
        let head = format!("POST /Record HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n");
        self.say(head).await;
    }

    pub async fn line(&mut self) -> String {
        let mut line = String::new();
        let read = self.0.read_line(&mut line);
        tokio::time::timeout(PATIENCE, read).await.unwrap().unwrap();
        line.trim_end_matches("\r\n").to_owned()
    }

    pub async fn head(&mut self) -> Heard {
        let status = self.line().await;
        let status = status.split(' ').nth(1).expect("a status line");
        let status = status.parse().unwrap();
        let mut headers = vec![];
        loop {
            let line = self.line().await;
            if line.is_empty() {
                break;
            }
            headers.push(line.to_ascii_lowercase());
        }
        Heard {
            status,
            headers,
            body: String::new(),
        }
    }

    pub async fn answer(&mut self) -> Heard {
        let mut heard = self.head().await;
        let mut headers = heard.headers.iter();
        let len = headers.find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; len.map_or(0, |len| len.parse().unwrap())];
        let read = self.0.read_exact(&mut body);
        tokio::time::timeout(PATIENCE, read).await.unwrap().unwrap();
        heard.body = String::from_utf8(body).unwrap();
        heard
    }

    /// Waits until the other end hangs up, whatever it says before.
    pub async fn hung_up(&mut self) {
        let mut rest = vec![];
        let read = self.0.read_to_end(&mut rest);
        let _ = tokio::time::timeout(PATIENCE, read).await.unwrap();
    }

    /// All that still comes until the other end hangs up.
    pub async fn rest(&mut self) -> String {
        let mut rest = vec![];
        let read = self.0.read_to_end(&mut rest);
        // A reset is a way to hang up.
        let _ = tokio::time::timeout(PATIENCE, read).await.unwrap();
        String::from_utf8(rest).unwrap()
    }
}

/// The body with its length, after the other headers.
pub fn declared(body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("Content-Length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend(body);
    bytes
}

/// The body in chunks of 10,000 bytes, after the other headers.
pub fn chunked(body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::from("Transfer-Encoding: chunked\r\n\r\n");
    for chunk in body.chunks(10_000) {
        bytes.extend(format!("{:x}\r\n", chunk.len()).bytes());
        bytes.extend(chunk);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"0\r\n\r\n");
    bytes
}

/// A body of so many bytes.
pub fn body(len: usize) -> Bytes {
    Bytes::from(vec![b'x'; len])
}

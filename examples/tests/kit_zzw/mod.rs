//! A server in this process, and clients of its rooms.
#![allow(dead_code, unreachable_pub, reason = "each test program uses its part")]
#![allow(
    clippy::disallowed_methods,
    reason = "peers are waited for by the clock"
)]

use drive::ws::{self, ClientSocket, Message};
use drive::zzw::server::{Options, Ports, Server};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use xtea_token::Key;

/// The longest that anything may take.
pub const PATIENCE: Duration = Duration::from_mins(1);

pub const KEY: &str = "000102030405060708090a0b0c0d0e0f";

/// A server on free ports.
pub async fn serve(change: impl FnOnce(&mut Options)) -> Server {
    let mut options = Options::new(Key::from_hex(KEY).unwrap());
    options.ports = Ports {
        rest: 0,
        socketio: 0,
        push: 0,
        relay: 0,
        admin: Some(0),
    };
    options.broker.drain_over = Duration::from_millis(50);
    change(&mut options);
    Server::start(options).await.unwrap()
}

/// Waits, but not for ever.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(PATIENCE, future).await;
    waited.unwrap_or_else(|_| panic!("waited too long for {what}"))
}

/// Looks until it is so, but neither for ever nor so often that a server has enough of it.
pub async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let looked = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    soon(what, looked).await;
}

/// What somebody in a room hears.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    Text(String),
    Binary(Vec<u8>),
    /// A goodbye with this status; 0 for one without, or none at all.
    Closed(u16),
}

/// Somebody in a room.
pub struct Guest(pub ClientSocket);

impl Guest {
    /// Goes where the path leads.
    pub async fn enter(server: &Server, path: &str) -> Self {
        Self::at(server.addresses().relay, path).await
    }

    pub async fn at(relay: SocketAddr, path: &str) -> Self {
        let url = format!("ws://{relay}{path}");
        Self(soon("an upgrade", ws::dial(&url)).await.unwrap())
    }

    pub async fn say(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    pub async fn show(&mut self, picture: impl Into<Vec<u8>>) {
        let message = Message::binary(picture.into());
        // The error would show the picture.
        assert!(self.0.send(message).await.is_ok(), "a picture is not sent");
    }

    /// What comes next, without pings.
    pub async fn hear(&mut self) -> Heard {
        soon("a message", async {
            loop {
                match self.0.next().await {
                    Some(Ok(Message::Text(text))) => return Heard::Text(text.to_string()),
                    Some(Ok(Message::Binary(bytes))) => return Heard::Binary(bytes.to_vec()),
                    Some(Ok(Message::Close(frame))) => {
                        return Heard::Closed(frame.map_or(0, |frame| frame.code.into()));
                    }
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return Heard::Closed(0),
                }
            }
        })
        .await
    }

    pub async fn hears_text(&mut self, text: &str) {
        assert_eq!(self.hear().await, Heard::Text(text.to_owned()));
    }

    pub async fn sees(&mut self, picture: &[u8]) {
        let heard = self.hear().await;
        // A picture would fill the screen.
        assert!(
            heard == Heard::Binary(picture.to_vec()),
            "saw another picture"
        );
    }

    pub async fn is_closed(&mut self, code: u16) {
        assert_eq!(self.hear().await, Heard::Closed(code));
    }
}

/// A connection of which every byte is the test's.
pub struct Raw(pub TcpStream);

impl Raw {
    pub async fn dial(address: SocketAddr) -> Self {
        Self::with_buffer(address, None).await
    }

    /// One for which the system keeps little, so that it is soon full.
    pub async fn narrow(address: SocketAddr) -> Self {
        Self::with_buffer(address, Some(4 << 10)).await
    }

    async fn with_buffer(address: SocketAddr, bytes: Option<u32>) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        if let Some(bytes) = bytes {
            socket.set_recv_buffer_size(bytes).unwrap();
        }
        Self(soon("a connection", socket.connect(address)).await.unwrap())
    }

    pub async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Asks for a WebSocket, and reads the head of the answer.
    pub async fn upgrade(&mut self, path: &str) {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        );
        self.say(request).await;
        let head = self.head().await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    }

    /// All that comes until an empty line.
    pub async fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let byte = soon("an answer", self.0.read_u8()).await;
            match byte {
                Ok(byte) => head.push(byte),
                Err(_) => break,
            }
        }
        String::from_utf8(head).unwrap()
    }

    /// All that comes until the other side hangs up, also if it does so rudely.
    pub async fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let _ = soon("the end", self.0.read_to_end(&mut bytes)).await;
        bytes
    }

    /// The next frame of a WebSocket: first byte and payload; nothing once it is hung up.
    pub async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        soon("a frame", async {
            let mut head = [0; 2];
            self.0.read_exact(&mut head).await.ok()?;
            let length = match head[1] {
                126 => self.0.read_u16().await.ok()?.into(),
                127 => self.0.read_u64().await.ok()?,
                length => length.into(),
            };
            let mut payload = vec![0; usize::try_from(length).unwrap()];
            self.0.read_exact(&mut payload).await.ok()?;
            Some((head[0], payload))
        })
        .await
    }

    /// The status of the goodbye that comes, whatever comes before; `None` if it is hung up without.
    pub async fn goodbye(&mut self) -> Option<u16> {
        while let Some((first, payload)) = self.frame().await {
            if first == 0x88 {
                let status = payload.first_chunk::<2>()?;
                return Some(u16::from_be_bytes(*status));
            }
        }
        None
    }
}

/// What a call over HTTP was answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}

/// Sends these bytes, and reads the answer to its end; what they ask must not be kept open.
pub async fn exchange(address: SocketAddr, request: impl AsRef<[u8]>) -> Answer {
    let mut peer = Raw::dial(address).await;
    // Who is refused may be hung up on before all is sent.
    let _ = peer.0.write_all(request.as_ref()).await;
    let mut head = peer.head().await;
    while head.starts_with("HTTP/1.1 100 ") {
        head = peer.head().await;
    }
    let status = head.split(' ').nth(1).unwrap_or_default();
    let status = status
        .parse()
        .unwrap_or_else(|_| panic!("no answer: {head}"));
    Answer {
        status,
        body: peer.rest().await,
        head,
    }
}

/// A call with a body, which may be empty.
pub async fn ask(address: SocketAddr, method: &str, path: &str, body: impl AsRef<[u8]>) -> Answer {
    let body = body.as_ref();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    exchange(address, [head.as_bytes(), body].concat()).await
}

/// What a server answers to a call that it has to answer.
pub async fn call(server: &Server, path: &str) -> Value {
    let path = format!("{path}/{}", server.token().unwrap());
    let answer = ask(server.addresses().rest, "GET", &path, "").await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.json()
}

/// Somebody who speaks in lines.
pub struct Caller(BufReader<TcpStream>);

impl Caller {
    pub async fn dial(server: &Server) -> Self {
        Self::at(server.addresses().push).await
    }

    pub async fn at(address: SocketAddr) -> Self {
        Self(BufReader::new(Raw::dial(address).await.0))
    }

    /// One who has an alias.
    pub async fn bound(server: &Server, alias: &str) -> Self {
        let mut caller = Self::dial(server).await;
        let answer = caller.asks(&json!({"t": 14, "alias": alias})).await;
        assert_eq!(answer, json!({"t": -14, "alias": alias}));
        caller
    }

    pub async fn says(&mut self, message: &Value) {
        self.writes(format!("{message}\n")).await;
    }

    pub async fn writes(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    /// The next message; `Null` once it is hung up.
    pub async fn hears(&mut self) -> Value {
        let mut line = String::new();
        // Some hang up rudely.
        let _ = soon("a line", self.0.read_line(&mut line)).await;
        serde_json::from_str(&line).unwrap_or_default()
    }

    pub async fn asks(&mut self, message: &Value) -> Value {
        self.says(message).await;
        self.hears().await
    }

    /// Returns when its node has heard all that it has said, and says that it has this alias.
    pub async fn is_heard_as(&mut self, alias: &str) {
        let beat = json!({"t": -1, "alias": alias});
        assert_eq!(self.asks(&json!({"t": 1})).await, beat);
    }
}

/// A frame as clients send it; a mask of zeros changes nothing.
pub fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | u8::try_from(length).unwrap()),
        length @ 126..=0xffff => {
            frame.push(0xfe);
            frame.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        length => {
            frame.push(0xff);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

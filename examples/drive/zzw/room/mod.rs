//! The client's side of the relay rooms: cameras and their viewers, both ends of a call.
//!
//! ```no_run
//! # use drive::zzw::room::*;
//! # use zzw_push_proto::rooms::{Role, RoomFrame, RoomPath};
//! # async fn f() -> Result<(), End> {
//! let path = RoomPath::capture("7", "3", "2", Role::One).unwrap();
//! let address = RoomAddress::new("ws://127.0.0.1:9000", path).unwrap();
//! let mut room = Room::enter(&address).await?;
//! loop {
//!     match room.next().await? {
//!         RoomFrame::Binary(picture) => println!("{} bytes", picture.len()),
//!         RoomFrame::Text(text) => println!("{}", String::from_utf8_lossy(&text)),
//!     }
//! }
//! # }
//! ```
//!
//! A room needs no machine: whoever is out comes in again, unless [`End::is_final`].

pub mod program;

use crate::clock::SEND_DEADLINE;
use crate::ws::{self, ClientSocket, Error, Message, ProtocolError, Utf8Bytes};
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use std::io;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};
use zzw_push_proto::rooms::{RoomFrame, RoomPath};
use zzw_push_proto::wire::{Text, Token};

/// A place in a room.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RoomAddress {
    /// `ws://HOST:9000`
    pub relay: String,
    /// The room, and as what.
    pub path: RoomPath,
    /// Alias and token of the client, where the relay asks for them; none.
    pub pass: Option<(Text, Token)>,
}

/// A link to a room. Dropped, it is cut; see [`Self::leave`].
#[derive(Debug)]
pub struct Room {
    socket: ClientSocket,
    ping_at: Instant,
    dead_at: Instant,
}

/// Why somebody is out, or never was in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
#[non_exhaustive]
pub struct End {
    /// Why, in words.
    pub why: String,
    /// Coming again would be of no use, or drive out who has the place now.
    pub is_final: bool,
}

/// How long connecting and shaking hands may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How often a silent relay is asked whether it is there, and how long it may then take to say
/// something.
const PING_EVERY: Duration = Duration::from_secs(20);
const PATIENCE: Duration = Duration::from_mins(1);

/// How long a goodbye may take.
const LAST_WORDS: Duration = Duration::from_secs(2);

impl RoomAddress {
    /// A place in a room of the relay at `ws://HOST:9000`.
    ///
    /// # Errors
    ///
    /// If that is no address, with advice.
    pub fn new(relay: &str, path: RoomPath) -> io::Result<Self> {
        let relay = relay.trim_end_matches('/');
        ws::host_and_port(relay)?;
        if relay.matches('/').count() > 2 || relay.contains(['?', '#']) {
            let text = format!("{relay}: the room is given apart; write ws://HOST:PORT");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        Ok(Self {
            relay: relay.to_owned(),
            path,
            pass: None,
        })
    }

    fn url(&self) -> String {
        let mut url = format!("{}{}", self.relay, self.path);
        if let Some((alias, token)) = &self.pass {
            url.push_str("?alias=");
            push_quoted(&mut url, alias);
            url.push_str("&token=");
            push_quoted(&mut url, token.as_str());
        }
        url
    }
}

impl Room {
    /// Goes into a room.
    ///
    /// # Errors
    ///
    /// Why not.
    pub async fn enter(address: &RoomAddress) -> Result<Self, End> {
        let url = address.url();
        let dialled = timeout(CONNECT_TIMEOUT, ws::dial(&url)).await;
        let dialled =
            dialled.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()));
        let now = Instant::now();
        Ok(Self {
            socket: dialled.map_err(|error| refusal(&address.relay, &error))?,
            ping_at: now + PING_EVERY,
            dead_at: now + PATIENCE,
        })
    }

    /// Sends a frame.
    ///
    /// # Errors
    ///
    /// If the link is over, or takes nothing for 5 s.
    pub async fn send(&mut self, frame: RoomFrame) -> Result<(), End> {
        let message = match frame {
            RoomFrame::Binary(bytes) => Message::Binary(bytes),
            // What is not UTF-8 cannot be sent as text; it is nobody's either.
            RoomFrame::Text(text) => Message::Text(Utf8Bytes::try_from(text).unwrap_or_default()),
        };
        self.put(message).await
    }

    /// The next frame. Safe to cancel.
    ///
    /// # Errors
    ///
    /// Why there is none any more.
    pub async fn next(&mut self) -> Result<RoomFrame, End> {
        loop {
            let Ok(message) = timeout_at(self.ping_at, self.socket.next()).await else {
                if self.ping_at >= self.dead_at {
                    return Err(End::lost("the relay says nothing any more"));
                }
                self.ping_at = (self.ping_at + PING_EVERY).min(self.dead_at);
                self.put(Message::Ping(Bytes::new())).await?;
                continue;
            };
            self.ping_at = Instant::now() + PING_EVERY;
            self.dead_at = Instant::now() + PATIENCE;
            match message {
                None => return Err(End::lost("the relay has closed the link")),
                Some(Err(error)) => return Err(end_of(&error)),
                Some(Ok(Message::Text(text))) => return Ok(RoomFrame::Text(text.into())),
                Some(Ok(Message::Binary(bytes))) => return Ok(RoomFrame::Binary(bytes)),
                Some(Ok(Message::Close(frame))) => {
                    return Err(End::of_code(frame.map_or(1005, |frame| frame.code.into())));
                }
                Some(Ok(_)) => {}
            }
        }
    }

    /// Leaves when everything is sent and read.
    pub async fn leave(mut self) {
        let left = async {
            // Who has left before us needs no goodbye.
            let _ = self.socket.close(None).await;
            while let Some(Ok(_)) = self.socket.next().await {}
        };
        let _ = timeout(LAST_WORDS, left).await;
    }

    async fn put(&mut self, message: Message) -> Result<(), End> {
        match timeout(SEND_DEADLINE, self.socket.send(message)).await {
            Ok(sent) => sent.map_err(|error| end_of(&error)),
            Err(_) => Err(End::lost("the relay takes nothing of what is sent")),
        }
    }
}

impl End {
    fn lost(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            is_final: false,
        }
    }

    fn last(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            is_final: true,
        }
    }

    fn of_code(code: u16) -> Self {
        match code {
            1000 => Self::lost("the room is over"),
            1001 => Self::lost("the relay goes away"),
            1008 => Self::last("the relay does not allow that here"),
            1009 => Self::last("a frame was too long for the relay; send smaller ones"),
            1013 => Self::lost("the relay has too much to do; come again later"),
            4001 => Self::last("another one has this place now"),
            code => Self::lost(format!("the relay has closed the link ({code})")),
        }
    }
}

fn end_of(error: &Error) -> End {
    match error {
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
            End::lost("the relay has closed the link")
        }
        error => End::lost(error.to_string()),
    }
}

/// Why there is no WebSocket.
fn refusal(relay: &str, error: &Error) -> End {
    let advice = "is this the relay's port, 9000?";
    match error {
        Error::Http(response) => {
            let status = response.status().as_u16();
            let body = response.body().as_deref().unwrap_or_default();
            let body = String::from_utf8_lossy(body);
            let said = body.lines().next().filter(|line| line.len() < 200);
            let said = said.unwrap_or(advice);
            let why = format!("{relay} answers HTTP {status}: {said}");
            if (400..500).contains(&status) && !matches!(status, 408 | 429) {
                End::last(why)
            } else {
                End::lost(why)
            }
        }
        Error::Io(error) if error.kind() == io::ErrorKind::TimedOut => {
            End::lost(format!("{relay}: no WebSocket in time; {advice}"))
        }
        Error::Io(error) => End::lost(format!("{relay}: {error}; {advice}")),
        Error::Protocol(
            ProtocolError::HandshakeIncomplete | ProtocolError::ResetWithoutClosingHandshake,
        ) => End::lost(format!("{relay}: the link broke off; {advice}")),
        error => End::last(format!(
            "{relay}: no WebSocket server answers ({error}); {advice}"
        )),
    }
}

/// Percent-encoded but for what needs it nowhere.
fn push_quoted(url: &mut String, text: &str) {
    use std::fmt::Write as _;
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            url.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(url, "%{byte:02X}");
        }
    }
}

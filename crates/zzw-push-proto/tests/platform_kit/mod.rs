//! A broker under a virtual clock with a store in memory, for tests.
#![allow(
    unreachable_pub,
    dead_code,
    missing_docs,
    clippy::arithmetic_side_effects,
    clippy::new_without_default,
    clippy::cast_possible_truncation,
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    reason = "each test file uses its part of this"
)]

pub mod cast;
pub mod checks;
pub mod model;
pub mod others;
pub mod store;

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};
use store::MemoryStore;
use zzw_push_proto::platform::{
    Call, Config, Event, ExchangeId, Grant, Input, LinkId, NodeId, Output, Peer, Platform,
    Presented, Scopes, Seq, StoreError, StoreOp, StoreReply, Transport, UnixMillis,
};
use zzw_push_proto::rest::RestReply;
use zzw_push_proto::wire::{Lenience, Message};

/// The wall-clock time at which every test begins.
pub const START: u64 = 1_660_625_866_000;
/// Where everybody is.
pub const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));

/// A broker, its clock, its store, and what it has said since somebody looked.
pub struct Rig {
    pub platform: Platform,
    pub store: MemoryStore,
    pub now: Instant,
    pub elapsed: Duration,
    pub log: Vec<Output>,
    /// Requests that the store has not seen, while it is held.
    pub asked: Vec<(Seq, StoreOp)>,
    pub is_held: bool,
    pub fails: bool,
    /// Tokens are not verified for now: what is asked stays in the log.
    pub is_unverified: bool,
}

pub fn config() -> Config {
    Config::new(NodeId(1), "192.0.2.1")
}

pub fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[expect(clippy::disallowed_methods, reason = "the origin of a virtual clock")]
pub fn origin() -> Instant {
    Instant::now()
}

/// What a token allows that reads like `m_2 48 3600`: whose, which scopes, for how many seconds.
pub fn grant_of(presented: &Presented) -> Option<Grant> {
    let mut words = presented.token.as_str().split(' ');
    let subject = words
        .next()
        .filter(|subject| presented.alias == **subject)?;
    let scopes = Scopes(words.next()?.parse().ok()?);
    let lasts = secs(words.next()?.parse().ok()?);
    Some(Grant::new(subject, scopes, lasts))
}

/// A message from its JSON.
pub fn message(json: &str) -> Message {
    let json = bytes::Bytes::copy_from_slice(json.as_bytes());
    Message::decode(json, Lenience::Vendor).unwrap().message
}

/// The JSON of a message.
pub fn json(message: &Message) -> String {
    let mut out = Vec::new();
    message.encode(&mut out);
    String::from_utf8(out).unwrap()
}

impl Rig {
    pub fn new(config: Config) -> Self {
        Self {
            platform: Platform::new(config),
            store: MemoryStore::new(),
            now: origin(),
            elapsed: Duration::ZERO,
            log: Vec::new(),
            asked: Vec::new(),
            is_held: false,
            fails: false,
            is_unverified: false,
        }
    }

    pub fn at(&self) -> UnixMillis {
        UnixMillis(START + self.elapsed.as_millis() as u64)
    }

    pub fn input(&mut self, input: Input) {
        self.platform.handle_input(self.now, input);
        self.drain();
    }

    /// Takes what the broker says; the store answers unless it is held.
    pub fn drain(&mut self) {
        while let Some(output) = self.platform.poll_output() {
            match output {
                Output::Store(seq, op) => self.asked.push((seq, op)),
                Output::Verify(id, presented) if !self.is_unverified => {
                    let grant = grant_of(&presented);
                    self.platform.verified(self.now, id, grant).unwrap();
                }
                other => self.log.push(other),
            }
            if !self.is_held {
                self.answer_all();
            }
        }
    }

    pub fn answer_all(&mut self) {
        while !self.asked.is_empty() {
            let (seq, op) = self.asked.remove(0);
            let reply = if self.fails {
                Err(StoreError::Unavailable)
            } else {
                self.store.execute(self.at(), op)
            };
            self.answer(seq, reply);
        }
    }

    pub fn answer(&mut self, seq: Seq, reply: Result<StoreReply, StoreError>) {
        let input = match reply {
            Ok(reply) => Input::Stored(seq, reply),
            Err(error) => Input::StoreFailed(seq, error),
        };
        self.input(input);
    }

    /// Lets time pass, timer by timer.
    pub fn wait(&mut self, by: Duration) {
        let end = self.now + by;
        while let Some(due) = self.platform.poll_timeout().filter(|due| *due <= end) {
            assert!(due > self.now, "a timer that has fired is still due");
            self.elapsed += due - self.now;
            self.now = due;
            self.platform.handle_timeout(self.now);
            self.drain();
        }
        self.elapsed += end - self.now;
        self.now = end;
        self.platform.handle_timeout(self.now);
        self.drain();
    }

    pub fn connect(&mut self, id: u64) {
        let peer = Peer::new(Transport::Tcp, ADDRESS);
        self.input(Input::Connected(LinkId(id), peer));
    }

    pub fn connect_socketio(&mut self, id: u64, alias: &str) {
        let peer = Peer::new(Transport::SocketIo, ADDRESS).with_alias(alias);
        self.input(Input::Connected(LinkId(id), peer));
    }

    /// Over Socket.IO, with a handshake that states no alias.
    pub fn connect_socketio_as_nobody(&mut self, id: u64) {
        let peer = Peer::new(Transport::SocketIo, ADDRESS);
        self.input(Input::Connected(LinkId(id), peer));
    }

    /// A TCP link that has an alias.
    pub fn bind(&mut self, id: u64, alias: &str) {
        self.connect(id);
        self.says(id, &format!(r#"{{"t":14,"alias":"{alias}"}}"#));
    }

    pub fn says(&mut self, id: u64, json: &str) {
        let at = self.at();
        self.input(Input::Received(LinkId(id), at, message(json)));
    }

    pub fn calls(&mut self, id: u64, call: Call) {
        let at = self.at();
        self.input(Input::Called(ExchangeId(id), ADDRESS, at, call));
    }

    /// What a link was sent since somebody looked; `closed` if it was closed.
    pub fn heard(&mut self, id: u64) -> Vec<String> {
        let mut heard = Vec::new();
        self.log.retain(|output| match output {
            Output::Send(link, message) if link.0 == id => {
                heard.push(json(message));
                false
            }
            Output::Deliver(link, parcel) if link.0 == id => {
                heard.push(json(&parcel.to_message()));
                false
            }
            Output::Disconnect(link) if link.0 == id => {
                heard.push("closed".into());
                false
            }
            _ => true,
        });
        heard
    }

    /// Status and body of the answers to a call.
    pub fn replied(&mut self, id: u64) -> Vec<(u16, String)> {
        let mut replied = Vec::new();
        self.log.retain(|output| match output {
            Output::Reply(exchange, reply) if exchange.0 == id => {
                replied.push((reply.status(), body(reply)));
                false
            }
            _ => true,
        });
        replied
    }

    pub fn events(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        self.log.retain(|output| match output {
            Output::Event(event) => {
                events.push(event.clone());
                false
            }
            _ => true,
        });
        events
    }
}

fn body(reply: &RestReply) -> String {
    let mut out = Vec::new();
    reply.encode(&mut out);
    String::from_utf8(out).unwrap()
}

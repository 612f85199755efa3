//! A machine's connection to the broker: the latest one, and what is told of it.

use super::MAX_PAYLOAD;
use crate::mqtt::{Connection, News, What};
use analyst_proto::WireErrorKind;
use analyst_proto::codec::{self, Dialect, Lenience};
use analyst_proto::link::{DeliveryId, Down, Incoming, Login, NotSent, Publish, SendId};
use analyst_proto::wire::{Message, Topic};
use bytes::Bytes;
use rustls::ClientConfig;
use std::sync::Arc;
use tokio::sync::mpsc;

/// The connection of one machine, while there is one.
#[derive(Debug)]
pub(super) struct Link {
    connection: Option<Connection>,
    tls: Option<Arc<ClientConfig>>,
    tells: bool,
    opened: u64,
    news: mpsc::Sender<News>,
}

/// A fact for the machine. Both have inputs of these names.
#[expect(clippy::large_enum_variant, reason = "it is handed on at once")]
pub(super) enum Fact {
    Connected,
    Disconnected(Down),
    Received(Incoming),
    Garbled(DeliveryId, WireErrorKind),
    Sent(SendId),
}

impl Link {
    /// None yet. What is told of it comes out of the receiver, to be given to [`Self::hear`].
    /// If it `tells`, people read on standard error why there is no connection.
    pub(super) fn new(tls: Option<Arc<ClientConfig>>, tells: bool) -> (Self, mpsc::Receiver<News>) {
        let (news, heard) = mpsc::channel(256);
        let link = Self {
            connection: None,
            tls,
            tells,
            opened: 0,
            news,
        };
        (link, heard)
    }

    pub(super) fn open(&mut self, login: &Login) {
        self.opened += 1;
        let (tls, news) = (self.tls.clone(), self.news.clone());
        let opened = Connection::open(self.opened, login, tls, MAX_PAYLOAD, news);
        self.connection = Some(opened);
    }

    pub(super) fn hang_up(&mut self) {
        self.connection = None;
    }

    /// False if the connection is gone with that.
    pub(super) fn subscribe(&mut self, topic: &Topic) -> bool {
        let is_queued = |connection: &Connection| connection.subscribe(topic);
        self.still(is_queued)
    }

    /// False if the connection is gone with that. If there is none any more, the broker delivers it
    /// again.
    pub(super) fn acknowledge(&mut self, delivery: DeliveryId) -> bool {
        let is_queued = |connection: &Connection| connection.acknowledge(delivery);
        self.still(is_queued)
    }

    /// Ends the connection if its queue is full.
    fn still(&mut self, is_queued: impl Fn(&Connection) -> bool) -> bool {
        let is_full = self.connection.as_ref().is_some_and(|it| !is_queued(it));
        if is_full {
            self.tell("it takes nothing any more");
            self.connection = None;
        }
        !is_full
    }

    fn tell(&self, why: &str) {
        if self.tells {
            eprintln!("no connection to the broker: {why}");
        }
    }

    pub(super) fn publish(&self, publish: &Publish) -> Result<(), NotSent> {
        let connection = self.connection.as_ref().ok_or(NotSent::Closed)?;
        connection.publish(publish.send, &publish.topic, write(&publish.message))
    }

    /// What a machine is to be told; nothing of a connection that it has ended.
    pub(super) fn hear(&mut self, news: News) -> Option<Fact> {
        Some(match news.of(self.connection.as_ref())? {
            What::Connected => Fact::Connected,
            What::Disconnected { why, said } => {
                self.tell(&said);
                self.connection = None;
                Fact::Disconnected(why)
            }
            What::Delivered {
                delivery,
                duplicate,
                payload,
            } => match read(&payload) {
                Ok(message) => Fact::Received(Incoming::new(delivery, duplicate, message)),
                Err(kind) => Fact::Garbled(delivery, kind),
            },
            What::Sent(send) => Fact::Sent(send),
        })
    }
}

/// What was delivered, if it can be read.
fn read(payload: &Bytes) -> Result<Message, WireErrorKind> {
    codec::decode(payload, &Lenience::field()).map_err(|error| error.kind)
}

/// What is published.
pub(super) fn write(message: &Message) -> Vec<u8> {
    let mut payload = Vec::new();
    codec::encode(message, &Dialect::default(), &mut payload);
    payload
}

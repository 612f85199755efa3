//! What both machines and their drivers say to each other about the broker and the store.

mod backoff;
mod bucket;
mod dialer;
mod journal;
mod outbox;

pub(crate) use bucket::Bucket;
pub(crate) use dialer::{Dialer, DialerSnapshot, Dialled, Phase};
pub(crate) use journal::{Journal, JournalSnapshot};
pub(crate) use outbox::{Outbox, OutboxSnapshot};

use crate::BrokerProfile;
use crate::wire::{ClientId, ConnectionInfo, Message, ParentTopic, Secret, Text, Topic};
use std::sync::Arc;
use std::time::Duration;

/// How a machine keeps its connection to the broker and waits for its store.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LinkConfig {
    /// First delay before a failed connection is tried again; 1 s. It doubles with each failure, and
    /// a fifth of it, more or less, is chance.
    pub backoff_min: Duration,
    /// Longest such delay; 60 s.
    pub backoff_max: Duration,
    /// First delay after credentials were refused; 30 s. It doubles likewise.
    pub auth_backoff_min: Duration,
    /// Longest such delay; 15 min.
    pub auth_backoff_max: Duration,
    /// How long a connection holds that is a good one; 60 s. After three that broke within this time
    /// the machine rests as long.
    pub steady_after: Duration,
    /// How long a connection may take to be made; 20 s.
    pub open_timeout: Duration,
    /// How long the broker may take to acknowledge a message before the connection counts as dead;
    /// 20 s.
    pub ack_timeout: Duration,
    /// Most messages that the broker has not acknowledged; 1 for an analyser, 16 for a dispatcher.
    pub window: usize,
    /// Most deliveries that wait for the store; 64. A further one is not acknowledged, so that the
    /// broker delivers it again.
    pub max_unstored: usize,
    /// First delay before a failed write is asked for again; 1 s. It doubles with each failure.
    pub store_retry_min: Duration,
    /// Longest such delay; 30 s.
    pub store_retry_max: Duration,
    /// How long a store may fail before the machine gives up; 10 min.
    pub store_give_up: Duration,
}

/// Names one message that a machine publishes. Never used twice by the same machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SendId(pub u64);

/// Names one message that the broker delivered and that is not acknowledged yet. The driver chooses
/// it, does not use it twice, and lets go of it with its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId(pub u64);

/// Names one exchange over HTTP: the machine chooses it for an analyser's question, the driver for
/// a question to the dispatcher. Never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeId(pub u64);

/// Names one request to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

/// Where to connect, and as whom.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Login {
    /// The broker's host.
    pub host: Text,
    /// Its port.
    pub port: u16,
    /// Whether to speak TLS there. A driver that cannot must not connect.
    pub is_tls: bool,
    /// Who we are.
    pub client_id: ClientId,
    /// The user name that goes with it.
    pub user_name: Text,
    /// The password that goes with it.
    pub password: Secret,
    /// Seconds between signs of life.
    pub keepalive: u16,
    /// The topic above all others.
    pub parent: ParentTopic,
}

/// A message that the broker delivered.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Incoming {
    /// What to acknowledge it by.
    pub delivery: DeliveryId,
    /// MQTT's DUP flag: a hint that it was delivered before, which some brokers never give.
    pub duplicate: bool,
    /// What it says.
    pub message: Message,
}

/// A message to publish with quality of service 1.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Publish {
    /// What the broker's acknowledgement is reported by.
    pub send: SendId,
    /// Whom it is for.
    pub topic: Topic,
    /// What it says.
    pub message: Arc<Message>,
}

/// Why there is no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Down {
    /// It broke, or was not to be had.
    Lost,
    /// The broker does not accept the user name or the password.
    BadCredentials,
    /// The broker refused for another reason: the code of its CONNACK.
    Refused(u8),
    /// The broker did not answer in time.
    Timeout,
}

/// Why the machine has dropped a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HangUp {
    /// It was not made in time.
    NotOpened,
    /// The broker did not acknowledge a message in time.
    NotAcknowledged,
    /// A message could not be published.
    NotSent,
    /// Deliveries were turned away while the store was behind. They come again over a new connection.
    TurnedAway,
    /// An analyser held tasks while there was no room. They come again over a new connection.
    Held,
}

/// Why a message was not published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NotSent {
    /// It is larger than the broker takes.
    TooLarge,
    /// The connection is gone, or its queue is full.
    Closed,
}

impl HangUp {
    /// True if there is nothing wrong with the connection.
    pub(crate) fn is_deliberate(self) -> bool {
        matches!(self, Self::TurnedAway | Self::Held)
    }
}

impl LinkConfig {
    /// The defaults, with a window.
    pub(crate) fn with_window(window: usize) -> Self {
        Self {
            backoff_min: Duration::from_secs(1),
            backoff_max: Duration::from_secs(60),
            auth_backoff_min: Duration::from_secs(30),
            auth_backoff_max: Duration::from_secs(15 * 60),
            steady_after: Duration::from_secs(60),
            open_timeout: Duration::from_secs(20),
            ack_timeout: Duration::from_secs(20),
            window,
            max_unstored: 64,
            store_retry_min: Duration::from_secs(1),
            store_retry_max: Duration::from_secs(30),
            store_give_up: Duration::from_secs(10 * 60),
        }
    }
}

impl Login {
    /// A login without TLS, and with a sign of life every 60 seconds.
    pub fn new(
        host: impl Into<Text>,
        port: u16,
        client_id: ClientId,
        user_name: impl Into<Text>,
        password: Secret,
        parent: ParentTopic,
    ) -> Self {
        Self {
            host: host.into(),
            port,
            is_tls: false,
            client_id,
            user_name: user_name.into(),
            password,
            keepalive: 60,
            parent,
        }
    }

    /// How the broker treats point-to-point messages, as its host and the user name tell.
    pub fn profile(&self) -> BrokerProfile {
        BrokerProfile::detect(&self.user_name, &self.host)
    }

    /// The topic of what is for us.
    pub fn topic(&self) -> Topic {
        self.parent.p2p(&self.client_id)
    }
}

impl From<&ConnectionInfo> for Login {
    fn from(info: &ConnectionInfo) -> Self {
        Self {
            host: info.host.clone(),
            port: info.port,
            //= docs/spec/analyst-proto.md#connection-information
            //# An analyser MUST NOT connect without TLS where `ssl://` or `mqtts://` stands before
            //# the host.
            is_tls: info.is_tls,
            client_id: info.client_id.clone(),
            user_name: info.user_name.clone(),
            password: info.password.clone(),
            keepalive: info.keepalive,
            parent: info.parent.clone(),
        }
    }
}

impl Incoming {
    /// A delivered message.
    pub fn new(delivery: DeliveryId, duplicate: bool, message: Message) -> Self {
        Self {
            delivery,
            duplicate,
            message,
        }
    }
}

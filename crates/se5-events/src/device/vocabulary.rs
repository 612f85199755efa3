//! What a [`super::Device`] hears and says.

use super::Fault;
use crate::{Answer, Ask, Dialect, EventError, ExchangeId, FromBox, Limits, ToBox, UnixMillis};
use std::sync::Arc;
use std::time::Duration;

/// Settings of a box.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// Seed of the faults.
    pub seed: u64,
    /// The dialect of its firmware; dialect 1. A subscription in the other one's words means nothing
    /// to it, as to a real box.
    pub dialect: Dialect,
    /// Most subscribers; 64. One more is hung up on.
    pub max_links: usize,
    /// Messages held for a slow subscriber; 64. Beyond that the oldest is dropped and counted.
    pub max_queue: usize,
    /// Outputs held for the driver; 4,096. Beyond that [`super::Device::emit`] refuses. One event can
    /// go beyond by one output or two for each link.
    pub max_outputs: usize,
    /// History questions that wait under [`Fault::SlowHistory`]; 256. Beyond that they are answered
    /// with status 503 at once.
    pub max_questions: usize,
    /// Events kept for the history; 1,000. Beyond that the oldest is forgotten.
    pub max_history: usize,
    /// Most devices; 10,000.
    pub max_devices: usize,
    /// Whether events carry `video_id` and `event_id` in dialect 1; true, since the vendor's own
    /// program fails without.
    pub script_ids: bool,
    /// What an empty list of devices subscribes to; [`EmptyList::None`].
    pub empty_list: EmptyList,
    /// Which flag governs the picture of the scene; [`SpotFollows::Face`].
    pub spot_follows: SpotFollows,
    /// Whether a subscription may also be the Python literal that the document prints; false. The
    /// driver then reads with [`crate::Subscription::decode_literal`].
    pub python_literal: bool,
    /// Hang up after so many garbled messages on a link; `None` is never. Default `None`.
    pub refuse_after: Option<u32>,
    /// How long questions are answered with `DEVICE_INIT_ERROR` after a reboot; 10 s.
    pub boot_time: Duration,
    /// What a message may be; see [`Limits`].
    pub limits: Limits,
}

/// What an empty list subscribes to. No document says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "there is nothing between none and all"
)]
pub enum EmptyList {
    /// No events.
    None,
    /// The events of every device.
    All,
}

/// Which flag governs the picture of the scene. No document says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpotFollows {
    /// `need_face`.
    Face,
    /// `need_register`.
    Registered,
    /// None: it is always sent.
    Always,
}

/// Names a subscriber's connection. The driver chooses it and does not use it twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// Who is at the other end of a link, for people to read: an address.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Peer(pub String);

/// What the world tells the machine.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Input {
    /// A subscriber's WebSocket is open.
    Connected(LinkId, Peer),
    /// A message came on a WebSocket.
    Received(LinkId, ToBox),
    /// A WebSocket message came that is no subscription.
    Garbled(LinkId, EventError),
    /// A question came over HTTP. The driver chooses the id and does not use it twice.
    Asked(ExchangeId, Dialect, Ask),
    /// The subscriber takes nothing more for now.
    Slow(LinkId),
    /// The subscriber takes messages again.
    Ready(LinkId),
    /// A WebSocket is closed.
    Disconnected(LinkId),
}

/// What the machine asks of the world, in order.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Output {
    /// Send this on a WebSocket. Subscribers that are sent the same share one [`Arc`], so whoever
    /// remembers the last one puts it into bytes once.
    Send(LinkId, Arc<FromBox>, Delivery),
    /// Send a WebSocket ping.
    Ping(LinkId),
    /// Answer a question over HTTP.
    Answer(ExchangeId, Answer),
    /// Tell the application.
    Event(Event),
    /// Hang up on a subscriber. No [`Input::Disconnected`] is needed.
    Disconnect(LinkId),
}

/// How a message is to be sent: as it should be, unless a fault was asked for.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Delivery {
    /// Faults of framing and content that the driver inflicts on this message, in order. See
    /// [`crate::codec::deface`] for those of content.
    pub faults: Vec<Fault>,
}

/// What the application learns.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A subscriber connected.
    Joined(LinkId, Peer),
    /// A subscriber was hung up on at once: [`Config::max_links`].
    Refused(Peer),
    /// A subscriber said what it wants: so many devices.
    Subscribed(LinkId, usize),
    /// A subscriber sent something that is no subscription.
    Garbled(LinkId, EventError),
    /// A subscriber is gone.
    Left {
        /// Which.
        link: LinkId,
        /// Events sent to it.
        sent: u64,
        /// Events dropped: because it was slow, by a fault, or waiting when it left. Together with
        /// `sent` these are the events it had asked for, each counted once however often it was sent.
        dropped: u64,
    },
    /// A slow subscriber's oldest waiting event was dropped.
    Dropped(LinkId),
    /// The history is full; its oldest event, of this time, is forgotten.
    Forgotten(UnixMillis),
    /// The box rebooted.
    Rebooted,
    /// The machine has ended; nothing follows.
    Closed(Reason),
}

/// Why a machine ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// [`super::Device::close`] was called.
    Local,
}

/// How a box comes back from a reboot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reboot {
    /// Whether the history survives (SF-15) or not (SF-16); true.
    pub keep_history: bool,
    /// The dialect of a new firmware (SF-24); `None` keeps the old one.
    pub dialect: Option<Dialect>,
}

/// What a driver does about a ping that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "there is nothing else to do about a ping"
)]
pub enum PingAnswer {
    /// Sends a pong.
    Answer,
    /// Nothing.
    Ignore,
    /// Sends no pong; [`Input::Received`] with [`ToBox::Ping`] will ask it to hang up.
    HangUp,
}

/// One subscriber, as the box sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LinkStatus<'a> {
    /// Which.
    pub id: LinkId,
    /// Who.
    pub peer: &'a Peer,
    /// Whether it has said what it wants.
    pub is_subscribed: bool,
    /// Whether it takes nothing for now.
    pub is_slow: bool,
    /// Events waiting for it.
    pub waiting: usize,
    /// Events sent to it.
    pub sent: u64,
    /// Events dropped, as in [`Event::Left`], those waiting not counted.
    pub dropped: u64,
}

/// What a box has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counters {
    /// Subscribers that connected.
    pub joined: u64,
    /// Subscribers over [`Config::max_links`].
    pub refused: u64,
    /// Subscriptions taken.
    pub subscribed: u64,
    /// Messages that were no subscription.
    pub garbled: u64,
    /// Pings that came.
    pub pinged: u64,
    /// Events emitted.
    pub emitted: u64,
    /// Events sent, once for each subscriber.
    pub sent: u64,
    /// Events dropped, once for each subscriber; as in [`Event::Left`].
    pub dropped: u64,
    /// Events sent a second time by [`Fault::Duplicate`].
    pub duplicated: u64,
    /// Events forgotten by the history.
    pub forgotten: u64,
    /// Questions that came over HTTP.
    pub asked: u64,
    /// Questions answered with an error.
    pub failed: u64,
}

impl Reboot {
    /// With the history lost.
    #[must_use]
    pub fn losing_history(mut self) -> Self {
        self.keep_history = false;
        self
    }

    /// With a firmware of this dialect.
    #[must_use]
    pub fn into_dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = Some(dialect);
        self
    }
}

impl Default for Reboot {
    fn default() -> Self {
        Self {
            keep_history: true,
            dialect: None,
        }
    }
}

impl Config {
    /// The defaults, with a seed for the faults.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            dialect: Dialect::V1,
            max_links: 64,
            max_queue: 64,
            max_outputs: 4_096,
            max_questions: 256,
            max_history: 1_000,
            max_devices: 10_000,
            script_ids: true,
            empty_list: EmptyList::None,
            spot_follows: SpotFollows::Face,
            python_literal: false,
            refuse_after: None,
            boot_time: Duration::from_secs(10),
            limits: Limits::default(),
        }
    }
}

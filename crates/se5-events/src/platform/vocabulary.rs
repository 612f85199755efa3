//! What a [`super::Platform`] hears and says.

use crate::{
    DeviceList, Dialect, EventError, FaceEvent, FromBox, Limits, ListStyle, ToBox, UnixMillis,
};
use std::time::Duration;

/// Settings of a subscriber.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// Seed of the jitter in reconnect delays. Give every subscriber its own.
    pub seed: u64,
    /// The box's dialect; `None` asks the box before the first connection. Default `None`.
    pub dialect: Option<Dialect>,
    /// Whether the box's HTTP service can be asked; true. Without it a configured dialect is needed
    /// (else dialect 1 is taken), gaps stay open, and a silent box that answers no pings stays
    /// connected until its transport ends or [`Self::max_silence`] does.
    pub http: bool,
    /// How long a dial may take; 10 s.
    pub dial_timeout: Duration,
    /// Longest first delay before dialling again; 0.5 s. The delay is drawn evenly from zero to a
    /// bound that doubles with each failure.
    pub backoff_min: Duration,
    /// Longest delay before dialling again; 30 s.
    pub backoff_max: Duration,
    /// How long a connection must have lasted to count as a success; 30 s. An event counts at once.
    pub stable: Duration,
    /// Whether to ping a silent box; [`PingPolicy::WhenIdle`].
    pub ping: PingPolicy,
    /// Silence after which the connection is doubted; 20 s.
    pub idle: Duration,
    /// How long a doubted box has to answer; 10 s.
    pub answer: Duration,
    /// How often a box that never answers pings is asked over HTTP while silent; 60 s.
    pub http_recheck: Duration,
    /// Reconnect after this long without an event; `None` is never. Default `None`.
    ///
    /// A box whose HTTP service answers while its push is dead is found by nothing else, unless the
    /// driver's TCP keepalive ends the connection.
    pub max_silence: Option<Duration>,
    /// Whether gaps are repaired from the history; true.
    pub backfill: bool,
    /// How long one question over HTTP may take before it counts as not answered; 10 s.
    pub ask_timeout: Duration,
    /// How far a gap is widened at both ends, how long a subscription may take to have effect
    /// before that counts as a further gap, and how long the history may lag behind; 2 s.
    pub overlap: Duration,
    /// How far a query is widened while the box's clock is not known; 60 s.
    pub clock_slack: Duration,
    /// Span of one history query; 60 s.
    pub slice: Duration,
    /// Records asked for at a time; 50. Boxes give at most 100.
    pub per_page: u32,
    /// Records of one slice beyond which it is halved; 2,000.
    pub max_slice: usize,
    /// How far times of one event may differ between push and history; 50 ms.
    pub match_tolerance: Duration,
    /// Events remembered against doubles, in keys; 65,536.
    pub window_keys: usize,
    /// How long an event is remembered against doubles after it came; 10 min. The smaller of both
    /// counts, except that nothing younger than a gap under repair is forgotten for its age.
    pub window_time: Duration,
    /// Most time between two [`Op::Mark`]s while events come; 10 s.
    pub mark_every: Duration,
    /// Longest gap that is repaired; 7 days. Of a longer one the older part is reported open.
    pub max_gap: Duration,
    /// Age up to which an event is [`Freshness::Live`]; 10 s.
    pub live_within: Duration,
    /// How far ahead of our clock an event may be; 5 s.
    pub future_tolerance: Duration,
    /// The operator's correction of the box's clock: added to its times before they are judged, in
    /// milliseconds; 0.
    pub clock_offset: i64,
    /// Lowest score asked for in history queries; `None` asks for all, which is more than was
    /// pushed. Default `None`.
    pub backfill_score_min: Option<f64>,
    /// Whether a subscription may name no device; false, since no document says what that means.
    pub allow_empty: bool,
    /// How events are compared; [`KeyRule::Auto`].
    pub key_rule: KeyRule,
    /// How dialect 1 writes lists in a query string; comma.
    pub list_style: ListStyle,
    /// Most outputs held for the driver; 1,024. Beyond that commands are refused, and history is
    /// not asked for until the driver has caught up.
    pub max_queue: usize,
    /// Most gaps kept apart; 64. Beyond that the two nearest are merged.
    pub max_gaps: usize,
    /// What a message may be; see [`Limits`].
    pub limits: Limits,
}

/// Whether to ping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PingPolicy {
    /// When the box has been silent for [`Config::idle`], and behind the subscription after a
    /// reconnect if the box is known to answer.
    WhenIdle,
    /// Never: the box is only asked over HTTP.
    Never,
}

/// What makes two events the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyRule {
    /// The box's id where both have one, else as [`KeyRule::Fields`].
    Auto,
    /// The box's id only.
    Id,
    /// Device, identity, score and time, within [`Config::match_tolerance`] between push and history.
    Fields,
}

/// What the world tells the machine. Where it matters, the wall clock is read by the driver at that
/// moment and comes first.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Input {
    /// The WebSocket is open.
    Connected(UnixMillis),
    /// A message came, on the WebSocket or as an HTTP answer.
    Received(UnixMillis, FromBox),
    /// A WebSocket message came that is no event.
    Garbled(UnixMillis, EventError),
    /// Bytes came that are no whole message yet, or a message that says nothing (a peer's ping).
    /// Once a second is often enough.
    Heard(UnixMillis),
    /// The WebSocket is closed, or could not be opened.
    Disconnected(UnixMillis, Cause),
    /// [`Op`] with this number is durable.
    Stored(Seq),
    /// [`Op`] with this number could not be stored.
    StoreFailed(Seq),
}

/// What the machine asks of the world, in order.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Output {
    /// Open the WebSocket; answer with [`Input::Connected`] or [`Input::Disconnected`].
    Connect,
    /// Send this: subscriptions and pings on the WebSocket, questions over HTTP at any time.
    Send(ToBox),
    /// Tell the application.
    Event(Event),
    /// Make this durable; answer with [`Input::Stored`] or [`Input::StoreFailed`].
    Store(Op),
    /// Close the WebSocket, or stop opening it. No [`Input::Disconnected`] is needed.
    Disconnect,
}

/// What the application learns.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The connection changed.
    State {
        /// What it is now.
        link: Link,
        /// How well that is proven.
        assurance: Assurance,
        /// Why it was lost, where it was.
        cause: Option<Cause>,
    },
    /// A face.
    Face {
        /// The event.
        event: FaceEvent,
        /// How old it was when it came.
        freshness: Freshness,
        /// Which way it came.
        source: Source,
    },
    /// A message that is no event. Nothing else is lost.
    Malformed(EventError),
    /// Events of this time may have been missed; they are being fetched.
    ///
    /// A lost connection makes one: from when the last message that came was sent, to the new
    /// subscription. If that takes effect late, another follows up to then.
    ///
    /// Gaps that touch are one: a gap that covers others not yet ended takes their place, and of
    /// all of them only this one ends. A ledger of gaps therefore removes what the new span covers
    /// and adds it; [`Self::GapFilled`] removes its span, [`Self::GapOpen`] the span that holds it.
    Gap(Span),
    /// Every event the box recorded in this time has been delivered.
    GapFilled {
        /// Which gap.
        span: Span,
        /// Events that had been missed.
        recovered: u64,
        /// Events that had been delivered before.
        known: u64,
    },
    /// A gap has ended unrepaired: events of this time may be missing for good, those in the rest of
    /// the gap have been delivered. [`super::Platform::backfill`] may ask again.
    GapOpen {
        /// The part of the gap that stays open.
        span: Span,
        /// Why it stays open.
        why: OpenReason,
    },
    /// The answer to [`super::Platform::devices`].
    Devices(DeviceList),
    /// [`super::Platform::devices`] was not answered.
    DevicesFailed(crate::AskError),
    /// The box speaks this dialect, as it turned out.
    DialectFound(Dialect),
    /// The box's clock differs from ours by this much; positive if the box is ahead. Advice only.
    ClockSkew {
        /// In milliseconds.
        millis: i64,
    },
    /// The box does not answer pings, which proves nothing.
    PingIgnored,
    /// The box drops connections that ping; no more pings are sent.
    PingHarmful,
    /// The machine has ended; nothing follows.
    Closed(Reason),
}

/// What the connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Link {
    /// Nothing is subscribed to yet.
    Idle,
    /// Asking the box for its dialect.
    Probing,
    /// Being opened.
    Dialing,
    /// The subscription is sent. A box never confirms it, so nothing is proven.
    Unconfirmed,
    /// An event came on this connection.
    Streaming,
    /// Silent for too long; being checked.
    Suspect,
    /// Lost; waiting to dial again.
    Waiting,
    /// Ended.
    Closed,
}

/// The best proof that the box is there and serves this connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Assurance {
    /// None but an open connection, if that.
    TcpOnly,
    /// The box answers over HTTP.
    HttpOnly,
    /// The box answers pings on this connection.
    Pong,
    /// Events come on this connection.
    Event,
}

/// Why a connection was lost or not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// Nobody listens there.
    Refused,
    /// No way to the address, or no such name.
    Unreachable,
    /// No answer in time.
    Timeout,
    /// The HTTP upgrade was answered with this status.
    Handshake(u16),
    /// The box closed TCP.
    Eof,
    /// The box sent a close frame with this code.
    Close(u16),
    /// A message or frame was longer than allowed.
    Oversize,
    /// A text message was not UTF-8.
    NotUtf8,
    /// Any other error of the transport.
    Io,
    /// Silent for too long, with proof.
    Silent,
    /// We closed it, as [`Config::max_silence`] asks.
    Stopped,
    /// The box answers the device list of neither dialect, or is still starting.
    NoDialect,
}

/// How old an event was when it came. Only judges, never changes a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Freshness {
    /// At most [`Config::live_within`] old.
    Live,
    /// Older, by so much altogether.
    Late(Duration),
    /// Ahead of our clock by so much, beyond [`Config::future_tolerance`].
    Future(Duration),
    /// Without a readable time.
    Unknown,
}

/// Which way an event came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Source {
    /// Pushed.
    Live,
    /// Fetched from the history, to repair a gap.
    Backfill,
}

/// A span of our wall-clock time, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// Start.
    pub from: UnixMillis,
    /// End.
    pub to: UnixMillis,
}

/// Why a gap stays open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OpenReason {
    /// [`Config::backfill`] or [`Config::http`] is off.
    Off,
    /// The history did not answer, nor after three more tries.
    NoAnswer,
    /// The history refused, or answered something else.
    Refused,
    /// Older than [`Config::max_gap`].
    TooOld,
    /// More records in the smallest slice than [`Config::max_slice`].
    TooMany,
    /// The machine was closed first. The gap is in the last [`Op::Mark`].
    Closed,
}

/// Numbers an [`Op`], rising.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

/// Something to make durable. Each replaces the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Op {
    /// How far the events are known to be complete.
    Mark {
        /// Its number.
        seq: Seq,
        /// What a restart needs.
        mark: Mark,
    },
}

/// What a restarted subscriber needs to go on without a hole.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mark {
    /// Up to here, the gaps aside, every event was handed to the application.
    pub live: UnixMillis,
    /// Gaps not yet repaired, in order.
    pub open: Vec<Span>,
    /// How far the box's clock was ahead of ours, in milliseconds; negative if it was behind.
    pub box_ahead: i64,
}

/// What a subscriber has counted since it was made.
///
/// Every event that came is in exactly one place:
/// `received = delivered_live + duplicates_live` and
/// `fetched = delivered_backfill + duplicates_backfill`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counters {
    /// Events pushed by the box.
    pub received: u64,
    /// Events fetched from the history that belong to the gap and the subscription.
    pub fetched: u64,
    /// Pushed events given to the application.
    pub delivered_live: u64,
    /// Fetched events given to the application.
    pub delivered_backfill: u64,
    /// Pushed events that had been delivered before.
    pub duplicates_live: u64,
    /// Fetched events that had been delivered before.
    pub duplicates_backfill: u64,
    /// Messages and history records that are no events.
    pub malformed: u64,
    /// Connections opened.
    pub connections: u64,
    /// Attempts to open one.
    pub dials: u64,
    /// Connections lost.
    pub losses: u64,
    /// Gaps announced, merged ones included.
    pub gaps: u64,
    /// Gaps that ended repaired.
    pub gaps_filled: u64,
    /// Gaps that ended open.
    pub gaps_open: u64,
    /// Pings sent.
    pub pings: u64,
    /// Pongs received.
    pub pongs: u64,
    /// Questions asked over HTTP.
    pub asks: u64,
}

/// Why a machine ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// [`super::Platform::close`] was called.
    Local,
}

impl Config {
    /// The defaults, with a seed for the jitter.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            dialect: None,
            http: true,
            dial_timeout: Duration::from_secs(10),
            backoff_min: Duration::from_millis(500),
            backoff_max: Duration::from_secs(30),
            stable: Duration::from_secs(30),
            ping: PingPolicy::WhenIdle,
            idle: Duration::from_secs(20),
            answer: Duration::from_secs(10),
            http_recheck: Duration::from_secs(60),
            max_silence: None,
            backfill: true,
            ask_timeout: Duration::from_secs(10),
            overlap: Duration::from_secs(2),
            clock_slack: Duration::from_secs(60),
            slice: Duration::from_secs(60),
            per_page: 50,
            max_slice: 2_000,
            match_tolerance: Duration::from_millis(50),
            window_keys: 65_536,
            window_time: Duration::from_secs(600),
            mark_every: Duration::from_secs(10),
            max_gap: Duration::from_secs(7 * 86_400),
            live_within: Duration::from_secs(10),
            future_tolerance: Duration::from_secs(5),
            clock_offset: 0,
            backfill_score_min: None,
            allow_empty: false,
            key_rule: KeyRule::Auto,
            list_style: ListStyle::Comma,
            max_queue: 1_024,
            max_gaps: 64,
            limits: Limits::default(),
        }
    }
}

impl Span {
    /// From the earlier to the later of both.
    pub fn new(one: UnixMillis, other: UnixMillis) -> Self {
        Self {
            from: one.min(other),
            to: one.max(other),
        }
    }

    /// True if `other` lies within.
    pub fn covers(&self, other: Self) -> bool {
        self.from <= other.from && other.to <= self.to
    }

    /// True if both have a moment in common.
    pub fn touches(&self, other: Self) -> bool {
        self.from <= other.to && other.from <= self.to
    }

    /// The shortest span that covers both.
    #[must_use]
    pub fn hull(self, other: Self) -> Self {
        Self {
            from: self.from.min(other.from),
            to: self.to.max(other.to),
        }
    }
}

impl Event {
    /// True for an event on which a door may be opened: pushed, and live.
    ///
    /// Anything late, ahead of time or fetched from the history tells what happened, and must not
    /// make anything happen.
    //= docs/spec/se5-events.md#freshness
    //# Only a pushed event that counts as live MUST be actionable.
    pub fn actionable(&self) -> bool {
        matches!(
            self,
            Self::Face {
                freshness: Freshness::Live,
                source: Source::Live,
                ..
            }
        )
    }
}

//! What [`super::Rooms`] hears and says.

use super::{RoomFrame, RoomKind, RoomPath, Signal};
use crate::wire::Text;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Settings of the rooms.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// Whether rooms of many are served; false.
    pub many_to_many: bool,
    /// Whether other nodes have links that announce themselves in rooms of the same names; false.
    pub has_others: bool,
    /// Longest frame of a camera, in bytes; 1 MiB.
    pub max_picture: usize,
    /// Longest other frame, in bytes; 64 KiB.
    pub max_frame: usize,
    /// Bytes that may wait for one link where no frame is left out; 64 KiB, and at least
    /// [`Self::max_frame`]. As many may be with the driver.
    pub queue: usize,
    /// Frames that may be with the driver for one such link; 16. For a viewer it is one.
    pub window: usize,
    /// Bytes that may wait in all rooms together, last pictures included; 64 MiB.
    pub max_held: usize,
    /// How long the last picture is kept for a viewer who comes late; 10 s.
    pub keep_picture: Duration,
    /// How long frames wait for somebody who is not there; 10 s.
    pub early_wait: Duration,
    /// How long a link may take nothing while there is something for it; 10 s. Then it is closed.
    pub stall_timeout: Duration,
    /// How long a call may go without a frame; 90 s. Then it is closed.
    pub idle_timeout: Duration,
    /// How long a call may last from when both sides are there; `None`, for ever.
    pub max_call: Option<Duration>,
    /// How long one side of a call waits for the other to come back; 5 s. Phones change networks.
    pub rejoin_wait: Duration,
    /// Most links; 65,536.
    pub max_links: usize,
    /// Most rooms; 10,000.
    pub max_rooms: usize,
    /// Most viewers of one camera; 1,000.
    pub max_viewers: usize,
    /// Most links in a room of many; 16.
    pub max_members: usize,
    /// How old a signal may be when it is sent on; 5 s, and never more.
    pub door_ttl: Duration,
    /// Most rooms that one link may be announced in; 8.
    pub max_announced: usize,
    /// Most announcements; 65,536.
    pub max_announcements: usize,
    /// Most signals within [`Self::door_ttl`], each of which is remembered so long; 4,096.
    pub max_signals: usize,
}

/// Names a link. The driver chooses it and does not use it twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a number")]
pub struct LinkId(pub u64);

/// What the world tells the machine.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Input {
    /// A WebSocket was opened. The driver chooses the id and does not use it twice.
    Connected(LinkId, RoomPath),
    /// A frame came.
    Received(LinkId, RoomFrame),
    /// A frame came as the body of a POST (Z-40). The driver answers 405 by itself unless
    /// [`RoomPath::takes_posts`].
    Posted(RoomPath, RoomFrame),
    /// A link takes no more for now, for a reason that is the driver's.
    Slow(LinkId),
    /// All that was to be sent to a link is written.
    Drained(LinkId),
    /// A link is gone, also one that only signals were for.
    Disconnected(LinkId),
    /// A frame of type 8, 9 or 10 came on a link, of any transport but a WebSocket of :9000.
    Signal {
        /// The link.
        link: LinkId,
        /// The signal.
        signal: Arc<Signal>,
        /// Whether it was found to be allowed (K-3, K-4). If not, it is dropped.
        is_authorised: bool,
    },
    /// A signal that another node has let through, see [`Output::Relay`].
    FarSignal(Arc<Signal>),
}

/// What the machine asks of the world, in order.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Output {
    /// Send a frame. When all frames to this link are written, [`Input::Drained`] is due.
    Send(LinkId, Arc<RoomFrame>),
    /// Send a signal at once. What is not written by the deadline must be thrown away, not sent.
    Signal {
        /// The link.
        link: LinkId,
        /// The signal.
        signal: Arc<Signal>,
        /// At most [`Config::door_ttl`] from when it came.
        deadline: Instant,
    },
    /// Tell a signal to the other nodes at once, or never; only if [`Config::has_others`].
    Relay(Arc<Signal>),
    /// Close a link. No [`Input::Disconnected`] is needed.
    Disconnect(LinkId, CloseCode),
    /// Tell the application.
    Event(Event),
}

/// The status of a close frame (RFC 6455 section 7.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseCode {
    /// 1000: it is over.
    Normal,
    /// 1001: the server goes.
    GoingAway,
    /// 1008: not allowed here.
    PolicyViolation,
    /// 1009: a frame was too long.
    TooBig,
    /// 1013: too much to do; come again later.
    TryAgainLater,
    /// 4001: another link has this place now; whoever comes again at once drives that one out.
    Replaced,
}

/// What the application learns.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A link is in a room.
    Joined(LinkId, RoomPath),
    /// A link that wanted into a room was closed.
    Refused(LinkId, Refusal),
    /// A link is out of its room.
    Left(LinkId, Departure),
    /// Frames were thrown away.
    Lost {
        /// What kind of room it was in.
        kind: RoomKind,
        /// The room.
        room: Text,
        /// Whom they were for; absent if that one was not there, or all were.
        link: Option<LinkId>,
        /// How many.
        frames: u64,
        /// Why.
        why: Loss,
    },
    /// A signal was sent on.
    Signalled {
        /// The signal.
        signal: Arc<Signal>,
        /// The link it came on.
        from: LinkId,
        /// How many links it was sent to; they may be none for type 9 and 10.
        receivers: usize,
    },
    /// A signal was thrown away. It will not be sent later.
    SignalDropped {
        /// The signal.
        signal: Arc<Signal>,
        /// The link it came on.
        from: LinkId,
        /// Why.
        why: SignalDrop,
    },
    /// A signal of another node was sent on to so many links, or thrown away.
    FarSignal(Arc<Signal>, Result<usize, SignalDrop>),
    /// The machine has ended; nothing follows.
    Closed(Reason),
}

/// Why a link may not enter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// Rooms of many are off: 1008.
    ManyToMany,
    /// [`Config::max_links`]: 1013.
    Links,
    /// [`Config::max_rooms`]: 1013.
    Rooms,
    /// [`Config::max_viewers`] or [`Config::max_members`]: 1013.
    RoomFull,
}

/// Why a link is out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Departure {
    /// It went.
    Gone,
    /// Another link took its place: 4001.
    Replaced,
    /// The other side of the call did not come back: 1000.
    Alone,
    /// [`Config::idle_timeout`]: 1000.
    Idle,
    /// [`Config::max_call`]: 1000.
    TooLongCall,
    /// It took nothing for [`Config::stall_timeout`]: 1013.
    Stalled,
    /// More waited for it, or for the one it called, than [`Config::queue`] or
    /// [`Config::max_held`] allow: 1013.
    Overflow,
    /// It sent a frame that was too long: 1009.
    TooBig,
    /// Its room has another home: 1001.
    Moved,
    /// The machine was closed: 1001.
    Closed,
}

/// Why frames were thrown away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Loss {
    /// A viewer was still busy when a newer one came, or until it was too old.
    Missed,
    /// [`Config::queue`] or [`Config::max_held`].
    Overflow,
    /// Nobody came within [`Config::early_wait`].
    Expired,
    /// Nobody was there, and it was not to be kept.
    Unheard,
    /// It may not go there: binary from a viewer, or a POST to another room than a camera's.
    Unfit,
    /// Longer than [`Config::max_picture`] or [`Config::max_frame`].
    TooBig,
    /// The one they were for left, or the room ended.
    Left,
}

/// Why a signal was thrown away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SignalDrop {
    /// It was not allowed.
    Unauthorised,
    /// No room has such a name.
    NoRoom,
    /// Older than [`Config::door_ttl`].
    Late,
    /// One with its id was here already.
    Repeated,
    /// It came from the side it is for.
    WrongSide,
    /// Nobody has announced the other side of its room, or none who had could take it.
    NoReceiver,
    /// [`Config::max_signals`], [`Config::max_announced`] or [`Config::max_announcements`].
    TooMany,
}

/// Why the machine ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// We asked.
    Local,
}

/// How many rooms there are, as type 7 tells it. A room is there while it has a link, or a picture
/// for viewers who come late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Sizes {
    /// `One2OneSize`
    pub one_to_one: u64,
    /// `One2ManySize`
    pub one_to_many: u64,
    /// `Many2ManySize`
    pub many_to_many: u64,
    /// `webSocketSize`: links in them.
    pub links: u64,
}

impl Sizes {
    /// Those of two relays together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            one_to_one: self.one_to_one.saturating_add(other.one_to_one),
            one_to_many: self.one_to_many.saturating_add(other.one_to_many),
            many_to_many: self.many_to_many.saturating_add(other.many_to_many),
            links: self.links.saturating_add(other.links),
        }
    }
}

/// What has been counted since the start. A frame for many counts once for each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counters {
    /// Links that entered a room.
    pub joined: u64,
    /// Links that are out again.
    pub left: u64,
    /// Links that were not let in.
    pub refused: u64,
    /// Frames that came, posted ones included.
    pub received: u64,
    /// Frames that were sent on.
    pub sent: u64,
    /// [`Loss::Missed`]
    pub missed: u64,
    /// [`Loss::Overflow`]
    pub overflowed: u64,
    /// [`Loss::Expired`]
    pub expired: u64,
    /// [`Loss::Unheard`]
    pub unheard: u64,
    /// [`Loss::Unfit`] and [`Loss::TooBig`]
    pub unfit: u64,
    /// [`Loss::Left`]
    pub left_behind: u64,
    /// Signals that were sent on; once for each receiver.
    pub signalled: u64,
    /// Signals that were dropped.
    pub signals_dropped: u64,
}

impl Counters {
    /// Those of two relays together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            joined: self.joined.saturating_add(other.joined),
            left: self.left.saturating_add(other.left),
            refused: self.refused.saturating_add(other.refused),
            received: self.received.saturating_add(other.received),
            sent: self.sent.saturating_add(other.sent),
            missed: self.missed.saturating_add(other.missed),
            overflowed: self.overflowed.saturating_add(other.overflowed),
            expired: self.expired.saturating_add(other.expired),
            unheard: self.unheard.saturating_add(other.unheard),
            unfit: self.unfit.saturating_add(other.unfit),
            left_behind: self.left_behind.saturating_add(other.left_behind),
            signalled: self.signalled.saturating_add(other.signalled),
            signals_dropped: self.signals_dropped.saturating_add(other.signals_dropped),
        }
    }
}

impl Config {
    /// The defaults.
    pub fn new() -> Self {
        Self {
            many_to_many: false,
            has_others: false,
            max_picture: 1 << 20,
            max_frame: 64 << 10,
            queue: 64 << 10,
            window: 16,
            max_held: 64 << 20,
            keep_picture: Duration::from_secs(10),
            early_wait: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(90),
            max_call: None,
            rejoin_wait: Duration::from_secs(5),
            max_links: 65_536,
            max_rooms: 10_000,
            max_viewers: 1_000,
            max_members: 16,
            door_ttl: MAX_DOOR_TTL,
            max_announced: 8,
            max_announcements: 65_536,
            max_signals: 4_096,
        }
    }

    /// What can work: nothing that contradicts itself.
    pub(super) fn sane(mut self) -> Self {
        self.queue = self.queue.max(self.max_frame);
        self.window = self.window.max(1);
        //= docs/spec/zzw-push-proto.md#door
        //# A door frame MUST NOT be sent on when it is as old as `door_ttl`, which is at most 5 s.
        self.door_ttl = self.door_ttl.min(MAX_DOOR_TTL);
        self
    }
}

/// A door that opens later than that opens for somebody else (Z-13).
const MAX_DOOR_TTL: Duration = Duration::from_secs(5);

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

impl Sizes {
    pub(super) fn of(&mut self, kind: RoomKind) -> &mut u64 {
        match kind {
            RoomKind::OneToOne => &mut self.one_to_one,
            RoomKind::OneToMany => &mut self.one_to_many,
            RoomKind::ManyToMany => &mut self.many_to_many,
        }
    }
}

impl CloseCode {
    /// As it is written in the close frame.
    pub fn code(self) -> u16 {
        match self {
            Self::Normal => 1000,
            Self::GoingAway => 1001,
            Self::PolicyViolation => 1008,
            Self::TooBig => 1009,
            Self::TryAgainLater => 1013,
            Self::Replaced => 4001,
        }
    }
}

impl Refusal {
    /// What the link is closed with.
    pub fn close_code(self) -> CloseCode {
        match self {
            Self::ManyToMany => CloseCode::PolicyViolation,
            Self::Links | Self::Rooms | Self::RoomFull => CloseCode::TryAgainLater,
        }
    }
}

impl Departure {
    /// What the link is closed with, unless it went by itself.
    pub fn close_code(self) -> Option<CloseCode> {
        Some(match self {
            Self::Gone => return None,
            Self::Replaced => CloseCode::Replaced,
            Self::Alone | Self::Idle | Self::TooLongCall => CloseCode::Normal,
            Self::Stalled | Self::Overflow => CloseCode::TryAgainLater,
            Self::TooBig => CloseCode::TooBig,
            Self::Moved | Self::Closed => CloseCode::GoingAway,
        })
    }
}

//! What a [`super::Device`] hears and says.

use super::Fault;
use crate::{Answer, AnswerError, Ask, AskError, AskReply, Dest, ExchangeId, Item, Subscription};
use std::sync::Arc;
use std::time::Duration;

/// Settings of a terminal.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// Seed of the jitter in retry delays and of the faults. Give every terminal its own.
    pub seed: u64,
    /// Most records kept; 50,000, as the document says. The one being posted is not counted, unless
    /// [`Self::overflow`] refuses.
    pub max_records: usize,
    /// Most bytes kept, charged as [`Self::charge`] says; 2 GiB. The record being posted is not
    /// counted, unless [`Self::overflow`] refuses.
    pub max_bytes: u64,
    /// What a record costs in the store; [`Charge::PowerOfTwo`].
    pub charge: Charge,
    /// What gives way when the queue is full; [`Overflow::DropOldest`].
    pub overflow: Overflow,
    /// When a record may be posted; [`Durability::BeforeSend`].
    pub durability: Durability,
    /// Most records that wait for the store to keep them; 64. Beyond that
    /// [`super::Device::record`] refuses until the store has caught up.
    pub max_unstored: usize,
    /// How long a post may take, from the request to the end of the answer; 10 s.
    pub exchange_timeout: Duration,
    /// Longest first delay after a failed post; 1 s. The delay is drawn evenly from zero to a bound
    /// that doubles with each failure.
    pub backoff_min: Duration,
    /// Longest delay after a failed post; 60 s.
    pub backoff_max: Duration,
    /// Longest delay that a platform can ask for with `Retry-After`; 5 min.
    pub retry_after_max: Duration,
    /// Whether an answer with a 2xx status and an empty body is an acknowledgement; false, since the
    /// document asks for code 200.
    pub empty_is_ok: bool,
    /// Sets a record aside after so many explicit refusals in a row, so that it does not block those
    /// behind it; `None` never does, as the document says nothing of it. Default `None`; 20 is a good
    /// value. Never twice without an acknowledgement in between: a platform that refuses everything
    /// buries one record.
    pub poison_after: Option<u32>,
    /// Which destinations the configuration API accepts.
    pub dest_policy: crate::DestPolicy,
    /// Answers a question for the configuration with `data: null`, as the document's sample prints
    /// it, instead of the configuration; false.
    pub literal_null: bool,
    /// Losses of one reason are reported together for so long; 1 s.
    pub merge_losses: Duration,
    /// Most questions of the configuration API that wait for the store; 16. Beyond that they are
    /// answered with 503.
    pub max_questions: usize,
}

/// What a record costs in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Charge {
    /// Row and picture each rounded up to a power of two, at least 512 bytes: what the B-tree of the
    /// reference store spends.
    PowerOfTwo,
    /// As many bytes as there are.
    Exact,
}

/// What gives way when the queue is full. No document says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overflow {
    /// The oldest record that is not being posted.
    DropOldest,
    /// The new one: it is given back.
    RefuseNew,
    /// Pictures, oldest first, but those of records that may have arrived already; if none are left
    /// or records are too many, the oldest record.
    DropImages,
    /// Pictures likewise; if none are left or records are too many, the new record is given back.
    DropImagesThenRefuse,
}

/// When a record may be posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// Once it is kept: no record is acknowledged that a power cut could take back.
    BeforeSend,
    /// At once, while it is being kept.
    Concurrent,
    /// At once, and kept only if it is not acknowledged within this time: spares the flash, and
    /// loses what is younger at a power cut. Numbers of records that were never kept may then be given
    /// again.
    Lazy(Duration),
}

/// Number of a record: ascending in the order of capture, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Seq(pub u64);

/// Names one request to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpId(pub u64);

/// Names one post. The machine never uses it twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId(pub u64);

/// What the store held when it was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovered {
    /// The number for the next record: one more than the highest ever kept, also if that one is gone.
    pub next_seq: Seq,
    /// The records that are neither advanced over nor dropped nor buried, ascending.
    pub index: Vec<IndexEntry>,
    /// The configuration kept last; the default if none was.
    pub subscription: Subscription,
    /// What was lost so far, oldest first; see [`Op::Drop`].
    pub losses: Vec<Loss>,
}

/// One record of the store, without its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct IndexEntry {
    /// Its number.
    pub seq: Seq,
    /// Length of its row, in bytes; see [`Item::row_len`].
    pub row: u32,
    /// Length of its picture, in bytes of JPEG; 0 is none.
    pub picture: u32,
}

/// Records that are gone and were never acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Loss {
    /// The first.
    pub from: Seq,
    /// The last.
    pub to: Seq,
    /// How many. Records between the first and the last may have been acknowledged, set aside or
    /// reported lost before, so this is not always their distance; none of them is still there.
    pub count: u64,
    /// How many of them had been posted at least once, so that they may have arrived. After a restart
    /// the first 66 of the store count as posted, since they may have been.
    pub tried: u64,
    /// Why.
    pub reason: LossReason,
}

/// Why records are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LossReason {
    /// [`Config::max_records`] or [`Config::max_bytes`].
    Overflow,
    /// The disk is full.
    StoreFull,
    /// The store could not read it back.
    Corrupt,
}

/// What the world tells the machine.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Input {
    /// The network is back: no need to wait out a delay.
    Connected,
    /// A platform answered a post.
    Received(AttemptId, Answer),
    /// What came back for a post is no answer.
    Garbled(AttemptId, AnswerError),
    /// A post ended without an answer.
    Disconnected(AttemptId, Cause),
    /// A question came over the configuration API. The driver chooses the id and does not use it
    /// twice.
    Asked(ExchangeId, Ask),
    /// What came over the configuration API is no question.
    Misasked(ExchangeId, AskError),
    /// The asker hung up; its answer is not wanted any more.
    Unasked(ExchangeId),
    /// The store has done what was asked, and it will be there after a power cut.
    Stored(OpId),
    /// The store has not done what was asked.
    StoreFailed(OpId, StoreError),
    /// Answers [`Op::Load`]; `None` if the record cannot be read back, now or ever.
    Loaded(OpId, Option<Arc<Item>>),
}

/// Why a post ended without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// No connection: refused, unreachable, name not found.
    Unreachable,
    /// The connection broke, before or within the answer.
    Broken,
    /// Nothing came in time.
    TimedOut,
    /// TLS failed: certificate or handshake.
    Tls,
    /// The destination's name leads to an address that the policy forbids.
    Forbidden,
}

/// Why the store has not done what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreError {
    /// No room. This request was not carried out; later ones may be.
    Full,
    /// The store is in an unknown state and takes nothing more until it is opened anew, see
    /// [`super::Device::resume`]. Whether this request was carried out is not known.
    Broken,
}

/// What the machine asks of the world, in order.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Output {
    /// Post a record. There is never more than one without an answer, but for [`Fault::TwoAtOnce`].
    Send(Post),
    /// Answer a question of the configuration API.
    Answer(ExchangeId, AskReply),
    /// Ask the store for something. Requests are carried out in order and each is answered; any
    /// number of them may be one transaction.
    Store(OpId, Op),
    /// Tell the application.
    Event(Event),
    /// Give up a post. No [`Input::Disconnected`] is needed.
    Disconnect(AttemptId),
}

/// One attempt to have a record acknowledged.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Post {
    /// Names the attempt in the input that answers it.
    pub attempt: AttemptId,
    /// The record's number, for people to read: it is not on the wire.
    pub seq: Seq,
    /// Where to.
    pub dest: Arc<Dest>,
    /// What. The same record gives the same bytes on every attempt.
    pub item: Arc<Item>,
    /// Faults of content and framing that the driver inflicts on this post, in order; none unless
    /// asked for. See [`crate::codec::deface`].
    pub faults: Vec<Fault>,
}

/// What the machine asks of its store.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Op {
    /// Keep a record, and never give a later one a number up to its own. Numbers ascend, but for a
    /// record that is asked for again after [`StoreError::Full`].
    Append {
        /// Its number.
        seq: Seq,
        /// The record.
        item: Arc<Item>,
    },
    /// Read a record. Answered with [`Input::Loaded`].
    Load {
        /// Its number.
        seq: Seq,
    },
    /// Forget the record and all before it: they are acknowledged. May be lost at a power cut, which
    /// costs a repetition; so it may be reported as stored once it cannot overtake later requests.
    Advance {
        /// The last one.
        upto: Seq,
    },
    /// Forget the records of the store from one to the other, and keep the loss itself in the same
    /// transaction: it is in [`Recovered::losses`] from then on. A store may merge its oldest losses.
    Drop(Loss),
    /// Forget the pictures of the records from one to the other.
    Strip {
        /// The first.
        from: Seq,
        /// The last.
        to: Seq,
    },
    /// Set a record aside where a person can find it; it is not queued any more.
    Bury {
        /// Its number.
        seq: Seq,
    },
    /// Keep the configuration.
    Configure(Subscription),
}

/// What the application learns.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A record is kept: it will arrive, or its loss will be reported.
    Kept(Seq),
    /// A record is acknowledged.
    Acked(Seq),
    /// Records are gone. Losses of one reason are merged over [`Config::merge_losses`].
    Lost(Loss),
    /// Pictures are gone; their records are still there.
    Stripped {
        /// The first record.
        from: Seq,
        /// The last.
        to: Seq,
        /// How many pictures.
        count: u64,
    },
    /// A record was refused [`Config::poison_after`] times and is set aside.
    Buried(Seq),
    /// Posts fail from now on; reported once, until one is acknowledged.
    Down(Failure),
    /// A post was acknowledged after [`Self::Down`].
    Up,
    /// The queue became empty.
    CaughtUp,
    /// The store broke: nothing is recorded or posted until [`super::Device::resume`].
    Paused,
    /// The store is open again.
    Resumed,
    /// The configuration changed, by the API or by [`super::Device::configure`], and is kept.
    Configured(Subscription),
    /// The store could not keep what [`super::Device::configure`] was given; the old configuration
    /// stays in force.
    NotConfigured(Subscription),
    /// The machine is closed before the store has answered for these: whether it holds them shows
    /// when it is opened anew.
    Unsettled {
        /// The first record.
        from: Seq,
        /// The last.
        to: Seq,
        /// How many.
        count: u64,
    },
    /// The machine has ended; nothing follows.
    Closed(Reason),
}

/// Why a record was not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Failure {
    /// The platform said so: HTTP status and `code`, if it had one.
    Refused(u16, Option<i64>),
    /// It said something that cannot be understood.
    Garbled(AnswerError),
    /// It said nothing.
    Disconnected(Cause),
}

/// Why a machine ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// [`super::Device::close`] was called.
    Local,
}

/// What a terminal does at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// No destination, or switched off. Records are kept.
    Off,
    /// Nothing to post.
    Idle,
    /// Reads the next record.
    Fetching,
    /// Waits for the answer to a post.
    InFlight,
    /// Waits before it posts again.
    Backoff,
    /// Waits for the store to be opened anew.
    Paused,
    /// Waits for the store before it ends, at most 5 s.
    Closing,
    /// Has ended.
    Closed,
}

/// What a terminal has done so far. `recorded` is always the sum of `acked`, `lost`, `buried` and
/// [`super::Device::queued`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counters {
    /// Records taken by [`super::Device::record`], and those found in the store at the start.
    pub recorded: u64,
    /// Records acknowledged.
    pub acked: u64,
    /// Records lost, for whatever reason.
    pub lost: u64,
    /// Pictures lost whose records are not.
    pub stripped: u64,
    /// Records set aside.
    pub buried: u64,
    /// Posts.
    pub posts: u64,
    /// Posts that were not acknowledged.
    pub failed: u64,
    /// Questions of the configuration API.
    pub asked: u64,
}

impl Config {
    /// The defaults, with a seed for jitter and faults.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            max_records: 50_000,
            max_bytes: 2 << 30,
            charge: Charge::PowerOfTwo,
            overflow: Overflow::DropOldest,
            durability: Durability::BeforeSend,
            max_unstored: 64,
            exchange_timeout: Duration::from_secs(10),
            backoff_min: Duration::from_secs(1),
            backoff_max: Duration::from_secs(60),
            retry_after_max: Duration::from_secs(5 * 60),
            empty_is_ok: false,
            poison_after: None,
            dest_policy: crate::DestPolicy::default(),
            literal_null: false,
            merge_losses: Duration::from_secs(1),
            max_questions: 16,
        }
    }
}

impl Charge {
    /// What a record with a row and a picture of these lengths costs, in bytes.
    pub fn of(self, row: u32, picture: u32) -> u64 {
        match self {
            Self::Exact => u64::from(row).saturating_add(u64::from(picture)),
            Self::PowerOfTwo => {
                let rounded = |len: u32| match len {
                    0 => 0,
                    _ => u64::from(len).next_power_of_two().max(512),
                };
                rounded(row).saturating_add(rounded(picture))
            }
        }
    }
}

impl Recovered {
    /// An empty store, which was never written to.
    pub fn empty() -> Self {
        Self::default()
    }
}

impl Seq {
    /// The number after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl IndexEntry {
    /// A record with a row and a picture of these lengths.
    pub fn new(seq: Seq, row: u32, picture: u32) -> Self {
        Self { seq, row, picture }
    }
}

impl Loss {
    /// Records lost one after the other, none of them posted before.
    pub fn new(from: Seq, to: Seq, count: u64, tried: u64, reason: LossReason) -> Self {
        Self {
            from,
            to,
            count,
            tried,
            reason,
        }
    }
}

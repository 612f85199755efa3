//! What a [`super::Platform`] hears and says.

use super::budget::MIN_SHARE;
use crate::{
    AuthDecision, AuthRequest, Dest, ExchangeId, LegacyPass, Push, PushError, RecordKey, Reply,
    SerialNumber, Subscription, UnixMillis,
};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// Settings of a receiver.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// Seed of the jitter in enrolments.
    pub seed: u64,
    /// Paths that records are taken at; empty takes every path. A path with 128 bits of chance in it
    /// is the only secret that the protocol has room for; it is compared in constant time. Default
    /// empty.
    pub paths: Vec<String>,
    /// Terminals that records are taken from; empty takes every terminal. Default empty.
    pub serials: Vec<SerialNumber>,
    /// Longest body that is read without ado, in bytes; 8 MiB. As much is reserved for a body whose
    /// length is not declared.
    pub max_body: u64,
    /// Longest body, in bytes; 64 MiB. Between [`Self::max_body`] and this, one body at a time.
    pub hard_max: u64,
    /// Bytes of bodies of at most [`Self::max_body`] that may be in memory at a time; 192 MiB.
    pub budget: u64,
    /// Most exchanges that wait for their turn; 1,024. Beyond that they are answered with 503.
    pub max_waiting: usize,
    /// Most exchanges of one terminal that wait; 2. When a third comes, the oldest is answered with
    /// 503: the terminal has given up on it.
    pub max_waiting_per_lane: usize,
    /// Longest wait for the turn; 5 s. Then 503.
    pub turn_timeout: Duration,
    /// Longest time for a body, once it may be sent; 60 s. Then the exchange is hung up on.
    pub read_timeout: Duration,
    /// Longest time for the store to keep a push before its request is answered with 503; 8 s, since
    /// terminals give up after 10. The store goes on, and the repetition waits for it again.
    pub store_timeout: Duration,
    /// Keys of recent records remembered for each terminal; 4,096. They spare the store the
    /// repetitions that come while a terminal catches up; the store decides about all others.
    pub keys_per_terminal: usize,
    /// Terminals whose keys are remembered; 10,000. Beyond that those of the longest silent one are
    /// forgotten.
    pub max_terminals: usize,
    /// Keys remembered of all terminals together; 1,048,576, which take about 80 MB. Beyond that
    /// those of the longest silent terminal are forgotten.
    pub max_keys: usize,
    /// Most imports that the store has not answered; 256. Beyond that they are refused.
    pub max_importing: usize,
    /// Age up to which a record is [`Freshness::Live`]; 10 s.
    pub live_within: Duration,
    /// How far ahead of a clock a record may be; 5 s.
    pub future_tolerance: Duration,
    /// By which clock the age is told; [`AgeBasis::Worst`].
    pub age_basis: AgeBasis,
    /// What terminals of profile 1.0 are told about the door; [`LegacyPass::Omit`].
    pub legacy_pass: LegacyPass,
    /// What becomes of a terminal that asks whether a person may pass; [`RemoteAuth::Refuse`].
    pub remote_auth: RemoteAuth,
    /// How long `Retry-After` tells terminals to wait when they are answered with 503; 2 s.
    pub retry_after: Duration,
    /// How long [`super::Platform::close`] waits for the store; 5 s.
    pub close_timeout: Duration,
    /// Most enrolments at a time; 4. Further ones wait.
    pub max_enrolling: usize,
    /// Most terminals enrolled; 10,000.
    pub max_enrolled: usize,
    /// How often an enrolled terminal's configuration is looked at again; `None` never. Listeners
    /// have been seen switched off after a reboot. Default `None`; 10 min is a good value.
    pub verify_every: Option<Duration>,
    /// How long one question to a terminal may take; 10 s.
    pub ask_timeout: Duration,
    /// Longest first delay before a failed enrolment is tried again; 1 s. Drawn evenly from zero to
    /// a bound that doubles with each failure.
    pub backoff_min: Duration,
    /// Longest delay; 5 min.
    pub backoff_max: Duration,
    /// Most outputs held for the driver; 4,096. Beyond that commands are refused and no further body
    /// is asked for.
    pub max_outputs: usize,
}

/// By which clock the age of a record is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AgeBasis {
    /// By ours and, if the terminal sends its own time along, by that: the larger age counts, and a
    /// record that is ahead of either is ahead. No wrong clock can make an old record live.
    Worst,
    /// By the time that the terminal sends along; by ours if it sends none.
    DeviceHeader,
    /// By ours.
    ReceiverClock,
}

/// What becomes of a terminal that asks whether a person may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RemoteAuth {
    /// It is told no, with 503.
    Refuse,
    /// The application decides within this time; else it is told no.
    Ask(Duration),
}

/// Number of a journal entry: ascending over all terminals, never used twice. Numbers of entries
/// that turned out to be known are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Seq(pub u64);

/// Names a connection. The driver chooses it and does not use it twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// Names a question to a terminal. The machine never uses it twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AskId(pub u64);

/// The head of a request, before any of its body is read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Head {
    /// The connection it came on.
    pub link: LinkId,
    /// The address it came from, without the port: `192.0.2.7`.
    pub peer: String,
    /// What it wants.
    pub method: Method,
    /// Path without query: `/Record`.
    pub path: String,
    /// `Content-Length`, if it was declared.
    pub length: Option<u64>,
    /// Header `sn`, since profile 1.2.1.
    pub serial: Option<SerialNumber>,
    /// Header `timestamp`, told by its size; since profile 1.2.1.
    pub sent_at: Option<UnixMillis>,
    /// Header `model`, since profile 1.2.1.
    pub model: Option<String>,
    /// Header `account`, since profile 1.2.1. Opaque.
    pub account: Option<String>,
}

/// What a request wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Method {
    /// `POST`: a push.
    Post,
    /// `GET` or `HEAD`: the terminal looks whether we are there.
    Get,
    /// Anything else, answered with 405.
    Other,
}

/// Where a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExchangeState {
    /// It has not come, or is answered, or has gone.
    Over,
    /// It waits for its turn, or for memory.
    Waiting,
    /// Its body may come.
    Reading,
    /// It waits for the one place that there is for bodies beyond [`Config::max_body`].
    Outgrown,
    /// It waits with its body until the store has answered another push of its terminal.
    Queued,
    /// It waits for the store.
    Storing,
    /// It waits for the application.
    Deciding,
}

/// What the world tells the machine. Where it matters, the wall clock is read by the driver at that
/// moment.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Input {
    /// The head of a request came. The driver chooses the id and does not use it twice.
    Connected(ExchangeId, Head),
    /// The body of a request came, and is a push.
    Received(UnixMillis, ExchangeId, Push),
    /// The body of a request came, and is none.
    Garbled(UnixMillis, ExchangeId, PushError),
    /// The body is longer than [`Output::Continue`] allowed. The driver keeps what it has read and
    /// reads no further.
    Outgrown(ExchangeId),
    /// A request ended before it was answered.
    Disconnected(ExchangeId),
    /// The store has kept an entry, or had one with its key; it will be there after a power cut.
    Stored(Seq, Novelty),
    /// The store has not kept an entry.
    StoreFailed(Seq, StoreError),
    /// A terminal answered a question.
    Answered(AskId, TerminalAnswer),
}

/// Whether an entry is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "there is no third way")]
pub enum Novelty {
    /// It was not there.
    New,
    /// One with its key was there already.
    Known,
}

/// Why the store has not kept an entry. What became of an entry must be certain before it is
/// reported: an entry that is there after all would never reach the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreError {
    /// No room.
    Full,
    /// Too much to do.
    Busy,
    /// It broke, was opened anew, and does not hold this entry.
    Broken,
}

/// What the machine asks of the world, in order.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Output {
    /// Read the body of a request, up to so many bytes in all.
    Continue(ExchangeId, u64),
    /// Answer a request. Exactly one for each that is not disconnected.
    Send(ExchangeId, Reply),
    /// Close the connection of a request without an answer. No [`Input::Disconnected`] is needed.
    Disconnect(ExchangeId),
    /// Ask the store for something. Requests are carried out in order; any number of them may be one
    /// transaction. All but [`Op::Consumed`] are answered.
    Store(Op),
    /// Ask a terminal something over its configuration API.
    Ask(AskId, Arc<Terminal>, TerminalAsk),
    /// Tell the application.
    Event(Event),
}

/// What the machine asks of its store.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Op {
    /// Keep a push, unless one with its serial number and key is kept already. Both in one
    /// transaction, or a record is lost or doubled.
    Keep(Entry),
    /// Keep what could not be read, unless it is kept already.
    Quarantine(Quarantined),
    /// The application named so has dealt with every entry up to this one.
    Consumed {
        /// The application's name.
        name: String,
        /// The last entry.
        seq: Seq,
    },
}

/// A push as it is kept.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Entry {
    /// Its number.
    pub seq: Seq,
    /// Whose it is: `deviceSN` of the body, else of the head, else the address.
    pub serial: SerialNumber,
    /// What makes it the same as another.
    pub key: RecordKey,
    /// When it came.
    pub received: UnixMillis,
    /// How old it was.
    pub freshness: Freshness,
    /// How it came.
    pub source: Source,
    /// The push, which still holds the body as it came.
    pub push: Push,
}

/// A body that could not be read, as it is kept.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Quarantined {
    /// Its number.
    pub seq: Seq,
    /// When it came.
    pub received: UnixMillis,
    /// The address it came from.
    pub peer: String,
    /// Whose it is, as far as the head tells.
    pub serial: Option<SerialNumber>,
    /// What makes it the same as another: the body.
    pub key: RecordKey,
    /// Why it could not be read.
    pub why: QuarantineReason,
    /// The body, bit for bit.
    pub raw: Bytes,
}

/// Why a body is in quarantine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum QuarantineReason {
    /// It is no push.
    Unreadable(crate::PushErrorKind),
    /// The serial number of the head is not that of the body.
    SerialMismatch,
    /// [`Config::serials`] names terminals, and neither head nor body tells which one this is.
    NoSerial,
}

/// How a record came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Source {
    /// A terminal pushed it.
    Pushed,
    /// It was asked for: [`super::Platform::import`].
    Imported,
}

/// How old a record was when it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Freshness {
    /// At most [`Config::live_within`].
    Live,
    /// Older, by so much.
    Late(Duration),
    /// Ahead of a clock by so much, beyond [`Config::future_tolerance`].
    Future(Duration),
    /// It states no time.
    Unknown,
}

/// What the application learns.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A new entry is kept. Once for each entry while the machine lives; over a crash of the
    /// receiver, at most once. Whoever needs exactly once reads the journal from its own cursor on
    /// and commits that with its effect, see [`super::Platform::consumed`].
    Kept(Arc<Entry>),
    /// A new body is in quarantine.
    Quarantined(Arc<Quarantined>),
    /// A terminal asks whether a person may pass: [`super::Platform::decide`].
    RemoteAuth(ExchangeId, AuthRequest),
    /// A terminal looked whether we are there.
    Heartbeat(String),
    /// A request was refused for good.
    Refused {
        /// The address it came from.
        peer: String,
        /// Why.
        why: RefusalReason,
    },
    /// The store failed; the terminal was told to come again. Once for each entry.
    StoreFailed(StoreError),
    /// A terminal pushes to us as wanted.
    Enrolled(Arc<Terminal>),
    /// A terminal could not be told to push to us. It is tried again.
    EnrolFailed(Arc<Terminal>, EnrolError),
    /// The machine has ended; nothing follows.
    Closed(Reason),
}

/// Why a request was refused for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RefusalReason {
    /// Its path is none of [`Config::paths`]: 404.
    Path,
    /// Its method is neither POST nor GET nor HEAD: 405.
    Method,
    /// Its terminal is none of [`Config::serials`]: 403.
    Serial,
    /// Its body is longer than [`Config::hard_max`]: 413.
    TooLong,
}

/// Why a machine ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// [`super::Platform::close`] was called.
    Local,
}

/// A terminal whose configuration API is known.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Terminal {
    /// Base of its API: `https://192.0.2.7:8000`.
    pub api: Dest,
    /// Account of its API, if it asks for one.
    pub login: Option<crate::Login>,
}

/// A question to a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TerminalAsk {
    /// `POST /v1/auth/login` with [`Terminal::login`].
    Login,
    /// `GET /v1/event/subscribe`
    GetConfig(Option<crate::Token>),
    /// `POST /v1/event/subscribe`
    PutConfig(Option<crate::Token>, Subscription),
}

/// A terminal's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TerminalAnswer {
    /// To [`TerminalAsk::Login`].
    Token(crate::Token),
    /// To [`TerminalAsk::GetConfig`]; `None` if it answered with `data: null`.
    Config(Option<Subscription>),
    /// To [`TerminalAsk::PutConfig`].
    Taken,
    /// There was none, or it was no.
    Failed(EnrolError),
}

/// Why a terminal could not be told to push to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EnrolError {
    /// It does not answer.
    Unreachable,
    /// It has no TLS, or a certificate that is not trusted. It was sent nothing.
    Untrusted,
    /// Its address is one that must not be called. It was sent nothing.
    Forbidden,
    /// Account or password are wrong, or it asks for one and none is given.
    Unauthorized,
    /// It answered with this status or code.
    Refused(i64),
    /// Its answer is not what the documents show.
    Garbled,
    /// It took the configuration and then states another.
    NotTaken,
}

/// What a receiver has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counters {
    /// Requests.
    pub requests: u64,
    /// New entries kept.
    pub kept: u64,
    /// Entries that were known.
    pub known: u64,
    /// Of those, the ones that did not need the store.
    pub remembered: u64,
    /// New bodies in quarantine.
    pub quarantined: u64,
    /// Heartbeats.
    pub heartbeats: u64,
    /// Requests refused for good.
    pub refused: u64,
    /// Requests answered with 503.
    pub deferred: u64,
    /// Of those, the ones whose store failed.
    pub store_failed: u64,
    /// Requests that ended before they were answered.
    pub disconnected: u64,
    /// Questions whether a person may pass.
    pub remote_auth: u64,
    /// Imported records that were new.
    pub imported: u64,
}

/// An answer to [`Event::RemoteAuth`] that could not be given: the exchange is over.
pub type Undecided = crate::Refused<AuthDecision>;

impl Config {
    /// The defaults, with a seed for the jitter.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            paths: Vec::new(),
            serials: Vec::new(),
            max_body: 8 << 20,
            hard_max: 64 << 20,
            budget: 192 << 20,
            max_waiting: 1_024,
            max_waiting_per_lane: 2,
            turn_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(60),
            store_timeout: Duration::from_secs(8),
            keys_per_terminal: 4_096,
            max_terminals: 10_000,
            max_keys: 1 << 20,
            max_importing: 256,
            live_within: Duration::from_secs(10),
            future_tolerance: Duration::from_secs(5),
            age_basis: AgeBasis::Worst,
            legacy_pass: LegacyPass::Omit,
            remote_auth: RemoteAuth::Refuse,
            retry_after: Duration::from_secs(2),
            close_timeout: Duration::from_secs(5),
            max_enrolling: 4,
            max_enrolled: 10_000,
            verify_every: None,
            ask_timeout: Duration::from_secs(10),
            backoff_min: Duration::from_secs(1),
            backoff_max: Duration::from_secs(5 * 60),
            max_outputs: 4_096,
        }
    }
}

impl Config {
    /// The same with limits that let something through at all.
    pub(super) fn sane(mut self) -> Self {
        self.hard_max = self.hard_max.max(self.max_body);
        self.budget = self.budget.max(self.max_body).max(MIN_SHARE);
        self.max_waiting_per_lane = self.max_waiting_per_lane.max(1);
        self.max_waiting = self.max_waiting.max(1);
        self.max_outputs = self.max_outputs.max(1);
        self.max_enrolling = self.max_enrolling.max(1);
        self.max_terminals = self.max_terminals.max(1);
        self
    }
}

impl Head {
    /// The head of a POST without any of the headers.
    pub fn post(link: LinkId, peer: impl Into<String>, path: impl Into<String>) -> Self {
        Self {
            link,
            peer: peer.into(),
            method: Method::Post,
            path: path.into(),
            length: None,
            serial: None,
            sent_at: None,
            model: None,
            account: None,
        }
    }
}

impl Entry {
    /// True if a door may be opened for it: pushed, and live by every clock.
    pub fn is_actionable(&self) -> bool {
        //= docs/spec/face-record-push.md#freshness
        //# Only a pushed record that counts as live MUST be actionable.
        //= docs/spec/face-record-push.md#freshness
        //# An imported record MUST NOT be actionable.
        self.source == Source::Pushed && self.freshness == Freshness::Live
    }
}

impl Terminal {
    /// A terminal that asks for no account.
    pub fn new(api: Dest) -> Self {
        Self { api, login: None }
    }

    /// With an account.
    #[must_use]
    pub fn with_login(mut self, login: crate::Login) -> Self {
        self.login = Some(login);
        self
    }
}

impl std::fmt::Debug for Terminal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Terminal({})", self.api)
    }
}

impl std::fmt::Debug for Quarantined {
    /// Also what cannot be read may show a face.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Quarantined")
            .field("seq", &self.seq)
            .field("peer", &self.peer)
            .field("serial", &self.serial)
            .field("why", &self.why)
            .field("bytes", &self.raw.len())
            .finish_non_exhaustive()
    }
}

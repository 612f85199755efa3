//! The subscriber: keeps one connection to a box, repairs what was missed, and delivers each event
//! once.

mod ask;
mod backoff;
mod clock;
mod dedupe;
mod gaps;
mod link;
mod liveness;
mod marks;
mod repair;
mod slice;
mod table;
mod vocabulary;

pub use table::{Cue, TRANSITIONS, Transition};
pub use vocabulary::{
    Assurance, Cause, Config, Counters, Event, Freshness, Input, KeyRule, Link, Mark, Op,
    OpenReason, Output, PingPolicy, Reason, Seq, Source, Span,
};

use crate::{Dialect, ExchangeId, FromBox, Refused, Subscription, TimeUnit, ToBox, UnixMillis};
use ask::{Exchanges, Verify};
use backoff::Backoff;
use clock::{BoxClock, SkewWatch, Wall, millis};
use dedupe::Seen;
use gaps::Gaps;
use liveness::{Life, PingRecord};
use marks::Marks;
use slice::Slice;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The collecting end: one subscriber of one box.
///
/// It dials, subscribes, watches whether the box is there, dials again, asks the history for what
/// was missed, and tells pushed events from fetched ones and fresh ones from stale.
///
/// # What is guaranteed
///
/// While the history serves what the box recorded, each event of the subscription is delivered
/// once, outside the spans of [`Event::GapOpen`]. Within one process "once" holds for events that
/// are remembered: the last [`Config::window_keys`] ones, for [`Config::window_time`], and for as
/// long as a gap that may hold them is being repaired. Records of one slice are compared with each
/// other whatever the window, so a gap of a week may hold more events than the window has keys.
/// After a restart with [`Self::resume`], and for [`Self::backfill`] of times long past, an event
/// may come again: [`FaceEvent::key`](crate::FaceEvent::key) tells.
///
/// # What the driver owes
///
/// Outputs are drained before the next message is read from the box: the machine cannot refuse
/// what the box sent, and drops nothing, so what is not drained piles up. Inputs that come late or
/// doubled do nothing.
#[derive(Debug)]
pub struct Platform {
    config: Config,
    link: Link,
    assurance: Assurance,
    /// An event came on this connection.
    is_streaming: bool,
    dialect: Option<Dialect>,
    subscription: Option<Subscription>,
    wall: Wall,
    box_clock: BoxClock,
    skew: SkewWatch,
    backoff: Backoff,
    /// When dialling fails or waiting ends.
    wake_at: Option<Instant>,
    life: Life,
    pings: PingRecord,
    exchanges: Exchanges,
    /// The dialect is certain: configured, or found since the last loss.
    is_verified: bool,
    verify: Verify,
    /// When the connection was opened, and first subscribed on.
    up_since: UnixMillis,
    /// When the subscription in force was sent.
    subscribed: UnixMillis,
    /// Up to here, by our clock, all that the box sent has arrived.
    proven: Option<UnixMillis>,
    /// When the subscription behind a gap was sent, until it shows effect.
    effect_awaited: Option<Awaited>,
    /// How long the last message was under way, in milliseconds. A stalled network holds back what
    /// is older than its last sign of life.
    lag: i64,
    /// When the first subscription was sent, unless an earlier life went before.
    since: Option<UnixMillis>,
    /// When the last event was sent, or the subscription.
    last_face: UnixMillis,
    seen: Seen,
    gaps: Gaps,
    /// Gaps of an earlier life, not announced yet.
    recovered: Vec<Span>,
    slice: Option<Slice>,
    slice_millis: i64,
    /// The unit in which this box reads times of dialect 2, once it is known.
    unit: Option<TimeUnit>,
    marks: Marks,
    out: VecDeque<Output>,
    counters: Counters,
}

/// A subscription whose effect has not shown.
#[derive(Debug, Clone, Copy)]
struct Awaited {
    /// When it was sent, or when what might have been missed was last reported.
    since: UnixMillis,
    /// A silence has been looked into meanwhile.
    is_overdue: bool,
}

impl Platform {
    /// A subscriber that has never been connected.
    pub fn new(config: Config) -> Self {
        let config = config.sane();
        Self {
            link: Link::Idle,
            assurance: Assurance::TcpOnly,
            is_streaming: false,
            dialect: config.dialect,
            subscription: None,
            wall: Wall::default(),
            box_clock: BoxClock::new(0_i64.saturating_sub(config.clock_offset)),
            skew: SkewWatch::default(),
            backoff: Backoff::new(config.backoff_min, config.backoff_max, config.seed),
            wake_at: None,
            life: Life::default(),
            pings: PingRecord::default(),
            exchanges: Exchanges::default(),
            is_verified: config.dialect.is_some(),
            verify: Verify::default(),
            up_since: UnixMillis::default(),
            subscribed: UnixMillis::default(),
            proven: None,
            lag: 0,
            effect_awaited: None,
            since: None,
            last_face: UnixMillis::default(),
            seen: Seen::new(
                config.key_rule,
                millis(config.match_tolerance),
                config.window_keys,
                config.window_time,
            ),
            gaps: Gaps::new(config.max_gaps, millis(config.max_gap)),
            recovered: Vec::new(),
            slice: None,
            slice_millis: millis(config.slice),
            unit: None,
            marks: Marks::default(),
            out: VecDeque::new(),
            counters: Counters::default(),
            config,
        }
    }

    /// A subscriber that goes on where an earlier one stopped, perhaps without warning.
    ///
    /// From `mark.live` to the first subscription is one more gap. A mark whose `live` is 0 stands
    /// for an earlier life of which nothing is known, and makes no gap.
    pub fn resume(config: Config, mark: Mark) -> Self {
        let mut this = Self::new(config);
        if mark.live != UnixMillis::default() {
            this.box_clock = BoxClock::new(mark.box_ahead);
            //= docs/spec/se5-events.md#gaps
            //# A subscriber that resumes from a mark MUST report the span from the mark to its
            //# first subscription as a gap.
            this.proven = Some(mark.live);
        }
        this.recovered = mark
            .open
            .into_iter()
            .map(|span| Span::new(span.from, span.to))
            .collect();
        this
    }

    /// Takes one fact from the world. Never fails: what the box did wrong comes out as output.
    pub fn handle_input(&mut self, now: Instant, input: Input) {
        self.handle_timeout(now);
        if self.is_closed() {
            return;
        }
        match input {
            Input::Connected(at) => {
                self.wall.set(now, at);
                self.connected(now, at);
            }
            Input::Received(at, FromBox::Face(event)) => {
                self.wall.set(now, at);
                self.measure_lag(at, &event);
                //= docs/spec/se5-events.md#subscription
                //# The subscriber MUST NOT report an event of a connection before it has sent the
                //# subscription on that connection.
                if self.heard(now, at) {
                    self.face(now, at, event);
                }
            }
            Input::Received(at, FromBox::Pong) => {
                self.wall.set(now, at);
                self.pong(now, at);
            }
            Input::Received(at, FromBox::Answer(id, answer)) => {
                self.wall.set(now, at);
                self.answered(now, id, answer);
            }
            Input::Garbled(at, error) => {
                self.wall.set(now, at);
                if self.heard(now, at) {
                    self.counters.malformed = self.counters.malformed.saturating_add(1);
                    //= docs/spec/se5-events.md#events
                    //# A malformed message MUST NOT end the connection it came on.
                    self.tell(Event::Malformed(error));
                }
            }
            Input::Heard(at) => {
                self.wall.set(now, at);
                self.sign_of_life(now, at);
            }
            Input::Disconnected(at, cause) => {
                self.wall.set(now, at);
                self.disconnected(now, cause);
            }
            Input::Stored(_) => {}
            Input::StoreFailed(seq) => self.marks.failed(now, seq, self.config.mark_every),
        }
    }

    /// Fires what is due at `now`. Harmless when called early, late or twice.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.is_closed() {
            return;
        }
        self.fire_exchanges(now);
        self.fire_link(now);
        self.fire_repair(now);
        self.fire_mark(now);
    }

    /// Next thing to do, oldest first; `None` when there is nothing until the next input.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// When to call [`Self::handle_timeout`]; `None` means no timer is armed.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.is_closed() {
            return None;
        }
        //= docs/spec/se5-events.md#liveness
        //# The subscriber MUST always have an output or a deadline while it is subscribed and not
        //# closed.
        let timers = [
            self.wake_at,
            self.verify.at,
            self.life.next(),
            self.exchanges.next(),
            self.next_ask(),
            self.marks.due(),
        ];
        timers.into_iter().flatten().min()
    }

    /// Asks for events: connects if need be, and on a connection that is up replaces what was asked
    /// for before. Asking for the same again does nothing.
    ///
    /// # Errors
    ///
    /// [`Refused::EmptyList`] without a device, [`Refused::Full`] while outputs are not drained,
    /// [`Refused::Closed`].
    pub fn subscribe(
        &mut self,
        now: Instant,
        subscription: Subscription,
    ) -> Result<(), Refused<Subscription>> {
        self.handle_timeout(now);
        if self.is_closed() {
            return Err(Refused::Closed(subscription));
        }
        //= docs/spec/se5-events.md#subscription
        //# The subscriber MUST refuse a subscription without device ids unless its configuration
        //# allows an empty list.
        if subscription.devices.is_empty() && !self.config.allow_empty {
            return Err(Refused::EmptyList(subscription));
        }
        //= docs/spec/se5-events.md#limits
        //# The subscriber MUST refuse commands while `max_queue` outputs wait.
        if self.is_full() {
            return Err(Refused::Full(subscription));
        }
        if self.subscription.as_ref() == Some(&subscription) {
            return Ok(());
        }
        self.subscription = Some(subscription);
        if self.link == Link::Idle {
            self.dial(now);
        //= docs/spec/se5-events.md#subscription
        //# When the subscription changes on a live connection, the subscriber MUST send the new one
        //# on the same connection.
        } else if self.is_up() {
            self.send_subscription(now);
        }
        Ok(())
    }

    /// Asks for the device list, in every state but closed. [`Event::Devices`] or
    /// [`Event::DevicesFailed`] follows. While the dialect is not known both are tried, and the one
    /// that is answered is known from then on.
    ///
    /// # Errors
    ///
    /// [`Refused::Full`] while outputs are not drained or 16 such questions are out,
    /// [`Refused::Closed`].
    pub fn devices(&mut self, now: Instant) -> Result<ExchangeId, Refused<()>> {
        self.handle_timeout(now);
        if self.is_closed() {
            return Err(Refused::Closed(()));
        }
        if self.is_full() || self.exchanges.lists() >= 16 {
            return Err(Refused::Full(()));
        }
        Ok(self.ask_list(now))
    }

    /// Asks the history for the events of `span` once more, or for the first time. What has been
    /// delivered within the window is not delivered again. [`Event::Gap`] follows at once, also
    /// with [`Config::backfill`] off.
    ///
    /// # Errors
    ///
    /// [`Refused::Full`] while outputs are not drained, [`Refused::Closed`].
    pub fn backfill(&mut self, now: Instant, span: Span) -> Result<(), Refused<Span>> {
        self.handle_timeout(now);
        if self.is_closed() {
            return Err(Refused::Closed(span));
        }
        if self.is_full() {
            return Err(Refused::Full(span));
        }
        let mut span = Span::new(span.from, span.to);
        if let Some(at) = self.wall.at(now) {
            span.to = span.to.min(at.max(span.from));
        }
        self.open_gap(span);
        self.repair(now);
        Ok(())
    }

    /// Ends the machine: gaps under repair end open, a last mark holds them, and
    /// [`Event::Closed`] is the last output.
    pub fn close(&mut self, now: Instant) {
        self.handle_timeout(now);
        if self.is_closed() {
            return;
        }
        self.mark(now);
        while let Some(mut gap) = self.gaps.end_first() {
            let rest = gap.within(gap.cursor, gap.span.to);
            gap.give_up(rest, OpenReason::Closed);
            self.end_gap(gap);
        }
        if self.is_up() || self.link == Link::Dialing {
            self.out.push_back(Output::Disconnect);
        }
        self.link = Link::Closed;
        //= docs/spec/se5-events.md#limits
        //# A machine that is closed MUST report so once, as the last thing it says.
        self.tell(Event::Closed(Reason::Local));
        self.exchanges = Exchanges::default();
        self.slice = None;
        self.recovered = Vec::new();
    }

    /// True once [`Event::Closed`] has been queued.
    pub fn is_closed(&self) -> bool {
        self.link == Link::Closed
    }

    /// What the connection is.
    pub fn link(&self) -> Link {
        self.link
    }

    /// The best proof that the box is there and serves this connection.
    pub fn assurance(&self) -> Assurance {
        self.assurance
    }

    /// The dialect that was configured or found.
    pub fn dialect(&self) -> Option<Dialect> {
        self.dialect
    }

    /// What has been counted so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Gaps announced and not yet ended, in order.
    pub fn open_gaps(&self) -> Vec<Span> {
        self.gaps.spans().collect()
    }

    /// How far the box's clock is ahead of ours, in milliseconds, as its events show.
    pub fn box_ahead(&self) -> i64 {
        self.box_clock.ahead()
    }

    fn is_up(&self) -> bool {
        matches!(
            self.link,
            Link::Unconfirmed | Link::Streaming | Link::Suspect
        )
    }

    fn is_full(&self) -> bool {
        self.out.len() >= self.config.max_queue
    }

    fn tell(&mut self, event: Event) {
        self.out.push_back(Output::Event(event));
    }

    fn send(&mut self, message: ToBox) {
        self.out.push_back(Output::Send(message));
    }

    /// Moves to `link`; tells of it if anything changed.
    fn go(&mut self, link: Link, assurance: Assurance, cause: Option<Cause>) {
        if (self.link, self.assurance) == (link, assurance) {
            return;
        }
        //= docs/spec/se5-events.md#liveness
        //# The subscriber MUST report with each change of state how well the connection is proven.
        (self.link, self.assurance) = (link, assurance);
        self.tell(Event::State {
            link,
            assurance,
            cause,
        });
    }
}

impl Config {
    /// Without the zeros that would make it spin, and without what it cannot do.
    fn sane(mut self) -> Self {
        let waits = [
            &mut self.dial_timeout,
            &mut self.idle,
            &mut self.answer,
            &mut self.http_recheck,
            &mut self.ask_timeout,
            &mut self.mark_every,
            &mut self.slice,
        ];
        for wait in waits {
            *wait = (*wait).max(Duration::from_millis(1));
        }
        self.slice = self.slice.max(Duration::from_secs(1));
        if !self.http {
            //= docs/spec/se5-events.md#gaps
            //# The subscriber MUST report its gaps open at once where its configuration says that
            //# HTTP cannot be asked.
            self.backfill = false;
            self.dialect = Some(self.dialect.unwrap_or_default());
        }
        self.max_silence = self
            .max_silence
            .map(|wait| wait.max(Duration::from_millis(1)));
        self.per_page = self.per_page.max(1);
        self.max_queue = self.max_queue.max(1);
        self
    }
}

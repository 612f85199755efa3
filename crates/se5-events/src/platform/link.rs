//! The connection: dialling, being up, being silent, being lost.

use super::ask::{Purpose, Verify};
use super::clock::{after, freshness, millis};
use super::liveness::Life;
use super::{Assurance, Awaited, Cause, Event, Freshness, Link, Output, Platform, Source, Span};
use crate::{FaceEvent, ToBox, UnixMillis};
use std::time::Instant;

impl Platform {
    /// Opens the connection, once it is known in which dialect to subscribe.
    pub(super) fn dial(&mut self, now: Instant) {
        //= docs/spec/se5-events.md#subscription
        //# A subscriber that was not told the dialect MUST ask for the device list in dialect 1,
        //# and then in dialect 2, before it connects.
        if self.dialect.is_none() {
            self.wake_at = None;
            self.go(Link::Probing, Assurance::TcpOnly, None);
            self.ask_dialect(now);
            return;
        }
        self.counters.dials = self.counters.dials.saturating_add(1);
        //= docs/spec/se5-events.md#liveness
        //# The subscriber MUST give up a dial that has not succeeded within `dial_timeout`.
        self.wake_at = after(now, self.config.dial_timeout);
        self.out.push_back(Output::Connect);
        self.go(Link::Dialing, Assurance::TcpOnly, None);
    }

    pub(super) fn connected(&mut self, now: Instant, at: UnixMillis) {
        if self.link != Link::Dialing {
            return;
        }
        self.wake_at = None;
        self.is_streaming = false;
        self.counters.connections = self.counters.connections.saturating_add(1);
        self.life = Life::begin(now, self.config.idle, self.config.max_silence);
        (self.up_since, self.lag) = (at, 0);
        self.box_clock.reconnected();
        self.skew.reconnected();
        self.link = Link::Unconfirmed;
        //= docs/spec/se5-events.md#subscription
        //# The subscriber MUST send its subscription as the first message on every connection.
        let missed_from = self.proven.replace(at);
        self.send_subscription(now);
        self.tell(Event::State {
            link: self.link,
            assurance: self.assurance,
            cause: None,
        });
        if !self.is_verified {
            // The box may have come back with another firmware.
            self.ask_dialect(now);
        }
        for span in std::mem::take(&mut self.recovered) {
            self.missed(span);
        }
        if let Some(from) = missed_from {
            //= docs/spec/se5-events.md#gaps
            //# A gap MUST begin `overlap` before the last received message was sent and end
            //# `overlap` after the new subscription was sent.
            let overlap = millis(self.config.overlap);
            let from = from.plus(0_i64.saturating_sub(overlap));
            //= docs/spec/se5-events.md#gaps
            //# The subscriber MUST report one gap for each lost connection, and further ones only if
            //# the new subscription showed its effect late.
            self.missed(Span::new(from, at.plus(overlap).max(from)));
            self.await_effect(now, at);
        } else {
            //= docs/spec/se5-events.md#gaps
            //# The first connection of a subscriber without a mark MUST NOT have a gap.
            self.since = Some(at);
        }
        self.mark(now);
        self.repair(now);
    }

    pub(super) fn disconnected(&mut self, now: Instant, cause: Cause) {
        match self.link {
            //= docs/spec/se5-events.md#gaps
            //# A failed dial MUST NOT add a gap.
            Link::Dialing => {
                self.out.push_back(Output::Disconnect);
                self.wait(now, cause);
            }
            _ if self.is_up() => {
                if self.pings.lost(now, &self.life) {
                    self.tell(Event::PingHarmful);
                }
                self.lost(now, cause);
            }
            _ => {}
        }
    }

    /// Gives the connection up.
    pub(super) fn hang_up(&mut self, now: Instant, cause: Cause) {
        self.out.push_back(Output::Disconnect);
        self.lost(now, cause);
    }

    /// Sends what is subscribed to; what came before proves nothing about it.
    pub(super) fn send_subscription(&mut self, now: Instant) {
        let (Some(dialect), Some(subscription)) = (self.dialect, self.subscription.clone()) else {
            return;
        };
        self.send(ToBox::Subscribe(dialect, subscription));
        let at = self.wall.at(now).unwrap_or_default();
        (self.subscribed, self.last_face) = (at, at);
        self.is_streaming = false;
        if self.link == Link::Streaming {
            self.go(Link::Unconfirmed, self.assurance, None);
        }
    }

    /// A subscription that is held up on its way takes effect later than the gap before it ends. The
    /// first sign of life behind it, or the pong to a ping, tells when it had arrived.
    pub(super) fn await_effect(&mut self, now: Instant, sent: UnixMillis) {
        self.effect_awaited = Some(Awaited {
            since: sent,
            is_overdue: false,
        });
        //= docs/spec/se5-events.md#gaps
        //# The subscriber MUST ping a box that is known to answer pings right behind a subscription
        //# that follows a gap.
        if self.pings.may_follow_subscription(self.config.ping) {
            self.life.pinged(now);
            self.counters.pings = self.counters.pings.saturating_add(1);
            self.send(ToBox::Ping);
        }
    }

    /// The subscription had taken effect by `at`: nothing has been missed since.
    pub(super) fn took_effect(&mut self, now: Instant, at: UnixMillis) {
        if let Some(awaited) = self.effect_awaited.take() {
            self.report_late(now, awaited.since, at);
        }
    }

    /// A silent connection was found alive otherwise. Its subscription may still be on its way, so
    /// what has been missed so far is fetched, once, and the effect is awaited on.
    pub(super) fn effect_is_overdue(&mut self, now: Instant, at: UnixMillis) {
        if let Some(awaited) = self.effect_awaited.filter(|awaited| !awaited.is_overdue) {
            self.effect_awaited = Some(Awaited {
                since: at,
                is_overdue: true,
            });
            self.report_late(now, awaited.since, at);
        }
    }

    fn report_late(&mut self, now: Instant, since: UnixMillis, at: UnixMillis) {
        //= docs/spec/se5-events.md#gaps
        //# The subscriber MUST report a further gap where a subscription takes effect more than
        //# `overlap` after it was sent, beginning `overlap` after the sending and ending `overlap`
        //# after the effect.
        let overlap = millis(self.config.overlap);
        let reported = since.plus(overlap);
        if at > reported {
            self.missed(Span::new(reported, at.plus(overlap)));
            self.repair(now);
        }
    }

    /// Takes note of a whole message. True if the connection is up.
    pub(super) fn heard(&mut self, now: Instant, at: UnixMillis) -> bool {
        if self.is_up() {
            self.proven = Some(self.sent_by(at));
        }
        self.sign_of_life(now, at)
    }

    /// Takes note of life, be it a part of a message: which says nothing of what has arrived, since
    /// the message may be as old as it is slow. True if the connection is up.
    //= docs/spec/se5-events.md#gaps
    //# A part of a message MUST NOT move the start of a gap.
    pub(super) fn sign_of_life(&mut self, now: Instant, at: UnixMillis) -> bool {
        if !self.is_up() {
            return false;
        }
        //= docs/spec/se5-events.md#gaps
        //# A subscription that follows a gap MUST be taken to be in effect once anything is received
        //# on its connection or the box answers whether it is there.
        self.took_effect(now, at);
        //= docs/spec/se5-events.md#liveness
        //# The subscriber MUST take any received byte as a sign of life.
        self.life.heard(now, self.config.idle);
        if self.link == Link::Suspect {
            self.exchanges.forget(Purpose::Check);
            self.go(self.quiet_link(), self.assurance, None);
        }
        self.mark_soon(now);
        true
    }

    /// When the message that came `at` was sent: all that was sent before has come, too.
    fn sent_by(&self, at: UnixMillis) -> UnixMillis {
        //= docs/spec/se5-events.md#gaps
        //# A message that is no event MUST be taken to have been under way for as long as the event
        //# or pong before it on the connection.
        let sent = at.plus(0_i64.saturating_sub(self.lag));
        //= docs/spec/se5-events.md#gaps
        //# A message MUST NOT be taken to have been sent before its connection was first subscribed
        //# on.
        sent.max(self.up_since)
    }

    /// How long an event was under way that came `at`.
    pub(super) fn measure_lag(&mut self, at: UnixMillis, event: &FaceEvent) {
        let happened = event.timestamp().map(|timestamp| timestamp.unix);
        //= docs/spec/se5-events.md#gaps
        //# A live event MUST be taken to have been under way for as long as, by its own time, it
        //# fell behind the quickest of the last 16 events.
        if let Some(happened) = happened.filter(|_| self.box_clock.has_samples()) {
            self.lag = at.plus(self.box_clock.ahead()).since(happened).max(0);
        }
    }

    pub(super) fn pong(&mut self, now: Instant, at: UnixMillis) {
        //= docs/spec/se5-events.md#gaps
        //# A pong MUST be taken to have been under way since the ping that it answers was sent.
        // It left the box later than that, and behind all that the box had sent before.
        if let Some(round_trip) = self.life.round_trip(now) {
            self.lag = millis(round_trip);
        }
        if self.heard(now, at) {
            self.counters.pongs = self.counters.pongs.saturating_add(1);
            self.pings.pong(&mut self.life);
            self.go(self.link, self.assurance.max(Assurance::Pong), None);
        }
    }

    pub(super) fn face(&mut self, now: Instant, at: UnixMillis, event: FaceEvent) {
        self.counters.received = self.counters.received.saturating_add(1);
        self.is_streaming = true;
        self.backoff.reset();
        self.last_face = self.sent_by(at);
        self.life.stop_at = self.config.max_silence.and_then(|wait| after(now, wait));
        self.go(Link::Streaming, Assurance::Event, None);
        self.forget(now);
        //= docs/spec/se5-events.md#duplicates
        //# Each event of the box MUST be delivered at most once within the window, live or from the
        //# history.
        if !self.seen.push(now, &event) {
            self.counters.duplicates_live = self.counters.duplicates_live.saturating_add(1);
            return;
        }
        //= docs/spec/se5-events.md#gaps
        //# The estimated offset MUST NOT change any reported time or freshness.
        let freshness = self.freshness(at, &event);
        if let Some(timestamp) = event.timestamp() {
            self.box_clock.sample(at, timestamp.unix);
        }
        //= docs/spec/se5-events.md#gaps
        //# A backfill MUST NOT delay live events.
        self.counters.delivered_live = self.counters.delivered_live.saturating_add(1);
        self.tell(Event::Face {
            event,
            freshness,
            source: Source::Live,
        });
        if let Some(millis) = self.skew.judge(freshness) {
            self.tell(Event::ClockSkew { millis });
        }
    }

    pub(super) fn freshness(&self, at: UnixMillis, event: &FaceEvent) -> Freshness {
        freshness(
            at,
            event.timestamp().map(|timestamp| timestamp.unix),
            self.config.clock_offset,
            self.config.live_within,
            self.config.future_tolerance,
        )
    }

    pub(super) fn fire_link(&mut self, now: Instant) {
        let is_due = |timer: Option<Instant>| timer.is_some_and(|due| due <= now);
        match self.link {
            //= docs/spec/se5-events.md#liveness
            //# The subscriber MUST NOT have more than one dial or connection at a time.
            Link::Dialing if is_due(self.wake_at) => {
                self.out.push_back(Output::Disconnect);
                self.wait(now, Cause::Timeout);
            }
            Link::Waiting if is_due(self.wake_at) => self.dial(now),
            _ => {}
        }
        if !self.is_up() {
            return;
        }
        if is_due(self.life.ignored_at) {
            self.life.ignored_at = None;
            if self.pings.ping_ignored() {
                self.tell(Event::PingIgnored);
            }
        }
        //= docs/spec/se5-events.md#liveness
        //# The subscriber MUST give up a silent connection when a box that has answered pings
        //# before answers none within `answer`.
        if is_due(self.life.dead_at) {
            self.pings.pong_missed();
            self.hang_up(now, Cause::Silent);
        //= docs/spec/se5-events.md#liveness
        //# The subscriber MUST reconnect after `max_silence` without an event where that is
        //# configured.
        } else if is_due(self.life.stop_at) {
            // What keeps such a connection open may not be the box: only its events are proof.
            self.proven = Some(self.last_face);
            self.hang_up(now, Cause::Stopped);
        } else if is_due(self.life.check_at) {
            self.inquire(now);
        }
    }

    /// Where a link is while nothing is wrong with it.
    pub(super) fn quiet_link(&self) -> Link {
        if self.is_streaming {
            Link::Streaming
        } else {
            Link::Unconfirmed
        }
    }

    /// Down, to dial again after a while.
    pub(super) fn wait(&mut self, now: Instant, cause: Cause) {
        self.is_verified = self.config.dialect.is_some();
        //= docs/spec/se5-events.md#liveness
        //# The subscriber MUST wait before dialling again for a time drawn evenly between zero and
        //# a bound that doubles with each failure up to `backoff_max`.
        self.wake_at = after(now, self.backoff.next());
        self.go(Link::Waiting, Assurance::TcpOnly, Some(cause));
    }

    fn lost(&mut self, now: Instant, cause: Cause) {
        self.counters.losses = self.counters.losses.saturating_add(1);
        //= docs/spec/se5-events.md#liveness
        //# The subscriber MUST reset that bound after an event or after `stable` of connection.
        if self.life.lasted(now) >= self.config.stable {
            self.backoff.reset();
        }
        self.life = Life::default();
        self.verify = Verify::default();
        self.exchanges.forget(Purpose::Check);
        self.exchanges.forget(Purpose::Dialect);
        //= docs/spec/se5-events.md#gaps
        //# A backfill MUST pause while the connection is down.
        self.stop_slice();
        self.wait(now, cause);
        self.mark(now);
    }

    /// Looks into a silence.
    fn inquire(&mut self, now: Instant) {
        let inquiry = self
            .life
            .inquire(now, self.config.ping, &self.pings, self.config.answer);
        //= docs/spec/se5-events.md#liveness
        //# The subscriber MUST NOT ask anything over HTTP of its own accord where its configuration
        //# says that HTTP cannot be asked.
        let can_ask = inquiry.ask && self.config.http;
        if can_ask || !inquiry.ask {
            self.go(Link::Suspect, self.assurance, None);
        } else {
            // Nothing can prove such a silence to be death.
            self.life.answered(now, self.config.http_recheck);
            self.go(self.link, Assurance::TcpOnly, None);
        }
        if inquiry.ping {
            self.counters.pings = self.counters.pings.saturating_add(1);
            self.send(ToBox::Ping);
        }
        //= docs/spec/se5-events.md#liveness
        //# The subscriber MUST ask a silent box that never answered a ping for its device list.
        if can_ask {
            self.ask_check(now);
        }
    }
}

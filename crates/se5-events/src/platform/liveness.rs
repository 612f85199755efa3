//! Whether the box is still there.

use super::PingPolicy;
use super::clock::after;
use std::time::{Duration, Instant};

/// Life on one connection: any byte from the box, and what is done when there is none.
#[derive(Debug, Default)]
pub(super) struct Life {
    /// When the silence is looked into.
    pub(super) check_at: Option<Instant>,
    /// When a proven box that does not answer its ping is given up.
    pub(super) dead_at: Option<Instant>,
    /// When a ping counts as ignored by a box that never answered one.
    pub(super) ignored_at: Option<Instant>,
    /// When silence alone is reason enough.
    pub(super) stop_at: Option<Instant>,
    connected_at: Option<Instant>,
    pinged_at: Option<Instant>,
    /// When the ping was sent that the next pong answers. Two may be out: one behind the
    /// subscription, and one because of the silence after it.
    answered_next: Option<Instant>,
    http_failures: u8,
}

/// What pings have shown of a box, over all connections.
#[derive(Debug, Default)]
pub(super) struct PingRecord {
    answers: bool,
    missed: u8,  // connections given up for want of a pong, in a row
    ignored: u8, // pings ignored by a box that never answered one
    harmed: u8,  // connections lost right after a ping, in a row
    is_harmful: bool,
}

/// What to do about a silent box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Inquiry {
    pub(super) ping: bool,
    pub(super) ask: bool,
}

impl Life {
    pub(super) fn begin(now: Instant, idle: Duration, max_silence: Option<Duration>) -> Self {
        Self {
            check_at: after(now, idle),
            stop_at: max_silence.and_then(|silence| after(now, silence)),
            connected_at: Some(now),
            ..Self::default()
        }
    }

    /// The box said something, be it half a message.
    pub(super) fn heard(&mut self, now: Instant, idle: Duration) {
        //= docs/spec/se5-events.md#liveness
        //# The subscriber MUST NOT doubt a connection that has been silent for less than `idle`.
        self.check_at = after(now, idle);
        self.dead_at = None;
        self.http_failures = 0;
    }

    /// The silence has lasted too long: how to look into it.
    pub(super) fn inquire(
        &mut self,
        now: Instant,
        policy: PingPolicy,
        record: &PingRecord,
        answer: Duration,
    ) -> Inquiry {
        self.check_at = None;
        //= docs/spec/se5-events.md#liveness
        //# The subscriber MUST NOT send a ping when its ping policy is never.
        let may_ping = policy == PingPolicy::WhenIdle && !record.is_harmful;
        //= docs/spec/se5-events.md#liveness
        //# The subscriber MUST NOT give up a connection for want of a pong unless the box has
        //# answered a ping before.
        if may_ping && record.answers {
            self.pinged(now);
            self.dead_at = after(now, answer);
            return Inquiry {
                ping: true,
                ask: false,
            };
        }
        // One ping a connection, to find out whether the box answers. Its silence proves nothing.
        let ping = may_ping && self.pinged_at.is_none();
        if ping {
            self.pinged(now);
            self.ignored_at = after(now, answer);
        }
        Inquiry { ping, ask: true }
    }

    /// The box answered over HTTP.
    pub(super) fn answered(&mut self, now: Instant, recheck: Duration) {
        self.http_failures = 0;
        self.check_at = after(now, recheck);
    }

    /// The box did not answer over HTTP: true if that proves it gone.
    pub(super) fn not_answered(&mut self, now: Instant, again: Duration) -> bool {
        self.http_failures = self.http_failures.saturating_add(1);
        self.check_at = after(now, again);
        //= docs/spec/se5-events.md#liveness
        //# The subscriber MUST give up a silent connection when two such questions in a row are not
        //# answered.
        self.http_failures >= 2
    }

    /// A ping was sent.
    pub(super) fn pinged(&mut self, now: Instant) {
        self.pinged_at = Some(now);
        self.answered_next = self.answered_next.or(Some(now));
    }

    /// A pong came: how long ago the ping was sent that it answers.
    pub(super) fn round_trip(&mut self, now: Instant) -> Option<Duration> {
        let pinged_at = self.answered_next.take()?;
        self.answered_next = self.pinged_at.filter(|later| *later > pinged_at);
        Some(now.saturating_duration_since(pinged_at))
    }

    pub(super) fn lasted(&self, now: Instant) -> Duration {
        let since = self.connected_at.unwrap_or(now);
        now.saturating_duration_since(since)
    }

    pub(super) fn next(&self) -> Option<Instant> {
        let timers = [self.check_at, self.dead_at, self.ignored_at, self.stop_at];
        timers.into_iter().flatten().min()
    }
}

impl PingRecord {
    /// True for a box that is known to answer pings, and may be sent them.
    pub(super) fn may_follow_subscription(&self, policy: PingPolicy) -> bool {
        policy == PingPolicy::WhenIdle && self.answers && !self.is_harmful
    }

    pub(super) fn pong(&mut self, life: &mut Life) {
        (self.answers, self.missed, self.harmed) = (true, 0, 0);
        life.ignored_at = None;
    }

    /// A ping went unanswered: true if that is worth telling.
    pub(super) fn ping_ignored(&mut self) -> bool {
        self.ignored = self.ignored.saturating_add(1);
        self.ignored == 3
    }

    /// A connection was given up for want of a pong. A box that has stopped answering pings must
    /// not be given up for ever: from the second time on it has to prove itself anew.
    pub(super) fn pong_missed(&mut self) {
        self.missed = self.missed.saturating_add(1);
        if self.missed >= 2 {
            self.answers = false;
        }
    }

    /// A connection was lost by itself: true if its ping is found to be the reason.
    pub(super) fn lost(&mut self, now: Instant, life: &Life) -> bool {
        let Some(pinged_at) = life.pinged_at.filter(|_| !self.answers) else {
            return false;
        };
        if now.saturating_duration_since(pinged_at) > Duration::from_secs(2) {
            self.harmed = 0;
            return false;
        }
        self.harmed = self.harmed.saturating_add(1);
        //= docs/spec/se5-events.md#liveness
        //# The subscriber MUST stop pinging a box after two connections in a row were lost within 2
        //# s of a ping with no pong before.
        self.is_harmful |= self.harmed >= 2;
        self.harmed == 2
    }
}

//! Three clocks: the driver's timer, its wall clock, and the clock of the box.

use super::Freshness;
use crate::UnixMillis;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The driver's wall clock, carried on by the timer between two readings.
#[derive(Debug, Default)]
pub(super) struct Wall {
    read: Option<(Instant, UnixMillis)>,
}

/// What is known of the clock of the box. It moves query windows and nothing else.
#[derive(Debug)]
pub(super) struct BoxClock {
    ahead: VecDeque<i64>,
    known: i64,
    here: usize, // samples of this connection
}

/// Looks for a box whose clock is plainly wrong, in the first events of a connection.
#[derive(Debug, Default)]
pub(super) struct SkewWatch {
    judged: usize,
    least: i64,
    most: i64,
}

impl Wall {
    pub(super) fn set(&mut self, now: Instant, at: UnixMillis) {
        self.read = Some((now, at));
    }

    /// The wall-clock time at `now`; `None` before the first reading.
    pub(super) fn at(&self, now: Instant) -> Option<UnixMillis> {
        let (then, at) = self.read?;
        Some(at.plus(millis(now.saturating_duration_since(then))))
    }

    /// The moment at which the wall clock reads `at`: at once if it is past, `None` if never.
    pub(super) fn when(&self, now: Instant, at: UnixMillis) -> Option<Instant> {
        let wait = at.since(self.at(now)?);
        after(now, Duration::from_millis(u64::try_from(wait).unwrap_or(0)))
    }
}

impl BoxClock {
    /// With `known` as the estimate until there are samples.
    pub(super) fn new(known: i64) -> Self {
        Self {
            ahead: VecDeque::new(),
            known,
            here: 0,
        }
    }

    /// A new connection: the box may have restarted with another clock.
    pub(super) fn reconnected(&mut self) {
        self.here = 0;
    }

    /// A live event of `time` by the box came `at` by us.
    pub(super) fn sample(&mut self, at: UnixMillis, time: UnixMillis) {
        if self.ahead.len() >= SAMPLES {
            self.ahead.pop_front();
        }
        self.ahead.push_back(time.since(at));
        self.here = self.here.saturating_add(1);
        if self.here == ENOUGH {
            // From here on what earlier connections showed can only mislead.
            self.ahead.drain(..self.ahead.len().saturating_sub(ENOUGH));
        }
        //= docs/spec/se5-events.md#gaps
        //# The offset MUST be that of the quickest of the last 16 live events.
        self.known = self.ahead.iter().copied().max().unwrap_or(self.known);
    }

    /// How far the box is ahead of us, in milliseconds, according to the event that was quickest
    /// here: whatever held up the others only makes the box seem to lag.
    pub(super) fn ahead(&self) -> i64 {
        self.known
    }

    /// How far the events disagree on it, in milliseconds: the longest hold-up, or a step of the
    /// box's clock.
    pub(super) fn spread(&self) -> i64 {
        let least = self.ahead.iter().copied().min().unwrap_or(self.known);
        self.known.saturating_sub(least)
    }

    /// True once there was any event.
    pub(super) fn has_samples(&self) -> bool {
        !self.ahead.is_empty()
    }

    /// True once enough events of this connection agree on it.
    pub(super) fn is_known(&self) -> bool {
        self.here >= ENOUGH
    }
}

impl SkewWatch {
    pub(super) fn reconnected(&mut self) {
        self.judged = 0;
    }

    /// The skew to tell of, if the event judged last is the one that shows it.
    pub(super) fn judge(&mut self, freshness: Freshness) -> Option<i64> {
        if self.judged >= ENOUGH {
            return None;
        }
        let ahead = match freshness {
            Freshness::Late(age) => 0_i64.saturating_sub(millis(age)),
            Freshness::Future(by) => millis(by),
            Freshness::Live | Freshness::Unknown => {
                self.judged = ENOUGH;
                return None;
            }
        };
        if self.judged == 0 {
            (self.least, self.most) = (ahead, ahead);
        }
        self.judged = self.judged.saturating_add(1);
        (self.least, self.most) = (self.least.min(ahead), self.most.max(ahead));
        if self.most.saturating_sub(self.least) > AGREEMENT {
            self.judged = ENOUGH;
            return None;
        }
        let skew = self
            .least
            .saturating_add(self.most.saturating_sub(self.least) / 2);
        //= docs/spec/se5-events.md#freshness
        //# A clock that differs by the same amount in the first eight events of a connection MUST
        //# be reported once for that connection.
        (self.judged >= ENOUGH).then_some(skew)
    }
}

/// How old an event of `time` is that came `at`, the operator's correction applied.
pub(super) fn freshness(
    at: UnixMillis,
    time: Option<UnixMillis>,
    clock_offset: i64,
    live_within: Duration,
    future_tolerance: Duration,
) -> Freshness {
    //= docs/spec/se5-events.md#freshness
    //# An event without a readable time MUST be reported as of unknown freshness.
    let Some(time) = time else {
        return Freshness::Unknown;
    };
    //= docs/spec/se5-events.md#freshness
    //# The operator's `clock_offset` MUST be added to the box's times before they are judged.
    let age = at.since(time.plus(clock_offset));
    let length = Duration::from_millis(age.unsigned_abs());
    if age >= 0 {
        //= docs/spec/se5-events.md#freshness
        //# An event MUST count as live only if its age is at most `live_within`.
        if length <= live_within {
            Freshness::Live
        } else {
            //= docs/spec/se5-events.md#freshness
            //# An event older than that MUST be reported as late with its age.
            Freshness::Late(length)
        }
    //= docs/spec/se5-events.md#freshness
    //# An event more than `future_tolerance` ahead of the clock MUST be reported as ahead of time.
    } else if length <= future_tolerance {
        Freshness::Live
    } else {
        Freshness::Future(length)
    }
}

/// `now` and then some; `None`, a timer that is never due, if the clock does not reach that far.
pub(super) fn after(now: Instant, wait: Duration) -> Option<Instant> {
    now.checked_add(wait)
}

/// A duration as a difference of wall-clock times.
pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Samples that are remembered.
const SAMPLES: usize = 16;
/// Samples from which on it is believed.
const ENOUGH: usize = 8;
/// How far events may differ and still show the same wrong clock, in milliseconds.
const AGREEMENT: i64 = 2_000;

#[cfg(test)]
mod tests {
    use super::*;

    //= docs/spec/se5-events.md#gaps
    //= type=test
    //# The offset MUST be that of the quickest of the last 16 live events.
    #[test]
    fn a_burst_of_late_events_does_not_move_the_clock_and_shows_in_the_spread() {
        let mut clock = BoxClock::new(0);
        let come = UnixMillis(1_607_062_600_000);
        clock.sample(come, come.plus(40_000));
        for _ in 1..SAMPLES {
            clock.sample(come, come.plus(35_000));
        }
        assert_eq!((clock.ahead(), clock.spread()), (40_000, 5_000));
        // Nothing is remembered for ever: a clock that was put back is believed in the end.
        clock.sample(come, come.plus(35_000));
        assert_eq!((clock.ahead(), clock.spread()), (35_000, 0));
    }
}

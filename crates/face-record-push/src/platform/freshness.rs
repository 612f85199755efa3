//! How old a record was when it came.

use super::{AgeBasis, Config, Freshness};
use crate::UnixMillis;
use std::time::Duration;

/// The times that tell the age of a record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// When it happened, by the terminal's clock.
    pub(super) happened: Option<UnixMillis>,
    /// When it was sent, by the terminal's clock.
    pub(super) sent: Option<UnixMillis>,
    /// When it came, by ours.
    pub(super) received: UnixMillis,
}

impl Times {
    pub(super) fn freshness(&self, config: &Config) -> Freshness {
        //= docs/spec/face-record-push.md#freshness
        //# A push without a readable time MUST be reported as of unknown freshness.
        let Some((least, most)) = self.ages(config.age_basis) else {
            return Freshness::Unknown;
        };
        //= docs/spec/face-record-push.md#freshness
        //# A push more than `future_tolerance` ahead of a clock MUST be reported as ahead of time.
        if least < 0 && duration(least) > config.future_tolerance {
            Freshness::Future(duration(least))
        //= docs/spec/face-record-push.md#freshness
        //# A push older than that MUST be reported as late with its age.
        } else if most > 0 && duration(most) > config.live_within {
            Freshness::Late(duration(most))
        //= docs/spec/face-record-push.md#freshness
        //# A push MUST count as live only if its age is at most `live_within`.
        } else {
            Freshness::Live
        }
    }

    /// The same once `waited` has passed since it came: what was live is late after a while, and
    /// nothing ever becomes live.
    pub(super) fn freshness_after(&self, config: &Config, waited: Duration) -> Freshness {
        let then = self.freshness(config);
        let most = self.ages(config.age_basis).map_or(0, |(_, most)| most);
        let age = if most < 0 {
            waited.saturating_sub(duration(most))
        } else {
            waited.saturating_add(duration(most))
        };
        if then == Freshness::Live && age > config.live_within {
            Freshness::Late(age)
        } else {
            then
        }
    }

    /// The smallest and the largest age by the clocks that count, in milliseconds.
    fn ages(&self, basis: AgeBasis) -> Option<(i64, i64)> {
        let happened = self.happened?;
        let ours = self.received.since(happened);
        let theirs = self.sent.map(|sent| sent.since(happened));
        Some(match (basis, theirs) {
            //= docs/spec/face-record-push.md#freshness
            //# The larger age by the receiver's clock and by the time in the head MUST count under
            //# `Worst`.
            //= docs/spec/face-record-push.md#freshness
            //# A push that is ahead of either clock MUST be reported as ahead of time under
            //# `Worst`.
            (AgeBasis::Worst, Some(theirs)) => (ours.min(theirs), ours.max(theirs)),
            (AgeBasis::DeviceHeader, Some(theirs)) => (theirs, theirs),
            _ => (ours, ours),
        })
    }
}

fn duration(millis: i64) -> Duration {
    Duration::from_millis(millis.unsigned_abs())
}

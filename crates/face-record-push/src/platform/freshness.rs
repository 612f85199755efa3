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
        let Some((least, most)) = self.ages(config.age_basis) else {
            return Freshness::Unknown;
        };
        if least < 0 && duration(least) > config.future_tolerance {
            Freshness::Future(duration(least))
        } else if most > 0 && duration(most) > config.live_within {
            Freshness::Late(duration(most))
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
            (AgeBasis::Worst, Some(theirs)) => (ours.min(theirs), ours.max(theirs)),
            (AgeBasis::DeviceHeader, Some(theirs)) => (theirs, theirs),
            _ => (ours, ours),
        })
    }
}

fn duration(millis: i64) -> Duration {
    Duration::from_millis(millis.unsigned_abs())
}

//! The store's own time, which never goes back.

use std::time::Instant;
use zzw_push_proto::platform::UnixMillis;

/// The time by which messages are numbered and their lives are measured.
///
/// It follows the wall clock, but never goes back: while the wall clock is behind, it goes on with
/// the clock that cannot be set. So when somebody sets the wall clock back, messages live as long as
/// they should. When it is set forward, they live as much less, since nobody can tell that from a
/// machine that slept. The latest time is written down: a store that is opened when the wall clock is
/// behind goes on from there, and what it keeps lives longer by the time that the store was closed,
/// at most by as much as the clock was set back.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Clock {
    last: UnixMillis,
    read_at: Option<Instant>,
}

impl Clock {
    /// Goes on from there.
    pub(super) fn from(last: UnixMillis) -> Self {
        let read_at = None;
        Self { last, read_at }
    }

    /// The time now, when the wall clock shows `wall`.
    //= docs/spec/zzw-push-proto.md#store
    //# The time of a store MUST NOT go back, whatever is done to the clock.
    pub(super) fn read(&mut self, now: Instant, wall: UnixMillis) -> UnixMillis {
        let since = self.read_at.replace(now).unwrap_or(now);
        let passed = now.saturating_duration_since(since).as_millis();
        let passed = u64::try_from(passed).unwrap_or(u64::MAX);
        self.last = wall.max(UnixMillis(self.last.0.saturating_add(passed)));
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const HOUR: u64 = 3_600_000;

    #[test]
    //= docs/spec/zzw-push-proto.md#store
    //= type=test
    //# The time of a store MUST NOT go back, whatever is done to the clock.
    fn the_time_goes_on_when_the_wall_clock_goes_back() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut clock = Clock::default();
        let noon = UnixMillis(100 * HOUR);
        let back = UnixMillis(99 * HOUR + 1000);
        assert_eq!(clock.read(at(0), noon), noon);
        assert_eq!(clock.read(at(1), back), UnixMillis(noon.0 + 1000));
        assert_eq!(clock.read(at(1), UnixMillis(0)), UnixMillis(noon.0 + 1000));
        // Right again: nothing of the error is left.
        let right = UnixMillis(noon.0 + 5000);
        assert_eq!(clock.read(at(5), right), right);
        let later = UnixMillis(noon.0 + HOUR);
        assert_eq!(clock.read(at(6), later), later);
    }
}

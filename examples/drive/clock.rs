//! The two clocks: one that people set, one that only goes forward.

use se5_events::UnixMillis;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The wall clock, in milliseconds since 1970.
pub fn unix_now() -> UnixMillis {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// The clock that machines are given.
pub fn now() -> Instant {
    Instant::now()
}

/// Sleeps until `at`, or for ever.
pub async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// Nothing that is begun may hang: the longest a send may take before its link is given up.
pub const SEND_DEADLINE: Duration = Duration::from_secs(5);

//! One direction of a connection.

use std::time::{Duration, Instant};

/// Delivers late, but in order: one direction of a TCP connection while it holds.
#[derive(Debug, Clone, Default)]
pub struct Pipe {
    last: Option<Instant>,
}

impl Pipe {
    /// When something that is put in now and takes `latency` arrives: behind everything before it.
    pub fn arrival(&mut self, now: Instant, latency: Duration) -> Instant {
        let at = now + latency;
        let at = self.last.map_or(at, |last| last.max(at));
        self.last = Some(at);
        at
    }
}

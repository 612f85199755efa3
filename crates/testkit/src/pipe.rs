//! One direction of a connection.

use std::time::{Duration, Instant};

/// Delivers in order, late, and not at all once it is cut: one direction of a TCP connection.
#[derive(Debug, Clone)]
pub struct Pipe {
    state: State,
    last: Option<Instant>,
}

/// What becomes of something put into a [`Pipe`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// It arrives then, behind everything put in before, unless the pipe is cut first.
    At(Instant),
    /// Never.
    Lost,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Frozen,
    Cut,
}

impl Default for Pipe {
    fn default() -> Self {
        Self {
            state: State::Open,
            last: None,
        }
    }
}

impl Pipe {
    /// Puts something in that takes `latency`, or as long as what is before it.
    pub fn send(&mut self, now: Instant, latency: Duration) -> Arrival {
        if self.state != State::Open {
            return Arrival::Lost;
        }
        let at = self
            .last
            .map_or(now + latency, |last| last.max(now + latency));
        self.last = Some(at);
        Arrival::At(at)
    }

    /// Swallows everything from now on and tells nobody: a half-open connection.
    pub fn freeze(&mut self) {
        if self.state == State::Open {
            self.state = State::Frozen;
        }
    }

    /// Ends the pipe; what is under way is lost.
    pub fn cut(&mut self) {
        self.state = State::Cut;
    }

    /// True if what is under way still arrives.
    pub fn delivers(&self) -> bool {
        self.state == State::Open
    }

    /// True once the pipe has been cut.
    pub fn is_cut(&self) -> bool {
        self.state == State::Cut
    }
}

//! Doing the same again.

use std::time::{Duration, Instant};

/// What a machine was told, and when: enough to tell another the same.
#[derive(Debug, Clone)]
pub struct Recording<I> {
    start: Instant,
    steps: Vec<(Duration, I)>,
}

impl<I: Clone> Recording<I> {
    /// An empty recording that starts at `start`.
    pub fn new(start: Instant) -> Self {
        Self {
            start,
            steps: Vec::new(),
        }
    }

    /// Notes `input` and gives it back.
    pub fn note(&mut self, now: Instant, input: I) -> I {
        self.steps
            .push((now.saturating_duration_since(self.start), input.clone()));
        input
    }

    /// Every input with its time, counted from another `start`.
    pub fn replay(&self, start: Instant) -> impl Iterator<Item = (Instant, I)> + '_ {
        self.steps
            .iter()
            .map(move |(since, input)| (start + *since, input.clone()))
    }

    /// How many inputs there are.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// True if nothing was noted.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

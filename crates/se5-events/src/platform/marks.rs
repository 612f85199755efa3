//! What a restart needs to know, and when it is written down.

use super::clock::after;
use super::{Mark, Op, Output, Platform, Seq, Span};
use std::time::{Duration, Instant};

/// When the next mark is due, and what the last one said.
#[derive(Debug, Default)]
pub(super) struct Marks {
    next: u64,
    due: Option<Instant>,
    last: Option<(Instant, Mark)>,
}

impl Marks {
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Something changed that a mark says: one is due in time.
    fn changed(&mut self, now: Instant, every: Duration) {
        if self.due.is_none() {
            let then = self.last.as_ref().map_or(now, |(then, _)| *then);
            let tick = after(now, Duration::from_millis(1));
            self.due = after(then, every).max(tick);
        }
    }

    /// A mark was not stored: the next one makes up for it. Nothing waits for it.
    pub(super) fn failed(&mut self, now: Instant, seq: Seq, every: Duration) {
        if seq.0.checked_add(1) == Some(self.next) {
            self.last = self.last.take().map(|(then, _)| (then, Mark::default()));
            self.changed(now, every);
        }
    }
}

impl Platform {
    /// The mark will say something new, at the latest after [`super::Config::mark_every`].
    pub(super) fn mark_soon(&mut self, now: Instant) {
        self.marks.changed(now, self.config.mark_every);
    }

    /// Writes the mark down, if it says something new.
    pub(super) fn mark(&mut self, now: Instant) {
        self.marks.due = None;
        //= docs/spec/se5-events.md#gaps
        //# A mark MUST NOT be later than the newest time up to which every event was delivered or
        //# is in an open gap of that mark.
        let Some(live) = self.proven else {
            return;
        };
        // Before the first connection the gaps of an earlier life are not among the others yet.
        let recovered = self.recovered.iter().copied();
        let open: Vec<Span> = recovered.chain(self.gaps.unfinished()).collect();
        let mark = Mark {
            live,
            open,
            box_ahead: self.box_clock.ahead(),
        };
        if self
            .marks
            .last
            .as_ref()
            .is_some_and(|(_, last)| *last == mark)
        {
            return;
        }
        let seq = Seq(self.marks.next);
        self.marks.next = self.marks.next.saturating_add(1);
        self.marks.last = Some((now, mark.clone()));
        self.out.push_back(Output::Store(Op::Mark { seq, mark }));
    }

    pub(super) fn fire_mark(&mut self, now: Instant) {
        if self.marks.due.is_some_and(|due| due <= now) {
            self.mark(now);
        }
    }
}

//! Spans of time in which events may have been missed.

use super::{OpenReason, Span};
use crate::UnixMillis;

/// Gaps not yet ended: in order, apart from each other, not too many.
#[derive(Debug)]
pub(super) struct Gaps {
    list: Vec<Gap>,
    max: usize,
    longest: i64,
}

/// One gap and how far its repair has come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Gap {
    pub(super) span: Span,
    /// Up to here everything has been fetched or given up. Begins before the span and ends behind
    /// it, by the slack that is allowed to the clock of the box.
    pub(super) cursor: UnixMillis,
    pub(super) recovered: u64,
    pub(super) known: u64,
    /// What was given up, and why.
    pub(super) open: Option<(Span, OpenReason)>,
    /// The earliest moment added since the box's clock was last reckoned. Nothing from there on has
    /// been fetched, and with a doubtful clock nothing of the slack before it either.
    added: Option<UnixMillis>,
    /// How far the box's clock was taken to be ahead when the cursor got there.
    ahead: Option<i64>,
    slack: i64,
    is_done: bool,
}

impl Gaps {
    pub(super) fn new(max: usize, longest: i64) -> Self {
        Self {
            list: Vec::new(),
            max: max.max(1),
            longest: longest.max(1),
        }
    }

    /// Adds a gap, merged with all it touches. Returns what is to be announced: the gap it has become
    /// part of, and one more if two others had to be merged to make room.
    pub(super) fn add(&mut self, span: Span) -> (Span, Option<Span>) {
        let mut gap = Gap::new(span);
        //= docs/spec/se5-events.md#gaps
        //# Gaps that touch MUST be merged.
        // Merging may bring it into touch with others.
        while let Some(nth) = self
            .list
            .iter()
            .position(|other| other.span.touches(gap.span))
        {
            gap = self.list.remove(nth).merged(gap);
        }
        gap.give_up_before(gap.span.to.plus(0_i64.saturating_sub(self.longest)));
        let span = gap.span;
        let nth = self.list.partition_point(|other| other.span < span);
        self.list.insert(nth, gap);
        //= docs/spec/se5-events.md#limits
        //# The subscriber MUST NOT keep more than `max_gaps` gaps apart.
        if self.list.len() > self.max {
            return match self.merge_nearest() {
                Some(merged) if merged.covers(span) => (merged, None),
                merged => (span, merged),
            };
        }
        (span, None)
    }

    /// The gap to be repaired next: the oldest.
    pub(super) fn first(&mut self) -> Option<&mut Gap> {
        self.list.first_mut()
    }

    /// Takes out the oldest, ended.
    pub(super) fn end_first(&mut self) -> Option<Gap> {
        (!self.list.is_empty()).then(|| self.list.remove(0))
    }

    /// Takes out the gap that holds `span`, ended.
    pub(super) fn take(&mut self, span: Span) -> Option<Gap> {
        let nth = self.list.iter().position(|gap| gap.span.covers(span))?;
        Some(self.list.remove(nth))
    }

    pub(super) fn spans(&self) -> impl Iterator<Item = Span> {
        self.list.iter().map(|gap| gap.span)
    }

    /// What is still to be fetched of each.
    pub(super) fn unfinished(&self) -> impl Iterator<Item = Span> {
        let unfinished = self.list.iter().filter(|gap| !gap.is_done);
        unfinished.map(|gap| gap.within(gap.cursor, gap.span.to))
    }

    /// Merges the two that lie nearest.
    fn merge_nearest(&mut self) -> Option<Span> {
        let between = self.list.windows(2).enumerate().filter_map(|(nth, two)| {
            let [one, other] = two else { return None };
            Some((other.span.from.since(one.span.to), nth))
        });
        let (_, nth) = between.min()?;
        let later = self.list.remove(nth.saturating_add(1));
        let mut merged = self.list.remove(nth).merged(later);
        merged.give_up_before(merged.span.to.plus(0_i64.saturating_sub(self.longest)));
        let span = merged.span;
        self.list.insert(nth, merged);
        Some(span)
    }
}

impl Gap {
    fn new(span: Span) -> Self {
        Self {
            span,
            cursor: span.from,
            added: Some(span.from),
            recovered: 0,
            known: 0,
            open: None,
            ahead: None,
            slack: 0,
            is_done: false,
        }
    }

    /// Takes the present estimate of the box's clock: `ahead`, give or take `slack`.
    pub(super) fn reckon(&mut self, ahead: i64, slack: i64) {
        self.slack = slack;
        let start = self.span.from.plus(0_i64.saturating_sub(slack));
        let before = self.ahead.replace(ahead).unwrap_or(ahead);
        // What was cut off by the old estimate may have ended earlier by the new one.
        let moved = ahead.saturating_sub(before).saturating_abs();
        let back = self.cursor.plus(0_i64.saturating_sub(moved));
        let added = self
            .added
            .take()
            .map(|time| time.plus(0_i64.saturating_sub(slack)));
        self.cursor = back.min(added.unwrap_or(back)).max(start).min(self.cursor);
    }

    /// Leaves out the slack before `time`.
    pub(super) fn skip_to(&mut self, time: UnixMillis) {
        self.cursor = self.cursor.max(time.min(self.span.from));
    }

    /// Begins anew.
    pub(super) fn rewind(&mut self) {
        (self.cursor, self.ahead) = (self.span.from, None);
        self.added = Some(self.span.from);
    }

    /// The end of the next slice of `length`, and whether it is the last.
    pub(super) fn next_end(&self, length: i64) -> (UnixMillis, bool) {
        let end = self.span.to.plus(self.slack);
        let next = self.cursor.plus(length);
        (next.min(end), next >= end)
    }

    /// The slice up to `end` is done.
    pub(super) fn finish(&mut self, end: UnixMillis, is_last: bool) {
        self.cursor = self.cursor.max(end);
        self.is_done |= is_last;
    }

    pub(super) fn is_done(&self) -> bool {
        self.is_done
    }

    /// The part of the gap in which events from `from` to `to` may have happened, give or take what
    /// is not known of the box's clock.
    pub(super) fn within(&self, from: UnixMillis, to: UnixMillis) -> Span {
        let inside = |time: UnixMillis| time.max(self.span.from).min(self.span.to);
        let earlier = 0_i64.saturating_sub(self.slack);
        Span::new(inside(from.plus(earlier)), inside(to.plus(self.slack)))
    }

    /// Leaves `span` open, and whatever lies between it and what is open already.
    pub(super) fn give_up(&mut self, span: Span, why: OpenReason) {
        let span = self.open.map_or(span, |(open, _)| open.hull(span));
        self.open = Some((span, why));
    }

    /// Leaves open what is older than `time` and not done.
    fn give_up_before(&mut self, time: UnixMillis) {
        if self.cursor < time && self.span.from < time {
            //= docs/spec/se5-events.md#gaps
            //# The part of a gap that is older than `max_gap` MUST be reported open.
            self.give_up(
                Span::new(self.cursor.max(self.span.from), time),
                OpenReason::TooOld,
            );
            self.cursor = time;
            self.added = self.added.map(|added| added.max(time));
        }
    }

    fn merged(self, other: Self) -> Self {
        let open = match (self.open, other.open) {
            (Some((one, _)), Some((two, why))) => Some((one.hull(two), why)),
            (one, two) => two.or(one),
        };
        let span = self.span.hull(other.span);
        Self {
            span,
            cursor: self.cursor.min(other.cursor),
            added: self.added.into_iter().chain(other.added).min(),
            recovered: self.recovered.saturating_add(other.recovered),
            known: self.known.saturating_add(other.known),
            open,
            ahead: self.ahead.or(other.ahead),
            slack: self.slack.max(other.slack),
            is_done: false,
        }
    }
}

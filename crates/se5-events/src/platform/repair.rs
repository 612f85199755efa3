//! Repairing gaps from the history, one slice and one question at a time.

use super::ask::{Purpose, is_starting};
use super::clock::{after, millis};
use super::gaps::Gap;
use super::slice::{Slice, Step};
use super::{Event, OpenReason, Platform, Source, Span};
use crate::{Answer, Ask, AskError, Dialect, HistoryQuery, TimeUnit, UnixMillis};
use std::time::Instant;

impl Platform {
    /// Announces that events of `span` may have been missed.
    pub(super) fn open_gap(&mut self, span: Span) {
        let (gap, further) = self.gaps.add(span);
        for span in std::iter::once(gap).chain(further) {
            self.counters.gaps = self.counters.gaps.saturating_add(1);
            self.tell(Event::Gap(span));
        }
        // The gap under repair may have become part of a longer one.
        self.stop_slice();
    }

    /// As [`Self::open_gap`], after a loss; without repair it ends at once.
    pub(super) fn missed(&mut self, span: Span) {
        self.open_gap(span);
        if self.config.backfill {
            return;
        }
        if let Some(mut gap) = self.gaps.take(span) {
            gap.give_up(gap.span, OpenReason::Off);
            self.end_gap(gap);
        }
    }

    /// Tells how a gap has ended.
    //= docs/spec/se5-events.md#gaps
    //# Each reported gap MUST end in exactly one report that it is filled or that it stays open, or
    //# be in the last mark.
    pub(super) fn end_gap(&mut self, gap: Gap) {
        if let Some((span, why)) = gap.open {
            self.counters.gaps_open = self.counters.gaps_open.saturating_add(1);
            self.tell(Event::GapOpen { span, why });
        } else {
            self.counters.gaps_filled = self.counters.gaps_filled.saturating_add(1);
            self.tell(Event::GapFilled {
                span: gap.span,
                recovered: gap.recovered,
                known: gap.known,
            });
        }
    }

    /// Leaves off; what the slice has brought is fetched again later.
    pub(super) fn stop_slice(&mut self) {
        self.slice = None;
        self.exchanges.forget(Purpose::Page);
    }

    /// When the history is to be asked, if the driver has caught up and the dialect is certain.
    pub(super) fn next_ask(&self) -> Option<Instant> {
        let slice = self.slice.as_ref()?;
        let may_ask = !self.is_full() && !self.is_dialect_in_doubt();
        slice.ask_at.filter(|_| may_ask)
    }

    pub(super) fn fire_repair(&mut self, now: Instant) {
        if self.next_ask().is_some_and(|due| due <= now) {
            self.ask_page(now);
        }
    }

    /// Begins the next slice, if there is one, none is under way and the box can be asked.
    pub(super) fn repair(&mut self, now: Instant) {
        //= docs/spec/se5-events.md#gaps
        //# The subscriber MUST NOT have more than one history question out at a time.
        if self.slice.is_some() || !self.is_up() || self.is_dialect_in_doubt() {
            return;
        }
        let (ahead, is_known) = (self.box_clock.ahead(), self.box_clock.is_known());
        //= docs/spec/se5-events.md#gaps
        //# A query MUST be widened by `clock_slack` at both ends while fewer than eight live events
        //# have told the offset.
        let spread = self.box_clock.spread();
        let slack = if is_known {
            spread
        } else {
            spread.max(millis(self.config.clock_slack))
        };
        let overlap = millis(self.config.overlap);
        let Some(gap) = self.gaps.first() else {
            return;
        };
        gap.reckon(ahead, slack);
        if let Some(since) = self.since.filter(|_| self.box_clock.has_samples()) {
            // What the box recorded before the first subscription was not missed.
            gap.skip_to(since.plus(0_i64.saturating_sub(overlap)));
        }
        //= docs/spec/se5-events.md#gaps
        //# A gap MUST be queried in slices of at most `slice` whose end stays fixed while their
        //# pages are read.
        let (end, is_last) = gap.next_end(self.slice_millis);
        let (span, gap) = (Span::new(gap.cursor, end), gap.span);
        //= docs/spec/se5-events.md#gaps
        //# A gap MUST be queried in the box's time, shifted by the estimated offset of its clock.
        let (from, to) = (span.from.plus(ahead).0, end.plus(ahead).0);
        let unit = match (self.dialect, self.unit) {
            (Some(Dialect::V2), Some(unit)) => unit,
            (Some(Dialect::V2), None) => TimeUnit::Millis,
            _ => TimeUnit::Seconds,
        };
        let mut slice = Slice::new(span, (from, to), is_last, unit);
        let tolerance = millis(self.config.match_tolerance);
        slice.asked = (from.saturating_sub(tolerance), to.saturating_add(tolerance));
        // Not before the slice is over, whatever the box's clock may show, and the history has had
        // time to take it in. A slice that
        // lies ahead altogether shows that our own clock was put back: it is over.
        let settled = end.plus(slack).min(gap.to).plus(overlap);
        let is_ahead = self
            .wall
            .at(now)
            .is_some_and(|at| span.from > at.plus(overlap));
        slice.ask_at = if is_ahead {
            Some(now)
        } else {
            self.wall.when(now, settled)
        };
        self.slice = Some(slice);
        self.fire_repair(now);
    }

    /// The answer to a history query.
    pub(super) fn page(&mut self, now: Instant, answer: Answer) {
        let Some(mut slice) = self.slice.take() else {
            return;
        };
        let page = match answer {
            Answer::Page(page) => page,
            Answer::Failed(error) => return self.page_failed(now, slice, &error),
            _ => return self.page_failed(now, slice, &AskError::Body),
        };
        match slice.take(page, self.config.per_page, self.config.max_slice) {
            Step::Next => {
                slice.ask_at = Some(now);
                self.slice = Some(slice);
                self.fire_repair(now);
            }
            //= docs/spec/se5-events.md#gaps
            //# A history answer without records in dialect 2 MUST be asked once more in seconds if
            //# a live event was seen in its range.
            Step::Whole if self.is_wrong_unit(&slice) => {
                slice.restart_in(TimeUnit::Seconds);
                slice.ask_at = Some(now);
                self.slice = Some(slice);
                self.fire_repair(now);
            }
            Step::Whole if self.found_unit(&slice) => self.repair(now),
            Step::Whole => self.end_slice(now, slice, None),
            //= docs/spec/se5-events.md#gaps
            //# A slice with more than `max_slice` records MUST be halved.
            Step::TooMany if self.halve(&slice) => self.repair(now),
            Step::TooMany => self.end_slice(now, slice, Some(OpenReason::TooMany)),
        }
    }

    /// Forgets events that no gap can hold any more.
    pub(super) fn forget(&mut self, now: Instant) {
        let ahead = self.box_clock.ahead();
        let slack =
            millis(self.config.clock_slack).saturating_add(millis(self.config.match_tolerance));
        let floor = self
            .gaps
            .spans()
            .next()
            .map(|span| span.from.plus(ahead).plus(0_i64.saturating_sub(slack)).0);
        self.seen.forget(now, floor);
    }

    fn ask_page(&mut self, now: Instant) {
        let (Some(dialect), Some(mut slice)) = (self.dialect, self.slice.take()) else {
            return;
        };
        let (from, to) = slice.asked;
        let mut query = HistoryQuery::new(dialect, UnixMillis(from), UnixMillis(to));
        query.page = slice.page;
        query.per_page = self.config.per_page;
        query.unit = slice.unit;
        query.list_style = self.config.list_style;
        query.score_min = self.config.backfill_score_min;
        query.devices = self
            .subscription
            .as_ref()
            .map(|subscription| subscription.devices.clone())
            .unwrap_or_default();
        slice.ask_at = None;
        self.ask(now, Purpose::Page, dialect, false, Ask::Events(query));
        self.slice = Some(slice);
    }

    fn page_failed(&mut self, now: Instant, mut slice: Slice, error: &AskError) {
        if let Some(wait) = slice.retry_after(is_starting(error)) {
            slice.ask_at = after(now, wait);
            self.slice = Some(slice);
            return self.doubt_dialect(now, error);
        }
        let why = match error {
            AskError::Unreachable => OpenReason::NoAnswer,
            _ => OpenReason::Refused,
        };
        if let Some(mut gap) = self.gaps.end_first() {
            gap.give_up(gap.within(slice.span.from, gap.span.to), why);
            self.end_gap(gap);
        }
        self.mark(now);
        self.repair(now);
    }

    /// True if the box gave nothing: until it has once given something, that may mean that it reads
    /// seconds where its document says milliseconds.
    fn is_wrong_unit(&self, slice: &Slice) -> bool {
        self.dialect == Some(Dialect::V2)
            && self.unit.is_none()
            && slice.unit == TimeUnit::Millis
            && slice.is_empty()
    }

    /// Learns the unit from a slice that is not empty. True if all before it were asked in vain.
    fn found_unit(&mut self, slice: &Slice) -> bool {
        if self.dialect != Some(Dialect::V2) || self.unit.is_some() || slice.is_empty() {
            return false;
        }
        self.unit = Some(slice.unit);
        let in_vain = slice.unit == TimeUnit::Seconds;
        if let Some(gap) = self.gaps.first().filter(|_| in_vain) {
            gap.rewind();
        }
        in_vain
    }

    /// Makes slices half as long; false if they are short enough already.
    fn halve(&mut self, slice: &Slice) -> bool {
        let length = slice.span.to.since(slice.span.from).min(self.slice_millis);
        if length <= SHORTEST {
            return false;
        }
        self.slice_millis = (length / 2).max(SHORTEST);
        true
    }

    /// Delivers what is new of a slice, in order of time.
    fn end_slice(&mut self, now: Instant, mut slice: Slice, failed: Option<OpenReason>) {
        let Some(at) = self.wall.at(now) else {
            return;
        };
        let garbled = u64::try_from(slice.garbled).unwrap_or(u64::MAX);
        self.counters.malformed = self.counters.malformed.saturating_add(garbled);
        //= docs/spec/se5-events.md#gaps
        //# The records of a slice MUST be delivered in the order of their times.
        let mut records = slice.sorted();
        if let Some(wanted) = &self.subscription {
            let is_wanted = |id: &str| wanted.devices.is_empty() || wanted.wants(id);
            records.retain(|(record, _)| record.device_id().is_none_or(|id| is_wanted(&id)));
        }
        let news = self.seen.record(now, &records);
        let (mut recovered, mut known) = (0_u64, 0_u64);
        for ((event, inside), is_new) in records.into_iter().zip(news) {
            if is_new {
                recovered = recovered.saturating_add(1);
                let freshness = self.freshness(at, &event);
                self.tell(Event::Face {
                    event,
                    freshness,
                    //= docs/spec/se5-events.md#freshness
                    //# A recorded event MUST NOT be actionable.
                    source: Source::Backfill,
                });
            } else if inside {
                known = known.saturating_add(1);
            }
        }
        let counters = &mut self.counters;
        counters.fetched = counters
            .fetched
            .saturating_add(recovered)
            .saturating_add(known);
        counters.delivered_backfill = counters.delivered_backfill.saturating_add(recovered);
        counters.duplicates_backfill = counters.duplicates_backfill.saturating_add(known);
        if let Some(gap) = self.gaps.first() {
            gap.recovered = gap.recovered.saturating_add(recovered);
            gap.known = gap.known.saturating_add(known);
            let why = failed.or((garbled > 0).then_some(OpenReason::Refused));
            if let Some(why) = why {
                gap.give_up(gap.within(slice.span.from, slice.span.to), why);
            }
            gap.finish(slice.span.to, slice.is_last);
        }
        if self.gaps.first().is_some_and(|gap| gap.is_done()) {
            if let Some(gap) = self.gaps.end_first() {
                self.end_gap(gap);
            }
        }
        let longest = millis(self.config.slice);
        self.slice_millis = self.slice_millis.saturating_mul(2).min(longest);
        self.forget(now);
        self.repair(now);
        self.mark(now);
    }
}

/// Slices are not cut shorter than this, in milliseconds: dialect 1 counts in seconds.
const SHORTEST: i64 = 1_000;

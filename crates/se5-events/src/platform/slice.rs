//! One slice of a gap: the pages of one history query.

use super::Span;
use crate::{EventKey, FaceEvent, HistoryPage, TimeUnit, UnixMillis};
use siphasher::sip128::{Hasher128 as _, SipHasher24};
use std::collections::BTreeSet;
use std::hash::Hasher as _;
use std::time::{Duration, Instant};

/// A slice being fetched. Its times are fixed when it begins, so that its pages stay the same while
/// the box records on.
#[derive(Debug)]
pub(super) struct Slice {
    /// Our time.
    pub(super) span: Span,
    /// The box's time. Records from here on belong to the slice…
    pub(super) from: i64,
    /// …up to here…
    pub(super) to: i64,
    /// …and that moment itself only in the last slice of a gap.
    pub(super) is_last: bool,
    /// What is asked for is wider, since the times of push and history differ a little.
    pub(super) asked: (i64, i64),
    pub(super) unit: TimeUnit,
    pub(super) page: u32,
    /// When to ask, while no question is out.
    pub(super) ask_at: Option<Instant>,
    pub(super) records: Vec<FaceEvent>,
    pub(super) garbled: usize,
    failures: u32,
    starting: u32,
    given: usize, // records on all pages, doubles included
    keys: BTreeSet<(Option<EventKey>, EventKey)>,
}

/// What to do after a page.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Ask for the next page.
    Next,
    /// There are no more.
    Whole,
    /// There are more than can be had in one query.
    TooMany,
}

impl Slice {
    pub(super) fn new(span: Span, box_time: (i64, i64), is_last: bool, unit: TimeUnit) -> Self {
        let (from, to) = box_time;
        Self {
            span,
            from,
            to,
            is_last,
            asked: box_time,
            unit,
            page: 0,
            ask_at: None,
            records: Vec::new(),
            garbled: 0,
            failures: 0,
            starting: 0,
            given: 0,
            keys: BTreeSet::new(),
        }
    }

    /// Takes the records of a page.
    pub(super) fn take(&mut self, page: HistoryPage, per_page: u32, max: usize) -> Step {
        self.failures = 0;
        let total = page.total.and_then(|total| usize::try_from(total).ok());
        let on_page = page.records.len().saturating_add(page.garbled);
        self.given = self.given.saturating_add(on_page);
        self.garbled = self.garbled.saturating_add(page.garbled);
        let had = self.records.len();
        for record in page.records {
            // The same record on two pages is one record, by its id or, without one, as a whole.
            let key = match record.id_key() {
                Some(id) => (Some(id), record.fields_key()),
                None => (None, whole_key(&record)),
            };
            if self.keys.insert(key) {
                self.records.push(record);
            }
        }
        let held = self.records.len().saturating_add(self.garbled);
        if held > max || total.is_some_and(|total| total > max) {
            return Step::TooMany;
        }
        let repeats = self.given > held;
        let all_here = total.is_some_and(|total| held >= total);
        let is_end = match (total, page.pages) {
            _ if on_page == 0 => true,
            (Some(_), _) => all_here,
            (None, Some(pages)) => self.page.saturating_add(1) >= pages,
            (None, None) => on_page < usize::try_from(per_page).unwrap_or(usize::MAX),
        };
        let is_stuck = self.records.len() == had && page.garbled == 0;
        match (is_end, repeats) {
            // The pages overlap, so records may have slipped through between them.
            (true, true) if total.is_some() && !all_here => Step::TooMany,
            (true, _) => Step::Whole,
            // The box gives the same page again and again.
            (false, _) if is_stuck => Step::TooMany,
            (false, _) => {
                self.page = self.page.saturating_add(1);
                Step::Next
            }
        }
    }

    /// How long to wait after a failure; `None` if it was the last try. A box that says it is
    /// starting is given five minutes.
    pub(super) fn retry_after(&mut self, is_starting: bool) -> Option<Duration> {
        if is_starting {
            self.starting = self.starting.saturating_add(1);
            return (self.starting <= 75).then_some(Duration::from_secs(4));
        }
        self.failures = self.failures.saturating_add(1);
        match self.failures {
            //= docs/spec/se5-events.md#gaps
            //# A history question that is not answered MUST be asked again after 1 s, 2 s and 4 s
            //# before its gap is reported open.
            1 => Some(Duration::from_secs(1)),
            2 => Some(Duration::from_secs(2)),
            3 => Some(Duration::from_secs(4)),
            _ => None,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty() && self.garbled == 0
    }

    /// Forgets all pages, to ask again in `unit`.
    pub(super) fn restart_in(&mut self, unit: TimeUnit) {
        let fresh = Self::new(self.span, (self.from, self.to), self.is_last, unit);
        *self = Self {
            asked: self.asked,
            ..fresh
        };
    }

    /// The records in order of time, each with whether it belongs to this slice.
    pub(super) fn sorted(&mut self) -> Vec<(FaceEvent, bool)> {
        let mut records: Vec<(Option<UnixMillis>, FaceEvent)> = std::mem::take(&mut self.records)
            .into_iter()
            .map(|record| (record.timestamp().map(|time| time.unix), record))
            .collect();
        records.sort_by_key(|(time, _)| *time);
        let inside =
            |time: i64| self.from <= time && (time < self.to || self.is_last && time == self.to);
        records
            .into_iter()
            // A record without a time was given for this slice, and will not be given for another.
            .map(|(time, record)| (record, time.is_none_or(|time| inside(time.0))))
            .collect()
    }
}

/// The key of the record as it was written.
fn whole_key(record: &FaceEvent) -> EventKey {
    let mut hasher = SipHasher24::new();
    hasher.write(record.json());
    EventKey(hasher.finish128().as_bytes())
}

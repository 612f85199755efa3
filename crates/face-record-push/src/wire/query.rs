//! The records query: what a terminal still holds, asked for page by page.

use super::{Record, UnixMillis};

/// A question for records, `/v1/event/records`.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordsQuery {
    /// `begin_time`: no earlier records; written in seconds, cut. `None` is from the first on.
    pub from: Option<UnixMillis>,
    /// `end_time`: no later records; written in seconds, cut. `None` is up to the last.
    pub to: Option<UnixMillis>,
    /// Records of one person only.
    pub person: Option<PersonFilter>,
    /// `offset`: records to pass over; 0.
    pub offset: u64,
    /// `limit`: records of a page, 1 to 200; 100.
    pub limit: u64,
    /// `sort`: the newest first; false.
    pub newest_first: bool,
}

/// Whose records. Terminals look at one of them only, in this order.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PersonFilter {
    /// `user_id`
    UserId(String),
    /// `job_number`
    JobNumber(String),
    /// `ic_number`
    IcNumber(String),
}

/// A page of records.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct RecordsPage {
    /// `offset` of the question.
    pub offset: u64,
    /// `limit` of the question.
    pub limit: u64,
    /// `total`: records that match, on all pages. `None` if the page does not say.
    pub total: Option<u64>,
    /// `items`: the records, without envelope.
    pub records: Vec<Record>,
    /// Elements of `items` that are no records.
    pub garbled: usize,
}

impl RecordsQuery {
    /// The first page of all records between two times, oldest first.
    pub fn between(from: UnixMillis, to: UnixMillis) -> Self {
        Self {
            from: Some(from),
            to: Some(to),
            ..Self::default()
        }
    }

    /// The question for the page behind `page`; `None` if it was the last.
    #[must_use]
    pub fn next(&self, page: &RecordsPage) -> Option<Self> {
        let seen = page.records.len().saturating_add(page.garbled) as u64;
        let offset = self.offset.saturating_add(seen);
        let is_last = match page.total {
            Some(total) => offset >= total,
            None => seen < self.limit,
        };
        (seen != 0 && !is_last).then(|| Self {
            offset,
            ..self.clone()
        })
    }
}

impl RecordsPage {
    /// The answer to `query` with these records of `total`.
    pub fn of(query: &RecordsQuery, records: Vec<Record>, total: u64) -> Self {
        Self {
            offset: query.offset,
            limit: query.limit,
            total: Some(total),
            records,
            garbled: 0,
        }
    }
}

impl Default for RecordsQuery {
    fn default() -> Self {
        Self {
            from: None,
            to: None,
            person: None,
            offset: 0,
            limit: 100,
            newest_first: false,
        }
    }
}

impl std::fmt::Debug for RecordsQuery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecordsQuery")
            .field("from", &self.from)
            .field("to", &self.to)
            .field("person", &self.person)
            .field("offset", &self.offset)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for PersonFilter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::UserId(_) => "UserId(***)",
            Self::JobNumber(_) => "JobNumber(***)",
            Self::IcNumber(_) => "IcNumber(***)",
        })
    }
}

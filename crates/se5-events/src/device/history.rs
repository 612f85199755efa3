//! What the box remembers.

use crate::wire::IdentityInfo;
use crate::{
    AskError, Dialect, FaceEvent, HistoryPage, HistoryQuery, PersonType, RemotePicture, Sighting,
    UnixMillis,
};
use bytes::Bytes;
use lenient_wire::unix_millis;
use std::collections::VecDeque;
use std::sync::Arc;

/// The last sightings, in the order in which they came.
///
/// They are kept as plain values, not as messages: after a change of firmware the same history
/// answers in the other dialect.
#[derive(Debug, Default)]
pub(super) struct History {
    kept: VecDeque<Arc<Sighting>>,
}

/// The order of the records in a history page. No document promises one.
#[derive(Debug, Clone, Copy)]
pub(super) enum Order {
    /// By time, and by arrival where times are equal.
    Time,
    /// None that anyone could tell, yet the same from page to page: a client that reads all pages
    /// still sees each record once. Carries the seed.
    Shuffled(u64),
}

impl History {
    /// Keeps one more, up to `max`; gives the time of the one forgotten for it.
    pub(super) fn push(&mut self, sighting: Sighting, max: usize) -> Option<UnixMillis> {
        self.kept.push_back(Arc::new(sighting));
        //= docs/spec/se5-events.md#limits
        //# The box MUST NOT keep more than `max_history` events.
        let is_over = self.kept.len() > max;
        is_over.then(|| self.kept.pop_front().map(|forgotten| forgotten.at))?
    }

    pub(super) fn clear(&mut self) {
        self.kept.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    /// One page of what matches `query`, with the totals over all pages.
    pub(super) fn page(&self, dialect: Dialect, query: &HistoryQuery, order: Order) -> HistoryPage {
        let mut found: Vec<&Arc<Sighting>> =
            self.kept.iter().filter(|s| matches(query, s)).collect();
        match order {
            Order::Time => found.sort_by_key(|s| s.at), // a stable sort
            Order::Shuffled(seed) => found.sort_by_cached_key(|s| scrambled(seed, &s.event_id)),
        }
        let per_page = usize::try_from(query.per_page).unwrap_or(usize::MAX);
        let page = usize::try_from(query.page).unwrap_or(usize::MAX);
        let total = found.len() as u64;
        let records = found
            .into_iter()
            .skip(page.saturating_mul(per_page))
            .take(per_page);
        HistoryPage::of(dialect, query, records, total)
    }

    /// The record with this id.
    pub(super) fn event(&self, dialect: Dialect, id: &str) -> Option<FaceEvent> {
        let found = self.newest_first().find(|s| s.event_id == id)?;
        Some(found.to_recorded(dialect))
    }

    /// A picture by the ids that the records name. A recorded one needs its time as well, exactly as
    /// the record writes it.
    pub(super) fn picture(&self, wanted: &RemotePicture) -> Option<Bytes> {
        match wanted {
            RemotePicture::Recorded { id, time } => {
                let at = unix_millis(time)?;
                let mut recorded = self
                    .newest_first()
                    .filter(|s| s.at.0 == at && s.seconds() == *time);
                recorded.find_map(|s| {
                    let is = |own: Option<String>| own.is_some_and(|own| own == *id);
                    if is(s.face_picture_id()) {
                        s.face.clone()
                    } else if is(s.scene_picture_id()) {
                        s.scene.clone()
                    } else {
                        None
                    }
                })
            }
            RemotePicture::Registered { id } => self.newest_first().find_map(|s| {
                let info = IdentityInfo::new(s.identity_info.as_bytes());
                let is_named = s.registered_picture_id().is_some_and(|own| own == *id)
                    || info.image_id().is_some_and(|own| own == *id);
                s.registered.clone().filter(|_| is_named)
            }),
        }
    }

    fn newest_first(&self) -> impl Iterator<Item = &Sighting> {
        self.kept.iter().rev().map(AsRef::as_ref)
    }
}

/// True if `query` asks for `s`. Times and scores include their ends; `room` and `top_k` are passed
/// over, since no document says what they select.
fn matches(query: &HistoryQuery, s: &Sighting) -> bool {
    let is = |wanted: &Option<String>, own: &str| wanted.as_ref().is_none_or(|text| text == own);
    (query.from..=query.to).contains(&s.at)
        && (query.devices.is_empty() || query.devices.contains(&s.device_id))
        && query.score_min.is_none_or(|least| s.score >= least)
        && query.score_max.is_none_or(|most| s.score <= most)
        && is(&query.identity_id, &s.identity_id)
        && is(&query.identity_name, &s.identity_name)
        && is(&query.groups, &s.group_name)
        && query
            .user_type
            .as_ref()
            .is_none_or(|kind| PersonType::from_wire(kind) == s.person)
}

/// A sort key without rhyme or reason (FNV-1a).
fn scrambled(seed: u64, id: &str) -> u64 {
    id.bytes().fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// What a box answers when it cannot answer.
#[derive(Debug, Clone, Copy)]
pub(super) enum Complaint {
    /// Just rebooted.
    Booting,
    /// An argument that makes no sense.
    Invalid,
    /// An argument is not there.
    Missing,
    /// Nothing has this id.
    NotFound,
}

impl Complaint {
    /// The error in the words of `dialect`: a number in the first, a word in the second.
    pub(super) fn to_error(self, dialect: Dialect) -> AskError {
        let (number, word, message) = match self {
            Self::Booting => (
                "503",
                "DEVICE_INIT_ERROR",
                "still starting; ask again later",
            ),
            Self::Invalid => (
                "400",
                "INVALID_ARGUMENTS",
                "page size or range is out of bounds",
            ),
            Self::Missing => ("400", "MISSING_ARGUMENTS", "an id is needed"),
            Self::NotFound => ("404", "ID_NOT_FOUND", "nothing has this id"),
        };
        let (code, status) = match dialect {
            Dialect::V1 => (number, Some(word.to_owned())),
            Dialect::V2 => (word, None),
        };
        AskError::Box {
            code: code.to_owned(),
            message: message.to_owned(),
            status,
        }
    }
}

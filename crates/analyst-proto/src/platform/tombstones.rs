//! Verdicts that are confirmed, kept to tell what late results say.

use super::vocabulary::{Late, Verdict};
use crate::wire::{Taken, TaskId};
use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

/// The last verdicts, oldest first.
#[derive(Debug, Clone)]
pub(super) struct Tombstones {
    by_id: BTreeMap<TaskId, Epitaph>,
    order: VecDeque<(Instant, TaskId)>, // to be forgotten then
    max: usize,
    time: Duration,
}

/// What is remembered of a verdict: a hash of the counts, if it has any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Epitaph(Option<u64>);

impl Tombstones {
    pub(super) fn new(max: usize, time: Duration) -> Self {
        Self {
            by_id: BTreeMap::new(),
            order: VecDeque::new(),
            max,
            time,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn get(&self, id: TaskId) -> Option<Epitaph> {
        self.by_id.get(&id).copied()
    }

    pub(super) fn insert(&mut self, now: Instant, id: TaskId, epitaph: Epitaph) {
        if self.by_id.insert(id, epitaph).is_none() {
            let until = now.checked_add(self.time).unwrap_or(now);
            self.order.push_back((until, id));
        }
    }

    /// The next one that is to be forgotten: too old, or one too many.
    pub(super) fn bury(&mut self, now: Instant) -> Option<TaskId> {
        let &(until, id) = self.order.front()?;
        if until > now && self.by_id.len() <= self.max {
            return None;
        }
        self.order.pop_front();
        self.by_id.remove(&id);
        Some(id)
    }

    /// The oldest first, with when it is forgotten.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Instant, TaskId, Option<Epitaph>)> {
        let epitaph = |id| self.by_id.get(&id).copied();
        self.order
            .iter()
            .map(move |&(at, id)| (at, id, epitaph(id)))
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.order.front().map(|(until, _)| *until)
    }
}

impl Epitaph {
    pub(super) fn of(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Finished(taken) => Self(Some(hash(taken))),
            _ => Self(None),
        }
    }

    /// What a result that comes now says.
    pub(super) fn compare(self, taken: &Taken) -> Late {
        if self.0 == Some(hash(taken)) {
            Late::Same
        } else {
            Late::Conflict
        }
    }
}

/// The same in each life of a program, which is all that is asked of it: it is never kept.
fn hash(taken: &Taken) -> u64 {
    let mut hasher = DefaultHasher::new();
    taken.hash(&mut hasher);
    hasher.finish()
}

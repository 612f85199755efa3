//! A terminal's store: a disk that commits in order, late, and not always.

use crate::plan::Saboteur;
use face_record_push::device::{IndexEntry, Input, Loss, Op, OpId, Recovered, Seq, StoreError};
use face_record_push::{Item, Subscription};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use testkit::Rng;

/// What survives a power cut, and what is on its way there.
#[derive(Debug, Default)]
pub(crate) struct Flash {
    disk: Disk,
    /// The disk as it was when the last thing was committed that has to stay.
    hard: Option<Box<Disk>>,
    pending: VecDeque<(OpId, Op)>,
    is_full: bool,
    room: u32,
    /// Of the requests that wait, this one finds no room.
    refused: Option<usize>,
    pub(crate) is_broken: bool,
    saboteur: Option<Saboteur>,
}

#[derive(Debug, Clone, Default)]
struct Disk {
    rows: BTreeMap<Seq, Arc<Item>>,
    rotten: BTreeSet<Seq>,
    dead: BTreeSet<Seq>,
    next_seq: Option<Seq>,
    subscription: Subscription,
    losses: Vec<Loss>,
}

impl Flash {
    pub(crate) fn new(subscription: Subscription, saboteur: Saboteur) -> Self {
        let mut flash = Self {
            saboteur: Some(saboteur),
            ..Self::default()
        };
        flash.disk.subscription = subscription;
        flash
    }

    /// Takes a request; true if a commit is to be scheduled for it.
    pub(crate) fn ask(&mut self, id: OpId, op: Op) -> bool {
        self.pending.push_back((id, op));
        self.pending.len() == 1
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.pending.is_empty()
    }

    /// Commits the first `count` of what is pending.
    pub(crate) fn commit(&mut self, count: usize) -> Vec<Input> {
        let count = count.min(self.pending.len());
        let batch: Vec<_> = self.pending.drain(..count).collect();
        let need_not_stay = |op: &Op| matches!(op, Op::Advance { .. } | Op::Load { .. });
        let is_lying = self.saboteur == Some(Saboteur::LyingFlash);
        let is_soft = is_lying || batch.iter().all(|(_, op)| need_not_stay(op));
        if !is_soft {
            self.hard = None;
        } else if self.hard.is_none() {
            self.hard = Some(Box::new(self.disk.clone()));
        }
        let apply = |(id, op)| {
            let is_refused = self.refused == Some(0);
            self.refused = self.refused.and_then(|before| before.checked_sub(1));
            if is_refused && !matches!(op, Op::Load { .. }) {
                return Input::StoreFailed(id, StoreError::Full);
            }
            self.apply(id, op)
        };
        batch.into_iter().map(apply).collect()
    }

    /// A write fails: a part of what is pending may have arrived.
    pub(crate) fn break_down(&mut self, chance: &mut Rng) -> Vec<Input> {
        let landed = chance.below(self.pending.len() as u64 + 1);
        let ids: Vec<OpId> = self.pending.iter().map(|(id, _)| *id).collect();
        self.land(usize::try_from(landed).unwrap());
        self.is_broken = true;
        let broken = |id| Input::StoreFailed(id, StoreError::Broken);
        ids.into_iter().map(broken).collect()
    }

    /// A request to a broken store.
    pub(crate) fn refuse(id: OpId) -> Input {
        Input::StoreFailed(id, StoreError::Broken)
    }

    /// The power goes, or only the program: what is pending is gone or just arrived.
    pub(crate) fn stop(&mut self, is_power_cut: bool, chance: &mut Rng) {
        let landed = chance.below(self.pending.len() as u64 + 1);
        if is_power_cut {
            if let Some(hard) = self.hard.take() {
                // What need not stay: it may, if nothing after it has to.
                if chance.percent(50) {
                    self.disk = *hard;
                    self.pending.clear();
                }
            }
        }
        self.land(usize::try_from(landed).unwrap());
        self.is_broken = false;
    }

    /// The next request finds no room, and the one after it does.
    pub(crate) fn refuse_next(&mut self) {
        self.refused = Some(self.pending.len());
    }

    pub(crate) fn fill(&mut self) {
        (self.is_full, self.room) = (true, 0);
    }

    pub(crate) fn free(&mut self) {
        self.is_full = false;
    }

    /// Damages the record that is `nth` from the front.
    pub(crate) fn rot(&mut self, nth: u64) -> Option<Seq> {
        let seq = *self.disk.rows.keys().nth(usize::try_from(nth).unwrap())?;
        self.disk.rotten.insert(seq);
        Some(seq)
    }

    pub(crate) fn recover(&self) -> Recovered {
        let mut recovered = Recovered::empty();
        recovered.next_seq = self.disk.next_seq.unwrap_or(Seq(1));
        if self.saboteur == Some(Saboteur::ReusesNumbers) {
            let last = self.disk.rows.keys().next_back();
            recovered.next_seq = last.map_or(Seq(1), |last| Seq(last.0 + 1));
        }
        let entry = |(seq, item): (&Seq, &Arc<Item>)| {
            IndexEntry::new(*seq, item.row_len(), item.picture_len())
        };
        recovered.index = self.disk.rows.iter().map(entry).collect();
        recovered.subscription = self.disk.subscription.clone();
        recovered.losses.clone_from(&self.disk.losses);
        recovered
    }

    pub(crate) fn losses(&self) -> &[Loss] {
        &self.disk.losses
    }

    pub(crate) fn subscription(&self) -> &Subscription {
        &self.disk.subscription
    }

    pub(crate) fn dead(&self) -> &BTreeSet<Seq> {
        &self.disk.dead
    }

    pub(crate) fn after(&self, seq: Seq) -> Option<Arc<Item>> {
        let mut later = self.disk.rows.range(Seq(seq.0 + 1)..);
        later.next().map(|(_, item)| Arc::clone(item))
    }

    /// Takes the record out although nobody asked.
    pub(crate) fn sabotage(&mut self, seq: Seq, how: Saboteur) {
        match how {
            Saboteur::AdvancesEarly => drop(self.disk.rows.remove(&seq)),
            Saboteur::StripsTheTried => {
                if let Some(item) = self.disk.rows.get_mut(&seq) {
                    *item = Arc::new(item.without_picture());
                }
            }
            _ => {}
        }
    }

    fn land(&mut self, count: usize) {
        self.commit(count);
        self.pending.clear();
    }

    fn apply(&mut self, id: OpId, op: Op) -> Input {
        let rows = &mut self.disk.rows;
        match op {
            Op::Append { seq, item } => {
                if self.is_full && self.room == 0 {
                    return Input::StoreFailed(id, StoreError::Full);
                }
                self.room = self.room.saturating_sub(1);
                rows.insert(seq, item);
                let next = Seq(seq.0 + 1);
                self.disk.next_seq = self.disk.next_seq.max(Some(next));
            }
            Op::Load { seq } => {
                let crossed = self.saboteur == Some(Saboteur::CrossedLoads);
                let seq = if crossed { Seq(seq.0 + 1) } else { seq };
                let is_rotten = self.disk.rotten.contains(&seq);
                let item = rows.get(&seq).filter(|_| !is_rotten).cloned();
                return Input::Loaded(id, item);
            }
            Op::Advance { upto } => rows.retain(|seq, _| *seq > upto),
            Op::Drop(loss) => {
                let before = rows.len();
                rows.retain(|seq, _| *seq < loss.from || *seq > loss.to);
                if rows.len() < before {
                    self.room = 4;
                }
                if self.saboteur != Some(Saboteur::SilentDrop) {
                    self.disk.losses.push(loss);
                }
            }
            Op::Strip { from, to } => {
                for (_, item) in rows.range_mut(from..=to) {
                    *item = Arc::new(item.without_picture());
                }
                self.room = 4;
            }
            Op::Bury { seq } => {
                rows.remove(&seq);
                self.disk.dead.insert(seq);
            }
            Op::Configure(subscription) => {
                if self.saboteur != Some(Saboteur::ForgetsConfig) {
                    self.disk.subscription = subscription;
                }
            }
            _ => unreachable!("a request that this store does not know"),
        }
        Input::Stored(id)
    }
}

//! The receiver's store: a journal and its unique index, committed in order, late, and not always.

use crate::plan::Saboteur;
use face_record_push::platform::{Entry, Input, Novelty, Op, Quarantined, Seq, StoreError};
use face_record_push::{RecordKey, SerialNumber};
use std::collections::{BTreeSet, VecDeque};
use testkit::Rng;

/// What survives a crash, and what is on its way there.
#[derive(Debug)]
pub(crate) struct Journal {
    rows: Vec<Row>,
    keys: BTreeSet<(SerialNumber, RecordKey)>,
    quarantine: Vec<Quarantined>,
    quarantined: BTreeSet<RecordKey>,
    /// Rows whose keys are there already.
    promised: Vec<Row>,
    pending: VecDeque<Op>,
    pub(crate) is_full: bool,
    pub(crate) is_broken: bool,
    /// Of the requests that wait, this one finds no room.
    refused: Option<usize>,
    saboteur: Saboteur,
}

#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub seq: Seq,
    pub entry: Entry,
}

impl Journal {
    pub(crate) fn new(saboteur: Saboteur) -> Self {
        Self {
            rows: Vec::new(),
            keys: BTreeSet::new(),
            quarantine: Vec::new(),
            quarantined: BTreeSet::new(),
            promised: Vec::new(),
            pending: VecDeque::new(),
            is_full: false,
            is_broken: false,
            refused: None,
            saboteur,
        }
    }

    /// Takes a request; true if a commit is to be scheduled for it.
    pub(crate) fn ask(&mut self, op: Op) -> bool {
        if self.saboteur == Saboteur::LastFirst {
            self.pending.push_front(op);
        } else {
            self.pending.push_back(op);
        }
        self.pending.len() == 1
    }

    /// The next request finds no room, and the one after it does.
    pub(crate) fn refuse_next(&mut self) {
        self.refused = Some(self.pending.len());
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.pending.is_empty()
    }

    /// Commits the first `count` of what is pending.
    pub(crate) fn commit(&mut self, count: usize) -> Vec<Input> {
        let promised = std::mem::take(&mut self.promised);
        self.rows.extend(promised);
        let count = count.min(self.pending.len());
        let batch: Vec<_> = self.pending.drain(..count).collect();
        batch.into_iter().filter_map(|op| self.apply(op)).collect()
    }

    /// A write fails. The journal is opened anew later; what it holds then decides.
    pub(crate) fn break_down(&mut self) {
        self.is_broken = true;
    }

    /// It is opened anew, and tells what became of what was pending.
    pub(crate) fn open(&mut self, chance: &mut Rng) -> Vec<Input> {
        self.is_broken = false;
        let landed = chance.below(self.pending.len() as u64 + 1);
        let mut answers = self.commit(usize::try_from(landed).unwrap());
        let lost = std::mem::take(&mut self.pending);
        let failed = |op| Some(Input::StoreFailed(seq_of(&op)?, StoreError::Broken));
        answers.extend(lost.into_iter().filter_map(failed));
        answers
    }

    /// The receiver is killed: what is pending is gone or just arrived.
    pub(crate) fn stop(&mut self, chance: &mut Rng) {
        self.promised.clear();
        if self.saboteur != Saboteur::LyingJournal {
            let landed = chance.below(self.pending.len() as u64 + 1);
            self.commit(usize::try_from(landed).unwrap());
        }
        self.pending.clear();
        self.promised.clear();
        self.is_broken = false;
    }

    pub(crate) fn rows_after(&self, seq: Seq) -> impl Iterator<Item = &Row> {
        let from = self.rows.partition_point(|row| row.seq <= seq);
        self.rows[from..].iter()
    }

    pub(crate) fn next_seq(&self) -> Seq {
        let last = self.rows.iter().map(|row| row.seq).max();
        let quarantined = self.quarantine.iter().map(|row| row.seq).max();
        Seq(last.max(quarantined).unwrap_or_default().0 + 1)
    }

    /// True if something of this terminal with this key is kept where a crash cannot reach it.
    pub(crate) fn holds(&self, serial: &SerialNumber, key: RecordKey) -> bool {
        let mut rows = self.rows.iter().rev();
        rows.any(|row| row.entry.key == key && row.entry.serial == *serial)
    }

    /// The last request, answered before it is carried out.
    pub(crate) fn lie(op: &Op) -> Option<Input> {
        Some(Input::Stored(seq_of(op)?, Novelty::New))
    }

    fn apply(&mut self, op: Op) -> Option<Input> {
        let is_refused = self.refused == Some(0);
        self.refused = self.refused.and_then(|before| before.checked_sub(1));
        if self.is_full || is_refused {
            return Some(Input::StoreFailed(seq_of(&op)?, StoreError::Full));
        }
        let is_new = match op {
            Op::Keep(entry) => {
                let seq = entry.seq;
                let mut key = entry.key;
                if self.saboteur == Saboteur::KeyIsTheSecond {
                    let second = entry.push.time().map_or(0, |time| time.0 / 1_000);
                    key = RecordKey::of_body(&entry.serial, &second.to_le_bytes());
                }
                let is_new = self.keys.insert((entry.serial.clone(), key))
                    || self.saboteur == Saboteur::NoWindow;
                if is_new {
                    let row = Row { seq, entry };
                    if self.saboteur == Saboteur::TwoTransactions {
                        self.promised.push(row);
                    } else {
                        self.rows.push(row);
                    }
                }
                (seq, is_new)
            }
            Op::Quarantine(quarantined) => {
                let is_new = self.quarantined.insert(quarantined.key);
                let seq = quarantined.seq;
                if is_new {
                    self.quarantine.push(quarantined);
                }
                (seq, is_new)
            }
            _ => return None,
        };
        let (seq, is_new) = is_new;
        let novelty = if is_new { Novelty::New } else { Novelty::Known };
        Some(Input::Stored(seq, novelty))
    }
}

fn seq_of(op: &Op) -> Option<Seq> {
    match op {
        Op::Keep(entry) => Some(entry.seq),
        Op::Quarantine(quarantined) => Some(quarantined.seq),
        _ => None,
    }
}

//! The application behind the receiver: one effect for each record, and a cursor in the same
//! transaction.

use crate::ledger::Record;
use crate::plan::Saboteur;
use face_record_push::platform::{Entry, Freshness, Seq};
use std::collections::BTreeMap;

/// What the application has durably done.
#[derive(Debug, Default)]
pub(crate) struct Application {
    cursor: Seq,
    /// Records in the order of their effects, by terminal.
    seen: BTreeMap<usize, Vec<u64>>,
    /// The effect that a cursor committed too early has promised.
    promised: Option<(Seq, Record)>,
}

impl Application {
    pub(crate) fn cursor(&self) -> Seq {
        self.cursor
    }

    pub(crate) fn seen(&self, terminal: usize) -> &[u64] {
        self.seen.get(&terminal).map_or(&[], Vec::as_slice)
    }

    /// Takes an entry of the journal that comes behind the cursor.
    pub(crate) fn consume(
        &mut self,
        seq: Seq,
        entry: &Entry,
        saboteur: Saboteur,
    ) -> Result<(), String> {
        if let Some((_, record)) = self.promised.take() {
            self.seen
                .entry(record.terminal)
                .or_default()
                .push(record.nth);
        }
        if seq <= self.cursor {
            return Err(format!("entry {seq:?} comes behind {:?}", self.cursor));
        }
        let record = Record::of(&entry.push).ok_or("an entry that no terminal sent")?;
        self.cursor = seq;
        if saboteur == Saboteur::CursorFirst {
            self.promised = Some((seq, record));
        } else {
            self.seen
                .entry(record.terminal)
                .or_default()
                .push(record.nth);
        }
        Ok(())
    }

    /// Passes over what comes before.
    pub(crate) fn skip_to(&mut self, seq: Seq) {
        self.cursor = seq;
    }

    pub(crate) fn crash(&mut self) {
        self.promised = None;
    }

    /// Finishes what is only put off.
    pub(crate) fn settle(&mut self) {
        if let Some((_, record)) = self.promised.take() {
            self.seen
                .entry(record.terminal)
                .or_default()
                .push(record.nth);
        }
    }

    /// True if a door would open for it.
    pub(crate) fn opens_door(entry: &Entry, saboteur: Saboteur) -> bool {
        if saboteur == Saboteur::EverythingIsLive {
            return entry.freshness != Freshness::Unknown;
        }
        entry.is_actionable()
    }
}

//! What really happened, to hold against what the application sees.

use crate::flash::Flash;
use face_record_push::device::{Loss, Seq};
use face_record_push::{Item, Profile, Push, Recognition, UnixMillis};
use std::collections::{BTreeMap, BTreeSet};

/// Names a record: the `nth` capture of a terminal. It travels as serial number and score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record {
    pub terminal: usize,
    pub nth: u64,
}

/// What one terminal captured and what it said about it.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// When each capture happened, by the receiver's clock.
    pub captured: Vec<UnixMillis>,
    /// Captures that the terminal took, by number, in the life that goes on.
    taken: BTreeMap<Seq, u64>,
    /// Captures that the terminal said are kept, by number.
    kept: BTreeMap<Seq, u64>,
    lost: Vec<Loss>,
    buried: BTreeSet<Seq>,
}

impl Record {
    /// What the terminal says about it.
    pub(crate) fn item(self, profile: Profile, at: UnixMillis, picture: bool) -> Item {
        let mut recognition = Recognition::new(self.serial(), at);
        recognition.score = fraction(self.nth);
        let picture = picture.then(|| vec![u8::try_from(self.nth % 251).unwrap(); 300].into());
        recognition.to_item(profile, picture)
    }

    /// Which record a push is about.
    pub(crate) fn of(push: &Push) -> Option<Self> {
        let Push::Record(record) = push else {
            return None;
        };
        let terminal = record.device_sn()?.strip_prefix("SIM")?.parse().ok()?;
        let score = record.score()?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it was a small whole number"
        )]
        let nth = (score * FRACTION).round() as u64;
        Some(Self { terminal, nth })
    }

    pub(crate) fn serial(self) -> String {
        format!("SIM{:03}", self.terminal)
    }
}

const FRACTION: f64 = 1_048_576.0;

#[expect(clippy::cast_precision_loss, reason = "it is small")]
fn fraction(nth: u64) -> f64 {
    nth as f64 / FRACTION
}

impl Ledger {
    /// The terminal took the capture and gave it a number.
    pub(crate) fn take(&mut self, seq: Seq, nth: u64) -> Result<(), String> {
        if self.kept.contains_key(&seq) || self.taken.insert(seq, nth).is_some() {
            return Err(format!("{seq:?} was given twice"));
        }
        Ok(())
    }

    /// The terminal said that a record is kept.
    pub(crate) fn keep(&mut self, seq: Seq) -> Result<(), String> {
        let nth = *self.taken.get(&seq).ok_or("kept what it did not take")?;
        match self.kept.insert(seq, nth) {
            Some(_) => Err(format!("{seq:?} is kept twice")),
            None => Ok(()),
        }
    }

    pub(crate) fn lose(&mut self, loss: Loss) {
        self.lost.push(loss);
    }

    pub(crate) fn bury(&mut self, seq: Seq) {
        self.buried.insert(seq);
    }

    /// The terminal's memory is gone. What was not kept may be gone with it.
    pub(crate) fn end_life(&mut self) {
        self.taken.clear();
    }

    /// Compares with what the application has seen.
    pub(crate) fn check(&self, seen: &[u64], flash: &Flash) -> Result<(), String> {
        let stored = flash.losses();
        let once: BTreeSet<u64> = seen.iter().copied().collect();
        if once.len() < seen.len() {
            return Err(format!("some of {seen:?} were seen twice"));
        }
        let losses = || self.lost.iter().chain(stored);
        let is_lost = |seq: Seq| losses().any(|loss| (loss.from..=loss.to).contains(&seq));
        let is_buried = |seq: &Seq| self.buried.contains(seq) || flash.dead().contains(seq);
        let owed = self.kept.iter().chain(&self.taken);
        let numbers: BTreeMap<u64, Seq> = owed.map(|(seq, nth)| (*nth, *seq)).collect();
        let missing: Vec<_> = numbers
            .iter()
            .filter(|(nth, seq)| !once.contains(nth) && !is_buried(seq))
            .collect();
        if let Some((nth, seq)) = missing.iter().find(|(_, seq)| !is_lost(**seq)) {
            return Err(format!(
                "record {nth}, {seq:?}, is missing and nobody said so"
            ));
        }
        let most: u64 = losses().map(|loss| loss.count).sum();
        if most < missing.len() as u64 {
            return Err(format!(
                "{} records are missing, {most} lost",
                missing.len()
            ));
        }
        let known: u64 = stored.iter().map(|loss| loss.count - loss.tried).sum();
        let unseen = self.captured.len() as u64 - once.len() as u64;
        if known > unseen {
            return Err(format!(
                "{known} were lost for certain, {unseen} were not seen"
            ));
        }
        // What was lost or set aside after it had been posted may still be on its way, and so may
        // what was posted before it was kept, and forgotten at a power cut.
        let is_given_up = |seq: &Seq| is_lost(*seq) || is_buried(seq);
        let in_order: Vec<u64> = seen
            .iter()
            .copied()
            .filter(|nth| numbers.get(nth).is_some_and(|seq| !is_given_up(seq)))
            .collect();
        if in_order.is_sorted() {
            return Ok(());
        }
        Err(format!("{in_order:?} is not the order of capture"))
    }
}

//! The store itself: applies requests in order, as few transactions as possible.

use super::medium::{Medium, Trouble, Watched};
use super::probe::probe;
use super::tables::{self, CHARGE, Tables, Totals};
use super::{OpenError, Settings};
use face_record_push::Item;
use face_record_push::device::{Input, Op, OpId, Recovered, StoreError};
use redb::{Builder, Database, ReadableDatabase as _};
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A store that is open. One caller at a time; [`super::Store`] has a thread for it.
pub struct Outbox {
    medium: Box<dyn Medium>,
    settings: Settings,
    trouble: Arc<Trouble>,
    database: Option<Database>, // none once it is broken
    totals: Totals,
    advanced: Advanced,
    compacted_at: Option<Instant>,
    busy_at: Option<Instant>,
}

/// Acknowledgements that are not written down yet. To lose them costs a repetition.
#[derive(Debug, Clone, Default)]
struct Advanced {
    upto: Option<u64>,
    ids: Vec<OpId>,
    records: u64,
    since: Option<Instant>,
}

/// What became of a request.
#[derive(Debug, Clone)]
enum Verdict {
    Stored,
    /// It waits for others.
    Later,
    Full,
    Broken,
    Loaded(Option<Arc<Item>>),
}

/// Why a transaction was not committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failure {
    NoRoom,
    Broken,
}

impl Outbox {
    /// Opens the store on `medium`, or makes one.
    ///
    /// # Errors
    ///
    /// [`OpenError`]; what is there stays as it is.
    pub fn open(medium: impl Medium, settings: Settings) -> Result<(Self, Recovered), OpenError> {
        let mut outbox = Self {
            medium: Box::new(medium),
            settings,
            trouble: Arc::default(),
            database: None,
            totals: Totals::default(),
            advanced: Advanced::default(),
            compacted_at: None,
            busy_at: None,
        };
        let name = outbox.medium.name();
        let io = |error| OpenError::Io {
            name: name.clone(),
            error,
        };
        if outbox.medium.exists().map_err(io)? {
            probe(&*outbox.medium, outbox.settings.cache, tables::judge)?;
        } else {
            outbox.make().map_err(|error| io(plain(error)))?;
        }
        let recovered = outbox.reopen().map_err(|error| match error {
            redb::Error::DatabaseAlreadyOpen => OpenError::InUse(name.clone().into()),
            redb::Error::Corrupted(reason) => OpenError::Damaged {
                name: name.clone(),
                reason,
            },
            error => io(plain(error)),
        })?;
        Ok((outbox, recovered))
    }

    /// Carries requests out, in order. What is answered with `Stored` survives a power cut.
    ///
    /// Each is answered at once, but for an `Advance`: it is carried out and answered together with
    /// others, by this or by [`Self::tidy`].
    pub fn apply(&mut self, now: Instant, batch: Vec<(OpId, Op)>) -> Vec<Input> {
        self.busy_at = Some(now);
        let is_light = |(_, op): &(OpId, Op)| matches!(op, Op::Advance { .. } | Op::Load { .. });
        let mut answers = Vec::new();
        let verdicts = if self.database.is_none() {
            vec![Verdict::Broken; batch.len()]
        } else if batch.iter().all(is_light) {
            self.apply_light(now, &batch)
        } else {
            self.apply_all(&batch, &mut answers)
        };
        for ((id, _), verdict) in batch.into_iter().zip(verdicts) {
            answers.extend(verdict.answer(id));
        }
        if self.is_broken() {
            self.answer_advances(&Verdict::Broken, &mut answers);
        } else if self.advanced.records >= self.settings.advances {
            answers.append(&mut self.flush());
        }
        answers
    }

    /// Does what can wait: carries out and answers each `Advance`, gives room back. Harmless at any
    /// time.
    pub fn tidy(&mut self, now: Instant) -> Vec<Input> {
        let mut answers = Vec::new();
        if self.advance_due().is_some_and(|due| due <= now) {
            answers = self.flush();
        }
        if self.wants_compaction(now) {
            self.compacted_at = Some(now);
            self.compact();
        }
        if self.is_broken() {
            self.answer_advances(&Verdict::Broken, &mut answers);
        }
        answers
    }

    /// Carries out what waits for others, and answers it.
    pub fn flush(&mut self) -> Vec<Input> {
        let mut answers = Vec::new();
        if self.advanced.upto.is_some() {
            let verdict = match self.transact(&[], &mut answers) {
                Ok(_) => return answers,
                Err(Failure::NoRoom) => Verdict::Full,
                Err(Failure::Broken) => Verdict::Broken,
            };
            self.answer_advances(&verdict, &mut answers);
        }
        answers
    }

    /// When [`Self::tidy`] will have something to do, if nothing happens before.
    pub fn tidy_at(&self) -> Option<Instant> {
        if self.is_broken() {
            return None;
        }
        let idle = match self.totals.held {
            0 => Duration::ZERO,
            _ => self.settings.compact_idle,
        };
        let storm = self.busy_at.filter(|_| self.is_bloated());
        let storm = storm.and_then(|at| at.checked_add(idle));
        let again = self.compacted_at;
        let again = again.and_then(|at| at.checked_add(self.settings.compact_every));
        let compact = storm.map(|at| again.map_or(at, |again| at.max(again)));
        [self.advance_due(), compact].into_iter().flatten().min()
    }

    /// Carries out what waits, gives room back if nothing is left, and closes.
    ///
    /// # Errors
    ///
    /// If the store is broken, or breaks now: what was answered with `Stored` is kept even so.
    pub fn close(mut self) -> io::Result<()> {
        let _ = self.flush();
        if self.totals.held == 0 && self.medium.spent() > self.settings.compact_above {
            self.compact();
        }
        let broken = || io::Error::other("the store is broken; it will be repaired when opened");
        let database = self.database.take().ok_or_else(broken)?;
        database.close().map_err(|error| plain(error.into()))
    }

    /// Whether everything is refused until the store is opened anew.
    pub fn is_broken(&self) -> bool {
        self.database.is_none()
    }

    /// Takes nothing more; answers what waits.
    pub(super) fn break_off(&mut self) -> Vec<Input> {
        self.let_go();
        let mut answers = Vec::new();
        self.answer_advances(&Verdict::Broken, &mut answers);
        answers
    }

    fn let_go(&mut self) {
        // Dropped, it lets go of the file.
        self.database = None;
    }

    fn apply_light(&mut self, now: Instant, batch: &[(OpId, Op)]) -> Vec<Verdict> {
        let mut verdicts = Vec::with_capacity(batch.len());
        for (id, op) in batch {
            verdicts.push(match op {
                Op::Load { seq } => {
                    let loaded = self.load(seq.0);
                    if loaded.is_err() {
                        self.let_go();
                    }
                    loaded.map_or(Verdict::Broken, Verdict::Loaded)
                }
                Op::Advance { upto } if !self.is_broken() => {
                    self.advanced.note(now, *id, upto.0);
                    Verdict::Later
                }
                _ => Verdict::Broken,
            });
        }
        verdicts
    }

    fn load(&self, seq: u64) -> Result<Option<Arc<Item>>, redb::Error> {
        let database = self.database.as_ref();
        let database = database.ok_or(redb::Error::DatabaseClosed)?;
        if self.advanced.upto.is_some_and(|upto| seq <= upto) {
            return Ok(None);
        }
        tables::load(&database.begin_read()?, face_record_push::device::Seq(seq))
    }

    /// All in one transaction; if there is no room for it, each alone.
    fn apply_all(&mut self, batch: &[(OpId, Op)], answers: &mut Vec<Input>) -> Vec<Verdict> {
        match self.transact(batch, answers) {
            Ok(verdicts) => return verdicts,
            Err(Failure::Broken) => return vec![Verdict::Broken; batch.len()],
            Err(Failure::NoRoom) => {}
        }
        let mut is_full = false;
        let mut verdicts = Vec::with_capacity(batch.len());
        for one in batch {
            // What failed for lack of room will not fit a moment later.
            let is_hopeless = is_full && matches!(one.1, Op::Append { .. });
            let verdict = if is_hopeless {
                Ok(vec![Verdict::Full])
            } else {
                self.transact(std::slice::from_ref(one), answers)
            };
            verdicts.push(match verdict {
                Ok(mut verdicts) => verdicts.pop().unwrap_or(Verdict::Broken),
                Err(Failure::Broken) => Verdict::Broken,
                Err(Failure::NoRoom) => {
                    is_full = true;
                    Verdict::Full
                }
            });
        }
        verdicts
    }

    /// Nothing waits any more: this became of it.
    fn answer_advances(&mut self, verdict: &Verdict, answers: &mut Vec<Input>) {
        let advanced = std::mem::take(&mut self.advanced);
        let ids = advanced.ids.into_iter();
        answers.extend(ids.filter_map(|id| verdict.clone().answer(id)));
    }

    /// One transaction, which takes along what waits, and answers that. If it fails for lack of room,
    /// the store is as it was before; if it fails for another reason, it is broken.
    fn transact(
        &mut self,
        batch: &[(OpId, Op)],
        answers: &mut Vec<Input>,
    ) -> Result<Vec<Verdict>, Failure> {
        let mut verdicts = Vec::with_capacity(batch.len());
        let mut totals = self.totals;
        totals.commits += 1;
        let error = match self.write(batch, &mut totals, &mut verdicts) {
            Ok(()) => {
                self.totals = totals;
                self.answer_advances(&Verdict::Stored, answers);
                return Ok(verdicts);
            }
            Err(error) => error,
        };
        let is_io = matches!(error, redb::Error::Io(_) | redb::Error::PreviousIo);
        if !(self.trouble.was_no_room() && is_io) {
            self.let_go();
            return Err(Failure::Broken);
        }
        // Nothing is tried again on a handle that has failed.
        match self.reopen() {
            Err(_) => {
                self.let_go();
                Err(Failure::Broken)
            }
            Ok(_) if self.totals.commits == totals.commits => {
                self.answer_advances(&Verdict::Stored, answers);
                Ok(verdicts)
            }
            Ok(_) => Err(Failure::NoRoom),
        }
    }

    fn write(
        &self,
        batch: &[(OpId, Op)],
        totals: &mut Totals,
        verdicts: &mut Vec<Verdict>,
    ) -> Result<(), redb::Error> {
        let database = self.database.as_ref();
        let database = database.ok_or(redb::Error::DatabaseClosed)?;
        let mut transaction = database.begin_write()?;
        // Costs a second sync, and saves reading every picture after a power cut.
        transaction.set_quick_repair(self.totals.charged > self.settings.quick_repair_above);
        let mut tables = Tables::open(&transaction)?;
        if let Some(upto) = self.advanced.upto {
            advance(&mut tables, totals, upto)?;
        }
        let appends = batch.iter().any(|(_, op)| matches!(op, Op::Append { .. }));
        let mut room = if appends { self.room() } else { 0 };
        for (_, op) in batch {
            verdicts.push(match op {
                Op::Append { seq, item } => {
                    let charge = CHARGE.of(item.row_len(), item.picture_len());
                    match room.checked_sub(charge) {
                        None => Verdict::Full,
                        Some(left) => {
                            room = left;
                            tables.append(totals, *seq, item)?;
                            Verdict::Stored
                        }
                    }
                }
                Op::Load { seq } => Verdict::Loaded(tables.load(*seq)?),
                op => {
                    self.change(&mut tables, totals, op)?;
                    Verdict::Stored
                }
            });
        }
        tables.sign(totals.commits)?;
        drop(tables);
        transaction.commit()?;
        Ok(())
    }

    fn change(
        &self,
        tables: &mut Tables<'_>,
        totals: &mut Totals,
        op: &Op,
    ) -> Result<(), redb::Error> {
        match op {
            Op::Advance { upto } => advance(tables, totals, upto.0),
            Op::Drop(loss) => {
                tables.forget(totals, loss.from.0..=loss.to.0)?;
                tables.lose(*loss, self.settings.max_losses)
            }
            Op::Strip { from, to } => tables.strip(totals, from.0..=to.0),
            Op::Bury { seq } => tables.bury(totals, *seq),
            Op::Configure(subscription) => tables.configure(subscription),
            // To a request that is not known here, an answer that is not true would be the worst.
            _ => Err(redb::Error::Corrupted("unknown request".to_owned())),
        }
    }

    /// Bytes that may be appended: what is free on the disk beyond the reserve, or inside the file,
    /// which keeps what its records have left.
    fn room(&self) -> u64 {
        let outside = self.medium.free().saturating_sub(self.settings.reserve);
        let used = self.totals.charged.saturating_add(self.totals.charged / 4);
        let inside = self.medium.spent().saturating_sub(used);
        outside.max(inside.saturating_sub(SPARE))
    }

    fn advance_due(&self) -> Option<Instant> {
        let since = self.advanced.since?;
        since.checked_add(self.settings.advance_delay)
    }

    fn is_bloated(&self) -> bool {
        let spent = self.medium.spent();
        let above = self.settings.compact_above;
        spent > self.totals.charged.saturating_mul(2).saturating_add(above)
    }

    fn wants_compaction(&self, now: Instant) -> bool {
        let passed = |at: Option<Instant>, time: Duration| {
            at.is_none_or(|at| now.saturating_duration_since(at) >= time)
        };
        let is_drained = self.totals.held == 0;
        let is_idle = is_drained || passed(self.busy_at, self.settings.compact_idle);
        !self.is_broken()
            && passed(self.compacted_at, self.settings.compact_every)
            && is_idle
            && self.is_bloated()
    }

    fn compact(&mut self) {
        let Some(database) = &mut self.database else {
            return;
        };
        let done = database.compact();
        // For lack of room it can be left for another day.
        if done.is_err() && !(self.trouble.was_no_room() && self.reopen().is_ok()) {
            self.let_go();
        }
    }

    /// Opens the file anew: with what it holds, not with what was hoped for.
    fn reopen(&mut self) -> Result<Recovered, redb::Error> {
        self.database = None;
        let database = self.database_on(self.medium.open()?)?;
        let (recovered, totals) = tables::recover(&database)?;
        (self.database, self.totals) = (Some(database), totals);
        Ok(recovered)
    }

    /// Makes an empty store, which is there as a whole or not at all.
    fn make(&self) -> Result<(), redb::Error> {
        let database = self.database_on(self.medium.create()?)?;
        let transaction = database.begin_write()?;
        Tables::open(&transaction)?.sign(0)?;
        transaction.commit()?;
        database.close()?;
        self.medium.adopt()?;
        Ok(())
    }

    fn database_on(
        &self,
        file: Box<dyn redb::StorageBackend>,
    ) -> Result<Database, redb::DatabaseError> {
        let watched = Watched::new(file, Arc::clone(&self.trouble));
        Builder::new()
            .set_cache_size(self.settings.cache)
            .create_with_backend(watched)
    }
}

impl Advanced {
    fn note(&mut self, now: Instant, id: OpId, upto: u64) {
        let before = self.upto.unwrap_or_else(|| upto.saturating_sub(1));
        let more = upto.saturating_sub(before);
        self.records = self.records.saturating_add(more.max(1));
        self.upto = self.upto.max(Some(upto));
        self.ids.push(id);
        self.since.get_or_insert(now);
    }
}

impl Verdict {
    fn answer(self, id: OpId) -> Option<Input> {
        match self {
            Self::Stored => Some(Input::Stored(id)),
            Self::Later => None,
            Self::Full => Some(Input::StoreFailed(id, StoreError::Full)),
            Self::Broken => Some(Input::StoreFailed(id, StoreError::Broken)),
            Self::Loaded(item) => Some(Input::Loaded(id, item)),
        }
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox")
            .field("name", &self.medium.name())
            .field("totals", &self.totals)
            .field("is_broken", &self.is_broken())
            .finish_non_exhaustive()
    }
}

/// What the file needs for itself.
const SPARE: u64 = 1 << 20;

fn advance(tables: &mut Tables<'_>, totals: &mut Totals, upto: u64) -> Result<(), redb::Error> {
    tables.forget(totals, 0..=upto)?;
    tables.pass(upto)
}

/// The system's word, if it was the system.
fn plain(error: redb::Error) -> io::Error {
    match error {
        redb::Error::Io(error) => error,
        error => io::Error::other(error),
    }
}

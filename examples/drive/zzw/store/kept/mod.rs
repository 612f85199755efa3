//! Everything in a file that survives a power cut: applies requests in order, as few transactions
//! as possible (T-3).

mod tables;

use super::clock::Clock;
use super::desk::{Answer, Desk, Tally};
use super::owners::Owners;
use super::shelf::Shelf as _;
use super::{Figures, Settings};
use crate::store::{Medium, OpenError, Trouble, Watched, probe};
use redb::{Builder, Database};
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Instant;
use tables::{State, Tables};
use zzw_push_proto::platform::{StoreError, StoreOp, UnixMillis};
use zzw_push_proto::wire::{Json, Text};

/// A store on disk that is open. One caller at a time; [`crate::zzw::place::Store`] has a thread for
/// it.
///
/// Who has an alias is of this run: when a store is opened, nobody has one.
pub struct Kept {
    medium: Box<dyn Medium>,
    settings: Settings,
    trouble: Arc<Trouble>,
    database: Option<Database>, // none once it is broken
    broken: Option<String>,
    state: State,
    owners: Owners,
    tally: Tally,
    clock: Clock,
    ops: u64,
    commits: u64,
    unswept: usize, // requests since the last sweep
    cursor: Text,
    swept_at: Option<Instant>,
    compacted_at: Option<Instant>,
    busy_at: Option<Instant>,
}

/// Why a transaction was not committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failure {
    NoRoom,
    Broken,
}

/// A sweep comes after so many requests.
const SWEEP_AFTER: usize = 64;

/// Most sweeps that come together when there is nothing else to do.
const IDLE_SWEEPS: usize = 16;

/// What the file needs for itself.
const SPARE: u64 = 1 << 20;

impl Kept {
    /// Opens the store on `medium`, or makes one.
    ///
    /// # Errors
    ///
    /// [`OpenError`]; what is there stays as it is.
    pub fn open(medium: impl Medium, settings: Settings) -> Result<Self, OpenError> {
        let mut kept = Self {
            medium: Box::new(medium),
            settings,
            trouble: Arc::default(),
            database: None,
            broken: None,
            state: State::default(),
            owners: Owners::default(),
            tally: Tally::default(),
            clock: Clock::default(),
            ops: 0,
            commits: 0,
            unswept: 0,
            cursor: Text::default(),
            swept_at: None,
            compacted_at: None,
            busy_at: None,
        };
        let name = kept.medium.name();
        let io = |error| OpenError::Io {
            name: name.clone(),
            error,
        };
        if kept.medium.exists().map_err(io)? {
            probe(&*kept.medium, kept.settings.cache, tables::judge)?;
        } else {
            kept.make().map_err(|error| io(plain(error)))?;
        }
        kept.reopen().map_err(|error| match error {
            redb::Error::DatabaseAlreadyOpen => OpenError::InUse(name.clone().into()),
            redb::Error::Corrupted(reason) => OpenError::Damaged {
                name: name.clone(),
                reason,
            },
            error => io(plain(error)),
        })?;
        kept.clock = Clock::from(kept.state.at);
        Ok(kept)
    }

    /// Carries requests out, in order, and answers each. The wall clock shows `wall`. What is
    /// answered with a success survives a power cut.
    pub fn apply(&mut self, now: Instant, wall: UnixMillis, batch: &[StoreOp]) -> Vec<Answer> {
        self.busy_at = Some(now);
        self.ops = self.ops.saturating_add(batch.len() as u64);
        let at = self.clock.read(now, wall);
        if self.is_broken() {
            return vec![BROKEN; batch.len()];
        }
        self.unswept += batch.len();
        match self.transact(at, batch, self.unswept >= SWEEP_AFTER) {
            Ok(answers) => return answers,
            Err(Failure::Broken) => return vec![BROKEN; batch.len()],
            Err(Failure::NoRoom) => {}
        }
        // Each alone. What is refused for lack of room is not followed by what would need more.
        let mut is_full = false;
        let one_by_one = batch.iter().map(|op| {
            if is_full && is_growth(op) {
                return Err(StoreError::Full);
            }
            match self.transact(at, std::slice::from_ref(op), false) {
                Ok(mut answers) => answers.pop().unwrap_or(BROKEN),
                Err(Failure::Broken) => BROKEN,
                Err(Failure::NoRoom) => {
                    is_full = true;
                    Err(StoreError::Full)
                }
            }
        });
        one_by_one.collect()
    }

    /// Does what can wait: removes what has expired, gives room back. Harmless at any time.
    pub fn tidy(&mut self, now: Instant, wall: UnixMillis) {
        if self.is_broken() {
            return;
        }
        if self.sweep_due().is_some_and(|due| due <= now) {
            self.swept_at = Some(now);
            let at = self.clock.read(now, wall);
            for _ in 0..IDLE_SWEEPS {
                // For lack of room it can be left for later; if the store breaks, it says so.
                if self.transact(at, &[], true).is_err() || self.cursor.is_empty() {
                    break;
                }
            }
        }
        if self.wants_compaction(now) {
            self.compacted_at = Some(now);
            self.compact();
        }
    }

    /// When [`Self::tidy`] will have something to do, if nothing happens before.
    pub fn tidy_at(&self) -> Option<Instant> {
        if self.is_broken() {
            return None;
        }
        let idle = match self.state.totals.messages {
            0 => std::time::Duration::ZERO,
            _ => self.settings.compact_idle,
        };
        let storm = self.busy_at.filter(|_| self.is_bloated());
        let storm = storm.and_then(|at| at.checked_add(idle));
        let again = self.compacted_at;
        let again = again.and_then(|at| at.checked_add(self.settings.compact_every));
        let compact = storm.map(|at| again.map_or(at, |again| at.max(again)));
        [self.sweep_due(), compact].into_iter().flatten().min()
    }

    /// Gives room back if nothing is left, and closes.
    ///
    /// # Errors
    ///
    /// If the store is broken, or breaks now: what was answered with a success is kept even so.
    pub fn close(mut self) -> io::Result<()> {
        let is_large = self.medium.spent() > self.settings.compact_above;
        if self.state.totals.messages == 0 && is_large {
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

    /// How it stands.
    pub fn figures(&self) -> Figures {
        let mut figures = Figures::default();
        figures.count(&self.state.totals, &self.tally, &self.owners);
        figures.broken.clone_from(&self.broken);
        figures.ops = self.ops;
        figures.commits = self.commits;
        figures.file_bytes = self.medium.spent();
        figures
    }

    /// What a device has told about itself: a JSON object.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the store is broken.
    pub fn info(&mut self, alias: &str) -> Result<Option<Json>, StoreError> {
        let read = |database: &Database| {
            let transaction = database.begin_write()?;
            let info = Tables::open(&transaction)?.info(alias)?;
            transaction.abort()?;
            Ok::<_, redb::Error>(info)
        };
        let database = self.database.as_ref().ok_or(StoreError::Unavailable)?;
        read(database).map_err(|error| {
            self.let_go(&error.to_string());
            StoreError::Unavailable
        })
    }

    /// Takes nothing more.
    //= docs/spec/zzw-push-proto.md#store
    //# A store whose disk has failed MUST fail every request until it is opened anew.
    pub(super) fn let_go(&mut self, why: &str) {
        // Dropped, it lets go of the file.
        self.database = None;
        self.broken.get_or_insert_with(|| {
            format!("the store is broken: {why}; check the disk and start the server again")
        });
    }

    /// One transaction. If it fails for lack of room, the store is as it was before; if it fails for
    /// another reason, it is broken.
    fn transact(
        &mut self,
        at: UnixMillis,
        batch: &[StoreOp],
        sweeps: bool,
    ) -> Result<Vec<Answer>, Failure> {
        let (state, tally) = (self.state, self.tally);
        let mut answers = Vec::with_capacity(batch.len());
        let done = self.write(at, batch, sweeps, &mut answers);
        let aimed = std::mem::replace(&mut self.state.commits, state.commits);
        let error = match done {
            Ok(()) => {
                self.state.commits = aimed;
                self.commits += aimed - state.commits;
                self.owners.keep();
                if sweeps {
                    self.unswept = 0;
                }
                return Ok(answers);
            }
            Err(error) => error,
        };
        self.state = state;
        let is_io = matches!(error, redb::Error::Io(_) | redb::Error::PreviousIo);
        if !(self.trouble.was_no_room() && is_io) {
            self.owners.undo();
            self.let_go(&error.to_string());
            return Err(Failure::Broken);
        }
        // Nothing is tried again on a handle that has failed.
        match self.reopen() {
            Ok(()) if self.state.commits == aimed && aimed != state.commits => {
                self.owners.keep();
                self.commits += 1;
                Ok(answers)
            }
            Ok(()) => {
                self.tally = tally;
                self.owners.undo();
                Err(Failure::NoRoom)
            }
            Err(error) => {
                self.owners.undo();
                self.let_go(&error.to_string());
                Err(Failure::Broken)
            }
        }
    }

    /// Writes, and counts the transaction in `state` unless nothing has changed.
    fn write(
        &mut self,
        at: UnixMillis,
        batch: &[StoreOp],
        sweeps: bool,
        answers: &mut Vec<Answer>,
    ) -> Result<(), redb::Error> {
        let room = if batch.iter().any(is_growth) {
            self.room()
        } else {
            u64::MAX
        };
        let database = self.database.as_ref();
        let database = database.ok_or(redb::Error::DatabaseClosed)?;
        let mut transaction = database.begin_write()?;
        // Costs a second sync, and saves reading everything after a power cut.
        let is_large = self.state.totals.bytes > self.settings.quick_repair_above;
        transaction.set_quick_repair(is_large);
        let mut tables = Tables::open(&transaction)?;
        let mut desk = Desk {
            shelf: &mut tables,
            owners: &mut self.owners,
            totals: &mut self.state.totals,
            limits: self.settings.limits(),
            at,
            room,
            tally: &mut self.tally,
        };
        for op in batch {
            answers.push(desk.carry_out(op)?);
        }
        if sweeps {
            desk.sweep(&mut self.cursor)?;
        }
        if tables.is_changed {
            self.state.commits += 1;
            self.state.at = at;
            tables.sign(&self.state)?;
            drop(tables);
            transaction.commit()?;
        } else {
            drop(tables);
            transaction.abort()?;
        }
        Ok(())
    }

    /// Bytes by which it may grow: what is free on the disk beyond the reserve, or inside the file,
    /// which keeps what its messages have left.
    fn room(&self) -> u64 {
        let outside = self.medium.free().saturating_sub(self.settings.reserve);
        let bytes = self.state.totals.bytes;
        let used = bytes.saturating_add(bytes / 4);
        let inside = self.medium.spent().saturating_sub(used);
        outside.max(inside.saturating_sub(SPARE))
    }

    fn sweep_due(&self) -> Option<Instant> {
        if self.state.totals.messages == 0 {
            return None;
        }
        let last = self.swept_at.max(self.busy_at);
        last.and_then(|at| at.checked_add(self.settings.sweep_every))
    }

    fn is_bloated(&self) -> bool {
        let bytes = self.state.totals.bytes;
        let above = self.settings.compact_above;
        self.medium.spent() > bytes.saturating_mul(2).saturating_add(above)
    }

    fn wants_compaction(&self, now: Instant) -> bool {
        let passed = |at: Option<Instant>, time: std::time::Duration| {
            at.is_none_or(|at| now.saturating_duration_since(at) >= time)
        };
        let is_drained = self.state.totals.messages == 0;
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
        if let Err(error) = database.compact() {
            // For lack of room it can be left for another day.
            if !(self.trouble.was_no_room() && self.reopen().is_ok()) {
                self.let_go(&error.to_string());
            }
        }
    }

    /// Opens the file anew: with what it holds, not with what was hoped for.
    fn reopen(&mut self) -> Result<(), redb::Error> {
        self.database = None;
        let database = self.database_on(self.medium.open()?)?;
        self.state = tables::recover(&database)?;
        self.database = Some(database);
        Ok(())
    }

    /// Makes an empty store, which is there as a whole or not at all.
    fn make(&self) -> Result<(), redb::Error> {
        let database = self.database_on(self.medium.create()?)?;
        let transaction = database.begin_write()?;
        Tables::open(&transaction)?.sign(&State::default())?;
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

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept")
            .field("name", &self.medium.name())
            .field("state", &self.state)
            .field("broken", &self.broken)
            .finish_non_exhaustive()
    }
}

const BROKEN: Answer = Err(StoreError::Unavailable);

fn is_growth(op: &StoreOp) -> bool {
    matches!(
        op,
        StoreOp::Append { .. } | StoreOp::AppendTopic { .. } | StoreOp::Subscribe { .. }
    )
}

/// The system's word, if it was the system.
fn plain(error: redb::Error) -> io::Error {
    match error {
        redb::Error::Io(error) => error,
        error => io::Error::other(error),
    }
}

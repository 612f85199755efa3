//! The receiver's records: a SQLite database that any tool can read, and a folder of pictures.
//!
//! ```text
//! records.db             tables records, quarantine, cursors; view readable, with times in ISO text
//! records.db-lock        held by the receiver that writes
//! records-pictures/      HASH.jpg, where HASH is the SHA-256 of the file
//! ```
//!
//! `raw` is the body as it was received. If its picture became a file, and base64 of the file gives
//! exactly the text that was in the body, then that text is cut out, and `picture_at` tells where:
//! `raw` is then still JSON, with `""` for the picture. [`Db::body`] puts it back, bit for bit.
//!
//! An entry is kept when [`Db::write`] returns, and not a moment earlier: pictures are synced before
//! the row that names them is written, and the commit is synced, too.

mod body;
mod check;
mod pictures;
mod row;
mod schema;
mod writer;

pub use row::{freshness, reason};
pub use writer::Writer;

use body::Cut;
use check::beside;
use face_record_push::SerialNumber;
use face_record_push::platform::{Entry, Novelty, Op, Quarantined, Seq, StoreError};
use pictures::Pictures;
use row::Row;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, MAIN_DB, OptionalExtension as _, Transaction, ffi, params};
use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Where records are kept.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// The database.
    pub path: PathBuf,
    /// The folder of pictures; beside the database, `records-pictures` for `records.db`.
    pub pictures: PathBuf,
    /// Largest database, in bytes, without pictures; no limit. Beyond it the store is full.
    pub max_bytes: Option<u64>,
}

/// The records of one receiver.
#[derive(Debug)]
pub struct Db {
    options: Options,
    files: Option<Files>, // none after a failure, until it is opened anew
    trouble: Trouble,
    _lock: File,
}

/// What was last wrong with a database, for people. Clones tell of the same one.
#[derive(Debug, Clone, Default)]
pub struct Trouble(Arc<Mutex<String>>);

#[derive(Debug)]
struct Files {
    connection: Connection,
    pictures: Pictures,
}

impl Options {
    /// A database, with its pictures in a folder beside it.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        Self {
            pictures: path.with_file_name(format!("{stem}-pictures")),
            path,
            max_bytes: None,
        }
    }
}

impl Db {
    /// Opens a database, which is made if it is not there.
    ///
    /// # Errors
    ///
    /// If the file is not ours, is damaged, was written by a newer program or is in use, it is left
    /// as it is; the text says what to do.
    pub fn open(options: Options) -> io::Result<Self> {
        let lock_path = beside(&options.path, "-lock");
        // Before the database is touched: to close a file drops the locks that SQLite has on it.
        if lock_path.exists() {
            lock(&options.path, &lock_path)?;
        }
        let exists = options
            .path
            .try_exists()
            .map_err(|error| told(&options.path, &error))?;
        if exists {
            check::check(&options.path)?;
        }
        let lock = lock(&options.path, &lock_path)?;
        if !exists {
            create(&options.path).map_err(|error| told(&options.path, &error))?;
        }
        let files = Files::open(&options)?;
        let probed = files.pictures.probe();
        probed.map_err(|error| told(&options.pictures, &error))?;
        Ok(Self {
            options,
            files: Some(files),
            trouble: Trouble::default(),
            _lock: lock,
        })
    }

    /// Carries out requests in order, all or none. When this returns, they survive a power cut.
    ///
    /// The answers are those of `Keep` and `Quarantine`, in order.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing was kept, or, if it is `Broken`, [`Self::settle`] tells. The database
    /// has then been opened anew; where that fails, the next call tries again.
    pub fn write(&mut self, ops: &[Op]) -> Result<Vec<(Seq, Novelty)>, StoreError> {
        let mut files = match self.files.take() {
            Some(files) => files,
            None => self.reopen()?,
        };
        let written = files.write(ops).map_err(|(kind, why)| {
            self.trouble.note(&why);
            kind
        });
        if matches!(written, Err(StoreError::Broken)) {
            files.abandon();
            // What was written is settled before anyone hears that it failed.
            self.files = self.reopen().ok();
        } else {
            self.files = Some(files);
        }
        written
    }

    /// What became of requests after [`Self::write`] answered `Broken`: those that were kept all the
    /// same, or had been before. The others are not there and never will be.
    ///
    /// # Errors
    ///
    /// `Broken` while the database cannot be opened, so that nobody knows.
    pub fn settle(&mut self, ops: &[Op]) -> Result<Vec<(Seq, Novelty)>, StoreError> {
        let files = match self.files.take() {
            Some(files) => files,
            None => self.reopen()?,
        };
        let found = files.find(ops);
        self.files = found.is_ok().then_some(files);
        found.map_err(|_| StoreError::Broken)
    }

    /// The number for the next entry: above all that were ever kept.
    ///
    /// # Errors
    ///
    /// If the database cannot be read.
    pub fn next_seq(&self) -> io::Result<Seq> {
        let sql = "SELECT coalesce(max(seq), 0) + 1 FROM sqlite_sequence";
        self.read(|files| files.connection.query_row(sql, [], |row| row.get(0)))
            .map(|next: i64| Seq(next.unsigned_abs()))
    }

    /// The body of a record, as it was received; `None` if there is no such record.
    ///
    /// # Errors
    ///
    /// If the database or the picture cannot be read.
    pub fn body(&self, id: Seq) -> io::Result<Option<Vec<u8>>> {
        let sql = "SELECT raw, picture, picture_at, picture_escaped FROM records WHERE id = ?1";
        let found = self.read(|files| {
            let parts = |row: &rusqlite::Row<'_>| {
                let raw = row.get_ref(0)?.as_bytes()?.to_vec();
                let at: Option<i64> = row.get(2)?;
                let cut = at.map(|at| -> rusqlite::Result<_> {
                    Ok(Cut {
                        at: usize::try_from(at).unwrap_or(usize::MAX),
                        escapes_slashes: row.get(3)?,
                    })
                });
                Ok((raw, row.get::<_, Option<String>>(1)?, cut.transpose()?))
            };
            files
                .connection
                .query_row(sql, [signed(id)], parts)
                .optional()
        })?;
        let Some((raw, picture, cut)) = found else {
            return Ok(None);
        };
        let (Some(picture), Some(cut), Some(files)) = (picture, cut, &self.files) else {
            return Ok(Some(raw));
        };
        let jpeg = files.pictures.read(&picture)?;
        let whole = body::join(&raw, cut, &jpeg);
        let fault = || io::Error::new(io::ErrorKind::InvalidData, "the cut is not in the body");
        whole.map(Some).ok_or_else(fault)
    }

    /// How far the application named so has come.
    ///
    /// # Errors
    ///
    /// If the database cannot be read.
    pub fn cursor(&self, name: &str) -> io::Result<Option<Seq>> {
        let sql = "SELECT id FROM cursors WHERE name = ?1";
        let id = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
        let found = self.read(|files| files.connection.query_row(sql, [name], id).optional())?;
        Ok(found.map(|id| Seq(id.unsigned_abs())))
    }

    /// What was last wrong with it, now and later.
    pub fn trouble(&self) -> Trouble {
        self.trouble.clone()
    }

    /// Where it keeps what.
    pub fn options(&self) -> &Options {
        &self.options
    }

    fn read<T>(&self, ask: impl FnOnce(&Files) -> rusqlite::Result<T>) -> io::Result<T> {
        let broken =
            || io::Error::other("the database failed, and is opened anew by the next write");
        let files = self.files.as_ref().ok_or_else(broken)?;
        ask(files).map_err(io::Error::other)
    }

    fn reopen(&self) -> Result<Files, StoreError> {
        // What made it fail may have left less than it was.
        check::check(&self.options.path)
            .and_then(|()| Files::open(&self.options))
            .map_err(|error| {
                self.trouble.note(&error);
                StoreError::Broken
            })
    }
}

impl Trouble {
    /// The system's own words, with the file if it is not the database; empty if nothing was wrong.
    pub fn words(&self) -> String {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn note(&self, error: &impl ToString) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = error.to_string();
    }
}

impl Files {
    fn open(options: &Options) -> io::Result<Self> {
        let pictures =
            Pictures::open(&options.pictures).map_err(|error| told(&options.pictures, &error))?;
        let connection = connect(options).map_err(|error| told(&options.path, &io_error(error)))?;
        Ok(Self {
            connection,
            pictures,
        })
    }

    fn write(&mut self, ops: &[Op]) -> Result<Vec<(Seq, Novelty)>, (StoreError, String)> {
        let failed = |error: rusqlite::Error| (kind(&error), error.to_string());
        let rows = self.rows(ops).map_err(failed)?;
        let pictures: BTreeMap<&str, &[u8]> = rows.values().filter_map(Row::file).collect();
        self.pictures
            .keep(&pictures)
            .map_err(|error| (io_kind(&error), self.pictures.name(&error)))?;
        self.commit(ops, &rows).map_err(failed)
    }

    /// What is to be kept and new, by its place among the requests.
    fn rows<'o>(&self, ops: &'o [Op]) -> rusqlite::Result<BTreeMap<usize, Row<'o>>> {
        let mut rows = BTreeMap::new();
        for (place, op) in ops.iter().enumerate() {
            if let Op::Keep(entry) = op
                && id_of(&self.connection, entry)?.is_none()
            {
                rows.insert(place, Row::of(entry));
            }
        }
        Ok(rows)
    }

    fn commit(
        &mut self,
        ops: &[Op],
        rows: &BTreeMap<usize, Row<'_>>,
    ) -> rusqlite::Result<Vec<(Seq, Novelty)>> {
        let transaction = self.connection.transaction()?;
        let mut answers = Vec::with_capacity(ops.len());
        for (place, op) in ops.iter().enumerate() {
            let answer = match op {
                Op::Keep(entry) => {
                    let is_new = match rows.get(&place) {
                        Some(row) => row.insert(&transaction)?,
                        None => false,
                    };
                    (entry.seq, is_new)
                }
                Op::Quarantine(what) => (what.seq, quarantine(&transaction, what)?),
                Op::Consumed { name, seq } => {
                    consume(&transaction, name, *seq)?;
                    continue;
                }
                _ => continue,
            };
            let (seq, is_new) = answer;
            answers.push((seq, if is_new { Novelty::New } else { Novelty::Known }));
        }
        transaction.commit()?;
        Ok(answers)
    }

    fn find(&self, ops: &[Op]) -> rusqlite::Result<Vec<(Seq, Novelty)>> {
        let mut found = Vec::new();
        for op in ops {
            let (seq, id) = match op {
                Op::Keep(entry) => (entry.seq, id_of(&self.connection, entry)?),
                Op::Quarantine(what) => (what.seq, quarantine_id_of(&self.connection, what)?),
                _ => continue,
            };
            found.extend(id.map(|id| {
                let is_own = id == signed(seq);
                (seq, if is_own { Novelty::New } else { Novelty::Known })
            }));
        }
        Ok(found)
    }

    /// Closes without another write: what a failed sync left in the log is looked at anew.
    fn abandon(self) {
        let no_checkpoint = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
        let _ = self.connection.set_db_config(no_checkpoint, true);
    }
}

fn connect(options: &Options) -> rusqlite::Result<Connection> {
    let mut connection = Connection::open(&options.path)?;
    // SQLite would read what it may not write, and leave a log beside it that nobody may write.
    if connection.is_readonly(MAIN_DB)? {
        return Err(rusqlite::Error::SqliteFailure(
            ffi::Error::new(ffi::SQLITE_READONLY),
            Some("the file is read-only".to_owned()),
        ));
    }
    schema::configure(&connection)?;
    let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version < schema::VERSION {
        schema::migrate(&mut connection, version)?;
    }
    // A row that a killed process, or a failed sync, left in the log is found by the next repetition
    // and acknowledged: from here on it is on the disk.
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    if let Some(max) = options.max_bytes {
        let page: u32 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let pages = (max / u64::from(page.max(1))).max(1);
        let sql = format!("PRAGMA max_page_count = {pages}");
        connection.query_row(&sql, [], |_| Ok(()))?;
    }
    Ok(connection)
}

/// Makes a database under another name, so that under its own it is complete or not there.
fn create(path: &Path) -> io::Result<()> {
    let new = beside(path, "-new");
    for suffix in ["", "-journal", "-wal", "-shm"] {
        match fs::remove_file(beside(&new, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    let mut connection = Connection::open(&new).map_err(io::Error::other)?;
    schema::create(&mut connection).map_err(io::Error::other)?;
    connection
        .close()
        .map_err(|(_, error)| io::Error::other(error))?;
    File::open(&new)?.sync_all()?;
    fs::rename(&new, path)?;
    pictures::sync_folder(path.parent().unwrap_or(path))
}

fn lock(path: &Path, lock: &Path) -> io::Result<File> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(lock)
        .map_err(|error| told(path, &error))?;
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => io::Error::new(
            io::ErrorKind::ResourceBusy,
            format!(
                "{} is in use by another receiver; stop that one, or name another file",
                path.display()
            ),
        ),
        TryLockError::Error(error) => error,
    })?;
    Ok(file)
}

fn told(path: &Path, error: &io::Error) -> io::Error {
    let advice = match error.kind() {
        io::ErrorKind::NotFound => "; make its folder first",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "; this user may not write there: let it, or choose another folder"
        }
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
            "; where a folder has to be is a file: name another"
        }
        io::ErrorKind::IsADirectory => "; it is a folder: name a file",
        _ => "",
    };
    let text = format!("cannot open {}: {error}{advice}", path.display());
    io::Error::new(error.kind(), text)
}

fn io_error(error: rusqlite::Error) -> io::Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::ReadOnly) => io::Error::new(io::ErrorKind::PermissionDenied, error),
        _ => io::Error::other(error),
    }
}

fn id_of(connection: &Connection, entry: &Entry) -> rusqlite::Result<Option<i64>> {
    let sql = "SELECT id FROM records WHERE device_sn = ?1 AND key = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let key = params![entry.serial.as_str(), entry.key.to_string()];
    statement.query_row(key, |row| row.get(0)).optional()
}

fn quarantine_id_of(connection: &Connection, what: &Quarantined) -> rusqlite::Result<Option<i64>> {
    let sql = "SELECT id FROM quarantine WHERE key = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    statement
        .query_row([what.key.to_string()], |row| row.get(0))
        .optional()
}

fn quarantine(transaction: &Transaction<'_>, what: &Quarantined) -> rusqlite::Result<bool> {
    let sql = "INSERT INTO quarantine (id, received_at, peer, device_sn, key, why, raw)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (key) DO NOTHING";
    let mut statement = transaction.prepare_cached(sql)?;
    let inserted = statement.execute(params![
        signed(what.seq),
        what.received.0,
        what.peer,
        what.serial.as_ref().map(SerialNumber::as_str),
        what.key.to_string(),
        reason(what.why),
        &what.raw[..],
    ])?;
    Ok(inserted == 1)
}

fn consume(transaction: &Transaction<'_>, name: &str, seq: Seq) -> rusqlite::Result<()> {
    let sql = "INSERT INTO cursors (name, id) VALUES (?1, ?2)
               ON CONFLICT (name) DO UPDATE SET id = max(id, excluded.id)";
    let mut statement = transaction.prepare_cached(sql)?;
    statement.execute(params![name, signed(seq)]).map(drop)
}

/// SQLite's integers are signed.
fn signed(Seq(seq): Seq) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

fn kind(error: &rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy,
        _ => StoreError::Broken,
    }
}

fn io_kind(error: &io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full,
        _ => StoreError::Broken,
    }
}

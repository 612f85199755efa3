//! What the database looks like, and how an older one becomes like it.

use rusqlite::{Connection, Transaction};

/// `application_id` of our databases: `face` in ASCII.
pub(super) const APPLICATION: u32 = u32::from_be_bytes(*b"face");

/// `user_version` of databases that this program writes: the number of [`STEPS`] taken.
pub(super) const VERSION: u32 = 1;

/// What leads from each version to the next. A step that has been released is never changed.
const STEPS: [&str; VERSION as usize] = [FIRST];

/// Times are milliseconds since 1970; `id` numbers both tables in the order of acceptance, with gaps
/// where a push turned out to be known. `AUTOINCREMENT` keeps an id from being used again after its
/// row was deleted.
//= docs/spec/face-record-push.md#duplicates
//# A push and its key MUST be kept in one transaction.
//= docs/spec/face-record-push.md#duplicates
//= type=implication
//# The store MUST keep at least 65536 keys of each terminal.
//= docs/spec/face-record-push.md#duplicates
//# The journal MUST give an application the entries after its cursor, in their order and without a
//# hole.
const FIRST: &str = "
CREATE TABLE records (
    id               INTEGER PRIMARY KEY AUTOINCREMENT, -- order of acceptance
    device_sn        TEXT    NOT NULL, -- of the body, else of the head, else the address
    key              TEXT    NOT NULL, -- what makes it the same as a repetition
    type             INTEGER,          -- 0 record, 1 alarm; others as they came
    recognized_at    INTEGER,          -- ms, by the terminal's clock; when an alarm happened
    received_at      INTEGER NOT NULL, -- ms, by ours
    recognition_type INTEGER,          -- 1 employee, 2 visitor, 3 stranger, 4 not alive, 5 blacklist
    recognize_status INTEGER,          -- the other enumeration, of profile 1.0
    score            REAL,
    pass             INTEGER,          -- 0, 1
    user_id          TEXT,
    user_name        TEXT,
    alarm_code       INTEGER,
    alarm_status     INTEGER,          -- 1 raised, 2 release failed, 3 released
    freshness        TEXT    NOT NULL, -- live, late, future, unknown
    is_imported      INTEGER NOT NULL, -- 1 if we asked the terminal for it
    picture          TEXT,             -- SHA-256 of the JPEG; PICTURES/<picture>.jpg
    picture_at       INTEGER,          -- offset in the body of the text cut out of raw; null: not cut
    picture_escaped  INTEGER,          -- 1 if the text wrote each / as \\/
    raw              BLOB    NOT NULL  -- text: the body as received, but for the picture's text
);
CREATE UNIQUE INDEX records_key ON records (device_sn, key);
CREATE TABLE quarantine (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    received_at INTEGER NOT NULL,
    peer        TEXT    NOT NULL,
    device_sn   TEXT,
    key         TEXT    NOT NULL,
    why         TEXT    NOT NULL,
    raw         BLOB    NOT NULL -- the body, bit for bit
);
CREATE UNIQUE INDEX quarantine_key ON quarantine (key);
CREATE TABLE cursors (
    name TEXT PRIMARY KEY,
    id   INTEGER NOT NULL -- the last record that the application named so has dealt with
) WITHOUT ROWID;
CREATE VIEW readable AS SELECT
    id,
    device_sn,
    CASE type WHEN 0 THEN 'record' WHEN 1 THEN 'alarm' ELSE type END AS type,
    strftime('%Y-%m-%dT%H:%M:%fZ', recognized_at / 1000.0, 'unixepoch') AS recognized_at,
    strftime('%Y-%m-%dT%H:%M:%fZ', received_at / 1000.0, 'unixepoch') AS received_at,
    CASE recognition_type
        WHEN 1 THEN 'employee' WHEN 2 THEN 'visitor' WHEN 3 THEN 'stranger'
        WHEN 4 THEN 'not alive' WHEN 5 THEN 'blacklist' ELSE recognition_type
    END AS recognition_type,
    recognize_status, score, pass, user_id, user_name, alarm_code, alarm_status, freshness, picture
FROM records ORDER BY id;
";

/// Settings of a connection that writes.
pub(super) fn configure(connection: &Connection) -> rusqlite::Result<()> {
    // FULL: what is committed is on the disk. A small log is truncated, a burst's is not kept.
    connection.execute_batch(
        "PRAGMA busy_timeout = 5000;
         PRAGMA synchronous = FULL;
         PRAGMA journal_size_limit = 16777216;
         PRAGMA cache_size = -16384;
         PRAGMA cell_size_check = ON;
         PRAGMA trusted_schema = OFF;",
    )
}

/// Fills an empty database.
pub(super) fn create(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.execute_batch("PRAGMA page_size = 8192; PRAGMA synchronous = FULL;")?;
    migrate(connection, 0)?;
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))
}

/// Takes the steps that an older database lacks, all or none.
pub(super) fn migrate(connection: &mut Connection, version: u32) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    for step in STEPS.iter().skip(version as usize) {
        transaction.execute_batch(step)?;
    }
    stamp(&transaction)?;
    transaction.commit()
}

fn stamp(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", VERSION)
}

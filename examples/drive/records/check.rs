//! What is looked at before a database is opened for writing. Nothing here changes a byte of it.

use super::{schema, told};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// Checks that the file is a database of ours, of a version we know, and whole.
///
/// A database up to 256 MiB is read from end to end; of a larger one, where that would take minutes,
/// the header, the size and the shape of the tables are looked at.
///
/// # Errors
///
/// What is wrong with it, and what to do.
pub(super) fn check(path: &Path) -> io::Result<()> {
    let (header, length) = head(path).map_err(|error| told(path, &error))?;
    let Some(header) = Header::of(&header) else {
        return Err(refused(path, "is no SQLite database; name another file"));
    };
    if header.application != schema::APPLICATION {
        return Err(refused(
            path,
            "is a SQLite database of another program; name another file",
        ));
    }
    if header.version > schema::VERSION {
        let text = format!(
            "has version {}, this program writes version {}; use the program that wrote it",
            header.version,
            schema::VERSION
        );
        return Err(refused(path, &text));
    }
    let has_log = beside(path, "-wal")
        .metadata()
        .is_ok_and(|log| log.len() > 0);
    if !has_log && length != header.pages.saturating_mul(header.page_size) {
        return Err(damaged(path, "its length is not what its header says"));
    }
    let is_small = length <= WHOLE_CHECK;
    let found = look(path, has_log, is_small).map_err(|error| damaged(path, &error.to_string()))?;
    found.map_or(Ok(()), |fault| Err(damaged(path, &fault)))
}

/// The file beside a database whose name goes on so.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.to_owned().into_os_string();
    name.push(suffix);
    name.into()
}

/// Databases up to this size are read from end to end, in bytes.
const WHOLE_CHECK: u64 = 256 << 20;

const HEADER: usize = 100;

/// What the first bytes of a database file say.
struct Header {
    page_size: u64,
    pages: u64,
    version: u32,
    application: u32,
}

impl Header {
    fn of(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; HEADER] = bytes.try_into().ok()?;
        let word = |at: usize| {
            bytes[at..]
                .first_chunk()
                .map_or(0, |word| u32::from_be_bytes(*word))
        };
        let page_size = match u16::from_be_bytes([bytes[16], bytes[17]]) {
            1 => 65_536,
            size => u64::from(size),
        };
        let is_ours = bytes.starts_with(b"SQLite format 3\0")
            && page_size.is_power_of_two()
            && page_size >= 512;
        is_ours.then(|| Self {
            page_size,
            pages: word(28).into(),
            version: word(60),
            application: word(68),
        })
    }
}

/// The first bytes of a file, and its length.
fn head(path: &Path) -> io::Result<(Vec<u8>, u64)> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut header = Vec::new();
    file.take(HEADER as u64).read_to_end(&mut header)?;
    Ok((header, length))
}

/// Looks at the tables; the first fault, if there is one.
fn look(path: &Path, has_log: bool, is_small: bool) -> rusqlite::Result<Option<String>> {
    // Without a log nothing is missing in the file, and nothing needs to be written beside it.
    let mode = if has_log { "mode=ro" } else { "immutable=1" };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(uri(path, mode), flags)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.execute_batch("PRAGMA busy_timeout = 5000; PRAGMA trusted_schema = OFF;")?;
    // The header of the file may be older than what is in the log.
    let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version > schema::VERSION {
        return Ok(Some(format!("its log has version {version}")));
    }
    for table in ["records", "quarantine", "cursors"] {
        connection.prepare(&format!("SELECT * FROM {table} LIMIT 1"))?;
    }
    if !is_small {
        return Ok(None);
    }
    let answer: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    Ok((answer != "ok").then_some(answer))
}

fn uri(path: &Path, mode: &str) -> String {
    let mut uri = "file:".to_owned();
    for c in path.to_string_lossy().chars() {
        match c {
            '%' => uri.push_str("%25"),
            '?' => uri.push_str("%3f"),
            '#' => uri.push_str("%23"),
            c => uri.push(c),
        }
    }
    uri + "?" + mode
}

fn damaged(path: &Path, fault: &str) -> io::Error {
    let text = format!(
        "is damaged ({fault}); restore a copy, or save what can be read with `sqlite3 FILE .recover`"
    );
    refused(path, &text)
}

fn refused(path: &Path, why: &str) -> io::Error {
    let text = format!("{} {why}; it was left as it is", path.display());
    io::Error::new(io::ErrorKind::InvalidData, text)
}

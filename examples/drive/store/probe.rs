//! Looks at a store without touching it: what it is made to write stays in memory.

use super::OpenError;
use super::medium::Medium;
use redb::{Builder, Database, DatabaseError, StorageBackend, StorageError};
use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

/// Up to this size every byte is checked, also after an orderly end.
const CHECKED_WHOLE: u64 = 16 << 20;

/// Whose a store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Judged {
    /// Ours, of this version.
    Ours,
    /// Another program's.
    Foreign,
    /// Ours, of a version to come.
    Newer(String),
}

/// Says why the store on `medium` should not be opened. `judge` says whose it is, once it has read
/// of ours what opening it reads.
///
/// # Errors
///
/// Every one of [`OpenError`] that speaks of the file.
pub(crate) fn probe(
    medium: &dyn Medium,
    cache: usize,
    judge: impl FnOnce(&Database) -> Result<Judged, StorageError>,
) -> Result<(), OpenError> {
    let name = medium.name();
    let io = |error| OpenError::Io {
        name: name.clone(),
        error,
    };
    let file = medium.open().map_err(io)?;
    let len = file.len().map_err(io)?;
    let mut magic = [0; MAGIC.len()];
    if len >= magic.len() as u64 {
        file.read(0, &mut magic).map_err(io)?;
    }
    if magic != MAGIC {
        let _ = file.close();
        return Err(OpenError::Foreign(name));
    }
    let mut builder = Builder::new();
    builder
        .set_cache_size(cache)
        .set_check_integrity_on_open(len <= CHECKED_WHOLE);
    let overlay = Overlay::new(file, len);
    // What reads a damaged file may stumble.
    let judged = catch_unwind(AssertUnwindSafe(|| {
        let database = builder.create_with_backend(overlay)?;
        Ok::<_, DatabaseError>(judge(&database)?)
    }));
    match judged {
        Ok(Ok(Judged::Ours)) => Ok(()),
        Ok(Ok(Judged::Foreign)) => Err(OpenError::Foreign(name)),
        Ok(Ok(Judged::Newer(version))) => Err(OpenError::Newer { name, version }),
        Ok(Err(DatabaseError::Storage(StorageError::Io(error))))
            if !matches!(
                error.kind(),
                io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
            ) =>
        {
            Err(OpenError::Io { name, error })
        }
        Ok(Err(error)) => Err(OpenError::Damaged {
            name,
            reason: error.to_string(),
        }),
        Err(_) => Err(OpenError::Damaged {
            name,
            reason: "its pages contradict each other".to_owned(),
        }),
    }
}

/// First bytes of every file of this kind.
const MAGIC: [u8; 9] = *b"redb\x1a\x0a\xa9\x0d\x0a";

/// A file that can be written to without being changed.
#[derive(Debug)]
struct Overlay {
    file: Box<dyn StorageBackend>,
    over: Mutex<Over>,
}

#[derive(Debug)]
struct Over {
    len: u64,
    /// Up to here the file shows through.
    kept: u64,
    pages: BTreeMap<u64, Vec<u8>>,
}

const PAGE: u64 = 4096;

impl Overlay {
    fn new(file: Box<dyn StorageBackend>, len: u64) -> Self {
        let over = Mutex::new(Over {
            len,
            kept: len,
            pages: BTreeMap::new(),
        });
        Self { file, over }
    }

    /// A page of the file as it shows through, zero beyond its end.
    fn below(&self, over: &Over, page: u64, out: &mut [u8]) -> io::Result<()> {
        let start = page * PAGE;
        let there = over.kept.saturating_sub(start).min(PAGE);
        let there = usize::try_from(there).unwrap_or_default();
        self.file.read(start, &mut out[..there])?;
        out[there..].fill(0);
        Ok(())
    }
}

impl StorageBackend for Overlay {
    fn len(&self) -> io::Result<u64> {
        Ok(self.over.lock().unwrap().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let over = self.over.lock().unwrap();
        let end = offset + out.len() as u64;
        if end > over.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let pages = offset / PAGE..end.div_ceil(PAGE);
        let is_untouched = over.pages.range(pages.clone()).next().is_none();
        if is_untouched && end <= over.kept {
            return self.file.read(offset, out);
        }
        let mut page = vec![0; usize::try_from(PAGE).unwrap_or_default()];
        for number in pages {
            match over.pages.get(&number) {
                Some(written) => page.copy_from_slice(written),
                None => self.below(&over, number, &mut page)?,
            }
            let (from, to, within) = overlap(number, offset, end);
            out[from..to].copy_from_slice(&page[within..within + (to - from)]);
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut over = self.over.lock().unwrap();
        over.kept = over.kept.min(len);
        over.len = len;
        over.pages.retain(|number, _| number * PAGE < len);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut over = self.over.lock().unwrap();
        let end = offset + data.len() as u64;
        for number in offset / PAGE..end.div_ceil(PAGE) {
            let mut page = vec![0; usize::try_from(PAGE).unwrap_or_default()];
            match over.pages.remove(&number) {
                Some(written) => page = written,
                None => self.below(&over, number, &mut page)?,
            }
            let (from, to, within) = overlap(number, offset, end);
            page[within..within + (to - from)].copy_from_slice(&data[from..to]);
            over.pages.insert(number, page);
        }
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }
}

/// Where a page meets a span of bytes: from and to within the span, from within the page.
fn overlap(page: u64, offset: u64, end: u64) -> (usize, usize, usize) {
    let start = (page * PAGE).max(offset);
    let stop = ((page + 1) * PAGE).min(end);
    let within = |at: u64, base: u64| usize::try_from(at - base).unwrap_or_default();
    (
        within(start, offset),
        within(stop, offset),
        within(start, page * PAGE),
    )
}

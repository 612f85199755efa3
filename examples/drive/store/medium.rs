//! What a store is written on: a file in a folder, or what stands for it in a test.

use super::OpenError;
use redb::backends::FileBackend;
use redb::{BackendError, StorageBackend};
use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// What a store is written on.
pub trait Medium: Send + 'static {
    /// Its name, for people.
    fn name(&self) -> String;

    /// Whether there is a store.
    ///
    /// # Errors
    ///
    /// The system's.
    fn exists(&self) -> io::Result<bool>;

    /// The store that there is.
    ///
    /// # Errors
    ///
    /// The system's.
    fn open(&self) -> io::Result<Box<dyn StorageBackend>>;

    /// A blank one, which nobody opens before [`Self::adopt`].
    ///
    /// # Errors
    ///
    /// The system's.
    fn create(&self) -> io::Result<Box<dyn StorageBackend>>;

    /// Makes what was created the store that there is, at once and for good.
    ///
    /// # Errors
    ///
    /// The system's.
    fn adopt(&self) -> io::Result<()>;

    /// Bytes that are free on it.
    fn free(&self) -> u64;

    /// Bytes that the store takes up on it.
    fn spent(&self) -> u64;
}

/// A store in a folder: `outbox.redb`, and `outbox.lock` beside it while it is in use; or another
/// name than `outbox`.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    file: PathBuf,
    blank: PathBuf,
    _lock: File, // for as long as this lives
}

impl Folder {
    /// Makes the folder unless there is one, and keeps others from using the outbox in it.
    ///
    /// # Errors
    ///
    /// [`OpenError::InUse`] and [`OpenError::NotWritable`].
    pub fn new(folder: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::of(folder, "outbox")
    }

    /// The same for a store of that name.
    ///
    /// # Errors
    ///
    /// As [`Self::new`].
    pub fn of(folder: impl AsRef<Path>, name: &str) -> Result<Self, OpenError> {
        let folder = folder.as_ref().to_owned();
        let refused = |path: &Path| {
            let path = path.to_owned();
            |error| OpenError::NotWritable { path, error }
        };
        fs::create_dir_all(&folder).map_err(refused(&folder))?;
        let path = folder.join(format!("{name}.lock"));
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false);
        let lock = options.open(&path).map_err(refused(&path))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => OpenError::InUse(folder.clone()),
            TryLockError::Error(error) => refused(&path)(error),
        })?;
        let file = folder.join(format!("{name}.redb"));
        // Tells now what would else be told when the first record is lost.
        if file.exists() {
            let opened = OpenOptions::new().read(true).write(true).open(&file);
            opened.map_err(refused(&file))?;
        }
        Ok(Self {
            blank: folder.join(format!("{name}.new")),
            file,
            path: folder,
            _lock: lock,
        })
    }
}

impl Medium for Folder {
    fn name(&self) -> String {
        self.file.display().to_string()
    }

    fn exists(&self) -> io::Result<bool> {
        self.file.try_exists()
    }

    fn open(&self) -> io::Result<Box<dyn StorageBackend>> {
        backend(OpenOptions::new().read(true).write(true).open(&self.file)?)
    }

    fn create(&self) -> io::Result<Box<dyn StorageBackend>> {
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(true);
        backend(options.open(&self.blank)?)
    }

    fn adopt(&self) -> io::Result<()> {
        File::open(&self.blank)?.sync_all()?;
        fs::rename(&self.blank, &self.file)?;
        // A name is kept once its folder is.
        File::open(&self.path)?.sync_all()
    }

    fn free(&self) -> u64 {
        free(&self.path)
    }

    fn spent(&self) -> u64 {
        spent(&self.file)
    }
}

fn backend(file: File) -> io::Result<Box<dyn StorageBackend>> {
    let backend = FileBackend::new(file).map_err(io::Error::other)?;
    Ok(Box::new(backend))
}

#[cfg(unix)]
fn free(folder: &Path) -> u64 {
    rustix::fs::statvfs(folder).map_or(u64::MAX, |disk| disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(not(unix))]
fn free(_folder: &Path) -> u64 {
    u64::MAX
}

#[cfg(unix)]
fn spent(file: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    // Files grow in leaps that cost nothing until they are written to.
    fs::metadata(file).map_or(0, |file| file.blocks().saturating_mul(512))
}

#[cfg(not(unix))]
fn spent(file: &Path) -> u64 {
    fs::metadata(file).map_or(0, |file| file.len())
}

/// Passes everything on, and remembers how the last thing that failed did.
pub(crate) struct Watched {
    inner: Box<dyn StorageBackend>,
    trouble: Arc<Trouble>,
}

/// How the last thing that failed did.
#[derive(Debug, Default)]
pub(crate) struct Trouble(AtomicU8);

const NO_ROOM: u8 = 1;
const OTHER: u8 = 2;

impl Trouble {
    /// Whether it was a write for which there was no room; forgets it.
    pub(crate) fn was_no_room(&self) -> bool {
        self.0.swap(0, Ordering::Relaxed) == NO_ROOM
    }

    fn note<T>(&self, can_be_full: bool, result: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &result {
            let is_full = matches!(
                error.kind(),
                io::ErrorKind::StorageFull
                    | io::ErrorKind::QuotaExceeded
                    | io::ErrorKind::FileTooLarge
            );
            // After a failed sync nobody knows what is kept, whatever the reason.
            let what = if is_full && can_be_full {
                NO_ROOM
            } else {
                OTHER
            };
            self.0.store(what, Ordering::Relaxed);
        }
        result
    }
}

impl Watched {
    pub(crate) fn new(inner: Box<dyn StorageBackend>, trouble: Arc<Trouble>) -> Self {
        Self { inner, trouble }
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl StorageBackend for Watched {
    fn len(&self) -> io::Result<u64> {
        self.trouble.note(false, self.inner.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.trouble.note(false, self.inner.read(offset, out))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.trouble.note(true, self.inner.set_len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.trouble.note(false, self.inner.sync_data())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.trouble.note(true, self.inner.write(offset, data))
    }

    fn close(&self) -> io::Result<()> {
        self.inner.close()
    }

    fn try_lock_range(&self, from: Bound<u64>, to: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.try_lock_range(from, to)
    }

    fn try_lock_shared_range(
        &self,
        from: Bound<u64>,
        to: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.inner.try_lock_shared_range(from, to)
    }

    fn lock_range(&self, from: Bound<u64>, to: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_range(from, to)
    }

    fn lock_shared_range(&self, from: Bound<u64>, to: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_shared_range(from, to)
    }

    fn unlock_range(&self, from: Bound<u64>, to: Bound<u64>) -> Result<(), BackendError> {
        self.inner.unlock_range(from, to)
    }

    fn query_lock_range(&self, from: Bound<u64>, to: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.query_lock_range(from, to)
    }
}

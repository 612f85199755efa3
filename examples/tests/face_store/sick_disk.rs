//! A disk that fills up, or whose syncs fail.

use drive::store::{Folder, Medium};
use redb::StorageBackend;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};

/// A folder with ailments. Clones are the same disk.
#[derive(Clone)]
pub(crate) struct SickDisk {
    folder: Arc<Folder>,
    ailments: Arc<Mutex<Ailments>>,
}

/// What is wrong with a disk.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ailments {
    /// Syncs until one fails.
    pub(crate) sync_fails_in: Option<u32>,
    /// Bytes that can still be written.
    pub(crate) room: Option<u64>,
    /// What it says is free.
    pub(crate) free: Option<u64>,
}

struct Handle {
    inner: Box<dyn StorageBackend>,
    ailments: Arc<Mutex<Ailments>>,
}

impl SickDisk {
    pub(crate) fn new(folder: Folder) -> Self {
        Self {
            folder: Arc::new(folder),
            ailments: Arc::default(),
        }
    }

    pub(crate) fn suffer(&self, ailments: Ailments) {
        *self.ailments.lock().unwrap() = ailments;
    }

    fn handle(&self, inner: Box<dyn StorageBackend>) -> Box<dyn StorageBackend> {
        let ailments = Arc::clone(&self.ailments);
        Box::new(Handle { inner, ailments })
    }
}

impl Medium for SickDisk {
    fn name(&self) -> String {
        self.folder.name()
    }

    fn exists(&self) -> io::Result<bool> {
        self.folder.exists()
    }

    fn open(&self) -> io::Result<Box<dyn StorageBackend>> {
        Ok(self.handle(self.folder.open()?))
    }

    fn create(&self) -> io::Result<Box<dyn StorageBackend>> {
        Ok(self.handle(self.folder.create()?))
    }

    fn adopt(&self) -> io::Result<()> {
        self.folder.adopt()
    }

    fn free(&self) -> u64 {
        self.ailments.lock().unwrap().free.unwrap_or(1 << 40)
    }

    fn spent(&self) -> u64 {
        self.folder.spent()
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl StorageBackend for Handle {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.inner.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut ailments = self.ailments.lock().unwrap();
        if let Some(left) = &mut ailments.sync_fails_in {
            let Some(fewer) = left.checked_sub(1) else {
                ailments.sync_fails_in = None;
                return Err(io::Error::other("the disk has failed"));
            };
            *left = fewer;
        }
        self.inner.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut ailments = self.ailments.lock().unwrap();
        let is_new = offset + data.len() as u64 > 64 << 10;
        if let Some(room) = ailments.room.as_mut().filter(|_| is_new) {
            let left = room.checked_sub(data.len() as u64);
            *room = left.ok_or(io::ErrorKind::StorageFull)?;
        }
        self.inner.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.inner.close()
    }
}

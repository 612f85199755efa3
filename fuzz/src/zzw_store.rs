//! The broker's stores, in memory and on redb, beside a naive one.

#[path = "../../examples/tests/zzw_store/model.rs"]
mod model;

use crate::zzw_platform::store as naive;
use drive::store::Medium;
use drive::zzw::store::{Kept, Memory, Settings};
use model::{Answer, CAP, Step, Subject, World};
use redb::StorageBackend;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use zzw_push_proto::platform::{StoreOp, UnixMillis};

/// Whatever is asked, alone or together, at whatever time: both stores answer as a naive one does,
/// the one on disk also when it is closed or killed and opened again, and both keep as much.
pub fn ops(data: &[u8]) {
    let memory = Memory::new(settings());
    play(InMemory(memory), data);
    let disk = Disk::default();
    let kept = Some(disk.store());
    play(OnDisk { disk, kept }, data);
}

fn play(store: impl Subject, data: &[u8]) {
    let mut world = World::new(store);
    for step in data.chunks_exact(3).take(200) {
        if let [kind, a, b] = *step {
            world.step(Step(kind, a, b));
        }
    }
    world.settle();
}

/// What the naive store allows, on a disk as full as it likes.
fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.cap = CAP as u64;
    settings.reserve = 0;
    settings
}

struct InMemory(Memory);

impl Subject for InMemory {
    fn apply(&mut self, now: Instant, wall: UnixMillis, batch: &[StoreOp]) -> Vec<Answer> {
        let each = batch.iter().map(|op| self.0.execute(now, wall, op));
        each.collect()
    }

    fn reopen(&mut self, _crashes: bool) -> bool {
        false
    }

    fn messages(&self) -> u64 {
        self.0.figures().messages
    }
}

struct OnDisk {
    disk: Disk,
    /// None while it is closed.
    kept: Option<Kept>,
}

impl Subject for OnDisk {
    fn apply(&mut self, now: Instant, wall: UnixMillis, batch: &[StoreOp]) -> Vec<Answer> {
        let kept = self.kept.as_mut().expect("it is open");
        kept.tidy(now, wall);
        kept.apply(now, wall, batch)
    }

    fn reopen(&mut self, crashes: bool) -> bool {
        let kept = self.kept.take().expect("it is open");
        if crashes {
            drop(kept);
        } else {
            kept.close().expect("a disk that is well");
        }
        self.kept = Some(self.disk.store());
        true
    }

    fn messages(&self) -> u64 {
        let kept = self.kept.as_ref().expect("it is open");
        kept.figures().messages
    }
}

/// A disk in memory, on which nothing is lost. Clones are the same one.
#[derive(Debug, Clone, Default)]
struct Disk(Arc<Mutex<Files>>);

#[derive(Debug, Default)]
struct Files {
    store: Option<File>,
    blank: File,
}

/// Clones are the same one.
#[derive(Debug, Clone, Default)]
struct File(Arc<Mutex<Vec<u8>>>);

impl Disk {
    fn store(&self) -> Kept {
        Kept::open(self.clone(), settings()).expect("a disk that is well")
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Medium for Disk {
    fn name(&self) -> String {
        "the disk".to_owned()
    }

    fn exists(&self) -> io::Result<bool> {
        Ok(self.files().store.is_some())
    }

    fn open(&self) -> io::Result<Box<dyn StorageBackend>> {
        let store = self.files().store.clone();
        Ok(Box::new(store.ok_or(io::ErrorKind::NotFound)?))
    }

    fn create(&self) -> io::Result<Box<dyn StorageBackend>> {
        let blank = File::default();
        self.files().blank = blank.clone();
        Ok(Box::new(blank))
    }

    fn adopt(&self) -> io::Result<()> {
        let mut files = self.files();
        files.store = Some(std::mem::take(&mut files.blank));
        Ok(())
    }

    fn free(&self) -> u64 {
        u64::MAX
    }

    fn spent(&self) -> u64 {
        let store = self.files().store.clone();
        store.map_or(0, |store| store.bytes().len() as u64)
    }
}

impl File {
    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StorageBackend for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.bytes().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let (bytes, start) = (self.bytes(), place(offset));
        let there = bytes.get(start..start + out.len());
        out.copy_from_slice(there.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.bytes().resize(place(len), 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let (mut bytes, start) = (self.bytes(), place(offset));
        let there = bytes.get_mut(start..start + data.len());
        there
            .ok_or(io::ErrorKind::UnexpectedEof)?
            .copy_from_slice(data);
        Ok(())
    }
}

fn place(offset: u64) -> usize {
    usize::try_from(offset).expect("a disk in memory")
}

//! A disk whose power can be cut.
//!
//! What is written since the last sync is kept or not sector by sector, each in any of the versions
//! it has had since, and the file has any of the lengths it has had since. Sectors are whole, a sync
//! that returned is true, and no bit rots.
#![allow(dead_code, reason = "each test program uses its part")]

use drive::faces::Dice;
use drive::store::Medium;
use redb::StorageBackend;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

const SECTOR: usize = 512;

/// Clones are the same disk.
#[derive(Clone)]
pub(crate) struct CutDisk(Arc<Mutex<Disk>>);

struct Disk {
    is_honest: bool,
    file: Option<Platter>,
    blank: Platter,
    /// Writes and syncs until the power is cut.
    left: Option<u64>,
    is_off: bool,
    /// Bytes read so far.
    read: u64,
    written: u64,
}

#[derive(Default)]
struct Platter {
    kept: Vec<u8>,
    seen: Vec<u8>,
    lengths: Vec<usize>,
    sectors: BTreeMap<usize, Vec<Vec<u8>>>,
}

struct Handle {
    disk: CutDisk,
    is_blank: bool,
}

impl CutDisk {
    /// An empty disk. One that is not honest does nothing when it is told to sync.
    pub(crate) fn new(is_honest: bool) -> Self {
        Self(Arc::new(Mutex::new(Disk {
            is_honest,
            file: None,
            blank: Platter::default(),
            left: None,
            is_off: false,
            read: 0,
            written: 0,
        })))
    }

    /// Cuts the power at a write or sync from now, not long after so many.
    pub(crate) fn cut_after(&self, operations: u64) {
        self.disk().left = Some(operations);
    }

    pub(crate) fn bytes_read(&self) -> u64 {
        self.disk().read
    }

    pub(crate) fn bytes_written(&self) -> u64 {
        self.disk().written
    }

    pub(crate) fn is_off(&self) -> bool {
        self.disk().is_off
    }

    /// Takes the power away now, if it is not gone yet, and gives it back.
    pub(crate) fn cycle(&self, dice: &mut Dice) {
        let mut disk = self.disk();
        (disk.left, disk.is_off) = (None, false);
        disk.blank = Platter::default();
        if let Some(file) = &mut disk.file {
            file.settle(dice);
        }
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap()
    }
}

impl Disk {
    /// Counts an operation. The one at which the power goes may still have reached the disk.
    fn tick(&mut self) -> io::Result<()> {
        if self.is_off {
            return Err(io::Error::other("the power is off"));
        }
        if let Some(left) = &mut self.left {
            self.is_off = *left == 0;
            *left = left.saturating_sub(1);
        }
        Ok(())
    }

    fn done(&self) -> io::Result<()> {
        if self.is_off {
            return Err(io::Error::other("the power goes off"));
        }
        Ok(())
    }

    fn platter(&mut self, is_blank: bool) -> &mut Platter {
        if is_blank {
            &mut self.blank
        } else {
            self.file.as_mut().unwrap()
        }
    }
}

impl Platter {
    fn write(&mut self, offset: usize, data: &[u8]) {
        self.seen[offset..offset + data.len()].copy_from_slice(data);
        for sector in offset / SECTOR..(offset + data.len()).div_ceil(SECTOR) {
            let end = (sector * SECTOR + SECTOR).min(self.seen.len());
            let version = self.seen[sector * SECTOR..end].to_vec();
            self.sectors.entry(sector).or_default().push(version);
        }
    }

    fn set_len(&mut self, len: usize) {
        // What is cut off is zero if the file grows again.
        for sector in len / SECTOR..self.seen.len().div_ceil(SECTOR) {
            let zero = vec![0; SECTOR];
            self.sectors.entry(sector).or_default().push(zero);
        }
        self.seen.resize(len, 0);
        self.lengths.push(len);
        if len > 0 && !len.is_multiple_of(SECTOR) {
            let start = len / SECTOR * SECTOR;
            let version = self.seen[start..].to_vec();
            self.sectors.entry(len / SECTOR).or_default().push(version);
        }
    }

    fn sync(&mut self) {
        self.lengths.clear();
        self.kept.resize(self.seen.len(), 0);
        for (sector, _) in std::mem::take(&mut self.sectors) {
            let start = sector * SECTOR;
            let end = (start + SECTOR).min(self.seen.len());
            if start < end {
                self.kept[start..end].copy_from_slice(&self.seen[start..end]);
            }
        }
    }

    fn settle(&mut self, dice: &mut Dice) {
        let choice = dice.below(self.lengths.len() + 1);
        if let Some(&len) = self.lengths.get(choice) {
            self.kept.resize(len, 0);
        }
        self.lengths.clear();
        for (sector, versions) in std::mem::take(&mut self.sectors) {
            let start = sector * SECTOR;
            let Some(version) = versions.get(dice.below(versions.len() + 1)) else {
                continue;
            };
            let end = (start + version.len()).min(self.kept.len());
            if start < end {
                self.kept[start..end].copy_from_slice(&version[..end - start]);
            }
        }
        self.seen.clone_from(&self.kept);
    }
}

impl Medium for CutDisk {
    fn name(&self) -> String {
        "the disk".to_owned()
    }

    fn exists(&self) -> io::Result<bool> {
        Ok(self.disk().file.is_some())
    }

    fn open(&self) -> io::Result<Box<dyn StorageBackend>> {
        let (disk, is_blank) = (self.clone(), false);
        Ok(Box::new(Handle { disk, is_blank }))
    }

    fn create(&self) -> io::Result<Box<dyn StorageBackend>> {
        self.disk().blank = Platter::default();
        let (disk, is_blank) = (self.clone(), true);
        Ok(Box::new(Handle { disk, is_blank }))
    }

    fn adopt(&self) -> io::Result<()> {
        let mut disk = self.disk();
        disk.tick()?;
        disk.done()?;
        let mut blank = std::mem::take(&mut disk.blank);
        blank.sync();
        disk.file = Some(blank);
        Ok(())
    }

    fn free(&self) -> u64 {
        u64::MAX
    }

    fn spent(&self) -> u64 {
        let file = &self.disk().file;
        file.as_ref().map_or(0, |file| file.seen.len() as u64)
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the disk")
    }
}

impl StorageBackend for Handle {
    fn len(&self) -> io::Result<u64> {
        let mut disk = self.disk.disk();
        disk.done()?;
        Ok(disk.platter(self.is_blank).seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut disk = self.disk.disk();
        disk.done()?;
        disk.read += out.len() as u64;
        let seen = &disk.platter(self.is_blank).seen;
        let start = usize::try_from(offset).unwrap();
        let there = seen.get(start..start + out.len());
        out.copy_from_slice(there.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut disk = self.disk.disk();
        disk.tick()?;
        let platter = disk.platter(self.is_blank);
        platter.set_len(usize::try_from(len).unwrap());
        disk.done()
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut disk = self.disk.disk();
        disk.tick()?;
        disk.done()?;
        if disk.is_honest {
            disk.platter(self.is_blank).sync();
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut disk = self.disk.disk();
        disk.tick()?;
        disk.written += data.len() as u64;
        let platter = disk.platter(self.is_blank);
        platter.write(usize::try_from(offset).unwrap(), data);
        disk.done()
    }
}

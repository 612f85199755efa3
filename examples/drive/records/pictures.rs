//! Pictures as files named by what is in them.

use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::thread;

/// A folder of pictures, `HASH.jpg` each, where `HASH` is what `sha256sum` prints.
///
/// A picture is written under a temporary name, synced, renamed, and the folder is synced, before
/// any row may name it. What bears its final name is therefore whole, after a power cut, too; what
/// bears a temporary one belongs to nobody and goes when the folder is opened.
#[derive(Debug)]
pub(super) struct Pictures {
    folder: PathBuf,
    written: u64, // tells temporary names apart
}

impl Pictures {
    /// Opens a folder, which is made if it is not there.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        if !folder.is_dir() {
            fs::create_dir_all(folder)?;
            sync_folder(folder.parent().unwrap_or(folder))?;
        }
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_name().map(|name| name.to_string_lossy());
            if name.is_some_and(|name| name.starts_with(TEMPORARY)) {
                fs::remove_file(&path)?;
            }
        }
        Ok(Self {
            folder: folder.to_owned(),
            written: 0,
        })
    }

    /// Tries whether a file can be made in it. That there is no room for one is no reason not to
    /// start: terminals wait until there is.
    pub(super) fn probe(&self) -> io::Result<()> {
        let path = self.folder.join(format!("{TEMPORARY}0"));
        match File::create(&path) {
            Ok(_) => fs::remove_file(&path),
            Err(error) if error.kind() == io::ErrorKind::StorageFull => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Keeps pictures. When this returns, they survive a power cut; if it fails, nothing may name
    /// them.
    pub(super) fn keep(&mut self, pictures: &BTreeMap<&str, &[u8]>) -> io::Result<()> {
        if pictures.is_empty() {
            return Ok(());
        }
        let mut new = Vec::with_capacity(pictures.len());
        let kept = self.write(pictures, &mut new);
        if kept.is_err() {
            // Whether these would survive is unknown, and one that is there is not written again.
            for (temporary, path, _) in &new {
                let _ = fs::remove_file(temporary);
                let _ = fs::remove_file(path);
            }
        }
        kept
    }

    /// An error with the folder in which it happened.
    pub(super) fn name(&self, error: &io::Error) -> String {
        format!("{}: {error}", self.folder.display())
    }

    /// A picture that is kept.
    pub(super) fn read(&self, hash: &str) -> io::Result<Vec<u8>> {
        fs::read(self.path(hash))
    }

    fn write(
        &mut self,
        pictures: &BTreeMap<&str, &[u8]>,
        new: &mut Vec<(PathBuf, PathBuf, File)>,
    ) -> io::Result<()> {
        for (hash, jpeg) in pictures {
            let path = self.path(hash);
            if path.exists() {
                continue;
            }
            self.written = self.written.wrapping_add(1);
            let temporary = self.folder.join(format!("{TEMPORARY}{}", self.written));
            let file = File::create(&temporary)?;
            new.push((temporary, path, file));
            if let Some((_, _, file)) = new.last_mut() {
                file.write_all(jpeg)?;
            }
        }
        sync_all(new)?;
        for (temporary, path, _) in &*new {
            fs::rename(temporary, path)?;
        }
        // Also if all were there: the process that renamed them may have been killed before this.
        sync_folder(&self.folder)
    }

    fn path(&self, hash: &str) -> PathBuf {
        self.folder.join(format!("{hash}.jpg"))
    }
}

/// The name of a picture: SHA-256, in hexadecimal digits.
pub(super) fn hash(jpeg: &[u8]) -> String {
    let digits = b"0123456789abcdef";
    let digest = Sha256::digest(jpeg);
    let nibbles = digest.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    nibbles
        .map(|nibble| char::from(digits[usize::from(nibble)]))
        .collect()
}

/// What makes a new name in a folder, or the lack of an old one, survive a power cut.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    File::open(folder)?.sync_all()
}

/// How the names of files begin that are not whole yet.
const TEMPORARY: &str = ".new-";

/// Most threads that wait for the disk at a time.
const SYNCING: usize = 32;

/// Syncs files side by side: the file system puts what waits into one commit of its journal.
///
/// One after the other takes 20 times as long on a disk that others use, too. One `syncfs` for all
/// takes two thirds of the time where nothing else writes and twice the time where something does,
/// since it waits for everyone's data; and before Linux 5.8 it told of no failure.
fn sync_all(files: &[(PathBuf, PathBuf, File)]) -> io::Result<()> {
    let each = NonZeroUsize::new(files.len().div_ceil(SYNCING)).unwrap_or(NonZeroUsize::MIN);
    let sync = |files: &[(PathBuf, PathBuf, File)]| {
        files.iter().try_for_each(|(_, _, file)| file.sync_all())
    };
    thread::scope(|scope| {
        let mut shares = files.chunks(each.get());
        let own = shares.next().unwrap_or_default();
        let others: Vec<_> = shares
            .map(|share| scope.spawn(move || sync(share)))
            .collect();
        let own = sync(own);
        others.into_iter().fold(own, |synced, other| {
            synced.and(
                other
                    .join()
                    .unwrap_or_else(|_| Err(io::Error::other("panicked"))),
            )
        })
    })
}

//! A folder for the time that the demo runs.

use crate::clock::unix_now;
use std::fs::{self, DirBuilder};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A folder among the system's temporary ones, that nobody else can look into. Dropped, it is
/// removed with all that is in it.
#[derive(Debug)]
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// Makes an empty one.
    ///
    /// # Errors
    ///
    /// If none can be made there.
    pub(super) fn new() -> io::Result<Self> {
        // One process may make several within a millisecond.
        static MADE: AtomicU64 = AtomicU64::new(0);
        let nth = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("both-ends-{}-{}-{nth}", std::process::id(), unix_now().0);
        let path = std::env::temp_dir().join(name);
        let mut builder = DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path).map_err(|error| {
            let text = format!("cannot make the folder {}: {error}", path.display());
            io::Error::new(error.kind(), text)
        })?;
        Ok(Self(path))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed now, the system tidies up some day.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_is_gone_with_all_that_was_in_it() -> io::Result<()> {
        let scratch = Scratch::new()?;
        let path = scratch.path().to_owned();
        fs::create_dir(path.join("inner"))?;
        fs::write(path.join("inner/file"), "x")?;
        drop(scratch);
        assert!(!path.exists());
        Ok(())
    }
}

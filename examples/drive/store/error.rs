//! Why a store cannot be opened.

use std::io;
use std::path::PathBuf;

/// Why a store cannot be opened. Whatever the reason, its file is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another program, or another part of this one, has it open.
    #[error("{} is already in use: end the program that uses it, or choose another folder", .0.display())]
    InUse(PathBuf),
    /// The folder cannot be written to.
    #[error("cannot write to {}: {error}; choose a folder that this user may write to", path.display())]
    NotWritable {
        /// The folder, or the file in it.
        path: PathBuf,
        /// The system's word.
        error: io::Error,
    },
    /// The file belongs to another program.
    #[error("{0} belongs to another program: move it away, or choose another folder")]
    Foreign(String),
    /// A later version of this program wrote it.
    #[error(
        "{name} was written by a later version ({version}): use that version, or choose another folder"
    )]
    Newer {
        /// The file.
        name: String,
        /// What it says of itself.
        version: String,
    },
    /// The file is damaged.
    #[error(
        "{name} is damaged: {reason}; restore it from a copy, or move it away to begin a new one"
    )]
    Damaged {
        /// The file.
        name: String,
        /// What is wrong, as far as it can be told.
        reason: String,
    },
    /// The disk did not do as it was told.
    #[error("cannot open {name}: {error}; check the disk")]
    Io {
        /// The file.
        name: String,
        /// The system's word.
        error: io::Error,
    },
}

impl From<OpenError> for io::Error {
    fn from(error: OpenError) -> Self {
        Self::other(error)
    }
}

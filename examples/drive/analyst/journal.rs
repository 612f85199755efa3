//! Records of tasks on the disk, written in groups.

use analyst_proto::link::Seq;
use redb::{Database, Durability, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use std::io;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use thiserror::Error;
use tokio::sync::mpsc;

/// Task, run, and a number that is never used twice.
type Key = (u64, u32, u64);

const RECORDS: TableDefinition<'_, Key, &[u8]> = TableDefinition::new("records");
const ABOUT: TableDefinition<'_, &str, &str> = TableDefinition::new("about");

/// A store of records. Dropped, it finishes what it was asked for.
#[derive(Debug)]
pub(super) struct Journal {
    requests: Option<std::sync::mpsc::Sender<(Seq, Write)>>,
    writer: Option<JoinHandle<()>>,
}

/// What is to be written.
#[derive(Debug)]
pub(super) enum Write {
    /// A record of a task and run.
    Put {
        /// Number of the task.
        id: u64,
        /// Number of the run; 0 where there is none.
        run: u32,
        /// Its content.
        record: Vec<u8>,
    },
    /// No records of a task up to this run.
    Erase {
        /// Number of the task.
        id: u64,
        /// Number of the last run.
        run: u32,
    },
}

/// What became of a request: done, or why not.
pub(super) type Written = (Seq, Result<(), String>);

/// What a store held when it was opened.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) journal: Journal,
    /// Its records, in the order in which they were written.
    pub(super) records: Vec<Vec<u8>>,
    pub(super) answers: mpsc::UnboundedReceiver<Written>,
}

/// Why a store cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another program has it.
    #[error("{0} is in use: end the other program, or name another folder")]
    InUse(PathBuf),
    /// It is somebody else's.
    #[error("{path} belongs to {owner}: name another folder")]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        owner: String,
    },
    /// It cannot be read.
    #[error("{path}: {why}; nothing was changed")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// The system refuses.
    #[error("{path}: {error}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What it says.
        error: io::Error,
    },
}

impl Journal {
    /// Opens the store in a folder, which is made if it is not there. `owner` says whose it is.
    pub(super) fn open(folder: &Path, owner: &str) -> Result<Opened, OpenError> {
        let io = |error| OpenError::Io {
            path: folder.to_owned(),
            error,
        };
        std::fs::create_dir_all(folder).map_err(io)?;
        let path = folder.join("tasks.redb");
        let damaged = |error: redb::Error| match error {
            redb::Error::DatabaseAlreadyOpen => OpenError::InUse(path.clone()),
            redb::Error::Io(error) => OpenError::Io {
                path: path.clone(),
                error,
            },
            error => OpenError::Damaged {
                path: path.clone(),
                why: error.to_string(),
            },
        };
        let database = Database::create(&path).map_err(|error| damaged(error.into()))?;
        let found = claim(&database, owner).map_err(damaged)?;
        if let Some(other) = found {
            return Err(OpenError::Foreign { path, owner: other });
        }
        let (records, next) = load(&database).map_err(damaged)?;
        let (requests, asked) = std::sync::mpsc::channel();
        // What is pending is bounded by the machine.
        let (done, answers) = mpsc::unbounded_channel();
        let writer = thread::Builder::new()
            .name("analyst-store".to_owned())
            .spawn(move || {
                let database = Some(database);
                let mut writer = Writer {
                    path,
                    database,
                    next,
                };
                writer.run(&asked, &done);
            })
            .map_err(io)?;
        Ok(Opened {
            journal: Self {
                requests: Some(requests),
                writer: Some(writer),
            },
            records,
            answers,
        })
    }

    /// Asks for something.
    pub(super) fn ask(&self, seq: Seq, write: Write) {
        if let Some(requests) = &self.requests {
            // Its thread ends only with this.
            let _ = requests.send((seq, write));
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

/// Whose it is, if that is somebody else.
fn claim(database: &Database, owner: &str) -> Result<Option<String>, redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut about = transaction.open_table(ABOUT)?;
        let known = about.get("owner")?.map(|known| known.value().to_owned());
        match known {
            Some(other) if other != owner => return Ok(Some(other)),
            Some(_) => {}
            None => drop(about.insert("owner", owner)?),
        }
        transaction.open_table(RECORDS)?;
    }
    transaction.commit()?;
    Ok(None)
}

/// All records in order, and the number of the next one.
fn load(database: &Database) -> Result<(Vec<Vec<u8>>, u64), redb::Error> {
    let transaction = database.begin_read()?;
    let table = transaction.open_table(RECORDS)?;
    let mut records = Vec::new();
    for entry in table.iter()? {
        let (key, record) = entry?;
        records.push((key.value().2, record.value().to_vec()));
    }
    records.sort_unstable_by_key(|(number, _)| *number);
    let next = records.last().map_or(0, |(number, _)| number + 1);
    Ok((
        records.into_iter().map(|(_, record)| record).collect(),
        next,
    ))
}

/// Carries out what is asked for.
struct Writer {
    path: PathBuf,
    database: Option<Database>, // none once it has failed
    next: u64,                  // number of the next record
}

impl Writer {
    /// Writes whatever is asked for, all that waits in one transaction.
    fn run(
        &mut self,
        asked: &std::sync::mpsc::Receiver<(Seq, Write)>,
        done: &mpsc::UnboundedSender<Written>,
    ) {
        while let Ok(first) = asked.recv() {
            let batch: Vec<(Seq, Write)> = std::iter::once(first).chain(asked.try_iter()).collect();
            let outcome = self.write(&batch).map_err(|error| error.to_string());
            if outcome.is_err() {
                // It does nothing more after that. Opened anew it is as it was after the last
                // transaction that it has carried out, or this one.
                self.database = None;
            }
            for (seq, _) in batch {
                let _ = done.send((seq, outcome.clone()));
            }
        }
    }

    fn write(&mut self, batch: &[(Seq, Write)]) -> Result<(), redb::Error> {
        let database = match &self.database {
            Some(database) => database,
            None => self.database.insert(Database::open(&self.path)?),
        };
        let mut transaction = database.begin_write()?;
        transaction
            .set_durability(Durability::Immediate)
            .map_err(|error| redb::Error::Io(io::Error::other(error.to_string())))?;
        {
            let mut table = transaction.open_table(RECORDS)?;
            for (_, write) in batch {
                match write {
                    Write::Put { id, run, record } => {
                        table.insert((*id, *run, self.next), record.as_slice())?;
                        self.next += 1;
                    }
                    Write::Erase { id, run } => {
                        table.retain_in((*id, 0, 0)..=(*id, *run, u64::MAX), |_, _| false)?;
                    }
                }
            }
        }
        transaction.commit()?;
        Ok(())
    }
}

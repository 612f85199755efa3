//! The terminal's outbox on disk: what is kept survives a power cut, what is lost is written down.
//!
//! One file in one folder, opened by one program at a time. A thread owns it: it commits everything
//! that waits in one transaction, and then answers.

mod error;
mod medium;
mod outbox;
mod probe;
mod tables;

pub use error::OpenError;
pub use medium::{Folder, Medium};
pub(crate) use medium::{Trouble, Watched};
pub use outbox::Outbox;
pub(crate) use probe::{Judged, probe};

use face_record_push::device::{Input, Op, OpId, Recovered, StoreError};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A store with a thread of its own. Dropped, it is closed as [`Self::close`] does.
#[derive(Debug)]
pub struct Store {
    asks: Option<Sender<Asked>>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

/// What the thread is told.
#[derive(Debug)]
enum Asked {
    Op(OpId, Op),
    Hurry,
}

/// What a store allows itself.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// Bytes of the disk that are left for others: records that would go into them are answered with
    /// [`StoreError::Full`]; 256 MiB.
    pub reserve: u64,
    /// Memory for pages, in bytes; 16 MiB.
    pub cache: usize,
    /// Most losses that are kept one by one; 1,024. Beyond that the oldest of one reason become one.
    /// At least 4.
    pub max_losses: usize,
    /// Acknowledged records that are forgotten together; 32. A terminal stops posting at 64.
    pub advances: u64,
    /// Longest time for which they are not; 1 s.
    pub advance_delay: Duration,
    /// A file that is this much larger than it need be is made smaller when there is time, in bytes;
    /// 16 MiB.
    pub compact_above: u64,
    /// Shortest time between two such occasions; 10 min.
    pub compact_every: Duration,
    /// How long nothing must have happened if there are records left; 60 s.
    pub compact_idle: Duration,
    /// Beyond so many bytes of records each transaction costs one sync more, so that opening after a
    /// power cut does not read them all; 64 MiB.
    pub quick_repair_above: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            reserve: 256 << 20,
            cache: 16 << 20,
            max_losses: 1024,
            advances: 32,
            advance_delay: Duration::from_secs(1),
            compact_above: 16 << 20,
            compact_every: Duration::from_mins(10),
            compact_idle: Duration::from_mins(1),
            quick_repair_above: 64 << 20,
        }
    }
}

impl Store {
    /// Opens the store on `medium`, or makes one. `answer` is called on the store's thread. An
    /// `Advance` may be answered after later requests, see [`Outbox::apply`].
    ///
    /// # Errors
    ///
    /// [`OpenError`]; what is there stays as it is.
    pub fn open(
        medium: impl Medium,
        settings: Settings,
        answer: impl FnMut(Input) + Send + 'static,
    ) -> Result<(Self, Recovered), OpenError> {
        let name = medium.name();
        let (outbox, recovered) = Outbox::open(medium, settings)?;
        let (asks, asked) = mpsc::channel();
        let thread = std::thread::Builder::new().name("store".to_owned());
        let thread = thread.spawn(move || run(outbox, &asked, answer));
        let thread = thread.map_err(|error| OpenError::Io { name, error })?;
        let store = Self {
            asks: Some(asks),
            thread: Some(thread),
        };
        Ok((store, recovered))
    }

    /// Asks for something; the answer comes later, whatever happens.
    pub fn submit(&self, id: OpId, op: Op) {
        // The thread lives for as long as this does.
        let _ = self.asks.as_ref().map(|asks| asks.send(Asked::Op(id, op)));
    }

    /// Asks for the answers that would else come later.
    pub fn hurry(&self) {
        let _ = self.asks.as_ref().map(|asks| asks.send(Asked::Hurry));
    }

    /// Carries out what was asked, and closes the file.
    ///
    /// # Errors
    ///
    /// If the store is broken: what was answered with `Stored` is kept even so.
    pub fn close(mut self) -> io::Result<()> {
        self.end()
    }

    fn end(&mut self) -> io::Result<()> {
        drop(self.asks.take());
        let ended = self.thread.take().map(JoinHandle::join);
        let panicked = |_| Err(io::Error::other("the store's thread has ended"));
        ended.map_or(Ok(()), |ended| ended.unwrap_or_else(panicked))
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

/// Most requests that one transaction carries out.
const BATCH: usize = 256;

fn run(
    mut outbox: Outbox,
    asked: &Receiver<Asked>,
    mut answer: impl FnMut(Input),
) -> io::Result<()> {
    loop {
        let wait = outbox.tidy_at().map(|at| at - Instant::now().min(at));
        let first = match wait {
            None => asked.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(wait) => asked.recv_timeout(wait),
        };
        let (mut batch, mut is_hurried) = (Vec::new(), false);
        let mut take = |asked| match asked {
            Asked::Op(id, op) => batch.push((id, op)),
            Asked::Hurry => is_hurried = true,
        };
        match first {
            Ok(first) => {
                take(first);
                asked.try_iter().take(BATCH - 1).for_each(take);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return outbox.close(),
        }
        work(&mut outbox, batch, is_hurried)
            .into_iter()
            .for_each(&mut answer);
    }
}

/// Does what is to be done. If the engine stumbles over a damaged page, the store is broken, but its
/// thread is not: nobody may wait for an answer in vain.
fn work(outbox: &mut Outbox, batch: Vec<(OpId, Op)>, is_hurried: bool) -> Vec<Input> {
    let ids: Vec<OpId> = batch.iter().map(|(id, _)| *id).collect();
    let worked = catch_unwind(AssertUnwindSafe(|| {
        let now = Instant::now();
        let mut answers = if batch.is_empty() {
            outbox.tidy(now)
        } else {
            outbox.apply(now, batch)
        };
        if is_hurried {
            answers.append(&mut outbox.flush());
        }
        answers
    }));
    worked.unwrap_or_else(|_| {
        let broken = |id| Input::StoreFailed(id, StoreError::Broken);
        let mut answers = outbox.break_off();
        answers.extend(ids.into_iter().map(broken));
        answers
    })
}

//! The thread that writes: whatever waits becomes one transaction.

use super::Db;
use face_record_push::platform::{Input, Novelty, Op, Seq, StoreError};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// A thread that keeps records. Dropped, it writes what it was given, and ends.
///
/// It takes what has queued up while it wrote, without waiting for more: one record alone is kept at
/// once, and the more terminals there are, the more of them share a sync of the disk.
#[derive(Debug)]
pub struct Writer {
    ops: Option<mpsc::Sender<Op>>,
    thread: Option<JoinHandle<Db>>,
    is_ending: Arc<AtomicBool>,
}

impl Writer {
    /// Starts it. The outcome of each transaction goes to `answer`, on that thread.
    pub fn start(db: Db, answer: impl FnMut(Vec<Input>) + Send + 'static) -> Self {
        let (ops, queue) = mpsc::channel();
        let is_ending = Arc::new(AtomicBool::new(false));
        let ending = Arc::clone(&is_ending);
        Self {
            ops: Some(ops),
            thread: Some(thread::spawn(move || run(db, &queue, &ending, answer))),
            is_ending,
        }
    }

    /// Asks for something to be kept, after everything asked for before.
    pub fn submit(&self, op: Op) {
        if let Some(ops) = &self.ops {
            // A thread that is gone has panicked, which `stop` tells.
            let _ = ops.send(op);
        }
    }

    /// Writes what is left and gives the database back.
    ///
    /// # Panics
    ///
    /// If the thread has panicked.
    pub fn stop(mut self) -> Db {
        self.end();
        let thread = self.thread.take().expect("only stop and drop take it");
        thread.join().expect("the writer panicked")
    }

    fn end(&mut self) {
        self.ops = None;
        self.is_ending.store(true, Ordering::Release);
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.end();
        let own = thread::current().id();
        // The last who knew of it may be the thread itself, with an answer.
        if let Some(thread) = self
            .thread
            .take()
            .filter(|other| other.thread().id() != own)
        {
            let _ = thread.join();
        }
    }
}

/// Most requests in one transaction.
const BATCH: usize = 64;

/// Most bytes of bodies in one transaction, but for the last.
const BATCH_BYTES: usize = 32 << 20;

/// How long to wait before a database that could not be opened is tried again.
const RETRY: Duration = Duration::from_millis(500);

fn run(
    mut db: Db,
    queue: &mpsc::Receiver<Op>,
    is_ending: &AtomicBool,
    mut answer: impl FnMut(Vec<Input>),
) -> Db {
    let mut batch = Vec::with_capacity(BATCH);
    while let Ok(op) = queue.recv() {
        let mut bytes = length(&op);
        batch.push(op);
        while batch.len() < BATCH && bytes < BATCH_BYTES {
            let Ok(op) = queue.try_recv() else { break };
            bytes += length(&op);
            batch.push(op);
        }
        answer(write(&mut db, &batch, is_ending));
        batch.clear();
    }
    db
}

fn write(db: &mut Db, batch: &[Op], is_ending: &AtomicBool) -> Vec<Input> {
    match db.write(batch) {
        Ok(kept) => stored(kept).collect(),
        // One that is too large for what room is left takes no other with it.
        Err(StoreError::Full) if batch.len() > 1 => {
            let alone = |op| write(db, op, is_ending);
            batch.chunks(1).flat_map(alone).collect()
        }
        Err(StoreError::Broken) => settle(db, batch, is_ending),
        Err(error) => failed(batch, error).collect(),
    }
}

/// Finds out what a write that failed has kept all the same.
///
/// Whoever was told that such an entry failed would see its repetition as known, and the application
/// would never hear of it. So nobody is told anything until the database is there again.
fn settle(db: &mut Db, batch: &[Op], is_ending: &AtomicBool) -> Vec<Input> {
    loop {
        if let Ok(kept) = db.settle(batch) {
            let is_kept = |op: &&Op| kept.iter().any(|(seq_kept, _)| Some(*seq_kept) == seq(op));
            let lost: Vec<Op> = batch.iter().filter(|op| !is_kept(op)).cloned().collect();
            let failures: Vec<Input> = failed(&lost, StoreError::Broken).collect();
            return stored(kept).chain(failures).collect();
        }
        if is_ending.load(Ordering::Acquire) {
            // Nobody hears of it any more; the journal tells the next receiver.
            return failed(batch, StoreError::Broken).collect();
        }
        thread::park_timeout(RETRY);
    }
}

fn stored(kept: Vec<(Seq, Novelty)>) -> impl Iterator<Item = Input> {
    let stored = |(seq, novelty)| Input::Stored(seq, novelty);
    kept.into_iter().map(stored)
}

fn failed(batch: &[Op], error: StoreError) -> impl Iterator<Item = Input> {
    let failed = move |seq| Input::StoreFailed(seq, error);
    batch.iter().filter_map(seq).map(failed)
}

fn seq(op: &Op) -> Option<Seq> {
    match op {
        Op::Keep(entry) => Some(entry.seq),
        Op::Quarantine(what) => Some(what.seq),
        _ => None,
    }
}

fn length(op: &Op) -> usize {
    match op {
        Op::Keep(entry) => entry.push.json().len(),
        Op::Quarantine(what) => what.raw.len(),
        _ => 0,
    }
}

//! The thread that writes: whatever waits becomes one transaction.

use super::Db;
use face_record_push::platform::{Input, Op, Seq, StoreError};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

/// A thread that keeps records. Dropped, it writes what it was given, and ends.
///
/// It takes what has queued up while it wrote, without waiting for more: one record alone is kept at
/// once, and the more terminals there are, the more of them share a sync of the disk.
#[derive(Debug)]
pub struct Writer {
    ops: Option<mpsc::Sender<Op>>,
    thread: Option<JoinHandle<Db>>,
}

impl Writer {
    /// Starts it. The outcome of each transaction goes to `answer`, on that thread.
    pub fn start(db: Db, answer: impl FnMut(Vec<Input>) + Send + 'static) -> Self {
        let (ops, queue) = mpsc::channel();
        Self {
            ops: Some(ops),
            thread: Some(thread::spawn(move || run(db, &queue, answer))),
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
        self.ops = None;
        let thread = self.thread.take().expect("only stop and drop take it");
        thread.join().expect("the writer panicked")
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.ops = None;
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

fn run(mut db: Db, queue: &mpsc::Receiver<Op>, mut answer: impl FnMut(Vec<Input>)) -> Db {
    let mut batch = Vec::with_capacity(BATCH);
    while let Ok(op) = queue.recv() {
        let mut bytes = length(&op);
        batch.push(op);
        while batch.len() < BATCH && bytes < BATCH_BYTES {
            let Ok(op) = queue.try_recv() else { break };
            bytes += length(&op);
            batch.push(op);
        }
        answer(write(&mut db, &batch));
        batch.clear();
    }
    db
}

fn write(db: &mut Db, batch: &[Op]) -> Vec<Input> {
    match db.write(batch) {
        Ok(kept) => {
            let stored = |(seq, novelty)| Input::Stored(seq, novelty);
            kept.into_iter().map(stored).collect()
        }
        // One that is too large for what room is left takes no other with it.
        Err(StoreError::Full) if batch.len() > 1 => {
            batch.chunks(1).flat_map(|op| write(db, op)).collect()
        }
        Err(error) => {
            let failed = |seq| Input::StoreFailed(seq, error);
            batch.iter().filter_map(seq).map(failed).collect()
        }
    }
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

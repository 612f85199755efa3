//! The thread that owns a store on disk: it commits what waits, and then answers.

use super::kept::Kept;
use super::{Answer, Figures, Settings, clocks, input};
use crate::store::{Medium, OpenError};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;
use zzw_push_proto::platform::{Appended, Input, Seq, StoreError, StoreOp, StoreReply};
use zzw_push_proto::wire::Text;

/// A store on disk with its thread.
#[derive(Debug)]
pub struct Thread {
    asks: Option<Sender<(Seq, StoreOp)>>,
    worker: Option<JoinHandle<io::Result<()>>>,
    shared: Arc<Shared>,
    max_waiting: usize,
}

/// What both sides see.
#[derive(Debug, Default)]
struct Shared {
    waiting: AtomicUsize,
    figures: Mutex<Figures>,
}

impl Thread {
    /// Opens the store on `medium`, or makes one. `answer` is called on its thread.
    ///
    /// # Errors
    ///
    /// [`OpenError`]; what is there stays as it is.
    pub fn start(
        medium: impl Medium,
        settings: Settings,
        answer: impl FnMut(Vec<Input>) + Send + 'static,
    ) -> Result<Self, OpenError> {
        let name = medium.name();
        let (group, max_waiting) = (settings.group.max(1), settings.max_waiting);
        let kept = Kept::open(medium, settings)?;
        let (asks, asked) = mpsc::channel();
        let shared = Arc::new(Shared::default());
        let worker = Worker {
            figures: kept.figures(),
            kept,
            asked,
            shared: Arc::clone(&shared),
            answer,
            group,
        };
        worker.publish();
        let thread = std::thread::Builder::new().name("broker store".to_owned());
        let thread = thread.spawn(move || worker.run());
        let thread = thread.map_err(|error| OpenError::Io { name, error })?;
        Ok(Self {
            asks: Some(asks),
            worker: Some(thread),
            shared,
            max_waiting,
        })
    }

    /// Asks for something; the answer is returned, or it comes later, whatever happens.
    pub fn submit(&self, seq: Seq, op: StoreOp) -> Option<Input> {
        let waiting = self.shared.waiting.fetch_add(1, Ordering::Relaxed);
        // Releases are few, and an alias that is not released would be shown for ever.
        let is_urgent = matches!(op, StoreOp::Release { .. });
        let refused = if !is_urgent && waiting >= self.max_waiting {
            StoreError::Full
        } else {
            let asks = self.asks.as_ref();
            if asks.is_some_and(|asks| asks.send((seq, op)).is_ok()) {
                return None;
            }
            StoreError::Unavailable
        };
        self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
        Some(Input::StoreFailed(seq, refused))
    }

    /// How it stands.
    pub fn figures(&self) -> Figures {
        let figures = self.shared.figures.lock();
        let mut figures = figures.unwrap_or_else(PoisonError::into_inner).clone();
        figures.waiting = self.shared.waiting.load(Ordering::Relaxed) as u64;
        figures
    }

    /// Carries out what was asked, and closes the file.
    ///
    /// # Errors
    ///
    /// If the store is broken: what was answered with a success is kept even so.
    pub fn close(mut self) -> io::Result<()> {
        self.end()
    }

    fn end(&mut self) -> io::Result<()> {
        drop(self.asks.take());
        // Whoever is answered may be the last who knows the store: its thread ends by itself.
        let here = std::thread::current().id();
        let other = |worker: &JoinHandle<_>| worker.thread().id() != here;
        let ended = self.worker.take().filter(other).map(JoinHandle::join);
        let panicked = |_| Err(io::Error::other("the store's thread has ended"));
        ended.map_or(Ok(()), |ended| ended.unwrap_or_else(panicked))
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

struct Worker<A> {
    kept: Kept,
    asked: Receiver<(Seq, StoreOp)>,
    shared: Arc<Shared>,
    figures: Figures,
    answer: A,
    group: usize,
}

impl<A: FnMut(Vec<Input>)> Worker<A> {
    /// Commits together what waits at one moment: what comes meanwhile waits for the next
    /// transaction, and what comes alone waits for nobody.
    fn run(mut self) -> io::Result<()> {
        loop {
            let wait = self.kept.tidy_at().map(|at| at - Instant::now().min(at));
            let first = match wait {
                None => self
                    .asked
                    .recv()
                    .map_err(|_| RecvTimeoutError::Disconnected),
                Some(wait) => self.asked.recv_timeout(wait),
            };
            match first {
                Ok(first) => {
                    let more = self.asked.try_iter().take(self.group - 1);
                    let (seqs, ops): (Vec<_>, Vec<_>) = std::iter::once(first).chain(more).unzip();
                    self.work(&seqs, &ops);
                }
                Err(RecvTimeoutError::Timeout) => {
                    let (now, wall) = clocks();
                    self.guarded(0, |kept| {
                        kept.tidy(now, wall);
                        Vec::new()
                    });
                }
                Err(RecvTimeoutError::Disconnected) => return self.kept.close(),
            }
            self.figures = self.kept.figures();
            self.publish();
        }
    }

    fn work(&mut self, seqs: &[Seq], ops: &[StoreOp]) {
        let (now, wall) = clocks();
        //= docs/spec/zzw-push-proto.md#store
        //# A store on disk MUST NOT confirm what a power cut could still undo.
        let answers = self.guarded(ops.len(), |kept| kept.apply(now, wall, ops));
        self.shared.waiting.fetch_sub(ops.len(), Ordering::Relaxed);
        let mut inputs = Vec::with_capacity(ops.len());
        for (seq, answer) in seqs.iter().zip(answers) {
            match answer {
                // The machine is told of many members bit by bit, so that it has time for others.
                Ok(StoreReply::Fanned { members, .. }) if members.len() > PART => {
                    (self.answer)(std::mem::take(&mut inputs));
                    let mut parts = parts(*seq, members).peekable();
                    while let Some(part) = parts.next() {
                        match parts.peek() {
                            Some(_) => (self.answer)(vec![part]),
                            None => inputs.push(part),
                        }
                    }
                }
                answer => inputs.push(input(*seq, answer)),
            }
        }
        (self.answer)(inputs);
    }

    /// If the engine stumbles over a damaged page, the store is broken, but its thread is not: nobody
    /// may wait for an answer in vain.
    //= docs/spec/zzw-push-proto.md#store
    //# Every request MUST be answered once, whatever becomes of the store.
    fn guarded(
        &mut self,
        answers: usize,
        work: impl FnOnce(&mut Kept) -> Vec<Answer>,
    ) -> Vec<Answer> {
        let kept = &mut self.kept;
        catch_unwind(AssertUnwindSafe(|| work(kept))).unwrap_or_else(|_| {
            self.kept.let_go("its pages contradict each other");
            vec![Err(StoreError::Unavailable); answers]
        })
    }

    fn publish(&self) {
        let figures = self.shared.figures.lock();
        *figures.unwrap_or_else(PoisonError::into_inner) = self.figures.clone();
    }
}

/// Members that are told together.
const PART: usize = 500;

/// An answer about many members, in parts.
pub fn parts(seq: Seq, members: Vec<(Text, Appended)>) -> impl Iterator<Item = Input> {
    let mut left = members.into_iter();
    std::iter::from_fn(move || {
        let members: Vec<_> = left.by_ref().take(PART).collect();
        let is_last = left.as_slice().is_empty();
        let part = StoreReply::Fanned { members, is_last };
        (!matches!(&part, StoreReply::Fanned { members, .. } if members.is_empty()))
            .then(|| Input::Stored(seq, part))
    })
}

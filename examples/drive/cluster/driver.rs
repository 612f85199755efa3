//! The store that several nodes share, as one node uses it.

use super::books::Books;
use super::worker::Worker;
use super::{Settings, server};
use crate::zzw::store::{self, Figures};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Instant;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use zzw_push_proto::platform::{Input, NodeId, NodeMessage, Seq, StoreError, StoreOp};

/// A store that several nodes share, with its thread.
#[derive(Debug)]
pub struct Cluster {
    asks: Option<UnboundedSender<Ask>>,
    worker: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
    max_waiting: usize,
    notes: Vec<String>,
}

/// What both sides see.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) waiting: AtomicUsize,
    /// Words to other nodes were lost: they are told so.
    pub(super) has_lost_words: AtomicBool,
    figures: Mutex<Figures>,
}

#[derive(Debug)]
pub(super) enum Ask {
    /// And since when.
    Store(Seq, StoreOp, Instant),
    /// And since when.
    Tell(NodeId, NodeMessage, Instant),
}

impl Cluster {
    /// Connects to `redis://[user:password@]host[:port][/database]`, and looks at the server. `answer` is called on the store's thread.
    ///
    /// # Errors
    ///
    /// A sentence for the user: Redis cannot be reached, is too old, would throw messages away, or has
    /// another time.
    pub fn start(
        url: &str,
        settings: Settings,
        limits: store::Settings,
        node: NodeId,
        answer: impl FnMut(Vec<Input>) + Send + 'static,
    ) -> io::Result<Self> {
        let server = server(url).map_err(io::Error::other)?;
        let shared = Arc::new(Shared::default());
        let max_waiting = limits.max_waiting;
        let (asks, asked) = unbounded_channel();
        let (begun, has_begun) = mpsc::channel();
        let worker = Worker::new(server, settings, limits, node, Arc::clone(&shared), answer);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let thread = std::thread::Builder::new().name("broker cluster".to_owned());
        let worker = thread.spawn(move || runtime.block_on(worker.run(asked, begun)))?;
        let notes = has_begun
            .recv()
            .map_err(|_| io::Error::other("the store's thread has ended"))??;
        Ok(Self {
            asks: Some(asks),
            worker: Some(worker),
            shared,
            max_waiting,
            notes,
        })
    }

    /// What the operator should know about the server, in sentences.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Asks for something; see [`crate::zzw::place::Store::submit`].
    pub fn submit(&self, seq: Seq, op: StoreOp) -> Option<Input> {
        let waiting = self.shared.waiting.fetch_add(1, Ordering::Relaxed);
        // These are few, and without them the node would lose its place.
        let is_urgent = matches!(op, StoreOp::Release { .. } | StoreOp::Renew { .. });
        let refused = if !is_urgent && waiting >= self.max_waiting {
            StoreError::Full
        } else if self.send(Ask::Store(seq, op, Instant::now())) {
            return None;
        } else {
            StoreError::Unavailable
        };
        self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
        Some(Input::StoreFailed(seq, refused))
    }

    /// Says something to another node, if that can be done; what matters of it is found otherwise if
    /// not.
    pub fn tell(&self, node: NodeId, message: NodeMessage) {
        let shared = &self.shared;
        let waiting = shared.waiting.fetch_add(1, Ordering::Relaxed);
        // They follow what has been kept, so there are about as many as requests.
        let is_full = waiting >= self.max_waiting.saturating_mul(2);
        if is_full || !self.send(Ask::Tell(node, message, Instant::now())) {
            shared.has_lost_words.store(true, Ordering::Relaxed);
            shared.waiting.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// How it stands.
    pub fn figures(&self) -> Figures {
        let mut figures = self.shared.figures().clone();
        figures.waiting = self.shared.waiting.load(Ordering::Relaxed) as u64;
        figures
    }

    /// Carries out what was asked, and gives the node's place up.
    ///
    /// # Errors
    ///
    /// If its thread has ended before.
    pub fn close(mut self) -> io::Result<()> {
        self.end()
    }

    fn send(&self, ask: Ask) -> bool {
        self.asks
            .as_ref()
            .is_some_and(|asks| asks.send(ask).is_ok())
    }

    fn end(&mut self) -> io::Result<()> {
        drop(self.asks.take());
        // Whoever is answered may be the last who knows the store: its thread ends by itself.
        let here = std::thread::current().id();
        let other = |worker: &JoinHandle<_>| worker.thread().id() != here;
        let ended = self.worker.take().filter(other).map(JoinHandle::join);
        let panicked = |_| Err(io::Error::other("the store's thread has ended"));
        ended.map_or(Ok(()), |ended| ended.map_or_else(panicked, Ok))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

impl Shared {
    pub(super) fn figures(&self) -> MutexGuard<'_, Figures> {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ask {
    pub(super) fn is_for_many(&self) -> bool {
        matches!(self, Self::Store(_, op, _) if Books::is_for_many(op))
    }
}

//! Where a broker keeps things: in memory, in a file, or in Redis, where other brokers keep theirs.
//!
//! All do the same for every request, see [`Store::submit`].

use super::store::{Figures, Folder, Medium, Memory, OpenError, Settings, Thread, clocks, input};
use crate::cluster::{self, Cluster};
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use zzw_push_proto::platform::{Input, NodeId, NodeMessage, Seq, StoreOp};

/// What keeps the broker's messages. Dropped, it is closed as [`Self::close`] does.
#[derive(Debug)]
pub struct Store(Place);

#[derive(Debug)]
enum Place {
    Memory(Box<Mutex<Memory>>),
    Disk(Thread),
    Shared(Cluster),
}

impl Store {
    /// A store in memory. It answers at once, so `answer` is never called.
    pub fn memory(settings: Settings, answer: impl FnMut(Vec<Input>) + Send + 'static) -> Self {
        drop(answer);
        let memory = Memory::new(settings);
        Self(Place::Memory(Box::new(Mutex::new(memory))))
    }

    /// Opens the store in a folder, or makes one: `broker.redb`, and `broker.lock` beside it while it
    /// is in use. `answer` is called on the store's thread.
    ///
    /// # Errors
    ///
    /// [`OpenError`]; what is there stays as it is.
    pub fn open(
        folder: impl AsRef<Path>,
        settings: Settings,
        answer: impl FnMut(Vec<Input>) + Send + 'static,
    ) -> Result<Self, OpenError> {
        Self::open_on(Folder::of(folder, "broker")?, settings, answer)
    }

    /// The same for a store on `medium`.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub fn open_on(
        medium: impl Medium,
        settings: Settings,
        answer: impl FnMut(Vec<Input>) + Send + 'static,
    ) -> Result<Self, OpenError> {
        let thread = Thread::start(medium, settings, answer)?;
        Ok(Self(Place::Disk(thread)))
    }

    /// The store that this node shares with others. `answer` is called on the store's thread.
    ///
    /// # Errors
    ///
    /// A sentence for the user, see [`Cluster::start`].
    pub fn shared(
        url: &str,
        settings: cluster::Settings,
        limits: Settings,
        node: NodeId,
        answer: impl FnMut(Vec<Input>) + Send + 'static,
    ) -> io::Result<Self> {
        let cluster = Cluster::start(url, settings, limits, node, answer)?;
        Ok(Self(Place::Shared(cluster)))
    }

    /// Says something to another node. Where there are none, nobody hears it.
    pub fn tell(&self, node: NodeId, message: NodeMessage) {
        match &self.0 {
            Place::Shared(cluster) => cluster.tell(node, message),
            Place::Memory(_) | Place::Disk(_) => {}
        }
    }

    /// What the operator should know, in sentences.
    pub fn notes(&self) -> &[String] {
        match &self.0 {
            Place::Shared(cluster) => cluster.notes(),
            Place::Memory(_) | Place::Disk(_) => &[],
        }
    }

    /// Asks for something. The answer is returned, or it comes later, whatever happens.
    ///
    /// Requests are carried out in the order in which they are submitted. A body is kept as it is:
    /// one that is part of a received message should be [detached] from it before.
    ///
    /// [detached]: zzw_push_proto::wire::Json::detached
    #[must_use = "an answer that is there"]
    //= docs/spec/zzw-push-proto.md#store
    //# Requests about one alias MUST be carried out in the order in which they were made.
    pub fn submit(&self, seq: Seq, op: StoreOp) -> Option<Input> {
        match &self.0 {
            Place::Memory(memory) => {
                let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
                let (now, wall) = clocks();
                Some(input(seq, memory.execute(now, wall, &op)))
            }
            Place::Disk(thread) => thread.submit(seq, op),
            Place::Shared(cluster) => cluster.submit(seq, op),
        }
    }

    /// How it stands.
    pub fn figures(&self) -> Figures {
        match &self.0 {
            Place::Memory(memory) => {
                let memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
                memory.figures()
            }
            Place::Disk(thread) => thread.figures(),
            Place::Shared(cluster) => cluster.figures(),
        }
    }

    /// Carries out what was asked, and closes the file.
    ///
    /// # Errors
    ///
    /// If the store is broken: what was answered with a success is kept even so.
    pub fn close(self) -> io::Result<()> {
        match self.0 {
            Place::Memory(_) => Ok(()),
            Place::Disk(thread) => thread.close(),
            Place::Shared(cluster) => cluster.close(),
        }
    }
}

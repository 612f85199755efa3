//! What the broker keeps: queues, topics, and who has which alias; in memory, in a file, or in Redis,
//! where other brokers keep theirs.
//!
//! All do the same for every request, see [`Store::submit`].

mod clock;
mod desk;
mod kept;
mod memory;
mod owners;
mod roll;
mod shelf;
mod thread;

use crate::cluster::{self, Cluster};
pub use crate::store::{Folder, Medium, OpenError};
pub use desk::Answer;
pub(crate) use desk::written;
pub use kept::Kept;
pub use memory::Memory;
pub(crate) use thread::parts;

use desk::{Limits, Tally, Totals};
use owners::Owners;
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use thread::Thread;
use zzw_push_proto::platform::{Input, NodeId, NodeMessage, Seq, StoreOp, UnixMillis};

/// What keeps the broker's messages. Dropped, it is closed as [`Self::close`] does.
#[derive(Debug)]
pub struct Store(Place);

#[derive(Debug)]
enum Place {
    Memory(Box<Mutex<Memory>>),
    Disk(Thread),
    Shared(Cluster),
}

/// What a store allows itself. What it refuses, it refuses with a
/// [`StoreError`](zzw_push_proto::platform::StoreError).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// Most messages kept for one alias; 100. The oldest goes for one more, which is counted.
    pub cap: u64,
    /// Most topics of one alias; 1,000. More are refused with `TooManyTopics`.
    pub max_topics: u64,
    /// Beyond so many aliases, those that nobody has and that have neither messages nor topics are
    /// forgotten; 100,000.
    pub max_aliases: u64,
    /// Most bytes kept in memory; 256 MiB. More are refused with `Full`. What is on
    /// disk is limited by `reserve`.
    pub max_bytes: u64,
    /// Most requests that one transaction carries out; 64.
    pub group: usize,
    /// Most requests that wait for the disk; 65,536. More are refused with `Full`.
    pub max_waiting: usize,
    /// Bytes of the disk that are left for others; 256 MiB. What would go into them is refused with
    /// `Full`.
    pub reserve: u64,
    /// Memory for pages, in bytes; 16 MiB.
    pub cache: usize,
    /// How long after the last request, and after each other, sweeps come while there are messages;
    /// 10 s. While there are requests, they come with them.
    pub sweep_every: Duration,
    /// A file that is this much larger than it need be is made smaller when there is time, in bytes;
    /// 16 MiB.
    pub compact_above: u64,
    /// Shortest time between two such occasions; 10 min.
    pub compact_every: Duration,
    /// How long nothing must have happened if there are messages left; 60 s.
    pub compact_idle: Duration,
    /// Beyond so many bytes of messages each transaction costs one sync more, so that opening after a
    /// power cut does not read them all; 64 MiB.
    pub quick_repair_above: u64,
}

/// How a store stands, and what it has done in this run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Figures {
    /// Why nothing is kept any more, in words for people.
    pub broken: Option<String>,
    /// Messages kept.
    pub messages: u64,
    /// Bytes of them and of all else, about.
    pub bytes: u64,
    /// Aliases known.
    pub aliases: u64,
    /// Aliases that somebody has.
    pub owned: u64,
    /// Requests carried out.
    pub ops: u64,
    /// Transactions committed.
    pub commits: u64,
    /// Messages removed because their time was over.
    pub expired: u64,
    /// Messages removed for newer ones.
    pub evicted: u64,
    /// Aliases forgotten.
    pub forgotten: u64,
    /// Requests that wait for the disk.
    pub waiting: u64,
    /// Bytes that the file takes up.
    pub file_bytes: u64,
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

impl Settings {
    fn limits(&self) -> Limits {
        Limits {
            cap: self.cap.max(1),
            max_topics: self.max_topics,
            max_aliases: self.max_aliases,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            cap: 100,
            max_topics: 1_000,
            max_aliases: 100_000,
            max_bytes: 256 << 20,
            group: 64,
            max_waiting: 65_536,
            reserve: 256 << 20,
            cache: 16 << 20,
            sweep_every: Duration::from_secs(10),
            compact_above: 16 << 20,
            compact_every: Duration::from_mins(10),
            compact_idle: Duration::from_mins(1),
            quick_repair_above: 64 << 20,
        }
    }
}

impl Figures {
    fn count(&mut self, totals: &Totals, tally: &Tally, owners: &Owners) {
        self.messages = totals.messages;
        self.bytes = totals.bytes;
        self.aliases = totals.aliases;
        self.owned = owners.len() as u64;
        self.expired = tally.expired;
        self.evicted = tally.evicted;
        self.forgotten = tally.forgotten;
    }
}

/// The clock that only goes forward and the one that people set.
fn clocks() -> (Instant, UnixMillis) {
    let wall = crate::clock::unix_now().0;
    (
        Instant::now(),
        UnixMillis(u64::try_from(wall).unwrap_or_default()),
    )
}

/// What the machine is told.
fn input(seq: Seq, answer: Answer) -> Input {
    match answer {
        Ok(reply) => Input::Stored(seq, reply),
        Err(error) => Input::StoreFailed(seq, error),
    }
}

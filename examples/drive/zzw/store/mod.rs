//! What the broker keeps: queues, topics, and who has which alias; in memory or in a file.
//!
//! Both do the same for every request. A broker uses either, or the one that it shares with others,
//! through [`super::place::Store`].

mod clock;
mod desk;
mod kept;
mod memory;
mod owners;
mod roll;
mod shelf;
mod thread;

pub use crate::store::{Folder, Medium, OpenError};
pub use desk::{Answer, written};
pub use kept::Kept;
pub use memory::Memory;
pub use thread::{Thread, parts};

use desk::{Limits, Tally, Totals};
use owners::Owners;
use std::time::{Duration, Instant};
use zzw_push_proto::platform::{Input, Seq, UnixMillis};

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
    /// Those of two stores together.
    #[must_use]
    pub fn plus(self, other: &Self) -> Self {
        Self {
            broken: self.broken.or_else(|| other.broken.clone()),
            messages: self.messages.saturating_add(other.messages),
            bytes: self.bytes.saturating_add(other.bytes),
            aliases: self.aliases.saturating_add(other.aliases),
            owned: self.owned.saturating_add(other.owned),
            ops: self.ops.saturating_add(other.ops),
            commits: self.commits.saturating_add(other.commits),
            expired: self.expired.saturating_add(other.expired),
            evicted: self.evicted.saturating_add(other.evicted),
            forgotten: self.forgotten.saturating_add(other.forgotten),
            waiting: self.waiting.saturating_add(other.waiting),
            file_bytes: self.file_bytes.saturating_add(other.file_bytes),
        }
    }

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
pub fn clocks() -> (Instant, UnixMillis) {
    let wall = crate::clock::unix_now().0;
    (
        Instant::now(),
        UnixMillis(u64::try_from(wall).unwrap_or_default()),
    )
}

/// What the machine is told.
pub fn input(seq: Seq, answer: Answer) -> Input {
    match answer {
        Ok(reply) => Input::Stored(seq, reply),
        Err(error) => Input::StoreFailed(seq, error),
    }
}

//! The cores of one server. Each is a node among the others, with links of its own (C-10).

use super::core::{Core, Snapshot};
use super::vault::{Vault, addressed};
use crate::zzw::place::Store;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, Sender, channel, error::TrySendError};
use zzw_push_proto::platform::{Input, NodeId, NodeMessage};
use zzw_push_proto::wire::Servers;

/// All cores.
pub(super) struct Shards {
    cores: Vec<Arc<Core>>,
    next: AtomicUsize,
}

/// What cores of one process say to each other goes here, and not over the network.
#[derive(Debug)]
pub(super) struct Corridor {
    doors: BTreeMap<NodeId, Door>,
}

#[derive(Debug)]
struct Door {
    words: Sender<Input>,
    /// Words were lost, because too many waited.
    has_lost: AtomicBool,
}

/// Where a room is.
pub(super) enum Home<'s> {
    Here(&'s Arc<Core>),
    Elsewhere(Servers),
}

/// Words that may wait for one core.
const MAX_WORDS: usize = 65_536;

/// Words that a core is told at once.
const AT_ONCE: usize = 256;

/// How often cores tell each other how they are, where no lease does it.
const NEWS_EVERY: Duration = Duration::from_millis(500);

impl Shards {
    pub(super) fn new(cores: Vec<Arc<Core>>) -> Self {
        let next = AtomicUsize::new(0);
        Self { cores, next }
    }

    /// The one for the next link or call.
    pub(super) fn next(&self) -> &Arc<Core> {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        &self.cores[next % self.cores.len()]
    }

    /// One that is always the same.
    pub(super) fn first(&self) -> &Arc<Core> {
        &self.cores[0]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Core>> {
        self.cores.iter()
    }

    /// Where the links of a room meet.
    pub(super) fn home_of(&self, room: &str) -> Home<'_> {
        let first = self.first();
        let Some((node, servers)) = first.home_of(room) else {
            return Home::Here(first);
        };
        let here = self.iter().find(|core| core.node() == node);
        here.map_or(Home::Elsewhere(servers), Home::Here)
    }

    /// How all of them stand together.
    pub(super) fn snapshot(&self) -> Snapshot {
        let each = self.iter().map(|core| core.snapshot());
        let all = each.reduce(|sum, more| sum.plus(&more));
        all.unwrap_or_default()
    }

    /// Gives each core its own store, or all of them one.
    pub(super) fn furnish(
        &self,
        is_shared: bool,
        mut open: impl FnMut(usize, Box<dyn FnMut(Vec<Input>) + Send>) -> io::Result<Store>,
    ) -> io::Result<()> {
        if is_shared {
            let cores: Vec<Weak<Core>> = self.iter().map(Arc::downgrade).collect();
            let answer = move |inputs: Vec<Input>| {
                let mut each: BTreeMap<usize, Vec<Input>> = BTreeMap::new();
                for (shard, input) in inputs.into_iter().map(addressed) {
                    each.entry(shard).or_default().push(input);
                }
                for (shard, inputs) in each {
                    if let Some(core) = cores.get(shard).and_then(Weak::upgrade) {
                        core.tell(inputs);
                    }
                }
            };
            let store = Arc::new(open(0, Box::new(answer))?);
            for (shard, core) in self.iter().enumerate() {
                core.furnish(Vault::new(Arc::clone(&store), shard));
            }
            return Ok(());
        }
        for (shard, core) in self.iter().enumerate() {
            let told = Arc::downgrade(core);
            let answer = move |inputs| {
                if let Some(core) = told.upgrade() {
                    core.tell(inputs);
                }
            };
            let store = open(shard, Box::new(answer))?;
            core.furnish(Vault::new(Arc::new(store), 0));
        }
        Ok(())
    }

    /// Tells each core how the others are, again and again.
    pub(super) async fn keep_acquainted(self: Arc<Self>) {
        loop {
            self.acquaint();
            tokio::time::sleep(NEWS_EVERY).await;
        }
    }

    pub(super) fn acquaint(&self) {
        let infos: Vec<_> = self.iter().map(|core| (core.node(), core.info())).collect();
        for core in self.iter() {
            let others = infos.iter().filter(|(node, _)| *node != core.node());
            core.tell(others.map(|(node, info)| Input::FromNode {
                node: *node,
                message: NodeMessage::Announce(info.clone()),
            }));
        }
    }
}

impl fmt::Debug for Shards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes = self.cores.iter().map(|core| core.node());
        f.debug_list().entries(nodes).finish()
    }
}

impl Corridor {
    /// With a door for each node; what comes through each is to be [`deliver`]ed.
    pub(super) fn between(nodes: &[NodeId]) -> (Arc<Self>, Vec<Receiver<Input>>) {
        let (mut doors, mut ends) = (BTreeMap::new(), Vec::new());
        for node in nodes {
            let (words, end) = channel(MAX_WORDS);
            let has_lost = AtomicBool::new(false);
            doors.insert(*node, Door { words, has_lost });
            ends.push(end);
        }
        (Arc::new(Self { doors }), ends)
    }

    /// Says something to a core of this process; gives it back if there is none of that name.
    pub(super) fn tell(
        &self,
        from: NodeId,
        to: NodeId,
        message: NodeMessage,
    ) -> Option<NodeMessage> {
        let Some(door) = self.doors.get(&to) else {
            return Some(message);
        };
        let node = from;
        if let Err(TrySendError::Full(_)) = door.words.try_send(Input::FromNode { node, message }) {
            door.has_lost.store(true, Ordering::Relaxed);
        }
        None
    }

    fn has_lost(&self, node: NodeId) -> bool {
        let door = self.doors.get(&node);
        door.is_some_and(|door| door.has_lost.swap(false, Ordering::Relaxed))
    }
}

/// Tells a core what others of its process say, for ever.
pub(super) async fn deliver(core: Arc<Core>, corridor: Arc<Corridor>, mut end: Receiver<Input>) {
    let mut words = Vec::with_capacity(AT_ONCE);
    while end.recv_many(&mut words, AT_ONCE).await > 0 {
        if corridor.has_lost(core.node()) {
            words.push(Input::Missed);
        }
        core.tell(words.drain(..));
    }
}

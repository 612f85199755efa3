//! The Redis that all nodes share: what is kept, and what nodes say to each other.

use crate::ledger::Ledger;
use crate::store::MemoryStore;
use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;
use zzw_push_proto::platform::{NodeId, NodeInfo, NodeMessage};

/// What survives everything.
#[derive(Debug)]
pub(crate) struct Redis {
    pub store: MemoryStore,
    /// When the leases of nodes end, also of those that have ended and are not swept.
    pub leases: BTreeMap<NodeId, Instant>,
    pub inboxes: BTreeMap<NodeId, Inbox>,
    /// When the epochs of each alias have begun, from epoch 1 on.
    pub epochs: Vec<Vec<Instant>>,
    /// Nodes that were ever there.
    pub known: BTreeMap<NodeId, NodeInfo>,
}

/// What other nodes have said to one.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    pub entries: VecDeque<(NodeId, NodeMessage)>,
    /// Something has been lost.
    pub is_cut: bool,
    /// Its reader is on its way.
    pub is_reading: bool,
}

impl Redis {
    pub(crate) fn new(cap: usize, aliases: usize) -> Self {
        let mut store = MemoryStore::new();
        store.cap = cap;
        Self {
            store,
            leases: BTreeMap::new(),
            inboxes: BTreeMap::new(),
            epochs: vec![Vec::new(); aliases],
            known: BTreeMap::new(),
        }
    }

    /// When the epoch behind that one has begun, if it has.
    pub(crate) fn ended(&self, alias: usize, epoch: u64) -> Option<Instant> {
        let next = usize::try_from(epoch).unwrap();
        self.epochs[alias].get(next).copied()
    }

    /// Appends to the inbox of a node, if it has one. True if that was the first thing in it.
    pub(crate) fn say(
        &mut self,
        from: NodeId,
        to: NodeId,
        message: NodeMessage,
        most: usize,
    ) -> Said {
        let Some(inbox) = self.inboxes.get_mut(&to) else {
            return Said::ToNobody;
        };
        inbox.entries.push_back((from, message));
        let is_over = inbox.entries.len() > most;
        if is_over {
            inbox.entries.pop_front();
            inbox.is_cut = true;
        }
        if is_over { Said::WithCut } else { Said::Well }
    }

    /// A node gives up its place, unless somebody has to sweep what it still has.
    pub(crate) fn leave(&mut self, node: NodeId) {
        let mut owners = self.store.aliases.values().filter_map(|known| known.owner);
        if owners.all(|owner| owner.node != node) {
            self.store.nodes.remove(&node);
            self.leases.remove(&node);
            self.inboxes.remove(&node);
        }
    }

    /// Takes their aliases from nodes whose leases have ended before then. Gives how many.
    pub(crate) fn sweep(&mut self, now: Instant, before: Instant, keeps_epoch: bool) -> u64 {
        let over: Vec<NodeId> = self
            .leases
            .iter()
            .filter(|(_, end)| **end <= before)
            .map(|(node, _)| *node)
            .collect();
        let mut count = 0;
        for node in over {
            self.leases.remove(&node);
            self.inboxes.remove(&node);
            for (alias, known) in &mut self.store.aliases {
                if known.owner.is_some_and(|owner| owner.node == node) {
                    known.owner = None;
                    count += 1;
                    if !keeps_epoch {
                        known.epoch += 1;
                        self.epochs[Ledger::alias_of(alias)].push(now);
                    }
                }
            }
        }
        count
    }
}

/// What became of something that a node said to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    Well,
    /// Something else was lost for it.
    WithCut,
    ToNobody,
}

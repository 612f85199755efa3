//! What nodes tell each other, and how they end.

use super::{Node, Slot, World};
use crate::machines::Machines;
use crate::plan::Saboteur;
use crate::tell::{Keyed, Stimulus};
use std::sync::Arc;
use zzw_push_proto::platform::{NodeId, NodeMessage};

impl World {
    /// Puts something into the inbox of a node, if that is there.
    pub(super) fn relay(&mut self, from: Slot, to: NodeId, message: Keyed<NodeMessage>) {
        let from = self.node(from).id;
        if let Some(node) = self.nodes.iter_mut().find(|node| node.id == to) {
            node.inbox.push_back((from, message));
        }
    }

    /// A node reads what came first.
    pub(super) fn read(&mut self, slot: Slot, machines: &mut Machines) -> Result<(), String> {
        let Some((from, message)) = self.node_mut(slot).inbox.pop_front() else {
            return Ok(());
        };
        if let NodeMessage::Kick { epoch, .. } = *message {
            if self.plan.saboteur == Saboteur::NoEpochs {
                return Ok(());
            }
            let learned = &mut self.node_mut(slot).learned;
            *learned = epoch.max(*learned);
        }
        self.tell(slot, Stimulus::Heard(from, message), machines)
    }

    /// A node is killed, and another one takes its place. What it last wrote to the other one did not
    /// get there.
    pub(super) fn crash(
        &mut self,
        slot: Slot,
        unsent: u8,
        machines: &mut Machines,
    ) -> Result<(), String> {
        let other = self.node_mut(1 - slot);
        let left = other.inbox.len() - usize::from(unsent);
        other.inbox.truncate(left);
        self.replace(slot, machines)
    }

    /// A node is closed, with what it has asked for done, and another one takes its place.
    pub(super) fn close(
        &mut self,
        slot: Slot,
        is_given_back: bool,
        machines: &mut Machines,
    ) -> Result<(), String> {
        self.tell(slot, Stimulus::Close, machines)?;
        while let Some(at) = self.carried_next(slot).next() {
            self.carry(slot, at)?;
        }
        if is_given_back {
            let node = self.node(slot).id;
            Arc::make_mut(&mut self.store).nodes.remove(&node);
        }
        self.replace(slot, machines)
    }

    fn replace(&mut self, slot: Slot, machines: &mut Machines) -> Result<(), String> {
        let other = self.node_mut(1 - slot);
        // What the other one owes, it owes to nobody any more.
        other.owes = false;
        self.device.lost(slot);
        let id = NodeId(self.next_node);
        self.next_node += 1;
        *self.node_mut(slot) = Node::new(id, machines);
        self.tell(slot, Stimulus::Wake, machines)
    }
}

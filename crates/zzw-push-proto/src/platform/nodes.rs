//! What other nodes say.

use super::parcel::Content;
use super::vocabulary::{LinkEnd, NodeMessage, Output};
use super::{MessageId, NodeId, Owner, Platform};
use crate::wire::{Code, Num};
use std::time::Instant;

/// The most other nodes.
pub(super) const MAX_NODES: usize = 1_024;

impl Platform {
    pub(super) fn node_says(&mut self, now: Instant, node: NodeId, message: NodeMessage) {
        match message {
            NodeMessage::Nudge { alias, mid } => {
                let Some(link) = self.owners.get(&alias).copied() else {
                    return;
                };
                if mid == MessageId::default() {
                    return self.doubt(link);
                }
                if let Some(session) = self.links.get_mut(link).and_then(|l| l.session.as_mut()) {
                    //= docs/spec/zzw-push-proto.md#node
                    //# A node that is told of a message MUST read the queue of its alias, and send
                    //# nothing twice for it.
                    session.known = session.known.max(mid);
                    self.pump(now, link);
                }
            }
            NodeMessage::Kick { alias, epoch } => {
                let Some(link) = self.owners.get(&alias).copied() else {
                    return;
                };
                let Some(session) = self.links.get_mut(link).and_then(|l| l.session.as_mut())
                else {
                    return;
                };
                session.kicked = session.kicked.max(epoch);
                //= docs/spec/zzw-push-proto.md#node
                //# A link MUST be closed when its alias has moved to another node by a later epoch,
                //# and by none else.
                if session.epoch.is_some_and(|ours| ours < epoch) {
                    self.fail(link, Code::Replaced, Num::Absent);
                    self.end(now, link, LinkEnd::Replaced);
                }
            }
            NodeMessage::Direct {
                alias,
                mid,
                body,
                topic,
            } => {
                if let Some(link) = self.owners.get(&alias).copied() {
                    self.send_direct(link, mid, &Content::new(&body, topic));
                }
            }
            NodeMessage::Missed => self.doubt_all(),
            NodeMessage::Door { message, age } => self.far_door(now, message, age),
            NodeMessage::Announce(info) => {
                let is_known = self.nodes.contains_key(&node);
                if node != self.config.node && (is_known || self.nodes.len() < MAX_NODES) {
                    let is_draining = info.is_draining;
                    let before = self.nodes.insert(node, info);
                    if before.is_none_or(|before| before.is_draining != is_draining) {
                        self.nodes_changed();
                    }
                }
            }
            //= docs/spec/zzw-push-proto.md#node
            //# A node that is gone MUST NOT be shown any more.
            NodeMessage::Gone => {
                if self.nodes.remove(&node).is_some() {
                    self.nodes_changed();
                }
                // No renewal will show any more that it has gone.
                //= docs/spec/zzw-push-proto.md#node
                //# When the lease of another node has ended, every queue MUST be looked at again:
                //# that node may have kept a message and told nobody.
                if self.config.lease.is_some() {
                    self.doubt_all();
                }
            }
        }
    }

    /// Other nodes have come, gone, or begun to drain.
    pub(super) fn nodes_changed(&mut self) {
        self.counters.node_changes = self.counters.node_changes.saturating_add(1);
    }

    /// The same to every other node.
    pub(super) fn tell_nodes(&mut self, message: &NodeMessage) {
        for node in self.nodes.keys() {
            let (node, message) = (*node, message.clone());
            self.out.push(Output::Relay { node, message });
        }
    }

    /// True if another node has the alias and is there. Without leases, nodes are there for ever.
    //= docs/spec/zzw-push-proto.md#node
    //# An alias whose node has lost its lease MUST NOT be called online.
    pub(super) fn is_elsewhere(&self, owner: Option<Owner>) -> bool {
        let other = owner.filter(|owner| owner.node != self.config.node);
        other.is_some_and(|owner| {
            self.config.lease.is_none() || self.nodes.contains_key(&owner.node)
        })
    }
}

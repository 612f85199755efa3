//! What nodes say to each other, by way of Redis.

use super::{Connection, Happening, World};
use crate::redis;
use crate::saboteur::Saboteur;
use zzw_push_proto::platform::{Input, NodeId, NodeMessage};

/// Part of an inbox: what somebody has said, or that something was lost.
#[derive(Debug, Clone)]
pub(super) enum Said {
    By(NodeId, Box<NodeMessage>),
    Lost,
}

impl World {
    /// Something that a node says reaches Redis, or does not.
    pub(super) fn relay(&mut self, connection: Connection, to: NodeId, message: NodeMessage) {
        let from = NodeId(connection.process);
        let weather = self.weather();
        let is_broken = self.broken.contains_key(&connection);
        // Whoever ends waits until what it has said has come.
        let is_there = self.node_of(connection.process).is_some();
        let is_lost = is_there
            && self.chance.percent(weather.relay_lost)
            && !matches!(message, NodeMessage::Missed);
        if !is_lost && self.reaches_redis(connection) {
            self.say(from, to, message);
        }
        if !is_lost && !is_broken {
            return;
        }
        // Whether it has come is not known either way.
        self.stats.relays_lost += 1;
        if let Some(nth) = self.node_of(connection.process)
            && self.saboteur != Saboteur::HidesLosses
        {
            self.nodes[nth].owes = true;
            self.after(self.plan.store, Happening::OwnUp(connection.process));
        }
    }

    fn say(&mut self, from: NodeId, to: NodeId, message: NodeMessage) {
        match self.redis.say(from, to, message, self.plan.inbox) {
            redis::Said::Well => {}
            redis::Said::WithCut => self.stats.inbox_cuts += 1,
            redis::Said::ToNobody => return,
        }
        self.notify_reader(to);
    }

    /// Whoever waits for an inbox hears of it.
    pub(super) fn notify_reader(&mut self, node: NodeId) {
        if let Some(inbox) = self.redis.inboxes.get_mut(&node)
            && !std::mem::replace(&mut inbox.is_reading, true)
        {
            self.after(self.plan.store, Happening::ReadInbox(node.0));
        }
    }

    /// A driver whose node has said what was lost tells all others so, when it can.
    pub(super) fn own_up(&mut self, process: u64) {
        let Some(nth) = self.node_of(process) else {
            return;
        };
        let node = &mut self.nodes[nth];
        if !node.owes || node.is_cut_off || node.paused_at.is_some() {
            return;
        }
        node.owes = false;
        self.stats.missed += 1;
        let others = self.redis.inboxes.keys().copied();
        let others: Vec<NodeId> = others.filter(|other| other.0 != process).collect();
        for other in others {
            self.say(NodeId(process), other, NodeMessage::Missed);
        }
    }

    /// The reader of an inbox asks for what is there.
    pub(super) fn read_inbox(&mut self, process: u64) {
        let Some(inbox) = self.redis.inboxes.get_mut(&NodeId(process)) else {
            return;
        };
        inbox.is_reading = false;
        let Some(nth) = (0..self.nodes.len()).find(|nth| self.nodes[*nth].process == process)
        else {
            return;
        };
        let node = &self.nodes[nth];
        if node.is_cut_off || node.paused_at.is_some() || node.platform.is_none() {
            return; // it comes again
        }
        if inbox.entries.is_empty() && !inbox.is_cut {
            return;
        }
        let is_cut = std::mem::take(&mut inbox.is_cut) && self.saboteur != Saboteur::HidesCuts;
        let lost = is_cut.then_some(Said::Lost);
        let entries = inbox.entries.drain(..);
        let entries = entries.map(|(node, message)| Said::By(node, Box::new(message)));
        let entries: Vec<Said> = lost.into_iter().chain(entries).collect();
        let doubles = self.weather().doubles;
        if self.chance.percent(doubles) {
            self.stats.doubles += 1;
            let again = Happening::Hear(process, entries.clone());
            self.after(self.plan.store, again);
        }
        self.after(self.plan.store, Happening::Hear(process, entries));
    }

    /// A node hears what others have said.
    pub(super) fn hear(&mut self, process: u64, entries: Vec<Said>) -> Result<(), String> {
        for entry in entries {
            let Some(nth) = self.node_of(process) else {
                return Ok(());
            };
            let input = match entry {
                Said::By(node, message) => {
                    let message = *message;
                    Input::FromNode { node, message }
                }
                Said::Lost => Input::Missed,
            };
            self.tell(nth, input)?;
        }
        Ok(())
    }

    pub(super) fn skip_inbox(&mut self, process: u64) {
        if self.saboteur == Saboteur::SkipsInbox
            && let Some(inbox) = self.redis.inboxes.get_mut(&NodeId(process))
        {
            inbox.entries.clear();
        }
    }

    /// A node reaches Redis again.
    pub(super) fn reconnect(&mut self, nth: usize) {
        let node = &mut self.nodes[nth];
        if !std::mem::take(&mut node.is_cut_off) {
            return;
        }
        node.connection += 1;
        let process = node.process;
        self.skip_inbox(process);
        self.own_up(process);
        self.notify_reader(NodeId(process));
    }
}

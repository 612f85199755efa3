//! The device, which has one link, and the links that it had before.

use super::{ALIAS, Slot, World};
use crate::machines::Machines;
use crate::tell::{Link, Mid, Stimulus};

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Device {
    /// Every link that there was; the first one is number 1.
    pub(super) links: Vec<Way>,
    /// The newest one, unless it is over.
    pub(super) link: Option<Link>,
    /// What has come on it and was not acknowledged.
    unacked: Vec<Mid>,
}

/// What its node knows of a link.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Way {
    pub(super) slot: Slot,
    pub(super) is_open: bool,
    /// 0 until it is bound.
    pub(super) epoch: u64,
    /// The last message that was sent for the first time.
    pub(super) last: Mid,
}

impl Device {
    /// A node has closed a link.
    pub(super) fn ended(&mut self, link: Link) {
        self.way_mut(link).close();
        if self.link == Some(link) {
            self.link = None;
            self.unacked.clear();
        }
    }

    /// The links to a node break.
    pub(super) fn lost(&mut self, slot: Slot) {
        for link in 1..=self.count() {
            if self.way(link).slot == slot {
                self.ended(link);
            }
        }
    }

    pub(super) fn way(&self, link: Link) -> &Way {
        &self.links[usize::from(link) - 1]
    }

    pub(super) fn way_mut(&mut self, link: Link) -> &mut Way {
        &mut self.links[usize::from(link) - 1]
    }

    pub(super) fn count(&self) -> Link {
        u8::try_from(self.links.len()).expect("few links")
    }

    pub(super) fn has_unacked(&self) -> bool {
        !self.unacked.is_empty()
    }
}

impl Way {
    /// What it was is of no concern any more.
    fn close(&mut self) {
        *self = Self {
            slot: 0,
            is_open: false,
            epoch: 0,
            last: 0,
        };
    }
}

impl World {
    /// The device connects; its node may not know for long that the link before is dead.
    pub(super) fn connect(&mut self, slot: Slot, machines: &mut Machines) -> Result<(), String> {
        self.device.links.push(Way {
            slot,
            is_open: true,
            epoch: 0,
            last: 0,
        });
        let link = self.device.count();
        self.device.link = Some(link);
        self.device.unacked.clear();
        self.tell(slot, Stimulus::Connected(link), machines)
    }

    /// A node finds out that a link is dead.
    pub(super) fn notice(&mut self, link: Link, machines: &mut Machines) -> Result<(), String> {
        let slot = self.device.way(link).slot;
        self.device.ended(link);
        self.tell(slot, Stimulus::Disconnected(link), machines)
    }

    /// The device does not get its alias, and tries another link.
    pub(super) fn hang_up(&mut self, link: Link, machines: &mut Machines) -> Result<(), String> {
        if self.device.link != Some(link) {
            return Ok(());
        }
        self.notice(link, machines)
    }

    /// The store has given the alias to a link.
    pub(super) fn bound(&mut self, slot: Slot, link: Link) {
        self.device.way_mut(link).epoch = self.node(slot).claimed;
    }

    /// The device acknowledges what came first.
    pub(super) fn acknowledge(&mut self, machines: &mut Machines) -> Result<(), String> {
        let Some(link) = self.device.link else {
            return Ok(());
        };
        let mid = self.device.unacked.remove(0);
        let mut messages = self.messages.iter_mut();
        if let Some(message) = messages.find(|message| message.mid == Some(mid)) {
            (message.is_promised, message.is_acked) = (false, true);
        }
        let slot = self.device.way(link).slot;
        self.tell(slot, Stimulus::Acked(link, mid), machines)
    }

    /// A message comes to the device, if it still reads that link.
    pub(super) fn arrives(&mut self, link: Link, mid: Mid) {
        if self.device.link == Some(link) {
            self.device.unacked.push(mid);
        }
    }

    /// What the store has for the device.
    pub(super) fn queue_len(&self) -> usize {
        let known = self.store.aliases.get(ALIAS);
        known.map_or(0, |known| known.queue.len())
    }
}

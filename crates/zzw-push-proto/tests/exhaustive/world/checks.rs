//! What must hold.

use super::{ALIAS, Slot, World};
use crate::machines::millis;
use crate::plan::FENCE;
use crate::tell::{Link, Mid};
use zzw_push_proto::platform::MessageId;

impl World {
    /// A node sends what is kept.
    pub(super) fn delivered(&mut self, slot: Slot, link: Link, mid: Mid) -> Result<(), String> {
        let node = self.node(slot);
        let way = self.device.way(link);
        let last = way.last;
        let rules = [
            (
                way.is_open && way.slot == slot && way.epoch > 0,
                "a link sends that is over (I5)",
            ),
            (
                self.now < node.fence_at,
                "a node sends behind its fence (I5)",
            ),
            (
                node.learned <= way.epoch,
                "a link sends whose node knows of a later epoch (I5)",
            ),
            (
                self.lease_left(node.id) > millis(FENCE),
                "a node sends whose lease has ended (I5)",
            ),
            (
                !self.swept.contains(&way.epoch),
                "a link sends that was given up for dead (I5)",
            ),
            (last < mid, "a message is sent behind a later one (I2)"),
        ];
        if let Some((_, what)) = rules.iter().find(|(is_kept, _)| !is_kept) {
            return Err((*what).to_owned());
        }
        self.device.way_mut(link).last = mid;
        self.arrives(link, mid);
        Ok(())
    }

    /// A publisher is told that its message is kept.
    pub(super) fn promised(&mut self, slot: Slot, at: u8) -> Result<(), String> {
        let nth = self.node_mut(slot).published.remove(usize::from(at));
        let message = &mut self.messages[usize::from(nth) - 1];
        if message.mid.is_none() {
            return Err(format!(
                "message {nth} is said to be kept before it is (I9)"
            ));
        }
        message.is_promised = !message.is_acked;
        Ok(())
    }

    /// What must hold in every state.
    pub(super) fn check(&self) -> Result<(), String> {
        let known = self.store.aliases.get(ALIAS);
        let is_kept = |mid: Mid| {
            let mut queue = known.into_iter().flat_map(|known| &known.queue);
            queue.any(|entry| entry.mid == MessageId(u64::from(mid)))
        };
        let is_lost =
            |message: &super::Published| message.is_promised && !message.mid.is_some_and(is_kept);
        match self.messages.iter().position(is_lost) {
            Some(at) => Err(format!("message {} is lost (I1)", at + 1)),
            None => Ok(()),
        }
    }

    /// What must hold for ever once nothing more goes wrong; what is wrong, if something is.
    pub(crate) fn fault_at_rest(&self) -> Option<Fault> {
        let links = 1..=self.device.count();
        let mut bound = links.filter(|link| self.device.way(*link).epoch > 0);
        let (first, second) = (bound.next(), bound.next());
        if second.is_some() {
            Some(Fault::TwoLinks)
        } else if first.is_none() || first != self.device.link {
            Some(Fault::NoLink)
        } else if self.queue_len() > 0 {
            Some(Fault::Undelivered)
        } else {
            let known = self.store.aliases.get(ALIAS);
            let owner = known.and_then(|known| known.owner).map(|owner| owner.node);
            let link = self.device.way(first?);
            (owner != Some(self.node(link.slot).id)).then_some(Fault::NoOwner)
        }
    }
}

/// What must not stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    TwoLinks,
    NoLink,
    Undelivered,
    NoOwner,
}

impl Fault {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::TwoLinks => "two links stay bound (I5)",
            Self::NoLink => "the device stays without a link",
            Self::Undelivered => "a kept message is never delivered",
            Self::NoOwner => "the store does not know who has the alias",
        }
    }
}

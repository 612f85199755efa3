//! The store that the nodes share, and what is on its way to it and back.

use super::{ALIAS, Slot, World, is_renewal, is_unawaited, without_epoch};
use crate::machines::{Machines, millis};
use crate::plan::{LENGTH, Saboteur};
use crate::tell::{Keyed, Stimulus, WALL, nobody};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use zzw_push_proto::platform::{Appended, MessageId, NodeId, StoreOp, StoreReply, UnixMillis};

/// What a node has asked the store for.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) op: Keyed<StoreOp>,
    /// When, in milliseconds since the beginning.
    asked_at: u32,
    pub(super) stage: Stage,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Stage {
    Asked,
    /// Carried out; this is on its way back.
    Done(Keyed<StoreReply>),
    /// Answered by a driver that had not carried it out.
    Lied(Keyed<StoreReply>),
}

impl World {
    pub(super) fn ask(&mut self, slot: Slot, op: Keyed<StoreOp>) {
        let asked_at = self.now;
        let stage = match &*op {
            StoreOp::Append { .. } if self.plan.saboteur == Saboteur::EarlyAnswer => {
                let known = self.store.aliases.get(ALIAS);
                let (last, owner) = known.map_or_else(Default::default, |it| (it.last, it.owner));
                let appended = Appended::new(MessageId(last.0 + 1), last, owner, 0);
                Stage::Lied(Keyed::new(StoreReply::Appended(appended)))
            }
            _ => Stage::Asked,
        };
        self.node_mut(slot).requests.push(Request {
            op,
            asked_at,
            stage,
        });
    }

    /// The requests of a node that are carried out next: of its own, and of the alias.
    pub(super) fn carried_next(&self, slot: Slot) -> impl Iterator<Item = u8> + use<> {
        let requests = || self.node(slot).requests.iter();
        let first = |is_own: bool| {
            requests().position(|it| it.stage == Stage::Asked && is_renewal(&it.op) == is_own)
        };
        let places = [first(false), first(true)].into_iter().flatten();
        places.map(|at| u8::try_from(at).expect("few requests"))
    }

    pub(super) fn carry(&mut self, slot: Slot, at: u8) -> Result<(), String> {
        let op = self.node(slot).requests[usize::from(at)].op.clone();
        let reply = self.execute(&op)?;
        self.node_mut(slot).requests[usize::from(at)].stage = Stage::Done(Keyed::new(reply));
        Ok(())
    }

    fn execute(&mut self, op: &StoreOp) -> Result<StoreReply, String> {
        let at = UnixMillis(WALL.0 + u64::from(self.now));
        let store = Arc::make_mut(&mut self.store);
        let (at, op) = match op.clone() {
            StoreOp::Renew { node, info, .. } => (
                at,
                StoreOp::Renew {
                    node,
                    info,
                    length: LENGTH,
                },
            ),
            op => (WALL, op),
        };
        let body = match &op {
            StoreOp::Append { body, .. } => Some(body.as_bytes().len() - 2),
            _ => None,
        };
        let reply = store.execute(at, op).map_err(|error| error.to_string())?;
        match reply {
            StoreReply::Appended(appended) => {
                let nth = body.ok_or("kept, and nobody asked")?;
                self.messages[nth - 1].mid = Some(crate::tell::small(appended.mid.0));
                Ok(reply)
            }
            StoreReply::Renewed { mut nodes } => {
                if self.plan.saboteur == Saboteur::GoneStays {
                    nodes = (1..self.next_node)
                        .map(|node| (NodeId(node), nobody()))
                        .collect();
                }
                Ok(StoreReply::Renewed { nodes })
            }
            reply if self.plan.saboteur == Saboteur::NoEpochs => Ok(without_epoch(reply)),
            reply => Ok(reply),
        }
    }

    /// An answer arrives.
    pub(super) fn answer(
        &mut self,
        slot: Slot,
        at: u8,
        machines: &mut Machines,
    ) -> Result<(), String> {
        let request = self.node_mut(slot).requests.remove(usize::from(at));
        let (Stage::Done(reply) | Stage::Lied(reply)) = request.stage else {
            return Err("answered before it is done".to_owned());
        };
        let fence_at = self.fence_at(request.asked_at);
        let node = self.node_mut(slot);
        match &*reply {
            StoreReply::Loaded { epoch, .. } => node.learned = node.learned.max(*epoch),
            StoreReply::Claimed { epoch, .. } => {
                node.learned = node.learned.max(*epoch);
                node.claimed = *epoch;
            }
            StoreReply::Renewed { .. } => node.fence_at = fence_at,
            _ => {}
        }
        self.tell(slot, Stimulus::Answer(at, reply), machines)
    }

    /// A request has failed, whether it was carried out or not.
    pub(super) fn fail(
        &mut self,
        slot: Slot,
        at: u8,
        machines: &mut Machines,
    ) -> Result<(), String> {
        self.node_mut(slot).requests.remove(usize::from(at));
        self.tell(slot, Stimulus::Failed(at), machines)
    }

    /// Does one thing that is not waited for in this plan. False if there is none.
    pub(super) fn hurry(&mut self, machines: &mut Machines) -> Result<bool, String> {
        for slot in [0, 1] {
            let node = self.node(slot);
            if node.is_cut_off || node.is_paused {
                continue;
            }
            let next: Vec<u8> = self.carried_next(slot).collect();
            for at in next {
                let is_unawaited = is_unawaited(&self.node(slot).requests[usize::from(at)].op);
                if self.plan.is_eager || self.plan.hurries && is_unawaited {
                    self.carry(slot, at)?;
                    if self.plan.hurries && is_unawaited {
                        self.answer(slot, at, machines)?;
                    }
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// An alias whose node has no lease any more has no owner any more, and a new epoch.
    pub(super) fn sweep(&mut self) {
        let is_epoch_kept = self.plan.saboteur == Saboteur::SweepKeepsEpoch;
        let store = Arc::make_mut(&mut self.store);
        if let Some(known) = store.aliases.get_mut(ALIAS) {
            self.swept.push(known.epoch);
            known.owner = None;
            known.epoch += u64::from(!is_epoch_kept);
        }
    }

    pub(super) fn may_sweep(&self) -> bool {
        let known = self.store.aliases.get(ALIAS);
        let owner = known.and_then(|known| known.owner);
        owner.is_some_and(|owner| self.lease_left(owner.node) == 0)
    }

    /// The leases that the store knows of, and how many milliseconds are left of them.
    pub(super) fn leases(&self) -> impl Iterator<Item = (NodeId, u32)> {
        let now = WALL.0 + u64::from(self.now);
        let nodes = self.store.nodes.iter();
        let left = nodes.map(move |(node, (_, end))| (*node, end.0.saturating_sub(now)));
        left.filter(|(_, left)| *left > 0)
            .map(|(node, left)| (node, u32::try_from(left).unwrap_or(millis(LENGTH))))
    }

    pub(super) fn lease_left(&self, node: NodeId) -> u32 {
        let mut leases = self.leases();
        leases
            .find(|(it, _)| *it == node)
            .map_or(0, |(_, left)| left)
    }
}

impl Request {
    pub(super) fn hash_at<H: Hasher>(&self, now: u32, state: &mut H) {
        (&self.op, &self.stage).hash(state);
        if is_renewal(&self.op) {
            // A lease that was asked for so long ago is none.
            (now - self.asked_at).min(millis(LENGTH * 2)).hash(state);
        }
    }
}

//! One state: two nodes, their store, their inboxes, a device, and what may still happen.

mod checks;
mod device;
mod moves;
mod peers;
mod redis;

pub(crate) use checks::Fault;
pub(crate) use moves::Step;

use crate::machines::{Machines, StateId, lease, millis};
use crate::plan::{Budgets, LENGTH, Plan, RENEW_EVERY, Saboteur};
use crate::store::MemoryStore;
use crate::tell::{ALIAS, Effect, Keyed, Stimulus};
use device::Device;
use redis::Request;
use std::collections::VecDeque;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use testkit::digest::Digest;
use zzw_push_proto::platform::{NodeId, NodeMessage, StoreOp, StoreReply};

/// Names a place for a node, 0 or 1.
pub(crate) type Slot = u8;

#[derive(Debug, Clone)]
pub(crate) struct World {
    plan: Arc<Plan>,
    /// Milliseconds since the beginning.
    now: u32,
    left: Budgets,
    nodes: [Node; 2],
    store: Arc<MemoryStore>,
    device: Device,
    messages: Vec<Published>,
    /// The epochs that were ended by sweeps.
    swept: Vec<u64>,
    next_node: u64,
}

/// A node, with its driver.
#[derive(Debug, Clone)]
struct Node {
    id: NodeId,
    state: StateId,
    /// Milliseconds since it was told something.
    lag: u32,
    /// What the store has not answered, oldest first.
    requests: Vec<Request>,
    inbox: VecDeque<(NodeId, Keyed<NodeMessage>)>,
    /// The other node has missed something and is to be told so.
    owes: bool,
    is_paused: bool,
    is_cut_off: bool,
    /// When its lease ends for itself, as it was told by the store.
    fence_at: u32,
    /// The highest epoch that it was told of.
    learned: u64,
    /// The epoch that it was given last.
    claimed: u64,
    /// What it has published and not settled, in order.
    published: Vec<u8>,
}

/// What has become of a message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Published {
    /// The store has given it this id.
    mid: Option<u8>,
    /// Its publisher was told so, and the device has not acknowledged it.
    is_promised: bool,
    is_acked: bool,
}

impl Node {
    fn new(id: NodeId, machines: &mut Machines) -> Self {
        Self {
            id,
            state: machines.start(id),
            lag: 0,
            requests: Vec::new(),
            inbox: VecDeque::new(),
            owes: false,
            is_paused: false,
            is_cut_off: false,
            fence_at: 0,
            learned: 0,
            claimed: 0,
            published: Vec::new(),
        }
    }
}

impl World {
    /// Two nodes that know each other, and a device that is bound at the first one.
    pub(crate) fn new(plan: &Plan, machines: &mut Machines) -> Result<Self, String> {
        let nodes = [1, 2].map(|id| Node::new(NodeId(id), machines));
        let mut world = Self {
            now: 0,
            left: plan.budgets,
            nodes,
            store: Arc::new(MemoryStore::new()),
            device: Device::default(),
            messages: Vec::new(),
            swept: Vec::new(),
            next_node: 3,
            plan: Arc::new(plan.clone()),
        };
        world.tell(0, Stimulus::Wake, machines)?;
        world.settle(machines)?;
        world.pass(millis(plan.shift), machines)?;
        world.tell(1, Stimulus::Wake, machines)?;
        world.settle(machines)?;
        world.connect(0, machines)?;
        for _ in 0..4 {
            world.settle(machines)?;
            let wait = world.wait(machines).unwrap_or(0);
            world.pass(wait, machines)?;
        }
        world.settle(machines)?;
        Ok(world)
    }

    /// What it is after a step, or what must not be.
    pub(crate) fn go(&self, step: Step, machines: &mut Machines) -> Result<Self, String> {
        let mut next = self.clone();
        next.take(step, machines)?;
        while next.hurry(machines)? {}
        next.check()?;
        Ok(next)
    }

    fn take(&mut self, step: Step, machines: &mut Machines) -> Result<(), String> {
        match step {
            Step::Starts => Ok(()),
            Step::Carry(slot, at) => self.carry(slot, at),
            Step::Answer(slot, at) => self.answer(slot, at, machines),
            Step::Fail(slot, at) => {
                self.left.failures -= 1;
                self.fail(slot, at, machines)
            }
            Step::Read(slot) => self.read(slot, machines),
            Step::Lose(slot) => {
                self.left.losses -= 1;
                self.node_mut(slot).inbox.pop_front();
                self.node_mut(1 - slot).owes = self.plan.saboteur != Saboteur::NoMissed;
                Ok(())
            }
            Step::Announce(slot) => {
                let node = self.node_mut(slot);
                node.owes = false;
                let entry = (node.id, Keyed::new(NodeMessage::Missed));
                self.node_mut(1 - slot).inbox.push_back(entry);
                Ok(())
            }
            Step::Connect(slot) => {
                if self.device.link.is_some() {
                    self.left.moves -= 1;
                }
                self.connect(slot, machines)
            }
            Step::Notice(link) => self.notice(link, machines),
            Step::Ack => self.acknowledge(machines),
            Step::Publish(slot) => self.publish(slot, machines),
            Step::Time => {
                let wait = self.wait(machines).unwrap_or(0);
                self.pass(wait, machines)
            }
            Step::Pause(slot) => {
                self.left.pauses -= 1;
                self.node_mut(slot).is_paused = true;
                Ok(())
            }
            Step::Resume(slot) => {
                self.node_mut(slot).is_paused = false;
                Ok(())
            }
            Step::CutOff(slot) => {
                self.left.outages -= 1;
                self.node_mut(slot).is_cut_off = true;
                Ok(())
            }
            Step::Mend(slot) => {
                self.node_mut(slot).is_cut_off = false;
                Ok(())
            }
            Step::Crash(slot, unsent) => {
                self.left.crashes -= 1;
                self.crash(slot, unsent, machines)
            }
            Step::Close(slot, is_given_back) => {
                self.left.ends -= 1;
                self.close(slot, is_given_back, machines)
            }
            Step::Sweep => {
                self.sweep();
                Ok(())
            }
        }
    }

    /// Tells a node something, and does what it wants.
    fn tell(
        &mut self,
        slot: Slot,
        stimulus: Stimulus,
        machines: &mut Machines,
    ) -> Result<(), String> {
        let node = self.node_mut(slot);
        let outcome = machines.go(node.state, std::mem::take(&mut node.lag), stimulus)?;
        node.state = outcome.to;
        let mut refused = None;
        for effect in &outcome.effects {
            match effect {
                Effect::Ask(op) => self.ask(slot, op.clone()),
                Effect::Deliver(link, mid) => self.delivered(slot, *link, *mid)?,
                Effect::Bound(link) => self.bound(slot, *link),
                Effect::Refused(link) => refused = Some(*link),
                Effect::Disconnect(link) => self.device.ended(*link),
                Effect::Relay(to, message) => self.relay(slot, *to, message.clone()),
                Effect::Published(nth) => self.promised(slot, *nth)?,
                Effect::NotPublished(at) => {
                    self.node_mut(slot).published.remove(usize::from(*at));
                }
            }
        }
        match refused {
            Some(link) => self.hang_up(link, machines),
            None => Ok(()),
        }
    }

    fn publish(&mut self, slot: Slot, machines: &mut Machines) -> Result<(), String> {
        self.left.messages -= 1;
        self.messages.push(Published::default());
        let nth = u8::try_from(self.messages.len()).expect("few messages");
        self.node_mut(slot).published.push(nth);
        self.tell(slot, Stimulus::Publish(nth), machines)
    }

    /// Milliseconds up to the next deadline that matters.
    fn wait(&self, machines: &Machines) -> Option<u32> {
        if self.plan.is_prompt && self.is_busy() {
            return None;
        }
        let most = millis(LENGTH + RENEW_EVERY);
        if self.nodes.iter().any(|it| it.is_paused && it.lag >= most) {
            return None;
        }
        let awake = self.nodes.iter().filter(|node| !node.is_paused);
        let timers = awake.filter_map(|node| {
            let timeout = machines.see(node.state).timeout?;
            Some(timeout.saturating_sub(node.lag))
        });
        let leases = self.leases().map(|(_, left)| left);
        timers.chain(leases).min()
    }

    /// True while something is under way that nothing holds up.
    fn is_busy(&self) -> bool {
        let in_touch = |node: &&Node| !node.is_cut_off && !node.is_paused;
        let mut nodes = self.nodes.iter().filter(in_touch);
        nodes.any(|node| node.owes || !node.requests.is_empty() || !node.inbox.is_empty())
    }

    fn pass(&mut self, wait: u32, machines: &mut Machines) -> Result<(), String> {
        self.now += wait;
        for slot in [0, 1] {
            let node = self.node_mut(slot);
            node.lag += wait;
            if !node.is_paused {
                self.tell(slot, Stimulus::Wake, machines)?;
            }
        }
        Ok(())
    }

    /// Does everything that waits.
    fn settle(&mut self, machines: &mut Machines) -> Result<(), String> {
        while let Some(step) = self.next(machines).filter(|step| *step != Step::Time) {
            self.take(step, machines)?;
        }
        Ok(())
    }

    fn node(&self, slot: Slot) -> &Node {
        &self.nodes[usize::from(slot)]
    }

    fn node_mut(&mut self, slot: Slot) -> &mut Node {
        &mut self.nodes[usize::from(slot)]
    }

    /// For how long a node may rely on a lease that it asked for at that time.
    fn fence_at(&self, asked_at: u32) -> u32 {
        asked_at + millis(lease(&self.plan).usable())
    }

    /// What stands for it among all states.
    pub(crate) fn digest(&self) -> u128 {
        let mut digest = Digest::default();
        self.left.hash(&mut digest);
        for node in &self.nodes {
            node.hash_at(self.now, &mut digest);
        }
        if let Some(known) = self.store.aliases.get(ALIAS) {
            (known.epoch, known.last.0, known.owner.map(|it| it.node)).hash(&mut digest);
            known.queue.len().hash(&mut digest);
            for entry in &known.queue {
                entry.mid.hash(&mut digest);
            }
        }
        for (node, left) in self.leases() {
            (node, left).hash(&mut digest);
        }
        self.device.hash(&mut digest);
        for way in self.device.links.iter().filter(|way| way.is_open) {
            self.swept.contains(&way.epoch).hash(&mut digest);
        }
        self.messages.hash(&mut digest);
        digest.whole()
    }
}

impl Node {
    fn hash_at<H: Hasher>(&self, now: u32, state: &mut H) {
        (self.id, self.state, self.lag).hash(state);
        self.requests.len().hash(state);
        for request in &self.requests {
            request.hash_at(now, state);
        }
        self.inbox.hash(state);
        (self.owes, self.is_paused, self.is_cut_off).hash(state);
        self.fence_at.saturating_sub(now).hash(state);
        (self.learned, self.claimed, &self.published).hash(state);
    }
}

/// True for what one node asks for about itself, and not about the alias.
fn is_renewal(op: &StoreOp) -> bool {
    matches!(op, StoreOp::Renew { .. })
}

/// Nobody waits for that.
fn is_unawaited(op: &StoreOp) -> bool {
    matches!(op, StoreOp::Ack { .. } | StoreOp::Release { .. }) || is_renewal(op)
}

/// A reply of which a saboteur has taken the epoch away.
fn without_epoch(reply: StoreReply) -> StoreReply {
    match reply {
        StoreReply::Loaded {
            entries, last, at, ..
        } => StoreReply::Loaded {
            entries,
            last,
            epoch: 0,
            at,
        },
        reply => reply,
    }
}

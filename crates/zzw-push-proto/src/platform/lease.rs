//! The lease by which a node is one of several that share a store (C-4 to C-6), and what is asked
//! again when it may have been missed.

use super::life::draw;
use super::link::{Doubt, Link};
use super::store::{MessageId, NodeId, StoreOp};
use super::vocabulary::{Event, LinkEnd, NodeInfo, NodeMessage};
use super::{LinkId, Pending, Platform, later, nodes};
use crate::wire::{Code, Num, Text};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// How a node holds its place among others.
///
/// The lease ends for others `length` after the store gave it, and for this node `fence` before, so
/// that whoever takes its aliases over does not meet it at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lease {
    /// How long the store keeps the place; 8 s.
    pub length: Duration,
    /// How often it is renewed; 1 s, and at most half of [`Self::usable`].
    pub renew_every: Duration,
    /// So long before its end, nothing that is kept is sent any more; 2 s, and at most half of
    /// `length`.
    pub fence: Duration,
    /// A node that has been without one for so long closes its links, so that they find another; 60 s.
    pub leave_after: Duration,
}

/// Aliases of which other nodes are told one by one that the store could not tell what it has done.
/// If there are more, all of them are in doubt.
const MAX_UNSURE: usize = 1_024;

/// What is known of this node's lease.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// When the store was asked for the one that it gave last.
    since: Option<Instant>,
    is_asking: bool,
    /// When the store is asked next; at once if it never was.
    ask_at: Option<Instant>,
    /// The store did not give it when it was asked last.
    has_failed: bool,
    /// The broker may send what is kept.
    is_valid: bool,
    /// When the broker was last given one that it had not.
    began: Option<Instant>,
    /// When links are closed for the lack of it.
    leave_at: Option<Instant>,
    /// Links that are closed then.
    leaving: BTreeSet<(Instant, LinkId)>,
    /// Links of which the store could not tell whether they still have their alias.
    doubtful: BTreeSet<LinkId>,
    /// Aliases that the store may have given to this node, or kept a message for, and when it could
    /// not say so.
    unsure: BTreeMap<Text, Instant>,
    /// When there were too many of them.
    unsure_of_all: Option<Instant>,
}

impl Default for Lease {
    fn default() -> Self {
        Self {
            length: Duration::from_secs(8),
            renew_every: Duration::from_secs(1),
            fence: Duration::from_secs(2),
            leave_after: Duration::from_secs(60),
        }
    }
}

impl Lease {
    /// A lease that ends before it begins would be asked for without end, and one that is asked for
    /// too late be lost each time.
    pub(super) fn sane(mut self) -> Self {
        let least = Duration::from_millis(1);
        let half = |time: Duration| time.checked_div(2).unwrap_or_default().max(least);
        self.length = self.length.max(Duration::from_millis(8));
        self.fence = self.fence.min(half(self.length));
        self.renew_every = self.renew_every.clamp(least, half(self.usable()));
        self
    }

    /// How long a node may rely on a lease, from when it asked for it.
    pub fn usable(&self) -> Duration {
        self.length.saturating_sub(self.fence)
    }
}

impl Held {
    /// True if there was none at some time since then.
    pub(super) fn had_ended_since(&self, then: Instant) -> bool {
        self.began.is_some_and(|began| then < began)
    }
}

impl Platform {
    /// True while this node may not send what is kept, because its lease has ended or it has none
    /// yet. A broker without [`super::Config::lease`] never is.
    pub fn is_fenced(&self) -> bool {
        self.config.lease.is_some() && !self.held.is_valid
    }

    /// What other nodes have told may be old (C-5).
    pub(super) fn is_stale(&self) -> bool {
        self.is_fenced() || self.held.has_failed
    }

    pub(super) fn fire_lease(&mut self, now: Instant) {
        let Some(lease) = self.config.lease else {
            return;
        };
        //= docs/spec/zzw-push-proto.md#node
        //# A node MUST NOT send or pull what is kept from `fence` before its lease ends on, counted
        //# from when it asked for that.
        let end = self
            .held
            .since
            .and_then(|since| later(since, lease.usable()));
        if self.held.is_valid && end.is_none_or(|end| end <= now) {
            self.held.is_valid = false;
            self.held.leave_at = later(now, lease.leave_after);
            self.counters.fences = self.counters.fences.saturating_add(1);
            self.tell(Event::Fenced);
        }
        self.leave(now);
        if !self.held.is_asking && self.held.ask_at.is_none_or(|at| at <= now) {
            self.held.is_asking = true;
            let op = StoreOp::Renew {
                node: self.config.node,
                info: self.info(),
                length: lease.length,
            };
            self.ask_store(op, Pending::Renew(now));
        }
    }

    pub(super) fn next_lease(&self) -> Option<Instant> {
        let lease = self.config.lease?;
        let since = self.held.since.filter(|_| self.held.is_valid);
        let end = since.and_then(|since| later(since, lease.usable()));
        let ask = self.held.ask_at.filter(|_| !self.held.is_asking);
        let leaving = self.held.leaving.first().map(|(at, _)| *at);
        [end, ask, self.held.leave_at, leaving]
            .into_iter()
            .flatten()
            .min()
    }

    pub(super) fn renewed(
        &mut self,
        now: Instant,
        asked_at: Instant,
        nodes: Vec<(NodeId, NodeInfo)>,
    ) {
        let Some(lease) = self.config.lease else {
            return;
        };
        self.held.is_asking = false;
        self.held.has_failed = false;
        self.held.since = Some(asked_at);
        self.held.ask_at = later(asked_at, lease.renew_every);
        let own = self.config.node;
        let nodes = nodes.into_iter().filter(|(node, _)| *node != own);
        let nodes: BTreeMap<NodeId, NodeInfo> = nodes.take(nodes::MAX_NODES).collect();
        let before = std::mem::replace(&mut self.nodes, nodes);
        let open = |nodes: &BTreeMap<NodeId, NodeInfo>| -> Vec<NodeId> {
            let open = nodes.iter().filter(|(_, node)| !node.is_draining);
            open.map(|(id, _)| *id).collect()
        };
        if open(&before) != open(&self.nodes) {
            self.nodes_changed();
        }
        //= docs/spec/zzw-push-proto.md#node
        //# When the lease of another node has ended, every queue MUST be looked at again: that node
        //# may have kept a message and told nobody.
        let is_one_gone = before.keys().any(|node| !self.nodes.contains_key(node));
        let is_late = later(asked_at, lease.usable()).is_none_or(|end| end <= now);
        if !is_late && !self.held.is_valid {
            self.held.is_valid = true;
            self.held.began = Some(now);
            self.held.leave_at = None;
            self.held.leaving.clear();
            self.tell(Event::Leased);
            //= docs/spec/zzw-push-proto.md#node
            //# A node whose lease had ended MUST ask the store which of its links still have their
            //# alias, and look at their queues again, before it sends what is kept.
            self.doubt_all();
        } else if is_one_gone {
            self.doubt_all();
        }
        for id in std::mem::take(&mut self.held.doubtful) {
            self.confirm(id);
        }
        self.tell_unsure(asked_at);
        if is_late {
            self.fire_lease(now);
        }
    }

    pub(super) fn not_renewed(&mut self, now: Instant) {
        let Some(lease) = self.config.lease else {
            return;
        };
        self.held.is_asking = false;
        self.held.has_failed = true;
        self.held.ask_at = later(now, lease.renew_every);
    }

    /// What other nodes have said may have been lost.
    //= docs/spec/zzw-push-proto.md#node
    //# A node that may have missed what another one has said MUST look at every queue again.
    pub(super) fn doubt_all(&mut self) {
        for id in self.links.ids() {
            self.doubt(id);
        }
    }

    /// The link may have lost its alias, or a message may wait for it that nobody has told of.
    pub(super) fn doubt(&mut self, id: LinkId) {
        let is_fenced = self.is_fenced();
        let Some(session) = self.links.get_mut(id).and_then(Link::bound) else {
            return;
        };
        match session.doubt {
            Doubt::Asking => session.doubt = Doubt::AskingInVain,
            Doubt::AskingInVain => {}
            Doubt::None | Doubt::Unasked if is_fenced => {
                session.doubt = Doubt::Unasked;
                self.held.doubtful.insert(id);
            }
            Doubt::None | Doubt::Unasked => self.confirm(id),
        }
    }

    /// Asks the store whether the link still has its alias, and how far its queue goes.
    fn confirm(&mut self, id: LinkId) {
        let Some(session) = self.links.get_mut(id).and_then(Link::bound) else {
            return;
        };
        if matches!(session.doubt, Doubt::Asking | Doubt::AskingInVain) {
            return;
        }
        session.doubt = Doubt::Asking;
        let op = StoreOp::Load {
            alias: session.alias.clone(),
            after: session.cursor,
            limit: 0,
        };
        let session = session.serial;
        self.counters.confirmed = self.counters.confirmed.saturating_add(1);
        self.ask_store(op, Pending::Confirm { link: id, session });
    }

    pub(super) fn confirmed(
        &mut self,
        now: Instant,
        id: LinkId,
        serial: u64,
        epoch: u64,
        last: MessageId,
    ) {
        if self.is_over(now, id, serial, epoch) {
            return;
        }
        let is_fenced = self.is_fenced();
        let Some(session) = self.links.get_mut(id).and_then(|link| link.session(serial)) else {
            return;
        };
        session.known = session.known.max(last);
        let was_in_vain = session.doubt == Doubt::AskingInVain;
        session.doubt = Doubt::None;
        if is_fenced || was_in_vain {
            self.doubt(id);
        } else {
            self.pump(now, id);
        }
    }

    /// The store is asked again when it has renewed the lease; where there is none, the queue is read
    /// when it has had time to recover, which tells the epoch, too.
    pub(super) fn not_confirmed(&mut self, now: Instant, id: LinkId, serial: u64) {
        let is_alone = self.config.lease.is_none();
        let Some(session) = self.links.get_mut(id).and_then(|link| link.session(serial)) else {
            return;
        };
        if is_alone {
            session.doubt = Doubt::None;
            let alias = session.alias.clone();
            self.look_again(now, &alias);
        } else {
            session.doubt = Doubt::Unasked;
            self.held.doubtful.insert(id);
        }
    }

    /// The store may have given an alias to this node, or kept a message for it, and could not say so:
    /// whoever has a link of it has been told of neither.
    pub(super) fn unsure(&mut self, now: Instant, alias: &Text) {
        if self.config.lease.is_none() {
            return;
        }
        if self.held.unsure.len() < MAX_UNSURE {
            self.held.unsure.insert(alias.clone(), now);
        } else {
            self.unsure_of_all(now);
        }
    }

    /// The same for aliases that nobody can name.
    pub(super) fn unsure_of_all(&mut self, now: Instant) {
        if self.config.lease.is_some() {
            self.held.unsure_of_all = Some(now);
        }
    }

    /// Has the other nodes ask the store about what has been unsure since then. Who is there has to
    /// be known as it was later: any of them may have a link of it.
    //= docs/spec/zzw-push-proto.md#store
    //# A queue MUST be read again when the store cannot tell whether it has kept a message for it.
    //= docs/spec/zzw-push-proto.md#node
    //# A link MUST be closed when its alias has moved to another node by a later epoch, and by none
    //# else.
    pub(super) fn tell_unsure(&mut self, then: Instant) {
        let mut unsure = Vec::new();
        self.held.unsure.retain(|alias, at| {
            let is_due = *at <= then;
            if is_due {
                unsure.push(alias.clone());
            }
            !is_due
        });
        if self.held.unsure_of_all.take_if(|at| *at <= then).is_some() {
            self.tell_nodes(&NodeMessage::Missed);
            return self.doubt_all();
        }
        for alias in unsure {
            let mid = MessageId::default();
            self.tell_nodes(&NodeMessage::Nudge { alias, mid });
        }
    }

    /// A link is over.
    pub(super) fn sure(&mut self, id: LinkId) {
        self.held.doubtful.remove(&id);
    }

    /// Ends a link whose alias has a later epoch; true if it did.
    //= docs/spec/zzw-push-proto.md#node
    //# A link MUST be closed when its alias has moved to another node by a later epoch, and by none
    //# else.
    pub(super) fn is_over(&mut self, now: Instant, id: LinkId, serial: u64, epoch: u64) -> bool {
        let session = self.links.get_mut(id).and_then(|link| link.session(serial));
        let ours = session.and_then(|session| session.epoch);
        let is_over = ours.is_some_and(|ours| ours < epoch);
        if is_over {
            self.fail(id, Code::Replaced, Num::Absent);
            self.end(now, id, LinkEnd::Replaced);
        }
        is_over
    }

    /// Closes links, spread over some time, when the node has been without a lease for long.
    //= docs/spec/zzw-push-proto.md#node
    //# A node without a lease for `leave_after` MUST close the links that have an alias, over
    //# `drain_over`.
    fn leave(&mut self, now: Instant) {
        if self.held.leave_at.is_some_and(|at| at <= now) {
            self.held.leave_at = None;
            let over = u64::try_from(self.config.drain_over.as_millis()).unwrap_or(u64::MAX);
            let mut dice = self.config.seed;
            let mut ids = self.links.ids();
            ids.retain(|id| self.is_bound(*id));
            for id in ids {
                let millis = draw(&mut dice).checked_rem(over).unwrap_or(0);
                let at = later(now, Duration::from_millis(millis)).unwrap_or(now);
                self.held.leaving.insert((at, id));
            }
        }
        while let Some((at, id)) = self.held.leaving.first().copied() {
            if at > now {
                return;
            }
            self.held.leaving.remove(&(at, id));
            if self.is_bound(id) {
                self.fail(id, Code::StoreUnavailable, Num::Absent);
                self.end(now, id, LinkEnd::Fenced);
            }
        }
    }
}

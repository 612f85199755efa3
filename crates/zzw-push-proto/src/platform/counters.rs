//! What a [`Platform`] has counted.

use super::Platform;
use super::store::Transport;
use super::vocabulary::LinkEnd;

/// What is, and what has happened so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counters {
    /// Links over TCP now.
    pub tcp_links: u64,
    /// Links over Socket.IO now.
    pub socketio_links: u64,
    /// Aliases that are online here now.
    pub online: u64,
    /// Bytes of bodies held now.
    pub held_bytes: usize,
    /// Messages on their way to links, not acknowledged, now.
    pub unacked: usize,
    /// Publications that the store has not kept now.
    pub publishing: usize,
    /// Requests that the store has not answered now.
    pub store_requests: usize,
    /// Aliases that the store has to be told again to let go, now.
    pub releases: usize,
    /// Questions to the application and to who verifies tokens, open now.
    pub questions: usize,
    /// Links that wait for memory now, see [`super::Config::max_held`].
    pub starved: usize,
    /// Other nodes that are known now.
    pub nodes: usize,
    /// Links taken.
    pub accepted: u64,
    /// Links not taken: there were too many, or the broker was draining.
    pub refused: u64,
    /// Links that got an alias.
    pub bound: u64,
    /// Links that ended, by why.
    pub ended: Ends,
    /// Messages received on links.
    pub received: u64,
    /// Calls over REST.
    pub calls: u64,
    /// Publications taken.
    pub published: u64,
    /// Publications that were not kept for all they were for.
    pub unpublished: u64,
    /// Messages sent for the first time.
    pub delivered: u64,
    /// Those of them that were for who is online only.
    pub direct: u64,
    /// Messages sent again on the same link.
    pub redelivered: u64,
    /// Messages brought by pulls.
    pub pulled: u64,
    /// Messages acknowledged that were waited for.
    pub acked: u64,
    /// Messages not sent because their time was over.
    pub expired: u64,
    /// Messages that had to go for newer ones.
    pub evicted: u64,
    /// Messages for those who are online only that a link had no room for.
    pub dropped: u64,
    /// Commands for doors that had to wait for so long that they came to nothing.
    pub late: u64,
    /// Frames that were none.
    pub garbled: u64,
    /// Requests answered with `busy`.
    pub busy: u64,
    /// Requests that were not allowed.
    pub denied: u64,
    /// News of presence told, once for each topic.
    pub presence: u64,
    /// News of presence that were lost, to the store or to a limit.
    pub presence_lost: u64,
    /// Tokens of clients that were valid.
    pub tokens_accepted: u64,
    /// Tokens of clients that were not.
    pub tokens_rejected: u64,
    /// Requests that the store has failed.
    pub store_failures: u64,
    /// Aliases that the store would not let go.
    pub unreleased: u64,
    /// Links that were too slow.
    pub slow: u64,
    /// How often other nodes have come, gone, or begun to drain.
    pub node_changes: u64,
    /// How often this node has lost its lease.
    pub fences: u64,
    /// How often the store was asked whether a link still has its alias.
    pub confirmed: u64,
}

/// How many links ended, by why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ends([u64; LinkEnd::ALL.len()]);

impl Platform {
    /// What is, and what has happened so far.
    pub fn snapshot(&self) -> Counters {
        Counters {
            publishing: self.publications.len(),
            store_requests: self.pending.len(),
            releases: self.releases.len(),
            questions: self.asked.len(),
            starved: self.starved.len(),
            nodes: self.nodes.len(),
            ..self.counters
        }
    }

    /// [`Counters::node_changes`], for whoever looks often: when it has grown, rooms may have another
    /// home, see [`Self::home_of`].
    pub fn node_changes(&self) -> u64 {
        self.counters.node_changes
    }

    /// What [`Self::snapshot`] tells, counted anew by walking over everything: for whoever doubts the
    /// counters (I6). It takes as long as there are links.
    pub fn recount(&self) -> Counters {
        let mut now = self.snapshot();
        (now.tcp_links, now.socketio_links, now.online) = (0, 0, 0);
        (now.held_bytes, now.unacked) = (0, 0);
        for (_, link) in self.links.iter() {
            let links = match link.transport {
                Transport::Tcp => &mut now.tcp_links,
                Transport::SocketIo => &mut now.socketio_links,
            };
            *links = links.saturating_add(1);
            now.online = now.online.saturating_add(link.alias().is_some().into());
            let unacked = link.session.as_ref().map_or(0, |s| s.inflight.len());
            now.unacked = now.unacked.saturating_add(unacked);
            now.held_bytes = now.held_bytes.saturating_add(link.held());
        }
        for publication in self.publications.values() {
            now.held_bytes = now.held_bytes.saturating_add(publication.held());
        }
        now
    }
}

impl Counters {
    /// Those of two brokers together.
    #[must_use]
    pub fn plus(self, other: &Self) -> Self {
        let mut ended = self.ended;
        for (sum, more) in ended.0.iter_mut().zip(other.ended.0) {
            *sum = sum.saturating_add(more);
        }
        Self {
            ended,
            tcp_links: self.tcp_links.saturating_add(other.tcp_links),
            socketio_links: self.socketio_links.saturating_add(other.socketio_links),
            online: self.online.saturating_add(other.online),
            held_bytes: self.held_bytes.saturating_add(other.held_bytes),
            unacked: self.unacked.saturating_add(other.unacked),
            publishing: self.publishing.saturating_add(other.publishing),
            store_requests: self.store_requests.saturating_add(other.store_requests),
            releases: self.releases.saturating_add(other.releases),
            questions: self.questions.saturating_add(other.questions),
            starved: self.starved.saturating_add(other.starved),
            nodes: self.nodes.saturating_add(other.nodes),
            accepted: self.accepted.saturating_add(other.accepted),
            refused: self.refused.saturating_add(other.refused),
            bound: self.bound.saturating_add(other.bound),
            received: self.received.saturating_add(other.received),
            calls: self.calls.saturating_add(other.calls),
            published: self.published.saturating_add(other.published),
            unpublished: self.unpublished.saturating_add(other.unpublished),
            delivered: self.delivered.saturating_add(other.delivered),
            direct: self.direct.saturating_add(other.direct),
            redelivered: self.redelivered.saturating_add(other.redelivered),
            pulled: self.pulled.saturating_add(other.pulled),
            acked: self.acked.saturating_add(other.acked),
            expired: self.expired.saturating_add(other.expired),
            evicted: self.evicted.saturating_add(other.evicted),
            dropped: self.dropped.saturating_add(other.dropped),
            late: self.late.saturating_add(other.late),
            garbled: self.garbled.saturating_add(other.garbled),
            busy: self.busy.saturating_add(other.busy),
            denied: self.denied.saturating_add(other.denied),
            presence: self.presence.saturating_add(other.presence),
            presence_lost: self.presence_lost.saturating_add(other.presence_lost),
            tokens_accepted: self.tokens_accepted.saturating_add(other.tokens_accepted),
            tokens_rejected: self.tokens_rejected.saturating_add(other.tokens_rejected),
            store_failures: self.store_failures.saturating_add(other.store_failures),
            unreleased: self.unreleased.saturating_add(other.unreleased),
            slow: self.slow.saturating_add(other.slow),
            node_changes: self.node_changes.saturating_add(other.node_changes),
            fences: self.fences.saturating_add(other.fences),
            confirmed: self.confirmed.saturating_add(other.confirmed),
        }
    }
}

impl Ends {
    /// For that reason.
    pub fn of(&self, why: LinkEnd) -> u64 {
        self.0.get(why as usize).copied().unwrap_or_default()
    }

    /// Each reason and how many.
    pub fn iter(&self) -> impl Iterator<Item = (LinkEnd, u64)> {
        LinkEnd::ALL.into_iter().zip(self.0)
    }

    pub(super) fn count(&mut self, why: LinkEnd) {
        if let Some(count) = self.0.get_mut(why as usize) {
            *count = count.saturating_add(1);
        }
    }
}

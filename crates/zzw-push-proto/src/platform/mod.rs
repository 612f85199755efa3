//! The broker: keeps messages for aliases and delivers them in order, at least once.

mod bucket;
mod door;
mod hooks;
mod life;
mod link;
mod nodes;
mod offline;
mod publish;
mod pull;
mod request;
mod rest;
mod session;
mod store;
mod vocabulary;

pub use crate::rooms::LinkId;
pub use store::{
    Appended, Entry, MessageId, NodeId, Owner, Seq, StoreError, StoreOp, StoreReply, Transport,
    UnixMillis,
};
pub use vocabulary::{
    AskId, Call, Config, Counters, Event, ExchangeId, Input, LinkEnd, NodeInfo, NodeMessage,
    OnUnacked, Output, Peer, PublishId, Question, Rate, Reason, Refused, RoomCounts, Rule, Rules,
    Verdict,
};

use crate::wire::{Code, Failure, Message, Num, Text};
use bucket::Bucket;
use hooks::Asked;
use life::Life;
use link::Link;
use publish::Publication;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The broker of one node.
///
/// # What is guaranteed
///
/// A message that was acknowledged to its publisher is in the store until its alias has acknowledged
/// it, its time is over, or newer ones have pushed it out, which is counted. The messages of an alias
/// go out in the order of their ids, and again until they are acknowledged. One link at most has an
/// alias, the newest. Nothing is sent when its time is over.
///
/// # What the driver owes
///
/// Every [`Output::Store`] is answered, in any order; requests about one alias are carried out in
/// order. Outputs may be drained at any time; what waits is in memory until then. Ids of links and
/// calls are never used twice. Inputs that come late or doubled do nothing.
#[derive(Debug)]
pub struct Platform {
    config: Config,
    links: BTreeMap<LinkId, Link>,
    /// Who has an alias, or has asked the store for it.
    owners: HashMap<Text, LinkId>,
    due: BTreeSet<(Instant, LinkId)>,
    addresses: BTreeMap<IpAddr, Bucket>,
    pending: BTreeMap<Seq, Pending>,
    publications: BTreeMap<PublishId, Publication>,
    asked: BTreeMap<AskId, Asked>,
    /// Sessions that wait for memory.
    starved: BTreeSet<LinkId>,
    nodes: BTreeMap<NodeId, NodeInfo>,
    rooms: RoomCounts,
    life: Life,
    /// The id of the last message that was for those who are online only.
    last_direct: MessageId,
    next_seq: u64,
    next_ask: u64,
    next_publish: u64,
    out: VecDeque<Output>,
    counters: Counters,
}

/// What an answer of the store is for.
#[derive(Debug)]
enum Pending {
    Claim(LinkId, Text),
    Load {
        link: LinkId,
        asked_at: Instant,
        limit: usize,
        known: MessageId,
    },
    Pull {
        link: LinkId,
        asked_at: Instant,
        num: Num,
    },
    Append {
        publication: PublishId,
        alias: Text,
        asked_at: Instant,
    },
    AppendTopic {
        publication: PublishId,
        topic: Text,
        asked_at: Instant,
    },
    Members {
        publication: PublishId,
        topic: Text,
        at: UnixMillis,
    },
    Ack(LinkId, Vec<MessageId>),
    Subscribe(LinkId, Num),
    Topics(LinkId, Num),
    Status {
        asker: Asker,
        alias: Text,
        num: Num,
    },
    List(ExchangeId),
    /// Nobody waits.
    Nothing,
}

/// Who waits for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asker {
    Link(LinkId),
    Exchange(ExchangeId),
    Application,
}

impl Platform {
    /// A broker without links.
    pub fn new(config: Config) -> Self {
        Self {
            config: config.sane(),
            links: BTreeMap::new(),
            owners: HashMap::new(),
            due: BTreeSet::new(),
            addresses: BTreeMap::new(),
            pending: BTreeMap::new(),
            publications: BTreeMap::new(),
            asked: BTreeMap::new(),
            starved: BTreeSet::new(),
            nodes: BTreeMap::new(),
            rooms: RoomCounts::default(),
            life: Life::Open,
            last_direct: MessageId::default(),
            next_seq: 0,
            next_ask: 0,
            next_publish: 0,
            out: VecDeque::new(),
            counters: Counters::default(),
        }
    }

    /// Takes one fact from the world. Never fails: what a peer did wrong comes out as output.
    pub fn handle_input(&mut self, now: Instant, input: Input) {
        self.handle_timeout(now);
        if self.is_closed() {
            return;
        }
        match input {
            Input::Connected(id, peer) => self.connected(now, id, peer),
            Input::Received(id, at, message) => self.received(now, id, at, message),
            Input::Garbled(id, error) => self.garbled(now, id, &error),
            Input::Slow(id) => self.slow(now, id),
            Input::Drained(id) => self.drained(now, id),
            Input::Disconnected(id) => self.end(id, LinkEnd::Remote),
            Input::Called(id, address, at, call) => self.called(now, id, address, at, call),
            Input::HungUp(_) => {} // its answer goes to nobody
            Input::Stored(seq, reply) => self.stored(now, seq, reply),
            Input::StoreFailed(seq, error) => self.store_failed(now, seq, error),
            Input::Rooms(rooms) => self.rooms = rooms,
            Input::FromNode { node, message } => self.node_says(now, node, message),
        }
        self.feed_the_starved(now);
        self.end_if_drained();
    }

    /// Fires what is due at `now`. Harmless when called early, late or twice.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.is_closed() {
            return;
        }
        self.fire_asked(now);
        while let Some((due, id)) = self.due.first().copied() {
            if due > now {
                break;
            }
            self.overdue(now, id);
        }
        self.fire_drain(now);
        self.feed_the_starved(now);
        self.end_if_drained();
    }

    /// Next thing to do, oldest first; `None` when there is nothing until the next input.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// When to call [`Self::handle_timeout`]; `None` means no timer is armed.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.is_closed() {
            return None;
        }
        let link = self.due.first().map(|(due, _)| *due);
        let timers = [link, self.next_asked(), self.next_drain()];
        timers.into_iter().flatten().min()
    }

    /// What has happened so far, and what is.
    pub fn snapshot(&self) -> Counters {
        let online = self.links.values().filter(|link| link.alias().is_some());
        let online = u64::try_from(online.count()).unwrap_or(u64::MAX);
        Counters {
            online,
            store_requests: self.pending.len(),
            ..self.counters
        }
    }

    /// True if a link of this node has the alias.
    pub fn is_online(&self, alias: &str) -> bool {
        let link = self.owners.get(alias).and_then(|id| self.links.get(id));
        link.is_some_and(|link| link.alias().is_some())
    }

    fn send(&mut self, id: LinkId, message: Message) {
        self.out.push_back(Output::Send(id, Arc::new(message)));
    }

    fn fail(&mut self, id: LinkId, code: Code, num: Num) {
        match code {
            Code::Busy => self.counters.busy = self.counters.busy.saturating_add(1),
            Code::NotAllowed => self.counters.denied = self.counters.denied.saturating_add(1),
            _ => {}
        }
        self.send(id, Message::Failure(Failure::new(code, num)));
    }

    fn tell(&mut self, event: Event) {
        self.out.push_back(Output::Event(event));
    }

    fn ask_store(&mut self, op: StoreOp, pending: Pending) {
        self.next_seq = self.next_seq.saturating_add(1);
        let seq = Seq(self.next_seq);
        if let Some(link) = pending.link().and_then(|id| self.links.get_mut(&id)) {
            link.requests = link.requests.saturating_add(1);
        }
        self.pending.insert(seq, pending);
        self.out.push_back(Output::Store(seq, op));
    }

    fn stored(&mut self, now: Instant, seq: Seq, reply: StoreReply) {
        let reply = match reply {
            StoreReply::Fanned {
                members,
                is_last: false,
            } => return self.fanned_in_part(now, seq, members),
            reply => reply,
        };
        let Some(pending) = self.answered(seq) else {
            return;
        };
        match (pending, reply) {
            (
                Pending::Claim(link, alias),
                StoreReply::Claimed {
                    epoch,
                    previous,
                    gap,
                },
            ) => self.claimed(now, link, &alias, epoch, previous, gap),
            (
                Pending::Load {
                    link,
                    asked_at,
                    limit,
                    known,
                },
                StoreReply::Loaded { entries, last, at },
            ) => {
                let loaded = offline::Loaded {
                    entries,
                    asked_at,
                    at,
                    end: last.max(known),
                    limit,
                };
                self.loaded(now, link, loaded);
            }
            (
                Pending::Pull {
                    link,
                    asked_at,
                    num,
                },
                StoreReply::Loaded { entries, at, .. },
            ) => self.pulled(now, link, num, asked_at, entries, at),
            (
                Pending::Append {
                    publication,
                    alias,
                    asked_at,
                },
                StoreReply::Appended(appended),
            ) => {
                self.appended(now, publication, &alias, None, asked_at, appended);
                self.part_done(publication, None);
            }
            (
                Pending::AppendTopic {
                    publication,
                    topic,
                    asked_at,
                },
                StoreReply::Fanned { members, .. },
            ) => {
                self.fanned(now, publication, &topic, asked_at, members);
                self.part_done(publication, None);
            }
            (
                Pending::Members {
                    publication,
                    topic,
                    at,
                },
                StoreReply::Members(members),
            ) => {
                self.direct_to_members(publication, &topic, at, &members);
                self.part_done(publication, None);
            }
            (Pending::Subscribe(link, num), StoreReply::Done) => self.subscribed(link, num),
            (Pending::Topics(link, num), StoreReply::Status { topics, .. }) => {
                self.topics_known(link, topics, num);
            }
            (Pending::Status { asker, alias, num }, StoreReply::Status { topics, owner }) => {
                self.status_known(asker, alias, num, topics, owner);
            }
            (Pending::List(exchange), StoreReply::Listed { total, aliases }) => {
                self.listed(exchange, total, aliases);
            }
            (Pending::Ack(link, _), StoreReply::Done) => self.acks_told(link),
            (Pending::Nothing, _) => {}
            (pending, _) => self.failed(now, pending, StoreError::Unavailable),
        }
    }

    /// More parts follow, so the request stays open.
    fn fanned_in_part(&mut self, now: Instant, seq: Seq, members: Vec<(Text, Appended)>) {
        if let Some(Pending::AppendTopic {
            publication,
            topic,
            asked_at,
        }) = self.pending.get(&seq)
        {
            let (publication, topic, asked_at) = (*publication, topic.clone(), *asked_at);
            self.fanned(now, publication, &topic, asked_at, members);
        }
    }

    fn store_failed(&mut self, now: Instant, seq: Seq, error: StoreError) {
        if let Some(pending) = self.answered(seq) {
            self.counters.store_failures = self.counters.store_failures.saturating_add(1);
            self.failed(now, pending, error);
        }
    }

    fn answered(&mut self, seq: Seq) -> Option<Pending> {
        let pending = self.pending.remove(&seq)?;
        if let Some(link) = pending.link().and_then(|id| self.links.get_mut(&id)) {
            link.requests = link.requests.saturating_sub(1);
        }
        Some(pending)
    }

    fn failed(&mut self, now: Instant, pending: Pending, error: StoreError) {
        let code = match error {
            StoreError::UnknownAlias => Code::UnknownAlias,
            StoreError::Unavailable => Code::StoreUnavailable,
        };
        match pending {
            Pending::Claim(link, alias) => self.not_claimed(now, link, &alias),
            Pending::Load { link, .. } => self.not_loaded(now, link),
            Pending::Append {
                publication, alias, ..
            } => {
                // Perhaps it is kept all the same.
                self.look_again(now, &alias);
                self.part_done(publication, Some(code));
            }
            Pending::AppendTopic { publication, .. } | Pending::Members { publication, .. } => {
                self.part_done(publication, Some(code));
            }
            Pending::Pull { link, num, .. }
            | Pending::Subscribe(link, num)
            | Pending::Topics(link, num) => self.refuse(Asker::Link(link), code, num),
            Pending::Status { asker, num, .. } => self.refuse(asker, code, num),
            Pending::List(exchange) => self.refuse(Asker::Exchange(exchange), code, Num::Absent),
            Pending::Ack(link, mids) => self.acks_not_told(now, link, mids),
            Pending::Nothing => {}
        }
    }
}

impl Pending {
    /// The link whose request it is.
    fn link(&self) -> Option<LinkId> {
        match self {
            Self::Pull { link, .. }
            | Self::Subscribe(link, _)
            | Self::Topics(link, _)
            | Self::Status {
                asker: Asker::Link(link),
                ..
            } => Some(*link),
            _ => None,
        }
    }
}

/// A time so far ahead that it cannot be told is never.
fn later(now: Instant, by: Duration) -> Option<Instant> {
    now.checked_add(by)
}

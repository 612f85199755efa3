//! The broker: keeps messages for aliases and delivers them in order, at least once.

mod access;
mod balance;
mod bucket;
mod config;
mod counters;
mod door;
mod hooks;
mod lease;
mod life;
mod link;
mod links;
mod nodes;
mod offline;
mod outbox;
mod parcel;
mod pause;
mod pending;
mod presence;
mod publish;
mod pull;
mod release;
mod request;
mod rest;
mod session;
mod store;
mod token;
mod vocabulary;
mod window;

pub use crate::rooms::LinkId;
pub use access::{AskId, Grant, Presented, Question, Rule, Rules, Scopes, Verdict};
pub use config::{ClientToken, Config, OnUnacked, Rate};
pub use counters::{Counters, Ends};
pub use lease::Lease;
pub use parcel::Parcel;
pub use store::{
    Appended, Entry, MessageId, NodeId, Owner, Seq, StoreError, StoreOp, StoreReply, Transport,
    UnixMillis,
};
pub use vocabulary::{
    Call, Event, ExchangeId, Input, LinkEnd, NodeInfo, NodeMessage, Output, Peer, PublishId,
    Reason, Refused, RoomCounts,
};

use crate::wire::{Code, Failure, Message, Num, Text};
use bucket::Bucket;
use hooks::Asked;
use lease::Held;
use life::Life;
use link::Link;
use links::Links;
use outbox::Outbox;
use pause::Paused;
use pending::{Asker, Pending};
use presence::Presence;
use publish::Publication;
use release::Releases;
use std::collections::{BTreeMap, BTreeSet, HashMap};
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
///
/// What is for another node ([`Output::Relay`]) may be lost if [`NodeMessage::Missed`] follows to all
/// nodes once they can be reached, and what comes from them if [`Input::Missed`] is told. The aliases
/// of a node whose lease has ended are given to nobody, under a later epoch. Of a process that stood
/// still, [`Input::Paused`] is told before anything else.
#[derive(Debug)]
pub struct Platform {
    config: Config,
    links: Links,
    /// Who has an alias, or has asked the store for it.
    owners: HashMap<Text, LinkId>,
    due: BTreeSet<(Instant, LinkId)>,
    addresses: BTreeMap<IpAddr, Bucket>,
    pending: BTreeMap<Seq, Pending>,
    publications: BTreeMap<PublishId, Publication>,
    asked: BTreeMap<AskId, Asked>,
    releases: Releases,
    presence: Presence,
    paused: Paused,
    /// What time it was by the wall clock when that was heard last.
    clock: Option<(Instant, UnixMillis)>,
    /// Sessions that wait for memory.
    starved: BTreeSet<LinkId>,
    /// When those that have paused were forgotten last.
    swept_at: Option<Instant>,
    nodes: BTreeMap<NodeId, NodeInfo>,
    held: Held,
    rooms: RoomCounts,
    life: Life,
    /// The id of the last message that was for those who are online only.
    last_direct: MessageId,
    next_seq: u64,
    next_ask: u64,
    next_publish: u64,
    next_session: u64,
    out: Outbox,
    counters: Counters,
}

impl Platform {
    /// A broker without links.
    pub fn new(config: Config) -> Self {
        Self {
            config: config.sane(),
            links: Links::default(),
            owners: HashMap::new(),
            due: BTreeSet::new(),
            addresses: BTreeMap::new(),
            pending: BTreeMap::new(),
            publications: BTreeMap::new(),
            asked: BTreeMap::new(),
            releases: Releases::default(),
            presence: Presence::default(),
            paused: Paused::default(),
            clock: None,
            starved: BTreeSet::new(),
            swept_at: None,
            nodes: BTreeMap::new(),
            held: Held::default(),
            rooms: RoomCounts::default(),
            life: Life::Open,
            last_direct: MessageId::default(),
            next_seq: 0,
            next_ask: 0,
            next_publish: 0,
            next_session: 0,
            out: Outbox::default(),
            counters: Counters::default(),
        }
    }

    /// Takes one fact from the world. Never fails: what a peer did wrong comes out as output.
    pub fn handle_input(&mut self, now: Instant, input: Input) {
        if let Input::Paused(pause) = &input {
            // What is due now may be for a link that was given up meanwhile.
            self.paused(now, *pause);
        }
        self.handle_timeout(now);
        if self.is_closed() {
            return;
        }
        match input {
            Input::Connected(id, peer) => self.connected(now, id, peer),
            Input::Received(id, at, message) => {
                self.clock = Some((now, at));
                self.received(now, id, at, message);
            }
            Input::Garbled(id, error) => self.garbled(now, id, &error),
            Input::Slow(id) => self.slow(now, id),
            Input::Drained(id) => self.drained(now, id),
            Input::Disconnected(id) => self.end(now, id, LinkEnd::Remote),
            Input::Called(id, address, at, call) => {
                self.clock = Some((now, at));
                self.called(now, id, address, at, call);
            }
            // Its answer goes to nobody; the pause was told first of all.
            Input::HungUp(_) | Input::Paused(_) => {}
            Input::Stored(seq, reply) => self.stored(now, seq, reply),
            Input::StoreFailed(seq, error) => self.store_failed(now, seq, error),
            Input::Rooms(rooms) => self.rooms = rooms,
            Input::Missed => self.doubt_all(),
            Input::FromNode { node, message } => self.node_says(now, node, message),
        }
        self.feed_the_starved(now);
        self.end_if_drained(now);
    }

    /// Fires what is due at `now`. Harmless when called early, late or twice.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.is_closed() {
            return;
        }
        self.fire_lease(now);
        self.fire_asked(now);
        self.fire_postponed(now);
        while let Some((due, id)) = self.due.first().copied() {
            if due > now {
                break;
            }
            self.overdue(now, id);
        }
        self.fire_releases(now);
        self.fire_presence(now);
        self.fire_drain(now);
        self.feed_the_starved(now);
        self.end_if_drained(now);
    }

    /// Next thing to do, oldest first; `None` when there is nothing until the next input.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop()
    }

    /// When to call [`Self::handle_timeout`]; `None` means no timer is armed.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.is_closed() {
            return None;
        }
        let link = self.due.first().map(|(due, _)| *due);
        let timers = [
            link,
            self.next_lease(),
            self.next_asked(),
            self.next_postponed(),
            self.next_release(),
            self.next_presence(),
            self.next_drain(),
        ];
        timers.into_iter().flatten().min()
    }

    /// True if a link of this node has the alias.
    pub fn is_online(&self, alias: &str) -> bool {
        let link = self.owners.get(alias).and_then(|id| self.links.get(*id));
        link.is_some_and(|link| link.alias().is_some())
    }

    fn send(&mut self, id: LinkId, message: Message) {
        self.out.send(id, Arc::new(message));
    }

    fn fail(&mut self, id: LinkId, code: Code, num: Num) {
        if code == Code::Busy {
            self.counters.busy = self.counters.busy.saturating_add(1);
        }
        self.send(id, Message::Failure(Failure::new(code, num)));
    }

    fn tell(&mut self, event: Event) {
        self.out.push(Output::Event(event));
    }
}

/// A time so far ahead that it cannot be told is never.
fn later(now: Instant, by: Duration) -> Option<Instant> {
    now.checked_add(by)
}

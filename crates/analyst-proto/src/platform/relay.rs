//! Results for tasks of other dispatchers: each has tasks and analysers of its own, and an analyser may
//! send what it finds to whichever it was told of last.

use super::results::Fate;
use super::tombstones::Epitaph;
use super::vocabulary::{Config, Event, Output, Verdict};
use super::{Platform, after};
use crate::link::{DeliveryId, Seq};
use crate::wire::{Message, TaskId, Text};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Names one dispatcher of a cluster, in all its lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a number")]
pub struct NodeId(pub u64);

/// Names one result that a dispatcher has offered to others, which answer by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a number")]
pub struct Ticket(pub u64);

/// What dispatchers say to each other. It may be lost, come twice or out of order.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Relay {
    /// A result for a task that the sender does not know.
    Result {
        /// What it is answered by.
        ticket: Ticket,
        /// FINISH or FAIL.
        message: Arc<Message>,
    },
    /// The task is known, and what follows from its result is stored.
    Known {
        /// Of the result.
        ticket: Ticket,
    },
    /// The task is not known.
    Unknown {
        /// Of the result.
        ticket: Ticket,
    },
}

/// What is under way between this dispatcher and its peers.
#[derive(Debug, Clone)]
pub(super) struct Cluster {
    peers: BTreeSet<NodeId>,
    wait: Duration,
    max: usize,
    next: u64,
    offers: BTreeMap<Ticket, Offer>,                 // oldest first
    owed: BTreeMap<Seq, BTreeSet<(NodeId, Ticket)>>, // answers, by what has to be stored before
}

/// A result that peers were asked about.
#[derive(Debug, Clone)]
struct Offer {
    id: TaskId,
    message: Arc<Message>,
    deliveries: Vec<DeliveryId>, // none, once their connection is gone
    silent: BTreeSet<NodeId>,    // have not answered
    until: Option<Instant>,
}

/// What is under way at one moment, with times relative to that.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct ClusterSnapshot {
    offers: Vec<OfferSnapshot>,
    owed: Vec<(Option<usize>, NodeId, Ticket)>,
}

/// Number and content of a result, its deliveries, who has not answered, and how long they have.
type OfferSnapshot = (
    TaskId,
    Result<Epitaph, Text>,
    Vec<DeliveryId>,
    BTreeSet<NodeId>,
    Option<Duration>,
);

impl Platform {
    /// True if others are to be asked about a result for this task.
    pub(super) fn is_foreign(&self, id: TaskId) -> bool {
        let is_taken = || self.config.rounded_ids && self.table.unrounded(id).is_some();
        !self.cluster.peers.is_empty() && !self.is_known(id) && !is_taken()
    }

    /// Asks all peers about a result for a task that is not known here.
    pub(super) fn offer(
        &mut self,
        now: Instant,
        delivery: DeliveryId,
        id: TaskId,
        message: Message,
    ) {
        if !self.cluster.has_room() {
            //= docs/spec/analyst-proto.md#dispatcher
            //# A result that is not offered since there are too many, or that not all peers have
            //# answered in time, MUST be reported.
            self.say(Event::NotRelayed(id));
            self.stray(id);
            self.out.push_back(Output::Ack(delivery));
            return;
        }
        //= docs/spec/analyst-proto.md#dispatcher
        //# A result for a task that is not known MUST be offered to each peer once, also when it
        //# comes again before they have answered.
        if let Some(offer) = self.cluster.offer_of(&message) {
            return offer.deliveries.push(delivery);
        }
        self.counters.relayed = self.counters.relayed.saturating_add(1);
        let message = Arc::new(message);
        let until = after(now, self.cluster.wait);
        let ticket = self.cluster.open(id, Arc::clone(&message), delivery, until);
        for &node in &self.cluster.peers {
            let message = Arc::clone(&message);
            let relay = Relay::Result { ticket, message };
            self.out.push_back(Output::Relay { node, relay });
        }
    }

    pub(super) fn node_says(&mut self, now: Instant, node: NodeId, relay: Relay) {
        //= docs/spec/analyst-proto.md#dispatcher
        //# What comes from a node that is no peer MUST be reported and change nothing.
        if !self.cluster.peers.contains(&node) {
            return self.say(Event::StrangeNode(node));
        }
        match relay {
            Relay::Result { ticket, message } => self.offered(now, node, ticket, message),
            Relay::Known { ticket } => {
                if let Some(offer) = self.cluster.offers.remove(&ticket) {
                    self.release(offer);
                }
            }
            Relay::Unknown { ticket } => {
                if let Some(offer) = self.cluster.not_at(node, ticket) {
                    self.nobody_knows(offer);
                }
            }
        }
    }

    /// A peer asks about a result.
    fn offered(&mut self, now: Instant, node: NodeId, ticket: Ticket, message: Arc<Message>) {
        if self.cluster.owes(node, ticket) {
            return; // it has come twice
        }
        let id = match &*message {
            Message::Finish(finish) => finish.id,
            Message::Fail(fail) => fail.id,
            _ => {
                self.count_unexpected();
                self.say(Event::Unexpected("a relay of what is no result"));
                return self.answer_node(node, Relay::Unknown { ticket });
            }
        };
        //= docs/spec/analyst-proto.md#dispatcher
        //# A result that a peer offers MUST be taken as if it had come from the broker, and MUST NOT
        //# be offered to others.
        if !self.is_known(id) {
            return self.answer_node(node, Relay::Unknown { ticket });
        }
        if self.cluster.owed() >= self.cluster.max {
            self.counters.deferred = self.counters.deferred.saturating_add(1);
            return; // the peer reports that it was not answered
        }
        self.counters.adopted = self.counters.adopted.saturating_add(1);
        let fate = match Arc::unwrap_or_clone(message) {
            Message::Finish(finish) => self.finished(finish),
            Message::Fail(fail) => self.failed(now, &fail),
            _ => Fate::Noted,
        };
        //= docs/spec/analyst-proto.md#dispatcher
        //# The dispatcher MUST NOT tell a peer that it knows the task of a result before what follows
        //# from that is stored.
        match fate {
            Fate::Kept(seq) if self.journal.is_pending(seq) => {
                self.cluster.owe(seq, node, ticket);
            }
            _ => self.answer_node(node, Relay::Known { ticket }),
        }
    }

    /// The store has done something that peers wait for.
    pub(super) fn tell_nodes(&mut self, seq: Seq) {
        for (node, ticket) in self.cluster.owed.remove(&seq).unwrap_or_default() {
            self.answer_node(node, Relay::Known { ticket });
        }
    }

    fn answer_node(&mut self, node: NodeId, relay: Relay) {
        self.out.push_back(Output::Relay { node, relay });
    }

    /// Not all peers have answered in time.
    pub(super) fn unanswered(&mut self, ticket: Ticket) {
        if let Some(offer) = self.cluster.offers.remove(&ticket) {
            if !offer.deliveries.is_empty() {
                let silent = offer.silent.clone();
                self.say(Event::RelayUnanswered(offer.id, silent));
            }
            self.nobody_knows(offer);
        }
    }

    fn nobody_knows(&mut self, offer: Offer) {
        // If its connection is gone, it comes again.
        if !offer.deliveries.is_empty() {
            self.stray(offer.id);
        }
        self.release(offer);
    }

    //= docs/spec/analyst-proto.md#dispatcher
    //# A result that is offered MUST NOT be acknowledged before a peer knows its task, all have said
    //# that they do not, or `relay_wait` is over.
    fn release(&mut self, offer: Offer) {
        let acks = offer.deliveries.into_iter().map(Output::Ack);
        self.out.extend(acks);
    }
}

impl Cluster {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            peers: config.peers.clone(),
            wait: config.relay_wait,
            max: config.max_relays.max(1),
            next: config.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 1,
            offers: BTreeMap::new(),
            owed: BTreeMap::new(),
        }
    }

    /// True if one more delivery may wait for peers.
    fn has_room(&self) -> bool {
        let waiting = |offer: &Offer| offer.deliveries.len().max(1);
        self.offers.values().map(waiting).sum::<usize>() < self.max
    }

    /// The offer of the same result.
    fn offer_of(&mut self, message: &Message) -> Option<&mut Offer> {
        let mut offers = self.offers.values_mut();
        offers.find(|offer| *offer.message == *message)
    }

    fn open(
        &mut self,
        id: TaskId,
        message: Arc<Message>,
        delivery: DeliveryId,
        until: Option<Instant>,
    ) -> Ticket {
        self.next = self.next.saturating_add(1);
        let ticket = Ticket(self.next);
        let offer = Offer {
            id,
            message,
            deliveries: vec![delivery],
            silent: self.peers.clone(),
            until,
        };
        self.offers.insert(ticket, offer);
        ticket
    }

    /// A peer does not know a task. Gives the offer if nobody does.
    fn not_at(&mut self, node: NodeId, ticket: Ticket) -> Option<Offer> {
        let offer = self.offers.get_mut(&ticket)?;
        offer.silent.remove(&node);
        if offer.silent.is_empty() {
            self.offers.remove(&ticket)
        } else {
            None
        }
    }

    fn owe(&mut self, seq: Seq, node: NodeId, ticket: Ticket) {
        self.owed.entry(seq).or_default().insert((node, ticket));
    }

    fn owes(&self, node: NodeId, ticket: Ticket) -> bool {
        let mut owed = self.owed.values();
        owed.any(|answers| answers.contains(&(node, ticket)))
    }

    /// How many answers wait for the store.
    fn owed(&self) -> usize {
        self.owed.values().map(BTreeSet::len).sum()
    }

    /// What waits for one request waits for another one.
    pub(super) fn replace(&mut self, old: Seq, new: Seq) {
        if let Some(answers) = self.owed.remove(&old) {
            self.owed.entry(new).or_default().extend(answers);
        }
    }

    /// The broker's connection is gone, and with it whatever was to be acknowledged over it.
    pub(super) fn disconnected(&mut self) {
        for offer in self.offers.values_mut() {
            offer.deliveries.clear();
        }
    }

    pub(super) fn close(&mut self) {
        self.offers.clear();
        self.owed.clear();
    }

    /// The first offer that has not been answered for too long.
    pub(super) fn overdue(&self, now: Instant) -> Option<Ticket> {
        let (ticket, offer) = self.offers.first_key_value()?;
        offer.until.is_some_and(|at| at <= now).then_some(*ticket)
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.offers.first_key_value()?.1.until
    }

    /// What it is at `now`; `position` says which of the requests that are not carried out one is.
    pub(super) fn snapshot(
        &self,
        now: Instant,
        position: impl Fn(Seq) -> Option<usize>,
    ) -> ClusterSnapshot {
        let offers = self.offers.values().map(|offer| {
            let left = offer.until.map(|at| at.saturating_duration_since(now));
            let (deliveries, silent) = (offer.deliveries.clone(), offer.silent.clone());
            (offer.id, outline(&offer.message), deliveries, silent, left)
        });
        let owed = self.owed.iter().flat_map(|(&seq, answers)| {
            let at = position(seq);
            answers
                .iter()
                .map(move |&(node, ticket)| (at, node, ticket))
        });
        ClusterSnapshot {
            offers: offers.collect(),
            owed: owed.collect(),
        }
    }
}

/// What a result says.
fn outline(message: &Message) -> Result<Epitaph, Text> {
    match message {
        Message::Finish(finish) => Ok(Epitaph::of(&Verdict::Finished(finish.taken.clone()))),
        Message::Fail(fail) => Err(fail.reason.clone()),
        _ => Err(Text::default()),
    }
}

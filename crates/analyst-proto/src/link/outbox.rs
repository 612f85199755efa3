//! Messages that the broker has not acknowledged.

use super::{Bucket, NotSent, Publish, SendId};
use crate::wire::{Message, Topic};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Messages in the order in which they go out, and again over the next connection until they are
/// acknowledged. `K` says what a message is for; there is one for each.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outbox<K> {
    entries: BTreeMap<Place, Entry<K>>,
    places: BTreeMap<K, Place>,
    waiting: BTreeSet<Place>, // not sent over this connection
    flights: BTreeMap<SendId, Flight>,
    pushed: u64,
    sent: u64,
}

#[derive(Debug, Clone, PartialEq)]
struct Entry<K> {
    key: K,
    topic: Topic,
    message: Arc<Message>,
}

/// Urgent messages first, then the older ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    is_patient: bool,
    number: u64,
}

/// A message on its way. What was taken back meanwhile keeps its room until the broker answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Flight {
    place: Option<Place>,
    since: Instant,
}

/// An outbox at one moment: two that are equal go on alike.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct OutboxSnapshot<S> {
    entries: Vec<(bool, S)>, // urgent or not, in order
    // Which entry, and how long the broker may still take, if there is an end to that.
    flights: Vec<(Option<usize>, Option<Duration>)>,
}

impl<K: Ord + Clone> Default for Outbox<K> {
    fn default() -> Self {
        Self {
            entries: BTreeMap::new(),
            places: BTreeMap::new(),
            waiting: BTreeSet::new(),
            flights: BTreeMap::new(),
            pushed: 0,
            sent: 0,
        }
    }
}

impl<K: Ord + Clone> Outbox<K> {
    /// Queues a message, behind all others or, if it is urgent, behind the urgent ones. One of the
    /// same key takes the old one's message away.
    pub(crate) fn push(&mut self, key: K, is_urgent: bool, topic: Topic, message: Arc<Message>) {
        self.remove(&key);
        let place = Place {
            is_patient: !is_urgent,
            number: self.pushed,
        };
        self.pushed = self.pushed.saturating_add(1);
        self.places.insert(key.clone(), place);
        self.waiting.insert(place);
        let entry = Entry {
            key,
            topic,
            message,
        };
        self.entries.insert(place, entry);
    }

    /// Takes a message back: it is not sent again. False if there is none.
    pub(crate) fn remove(&mut self, key: &K) -> bool {
        let Some(place) = self.places.remove(key) else {
            return false;
        };
        self.entries.remove(&place);
        if !self.waiting.remove(&place) {
            for flight in self.flights.values_mut() {
                if flight.place == Some(place) {
                    flight.place = None;
                }
            }
        }
        true
    }

    /// The next message to send, if fewer than `window` are on their way, or none is, and the rate of
    /// the broker, if it has one, allows it.
    //= docs/spec/analyst-proto.md#link
    //# A machine MUST NOT have more messages under way than its window.
    //= docs/spec/analyst-proto.md#analyser
    //# The analyser MUST NOT publish more messages a second than `rate`.
    //= docs/spec/analyst-proto.md#dispatcher
    //# The dispatcher MUST NOT publish more messages a second than `rate`.
    pub(crate) fn send(
        &mut self,
        now: Instant,
        window: usize,
        rate: Option<&mut Bucket>,
    ) -> Option<Publish> {
        let is_ready = |rate: &&mut Bucket| rate.is_ready(now);
        if self.flights.len() >= window.max(1) || !rate.as_ref().is_none_or(is_ready) {
            return None;
        }
        let place = *self.waiting.first()?;
        let entry = self.entries.get(&place)?;
        self.sent = self.sent.saturating_add(1);
        let publish = Publish {
            send: SendId(self.sent),
            topic: entry.topic.clone(),
            message: Arc::clone(&entry.message),
        };
        //= docs/spec/analyst-proto.md#link
        //# A machine MUST NOT send the same message twice over one connection.
        self.waiting.remove(&place);
        let flight = Flight {
            place: Some(place),
            since: now,
        };
        self.flights.insert(publish.send, flight);
        if let Some(rate) = rate {
            rate.take(now);
        }
        Some(publish)
    }

    /// What the broker has acknowledged; `None` if it was taken back or is not known.
    pub(crate) fn sent(&mut self, send: SendId) -> Option<K> {
        let place = self.flights.remove(&send)?.place?;
        let entry = self.entries.remove(&place)?;
        self.places.remove(&entry.key);
        Some(entry.key)
    }

    /// What could not be sent. One that is too large is let go of and returned.
    pub(crate) fn not_sent(&mut self, send: SendId, why: NotSent) -> Option<K> {
        match why {
            NotSent::TooLarge => self.sent(send),
            NotSent::Closed => {
                let place = self.flights.remove(&send)?.place?;
                self.waiting.insert(place);
                None
            }
        }
    }

    /// The connection is gone: all goes out again, in the same order.
    //= docs/spec/analyst-proto.md#link
    //# A machine MUST send a message again over the next connection until the broker has
    //# acknowledged it, and in the same order.
    pub(crate) fn disconnected(&mut self) {
        self.flights.clear();
        self.waiting.extend(self.entries.keys().copied());
    }

    /// What a message on its way is for, unless it was taken back.
    pub(crate) fn key(&self, send: SendId) -> Option<&K> {
        let place = self.flights.get(&send)?.place?;
        self.entries.get(&place).map(|entry| &entry.key)
    }

    /// Since when the oldest message is on its way.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        self.flights.values().next().map(|flight| flight.since)
    }

    /// Sends everything to another topic from now on.
    pub(crate) fn readdress(&mut self, topic: &Topic) {
        for entry in self.entries.values_mut() {
            entry.topic = topic.clone();
        }
    }

    /// True if this message is on its way.
    pub(crate) fn is_in_flight(&self, send: SendId) -> bool {
        self.flights.contains_key(&send)
    }

    /// What it is at `now`, with times relative to that, where the broker may take `timeout` for a
    /// message; `describe` says what there is to know of one.
    pub(crate) fn snapshot<S>(
        &self,
        now: Instant,
        timeout: Duration,
        describe: impl Fn(&K, &Message) -> S,
    ) -> OutboxSnapshot<S> {
        let entries = self.entries.iter().map(|(place, entry)| {
            let what = describe(&entry.key, &entry.message);
            (!place.is_patient, what)
        });
        let flights = self.flights.values().map(|flight| {
            let which = |at: Place| self.entries.keys().position(|&place| place == at);
            let due = flight.since.checked_add(timeout);
            let left = due.map(|due| due.saturating_duration_since(now));
            (flight.place.and_then(which), left)
        });
        OutboxSnapshot {
            entries: entries.collect(),
            flights: flights.collect(),
        }
    }

    pub(crate) fn contains(&self, key: &K) -> bool {
        self.places.contains_key(key)
    }

    /// When the next message may go out that only the rate holds back.
    pub(crate) fn send_due(&self, window: usize, rate: Option<&Bucket>) -> Option<Instant> {
        let is_waiting = !self.waiting.is_empty() && self.flights.len() < window.max(1);
        rate.filter(|_| is_waiting)?.ready_at()
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}

//! What the simulator knows of one client, connected or not.

use super::ConnId;
use bytes::Bytes;
use rumqttc::mqttbytes::QoS;
use std::collections::VecDeque;
use std::time::Instant;

/// A client's session.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// Its connections: one, unless both of two are kept.
    pub(super) connections: Vec<ConnId>,
    /// Whether it outlives them.
    pub(super) is_persistent: bool,
    pub(super) filters: Vec<(String, QoS)>,
    /// Sent and not acknowledged, in order of sending.
    pub(super) flights: Vec<Flight>,
    /// What waits until the client is there.
    pub(super) offline: VecDeque<Waiting>,
    /// No batch of those goes out earlier.
    pub(super) next_batch: Option<Instant>,
    /// No message arrives earlier that keeps its place.
    pub(super) in_order_from: Option<Instant>,
    last_id: u16,
}

/// A message on its way to one client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) topic: String,
    pub(super) payload: Bytes,
    pub(super) qos: QoS,
    /// How many times it was sent.
    pub(super) sent: u32,
}

/// A message that was sent and not acknowledged.
#[derive(Debug, Clone)]
pub(super) struct Flight {
    pub(super) id: u16,
    pub(super) message: Message,
    pub(super) at: Instant,
}

/// A message that waits until its client is there.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    pub(super) message: Message,
    pub(super) kept: Instant,
    pub(super) visible: Instant,
}

impl Session {
    /// Most messages that are sent and not acknowledged; further ones wait.
    pub(super) const WINDOW: usize = 1_000;
    /// Most subscriptions.
    pub(super) const MAX_FILTERS: usize = 30;

    pub(super) fn is_connected(&self) -> bool {
        !self.connections.is_empty()
    }

    pub(super) fn has_room(&self) -> bool {
        self.flights.len() < Self::WINDOW
    }

    /// An identifier that no message in flight has.
    pub(super) fn next_id(&mut self) -> u16 {
        loop {
            self.last_id = self.last_id.wrapping_add(1).max(1);
            if self.flights.iter().all(|flight| flight.id != self.last_id) {
                return self.last_id;
            }
        }
    }

    /// True if such a message was in flight.
    pub(super) fn acknowledge(&mut self, id: u16) -> bool {
        let place = self.flights.iter().position(|flight| flight.id == id);
        place.map(|place| self.flights.remove(place)).is_some()
    }

    /// Subscribes; false if there are too many filters.
    pub(super) fn subscribe(&mut self, filter: &str, qos: QoS) -> bool {
        self.unsubscribe(filter);
        if self.filters.len() >= Self::MAX_FILTERS {
            return false;
        }
        self.filters.push((filter.to_owned(), qos));
        true
    }

    pub(super) fn unsubscribe(&mut self, filter: &str) {
        self.filters.retain(|(known, _)| known != filter);
    }

    /// The best quality that its subscriptions give a topic.
    pub(super) fn subscribed(&self, topic: &str) -> Option<QoS> {
        let matching = self
            .filters
            .iter()
            .filter(|(filter, _)| matches(filter, topic));
        matching.map(|(_, qos)| *qos).max_by_key(|qos| *qos as u8)
    }

    /// When its next batch of kept messages goes out.
    pub(super) fn batch_due(&self) -> Option<Instant> {
        if !self.is_connected() || !self.has_room() {
            return None;
        }
        let visible = self.offline.front()?.visible;
        Some(self.next_batch.map_or(visible, |next| next.max(visible)))
    }
}

/// Whether a filter covers a topic. `rumqttc::mqttbytes::matches` panics on a topic that begins with
/// a character of more than one byte.
pub(super) fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') != filter.starts_with('$') {
        return false;
    }
    let mut levels = topic.split('/');
    for part in filter.split('/') {
        if part == "#" {
            return true;
        }
        match levels.next() {
            Some(level) if part == "+" || part == level => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_cover_topics() {
        for (filter, topic, expected) in [
            ("#", "Analyst/p2p/a", true),
            ("Analyst/#", "Analyst", true),
            ("Analyst/p2p/#", "Analyst/p2p/a", true),
            ("Analyst/+/a", "Analyst/p2p/a", true),
            ("+", "分析", true),
            ("分析/#", "分析/p2p/a", true),
            ("Analyst/+", "Analyst/p2p/a", false),
            ("Analyst/p2p", "Analyst/p2p/a", false),
            ("Analyst/p2p/a/b", "Analyst/p2p/a", false),
            ("#", "$SYS/a", false),
            ("$SYS/#", "$SYS/a", true),
        ] {
            assert_eq!(matches(filter, topic), expected, "{filter} {topic}");
        }
    }
}

//! Messages on their way to clients.

use super::super::journal::What;
use super::super::options::{DupFlag, Hole, Profile};
use super::super::session::{Flight, Message, Session, Waiting};
use super::{Broker, Connection, FIRST_WORD};
use analyst_proto::wire::Topic;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{Packet, Publish};
use std::time::{Duration, Instant};

/// The most times that a message is sent once more on one connection.
const MAX_AGAIN: u32 = 15;
/// How long a message is kept for a client that is away.
const KEPT_FOR: Duration = Duration::from_hours(72);
/// Most messages that are kept for a client that is away.
const MAX_KEPT: usize = 1_000_000;
/// A message that is overtaken arrives so much later, at most.
const OVERTAKEN_BY: Duration = Duration::from_millis(500);

impl Broker {
    /// Hands a message to everybody whom it is for.
    pub(super) fn route(&mut self, now: Instant, publish: Publish) {
        let is_lmq = self.behaviour.profile == Profile::Lmq;
        let point_to_point = Topic::parse(&publish.topic).ok();
        let target = point_to_point
            .as_ref()
            .filter(|_| is_lmq)
            .map(Topic::client);
        let mut receivers = Vec::new();
        for (client, session) in &self.sessions {
            let subscribed = session.subscribed(&publish.topic);
            // Aliyun's broker pushes as it was published, whatever the subscription says.
            let qos = if target == Some(client) || (is_lmq && subscribed.is_some()) {
                Some(publish.qos)
            } else {
                subscribed.map(|qos| {
                    if qos == QoS::AtMostOnce {
                        qos
                    } else {
                        publish.qos
                    }
                })
            };
            receivers.extend(qos.map(|qos| (client.clone(), qos)));
        }
        let is_for_nobody = match target {
            Some(target) => !receivers.iter().any(|(client, _)| client == target),
            None => receivers.is_empty(),
        };
        if is_for_nobody {
            let why = "is for nobody who has a session";
            self.journal.note(now, What::Lost, &publish.topic, why);
        }
        let slash = point_to_point.is_some() && self.behaviour.topic_slash;
        let topic = match point_to_point {
            Some(topic) if slash => format!("{topic}/"),
            _ => publish.topic,
        };
        for (client, qos) in receivers {
            let message = Message {
                topic: topic.clone(),
                payload: publish.payload.clone(),
                qos,
                sent: 0,
            };
            self.start(now, client, message);
        }
    }

    /// Lets a message start on its way: it arrives at once, later, or behind those that follow.
    fn start(&mut self, now: Instant, client: String, message: Message) {
        let (shortest, longest) = self.behaviour.delay;
        let mut at = now + self.dice_between(shortest, longest);
        if self.happens(self.behaviour.reorder) {
            at += self.dice_between(OVERTAKEN_BY / 10, OVERTAKEN_BY);
            self.journal.message(
                now,
                What::Reordered,
                &client,
                (&message.topic, &message.payload),
            );
        } else if let Some(session) = self.sessions.get_mut(&client) {
            at = session.in_order_from.map_or(at, |before| before.max(at));
            session.in_order_from = Some(at);
        }
        self.arrivals += 1;
        self.transit.insert((at, self.arrivals), (client, message));
    }

    /// A message arrives at a client, or where it waits for the client.
    fn arrive(&mut self, now: Instant, client: &str, message: Message) {
        let Some(session) = self.sessions.get(client) else {
            return self
                .journal
                .note(now, What::Lost, client, "has no session any more");
        };
        let mut links = session
            .connections
            .iter()
            .filter_map(|id| self.connections.get(id));
        if session.is_connected() && !links.any(Connection::reads) {
            return self
                .journal
                .note(now, What::Lost, client, "its token is not for reading");
        }
        if session.is_connected() && (session.has_room() || message.qos == QoS::AtMostOnce) {
            return self.push(now, client, message);
        }
        let is_kept = session.is_connected() || (session.is_persistent && self.behaviour.offline);
        if !is_kept || message.qos == QoS::AtMostOnce || session.offline.len() >= MAX_KEPT {
            return self
                .journal
                .note(now, What::Lost, client, "is away, or has too much to read");
        }
        let (shortest, longest) = self.behaviour.visible_after();
        let visible = now + self.dice_between(shortest, longest);
        self.journal
            .message(now, What::Kept, client, (&message.topic, &message.payload));
        if let Some(session) = self.sessions.get_mut(client) {
            session.offline.push_back(Waiting {
                message,
                kept: now,
                visible,
            });
        }
    }

    /// Sends a message to a client that is connected.
    fn push(&mut self, now: Instant, client: &str, mut message: Message) {
        let Some(session) = self.sessions.get_mut(client) else {
            return;
        };
        let id = if message.qos == QoS::AtMostOnce {
            0
        } else {
            session.next_id()
        };
        let copies = message.clone();
        if id != 0 {
            message.sent += 1;
            let at = now;
            session.flights.push(Flight { id, message, at });
        }
        self.transmit(now, client, id, &copies);
    }

    /// Writes a message to the client's connections, unless it is lost on the way.
    fn transmit(&mut self, now: Instant, client: &str, id: u16, message: &Message) {
        let connections = self
            .sessions
            .get(client)
            .map(|session| session.connections.clone());
        let at = (&*message.topic, &*message.payload);
        for connection in connections.unwrap_or_default() {
            if !self
                .connections
                .get(&connection)
                .is_some_and(Connection::reads)
            {
                continue;
            }
            if self.happens(self.behaviour.drop) {
                self.journal.message(now, What::Dropped, client, at);
                continue;
            }
            let is_again = message.sent > 0;
            let what = if is_again {
                What::Redelivered
            } else {
                What::Pushed
            };
            self.journal.message(now, what, client, at);
            let mut publish =
                Publish::from_bytes(&*message.topic, message.qos, message.payload.clone());
            publish.pkid = id;
            publish.dup = match self.behaviour.dup_flag {
                DupFlag::Honest => is_again,
                DupFlag::Always0 => false,
                DupFlag::Always1 => id != 0,
            };
            if self.happens(self.behaviour.double) {
                self.journal.message(now, What::Doubled, client, at);
                self.send(now, connection, Packet::Publish(publish.clone()));
            }
            self.send(now, connection, Packet::Publish(publish));
        }
    }

    /// Does what is due.
    pub(in super::super) fn timeout(&mut self, now: Instant) {
        while let Some(entry) = self.transit.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let (client, message) = entry.remove();
            self.arrive(now, &client, message);
        }
        let clients: Vec<_> = self.sessions.keys().cloned().collect();
        for client in clients {
            self.send_again(now, &client);
            self.send_batch(now, &client);
        }
        let connections: Vec<_> = self.connections.keys().copied().collect();
        for id in connections {
            let due = self.connections.get(&id).and_then(|link| self.end_of(link));
            if due.is_some_and(|(due, _)| due <= now) {
                self.close(now, id, due.map_or("", |(_, why)| why));
            }
        }
    }

    /// When the next thing is due.
    pub(in super::super) fn due(&self) -> Option<Instant> {
        let arrival = self.transit.first_key_value().map(|((at, _), _)| *at);
        let ends = self
            .connections
            .values()
            .filter_map(|link| self.end_of(link));
        let sessions = self
            .sessions
            .values()
            .filter(|session| session.is_connected());
        let batches = sessions.clone().filter_map(Session::batch_due);
        let again = sessions.filter_map(|session| {
            let oldest = session.flights.iter().map(|flight| flight.at).min()?;
            Some(oldest + self.behaviour.redeliver?)
        });
        let ends = ends.map(|(at, _)| at);
        arrival
            .into_iter()
            .chain(ends)
            .chain(batches)
            .chain(again)
            .min()
    }

    fn send_again(&mut self, now: Instant, client: &str) {
        let Some(session) = self.sessions.get_mut(client) else {
            return;
        };
        let Some(pause) = self.behaviour.redeliver.filter(|_| session.is_connected()) else {
            return;
        };
        let mut again = Vec::new();
        let mut given_up = 0;
        session.flights.retain_mut(|flight| {
            if flight.at + pause > now {
                return true;
            }
            if flight.message.sent > MAX_AGAIN {
                given_up += 1;
                return false;
            }
            again.push((flight.id, flight.message.clone()));
            flight.at = now;
            flight.message.sent += 1;
            true
        });
        for _ in 0..given_up {
            self.journal
                .note(now, What::Lost, client, "never acknowledges a message");
        }
        for (id, message) in again {
            self.transmit(now, client, id, &message);
        }
    }

    fn send_batch(&mut self, now: Instant, client: &str) {
        let (batch, every) = (self.behaviour.batch(), self.behaviour.batch_every);
        let Some(session) = self.sessions.get_mut(client) else {
            return;
        };
        if session.batch_due().is_none_or(|due| due > now) {
            return;
        }
        let room = Session::WINDOW.saturating_sub(session.flights.len());
        let mut ready = Vec::new();
        while ready.len() < batch.min(room) {
            match session.offline.front() {
                Some(waiting) if waiting.visible <= now => {}
                _ => break,
            }
            ready.extend(session.offline.pop_front());
        }
        session.next_batch = (batch != usize::MAX).then(|| now + every);
        for waiting in ready {
            if waiting.kept + KEPT_FOR < now {
                self.journal
                    .note(now, What::Lost, client, "was away for too long");
            } else {
                self.push(now, client, waiting.message);
            }
        }
    }

    /// When a connection ends unless something is heard, and why.
    fn end_of(&self, link: &Connection) -> Option<(Instant, &'static str)> {
        if link.guest.is_none() {
            return Some((link.opened + FIRST_WORD, "it does not say who it is"));
        }
        // What is swallowed is not missed.
        let patience = link.patience.filter(|_| self.behaviour.hole != Hole::Up);
        let silence = patience.map(|patience| (link.heard + patience, "nothing was heard"));
        let token = link.ends.map(|ends| (ends, "its token has ended"));
        silence.into_iter().chain(token).min_by_key(|(at, _)| *at)
    }
}

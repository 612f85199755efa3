//! The broker without its sockets: packets and time in, packets out.

mod push;
mod rules;

use super::ConnId;
use super::journal::{Journal, What};
use super::login::{Guard, Guest};
use super::options::{Behaviour, DuplicateId, Hole, Options};
use super::session::{Message, Session, Waiting};
use crate::faces::Dice;
use analyst_proto::wire::ParentTopic;
use rules::Bucket;
use rumqttc::mqttbytes::v4::{
    ConnAck, Connect, ConnectReturnCode, Packet, SubAck, Subscribe, SubscribeReasonCode, UnsubAck,
};
use rumqttc::mqttbytes::{QoS, valid_filter};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// All clients and their messages.
#[derive(Debug)]
pub(super) struct Broker {
    pub(super) behaviour: Behaviour,
    guard: Guard,
    parent: Option<ParentTopic>,
    dice: Dice,
    journal: Journal,
    connections: BTreeMap<ConnId, Connection>,
    sessions: BTreeMap<String, Session>,
    transit: BTreeMap<(Instant, u64), (String, Message)>, // what arrives when, and for whom
    arrivals: u64,
    out: VecDeque<(ConnId, Act)>,
}

/// What the sockets are to do.
#[derive(Debug)]
pub(super) enum Act {
    /// Send this.
    Send(Packet),
    /// Send what is waiting, and hang up.
    Close,
}

/// One connection.
#[derive(Debug)]
struct Connection {
    guest: Option<Guest>,
    opened: Instant,
    heard: Instant,
    /// How long it may be silent.
    patience: Option<Duration>,
    ends: Option<Instant>,
    bucket: Bucket,
}

/// How long a connection may take to say who it is.
const FIRST_WORD: Duration = Duration::from_secs(10);

impl Broker {
    pub(super) fn new(options: &Options, journal: Journal) -> Self {
        Self {
            behaviour: options.behaviour.clone(),
            guard: Guard::new(options.secret.as_ref()),
            parent: options.parent.clone(),
            dice: Dice(options.seed),
            journal,
            connections: BTreeMap::new(),
            sessions: BTreeMap::new(),
            transit: BTreeMap::new(),
            arrivals: 0,
            out: VecDeque::new(),
        }
    }

    /// What is to be done next.
    pub(super) fn poll(&mut self) -> Option<(ConnId, Act)> {
        self.out.pop_front()
    }

    pub(super) fn opened(&mut self, now: Instant, id: ConnId) {
        let connection = Connection {
            guest: None,
            opened: now,
            heard: now,
            patience: None,
            ends: None,
            bucket: Bucket::new(now, self.behaviour.max_rate),
        };
        self.connections.insert(id, connection);
    }

    /// The connection has ended, whoever ended it.
    pub(super) fn closed(&mut self, now: Instant, id: ConnId, why: &str) {
        let Some(connection) = self.connections.remove(&id) else {
            return;
        };
        let Some(guest) = connection.guest else {
            return;
        };
        let client = guest.client.as_str();
        self.journal.note(now, What::Closed, client, why);
        let Some(session) = self.sessions.get_mut(client) else {
            return;
        };
        session.connections.retain(|known| *known != id);
        if session.is_connected() {
            return;
        }
        if !session.is_persistent {
            self.sessions.remove(client);
            return;
        }
        let (shortest, longest) = self.behaviour.visible_after();
        let visible = now + self.dice_between(shortest, longest);
        let Some(session) = self.sessions.get_mut(client) else {
            return;
        };
        session.next_batch = None;
        for flight in std::mem::take(&mut session.flights).into_iter().rev() {
            session.offline.push_front(Waiting {
                message: flight.message,
                kept: now,
                visible,
            });
        }
    }

    /// Closes every connection of a client.
    pub(super) fn kick(&mut self, now: Instant, client: &str) {
        let session = self.sessions.get(client);
        let ids = session.map(|session| session.connections.clone());
        for id in ids.unwrap_or_default() {
            self.close(now, id, "kicked");
        }
    }

    pub(super) fn received(&mut self, now: Instant, id: ConnId, packet: Packet) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return; // it is closed already
        };
        connection.heard = now;
        let Some(guest) = connection.guest.clone() else {
            match packet {
                Packet::Connect(connect) => self.connect(now, id, &connect),
                _ => self.close(now, id, "the first packet is no CONNECT"),
            }
            return;
        };
        let client = guest.client.as_str();
        if self.behaviour.hole == Hole::Up {
            return self
                .journal
                .note(now, What::Swallowed, client, "sent by the client");
        }
        if self.happens(self.behaviour.kill) {
            self.journal.note(now, What::Killed, client, "by chance");
            return self.close(now, id, "killed");
        }
        match packet {
            Packet::Publish(publish) => self.publish(now, id, &guest, publish),
            Packet::PubAck(ack) => self.acknowledged(now, client, ack.pkid),
            Packet::Subscribe(subscribe) => self.subscribe(now, id, client, &subscribe),
            Packet::Unsubscribe(unsubscribe) => {
                if let Some(session) = self.sessions.get_mut(client) {
                    let filters = unsubscribe.topics.iter();
                    filters.for_each(|filter| session.unsubscribe(filter));
                }
                self.send(now, id, Packet::UnsubAck(UnsubAck::new(unsubscribe.pkid)));
            }
            Packet::PingReq => self.send(now, id, Packet::PingResp),
            Packet::Disconnect => self.close(now, id, "the client is done"),
            Packet::Connect(_) => self.breaks_rule(now, id, client, "a second CONNECT"),
            _ => self.breaks_rule(now, id, client, "a packet that no client sends here"),
        }
    }

    fn connect(&mut self, now: Instant, id: ConnId, connect: &Connect) {
        let guest = match self.guard.admit(self.behaviour.profile, connect) {
            Ok(guest) => guest,
            Err((code, why)) => return self.refuse(now, id, connect, code, why),
        };
        let client = guest.client.as_str().to_owned();
        let there = self
            .sessions
            .get(&client)
            .map(|session| session.connections.clone());
        let there = there.unwrap_or_default();
        let policy = self.behaviour.duplicate_id;
        if !there.is_empty() && policy == DuplicateId::RefuseNew {
            let code = ConnectReturnCode::BadClientId;
            return self.refuse(now, id, connect, code, "the client id is in use");
        }
        if policy != DuplicateId::KeepBoth {
            for other in &there {
                self.close(now, *other, "another connection has the same client id");
            }
        }
        if !there.is_empty() && policy == DuplicateId::DropBoth {
            return self.close(now, id, "the client id was in use");
        }
        let is_present = self.sessions.contains_key(&client) && !connect.clean_session;
        let joins = policy == DuplicateId::KeepBoth && !there.is_empty();
        if connect.clean_session && !joins {
            self.sessions.remove(&client);
        }
        let session = self.sessions.entry(client.clone()).or_default();
        session.connections.push(id);
        session.is_persistent = !connect.clean_session;
        if let Some(connection) = self.connections.get_mut(&id) {
            let keepalive = Duration::from_secs(connect.keep_alive.into());
            connection.patience = (!keepalive.is_zero()).then(|| keepalive.mul_f64(1.5));
            let life = self.behaviour.token_life.filter(|_| guest.has_token);
            connection.ends = life.map(|life| now + life);
            connection.guest = Some(guest);
        }
        let why = if is_present {
            "its session goes on"
        } else {
            "a new session"
        };
        self.journal.note(now, What::Connected, &client, why);
        let ack = ConnAck::new(ConnectReturnCode::Success, is_present);
        self.out.push_back((id, Act::Send(Packet::ConnAck(ack))));
    }

    fn refuse(
        &mut self,
        now: Instant,
        id: ConnId,
        connect: &Connect,
        code: ConnectReturnCode,
        why: &str,
    ) {
        self.journal
            .note(now, What::Refused, &connect.client_id, why);
        let ack = Packet::ConnAck(ConnAck::new(code, false));
        self.out.push_back((id, Act::Send(ack)));
        self.close(now, id, why);
    }

    fn subscribe(&mut self, now: Instant, id: ConnId, client: &str, subscribe: &Subscribe) {
        let Some(session) = self.sessions.get_mut(client) else {
            return;
        };
        let mut codes = Vec::new();
        for filter in &subscribe.filters {
            // A push is never of quality 2.
            let qos = if filter.qos == QoS::AtMostOnce {
                QoS::AtMostOnce
            } else {
                QoS::AtLeastOnce
            };
            let is_taken = valid_filter(&filter.path) && session.subscribe(&filter.path, qos);
            codes.push(if is_taken {
                SubscribeReasonCode::Success(qos)
            } else {
                SubscribeReasonCode::Failure
            });
        }
        if codes.contains(&SubscribeReasonCode::Failure) {
            let why = "a subscription is malformed, or one too many";
            self.journal.note(now, What::Rule, client, why);
        }
        self.send(now, id, Packet::SubAck(SubAck::new(subscribe.pkid, codes)));
    }

    fn acknowledged(&mut self, now: Instant, client: &str, id: u16) {
        let session = self.sessions.get_mut(client);
        if session.is_some_and(|session| session.acknowledge(id)) {
            self.journal.note(now, What::Acknowledged, client, "");
        }
    }

    fn breaks_rule(&mut self, now: Instant, id: ConnId, client: &str, why: &str) {
        self.journal.note(now, What::Rule, client, why);
        self.close(now, id, why);
    }

    fn send(&mut self, now: Instant, id: ConnId, packet: Packet) {
        if self.behaviour.hole == Hole::Down {
            let guest = self
                .connections
                .get(&id)
                .and_then(|link| link.guest.clone());
            let client = guest.map(|guest| guest.client);
            let client = client.as_ref().map_or("", |client| client.as_str());
            return self
                .journal
                .note(now, What::Swallowed, client, "sent to the client");
        }
        self.out.push_back((id, Act::Send(packet)));
    }

    fn close(&mut self, now: Instant, id: ConnId, why: &str) {
        self.out.push_back((id, Act::Close));
        self.closed(now, id, why);
    }

    /// Whether something with this probability happens. What cannot happen costs no chance, so that
    /// one fault does not change when the others strike.
    fn happens(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.dice.fraction() < probability
    }

    fn dice_between(&mut self, shortest: Duration, longest: Duration) -> Duration {
        if longest <= shortest {
            return shortest;
        }
        shortest
            + longest
                .saturating_sub(shortest)
                .mul_f64(self.dice.fraction())
    }
}

impl Connection {
    /// Whether it may be sent messages.
    fn reads(&self) -> bool {
        self.guest.as_ref().is_some_and(|guest| guest.reads)
    }
}

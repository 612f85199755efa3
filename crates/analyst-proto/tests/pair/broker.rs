//! A broker that passes messages from one client to another, as the cloud's does.

use crate::world::Party;
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};

/// Sessions outlive connections, unless it forgets them.
#[derive(Debug, Default)]
pub(crate) struct Broker {
    sessions: BTreeMap<Party, Mailbox>,
    packets: u64,
}

#[derive(Debug, Default)]
struct Mailbox {
    connection: Option<u64>,
    is_subscribed: bool,
    mail: VecDeque<Mail>,
}

/// A message that its receiver has not acknowledged.
#[derive(Debug, Clone)]
pub(crate) struct Mail {
    pub packet: u64,
    pub payload: Bytes,
    pub was_sent: bool,
}

impl Broker {
    /// Takes a connection in place of the one before.
    pub(crate) fn connect(&mut self, party: Party, connection: u64) {
        self.sessions.entry(party).or_default().connection = Some(connection);
    }

    pub(crate) fn subscribe(&mut self, party: Party) {
        self.sessions.entry(party).or_default().is_subscribed = true;
    }

    pub(crate) fn is_connected(&self, party: Party, connection: u64) -> bool {
        let session = self.sessions.get(&party);
        session.is_some_and(|session| session.connection == Some(connection))
    }

    pub(crate) fn disconnect(&mut self, party: Party) {
        if let Some(session) = self.sessions.get_mut(&party) {
            session.connection = None;
        }
    }

    pub(crate) fn forget_all(&mut self) {
        self.sessions.clear();
    }

    /// Keeps a message for a client. False if there is nobody to keep it for.
    pub(crate) fn keep(&mut self, party: Party, payload: Bytes, needs_subscription: bool) -> bool {
        let session = self.sessions.get_mut(&party);
        let session = session.filter(|session| session.is_subscribed || !needs_subscription);
        let Some(session) = session else {
            return false;
        };
        self.packets += 1;
        session.mail.push_back(Mail {
            packet: self.packets,
            payload,
            was_sent: false,
        });
        true
    }

    /// What is to be delivered over the connection of a client: everything, or what is new.
    pub(crate) fn deliver(&mut self, party: Party, is_again: bool) -> Vec<Mail> {
        let Some(session) = self.sessions.get_mut(&party) else {
            return Vec::new();
        };
        if session.connection.is_none() {
            return Vec::new();
        }
        let mail = session.mail.iter_mut();
        let due: Vec<_> = mail.filter(|mail| is_again || !mail.was_sent).collect();
        due.into_iter()
            .map(|mail| {
                let copy = mail.clone();
                mail.was_sent = true;
                copy
            })
            .collect()
    }

    pub(crate) fn acknowledge(&mut self, party: Party, packet: u64) {
        if let Some(session) = self.sessions.get_mut(&party) {
            session.mail.retain(|mail| mail.packet != packet);
        }
    }
}

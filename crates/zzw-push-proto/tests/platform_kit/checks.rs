//! What the broker of the model says is held against what was done to it.

use super::cast::{ALIASES, WINDOW, alias};
use super::model::{Asked, World, obey};
use std::time::{Duration, Instant};
use zzw_push_proto::platform::{
    Counters, Event, ExchangeId, Input, LinkId, MessageId, Output, Platform,
};
use zzw_push_proto::rest::RestReply;
use zzw_push_proto::wire::{Message, Num, Pull};

impl World {
    /// Everybody behaves from now on: what is kept arrives. What each broker has counted in its
    /// life.
    pub fn settle(mut self) -> Vec<Counters> {
        for round in 0..40 {
            self.work();
            let ids: Vec<LinkId> = self.links.keys().copied().collect();
            for id in ids {
                let is_slow = self.links.get(&id).is_some_and(|client| client.is_slow);
                if is_slow {
                    self.input(Input::Drained(id));
                }
                if let Some(client) = self.links.get_mut(&id) {
                    client.is_slow = false;
                    let heard: Vec<_> = client.unacked.keys().copied().collect();
                    let pulled = client.batch.iter().flat_map(|(_, mids)| mids.clone());
                    for mid in heard.into_iter().chain(pulled).collect::<Vec<_>>() {
                        self.ack_mid(id, mid);
                    }
                }
                // Who has acknowledged nothing for too long has to read.
                if self.settings.parks() && self.links.contains_key(&id) {
                    let num = Num::new(self.request(id));
                    self.says(id, Message::Pull(Pull::new(num)));
                }
                self.work();
            }
            if round < 20 {
                self.wait(500);
            }
        }
        for client in self.links.values() {
            for (num, replies) in &client.requests {
                assert_eq!(*replies, 1, "request {num} has {replies} replies");
            }
        }
        for (exchange, replies) in &self.exchanges {
            assert_eq!(*replies, 1, "call {exchange:?} has {replies} replies");
        }
        assert!(self.own.is_empty(), "the application was not told");
        for (alias, known) in &self.store.aliases {
            if self.platform.is_online(alias) {
                let left = known.queue.iter().filter(|e| e.expires_at.0 > self.millis);
                assert_eq!(left.count(), 0, "messages of {alias} are left");
            }
        }
        self.replay();
        let ids: Vec<LinkId> = self.links.keys().copied().collect();
        for id in ids {
            self.gone(id);
            self.input(Input::Disconnected(id));
        }
        self.work();
        // Aliases that the store would not let go are given back now, and who has gone is told of.
        while let Some(due) = self.platform.poll_timeout() {
            let left = (due - self.now).as_millis();
            self.wait(u64::try_from(left).unwrap() + 1);
            self.work();
        }
        let counters = self.platform.snapshot();
        let now = (
            counters.held_bytes,
            counters.store_requests,
            counters.online,
            counters.unacked,
        );
        assert_eq!(now, (0, 0, 0, 0), "{counters:?}");
        let mut known = self.store.aliases.iter();
        let is_free = |alias: &str| self.unreleased.contains(alias);
        assert!(known.all(|(alias, known)| known.owner.is_none() || is_free(alias)));
        self.lives.push(counters);
        self.lives
    }

    /// Takes what the broker says.
    pub(super) fn hear(&mut self) {
        while let Some(output) = self.platform.poll_output() {
            self.said.push(output.clone());
            match output {
                Output::Store(seq, op) => self.asked.push((seq, op)),
                Output::Disconnect(id) => self.gone(id),
                Output::Send(id, message) => self.heard(id, &message),
                Output::Deliver(id, parcel) => self.heard(id, &parcel.to_message()),
                Output::Verify(id, presented) => {
                    self.questions.push((id, Asked::Token(presented)));
                }
                Output::Reply(exchange, reply) => self.replied(exchange, &reply),
                Output::Door {
                    link,
                    received,
                    message,
                    is_authorised,
                } => self.handed_over(link, received, &message, is_authorised),
                Output::Event(event) => self.happened(event),
                _ => {}
            }
        }
        self.count();
    }

    /// What the broker counts is what is, and what it has told (I6).
    fn count(&self) {
        let counters = self.platform.snapshot();
        assert_eq!(counters, self.platform.recount());
        let links = counters.tcp_links + counters.socketio_links;
        assert_eq!(links, self.links.len() as u64);
        assert_eq!(counters.online, self.online.len() as u64);
        for alias in ALIASES {
            let is_online = self.online.contains_key(alias);
            assert_eq!(self.platform.is_online(alias), is_online, "{alias}");
        }
        for (alias, id) in &self.online {
            let silent = self.now - self.links[id].last_seen;
            assert!(silent < self.settings.link_timeout(), "{alias} is silent");
        }
    }

    fn happened(&mut self, event: Event) {
        match event {
            Event::Online(name, id) => {
                let name = alias(&name);
                let before = self.online.insert(name, id);
                assert_eq!(before, None, "two links of {name} are online");
                self.links.get_mut(&id).unwrap().is_bound_to(name);
            }
            Event::Offline(name, id, _) => {
                assert_eq!(self.online.remove(alias(&name)), Some(id));
                if let Some(client) = self.links.get_mut(&id) {
                    client.alias = None;
                }
            }
            Event::Asked(id, question) => self.questions.push((id, Asked::Verdict(question))),
            Event::Published(id) => {
                let (body, to) = self.own.remove(&id).expect("told once");
                self.must_be_kept(&body, &to);
            }
            Event::NotPublished(id, _) => {
                self.own.remove(&id).expect("told once");
            }
            Event::NotReleased(alias) => {
                self.unreleased.insert(alias.to_string());
            }
            _ => {}
        }
    }

    fn replied(&mut self, exchange: ExchangeId, reply: &RestReply) {
        let replies = self.exchanges.get_mut(&exchange).unwrap();
        *replies += 1;
        assert_eq!(*replies, 1, "a call has two replies");
        if let RestReply::Published(published) = reply {
            self.confirmed(published.num.as_str());
        }
    }

    /// A command for a door goes to the rooms: once, in time, and allowed or marked.
    fn handed_over(&mut self, id: LinkId, received: Instant, message: &Message, may: bool) {
        assert!(!self.over.contains(&id), "its link is over");
        let Message::OpenDoor(door) = message else {
            panic!("{message:?} is none");
        };
        let came = self.doors.remove(&*door.user);
        assert_eq!(came, Some(received), "handed over twice, or not as it came");
        if may {
            assert!(self.now - received < Duration::from_secs(5), "too late");
            let is_allowed = self.allowed.contains(&*door.user);
            assert!(is_allowed || self.links[&id].may_open, "not allowed");
        }
    }

    /// A publication was acknowledged.
    fn confirmed(&mut self, num: &str) {
        if let Some((body, to)) = self.published.remove(num) {
            self.must_be_kept(&body, &to);
        }
    }

    fn must_be_kept(&self, body: &str, to: &[&'static str]) {
        for alias in to {
            let is_kept = self.appended.contains(&((*alias).into(), body.into()));
            assert!(is_kept, "acknowledged, but not kept for {alias}");
        }
    }

    fn heard(&mut self, id: LinkId, message: &Message) {
        assert!(
            !self.over.contains(&id),
            "a link that is over is sent {message:?}"
        );
        let millis = self.millis;
        let client = self.links.get_mut(&id).unwrap();
        if let Some(replies) = client.requests.get_mut(message.num().as_str()) {
            *replies += 1;
        }
        match message {
            Message::Deliver(delivery) => {
                let alias = client.alias.unwrap();
                assert_eq!(delivery.alias.as_deref(), Some(alias));
                assert_eq!(self.online.get(alias), Some(&id));
                if self.settings.binds_at_once() && !self.has_paused {
                    let newest = self.newest.get(alias);
                    assert_eq!(newest, Some(&id), "only the newest link is sent");
                }
                assert!(!client.is_slow, "a slow link is sent nothing");
                if delivery.topic.as_deref() == Some("t/p") {
                    return;
                }
                let end = self.expires[delivery.msg.as_str()];
                assert!(millis < end, "sent when its time is over");
                let mid = MessageId::of(&delivery.mid).unwrap();
                if mid.0 & 2048 > 0 {
                    return; // for those online only: not waited for
                }
                if client.heard.insert(mid) {
                    assert!(client.first < Some(mid), "first sent out of order");
                    client.first = Some(mid);
                    client.unacked.insert(mid, end);
                }
                // The broker may give up short-lived ones a little earlier than the store.
                let day = 86_400_000;
                let waited = client.unacked.values();
                let waited = waited.filter(|end| **end > millis + day);
                assert!(waited.count() <= WINDOW, "more than the window");
            }
            Message::Batch(batch) => {
                let mids: Vec<MessageId> = batch
                    .mids
                    .iter()
                    .map(|mid| MessageId(mid.parse().unwrap()))
                    .collect();
                for body in batch.bodies.iter() {
                    assert!(millis < self.expires[body.as_str()], "pulled too late");
                }
                for mid in &mids {
                    client.heard.insert(*mid);
                    client.unacked.remove(mid);
                    client.first = client.first.max(Some(*mid));
                }
                client.batch = Some((batch.num.as_str().into(), mids));
            }
            Message::Published(published) => self.confirmed(published.num.as_str()),
            _ => {}
        }
    }

    /// The same told again says the same, however late it is drained and however often timers fire.
    pub(super) fn replay(&self) {
        let mut again = Platform::new(self.settings.config());
        for (now, told) in &self.told {
            again.handle_timeout(*now);
            again.handle_timeout(*now);
            obey(&mut again, *now, told.clone());
        }
        let said: Vec<Output> = std::iter::from_fn(|| again.poll_output()).collect();
        assert_eq!(said, self.said);
    }
}

//! A broker, its clients, and a store that is late, answers in any order and fails: what must hold
//! whatever happens.

use super::store::MemoryStore;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};
use zzw_push_proto::platform::{
    Config, Input, LinkId, MessageId, NodeId, Output, Peer, Platform, Rate, Seq, StoreError,
    StoreOp, StoreReply, Transport, UnixMillis,
};
use zzw_push_proto::wire::{
    Ack, Code, Connect, Heartbeat, Json, Message, Num, Numbered, Publish, Pull, Register, Ttl,
};

const ALIASES: [&str; 3] = ["m_1", "m_2", "小明"];
const WINDOW: usize = 4;
const CAP: usize = 10;

/// One thing that happens.
#[derive(Debug, Clone, Copy)]
pub struct Op(pub u8, pub u8, pub u8);

/// The broker and everybody around it.
pub struct World {
    platform: Platform,
    store: MemoryStore,
    now: Instant,
    millis: u64,
    links: BTreeMap<LinkId, Client>,
    /// Links that were closed: they are never heard of again.
    over: BTreeSet<LinkId>,
    newest: BTreeMap<&'static str, LinkId>,
    asked: Vec<(Seq, StoreOp)>,
    replies: Vec<(Seq, Result<StoreReply, StoreError>)>,
    /// When the time of each message is over, by its body.
    expires: BTreeMap<String, u64>,
    /// Bodies of each publication, until it is answered.
    published: BTreeMap<String, (String, Vec<&'static str>)>,
    appended: BTreeSet<(String, String)>,
    /// What clients have acknowledged.
    acked: BTreeSet<(String, MessageId)>,
    /// What the broker was told since it began, and what it said.
    told: Vec<(Instant, Option<Input>)>,
    said: Vec<Output>,
    next: u64,
}

#[derive(Default)]
struct Client {
    alias: Option<&'static str>,
    first: Option<MessageId>,
    /// Sent, not acknowledged nor pulled: with when its time is over.
    unacked: BTreeMap<MessageId, u64>,
    heard: BTreeSet<MessageId>,
    batch: Option<(String, Vec<MessageId>)>,
    /// Replies to requests, by number.
    requests: BTreeMap<String, usize>,
    is_slow: bool,
    /// It has its alias or has asked for it.
    is_bound: bool,
}

impl World {
    #[expect(clippy::disallowed_methods, reason = "the origin of a virtual clock")]
    pub fn new() -> Self {
        let mut store = MemoryStore::new();
        store.cap = CAP;
        Self {
            platform: Platform::new(config()),
            store,
            now: Instant::now(),
            millis: 1_660_625_866_000,
            links: BTreeMap::new(),
            over: BTreeSet::new(),
            newest: BTreeMap::new(),
            asked: Vec::new(),
            replies: Vec::new(),
            expires: BTreeMap::new(),
            published: BTreeMap::new(),
            appended: BTreeSet::new(),
            acked: BTreeSet::new(),
            told: Vec::new(),
            said: Vec::new(),
            next: 0,
        }
    }

    pub fn apply(&mut self, Op(kind, a, b): Op) {
        match kind % 16 {
            0 => self.connect(a, b),
            1 => self.work(),
            2..=4 => self.publish(a, b),
            5 | 6 => self.ack(a, b),
            7 => self.pull(a, b),
            8..=10 => self.execute(b % 8 == 7),
            11 | 12 => self.answer(usize::from(a)),
            13 => self.other(a, b),
            14 => self.wait(u64::from(a) * u64::from(b) / 2 + 1),
            _ if a >= 250 => self.crash(),
            _ => self.beat(a),
        }
    }

    /// Everybody behaves from now on: what is kept arrives.
    pub fn settle(mut self) {
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
        // Aliases that the store would not let go are given back now.
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
        );
        assert_eq!(now, (0, 0, 0), "{counters:?}");
        assert!(self.store.aliases.values().all(|a| a.owner.is_none()));
    }

    fn connect(&mut self, a: u8, b: u8) {
        let id = LinkId(self.fresh());
        let alias = ALIASES[usize::from(a) % 3];
        let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, b % 4));
        self.links.insert(id, Client::default());
        if b & 1 == 0 {
            let peer = Peer::new(Transport::SocketIo, address).with_alias(alias);
            self.wants(id, alias);
            self.input(Input::Connected(id, peer));
        } else {
            self.input(Input::Connected(id, Peer::new(Transport::Tcp, address)));
            if (1..3).contains(&(b % 3)) {
                self.wants(id, alias);
                self.says(id, Message::Connect(Connect::new(alias)));
            }
        }
    }

    fn wants(&mut self, id: LinkId, alias: &'static str) {
        self.newest.insert(alias, id);
        if let Some(client) = self.links.get_mut(&id) {
            client.alias = Some(alias);
            client.is_bound = true;
        }
    }

    fn publish(&mut self, a: u8, b: u8) {
        let Some(id) = self.pick(a) else { return };
        let body = format!("\"{}\"", self.fresh());
        let num = self.request(id);
        let to = match b % 4 {
            0 => vec![ALIASES[0], ALIASES[1]],
            n => vec![ALIASES[usize::from(n) - 1]],
        };
        let json = Json::parse(body.clone().into_bytes()).unwrap();
        let is_topic = b & 0x80 > 0;
        let mut publish = if is_topic {
            let topics = ["t"].into_iter().collect();
            Publish::to_topics(topics, json, Num::new(num.as_str()))
        } else {
            let aliases = to.iter().collect();
            Publish::to_aliases(aliases, json, Num::new(num.as_str()))
        };
        let ttl = [0, 3, 40, 259_200][usize::from(b >> 2) % 4];
        publish.ttl = Some(Ttl::seconds(ttl));
        self.expires.insert(body.clone(), u64::MAX);
        if ttl > 0 && !is_topic {
            self.published.insert(num, (body, to));
        }
        self.says(id, Message::Publish(publish));
    }

    fn ack(&mut self, a: u8, b: u8) {
        let Some(id) = self.pick(a) else { return };
        let heard = &self.links[&id].heard;
        let mid = heard.iter().nth(usize::from(b) % heard.len().max(1));
        let mid = mid.copied().unwrap_or(MessageId(u64::from(b)));
        self.ack_mid(id, mid);
    }

    fn ack_mid(&mut self, id: LinkId, mid: MessageId) {
        let Some(client) = self.links.get_mut(&id) else {
            return;
        };
        let Some(alias) = client.alias else { return };
        client.unacked.remove(&mid);
        if let Some((_, mids)) = &mut client.batch {
            mids.retain(|known| *known != mid);
        }
        self.acked.insert((alias.into(), mid));
        self.says(id, Message::Ack(Ack::new(alias, mid.to_mid())));
    }

    fn pull(&mut self, a: u8, b: u8) {
        let Some(id) = self.pick(a) else { return };
        let Some(client) = self.links.get_mut(&id) else {
            return;
        };
        let num = format!("pull {}", b % 3);
        let alias = client.alias;
        // Two numbers in turn would be each other's acknowledgement before either has come.
        if client
            .requests
            .get(&num)
            .is_some_and(|replies| *replies == 0)
            || client.requests.keys().any(|known| {
                known.starts_with("pull") && *known != num && client.requests[known] == 0
            })
        {
            return;
        }
        if client.batch.as_ref().is_some_and(|(last, _)| *last != num) {
            let (_, mids) = client.batch.take().unwrap();
            let alias = alias.unwrap_or_default();
            self.acked
                .extend(mids.into_iter().map(|mid| (alias.into(), mid)));
        }
        client.requests.insert(num.clone(), 0);
        self.says(id, Message::Pull(Pull::new(Num::new(num))));
    }

    fn other(&mut self, a: u8, b: u8) {
        let Some(id) = self.pick(a) else { return };
        match b % 6 {
            0 => {
                self.gone(id);
                self.input(Input::Disconnected(id));
            }
            1 => {
                self.links.get_mut(&id).unwrap().is_slow = true;
                self.input(Input::Slow(id));
            }
            2 => {
                self.links.get_mut(&id).unwrap().is_slow = false;
                self.input(Input::Drained(id));
            }
            3 => {
                let num = Num::new(self.request(id));
                let topics = ["t"].into_iter().collect();
                self.says(id, Message::Register(Register::new(topics, num)));
            }
            _ => {
                let num = Num::new(self.request(id));
                self.says(id, Message::Topics(Numbered::new(num)));
            }
        }
    }

    fn beat(&mut self, a: u8) {
        let Some(id) = self.pick(a) else { return };
        let alias = self.links[&id].alias;
        let beat = alias.map_or_else(Heartbeat::default, Heartbeat::new);
        if let Some(alias) = alias.filter(|_| !self.links[&id].is_bound) {
            self.wants(id, alias);
        }
        self.says(id, Message::Heartbeat(beat));
    }

    /// The broker stops dead; what the store has is all that is left.
    fn crash(&mut self) {
        self.replay();
        self.platform = Platform::new(config());
        let ids: Vec<LinkId> = self.links.keys().copied().collect();
        for id in ids {
            self.gone(id);
        }
        self.asked.clear();
        self.replies.clear();
        self.published.clear();
        self.newest.clear();
        self.told.clear();
        self.said.clear();
        for known in self.store.aliases.values_mut() {
            known.owner = None;
        }
    }

    fn execute(&mut self, fails: bool) {
        if self.asked.is_empty() {
            return;
        }
        let (seq, op) = self.asked.remove(0);
        if fails {
            return self.replies.push((seq, Err(StoreError::Unavailable)));
        }
        if let StoreOp::Ack { alias, mids } = &op {
            for mid in mids {
                let is_acked = self.acked.contains(&(alias.to_string(), *mid));
                assert!(is_acked, "{alias} has not acknowledged {mid:?}");
            }
        }
        let kept = match &op {
            StoreOp::Append { body, ttl, .. } | StoreOp::AppendTopic { body, ttl, .. } => {
                let end = self.millis + u64::from(ttl.as_secs()) * 1_000;
                self.expires.insert(body.as_str().into(), end);
                Some(body.as_str().to_owned())
            }
            _ => None,
        };
        if let (StoreOp::Append { alias, .. }, Some(body)) = (&op, kept) {
            self.appended.insert((alias.to_string(), body));
        }
        let reply = self.store.execute(UnixMillis(self.millis), op);
        self.replies.push((seq, reply));
    }

    fn answer(&mut self, which: usize) {
        if self.replies.is_empty() {
            return;
        }
        let (seq, reply) = self.replies.remove(which % self.replies.len());
        self.input(match reply {
            Ok(reply) => Input::Stored(seq, reply),
            Err(error) => Input::StoreFailed(seq, error),
        });
    }

    fn work(&mut self) {
        while !self.asked.is_empty() || !self.replies.is_empty() {
            self.execute(false);
            self.answer(0);
        }
    }

    fn wait(&mut self, millis: u64) {
        let end = self.now + Duration::from_millis(millis);
        let end_millis = self.millis + millis;
        while let Some(due) = self.platform.poll_timeout().filter(|due| *due <= end) {
            assert!(due > self.now, "a timer that has fired is still due");
            let left = u64::try_from((end - due).as_millis()).unwrap();
            (self.now, self.millis) = (due, end_millis - left);
            self.platform.handle_timeout(due);
            self.told.push((due, None));
            self.hear();
        }
        (self.now, self.millis) = (end, end_millis);
        self.platform.handle_timeout(end);
        self.told.push((end, None));
        self.hear();
    }

    fn says(&mut self, id: LinkId, message: Message) {
        self.input(Input::Received(id, UnixMillis(self.millis), message));
    }

    fn input(&mut self, input: Input) {
        self.told.push((self.now, Some(input.clone())));
        self.platform.handle_input(self.now, input);
        self.hear();
    }

    fn hear(&mut self) {
        while let Some(output) = self.platform.poll_output() {
            self.said.push(output.clone());
            match output {
                Output::Store(seq, op) => self.asked.push((seq, op)),
                Output::Disconnect(id) => self.gone(id),
                Output::Send(id, message) => self.heard(id, &message),
                _ => {}
            }
        }
        let counters = self.platform.snapshot();
        let links = counters.tcp_links + counters.socketio_links;
        assert_eq!(links, self.links.len() as u64);
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
                assert_eq!(
                    self.newest.get(alias),
                    Some(&id),
                    "only the newest link is sent"
                );
                assert!(!client.is_slow, "a slow link is sent nothing");
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
            Message::Published(published) => {
                if let Some((body, to)) = self.published.remove(published.num.as_str()) {
                    for alias in to {
                        let is_kept = self.appended.contains(&(alias.into(), body.clone()));
                        assert!(is_kept, "acknowledged, but not kept for {alias}");
                    }
                }
            }
            // Its claim failed; a later one begins anew.
            Message::Failure(failure)
                if failure.code == Some(Code::StoreUnavailable) && failure.num == Num::Absent =>
            {
                client.first = None;
                client.is_bound = false;
            }
            _ => {}
        }
    }

    /// The same told again says the same, however late it is drained and however often timers fire.
    fn replay(&self) {
        let mut again = Platform::new(config());
        for (now, input) in &self.told {
            again.handle_timeout(*now);
            again.handle_timeout(*now);
            if let Some(input) = input {
                again.handle_input(*now, input.clone());
            }
        }
        let said: Vec<Output> = std::iter::from_fn(|| again.poll_output()).collect();
        assert_eq!(said, self.said);
    }

    fn gone(&mut self, id: LinkId) {
        self.links.remove(&id);
        self.over.insert(id);
    }

    fn pick(&self, a: u8) -> Option<LinkId> {
        let nth = usize::from(a) % self.links.len().max(1);
        self.links.keys().nth(nth).copied()
    }

    fn request(&mut self, id: LinkId) -> String {
        let num = format!("n {}", self.fresh());
        let client = self.links.get_mut(&id).unwrap();
        client.requests.insert(num.clone(), 0);
        num
    }

    fn fresh(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

fn config() -> Config {
    let mut config = Config::new(NodeId(1), "192.0.2.1");
    config.window = WINDOW;
    config.publish_rate = Rate::new(1_000, 10_000);
    config
}

//! A broker, its clients, and a store that is late, answers in any order and fails: what must hold
//! whatever happens.

use super::cast::{self, ALIASES, Client, Settings, Told};
use super::store::MemoryStore;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};
use zzw_push_proto::platform::{
    AskId, Call, Counters, ExchangeId, Input, LinkId, MessageId, Output, Peer, Platform, Presented,
    PublishId, Question, Scopes, Seq, StoreError, StoreOp, StoreReply, Transport, UnixMillis,
    Verdict,
};
use zzw_push_proto::rest::Page;
use zzw_push_proto::wire::{
    Ack, Connect, Door, Goodbye, Heartbeat, Json, Lenience, Message, Num, Numbered, Publish, Pull,
    Register, Ttl,
};

const CAP: usize = 10;

/// One thing that happens.
#[derive(Debug, Clone, Copy)]
pub struct Op(pub u8, pub u8, pub u8);

/// The broker and everybody around it.
pub struct World {
    pub(super) settings: Settings,
    pub(super) platform: Platform,
    pub(super) store: MemoryStore,
    pub(super) now: Instant,
    pub(super) millis: u64,
    pub(super) links: BTreeMap<LinkId, Client>,
    /// Links that were closed: they are never heard of again.
    pub(super) over: BTreeSet<LinkId>,
    pub(super) newest: BTreeMap<&'static str, LinkId>,
    /// The process stood still once: since then, links may have waited for aliases.
    pub(super) has_paused: bool,
    /// Who is online, as the application was told.
    pub(super) online: BTreeMap<&'static str, LinkId>,
    pub(super) asked: Vec<(Seq, StoreOp)>,
    pub(super) replies: Vec<(Seq, Result<StoreReply, StoreError>)>,
    pub(super) questions: Vec<(AskId, Asked)>,
    /// Answers to calls over REST.
    pub(super) exchanges: BTreeMap<ExchangeId, usize>,
    /// When the time of each message is over, by its body.
    pub(super) expires: BTreeMap<String, u64>,
    /// Body and recipients of each publication, until it is answered.
    pub(super) published: BTreeMap<String, (String, Vec<&'static str>)>,
    pub(super) own: BTreeMap<PublishId, (String, Vec<&'static str>)>,
    pub(super) appended: BTreeSet<(String, String)>,
    /// What clients have acknowledged.
    pub(super) acked: BTreeSet<(String, MessageId)>,
    /// Commands for doors that are on their way, by who gave them: when they were given.
    pub(super) doors: BTreeMap<String, Instant>,
    /// Those that the application allows.
    pub(super) allowed: BTreeSet<String>,
    /// Aliases that the store would not let go.
    pub(super) unreleased: BTreeSet<String>,
    /// What the broker was told since it began, and what it said.
    pub(super) told: Vec<(Instant, Told)>,
    pub(super) said: Vec<Output>,
    pub(super) next: u64,
    /// What brokers that are no more have counted.
    pub(super) lives: Vec<Counters>,
}

/// What the broker waits for.
#[derive(Debug)]
pub(super) enum Asked {
    Verdict(Question),
    Token(Presented),
}

impl World {
    #[expect(clippy::disallowed_methods, reason = "the origin of a virtual clock")]
    pub fn new(settings: Settings) -> Self {
        let mut store = MemoryStore::new();
        store.cap = CAP;
        Self {
            settings,
            platform: Platform::new(settings.config()),
            store,
            now: Instant::now(),
            millis: 1_660_625_866_000,
            links: BTreeMap::new(),
            over: BTreeSet::new(),
            newest: BTreeMap::new(),
            has_paused: false,
            online: BTreeMap::new(),
            asked: Vec::new(),
            replies: Vec::new(),
            questions: Vec::new(),
            exchanges: BTreeMap::new(),
            expires: BTreeMap::new(),
            published: BTreeMap::new(),
            own: BTreeMap::new(),
            appended: BTreeSet::new(),
            acked: BTreeSet::new(),
            doors: BTreeMap::new(),
            allowed: BTreeSet::new(),
            unreleased: BTreeSet::new(),
            told: Vec::new(),
            said: Vec::new(),
            next: 0,
            lives: Vec::new(),
        }
    }

    pub fn apply(&mut self, Op(kind, a, b): Op) {
        if self.platform.is_closed() {
            self.restart();
        }
        match kind % 24 {
            0 => self.connect(a, b),
            1 => self.work(),
            2..=4 => self.publish(a, b),
            5 | 6 => self.ack(a, b),
            7 => self.pull(a, b),
            8..=10 | 23 => self.execute(b % 8 == 7),
            11 | 12 | 22 => self.answer(usize::from(a)),
            13 => self.other(a, b),
            14 => self.wait(u64::from(a) * u64::from(b) / 2 + 1),
            15 if a >= 250 => self.crash(),
            15 => self.beat(a, 0),
            16 => self.beat(a, b),
            17 => self.open_door(a),
            18 | 21 => self.decide(usize::from(a), b),
            19 => self.call(a, b),
            _ if a >= 252 => self.drain(),
            _ if a >= 244 => self.input(Input::Missed),
            _ if a >= 240 => self.pause(Duration::from_millis(u64::from(b) * 16)),
            _ => self.command(a, b),
        }
    }

    fn connect(&mut self, a: u8, b: u8) {
        let id = LinkId(self.fresh());
        let alias = ALIASES[usize::from(a) % 3];
        let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, b % 4));
        self.links.insert(id, Client::new(alias, self.now));
        let token = self
            .settings
            .needs_token()
            .then(|| cast::token(alias, b / 4));
        if b & 1 == 0 {
            let mut peer = Peer::new(Transport::SocketIo, address).with_alias(alias);
            peer.token = token.flatten();
            self.wants(id, alias);
            self.input(Input::Connected(id, peer));
        } else {
            self.input(Input::Connected(id, Peer::new(Transport::Tcp, address)));
            if (1..3).contains(&(b % 3)) {
                self.wants(id, alias);
                let mut connect = Connect::new(alias);
                connect.token = token.flatten();
                self.says(id, Message::Connect(connect));
            }
        }
    }

    fn wants(&mut self, id: LinkId, alias: &'static str) {
        self.newest.insert(alias, id);
    }

    fn pause(&mut self, pause: Duration) {
        self.has_paused = true;
        self.input(Input::Paused(pause));
    }

    /// A publication to some of the aliases or to a topic, what it says, and whom it is kept for.
    fn publication(&mut self, num: &str, b: u8) -> (Publish, Option<(String, Vec<&'static str>)>) {
        let body = format!("\"{}\"", self.fresh());
        let to = match b % 4 {
            0 => vec![ALIASES[0], ALIASES[1]],
            n => vec![ALIASES[usize::from(n) - 1]],
        };
        let json = Json::parse(body.clone().into_bytes()).unwrap();
        let is_topic = b & 0x80 > 0;
        let mut publish = if is_topic {
            let topics = ["t"].into_iter().collect();
            Publish::to_topics(topics, json, Num::new(num))
        } else {
            let aliases = to.iter().collect();
            Publish::to_aliases(aliases, json, Num::new(num))
        };
        let ttl = [0, 3, 40, 259_200][usize::from(b >> 2) % 4];
        publish.ttl = Some(Ttl::seconds(ttl));
        self.expires.insert(body.clone(), u64::MAX);
        let kept = (ttl > 0 && !is_topic).then_some((body, to));
        (publish, kept)
    }

    fn publish(&mut self, a: u8, b: u8) {
        let Some(id) = self.pick(a) else { return };
        let num = self.request(id);
        let (publish, kept) = self.publication(&num, b);
        if let Some(kept) = kept {
            self.published.insert(num, kept);
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

    pub(super) fn ack_mid(&mut self, id: LinkId, mid: MessageId) {
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
        match b % 8 {
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
            3 | 4 => {
                let num = Num::new(self.request(id));
                let topics: &[&str] = if b & 8 > 0 { &["t", "t/p"] } else { &["t"] };
                let mut register = Register::new(topics.iter().collect(), num);
                if b & 16 > 0 {
                    std::mem::swap(&mut register.topics, &mut register.untopics);
                }
                self.says(id, Message::Register(register));
            }
            5 if b > 128 => {
                let goodbye = self.links[&id]
                    .alias
                    .map_or_else(Goodbye::default, Goodbye::new);
                self.says(id, Message::Goodbye(goodbye));
            }
            6 => self.garble(id, b),
            _ => {
                let num = Num::new(self.request(id));
                self.says(id, Message::Topics(Numbered::new(num)));
            }
        }
    }

    fn garble(&mut self, id: LinkId, b: u8) {
        let error = Message::decode("{]".into(), Lenience::Vendor).unwrap_err();
        for _ in 0..b / 16 {
            if let Some(client) = self.links.get_mut(&id) {
                client.last_seen = self.now;
            }
            self.input(Input::Garbled(id, error.clone()));
        }
    }

    /// A heartbeat, with a token if `b` says so, or with another alias.
    fn beat(&mut self, a: u8, b: u8) {
        let Some(id) = self.pick(a) else { return };
        let settings = self.settings;
        let client = &self.links[&id];
        let (mut stated, bound) = (client.wants, client.alias);
        if settings.rebinds() && bound.is_some() && b & 64 > 0 {
            stated = ALIASES[usize::from(b) % 3];
        }
        let mut beat = Heartbeat::new(stated);
        if settings.needs_token() {
            beat.token = cast::token(stated, b % 64);
        }
        let is_new = bound.is_none() || (settings.rebinds() && bound != Some(stated));
        if is_new {
            self.wants(id, stated);
        }
        if let Some(client) = self.links.get_mut(&id) {
            client.wants = stated;
        }
        self.says(id, Message::Heartbeat(beat));
    }

    fn open_door(&mut self, a: u8) {
        let Some(id) = self.pick(a) else { return };
        let user = format!("u {}", self.fresh());
        self.doors.insert(user.clone(), self.now);
        self.says(id, Message::OpenDoor(Door::new("1203", user)));
    }

    /// The application decides something, or a token is verified.
    fn decide(&mut self, which: usize, b: u8) {
        if self.questions.is_empty() {
            return;
        }
        let (id, asked) = self.questions.remove(which % self.questions.len());
        match asked {
            Asked::Verdict(question) => {
                let verdict = if b % 4 == 3 {
                    Verdict::Deny
                } else {
                    Verdict::Allow
                };
                if let (Message::OpenDoor(door), Verdict::Allow) = (&*question.message, verdict) {
                    self.allowed.insert(door.user.to_string());
                }
                self.tell(Told::Decide(id, verdict));
            }
            Asked::Token(presented) => {
                let grant = cast::verify(&presented);
                let opens = |scopes: Scopes| scopes.contains(Scopes::DOOR);
                if let Some(client) = self.links.get_mut(&presented.link) {
                    client.may_open |= grant.as_ref().is_some_and(|grant| opens(grant.scopes));
                }
                self.tell(Told::Verified(id, grant));
            }
        }
    }

    fn call(&mut self, a: u8, b: u8) {
        let exchange = ExchangeId(self.fresh());
        let call = match a % 5 {
            0 => Call::Info,
            1 => Call::Servers,
            2 => Call::Status(ALIASES[usize::from(b) % 3].into()),
            3 => Call::Aliases(Transport::Tcp, Page::default()),
            _ => {
                let num = format!("call {}", exchange.0);
                let (publish, kept) = self.publication(&num, b);
                if let Some(kept) = kept {
                    self.published.insert(num, kept);
                }
                Call::Push(publish)
            }
        };
        self.exchanges.insert(exchange, 0);
        let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, b % 4));
        let at = UnixMillis(self.millis);
        self.input(Input::Called(exchange, address, at, call));
    }

    /// The application publishes or closes a link.
    fn command(&mut self, a: u8, b: u8) {
        if matches!(a % 4, 0) {
            return self.tell(Told::Kick(ALIASES[usize::from(b) % 3]));
        }
        let (publish, kept) = self.publication("", b);
        let at = UnixMillis(self.millis);
        self.told
            .push((self.now, Told::Publish(at, Box::new(publish.clone()))));
        if let Ok(id) = self.platform.publish(self.now, at, publish) {
            // Without recipients that it is kept for there is nothing to hold it against.
            self.own.insert(id, kept.unwrap_or_default());
        }
        self.hear();
    }

    /// The broker lets all links go.
    fn drain(&mut self) {
        self.tell(Told::Drain);
        if !self.platform.is_closed() {
            self.connect(0, 3); // in vain
        }
        while !self.platform.is_closed() {
            self.work();
            if let Some(due) = self.platform.poll_timeout() {
                let left = (due - self.now).as_millis();
                self.wait(u64::try_from(left).unwrap() + 1);
            }
        }
        assert!(self.links.is_empty() && self.online.is_empty());
        assert!(self.exchanges.values().all(|replies| *replies == 1));
        assert!(self.own.is_empty());
    }

    /// The broker stops dead; what the store has is all that is left.
    fn crash(&mut self) {
        self.replay();
        self.exchanges.clear();
        self.own.clear();
        self.restart();
        for known in self.store.aliases.values_mut() {
            known.owner = None;
        }
    }

    fn restart(&mut self) {
        self.lives.push(self.platform.snapshot());
        self.platform = Platform::new(self.settings.config());
        let ids: Vec<LinkId> = self.links.keys().copied().collect();
        for id in ids {
            self.gone(id);
        }
        self.online.clear();
        self.asked.clear();
        self.replies.clear();
        self.questions.clear();
        self.published.clear();
        self.newest.clear();
        self.has_paused = false;
        self.doors.clear();
        self.told.clear();
        self.said.clear();
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

    /// Whoever is asked answers, until nobody is.
    pub(super) fn work(&mut self) {
        loop {
            while !self.questions.is_empty() {
                self.decide(0, 0);
            }
            if self.asked.is_empty() && self.replies.is_empty() {
                return;
            }
            self.execute(false);
            self.answer(0);
        }
    }

    pub(super) fn wait(&mut self, millis: u64) {
        let end = self.now + Duration::from_millis(millis);
        let end_millis = self.millis + millis;
        while let Some(due) = self.platform.poll_timeout().filter(|due| *due <= end) {
            assert!(due > self.now, "a timer that has fired is still due");
            let left = u64::try_from((end - due).as_millis()).unwrap();
            (self.now, self.millis) = (due, end_millis - left);
            self.platform.handle_timeout(due);
            self.told.push((due, Told::Time));
            self.hear();
        }
        (self.now, self.millis) = (end, end_millis);
        self.platform.handle_timeout(end);
        self.told.push((end, Told::Time));
        self.hear();
    }

    pub(super) fn says(&mut self, id: LinkId, message: Message) {
        if let Some(client) = self.links.get_mut(&id) {
            client.last_seen = self.now;
        }
        self.input(Input::Received(id, UnixMillis(self.millis), message));
    }

    pub(super) fn input(&mut self, input: Input) {
        self.tell(Told::Input(Box::new(input)));
    }

    fn tell(&mut self, told: Told) {
        self.told.push((self.now, told.clone()));
        obey(&mut self.platform, self.now, told);
        self.hear();
    }

    pub(super) fn gone(&mut self, id: LinkId) {
        self.links.remove(&id);
        self.over.insert(id);
    }

    fn pick(&self, a: u8) -> Option<LinkId> {
        let nth = usize::from(a) % self.links.len().max(1);
        self.links.keys().nth(nth).copied()
    }

    pub(super) fn request(&mut self, id: LinkId) -> String {
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

/// Whatever it says to commands that come too late is fine.
pub(super) fn obey(platform: &mut Platform, now: Instant, told: Told) {
    match told {
        Told::Time => platform.handle_timeout(now),
        Told::Input(input) => platform.handle_input(now, *input),
        Told::Decide(id, verdict) => platform.decide(now, id, verdict).unwrap_or_default(),
        Told::Verified(id, grant) => platform.verified(now, id, grant).unwrap_or_default(),
        Told::Kick(alias) => platform.kick(now, alias.into()).unwrap_or_default(),
        Told::Publish(at, publish) => drop(platform.publish(now, at, *publish)),
        Told::Drain => platform.drain(now),
    }
}

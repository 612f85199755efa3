//! Any sequence of requests, and a store beside a naive one that must answer the same.
//!
//! A step is three bytes, so that anything that makes bytes can make a sequence of them.

use super::naive::MemoryStore;
use std::time::{Duration, Instant};
use zzw_push_proto::platform::{
    MessageId, NodeId, Owner, StoreError, StoreOp, StoreReply, Transport, UnixMillis,
};
use zzw_push_proto::rest::{RestCall, RestRequest};
use zzw_push_proto::wire::{Json, Lenience, Text, Texts, Ttl};

/// What is asked and compared.
pub trait Subject {
    fn apply(&mut self, now: Instant, wall: UnixMillis, batch: &[StoreOp]) -> Vec<Answer>;

    /// Ends and begins again; false if that would lose everything.
    fn reopen(&mut self, crashes: bool) -> bool;

    /// Messages kept.
    fn messages(&self) -> u64;
}

pub type Answer = Result<StoreReply, StoreError>;

/// One thing that happens.
#[derive(Debug, Clone, Copy)]
pub struct Step(pub u8, pub u8, pub u8);

/// Messages kept for one alias.
pub const CAP: usize = 6;

pub const ALIASES: [&str; 5] = ["m_1", "m_10", "m_2", "c_1", "小明"];
pub const TOPICS: [&str; 3] = ["t", "t_1", "楼"];

/// A store, and a naive one.
pub struct World<S> {
    store: S,
    naive: MemoryStore,
    draw: Draw,
    batch: Vec<StoreOp>,
    now: Instant,
    wall: u64,
    /// The store's time, and when it was told.
    at: u64,
    told: Option<Instant>,
}

/// Makes requests of bytes.
#[derive(Debug, Clone, Default)]
pub struct Draw {
    bodies: u64,
    mids: Vec<MessageId>,
}

impl<S: Subject> World<S> {
    #[expect(clippy::disallowed_methods, reason = "the origin of a virtual clock")]
    pub fn new(store: S) -> Self {
        let mut naive = MemoryStore::new();
        naive.cap = CAP;
        Self {
            store,
            naive,
            draw: Draw::default(),
            batch: Vec::new(),
            now: Instant::now(),
            wall: START,
            at: 0,
            told: None,
        }
    }

    pub fn step(&mut self, step: Step) {
        let Step(kind, a, b) = step;
        match kind % 32 {
            0..=23 => {
                let op = self.draw.op(step);
                self.batch.push(op);
                if b % 4 == 0 || self.batch.len() > 8 {
                    self.ask();
                }
            }
            24..=27 => self.wait(u64::from(a) * u64::from(b)),
            28 => {
                self.ask();
                // An hour back or forth at most.
                let jump = (i64::from(a) - 128) * 28_000;
                self.wall = self.wall.saturating_add_signed(jump);
            }
            29 | 30 => self.ask(),
            _ => self.reopen(a % 2 == 0),
        }
    }

    /// Nothing that can be asked tells them apart.
    pub fn settle(mut self) {
        self.ask();
        for alias in ALIASES {
            self.batch.extend(questions(alias));
        }
        for topic in TOPICS {
            let topic = Text::from(topic);
            self.batch.push(StoreOp::Members { topic });
        }
        self.ask();
        let left = self.naive.aliases.values().map(|alias| alias.queue.len());
        assert_eq!(self.store.messages(), left.sum::<usize>() as u64);
    }

    fn ask(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let passed = self.told.replace(self.now).map(|told| self.now - told);
        let passed = passed.unwrap_or_default().as_millis();
        self.at = self.wall.max(self.at + u64::try_from(passed).unwrap());
        let answers = self
            .store
            .apply(self.now, UnixMillis(self.wall), &self.batch);
        assert_eq!(answers.len(), self.batch.len());
        for (op, answer) in self.batch.drain(..).zip(answers) {
            self.draw.heed(&answer);
            let right = self.naive.execute(UnixMillis(self.at), op.clone());
            assert_eq!(answer, right, "{op:?}");
        }
    }

    fn wait(&mut self, millis: u64) {
        self.ask();
        self.now += Duration::from_millis(millis);
        self.wall += millis;
    }

    fn reopen(&mut self, crashes: bool) {
        // Writes down what time it is.
        self.batch.push(claim("m_1", 0));
        self.ask();
        if self.store.reopen(crashes) {
            for alias in self.naive.aliases.values_mut() {
                alias.owner = None;
            }
            self.told = None;
        }
    }
}

impl Draw {
    pub fn op(&mut self, Step(kind, a, b): Step) -> StoreOp {
        let alias = Text::from(ALIASES[usize::from(a) % ALIASES.len()]);
        let topic = Text::from(TOPICS[usize::from(a) % TOPICS.len()]);
        match kind % 24 {
            0..=6 => StoreOp::Append {
                alias,
                body: self.body(b),
                ttl: ttl(b),
                only_known: b % 7 == 0,
            },
            7..=9 => StoreOp::AppendTopic {
                topic,
                body: self.body(b),
                ttl: ttl(b),
            },
            10 | 11 => claim(&alias, b),
            12 => StoreOp::Release {
                alias,
                epoch: u64::from(b) / 16,
            },
            13 | 14 => StoreOp::Load {
                alias,
                after: self.mid(b),
                limit: usize::from(b) % 9,
            },
            15..=17 => StoreOp::Ack {
                alias,
                mids: (0..b % 5)
                    .map(|nth| self.mid(b.wrapping_mul(nth)))
                    .collect(),
            },
            18 | 19 => StoreOp::Subscribe {
                alias,
                add: some_topics(b),
                remove: some_topics(b >> 3),
                info: None,
            },
            20 => StoreOp::Members { topic },
            21 => StoreOp::Status { alias },
            22 => list(b),
            _ => {
                let all = self.mids.clone();
                StoreOp::Ack { alias, mids: all }
            }
        }
    }

    /// Remembers which messages there are.
    pub fn heed(&mut self, answer: &Answer) {
        match answer {
            Ok(StoreReply::Appended(appended)) => self.mids.push(appended.mid),
            Ok(StoreReply::Fanned { members, .. }) => {
                self.mids.extend(members.iter().map(|(_, kept)| kept.mid));
            }
            _ => {}
        }
        let old = self.mids.len().saturating_sub(40);
        self.mids.drain(..old);
    }

    fn body(&mut self, b: u8) -> Json {
        self.bodies += 1;
        let fill = "早".repeat(usize::from(b) * usize::from(b) / 40);
        Json::text(&format!("{} {fill}", self.bodies))
    }

    /// One that there was, mostly.
    fn mid(&self, b: u8) -> MessageId {
        let newest = self.mids.iter().rev();
        let known = newest.copied().nth(usize::from(b) / 3);
        known.unwrap_or(MessageId(u64::from(b)))
    }
}

/// All that can be asked about an alias.
pub fn questions(alias: &str) -> [StoreOp; 3] {
    [
        StoreOp::Status {
            alias: alias.into(),
        },
        claim(alias, 0),
        StoreOp::Load {
            alias: alias.into(),
            after: MessageId(0),
            limit: 1000,
        },
    ]
}

pub fn claim(alias: &str, b: u8) -> StoreOp {
    StoreOp::Claim {
        alias: alias.into(),
        owner: Owner::new(NodeId(u64::from(b) % 2), transport(b)),
    }
}

/// 2022-08-16.
pub const START: u64 = 1_660_625_866_000;

fn transport(b: u8) -> Transport {
    match b % 3 {
        0 => Transport::SocketIo,
        _ => Transport::Tcp,
    }
}

fn ttl(b: u8) -> Ttl {
    Ttl::seconds([1, 5, 40, 259_200][usize::from(b) % 4])
}

fn some_topics(b: u8) -> Texts {
    let chosen = (0..).zip(TOPICS).filter(|(bit, _)| b >> bit & 1 == 1);
    chosen.map(|(_, topic)| topic).collect()
}

fn list(b: u8) -> StoreOp {
    let path = format!("/info/allChannelAlias/{}-{}/x", b % 3, 1 + b % 4);
    let request = RestRequest::parse("GET", &path, Lenience::Vendor).unwrap();
    let RestCall::ChannelAliases(page) = request.call else {
        panic!("{request:?}");
    };
    let transport = transport(b);
    StoreOp::List { transport, page }
}

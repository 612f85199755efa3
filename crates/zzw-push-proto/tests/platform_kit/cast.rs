//! Who plays with the broker in the model, and by which settings.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use zzw_push_proto::platform::{
    AskId, ClientToken, Config, Grant, Input, MessageId, NodeId, OnUnacked, Presented, Rate, Rule,
    Scopes, UnixMillis, Verdict,
};
use zzw_push_proto::wire::{Publish, Token};

pub const ALIASES: [&str; 3] = ["m_1", "m_2", "小明"];
pub const WINDOW: usize = 4;

/// Which options are on.
#[derive(Debug, Clone, Copy)]
pub struct Settings(pub u8);

/// What the broker was told.
#[derive(Debug, Clone)]
pub enum Told {
    Time,
    Input(Box<Input>),
    Decide(AskId, Verdict),
    Verified(AskId, Option<Grant>),
    Kick(&'static str),
    Publish(UnixMillis, Box<Publish>),
    Drain,
}

/// A link, as its client sees it.
#[derive(Debug)]
pub struct Client {
    /// The alias that it states.
    pub wants: &'static str,
    /// The alias that it has.
    pub alias: Option<&'static str>,
    pub last_seen: Instant,
    pub first: Option<MessageId>,
    /// Sent, not acknowledged nor pulled: with when its time is over.
    pub unacked: BTreeMap<MessageId, u64>,
    pub heard: BTreeSet<MessageId>,
    pub batch: Option<(String, Vec<MessageId>)>,
    /// Replies to requests, by number.
    pub requests: BTreeMap<String, usize>,
    pub is_slow: bool,
    /// It has had a valid token for doors.
    pub may_open: bool,
}

impl Settings {
    pub fn config(self) -> Config {
        let mut config = Config::new(NodeId(1), "192.0.2.1");
        config.window = WINDOW;
        config.publish_rate = Rate::new(1_000, 10_000);
        config.redeliver_after = Duration::from_secs(5);
        if self.needs_token() {
            config.client_token = ClientToken::Required;
        }
        config.link_timeout = self.link_timeout();
        config.presence = self.0 & 2 > 0;
        if self.asks() {
            config.rules.publish_to_alias = Rule::Ask;
            config.rules.bind = Rule::Ask;
            config.rules.open_door = Rule::Ask;
        }
        config.allow_rebind = self.rebinds();
        if self.parks() {
            config.on_unacked = OnUnacked::Park;
        }
        config.require_heartbeat_first = self.0 & 32 > 0;
        if self.0 & 64 > 0 {
            config.max_held = 600; // some messages and some frames that wait
        }
        config
    }

    pub fn needs_token(self) -> bool {
        self.0 & 1 > 0
    }

    pub fn asks(self) -> bool {
        self.0 & 4 > 0
    }

    pub fn rebinds(self) -> bool {
        self.0 & 8 > 0
    }

    pub fn link_timeout(self) -> Duration {
        Duration::from_secs(if self.0 & 128 > 0 { 15 } else { 90 })
    }

    pub fn parks(self) -> bool {
        self.0 & 16 > 0
    }

    /// A link is given its alias as soon as it asks for it.
    pub fn binds_at_once(self) -> bool {
        !self.needs_token() && !self.asks()
    }
}

impl Client {
    pub fn new(wants: &'static str, now: Instant) -> Self {
        Self {
            wants,
            alias: None,
            last_seen: now,
            first: None,
            unacked: BTreeMap::new(),
            heard: BTreeSet::new(),
            batch: None,
            requests: BTreeMap::new(),
            is_slow: false,
            may_open: false,
        }
    }

    /// It has that alias from now on.
    pub fn is_bound_to(&mut self, alias: &'static str) {
        self.alias = Some(alias);
        self.first = None;
        self.unacked.clear();
        self.heard.clear();
        self.batch = None;
    }
}

/// A token that reads like `m_2 48 3600`: whose, which scopes, for how many seconds; or one that is
/// none.
pub fn token(alias: &str, kind: u8) -> Option<Token> {
    let text = match kind % 6 {
        0 => return None,
        1 => format!("{alias} 80 {}", 3_600 + u64::from(kind)),
        2 => format!("{alias} 16 5"),
        3 => format!("{} 16 3600", ALIASES[usize::from(kind) % 3]),
        4 => format!("{alias} 64 3600"),
        _ => "garbage".into(),
    };
    Some(Token::new(text))
}

/// What it allows.
pub fn verify(presented: &Presented) -> Option<Grant> {
    let mut words = presented.token.as_str().split(' ');
    let subject = words
        .next()
        .filter(|subject| presented.alias == **subject)?;
    let scopes = Scopes(words.next()?.parse().ok()?);
    let lasts = Duration::from_secs(words.next()?.parse().ok()?);
    Some(Grant::new(subject, scopes, lasts))
}

/// The alias of that name.
pub fn alias(name: &str) -> &'static str {
    let mut known = ALIASES.into_iter();
    known.find(|alias| *alias == name).expect("one of ours")
}

//! What really happened, to hold against what the machines say.

use crate::store::MemoryStore;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use zzw_push_proto::platform::{LinkId, MessageId, UnixMillis};
use zzw_push_proto::wire::{Json, Text};

/// All that was published, and what became of it.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub letters: Vec<Letter>,
    pub accounts: Vec<Account>,
    pub topics: Vec<Text>,
    /// When frames for doors arrived at the broker, by their number; until they are handed on.
    pub doors: BTreeMap<u64, Instant>,
    /// Doors that somebody was asked to open.
    pub opened: BTreeSet<Text>,
}

/// Something that was published. Its number is in its body.
#[derive(Debug)]
pub(crate) struct Letter {
    pub body: Json,
    pub to: To,
    /// How long it is kept, in seconds; 0 for those who are online only.
    pub ttl: u64,
    /// Somebody was told that it is kept.
    pub is_promised: bool,
    /// For whom it was kept, or by which topic.
    kept: BTreeSet<usize>,
}

/// Whom a letter is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum To {
    Aliases(Vec<usize>),
    Topics(Vec<usize>),
}

/// What is known of one alias.
#[derive(Debug)]
pub(crate) struct Account {
    pub alias: Text,
    pub rows: BTreeMap<MessageId, Row>,
    /// Topics that it was told it has.
    pub topics: BTreeSet<usize>,
    /// The last link that has asked for it and has neither lost it nor gone.
    pub newest: Option<LinkId>,
    /// The link that has it.
    pub online: Option<LinkId>,
    /// Lost messages that the broker knows of and has told nobody yet.
    pub owed: u64,
    /// Lost messages that some link was told of.
    pub told: u64,
    /// The store may say that somebody has it, though nobody has: it did not do as it was told, or did
    /// and did not say so.
    pub is_stale: bool,
    /// Lost messages of which the news was lost: with a broker, or with the link it was for.
    pub untold: u64,
}

/// A message that the store was given for an alias.
#[derive(Debug)]
pub(crate) struct Row {
    pub letter: usize,
    pub topic: Option<usize>,
    /// Not to be sent from then on, as the store told each time: the latest and the earliest of
    /// these. They differ when its clock has jumped.
    pub until: Instant,
    least: Instant,
}

impl Ledger {
    pub(crate) fn new(aliases: Vec<Text>, topics: Vec<Text>) -> Self {
        let account = |alias| Account {
            alias,
            rows: BTreeMap::new(),
            topics: BTreeSet::new(),
            newest: None,
            online: None,
            owed: 0,
            told: 0,
            is_stale: false,
            untold: 0,
        };
        Self {
            letters: Vec::new(),
            accounts: aliases.into_iter().map(account).collect(),
            topics,
            doors: BTreeMap::new(),
            opened: BTreeSet::new(),
        }
    }

    /// Writes a letter.
    pub(crate) fn write(&mut self, to: To, ttl: u64, longest: u64) -> usize {
        let nth = self.letters.len();
        let body = match nth % 4 {
            0 => format!("{nth}"),
            1 => format!("\"{nth}\""),
            2 => format!("{{\"n\":{nth},\"text\":\"有人按门铃\"}}"),
            _ => {
                let len = usize::try_from(longest).unwrap();
                format!("\"{nth} {}\"", "x".repeat(len))
            }
        };
        self.letters.push(Letter {
            body: Json::parse(body.into_bytes()).unwrap(),
            to,
            ttl,
            is_promised: false,
            kept: BTreeSet::new(),
        });
        nth
    }

    /// Which letter this is the body of. An error if it is none, or not as it was.
    pub(crate) fn letter_of(&self, body: &Json) -> Result<usize, String> {
        let digits = body.as_str().split(|c: char| !c.is_ascii_digit());
        let nth = digits.into_iter().find_map(|digits| digits.parse().ok());
        let nth: usize = nth.ok_or("a body of nobody's")?;
        match self.letters.get(nth) {
            Some(letter) if letter.body == *body || is_same(&letter.body, body) => Ok(nth),
            _ => Err(format!("{body:?} is not letter {nth}")),
        }
    }

    /// Which alias this is.
    pub(crate) fn client_of(&self, alias: &str) -> Result<usize, String> {
        let digits = alias.trim_start_matches(|c: char| !c.is_ascii_digit());
        let nth: Option<usize> = digits.parse().ok();
        nth.filter(|nth| *nth < self.accounts.len())
            .ok_or_else(|| format!("nobody is called {alias}"))
    }

    /// Which topic this is.
    pub(crate) fn topic_of(&self, topic: &str) -> Result<usize, String> {
        let is_it = |known: &Text| **known == *topic;
        let nth = self.topics.iter().position(is_it);
        nth.ok_or_else(|| format!("there is no topic {topic}"))
    }

    /// The store keeps a letter for an alias.
    pub(crate) fn keep(
        &mut self,
        now: Instant,
        client: usize,
        mid: MessageId,
        letter: usize,
        topic: Option<usize>,
    ) -> Result<(), String> {
        let until = now + Duration::from_secs(self.letters[letter].ttl);
        let row = Row {
            letter,
            topic,
            until,
            least: until,
        };
        let account = &mut self.accounts[client];
        if let Some((last, _)) = account.rows.last_key_value()
            && *last >= mid
        {
            return Err(format!("{mid:?} was given behind {last:?}"));
        }
        account.rows.insert(mid, row);
        Ok(())
    }

    /// One target of a letter is settled.
    pub(crate) fn kept_for(&mut self, letter: usize, target: usize) -> Result<(), String> {
        if self.letters[letter].kept.insert(target) {
            return Ok(());
        }
        Err(format!("letter {letter} is kept twice for {target}"))
    }

    /// Somebody is told that a letter is kept.
    pub(crate) fn promise(&mut self, letter: usize) -> Result<(), String> {
        let known = &mut self.letters[letter];
        known.is_promised = true;
        let (To::Aliases(targets) | To::Topics(targets)) = &known.to;
        let missing = targets.iter().find(|target| !known.kept.contains(target));
        match missing {
            Some(target) if known.ttl > 0 => Err(format!(
                "letter {letter} is said to be kept, and is not for {target}"
            )),
            _ => Ok(()),
        }
    }

    /// The news of lost messages goes with a link or a broker.
    pub(crate) fn lose_gap(&mut self, client: usize) {
        let account = &mut self.accounts[client];
        account.untold += std::mem::take(&mut account.owed);
        account.newest = None;
    }

    /// What was lost is what was told, what will be told, and what was told to nobody who was there.
    pub(crate) fn check_gaps(&self, store: &MemoryStore) -> Result<(), String> {
        for account in &self.accounts {
            let Some(known) = store.aliases.get(&account.alias) else {
                continue;
            };
            let lost = (known.evicted.len() + known.expired.len()) as u64;
            let (told, owed) = (account.told, account.owed + known.gap);
            if told + owed + account.untold != lost {
                return Err(format!(
                    "{lost} messages of {} were lost, {told} told, {owed} to be told, {} untold",
                    account.alias.as_str(),
                    account.untold
                ));
            }
        }
        Ok(())
    }

    /// What was promised to an alias was seen, is kept, has expired, or had to go.
    pub(crate) fn check_promises(
        &self,
        store: &MemoryStore,
        has_seen: impl Fn(usize, MessageId) -> bool,
    ) -> Result<(), String> {
        for (client, account) in self.accounts.iter().enumerate() {
            for (mid, row) in &account.rows {
                let known = store.aliases.get(&account.alias);
                let is_there = known.is_some_and(|known| {
                    let is_kept = known.queue.iter().any(|entry| entry.mid == *mid);
                    is_kept || known.evicted.contains(mid) || known.expired.contains(mid)
                });
                if self.letters[row.letter].is_promised && !is_there && !has_seen(client, *mid) {
                    return Err(format!(
                        "letter {} was promised to {}, and is gone",
                        row.letter,
                        account.alias.as_str()
                    ));
                }
            }
        }
        Ok(())
    }

    /// Whether a message arrives without anything else happening. One to a topic that the store kept
    /// without saying so may wait for the next one, and one that the broker has given up before the
    /// store's clock was set back, for the next link.
    pub(crate) fn is_due(&self, client: usize, mid: MessageId, now: Instant) -> bool {
        self.accounts[client].rows.get(&mid).is_some_and(|row| {
            let letter = &self.letters[row.letter];
            let is_known = letter.is_promised || matches!(letter.to, To::Aliases(_));
            is_known && now < row.least
        })
    }

    /// Whether a message is still to be sent, for long.
    pub(crate) fn is_lasting(&self, client: usize, mid: MessageId, now: Instant) -> bool {
        let row = self.accounts[client].rows.get(&mid);
        row.is_some_and(|row| row.least > now + Duration::from_secs(120))
    }

    /// The store reads a message for an alias, with so much of its time left.
    pub(crate) fn read(
        &mut self,
        now: Instant,
        client: usize,
        mid: MessageId,
        left: u64,
    ) -> Result<(), String> {
        let row = self.accounts[client].rows.get_mut(&mid);
        let row = row.ok_or_else(|| format!("{mid:?} is read, and was never kept"))?;
        let until = now + Duration::from_millis(left);
        row.until = row.until.max(until);
        row.least = row.least.min(until);
        Ok(())
    }

    /// A time that the store told is over by its clock.
    pub(crate) fn left(expires_at: UnixMillis, at: UnixMillis) -> u64 {
        expires_at.0.saturating_sub(at.0)
    }
}

/// Some links escape what is not ASCII.
fn is_same(one: &Json, other: &Json) -> bool {
    let value = |json: &Json| serde_json::from_slice::<serde_json::Value>(json.as_bytes()).ok();
    value(one).is_some_and(|one| Some(one) == value(other))
}

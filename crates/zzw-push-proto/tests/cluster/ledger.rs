//! What was published and for whom, what the store has kept of it, and who has seen it.

use crate::store::MemoryStore;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use zzw_push_proto::platform::MessageId;
use zzw_push_proto::wire::{Json, Text};

/// Everything that is known from outside.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub letters: Vec<Letter>,
    pub accounts: Vec<Account>,
}

/// A message that somebody publishes once.
#[derive(Debug)]
pub(crate) struct Letter {
    pub to: To,
    /// Seconds.
    pub ttl: u64,
    /// The link that it was published over, if it was.
    pub source: Option<usize>,
    /// Its publisher was told that it is kept.
    pub is_promised: bool,
    /// Aliases, or topics, that the store has kept it for.
    pub kept: BTreeSet<usize>,
}

#[derive(Debug, Clone)]
pub(crate) enum To {
    Aliases(Vec<usize>),
    Topic(usize),
}

/// One alias.
#[derive(Debug)]
pub(crate) struct Account {
    pub alias: Text,
    /// The last letter to it by itself that was kept, for each link.
    sources: BTreeMap<usize, usize>,
    /// What was kept.
    pub rows: BTreeMap<MessageId, Row>,
    /// What its application has seen.
    pub seen: BTreeSet<MessageId>,
    /// Messages for those online only that it has seen.
    pub direct: BTreeSet<usize>,
    latest: MessageId,
    /// Lost messages that it was told of, and those that claims have told to nodes.
    pub told: u64,
    /// A claim was done though the node was told otherwise: nobody knows whose it is.
    pub is_unsure: bool,
}

/// A kept message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub letter: usize,
    /// When it must not be sent any more.
    pub until: Instant,
    /// It is for a topic, and the node that asked for it, which lives on, was told that it had
    /// failed: it may wait for the next one.
    pub is_unsure: bool,
}

/// What a delivery is to an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum News {
    Kept,
    Direct,
    Known,
}

impl Account {
    pub(crate) fn new(alias: Text) -> Self {
        Self {
            alias,
            sources: BTreeMap::new(),
            rows: BTreeMap::new(),
            seen: BTreeSet::new(),
            direct: BTreeSet::new(),
            latest: MessageId::default(),
            told: 0,
            is_unsure: false,
        }
    }
}

impl Ledger {
    pub(crate) fn body(letter: usize) -> Json {
        Json::text(&letter.to_string())
    }

    /// Which letter this is the body of.
    pub(crate) fn letter_of(&self, body: &Json) -> Result<usize, String> {
        let text = body.as_str().trim_matches('"');
        let letter = text.parse().ok();
        let letter = letter.filter(|letter: &usize| *letter < self.letters.len());
        letter.ok_or_else(|| format!("a body of nobody's: {text}"))
    }

    pub(crate) fn alias_of(alias: &str) -> usize {
        alias[1..].parse().unwrap()
    }

    /// The store keeps a letter for an alias.
    pub(crate) fn keep(
        &mut self,
        now: Instant,
        alias: usize,
        mid: MessageId,
        letter: usize,
    ) -> Result<(), String> {
        let until = now + Duration::from_secs(self.letters[letter].ttl);
        let account = &mut self.accounts[alias];
        if let Some((last, _)) = account
            .rows
            .last_key_value()
            .filter(|(last, _)| **last >= mid)
        {
            return Err(format!("{mid:?} was given behind {last:?}"));
        }
        let known = &self.letters[letter];
        if let (Some(source), To::Aliases(_)) = (known.source, &known.to)
            && let Some(last) = account.sources.insert(source, letter)
            && last > letter
        {
            return Err(format!("I2: letter {letter} is kept behind {last}"));
        }
        let row = Row {
            letter,
            until,
            is_unsure: false,
        };
        account.rows.insert(mid, row);
        Ok(())
    }

    /// A publisher is told that its letter is kept.
    pub(crate) fn promise(&mut self, letter: usize) -> Result<(), String> {
        let known = &mut self.letters[letter];
        known.is_promised = true;
        let is_kept = match &known.to {
            To::Aliases(aliases) => aliases.iter().all(|alias| known.kept.contains(alias)),
            To::Topic(topic) => known.kept.contains(topic),
        };
        if known.ttl > 0 && !is_kept {
            return Err(format!("I9: letter {letter} is promised, and not kept"));
        }
        Ok(())
    }

    /// An application is given a message. One that is pulled may have been read before newer ones
    /// pushed it out, and come behind those.
    pub(crate) fn take(
        &mut self,
        alias: usize,
        mid: MessageId,
        letter: usize,
        is_pushed: bool,
    ) -> Result<News, String> {
        let account = &mut self.accounts[alias];
        if !account.seen.insert(mid) {
            return Ok(News::Known);
        }
        if account.rows.contains_key(&mid) {
            if mid < account.latest && is_pushed {
                let latest = account.latest;
                return Err(format!("I2: {mid:?} is seen behind {latest:?}"));
            }
            account.latest = account.latest.max(mid);
            return Ok(News::Kept);
        }
        if !account.direct.insert(letter) {
            return Err(format!("letter {letter}, not to be kept, has come twice"));
        }
        Ok(News::Direct)
    }

    /// What was promised to an alias was seen, is kept, has expired, or had to go for newer ones
    /// (I1). That what is kept comes to who is there is seen to elsewhere.
    pub(crate) fn check_promises(&self, now: Instant, store: &MemoryStore) -> Result<(), String> {
        for account in &self.accounts {
            let known = store.aliases.get(&account.alias);
            for (mid, row) in &account.rows {
                let is_over = known.is_some_and(|known| {
                    let has_expired = known.expired.contains(mid) && row.until <= now;
                    let is_kept = known.queue.iter().any(|entry| entry.mid == *mid);
                    has_expired || is_kept || known.evicted.contains(mid)
                });
                let is_promised = self.letters[row.letter].is_promised;
                if is_promised && !is_over && !account.seen.contains(mid) {
                    return Err(format!(
                        "I1: letter {} was promised to {}, and has not come",
                        row.letter,
                        account.alias.as_str()
                    ));
                }
            }
            let lost = known.map_or(0, |known| known.evicted.len() + known.expired.len());
            let owed = known.map_or(0, |known| known.gap);
            if account.told + owed != lost as u64 {
                let told = account.told;
                return Err(format!(
                    "I1: {lost} messages were lost, {told} told and {owed} to be told"
                ));
            }
        }
        Ok(())
    }
}

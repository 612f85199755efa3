//! Everything in memory: answered at once, gone with the process (T-4).

use super::clock::Clock;
use super::desk::{Answer, Desk, Tally, Totals};
use super::owners::Owners;
use super::shelf::{Body, Expiry, Record, Shelf, Taken};
use super::{Figures, Settings};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::convert::Infallible;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Instant;
use zzw_push_proto::platform::{Entry, MessageId, StoreError, StoreOp, UnixMillis};
use zzw_push_proto::wire::{Json, Text};

/// A store in memory. One caller at a time; [`crate::zzw::place::Store`] has a lock for it.
#[derive(Debug)]
pub struct Memory {
    shelf: Things,
    owners: Owners,
    totals: Totals,
    tally: Tally,
    clock: Clock,
    settings: Settings,
    ops: u64,
    cursor: Text,
}

/// A sweep comes after so many requests.
const SWEEP_AFTER: u64 = 64;

impl Memory {
    /// An empty store.
    pub fn new(settings: Settings) -> Self {
        Self {
            shelf: Things::default(),
            owners: Owners::default(),
            totals: Totals::default(),
            tally: Tally::default(),
            clock: Clock::default(),
            settings,
            ops: 0,
            cursor: Text::default(),
        }
    }

    /// Carries out a request. The wall clock shows `wall`.
    ///
    /// # Errors
    ///
    /// What the request is refused with.
    pub fn execute(&mut self, now: Instant, wall: UnixMillis, op: &StoreOp) -> Answer {
        let at = self.clock.read(now, wall);
        self.ops += 1;
        let is_due = self.ops.is_multiple_of(SWEEP_AFTER);
        let mut desk = Desk {
            shelf: &mut self.shelf,
            owners: &mut self.owners,
            room: self.settings.max_bytes.saturating_sub(self.totals.bytes),
            totals: &mut self.totals,
            limits: self.settings.limits(),
            at,
            tally: &mut self.tally,
        };
        let Ok(answer) = desk.carry_out(op);
        if is_due || answer == Err(StoreError::Full) {
            let Ok(()) = desk.sweep(&mut self.cursor);
        }
        self.owners.keep();
        answer
    }

    /// How it stands.
    pub fn figures(&self) -> Figures {
        let mut figures = Figures::default();
        figures.count(&self.totals, &self.tally, &self.owners);
        figures.ops = self.ops;
        figures
    }

    /// What a device has told about itself: a JSON object.
    pub fn info(&mut self, alias: &str) -> Option<Json> {
        let Ok(info) = self.shelf.info(alias);
        info
    }
}

/// Aliases and topics, by name.
#[derive(Debug, Default)]
struct Things {
    aliases: BTreeMap<Text, Alias>,
    topics: BTreeMap<Text, BTreeSet<Text>>,
}

#[derive(Debug, Default)]
struct Alias {
    record: Record,
    queue: VecDeque<Row>,
    /// In order. Most aliases have one or two, for which a tree is large.
    topics: Vec<Text>,
    info: Option<Box<Json>>,
}

#[derive(Debug)]
struct Row {
    mid: MessageId,
    expires_at: UnixMillis,
    body: Kept,
}

#[derive(Debug)]
enum Kept {
    Own(Json),
    Shared(Arc<Published>),
}

/// A body and the topic that it was published to.
#[derive(Debug)]
struct Published {
    topic: Text,
    body: Json,
}

impl Shelf for Things {
    type Error = Infallible;
    type Shared = Arc<Published>;

    fn record(&mut self, alias: &str) -> Result<Option<Record>, Infallible> {
        Ok(self.aliases.get(alias).map(|alias| alias.record))
    }

    fn set_record(&mut self, alias: &Text, record: &Record) -> Result<(), Infallible> {
        self.alias(alias).record = *record;
        Ok(())
    }

    fn forget(&mut self, alias: &str) -> Result<(), Infallible> {
        self.aliases.remove(alias);
        Ok(())
    }

    fn aliases(&mut self, after: &str, limit: usize) -> Result<Vec<(Text, Record)>, Infallible> {
        let behind = (Bound::Excluded(after), Bound::Unbounded);
        let aliases = self.aliases.range::<str, _>(behind).take(limit);
        Ok(aliases
            .map(|(name, alias)| (name.clone(), alias.record))
            .collect())
    }

    fn put(
        &mut self,
        alias: &Text,
        mid: MessageId,
        expires_at: UnixMillis,
        body: Body<'_, Arc<Published>>,
    ) -> Result<(), Infallible> {
        let body = match body {
            Body::Own(body) => Kept::Own(body.clone()),
            Body::Shared(published) => Kept::Shared(Arc::clone(published)),
        };
        let row = Row {
            mid,
            expires_at,
            body,
        };
        self.alias(alias).queue.push_back(row);
        Ok(())
    }

    fn take(&mut self, alias: &str, mid: MessageId) -> Result<Option<Taken>, Infallible> {
        let queue = self.aliases.get_mut(alias).map(|alias| &mut alias.queue);
        let row = queue.and_then(|queue| {
            let place = queue.binary_search_by_key(&mid, |row| row.mid).ok()?;
            let row = queue.remove(place);
            if queue.is_empty() {
                *queue = VecDeque::new(); // most are empty most of the time
            }
            row
        });
        Ok(row.map(|row| match row.body {
            Kept::Own(body) => Taken {
                own: body.as_bytes().len(),
                shared: None,
            },
            Kept::Shared(published) => Taken {
                own: 0,
                shared: Arc::into_inner(published).map(|last| last.len()),
            },
        }))
    }

    fn share(
        &mut self,
        topic: &Text,
        body: &Json,
        _queues: u64,
    ) -> Result<Arc<Published>, Infallible> {
        Ok(Arc::new(Published {
            topic: topic.clone(),
            body: body.clone(),
        }))
    }

    fn entries(
        &mut self,
        alias: &str,
        after: MessageId,
        limit: usize,
        at: UnixMillis,
    ) -> Result<Vec<Entry>, Infallible> {
        let Some(alias) = self.aliases.get(alias) else {
            return Ok(Vec::new());
        };
        let first = alias.queue.partition_point(|row| row.mid <= after);
        let alive = alias.queue.range(first..).filter(|row| row.expires_at > at);
        Ok(alive.take(limit).map(Row::entry).collect())
    }

    fn expiries(&mut self, alias: &str, limit: usize) -> Result<Vec<Expiry>, Infallible> {
        let queue = self.aliases.get(alias).map(|alias| &alias.queue);
        let rows = queue.into_iter().flatten().take(limit);
        Ok(rows.map(|row| (row.mid, row.expires_at)).collect())
    }

    fn topics(&mut self, alias: &str) -> Result<BTreeSet<Text>, Infallible> {
        let topics = self.aliases.get(alias).map(|alias| &alias.topics);
        Ok(topics.into_iter().flatten().cloned().collect())
    }

    fn members(&mut self, topic: &str) -> Result<Vec<Text>, Infallible> {
        let members = self.topics.get(topic).into_iter().flatten();
        Ok(members.cloned().collect())
    }

    fn join(&mut self, alias: &Text, topic: &Text) -> Result<(), Infallible> {
        let topics = &mut self.alias(alias).topics;
        if let Err(place) = topics.binary_search(topic) {
            topics.insert(place, topic.clone());
        }
        let members = self.topics.entry(topic.clone()).or_default();
        members.insert(alias.clone());
        Ok(())
    }

    fn leave(&mut self, alias: &Text, topic: &Text) -> Result<(), Infallible> {
        self.alias(alias).topics.retain(|known| known != topic);
        if let Some(members) = self.topics.get_mut(topic) {
            members.remove(alias);
            if members.is_empty() {
                self.topics.remove(topic);
            }
        }
        Ok(())
    }

    fn set_info(&mut self, alias: &Text, info: &Json) -> Result<usize, Infallible> {
        let before = self.alias(alias).info.replace(Box::new(info.clone()));
        Ok(before.map_or(0, |before| before.as_bytes().len()))
    }

    fn info(&mut self, alias: &str) -> Result<Option<Json>, Infallible> {
        let alias = self.aliases.get(alias);
        Ok(alias.and_then(|alias| alias.info.as_deref().cloned()))
    }
}

impl Things {
    fn alias(&mut self, name: &Text) -> &mut Alias {
        self.aliases.entry(name.clone()).or_default()
    }
}

impl Row {
    fn entry(&self) -> Entry {
        let (body, topic) = match &self.body {
            Kept::Own(body) => (body, None),
            Kept::Shared(published) => (&published.body, Some(published.topic.clone())),
        };
        Entry::new(self.mid, body.clone(), topic, self.expires_at)
    }
}

impl Published {
    fn len(&self) -> usize {
        self.topic.len() + self.body.as_bytes().len()
    }
}

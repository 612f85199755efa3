//! What is in a store on disk, and how it is written.

use crate::store::Judged;
use crate::zzw::store::desk::Totals;
use crate::zzw::store::shelf::{Body, Expiry, Record, Shelf, Taken};
use redb::{
    Database, ReadableDatabase as _, ReadableTable, StorageError, Table, TableDefinition,
    TableError, TableHandle as _, TransactionError, WriteTransaction,
};
use std::collections::BTreeSet;
use zzw_push_proto::platform::{Entry, MessageId, UnixMillis};
use zzw_push_proto::wire::{Json, Text};

/// The tables, opened for writing.
pub(super) struct Tables<'t> {
    /// Under an alias and 0 what is known of it, beside it under their ids its messages: so what
    /// changes together stands together.
    queues: Table<'t, (&'static str, u64), &'static [u8]>,
    /// Bodies that several messages share, with their topics.
    bodies: Table<'t, u64, (&'static str, &'static [u8])>,
    /// How many do.
    shares: Table<'t, u64, u64>,
    /// Aliases and their topics.
    topics: Table<'t, (&'static str, &'static str), ()>,
    /// Topics and their aliases.
    members: Table<'t, (&'static str, &'static str), ()>,
    /// What devices tell about themselves.
    info: Table<'t, &'static str, &'static [u8]>,
    /// Everything else, by name.
    meta: Table<'t, &'static str, &'static [u8]>,
    /// Something was written.
    pub(super) is_changed: bool,
}

/// What is known of a store without looking at its queues.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct State {
    /// Transactions ever committed.
    pub(super) commits: u64,
    /// The store's time at the last one.
    pub(super) at: UnixMillis,
    pub(super) totals: Totals,
}

type Pairs = TableDefinition<'static, (&'static str, &'static str), ()>;

const QUEUES: TableDefinition<'_, (&str, u64), &[u8]> = TableDefinition::new("queues");
const BODIES: TableDefinition<'_, u64, (&str, &[u8])> = TableDefinition::new("bodies");
const SHARES: TableDefinition<'_, u64, u64> = TableDefinition::new("shares");
const TOPICS: Pairs = TableDefinition::new("topics");
const MEMBERS: Pairs = TableDefinition::new("members");
const INFO: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("info");
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");

const FORMAT: &str = "format";
const FORMAT_IS: &str = "zzw broker ";
const VERSION: &str = "1";
const STATE: &str = "state";

impl<'t> Tables<'t> {
    pub(super) fn open(transaction: &'t WriteTransaction) -> Result<Self, redb::Error> {
        Ok(Self {
            queues: transaction.open_table(QUEUES)?,
            bodies: transaction.open_table(BODIES)?,
            shares: transaction.open_table(SHARES)?,
            topics: transaction.open_table(TOPICS)?,
            members: transaction.open_table(MEMBERS)?,
            info: transaction.open_table(INFO)?,
            meta: transaction.open_table(META)?,
            is_changed: false,
        })
    }

    /// Says that this is a store of ours, and how it stands.
    pub(super) fn sign(&mut self, state: &State) -> Result<(), redb::Error> {
        if self.meta.get(FORMAT)?.is_none() {
            let format = format!("{FORMAT_IS}{VERSION}");
            self.meta.insert(FORMAT, format.as_bytes())?;
        }
        self.meta.insert(STATE, state.write().as_slice())?;
        Ok(())
    }
}

impl Shelf for Tables<'_> {
    type Error = redb::Error;
    type Shared = u64;

    fn record(&mut self, alias: &str) -> Result<Option<Record>, redb::Error> {
        let row = self.queues.get((alias, 0))?;
        row.map(|row| read_record(row.value())).transpose()
    }

    fn set_record(&mut self, alias: &Text, record: &Record) -> Result<(), redb::Error> {
        self.is_changed = true;
        let row = write_record(record);
        self.queues.insert((alias.as_str(), 0), row.as_slice())?;
        Ok(())
    }

    fn forget(&mut self, alias: &str) -> Result<(), redb::Error> {
        self.is_changed = true;
        self.queues.remove((alias, 0))?;
        self.info.remove(alias)?;
        Ok(())
    }

    fn aliases(&mut self, after: &str, limit: usize) -> Result<Vec<(Text, Record)>, redb::Error> {
        let mut found = Vec::new();
        let mut after = Text::from(after);
        while found.len() < limit {
            // No message has this id.
            let mut behind = self.queues.range((after.as_str(), u64::MAX)..)?;
            let Some((key, row)) = behind.next().transpose()? else {
                break;
            };
            let (alias, _) = key.value();
            let alias = Text::from(alias);
            found.push((alias.clone(), read_record(row.value())?));
            after = alias;
        }
        Ok(found)
    }

    fn put(
        &mut self,
        alias: &Text,
        mid: MessageId,
        expires_at: UnixMillis,
        body: Body<'_, u64>,
    ) -> Result<(), redb::Error> {
        self.is_changed = true;
        let row = write_row(expires_at, body);
        self.queues
            .insert((alias.as_str(), mid.0), row.as_slice())?;
        Ok(())
    }

    fn take(&mut self, alias: &str, mid: MessageId) -> Result<Option<Taken>, redb::Error> {
        if mid.0 == 0 {
            return Ok(None); // what is known of the alias
        }
        let Some(row) = self.queues.remove((alias, mid.0))? else {
            return Ok(None);
        };
        self.is_changed = true;
        let mut taken = Taken::default();
        match read_row(row.value())?.1 {
            Found::Own(body) => taken.own = body.len(),
            Found::Shared(id) => {
                let shares = self.shares.get(id)?.map_or(1, |shares| shares.value());
                if shares > 1 {
                    self.shares.insert(id, shares - 1)?;
                } else {
                    self.shares.remove(id)?;
                    let last = self.bodies.remove(id)?;
                    taken.shared = last.map(|last| {
                        let (topic, body) = last.value();
                        topic.len() + body.len()
                    });
                }
            }
        }
        Ok(Some(taken))
    }

    fn share(&mut self, topic: &Text, body: &Json, queues: u64) -> Result<u64, redb::Error> {
        self.is_changed = true;
        let last = self.bodies.last()?.map_or(0, |(id, _)| id.value());
        let id = last.saturating_add(1);
        self.bodies.insert(id, (topic.as_str(), body.as_bytes()))?;
        self.shares.insert(id, queues)?;
        Ok(id)
    }

    fn entries(
        &mut self,
        alias: &str,
        after: MessageId,
        limit: usize,
        at: UnixMillis,
    ) -> Result<Vec<Entry>, redb::Error> {
        let first = after.0.saturating_add(1);
        let mut entries = Vec::new();
        for row in self.queues.range((alias, first)..=(alias, u64::MAX))? {
            if entries.len() >= limit {
                break;
            }
            let (key, row) = row?;
            let (mid, (expires_at, found)) = (MessageId(key.value().1), read_row(row.value())?);
            if expires_at <= at {
                continue;
            }
            let (body, topic) = match found {
                Found::Own(body) => (read_json(body)?, None),
                Found::Shared(id) => {
                    let shared = self.bodies.get(id)?.ok_or_else(|| damaged("no body"))?;
                    let (topic, body) = shared.value();
                    (read_json(body)?, Some(Text::from(topic)))
                }
            };
            entries.push(Entry::new(mid, body, topic, expires_at));
        }
        Ok(entries)
    }

    fn expiries(&mut self, alias: &str, limit: usize) -> Result<Vec<Expiry>, redb::Error> {
        let rows = self.queues.range((alias, 1)..=(alias, u64::MAX))?;
        let expiries = rows.take(limit).map(|row| {
            let (key, row) = row?;
            Ok((MessageId(key.value().1), read_row(row.value())?.0))
        });
        expiries.collect()
    }

    fn topics(&mut self, alias: &str) -> Result<BTreeSet<Text>, redb::Error> {
        seconds(&self.topics, alias)
    }

    fn members(&mut self, topic: &str) -> Result<Vec<Text>, redb::Error> {
        seconds(&self.members, topic)
    }

    fn join(&mut self, alias: &Text, topic: &Text) -> Result<(), redb::Error> {
        self.is_changed = true;
        let (alias, topic) = (alias.as_str(), topic.as_str());
        self.topics.insert((alias, topic), ())?;
        self.members.insert((topic, alias), ())?;
        Ok(())
    }

    fn leave(&mut self, alias: &Text, topic: &Text) -> Result<(), redb::Error> {
        self.is_changed = true;
        let (alias, topic) = (alias.as_str(), topic.as_str());
        self.topics.remove((alias, topic))?;
        self.members.remove((topic, alias))?;
        Ok(())
    }

    fn set_info(&mut self, alias: &Text, info: &Json) -> Result<usize, redb::Error> {
        self.is_changed = true;
        let before = self.info.insert(alias.as_str(), info.as_bytes())?;
        Ok(before.map_or(0, |before| before.value().len()))
    }

    fn info(&mut self, alias: &str) -> Result<Option<Json>, redb::Error> {
        let info = self.info.get(alias)?;
        info.map(|info| read_json(info.value())).transpose()
    }
}

/// Whose a store is, and whether it can be read.
pub(super) fn judge(database: &Database) -> Result<Judged, StorageError> {
    let transaction = database.begin_read().map_err(|error| match error {
        TransactionError::Storage(error) => error,
        error => StorageError::Corrupted(error.to_string()),
    })?;
    let meta = match transaction.open_table(META) {
        Ok(meta) => meta,
        Err(TableError::Storage(error)) => return Err(error),
        Err(_) => return Ok(Judged::Foreign),
    };
    let format = meta.get(FORMAT)?;
    let format = format.as_ref().map_or(&[][..], redb::AccessGuard::value);
    let format = String::from_utf8_lossy(format);
    match format.strip_prefix(FORMAT_IS) {
        None => Ok(Judged::Foreign),
        Some(VERSION) => {
            let there: Vec<String> = transaction
                .list_tables()?
                .map(|table| table.name().to_owned())
                .collect();
            let ours = [
                "queues", "bodies", "shares", "topics", "members", "info", "meta",
            ];
            if let Some(name) = ours.iter().find(|name| !there.iter().any(|it| it == *name)) {
                return Err(StorageError::Corrupted(format!("no table {name}")));
            }
            recover(database).map_err(|error| StorageError::Corrupted(error.to_string()))?;
            Ok(Judged::Ours)
        }
        Some(version) => Ok(Judged::Newer(version.to_owned())),
    }
}

/// How a store stands.
pub(super) fn recover(database: &Database) -> Result<State, redb::Error> {
    let meta = database.begin_read()?.open_table(META)?;
    let state = meta.get(STATE)?.ok_or_else(|| damaged("no state"))?;
    State::read(state.value()).ok_or_else(|| damaged("no state"))
}

impl State {
    fn write(&self) -> Vec<u8> {
        let totals = &self.totals;
        let numbers = [
            self.commits,
            self.at.0,
            totals.messages,
            totals.bytes,
            totals.aliases,
            totals.epoch,
            totals.last.0,
        ];
        numbers.into_iter().flat_map(u64::to_le_bytes).collect()
    }

    fn read(row: &[u8]) -> Option<Self> {
        let [commits, at, messages, bytes, aliases, epoch, last] = read_numbers(row)?;
        Some(Self {
            commits,
            at: UnixMillis(at),
            totals: Totals {
                messages,
                bytes,
                aliases,
                epoch,
                last: MessageId(last),
            },
        })
    }
}

/// What stands in the place of a body.
enum Found<'r> {
    Own(&'r [u8]),
    Shared(u64),
}

const OWN: u8 = 0;
const SHARED: u8 = 1;

/// When the message expires, and its body or whose it is.
fn write_row(expires_at: UnixMillis, body: Body<'_, u64>) -> Vec<u8> {
    let mut row = expires_at.0.to_le_bytes().to_vec();
    match body {
        Body::Own(body) => {
            row.push(OWN);
            row.extend_from_slice(body.as_bytes());
        }
        Body::Shared(id) => {
            row.push(SHARED);
            row.extend_from_slice(&id.to_le_bytes());
        }
    }
    row
}

fn read_row(row: &[u8]) -> Result<(UnixMillis, Found<'_>), redb::Error> {
    let read = || {
        let (expires_at, rest) = row.split_first_chunk()?;
        let (kind, rest) = rest.split_first()?;
        let found = match *kind {
            OWN => Found::Own(rest),
            SHARED => Found::Shared(u64::from_le_bytes(rest.try_into().ok()?)),
            _ => return None,
        };
        Some((UnixMillis(u64::from_le_bytes(*expires_at)), found))
    };
    read().ok_or_else(|| damaged("a message cannot be read"))
}

fn write_record(record: &Record) -> Vec<u8> {
    let numbers = [
        record.epoch,
        record.last.0,
        record.gap,
        record.len,
        record.soonest.0,
        record.topics,
        u64::from(record.is_claimed),
    ];
    numbers.into_iter().flat_map(u64::to_le_bytes).collect()
}

fn read_record(row: &[u8]) -> Result<Record, redb::Error> {
    let [epoch, last, gap, len, soonest, topics, is_claimed] =
        read_numbers(row).ok_or_else(|| damaged("an alias cannot be read"))?;
    Ok(Record {
        epoch,
        last: MessageId(last),
        gap,
        len,
        soonest: UnixMillis(soonest),
        topics,
        is_claimed: is_claimed != 0,
    })
}

fn read_numbers<const N: usize>(row: &[u8]) -> Option<[u64; N]> {
    if row.len() != 8 * N {
        return None;
    }
    let mut numbers = [0; N];
    for (number, bytes) in numbers.iter_mut().zip(row.chunks_exact(8)) {
        *number = u64::from_le_bytes(bytes.try_into().ok()?);
    }
    Some(numbers)
}

fn read_json(json: &[u8]) -> Result<Json, redb::Error> {
    Json::parse(json.to_vec()).map_err(|_| damaged("a body is no JSON"))
}

/// The second names of the pairs whose first is `first`, in order.
fn seconds<C: FromIterator<Text>>(
    table: &impl ReadableTable<(&'static str, &'static str), ()>,
    first: &str,
) -> Result<C, redb::Error> {
    let mut found = Vec::new();
    for row in table.range((first, "")..)? {
        let row = row?.0;
        let (one, other) = row.value();
        if one != first {
            break;
        }
        found.push(Text::from(other));
    }
    Ok(found.into_iter().collect())
}

fn damaged(what: &str) -> redb::Error {
    redb::Error::Corrupted(what.to_owned())
}

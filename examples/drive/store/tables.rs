//! What is in a store, and how it is written.

use super::probe::Judged;
use bytes::Bytes;
use face_record_push::device::{Charge, IndexEntry, Loss, LossReason, Recovered, Seq};
use face_record_push::{Dest, Item, Subscription};
use redb::{
    Database, ReadTransaction, ReadableDatabase as _, ReadableTable, StorageError, Table,
    TableDefinition, TableError, TableHandle as _, TransactionError, WriteTransaction,
};
use std::ops::RangeInclusive;
use std::sync::Arc;

/// The tables, opened for writing.
pub(super) struct Tables<'t> {
    /// Rows, without their pictures.
    pub(super) items: Table<'t, u64, &'static [u8]>,
    /// Pictures as JPEG.
    pub(super) images: Table<'t, u64, &'static [u8]>,
    /// Lengths of row and picture, so that opening a store reads neither.
    pub(super) index: Table<'t, u64, (u32, u32)>,
    /// Rows and pictures that were set aside.
    pub(super) dead: Table<'t, u64, (&'static [u8], &'static [u8])>,
    /// What was lost, in the order in which it was.
    pub(super) losses: Table<'t, u64, &'static [u8]>,
    /// Everything else, by name.
    pub(super) meta: Table<'t, &'static str, &'static [u8]>,
}

/// What can be told of a store without its records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Totals {
    /// Rows.
    pub(super) held: u64,
    /// Bytes that they are charged for.
    pub(super) charged: u64,
    /// Transactions ever committed.
    pub(super) commits: u64,
}

type Words = TableDefinition<'static, &'static str, &'static [u8]>;
type Numbered<V> = TableDefinition<'static, u64, V>;

const ITEMS: Numbered<&[u8]> = TableDefinition::new("items");
const IMAGES: Numbered<&[u8]> = TableDefinition::new("images");
const INDEX: Numbered<(u32, u32)> = TableDefinition::new("index");
const DEAD: Numbered<(&[u8], &[u8])> = TableDefinition::new("dead");
const LOSSES: Numbered<&[u8]> = TableDefinition::new("losses");
const META: Words = TableDefinition::new("meta");

const FORMAT: &str = "format";
const FORMAT_IS: &str = "face outbox ";
const VERSION: &str = "1";
const NEXT_SEQ: &str = "next_seq";
const COMMITS: &str = "commits";
const DEST: &str = "event_dest";
const ENABLED: &str = "enabled";

pub(super) const CHARGE: Charge = Charge::PowerOfTwo;

impl<'t> Tables<'t> {
    pub(super) fn open(transaction: &'t WriteTransaction) -> Result<Self, redb::Error> {
        Ok(Self {
            items: transaction.open_table(ITEMS)?,
            images: transaction.open_table(IMAGES)?,
            index: transaction.open_table(INDEX)?,
            dead: transaction.open_table(DEAD)?,
            losses: transaction.open_table(LOSSES)?,
            meta: transaction.open_table(META)?,
        })
    }

    pub(super) fn append(
        &mut self,
        totals: &mut Totals,
        Seq(seq): Seq,
        item: &Item,
    ) -> Result<(), redb::Error> {
        self.forget(totals, seq..=seq)?;
        let mut row = Vec::new();
        item.write_row(&mut row);
        self.items.insert(seq, row.as_slice())?;
        if let Some(jpeg) = item.jpeg() {
            self.images.insert(seq, jpeg.as_ref())?;
        }
        let (row, picture) = (item.row_len(), item.picture_len());
        self.index.insert(seq, (row, picture))?;
        totals.held += 1;
        totals.charged += CHARGE.of(row, picture);
        self.pass(seq)
    }

    /// Never gives a later record a number up to this one.
    pub(super) fn pass(&mut self, seq: u64) -> Result<(), redb::Error> {
        let next = seq.saturating_add(1);
        if number(&self.meta, NEXT_SEQ)? < next {
            self.meta.insert(NEXT_SEQ, next.to_le_bytes().as_slice())?;
        }
        Ok(())
    }

    /// Removes records, as far as they are there.
    pub(super) fn forget(
        &mut self,
        totals: &mut Totals,
        range: RangeInclusive<u64>,
    ) -> Result<(), redb::Error> {
        for (seq, (row, picture)) in entries(&self.index, range)? {
            self.items.remove(seq)?;
            if picture > 0 {
                self.images.remove(seq)?;
            }
            self.index.remove(seq)?;
            totals.held = totals.held.saturating_sub(1);
            totals.charged = totals.charged.saturating_sub(CHARGE.of(row, picture));
        }
        Ok(())
    }

    /// Removes the pictures of records.
    pub(super) fn strip(
        &mut self,
        totals: &mut Totals,
        range: RangeInclusive<u64>,
    ) -> Result<(), redb::Error> {
        for (seq, (row, picture)) in entries(&self.index, range)? {
            if picture > 0 {
                self.images.remove(seq)?;
                self.index.insert(seq, (row, 0))?;
                let saved = CHARGE.of(row, picture) - CHARGE.of(row, 0);
                totals.charged = totals.charged.saturating_sub(saved);
            }
        }
        Ok(())
    }

    /// Sets a record aside.
    pub(super) fn bury(&mut self, totals: &mut Totals, Seq(seq): Seq) -> Result<(), redb::Error> {
        if let Some(row) = self.items.get(seq)? {
            let jpeg = self.images.get(seq)?;
            let jpeg = jpeg.as_ref().map_or(&[][..], redb::AccessGuard::value);
            self.dead.insert(seq, (row.value(), jpeg))?;
        }
        self.forget(totals, seq..=seq)
    }

    /// Writes down a loss. Where it continues the last one, they become one; when there are too many,
    /// the oldest two of one reason do.
    pub(super) fn lose(&mut self, loss: Loss, most: usize) -> Result<(), redb::Error> {
        self.pass(loss.to.0)?;
        let last = self.losses.last()?;
        let last = last.map(|(key, row)| (key.value(), read_loss(row.value())));
        let mut key = last.map_or(0, |(key, _)| key.saturating_add(1));
        let mut whole = loss;
        if let Some((at, Some(last))) = last {
            let continues = last.to.0.checked_add(1) == Some(loss.from.0);
            if continues && last.reason == loss.reason {
                (key, whole) = (at, merged(last, loss));
            }
        }
        self.losses.insert(key, write_loss(whole).as_slice())?;
        while redb::ReadableTableMetadata::len(&self.losses)? > most.max(4) as u64 {
            self.merge_oldest()?;
        }
        Ok(())
    }

    fn merge_oldest(&mut self) -> Result<(), redb::Error> {
        // There are fewer reasons than this.
        let mut oldest: Vec<(u64, Loss)> = Vec::new();
        for row in self.losses.iter()?.take(8) {
            let (key, row) = row?;
            if let Some(loss) = read_loss(row.value()) {
                oldest.push((key.value(), loss));
            }
        }
        for (index, (key, loss)) in oldest.iter().enumerate() {
            let mut later = oldest.iter().skip(index + 1);
            if let Some((gone, other)) = later.find(|(_, other)| other.reason == loss.reason) {
                let row = write_loss(merged(*loss, *other));
                self.losses.insert(key, row.as_slice())?;
                self.losses.remove(gone)?;
                return Ok(());
            }
        }
        self.losses.pop_first()?;
        Ok(())
    }

    pub(super) fn configure(&mut self, subscription: &Subscription) -> Result<(), redb::Error> {
        match &subscription.dest {
            Some(dest) => self.meta.insert(DEST, dest.as_str().as_bytes())?,
            None => self.meta.remove(DEST)?,
        };
        let is_enabled = [u8::from(subscription.is_enabled)];
        self.meta.insert(ENABLED, is_enabled.as_slice())?;
        Ok(())
    }

    pub(super) fn load(&self, Seq(seq): Seq) -> Result<Option<Arc<Item>>, redb::Error> {
        read_item(&self.items, &self.images, &self.index, seq)
    }

    /// Says that this is a store of ours, and how many transactions it has seen.
    pub(super) fn sign(&mut self, commits: u64) -> Result<(), redb::Error> {
        if self.meta.get(FORMAT)?.is_none() {
            let format = format!("{FORMAT_IS}{VERSION}");
            self.meta.insert(FORMAT, format.as_bytes())?;
        }
        let commits = commits.to_le_bytes();
        self.meta.insert(COMMITS, commits.as_slice())?;
        Ok(())
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
            let ours = ["items", "images", "index", "dead", "losses", "meta"];
            match ours.iter().find(|name| !there.iter().any(|it| it == *name)) {
                None => {
                    recover(database)
                        .map_err(|error| StorageError::Corrupted(error.to_string()))?;
                    Ok(Judged::Ours)
                }
                Some(name) => Err(StorageError::Corrupted(format!("no table {name}"))),
            }
        }
        Some(version) => Ok(Judged::Newer(version.to_owned())),
    }
}

/// Everything that is known without reading a row or a picture.
pub(super) fn recover(database: &Database) -> Result<(Recovered, Totals), redb::Error> {
    let transaction = database.begin_read()?;
    let (index, losses) = (
        transaction.open_table(INDEX)?,
        transaction.open_table(LOSSES)?,
    );
    let meta = transaction.open_table(META)?;
    let mut recovered = Recovered::empty();
    let mut totals = Totals {
        commits: number(&meta, COMMITS)?,
        ..Totals::default()
    };
    recovered.next_seq = Seq(number(&meta, NEXT_SEQ)?.max(1));
    for entry in index.iter()? {
        let (seq, lengths) = entry?;
        let (row, picture) = lengths.value();
        let entry = IndexEntry::new(Seq(seq.value()), row, picture);
        recovered.index.push(entry);
        totals.held += 1;
        totals.charged += CHARGE.of(row, picture);
    }
    for loss in losses.iter()? {
        recovered.losses.extend(read_loss(loss?.1.value()));
    }
    let dest = meta.get(DEST)?;
    let dest = dest
        .as_ref()
        .map(|dest| String::from_utf8_lossy(dest.value()));
    recovered.subscription.dest = dest.and_then(|dest| Dest::parse(&dest).ok()).map(Arc::new);
    let is_enabled = meta.get(ENABLED)?;
    recovered.subscription.is_enabled = is_enabled.is_none_or(|value| value.value() != [0]);
    Ok((recovered, totals))
}

/// Reads a record; `None` if it cannot be.
pub(super) fn load(
    transaction: &ReadTransaction,
    Seq(seq): Seq,
) -> Result<Option<Arc<Item>>, redb::Error> {
    let (items, images) = (
        transaction.open_table(ITEMS)?,
        transaction.open_table(IMAGES)?,
    );
    read_item(&items, &images, &transaction.open_table(INDEX)?, seq)
}

fn read_item(
    items: &impl ReadableTable<u64, &'static [u8]>,
    images: &impl ReadableTable<u64, &'static [u8]>,
    index: &impl ReadableTable<u64, (u32, u32)>,
    seq: u64,
) -> Result<Option<Arc<Item>>, redb::Error> {
    let (Some(row), Some(lengths)) = (items.get(seq)?, index.get(seq)?) else {
        return Ok(None);
    };
    let (row, jpeg) = (Bytes::copy_from_slice(row.value()), images.get(seq)?);
    let jpeg = jpeg.map(|jpeg| Bytes::copy_from_slice(jpeg.value()));
    let found = (row.len(), jpeg.as_ref().map_or(0, Bytes::len));
    let (row_len, picture_len) = lengths.value();
    if found != (row_len as usize, picture_len as usize) {
        return Ok(None);
    }
    Ok(Item::read_row(&row, jpeg).ok().map(Arc::new))
}

type Lengths = (u64, (u32, u32));

fn entries(
    index: &impl ReadableTable<u64, (u32, u32)>,
    range: RangeInclusive<u64>,
) -> Result<Vec<Lengths>, redb::Error> {
    if range.is_empty() {
        return Ok(Vec::new());
    }
    let entries = index.range(range)?;
    let entries = entries.map(|entry| entry.map(|(seq, of)| (seq.value(), of.value())));
    Ok(entries.collect::<Result<_, _>>()?)
}

fn number(
    meta: &impl ReadableTable<&'static str, &'static [u8]>,
    name: &str,
) -> Result<u64, redb::Error> {
    let value = meta.get(name)?;
    let bytes = value
        .as_ref()
        .and_then(|value| value.value().try_into().ok());
    Ok(bytes.map_or(0, u64::from_le_bytes))
}

fn merged(one: Loss, other: Loss) -> Loss {
    Loss::new(
        one.from.min(other.from),
        one.to.max(other.to),
        one.count.saturating_add(other.count),
        one.tried.saturating_add(other.tried),
        one.reason,
    )
}

fn write_loss(loss: Loss) -> Vec<u8> {
    let numbers = [loss.from.0, loss.to.0, loss.count, loss.tried];
    let mut row: Vec<u8> = numbers.into_iter().flat_map(u64::to_le_bytes).collect();
    row.push(match loss.reason {
        LossReason::Overflow => 0,
        LossReason::StoreFull => 1,
        _ => 2,
    });
    row
}

fn read_loss(row: &[u8]) -> Option<Loss> {
    let (numbers, reason) = row.split_at_checked(32)?;
    let mut numbers = numbers.chunks_exact(8).filter_map(|bytes| {
        let bytes = bytes.try_into().ok()?;
        Some(u64::from_le_bytes(bytes))
    });
    let mut next = || numbers.next();
    let (from, to, count, tried) = (next()?, next()?, next()?, next()?);
    let reason = match reason {
        [0] => LossReason::Overflow,
        [1] => LossReason::StoreFull,
        _ => LossReason::Corrupt,
    };
    Some(Loss::new(Seq(from), Seq(to), count, tried, reason))
}

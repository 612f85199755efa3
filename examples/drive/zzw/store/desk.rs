//! What is done for each request, wherever things are kept.

use super::owners::Owners;
use super::shelf::{Body, Record, Shelf};
use zzw_push_proto::platform::{Appended, MessageId, StoreError, StoreOp, StoreReply, UnixMillis};
use zzw_push_proto::wire::{Info, Json, Text, Texts, Ttl};

/// Carries out requests at one time.
pub(super) struct Desk<'d, S> {
    pub(super) shelf: &'d mut S,
    pub(super) owners: &'d mut Owners,
    pub(super) totals: &'d mut Totals,
    pub(super) limits: Limits,
    pub(super) at: UnixMillis,
    /// Bytes by which it may grow.
    pub(super) room: u64,
    pub(super) tally: &'d mut Tally,
}

/// What may be kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) cap: u64,
    pub(super) max_topics: u64,
    pub(super) max_aliases: u64,
}

/// What can be told of a store without reading it. Of one on disk, it is kept with it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) messages: u64,
    /// Bytes of everything, as they are charged.
    pub(super) bytes: u64,
    pub(super) aliases: u64,
    /// Aliases that were forgotten begin again behind these.
    pub(super) epoch: u64,
    pub(super) last: MessageId,
}

/// What has been done.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    pub(super) expired: u64,
    pub(super) evicted: u64,
    pub(super) forgotten: u64,
}

/// What a request is answered with.
pub type Answer = Result<StoreReply, StoreError>;

/// What a message, an alias, a membership, a shared body costs besides its texts, roughly.
const ROW: usize = 64;
const ALIAS: usize = 128;
const MEMBERSHIP: usize = 96;
const SHARED: usize = 64;

/// Aliases that one sweep looks at.
const SWEEP: usize = 64;

/// Most messages that one sweep removes, or little more.
const MAX_SWEPT: u64 = 1_000;

impl<S: Shelf> Desk<'_, S> {
    pub(super) fn carry_out(&mut self, op: &StoreOp) -> Result<Answer, S::Error> {
        let reply = match op {
            StoreOp::Claim { alias, owner } => {
                let mut record = self.known(alias)?;
                self.purge(alias, &mut record)?;
                record.epoch = record.epoch.saturating_add(1);
                record.is_claimed = true;
                let gap = std::mem::take(&mut record.gap);
                self.shelf.set_record(alias, &record)?;
                StoreReply::Claimed {
                    epoch: record.epoch,
                    previous: self.owners.set(alias, Some(*owner)),
                    gap,
                }
            }
            StoreOp::Release { alias, epoch } => {
                let record = self.shelf.record(alias)?;
                if record.is_some_and(|record| record.epoch <= *epoch) {
                    self.owners.set(alias, None);
                }
                StoreReply::Done
            }
            StoreOp::Append {
                alias,
                body,
                ttl,
                only_known,
            } => {
                let is_claimed = |record: Option<Record>| record.is_some_and(|it| it.is_claimed);
                if *only_known && !is_claimed(self.shelf.record(alias)?) {
                    return Ok(Err(StoreError::UnknownAlias));
                }
                if !self.charge(ROW + ALIAS + 2 * alias.len() + body.as_bytes().len()) {
                    return Ok(Err(StoreError::Full));
                }
                StoreReply::Appended(self.append(alias, Body::Own(body), *ttl)?)
            }
            StoreOp::AppendTopic { topic, body, ttl } => {
                return self.append_topic(topic, body, *ttl);
            }
            StoreOp::Members { topic } => StoreReply::Members(self.shelf.members(topic)?),
            StoreOp::Load {
                alias,
                after,
                limit,
            } => {
                let record = self.shelf.record(alias)?.unwrap_or_default();
                StoreReply::Loaded {
                    entries: self.shelf.entries(alias, *after, *limit, self.at)?,
                    last: record.last,
                    epoch: record.epoch,
                    at: self.at,
                }
            }
            StoreOp::Ack { alias, mids } => {
                self.ack(alias, mids)?;
                StoreReply::Done
            }
            StoreOp::Subscribe {
                alias,
                add,
                remove,
                info,
            } => return self.subscribe(alias, add, remove, info.as_ref()),
            StoreOp::Status { alias } => StoreReply::Status {
                topics: self.shelf.topics(alias)?.into_iter().collect(),
                owner: self.owners.of(alias),
            },
            StoreOp::List { transport, page } => {
                let (total, aliases) = self.owners.list(*transport, page.offset(), page.size);
                StoreReply::Listed { total, aliases }
            }
            // To a request that is not known here, an answer that is not true would be the worst.
            _ => return Ok(Err(StoreError::Unavailable)),
        };
        Ok(Ok(reply))
    }

    /// Removes what has expired and forgets aliases that nobody needs, among the next few aliases
    /// behind `cursor`. The cursor goes round and round.
    pub(super) fn sweep(&mut self, cursor: &mut Text) -> Result<(), S::Error> {
        let is_over = self.totals.aliases > self.limits.max_aliases;
        // More than come meanwhile.
        let step = if is_over { 4 * SWEEP } else { SWEEP };
        let aliases = self.shelf.aliases(cursor, step)?;
        let is_last = aliases.len() < step;
        let mut last = Text::default();
        let most = self.tally.expired.saturating_add(MAX_SWEPT);
        for (alias, mut record) in aliases {
            if self.purge(&alias, &mut record)? {
                self.shelf.set_record(&alias, &record)?;
            }
            let is_idle = record.len == 0 && record.topics == 0 && self.owners.of(&alias).is_none();
            if is_idle && self.totals.aliases > self.limits.max_aliases {
                self.forget(&alias, &record)?;
            }
            last = alias;
            if self.tally.expired >= most {
                *cursor = last;
                return Ok(());
            }
        }
        *cursor = if is_last { Text::default() } else { last };
        Ok(())
    }

    fn append(
        &mut self,
        alias: &Text,
        body: Body<'_, S::Shared>,
        ttl: Ttl,
    ) -> Result<Appended, S::Error> {
        let mut record = self.known(alias)?;
        self.purge(alias, &mut record)?;
        let prev = record.last;
        record.last = MessageId::next(prev, self.at);
        let life = u64::from(ttl.as_secs()).saturating_mul(1000);
        let expires_at = UnixMillis(self.at.0.saturating_add(life));
        let own = match body {
            Body::Own(body) => body.as_bytes().len(),
            Body::Shared(_) => 0,
        };
        self.shelf.put(alias, record.last, expires_at, body)?;
        self.totals.messages += 1;
        self.totals.bytes += bytes(ROW + alias.len() + own);
        record.len += 1;
        record.soonest = record.soonest.min(expires_at);
        //= docs/spec/zzw-push-proto.md#store
        //# A queue MUST NOT hold more messages than its cap, and the oldest go for one more.
        let over = record.len.saturating_sub(self.limits.cap);
        if over > 0 {
            let oldest = self.shelf.expiries(alias, count(over))?;
            for (mid, _) in oldest {
                self.remove(alias, &mut record, mid)?;
            }
            //= docs/spec/zzw-push-proto.md#store
            //# The gap of an alias MUST count what was pushed out and what expired before it was
            //# acknowledged.
            record.gap = record.gap.saturating_add(over);
            self.tally.evicted = self.tally.evicted.saturating_add(over);
        }
        self.shelf.set_record(alias, &record)?;
        let owner = self.owners.of(alias);
        Ok(Appended::new(record.last, prev, owner, over))
    }

    fn append_topic(&mut self, topic: &Text, body: &Json, ttl: Ttl) -> Result<Answer, S::Error> {
        let members = self.shelf.members(topic)?;
        let mut fanned = Vec::with_capacity(members.len());
        if !members.is_empty() {
            let names: usize = members.iter().map(Text::len).sum();
            let shared = SHARED + topic.len() + body.as_bytes().len();
            if !self.charge(shared + names + ROW * members.len()) {
                return Ok(Err(StoreError::Full));
            }
            let queues = bytes(members.len());
            let kept = self.shelf.share(topic, body, queues)?;
            self.totals.bytes += bytes(shared);
            for alias in members {
                let appended = self.append(&alias, Body::Shared(&kept), ttl)?;
                fanned.push((alias, appended));
            }
        }
        Ok(Ok(StoreReply::Fanned {
            members: fanned,
            is_last: true,
        }))
    }

    fn ack(&mut self, alias: &Text, mids: &[MessageId]) -> Result<(), S::Error> {
        let Some(mut record) = self.shelf.record(alias)? else {
            return Ok(());
        };
        let before = record.len;
        let is_stale = self.purge(alias, &mut record)?;
        for mid in mids {
            self.remove(alias, &mut record, *mid)?;
        }
        if is_stale || record.len != before {
            self.shelf.set_record(alias, &record)?;
        }
        Ok(())
    }

    fn subscribe(
        &mut self,
        alias: &Text,
        add: &Texts,
        remove: &Texts,
        info: Option<&Info>,
    ) -> Result<Answer, S::Error> {
        let before = self.shelf.topics(alias)?;
        let mut after = before.clone();
        after.extend(add.texts().map(|topic| topic.detached()));
        for topic in remove.texts() {
            after.remove(&topic);
        }
        let is_more = after.len() > before.len();
        if is_more && bytes(after.len()) > self.limits.max_topics {
            return Ok(Err(StoreError::TooManyTopics));
        }
        let info = info.and_then(written);
        let joined: Vec<&Text> = after.difference(&before).collect();
        let left: Vec<&Text> = before.difference(&after).collect();
        let changed = StoreReply::Subscribed {
            joined: joined.iter().collect(),
            left: left.iter().collect(),
        };
        if joined.is_empty() && left.is_empty() && info.is_none() {
            return Ok(Ok(changed));
        }
        let told = info.as_ref().map_or(0, |info| info.as_bytes().len());
        let grown: usize = joined.iter().map(|topic| membership(alias, topic)).sum();
        let is_growing = told > 0 || !joined.is_empty();
        if is_growing && !self.charge(grown + told + ALIAS + alias.len()) {
            return Ok(Err(StoreError::Full));
        }
        let mut record = self.known(alias)?;
        for topic in &joined {
            self.shelf.join(alias, topic)?;
        }
        let mut freed = 0;
        for topic in &left {
            self.shelf.leave(alias, topic)?;
            freed += membership(alias, topic);
        }
        if let Some(info) = info {
            freed += self.shelf.set_info(alias, &info)?;
        }
        let most = self.totals.bytes + bytes(grown + told);
        self.totals.bytes = most.saturating_sub(bytes(freed));
        record.topics = bytes(after.len());
        self.shelf.set_record(alias, &record)?;
        Ok(Ok(changed))
    }

    /// What is known of an alias, which is known from now on.
    fn known(&mut self, alias: &Text) -> Result<Record, S::Error> {
        if let Some(record) = self.shelf.record(alias)? {
            return Ok(record);
        }
        let record = Record {
            epoch: self.totals.epoch,
            last: self.totals.last,
            ..Record::default()
        };
        self.shelf.set_record(alias, &record)?;
        self.totals.aliases += 1;
        self.totals.bytes += bytes(ALIAS + alias.len());
        Ok(record)
    }

    /// Removes what has expired, and counts it as lost; true if there was something.
    fn purge(&mut self, alias: &Text, record: &mut Record) -> Result<bool, S::Error> {
        if record.soonest > self.at {
            return Ok(false);
        }
        let mut soonest = NEVER;
        for (mid, expires_at) in self.shelf.expiries(alias, usize::MAX)? {
            if expires_at <= self.at {
                self.remove(alias, record, mid)?;
                record.gap = record.gap.saturating_add(1);
                self.tally.expired = self.tally.expired.saturating_add(1);
            } else {
                soonest = soonest.min(expires_at);
            }
        }
        record.soonest = soonest;
        Ok(true)
    }

    fn remove(&mut self, alias: &str, record: &mut Record, mid: MessageId) -> Result<(), S::Error> {
        if let Some(taken) = self.shelf.take(alias, mid)? {
            let shared = taken.shared.map_or(0, |texts| SHARED + texts);
            let freed = bytes(ROW + alias.len() + taken.own + shared);
            self.totals.bytes = self.totals.bytes.saturating_sub(freed);
            self.totals.messages = self.totals.messages.saturating_sub(1);
            record.len = record.len.saturating_sub(1);
            if record.len == 0 {
                record.soonest = NEVER;
            }
        }
        Ok(())
    }

    fn forget(&mut self, alias: &Text, record: &Record) -> Result<(), S::Error> {
        let info = self.shelf.info(alias)?;
        let info = info.map_or(0, |info| info.as_bytes().len());
        self.shelf.forget(alias)?;
        let totals = &mut *self.totals;
        // If it comes again, nothing of the time before may be taken for what is then.
        totals.epoch = totals.epoch.max(record.epoch);
        totals.last = totals.last.max(record.last);
        totals.aliases = totals.aliases.saturating_sub(1);
        let freed = bytes(ALIAS + alias.len() + info);
        totals.bytes = totals.bytes.saturating_sub(freed);
        self.tally.forgotten = self.tally.forgotten.saturating_add(1);
        Ok(())
    }

    fn charge(&mut self, more: usize) -> bool {
        let left = self.room.checked_sub(bytes(more));
        self.room = left.unwrap_or(self.room);
        left.is_some()
    }
}

impl Default for Record {
    fn default() -> Self {
        Self {
            epoch: 0,
            last: MessageId::default(),
            gap: 0,
            len: 0,
            soonest: NEVER,
            topics: 0,
            is_claimed: false,
        }
    }
}

const NEVER: UnixMillis = UnixMillis(u64::MAX);

fn membership(alias: &Text, topic: &Text) -> usize {
    MEMBERSHIP + 2 * (alias.len() + topic.len())
}

fn bytes(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn count(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// The JSON of what a device tells; `None` if that cannot be kept, which never happens.
pub fn written(info: &Info) -> Option<Json> {
    let named = [("communityId", &info.community_id), ("name", &info.name)];
    let named = named.into_iter().filter_map(|(name, text)| {
        let text = Json::text(text.as_deref()?);
        Some((name.into(), text))
    });
    let mut json = vec![b'{'];
    for (name, value) in named.chain(info.extra.iter()) {
        if json.len() > 1 {
            json.push(b',');
        }
        json.extend_from_slice(Json::text(&name).as_bytes());
        json.push(b':');
        json.extend_from_slice(value.as_bytes());
    }
    json.push(b'}');
    Json::parse(json).ok()
}

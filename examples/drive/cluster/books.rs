//! What is done for each request of the broker, in commands and scripts.

use super::keys::Keys;
use super::lane::Lane;
use super::reply::{Replies, Trouble, owner_text, transport_text};
use super::scripts::{Loaded, Script};
use super::{Answer, Settings};
use crate::zzw::store;
use redis::{Cmd, cmd};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use zzw_push_proto::platform::{
    Appended, Entry, MessageId, NodeId, Owner, StoreError, StoreOp, StoreReply, Transport,
    UnixMillis,
};
use zzw_push_proto::wire::{Json, Text, Ttl};

/// Carries requests out for one node.
pub(super) struct Books {
    pub(super) keys: Keys,
    pub(super) scripts: Loaded,
    pub(super) settings: Settings,
    /// Messages kept for one alias, and its topics.
    cap: u64,
    pub(super) max_topics: u64,
    pub(super) node: NodeId,
    /// The time by which everything happens; that of Redis if none is given.
    pub(super) at: Option<UnixMillis>,
    /// Nodes whose leases had not ended when that was asked last.
    pub(super) living: RefCell<BTreeSet<NodeId>>,
    /// Those whose had.
    pub(super) dead: RefCell<BTreeSet<NodeId>>,
    /// This node was not known when it renewed its lease last: others have cleared up behind it.
    pub(super) is_forgotten: Cell<bool>,
    /// What time it was by the clock of Redis when that was asked last, and when the answer came.
    pub(super) clock: Cell<Option<(UnixMillis, Instant)>>,
    pub(super) next_body: Cell<u64>,
    /// What Redis has said that it should not.
    pub(super) trouble: RefCell<Option<String>>,
    pub(super) tally: Tally,
}

/// What has been done.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) evicted: Cell<u64>,
}

/// When an alias is forgotten that has neither messages nor topics and that nobody has.
const FORGOTTEN_AFTER: Duration = Duration::from_hours(30 * 24);

impl Books {
    pub(super) fn new(
        settings: Settings,
        limits: &store::Settings,
        node: NodeId,
        scripts: Loaded,
    ) -> Self {
        Self {
            keys: Keys::new(&settings.prefix),
            scripts,
            settings,
            cap: limits.cap.max(1),
            max_topics: limits.max_topics,
            node,
            at: None,
            living: RefCell::default(),
            dead: RefCell::default(),
            is_forgotten: Cell::new(false),
            clock: Cell::new(None),
            next_body: Cell::new(0),
            trouble: RefCell::default(),
            tally: Tally::default(),
        }
    }

    /// Does a request that has waited so long, and says how it ended.
    pub(super) async fn answer(&self, lane: &Lane, op: &StoreOp, waited: Duration) -> Answer {
        match self.carry_out(lane, op, waited).await {
            Ok(answer) => answer,
            Err(trouble) => {
                if let Trouble::Said(what) = &trouble {
                    *self.trouble.borrow_mut() = Some(what.clone());
                }
                Err(trouble.into())
            }
        }
    }

    /// True if it must not share a pipeline with requests about the aliases that it is about, which
    /// it does not name.
    pub(super) fn is_for_many(op: &StoreOp) -> bool {
        matches!(
            op,
            StoreOp::AppendTopic { .. } | StoreOp::Members { .. } | StoreOp::List { .. }
        )
    }

    async fn carry_out(
        &self,
        lane: &Lane,
        op: &StoreOp,
        waited: Duration,
    ) -> Result<Answer, Trouble> {
        let reply = match op {
            StoreOp::Claim { alias, owner } => {
                return self.claim(lane, alias, *owner, waited).await;
            }
            StoreOp::Release { alias, epoch } => self.release(lane, alias, *epoch).await?,
            StoreOp::Append {
                alias,
                body,
                ttl,
                only_known,
            } => return self.append(lane, alias, body, *ttl, *only_known).await,
            StoreOp::AppendTopic { topic, body, ttl } => {
                self.append_topic(lane, topic, body, *ttl).await?
            }
            StoreOp::Members { topic } => StoreReply::Members(self.members(lane, topic).await?),
            StoreOp::Load {
                alias,
                after,
                limit,
            } => self.load(lane, alias, *after, *limit).await?,
            StoreOp::Ack { alias, mids } => self.ack(lane, alias, mids).await?,
            StoreOp::Subscribe {
                alias,
                add,
                remove,
                info,
            } => {
                let info = info.as_ref();
                return self.subscribe(lane, alias, add, remove, info).await;
            }
            StoreOp::Status { alias } => self.status(lane, alias).await?,
            StoreOp::List { transport, page } => self.list(lane, *transport, *page).await?,
            StoreOp::Renew { node, info, length } => self.renew(lane, *node, info, *length).await?,
            // To a request that is not known here, an answer that is not true would be the worst.
            _ => return Ok(Err(StoreError::Unavailable)),
        };
        Ok(Ok(reply))
    }

    async fn claim(
        &self,
        lane: &Lane,
        alias: &Text,
        owner: Owner,
        waited: Duration,
    ) -> Result<Answer, Trouble> {
        // Before it is claimed, so that whoever clears up behind this node finds it.
        let note = self.own(owner.node, alias);
        let keys = [self.keys.record(alias), self.keys.queue(alias)];
        let mut claim = self.script(Script::Claim, &keys);
        claim.arg(self.time()).arg(owner_text(owner));
        claim.arg(self.last_time(waited));
        let mut replies = Replies::new(lane.call([note, claim]).await?);
        replies.value()?;
        let claimed = replies.value()?;
        if !matches!(claimed, redis::Value::Array(_)) {
            return Ok(Err(StoreError::Unavailable)); // too late
        }
        let mut claimed = Replies::of(claimed)?;
        let (epoch, previous) = (claimed.number()?, claimed.owner()?);
        let gap = claimed.number()?;
        let mut after = self.freed(claimed.array()?)?;
        after.push(self.listed(alias, epoch, Some(owner.transport)));
        if let Some(other) = previous.filter(|previous| previous.node != owner.node) {
            after.push(remove(&self.keys.owned(other.node), alias));
        }
        lane.call(after).await?;
        Ok(Ok(StoreReply::Claimed {
            epoch,
            previous,
            gap,
        }))
    }

    /// Notes that a node has an alias, or is about to.
    fn own(&self, node: NodeId, alias: &str) -> Cmd {
        let mut own = self.script(Script::Own, &[self.keys.owned(node)]);
        own.arg(alias);
        own
    }

    /// The time by the clock of Redis after which a request that has waited so long comes too late,
    /// because nobody waits for its answer any more; nothing if that clock is not known.
    //= docs/spec/zzw-push-proto.md#store
    //# A store that nodes share MUST NOT give an alias away when the answer is not waited for any
    //# more: its device may be at another node by then.
    fn last_time(&self, waited: Duration) -> String {
        let now = self.redis_now().filter(|_| self.at.is_none());
        let left = self.settings.timeout.saturating_sub(waited);
        now.map_or_else(String::new, |now| {
            now.0.saturating_add(millis(left)).to_string()
        })
    }

    async fn release(&self, lane: &Lane, alias: &Text, epoch: u64) -> Result<StoreReply, Trouble> {
        let ours = self.keys.owned(self.node);
        let mut release = self.script(
            Script::Release,
            &[self.keys.record(alias), self.keys.topics(alias)],
        );
        release.arg(epoch).arg(millis(FORGOTTEN_AFTER));
        let mut replies = Replies::new(lane.call([remove(&ours, alias), release]).await?);
        replies.value()?;
        match replies.owner()? {
            None => lane.call([self.listed(alias, epoch, None)]).await?,
            // By a later epoch.
            Some(owner) if owner.node == self.node => {
                lane.call([self.own(self.node, alias)]).await?
            }
            Some(_) => Vec::new(),
        };
        Ok(StoreReply::Done)
    }

    async fn append(
        &self,
        lane: &Lane,
        alias: &Text,
        body: &Json,
        ttl: Ttl,
        only_known: bool,
    ) -> Result<Answer, Trouble> {
        let append = self.appending(alias, ttl, only_known, None, ("b", body.as_bytes()));
        let mut replies = Replies::new(lane.call([append]).await?);
        match self.appended(lane, &mut replies).await? {
            Ok(appended) => Ok(Ok(StoreReply::Appended(appended))),
            Err(_) => Ok(Err(StoreError::UnknownAlias)),
        }
    }

    pub(super) fn appending(
        &self,
        alias: &str,
        ttl: Ttl,
        only_known: bool,
        topic: Option<&Text>,
        (how, body): (&str, &[u8]),
    ) -> Cmd {
        let keys = [
            self.keys.record(alias),
            self.keys.queue(alias),
            self.keys.topics(alias),
        ];
        let mut append = self.script(Script::Append, &keys);
        append.arg(self.time()).arg(millis(ttl.duration()));
        append.arg(self.cap).arg(u8::from(only_known));
        let topic = topic.map_or("", Text::as_str);
        append.arg(topic).arg(how).arg(body);
        append
    }

    /// One answer to [`Self::appending`], or the word that says why not.
    pub(super) async fn appended(
        &self,
        lane: &Lane,
        replies: &mut Replies,
    ) -> Result<Result<Appended, Text>, Trouble> {
        let value = replies.value()?;
        if let redis::Value::BulkString(_) | redis::Value::SimpleString(_) = value {
            let word = Replies::new(vec![value]).text()?;
            return Ok(Err(word.unwrap_or_default()));
        }
        let mut appended = Replies::of(value)?;
        let (mid, prev) = (appended.number()?, appended.number()?);
        let (owner, evicted) = (appended.owner()?, appended.number()?);
        let freed = self.freed(appended.array()?)?;
        if !freed.is_empty() {
            lane.call(freed).await?;
        }
        self.tally.evicted.set(self.tally.evicted.get() + evicted);
        let (mid, prev) = (MessageId(mid), MessageId(prev));
        Ok(Ok(Appended::new(mid, prev, owner, evicted)))
    }

    async fn load(
        &self,
        lane: &Lane,
        alias: &Text,
        after: MessageId,
        limit: usize,
    ) -> Result<StoreReply, Trouble> {
        let keys = [self.keys.record(alias), self.keys.queue(alias)];
        let mut load = self.script(Script::Load, &keys);
        load.arg(self.time()).arg(after.0);
        // More than any queue has.
        load.arg(limit.min(1 << 20));
        let mut replies = Replies::new(lane.call([load]).await?).array()?;
        let (at, last) = (replies.number()?, replies.number()?);
        let epoch = replies.number()?;
        let mut listed = replies.array()?;
        let (mut entries, mut elsewhere) = (Vec::new(), Vec::new());
        while !listed.is_empty() {
            let mut entry = listed.array()?;
            let mid = MessageId(entry.number()?);
            let expires_at = UnixMillis(entry.number()?);
            let is_here = entry.number()? == 1;
            let body = if is_here {
                entry.json()?
            } else {
                let key = entry.text()?.unwrap_or_default();
                let mut read = cmd("HGET");
                read.arg(key.as_str()).arg("b");
                elsewhere.push(read);
                None
            };
            entries.push((mid, body, entry.text()?, expires_at));
        }
        elsewhere.extend(self.freed(replies.array()?)?);
        let mut bodies = Replies::new(lane.call(elsewhere).await?);
        let mut loaded = Vec::with_capacity(entries.len());
        for (mid, body, topic, expires_at) in entries {
            let body = match body {
                Some(body) => Some(body),
                None => bodies.json()?,
            };
            // A body that is gone outlives its messages, but for who set the clock of Redis.
            loaded.extend(body.map(|body| Entry::new(mid, body, topic, expires_at)));
        }
        Ok(StoreReply::Loaded {
            entries: loaded,
            last: MessageId(last),
            epoch,
            at: UnixMillis(at),
        })
    }

    async fn ack(
        &self,
        lane: &Lane,
        alias: &Text,
        mids: &[MessageId],
    ) -> Result<StoreReply, Trouble> {
        let keys = [self.keys.record(alias), self.keys.queue(alias)];
        let mut ack = self.script(Script::Ack, &keys);
        ack.arg(self.time());
        for mid in mids {
            ack.arg(mid.0);
        }
        let mut replies = Replies::new(lane.call([ack]).await?);
        let freed = self.freed(replies.array()?)?;
        lane.call(freed).await?;
        Ok(StoreReply::Done)
    }

    async fn status(&self, lane: &Lane, alias: &Text) -> Result<StoreReply, Trouble> {
        let mut topics = cmd("SMEMBERS");
        topics.arg(self.keys.topics(alias));
        let owner = self.owner_of(alias);
        let mut replies = Replies::new(lane.call([topics, owner]).await?);
        let topics: BTreeSet<Text> = replies.array()?.texts()?.into_iter().collect();
        Ok(StoreReply::Status {
            topics: topics.into_iter().collect(),
            owner: replies.owner()?,
        })
    }

    pub(super) fn owner_of(&self, alias: &str) -> Cmd {
        let mut owner = cmd("HGET");
        owner.arg(self.keys.record(alias)).arg("o");
        owner
    }

    /// Says in the lists who has an alias since an epoch began.
    pub(super) fn listed(&self, alias: &str, epoch: u64, by: Option<Transport>) -> Cmd {
        let mut list = self.script(Script::List, &self.keys.lists());
        let by = by.map_or("", transport_text);
        list.arg(alias).arg(epoch).arg(by);
        list
    }

    /// What is to be done about bodies that queues have no more.
    pub(super) fn freed(&self, freed: Replies) -> Result<Vec<Cmd>, Trouble> {
        let mut counts: BTreeMap<Text, usize> = BTreeMap::new();
        for body in freed.texts()? {
            *counts.entry(body).or_default() += 1;
        }
        let free = counts.iter().map(|(body, count)| self.free(body, *count));
        Ok(free.collect())
    }

    pub(super) fn free(&self, body: &str, count: usize) -> Cmd {
        let mut free = self.script(Script::Free, &[body.to_owned()]);
        free.arg(count);
        free
    }

    pub(super) fn script(&self, script: Script, keys: &[String]) -> Cmd {
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        self.scripts.call(script, &keys)
    }

    /// The time by the clock of Redis, or somewhat before: counted from when that was told, which is
    /// later than when it was read.
    pub(super) fn redis_now(&self) -> Option<UnixMillis> {
        let (at, told) = self.clock.get()?;
        Some(UnixMillis(at.0.saturating_add(millis(told.elapsed()))))
    }

    /// The time that scripts are given.
    pub(super) fn time(&self) -> String {
        self.at.map_or_else(String::new, |at| at.0.to_string())
    }
}

pub(super) fn add(set: &str, member: &str) -> Cmd {
    let mut add = cmd("SADD");
    add.arg(set).arg(member);
    add
}

pub(super) fn remove(set: &str, member: &str) -> Cmd {
    let mut remove = cmd("SREM");
    remove.arg(set).arg(member);
    remove
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

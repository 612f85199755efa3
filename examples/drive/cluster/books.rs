//! What is done for each request of the broker, in commands and scripts.

use super::keys::Keys;
use super::lane::Lane;
use super::reply::{Replies, Trouble, owner_text, transport_text};
use super::scripts::{Loaded, Script};
use super::{Answer, Settings};
use crate::zzw::store::{self, written};
use redis::{Cmd, cmd};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use zzw_push_proto::platform::{
    Appended, Entry, MessageId, NodeId, Owner, StoreError, StoreOp, StoreReply, Transport,
    UnixMillis,
};
use zzw_push_proto::rest::Page;
use zzw_push_proto::wire::{Info, Json, Text, Texts, Ttl};

/// Carries requests out for one node.
pub(super) struct Books {
    pub(super) keys: Keys,
    pub(super) scripts: Loaded,
    pub(super) settings: Settings,
    /// Messages kept for one alias, and its topics.
    cap: u64,
    max_topics: u64,
    pub(super) node: NodeId,
    /// The time by which everything happens; that of Redis if none is given.
    pub(super) at: Option<UnixMillis>,
    /// Nodes whose leases had not ended when that was asked last.
    pub(super) living: RefCell<BTreeSet<NodeId>>,
    /// Those whose had.
    pub(super) dead: RefCell<BTreeSet<NodeId>>,
    /// This node was not known when it renewed its lease last: others have cleared up behind it.
    pub(super) is_forgotten: Cell<bool>,
    next_body: Cell<u64>,
    /// What Redis has said that it should not.
    pub(super) trouble: RefCell<Option<String>>,
    pub(super) tally: Tally,
}

/// What has been done.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) evicted: Cell<u64>,
}

/// Members that one pipeline appends for.
const CHUNK: usize = 500;

/// A shorter body is kept in each queue: to fetch it would cost more than it takes up.
const SHARED_FROM: usize = 512;

/// Members of a topic that are read at once.
const MEMBERS: usize = 1_000;

/// How much longer a shared body is kept than the messages it is of.
const SPARE: Duration = Duration::from_mins(2);

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
            next_body: Cell::new(0),
            trouble: RefCell::default(),
            tally: Tally::default(),
        }
    }

    /// Does a request, and says how it ended.
    pub(super) async fn answer(&self, lane: &Lane, op: &StoreOp) -> Answer {
        match self.carry_out(lane, op).await {
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

    async fn carry_out(&self, lane: &Lane, op: &StoreOp) -> Result<Answer, Trouble> {
        let reply = match op {
            StoreOp::Claim { alias, owner } => self.claim(lane, alias, *owner).await?,
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

    async fn claim(&self, lane: &Lane, alias: &Text, owner: Owner) -> Result<StoreReply, Trouble> {
        // Before it is claimed, so that whoever clears up behind this node finds it.
        let owned = add(&self.keys.owned(owner.node), alias);
        let keys = [self.keys.record(alias), self.keys.queue(alias)];
        let mut claim = self.script(Script::Claim, &keys);
        claim.arg(self.time()).arg(owner_text(owner));
        let mut replies = Replies::new(lane.call([owned, claim]).await?);
        replies.value()?;
        let mut claimed = replies.array()?;
        let (epoch, previous) = (claimed.number()?, claimed.owner()?);
        let gap = claimed.number()?;
        let mut after = self.freed(claimed.array()?)?;
        after.push(self.listed(alias, epoch, Some(owner.transport)));
        if let Some(other) = previous.filter(|previous| previous.node != owner.node) {
            after.push(remove(&self.keys.owned(other.node), alias));
        }
        lane.call(after).await?;
        Ok(StoreReply::Claimed {
            epoch,
            previous,
            gap,
        })
    }

    async fn release(&self, lane: &Lane, alias: &Text, epoch: u64) -> Result<StoreReply, Trouble> {
        let owned = self.keys.owned(self.node);
        let mut release = self.script(
            Script::Release,
            &[self.keys.record(alias), self.keys.topics(alias)],
        );
        release.arg(epoch).arg(millis(FORGOTTEN_AFTER));
        let mut replies = Replies::new(lane.call([remove(&owned, alias), release]).await?);
        replies.value()?;
        match replies.owner()? {
            None => lane.call([self.listed(alias, epoch, None)]).await?,
            // By a later epoch.
            Some(owner) if owner.node == self.node => lane.call([add(&owned, alias)]).await?,
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

    async fn append_topic(
        &self,
        lane: &Lane,
        topic: &Text,
        body: &Json,
        ttl: Ttl,
    ) -> Result<StoreReply, Trouble> {
        let members = self.members(lane, topic).await?;
        let is_shared = members.len() > 1 && body.as_bytes().len() >= SHARED_FROM;
        let shared = self.keys.body(self.node, self.next_body.get());
        let kept = if is_shared {
            self.next_body.set(self.next_body.get() + 1);
            let mut set = cmd("HSET");
            set.arg(&shared).arg("b").arg(body.as_bytes());
            set.arg("n").arg(members.len());
            let mut expire = cmd("PEXPIRE");
            expire.arg(&shared).arg(millis(ttl.duration() + SPARE));
            let mut replies = Replies::new(lane.call([set, expire]).await?);
            (replies.value()?, replies.value()?);
            ("r", shared.as_bytes())
        } else {
            ("b", body.as_bytes())
        };
        let mut fanned = Vec::with_capacity(members.len());
        let mut strangers = Vec::new();
        for chunk in members.chunks(CHUNK) {
            let append = |alias: &Text| self.appending(alias, ttl, false, Some(topic), kept);
            let mut replies = Replies::new(lane.call(chunk.iter().map(append)).await?);
            for alias in chunk {
                match self.appended(lane, &mut replies).await? {
                    Ok(appended) => fanned.push((alias.clone(), appended)),
                    Err(_) => strangers.push(alias.clone()),
                }
            }
        }
        if !strangers.is_empty() {
            self.forget_members(lane, topic, &strangers).await?;
            if is_shared {
                lane.call([self.free(&shared, strangers.len())]).await?;
            }
        }
        Ok(StoreReply::Fanned {
            members: fanned,
            is_last: true,
        })
    }

    fn appending(
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
    async fn appended(
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

    /// Those that have a topic, in the order of their bytes, and perhaps some that had it.
    async fn members(&self, lane: &Lane, topic: &Text) -> Result<Vec<Text>, Trouble> {
        let mut members = BTreeSet::new();
        let mut cursor = Text::from("0");
        loop {
            let mut scan = cmd("SSCAN");
            scan.arg(self.keys.members(topic)).arg(cursor.as_str());
            scan.arg("COUNT").arg(MEMBERS);
            let mut replies = Replies::new(lane.call([scan]).await?);
            let mut page = replies.array()?;
            cursor = page.text()?.unwrap_or_else(|| "0".into());
            members.extend(page.array()?.texts()?);
            if cursor.as_str() == "0" {
                return Ok(members.into_iter().collect());
            }
        }
    }

    /// Takes out of a topic those that have left it. If one has it again meanwhile, it is put back:
    /// whoever joins says so before and after it is one of the alias' topics.
    async fn forget_members(
        &self,
        lane: &Lane,
        topic: &Text,
        aliases: &[Text],
    ) -> Result<(), Trouble> {
        let members = self.keys.members(topic);
        let mut ask = Vec::with_capacity(2 * aliases.len());
        for alias in aliases {
            ask.push(remove(&members, alias));
            let mut has = cmd("SISMEMBER");
            has.arg(self.keys.topics(alias)).arg(topic.as_str());
            ask.push(has);
        }
        let mut replies = Replies::new(lane.call(ask).await?);
        let mut back = Vec::new();
        for alias in aliases {
            replies.value()?;
            if replies.number()? == 1 {
                back.push(add(&members, alias));
            }
        }
        if !back.is_empty() {
            lane.call(back).await?;
        }
        Ok(())
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

    async fn subscribe(
        &self,
        lane: &Lane,
        alias: &Text,
        adds: &Texts,
        removes: &Texts,
        info: Option<&Info>,
    ) -> Result<Answer, Trouble> {
        let keys = [
            self.keys.record(alias),
            self.keys.topics(alias),
            self.keys.info(alias),
        ];
        let adds: Vec<Text> = adds.texts().map(|topic| topic.detached()).collect();
        let removes: Vec<Text> = removes.texts().map(|topic| topic.detached()).collect();
        let info = info.and_then(written);
        let mut change = self.script(Script::Subscribe, &keys);
        change.arg(self.max_topics);
        change.arg(info.as_ref().map_or(&[][..], Json::as_bytes));
        change.arg(adds.len());
        for topic in adds.iter().chain(&removes) {
            change.arg(topic.as_str());
        }
        // Whoever forgets members finds them before or after, see there.
        let joins: Vec<Text> = adds
            .into_iter()
            .filter(|it| !removes.contains(it))
            .collect();
        let join = |topic: &Text| add(&self.keys.members(topic), alias);
        let before = joins.iter().map(join);
        let after = joins.iter().map(join);
        let mut replies = lane.call(before.chain([change]).chain(after)).await?;
        let mut changed = Replies::new(replies.drain(joins.len()..=joins.len()).collect());
        let changed = changed.value()?;
        let (joined, left, is_refused) = match changed {
            redis::Value::Array(lists) => {
                let mut lists = Replies::new(lists);
                let joined = lists.array()?.texts()?;
                (joined, lists.array()?.texts()?, false)
            }
            _ => (Vec::new(), joins, true),
        };
        for topic in &left {
            self.forget_members(lane, topic, std::slice::from_ref(alias))
                .await?;
        }
        if is_refused {
            return Ok(Err(StoreError::TooManyTopics));
        }
        let sorted = |topics: Vec<Text>| topics.into_iter().collect::<BTreeSet<_>>();
        Ok(Ok(StoreReply::Subscribed {
            joined: sorted(joined).into_iter().collect(),
            left: sorted(left).into_iter().collect(),
        }))
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

    /// Whom nobody has, though the list says so, is taken out of it; the aliases of nodes whose
    /// leases have ended are not shown.
    async fn list(
        &self,
        lane: &Lane,
        transport: Transport,
        page: Page,
    ) -> Result<StoreReply, Trouble> {
        let [_, tcp, sio] = self.keys.lists();
        let list = if transport == Transport::SocketIo {
            sio
        } else {
            tcp
        };
        let mut count = cmd("ZCARD");
        count.arg(&list);
        let mut range = cmd("ZRANGE");
        let offset = page.offset().min(1 << 52);
        let last = offset + u64::from(page.size);
        range.arg(&list).arg(offset).arg(last.saturating_sub(1));
        let mut replies = Replies::new(lane.call([count, range]).await?);
        let mut total = replies.number()?;
        let mut aliases = replies.array()?.texts()?;
        let mut ask = Vec::with_capacity(2 * aliases.len());
        for alias in &aliases {
            let mut epoch = cmd("HGET");
            epoch.arg(self.keys.record(alias)).arg("e");
            ask.extend([self.owner_of(alias), epoch]);
        }
        let mut replies = Replies::new(lane.call(ask).await?);
        let mut has = BTreeMap::new();
        let mut wrong = Vec::new();
        for alias in &aliases {
            let (owner, epoch) = (replies.owner()?, replies.number()?);
            if owner.is_none_or(|owner| owner.transport != transport) {
                let by = owner.map(|owner| owner.transport);
                wrong.push(self.listed(alias, epoch, by));
            } else {
                has.insert(alias.clone(), owner);
            }
        }
        lane.call(wrong).await?;
        let living = self.living.borrow();
        let is_there = |owner: &Option<Owner>| {
            living.is_empty() || owner.is_some_and(|owner| living.contains(&owner.node))
        };
        let before = aliases.len();
        aliases.retain(|alias| has.get(alias).is_some_and(is_there));
        total = total.saturating_sub((before - aliases.len()) as u64);
        Ok(StoreReply::Listed {
            total,
            aliases: aliases.into_iter().collect(),
        })
    }

    fn owner_of(&self, alias: &str) -> Cmd {
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
    fn freed(&self, freed: Replies) -> Result<Vec<Cmd>, Trouble> {
        let mut counts: BTreeMap<Text, usize> = BTreeMap::new();
        for body in freed.texts()? {
            *counts.entry(body).or_default() += 1;
        }
        let free = counts.iter().map(|(body, count)| self.free(body, *count));
        Ok(free.collect())
    }

    fn free(&self, body: &str, count: usize) -> Cmd {
        let mut free = self.script(Script::Free, &[body.to_owned()]);
        free.arg(count);
        free
    }

    pub(super) fn script(&self, script: Script, keys: &[String]) -> Cmd {
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        self.scripts.call(script, &keys)
    }

    /// The time that scripts are given.
    pub(super) fn time(&self) -> String {
        self.at.map_or_else(String::new, |at| at.0.to_string())
    }
}

fn add(set: &str, member: &str) -> Cmd {
    let mut add = cmd("SADD");
    add.arg(set).arg(member);
    add
}

fn remove(set: &str, member: &str) -> Cmd {
    let mut remove = cmd("SREM");
    remove.arg(set).arg(member);
    remove
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

//! Requests about topics and lists, which touch many aliases.

use super::Answer;
use super::books::{Books, add, millis, remove};
use super::lane::Lane;
use super::reply::{Replies, Trouble};
use super::scripts::Script;
use crate::zzw::store::written;
use redis::cmd;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use zzw_push_proto::platform::{Owner, StoreError, StoreReply, Transport};
use zzw_push_proto::rest::Page;
use zzw_push_proto::wire::{Info, Json, Text, Texts, Ttl};

/// Members that one pipeline appends for.
const CHUNK: usize = 500;

/// A shorter body is kept in each queue: to fetch it would cost more than it takes up.
const SHARED_FROM: usize = 512;

/// Members of a topic that are read at once.
const MEMBERS: usize = 1_000;

/// How much longer a shared body is kept than the messages it is of.
const SPARE: Duration = Duration::from_mins(2);

impl Books {
    pub(super) async fn append_topic(
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
            replies.value()?;
            replies.value()?;
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

    /// Those that have a topic, in the order of their bytes, and perhaps some that had it.
    pub(super) async fn members(&self, lane: &Lane, topic: &Text) -> Result<Vec<Text>, Trouble> {
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

    pub(super) async fn subscribe(
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

    /// Whom nobody has, though the list says so, is taken out of it; the aliases of nodes whose
    /// leases have ended are not shown.
    pub(super) async fn list(
        &self,
        lane: &Lane,
        transport: Transport,
        page: Page,
    ) -> Result<StoreReply, Trouble> {
        let [_, tcp, sio] = self.keys.lists();
        let key = if transport == Transport::SocketIo {
            sio
        } else {
            tcp
        };
        let mut count = cmd("ZCARD");
        count.arg(&key);
        let mut range = cmd("ZRANGE");
        let offset = page.offset().min(1 << 52);
        let last = offset + u64::from(page.size);
        range.arg(&key).arg(offset).arg(last.saturating_sub(1));
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
}

//! A store in memory: what every other one has to do.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use zzw_push_proto::platform::{
    Appended, Entry, MessageId, NodeId, NodeInfo, Owner, StoreError, StoreOp, StoreReply,
    Transport, UnixMillis,
};
use zzw_push_proto::rest::Page;
use zzw_push_proto::wire::{Json, Text, Texts, Ttl};

/// Queues, topics and owners of aliases.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    pub aliases: BTreeMap<Text, Alias>,
    /// Nodes, and when their leases end.
    pub nodes: BTreeMap<NodeId, (NodeInfo, UnixMillis)>,
    /// Messages kept for one alias.
    pub cap: usize,
}

/// What is known of an alias.
#[derive(Debug, Clone, Default)]
pub struct Alias {
    pub queue: Vec<Entry>,
    pub last: MessageId,
    pub epoch: u64,
    pub owner: Option<Owner>,
    pub gap: u64,
    pub topics: BTreeSet<Text>,
    pub evicted: BTreeSet<MessageId>,
    pub expired: BTreeSet<MessageId>,
}

impl MemoryStore {
    pub fn new() -> Self {
        Self {
            aliases: BTreeMap::new(),
            nodes: BTreeMap::new(),
            cap: 100,
        }
    }

    /// Carries out a request at that time.
    pub fn execute(&mut self, at: UnixMillis, op: StoreOp) -> Result<StoreReply, StoreError> {
        Ok(match op {
            StoreOp::Claim { alias, owner } => {
                let known = self.alias(&alias, at);
                known.epoch += 1;
                StoreReply::Claimed {
                    epoch: known.epoch,
                    previous: known.owner.replace(owner),
                    gap: std::mem::take(&mut known.gap),
                }
            }
            StoreOp::Release { alias, epoch } => {
                let known = self.alias(&alias, at);
                if known.epoch <= epoch {
                    known.owner = None;
                }
                StoreReply::Done
            }
            StoreOp::Append {
                alias,
                body,
                ttl,
                only_known,
            } => {
                let claimed = |known: &Alias| known.epoch > 0;
                if only_known && !self.aliases.get(&alias).is_some_and(claimed) {
                    return Err(StoreError::UnknownAlias);
                }
                StoreReply::Appended(self.append(&alias, at, body, None, ttl))
            }
            StoreOp::AppendTopic { topic, body, ttl } => {
                let members = self.members(&topic).into_iter();
                let append = |alias| {
                    let appended = self.append(&alias, at, body.clone(), Some(topic.clone()), ttl);
                    (alias, appended)
                };
                StoreReply::Fanned {
                    members: members.map(append).collect(),
                    is_last: true,
                }
            }
            StoreOp::Members { topic } => StoreReply::Members(self.members(&topic)),
            StoreOp::Load {
                alias,
                after,
                limit,
            } => {
                let known = self.alias(&alias, at);
                let behind = known.queue.iter().filter(|entry| entry.mid > after);
                StoreReply::Loaded {
                    entries: behind.take(limit).cloned().collect(),
                    last: known.last,
                    epoch: known.epoch,
                    at,
                }
            }
            StoreOp::Ack { alias, mids } => {
                let known = self.alias(&alias, at);
                known.queue.retain(|entry| !mids.contains(&entry.mid));
                StoreReply::Done
            }
            StoreOp::Subscribe {
                alias, add, remove, ..
            } => {
                let known = self.alias(&alias, at);
                let before = known.topics.clone();
                known
                    .topics
                    .extend(add.texts().map(|topic| topic.detached()));
                for topic in remove.texts() {
                    known.topics.remove(&topic);
                }
                StoreReply::Subscribed {
                    joined: known.topics.difference(&before).collect(),
                    left: before.difference(&known.topics).collect(),
                }
            }
            StoreOp::Status { alias } => {
                let known = self.aliases.get(&alias);
                StoreReply::Status {
                    topics: known
                        .map_or_else(Texts::default, |known| known.topics.iter().collect()),
                    owner: known.and_then(|known| known.owner),
                }
            }
            StoreOp::List { transport, page } => self.list(transport, page),
            StoreOp::Renew { node, info, length } => self.renew(at, node, info, length),
            other => panic!("the store does not know {other:?}"),
        })
    }

    fn list(&self, transport: Transport, page: Page) -> StoreReply {
        let is_by = |owner: Owner| owner.transport == transport;
        let listed = self.aliases.iter();
        let listed: Vec<&Text> = listed
            .filter(|(_, known)| known.owner.is_some_and(is_by))
            .map(|(alias, _)| alias)
            .collect();
        let skip = usize::try_from(page.offset()).unwrap();
        let size = page.size as usize;
        StoreReply::Listed {
            total: listed.len() as u64,
            aliases: listed.into_iter().skip(skip).take(size).collect(),
        }
    }

    fn renew(
        &mut self,
        at: UnixMillis,
        node: NodeId,
        info: NodeInfo,
        length: Duration,
    ) -> StoreReply {
        let end = at.0 + u64::try_from(length.as_millis()).unwrap();
        self.nodes.retain(|_, (_, end)| *end > at);
        self.nodes.insert(node, (info, UnixMillis(end)));
        let nodes = self.nodes.iter();
        StoreReply::Renewed {
            nodes: nodes
                .map(|(node, (info, _))| (*node, info.clone()))
                .collect(),
        }
    }

    fn append(
        &mut self,
        alias: &Text,
        at: UnixMillis,
        body: Json,
        topic: Option<Text>,
        ttl: Ttl,
    ) -> Appended {
        let cap = self.cap;
        let known = self.alias(alias, at);
        let prev = known.last;
        known.last = MessageId::next(prev, at);
        let expires_at = UnixMillis(at.0 + u64::from(ttl.as_secs()) * 1000);
        let entry = Entry::new(known.last, body, topic, expires_at);
        known.queue.push(entry);
        let over = known.queue.len().saturating_sub(cap);
        let gone: Vec<MessageId> = known.queue.drain(..over).map(|entry| entry.mid).collect();
        known.evicted.extend(gone);
        known.gap += over as u64;
        Appended::new(known.last, prev, known.owner, over as u64)
    }

    fn members(&self, topic: &Text) -> Vec<Text> {
        let all = self.aliases.iter();
        all.filter(|(_, known)| known.topics.contains(topic))
            .map(|(alias, _)| alias.clone())
            .collect()
    }

    /// An alias, without what has expired.
    fn alias(&mut self, alias: &Text, at: UnixMillis) -> &mut Alias {
        let known = self.aliases.entry(alias.clone()).or_default();
        let is_over = |entry: &Entry| entry.expires_at <= at;
        if known.queue.iter().any(is_over) {
            let over = known.queue.iter().filter(|entry| is_over(entry));
            let over: Vec<MessageId> = over.map(|entry| entry.mid).collect();
            known.queue.retain(|entry| !is_over(entry));
            known.gap += over.len() as u64;
            known.expired.extend(over);
        }
        known
    }
}

//! Publishing: keep first, acknowledge then.

use super::balance::mix;
use super::link::{Doubt, Link};
use super::offline::Sent;
use super::parcel::Content;
use super::session::fault_of;
use super::store::{Appended, MessageId, StoreOp, UnixMillis};
use super::vocabulary::{Event, NodeMessage, Output, PublishId, Refused};
use super::{Asker, LinkId, Pending, Platform, later};
use crate::rest::RestReply;
use crate::wire::{
    Code, Failure, Json, MAX_ALIASES, MAX_TOPICS, Message, Method, Num, Numbered, Publish, Text,
    Ttl,
};
use std::sync::Arc;
use std::time::Instant;

/// A message that the store is to keep for somebody.
#[derive(Debug)]
pub(super) struct Publication {
    asker: Asker,
    num: Num,
    body: Json,
    /// What it says, as it was told last: the store may answer in parts.
    content: Option<Arc<Content>>,
    ttl: Ttl,
    remaining: usize,
    failed: Option<Code>,
}

impl Publication {
    /// Bytes that it holds.
    pub(super) fn held(&self) -> usize {
        self.body.as_bytes().len()
    }

    /// What it says to those that have the topic, or to aliases.
    fn content(&mut self, topic: Option<&Text>) -> Arc<Content> {
        let last = self.content.take();
        let last = last.filter(|last| last.topic.as_ref() == topic);
        let content = last.unwrap_or_else(|| Content::new(&self.body, topic.cloned()));
        self.body = content.body.clone(); // which is there once, not twice
        self.content = Some(Arc::clone(&content));
        content
    }
}

impl Platform {
    /// Publishes a message of the application's own, at that time by the wall clock.
    /// [`Event::Published`] or [`Event::NotPublished`] with the id that is returned follows.
    ///
    /// # Errors
    ///
    /// [`Refused::Invalid`] for a body over [`super::Config::max_body`] and for names that are none;
    /// [`Refused::Full`] while too much is on its way; [`Refused::Closed`].
    #[expect(clippy::result_large_err, reason = "gives its value back")]
    pub fn publish(
        &mut self,
        now: Instant,
        at: UnixMillis,
        publish: Publish,
    ) -> Result<PublishId, Refused<Publish>> {
        self.handle_timeout(now);
        if self.is_closed() {
            return Err(Refused::Closed(publish));
        }
        //= docs/spec/zzw-push-proto.md#queue
        //# A publication of the application's own MUST keep to the same rules as that of a client.
        self.clock = Some((now, at));
        match self.start(now, Asker::Application, at, &publish) {
            Ok(id) => Ok(id),
            Err(Code::Busy) => Err(Refused::Full(publish)),
            Err(_) => Err(Refused::Invalid(publish)),
        }
    }

    /// `t:6` of a link or a call.
    pub(super) fn publish_for(
        &mut self,
        now: Instant,
        asker: Asker,
        at: UnixMillis,
        publish: &Publish,
    ) {
        if let Err(code) = self.start(now, asker, at, publish) {
            self.refuse(asker, code, publish.num.clone());
        }
    }

    fn start(
        &mut self,
        now: Instant,
        asker: Asker,
        at: UnixMillis,
        publish: &Publish,
    ) -> Result<PublishId, Code> {
        let targets = publish.targets().distinct();
        let most = match publish.method {
            Method::Publish => MAX_TOPICS,
            Method::PublishToAlias => MAX_ALIASES,
        };
        let len = publish.msg.as_bytes().len();
        if targets.is_empty() {
            return Err(Code::Missing);
        }
        //= docs/spec/zzw-push-proto.md#queue
        //# The body of a publication MUST NOT have more than `max_body` bytes.
        if targets.len() > most || len > self.config.max_body {
            return Err(Code::TooLarge);
        }
        if let Some(code) = targets.iter().find_map(|target| fault_of(target)) {
            return Err(code);
        }
        let held = self.counters.held_bytes.saturating_add(len);
        //= docs/spec/zzw-push-proto.md#load
        //# A request MUST be answered with `busy` while the store has `max_requests` of its link,
        //# or `max_publishing` publications in all.
        let is_full = self.publications.len() >= self.config.max_publishing;
        if is_full || held > self.config.max_held {
            return Err(Code::Busy);
        }
        self.next_publish = self.next_publish.saturating_add(1);
        let id = PublishId(self.next_publish);
        let publication = Publication {
            asker,
            num: publish.num.clone(),
            body: publish.msg.clone(),
            content: None,
            ttl: publish.ttl(),
            remaining: targets.len(),
            failed: None,
        };
        self.publications.insert(id, publication);
        self.hold(len);
        self.counters.published = self.counters.published.saturating_add(1);
        if let Asker::Link(link) = asker {
            self.count_request(link, true);
        }
        let is_kept = publish.ttl() != Ttl::ONLINE_ONLY;
        // Others look for what a node has kept and told nobody when its lease has ended: what one
        // without a lease keeps, nobody would look for.
        //= docs/spec/zzw-push-proto.md#node
        //# A node without a lease MUST keep nothing, and answer `store_unavailable` to a publication
        //# that is to be kept.
        let is_refused = is_kept && self.is_fenced();
        for target in targets {
            if is_refused {
                self.part_done(id, Some(Code::StoreUnavailable));
                continue;
            }
            let target = target.detached();
            match (publish.method, is_kept) {
                (Method::PublishToAlias, true) => self.append(now, id, target, publish),
                (Method::PublishToAlias, false) => {
                    if let Some(publication) = self.publications.get_mut(&id) {
                        let content = publication.content(None);
                        self.direct(&target, at, &content);
                    }
                    self.part_done(id, None);
                }
                (Method::Publish, true) => self.append_topic(now, id, target, publish),
                (Method::Publish, false) => {
                    let topic = target.clone();
                    let pending = Pending::Members {
                        publication: id,
                        topic,
                        at,
                    };
                    self.ask_store(StoreOp::Members { topic: target }, pending);
                }
            }
        }
        Ok(id)
    }

    fn append(&mut self, now: Instant, id: PublishId, alias: Text, publish: &Publish) {
        let op = StoreOp::Append {
            alias: alias.clone(),
            body: publish.msg.clone(),
            ttl: publish.ttl(),
            //= docs/spec/zzw-push-proto.md#queue
            //# A publication MUST be kept for an alias that nobody has ever had unless
            //# `reject_unknown_alias` is set.
            only_known: self.config.reject_unknown_alias,
        };
        let pending = Pending::Append {
            publication: id,
            alias,
            asked_at: now,
        };
        self.ask_store(op, pending);
    }

    //= docs/spec/zzw-push-proto.md#queue
    //# A publication to topics MUST reach each alias once for each of those that it has, also the
    //# publisher.
    fn append_topic(&mut self, now: Instant, id: PublishId, topic: Text, publish: &Publish) {
        let op = StoreOp::AppendTopic {
            topic: topic.clone(),
            body: publish.msg.clone(),
            ttl: publish.ttl(),
        };
        let pending = Pending::AppendTopic {
            publication: id,
            topic,
            asked_at: now,
        };
        self.ask_store(op, pending);
    }

    pub(super) fn fanned(
        &mut self,
        now: Instant,
        id: PublishId,
        topic: &Text,
        asked_at: Instant,
        members: Vec<(Text, Appended)>,
    ) {
        let Some(publication) = self.publications.get_mut(&id) else {
            return;
        };
        let content = publication.content(Some(topic));
        let deadline = later(asked_at, publication.ttl.duration());
        for (alias, appended) in members {
            self.appended(now, &alias, &content, deadline, appended);
        }
    }

    pub(super) fn kept(
        &mut self,
        now: Instant,
        id: PublishId,
        alias: &Text,
        asked_at: Instant,
        appended: Appended,
    ) {
        let Some(publication) = self.publications.get_mut(&id) else {
            return;
        };
        let content = publication.content(None);
        let deadline = later(asked_at, publication.ttl.duration());
        self.appended(now, alias, &content, deadline, appended);
    }

    /// A message is kept: whoever has the alias hears of it.
    fn appended(
        &mut self,
        now: Instant,
        alias: &Text,
        content: &Arc<Content>,
        deadline: Option<Instant>,
        appended: Appended,
    ) {
        self.counters.evicted = self.counters.evicted.saturating_add(appended.evicted);
        let mid = appended.mid;
        if let Some(owner) = appended.owner.filter(|o| o.node != self.config.node) {
            //= docs/spec/zzw-push-proto.md#node
            //# The owner of an alias on another node MUST be told when its alias moves here, and
            //# when a message is kept for it.
            let message = NodeMessage::Nudge {
                alias: alias.clone(),
                mid,
            };
            let node = owner.node;
            self.out.push(Output::Relay { node, message });
        }
        let Some(id) = self.owners.get(alias).copied() else {
            return;
        };
        let is_ours = appended
            .owner
            .map_or(self.config.lease.is_none(), |o| o.node == self.config.node);
        let is_fenced = self.is_fenced();
        let Some(session) = self.links.get_mut(id).and_then(|l| l.session.as_mut()) else {
            return;
        };
        //= docs/spec/zzw-push-proto.md#node
        //# A node MUST ask the store who has an alias when that says of a link of this node that
        //# another one has it, or none.
        if !is_ours && session.epoch.is_some() {
            session.known = session.known.max(mid);
            return self.doubt(id);
        }
        // Right behind the last one that was sent, it need not be read from the store (P-6).
        let is_next = session.epoch.is_some()
            && !is_fenced
            && session.doubt == Doubt::None
            && !session.is_loading
            && !session.has_more
            && session.known <= session.cursor
            && session.cursor == appended.prev;
        session.known = session.known.max(mid);
        if !is_next || self.deliver(now, id, mid, content, deadline) == Sent::Unsure {
            self.pump(now, id);
        }
    }

    /// One of the recipients or topics of a publication is settled.
    //= docs/spec/zzw-push-proto.md#queue
    //# The broker MUST answer -6 only when the publication is kept for every alias that it is for,
    //# or was for those online only.
    pub(super) fn part_done(&mut self, id: PublishId, failed: Option<Code>) {
        let Some(publication) = self.publications.get_mut(&id) else {
            return;
        };
        publication.remaining = publication.remaining.saturating_sub(1);
        //= docs/spec/zzw-push-proto.md#queue
        //# A publication that the store has failed to keep for one alias MUST fail.
        publication.failed = publication.failed.take().or(failed);
        if publication.remaining > 0 {
            return;
        }
        let Some(publication) = self.publications.remove(&id) else {
            return;
        };
        self.let_go(publication.body.as_bytes().len());
        if let Asker::Link(link) = publication.asker {
            self.count_request(link, false);
        }
        if publication.failed.is_some() {
            self.counters.unpublished = self.counters.unpublished.saturating_add(1);
        }
        let num = publication.num;
        match (publication.asker, publication.failed) {
            (Asker::Application, None) => self.tell(Event::Published(id)),
            (Asker::Application, Some(code)) => self.tell(Event::NotPublished(id, code)),
            (asker, Some(code)) => self.refuse(asker, code, num),
            (Asker::Link(link), None) => {
                if self.links.contains(link) {
                    self.send(link, Message::Published(Numbered::new(num)));
                }
            }
            (Asker::Exchange(exchange), None) => {
                //= docs/spec/zzw-push-proto.md#presence
                //# A call MUST be answered with the number that its body has.
                let reply = RestReply::Published(Numbered::new(num));
                self.out.push(Output::Reply(exchange, reply));
            }
        }
    }

    /// Tells whoever asked that it did not work.
    pub(super) fn refuse(&mut self, asker: Asker, code: Code, num: Num) {
        match asker {
            Asker::Link(link) if self.links.contains(link) => self.fail(link, code, num),
            Asker::Exchange(exchange) => {
                if code == Code::Busy {
                    self.counters.busy = self.counters.busy.saturating_add(1);
                }
                let reply = RestReply::Failure(Failure::new(code, num));
                self.out.push(Output::Reply(exchange, reply));
            }
            Asker::Link(_) | Asker::Application => {}
        }
    }

    pub(super) fn direct_to_members(
        &mut self,
        id: PublishId,
        topic: &Text,
        at: UnixMillis,
        members: &[Text],
    ) {
        let Some(publication) = self.publications.get_mut(&id) else {
            return;
        };
        let content = publication.content(Some(topic));
        for alias in members {
            self.direct(alias, at, &content);
        }
    }

    /// A message for those who are online now, here or elsewhere (P-5).
    //= docs/spec/zzw-push-proto.md#queue
    //# A publication with a time to live of 0 MUST be sent to the links that are bound and have
    //# room for it, and MUST NOT be stored.
    pub(super) fn direct(&mut self, alias: &Text, at: UnixMillis, content: &Arc<Content>) {
        // One that is alone begins at the first place.
        let is_alone = self.config.lease.is_none() && self.nodes.is_empty();
        let node = if is_alone { 0 } else { mix(self.config.node.0) };
        self.last_direct = MessageId::next_direct(self.last_direct, at, node);
        let mid = self.last_direct;
        if let Some(link) = self.owners.get(alias).copied() {
            return self.send_direct(link, mid, content);
        }
        for node in self.nodes.keys() {
            //= docs/spec/zzw-push-proto.md#node
            //# A message for those online only MUST be passed on to the other nodes where its alias
            //# is not here.
            let message = NodeMessage::Direct {
                alias: alias.clone(),
                mid,
                body: content.body.clone(),
                topic: content.topic.clone(),
            };
            let node = *node;
            self.out.push(Output::Relay { node, message });
        }
    }

    pub(super) fn send_direct(&mut self, id: LinkId, mid: MessageId, content: &Arc<Content>) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        let is_credited = link.has_credit(&self.config, content.len());
        match link.alias().filter(|_| is_credited) {
            Some(alias) => {
                let alias = alias.clone();
                self.out.deliver(id, alias, mid, Arc::clone(content));
                self.counters.delivered = self.counters.delivered.saturating_add(1);
                self.counters.direct = self.counters.direct.saturating_add(1);
            }
            //= docs/spec/zzw-push-proto.md#queue
            //# A publication with a time to live of 0 that a link has no room for MUST be dropped
            //# and counted.
            None => self.counters.dropped = self.counters.dropped.saturating_add(1),
        }
    }

    fn count_request(&mut self, id: LinkId, is_new: bool) {
        if let Some(link) = self.links.get_mut(id) {
            link.requests = if is_new {
                link.requests.saturating_add(1)
            } else {
                link.requests.saturating_sub(1)
            };
        }
    }

    /// True if the link may publish once more now.
    //= docs/spec/zzw-push-proto.md#load
    //# Publications of a link beyond `publish_rate` MUST be answered with `busy`.
    pub(super) fn afford_publish(&mut self, now: Instant, id: LinkId) -> bool {
        let rate = self.config.publish_rate;
        let take = |link: &mut Link| link.publishes.take(rate, now);
        self.links.get_mut(id).is_some_and(take)
    }
}

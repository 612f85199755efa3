//! Delivery: reading the queue of an alias, sending in order, sending again.

use super::config::OnUnacked;
use super::link::{Doubt, Link, PulledBatch, Session};
use super::parcel::Content;
use super::store::{Entry, MessageId, StoreOp, UnixMillis};
use super::vocabulary::LinkEnd;
use super::window::InFlight;
use super::{LinkId, Pending, Platform, later};
use crate::wire::{Ack, Code, Num};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long the store is left alone when it has failed.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Acknowledgements that wait for the store, of one link. What is beyond comes again to the next
/// link.
const MAX_ACKS: usize = 1_024;

/// What the store has for an alias.
pub(super) struct Loaded {
    pub(super) entries: Vec<Entry>,
    pub(super) asked_at: Instant,
    /// The store's time, somewhat behind `asked_at`.
    pub(super) at: UnixMillis,
    /// The latest message known of when the store was asked.
    pub(super) end: MessageId,
    /// The epoch of the alias.
    pub(super) epoch: u64,
    pub(super) limit: usize,
}

/// What became of a message that was to be sent for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// It is on its way, or was before.
    Done,
    /// There is no credit for it: it has to be read again.
    NoCredit,
    /// The store took so long that it may be too late: it has to be read again, with what is left of
    /// its time.
    Unsure,
}

impl Platform {
    /// Asks the store for what the link has credit for, if there is anything.
    pub(super) fn pump(&mut self, now: Instant, id: LinkId) {
        let (window, window_bytes) = (self.config.window, self.config.window_bytes);
        let is_fenced = self.is_fenced();
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        let is_slow = link.slow_since.is_some();
        let Some(session) = link.bound() else { return };
        let limit = window.saturating_sub(session.inflight.len());
        let wants = session.has_more || session.is_unsure || session.known > session.cursor;
        let is_held_up = is_slow
            || is_fenced
            || session.doubt != Doubt::None
            || session.is_parked
            || session.is_loading
            || session.retry_at.is_some()
            || session.bytes >= window_bytes;
        if is_held_up || !wants || limit == 0 {
            return;
        }
        //= docs/spec/zzw-push-proto.md#load
        //# A publication MUST be answered with `busy` and a queue not be read while `max_held`
        //# bytes of bodies are held.
        if self.counters.held_bytes >= self.config.max_held {
            self.starved.insert(id);
            return;
        }
        session.is_loading = true;
        session.has_more = false;
        session.is_unsure = false;
        let (after, known) = (session.cursor, session.known);
        let alias = session.alias.clone();
        let pending = Pending::Load {
            link: id,
            session: session.serial,
            asked_at: now,
            limit,
            known,
        };
        let op = StoreOp::Load {
            alias,
            after,
            limit,
        };
        self.ask_store(op, pending);
    }

    pub(super) fn loaded(&mut self, now: Instant, id: LinkId, serial: u64, loaded: Loaded) {
        let is_full = loaded.entries.len() >= loaded.limit;
        if self.is_over(now, id, serial, loaded.epoch) {
            return;
        }
        let is_fenced = self.is_fenced();
        let Some(session) = self.session(id, serial) else {
            return;
        };
        session.is_loading = false;
        session.has_more = is_full;
        if is_fenced || session.doubt != Doubt::None {
            session.has_more = true;
            return;
        }
        for entry in loaded.entries {
            // The store's clock measures what is left, ours when that is over; from when it was
            // asked, so that no delay makes a message late.
            //= docs/spec/zzw-push-proto.md#time-to-live
            //# What is left of a message's time MUST be measured by the store's clock and counted
            //# from when the store was asked.
            let left = entry.expires_at.0.saturating_sub(loaded.at.0);
            let deadline = later(loaded.asked_at, Duration::from_millis(left));
            if left == 0 {
                self.pass_over(id, entry.mid);
                continue;
            }
            let content = Content::new(&entry.body, entry.topic);
            match self.deliver(now, id, entry.mid, &content, deadline) {
                Sent::Done => {}
                Sent::NoCredit => return,
                //= docs/spec/zzw-push-proto.md#time-to-live
                //# A message whose time was not over when the store was asked MUST be read again if
                //# the store took too long to tell.
                Sent::Unsure => return self.pump(now, id),
            }
        }
        if let Some(session) = self.links.get_mut(id).and_then(Link::bound) {
            if !is_full {
                session.cursor = session.cursor.max(loaded.end);
            }
        }
        self.pump(now, id);
    }

    //= docs/spec/zzw-push-proto.md#store
    //# A queue that the store failed to read MUST be read again.
    pub(super) fn not_loaded(&mut self, now: Instant, id: LinkId, serial: u64) {
        let Some(session) = self.session(id, serial) else {
            return;
        };
        session.is_loading = false;
        session.has_more = true;
        session.retry_at = later(now, RETRY_AFTER);
        let retry_at = session.retry_at;
        self.wake(id, retry_at);
    }

    /// The store cannot tell what it has for an alias: it is read when it has had time to recover.
    //= docs/spec/zzw-push-proto.md#store
    //# A queue MUST be read again when the store cannot tell whether it has kept a message for it.
    pub(super) fn look_again(&mut self, now: Instant, alias: &str) {
        let Some(id) = self.owners.get(alias).copied() else {
            return;
        };
        if let Some(session) = self.links.get_mut(id).and_then(Link::bound) {
            let retry_at = later(now, RETRY_AFTER);
            session.is_unsure = true;
            session.retry_at = retry_at;
            self.wake(id, retry_at);
        }
    }

    /// Sends a message for the first time, if the cursor has not passed it and its time is not over.
    pub(super) fn deliver(
        &mut self,
        now: Instant,
        id: LinkId,
        mid: MessageId,
        content: &Arc<Content>,
        deadline: Option<Instant>,
    ) -> Sent {
        let Some(link) = self.links.get_mut(id) else {
            return Sent::Done;
        };
        let len = content.len();
        let is_credited = link.has_credit(&self.config, len);
        //= docs/spec/zzw-push-proto.md#queue
        //# Messages MUST be sent to a link for the first time in the order of their ids, in
        //# whichever order the store answers.
        let Some(session) = link.bound().filter(|session| mid > session.cursor) else {
            return Sent::Done;
        };
        //= docs/spec/zzw-push-proto.md#time-to-live
        //# A message MUST NOT be sent, sent again or pulled when its time is over.
        if deadline.is_some_and(|deadline| deadline <= now) {
            session.has_more = true;
            return Sent::Unsure;
        }
        if !is_credited {
            session.has_more = true;
            return Sent::NoCredit;
        }
        session.cursor = mid;
        session.bytes = session.bytes.saturating_add(len);
        session.inflight.push(InFlight {
            mid,
            content: Arc::clone(content),
            deadline,
            sent_at: now,
            tries: 1,
        });
        let (alias, content) = (session.alias.clone(), Arc::clone(content));
        self.out.deliver(id, alias, mid, content);
        if let Some(at) = later(now, self.config.redeliver_after) {
            link.arm(&mut self.due, id, at);
        }
        self.hold(len);
        self.counters.delivered = self.counters.delivered.saturating_add(1);
        self.counters.unacked = self.counters.unacked.saturating_add(1);
        Sent::Done
    }

    /// The time of a message is over before it was sent.
    fn pass_over(&mut self, id: LinkId, mid: MessageId) {
        if let Some(session) = self.links.get_mut(id).and_then(Link::bound) {
            if mid > session.cursor {
                session.cursor = mid;
                self.counters.expired = self.counters.expired.saturating_add(1);
            }
        }
    }

    /// Sends again what was not acknowledged, and what it may be too late for is forgotten: the
    /// store lets it go by itself.
    //= docs/spec/zzw-push-proto.md#queue
    //# A message that is not acknowledged within `redeliver_after` MUST be sent again, `max_tries`
    //# times in all since the link has acknowledged anything.
    pub(super) fn resend(&mut self, now: Instant, id: LinkId) {
        let (after, max_tries) = (self.config.redeliver_after, self.config.max_tries);
        let is_fenced = self.is_fenced();
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        let is_slow = link.slow_since.is_some();
        let Some(session) = link.bound() else { return };
        let is_held_up = is_slow || is_fenced || session.doubt != Doubt::None;
        if session.retry_at.is_some_and(|at| at <= now) {
            session.retry_at = None;
        }
        if std::mem::take(&mut session.has_acked) {
            session.inflight.iter_mut().for_each(|sent| sent.tries = 1);
        }
        let mut next = session.retry_at;
        let (mut again, mut over, mut is_dead) = (Vec::new(), Vec::new(), false);
        for sent in session.inflight.iter_mut() {
            let due = later(sent.sent_at, after);
            if session.is_parked {
                continue;
            }
            if due.is_none_or(|due| due > now) {
                next = next.into_iter().chain(due).min();
                continue;
            }
            //= docs/spec/zzw-push-proto.md#time-to-live
            //# A message MUST NOT be sent, sent again or pulled when its time is over.
            if sent.deadline.is_some_and(|deadline| deadline <= now) {
                over.push(sent.mid);
                continue;
            }
            if sent.tries >= max_tries {
                is_dead = true;
                break;
            }
            sent.sent_at = now;
            next = next.into_iter().chain(later(now, after)).min();
            // What cannot be written would only be late.
            if !is_held_up {
                sent.tries = sent.tries.saturating_add(1);
                again.push((sent.mid, Arc::clone(&sent.content)));
            }
        }
        let mut freed = 0_usize;
        for mid in &over {
            if let Some(sent) = session.inflight.remove(*mid) {
                session.bytes = session.bytes.saturating_sub(sent.content.len());
                freed = freed.saturating_add(sent.content.len());
            }
        }
        session.is_parked |= is_dead;
        self.counters.unacked = self.counters.unacked.saturating_sub(over.len());
        let alias = session.alias.clone();
        self.let_go(freed);
        let expired = u64::try_from(over.len()).unwrap_or(u64::MAX);
        self.counters.expired = self.counters.expired.saturating_add(expired);
        //= docs/spec/zzw-push-proto.md#queue
        //# A link that acknowledges none of them MUST be closed or, with `Park`, be sent nothing
        //# more until it acknowledges something.
        if is_dead && self.config.on_unacked == OnUnacked::Close {
            return self.end(now, id, LinkEnd::Unacked);
        }
        let count = u64::try_from(again.len()).unwrap_or(u64::MAX);
        self.counters.redelivered = self.counters.redelivered.saturating_add(count);
        for (mid, content) in again {
            self.out.deliver(id, alias.clone(), mid, content);
        }
        self.wake(id, next);
        if self.is_idle_acking(id) {
            self.tell_acks(id);
        }
        self.pump(now, id);
    }

    /// `t:-5`. What is not waited for may have been sent on an earlier link, so the store is told in
    /// any case; an unknown id changes nothing there (I8).
    //= docs/spec/zzw-push-proto.md#queue
    //# A message that was acknowledged to its publisher MUST stay in the store until its alias has
    //# acknowledged it, its time is over, or newer ones have pushed it out.
    pub(super) fn acknowledged(&mut self, now: Instant, id: LinkId, ack: &Ack) {
        let Some(session) = self.links.get_mut(id).and_then(Link::bound) else {
            return self.fail(id, Code::NotBound, Num::Absent);
        };
        if ack
            .alias
            .as_ref()
            //= docs/spec/zzw-push-proto.md#alias
            //# The broker MUST answer `alias_mismatch` to a frame with another alias than that of
            //# its link, and do nothing else with it, unless `allow_rebind` lets a heartbeat or a
            //# connect frame take that alias.
            .is_some_and(|alias| *alias != session.alias)
        {
            return self.fail(id, Code::AliasMismatch, Num::Absent);
        }
        //= docs/spec/zzw-push-proto.md#queue
        //# An acknowledgement of an id that is unknown or acknowledged already MUST change nothing
        //# and not be answered.
        let Some(mid) = MessageId::of(&ack.mid) else {
            return;
        };
        let has_pulled = |batch: &PulledBatch| batch.mids.contains(&mid);
        let is_pulled = session.batch.as_deref().is_some_and(has_pulled);
        if let Some(sent) = session.inflight.remove(mid) {
            session.has_acked = true;
            session.bytes = session.bytes.saturating_sub(sent.content.len());
            self.let_go(sent.content.len());
            self.counters.acked = self.counters.acked.saturating_add(1);
            self.counters.unacked = self.counters.unacked.saturating_sub(1);
            self.unpark(now, id);
        } else if is_pulled {
            self.unpark(now, id);
        }
        if let Some(session) = self.links.get_mut(id).and_then(Link::bound) {
            if session.acks.len() < MAX_ACKS {
                session.acks.push(mid);
            }
            if !session.is_acking {
                self.tell_acks(id);
            }
        }
        self.pump(now, id);
    }

    fn is_idle_acking(&self, id: LinkId) -> bool {
        let session = self.links.get(id).and_then(|link| link.session.as_ref());
        session.is_some_and(|session| !session.is_acking && session.retry_at.is_none())
    }

    /// Tells the store what was acknowledged since it was told last.
    pub(super) fn tell_acks(&mut self, id: LinkId) {
        let Some(session) = self.links.get_mut(id).and_then(Link::bound) else {
            return;
        };
        if session.acks.is_empty() {
            return;
        }
        session.is_acking = true;
        let (alias, mids) = (session.alias.clone(), std::mem::take(&mut session.acks));
        let pending = Pending::Ack {
            link: id,
            session: session.serial,
            mids: mids.clone(),
        };
        self.ask_store(StoreOp::Ack { alias, mids }, pending);
    }

    pub(super) fn acks_told(&mut self, id: LinkId, serial: u64) {
        if let Some(session) = self.session(id, serial) {
            session.is_acking = false;
            self.tell_acks(id);
        }
    }

    /// They are told again, so that what has arrived does not stay.
    //= docs/spec/zzw-push-proto.md#queue
    //# An acknowledgement MUST be told to the store until the store has done it, also if it was not
    //# waited for.
    pub(super) fn acks_not_told(
        &mut self,
        now: Instant,
        id: LinkId,
        serial: u64,
        mids: Vec<MessageId>,
    ) {
        let Some(session) = self.session(id, serial) else {
            return;
        };
        session.is_acking = false;
        let room = MAX_ACKS.saturating_sub(session.acks.len());
        session.acks.extend(mids.into_iter().take(room));
        let retry_at = later(now, RETRY_AFTER);
        session.retry_at = retry_at;
        self.wake(id, retry_at);
    }

    pub(super) fn slow(&mut self, now: Instant, id: LinkId) {
        let slow_at = later(now, self.config.slow_timeout);
        if let Some(link) = self.links.get_mut(id) {
            if link.slow_since.is_none() {
                link.slow_since = Some(now);
                self.wake(id, slow_at);
            }
        }
    }

    pub(super) fn drained(&mut self, now: Instant, id: LinkId) {
        if let Some(link) = self.links.get_mut(id) {
            link.slow_since = None;
            self.pump(now, id);
        }
    }

    /// Sessions that had no memory try again, in the order of their links.
    pub(super) fn feed_the_starved(&mut self, now: Instant) {
        while self.counters.held_bytes < self.config.max_held {
            let Some(id) = self.starved.pop_first() else {
                return;
            };
            self.pump(now, id);
        }
    }

    fn session(&mut self, id: LinkId, serial: u64) -> Option<&mut Session> {
        self.links.get_mut(id)?.session(serial)
    }

    /// A client that acknowledges reads again: what it was sent counts from now.
    fn unpark(&mut self, now: Instant, id: LinkId) {
        let redeliver_at = later(now, self.config.redeliver_after);
        let Some(session) = self.links.get_mut(id).and_then(Link::bound) else {
            return;
        };
        if std::mem::take(&mut session.is_parked) {
            for sent in session.inflight.iter_mut() {
                (sent.sent_at, sent.tries) = (now, 1);
            }
            self.wake(id, redeliver_at);
        }
    }
}

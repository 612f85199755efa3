//! Pulling: batches for clients that ask instead of being told (Z-19).

use super::link::{Doubt, Link, PulledBatch, Session};
use super::store::{Entry, MessageId, StoreOp, UnixMillis};
use super::{Asker, LinkId, Pending, Platform, later};
use crate::wire::{Batch, Code, Message, Num, Pull, Text};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What the store has for a pull.
pub(super) struct Pulled {
    pub(super) num: Num,
    pub(super) asked_at: Instant,
    pub(super) entries: Vec<Entry>,
    /// The store's time, somewhat behind `asked_at`.
    pub(super) at: UnixMillis,
    /// The epoch of the alias.
    pub(super) epoch: u64,
}

impl Platform {
    pub(super) fn pull(&mut self, now: Instant, id: LinkId, pull: Pull) {
        let is_fenced = self.is_fenced();
        let Some(session) = self.links.get_mut(id).and_then(Link::bound) else {
            //= docs/spec/zzw-push-proto.md#alias
            //# The broker MUST answer `not_bound` to a frame that needs an alias on a link that has
            //# none.
            return self.fail(id, Code::NotBound, pull.num);
        };
        let (serial, alias) = (session.serial, session.alias.clone());
        //= docs/spec/zzw-push-proto.md#alias
        //# The broker MUST answer `alias_mismatch` to a frame with another alias than that of its
        //# link, and do nothing else with it, unless `allow_rebind` lets a heartbeat or a connect
        //# frame take that alias.
        if pull.alias.is_some_and(|stated| stated != alias) {
            return self.fail(id, Code::AliasMismatch, pull.num);
        }
        if is_fenced {
            return self.fail(id, Code::StoreUnavailable, pull.num);
        }
        session.pulling = Some(Box::new(pull.num.clone()));
        //= docs/spec/zzw-push-proto.md#pull
        //# A pull with the number of the last one MUST be answered with the same messages.
        // In doubt, whatever is read tells whose the alias is, too.
        let is_sure = session.doubt == Doubt::None;
        if let Some(message) = session.same_batch(now, &pull.num).filter(|_| is_sure) {
            return self.out.send(id, message);
        }
        let is_other = |batch: &mut Box<PulledBatch>| batch.num != pull.num;
        if let Some(batch) = session.batch.take_if(is_other) {
            // Another number says that the last batch has arrived; none says nothing.
            //= docs/spec/zzw-push-proto.md#pull
            //# A pull with another number MUST acknowledge what the last one has brought.
            if is_telling(&pull.num) {
                session.acks.extend(batch.seen);
            }
            self.let_go(batch.len);
        }
        // What was acknowledged is not to be pulled.
        self.tell_acks(id);
        self.read_batch(now, id, serial, alias, pull.num);
    }

    //= docs/spec/zzw-push-proto.md#pull
    //# A pull MUST be answered with the oldest unacknowledged messages, their bodies in `msg` and
    //# their ids in the same order in `mid`.
    fn read_batch(&mut self, now: Instant, id: LinkId, session: u64, alias: Text, num: Num) {
        let op = StoreOp::Load {
            alias,
            after: MessageId::default(),
            limit: self.config.pull_limit,
        };
        let pending = Pending::Pull {
            link: id,
            session,
            asked_at: now,
            num,
        };
        self.ask_store(op, pending);
    }

    pub(super) fn pulled(&mut self, now: Instant, id: LinkId, serial: u64, pulled: Pulled) {
        let Pulled {
            num,
            asked_at,
            entries,
            at,
            epoch,
        } = pulled;
        if self.is_over(now, id, serial, epoch) {
            return;
        }
        if self.is_fenced() {
            return self.refuse(Asker::Link(id), Code::StoreUnavailable, num);
        }
        let max_bytes = self.config.pull_bytes;
        let is_old = self.held.had_ended_since(asked_at);
        let link = self.links.get_mut(id);
        let Some(session) = link.and_then(|link| link.session(serial)) else {
            return self.refuse(Asker::Link(id), Code::NotBound, num);
        };
        // Who has asked by another number since does not wait for this any more, and the next number
        // would acknowledge it.
        if session.pulling.as_deref() != Some(&num) {
            //= docs/spec/zzw-push-proto.md#pull
            //# A pull that a later one has overtaken MUST fail with `busy`, so that what it would
            //# have brought is not acknowledged unseen.
            return self.fail(id, Code::Busy, num);
        }
        //= docs/spec/zzw-push-proto.md#node
        //# A node whose lease had ended MUST ask the store which of its links still have their
        //# alias, and look at their queues again, before it sends what is kept.
        if is_old {
            let alias = session.alias.clone();
            return self.read_batch(now, id, serial, alias, num);
        }
        // The same number was asked twice before the store answered.
        if let Some(message) = session.same_batch(now, &num) {
            return self.out.send(id, message);
        }
        let deadline = |entry: &Entry| {
            let left = entry.expires_at.0.saturating_sub(at.0);
            later(asked_at, Duration::from_millis(left))
        };
        // The store took so long that some may be too late.
        let is_unsure = |entry: &Entry| {
            entry.expires_at > at && deadline(entry).is_some_and(|deadline| deadline <= now)
        };
        if entries.iter().any(is_unsure) {
            let alias = session.alias.clone();
            return self.read_batch(now, id, serial, alias, num);
        }
        let (mut bodies, mut mids, mut len, mut expired) = (Vec::new(), Vec::new(), 0_usize, 0_u64);
        let mut batch_deadline = None;
        let last = session.batch.take();
        let mut freed = last.as_ref().map_or(0, |batch| batch.len);
        for entry in entries {
            let deadline = deadline(&entry);
            let is_over = deadline.is_some_and(|deadline| deadline <= now);
            let longer = len.saturating_add(entry.body.as_bytes().len());
            //= docs/spec/zzw-push-proto.md#pull
            //# A pull MUST bring at most `pull_limit` messages and `pull_bytes` bytes of bodies,
            //# and one message in any case.
            if !is_over && longer > max_bytes && !bodies.is_empty() {
                break;
            }
            //= docs/spec/zzw-push-proto.md#pull
            //# Messages that were pulled on a link MUST NOT be pushed on it.
            // What is pulled is not pushed.
            session.cursor = session.cursor.max(entry.mid);
            if let Some(sent) = session.inflight.remove(entry.mid) {
                session.bytes = session.bytes.saturating_sub(sent.content.len());
                freed = freed.saturating_add(sent.content.len());
                self.counters.unacked = self.counters.unacked.saturating_sub(1);
            }
            if is_over {
                expired = expired.saturating_add(1);
            } else {
                len = longer;
                batch_deadline = batch_deadline.into_iter().chain(deadline).min();
                bodies.push(entry.body);
                mids.push(entry.mid);
            }
        }
        // Who goes on has had one of the answers by this number, and nobody knows which.
        //= docs/spec/zzw-push-proto.md#pull
        //# A pull with another number MUST NOT acknowledge what only some of the answers to the last
        //# one have brought.
        let mut seen = mids.clone();
        if let Some(last) = last.filter(|last| last.num == num) {
            seen.retain(|mid| last.seen.contains(mid));
        }
        let pulled = u64::try_from(mids.len()).unwrap_or(u64::MAX);
        let texts = mids.iter().map(|mid| mid.0.to_string()).collect();
        //= docs/spec/zzw-push-proto.md#pull
        //# A pull MUST be answered with an empty list where nothing waits.
        let batch = Batch::new(bodies.into_iter().collect(), texts, num.clone());
        let message = Arc::new(Message::Batch(batch));
        session.batch = Some(Box::new(PulledBatch {
            num,
            mids,
            seen,
            message: Arc::clone(&message),
            len,
            deadline: batch_deadline,
        }));
        self.let_go(freed);
        self.hold(len);
        self.counters.expired = self.counters.expired.saturating_add(expired);
        self.counters.pulled = self.counters.pulled.saturating_add(pulled);
        self.out.send(id, message);
        self.pump(now, id);
    }
}

impl Session {
    /// The last batch, if it was asked for by that number and nothing in it is too old.
    fn same_batch(&self, now: Instant, num: &Num) -> Option<Arc<Message>> {
        let is_same = |batch: &&PulledBatch| {
            let is_over = batch.deadline.is_some_and(|deadline| deadline <= now);
            batch.num == *num && is_telling(num) && !is_over
        };
        let batch = self.batch.as_deref().filter(is_same)?;
        Some(Arc::clone(&batch.message))
    }
}

/// A number that tells one request from another.
//= docs/spec/zzw-push-proto.md#pull
//# A pull without a number MUST NOT acknowledge anything.
fn is_telling(num: &Num) -> bool {
    !num.as_str().is_empty()
}

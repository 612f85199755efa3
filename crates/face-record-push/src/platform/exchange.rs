//! One request, from its head to its reply.

use super::budget::{Share, Ticket};
use super::freshness::Times;
use super::journal::Identity;
use super::keep::{Body, Waiter};
use super::lanes::Lane;
use super::{
    Event, ExchangeState, Head, Method, Output, Platform, QuarantineReason, Quarantined,
    RefusalReason, Seq, after,
};
use crate::{ExchangeId, Push, PushError, RecordKey, Reply, SerialNumber, UnixMillis};
use bytes::Bytes;
use std::time::Instant;

/// A request that is not answered yet.
#[derive(Debug)]
pub(super) struct Exchange {
    head: Head,
    lane: Lane,
    share: Share,
    state: State,
    /// When it has lasted too long in its state.
    due: Option<Instant>,
}

/// Where a request is.
#[derive(Debug)]
enum State {
    /// Its lane is not free, or there is no memory for its body.
    Waiting,
    /// Its body may come, up to so many bytes.
    Reading(u64),
    /// It has its turn, and waits for the slot that its body needs.
    Outgrown(Ticket),
    /// Its body waits until the store has answered another push of its terminal.
    Queued(Waiter, Body),
    /// The store has an entry in hands that it waits for.
    Storing(Seq),
    /// The application decides.
    Deciding,
}

impl Platform {
    pub(super) fn connected(&mut self, now: Instant, id: ExchangeId, head: Head) {
        if self.exchanges.contains_key(&id) {
            return;
        }
        let requests = &mut self.counters.requests;
        *requests = requests.saturating_add(1);
        if let Err(why) = self.admit(&head) {
            return self.refuse(id, head.peer, why);
        }
        //= docs/spec/face-record-push.md#reply
        //# A GET or HEAD MUST be answered with status 200 and an empty object and change nothing.
        if head.method == Method::Get {
            let heartbeats = &mut self.counters.heartbeats;
            *heartbeats = heartbeats.saturating_add(1);
            self.reply(id, Reply::heartbeat());
            return self.tell(Event::Heartbeat(head.peer));
        }
        if self.is_closing() {
            return self.reply_busy(id);
        }
        let lane = match stated(head.serial.as_ref()) {
            Some(serial) => Lane::Terminal(serial.clone()),
            None => Lane::Link(head.link),
        };
        let exchange = Exchange {
            head,
            lane: lane.clone(),
            share: Share::default(),
            state: State::Waiting,
            due: None,
        };
        self.exchanges.insert(id, exchange);
        self.arm(id, after(now, self.config.turn_timeout));
        self.lanes.enter(&lane, id);
        self.grant(now);
        //= docs/spec/face-record-push.md#fairness
        //# The oldest waiting request of a lane MUST be answered with status 503 when more than
        //# `max_waiting_per_lane` wait.
        if let Some(oldest) = self.lanes.crowded(&lane, self.config.max_waiting_per_lane) {
            self.defer(oldest);
        }
        //= docs/spec/face-record-push.md#fairness
        //# A request MUST be answered with status 503 when `max_waiting` wait already.
        if self.lanes.waiting() > self.config.max_waiting {
            self.defer(id);
        }
    }

    //= docs/spec/face-record-push.md#acknowledgement
    //# The receiver MUST NOT refuse a request for good but for its path, its method, its serial
    //# number or a length beyond `hard_max`.
    fn admit(&self, head: &Head) -> Result<(), RefusalReason> {
        if !self.config.paths.is_empty() && !is_one_of(&self.config.paths, &head.path) {
            return Err(RefusalReason::Path);
        }
        if head.method == Method::Other {
            return Err(RefusalReason::Method);
        }
        if stated(head.serial.as_ref()).is_some_and(|serial| !self.is_listed(serial)) {
            return Err(RefusalReason::Serial);
        }
        let length = head.length.filter(|_| head.method == Method::Post);
        if length.is_some_and(|length| length > self.config.hard_max) {
            return Err(RefusalReason::TooLong);
        }
        Ok(())
    }

    /// Lets bodies in, as long as turns, memory and the driver allow.
    //= docs/spec/face-record-push.md#fairness
    //# Lanes that wait MUST be served in turn.
    pub(super) fn grant(&mut self, now: Instant) {
        //= docs/spec/face-record-push.md#fairness
        //# The receiver MUST NOT let a body in while `max_outputs` outputs wait.
        while !self.is_full() && (self.grant_slot(now) || self.grant_turn(now)) {}
    }

    fn grant_slot(&mut self, now: Instant) -> bool {
        let Some(id) = self.budget.next_for_slot() else {
            return false;
        };
        let Some(exchange) = self.exchanges.get_mut(&id) else {
            return false;
        };
        if let State::Outgrown(ticket) = exchange.state {
            self.budget.take_slot(ticket, &mut exchange.share);
        }
        self.read(now, id, self.config.hard_max);
        true
    }

    fn grant_turn(&mut self, now: Instant) -> bool {
        let Some(id) = self.lanes.next() else {
            return false;
        };
        let Some(exchange) = self.exchanges.get_mut(&id) else {
            return false;
        };
        //= docs/spec/face-record-push.md#fairness
        //# The whole declared length of a body, or `max_body` if none is declared, MUST be reserved
        //# before it is read.
        let length = exchange.head.length.unwrap_or(self.config.max_body);
        //= docs/spec/face-record-push.md#fairness
        //# A body longer than `max_body` MUST wait for the one place that there is for such bodies.
        if length > self.config.max_body {
            exchange.state = State::Outgrown(self.budget.ask_slot(id));
            self.lanes.take_turn();
            return true;
        }
        let Some(share) = self.budget.reserve(length) else {
            // Whoever overtook here would keep large bodies waiting for ever.
            return false;
        };
        exchange.share = share;
        self.lanes.take_turn();
        self.read(now, id, length);
        true
    }

    fn read(&mut self, now: Instant, id: ExchangeId, limit: u64) {
        self.go(
            id,
            State::Reading(limit),
            after(now, self.config.read_timeout),
        );
        self.out.push_back(Output::Continue(id, limit));
    }

    pub(super) fn outgrown(&mut self, now: Instant, id: ExchangeId) {
        let Some(exchange) = self.exchanges.get_mut(&id) else {
            return;
        };
        let State::Reading(limit) = exchange.state else {
            return;
        };
        if limit >= self.config.hard_max {
            let peer = exchange.head.peer.clone();
            return self.refuse(id, peer, RefusalReason::TooLong);
        }
        // The share is kept: so much of the body is in memory.
        let ticket = self.budget.ask_slot(id);
        self.go(
            id,
            State::Outgrown(ticket),
            after(now, self.config.turn_timeout),
        );
    }

    pub(super) fn received(&mut self, now: Instant, at: UnixMillis, id: ExchangeId, push: Push) {
        let Some(head) = self.body_came(id, push.json()) else {
            return;
        };
        let (of_head, of_body) = (stated(head.serial.as_ref()).cloned(), push.serial());
        let of_body = stated(of_body.as_ref()).cloned();
        let is_mismatch = of_head.is_some() && of_body.is_some() && of_head != of_body;
        //= docs/spec/face-record-push.md#acknowledgement
        //# A terminal that is not listed MUST be answered with status 403.
        let is_foreign = of_body
            .as_ref()
            .is_some_and(|serial| !self.is_listed(serial));
        if is_foreign && !is_mismatch {
            return self.refuse(id, head.peer, RefusalReason::Serial);
        }
        //= docs/spec/face-record-push.md#duplicates
        //# The serial number of a push MUST be that of its body, else that of its head, else the
        //# address that it came from.
        let is_named = of_body.is_some() || of_head.is_some();
        let serial = of_body.or_else(|| of_head.clone());
        let serial = serial.unwrap_or_else(|| SerialNumber::new(&head.peer));
        let is_nobody = !is_named && !self.is_listed(&serial);
        //= docs/spec/face-record-push.md#remote-auth
        //# The question whether a person may pass MUST NOT be kept as a record.
        if let Push::RemoteAuth(request) = push {
            let is_trusted = !is_mismatch && !is_nobody;
            return self.asked(now, id, request, is_trusted);
        }
        let times = Times {
            happened: push.time(),
            sent: head.sent_at,
            received: at,
        };
        let waiter = Waiter {
            id,
            times,
            since: now,
            pass: push.pass(),
        };
        //= docs/spec/face-record-push.md#acknowledgement
        //# A push whose serial number is not that of its head MUST be kept in quarantine and
        //# acknowledged.
        if is_mismatch || is_nobody {
            let why = if is_mismatch {
                QuarantineReason::SerialMismatch
            } else {
                QuarantineReason::NoSerial
            };
            return self.quarantine(waiter, head, why, push.json().clone());
        }
        let identity = Identity {
            is_quarantined: false,
            key: push.key(&serial),
            serial,
        };
        self.place(now, waiter, Body { identity, push });
    }

    //= docs/spec/face-record-push.md#acknowledgement
    //# A body that cannot be read MUST be kept in quarantine, bit for bit, and acknowledged.
    pub(super) fn garbled(
        &mut self,
        now: Instant,
        at: UnixMillis,
        id: ExchangeId,
        error: PushError,
    ) {
        let Some(head) = self.body_came(id, &error.raw) else {
            return;
        };
        let times = Times {
            happened: None,
            sent: None,
            received: at,
        };
        let waiter = Waiter {
            id,
            times,
            since: now,
            pass: None,
        };
        let why = QuarantineReason::Unreadable(error.kind);
        self.quarantine(waiter, head, why, error.raw);
    }

    /// Takes note that a body is complete. Nothing if none was awaited.
    fn body_came(&mut self, id: ExchangeId, body: &Bytes) -> Option<Head> {
        let exchange = self.exchanges.get_mut(&id)?;
        if !matches!(exchange.state, State::Reading(_)) {
            return None;
        }
        let length = u64::try_from(body.len()).unwrap_or(u64::MAX);
        self.budget.trim(&mut exchange.share, length);
        Some(exchange.head.clone())
    }

    fn quarantine(&mut self, waiter: Waiter, head: Head, why: QuarantineReason, raw: Bytes) {
        let serial = stated(head.serial.as_ref()).cloned();
        let owner = serial.clone();
        let owner = owner.unwrap_or_else(|| SerialNumber::new(&head.peer));
        //= docs/spec/face-record-push.md#acknowledgement
        //# A body that is in quarantine already MUST be acknowledged and not be kept again.
        let identity = Identity {
            is_quarantined: true,
            key: RecordKey::of_body(&owner, &raw),
            serial: owner,
        };
        if let Some(seq) = self.journal.join(&identity, waiter) {
            return self.wait_for(waiter.since, waiter.id, seq);
        }
        let body = Quarantined {
            seq: Seq::default(),
            received: waiter.times.received,
            peer: head.peer,
            serial,
            key: identity.key,
            why,
            raw,
        };
        let share = self.take_share(waiter.id);
        let seq = self.keep_quarantined(waiter, body, identity, share);
        self.wait_for_store(waiter.since, waiter.id, seq);
    }

    /// Finds out what a push is to wait for.
    fn place(&mut self, now: Instant, waiter: Waiter, body: Body) {
        let id = waiter.id;
        //= docs/spec/face-record-push.md#duplicates
        //# A push MUST count as known if one with its serial number and key is kept.
        if self
            .keys
            .contains(&body.identity.serial, &body.identity.key)
        {
            let counters = &mut self.counters;
            counters.known = counters.known.saturating_add(1);
            counters.remembered = counters.remembered.saturating_add(1);
            return self.acknowledge(now, &waiter);
        }
        //= docs/spec/face-record-push.md#duplicates
        //# A push that comes again while it is being kept MUST wait for the same answer of the
        //# store.
        if let Some(seq) = self.journal.join(&body.identity, waiter) {
            return self.wait_for(now, id, seq);
        }
        if self.journal.is_place_taken(&body.identity.serial) {
            let max = self.config.max_waiting_per_lane;
            let oldest = self.journal.queue(&body.identity.serial, id, max);
            let due = after(now, self.config.turn_timeout);
            self.go(id, State::Queued(waiter, body), due);
            if let Some(oldest) = oldest {
                self.defer(oldest);
            }
            return;
        }
        //= docs/spec/face-record-push.md#duplicates
        //# The store MUST decide whether a push is new unless it is remembered as kept.
        let share = self.take_share(id);
        let seq = self.keep_push(waiter, body, share);
        self.wait_for_store(now, id, seq);
    }

    /// Waits for what the store has in hands; its own body is not needed.
    fn wait_for(&mut self, now: Instant, id: ExchangeId, seq: Seq) {
        if let Some(exchange) = self.exchanges.get_mut(&id) {
            self.budget.trim(&mut exchange.share, 0);
        }
        self.wait_for_store(now, id, seq);
    }

    fn wait_for_store(&mut self, now: Instant, id: ExchangeId, seq: Seq) {
        let due = after(now, self.config.store_timeout);
        self.go(id, State::Storing(seq), due);
    }

    /// The place of its terminal at the store is free.
    pub(super) fn leave_queue(&mut self, now: Instant, id: ExchangeId) {
        let Some(exchange) = self.exchanges.get_mut(&id) else {
            return;
        };
        match std::mem::replace(&mut exchange.state, State::Waiting) {
            State::Queued(waiter, body) => self.place(now, waiter, body),
            other => exchange.state = other,
        }
    }

    pub(super) fn deciding(&mut self, id: ExchangeId, due: Option<Instant>) {
        self.go(id, State::Deciding, due);
    }

    //= docs/spec/face-record-push.md#acknowledgement
    //# A push whose request is disconnected while it is being kept MUST be kept all the same.
    /// A request has ended before it was answered. What the store has in hands goes on.
    pub(super) fn disconnected(&mut self, id: ExchangeId) {
        if self.remove(id).is_some() {
            let disconnected = &mut self.counters.disconnected;
            *disconnected = disconnected.saturating_add(1);
        }
    }

    /// Fires the timer of a request.
    pub(super) fn overdue(&mut self, id: ExchangeId) {
        match self.exchange(id) {
            //= docs/spec/face-record-push.md#fairness
            //# A request whose body is not complete within `read_timeout` MUST be hung up on.
            ExchangeState::Reading => {
                self.disconnected(id);
                self.out.push_back(Output::Disconnect(id));
            }
            ExchangeState::Deciding => self.undecided(id),
            //= docs/spec/face-record-push.md#fairness
            //# A request that waits longer than `turn_timeout` MUST be answered with status 503.
            //= docs/spec/face-record-push.md#acknowledgement
            //# A request whose push the store has not answered within `store_timeout` MUST be
            //# answered with status 503.
            _ => self.defer(id),
        }
    }

    /// Answers for good.
    fn refuse(&mut self, id: ExchangeId, peer: String, why: RefusalReason) {
        let refused = &mut self.counters.refused;
        *refused = refused.saturating_add(1);
        let status = match why {
            //= docs/spec/face-record-push.md#acknowledgement
            //# A path that is not configured MUST be answered with status 404 before a body is read.
            RefusalReason::Path => 404,
            //= docs/spec/face-record-push.md#reply
            //# A method other than POST, GET and HEAD MUST be answered with status 405.
            RefusalReason::Method => 405,
            RefusalReason::Serial => 403,
            //= docs/spec/face-record-push.md#acknowledgement
            //# A body longer than `hard_max` MUST be answered with status 413.
            RefusalReason::TooLong => 413,
        };
        self.remove(id);
        self.reply(id, Reply::failure(status));
        self.tell(Event::Refused { peer, why });
    }

    /// Answers that it may come again, unless it has gone.
    pub(super) fn defer(&mut self, id: ExchangeId) {
        if self.remove(id).is_some() {
            self.reply_busy(id);
        }
    }

    fn reply_busy(&mut self, id: ExchangeId) {
        let deferred = &mut self.counters.deferred;
        *deferred = deferred.saturating_add(1);
        //= docs/spec/face-record-push.md#acknowledgement
        //# A reply with status 503 to a push MUST say in `Retry-After` when to come again.
        self.reply(id, Reply::busy(self.config.retry_after));
    }

    /// Answers, unless it has gone.
    //= docs/spec/face-record-push.md#acknowledgement
    //# Each request MUST be answered exactly once unless it is disconnected.
    pub(super) fn finish(&mut self, id: ExchangeId, reply: Reply) {
        if self.remove(id).is_some() {
            self.reply(id, reply);
        }
    }

    fn reply(&mut self, id: ExchangeId, reply: Reply) {
        self.out.push_back(Output::Send(id, reply));
    }

    /// Takes a request out of everything that it holds or waits for.
    fn remove(&mut self, id: ExchangeId) -> Option<()> {
        self.arm(id, None);
        let exchange = self.exchanges.remove(&id)?;
        self.lanes.leave(&exchange.lane, id);
        match exchange.state {
            State::Outgrown(ticket) => self.budget.withdraw(ticket),
            State::Queued(_, body) => self.journal.unqueue(&body.identity.serial, id),
            State::Storing(seq) => self.journal.part(seq, id),
            _ => {}
        }
        self.budget.release(exchange.share);
        Some(())
    }

    fn take_share(&mut self, id: ExchangeId) -> Share {
        let exchange = self.exchanges.get_mut(&id);
        exchange.map_or_else(Share::default, |exchange| {
            std::mem::take(&mut exchange.share)
        })
    }

    fn go(&mut self, id: ExchangeId, state: State, due: Option<Instant>) {
        if let Some(exchange) = self.exchanges.get_mut(&id) {
            exchange.state = state;
        }
        self.arm(id, due);
    }

    fn arm(&mut self, id: ExchangeId, due: Option<Instant>) {
        let Some(exchange) = self.exchanges.get_mut(&id) else {
            return;
        };
        if let Some(before) = std::mem::replace(&mut exchange.due, due) {
            self.due.remove(&(before, id));
        }
        self.due.extend(due.map(|due| (due, id)));
    }

    pub(super) fn is_listed(&self, serial: &SerialNumber) -> bool {
        self.serials.is_empty() || self.serials.contains(serial)
    }
}

impl Exchange {
    pub(super) fn state(&self) -> ExchangeState {
        match self.state {
            State::Waiting => ExchangeState::Waiting,
            State::Reading(_) => ExchangeState::Reading,
            State::Outgrown(_) => ExchangeState::Outgrown,
            State::Queued(..) => ExchangeState::Queued,
            State::Storing(_) => ExchangeState::Storing,
            State::Deciding => ExchangeState::Deciding,
        }
    }
}

/// A serial number, if it says anything.
fn stated(serial: Option<&SerialNumber>) -> Option<&SerialNumber> {
    serial.filter(|serial| !serial.as_str().trim().is_empty())
}

//= docs/spec/face-record-push.md#acknowledgement
//# The path MUST be compared in constant time.
fn is_one_of(paths: &[String], path: &str) -> bool {
    let found = paths.iter().fold(0_u8, |found, known| {
        found | u8::from(is_same(known.as_bytes(), path.as_bytes()))
    });
    found != 0
}

/// Looks at every byte whatever the first ones say; only the length shows.
fn is_same(a: &[u8], b: &[u8]) -> bool {
    let differing = a.iter().zip(b).fold(0_u8, |differing, (a, b)| {
        std::hint::black_box(differing | (a ^ b))
    });
    a.len() == b.len() && differing == 0
}

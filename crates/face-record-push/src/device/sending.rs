//! The post in flight, the record after it, and the delay between failures.

use super::ledger::Pending;
use super::{
    AttemptId, Cause, Device, Durability, Event, Failure, Loss, LossReason, Op, OpId, Output, Post,
    SHORTEST, Seq, UNADVANCED_MAX,
};
use crate::{Answer, Dest, Item};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What is being posted.
#[derive(Debug, Default)]
pub(super) struct Sending {
    flight: Option<Flight>,
    extra: Option<Flight>, // a second post at once, which only a fault makes
    held: Option<(Seq, Arc<Item>)>, // the record that is posted next
    pub(super) fetching: Option<OpId>,
    last_attempt: u64,
    retry_at: Option<Instant>,
    failures: u32,       // in a row
    refused: (Seq, u32), // how often in a row
    pub(super) is_burying: bool,
    has_buried: bool, // since the last acknowledgement
    is_down: bool,
}

/// A post without an answer.
#[derive(Debug)]
struct Flight {
    attempt: AttemptId,
    seq: Seq,
    item: Arc<Item>,
    deadline: Option<Instant>,
    is_idle: bool, // only a fault made it: nothing comes of its answer
}

/// A record is held for as long as this while waiting; beyond, it is read again.
const HOLD_WITHIN: Duration = Duration::from_secs(5);

/// A delay that clocks reach.
const FOR_EVER: Duration = Duration::from_secs(365 * 86_400);

impl Sending {
    pub(super) fn is_in_flight(&self) -> bool {
        self.flight.is_some()
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.retry_at.is_some() || self.is_burying
    }

    pub(super) fn due(&self) -> Option<Instant> {
        let deadline = |flight: &Option<Flight>| flight.as_ref()?.deadline;
        [deadline(&self.flight), deadline(&self.extra), self.retry_at]
            .into_iter()
            .flatten()
            .min()
    }

    fn overdue(&self, now: Instant) -> Option<AttemptId> {
        let flights = self.flight.iter().chain(&self.extra);
        flights
            .filter(|flight| flight.deadline.is_some_and(|deadline| deadline <= now))
            .map(|flight| flight.attempt)
            .next()
    }

    /// Forgets what is held if it is lost or not what it was.
    pub(super) fn let_go_of(&mut self, from: Seq, to: Seq) {
        self.held.take_if(|(seq, _)| (from..=to).contains(seq));
    }

    /// There is no reason any more to wait.
    pub(super) fn start_afresh(&mut self) {
        //= docs/spec/face-record-push.md#delivery
        //# The terminal MUST reset that bound after an acknowledgement and when the network is back.
        (self.failures, self.retry_at) = (0, None);
    }

    /// What another destination refused says nothing.
    pub(super) fn forget_refusals(&mut self) {
        self.refused = (Seq::default(), 0);
    }

    fn count_refusal(&mut self, seq: Seq) {
        let before = Some(self.refused).filter(|(refused, _)| *refused == seq);
        let times = before.map_or(0, |(_, times)| times);
        self.refused = (seq, times.saturating_add(1));
    }
}

impl Device {
    pub(super) fn network_is_back(&mut self) {
        self.sending.start_afresh();
    }

    /// Posts the first record if that can be done now.
    pub(super) fn post(&mut self, now: Instant) {
        //= docs/spec/face-record-push.md#subscription
        //# A terminal that is switched off MUST go on recording and post nothing after the post in flight.
        //= docs/spec/face-record-push.md#subscription
        //# A new destination MUST apply from the next post on.
        let Some(dest) = self.settings.current().active_dest().cloned() else {
            self.sending.held = None;
            return;
        };
        //= docs/spec/face-record-push.md#delivery
        //# The terminal MUST NOT have more than one post under way unless a fault says so.
        if self.sending.is_in_flight() {
            self.post_another(now, dest);
            return;
        }
        if self.sending.is_waiting() {
            return;
        }
        //= docs/spec/face-record-push.md#delivery
        //# The terminal MUST post its records in the order of their capture.
        let Some(head) = self.queue.nth(0) else {
            return;
        };
        if !self.may_post(head)
            || self.unadvanced >= UNADVANCED_MAX
            // What is sent now must be what is sent again after a power cut.
            || self.ledger.strips(head)
            // A power cut could bring back what was dropped before it, to be posted behind it.
            || self.has_undone_drop(head)
        {
            return;
        }
        let at_hand = self.sending.held.take_if(|(seq, _)| *seq == head);
        let at_hand = at_hand.map(|(_, item)| item);
        let Some(item) = at_hand.or_else(|| self.unstored_item(head).cloned()) else {
            return;
        };
        let flight = self.send(now, head, item, dest, false);
        self.sending.flight = Some(flight);
    }

    /// Posts the next record while one is in flight, as only a bad terminal does.
    fn post_another(&mut self, now: Instant, dest: Arc<Dest>) {
        if !self.faults.posts_two() || self.sending.extra.is_some() {
            return;
        }
        let next = self.next_to_post();
        let held = self.sending.held.clone();
        let held = held.filter(|(seq, _)| Some(*seq) == next && !self.queue.is_tried(*seq));
        if let Some((seq, item)) = held.filter(|(seq, _)| !self.ledger.strips(*seq)) {
            let extra = self.send(now, seq, item, dest, true);
            self.sending.extra = Some(extra);
        }
    }

    /// Reads what is posted next, while the post before it is in flight.
    pub(super) fn fetch(&mut self) {
        let is_off = self.settings.current().active_dest().is_none();
        if is_off || self.sending.is_waiting() || self.sending.fetching.is_some() {
            return;
        }
        let Some(next) = self.next_to_post() else {
            return;
        };
        let is_held = self
            .sending
            .held
            .as_ref()
            .is_some_and(|(seq, _)| *seq == next);
        if is_held || !self.is_kept(next) {
            return;
        }
        let op = self.ask_store(Pending::Load(next), Op::Load { seq: next });
        self.sending.fetching = Some(op);
    }

    pub(super) fn loaded(&mut self, op: OpId, item: Option<Arc<Item>>) {
        let is_load = |pending: &Pending| matches!(pending, Pending::Load(_));
        let Some(Pending::Load(seq)) = self.ledger.close_if(op, is_load) else {
            return;
        };
        self.sending.fetching.take_if(|fetching| *fetching == op);
        match item {
            Some(item) => self.hold(seq, item),
            //= docs/spec/face-record-push.md#overflow
            //# A record that the store cannot read back MUST be reported as lost and not hold up those behind it.
            None if self.life == super::Life::Running => self.lose_head(seq, LossReason::Corrupt),
            None => {}
        }
    }

    /// Keeps an item at hand if it is the one that is posted next.
    pub(super) fn hold(&mut self, seq: Seq, item: Arc<Item>) {
        let is_next = self.next_to_post() == Some(seq);
        let is_off = self.settings.current().active_dest().is_none();
        let is_running = self.life == super::Life::Running;
        //= docs/spec/face-record-push.md#delivery
        //# The terminal MUST NOT hold more records in memory than those that wait for the store and two.
        if !is_next || is_off || !is_running || self.sending.is_waiting() {
            return;
        }
        // The store may have read it before it stripped it.
        let is_stripped = self.queue.find(seq).is_some_and(|entry| entry.picture == 0);
        let item = match item.jpeg() {
            Some(_) if is_stripped => Arc::new(item.without_picture()),
            _ => item,
        };
        self.sending.held = Some((seq, item));
    }

    /// A post was answered.
    pub(super) fn answered(&mut self, now: Instant, attempt: AttemptId, answer: Answer) {
        if !answer.is_acknowledgement(self.config.empty_is_ok) {
            if let Some(flight) = self.landed(attempt, false) {
                // That says nothing of the record.
                let says_later = answer.retry_after.is_some() || matches!(answer.status, 429 | 503);
                if !says_later {
                    self.sending.count_refusal(flight.seq);
                }
                //= docs/spec/face-record-push.md#delivery
                //# The terminal MUST wait at least as long as `Retry-After` asks, up to `retry_after_max`.
                let least = answer.retry_after.unwrap_or_default();
                let failure = Failure::Refused(answer.status, answer.code);
                self.failed(
                    now,
                    flight,
                    failure,
                    least.min(self.config.retry_after_max).min(FOR_EVER),
                );
            }
            return;
        }
        if self.faults.loses_ack(&mut self.dice) {
            self.ended(now, attempt, Failure::Disconnected(Cause::Broken));
        } else if let Some(flight) = self.landed(attempt, true) {
            self.acknowledged(now, flight);
        }
    }

    /// A post ended without an answer that could be understood.
    pub(super) fn ended(&mut self, now: Instant, attempt: AttemptId, failure: Failure) {
        if let Some(flight) = self.landed(attempt, false) {
            self.failed(now, flight, failure, Duration::ZERO);
        }
    }

    pub(super) fn time_out(&mut self, now: Instant) {
        //= docs/spec/face-record-push.md#delivery
        //# The terminal MUST give up a post that has no answer within `exchange_timeout`.
        while let Some(attempt) = self.sending.overdue(now) {
            self.out.push_back(Output::Disconnect(attempt));
            self.ended(now, attempt, Failure::Disconnected(Cause::TimedOut));
        }
        self.sending.retry_at.take_if(|at| *at <= now);
    }

    /// Gives up what is in flight, for a store that could not keep the answer, or for good.
    pub(super) fn stop_posting(&mut self) {
        for flight in [self.sending.flight.take(), self.sending.extra.take()]
            .into_iter()
            .flatten()
        {
            self.counters.failed = self.counters.failed.saturating_add(1);
            self.out.push_back(Output::Disconnect(flight.attempt));
        }
        (self.sending.held, self.sending.retry_at) = (None, None);
    }

    /// The store has set a record aside.
    pub(super) fn buried(&mut self, seq: Seq) {
        self.sending.is_burying = false;
        if self.queue.remove(seq).is_some() {
            //= docs/spec/face-record-push.md#overflow
            //# A record that is set aside MUST be kept apart and not count as lost.
            self.counters.buried = self.counters.buried.saturating_add(1);
            self.sending.has_buried = true;
            self.sending.retry_at = None;
            self.sending.let_go_of(seq, seq);
            self.say(Event::Buried(seq));
            self.say_if_caught_up();
        }
    }

    pub(super) fn wait_to_fetch(&mut self, now: Instant, time: Duration) {
        self.sending.fetching = None;
        self.sending.retry_at = now.checked_add(time);
    }

    /// Whether the store need not keep a record any more before it is posted.
    pub(super) fn may_post(&self, seq: Seq) -> bool {
        //= docs/spec/face-record-push.md#delivery
        //# The terminal MUST NOT post a record before it is kept where its durability is `BeforeSend`.
        self.config.durability != Durability::BeforeSend || self.is_kept(seq)
    }

    /// Whether a record before this one is dropped, but not durably so.
    fn has_undone_drop(&self, seq: Seq) -> bool {
        let is_owed = |loss: &Loss| loss.from <= seq;
        self.ledger.drops_upto(seq) || self.owed_drops.iter().any(is_owed)
    }

    /// Whether only drops that are not done yet keep the first record from being posted.
    pub(super) fn is_head_due(&self) -> bool {
        let is_on = self.settings.current().active_dest().is_some();
        let is_free = !self.sending.is_in_flight() && !self.sending.is_waiting();
        let head = self.queue.nth(0);
        is_on && is_free && head.is_some_and(|head| self.has_undone_drop(head))
    }

    /// Whether the first record may not give way: it is being posted or set aside.
    pub(super) fn is_head_pinned(&self) -> bool {
        self.queue.nth(0).is_some_and(|head| self.is_pinned(head))
    }

    pub(super) fn is_pinned(&self, seq: Seq) -> bool {
        let flight = self.sending.flight.as_ref();
        let is_posted = flight.is_some_and(|flight| flight.seq == seq && !flight.is_idle);
        is_posted || (self.sending.is_burying && self.queue.nth(0) == Some(seq))
    }

    fn next_to_post(&self) -> Option<Seq> {
        self.queue.nth(usize::from(self.is_head_pinned()))
    }

    fn send(
        &mut self,
        now: Instant,
        seq: Seq,
        item: Arc<Item>,
        dest: Arc<Dest>,
        is_idle: bool,
    ) -> Flight {
        self.sending.last_attempt = self.sending.last_attempt.saturating_add(1);
        let attempt = AttemptId(self.sending.last_attempt);
        let faults = self.faults.of_post(self.queue.is_tried(seq) || is_idle);
        self.queue.mark_tried(seq);
        self.counters.posts = self.counters.posts.saturating_add(1);
        self.out.push_back(Output::Send(Post {
            attempt,
            seq,
            dest,
            item: item.clone(),
            faults,
        }));
        let time = self.config.exchange_timeout.max(SHORTEST);
        Flight {
            attempt,
            seq,
            item,
            deadline: now.checked_add(time),
            is_idle,
        }
    }

    /// Takes the post that ended out of the air; `None` if it is not there, or only a fault had made
    /// it.
    fn landed(&mut self, attempt: AttemptId, is_acknowledged: bool) -> Option<Flight> {
        //= docs/spec/face-record-push.md#delivery
        //# The terminal MUST ignore an answer to a post that it has given up.
        let is_it = |flight: &mut Flight| flight.attempt == attempt;
        let sending = &mut self.sending;
        let landed = sending
            .flight
            .take_if(is_it)
            .or_else(|| sending.extra.take_if(is_it))?;
        if !is_acknowledged {
            self.counters.failed = self.counters.failed.saturating_add(1);
        }
        (!landed.is_idle).then_some(landed)
    }

    fn acknowledged(&mut self, now: Instant, flight: Flight) {
        let seq = flight.seq;
        self.queue.remove(seq);
        let was_asked_for = self
            .forget_unstored(seq)
            .is_none_or(|unstored| unstored.append.is_some());
        self.counters.acked = self.counters.acked.saturating_add(1);
        self.acked_upto = seq;
        if was_asked_for {
            self.owed_advance = self.owed_advance.saturating_add(1);
            self.unadvanced = self.unadvanced.saturating_add(1);
        }
        self.sending.start_afresh();
        self.sending.has_buried = false;
        if std::mem::take(&mut self.sending.is_down) {
            self.say(Event::Up);
        }
        self.say(Event::Acked(seq));
        self.say_if_caught_up();
        if self.faults.duplicates(&mut self.dice) {
            if let Some(dest) = self.settings.current().active_dest().cloned() {
                let again = self.send(now, seq, flight.item, dest, true);
                self.sending.flight = Some(again);
            }
        }
    }

    fn failed(&mut self, now: Instant, flight: Flight, failure: Failure, least: Duration) {
        //= docs/spec/face-record-push.md#delivery
        //# The terminal MUST report once that its posts fail, and once that they succeed again.
        if !std::mem::replace(&mut self.sending.is_down, true) {
            self.say(Event::Down(failure));
        }
        //= docs/spec/face-record-push.md#delivery
        //# The terminal MUST post a record again after anything but an acknowledgement.
        let delay = self.delay().max(least).max(SHORTEST);
        self.sending.retry_at = now.checked_add(delay);
        self.sending.held = (delay <= HOLD_WITHIN).then_some((flight.seq, flight.item));
        self.bury_if_poison(flight.seq);
        let is_homeless = |unstored: &super::Unstored| {
            unstored.seq == flight.seq && unstored.was_refused && unstored.append.is_none()
        };
        if self.unstored.iter().any(is_homeless) {
            self.lose_head(flight.seq, LossReason::StoreFull);
        }
        self.keep_within_limits();
    }

    /// Full jitter: evenly from zero to a bound that doubles with each failure.
    fn delay(&mut self) -> Duration {
        let doubled = 1_u32
            .checked_shl(self.sending.failures)
            .and_then(|factor| self.config.backoff_min.checked_mul(factor));
        let longest = self.config.backoff_max.min(FOR_EVER);
        let bound = doubled.map_or(longest, |doubled| doubled.min(longest));
        self.sending.failures = self.sending.failures.saturating_add(1);
        //= docs/spec/face-record-push.md#delivery
        //# The terminal MUST wait after a failed post for a time drawn evenly between zero and a bound that doubles with each failure up to `backoff_max`.
        self.dice.upto(bound)
    }

    fn bury_if_poison(&mut self, seq: Seq) {
        let limit = self.config.poison_after.map(|limit| limit.max(1));
        let (refused, times) = self.sending.refused;
        let is_poison = limit.is_some_and(|limit| refused == seq && times >= limit);
        //= docs/spec/face-record-push.md#delivery
        //# The terminal MUST set a record aside after `poison_after` refusals in a row that do not ask it to come again later, where that is configured.
        //= docs/spec/face-record-push.md#delivery
        //# The terminal MUST NOT set a second record aside before one was acknowledged.
        if is_poison && !self.sending.has_buried && self.is_kept(seq) {
            self.sending.is_burying = true;
            self.ask_store(Pending::Bury(seq), Op::Bury { seq });
        }
    }

    fn lose_head(&mut self, seq: Seq, reason: LossReason) {
        self.lose(seq, reason);
        self.say_if_caught_up();
    }

    fn say_if_caught_up(&mut self) {
        if self.queue.is_empty() {
            self.say(Event::CaughtUp);
        }
    }
}

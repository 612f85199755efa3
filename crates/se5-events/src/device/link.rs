//! One subscriber's connection.

use super::fault::{Dice, Faults, HOLD_BACK};
use super::{
    Config, Counters, Delivery, EmptyList, Event, LinkId, LinkStatus, Output, Peer, PingAnswer,
};
use crate::device::Fault;
use crate::{FromBox, Subscription};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

/// What the box knows of one subscriber. Nothing in here is shared with another link, so nothing a
/// subscriber does reaches another one.
#[derive(Debug)]
pub(super) struct Link {
    id: LinkId,
    peer: Peer,
    wanted: Option<Wanted>, // none until it has said so
    is_slow: bool,
    is_half_open: bool,
    waiting: VecDeque<Arc<FromBox>>, // while slow
    held: Vec<Arc<FromBox>>,         // to be reordered
    release_at: Option<Instant>,     // for what is held
    dice: Dice,
    garbled: u32,
    messages: u64, // sent on this link, doubles included
    sent: u64,
    dropped: u64,
}

/// Where a link's doings go.
#[derive(Debug)]
pub(super) struct Desk<'a> {
    pub(super) config: &'a Config,
    pub(super) faults: &'a Faults,
    pub(super) counters: &'a mut Counters,
    pub(super) out: &'a mut VecDeque<Output>,
}

/// The last subscription.
#[derive(Debug)]
struct Wanted {
    pictures: Pictures,
    devices: BTreeSet<String>,
}

/// The pictures that a subscriber asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pictures {
    pub(super) faces: bool,
    pub(super) registered: bool,
}

impl Link {
    pub(super) fn new(id: LinkId, peer: Peer, seed: u64) -> Self {
        Self {
            id,
            peer,
            wanted: None,
            is_slow: false,
            is_half_open: false,
            waiting: VecDeque::new(),
            held: Vec::new(),
            release_at: None,
            //= docs/spec/se5-events.md#box
            //# What one subscriber does MUST NOT change what another one is sent.
            dice: Dice::new(seed, id.0),
            garbled: 0,
            messages: 0,
            sent: 0,
            dropped: 0,
        }
    }

    /// Replaces whatever was asked for before.
    pub(super) fn subscribe(&mut self, subscription: Subscription) -> Event {
        let count = subscription.devices.len();
        //= docs/spec/se5-events.md#subscription
        //# The box MUST replace the whole subscription of a connection by a later one on the same connection.
        self.wanted = Some(Wanted {
            pictures: Pictures {
                faces: subscription.faces,
                registered: subscription.registered,
            },
            devices: subscription.devices.into_iter().collect(),
        });
        Event::Subscribed(self.id, count)
    }

    /// Counts a garbled message; true if it was one too many.
    pub(super) fn garble(&mut self, refuse_after: Option<u32>) -> bool {
        self.garbled = self.garbled.saturating_add(1);
        refuse_after.is_some_and(|limit| self.garbled >= limit)
    }

    /// The pictures to send with an event of `device`; `None` if it is not wanted.
    pub(super) fn wants(&self, device: &str, empty_list: EmptyList) -> Option<Pictures> {
        //= docs/spec/se5-events.md#box
        //# The box MUST NOT send anything on a connection before it has received a valid subscription on it.
        let wanted = self.wanted.as_ref()?;
        //= docs/spec/se5-events.md#box
        //# The box MUST send an event only to the subscribers that named its device.
        let is_listed = if wanted.devices.is_empty() {
            empty_list == EmptyList::All
        } else {
            wanted.devices.contains(device)
        };
        is_listed.then_some(wanted.pictures)
    }

    /// Takes an event that is wanted.
    pub(super) fn push(&mut self, now: Instant, message: Arc<FromBox>, desk: &mut Desk<'_>) {
        let lose = desk.faults.lose();
        if lose.is_some_and(|probability| self.dice.strikes(probability)) {
            return self.count_dropped(1, desk);
        }
        let Some(together) = desk.faults.reorder() else {
            return self.deliver(message, desk);
        };
        self.held.push(message);
        if self.held.len() >= together.min(desk.config.max_queue) {
            self.release(desk);
        } else if self.release_at.is_none() {
            self.release_at = now.checked_add(HOLD_BACK);
        }
    }

    /// Sends what was held back, if it is due.
    pub(super) fn release_due(&mut self, now: Instant, desk: &mut Desk<'_>) {
        if self.release_at.is_some_and(|at| at <= now) {
            self.release(desk);
        }
    }

    /// Sends what was held back, in another order.
    pub(super) fn release(&mut self, desk: &mut Desk<'_>) {
        self.release_at = None;
        let mut held = std::mem::take(&mut self.held);
        self.dice.shuffle(&mut held);
        for message in held {
            self.deliver(message, desk);
        }
    }

    pub(super) fn slow_down(&mut self) {
        self.is_slow = true;
    }

    pub(super) fn speed_up(&mut self, desk: &mut Desk<'_>) {
        self.is_slow = false;
        //= docs/spec/se5-events.md#box
        //# The box MUST send its messages to one subscriber in the order in which they were emitted unless a fault reorders them.
        for message in std::mem::take(&mut self.waiting) {
            self.deliver(message, desk);
        }
    }

    pub(super) fn half_open(&mut self, is_half_open: bool) {
        self.is_half_open = is_half_open;
    }

    /// Pings, if the subscriber could take it. Before its subscription a box is silent.
    pub(super) fn ping(&self, desk: &mut Desk<'_>) {
        if self.wanted.is_some() && !self.is_slow && !self.is_half_open {
            desk.out.push_back(Output::Ping(self.id));
        }
    }

    /// The link is gone, and with it what waited.
    pub(super) fn leave(mut self, desk: &mut Desk<'_>) {
        self.count_dropped(self.backlog() as u64, desk);
        desk.out.push_back(Output::Event(Event::Left {
            link: self.id,
            sent: self.sent,
            dropped: self.dropped,
        }));
    }

    /// The box hangs up.
    pub(super) fn hang_up(self, desk: &mut Desk<'_>) {
        let id = self.id;
        self.leave(desk);
        desk.out.push_back(Output::Disconnect(id));
    }

    pub(super) fn answers_ping(&self, faults: &Faults) -> PingAnswer {
        if faults.is_on(Fault::PingKills) {
            PingAnswer::HangUp
        } else if self.is_half_open || faults.is_on(Fault::NoPong) {
            PingAnswer::Ignore
        } else {
            PingAnswer::Answer
        }
    }

    pub(super) fn release_at(&self) -> Option<Instant> {
        self.release_at
    }

    pub(super) fn status(&self) -> LinkStatus<'_> {
        LinkStatus {
            id: self.id,
            peer: &self.peer,
            is_subscribed: self.wanted.is_some(),
            is_slow: self.is_slow,
            waiting: self.backlog(),
            sent: self.sent,
            dropped: self.dropped,
        }
    }

    fn backlog(&self) -> usize {
        self.waiting.len().saturating_add(self.held.len())
    }

    fn deliver(&mut self, message: Arc<FromBox>, desk: &mut Desk<'_>) {
        if self.is_half_open {
            self.count_dropped(1, desk);
        } else if self.is_slow {
            self.wait(message, desk);
        } else {
            self.send(message, desk);
        }
    }

    /// The vendor's box does not wait for slow receivers; the newest events matter most.
    fn wait(&mut self, message: Arc<FromBox>, desk: &mut Desk<'_>) {
        self.waiting.push_back(message);
        //= docs/spec/se5-events.md#box
        //# The box MUST drop the oldest message of a slow subscriber when more than `max_queue` wait, and count it.
        if self.waiting.len() > desk.config.max_queue {
            self.waiting.pop_front();
            self.count_dropped(1, desk);
            desk.out.push_back(Output::Event(Event::Dropped(self.id)));
        }
    }

    fn send(&mut self, message: Arc<FromBox>, desk: &mut Desk<'_>) {
        self.sent = self.sent.saturating_add(1);
        desk.counters.sent = desk.counters.sent.saturating_add(1);
        let duplicate = desk.faults.duplicate();
        let is_doubled = duplicate.is_some_and(|probability| self.dice.strikes(probability));
        if is_doubled {
            desk.counters.duplicated = desk.counters.duplicated.saturating_add(1);
            let delivery = self.next_delivery(desk.faults);
            desk.out
                .push_back(Output::Send(self.id, Arc::clone(&message), delivery));
        }
        let delivery = self.next_delivery(desk.faults);
        desk.out.push_back(Output::Send(self.id, message, delivery));
    }

    fn next_delivery(&mut self, faults: &Faults) -> Delivery {
        self.messages = self.messages.saturating_add(1);
        faults.delivery(self.messages)
    }

    fn count_dropped(&mut self, count: u64, desk: &mut Desk<'_>) {
        self.dropped = self.dropped.saturating_add(count);
        desk.counters.dropped = desk.counters.dropped.saturating_add(count);
    }
}

//! Devices: each has one link at a time, to some node, and gives up one on which nothing comes.

use super::link::{Frame, Link};
use super::{Happening, World};
use crate::ledger::News;
use std::time::{Duration, Instant};
use zzw_push_proto::platform::MessageId;
use zzw_push_proto::wire::{Ack, Code, Heartbeat, Message, Num, Pull};

/// What has an alias.
#[derive(Debug, Default)]
pub(super) struct Phone {
    pub(super) link: Option<usize>,
    /// It was told that it has its alias.
    pub(super) is_bound: bool,
    /// Counts its dials, so that one that is overtaken comes to nothing.
    attempt: u64,
    heard: Option<Instant>,
    /// The number of its last pull, and whether that was answered.
    pull: Option<(u64, bool)>,
    pulls: u64,
    /// It is away for ever.
    pub(super) is_gone: bool,
}

impl World {
    /// Dials a node, if it has not done otherwise meanwhile.
    pub(super) fn dial(&mut self, nth: usize, attempt: u64) {
        let phone = &mut self.phones[nth];
        if phone.attempt != attempt || phone.is_gone || phone.link.is_some() {
            return;
        }
        let takes = |node: &usize| {
            let node = &self.nodes[*node];
            node.platform.is_some() && !node.is_draining
        };
        let open: Vec<usize> = (0..self.nodes.len()).filter(takes).collect();
        if open.is_empty() {
            return self.redial(nth);
        }
        let node = *self.chance.pick(&open);
        let link = self.links.len();
        let is_handshake = self.chance.percent(30);
        let process = self.nodes[node].process;
        self.links.push(Link::new(nth, node, process, is_handshake));
        self.stats.links += 1;
        let phone = &mut self.phones[nth];
        phone.link = Some(link);
        phone.is_bound = false;
        phone.pull = None;
        phone.heard = Some(self.schedule.now());
        self.after(self.plan.latency, Happening::LinkUp(link));
        let beat = Happening::Beat(nth, link);
        self.schedule.after(self.plan.heartbeat, beat);
    }

    fn redial(&mut self, nth: usize) {
        let phone = &mut self.phones[nth];
        phone.attempt += 1;
        let dial = Happening::Dial(nth, phone.attempt);
        self.after(2_000, dial);
    }

    /// The device gives up its link. The node learns of it soon, or not at all.
    pub(super) fn abandon(&mut self, nth: usize, says_so: bool) {
        let Some(link) = self.phones[nth].link.take() else {
            return;
        };
        if says_so {
            self.after(self.plan.latency, Happening::NodeEndBreaks(link));
        } else if self.phones[nth].is_bound && self.chance.percent(self.plan.ghosts) {
            self.links[link].is_ghost = true;
            self.stats.ghosts += 1;
        } else {
            self.links[link].is_cut = true;
            self.stats.half_open += 1;
        }
        self.redial(nth);
    }

    /// It is time for a heartbeat, and to give up a link that is silent.
    pub(super) fn beat(&mut self, nth: usize, link: usize) {
        let now = self.schedule.now();
        let phone = &self.phones[nth];
        let is_ghost = self.links[link].is_ghost;
        if phone.link != Some(link) && !is_ghost {
            return;
        }
        let is_silent = phone.heard.is_some_and(|at| now > at + self.plan.patience);
        if is_silent && !is_ghost {
            let half_open = self.chance.percent(self.plan.half_open);
            return self.abandon(nth, !half_open);
        }
        let alias = self.ledger.accounts[nth].alias.clone();
        self.put_up(link, Message::Heartbeat(Heartbeat::new(alias)));
        // What was pulled is not pushed: whoever has begun goes on.
        let goes_on = self.healed.is_some() && self.phones[nth].pull.is_some();
        if !is_ghost && (goes_on || self.chance.percent(self.plan.pulls)) {
            self.pull(nth, link);
        }
        let beat = Happening::Beat(nth, link);
        self.schedule.after(self.plan.heartbeat, beat);
    }

    /// Asks for what waits; again by the same number, if that was not answered.
    fn pull(&mut self, nth: usize, link: usize) {
        let phone = &mut self.phones[nth];
        let num = if let Some((num, false)) = phone.pull {
            num
        } else {
            phone.pulls += 1;
            phone.pulls
        };
        phone.pull = Some((num, false));
        self.put_up(link, Message::Pull(Pull::new(Num::new(format!("p{num}")))));
    }

    /// Goes to another node, for no reason that it knows.
    pub(super) fn wander(&mut self, nth: usize) {
        if self.healed.is_some() {
            return;
        }
        let half_open = self.chance.percent(self.plan.half_open);
        self.abandon(nth, !half_open);
        self.after(self.plan.wander, Happening::Wander(nth));
    }

    pub(super) fn frame_comes_down(&mut self, link: usize, frame: Frame) -> Result<(), String> {
        let nth = self.links[link].phone;
        if let Frame::End = &frame {
            self.links[link].is_ghost = false;
        }
        if self.links[link].is_cut || self.phones[nth].link != Some(link) {
            return Ok(());
        }
        self.phones[nth].heard = Some(self.schedule.now());
        match frame {
            Frame::End => {
                self.phones[nth].link = None;
                self.redial(nth);
            }
            Frame::Delivery(mid, letter) => self.take(nth, mid, letter, true)?,
            Frame::Batch(num, batch) => {
                if let Some((last, is_answered)) = &mut self.phones[nth].pull {
                    *is_answered |= *last == num;
                }
                for (mid, letter) in batch {
                    self.take(nth, mid, letter, false)?;
                }
            }
            Frame::Said(message) => match &*message {
                Message::Connected(_) => self.phones[nth].is_bound = true,
                // It has no alias: a node that takes it may be elsewhere.
                Message::Failure(failure)
                    if failure.code == Some(Code::StoreUnavailable)
                        && failure.num.as_str().is_empty()
                        && self.chance.percent(50) =>
                {
                    self.abandon(nth, true);
                }
                _ => {}
            },
        }
        Ok(())
    }

    fn take(
        &mut self,
        nth: usize,
        mid: MessageId,
        letter: usize,
        is_pushed: bool,
    ) -> Result<(), String> {
        match self.ledger.take(nth, mid, letter, is_pushed)? {
            News::Kept => self.stats.delivered += 1,
            News::Direct => self.stats.direct += 1,
            News::Known => self.stats.again += 1,
        }
        let (acks, delay) = match self.healed {
            Some(_) => (100, 10),
            None => (self.plan.acks, self.plan.ack_delay),
        };
        if self.chance.percent(acks) {
            self.after(delay, Happening::Ack(nth, mid));
        }
        Ok(())
    }

    /// Over whatever link it has now.
    pub(super) fn acknowledge(&mut self, nth: usize, mid: MessageId) {
        if let Some(link) = self.phones[nth].link.filter(|_| self.phones[nth].is_bound) {
            let alias = self.ledger.accounts[nth].alias.clone();
            self.put_up(link, Message::Ack(Ack::new(alias, mid.to_mid())));
        }
    }

    /// The device leaves and comes back, or not.
    pub(super) fn leave(&mut self, nth: usize, comes_back: bool) {
        let half_open = self.chance.percent(self.plan.half_open);
        self.abandon(nth, !half_open);
        if !comes_back {
            let mut links = self.links.iter_mut();
            while let Some(link) = links.find(|link| link.phone == nth && link.is_ghost) {
                (link.is_ghost, link.is_cut) = (false, true);
            }
        }
        let phone = &mut self.phones[nth];
        phone.attempt += 1;
        phone.is_gone = !comes_back;
        let dial = Happening::Dial(nth, phone.attempt);
        self.schedule.after(Duration::from_secs(6), dial);
    }
}

//! What can happen next.

use super::redis::Stage;
use super::{Slot, World};
use crate::machines::Machines;
use crate::tell::Link;
use std::fmt;

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Starts,
    /// The store carries out a request of a node.
    Carry(Slot, u8),
    /// Its answer arrives.
    Answer(Slot, u8),
    /// It has failed, or so the node is told.
    Fail(Slot, u8),
    /// A node reads its inbox.
    Read(Slot),
    /// The first entry of an inbox is lost.
    Lose(Slot),
    /// A node tells the other one that it has missed something.
    Announce(Slot),
    Connect(Slot),
    /// The node of a link that the device has left finds out.
    Notice(Link),
    /// The device acknowledges.
    Ack,
    Publish(Slot),
    Time,
    Pause(Slot),
    Resume(Slot),
    CutOff(Slot),
    Mend(Slot),
    /// A node is killed; so many of its last words have not left it.
    Crash(Slot, u8),
    /// A node is closed; its driver gives its lease back, or leaves it to end.
    Close(Slot, bool),
    Sweep,
}

impl World {
    /// All that can happen next.
    pub(crate) fn steps(&self, machines: &Machines) -> Vec<Step> {
        let mut steps = Vec::new();
        for slot in [0, 1] {
            self.store_steps(slot, &mut steps);
            self.node_steps(slot, &mut steps);
            if self.may_connect(slot, machines) {
                steps.push(Step::Connect(slot));
            }
        }
        for link in 1..=self.device.count() {
            let way = self.device.way(link);
            let is_left = way.is_open && self.device.link != Some(link);
            if is_left && !self.node(way.slot).is_paused {
                steps.push(Step::Notice(link));
            }
        }
        if self.may_acknowledge() {
            steps.push(Step::Ack);
        }
        if self.may_sweep() {
            steps.push(Step::Sweep);
        }
        if self.wait(machines).is_some() {
            steps.push(Step::Time);
        }
        steps
    }

    fn store_steps(&self, slot: Slot, steps: &mut Vec<Step>) {
        let node = self.node(slot);
        let next: Vec<u8> = self.carried_next(slot).collect();
        if !node.is_cut_off {
            steps.extend(next.iter().map(|at| Step::Carry(slot, *at)));
        }
        if node.is_paused {
            return;
        }
        for (at, request) in (0_u8..).zip(&node.requests) {
            let is_done = request.stage != Stage::Asked;
            if is_done && !node.is_cut_off {
                steps.push(Step::Answer(slot, at));
            }
            if self.left.failures > 0 && (is_done || next.contains(&at)) {
                steps.push(Step::Fail(slot, at));
            }
        }
    }

    fn node_steps(&self, slot: Slot, steps: &mut Vec<Step>) {
        let node = self.node(slot);
        let is_in_touch = !node.is_cut_off && !node.is_paused;
        if !node.inbox.is_empty() {
            if is_in_touch {
                steps.push(Step::Read(slot));
            }
            if self.left.losses > 0 {
                steps.push(Step::Lose(slot));
            }
        }
        if node.owes && is_in_touch {
            steps.push(Step::Announce(slot));
        }
        if self.left.messages > 0 && !node.is_paused {
            steps.push(Step::Publish(slot));
        }
        if node.is_paused {
            steps.push(Step::Resume(slot));
        } else if self.left.pauses > 0 {
            steps.push(Step::Pause(slot));
        }
        if node.is_cut_off {
            steps.push(Step::Mend(slot));
        } else if self.left.outages > 0 {
            steps.push(Step::CutOff(slot));
        }
        if self.left.ends > 0 && is_in_touch {
            steps.extend([false, true].map(|is_given_back| Step::Close(slot, is_given_back)));
        }
        if self.left.crashes > 0 {
            let inbox = self.node(1 - slot).inbox.iter().rev();
            let unsent = inbox.take_while(|(from, _)| *from == node.id).count();
            let most = u8::try_from(unsent).expect("few words");
            steps.extend((0..=most).map(|unsent| Step::Crash(slot, unsent)));
        }
    }

    /// Clients are sent to no node without a lease, and reach none that stands still.
    fn may_connect(&self, slot: Slot, machines: &Machines) -> bool {
        let node = self.node(slot);
        let is_open = !node.is_paused && !machines.see(node.state).is_fenced;
        let may = match self.device.link {
            Some(link) => {
                let is_other = self.device.way(link).slot != slot;
                self.left.moves > 0 && (is_other || self.plan.is_restless)
            }
            None => true,
        };
        is_open && may
    }

    fn may_acknowledge(&self) -> bool {
        let Some(link) = self.device.link else {
            return false;
        };
        self.device.has_unacked() && !self.node(self.device.way(link).slot).is_paused
    }

    /// What comes next if nothing more goes wrong. One of [`Self::steps`], so that every state has a
    /// way to where nothing but time goes on.
    pub(crate) fn next(&self, machines: &Machines) -> Option<Step> {
        let steps = self.steps(machines);
        let rank = |step: &Step| match step {
            Step::Resume(_) | Step::Mend(_) => Some(0),
            Step::Carry(..) => Some(1),
            Step::Answer(..) => Some(2),
            Step::Announce(_) => Some(3),
            Step::Read(_) => Some(4),
            Step::Ack => Some(5),
            Step::Connect(_) if self.device.link.is_none() => Some(6),
            Step::Time => Some(7),
            _ => None,
        };
        let ranked = steps
            .into_iter()
            .filter_map(|step| Some((rank(&step)?, step)));
        ranked.min_by_key(|(rank, _)| *rank).map(|(_, step)| step)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Starts => f.write_str("all start"),
            Self::Carry(slot, at) => write!(f, "the store does request {at} of node {slot}"),
            Self::Answer(slot, at) => write!(f, "the store answers request {at} of node {slot}"),
            Self::Fail(slot, at) => write!(f, "request {at} of node {slot} fails"),
            Self::Read(slot) => write!(f, "node {slot} reads its inbox"),
            Self::Lose(slot) => write!(f, "the first entry of inbox {slot} is lost"),
            Self::Announce(slot) => write!(f, "node {slot} says that something was missed"),
            Self::Connect(slot) => write!(f, "the device connects to node {slot}"),
            Self::Notice(link) => write!(f, "link {link} is noticed to be dead"),
            Self::Ack => f.write_str("the device acknowledges"),
            Self::Publish(slot) => write!(f, "a message is published at node {slot}"),
            Self::Time => f.write_str("time passes"),
            Self::Pause(slot) => write!(f, "node {slot} stands still"),
            Self::Resume(slot) => write!(f, "node {slot} goes on"),
            Self::CutOff(slot) => write!(f, "node {slot} cannot reach the store"),
            Self::Mend(slot) => write!(f, "node {slot} reaches the store again"),
            Self::Crash(slot, unsent) => {
                write!(
                    f,
                    "node {slot} is killed, {unsent} of its last words with it"
                )
            }
            Self::Close(slot, true) => write!(f, "node {slot} is closed and gives its lease back"),
            Self::Close(slot, false) => write!(f, "node {slot} is closed"),
            Self::Sweep => f.write_str("the alias of the dead node is given to nobody"),
        }
    }
}

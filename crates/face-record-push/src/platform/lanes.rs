//! Whose turn it is to send a body.

use super::LinkId;
use crate::{ExchangeId, SerialNumber};
use std::collections::{BTreeMap, VecDeque};

//= docs/spec/face-record-push.md#fairness
//# What one terminal does MUST NOT change what another one is answered.
/// The lanes, one for each terminal: a terminal with a backlog of 50,000 records has one turn where a
/// quiet one has one.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    queues: BTreeMap<Lane, Queue>,
    /// Lanes whose turn may come: nobody holds them, somebody waits.
    turns: BTreeMap<u64, Lane>,
    next_turn: u64,
    waiting: usize,
}

/// Whose lane it is: the terminal's, or as long as its head does not tell, the connection's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lane {
    Terminal(SerialNumber),
    Link(LinkId),
}

#[derive(Debug, Default)]
struct Queue {
    /// Who sends a body or has it stored.
    holder: Option<ExchangeId>,
    waiting: VecDeque<ExchangeId>,
    turn: Option<u64>,
}

impl Lanes {
    /// Gets in line.
    pub(super) fn enter(&mut self, lane: &Lane, id: ExchangeId) {
        let queue = self.queues.entry(lane.clone()).or_default();
        queue.waiting.push_back(id);
        self.waiting = self.waiting.saturating_add(1);
        self.settle(lane);
    }

    /// Whose turn it is.
    pub(super) fn next(&self) -> Option<ExchangeId> {
        let (_, lane) = self.turns.first_key_value()?;
        self.queues.get(lane)?.waiting.front().copied()
    }

    /// Takes the turn that [`Self::next`] told.
    pub(super) fn take_turn(&mut self) {
        let Some((_, lane)) = self.turns.pop_first() else {
            return;
        };
        if let Some(queue) = self.queues.get_mut(&lane) {
            queue.turn = None;
            queue.holder = queue.waiting.pop_front();
            self.waiting = self.waiting.saturating_sub(1);
        }
    }

    /// Gets out of the line, or gives the lane to the next, behind all other lanes.
    pub(super) fn leave(&mut self, lane: &Lane, id: ExchangeId) {
        let Some(queue) = self.queues.get_mut(lane) else {
            return;
        };
        if queue.holder == Some(id) {
            queue.holder = None;
        }
        if let Some(at) = queue.waiting.iter().position(|waiting| *waiting == id) {
            queue.waiting.remove(at);
            self.waiting = self.waiting.saturating_sub(1);
        }
        self.settle(lane);
    }

    /// The one that has waited longest, if more than `max` wait in this lane.
    pub(super) fn crowded(&self, lane: &Lane, max: usize) -> Option<ExchangeId> {
        let waiting = &self.queues.get(lane)?.waiting;
        waiting.front().copied().filter(|_| waiting.len() > max)
    }

    /// How many wait, in all lanes.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Puts a lane among the turns, or takes it out.
    fn settle(&mut self, lane: &Lane) {
        let Some(queue) = self.queues.get_mut(lane) else {
            return;
        };
        //= docs/spec/face-record-push.md#fairness
        //# The receiver MUST NOT read more than one body of a lane at a time.
        match (queue.holder, queue.waiting.is_empty(), queue.turn) {
            (None, false, None) => {
                queue.turn = Some(self.next_turn);
                self.turns.insert(self.next_turn, lane.clone());
                self.next_turn = self.next_turn.saturating_add(1);
            }
            (_, true, Some(turn)) => {
                queue.turn = None;
                self.turns.remove(&turn);
            }
            _ => {}
        }
        if queue.holder.is_none() && queue.waiting.is_empty() {
            self.queues.remove(lane);
        }
    }
}

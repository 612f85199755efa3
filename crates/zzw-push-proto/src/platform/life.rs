//! Stopping.

use super::balance::mix;
use super::vocabulary::{Event, LinkEnd, NodeMessage, Reason, Refused};
use super::{LinkId, Platform, later};
use crate::wire::{Code, Num, Text};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Whether the broker goes on.
#[derive(Debug)]
pub(super) enum Life {
    Open,
    /// Links are closed at these times.
    Draining(BTreeSet<(Instant, LinkId)>),
    Closed,
}

impl Platform {
    /// Takes no new links and closes those there are, spread over [`super::Config::drain_over`] so
    /// that not all of them connect elsewhere at once. Ends with [`Event::Closed`].
    //= docs/spec/zzw-push-proto.md#load
    //# A broker that drains MUST refuse new links with `draining` and close those that it has over
    //# `drain_over`.
    pub fn drain(&mut self, now: Instant) {
        self.handle_timeout(now);
        if !matches!(self.life, Life::Open) {
            return;
        }
        let over = u64::try_from(self.config.drain_over.as_millis()).unwrap_or(u64::MAX);
        let mut dice = self.config.seed;
        let mut ends = BTreeSet::new();
        for id in self.links.ids() {
            let millis = draw(&mut dice).checked_rem(over).unwrap_or(0);
            let at = later(now, Duration::from_millis(millis)).unwrap_or(now);
            ends.insert((at, id));
        }
        self.life = Life::Draining(ends);
        //= docs/spec/zzw-push-proto.md#node
        //# A broker that drains or has ended MUST tell the other nodes so.
        self.tell_nodes(&NodeMessage::Announce(self.info()));
        self.hurry_releases();
        self.fire_drain(now);
        self.end_if_drained(now);
    }

    /// Closes all links and ends. What the store has not answered is not acknowledged to anybody.
    pub fn close(&mut self, now: Instant) {
        self.handle_timeout(now);
        self.stop(now, Reason::Local);
    }

    /// Closes the link of an alias.
    ///
    /// # Errors
    ///
    /// [`Refused::Unknown`] if no link of this node has it.
    pub fn kick(&mut self, now: Instant, alias: Text) -> Result<(), Refused<Text>> {
        self.handle_timeout(now);
        let Some(link) = self.owners.get(&alias).copied() else {
            return Err(Refused::Unknown(alias));
        };
        self.end(now, link, LinkEnd::Kicked);
        self.end_if_drained(now);
        Ok(())
    }

    /// True once [`Event::Closed`] has been queued.
    pub fn is_closed(&self) -> bool {
        matches!(self.life, Life::Closed)
    }

    /// True once [`Self::drain`] has been called.
    pub fn is_draining(&self) -> bool {
        !matches!(self.life, Life::Open)
    }

    pub(super) fn fire_drain(&mut self, now: Instant) {
        while let Life::Draining(ends) = &mut self.life {
            let Some((at, id)) = ends.first().copied().filter(|(at, _)| *at <= now) else {
                return;
            };
            ends.remove(&(at, id));
            if self.links.contains(id) {
                self.fail(id, Code::Draining, Num::Absent);
                self.end(now, id, LinkEnd::Closing);
            }
        }
    }

    pub(super) fn next_drain(&self) -> Option<Instant> {
        match &self.life {
            Life::Draining(ends) => ends.first().map(|(at, _)| *at),
            _ => None,
        }
    }

    /// The last link has gone, and what calls and the application wait for is settled.
    //= docs/spec/zzw-push-proto.md#load
    //# A broker that drains MUST end when its last link has gone and the store has answered.
    pub(super) fn end_if_drained(&mut self, now: Instant) {
        let is_idle = self.links.is_empty() && self.pending.is_empty() && self.releases.is_empty();
        if matches!(self.life, Life::Draining(_)) && is_idle {
            self.stop(now, Reason::Drained);
        }
    }

    fn stop(&mut self, now: Instant, reason: Reason) {
        if self.is_closed() {
            return;
        }
        for id in self.links.ids() {
            self.end(now, id, LinkEnd::Closing);
        }
        self.pending.clear();
        self.publications.clear();
        self.asked.clear();
        self.releases.clear();
        self.presence.clear();
        self.counters.held_bytes = 0;
        self.tell_unsure(now);
        self.tell_nodes(&NodeMessage::Gone);
        self.life = Life::Closed;
        self.tell(Event::Closed(reason));
    }
}

/// The next number of a sequence that looks random.
pub(super) fn draw(state: &mut u64) -> u64 {
    let number = mix(*state);
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    number
}

//! What is read after the process stood still may be old.

use super::link::Frame;
use super::{LinkId, Platform, later};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Until when what is read may have waited while the process stood still.
#[derive(Debug, Default)]
pub(super) struct Paused {
    /// So long that a command is too late for a door.
    for_doors: Option<Instant>,
    /// So long that whoever wanted an alias has gone elsewhere.
    for_aliases: Option<Instant>,
    /// The links that wait for that to be over, in the order in which they wanted aliases.
    postponed: BTreeMap<u64, LinkId>,
    next: u64,
}

/// What has waited in sockets is read by then, also that somebody has given up; nobody gives up
/// sooner.
const CATCH_UP: Duration = Duration::from_secs(1);

impl Platform {
    /// After a pause, nobody knows when what is read was sent. What is read later than half of a
    /// command's life after it was not there before; and if the pause was shorter than the other
    /// half, nothing is too old.
    pub(super) fn paused(&mut self, now: Instant, pause: Duration) {
        let half = self.config.door_life.checked_div(2).unwrap_or_default();
        if pause >= half {
            self.paused.for_doors = self.paused.for_doors.max(later(now, half));
        }
        if pause >= CATCH_UP {
            self.paused.for_aliases = self.paused.for_aliases.max(later(now, CATCH_UP));
        }
    }

    /// True if a command that was read then may have been there before a pause.
    //= docs/spec/zzw-push-proto.md#permission
    //# The same MUST become of one that may have waited so long because the process stood still.
    pub(super) fn may_have_waited(&self, read: Instant) -> bool {
        self.paused.for_doors.is_some_and(|until| read < until)
    }

    /// Lets a frame that wants an alias wait while its link may be one that was given up long ago,
    /// which would take the alias from a newer one; gives back any other.
    //= docs/spec/zzw-push-proto.md#alias
    //# When the process stood still, a link MUST NOT be bound before what may have waited meanwhile
    //# is read, and not at all if its end is among that.
    pub(super) fn postpone(&mut self, now: Instant, id: LinkId, frame: Frame) -> Option<Frame> {
        let is_over = self.paused.for_aliases.is_none_or(|until| until <= now);
        if is_over || self.alias_to_bind(id, &frame.message).is_none() {
            return Some(frame);
        }
        let link = self.links.get_mut(id)?;
        let place = self.paused.next;
        self.paused.next = place.saturating_add(1);
        self.paused.postponed.insert(place, id);
        let waiting = link.waiting.get_or_insert_default();
        waiting.postponed = Some(place);
        let weight = waiting.push(frame, true);
        self.hold(weight);
        None
    }

    /// Serves the frames that were postponed, once it is time.
    pub(super) fn fire_postponed(&mut self, now: Instant) {
        if self.next_postponed().is_none_or(|until| until > now) {
            return;
        }
        for id in std::mem::take(&mut self.paused.postponed).into_values() {
            if let Some(frame) = self.take_up(id) {
                self.perform(now, id, frame);
            }
            self.go_on(now, id);
        }
    }

    pub(super) fn next_postponed(&self) -> Option<Instant> {
        let has_any = !self.paused.postponed.is_empty();
        self.paused.for_aliases.filter(|_| has_any)
    }

    /// A link is over.
    pub(super) fn forget_postponed(&mut self, place: u64) {
        self.paused.postponed.remove(&place);
    }
}

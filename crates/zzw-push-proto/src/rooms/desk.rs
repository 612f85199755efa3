//! What all rooms share: links, memory, counts, and the way out.

use super::{
    Config, Counters, Departure, Event, LinkId, Loss, Output, Role, RoomFrame, RoomKind, RoomPath,
};
use crate::wire::Text;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Desk {
    pub(super) config: Config,
    pub(super) links: BTreeMap<LinkId, Place>,
    pub(super) counters: Counters,
    pub(super) out: VecDeque<Output>,
    held: usize,
}

/// Where a link is.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) key: Key,
    pub(super) role: Option<Role>,
}

/// Names a room. The same name leads to different rooms by different kinds of path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
//= docs/spec/zzw-push-proto.md#room-path
//# Rooms of one name and of different kinds MUST NOT meet.
pub(super) struct Key {
    pub(super) kind: RoomKind,
    pub(super) name: Text,
}

impl Desk {
    pub(super) fn new(config: Config) -> Self {
        Self {
            config,
            links: BTreeMap::new(),
            counters: Counters::default(),
            out: VecDeque::new(),
            held: 0,
        }
    }

    /// Reserves memory for a frame, if there is any.
    //= docs/spec/zzw-push-proto.md#room
    //# What waits in all rooms together MUST NOT exceed `max_held` bytes.
    pub(super) fn hold(&mut self, frame: &RoomFrame) -> bool {
        let held = self.held.saturating_add(frame.cost());
        let is_room = held <= self.config.max_held;
        if is_room {
            self.held = held;
        }
        is_room
    }

    /// Gives back what [`Self::hold`] took.
    pub(super) fn release(&mut self, frame: &RoomFrame) {
        self.held = self.held.saturating_sub(frame.cost());
    }

    pub(super) fn held(&self) -> usize {
        self.held
    }

    pub(super) fn send(&mut self, link: LinkId, frame: Arc<RoomFrame>) {
        count(&mut self.counters.sent, 1);
        self.out.push_back(Output::Send(link, frame));
    }

    /// A link is out of its room; it is closed, unless it went by itself.
    pub(super) fn dismiss(&mut self, link: LinkId, why: Departure) {
        self.links.remove(&link);
        count(&mut self.counters.left, 1);
        self.tell(Event::Left(link, why));
        if let Some(code) = why.close_code() {
            self.out.push_back(Output::Disconnect(link, code));
        }
    }

    /// Frames are thrown away.
    //= docs/spec/zzw-push-proto.md#room
    //# Frames that are thrown away MUST be counted and reported with the reason.
    pub(super) fn lose(&mut self, key: &Key, link: Option<LinkId>, frames: u64, why: Loss) {
        if frames == 0 {
            return;
        }
        let counters = &mut self.counters;
        let counter = match why {
            Loss::Missed => &mut counters.missed,
            Loss::Overflow => &mut counters.overflowed,
            Loss::Expired => &mut counters.expired,
            Loss::Unheard => &mut counters.unheard,
            Loss::Unfit | Loss::TooBig => &mut counters.unfit,
            Loss::Left => &mut counters.left_behind,
        };
        count(counter, frames);
        self.tell(Event::Lost {
            kind: key.kind,
            room: key.name.clone(),
            link,
            frames,
            why,
        });
    }

    pub(super) fn tell(&mut self, event: Event) {
        self.out.push_back(Output::Event(event));
    }
}

impl Key {
    pub(super) fn of(path: &RoomPath) -> Self {
        Self {
            kind: path.kind(),
            name: path.room().clone(),
        }
    }
}

pub(super) fn count(counter: &mut u64, by: u64) {
    *counter = counter.saturating_add(by);
}

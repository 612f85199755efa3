//! The relay rooms of port 9000: capture pictures, intercom calls, and who opens the door.
//!
//! [`RoomPath`] is how a link says where it wants to go, [`Rooms`] what happens there. The field end
//! needs nothing but the path: what goes through a room is its own affair.

mod desk;
mod frame;
mod many_to_many;
mod one_to_many;
mod one_to_one;
mod outbox;
mod path;
mod room;
mod signal;
mod switchboard;
mod vocabulary;

pub use frame::RoomFrame;
pub use path::{DeviceKind, PathError, Place, Role, RoomKind, RoomPath};
pub use signal::{Signal, SignalId, SignalKind};
pub use vocabulary::{
    CloseCode, Config, Counters, Departure, Event, Input, LinkId, Loss, Output, Reason, Refusal,
    SignalDrop, Sizes,
};

use crate::wire::Text;
use desk::{Desk, Key, count};
use many_to_many::ManyToMany;
use one_to_many::OneToMany;
use one_to_one::OneToOne;
use room::{Member, Room};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use switchboard::Switchboard;

/// The relay: who is in which room, and who hears what.
///
/// # What is guaranteed
///
/// What one link says, others hear in the same order, and nobody hears on the side that it was said
/// on. A call has at most one link on each side. A viewer who is slow is shown the latest picture
/// and costs nobody else anything. A signal is sent on at once, once, to the other side, or never.
///
/// # What the driver owes
///
/// Outputs may be drained at any time, and [`Input::Drained`] is told only when nothing is left to
/// write to the link: then no more than one window of frames for each link is outside of this
/// machine. Inputs that come late or doubled do nothing.
///
/// ```
/// use std::time::Instant;
/// use zzw_push_proto::rooms::{Config, Input, LinkId, Output, RoomFrame, RoomPath, Rooms};
///
/// # #[allow(clippy::disallowed_methods)]
/// let now = Instant::now();
/// let mut rooms = Rooms::new(Config::new());
/// for (link, path) in [(1, "/capture-7-3-2/0"), (2, "/capture-7-3-2/1")] {
///     let path = RoomPath::parse(path).unwrap();
///     rooms.handle_input(now, Input::Connected(LinkId(link), path));
/// }
/// let picture = RoomFrame::Binary("jpeg".into());
/// rooms.handle_input(now, Input::Received(LinkId(1), picture.clone()));
/// let sent = std::iter::from_fn(|| rooms.poll_output());
/// let sent = sent.filter(|output| matches!(output, Output::Send(..)));
/// assert_eq!(sent.collect::<Vec<_>>(), [Output::Send(LinkId(2), picture.into())]);
/// ```
#[derive(Debug)]
pub struct Rooms {
    desk: Desk,
    open: BTreeMap<Key, Slot>,
    /// When rooms are to be looked at: never later than something in them is due.
    due: BTreeSet<(Instant, Key)>,
    /// Rooms by kind.
    sizes: Sizes,
    switchboard: Switchboard,
    is_closed: bool,
}

#[derive(Debug)]
struct Slot {
    room: Kind,
    armed: Option<Instant>,
}

#[derive(Debug)]
enum Kind {
    OneToMany(OneToMany),
    OneToOne(OneToOne),
    ManyToMany(ManyToMany),
}

impl Rooms {
    /// No rooms yet.
    pub fn new(config: Config) -> Self {
        Self {
            desk: Desk::new(config.sane()),
            open: BTreeMap::new(),
            due: BTreeSet::new(),
            sizes: Sizes::default(),
            switchboard: Switchboard::default(),
            is_closed: false,
        }
    }

    /// Takes one fact from the world. Never fails: what a link did wrong comes out as output.
    pub fn handle_input(&mut self, now: Instant, input: Input) {
        self.handle_timeout(now);
        if self.is_closed {
            return;
        }
        match input {
            Input::Connected(link, path) => self.connected(now, link, &path),
            Input::Received(link, frame) => self.received(now, link, frame),
            Input::Posted(path, frame) => self.posted(now, &path, frame),
            Input::Slow(link) => {
                self.switchboard.slow(link, true);
                self.with_room(now, link, |room, link, _, _| room.slow(now, link));
            }
            Input::Drained(link) => {
                self.switchboard.slow(link, false);
                self.with_room(now, link, |room, link, key, desk| {
                    room.drained(now, link, key, desk);
                });
            }
            Input::Disconnected(link) => {
                self.switchboard.disconnected(link);
                self.with_room(now, link, |room, link, key, desk| {
                    room.leave(now, link, Departure::Gone, key, desk);
                });
            }
            Input::Signal {
                link,
                signal,
                is_authorised,
            } => {
                let desk = &mut self.desk;
                self.switchboard
                    .signal(now, link, &signal, is_authorised, desk);
            }
            Input::FarSignal(signal) => {
                self.switchboard.far_signal(now, &signal, &mut self.desk);
            }
        }
    }

    /// Fires what is due at `now`. Harmless when called early, late or twice.
    //= docs/spec/zzw-push-proto.md#device-link
    //# When outputs are drained and how often timers fire MUST NOT change what a machine does.
    pub fn handle_timeout(&mut self, now: Instant) {
        while self.due.first().is_some_and(|(due, _)| *due <= now) {
            let Some((_, key)) = self.due.pop_first() else {
                break;
            };
            let Some(slot) = self.open.get_mut(&key) else {
                continue;
            };
            let room = slot.room.rules();
            room.fire(now, &key, &mut self.desk);
            slot.armed = room.next(&self.desk);
            if let Some(due) = slot.armed {
                self.due.insert((due, key.clone()));
            }
            self.sweep(&key);
        }
    }

    /// Next thing to do, oldest first; `None` when there is nothing until the next input.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.desk.out.pop_front()
    }

    /// When to call [`Self::handle_timeout`]; `None` means no timer is armed.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Ends the machine: every link is closed, what waits is thrown away, and [`Event::Closed`] is
    /// the last output.
    pub fn close(&mut self, now: Instant) {
        self.handle_timeout(now);
        if self.is_closed {
            return;
        }
        self.is_closed = true;
        for (key, slot) in &mut self.open {
            slot.room.rules().clear(key, &mut self.desk);
        }
        let links: Vec<LinkId> = self.desk.links.keys().copied().collect();
        for link in links {
            self.desk.dismiss(link, Departure::Closed);
        }
        self.open.clear();
        self.sizes = Sizes::default();
        self.due.clear();
        self.switchboard = Switchboard::default();
        //= docs/spec/zzw-push-proto.md#device-link
        //# A machine that is closed MUST report so once, and no other event after that.
        self.desk.tell(Event::Closed(Reason::Local));
    }

    /// Every room that is there.
    pub fn rooms(&self) -> impl Iterator<Item = (RoomKind, &Text)> {
        self.open.keys().map(|key| (key.kind, &key.name))
    }

    /// Closes the links of a room that has another home now, so that they look for it there; what
    /// waits in it is thrown away.
    pub fn move_out(&mut self, now: Instant, kind: RoomKind, room: &Text) {
        self.handle_timeout(now);
        let name = room.clone();
        let key = Key { kind, name };
        let links = self.desk.links.iter();
        let links: Vec<LinkId> = links
            .filter(|(_, place)| place.key == key)
            .map(|(link, _)| *link)
            .collect();
        for link in links {
            self.with_room(now, link, |room, link, key, desk| {
                room.leave(now, link, Departure::Moved, key, desk);
            });
        }
    }

    /// True once [`Event::Closed`] has been queued.
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// What has been counted so far.
    pub fn counters(&self) -> Counters {
        self.desk.counters
    }

    /// How many rooms and links there are.
    pub fn sizes(&self) -> Sizes {
        let links = u64::try_from(self.desk.links.len()).unwrap_or(u64::MAX);
        Sizes {
            links,
            ..self.sizes
        }
    }

    /// Bytes that wait in all rooms now: at most [`Config::max_held`]. Short frames count 64.
    pub fn held_bytes(&self) -> usize {
        self.desk.held()
    }

    fn connected(&mut self, now: Instant, link: LinkId, path: &RoomPath) {
        if self.desk.links.contains_key(&link) {
            return;
        }
        if let Some(refusal) = self.refusal(path) {
            count(&mut self.desk.counters.refused, 1);
            self.desk.tell(Event::Refused(link, refusal));
            let code = refusal.close_code();
            return self.desk.out.push_back(Output::Disconnect(link, code));
        }
        let key = Key::of(path);
        let place = desk::Place {
            key: key.clone(),
            role: path.role(),
        };
        self.desk.links.insert(link, place);
        count(&mut self.desk.counters.joined, 1);
        self.desk.tell(Event::Joined(link, path.clone()));
        self.room(now, &key);
        self.with_room(now, link, |room, link, key, desk| {
            room.join(now, link, key, desk);
        });
    }

    //= docs/spec/zzw-push-proto.md#room
    //# Links, rooms, viewers of a camera and links in a room of many MUST NOT exceed their limits,
    //# and whoever comes beyond be closed with 1013.
    fn refusal(&mut self, path: &RoomPath) -> Option<Refusal> {
        let config = &self.desk.config;
        //= docs/spec/zzw-push-proto.md#room-of-many
        //# A room of many MUST be refused with 1008 unless it is switched on.
        if path.kind() == RoomKind::ManyToMany && !config.many_to_many {
            return Some(Refusal::ManyToMany);
        }
        if self.desk.links.len() >= config.max_links {
            return Some(Refusal::Links);
        }
        let Some(slot) = self.open.get_mut(&Key::of(path)) else {
            let is_full = self.open.len() >= config.max_rooms;
            return is_full.then_some(Refusal::Rooms);
        };
        let is_full = !slot.room.rules().has_place(path.role(), config);
        is_full.then_some(Refusal::RoomFull)
    }

    fn received(&mut self, now: Instant, link: LinkId, frame: RoomFrame) {
        self.with_room(now, link, |room, link, key, desk| {
            count(&mut desk.counters.received, 1);
            let is_picture = (key.kind, link.role) == (RoomKind::OneToMany, Some(Role::Zero));
            let max = if is_picture {
                desk.config.max_picture
            } else {
                desk.config.max_frame
            };
            //= docs/spec/zzw-push-proto.md#room
            //# A link that sends a frame beyond the limit MUST be closed with 1009.
            if frame.len() > max {
                desk.lose(key, None, 1, Loss::TooBig);
                return room.leave(now, link, Departure::TooBig, key, desk);
            }
            room.received(now, link, Arc::new(frame), key, desk);
        });
    }

    fn posted(&mut self, now: Instant, path: &RoomPath, frame: RoomFrame) {
        let (key, config) = (Key::of(path), &self.desk.config);
        let is_new = !self.open.contains_key(&key);
        //= docs/spec/zzw-push-proto.md#capture
        //# The body of a POST MUST be taken for a picture where the path is a camera's, and for
        //# nothing elsewhere.
        let loss = if !path.takes_posts() {
            Some(Loss::Unfit)
        } else if frame.len() > config.max_picture {
            Some(Loss::TooBig)
        } else if is_new && self.open.len() >= config.max_rooms {
            Some(Loss::Overflow)
        } else {
            None
        };
        count(&mut self.desk.counters.received, 1);
        if let Some(why) = loss {
            return self.desk.lose(&key, None, 1, why);
        }
        self.room(now, &key);
        let slot = self.open.get_mut(&key);
        if let Some(Kind::OneToMany(room)) = slot.map(|slot| &mut slot.room) {
            room.publish(now, &Arc::new(frame), &mut self.desk);
        }
        self.settle(now, &key);
    }

    /// Makes a room, unless it is there.
    fn room(&mut self, now: Instant, key: &Key) {
        if !self.open.contains_key(key) {
            count(self.sizes.of(key.kind), 1);
            self.open.insert(key.clone(), Slot::new(now, key.kind));
        }
    }

    /// Does something to the room that a link is in, if it is in one.
    fn with_room(
        &mut self,
        now: Instant,
        link: LinkId,
        act: impl FnOnce(&mut dyn Room, Member, &Key, &mut Desk),
    ) {
        let Some(desk::Place { key, role }) = self.desk.links.get(&link).cloned() else {
            return;
        };
        if let Some(slot) = self.open.get_mut(&key) {
            let member = Member { id: link, role };
            act(slot.room.rules(), member, &key, &mut self.desk);
        }
        self.settle(now, &key);
    }

    /// A room was touched: it has ended, or has to be looked at before anything can be due.
    fn settle(&mut self, now: Instant, key: &Key) {
        if self.sweep(key) {
            return;
        }
        let Some(slot) = self.open.get_mut(key) else {
            return;
        };
        let wait = slot.room.rules().shortest_wait(&self.desk.config);
        let Some(due) = after(now, wait) else {
            return;
        };
        if slot.armed.is_some_and(|armed| armed <= due) {
            return;
        }
        if let Some(armed) = slot.armed.replace(due) {
            self.due.remove(&(armed, key.clone()));
        }
        self.due.insert((due, key.clone()));
    }

    /// Removes a room that has ended.
    //= docs/spec/zzw-push-proto.md#room
    //# A room MUST end with its last link, or with its last picture if that is later.
    fn sweep(&mut self, key: &Key) -> bool {
        let Some(slot) = self.open.get_mut(key) else {
            return true;
        };
        if !slot.room.rules().is_over() {
            return false;
        }
        slot.room.rules().clear(key, &mut self.desk);
        if let Some(armed) = slot.armed {
            self.due.remove(&(armed, key.clone()));
        }
        self.open.remove(key);
        let size = self.sizes.of(key.kind);
        *size = size.saturating_sub(1);
        true
    }
}

impl Slot {
    fn new(now: Instant, kind: RoomKind) -> Self {
        let room = match kind {
            RoomKind::OneToMany => Kind::OneToMany(OneToMany::default()),
            RoomKind::OneToOne => Kind::OneToOne(OneToOne::new(now)),
            RoomKind::ManyToMany => Kind::ManyToMany(ManyToMany::default()),
        };
        Self { room, armed: None }
    }
}

impl Kind {
    fn rules(&mut self) -> &mut dyn Room {
        match self {
            Self::OneToMany(room) => room,
            Self::OneToOne(room) => room,
            Self::ManyToMany(room) => room,
        }
    }
}

/// `wait` after `now`; a time too far away to be told never comes.
fn after(now: Instant, wait: Duration) -> Option<Instant> {
    now.checked_add(wait)
}

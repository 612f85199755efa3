//! Who is to hear which signal.

use super::desk::{Desk, count};
use super::path::is_name;
use super::{
    Event, LinkId, Output, Role, RoomPath, Signal, SignalDrop, SignalId, SignalKind, after,
};
use crate::wire::Text;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

/// Which links are on which side of which room, as they announced it themselves. Signals are never
/// in here: what cannot be sent on at once is gone.
#[derive(Debug, Default)]
pub(super) struct Switchboard {
    rooms: BTreeMap<Text, BTreeMap<LinkId, Role>>,
    links: BTreeMap<LinkId, Announced>,
    announcements: usize,
    /// Kept apart, so that no flood of announcements keeps a door shut.
    doors: Seen,
    others: Seen,
}

#[derive(Debug, Default)]
struct Announced {
    rooms: BTreeSet<Text>,
    is_slow: bool,
}

/// Signals that are not yet too old, and so must be known again.
#[derive(Debug, Default)]
struct Seen {
    ids: BTreeSet<SignalId>,
    until: BTreeSet<(Instant, SignalId)>,
}

impl Switchboard {
    pub(super) fn signal(
        &mut self,
        now: Instant,
        from: LinkId,
        signal: &Arc<Signal>,
        is_authorised: bool,
        desk: &mut Desk,
    ) {
        match self.pass(now, from, signal, is_authorised, desk) {
            Ok(receivers) => desk.tell(Event::Signalled {
                signal: Arc::clone(signal),
                from,
                receivers,
            }),
            Err(why) => {
                count(&mut desk.counters.signals_dropped, 1);
                desk.tell(Event::SignalDropped {
                    signal: Arc::clone(signal),
                    from,
                    why,
                });
            }
        }
    }

    pub(super) fn slow(&mut self, link: LinkId, is_slow: bool) {
        if let Some(announced) = self.links.get_mut(&link) {
            announced.is_slow = is_slow;
        }
    }

    pub(super) fn disconnected(&mut self, link: LinkId) {
        let Some(announced) = self.links.remove(&link) else {
            return;
        };
        for name in announced.rooms {
            let Some(room) = self.rooms.get_mut(&name) else {
                continue;
            };
            room.remove(&link);
            self.announcements = self.announcements.saturating_sub(1);
            if room.is_empty() {
                self.rooms.remove(&name);
            }
        }
    }

    fn pass(
        &mut self,
        now: Instant,
        from: LinkId,
        signal: &Arc<Signal>,
        is_authorised: bool,
        desk: &mut Desk,
    ) -> Result<usize, SignalDrop> {
        //= docs/spec/zzw-push-proto.md#door
        //# A door frame that is not allowed MUST be dropped, counted and reported.
        if !is_authorised {
            return Err(SignalDrop::Unauthorised);
        }
        let room = &signal.door.room;
        if !is_name(room, RoomPath::MAX_ROOM) {
            //= docs/spec/zzw-push-proto.md#door
            //# A door frame of a room with an impossible name MUST be dropped.
            return Err(SignalDrop::NoRoom);
        }
        //= docs/spec/zzw-push-proto.md#door
        //# A link that sends type 9 MUST be announced as a phone of the room, and one that sends
        //# type 10 as its door.
        let (to, announced) = signal.kind.sides();
        // Who is there is true however late it is told; the link is still open.
        if let Some(role) = announced {
            self.announce(from, room, role, desk)?;
        }
        let deadline = self.admit(now, signal, desk)?;
        let links = self.rooms.get(room);
        if links.and_then(|links| links.get(&from)) == Some(&to) {
            //= docs/spec/zzw-push-proto.md#door
            //# A link that has announced a door MUST NOT open it.
            return Err(SignalDrop::WrongSide);
        }
        let receivers = self.send(to, signal, deadline, desk);
        if desk.config.has_others {
            //= docs/spec/zzw-push-proto.md#door
            //# A door frame that is let through MUST be told to the other nodes, which send it on to
            //# their links by the same rules, and to no node.
            desk.out.push_back(Output::Relay(Arc::clone(signal)));
            return Ok(receivers);
        }
        //= docs/spec/zzw-push-proto.md#door
        //# A door frame MUST be sent on at once or never.
        if receivers == 0 && signal.kind == SignalKind::OpenDoor {
            return Err(SignalDrop::NoReceiver);
        }
        Ok(receivers)
    }

    /// A signal that another node has let through: who announces itself is there, not here.
    pub(super) fn far_signal(&mut self, now: Instant, signal: &Arc<Signal>, desk: &mut Desk) {
        let passed = self.admit(now, signal, desk).map(|deadline| {
            let (to, _) = signal.kind.sides();
            self.send(to, signal, deadline, desk)
        });
        if passed.is_err() {
            count(&mut desk.counters.signals_dropped, 1);
        }
        desk.tell(Event::FarSignal(Arc::clone(signal), passed));
    }

    /// Lets a signal through once and in time; tells until when it may be sent.
    fn admit(&mut self, now: Instant, signal: &Signal, desk: &Desk) -> Result<Instant, SignalDrop> {
        // A time beyond all time has no end that could be kept.
        let end = after(signal.received, desk.config.door_ttl).ok_or(SignalDrop::Late)?;
        //= docs/spec/zzw-push-proto.md#door
        //# A door frame MUST be sent on with the time after which it is worth nothing, and not be
        //# written after that.
        let deadline = after(now, desk.config.door_ttl).map_or(end, |latest| latest.min(end));
        //= docs/spec/zzw-push-proto.md#door
        //# A door frame MUST NOT be sent on when it is as old as `door_ttl`, which is at most 5 s.
        if end <= now {
            return Err(SignalDrop::Late);
        }
        let seen = match signal.kind {
            //= docs/spec/zzw-push-proto.md#door
            //# A flood of announcements MUST NOT keep a door shut.
            SignalKind::OpenDoor => &mut self.doors,
            _ => &mut self.others,
        };
        seen.note(now, end, signal.id, desk.config.max_signals)?;
        Ok(deadline)
    }

    /// To those on one side of its room; returns how many.
    fn send(&self, to: Role, signal: &Arc<Signal>, deadline: Instant, desk: &mut Desk) -> usize {
        let links = self.rooms.get(&signal.door.room);
        let mut receivers = 0_usize;
        for (link, role) in links.into_iter().flatten() {
            let is_slow = self.links.get(link).is_some_and(|one| one.is_slow);
            //= docs/spec/zzw-push-proto.md#door
            //# A command to open a door MUST be sent to the links that have announced the door of
            //# its room, and to nobody else.
            if *role == to && !is_slow {
                receivers = receivers.saturating_add(1);
                count(&mut desk.counters.signalled, 1);
                desk.out.push_back(Output::Signal {
                    link: *link,
                    signal: Arc::clone(signal),
                    deadline,
                });
            }
        }
        receivers
    }

    fn announce(
        &mut self,
        link: LinkId,
        room: &Text,
        role: Role,
        desk: &Desk,
    ) -> Result<(), SignalDrop> {
        let known = self.rooms.get_mut(room).and_then(|it| it.get_mut(&link));
        if let Some(known) = known {
            *known = role;
            return Ok(());
        }
        let own = self.links.get(&link).map_or(0, |one| one.rooms.len());
        let config = &desk.config;
        if own >= config.max_announced || self.announcements >= config.max_announcements {
            return Err(SignalDrop::TooMany);
        }
        // A slice would hold on to more than the name.
        let room = room.detached();
        self.announcements = self.announcements.saturating_add(1);
        let announced = self.links.entry(link).or_default();
        announced.rooms.insert(room.clone());
        self.rooms.entry(room).or_default().insert(link, role);
        Ok(())
    }
}

impl Seen {
    /// Remembers a signal until it is too old; fails if it is known, or there is no room.
    fn note(
        &mut self,
        now: Instant,
        end: Instant,
        id: SignalId,
        max: usize,
    ) -> Result<(), SignalDrop> {
        while let Some((_, old)) = self.until.first().copied().filter(|(end, _)| *end <= now) {
            self.until.pop_first();
            self.ids.remove(&old);
        }
        //= docs/spec/zzw-push-proto.md#door
        //# A door frame MUST NOT be sent on a second time, not even if it is handed over again.
        if self.ids.contains(&id) {
            return Err(SignalDrop::Repeated);
        }
        //= docs/spec/zzw-push-proto.md#door
        //# A command MUST NOT be let through when more of them come than can be known again.
        // What could not be known again is not let through.
        if self.ids.len() >= max {
            return Err(SignalDrop::TooMany);
        }
        self.ids.insert(id);
        self.until.insert((end, id));
        Ok(())
    }
}

impl SignalKind {
    /// Whom it is for, and where its sender is said to be.
    fn sides(self) -> (Role, Option<Role>) {
        match self {
            Self::OpenDoor => (Role::Zero, None),
            Self::Phone => (Role::Zero, Some(Role::One)),
            Self::Door => (Role::One, Some(Role::Zero)),
        }
    }
}

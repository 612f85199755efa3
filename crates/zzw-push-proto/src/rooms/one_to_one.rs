//! An intercom call.

use super::desk::{Desk, Key};
use super::outbox::Outbox;
use super::room::{Member, Room};
use super::{Config, Departure, LinkId, Loss, Role, RoomFrame, after};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Two seats. What one side says is for the other; until that is there it waits.
#[derive(Debug)]
pub(super) struct OneToOne {
    caller: Seat,
    callee: Seat,
    /// When somebody last came or said something.
    active: Instant,
    /// When both were there for the first time.
    started: Option<Instant>,
    /// Since when one waits for the other to come back.
    alone_since: Option<Instant>,
}

#[derive(Debug, Default)]
struct Seat {
    link: Option<LinkId>,
    inbox: Outbox,
}

impl OneToOne {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            caller: Seat::default(),
            callee: Seat::default(),
            active: now,
            started: None,
            alone_since: None,
        }
    }

    fn seat(&mut self, role: Role) -> &mut Seat {
        match role {
            Role::Zero => &mut self.caller,
            Role::One => &mut self.callee,
        }
    }

    fn seats(&self) -> [(Role, &Seat); 2] {
        [(Role::Zero, &self.caller), (Role::One, &self.callee)]
    }

    /// Why everybody must go now.
    //= docs/spec/zzw-push-proto.md#call
    //# A call without a frame for `idle_timeout` MUST be closed with 1000, and so a call beyond
    //# `max_call` where that is set.
    fn is_at_an_end(&self, now: Instant, desk: &Desk) -> Option<Departure> {
        let is_due = |due: Option<Instant>| due.is_some_and(|due| due <= now);
        let ends = [
            (self.too_long(desk), Departure::TooLongCall),
            (self.left_alone(desk), Departure::Alone),
            (self.idles(desk), Departure::Idle),
        ];
        ends.into_iter()
            .find(|(due, _)| is_due(*due))
            .map(|(_, why)| why)
    }

    fn too_long(&self, desk: &Desk) -> Option<Instant> {
        after(self.started?, desk.config.max_call?)
    }

    //= docs/spec/zzw-push-proto.md#call
    //# Whoever is left alone for `rejoin_wait` MUST be closed with 1000.
    fn left_alone(&self, desk: &Desk) -> Option<Instant> {
        after(self.alone_since?, desk.config.rejoin_wait)
    }

    fn idles(&self, desk: &Desk) -> Option<Instant> {
        after(self.active, desk.config.idle_timeout)
    }
}

impl Room for OneToOne {
    fn has_place(&self, _: Option<Role>, _: &Config) -> bool {
        true
    }

    fn join(&mut self, now: Instant, link: Member, _: &Key, desk: &mut Desk) {
        self.active = now;
        let seat = self.seat(side(link));
        //= docs/spec/zzw-push-proto.md#call
        //# A call MUST have one link on each side at most, the newest, and what it replaces be
        //# closed with 4001.
        if let Some(old) = seat.link.replace(link.id) {
            desk.dismiss(old, Departure::Replaced);
        }
        // Early frames first: a flush comes before anything that is said from now on.
        seat.inbox.open(now, link.id, desk);
        if self.caller.link.is_some() && self.callee.link.is_some() {
            self.alone_since = None;
            self.started.get_or_insert(now);
        }
    }

    fn received(
        &mut self,
        now: Instant,
        from: Member,
        frame: Arc<RoomFrame>,
        key: &Key,
        desk: &mut Desk,
    ) {
        self.active = now;
        //= docs/spec/zzw-push-proto.md#room
        //# A frame MUST NOT be heard on the side that it was said on.
        let to = side(from).other();
        let seat = self.seat(to);
        let peer = seat.link;
        //= docs/spec/zzw-push-proto.md#call
        //# What is said before the other side is there MUST wait for it, up to `queue` bytes and
        //# `early_wait`.
        if seat.inbox.accept(now, peer, &frame, desk) {
            return;
        }
        // Whoever does not listen goes; if nobody is there, whoever talks.
        desk.lose(key, peer, 1, Loss::Overflow);
        seat.inbox.clear(key, peer, Loss::Overflow, desk);
        //= docs/spec/zzw-push-proto.md#call
        //# When more waits than may, whoever does not listen MUST be closed with 1013, or whoever
        //# talks if nobody is there.
        let gone = peer.map_or(from, |id| Member { id, role: Some(to) });
        self.leave(now, gone, Departure::Overflow, key, desk);
    }

    fn slow(&mut self, now: Instant, link: Member) {
        self.seat(side(link)).inbox.slow(now);
    }

    fn drained(&mut self, now: Instant, link: Member, _: &Key, desk: &mut Desk) {
        self.seat(side(link)).inbox.drained(now, link.id, desk);
    }

    fn leave(&mut self, now: Instant, link: Member, why: Departure, key: &Key, desk: &mut Desk) {
        let seat = self.seat(side(link));
        seat.link = None;
        // What waits may wait for the one who comes back, but not on.
        seat.inbox.shut();
        seat.inbox.expire(now, key, desk);
        desk.dismiss(link.id, why);
        if !self.is_over() && self.started.is_some() {
            self.alone_since.get_or_insert(now);
        }
    }

    fn fire(&mut self, now: Instant, key: &Key, desk: &mut Desk) {
        if let Some(why) = self.is_at_an_end(now, desk) {
            for role in [Role::Zero, Role::One] {
                if let Some(id) = self.seat(role).link.take() {
                    desk.dismiss(id, why);
                }
            }
            return;
        }
        for role in [Role::Zero, Role::One] {
            let seat = self.seat(role);
            let is_stuck = seat.inbox.stalls(desk).is_some_and(|due| due <= now);
            match seat.link {
                None => seat.inbox.expire(now, key, desk),
                Some(id) if is_stuck => {
                    let link = Member {
                        id,
                        role: Some(role),
                    };
                    self.leave(now, link, Departure::Stalled, key, desk);
                }
                Some(_) => {}
            }
        }
    }

    fn next(&self, desk: &Desk) -> Option<Instant> {
        let seats = self.seats();
        let seats = seats.iter().filter_map(|(_, seat)| match seat.link {
            None => seat.inbox.expires(desk),
            Some(_) => seat.inbox.stalls(desk),
        });
        let ends = [self.too_long(desk), self.left_alone(desk), self.idles(desk)];
        ends.into_iter().flatten().chain(seats).min()
    }

    fn shortest_wait(&self, config: &Config) -> Duration {
        let waits = [
            config.early_wait,
            config.stall_timeout,
            config.idle_timeout,
            config.rejoin_wait,
        ];
        let call = config.max_call.unwrap_or(Duration::MAX);
        waits.into_iter().fold(call, Duration::min)
    }

    fn is_over(&self) -> bool {
        self.caller.link.is_none() && self.callee.link.is_none()
    }

    //= docs/spec/zzw-push-proto.md#call
    //# A call MUST NOT hear anything that was said in an earlier one.
    /// The next call in a room must not hear the last one.
    fn clear(&mut self, key: &Key, desk: &mut Desk) {
        for role in [Role::Zero, Role::One] {
            let seat = self.seat(role);
            let link = seat.link;
            seat.inbox.clear(key, link, Loss::Left, desk);
        }
    }
}

/// Every path to a call tells the side.
fn side(link: Member) -> Role {
    link.role.unwrap_or(Role::Zero)
}

//! A room of many.

use super::desk::{Desk, Key};
use super::outbox::Outbox;
use super::room::{Member, Room};
use super::{Config, Departure, LinkId, Loss, Role, RoomFrame};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What one says is for all others, but for those on the same side as the one who says it.
#[derive(Debug, Default)]
pub(super) struct ManyToMany {
    members: BTreeMap<LinkId, Seat>,
}

#[derive(Debug)]
struct Seat {
    role: Option<Role>,
    inbox: Outbox,
}

impl Room for ManyToMany {
    fn has_place(&self, _: Option<Role>, config: &Config) -> bool {
        self.members.len() < config.max_members
    }

    fn join(&mut self, _: Instant, link: Member, _: &Key, _: &mut Desk) {
        let seat = Seat {
            role: link.role,
            inbox: Outbox::default(),
        };
        self.members.insert(link.id, seat);
    }

    fn received(
        &mut self,
        now: Instant,
        from: Member,
        frame: Arc<RoomFrame>,
        key: &Key,
        desk: &mut Desk,
    ) {
        let (mut heard, mut full) = (false, Vec::new());
        for (link, seat) in &mut self.members {
            //= docs/spec/zzw-push-proto.md#room
            //# A frame MUST NOT be heard on the side that it was said on.
            let is_same_side = from.role.is_some() && seat.role == from.role;
            //= docs/spec/zzw-push-proto.md#room-of-many
            //# A frame in a room of many MUST be heard by everybody but its sender and those on its
            //# sender's side.
            if *link == from.id || is_same_side {
                continue;
            }
            heard = true;
            //= docs/spec/zzw-push-proto.md#room-of-many
            //# A link of a room of many that does not listen MUST be closed with 1013, and the
            //# others go on.
            if !seat.inbox.accept(now, Some(*link), &frame, desk) {
                desk.lose(key, Some(*link), 1, Loss::Overflow);
                full.push(Member {
                    id: *link,
                    role: seat.role,
                });
            }
        }
        if !heard {
            desk.lose(key, None, 1, Loss::Unheard);
        }
        for link in full {
            self.leave(now, link, Departure::Overflow, key, desk);
        }
    }

    fn slow(&mut self, now: Instant, link: Member) {
        if let Some(seat) = self.members.get_mut(&link.id) {
            seat.inbox.slow(now);
        }
    }

    fn drained(&mut self, now: Instant, link: Member, _: &Key, desk: &mut Desk) {
        if let Some(seat) = self.members.get_mut(&link.id) {
            seat.inbox.drained(now, link.id, desk);
        }
    }

    fn leave(&mut self, _: Instant, link: Member, why: Departure, key: &Key, desk: &mut Desk) {
        if let Some(mut seat) = self.members.remove(&link.id) {
            seat.inbox.clear(key, Some(link.id), Loss::Left, desk);
        }
        desk.dismiss(link.id, why);
    }

    fn fire(&mut self, now: Instant, key: &Key, desk: &mut Desk) {
        let stuck = self.members.iter().filter(|(_, seat)| {
            let due = seat.inbox.stalls(desk);
            due.is_some_and(|due| due <= now)
        });
        let stuck: Vec<Member> = stuck
            .map(|(link, seat)| Member {
                id: *link,
                role: seat.role,
            })
            .collect();
        for link in stuck {
            self.leave(now, link, Departure::Stalled, key, desk);
        }
    }

    fn next(&self, desk: &Desk) -> Option<Instant> {
        let members = self.members.values();
        members.filter_map(|seat| seat.inbox.stalls(desk)).min()
    }

    fn shortest_wait(&self, config: &Config) -> Duration {
        config.stall_timeout
    }

    fn is_over(&self) -> bool {
        self.members.is_empty()
    }

    fn clear(&mut self, key: &Key, desk: &mut Desk) {
        for (link, seat) in &mut self.members {
            seat.inbox.clear(key, Some(*link), Loss::Left, desk);
        }
    }
}

//! A camera and those who look.

use super::desk::{Desk, Key, count};
use super::outbox::Outbox;
use super::room::{Member, Room};
use super::{Config, Departure, Event, LinkId, Loss, Role, RoomFrame, RoomKind, after};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What viewers wait for is always the last picture, so one copy serves all, and a viewer who takes
/// nothing costs nothing.
#[derive(Debug, Default)]
pub(super) struct OneToMany {
    camera: Option<LinkId>,
    to_camera: Outbox,
    viewers: BTreeMap<LinkId, Viewer>,
    last: Option<(Instant, Arc<RoomFrame>)>,
}

#[derive(Debug, Default)]
struct Viewer {
    /// One frame is with the driver.
    is_busy: bool,
    is_slow: bool,
    /// The last picture is still to be sent.
    is_behind: bool,
    /// Pictures it did not get, since it last got one.
    missed: u64,
    /// Since when it takes nothing.
    stuck_since: Option<Instant>,
}

impl OneToMany {
    /// Shows a picture to everybody.
    //= docs/spec/zzw-push-proto.md#capture
    //# A picture for many MUST be held once.
    pub(super) fn publish(&mut self, now: Instant, frame: &Arc<RoomFrame>, desk: &mut Desk) {
        self.forget(desk);
        let is_kept = !desk.config.keep_picture.is_zero() && desk.hold(frame);
        if is_kept {
            self.last = Some((now, Arc::clone(frame)));
        }
        //= docs/spec/zzw-push-proto.md#capture
        //# A picture MUST be sent to every viewer of its room and to nobody else.
        for (link, viewer) in &mut self.viewers {
            if viewer.is_free() {
                viewer.send(now, *link, Arc::clone(frame), desk);
            } else if is_kept {
                //= docs/spec/zzw-push-proto.md#capture
                //# A viewer that is busy MUST be sent the latest picture when it is ready, and none
                //# in between.
                viewer.is_behind = true;
            } else {
                viewer.miss(desk);
            }
        }
    }

    /// The last picture is too old, or there is a newer one.
    fn forget(&mut self, desk: &mut Desk) {
        let Some((_, frame)) = self.last.take() else {
            return;
        };
        desk.release(&frame);
        for viewer in self.viewers.values_mut() {
            if std::mem::take(&mut viewer.is_behind) {
                viewer.miss(desk);
            }
        }
    }

    fn expires(&self, desk: &Desk) -> Option<Instant> {
        let (since, _) = self.last.as_ref()?;
        after(*since, desk.config.keep_picture)
    }

    //= docs/spec/zzw-push-proto.md#capture
    //# A viewer that comes within `keep_picture` MUST be shown the last picture.
    fn look(&mut self, now: Instant, link: LinkId, desk: &mut Desk) {
        let mut viewer = Viewer::default();
        if let Some((_, frame)) = &self.last {
            viewer.send(now, link, Arc::clone(frame), desk);
        }
        self.viewers.insert(link, viewer);
    }
}

impl Room for OneToMany {
    fn has_place(&self, role: Option<Role>, config: &Config) -> bool {
        role == Some(Role::Zero) || self.viewers.len() < config.max_viewers
    }

    fn join(&mut self, now: Instant, link: Member, key: &Key, desk: &mut Desk) {
        if link.role != Some(Role::Zero) {
            return self.look(now, link.id, desk);
        }
        if let Some(old) = self.camera.replace(link.id) {
            // What was said to one camera is not for another.
            self.to_camera.clear(key, Some(old), Loss::Left, desk);
            //= docs/spec/zzw-push-proto.md#capture
            //# A second camera MUST replace the first, which is closed with 4001.
            desk.dismiss(old, Departure::Replaced);
        }
        self.to_camera.open(now, link.id, desk);
    }

    fn received(
        &mut self,
        now: Instant,
        from: Member,
        frame: Arc<RoomFrame>,
        key: &Key,
        desk: &mut Desk,
    ) {
        if from.role == Some(Role::Zero) {
            return self.publish(now, &frame, desk);
        }
        let why = match (&*frame, self.camera) {
            //= docs/spec/zzw-push-proto.md#capture
            //# Binary frames of a viewer MUST be dropped.
            (RoomFrame::Binary(_), _) => Loss::Unfit,
            //= docs/spec/zzw-push-proto.md#capture
            //# Text of a viewer MUST go to the camera only, or be dropped if there is none.
            (RoomFrame::Text(_), None) => Loss::Unheard,
            (RoomFrame::Text(_), camera) => {
                if self.to_camera.accept(now, camera, &frame, desk) {
                    return;
                }
                //= docs/spec/zzw-push-proto.md#capture
                //# Viewers MUST NOT be able to drive their camera out.
                // The camera stays: else its viewers could drive it out.
                Loss::Overflow
            }
        };
        desk.lose(key, self.camera, 1, why);
    }

    fn slow(&mut self, now: Instant, link: Member) {
        if self.camera == Some(link.id) {
            self.to_camera.slow(now);
        } else if let Some(viewer) = self.viewers.get_mut(&link.id) {
            viewer.is_slow = true;
            viewer.stuck_since.get_or_insert(now);
        }
    }

    fn drained(&mut self, now: Instant, link: Member, key: &Key, desk: &mut Desk) {
        if self.camera == Some(link.id) {
            return self.to_camera.drained(now, link.id, desk);
        }
        let Some(viewer) = self.viewers.get_mut(&link.id) else {
            return;
        };
        (viewer.is_busy, viewer.is_slow, viewer.stuck_since) = (false, false, None);
        viewer.tell_missed(key, link.id, desk);
        if let Some((_, frame)) = self.last.as_ref().filter(|_| viewer.is_behind) {
            viewer.send(now, link.id, Arc::clone(frame), desk);
        }
    }

    fn leave(&mut self, _: Instant, link: Member, why: Departure, key: &Key, desk: &mut Desk) {
        if self.camera == Some(link.id) {
            self.camera = None;
            self.to_camera.clear(key, Some(link.id), Loss::Left, desk);
            self.to_camera.shut();
        } else if let Some(mut viewer) = self.viewers.remove(&link.id) {
            if viewer.is_behind {
                viewer.miss(desk);
            }
            viewer.tell_missed(key, link.id, desk);
        }
        desk.dismiss(link.id, why);
    }

    fn fire(&mut self, now: Instant, key: &Key, desk: &mut Desk) {
        //= docs/spec/zzw-push-proto.md#capture
        //# A picture MUST NOT be shown any more once it is `keep_picture` old.
        if self.expires(desk).is_some_and(|due| due <= now) {
            self.forget(desk);
        }
        let is_due = |due: Option<Instant>| due.is_some_and(|due| due <= now);
        let stuck = self.viewers.iter();
        let stuck = stuck.filter(|(_, viewer)| is_due(viewer.stalls(desk)));
        let mut stuck: Vec<Member> = stuck.map(|(link, _)| viewer(*link)).collect();
        let camera = self.camera.filter(|_| is_due(self.to_camera.stalls(desk)));
        stuck.extend(camera.map(|id| Member {
            id,
            role: Some(Role::Zero),
        }));
        for link in stuck {
            self.leave(now, link, Departure::Stalled, key, desk);
        }
    }

    fn next(&self, desk: &Desk) -> Option<Instant> {
        let viewers = self.viewers.values().filter_map(|one| one.stalls(desk));
        let own = [self.expires(desk), self.to_camera.stalls(desk)];
        own.into_iter().flatten().chain(viewers).min()
    }

    fn shortest_wait(&self, config: &Config) -> Duration {
        config.keep_picture.min(config.stall_timeout)
    }

    fn is_over(&self) -> bool {
        self.camera.is_none() && self.viewers.is_empty() && self.last.is_none()
    }

    fn clear(&mut self, key: &Key, desk: &mut Desk) {
        self.to_camera.clear(key, self.camera, Loss::Left, desk);
        self.forget(desk);
        for (link, viewer) in &mut self.viewers {
            viewer.tell_missed(key, *link, desk);
        }
    }
}

impl Viewer {
    //= docs/spec/zzw-push-proto.md#room
    //# A link MUST NOT be handed more than `window` frames and `queue` bytes, or one picture,
    //# before it has written them.
    fn is_free(&self) -> bool {
        !self.is_busy && !self.is_slow
    }

    fn send(&mut self, now: Instant, link: LinkId, frame: Arc<RoomFrame>, desk: &mut Desk) {
        (self.is_busy, self.is_behind, self.stuck_since) = (true, false, Some(now));
        desk.send(link, frame);
    }

    fn miss(&mut self, desk: &mut Desk) {
        self.missed = self.missed.saturating_add(1);
        count(&mut desk.counters.missed, 1);
    }

    /// Once for all that it missed: an event for each would cost more than the pictures.
    fn tell_missed(&mut self, key: &Key, link: LinkId, desk: &mut Desk) {
        let frames = std::mem::take(&mut self.missed);
        if frames > 0 {
            desk.tell(Event::Lost {
                kind: RoomKind::OneToMany,
                room: key.name.clone(),
                link: Some(link),
                frames,
                why: Loss::Missed,
            });
        }
    }

    //= docs/spec/zzw-push-proto.md#room
    //# A link that takes nothing for `stall_timeout` while there is something for it MUST be closed
    //# with 1013.
    fn stalls(&self, desk: &Desk) -> Option<Instant> {
        after(self.stuck_since?, desk.config.stall_timeout)
    }
}

fn viewer(id: LinkId) -> Member {
    Member {
        id,
        role: Some(Role::One),
    }
}

//! What waits for a link where no frame is left out.

use super::desk::{Desk, Key};
use super::{LinkId, Loss, RoomFrame, after};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

/// Frames for one link, or for one that is still to come, in order.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: VecDeque<(Instant, Arc<RoomFrame>)>,
    waiting_bytes: usize,
    /// With the driver.
    sent: usize,
    sent_bytes: usize,
    is_slow: bool,
    /// Since when it takes nothing.
    stuck_since: Option<Instant>,
}

impl Outbox {
    /// Sends a frame or lets it wait; false if there is no room, and nothing has changed.
    pub(super) fn accept(
        &mut self,
        now: Instant,
        link: Option<LinkId>,
        frame: &Arc<RoomFrame>,
        desk: &mut Desk,
    ) -> bool {
        //= docs/spec/zzw-push-proto.md#room
        //# Frames of one link MUST be heard in their order.
        if let Some(link) = link.filter(|_| self.waiting.is_empty() && self.takes(frame, desk)) {
            self.send(link, Arc::clone(frame), desk);
            self.watch(now, desk);
            return true;
        }
        let bytes = self.waiting_bytes.saturating_add(frame.cost());
        if bytes > desk.config.queue || !desk.hold(frame) {
            return false;
        }
        self.waiting_bytes = bytes;
        self.waiting.push_back((now, Arc::clone(frame)));
        if link.is_some() {
            self.watch(now, desk);
        }
        true
    }

    /// A link is there: what has waited goes out, as far as it takes it.
    pub(super) fn open(&mut self, now: Instant, link: LinkId, desk: &mut Desk) {
        self.shut();
        self.flush(now, link, desk);
    }

    /// The link is gone; what waits may wait for the next.
    pub(super) fn shut(&mut self) {
        (self.sent, self.sent_bytes) = (0, 0);
        (self.is_slow, self.stuck_since) = (false, None);
    }

    pub(super) fn slow(&mut self, now: Instant) {
        self.is_slow = true;
        self.stuck_since.get_or_insert(now);
    }

    pub(super) fn drained(&mut self, now: Instant, link: LinkId, desk: &mut Desk) {
        self.open(now, link, desk);
    }

    /// Throws away what waits.
    pub(super) fn clear(&mut self, key: &Key, link: Option<LinkId>, why: Loss, desk: &mut Desk) {
        let frames = self.waiting.len();
        for (_, frame) in self.waiting.drain(..) {
            desk.release(&frame);
        }
        self.waiting_bytes = 0;
        desk.lose(key, link, u64::try_from(frames).unwrap_or(u64::MAX), why);
    }

    /// Throws away what has waited for somebody to come for too long.
    pub(super) fn expire(&mut self, now: Instant, key: &Key, desk: &mut Desk) {
        let mut frames = 0_u64;
        while self.expires(desk).is_some_and(|due| due <= now) {
            let Some(frame) = self.pop(desk) else {
                break;
            };
            drop(frame);
            frames = frames.saturating_add(1);
        }
        desk.lose(key, None, frames, Loss::Expired);
    }

    /// When the oldest has waited for too long.
    pub(super) fn expires(&self, desk: &Desk) -> Option<Instant> {
        let (since, _) = self.waiting.front()?;
        after(*since, desk.config.early_wait)
    }

    /// When the link has taken nothing for too long.
    //= docs/spec/zzw-push-proto.md#room
    //# A link that takes nothing for `stall_timeout` while there is something for it MUST be closed
    //# with 1013.
    pub(super) fn stalls(&self, desk: &Desk) -> Option<Instant> {
        after(self.stuck_since?, desk.config.stall_timeout)
    }

    fn flush(&mut self, now: Instant, link: LinkId, desk: &mut Desk) {
        while let Some((_, frame)) = self.waiting.front() {
            if !self.takes(frame, desk) {
                break;
            }
            if let Some(frame) = self.pop(desk) {
                self.send(link, frame, desk);
            }
        }
        self.watch(now, desk);
    }

    //= docs/spec/zzw-push-proto.md#room
    //# A link MUST NOT be handed more than `window` frames and `queue` bytes, or one picture,
    //# before it has written them.
    fn takes(&self, frame: &RoomFrame, desk: &Desk) -> bool {
        let bytes = self.sent_bytes.saturating_add(frame.cost());
        let is_room = self.sent < desk.config.window && bytes <= desk.config.queue;
        !self.is_slow && (self.sent == 0 || is_room)
    }

    fn send(&mut self, link: LinkId, frame: Arc<RoomFrame>, desk: &mut Desk) {
        self.sent = self.sent.saturating_add(1);
        self.sent_bytes = self.sent_bytes.saturating_add(frame.cost());
        desk.send(link, frame);
    }

    fn pop(&mut self, desk: &mut Desk) -> Option<Arc<RoomFrame>> {
        let (_, frame) = self.waiting.pop_front()?;
        self.waiting_bytes = self.waiting_bytes.saturating_sub(frame.cost());
        desk.release(&frame);
        Some(frame)
    }

    /// Begins to wait for the link once it owes us something.
    fn watch(&mut self, now: Instant, desk: &Desk) {
        let is_full = self.sent >= desk.config.window;
        if self.is_slow || is_full || !self.waiting.is_empty() {
            self.stuck_since.get_or_insert(now);
        }
    }
}

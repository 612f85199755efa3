//! Requests to open the door: each at most once.

use crate::wire::{Door, MAX_NAME, Text};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The requests of the last seconds. Frames of this kind have no id, so the same room and user is the
/// same request.
#[derive(Debug, Default)]
pub(super) struct Doors {
    recent: VecDeque<(Text, Text, Instant)>, // room, user, when it came
}

/// Most requests within the window. What exceeds it is dropped: a door that stays shut is the safe
/// side.
const MAX_RECENT: usize = 16;

impl Doors {
    /// True if this is no repetition.
    //= docs/spec/zzw-push-proto.md#device-delivery
    //# The device MUST report a request to open a door once within `door_window`, and none while it
    //# is not bound.
    pub(super) fn is_new(&mut self, now: Instant, window: Duration, door: &Door) -> bool {
        self.recent
            .retain(|(_, _, came)| now.saturating_duration_since(*came) < window);
        let is_known =
            |(room, user, _): &(Text, Text, Instant)| *room == door.room && *user == door.user;
        let is_long = door.room.len() > MAX_NAME || door.user.len() > MAX_NAME;
        //= docs/spec/zzw-push-proto.md#device-delivery
        //# The device MUST drop requests to open doors beyond 16 within `door_window`.
        if is_long || self.recent.len() >= MAX_RECENT || self.recent.iter().any(is_known) {
            return false;
        }
        self.recent
            .push_back((door.room.detached(), door.user.detached(), now));
        true
    }
}

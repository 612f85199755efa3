//! What every kind of room answers.

use super::desk::{Desk, Key};
use super::{Config, Departure, LinkId, Role, RoomFrame};
use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One room. Links are in it until they leave, which the room says by [`Desk::dismiss`].
pub(super) trait Room: Debug + Send {
    /// Whether another link may come in on that side.
    fn has_place(&self, role: Option<Role>, config: &Config) -> bool;

    fn join(&mut self, now: Instant, link: Member, key: &Key, desk: &mut Desk);

    fn received(
        &mut self,
        now: Instant,
        from: Member,
        frame: Arc<RoomFrame>,
        key: &Key,
        desk: &mut Desk,
    );

    fn slow(&mut self, now: Instant, link: Member);

    fn drained(&mut self, now: Instant, link: Member, key: &Key, desk: &mut Desk);

    fn leave(&mut self, now: Instant, link: Member, why: Departure, key: &Key, desk: &mut Desk);

    /// Does what is due.
    fn fire(&mut self, now: Instant, key: &Key, desk: &mut Desk);

    /// When something is due next.
    fn next(&self, desk: &Desk) -> Option<Instant>;

    /// No input makes anything due sooner than that.
    fn shortest_wait(&self, config: &Config) -> Duration;

    /// True if nothing is left of it.
    fn is_over(&self) -> bool;

    /// Throws away what waits in it.
    fn clear(&mut self, key: &Key, desk: &mut Desk);
}

/// A link in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) id: LinkId,
    pub(super) role: Option<Role>,
}

//! Giving aliases back: the store is told again until it has heard it, so that nobody stays online
//! who is not.

use super::store::StoreOp;
use super::vocabulary::Event;
use super::{Pending, Platform, later};
use crate::wire::Text;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Before the second attempt; doubled before each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How often the store is told.
const MAX_TRIES: u8 = 12;

/// How often it is told while the broker stops.
const MAX_TRIES_DRAINING: u8 = 3;

/// Releases that wait for their next attempt.
const MAX_WAITING: usize = 65_536;

/// What the store has to be told.
#[derive(Debug, Clone)]
pub(super) struct Release {
    alias: Text,
    epoch: u64,
    tries: u8,
}

/// Releases that the store has failed, in the order of their next attempts. The number keeps apart
/// those of one instant.
#[derive(Debug, Default)]
pub(super) struct Releases {
    waiting: BTreeMap<(Instant, u64), Release>,
    next: u64,
}

impl Platform {
    /// An epoch is over. To tell it late or twice is harmless: if the alias has been claimed since,
    /// its epoch has grown.
    //= docs/spec/zzw-push-proto.md#store
    //# The end of an earlier link MUST NOT touch a later one of the same alias.
    pub(super) fn release(&mut self, alias: Text, epoch: u64) {
        self.tell_release(Release {
            alias,
            epoch,
            tries: 0,
        });
    }

    //= docs/spec/zzw-push-proto.md#store
    //# The end of a link MUST be told to the store again after growing pauses until it is done or
    //# was told twelve times, and then be reported.
    pub(super) fn not_released(&mut self, now: Instant, release: Release) {
        let max_tries = if self.is_draining() {
            MAX_TRIES_DRAINING
        } else {
            MAX_TRIES
        };
        let is_full = self.releases.waiting.len() >= MAX_WAITING;
        match later(now, pause(release.tries)) {
            Some(due) if release.tries < max_tries && !is_full => {
                self.releases.next = self.releases.next.saturating_add(1);
                let key = (due, self.releases.next);
                self.releases.waiting.insert(key, release);
            }
            _ => self.give_up(release),
        }
    }

    pub(super) fn fire_releases(&mut self, now: Instant) {
        while let Some(first) = self.releases.waiting.first_entry() {
            if first.key().0 > now {
                return;
            }
            let release = first.remove();
            self.tell_release(release);
        }
    }

    pub(super) fn next_release(&self) -> Option<Instant> {
        let ((due, _), _) = self.releases.waiting.first_key_value()?;
        Some(*due)
    }

    /// The broker stops: what was tried often enough is not waited for.
    pub(super) fn hurry_releases(&mut self) {
        let mut old = Vec::new();
        self.releases.waiting.retain(|_, release| {
            let is_old = release.tries >= MAX_TRIES_DRAINING;
            if is_old {
                old.push(release.clone());
            }
            !is_old
        });
        for release in old {
            self.give_up(release);
        }
    }

    fn tell_release(&mut self, release: Release) {
        let op = StoreOp::Release {
            alias: release.alias.clone(),
            epoch: release.epoch,
        };
        let tries = release.tries.saturating_add(1);
        self.ask_store(op, Pending::Release(Release { tries, ..release }));
    }

    fn give_up(&mut self, release: Release) {
        self.counters.unreleased = self.counters.unreleased.saturating_add(1);
        self.tell(Event::NotReleased(release.alias));
    }
}

impl Releases {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.waiting.clear();
    }
}

fn pause(tries: u8) -> Duration {
    let doublings = u32::from(tries.saturating_sub(1)).min(6);
    let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(doublings));
    pause.min(LONGEST_PAUSE)
}

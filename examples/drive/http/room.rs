//! Who may be connected: so many in all, so many from one address.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Seats for connections. When there are no more, a new one takes the seat of the one that has been
/// idle longest: an idle peer connects again when it needs to, and a crowd of idle ones locks nobody
/// out.
#[derive(Debug)]
pub(super) struct Room {
    max: usize,
    max_per_address: usize,
    clock: AtomicU64, // orders the moments at which connections became idle
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    links: BTreeMap<u64, (IpAddr, Arc<State>)>,
    per_address: BTreeMap<IpAddr, usize>,
}

/// What a connection does at the moment.
#[derive(Debug)]
struct State {
    idle_since: AtomicU64, // or `BUSY`, or `EVICTED`
    evicted: Notify,
}

/// A connection's seat, free again when this is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    room: Arc<Room>,
    link: u64,
    state: Arc<State>,
}

/// Marks a connection as busy until it is dropped.
#[derive(Debug)]
pub(super) struct Busy(Arc<Seat>);

impl Room {
    pub(super) fn new(max: usize, max_per_address: usize) -> Self {
        Self {
            max,
            max_per_address,
            clock: AtomicU64::new(0),
            taken: Mutex::default(),
        }
    }

    /// A seat for a new connection; `None` if every other one is being answered.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Seat> {
        let address = address.to_canonical();
        let mut taken = self.taken();
        //= docs/spec/face-record-push.md#fairness
        //# The connections MUST NOT exceed their limits, in all and from one address.
        let here = taken.per_address.get(&address).copied().unwrap_or_default();
        if here >= self.max_per_address && !taken.evict(|other| other == address) {
            return None;
        }
        if taken.links.len() >= self.max && !taken.evict(|_| true) {
            return None;
        }
        let link = taken.next;
        taken.next = link.wrapping_add(1);
        let state = Arc::new(State {
            idle_since: AtomicU64::new(self.tick()),
            evicted: Notify::new(),
        });
        taken.links.insert(link, (address, Arc::clone(&state)));
        *taken.per_address.entry(address).or_default() += 1;
        drop(taken);
        let room = Arc::clone(self);
        Some(Seat { room, link, state })
    }

    /// Connections at the moment.
    pub(super) fn len(&self) -> usize {
        self.taken().links.len()
    }

    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Takes the seat of the one that has been idle longest; false if none is idle.
    fn evict(&mut self, among: impl Fn(IpAddr) -> bool) -> bool {
        let candidates = self
            .links
            .iter()
            .filter(|(_, (address, _))| among(*address));
        let mut idle: Vec<(u64, u64)> = candidates
            .map(|(link, (_, state))| (state.idle_since.load(Ordering::Acquire), *link))
            .filter(|(since, _)| *since < EVICTED)
            .collect();
        idle.sort_unstable();
        idle.into_iter().any(|(since, link)| {
            let Some((_, state)) = self.links.get(&link) else {
                return false;
            };
            // It may have become busy since.
            let cell = &state.idle_since;
            let (set, fetch) = (Ordering::AcqRel, Ordering::Relaxed);
            let is_out = cell.compare_exchange(since, EVICTED, set, fetch).is_ok();
            if is_out {
                state.evicted.notify_one();
                self.free(link);
            }
            is_out
        })
    }

    fn free(&mut self, link: u64) {
        let Some((address, _)) = self.links.remove(&link) else {
            return; // evicted before
        };
        if let Some(count) = self.per_address.get_mut(&address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.per_address.remove(&address);
            }
        }
    }
}

impl Seat {
    /// The connection's number, never used twice.
    pub(super) fn link(&self) -> u64 {
        self.link
    }

    /// Waits until somebody else has the seat.
    pub(super) async fn evicted(&self) {
        self.state.evicted.notified().await;
    }

    /// Marks the connection as busy; `None` if somebody else has its seat.
    pub(super) fn busy(self: &Arc<Self>) -> Option<Busy> {
        let cell = &self.state.idle_since;
        let since = cell.load(Ordering::Acquire);
        let (set, fetch) = (Ordering::AcqRel, Ordering::Relaxed);
        (since != EVICTED && cell.compare_exchange(since, BUSY, set, fetch).is_ok())
            .then(|| Busy(Arc::clone(self)))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.room.taken().free(self.link);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let now = self.0.room.tick();
        self.0.state.idle_since.store(now, Ordering::Release);
    }
}

const BUSY: u64 = u64::MAX;
const EVICTED: u64 = u64::MAX - 1;

//! Who may have a link: so many in all, so many from one address.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Seats for links.
#[derive(Debug)]
pub(super) struct Seats {
    max: usize,
    max_per_address: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    per_address: BTreeMap<IpAddr, usize>,
}

/// A link's seat, free again when this is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Arc<Seats>,
    address: IpAddr,
}

impl Seats {
    pub(super) fn new(max: usize, max_per_address: usize) -> Self {
        Self {
            max,
            max_per_address,
            taken: Mutex::default(),
        }
    }

    /// A seat for a new link, if there is one.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Option<Seat> {
        let address = address.to_canonical();
        let mut taken = self.taken();
        if taken.all >= self.max {
            return None;
        }
        let here = taken.per_address.entry(address).or_default();
        if *here >= self.max_per_address {
            return None;
        }
        *here += 1;
        taken.all += 1;
        drop(taken);
        let seats = Arc::clone(self);
        Some(Seat { seats, address })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Whose it is.
    pub(super) fn address(&self) -> IpAddr {
        self.address
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken();
        taken.all = taken.all.saturating_sub(1);
        if let Some(here) = taken.per_address.get_mut(&self.address) {
            *here = here.saturating_sub(1);
            if *here == 0 {
                taken.per_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seat_is_free_again_when_its_link_is_gone() {
        let seats = Arc::new(Seats::new(3, 2));
        let (one, other) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let (first, second) = (seats.take(one), seats.take(one));
        assert!(first.is_some() && second.is_some());
        assert!(seats.take(one).is_none(), "two from one address");
        let third = seats.take(other);
        assert!(third.is_some());
        assert!(seats.take(other).is_none(), "three in all");
        drop(first);
        assert!(seats.take(other).is_some());
        drop((second, third));
        assert!(seats.taken().per_address.is_empty());
    }
}

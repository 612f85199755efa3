//! Who writes what comes for many links at once.

use super::Outbox;
use crate::clock::now;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Links that have something to be written, in the order in which it came.
///
/// One task writes to all of them, straight to the sockets: waking each link's own task would cost
/// as much again. What comes for a link before its turn goes out in the same write.
#[derive(Debug, Default)]
pub(in super::super) struct Unwritten {
    links: Mutex<Vec<Arc<Outbox>>>,
    news: Notify,
}

impl Unwritten {
    /// These have something to be written.
    pub(in super::super) fn add(&self, links: impl Iterator<Item = Arc<Outbox>>) {
        self.links().extend(links);
        self.news.notify_one();
    }

    /// Writes to them, for ever, and gives way to others in between.
    pub(in super::super) async fn write(&self) {
        loop {
            self.news.notified().await;
            let mut links = std::mem::take(&mut *self.links());
            let mut began = now();
            for link in links.drain(..) {
                link.write_for_it();
                if began.elapsed() > super::TURN {
                    tokio::task::yield_now().await;
                    began = now();
                }
            }
        }
    }

    fn links(&self) -> MutexGuard<'_, Vec<Arc<Outbox>>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

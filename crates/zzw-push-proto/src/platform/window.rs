//! Messages on their way to links.

use super::parcel::Content;
use super::store::MessageId;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

/// Messages that were sent and not acknowledged, in the order of their ids, which is the order of
/// sending. Without one it holds no memory: most links are idle.
#[derive(Debug, Default)]
pub(super) struct Window(VecDeque<InFlight>);

/// A message that was sent and not acknowledged.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) mid: MessageId,
    pub(super) content: Arc<Content>,
    pub(super) deadline: Option<Instant>,
    pub(super) sent_at: Instant,
    pub(super) tries: u8,
}

impl Window {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn contains(&self, mid: MessageId) -> bool {
        self.place(mid).is_ok()
    }

    /// Adds one, which is the latest.
    pub(super) fn push(&mut self, sent: InFlight) {
        let place = self.place(sent.mid).unwrap_or_else(|place| place);
        self.0.insert(place, sent);
    }

    pub(super) fn remove(&mut self, mid: MessageId) -> Option<InFlight> {
        let sent = self.0.remove(self.place(mid).ok()?);
        if self.0.is_empty() {
            self.0 = VecDeque::new();
        }
        sent
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut InFlight> {
        self.0.iter_mut()
    }

    fn place(&self, mid: MessageId) -> Result<usize, usize> {
        self.0.binary_search_by_key(&mid, |sent| sent.mid)
    }
}

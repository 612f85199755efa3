//! The application behind a device: what it was given, and what it may be given.

use std::collections::BTreeSet;
use zzw_push_proto::platform::MessageId;

/// What an application has seen.
#[derive(Debug, Default)]
pub(crate) struct Application {
    /// In any life of the device.
    seen: BTreeSet<MessageId>,
    /// In this one.
    life: BTreeSet<MessageId>,
    latest: MessageId,
    /// Messages that its own device has refused: they may come late.
    excused: BTreeSet<MessageId>,
    /// Lost messages that it was told of.
    pub gap: u64,
}

impl Application {
    /// It is given a message, whose order counts or does not. True if it has not had it before.
    pub(crate) fn take(&mut self, mid: MessageId, is_ordered: bool) -> Result<bool, String> {
        if !self.life.insert(mid) {
            return Err(format!("{mid:?} is given to the application twice"));
        }
        if is_ordered {
            if mid < self.latest && !self.excused.contains(&mid) {
                return Err(format!("{mid:?} is given behind {:?}", self.latest));
            }
            self.latest = self.latest.max(mid);
        }
        Ok(self.seen.insert(mid))
    }

    /// The device has left it to come again.
    pub(crate) fn excuse(&mut self, mid: MessageId) {
        self.excused.insert(mid);
    }

    pub(crate) fn has(&self, mid: MessageId) -> bool {
        self.seen.contains(&mid)
    }

    /// The device's memory is gone; with it, unless the application's is the device's store, what was
    /// given in which order.
    pub(crate) fn end_life(&mut self, is_stored: bool) {
        if !is_stored {
            self.life.clear();
            self.latest = MessageId::default();
        }
    }
}

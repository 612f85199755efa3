//! What the core has for one link and has not given to it yet.

use super::Outbox;
use std::sync::Arc;
use std::time::Instant;
use zzw_push_proto::platform::Parcel;
use zzw_push_proto::wire::Message;

/// The way to one link. It belongs to the core, so taking a message takes no lock: a message to
/// many is put into many of these.
#[derive(Debug)]
pub(in super::super) struct Outlet {
    outbox: Arc<Outbox>,
    entries: Vec<Entry>,
    /// Bytes of entries, ever.
    given: u64,
    is_full: bool,
    is_listed: bool,
}

/// Something to be written. A delivery is put into bytes only then, so that those that wait hold
/// what they share once.
#[derive(Debug)]
pub(super) enum Entry {
    Parcel(Parcel),
    Line(Vec<u8>),
}

/// What came of taking a message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in super::super) struct Taken {
    /// The link is slow from now on.
    pub(in super::super) is_full: bool,
    /// It has something to be handed over, which it had not before.
    pub(in super::super) is_news: bool,
}

impl Taken {
    /// By an outbox that has everything written by itself.
    pub(in super::super) fn by_itself(is_full: bool) -> Self {
        Self {
            is_full,
            is_news: false,
        }
    }
}

/// Beyond so much a link is slow (G-3). Frames are not counted: a burst of small ones is no sign of
/// a slow link.
const MAX_BYTES: u64 = 256 << 10;

/// Beyond so much it is cut off: it has asked for more than it reads.
const HARD_MAX_BYTES: u64 = 2 << 20;

impl Outlet {
    pub(super) fn new(outbox: Arc<Outbox>) -> Self {
        Self {
            outbox,
            entries: Vec::new(),
            given: 0,
            is_full: false,
            is_listed: false,
        }
    }

    /// Takes a delivery.
    pub(in super::super) fn deliver(&mut self, parcel: Parcel) -> Taken {
        self.take(Entry::Parcel(parcel))
    }

    /// Takes a message that is no delivery.
    pub(in super::super) fn send(&mut self, message: &Message) -> Taken {
        let mut line = Vec::new();
        message.encode_line(&mut line);
        self.take(Entry::Line(line))
    }

    /// Takes a signal, to be written by then or not at all.
    pub(in super::super) fn signal(&mut self, message: &Message, deadline: Instant) -> Taken {
        self.outbox.signal(message, deadline);
        Taken {
            is_full: false,
            is_news: self.list(),
        }
    }

    /// Gives the link what is for it; the outbox if somebody has to write it, and nobody has been
    /// told.
    pub(in super::super) fn hand_over(&mut self) -> Option<Arc<Outbox>> {
        self.is_listed = false;
        let is_news = self.outbox.push(std::mem::take(&mut self.entries));
        is_news.then(|| Arc::clone(&self.outbox))
    }

    /// All is written that the link had been given when it was full.
    pub(in super::super) fn drained(&mut self) {
        self.is_full = false;
    }

    /// Has written what is for the link, then closes it.
    pub(in super::super) fn close(mut self) {
        self.hand_over();
        self.outbox.close();
    }

    fn take(&mut self, entry: Entry) -> Taken {
        let waiting = self.given.saturating_sub(self.outbox.done());
        if waiting > HARD_MAX_BYTES {
            self.outbox.cut_off();
            self.outbox.losses().cut_off();
            return Taken::default();
        }
        let len = entry.len();
        self.given = self.given.saturating_add(len);
        self.entries.push(entry);
        let is_over = waiting.saturating_add(len) > MAX_BYTES;
        let is_full = is_over && !std::mem::replace(&mut self.is_full, true);
        if is_full {
            self.outbox.fill();
        }
        Taken {
            is_full,
            is_news: self.list(),
        }
    }

    fn list(&mut self) -> bool {
        !std::mem::replace(&mut self.is_listed, true)
    }
}

impl Entry {
    /// About its bytes.
    pub(super) fn len(&self) -> u64 {
        let len = match self {
            Self::Parcel(parcel) => parcel.len_hint(),
            Self::Line(line) => line.len(),
        };
        u64::try_from(len).unwrap_or(u64::MAX)
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Parcel(parcel) => parcel.encode_line(out),
            Self::Line(line) => out.extend_from_slice(line),
        }
    }
}

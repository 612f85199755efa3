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

/// Room for a usual reply.
const REPLY: usize = 64;

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
        let mut line = Vec::with_capacity(REPLY);
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

#[cfg(test)]
mod tests {
    use super::super::{Losses, Lost};
    use super::*;
    use crate::clock::now;
    use std::future::poll_fn;
    use std::time::Duration;
    use tokio::io::AsyncReadExt as _;
    use tokio::net::{TcpListener, TcpStream};
    use zzw_push_proto::wire::{Code, Failure, Num, Numbered};

    /// A link, the other end of it, and where its losses are counted.
    async fn link() -> (Outlet, TcpStream, Arc<Losses>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let losses = Arc::default();
        let (_, half) = accepted.unwrap().0.into_split();
        let outbox = Outbox::new(half, Arc::clone(&losses));
        (Outlet::new(Arc::new(outbox)), client.unwrap(), losses)
    }

    fn reply(number: usize) -> Message {
        Message::Published(Numbered::new(Num::new(number.to_string())))
    }

    #[tokio::test]
    async fn everything_is_written_in_order_however_slowly_it_is_read() {
        const MESSAGES: usize = 200_000;
        let (mut outlet, mut client, _) = link().await;
        let outbox = Arc::clone(&outlet.outbox);
        let reader = async {
            let mut heard = Vec::new();
            client.read_to_end(&mut heard).await.unwrap();
            heard
        };
        let writer = async {
            let mut expected = Vec::new();
            for number in 0..MESSAGES {
                assert!(!outlet.send(&reply(number)).is_full);
                reply(number).encode_line(&mut expected);
                if number % 1_000 == 0 {
                    outlet.hand_over();
                    poll_fn(|context| outbox.poll_empty(context)).await.unwrap();
                }
            }
            outlet.close();
            poll_fn(|context| outbox.poll_empty(context)).await.unwrap();
            assert!(outbox.write().unwrap().is_closing);
            drop(outbox);
            expected
        };
        let (heard, expected) = tokio::join!(reader, writer);
        assert!(heard == expected, "{} of {}", heard.len(), expected.len());
    }

    #[tokio::test]
    async fn a_link_that_does_not_read_is_slow_once_and_then_cut_off_and_counted() {
        let (mut outlet, _client, losses) = link().await;
        let message = Message::Failure(Failure::new(Code::Busy, Num::new("x".repeat(8_000))));
        let (mut slow, mut sent) = (0, 0);
        while !outlet.outbox.is_cut_off() {
            slow += usize::from(outlet.send(&message).is_full);
            sent += 1;
            outlet.hand_over();
            outlet.outbox.write_for_it();
            assert!(sent < 10_000, "it takes any number");
        }
        assert_eq!(slow, 1);
        assert_eq!(losses.sums().cut_off, 1);
        outlet.send(&message);
        assert_eq!(losses.sums().cut_off, 2);
        let waiting = outlet.given - outlet.outbox.done();
        assert!(waiting <= HARD_MAX_BYTES + 10_000, "{waiting}");
    }

    #[tokio::test]
    async fn a_link_that_reads_again_has_drained_once() {
        let (mut outlet, mut client, _) = link().await;
        let message = Message::Failure(Failure::new(Code::Busy, Num::new("x".repeat(8_000))));
        while !outlet.send(&message).is_full {
            outlet.hand_over();
            outlet.outbox.write_for_it();
        }
        outlet.hand_over();
        let reader = tokio::spawn(async move { client.read_to_end(&mut Vec::new()).await });
        while !outlet.outbox.write().unwrap().has_drained {
            poll_fn(|context| outlet.outbox.poll_room(context))
                .await
                .unwrap();
        }
        assert!(!outlet.outbox.write().unwrap().has_drained);
        outlet.drained();
        assert!(!outlet.send(&message).is_full);
        drop(outlet);
        reader.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn signals_that_are_too_many_or_too_late_are_counted() {
        let (mut outlet, mut client, losses) = link().await;
        let (soon, over) = (now() + Duration::from_mins(1), now());
        outlet.signal(&reply(0), over);
        for number in 1..=20 {
            outlet.signal(&reply(number), soon);
        }
        outlet.send(&reply(99));
        outlet.hand_over();
        outlet.outbox.write_for_it();
        let lost = Lost {
            cut_off: 0,
            surplus_signals: 5,
            late_signals: 1,
        };
        assert_eq!(losses.sums(), lost);
        drop(outlet);
        let mut heard = String::new();
        client.read_to_string(&mut heard).await.unwrap();
        // Signals overtake.
        let mut expected = Vec::new();
        (1..=15).for_each(|number| reply(number).encode_line(&mut expected));
        reply(99).encode_line(&mut expected);
        assert_eq!(heard.as_bytes(), expected);
    }
}

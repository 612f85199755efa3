//! What comes in on one link.

use super::super::core::{self, Core};
use super::super::pace::Pace;
use super::super::seats::Seat;
use super::{Outbox, Outlet, TURN};
use crate::clock::now;
use bytes::BytesMut;
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use zzw_push_proto::line::LineCodec;
use zzw_push_proto::platform::{LinkId, Peer, Transport};
use zzw_push_proto::wire::{Code, Failure, Lenience, Message, Num};

/// One link at work.
pub(super) struct Link {
    core: Arc<Core>,
    id: LinkId,
    stream: OwnedReadHalf,
    outbox: Arc<Outbox>,
    lines: LineCodec,
    lenience: Lenience,
    received: BytesMut,
    /// Some of what was received may be lines that nobody has looked at.
    has_more: bool,
    /// Since when others have not been given what was said here for them.
    held_since: Option<Instant>,
    pace: Pace,
    /// A line was so long that it is to be hung up on (Z-39).
    is_over: bool,
}

/// So many bytes cost a link as much as a line.
const BYTES_OF_A_LINE: usize = 512;

/// Most that is read and thrown away of a peer that is hung up on.
const MAX_DISCARDED: usize = 1 << 20;

/// How long what is still to be written may take when a link is closed.
const LAST_WORDS: Duration = Duration::from_secs(2);

thread_local! {
    /// What a read reads into, so that an idle link has no buffer.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; 16 << 10]);
}

impl Link {
    pub(super) fn new(stream: TcpStream, core: Arc<Core>, lenience: Lenience, pace: Pace) -> Self {
        let (stream, half) = stream.into_split();
        let outbox = Arc::new(Outbox::new(half, core.losses()));
        Self {
            id: core.new_link(),
            core,
            stream,
            outbox,
            lines: LineCodec::default(),
            lenience,
            received: BytesMut::new(),
            has_more: false,
            held_since: None,
            pace,
            is_over: false,
        }
    }

    pub(super) async fn run(mut self, seat: Seat) {
        let _stay = self.core.stay();
        let peer = Peer::new(Transport::Tcp, seat.address());
        let outlet = core::Outlet::Lines(Outlet::new(Arc::clone(&self.outbox)));
        self.core.connect(self.id, peer, outlet);
        // How a link ends is its own affair.
        let _ = poll_fn(|context| self.poll_talk(context)).await;
        self.core.disconnected(self.id);
        // Boxed: an idle link does not cost what a parting one does.
        let _ = Box::pin(tokio::time::timeout(LAST_WORDS, self.finish())).await;
    }

    /// Reads and writes until one of both cannot go on, or the broker closes the link.
    ///
    /// By hand: as an `async fn` that selects, an idle link would take three times the memory.
    fn poll_talk(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outbox.watch(context.waker());
        loop {
            let written = self.outbox.write()?;
            // A full socket keeps nobody from being closed.
            if self.is_over || written.is_closing {
                return Poll::Ready(Ok(()));
            }
            if written.has_drained {
                self.core.drained(self.id);
                continue;
            }
            if !written.is_all {
                if self.outbox.poll_room(context)?.is_ready() {
                    continue;
                }
                if written.is_full {
                    self.release();
                    return Poll::Pending; // until something is written
                }
            }
            if self.pace.poll_ready(context).is_pending() {
                self.release();
                return Poll::Pending;
            }
            if !self.has_more && ready!(self.poll_read(context))? == 0 {
                return Poll::Ready(Ok(()));
            }
            self.hear();
            if self.has_more {
                // Whoever says much must not keep others from being heard.
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
    }

    /// Reads what is there, so many bytes; 0 at the end of the stream.
    ///
    /// Where less came than could have, tokio knows that nothing more is there: the next call asks
    /// nobody.
    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut read = ReadBuf::new(scratch);
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut read))?;
            let read = read.filled();
            self.received.extend_from_slice(read);
            self.pace.pay(read.len() / BYTES_OF_A_LINE);
            Poll::Ready(Ok(read.len()))
        })
    }

    /// Hands over a turn of what was read.
    fn hear(&mut self) {
        let began = now();
        let (mut now, mut heard) = (began, 0);
        self.has_more = true;
        while !self.is_over && now.saturating_duration_since(began) < TURN {
            let Some(line) = self.lines.decode(&mut self.received) else {
                self.has_more = false;
                break;
            };
            heard += 1;
            match line {
                Ok(line) => {
                    let message = Message::decode(line, self.lenience);
                    let message = message.map(|decoded| decoded.message);
                    now = self.core.received_one_of(self.id, message);
                }
                Err(error) => {
                    let failure = Failure::new(Code::TooLarge, Num::Absent);
                    self.core.say(self.id, &Message::Failure(failure));
                    self.is_over |= error.is_fatal();
                }
            }
            self.is_over |= self.outbox.is_cut_off();
        }
        self.spread(began);
        self.pace.pay(heard);
        if self.received.is_empty() {
            self.received = BytesMut::new();
        }
    }

    /// Lets others have what was said here for them, unless more is about to follow, and takes what
    /// was answered.
    fn spread(&mut self, began: Instant) {
        let held_since = *self.held_since.get_or_insert(began);
        let gathered = self.has_more.then(|| held_since.elapsed());
        if self.core.spread(self.id, gathered) {
            self.held_since = None;
        }
    }

    /// Lets others have what was held back: what is to follow may take its time.
    fn release(&mut self) {
        if self.held_since.take().is_some() {
            self.core.spread(self.id, None);
        }
    }

    /// What was to be sent before the link was closed.
    async fn finish(&mut self) -> io::Result<()> {
        poll_fn(|context| self.outbox.poll_empty(context)).await?;
        socket2::SockRef::from(self.stream.as_ref()).shutdown(std::net::Shutdown::Write)?;
        // Unread bytes would turn the end into a reset, which destroys what is on its way.
        let mut discarded = 0;
        while discarded < MAX_DISCARDED {
            match poll_fn(|context| self.poll_read(context)).await? {
                0 => break,
                length => discarded += length,
            }
            self.received.clear();
        }
        Ok(())
    }
}

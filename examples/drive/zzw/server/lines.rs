//! Port 9800: a line each way is a message.

use super::core::{Core, Outlet};
use super::frame::Frame;
use super::pace::Pace;
use super::seats::{Seat, Seats};
use crate::clock::now;
use bytes::BytesMut;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use zzw_push_proto::line::LineCodec;
use zzw_push_proto::platform::{LinkId, Peer, Rate, Transport};
use zzw_push_proto::wire::{Code, Failure, Lenience, Message, Num};

/// Settings of port 9800.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// Most links at a time; 65,536. Further ones are told `busy` and closed.
    pub links: usize,
    /// Most links from one address; 4,096. As above.
    pub links_per_address: usize,
    /// Lines a second that are read from a link, and at once; 5,000, and never less than the broker
    /// allows it. Beyond that it is read more slowly; nothing is lost. 0 for any number.
    pub per_second: u32,
}

/// What waits to be written to one link.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<u8>,
    /// Worth something until then, or nothing.
    signals: VecDeque<(Instant, Vec<u8>)>,
    is_full: bool,
    is_closing: bool,
    /// Its task is at work and will look by itself.
    is_attended: bool,
    task: Option<Waker>,
}

/// One link at work.
struct Link {
    core: Arc<Core>,
    id: LinkId,
    stream: TcpStream,
    outbox: Arc<Outbox>,
    lines: LineCodec,
    lenience: Lenience,
    received: BytesMut,
    /// Some of what was received may be lines that nobody has looked at.
    has_more: bool,
    pace: Pace,
    writing: Vec<u8>,
    written: usize,
    /// A line was so long that it is to be hung up on (Z-39).
    is_over: bool,
}

/// Beyond so much a link is slow (G-3). Frames are not counted: they lie in one buffer, and a burst
/// of small ones is no sign of a slow link.
const MAX_BYTES: usize = 256 << 10;

/// Beyond so much it is cut off: it has asked for more than it reads.
const HARD_MAX_BYTES: usize = 2 << 20;

/// Signals that may wait for a link.
const MAX_SIGNALS: usize = 16;

/// How long one link may keep a thread until others have their turn. A thread looks for what has come
/// from the network only once in 61 turns.
const TURN: Duration = Duration::from_micros(200);

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

/// Takes links until it is dropped.
pub(super) async fn serve(
    listener: TcpListener,
    core: Arc<Core>,
    lenience: Lenience,
    settings: Settings,
) {
    let seats = Arc::new(Seats::new(settings.links, settings.links_per_address));
    loop {
        let Ok((stream, address)) = listener.accept().await else {
            // Out of file descriptors, most likely: some must close first.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        // A socket that cannot be tuned is about to fail anyway.
        let _ = tune(&stream);
        let Some(seat) = seats.take(address.ip()) else {
            refuse(&stream);
            continue;
        };
        let pace = Pace::new(settings.per_second);
        let link = Link::new(stream, Arc::clone(&core), lenience, pace);
        tokio::spawn(link.run(seat));
    }
}

/// Nothing was written to it before, so the system takes a line at once.
fn refuse(stream: &TcpStream) {
    let mut line = Vec::new();
    Message::Failure(Failure::new(Code::Busy, Num::Absent)).encode_line(&mut line);
    let _ = socket2::SockRef::from(stream).send(&line);
}

impl Settings {
    /// What the broker allows is read.
    pub(super) fn allowing(mut self, rate: Rate) -> Self {
        if self.per_second > 0 {
            self.per_second = self.per_second.max(rate.per_second);
        }
        self
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            links: 65_536,
            links_per_address: 4_096,
            per_second: 5_000,
        }
    }
}

/// Small messages leave at once; a peer that vanished is noticed after 90 s at the latest.
fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = socket2::TcpKeepalive::new()
        .with_time(Duration::from_secs(30))
        .with_interval(Duration::from_secs(15))
        .with_retries(3);
    socket2::SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

impl Link {
    fn new(stream: TcpStream, core: Arc<Core>, lenience: Lenience, pace: Pace) -> Self {
        Self {
            id: core.new_link(),
            core,
            stream,
            outbox: Arc::new(Outbox::default()),
            lines: LineCodec::default(),
            lenience,
            received: BytesMut::new(),
            has_more: false,
            pace,
            writing: Vec::new(),
            written: 0,
            is_over: false,
        }
    }

    async fn run(mut self, seat: Seat) {
        let _stay = self.core.stay();
        let peer = Peer::new(Transport::Tcp, seat.address());
        let outlet = Outlet::Lines(Arc::clone(&self.outbox));
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
            // A full socket keeps nobody from being closed.
            let _ = self.poll_write(context)?;
            if self.is_over || self.outbox.is_closing() {
                return Poll::Ready(Ok(()));
            }
            if self.outbox.is_full() {
                return Poll::Pending; // until something is written
            }
            ready!(self.pace.poll_ready(context));
            if !self.has_more {
                ready!(self.stream.poll_read_ready(context))?;
                if !self.read_some()? {
                    return Poll::Ready(Ok(()));
                }
            }
            self.hear();
            if self.has_more {
                // Whoever says much must not keep others from being heard.
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
    }

    /// Writes all there is; pending while the socket takes no more.
    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            self.write_some()?;
            if self.writing.is_empty() {
                return Poll::Ready(Ok(()));
            }
            ready!(self.stream.poll_write_ready(context))?;
        }
    }

    /// Reads what is there; false at the end of the stream.
    fn read_some(&mut self) -> io::Result<bool> {
        let read = SCRATCH.with_borrow_mut(|scratch| {
            let read = self.stream.try_read(scratch);
            if let Ok(length) = read {
                self.received.extend_from_slice(&scratch[..length]);
            }
            read
        });
        match read {
            Ok(0) => return Ok(false),
            Ok(length) => self.pace.pay(length / BYTES_OF_A_LINE),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    /// Hands over a turn of what was read.
    fn hear(&mut self) {
        self.outbox.attend(true);
        let (began, mut heard) = (now(), 0);
        self.has_more = true;
        while !self.is_over && (heard == 0 || began.elapsed() < TURN) {
            let Some(line) = self.lines.decode(&mut self.received) else {
                self.has_more = false;
                break;
            };
            heard += 1;
            match line {
                Ok(line) => {
                    let message = Message::decode(line, self.lenience);
                    let message = message.map(|decoded| decoded.message);
                    self.core.received(self.id, message);
                }
                Err(error) => {
                    let failure = Failure::new(Code::TooLarge, Num::Absent);
                    Message::Failure(failure).encode_line(&mut self.writing);
                    self.is_over |= error.is_fatal();
                }
            }
            self.is_over |= self.outbox.is_cut_off();
        }
        self.outbox.attend(false);
        self.pace.pay(heard);
        if self.received.is_empty() {
            self.received = BytesMut::new();
        }
    }

    /// Writes as much as the socket takes now.
    fn write_some(&mut self) -> io::Result<()> {
        loop {
            if self.written >= self.writing.len() {
                (self.writing, self.written) = (self.outbox.take(), 0);
                if self.writing.is_empty() {
                    if self.outbox.has_drained() {
                        self.core.drained(self.id);
                        continue;
                    }
                    return Ok(());
                }
            }
            match self.stream.try_write(&self.writing[self.written..]) {
                Ok(length) => self.written += length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// What was to be sent before the link was closed.
    async fn finish(&mut self) -> io::Result<()> {
        poll_fn(|context| self.poll_write(context)).await?;
        socket2::SockRef::from(&self.stream).shutdown(std::net::Shutdown::Write)?;
        // Unread bytes would turn the end into a reset, which destroys what is on its way.
        let mut discarded = 0;
        while discarded < MAX_DISCARDED {
            self.stream.readable().await?;
            match SCRATCH.with_borrow_mut(|scratch| self.stream.try_read(scratch)) {
                Ok(0) => break,
                Ok(length) => discarded += length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Outbox {
    /// Takes a message; true if it is full by that.
    pub(super) fn send(&self, frame: &Frame<'_>) -> bool {
        let mut waiting = self.waiting();
        if waiting.is_closing || waiting.is_cut_off() {
            return false;
        }
        frame.write_line(&mut waiting.lines);
        let is_over = waiting.lines.len() > MAX_BYTES;
        let is_full = is_over && !std::mem::replace(&mut waiting.is_full, is_over);
        waiting.wake();
        is_full
    }

    /// Takes a signal, to be written by then or not at all.
    pub(super) fn signal(&self, message: &Message, deadline: Instant) {
        let mut waiting = self.waiting();
        if waiting.is_closing || waiting.signals.len() >= MAX_SIGNALS {
            return;
        }
        let mut line = Vec::new();
        message.encode_line(&mut line);
        waiting.signals.push_back((deadline, line));
        waiting.wake();
    }

    /// Writes what waits, then closes the link.
    pub(super) fn close(&self) {
        let mut waiting = self.waiting();
        waiting.is_closing = true;
        waiting.wake();
    }

    /// Whom to wake when there is something.
    fn watch(&self, task: &Waker) {
        let mut waiting = self.waiting();
        if waiting
            .task
            .as_ref()
            .is_none_or(|known| !known.will_wake(task))
        {
            waiting.task = Some(task.clone());
        }
    }

    /// What is to be written now.
    fn take(&self) -> Vec<u8> {
        let mut waiting = self.waiting();
        let mut lines = std::mem::take(&mut waiting.lines);
        if !waiting.signals.is_empty() {
            let now = now();
            let signals = std::mem::take(&mut waiting.signals).into_iter();
            let mut first: Vec<u8> = signals
                //= docs/spec/zzw-push-proto.md#door
                //# A door frame MUST be sent on with the time after which it is worth nothing, and
                //# not be written after that.
                .filter(|(deadline, _)| *deadline > now)
                .flat_map(|(_, line)| line)
                .collect();
            first.append(&mut lines);
            lines = first;
        }
        lines
    }

    /// True once, when all is written after it was full.
    fn has_drained(&self) -> bool {
        std::mem::take(&mut self.waiting().is_full)
    }

    fn attend(&self, is_attended: bool) {
        self.waiting().is_attended = is_attended;
    }

    fn is_full(&self) -> bool {
        self.waiting().is_full
    }

    fn is_closing(&self) -> bool {
        self.waiting().is_closing
    }

    fn is_cut_off(&self) -> bool {
        self.waiting().is_cut_off()
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn wake(&self) {
        if let Some(task) = self.task.as_ref().filter(|_| !self.is_attended) {
            task.wake_by_ref();
        }
    }

    fn is_cut_off(&self) -> bool {
        self.lines.len() > HARD_MAX_BYTES
    }
}

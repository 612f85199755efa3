//! Port 9800: a line each way is a message.

use super::core::{Core, Outlet};
use super::frame::Frame;
use crate::clock::now;
use bytes::BytesMut;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use zzw_push_proto::line::LineCodec;
use zzw_push_proto::platform::{LinkId, Peer, Transport};
use zzw_push_proto::wire::{Code, Failure, Lenience, Message, Num};

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

/// How long what is still to be written may take when a link is closed.
const LAST_WORDS: Duration = Duration::from_secs(2);

thread_local! {
    /// What a read reads into, so that an idle link has no buffer.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; 64 << 10]);
}

/// Takes links until it is dropped.
pub(super) async fn serve(listener: TcpListener, core: Arc<Core>, lenience: Lenience) {
    loop {
        let Ok((stream, address)) = listener.accept().await else {
            // Out of file descriptors, most likely: some must close first.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        // A socket that cannot be tuned is about to fail anyway.
        let _ = tune(&stream);
        tokio::spawn(Link::new(stream, Arc::clone(&core), lenience).run(address));
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
    fn new(stream: TcpStream, core: Arc<Core>, lenience: Lenience) -> Self {
        Self {
            id: core.new_link(),
            core,
            stream,
            outbox: Arc::new(Outbox::default()),
            lines: LineCodec::default(),
            lenience,
            received: BytesMut::new(),
            writing: Vec::new(),
            written: 0,
            is_over: false,
        }
    }

    async fn run(mut self, address: SocketAddr) {
        let _stay = self.core.stay();
        let peer = Peer::new(Transport::Tcp, address.ip());
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
            let is_written = self.poll_write(context)?.is_ready();
            if is_written && (self.is_over || self.outbox.is_closing()) {
                return Poll::Ready(Ok(()));
            }
            if self.is_over || self.outbox.is_full() {
                return Poll::Pending; // until something is written
            }
            ready!(self.stream.poll_read_ready(context))?;
            if !self.read_some()? {
                return Poll::Ready(Ok(()));
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
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
            Err(error) => return Err(error),
        }
        self.outbox.attend(true);
        while let Some(line) = self.lines.decode(&mut self.received) {
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
            if self.outbox.is_cut_off() {
                self.is_over = true;
            }
            if self.is_over {
                break;
            }
        }
        self.outbox.attend(false);
        if self.received.is_empty() {
            self.received = BytesMut::new();
        }
        Ok(true)
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
        loop {
            self.stream.readable().await?;
            match SCRATCH.with_borrow_mut(|scratch| self.stream.try_read(scratch)) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
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
        let waiting = self.waiting();
        waiting.is_closing && waiting.lines.is_empty()
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

//! What goes out on one link.

use super::Losses;
use super::outlet::Entry;
use crate::clock::now;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;
use tokio::net::tcp::OwnedWriteHalf;
use zzw_push_proto::wire::Message;

/// A socket and what waits to be written to it.
///
/// Whoever has the time writes: the task of the link when it is at work anyway, and otherwise
/// [`super::Unwritten`], which has many links to write to and wakes none of their tasks, unless a
/// socket is full.
#[derive(Debug)]
pub(in super::super) struct Outbox {
    stream: OwnedWriteHalf,
    losses: Arc<Losses>,
    /// Bytes of entries that need not wait any more.
    done: AtomicU64,
    is_cut_off: AtomicBool,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// What the socket did not take of what was put into bytes, from there on, and what it stands for.
    rest: Vec<u8>,
    written: usize,
    len: u64,
    entries: VecDeque<Entry>,
    /// Worth something until then, or nothing.
    signals: VecDeque<(Instant, Vec<u8>)>,
    is_full: bool,
    is_closing: bool,
    /// Somebody has been told that there is something to write.
    is_listed: bool,
    task: Option<Waker>,
}

/// How an outbox stands after something was written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Written {
    /// Nothing waits any more.
    pub(super) is_all: bool,
    /// It is too full to be asked for more.
    pub(super) is_full: bool,
    /// It was full until now. Told once.
    pub(super) has_drained: bool,
    /// It is to be closed.
    pub(super) is_closing: bool,
}

/// Signals that may wait for a link.
const MAX_SIGNALS: usize = 16;

/// So much is put into bytes at a time.
const CHUNK: usize = 64 << 10;

thread_local! {
    /// Where entries are put into bytes, so that a link has a buffer only for what its socket does
    /// not take.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl Outbox {
    pub(super) fn new(stream: OwnedWriteHalf, losses: Arc<Losses>) -> Self {
        Self {
            stream,
            losses,
            done: AtomicU64::new(0),
            is_cut_off: AtomicBool::new(false),
            waiting: Mutex::default(),
        }
    }

    /// Ready when the socket may take something.
    pub(super) fn poll_room(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_ref().poll_write_ready(context)
    }

    pub(super) fn losses(&self) -> &Losses {
        &self.losses
    }

    /// Bytes of entries that have been written, ever.
    pub(super) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Takes entries; true if somebody has to write them, and nobody has been told.
    pub(super) fn push(&self, entries: Vec<Entry>) -> bool {
        let mut waiting = self.waiting();
        if waiting.entries.is_empty() {
            waiting.entries = entries.into();
        } else {
            waiting.entries.extend(entries);
        }
        !std::mem::replace(&mut waiting.is_listed, true)
    }

    /// Takes a signal, to be written by then or not at all.
    pub(super) fn signal(&self, message: &Message, deadline: Instant) {
        let mut waiting = self.waiting();
        if waiting.is_closing || waiting.signals.len() >= MAX_SIGNALS {
            return self.losses.surplus_signal();
        }
        let mut line = Vec::new();
        message.encode_line(&mut line);
        waiting.signals.push_back((deadline, line));
    }

    /// More waits than should: it is to be told when nothing does.
    pub(super) fn fill(&self) {
        self.waiting().is_full = true;
    }

    /// So much waits that the link is given up.
    pub(super) fn cut_off(&self) {
        self.is_cut_off.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_cut_off(&self) -> bool {
        self.is_cut_off.load(Ordering::Relaxed)
    }

    /// Writes what waits, then closes the link.
    pub(super) fn close(&self) {
        let mut waiting = self.waiting();
        waiting.is_closing = true;
        waiting.wake();
    }

    /// Whom to wake when there is something to do.
    pub(super) fn watch(&self, task: &Waker) {
        let mut waiting = self.waiting();
        let known = waiting.task.as_ref();
        if known.is_none_or(|known| !known.will_wake(task)) {
            waiting.task = Some(task.clone());
        }
    }

    /// Writes as much as the socket takes now, for the link's task.
    pub(super) fn write(&self) -> io::Result<Written> {
        let mut waiting = self.waiting();
        waiting.is_listed = false;
        let is_all = self.write_some(&mut waiting)?;
        Ok(Written {
            is_all,
            is_full: waiting.is_full && !is_all,
            has_drained: is_all && std::mem::take(&mut waiting.is_full),
            is_closing: waiting.is_closing,
        })
    }

    /// The same for who is not the link's task: that is woken where there is more to be done.
    pub(super) fn write_for_it(&self) {
        let mut waiting = self.waiting();
        waiting.is_listed = false;
        // A socket that has failed is the task's to end.
        let is_all = self.write_some(&mut waiting).unwrap_or_default();
        if !is_all || waiting.is_full {
            waiting.wake();
        }
    }

    /// Ready when all is written.
    pub(super) fn poll_empty(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if self.write()?.is_all {
                return Poll::Ready(Ok(()));
            }
            ready!(self.poll_room(context))?;
        }
    }

    /// True if nothing waits any more.
    fn write_some(&self, waiting: &mut Waiting) -> io::Result<bool> {
        while let Some(rest) = waiting
            .rest
            .get(waiting.written..)
            .filter(|r| !r.is_empty())
        {
            match self.try_write(rest)? {
                0 => return Ok(false),
                length => waiting.written += length,
            }
        }
        if waiting.written > 0 {
            self.settle(waiting.len);
            // An idle link has no buffer.
            (waiting.rest, waiting.written, waiting.len) = (Vec::new(), 0, 0);
        }
        SCRATCH.with_borrow_mut(|scratch| self.write_entries(waiting, scratch))
    }

    fn write_entries(&self, waiting: &mut Waiting, scratch: &mut Vec<u8>) -> io::Result<bool> {
        loop {
            scratch.clear();
            if !waiting.signals.is_empty() {
                self.put_signals(&mut waiting.signals, scratch);
            }
            let mut len = 0;
            while let Some(entry) = waiting.entries.front().filter(|_| scratch.len() < CHUNK) {
                entry.write(scratch);
                len += entry.len();
                waiting.entries.pop_front();
            }
            if scratch.is_empty() {
                waiting.entries = VecDeque::new();
                return Ok(true);
            }
            let length = self.try_write(scratch)?;
            if length < scratch.len() {
                waiting.rest = scratch.get(length..).unwrap_or_default().to_vec();
                waiting.len = len;
                return Ok(false);
            }
            self.settle(len);
        }
    }

    /// Signals go first, and only while they are worth something.
    //= docs/spec/zzw-push-proto.md#door
    //# A door frame MUST be sent on with the time after which it is worth nothing, and not be
    //# written after that.
    fn put_signals(&self, signals: &mut VecDeque<(Instant, Vec<u8>)>, out: &mut Vec<u8>) {
        let now = now();
        for (deadline, line) in std::mem::take(signals) {
            if deadline > now {
                out.extend(line);
            } else {
                self.losses.late_signal();
            }
        }
    }

    /// How much the socket took; 0 if it is full.
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self.stream.try_write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            written => written,
        }
    }

    fn settle(&self, len: u64) {
        // Nobody else writes it while `waiting` is locked.
        let done = self.done.load(Ordering::Relaxed);
        self.done.store(done.saturating_add(len), Ordering::Relaxed);
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn wake(&self) {
        if let Some(task) = &self.task {
            task.wake_by_ref();
        }
    }
}

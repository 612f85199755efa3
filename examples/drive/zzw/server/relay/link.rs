//! One WebSocket in a room.

use super::super::core::Core;
use super::super::pace::Pace;
use super::Settings;
use crate::clock::now;
use crate::ws::{Error, Limits, Message, ProtocolError, Socket};
use bytes::Bytes;
use std::collections::VecDeque;
use std::future::{Future as _, poll_fn};
use std::io;
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::time::Sleep;
use zzw_push_proto::rooms::{CloseCode, Input, LinkId, RoomFrame, RoomPath};

/// What waits to be written to one link: at most two windows of the rooms'.
#[derive(Debug, Default)]
pub(in super::super) struct Outbox(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    frames: VecDeque<Arc<RoomFrame>>,
    close: Option<CloseCode>,
    task: Option<Waker>,
}

/// A place in a room, until this is dropped.
pub(super) struct Seat {
    core: Arc<Core>,
    id: LinkId,
    outbox: Arc<Outbox>,
}

/// One link at work.
pub(super) struct Link {
    seat: Seat,
    socket: Socket,
    settings: Settings,
    /// Something was given to be written since the rooms were told that all is.
    owes: bool,
    /// When it last said anything.
    heard: Instant,
    is_pinged: bool,
    /// Since when the rest of a message is waited for.
    amid_since: Option<Instant>,
    pace: Pace,
    alarm: Pin<Box<Sleep>>,
}

/// How a link ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// With this status and these words.
    Close(u16, &'static str),
    /// The peer has said goodbye, or is gone.
    Theirs,
}

/// How long what is still to be written may take when a link is closed.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Most that is read and thrown away of a peer that is hung up on.
const MAX_DISCARDED: usize = 1 << 20;

/// Shorter messages are copied, lest each hold on to all that was read together with it.
const MAX_COPIED: usize = 2 << 10;

impl Seat {
    /// Takes a place before the upgrade is granted: whoever has been let in hears all from then on.
    pub(super) fn take(core: &Arc<Core>, path: RoomPath) -> Self {
        let seat = Self {
            core: Arc::clone(core),
            id: core.new_link(),
            outbox: Arc::default(),
        };
        core.join(seat.id, path, Arc::clone(&seat.outbox));
        seat
    }

    fn tell(&self, input: Input) {
        self.core.tell_rooms(input);
    }

    fn leave(&self) {
        self.core.disconnected(self.id);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Link {
    pub(super) fn new(
        seat: Seat,
        stream: TcpStream,
        early: &[u8],
        max_message: usize,
        settings: Settings,
    ) -> Self {
        // A socket that cannot be tuned is about to fail anyway.
        let _ = tune(&stream);
        let limits = Limits {
            message: max_message,
            read: (max_message / 32).clamp(1 << 10, 32 << 10),
        };
        let now = now();
        Self {
            seat,
            socket: Socket::new(stream, early, limits),
            settings,
            owes: false,
            heard: now,
            is_pinged: false,
            amid_since: None,
            pace: Pace::new(settings.per_second),
            alarm: Box::pin(tokio::time::sleep(settings.ping_after)),
        }
    }

    pub(super) async fn run(mut self) {
        let _stay = self.seat.core.stay();
        // A connection that breaks has no last words.
        if let Ok(end) = poll_fn(|context| self.poll_talk(context)).await {
            self.seat.leave();
            // Boxed: an idle link does not cost what a parting one does.
            let _ = Box::pin(tokio::time::timeout(LAST_WORDS, self.finish(end))).await;
        }
    }

    /// Reads and writes until one of both cannot go on, or the rooms close the link.
    fn poll_talk(&mut self, context: &mut Context<'_>) -> Poll<io::Result<End>> {
        self.seat.outbox.watch(context.waker());
        loop {
            if let Poll::Ready(end) = self.poll_alarm(context) {
                return Poll::Ready(Ok(end));
            }
            // A full socket keeps nobody from being read.
            let _ = self.poll_write(context)?;
            if let Some(code) = self.seat.outbox.closing() {
                return Poll::Ready(Ok(End::Close(code.code(), words(code))));
            }
            ready!(self.pace.poll_ready(context));
            let Poll::Ready(message) = self.socket.poll_next(context) else {
                if self.socket.is_amid() {
                    self.amid_since.get_or_insert_with(now);
                }
                return Poll::Pending;
            };
            match message {
                Ok(message) => {
                    if self.hear(message) {
                        return Poll::Ready(Ok(End::Theirs));
                    }
                }
                Err(Error::Io(error)) => return Poll::Ready(Err(error)),
                Err(error) => return Poll::Ready(Ok(fault(&error))),
            }
        }
    }

    /// Writes all there is, and tells the rooms when that is done; pending while the socket takes no
    /// more.
    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.socket.poll_flush(context))?;
            if let Some(frame) = self.seat.outbox.next() {
                let is_text = matches!(&*frame, RoomFrame::Text(_));
                self.socket.send(frame.bytes().clone(), is_text);
                self.owes = true;
            } else if std::mem::take(&mut self.owes) {
                self.seat.tell(Input::Drained(self.seat.id));
            } else {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Passes on what came; true if it was a goodbye.
    fn hear(&mut self, message: Message) -> bool {
        (self.heard, self.is_pinged) = (now(), false);
        self.pace.pay(1);
        let frame = match message {
            Message::Text(text) => RoomFrame::Text(detached(text.into())),
            Message::Binary(bytes) => RoomFrame::Binary(detached(bytes)),
            Message::Close(_) => return true,
            _ => return false,
        };
        self.amid_since = None;
        self.seat.tell(Input::Received(self.seat.id, frame));
        false
    }

    /// Asks after a peer that is silent; ready when there is none, or it dawdles.
    ///
    /// Hearing something moves no timer: when it fires, it is looked what is due.
    fn poll_alarm(&mut self, context: &mut Context<'_>) -> Poll<End> {
        loop {
            ready!(self.alarm.as_mut().poll(context));
            let now = now();
            let after = self.settings.ping_after;
            let silent = now.saturating_duration_since(self.heard);
            let amid = self.amid_since;
            let amid = amid.map(|since| now.saturating_duration_since(since));
            let next = match amid {
                Some(amid) if amid >= self.settings.message_time => {
                    return Poll::Ready(End::Close(1008, "a message took too long"));
                }
                // It cannot answer a ping now.
                Some(_) => now + after,
                None if silent < after => self.heard + after,
                None if self.is_pinged => {
                    return Poll::Ready(End::Close(1001, "no answer to a ping"));
                }
                None => {
                    self.socket.ping();
                    self.is_pinged = true;
                    now + after
                }
            };
            self.alarm.as_mut().reset(next.into());
        }
    }

    /// What was to be sent before the link was closed, then the goodbye.
    async fn finish(mut self, end: End) -> io::Result<()> {
        poll_fn(|context| self.poll_write(context)).await?;
        if let End::Close(code, words) = end {
            self.socket.close(code, words);
            poll_fn(|context| self.socket.poll_flush(context)).await?;
        }
        let stream = self.socket.into_stream();
        socket2::SockRef::from(&stream).shutdown(Shutdown::Write)?;
        // Unread bytes would turn the end into a reset, which destroys what is on its way.
        let (mut scrap, mut discarded) = ([0; 1 << 10], 0);
        while discarded < MAX_DISCARDED {
            stream.readable().await?;
            match stream.try_read(&mut scrap) {
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
    pub(in super::super) fn send(&self, frame: Arc<RoomFrame>) {
        let mut waiting = self.waiting();
        if waiting.close.is_none() {
            waiting.frames.push_back(frame);
            waiting.wake();
        }
    }

    /// Writes what waits, then closes the link.
    pub(in super::super) fn close(&self, code: CloseCode) {
        let mut waiting = self.waiting();
        waiting.close.get_or_insert(code);
        waiting.wake();
    }

    /// Whom to wake when there is something.
    fn watch(&self, task: &Waker) {
        let task_of = &mut self.waiting().task;
        if task_of.as_ref().is_none_or(|known| !known.will_wake(task)) {
            *task_of = Some(task.clone());
        }
    }

    fn next(&self) -> Option<Arc<RoomFrame>> {
        self.waiting().frames.pop_front()
    }

    fn closing(&self) -> Option<CloseCode> {
        self.waiting().close
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn wake(&self) {
        if let Some(task) = &self.task {
            task.wake_by_ref();
        }
    }
}

/// Little waits in the system for a viewer who is slow: it would be shown what is long over.
fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    #[cfg(target_os = "linux")]
    socket2::SockRef::from(stream).set_tcp_notsent_lowat(32 << 10)?;
    Ok(())
}

/// What the peer is told of its fault (RFC 6455 section 7.4.1).
fn fault(error: &Error) -> End {
    match error {
        Error::Capacity(_) => End::Close(1009, "the message is too long"),
        Error::Utf8(_) => End::Close(1007, "the text is not UTF-8"),
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => End::Theirs,
        _ => End::Close(1002, "not as RFC 6455 has it"),
    }
}

fn words(code: CloseCode) -> &'static str {
    match code {
        CloseCode::Normal => "it is over",
        CloseCode::GoingAway => "the server ends; come again",
        CloseCode::PolicyViolation => "rooms of many are off",
        CloseCode::TooBig => "the message is too long",
        CloseCode::TryAgainLater => "too much to do, or too slow; come again later",
        CloseCode::Replaced => "another link has this place now",
        _ => "",
    }
}

fn detached(bytes: Bytes) -> Bytes {
    if bytes.len() < MAX_COPIED {
        Bytes::copy_from_slice(&bytes)
    } else {
        bytes
    }
}

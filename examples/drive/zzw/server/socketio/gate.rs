//! The connection under a websocket, which knows when all is written, and which can be cut.
//!
//! engineioxide says neither when its queue has room again nor lets go of a peer that does not read:
//! its writer waits in a flush for ever. Both are seen, and ended, from below.

use super::link::Link;
use bytes::{Buf as _, Bytes};
use futures_util::task::AtomicWaker;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The stream that engineioxide reads and writes.
#[derive(Debug)]
pub(super) struct Gate {
    stream: TcpStream,
    early: Bytes, // read before the stream was ours
    wire: Arc<Wire>,
}

/// What a link knows of its stream.
#[derive(Debug, Default)]
pub(super) struct Wire {
    link: OnceLock<Weak<Link>>,
    is_cut: AtomicBool,
    reader: AtomicWaker,
    writer: AtomicWaker,
}

impl Gate {
    pub(super) fn new(stream: TcpStream, early: Bytes, wire: Arc<Wire>) -> Self {
        Self {
            stream,
            early,
            wire,
        }
    }
}

impl Wire {
    /// Tells whose stream it is, once.
    pub(super) fn belong_to(&self, link: &Arc<Link>) {
        let _ = self.link.set(Arc::downgrade(link));
    }

    /// Ends the stream, whoever waits for it.
    pub(super) fn cut(&self) {
        self.is_cut.store(true, Ordering::Release);
        self.reader.wake();
        self.writer.wake();
    }

    /// Lets the link read again.
    pub(super) fn go_on(&self) {
        self.reader.wake();
    }

    fn link(&self) -> Option<Arc<Link>> {
        self.link.get()?.upgrade()
    }

    fn check(&self) -> io::Result<()> {
        if self.is_cut.load(Ordering::Acquire) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }

    /// What a poll that has to wait becomes when the stream was cut meanwhile.
    fn writing<T>(
        &self,
        context: &mut Context<'_>,
        poll: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if poll.is_pending() {
            self.writer.register(context.waker());
            self.check()?;
        }
        poll
    }
}

impl AsyncRead for Gate {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.wire.reader.register(context.waker());
        self.wire.check()?;
        // Who does not read what it has asked for is not asked what more it wants.
        if self.wire.link().is_some_and(|link| link.is_full()) {
            return Poll::Pending;
        }
        if !self.early.is_empty() {
            let length = self.early.len().min(buffer.remaining());
            buffer.put_slice(self.early.get(..length).unwrap_or_default());
            self.early.advance(length);
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Gate {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.wire.check()?;
        let poll = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wire.writing(context, poll)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.wire.check()?;
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        if let Some(link) = self.wire.link() {
            link.written();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.wire.check()?;
        let poll = Pin::new(&mut self.stream).poll_shutdown(context);
        self.wire.writing(context, poll)
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        // engineioxide forgets the session of a peer that is gone before its first packet, or in the
        // middle of an upgrade, but does not end it.
        if let Some(link) = self.wire.link() {
            link.lost();
        }
    }
}

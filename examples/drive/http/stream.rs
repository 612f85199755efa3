//! The byte stream under a connection.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;
use tokio_rustls::server::TlsStream;

/// An accepted connection, plain or TLS.
///
/// A peer that takes nothing for 30 s is cut off. One that still sends when it is hung up on is
/// listened to a little longer, else the reset would destroy the answer on its way.
#[derive(Debug)]
pub struct Stream {
    transport: Transport,
    stalled: Option<Pin<Box<Sleep>>>,
    farewell: Option<Farewell>,
}

#[derive(Debug)]
enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// The end of a connection, after our last byte.
#[derive(Debug)]
struct Farewell {
    discarded: usize,
    patience: Pin<Box<Sleep>>,
}

impl Stream {
    /// The TCP stream of a plain connection.
    pub fn into_tcp(self) -> Option<TcpStream> {
        match self.transport {
            Transport::Plain(stream) => Some(stream),
            Transport::Tls(_) => None,
        }
    }

    /// Fails once nothing could be written for [`STALL`].
    fn unless_stalled<T>(
        &mut self,
        context: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.stalled = None;
            return polled;
        }
        let timer = self
            .stalled
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(STALL)));
        ready!(timer.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Self {
        Self {
            transport: Transport::Plain(stream),
            stalled: None,
            farewell: None,
        }
    }
}

impl From<TlsStream<TcpStream>> for Stream {
    fn from(stream: TlsStream<TcpStream>) -> Self {
        Self {
            transport: Transport::Tls(Box::new(stream)),
            stalled: None,
            farewell: None,
        }
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_read(context, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Transport::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        };
        self.unless_stalled(context, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Transport::Tls(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        };
        self.unless_stalled(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.transport {
            Transport::Plain(stream) => stream.is_write_vectored(),
            Transport::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_flush(context),
            Transport::Tls(stream) => Pin::new(stream).poll_flush(context),
        };
        self.unless_stalled(context, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.farewell.is_none() {
            let polled = match &mut this.transport {
                Transport::Plain(stream) => Pin::new(stream).poll_shutdown(context),
                Transport::Tls(stream) => Pin::new(stream).poll_shutdown(context),
            };
            ready!(this.unless_stalled(context, polled))?;
        }
        let mut scrap = [0; 8 << 10];
        loop {
            let mut buffer = ReadBuf::new(&mut scrap);
            let polled = Pin::new(&mut this.transport).poll_read(context, &mut buffer);
            let len = buffer.filled().len();
            match polled {
                Poll::Ready(Ok(())) if len > 0 => {
                    let farewell = this.farewell.get_or_insert_with(Farewell::new);
                    farewell.discarded = farewell.discarded.saturating_add(len);
                    if farewell.discarded > Farewell::MOST {
                        return Poll::Ready(Ok(()));
                    }
                }
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                // Who sends nothing loses nothing.
                Poll::Pending => {
                    let Some(farewell) = &mut this.farewell else {
                        return Poll::Ready(Ok(()));
                    };
                    return farewell.patience.as_mut().poll(context).map(Ok);
                }
            }
        }
    }
}

impl Farewell {
    /// Most that is read and thrown away.
    const MOST: usize = 256 << 10;

    fn new() -> Self {
        Self {
            discarded: 0,
            patience: Box::pin(tokio::time::sleep(Duration::from_secs(1))),
        }
    }
}

const STALL: Duration = Duration::from_secs(30);

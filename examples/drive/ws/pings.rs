//! Pings that are not answered, as some boxes do not.
//!
//! tungstenite answers every ping by itself. To keep it from doing so, the pings are turned into
//! pongs before it sees them: a pong that nobody asked for means nothing.

use bytes::{Buf as _, Bytes};
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What to do with a ping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PingRule {
    /// Answer it.
    Answer,
    /// Pretend it never came.
    Ignore,
    /// Drop the connection.
    HangUp,
}

/// The rule for one connection, which may change while it is read.
#[derive(Debug, Default)]
pub struct PingRules(AtomicU8);

impl PingRules {
    /// From now on, this.
    pub fn set(&self, rule: PingRule) {
        self.0.store(rule as u8, Ordering::Relaxed);
    }

    fn rule(&self) -> PingRule {
        match self.0.load(Ordering::Relaxed) {
            0 => PingRule::Answer,
            1 => PingRule::Ignore,
            _ => PingRule::HangUp,
        }
    }
}

/// A client's byte stream without the pings that the rule takes out.
#[derive(Debug)]
pub struct PingFilter<S> {
    stream: S,
    early: Bytes, // read before the stream was ours
    rules: std::sync::Arc<PingRules>,
    at: At,
}

/// Where in a frame the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Opcode,
    Length,
    /// Bytes of the long length still to come, and its value so far.
    LongLength {
        left: u8,
        length: u64,
        is_masked: bool,
    },
    /// Mask and payload still to come.
    Rest(u64),
}

impl<S> PingFilter<S> {
    pub(super) fn new(stream: S, early: Bytes, rules: std::sync::Arc<PingRules>) -> Self {
        Self {
            stream,
            early,
            rules,
            at: At::Opcode,
        }
    }
}

impl At {
    /// Steps over `bytes`, turning pings into pongs by `rule`.
    fn pass(&mut self, bytes: &mut [u8], rule: PingRule) -> io::Result<()> {
        let mut rest = bytes;
        while let Some((byte, tail)) = rest.split_first_mut() {
            let mut skipped = 0;
            *self = match *self {
                Self::Opcode => {
                    if *byte & 0x0f == 0x9 {
                        match rule {
                            PingRule::Answer => {}
                            PingRule::Ignore => *byte = (*byte & 0xf0) | 0xa,
                            PingRule::HangUp => return Err(io::ErrorKind::ConnectionAborted.into()),
                        }
                    }
                    Self::Length
                }
                Self::Length => {
                    let is_masked = *byte & 0x80 != 0;
                    match *byte & 0x7f {
                        126 => Self::LongLength {
                            left: 2,
                            length: 0,
                            is_masked,
                        },
                        127 => Self::LongLength {
                            left: 8,
                            length: 0,
                            is_masked,
                        },
                        length => Self::rest(u64::from(length), is_masked),
                    }
                }
                Self::LongLength {
                    left,
                    length,
                    is_masked,
                } => {
                    let length = length << 8 | u64::from(*byte);
                    match left {
                        1 => Self::rest(length, is_masked),
                        _ => Self::LongLength {
                            left: left - 1,
                            length,
                            is_masked,
                        },
                    }
                }
                Self::Rest(left) => {
                    let here = usize::try_from(left - 1)
                        .unwrap_or(usize::MAX)
                        .min(tail.len());
                    skipped = here;
                    match left - 1 - here as u64 {
                        0 => Self::Opcode,
                        left => Self::Rest(left),
                    }
                }
            };
            rest = &mut tail[skipped..];
        }
        Ok(())
    }

    fn rest(length: u64, is_masked: bool) -> Self {
        match length.saturating_add(if is_masked { 4 } else { 0 }) {
            0 => Self::Opcode,
            rest => Self::Rest(rest),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for PingFilter<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        if self.early.is_empty() {
            std::task::ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        } else {
            let length = self.early.len().min(buffer.remaining());
            buffer.put_slice(&self.early[..length]);
            self.early.advance(length);
        }
        let rule = self.rules.rule();
        let mut at = self.at;
        let passed = at.pass(&mut buffer.filled_mut()[before..], rule);
        self.at = at;
        Poll::Ready(passed)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for PingFilter<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pings_become_pongs_however_the_stream_is_cut() {
        let frames: [&[u8]; 4] = [
            &[0x81, 0x82, 1, 2, 3, 4, 0x89, 0x89],
            &[0x89, 0x80, 9, 9, 9, 9],
            &[0x81, 0xfe, 0, 3, 1, 2, 3, 4, 0x89, 0x89, 0x89],
            &[0x8a, 0x00],
        ];
        let stream = frames.concat();
        let mut wanted = stream.clone();
        wanted[8] = 0x8a;
        for size in 1..stream.len() {
            let (mut passed, mut at) = (stream.clone(), At::Opcode);
            for piece in passed.chunks_mut(size) {
                at.pass(piece, PingRule::Ignore).unwrap();
            }
            assert_eq!(
                (passed, at),
                (wanted.clone(), At::Opcode),
                "in pieces of {size}"
            );
        }
    }

    #[test]
    fn a_ping_may_end_the_connection() {
        let mut at = At::Opcode;
        assert!(at.pass(&mut [0x89, 0x80], PingRule::HangUp).is_err());
        assert!(At::Opcode.pass(&mut [0x81, 0x80], PingRule::HangUp).is_ok());
    }
}

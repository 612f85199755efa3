//! A WebSocket that we accepted, made for passing on: what is sent is not copied.
//!
//! tungstenite reads, and knows the rules of control frames. It would copy each message into a
//! buffer of its own for each receiver, so data frames are written here, from where they lie.

use bytes::Bytes;
use std::collections::VecDeque;
use std::io::{self, IoSlice, Read, Write};
use std::task::{Context, Poll, ready};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tokio_tungstenite::tungstenite::{Error, Message};

/// A connection that speaks WebSocket.
#[derive(Debug)]
pub struct Socket {
    stream: TcpStream,
    context: WebSocketContext,
    /// Control frames that wait.
    replies: VecDeque<u8>,
    sending: Option<Sending>,
    /// Bytes read since the last whole message, without control frames.
    unread: usize,
}

/// What a socket puts up with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "two sizes")]
pub struct Limits {
    /// Longest message, in bytes.
    pub message: usize,
    /// Read at once, in bytes. So much memory a connection takes while nothing comes.
    pub read: usize,
}

/// A data frame of which part may be written.
#[derive(Debug)]
struct Sending {
    head: Head,
    payload: Bytes,
    written: usize,
}

#[derive(Debug)]
struct Head {
    bytes: [u8; 10],
    length: usize,
}

/// The two directions of a connection, as tungstenite wants them.
struct Io<'a> {
    stream: &'a TcpStream,
    replies: &'a mut VecDeque<u8>,
    read: usize,
}

/// Beyond so many bytes of control frames that the peer does not take, nothing is read from it.
const MAX_REPLIES: usize = 1 << 10;

/// Head of a control frame that a client sends.
const MASKED_HEAD: usize = 6;

impl Socket {
    /// Speaks WebSocket on a connection of which `early` has been read already.
    pub fn new(stream: TcpStream, early: &[u8], limits: Limits) -> Self {
        let config = WebSocketConfig::default()
            .max_message_size(Some(limits.message))
            .max_frame_size(Some(limits.message))
            .read_buffer_size(limits.read)
            .write_buffer_size(0);
        let role = Role::Server;
        Self {
            stream,
            context: WebSocketContext::from_partially_read(early.to_vec(), role, Some(config)),
            replies: VecDeque::new(),
            sending: None,
            unread: early.len(),
        }
    }

    /// The next message, control frames included. Pings and closes are answered, once they are
    /// flushed.
    ///
    /// # Errors
    ///
    /// What the peer did wrong, or how its connection ended. Nothing more can be read then.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Message, Error>> {
        loop {
            if self.replies.len() > MAX_REPLIES {
                return Poll::Pending; // until they are written
            }
            let mut io = Io {
                stream: &self.stream,
                replies: &mut self.replies,
                read: 0,
            };
            let read = self.context.read(&mut io);
            self.unread = self.unread.saturating_add(io.read);
            match read {
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.stream.poll_read_ready(context)).map_err(Error::Io)?;
                }
                Ok(message) => {
                    // Control frames may come in the middle of a message.
                    self.unread = match &message {
                        Message::Ping(payload) | Message::Pong(payload) => {
                            self.unread.saturating_sub(MASKED_HEAD + payload.len())
                        }
                        _ => 0,
                    };
                    // What is to be answered is put among the replies by the next call.
                    let mut io = Io {
                        stream: &self.stream,
                        replies: &mut self.replies,
                        read: 0,
                    };
                    // After a close this is how it says that all is said.
                    let _ = self.context.flush(&mut io);
                    return Poll::Ready(Ok(message));
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Begins to send; what was begun before must be flushed first.
    pub fn send(&mut self, payload: Bytes, is_text: bool) {
        debug_assert!(self.sending.is_none(), "one message at a time");
        self.sending = Some(Sending {
            head: Head::new(payload.len(), is_text),
            payload,
            written: 0,
        });
    }

    /// Asks the peer whether it is still there.
    pub fn ping(&mut self) {
        self.control(|context, io| context.write(io, Message::Ping(Bytes::new())));
    }

    /// Says goodbye, after what is being sent.
    pub fn close(&mut self, code: u16, reason: &'static str) {
        let frame = CloseFrame {
            code: CloseCode::from(code),
            reason: reason.into(),
        };
        self.control(|context, io| context.close(io, Some(frame)));
    }

    /// Writes all there is; pending while the peer takes no more.
    ///
    /// # Errors
    ///
    /// If the connection is broken.
    pub fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let is_begun = self.sending.as_ref().is_some_and(|it| it.written > 0);
            let written = match &mut self.sending {
                // Whoever waits for a pong waits no longer than for one message.
                Some(sending) if is_begun || self.replies.is_empty() => {
                    let written = self.stream.try_write_vectored(&sending.rest());
                    written.map(|length| sending.written += length)
                }
                _ if self.replies.is_empty() => return Poll::Ready(Ok(())),
                _ => {
                    let (front, _) = self.replies.as_slices();
                    let written = self.stream.try_write(front);
                    written.map(|length| drop(self.replies.drain(..length)))
                }
            };
            match written {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.stream.poll_write_ready(context))?;
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
            self.sending.take_if(|sending| sending.is_done());
            if self.replies.is_empty() {
                self.replies = VecDeque::new();
            }
        }
    }

    /// True while part of a message is there and the rest is not.
    pub fn is_amid(&self) -> bool {
        self.unread > 0
    }

    /// The connection, to be ended.
    pub fn into_stream(self) -> TcpStream {
        self.stream
    }

    /// tungstenite's errors here say that the connection is being closed already.
    fn control(
        &mut self,
        write: impl FnOnce(&mut WebSocketContext, &mut Io<'_>) -> Result<(), Error>,
    ) {
        let mut io = Io {
            stream: &self.stream,
            replies: &mut self.replies,
            read: 0,
        };
        let _ = write(&mut self.context, &mut io);
        let _ = self.context.flush(&mut io);
    }
}

impl Sending {
    fn rest(&self) -> [IoSlice<'_>; 2] {
        let head = &self.head.bytes[..self.head.length];
        let head = head.get(self.written..).unwrap_or_default();
        let payload = self.written.saturating_sub(self.head.length);
        let payload = self.payload.get(payload..).unwrap_or_default();
        [IoSlice::new(head), IoSlice::new(payload)]
    }

    fn is_done(&self) -> bool {
        self.written >= self.head.length + self.payload.len()
    }
}

impl Head {
    /// A server masks nothing (RFC 6455 section 5.2).
    fn new(length: usize, is_text: bool) -> Self {
        let mut bytes = [0; 10];
        bytes[0] = if is_text { 0x81 } else { 0x82 };
        let long = (length as u64).to_be_bytes();
        let length = match length {
            0..=125 => {
                bytes[1] = long[7];
                2
            }
            126..=0xffff => {
                bytes[1] = 126;
                bytes[2..4].copy_from_slice(&long[6..]);
                4
            }
            _ => {
                bytes[1] = 127;
                bytes[2..].copy_from_slice(&long);
                10
            }
        };
        Self { bytes, length }
    }
}

impl Read for Io<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.stream.try_read(buffer)?;
        self.read = self.read.saturating_add(length);
        Ok(length)
    }
}

impl Write for Io<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.replies.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_has_the_shortest_form_of_its_length() {
        let head = |length, is_text| {
            let head = Head::new(length, is_text);
            head.bytes[..head.length].to_vec()
        };
        assert_eq!(head(0, true), [0x81, 0]);
        assert_eq!(head(125, false), [0x82, 125]);
        assert_eq!(head(126, false), [0x82, 126, 0, 126]);
        assert_eq!(head(0xffff, true), [0x81, 126, 0xff, 0xff]);
        assert_eq!(head(0x1_0000, true), [0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn what_is_left_of_a_message_begins_where_it_stopped() {
        let mut sending = Sending {
            head: Head::new(300, false),
            payload: vec![7; 300].into(),
            written: 0,
        };
        for written in 0..=304 {
            sending.written = written;
            let left: usize = sending.rest().iter().map(|slice| slice.len()).sum();
            assert_eq!((left, sending.is_done()), (304 - written, written == 304));
        }
    }
}

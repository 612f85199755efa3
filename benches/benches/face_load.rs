//! Terminals that push one record after the other, each on a connection of its own that it keeps.
//!
//! They never sleep: a server that has to wake whom it answers would pay for that, and the faster
//! one less often.

use super::face_samples::{body, noise, turn_over};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Terminals at one server.
pub(crate) struct Load {
    terminals: Vec<Terminal>,
    next: usize,
}

struct Terminal {
    stream: TcpStream,
    /// Head and body as they are sent.
    request: Vec<u8>,
    sent: usize,
    answer: Vec<u8>,
    /// Whose records are still to be pushed.
    people: std::ops::Range<usize>,
    is_waiting: bool,
}

impl Load {
    /// So many terminals, whose pictures have that many bytes of JPEG. The first to be pushed is the
    /// person number `next`.
    pub(crate) fn connect(
        port: u16,
        terminals: usize,
        picture: usize,
        next: usize,
    ) -> io::Result<Self> {
        let connect = |serial| Terminal::connect(port, serial, picture);
        Ok(Self {
            terminals: (0..terminals).map(connect).collect::<io::Result<_>>()?,
            next,
        })
    }

    /// The next person.
    pub(crate) fn next(&self) -> usize {
        self.next
    }

    /// Pushes so many records, no two alike, and waits for every answer.
    pub(crate) fn push(&mut self, records: usize) -> io::Result<()> {
        let share = records.div_ceil(self.terminals.len());
        let people = self.next..self.next + share;
        self.next += share;
        for terminal in &mut self.terminals {
            terminal.people = people.clone();
        }
        let start = Instant::now();
        loop {
            let (mut is_over, mut is_stuck) = (true, true);
            for terminal in &mut self.terminals {
                is_stuck &= !terminal.go_on()?;
                is_over &= !terminal.is_waiting && terminal.people.is_empty();
            }
            if is_over {
                return Ok(());
            }
            if is_stuck {
                if start.elapsed() > DEADLINE {
                    return Err(ErrorKind::TimedOut.into());
                }
                std::thread::yield_now();
            }
        }
    }
}

/// No server takes longer for its share of a round.
const DEADLINE: Duration = Duration::from_mins(2);

impl Terminal {
    fn connect(port: u16, serial: usize, picture: usize) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let body = body(serial, 0, &noise(picture, serial as u64 + 1));
        let head = format!(
            "POST /Record HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        Ok(Self {
            stream,
            request: [head.as_bytes(), &body].concat(),
            sent: 0,
            answer: Vec::new(),
            people: 0..0,
            is_waiting: false,
        })
    }

    /// Sends and receives what can be; false if that was nothing.
    fn go_on(&mut self) -> io::Result<bool> {
        if !self.is_waiting {
            let Some(person) = self.people.next() else {
                return Ok(false);
            };
            turn_over(&mut self.request, person);
            (self.sent, self.is_waiting) = (0, true);
            self.answer.clear();
        }
        if self.sent < self.request.len() {
            let sent = moved(self.stream.write(&self.request[self.sent..]))?;
            self.sent += sent;
            return Ok(sent > 0);
        }
        let mut piece = [0; 1024];
        let received = moved(self.stream.read(&mut piece))?;
        self.answer.extend_from_slice(&piece[..received]);
        if received > 0 && is_whole(&self.answer) {
            self.is_waiting = false;
            if self.answer.get(9..12) != Some(b"200") {
                let answer = String::from_utf8_lossy(&self.answer);
                return Err(io::Error::other(format!("it answered {answer}")));
            }
        }
        Ok(received > 0)
    }
}

/// How many bytes went through; none if there was nothing to do.
fn moved(result: io::Result<usize>) -> io::Result<usize> {
    match result {
        Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        result => result,
    }
}

/// Whether these are an answer's head and all of the body that it declares.
fn is_whole(answer: &[u8]) -> bool {
    let Some(end) = memchr::memmem::find(answer, b"\r\n\r\n") else {
        return false;
    };
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let mut lines = head.lines();
    let length = lines.find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    answer.len() >= end + 4 + length.unwrap_or(0_usize)
}

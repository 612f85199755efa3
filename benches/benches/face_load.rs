//! Terminals that push one record after the other, each on a connection of its own that it keeps.

use super::face_samples::{body, noise, turn_over};
use std::io;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Terminals at one server.
pub(crate) struct Load {
    terminals: Vec<Terminal>,
    next: usize,
}

struct Terminal {
    stream: TcpStream,
    /// Head and body as they are sent.
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Load {
    /// So many terminals, whose pictures have that many bytes of JPEG.
    pub(crate) async fn connect(port: u16, terminals: usize, picture: usize) -> io::Result<Self> {
        let mut connected = Vec::new();
        for serial in 0..terminals {
            let stream = TcpStream::connect(("127.0.0.1", port)).await?;
            stream.set_nodelay(true)?;
            let body = body(serial, 0, &noise(picture, serial as u64 + 1));
            let mut request = format!(
                "POST /Record HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                body.len()
            )
            .into_bytes();
            request.extend_from_slice(&body);
            connected.push(Terminal {
                stream,
                request,
                answer: Vec::new(),
            });
        }
        Ok(Self {
            terminals: connected,
            next: 0,
        })
    }

    /// Pushes so many records, no two alike, and waits for every answer.
    pub(crate) async fn push(&mut self, records: usize) -> io::Result<()> {
        let share = records.div_ceil(self.terminals.len());
        let people = self.next..self.next + share;
        self.next += share;
        let work = self.terminals.iter_mut().map(|terminal| {
            let people = people.clone();
            async move {
                for person in people {
                    terminal.push(person).await?;
                }
                Ok(())
            }
        });
        let ended: Vec<io::Result<()>> = futures_util::future::join_all(work).await;
        ended.into_iter().collect()
    }
}

impl Terminal {
    async fn push(&mut self, person: usize) -> io::Result<()> {
        turn_over(&mut self.request, person);
        self.stream.write_all(&self.request).await?;
        self.answer.clear();
        while !is_whole(&self.answer) {
            if self.stream.read_buf(&mut self.answer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        if self.answer.get(9..12) == Some(b"200") {
            return Ok(());
        }
        let answer = String::from_utf8_lossy(&self.answer);
        Err(io::Error::other(format!("it answered {answer}")))
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

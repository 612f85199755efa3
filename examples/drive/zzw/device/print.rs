//! The three streams of a process, a line at a time.

use super::DeviceNews;
use super::line::{self, Stream};
use std::io::{self, BufRead as _, Write as _};
use tokio::sync::mpsc;
use zzw_push_proto::wire::{Json, Text};

/// Both output streams, a line at a time.
pub(super) struct Printer {
    alias: Text,
    pub(super) server: String,
    buffer: Vec<u8>,
}

impl Printer {
    pub(super) fn new(alias: Text) -> Self {
        Self {
            alias,
            server: String::new(),
            buffer: Vec::new(),
        }
    }

    pub(super) fn print(&mut self, news: &DeviceNews) -> io::Result<()> {
        if let DeviceNews::Connected(address) = news {
            self.server.clone_from(address);
        }
        self.buffer.clear();
        let stream = line::push_news(news, &self.alias, &self.server, &mut self.buffer);
        self.flush(stream)
    }

    pub(super) fn bare(&mut self, msg: &Json) -> io::Result<()> {
        self.buffer.clear();
        line::push_bare(&self.alias, msg, &mut self.buffer);
        self.flush(Stream::Out)
    }

    /// Room for a line.
    pub(super) fn blank(&mut self) -> &mut Vec<u8> {
        self.buffer.clear();
        &mut self.buffer
    }

    /// Prints what was put there.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::BrokenPipe`] once nobody reads standard output any more.
    pub(super) fn flush(&mut self, stream: Stream) -> io::Result<()> {
        write(stream, &self.buffer)
    }
}

/// Writes a line.
///
/// # Errors
///
/// [`io::ErrorKind::BrokenPipe`] once nobody reads standard output any more.
pub(in super::super) fn write(stream: Stream, line: &[u8]) -> io::Result<()> {
    match stream {
        Stream::Out => {
            let mut out = io::stdout().lock();
            out.write_all(line)?;
            out.flush()
        }
        Stream::Err => {
            // Who reads no notes gets messages all the same.
            let _ = io::stderr().lock().write_all(line);
            Ok(())
        }
    }
}

/// The lines of standard input. Read on a thread of their own, which does not keep the process from
/// ending while nobody types.
pub(in super::super) fn input() -> mpsc::Receiver<io::Result<String>> {
    let (lines_in, lines) = mpsc::channel(16);
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            let is_over = line.is_err();
            if lines_in.blocking_send(line).is_err() || is_over {
                return;
            }
        }
    });
    lines
}

//! Lines over TCP.

use super::DeviceOptions;
use super::dial::{End, Ends, FromLink, LAST_WORDS};
use bytes::{Bytes, BytesMut};
use std::io;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use zzw_push_proto::device::Cause;
use zzw_push_proto::line::LineCodec;
use zzw_push_proto::wire::{Lenience, Message};

/// Beyond so much is written before more is taken from the queue, in bytes.
const BATCH: usize = 64 << 10;

/// Reads and writes until one of both cannot go on, or the queue ends.
pub(super) async fn talk(mut stream: TcpStream, options: &DeviceOptions, ends: &mut Ends) -> End {
    let (reading, writing) = stream.split();
    let news = &ends.news;
    let mut reader = Reader {
        stream: reading,
        lines: LineCodec::new(LineCodec::DEVICE_MAX),
        received: BytesMut::new(),
        lenience: options.lenience,
        is_known: false,
    };
    let end = tokio::select! {
        end = reader.read(news) => return end,
        end = write(writing, &mut ends.queue, options) => end,
    };
    if end.cause == Cause::Local {
        // Unread bytes would turn the end into a reset, which destroys what is on its way.
        let _ = tokio::time::timeout(LAST_WORDS, reader.skip()).await;
    }
    end
}

struct Reader<'s> {
    stream: ReadHalf<'s>,
    lines: LineCodec,
    received: BytesMut,
    lenience: Lenience,
    /// A message has come, so it is a server of ours.
    is_known: bool,
}

impl Reader<'_> {
    async fn read(&mut self, news: &mpsc::Sender<FromLink>) -> End {
        loop {
            while let Some(line) = self.lines.decode(&mut self.received) {
                let read = match line {
                    Ok(line) => self.line(line),
                    Err(error) => Err(End::new(Cause::Garbled, error.to_string())),
                };
                match read {
                    Ok(told) => {
                        if news.send(told).await.is_err() {
                            return End::unheard();
                        }
                    }
                    Err(end) => return end,
                }
            }
            self.received.reserve(16 << 10);
            match self.stream.read_buf(&mut self.received).await {
                Ok(0) => return End::new(Cause::Closed, "the server has closed the link"),
                Ok(_) => {}
                Err(error) => return End::broken(error.to_string()),
            }
        }
    }

    fn line(&mut self, line: Bytes) -> Result<FromLink, End> {
        if !self.is_known && (line.starts_with(b"HTTP/") || line.starts_with(b"<")) {
            let why = "an HTTP server answers; lines are spoken on the push port, 9800";
            return Err(End::new(Cause::Garbled, why));
        }
        Ok(match Message::decode_from_server(line, self.lenience) {
            Ok(decoded) => {
                self.is_known = true;
                FromLink::Heard(decoded.message)
            }
            Err(error) => FromLink::Garbled(error),
        })
    }

    /// Reads to the end.
    async fn skip(&mut self) -> io::Result<()> {
        loop {
            self.received.clear();
            if self.stream.read_buf(&mut self.received).await? == 0 {
                return Ok(());
            }
        }
    }
}

/// Writes what is queued, as much at once as there is.
async fn write(
    mut stream: WriteHalf<'_>,
    queue: &mut mpsc::Receiver<Message>,
    options: &DeviceOptions,
) -> End {
    let mut lines = Vec::new();
    while let Some(message) = queue.recv().await {
        message.encode_line(&mut lines);
        while lines.len() < BATCH {
            let Ok(message) = queue.try_recv() else { break };
            message.encode_line(&mut lines);
        }
        let written = tokio::time::timeout(options.send_timeout, stream.write_all(&lines));
        match written.await {
            Ok(Ok(())) => lines.clear(),
            Ok(Err(error)) => return End::broken(error.to_string()),
            Err(_) => return End::broken("the server takes nothing of what is sent"),
        }
    }
    // It may have gone before us.
    let _ = stream.shutdown().await;
    End::local()
}

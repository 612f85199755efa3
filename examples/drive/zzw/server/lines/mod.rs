//! Port 9800: a line each way is a message.
//!
//! What comes is read by each link's own task, see [`link`]. What goes is gathered by the core in the
//! link's [`outlet`], handed over to its [`outbox`], and written by whoever has the time, see
//! [`unwritten`].

mod link;
mod losses;
mod outbox;
mod outlet;
mod unwritten;

pub(super) use losses::{Losses, Lost};
pub(super) use outlet::{Outlet, Taken};
pub(super) use unwritten::Unwritten;

use super::pace::Pace;
use super::seats::Seats;
use super::shards::Shards;
use link::Link;
use outbox::Outbox;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use zzw_push_proto::platform::Rate;
use zzw_push_proto::wire::{Code, Failure, Lenience, Message, Num};

/// Settings of port 9800.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// Most links at a time; 65,536. Further ones are told `busy` and closed.
    pub links: usize,
    /// Most links from one address; 4,096. As above.
    pub links_per_address: usize,
    /// Lines a second that are read from a link, and at once; 5,000, and never less than the broker
    /// allows it. Beyond that it is read more slowly; nothing is lost. 0 for any number.
    pub per_second: u32,
}

/// How long one link, or what is written to many, may keep a thread until others have their turn. A
/// thread looks for what has come from the network only once in 61 turns.
const TURN: Duration = Duration::from_micros(200);

/// Takes links until it is dropped.
pub(super) async fn serve(
    listener: TcpListener,
    shards: Arc<Shards>,
    lenience: Lenience,
    settings: Settings,
) {
    let seats = Arc::new(Seats::new(settings.links, settings.links_per_address));
    loop {
        let Ok((stream, address)) = listener.accept().await else {
            // Out of file descriptors, most likely: some must close first.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        // A socket that cannot be tuned is about to fail anyway.
        let _ = tune(&stream);
        let Some(seat) = seats.take(address.ip()) else {
            refuse(&stream);
            continue;
        };
        let pace = Pace::new(settings.per_second);
        let link = Link::new(stream, Arc::clone(shards.next()), lenience, pace);
        tokio::spawn(link.run(seat));
    }
}

/// Nothing was written to it before, so the system takes a line at once.
fn refuse(stream: &TcpStream) {
    let mut line = Vec::new();
    Message::Failure(Failure::new(Code::Busy, Num::Absent)).encode_line(&mut line);
    let _ = socket2::SockRef::from(stream).send(&line);
}

impl Settings {
    /// What the broker allows is read.
    pub(super) fn allowing(mut self, rate: Rate) -> Self {
        if self.per_second > 0 {
            self.per_second = self.per_second.max(rate.per_second);
        }
        self
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            links: 65_536,
            links_per_address: 4_096,
            per_second: 5_000,
        }
    }
}

/// Small messages leave at once; a peer that vanished is noticed after 90 s at the latest.
fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = socket2::TcpKeepalive::new()
        .with_time(Duration::from_secs(30))
        .with_interval(Duration::from_secs(15))
        .with_retries(3);
    socket2::SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

//! Port 9906: Socket.IO, both revisions (S-1 to S-7).
//!
//! engineioxide does the transports, this crate's codec the packets. What is special to the port
//! stands in [`http`](self::http) (what is let in), [`link`] (what comes), [`outbox`] (what goes) and
//! [`gate`] (how full the line is).

mod bodies;
mod gate;
mod link;
mod outbox;
mod port;
mod requests;
mod totals;

pub(super) use bodies::Bodies;
pub(super) use outbox::Outbox;
pub(super) use port::serve;
pub(super) use totals::Totals;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Settings of the Socket.IO port.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// How often the side that pings does; 25 s.
    pub ping_interval: Duration,
    /// How long an answer may take until the link is gone; 60 s.
    pub ping_timeout: Duration,
    /// How long a client of protocol 5 may take to connect namespace `/`; 45 s.
    pub connect_timeout: Duration,
    /// Most links at a time; 65,536. Further ones are answered with 503.
    pub links: usize,
    /// Most links from one address; 4,096. As above.
    pub links_per_address: usize,
    /// The event that carries deliveries; `push`. The document does not name it.
    pub delivery_event: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_mins(1),
            connect_timeout: Duration::from_secs(45),
            links: 65_536,
            links_per_address: 4_096,
            delivery_event: "push".to_owned(),
        }
    }
}

/// Nothing that is guarded here is left half done by a panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

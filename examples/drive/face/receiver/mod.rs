//! A receiver: a [`Platform`](face_record_push::platform::Platform) behind an HTTP server, before a
//! [`Writer`](crate::records::Writer).

#![expect(
    clippy::result_large_err,
    reason = "a refused command gives its value back, as the machine does"
)]

mod ask;
mod core;
pub mod enrol;
mod exchange;
pub mod line;
pub mod program;

use self::core::{Core, unix_now};
use crate::http::{self, Dialing, Limits, Server};
use crate::records::{self, Db};
use face_record_push::platform::{Config, Counters, Event, Seq, Terminal, Undecided};
use face_record_push::{
    AuthDecision, Dest, DestPolicy, ExchangeId, Push, Refused, SerialNumber, Subscription,
};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// A receiver to be started.
#[derive(Clone)]
#[non_exhaustive]
pub struct ReceiverOptions {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where records are kept.
    pub records: records::Options,
    /// The machine's settings. Terminals that were enrolled are looked at again every 10 min.
    pub config: Config,
    /// What the server puts up with.
    pub limits: Limits,
    /// TLS; none.
    pub tls: Option<TlsAcceptor>,
    /// Terminals that are told to push here from the beginning; none.
    pub terminals: Vec<Terminal>,
    /// Where those are to push; `None` is where this receiver listens, at the first of
    /// [`Config::paths`], else at `/Record`. Default `None`.
    pub advertise: Option<Dest>,
    /// How terminals are called to be enrolled; at addresses that [`DestPolicy`] allows by default,
    /// without TLS.
    pub dialing: Dialing,
    /// Acknowledges everything and keeps nothing, for measuring what all but the disk costs; false.
    pub forgets: bool,
}

/// A running receiver. Dropped, it ends at once: terminals push again what was not acknowledged.
#[derive(Debug)]
pub struct ReceiverHandle {
    control: ReceiverControl,
    address: SocketAddr,
    server: Option<Server>,
    closing: Option<JoinHandle<()>>,
    timer: JoinHandle<()>,
}

/// Gives commands to a receiver; clones command the same one.
#[derive(Debug, Clone)]
pub struct ReceiverControl {
    core: Arc<Core>,
}

/// Starts a receiver.
///
/// # Errors
///
/// If the database or the port cannot be had, or terminals cannot be told where to push; the text
/// says what to do.
pub async fn spawn_receiver(options: ReceiverOptions) -> io::Result<ReceiverHandle> {
    let listener = http::listen(options.listen).await?;
    let wanted = enrol::subscription(&options, listener.local_addr()?)?;
    let db = (!options.forgets).then(|| Db::open(options.records));
    let db = db.transpose()?;
    let core = Core::start(options.config, db, options.dialing)?;
    let (limits, asked) = (options.limits, Arc::clone(&core));
    let server = Server::start(listener, limits, options.tls, move |request, peer| {
        exchange::answer(Arc::clone(&asked), request, peer, limits.pace)
    })?;
    let timer = tokio::spawn(Arc::clone(&core).keep_time());
    let receiver = ReceiverHandle {
        address: server.address(),
        server: Some(server),
        closing: None,
        timer,
        control: ReceiverControl { core },
    };
    if let Some(wanted) = wanted {
        enrol::enrol(&receiver.control, options.terminals, &wanted)?;
    }
    Ok(receiver)
}

impl ReceiverOptions {
    /// A receiver on `listen` that keeps records as `records` says.
    pub fn new(listen: SocketAddr, records: records::Options) -> Self {
        let limits = Limits {
            connections: 1_024,
            // Terminals behind one router have one address.
            per_address: 1_024,
            // Terminals look every 30 s whether we are there, on a connection that they keep.
            head: Duration::from_secs(35),
            // The machine's own limits come first: the turn, the body, then the store.
            exchange: Duration::from_mins(3),
            ..Limits::default()
        };
        let mut config = Config::new(u64::from(std::process::id()));
        config.verify_every = Some(Duration::from_mins(10));
        Self {
            listen,
            records,
            config,
            limits,
            tls: None,
            terminals: Vec::new(),
            advertise: None,
            dialing: Dialing {
                //= docs/spec/face-record-push.md#destination
                //# The receiver MUST judge the address of a terminal like a destination before it
                //# sends an account or a token there.
                allows: Arc::new(|address| DestPolicy::default().allows(address)),
                ..Dialing::default()
            },
            forgets: false,
        }
    }
}

impl ReceiverHandle {
    /// The way to command it, from anywhere.
    pub fn control(&self) -> ReceiverControl {
        self.control.clone()
    }

    /// What happens next; `None` once the receiver has ended.
    ///
    /// While nobody asks, events pile up to 32 MiB; then nothing more is received.
    pub async fn next(&mut self) -> Option<Event> {
        self.control.core.next_event().await
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How things stand.
    pub fn counters(&self) -> Counters {
        self.control.core.counters()
    }

    /// Takes no more requests, and lets those under way end: what is being stored is still
    /// acknowledged. [`Self::next`] tells when it is done.
    pub fn close(&mut self) {
        self.control.core.close();
        if let Some(server) = self.server.take() {
            self.closing = Some(tokio::spawn(server.stop_within(Duration::from_secs(7))));
        }
    }

    /// Closes, waits until everything is written, and gives the database back.
    pub async fn stop(mut self) -> Option<Db> {
        self.close();
        while self.next().await.is_some() {}
        if let Some(closing) = self.closing.take() {
            let _ = closing.await;
        }
        let core = Arc::clone(&self.control.core);
        tokio::task::spawn_blocking(move || core.end()).await.ok()?
    }
}

impl fmt::Debug for ReceiverOptions {
    /// Paths are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiverOptions")
            .field("listen", &self.listen)
            .field("records", &self.records)
            .finish_non_exhaustive()
    }
}

impl Drop for ReceiverHandle {
    fn drop(&mut self) {
        self.timer.abort();
    }
}

impl ReceiverControl {
    /// How things stand.
    pub fn counters(&self) -> Counters {
        self.core.counters()
    }

    /// What was last wrong with the database, in the system's own words; empty if nothing was.
    pub fn trouble(&self) -> String {
        self.core.trouble()
    }

    /// Answers [`Event::RemoteAuth`].
    ///
    /// # Errors
    ///
    /// As [`Platform::decide`](face_record_push::platform::Platform::decide).
    pub fn decide(&self, exchange: ExchangeId, decision: AuthDecision) -> Result<(), Undecided> {
        self.core
            .command(|platform, now| platform.decide(now, exchange, decision))
    }

    /// Remembers that the application named so has dealt with every entry up to this one.
    pub fn consumed(&self, name: &str, seq: Seq) {
        self.core
            .command(|platform, now| platform.consumed(now, name, seq));
    }

    /// Keeps a record that was asked for, unless it is known.
    ///
    /// # Errors
    ///
    /// As [`Platform::import`](face_record_push::platform::Platform::import).
    pub fn import(&self, serial: SerialNumber, push: Push) -> Result<Seq, Refused<Push>> {
        let at = unix_now();
        self.core
            .command(|platform, now| platform.import(now, at, serial, push))
    }

    /// Has a terminal push here.
    ///
    /// # Errors
    ///
    /// As [`Platform::enrol`](face_record_push::platform::Platform::enrol).
    pub fn enrol(&self, terminal: Terminal, wanted: Subscription) -> Result<(), Refused<Terminal>> {
        self.core
            .command(|platform, now| platform.enrol(now, terminal, wanted))
    }

    /// Looks after a terminal's configuration no more; false if it was not looked after.
    pub fn forget(&self, terminal: &Terminal) -> bool {
        self.core
            .command(|platform, now| platform.forget(now, terminal))
    }
}

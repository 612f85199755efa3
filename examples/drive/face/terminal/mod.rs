//! A terminal: a [`Device`](face_record_push::device::Device) with a [`Store`]
//! under it, an HTTP client before it, and its configuration API.

mod access;
mod api;
mod people;
mod post;
pub mod program;
mod task;

pub use people::Crowd;

use self::access::Access;
use self::task::Terminal;
use crate::clock;
use crate::http::{self, Dialing, Server};
use crate::store::{Folder, Settings, Store};
use face_record_push::codec::Identity;
use face_record_push::device::{Config, Counters, Event, Fault, Seq, State};
use face_record_push::{Dest, Login, Profile, SerialNumber, Subscription, UnixMillis};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// A terminal to be started.
#[derive(Clone)]
#[non_exhaustive]
pub struct TerminalOptions {
    /// The folder of its store, which is made if it is not there.
    pub folder: PathBuf,
    /// Where its configuration API listens; `None` has none. Default `None`.
    pub api: Option<SocketAddr>,
    /// TLS of the API; none.
    pub api_tls: Option<TlsAcceptor>,
    /// Account of the API; `None` lets anybody in. Default `None`.
    pub api_account: Option<Login>,
    /// The clock by which tokens of the API expire; the system's.
    pub api_clock: Arc<dyn Fn() -> Instant + Send + Sync>,
    /// Where to push from now on, whatever was configured before; `None` leaves it as it is. Default
    /// `None`.
    ///
    /// This is the word of the one who runs the terminal: [`Config::dest_policy`], which is for the
    /// configuration API, does not apply to it.
    pub dest: Option<Dest>,
    /// The machine's settings. Of the disk the queue may take 8 GiB, which is 50,000 records of
    /// 128 KiB; [`Settings::reserve`] keeps it from taking all.
    pub config: Config,
    /// What the store allows itself.
    pub store: Settings,
    /// Who pushes, in which profile.
    pub identity: Identity,
    /// Who passes.
    pub crowd: Crowd,
    /// How the destination is called, without [`Dialing::allows`]: that is [`Config::dest_policy`].
    pub dialing: Dialing,
    /// The clock on the wall, which people set; the system's.
    pub wall: Arc<dyn Fn() -> UnixMillis + Send + Sync>,
}

/// A running terminal. Dropped, it ends at once, as in a power cut.
#[derive(Debug)]
pub struct TerminalHandle {
    api: Option<SocketAddr>,
    control: TerminalControl,
    news: mpsc::Receiver<TerminalNews>,
    tally: watch::Receiver<Tally>,
    task: JoinHandle<()>,
}

/// Gives commands to a terminal; clones command the same one.
#[derive(Debug, Clone)]
pub struct TerminalControl {
    commands: mpsc::UnboundedSender<TerminalCommand>,
}

/// What a terminal can be told.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum TerminalCommand {
    /// So many people a second from now on.
    Rate(f64),
    /// Push there, or not.
    Configure(Subscription),
    /// The network is back.
    Connected,
    /// Switch a fault on.
    Fault(Fault),
    /// Switch every fault off.
    Heal,
    /// Finish what the store is doing, then end.
    Stop,
}

/// What a terminal tells.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum TerminalNews {
    /// What the machine says.
    Machine(Event),
    /// Somebody passed: the record's number.
    Recorded(Seq),
    /// The store cannot be opened anew, and why; it is tried again.
    StoreClosed(String),
    /// [`Crowd::count`] records have been recorded, and none is queued.
    Finished,
}

/// A terminal in figures, those of its former lives included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Records ever recorded.
    pub recorded: u64,
    /// Records acknowledged.
    pub acknowledged: u64,
    /// Records that wait.
    pub queued: u64,
    /// What those cost in the store, in bytes.
    pub queued_bytes: u64,
    /// Records lost.
    pub dropped: u64,
    /// What it does.
    pub state: State,
    /// The machine's own figures, of this life.
    pub machine: Counters,
    /// News that nobody read in time.
    pub news_lost: u64,
}

impl TerminalOptions {
    /// The defaults: a store in `folder`, and everything else drawn from `seed`.
    pub fn new(folder: impl Into<PathBuf>, seed: u64) -> Self {
        let serial = SerialNumber::new(format!("PS71HD01MC22C{:05}", seed % 100_000));
        let mut config = Config::new(seed);
        config.max_bytes = 8 << 30;
        Self {
            folder: folder.into(),
            api: None,
            api_tls: None,
            api_account: None,
            api_clock: Arc::new(clock::now),
            dest: None,
            config,
            store: Settings::default(),
            identity: Identity::new(Profile::default(), serial),
            crowd: Crowd::new(seed),
            dialing: Dialing::default(),
            wall: Arc::new(|| UnixMillis(clock::unix_now().0)),
        }
    }
}

/// Starts a terminal.
///
/// # Errors
///
/// If the store or the port cannot be had; the text says which and what to do.
pub async fn spawn_terminal(mut options: TerminalOptions) -> io::Result<TerminalHandle> {
    let listener = match options.api {
        Some(address) => Some(http::listen(address).await?),
        None => None,
    };
    let (asks, asked) = mpsc::channel(64);
    let (tls, clock) = (options.api_tls.clone(), Arc::clone(&options.api_clock));
    let account = options.api_account.take();
    let access = account.map(|account| Access::new(&account, clock));
    let server = listener.map(|listener| api::serve(listener, tls, access, asks));
    let server = server.transpose()?;
    let api = server.as_ref().map(Server::address);
    let (commands, commanded) = mpsc::unbounded_channel();
    let (news_in, news) = mpsc::channel(1024);
    let terminal = Terminal::open(options, news_in).await?;
    let tally = terminal.tally();
    let task = tokio::spawn(terminal.run(commanded, asked, server));
    Ok(TerminalHandle {
        api,
        control: TerminalControl { commands },
        news,
        tally,
        task,
    })
}

impl TerminalHandle {
    /// Where the configuration API listens.
    pub fn api(&self) -> Option<SocketAddr> {
        self.api
    }

    /// The way to command it, from anywhere.
    pub fn control(&self) -> TerminalControl {
        self.control.clone()
    }

    /// What happens next; `None` once the terminal has ended and its store is closed. News that is
    /// not read in time is lost and counted.
    pub async fn next(&mut self) -> Option<TerminalNews> {
        self.news.recv().await
    }

    /// How things stand.
    pub fn tally(&self) -> Tally {
        *self.tally.borrow()
    }

    /// Ends the terminal in order.
    pub async fn stop(mut self) -> Tally {
        self.control.send(TerminalCommand::Stop);
        let _ = tokio::time::timeout(Duration::from_secs(30), &mut self.task).await;
        self.tally()
    }
}

impl Drop for TerminalHandle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl TerminalControl {
    /// Passes a command on. A terminal that has ended takes none.
    pub fn send(&self, command: TerminalCommand) {
        let _ = self.commands.send(command);
    }
}

impl fmt::Debug for TerminalOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TerminalOptions")
            .field("folder", &self.folder)
            .field("api", &self.api)
            .field("dest", &self.dest)
            .field("identity", &self.identity)
            .field("crowd", &self.crowd)
            .finish_non_exhaustive()
    }
}

/// Opens the store in a folder; blocks while it is being repaired.
fn open_store(
    folder: &std::path::Path,
    settings: &Settings,
    answers: mpsc::UnboundedSender<face_record_push::device::Input>,
) -> io::Result<(Store, face_record_push::device::Recovered)> {
    let medium = Folder::new(folder)?;
    let opened = Store::open(medium, settings.clone(), move |input| {
        // Nobody listens any more once the terminal has ended.
        let _ = answers.send(input);
    });
    Ok(opened?)
}

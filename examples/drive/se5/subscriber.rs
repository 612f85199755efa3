//! A subscriber: one task around a [`Platform`](se5_events::platform::Platform), one for each dial
//! and each HTTP question.

mod task;

use super::Wire;
use crate::mark::MarkFile;
use crate::ws;
use se5_events::Subscription;
use se5_events::platform::{Config, Counters, Event, Link, Op, Seq, Span};
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use task::Subscriber;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// A subscriber to be started.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SubscriberOptions {
    /// The box's WebSocket, `ws://HOST:5679`. Nothing a box answers ever changes it.
    pub ws: String,
    /// The box's HTTP service, `http://HOST:5555`.
    pub http: String,
    /// The machine's settings.
    pub config: Config,
    /// Where to remember how far the events are complete, so that a restart repairs the downtime;
    /// nowhere.
    pub mark: Option<PathBuf>,
    /// Whether to tell what goes over the wire; false.
    pub tap: bool,
}

/// A running subscriber. Dropped, it ends at once.
#[derive(Debug)]
pub struct SubscriberHandle {
    control: SubscriberControl,
    items: mpsc::Receiver<Item>,
    counters: watch::Receiver<SubscriberCounters>,
    task: JoinHandle<()>,
}

/// Gives commands to a subscriber; clones command the same one.
#[derive(Debug, Clone)]
pub struct SubscriberControl {
    commands: mpsc::UnboundedSender<Command>,
}

/// What a subscriber can be told.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum SubscriberCommand {
    /// Subscribe to this, instead of what was subscribed to before.
    Subscribe(Subscription),
    /// Ask the box for its devices until it answers, then subscribe to all of them.
    SubscribeAll {
        /// With live pictures.
        faces: bool,
        /// With registered pictures.
        registered: bool,
    },
    /// Ask the box for its devices; the answer is an event.
    Devices,
    /// Fetch this time from the history once more.
    Backfill(Span),
    /// Drop the connection, as a lost network would. The machine then repairs it.
    CutLink,
    /// Close, tell what is left, and end.
    Stop,
}

/// What a subscriber tells.
#[expect(
    clippy::large_enum_variant,
    reason = "most of what passes is the large one"
)]
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum SubscriberNews {
    /// What the machine says. The last is `Closed`.
    Machine(Event),
    /// What went over the wire, if [`SubscriberOptions::tap`] is set.
    Wire(Wire),
    /// A command could not be taken; why, in words.
    Refused(String),
    /// The mark could not be stored: a restart now would ask for more than needed.
    MarkFailed(String),
}

/// A subscriber in figures.
#[derive(Debug, Clone, Copy)]
pub struct SubscriberCounters {
    /// The machine's.
    pub machine: Counters,
    /// The connection.
    pub link: Link,
}

/// Commands, and what the handle says by itself.
#[derive(Debug)]
enum Command {
    Told(SubscriberCommand),
    /// The application has come back for more after everything before this mark.
    Reached(Op),
}

#[expect(
    clippy::large_enum_variant,
    reason = "most of what passes is the large one"
)]
#[derive(Debug)]
enum Item {
    News(SubscriberNews),
    Mark(Op),
}

impl SubscriberOptions {
    /// A subscriber to the box at these addresses; `seed` spreads its reconnects.
    ///
    /// # Errors
    ///
    /// If an address is none, with advice.
    pub fn new(ws: impl Into<String>, http: impl Into<String>, seed: u64) -> io::Result<Self> {
        let (ws, http) = (ws.into(), http.into());
        ws::host_and_port(&ws)?;
        let authority = http
            .strip_prefix("http://")
            .map(|rest| rest.trim_end_matches('/'));
        if !authority.is_some_and(|rest| !rest.is_empty() && !rest.contains(['/', '?', '#'])) {
            let text =
                format!("{http}: not an address; write http://HOST:PORT (boxes have no TLS)");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        Ok(Self {
            ws,
            http: http.trim_end_matches('/').to_owned(),
            config: Config::new(seed),
            mark: None,
            tap: false,
        })
    }
}

/// Starts a subscriber, which does nothing until it is told to subscribe.
///
/// # Errors
///
/// If there is a mark file, but it cannot be read.
pub fn spawn_subscriber(options: SubscriberOptions) -> io::Result<SubscriberHandle> {
    let file = options.mark.as_ref().map(MarkFile::new);
    let mark = file.as_ref().map(MarkFile::load).transpose()?.flatten();
    let (commands, commanded) = mpsc::unbounded_channel();
    let (items_in, items) = mpsc::channel(1024);
    let subscriber = Subscriber::new(options, mark, file, items_in);
    let (counters_in, counters) = watch::channel(subscriber.counters());
    let task = tokio::spawn(subscriber.run(commanded, counters_in));
    Ok(SubscriberHandle {
        control: SubscriberControl { commands },
        items,
        counters,
        task,
    })
}

impl SubscriberHandle {
    /// The way to command it, from anywhere.
    pub fn control(&self) -> SubscriberControl {
        self.control.clone()
    }

    /// What happens next; `None` once the subscriber has ended.
    ///
    /// Asking for more says that everything before has been dealt with: only then is a mark stored.
    /// While nobody asks, the box is not read from either.
    pub async fn next(&mut self) -> Option<SubscriberNews> {
        loop {
            match self.items.recv().await? {
                Item::News(news) => return Some(news),
                Item::Mark(op) => drop(self.control.commands.send(Command::Reached(op))),
            }
        }
    }

    /// How things stand.
    pub fn counters(&self) -> SubscriberCounters {
        *self.counters.borrow()
    }

    /// Ends it in order; what it still says is not read.
    pub async fn stop(mut self) {
        self.control.send(SubscriberCommand::Stop);
        let drained = async { while self.next().await.is_some() {} };
        let _ = tokio::time::timeout(Duration::from_secs(5), drained).await;
    }
}

impl Drop for SubscriberHandle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl SubscriberControl {
    /// Passes a command on. A subscriber that has ended takes none.
    pub fn send(&self, command: SubscriberCommand) {
        let _ = self.commands.send(Command::Told(command));
    }
}

/// A mark's number.
fn seq_of(op: &Op) -> Option<Seq> {
    match op {
        Op::Mark { seq, .. } => Some(*seq),
        _ => None,
    }
}

//! A client of the push system: one task around a [`Device`](zzw_push_proto::device::Device), and
//! one for each link.
//!
//! ```no_run
//! # use drive::zzw::device::*;
//! # use zzw_push_proto::wire::{Json, Num, Publish};
//! # async fn f() -> std::io::Result<()> {
//! let place = Place::parse("127.0.0.1:9800").unwrap(); // or Place::Ask: whoever REST names
//! let options = DeviceOptions::new("m_2", Via::Tcp, place, 7); // 7: seed of its reconnects
//! let mut device = spawn_device(options)?; // dials by itself, again and again
//! let control = device.control(); // cloneable
//! let aliases = ["c_2"].iter().collect();
//! let publish = Publish::to_aliases(aliases, Json::text("有人按门铃"), Num::Absent);
//! let published = control.publish(publish).await; // sent at once, whether awaited or not
//! while let Some(news) = device.next().await {
//!     match news {
//!         DeviceNews::Delivered { seq, delivery } => drop((seq, delivery)),
//!         DeviceNews::Machine(event) => drop(event), // Bound, Down, Gap, DoorAsked, ..., Closed
//!         _ => {}
//!     }
//! }
//! # drop(published); Ok(()) }
//! ```
//!
//! `next().await` is safe to cancel. While nobody asks for news, the server is not read from either.
//! `stop().await` says goodbye, dropping the handle ends everything at once.
//!
//! # With a folder
//!
//! With [`DeviceOptions::data`] a delivery is acknowledged once it is on the disk, and told with the
//! number it has there. Asking for more says that what was told has been dealt with, which is noted
//! before anything else is told. So nothing is lost when the process is killed, and after it has
//! started again it tells at most the last delivery a second time, with the same number. A power cut
//! loses nothing either, but may take back notes of the last seconds: then more is told again.

mod dial;
mod kept;
pub mod line;
mod lines;
pub(super) mod print;
pub mod program;
mod publish;
mod session;
mod socketio;
mod task;

pub use dial::{Place, Via, call_rest, rest_url};

use kept::{Journal, Reported};
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use task::Task;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use zzw_push_proto::device::{Ack, Answer, Config, Counters, Event, Recovered, State};
use zzw_push_proto::wire::{Code, Delivery, Door, Lenience, Mid, Publish, Text, Topics};

/// A client to be started.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DeviceOptions {
    /// What it speaks.
    pub via: Via,
    /// Where it connects to.
    pub place: Place,
    /// The machine's settings. [`Config::binding`] follows from [`Self::via`], and with a folder
    /// [`Config::ack`] is [`Ack::Stored`].
    pub config: Config,
    /// Where to keep what was delivered until it is dealt with; nowhere.
    pub data: Option<PathBuf>,
    /// What is put up with; what is seen in the field.
    pub lenience: Lenience,
    /// Room whose door's side it announces on every link, over TCP only; none.
    pub door: Option<Text>,
    /// Room whose phone's side it announces on every link, over TCP only; none.
    pub phone: Option<Text>,
    /// The Socket.IO event that brings a delivery; `push`.
    pub delivery_event: String,
    /// How long asking for a server, connecting and shaking hands may take together; 5 s.
    pub connect_timeout: Duration,
    /// How long a server may take nothing of what is sent; 10 s.
    pub send_timeout: Duration,
    /// Messages that wait to be sent; 1,024. A link on which more wait is given up.
    pub max_queue: usize,
}

/// A running client. Dropped, it ends at once.
#[derive(Debug)]
pub struct DeviceHandle {
    control: DeviceControl,
    news: mpsc::Receiver<DeviceNews>,
    counters: watch::Receiver<DeviceCounters>,
    reported: Option<Reported>,
    told: Option<u64>, // the last delivery, until the next news are asked for
    task: JoinHandle<()>,
}

/// Gives commands to a client; clones command the same one.
#[derive(Debug, Clone)]
pub struct DeviceControl {
    commands: mpsc::Sender<Command>,
}

/// What a client tells.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum DeviceNews {
    /// A message. With a folder, one that was told when the process ended may be told again, with
    /// its number.
    Delivered {
        /// Grows from message to message; with a folder for ever, otherwise from 1 in each process.
        seq: u64,
        /// The message.
        delivery: Delivery,
    },
    /// What else the machine says, but for the outcome of commands. The last is `Closed`.
    Machine(Event),
    /// There is a connection to this address; `Bound` follows when the server knows us.
    Connected(String),
    /// There is no connection, or no longer, and why, in words; `Down` follows.
    Disconnected(String),
    /// Deliveries could not be kept, and why. The server delivers them again.
    StoreFailed(String),
}

/// A client in figures.
#[derive(Debug, Clone, Copy)]
pub struct DeviceCounters {
    /// The machine's.
    pub machine: Counters,
    /// What it does at the moment.
    pub state: State,
}

/// The outcome of a command, which has been given whether this is awaited or not.
#[derive(Debug)]
pub struct Outcome<T>(oneshot::Receiver<Result<T, CommandError>>);

/// Why a command was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// It was not taken, and why.
    #[error("{0}")]
    Refused(String),
    /// The server refused it.
    #[error("the server refused: {text}{}", code.as_ref().map_or(String::new(), |code| format!(" ({})", code.as_str())))]
    Failed {
        /// Why, for programs, if it said so.
        code: Option<Code>,
        /// Why, for people.
        text: Text,
    },
    /// No answer came in time.
    #[error("{}", if *was_sent { "no answer in time; it may have been carried out" } else { "no link in time; it was not sent" })]
    TimedOut {
        /// Whether it was sent, so that it may have been carried out.
        was_sent: bool,
    },
    /// The client has ended.
    #[error("the client has ended; start another")]
    Ended,
}

/// What a client can be told.
#[derive(Debug)]
enum Command {
    Ask(Ask, Reply<Answer>),
    Show(Show, Door, Reply<()>),
    Acknowledge(Mid, Reply<()>),
    CutLink,
    Close,
}

/// Where the outcome of a command goes.
type Reply<T> = oneshot::Sender<Result<T, CommandError>>;

/// What a server answers.
#[derive(Debug)]
enum Ask {
    Register(Topics),
    Unregister(Topics),
    Topics,
    Pull,
    Publish(Publish),
    Status(Text),
    ServerInfo,
}

/// Frames for a room, which nothing answers.
#[derive(Debug, Clone, Copy)]
enum Show {
    OpenDoor,
    Phone,
    Door,
}

/// News that wait for the application.
const MAX_NEWS: usize = 64;

/// Commands that wait for the task. It takes them as they come, so there are few.
const MAX_COMMANDS: usize = 1_024;

impl DeviceOptions {
    /// A client of that alias; `seed` spreads its reconnects.
    pub fn new(alias: impl Into<Text>, via: Via, place: Place, seed: u64) -> Self {
        Self {
            via,
            place,
            config: Config::new(alias, seed),
            data: None,
            lenience: Lenience::Vendor,
            door: None,
            phone: None,
            delivery_event: "push".to_owned(),
            connect_timeout: Duration::from_secs(5),
            send_timeout: Duration::from_secs(10),
            max_queue: 1_024,
        }
    }
}

/// Starts a client, which connects by itself.
///
/// # Errors
///
/// If the folder cannot be used, with advice.
pub fn spawn_device(mut options: DeviceOptions) -> io::Result<DeviceHandle> {
    options.config.binding = options.via.binding();
    let mut recovered = Recovered::empty();
    let (mut journal, mut reported, mut unreported) = (None, None, Vec::new());
    if let Some(folder) = &options.data {
        options.config.ack = Ack::Stored;
        let opened = Journal::open(folder, &options.config.alias, options.config.remembered)?;
        (recovered.next_seq, recovered.mids) = (opened.next_seq, opened.mids);
        unreported = opened.unreported;
        (journal, reported) = (Some(opened.journal), Some(opened.reported));
    }
    let (commands, commanded) = mpsc::channel(MAX_COMMANDS);
    let (news_in, news) = mpsc::channel(MAX_NEWS);
    let task = Task::new(options, recovered, journal, unreported, news_in);
    let (counters_in, counters) = watch::channel(task.counters());
    Ok(DeviceHandle {
        control: DeviceControl { commands },
        news,
        counters,
        reported,
        told: None,
        task: tokio::spawn(task.run(commanded, counters_in)),
    })
}

impl DeviceHandle {
    /// The way to command it, from anywhere.
    pub fn control(&self) -> DeviceControl {
        self.control.clone()
    }

    /// What happens next; `None` once the client has ended.
    ///
    /// Asking for more says that everything before has been dealt with. With a folder that is noted
    /// there and then, in a write of a few bytes that waits for no disk.
    pub async fn next(&mut self) -> Option<DeviceNews> {
        self.note();
        let news = self.news.recv().await?;
        if let DeviceNews::Delivered { seq, .. } = news {
            self.told = Some(seq);
        }
        Some(news)
    }

    /// How things stand.
    pub fn counters(&self) -> DeviceCounters {
        *self.counters.borrow()
    }

    /// Says goodbye and ends; what it still says is not read, so with a folder it is told when
    /// another client is started there.
    pub async fn stop(mut self) {
        self.note();
        self.control.close();
        let drained = async { while self.news.recv().await.is_some() {} };
        // The link has its own limits; this is for a disk that does not answer.
        let _ = tokio::time::timeout(Duration::from_secs(15), drained).await;
    }

    /// What was told is dealt with.
    fn note(&mut self) {
        if let (Some(seq), Some(reported)) = (self.told.take(), &self.reported) {
            reported.note(seq);
        }
    }
}

impl Drop for DeviceHandle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl DeviceControl {
    /// Adds topics to the alias, on this link and on every later one.
    pub fn register(&self, topics: Topics) -> Outcome<Answer> {
        self.ask(Ask::Register(topics))
    }

    /// Removes topics from the alias: an extension that not every server has.
    pub fn unregister(&self, topics: Topics) -> Outcome<Answer> {
        self.ask(Ask::Unregister(topics))
    }

    /// Asks for the topics of the alias.
    pub fn topics(&self) -> Outcome<Answer> {
        self.ask(Ask::Topics)
    }

    /// Asks for the messages that wait. They come as news, before the answer.
    pub fn pull(&self) -> Outcome<Answer> {
        self.ask(Ask::Pull)
    }

    /// Publishes a message, whose number the machine gives.
    pub fn publish(&self, publish: Publish) -> Outcome<Answer> {
        self.ask(Ask::Publish(publish))
    }

    /// Asks how somebody is. Socket.IO only.
    pub fn status(&self, alias: impl Into<Text>) -> Outcome<Answer> {
        self.ask(Ask::Status(alias.into()))
    }

    /// Asks how much the server has to do. TCP only.
    pub fn server_info(&self) -> Outcome<Answer> {
        self.ask(Ask::ServerInfo)
    }

    /// Asks to open the door of a room: now or not at all, and nothing answers. TCP only.
    pub fn open_door(&self, door: Door) -> Outcome<()> {
        self.give(|reply| Command::Show(Show::OpenDoor, door, reply))
    }

    /// Tells a room that the phone's side is there, on this link. TCP only.
    pub fn phone_present(&self, door: Door) -> Outcome<()> {
        self.give(|reply| Command::Show(Show::Phone, door, reply))
    }

    /// Tells a room that the door's side is there, on this link. TCP only.
    pub fn door_present(&self, door: Door) -> Outcome<()> {
        self.give(|reply| Command::Show(Show::Door, door, reply))
    }

    /// Acknowledges a delivery under [`Ack::Manual`].
    pub fn acknowledge(&self, mid: Mid) -> Outcome<()> {
        self.give(|reply| Command::Acknowledge(mid, reply))
    }

    /// Drops the connection, as a lost network would. The machine then makes another.
    pub fn cut_link(&self) {
        let _ = self.commands.try_send(Command::CutLink);
    }

    /// Says goodbye and ends. What is still told can be read before.
    pub fn close(&self) {
        if let Err(mpsc::error::TrySendError::Full(command)) =
            self.commands.try_send(Command::Close)
        {
            let commands = self.commands.clone();
            // It must not be lost to a flood of other commands.
            tokio::spawn(async move { commands.send(command).await });
        }
    }

    fn ask(&self, ask: Ask) -> Outcome<Answer> {
        self.give(|reply| Command::Ask(ask, reply))
    }

    fn give<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Outcome<T> {
        let (reply, outcome) = oneshot::channel();
        if let Err(mpsc::error::TrySendError::Full(command)) =
            self.commands.try_send(command(reply))
        {
            command.refuse("too many commands at once; wait for their outcome");
        }
        Outcome(outcome)
    }
}

impl Command {
    fn refuse(self, why: &str) {
        let error = CommandError::Refused(why.to_owned());
        // Nobody need wait for the outcome.
        match self {
            Self::Ask(_, reply) => drop(reply.send(Err(error))),
            Self::Show(_, _, reply) | Self::Acknowledge(_, reply) => drop(reply.send(Err(error))),
            Self::CutLink | Self::Close => {}
        }
    }
}

impl<T> Future for Outcome<T> {
    type Output = Result<T, CommandError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = Pin::new(&mut self.0).poll(context);
        polled.map(|told| told.unwrap_or(Err(CommandError::Ended)))
    }
}

//! The program around a client.
#![allow(clippy::doc_markdown, reason = "the docs are the help text")]

use super::line::{self, Stream};
use super::print::{self, Printer};
use super::session::{self, Session};
use super::{DeviceControl, DeviceNews, DeviceOptions, Place, Via, dial, publish, spawn_device};
use crate::cli::told_to_end;
use clap::builder::NonEmptyStringValueParser;
use std::io;
use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;
use zzw_push_proto::device::{Ack, Event, Reason};
use zzw_push_proto::wire::{Door, Mid, Text, Token, is_name};

/// What a client's program is told.
#[derive(Debug, clap::Args)]
pub struct DeviceArgs {
    /// What to speak: lines over TCP, Socket.IO of 3.x and 4.x, Socket.IO of 1.x and 2.x
    #[arg(
        long,
        value_enum,
        default_value = "tcp",
        value_name = "KIND",
        global = true
    )]
    via: Kind,
    /// The server, HOST:PORT; the documented ports are 9800 for tcp and 9906 for Socket.IO
    #[arg(value_name = "HOST:PORT", value_parser = Place::parse)]
    server: Option<Place>,
    /// Ask this REST service which server has least to do, http://HOST:9900; needs --rest-token
    #[arg(long, value_name = "URL", value_parser = dial::rest_url, conflicts_with = "server")]
    servers: Option<String>,
    /// Publish or ask over this REST service instead of a link, http://HOST:9900; needs --rest-token
    #[arg(long, value_name = "URL", value_parser = dial::rest_url, conflicts_with_all = ["server", "servers"])]
    rest: Option<String>,
    /// Token for REST [default: environment variable ZZW_REST_TOKEN]
    #[arg(long, value_name = "TOKEN", value_parser = token, global = true)]
    rest_token: Option<Token>,
    /// Whose messages; for commands that need none of its own [default: one that is used once]
    #[arg(long, value_name = "ALIAS", value_parser = name, global = true)]
    alias: Option<Text>,
    /// Token of the client, where the server asks for one [default: environment variable ZZW_TOKEN]
    #[arg(long, value_name = "TOKEN", value_parser = token, global = true)]
    token: Option<Token>,
    /// Subscribe to this topic; repeatable
    #[arg(long = "topic", value_name = "TOPIC", value_parser = name)]
    topics: Vec<Text>,
    /// Keep what comes in this folder: acknowledge it there, print it once
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Acknowledge only the messages whose mid is written to standard input, one a line
    #[arg(long, conflicts_with = "data")]
    manual_ack: bool,
    /// Be the door's side of this room, over tcp: announce it and print who asks to open
    #[arg(long, value_name = "ROOM", value_parser = NonEmptyStringValueParser::new())]
    door: Option<String>,
    /// Be the phone's side of this room, over tcp
    #[arg(long, value_name = "ROOM", value_parser = NonEmptyStringValueParser::new())]
    phone: Option<String>,
    /// End after so many messages
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Seconds between heartbeats
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0, value_parser = seconds)]
    heartbeat: f64,
    /// Longest pause before connecting again, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0, value_parser = seconds)]
    backoff: f64,
    /// Seconds within which a command has to be answered, the wait for a link included
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0, value_parser = seconds, global = true)]
    timeout: f64,
    #[command(subcommand)]
    command: Option<DeviceCommand>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    Tcp,
    #[value(name = "socketio")]
    SocketIo,
    #[value(name = "socketio-v2")]
    SocketIoV2,
}

/// One thing to do.
#[derive(Debug, clap::Subcommand)]
enum DeviceCommand {
    /// Publish a message and tell the answer
    Publish(publish::PublishArgs),
    /// Print the messages that wait for --alias and acknowledge them
    Pull,
    /// Print the topics of --alias
    Topics,
    /// Add topics to --alias
    Register {
        /// The topics
        #[arg(required = true, value_parser = name)]
        topics: Vec<Text>,
    },
    /// Remove topics from --alias: an extension that not every server has
    Unregister {
        /// The topics
        #[arg(required = true, value_parser = name)]
        topics: Vec<Text>,
    },
    /// Print whether somebody is online; over Socket.IO or --rest
    Status {
        /// Who
        #[arg(value_parser = name)]
        who: Text,
    },
    /// Print how much the server has to do; over tcp
    ServerInfo,
    /// Ask to open the door of a room; over tcp. Nothing answers that: what is printed says that the
    /// server has read it
    OpenDoor {
        /// The room
        room: String,
        /// Who asks
        #[arg(long)]
        user: String,
    },
}

/// Does what the arguments say.
///
/// # Errors
///
/// Why it could not be done, or that nobody reads any more.
pub async fn run(mut args: DeviceArgs) -> io::Result<()> {
    let Some(command) = args.command.take() else {
        return listen(args).await;
    };
    let is_for_lines = matches!(
        command,
        DeviceCommand::ServerInfo | DeviceCommand::OpenDoor { .. }
    );
    if is_for_lines && args.via != Kind::Tcp {
        return Err(invalid("there is that for lines only; use --via tcp"));
    }
    let lone = !matches!(
        command,
        DeviceCommand::Publish(_) | DeviceCommand::Status { .. }
    );
    if lone && args.rest.is_some() {
        return Err(invalid(
            "over --rest there are publish and status only; name a server",
        ));
    }
    match command {
        DeviceCommand::Publish(publish) => match args.rest() {
            Some(rest) => publish::over_rest(publish, rest?).await,
            None => publish::over_link(publish, args.session(false)?).await,
        },
        DeviceCommand::Status { who } => match args.rest() {
            Some(rest) => session::status_over_rest(who, rest?).await,
            None if args.via == Kind::Tcp => {
                let text = "tcp has no such question; ask with --via socketio, or over --rest";
                Err(invalid(text))
            }
            None => {
                args.session(false)?
                    .answer(|control| control.status(who))
                    .await
            }
        },
        DeviceCommand::Pull => args.session(true)?.pull().await,
        DeviceCommand::Topics => args.session(true)?.answer(DeviceControl::topics).await,
        DeviceCommand::Register { topics } => {
            let topics = topics.iter().collect();
            args.session(true)?
                .answer(|control| control.register(topics))
                .await
        }
        DeviceCommand::Unregister { topics } => {
            let topics = topics.iter().collect();
            args.session(true)?
                .answer(|control| control.unregister(topics))
                .await
        }
        DeviceCommand::ServerInfo => {
            args.session(false)?
                .answer(DeviceControl::server_info)
                .await
        }
        DeviceCommand::OpenDoor { room, user } => {
            args.session(false)?.open_door(Door::new(room, user)).await
        }
    }
}

impl DeviceArgs {
    /// REST service and token, if calls are to go there.
    fn rest(&self) -> Option<io::Result<(String, Token)>> {
        let rest = self.rest.clone()?;
        Some(self.rest_token().map(|token| (rest, token)))
    }

    fn rest_token(&self) -> io::Result<Token> {
        let token = self
            .rest_token
            .clone()
            .or_else(|| variable("ZZW_REST_TOKEN"));
        token.ok_or_else(|| invalid("no token; pass --rest-token TOKEN or set ZZW_REST_TOKEN"))
    }

    fn place(&self) -> io::Result<Place> {
        match (&self.server, &self.servers) {
            (Some(place), _) => Ok(place.clone()),
            (None, Some(rest)) => Ok(Place::Ask {
                rest: rest.clone(),
                token: self.rest_token()?,
            }),
            (None, None) => Err(invalid(
                "no server; pass HOST:PORT, or --servers http://HOST:9900",
            )),
        }
    }

    fn options(&self, alias: Text) -> io::Result<DeviceOptions> {
        let via = match self.via {
            Kind::Tcp => Via::Tcp,
            Kind::SocketIo => Via::SocketIo,
            Kind::SocketIoV2 => Via::SocketIoV2,
        };
        let mut options = DeviceOptions::new(alias, via, self.place()?, seed());
        options.config.token = self.token.clone().or_else(|| variable("ZZW_TOKEN"));
        options.config.heartbeat = Duration::from_secs_f64(self.heartbeat);
        options.config.request_timeout = Duration::from_secs_f64(self.timeout);
        options.config.backoff_max = Duration::from_secs_f64(self.backoff);
        options.config.backoff_min = options.config.backoff_min.min(options.config.backoff_max);
        options.config.ack = Ack::Manual;
        Ok(options)
    }

    /// A client for one thing to do, for the alias of the arguments or one of its own.
    fn session(&self, needs_alias: bool) -> io::Result<Session> {
        let alias = match &self.alias {
            Some(alias) => alias.clone(),
            None if needs_alias => return Err(invalid("whose? pass --alias ALIAS")),
            None => format!("zzw_device-{}", std::process::id()).into(),
        };
        Session::start(self.options(alias)?)
    }
}

async fn listen(args: DeviceArgs) -> io::Result<()> {
    let Some(alias) = args.alias.clone() else {
        return Err(invalid("whose messages? pass --alias ALIAS"));
    };
    if args.rest.is_some() {
        return Err(invalid("--rest is for publish and status; name a server"));
    }
    if args.via != Kind::Tcp && (args.door.is_some() || args.phone.is_some()) {
        return Err(invalid(
            "the sides of a room are for lines only; use --via tcp",
        ));
    }
    let mut options = args.options(alias.clone())?;
    options.config.topics.clone_from(&args.topics);
    options.data.clone_from(&args.data);
    options.door = args.door.map(Text::from);
    options.phone = args.phone.map(Text::from);
    let acknowledges = !args.manual_ack && options.data.is_none();
    let mut ended = pin!(told_to_end());
    let mut device = spawn_device(options)?;
    let (control, mut printer) = (device.control(), Printer::new(alias));
    if args.manual_ack {
        tokio::spawn(acknowledge_by_hand(device.control()));
    }
    let (mut left, mut is_ending, mut was_replaced) =
        (args.count.unwrap_or(u64::MAX), false, false);
    while left > 0 {
        let news = tokio::select! {
            news = device.next() => news,
            () = &mut ended, if !is_ending => {
                is_ending = true;
                control.close();
                continue;
            }
        };
        let Some(news) = news else { break };
        printer.print(&news)?;
        match news {
            DeviceNews::Delivered { delivery, .. } => {
                left -= 1;
                if acknowledges {
                    // If there is no link, it comes again and is acknowledged then.
                    drop(control.acknowledge(delivery.mid));
                }
            }
            DeviceNews::Machine(Event::Closed(Reason::Replaced)) => was_replaced = true,
            _ => {}
        }
    }
    let counters = device.counters();
    device.stop().await;
    line::push_counters(&counters, printer.blank());
    printer.flush(Stream::Err)?;
    if was_replaced {
        let text = "another client has taken the alias; give each its own";
        return Err(io::Error::other(text));
    }
    Ok(())
}

async fn acknowledge_by_hand(control: DeviceControl) {
    let mut lines = print::input();
    while let Some(Ok(mid)) = lines.recv().await {
        if let Err(error) = control.acknowledge(Mid::new(mid.trim())).await {
            let mut line = Vec::new();
            line::push_failure(None, &error, &mut line);
            eprint!("{}", String::from_utf8_lossy(&line));
        }
    }
}

/// Another one for each process.
fn seed() -> u64 {
    let nanos = crate::cli::now().0;
    nanos.rotate_left(32) ^ u64::from(std::process::id())
}

fn variable(name: &str) -> Option<Token> {
    std::env::var(name).ok().map(Token::new)
}

fn invalid(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of a value parser")]
fn token(text: &str) -> Result<Token, String> {
    Ok(Token::new(text))
}

pub(super) fn name(text: &str) -> Result<Text, &'static str> {
    if is_name(text) {
        return Ok(text.into());
    }
    Err("a name has 1 to 128 bytes, no control characters and no /")
}

fn seconds(text: &str) -> Result<f64, &'static str> {
    let seconds = text.parse().ok();
    let fits = |seconds: &f64| (0.001..=86_400.0).contains(seconds);
    seconds.filter(fits).ok_or("seconds, from 0.001 to 86400")
}

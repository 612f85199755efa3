//! Subscribes to the face events of an SE5 box and prints them as lines of JSON.
#![allow(clippy::doc_markdown, reason = "the docs are the help text")]

use clap::Parser;
use drive::se5::line::push_line;
use drive::se5::pictures::{Album, Saved};
use drive::se5::{
    SubscriberCommand, SubscriberHandle, SubscriberNews, SubscriberOptions, faults,
    spawn_subscriber, terminal,
};
use se5_events::platform::Event;
use se5_events::{Dialect, Subscription};
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

/// Prints the face events of a SOPHON SE5 box, one JSON object a line; states, gaps and counters go
/// to standard error. Reconnects for ever, and fetches from the history what was missed meanwhile.
#[derive(Debug, Parser)]
struct Args {
    /// The box, ws://HOST:5679
    url: String,
    /// Its HTTP service [default: port 5555 of the same host]
    #[arg(long)]
    http: Option<String>,
    /// Id of a device whose events are wanted, repeatable [default: ask the box for all]
    #[arg(long = "camera", value_name = "ID")]
    cameras: Vec<String>,
    /// Ask for live pictures
    #[arg(long)]
    faces: bool,
    /// Ask for registered pictures
    #[arg(long)]
    registered: bool,
    /// Save pictures in this folder; asks for live ones unless --registered is given alone
    #[arg(long, value_name = "DIR")]
    pictures: Option<PathBuf>,
    /// End after so many events
    #[arg(long)]
    count: Option<u64>,
    /// Remember here how far the events are complete, and go on there after a restart
    #[arg(long, value_name = "FILE")]
    mark: Option<PathBuf>,
    /// The box's dialect, 1 or 2 [default: find out]
    #[arg(long, value_parser = faults::dialect)]
    dialect: Option<Dialect>,
    /// Milliseconds to add to the box's times before judging how old events are
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    clock_offset: i64,
    /// Seconds of silence after which the box is checked
    #[arg(long, default_value_t = 20.0)]
    idle: f64,
    /// Report gaps, but do not ask the history
    #[arg(long)]
    no_backfill: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            eprintln!("se5_subscribe: {error}");
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}

async fn run(args: Args) -> io::Result<()> {
    let http = match args.http {
        Some(http) => http,
        None => format!("http://{}:5555", drive::ws::host_and_port(&args.url)?.0),
    };
    let mut options = SubscriberOptions::new(args.url, http, u64::from(std::process::id()))?;
    options.config.dialect = args.dialect;
    options.config.clock_offset = args.clock_offset;
    options.config.idle = faults::seconds(args.idle)?;
    options.config.backfill = !args.no_backfill;
    options.mark = args.mark;
    let http = options.http.clone();
    let mut album = args
        .pictures
        .map(|folder| Album::new(folder, http))
        .transpose()?;
    let mut subscriber = spawn_subscriber(options)?;
    let faces = args.faces || (album.is_some() && !args.registered);
    subscriber.control().send(if args.cameras.is_empty() {
        SubscriberCommand::SubscribeAll {
            faces,
            registered: args.registered,
        }
    } else {
        let wanted = Subscription::new(args.cameras);
        SubscriberCommand::Subscribe(wanted.with_faces(faces).with_registered(args.registered))
    });
    let printed = print(&mut subscriber, &mut album, args.count.unwrap_or(u64::MAX)).await;
    eprintln!("{}", terminal::subscriber_counters(&subscriber.counters()));
    printed
}

async fn print(
    subscriber: &mut SubscriberHandle,
    album: &mut Option<Album>,
    mut count: u64,
) -> io::Result<()> {
    let (mut lines, mut ended) = (
        terminal::Lines::default(),
        Box::pin(terminal::told_to_end()),
    );
    let mut is_ending = false;
    while count > 0 {
        let news = tokio::select! {
            news = subscriber.next() => news,
            () = &mut ended, if !is_ending => {
                is_ending = true;
                subscriber.control().send(SubscriberCommand::Stop);
                continue;
            }
        };
        match news {
            None => return Ok(()),
            Some(SubscriberNews::Machine(Event::Face {
                event,
                freshness,
                source,
                ..
            })) => {
                let saved = match album {
                    Some(album) => album.save(&event).await,
                    None => Saved::default(),
                };
                for why in &saved.failed {
                    eprintln!("picture: {why}");
                }
                lines.print(|out| push_line(&event, freshness, source, &saved, out))?;
                count -= 1;
            }
            Some(SubscriberNews::Machine(event)) => {
                eprintln!("{}", terminal::platform_event(&event));
            }
            Some(SubscriberNews::Refused(why)) => return Err(io::Error::other(why)),
            Some(SubscriberNews::MarkFailed(why)) => eprintln!("mark: {why}"),
            Some(_) => {}
        }
    }
    Ok(())
}

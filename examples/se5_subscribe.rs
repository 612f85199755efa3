//! Subscribes to the face events of an SE5 box and prints them as lines of JSON.
#![allow(clippy::doc_markdown, reason = "the docs are the help text")]

use clap::Parser;
use drive::cli;
use drive::se5::{SubscriberOptions, faults, terminal};
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
    cli::exit_code("se5_subscribe", run(Args::parse()).await)
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
    let faces = args.faces || (args.pictures.is_some() && !args.registered);
    let wanted = Subscription::new(args.cameras)
        .with_faces(faces)
        .with_registered(args.registered);
    terminal::run_subscriber(options, wanted, args.pictures, args.count).await
}

//! Stands in for an SE5 box: pushes synthetic face events, serves devices and history.
#![allow(clippy::doc_markdown, reason = "the docs are the help text")]

use clap::Parser;
use drive::cli;
use drive::faces::PictureSize;
use drive::se5::faults::{self, Planned};
use drive::se5::{BoxOptions, cameras, terminal};
use se5_events::Dialect;
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;

/// A simulated SOPHON SE5 box. Prints each event it emits as a line of JSON, everything else on
/// standard error, beginning with `listening ws://… http://…`.
#[derive(Debug, Parser)]
#[command(after_help = faults::LIST, allow_negative_numbers = true)]
struct Args {
    /// Where the WebSocket listens; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:5679", value_parser = cli::address)]
    listen: SocketAddr,
    /// Where HTTP listens; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:5555", value_parser = cli::address)]
    http: SocketAddr,
    /// Number of cameras
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..))]
    cameras: u16,
    /// Events a second, all cameras together
    #[arg(long, default_value_t = 2.0)]
    rate: f64,
    /// Stop emitting after so many events; what is recorded stays served until the program is ended
    #[arg(long)]
    count: Option<u64>,
    /// With --count: end when all are emitted; what a slow subscriber has not taken by then is dropped
    #[arg(long, requires = "count")]
    exit: bool,
    /// Emit nothing, and count no fault's time, until the first subscriber has subscribed
    #[arg(long)]
    wait: bool,
    /// Faces, ids, scores and faults follow from it
    #[arg(long, default_value_t = 5)]
    seed: u64,
    /// Dialect of the firmware: 1 or 2
    #[arg(long, default_value = "1", value_parser = faults::dialect)]
    dialect: Dialect,
    /// Size of the pictures: a few kB, or as real boxes send them
    #[arg(long, default_value = "small", value_enum)]
    pictures: PictureSize,
    /// Also take the subscription as the document prints it, a Python literal
    #[arg(long)]
    python_literal: bool,
    /// Seconds after a reboot in which questions are refused with DEVICE_INIT_ERROR
    #[arg(long, default_value_t = 10.0)]
    boot_time: f64,
    /// Something that goes wrong; see below
    #[arg(long = "fault", value_name = "NAME[=VALUE][@SECONDS]")]
    faults: Vec<Planned>,
}

#[tokio::main]
async fn main() -> ExitCode {
    cli::exit_code("se5_box", run(Args::parse()).await)
}

async fn run(args: Args) -> io::Result<()> {
    let mut options = BoxOptions::new(args.seed);
    (options.listen, options.http) = (args.listen, args.http);
    options.config.dialect = args.dialect;
    options.config.python_literal = args.python_literal;
    options.config.boot_time = faults::seconds(args.boot_time)?;
    options.devices = cameras(args.cameras.into(), args.seed);
    (options.traffic.rate, options.traffic.count) = (args.rate, args.count);
    (options.traffic.pictures, options.traffic.waits) = (args.pictures, args.wait);
    terminal::run_box(options, args.faults, args.exit).await
}

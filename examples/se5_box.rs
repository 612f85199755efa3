//! Stands in for an SE5 box: pushes synthetic face events, serves devices and history.
#![allow(clippy::doc_markdown, reason = "the docs are the help text")]

use clap::Parser;
use drive::faces::PictureSize;
use drive::se5::faults::{self, Planned};
use drive::se5::{BoxHandle, BoxNews, BoxOptions, cameras, spawn_box, terminal};
use se5_events::{Dialect, device};
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;

/// A simulated SOPHON SE5 box. Prints each event it emits as a line of JSON, everything else on
/// standard error, beginning with `listening ws://… http://…`.
#[derive(Debug, Parser)]
#[command(after_help = faults::LIST)]
struct Args {
    /// Where the WebSocket listens; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:5679")]
    listen: SocketAddr,
    /// Where HTTP listens; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:5555")]
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
    /// With --count: end when all are emitted and sent
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
    match run(Args::parse()).await {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            eprintln!("se5_box: {error}");
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
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
    let devices = options.devices.clone();
    let mut simulator = spawn_box(options).await?;
    eprintln!("listening {} {}", simulator.ws_url(), simulator.http_url());
    for device in devices {
        eprintln!("camera {} {}", device.id, device.name.unwrap_or_default());
    }
    eprintln!("ready");
    let told = tell(&mut simulator, args.faults, args.wait, args.exit).await;
    eprintln!("{}", terminal::box_counters(&simulator.counters()));
    simulator.stop().await;
    told
}

async fn tell(
    simulator: &mut BoxHandle,
    mut plan: Vec<Planned>,
    waits: bool,
    exits: bool,
) -> io::Result<()> {
    let (mut lines, mut ended) = (
        terminal::Lines::default(),
        Box::pin(terminal::told_to_end()),
    );
    let control = simulator.control();
    // What is wrong from the start is wrong before anything is sent.
    let at_once = |planned: &mut Planned| !waits || planned.after.is_zero();
    terminal::schedule(plan.extract_if(.., at_once).collect(), &control);
    loop {
        tokio::select! {
            () = &mut ended => return Ok(()),
            news = simulator.next() => match news {
                None => return Ok(()),
                Some(BoxNews::Exhausted) if exits => return Ok(()),
                Some(BoxNews::Emitted(emitted)) => {
                    lines.print(|out| terminal::push_emitted(&emitted, out))?;
                }
                Some(BoxNews::Machine(event)) => {
                    if matches!(event, device::Event::Subscribed(..)) {
                        terminal::schedule(std::mem::take(&mut plan), &control);
                    }
                    eprintln!("{}", terminal::box_event(&event));
                }
                Some(_) => {}
            }
        }
    }
}

//! A door station, indoor unit or phone of the zzw push system on a command line.
#![allow(clippy::doc_markdown, reason = "the docs are the help text")]

use clap::Parser;
use drive::cli;
use drive::zzw::device::program::{self, DeviceArgs};
use std::process::ExitCode;

/// Receives the messages of an alias, or does one thing and ends.
///
/// Without a command it connects, and again whenever the link is lost, prints each message as a line
/// of JSON to standard output and acknowledges it then. Standard output also has lost messages (gap)
/// and frames for rooms (door, phone_present, door_present); how things stand goes to standard error,
/// as JSON, too. Each line says in "event" what it is.
///
/// A message is acknowledged once it is printed, so after a crash the last ones may be printed again
/// by the next process. With --data it is acknowledged once it is on the disk, and after a crash only
/// the last line may come again, with the same "seq".
#[derive(Debug, Parser)]
struct Args {
    #[command(flatten)]
    device: DeviceArgs,
}

#[tokio::main]
async fn main() -> ExitCode {
    cli::exit_code("zzw_device", program::run(Args::parse().device).await)
}

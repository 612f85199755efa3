//! Cameras, their viewers, and both ends of a call in the relay rooms of the zzw push system.
#![allow(clippy::doc_markdown, reason = "the docs are the help text")]

use clap::Parser;
use drive::cli;
use drive::zzw::room::program::{self, RelayCommand};
use std::process::ExitCode;

/// Shows pictures in a relay room, looks at them, or talks in a call.
///
/// What is sent and what comes goes to standard output, how things stand to standard error, each a
/// line of JSON that says in "event" what it is. send and show come in again whenever they are out.
#[derive(Debug, Parser)]
struct Args {
    #[command(subcommand)]
    command: RelayCommand,
}

#[tokio::main]
async fn main() -> ExitCode {
    cli::exit_code("zzw_relay", program::run(Args::parse().command).await)
}

//! A dispatcher of recognition tasks: gives each to an analyser over MQTT until it has a verdict.
#![allow(clippy::doc_markdown, reason = "the docs are the help text")]

use clap::Parser;
use drive::analyst::program::dispatcher::{self, DispatcherArgs};
use drive::cli;
use std::process::ExitCode;

#[derive(Debug, Parser)]
#[command(about = "Gives recognition tasks to analysers until each has exactly one verdict")]
struct Args {
    #[command(flatten)]
    dispatcher: DispatcherArgs,
}

#[tokio::main]
async fn main() -> ExitCode {
    cli::exit_code(
        "analyst_platform",
        dispatcher::run(Args::parse().dispatcher).await,
    )
}

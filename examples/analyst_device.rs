//! Stands in for a video analyser: takes tasks, makes results up or has a program find them, and
//! delivers each.
#![allow(clippy::doc_markdown, reason = "the docs are the help text")]

use clap::Parser;
use drive::analyst::program::analyser::{self, AnalyserArgs};
use drive::cli;
use std::process::ExitCode;

/// A video analyser. Its tasks and results are in DIR and survive kill -9 and power cuts. Ctrl-C or
/// SIGTERM ends it.
#[derive(Debug, Parser)]
struct Args {
    #[command(flatten)]
    analyser: AnalyserArgs,
}

#[tokio::main]
async fn main() -> ExitCode {
    cli::exit_code(
        "analyst_device",
        analyser::run(Args::parse().analyser).await,
    )
}

//! Stands in for Aliyun's micro message queue for MQTT, or for any other broker: in tests only.
#![allow(clippy::doc_markdown, reason = "the docs are the help text")]

use clap::Parser;
use drive::cli;
use drive::lmq::Lmq;
use drive::lmq::args::{self, Broker, Faults};
use std::io;
use std::process::ExitCode;

/// A simulator of the broker between analysers and their dispatcher, for tests: no production broker.
///
/// Like Aliyun's it checks signed passwords and hands point-to-point messages to clients that have
/// subscribed to nothing. What else goes wrong between clients and a broker it does on demand.
/// SIGTERM or SIGINT ends it.
#[derive(Debug, Parser)]
struct Args {
    #[command(flatten)]
    broker: Broker,
    #[command(flatten)]
    faults: Faults,
}

#[tokio::main]
async fn main() -> ExitCode {
    cli::exit_code("analyst_broker", run(Args::parse()).await)
}

async fn run(Args { broker, faults }: Args) -> io::Result<()> {
    let told_to_end = cli::told_to_end();
    cli::open_many_files();
    let options = broker.options(&faults)?;
    let has_secret = options.secret.is_some();
    let lmq = Lmq::start(options).await?;
    args::tell(&lmq, has_secret);
    told_to_end.await;
    Ok(())
}

//! Stands in for a video analyser: takes tasks, makes results up or has a program find them, and
//! delivers each.
#![allow(clippy::doc_markdown, reason = "the docs are the help text")]

use analyst_proto::device::Config;
use analyst_proto::wire::Secret;
use clap::Parser;
use drive::analyst::analyser::{self, Options, Recognition};
use drive::analyst::{Patience, by_analyser};
use drive::cli;
use drive::http::Site;
use drive::tls::Trust;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// A video analyser. Its tasks and results are in DIR and survive kill -9 and power cuts. Ctrl-C or
/// SIGTERM ends it.
#[derive(Debug, Parser)]
struct Args {
    /// The server that tells where the broker is
    #[arg(long, default_value = "http://127.0.0.1:8090", value_name = "URL")]
    server: Site,
    /// For https and for a broker over TLS: the authorities that signed their certificates, PEM
    #[arg(long, value_name = "PEM")]
    ca: Option<PathBuf>,
    /// Its name at the server
    #[arg(long)]
    name: String,
    /// The key that goes with the name; others can see it: rather set ANALYST_SECRET, or name a file
    #[arg(long)]
    secret: Option<String>,
    /// A file whose first line is the key
    #[arg(long, value_name = "FILE", conflicts_with = "secret")]
    secret_file: Option<PathBuf>,
    /// The folder of its tasks, which is made if it is not there
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// How long a made-up result takes, in milliseconds
    #[arg(long, default_value_t = 500, value_name = "M")]
    work_ms: u64,
    /// So many runs of one fail
    #[arg(long, default_value_t = 0.0, value_name = "P")]
    fail: f64,
    /// So many runs of one never end
    #[arg(long, default_value_t = 0.0, value_name = "P")]
    hang: f64,
    /// A program that gets a task on its standard input and prints the result, {"17":4}
    #[arg(long, value_name = "PROGRAM", conflicts_with_all = ["work_ms", "fail", "hang"])]
    hook: Option<PathBuf>,
    /// Chance in delays, failures and results follows from it
    #[arg(long, default_value_t = 5)]
    seed: u64,
    #[command(flatten)]
    patience: Patience,
}

#[tokio::main]
async fn main() -> ExitCode {
    cli::exit_code("analyst_device", run(Args::parse()).await)
}

async fn run(args: Args) -> io::Result<()> {
    let told_to_end = cli::told_to_end();
    let recognition = match args.hook {
        Some(program) => Recognition::Hook(program),
        None => Recognition::StandIn {
            work: Duration::from_millis(args.work_ms),
            fail: args.fail,
            hang: args.hang,
        },
    };
    let secret = cli::secret(args.secret, args.secret_file.as_deref(), "ANALYST_SECRET")?;
    let no_secret = "without its key the server tells nothing: set ANALYST_SECRET, or give --secret or --secret-file";
    let secret = secret.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, no_secret))?;
    let mut config = Config::new(args.name, args.seed);
    args.patience.apply(&mut config.link);
    let options = Options {
        server: args.server,
        trust: args.ca.map_or(Trust::Nobody, Trust::Authorities),
        secret: Secret::new(secret),
        data: args.data,
        config,
        recognition,
    };
    analyser::run(options, told_to_end, |event| {
        println!("{}", by_analyser(event));
    })
    .await
}

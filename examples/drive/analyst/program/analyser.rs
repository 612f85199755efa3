//! The program around an analyser: arguments, its key, and what happens in words.
#![allow(clippy::doc_markdown, reason = "the docs are the help text")]

use crate::analyst::analyser::{self, Options, Recognition};
use crate::analyst::{Patience, by_analyser};
use crate::cli;
use crate::http::Site;
use crate::tls::Trust;
use analyst_proto::device::Config;
use analyst_proto::wire::Secret;
use clap::Args;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::Duration;

/// How an analyser is started.
#[derive(Debug, Args)]
pub struct AnalyserArgs {
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
    #[arg(long, default_value_t = 0.0, value_name = "P", value_parser = cli::probability)]
    fail: f64,
    /// So many runs of one never end
    #[arg(long, default_value_t = 0.0, value_name = "P", value_parser = cli::probability)]
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

/// Runs until it is told to end.
///
/// # Errors
///
/// If there is no key, or its store cannot be used.
pub async fn run(args: AnalyserArgs) -> io::Result<()> {
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
        tells: true,
    };
    analyser::run(options, told_to_end, |event| {
        // Whether anybody reads it is no concern of the tasks.
        let _ = writeln!(io::stdout(), "{}", by_analyser(event));
    })
    .await
}

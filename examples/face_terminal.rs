//! Stands in for a face terminal: records people who do not exist, and pushes each until it is
//! acknowledged.
#![allow(clippy::doc_markdown, reason = "the docs are the help text")]

use clap::Parser;
use drive::cli;
use drive::face::account;
use drive::face::terminal::{TerminalOptions, program};
use drive::http;
use drive::tls::{self, KeyPin, Trust};
use face_record_push::{Dest, DestError, Profile};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

/// A simulated face terminal. What it has recorded is in DIR until a platform acknowledges it, and
/// survives kill -9 and power cuts. Ctrl-C or SIGTERM ends it in order.
#[derive(Debug, Parser)]
#[command(allow_negative_numbers = true)]
struct Args {
    /// Where to push, http://127.0.0.1:8080/Record; kept in DIR [default: what was kept, or set by
    /// the API]
    #[arg(long, value_name = "URL", value_parser = dest)]
    dest: Option<Dest>,
    /// The folder of its records, which is made if it is not there
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Where its configuration API listens; port 0 takes a free one [default: 127.0.0.1:8000, or
    /// nowhere if that is taken]
    #[arg(long, value_name = "ADDRESS", value_parser = cli::address)]
    api: Option<SocketAddr>,
    /// A file of one line, user:password: the account that the API asks for; or set
    /// FACE_API_ACCOUNT [default: none, the API is open]
    #[arg(long, value_name = "FILE")]
    api_account: Option<PathBuf>,
    /// The API's certificate chain for TLS, PEM
    #[arg(long, value_name = "PEM", requires = "api_key")]
    api_cert: Option<PathBuf>,
    /// Its key, PEM
    #[arg(long, value_name = "PEM", requires = "api_cert")]
    api_key: Option<PathBuf>,
    /// People a second
    #[arg(long, default_value_t = 2.0, value_parser = rate)]
    rate: f64,
    /// End once so many records have ever been recorded, former runs included, and all are
    /// acknowledged
    #[arg(long)]
    count: Option<u64>,
    /// What the firmware sends: 1.0, 1.1, 1.2, 1.2.1 or 1.3
    #[arg(long, default_value = "1.1", value_parser = profile)]
    profile: Profile,
    /// Size of each picture in bytes, padded with comments; 0 sends none [default: some 4 kB]
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(..=16_777_216))]
    picture_bytes: Option<u32>,
    /// Serial number, names, scores and pictures follow from it
    #[arg(long, default_value_t = 5)]
    seed: u64,
    /// Let the API accept destinations on this machine and other special addresses
    #[arg(long)]
    allow_special: bool,
    /// For https: the authorities to trust, PEM
    #[arg(long, value_name = "PEM")]
    ca: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    cli::exit_code("face_terminal", run(Args::parse()).await)
}

async fn run(args: Args) -> io::Result<()> {
    let ended = cli::told_to_end();
    let mut options = TerminalOptions::new(args.data, args.seed);
    options.api = match args.api {
        None => free_usual_port().await,
        given => given,
    };
    options.api_account = account(args.api_account.as_deref(), "FACE_API_ACCOUNT")?;
    if let (Some(cert), Some(key)) = (args.api_cert, args.api_key) {
        options.api_tls = Some(tls::acceptor(&cert, &key, tls::HTTP).map_err(io::Error::other)?);
        let pin = KeyPin::read(&cert).map_err(io::Error::other)?;
        eprintln!("key of the API, for face_receiver --terminal-key-pin: {pin}");
    }
    options.dest = args.dest;
    options.config.dest_policy.allow_special = args.allow_special;
    options.identity.profile = args.profile;
    (options.crowd.rate, options.crowd.count) = (args.rate, args.count);
    options.crowd.picture_bytes = args.picture_bytes.map(|bytes| bytes as usize);
    if let Some(ca) = args.ca {
        options.dialing.trust = Trust::Authorities(ca);
    }
    program::run(options, ended).await
}

/// The port that terminals have, unless another one has it already.
async fn free_usual_port() -> Option<SocketAddr> {
    let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, 8000));
    match http::listen(usual).await {
        Ok(_) => Some(usual),
        Err(error) => {
            eprintln!("no configuration API: {error}; or pass --api");
            None
        }
    }
}

fn dest(url: &str) -> Result<Dest, DestError> {
    Dest::parse(url)
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate| (0.0..=1e6).contains(rate));
    rate.ok_or_else(|| "a number of people a second, from 0 to 1000000".to_owned())
}

fn profile(name: &str) -> Result<Profile, String> {
    Ok(match name {
        "1.0" => Profile::V1_0,
        "1.1" => Profile::V1_1,
        "1.2" => Profile::V1_2,
        "1.2.1" => Profile::V1_2_1,
        "1.3" => Profile::V1_3,
        _ => return Err("1.0, 1.1, 1.2, 1.2.1 or 1.3".to_owned()),
    })
}

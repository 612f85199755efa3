//! Receives the records of face terminals and keeps them in a SQLite database.
#![allow(clippy::doc_markdown, reason = "the docs are the help text")]

use clap::Parser;
use clap::builder::NonEmptyStringValueParser;
use drive::cli;
use drive::face::receiver::enrol::EnrolArgs;
use drive::face::receiver::{ReceiverOptions, program};
use drive::records;
use drive::tls;
use face_record_push::SerialNumber;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

/// Receives the records that face terminals push, and acknowledges each when it is on the disk. Set
/// a terminal's event_dest to the address that is printed. Records go to standard output, a line
/// each; everything else to standard error.
#[derive(Debug, Parser)]
#[command(allow_negative_numbers = true)]
struct Args {
    /// Where to listen; for terminals elsewhere 0.0.0.0:8080
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080", value_parser = cli::address)]
    listen: SocketAddr,
    /// The SQLite database, which is made if it is not there
    #[arg(long, value_name = "FILE", default_value = "records.db")]
    db: PathBuf,
    /// The folder of pictures [default: beside the database, records-pictures for records.db]
    #[arg(long, value_name = "DIR")]
    pictures: Option<PathBuf>,
    /// Print records as JSON
    #[arg(long)]
    json: bool,
    /// The certificate chain for TLS, PEM
    #[arg(long, value_name = "PEM", requires = "key")]
    cert: Option<PathBuf>,
    /// Its key, PEM
    #[arg(long, value_name = "PEM", requires = "cert")]
    key: Option<PathBuf>,
    /// Take records only at this path, which is then the secret that terminals share; repeatable
    /// [default: any path]
    #[arg(long = "path", value_name = "/SECRET", value_parser = path)]
    paths: Vec<String>,
    /// Take records only of this terminal; repeatable [default: any]
    #[arg(long = "serial", value_name = "SN", value_parser = NonEmptyStringValueParser::new())]
    serials: Vec<String>,
    /// Largest database, in MiB, without pictures; beyond it terminals have to wait [default: none]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..))]
    max_size: Option<u64>,
    #[command(flatten)]
    enrol: EnrolArgs,
}

#[tokio::main]
async fn main() -> ExitCode {
    cli::exit_code("face_receiver", run(Args::parse()).await)
}

async fn run(args: Args) -> io::Result<()> {
    let mut records = records::Options::new(args.db);
    records.max_bytes = args.max_size.map(|size| size.saturating_mul(1 << 20));
    if let Some(pictures) = args.pictures {
        records.pictures = pictures;
    }
    let mut options = ReceiverOptions::new(args.listen, records);
    options.config.paths = args.paths;
    options.config.serials = args.serials.iter().map(SerialNumber::new).collect();
    if let (Some(cert), Some(key)) = (args.cert, args.key) {
        options.tls = Some(tls::acceptor(&cert, &key, tls::HTTP).map_err(io::Error::other)?);
    }
    args.enrol.apply(&mut options)?;
    program::run(options, args.json).await
}

fn path(text: &str) -> Result<String, String> {
    if text.starts_with('/') && !text.contains(['?', '#', ' ']) {
        return Ok(text.to_owned());
    }
    Err("a path begins with / and has neither ? nor # nor spaces in it".to_owned())
}

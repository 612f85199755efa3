//! Starts every end on this computer and shows them on one page.
//!
//! ```text
//! cargo run --release --example demo                       then open http://127.0.0.1:8800
//! cargo run --release --example demo -- --seconds 20       without a person: exit status 0 if nothing was lost
//! cargo run --release --example demo -- --cluster redis://127.0.0.1:6379       three nodes of the push server over Redis or Valkey
//! ```

use clap::Parser;
use drive::cli::told_to_end;
use drive::demo::{self, Options, Outcome};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

/// Every end that exists, on the loopback address, behind one page
#[derive(Parser)]
struct Args {
    /// Where to serve the page [default: 127.0.0.1:8800, or a free port if that is taken]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// End after so many seconds, with links cut, platforms down and terminals without power on the
    /// way, and tell whether all events arrived
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: Option<u64>,
    /// Decides who is seen
    #[arg(long, value_name = "S", default_value_t = 5)]
    seed: u64,
    /// Run three nodes of the push server over this Redis or Valkey, with switches that kill one
    ///
    /// Without it, each flow has a server of its own, and no Redis is met. With --seconds one node
    /// is killed on the way; the row zzw-nodes tells what was acknowledged or under way meanwhile.
    #[arg(long, value_name = "URL")]
    cluster: Option<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let options = Options {
        listen: args.listen,
        lasts: args.seconds.map(Duration::from_secs),
        seed: args.seed,
        cluster: args.cluster,
    };
    let announce = |address: SocketAddr| {
        if args.listen.is_none() && address.port() != demo::PORT {
            eprintln!("port {} is taken", demo::PORT);
        }
        println!("open http://{address}");
    };
    match demo::run(options, told_to_end(), announce).await {
        Ok(outcomes) => {
            print!("{}", demo::table(&outcomes));
            verdict(&outcomes, args.seconds.is_some())
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A person who ends the demo, perhaps in the middle of a fault, has not found an error.
fn verdict(outcomes: &[Outcome], is_alone: bool) -> ExitCode {
    if outcomes.iter().all(Outcome::is_whole) {
        println!("every flow delivered every event exactly once");
        return ExitCode::SUCCESS;
    }
    println!("not every flow delivered every event exactly once");
    ExitCode::from(u8::from(is_alone))
}

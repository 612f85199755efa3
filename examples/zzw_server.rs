//! The server of the zzw push system: REST, Socket.IO, lines over TCP and relay rooms.

use clap::Parser;
use drive::cli::{self, KeyArgs};
use drive::zzw::server::{Options, Ports, Server};
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

/// Serves the zzw push system: REST, Socket.IO, lines over TCP and relay rooms.
#[derive(Debug, Parser)]
struct Args {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    bind: IpAddr,
    /// Port of REST
    #[arg(long, value_name = "PORT", default_value_t = 9900)]
    rest_port: u16,
    /// Port of Socket.IO
    #[arg(long, value_name = "PORT", default_value_t = 9906)]
    socketio_port: u16,
    /// Port of lines over TCP
    #[arg(long, value_name = "PORT", default_value_t = 9800)]
    push_port: u16,
    /// Port of the relay rooms
    #[arg(long, value_name = "PORT", default_value_t = 9000)]
    relay_port: u16,
    /// Port of /metrics and /healthz [default: none]
    #[arg(long, value_name = "PORT")]
    admin_port: Option<u16>,
    /// Where messages are kept [default: in memory]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The name under which clients reach this server [default: as --bind]
    #[arg(long, value_name = "HOST")]
    advertise: Option<String>,
    #[command(flatten)]
    key: KeyArgs,
}

#[tokio::main]
async fn main() -> ExitCode {
    cli::exit_code("zzw_server", run(Args::parse()).await)
}

async fn run(args: Args) -> io::Result<()> {
    let wrong = |text| io::Error::new(io::ErrorKind::InvalidInput, text);
    let mut options = Options::new(args.key.read().map_err(wrong)?);
    options.bind = args.bind;
    options.ports = Ports {
        rest: args.rest_port,
        socketio: args.socketio_port,
        push: args.push_port,
        relay: args.relay_port,
        admin: args.admin_port,
    };
    options.data = args.data;
    options.advertise = args.advertise;
    let told_to_end = cli::told_to_end();
    let server = Server::start(options).await?;
    let at = server.addresses();
    println!("rest http://{}", at.rest);
    println!("socketio http://{}", at.socketio);
    println!("push {}", at.push);
    println!("relay ws://{}", at.relay);
    if let Some(admin) = at.admin {
        println!("admin http://{admin}");
    }
    println!("token {}", server.token()?);
    told_to_end.await;
    server.stop().await
}

//! The server of the zzw push system: REST, Socket.IO, lines over TCP and relay rooms.

use clap::Parser;
use drive::cli;
use drive::zzw::server::{KeyArgs, Options, Server, Settings};
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use zzw_push_proto::platform::{ClientToken, Event};

/// Serves the zzw push system: REST, Socket.IO, lines over TCP and relay rooms.
///
/// What is given here goes before what the configuration file says, and that before the defaults.
/// SIGTERM or SIGINT lets links go over some seconds and ends; a second one ends at once.
#[derive(Debug, Parser)]
struct Args {
    /// A configuration file in TOML; `examples/zzw_server.toml` is one that changes nothing
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where to listen [default: 127.0.0.1]
    #[arg(long, value_name = "ADDRESS")]
    bind: Option<IpAddr>,
    /// Port of REST [default: 9900]
    #[arg(long, value_name = "PORT")]
    rest_port: Option<u16>,
    /// Port of Socket.IO [default: 9906]
    #[arg(long, value_name = "PORT")]
    socketio_port: Option<u16>,
    /// Port of lines over TCP [default: 9800]
    #[arg(long, value_name = "PORT")]
    push_port: Option<u16>,
    /// Port of the relay rooms [default: 9000]
    #[arg(long, value_name = "PORT")]
    relay_port: Option<u16>,
    /// Port of /metrics and /healthz [default: none]
    #[arg(long, value_name = "PORT")]
    admin_port: Option<u16>,
    /// How many cores share the work [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    shards: Option<u16>,
    /// Where messages are kept [default: in memory]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The Redis or Valkey that several nodes share, in place of --data
    #[arg(long, value_name = "URL", conflicts_with = "data")]
    cluster: Option<String>,
    /// The name under which clients reach this server; needed if --bind is every address
    /// [default: as --bind]
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
    let options = options(args)?;
    // An optional token keeps nobody out (K-1).
    let is_closed = options.broker.client_token == ClientToken::Required;
    let is_exposed = !options.bind.is_loopback() && !is_closed;
    let (data, is_node) = (options.data.clone(), options.redis.is_some());
    cli::open_many_files();
    let told_to_end = cli::told_to_end();
    let server = Server::start(options).await?;
    tell(&server)?;
    if is_exposed {
        eprintln!(
            "warning: whoever reaches these ports may be any alias, read its messages and open \
             doors; write client_token = \"required\" under [broker], or --bind 127.0.0.1"
        );
    }
    for note in server.notes() {
        eprintln!("warning: {note}");
    }
    match data {
        _ if is_node => follow(server.news()),
        Some(folder) => {
            let kept = server.kept();
            let (messages, aliases, folder) = (kept.messages, kept.aliases, folder.display());
            eprintln!("store {folder}: {messages} messages kept, {aliases} aliases known");
        }
        None => eprintln!("store: in memory only, lost at the end; keep it with --data DIR"),
    }
    told_to_end.await;
    let told_again = cli::told_to_end();
    server.drain();
    eprintln!("letting links go; once more to end at once");
    tokio::select! {
        ended = server.stop() => ended,
        () = told_again => Err(io::Error::other("ended at once; links were not let go")),
    }
}

/// Tells when this node loses its place among the others, and when it has it again.
fn follow(mut news: Receiver<Event>) {
    eprintln!("cluster: joined; messages are kept in Redis");
    tokio::spawn(async move {
        loop {
            match news.recv().await {
                Ok(Event::Fenced) => eprintln!(
                    "cluster: Redis has not been reached for too long; nothing that is kept is sent, \
                     and nothing more is kept, until it is"
                ),
                Ok(Event::Leased) => eprintln!("cluster: joined again; every queue is looked at"),
                Err(RecvError::Closed) => return,
                Ok(_) | Err(RecvError::Lagged(_)) => {}
            }
        }
    });
}

/// The first lines are for programs, the others for people.
fn tell(server: &Server) -> io::Result<()> {
    let (at, token) = (server.addresses(), server.token()?);
    println!("rest http://{}", at.rest);
    println!("socketio http://{}", at.socketio);
    println!("push {}", at.push);
    println!("relay ws://{}", at.relay);
    if let Some(admin) = at.admin {
        println!("admin http://{admin}");
    }
    println!("token {token}");
    println!("next:");
    println!("  curl http://{}/info/servers/{token}", at.rest);
    println!("  nc {} {}", at.push.ip(), at.push.port());
    let device = "cargo run --example zzw_device --";
    println!("  {device} --via tcp {} --alias m_2 --topic news", at.push);
    println!("  {device} --via socketio {} --alias c_2", at.socketio);
    Ok(())
}

fn options(args: Args) -> io::Result<Options> {
    let wrong = |text| io::Error::new(io::ErrorKind::InvalidInput, text);
    let settings = args.config.map(|file| Settings::read(&file)).transpose()?;
    let keys = args.key.read().map_err(wrong)?;
    let mut options = settings.unwrap_or_default().options(keys)?;
    options.bind = args.bind.unwrap_or(options.bind);
    let ports = &mut options.ports;
    ports.rest = args.rest_port.unwrap_or(ports.rest);
    ports.socketio = args.socketio_port.unwrap_or(ports.socketio);
    ports.push = args.push_port.unwrap_or(ports.push);
    ports.relay = args.relay_port.unwrap_or(ports.relay);
    ports.admin = args.admin_port.or(ports.admin);
    if args.data.is_some() {
        options.redis = None;
    }
    options.data = args.data.or(options.data);
    options.redis = args.cluster.or(options.redis);
    options.shards = args.shards.map_or(options.shards, usize::from);
    options.advertise = args.advertise.or(options.advertise);
    Ok(options)
}

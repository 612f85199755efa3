//! The simulator's command line.

use super::{DupFlag, DuplicateId, Hole, Lmq, Options, OverRate, OverSize, Profile, user_name};
use crate::cli;
use crate::tls;
use analyst_proto::wire::{ClientId, ParentTopic, Secret};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Where the secret key is if neither argument names it.
const SECRET_VARIABLE: &str = "LMQ_SECRET";

/// Which broker it is like.
#[derive(Debug, Clone, clap::Args)]
pub struct Broker {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:1883", value_parser = cli::address)]
    listen: SocketAddr,
    /// The secret key behind passwords [default: every password is right].
    ///
    /// Other users of this machine can read command lines: outside of tests prefer `--secret-file`
    /// or the environment variable `LMQ_SECRET`.
    #[arg(long, value_name = "SECRET")]
    secret: Option<String>,
    /// A file whose first line is the secret key
    #[arg(long, value_name = "FILE", conflicts_with = "secret")]
    secret_file: Option<PathBuf>,
    /// The certificate chain for TLS, PEM [default: no TLS]
    #[arg(long, value_name = "PEM", requires = "key")]
    cert: Option<PathBuf>,
    /// Its key, PEM
    #[arg(long, value_name = "PEM", requires = "cert")]
    key: Option<PathBuf>,
    /// The only parent topic there is [default: every one is]
    #[arg(long, value_name = "TOPIC", value_parser = parent)]
    parent: Option<ParentTopic>,
    /// Which broker it is like
    #[arg(long, value_enum, default_value_t)]
    profile: Profile,
    /// Short for --profile plain: without a subscription nothing comes
    #[arg(long, conflicts_with = "profile")]
    plain: bool,
    /// Everything that chance decides follows from it
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write a line of JSON for everything that happens, payloads too, to this file
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

/// What goes wrong. Probabilities are from 0 to 1, times like 500ms, 3s or 2m.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "What goes wrong")]
pub struct Faults {
    /// Two connections with one client id
    #[arg(long, value_enum, default_value_t)]
    duplicate_id: DuplicateId,
    /// When a message that was not acknowledged comes again on the same connection: a time, or off
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = pause)]
    redeliver: Pause,
    /// What MQTT's DUP flag says
    #[arg(long, value_enum, default_value_t)]
    dup_flag: DupFlag,
    /// A message is lost, either way
    #[arg(long, alias = "drop", value_name = "P", default_value_t = 0.0, value_parser = cli::probability)]
    lose: f64,
    /// A message comes twice
    #[arg(long, alias = "double", value_name = "P", default_value_t = 0.0, value_parser = cli::probability)]
    duplicate: f64,
    /// Later messages overtake one; 0.2 without a value
    #[arg(long, value_name = "P", default_value_t = 0.0, num_args = 0..=1,
        default_missing_value = "0.2", value_parser = cli::probability)]
    reorder: f64,
    /// A packet is its connection's last
    #[arg(long, value_name = "P", default_value_t = 0.0, value_parser = cli::probability)]
    kill: f64,
    /// A message is acknowledged and lost
    #[arg(long, value_name = "P", default_value_t = 0.0, value_parser = cli::probability)]
    lie: f64,
    /// How long a message takes: a time, or two as in 10ms..2s
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = range)]
    delay: Range,
    /// Swallow one direction while connections stay open
    #[arg(long, value_enum, default_value_t)]
    hole: Hole,
    /// Whether messages are kept for clients that are away
    #[arg(long, value_name = "on|off", default_value = "on", value_parser = switch,
        action = clap::ArgAction::Set)]
    offline: bool,
    /// A payload over 65,536 bytes
    #[arg(long, value_enum, default_value_t)]
    over_size: OverSize,
    /// More than 20 messages of one client in a second
    #[arg(long, value_enum, default_value_t)]
    over_rate: OverRate,
    /// How long a connection with a token lives [default: for ever]
    #[arg(long, value_name = "TIME", value_parser = cli::duration)]
    token_life: Option<Duration>,
    /// Whether point-to-point topics arrive with a slash at their end
    #[arg(long, value_name = "on|off", default_value = "off", value_parser = switch,
        action = clap::ArgAction::Set)]
    topic_slash: bool,
}

/// A time, or none.
#[derive(Debug, Clone, Copy)]
struct Pause(Option<Duration>);

/// The shortest and the longest time.
#[derive(Debug, Clone, Copy)]
struct Range(Duration, Duration);

impl Broker {
    /// The simulator that is asked for.
    ///
    /// # Errors
    ///
    /// A sentence for the user if the file with the secret key cannot be read.
    pub fn options(self, faults: &Faults) -> io::Result<Options> {
        let mut options = Options::new();
        options.listen = self.listen;
        let file = self.secret_file.as_deref();
        options.secret = cli::secret(self.secret, file, SECRET_VARIABLE)?.map(Secret::new);
        if let (Some(cert), Some(key)) = (&self.cert, &self.key) {
            let tls = tls::acceptor(cert, key, tls::UNNAMED).map_err(io::Error::other)?;
            options.tls = Some(tls);
        }
        (options.parent, options.seed) = (self.parent, self.seed);
        (options.record, options.tells) = (self.record, true);
        let behaviour = &mut options.behaviour;
        behaviour.profile = if self.plain {
            Profile::Plain
        } else {
            self.profile
        };
        behaviour.duplicate_id = faults.duplicate_id;
        behaviour.redeliver = faults.redeliver.0;
        behaviour.dup_flag = faults.dup_flag;
        (behaviour.drop, behaviour.double) = (faults.lose, faults.duplicate);
        (behaviour.reorder, behaviour.kill) = (faults.reorder, faults.kill);
        (behaviour.lie, behaviour.hole) = (faults.lie, faults.hole);
        behaviour.delay = (faults.delay.0, faults.delay.1);
        behaviour.offline = faults.offline;
        behaviour.over_size = faults.over_size;
        behaviour.over_rate = faults.over_rate;
        behaviour.token_life = faults.token_life;
        behaviour.topic_slash = faults.topic_slash;
        Ok(options)
    }
}

/// Says where it listens and how to try it: the first line is for programs, the others for people.
pub fn tell(lmq: &Lmq, has_secret: bool) {
    let at = lmq.address();
    println!("listening {at}");
    println!("This simulates a broker for tests. It is no broker for production: it keeps nothing");
    println!("on disk, and loses and doubles messages if it is told to.");
    if !has_secret {
        println!("every password is right; ask for signatures with --secret-file FILE");
    }
    if !at.ip().is_loopback() {
        println!("warning: whoever reaches this address may read and write every message");
    }
    let Ok(watcher) = ClientId::of("GID_Analyst", "watcher") else {
        return;
    };
    // A password is no secret key, yet whoever reads it may log in: it is not printed.
    let login = if has_secret {
        format!("-u '{}' -P \"$PASSWORD\"", user_name())
    } else {
        "-u any -P any".to_owned()
    };
    println!("next:");
    println!(
        "  mosquitto_sub -h {} -p {} -i {watcher} {login} -v -t 'Analyst/p2p/#'",
        at.ip(),
        at.port()
    );
}

fn parent(text: &str) -> Result<ParentTopic, String> {
    ParentTopic::new(text).map_err(|error| error.to_string())
}

fn switch(text: &str) -> Result<bool, &'static str> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("on or off is needed"),
    }
}

fn pause(text: &str) -> Result<Pause, &'static str> {
    match text {
        "off" => Ok(Pause(None)),
        "0" | "0s" | "0ms" => Err("a time above 0 is needed, or off"),
        _ => cli::duration(text).map(|time| Pause(Some(time))),
    }
}

fn range(text: &str) -> Result<Range, &'static str> {
    let (shortest, longest) = text.split_once("..").unwrap_or((text, text));
    let (shortest, longest) = (cli::duration(shortest)?, cli::duration(longest)?);
    if longest < shortest {
        return Err("the shorter time goes first");
    }
    Ok(Range(shortest, longest))
}

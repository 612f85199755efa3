//! The program around a dispatcher: arguments, secrets, tasks on standard input, verdicts on standard
//! output.
#![allow(clippy::doc_markdown, reason = "the docs are the help text")]

use crate::analyst::dispatcher::{Dispatcher, Inlet, Options};
use crate::analyst::{Patience, by_dispatcher};
use crate::cli;
use crate::tls::{self, Trust};
use analyst_proto::credentials::PasswordKey;
use analyst_proto::link::Login;
use analyst_proto::platform::{Config, Credentials, Event, Registration, Verdict};
use analyst_proto::wire::{ClientId, ParentTopic, Secret};
use clap::Args;
use lenient_wire::ObjectWriter;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader};

/// How a dispatcher is started.
#[derive(Debug, Args)]
pub struct DispatcherArgs {
    /// Where analysers ask for the broker and tasks are posted; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8090", value_name = "ADDRESS", value_parser = cli::address)]
    http: SocketAddr,
    /// The broker; mqtts:// is TLS
    #[arg(long, default_value = "mqtt://127.0.0.1:1883", value_name = "URL")]
    broker: String,
    /// For mqtts: the authorities that signed the broker's certificate, PEM
    #[arg(long, value_name = "PEM")]
    broker_ca: Option<PathBuf>,
    /// The broker's secret, which signs passwords; others can see it: rather set
    /// ANALYST_BROKER_SECRET, or name a file. Without one, the broker lets everybody in and is an
    /// ordinary one
    #[arg(long, value_name = "S")]
    broker_secret: Option<String>,
    /// A file whose first line is the broker's secret
    #[arg(long, value_name = "FILE", conflicts_with = "broker_secret")]
    broker_secret_file: Option<PathBuf>,
    /// The access key that goes with the broker's secret
    #[arg(long, default_value = "test-key-id", value_name = "ID")]
    access_key: String,
    /// Analysers: TOML with a table [analysts] of name = "secret"
    #[arg(long, value_name = "FILE")]
    secrets: PathBuf,
    /// The folder of its tasks, which is made if it is not there
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The certificate chain for HTTPS, PEM
    #[arg(long, value_name = "PEM", requires = "key")]
    cert: Option<PathBuf>,
    /// Its key, PEM
    #[arg(long, value_name = "PEM", requires = "cert")]
    key: Option<PathBuf>,
    /// How long an analyser may take, from 1s to 60m
    #[arg(long, default_value = "30s", value_name = "TIME", value_parser = lease)]
    lease: Duration,
    /// How often a task is given to an analyser
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    max_attempts: u32,
    /// The group that analysers belong to at the broker
    #[arg(long, default_value = "GID_Analyst")]
    group: String,
    /// The topic above all others
    #[arg(long, default_value = "Analyst")]
    topic: String,
    /// Chance in delays follows from it
    #[arg(long, default_value_t = 5)]
    seed: u64,
    #[command(flatten)]
    patience: Patience,
}

/// The file of secrets.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Secrets {
    analysts: BTreeMap<String, String>,
}

/// Runs until it is told to end.
///
/// # Errors
///
/// If the arguments are wrong, its port is taken, or its store cannot be used.
pub async fn run(args: DispatcherArgs) -> io::Result<()> {
    let told_to_end = cli::told_to_end();
    let is_tls = args.cert.is_some();
    let dispatcher = Dispatcher::start(args.options()?).await?;
    let (scheme, address) = (if is_tls { "https" } else { "http" }, dispatcher.address());
    eprintln!(
        "tasks: POST {scheme}://{address}/tasks, or a line of JSON each; analysers: {scheme}://{address}"
    );
    tokio::spawn(submit_lines(dispatcher.inlet()));
    dispatcher.run(told_to_end, tell).await
}

impl DispatcherArgs {
    fn options(&self) -> io::Result<Options> {
        let (given, file) = (
            self.broker_secret.clone(),
            self.broker_secret_file.as_deref(),
        );
        let secret = cli::secret(given, file, "ANALYST_BROKER_SECRET")?.map(Secret::new);
        let login = self.login(secret.as_ref())?;
        let tls = match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => Some(tls::acceptor(cert, key, tls::HTTP).map_err(wrong)?),
            _ => None,
        };
        let mut config = Config::new(login, self.seed);
        if let Some(secret) = secret {
            config.credentials = Credentials::Signed {
                user_name: config.login.user_name.clone(),
                secret,
            };
        }
        config.lease = self.lease;
        self.patience.apply(&mut config.link);
        config.max_attempts = self.max_attempts;
        let registrations = read_secrets(&self.secrets)?
            .into_iter()
            .map(|(name, secret)| {
                let client = self.client(&name)?;
                Ok(Registration::new(name, Secret::new(secret), client))
            });
        Ok(Options {
            http: self.http,
            tls,
            trust: self
                .broker_ca
                .clone()
                .map_or(Trust::Nobody, Trust::Authorities),
            data: self.data.clone(),
            registrations: registrations.collect::<io::Result<_>>()?,
            config,
            tells: true,
        })
    }

    fn login(&self, secret: Option<&Secret>) -> io::Result<Login> {
        let no_url = || wrong("--broker is mqtt://HOST:PORT, or mqtts://HOST:PORT for TLS");
        let (scheme, address) = self
            .broker
            .split_once("://")
            .unwrap_or(("mqtt", &self.broker));
        let (is_tls, usual) = match scheme {
            "mqtt" | "tcp" => (false, "1883"),
            "mqtts" | "ssl" => (true, "8883"),
            _ => return Err(no_url()),
        };
        if is_tls && self.broker_ca.is_none() {
            return Err(wrong(
                "a broker over TLS needs --broker-ca: the authorities that may have signed its certificate",
            ));
        }
        let address = address.trim_end_matches('/');
        let (host, port) = address.rsplit_once(':').unwrap_or((address, usual));
        let port = port.parse().map_err(|_| no_url())?;
        let client = self.client("monitor")?;
        let (user_name, password) = match secret {
            Some(secret) => {
                let instance = analyst_proto::credentials::instance_of(host);
                let key = PasswordKey::new(secret);
                let user = format!("Signature|{}|{instance}", self.access_key);
                (user, key.password(&client))
            }
            None => ("monitor".to_owned(), Secret::new("")),
        };
        let parent = ParentTopic::new(&self.topic).map_err(|error| wrong(error.to_string()))?;
        let mut login = Login::new(host, port, client, user_name, password, parent);
        login.is_tls = is_tls;
        Ok(login)
    }

    fn client(&self, name: &str) -> io::Result<ClientId> {
        let id = format!("{}@@@{name}", self.group);
        ClientId::new(&id).map_err(|error| wrong(format!("{id:?} is no client id: {error}")))
    }
}

fn read_secrets(path: &Path) -> io::Result<BTreeMap<String, String>> {
    let named = |why: String| wrong(format!("{}: {why}", path.display()));
    let text = fs::read_to_string(path).map_err(|error| named(error.to_string()))?;
    // What the parser says would show the secrets.
    let secrets: Secrets = toml::from_str(&text).map_err(|error| {
        let line = error.span().map_or(1, |span| {
            text.get(..span.start)
                .unwrap_or_default()
                .lines()
                .count()
                .max(1)
        });
        named(format!(
            "line {line}: a table [analysts] of name = \"secret\" is wanted"
        ))
    })?;
    Ok(secrets.analysts)
}

/// Submits each line of standard input.
async fn submit_lines(inlet: Inlet) {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if line.trim().is_empty() {
            continue;
        }
        if let Err(why) = inlet.submit(line.as_bytes()).await {
            eprintln!("not accepted: {why}");
        }
    }
}

/// Prints a verdict as a line of JSON, and whatever else happens for people. True once a verdict is
/// printed.
fn tell(event: &Event) -> bool {
    let Event::Verdict {
        id,
        verdict,
        attempts,
        client,
    } = event
    else {
        eprintln!("{}", by_dispatcher(event));
        return false;
    };
    let mut line = Vec::new();
    let mut object = ObjectWriter::new(&mut line);
    object.text("id", &id.to_string());
    match verdict {
        Verdict::Finished(taken) => {
            object.text("outcome", "finished");
            let mut result = object.object("result");
            for (goods, count) in taken {
                result.display(&goods.0.to_string(), count);
            }
            result.end();
        }
        Verdict::Failed(reasons) => {
            object.text("outcome", "failed");
            let reasons: Vec<&str> = reasons.iter().map(|reason| &**reason).collect();
            object.text("result", &reasons.join("; "));
        }
        Verdict::Cancelled => drop(object.text("outcome", "cancelled").raw("result", "null")),
        _ => drop(object.text("outcome", "expired").raw("result", "null")),
    }
    object.display("attempts", attempts);
    match client {
        Some(client) => object.text("analyst", client.as_str()),
        None => object.raw("analyst", "null"),
    };
    object.end();
    line.push(b'\n');
    let mut out = io::stdout().lock();
    out.write_all(&line).and_then(|()| out.flush()).is_ok()
}

fn lease(text: &str) -> Result<Duration, &'static str> {
    let lease = cli::duration(text)?;
    let is_possible = (Duration::from_secs(1)..=Duration::from_hours(1)).contains(&lease);
    is_possible.then_some(lease).ok_or("it is from 1s to 60m")
}

fn wrong(why: impl Into<Box<dyn Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

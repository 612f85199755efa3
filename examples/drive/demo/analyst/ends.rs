//! The ends of the lane of tasks, which can be switched off and on.

use crate::analyst::analyser::{self, Recognition};
use crate::analyst::dispatcher::{Dispatcher, Inlet, Options};
use crate::clock::now;
use crate::lmq::{self, Behaviour, Lmq};
use crate::tls::Trust;
use analyst_proto::device;
use analyst_proto::link::Login;
use analyst_proto::platform::{Config, Credentials, Event, Registration};
use analyst_proto::wire::{ClientId, ParentTopic, Secret, TaskId};
use std::future::pending;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// The secret of the simulated broker, which only this computer reaches.
const SECRET: &str = "demo-secret";
/// Analysers that are running; one more may be started by hand.
const RUNNING: usize = 2;
/// How long an analyser may take. A person is watching.
const LEASE: Duration = Duration::from_secs(3);
/// Between two attempts to start what the last life still has the port of.
const AGAIN: Duration = Duration::from_millis(200);

/// The simulated broker.
pub(super) struct Broker {
    lmq: Lmq,
}

/// A dispatcher that can be broken off and started on the same port, over the same store.
pub(super) struct Desk {
    options: Options,
    address: SocketAddr,
    inlet: Option<Inlet>,
    task: Option<JoinHandle<()>>,
    events: mpsc::UnboundedSender<Event>,
    is_wanted: bool,
    due: Option<Instant>,
}

/// Two analysers. They keep on the disk what they have got.
pub(super) struct Analysers {
    options: Vec<analyser::Options>,
    tasks: Vec<Option<JoinHandle<()>>>,
}

impl Broker {
    pub(super) async fn start(seed: u64) -> io::Result<Self> {
        let mut options = lmq::Options::new().with_secret(SECRET);
        options.seed = seed;
        // A person is watching.
        options.behaviour.visible = (Duration::ZERO, Duration::from_millis(500));
        options.behaviour.batch_every = Duration::from_millis(500);
        let lmq = Lmq::start(options).await?;
        Ok(Self { lmq })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.lmq.address()
    }

    /// Breaks every connection.
    pub(super) async fn cut(&self) {
        for name in ["monitor", "analyst_1", "analyst_2"] {
            self.lmq.kick(&client(name)).await;
        }
    }

    pub(super) async fn misbehave(&self, how: &'static str, is_on: bool) {
        self.lmq
            .change(move |behaviour: &mut Behaviour| match how {
                "lossy" => behaviour.lie = if is_on { 0.2 } else { 0.0 },
                _ => behaviour.double = if is_on { 0.5 } else { 0.0 },
            })
            .await;
    }

    pub(super) async fn be_good(&self) {
        for how in ["lossy", "double"] {
            self.misbehave(how, false).await;
        }
    }
}

impl Desk {
    /// Starts a dispatcher, and gives what it tells.
    pub(super) async fn start(
        data: PathBuf,
        broker: &Broker,
        seed: u64,
    ) -> io::Result<(Self, mpsc::UnboundedReceiver<Event>)> {
        let monitor = client("monitor");
        let login = Login::new(
            Ipv4Addr::LOCALHOST.to_string(),
            broker.address().port(),
            monitor.clone(),
            lmq::user_name().to_string(),
            broker.lmq.password(&monitor),
            ParentTopic::new("Analyst").map_err(io::Error::other)?,
        );
        let mut config = Config::new(login, seed);
        config.credentials = Credentials::Signed {
            user_name: config.login.user_name.clone(),
            secret: Secret::new(SECRET),
        };
        (config.lease, config.settle) = (LEASE, Duration::from_secs(1));
        (config.suspend_after, config.suspend_min) = (9, Duration::from_secs(2));
        config.link.backoff_min = Duration::from_millis(300);
        config.link.backoff_max = Duration::from_secs(1);
        let registrations = (1..=RUNNING + 1).map(|nth| {
            let name = name(nth);
            Registration::new(name.clone(), secret(nth), client(&name))
        });
        let options = Options {
            http: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            tls: None,
            trust: Trust::Nobody,
            data,
            config,
            registrations: registrations.collect(),
            tells: false,
        };
        let (events, told) = mpsc::unbounded_channel();
        let mut desk = Self {
            address: options.http,
            options,
            inlet: None,
            task: None,
            events,
            is_wanted: true,
            due: None,
        };
        desk.run().await?;
        desk.options.http = desk.address;
        Ok((desk, told))
    }

    async fn run(&mut self) -> io::Result<()> {
        let dispatcher = Dispatcher::start(self.options.clone()).await?;
        self.address = dispatcher.address();
        self.inlet = Some(dispatcher.inlet());
        let events = self.events.clone();
        self.task = Some(tokio::spawn(async move {
            let tell = move |event: &Event| events.send(event.clone()).is_ok();
            // It ends when it is broken off.
            let _ = dispatcher.run(pending(), tell).await;
        }));
        Ok(())
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn is_up(&self) -> bool {
        self.task.is_some()
    }

    pub(super) fn switch(&mut self, is_up: bool) {
        self.is_wanted = is_up;
        self.due = None;
    }

    /// Submits a task. If the dispatcher is broken off before it is kept, nobody has it.
    pub(super) fn submit(&self, task: String) {
        if let Some(inlet) = self.inlet.clone() {
            tokio::spawn(async move { inlet.submit(task.as_bytes()).await });
        }
    }

    /// Nobody waits for a task any more.
    pub(super) fn cancel(&self, id: TaskId) {
        if let Some(inlet) = self.inlet.clone() {
            // It may have been decided meanwhile.
            tokio::spawn(async move { inlet.cancel(id).await });
        }
    }

    /// Breaks it off in the middle of whatever it does, or starts it again.
    pub(super) async fn tick(&mut self) {
        if !self.is_wanted {
            return self.stop().await;
        }
        if self.task.is_none() && self.due.is_none_or(|due| due <= now()) {
            let started = self.run().await;
            self.due = started.err().and_then(|_| now().checked_add(AGAIN));
        }
    }

    pub(super) async fn stop(&mut self) {
        self.inlet = None;
        if let Some(task) = self.task.take() {
            task.abort();
            let _ = task.await;
        }
    }
}

impl Analysers {
    pub(super) fn start(folder: &Path, server: SocketAddr, seed: u64) -> Self {
        let options = (1..=RUNNING).map(|nth| {
            let seed = seed ^ u64::try_from(nth).unwrap_or(0);
            let mut config = device::Config::new(name(nth), seed);
            config.link.backoff_min = Duration::from_millis(300);
            config.link.backoff_max = Duration::from_secs(1);
            analyser::Options {
                server: server.into(),
                trust: Trust::Nobody,
                secret: secret(nth),
                data: folder.join(name(nth)),
                config,
                recognition: Recognition::StandIn {
                    work: Duration::from_millis(700),
                    fail: 0.05,
                    hang: 0.02,
                },
                tells: false,
            }
        });
        let options: Vec<_> = options.collect();
        let tasks = options.iter().map(|options| Some(run(options))).collect();
        Self { options, tasks }
    }

    /// Ends one in the middle of whatever it does, or starts it.
    pub(super) async fn switch(&mut self, nth: usize, is_there: bool) {
        let (Some(options), Some(task)) = (self.options.get(nth), self.tasks.get_mut(nth)) else {
            return;
        };
        match task.take() {
            Some(running) if is_there => *task = Some(running),
            Some(running) => {
                running.abort();
                let _ = running.await;
            }
            None if is_there => *task = Some(run(options)),
            None => {}
        }
    }

    pub(super) async fn stop(&mut self) {
        for nth in 0..self.tasks.len() {
            self.switch(nth, false).await;
        }
    }
}

fn run(options: &analyser::Options) -> JoinHandle<()> {
    let options = options.clone();
    tokio::spawn(async move {
        // What goes wrong shows at the dispatcher.
        let _ = analyser::run(options, pending(), |_| {}).await;
    })
}

fn name(nth: usize) -> String {
    format!("analyst_{nth}")
}

fn secret(nth: usize) -> Secret {
    Secret::new(format!("test-secret-{nth}"))
}

fn client(name: &str) -> ClientId {
    // Names of ours are short and have no character that MQTT gives a meaning.
    ClientId::new(format!("GID_Analyst@@@{name}")).expect("a client id")
}

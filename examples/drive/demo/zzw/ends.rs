//! The ends of the push lane, which can be switched off and on.

use super::words::Names;
use crate::clock::now;
use crate::zzw::device::{
    DeviceHandle, DeviceNews, DeviceOptions, Outcome, Place, Via, spawn_device,
};
use crate::zzw::server::{Addresses, Options, Ports, Server};
use std::future::pending;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use xtea_token::Key;
use zzw_push_proto::device::Answer;
use zzw_push_proto::platform::Rate;
use zzw_push_proto::wire::{Door, Publish};

/// A server that can be broken off and started on the same ports, over the same store.
pub(super) struct Plant {
    kept: Kept,
    addresses: Addresses,
    token: String,
    server: Option<Server>,
    is_wanted: bool,
    due: Option<Instant>,
    trouble: Option<String>,
}

/// Where a server keeps messages.
#[derive(Clone)]
pub(super) enum Kept {
    /// In a folder of its own.
    Folder(PathBuf),
    /// In a Redis, under names that begin so, with those of other nodes.
    Redis { url: String, prefix: String },
}

/// The end that messages are for. It keeps on the disk what it has got.
pub(super) struct Home {
    options: DeviceOptions,
    handle: Option<DeviceHandle>,
    is_wanted: bool,
}

/// The end that publishes.
pub(super) struct Centre(DeviceHandle);

/// Between two attempts to start what the last life still has the ports of.
const AGAIN: Duration = Duration::from_millis(200);

/// The key of the documentation's samples, for a server that only this computer reaches.
const KEY: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

impl Plant {
    pub(super) async fn start(kept: Kept) -> io::Result<Self> {
        let any = Ports {
            rest: 0,
            socketio: 0,
            push: 0,
            relay: 0,
            admin: Some(0),
        };
        let server = Server::start(options(&kept, any)).await?;
        Ok(Self {
            kept,
            addresses: server.addresses(),
            token: server.token()?,
            server: Some(server),
            is_wanted: true,
            due: None,
            trouble: None,
        })
    }

    pub(super) fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// A token that was fresh when the server was started first.
    pub(super) fn token(&self) -> &str {
        &self.token
    }

    pub(super) fn is_up(&self) -> bool {
        self.server.is_some()
    }

    /// Aliases that are online.
    pub(super) fn online(&self) -> u64 {
        let server = self.server.as_ref();
        server.map_or(0, |server| server.counters().online)
    }

    /// True if the alias has a link to it.
    pub(super) fn has(&self, alias: &str) -> bool {
        let server = self.server.as_ref();
        server.is_some_and(|server| server.is_online(&alias.into()))
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.is_wanted
    }

    pub(super) fn switch(&mut self, is_up: bool) {
        self.is_wanted = is_up;
        self.due = None;
    }

    /// Breaks the server off in the middle of whatever it does, or starts it again.
    pub(super) async fn tick(&mut self) {
        if !self.is_wanted {
            let server = self.server.take();
            // Closing its store may take a moment.
            let _ = tokio::task::spawn_blocking(move || drop(server)).await;
            return;
        }
        if self.server.is_some() || self.due.is_some_and(|due| due > now()) {
            return;
        }
        let at = self.addresses;
        let ports = Ports {
            rest: at.rest.port(),
            socketio: at.socketio.port(),
            push: at.push.port(),
            relay: at.relay.port(),
            admin: at.admin.map(|admin| admin.port()),
        };
        match Server::start(options(&self.kept, ports)).await {
            Ok(server) => {
                self.server = Some(server);
                self.trouble = None;
            }
            Err(error) => {
                self.trouble = Some(error.to_string());
                self.due = now().checked_add(AGAIN);
            }
        }
    }

    /// Why it did not run to the end, if it did not.
    pub(super) async fn stop(self) -> Result<(), String> {
        let Some(server) = self.server else {
            return Err(self
                .trouble
                .unwrap_or_else(|| "the server is down".to_owned()));
        };
        server.stop_now().await.map_err(|error| error.to_string())
    }
}

fn options(kept: &Kept, ports: Ports) -> Options {
    let mut options = Options::new(Key::new(KEY));
    options.ports = ports;
    match kept.clone() {
        Kept::Folder(folder) => options.data = Some(folder),
        Kept::Redis { url, prefix } => {
            options.redis = Some(url);
            options.cluster.prefix = prefix;
        }
    }
    // Whoever tries what the page offers to copy is the same address as all that is shown.
    options.broker.address_rate = Rate::new(5_000, 10_000);
    options
}

impl Home {
    pub(super) fn new(names: Names, via: Via, place: Place, data: PathBuf, seed: u64) -> Self {
        let mut options = DeviceOptions::new(names.alias, via, place, seed);
        options.data = Some(data);
        options.config.topics = vec![names.channel.into()];
        options.config.heartbeat = Duration::from_secs(5);
        // A person is watching.
        options.config.backoff_min = Duration::from_millis(300);
        options.config.backoff_max = Duration::from_secs(1);
        options.door = (via == Via::Tcp).then(|| names.room.into());
        Self {
            options,
            handle: None,
            is_wanted: true,
        }
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.is_wanted
    }

    /// Says goodbye, or comes back.
    pub(super) fn switch(&mut self, is_there: bool) {
        self.is_wanted = is_there;
    }

    /// Ends it in the middle of whatever it does.
    pub(super) fn kill(&mut self) {
        self.handle = None;
    }

    pub(super) async fn tick(&mut self) {
        if !self.is_wanted {
            self.stop().await;
        } else if self.handle.is_none() {
            // The last life may still be about to let go of the folder.
            self.handle = spawn_device(self.options.clone()).ok();
        }
    }

    /// Asks for its channels.
    pub(super) fn channels(&self) -> Option<Outcome<Answer>> {
        Some(self.handle.as_ref()?.control().topics())
    }

    /// Its news, while it is there.
    pub(super) async fn next(&mut self) -> DeviceNews {
        if let Some(handle) = &mut self.handle {
            if let Some(news) = handle.next().await {
                return news;
            }
            self.handle = None;
        }
        pending().await
    }

    pub(super) async fn stop(&mut self) {
        if let Some(handle) = self.handle.take() {
            handle.stop().await;
        }
    }
}

impl Centre {
    pub(super) fn start(alias: &str, place: Place, seed: u64) -> io::Result<Self> {
        let mut options = DeviceOptions::new(alias, Via::Tcp, place, seed ^ 0xce);
        options.config.backoff_min = Duration::from_millis(200);
        options.config.backoff_max = Duration::from_millis(500);
        options.config.request_timeout = Duration::from_secs(3);
        spawn_device(options).map(Self)
    }

    pub(super) fn publish(&self, publish: Publish) -> Outcome<Answer> {
        self.0.control().publish(publish)
    }

    /// Now or not at all.
    pub(super) fn open_door(&self, names: Names) -> Outcome<()> {
        let door = Door::new(names.room, names.centre);
        self.0.control().open_door(door)
    }

    /// Reads its news, which nobody wants, as long as it runs.
    pub(super) async fn attend(&mut self) {
        if self.0.next().await.is_none() {
            pending::<()>().await;
        }
    }

    pub(super) async fn stop(self) {
        self.0.stop().await;
    }
}

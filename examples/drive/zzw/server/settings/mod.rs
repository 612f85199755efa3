//! The configuration file of a server: everything that [`Options`] has, in TOML.
//!
//! What a file leaves out is as the defaults are. `examples/zzw_server.toml` has all of it.

mod keys;
mod sections;
mod units;

pub use keys::KeyArgs;

use super::{DoorPolicy, Options};
use keys::Keyring;
use sections::{Broker, Cluster, Lease, Ports, Push, Relay, Rooms, SocketIo, Store};
use serde::Deserialize;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use xtea_token::Key;
use zzw_push_proto::wire::Lenience;

/// What a configuration file says. `Debug` hides its keys.
#[derive(Debug, Default)]
pub struct Settings {
    file: File,
    /// What paths in the file are relative to.
    folder: PathBuf,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    bind: Option<IpAddr>,
    advertise: Option<String>,
    shards: Option<u16>,
    lenience: Option<LenienceName>,
    doors: Option<DoorName>,
    ports: Ports,
    keys: Keyring,
    store: Store,
    cluster: Cluster,
    lease: Lease,
    broker: Broker,
    push: Push,
    rooms: Rooms,
    relay: Relay,
    socketio: SocketIo,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum LenienceName {
    Vendor,
    Strict,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum DoorName {
    Loopback,
    Nobody,
    Everybody,
}

impl Settings {
    /// Reads a file. Paths in it are relative to where it lies.
    ///
    /// # Errors
    ///
    /// A sentence with the file's name, and the line and key that is wrong.
    pub fn read(path: &Path) -> io::Result<Self> {
        let name = path.display();
        let text = std::fs::read_to_string(path).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot read {name}: {error}"))
        })?;
        let mut settings = Self::parse(&text).map_err(|what| invalid(format!("{name}, {what}")))?;
        settings.folder = path.parent().map(Path::to_owned).unwrap_or_default();
        Ok(settings)
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    ///
    /// A sentence with the line and key that is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let file = toml::from_str(text).map_err(|error| explain(text, &error))?;
        let folder = PathBuf::new();
        Ok(Self { file, folder })
    }

    /// What a server is to be. If there are `keys`, those of the file are not looked at; if there are
    /// none in either, the environment variable `XTEA_KEY` is.
    ///
    /// # Errors
    ///
    /// A sentence for the user when there is no key, or one is none.
    pub fn options(self, keys: Vec<Key>) -> io::Result<Options> {
        let Self { file, folder } = self;
        let keys = file.keys.keys(keys, &folder).map_err(invalid)?;
        let mut options = Options::with_keys(keys);
        if let Some(bind) = file.bind {
            options.bind = bind;
        }
        options.advertise = file.advertise;
        options.shards = file.shards.map_or(options.shards, usize::from);
        options.lenience = match file.lenience {
            None => options.lenience,
            Some(LenienceName::Vendor) => Lenience::Vendor,
            Some(LenienceName::Strict) => Lenience::Strict,
        };
        options.doors = match file.doors {
            None => options.doors,
            Some(DoorName::Loopback) => DoorPolicy::Loopback,
            Some(DoorName::Nobody) => DoorPolicy::Nobody,
            Some(DoorName::Everybody) => DoorPolicy::Everybody,
        };
        file.ports.apply(&mut options.ports);
        options.data = file.store.folder.as_ref().map(|data| folder.join(data));
        file.store.apply(&mut options.store);
        options.redis.clone_from(&file.cluster.redis);
        file.cluster.apply(&mut options.cluster);
        file.lease.apply(&mut options.lease);
        file.broker.apply(&mut options.broker);
        file.push.apply(&mut options.push);
        file.rooms.apply(&mut options.rooms);
        file.relay.apply(&mut options.relay);
        file.socketio.apply(&mut options.socketio);
        Ok(options)
    }
}

/// One line: where it is wrong, and how. It never shows what was written where keys are.
fn explain(text: &str, error: &toml::de::Error) -> String {
    let at = error.span().map_or(text.len(), |span| span.start);
    let before = text.get(..at).unwrap_or(text);
    let number = before.matches('\n').count() + 1;
    let line = text.lines().nth(number - 1).unwrap_or_default();
    let header = before
        .lines()
        .rfind(|line| line.trim_start().starts_with('['));
    let is_key = header.is_some_and(|header| header.trim_start().starts_with("[keys"));
    let message = error.message().replace('\n', "; ");
    let is_harmless = ["unknown field", "duplicate key"]
        .iter()
        .any(|start| message.starts_with(start));
    let what = if is_key && !is_harmless {
        "keys are written in quotes; see examples/zzw_server.toml"
    } else {
        &message
    };
    let named = line.split_once('=').map(|(key, _)| key.trim());
    match named.filter(|key| {
        key.chars()
            .all(|c| c.is_alphanumeric() || "_-.".contains(c))
    }) {
        Some(key) => format!("line {number}, {key}: {what}"),
        None => format!("line {number}: {what}"),
    }
}

fn invalid(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

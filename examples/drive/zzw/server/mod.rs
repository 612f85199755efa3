//! The server: one broker behind REST, Socket.IO, lines over TCP and the relay rooms.
//!
//! ```no_run
//! # use drive::zzw::server::{Options, Server};
//! # async fn f() -> std::io::Result<()> {
//! let key = xtea_token::Key::from_hex("000102030405060708090a0b0c0d0e0f").unwrap();
//! let mut options = Options::new(key); // loopback, the documented ports, messages in memory
//! options.ports.rest = 0; // any free one
//! let server = Server::start(options).await?; // fails if a port is taken, saying which
//! println!("http://{}/info/servers/{}", server.addresses().rest, server.token()?);
//! server.stop().await // drains, and closes the store
//! # }
//! ```

mod admin;
mod core;
mod lines;
mod pace;
mod relay;
mod rest;
mod seats;
mod settings;
mod shards;
mod socketio;
mod tokens;
mod vault;

use crate::cluster;
use crate::http;
use crate::zzw::place::Store;
use crate::zzw::store;
use core::{Core, Judge};
use futures_util::future::join_all;
use shards::{Corridor, Shards, deliver};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokens::Tokens;
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tokio::task::JoinSet;
use vault::Vault;
use xtea_token::Key;
use zzw_push_proto::platform::{
    self, ClientToken, Event, Input, Lease, NodeId, Rule, Scopes, Verdict,
};
use zzw_push_proto::rooms;
use zzw_push_proto::wire::{Lenience, Publish, Service, Text};

pub use lines::Settings as Push;
pub use relay::Settings as Relay;
pub use settings::{KeyArgs, Settings};
pub use socketio::Settings as SocketIo;
pub use tokens::{Keys, Scope};

/// What a server is to be.
#[derive(Debug)]
#[non_exhaustive]
pub struct Options {
    /// Where to listen; 127.0.0.1. The protocol asks for tokens over REST only (K-1).
    pub bind: IpAddr,
    /// On which ports; the documented ones.
    pub ports: Ports,
    /// The name under which clients reach it; what [`Self::bind`] says, if that is one address.
    pub advertise: Option<String>,
    /// Keys of tokens.
    pub keys: Keys,
    /// How many cores share the work, each with links of its own; 1. What one address may do, it may
    /// do at each.
    pub shards: usize,
    /// Where messages are kept; in memory.
    pub data: Option<PathBuf>,
    /// The Redis in which messages are kept with those of other nodes; none. It goes before
    /// [`Self::data`].
    pub redis: Option<String>,
    /// How it is used.
    pub cluster: cluster::Settings,
    /// How this node holds its place among the others.
    pub lease: Lease,
    /// Limits of what is kept.
    pub store: store::Settings,
    /// Settings of the broker. Host, ports and node are filled in.
    pub broker: platform::Config,
    /// Settings of the port of lines over TCP.
    pub push: Push,
    /// Settings of the relay rooms.
    pub rooms: rooms::Config,
    /// Settings of the port they are behind.
    pub relay: Relay,
    /// What is put up with.
    pub lenience: Lenience,
    /// Settings of the Socket.IO port.
    pub socketio: SocketIo,
    /// Who may open a door where the rules ask; whoever is on this machine.
    pub doors: DoorPolicy,
}

/// Ports; 0 for any free one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the documented ports, and ours")]
pub struct Ports {
    /// REST; 9900.
    pub rest: u16,
    /// Socket.IO; 9906.
    pub socketio: u16,
    /// Lines over TCP; 9800.
    pub push: u16,
    /// Relay rooms over WebSocket; 9000.
    pub relay: u16,
    /// `/metrics` and `/healthz`; none.
    pub admin: Option<u16>,
}

/// Who may open a door when the rules ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum DoorPolicy {
    /// Whoever connects from this machine.
    #[default]
    Loopback,
    /// Nobody.
    Nobody,
    /// Everybody: for tests in closed networks.
    Everybody,
}

/// Where a server listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the same as the ports")]
pub struct Addresses {
    /// REST.
    pub rest: SocketAddr,
    /// Socket.IO.
    pub socketio: SocketAddr,
    /// Lines over TCP.
    pub push: SocketAddr,
    /// Relay rooms.
    pub relay: SocketAddr,
    /// `/metrics` and `/healthz`.
    pub admin: Option<SocketAddr>,
}

/// A running server. Dropped, it stops at once; see [`Self::stop`].
#[derive(Debug)]
pub struct Server {
    shards: Arc<Shards>,
    news: broadcast::Sender<Event>,
    tokens: Arc<Tokens>,
    addresses: Addresses,
    https: Vec<http::Server>,
    tasks: JoinSet<()>,
}

/// Where connections come in.
struct Listeners {
    rest: TcpListener,
    socketio: TcpListener,
    push: TcpListener,
    relay: TcpListener,
    admin: Option<TcpListener>,
}

/// How long a node waits for its place among the others before it gives up.
const FIRST_LEASE: Duration = Duration::from_secs(10);

/// How long links may take for their last words, all together.
const LAST_WORDS: Duration = Duration::from_secs(3);

impl Options {
    /// Loopback, the documented ports, messages in memory.
    pub fn new(key: Key) -> Self {
        Self::with_keys(Keys::new(key))
    }

    /// The same with several keys.
    pub fn with_keys(keys: Keys) -> Self {
        Self {
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            ports: Ports::default(),
            advertise: None,
            keys,
            shards: 1,
            data: None,
            redis: None,
            cluster: cluster::Settings::default(),
            lease: Lease::default(),
            store: store::Settings::default(),
            broker: broker(),
            push: Push::default(),
            rooms: rooms::Config::new(),
            relay: Relay::new(),
            lenience: Lenience::Vendor,
            socketio: SocketIo::default(),
            doors: DoorPolicy::default(),
        }
    }
}

/// The broker's defaults, but that the application is asked who may open a door.
fn broker() -> platform::Config {
    let mut config = platform::Config::new(NodeId(1), "127.0.0.1");
    config.rules.open_door = Rule::Ask;
    config
}

/// Without a key, no token of a client can be valid.
fn without_keys(wanted: ClientToken) -> io::Result<ClientToken> {
    if wanted == ClientToken::Required {
        let text = "clients are to have tokens, but there is no key to verify them; give a MAC key";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    Ok(ClientToken::Off)
}

impl Default for Ports {
    fn default() -> Self {
        Self {
            rest: 9900,
            socketio: 9906,
            push: 9800,
            relay: 9000,
            admin: None,
        }
    }
}

impl Server {
    /// Opens the store and listens.
    ///
    /// # Errors
    ///
    /// A sentence for the user: a port that is taken, a folder that is not ours, a key that is none.
    pub async fn start(options: Options) -> io::Result<Self> {
        let Options {
            bind,
            ports,
            advertise,
            keys,
            shards,
            data,
            redis,
            cluster,
            lease,
            store,
            mut broker,
            push: of_lines,
            mut rooms,
            relay: gate,
            lenience,
            socketio: sockets,
            doors,
        } = options;
        let tokens = Arc::new(Tokens::new(keys)?);
        if !tokens.knows_links() {
            broker.client_token = without_keys(broker.client_token)?;
        }
        let listeners = Listeners::bind(bind, ports).await?;
        let addresses = listeners.addresses()?;
        broker.host = host(advertise, bind)?.into();
        broker.service = addresses.service();
        let client_token = broker.client_token;
        let of_lines = of_lines.allowing(broker.frame_rate);
        let news = broadcast::Sender::new(core::MAX_NEWS);
        let nodes = nodes(shards, redis.is_some())?;
        rooms.has_others = redis.is_some() || nodes.len() > 1;
        broker.lease = redis.is_some().then_some(lease);
        let (corridor, ends) = Corridor::between(&nodes);
        let cores = nodes.iter().map(|node| {
            let mut broker = broker.clone();
            broker.node = *node;
            let (corridor, tokens) = (Arc::clone(&corridor), Arc::clone(&tokens));
            Core::new(
                broker,
                rooms.clone(),
                doors.judge(),
                tokens,
                corridor,
                news.clone(),
            )
        });
        let shards = Arc::new(Shards::new(cores.collect()));
        shards.furnish(redis.is_none(), |shard, answer| match &redis {
            Some(url) => Store::shared(url, cluster.clone(), store.clone(), nodes[shard], answer),
            None => open(data.as_deref(), store.clone(), answer),
        })?;
        let mut tasks = JoinSet::new();
        let mut heard = news.subscribe();
        for (core, end) in shards.iter().zip(ends) {
            tasks.spawn(Arc::clone(core).keep_time());
            tasks.spawn(Arc::clone(core).write());
            tasks.spawn(deliver(Arc::clone(core), Arc::clone(&corridor), end));
        }
        if redis.is_some() {
            leases(nodes.len(), &mut heard).await?;
        } else if nodes.len() > 1 {
            shards.acquaint();
            tasks.spawn(Arc::clone(&shards).keep_acquainted());
        }
        let shards_of = || Arc::clone(&shards);
        let tokens_of = || Arc::clone(&tokens);
        tasks.spawn(lines::serve(
            listeners.push,
            shards_of(),
            lenience,
            of_lines,
        ));
        let mut https = vec![
            socketio::serve(listeners.socketio, shards_of(), lenience, sockets)?,
            rest::serve(listeners.rest, shards_of(), tokens_of(), lenience)?,
            relay::serve(
                listeners.relay,
                shards_of(),
                tokens_of(),
                client_token,
                gate,
                &rooms,
            )?,
        ];
        if let Some(admin) = listeners.admin {
            https.push(admin::serve(admin, shards_of())?);
        }
        Ok(Self {
            shards,
            news,
            tokens,
            addresses,
            https,
            tasks,
        })
    }

    /// Where it listens.
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// A fresh token for REST calls.
    ///
    /// # Errors
    ///
    /// If the clock says something that no token can.
    pub fn token(&self) -> io::Result<String> {
        self.tokens.issue()
    }

    /// Publishes something of the application's own.
    ///
    /// # Errors
    ///
    /// The publication, if it is not taken.
    #[expect(clippy::result_large_err, reason = "gives its value back")]
    pub fn publish(
        &self,
        publish: Publish,
    ) -> Result<platform::PublishId, platform::Refused<Publish>> {
        self.shards.first().publish(publish)
    }

    /// What happens from now on.
    pub fn news(&self) -> broadcast::Receiver<Event> {
        self.news.subscribe()
    }

    /// True if the alias has a link.
    pub fn is_online(&self, alias: &Text) -> bool {
        self.shards.iter().any(|core| core.is_online(alias))
    }

    /// What the broker has counted.
    pub fn counters(&self) -> platform::Counters {
        self.shards.snapshot().broker
    }

    /// How many relay rooms and links in them there are here.
    pub fn sizes(&self) -> rooms::Sizes {
        self.shards.snapshot().sizes
    }

    /// What the operator should know about the store, in sentences.
    pub fn notes(&self) -> Vec<String> {
        self.shards.first().notes()
    }

    /// How the store stands.
    pub fn kept(&self) -> store::Figures {
        self.shards.snapshot().store
    }

    /// Waits until the broker has ended by itself, which it does only when told to.
    pub async fn closed(&self) {
        join_all(self.shards.iter().map(|core| core.closed())).await;
    }

    /// Takes no new links, and begins to let those there are go.
    pub fn drain(&self) {
        for core in self.shards.iter() {
            core.drain();
        }
    }

    /// Takes no new links, lets those there are go over some seconds, and closes the store.
    ///
    /// # Errors
    ///
    /// If the store is broken: what was acknowledged is kept even so.
    pub async fn stop(self) -> io::Result<()> {
        self.drain();
        self.closed().await;
        self.end().await
    }

    /// Closes all links at once, and the store.
    ///
    /// # Errors
    ///
    /// As [`Self::stop`].
    pub async fn stop_now(self) -> io::Result<()> {
        self.end().await
    }

    fn close(&self) {
        for core in self.shards.iter() {
            core.close();
        }
    }

    async fn end(mut self) -> io::Result<()> {
        self.close();
        let https = join_all(self.https.drain(..).map(http::Server::stop));
        // A link gets some seconds by itself; this is for one whose task got no time.
        let left = join_all(self.shards.iter().map(|core| core.left()));
        let links = tokio::time::timeout(LAST_WORDS, left);
        let _ = tokio::join!(https, links);
        let vaults: Vec<_> = self.shards.iter().map(|core| core.take_store()).collect();
        // The last that has a store has it for itself.
        let stores = vaults.into_iter().flatten().filter_map(Vault::into_store);
        let stores: Vec<Store> = stores.collect();
        let close = move || stores.into_iter().try_for_each(Store::close);
        let closed = tokio::task::spawn_blocking(close);
        closed.await.map_err(io::Error::other)??;
        self.tasks.shutdown().await;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The tasks of links hold on to it, and so on to the store.
        self.close();
        for core in self.shards.iter() {
            drop(core.take_store());
        }
    }
}

/// The store that is this server's own.
fn open(
    folder: Option<&Path>,
    settings: store::Settings,
    answer: Box<dyn FnMut(Vec<Input>) + Send>,
) -> io::Result<Store> {
    match folder {
        Some(folder) => Store::open(folder, settings, answer).map_err(io::Error::other),
        None => Ok(Store::memory(settings, answer)),
    }
}

/// Waits until so many nodes have their places among the others: before that they could give nobody
/// an alias.
async fn leases(nodes: usize, news: &mut broadcast::Receiver<Event>) -> io::Result<()> {
    let leased = async {
        let mut leased = 0;
        while leased < nodes {
            leased += usize::from(matches!(news.recv().await, Ok(Event::Leased)));
        }
    };
    let text = "Redis gives this node no place among the others; see whether it can be written";
    let in_time = tokio::time::timeout(FIRST_LEASE, leased).await;
    in_time.map_err(|_| io::Error::new(io::ErrorKind::TimedOut, text))
}

/// Names for so many nodes: among others, names that no other run of any node has.
fn nodes(shards: usize, has_others: bool) -> io::Result<Vec<NodeId>> {
    let random = rustls::crypto::ring::default_provider().secure_random;
    let name = |shard: usize| {
        if !has_others {
            return Ok(NodeId(shard as u64));
        }
        let mut bytes = [0; 8];
        let filled = random.fill(&mut bytes);
        filled.map_err(|_| io::Error::other("the system has no random numbers"))?;
        // Redis' scripts, and people, read it more easily.
        Ok(NodeId(u64::from_le_bytes(bytes) >> 12))
    };
    (1..=shards.max(1)).map(name).collect()
}

/// What clients are told (Z-31).
fn host(advertise: Option<String>, bind: IpAddr) -> io::Result<String> {
    match advertise {
        Some(host) => Ok(host),
        None if bind.is_unspecified() => {
            let text =
                format!("{bind} is every address: tell clients one of them, --advertise HOST");
            Err(io::Error::new(io::ErrorKind::InvalidInput, text))
        }
        None => Ok(bind.to_string()),
    }
}

impl Listeners {
    async fn bind(ip: IpAddr, ports: Ports) -> io::Result<Self> {
        let listen = |port| http::listen(SocketAddr::new(ip, port));
        Ok(Self {
            rest: listen(ports.rest).await?,
            socketio: listen(ports.socketio).await?,
            push: listen(ports.push).await?,
            relay: listen(ports.relay).await?,
            admin: match ports.admin {
                Some(port) => Some(listen(port).await?),
                None => None,
            },
        })
    }

    fn addresses(&self) -> io::Result<Addresses> {
        let admin = self.admin.as_ref().map(TcpListener::local_addr);
        Ok(Addresses {
            rest: self.rest.local_addr()?,
            socketio: self.socketio.local_addr()?,
            push: self.push.local_addr()?,
            relay: self.relay.local_addr()?,
            admin: admin.transpose()?,
        })
    }
}

impl Addresses {
    fn service(&self) -> Service {
        let mut service = Service::default();
        service.rest = self.rest.port();
        service.socket = self.socketio.port();
        service.push = self.push.port();
        service.web_socket = self.relay.port();
        service
    }
}

impl DoorPolicy {
    fn judge(self) -> Judge {
        Box::new(move |question| {
            let may = match self {
                Self::Loopback => question.address.to_canonical().is_loopback(),
                Self::Nobody => false,
                Self::Everybody => true,
            };
            let may = may || question.scopes.contains(Scopes::DOOR);
            if may { Verdict::Allow } else { Verdict::Deny }
        })
    }
}

//! A simulator of Aliyun's micro message queue for MQTT, and with [`Profile::Plain`] of any other
//! broker, with everything that can go wrong between them and their clients.
//!
//! It is no broker for production: it keeps nothing on disk, and does to messages what it is told to.
//!
//! ```no_run
//! # use drive::lmq::{Lmq, Options};
//! # async fn f() -> std::io::Result<()> {
//! let mut options = Options::new().with_secret("test-secret"); // any free port of this machine
//! options.behaviour.lie = 0.01; // of 100 messages one is acknowledged and lost
//! let lmq = Lmq::start(options).await?;
//! println!("{}", lmq.address());
//! lmq.change(|behaviour| behaviour.lie = 0.0).await; // all is well from now on
//! # Ok(())
//! # }
//! ```

pub mod args;
mod broker;
mod journal;
mod login;
mod options;
mod session;

pub use journal::What;
pub use options::{Behaviour, DupFlag, DuplicateId, Hole, Options, OverRate, OverSize, Profile};

use crate::clock::{now, sleep_until};
use analyst_proto::credentials::{PasswordKey, UserName};
use analyst_proto::wire::{ClientId, ConnectionInfo, ParentTopic, Secret};
use broker::{Act, Broker};
use bytes::BytesMut;
use journal::{Counts, Journal};
use rumqttc::mqttbytes::Error;
use rumqttc::mqttbytes::v4::Packet;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// A running simulator. Dropped, it is gone, with all that it kept.
#[derive(Debug)]
pub struct Lmq {
    address: SocketAddr,
    is_tls: bool,
    secret: Option<Secret>,
    inputs: mpsc::Sender<Input>,
    counts: Counts,
    _tasks: JoinSet<()>,
}

/// Names a connection. Never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct ConnId(u64);

/// What happens to the broker.
enum Input {
    Opened(ConnId, mpsc::Sender<Packet>),
    Received(ConnId, Packet),
    Closed(ConnId, String),
    Change(Box<dyn FnOnce(&mut Behaviour) + Send>),
    Kick(ClientId),
}

/// The largest packet that is read at all, in bytes.
const MAX_PACKET: usize = 1024 * 1024;
/// So many packets may wait to be sent; a client that does not read so long is gone.
const MAX_WAITING: usize = 10_000;
/// How long TLS may take to be agreed on.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Nobody is waited for longer who does not read.
const WRITE_DEADLINE: Duration = Duration::from_secs(30);

impl Lmq {
    /// Listens.
    ///
    /// # Errors
    ///
    /// A sentence for the user: the address is taken, or the record cannot be written.
    pub async fn start(options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind(options.listen).await.map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("cannot listen on {}: {error}", options.listen),
            )
        })?;
        let address = listener.local_addr()?;
        let record = options.record.as_deref();
        let journal = Journal::new(now(), record, options.tells).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot write the record: {error}"))
        })?;
        let counts = journal.counts();
        let (sender, inputs) = mpsc::channel(1024);
        let is_tls = options.tls.is_some();
        let mut tasks = JoinSet::new();
        tasks.spawn(run(Broker::new(&options, journal), inputs));
        tasks.spawn(accept(listener, options.tls, sender.clone()));
        Ok(Self {
            address,
            is_tls,
            secret: options.secret,
            inputs: sender,
            counts,
            _tasks: tasks,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What a server would tell this client of the broker.
    pub fn info(
        &self,
        parent: &ParentTopic,
        client: &ClientId,
        server: &ClientId,
    ) -> ConnectionInfo {
        let host = match self.address {
            SocketAddr::V4(address) => address.ip().to_string(),
            SocketAddr::V6(address) => format!("[{}]", address.ip()),
        };
        let (parent, client_id, server) = (parent.clone(), client.clone(), server.clone());
        let mut info = ConnectionInfo::new(parent, client_id, server, host);
        info.port = self.address.port();
        info.is_tls = self.is_tls;
        info.with_login(user_name().to_string(), self.password(client))
    }

    /// The password of a client; empty if every one is right.
    pub fn password(&self, client: &ClientId) -> Secret {
        let key = self.secret.as_ref().map(PasswordKey::new);
        key.map_or_else(|| Secret::new(""), |key| key.password(client))
    }

    /// How often something has happened.
    pub fn count(&self, what: What) -> u64 {
        self.counts.of(what)
    }

    /// Changes how it behaves, from now on.
    pub async fn change(&self, change: impl FnOnce(&mut Behaviour) + Send + 'static) {
        let _ = self.inputs.send(Input::Change(Box::new(change))).await;
    }

    /// Closes the connections of a client.
    pub async fn kick(&self, client: &ClientId) {
        let _ = self.inputs.send(Input::Kick(client.clone())).await;
    }
}

/// The user name that goes with the passwords: the key's identifier is not looked at.
pub fn user_name() -> UserName {
    UserName::signature("simulator", "lmq")
}

/// The one task that decides, so that equal inputs have equal outcomes.
async fn run(mut broker: Broker, mut inputs: mpsc::Receiver<Input>) {
    let mut outlets = BTreeMap::new();
    loop {
        tokio::select! {
            input = inputs.recv() => match input {
                Some(input) => take(&mut broker, &mut outlets, input),
                None => return,
            },
            () = sleep_until(broker.due()) => {}
        }
        let now = now();
        if broker.due().is_some_and(|due| due <= now) {
            broker.timeout(now);
        }
        while let Some((id, act)) = broker.poll() {
            let outlet: Option<&mpsc::Sender<Packet>> = outlets.get(&id);
            let is_sent = match act {
                Act::Send(packet) => outlet.is_none_or(|outlet| outlet.try_send(packet).is_ok()),
                Act::Close => false,
            };
            if !is_sent {
                outlets.remove(&id);
                broker.closed(now, id, "it does not read what it is sent");
            }
        }
    }
}

fn take(broker: &mut Broker, outlets: &mut BTreeMap<ConnId, mpsc::Sender<Packet>>, input: Input) {
    let now = now();
    match input {
        Input::Opened(id, outlet) => {
            outlets.insert(id, outlet);
            broker.opened(now, id);
        }
        Input::Received(id, packet) => broker.received(now, id, packet),
        Input::Closed(id, why) => {
            outlets.remove(&id);
            broker.closed(now, id, &why);
        }
        Input::Change(change) => change(&mut broker.behaviour),
        Input::Kick(client) => broker.kick(now, client.as_str()),
    }
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, inputs: mpsc::Sender<Input>) {
    let mut links = JoinSet::new();
    for id in 0.. {
        let stream = loop {
            tokio::select! {
                stream = listener.accept() => match stream {
                    Ok((stream, _)) => break stream,
                    // No more files: somebody has to leave first.
                    Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                },
                Some(_) = links.join_next() => {}
            }
        };
        // Without this a push waits for the acknowledgement of the one before.
        let _ = stream.set_nodelay(true);
        let (id, inputs) = (ConnId(id), inputs.clone());
        match &tls {
            None => drop(links.spawn(serve(stream, id, inputs))),
            Some(tls) => {
                let opening = tokio::time::timeout(HANDSHAKE, tls.accept(stream));
                links.spawn(async move {
                    if let Ok(Ok(stream)) = opening.await {
                        serve(stream, id, inputs).await;
                    }
                });
            }
        }
    }
}

/// Passes packets on until either side has enough.
async fn serve(
    stream: impl AsyncRead + AsyncWrite + Send,
    id: ConnId,
    inputs: mpsc::Sender<Input>,
) {
    let (reader, writer) = tokio::io::split(stream);
    let (outlet, packets) = mpsc::channel(MAX_WAITING);
    if inputs.send(Input::Opened(id, outlet)).await.is_err() {
        return;
    }
    let why = tokio::select! {
        why = read(reader, id, &inputs) => why,
        why = write(writer, packets) => why,
    };
    let _ = inputs.send(Input::Closed(id, why)).await;
}

async fn read(
    mut reader: impl AsyncRead + Unpin,
    id: ConnId,
    inputs: &mpsc::Sender<Input>,
) -> String {
    let mut buffer = BytesMut::with_capacity(4096);
    loop {
        match Packet::read(&mut buffer, MAX_PACKET) {
            Ok(packet) => {
                if inputs.send(Input::Received(id, packet)).await.is_err() {
                    return "the simulator ends".into();
                }
            }
            Err(Error::InsufficientBytes(_)) => match reader.read_buf(&mut buffer).await {
                Ok(0) => return "the client is gone".into(),
                Ok(_) => {}
                Err(error) => return error.to_string(),
            },
            Err(error) => return error.to_string(),
        }
    }
}

/// Writes what there is, and once there will be no more, says so.
async fn write(mut writer: impl AsyncWrite + Unpin, mut packets: mpsc::Receiver<Packet>) -> String {
    let mut buffer = BytesMut::new();
    let mut batch = Vec::new();
    while packets.recv_many(&mut batch, 64).await > 0 {
        for packet in batch.drain(..) {
            if let Err(error) = packet.write(&mut buffer, usize::MAX) {
                return error.to_string();
            }
        }
        match tokio::time::timeout(WRITE_DEADLINE, writer.write_all_buf(&mut buffer)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return error.to_string(),
            Err(_) => return "it does not read what it is sent".into(),
        }
    }
    let _ = writer.shutdown().await;
    "the simulator hangs up".into()
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Opened(..) => "Opened",
            Self::Received(..) => "Received",
            Self::Closed(..) => "Closed",
            Self::Change(_) => "Change",
            Self::Kick(_) => "Kick",
        })
    }
}

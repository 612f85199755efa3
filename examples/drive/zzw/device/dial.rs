//! Where a client connects to, and the task that keeps one link.

use super::{DeviceOptions, lines, socketio};
use crate::http::{Client, ClientError};
use crate::ws;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use zzw_push_proto::WireError;
use zzw_push_proto::device::{Binding, Cause};
use zzw_push_proto::rest::{RestCall, RestReply, RestRequest};
use zzw_push_proto::socketio::Revision;
use zzw_push_proto::wire::{Lenience, Message, Service, Token};

/// What a link speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Via {
    /// Lines over TCP, port 9800 of the document.
    Tcp,
    /// Socket.IO of 3.x and 4.x (Engine.IO 4) over WebSocket, port 9906.
    SocketIo,
    /// Socket.IO of 1.x and 2.x (Engine.IO 3) over WebSocket, port 9906.
    SocketIoV2,
}

/// Where the server is.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Place {
    /// There.
    Fixed {
        /// Address or name.
        host: String,
        /// Port.
        port: u16,
    },
    /// Wherever `GET /info/servers/{token}` says, asked before every connection.
    Ask {
        /// `http://HOST:9900`
        rest: String,
        /// The token of the call.
        token: Token,
    },
}

/// A link from the side of whoever owns the machine. Dropped, it is cut.
#[derive(Debug)]
pub(super) struct Link {
    /// What is to be sent. Dropped, the link sends what it has and ends.
    pub(super) queue: Option<mpsc::Sender<Message>>,
    news: mpsc::Receiver<FromLink>,
    task: JoinHandle<()>,
}

/// What a link tells.
#[derive(Debug)]
pub(super) enum FromLink {
    /// It is up, at that address.
    Up(String),
    Heard(Message),
    Garbled(WireError),
    /// It is over, or there never was one.
    Over(End),
}

/// Why a link is over.
#[derive(Debug)]
pub(super) struct End {
    pub(super) cause: Cause,
    /// For people; nothing if we have ended it.
    pub(super) why: Option<String>,
}

/// The inner end of a link.
pub(super) struct Ends {
    pub(super) queue: mpsc::Receiver<Message>,
    pub(super) news: mpsc::Sender<FromLink>,
}

/// Messages that came and wait for the machine. The rest waits at the server.
const MAX_HEARD: usize = 32;

/// How long a link may take over its last words.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(2);

/// The longest answer of REST that says where to connect.
const HOST_MAX: usize = 253;

impl Via {
    /// How a link of this kind is bound.
    pub(super) fn binding(self) -> Binding {
        match self {
            Self::Tcp => Binding::Frame,
            Self::SocketIo | Self::SocketIoV2 => Binding::Handshake,
        }
    }

    fn port(self, service: &Service) -> u16 {
        match self {
            Self::Tcp => service.push,
            Self::SocketIo | Self::SocketIoV2 => service.socket,
        }
    }
}

impl Place {
    /// `HOST:PORT`, IPv6 addresses in brackets.
    ///
    /// # Errors
    ///
    /// How to write one.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!("{text}: not an address; write HOST:PORT, as in 127.0.0.1:9800 or [::1]:9800")
        };
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let is_host = match bare {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => !host.is_empty() && !host.contains(|char: char| "[]:/?#@ ".contains(char)),
        };
        let port = port.parse().ok().filter(|port| *port > 0);
        match (is_host, port) {
            (true, Some(port)) => Ok(Self::Fixed {
                host: bare.unwrap_or(host).to_owned(),
                port,
            }),
            _ => Err(wrong()),
        }
    }

    /// Whatever server REST at `http://HOST:9900` names.
    ///
    /// # Errors
    ///
    /// How to write one.
    pub fn ask(rest: &str, token: Token) -> Result<Self, String> {
        let rest = rest_url(rest)?;
        Ok(Self::Ask { rest, token })
    }

    async fn find(&self, via: Via, lenience: Lenience) -> Result<(String, u16), End> {
        match self {
            Self::Fixed { host, port } => Ok((host.clone(), *port)),
            Self::Ask { rest, token } => {
                let (client, call) = (Client::default(), RestCall::Servers);
                let reply = call_rest(&client, rest, token, call, Vec::new(), lenience);
                match reply.await.map_err(End::unreachable)? {
                    RestReply::Servers(servers) => {
                        let port = via.port(&servers.service);
                        if servers.host.is_empty() || servers.host.len() > HOST_MAX || port == 0 {
                            let why = format!("{rest} names no server that can be connected to");
                            return Err(End::unreachable(why));
                        }
                        Ok((servers.host.to_string(), port))
                    }
                    _ => Err(End::unreachable(format!("{rest} does not name a server"))),
                }
            }
        }
    }
}

/// The address of a REST service without a slash at its end.
///
/// # Errors
///
/// How to write one.
pub fn rest_url(url: &str) -> Result<String, String> {
    let authority = url
        .strip_prefix("http://")
        .map(|rest| rest.trim_end_matches('/'));
    if authority.is_some_and(|rest| !rest.is_empty() && !rest.contains(['/', '?', '#', ' '])) {
        return Ok(url.trim_end_matches('/').to_owned());
    }
    Err(format!(
        "{url}: not an address; write http://HOST:9900 (there is no TLS)"
    ))
}

/// A call over REST.
///
/// # Errors
///
/// Why there is no answer, or what the server refused, in words. Tokens are not among them.
pub async fn call_rest(
    client: &Client,
    rest: &str,
    token: &Token,
    call: RestCall,
    body: Vec<u8>,
    lenience: Lenience,
) -> Result<RestReply, String> {
    let request = RestRequest::new(call, token.as_str());
    let url = format!("{rest}{}", request.path());
    let answer = client.exchange(request.call.method(), &url, body).await;
    let (status, body) = answer.map_err(|error| match error {
        ClientError::Request => format!("{rest}: not an address that can be asked"),
        ClientError::Unreachable => {
            format!("{rest}: nobody answers HTTP there; is it the REST port, 9900?")
        }
        ClientError::Timeout => format!("{rest}: no answer in time"),
        ClientError::TooLong => format!("{rest}: the answer is too long"),
    })?;
    match RestReply::decode(&request.call, body, lenience) {
        Ok(RestReply::Failure(failure)) => {
            let advice = if status == 401 {
                "; is the token fresh, and of the right key?"
            } else {
                ""
            };
            Err(format!(
                "{rest} refuses: {} (HTTP {status}){advice}",
                failure.error
            ))
        }
        Ok(reply) => Ok(reply),
        Err(error) => Err(format!(
            "{rest}: HTTP {status} with {}; is it the REST port, 9900?",
            error.kind
        )),
    }
}

impl Link {
    /// Begins to dial.
    pub(super) fn dial(options: &DeviceOptions) -> Self {
        let (queue, queued) = mpsc::channel(options.max_queue.max(1));
        let (news_in, news) = mpsc::channel(MAX_HEARD);
        let ends = Ends {
            queue: queued,
            news: news_in,
        };
        Self {
            queue: Some(queue),
            news,
            task: tokio::spawn(live(options.clone(), ends)),
        }
    }

    /// What happens next. Safe to cancel.
    pub(super) async fn next(&mut self) -> FromLink {
        let broken = || FromLink::Over(End::broken("the link's task has failed"));
        self.news.recv().await.unwrap_or_else(broken)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl End {
    pub(super) fn new(cause: Cause, why: impl Into<String>) -> Self {
        let why = Some(why.into());
        Self { cause, why }
    }

    pub(super) fn local() -> Self {
        Self {
            cause: Cause::Local,
            why: None,
        }
    }

    pub(super) fn broken(why: impl Into<String>) -> Self {
        Self::new(Cause::Broken, why)
    }

    pub(super) fn unreachable(why: impl Into<String>) -> Self {
        Self::new(Cause::Unreachable, why)
    }

    /// Nobody reads the news any more.
    pub(super) fn unheard() -> Self {
        Self::local()
    }
}

impl Ends {
    /// Tells the machine.
    ///
    /// # Errors
    ///
    /// If it is gone.
    pub(super) async fn tell(&self, news: FromLink) -> Result<(), End> {
        self.news.send(news).await.map_err(|_| End::unheard())
    }
}

async fn live(options: DeviceOptions, mut ends: Ends) {
    let end = match open(&options, &mut ends).await {
        Ok(open) => open.talk(&options, &mut ends).await,
        Err(end) => end,
    };
    // The machine may be gone.
    let _ = ends.tell(FromLink::Over(end)).await;
}

/// A link that is up.
enum Open {
    Lines(TcpStream),
    Events(Box<socketio::Socket>),
}

impl Open {
    async fn talk(self, options: &DeviceOptions, ends: &mut Ends) -> End {
        match self {
            Self::Lines(stream) => lines::talk(stream, options, ends).await,
            Self::Events(socket) => socket.talk(options, ends).await,
        }
    }
}

/// Finds a server and connects to it, unless nobody wants that any more.
async fn open(options: &DeviceOptions, ends: &mut Ends) -> Result<Open, End> {
    let opening = async {
        let (host, port) = options.place.find(options.via, options.lenience).await?;
        let stream = connect(&host, port).await?;
        let name = if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        };
        let open = match options.via {
            Via::Tcp => Open::Lines(stream),
            Via::SocketIo => Open::Events(Box::new(
                socketio::open(stream, &name, Revision::V5, options).await?,
            )),
            Via::SocketIoV2 => Open::Events(Box::new(
                socketio::open(stream, &name, Revision::V4, options).await?,
            )),
        };
        Ok((open, name))
    };
    let (open, name) = tokio::select! {
        opened = tokio::time::timeout(options.connect_timeout, opening) => match opened {
            Ok(opened) => opened?,
            Err(_) => return Err(End::unreachable("nobody answers in time")),
        },
        // Before it is up nothing is sent, so this is the end of the queue.
        _ = ends.queue.recv() => return Err(End::local()),
    };
    ends.tell(FromLink::Up(name)).await?;
    Ok(open)
}

/// Resolves the name anew each time: servers move.
async fn connect(host: &str, port: u16) -> Result<TcpStream, End> {
    let addresses = tokio::net::lookup_host((host, port)).await;
    let addresses: Vec<SocketAddr> = match addresses {
        Ok(addresses) => addresses.collect(),
        Err(error) => return Err(End::unreachable(format!("{host}: {error}"))),
    };
    let stream = TcpStream::connect(&*addresses).await;
    let stream = stream.map_err(|error| {
        let advice = match error.kind() {
            io::ErrorKind::ConnectionRefused => "; is the server running, and is this its port?",
            _ => "",
        };
        End::unreachable(format!("{host}:{port}: {error}{advice}"))
    })?;
    ws::tune(&stream).map_err(|error| End::broken(format!("{host}:{port}: {error}")))?;
    Ok(stream)
}

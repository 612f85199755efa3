//! What is let in: requests that open a link, and those that go on with one.

use super::super::seats::Seats;
use super::gate::{Gate, Wire};
use super::link::{Introduction, Link, Visitor};
use super::outbox::{QUEUE, Session};
use super::{Settings, lock};
use crate::http::{self, Body, Limits, Request, Response, Server, StatusCode};
use crate::ws;
use crate::zzw::server::shards::Shards;
use bytes::Bytes;
use engineioxide::config::EngineIoConfig;
use engineioxide::handler::EngineIoHandler;
use engineioxide::service::{EngineIoService, NotFoundService};
use engineioxide::socket::Sid;
use engineioxide::{DisconnectReason, Str};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Body as HttpBody, Incoming};
use hyper::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_TYPE, HeaderMap, HeaderValue, ORIGIN, RETRY_AFTER, VARY,
};
use hyper::service::Service as _;
use hyper::{Method, Uri};
use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use zzw_push_proto::socketio::engine::{EnginePacket, PayloadReader, Query, QueryError, Transport};
use zzw_push_proto::socketio::{MAX_PACKET, Revision};
use zzw_push_proto::wire::Lenience;

/// What every link needs.
pub(super) struct Node {
    pub(super) shards: Arc<Shards>,
    pub(super) lenience: Lenience,
    pub(super) delivery: Arc<str>,
    pub(super) connect_timeout: Duration,
    pub(super) runtime: Handle,
    links: Mutex<BTreeMap<Sid, Arc<Link>>>,
}

/// Tells links what engineioxide hears.
#[derive(Debug)]
struct Ears(Arc<Node>);

/// What a request needs.
#[derive(Clone)]
struct Port {
    node: Arc<Node>,
    engine: EngineIoService<Ears, NotFoundService>,
    seats: Arc<Seats>,
}

/// Serves links until the server is stopped or dropped.
///
/// # Errors
///
/// If the listener has no address.
pub(in super::super) fn serve(
    listener: TcpListener,
    shards: Arc<Shards>,
    lenience: Lenience,
    settings: Settings,
) -> io::Result<Server> {
    let beat = settings.ping_interval.saturating_add(settings.ping_timeout);
    let config = EngineIoConfig::builder()
        .req_path(PATH)
        .ping_interval(settings.ping_interval)
        .ping_timeout(settings.ping_timeout)
        .max_buffer_size(QUEUE)
        .max_payload(MAX_PACKET as u64)
        .ws_read_buffer_size(READ_BUFFER)
        .ws_max_message_size(MAX_PACKET)
        .ws_max_frame_size(MAX_PACKET)
        .build();
    let node = Arc::new(Node {
        shards,
        lenience,
        delivery: settings.delivery_event.into(),
        connect_timeout: settings.connect_timeout,
        runtime: Handle::current(),
        links: Mutex::default(),
    });
    let port = Port {
        engine: EngineIoService::with_config(Arc::new(Ears(Arc::clone(&node))), config),
        node,
        seats: Arc::new(Seats::new(settings.links, settings.links_per_address)),
    };
    let limits = Limits {
        // A poll waits for a beat at most, and its connection as long for the next one.
        head: beat.saturating_add(SLACK),
        exchange: beat.saturating_add(SLACK),
        ..LIMITS
    };
    http::serve(listener, limits, move |request, peer| {
        let port = port.clone();
        async move { port.answer(request, peer.ip()).await }
    })
}

/// A link by polling has two connections, now and then.
const LIMITS: Limits = Limits {
    connections: 8_192,
    per_address: 2_048,
    ..Limits::DEFAULT
};
const SLACK: Duration = Duration::from_secs(5);

const PATH: &str = "/socket.io";

/// Most messages are short, and each link has such a buffer.
const READ_BUFFER: usize = 1024;

impl Port {
    async fn answer(&self, request: Request<Incoming>, address: IpAddr) -> Response<Body> {
        let origin = request.headers().get(ORIGIN).cloned();
        let mut answer = self.serve(request, address).await;
        if let Some(origin) = origin {
            share(answer.headers_mut(), origin);
        }
        answer
    }

    async fn serve(&self, request: Request<Incoming>, address: IpAddr) -> Response<Body> {
        if request.uri().path().trim_end_matches('/') != PATH {
            let line = "this port speaks Socket.IO: ask for /socket.io/";
            return http::text(StatusCode::NOT_FOUND, line);
        }
        let query = match Query::parse(request.uri().query().unwrap_or_default()) {
            Ok(query) => query,
            Err(error @ (QueryError::Revision | QueryError::Transport)) => {
                // The words that clients know.
                let about = match error {
                    QueryError::Revision => {
                        r#"{"code":5,"message":"Unsupported protocol version"}"#
                    }
                    _ => r#"{"code":0,"message":"Transport unknown"}"#,
                };
                return refuse(about);
            }
            Err(error) => return http::text(StatusCode::BAD_REQUEST, &error.to_string()),
        };
        match (query.transport, query.sid.as_deref(), request.method()) {
            (_, _, &Method::OPTIONS) => http::answer(StatusCode::NO_CONTENT, "text/plain", ""),
            (Transport::Polling, None, &Method::GET) => self.open_polling(&query, address).await,
            (Transport::Websocket, None, &Method::GET) => {
                self.open_websocket(request, &query, address)
            }
            (transport, Some(sid), &Method::GET | &Method::POST) => {
                let Some((sid, link)) = self.link(sid) else {
                    return refuse(r#"{"code":1,"message":"Session ID unknown"}"#);
                };
                match (transport, request.method()) {
                    (Transport::Websocket, &Method::GET) => {
                        self.upgrade(request, &query, sid, &link)
                    }
                    (Transport::Polling, &Method::GET) => self.poll(&query, sid, &link).await,
                    (Transport::Polling, _) => self.post(request, &query, sid).await,
                    _ => refuse(r#"{"code":3,"message":"Bad request"}"#),
                }
            }
            _ => refuse(r#"{"code":2,"message":"Bad handshake method"}"#),
        }
    }

    async fn open_polling(&self, query: &Query, address: IpAddr) -> Response<Body> {
        let Some(visitor) = self.visitor(query, address, None) else {
            return full();
        };
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.uri_mut() = Uri::from_static(match query.revision {
            Revision::V4 => "/socket.io/?EIO=3&transport=polling",
            _ => "/socket.io/?EIO=4&transport=polling",
        });
        request.extensions_mut().insert(visitor);
        self.pass(request).await
    }

    fn open_websocket(
        &self,
        request: Request<Incoming>,
        query: &Query,
        address: IpAddr,
    ) -> Response<Body> {
        let wire = Arc::new(Wire::default());
        let Some(visitor) = self.visitor(query, address, Some(Arc::clone(&wire))) else {
            return full();
        };
        let mut opening = Request::new(());
        *opening.uri_mut() = Uri::from_static(match query.revision {
            Revision::V4 => "/socket.io/?EIO=3&transport=websocket",
            _ => "/socket.io/?EIO=4&transport=websocket",
        });
        opening.extensions_mut().insert(visitor);
        self.switch(request, opening, wire)
    }

    /// The link goes on by websocket.
    fn upgrade(
        &self,
        request: Request<Incoming>,
        query: &Query,
        sid: Sid,
        link: &Arc<Link>,
    ) -> Response<Body> {
        let wire = Arc::new(Wire::default());
        if !link.travel_by(&wire) {
            return refuse(r#"{"code":3,"message":"Bad request"}"#);
        }
        let mut opening = Request::new(());
        *opening.uri_mut() = going_on(query, sid);
        self.switch(request, opening, wire)
    }

    /// Makes a websocket of the connection.
    fn switch(
        &self,
        request: Request<Incoming>,
        opening: Request<()>,
        wire: Arc<Wire>,
    ) -> Response<Body> {
        let (answer, accepted) = ws::accept(request);
        if let Some(accepted) = accepted {
            let engine = self.engine.clone();
            tokio::spawn(async move {
                if let Ok((stream, early)) = accepted.await {
                    let gate = Gate::new(stream, early, wire);
                    // What is wrong with the request was found before.
                    let _ = engine.call((gate, opening)).await;
                }
            });
        }
        answer
    }

    async fn poll(&self, query: &Query, sid: Sid, link: &Arc<Link>) -> Response<Body> {
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.uri_mut() = going_on(query, sid);
        let (head, body) = self.pass(request).await.into_parts();
        // It is there at once, and cannot break off.
        let body = body.collect().await.unwrap_or_default().to_bytes();
        let messages =
            PayloadReader::new(query.revision, body.clone()).filter_map(|packet| match packet {
                Ok(EnginePacket::Message(message)) => Some(message.len()),
                _ => None,
            });
        link.fetched(messages);
        Response::from_parts(head, Full::new(body).boxed_unsync())
    }

    async fn post(&self, request: Request<Incoming>, query: &Query, sid: Sid) -> Response<Body> {
        let (mut head, body) = request.into_parts();
        let kind = head.headers.remove(CONTENT_TYPE);
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = going_on(query, sid);
        if let Some(kind) = kind {
            request.headers_mut().insert(CONTENT_TYPE, kind);
        }
        self.pass(request).await
    }

    /// A request of ours, without what the peer's has held on to.
    async fn pass<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: HttpBody + std::fmt::Debug + Send + Unpin + 'static,
        B::Error: std::fmt::Debug,
        B::Data: Send,
    {
        let Ok(answer) = self.engine.call(request).await;
        answer.map(BodyExt::boxed_unsync)
    }

    fn visitor(
        &self,
        query: &Query,
        address: IpAddr,
        wire: Option<Arc<Wire>>,
    ) -> Option<Arc<Visitor>> {
        let seat = self.seats.take(address)?;
        let introduction = Introduction {
            alias: query.alias.clone(),
            token: query.token.clone(),
        };
        Some(Arc::new(Visitor {
            introduction,
            seat,
            wire,
        }))
    }

    fn link(&self, sid: &str) -> Option<(Sid, Arc<Link>)> {
        let sid = sid.parse().ok()?;
        let link = lock(&self.node.links).get(&sid).map(Arc::clone)?;
        Some((sid, link))
    }
}

impl EngineIoHandler for Ears {
    type Data = OnceLock<Arc<Link>>;

    fn on_connect(self: Arc<Self>, session: Arc<Session>) {
        let Some(visitor) = session.req_parts.extensions.get::<Arc<Visitor>>() else {
            return session.close(DisconnectReason::TransportError);
        };
        let link = Link::open(&self.0, &session, visitor);
        lock(&self.0.links).insert(session.id, Arc::clone(&link));
        // It is new.
        let _ = session.data.set(Arc::clone(&link));
        link.greet();
    }

    fn on_disconnect(&self, session: Arc<Session>, _: DisconnectReason) {
        let link = lock(&self.0.links).remove(&session.id);
        if let Some(link) = link {
            link.gone();
        }
    }

    //= docs/spec/zzw-push-proto.md#socket-io
    //# The events of a link MUST be served in the order in which they came.
    fn on_message(self: &Arc<Self>, text: Str, session: Arc<Session>) {
        if let Some(link) = session.data.get() {
            link.text(text.into());
        }
    }

    fn on_binary(self: &Arc<Self>, _: Bytes, session: Arc<Session>) {
        if let Some(link) = session.data.get() {
            link.binary();
        }
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").finish_non_exhaustive()
    }
}

/// The address of a request that goes on with a link.
fn going_on(query: &Query, sid: Sid) -> Uri {
    let mut short = Query::new(query.revision, query.transport);
    short.sid = Some(sid.to_string());
    let text = format!("{PATH}/?{short}");
    // Its parts are letters and digits.
    text.parse().unwrap_or_default()
}

/// Lets pages of any origin read the answer. They could open a websocket anyway, and there are no
/// cookies; the original server and the old official ones do the same.
fn share(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    for (name, value) in [
        (ACCESS_CONTROL_ALLOW_CREDENTIALS, "true"),
        (ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"),
        (ACCESS_CONTROL_ALLOW_HEADERS, "content-type"),
        (VARY, "origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

fn refuse(json: &'static str) -> Response<Body> {
    http::answer(StatusCode::BAD_REQUEST, "application/json", json)
}

fn full() -> Response<Body> {
    let line = "no more links: come back later";
    let mut answer = http::text(StatusCode::SERVICE_UNAVAILABLE, line);
    let headers = answer.headers_mut();
    headers.insert(RETRY_AFTER, HeaderValue::from_static("10"));
    answer
}

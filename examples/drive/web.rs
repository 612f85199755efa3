//! The demo's page over HTTP: the page, its server-sent events, pictures, messages and switches.
//!
//! ```text
//! GET  /            the page
//! GET  /events      server-sent events: a snapshot, then changes
//! GET  /state       states and figures as JSON
//! GET  /picture/ID  a JPEG that is still held
//! GET  /wire/ID     a message exactly as it was on the wire, if still held
//! POST /fault       {"flow":"se5-v1","switch":"cut","on":true}
//! ```

use crate::demo::hub::{Hub, PressError};
use crate::http::{self, Body, Limits, Request, Response, Server, StatusCode};
use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::Method;
use hyper::body::{Frame, Incoming};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};

/// Serves the page until the server is stopped or dropped.
///
/// # Errors
///
/// If the listener has no address.
pub fn serve(listener: TcpListener, hub: Arc<Hub>) -> io::Result<Server> {
    let streams = Arc::new(Semaphore::new(MAX_STREAMS));
    http::serve(listener, LIMITS, move |request, _| {
        answer(Arc::clone(&hub), Arc::clone(&streams), request)
    })
}

/// A browser opens six connections, and a switch needs one line.
const LIMITS: Limits = Limits {
    connections: 64,
    head: Duration::from_secs(15),
    body: 4096,
    exchange: Duration::from_secs(10),
    ..Limits::DEFAULT
};
/// Pages that follow the news at a time.
const MAX_STREAMS: usize = 16;

const PAGE: &str = include_str!("../demo/page.html");

async fn answer(
    hub: Arc<Hub>,
    streams: Arc<Semaphore>,
    request: Request<Incoming>,
) -> Response<Body> {
    let mut answer = if is_from_here(request.headers()) {
        route(hub, streams, request).await
    } else {
        let line = "this page answers only under its own address, to its own scripts";
        http::text(StatusCode::FORBIDDEN, line)
    };
    let headers = answer.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    answer
}

async fn route(
    hub: Arc<Hub>,
    streams: Arc<Semaphore>,
    request: Request<Incoming>,
) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let numbered = |prefix| {
        let id = path.strip_prefix(prefix)?;
        id.parse::<u64>().ok()
    };
    match (request.method(), &*path) {
        (&Method::GET, "/") => content("text/html; charset=utf-8", PAGE),
        (&Method::GET, "/state") => content("application/json", format!("{:#}\n", hub.state())),
        (&Method::GET, "/events") => events(hub, streams),
        (&Method::POST, "/fault") => fault(&hub, request).await,
        (&Method::GET, _) => {
            if let Some(jpeg) = numbered("/picture/").and_then(|id| hub.picture(id)) {
                content("image/jpeg", jpeg)
            } else if let Some(wire) = numbered("/wire/").and_then(|id| hub.wire(id)) {
                content(wire.kind, wire.bytes)
            } else {
                http::text(StatusCode::NOT_FOUND, "not here, or no longer held")
            }
        }
        _ => http::text(StatusCode::METHOD_NOT_ALLOWED, "GET, or POST /fault"),
    }
}

fn events(hub: Arc<Hub>, streams: Arc<Semaphore>) -> Response<Body> {
    let Ok(place) = streams.try_acquire_owned() else {
        let line = "too many pages are open; close one";
        return http::text(StatusCode::SERVICE_UNAVAILABLE, line);
    };
    let follower = Follower::new(hub, place);
    let chunks = stream::unfold(follower, async |mut follower| {
        let chunk = follower.next().await?;
        Some((Ok::<_, Infallible>(Frame::data(chunk)), follower))
    });
    let mut answer = content("text/event-stream", Bytes::new());
    *answer.body_mut() = StreamBody::new(chunks).boxed_unsync();
    answer
}

/// Uses a switch. The content type is asked for since other sites' pages cannot send it unasked.
async fn fault(hub: &Hub, request: Request<Incoming>) -> Response<Body> {
    let kind = request.headers().get(header::CONTENT_TYPE);
    if !kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/json")) {
        let line = "send content-type: application/json";
        return http::text(StatusCode::UNSUPPORTED_MEDIA_TYPE, line);
    }
    let body = match http::collect(request.into_body(), &LIMITS).await {
        Ok(body) => body,
        Err(answer) => return *answer,
    };
    let Ok(asked) = serde_json::from_slice::<serde_json::Value>(&body) else {
        return http::text(StatusCode::BAD_REQUEST, "not JSON");
    };
    let (Some(flow), Some(switch)) = (asked["flow"].as_str(), asked["switch"].as_str()) else {
        return http::text(StatusCode::BAD_REQUEST, "name \"flow\" and \"switch\"");
    };
    match hub.press(flow, switch, asked["on"].as_bool().unwrap_or(true)) {
        Ok(()) => content("application/json", "{\"done\":true}\n"),
        Err(PressError::Unknown) => http::text(StatusCode::NOT_FOUND, "no such flow or switch"),
        Err(PressError::Busy) => http::text(StatusCode::TOO_MANY_REQUESTS, "one at a time"),
    }
}

/// True unless another site's page, or a name that was made to point here, is behind the request.
fn is_from_here(headers: &HeaderMap) -> bool {
    let Some(host) = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
    else {
        return false;
    };
    let name = host.rsplit_once(':').map_or(host, |(name, port)| {
        if port.bytes().all(|digit| digit.is_ascii_digit()) {
            name
        } else {
            host
        }
    });
    let is_loopback = name == "localhost"
        || name
            .trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    let origin = headers.get(header::ORIGIN);
    let is_own =
        origin.is_none_or(|origin| origin.as_bytes() == format!("http://{host}").as_bytes());
    let site = headers.get("sec-fetch-site");
    let is_same = site.is_none_or(|site| site == "same-origin" || site == "none");
    is_loopback && is_own && is_same
}

/// Nothing is fetched from elsewhere, framed, cached or guessed.
const HEADERS: [(HeaderName, &str); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
         img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

fn content(kind: &'static str, body: impl Into<Bytes>) -> Response<Body> {
    http::answer(StatusCode::OK, kind, body)
}

/// One page that hears from the [`Hub`] for as long as it stays.
#[derive(Debug)]
struct Follower {
    hub: Arc<Hub>,
    first: Option<Arc<str>>, // the snapshot, until it is sent
    news: broadcast::Receiver<Arc<str>>,
    _place: OwnedSemaphorePermit,
}

impl Follower {
    fn new(hub: Arc<Hub>, place: OwnedSemaphorePermit) -> Self {
        let (first, news) = hub.listen();
        Self {
            hub,
            first: Some(first),
            news,
            _place: place,
        }
    }

    /// What to send next. A page that fell behind starts over with a snapshot.
    async fn next(&mut self) -> Option<Bytes> {
        let text = match self.first.take() {
            Some(first) => first,
            None => match tokio::time::timeout(KEEP_ALIVE, self.news.recv()).await {
                Ok(Ok(next)) => next,
                Ok(Err(broadcast::error::RecvError::Closed)) => return None,
                Ok(Err(broadcast::error::RecvError::Lagged(_))) => {
                    let first;
                    (first, self.news) = self.hub.listen();
                    first
                }
                Err(_) => ":\n\n".into(),
            },
        };
        Some(Bytes::copy_from_slice(text.as_bytes()))
    }
}

/// Silence after which a comment shows that the connection lives.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

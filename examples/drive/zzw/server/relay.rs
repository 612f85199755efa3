//! Port 9000: relay rooms over WebSocket, and pictures that cameras post.

mod link;
mod passage;

pub(super) use link::Outbox;

use super::core::Core;
use super::seats::Seats;
use super::shards::{Home, Shards};
use super::tokens::Tokens;
use crate::http::{self, Body, BodyError, BodyReader, Limits, Pace, Request, Response, Server};
use crate::http::{StatusCode, Uri};
use crate::ws;
use hyper::Method;
use hyper::body::Incoming;
use hyper::header::{ALLOW, HeaderValue, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION};
use link::{Link, Seat};
use passage::{PASSED_ON, pass_on};
use std::borrow::Cow;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use zzw_push_proto::platform::{ClientToken, Scopes};
use zzw_push_proto::rooms::{self, Input, Role, RoomFrame, RoomKind, RoomPath};

/// Settings of port 9000 beside those of the rooms.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Settings {
    /// Most links from one address; 4,096. Beyond that, 503.
    pub links_per_address: usize,
    /// A link that has been silent so long is pinged, and hung up on after as long again; 30 s.
    pub ping_after: Duration,
    /// Longest time from the first byte of a message to its last; 60 s.
    pub message_time: Duration,
    /// Messages a second that are read from a link, and at once: 200, 200. Beyond that it is read
    /// more slowly; nothing is lost.
    pub per_second: u32,
}

/// What all links share.
struct Hall {
    shards: Arc<Shards>,
    tokens: Arc<Tokens>,
    asks: ClientToken,
    settings: Settings,
    /// Longest message of a camera, and of others.
    max_picture: usize,
    max_frame: usize,
    seats: Arc<Seats>,
}

/// Until a connection is a room's; a picture may take its time.
const LIMITS: Limits = Limits {
    connections: 1_024,
    per_address: 512,
    exchange: Duration::from_secs(90),
    ..Limits::DEFAULT
};

/// Serves rooms until the server is stopped or dropped.
pub(super) fn serve(
    listener: TcpListener,
    shards: Arc<Shards>,
    tokens: Arc<Tokens>,
    asks: ClientToken,
    settings: Settings,
    rooms: &rooms::Config,
) -> io::Result<Server> {
    let hall = Arc::new(Hall {
        shards,
        tokens,
        asks,
        settings,
        max_picture: rooms.max_picture,
        max_frame: rooms.max_frame,
        seats: Arc::new(Seats::new(rooms.max_links, settings.links_per_address)),
    });
    http::serve(listener, LIMITS, move |request, peer| {
        let hall = Arc::clone(&hall);
        async move { answer(&hall, request, peer.ip()).await }
    })
}

async fn answer(hall: &Hall, request: Request<Incoming>, from: IpAddr) -> Response<Body> {
    let target = request.uri().path_and_query().map_or("", |it| it.as_str());
    let path = match RoomPath::parse(target) {
        Ok(path) => path,
        Err(error) => return http::text(StatusCode::NOT_FOUND, &error.to_string()),
    };
    if let Err(refusal) = hall.judge(request.uri()) {
        return *refusal;
    }
    let is_passed_on = request.headers().contains_key(PASSED_ON);
    let core = match hall.shards.home_of(path.room()) {
        Home::Here(core) => core,
        Home::Elsewhere(_) if is_passed_on => hall.shards.first(),
        Home::Elsewhere(home) => {
            let Some(seat) = hall.seats.take(from) else {
                return crowded();
            };
            return pass_on(hall.shards.first(), request, &home, seat).await;
        }
    };
    match *request.method() {
        Method::GET | Method::HEAD => hall.let_in(core, request, path, from),
        //= docs/spec/zzw-push-proto.md#room-path
        //# A GET without an upgrade MUST be answered with status 426, and a POST to another place
        //# than a camera's with 405.
        Method::POST if path.takes_posts() => hall.take_picture(core, request, path).await,
        _ => {
            let line = "GET with an upgrade to WebSocket enters a room; POST is for pictures, \
                        to /capture-<community>-<building>-<unit>/0";
            let mut response = http::text(StatusCode::METHOD_NOT_ALLOWED, line);
            let allowed = if path.takes_posts() {
                "GET, POST"
            } else {
                "GET"
            };
            let headers = response.headers_mut();
            headers.insert(ALLOW, HeaderValue::from_static(allowed));
            response
        }
    }
}

impl Hall {
    /// Whether somebody may come in: the one place where that is decided (K-2).
    ///
    /// A token that is presented must be valid. One of the second generation is for one alias, which
    /// is then to be told, too: `?alias=m_2&token=v2.…`.
    //= docs/spec/zzw-push-proto.md#permission
    //# A room MUST NOT be entered with a token that is not valid, nor without one where client
    //# tokens are required.
    fn judge(&self, uri: &Uri) -> Result<(), Box<Response<Body>>> {
        let refuse = |status, line| Err(Box::new(http::text(status, line)));
        if self.shards.first().is_draining() {
            return refuse(
                StatusCode::SERVICE_UNAVAILABLE,
                "draining; use another server",
            );
        }
        let token = query(uri, "token").filter(|_| self.asks != ClientToken::Off);
        let Some(token) = token else {
            return if self.asks == ClientToken::Required {
                let line = "a token is needed: ?alias=ALIAS&token=v2.…";
                refuse(StatusCode::UNAUTHORIZED, line)
            } else {
                Ok(())
            };
        };
        let alias = query(uri, "alias").unwrap_or_default();
        let grant = self.tokens.grant(&token, &alias);
        if grant.is_some_and(|grant| grant.scopes.contains(Scopes::RELAY)) {
            Ok(())
        } else {
            let line =
                "the token is not valid here; get a new one, and tell its alias with ?alias=";
            refuse(StatusCode::UNAUTHORIZED, line)
        }
    }

    /// The answer to who wants into a room; the link then lives on by itself.
    fn let_in(
        &self,
        core: &Arc<Core>,
        request: Request<Incoming>,
        path: RoomPath,
        from: IpAddr,
    ) -> Response<Body> {
        let headers = request.headers();
        let version = headers.get(SEC_WEBSOCKET_VERSION);
        let is_known = version.is_none_or(|version| version == "13");
        let has_key = headers.contains_key(SEC_WEBSOCKET_KEY);
        let is_get = request.method() == Method::GET;
        let (response, connection) = ws::accept(request);
        //= docs/spec/zzw-push-proto.md#room-path
        //# A GET without an upgrade MUST be answered with status 426, and a POST to another place
        //# than a camera's with 405.
        let Some(connection) = connection.filter(|_| is_known && is_get) else {
            let line = "rooms speak WebSocket only, version 13: dial them with ws://";
            let mut response = http::text(StatusCode::UPGRADE_REQUIRED, line);
            let headers = response.headers_mut();
            headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            return response;
        };
        if !has_key {
            return http::text(StatusCode::BAD_REQUEST, "Sec-WebSocket-Key is missing");
        }
        let Some(place) = self.seats.take(from) else {
            return crowded();
        };
        let max = if (path.kind(), path.role()) == (RoomKind::OneToMany, Some(Role::Zero)) {
            self.max_picture
        } else {
            self.max_frame
        };
        let (seat, settings) = (Seat::take(core, path), self.settings);
        tokio::spawn(async move {
            // Who leaves during the upgrade leaves the room, too.
            if let Ok((stream, early)) = connection.await {
                let link = Link::new(seat, stream, &early, max, settings);
                drop(early);
                link.run().await;
            }
            drop(place);
        });
        response
    }

    /// The answer to a camera that posts (Z-40).
    async fn take_picture(
        &self,
        core: &Core,
        request: Request<Incoming>,
        path: RoomPath,
    ) -> Response<Body> {
        let (_, mut body) = BodyReader::open(request, Pace::DEFAULT);
        match body.read(self.max_picture as u64).await {
            Ok(picture) if picture.is_empty() => http::text(
                StatusCode::BAD_REQUEST,
                "the body is the picture; there is none",
            ),
            Ok(picture) => {
                let picture = Input::Posted(path, RoomFrame::Binary(picture));
                core.tell_rooms(picture);
                http::text(StatusCode::OK, "taken")
            }
            Err(BodyError::Outgrown) => {
                let line = format!("a picture has at most {} bytes", self.max_picture);
                http::text(StatusCode::PAYLOAD_TOO_LARGE, &line)
            }
            Err(BodyError::TooSlow) => {
                http::text(StatusCode::REQUEST_TIMEOUT, "the picture comes too slowly")
            }
            Err(BodyError::Broken) => http::text(StatusCode::BAD_REQUEST, "the picture broke off"),
        }
    }
}

impl Settings {
    /// The defaults.
    pub fn new() -> Self {
        Self {
            links_per_address: 4_096,
            ping_after: Duration::from_secs(30),
            message_time: Duration::from_mins(1),
            per_second: 200,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::new()
    }
}

fn crowded() -> Response<Body> {
    let line = "too many links; close some of this address, or come again later";
    http::text(StatusCode::SERVICE_UNAVAILABLE, line)
}

/// What the query says about something, percent-decoded; what is not UTF-8 then is no token.
fn query<'u>(uri: &'u Uri, name: &str) -> Option<Cow<'u, str>> {
    let pairs = uri.query()?.split('&');
    let mut pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let (_, value) = pairs.find(|(key, _)| *key == name)?;
    Some(percent_decoded(value))
}

fn percent_decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut pieces = text.split('%');
    bytes.extend_from_slice(pieces.next().unwrap_or_default().as_bytes());
    for piece in pieces {
        let byte = piece.get(..2).map(|hex| u8::from_str_radix(hex, 16));
        if let Some(Ok(byte)) = byte {
            bytes.push(byte);
            bytes.extend_from_slice(&piece.as_bytes()[2..]);
        } else {
            bytes.push(b'%');
            bytes.extend_from_slice(piece.as_bytes());
        }
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_decoded_once() {
        let uri: Uri = "/r/0?alias=%E9%97%A8%2525&token=a%2e%zz%&empty"
            .parse()
            .unwrap();
        assert_eq!(query(&uri, "alias").as_deref(), Some("门%25"));
        assert_eq!(query(&uri, "token").as_deref(), Some("a.%zz%"));
        assert_eq!(query(&uri, "empty").as_deref(), Some(""));
        assert_eq!(query(&uri, "ali"), None);
    }
}

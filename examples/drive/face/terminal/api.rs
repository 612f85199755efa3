//! The configuration API of a terminal: `/v1/auth/login` and `/v1/event/subscribe`.

use super::access::Access;
use crate::http::{
    self, Body, BodyError, BodyReader, Incoming, Limits, Request, Response, Server, StatusCode,
};
use face_record_push::codec::{self, MAX_QUESTION};
use face_record_push::{Ask, AskError, AskReply, Token};
use hyper::header::{ALLOW, AUTHORIZATION, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use std::io;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio_rustls::TlsAcceptor;

/// A question, and where its answer goes. If nobody waits for that any more, the asker is gone.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) question: Result<Ask, AskError>,
    pub(super) reply: oneshot::Sender<AskReply>,
}

/// Answers questions by asking the terminal: anybody's, if there is no `access`.
///
/// # Errors
///
/// If the listener has no address.
pub(super) fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    access: Option<Access>,
    asks: mpsc::Sender<Asked>,
) -> io::Result<Server> {
    let limits = Limits {
        connections: 16,
        ..Limits::default()
    };
    let access = access.map(Arc::new);
    Server::start(listener, limits, tls, move |request, _| {
        let (access, asks) = (access.clone(), asks.clone());
        async move { respond(request, access.as_deref(), asks, limits).await }
    })
}

/// The answer; `None` hangs up.
async fn respond(
    request: Request<Incoming>,
    access: Option<&Access>,
    asks: mpsc::Sender<Asked>,
    limits: Limits,
) -> Option<Response<Body>> {
    // Dropped early, it still lets the answer arrive.
    let (head, mut body) = BodyReader::open(request, limits.pace);
    let (path, method) = (head.uri.path(), head.method.as_str());
    if path == "/v1/auth/login" {
        return log_in(method, &mut body, access).await;
    }
    //= docs/spec/face-record-push.md#subscription
    //# A terminal with an account MUST answer with code 401 whatever comes without that account or a
    //# live token, except for a login.
    if access.is_some_and(|access| !is_admitted(access, &head.headers)) {
        let msg = "log in at /v1/auth/login, then send the token: Authorization: Bearer TOKEN";
        return Some(written(&AskReply::failure(401, msg)));
    }
    if path != "/v1/event/subscribe" {
        return Some(written(&AskReply::failure(404, "ask /v1/event/subscribe")));
    }
    let is_post = match method {
        "POST" => true,
        "GET" => false,
        _ => return Some(not_allowed("GET, POST", "ask with GET or POST")),
    };
    let question = match body.read(MAX_QUESTION as u64).await {
        Ok(body) => codec::read_ask(is_post, &body),
        Err(BodyError::Outgrown) => Err(AskError::TooLong { max: MAX_QUESTION }),
        Err(BodyError::TooSlow | BodyError::Broken) => return None,
    };
    let (reply, replied) = oneshot::channel();
    let ended = || AskReply::failure(503, "the terminal is shutting down; ask again later");
    if asks.send(Asked { question, reply }).await.is_err() {
        return Some(written(&ended()));
    }
    Some(written(&replied.await.unwrap_or_else(|_| ended())))
}

async fn log_in(
    method: &str,
    body: &mut BodyReader,
    access: Option<&Access>,
) -> Option<Response<Body>> {
    if method != "POST" {
        return Some(not_allowed("POST", "log in with POST"));
    }
    let Some(access) = access else {
        let msg = "this terminal has no account; ask it without logging in";
        return Some(written(&AskReply::failure(404, msg)));
    };
    let read = match body.read(MAX_QUESTION as u64).await {
        Ok(body) => codec::read_login(&body).ok(),
        Err(BodyError::Outgrown) => None,
        Err(BodyError::TooSlow | BodyError::Broken) => return None,
    };
    let Some((login, valid)) = read else {
        let msg = r#"send {"username":"..","password":"..","validTime":5}, minutes"#;
        return Some(written(&AskReply::failure(400, msg)));
    };
    Some(match access.log_in(&login, valid) {
        Ok(token) => written_token(&token),
        Err(refusal) => written(&refusal),
    })
}

fn is_admitted(access: &Access, headers: &HeaderMap) -> bool {
    let authorization = headers.get(AUTHORIZATION);
    let authorization = authorization.and_then(|value| value.to_str().ok());
    authorization.is_some_and(|authorization| access.admits(authorization))
}

fn not_allowed(allowed: &'static str, advice: &str) -> Response<Body> {
    let mut response = written(&AskReply::failure(405, advice));
    let headers = response.headers_mut();
    headers.insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

fn written_token(token: &Token) -> Response<Body> {
    let mut body = Vec::new();
    codec::encode_token(token, &mut body);
    http::answer(StatusCode::OK, "application/json", body)
}

fn written(reply: &AskReply) -> Response<Body> {
    let mut body = Vec::new();
    codec::encode_ask_reply(reply, false, &mut body);
    let status = StatusCode::from_u16(reply.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = http::answer(status, "application/json", body);
    if status == StatusCode::UNAUTHORIZED {
        let ways = HeaderValue::from_static(r#"Bearer, Basic realm="terminal", charset="UTF-8""#);
        response.headers_mut().insert(WWW_AUTHENTICATE, ways);
    }
    response
}

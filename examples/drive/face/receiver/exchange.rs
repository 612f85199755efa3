//! One request, from its head to its answer.

use super::core::{Connected, Core, Told, unix_now};
use crate::http::{self, Body, BodyError, BodyReader, Incoming, Pace, Peer, Request, Response};
use bytes::Bytes;
use face_record_push::platform::{Head, Input, LinkId};
use face_record_push::{Push, Reply, codec};
use hyper::StatusCode;
use hyper::header::{ALLOW, HeaderValue, RETRY_AFTER};
use hyper::http::request::Parts;
use std::sync::Arc;

/// Answers a request; `None` hangs up.
pub(super) async fn answer(
    core: Arc<Core>,
    request: Request<Incoming>,
    peer: Peer,
    pace: Pace,
) -> Option<Response<Body>> {
    let (parts, mut body) = BodyReader::open(request, pace);
    let mut exchange = core.connect(head(&parts, body.declared(), peer));
    let mut told = exchange.told().await;
    loop {
        told = match told {
            Told::Continue(limit) => tokio::select! {
                biased;
                read = body.read(limit) => {
                    exchange.tell(outcome(&exchange, read)?);
                    exchange.told().await
                }
                told = exchange.told() => told,
            },
            Told::Send(reply) => return Some(written(&reply)),
            Told::Disconnect => return None,
        };
    }
}

/// What a head says to the machine.
fn head(parts: &Parts, length: Option<u64>, peer: Peer) -> Head {
    let address = peer.address.ip().to_canonical().to_string();
    let mut head = Head::post(LinkId(peer.link), address, parts.uri.path());
    head.method = codec::method(parts.method.as_str());
    head.length = length;
    for (name, value) in &parts.headers {
        codec::note_header(&mut head, name.as_str(), value.as_bytes());
    }
    head
}

/// What has become of a body; `None` if it will never come.
fn outcome(exchange: &Connected, read: Result<Bytes, BodyError>) -> Option<Input> {
    let id = exchange.id();
    match read.map(Push::decode) {
        Ok(Ok(push)) => Some(Input::Received(unix_now(), id, push)),
        Ok(Err(error)) => Some(Input::Garbled(unix_now(), id, error)),
        Err(BodyError::Outgrown) => Some(Input::Outgrown(id)),
        Err(BodyError::TooSlow | BodyError::Broken) => None,
    }
}

fn written(reply: &Reply) -> Response<Body> {
    let mut body = Vec::with_capacity(80);
    codec::encode_reply(reply, &mut body);
    let status = StatusCode::from_u16(reply.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = http::answer(status, "application/json", body);
    let headers = response.headers_mut();
    if let Some(wait) = reply.retry_after() {
        headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs()));
    }
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static("POST, GET, HEAD"));
    }
    response
}

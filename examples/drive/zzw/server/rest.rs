//! Port 9900: calls over REST, each with a token at the end of its path.

use super::core::Core;
use super::shards::Shards;
use super::tokens::{Asked, Tokens};
use crate::http::{self, Body, Limits, Request, Response, Server, StatusCode};
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{ALLOW, HeaderValue};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use zzw_push_proto::RestError;
use zzw_push_proto::platform::{Call, Transport};
use zzw_push_proto::rest::{Post, RestCall, RestReply, RestRequest};
use zzw_push_proto::wire::{Code, Failure, Lenience, Message, Num};

/// A body of 64 KiB with what it comes in, as on a link.
const LIMITS: Limits = Limits {
    connections: 4_096,
    per_address: 1_024,
    head: Duration::from_mins(1),
    body: 64 << 10,
    exchange: Duration::from_secs(30),
    ..Limits::DEFAULT
};

/// Answers calls until the server is stopped or dropped.
pub(super) fn serve(
    listener: TcpListener,
    shards: Arc<Shards>,
    tokens: Arc<Tokens>,
    lenience: Lenience,
) -> io::Result<Server> {
    http::serve(listener, LIMITS, move |request, peer| {
        let (core, tokens) = (Arc::clone(shards.next()), Arc::clone(&tokens));
        async move { answer(&core, &tokens, lenience, request, peer.ip()).await }
    })
}

async fn answer(
    core: &Arc<Core>,
    tokens: &Tokens,
    lenience: Lenience,
    request: Request<Incoming>,
    address: IpAddr,
) -> Response<Body> {
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    let asked = match RestRequest::parse(head.method.as_str(), path, lenience) {
        Ok(asked) => asked,
        Err(error) => return refuse(error),
    };
    let body = match http::collect(body, &LIMITS).await {
        Ok(body) => body,
        Err(refusal) => {
            let reason = match refusal.status() {
                StatusCode::PAYLOAD_TOO_LARGE => Code::TooLarge,
                _ => Code::Garbled,
            };
            let failure = Failure::new(reason, Num::Absent);
            return write(refusal.status().as_u16(), &Message::Failure(failure));
        }
    };
    let about = Asked {
        method: head.method.as_str(),
        path,
        body: &body,
    };
    //= docs/spec/zzw-push-proto.md#permission
    //# A call without a valid token MUST be answered with status 401 and do nothing.
    if !tokens.admit(asked.token.as_str(), about, &asked.call) {
        return fail(&Failure::new(
            Code::Token,
            num_of(&asked.call, body, lenience),
        ));
    }
    let call = match call(asked.call, body, lenience) {
        Ok(call) => call,
        Err(failure) => return fail(&failure),
    };
    match core.call(address, call).answered().await {
        Some(reply) => {
            let mut json = Vec::new();
            reply.encode(&mut json);
            respond(reply.status(), json)
        }
        None => fail(&Failure::new(Code::Draining, Num::Absent)),
    }
}

/// What the machine is asked.
fn call(call: RestCall, body: Bytes, lenience: Lenience) -> Result<Call, Box<Failure>> {
    Ok(match call {
        //= docs/spec/zzw-push-proto.md#rest
        //# The `Content-Type` of a posted publication MUST NOT matter.
        RestCall::Push => match Post::decode(body, lenience) {
            Ok(decoded) => match decoded.message {
                Message::Publish(mut publish) => {
                    // What is kept must not hold on to the whole request.
                    publish.msg = publish.msg.detached();
                    Call::Push(publish)
                }
                other => {
                    return Err(Box::new(Failure::new(
                        Code::UnknownType,
                        other.num().clone(),
                    )));
                }
            },
            Err(error) => return Err(Box::new(error.to_failure())),
        },
        RestCall::Info => Call::Info,
        RestCall::Servers => Call::Servers,
        RestCall::Status(alias) => Call::Status(alias),
        RestCall::ChannelAliases(page) => Call::Aliases(Transport::Tcp, page),
        RestCall::SocketIoAliases(page) => Call::Aliases(Transport::SocketIo, page),
        _ => return Err(Box::new(Failure::new(Code::UnknownType, Num::Absent))),
    })
}

/// The number that a failure repeats (Z-6).
fn num_of(call: &RestCall, body: Bytes, lenience: Lenience) -> Num {
    match call {
        RestCall::Push => match Post::decode(body, lenience) {
            Ok(decoded) => decoded.message.num().clone(),
            Err(error) => error.num,
        },
        _ => Num::Absent,
    }
}

/// The answer to what is no call.
fn refuse(error: RestError) -> Response<Body> {
    let mut response = write(error.status(), &Message::Failure(error.to_failure()));
    if let RestError::Method { allowed } = error {
        let allowed = HeaderValue::from_static(allowed);
        response.headers_mut().insert(ALLOW, allowed);
    }
    response
}

fn fail(failure: &Failure) -> Response<Body> {
    let reply = RestReply::Failure(failure.clone());
    write(reply.status(), &Message::Failure(failure.clone()))
}

fn write(status: u16, message: &Message) -> Response<Body> {
    let mut json = Vec::new();
    message.encode(&mut json);
    respond(status, json)
}

fn respond(status: u16, json: Vec<u8>) -> Response<Body> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    http::answer(status, "application/json; charset=utf-8", json)
}

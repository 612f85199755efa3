//! The configuration API of a terminal: `/v1/event/subscribe`.

use crate::http::{self, Body, Incoming, Limits, Request, Response, Server, StatusCode};
use face_record_push::codec::{self, MAX_QUESTION};
use face_record_push::{Ask, AskError, AskReply};
use std::io;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

/// A question, and where its answer goes. If nobody waits for that any more, the asker is gone.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) question: Result<Ask, AskError>,
    pub(super) reply: oneshot::Sender<AskReply>,
}

/// Answers questions by asking the terminal.
///
/// # Errors
///
/// If the listener has no address.
pub(super) fn serve(listener: TcpListener, asks: mpsc::Sender<Asked>) -> io::Result<Server> {
    let limits = Limits {
        connections: 16,
        body: MAX_QUESTION,
        ..Limits::default()
    };
    Server::start(listener, limits, None, move |request, _| {
        let asks = asks.clone();
        async move { Some(respond(request, asks, limits).await) }
    })
}

async fn respond(
    request: Request<Incoming>,
    asks: mpsc::Sender<Asked>,
    limits: Limits,
) -> Response<Body> {
    let (head, body) = request.into_parts();
    if head.uri.path() != "/v1/event/subscribe" {
        return written(&AskReply::failure(404, "ask /v1/event/subscribe"));
    }
    let is_post = match head.method.as_str() {
        "POST" => true,
        "GET" => false,
        _ => return written(&AskReply::failure(405, "ask with GET or POST")),
    };
    let question = match http::collect(body, &limits).await {
        Ok(body) => codec::read_ask(is_post, &body),
        Err(refusal) if refusal.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            Err(AskError::TooLong { max: MAX_QUESTION })
        }
        Err(refusal) => return *refusal,
    };
    let (reply, replied) = oneshot::channel();
    let ended = || AskReply::failure(503, "the terminal is shutting down; ask again later");
    if asks.send(Asked { question, reply }).await.is_err() {
        return written(&ended());
    }
    written(&replied.await.unwrap_or_else(|_| ended()))
}

fn written(reply: &AskReply) -> Response<Body> {
    let mut body = Vec::new();
    codec::encode_ask_reply(reply, false, &mut body);
    let status = StatusCode::from_u16(reply.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    http::answer(status, "application/json", body)
}

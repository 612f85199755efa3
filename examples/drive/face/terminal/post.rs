//! One post: from the machine's words to HTTP, and back.

use crate::http::{Call, CallError, Caller, Place, Reply};
use face_record_push::codec::{self, Identity};
use face_record_push::device::{AttemptId, Cause, Input, Post};
use face_record_push::{Dest, Host, Scheme, UnixMillis};
use std::time::Duration;

/// A post that has ended, and the client that can make the next one.
#[derive(Debug)]
pub(super) struct Posted {
    pub(super) attempt: AttemptId,
    pub(super) caller: Caller,
    pub(super) input: Input,
}

/// Posts a record, once. The machine gives up before `within` does.
pub(super) async fn post(
    mut caller: Caller,
    post: Post,
    identity: Identity,
    now: UnixMillis,
    within: Duration,
) -> Posted {
    let (attempt, place) = (post.attempt, place(&post.dest));
    let reply = caller.exchange(&place, call(&post, &identity, now), within);
    let input = heard(attempt, reply.await);
    Posted {
        attempt,
        caller,
        input,
    }
}

fn call(post: &Post, identity: &Identity, now: UnixMillis) -> Call {
    let mut body = Vec::with_capacity(codec::push_len(&post.item));
    codec::encode_push(&post.item, &mut body);
    let sent = codec::deface(body.into(), &post.faults);
    let mut headers = codec::push_headers(identity, now);
    let kind = codec::content_type(identity.profile).filter(|_| sent.has_content_type);
    headers.extend(kind.map(|kind| ("content-type", kind.to_owned())));
    Call {
        method: "POST".to_owned(),
        path: post.dest.path().to_owned(),
        headers,
        body: vec![sent.body],
    }
}

fn place(dest: &Dest) -> Place {
    let host = match dest.host() {
        Host::Name(name) => name,
        Host::V4(address) => address.to_string(),
        Host::V6(address) => address.to_string(),
    };
    Place {
        is_tls: dest.scheme() == Scheme::Https,
        host,
        port: dest.port(),
    }
}

fn heard(attempt: AttemptId, reply: Result<Reply, CallError>) -> Input {
    let cause = match reply {
        Ok(reply) => {
            let retry_after = reply.retry_after.as_deref();
            return match codec::read_answer(reply.status, retry_after, &reply.body) {
                Ok(answer) => Input::Received(attempt, answer),
                Err(error) => Input::Garbled(attempt, error),
            };
        }
        Err(CallError::Unreachable) => Cause::Unreachable,
        Err(CallError::TimedOut) => Cause::TimedOut,
        Err(CallError::Tls) => Cause::Tls,
        Err(CallError::Forbidden) => Cause::Forbidden,
        Err(CallError::Broken | CallError::Invalid) => Cause::Broken,
    };
    Input::Disconnected(attempt, cause)
}

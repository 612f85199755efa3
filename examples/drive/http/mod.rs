//! HTTP/1.1 both ways, with a limit on everything a peer can make last or grow.
//!
//! hyper itself, without a framework: every request is answered, whatever it declares itself to be,
//! and a body is read when and as far as its reader says.

mod body;
mod caller;
mod client;
mod room;
mod server;
mod stream;

pub use body::{BodyError, BodyReader, Pace};
pub use caller::{Call, CallError, Caller, Dialing, Place, Reply, Site};
pub use client::{Client, ClientError};
pub use hyper::body::Incoming;
pub use hyper::{Request, Response, StatusCode, Uri};
pub use server::{Limits, Peer, Server, listen, serve};
pub use stream::Stream;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use std::convert::Infallible;

/// The body of an answer: at once ([`answer`]), or as a stream.
pub type Body = UnsyncBoxBody<Bytes, Infallible>;

/// The whole body of a request, or the answer to one that is too long or does not come. To wait for
/// leave, or to go on after a limit, use a [`BodyReader`].
///
/// # Errors
///
/// The answer to give: 413, or 400.
pub async fn collect(body: Incoming, limits: &Limits) -> Result<Bytes, Box<Response<Body>>> {
    let whole = Limited::new(body, limits.body).collect().await;
    whole
        .map(http_body_util::Collected::to_bytes)
        .map_err(|error| {
            Box::new(if error.is::<LengthLimitError>() {
                text(StatusCode::PAYLOAD_TOO_LARGE, "request body is too long")
            } else {
                text(StatusCode::BAD_REQUEST, "request body broke off")
            })
        })
}

/// An answer that is there at once.
pub fn answer(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Full::new(body.into()).boxed_unsync());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// A line for people.
pub fn text(status: StatusCode, line: &str) -> Response<Body> {
    answer(status, "text/plain; charset=utf-8", format!("{line}\n"))
}

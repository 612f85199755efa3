//! To rooms that are at another node: their links are passed on, since few clients follow a redirect.

use super::super::core::Core;
use crate::http::{self, Body, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{HeaderValue, LOCATION};
use hyper::upgrade;
use hyper_util::rt::TokioIo;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;
use zzw_push_proto::wire::Servers;

/// Who was passed on is not passed on again, should the nodes not agree about a room's home.
pub(super) const PASSED_ON: &str = "x-zzw-passed-on";

/// How long the other node may take to accept a connection.
const DIALING: Duration = Duration::from_secs(5);

/// And to answer, which may have to wait for a camera's picture.
const ANSWERING: Duration = Duration::from_secs(80);

/// Longest answer of the other node that is no upgrade.
const MAX_ANSWER: usize = 64 << 10;

/// Asks the room's home, and lets both speak through this node. `hold` is kept for as long.
pub(super) async fn pass_on(
    core: &Arc<Core>,
    mut request: Request<Incoming>,
    home: &Servers,
    hold: impl Send + 'static,
) -> Response<Body> {
    let target = request.uri().path_and_query();
    let target = target.map_or("/", |target| target.as_str());
    let location = format!("ws://{}:{}{target}", home.host, home.service.web_socket);
    let near = upgrade::on(&mut request);
    let asked = tokio::time::timeout(ANSWERING, ask(request, home)).await;
    let Ok(Ok(mut answer)) = asked else {
        return redirect(&location);
    };
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        return plain(answer).await;
    }
    let far = upgrade::on(&mut answer);
    let core = Arc::clone(core);
    tokio::spawn(async move {
        let speak = async {
            let (near, far) = tokio::try_join!(near, far)?;
            let (mut near, mut far) = (TokioIo::new(near), TokioIo::new(far));
            copy_bidirectional(&mut near, &mut far).await?;
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
        };
        tokio::select! {
            // Whoever breaks the connection has told the other.
            _ = speak => {}
            () = core.closed() => {}
        }
        drop(hold);
    });
    answer.map(|_| http_body_util::Empty::new().boxed_unsync())
}

async fn ask(
    mut request: Request<Incoming>,
    home: &Servers,
) -> Result<Response<Incoming>, Box<dyn std::error::Error + Send + Sync>> {
    let address = (home.host.as_str(), home.service.web_socket);
    let stream = tokio::time::timeout(DIALING, TcpStream::connect(address)).await??;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection.with_upgrades());
    let yes = HeaderValue::from_static("1");
    request.headers_mut().insert(PASSED_ON, yes);
    Ok(sender.send_request(request).await?)
}

/// What the room's home says instead.
async fn plain(answer: Response<Incoming>) -> Response<Body> {
    let (head, body) = answer.into_parts();
    let body = http_body_util::Limited::new(body, MAX_ANSWER)
        .collect()
        .await;
    match body {
        Ok(body) => {
            let body = http_body_util::Full::new(body.to_bytes()).boxed_unsync();
            Response::from_parts(head, body)
        }
        Err(error) => http::text(
            StatusCode::BAD_GATEWAY,
            &io::Error::other(error).to_string(),
        ),
    }
}

/// The other node cannot be reached from here; perhaps it can from there.
fn redirect(location: &str) -> Response<Body> {
    let line = "this room is at another node; go there";
    let mut response = http::text(StatusCode::TEMPORARY_REDIRECT, line);
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

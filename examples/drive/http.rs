//! HTTP/1.1 both ways, with a limit on everything a peer can make last or grow.

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

pub use hyper::{Request, Response, StatusCode, Uri};

/// The body of an answer: at once ([`answer`]), or as a stream.
pub type Body = UnsyncBoxBody<Bytes, Infallible>;

/// What a server puts up with.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most connections at a time; 256. Further ones wait.
    pub connections: usize,
    /// Longest wait for a request's head; 15 s.
    pub head: Duration,
    /// Longest request body, in bytes; 1 MiB.
    pub body: usize,
    /// Longest time from a request's head to the head of its answer; 60 s.
    pub exchange: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            head: Duration::from_secs(15),
            body: 1 << 20,
            exchange: Duration::from_mins(1),
        }
    }
}

/// A running server. Dropped, it stops at once; see [`Self::stop`].
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Server {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more requests, lets those being answered finish for at most 2 s, and returns.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        let patience = Duration::from_secs(2);
        // What is not finished by then is cut off by the drop.
        let _ = tokio::time::timeout(patience, &mut self.task).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Listens on `address`, and says what to do if that cannot be.
///
/// # Errors
///
/// The system's, with the address and advice in its text.
pub async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        let advice = match error.kind() {
            io::ErrorKind::AddrInUse => "the port is taken: stop what uses it, or choose another",
            io::ErrorKind::AddrNotAvailable => "no network interface of this machine has it",
            io::ErrorKind::PermissionDenied => "ports below 1024 need privileges: choose another",
            _ => "choose another address",
        };
        io::Error::new(
            error.kind(),
            format!("cannot listen on {address}: {error}; {advice}"),
        )
    })
}

/// Answers every request with `handler`, until the server is stopped or dropped.
///
/// # Errors
///
/// If the listener has no address.
pub fn serve<H, F>(listener: TcpListener, limits: Limits, handler: H) -> io::Result<Server>
where
    H: Fn(Request<Incoming>, SocketAddr) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let address = listener.local_addr()?;
    let (stop, stopped) = watch::channel(false);
    let task = tokio::spawn(accept(listener, limits, handler, stopped));
    Ok(Server {
        address,
        stop,
        task,
    })
}

async fn accept<H, F>(
    listener: TcpListener,
    limits: Limits,
    handler: H,
    mut stopped: watch::Receiver<bool>,
) where
    H: Fn(Request<Incoming>, SocketAddr) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let room = Arc::new(Semaphore::new(limits.connections));
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        let accepted = tokio::select! {
            () = told(&mut stopped) => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, peer)) = accepted else {
            // Out of file descriptors, most likely: some must close first.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        // A socket that cannot be tuned is about to fail anyway.
        let _ = stream.set_nodelay(true);
        let (handler, mut stopped) = (handler.clone(), stopped.clone());
        connections.spawn(async move {
            let service = service_fn(move |request| {
                let answer = handler(request, peer);
                async move {
                    let answer = tokio::time::timeout(limits.exchange, answer).await;
                    Ok::<_, Infallible>(answer.unwrap_or_else(|_| {
                        text(StatusCode::SERVICE_UNAVAILABLE, "no answer in time")
                    }))
                }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(limits.head)
                .max_buf_size(64 << 10)
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades();
            let mut connection = pin!(connection);
            // How a peer leaves is its own affair.
            tokio::select! {
                _ = connection.as_mut() => {}
                () = told(&mut stopped) => {
                    connection.as_mut().graceful_shutdown();
                    let _ = connection.await;
                }
            }
            drop(permit);
        });
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Waits for the word to stop, or for the server to be dropped.
async fn told(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|&stop| stop).await;
}

/// The whole body of a request, or the answer to one that is too long or does not come.
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

/// Asks questions. Clones share their connections.
#[derive(Debug, Clone)]
pub struct Client {
    inner: hyper_util::client::legacy::Client<HttpConnector, Full<Bytes>>,
    exchange: Duration,
    max_body: usize,
}

/// Why a question has no answer.
#[derive(Debug)]
pub enum ClientError {
    /// The request is none: a bad address, most likely.
    Request,
    /// No connection, or it broke.
    Unreachable,
    /// Not within the time.
    Timeout,
    /// Longer than allowed.
    TooLong,
}

impl Default for Client {
    fn default() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(Duration::from_secs(5)));
        connector.set_nodelay(true);
        let inner = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(10))
            .build(connector);
        Self {
            inner,
            exchange: Duration::from_secs(10),
            max_body: 32 << 20,
        }
    }
}

impl Client {
    /// One exchange: at most 5 s to connect, 10 s in all, 32 MiB of body. Redirects are answers
    /// like any other: a box has no say in who is asked.
    ///
    /// # Errors
    ///
    /// [`ClientError`] if there is no answer.
    pub async fn exchange(
        &self,
        method: &str,
        url: &str,
        body: Vec<u8>,
    ) -> Result<(u16, Bytes), ClientError> {
        let mut request = Request::builder().method(method).uri(url);
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let request = request.body(Full::new(body.into()));
        let request = request.map_err(|_| ClientError::Request)?;
        let whole = async {
            let response = self.inner.request(request).await;
            let response = response.map_err(|_| ClientError::Unreachable)?;
            let status = response.status().as_u16();
            let body = Limited::new(response.into_body(), self.max_body).collect();
            let body = body.await.map_err(|error| {
                if error.is::<LengthLimitError>() {
                    ClientError::TooLong
                } else {
                    ClientError::Unreachable
                }
            })?;
            Ok((status, body.to_bytes()))
        };
        tokio::time::timeout(self.exchange, whole)
            .await
            .unwrap_or(Err(ClientError::Timeout))
    }
}

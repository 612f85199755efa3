//! A client for one place at a time, as a terminal is: the same connection for every request, and a
//! clear word for each way in which there may be no answer.

use crate::tls::{self, TlsError, Trust};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper::header::{HOST, HeaderName, RETRY_AFTER};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;

/// Makes calls, over one connection that is kept as long as the place is the same.
///
/// Redirects are answers like any other: who answers has no say in who is asked.
#[derive(Debug)]
pub struct Caller {
    dialing: Dialing,
    tls: Option<Arc<ClientConfig>>,
    line: Option<Line>,
}

/// How a [`Caller`] connects.
#[derive(Clone)]
pub struct Dialing {
    /// Longest wait for a connection; 5 s.
    pub connect: Duration,
    /// Most that is read of an answer's body, in bytes; 64 KiB. It is cut off there.
    pub max_answer: usize,
    /// Whose certificates are good; nobody's.
    pub trust: Trust,
    /// Whether an address may be connected to; asked after a name is resolved, each time. All are.
    pub allows: Arc<dyn Fn(IpAddr) -> bool + Send + Sync>,
}

/// Who is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Whether over TLS.
    pub is_tls: bool,
    /// Name or address; an IPv6 address without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// Where something begins that is called: `https://host:port/path`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Who is called.
    pub place: Place,
    /// What all paths begin with, without a slash at its end.
    pub path: String,
}

/// A request.
#[derive(Debug, Clone, Default)]
pub struct Call {
    /// `POST`
    pub method: String,
    /// Path and query: `/Record`.
    pub path: String,
    /// Headers besides `Host` and `Content-Length`.
    pub headers: Vec<(&'static str, String)>,
    /// The body in pieces, which are sent without being joined.
    pub body: Vec<Bytes>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Header `Retry-After`.
    pub retry_after: Option<String>,
    /// The body, or its beginning; see [`Dialing::max_answer`].
    pub body: Bytes,
}

/// Why a call has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CallError {
    /// The call is none: a bad path or header, most likely.
    Invalid,
    /// No connection: refused, unreachable, name not found, or not in time.
    Unreachable,
    /// The connection broke, before or within the answer; or what came is not HTTP.
    Broken,
    /// No whole answer in time.
    TimedOut,
    /// TLS failed: certificate or handshake.
    Tls,
    /// The name leads only to addresses that are not allowed.
    Forbidden,
}

/// A connection that is kept. Dropped, it is closed.
#[derive(Debug)]
struct Line {
    place: Place,
    sender: SendRequest<Pieces>,
    task: AbortHandle,
}

impl Caller {
    /// A caller without a connection.
    ///
    /// # Errors
    ///
    /// [`TlsError`] if whom to trust cannot be read.
    pub fn new(dialing: Dialing) -> Result<Self, TlsError> {
        Ok(Self {
            tls: tls::client(&dialing.trust, tls::HTTP)?,
            dialing,
            line: None,
        })
    }

    /// One exchange, from the connection to the end of the answer, in at most `within`.
    ///
    /// If the connection of earlier calls turns out to be closed before anything was sent on it, a
    /// new one is made; nothing else is tried twice. A call that is dropped is hung up on.
    ///
    /// # Errors
    ///
    /// [`CallError`] if there is no answer.
    pub async fn exchange(
        &mut self,
        place: &Place,
        call: Call,
        within: Duration,
    ) -> Result<Reply, CallError> {
        let exchange = self.exchange_at_leisure(place, call);
        let reply = tokio::time::timeout(within, exchange).await;
        reply.unwrap_or(Err(CallError::TimedOut))
    }

    async fn exchange_at_leisure(&mut self, place: &Place, call: Call) -> Result<Reply, CallError> {
        let mut request = call.into_request(place)?;
        let kept = self.line.take().filter(|line| line.place == *place);
        if let Some(mut line) = kept {
            match line.send(request).await {
                Ok(response) => return self.read(line, response).await,
                // It was closed while it was idle, and has the request still.
                Err(Some(unsent)) => request = unsent,
                Err(None) => return Err(CallError::Broken),
            }
        }
        let mut line = self.dial(place).await?;
        let response = line.send(request).await.map_err(|_| CallError::Broken)?;
        self.read(line, response).await
    }

    async fn read(&mut self, line: Line, response: Response<Incoming>) -> Result<Reply, CallError> {
        //= docs/spec/face-record-push.md#destination
        //# A redirection MUST NOT be followed.
        let (head, mut body) = response.into_parts();
        let retry_after = head.headers.get(RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok());
        let mut reply = Reply {
            status: head.status.as_u16(),
            retry_after: retry_after.map(str::to_owned),
            body: Bytes::new(),
        };
        let mut whole = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| CallError::Broken)?.into_data() else {
                continue;
            };
            //= docs/spec/face-record-push.md#destination
            //# An answer longer than 64 KiB MUST NOT be read to its end.
            let room = self.dialing.max_answer.saturating_sub(whole.len());
            if data.len() > room {
                whole.extend_from_slice(&data[..room]);
                reply.body = whole.freeze();
                return Ok(reply);
            }
            whole.extend_from_slice(&data);
        }
        reply.body = whole.freeze();
        self.line = Some(line);
        Ok(reply)
    }

    async fn dial(&self, place: &Place) -> Result<Line, CallError> {
        let connected = tokio::time::timeout(self.dialing.connect, self.connect(place)).await;
        let stream = connected.unwrap_or(Err(CallError::Unreachable))?;
        // A socket that cannot be tuned is about to fail anyway.
        let _ = stream.set_nodelay(true);
        if !place.is_tls {
            return Line::new(place, stream).await;
        }
        let tls = self.tls.clone().ok_or(CallError::Tls)?;
        let name = ServerName::try_from(place.host.clone()).map_err(|_| CallError::Invalid)?;
        let stream = TlsConnector::from(tls).connect(name, stream).await;
        Line::new(place, stream.map_err(|_| CallError::Tls)?).await
    }

    async fn connect(&self, place: &Place) -> Result<TcpStream, CallError> {
        let addresses = tokio::net::lookup_host((place.host.as_str(), place.port)).await;
        let addresses = addresses.map_err(|_| CallError::Unreachable)?;
        //= docs/spec/face-record-push.md#destination
        //# The resolved address of a destination MUST be judged again when a connection to it is
        //# made.
        let (allowed, forbidden): (Vec<SocketAddr>, Vec<_>) =
            addresses.partition(|address| (self.dialing.allows)(address.ip()));
        if allowed.is_empty() && !forbidden.is_empty() {
            return Err(CallError::Forbidden);
        }
        let stream = TcpStream::connect(&*allowed).await;
        stream.map_err(|_| CallError::Unreachable)
    }
}

impl FromStr for Site {
    type Err = &'static str;

    fn from_str(url: &str) -> Result<Self, &'static str> {
        let wrong = "a URL is needed, as in http://127.0.0.1:8090 or https://example.com";
        let url: Uri = url.parse().map_err(|_| wrong)?;
        let is_tls = match url.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(wrong),
        };
        let authority = url.authority().ok_or(wrong)?;
        if authority.as_str().contains('@') || url.query().is_some() {
            return Err(wrong);
        }
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let port = url.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let path = url.path().trim_end_matches('/').to_owned();
        let place = Place { is_tls, host, port };
        Ok(Self { place, path })
    }
}

impl From<SocketAddr> for Site {
    /// All of a server without TLS.
    fn from(address: SocketAddr) -> Self {
        let place = Place {
            is_tls: false,
            host: address.ip().to_string(),
            port: address.port(),
        };
        let path = String::new();
        Self { place, path }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Invalid => "the address cannot be called",
            Self::Unreachable => "no connection: is it running, and is the address right?",
            Self::Broken => "the connection broke, or what answers does not speak HTTP",
            Self::TimedOut => "no answer in time",
            Self::Tls => "its certificate is not trusted, or it speaks no TLS",
            Self::Forbidden => "the name leads to addresses that are not allowed",
        })
    }
}

impl Default for Dialing {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            max_answer: 64 << 10,
            trust: Trust::Nobody,
            allows: Arc::new(|_| true),
        }
    }
}

impl fmt::Debug for Dialing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialing")
            .field("connect", &self.connect)
            .field("max_answer", &self.max_answer)
            .field("trust", &self.trust)
            .finish_non_exhaustive()
    }
}

impl Call {
    fn into_request(self, place: &Place) -> Result<Request<Pieces>, CallError> {
        let host = if place.host.contains(':') {
            format!("[{}]", place.host)
        } else {
            place.host.clone()
        };
        let mut request = Request::builder()
            .method(self.method.as_str())
            .uri(self.path)
            .header(HOST, format!("{host}:{}", place.port));
        for (name, value) in self.headers {
            let name = HeaderName::from_bytes(name.as_bytes());
            request = request.header(name.map_err(|_| CallError::Invalid)?, value);
        }
        let request = request.body(Pieces(self.body.into()));
        request.map_err(|_| CallError::Invalid)
    }
}

impl Line {
    async fn new<S>(place: &Place, stream: S) -> Result<Self, CallError>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
    {
        let (sender, connection) = Builder::new()
            .max_headers(64)
            .max_buf_size(64 << 10)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|_| CallError::Broken)?;
        // What goes wrong, the one who waits for the answer learns.
        let task = tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(Self {
            place: place.clone(),
            sender,
            task: task.abort_handle(),
        })
    }

    /// Sends a request; gives it back if nothing of it was sent.
    async fn send(
        &mut self,
        request: Request<Pieces>,
    ) -> Result<Response<Incoming>, Option<Request<Pieces>>> {
        if self.sender.ready().await.is_err() {
            return Err(Some(request));
        }
        let sent = self.sender.try_send_request(request).await;
        sent.map_err(|mut error| error.take_message())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A body in pieces.
#[derive(Debug)]
struct Pieces(VecDeque<Bytes>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let len = self.0.iter().map(|piece| piece.len() as u64);
        SizeHint::with_exact(len.sum())
    }
}

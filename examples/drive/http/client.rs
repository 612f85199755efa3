//! A client that asks one question and forgets: pictures, counters, pages.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::Request;
use hyper::header::CONTENT_TYPE;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::time::Duration;

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

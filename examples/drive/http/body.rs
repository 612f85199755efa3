//! Request bodies: read on demand, as far as allowed, and not for ever.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::Request;
use hyper::body::{Body as _, Incoming};
use hyper::header::EXPECT;
use hyper::http::request::Parts;
use std::time::Duration;
use tokio::time::Instant;

/// Reads the body of one request. Nothing is asked of the peer before [`Self::read`]: it is then
/// that one who sent `Expect: 100-continue` hears that it may go on.
///
/// Dropped before the end, it reads on in the background if little is missing (256 KiB), so that an
/// early answer arrives and the connection can be used again; otherwise the connection is closed
/// after the answer.
#[derive(Debug)]
pub struct BodyReader {
    body: Option<Incoming>, // `None` once it is read, or broken
    declared: Option<u64>,
    awaits_leave: bool, // no `100 Continue` was sent yet
    pace: Pace,
    spent: Duration, // in earlier calls of `read`
    held: Held,
}

/// How fast a body has to come, counted while it is being read.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Longest time for all of it; 60 s.
    pub total: Duration,
    /// How long it may be slower than [`Self::rate`]; 5 s.
    pub grace: Duration,
    /// Slowest average after that, in bytes per second; 4,096. 0 allows any.
    pub rate: u32,
}

/// Why there is no whole body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyError {
    /// It is longer than allowed. What was read is kept: [`BodyReader::read`] may be called again
    /// with a higher limit.
    Outgrown,
    /// It comes slower than its [`Pace`].
    TooSlow,
    /// The peer hung up, or its framing is wrong.
    Broken,
}

/// What was read: the last frame as it came, and all before it in one buffer, so that a body of one
/// frame is never copied.
#[derive(Debug, Default)]
struct Held {
    joined: BytesMut,
    last: Bytes,
}

impl BodyReader {
    /// Takes the body of a request.
    pub fn open(request: Request<Incoming>, pace: Pace) -> (Parts, Self) {
        let (parts, body) = request.into_parts();
        let expect = parts.headers.get(EXPECT);
        let reader = Self {
            declared: body.size_hint().exact(),
            body: Some(body),
            awaits_leave: expect.is_some(),
            pace,
            spent: Duration::ZERO,
            held: Held::default(),
        };
        (parts, reader)
    }

    /// The whole body, if it is at most `limit` bytes long.
    ///
    /// A declared length over the limit is not read at all; an undeclared one until it passes the
    /// limit, by less than a read buffer (64 KiB). A body that came in one piece is not copied.
    ///
    /// # Errors
    ///
    /// [`BodyError`]. After `TooSlow` and `Broken` there is nothing more to read.
    pub async fn read(&mut self, limit: u64) -> Result<Bytes, BodyError> {
        if self.declared.is_some_and(|declared| declared > limit) {
            return Err(BodyError::Outgrown);
        }
        let began = Instant::now();
        let result = self.read_on(limit, began).await;
        self.spent = self.spent.saturating_add(began.elapsed());
        match result {
            Ok(()) => {
                self.body = None;
                Ok(std::mem::take(&mut self.held).into_bytes())
            }
            Err(error) => {
                if error != BodyError::Outgrown {
                    self.body = None;
                }
                Err(error)
            }
        }
    }

    /// The declared length, in bytes; `None` for a chunked body.
    pub fn declared(&self) -> Option<u64> {
        self.declared
    }

    /// Bytes read and held so far.
    pub fn so_far(&self) -> usize {
        self.held.len()
    }

    async fn read_on(&mut self, limit: u64, began: Instant) -> Result<(), BodyError> {
        let body = self.body.as_mut().ok_or(BodyError::Broken)?;
        self.awaits_leave = false;
        loop {
            if self.held.len() as u64 > limit {
                return Err(BodyError::Outgrown);
            }
            let left = self.pace.allows(self.held.len()).saturating_sub(self.spent);
            // A sum out of range is never due.
            let frame = match began.checked_add(left) {
                Some(due) => tokio::time::timeout_at(due, body.frame()).await,
                None => Ok(body.frame().await),
            };
            let Some(frame) = frame.map_err(|_| BodyError::TooSlow)? else {
                return Ok(());
            };
            // Trailers say nothing that is wanted.
            if let Ok(data) = frame.map_err(|_| BodyError::Broken)?.into_data() {
                self.held.push(data, self.declared);
            }
        }
    }
}

impl Drop for BodyReader {
    fn drop(&mut self) {
        let Some(body) = self.body.take().filter(|body| !body.is_end_stream()) else {
            return;
        };
        let missing = self.declared.unwrap_or_default();
        let missing = missing.saturating_sub(self.held.len() as u64);
        let runtime = tokio::runtime::Handle::try_current();
        if let (false, true, Ok(runtime)) = (self.awaits_leave, missing <= DRAIN, runtime) {
            runtime.spawn(tokio::time::timeout(DRAIN_TIME, drain(body)));
        }
    }
}

impl Held {
    fn push(&mut self, data: Bytes, declared: Option<u64>) {
        let earlier = std::mem::replace(&mut self.last, data);
        if self.joined.is_empty() && !earlier.is_empty() {
            let whole = declared.and_then(|declared| usize::try_from(declared).ok());
            self.joined.reserve(whole.unwrap_or_default());
        }
        self.joined.extend_from_slice(&earlier);
    }

    fn len(&self) -> usize {
        self.joined.len().saturating_add(self.last.len())
    }

    fn into_bytes(mut self) -> Bytes {
        if self.joined.is_empty() {
            return self.last;
        }
        self.joined.extend_from_slice(&self.last);
        self.joined.freeze()
    }
}

impl Pace {
    /// The defaults, for constants.
    pub const DEFAULT: Self = Self {
        total: Duration::from_mins(1),
        grace: Duration::from_secs(5),
        rate: 4096,
    };

    //= docs/spec/face-record-push.md#fairness
    //# A body that comes slower than the least rate MUST be hung up on.
    /// How long the next bytes may take to come, from the beginning, once so many are there.
    fn allows(&self, read: usize) -> Duration {
        let millis = (read as u64).saturating_mul(1000);
        let earned = millis.checked_div(u64::from(self.rate));
        let earned = earned.map_or(Duration::MAX, Duration::from_millis);
        self.grace.saturating_add(earned).min(self.total)
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Reads to the end, but not for ever.
async fn drain(mut body: Incoming) {
    let mut left = DRAIN;
    while let Some(Ok(frame)) = body.frame().await {
        let len = frame.data_ref().map_or(0, |data| data.len() as u64);
        match left.checked_sub(len) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

/// Most that is read of a body that nobody wants.
const DRAIN: u64 = 256 << 10;
const DRAIN_TIME: Duration = Duration::from_secs(5);

//! The query with which a link is opened.

use crate::socketio::Revision;
use std::borrow::Cow;
use std::fmt;

/// What `/socket.io/?…` asks for.
///
/// ```text
/// EIO=3&transport=websocket&alias=m_2
/// ```
///
/// ```
/// use zzw_push_proto::socketio::{Revision, engine::{Query, Transport}};
///
/// let mut query = Query::new(Revision::V4, Transport::Websocket);
/// query.alias = Some("小明".into());
/// let text = query.to_string();
/// assert_eq!(text, "EIO=3&transport=websocket&alias=%E5%B0%8F%E6%98%8E");
/// assert_eq!(Query::parse(&text), Ok(query));
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Query {
    /// `EIO`
    pub revision: Revision,
    /// `transport`
    pub transport: Transport,
    /// `sid`: the session to go on with; absent when a link is opened.
    pub sid: Option<String>,
    /// `alias`: who connects.
    pub alias: Option<String>,
    /// `token`: proof of it, where the server asks for one. `Debug` hides it.
    pub token: Option<String>,
}

/// How packets travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Transport {
    /// `polling`
    Polling,
    /// `websocket`
    Websocket,
}

/// A query that opens no link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// Longer than [`Query::MAX_LEN`].
    #[error("query longer than {max} bytes")]
    TooLong {
        /// The limit, in bytes.
        max: usize,
    },
    /// No `EIO`, or neither 3 nor 4.
    #[error("no `EIO` of 3 or 4; use a socket.io client of 1.x to 4.x")]
    Revision,
    /// No `transport`, or another one.
    #[error("no `transport` of `polling` or `websocket`")]
    Transport,
    /// A value that is not UTF-8 when percent-decoded.
    #[error("`{key}` is not utf-8 when percent-decoded")]
    NotUtf8 {
        /// Which.
        key: &'static str,
    },
}

impl Query {
    /// The longest query that is read, in bytes.
    pub const MAX_LEN: usize = 4096;

    /// A query for a new link.
    pub fn new(revision: Revision, transport: Transport) -> Self {
        Self {
            revision,
            transport,
            sid: None,
            alias: None,
            token: None,
        }
    }

    /// Reads what stands behind the `?` of a request.
    ///
    /// The first of several values counts; an empty `alias`, `token` or `sid` is none.
    ///
    /// # Errors
    ///
    /// [`QueryError`] if it opens no link.
    pub fn parse(query: &str) -> Result<Self, QueryError> {
        //= docs/spec/zzw-push-proto.md#engine-io
        //# A query of more than 4096 bytes MUST be refused.
        if query.len() > Self::MAX_LEN {
            let max = Self::MAX_LEN;
            return Err(QueryError::TooLong { max });
        }
        let first = |key: &'static str| {
            let mut pairs = query
                .split('&')
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")));
            let raw = pairs.find(|(name, _)| *name == key).map(|(_, value)| value);
            let Some(raw) = raw.filter(|raw| !raw.is_empty()) else {
                return Ok(None);
            };
            //= docs/spec/zzw-push-proto.md#engine-io
            //# An alias and a token MUST be read from the query, percent-decoded once, the first of
            //# several and none that is empty.
            let text = unquote(raw).ok_or(QueryError::NotUtf8 { key })?;
            Ok(Some(text.into_owned()))
        };
        let revision = match first("EIO")?.as_deref() {
            Some("3") => Revision::V4,
            Some("4") => Revision::V5,
            //= docs/spec/zzw-push-proto.md#engine-io
            //# A query MUST name Engine.IO 3 or 4 and the transport `polling` or `websocket`.
            _ => return Err(QueryError::Revision),
        };
        let transport = match first("transport")?.as_deref() {
            Some("polling") => Transport::Polling,
            Some("websocket") => Transport::Websocket,
            _ => return Err(QueryError::Transport),
        };
        Ok(Self {
            revision,
            transport,
            sid: first("sid")?,
            alias: first("alias")?,
            token: first("token")?,
        })
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transport = match self.transport {
            Transport::Polling => "polling",
            Transport::Websocket => "websocket",
        };
        let eio = self.revision.engine();
        write!(f, "EIO={eio}&transport={transport}")?;
        for (key, value) in [
            ("sid", &self.sid),
            ("alias", &self.alias),
            ("token", &self.token),
        ] {
            if let Some(value) = value {
                write!(f, "&{key}=")?;
                quote(value, f)?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Query")
            .field("revision", &self.revision)
            .field("transport", &self.transport)
            .field("sid", &self.sid.is_some())
            .field("alias", &self.alias)
            .field("token", &self.token.is_some())
            .finish()
    }
}

/// As `encodeURIComponent`, but for the marks it leaves: letters, digits and `-_.~` stay.
fn quote(value: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                write!(f, "{}", char::from(byte))?;
            }
            _ => write!(f, "%{byte:02X}")?,
        }
    }
    Ok(())
}

/// Undoes [`quote`], with `+` for a space as forms write it. A `%` that starts no escape stays.
fn unquote(raw: &str) -> Option<Cow<'_, str>> {
    if !raw.contains(['%', '+']) {
        return Some(Cow::Borrowed(raw));
    }
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let [byte, behind @ ..] = rest {
        rest = behind;
        match (byte, behind) {
            (b'+', _) => out.push(b' '),
            (b'%', [high, low, after @ ..]) => match hex(*high).zip(hex(*low)) {
                Some((high, low)) => {
                    out.push((high << 4) | low);
                    rest = after;
                }
                None => out.push(b'%'),
            },
            _ => out.push(*byte),
        }
    }
    String::from_utf8(out).ok().map(Cow::Owned)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| value.try_into().ok())
}

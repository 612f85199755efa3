//! Which call a method and a path are.

use crate::wire::{Decoded, Form, Lenience, Message, Publish, Text, Token, read_message};
use crate::{RestError, WireError};
use bytes::Bytes;
use std::fmt::Write as _;

/// A call and the token it comes with.
///
/// ```
/// use zzw_push_proto::rest::{RestCall, RestRequest};
/// use zzw_push_proto::wire::Lenience;
///
/// let path = "/info/status/%E5%B0%8F%E6%98%8E/s3cr3t";
/// let request = RestRequest::parse("GET", path, Lenience::Vendor)?;
/// assert_eq!(request.call, RestCall::Status("小明".into()));
/// assert_eq!(request.path(), path);
/// # Ok::<(), zzw_push_proto::RestError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RestRequest {
    /// What is asked.
    pub call: RestCall,
    /// The last segment of the path, decoded; not checked, not empty.
    pub token: Token,
}

/// What can be asked over REST.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RestCall {
    /// `POST /push/{token}`: publish the message in the body.
    Push,
    /// `GET /info/{token}`: what the servers have to do.
    Info,
    /// `GET /info/servers/{token}`, also `GET /servers/{token}`: where to connect.
    Servers,
    /// `GET /info/status/{alias}/{token}`: how somebody is.
    Status(Text),
    /// `GET /info/allChannelAlias/{page}/{token}`: who is connected over TCP.
    ChannelAliases(Page),
    /// `GET /info/allSocketIOAlias/{page}/{token}`: who is connected over Socket.IO.
    SocketIoAliases(Page),
}

/// A page of a list: `3`, or `3-50`, which is an extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Page {
    /// Which, from 1.
    pub number: u32,
    /// Items on a page: 1 to 1000, 100 unless told otherwise.
    pub size: u32,
}

/// The body of `POST /push`.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Post;

/// The longest token, in bytes.
const MAX_TOKEN: usize = 512;

impl RestRequest {
    /// A call with a token.
    pub fn new(call: RestCall, token: impl Into<Text>) -> Self {
        Self {
            call,
            token: Token::new(token),
        }
    }

    /// Reads a method and a path as they stand in the request: the path not decoded, with or
    /// without a query, which is ignored.
    ///
    /// The number of segments decides, so an alias or a token may be called `servers`.
    ///
    /// # Errors
    ///
    /// [`RestError`]; [`RestError::status`] is the answer to it.
    pub fn parse(method: &str, path: &str, lenience: Lenience) -> Result<Self, RestError> {
        //= docs/spec/zzw-push-proto.md#rest
        //# What stands behind a question mark MUST NOT be looked at.
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let path = path.strip_prefix('/').ok_or(RestError::NotFound)?;
        let mut segments = [""; 4];
        let mut count = 0_usize;
        for segment in path.split('/') {
            *segments.get_mut(count).ok_or(RestError::NotFound)? = segment;
            count = count.saturating_add(1);
        }
        //= docs/spec/zzw-push-proto.md#rest
        //# A call MUST be told by the number of segments, so that an alias or a token may have the
        //# name of one.
        let segments = segments.get(..count).unwrap_or_default();
        let text = |segment| decode(segment, lenience);
        let page = |segment| Page::parse(&text(segment)?, lenience);
        let (call, token) = match segments {
            ["push", token] => (RestCall::Push, token),
            ["info", token] => (RestCall::Info, token),
            //= docs/spec/zzw-push-proto.md#rest
            //# The paths `/servers/{token}` and `/info/servers/{token}` MUST be the same call.
            ["servers", token] | ["info", "servers", token] => (RestCall::Servers, token),
            ["info", "status", alias, token] => (RestCall::Status(text(alias)?), token),
            ["info", "allChannelAlias", number, token] => {
                (RestCall::ChannelAliases(page(number)?), token)
            }
            ["info", "allSocketIOAlias", number, token] => {
                (RestCall::SocketIoAliases(page(number)?), token)
            }
            _ => return Err(RestError::NotFound),
        };
        if method != call.method() {
            return Err(RestError::Method {
                allowed: call.method(),
            });
        }
        let token = text(token)?;
        //= docs/spec/zzw-push-proto.md#rest
        //# A token that is empty or longer than 512 bytes MUST be answered with status 401.
        if token.is_empty() || token.len() > MAX_TOKEN {
            return Err(RestError::Token);
        }
        Ok(Self::new(call, token))
    }

    /// The path that asks this.
    pub fn path(&self) -> String {
        let mut path = String::from(match self.call {
            RestCall::Push => "/push",
            RestCall::Info => "/info",
            RestCall::Servers => "/info/servers",
            RestCall::Status(_) => "/info/status",
            RestCall::ChannelAliases(_) => "/info/allChannelAlias",
            RestCall::SocketIoAliases(_) => "/info/allSocketIOAlias",
        });
        match &self.call {
            RestCall::Status(alias) => push_segment(&mut path, alias),
            RestCall::ChannelAliases(page) | RestCall::SocketIoAliases(page) => {
                push_segment(&mut path, &page.to_string());
            }
            _ => {}
        }
        push_segment(&mut path, self.token.as_str());
        path
    }
}

impl RestCall {
    /// The method that asks this: `POST` or `GET`.
    pub fn method(&self) -> &'static str {
        match self {
            Self::Push => "POST",
            _ => "GET",
        }
    }
}

impl Page {
    /// Items on a page unless told otherwise.
    pub const SIZE: u32 = 100;
    /// The most items on a page.
    pub const MAX_SIZE: u32 = 1_000;

    /// That page, from 1, of the usual size.
    pub fn new(number: u32) -> Self {
        Self {
            number: number.max(1),
            size: Self::SIZE,
        }
    }

    /// The same page of another size, which is put between 1 and [`Self::MAX_SIZE`].
    #[must_use]
    //= docs/spec/zzw-push-proto.md#rest
    //# A page MUST be counted from 1 and hold 100 aliases, or as many as it says behind a dash, at
    //# most 1000.
    pub fn of_size(self, size: u32) -> Self {
        Self {
            size: size.clamp(1, Self::MAX_SIZE),
            ..self
        }
    }

    /// How many items come before this page.
    pub fn offset(self) -> u64 {
        let before = u64::from(self.number.saturating_sub(1));
        before.saturating_mul(self.size.into())
    }

    /// What is no page is the first one, where that is put up with (Z-34).
    fn parse(text: &str, lenience: Lenience) -> Result<Self, RestError> {
        let (number, size) = match text.split_once('-') {
            Some((number, size)) => (number, Some(size)),
            None => (text, None),
        };
        let positive = |text: &str| text.parse().ok().filter(|number: &u32| *number > 0);
        let page = positive(number).map(Self::new);
        let size = size.map_or(Some(Self::SIZE), positive);
        match (page, size, lenience) {
            (Some(page), Some(size), _) => Ok(page.of_size(size)),
            (_, _, Lenience::Strict) => Err(RestError::Page),
            // Half a page is the usual size of it; anything else is the first one.
            //= docs/spec/zzw-push-proto.md#rest
            //# What is no page MUST be read as the first one unless the reader is strict.
            (page, _, _) => Ok(page.unwrap_or_default()),
        }
    }
}

impl Post {
    /// Reads the body of `POST /push`: a publication whose `t` is 6 or absent (Z-37). A byte order
    /// mark is skipped.
    ///
    /// # Errors
    ///
    /// [`WireError`] for what is none.
    //= docs/spec/zzw-push-proto.md#rest
    //# A posted publication MUST be refused if it has another type than 6.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the message goes on sharing it"
    )]
    pub fn decode(body: Bytes, lenience: Lenience) -> Result<Decoded, WireError> {
        read_message(&body, Form::Post, lenience)
    }

    /// Appends the body that publishes.
    pub fn encode(publish: &Publish, out: &mut Vec<u8>) {
        Message::Publish(publish.clone()).encode(out);
    }
}

impl Default for Page {
    fn default() -> Self {
        Self::new(1)
    }
}

impl std::fmt::Display for Page {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.number)?;
        if self.size != Self::SIZE {
            write!(f, "-{}", self.size)?;
        }
        Ok(())
    }
}

/// Undoes percent encoding, once. A percent sign that begins no escape stands for itself where that
/// is put up with.
//= docs/spec/zzw-push-proto.md#rest
//# A segment MUST be percent-decoded exactly once, as UTF-8.
pub(crate) fn decode(segment: &str, lenience: Lenience) -> Result<Text, RestError> {
    let mut text = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let [first, behind @ ..] = rest {
        rest = behind;
        let escaped = match rest {
            [high, low, tail @ ..] if *first == b'%' => hex(*high).zip(hex(*low)).zip(Some(tail)),
            _ => None,
        };
        if let Some(((high, low), tail)) = escaped {
            text.push((high << 4) | low);
            rest = tail;
        //= docs/spec/zzw-push-proto.md#rest
        //# A percent sign that begins no escape MUST stand for itself unless the reader is strict.
        } else if *first == b'%' && lenience == Lenience::Strict {
            return Err(RestError::Escape);
        } else {
            text.push(*first);
        }
    }
    let text = String::from_utf8(text).map_err(|_| RestError::Escape)?;
    Ok(text.into())
}

fn hex(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

/// Appends a segment, percent-encoded but for what needs it nowhere in a URL.
pub(crate) fn push_segment(path: &mut String, segment: &str) {
    path.push('/');
    for byte in segment.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            path.push(byte.into());
        } else {
            // Writing to a String cannot fail.
            let _ = write!(path, "%{byte:02X}");
        }
    }
}

//! The request for connection information.

use super::name::is_unprintable;
use super::{Text, UnixMillis};
use crate::RequestError;
use crate::sign::{SignValue, Signer};
use lenient_wire::{Kind, ObjectWriter, Scanner, Value, text};
use std::fmt;
use std::fmt::Write as _;

/// A request that is not signed yet.
///
/// ```
/// use analyst_proto::sign::{Preset, SigningKey};
/// use analyst_proto::wire::{ConnectionInfoRequest, Secret, UnixMillis};
///
/// let key = SigningKey::new(Preset::MakeMd5, &Secret::new("test-secret"));
/// let at = UnixMillis(1_558_583_537_598);
/// let request = ConnectionInfoRequest::new("analyst_3", at)?.signed(&key);
/// let target = "/recognition/api/get_connection_info/\
///     ?name=analyst_3&timestamp=1558583537598&sign=414CF01A66FA2BD0DA58BF25B6ED2884";
/// assert_eq!(request.target(), target);
/// # Ok::<(), analyst_proto::RequestError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ConnectionInfoRequest {
    name: Text,
    at: UnixMillis,
}

/// A request with its signature, which may be wrong.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SignedRequest {
    request: ConnectionInfoRequest,
    sign: Text,
}

/// How a request is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum RequestForm {
    /// GET, with the parameters behind the path.
    #[default]
    Query,
    /// POST of a JSON object.
    Json,
}

/// A request as HTTP carries it.
#[derive(Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct InfoCall {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// Path and query.
    pub target: String,
    /// The body; empty for GET.
    pub body: Vec<u8>,
}

/// Longest query or body that is read, in bytes.
const MAX_LEN: usize = 8 * 1024;
/// Deepest body that is read, in levels.
const MAX_DEPTH: u32 = 16;

/// The parameters as they are found.
#[derive(Default)]
struct Found {
    name: Option<Text>,
    timestamp: Option<Text>,
    sign: Option<Text>,
}

impl ConnectionInfoRequest {
    /// The path, with the slash that a POST would get lost without.
    pub const PATH: &str = "/recognition/api/get_connection_info/";
    /// Longest name, in characters.
    pub const MAX_NAME: usize = 64;
    /// The first time that a request may state: 2001-09-09T01:46:40Z.
    pub const MIN_AT: UnixMillis = UnixMillis(1_000_000_000_000);
    /// The last time that a request may state: 2286-11-20T17:46:39.999Z.
    pub const MAX_AT: UnixMillis = UnixMillis(9_999_999_999_999);

    /// The request of the analyser with this name at this time.
    ///
    /// # Errors
    ///
    /// [`RequestError::NameLength`], [`RequestError::NameCharacter`] and
    /// [`RequestError::TimestampRange`].
    pub fn new(name: impl Into<Text>, at: UnixMillis) -> Result<Self, RequestError> {
        let name = name.into();
        //= docs/spec/analyst-proto.md#connection-information
        //# A request MUST be refused whose name is empty or has more than 64 characters.
        if name.is_empty() || name.chars().count() > Self::MAX_NAME {
            let max = Self::MAX_NAME;
            return Err(RequestError::NameLength { max });
        }
        // With these the same text could be signed for two requests.
        //= docs/spec/analyst-proto.md#connection-information
        //# A request MUST be refused whose name has `&`, `=` or a character that no name has in it.
        let is_bad = |char: &char| matches!(char, '&' | '=') || is_unprintable(*char);
        if let Some(char) = name.chars().find(is_bad) {
            return Err(RequestError::NameCharacter(char));
        }
        //= docs/spec/analyst-proto.md#connection-information
        //# A request MUST be refused whose timestamp has not 13 digits.
        if !(Self::MIN_AT..=Self::MAX_AT).contains(&at) {
            return Err(RequestError::TimestampRange);
        }
        Ok(Self { name, at })
    }

    /// Who asks.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// When.
    pub fn at(&self) -> UnixMillis {
        self.at
    }

    /// What is signed.
    pub fn params(&self) -> [(&'static str, SignValue<'_>); 2] {
        //= docs/spec/analyst-proto.md#signature
        //# A request MUST be signed over `name` and `timestamp`, and nothing else.
        [
            ("name", SignValue::Str(&self.name)),
            ("timestamp", SignValue::Int(self.at.0)),
        ]
    }

    /// The request with its signature.
    #[must_use]
    pub fn signed(self, signer: &impl Signer) -> SignedRequest {
        let mut sign = String::new();
        signer.sign(&self.params(), &mut sign);
        SignedRequest {
            request: self,
            sign: sign.into(),
        }
    }
}

impl SignedRequest {
    /// Longest signature, in bytes.
    pub const MAX_SIGN: usize = 128;

    /// Whether a path is that of this request, with or without the slash at its end.
    pub fn is_path(path: &str) -> bool {
        //= docs/spec/analyst-proto.md#connection-information
        //# The path of a request MUST be taken with and without `/` at its end.
        let with_slash = ConnectionInfoRequest::PATH;
        path == with_slash || Some(path) == with_slash.strip_suffix('/')
    }

    /// Reads a request: its body, or its query where there is no body. What the body is shows in
    /// itself, whatever its content type.
    ///
    /// # Errors
    ///
    /// [`RequestError`].
    pub fn parse(query: &str, body: &[u8]) -> Result<Self, RequestError> {
        //= docs/spec/analyst-proto.md#connection-information
        //# A request MUST be read from a query, from a JSON object and from a form, whatever its
        //# content type.
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        match body.trim_ascii_start() {
            [] => Self::parse_form(query.as_bytes()),
            [b'{', ..] => Self::parse_json(body),
            form => Self::parse_form(form.trim_ascii_end()),
        }
    }

    /// Whether whoever has the key signed this.
    pub fn is_signed_by(&self, signer: &dyn Signer) -> bool {
        signer.verify(&self.request.params(), &self.sign)
    }

    /// Who asks.
    pub fn name(&self) -> &str {
        &self.request.name
    }

    /// When, by the clock of whoever asks.
    pub fn at(&self) -> UnixMillis {
        self.request.at
    }

    /// The request as HTTP carries it, to be sent with [`InfoCall::HEADERS`].
    pub fn call(&self, form: RequestForm) -> InfoCall {
        match form {
            RequestForm::Query => InfoCall {
                method: "GET",
                target: self.target(),
                body: Vec::new(),
            },
            RequestForm::Json => {
                let mut body = Vec::new();
                self.encode_json(&mut body);
                InfoCall {
                    method: "POST",
                    target: ConnectionInfoRequest::PATH.into(),
                    body,
                }
            }
        }
    }

    /// Path and query of a GET.
    pub fn target(&self) -> String {
        //= docs/spec/analyst-proto.md#connection-information
        //# A request MUST be sent to the path with `/` at its end.
        let mut target = String::with_capacity(160);
        target.push_str(ConnectionInfoRequest::PATH);
        target.push('?');
        self.encode_query(&mut target);
        target
    }

    /// Appends the query: `name=…&timestamp=…&sign=…`, percent-encoded.
    pub fn encode_query(&self, out: &mut String) {
        out.push_str("name=");
        push_encoded(out, &self.request.name);
        // Writing to a String cannot fail.
        let _ = write!(out, "&timestamp={}&sign=", self.request.at.0);
        push_encoded(out, &self.sign);
    }

    /// Appends the body of a POST: `{"name":"…","timestamp":…,"sign":"…"}`.
    pub fn encode_json(&self, out: &mut Vec<u8>) {
        let mut object = ObjectWriter::new(out);
        object
            .text("name", &self.request.name)
            .display("timestamp", self.request.at.0)
            .text("sign", &self.sign);
        object.end();
    }

    fn parse_form(form: &[u8]) -> Result<Self, RequestError> {
        check_len(form)?;
        let mut found = Found::default();
        for pair in form.split(|byte| *byte == b'&') {
            let mut parts = pair.splitn(2, |byte| *byte == b'=');
            let name = decode(parts.next().unwrap_or_default())?;
            let value = parts.next().unwrap_or_default();
            found.put(&name, || decode(value).map(Some))?;
        }
        found.request()
    }

    fn parse_json(body: &[u8]) -> Result<Self, RequestError> {
        check_len(body)?;
        let mut found = Found::default();
        let mut scan = Scanner::new(body, MAX_DEPTH);
        let not_json = |_| RequestError::NotJson;
        scan.enter_object().map_err(not_json)?;
        while let Some(key) = scan.key().map_err(not_json)? {
            let value = scan.value().map_err(not_json)?;
            let name = text(body, key).ok_or(RequestError::NotJson)?;
            found.put(&name, || Ok(json_text(body, value)))?;
        }
        scan.end().map_err(not_json)?;
        found.request()
    }
}

impl InfoCall {
    /// The headers of every request, GET too.
    //= docs/spec/analyst-proto.md#connection-information
    //# A request MUST be sent with the headers `Content-type: application/json` and
    //# `Accept: text/plain`.
    pub const HEADERS: [(&str, &str); 2] = [
        ("Content-type", "application/json"),
        ("Accept", "text/plain"),
    ];
}

impl Found {
    /// Takes a parameter, if it is one of ours.
    fn put(
        &mut self,
        name: &str,
        value: impl FnOnce() -> Result<Option<String>, RequestError>,
    ) -> Result<(), RequestError> {
        let (name, place) = match name {
            "name" => ("name", &mut self.name),
            "timestamp" => ("timestamp", &mut self.timestamp),
            "sign" => ("sign", &mut self.sign),
            _ => return Ok(()),
        };
        //= docs/spec/analyst-proto.md#connection-information
        //# A request MUST be refused that has one of its parameters twice.
        if place.is_some() {
            return Err(RequestError::Twice(name));
        }
        let value = value()?.ok_or(RequestError::Missing(name))?;
        *place = Some(value.into());
        Ok(())
    }

    fn request(self) -> Result<SignedRequest, RequestError> {
        //= docs/spec/analyst-proto.md#connection-information
        //# A request MUST be refused that lacks `name`, `timestamp` or `sign`.
        let name = self.name.ok_or(RequestError::Missing("name"))?;
        let timestamp = self.timestamp.ok_or(RequestError::Missing("timestamp"))?;
        let sign = self.sign.filter(|sign| !sign.is_empty());
        let sign = sign.ok_or(RequestError::Missing("sign"))?;
        //= docs/spec/analyst-proto.md#connection-information
        //# A request MUST be refused whose signature has more than 128 bytes.
        if sign.len() > SignedRequest::MAX_SIGN {
            let max = SignedRequest::MAX_SIGN;
            return Err(RequestError::SignLength { max });
        }
        let at = UnixMillis(millis(&timestamp)?);
        let request = ConnectionInfoRequest::new(name, at)?;
        Ok(SignedRequest { request, sign })
    }
}

impl fmt::Debug for SignedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedRequest")
            .field("name", &self.request.name)
            .field("at", &self.request.at)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for InfoCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InfoCall")
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

fn check_len(text: &[u8]) -> Result<(), RequestError> {
    //= docs/spec/analyst-proto.md#connection-information
    //# A request MUST be refused that has more than 8192 bytes of parameters.
    if text.len() > MAX_LEN {
        return Err(RequestError::TooLong { max: MAX_LEN });
    }
    Ok(())
}

/// A text, or a number as it is written.
fn json_text(json: &[u8], value: Value) -> Option<String> {
    match value.kind {
        Kind::Text | Kind::EscapedText | Kind::Number => Some(text(json, value)?.into_owned()),
        _ => None,
    }
}

/// A timestamp: a number or its digits, which are the same to whoever signs them.
fn millis(text: &str) -> Result<i64, RequestError> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(RequestError::Timestamp);
    }
    //= docs/spec/analyst-proto.md#connection-information
    //# A timestamp MUST be read as a number or as its decimal digits in quotes, never as a float.
    text.parse().map_err(|_| RequestError::TimestampRange)
}

/// Undoes the encoding of forms, once.
//= docs/spec/analyst-proto.md#connection-information
//# A query and a form MUST be percent-decoded once, as UTF-8, with `+` for a space.
fn decode(text: &[u8]) -> Result<String, RequestError> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, behind @ ..] = rest {
        rest = behind;
        match (first, behind) {
            (b'%', [high, low, tail @ ..]) => {
                let byte = hex(*high)
                    .zip(hex(*low))
                    .map(|(high, low)| (high << 4) | low);
                decoded.push(byte.ok_or(RequestError::Escape)?);
                rest = tail;
            }
            (b'%', _) => return Err(RequestError::Escape),
            (b'+', _) => decoded.push(b' '),
            _ => decoded.push(*first),
        }
    }
    String::from_utf8(decoded).map_err(|_| RequestError::Escape)
}

fn hex(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

/// Appends a text, percent-encoded but for what needs it nowhere in a URL.
fn push_encoded(out: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(byte.into());
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

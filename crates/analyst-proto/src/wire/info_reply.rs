//! The reply to a request for connection information.

use super::{ClientId, ConnectionInfo, InfoWarning, ParentTopic, Secret, Text};
use crate::policy::split_host;
use crate::{InfoError, NameError};
use lenient_wire::{Kind, ObjectWriter, ScanError, Scanner, Value, integer, text};

/// What a server replies to `get_connection_info`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum InfoReply {
    /// `status` 0.
    Info(ConnectionInfo),
    /// Another `status`.
    Rejected(Rejection),
}

/// A reply that gives nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Rejection {
    /// `status`.
    pub code: ErrorCode,
    /// `msg`.
    pub msg: Text,
}

/// `status` of a reply that gives nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// `4`: the signature is wrong.
    SignInvalid,
    /// A code that no document names.
    Other(i64),
}

/// Why an analyser has no connection information.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NoInfo {
    /// The server does not give it.
    Rejected(Rejection),
    /// What came is no reply.
    Garbled(InfoError),
    /// Nothing came: no connection, or no answer in time.
    Unreachable,
}

/// A reply, and what was odd about it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct DecodedInfo {
    /// What it says.
    pub reply: InfoReply,
    /// In the order of the members; empty as a rule.
    pub warnings: Vec<InfoWarning>,
}

/// The longest reply, in bytes.
const MAX_LEN: usize = 64 * 1024;
/// The deepest reply, in levels.
const MAX_DEPTH: u32 = 16;

/// Where the members of the reply's innermost object stand.
#[derive(Default)]
struct Members {
    topic: Value,
    password: Value,
    client_id: Value,
    keepalive: Value,
    server_client_id: Value,
    user_name: Value,
    port: Value,
    broker_url: Value,
    data: Value,
}

impl InfoReply {
    /// The longest reply that is read, in bytes.
    pub const MAX_LEN: usize = MAX_LEN;

    /// A refusal with the message that is usual for its code.
    pub fn rejected(code: ErrorCode) -> Self {
        Self::Rejected(Rejection::new(code, code.usual_msg()))
    }

    /// Reads a reply with the HTTP status it came with, which only says what went wrong where the
    /// body is no reply.
    ///
    /// # Errors
    ///
    /// [`InfoError`].
    pub fn decode(http: u16, body: &[u8]) -> Result<DecodedInfo, InfoError> {
        //= docs/spec/analyst-proto.md#connection-information
        //# A reply of more than 65536 bytes or of more than 16 levels MUST be refused.
        if body.len() > MAX_LEN {
            return Err(InfoError::TooLong { max: MAX_LEN });
        }
        //= docs/spec/analyst-proto.md#connection-information
        //# A reply MUST be read whatever its content type and its HTTP status.
        let body = trim(body);
        let not_json = |error| match error {
            ScanError::TooDeep { max } => InfoError::TooDeep { max },
            _ => InfoError::NotJson { http },
        };
        let (status, msg, data) = outer(body).map_err(not_json)?;
        //= docs/spec/analyst-proto.md#connection-information
        //# A reply MUST count as given if its `status` is 0, a number or its digits in quotes, whatever
        //# its `msg` is.
        let status = integer(body, status).ok_or(InfoError::Missing("status"))?;
        if status != 0 {
            //= docs/spec/analyst-proto.md#connection-information
            //# What a refusal has in `data` MUST NOT be looked at.
            let msg = text(body, msg).unwrap_or_default();
            let rejection = Rejection::new(status.into(), &*msg);
            return Ok(Self::Rejected(rejection).into());
        }
        let data = object(body, data).ok_or(InfoError::Missing("data"))?;
        let flat = Members::read(data).map_err(not_json)?;
        //= docs/spec/analyst-proto.md#connection-information
        //# Connection information MUST be read from `data` within `data`, and from `data` itself if
        //# there is no object in that.
        let Some(inner) = object(data, flat.data) else {
            return flat.info(data);
        };
        let members = Members::read(inner).map_err(not_json)?;
        //= docs/spec/analyst-proto.md#connection-information
        //# Connection information in a third level of `data` MUST be refused.
        if members.client_id.kind == Kind::Missing && object(inner, members.data).is_some() {
            return Err(InfoError::Nested);
        }
        members.info(inner)
    }

    /// Appends the reply, compact and in the document's order.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut reply = ObjectWriter::new(out);
        match self {
            Self::Info(info) => {
                //= docs/spec/analyst-proto.md#connection-information
                //# A reply that gives MUST be `msg`, `status` 0, and `data` within `data`, in this
                //# order.
                reply.text("msg", "").display("status", 0);
                let mut data = reply.object("data");
                let mut inner = data.object("data");
                inner
                    .text("topic", info.parent.as_str())
                    .text("password", info.password.as_str())
                    .text("client_id", info.client_id.as_str())
                    .display("keepalive", info.keepalive)
                    .text("server_client_id", info.server_client_id.as_str())
                    .text("user_name", &info.user_name)
                    .display("port", info.port);
                //= docs/spec/analyst-proto.md#connection-information
                //# A `brokerUrl` MUST be `ssl://` and the host if the broker's port is one of TLS,
                //# and the bare host if not.
                if info.is_tls {
                    let scheme = "ssl://";
                    inner.text("brokerUrl", &[scheme, &info.host].concat());
                } else {
                    inner.text("brokerUrl", &info.host);
                }
                inner.end();
                data.end();
            }
            Self::Rejected(rejection) => {
                //= docs/spec/analyst-proto.md#connection-information
                //# A reply that refuses MUST be `msg` and `status`, in this order, without `data`.
                reply
                    .text("msg", &rejection.msg)
                    .display("status", rejection.code.number());
            }
        }
        reply.end();
    }

    /// The connection information, or why there is none.
    ///
    /// # Errors
    ///
    /// [`NoInfo::Rejected`].
    pub fn into_info(self) -> Result<ConnectionInfo, NoInfo> {
        match self {
            Self::Info(info) => Ok(info),
            Self::Rejected(rejection) => Err(NoInfo::Rejected(rejection)),
        }
    }
}

impl Rejection {
    /// A code and its message.
    pub fn new(code: ErrorCode, msg: impl Into<Text>) -> Self {
        let msg = msg.into();
        Self { code, msg }
    }
}

impl ErrorCode {
    /// What the document says with `4`, in its spelling.
    pub const SIGN_INVALID_MSG: &str = "sign is invaild";

    /// The code on the wire.
    pub fn number(self) -> i64 {
        match self {
            Self::SignInvalid => 4,
            Self::Other(code) => code,
        }
    }

    fn usual_msg(self) -> &'static str {
        match self {
            //= docs/spec/analyst-proto.md#connection-information
            //# A wrong signature MUST be answered with status 4 and the document's message, letter by
            //# letter.
            Self::SignInvalid => Self::SIGN_INVALID_MSG,
            Self::Other(_) => "",
        }
    }
}

impl Members {
    /// Finds the members of `object`.
    fn read(object: &[u8]) -> Result<Self, ScanError> {
        let mut members = Self::default();
        let mut scan = Scanner::new(object, MAX_DEPTH);
        scan.enter_object()?;
        while let Some(key) = scan.key()? {
            let value = scan.value()?;
            let member = match text(object, key).as_deref() {
                Some("topic") => &mut members.topic,
                Some("password") => &mut members.password,
                Some("client_id") => &mut members.client_id,
                Some("keepalive") => &mut members.keepalive,
                Some("server_client_id") => &mut members.server_client_id,
                Some("user_name") => &mut members.user_name,
                Some("port") => &mut members.port,
                Some("brokerUrl" | "broker_url") => &mut members.broker_url,
                Some("data") => &mut members.data,
                _ => continue,
            };
            //= docs/spec/analyst-proto.md#connection-information
            //# Of members of a reply that are there twice the last MUST count.
            *member = value;
        }
        Ok(members)
    }

    fn info(&self, json: &[u8]) -> Result<DecodedInfo, InfoError> {
        let required = |value: Value, member| match value.kind {
            Kind::Text | Kind::EscapedText => text(json, value).ok_or(InfoError::Missing(member)),
            _ => Err(InfoError::Missing(member)),
        };
        let wrong = |member| move |error| InfoError::Name { member, error };
        let client = |value, member| {
            let name = required(value, member)?;
            ClientId::new(name).map_err(wrong(member))
        };
        let client_id = client(self.client_id, "client_id")?;
        let server_client_id = client(self.server_client_id, "server_client_id")?;
        let parent = ParentTopic::new(required(self.topic, "topic")?).map_err(wrong("topic"))?;
        let user_name = required(self.user_name, "user_name")?;
        //= docs/spec/analyst-proto.md#connection-information
        //# A user name with U+0000 in it MUST be refused: MQTT has no such text.
        if user_name.contains('\0') {
            return Err(wrong("user_name")(NameError::Forbidden('\0')));
        }
        let password = Secret::new(required(self.password, "password")?);
        let url = required(self.broker_url, "brokerUrl")?;
        let (address, is_tls) = without_scheme(&url);
        //= docs/spec/analyst-proto.md#connection-information
        //# A `brokerUrl` MUST be refused that is more than a scheme of MQTT, a host and a port.
        let (host, own_port) = split_host(address).ok_or(InfoError::Host)?;
        let mut warnings = Vec::new();
        let info = ConnectionInfo {
            keepalive: self.keepalive(json, &mut warnings),
            port: self.port(json, own_port)?,
            is_tls,
            host: host.into(),
            user_name: (&*user_name).into(),
            password,
            parent,
            client_id,
            server_client_id,
        };
        warnings.extend(info.warnings());
        let reply = InfoReply::Info(info);
        Ok(DecodedInfo { reply, warnings })
    }

    fn keepalive(&self, json: &[u8], warnings: &mut Vec<InfoWarning>) -> u16 {
        let keepalive = integer(json, self.keepalive).and_then(|seconds| seconds.try_into().ok());
        //= docs/spec/analyst-proto.md#connection-information
        //# A `keepalive` that is no number from 1 to 65535 MUST be read as 60, with a warning.
        keepalive
            .filter(|seconds| *seconds != 0)
            .unwrap_or_else(|| {
                warnings.push(InfoWarning::Keepalive);
                ConnectionInfo::KEEPALIVE
            })
    }

    fn port(&self, json: &[u8], own: Option<u16>) -> Result<u16, InfoError> {
        //= docs/spec/analyst-proto.md#connection-information
        //# The port in a `brokerUrl` MUST count only if `port` is missing.
        if matches!(self.port.kind, Kind::Missing | Kind::Null) {
            return own.ok_or(InfoError::Missing("port"));
        }
        //= docs/spec/analyst-proto.md#connection-information
        //# A `port` that is no number from 1 to 65535 MUST be refused.
        let port = integer(json, self.port).and_then(|port| port.try_into().ok());
        port.filter(|port| *port != 0).ok_or(InfoError::Port)
    }
}

impl From<InfoReply> for DecodedInfo {
    fn from(reply: InfoReply) -> Self {
        let warnings = Vec::new();
        Self { reply, warnings }
    }
}

impl From<i64> for ErrorCode {
    fn from(code: i64) -> Self {
        match code {
            4 => Self::SignInvalid,
            other => Self::Other(other),
        }
    }
}

impl From<InfoError> for NoInfo {
    fn from(error: InfoError) -> Self {
        Self::Garbled(error)
    }
}

/// Where `status`, `msg` and `data` stand.
fn outer(body: &[u8]) -> Result<(Value, Value, Value), ScanError> {
    let (mut status, mut msg, mut data) = <(Value, Value, Value)>::default();
    let mut scan = Scanner::new(body, MAX_DEPTH);
    scan.enter_object()?;
    while let Some(key) = scan.key()? {
        let value = scan.value()?;
        match text(body, key).as_deref() {
            Some("status") => status = value,
            Some("msg") => msg = value,
            Some("data") => data = value,
            _ => {}
        }
    }
    scan.end()?;
    Ok((status, msg, data))
}

/// The text of an object.
fn object(json: &[u8], value: Value) -> Option<&[u8]> {
    (value.kind == Kind::Object).then(|| value.of(json))
}

/// Without a byte order mark before and zeros or white space behind.
fn trim(body: &[u8]) -> &[u8] {
    let mut body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    while let [rest @ .., 0 | b' ' | b'\t' | b'\r' | b'\n'] = body {
        body = rest;
    }
    body
}

/// A host without the scheme in front of it, and whether that is of TLS.
fn without_scheme(url: &str) -> (&str, bool) {
    //= docs/spec/analyst-proto.md#connection-information
    //# A `brokerUrl` MUST be read with and without `tcp://`, `mqtt://`, `mqtts://` or `ssl://` before
    //# it, and with and without `/` behind it.
    let Some((scheme, rest)) = url.split_once("://") else {
        return (url, false);
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    match scheme.to_ascii_lowercase().as_str() {
        "tcp" | "mqtt" => (rest, false),
        "mqtts" | "ssl" => (rest, true),
        _ => (url, false), // `:` and `/` make it no host
    }
}

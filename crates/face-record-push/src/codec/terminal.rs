//! The configuration API of a terminal and its login, both ends.

use super::{Envelope, MAX_QUESTION, is_object};
use crate::platform::{EnrolError, TerminalAnswer, TerminalAsk};
use crate::wire::member;
use crate::{Ask, AskError, AskReply, Dest, Login, Subscription, Token};
use lenient_wire::{Kind, ObjectWriter, boolean, integer, push_base64, text};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// An HTTP request to a terminal, as far as the protocol cares.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TerminalRequest {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// Path, below the base of [`crate::platform::Terminal::api`].
    pub path: &'static str,
    /// `Authorization`
    pub authorization: Option<String>,
    /// JSON, or nothing.
    pub body: Vec<u8>,
}

/// Reads a question of the configuration API, of at most [`MAX_QUESTION`] bytes.
///
/// What is missing or null stays as it is. The destination is not checked yet.
///
/// # Errors
///
/// [`AskError`] for what is no object, for an `event_dest` that is no text and an `enabled` that is
/// no truth.
pub fn read_ask(is_post: bool, body: &[u8]) -> Result<Ask, AskError> {
    if !is_post {
        return Ok(Ask::Read);
    }
    check_question(body)?;
    //= docs/spec/face-record-push.md#subscription
    //# The terminal MUST leave a member of its configuration as it is where a change does not name
    //# it.
    //= docs/spec/face-record-push.md#subscription
    //# The terminal MUST pass over members of a change that it does not know.
    let stated = |name: &str| member(body, name).filter(|value| value.kind != Kind::Null);
    let event_dest = match stated("event_dest") {
        None => None,
        Some(value) if matches!(value.kind, Kind::Number) => return Err(AskError::Dest),
        Some(value) => Some(text(body, value).ok_or(AskError::Dest)?.into_owned()),
    };
    //= docs/spec/face-record-push.md#subscription
    //# An empty `event_dest` MUST be read as one that a change does not name.
    let event_dest = event_dest.filter(|dest| !dest.trim().is_empty());
    //= docs/spec/face-record-push.md#subscription
    //# The terminal MUST read `enabled` from true and false, from 1 and 0 and from the words in
    //# quotes.
    let is_enabled = match stated("enabled") {
        None => None,
        Some(value) => Some(boolean(body, value).ok_or(AskError::Enabled)?),
    };
    Ok(Ask::Change {
        event_dest,
        is_enabled,
    })
}

/// Appends the body of a question that sets this configuration.
pub fn encode_ask(subscription: &Subscription, out: &mut Vec<u8>) {
    let dest = subscription.dest.as_deref().map_or("", Dest::as_str);
    let mut object = ObjectWriter::new(out);
    object
        .text("event_dest", dest)
        .display("enabled", subscription.is_enabled);
    object.end();
}

/// Appends the body of a terminal's reply, whose HTTP status is its code. With `literal_null`, the
/// configuration is left out, as in the document's example.
pub fn encode_ask_reply(reply: &AskReply, literal_null: bool, out: &mut Vec<u8>) {
    //= docs/spec/face-record-push.md#subscription
    //# The terminal MUST answer a question for its configuration or a change of it with `code`,
    //# `msg` and `data`, and with the code as the HTTP status.
    let mut envelope = ObjectWriter::new(out);
    match &reply.data {
        // The document writes the members of its two examples in different orders.
        None => {
            envelope
                .raw("data", "null")
                .display("code", reply.code)
                .text("msg", &reply.msg);
        }
        Some(subscription) => {
            envelope.display("code", reply.code).text("msg", &reply.msg);
            let data = envelope.name("data");
            //= docs/spec/face-record-push.md#subscription
            //# The terminal MUST answer a question for its configuration with null only if its own
            //# settings say so.
            if literal_null {
                data.extend_from_slice(b"null");
            } else {
                encode_ask(subscription, data);
            }
        }
    }
    envelope.end();
}

/// Reads a terminal's reply to a question about its configuration: the configuration, or `None` for
/// `data: null`.
///
/// A destination that [`Dest::parse`] refuses is none, and a missing `enabled` is true.
///
/// # Errors
///
/// [`EnrolError`] if the terminal says no, or nothing that can be understood.
pub fn read_ask_reply(status: u16, body: &[u8]) -> Result<Option<Subscription>, EnrolError> {
    let envelope = success(status, body)?;
    //= docs/spec/face-record-push.md#subscription
    //# The receiver MUST read a terminal's configuration from an object, and take null and an empty
    //# object for none.
    if envelope.data.kind != Kind::Object || envelope.data().trim_ascii() == b"{}" {
        return Ok(None);
    }
    let dest = envelope.text("event_dest");
    let dest = dest.and_then(|url| Dest::parse(&url).ok()).map(Arc::new);
    let is_enabled = envelope.truth("enabled").unwrap_or(true);
    let mut subscription = Subscription::default();
    (subscription.dest, subscription.is_enabled) = (dest, is_enabled);
    Ok(Some(subscription))
}

/// Appends the body of a login for so many minutes, which the documents have from 1 to 1,440 and
/// with 5 as the default.
pub fn encode_login(login: &Login, minutes: u16, out: &mut Vec<u8>) {
    let mut object = ObjectWriter::new(out);
    object
        .text("username", &login.username)
        .text("password", &login.password)
        .display("validTime", minutes.clamp(1, 1_440));
    object.end();
}

/// Reads a login: the account, and how long its token is to be good for.
///
/// # Errors
///
/// [`AskError`] for what is no object. A missing member is empty.
pub fn read_login(body: &[u8]) -> Result<(Login, Duration), AskError> {
    check_question(body)?;
    let owned = |name: &str| {
        let text = member(body, name).and_then(|value| text(body, value));
        text.unwrap_or_default().into_owned()
    };
    let minutes = member(body, "validTime")
        .and_then(|value| integer(body, value))
        .and_then(|minutes| u64::try_from(minutes).ok())
        .unwrap_or(5);
    let valid = Duration::from_secs(minutes.clamp(1, 1_440).saturating_mul(60));
    Ok((Login::new(owned("username"), owned("password")), valid))
}

/// Appends the body of the reply to a login.
pub fn encode_token(token: &Token, out: &mut Vec<u8>) {
    let mut envelope = ObjectWriter::new(out);
    envelope.raw("code", "200").text("msg", "OK");
    envelope.object("data").text("token", &token.0).end();
    envelope.end();
}

/// Reads the reply to a login.
///
/// # Errors
///
/// As [`read_ask_reply`].
pub fn read_token(status: u16, body: &[u8]) -> Result<Token, EnrolError> {
    let envelope = success(status, body)?;
    let token = envelope.text("token").filter(|token| !token.is_empty());
    let token = token.ok_or(EnrolError::Garbled)?;
    Ok(Token(token.into_owned()))
}

/// Puts a question to a terminal into an HTTP request. Without a token the account itself is sent
/// (`Basic`), which terminals take as well.
pub fn encode_terminal_ask(ask: &TerminalAsk, login: Option<&Login>) -> TerminalRequest {
    const SUBSCRIBE: &str = "/v1/event/subscribe";
    let mut body = Vec::new();
    let (method, path, token) = match ask {
        TerminalAsk::Login => {
            if let Some(login) = login {
                encode_login(login, 5, &mut body);
            }
            return TerminalRequest {
                method: "POST",
                path: "/v1/auth/login",
                authorization: None,
                body,
            };
        }
        TerminalAsk::GetConfig(token) => ("GET", SUBSCRIBE, token),
        TerminalAsk::PutConfig(token, subscription) => {
            encode_ask(subscription, &mut body);
            ("POST", SUBSCRIBE, token)
        }
    };
    let bearer = token.as_ref().map(|token| format!("Bearer {}", token.0));
    TerminalRequest {
        method,
        path,
        authorization: bearer.or_else(|| login.map(basic)),
        body,
    }
}

/// Reads a terminal's answer to `ask`.
pub fn read_terminal_answer(ask: &TerminalAsk, status: u16, body: &[u8]) -> TerminalAnswer {
    let answer = match ask {
        TerminalAsk::Login => read_token(status, body).map(TerminalAnswer::Token),
        TerminalAsk::GetConfig(_) => read_ask_reply(status, body).map(TerminalAnswer::Config),
        TerminalAsk::PutConfig(..) => success(status, body).map(|_| TerminalAnswer::Taken),
    };
    answer.unwrap_or_else(TerminalAnswer::Failed)
}

/// The envelope of an answer that says yes: status 2xx and code 0 or 200.
pub(super) fn success(status: u16, body: &[u8]) -> Result<Envelope<'_>, EnrolError> {
    let envelope = Envelope::read(body);
    let code = envelope.and_then(|envelope| envelope.code);
    if status == 401 || code == Some(401) {
        return Err(EnrolError::Unauthorized);
    }
    match (envelope, code) {
        _ if !(200..300).contains(&status) => {
            Err(EnrolError::Refused(code.unwrap_or(i64::from(status))))
        }
        (Some(envelope), Some(0 | 200)) => Ok(envelope),
        (_, Some(code)) => Err(EnrolError::Refused(code)),
        (_, None) => Err(EnrolError::Garbled),
    }
}

/// A question that is one, at least by its form.
pub(super) fn check_question(body: &[u8]) -> Result<(), AskError> {
    if body.len() > MAX_QUESTION {
        return Err(AskError::TooLong { max: MAX_QUESTION });
    }
    if is_object(body) {
        Ok(())
    } else {
        Err(AskError::NotJson)
    }
}

fn basic(login: &Login) -> String {
    let mut header = b"Basic ".to_vec();
    let account = format!("{}:{}", login.username, login.password);
    push_base64(&mut header, account.as_bytes());
    String::from_utf8_lossy(&header).into_owned()
}

impl fmt::Debug for TerminalRequest {
    /// Body and authorization hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (method, path, length) = (self.method, self.path, self.body.len());
        write!(f, "{method} {path} ({length} bytes)")
    }
}

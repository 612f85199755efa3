//! Bytes to messages and back. Drivers carry method, path, headers and bodies; what they mean is
//! told here.

mod headers;
mod records;
mod terminal;

pub use crate::deface::{Defaced, deface};
pub use headers::{HeaderTime, Identity, content_type, method, note_header, push_headers};
pub use records::{encode_page, encode_query, read_page, read_query};
pub use terminal::{
    TerminalRequest, encode_ask, encode_ask_reply, encode_login, encode_terminal_ask, encode_token,
    read_ask, read_ask_reply, read_login, read_terminal_answer, read_token,
};

use crate::wire::{ReplyBody, VerifyCode, member};
use crate::{Answer, AnswerError, AuthDecision, Item, Push, PushError, Reply};
use bytes::Bytes;
use lenient_wire::{
    Kind, ObjectWriter, Scanner, Value, boolean, float, integer, push_base64, text,
};
use std::borrow::Cow;
use std::time::Duration;

/// Longest answer of a platform, in bytes: 64 KiB.
pub const MAX_ANSWER: usize = 64 << 10;

/// Longest question over the configuration API, in bytes: 64 KiB.
pub const MAX_QUESTION: usize = 64 << 10;

/// Appends the body that a terminal posts: the same bytes for the same item, whenever it is asked.
pub fn encode_push(item: &Item, out: &mut Vec<u8>) {
    let (head, tail) = item.halves();
    out.reserve(push_len(item));
    out.extend_from_slice(head);
    if let Some(jpeg) = item.jpeg().filter(|_| !tail.is_empty()) {
        //= docs/spec/face-record-push.md#record
        //# A picture MUST be written as bare padded base64.
        //= docs/spec/face-record-push.md#delivery
        //# The same record MUST be posted with the same bytes on every attempt.
        push_base64(out, jpeg);
    }
    out.extend_from_slice(tail);
}

/// Length of what [`encode_push`] appends, in bytes.
pub fn push_len(item: &Item) -> usize {
    let (head, tail) = item.halves();
    let jpeg = item.jpeg().filter(|_| !tail.is_empty());
    let base64 = jpeg.map_or(0, |jpeg| jpeg.len().div_ceil(3).saturating_mul(4));
    head.len().saturating_add(base64).saturating_add(tail.len())
}

/// Reads the body of a POST: [`Push::decode`].
///
/// # Errors
///
/// As [`Push::decode`].
pub fn decode_push(body: Bytes) -> Result<Push, PushError> {
    Push::decode(body)
}

/// Appends the body of a receiver's reply. The status is [`Reply::status`], `Retry-After` is
/// [`Reply::retry_after`].
pub fn encode_reply(reply: &Reply, out: &mut Vec<u8>) {
    if matches!(reply.body(), ReplyBody::Empty) {
        return out.extend_from_slice(b"{}");
    }
    //= docs/spec/face-record-push.md#reply
    //# An acknowledgement MUST be written with HTTP status 200, with code 200, with `msg` and
    //# `message` success and with an object in `data`.
    let message = reason(reply.status());
    let mut envelope = ObjectWriter::new(out);
    envelope
        .display("code", reply.code())
        .text("msg", message)
        .text("message", message);
    let mut data = envelope.object("data");
    match reply.body() {
        //= docs/spec/face-record-push.md#reply
        //# The reply to a record MUST NOT hold `pass` unless the receiver is told to speak to
        //# terminals of profile 1.0.
        ReplyBody::Empty | ReplyBody::Envelope { pass: None } => {}
        ReplyBody::Envelope { pass: Some(pass) } => drop(data.display("pass", pass)),
        ReplyBody::Decision(decision) => write_decision(&mut data, decision),
    }
    data.end();
    envelope.end();
}

/// Reads what came back for a post, of at most [`MAX_ANSWER`] bytes.
///
/// A platform that refuses by its HTTP status is understood whatever its body says.
///
/// # Errors
///
/// [`AnswerError`] for a redirection, and for a status of 2xx with a body that is neither empty nor
/// an object with a `code`.
pub fn read_answer(
    status: u16,
    retry_after: Option<&str>,
    body: &[u8],
) -> Result<Answer, AnswerError> {
    let mut answer = Answer::new(status, None);
    answer.retry_after = retry_after
        .and_then(|seconds| seconds.trim().parse().ok())
        .map(Duration::from_secs);
    //= docs/spec/face-record-push.md#destination
    //# A redirection MUST NOT be followed.
    if (300..400).contains(&status) {
        return Err(AnswerError::Redirected(status));
    }
    //= docs/spec/face-record-push.md#destination
    //# An answer longer than 64 KiB MUST NOT be read to its end.
    if body.len() > MAX_ANSWER {
        return Err(AnswerError::TooLong(status));
    }
    if body.trim_ascii().is_empty() {
        return Ok(answer);
    }
    let envelope = Envelope::read(body);
    answer.code = envelope.and_then(|envelope| envelope.code);
    answer.pass = envelope.and_then(|envelope| envelope.truth("pass"));
    match (envelope, answer.code) {
        _ if !(200..300).contains(&status) => Ok(answer),
        (None, _) => Err(AnswerError::NotJson(status)),
        (Some(_), None) => Err(AnswerError::NoCode(status)),
        (Some(_), Some(_)) => Ok(answer),
    }
}

/// Reads the answer to a question whether a person may pass. Whatever is no clear yes is no.
///
/// # Errors
///
/// As [`read_answer`].
pub fn read_decision(status: u16, body: &[u8]) -> Result<AuthDecision, AnswerError> {
    let answer = read_answer(status, None, body)?;
    let data = Envelope::read(body).filter(|_| answer.is_acknowledgement(false));
    let Some(data) = data else {
        return Ok(AuthDecision::undecided());
    };
    let mut decision = AuthDecision::new(data.truth("pass") == Some(true));
    let owned = |name: &str| {
        let text = data.text(name)?;
        (!text.is_empty()).then(|| text.into_owned())
    };
    decision.tips = owned("customtips");
    decision.user_id = owned("user_id");
    decision.user_name = owned("user_name");
    decision.ic_number = owned("ic_number");
    decision.score = data
        .member("verify_score")
        .and_then(|value| float(data.data(), value));
    decision.code = data
        .member("verify_code")
        .and_then(|value| integer(data.data(), value))
        .map(VerifyCode);
    Ok(decision)
}

fn write_decision(data: &mut ObjectWriter<'_>, decision: &AuthDecision) {
    data.display("pass", decision.pass);
    if let Some(tips) = &decision.tips {
        //= docs/spec/face-record-push.md#remote-auth
        //# A tip MUST NOT be written with more than 10 characters.
        let shown: String = tips.chars().take(10).collect();
        data.text("customtips", &shown);
    }
    for (name, text) in [
        ("user_id", &decision.user_id),
        ("user_name", &decision.user_name),
        ("ic_number", &decision.ic_number),
    ] {
        if let Some(text) = text {
            data.text(name, text);
        }
    }
    if let Some(score) = decision.score.filter(|score| score.is_finite()) {
        data.display("verify_score", format_args!("{score:?}"));
    }
    if let Some(code) = decision.code {
        data.display("verify_code", code.0);
    }
}

/// For people to read; machines look at the code.
fn reason(status: u16) -> &'static str {
    match status {
        200 => "success",
        403 => "not taken from this terminal; ask the operator of the receiver",
        404 => "no such address; compare event_dest with the receiver's",
        405 => "post records here",
        413 => "record too long for this receiver",
        503 => "come again later",
        _ => "failed",
    }
}

/// The envelope `code`, `msg`, `data`, whoever wrote it.
#[derive(Clone, Copy)]
struct Envelope<'a> {
    json: &'a [u8],
    code: Option<i64>,
    data: Value,
}

impl<'a> Envelope<'a> {
    /// `None` for what is no JSON object.
    fn read(json: &'a [u8]) -> Option<Self> {
        if !is_object(json) {
            return None;
        }
        Some(Self {
            json,
            //= docs/spec/face-record-push.md#reply
            //# The code MUST be read from a number, also with a fraction of zero, and from either
            //# of them in quotes.
            //= docs/spec/face-record-push.md#reply
            //# The text of an answer MUST NOT decide whether it is an acknowledgement.
            code: member(json, "code").and_then(|code| integer(json, code)),
            data: member(json, "data").unwrap_or_default(),
        })
    }

    /// The `data`; nothing if it is no object.
    fn data(&self) -> &'a [u8] {
        match self.data.kind {
            Kind::Object => self.data.of(self.json),
            _ => &[],
        }
    }

    fn member(&self, name: &str) -> Option<Value> {
        member(self.data(), name)
    }

    fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        text(self.data(), self.member(name)?)
    }

    fn truth(&self, name: &str) -> Option<bool> {
        boolean(self.data(), self.member(name)?)
    }
}

/// True for one object and nothing else.
fn is_object(json: &[u8]) -> bool {
    let mut scan = Scanner::new(json, 64);
    scan.at_object() && scan.value().and_then(|_| scan.end()).is_ok()
}

//! Messages to bytes and back: WebSocket payloads and HTTP exchanges.

pub use crate::deface::{OVERSIZE, deface};

use crate::AskError;
use crate::wire::{
    Answer, Ask, DeviceList, Dialect, FaceEvent, HistoryPage, HistoryQuery, Limits, RemotePicture,
};
use crate::wire::{percent_decoded, push_percent};
use bytes::Bytes;
use lenient_wire::{ObjectWriter, Scanner, text};
use std::borrow::Cow;
use std::fmt;

/// An HTTP request, as far as the protocol cares.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpRequest {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// Path and query, percent-encoded, from the leading slash on.
    pub target: String,
    /// JSON, or nothing.
    pub body: Vec<u8>,
}

/// An HTTP answer, as far as the protocol cares.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpResponse {
    /// 200, or what went wrong.
    pub status: u16,
    /// `application/json` or `image/jpeg`.
    pub content_type: &'static str,
    /// The body.
    pub body: Bytes,
}

/// Puts `ask` into an HTTP request.
///
/// ```
/// use se5_events::{Ask, Dialect, codec};
///
/// let request = codec::encode_ask(&Ask::Devices(None), Dialect::V1);
/// assert_eq!((request.method, &*request.target), ("GET", "/SophonDevice/api/Devices"));
/// ```
pub fn encode_ask(ask: &Ask, dialect: Dialect) -> HttpRequest {
    match dialect {
        Dialect::V1 => get(target_v1(ask)),
        Dialect::V2 => match ask {
            Ask::Devices(id) => post(DEVICES_V2, |body| {
                let mut object = ObjectWriter::new(body);
                if let Some(id) = id {
                    object.text("media_device_id", id);
                }
                object.end();
            }),
            Ask::Events(query) => post(EVENTS_V2, |body| query.encode(body)),
            Ask::Event(id) => post(EVENT_V2, |body| {
                ObjectWriter::new(body).text("event_id", id).end();
            }),
            Ask::Picture(RemotePicture::Recorded { id, time }) => get(picture_target(
                "/sophon/v2/face/getspotimage/",
                id,
                "timestamp",
                time,
            )),
            Ask::Picture(RemotePicture::Registered { id }) => {
                get(joined("/sophon/v2/face/getregisterimage/", id))
            }
        },
    }
}

/// Reads the request that a box received; tells the dialect by its path.
///
/// # Errors
///
/// [`AskError::Http`] with the status to answer: 404 for an unknown path, 405 for the wrong method,
/// 400 for a body that is none.
pub fn decode_ask(
    method: &str,
    target: &str,
    body: &[u8],
    limits: &Limits,
) -> Result<(Dialect, Ask), AskError> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let parameter = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs
            .find(|(key, _)| *key == name)
            .map(|(_, value)| percent_decoded(value))
    };
    let is_post = POST_PATHS.contains(&path);
    let (dialect, ask) = match path {
        _ if method != if is_post { "POST" } else { "GET" } => {
            //= docs/spec/se5-events.md#box
            //# The box MUST answer an unknown path with status 404 and a wrong method with status
            //# 405.
            let is_known = is_post || GET_PATHS.contains(&path);
            let is_known = is_known || picture_of(path, &parameter).is_some();
            return Err(AskError::Http(if is_known { 405 } else { 404 }));
        }
        //= docs/spec/se5-events.md#box
        //# The box MUST answer a body that is not the documented JSON with status 400.
        _ if is_post && !is_small_object(body, limits) => return Err(AskError::Http(400)),
        DEVICES_V1 => {
            let id = parameter("device_id").filter(|id| !id.is_empty());
            (Dialect::V1, Ask::Devices(id))
        }
        EVENTS_V1 => (Dialect::V1, Ask::Events(HistoryQuery::from_query(query))),
        DEVICES_V2 => {
            let id = member_text(body, "media_device_id").filter(|id| !id.is_empty());
            (Dialect::V2, Ask::Devices(id))
        }
        EVENTS_V2 => {
            let query = HistoryQuery::decode(body, limits).map_err(|_| AskError::Http(400))?;
            (Dialect::V2, Ask::Events(query))
        }
        EVENT_V2 => {
            let id = member_text(body, "event_id").unwrap_or_default();
            (Dialect::V2, Ask::Event(id))
        }
        _ => {
            let (dialect, picture) = picture_of(path, &parameter).ok_or(AskError::Http(404))?;
            (dialect, Ask::Picture(picture))
        }
    };
    Ok((dialect, ask))
}

/// Reads the answer to `ask`, in whichever dialect it comes. Never fails: what is no answer is
/// [`Answer::Failed`].
pub fn decode_answer(ask: &Ask, status: u16, body: Bytes, limits: &Limits) -> Answer {
    if body.len() > limits.max_message {
        return Answer::Failed(AskError::Body);
    }
    //= docs/spec/se5-events.md#events
    //# An answer whose body is an error object MUST be reported as the box's refusal, whatever its
    //# HTTP status.
    if let Some(error) = box_error(&body) {
        return Answer::Failed(error);
    }
    if status != 200 {
        return Answer::Failed(AskError::Http(status));
    }
    let answer = match ask {
        Ask::Devices(_) => DeviceList::decode(&body, limits).map(Answer::Devices),
        Ask::Events(_) => HistoryPage::decode(&body, limits).map(Answer::Page),
        Ask::Event(id) => one_record(id, body, limits).map(Answer::Page),
        Ask::Picture(_) => Ok(Answer::Picture(body)),
    };
    answer.unwrap_or_else(Answer::Failed)
}

/// Puts the answer to `ask` into an HTTP response.
pub fn encode_answer(answer: &Answer, ask: &Ask, dialect: Dialect) -> HttpResponse {
    let mut body = Vec::new();
    let (status, content_type) = match answer {
        Answer::Devices(list) => {
            list.encode(dialect, &mut body);
            (200, JSON)
        }
        Answer::Page(page) => {
            match (ask, page.records.first()) {
                (Ask::Events(query), _) => page.encode(dialect, query.per_page, &mut body),
                (_, Some(record)) => body.extend_from_slice(record.json()),
                (_, None) => body.extend_from_slice(b"{}"),
            }
            (200, JSON)
        }
        Answer::Picture(jpeg) => {
            return HttpResponse {
                status: 200,
                content_type: "image/jpeg",
                body: jpeg.clone(),
            };
        }
        Answer::Failed(error) => {
            let status = encode_error(error, dialect, &mut body);
            (status, JSON)
        }
    };
    HttpResponse {
        status,
        content_type,
        body: body.into(),
    }
}

/// The record called `id`, alone or, as dialect 1 gives it, on a page.
fn one_record(id: &str, body: Bytes, limits: &Limits) -> Result<HistoryPage, AskError> {
    if let Ok(mut page) = HistoryPage::decode(&body, limits) {
        page.records
            .retain(|record| record.event_id().as_deref() == Some(id));
        return Ok(page);
    }
    FaceEvent::decode_recorded(body, limits)
        .map(HistoryPage::single)
        .map_err(|_| AskError::Body)
}

const JSON: &str = "application/json";

const DEVICES_V1: &str = "/SophonDevice/api/Devices";
const EVENTS_V1: &str = "/SophonFace/api/events";
const DEVICES_V2: &str = "/sophon/v2/face/getmediadevices";
const EVENTS_V2: &str = "/sophon/v2/face/getevents";
const EVENT_V2: &str = "/sophon/v2/face/getevent";
const GET_PATHS: [&str; 2] = [DEVICES_V1, EVENTS_V1];
const POST_PATHS: [&str; 3] = [DEVICES_V2, EVENTS_V2, EVENT_V2];

fn target_v1(ask: &Ask) -> String {
    match ask {
        Ask::Devices(None) => DEVICES_V1.to_owned(),
        Ask::Devices(Some(id)) => joined("/SophonDevice/api/Devices?device_id=", id),
        Ask::Events(query) => format!("/SophonFace/api/events?{}", query.to_query()),
        // Dialect 1 has no such question; the page of one record is the nearest.
        Ask::Event(id) => joined("/SophonFace/api/events?page=0&per_page=1&_id=", id),
        Ask::Picture(RemotePicture::Recorded { id, time }) => {
            picture_target("/SophonFace/api/event_images/", id, "datetime", time)
        }
        Ask::Picture(RemotePicture::Registered { id }) => joined("/SophonFace/api/images/", id),
    }
}

fn get(target: String) -> HttpRequest {
    HttpRequest {
        method: "GET",
        target,
        body: Vec::new(),
    }
}

fn post(target: &str, write: impl FnOnce(&mut Vec<u8>)) -> HttpRequest {
    let mut body = Vec::new();
    write(&mut body);
    HttpRequest {
        method: "POST",
        target: target.to_owned(),
        body,
    }
}

fn joined(path: &str, last: &str) -> String {
    let mut target = path.to_owned();
    push_percent(&mut target, last);
    target
}

fn picture_target(path: &str, id: &str, name: &str, time: &str) -> String {
    let mut target = joined(path, id);
    target.push('?');
    target.push_str(name);
    target.push('=');
    push_percent(&mut target, time);
    target
}

fn picture_of(
    path: &str,
    parameter: &dyn Fn(&str) -> Option<String>,
) -> Option<(Dialect, RemotePicture)> {
    let places = [
        (
            "/SophonFace/api/event_images/",
            Dialect::V1,
            Some("datetime"),
        ),
        ("/SophonFace/api/images/", Dialect::V1, None),
        (
            "/sophon/v2/face/getspotimage/",
            Dialect::V2,
            Some("timestamp"),
        ),
        ("/sophon/v2/face/getregisterimage/", Dialect::V2, None),
    ];
    places.into_iter().find_map(|(prefix, dialect, time)| {
        // A plus sign is a space in a query only.
        let id = percent_decoded(&path.strip_prefix(prefix)?.replace('+', "%2B"));
        let picture = match time {
            Some(name) => RemotePicture::Recorded {
                id,
                time: parameter(name).unwrap_or_default(),
            },
            None => RemotePicture::Registered { id },
        };
        Some((dialect, picture))
    })
}

/// True for the body of a question; nothing at all is as good as `{}`.
fn is_small_object(body: &[u8], limits: &Limits) -> bool {
    let mut scan = Scanner::new(body, limits.max_depth);
    let is_object = scan.at_object() && scan.value().and_then(|_| scan.end()).is_ok();
    body.trim_ascii().is_empty() || is_object && body.len() <= limits.max_message
}

/// The text of a top-level member of a small body.
fn member_text(body: &[u8], name: &str) -> Option<String> {
    let value = crate::wire::member(body, name)?;
    text(body, value).map(Cow::into_owned)
}

/// `{"error":{"code":…,"message":…,"status":…}}`, with any HTTP status.
fn box_error(body: &[u8]) -> Option<AskError> {
    // Only bodies that can be one: answers start with another member and may be long.
    let mut scan = Scanner::new(body, 64);
    if !scan.at_object() {
        return None;
    }
    scan.enter_object().ok()?;
    let key = scan.key().ok()??;
    if key.of(body) != b"error" || !scan.at_object() {
        return None;
    }
    let error = scan.value().ok()?.of(body);
    let code = member_text(error, "code")?;
    let message = member_text(error, "message").unwrap_or_default();
    Some(AskError::Box {
        code,
        message,
        status: member_text(error, "status"),
    })
}

/// Appends the error body; returns the HTTP status that goes with it.
fn encode_error(error: &AskError, dialect: Dialect, body: &mut Vec<u8>) -> u16 {
    let (status, code, message) = match error {
        AskError::Http(status) => (*status, code_of(*status, dialect), reason(*status)),
        AskError::Box { code, message, .. } => (200, code.clone(), message.as_str()),
        AskError::Body => (400, code_of(400, dialect), reason(400)),
        AskError::Unreachable => (503, "503".to_owned(), reason(503)),
    };
    let mut object = ObjectWriter::new(body);
    let mut inner = object.object("error");
    match (dialect, code.parse::<i64>()) {
        (Dialect::V1, Ok(code)) => inner.display("code", code),
        _ => inner.text("code", &code),
    };
    inner.text("message", message);
    if let AskError::Box {
        status: Some(status),
        ..
    } = error
    {
        inner.text("status", status);
    }
    inner.end();
    object.end();
    status
}

/// The error code for an HTTP status; dialect 2 has words for some.
fn code_of(status: u16, dialect: Dialect) -> String {
    match (dialect, status) {
        (Dialect::V2, 400) => "INVALID_ARGUMENTS".to_owned(),
        _ => status.to_string(),
    }
}

impl fmt::Debug for HttpRequest {
    /// Queries and bodies may name people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.target.split('?').next().unwrap_or_default();
        write!(f, "{} {path} ({} bytes)", self.method, self.body.len())
    }
}

impl fmt::Debug for HttpResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (status, length) = (self.status, self.body.len());
        write!(f, "{status} {} ({length} bytes)", self.content_type)
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        400 => "request body is not the documented json",
        404 => "no such path; see the table of endpoints in the documentation",
        405 => "wrong method for this path",
        _ => "request failed",
    }
}

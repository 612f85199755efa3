//! What nodes write down for each other.

use super::books::millis;
use super::reply::{Replies, Trouble};
use bytes::Bytes;
use redis::Cmd;
use serde::{Deserialize, Serialize};
use zzw_push_proto::platform::{MessageId, NodeId, NodeInfo, NodeMessage, UnixMillis};
use zzw_push_proto::wire::{Json, Lenience, Message, NodeCounts, Service, Text};

/// How a node is.
#[derive(Debug, Serialize, Deserialize)]
struct Told {
    host: String,
    rest: u16,
    web_socket: u16,
    socket: u16,
    push: u16,
    web_sockets: u64,
    channels: u64,
    socket_ios: u64,
    weight: u32,
    is_draining: bool,
}

/// Something that a node finds in its inbox.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Word {
    Said(NodeId, NodeMessage),
    /// A door frame, and when it came to that node by the clock of Redis, or before.
    Door(NodeId, Message, u64),
    /// So many words were thrown away unread.
    Missed(u64),
    /// The inbox has been made.
    Begun,
}

pub(super) fn info_text(info: &NodeInfo) -> String {
    let told = Told {
        host: info.host.to_string(),
        rest: info.service.rest,
        web_socket: info.service.web_socket,
        socket: info.service.socket,
        push: info.service.push,
        web_sockets: info.counts.web_sockets,
        channels: info.counts.channels,
        socket_ios: info.counts.socket_ios,
        weight: info.weight,
        is_draining: info.is_draining,
    };
    serde_json::to_string(&told).unwrap_or_default()
}

/// None for what another version has written.
pub(super) fn info(text: &str) -> Option<NodeInfo> {
    let told: Told = serde_json::from_str(text).ok()?;
    let mut service = Service::default();
    service.rest = told.rest;
    service.web_socket = told.web_socket;
    service.socket = told.socket;
    service.push = told.push;
    let counts = NodeCounts::new(told.web_sockets, told.channels, told.socket_ios);
    let mut info = NodeInfo::new(told.host, service, counts);
    (info.weight, info.is_draining) = (told.weight, told.is_draining);
    Some(info)
}

/// Adds a message as fields of a stream entry; false if it cannot be said. `now` is the time by the
/// clock of Redis, if that is known.
pub(super) fn write(
    from: NodeId,
    message: &NodeMessage,
    now: Option<UnixMillis>,
    out: &mut Cmd,
) -> bool {
    out.arg("f").arg(from.0);
    match message {
        NodeMessage::Nudge { alias, mid } => {
            out.arg(&["k", "nudge", "a", alias]).arg("m").arg(mid.0);
        }
        NodeMessage::Kick { alias, epoch } => {
            out.arg(&["k", "kick", "a", alias]).arg("m").arg(epoch);
        }
        NodeMessage::Direct {
            alias,
            mid,
            body,
            topic,
        } => {
            out.arg(&["k", "direct", "a", alias]).arg("m").arg(mid.0);
            out.arg("b").arg(body.as_bytes());
            out.arg("t").arg(topic.as_deref().unwrap_or_default());
        }
        NodeMessage::Door { message, age } => {
            // Whoever reads it could not tell how old it is.
            let Some(now) = now else { return false };
            let mut text = Vec::new();
            message.encode(&mut text);
            out.arg(&["k", "door", "b"]).arg(text);
            out.arg("m").arg(now.0.saturating_sub(millis(*age)));
        }
        NodeMessage::Missed => {
            out.arg(&["k", "missed"]);
        }
        NodeMessage::Announce(info) => {
            out.arg(&["k", "announce", "i"]).arg(info_text(info));
        }
        NodeMessage::Gone => {
            out.arg(&["k", "gone"]);
        }
        _ => return false,
    }
    true
}

/// Reads the fields of a stream entry; none for what another version has written.
pub(super) fn read(mut fields: Replies) -> Result<Option<Word>, Trouble> {
    let (mut kind, mut from, mut alias, mut number) = (None, None, None, None);
    let (mut body, mut topic, mut info_text) = (None, None, None);
    while !fields.is_empty() {
        match fields.text()?.as_deref() {
            Some("k") => kind = fields.text()?,
            Some("f") => from = fields.text()?,
            Some("a") => alias = fields.text()?,
            Some("m") => number = Some(fields.number()?),
            Some("b") => body = fields.json()?,
            Some("t") => topic = fields.text()?,
            Some("i") => info_text = fields.text()?,
            _ => drop(fields.value()?),
        }
    }
    let from = from.and_then(|from| from.parse().ok()).map(NodeId);
    let kind = kind.unwrap_or_default();
    let Some(from) = from else {
        return Ok(match (kind.as_str(), number) {
            ("missed", lost) => Some(Word::Missed(lost.unwrap_or_default())),
            ("begun", _) => Some(Word::Begun),
            _ => None,
        });
    };
    if kind.as_str() == "door" {
        return Ok(door(from, body, number));
    }
    let message = message(&kind, alias, number, body, topic, info_text.as_deref());
    Ok(message.map(|message| Word::Said(from, message)))
}

fn door(from: NodeId, body: Option<Json>, came: Option<u64>) -> Option<Word> {
    let body = Bytes::copy_from_slice(body?.as_bytes());
    let decoded = Message::decode(body, Lenience::Strict).ok()?;
    Some(Word::Door(from, decoded.message, came?))
}

fn message(
    kind: &str,
    alias: Option<Text>,
    number: Option<u64>,
    body: Option<Json>,
    topic: Option<Text>,
    info_text: Option<&str>,
) -> Option<NodeMessage> {
    Some(match kind {
        "nudge" => NodeMessage::Nudge {
            alias: alias?,
            mid: MessageId(number?),
        },
        "kick" => NodeMessage::Kick {
            alias: alias?,
            epoch: number?,
        },
        "direct" => NodeMessage::Direct {
            alias: alias?,
            mid: MessageId(number?),
            body: body?,
            topic,
        },
        "missed" => NodeMessage::Missed,
        "announce" => NodeMessage::Announce(info(info_text?)?),
        "gone" => NodeMessage::Gone,
        _ => return None,
    })
}

//! Writing packets.

use super::{AckId, Kind, Revision};
use lenient_wire::push_text;
use std::io::Write as _;

/// Appends an event. `arguments` are JSON each.
///
/// ```
/// # use zzw_push_proto::socketio::{AckId, write_event};
/// let mut out = Vec::new();
/// write_event(&mut out, AckId::new(12), "do_push", &[br#"{"t":6}"#]);
/// assert_eq!(out, br#"212["do_push",{"t":6}]"#);
/// ```
pub fn write_event(out: &mut Vec<u8>, id: Option<AckId>, name: &str, arguments: &[&[u8]]) {
    head(out, Kind::Event, id);
    out.push(b'[');
    push_text(out, name);
    for argument in arguments {
        out.push(b',');
        out.extend_from_slice(argument);
    }
    out.push(b']');
}

/// Appends an acknowledgement. `arguments` are JSON each.
pub fn write_ack(out: &mut Vec<u8>, id: AckId, arguments: &[&[u8]]) {
    head(out, Kind::Ack, Some(id));
    out.push(b'[');
    for (at, argument) in arguments.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(argument);
    }
    out.push(b']');
}

/// Appends a CONNECT: `0`, or `0{…}` with the object that protocol 5 has in both directions
/// (`auth` from the client, `{"sid":…}` from the server).
pub fn write_connect(out: &mut Vec<u8>, json: Option<&[u8]>) {
    out.push(Kind::Connect.digit());
    out.extend_from_slice(json.unwrap_or_default());
}

/// Appends a DISCONNECT, on which the other end reports its own `disconnect`.
pub fn write_disconnect(out: &mut Vec<u8>) {
    out.push(Kind::Disconnect.digit());
}

/// Appends an ERROR with this JSON.
pub fn write_error(out: &mut Vec<u8>, json: &[u8]) {
    out.push(Kind::Error.digit());
    out.extend_from_slice(json);
}

/// Appends the refusal of a namespace, in the shape of the revision.
//= docs/spec/zzw-push-proto.md#socket-io
//# A CONNECT to another namespace MUST be refused in the shape of the link's protocol.
pub fn invalid_namespace(out: &mut Vec<u8>, revision: Revision, namespace: &[u8]) {
    out.push(Kind::Error.digit());
    out.extend_from_slice(namespace);
    out.extend_from_slice(match revision {
        Revision::V4 => br#","Invalid namespace""#,
        Revision::V5 => br#",{"message":"Invalid namespace"}"#,
    });
}

/// A packet whose array is written already.
pub(super) fn write_array(out: &mut Vec<u8>, kind: Kind, id: Option<AckId>, json: &[u8]) {
    head(out, kind, id);
    out.extend_from_slice(json);
}

fn head(out: &mut Vec<u8>, kind: Kind, id: Option<AckId>) {
    out.push(kind.digit());
    if let Some(id) = id {
        // Writing to a Vec cannot fail.
        let _ = write!(out, "{}", id.value());
    }
}

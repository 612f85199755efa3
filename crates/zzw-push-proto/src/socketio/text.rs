//! Where the frame stands in an event's argument.

use super::MAX_DEPTH;
use bytes::Bytes;
use lenient_wire::{Kind, Scanner, Value, text};
use std::fmt;

/// A frame, out of the argument of an event.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Payload {
    /// The object. A slice of the argument unless it had to be unescaped.
    pub json: Bytes,
    /// The argument was a JSON string that holds the object, as Java clients often send it.
    pub was_text: bool,
}

/// The object in an event's argument: the argument itself, or the content of a JSON string (Z-10).
///
/// `None` for everything else. One level only: a string in a string holds no frame. What was text
/// is not validated yet: whoever reads the frame does that, and knows which faults are repaired.
///
/// ```
/// # use zzw_push_proto::socketio::payload;
/// let argument = r#""{\"t\":1,\"alias\":\"小明\"}""#.into();
/// let frame = payload(&argument).unwrap();
/// assert_eq!(frame.json, r#"{"t":1,"alias":"小明"}"#);
/// assert!(frame.was_text);
/// ```
pub fn payload(argument: &Bytes) -> Option<Payload> {
    let mut scan = Scanner::new(argument, MAX_DEPTH);
    let value = scan.value().ok()?;
    scan.end().ok()?;
    payload_at(argument, value)
}

/// The same for a value whose place is known.
//= docs/spec/zzw-push-proto.md#socket-io
//# A message MUST be found in an argument that is an object, and in one that is a text with an
//# object in it.
pub(super) fn payload_at(json: &Bytes, value: Value) -> Option<Payload> {
    let was_text = value.kind != Kind::Object;
    let json = match value.kind {
        Kind::Object | Kind::Text => object(json, value.of(json)),
        Kind::EscapedText => {
            let unescaped = Bytes::from(text(json, value)?.into_owned());
            object(&unescaped, &unescaped)
        }
        _ => None,
    };
    json.map(|json| Payload { json, was_text })
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payload")
            .field("json", &format_args!("{} bytes", self.json.len()))
            .field("was_text", &self.was_text)
            .finish()
    }
}

/// `text`, a part of `whole`, without the white space around it, if it looks like an object.
//= docs/spec/zzw-push-proto.md#socket-io
//# A text with broken JSON in it MUST be repaired like any other message.
fn object(whole: &Bytes, text: &[u8]) -> Option<Bytes> {
    let text = text.trim_ascii();
    text.starts_with(b"{").then(|| whole.slice_ref(text))
}

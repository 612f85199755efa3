//! What a subscriber wants to be sent: the first message after connecting.

use super::{Dialect, Limits};
use crate::{EventError, EventErrorKind};
use bytes::Bytes;
use lenient_wire::{ObjectWriter, ScanError, Scanner, boolean, push_text, text};

/// What a box is to push on one connection. It replaces whatever was asked for before.
///
/// ```text
/// {"need_face":true,"need_register":false,"event_list":["04f98265-…"]}                     dialect 1
/// {"with_face_image":true,"with_register_image":false,"media_device_ids":["04f98265-…"]}   dialect 2
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Subscription {
    /// `need_face`: send the live picture of the face. Default false.
    pub faces: bool,
    /// `need_register`: send the registered picture where there is one. Default false.
    pub registered: bool,
    /// `event_list`: ids of the devices whose events are wanted. Default none.
    pub devices: Vec<String>,
}

impl Subscription {
    /// Events of `devices`, without pictures.
    pub fn new(devices: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            devices: devices.into_iter().map(Into::into).collect(),
            ..Self::default()
        }
    }

    /// With or without live pictures.
    #[must_use]
    pub fn with_faces(mut self, wanted: bool) -> Self {
        self.faces = wanted;
        self
    }

    /// With or without registered pictures.
    #[must_use]
    pub fn with_registered(mut self, wanted: bool) -> Self {
        self.registered = wanted;
        self
    }

    /// Appends the message: strict compact JSON, always all three members.
    pub fn encode(&self, dialect: Dialect, out: &mut Vec<u8>) {
        //= docs/spec/se5-events.md#subscription
        //# A subscription MUST be written as strict compact JSON that holds all three members of
        //# one dialect in the order of the document.
        //= docs/spec/se5-events.md#subscription
        //# A subscription MUST NOT hold members of both dialects.
        //= docs/spec/se5-events.md#subscription
        //# The subscriber MUST NOT send the Python literal that the document prints.
        let [faces, registered, devices] = names(dialect);
        let mut message = ObjectWriter::new(out);
        message
            .display(faces, self.faces)
            .display(registered, self.registered);
        push_list(message.name(devices), &self.devices);
        message.end();
    }

    /// Reads the message, whichever dialect it is in.
    ///
    /// Missing members have their defaults, unknown ones are passed over. An object without any
    /// known member is dialect 1 with all defaults. Ids beyond `limits.max_items` make it too large.
    ///
    /// # Errors
    ///
    /// [`EventError`] for what is no JSON object, or beyond a limit.
    pub fn decode(json: Bytes, limits: &Limits) -> Result<(Dialect, Self), EventError> {
        if json.len() > limits.max_message {
            let kind = EventErrorKind::TooLarge {
                max: limits.max_message,
            };
            return Err(EventError::new(kind, json));
        }
        match read(&json, limits) {
            Ok(message) => Ok(message),
            Err(kind) => Err(EventError::new(kind, json)),
        }
    }

    /// As [`Self::decode`]; what is not JSON gets a second try as the Python literal that the
    /// document prints (`True`, single quotes).
    ///
    /// # Errors
    ///
    /// As [`Self::decode`], about the first try.
    pub fn decode_literal(json: Bytes, limits: &Limits) -> Result<(Dialect, Self), EventError> {
        Self::decode(json, limits).or_else(|error| {
            //= docs/spec/se5-events.md#subscription
            //# The box MUST read a Python literal only if its configuration says so and reading
            //# strict JSON has failed.
            let EventErrorKind::NotJson { .. } = error.kind else {
                return Err(error);
            };
            read(&from_python(&error.raw), limits).map_err(|_| error)
        })
    }

    /// True if events of the device called `id` are wanted.
    pub fn wants(&self, id: &str) -> bool {
        self.devices.iter().any(|device| device == id)
    }
}

/// The three members, in order.
fn names(dialect: Dialect) -> [&'static str; 3] {
    match dialect {
        Dialect::V1 => ["need_face", "need_register", "event_list"],
        Dialect::V2 => ["with_face_image", "with_register_image", "media_device_ids"],
    }
}

/// Appends a JSON list of texts.
pub(crate) fn push_list(out: &mut Vec<u8>, items: &[String]) {
    out.push(b'[');
    for (nth, item) in items.iter().enumerate() {
        if nth > 0 {
            out.push(b',');
        }
        push_text(out, item);
    }
    out.push(b']');
}

fn read(json: &[u8], limits: &Limits) -> Result<(Dialect, Subscription), EventErrorKind> {
    let mut scan = Scanner::new(json, limits.max_depth);
    if !scan.at_object() {
        scan.value().and_then(|_| scan.end())?;
        return Err(EventErrorKind::NotObject);
    }
    //= docs/spec/se5-events.md#subscription
    //# The box MUST accept a subscription in strict JSON with any white space between its tokens.
    //= docs/spec/se5-events.md#subscription
    //# The box MUST take a missing member of a subscription for its default.
    let (mut dialect, mut message) = (Dialect::V1, Subscription::default());
    scan.enter_object()?;
    while let Some(key) = scan.key()? {
        let name = text(json, key).unwrap_or_default();
        if names(Dialect::V2).contains(&&*name) {
            dialect = Dialect::V2;
        }
        match &*name {
            "need_face" | "with_face_image" => {
                message.faces = boolean(json, scan.value()?).unwrap_or_default();
            }
            "need_register" | "with_register_image" => {
                message.registered = boolean(json, scan.value()?).unwrap_or_default();
            }
            "event_list" | "media_device_ids" if scan.at_array() => {
                message.devices = read_list(&mut scan, json, limits.max_items)?.ok_or(
                    EventErrorKind::TooLarge {
                        max: limits.max_items,
                    },
                )?;
            }
            //= docs/spec/se5-events.md#subscription
            //# The box MUST pass over members of a subscription that it does not know.
            _ => drop(scan.value()?),
        }
    }
    scan.end()?;
    Ok((dialect, message))
}

/// The texts and numbers of the list that stands next, each once; `None` if there are too many.
pub(crate) fn read_list(
    scan: &mut Scanner<'_>,
    json: &[u8],
    max: usize,
) -> Result<Option<Vec<String>>, ScanError> {
    let mut items: Vec<String> = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    scan.enter_array()?;
    while scan.element()? {
        let value = scan.value()?;
        //= docs/spec/se5-events.md#limits
        //# A list with more than `max_items` elements MUST be refused.
        if items.len() >= max {
            return Ok(None);
        }
        if let Some(item) = text(json, value) {
            if seen.insert(item.clone()) {
                items.push(item.into_owned());
            }
        }
    }
    Ok(Some(items))
}

/// Rewrites a Python literal as JSON: quotes, `True`, `False`, `None`, a trailing comma.
fn from_python(literal: &[u8]) -> Vec<u8> {
    let mut json = Vec::with_capacity(literal.len());
    let mut rest = literal;
    let mut quote = None;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match (quote, byte) {
            (None, b'"' | b'\'') => {
                quote = Some(byte);
                json.push(b'"');
            }
            (Some(open), _) if byte == open => {
                quote = None;
                json.push(b'"');
            }
            (Some(_), b'\\') => match tail.split_first() {
                Some((b'\'', behind)) => {
                    json.push(b'\'');
                    rest = behind;
                }
                Some((&escaped, behind)) => {
                    json.extend_from_slice(&[b'\\', escaped]);
                    rest = behind;
                }
                None => json.push(b'\\'),
            },
            (Some(_), b'"') => json.extend_from_slice(b"\\\""),
            (None, b',') if tail.trim_ascii_start().starts_with(b"]") => {}
            (None, b',') if tail.trim_ascii_start().starts_with(b"}") => {}
            (None, b'T') if tail.starts_with(b"rue") => json.push(b't'),
            (None, b'F') if tail.starts_with(b"alse") => json.push(b'f'),
            (None, b'N') if tail.starts_with(b"one") => {
                json.extend_from_slice(b"null");
                rest = tail.get(3..).unwrap_or_default();
            }
            _ => json.push(byte),
        }
    }
    json
}

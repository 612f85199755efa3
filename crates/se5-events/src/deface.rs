//! Messages spoilt on purpose, as boxes and networks spoil them.

use crate::Dialect;
use crate::device::Fault;
use bytes::Bytes;
use lenient_wire::{Kind, ScanError, Scanner, Value, push_text, text, unix_millis};

/// Length of a message that [`Fault::Oversize`] has padded, in bytes: one more than the default
/// [`crate::Limits::max_message`] allows.
pub const OVERSIZE: usize = (16 << 20) + 1;

/// An event as a box pushes it, with the faults of content among `faults` inflicted in order.
///
/// [`Fault::Truncated`] leaves two thirds, cut between characters, and [`Fault::Oversize`] pads with
/// spaces to [`OVERSIZE`] bytes: both cost the message. The others leave every fact readable:
/// [`Fault::WrongTypes`] turns numbers into text, text of digits into numbers and the time into
/// seconds; [`Fault::EscapedSlashes`] writes `\/`; [`Fault::WrappedBase64`] breaks pictures with `\n`
/// after each 76 characters; [`Fault::DataPrefix`] puts `data:image/jpeg;base64,` before the pictures
/// of dialect 1, as dialect 2 always has it. Faults of framing and state change nothing here, nor
/// does any fault in a message that is no JSON object.
///
/// ```
/// use se5_events::device::Fault;
/// use se5_events::{Dialect, FaceEvent, Sighting, UnixMillis, LiveForm, codec};
///
/// let sighting = Sighting::new("7.5", "gate", UnixMillis(1_607_062_639_701));
/// let sent = sighting.to_live(LiveForm::new(Dialect::V1));
/// let spoilt = codec::deface(sent.json().clone(), Dialect::V1, &[Fault::WrongTypes]);
/// let read = FaceEvent::decode(spoilt)?;
/// assert_eq!(read.raw(&["timestamp"]), Some("\"1607062639.701\""));
/// assert_eq!(read.timestamp().map(|time| time.unix), sent.timestamp().map(|time| time.unix));
/// # Ok::<(), se5_events::EventError>(())
/// ```
pub fn deface(json: Bytes, dialect: Dialect, faults: &[Fault]) -> Bytes {
    let spoil = |json: Bytes, fault: &Fault| match fault {
        Fault::Oversize(_) => padded(&json),
        Fault::Truncated(_) => truncated(&json),
        Fault::WrongTypes => edited(json, wrong_type),
        Fault::EscapedSlashes => escaped(&json),
        Fault::WrappedBase64 => edited(json, wrapped),
        Fault::DataPrefix if dialect == Dialect::V1 => edited(json, prefixed),
        _ => json,
    };
    faults.iter().fold(json, spoil)
}

fn padded(json: &Bytes) -> Bytes {
    let mut longer = json.to_vec();
    // White space behind the object is part of the message, and legal.
    longer.resize(OVERSIZE.max(json.len()), b' ');
    longer.into()
}

/// Half a character would be an error of the transport, which is another fault.
fn truncated(json: &Bytes) -> Bytes {
    let third = json.len().div_euclid(3);
    let cut = json.len().saturating_sub(third.max(1));
    let starts_character = |at: &usize| json.get(*at).is_none_or(|byte| byte & 0xc0 != 0x80);
    let end = (0..=cut).rev().find(starts_character).unwrap_or_default();
    json.slice(..end)
}

/// Slashes stand in texts only. What is escaped already stays as it is.
fn escaped(json: &Bytes) -> Bytes {
    let mut out = Vec::with_capacity(json.len());
    let mut is_escape = false;
    for &byte in json {
        if byte == b'/' && !is_escape {
            out.push(b'\\');
        }
        is_escape = byte == b'\\' && !is_escape;
        out.push(byte);
    }
    out.into()
}

/// A member's new JSON; `None` leaves it.
type Edit = fn(json: &[u8], name: &[u8], value: Value) -> Option<Vec<u8>>;

/// `json` with `edit` applied to the members at the top and in `ext_data`.
fn edited(json: Bytes, edit: Edit) -> Bytes {
    let mut rewriter = Rewriter {
        json: &json,
        edit,
        out: Vec::with_capacity(json.len()),
        copied: 0,
    };
    let mut scan = Scanner::new(&json, 64);
    match rewriter.object(&mut scan) {
        Ok(()) => {
            rewriter.copy_to(json.len());
            rewriter.out.into()
        }
        Err(_) => json,
    }
}

struct Rewriter<'a> {
    json: &'a [u8],
    edit: Edit,
    out: Vec<u8>,
    copied: usize, // so much of `json` is in `out`
}

impl Rewriter<'_> {
    fn object(&mut self, scan: &mut Scanner<'_>) -> Result<(), ScanError> {
        scan.enter_object()?;
        while let Some(key) = scan.key()? {
            let name = key.of(self.json);
            if name == b"ext_data" && scan.at_object() {
                self.object(scan)?;
                continue;
            }
            let value = scan.value()?;
            if let Some(replacement) = (self.edit)(self.json, name, value) {
                let quote = usize::from(is_text(value));
                self.copy_to(value.range().start.saturating_sub(quote));
                self.out.extend_from_slice(&replacement);
                self.copied = value.range().end.saturating_add(quote);
            }
        }
        Ok(())
    }

    fn copy_to(&mut self, end: usize) {
        let part = self.json.get(self.copied..end).unwrap_or_default();
        self.out.extend_from_slice(part);
        self.copied = end;
    }
}

fn wrong_type(json: &[u8], name: &[u8], value: Value) -> Option<Vec<u8>> {
    if holds_picture(name) {
        return None;
    }
    let content = text(json, value)?;
    if is_text(value) {
        let is_plain = content
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.');
        return (is_plain && is_number(&content)).then(|| content.into_owned().into_bytes());
    }
    let mut quoted = Vec::new();
    let millis = unix_millis(&content).filter(|&millis| millis >= 0 && name == b"timestamp");
    match millis {
        Some(millis) => {
            let (seconds, rest) = (millis.div_euclid(1000), millis.rem_euclid(1000));
            push_text(&mut quoted, &format!("{seconds}.{rest:03}"));
        }
        None => push_text(&mut quoted, &content),
    }
    Some(quoted)
}

fn wrapped(json: &[u8], name: &[u8], value: Value) -> Option<Vec<u8>> {
    let picture = picture(json, name, value)?;
    // Python's `encodebytes` breaks the base64 only.
    let prefix = match picture.iter().take(64).position(|&byte| byte == b',') {
        Some(comma) => comma.saturating_add(1),
        None => 0,
    };
    let (prefix, base64) = picture.split_at_checked(prefix)?;
    let mut out = vec![b'"'];
    out.extend_from_slice(prefix);
    for line in lines(base64) {
        out.extend_from_slice(line);
        out.extend_from_slice(b"\\n");
    }
    out.push(b'"');
    Some(out)
}

fn prefixed(json: &[u8], name: &[u8], value: Value) -> Option<Vec<u8>> {
    let picture = picture(json, name, value).filter(|picture| !picture.starts_with(b"data:"))?;
    let mut out = Vec::from(*b"\"data:image/jpeg;base64,");
    out.extend_from_slice(picture);
    out.push(b'"');
    Some(out)
}

/// What stands between the quotes of a picture that is there.
fn picture<'a>(json: &'a [u8], name: &[u8], value: Value) -> Option<&'a [u8]> {
    let is_there = holds_picture(name) && is_text(value);
    Some(value.of(json)).filter(|content| is_there && !content.is_empty())
}

/// Pieces of 76 characters. An escape is never torn apart, but counts as two.
fn lines(base64: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = base64;
    std::iter::from_fn(move || {
        let mut length = rest.len().min(76);
        let before = rest.get(..length).unwrap_or_default();
        let backslashes = before.iter().rev().take_while(|&&byte| byte == b'\\');
        if backslashes.count() % 2 == 1 {
            length = length.saturating_add(1);
        }
        let (line, behind) = rest.split_at_checked(length)?;
        rest = behind;
        (!line.is_empty()).then_some(line)
    })
}

/// The pictures of live events in either dialect.
fn holds_picture(name: &[u8]) -> bool {
    matches!(
        name,
        b"reg_pic" | b"recognize_face" | b"spot_pic" | b"register_image" | b"recognize_face_image"
    )
}

fn is_text(value: Value) -> bool {
    matches!(value.kind, Kind::Text | Kind::EscapedText)
}

/// True for what JSON could write without quotes.
fn is_number(text: &str) -> bool {
    let mut scan = Scanner::new(text.as_bytes(), 1);
    scan.value().is_ok_and(|value| value.kind == Kind::Number) && scan.end().is_ok()
}

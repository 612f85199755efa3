//! Posts spoilt on purpose, as bad terminals spoil them.

use crate::device::Fault;
use bytes::Bytes;
use lenient_wire::{Kind, ScanError, Scanner, Value, integer, push_text, text};

/// A post as a bad terminal sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Defaced {
    /// The body.
    pub body: Bytes,
    /// Whether `Content-Type` is sent, where the profile has it.
    pub has_content_type: bool,
}

/// The body of a post with the faults of content and framing among `faults` inflicted in order.
///
/// All but two leave every fact readable: [`Fault::TrailingComma`] makes the body something that is
/// no JSON, and [`Fault::BlankPicture`] and [`Fault::NullUser`] take away what they say. The same
/// faults make the same bytes of the same body. Faults of the machine change nothing here, nor does
/// any fault in a body that is no JSON object.
///
/// ```
/// use face_record_push::device::Fault;
/// use face_record_push::{Profile, Push, Recognition, UnixMillis, codec};
///
/// let item = Recognition::new("PS71", UnixMillis(1_660_625_866_000)).to_item(Profile::V1_1, None);
/// let mut body = Vec::new();
/// codec::encode_push(&item, &mut body);
/// let spoilt = codec::deface(body.into(), &[Fault::ClockOff(-3_600), Fault::NoContentType]);
/// assert!(!spoilt.has_content_type);
/// assert_eq!(Push::decode(spoilt.body)?.time(), Some(UnixMillis(1_660_622_266_000)));
/// # Ok::<(), face_record_push::PushError>(())
/// ```
pub fn deface(body: Bytes, faults: &[Fault]) -> Defaced {
    let spoil = |body: Bytes, fault: &Fault| match *fault {
        Fault::UserIdKind => edited(body, &other_kind),
        Fault::EscapedSlashes => edited(body, &escaped),
        Fault::WrappedBase64 => edited(body, &wrapped),
        Fault::BlankPicture => edited(body, &|_, name, _| {
            (name == PICTURE).then(|| b"\" \"".to_vec())
        }),
        Fault::NullUser => edited(body, &|_, name, _| (name == USER).then(|| b"null".to_vec())),
        Fault::ClockOff(seconds) => edited(body, &|json, name, value| {
            let time = integer(json, value).filter(|_| name == b"timestamp")?;
            Some(time.saturating_add(seconds).to_string().into_bytes())
        }),
        Fault::Oversize(len) => {
            edited(body, &|_, name, _| (name == PICTURE).then(|| oversize(len)))
        }
        Fault::Rewritten => with_end(&body, b" }"),
        Fault::TrailingComma => with_end(&body, b",}"),
        _ => body,
    };
    Defaced {
        body: faults.iter().fold(body, spoil),
        has_content_type: !faults.contains(&Fault::NoContentType),
    }
}

const PICTURE: &[u8] = b"rgb_image";
const USER: &[u8] = b"user";

/// Characters of a line in MIME.
const LINE: usize = 76;

/// The body with another end than `}`.
fn with_end(body: &Bytes, end: &[u8]) -> Bytes {
    match body.strip_suffix(b"}") {
        Some(start) => [start, end].concat().into(),
        None => body.clone(),
    }
}

/// Text for a number, and a number for text that is one as JSON writes it: not `007`.
fn other_kind(json: &[u8], name: &[u8], value: Value) -> Option<Vec<u8>> {
    if name != b"user_id" {
        return None;
    }
    let content = text(json, value)?;
    if is_text(value) {
        let number = content.parse::<u64>().ok().map(|id| id.to_string());
        let is_number = number.as_deref() == Some(&*content);
        return is_number.then(|| content.into_owned().into_bytes());
    }
    let mut quoted = Vec::new();
    push_text(&mut quoted, &content);
    Some(quoted)
}

fn escaped(json: &[u8], name: &[u8], value: Value) -> Option<Vec<u8>> {
    if name != PICTURE || !is_text(value) {
        return None;
    }
    let (mut out, mut is_escape) = (vec![b'"'], false);
    for &byte in value.of(json) {
        if byte == b'/' && !is_escape {
            out.push(b'\\');
        }
        is_escape = byte == b'\\' && !is_escape;
        out.push(byte);
    }
    out.push(b'"');
    Some(out)
}

fn wrapped(json: &[u8], name: &[u8], value: Value) -> Option<Vec<u8>> {
    let is_plain = value.kind == Kind::Text && name == PICTURE;
    let picture = is_plain.then(|| value.of(json))?;
    let mut out = vec![b'"'];
    for line in picture.chunks(LINE) {
        out.extend_from_slice(line);
        out.extend_from_slice(b"\\r\\n");
    }
    out.push(b'"');
    Some(out)
}

/// Zeros, as base64.
fn oversize(len: u32) -> Vec<u8> {
    let whole = usize::try_from(len).unwrap_or_default() & !3;
    let mut out = Vec::with_capacity(whole.saturating_add(2));
    out.push(b'"');
    out.resize(whole.saturating_add(1), b'A');
    out.push(b'"');
    out
}

fn is_text(value: Value) -> bool {
    matches!(value.kind, Kind::Text | Kind::EscapedText)
}

/// A member's new JSON; `None` leaves it.
type Edit<'e> = &'e dyn Fn(&[u8], &[u8], Value) -> Option<Vec<u8>>;

/// `json` with `edit` applied to the members at the top, in `data` and in its user.
fn edited(json: Bytes, edit: Edit<'_>) -> Bytes {
    let mut rewriter = Rewriter {
        json: &json,
        edit,
        out: Vec::with_capacity(json.len()),
        copied: 0,
    };
    match rewriter.object(&mut Scanner::new(&json, DEPTH)) {
        Ok(()) => {
            rewriter.copy_to(json.len());
            rewriter.out.into()
        }
        Err(_) => json,
    }
}

/// Deeper than any push.
const DEPTH: u32 = 64;

struct Rewriter<'a> {
    json: &'a [u8],
    edit: Edit<'a>,
    out: Vec<u8>,
    copied: usize, // so much of `json` is in `out`
}

impl Rewriter<'_> {
    fn object(&mut self, scan: &mut Scanner<'_>) -> Result<(), ScanError> {
        scan.enter_object()?;
        while let Some(key) = scan.key()? {
            let name = key.of(self.json);
            let is_object = scan.at_object();
            if is_object && name == b"data" {
                self.object(scan)?;
                continue;
            }
            let mut behind = scan.clone();
            let value = behind.value()?;
            let replacement = (self.edit)(self.json, name, value);
            if is_object && name == USER && replacement.is_none() {
                self.object(scan)?;
                continue;
            }
            *scan = behind;
            if let Some(replacement) = replacement {
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

//! A body without its picture, and whole again.

use super::pictures;
use bytes::Bytes;
use face_record_push::Image;
use lenient_wire::push_base64;
use std::borrow::Cow;

/// A body as it is kept.
///
/// The text of a picture is cut out of a body if base64 of the file gives the same text again,
/// which is how terminals write it. Every other body is kept whole, beside the file.
#[derive(Debug)]
pub(super) struct Split<'b> {
    /// The body, without the picture's text if [`Self::cut`] tells where it was.
    pub(super) raw: Cow<'b, [u8]>,
    pub(super) picture: Option<Picture>,
    pub(super) cut: Option<Cut>,
}

/// A decoded picture, named by its hash.
#[derive(Debug)]
pub(super) struct Picture {
    pub(super) hash: String,
    pub(super) jpeg: Vec<u8>,
}

/// Where a picture's text was cut out, and how it was spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cut {
    /// Offset in the body, in bytes.
    pub(super) at: usize,
    /// Whether each `/` was written as `\/`.
    pub(super) escapes_slashes: bool,
}

impl<'b> Split<'b> {
    /// Takes the picture out of a body, as far as that can be undone.
    pub(super) fn of(body: &'b Bytes, image: Option<&Image>) -> Self {
        let whole = Self {
            raw: Cow::Borrowed(body),
            picture: None,
            cut: None,
        };
        let Some(image) = image else { return whole };
        let mut jpeg = Vec::new();
        if image.jpeg_into(&mut jpeg, body.len()).is_err() || jpeg.is_empty() {
            return whole;
        }
        let picture = Some(Picture {
            hash: pictures::hash(&jpeg),
            jpeg,
        });
        let jpeg = picture.as_ref().map_or(&[][..], |picture| &picture.jpeg);
        match find(body, image.as_wire(), jpeg) {
            Some((cut, length)) => Self {
                raw: [&body[..cut.at], &body[cut.at + length..]].concat().into(),
                picture,
                cut: Some(cut),
            },
            None => Self { picture, ..whole },
        }
    }
}

/// The body that was split into these parts.
pub(super) fn join(raw: &[u8], cut: Cut, jpeg: &[u8]) -> Option<Vec<u8>> {
    let (before, after) = raw.split_at_checked(cut.at)?;
    Some([before, &spelled(jpeg, cut.escapes_slashes), after].concat())
}

/// The cut that takes `wire` out of `body`, and its length, if `jpeg` gives the same text again.
fn find(body: &[u8], wire: &[u8], jpeg: &[u8]) -> Option<(Cut, usize)> {
    let text = match wire.strip_prefix(b"data:") {
        Some(rest) => &rest[rest.iter().position(|&byte| byte == b',')? + 1..],
        None => wire,
    };
    // A picture is a slice of its body.
    let at = text.as_ptr().addr().checked_sub(body.as_ptr().addr())?;
    let is_there = body.get(at..at.checked_add(text.len())?) == Some(text);
    // Any other escape is told by the comparison.
    let escapes_slashes = text.contains(&b'\\');
    let cut = Cut {
        at,
        escapes_slashes,
    };
    (is_there && spelled(jpeg, escapes_slashes) == text).then_some((cut, text.len()))
}

fn spelled(jpeg: &[u8], escapes_slashes: bool) -> Vec<u8> {
    let mut text = Vec::with_capacity(jpeg.len().div_ceil(3) * 4);
    push_base64(&mut text, jpeg);
    if !escapes_slashes {
        return text;
    }
    let pieces: Vec<&[u8]> = text.split(|&byte| byte == b'/').collect();
    pieces.join(&b"\\/"[..])
}

//! Pictures, which stay what they are on the wire until someone asks for the JPEG.

use crate::ImageError;
use bytes::Bytes;
use lenient_wire::{Base64Error, Kind, Value, decode_base64, is_blank_base64};
use std::fmt;

/// A JPEG as base64 text inside a received body: neither copied nor decoded nor looked at yet.
///
/// It keeps the whole body alive; [`Self::detach`] takes the picture out of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Image {
    text: Bytes, // what stands between the quotes
}

impl Image {
    /// The picture at `value` of a body, if there is one.
    pub(crate) fn of(json: &Bytes, value: Value) -> Option<Self> {
        let is_text = matches!(value.kind, Kind::Bulk | Kind::Text | Kind::EscapedText);
        //= docs/spec/face-record-push.md#record
        //# A picture that is missing, null, empty or blank MUST be read as absent.
        (is_text && !is_blank_base64(value.of(json))).then(|| Self {
            text: json.slice(value.range()),
        })
    }

    /// Length of the text on the wire, in bytes.
    pub fn encoded_len(&self) -> usize {
        self.text.len()
    }

    /// Most bytes [`Self::jpeg`] can give.
    pub fn decoded_len_hint(&self) -> usize {
        self.text.len().div_ceil(4).saturating_mul(3)
    }

    /// The text as it stands on the wire, escapes and all.
    pub fn as_wire(&self) -> &Bytes {
        &self.text
    }

    /// The JPEG, at most 8 MiB.
    ///
    /// # Errors
    ///
    /// As [`Self::jpeg_into`].
    pub fn jpeg(&self) -> Result<Vec<u8>, ImageError> {
        let mut jpeg = Vec::new();
        self.jpeg_into(&mut jpeg, 8 << 20)?;
        Ok(jpeg)
    }

    /// Replaces the content of `jpeg` by the picture, without allocating if it is large enough.
    ///
    /// Clean base64 is decoded as it stands. Everything else gets a second try, without `\/`
    /// escapes, white space, a `data:` prefix, and whatever its padding is.
    ///
    /// # Errors
    ///
    /// [`ImageError::NotBase64`] if the second try fails too, [`ImageError::TooLarge`] beyond `max`
    /// bytes. `jpeg` is then empty.
    pub fn jpeg_into(&self, jpeg: &mut Vec<u8>, max: usize) -> Result<(), ImageError> {
        //= docs/spec/face-record-push.md#record
        //# A picture MUST be readable with a `data:` prefix, with line breaks, with JSON escapes
        //# and without its padding.
        decode_base64(&self.text, jpeg, max).map_err(|error| match error {
            Base64Error::TooLarge { max } => ImageError::TooLarge { max },
            Base64Error::NotBase64 { offset } => ImageError::NotBase64 { offset },
            _ => ImageError::NotBase64 { offset: 0 },
        })
    }

    /// The same picture in memory of its own, so that the rest of its body can be freed.
    #[must_use]
    pub fn detach(&self) -> Self {
        Self {
            text: Bytes::copy_from_slice(&self.text),
        }
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<jpeg {} B>", self.decoded_len_hint())
    }
}

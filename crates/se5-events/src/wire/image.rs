//! Pictures, which stay what they are on the wire until someone asks for the JPEG.

use crate::ImageError;
use bytes::Bytes;
use lenient_wire::{Base64Error, decode_base64, is_blank_base64};
use std::fmt;

/// A picture of an event: in the message, at the box, or not there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Picture {
    /// Not sent: missing, `null`, `""` or `" "` on the wire.
    Absent,
    /// In the message.
    Inline(Image),
    /// At the box, to be fetched over HTTP: [`crate::Ask::Picture`].
    Remote(RemotePicture),
}

/// A JPEG as base64 text inside a received frame: neither copied nor decoded nor looked at yet.
///
/// It keeps the whole frame alive; [`Self::detach`] takes the picture out of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Image {
    text: Bytes, // what stands between the quotes
}

/// Where the box keeps a picture.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RemotePicture {
    /// Taken when the event was recorded.
    Recorded {
        /// The box's id for the picture.
        id: String,
        /// Time of the event exactly as the box wrote it, which it wants back verbatim.
        time: String,
    },
    /// Registered with the person.
    Registered {
        /// The box's id for the picture.
        id: String,
    },
}

impl Picture {
    /// The picture if it came with the message.
    pub fn inline(&self) -> Option<&Image> {
        match self {
            Self::Inline(image) => Some(image),
            _ => None,
        }
    }

    /// True unless the picture is absent.
    pub fn is_some(&self) -> bool {
        !matches!(self, Self::Absent)
    }
}

impl Image {
    /// A picture from the text between its quotes.
    pub(crate) fn new(text: Bytes) -> Self {
        Self { text }
    }

    /// True for the text of a picture that is not there: empty, white space, a bare prefix.
    pub(crate) fn is_blank(text: &[u8]) -> bool {
        is_blank_base64(text)
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
        //= docs/spec/se5-events.md#pictures
        //# A picture MUST be readable as bare base64 and with a `data:` prefix.
        //= docs/spec/se5-events.md#pictures
        //# A picture MUST be readable with line breaks and spaces inside its base64.
        //= docs/spec/se5-events.md#pictures
        //# A picture MUST be readable with slashes, plus signs and equals signs written as JSON
        //# escapes.
        //= docs/spec/se5-events.md#pictures
        //# A picture MUST be readable without the padding of its base64.
        decode_base64(&self.text, jpeg, max).map_err(|error| match error {
            //= docs/spec/se5-events.md#pictures
            //# A picture that decodes to more than the caller's limit MUST be reported as too
            //# large.
            Base64Error::TooLarge { max } => ImageError::TooLarge { max },
            //= docs/spec/se5-events.md#pictures
            //# A picture in the URL-safe alphabet MUST be reported as no base64.
            Base64Error::NotBase64 { offset } => ImageError::NotBase64 { offset },
            _ => ImageError::NotBase64 { offset: 0 },
        })
    }

    /// The same picture in memory of its own, so that the rest of its frame can be freed.
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

impl fmt::Debug for RemotePicture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<jpeg at the box>")
    }
}

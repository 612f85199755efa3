//! Pictures, which stay what they are on the wire until someone asks for the JPEG.

use crate::ImageError;
use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};
use bytes::Bytes;
use memchr::memchr2;
use std::fmt;
use std::sync::LazyLock;

/// Finds out once what the processor can do.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use base64::engine::Simd as Base64;

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
        jpeg.clear();
        let fits = self.decoded_len_hint() <= max.saturating_add(2);
        if fits && CANONICAL.decode_vec(&self.text, jpeg).is_ok() {
            return Ok(());
        }
        jpeg.clear();
        decode_untidy(&self.text, jpeg, max).inspect_err(|_| jpeg.clear())
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

/// What we write, and what is tried first on what we read.
pub(crate) static CANONICAL: LazyLock<Base64> =
    LazyLock::new(|| engine(GeneralPurposeConfig::new()));

static UNTIDY: LazyLock<Base64> = LazyLock::new(|| {
    engine(
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    )
});

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn engine(config: GeneralPurposeConfig) -> Base64 {
    Base64::standard(config)
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
use base64::engine::GeneralPurpose as Base64;

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn engine(config: GeneralPurposeConfig) -> Base64 {
    Base64::new(&base64::alphabet::STANDARD, config)
}

/// Base64 characters decoded at a time; a multiple of four.
const CHUNK: usize = 4096;

/// Decodes text that needs cleaning, chunk by chunk through the stack.
fn decode_untidy(text: &[u8], jpeg: &mut Vec<u8>, max: usize) -> Result<(), ImageError> {
    let mut chunk = [0_u8; CHUNK];
    let mut filled = 0_usize;
    let mut decoded = 0_usize; // characters
    let mut ended = false; // padding was seen
    let mut flush = |chars: &[u8]| {
        let before = jpeg.len();
        let offset = decoded;
        decoded = decoded.saturating_add(chars.len());
        if ended || UNTIDY.decode_vec(chars, jpeg).is_err() {
            return Err(ImageError::NotBase64 { offset });
        }
        let whole = (chars.len() / 4).saturating_mul(3);
        ended = chars.len() % 4 != 0 || jpeg.len().saturating_sub(before) < whole;
        if jpeg.len() > max {
            return Err(ImageError::TooLarge { max });
        }
        Ok(())
    };
    for mut run in (Runs {
        rest: without_prefix(text),
    }) {
        while !run.is_empty() {
            let room = chunk.get_mut(filled..).unwrap_or_default();
            let (now, later) = run.split_at(run.len().min(room.len()));
            if let Some(to) = room.get_mut(..now.len()) {
                to.copy_from_slice(now);
            }
            filled = filled.saturating_add(now.len());
            run = later;
            if filled == CHUNK {
                flush(&chunk)?;
                filled = 0;
            }
        }
    }
    match chunk.get(..filled) {
        Some(rest) if !rest.is_empty() => flush(rest),
        _ => Ok(()),
    }
}

/// The text behind `data:image/jpeg;base64,`, if it begins so.
fn without_prefix(text: &[u8]) -> &[u8] {
    if !text.starts_with(b"data:") {
        return text;
    }
    // A prefix is a few dozen bytes; a comma further on is none of its own.
    let comma = text.iter().take(128).position(|&byte| byte == b',');
    comma
        .and_then(|at| text.get(at.saturating_add(1)..))
        .unwrap_or(text)
}

/// The pieces of a JSON text's content that are left when escapes and white space are taken out.
struct Runs<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Runs<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        match self.rest {
            [] => None,
            [b' ', rest @ ..] | [b'\\', b'n' | b'r' | b't', rest @ ..] => {
                self.rest = rest;
                Some(&[])
            }
            [b'\\', b'/', ..] => {
                let (_, from_slash) = self.rest.split_at(1);
                Some(self.take(from_slash, 1))
            }
            [b'\\', b'u', b'0', b'0', high, low, rest @ ..] => {
                self.rest = rest;
                // Gson's HTML-safe form writes `=` so; any other character shows up as an error.
                Some(match (high, low.to_ascii_lowercase()) {
                    (b'2', b'b') => b"+",
                    (b'2', b'f') => b"/",
                    (b'3', b'd') => b"=",
                    _ => b"!",
                })
            }
            rest => Some(self.take(rest, usize::from(rest.starts_with(b"\\")))),
        }
    }
}

impl<'a> Runs<'a> {
    /// From `rest` as much as needs no cleaning, the first `sure` bytes in any case.
    fn take(&mut self, rest: &'a [u8], sure: usize) -> &'a [u8] {
        let tail = rest.get(sure..).unwrap_or_default();
        let end = memchr2(b'\\', b' ', tail)
            .unwrap_or(tail.len())
            .saturating_add(sure);
        let (run, behind) = rest.split_at(end.min(rest.len()));
        self.rest = behind;
        run
    }
}

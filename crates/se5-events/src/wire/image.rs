//! Pictures, which stay what they are on the wire until someone asks for the JPEG.

use crate::ImageError;
use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};
use base64::{DecodeError, DecodeSliceError};
use bytes::Bytes;
use memchr::memchr3;
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

    /// True for the text of a picture that is not there: empty, white space, a bare prefix.
    pub(crate) fn is_blank(text: &[u8]) -> bool {
        let text = without_prefix(text);
        // Escaped white space is told by the decoder; longer text is no placeholder.
        let is_escaped_space = || {
            let mut cleaner = Cleaner { rest: text };
            text.len() <= 64 && cleaner.fill(&mut [0; CHUNK + OVERCOPY]) == 0
        };
        text.iter().all(u8::is_ascii_whitespace) || is_escaped_space()
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
        let decoded = decode_tidy(&self.text, jpeg, max)
            .map_or_else(|| decode_untidy(&self.text, jpeg, max), Ok);
        jpeg.truncate(decoded.unwrap_or_default());
        decoded.map(drop)
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
        //= docs/spec/se5-events.md#pictures
        //# A picture MUST be readable without the padding of its base64.
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

/// Decodes text that is as it should be; `None` if it is not, or could exceed `max`.
///
/// `jpeg` is only ever grown here: what a call before left in it need not be zeroed again.
fn decode_tidy(text: &[u8], jpeg: &mut Vec<u8>, max: usize) -> Option<usize> {
    let room = text.len().div_ceil(4).saturating_mul(3);
    if room > max {
        return None;
    }
    jpeg.resize(room, 0);
    CANONICAL.decode_slice(text, jpeg).ok()
}

/// Decodes text that needs cleaning, chunk by chunk through the stack.
fn decode_untidy(text: &[u8], jpeg: &mut Vec<u8>, max: usize) -> Result<usize, ImageError> {
    let room = text.len().div_ceil(4).saturating_mul(3);
    // One chunk beyond the limit is enough to see that it is exceeded.
    jpeg.resize(room.min(max.saturating_add(CHUNK)), 0);
    let mut chunk = [0_u8; CHUNK + OVERCOPY];
    let mut cleaner = Cleaner {
        rest: without_prefix(text),
    };
    let (mut offset, mut written, mut has_ended) = (0_usize, 0_usize, false);
    loop {
        let filled = cleaner.fill(&mut chunk);
        let chars = chunk.get(..filled).unwrap_or_default();
        if chars.is_empty() {
            return Ok(written);
        }
        let out = jpeg.get_mut(written..).unwrap_or_default();
        if has_ended {
            return Err(ImageError::NotBase64 { offset });
        }
        //= docs/spec/se5-events.md#pictures
        //# A picture in the URL-safe alphabet MUST be reported as no base64.
        let decoded = UNTIDY
            .decode_slice(chars, out)
            .map_err(|error| ImageError::NotBase64 {
                offset: offset.saturating_add(place_of(&error)),
            })?;
        // Less than three bytes for four characters: that was padding, and nothing may follow it.
        has_ended = decoded < chars.len().div_ceil(4).saturating_mul(3);
        offset = offset.saturating_add(filled);
        written = written.saturating_add(decoded);
        //= docs/spec/se5-events.md#pictures
        //# A picture that decodes to more than the caller's limit MUST be reported as too large.
        if written > max {
            return Err(ImageError::TooLarge { max });
        }
    }
}

/// Base64 characters decoded at a time; a multiple of four.
const CHUNK: usize = 8192;

/// Runs between escapes are copied in pieces of this size, which is faster than in the right size.
const OVERCOPY: usize = 64;

/// The text behind `data:image/jpeg;base64,`, if it begins so.
fn without_prefix(text: &[u8]) -> &[u8] {
    let text = text.trim_ascii_start();
    if !text.starts_with(b"data:") {
        return text;
    }
    // A prefix is a few dozen bytes; a comma further on is none of its own.
    //= docs/spec/se5-events.md#pictures
    //# A picture MUST be readable as bare base64 and with a `data:` prefix.
    let comma = text.iter().take(128).position(|&byte| byte == b',');
    comma
        .and_then(|at| text.get(at.saturating_add(1)..))
        .unwrap_or(text)
}

/// Takes escapes and white space out of the content of a JSON text.
struct Cleaner<'a> {
    rest: &'a [u8],
}

impl Cleaner<'_> {
    /// Fills `chunk` with up to [`CHUNK`] clean characters; tells how many.
    fn fill(&mut self, chunk: &mut [u8; CHUNK + OVERCOPY]) -> usize {
        let mut filled = 0_usize;
        while filled < CHUNK {
            let room = chunk.get_mut(filled..).unwrap_or_default();
            let count = match self.rest {
                // First, since it is by far the most frequent: `\/`.
                [b'\\', from_slash @ ..] if from_slash.starts_with(b"/") => {
                    self.rest = from_slash;
                    self.copy_run(room)
                }
                [] => break,
                //= docs/spec/se5-events.md#pictures
                //# A picture MUST be readable with line breaks and spaces inside its base64.
                [b' ' | b'\n' | b'\r', rest @ ..] | [b'\\', b'n' | b'r' | b't', rest @ ..] => {
                    self.rest = rest;
                    continue;
                }
                //= docs/spec/se5-events.md#pictures
                //# A picture MUST be readable with slashes, plus signs and equals signs written as
                //# JSON escapes.
                [b'\\', b'u', b'0', b'0', high, low, rest @ ..] => {
                    self.rest = rest;
                    match from_hex(*high, *low) {
                        b' ' | b'\n' | b'\r' | b'\t' => continue,
                        char => put(room, char),
                    }
                }
                [b'\\', rest @ ..] => {
                    self.rest = rest;
                    put(room, NOT_BASE64)
                }
                _ => self.copy_run(room),
            };
            filled = filled.saturating_add(count);
        }
        filled
    }

    /// Copies from the front of the text what needs no cleaning; at most the room less
    /// [`OVERCOPY`].
    fn copy_run(&mut self, room: &mut [u8]) -> usize {
        let most = room.len().saturating_sub(OVERCOPY);
        // Looking no further than there is room for keeps the work linear.
        let near = self.rest.get(..most).unwrap_or(self.rest);
        let stop = memchr3(b'\\', b'\n', b' ', near).unwrap_or(near.len());
        let run = match near.get(..stop) {
            Some([line @ .., b'\r']) => line.len(),
            _ => stop,
        };
        match (
            room.first_chunk_mut::<OVERCOPY>(),
            self.rest.first_chunk::<OVERCOPY>(),
        ) {
            (Some(to), Some(from)) if run <= OVERCOPY => *to = *from,
            _ => {
                if let (Some(to), Some(from)) = (room.get_mut(..run), self.rest.get(..run)) {
                    to.copy_from_slice(from);
                }
            }
        }
        self.rest = self.rest.get(run..).unwrap_or_default();
        run
    }
}

/// How far into a chunk an error is.
fn place_of(error: &DecodeSliceError) -> usize {
    match error {
        DecodeSliceError::DecodeError(DecodeError::InvalidByte(at, _)) => *at,
        _ => 0,
    }
}

const NOT_BASE64: u8 = b'!';

fn put(room: &mut [u8], byte: u8) -> usize {
    room.first_mut().map_or(0, |to| {
        *to = byte;
        1
    })
}

/// The character of `\u00XX`. Gson's HTML-safe form writes `=` so.
fn from_hex(high: u8, low: u8) -> u8 {
    let digit = |hex: u8| char::from(hex).to_digit(16);
    let char = digit(high)
        .zip(digit(low))
        .map(|(high, low)| high << 4 | low);
    let char = char.and_then(|char| u8::try_from(char).ok());
    char.filter(u8::is_ascii).unwrap_or(NOT_BASE64)
}

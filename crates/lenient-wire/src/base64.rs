//! Base64 inside JSON text, as devices put pictures there.

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};
use base64::{DecodeError, DecodeSliceError};
use memchr::memchr3;
use std::sync::LazyLock;

/// Finds out once what the processor can do.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use base64::engine::Simd as Base64;

/// Text that cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Base64Error {
    /// Not base64, also not after white space, prefix and escapes were removed.
    NotBase64 {
        /// Offset in the text, cleaned where it needed cleaning.
        offset: usize,
    },
    /// More bytes than allowed.
    TooLarge {
        /// The limit, in bytes of what the text encodes.
        max: usize,
    },
}

/// Replaces the content of `out` by what `text` encodes, without allocating if it is large enough.
///
/// `text` stands between the quotes of a JSON text, escapes and all. Clean base64 is decoded as it
/// stands. Everything else gets a second try, without `\/` escapes, white space, a `data:` prefix,
/// and whatever its padding is.
///
/// # Errors
///
/// [`Base64Error::NotBase64`] if the second try fails too, [`Base64Error::TooLarge`] beyond `max`
/// bytes. `out` is then empty.
pub fn decode_base64(text: &[u8], out: &mut Vec<u8>, max: usize) -> Result<(), Base64Error> {
    let decoded = decode_tidy(text, out, max).map_or_else(|| decode_untidy(text, out, max), Ok);
    out.truncate(decoded.unwrap_or_default());
    decoded.map(drop)
}

/// True for text that encodes nothing: empty, white space, a bare prefix.
pub fn is_blank_base64(text: &[u8]) -> bool {
    let text = without_prefix(text);
    // Escaped white space is told by the decoder; longer text is no placeholder.
    let is_escaped_space = || {
        let mut cleaner = Cleaner { rest: text };
        text.len() <= 64 && cleaner.fill(&mut [0; CHUNK + OVERCOPY]) == 0
    };
    text.iter().all(u8::is_ascii_whitespace) || is_escaped_space()
}

/// Appends `bytes` as padded base64, without quotes: it never needs escaping.
pub fn push_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    // Through the stack, so that the text is written once and not zeroed before.
    let mut text = [0_u8; 4 * RAW_CHUNK / 3];
    for raw in bytes.chunks(RAW_CHUNK) {
        // The text of a chunk always fits.
        let written = CANONICAL.encode_slice(raw, &mut text).unwrap_or_default();
        out.extend_from_slice(text.get(..written).unwrap_or_default());
    }
}

/// Gives `each` the base64 of `text` piece by piece, without prefix, escapes, white space and
/// padding: all spellings of one picture give the same sequence of characters.
pub fn clean_base64(text: &[u8], mut each: impl FnMut(&[u8])) {
    let text = without_prefix(text);
    let is_clean = memchr3(b'\\', b'\n', b' ', text).is_none();
    if is_clean {
        return each(without_padding(text));
    }
    let mut cleaner = Cleaner { rest: text };
    let mut chunk = [0_u8; CHUNK + OVERCOPY];
    let mut held_back = 0_usize;
    loop {
        let filled = cleaner.fill(&mut chunk);
        let chars = chunk.get(..filled).unwrap_or_default();
        if chars.is_empty() {
            return;
        }
        let kept = without_padding(chars);
        if !kept.is_empty() {
            // It was no padding after all.
            (0..std::mem::take(&mut held_back)).for_each(|_| each(b"="));
            each(kept);
        }
        held_back = held_back.saturating_add(chars.len().saturating_sub(kept.len()));
    }
}

fn without_padding(text: &[u8]) -> &[u8] {
    let padding = text.iter().rev().take_while(|&&byte| byte == b'=').count();
    text.get(..text.len().saturating_sub(padding))
        .unwrap_or_default()
}

/// What we write, and what is tried first on what we read.
static CANONICAL: LazyLock<Base64> = LazyLock::new(|| engine(GeneralPurposeConfig::new()));

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

/// Decodes text that is as it should be; `None` if it is not, or could exceed `max`.
///
/// `out` is only ever grown here: what a call before left in it need not be zeroed again.
fn decode_tidy(text: &[u8], out: &mut Vec<u8>, max: usize) -> Option<usize> {
    let room = text.len().div_ceil(4).saturating_mul(3);
    if room > max {
        return None;
    }
    out.resize(room, 0);
    CANONICAL.decode_slice(text, out).ok()
}

/// Decodes text that needs cleaning, chunk by chunk through the stack.
fn decode_untidy(text: &[u8], out: &mut Vec<u8>, max: usize) -> Result<usize, Base64Error> {
    let room = text.len().div_ceil(4).saturating_mul(3);
    // One chunk beyond the limit is enough to see that it is exceeded.
    out.resize(room.min(max.saturating_add(CHUNK)), 0);
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
        let room = out.get_mut(written..).unwrap_or_default();
        if has_ended {
            return Err(Base64Error::NotBase64 { offset });
        }
        let decoded = UNTIDY
            .decode_slice(chars, room)
            .map_err(|error| Base64Error::NotBase64 {
                offset: offset.saturating_add(place_of(&error)),
            })?;
        // Less than three bytes for four characters: that was padding, and nothing may follow it.
        has_ended = decoded < chars.len().div_ceil(4).saturating_mul(3);
        offset = offset.saturating_add(filled);
        written = written.saturating_add(decoded);
        if written > max {
            return Err(Base64Error::TooLarge { max });
        }
    }
}

/// Bytes put into base64 at a time; a multiple of three.
const RAW_CHUNK: usize = 12 << 10;

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
                [b' ' | b'\n' | b'\r', rest @ ..] | [b'\\', b'n' | b'r' | b't', rest @ ..] => {
                    self.rest = rest;
                    continue;
                }
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

impl std::fmt::Display for Base64Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotBase64 { offset } => write!(f, "not base64 from byte {offset} on"),
            Self::TooLarge { max } => write!(f, "decodes to more than {max} bytes"),
        }
    }
}

impl std::error::Error for Base64Error {}

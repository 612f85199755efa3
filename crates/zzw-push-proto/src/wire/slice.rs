//! Pieces of messages: short ones in place, long ones shared with what was received.

use bytes::Bytes;
use std::ops::Range;

/// A piece of a message. Cheap to clone.
///
/// Most members are short. Sharing costs two atomic counts for each, more than reading it does, and
/// holds on to all that was received with it.
#[derive(Clone)]
pub(crate) enum Slice {
    Short(Short),
    Shared(Bytes),
}

/// A piece in place, somewhere in a window of the bytes that it was cut out of, with its start and
/// its length behind them: a window is copied by two moves, a piece of any length by a call.
#[derive(Clone, Copy)]
#[repr(align(8))] // moved in the same parts as it was written in
pub(crate) struct Short([u8; 24]);

/// What pieces are cut out of.
pub(crate) trait Cut {
    /// All of it.
    fn bytes(&self) -> &[u8];

    /// This part, shared.
    fn share(&self, part: Range<usize>) -> Bytes;

    /// This part.
    #[inline]
    fn cut(&self, part: Range<usize>) -> Slice {
        match Short::of(self.bytes(), part.start, part.len()) {
            Some(short) => Slice::Short(short),
            None => Slice::Shared(self.share(part)),
        }
    }
}

impl Short {
    const MAX: usize = 22;

    #[inline]
    fn of(json: &[u8], start: usize, len: usize) -> Option<Self> {
        Self::window(json, start, len).or_else(|| {
            let piece = json.get(start..start.checked_add(len)?)?;
            (len <= Self::MAX).then(|| Self::copied(piece))?
        })
    }

    /// The piece in its window, unless it is long or the document too short.
    #[inline]
    fn window(json: &[u8], start: usize, len: usize) -> Option<Self> {
        if len > Self::MAX {
            return None;
        }
        // At the document's end the window begins before the piece.
        let begin = json.len().checked_sub(Self::MAX)?.min(start);
        let (first, behind) = json.get(begin..)?.split_first_chunk()?;
        let (middle, behind) = behind.split_first_chunk()?;
        let last = u64::from(u16::from_le_bytes(*behind.first_chunk()?));
        let last = u64::from(u32::from_le_bytes(*middle)) | last << 32;
        Some(Self::new(*first, last, start.wrapping_sub(begin), len))
    }

    /// `last` are the six last bytes of the window.
    #[inline]
    fn new(first: [u8; 16], last: u64, start: usize, len: usize) -> Self {
        let mut bytes = [0; 24];
        let last = last | (start as u64) << 48 | (len as u64) << 56;
        if let Some((place, behind)) = bytes.split_first_chunk_mut() {
            *place = first;
            behind.copy_from_slice(&last.to_le_bytes());
        }
        Self(bytes)
    }

    #[inline(never)]
    fn copied(piece: &[u8]) -> Option<Self> {
        let mut bytes = [0; 24];
        bytes
            .get_mut(..piece.len())
            .filter(|place| place.len() <= Self::MAX)?
            .copy_from_slice(piece);
        let [.., len] = &mut bytes;
        *len = u8::try_from(piece.len()).ok()?;
        Some(Self(bytes))
    }

    #[inline]
    fn bytes(&self) -> &[u8] {
        let [window @ .., start, len] = &self.0;
        let piece = window.get(usize::from(*start)..).unwrap_or_default();
        piece.get(..usize::from(*len)).unwrap_or_default()
    }
}

impl Slice {
    pub(crate) const fn from_static(piece: &'static [u8]) -> Self {
        Self::Shared(Bytes::from_static(piece))
    }

    /// A piece of its own.
    pub(crate) fn copied(piece: &[u8]) -> Self {
        match Short::copied(piece) {
            Some(short) => Self::Short(short),
            None => Self::Shared(Bytes::copy_from_slice(piece)),
        }
    }
}

impl std::ops::Deref for Slice {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Self::Short(short) => short.bytes(),
            Self::Shared(bytes) => bytes,
        }
    }
}

impl Default for Slice {
    #[inline]
    fn default() -> Self {
        Self::Short(Short([0; 24]))
    }
}

impl From<Vec<u8>> for Slice {
    fn from(piece: Vec<u8>) -> Self {
        match Short::copied(&piece) {
            Some(short) => Self::Short(short),
            None => Self::Shared(piece.into()),
        }
    }
}

impl Cut for Bytes {
    fn bytes(&self) -> &[u8] {
        self
    }

    fn share(&self, part: Range<usize>) -> Bytes {
        self.slice(part)
    }
}

impl Cut for Slice {
    fn bytes(&self) -> &[u8] {
        self
    }

    fn share(&self, part: Range<usize>) -> Bytes {
        match self {
            // Its parts are short, so nobody asks.
            Self::Short(short) => {
                Bytes::copy_from_slice(short.bytes().get(part).unwrap_or_default())
            }
            Self::Shared(bytes) => bytes.slice(part),
        }
    }
}

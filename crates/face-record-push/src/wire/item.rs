//! What a terminal keeps: a push whose spelling is settled at capture.

use bytes::Bytes;
use std::fmt;

/// A push as the terminal keeps it: the JSON without its picture, and the JPEG.
///
/// The spelling is settled once, so every attempt sends the same bytes, whatever happens to the
/// firmware in between; without an id on the wire that is the only thing by which a receiver can
/// tell a repetition from a second record.
#[derive(Clone, PartialEq, Eq)]
pub struct Item {
    json: Bytes,     // with nothing between the picture's quotes
    picture_at: u32, // where the picture goes; 0 if there is none
    jpeg: Option<Bytes>,
}

/// A row that is no item: it was written by another version, or damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("row of {len} bytes is no record of this version; restore it, or let it count as corrupt")]
#[non_exhaustive]
pub struct RowError {
    /// Its length, in bytes.
    pub len: usize,
}

impl Item {
    /// An item from JSON that has an empty text at `picture_at`, where the picture goes.
    pub(crate) fn new(json: Bytes, picture_at: Option<u32>, jpeg: Option<Bytes>) -> Self {
        Self {
            json,
            picture_at: picture_at.unwrap_or_default(),
            jpeg: jpeg.filter(|jpeg| !jpeg.is_empty()),
        }
    }

    /// The item of a row that [`Self::write_row`] wrote, with the picture that was kept beside it.
    ///
    /// # Errors
    ///
    /// [`RowError`] if it is none.
    pub fn read_row(row: &Bytes, jpeg: Option<Bytes>) -> Result<Self, RowError> {
        let error = RowError { len: row.len() };
        let at = row
            .strip_prefix(&[ROW_VERSION])
            .and_then(|rest| rest.first_chunk::<4>())
            .map(|at| u32::from_le_bytes(*at))
            .ok_or(error)?;
        let json = row.slice(ROW_HEAD..);
        let quotes = (at as usize)
            .checked_sub(1)
            .and_then(|from| json.get(from..)?.first_chunk::<2>());
        if at != 0 && quotes != Some(b"\"\"") {
            return Err(error);
        }
        Ok(Self::new(json, Some(at), jpeg))
    }

    /// Appends the row that [`Self::read_row`] reads. The picture is not in it.
    pub fn write_row(&self, row: &mut Vec<u8>) {
        row.push(ROW_VERSION);
        row.extend_from_slice(&self.picture_at.to_le_bytes());
        row.extend_from_slice(&self.json);
    }

    /// Length of the row, in bytes.
    pub fn row_len(&self) -> u32 {
        u32::try_from(self.json.len().saturating_add(ROW_HEAD)).unwrap_or(u32::MAX)
    }

    /// The picture.
    pub fn jpeg(&self) -> Option<&Bytes> {
        self.jpeg.as_ref()
    }

    /// Length of the picture, in bytes of JPEG; 0 if there is none.
    pub fn picture_len(&self) -> u32 {
        let len = self.jpeg.as_ref().map_or(0, Bytes::len);
        u32::try_from(len).unwrap_or(u32::MAX)
    }

    /// The same push without its picture.
    #[must_use]
    pub fn without_picture(&self) -> Self {
        Self {
            jpeg: None,
            ..self.clone()
        }
    }

    /// The JSON up to where the picture goes and from there on; all of it at first if none can go
    /// anywhere.
    pub(crate) fn halves(&self) -> (&[u8], &[u8]) {
        match self.picture_at {
            0 => (&self.json, &[]),
            at => self
                .json
                .split_at_checked(at as usize)
                .unwrap_or((&self.json, &[])),
        }
    }
}

/// First byte of a row.
const ROW_VERSION: u8 = 1;

/// Bytes of a row before the JSON.
const ROW_HEAD: usize = 5;

impl fmt::Debug for Item {
    /// Names and faces are people: only lengths are printed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Item({} B, jpeg {} B)",
            self.json.len(),
            self.picture_len()
        )
    }
}

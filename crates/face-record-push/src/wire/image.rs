//! Pictures, which stay what they are on the wire until someone asks for the JPEG.

use bytes::Bytes;
use std::fmt;

/// A JPEG as base64 text inside a received body: neither copied nor decoded nor looked at yet.
#[derive(Clone, PartialEq, Eq)]
pub struct Image {
    text: Bytes, // what stands between the quotes
}

impl Image {
    /// Length of the text on the wire, in bytes.
    pub fn encoded_len(&self) -> usize {
        self.text.len()
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<jpeg, {} B of text>", self.text.len())
    }
}

//! What makes two pushes the same.

use crate::SerialNumber;
use std::fmt;
use twox_hash::XxHash3_128;

/// What makes two pushes of one terminal the same: 128 bits of what they say.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordKey(pub [u8; 16]);

impl RecordKey {
    /// The key of a body that says nothing by which it could be told apart.
    pub fn of_body(serial: &SerialNumber, body: &[u8]) -> Self {
        let seed = XxHash3_128::oneshot(serial.as_str().as_bytes());
        let (low, _) = (seed as u64, ());
        Self(XxHash3_128::oneshot_with_seed(low, body).to_le_bytes())
    }
}

impl fmt::Display for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

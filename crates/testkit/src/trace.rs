//! Proof that a simulation is deterministic.

use std::fmt::{self, Write as _};

/// A running hash over everything that happened. Two runs of one seed must end with the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trace(u64);

impl Default for Trace {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Trace {
    /// Adds something by its `Debug` form.
    pub fn note(&mut self, what: &impl fmt::Debug) {
        // Writing into a hash cannot fail.
        let _ = write!(self, "{what:?};");
    }

    /// The hash so far.
    pub fn value(self) -> u64 {
        self.0
    }
}

impl fmt::Write for Trace {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Ok(())
    }
}

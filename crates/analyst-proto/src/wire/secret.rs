//! Texts that are never shown.

use std::fmt;
use zeroize::Zeroizing;

/// A key or password. `Debug` does not show it, and its memory is wiped when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// A secret; any text may be one.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// Its text, for whoever signs or logs in with it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        //= docs/spec/analyst-proto.md#credentials
        //# Keys, passwords, tokens and signatures MUST NOT appear in debug output or in errors.
        f.write_str("Secret(..)")
    }
}

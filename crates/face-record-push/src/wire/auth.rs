//! A terminal that asks whether a person may pass.

use bytes::Bytes;
use std::fmt;

/// The question, which comes without the envelope of a push.
#[derive(Clone, PartialEq, Eq)]
pub struct AuthRequest {
    json: Bytes,
}

/// The answer.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuthDecision {
    /// Whether the person may pass.
    pub pass: bool,
    /// `customtips`: what the terminal shows, at most 10 characters.
    pub tips: Option<String>,
    pub(crate) is_default: bool,
}

impl AuthDecision {
    /// Yes or no.
    pub fn new(pass: bool) -> Self {
        Self {
            pass,
            tips: None,
            is_default: false,
        }
    }

    /// No, since nobody decided.
    pub fn undecided() -> Self {
        Self {
            pass: false,
            tips: None,
            is_default: true,
        }
    }
}

impl AuthRequest {
    /// The message as it came.
    pub fn json(&self) -> &Bytes {
        &self.json
    }
}

impl fmt::Debug for AuthRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuthRequest({} B)", self.json.len())
    }
}

impl fmt::Debug for AuthDecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuthDecision({})", self.pass)
    }
}

//! A platform's answer, as a terminal reads it.

use std::time::Duration;

//= docs/spec/face-record-push.md#destination
//= type=implication
//# What a destination answers MUST NOT be repeated over the configuration API.
/// What a platform answered to a post.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// `code` of the body; `None` if the body is empty.
    pub code: Option<i64>,
    /// `Retry-After`, in whole seconds.
    pub retry_after: Option<Duration>,
    /// `data.pass`, of profile 1.0: whether the platform wants the door opened.
    pub pass: Option<bool>,
}

impl Answer {
    /// An answer with this status and code.
    pub fn new(status: u16, code: Option<i64>) -> Self {
        Self {
            status,
            code,
            retry_after: None,
            pass: None,
        }
    }

    /// True if the record has arrived: a status of 2xx and code 200, or, where that is allowed, an
    /// empty body.
    pub fn is_acknowledgement(&self, empty_is_ok: bool) -> bool {
        //= docs/spec/face-record-push.md#reply
        //# The terminal MUST take an answer for an acknowledgement only if its HTTP status is 2xx
        //# and its code is 200.
        //= docs/spec/face-record-push.md#reply
        //# An answer with an empty body MUST be taken for an acknowledgement only where that is
        //# configured.
        let is_success = (200..300).contains(&self.status);
        is_success && self.code.map_or(empty_is_ok, |code| code == 200)
    }
}

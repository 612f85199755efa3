//! A receiver's reply to a push.

use crate::RecordKey;
use std::time::Duration;

/// A reply to a push or a heartbeat.
///
/// One that says 200 to a push can only be made from a [`StoredToken`].
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    status: u16,
    code: i64,
    body: Body,
    retry_after: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Body {
    /// `{}`, for a heartbeat.
    Empty,
    /// The envelope, with `data.pass` for terminals of profile 1.0.
    Envelope { pass: Option<bool> },
    /// The envelope of a remote authentication.
    Decision(super::AuthDecision),
}

/// Proof that a push is kept: the only thing that an acknowledgement can be made from.
///
/// [`crate::platform::Platform`] makes one when its store says so. Nobody else can, but by
/// [`Self::vouch`]:
///
/// ```
/// use face_record_push::{RecordKey, Reply, StoredToken};
///
/// let reply = Reply::accepted(StoredToken::vouch(&RecordKey([0; 16])), None);
/// assert_eq!(reply.status(), 200);
/// ```
///
/// ```compile_fail,E0423
/// use face_record_push::{Reply, StoredToken};
///
/// let reply = Reply::accepted(StoredToken(()), None);
/// ```
///
/// ```compile_fail,E0624
/// use face_record_push::{Reply, StoredToken};
///
/// let reply = Reply::accepted(StoredToken::stored(), None);
/// ```
///
/// An acknowledgement without one does not compile, and one token makes one acknowledgement:
///
/// ```compile_fail,E0061
/// let reply = face_record_push::Reply::accepted(None);
/// ```
///
/// ```compile_fail,E0382
/// use face_record_push::{RecordKey, Reply, StoredToken};
///
/// let token = StoredToken::vouch(&RecordKey([0; 16]));
/// let replies = [Reply::accepted(token, None), Reply::accepted(token, None)];
/// ```
//= docs/spec/face-record-push.md#acknowledgement
//= type=test
//# An acknowledgement MUST only be made from a proof that the push is kept.
#[derive(Debug)]
pub struct StoredToken(());

/// What terminals of profile 1.0 are told about the door in the reply to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum LegacyPass {
    /// Nothing.
    #[default]
    Omit,
    /// No.
    Deny,
    /// What the terminal itself decided if the record is live, else no: an acknowledged backlog must
    /// open no door.
    Echo,
}

impl StoredToken {
    /// Vouches that the record with this key is kept where a power cut cannot reach it. For those
    /// who use the codec without the machine.
    pub fn vouch(_key: &RecordKey) -> Self {
        Self(())
    }

    /// For the machine, when the store has said so.
    pub(crate) fn stored() -> Self {
        Self(())
    }
}

impl Reply {
    /// The record is kept: 200.
    pub fn accepted(_token: StoredToken, pass: Option<bool>) -> Self {
        Self::new(200, Body::Envelope { pass })
    }

    /// Come again, in a while: 503.
    pub fn busy(retry_after: Duration) -> Self {
        Self {
            retry_after: Some(retry_after),
            ..Self::failure(503)
        }
    }

    /// No, with an HTTP status, which is the code, too. A status of 2xx is replaced by 500.
    pub fn failure(status: u16) -> Self {
        //= docs/spec/face-record-push.md#reply
        //# A failure MUST be written with an HTTP status that is no success, and with the same
        //# number as its code.
        let status = if (200..300).contains(&status) {
            500
        } else {
            status
        };
        Self::new(status, Body::Envelope { pass: None })
    }

    /// We are here: 200 and `{}`.
    pub fn heartbeat() -> Self {
        Self::new(200, Body::Empty)
    }

    /// Whether a person may pass: 200, or 503 if nobody decided.
    pub fn decision(decision: super::AuthDecision) -> Self {
        let status = if decision.is_default { 503 } else { 200 };
        Self::new(status, Body::Decision(decision))
    }

    /// HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// `Retry-After`, in whole seconds.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// `code` of the body.
    pub(crate) fn code(&self) -> i64 {
        self.code
    }

    /// What the body says.
    pub(crate) fn body(&self) -> &Body {
        &self.body
    }

    fn new(status: u16, body: Body) -> Self {
        Self {
            status,
            code: i64::from(status),
            body,
            retry_after: None,
        }
    }
}

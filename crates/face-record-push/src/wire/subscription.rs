//! The configuration API of a terminal: where it pushes to, and whether.

use crate::Dest;
use std::fmt;
use std::sync::Arc;

/// Where a terminal pushes to, and whether.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Subscription {
    /// `event_dest`; none in the factory.
    pub dest: Option<Arc<Dest>>,
    /// `enabled`; true.
    pub is_enabled: bool,
}

/// A question to a terminal, `/v1/event/subscribe`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ask {
    /// `GET`: what is the configuration?
    Read,
    /// `POST`: change it. What is missing stays as it is.
    Change {
        /// `event_dest`, not checked yet.
        event_dest: Option<String>,
        /// `enabled`
        is_enabled: Option<bool>,
    },
}

/// A terminal's answer: the envelope `code`, `msg`, `data`. The HTTP status is the code.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AskReply {
    /// 200 is success.
    pub code: u16,
    /// What to do, for people to read.
    pub msg: String,
    /// The configuration, to [`Ask::Read`]; else `null`.
    pub data: Option<Subscription>,
}

/// Account of a terminal's API.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Login {
    /// `username`
    pub username: String,
    /// `password`
    pub password: String,
}

/// What [`Login`] buys: `data.token`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(pub String);

impl Subscription {
    /// Push to `dest`.
    pub fn to(dest: Dest) -> Self {
        Self {
            dest: Some(Arc::new(dest)),
            is_enabled: true,
        }
    }

    /// The destination, if there is one and pushing is switched on.
    pub fn active_dest(&self) -> Option<&Arc<Dest>> {
        self.dest.as_ref().filter(|_| self.is_enabled)
    }
}

impl Default for Subscription {
    fn default() -> Self {
        //= docs/spec/face-record-push.md#subscription
        //# The terminal MUST count as enabled and without a destination until it is configured.
        Self {
            dest: None,
            is_enabled: true,
        }
    }
}

impl AskReply {
    /// Success.
    pub fn ok(data: Option<Subscription>) -> Self {
        Self {
            code: 200,
            msg: "OK".to_owned(),
            data,
        }
    }

    /// Failure, and what to do about it.
    pub fn failure(code: u16, msg: impl Into<String>) -> Self {
        Self {
            code,
            msg: msg.into(),
            data: None,
        }
    }
}

impl Login {
    /// An account.
    pub fn new(username: impl Into<String>, password: impl Into<String>) -> Self {
        Self {
            username: username.into(),
            password: password.into(),
        }
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        //= docs/spec/face-record-push.md#privacy
        //# Accounts and tokens MUST NOT appear in debug output.
        f.write_str("Login(***)")
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

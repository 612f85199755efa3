//! What decides who may do what on a [`super::Platform`].

use crate::rooms::LinkId;
use crate::wire::{Message, Text, Token};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Who may do what (K-3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rules {
    /// To take an alias; [`Rule::Allow`].
    pub bind: Rule,
    /// To publish to topics; [`Rule::Allow`].
    pub publish: Rule,
    /// To publish to aliases; [`Rule::Allow`].
    pub publish_to_alias: Rule,
    /// To change one's topics; [`Rule::Allow`].
    pub register: Rule,
    /// To pull; [`Rule::Allow`].
    pub pull: Rule,
    /// To ask how somebody is; [`Rule::Allow`].
    pub status: Rule,
    /// To open a door; [`Rule::Token`] with [`Scopes::DOOR`] (K-4).
    pub open_door: Rule,
}

/// Whether something may be done on a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// By everybody.
    Allow,
    /// By nobody.
    Deny,
    /// By who has presented a token that allows it.
    Token(Scopes),
    /// The application decides, within [`Config::ask_timeout`](super::Config::ask_timeout).
    Ask,
}

/// What tokens allow, as a set of bits: those of `v2.` tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[expect(clippy::exhaustive_structs, reason = "a set of bits")]
pub struct Scopes(pub u16);

/// What a valid token allows.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Grant {
    /// The alias whose token it is.
    pub subject: Text,
    /// What its bearer may do.
    pub scopes: Scopes,
    /// For how long, from now. It is measured by this machine's clock, so that one that is set does
    /// not matter.
    pub lasts: Duration,
}

/// A token that a client has presented.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Presented {
    /// On which link.
    pub link: LinkId,
    /// Where its other end is.
    pub address: IpAddr,
    /// The alias that the link has or wants: the token has to be its own.
    pub alias: Text,
    /// The token.
    pub token: Token,
}

/// What the application is asked.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Question {
    /// The link.
    pub link: LinkId,
    /// Where its other end is.
    pub address: IpAddr,
    /// The alias it has, or wants in a handshake.
    pub alias: Option<Text>,
    /// What a valid token of the link allows.
    pub scopes: Scopes,
    /// What it wants to do. A handshake is shown as the connect frame that it stands for.
    pub message: Arc<Message>,
}

/// What the application decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verdict {
    /// It may be done.
    Allow,
    /// It may not.
    Deny,
}

/// Names a question to the application. The machine never uses it twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a number")]
pub struct AskId(pub u64);

impl Scopes {
    /// To have an alias here, on :9800 and :9906.
    pub const CONNECT: Self = Self(16);
    /// To use the relay rooms.
    pub const RELAY: Self = Self(32);
    /// To open doors.
    pub const DOOR: Self = Self(64);

    /// True if all that is needed is allowed; nothing at all is never enough.
    pub const fn contains(self, needed: Self) -> bool {
        needed.0 != 0 && self.0 & needed.0 == needed.0
    }
}

impl Grant {
    /// A valid token of that alias allows this for so long.
    pub fn new(subject: impl Into<Text>, scopes: Scopes, lasts: Duration) -> Self {
        Self {
            subject: subject.into(),
            scopes,
            lasts,
        }
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            bind: Rule::Allow,
            publish: Rule::Allow,
            publish_to_alias: Rule::Allow,
            register: Rule::Allow,
            pull: Rule::Allow,
            status: Rule::Allow,
            //= docs/spec/zzw-push-proto.md#permission
            //# A command to open a door MUST NOT be allowed without a token for doors unless the
            //# rules are changed.
            open_door: Rule::Token(Scopes::DOOR),
        }
    }
}

impl std::ops::BitOr for Scopes {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

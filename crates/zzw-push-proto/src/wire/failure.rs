//! `t:0`: what went wrong.

use super::{Extra, Num, Text};

/// `t:0`: the request failed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Failure {
    /// What went wrong, for people.
    pub error: Text,
    /// What went wrong, for programs: an extension of ours.
    pub code: Option<Code>,
    /// Number of the request. Some failures come without (Z-7).
    pub num: Num,
    /// Further members.
    pub extra: Extra,
}

/// What went wrong, for programs (Z-8).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Code {
    /// `missing`: a member that is needed is not there, or empty.
    Missing,
    /// `garbled`: not JSON, or a member is not what it should be.
    Garbled,
    /// `unknown_type`: no such `t`.
    UnknownType,
    /// `not_bound`: the link has no alias yet.
    NotBound,
    /// `alias_mismatch`: the link has another alias.
    AliasMismatch,
    /// `too_large`: beyond a limit.
    TooLarge,
    /// `not_allowed`: refused.
    NotAllowed,
    /// `token`: the token is not valid.
    Token,
    /// `busy`: too much at once.
    Busy,
    /// `store_unavailable`: the message cannot be kept now.
    StoreUnavailable,
    /// `unknown_alias`: nobody has that alias.
    UnknownAlias,
    /// `replaced`: another link has taken the alias.
    Replaced,
    /// `draining`: the server is about to stop.
    Draining,
    /// One that is none of ours.
    Other(Text),
}

impl Failure {
    /// What went wrong with the request of that number, in the usual words.
    //= docs/spec/zzw-push-proto.md#number-and-failure
    //# A failure MUST be written with type 0, with a text for people in `error` and with a code for
    //# programs in `code`.
    pub fn new(code: Code, num: Num) -> Self {
        Self {
            error: code.text(),
            code: Some(code),
            num,
            extra: Extra::default(),
        }
    }
}

impl Code {
    /// Every code of ours.
    pub const ALL: [Self; 13] = [
        Self::Missing,
        Self::Garbled,
        Self::UnknownType,
        Self::NotBound,
        Self::AliasMismatch,
        Self::TooLarge,
        Self::NotAllowed,
        Self::Token,
        Self::Busy,
        Self::StoreUnavailable,
        Self::UnknownAlias,
        Self::Replaced,
        Self::Draining,
    ];

    /// The code on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Missing => "missing",
            Self::Garbled => "garbled",
            Self::UnknownType => "unknown_type",
            Self::NotBound => "not_bound",
            Self::AliasMismatch => "alias_mismatch",
            Self::TooLarge => "too_large",
            Self::NotAllowed => "not_allowed",
            Self::Token => "token",
            Self::Busy => "busy",
            Self::StoreUnavailable => "store_unavailable",
            Self::UnknownAlias => "unknown_alias",
            Self::Replaced => "replaced",
            Self::Draining => "draining",
            Self::Other(code) => code,
        }
    }

    /// The code of this name.
    //= docs/spec/zzw-push-proto.md#number-and-failure
    //# A failure without a code, or with one that nobody knows, MUST be read.
    pub fn of(name: Text) -> Self {
        let known = Self::ALL.into_iter().find(|code| code.as_str() == &*name);
        known.unwrap_or(Self::Other(name))
    }

    /// The usual words. The one text that the document has stays as it is there.
    pub fn text(&self) -> Text {
        let text = match self {
            //= docs/spec/zzw-push-proto.md#number-and-failure
            //# A request in which something is missing or empty MUST fail with the document's text
            //# `参数不全` and the code `missing`.
            Self::Missing => "参数不全",
            Self::Garbled => "garbled",
            Self::UnknownType => "unknown type",
            Self::NotBound => "send a heartbeat with an alias first",
            Self::AliasMismatch => "the link has another alias",
            Self::TooLarge => "too large",
            Self::NotAllowed => "not allowed",
            Self::Token => "invalid token",
            Self::Busy => "busy, try again later",
            Self::StoreUnavailable => "store unavailable, try again later",
            Self::UnknownAlias => "unknown alias",
            Self::Replaced => "replaced",
            Self::Draining => "draining, connect to another server",
            Self::Other(text) => return text.clone(),
        };
        Text::from_static(text)
    }

    /// The HTTP status of a failure over REST (Z-36). Old clients read the body only, so whatever is
    /// not about tokens and load is 200.
    //= docs/spec/zzw-push-proto.md#rest
    //# A call that fails MUST be answered with status 401 if it is about a token, with 429 if there
    //# is too much to do, with 503 if the store fails or the server is about to stop, and with 200
    //# in all other cases.
    pub fn http_status(&self) -> u16 {
        match self {
            Self::Token => 401,
            Self::Busy => 429,
            Self::StoreUnavailable | Self::Draining => 503,
            _ => 200,
        }
    }
}

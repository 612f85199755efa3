//! Publishing: to topics or to aliases.

use super::{Aliases, Extra, Json, Num, Topics};
use std::time::Duration;

/// `t:6`: a message for everybody in topics, or for aliases.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Publish {
    /// Which of the two lists counts.
    pub method: Method,
    /// Topics. At most [`MAX_TOPICS`](super::MAX_TOPICS).
    pub topics: Topics,
    /// Aliases. At most [`MAX_ALIASES`](super::MAX_ALIASES).
    pub aliases: Aliases,
    /// The body: any JSON, delivered as it is (Z-20).
    pub msg: Json,
    /// How long it is kept for those who are away; [`Ttl::default`] if absent.
    pub ttl: Option<Ttl>,
    /// Further members of `opts`.
    pub opts: Extra,
    /// Number of the request.
    pub num: Num,
    /// Further members.
    pub extra: Extra,
}

/// Whom a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Method {
    /// `publish`: everybody in the topics.
    Publish,
    /// `publish_to_alias`: the aliases. `publish_to_alias_batch` is read as this.
    PublishToAlias,
}

/// How long a message is kept for those who are away: whole seconds, at most 15 days. Three days
/// unless told otherwise; 0 for those who are online now only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ttl(u32);

impl Publish {
    /// A message for everybody in these topics.
    pub fn to_topics(topics: Topics, msg: Json, num: Num) -> Self {
        Self {
            method: Method::Publish,
            topics,
            aliases: Aliases::default(),
            msg,
            ttl: None,
            opts: Extra::default(),
            num,
            extra: Extra::default(),
        }
    }

    /// A message for these aliases.
    pub fn to_aliases(aliases: Aliases, msg: Json, num: Num) -> Self {
        Self {
            method: Method::PublishToAlias,
            aliases,
            ..Self::to_topics(Topics::default(), msg, num)
        }
    }

    /// How long it is kept.
    pub fn ttl(&self) -> Ttl {
        self.ttl.unwrap_or_default()
    }

    /// The list that counts.
    //= docs/spec/zzw-push-proto.md#publication
    //# A publication MUST go to its topics with the method `publish` and to its aliases with
    //# `publish_to_alias`, whichever lists it has.
    pub fn targets(&self) -> &super::Texts {
        match self.method {
            Method::Publish => &self.topics,
            Method::PublishToAlias => &self.aliases,
        }
    }
}

impl Method {
    /// The method on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::PublishToAlias => "publish_to_alias",
        }
    }

    /// The method of this name.
    pub fn of(name: &str) -> Option<Self> {
        Self::named(name.as_bytes())
    }

    pub(crate) fn named(name: &[u8]) -> Option<Self> {
        match name {
            b"publish" => Some(Self::Publish),
            //= docs/spec/zzw-push-proto.md#publication
            //# The method `publish_to_alias_batch` with its list `aliases` MUST be read as
            //# `publish_to_alias`.
            b"publish_to_alias" | b"publish_to_alias_batch" => Some(Self::PublishToAlias),
            _ => None,
        }
    }
}

impl Ttl {
    /// Not kept: for those who are online now.
    pub const ONLINE_ONLY: Self = Self(0);
    /// Fifteen days, the longest.
    pub const MAX: Self = Self(1_296_000);

    /// So many seconds, or [`Self::MAX`] if that is less.
    pub fn seconds(seconds: u64) -> Self {
        //= docs/spec/zzw-push-proto.md#publication
        //# A time to live above 1296000 seconds MUST be read as 1296000 seconds.
        u32::try_from(seconds).map_or(Self::MAX, |seconds| Self(seconds).min(Self::MAX))
    }

    /// Seconds.
    pub fn as_secs(self) -> u32 {
        self.0
    }

    /// As a duration.
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.0.into())
    }

    /// A time of up to nine digits, in JSON's grammar.
    #[inline]
    pub(crate) fn of_digits(digits: &[u8]) -> Option<Self> {
        let add = |sum: u64, digit: &u8| sum.wrapping_mul(10).wrapping_add(u64::from(digit & 0xf));
        let is_number = matches!((digits.len(), digits), (1, _) | (2..=9, [b'1'..=b'9', ..]));
        is_number.then(|| Self::seconds(digits.iter().fold(0, add)))
    }

    /// `time_to_live` as it was written. A fraction counts as a whole second, so that no message
    /// that should be kept is not. `None` for what is negative or no number.
    //= docs/spec/zzw-push-proto.md#publication
    //# A time to live MUST be read in seconds, from a number and from text, with a fraction as one
    //# second more.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Ok(seconds) = text.parse() {
            return Some(Self::seconds(seconds));
        }
        let seconds: f64 = text.parse().ok()?;
        //= docs/spec/zzw-push-proto.md#publication
        //# A time to live that is negative or no number MUST be refused.
        if !(0.0..).contains(&seconds) {
            return None;
        }
        // From f64 to u64 is saturating; the fraction was rounded up.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        Some(Self::seconds(seconds.ceil() as u64))
    }
}

impl Default for Ttl {
    fn default() -> Self {
        //= docs/spec/zzw-push-proto.md#publication
        //# A time to live that is missing or null MUST be read as 259200 seconds.
        Self(259_200)
    }
}

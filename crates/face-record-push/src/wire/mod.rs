//! The messages: what they say, in Rust's terms.

mod answer;
#[cfg(feature = "arbitrary")]
mod any;
mod auth;
mod body;
mod code;
mod image;
mod index;
mod item;
mod push;
mod query;
mod recognition;
mod reply;
mod subscription;
mod user;

pub use answer::Answer;
pub use auth::{AuthDecision, AuthRequest};
pub use code::{
    AbnormalType, AlarmCode, AlarmStatus, EntryMode, Mask, Mode, RecognitionType, RecognizeStatus,
    UserType, VerifyCode,
};
pub use image::Image;
pub use item::{Item, RowError};
pub use push::{Alarm, Push, Record, Timestamp, Unknown};
pub use query::{PersonFilter, RecordsPage, RecordsQuery};
pub use recognition::{AlarmReport, Person, Recognition};
pub use reply::{LegacyPass, Reply, StoredToken};
pub use subscription::{Ask, AskReply, Login, Subscription, Token};
pub use user::{Group, Id, User};

pub(crate) use body::{Body, member};
pub(crate) use index::Slot;
pub(crate) use reply::Body as ReplyBody;

use std::fmt;
use std::sync::Arc;

/// Milliseconds since 1970-01-01T00:00:00Z.
///
/// Wall-clock time is data: drivers read it and hand it in, machines compare it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UnixMillis(pub i64);

/// Names a request over HTTP. The driver chooses it and does not use it twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeId(pub u64);

/// What a terminal's firmware says and leaves out. Receivers take all of them at any time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[non_exhaustive]
pub enum Profile {
    /// Firmware documents v0.0.8 and v1.0: `recognizeStatus`, no content type.
    V1_0,
    /// v1.1.0, the base document: `recognitionType`, `enabled`, the cache of 50,000 records.
    #[default]
    V1_1,
    /// v1.2.0: `ic_number` and `job_number` as text, modes 7 and 8.
    V1_2,
    /// v1.2.1: `uuid`, `user_id` as text, groups, guests' hours, request headers.
    V1_2_1,
    /// v1.3.0: `entry_mode`, `abnormal_type`, alarms.
    V1_3,
}

/// Serial number of a terminal, `PS71HD01MC22C00014`, or what stands for it. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SerialNumber(Arc<str>);

impl UnixMillis {
    /// This time moved by `millis`, which may be negative.
    #[must_use]
    pub const fn plus(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// How long after `earlier` this is, in milliseconds; negative if it is before.
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl SerialNumber {
    /// A serial number; any text is one.
    pub fn new(text: impl AsRef<str>) -> Self {
        Self(Arc::from(text.as_ref()))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SerialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SerialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

//! The messages: what they say, in Rust's terms.

#[cfg(feature = "arbitrary")]
mod any;
mod detail;
mod devices;
mod event;
mod history;
mod image;
mod index;
mod message;
mod notice;
mod person;
mod sighting;
mod subscription;

pub use devices::{DeviceInfo, DeviceList};
pub use event::{EventKey, FaceEvent, Shape, Timestamp};
pub use history::{HistoryPage, HistoryQuery, ListStyle, TimeUnit};
pub use image::{Image, Picture, RemotePicture};
pub use message::{Answer, Ask, ExchangeId, FromBox, ToBox};
pub use notice::DeviceNotice;
pub use person::{DeviceKind, IdentityInfo, Person, PersonType, ScoreScale};
pub use sighting::{LiveForm, Sighting};
pub use subscription::Subscription;

pub(crate) use history::{percent_decoded, push_percent};
pub(crate) use person::member;

/// Milliseconds since 1970-01-01T00:00:00Z.
///
/// Wall-clock time is data: drivers read it and hand it in, machines compare it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UnixMillis(pub i64);

/// Which of the vendor's two wire languages is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a third dialect would be another protocol"
)]
pub enum Dialect {
    /// The document "实时事件上报内容": `need_face`, `event_list`, nested events.
    #[default]
    V1,
    /// "版本 2.0" of the same firmware line: `with_face_image`, `media_device_ids`, flat events.
    V2,
}

/// How much a peer may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Longest message or HTTP body, in bytes; 16 MiB.
    pub max_message: usize,
    /// Deepest nesting of JSON, in levels, at most 64; 64.
    pub max_depth: u32,
    /// Most devices in a list, most ids in a subscription, most records in a page; 10,000.
    pub max_items: usize,
}

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

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_message: 16 << 20,
            max_depth: 64,
            max_items: 10_000,
        }
    }
}

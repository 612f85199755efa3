#![doc = include_str!("../README.md")]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::exhaustive_enums
)]
#![allow(
    clippy::large_enum_variant,
    reason = "events are handed on, not stored; a box around each would cost an allocation"
)]

pub mod codec;
mod deface;
pub mod device;
pub mod error;
pub mod platform;
pub mod wire;

pub use error::{AskError, EventError, EventErrorKind, ImageError, Refused};
#[doc(inline)]
pub use wire::{
    Answer, Ask, DeviceInfo, DeviceKind, DeviceList, DeviceNotice, Dialect, EventKey, ExchangeId,
    FaceEvent, FromBox, HistoryPage, HistoryQuery, IdentityInfo, Image, Limits, ListStyle,
    LiveForm, Person, PersonType, Picture, RemotePicture, ScoreScale, Shape, Sighting,
    Subscription, TimeUnit, Timestamp, ToBox, UnixMillis,
};

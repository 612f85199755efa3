#![doc = include_str!("../README.md")]
//= docs/spec/zzw-push-proto.md#message
//# A reader MUST NOT panic, whatever bytes it is given.
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::exhaustive_enums
)]

pub mod device;
pub mod line;
pub mod platform;
pub mod repair;
pub mod rest;
pub mod rooms;
pub mod socketio;
pub mod wire;

mod error;

pub use error::{LineError, RestError, WireError, WireErrorKind};

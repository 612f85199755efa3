#![doc = include_str!("../README.md")]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::exhaustive_enums
)]

pub mod codec;
pub mod credentials;
pub mod device;
pub mod link;
pub mod platform;
pub mod sign;
pub mod wire;

mod desk;
mod error;
mod policy;
mod profile;

pub use desk::{DeskConfig, ErrorCodes, Refusal, Replay};
pub use error::{BrokerError, InfoError, NameError, RequestError, WireError, WireErrorKind};
pub use policy::BrokerPolicy;
pub use profile::{BrokerProfile, Rate};

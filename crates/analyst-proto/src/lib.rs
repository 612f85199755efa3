//! Recognition tasks between a vending platform and its video analysers.
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

mod error;
mod profile;

pub use error::{NameError, WireError, WireErrorKind};
pub use profile::BrokerProfile;

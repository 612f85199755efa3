#![doc = include_str!("../README.md")]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::exhaustive_enums
)]

mod convert;
mod emit;
mod scan;
mod text;

pub use convert::{boolean, float, integer, unix_millis};
pub use emit::{ObjectWriter, push_text};
pub use scan::{Kind, ScanError, Scanner, Value};
pub use text::text;

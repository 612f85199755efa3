#![doc = include_str!("../README.md")]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::exhaustive_enums
)]

#[cfg(feature = "base64")]
mod base64;
mod convert;
mod emit;
mod grammar;
mod plain;
mod scan;
mod text;
mod value;

#[cfg(feature = "base64")]
pub use base64::{Base64Error, clean_base64, decode_base64, is_blank_base64, push_base64};
pub use convert::{boolean, float, integer, unix_millis};
pub use emit::{ObjectWriter, push_text, push_utf8};
pub use plain::{is_plain, plain_text};
pub use scan::Scanner;
pub use text::text;
pub use value::{Kind, ScanError, Value};

//! XTEA tokens.
#![no_std]
#![forbid(unsafe_code)]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::exhaustive_enums
)]

#[cfg(feature = "arbitrary")]
extern crate std; // the derived code names it

//= docs/spec/xtea-token.md#text-forms
//= type=exception
//= reason=The caller parses the URL; `Verifier::verify` documents that it takes decoded text.
//# The path segment MUST be percent-decoded exactly once before the token is judged.
//= docs/spec/xtea-token.md#verification
//= type=exception
//= reason=This crate writes no log; the security notes tell servers.
//# A server MUST NOT log the last path segment.

mod cipher;
mod claims;
mod error;
mod identify;
mod mode;
mod padding;
#[cfg(feature = "cipher")]
mod rustcrypto;
mod text;
mod token;
#[cfg(feature = "v2")]
pub mod v2;
mod verify;

pub use cipher::{Key, WordOrder, Xtea};
pub use claims::{Claim, Claims, UnixMillis, UnixSeconds};
pub use error::{InvalidKey, IssueError, Refused, Rejected};
pub use identify::{ClaimKind, Finding, Hint, Identify, Shape, identify, shape};
pub use mode::Mode;
pub use padding::Padding;
#[cfg(feature = "cipher")]
pub use rustcrypto::{XteaBe, XteaLe};
pub use text::Text;
pub use token::{Buffer, KeyedFormat, TokenFormat, TokenText};
pub use verify::{Accept, Verified, Verifier};

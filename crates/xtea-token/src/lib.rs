#![doc = include_str!("../README.md")]
//!
//! # Security notes
//!
//! - **Constant time.** The cipher adds, exclusive-ors and shifts by fixed amounts; with a schedule
//!   not even the key index depends on anything. Text is decoded with branches, but a token's text
//!   is public. PKCS#7 padding and digits are judged whole, without an early exit, and the MAC of
//!   a `v2.` token is compared in constant time.
//! - **XTEA** is not broken in full, but it is a design of 1997 with a 64-bit block and known
//!   related-key attacks on reduced rounds. Do not use its key for anything else.
//! - **ECB is not authenticated.** Blocks can be dropped, repeated, reordered and spliced between
//!   tokens. With a time in milliseconds the first block holds the digits down to 100 s, so a
//!   splice moves the time by less than that. With an alias that ends on a block border a splice
//!   swaps identities, which is why [`Claims::AliasThenMillis`] cannot be issued.
//! - **What protects a legacy token** is that exactly one spelling is accepted, about 2^-85 a guess
//!   (2^-81 with four keys and four formats), and that the token stays secret. `trim()`, lossy
//!   UTF-8 or a lenient number parser in front of this crate throw most of that away.
//! - **A bearer token in a URL** is logged by proxies, can be replayed within the window and is
//!   bound to neither method nor body. Do not log the last path segment. Put TLS in front, or use
//!   `v2.` tokens with [`Accept::SecureOnly`].
//! - **Legacy tokens grant everything**: they have neither scope nor subject, and they authenticate
//!   the REST interface only.
//! - **Decode once.** Percent-decode the path segment exactly once before it comes here, and key
//!   caches by decoded bytes: hexadecimal is accepted in both cases.
//! - **Failures look alike.** [`Rejected`] is one value; a server that told padding from time would
//!   be an oracle.
//! - The keys in this documentation are public; a server reachable by others must refuse them.
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
pub use identify::{ClaimKind, Finding, Hint, Shape, identify, shape};
pub use mode::Mode;
pub use padding::Padding;
#[cfg(feature = "cipher")]
pub use rustcrypto::{XteaBe, XteaLe};
pub use text::Text;
pub use token::{Buffer, KeyedFormat, TokenFormat, TokenText};
pub use verify::{Accept, Verified, Verifier};

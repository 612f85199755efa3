//! The only layer that does I/O: sockets, clocks, files. Every example is thin over it.
//!
//! The protocol crates decide, this library acts: it hands facts to a machine and carries out what
//! the machine asks for. Nothing here is published; it shows how a driver is written.
#![allow(
    clippy::disallowed_methods,
    reason = "a driver is where the clocks are read"
)]

pub mod analyst;
pub mod cli;
pub mod clock;
pub mod cluster;
pub mod demo;
pub mod face;
pub mod faces;
pub mod http;
pub mod lmq;
pub mod mark;
pub mod mqtt;
pub mod records;
pub mod se5;
pub mod store;
pub mod tls;
pub mod web;
pub mod ws;
pub mod zzw;

/// The programs in the two front pages of the repository compile and run.
#[cfg(doctest)]
mod front_pages {
    #[doc = include_str!("../../README.md")]
    mod english {}

    #[doc = include_str!("../../README.zh-CN.md")]
    mod chinese {}
}

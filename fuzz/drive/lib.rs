//! The stores of the examples' library, which has them beside sockets, servers and SQLite. Nothing of
//! those is to be built for a fuzzer.
#![allow(clippy::disallowed_methods, reason = "drivers have clocks")]

#[path = "../../examples/drive/clock.rs"]
pub mod clock;
#[path = "../../examples/drive/store/mod.rs"]
pub mod store;

/// The zzw push system.
#[path = "../../examples/drive/zzw"]
pub mod zzw {
    pub mod store;
}

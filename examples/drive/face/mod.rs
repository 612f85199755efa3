//! Both ends of `face-record-push` on real sockets and disks.

mod account;
pub mod receiver;
pub mod terminal;

pub use account::account;

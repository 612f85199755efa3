//! Both ends of `face-record-push` on real sockets and disks.

pub mod receiver;
pub mod terminal;

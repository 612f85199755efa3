//! The Socket.IO port against the clients that are in the field, and against what nobody should
//! send.

#[path = "../kit/mod.rs"]
mod programs;

mod clients;
mod hostile;
mod kit;
mod packets;

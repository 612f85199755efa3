//! `zzw_server` as a process: how it starts, what it says, how it ends.

#[path = "../kit/mod.rs"]
mod kit;
mod process;

mod admin;
mod foreign;
mod life;
mod start;

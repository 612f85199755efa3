//! `zzw_device` as a process against the server of this workspace, and against others.

mod commands;
mod driver;
mod foreign;
mod killed;
mod links;
mod odd;
mod wrong;

#[path = "../kit/mod.rs"]
mod kit;
#[path = "../kit_push/mod.rs"]
mod kit_push;

//! The store that several nodes share, on a real redis-server.
#![allow(
    clippy::disallowed_methods,
    reason = "processes are waited for by the clock"
)]

mod doors;
mod fake;
#[path = "../kit/mod.rs"]
mod kit;
#[path = "../kit_zzw/mod.rs"]
mod kit_zzw;
mod late;
mod ledger;
mod lost;
mod memory;
#[path = "../zzw_store/model.rs"]
#[allow(dead_code, unreachable_pub, reason = "a fuzz target may use it")]
mod model;
#[path = "../../../crates/zzw-push-proto/tests/platform_kit/store.rs"]
#[allow(dead_code, unreachable_pub, reason = "another test's")]
mod naive;
#[allow(dead_code, reason = "each test uses its part")]
mod redis;
mod rooms;
mod shards;
mod start;

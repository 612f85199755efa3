//! Dispatcher and analyser over MQTT, HTTP and a store of their own.

pub mod analyser;
pub mod dispatcher;
mod journal;
mod link;
mod patience;
pub mod program;
mod records;
mod said;

pub use journal::OpenError;
pub use patience::Patience;
pub use said::{by_analyser, by_dispatcher};

/// The largest payload, in bytes: what Aliyun's broker takes.
const MAX_PAYLOAD: usize = 64 * 1024;

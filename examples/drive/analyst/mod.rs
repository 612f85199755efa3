//! Dispatcher and analyser over MQTT, HTTP and a store of their own.

pub mod analyser;
pub mod dispatcher;
mod journal;
pub mod program;
mod records;

pub use journal::OpenError;

use analyst_proto::codec::{self, Dialect, Lenience};
use analyst_proto::link::Incoming;
use analyst_proto::wire::Message;
use analyst_proto::{WireErrorKind, link::DeliveryId};
use bytes::Bytes;

/// The largest payload, in bytes: what Aliyun's broker takes.
const MAX_PAYLOAD: usize = 64 * 1024;

/// What was delivered, if it can be read.
fn read(delivery: DeliveryId, duplicate: bool, payload: &Bytes) -> Result<Incoming, WireErrorKind> {
    match codec::decode(payload, &Lenience::field()) {
        Ok(message) => Ok(Incoming::new(delivery, duplicate, message)),
        Err(error) => Err(error.kind),
    }
}

/// What is published.
fn write(message: &Message) -> Vec<u8> {
    let mut payload = Vec::new();
    codec::encode(message, &Dialect::default(), &mut payload);
    payload
}

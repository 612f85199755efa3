//! The first packet of every Engine.IO link.

use super::EngineError;
use crate::socketio::MAX_DEPTH;
use bytes::Bytes;
use lenient_wire::{Kind, ObjectWriter, Scanner, Value, integer, push_text, text};
use std::fmt;
use std::time::Duration;

/// What the server says when a link opens.
///
/// ```text
/// {"sid":"…","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":60000,"maxPayload":102400}
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Handshake {
    /// The session, 1 to 128 bytes. Whoever has it can poll the link, so `Debug` hides it.
    pub sid: String,
    /// Transports the link may change to, at most 8.
    pub upgrades: Vec<String>,
    /// Time between two pings, 1 ms to one day. 25 s unless the server says otherwise.
    pub ping_interval: Duration,
    /// How late a ping or its answer may be, 1 ms to one day. 60 s unless the server says otherwise.
    pub ping_timeout: Duration,
    /// The longest payload the server takes, in bytes. Revision 4 only.
    pub max_payload: Option<u64>,
}

const MAX_SID: usize = 128;
const MAX_UPGRADES: usize = 8;
const MAX_UPGRADE: usize = 32; // bytes of a transport's name
const DAY: u64 = 24 * 60 * 60 * 1000;

impl Handshake {
    /// The handshake of a session, with the usual times and no upgrades.
    pub fn new(sid: impl Into<String>) -> Self {
        Self {
            sid: sid.into(),
            upgrades: Vec::new(),
            //= docs/spec/zzw-push-proto.md#engine-io
            //# Ping times that a handshake does not tell MUST be read as 25 s and 60 s.
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(60),
            max_payload: None,
        }
    }

    pub(super) fn read(json: &Bytes) -> Result<Self, EngineError> {
        read(json).ok_or(EngineError::Handshake)
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let mut object = ObjectWriter::new(out);
        object.text("sid", &self.sid);
        let list = object.name("upgrades");
        list.push(b'[');
        for (at, upgrade) in self.upgrades.iter().enumerate() {
            if at > 0 {
                list.push(b',');
            }
            push_text(list, upgrade);
        }
        list.push(b']');
        object.display("pingInterval", self.ping_interval.as_millis());
        object.display("pingTimeout", self.ping_timeout.as_millis());
        if let Some(max) = self.max_payload {
            object.display("maxPayload", max);
        }
        object.end();
    }
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake")
            .field("upgrades", &self.upgrades)
            .field("ping_interval", &self.ping_interval)
            .field("ping_timeout", &self.ping_timeout)
            .field("max_payload", &self.max_payload)
            .finish_non_exhaustive()
    }
}

//= docs/spec/zzw-push-proto.md#engine-io
//# A handshake without a session of 1 to 128 bytes, or with ping times outside of 1 ms to one day,
//# MUST be refused.
fn read(json: &[u8]) -> Option<Handshake> {
    let mut handshake = Handshake::new("");
    let mut scan = Scanner::new(json, MAX_DEPTH);
    scan.enter_object().ok()?;
    while let Some(key) = scan.key().ok()? {
        match text(json, key)?.as_ref() {
            "sid" => handshake.sid = text(json, scan.value().ok()?)?.into_owned(),
            "upgrades" if scan.at_array() => handshake.upgrades = upgrades(json, &mut scan)?,
            "pingInterval" => {
                handshake.ping_interval =
                    millis(json, scan.value().ok()?, handshake.ping_interval)?;
            }
            "pingTimeout" => {
                handshake.ping_timeout = millis(json, scan.value().ok()?, handshake.ping_timeout)?;
            }
            "maxPayload" => {
                let max = integer(json, scan.value().ok()?);
                handshake.max_payload = max.and_then(|max| max.try_into().ok());
            }
            _ => drop(scan.value().ok()?),
        }
    }
    scan.end().ok()?;
    (1..=MAX_SID)
        .contains(&handshake.sid.len())
        .then_some(handshake)
}

/// The names, as far as they are names of transports; the rest of the list is passed over.
fn upgrades(json: &[u8], scan: &mut Scanner<'_>) -> Option<Vec<String>> {
    let mut upgrades = Vec::new();
    scan.enter_array().ok()?;
    while scan.element().ok()? {
        let name = text(json, scan.value().ok()?).filter(|name| name.len() <= MAX_UPGRADE);
        match name {
            Some(name) if upgrades.len() < MAX_UPGRADES => upgrades.push(name.into_owned()),
            _ => {}
        }
    }
    Some(upgrades)
}

/// A time in milliseconds; nothing said is the usual one.
fn millis(json: &[u8], value: Value, usual: Duration) -> Option<Duration> {
    if value.kind == Kind::Null {
        return Some(usual);
    }
    let millis = u64::try_from(integer(json, value)?).ok()?;
    (1..=DAY)
        .contains(&millis)
        .then(|| Duration::from_millis(millis))
}

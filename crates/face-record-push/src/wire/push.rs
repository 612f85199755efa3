//! Pushes: what comes in the body of a POST.

use super::{AuthRequest, Image, SerialNumber, UnixMillis};
use crate::{PushError, RecordKey};
use bytes::Bytes;
use std::borrow::Cow;
use std::fmt;

/// The body of a POST.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Push {
    /// `type` 0: a face was recognised, or was not.
    Record(Record),
    /// `type` 1: the terminal itself is in trouble.
    Alarm(Alarm),
    /// Any other `type`. Kept and acknowledged like a record.
    Unknown(Unknown),
    /// No `type`: may this person pass? Never kept.
    RemoteAuth(AuthRequest),
}

/// A recognition record: the JSON as it came, and where its members are.
#[derive(Clone)]
pub struct Record {
    json: Bytes,
}

/// An alarm.
#[derive(Clone)]
pub struct Alarm {
    json: Bytes,
}

/// A push of a type that no document names.
#[derive(Clone)]
pub struct Unknown {
    json: Bytes,
}

impl Push {
    /// Reads the body of a POST.
    ///
    /// # Errors
    ///
    /// [`PushError`] if it is not JSON or no object; everything else is a push.
    pub fn decode(json: Bytes) -> Result<Self, PushError> {
        Ok(Self::Record(Record { json }))
    }

    /// The message as it came.
    pub fn json(&self) -> &Bytes {
        match self {
            Self::Record(record) => &record.json,
            Self::Alarm(alarm) => &alarm.json,
            Self::Unknown(unknown) => &unknown.json,
            Self::RemoteAuth(request) => request.json(),
        }
    }

    /// `deviceSN`, of the body.
    pub fn serial(&self) -> Option<SerialNumber> {
        None
    }

    /// When it happened, by the terminal's clock.
    pub fn time(&self) -> Option<UnixMillis> {
        None
    }

    /// `pass` of a record: whether the terminal let the person through.
    pub fn pass(&self) -> Option<bool> {
        None
    }

    /// What makes two pushes of one terminal the same.
    pub fn key(&self, serial: &SerialNumber) -> RecordKey {
        RecordKey::of_body(serial, self.json())
    }
}

impl Record {
    /// `deviceSN`
    pub fn device_sn(&self) -> Option<Cow<'_, str>> {
        None
    }

    /// `rgb_image`
    pub fn picture(&self) -> Option<Image> {
        None
    }
}

impl PartialEq for Record {
    fn eq(&self, other: &Self) -> bool {
        self.json == other.json
    }
}
impl PartialEq for Alarm {
    fn eq(&self, other: &Self) -> bool {
        self.json == other.json
    }
}
impl PartialEq for Unknown {
    fn eq(&self, other: &Self) -> bool {
        self.json == other.json
    }
}
impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Record({} B)", self.json.len())
    }
}
impl fmt::Debug for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Alarm({} B)", self.json.len())
    }
}
impl fmt::Debug for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unknown({} B)", self.json.len())
    }
}

//! Pushes: what comes in the body of a POST.

use super::body::{Body, whole};
use super::code::{
    AbnormalType, AlarmCode, AlarmStatus, EntryMode, Mask, Mode, RecognitionType, RecognizeStatus,
};
use super::index::{Form, Known, Place, Slot};
use super::{AuthRequest, Id, Image, SerialNumber, UnixMillis, User};
use crate::{PushError, RecordKey};
use bytes::Bytes;
use lenient_wire::{Kind, Scanner, text};
use std::borrow::Cow;
use std::fmt;

/// The body of a POST: the JSON as it came and an index into it.
///
/// Decoding walks the body once and remembers where each known member stands. Nothing is copied or
/// allocated, pictures are not even looked at, and what no document names stays reachable.
///
/// ```
/// use face_record_push::Push;
///
/// let body = r#"{"type":0,"data":{"deviceSN":"PS7","pass":true,"user":{"name":"小明"}}}"#;
/// let Push::Record(record) = Push::decode(body.into())? else { unreachable!() };
/// assert_eq!(record.pass(), Some(true));
/// assert_eq!(record.user().and_then(|user| user.name()).as_deref(), Some("小明"));
/// # Ok::<(), face_record_push::PushError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Push {
    /// `type` 0: a face was recognised, or was not. Also a record that came without the envelope.
    Record(Record),
    /// `type` 1, since profile 1.3: the terminal itself is in trouble.
    Alarm(Alarm),
    /// Any other `type`, or none at all in a body that is no question either. Kept and acknowledged
    /// like a record.
    Unknown(Unknown),
    /// No `type`, no `data`, and no outcome: may this person pass? Never kept.
    RemoteAuth(AuthRequest),
}

/// A recognition record of any profile: the JSON as it came, and where its members are.
///
/// A member that is missing, `null`, empty or of an unexpected type is `None`.
#[derive(Clone)]
pub struct Record {
    body: Body,
}

/// An alarm, since profile 1.3. It names no terminal: the serial number comes in a header.
#[derive(Clone)]
pub struct Alarm {
    body: Body,
}

/// A push of a type that no document names.
#[derive(Clone)]
pub struct Unknown {
    body: Body,
}

/// When something happened, by the clock of the terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timestamp<'a> {
    /// In milliseconds, the unit told by the size of the number.
    pub unix: UnixMillis,
    /// As the terminal wrote it.
    pub raw: Cow<'a, str>,
}

impl Push {
    /// Reads the body of a POST.
    ///
    /// # Errors
    ///
    /// [`PushError`] if it is not JSON, no object, or a record or an alarm without an object in
    /// `data`; everything else is a push.
    pub fn decode(json: Bytes) -> Result<Self, PushError> {
        //= docs/spec/face-record-push.md#record
        //# The decoder MUST accept every JSON object with a `type` and an object in `data` as a
        //# push, whatever the members of that are.
        let (body, form) = Body::read(json)?;
        Ok(match form {
            Form::Record => Self::Record(Record { body }),
            Form::Alarm => Self::Alarm(Alarm { body }),
            Form::Unknown => Self::Unknown(Unknown { body }),
            Form::RemoteAuth => Self::RemoteAuth(AuthRequest::of(body)),
        })
    }

    /// The message as it came.
    pub fn json(&self) -> &Bytes {
        self.body().json()
    }

    /// `deviceSN` of the body. Alarms have none.
    pub fn serial(&self) -> Option<SerialNumber> {
        self.body()
            .device_sn()
            .map(|text| SerialNumber::new(text.trim()))
    }

    /// When it happened, by the terminal's clock.
    pub fn time(&self) -> Option<UnixMillis> {
        let slot = match self {
            Self::Alarm(_) => Slot::EventTime,
            _ => Slot::Timestamp,
        };
        self.body().timestamp(slot).map(|time| time.unix)
    }

    /// `pass` of a record: whether the terminal let the person through.
    pub fn pass(&self) -> Option<bool> {
        match self {
            Self::Record(record) => record.pass(),
            _ => None,
        }
    }

    /// The picture, if there is one.
    pub fn picture(&self) -> Option<Image> {
        self.body().picture()
    }

    /// `type`: 0 of a record, also where it is not written, 1 of an alarm. `None` of a question, and
    /// of an unknown push whose type is no whole number.
    pub fn kind(&self) -> Option<i64> {
        match self {
            Self::Record(_) => Some(0),
            Self::Alarm(_) => Some(1),
            Self::Unknown(unknown) => unknown.kind(),
            Self::RemoteAuth(_) => None,
        }
    }

    /// What makes two pushes of one terminal the same, however they are spelled.
    ///
    /// Of a record with a `uuid`, that, its second and its person. Else its time, outcome, person, score and picture; two
    /// people in one second differ. Of an alarm, its trace id, status and time, since one that is
    /// raised and then released keeps its trace id. Of anything else, its body.
    pub fn key(&self, serial: &SerialNumber) -> RecordKey {
        match self {
            Self::Record(record) => RecordKey::of_record(serial, &record.body),
            Self::Alarm(alarm) => RecordKey::of_alarm(serial, &alarm.body),
            Self::Unknown(_) | Self::RemoteAuth(_) => RecordKey::of_body(serial, self.json()),
        }
    }

    fn body(&self) -> &Body {
        match self {
            Self::Record(record) => &record.body,
            Self::Alarm(alarm) => &alarm.body,
            Self::Unknown(unknown) => &unknown.body,
            Self::RemoteAuth(request) => request.body(),
        }
    }
}

impl Record {
    /// Reads a record without its envelope, as the records query lists it. One with an envelope is
    /// read, too.
    ///
    /// # Errors
    ///
    /// [`PushError`] if it is not JSON or no object.
    pub fn decode_item(json: Bytes) -> Result<Self, PushError> {
        //= docs/spec/face-record-push.md#record
        //# A record from a query of the terminal's records MUST be read by the same accessors as a
        //# pushed one.
        let body = Body::read_item(json)?;
        Ok(Self { body })
    }

    /// The message as it came.
    pub fn json(&self) -> &Bytes {
        self.body.json()
    }

    /// The record without its envelope.
    pub fn facts(&self) -> &[u8] {
        self.body.facts()
    }

    /// `deviceSN`: the terminal.
    pub fn device_sn(&self) -> Option<Cow<'_, str>> {
        self.body.device_sn()
    }

    /// `recognitionType`, since profile 1.1.
    pub fn recognition_type(&self) -> Option<RecognitionType> {
        //= docs/spec/face-record-push.md#record
        //# The members `recognitionType` and `recognizeStatus` MUST NOT be read as each other.
        self.body
            .integer(Slot::RecognitionType)
            .map(RecognitionType)
    }

    /// `recognizeStatus`, of profile 1.0.
    pub fn recognize_status(&self) -> Option<RecognizeStatus> {
        self.body.status()
    }

    /// `recognizeScore`: how alike, usually 0 to 1.
    pub fn score(&self) -> Option<f64> {
        //= docs/spec/face-record-push.md#record
        //# A score MUST be given as the terminal wrote it, without rounding.
        self.body.float(Slot::RecognizeScore)
    }

    /// `livenessScore`, of profile 1.0.
    pub fn liveness(&self) -> Option<f64> {
        self.body.float(Slot::LivenessScore)
    }

    /// `mask`
    pub fn mask(&self) -> Option<Mask> {
        //= docs/spec/face-record-push.md#record
        //# A number that no document names MUST be kept as it came.
        self.body.integer(Slot::Mask).map(Mask)
    }

    /// `mode`
    pub fn mode(&self) -> Option<Mode> {
        self.body.integer(Slot::Mode).map(Mode)
    }

    /// `rgb_image`
    pub fn picture(&self) -> Option<Image> {
        self.body.picture()
    }

    /// `pass`: whether the person was let through.
    pub fn pass(&self) -> Option<bool> {
        self.body.boolean(Slot::Pass)
    }

    /// `timestamp`: seconds, milliseconds or microseconds, told apart by size.
    pub fn timestamp(&self) -> Option<Timestamp<'_>> {
        self.body.timestamp(Slot::Timestamp)
    }

    /// `bodyTemperature` in degrees Celsius, since profile 1.1; 0 is none.
    pub fn temperature(&self) -> Option<f64> {
        self.body
            .float(Slot::BodyTemperature)
            //= docs/spec/face-record-push.md#record
            //# A body temperature that is missing or 0 MUST be read as not measured.
            .filter(|celsius| *celsius != 0.0)
    }

    /// `uuid`: names the record, since profile 1.2.1.
    pub fn uuid(&self) -> Option<Cow<'_, str>> {
        self.body.text(Slot::Uuid)
    }

    /// `entry_mode`, since profile 1.3.
    pub fn entry_mode(&self) -> Option<EntryMode> {
        self.body.integer(Slot::EntryMode).map(EntryMode)
    }

    /// `abnormal_type`, since profile 1.3.
    pub fn abnormal_type(&self) -> Option<AbnormalType> {
        self.body.integer(Slot::AbnormalType).map(AbnormalType)
    }

    /// `trackID`, of firmware v0.0.8.
    pub fn track_id(&self) -> Option<Id<'_>> {
        let is_number = self.body.value(Slot::TrackId).kind == Kind::Number;
        let text = self.body.text(Slot::TrackId)?;
        Some(Id { text, is_number })
    }

    /// `user`: the person, if the record states one.
    pub fn user(&self) -> Option<User<'_>> {
        self.body.user()
    }

    /// The JSON of the member that `path` leads to, be it named in a document or not. The path
    /// begins in `data`.
    pub fn raw(&self, path: &[&str]) -> Option<&str> {
        self.body.raw(path)
    }

    /// Members of `data` that no document names, name and JSON.
    pub fn extra_members(&self) -> Vec<(String, String)> {
        extra_members(self.body.facts()).unwrap_or_default()
    }
}

impl Alarm {
    /// The message as it came.
    pub fn json(&self) -> &Bytes {
        self.body.json()
    }

    /// `trace_id`: the same while an alarm is raised and released.
    pub fn trace_id(&self) -> Option<Cow<'_, str>> {
        self.body.text(Slot::TraceId)
    }

    /// `description`
    pub fn description(&self) -> Option<Cow<'_, str>> {
        self.body.text(Slot::Description)
    }

    /// `code`: what happened. Required only of an alarm that is raised.
    pub fn code(&self) -> Option<AlarmCode> {
        self.body.integer(Slot::AlarmCode).map(AlarmCode)
    }

    /// `user_id`: who was at the terminal.
    pub fn user_id(&self) -> Option<Id<'_>> {
        let is_number = self.body.value(Slot::AlarmUser).kind == Kind::Number;
        let text = self.body.text(Slot::AlarmUser)?;
        Some(Id { text, is_number })
    }

    /// `event_time`: when it was raised or, where it is not raised any more, handled.
    pub fn event_time(&self) -> Option<Timestamp<'_>> {
        self.body.timestamp(Slot::EventTime)
    }

    /// `status`
    pub fn status(&self) -> Option<AlarmStatus> {
        self.body.integer(Slot::AlarmStatus).map(AlarmStatus)
    }

    /// `alarm_photo`
    pub fn picture(&self) -> Option<Image> {
        self.body.picture()
    }

    /// As [`Record::raw`].
    pub fn raw(&self, path: &[&str]) -> Option<&str> {
        self.body.raw(path)
    }
}

impl Unknown {
    /// The message as it came.
    pub fn json(&self) -> &Bytes {
        self.body.json()
    }

    /// `type`, if it is a whole number.
    pub fn kind(&self) -> Option<i64> {
        self.body.integer(Slot::Type)
    }

    /// As [`Record::raw`].
    pub fn raw(&self, path: &[&str]) -> Option<&str> {
        self.body.raw(path)
    }
}

fn extra_members(json: &[u8]) -> Option<Vec<(String, String)>> {
    let mut scan = Scanner::new(json, 64);
    let mut extra = Vec::new();
    scan.enter_object().ok()?;
    while let Some(key) = scan.key().ok()? {
        let value = scan.bulk().ok()?;
        let name = text(json, key)?;
        let is_known = Known::within(Place::Data, name.as_bytes()).is_some();
        if let (false, Ok(raw)) = (is_known, std::str::from_utf8(whole(json, value))) {
            extra.push((name.into_owned(), raw.to_owned()));
        }
    }
    Some(extra)
}

impl PartialEq for Record {
    fn eq(&self, other: &Self) -> bool {
        self.json() == other.json()
    }
}

impl PartialEq for Alarm {
    fn eq(&self, other: &Self) -> bool {
        self.json() == other.json()
    }
}

impl PartialEq for Unknown {
    fn eq(&self, other: &Self) -> bool {
        self.json() == other.json()
    }
}

impl fmt::Debug for Record {
    /// Names, numbers and pictures are people: not even their lengths are needed to find one's way.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        //= docs/spec/face-record-push.md#privacy
        //# Names, ids of persons, PINs and pictures MUST NOT appear in debug output.
        f.debug_struct("Record")
            .field("device_sn", &self.device_sn())
            .field("timestamp", &self.timestamp().map(|time| time.unix.0))
            .field("recognition_type", &self.recognition_type())
            .field("pass", &self.pass())
            .field("bytes", &self.json().len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alarm")
            .field("trace_id", &self.trace_id())
            .field("event_time", &self.event_time().map(|time| time.unix.0))
            .field("code", &self.code())
            .field("status", &self.status())
            .field("bytes", &self.json().len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Unknown(type {:?}, {} B)",
            self.kind(),
            self.json().len()
        )
    }
}

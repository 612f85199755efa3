//! One face event, whichever way and in whichever dialect it came.

use super::index::{COMMON, EXT, Index, Known, Slot, TOP};
use super::person::{member, person_type};
use super::{
    DeviceKind, Dialect, IdentityInfo, Image, Limits, Person, PersonType, Picture, RemotePicture,
    ScoreScale, UnixMillis,
};
use crate::{EventError, EventErrorKind};
use bytes::Bytes;
use lenient_wire::{Kind, Scanner, Value, float, text, unix_millis};
use siphasher::sip128::{Hasher128 as _, SipHasher24};
use std::borrow::Cow;
use std::fmt;
use std::hash::Hasher as _;

/// A face event: the received JSON and an index into it.
///
/// Decoding walks the message once and remembers where each known member stands. Nothing is copied
/// or allocated, pictures are not even looked at, and what no document names stays reachable through
/// [`Self::raw`]. One type serves live events, recorded ones and the vendor's push envelopes, so an
/// application reads them all through the same accessors.
///
/// ```text
/// member      dialect 1                     dialect 2                 recorded in dialect 1
/// device_id   device_id                     media_device_id           common.ep_info.device_id
/// person      ext_data.person_type          user_type                 common.person_type
/// registered  reg_pic                       register_image            common.identity_info.image_id
/// face        ext_data.recognize_face       recognize_face_image      common.recognize_face_pic_id
/// scene       ext_data.spot_pic             -                         common.spot_pic_id
/// ```
#[derive(Clone)]
pub struct FaceEvent {
    json: Bytes,
    shape: Shape,
    index: Index,
}

/// Which of the vendor's forms an event came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Shape {
    /// Pushed on the WebSocket (or sent by HTTP POST from the older SE3 box).
    Live(Dialect),
    /// Read from the event history.
    Recorded(Dialect),
    /// In the envelope of the asynchronous push, `"api_version":"1.0"` or `"2.0"`.
    Pushed(Dialect),
}

/// When an event happened, by the clock of the box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timestamp<'a> {
    /// In milliseconds, the unit told by the size of the number.
    pub unix: UnixMillis,
    /// As the box wrote it.
    pub raw: Cow<'a, str>,
}

/// Names one event, the same for as long as anyone stores it.
///
/// SipHash-2-4 of 128 bits over the box's own id or, where there is none, over device, time,
/// identity and score. Events that differ in any of these have different keys.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventKey(pub [u8; 16]);

impl FaceEvent {
    /// Reads an event, within the default [`Limits`].
    ///
    /// # Errors
    ///
    /// As [`Self::decode_within`].
    pub fn decode(json: Bytes) -> Result<Self, EventError> {
        Self::decode_within(json, &Limits::default())
    }

    /// Reads an event of at most `limits.max_message` bytes.
    ///
    /// # Errors
    ///
    /// [`EventError`] for what is no JSON object, or beyond a limit. A member of an unexpected type
    /// is not an error: its accessor gives `None`, its text stays in [`Self::json`].
    pub fn decode_within(json: Bytes, limits: &Limits) -> Result<Self, EventError> {
        //= docs/spec/se5-events.md#limits
        //# A message longer than `max_message` MUST be reported as too large without being looked
        //# at.
        if json.len() > limits.max_message {
            let kind = EventErrorKind::TooLarge {
                max: limits.max_message,
            };
            return Err(EventError::new(kind, json));
        }
        //= docs/spec/se5-events.md#limits
        //# JSON nested deeper than `max_depth` levels MUST be reported as too deep.
        let mut scan = Scanner::new(&json, limits.max_depth);
        let read = if scan.at_object() {
            Index::read(&mut scan, &json).map_err(EventErrorKind::from)
        } else {
            // Valid JSON of another kind deserves the better message.
            scan.value().and_then(|_| scan.end()).map_or_else(
                |error| Err(EventErrorKind::from(error)),
                |()| Err(EventErrorKind::NotObject),
            )
        };
        match read {
            //= docs/spec/se5-events.md#events
            //# The decoder MUST accept every JSON object as an event.
            //= docs/spec/se5-events.md#events
            //# An event MUST be readable from a text message and from a binary message.
            Ok(index) => Ok(Self {
                shape: index.shape(),
                index,
                json,
            }),
            //= docs/spec/se5-events.md#events
            //# The decoder MUST report a message that is no JSON object with the reason and the
            //# message as it came.
            //= docs/spec/se5-events.md#events
            //# Registered data in the JavaScript notation that the document prints MUST be reported
            //# as malformed.
            Err(kind) => Err(EventError::new(kind, json)),
        }
    }

    /// Reads one record of a history page, which may lack every sign of being one.
    pub(crate) fn decode_recorded(json: Bytes, limits: &Limits) -> Result<Self, EventError> {
        let mut event = Self::decode_within(json, limits)?;
        event.shape = Shape::Recorded(event.dialect());
        Ok(event)
    }

    /// The message as it came.
    pub fn json(&self) -> &Bytes {
        &self.json
    }

    /// The form it came in.
    pub fn shape(&self) -> Shape {
        //= docs/spec/se5-events.md#events
        //# The decoder MUST accept an event of either dialect on any connection.
        self.shape
    }

    /// The dialect it came in.
    pub fn dialect(&self) -> Dialect {
        match self.shape {
            Shape::Live(dialect) | Shape::Recorded(dialect) | Shape::Pushed(dialect) => dialect,
        }
    }

    /// `event_id`, or `_id` of a recorded event. Undocumented in dialect 1, yet printed by the
    /// vendor's program.
    pub fn event_id(&self) -> Option<Cow<'_, str>> {
        //= docs/spec/se5-events.md#events
        //# The identifiers `video_id` and `event_id` of dialect 1 MUST be read where present and
        //# never be required.
        self.text(self.index.of(Slot::EventId))
    }

    /// `video_id`. Undocumented, yet printed by the vendor's program.
    pub fn video_id(&self) -> Option<Cow<'_, str>> {
        self.text(self.index.of(Slot::VideoId))
    }

    /// `timestamp`: seconds, milliseconds or microseconds, told apart by size.
    pub fn timestamp(&self) -> Option<Timestamp<'_>> {
        //= docs/spec/se5-events.md#events
        //# A time MUST be read as seconds below 1e11, as milliseconds below 1e14 and as
        //# microseconds below 1e17.
        //= docs/spec/se5-events.md#events
        //# A time MUST be read from a whole number, from a number with a fraction and from either
        //# of them in quotes.
        //= docs/spec/se5-events.md#events
        //# The text of a time MUST be kept as the box wrote it.
        let raw = self.text(self.index.of(Slot::Timestamp))?;
        Some(Timestamp {
            unix: UnixMillis(unix_millis(&raw)?),
            raw,
        })
    }

    /// `identity_id`: the user's number.
    pub fn identity_id(&self) -> Option<Cow<'_, str>> {
        //= docs/spec/se5-events.md#events
        //# An id MUST be read from text and from a number alike, and kept as text.
        self.text(self.index.of(Slot::IdentityId))
    }

    /// `identity_name`
    pub fn identity_name(&self) -> Option<Cow<'_, str>> {
        self.text(self.index.of(Slot::IdentityName))
    }

    /// `identity_info`: what was registered; `{}` for strangers.
    pub fn identity_info(&self) -> Option<IdentityInfo<'_>> {
        //= docs/spec/se5-events.md#events
        //# Registered data MUST be read from an object, and missing or null registered data as
        //# none.
        let value = self.index.of(Slot::IdentityInfo);
        (value.kind == Kind::Object).then(|| IdentityInfo::new(value.of(&self.json)))
    }

    /// `group_name`, which is the group's id where it has no name.
    pub fn group_name(&self) -> Option<Cow<'_, str>> {
        self.text(self.index.of(Slot::GroupName))
    }

    /// `group_id`, of recorded events.
    pub fn group_id(&self) -> Option<Cow<'_, str>> {
        self.text(self.index.of(Slot::GroupId))
    }

    /// `score` as given; see [`ScoreScale`].
    pub fn score(&self) -> Option<f64> {
        //= docs/spec/se5-events.md#events
        //# A score MUST be given as the box wrote it, without rescaling.
        float(&self.json, self.index.of(Slot::Score))
    }

    /// A hint on what range [`Self::score`] is.
    pub fn score_scale(&self) -> ScoreScale {
        self.score().map_or(ScoreScale::Unknown, ScoreScale::of)
    }

    /// `device_id` or `media_device_id`: the device that saw the face, usually a UUID.
    pub fn device_id(&self) -> Option<Cow<'_, str>> {
        self.text(self.index.of(Slot::DeviceId))
    }

    /// `device_ip` or `media_device_ip`
    pub fn device_ip(&self) -> Option<Cow<'_, str>> {
        self.text(self.index.of(Slot::DeviceIp))
    }

    /// `device_type` or `media_device_type`: a number, digits or a word.
    pub fn device_kind(&self) -> Option<DeviceKind> {
        //= docs/spec/se5-events.md#events
        //# A device type MUST be read from a number, from digits in quotes and from a word.
        self.text(self.index.of(Slot::DeviceKind))
            .map(|text| DeviceKind::from_wire(&text))
    }

    /// `person_type` or `user_type`; employee if missing, and then flagged as a default.
    pub fn person(&self) -> Person {
        let value = self.index.of(Slot::Person);
        match person_type(&self.json, value) {
            Some(kind) => Person::new(kind),
            //= docs/spec/se5-events.md#events
            //# A missing or null person type MUST be read as employee and flagged as a default.
            None if matches!(value.kind, Kind::Missing | Kind::Null) => Person {
                kind: PersonType::Employee,
                defaulted: true,
            },
            //= docs/spec/se5-events.md#events
            //# A person type that no document names MUST be kept as it was written and never be
            //# taken for an employee.
            None => {
                let raw = String::from_utf8_lossy(value.of(&self.json));
                Person::new(PersonType::Other(raw.into_owned()))
            }
        }
    }

    /// True if the box says stranger: by `person_type` or `user_type`, and by nothing else.
    ///
    /// The name `"stranger"` and `identity_info.type` 4 occur on people who are none.
    pub fn is_stranger(&self) -> bool {
        //= docs/spec/se5-events.md#events
        //# An event MUST count as a stranger's if its person type says so, and for no other reason.
        self.person().kind == PersonType::Stranger
    }

    /// `reg_pic`, `register_image` or `reg_image`: the registered picture.
    pub fn registered_picture(&self) -> Picture {
        let registered = self.index.of(Slot::RegisteredId);
        self.picture(self.index.of(Slot::Registered), || {
            let id = self.text(registered).filter(|id| !id.trim().is_empty());
            let of_person = || self.identity_info()?.image_id().map(Cow::into_owned);
            let recorded = matches!(self.shape, Shape::Recorded(_));
            let id = id
                .map(Cow::into_owned)
                .or_else(|| of_person().filter(|_| recorded))?;
            Some(RemotePicture::Registered { id })
        })
    }

    /// `recognize_face` or `recognize_face_image`: the face, cut from the scene.
    pub fn face_picture(&self) -> Picture {
        self.picture(self.index.of(Slot::Face), || {
            self.recorded_picture(self.index.of(Slot::FaceId))
        })
    }

    /// `spot_pic` or `spot_image`: the scene.
    pub fn scene_picture(&self) -> Picture {
        self.picture(self.index.of(Slot::Scene), || {
            self.recorded_picture(self.index.of(Slot::SceneId))
        })
    }

    /// The JSON of the member that `path` leads to, be it named in a document or not.
    ///
    /// ```
    /// # use se5_events::FaceEvent;
    /// let event = FaceEvent::decode(r#"{"ext_data":{"box_fiqa_info":{"blur":0.1}}}"#.into())?;
    /// assert_eq!(event.raw(&["ext_data", "box_fiqa_info"]), Some(r#"{"blur":0.1}"#));
    /// # Ok::<(), se5_events::EventError>(())
    /// ```
    pub fn raw(&self, path: &[&str]) -> Option<&str> {
        //= docs/spec/se5-events.md#events
        //# Members that no document names MUST be kept as the JSON text they came in.
        raw(&self.json, path)
    }

    /// Members without a place in a [`super::Sighting`], name and JSON, documented or not: at the
    /// top, in `ext_data` and in `common`.
    pub fn extra_members(&self) -> Vec<(String, String)> {
        let mut extra = Vec::new();
        let mut collect = |json: &[u8]| -> Option<()> {
            let mut scan = Scanner::new(json, 64);
            scan.enter_object().ok()?;
            while let Some(key) = scan.key().ok()? {
                let value = scan.bulk().ok()?;
                let name = text(json, key)?;
                // What is known in one place only would say something else in another.
                let known = Known::within(TOP | EXT | COMMON, name.as_bytes());
                let is_carried = known.is_some_and(Known::is_carried);
                if let (false, Ok(raw)) = (is_carried, std::str::from_utf8(whole(json, value))) {
                    extra.push((name.into_owned(), raw.to_owned()));
                }
            }
            Some(())
        };
        collect(&self.json);
        for name in ["ext_data", "common"] {
            if let Some(value) = member(&self.json, name) {
                collect(value.of(&self.json));
            }
        }
        extra
    }

    /// The event that says nothing: `{}`.
    pub(crate) fn empty() -> Self {
        let json = Bytes::from_static(b"{}");
        Self {
            json,
            shape: Shape::Live(Dialect::V1),
            index: Index::default(),
        }
    }

    /// The key under which an application should store the event: storing it twice is then storing
    /// it once, also when it arrives again by the other way or after a restart.
    pub fn key(&self) -> EventKey {
        //= docs/spec/se5-events.md#duplicates
        //# The key of an event MUST be the same whenever the same message is decoded.
        match (self.dialect(), self.id_key()) {
            (Dialect::V2, Some(key)) => key,
            _ => self.fields_key(),
        }
    }

    /// The key by the box's own id, if the event has one.
    pub fn id_key(&self) -> Option<EventKey> {
        let id = self.event_id().filter(|id| !id.trim().is_empty())?;
        Some(EventKey::of(&[b"id", id.as_bytes()]))
    }

    /// The key by device, time, identity and score.
    pub fn fields_key(&self) -> EventKey {
        let unix = self
            .timestamp()
            .map_or(i64::MIN, |timestamp| timestamp.unix.0);
        EventKey::of(&[
            b"fields",
            self.device_id().unwrap_or_default().as_bytes(),
            &unix.to_le_bytes(),
            self.identity_id().unwrap_or_default().as_bytes(),
            &self.score().map_or(u64::MAX, f64::to_bits).to_le_bytes(),
        ])
    }

    fn text(&self, value: Value) -> Option<Cow<'_, str>> {
        text(&self.json, value)
    }

    fn picture(&self, inline: Value, remote: impl FnOnce() -> Option<RemotePicture>) -> Picture {
        let is_text = matches!(inline.kind, Kind::Bulk | Kind::Text | Kind::EscapedText);
        //= docs/spec/se5-events.md#pictures
        //# Decoding an event MUST NOT copy or decode its pictures.
        //= docs/spec/se5-events.md#pictures
        //# A picture that is missing, null, empty or blank MUST be read as absent.
        if is_text && !Image::is_blank(inline.of(&self.json)) {
            return Picture::Inline(Image::new(self.json.slice(inline.range())));
        }
        remote().map_or(Picture::Absent, Picture::Remote)
    }

    fn recorded_picture(&self, id: Value) -> Option<RemotePicture> {
        let id = self
            .text(id)
            .filter(|id| !id.trim().is_empty())?
            .into_owned();
        //= docs/spec/se5-events.md#pictures
        //# A picture of a recorded event MUST be given as the id under which the box serves it,
        //# with the time as the box wrote it.
        Some(RemotePicture::Recorded {
            id,
            time: self.text(self.index.of(Slot::Timestamp))?.into_owned(),
        })
    }
}

impl PartialEq for FaceEvent {
    fn eq(&self, other: &Self) -> bool {
        self.json == other.json
    }
}

impl fmt::Debug for FaceEvent {
    /// Names, ids and pictures are people: only their lengths are printed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        //= docs/spec/se5-events.md#events
        //# Names, ids of persons, registered data and pictures MUST NOT appear in debug output.
        let length = |text: Option<Cow<'_, str>>| text.map_or(0, |text| text.chars().count());
        f.debug_struct("FaceEvent")
            .field("shape", &self.shape)
            .field("device_id", &self.device_id())
            .field(
                "timestamp",
                &self.timestamp().map(|timestamp| timestamp.unix.0),
            )
            .field("person", &self.person().kind)
            .field("identity_id", &length(self.identity_id()))
            .field("identity_name", &length(self.identity_name()))
            .field("bytes", &self.json.len())
            .finish_non_exhaustive()
    }
}

impl EventKey {
    /// Lengths are hashed too, so that `("ab", "c")` and `("a", "bc")` differ.
    fn of(parts: &[&[u8]]) -> Self {
        let mut hasher = SipHasher24::new();
        for part in parts {
            hasher.write(&(part.len() as u64).to_le_bytes());
            hasher.write(part);
        }
        Self(hasher.finish128().as_bytes())
    }
}

impl fmt::Display for EventKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for EventKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The JSON of the member of `json` that `path` leads to.
pub(super) fn raw<'a>(json: &'a [u8], path: &[&str]) -> Option<&'a str> {
    let mut json = json;
    for name in path {
        json = whole(json, member(json, name)?);
    }
    std::str::from_utf8(json).ok()
}

/// A value's JSON with the quotes that text has.
pub(super) fn whole(json: &[u8], value: Value) -> &[u8] {
    let range = match value.kind {
        Kind::Text | Kind::EscapedText | Kind::Bulk => {
            (value.start as usize).saturating_sub(1)..(value.end as usize).saturating_add(1)
        }
        _ => value.range(),
    };
    json.get(range).unwrap_or_default()
}

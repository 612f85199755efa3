//! Who was seen, and by what.

use super::UnixMillis;
use super::event::whole;
use lenient_wire::{Scanner, Value, integer, text, unix_millis};
use std::borrow::Cow;
use std::fmt;

/// What the box takes a person for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Person {
    /// The kind.
    pub kind: PersonType,
    /// True if the message does not say and the document's default, employee, stands in.
    ///
    /// No door should open on a default.
    pub defaulted: bool,
}

/// The lists a person can be on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PersonType {
    /// `1`, `"employee"`
    Employee,
    /// `2`, `"visitor"`
    Visitor,
    /// `3`, `"blacklist"`: on the block list.
    Blacklist,
    /// `4`, `"stranger"`: on no list.
    Stranger,
    /// `5`, `"vip"`
    Vip,
    /// `"car"`, in recorded events of dialect 2.
    Car,
    /// Something no document names, as it was written. Never taken for an employee.
    Other(String),
}

/// What kind of device saw the face.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeviceKind {
    /// `0`: a turnstile.
    Turnstile,
    /// `1`: a capture camera, which sends pictures.
    CaptureCamera,
    /// `3`: the live stream of an IP camera.
    IpcStream,
    /// `4`: a door.
    Door,
    /// `"photo"`
    Photo,
    /// `"rtsp"`
    Rtsp,
    /// `"file"`
    File,
    /// `"card"`
    Card,
    /// `"gb28181"`
    Gb28181,
    /// Something no document names, as it was written.
    Other(String),
}

/// What range a score seems to be on. The vendor shows 0.62 and 82.05 for the same thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScoreScale {
    /// 0 to 1.
    Unit,
    /// Above 1, up to 100.
    Percent,
    /// Neither.
    Unknown,
}

/// Registered data of a recognised person: `identity_info`.
#[derive(Clone, Copy)]
pub struct IdentityInfo<'a> {
    json: &'a [u8],
}

impl Person {
    /// A person whose kind is stated.
    pub fn new(kind: PersonType) -> Self {
        Self {
            kind,
            defaulted: false,
        }
    }
}

impl PersonType {
    /// The kind that `text` (a word of dialect 2, or digits of dialect 1) stands for.
    pub fn from_wire(text: &str) -> Self {
        match text.trim() {
            "1" | "employee" => Self::Employee,
            "2" | "visitor" => Self::Visitor,
            "3" | "blacklist" => Self::Blacklist,
            "4" | "stranger" => Self::Stranger,
            "5" | "vip" => Self::Vip,
            "car" => Self::Car,
            other => Self::Other(other.to_owned()),
        }
    }

    /// The word of dialect 2.
    pub fn word(&self) -> &str {
        match self {
            Self::Employee => "employee",
            Self::Visitor => "visitor",
            Self::Blacklist => "blacklist",
            Self::Stranger => "stranger",
            Self::Vip => "vip",
            Self::Car => "car",
            Self::Other(text) => text,
        }
    }

    /// The number of dialect 1, where there is one.
    pub fn code(&self) -> Option<i64> {
        match self {
            Self::Employee => Some(1),
            Self::Visitor => Some(2),
            Self::Blacklist => Some(3),
            Self::Stranger => Some(4),
            Self::Vip => Some(5),
            Self::Car => None,
            Self::Other(text) => text.parse().ok(),
        }
    }
}

impl DeviceKind {
    /// The kind that `text` (digits of dialect 1, or a word) stands for.
    pub fn from_wire(text: &str) -> Self {
        match text.trim() {
            "0" => Self::Turnstile,
            "1" => Self::CaptureCamera,
            "3" => Self::IpcStream,
            "4" => Self::Door,
            "photo" => Self::Photo,
            "rtsp" => Self::Rtsp,
            "file" => Self::File,
            "card" => Self::Card,
            "gb28181" => Self::Gb28181,
            other => Self::Other(other.to_owned()),
        }
    }

    /// The kind as both dialects write it.
    pub fn as_wire(&self) -> &str {
        match self {
            Self::Turnstile => "0",
            Self::CaptureCamera => "1",
            Self::IpcStream => "3",
            Self::Door => "4",
            Self::Photo => "photo",
            Self::Rtsp => "rtsp",
            Self::File => "file",
            Self::Card => "card",
            Self::Gb28181 => "gb28181",
            Self::Other(text) => text,
        }
    }
}

impl ScoreScale {
    /// A hint by range only; scores are never rescaled.
    pub fn of(score: f64) -> Self {
        match score {
            0.0..=1.0 => Self::Unit,
            1.0..=100.0 => Self::Percent,
            _ => Self::Unknown,
        }
    }
}

impl<'a> IdentityInfo<'a> {
    /// From a validated object.
    pub(crate) fn new(json: &'a [u8]) -> Self {
        Self { json }
    }

    /// The object as the box wrote it.
    pub fn json(&self) -> &'a str {
        std::str::from_utf8(self.json).unwrap_or_default()
    }

    /// True for `{}`, as strangers have it.
    pub fn is_empty(&self) -> bool {
        !self.json.contains(&b':')
    }

    /// `name`
    pub fn name(&self) -> Option<Cow<'a, str>> {
        self.text("name")
    }

    /// `type`: the list the registered person is on, a number as in `person_type`.
    pub fn kind(&self) -> Option<PersonType> {
        self.text("type").map(|text| PersonType::from_wire(&text))
    }

    /// `addTime`: when the person was registered.
    pub fn added_at(&self) -> Option<UnixMillis> {
        self.text("addTime")
            .and_then(|text| unix_millis(&text))
            .map(UnixMillis)
    }

    /// `image_id`: the registered picture, for [`super::RemotePicture::Registered`].
    pub fn image_id(&self) -> Option<Cow<'a, str>> {
        self.text("image_id")
    }

    /// `user_id`
    pub fn user_id(&self) -> Option<Cow<'a, str>> {
        self.text("user_id")
    }

    /// `permission_ids`, as JSON.
    pub fn permission_ids(&self) -> Option<&'a str> {
        self.raw("permission_ids")
    }

    /// `face_ids`, as JSON.
    pub fn face_ids(&self) -> Option<&'a str> {
        self.raw("face_ids")
    }

    /// `ext_info` (building number, room, address, floor), as JSON.
    pub fn ext_info(&self) -> Option<&'a str> {
        self.raw("ext_info")
    }

    fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        text(self.json, member(self.json, name)?)
    }

    fn raw(&self, name: &str) -> Option<&'a str> {
        std::str::from_utf8(whole(self.json, member(self.json, name)?)).ok()
    }
}

impl fmt::Debug for IdentityInfo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<identity info {} B>", self.json.len())
    }
}

/// The last member called `name` in the object `json`.
pub(crate) fn member(json: &[u8], name: &str) -> Option<Value> {
    let mut scan = Scanner::new(json, 64);
    let mut found = None;
    scan.enter_object().ok()?;
    while let Some(key) = scan.key().ok()? {
        let value = scan.bulk().ok()?;
        if text(json, key).as_deref() == Some(name) {
            found = Some(value);
        }
    }
    found
}

/// A number of dialect 1 or a word of dialect 2.
pub(crate) fn person_type(json: &[u8], value: Value) -> Option<PersonType> {
    match integer(json, value) {
        Some(code) => Some(PersonType::from_wire(&code.to_string())),
        None => text(json, value)
            .filter(|word| !word.trim().is_empty())
            .map(|word| PersonType::from_wire(&word)),
    }
}

//! What a box knows of one sighting, and how it says so in each dialect.

use super::{DeviceKind, Dialect, FaceEvent, Limits, PersonType, Picture, UnixMillis};
use crate::ImageError;
use bytes::Bytes;
use lenient_wire::{ObjectWriter, Scanner, push_base64};
use std::fmt;

/// One face seen by one device, before it is put into words.
///
/// This is the box's side of a [`FaceEvent`]: plain values and JPEG bytes.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Sighting {
    /// The box's own id, `"1607062639.737444"` in its style.
    pub event_id: String,
    /// The device that saw the face, a UUID on real boxes.
    pub device_id: String,
    /// When; from March 1973 on, since earlier milliseconds read as seconds on the wire.
    pub at: UnixMillis,
    /// Address of the device.
    pub device_ip: String,
    /// What the device is.
    pub device_kind: DeviceKind,
    /// The list the person is on.
    pub person: PersonType,
    /// The person's number; empty for strangers.
    pub identity_id: String,
    /// The person's name.
    pub identity_name: String,
    /// Registered data as a JSON object; `{}` for strangers. What is no object is written as `{}`.
    pub identity_info: String,
    /// The person's group.
    pub group_name: String,
    /// How alike, 0 to 1 (or to 100, as the box is set). Not finite becomes `null` on the wire.
    pub score: f64,
    /// The registered picture, a JPEG.
    pub registered: Option<Bytes>,
    /// The face, a JPEG.
    pub face: Option<Bytes>,
    /// The scene, a JPEG; dialect 2 has no place for it in live events.
    pub scene: Option<Bytes>,
    /// Further members, name and JSON: in `ext_data` (dialect 1, live), in `common` (dialect 1,
    /// recorded) or at the top (dialect 2). What is no JSON, or nests deeper than 60 levels, is left
    /// out.
    pub extra: Vec<(String, String)>,
}

/// How a live event is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct LiveForm {
    /// In which dialect.
    pub dialect: Dialect,
    /// With the picture of the face.
    pub face: bool,
    /// With the picture of the scene.
    pub scene: bool,
    /// With the registered picture.
    pub registered: bool,
    /// With the undocumented `video_id` and `event_id` in dialect 1, without which the vendor's own
    /// program fails.
    pub script_ids: bool,
}

impl LiveForm {
    /// Every picture, script ids on.
    pub fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            face: true,
            scene: true,
            registered: true,
            script_ids: true,
        }
    }
}

impl Sighting {
    /// An unknown person before `device_id`, with every other member at its emptiest.
    pub fn new(event_id: impl Into<String>, device_id: impl Into<String>, at: UnixMillis) -> Self {
        Self {
            event_id: event_id.into(),
            device_id: device_id.into(),
            at,
            device_ip: String::new(),
            device_kind: DeviceKind::CaptureCamera,
            person: PersonType::Stranger,
            identity_id: String::new(),
            identity_name: "stranger".to_owned(),
            identity_info: "{}".to_owned(),
            group_name: "default_group".to_owned(),
            score: 0.0,
            registered: None,
            face: None,
            scene: None,
            extra: Vec::new(),
        }
    }

    /// Appends the event as it is pushed on the WebSocket: strict compact JSON, members in the
    /// order of the document.
    ///
    /// A picture that `form` leaves out is left out; one that it asks for but that does not exist is
    /// `""`. Apart from growing `out`, nothing is allocated.
    pub fn encode_live(&self, form: LiveForm, out: &mut Vec<u8>) {
        match form.dialect {
            Dialect::V1 => self.encode_live_v1(form, out),
            Dialect::V2 => self.encode_live_v2(form, out),
        }
    }

    /// Appends the event as the history lists it: pictures by id, time in seconds.
    pub fn encode_recorded(&self, dialect: Dialect, out: &mut Vec<u8>) {
        match dialect {
            Dialect::V1 => self.encode_recorded_v1(out),
            Dialect::V2 => self.encode_recorded_v2(out),
        }
    }

    /// The event as a message, ready to be sent.
    pub fn to_live(&self, form: LiveForm) -> FaceEvent {
        let mut json = Vec::new();
        self.encode_live(form, &mut json);
        FaceEvent::of_ours(json.into())
    }

    /// The event as the history lists it.
    pub fn to_recorded(&self, dialect: Dialect) -> FaceEvent {
        let mut json = Vec::new();
        self.encode_recorded(dialect, &mut json);
        FaceEvent::of_ours(json.into())
    }

    /// The id under which the history offers the picture of the face.
    pub fn face_picture_id(&self) -> Option<String> {
        self.face
            .as_ref()
            .map(|_| format!("{}-face", self.event_id))
    }

    /// The id under which the history offers the picture of the scene.
    pub fn scene_picture_id(&self) -> Option<String> {
        self.scene
            .as_ref()
            .map(|_| format!("{}-spot", self.event_id))
    }

    /// The id under which the box offers the registered picture.
    pub fn registered_picture_id(&self) -> Option<String> {
        self.registered
            .as_ref()
            .map(|_| format!("{}-reg", self.identity_id))
    }

    /// The event's time in seconds, as the history writes it: `1607062639.701`.
    pub fn seconds(&self) -> String {
        let (seconds, millis) = (self.at.0.div_euclid(1000), self.at.0.rem_euclid(1000));
        format!("{seconds}.{millis:03}")
    }

    fn encode_live_v1(&self, form: LiveForm, out: &mut Vec<u8>) {
        let mut event = ObjectWriter::new(out);
        //= docs/spec/se5-events.md#events
        //# A live event MUST be written in the member order of the document.
        if form.registered {
            push_picture(event.name("reg_pic"), "", self.registered.as_ref());
        }
        let mut ext = event.object("ext_data");
        //= docs/spec/se5-events.md#events
        //# A live event MUST always be written with its person type.
        match self.person.code() {
            Some(code) => ext.display("person_type", code),
            None => ext.text("person_type", self.person.word()),
        };
        //= docs/spec/se5-events.md#events
        //# A device type MUST be written as text.
        ext.text("device_ip", &self.device_ip)
            .text("device_type", self.device_kind.as_wire());
        if form.scene {
            push_picture(ext.name("spot_pic"), "", self.scene.as_ref());
        }
        if form.face {
            push_picture(ext.name("recognize_face"), "", self.face.as_ref());
        }
        push_extra(&mut ext, &self.extra);
        ext.end();
        event
            .text("identity_id", &self.identity_id)
            .text("device_id", &self.device_id)
            .raw("identity_info", object_or_empty(&self.identity_info));
        push_score(&mut event, self.score);
        //= docs/spec/se5-events.md#events
        //# A live event MUST be written with its time as whole milliseconds.
        event
            .display("timestamp", self.at.0)
            .text("group_name", &self.group_name)
            .text("identity_name", &self.identity_name);
        //= docs/spec/se5-events.md#events
        //# The box MUST write `video_id` and `event_id` in dialect 1 unless its configuration turns
        //# them off.
        if form.script_ids {
            event
                .text("video_id", &self.device_id)
                .text("event_id", &self.event_id);
        }
        event.end();
    }

    fn encode_live_v2(&self, form: LiveForm, out: &mut Vec<u8>) {
        let mut event = ObjectWriter::new(out);
        event
            .text("event_id", &self.event_id)
            .display("timestamp", self.at.0)
            .text("identity_id", &self.identity_id)
            .text("identity_name", &self.identity_name)
            .text("user_type", self.person.word());
        push_score(&mut event, self.score);
        event
            .text("media_device_ip", &self.device_ip)
            .text("media_device_id", &self.device_id)
            .text("media_device_type", self.device_kind.as_wire());
        if form.registered {
            push_picture(
                event.name("register_image"),
                PREFIX,
                self.registered.as_ref(),
            );
        }
        if form.face {
            push_picture(
                event.name("recognize_face_image"),
                PREFIX,
                self.face.as_ref(),
            );
        }
        push_extra(&mut event, &self.extra);
        event.end();
    }

    fn encode_recorded_v1(&self, out: &mut Vec<u8>) {
        let mut record = ObjectWriter::new(out);
        record
            .text("_id", &self.event_id)
            .raw("timestamp", self.seconds());
        let mut common = record.object("common");
        common
            .text("identity_id", &self.identity_id)
            .raw("identity_info", object_or_empty(&self.identity_info))
            .text("identity_name", &self.identity_name)
            .text(
                "recognize_face_pic_id",
                &self.face_picture_id().unwrap_or_default(),
            )
            .text("spot_pic_id", &self.scene_picture_id().unwrap_or_default())
            .text("group_name", &self.group_name);
        match self.person.code() {
            Some(code) => common.display("person_type", code),
            None => common.text("person_type", self.person.word()),
        };
        push_score(&mut common, self.score);
        common
            .object("ep_info")
            .text("device_id", &self.device_id)
            .text("ep_ip", &self.device_ip)
            .text("ep_type", self.device_kind.as_wire())
            .end();
        push_extra(&mut common, &self.extra);
        common.end();
        record.end();
    }

    fn encode_recorded_v2(&self, out: &mut Vec<u8>) {
        let mut record = ObjectWriter::new(out);
        record
            .text("event_id", &self.event_id)
            .raw("timestamp", self.seconds())
            .text("identity_id", &self.identity_id)
            .text("identity_name", &self.identity_name)
            .text("user_type", self.person.word());
        push_score(&mut record, self.score);
        record
            .object("media_device_info")
            .text("id", &self.device_id)
            .text("ip", &self.device_ip)
            .text("type", self.device_kind.as_wire())
            .end();
        record
            .text(
                "register_image_id",
                &self.registered_picture_id().unwrap_or_default(),
            )
            .text(
                "recognize_face_image_id",
                &self.face_picture_id().unwrap_or_default(),
            )
            .text(
                "spot_image_id",
                &self.scene_picture_id().unwrap_or_default(),
            );
        push_extra(&mut record, &self.extra);
        record.end();
    }
}

impl FaceEvent {
    /// Our own encoding, which is valid, and may be as long as its pictures make it.
    fn of_ours(json: Bytes) -> Self {
        let limits = Limits {
            max_message: usize::MAX,
            ..Limits::default()
        };
        Self::decode_within(json, &limits).unwrap_or_else(|_| Self::empty())
    }

    /// The plain values of this event, pictures decoded.
    ///
    /// With it a box can be put in front of another box. What dialect 2 does not say (group,
    /// registered data) is empty.
    ///
    /// # Errors
    ///
    /// [`ImageError`] if a picture in the message is not base64 or too large.
    pub fn to_sighting(&self) -> Result<Sighting, ImageError> {
        let owned = |text: Option<std::borrow::Cow<'_, str>>| text.unwrap_or_default().into_owned();
        let jpeg = |picture: Picture| -> Result<Option<Bytes>, ImageError> {
            picture
                .inline()
                .map(|image| image.jpeg().map(Bytes::from))
                .transpose()
        };
        Ok(Sighting {
            event_id: owned(self.event_id()),
            device_id: owned(self.device_id()),
            at: self
                .timestamp()
                .map_or(UnixMillis(0), |timestamp| timestamp.unix),
            device_ip: owned(self.device_ip()),
            device_kind: self
                .device_kind()
                .unwrap_or(DeviceKind::Other(String::new())),
            person: self.person().kind,
            identity_id: owned(self.identity_id()),
            identity_name: owned(self.identity_name()),
            identity_info: self
                .identity_info()
                .map_or("{}", |info| info.json())
                .to_owned(),
            group_name: owned(self.group_name()),
            score: self.score().unwrap_or(f64::NAN),
            registered: jpeg(self.registered_picture())?,
            face: jpeg(self.face_picture())?,
            scene: jpeg(self.scene_picture())?,
            extra: self.extra_members(),
        })
    }
}

impl fmt::Debug for Sighting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let picture = |jpeg: &Option<Bytes>| jpeg.as_ref().map(Bytes::len);
        f.debug_struct("Sighting")
            .field("event_id", &self.event_id)
            .field("device_id", &self.device_id)
            .field("at", &self.at)
            .field("person", &self.person)
            .field(
                "pictures",
                &[&self.registered, &self.face, &self.scene].map(picture),
            )
            .finish_non_exhaustive()
    }
}

/// Before each picture in dialect 2.
const PREFIX: &str = "data:image/jpeg;base64,";

/// Base64 goes straight into the frame: it never needs escaping.
fn push_picture(out: &mut Vec<u8>, prefix: &str, jpeg: Option<&Bytes>) {
    out.push(b'"');
    if let Some(jpeg) = jpeg {
        //= docs/spec/se5-events.md#pictures
        //# A picture of dialect 1 MUST be written as bare padded base64.
        //= docs/spec/se5-events.md#pictures
        //# A picture of dialect 2 MUST be written as padded base64 behind
        //# `data:image/jpeg;base64,`.
        out.extend_from_slice(prefix.as_bytes());
        push_base64(out, jpeg);
    }
    out.push(b'"');
}

fn push_extra(object: &mut ObjectWriter<'_>, extra: &[(String, String)]) {
    for (name, json) in extra {
        if is_json(json) {
            object.raw(name, json);
        }
    }
}

fn object_or_empty(json: &str) -> &str {
    let is_object = json.trim_start().starts_with('{') && is_json(json);
    if is_object { json } else { "{}" }
}

/// Not too deep for the objects around it, either.
fn is_json(json: &str) -> bool {
    let mut scan = Scanner::new(json.as_bytes(), 60);
    scan.value().and_then(|_| scan.end()).is_ok()
}

/// `1.0`, not `1`: the box is a Python program and always writes the point.
fn push_score(object: &mut ObjectWriter<'_>, score: f64) {
    if score.is_finite() {
        object.display("score", format_args!("{score:?}"));
    } else {
        //= docs/spec/se5-events.md#events
        //# A score that is not finite MUST be written as null.
        object.raw("score", "null");
    }
}

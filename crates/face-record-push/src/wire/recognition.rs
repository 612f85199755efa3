//! What a terminal has to tell: plain values, before any profile.

use super::code::{
    AbnormalType, AlarmCode, AlarmStatus, EntryMode, Mask, Mode, RecognitionType, RecognizeStatus,
    UserType,
};
use super::{Group, Item, Profile, Record, UnixMillis};
use bytes::Bytes;
use lenient_wire::{ObjectWriter, Scanner};
use std::borrow::Cow;
use std::fmt;

/// A recognition as a terminal knows it, in no profile yet. A profile writes the members that it
/// has.
///
/// The picture is not in it: it stays a JPEG until it is sent, see [`Self::to_item`].
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Recognition {
    /// `deviceSN`
    pub device_sn: String,
    /// `timestamp`, written in whole seconds.
    pub at: UnixMillis,
    /// `uuid`, since 1.2.1: names the record. Give every record another.
    pub uuid: String,
    /// `recognitionType`, since 1.1.
    pub recognition_type: RecognitionType,
    /// `recognizeStatus`, of 1.0.
    pub recognize_status: RecognizeStatus,
    /// `recognizeScore`, 0 to 1. Not finite is written as null.
    pub score: f64,
    /// `livenessScore`, of 1.0, 0 to 1. Not finite is written as null.
    pub liveness: f64,
    /// `mask`
    pub mask: Mask,
    /// `mode`
    pub mode: Mode,
    /// `pass`: whether the person was let through.
    pub pass: bool,
    /// `bodyTemperature` in degrees Celsius, since 1.1; 0 is not measured.
    pub temperature: f64,
    /// `entry_mode`, since 1.3.
    pub entry_mode: EntryMode,
    /// `abnormal_type`, since 1.3.
    pub abnormal_type: AbnormalType,
    /// `user`; written as null where nobody was recognised.
    pub user: Option<Person>,
    /// Further members of `data`, name and JSON, written last. What is no JSON, or nests deeper than
    /// 60 levels, is left out.
    pub extra: Vec<(String, String)>,
}

/// A person as a terminal knows it. Texts are at most 128 bytes, the remark 256.
#[derive(Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Person {
    /// `name`
    pub name: String,
    /// `user_id`: before 1.2.1 written as a number if it is one, since as text.
    pub user_id: String,
    /// `type`
    pub user_type: UserType,
    /// `ic_number`, since 1.2: the card.
    pub ic_number: String,
    /// `job_number`, since 1.2.
    pub job_number: String,
    /// `id_number`, since 1.2.1: the identity card.
    pub id_number: String,
    /// `pin`, since 1.3.
    pub pin: String,
    /// `remark`, since 1.2.1.
    pub remark: String,
    /// `guest_time_start`, since 1.2.1, in milliseconds; none is written as 0.
    pub guest_from: Option<UnixMillis>,
    /// `guest_time_end`, likewise.
    pub guest_until: Option<UnixMillis>,
    /// `groups`, since 1.2.1.
    pub groups: Vec<Group>,
}

/// An alarm as a terminal knows it. Only profile 1.3 has alarms.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AlarmReport {
    /// `trace_id`: the same while it is raised and released.
    pub trace_id: String,
    /// `description`
    pub description: String,
    /// `code`: what happened; required of an alarm that is raised.
    pub code: Option<AlarmCode>,
    /// `user_id`: who was at the terminal.
    pub user_id: Option<i64>,
    /// `event_time`, in milliseconds.
    pub at: UnixMillis,
    /// `status`
    pub status: AlarmStatus,
}

impl Recognition {
    /// An employee let through by face, of whom nothing else is known.
    pub fn new(device_sn: impl Into<String>, at: UnixMillis) -> Self {
        Self {
            device_sn: device_sn.into(),
            at,
            uuid: String::new(),
            recognition_type: RecognitionType::EMPLOYEE,
            recognize_status: RecognizeStatus::RECOGNISED,
            score: 0.0,
            liveness: 0.0,
            mask: Mask::OFF,
            mode: Mode::FACE,
            pass: true,
            temperature: 0.0,
            entry_mode: EntryMode::FACE,
            abnormal_type: AbnormalType::NONE,
            user: None,
            extra: Vec::new(),
        }
    }

    /// The push that says so in `profile`, with its picture: members in the order of that profile's
    /// example.
    ///
    /// ```
    /// use face_record_push::{Profile, Recognition, UnixMillis, codec};
    ///
    /// let recognition = Recognition::new("PS7", UnixMillis(1_660_625_866_000));
    /// let mut body = Vec::new();
    /// codec::encode_push(&recognition.to_item(Profile::V1_1, Some("jpeg".into())), &mut body);
    /// let body = String::from_utf8(body)?;
    /// assert!(body.starts_with(r#"{"type":0,"data":{"recognitionType":1,"deviceSN":"PS7""#));
    /// assert!(body.contains(r#""rgb_image":"anBlZw==""#));
    /// # Ok::<(), std::string::FromUtf8Error>(())
    /// ```
    pub fn to_item(&self, profile: Profile, jpeg: Option<Bytes>) -> Item {
        let mut json = Vec::with_capacity(512);
        let mut push = ObjectWriter::new(&mut json);
        push.raw("type", "0");
        let mut data = push.object("data");
        //= docs/spec/face-record-push.md#record
        //# A push MUST be written with the members of its profile in the order of that profile's
        //# example.
        let picture_at = match profile {
            Profile::V1_0 => self.write_1_0(&mut data),
            Profile::V1_1 | Profile::V1_2 => self.write_1_1(&mut data, profile),
            Profile::V1_2_1 | Profile::V1_3 => self.write_1_3(&mut data, profile),
        };
        write_extra(&mut data, &self.extra);
        data.end();
        push.end();
        Item::new(json.into(), picture_at, jpeg)
    }

    /// The question whether this person may pass, with the picture. `qr_code` is what was shown, if
    /// anything was.
    pub fn to_auth_request(&self, qr_code: Option<&str>, jpeg: Option<Bytes>) -> Item {
        let mut json = Vec::with_capacity(512);
        let mut question = ObjectWriter::new(&mut json);
        question
            .text("deviceSN", &self.device_sn)
            .display("recognizeStatus", self.recognize_status.0);
        write_float(&mut question, "recognizeScore", self.score);
        question.display("mask", self.mask.0);
        let picture_at = write_picture(&mut question, "rgb_image");
        self.write_time(&mut question);
        write_float(&mut question, "bodyTemperature", self.temperature);
        question
            .display("entry_mode", self.entry_mode.0)
            .text("qrcode_content", qr_code.unwrap_or_default());
        self.write_user(&mut question, Profile::V1_3);
        question.end();
        Item::new(json.into(), picture_at, jpeg)
    }

    fn write_1_0(&self, data: &mut ObjectWriter<'_>) -> Option<u32> {
        data.display("recognizeStatus", self.recognize_status.0);
        write_float(data, "livenessScore", self.liveness);
        data.text("deviceSN", &self.device_sn);
        write_float(data, "recognizeScore", self.score);
        data.display("mask", self.mask.0)
            .display("mode", self.mode.0);
        let picture_at = write_picture(data, "rgb_image");
        data.display("pass", self.pass);
        self.write_time(data);
        self.write_user(data, Profile::V1_0);
        picture_at
    }

    fn write_1_1(&self, data: &mut ObjectWriter<'_>, profile: Profile) -> Option<u32> {
        data.display("recognitionType", self.recognition_type.0)
            .text("deviceSN", &self.device_sn);
        write_float(data, "recognizeScore", self.score);
        data.display("mask", self.mask.0);
        let picture_at = write_picture(data, "rgb_image");
        data.display("pass", self.pass).display("mode", self.mode.0);
        self.write_user(data, profile);
        self.write_time(data);
        write_float(data, "bodyTemperature", self.temperature);
        picture_at
    }

    fn write_1_3(&self, data: &mut ObjectWriter<'_>, profile: Profile) -> Option<u32> {
        data.text("deviceSN", &self.device_sn)
            .display("recognitionType", self.recognition_type.0);
        if profile >= Profile::V1_3 {
            data.display("entry_mode", self.entry_mode.0)
                .display("abnormal_type", self.abnormal_type.0);
        }
        data.text("uuid", &self.uuid);
        write_float(data, "recognizeScore", self.score);
        data.display("mask", self.mask.0)
            .display("mode", self.mode.0);
        let picture_at = write_picture(data, "rgb_image");
        write_float(data, "bodyTemperature", self.temperature);
        data.display("pass", self.pass);
        self.write_time(data);
        self.write_user(data, profile);
        picture_at
    }

    fn write_time(&self, data: &mut ObjectWriter<'_>) {
        //= docs/spec/face-record-push.md#record
        //# The time of a record MUST be written in seconds.
        data.display("timestamp", self.at.0.div_euclid(1000));
    }

    fn write_user(&self, data: &mut ObjectWriter<'_>, profile: Profile) {
        match &self.user {
            Some(user) => {
                let mut object = data.object("user");
                user.write(&mut object, profile);
                object.end();
            }
            None => drop(data.raw("user", "null")),
        }
    }
}

impl Person {
    /// An employee.
    pub fn new(user_id: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            user_id: user_id.into(),
            user_type: UserType::EMPLOYEE,
            ..Self::default()
        }
    }

    fn write(&self, user: &mut ObjectWriter<'_>, profile: Profile) {
        user.text("name", &self.name);
        if profile < Profile::V1_2_1 {
            write_id(user, "user_id", &self.user_id);
            user.display("type", self.user_type.0);
            if profile == Profile::V1_2 {
                user.text("ic_number", &self.ic_number)
                    .text("job_number", &self.job_number);
            }
            return;
        }
        user.text("ic_number", &self.ic_number)
            .text("id_number", &self.id_number)
            .text("job_number", &self.job_number);
        if profile >= Profile::V1_3 {
            user.text("pin", &self.pin);
        }
        user.text("user_id", &self.user_id)
            .text("remark", &self.remark)
            //= docs/spec/face-record-push.md#record
            //# The times of an alarm and of a guest MUST be written in milliseconds.
            .display("guest_time_start", self.guest_from.unwrap_or_default().0)
            .display("guest_time_end", self.guest_until.unwrap_or_default().0)
            .display("type", self.user_type.0);
        write_groups(user.name("groups"), &self.groups);
    }
}

impl AlarmReport {
    /// An alarm that is raised.
    pub fn new(trace_id: impl Into<String>, code: AlarmCode, at: UnixMillis) -> Self {
        Self {
            trace_id: trace_id.into(),
            description: String::new(),
            code: Some(code),
            user_id: None,
            at,
            status: AlarmStatus::RAISED,
        }
    }

    /// The push that says so, with its picture. The serial number goes into a header.
    pub fn to_item(&self, jpeg: Option<Bytes>) -> Item {
        let mut json = Vec::with_capacity(256);
        let mut push = ObjectWriter::new(&mut json);
        push.raw("type", "1");
        let mut data = push.object("data");
        data.text("trace_id", &self.trace_id)
            .text("description", &self.description);
        if let Some(code) = self.code {
            data.display("code", code.0);
        }
        if let Some(user_id) = self.user_id {
            data.display("user_id", user_id);
        }
        data.display("event_time", self.at.0)
            .display("status", self.status.0);
        let picture_at = write_picture(&mut data, "alarm_photo");
        data.end();
        push.end();
        Item::new(json.into(), picture_at, jpeg)
    }
}

impl Record {
    /// The plain values of this record, without its picture. What it does not state is as in
    /// [`Recognition::new`], except that nobody was let through.
    pub fn to_recognition(&self) -> Recognition {
        let owned = |text: Option<Cow<'_, str>>| text.unwrap_or_default().into_owned();
        let at = self.timestamp().map_or(UnixMillis(0), |time| time.unix);
        let user = self.user().map(|user| Person {
            name: owned(user.name()),
            user_id: owned(user.user_id().map(|id| id.text)),
            user_type: user.user_type().unwrap_or_default(),
            ic_number: owned(user.ic_number().map(|id| id.text)),
            job_number: owned(user.job_number().map(|id| id.text)),
            id_number: owned(user.id_number()),
            pin: owned(user.pin()),
            remark: owned(user.remark()),
            guest_from: user.guest_from(),
            guest_until: user.guest_until(),
            groups: user.groups(),
        });
        Recognition {
            device_sn: owned(self.device_sn()),
            at,
            uuid: owned(self.uuid()),
            recognition_type: self.recognition_type().unwrap_or_default(),
            recognize_status: self.recognize_status().unwrap_or_default(),
            score: self.score().unwrap_or(f64::NAN),
            liveness: self.liveness().unwrap_or(f64::NAN),
            mask: self.mask().unwrap_or_default(),
            mode: self.mode().unwrap_or_default(),
            pass: self.pass().unwrap_or_default(),
            temperature: self.temperature().unwrap_or_default(),
            entry_mode: self.entry_mode().unwrap_or_default(),
            abnormal_type: self.abnormal_type().unwrap_or_default(),
            user,
            extra: self.extra_members(),
        }
    }
}

/// Writes an empty text; tells where the picture goes.
fn write_picture(data: &mut ObjectWriter<'_>, name: &str) -> Option<u32> {
    let out = data.name(name);
    out.push(b'"');
    let at = u32::try_from(out.len()).ok();
    out.push(b'"');
    at
}

/// `1.0`, not `1`: these members are no integers.
fn write_float(data: &mut ObjectWriter<'_>, name: &str, number: f64) {
    if number.is_finite() {
        data.display(name, format_args!("{number:?}"));
    } else {
        data.raw(name, "null");
    }
}

/// A number if it is one as JSON writes it, else text: what is no number must not be lost.
fn write_id(object: &mut ObjectWriter<'_>, name: &str, id: &str) {
    match id.parse::<i64>() {
        Ok(number) if number.to_string() == id => object.display(name, number),
        _ => object.text(name, id),
    };
}

fn write_groups(out: &mut Vec<u8>, groups: &[Group]) {
    out.push(b'[');
    for (nth, group) in groups.iter().enumerate() {
        if nth != 0 {
            out.push(b',');
        }
        let mut object = ObjectWriter::new(out);
        write_id(&mut object, "id", &group.id);
        object.text("name", &group.name);
        object.end();
    }
    out.push(b']');
}

fn write_extra(data: &mut ObjectWriter<'_>, extra: &[(String, String)]) {
    for (name, json) in extra {
        // Not too deep for the objects around it, either.
        let mut scan = Scanner::new(json.as_bytes(), 60);
        if scan.value().and_then(|_| scan.end()).is_ok() {
            data.raw(name, json);
        }
    }
}

impl fmt::Debug for Recognition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recognition")
            .field("device_sn", &self.device_sn)
            .field("at", &self.at)
            .field("recognition_type", &self.recognition_type)
            .field("pass", &self.pass)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Person(***)")
    }
}

impl fmt::Debug for AlarmReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AlarmReport")
            .field("trace_id", &self.trace_id)
            .field("at", &self.at)
            .field("code", &self.code)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

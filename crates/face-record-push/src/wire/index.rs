//! Where the known members of a push stand, found in one walk.

use crate::PushErrorKind;
use lenient_wire::{Kind, ScanError, Scanner, Value, integer, text};
use std::borrow::Cow;

/// The places of a push's known members.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Index {
    slots: [Value; Slot::COUNT],
}

/// A fact that a push may state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    Type,
    Data,
    DeviceSn,
    RecognitionType,
    RecognizeStatus,
    RecognizeScore,
    LivenessScore,
    Mask,
    Mode,
    Picture,
    Pass,
    Timestamp,
    BodyTemperature,
    Uuid,
    EntryMode,
    AbnormalType,
    TrackId,
    QrCode,
    Groups,
    UserName,
    UserId,
    UserType,
    IcNumber,
    JobNumber,
    IdNumber,
    Pin,
    Remark,
    GuestStart,
    GuestEnd,
    TraceId,
    Description,
    AlarmCode,
    AlarmUser,
    EventTime,
    AlarmStatus,
}

/// What a body turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Record,
    Alarm,
    Unknown,
    RemoteAuth,
}

/// A member that some document names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    Fact(Slot),
    Picture,
    /// The `data` of the envelope.
    Data,
    /// The `user` of a record.
    User,
}

/// The objects that members belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// The top: the envelope, or a record without one.
    Top,
    Data,
    User,
}

impl Known {
    /// What the documents say of members called `name` in the object `place`.
    pub(crate) fn within(place: Place, name: &[u8]) -> Option<Self> {
        use Slot::{
            AbnormalType, AlarmCode, AlarmStatus, AlarmUser, BodyTemperature, Description,
            DeviceSn, EntryMode, EventTime, Groups, GuestEnd, GuestStart, IcNumber, IdNumber,
            JobNumber, LivenessScore, Mask, Mode, Pass, Pin, QrCode, RecognitionType,
            RecognizeScore, RecognizeStatus, Remark, Timestamp, TraceId, TrackId, Type, UserId,
            UserName, UserType, Uuid,
        };
        if place == Place::User {
            return Some(Self::Fact(match name {
                b"name" => UserName,
                b"user_id" => UserId,
                b"type" => UserType,
                b"ic_number" => IcNumber,
                b"job_number" => JobNumber,
                b"id_number" => IdNumber,
                b"pin" => Pin,
                b"remark" => Remark,
                b"guest_time_start" => GuestStart,
                b"guest_time_end" => GuestEnd,
                b"groups" => Groups,
                _ => return None,
            }));
        }
        Some(match name {
            b"type" if place == Place::Top => Self::Fact(Type),
            b"data" if place == Place::Top => Self::Data,
            b"user" => Self::User,
            b"rgb_image" | b"alarm_photo" => Self::Picture,
            b"deviceSN" => Self::Fact(DeviceSn),
            b"recognitionType" => Self::Fact(RecognitionType),
            b"recognizeStatus" => Self::Fact(RecognizeStatus),
            b"recognizeScore" => Self::Fact(RecognizeScore),
            b"livenessScore" => Self::Fact(LivenessScore),
            b"mask" => Self::Fact(Mask),
            b"mode" => Self::Fact(Mode),
            b"pass" => Self::Fact(Pass),
            b"timestamp" => Self::Fact(Timestamp),
            b"bodyTemperature" => Self::Fact(BodyTemperature),
            b"uuid" => Self::Fact(Uuid),
            b"entry_mode" => Self::Fact(EntryMode),
            b"abnormal_type" => Self::Fact(AbnormalType),
            b"trackID" => Self::Fact(TrackId),
            b"qrcode_content" => Self::Fact(QrCode),
            b"groups" => Self::Fact(Groups),
            b"trace_id" => Self::Fact(TraceId),
            b"description" => Self::Fact(Description),
            b"code" => Self::Fact(AlarmCode),
            b"user_id" => Self::Fact(AlarmUser),
            b"event_time" => Self::Fact(EventTime),
            b"status" => Self::Fact(AlarmStatus),
            _ => return None,
        })
    }
}

impl Slot {
    const COUNT: usize = Self::AlarmStatus as usize + 1;
}

impl Index {
    /// Reads the whole body, which must be one object.
    #[inline]
    pub(crate) fn read(json: &[u8]) -> Result<Self, PushErrorKind> {
        Self::read_from(Place::Top, json)
    }

    /// Reads what would stand in an envelope, without one.
    pub(crate) fn read_data(json: &[u8]) -> Result<Self, PushErrorKind> {
        Self::read_from(Place::Data, json)
    }

    fn read_from(place: Place, json: &[u8]) -> Result<Self, PushErrorKind> {
        let mut scan = Scanner::new(json, MAX_DEPTH);
        if !scan.at_object() {
            // Valid JSON of another kind deserves the better message.
            //= docs/spec/face-record-push.md#record
            //# A body that is no push MUST be reported with the reason and the body as it came.
            scan.value().and_then(|_| scan.end())?;
            return Err(PushErrorKind::NotObject);
        }
        let mut index = Self {
            slots: [Value::default(); Slot::COUNT],
        };
        scan.enter_object()?;
        index.walk(&mut scan, json, place)?;
        //= docs/spec/face-record-push.md#record
        //# A body with a comma behind the last member of an object MUST be reported as no JSON.
        scan.end()?;
        Ok(index)
    }

    /// Where `slot` stands; a missing value if it does not.
    pub(crate) fn of(&self, slot: Slot) -> Value {
        self.slots.get(slot as usize).copied().unwrap_or_default()
    }

    /// What the members add up to.
    pub(crate) fn form(&self, json: &[u8]) -> Result<Form, PushErrorKind> {
        let is_stated = |slot| !matches!(self.of(slot).kind, Kind::Missing | Kind::Null);
        let has_data = self.of(Slot::Data).kind == Kind::Object;
        if is_stated(Slot::Type) {
            return match integer(json, self.of(Slot::Type)) {
                Some(0 | 1) if !has_data => Err(PushErrorKind::NoData),
                Some(0) => Ok(Form::Record),
                Some(1) => Ok(Form::Alarm),
                //= docs/spec/face-record-push.md#record
                //# A push of a type that no document names MUST be kept and acknowledged like a
                //# record.
                _ => Ok(Form::Unknown),
            };
        }
        //= docs/spec/face-record-push.md#remote-auth
        //# A JSON object without a `type` that states an outcome MUST be read as a record.
        let is_outcome = is_stated(Slot::Pass) || is_stated(Slot::RecognitionType);
        let is_about_a_face = [Slot::DeviceSn, Slot::RecognizeStatus, Slot::QrCode]
            .into_iter()
            .any(is_stated);
        Ok(match (is_outcome, is_about_a_face) {
            (true, _) => Form::Record,
            //= docs/spec/face-record-push.md#remote-auth
            //# A JSON object without a `type` MUST be read as the question whether a person may
            //# pass only if it is about a face and states no outcome.
            // What is asked for is not stored, so only what can be nothing else is a question.
            (false, true) if !is_stated(Slot::Data) => Form::RemoteAuth,
            _ => Form::Unknown,
        })
    }

    /// Walks one object and goes into the known ones inside, which nest two deep at most.
    fn walk(&mut self, scan: &mut Scanner<'_>, json: &[u8], place: Place) -> Result<(), ScanError> {
        let mut user = (0, 0);
        let mut order: Order = &[];
        let mut guess = first_guess(scan, place);
        loop {
            let guessed = guess.take().or_else(|| next_guess(scan, order));
            let known = if let Some((known, later)) = guessed {
                order = later;
                Some(known)
            } else {
                let Some(key) = scan.key()? else { break };
                let name = match key.kind {
                    Kind::EscapedText => text(json, key),
                    _ => std::str::from_utf8(key.of(json)).ok().map(Cow::Borrowed),
                };
                let name = name.unwrap_or_default();
                order = usual_order_behind(place, &name).unwrap_or(order);
                Known::within(place, name.as_bytes())
            };
            match known {
                //= docs/spec/face-record-push.md#record
                //# Members that no document names MUST be kept as the JSON text they came in.
                None => drop(scan.value()?),
                Some(Known::Fact(slot)) => {
                    //= docs/spec/face-record-push.md#record
                    //# A member of an unexpected type MUST NOT make a push unreadable.
                    let value = scan.value()?;
                    self.note(slot, value, place);
                }
                Some(Known::Picture) => {
                    //= docs/spec/face-record-push.md#record
                    //# Decoding a push MUST NOT copy or decode its picture.
                    //= docs/spec/face-record-push.md#record
                    //# A picture that cannot be decoded MUST NOT make its push unreadable.
                    let value = scan.bulk()?;
                    self.note(Slot::Picture, value, place);
                }
                //= docs/spec/face-record-push.md#record
                //# If a member occurs twice in one object, the last one MUST win.
                Some(Known::Data) => {
                    // Anything but an object is no envelope's, so what stands beside it counts.
                    if scan.at_object() || self.of(Slot::Data).kind == Kind::Object {
                        self.forget((0, usize::MAX));
                    }
                    let from = scan.offset();
                    let value = self.enter(scan, json, Place::Data)?;
                    self.put(
                        Slot::Data,
                        value.unwrap_or_else(|| object(from, scan.offset())),
                    );
                }
                Some(Known::User) => {
                    self.forget(user);
                    let from = scan.offset();
                    if place == Place::Top && self.of(Slot::Data).kind == Kind::Object {
                        scan.value()?;
                        continue;
                    }
                    self.enter(scan, json, Place::User)?;
                    user = (from, scan.offset());
                }
            }
        }
        Ok(())
    }

    /// Walks the object that stands next; gives the value if it is something else.
    fn enter(
        &mut self,
        scan: &mut Scanner<'_>,
        json: &[u8],
        place: Place,
    ) -> Result<Option<Value>, ScanError> {
        if !scan.at_object() {
            return scan.value().map(Some);
        }
        scan.enter_object()?;
        self.walk(scan, json, place)?;
        Ok(None)
    }

    /// Fills `slot`. Beside the envelope's data, other members at the top say nothing; an empty
    /// list of groups does not replace one that stands elsewhere.
    fn note(&mut self, slot: Slot, value: Value, place: Place) {
        let is_beside = place == Place::Top && self.of(Slot::Data).kind == Kind::Object;
        if is_beside && slot != Slot::Type {
            return;
        }
        //= docs/spec/face-record-push.md#record
        //# Groups MUST be read inside the user and beside it alike.
        let is_empty = value.kind != Kind::Array || value.end.saturating_sub(value.start) <= 2;
        if slot == Slot::Groups && is_empty && self.of(slot).kind == Kind::Array {
            return;
        }
        self.put(slot, value);
    }

    fn put(&mut self, slot: Slot, value: Value) {
        if let Some(place) = self.slots.get_mut(slot as usize) {
            *place = value;
        }
    }

    /// Empties the slots that were filled within these bytes, all but the type.
    fn forget(&mut self, (from, to): (usize, usize)) {
        if from < to {
            for place in self.slots.iter_mut().skip(1) {
                if (from..to).contains(&(place.start as usize)) {
                    *place = Value::default();
                }
            }
        }
    }
}

/// Deepest nesting of a push, in levels; as deep as the scanner goes.
pub(crate) const MAX_DEPTH: u32 = 64;

impl From<ScanError> for PushErrorKind {
    fn from(error: ScanError) -> Self {
        match error {
            //= docs/spec/face-record-push.md#record
            //# A body whose text is not UTF-8 MUST be reported as such.
            ScanError::Utf8 { .. } => Self::NotUtf8,
            //= docs/spec/face-record-push.md#record
            //# JSON nested deeper than the limit MUST be reported as too deep.
            ScanError::TooDeep { max } => Self::TooDeep { max },
            ScanError::Syntax { at } => Self::NotJson { offset: at },
            _ => Self::NotJson {
                offset: u32::MAX as usize,
            },
        }
    }
}

fn object(from: usize, to: usize) -> Value {
    let place = |offset| u32::try_from(offset).unwrap_or(u32::MAX);
    Value {
        kind: Kind::Object,
        start: place(from),
        end: place(to),
    }
}

/// Members in the order in which terminals write them.
type Order = &'static [(&'static str, Known)];

const fn fact(name: &'static str, slot: Slot) -> (&'static str, Known) {
    (name, Known::Fact(slot))
}

static TOP: [(&str, Known); 2] = [fact("type", Slot::Type), ("data", Known::Data)];

/// The order of profiles 1.1 and 1.2.
static DATA_1_1: [(&str, Known); 10] = [
    fact("recognitionType", Slot::RecognitionType),
    fact("deviceSN", Slot::DeviceSn),
    fact("recognizeScore", Slot::RecognizeScore),
    fact("mask", Slot::Mask),
    ("rgb_image", Known::Picture),
    fact("pass", Slot::Pass),
    fact("mode", Slot::Mode),
    ("user", Known::User),
    fact("timestamp", Slot::Timestamp),
    fact("bodyTemperature", Slot::BodyTemperature),
];

/// The order of profile 1.3, of which 1.2.1 leaves some out.
static DATA_1_3: [(&str, Known); 13] = [
    fact("deviceSN", Slot::DeviceSn),
    fact("recognitionType", Slot::RecognitionType),
    fact("entry_mode", Slot::EntryMode),
    fact("abnormal_type", Slot::AbnormalType),
    fact("uuid", Slot::Uuid),
    fact("recognizeScore", Slot::RecognizeScore),
    fact("mask", Slot::Mask),
    fact("mode", Slot::Mode),
    ("rgb_image", Known::Picture),
    fact("bodyTemperature", Slot::BodyTemperature),
    fact("pass", Slot::Pass),
    fact("timestamp", Slot::Timestamp),
    ("user", Known::User),
];

/// The order of profile 1.0.
static DATA_1_0: [(&str, Known); 9] = [
    fact("recognizeStatus", Slot::RecognizeStatus),
    fact("livenessScore", Slot::LivenessScore),
    fact("deviceSN", Slot::DeviceSn),
    fact("recognizeScore", Slot::RecognizeScore),
    fact("mask", Slot::Mask),
    fact("mode", Slot::Mode),
    ("rgb_image", Known::Picture),
    fact("pass", Slot::Pass),
    fact("timestamp", Slot::Timestamp),
];

/// The order of `user` in profiles 1.1 and 1.2.
static USER_1_1: [(&str, Known); 5] = [
    fact("name", Slot::UserName),
    fact("user_id", Slot::UserId),
    fact("type", Slot::UserType),
    fact("ic_number", Slot::IcNumber),
    fact("job_number", Slot::JobNumber),
];

/// The order of `user` in profile 1.3, of which 1.2.1 leaves one out.
static USER_1_3: [(&str, Known); 11] = [
    fact("name", Slot::UserName),
    fact("ic_number", Slot::IcNumber),
    fact("id_number", Slot::IdNumber),
    fact("job_number", Slot::JobNumber),
    fact("pin", Slot::Pin),
    fact("user_id", Slot::UserId),
    fact("remark", Slot::Remark),
    fact("guest_time_start", Slot::GuestStart),
    fact("guest_time_end", Slot::GuestEnd),
    fact("type", Slot::UserType),
    fact("groups", Slot::Groups),
];

/// The order of an alarm.
static ALARM: [(&str, Known); 7] = [
    fact("trace_id", Slot::TraceId),
    fact("description", Slot::Description),
    fact("code", Slot::AlarmCode),
    fact("user_id", Slot::AlarmUser),
    fact("event_time", Slot::EventTime),
    fact("status", Slot::AlarmStatus),
    ("alarm_photo", Known::Picture),
];

static ORDERS_TOP: [Order; 1] = [&TOP];
static ORDERS_DATA: [Order; 4] = [&DATA_1_1, &DATA_1_3, &DATA_1_0, &ALARM];
static ORDERS_USER: [Order; 2] = [&USER_1_1, &USER_1_3];

/// The orders that occur in `place`, the likeliest first.
fn orders(place: Place) -> &'static [Order] {
    match place {
        Place::Top => &ORDERS_TOP,
        Place::Data => &ORDERS_DATA,
        Place::User => &ORDERS_USER,
    }
}

/// Takes the first member's name if it is the first of one of the usual orders; gives what is likely
/// to follow, too.
fn first_guess(scan: &mut Scanner<'_>, place: Place) -> Option<(Known, Order)> {
    orders(place).iter().find_map(|order| match order {
        [(name, known), later @ ..] if scan.key_is(name) => Some((*known, later)),
        _ => None,
    })
}

/// Takes the next member's name if it is the one that is likely, or one of the two behind it, as
/// some firmware leaves members out.
#[inline]
fn next_guess(scan: &mut Scanner<'_>, order: Order) -> Option<(Known, Order)> {
    let mut order = order;
    for _ in 0..3 {
        let [(name, known), later @ ..] = order else {
            return None;
        };
        if scan.key_is(name) {
            return Some((*known, later));
        }
        order = later;
    }
    None
}

/// What is likely to come behind the member called `name`, where the guess went wrong: whichever
/// profile has most to say.
fn usual_order_behind(place: Place, name: &str) -> Option<Order> {
    let behind = |order: &Order| {
        let nth = order.iter().position(|(usual, _)| *usual == name)?;
        order.get(nth.saturating_add(1)..)
    };
    orders(place)
        .iter()
        .filter_map(behind)
        .max_by_key(|order| order.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses_say_what_the_documents_say() {
        for place in [Place::Top, Place::Data, Place::User] {
            for (name, guess) in orders(place).iter().copied().flatten() {
                let known = Known::within(place, name.as_bytes());
                assert_eq!(known, Some(*guess), "{name}");
            }
        }
    }
}

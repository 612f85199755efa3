//! Where the known members of an event stand, found in one walk.

use super::{Dialect, Shape};
use lenient_wire::{Kind, ScanError, Scanner, Value, text};
use std::borrow::Cow;

/// The places of an event's known members, and which form they add up to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Index {
    slots: [Value; Slot::COUNT],
    /// By which member each slot was filled, see [`origin`].
    origins: [u8; Slot::COUNT],
    signs: u8,
}

/// A fact that an event may state, wherever its form puts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    EventId,
    VideoId,
    Timestamp,
    IdentityId,
    IdentityName,
    IdentityInfo,
    GroupName,
    GroupId,
    Score,
    DeviceId,
    DeviceIp,
    DeviceKind,
    Person,
    Registered,
    RegisteredId,
    Face,
    FaceId,
    Scene,
    SceneId,
}

/// A member that some document names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known {
    holds: Holds,
    /// The objects it belongs to, a set of `TOP` and so on.
    places: u8,
    /// What its presence tells about the form, a set of `V2` and so on.
    signs: u8,
}

#[derive(Debug, Clone, Copy)]
enum Holds {
    Fact(Slot),
    Picture(Slot),
    /// Further known members.
    Members(u8),
    /// Something only looked up when asked for, perhaps a picture.
    Else,
}

pub(crate) const TOP: u8 = 1;
pub(crate) const EXT: u8 = 2;
pub(crate) const COMMON: u8 = 4;
const ENDPOINT: u8 = 8;
const MEDIA: u8 = 16;
const PLACES: usize = 5;

const V2: u8 = 1;
const RECORDED: u8 = 2;
const PUSHED: u8 = 4;

impl Known {
    /// What the documents say of members called `name`.
    fn of(name: &[u8]) -> Option<Self> {
        use Slot::{
            DeviceId, DeviceIp, DeviceKind, EventId, Face, FaceId, GroupId, GroupName, IdentityId,
            IdentityInfo, IdentityName, Person, Registered, RegisteredId, Scene, SceneId, Score,
            Timestamp, VideoId,
        };
        Some(match name {
            b"ext_data" => members(EXT, TOP, 0),
            //= docs/spec/se5-events.md#events
            //# A recorded event MUST be read by the same accessors as a live one.
            b"common" => members(COMMON, TOP, RECORDED),
            //= docs/spec/se5-events.md#events
            //# An event in a push envelope MUST be read by the same accessors as a live one.
            b"ep_info" => members(ENDPOINT, TOP | COMMON, 0),
            b"media_device_info" => members(MEDIA, TOP, V2),

            b"reg_pic" | b"reg_image" => picture(Registered, TOP, 0),
            b"register_image" => picture(Registered, TOP, V2),
            b"recognize_face" => picture(Face, TOP | EXT, 0),
            b"recognize_face_image" => picture(Face, TOP, V2),
            b"spot_pic" => picture(Scene, TOP | EXT, 0),
            b"spot_image" => picture(Scene, TOP, 0),

            b"event_id" => fact(EventId, TOP, 0),
            b"_id" => fact(EventId, TOP, RECORDED),
            b"video_id" => fact(VideoId, TOP, 0),
            b"timestamp" => fact(Timestamp, TOP, 0),
            b"identity_id" => fact(IdentityId, TOP | COMMON, 0),
            b"identity_name" => fact(IdentityName, TOP | COMMON, 0),
            b"identity_info" => fact(IdentityInfo, TOP | COMMON, 0),
            b"group_name" => fact(GroupName, TOP | COMMON, 0),
            b"group_id" => fact(GroupId, TOP | COMMON, 0),
            b"score" => fact(Score, TOP | COMMON, 0),
            b"device_id" => fact(DeviceId, TOP | ENDPOINT, 0),
            b"media_device_id" => fact(DeviceId, TOP | MEDIA, V2),
            b"id" => fact(DeviceId, MEDIA, V2),
            b"device_ip" => fact(DeviceIp, TOP | EXT, 0),
            b"media_device_ip" => fact(DeviceIp, TOP | MEDIA, V2),
            b"ip" => fact(DeviceIp, MEDIA, V2),
            b"ep_ip" => fact(DeviceIp, ENDPOINT, 0),
            b"device_type" => fact(DeviceKind, TOP | EXT, 0),
            b"media_device_type" => fact(DeviceKind, TOP | MEDIA, V2),
            b"type" => fact(DeviceKind, MEDIA, V2),
            b"ep_type" => fact(DeviceKind, ENDPOINT, 0),
            b"person_type" => fact(Person, TOP | EXT | COMMON, 0),
            b"user_type" => fact(Person, TOP, V2),
            b"recognize_face_pic_id" => fact(FaceId, COMMON, RECORDED),
            b"recognize_face_image_id" => fact(FaceId, TOP, V2 | RECORDED),
            b"spot_pic_id" => fact(SceneId, COMMON, RECORDED),
            b"spot_image_id" => fact(SceneId, TOP, V2 | RECORDED),
            b"register_image_id" => fact(RegisteredId, TOP, V2 | RECORDED),

            b"ir_pic" | b"ir_image" => other(0),
            b"api_version" | b"mq_license_key" | b"dev_sno" => other(PUSHED),
            _ => return None,
        })
    }

    /// What the documents say of members called `name` in the object `place`.
    pub(crate) fn within(place: u8, name: &[u8]) -> Option<Self> {
        Self::of(name).filter(|known| known.places & place != 0)
    }

    /// True if a [`super::Sighting`] has a place for it, or it only tells the form.
    pub(crate) fn is_carried(self) -> bool {
        !matches!(self.holds, Holds::Else) || self.signs != 0
    }
}

const fn fact(slot: Slot, places: u8, signs: u8) -> Known {
    Known {
        holds: Holds::Fact(slot),
        places,
        signs,
    }
}

const fn picture(slot: Slot, places: u8, signs: u8) -> Known {
    Known {
        holds: Holds::Picture(slot),
        places,
        signs,
    }
}

const fn members(place: u8, places: u8, signs: u8) -> Known {
    Known {
        holds: Holds::Members(place),
        places,
        signs,
    }
}

const fn other(signs: u8) -> Known {
    Known {
        holds: Holds::Else,
        places: TOP,
        signs,
    }
}

impl Slot {
    const COUNT: usize = Self::SceneId as usize + 1;
}

impl Index {
    /// Reads the whole document, which must be one object.
    pub(crate) fn read(scan: &mut Scanner<'_>, json: &[u8]) -> Result<Self, ScanError> {
        let mut index = Self::default();
        scan.enter_object()?;
        index.walk(scan, json, TOP)?;
        scan.end()?;
        Ok(index)
    }

    /// Where `slot` stands; a missing value if it does not.
    pub(crate) fn of(&self, slot: Slot) -> Value {
        self.slots.get(slot as usize).copied().unwrap_or_default()
    }

    /// The form that the members add up to.
    pub(crate) fn shape(&self) -> Shape {
        let has = |sign: u8| self.signs & sign != 0;
        let dialect = if has(V2) { Dialect::V2 } else { Dialect::V1 };
        if has(PUSHED) {
            Shape::Pushed(dialect)
        } else if has(RECORDED) {
            Shape::Recorded(dialect)
        } else {
            Shape::Live(dialect)
        }
    }

    /// Walks one object and goes into the known ones inside, which nest two deep at most.
    fn walk(&mut self, scan: &mut Scanner<'_>, json: &[u8], place: u8) -> Result<(), ScanError> {
        let mut entered = [(0, 0); PLACES];
        let mut order = usual_order(place);
        loop {
            let (known, name_len) = match order {
                [(name, known), later @ ..] if scan.key_is(name) => {
                    order = later;
                    (Some(*known), name.len())
                }
                _ => {
                    let Some(key) = scan.key()? else { break };
                    let name = match key.kind {
                        Kind::EscapedText => text(json, key),
                        _ => std::str::from_utf8(key.of(json)).ok().map(Cow::Borrowed),
                    };
                    let name = name.unwrap_or_default();
                    order = usual_order_behind(place, &name).unwrap_or(order);
                    (Known::within(place, name.as_bytes()), name.len())
                }
            };
            let Some(known) = known else {
                scan.value()?;
                continue;
            };
            self.signs |= known.signs;
            match known.holds {
                //= docs/spec/se5-events.md#events
                //# A member of an unexpected type MUST NOT make an event malformed.
                Holds::Fact(slot) => self.note(slot, scan.value()?, origin(place, name_len)),
                //= docs/spec/se5-events.md#pictures
                //# A picture that cannot be decoded MUST NOT make its event malformed.
                Holds::Picture(slot) => self.note(slot, scan.bulk()?, origin(place, name_len)),
                Holds::Members(inner) => {
                    let from = scan.offset();
                    //= docs/spec/se5-events.md#events
                    //# If a member occurs twice in one object, the last one MUST win.
                    let earlier = entered.get(nth(inner)).copied().unwrap_or_default();
                    self.forget(earlier);
                    if scan.at_object() {
                        scan.enter_object()?;
                        self.walk(scan, json, inner)?;
                    } else {
                        scan.value()?;
                    }
                    if let Some(span) = entered.get_mut(nth(inner)) {
                        *span = (from, scan.offset());
                    }
                }
                Holds::Else => drop(scan.bulk()?),
            }
        }
        Ok(())
    }

    /// Fills `slot`, unless another member has stated the fact already and this one is empty: boxes
    /// of dialect 2 send `"reg_pic":""` beside their `register_image`.
    fn note(&mut self, slot: Slot, value: Value, origin: u8) {
        let (Some(place), Some(by)) = (
            self.slots.get_mut(slot as usize),
            self.origins.get_mut(slot as usize),
        ) else {
            return;
        };
        let is_empty = value.kind == Kind::Null || value.start == value.end;
        if is_empty && place.kind != Kind::Missing && *by != origin {
            return;
        }
        (*place, *by) = (value, origin);
    }

    /// Empties the slots that an object filled which occurs again.
    fn forget(&mut self, (from, to): (usize, usize)) {
        if from < to {
            for place in &mut self.slots {
                if (from..to).contains(&(place.start as usize)) {
                    *place = Value::default();
                }
            }
        }
    }
}

/// Which of the places this is.
fn nth(place: u8) -> usize {
    place.trailing_zeros() as usize
}

/// Tells apart the members that state one fact: no two in one place have names of equal length.
fn origin(place: u8, name_len: usize) -> u8 {
    let len = u8::try_from(name_len).unwrap_or(u8::MAX);
    place.rotate_left(3) ^ len
}

/// Members in the order in which boxes write them.
type Order = &'static [(&'static str, Known)];

/// The order of the live event in dialect 1, as the document shows it.
static TOP_V1: [(&str, Known); 11] = [
    ("reg_pic", picture(Slot::Registered, TOP, 0)),
    ("ext_data", members(EXT, TOP, 0)),
    ("identity_id", fact(Slot::IdentityId, TOP, 0)),
    ("device_id", fact(Slot::DeviceId, TOP, 0)),
    ("identity_info", fact(Slot::IdentityInfo, TOP, 0)),
    ("score", fact(Slot::Score, TOP, 0)),
    ("timestamp", fact(Slot::Timestamp, TOP, 0)),
    ("group_name", fact(Slot::GroupName, TOP, 0)),
    ("identity_name", fact(Slot::IdentityName, TOP, 0)),
    ("video_id", fact(Slot::VideoId, TOP, 0)),
    ("event_id", fact(Slot::EventId, TOP, 0)),
];

/// The order inside its `ext_data`.
static EXT_V1: [(&str, Known); 5] = [
    ("person_type", fact(Slot::Person, EXT, 0)),
    ("device_ip", fact(Slot::DeviceIp, EXT, 0)),
    ("device_type", fact(Slot::DeviceKind, EXT, 0)),
    ("spot_pic", picture(Slot::Scene, EXT, 0)),
    ("recognize_face", picture(Slot::Face, EXT, 0)),
];

/// The order of the live event in dialect 2.
static TOP_V2: [(&str, Known); 11] = [
    ("event_id", fact(Slot::EventId, TOP, 0)),
    ("timestamp", fact(Slot::Timestamp, TOP, 0)),
    ("identity_id", fact(Slot::IdentityId, TOP, 0)),
    ("identity_name", fact(Slot::IdentityName, TOP, 0)),
    ("user_type", fact(Slot::Person, TOP, V2)),
    ("score", fact(Slot::Score, TOP, 0)),
    ("media_device_ip", fact(Slot::DeviceIp, TOP, V2)),
    ("media_device_id", fact(Slot::DeviceId, TOP, V2)),
    ("media_device_type", fact(Slot::DeviceKind, TOP, V2)),
    ("register_image", picture(Slot::Registered, TOP, V2)),
    ("recognize_face_image", picture(Slot::Face, TOP, V2)),
];

/// What is likely to come first in `place`.
fn usual_order(place: u8) -> Order {
    match place {
        TOP => &TOP_V1,
        EXT => &EXT_V1,
        _ => &[],
    }
}

/// What is likely to come behind the member called `name`, where the guess went wrong: whichever
/// dialect has more to say.
fn usual_order_behind(place: u8, name: &str) -> Option<Order> {
    let behind = |order: Order| {
        let nth = order.iter().position(|(usual, _)| *usual == name)?;
        order.get(nth.saturating_add(1)..)
    };
    let second: Order = if place == TOP { &TOP_V2 } else { &[] };
    let candidates = [behind(usual_order(place)), behind(second)];
    candidates
        .into_iter()
        .flatten()
        .max_by_key(|order| order.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses_say_what_the_documents_say() {
        for (place, order) in [(TOP, &TOP_V1[..]), (TOP, &TOP_V2[..]), (EXT, &EXT_V1[..])] {
            for (name, guess) in order {
                let known = Known::within(place, name.as_bytes()).unwrap();
                assert_eq!(
                    format!("{:?}", known.holds),
                    format!("{:?}", guess.holds),
                    "{name}"
                );
                assert_eq!(known.signs, guess.signs, "{name}");
            }
        }
    }
}

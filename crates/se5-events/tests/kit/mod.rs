//! What the codec tests share.
#![allow(dead_code, unreachable_pub)] // every test binary uses its own part

use bytes::Bytes;
use proptest::prelude::*;
use se5_events::*;

/// Anything a box may have seen, in the spelling in which it reads back.
pub fn sighting() -> impl Strategy<Value = Sighting> {
    let texts = (name(), name(), name(), name(), name(), name());
    let kinds = (
        person(),
        device_kind(),
        100_000_000_000_i64..99_999_999_999_999,
    );
    let pictures = (picture(), picture(), picture());
    let rest = (
        any::<f64>().prop_filter("finite", |score| score.is_finite()),
        name(),
        prop::collection::btree_map("x[a-z]{1,6}", 0_i64..9, 0..3),
    );
    (texts, kinds, pictures, rest).prop_map(|(texts, kinds, pictures, rest)| {
        let (event, device, address, identity, name, group) = texts;
        let (person, device_kind, at) = kinds;
        let mut sighting = Sighting::new(event, device, UnixMillis(at));
        sighting.device_ip = address;
        sighting.identity_id = identity;
        sighting.identity_name = name;
        sighting.group_name = group;
        (sighting.person, sighting.device_kind) = (person, device_kind);
        (sighting.registered, sighting.face, sighting.scene) = pictures;
        sighting.score = rest.0;
        sighting.identity_info = serde_json::json!({ "name": rest.1 }).to_string();
        let extra = rest.2.into_iter();
        sighting.extra = extra.map(|(name, n)| (name, n.to_string())).collect();
        sighting
    })
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9-]{1,20}",
        "[小明王\"\\\\/😀é]{1,8}",
        any::<String>()
    ]
}

fn person() -> impl Strategy<Value = PersonType> {
    prop_oneof![
        Just(PersonType::Employee),
        Just(PersonType::Visitor),
        Just(PersonType::Blacklist),
        Just(PersonType::Stranger),
        Just(PersonType::Vip),
        Just(PersonType::Car),
        (6_u32..99).prop_map(|code| PersonType::Other(code.to_string())),
        "guest[a-z]{0,4}".prop_map(PersonType::Other),
    ]
}

fn device_kind() -> impl Strategy<Value = DeviceKind> {
    prop_oneof![
        Just(DeviceKind::Turnstile),
        Just(DeviceKind::CaptureCamera),
        Just(DeviceKind::IpcStream),
        Just(DeviceKind::Door),
        Just(DeviceKind::Photo),
        Just(DeviceKind::Rtsp),
        Just(DeviceKind::Card),
        Just(DeviceKind::Gb28181),
        "novel[a-z]{0,4}".prop_map(DeviceKind::Other),
    ]
}

/// Not empty: an empty picture reads back as none.
fn picture() -> impl Strategy<Value = Option<Bytes>> {
    let jpeg = prop::collection::vec(any::<u8>(), 1..80);
    prop::option::of(jpeg.prop_map(Bytes::from))
}

/// What an event states, in comparable form: all of it.
pub fn facts(event: &FaceEvent) -> Vec<String> {
    let mut facts = plain(event);
    facts.push(format!(
        "{:?}",
        event.identity_info().map(|info| info.json())
    ));
    facts.extend(
        [
            event.registered_picture(),
            event.face_picture(),
            event.scene_picture(),
        ]
        .map(|picture| match picture {
            Picture::Inline(image) => format!("{:?}", image.jpeg()),
            Picture::Remote(remote) => format!("{remote:?}"),
            _ => String::new(),
        }),
    );
    facts
}

/// What an event states in text and numbers.
pub fn plain(event: &FaceEvent) -> Vec<String> {
    vec![
        format!("{:?}", event.shape()),
        format!("{:?}", event.event_id()),
        format!("{:?}", event.timestamp().map(|timestamp| timestamp.unix)),
        format!("{:?}", event.identity_id()),
        format!("{:?}", event.identity_name()),
        format!("{:?}", event.group_name()),
        format!("{:?}", event.score()),
        format!("{:?}", event.device_id()),
        format!("{:?}", event.device_ip()),
        format!("{:?}", event.device_kind()),
        format!("{:?}", event.person()),
    ]
}

/// What every form of an event states, missing and empty being the same.
pub fn stated(event: &FaceEvent) -> Vec<String> {
    let text = |text: Option<std::borrow::Cow<'_, str>>| text.unwrap_or_default().into_owned();
    vec![
        text(event.event_id()),
        event
            .timestamp()
            .map_or(0, |timestamp| timestamp.unix.0)
            .to_string(),
        text(event.identity_id()),
        text(event.identity_name()),
        format!("{:?}", event.score()),
        text(event.device_id()),
        text(event.device_ip()),
        event
            .device_kind()
            .map_or(String::new(), |kind| kind.as_wire().to_owned()),
        event.person().kind.word().to_owned(),
    ]
}

//! Events to measure with, for every bench of SE5.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each bench uses its part of this"
)]

use bytes::Bytes;
use se5_events::{Dialect, LiveForm, PersonType, Sighting, UnixMillis};
use serde::{Deserialize, Serialize};

/// An event with pictures of so many bytes of face and scene; without those of none.
pub fn with_pictures(face: usize, scene: usize) -> Sighting {
    let mut event = Sighting::new(
        "1607062639.737444",
        "04f98265-1fad-47e5-9dda-66e191272055",
        UnixMillis(1_566_016_554_020),
    );
    event.device_ip = "192.168.1.243".into();
    event.person = PersonType::Employee;
    event.identity_id = "666666".into();
    event.identity_name = "测试员甲".into();
    event.score = 0.623_161_435_127_258_3;
    event.face = (face > 0).then(|| noise(face, 1));
    event.scene = (scene > 0).then(|| noise(scene, 2));
    event
}

/// Bytes that compress no better than a JPEG.
fn noise(len: usize, seed: u64) -> Bytes {
    let mut state = seed;
    let byte = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    std::iter::repeat_with(byte).take(len).collect()
}

/// As pushed in dialect 1, with every picture.
pub fn live(event: &Sighting) -> Bytes {
    let mut json = Vec::new();
    event.encode_live(LiveForm::new(Dialect::V1), &mut json);
    // Sharing a plain vector's memory allocates once; frames of a WebSocket are shared already.
    let json = Bytes::from(json);
    let _shared = json.clone();
    json
}

/// The same event as one writes it down for `serde_json`; the pictures are base64 text.
pub fn owned(event: &Sighting, face: String, scene: String) -> Owned {
    Owned {
        reg_pic: String::new(),
        ext_data: OwnedExt {
            person_type: 1,
            device_ip: event.device_ip.clone(),
            device_type: "1".into(),
            spot_pic: Some(scene),
            recognize_face: Some(face),
        },
        identity_id: event.identity_id.clone(),
        device_id: event.device_id.clone(),
        score: event.score,
        timestamp: event.at.0,
        group_name: event.group_name.clone(),
        identity_name: event.identity_name.clone(),
    }
}

/// An event of dialect 1 for `serde_json`.
#[derive(Serialize, Deserialize)]
pub struct Owned {
    reg_pic: String,
    ext_data: OwnedExt,
    identity_id: String,
    device_id: String,
    score: f64,
    timestamp: i64,
    group_name: String,
    identity_name: String,
}

#[derive(Serialize, Deserialize)]
struct OwnedExt {
    person_type: i64,
    device_ip: String,
    device_type: String,
    spot_pic: Option<String>,
    recognize_face: Option<String>,
}

//! Every sample of the vendor's documents, and every member they name (ST-1).
//!
//! The samples are written anew in the documents' shape; names, ids and pictures are ours.

use bytes::Bytes;
use se5_events::wire::TimeUnit;
use se5_events::*;

const CAMERA: &str = "0b7c2f0e-5d0a-4e55-9f5b-2f6f0c1d7a10";
const GATE: &str = "6d1e9c34-8a27-4b0f-b1c9-3a5e7d902b44";

const TWO_BYTES: &[u8] = &[0xff, 0xd8, 0xff, 0xd9]; // "/9j/2Q=="
const SIX_BYTES: &[u8] = &[0xff, 0xd8, 0xff, 0xe0, 0xff, 0xd9]; // "/9j/4P/Z"

macro_rules! sample {
    ($name:literal) => {
        Bytes::from_static(include_bytes!(concat!("samples/", $name)))
    };
}

fn event(json: Bytes) -> FaceEvent {
    FaceEvent::decode(json).expect("the sample is an event")
}

fn jpeg(picture: &Picture) -> Vec<u8> {
    let image = picture.inline().expect("the picture is in the message");
    image.jpeg().expect("the picture is base64")
}

fn recorded(id: &str, time: &str) -> Picture {
    Picture::Remote(RemotePicture::Recorded {
        id: id.to_owned(),
        time: time.to_owned(),
    })
}

#[test]
//= docs/spec/se5-events.md#subscription
//# The box MUST read a Python literal only if its configuration says so and reading strict JSON
//# has failed.
fn the_printed_subscription_is_python_and_reads_as_its_json_dumps_form() {
    let limits = Limits::default();
    let printed = sample!("subscription_printed.txt");
    let error = Subscription::decode(printed.clone(), &limits).unwrap_err();
    assert!(matches!(error.kind, EventErrorKind::NotJson { .. }));
    assert_eq!(error.raw, printed);

    let literal = Subscription::decode_literal(printed, &limits).unwrap();
    let dumped = Subscription::decode(sample!("subscription_v1.json"), &limits).unwrap();
    assert_eq!(literal, dumped);
    let expected = Subscription::new([CAMERA, GATE]).with_faces(true);
    assert_eq!(dumped, (Dialect::V1, expected.clone()));

    let second = Subscription::decode(sample!("subscription_v2.json"), &limits).unwrap();
    assert_eq!(second, (Dialect::V2, expected));
}

#[test]
fn the_printed_device_list_has_remarks_and_is_no_json() {
    let printed = DeviceList::decode(&sample!("devices_printed.txt"), &Limits::default());
    assert_eq!(printed, Err(AskError::Body));
}

#[test]
fn the_device_list_of_dialect_1_reads_member_by_member() {
    let list = DeviceList::decode(&sample!("devices_v1.json"), &Limits::default()).unwrap();
    assert_eq!(list.ids().collect::<Vec<_>>(), [CAMERA, "7"]);
    let camera = &list.devices[0];
    assert_eq!(camera.ip.as_deref(), Some("192.0.2.21"));
    assert_eq!(camera.key.as_deref(), Some("k-17"));
    assert_eq!(camera.name.as_deref(), Some("东门"));
    assert_eq!(camera.kind, Some(DeviceKind::Rtsp));
    assert_eq!(camera.group_id.as_deref(), Some("g1"));
    assert_eq!(camera.permission_id.as_deref(), Some("p1"));
    let actions = camera.actions().unwrap();
    for action in [
        "do_attribute",
        "do_detect",
        "do_feature",
        "do_match",
        "do_track",
        "fast_mode",
        "paint_bbox",
        "paint_landmark",
    ] {
        assert!(actions.contains(action));
    }
    assert_eq!(
        camera.net_relay(),
        Some(r#"{"relay_ip": "192.0.2.90", "relay_port": 8080}"#)
    );
    assert!(camera.json.contains(r#""...": "...""#));
    assert_eq!(list.devices[1].kind, Some(DeviceKind::Door));
    assert!(list.preview.unwrap().contains("四画面"));
}

#[test]
fn the_device_list_of_dialect_2_reads_member_by_member() {
    let list = DeviceList::decode(&sample!("devices_v2.json"), &Limits::default()).unwrap();
    let camera = &list.devices[0];
    assert_eq!(camera.id, CAMERA);
    assert_eq!(camera.ip.as_deref(), Some("192.0.2.21"));
    assert_eq!(
        camera.url.as_deref(),
        Some("rtsp://user:secret@192.0.2.21/1")
    );
    assert_eq!(camera.name.as_deref(), Some("东门"));
    assert_eq!(camera.kind, Some(DeviceKind::Gb28181));
    assert_eq!(camera.net_relay(), Some(r#"{"relay_ip": "192.0.2.90"}"#));
    assert_eq!(camera.permission_id.as_deref(), Some("p1"));
    assert_eq!(camera.actions(), None);
}

#[test]
//= docs/spec/se5-events.md#events
//# Registered data in the JavaScript notation that the document prints MUST be reported as
//# malformed.
//= docs/spec/se5-events.md#events
//# The decoder MUST report a message that is no JSON object with the reason and the message as it
//# came.
fn the_printed_event_is_no_json_and_is_kept() {
    let printed = sample!("event_printed.txt");
    let error = FaceEvent::decode(printed.clone()).unwrap_err();
    let at = printed.windows(7).position(|w| w == b"addTime").unwrap();
    assert_eq!(error.kind, EventErrorKind::NotJson { offset: at });
    assert_eq!(error.raw, printed);
    assert!(!error.to_string().contains("小红"));
}

#[test]
fn the_event_of_dialect_1_reads_member_by_member() {
    let event = event(sample!("event_v1.json"));
    assert_eq!(event.shape(), Shape::Live(Dialect::V1));
    assert_eq!(event.registered_picture(), Picture::Absent);
    assert_eq!(
        event.person(),
        Person::new(PersonType::Vip),
        "person_type is stated"
    );
    assert_eq!(event.device_ip().as_deref(), Some("192.0.2.243"));
    assert_eq!(event.device_kind(), Some(DeviceKind::Turnstile));
    assert_eq!(jpeg(&event.scene_picture()), TWO_BYTES);
    assert_eq!(jpeg(&event.face_picture()), SIX_BYTES);
    assert_eq!(event.identity_id().as_deref(), Some("888888"));
    assert_eq!(event.device_id().as_deref(), Some(CAMERA));
    let score = event.score().unwrap();
    assert_eq!(score.to_bits(), 0.623_161_435_127_258_3_f64.to_bits());
    assert_eq!(event.score_scale(), ScoreScale::Unit);
    let timestamp = event.timestamp().unwrap();
    assert_eq!(timestamp.unix, UnixMillis(1_566_016_554_020));
    assert_eq!(timestamp.raw, "1566016554020");
    assert_eq!(event.group_name().as_deref(), Some("default_group"));
    assert_eq!(event.identity_name().as_deref(), Some("小红"));
    assert_eq!(event.video_id().as_deref(), Some("3"));
    assert_eq!(event.event_id().as_deref(), Some("1607062639737444"));
    assert_eq!(event.camera_quality(), Some(r#"{"blur":0.1}"#));
    assert_eq!(event.box_quality(), Some(r#"{"pose":[1,2,3]}"#));
    // Registered as a stranger, named a stranger, and yet on a list: only the list counts.
    assert!(!event.is_stranger());
}

#[test]
fn registered_data_reads_member_by_member() {
    let event = event(sample!("event_v1.json"));
    let info = event.identity_info().unwrap();
    assert!(!info.is_empty());
    assert_eq!(info.added_at(), Some(UnixMillis(1_594_111_791_000)));
    assert_eq!(
        info.image_id().as_deref(),
        Some("9c1f34aa-2a0e-44d1-8a39-5b0e4fee3a01")
    );
    assert_eq!(info.name().as_deref(), Some("stranger"));
    assert_eq!(info.kind(), Some(PersonType::Stranger));
    assert_eq!(info.user_id().as_deref(), Some("u-8"));
    assert_eq!(info.permission_ids(), Some(r#"["p1", "p2"]"#));
    assert_eq!(info.face_ids(), Some("[11, 12]"));
    assert_eq!(
        info.ext_info(),
        Some(r#"{"building_no": "3", "room": "502", "address": "北区", "floor": 5}"#)
    );
    assert!(info.json().starts_with('{'));
}

#[test]
fn the_event_of_dialect_2_reads_member_by_member() {
    let event = event(sample!("event_v2.json"));
    assert_eq!(event.shape(), Shape::Live(Dialect::V2));
    assert_eq!(event.event_id().as_deref(), Some("1607062639.737444"));
    let timestamp = event.timestamp().unwrap();
    assert_eq!(timestamp.unix, UnixMillis(1_607_062_639_701));
    assert_eq!(event.identity_id().as_deref(), Some("888888"));
    assert_eq!(event.identity_name().as_deref(), Some("小红"));
    assert_eq!(event.person(), Person::new(PersonType::Visitor));
    assert_eq!(event.score(), Some(82.05));
    assert_eq!(event.score_scale(), ScoreScale::Percent);
    assert_eq!(event.device_ip().as_deref(), Some("192.0.2.243"));
    assert_eq!(event.device_id().as_deref(), Some(CAMERA));
    assert_eq!(event.device_kind(), Some(DeviceKind::Photo));
    assert_eq!(jpeg(&event.registered_picture()), TWO_BYTES);
    assert_eq!(jpeg(&event.face_picture()), SIX_BYTES);
    assert_eq!(event.scene_picture(), Picture::Absent);
    assert_eq!(
        event.face_attributes(),
        Some(r#"{"box": [1, 2, 3, 4], "mask": false}"#)
    );
    assert_eq!(event.identity_info().map(|info| info.json()), None);
}

#[test]
//= docs/spec/se5-events.md#events
//# A recorded event MUST be read by the same accessors as a live one.
//= docs/spec/se5-events.md#events
//# An element of a history page that is no object MUST be counted and passed over.
//= docs/spec/se5-events.md#pictures
//# A picture of a recorded event MUST be given as the id under which the box serves it, with the
//# time as the box wrote it.
fn the_history_of_dialect_1_reads_member_by_member() {
    let page = HistoryPage::decode(&sample!("history_v1.json"), &Limits::default()).unwrap();
    assert_eq!(
        (page.page, page.pages, page.total),
        (Some(0), Some(3), Some(3))
    );
    assert_eq!((page.records.len(), page.garbled), (1, 1));
    let event = &page.records[0];
    let raw = "1607062639.7013178";

    assert_eq!(event.shape(), Shape::Recorded(Dialect::V1));
    assert_eq!(event.event_id().as_deref(), Some("1607062639.737444"));
    let timestamp = event.timestamp().unwrap();
    assert_eq!(timestamp.unix, UnixMillis(1_607_062_639_701));
    assert_eq!(timestamp.raw, raw);
    assert_eq!(event.identity_id().as_deref(), Some("888888"));
    assert_eq!(event.identity_name().as_deref(), Some("小红"));
    let info = event.identity_info().unwrap();
    assert_eq!(info.name().as_deref(), Some("小红"));
    assert_eq!(event.face_picture(), recorded("face-1", raw));
    assert_eq!(event.scene_picture(), recorded("spot-1", raw));
    let registered = RemotePicture::Registered {
        id: "9c1f34aa-2a0e-44d1-8a39-5b0e4fee3a01".to_owned(),
    };
    assert_eq!(event.registered_picture(), Picture::Remote(registered));
    assert_eq!(event.group_id().as_deref(), Some("g1"));
    assert_eq!(event.group_name().as_deref(), Some("一组"));
    assert_eq!(event.permission_id().as_deref(), Some("p1"));
    assert_eq!(event.permission_name().as_deref(), Some("全天"));
    assert_eq!(event.person(), Person::new(PersonType::Visitor));
    assert_eq!(event.score(), Some(0.78));
    assert_eq!(event.device_id().as_deref(), Some(CAMERA));
    assert_eq!(event.endpoint_id().as_deref(), Some("3"));
    assert_eq!(event.device_ip().as_deref(), Some("192.0.2.243"));
    assert_eq!(event.device_name().as_deref(), Some("东门"));
    assert_eq!(event.device_kind(), Some(DeviceKind::CaptureCamera));
    assert_eq!(event.action(), Some(1001));
    assert_eq!(event.frame_id().as_deref(), Some("4711"));
    assert!(event.face_attributes().unwrap().contains("feature"));
    assert_eq!(event.is_sent(), Some(true));
    assert_eq!(event.card_id().as_deref(), Some("c-9"));
    assert_eq!(event.infrared_picture(), recorded("ir-1", raw));
    assert_eq!(event.depth_picture(), recorded("depth-1", raw));
    assert_eq!(event.camera_quality(), Some(r#"{"blur": 0.2}"#));
    assert_eq!(event.track_id().as_deref(), Some("5"));
    let times = [event.entered_at(), event.recognised_at(), event.left_at()];
    let expected = [1_607_062_638_500, 1_607_062_639_250, 1_607_062_641_000];
    assert_eq!(times.map(|time| time.unwrap().unix.0), expected);
    assert_eq!(event.pose_score(), Some(0.9));
    assert_eq!(event.unknown_id().as_deref(), Some("1602612036.3828533"));
}

#[test]
fn the_history_of_dialect_2_reads_member_by_member() {
    let page = HistoryPage::decode(&sample!("history_v2.json"), &Limits::default()).unwrap();
    assert_eq!(
        (page.page, page.pages, page.total),
        (Some(2), None, Some(101))
    );
    let event = &page.records[0];
    let raw = "1628066406.6525";

    assert_eq!(event.shape(), Shape::Recorded(Dialect::V2));
    assert_eq!(event.event_id().as_deref(), Some("1628066406652506"));
    let timestamp = event.timestamp().unwrap();
    assert_eq!(timestamp.unix, UnixMillis(1_628_066_406_652));
    assert_eq!(event.person(), Person::new(PersonType::Car));
    assert_eq!(event.group_name().as_deref(), Some("一组"));
    assert_eq!(event.device_id().as_deref(), Some(CAMERA));
    assert_eq!(event.device_ip().as_deref(), Some("192.0.2.243"));
    assert_eq!(event.device_name().as_deref(), Some("东门"));
    assert_eq!(event.device_kind(), Some(DeviceKind::File));
    let registered = RemotePicture::Registered {
        id: "reg-1".to_owned(),
    };
    assert_eq!(event.registered_picture(), Picture::Remote(registered));
    assert_eq!(event.face_picture(), recorded("face-1", raw));
    assert_eq!(event.scene_picture(), recorded("spot-1", raw));
    assert_eq!(event.action(), Some(0));
    assert_eq!(event.frame_id().as_deref(), Some("4711"));
    assert_eq!(event.is_sent(), Some(false));
    assert_eq!(event.raw(&["ext_data", "note"]), Some("\"人\""));
    assert_eq!(
        event.face_attributes(),
        Some(r#"{"feature_binary": "AAAA"}"#)
    );
}

#[test]
//= docs/spec/se5-events.md#events
//# An event in a push envelope MUST be read by the same accessors as a live one.
fn the_push_envelopes_read_member_by_member() {
    let first = event(sample!("push_v1.json"));
    assert_eq!(first.shape(), Shape::Pushed(Dialect::V1));
    assert_eq!(first.api_version().as_deref(), Some("1.0"));
    assert_eq!(first.box_serial().as_deref(), Some("SN-1"));
    assert_eq!(first.action(), Some(1002));
    assert_eq!(first.person(), Person::new(PersonType::Employee));
    assert_eq!(first.device_kind(), Some(DeviceKind::Door));
    assert_eq!(first.endpoint_id().as_deref(), Some("3"));
    assert_eq!(first.left_at().unwrap().unix, UnixMillis(1_607_062_641_500));

    let second = event(sample!("push_v2.json"));
    assert_eq!(second.shape(), Shape::Pushed(Dialect::V2));
    assert_eq!(second.api_version().as_deref(), Some("2.0"));
    assert_eq!(second.license_key().as_deref(), Some("licence-of-nobody"));
    assert_eq!(second.action(), Some(1001));
    assert_eq!(second.person(), Person::new(PersonType::Blacklist));
    assert_eq!(second.device_kind(), Some(DeviceKind::Rtsp));
    assert_eq!(
        second.entered_at().unwrap().unix,
        UnixMillis(1_607_062_638_500)
    );

    for event in [first, second] {
        assert_eq!(event.device_id().as_deref(), Some(CAMERA));
        assert_eq!(event.device_ip().as_deref(), Some("192.0.2.243"));
        assert_eq!(event.device_name().as_deref(), Some("东门"));
        assert_eq!(event.identity_name().as_deref(), Some("小红"));
        let timestamp = event.timestamp().unwrap();
        assert_eq!(timestamp.unix, UnixMillis(1_607_062_639_701));
        assert_eq!(jpeg(&event.registered_picture()), TWO_BYTES);
        assert_eq!(jpeg(&event.face_picture()), SIX_BYTES);
        assert_eq!(jpeg(&event.scene_picture()), TWO_BYTES);
        assert_eq!(jpeg(&event.infrared_picture()), SIX_BYTES);
    }
}

#[test]
//= docs/spec/se5-events.md#events
//# An answer whose body is an error object MUST be reported as the box's refusal, whatever its HTTP
//# status.
fn error_bodies_of_both_dialects_read_member_by_member() {
    let cases = [
        (sample!("error_v1.json"), "1234", Some("NOT_FOUND")),
        (sample!("error_v2.json"), "DEVICE_INIT_ERROR", None),
    ];
    for (body, expected, expected_status) in cases {
        for http in [200, 400, 500] {
            let ask = Ask::Devices(None);
            let answer = codec::decode_answer(&ask, http, body.clone(), &Limits::default());
            let Answer::Failed(AskError::Box {
                code,
                message,
                status,
            }) = answer
            else {
                panic!("{answer:?}");
            };
            assert_eq!(code, expected);
            assert!(!message.is_empty());
            assert_eq!(status.as_deref(), expected_status);
        }
    }
}

#[test]
fn the_broadcast_of_devices_reads_member_by_member() {
    let limits = Limits::default();
    let notice = DeviceNotice::decode(sample!("notice_modified.json"), &limits).unwrap();
    let DeviceNotice::Modified { action, device } = notice else {
        panic!("{notice:?}");
    };
    assert_eq!(action, "add");
    let device = device.unwrap();
    assert_eq!((&*device.id, device.kind), (CAMERA, Some(DeviceKind::Rtsp)));

    let notice = DeviceNotice::decode(sample!("notice_preview.json"), &limits).unwrap();
    let expected = [
        (
            "preview_device_list",
            r#"["0b7c2f0e-5d0a-4e55-9f5b-2f6f0c1d7a10"]"#,
        ),
        ("selected_device_list", "[]"),
        ("preview_mode", "4"),
        ("last_set_name", "\"四画面\""),
    ];
    for (name, json) in expected {
        assert_eq!(notice.raw(name), Some(json));
    }
}

#[test]
//= docs/spec/se5-events.md#subscription
//# A subscription MUST be written as strict compact JSON that holds all three members of one
//# dialect in the order of the document.
//= docs/spec/se5-events.md#subscription
//# A subscription MUST NOT hold members of both dialects.
//= docs/spec/se5-events.md#subscription
//# The subscriber MUST NOT send the Python literal that the document prints.
fn subscriptions_are_written_in_the_golden_form() {
    let subscription = Subscription::new(["04f98265-1fad-47e5-9dda-66e191272055"]).with_faces(true);
    let cases = [
        (
            Dialect::V1,
            r#"{"need_face":true,"need_register":false,"event_list":["04f98265-1fad-47e5-9dda-66e191272055"]}"#,
        ),
        (
            Dialect::V2,
            r#"{"with_face_image":true,"with_register_image":false,"media_device_ids":["04f98265-1fad-47e5-9dda-66e191272055"]}"#,
        ),
    ];
    for (dialect, golden) in cases {
        let mut out = Vec::new();
        subscription.encode(dialect, &mut out);
        assert_eq!(out, golden.as_bytes());
    }
}

#[test]
//= docs/spec/se5-events.md#events
//# A live event MUST be written in the member order of the document.
//= docs/spec/se5-events.md#events
//# The box MUST write `video_id` and `event_id` in dialect 1 unless its configuration turns them
//# off.
//= docs/spec/se5-events.md#events
//# A live event MUST be written with its time as whole milliseconds.
//= docs/spec/se5-events.md#events
//# A device type MUST be written as text.
//= docs/spec/se5-events.md#pictures
//# A picture of dialect 1 MUST be written as bare padded base64.
//= docs/spec/se5-events.md#pictures
//# A picture of dialect 2 MUST be written as padded base64 behind `data:image/jpeg;base64,`.
fn events_are_written_in_the_golden_form() {
    let mut sighting = Sighting::new("e-1", CAMERA, UnixMillis(1_566_016_554_020));
    sighting.device_ip = "192.0.2.243".into();
    sighting.device_kind = DeviceKind::Turnstile;
    sighting.person = PersonType::Vip;
    sighting.identity_id = "888888".into();
    sighting.identity_name = "小红".into();
    sighting.score = 1.0;
    sighting.face = Some(Bytes::from_static(SIX_BYTES));
    sighting.scene = Some(Bytes::from_static(TWO_BYTES));

    let mut form = LiveForm::new(Dialect::V1);
    let ids = r#","video_id":"0b7c2f0e-5d0a-4e55-9f5b-2f6f0c1d7a10","event_id":"e-1"}"#;
    let golden = r#"{"reg_pic":"","ext_data":{"person_type":5,"device_ip":"192.0.2.243","device_type":"0","spot_pic":"/9j/2Q==","recognize_face":"/9j/4P/Z"},"identity_id":"888888","device_id":"0b7c2f0e-5d0a-4e55-9f5b-2f6f0c1d7a10","identity_info":{},"score":1.0,"timestamp":1566016554020,"group_name":"default_group","identity_name":"小红""#;
    assert_eq!(sighting.to_live(form).json(), &format!("{golden}{ids}"));
    form.script_ids = false;
    assert_eq!(sighting.to_live(form).json(), &format!("{golden}}}"));

    let form = LiveForm::new(Dialect::V2);
    let golden = r#"{"event_id":"e-1","timestamp":1566016554020,"identity_id":"888888","identity_name":"小红","user_type":"vip","score":1.0,"media_device_ip":"192.0.2.243","media_device_id":"0b7c2f0e-5d0a-4e55-9f5b-2f6f0c1d7a10","media_device_type":"0","register_image":"","recognize_face_image":"data:image/jpeg;base64,/9j/4P/Z"}"#;
    assert_eq!(sighting.to_live(form).json(), golden);
}

#[test]
//= docs/spec/se5-events.md#events
//# A query of dialect 1 MUST write times in seconds, rounded so that the range does not shrink.
//= docs/spec/se5-events.md#events
//# A query of dialect 2 MUST write times in milliseconds unless it was told to write seconds.
//= docs/spec/se5-events.md#events
//# Pages of the history MUST be counted from 0.
fn history_queries_are_written_in_the_golden_form() {
    let (from, to) = (UnixMillis(1_607_062_600_999), UnixMillis(1_607_062_659_001));
    let mut query = HistoryQuery::new(Dialect::V1, from, to);
    query.devices = vec![CAMERA.into(), GATE.into()];
    let request = codec::encode_ask(&Ask::Events(query), Dialect::V1);
    assert_eq!(
        (request.method, &*request.target),
        (
            "GET",
            "/SophonFace/api/events?datetime_gte=1607062600&datetime_lte=1607062660&page=0&per_page=50&streams=0b7c2f0e-5d0a-4e55-9f5b-2f6f0c1d7a10,6d1e9c34-8a27-4b0f-b1c9-3a5e7d902b44"
        )
    );

    let (from, to) = (UnixMillis(1_607_062_600_000), UnixMillis(1_607_062_660_000));
    let mut query = HistoryQuery::new(Dialect::V2, from, to);
    query.devices = vec![CAMERA.into()];
    let request = codec::encode_ask(&Ask::Events(query.clone()), Dialect::V2);
    assert_eq!(
        (request.method, &*request.target),
        ("POST", "/sophon/v2/face/getevents")
    );
    let golden = r#"{"filters":{"datetime_gte":1607062600000,"datetime_lte":1607062660000,"media_device_ids":["0b7c2f0e-5d0a-4e55-9f5b-2f6f0c1d7a10"]},"page_limit":50,"page_index":0}"#;
    assert_eq!(request.body, golden.as_bytes());

    query.unit = TimeUnit::Seconds;
    let request = codec::encode_ask(&Ask::Events(query), Dialect::V2);
    let seconds = golden.replace("000,\"d", ",\"d").replace("000,\"m", ",\"m");
    assert_eq!(request.body, seconds.as_bytes());
}

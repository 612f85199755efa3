//! Questions and answers over HTTP, and subscriptions.

mod kit;

use kit::sighting;
use proptest::prelude::*;
use se5_events::codec::{decode_answer, decode_ask, encode_answer, encode_ask};
use se5_events::*;
use serde_json::{Value as Json, json};
use std::sync::Arc;

const DIALECTS: [Dialect; 2] = [Dialect::V1, Dialect::V2];

fn limits() -> Limits {
    Limits::default()
}

fn id() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9-]{1,36}",
        "[小明 %&=?#+/\"\\\\]{1,9}",
        "[^,\\[]{1,12}"
    ]
    .prop_filter("ids are not blank", |id| !id.trim().is_empty())
}

fn query(dialect: Dialect) -> impl Strategy<Value = HistoryQuery> {
    let times = (100_000_000_i64..99_999_999_999, 0_i64..1_000_000);
    let pages = (0_u32..1000, 1_u32..101);
    let scores = prop::option::of((0.0..1.0_f64, 0.0..100.0_f64));
    let devices = prop::collection::btree_set(id(), 0..4);
    let texts = (
        prop::option::of(id()),
        prop::option::of(id()),
        prop::option::of(id()),
    );
    let more = (
        prop::option::of(id()),
        prop::option::of(id()),
        prop::option::of(1_u32..50),
    );
    (times, pages, scores, devices, texts, more).prop_map(
        move |(times, pages, scores, devices, texts, more)| {
            let (from, to) = (times.0 * 1000, (times.0 + times.1) * 1000);
            let mut query = HistoryQuery::new(dialect, UnixMillis(from), UnixMillis(to));
            (query.page, query.per_page) = pages;
            (query.score_min, query.score_max) = scores.unzip();
            query.devices = devices.into_iter().collect();
            (query.identity_id, query.identity_name, query.user_type) = texts;
            if dialect == Dialect::V1 {
                (query.groups, query.room, query.top_k) = more;
            }
            query
        },
    )
}

fn ask(dialect: Dialect) -> impl Strategy<Value = Ask> {
    let time = "[0-9]{10}\\.[0-9]{1,7}";
    prop_oneof![
        prop::option::of(id()).prop_map(Ask::Devices),
        query(dialect).prop_map(Ask::Events),
        (id(), time).prop_map(|(id, time)| Ask::Picture(RemotePicture::Recorded { id, time })),
        id().prop_map(|id| Ask::Picture(RemotePicture::Registered { id })),
    ]
}

fn sent(ask: &Ask, dialect: Dialect) -> Result<(Dialect, Ask), AskError> {
    let request = encode_ask(ask, dialect);
    assert!(request.target.bytes().all(|byte| byte.is_ascii_graphic()));
    decode_ask(request.method, &request.target, &request.body, &limits())
}

fn answered(answer: &Answer, ask: &Ask, dialect: Dialect) -> Answer {
    let response = encode_answer(answer, ask, dialect);
    decode_answer(ask, response.status, response.body, &limits())
}

proptest! {
    #[test]
    fn questions_of_dialect_1_arrive_as_asked(ask in ask(Dialect::V1)) {
        prop_assert_eq!(sent(&ask, Dialect::V1), Ok((Dialect::V1, ask)));
    }

    #[test]
    fn questions_of_dialect_2_arrive_as_asked(ask in ask(Dialect::V2), event in id()) {
        prop_assert_eq!(sent(&ask, Dialect::V2), Ok((Dialect::V2, ask)));
        let ask = Ask::Event(event);
        prop_assert_eq!(sent(&ask, Dialect::V2), Ok((Dialect::V2, ask)));
    }

    #[test]
    fn lists_arrive_in_every_style(query in query(Dialect::V1)) {
        for style in [ListStyle::Comma, ListStyle::Repeat, ListStyle::Json] {
            let mut asked = query.clone();
            asked.list_style = style;
            let Ok((_, Ask::Events(arrived))) = sent(&Ask::Events(asked), Dialect::V1) else {
                panic!("not a history question");
            };
            prop_assert_eq!(&arrived.devices, &query.devices);
        }
    }

    #[test]
    fn a_query_never_shrinks(from in 100_000_000_000_i64..99_999_999_999_999, span in 0_i64..10_000_000, v2: bool) {
        let dialect = if v2 { Dialect::V2 } else { Dialect::V1 };
        for unit in [TimeUnit::Seconds, TimeUnit::Millis] {
            let mut query = HistoryQuery::new(dialect, UnixMillis(from), UnixMillis(from + span));
            query.unit = unit;
            let Ok((_, Ask::Events(arrived))) = sent(&Ask::Events(query.clone()), dialect) else {
                panic!("not a history question");
            };
            prop_assert!(arrived.from <= query.from && query.to <= arrived.to);
            prop_assert!(arrived.from.0 > query.from.0 - 1000 && arrived.to.0 < query.to.0 + 1000);
        }
    }

    #[test]
    fn pages_arrive_as_answered(
        sightings in prop::collection::vec(sighting(), 0..5),
        total in 0_u64..10_000,
        query in query(Dialect::V1),
        v2: bool,
    ) {
        let dialect = if v2 { Dialect::V2 } else { Dialect::V1 };
        let page = HistoryPage::of(dialect, &query, sightings.into_iter().map(Arc::new), total);
        let answer = Answer::Page(page);
        let ask = Ask::Events(query);
        let arrived = answered(&answer, &ask, dialect);
        prop_assert_eq!(&arrived, &answer);
        if let Answer::Page(page) = arrived {
            prop_assert!(page.records.iter().all(|r| r.shape() == Shape::Recorded(dialect)));
        }
    }

    #[test]
    fn device_lists_arrive_as_answered(
        devices in prop::collection::vec((id(), prop::option::of(id())), 0..5),
        v2: bool,
    ) {
        let dialect = if v2 { Dialect::V2 } else { Dialect::V1 };
        let mut list = DeviceList::default();
        for (id, name) in devices {
            let mut device = DeviceInfo::new(id).with_ip("192.0.2.1").with_kind(DeviceKind::Door);
            device.name = name;
            device.permission_id = Some("p1".into());
            list.devices.push(device);
        }
        let Answer::Devices(arrived) = answered(&Answer::Devices(list.clone()), &Ask::Devices(None), dialect) else {
            panic!("not a device list");
        };
        let plain = |list: &DeviceList| -> Vec<_> {
            let devices = list.devices.iter().cloned();
            devices.map(|mut device| { device.json.clear(); device.into_fields() }).collect()
        };
        prop_assert_eq!(plain(&arrived), plain(&list));
    }

    #[test]
    fn subscriptions_arrive_as_sent(
        devices in prop::collection::btree_set(any::<String>(), 0..9),
        faces: bool,
        registered: bool,
        v2: bool,
    ) {
        let dialect = if v2 { Dialect::V2 } else { Dialect::V1 };
        let subscription = Subscription::new(devices).with_faces(faces).with_registered(registered);
        let mut json = Vec::new();
        subscription.encode(dialect, &mut json);
        let keys: serde_json::Map<String, Json> = serde_json::from_slice(&json).expect("strict JSON");
        prop_assert_eq!(keys.len(), 3);
        let pretty = serde_json::to_vec_pretty(&keys).unwrap();
        for message in [json, pretty] {
            let arrived = Subscription::decode(message.into(), &limits());
            prop_assert_eq!(arrived.unwrap(), (dialect, subscription.clone()));
        }
    }

    #[test]
    fn literals_arrive_as_their_json(
        devices in prop::collection::btree_set("[a-z小'\"\\\\ ,]{0,6}", 0..4),
        faces: bool,
    ) {
        let subscription = Subscription::new(devices.clone()).with_faces(faces);
        let quoted = |id: &String| {
            let inner = id.replace('\\', "\\\\").replace('\'', "\\'");
            format!("'{inner}'")
        };
        let list: Vec<_> = devices.iter().map(quoted).collect();
        let truth = if faces { "True" } else { "False" };
        let literal = format!("{{'need_face': {truth}, 'need_register': False, 'other': None, 'event_list': [{}, ], }}", list.join(", "));
        prop_assert!(Subscription::decode(literal.clone().into(), &limits()).is_err());
        let arrived = Subscription::decode_literal(literal.into(), &limits());
        prop_assert_eq!(arrived.unwrap(), (Dialect::V1, subscription));
    }

    #[test]
    fn arbitrary_messages_never_panic(bytes: Vec<u8>, target: String, status in 0_u16..600, json in "[{}\\[\\]\":,a-z0-9 ]{0,60}") {
        for body in [bytes, json.into_bytes()] {
            for path in [&*target, "/SophonFace/api/events?streams=[", "/sophon/v2/face/getevents"] {
                for method in ["GET", "POST", "PUT"] {
                    let _ = decode_ask(method, path, &body, &limits());
                }
            }
            for ask in [Ask::Devices(None), Ask::Event("e".into()), Ask::Events(HistoryQuery::from_query(&target))] {
                let _ = decode_answer(&ask, status, body.clone().into(), &limits());
            }
            let _ = Subscription::decode_literal(body.clone().into(), &limits());
            let _ = DeviceNotice::decode(body.into(), &limits());
        }
    }
}

/// A device's members, for comparing without its JSON.
trait Fields {
    fn into_fields(self) -> [Option<String>; 8];
}

impl Fields for DeviceInfo {
    fn into_fields(self) -> [Option<String>; 8] {
        let kind = self.kind.map(|kind| kind.as_wire().to_owned());
        let (url, key) = (self.url, self.key);
        let (permission, group) = (self.permission_id, self.group_id);
        [
            Some(self.id),
            self.name,
            self.ip,
            kind,
            url,
            key,
            permission,
            group,
        ]
    }
}

#[test]
fn every_question_has_its_documented_address() {
    let recorded = RemotePicture::Recorded {
        id: "a b".into(),
        time: "1607062639.7013178".into(),
    };
    let registered = RemotePicture::Registered { id: "小/1".into() };
    let cases = [
        (
            Ask::Devices(None),
            "GET /SophonDevice/api/Devices",
            "POST /sophon/v2/face/getmediadevices {}",
        ),
        (
            Ask::Devices(Some("d-1".into())),
            "GET /SophonDevice/api/Devices?device_id=d-1",
            r#"POST /sophon/v2/face/getmediadevices {"media_device_id":"d-1"}"#,
        ),
        (
            Ask::Event("e".into()),
            "GET /SophonFace/api/events?page=0&per_page=1&_id=e",
            r#"POST /sophon/v2/face/getevent {"event_id":"e"}"#,
        ),
        (
            Ask::Picture(recorded),
            "GET /SophonFace/api/event_images/a%20b?datetime=1607062639.7013178",
            "GET /sophon/v2/face/getspotimage/a%20b?timestamp=1607062639.7013178",
        ),
        (
            Ask::Picture(registered),
            "GET /SophonFace/api/images/%E5%B0%8F%2F1",
            "GET /sophon/v2/face/getregisterimage/%E5%B0%8F%2F1",
        ),
    ];
    for (ask, first, second) in cases {
        for (dialect, expected) in DIALECTS.into_iter().zip([first, second]) {
            let request = encode_ask(&ask, dialect);
            let body = String::from_utf8(request.body).unwrap();
            let written = format!("{} {} {body}", request.method, request.target);
            assert_eq!(written.trim_end(), expected);
        }
    }
}

#[test]
//= docs/spec/se5-events.md#box
//# The box MUST answer an unknown path with status 404 and a wrong method with status 405.
//= docs/spec/se5-events.md#box
//# The box MUST answer a body that is not the documented JSON with status 400.
fn what_is_no_question_has_a_status() {
    for (method, target, body, status) in [
        ("GET", "/", "", 404),
        ("POST", "/", "", 404),
        ("GET", "/SophonFace/api/other", "", 404),
        ("POST", "/SophonDevice/api/Devices", "", 405),
        ("PUT", "/SophonFace/api/events", "", 405),
        ("POST", "/SophonFace/api/images/1", "", 405),
        ("GET", "/sophon/v2/face/getevents", "{}", 405),
        ("GET", "/sophon/v2/face/getmediadevices", "", 405),
        ("POST", "/sophon/v2/face/getevents", "[]", 400),
        ("POST", "/sophon/v2/face/getevents", "{", 400),
        ("POST", "/sophon/v2/face/getmediadevices", "nonsense", 400),
        (
            "POST",
            "/sophon/v2/face/getevent",
            "{\"event_id\":\"e\"",
            400,
        ),
    ] {
        let asked = decode_ask(method, target, body.as_bytes(), &limits());
        assert_eq!(
            asked,
            Err(AskError::Http(status)),
            "{method} {target} {body}"
        );
    }
    let asked = decode_ask("POST", "/sophon/v2/face/getmediadevices", b" ", &limits());
    assert_eq!(asked, Ok((Dialect::V2, Ask::Devices(None))));
}

#[test]
fn a_box_answers_errors_in_the_words_of_its_dialect() {
    let ask = Ask::Devices(None);
    let error = |code: &str| AskError::Box {
        code: code.to_owned(),
        message: "小".to_owned(),
        status: None,
    };
    for (answer, dialect, status, code) in [
        (AskError::Http(404), Dialect::V1, 404, json!(404)),
        (AskError::Http(405), Dialect::V2, 405, json!("405")),
        (
            AskError::Http(400),
            Dialect::V2,
            400,
            json!("INVALID_ARGUMENTS"),
        ),
        (AskError::Body, Dialect::V1, 400, json!(400)),
        (error("7"), Dialect::V1, 200, json!(7)),
        (error("7"), Dialect::V2, 200, json!("7")),
        (
            error("DEVICE_INIT_ERROR"),
            Dialect::V2,
            200,
            json!("DEVICE_INIT_ERROR"),
        ),
    ] {
        let response = encode_answer(&Answer::Failed(answer), &ask, dialect);
        let body: Json = serde_json::from_slice(&response.body).unwrap();
        assert_eq!((response.status, &body["error"]["code"]), (status, &code));
        let Answer::Failed(AskError::Box { .. }) =
            decode_answer(&ask, response.status, response.body, &limits())
        else {
            panic!("an error body is a refusal");
        };
    }
}

#[test]
fn what_is_no_answer_is_told_apart() {
    let ask = Ask::Devices(None);
    let answer = |status, body: &'static str| decode_answer(&ask, status, body.into(), &limits());
    assert_eq!(answer(500, "oops"), Answer::Failed(AskError::Http(500)));
    assert_eq!(answer(404, ""), Answer::Failed(AskError::Http(404)));
    assert_eq!(answer(200, "<html>"), Answer::Failed(AskError::Body));
    assert_eq!(answer(200, "{}"), Answer::Failed(AskError::Body));
    assert_eq!(
        answer(200, "{\"error\":{}}"),
        Answer::Failed(AskError::Body)
    );
    let picture = Ask::Picture(RemotePicture::Registered { id: "1".into() });
    let jpeg = &[0xff_u8, 0xd8][..];
    let answer = decode_answer(&picture, 200, jpeg.into(), &limits());
    assert_eq!(answer, Answer::Picture(jpeg.into()));
}

#[test]
fn one_event_is_found_on_the_page_that_dialect_1_gives() {
    let ask = Ask::Event("b".into());
    let body = r#"{"data":[{"_id":"a"},{"_id":"b"}],"pagination":{}}"#;
    let Answer::Page(page) = decode_answer(&ask, 200, body.into(), &limits()) else {
        panic!("not a page");
    };
    assert_eq!(page.records.len(), 1);
    assert_eq!(page.records[0].event_id().as_deref(), Some("b"));
    let Answer::Page(page) = decode_answer(&ask, 200, r#"{"event_id":"b"}"#.into(), &limits())
    else {
        panic!("not a page");
    };
    assert_eq!(page.records[0].event_id().as_deref(), Some("b"));
}

#[test]
//= docs/spec/se5-events.md#subscription
//# The box MUST accept a subscription in strict JSON with any white space between its tokens.
//= docs/spec/se5-events.md#subscription
//# The box MUST take a missing member of a subscription for its default.
//= docs/spec/se5-events.md#subscription
//# The box MUST pass over members of a subscription that it does not know.
fn sloppy_subscriptions_are_read() {
    let devices = Subscription::new(["a", "7"]);
    for (json, expected) in [
        ("{}", Subscription::default()),
        (
            " {\n\t\"event_list\" : [ \"a\" , 7 , null, \"a\" ]\r\n} ",
            devices.clone(),
        ),
        (
            r#"{"event_list":["a","7"],"need_face":null,"colour":{"x":[1]}}"#,
            devices.clone(),
        ),
        (
            r#"{"event_list":["a","7"],"need_face":1}"#,
            devices.clone().with_faces(true),
        ),
        (
            r#"{"event_list":["a","7"],"need_register":"True"}"#,
            devices.with_registered(true),
        ),
        (r#"{"event_list":"a"}"#, Subscription::default()),
        (
            r#"{"event_list":["a"],"event_list":["b"]}"#,
            Subscription::new(["b"]),
        ),
    ] {
        let arrived = Subscription::decode(json.into(), &limits()).unwrap();
        assert_eq!(arrived, (Dialect::V1, expected), "{json}");
    }
    let (dialect, _) =
        Subscription::decode(r#"{"media_device_ids":[]}"#.into(), &limits()).unwrap();
    assert_eq!(dialect, Dialect::V2);
}

#[test]
fn what_is_no_subscription_is_kept() {
    for (message, kind) in [
        ("", EventErrorKind::NotJson { offset: 0 }),
        ("[]", EventErrorKind::NotObject),
        ("{\"event_list\":[}", EventErrorKind::NotJson { offset: 15 }),
    ] {
        for decode in [Subscription::decode, Subscription::decode_literal] {
            let error = decode(message.into(), &limits()).unwrap_err();
            assert_eq!((error.kind, &*error.raw), (kind, message.as_bytes()));
        }
    }
}

#[test]
//= docs/spec/se5-events.md#limits
//# A list with more than `max_items` elements MUST be refused.
fn lists_beyond_the_limit_are_refused() {
    let mut limits = limits();
    limits.max_items = 2;
    for (count, is_accepted) in [(1, true), (2, true), (3, false)] {
        let ids: Vec<_> = (0..count).map(|n| format!("\"{n}\"")).collect();
        let json = format!("{{\"event_list\":[{}]}}", ids.join(","));
        assert_eq!(
            Subscription::decode(json.into(), &limits).is_ok(),
            is_accepted
        );

        let records = vec!["{}"; count].join(",");
        let json = format!("{{\"data\":[{records}]}}");
        assert_eq!(
            HistoryPage::decode(&json.into(), &limits).is_ok(),
            is_accepted
        );

        let devices: Vec<_> = (0..count)
            .map(|n| format!("{{\"device_id\":{n}}}"))
            .collect();
        let json = format!("{{\"data\":{{\"devices_list\":[{}]}}}}", devices.join(","));
        assert_eq!(
            DeviceList::decode(json.as_bytes(), &limits).is_ok(),
            is_accepted
        );
    }
}

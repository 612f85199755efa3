//! The box towards those who ask: device list, history, pictures, errors.

mod device_kit;

use device_kit::{DOOR, GATE, Rig};
use se5_events::device::{Config, Event, Reboot};
use se5_events::{
    Answer, Ask, AskError, DeviceInfo, DeviceKind, Dialect, HistoryPage, HistoryQuery, PersonType,
    Picture, RemotePicture, UnixMillis,
};
use std::time::Duration;

const DIALECTS: [Dialect; 2] = [Dialect::V1, Dialect::V2];

fn rig(dialect: Dialect) -> Rig {
    let mut config = Config::new(7);
    config.dialect = dialect;
    Rig::new(config)
}

fn all(dialect: Dialect) -> HistoryQuery {
    HistoryQuery::new(dialect, UnixMillis(0), UnixMillis(4_000_000_000_000))
}

fn page(rig: &mut Rig, query: &HistoryQuery) -> HistoryPage {
    match rig.ask(&Ask::Events(query.clone())) {
        Some(Answer::Page(page)) => page,
        other => panic!("{other:?} is no page"),
    }
}

fn numbers(page: &HistoryPage) -> Vec<u64> {
    let ids = page
        .records
        .iter()
        .map(|record| record.event_id().expect("an id"));
    ids.map(|id| {
        id.rsplit('.')
            .next()
            .expect("a number")
            .parse()
            .expect("digits")
    })
    .collect()
}

type Narrow = fn(&mut HistoryQuery);

/// Numbers of the sightings that `narrow` leaves, of eight at two devices.
fn found(dialect: Dialect, narrow: impl FnOnce(&mut HistoryQuery)) -> Vec<u64> {
    let mut rig = rig(dialect);
    for device in [GATE, DOOR].repeat(4) {
        rig.see(device);
    }
    let mut query = all(dialect);
    narrow(&mut query);
    numbers(&page(&mut rig, &query))
}

fn code(answer: Option<Answer>) -> (String, Option<String>) {
    match answer {
        Some(Answer::Failed(AskError::Box { code, status, .. })) => (code, status),
        other => panic!("{other:?} is no refusal"),
    }
}

#[test]
fn the_device_list_says_what_was_added() {
    for dialect in DIALECTS {
        let mut rig = rig(dialect);
        let gate = DeviceInfo::new(GATE)
            .with_name("东门")
            .with_ip("192.0.2.101");
        let gate = gate.with_kind(DeviceKind::Rtsp);
        rig.device.add_device(rig.now, gate).unwrap();
        rig.device
            .add_device(rig.now, DeviceInfo::new(DOOR))
            .unwrap();
        //= docs/spec/se5-events.md#box
        //= type=test
        //# The box MUST answer the device list and the history in the dialect of the question.
        let Some(Answer::Devices(list)) = rig.ask(&Ask::Devices(None)) else {
            panic!("no list");
        };
        assert_eq!(list.ids().collect::<Vec<_>>(), [GATE, DOOR]);
        assert_eq!(list.devices[0].name.as_deref(), Some("东门"));
        assert_eq!(list.devices[0].kind, Some(DeviceKind::Rtsp));
        let Some(Answer::Devices(list)) = rig.ask(&Ask::Devices(Some(DOOR.into()))) else {
            panic!("no list");
        };
        assert_eq!(list.ids().collect::<Vec<_>>(), [DOOR]);
    }
}

#[test]
fn errors_are_numbers_in_one_dialect_and_words_in_the_other() {
    let unknown = Ask::Devices(Some("nobody".into()));
    let (code_v1, status) = code(rig(Dialect::V1).ask(&unknown));
    assert_eq!(
        (&*code_v1, status.as_deref()),
        ("404", Some("ID_NOT_FOUND"))
    );
    let (code_v2, status) = code(rig(Dialect::V2).ask(&unknown));
    assert_eq!((&*code_v2, status), ("ID_NOT_FOUND", None));
    let missing = Ask::Event(String::new());
    assert_eq!(code(rig(Dialect::V2).ask(&missing)).0, "MISSING_ARGUMENTS");
}

#[test]
fn senseless_queries_are_refused() {
    let narrow: [fn(&mut HistoryQuery); 3] = [
        |query| query.per_page = 0,
        |query| query.per_page = 10_001,
        |query| query.from = query.to.plus(10_000),
    ];
    for spoil in narrow {
        let mut query = all(Dialect::V2);
        spoil(&mut query);
        let answer = rig(Dialect::V2).ask(&Ask::Events(query));
        assert_eq!(code(answer).0, "INVALID_ARGUMENTS");
    }
}

#[test]
fn a_firmware_has_no_endpoints_of_the_other_dialect() {
    for (own, other) in [(Dialect::V1, Dialect::V2), (Dialect::V2, Dialect::V1)] {
        let mut rig = rig(own);
        for ask in [Ask::Devices(None), Ask::Events(all(other))] {
            let answer = rig.ask_in(other, &ask);
            assert_eq!(code(answer).0, "404");
        }
    }
}

#[test]
fn a_booting_box_answers_that_it_is_booting() {
    for (dialect, word) in [(Dialect::V1, "503"), (Dialect::V2, "DEVICE_INIT_ERROR")] {
        let mut rig = rig(dialect);
        rig.see(GATE);
        rig.device.reboot(rig.now, Reboot::default());
        //= docs/spec/se5-events.md#box
        //= type=test
        //# The box MUST answer `DEVICE_INIT_ERROR` for `boot_time` after a reboot.
        rig.wait(Duration::from_millis(9_999));
        assert_eq!(code(rig.ask(&Ask::Devices(None))).0, word);
        let (code, status) = code(rig.ask(&Ask::Events(all(dialect))));
        assert!([Some(code.as_str()), status.as_deref()].contains(&Some("DEVICE_INIT_ERROR")));
        rig.wait(Duration::from_millis(1));
        assert_eq!(page(&mut rig, &all(dialect)).total, Some(1));
    }
}

#[test]
fn a_booting_box_takes_subscribers_and_shows_them_what_it_sees() {
    let mut rig = rig(Dialect::V1);
    rig.device.reboot(rig.now, Reboot::default());
    rig.join(1);
    rig.see(GATE);
    assert_eq!(rig.ids(1).len(), 1);
}

#[test]
fn times_include_both_ends() {
    let between = |query: &mut HistoryQuery| {
        query.from = UnixMillis(device_kit::START + 200);
        query.to = UnixMillis(device_kit::START + 400);
    };
    assert_eq!(found(Dialect::V2, between), [2, 3, 4]);
    // Seconds are rounded outwards: 639 to 641.
    assert_eq!(found(Dialect::V1, between), [0, 1, 2, 3, 4, 5, 6, 7]);
    let just_after = |query: &mut HistoryQuery| query.from = UnixMillis(device_kit::START + 301);
    assert_eq!(found(Dialect::V2, just_after), [4, 5, 6, 7]);
}

#[test]
fn every_filter_narrows_in_both_dialects() {
    for dialect in DIALECTS {
        let narrow: [(Narrow, &[u64]); 9] = [
            (|_| {}, &[0, 1, 2, 3, 4, 5, 6, 7]),
            (|q| q.devices = vec![DOOR.into()], &[1, 3, 5, 7]),
            (|q| q.devices = vec!["nobody".into()], &[]),
            (|q| q.score_min = Some(0.55), &[5, 6, 7]),
            (|q| q.score_max = Some(0.52), &[0, 1, 2]),
            (|q| q.identity_id = Some("1003".into()), &[3]),
            (
                |q| q.identity_name = Some("小明".into()),
                &[0, 1, 2, 3, 4, 5, 6, 7],
            ),
            (|q| q.identity_name = Some("小红".into()), &[]),
            (|q| q.user_type = Some("vip".into()), &[]),
        ];
        for (narrow, left) in narrow {
            assert_eq!(found(dialect, narrow), left);
        }
    }
    let group = |query: &mut HistoryQuery| query.groups = Some("nobody's".into());
    assert_eq!(found(Dialect::V1, group), []);
}

#[test]
fn a_user_type_is_a_word_or_a_number() {
    let mut rig = rig(Dialect::V2);
    let mut visitor = device_kit::sighting(0, GATE);
    visitor.person = PersonType::Visitor;
    rig.device.emit(rig.now, visitor).unwrap();
    for (kind, count) in [("visitor", 1), ("2", 1), ("employee", 0), ("1", 0)] {
        let mut query = all(Dialect::V2);
        query.user_type = Some(kind.into());
        assert_eq!(page(&mut rig, &query).records.len(), count, "{kind}");
    }
}

#[test]
fn pages_are_sorted_by_time_and_equal_times_by_arrival() {
    let mut rig = rig(Dialect::V1);
    for (nth, millis) in [(0, 500), (1, 0), (2, 500), (3, 100)] {
        let mut sighting = device_kit::sighting(nth, GATE);
        sighting.at = UnixMillis(device_kit::START + millis);
        rig.device.emit(rig.now, sighting).unwrap();
    }
    assert_eq!(numbers(&page(&mut rig, &all(Dialect::V1))), [1, 3, 0, 2]);
}

#[test]
fn pages_count_from_zero_and_the_last_one_is_short() {
    for dialect in DIALECTS {
        let mut rig = rig(dialect);
        (0..7).for_each(|_| drop(rig.see(GATE)));
        let mut query = all(dialect);
        query.per_page = 3;
        let mut pages = Vec::new();
        for number in 0..4 {
            query.page = number;
            let page = page(&mut rig, &query);
            assert_eq!((page.total, page.page), (Some(7), Some(number)));
            assert_eq!(page.pages, (dialect == Dialect::V1).then_some(3));
            pages.push(numbers(&page));
        }
        assert_eq!(pages, [vec![0, 1, 2], vec![3, 4, 5], vec![6], vec![]]);
        query.page = u32::MAX;
        assert_eq!(numbers(&page(&mut rig, &query)), []);
    }
}

#[test]
fn a_full_history_forgets_its_oldest_and_says_so() {
    let mut config = Config::new(7);
    config.max_history = 3;
    let mut rig = Rig::new(config);
    (0..5).for_each(|_| drop(rig.see(GATE)));
    //= docs/spec/se5-events.md#limits
    //= type=test
    //# The box MUST NOT keep more than `max_history` events.
    assert_eq!(rig.device.history_len(), 3);
    let forgotten = |after| Event::Forgotten(UnixMillis(device_kit::START + after));
    assert_eq!(rig.events(), [forgotten(0), forgotten(100)]);
    assert_eq!(numbers(&page(&mut rig, &all(Dialect::V1))), [2, 3, 4]);
}

#[test]
fn one_recorded_event_is_found_by_its_id() {
    let mut rig = rig(Dialect::V2);
    (0..3).for_each(|_| drop(rig.see(GATE)));
    let Some(Answer::Page(page)) = rig.ask(&Ask::Event("1607062639.1".into())) else {
        panic!("no record");
    };
    assert_eq!(numbers(&page), [1]);
    assert_eq!(page.records[0].identity_id().as_deref(), Some("1001"));
    assert_eq!(code(rig.ask(&Ask::Event("7".into()))).0, "ID_NOT_FOUND");
}

#[test]
fn pictures_of_a_record_are_served_under_the_names_it_gives() {
    for dialect in DIALECTS {
        let mut rig = rig(dialect);
        rig.see(DOOR);
        let mut seen = device_kit::sighting(1, GATE);
        seen.face = Some(device_kit::jpeg(9, 300));
        seen.identity_info = r#"{"image_id":"5282249a","name":"小明"}"#.into();
        rig.device.emit(rig.now, seen.clone()).unwrap();
        let record = page(&mut rig, &all(dialect)).records.remove(1);
        let pictures = [
            (record.face_picture(), seen.face),
            (record.scene_picture(), seen.scene),
            (record.registered_picture(), seen.registered),
        ];
        for (picture, taken) in pictures {
            let Picture::Remote(remote) = picture else {
                panic!("{picture:?} is not at the box");
            };
            let answer = rig.ask(&Ask::Picture(remote));
            assert_eq!(answer, taken.map(Answer::Picture));
        }
    }
}

#[test]
fn a_recorded_picture_needs_its_time_as_it_was_written() {
    let mut rig = rig(Dialect::V1);
    let seen = rig.see(GATE);
    let (id, time) = (seen.face_picture_id().unwrap(), seen.seconds());
    let mut ask = |id: &str, time: &str| {
        let (id, time) = (id.to_owned(), time.to_owned());
        rig.ask(&Ask::Picture(RemotePicture::Recorded { id, time }))
    };
    assert!(matches!(ask(&id, &time), Some(Answer::Picture(_))));
    assert_eq!(code(ask(&id, &format!("{time}0"))).0, "404");
    assert_eq!(code(ask(&id, "1607062639.7")).0, "404");
    assert_eq!(code(ask("another", &time)).0, "404");
}

#[test]
fn an_unknown_registered_picture_is_an_error_or_blank() {
    let unknown = || {
        Ask::Picture(RemotePicture::Registered {
            id: "nobody".into(),
        })
    };
    assert_eq!(code(rig(Dialect::V1).ask(&unknown())).0, "404");
    let Some(Answer::Picture(blank)) = rig(Dialect::V2).ask(&unknown()) else {
        panic!("no picture");
    };
    assert!(blank.starts_with(b"\xff\xd8") && blank.ends_with(b"\xff\xd9"));
}

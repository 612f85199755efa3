//! What debug output may not show (S-21).

use bytes::Bytes;
use se5_events::codec::{encode_answer, encode_ask};
use se5_events::*;
use std::sync::Arc;

const NAME: &str = "王小明";
const NUMBER: &str = "330106199001011234";
const SECRET: &str = "s3cr3t";
const PICTURE: &str = "SECRETPICTURE";

fn sighting() -> Sighting {
    let mut sighting = Sighting::new("e-1", "camera-1", UnixMillis(1_566_016_554_020));
    sighting.identity_name = NAME.into();
    sighting.identity_id = NUMBER.into();
    sighting.group_name = NAME.into();
    sighting.identity_info = format!("{{\"name\":\"{NAME}\",\"user_id\":\"{NUMBER}\"}}");
    sighting.extra = vec![("mq_license_key".into(), format!("\"{SECRET}\""))];
    sighting.face = Some(Bytes::from_static(PICTURE.as_bytes()));
    sighting.registered = Some(Bytes::from_static(PICTURE.as_bytes()));
    sighting
}

/// Neither as text nor as the bytes of a byte string, nor base64.
fn assert_silent(shown: &str) {
    let base64 = "U0VDUkVUUElDVFVSRQ";
    for secret in [
        NAME,
        NUMBER,
        SECRET,
        PICTURE,
        base64,
        "\\xe7\\x8e\\x8b",
        "231, 142, 139",
    ] {
        assert!(!shown.contains(secret), "{shown} shows {secret}");
    }
}

#[test]
//= docs/spec/se5-events.md#events
//# Names, ids of persons, registered data and pictures MUST NOT appear in debug output.
fn debug_output_shows_no_person() {
    let sighting = sighting();
    assert_silent(&format!("{sighting:?} {sighting:#?}"));

    let live = sighting.to_live(LiveForm::new(Dialect::V1));
    let second = sighting.to_live(LiveForm::new(Dialect::V2));
    let recorded = sighting.to_recorded(Dialect::V1);
    for event in [&live, &second, &recorded] {
        assert_silent(&format!("{event:?} {event:#?} {:?}", event.key()));
        let pictures = [event.face_picture(), event.registered_picture()];
        assert_silent(&format!("{pictures:?} {:?}", event.identity_info()));
        assert_silent(&format!("{:?}", FromBox::Face(event.clone())));
    }
    let shown = format!("{:?}", live.identity_info().unwrap());
    assert!(shown.starts_with("<identity info"));

    let mut query = HistoryQuery::new(Dialect::V1, UnixMillis(0), UnixMillis(1));
    query.identity_id = Some(NUMBER.into());
    query.identity_name = Some(NAME.into());
    let ask = Ask::Events(query.clone());
    assert_silent(&format!(
        "{ask:?} {:?}",
        ToBox::Ask(ExchangeId(1), Dialect::V1, ask.clone())
    ));
    for dialect in [Dialect::V1, Dialect::V2] {
        assert_silent(&format!("{:?}", encode_ask(&ask, dialect)));
        let page = HistoryPage::of(dialect, &query, [Arc::new(sighting.clone())], 1);
        let answer = Answer::Page(page);
        assert_silent(&format!(
            "{answer:?} {:?}",
            encode_answer(&answer, &ask, dialect)
        ));
    }
    let jpeg = Answer::Picture(Bytes::from_static(PICTURE.as_bytes()));
    assert_silent(&format!(
        "{jpeg:?} {:?}",
        encode_answer(&jpeg, &ask, Dialect::V1)
    ));
}

#[test]
fn errors_show_no_person() {
    let garbled = Bytes::from(format!(
        "{{\"identity_name\":\"{NAME}\",\"identity_id\":{NUMBER}"
    ));
    let error = FaceEvent::decode(garbled.clone()).unwrap_err();
    assert_silent(&format!("{error} {error:?} {error:#?}"));
    let error = Subscription::decode(garbled, &Limits::default()).unwrap_err();
    assert_silent(&format!("{error} {error:?}"));

    let error = AskError::Box {
        code: "ID_NOT_FOUND".into(),
        message: format!("no person called {NAME}"),
        status: Some("NOT_FOUND".into()),
    };
    assert_silent(&format!(
        "{error} {error:?} {:?}",
        Answer::Failed(error.clone())
    ));
}

#[test]
fn device_lists_show_no_credentials() {
    let json = format!(
        r#"{{"devices":[{{"media_device_id":"camera-1","media_device_url":"rtsp://u:{SECRET}@192.0.2.1/","media_device_name":"{NAME}","device_key":"{SECRET}"}}]}}"#
    );
    let list = DeviceList::decode(json.as_bytes(), &Limits::default()).unwrap();
    assert_silent(&format!(
        "{list:?} {list:#?} {:?}",
        Answer::Devices(list.clone())
    ));
    let notice = format!(
        r#"{{"modify_media_device":{{"action":"add","media_device_info":{{"media_device_id":"camera-1","media_device_url":"rtsp://u:{SECRET}@192.0.2.1/"}}}}}}"#
    );
    for json in [notice, format!("{{\"last_set_name\":\"{NAME}\"}}")] {
        let notice = DeviceNotice::decode(json.into(), &Limits::default()).unwrap();
        assert_silent(&format!("{notice:?}"));
    }
}

#[test]
fn what_a_program_needs_to_find_its_way_is_shown() {
    let shown = format!("{:?}", sighting().to_live(LiveForm::new(Dialect::V1)));
    for part in ["camera-1", "1566016554020", "Stranger"] {
        assert!(shown.contains(part), "{shown} lacks {part}");
    }
    let shown = format!("{:?}", Subscription::new(["camera-1"]));
    assert!(shown.contains("camera-1"));
}

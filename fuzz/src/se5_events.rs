//! The codec of the SE5 box: nothing panics, nothing is lost, what is written reads back.

use arbitrary::{Arbitrary, Unstructured};
use base64::Engine as _;
use bytes::Bytes;
use se5_events::{
    DeviceInfo, DeviceList, DeviceNotice, Dialect, FaceEvent, HistoryPage, HistoryQuery, Image,
    Limits, LiveForm, Picture, Sighting, Subscription, UnixMillis,
};

const DIALECTS: [Dialect; 2] = [Dialect::V1, Dialect::V2];

/// An event is kept as it came, and states the same when a box in front of the box writes it again.
pub fn event(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    match FaceEvent::decode(bytes.clone()) {
        Ok(event) => {
            assert_eq!(event.json(), &bytes);
            check_event(&event);
        }
        Err(error) => assert_eq!(error.raw, bytes),
    }
    if let Ok(sighting) = Sighting::arbitrary(&mut Unstructured::new(data)) {
        check_sighting(&sighting);
    }
}

fn check_event(event: &FaceEvent) {
    look_at(event);
    let Ok(sighting) = event.to_sighting() else {
        return;
    };
    // Fewer milliseconds read as seconds.
    let is_late_enough = sighting.at.0 >= 100_000_000_000;
    for dialect in DIALECTS {
        let again = sighting.to_live(LiveForm::new(dialect));
        assert_eq!(said(&again), said(event));
        if is_late_enough {
            assert_eq!(time(&again), time(event));
            let recorded = sighting.to_recorded(dialect);
            assert_eq!(
                (said(&recorded), time(&recorded)),
                (said(event), time(event))
            );
        }
    }
}

fn check_sighting(sighting: &Sighting) {
    for dialect in DIALECTS {
        let event = sighting.to_live(LiveForm::new(dialect));
        check_event(&event);
        let again = event.to_sighting().expect("our own base64");
        assert_eq!(again.face, sighting.face);
        assert_eq!(again.registered, sighting.registered);
        assert_eq!(again.extra, sighting.extra);
        assert_eq!(
            (again.at, &again.event_id),
            (sighting.at, &sighting.event_id)
        );
        assert_eq!(
            sighting.to_recorded(dialect).fields_key(),
            event.fields_key()
        );
    }
}

/// What every form has a place for; missing and empty are the same.
fn said(event: &FaceEvent) -> [String; 8] {
    let text = |text: Option<std::borrow::Cow<'_, str>>| text.unwrap_or_default().into_owned();
    [
        text(event.event_id()),
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

fn time(event: &FaceEvent) -> Option<UnixMillis> {
    event.timestamp().map(|timestamp| timestamp.unix)
}

fn look_at(event: &FaceEvent) {
    let _ = (event.key(), event.extra_members(), format!("{event:?}"));
    let _ = (event.video_id(), event.group_id(), event.group_name());
    let _ = (event.device_name(), event.action(), event.entered_at());
    let _ = (event.face_attributes(), event.camera_quality());
    let _ = (event.infrared_picture(), event.depth_picture());
    if let Some(info) = event.identity_info() {
        let _ = (info.name(), info.kind(), info.added_at(), info.ext_info());
    }
}

/// What is strictly JSON reads the same as a literal, and what was read reads back.
pub fn config(data: &[u8]) {
    let (bytes, limits) = (Bytes::copy_from_slice(data), Limits::default());
    let strict = Subscription::decode(bytes.clone(), &limits);
    let literal = Subscription::decode_literal(bytes.clone(), &limits);
    if let Err(error) = &strict {
        assert_eq!(error.raw, bytes);
    } else {
        assert_eq!(strict, literal);
    }
    match literal {
        Ok((dialect, subscription)) => {
            let mut json = Vec::new();
            subscription.encode(dialect, &mut json);
            let again = Subscription::decode(json.into(), &limits);
            assert_eq!(again, Ok((dialect, subscription)));
        }
        Err(error) => assert_eq!(error.raw, bytes),
    }
}

/// A page that was read reads back in either dialect, and so does a query.
pub fn history(data: &[u8]) {
    let (bytes, limits) = (Bytes::copy_from_slice(data), Limits::default());
    if let Ok(mut page) = HistoryPage::decode(&bytes, &limits) {
        page.records.iter().for_each(look_at);
        page.garbled = 0; // what was no record is not written
        for dialect in DIALECTS {
            let mut json = Vec::new();
            page.encode(dialect, 50, &mut json);
            let again = HistoryPage::decode(&json.into(), &limits).expect("our own page");
            assert_eq!(again.records, page.records);
            assert_eq!(again.total.unwrap_or(0), page.total.unwrap_or(0));
        }
    }
    if let Ok(query) = HistoryQuery::decode(data, &limits) {
        let mut json = Vec::new();
        query.encode(&mut json);
        let again = HistoryQuery::decode(&json, &limits).expect("our own query");
        assert_eq!(again.devices, query.devices);
        assert_eq!((again.page, again.per_page), (query.page, query.per_page));
        assert_eq!(again.identity_name, query.identity_name);
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let query = HistoryQuery::from_query(text);
        let again = HistoryQuery::from_query(&query.to_query());
        assert_eq!((again.page, again.per_page), (query.page, query.per_page));
        assert_eq!(again.identity_name, query.identity_name);
        assert_eq!(again.score_min, query.score_min);
    }
}

/// A picture is what a plain decoder makes of the cleaned text, and never exceeds its limit.
pub fn image(data: &[u8]) {
    let wire = [b"{\"reg_pic\":\"", data, b"\"}"].concat();
    let Ok(event) = FaceEvent::decode(wire.clone().into()) else {
        return;
    };
    let Picture::Inline(image) = event.registered_picture() else {
        return;
    };
    let decoded = image.jpeg();
    if let Some(expected) = plainly(&image) {
        assert_eq!(decoded.as_deref().ok(), expected.as_deref());
    }
    if let Ok(jpeg) = decoded {
        let mut out = Vec::new();
        assert!(jpeg.len() <= image.decoded_len_hint());
        assert_eq!(image.jpeg_into(&mut out, jpeg.len()), Ok(()));
        assert_eq!(out, jpeg);
        if let Some(less) = jpeg.len().checked_sub(1) {
            assert!(image.jpeg_into(&mut out, less).is_err());
        }
    }
}

/// The picture by the simplest means; `None` outside if the text is not strictly JSON.
fn plainly(image: &Image) -> Option<Option<Vec<u8>>> {
    let json = [b"\"", &image.as_wire()[..], b"\""].concat();
    let text: String = serde_json::from_slice(&json).ok()?;
    if text.starts_with("data:") || text.trim_start().starts_with("data:") {
        return None; // how far a prefix may reach is ours to decide
    }
    let text: String = text.chars().filter(|c| !" \r\n\t".contains(*c)).collect();
    let engine = base64::engine::GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        base64::engine::GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent),
    );
    Some(engine.decode(text).ok())
}

/// A device list that was read reads back in either dialect.
pub fn device_list(data: &[u8]) {
    let limits = Limits::default();
    let Ok(list) = DeviceList::decode(data, &limits) else {
        return;
    };
    for device in &list.devices {
        let _ = (device.actions(), device.net_relay(), format!("{device:?}"));
    }
    for dialect in DIALECTS {
        let mut json = Vec::new();
        list.encode(dialect, &mut json);
        let again = DeviceList::decode(&json, &limits).expect("our own list");
        let told =
            |device: &DeviceInfo| (device.id.clone(), device.name.clone(), device.ip.clone());
        assert!(
            again
                .devices
                .iter()
                .map(told)
                .eq(list.devices.iter().map(told))
        );
    }
}

/// A notice that is none is kept.
pub fn notice(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    match DeviceNotice::decode(bytes.clone(), &Limits::default()) {
        Ok(notice) => {
            let _ = (notice.raw("preview_mode"), format!("{notice:?}"));
        }
        Err(error) => assert_eq!(error.raw, bytes),
    }
}

//! The codec of face terminals: nothing panics, nothing is lost, what is written reads back.

use arbitrary::{Arbitrary, Unstructured};
use bytes::Bytes;
use face_record_push::codec::{self, encode_push, push_len};
use face_record_push::*;
use std::net::IpAddr;

const PROFILES: [Profile; 5] = [
    Profile::V1_0,
    Profile::V1_1,
    Profile::V1_2,
    Profile::V1_2_1,
    Profile::V1_3,
];

/// A push is kept as it came, and a record says the same when a terminal writes it again.
pub fn push(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    match Push::decode(bytes.clone()) {
        Ok(push) => {
            assert_eq!(push.json(), &bytes);
            check_push(&push);
        }
        Err(error) => assert_eq!(error.raw, bytes),
    }
    if let Ok(push) = Push::arbitrary(&mut Unstructured::new(data)) {
        check_push(&push);
    }
}

fn check_push(push: &Push) {
    let serial = push.serial().unwrap_or_else(|| SerialNumber::new("PS7"));
    assert_eq!(push.key(&serial), push.clone().key(&serial));
    let _ = (push.time(), push.pass(), push.kind(), format!("{push:?}"));
    let jpeg = push.picture().and_then(|image| image.jpeg().ok());
    let Push::Record(record) = push else { return };
    let item = Record::decode_item(Bytes::copy_from_slice(record.facts())).expect("an object");
    assert_eq!(item.pass(), record.pass());
    let recognition = record.to_recognition();
    for profile in PROFILES {
        let body = posted(&recognition.to_item(profile, jpeg.clone().map(Bytes::from)));
        let Ok(Push::Record(again)) = Push::decode(body.clone()) else {
            panic!("our own record");
        };
        assert_eq!(again.score(), record.score());
        assert_eq!(
            again.pass().unwrap_or(false),
            record.pass().unwrap_or(false)
        );
        assert_eq!(
            again.user().and_then(|user| user.name().map(String::from)),
            record.user().and_then(|user| user.name().map(String::from))
        );
        if recognition.user.as_ref().is_none_or(is_stable) {
            let again = again
                .to_recognition()
                .to_item(profile, jpeg.clone().map(Bytes::from));
            assert_eq!(posted(&again), body);
        }
    }
}

/// Fewer milliseconds read as seconds, more as microseconds.
fn is_stable(person: &Person) -> bool {
    let reads_as_millis =
        |time: UnixMillis| (100_000_000_000..100_000_000_000_000).contains(&time.0);
    [person.guest_from, person.guest_until]
        .into_iter()
        .flatten()
        .all(reads_as_millis)
}

fn posted(item: &Item) -> Bytes {
    let mut body = Vec::new();
    encode_push(item, &mut body);
    assert_eq!(body.len(), push_len(item));
    body.into()
}

/// An answer counts as an acknowledgement exactly if a plain reading of the document says so. The
/// first two bytes are the HTTP status.
pub fn reply(data: &[u8]) {
    let Some((status, body)) = data.split_first_chunk::<2>() else {
        return;
    };
    let status = u16::from_le_bytes(*status) % 600;
    let _ = codec::read_decision(status, body);
    let answer = codec::read_answer(status, None, body);
    let is_acknowledged = answer.is_ok_and(|answer| answer.is_acknowledgement(false));
    if is_acknowledged {
        assert!((200..300).contains(&status));
    }
    let brackets = body.iter().filter(|byte| b"[{".contains(byte)).count();
    let is_plain =
        (200..300).contains(&status) && brackets <= 64 && body.len() <= codec::MAX_ANSWER;
    if let (true, Some(expected)) = (is_plain, says_200(body)) {
        assert_eq!(is_acknowledged, expected);
    }
}

/// `None` for what the document leaves open: exponents, signs, fractions.
fn says_200(body: &[u8]) -> Option<bool> {
    let json: serde_json::Value = serde_json::from_slice(body).ok()?;
    let code = json.as_object().and_then(|members| members.get("code"));
    match code {
        Some(serde_json::Value::Number(code)) => match (code.as_i64(), code.as_f64()) {
            (Some(code), _) => Some(code == 200),
            (None, Some(code)) if (code - 200.0).abs() < 1e-9 => None,
            _ => Some(false),
        },
        Some(serde_json::Value::String(code)) => match code.trim().parse::<f64>() {
            Ok(_) if code == "200" => Some(true),
            Ok(code) if (code - 200.0).abs() < 1e-9 => None,
            _ => Some(false),
        },
        _ => Some(false),
    }
}

/// A configuration that was read reads back, over the question and over the answer.
pub fn subscribe(data: &[u8]) {
    if let Ok(Ask::Change {
        event_dest: Some(url),
        is_enabled: Some(is_enabled),
    }) = codec::read_ask(true, data)
    {
        let mut json = Vec::new();
        let Ok(dest) = Dest::parse(&url) else { return };
        let mut subscription = Subscription::to(dest);
        subscription.is_enabled = is_enabled;
        codec::encode_ask(&subscription, &mut json);
        let again = Ask::Change {
            event_dest: Some(url),
            is_enabled: Some(is_enabled),
        };
        assert_eq!(codec::read_ask(true, &json), Ok(again));
    }
    if let Ok(Some(subscription)) = codec::read_ask_reply(200, data) {
        let mut json = Vec::new();
        let reply = AskReply::ok(Some(subscription.clone()));
        codec::encode_ask_reply(&reply, false, &mut json);
        assert_eq!(codec::read_ask_reply(200, &json), Ok(Some(subscription)));
    }
    if let Ok((login, valid)) = codec::read_login(data) {
        let minutes = u16::try_from(valid.as_secs() / 60).expect("a day at most");
        let mut json = Vec::new();
        codec::encode_login(&login, minutes, &mut json);
        assert_eq!(codec::read_login(&json), Ok((login, valid)));
    }
    let _ = codec::read_token(200, data);
}

/// A destination that was taken is the same when it is put together from its parts, and never leads
/// to a special address where the policy forbids that.
pub fn dest(data: &[u8]) {
    let Ok(url) = std::str::from_utf8(data) else {
        return;
    };
    for url in [url.to_owned(), format!("http://{url}")] {
        let Ok(dest) = Dest::parse(&url) else {
            continue;
        };
        assert_eq!(
            (dest.as_str(), Dest::parse(&url)),
            (&*url, Ok(dest.clone()))
        );
        let scheme = match dest.scheme() {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        let parts = format!("{scheme}://{}:{}{}", dest.host(), dest.port(), dest.path());
        if parts.len() <= Dest::MAX_LEN {
            let again = Dest::parse(&parts).expect("its own parts");
            assert_eq!((again.host(), again.port()), (dest.host(), dest.port()));
            assert_eq!(again.path(), dest.path());
        }
        let policy = DestPolicy::default();
        let address: IpAddr = match dest.host() {
            Host::Name(name) => {
                // What a lenient resolver would take for an address is no name.
                assert!(name.trim_end_matches('.').parse::<IpAddr>().is_err());
                let last = name.trim_end_matches('.').rsplit('.').next();
                assert!(!last.is_some_and(|label| label.starts_with("0x")));
                continue;
            }
            Host::V4(address) => address.into(),
            Host::V6(address) => address.into(),
        };
        assert_eq!(policy.check(&dest).is_ok(), policy.allows(address));
        let plain = address.to_canonical();
        if plain.is_loopback() || plain.is_unspecified() || plain.is_multicast() {
            assert!(policy.check(&dest).is_err());
        }
    }
}

/// A page of records that was read reads back, and so does a question.
pub fn records(data: &[u8]) {
    if let Ok(page) = codec::read_page(200, &Bytes::copy_from_slice(data)) {
        let mut json = Vec::new();
        codec::encode_page(&page, &mut json);
        let again = codec::read_page(200, &json.into()).expect("our own page");
        assert_eq!(again.records.len(), page.records.len());
        for (again, record) in again.records.iter().zip(&page.records) {
            assert_eq!(again.json(), record.facts());
        }
        assert_eq!((again.offset, again.limit), (page.offset, page.limit));
    }
    if let Ok(query) = codec::read_query(data) {
        let mut json = Vec::new();
        codec::encode_query(&query, &mut json);
        let again = codec::read_query(&json).expect("our own question");
        assert_eq!((again.offset, again.limit), (query.offset, query.limit));
        assert_eq!(
            (again.person, again.newest_first),
            (query.person, query.newest_first)
        );
    }
}

/// A row of the outbox that was read is written as it was, and an item that was written reads back.
pub fn outbox_row(data: &[u8]) {
    let row = Bytes::copy_from_slice(data);
    if let Ok(item) = Item::read_row(&row, Some(Bytes::from_static(b"jpeg"))) {
        let mut again = Vec::new();
        item.write_row(&mut again);
        assert_eq!(again, data);
        assert_eq!(item.row_len() as usize, data.len());
        let _ = (posted(&item), posted(&item.without_picture()));
    }
    if let Ok(item) = Item::arbitrary(&mut Unstructured::new(data)) {
        let mut row = Vec::new();
        item.write_row(&mut row);
        let again = Item::read_row(&row.into(), item.jpeg().cloned());
        assert_eq!(again.as_ref(), Ok(&item));
        assert_eq!(posted(&again.expect("our own row")), posted(&item));
    }
}

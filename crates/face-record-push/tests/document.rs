//! Every sample of the vendor's documents, and every member they name (FT-1).
//!
//! The samples are written anew in the documents' shape; names, numbers and pictures are ours.

use bytes::Bytes;
use face_record_push::codec::*;
use face_record_push::*;

const SERIAL: &str = "PS71SAMPLE00000007";
const JPEG: &[u8] = &[0xff, 0xd8, 0xff, 0xe0, 0xff, 0xd9]; // "/9j/4P/Z"

macro_rules! sample {
    ($name:literal) => {
        Bytes::from_static(include_bytes!(concat!("samples/", $name)))
    };
}

fn record(json: Bytes) -> Record {
    match Push::decode(json) {
        Ok(Push::Record(record)) => record,
        other => panic!("no record: {other:?}"),
    }
}

fn alarm(json: Bytes) -> Alarm {
    match Push::decode(json) {
        Ok(Push::Alarm(alarm)) => alarm,
        other => panic!("no alarm: {other:?}"),
    }
}

fn posted(item: &Item) -> Bytes {
    let mut body = Vec::new();
    encode_push(item, &mut body);
    body.into()
}

fn number(text: &str) -> Id<'_> {
    Id {
        text: text.into(),
        is_number: true,
    }
}

fn text(text: &str) -> Id<'_> {
    Id {
        text: text.into(),
        is_number: false,
    }
}

fn wanted() -> Subscription {
    Subscription::to(Dest::parse("http://192.0.2.10:9000/Record").unwrap())
}

#[test]
fn the_printed_configuration_reads_and_ours_has_its_members() {
    let asked = read_ask(true, &sample!("subscription_printed.json")).unwrap();
    let expected = Ask::Change {
        event_dest: Some("http://192.0.2.10:9000/Record".to_owned()),
        is_enabled: Some(true),
    };
    assert_eq!(asked, expected);
    assert_eq!(read_ask(false, b""), Ok(Ask::Read));

    let mut body = Vec::new();
    encode_ask(&wanted(), &mut body);
    assert_eq!(body, sample!("subscription.json"));
    assert_eq!(read_ask(true, &body), Ok(expected));
}

#[test]
fn the_printed_addresses_are_destinations() {
    let misspelt = Dest::parse("https://192.0.2.10:9443/Reocrd").unwrap();
    assert_eq!(misspelt.scheme(), Scheme::Https);
    assert_eq!(misspelt.port(), 9443);
    assert_eq!(misspelt.path(), "/Reocrd");
    // The document's own example names no address: `ip` is a host, but `port` is no port.
    assert!(Dest::parse("http://ip:port/Record").is_err());
}

#[test]
//= docs/spec/face-record-push.md#subscription
//# The receiver MUST read a terminal's configuration from an object, and take null and an empty
//# object for none.
fn both_printed_replies_to_the_configuration_say_yes() {
    let changed = read_ask_reply(200, &sample!("change_reply_printed.json"));
    assert_eq!(changed, Ok(None));
    let read = read_ask_reply(200, &sample!("read_reply_printed.json"));
    assert_eq!(read, Ok(None), "printed without the configuration");

    let empty = read_ask_reply(200, br#"{"code":200,"msg":"OK","data":{}}"#);
    let is_none =
        |config: &Option<Subscription>| config.as_ref().is_none_or(|config| config.dest.is_none());
    assert!(empty.is_ok_and(|config| is_none(&config)));

    let mut body = Vec::new();
    encode_ask_reply(&AskReply::ok(Some(wanted())), false, &mut body);
    assert_eq!(read_ask_reply(200, &body), Ok(Some(wanted())));
    body.clear();
    encode_ask_reply(&AskReply::ok(Some(wanted())), true, &mut body);
    assert_eq!(read_ask_reply(200, &body), Ok(None), "as printed");
}

#[test]
//= docs/spec/face-record-push.md#reply
//# An acknowledgement MUST be written with HTTP status 200, with code 200, with `msg` and `message`
//# success and with an object in `data`.
fn the_printed_reply_acknowledges_and_ours_states_both_spellings_of_its_text() {
    let printed = read_answer(200, None, &sample!("reply_printed.json")).unwrap();
    assert!(printed.is_acknowledgement(false));

    let key = RecordKey([0; 16]);
    let reply = Reply::accepted(StoredToken::vouch(&key), None);
    assert_eq!(reply.status(), 200);
    let mut body = Vec::new();
    encode_reply(&reply, &mut body);
    assert_eq!(body, sample!("reply.json"));
    let ours = read_answer(200, None, &body).unwrap();
    assert!(ours.is_acknowledgement(false));
}

#[test]
//= docs/spec/face-record-push.md#reply
//# The text of an answer MUST NOT decide whether it is an acknowledgement.
fn the_text_of_a_reply_decides_nothing() {
    for (body, is_yes) in [
        (&br#"{"code":200,"msg":"fail","data":{}}"#[..], true),
        (br#"{"code":200,"message":"","data":{}}"#, true),
        (br#"{"code":200}"#, true),
        (br#"{"code":500,"msg":"success","data":{}}"#, false),
        (br#"{"code":0,"msg":"success","message":"success"}"#, false),
    ] {
        let answer = read_answer(200, None, body).unwrap();
        assert_eq!(answer.is_acknowledgement(false), is_yes);
    }
}

#[test]
fn every_row_of_the_field_table_reads() {
    let record = record(sample!("record_printed.json"));
    assert_eq!(record.device_sn().as_deref(), Some(SERIAL));
    assert_eq!(record.recognition_type(), Some(RecognitionType::EMPLOYEE));
    let score = record.score().unwrap();
    assert_eq!(score.to_bits(), 0.912_348_031_997_680_7_f64.to_bits());
    assert_eq!(record.mask(), Some(Mask::NOT_WORN));
    assert_eq!(record.mode(), Some(Mode::FACE));
    assert_eq!(record.picture().unwrap().jpeg().unwrap(), JPEG);
    assert_eq!(record.pass(), Some(true));
    let time = record.timestamp().unwrap();
    assert_eq!(time.unix, UnixMillis(1_660_700_000_000));
    assert_eq!(time.raw, "1660700000");
    assert_eq!(record.temperature(), Some(36.412_502_288_818_36));
    let user = record.user().unwrap();
    assert_eq!(user.name().as_deref(), Some("测试员"));
    assert_eq!(user.user_id(), Some(number("7")));
    assert_eq!(user.user_type(), Some(UserType::EMPLOYEE));
    // What later profiles brought is not there.
    assert_eq!(record.uuid(), None);
    assert_eq!(record.entry_mode(), None);
    assert_eq!(record.recognize_status(), None);
    assert!(record.extra_members().is_empty());
}

#[test]
fn the_printed_record_and_the_same_without_spaces_have_one_key() {
    let serial = SerialNumber::new(SERIAL);
    let key = |json| Push::decode(json).unwrap().key(&serial);
    let printed = key(sample!("record_printed.json"));
    assert_eq!(printed, key(sample!("record_v1_1.json")));
    assert_ne!(printed, key(sample!("record_v1_0.json")));
}

#[test]
//= docs/spec/face-record-push.md#record
//# A mode MUST be named by the vendor's corrected table unless the caller asks for the table as
//# printed.
fn the_printed_table_of_modes_differs_from_the_corrected_one_at_two_and_three() {
    let swapped = (0..=10).map(Mode).filter(|mode| {
        let corrected = mode.name();
        mode.name_as_printed() != corrected
    });
    assert_eq!(swapped.collect::<Vec<_>>(), [Mode(2), Mode(3)]);
    assert_eq!(Mode(2).name(), Some("face and card"));
    assert_eq!(Mode(2).name_as_printed(), Some("face or card or QR code"));
    assert_eq!(Mode(3).name_as_printed(), Some("face and card"));
    let named = (0..=6).all(|mode| Mode(mode).name().is_some());
    assert!(named, "every mode of the document has a name");
}

#[test]
//= docs/spec/face-record-push.md#record
//# A number that no document names MUST be kept as it came.
fn numbers_that_occur_without_a_name_are_kept() {
    assert_eq!(Mode(10).name(), None);
    assert_eq!(RecognitionType(0).name(), None);
    let odd = br#"{"type":0,"data":{"mode":10,"recognitionType":0,"mask":-1}}"#;
    let record = record(Bytes::from_static(odd));
    assert_eq!(record.mode(), Some(Mode(10)));
    assert_eq!(record.recognition_type(), Some(RecognitionType(0)));
    assert_eq!(record.mask(), Some(Mask(-1)));
    let named = (1..=5).all(|kind| RecognitionType(kind).name().is_some());
    assert!(named, "every type of the document has a name");
}

#[test]
//= docs/spec/face-record-push.md#record
//# A push MUST be written with the members of its profile in the order of that profile's example.
//= docs/spec/face-record-push.md#record
//# A picture MUST be written as bare padded base64.
fn the_records_of_every_profile_come_back_byte_for_byte() {
    for (profile, sample) in [
        (Profile::V1_0, sample!("record_v1_0.json")),
        (Profile::V1_1, sample!("record_v1_1.json")),
        (Profile::V1_2, sample!("record_v1_2.json")),
        (Profile::V1_2_1, sample!("record_v1_2_1.json")),
        (Profile::V1_3, sample!("record_v1_3.json")),
    ] {
        let record = record(sample.clone());
        let jpeg = record.picture().unwrap().jpeg().unwrap();
        let again = record.to_recognition().to_item(profile, Some(jpeg.into()));
        assert_eq!(posted(&again), sample, "{profile:?}");

        let mut row = Vec::new();
        again.write_row(&mut row);
        let kept = Item::read_row(&row.into(), again.jpeg().cloned()).unwrap();
        assert_eq!(posted(&kept), sample, "{profile:?} out of the store");
    }
}

#[test]
//= docs/spec/face-record-push.md#record
//# The members `recognitionType` and `recognizeStatus` MUST NOT be read as each other.
fn the_first_profile_has_a_status_and_no_type() {
    let record = record(sample!("record_v1_0.json"));
    let status = record.recognize_status();
    assert_eq!(status, Some(RecognizeStatus::AUTHENTICATED));
    assert_eq!(record.recognition_type(), None);
    assert_eq!(record.liveness(), Some(0.9812));
    assert_eq!(record.temperature(), None);
    assert_eq!(record.pass(), Some(true));
}

#[test]
//= docs/spec/face-record-push.md#record
//# The members `user_id`, `ic_number` and `job_number` MUST be read from text and from numbers
//# alike, digit by digit.
fn ids_are_numbers_at_first_and_texts_later() {
    let first = record(sample!("record_v0_0_8.json"));
    assert_eq!(first.device_sn(), None, "the header names the terminal");
    assert_eq!(first.track_id(), Some(number("31")));
    let user = first.user().unwrap();
    assert_eq!(user.ic_number(), Some(number("1234567890")));
    assert_eq!(user.job_number(), Some(number("42")));

    let second = record(sample!("record_v1_2.json"));
    let user = second.user().unwrap();
    assert_eq!(user.user_id(), Some(number("7")));
    assert_eq!(user.ic_number(), Some(text("0012345678")));
    assert_eq!(user.job_number(), Some(text("A-42")));

    let beyond = br#"{"type":0,"data":{"user":{"user_id":9007199254740993}}}"#;
    let third = record(Bytes::from_static(beyond));
    let user = third.user().unwrap();
    assert_eq!(user.user_id(), Some(number("9007199254740993")));
}

#[test]
fn the_record_of_profile_1_2_1_reads_member_by_member() {
    let record = record(sample!("record_v1_2_1.json"));
    let uuid = "b9a7c1de-20f4-4f0e-8f3b-1c6a5e2d9047";
    assert_eq!(record.uuid().as_deref(), Some(uuid));
    assert_eq!(record.mode(), Some(Mode::CARD_AND_PIN));
    assert_eq!(record.mask(), Some(Mask::WORN));
    let user = record.user().unwrap();
    let id = "3f1d8a52-7c40-4b6e-9a11-5d2e0c9b7f34";
    assert_eq!(user.user_id(), Some(text(id)));
    assert_eq!(user.user_type(), Some(UserType::VISITOR));
    assert_eq!(user.id_number().as_deref(), Some("c2FtcGxlLTA3"));
    assert_eq!(user.remark().as_deref(), Some("样例"));
    assert_eq!(user.guest_from(), Some(UnixMillis(1_678_400_000_000)));
    assert_eq!(user.guest_until(), Some(UnixMillis(1_678_500_000_000)));
    assert!(user.groups() == [Group::new("3", "东门")]);
    assert_eq!(user.pin(), None);
}

#[test]
fn the_record_of_profile_1_3_reads_member_by_member() {
    let record = record(sample!("record_v1_3.json"));
    assert_eq!(record.recognition_type(), Some(RecognitionType::BLACKLIST));
    assert_eq!(record.entry_mode(), Some(EntryMode::FACE_AND_PIN));
    assert_eq!(record.abnormal_type(), Some(AbnormalType::OUT_OF_HOURS));
    assert_eq!(record.mode(), Some(Mode::FACE_AND_PIN));
    assert_eq!(record.pass(), Some(false));
    let user = record.user().unwrap();
    assert_eq!(user.pin().as_deref(), Some("4711"));
    assert_eq!(user.user_type(), Some(UserType::BLACKLIST));
    assert_eq!(UserType(3).name(), UserType(5).name(), "3 before, 5 since");
}

#[test]
fn the_alarm_reads_member_by_member_and_comes_back_byte_for_byte() {
    let sample = sample!("alarm_v1_3.json");
    let alarm = alarm(sample.clone());
    let trace = "7d0c5b1e-6a3f-4c2b-8e9d-0f1a2b3c4d5e";
    assert_eq!(alarm.trace_id().as_deref(), Some(trace));
    assert_eq!(alarm.description().as_deref(), Some("机身被拆"));
    assert_eq!(alarm.code(), Some(AlarmCode::TAMPER));
    assert_eq!(alarm.user_id(), Some(number("7")));
    assert_eq!(alarm.status(), Some(AlarmStatus::RAISED));
    let at = alarm.event_time().unwrap().unix;
    assert_eq!(at, UnixMillis(1_683_500_000_123));
    assert_eq!(alarm.picture().unwrap().jpeg().unwrap(), JPEG);
    let push = Push::decode(sample.clone()).unwrap();
    assert_eq!(push.serial(), None, "the header names the terminal");

    let mut report = AlarmReport::new(trace, AlarmCode::TAMPER, at);
    report.description = "机身被拆".to_owned();
    report.user_id = Some(7);
    let item = report.to_item(Some(Bytes::from_static(JPEG)));
    assert_eq!(posted(&item), sample);
}

#[test]
//= docs/spec/face-record-push.md#record
//# A body with a comma behind the last member of an object MUST be reported as no JSON.
//= docs/spec/face-record-push.md#record
//# A body that is no push MUST be reported with the reason and the body as it came.
//= docs/spec/face-record-push.md#privacy
//# An error MUST NOT repeat what a peer sent.
fn the_printed_alarm_ends_in_a_comma_and_is_no_json() {
    let printed = sample!("alarm_printed.txt");
    let error = Push::decode(printed.clone()).unwrap_err();
    assert!(matches!(error.kind, PushErrorKind::NotJson { .. }));
    assert_eq!(error.raw, printed);
    let said = format!("{error} {error:?}");
    assert!(!said.contains("机身") && !said.contains("trace_id"));
}

#[test]
//= docs/spec/face-record-push.md#remote-auth
//# A JSON object without a `type` MUST be read as the question whether a person may pass only if it
//# is about a face and states no outcome.
fn the_question_whether_a_person_may_pass_reads_member_by_member() {
    let json = sample!("auth_request.json");
    let Ok(Push::RemoteAuth(question)) = Push::decode(json.clone()) else {
        panic!("no question");
    };
    assert_eq!(question.device_sn().as_deref(), Some(SERIAL));
    let status = question.recognize_status();
    assert_eq!(status, Some(RecognizeStatus::IN_LIBRARY));
    assert_eq!(question.mask(), Some(Mask::NOT_WORN));
    assert_eq!(question.picture().unwrap().jpeg().unwrap(), JPEG);
    let at = question.timestamp().unwrap().unix;
    assert_eq!(at, UnixMillis(1_683_500_000_000));
    assert_eq!(question.temperature(), Some(36.412_502_288_818_36));
    assert_eq!(question.entry_mode(), Some(EntryMode::QR_CODE));
    assert_eq!(question.qr_code().as_deref(), Some("SAMPLE-07"));
    assert_eq!(question.user().unwrap().user_id(), Some(text("7")));
    assert_eq!(question.json(), &json);
}

#[test]
//= docs/spec/face-record-push.md#remote-auth
//# A JSON object without a `type` that states an outcome MUST be read as a record.
//= docs/spec/face-record-push.md#record
//# A record from a query of the terminal's records MUST be read by the same accessors as a pushed
//# one.
//= docs/spec/face-record-push.md#record
//# Groups MUST be read inside the user and beside it alike.
//= docs/spec/face-record-push.md#record
//# A user that is missing or null MUST be read as absent, and so each member of a user that is
//# missing, null or empty.
fn a_page_of_records_has_no_envelopes_and_its_groups_beside_the_user() {
    let page = read_page(200, &sample!("records_page.json")).unwrap();
    assert_eq!((page.offset, page.limit, page.total), (0, 100, Some(2)));
    let [visit, stranger] = &page.records[..] else {
        panic!("{} records", page.records.len());
    };
    let user = visit.user().unwrap();
    assert!(user.groups() == [Group::new("3", "东门")]);
    assert_eq!(user.name().as_deref(), Some("测试访客"));
    assert_eq!(visit.temperature(), None, "0 is not measured");
    assert!(stranger.user().is_none());
    assert!(stranger.picture().is_none(), "a blank is no picture");
    assert_eq!(stranger.pass(), Some(false));

    // The same record has the same key, be it pushed or asked for.
    let serial = SerialNumber::new(SERIAL);
    let bare = Push::decode(visit.json().clone()).unwrap();
    let pushed = Push::decode(sample!("record_v1_2_1.json")).unwrap();
    assert_eq!(bare.key(&serial), pushed.key(&serial));
}

#[test]
fn an_account_buys_a_token() {
    let (login, valid) = read_login(&sample!("login.json")).unwrap();
    assert!(login == Login::new("admin", "sample-only"));
    assert_eq!(valid.as_secs(), 5 * 60);
    let mut body = Vec::new();
    encode_login(&login, 5, &mut body);
    assert_eq!(body, sample!("login.json"));
    let token = read_token(200, &sample!("login_reply.json")).unwrap();
    assert!(token == Token("sample.token.only".to_owned()));
}

#[test]
//= docs/spec/face-record-push.md#delivery
//# A post MUST carry `Content-Type: application/json` from profile 1.1 on and none before.
//= docs/spec/face-record-push.md#delivery
//# A post MUST carry the headers `model`, `sn`, `timestamp` and `account` from profile 1.2.1 on and
//# none of them before.
fn headers_grow_with_the_profiles() {
    assert_eq!(content_type(Profile::V1_0), None);
    for profile in [Profile::V1_1, Profile::V1_2, Profile::V1_2_1, Profile::V1_3] {
        assert_eq!(content_type(profile), Some("application/json"));
    }
    let headers = |profile| {
        let identity = Identity::new(profile, SerialNumber::new(SERIAL));
        push_headers(&identity, UnixMillis(1_683_500_000_123))
    };
    for profile in [Profile::V1_0, Profile::V1_1, Profile::V1_2] {
        assert!(headers(profile).is_empty());
    }
    for profile in [Profile::V1_2_1, Profile::V1_3] {
        let headers = headers(profile);
        for name in ["model", "sn", "timestamp", "account"] {
            assert!(headers.iter().any(|(is, _)| *is == name), "{name}");
        }
        assert!(headers.contains(&("sn", SERIAL.to_owned())));
    }
}

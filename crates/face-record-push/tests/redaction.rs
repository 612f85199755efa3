//! What debug output and errors may not show.

use bytes::Bytes;
use face_record_push::codec::*;
use face_record_push::*;

const NAME: &str = "王小明";
const NUMBER: &str = "330106199001011234";
const SECRET: &str = "s3cr3t";
const PICTURE: &str = "SECRETPICTURE";

fn recognition() -> Recognition {
    let mut user = Person::new(NUMBER, NAME);
    for text in [
        &mut user.ic_number,
        &mut user.job_number,
        &mut user.id_number,
        &mut user.pin,
    ] {
        *text = NUMBER.into();
    }
    user.remark = NAME.into();
    user.groups = vec![Group::new(NUMBER, NAME)];
    let mut recognition = Recognition::new("PS7", UnixMillis(1_660_625_866_000));
    recognition.user = Some(user);
    recognition.extra = vec![("novel".into(), format!("\"{NAME}\""))];
    recognition
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
//= docs/spec/face-record-push.md#privacy
//# Names, ids of persons, PINs and pictures MUST NOT appear in debug output.
fn debug_output_shows_no_person() {
    let recognition = recognition();
    let jpeg = Some(Bytes::from_static(PICTURE.as_bytes()));
    assert_silent(&format!(
        "{recognition:?} {recognition:#?} {:?}",
        recognition.user
    ));
    let question = recognition.to_auth_request(Some(SECRET), jpeg.clone());
    for item in [recognition.to_item(Profile::V1_3, jpeg), question] {
        let mut body = Vec::new();
        encode_push(&item, &mut body);
        let push = Push::decode(body.into()).unwrap();
        assert_silent(&format!(
            "{item:?} {item:#?} {push:?} {push:#?} {:?}",
            push.picture()
        ));
        let Push::Record(record) = &push else {
            continue;
        };
        let user = record.user().unwrap();
        assert_silent(&format!(
            "{record:?} {user:?} {:?} {:?}",
            user.user_id(),
            user.groups()
        ));
        let mut page = RecordsPage::of(&RecordsQuery::default(), vec![record.clone()], 1);
        page.garbled = 1;
        assert_silent(&format!("{page:?}"));
    }
    for filter in [
        PersonFilter::UserId,
        PersonFilter::JobNumber,
        PersonFilter::IcNumber,
    ] {
        let mut query = RecordsQuery::default();
        query.person = Some(filter(NUMBER.into()));
        assert_silent(&format!("{query:?}"));
    }
    let mut decision = AuthDecision::new(true);
    (decision.tips, decision.user_name) = (Some(NAME.into()), Some(NAME.into()));
    (decision.user_id, decision.ic_number) = (Some(NUMBER.into()), Some(NUMBER.into()));
    assert_silent(&format!(
        "{decision:?} {:?}",
        Reply::decision(decision.clone())
    ));
    let mut alarm = alarm();
    alarm.description = NAME.into();
    assert_silent(&format!("{alarm:?} {:?}", alarm.to_item(None)));
    let unknown = Push::decode(format!(r#"{{"type":9,"data":"{NAME}"}}"#).into()).unwrap();
    assert_silent(&format!("{unknown:?}"));
}

fn alarm() -> AlarmReport {
    let mut alarm = AlarmReport::new("t-1", AlarmCode::FIRE, UnixMillis(1_660_625_866_000));
    alarm.user_id = NUMBER.parse().ok();
    alarm
}

#[test]
//= docs/spec/face-record-push.md#privacy
//# Accounts and tokens MUST NOT appear in debug output.
fn debug_output_shows_no_account() {
    use face_record_push::platform::{Terminal, TerminalAsk};
    let (login, token) = (Login::new(NAME, SECRET), Token(SECRET.into()));
    assert_silent(&format!("{login:?} {token:?}"));
    let dest = Dest::parse(&format!("http://192.0.2.1:9000/{SECRET}")).unwrap();
    assert_silent(&format!("{dest:?} {:?}", Subscription::to(dest.clone())));
    let base = Dest::parse("https://192.0.2.7:8000").unwrap();
    assert_silent(&format!(
        "{:?}",
        Terminal::new(base).with_login(login.clone())
    ));
    for ask in [
        TerminalAsk::Login,
        TerminalAsk::GetConfig(Some(token.clone())),
        TerminalAsk::PutConfig(None, Subscription::to(dest)),
    ] {
        assert_silent(&format!(
            "{ask:?} {:?}",
            encode_terminal_ask(&ask, Some(&login))
        ));
    }
}

#[test]
//= docs/spec/face-record-push.md#privacy
//# An error MUST NOT repeat what a peer sent.
fn errors_show_no_person() {
    for body in [
        format!(r#"{{"type":0,"data":{{"user":{{"name":"{NAME}","pin":{NUMBER}"#),
        format!(r#"["{NAME}"]"#),
        format!(r#"{{"type":0,"data":"{NAME}"}}"#),
    ] {
        let error = Push::decode(body.clone().into()).unwrap_err();
        assert_silent(&format!("{error} {error:?} {error:#?}"));
        let body = body.as_bytes();
        assert_silent(&format!(
            "{:?} {:?}",
            read_answer(200, Some(NAME), body),
            read_ask(true, body)
        ));
    }
    let ask = format!(r#"{{"event_dest":["{NAME}"],"enabled":"{NAME}"}}"#);
    assert_silent(&format!("{:?}", read_ask(true, ask.as_bytes())));
    let error = Dest::parse(&format!("http://{SECRET}:x/{NUMBER}")).unwrap_err();
    assert_silent(&format!("{error} {error:?}"));
    let error = Item::read_row(&Bytes::from_static(PICTURE.as_bytes()), None).unwrap_err();
    assert_silent(&format!("{error} {error:?}"));
}

#[test]
fn what_a_program_needs_to_find_its_way_is_shown() {
    let mut body = Vec::new();
    encode_push(&recognition().to_item(Profile::V1_1, None), &mut body);
    let shown = format!("{:?}", Push::decode(body.into()).unwrap());
    for part in ["PS7", "1660625866000", "employee", "Some(true)"] {
        assert!(shown.contains(part), "{shown} lacks {part}");
    }
}

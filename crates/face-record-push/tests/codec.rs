//! What is written reads back, byte for byte and profile by profile.

use bytes::Bytes;
use face_record_push::codec::*;
use face_record_push::platform::{EnrolError, Head, LinkId, Method, TerminalAnswer, TerminalAsk};
use face_record_push::*;
use std::time::Duration;

const PROFILES: [Profile; 5] = [
    Profile::V1_0,
    Profile::V1_1,
    Profile::V1_2,
    Profile::V1_2_1,
    Profile::V1_3,
];

fn recognition() -> Recognition {
    let mut recognition = Recognition::new("PS71HD01MC22C00014", UnixMillis(1_660_625_866_000));
    recognition.uuid = "4f7a".into();
    recognition.score = 0.983_748_078_346_252_4;
    recognition.liveness = 1.0;
    recognition.mask = Mask::NOT_WORN;
    recognition.temperature = 36.533_088_684_082_03;
    let mut user = Person::new("1", "Q");
    (user.ic_number, user.job_number) = ("7".into(), "8".into());
    (user.id_number, user.pin) = ("gO/i1UcxN3k=".into(), "1234".into());
    user.remark = "访客".into();
    user.guest_from = Some(UnixMillis(1_660_625_866_123));
    user.groups = vec![Group::new("1", "员工")];
    recognition.user = Some(user);
    recognition
}

const JPEG: &[u8] = b"\xff\xd8\xff\xd9";

fn posted(item: &Item) -> Bytes {
    let mut body = Vec::new();
    encode_push(item, &mut body);
    assert_eq!(body.len(), push_len(item));
    body.into()
}

fn record(body: Bytes) -> Record {
    match decode_push(body).unwrap() {
        Push::Record(record) => record,
        other => panic!("{other:?}"),
    }
}

fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
//= docs/spec/face-record-push.md#record
//# A push MUST be written with the members of its profile in the order of that profile's example.
//= docs/spec/face-record-push.md#record
//# The time of a record MUST be written in seconds.
//= docs/spec/face-record-push.md#record
//# The times of an alarm and of a guest MUST be written in milliseconds.
//= docs/spec/face-record-push.md#delivery
//# The same record MUST be posted with the same bytes on every attempt.
fn every_profile_is_written_as_its_document_shows_it() {
    for (profile, expected) in [
        (
            Profile::V1_0,
            r#"{"type":0,"data":{"recognizeStatus":4,"livenessScore":1.0,"deviceSN":"PS71HD01MC22C00014","recognizeScore":0.9837480783462524,"mask":1,"mode":0,"rgb_image":"/9j/2Q==","pass":true,"timestamp":1660625866,"user":{"name":"Q","user_id":1,"type":1}}}"#,
        ),
        (
            Profile::V1_1,
            r#"{"type":0,"data":{"recognitionType":1,"deviceSN":"PS71HD01MC22C00014","recognizeScore":0.9837480783462524,"mask":1,"rgb_image":"/9j/2Q==","pass":true,"mode":0,"user":{"name":"Q","user_id":1,"type":1},"timestamp":1660625866,"bodyTemperature":36.53308868408203}}"#,
        ),
        (
            Profile::V1_2,
            r#"{"type":0,"data":{"recognitionType":1,"deviceSN":"PS71HD01MC22C00014","recognizeScore":0.9837480783462524,"mask":1,"rgb_image":"/9j/2Q==","pass":true,"mode":0,"user":{"name":"Q","user_id":1,"type":1,"ic_number":"7","job_number":"8"},"timestamp":1660625866,"bodyTemperature":36.53308868408203}}"#,
        ),
        (
            Profile::V1_2_1,
            r#"{"type":0,"data":{"deviceSN":"PS71HD01MC22C00014","recognitionType":1,"uuid":"4f7a","recognizeScore":0.9837480783462524,"mask":1,"mode":0,"rgb_image":"/9j/2Q==","bodyTemperature":36.53308868408203,"pass":true,"timestamp":1660625866,"user":{"name":"Q","ic_number":"7","id_number":"gO/i1UcxN3k=","job_number":"8","user_id":"1","remark":"访客","guest_time_start":1660625866123,"guest_time_end":0,"type":1,"groups":[{"id":1,"name":"员工"}]}}}"#,
        ),
        (
            Profile::V1_3,
            r#"{"type":0,"data":{"deviceSN":"PS71HD01MC22C00014","recognitionType":1,"entry_mode":1,"abnormal_type":0,"uuid":"4f7a","recognizeScore":0.9837480783462524,"mask":1,"mode":0,"rgb_image":"/9j/2Q==","bodyTemperature":36.53308868408203,"pass":true,"timestamp":1660625866,"user":{"name":"Q","ic_number":"7","id_number":"gO/i1UcxN3k=","job_number":"8","pin":"1234","user_id":"1","remark":"访客","guest_time_start":1660625866123,"guest_time_end":0,"type":1,"groups":[{"id":1,"name":"员工"}]}}}"#,
        ),
    ] {
        let item = recognition().to_item(profile, Some(Bytes::from_static(JPEG)));
        let body = posted(&item);
        assert_eq!(body, expected, "{profile:?}");
        assert_eq!(posted(&item), body, "once more");
        let again = record(body.clone());
        assert_eq!(again.picture().unwrap().jpeg().unwrap(), JPEG);
        let back = again
            .to_recognition()
            .to_item(profile, Some(Bytes::from_static(JPEG)));
        assert_eq!(posted(&back), body, "{profile:?}");

        let mut row = Vec::new();
        item.write_row(&mut row);
        let kept = Item::read_row(&row.into(), Some(Bytes::from_static(JPEG))).unwrap();
        assert_eq!((posted(&kept), &kept), (body, &item));
    }
}

#[test]
fn an_alarm_reads_back() {
    let mut alarm = AlarmReport::new("t-1", AlarmCode::HELD_OPEN, UnixMillis(1_660_625_866_123));
    alarm.user_id = Some(9_007_199_254_740_993);
    let body = posted(&alarm.to_item(Some(Bytes::from_static(JPEG))));
    let expected = r#"{"type":1,"data":{"trace_id":"t-1","description":"","code":10003,"user_id":9007199254740993,"event_time":1660625866123,"status":1,"alarm_photo":"/9j/2Q=="}}"#;
    assert_eq!(body, expected);
    let push = decode_push(body).unwrap();
    assert_eq!((push.serial(), push.time()), (None, Some(alarm.at)));
    let Push::Alarm(read) = push else {
        panic!("no alarm")
    };
    assert_eq!(read.trace_id().as_deref(), Some("t-1"));
    assert_eq!(
        (read.code(), read.status()),
        (Some(AlarmCode::HELD_OPEN), Some(AlarmStatus::RAISED))
    );
    assert_eq!(
        (read.description(), read.user_id().unwrap().text.as_ref()),
        (None, "9007199254740993")
    );
    assert_eq!(read.picture().unwrap().jpeg().unwrap(), JPEG);
    (alarm.code, alarm.user_id, alarm.status) = (None, None, AlarmStatus::RELEASED);
    let body = posted(&alarm.to_item(None));
    assert_eq!(
        body,
        r#"{"type":1,"data":{"trace_id":"t-1","description":"","event_time":1660625866123,"status":3,"alarm_photo":""}}"#
    );
}

#[test]
//= docs/spec/face-record-push.md#reply
//# An acknowledgement MUST be written with HTTP status 200, with code 200, with `msg` and `message`
//# success and with an object in `data`.
//= docs/spec/face-record-push.md#reply
//# A failure MUST be written with an HTTP status that is no success, and with the same number as its
//# code.
//= docs/spec/face-record-push.md#reply
//# The reply to a record MUST NOT hold `pass` unless the receiver is told to speak to terminals of
//# profile 1.0.
fn replies_are_written_in_both_spellings() {
    let token = || StoredToken::vouch(&RecordKey([0; 16]));
    let accepted = Reply::accepted(token(), None);
    let body = written(|out| encode_reply(&accepted, out));
    assert_eq!(
        body,
        r#"{"code":200,"msg":"success","message":"success","data":{}}"#
    );
    assert_eq!(accepted.status(), 200);
    let passing = Reply::accepted(token(), Some(false));
    let body = written(|out| encode_reply(&passing, out));
    assert_eq!(
        body,
        r#"{"code":200,"msg":"success","message":"success","data":{"pass":false}}"#
    );
    assert_eq!(
        read_answer(200, None, body.as_bytes()).unwrap().pass,
        Some(false)
    );
    assert_eq!(written(|out| encode_reply(&Reply::heartbeat(), out)), "{}");
    for status in [200, 299, 400, 403, 404, 405, 413, 500, 503] {
        let reply = Reply::failure(status);
        let body = written(|out| encode_reply(&reply, out));
        let answer = read_answer(reply.status(), None, body.as_bytes()).unwrap();
        assert!(reply.status() >= 400);
        assert_eq!(answer.code, Some(i64::from(reply.status())));
        assert!(!answer.is_acknowledgement(true), "{body}");
    }
    assert_eq!(
        Reply::busy(Duration::from_secs(2)).retry_after(),
        Some(Duration::from_secs(2))
    );
}

#[test]
//= docs/spec/face-record-push.md#reply
//# The terminal MUST take an answer for an acknowledgement only if its HTTP status is 2xx and its
//# code is 200.
//= docs/spec/face-record-push.md#reply
//# The code MUST be read from a number, also with a fraction of zero, and from either of them in
//# quotes.
//= docs/spec/face-record-push.md#reply
//# The text of an answer MUST NOT decide whether it is an acknowledgement.
//= docs/spec/face-record-push.md#reply
//# An answer with an empty body MUST be taken for an acknowledgement only where that is configured.
//= docs/spec/face-record-push.md#destination
//# A redirection MUST NOT be followed.
//= docs/spec/face-record-push.md#destination
//# An answer longer than 64 KiB MUST NOT be read to its end.
fn answers_in_every_spelling() {
    for (status, body, expected) in [
        (200, r#"{"code":200,"msg":"success","data":{}}"#, Ok(true)),
        (
            200,
            r#"{"code":200,"message":"success","data":{}}"#,
            Ok(true),
        ),
        (201, r#" { "code" : 200.0 } "#, Ok(true)),
        (204, r#"{"code":"200"}"#, Ok(true)),
        (200, r#"{"code":"200.0"}"#, Ok(true)),
        (200, r#"{"code":500,"code":200}"#, Ok(true)),
        (
            200,
            r#"{"code":200,"msg":"failed","message":"error"}"#,
            Ok(true),
        ),
        (200, r#"{"code":200,"msg":null,"data":null}"#, Ok(true)),
        (200, r#"{"code":0,"msg":"success"}"#, Ok(false)),
        (200, r#"{"code":500,"msg":"success"}"#, Ok(false)),
        (200, r#"{"code":-200}"#, Ok(false)),
        (500, r#"{"code":200,"msg":"success"}"#, Ok(false)),
        (503, "<html>", Ok(false)),
        (404, "", Ok(false)),
        (200, r#"{"code":200.5}"#, Err(AnswerError::NoCode(200))),
        (200, r#"{"code":null}"#, Err(AnswerError::NoCode(200))),
        (200, r#"{"code":true}"#, Err(AnswerError::NoCode(200))),
        (
            200,
            r#"{"data":{"code":200}}"#,
            Err(AnswerError::NoCode(200)),
        ),
        (200, "{}", Err(AnswerError::NoCode(200))),
        (200, "success", Err(AnswerError::NotJson(200))),
        (200, r#"{"code":200"#, Err(AnswerError::NotJson(200))),
        (200, "[200]", Err(AnswerError::NotJson(200))),
        (302, r#"{"code":200}"#, Err(AnswerError::Redirected(302))),
    ] {
        let answer = read_answer(status, None, body.as_bytes());
        assert_eq!(
            answer.map(|answer| answer.is_acknowledgement(false)),
            expected,
            "{status} {body}"
        );
        assert_eq!(
            answer.map(|answer| answer.is_acknowledgement(true)),
            expected,
            "{status} {body}"
        );
    }
    for (status, lenient) in [(200, true), (204, true), (404, false), (500, false)] {
        let answer = read_answer(status, None, b" \r\n").unwrap();
        assert_eq!(
            (
                answer.is_acknowledgement(false),
                answer.is_acknowledgement(true)
            ),
            (false, lenient)
        );
    }
    let long = vec![b'a'; MAX_ANSWER + 1];
    assert_eq!(
        read_answer(200, None, &long),
        Err(AnswerError::TooLong(200))
    );
    for (header, expected) in [
        ("2", Some(2)),
        (" 120 ", Some(120)),
        ("soon", None),
        ("-1", None),
        ("", None),
    ] {
        let answer = read_answer(503, Some(header), b"").unwrap();
        assert_eq!(answer.retry_after, expected.map(Duration::from_secs));
    }
}

#[test]
//= docs/spec/face-record-push.md#subscription
//# The terminal MUST answer a question for its configuration or a change of it with `code`, `msg` and
//# `data`, and with the code as the HTTP status.
//= docs/spec/face-record-push.md#subscription
//# The receiver MUST read a terminal's configuration from an object, and take null and an empty
//# object for none.
//= docs/spec/face-record-push.md#subscription
//# The terminal MUST answer a question for its configuration with null only if its own settings say
//# so.
//= docs/spec/face-record-push.md#subscription
//# The terminal MUST count as enabled and without a destination until it is configured.
fn the_configuration_reads_back() {
    let factory = Subscription::default();
    assert_eq!((factory.is_enabled, factory.active_dest()), (true, None));
    let dest = Dest::parse("http://192.0.2.10:9000/Record").unwrap();
    let subscription = Subscription::to(dest);
    let body = written(|out| encode_ask(&subscription, out));
    assert_eq!(
        body,
        r#"{"event_dest":"http://192.0.2.10:9000/Record","enabled":true}"#
    );
    let ask = Ask::Change {
        event_dest: Some("http://192.0.2.10:9000/Record".into()),
        is_enabled: Some(true),
    };
    assert_eq!(read_ask(true, body.as_bytes()), Ok(ask));

    let done = written(|out| encode_ask_reply(&AskReply::ok(None), false, out));
    assert_eq!(done, r#"{"data":null,"code":200,"msg":"OK"}"#);
    assert_eq!(read_ask_reply(200, done.as_bytes()), Ok(None));
    let stated = AskReply::ok(Some(subscription.clone()));
    let body = written(|out| encode_ask_reply(&stated, false, out));
    assert_eq!(read_ask_reply(200, body.as_bytes()), Ok(Some(subscription)));
    let literal = written(|out| encode_ask_reply(&stated, true, out));
    assert_eq!(literal, r#"{"code":200,"msg":"OK","data":null}"#);
    for (body, expected) in [
        (r#"{"code":0,"data":{}}"#, Ok(None)),
        (r#"{"code":"200","data":{"enabled":0}}"#, Ok(Some(false))),
        (
            r#"{"code":200,"data":{"event_dest":"gopher://x"}}"#,
            Ok(Some(true)),
        ),
        (r#"{"code":401}"#, Err(EnrolError::Unauthorized)),
        (r#"{"code":1001}"#, Err(EnrolError::Refused(1001))),
        (r#"{"data":null}"#, Err(EnrolError::Garbled)),
        ("nothing", Err(EnrolError::Garbled)),
    ] {
        let read = read_ask_reply(200, body.as_bytes());
        let told = read.map(|config| config.map(|config| config.is_enabled));
        assert_eq!(told, expected, "{body}");
    }
    let refused = written(|out| encode_ask_reply(&AskReply::failure(400, "no"), false, out));
    assert_eq!(
        read_ask_reply(400, refused.as_bytes()),
        Err(EnrolError::Refused(400))
    );
}

#[test]
//= docs/spec/face-record-push.md#subscription
//# The terminal MUST leave a member of its configuration as it is where a change does not name it.
//= docs/spec/face-record-push.md#subscription
//# An empty `event_dest` MUST be read as one that a change does not name.
//= docs/spec/face-record-push.md#subscription
//# The terminal MUST pass over members of a change that it does not know.
//= docs/spec/face-record-push.md#subscription
//# The terminal MUST read `enabled` from true and false, from 1 and 0 and from the words in quotes.
fn questions_in_every_spelling() {
    let change = |event_dest: Option<&str>, is_enabled| {
        let event_dest = event_dest.map(str::to_owned);
        Ok(Ask::Change {
            event_dest,
            is_enabled,
        })
    };
    for (body, expected) in [
        ("{}", change(None, None)),
        (
            r#"{"event_dest":" ","enabled":true}"#,
            change(None, Some(true)),
        ),
        (r#"{"event_dest":null,"enabled":null}"#, change(None, None)),
        (r#"{"enabled":true}"#, change(None, Some(true))),
        (r#"{"enabled":1}"#, change(None, Some(true))),
        (r#"{"enabled":"false"}"#, change(None, Some(false))),
        (r#"{"enabled":0,"novel":[1]}"#, change(None, Some(false))),
        (
            r#"{"event_dest":"http:\/\/a\/R"}"#,
            change(Some("http://a/R"), None),
        ),
        (r#"{"event_dest":""}"#, change(None, None)),
        (r#"{"event_dest":5}"#, Err(AskError::Dest)),
        (r#"{"event_dest":{}}"#, Err(AskError::Dest)),
        (r#"{"enabled":"maybe"}"#, Err(AskError::Enabled)),
        (r#"{"enabled":[]}"#, Err(AskError::Enabled)),
        ("[]", Err(AskError::NotJson)),
        ("", Err(AskError::NotJson)),
        ("{\"enabled\":true,}", Err(AskError::NotJson)),
    ] {
        assert_eq!(read_ask(true, body.as_bytes()), expected, "{body}");
        assert_eq!(read_ask(false, body.as_bytes()), Ok(Ask::Read));
    }
    let long = format!("{{\"a\":\"{}\"}}", "a".repeat(MAX_QUESTION));
    assert_eq!(
        read_ask(true, long.as_bytes()),
        Err(AskError::TooLong { max: MAX_QUESTION })
    );
}

#[test]
fn a_login_buys_a_token() {
    let login = Login::new("admin", "p\"w");
    let request = encode_terminal_ask(&TerminalAsk::Login, Some(&login));
    assert_eq!((request.method, request.path), ("POST", "/v1/auth/login"));
    assert_eq!(
        request.body,
        br#"{"username":"admin","password":"p\"w","validTime":5}"#
    );
    assert_eq!(
        read_login(&request.body),
        Ok((login.clone(), Duration::from_secs(300)))
    );
    let token = Token("abc.def".into());
    let reply = written(|out| encode_token(&token, out));
    let answer = read_terminal_answer(&TerminalAsk::Login, 200, reply.as_bytes());
    assert_eq!(answer, TerminalAnswer::Token(token.clone()));

    let get = encode_terminal_ask(&TerminalAsk::GetConfig(Some(token)), Some(&login));
    assert_eq!((get.method, get.path), ("GET", "/v1/event/subscribe"));
    assert_eq!(get.authorization.as_deref(), Some("Bearer abc.def"));
    let put = TerminalAsk::PutConfig(None, Subscription::default());
    let request = encode_terminal_ask(&put, Some(&login));
    assert_eq!(request.authorization.as_deref(), Some("Basic YWRtaW46cCJ3"));
    let done = read_terminal_answer(&put, 200, br#"{"data":null,"code":200,"msg":"OK"}"#);
    assert_eq!(done, TerminalAnswer::Taken);
    for (status, body, why) in [
        (401, "", EnrolError::Unauthorized),
        (200, r#"{"code":401}"#, EnrolError::Unauthorized),
        (500, "", EnrolError::Refused(500)),
        (400, r#"{"code":1000}"#, EnrolError::Refused(1000)),
        (200, r#"{"code":200,"data":{}}"#, EnrolError::Garbled),
    ] {
        let answer = read_terminal_answer(&TerminalAsk::Login, status, body.as_bytes());
        assert_eq!(answer, TerminalAnswer::Failed(why), "{status} {body}");
    }
}

#[test]
//= docs/spec/face-record-push.md#record
//# A record from a query of the terminal's records MUST be read by the same accessors as a pushed
//# one.
//= docs/spec/face-record-push.md#record
//# A query of the terminal's records MUST NOT ask for more than 200 at a time.
fn pages_of_records_read_back() {
    let mut query =
        RecordsQuery::between(UnixMillis(1_660_000_000_000), UnixMillis(1_670_000_000_000));
    (query.limit, query.person) = (1_000, Some(PersonFilter::JobNumber("8".into())));
    let body = written(|out| encode_query(&query, out));
    assert_eq!(
        body,
        r#"{"begin_time":1660000000,"end_time":1670000000,"job_number":"8","offset":0,"limit":200,"sort":0}"#
    );
    query.limit = 200;
    assert_eq!(read_query(body.as_bytes()), Ok(query.clone()));
    let lenient =
        read_query(br#"{"begin_time":0,"user_id":7,"ic_number":"x","limit":"999","sort":1}"#)
            .unwrap();
    assert_eq!(
        (lenient.from, lenient.limit, lenient.newest_first),
        (None, 200, true)
    );
    assert_eq!(lenient.person, Some(PersonFilter::UserId("7".into())));

    let pushed = PROFILES.map(|profile| record(posted(&recognition().to_item(profile, None))));
    let page = RecordsPage::of(&query, pushed.to_vec(), 7);
    let body = Bytes::from(written(|out| encode_page(&page, out)));
    let again = read_page(200, &body).unwrap();
    assert_eq!(
        (again.total, again.limit, again.records.len()),
        (Some(7), 200, 5)
    );
    for (listed, pushed) in again.records.iter().zip(&pushed) {
        assert_eq!(listed.json(), pushed.facts());
        assert!(listed.to_recognition() == pushed.to_recognition() || pushed.liveness().is_none());
        assert_eq!(listed.timestamp(), pushed.timestamp());
    }
    assert_eq!(query.next(&again).map(|next| next.offset), Some(5));
    assert_eq!(query.next(&page).unwrap().next(&page), None);
    let odd = Bytes::from_static(br#"{"code":200,"data":{"items":[1,{"user":{"name":"x"},"groups":[{"id":1,"name":"g"}]},null]}}"#);
    let page = read_page(200, &odd).unwrap();
    assert_eq!((page.records.len(), page.garbled, page.total), (1, 2, None));
    assert_eq!(
        page.records[0].user().unwrap().groups(),
        [Group::new("1", "g")]
    );
    let many = format!(
        r#"{{"code":200,"data":{{"items":[{}{{}}]}}}}"#,
        "{},".repeat(1_000)
    );
    assert_eq!(read_page(200, &many.into()), Err(EnrolError::Garbled));
}

#[test]
//= docs/spec/face-record-push.md#remote-auth
//# A tip MUST NOT be written with more than 10 characters.
//= docs/spec/face-record-push.md#remote-auth
//# A decision MUST be answered with status 200 and the decision in `pass`.
fn questions_and_decisions_read_back() {
    let item = recognition().to_auth_request(Some("qr"), Some(Bytes::from_static(JPEG)));
    let body = posted(&item);
    assert!(body.starts_with(br#"{"deviceSN":"PS71HD01MC22C00014","recognizeStatus":4,"#));
    let Push::RemoteAuth(question) = decode_push(body).unwrap() else {
        panic!("no question")
    };
    assert_eq!(
        question.recognize_status(),
        Some(RecognizeStatus::RECOGNISED)
    );
    assert_eq!(
        (question.qr_code().as_deref(), question.entry_mode()),
        (Some("qr"), Some(EntryMode::FACE))
    );
    assert_eq!(question.temperature(), Some(36.533_088_684_082_03));
    assert_eq!(question.user().unwrap().name().as_deref(), Some("Q"));
    assert_eq!(question.picture().unwrap().jpeg().unwrap(), JPEG);
    assert!(
        question.score().is_some() && question.mask().is_some() && question.timestamp().is_some()
    );

    let mut decision = AuthDecision::new(true);
    decision.tips = Some("欢迎小明一二三四五六七".into());
    (decision.user_id, decision.score) = (Some("1".into()), Some(0.5));
    (decision.user_name, decision.code) = (Some("小明".into()), Some(VerifyCode::OK));
    let reply = Reply::decision(decision.clone());
    let body = written(|out| encode_reply(&reply, out));
    assert_eq!(
        body,
        r#"{"code":200,"msg":"success","message":"success","data":{"pass":true,"customtips":"欢迎小明一二三四五六","user_id":"1","user_name":"小明","verify_score":0.5,"verify_code":2}}"#
    );
    decision.tips = Some("欢迎小明一二三四五六".into());
    assert_eq!(read_decision(200, body.as_bytes()), Ok(decision));
    for (status, body) in [
        (503, r#"{"code":200,"data":{"pass":true}}"#),
        (200, r#"{"code":500,"data":{"pass":true}}"#),
        (200, r#"{"code":200,"data":{"pass":2}}"#),
        (200, r#"{"code":200,"pass":true}"#),
        (200, ""),
    ] {
        assert!(
            !read_decision(status, body.as_bytes()).unwrap().pass,
            "{status} {body}"
        );
    }
    let reply = Reply::decision(AuthDecision::undecided());
    let body = written(|out| encode_reply(&reply, out));
    assert!(reply.status() == 503 && body.contains(r#""data":{"pass":false}"#));
}

#[test]
//= docs/spec/face-record-push.md#delivery
//# A post MUST carry `Content-Type: application/json` from profile 1.1 on and none before.
//= docs/spec/face-record-push.md#delivery
//# A post MUST carry the headers `model`, `sn`, `timestamp` and `account` from profile 1.2.1 on and
//# none of them before.
//= docs/spec/face-record-push.md#record
//# The receiver MUST take a push with any `Content-Type` and with none.
fn headers_read_back() {
    let now = UnixMillis(1_660_625_866_123);
    for profile in PROFILES {
        let mut identity = Identity::new(profile, SerialNumber::new("PS7\r\nx: y"));
        (identity.model, identity.account) = ("S7".into(), "a".into());
        let headers = push_headers(&identity, now);
        assert_eq!(content_type(profile).is_some(), profile > Profile::V1_0);
        assert_eq!(headers.is_empty(), profile < Profile::V1_2_1);
        let mut head = Head::post(LinkId(1), "192.0.2.7", "/Record");
        for (name, value) in &headers {
            note_header(&mut head, &name.to_uppercase(), value.as_bytes());
        }
        if headers.is_empty() {
            continue;
        }
        assert_eq!(head.serial, Some(SerialNumber::new("PS7x: y")));
        assert_eq!(
            (head.model.as_deref(), head.account.as_deref()),
            (Some("S7"), Some("a"))
        );
        assert_eq!(head.sent_at, Some(now));
        identity.header_time = HeaderTime::Seconds;
        assert_eq!(push_headers(&identity, now)[2].1, "1660625866");
    }
    let mut head = Head::post(LinkId(1), "192.0.2.7", "/Record");
    for (name, value) in [
        ("sn", " "),
        ("SN", "a"),
        ("sn", "b"),
        ("timestamp", "soon"),
        ("content-type", "text/html"),
        ("Content-Length", "12"),
        ("content-length", "13"),
    ] {
        note_header(&mut head, name, value.as_bytes());
    }
    assert_eq!(
        (head.serial, head.sent_at, head.length),
        (Some(SerialNumber::new("a")), None, Some(12))
    );
    assert_eq!(
        [method("POST"), method("HEAD"), method("GET"), method("PUT")],
        [Method::Post, Method::Get, Method::Get, Method::Other]
    );
}

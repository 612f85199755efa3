//! Replies: what they look like, and what of them counts.

use super::*;

#[test]
fn the_documents_reply() {
    assert_eq!(given(REPLY), info());
}

#[test]
//= docs/spec/analyst-proto.md#connection-information
//# A reply that gives MUST be `msg`, `status` 0, and `data` within `data`, in this order.
fn a_5_a_reply_that_gives_is_the_documents_without_its_white_space() {
    let compact: String = REPLY.chars().filter(|char| !char.is_whitespace()).collect();
    assert_eq!(encoded(&InfoReply::Info(info())), compact);
}

#[test]
//= docs/spec/analyst-proto.md#connection-information
//# A reply that refuses MUST be `msg` and `status`, in this order, without `data`.
//= docs/spec/analyst-proto.md#connection-information
//# A wrong signature MUST be answered with status 4 and the document's message, letter by letter.
fn a_7_a_wrong_signature_is_answered_as_the_document_has_it() {
    let reply = InfoReply::rejected(ErrorCode::SignInvalid);
    assert_eq!(encoded(&reply), r#"{"msg":"sign is invaild","status":4}"#);
    assert_eq!(decoded(&encoded(&reply)).unwrap().reply, reply);
    assert_eq!(
        Refusal::Sign.rejection(&ErrorCodes::default()).msg,
        "sign is invaild"
    );
    for code in [-1, 4, 5, i64::MAX] {
        assert_eq!(ErrorCode::from(code).number(), code);
    }
}

#[test]
//= docs/spec/analyst-proto.md#connection-information
//# A reply MUST be read whatever its content type and its HTTP status.
fn a_4_the_http_status_counts_only_if_the_body_is_no_reply() {
    for http in [200, 400, 500] {
        let decoded = InfoReply::decode(http, REPLY.as_bytes()).unwrap();
        assert_eq!(decoded.reply, InfoReply::Info(info()));
        for body in ["", "<html>", "[]", "null", "{", "{} x"] {
            let error = InfoReply::decode(http, body.as_bytes());
            assert_eq!(error, Err(InfoError::NotJson { http }), "{body}");
        }
    }
    let odd = format!("\u{feff} {REPLY}\r\n\0\0");
    assert_eq!(given(&odd), info());
}

#[test]
//= docs/spec/analyst-proto.md#connection-information
//# A reply of more than 65536 bytes or of more than 16 levels MUST be refused.
fn a_4_limits_of_replies() {
    let padded = |len: usize| REPLY.to_owned() + &" ".repeat(len - REPLY.len());
    assert_eq!(given(&padded(65_536)), info());
    assert_eq!(
        decoded(&padded(65_537)),
        Err(InfoError::TooLong { max: 65_536 })
    );
    let nested = |levels: usize| {
        let (open, close) = ("[".repeat(levels), "]".repeat(levels));
        with("\"topic\"", &format!("\"novel\":{open}{close},\"topic\""))
    };
    assert_eq!(given(&nested(13)), info());
    for levels in [14, 30_000] {
        assert_eq!(
            decoded(&nested(levels)),
            Err(InfoError::TooDeep { max: 16 })
        );
    }
}

#[test]
//= docs/spec/analyst-proto.md#connection-information
//# Connection information MUST be read from `data` within `data`, and from `data` itself if there is no
//# object in that.
//= docs/spec/analyst-proto.md#connection-information
//# Connection information in a third level of `data` MUST be refused.
fn a_5_one_and_two_levels_of_data() {
    let inner = encoded(&InfoReply::Info(info()));
    let inner = inner
        .strip_prefix(r#"{"msg":"","status":0,"data":{"data":"#)
        .unwrap();
    let inner = inner.strip_suffix("}}").unwrap();
    for data in [
        inner.to_owned(),
        format!(r#"{{"data":{inner}}}"#),
        format!(r#"{{"data":{inner},"client_id":7}}"#),
        inner.replace('{', r#"{"data":null,"#),
    ] {
        assert_eq!(given(&format!(r#"{{"status":0,"data":{data}}}"#)), info());
    }
    let nested = format!(r#"{{"status":0,"data":{{"data":{{"data":{inner}}}}}}}"#);
    assert_eq!(decoded(&nested), Err(InfoError::Nested));
}

#[test]
//= docs/spec/analyst-proto.md#connection-information
//# A reply MUST count as given if its `status` is 0, a number or its digits in quotes, whatever its
//# `msg` is.
//= docs/spec/analyst-proto.md#connection-information
//# What a refusal has in `data` MUST NOT be looked at.
fn a_6_the_status_decides() {
    for (from, to) in [
        (r#""status": 0"#, r#""status": "0""#),
        (r#""msg": """#, r#""msg": "error""#),
        (r#""msg": """#, r#""msg": null"#),
        (r#""msg": "","#, ""),
    ] {
        assert_eq!(given(&with(from, to)), info());
    }
    for (body, code, msg) in [
        (&*with(r#""status": 0"#, r#""status": 7"#), 7, ""),
        (r#"{"status":"4","msg":"x","data":[1]}"#, 4, "x"),
        (r#"{"status":-1,"msg":5}"#, -1, "5"),
        (
            r#"{"status":5,"msg":"ip not in  white_list","data":null}"#,
            5,
            "ip not in  white_list",
        ),
    ] {
        let rejection = Rejection::new(code.into(), msg);
        let reply = decoded(body).unwrap().reply;
        assert_eq!(reply, InfoReply::Rejected(rejection.clone()), "{body}");
        assert_eq!(reply.into_info(), Err(NoInfo::Rejected(rejection)));
    }
    for (body, missing) in [
        ("{}", "status"),
        (r#"{"status":null}"#, "status"),
        (r#"{"status":true}"#, "status"),
        (r#"{"status":0.5}"#, "status"),
        (r#"{"status":0}"#, "data"),
        (r#"{"status":0,"data":null}"#, "data"),
        (r#"{"status":0,"data":"{}"}"#, "data"),
        (r#"{"status":0,"data":{}}"#, "client_id"),
        (r#"{"status":0,"data":{"data":{}}}"#, "client_id"),
    ] {
        assert_eq!(decoded(body), Err(InfoError::Missing(missing)), "{body}");
    }
}

#[test]
fn every_member_has_to_be_there() {
    for member in [
        "topic",
        "password",
        "client_id",
        "server_client_id",
        "user_name",
        "port",
    ] {
        let missing = Err(InfoError::Missing(member));
        assert_eq!(
            decoded(&with(&format!("\"{member}\""), "\"other\"")),
            missing
        );
    }
    assert_eq!(
        decoded(&with("brokerUrl", "url")),
        Err(InfoError::Missing("brokerUrl"))
    );
    let number = with("\"Analyst\"", "7");
    assert_eq!(decoded(&number), Err(InfoError::Missing("topic")));
}

#[test]
//= docs/spec/analyst-proto.md#connection-information
//# Of members of a reply that are there twice the last MUST count.
fn the_last_of_two_members_counts() {
    let twice = with("\"port\"", "\"port\": 1, \"port\"");
    assert_eq!(given(&twice), info());
}

//! Paths of REST.

use zzw_push_proto::RestError;
use zzw_push_proto::rest::{Page, Post, RestCall, RestReply, RestRequest};
use zzw_push_proto::wire::*;

fn parse(path: &str) -> Result<RestRequest, RestError> {
    RestRequest::parse("GET", path, Lenience::Vendor)
}

#[test]
//= docs/spec/zzw-push-proto.md#rest
//# A call MUST be told by the number of segments, so that an alias or a token may have the name of
//# one.
//= docs/spec/zzw-push-proto.md#rest
//# The paths `/servers/{token}` and `/info/servers/{token}` MUST be the same call.
//= docs/spec/zzw-push-proto.md#rest
//# A segment MUST be percent-decoded exactly once, as UTF-8.
//= docs/spec/zzw-push-proto.md#rest
//# A percent sign that begins no escape MUST stand for itself unless the reader is strict.
//= docs/spec/zzw-push-proto.md#rest
//# What stands behind a question mark MUST NOT be looked at.
//= docs/spec/zzw-push-proto.md#rest
//# A path that is no call MUST be answered with status 404, a call by another method with 405, and
//# one that cannot be decoded with 400.
fn the_number_of_segments_decides() {
    for (path, call, token) in [
        ("/info/servers", RestCall::Info, "servers"),
        ("/info/status", RestCall::Info, "status"),
        ("/servers/servers", RestCall::Servers, "servers"),
        ("/info/servers/servers", RestCall::Servers, "servers"),
        (
            "/info/status/servers/t",
            RestCall::Status("servers".into()),
            "t",
        ),
        (
            "/info/status/a%2Fb/t?x=/1",
            RestCall::Status("a/b".into()),
            "t",
        ),
        (
            "/info/status/100%25/%2525",
            RestCall::Status("100%".into()),
            "%25",
        ),
        ("/info/status/50%/t", RestCall::Status("50%".into()), "t"),
    ] {
        assert_eq!(parse(path), Ok(RestRequest::new(call, token)), "{path}");
    }
    for path in [
        "",
        "/",
        "/x/t",
        "/info",
        "/info/a/b/c",
        "/info/status/a/b/c",
        "info/t",
    ] {
        assert_eq!(parse(path), Err(RestError::NotFound), "{path}");
    }
}

#[test]
//= docs/spec/zzw-push-proto.md#message
//# An alias or a topic MUST have 1 to 128 bytes, without a slash and without control characters.
fn a_name_of_128_chinese_bytes_survives() {
    let alias = "门".repeat(42) + "ab";
    assert!(is_name(&alias) && alias.len() == 128);
    let request = RestRequest::new(RestCall::Status(alias.into()), "t");
    assert_eq!(parse(&request.path()), Ok(request));
}

#[test]
//= docs/spec/zzw-push-proto.md#rest
//# A page MUST be counted from 1 and hold 100 aliases, or as many as it says behind a dash, at most
//# 1000.
//= docs/spec/zzw-push-proto.md#rest
//# What is no page MUST be read as the first one unless the reader is strict.
fn what_is_no_page_is_the_first_one_unless_strict() {
    for text in ["0", "", "x", "-1", "99999999999", "1-0", "1-x"] {
        let path = format!("/info/allChannelAlias/{text}/t");
        let call = RestCall::ChannelAliases(Page::new(1));
        assert_eq!(parse(&path), Ok(RestRequest::new(call, "t")), "{text}");
        let strict = RestRequest::parse("GET", &path, Lenience::Strict);
        assert_eq!(strict, Err(RestError::Page), "{text}");
    }
    let page = Page::new(3).of_size(50);
    assert_eq!(page.offset(), 100);
    let request = RestRequest::new(RestCall::SocketIoAliases(page), "t");
    assert_eq!(request.path(), "/info/allSocketIOAlias/3-50/t");
    assert_eq!(parse(&request.path()), Ok(request));
}

#[test]
//= docs/spec/zzw-push-proto.md#rest
//# A page MUST be counted from 1 and hold 100 aliases, or as many as it says behind a dash, at most
//# 1000.
fn a_page_holds_1000_aliases_at_most() {
    for (text, size) in [("2", 100), ("2-1000", 1_000), ("2-1001", 1_000)] {
        let request = parse(&format!("/info/allChannelAlias/{text}/t")).unwrap();
        let page = Page::new(2).of_size(size);
        assert_eq!(request.call, RestCall::ChannelAliases(page), "{text}");
    }
}

#[test]
//= docs/spec/zzw-push-proto.md#rest
//# A path that is no call MUST be answered with status 404, a call by another method with 405, and
//# one that cannot be decoded with 400.
fn a_wrong_method_says_which_is_right() {
    let get = RestRequest::parse("GET", "/push/t", Lenience::Vendor);
    assert_eq!(get, Err(RestError::Method { allowed: "POST" }));
    let post = RestRequest::parse("POST", "/info/t", Lenience::Vendor);
    assert_eq!(post, Err(RestError::Method { allowed: "GET" }));
    assert_eq!(RestError::Method { allowed: "GET" }.status(), 405);
}

#[test]
//= docs/spec/zzw-push-proto.md#rest
//# A percent sign that begins no escape MUST stand for itself unless the reader is strict.
//= docs/spec/zzw-push-proto.md#rest
//# A token that is empty or longer than 512 bytes MUST be answered with status 401.
fn a_token_has_1_to_512_bytes() {
    assert!(parse(&format!("/info/{}", "f".repeat(512))).is_ok());
    for token in [String::new(), "f".repeat(513)] {
        let error = parse(&format!("/info/{token}")).unwrap_err();
        assert_eq!((error, error.status()), (RestError::Token, 401));
    }
    let error = parse("/info/%ff").unwrap_err();
    assert_eq!((error, error.status()), (RestError::Escape, 400));
    let strict = RestRequest::parse("GET", "/info/5%", Lenience::Strict);
    assert_eq!(strict, Err(RestError::Escape));
}

#[test]
//= docs/spec/zzw-push-proto.md#lenience
//# A byte order mark in front of a message MUST be skipped.
//= docs/spec/zzw-push-proto.md#rest
//# A posted publication MUST be refused if it has another type than 6.
fn a_post_may_leave_its_type_out_but_not_have_another() {
    let body = r#"{"alias":"m_2","msg":1}"#;
    for body in [
        body.to_owned(),
        format!("\u{feff}{body}"),
        body.replace('{', "{\"t\":6,"),
    ] {
        let decoded = Post::decode(body.into(), Lenience::Vendor).unwrap();
        assert!(matches!(decoded.message, Message::Publish(_)));
    }
    let body = body.replace('{', "{\"t\":2,");
    assert!(Post::decode(body.into(), Lenience::Vendor).is_err());
}

#[test]
//= docs/spec/zzw-push-proto.md#rest
//# A call that fails MUST be answered with status 401 if it is about a token, with 429 if there is
//# too much to do, with 503 if the store fails or the server is about to stop, and with 200 in all
//# other cases.
fn failures_about_tokens_and_load_have_a_status_of_their_own() {
    for (code, status) in [
        (Code::Token, 401),
        (Code::Busy, 429),
        (Code::StoreUnavailable, 503),
        (Code::Draining, 503),
        (Code::Missing, 200),
        (Code::UnknownAlias, 200),
    ] {
        let reply = RestReply::Failure(Failure::new(code, Num::Absent));
        assert_eq!(reply.status(), status);
    }
}

#[test]
//= docs/spec/zzw-push-proto.md#rest
//# Every answer with another status than 200 MUST hold a failure in its body, because old clients
//# read nothing else.
//= docs/spec/zzw-push-proto.md#rest
//# A path that is no call MUST be answered with status 404, a call by another method with 405, and
//# one that cannot be decoded with 400.
fn every_call_that_is_none_has_a_failure_for_an_answer() {
    for (error, status) in [
        (RestError::NotFound, 404),
        (RestError::Method { allowed: "GET" }, 405),
        (RestError::Token, 401),
        (RestError::Escape, 400),
        (RestError::Page, 400),
    ] {
        assert_eq!(error.status(), status);
        let mut body = Vec::new();
        RestReply::Failure(error.to_failure()).encode(&mut body);
        let read = RestReply::decode(&RestCall::Info, body.into(), Lenience::Strict);
        assert_eq!(read, Ok(RestReply::Failure(error.to_failure())));
    }
}

#[test]
//= docs/spec/zzw-push-proto.md#rest
//# An answer MUST be readable with broken JSON that a lenient reader repairs.
fn broken_answers_are_repaired_unless_strict() {
    let call = RestCall::Status("m_2".into());
    let read = |lenience| {
        let body = "{'list':['m_2']，'status':'online'}";
        RestReply::decode(&call, body.into(), lenience)
    };
    let status = Status::new(None, Texts::from_iter(["m_2"]), true);
    assert_eq!(read(Lenience::Vendor), Ok(RestReply::Status(status)));
    assert!(read(Lenience::Strict).is_err());
}

#[test]
//= docs/spec/zzw-push-proto.md#message
//# Members that nobody knows MUST be kept as the JSON text they came in and be written behind the
//# known ones.
fn members_that_nobody_knows_survive_in_answers() {
    for (path, body) in [
        (
            "/info/t",
            r#"{"h":{"webSocketSize":1,"channelSize":2,"onlineAllSize":6,"socketIOSize":3,"x":"小"},"stale":true}"#,
        ),
        (
            "/servers/t",
            r#"{"service":{"rest":1,"webSocket":2,"socket":3,"push":4,"x":[5]},"host":"h","y":null}"#,
        ),
        (
            "/info/status/a/t",
            r#"{"list":[],"status":"offline","x":{}}"#,
        ),
        (
            "/info/allChannelAlias/1/t",
            r#"{"total":9,"list":["a"],"page":1}"#,
        ),
    ] {
        let call = parse(path).unwrap().call;
        let reply = RestReply::decode(&call, body.into(), Lenience::Strict).unwrap();
        let mut out = Vec::new();
        reply.encode(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), body);
    }
}

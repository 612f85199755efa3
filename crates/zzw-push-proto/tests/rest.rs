//! Paths of REST.

use zzw_push_proto::RestError;
use zzw_push_proto::rest::{Page, Post, RestCall, RestReply, RestRequest};
use zzw_push_proto::wire::*;

fn parse(path: &str) -> Result<RestRequest, RestError> {
    RestRequest::parse("GET", path, Lenience::Vendor)
}

#[test]
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
fn a_name_of_128_chinese_bytes_survives() {
    let alias = "门".repeat(42) + "ab";
    assert!(is_name(&alias) && alias.len() == 128);
    let request = RestRequest::new(RestCall::Status(alias.into()), "t");
    assert_eq!(parse(&request.path()), Ok(request));
}

#[test]
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
fn a_wrong_method_says_which_is_right() {
    let get = RestRequest::parse("GET", "/push/t", Lenience::Vendor);
    assert_eq!(get, Err(RestError::Method { allowed: "POST" }));
    let post = RestRequest::parse("POST", "/info/t", Lenience::Vendor);
    assert_eq!(post, Err(RestError::Method { allowed: "GET" }));
    assert_eq!(RestError::Method { allowed: "GET" }.status(), 405);
}

#[test]
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

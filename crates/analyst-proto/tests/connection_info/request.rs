//! Requests: how they are sent, and what is read from them.

use super::*;

#[test]
//= docs/spec/analyst-proto.md#connection-information
//# A request MUST be sent to the path with `/` at its end.
//= docs/spec/analyst-proto.md#connection-information
//# The path of a request MUST be taken with and without `/` at its end.
fn a_3_the_path_has_a_slash_at_its_end() {
    let target = signed("analyst_3").target();
    assert!(
        target.starts_with("/recognition/api/get_connection_info/?name="),
        "{target}"
    );
    for (path, is_ours) in [
        ("/recognition/api/get_connection_info/", true),
        ("/recognition/api/get_connection_info", true),
        ("/recognition/api/get_connection_info//", false),
        ("/recognition/api/get_connection_inf", false),
        ("/recognition/api/", false),
        ("", false),
    ] {
        assert_eq!(SignedRequest::is_path(path), is_ours, "{path}");
    }
}

#[test]
//= docs/spec/analyst-proto.md#connection-information
//# A request MUST be sent with the headers `Content-type: application/json` and `Accept: text/plain`.
fn a_2_a_4_requests_as_they_are_sent() {
    let request = signed("analyst_3");
    let get = request.call(RequestForm::default());
    assert_eq!(
        (get.method, &*get.target, &*get.body),
        ("GET", &*request.target(), &b""[..])
    );
    let post = request.call(RequestForm::Json);
    let body = r#"{"name":"analyst_3","timestamp":1558583537598,"sign":"414CF01A66FA2BD0DA58BF25B6ED2884"}"#;
    let path = "/recognition/api/get_connection_info/";
    assert_eq!(
        (post.method, &*post.target, &*post.body),
        ("POST", path, body.as_bytes())
    );
    let headers = [
        ("Content-type", "application/json"),
        ("Accept", "text/plain"),
    ];
    assert_eq!(InfoCall::HEADERS, headers);
    assert!(!format!("{get:?} {post:?}").contains("414CF"));
}

#[test]
//= docs/spec/analyst-proto.md#connection-information
//# A request MUST be read from a query, from a JSON object and from a form, whatever its content type.
//= docs/spec/analyst-proto.md#connection-information
//# A query and a form MUST be percent-decoded once, as UTF-8, with `+` for a space.
//= docs/spec/analyst-proto.md#connection-information
//# A timestamp MUST be read as a number or as its decimal digits in quotes, never as a float.
fn a_2_requests_in_every_form() {
    let expected = signed("分析器 1");
    let mut query = String::new();
    expected.encode_query(&mut query);
    let mut json = Vec::new();
    expected.encode_json(&mut json);
    let json = String::from_utf8(json).unwrap();
    assert!(
        json.starts_with(r#"{"name":"分析器 1","timestamp":1558583537598,"sign":""#),
        "{json}"
    );
    let quoted = json.replace("1558583537598", "\"1558583537598\"");
    let reversed = query.split('&').rev().collect::<Vec<_>>().join("&");
    for (query, body) in [
        (&*query, ""),
        (&reversed, ""),
        (&query.replace("%20", "+"), "\r\n"),
        (&query.replace("name", "n%61me"), ""),
        (&format!("&x=1&&{query}&y"), ""),
        ("", &query),
        ("", &format!("{query}\r\n")),
        ("", &json),
        ("x=1", &format!("\u{feff}\r\n{json}\n")),
        ("", &quoted),
        ("", &json.replace('{', "{\"novel\":[{}],")),
    ] {
        let read = SignedRequest::parse(query, body.as_bytes());
        assert_eq!(read, Ok(expected.clone()), "{query} {body}");
    }
    let twice = query.replace('%', "%25");
    let read = SignedRequest::parse(&twice, b"").unwrap();
    assert!(read.name().starts_with("%E5"), "decoded once");
}

#[test]
//= docs/spec/analyst-proto.md#connection-information
//# A request MUST be refused that lacks `name`, `timestamp` or `sign`.
//= docs/spec/analyst-proto.md#connection-information
//# A request MUST be refused that has one of its parameters twice.
//= docs/spec/analyst-proto.md#connection-information
//# A request MUST be refused whose name is empty or has more than 64 characters.
//= docs/spec/analyst-proto.md#connection-information
//# A request MUST be refused whose name has `&`, `=` or a character that no name has in it.
//= docs/spec/analyst-proto.md#connection-information
//# A request MUST be refused whose timestamp has not 13 digits.
//= docs/spec/analyst-proto.md#connection-information
//# A request MUST be refused whose signature has more than 128 bytes.
fn requests_that_are_none() {
    use RequestError::*;
    let (now, good) = ("1558583537598", query("a", "1558583537598", "0"));
    let long = "a".repeat(129);
    let name_length = NameLength { max: 64 };
    for (query, error) in [
        ("", Missing("name")),
        ("name=a", Missing("timestamp")),
        ("name=a&timestamp=1558583537598", Missing("sign")),
        (&query("a", now, ""), Missing("sign")),
        (&query("", now, "0"), name_length),
        (&query(&long[..65], now, "0"), name_length),
        (&query("a%26timestamp%3D1", now, "0"), NameCharacter('&')),
        (&query("a=b", now, "0"), NameCharacter('=')),
        (&query("%00", now, "0"), NameCharacter('\0')),
        (&query("a%E2%80%AE", now, "0"), NameCharacter('\u{202e}')),
        (&query("%", now, "0"), Escape),
        (&query("%4", now, "0"), Escape),
        (&query("%zz", now, "0"), Escape),
        (&query("%ff", now, "0"), Escape),
        (&query("%c0%80", now, "0"), Escape),
        (&query("a", "", "0"), Timestamp),
        (&query("a", "now", "0"), Timestamp),
        (&query("a", "1558583537598.0", "0"), Timestamp),
        (&query("a", "+1558583537598", "0"), Timestamp),
        (&query("a", "1.558583537598e12", "0"), Timestamp),
        (&query("a", "1558583537", "0"), TimestampRange),
        (&query("a", "0", "0"), TimestampRange),
        (&query("a", "-1558583537598", "0"), TimestampRange),
        (&query("a", "999999999999", "0"), TimestampRange),
        (&query("a", "10000000000000", "0"), TimestampRange),
        (&query("a", "9223372036854775807", "0"), TimestampRange),
        (&query("a", &"9".repeat(40), "0"), TimestampRange),
        (&query("a", now, &long), SignLength { max: 128 }),
        (&format!("{good}&name=b"), Twice("name")),
        (&format!("{good}&sign=0"), Twice("sign")),
        (&format!("timestamp=1&{good}"), Twice("timestamp")),
    ] {
        assert_eq!(SignedRequest::parse(query, b""), Err(error), "{query}");
        if !query.is_empty() {
            assert_eq!(
                SignedRequest::parse("", query.as_bytes()),
                Err(error),
                "{query}"
            );
        }
    }
    for (body, error) in [
        ("{", NotJson),
        ("{}x", NotJson),
        ("{}", Missing("name")),
        (r#"{"name":null}"#, Missing("name")),
        (r#"{"name":["a"]}"#, Missing("name")),
        (r#"{"name":"a","name":"a"}"#, Twice("name")),
        (r#"{"name":"a","n\u0061me":"a"}"#, Twice("name")),
        (r#"{"name":"a","timestamp":true}"#, Missing("timestamp")),
        (
            r#"{"name":"a","timestamp":1558583537598.0,"sign":"0"}"#,
            Timestamp,
        ),
        (
            r#"{"name":"a","timestamp":9223372036854775808,"sign":"0"}"#,
            TimestampRange,
        ),
    ] {
        assert_eq!(
            SignedRequest::parse(&good, body.as_bytes()),
            Err(error),
            "{body}"
        );
    }
    for at in [
        999_999_999_999,
        10_000_000_000_000,
        0,
        -1,
        i64::MIN,
        i64::MAX,
    ] {
        let error = ConnectionInfoRequest::new("a", UnixMillis(at)).unwrap_err();
        assert_eq!(error, TimestampRange, "{at}");
    }
    let request = ConnectionInfoRequest::new("器".repeat(64), AT);
    assert!(request.is_ok(), "characters count, not bytes");
}

#[test]
//= docs/spec/analyst-proto.md#connection-information
//# A request MUST be refused that has more than 8192 bytes of parameters.
fn limits_of_requests() {
    let good = query("a", "1558583537598", "0");
    let padded = |len: usize| format!("{good}&{}", "x".repeat(len - good.len() - 1));
    let spaced = |len: usize| {
        format!(
            "{:len$}",
            r#"{"name":"a","timestamp":1558583537598,"sign":"0"}"#
        )
    };
    for (query, body) in [
        (padded(8_192), String::new()),
        (String::new(), spaced(8_192)),
    ] {
        assert!(SignedRequest::parse(&query, body.as_bytes()).is_ok());
    }
    let error = Err(RequestError::TooLong { max: 8_192 });
    for (query, body) in [
        (padded(8_193), String::new()),
        (String::new(), spaced(8_193)),
        (String::new(), padded(8_193)),
    ] {
        assert_eq!(SignedRequest::parse(&query, body.as_bytes()), error);
    }
    let deep = format!("{{\"x\":{}", "[".repeat(8_000));
    assert_eq!(
        SignedRequest::parse("", deep.as_bytes()),
        Err(RequestError::NotJson)
    );
}

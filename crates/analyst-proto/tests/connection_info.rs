//! Requests for connection information and their replies (A-2 to A-12).

use analyst_proto::link::Login;
use analyst_proto::sign::*;
use analyst_proto::wire::*;
use analyst_proto::*;
use proptest::prelude::*;

const AT: UnixMillis = UnixMillis(1_558_583_537_598);
const REPLY: &str = include_str!("vectors/reply.json");

fn info() -> ConnectionInfo {
    let client = |text| ClientId::new(text).unwrap();
    ConnectionInfo::new(
        ParentTopic::new("Analyst").unwrap(),
        client("GID_Analyst@@@analyst_3"),
        client("GID_Analyst@@@monitor"),
        "post-cn-test.mqtt.aliyuncs.com",
    )
    .with_login(
        "Signature|test-key-id|post-cn-test",
        Secret::new("PRZXuC7bY7vnEQOCFSzg0EmG4d4="),
    )
}

fn encoded(reply: &InfoReply) -> String {
    let mut out = Vec::new();
    reply.encode(&mut out);
    String::from_utf8(out).unwrap()
}

fn decoded(body: &str) -> Result<DecodedInfo, InfoError> {
    InfoReply::decode(200, body.as_bytes())
}

/// What a reply gives, with no warnings.
fn given(body: &str) -> ConnectionInfo {
    let decoded = decoded(body).unwrap();
    assert_eq!(decoded.warnings, [], "{body}");
    decoded.reply.into_info().unwrap()
}

/// The reply with one text in the place of another.
fn with(from: &str, to: &str) -> String {
    assert!(REPLY.contains(from), "{from}");
    REPLY.replace(from, to)
}

fn signed(name: &str) -> SignedRequest {
    let key = SigningKey::new(Preset::MakeMd5, &Secret::new("test-secret"));
    ConnectionInfoRequest::new(name, AT).unwrap().signed(&key)
}

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

#[test]
//= docs/spec/analyst-proto.md#connection-information
//# A `brokerUrl` MUST be read with and without `tcp://`, `mqtt://`, `mqtts://` or `ssl://` before it,
//# and with and without `/` behind it.
//= docs/spec/analyst-proto.md#connection-information
//# The port in a `brokerUrl` MUST count only if `port` is missing.
fn a_8_spellings_of_brokers() {
    let host = "post-cn-test.mqtt.aliyuncs.com";
    let url = format!("\"{host}\"");
    for (spelled, is_tls) in [
        (format!("tcp://{host}"), false),
        (format!("mqtt://{host}/"), false),
        (format!("TCP://{host}:9"), false),
        (format!("{host}:9"), false),
        (format!("mqtts://{host}"), true),
        (format!("ssl://{host}:8883"), true),
    ] {
        let decoded = decoded(&with(&url, &format!("\"{spelled}\""))).unwrap();
        let mut expected = info();
        expected.is_tls = is_tls;
        assert_eq!(decoded.warnings, [], "{spelled}");
        assert_eq!(decoded.reply, InfoReply::Info(expected), "{spelled}");
    }
    assert_eq!(given(&with("brokerUrl", "broker_url")), info());
    let mut expected = info();
    expected.port = 9;
    for without_port in ["\"port\": null,", ""] {
        let body = with("\"port\": 1883,", without_port);
        let body = body.replace(&url, &format!("\"tcp://{host}:9\""));
        assert_eq!(given(&body), expected);
    }
}

#[test]
//= docs/spec/analyst-proto.md#connection-information
//# A `brokerUrl` MUST be `ssl://` and the host if the broker's port is one of TLS, and the bare host
//# if not.
//= docs/spec/analyst-proto.md#connection-information
//# An analyser MUST NOT connect without TLS where `ssl://` or `mqtts://` stands before the host.
fn tls_is_asked_for_in_the_broker_url_and_nowhere_else() {
    let mut encrypted = info();
    encrypted.is_tls = true;
    for (info, url) in [(info(), ""), (encrypted, "ssl://")] {
        let mut json = Vec::new();
        InfoReply::Info(info.clone()).encode(&mut json);
        let json = String::from_utf8(json).unwrap();
        let member = format!(r#""brokerUrl":"{url}post-cn-test.mqtt.aliyuncs.com""#);
        assert!(json.contains(&member), "{json}");
        assert_eq!(given(&json), info);
        assert_eq!(Login::from(&info).is_tls, info.is_tls);
    }
}

#[test]
//= docs/spec/analyst-proto.md#connection-information
//# A `brokerUrl` MUST be refused that is more than a scheme of MQTT, a host and a port.
fn a_8_hosts_that_are_none() {
    let url = "\"post-cn-test.mqtt.aliyuncs.com\"";
    for bad in [
        "",
        "/",
        "tcp://",
        "http://b.example",
        "ws://b.example",
        "user@b.example",
        "a:b@b.example",
        "b.example\\r\\nX: y",
        "b.example\\u0000",
        "b example",
        "b.example/path",
        "b.example?x",
        "b.example#x",
        "b..example",
        ":1883",
        "b.example:",
        "b.example:0",
        "b.example:65536",
        "b.example:+1",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "::1",
        "[::1",
        "记录",
        "a%62",
    ] {
        let body = with(url, &format!("\"{bad}\""));
        assert_eq!(decoded(&body), Err(InfoError::Host), "{bad}");
    }
    for good in [
        "b",
        "b.example.",
        "my_host-1",
        "192.0.2.1",
        "[2001:db8::1]",
        "B.Example",
    ] {
        let info = decoded(&with(url, &format!("\"{good}\"")))
            .unwrap()
            .reply
            .into_info();
        assert_eq!(&*info.unwrap().host, good);
    }
}

#[test]
//= docs/spec/analyst-proto.md#connection-information
//# A `port` that is no number from 1 to 65535 MUST be refused.
//= docs/spec/analyst-proto.md#connection-information
//# A `keepalive` that is no number from 1 to 65535 MUST be read as 60, with a warning.
fn a_9_ports_and_keepalives() {
    let mut expected = info();
    (expected.port, expected.keepalive) = (65_535, 1);
    for quote in ["", "\""] {
        let body = with("1883", &format!("{quote}65535{quote}"));
        assert_eq!(
            given(&body.replace("60", &format!("{quote}1{quote}"))),
            expected
        );
    }
    for bad in [
        "0",
        "65536",
        "-1",
        "1.5",
        "\"\"",
        "\"x\"",
        "true",
        "[]",
        "99999999999999999999",
    ] {
        assert_eq!(decoded(&with("1883", bad)), Err(InfoError::Port), "{bad}");
        let decoded = decoded(&with("60", bad)).unwrap();
        assert_eq!(decoded.warnings, [InfoWarning::Keepalive], "{bad}");
        assert_eq!(decoded.reply, InfoReply::Info(info()));
    }
    let missing = decoded(&with("\"keepalive\": 60,", "")).unwrap();
    assert_eq!(missing.warnings, [InfoWarning::Keepalive]);
    assert_eq!(
        decoded(&with("60", "1000000000")).unwrap().warnings,
        [InfoWarning::Keepalive]
    );
}

#[test]
//= docs/spec/analyst-proto.md#connection-information
//# A user name with U+0000 in it MUST be refused: MQTT has no such text.
fn a_10_a_11_names_in_replies_are_checked() {
    for (from, to, member, error) in [
        (
            "\"Analyst\"",
            "\"Analyst/#\"",
            "topic",
            NameError::Forbidden('#'),
        ),
        (
            "\"Analyst\"",
            "\"$SYS\"",
            "topic",
            NameError::Forbidden('$'),
        ),
        ("GID_Analyst@@@analyst_3", "", "client_id", NameError::Empty),
        (
            "GID_Analyst@@@analyst_3",
            "a/b",
            "client_id",
            NameError::Forbidden('/'),
        ),
        (
            "GID_Analyst@@@monitor",
            "a@@@b@@@c",
            "server_client_id",
            NameError::Ambiguous,
        ),
        (
            "test-key-id",
            "\\u0000",
            "user_name",
            NameError::Forbidden('\0'),
        ),
    ] {
        let error = InfoError::Name { member, error };
        assert_eq!(decoded(&with(from, to)), Err(error));
    }
    assert_eq!(given(&with("\"Analyst\"", "\"Analyst/\"")), info());
}

#[test]
fn a_12_user_name_and_password_are_taken_as_they_are() {
    let body = with("Signature|test-key-id|post-cn-test", "Signature|")
        .replace("PRZXuC7bY7vnEQOCFSzg0EmG4d4=", "R|分\\u6790");
    let info = given(&body);
    assert_eq!(info.user_name, "Signature|");
    assert_eq!(info.password.as_str(), "R|分析");
}

#[test]
//= docs/spec/analyst-proto.md#names
//# A client identifier or a topic that Aliyun's broker does not take MUST be warned of, and MUST NOT be
//# refused, where the broker is Aliyun's.
fn a_l1_a_l2_what_aliyuns_broker_does_not_take_is_warned_of() {
    let long = format!("GID_Analyst@@@{}", "a".repeat(50));
    for (from, to, warning) in [
        (
            "GID_Analyst@@@analyst_3",
            "analyst_3",
            InfoWarning::ClientId,
        ),
        (
            "GID_Analyst@@@monitor",
            "XID_Analyst@@@monitor",
            InfoWarning::ClientId,
        ),
        ("GID_Analyst@@@analyst_3", &long, InfoWarning::Topic),
        (
            "key-id|post-cn-test",
            "key-id|post-cn-other",
            InfoWarning::Instance,
        ),
    ] {
        let body = with(from, to);
        assert_eq!(decoded(&body).unwrap().warnings, [warning], "{to}");
        let plain = body.replace("post-cn-test.mqtt.aliyuncs.com", "b.example");
        let plain = plain.replace("Signature|", "plain-");
        assert_eq!(decoded(&plain).unwrap().warnings, [], "{to}");
    }
}

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

/// A query with these parameters.
fn query(name: &str, timestamp: &str, sign: &str) -> String {
    format!("name={name}&timestamp={timestamp}&sign={sign}")
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

#[test]
//= docs/spec/analyst-proto.md#connection-information
//# A broker MUST NOT be connected to whose host or port is not among those of the policy where the
//# policy names any.
fn which_brokers_a_policy_allows() {
    let mut policy = BrokerPolicy::default();
    assert_eq!(policy.check(&info()), Ok(()));
    policy.hosts = vec![".MQTT.aliyuncs.com".into(), "b.example".into()];
    policy.ports = vec![1_883];
    assert_eq!(policy.check(&info()), Ok(()));
    for (host, port, expected) in [
        ("B.Example.", 1_883, Ok(())),
        ("b.example", 22, Err(BrokerError::Port)),
        ("a.b.example", 1_883, Err(BrokerError::Host)),
        ("xmqtt.aliyuncs.com", 1_883, Err(BrokerError::Host)),
        ("mqtt.aliyuncs.com", 1_883, Err(BrokerError::Host)),
    ] {
        let mut info = info();
        (info.host, info.port) = (host.into(), port);
        assert_eq!(policy.check(&info), expected, "{host}");
        assert_eq!(policy.allows_host(host), expected != Err(BrokerError::Host));
    }
}

#[test]
//= docs/spec/analyst-proto.md#connection-information
//# A broker on a loopback, unspecified, link-local, multicast or broadcast address MUST NOT be connected
//# to unless the policy allows special addresses.
//= docs/spec/analyst-proto.md#connection-information
//# An IPv4 address inside an IPv6 address MUST be judged as that IPv4 address.
fn where_brokers_may_be() {
    let mut lenient = BrokerPolicy::default();
    lenient.allow_special = true;
    for host in [
        "localhost",
        "a.localhost.",
        "127.0.0.1",
        "0.0.0.0",
        "169.254.169.254",
        "100.100.100.200",
        "192.0.0.192",
        "168.63.129.16",
        "224.0.0.1",
        "255.255.255.255",
        "[::1]",
        "[::]",
        "[fe80::1]",
        "[ff02::1]",
        "[fec0::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:0:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b:1::7f00:1]",
        "[2002:7f00:1::]",
        "[2001::1]",
        "[fd00:ec2::254]",
    ] {
        let mut info = info();
        info.host = host.into();
        assert_eq!(
            BrokerPolicy::default().check(&info),
            Err(BrokerError::Special),
            "{host}"
        );
        assert_eq!(lenient.check(&info), Ok(()), "{host}");
        if let Ok(address) = host.trim_matches(['[', ']']).parse() {
            assert!(!BrokerPolicy::default().allows(address) && lenient.allows(address));
        }
    }
    for host in [
        "10.0.0.1",
        "192.168.1.1",
        "172.16.0.1",
        "[fd12::1]",
        "[::ffff:10.0.0.1]",
        "[2002:c000:201::]",
    ] {
        assert!(BrokerPolicy::default().allows_host(host), "{host}");
    }
}

/// Something that may stand in a reply.
fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z0-9_@-]{1,20}",
        "\\PC{1,20}",
        "[\"\\\\/\u{1}-\u{1f}é\u{1f600}]{0,8}"
    ]
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(
        names in (texts(), texts(), texts()),
        user_name in texts(),
        password in texts(),
        host in "[a-z]{1,9}(\\.[a-z0-9-]{1,9}){0,3}\\.[a-z]{1,3}",
        port in 1..=u16::MAX,
        keepalive in 1..=u16::MAX,
    ) {
        let (Ok(parent), Ok(client), Ok(server)) =
            (ParentTopic::new(names.0), ClientId::new(names.1), ClientId::new(names.2))
        else {
            return Ok(());
        };
        let info = ConnectionInfo::new(parent, client, server, host);
        let mut info = info.with_login(user_name, Secret::new(password));
        (info.port, info.keepalive) = (port, keepalive);
        let reply = InfoReply::Info(info);
        prop_assert_eq!(decoded(&encoded(&reply)).unwrap().reply, reply);
    }

    #[test]
    fn no_bytes_are_too_much(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = InfoReply::decode(200, &bytes);
        let _ = SignedRequest::parse("", &bytes);
        let _ = SignedRequest::parse(&String::from_utf8_lossy(&bytes), b"");
    }

    #[test]
    fn half_a_reply_is_none(end in 0..REPLY.trim_end().len()) {
        prop_assert!(decoded(&REPLY[..end]).is_err());
    }

    #[test]
    fn errors_are_one_line_without_what_came(name in "\\PC{0,100}", timestamp in "[0-9a-z]{0,30}") {
        if let Err(error) = SignedRequest::parse(&query(&name, &timestamp, "0"), b"") {
            let shown = error.to_string();
            prop_assert!(shown.len() <= 200 && !shown.contains(char::is_control), "{shown}");
        }
    }
}

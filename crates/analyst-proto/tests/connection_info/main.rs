//! Requests for connection information and their replies.

mod broker;
mod reply;
mod request;

use analyst_proto::sign::*;
use analyst_proto::wire::*;
use analyst_proto::*;
use proptest::prelude::*;

const AT: UnixMillis = UnixMillis(1_558_583_537_598);
const REPLY: &str = include_str!("../vectors/reply.json");

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

/// A query with these parameters.
fn query(name: &str, timestamp: &str, sign: &str) -> String {
    format!("name={name}&timestamp={timestamp}&sign={sign}")
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

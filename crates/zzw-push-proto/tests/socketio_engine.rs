//! Engine.IO: what stands around the packets.

use bytes::Bytes;
use std::time::Duration;
use zzw_push_proto::socketio::Revision;
use zzw_push_proto::socketio::engine::*;

fn decode(packet: &str) -> Result<EnginePacket, EngineError> {
    EnginePacket::decode(&Bytes::copy_from_slice(packet.as_bytes()))
}

fn payload(revision: Revision, body: impl Into<Bytes>) -> Vec<Result<EnginePacket, EngineError>> {
    PayloadReader::new(revision, body.into()).collect()
}

fn message(text: &str) -> EnginePacket {
    EnginePacket::Message(Bytes::copy_from_slice(text.as_bytes()))
}

#[test]
fn every_packet_is_read_and_written_back() {
    for (text, packet) in [
        ("1", EnginePacket::Close),
        ("2", EnginePacket::Ping(Bytes::new())),
        ("2probe", EnginePacket::Ping(PROBE.into())),
        ("3", EnginePacket::Pong(Bytes::new())),
        ("3probe", EnginePacket::Pong(PROBE.into())),
        ("40", message("0")),
        ("42[\"小明\"]", message("2[\"小明\"]")),
        ("5", EnginePacket::Upgrade),
        ("6", EnginePacket::Noop),
    ] {
        assert_eq!(decode(text).as_ref(), Ok(&packet));
        let mut out = Vec::new();
        packet.encode(&mut out);
        assert_eq!(out, text.as_bytes());
    }
}

#[test]
//= docs/spec/zzw-push-proto.md#engine-io
//# Ping times that a handshake does not tell MUST be read as 25 s and 60 s.
fn the_handshakes_of_all_servers_are_read() {
    // socket.io 1.x and 2.x; 4.x; python-engineio; a server that says the least.
    for (json, upgrades, interval, timeout, max) in [
        (
            r#"{"sid":"s","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":5000}"#,
            1,
            25_000,
            5_000,
            None,
        ),
        (
            r#"{"sid":"s","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#,
            0,
            25_000,
            20_000,
            Some(1_000_000),
        ),
        (
            r#"{ "pingTimeout": "60000", "sid": "s", "upgrades": null, "novel": [{}] }"#,
            0,
            25_000,
            60_000,
            None,
        ),
        (r#"{"sid":"s"}"#, 0, 25_000, 60_000, None),
    ] {
        let Ok(EnginePacket::Open(open)) = decode(&format!("0{json}")) else {
            panic!("{json}");
        };
        assert_eq!(open.sid, "s");
        assert_eq!(open.upgrades.len(), upgrades);
        assert_eq!(open.ping_interval, Duration::from_millis(interval));
        assert_eq!(open.ping_timeout, Duration::from_millis(timeout));
        assert_eq!(open.max_payload, max);
    }
}

#[test]
fn a_handshake_is_written_as_the_official_servers_write_it() {
    let mut open = Handshake::new("lv_VI97HAXpY6yYWAAAC");
    open.upgrades.push("websocket".into());
    open.max_payload = Some(102_400);
    let mut out = Vec::new();
    EnginePacket::Open(open.clone()).encode(&mut out);
    let expected = r#"0{"sid":"lv_VI97HAXpY6yYWAAAC","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":60000,"maxPayload":102400}"#;
    assert_eq!(String::from_utf8(out).unwrap(), expected);
    assert!(!format!("{open:?}").contains("lv_"));
}

#[test]
//= docs/spec/zzw-push-proto.md#engine-io
//# A handshake without a session of 1 to 128 bytes, or with ping times outside of 1 ms to one day,
//# MUST be refused.
fn a_handshake_one_cannot_live_with_is_refused() {
    for json in [
        "",
        "[]",
        "{}",
        r#"{"sid":""}"#,
        r#"{"sid":"s","pingInterval":0}"#,
        r#"{"sid":"s","pingInterval":-1}"#,
        r#"{"sid":"s","pingTimeout":86400001}"#,
        r#"{"sid":"s","pingTimeout":1e300}"#,
        r#"{"sid":"s"}x"#,
    ] {
        assert_eq!(
            decode(&format!("0{json}")),
            Err(EngineError::Handshake),
            "{json}"
        );
    }
    let long = format!(r#"0{{"sid":"{}"}}"#, "s".repeat(129));
    assert_eq!(decode(&long), Err(EngineError::Handshake));
}

#[test]
fn a_handshake_keeps_eight_upgrades_at_most() {
    let many = vec![r#""websocket""#; 10_000].join(",");
    let Ok(EnginePacket::Open(open)) = decode(&format!(r#"0{{"sid":"s","upgrades":[{many}]}}"#))
    else {
        panic!("no handshake");
    };
    assert_eq!(open.upgrades, ["websocket"; 8]);
}

#[test]
//= docs/spec/zzw-push-proto.md#engine-io
//# The client of Engine.IO 3 MUST ping and its server connect namespace `/`; in Engine.IO 4 the
//# server pings and the client connects.
fn each_revision_has_its_own_side_that_pings_and_that_connects() {
    assert!(Revision::V4.client_pings() && !Revision::V5.client_pings());
    assert!(!Revision::V4.client_connects() && Revision::V5.client_connects());
    assert_eq!(Revision::of_engine(3), Some(Revision::V4));
    assert_eq!(Revision::of_engine(4), Some(Revision::V5));
    assert_eq!(Revision::of_engine(2), None);
}

#[test]
//= docs/spec/zzw-push-proto.md#engine-io
//# Lengths in a polling payload of Engine.IO 3 MUST count UTF-16 code units.
fn lengths_of_revision_3_count_utf16_units() {
    // Four characters, of which the last takes two units.
    let body = "5:4小明🚪2:40";
    assert_eq!(
        payload(Revision::V4, body),
        [Ok(message("小明🚪")), Ok(message("0"))]
    );
    let mut out = Vec::new();
    PayloadWriter::new(Revision::V4, &mut out)
        .push(&message("小明🚪"))
        .push(&message("0"));
    assert_eq!(out, body.as_bytes());
}

#[test]
//= docs/spec/zzw-push-proto.md#engine-io
//# Packets in a polling payload of Engine.IO 4 MUST be parted by U+001E.
fn packets_of_revision_4_stand_between_separators() {
    let body = "4小明🚪\u{1e}2\u{1e}40";
    let packets = [
        message("小明🚪"),
        EnginePacket::Ping(Bytes::new()),
        message("0"),
    ];
    let read: Result<Vec<_>, _> = payload(Revision::V5, body).into_iter().collect();
    assert_eq!(read.as_deref(), Ok(&packets[..]));
    let mut out = Vec::new();
    let mut writer = PayloadWriter::new(Revision::V5, &mut out);
    for packet in &packets {
        writer.push(packet);
    }
    assert_eq!(out, body.as_bytes());
}

#[test]
//= docs/spec/zzw-push-proto.md#engine-io
//# A length that does not fit and an empty packet MUST end the payload.
fn a_length_that_does_not_fit_ends_the_payload() {
    for body in [
        "",
        "100000000:40",
        "1000000000:40",
        "18446744073709551617:40",
        "3:40",
        ":40",
        "-1:40",
        "+2:40",
        "2.0:40",
        "2",
        "2:\u{1F6AA}x",
        "x:40",
    ] {
        let read = payload(Revision::V4, body);
        assert_eq!(read.len(), 1, "{body}");
        assert!(read[0].is_err(), "{body}");
    }
    // A character cut in two.
    assert_eq!(payload(Revision::V4, "2:4🚪"), [Err(EngineError::Length)]);
    assert_eq!(
        payload(Revision::V4, "2:402:4"),
        [Ok(message("0")), Err(EngineError::Length)]
    );
    assert_eq!(payload(Revision::V4, "0:2:40"), [Err(EngineError::Empty)]);
}

#[test]
//= docs/spec/zzw-push-proto.md#engine-io
//# A length that does not fit and an empty packet MUST end the payload.
fn an_empty_packet_ends_the_payload() {
    assert_eq!(payload(Revision::V5, ""), [Err(EngineError::Empty)]);
    assert_eq!(
        payload(Revision::V5, "40\u{1e}\u{1e}40"),
        [Ok(message("0")), Err(EngineError::Empty)]
    );
    assert_eq!(
        payload(Revision::V5, "40\u{1e}"),
        [Ok(message("0")), Err(EngineError::Empty)]
    );
}

#[test]
//= docs/spec/zzw-push-proto.md#engine-io
//# A binary message in a polling payload MUST be told from text and dropped.
fn binary_messages_are_told_from_text_and_not_kept() {
    for (revision, body) in [
        (Revision::V4, "6:b4AQID2:40".as_bytes()),
        (Revision::V4, b"\x01\x03\xff\x04\x01\x02\x00\x02\xff40"),
        (Revision::V5, b"bAQID\x1e40"),
    ] {
        let read = payload(revision, body);
        assert_eq!(read, [Ok(EnginePacket::Binary), Ok(message("0"))]);
    }
    let mut out = Vec::new();
    PayloadWriter::new(Revision::V4, &mut out)
        .push(&EnginePacket::Binary)
        .push(&message("0"));
    assert_eq!(out, b"2:40");
}

/// Recorded from python-engineio 3.14.2, which posts `application/octet-stream` always.
#[test]
//= docs/spec/zzw-push-proto.md#engine-io
//# A polling payload of Engine.IO 3 MUST also be read in the binary framing, whose lengths count
//# bytes.
fn lengths_of_the_octet_framing_count_bytes() {
    let mut body = b"\x00\x01\xff2\x00\x01\x01\x03\xff".to_vec();
    let register = r#"2["register",{"t":2,"topic":["频道"],"info":{"communityId":"3","name":"东门🚪 é"},"num":"1546300800000"}]"#;
    body.extend_from_slice(format!("4{register}").as_bytes());
    body.extend_from_slice(b"\x00\x01\x05\xff42[\"heartbeat\"]");
    let ping = EnginePacket::Ping(Bytes::new());
    assert_eq!(
        payload(Revision::V4, body),
        [
            Ok(ping),
            Ok(message(register)),
            Ok(message("2[\"heartbeat\"]"))
        ]
    );
}

#[test]
//= docs/spec/zzw-push-proto.md#engine-io
//# A length that does not fit and an empty packet MUST end the payload.
fn an_octet_frame_that_does_not_fit_ends_the_payload() {
    for body in [
        &b"\x00"[..],
        b"\x00\xff",
        b"\x00\x02",
        b"\x00\x03\xff40",
        b"\x00\x0a\xff4000000000",
        b"\x002\xff40",
        b"\x01\x09\x09\x09\x09\x09\x09\x09\x09\x09\xff\x04",
        b"\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\xff\x04",
    ] {
        assert_eq!(payload(Revision::V4, body), [Err(EngineError::Length)]);
    }
    let empty: &[u8] = b"\x00\x00\xff";
    assert_eq!(payload(Revision::V4, empty), [Err(EngineError::Empty)]);
    let cut: &[u8] = b"\x00\x02\xff4\xe5";
    assert_eq!(payload(Revision::V4, cut), [Err(EngineError::NotUtf8)]);
}

#[test]
//= docs/spec/zzw-push-proto.md#engine-io
//# A ping or a pong MUST carry 125 bytes at most, and a close, an upgrade and a noop nothing.
fn a_packet_with_too_much_in_it_is_refused() {
    assert_eq!(decode(""), Err(EngineError::Empty));
    assert_eq!(decode("7"), Err(EngineError::UnknownType));
    assert_eq!(decode("小"), Err(EngineError::UnknownType));
    assert_eq!(decode("1x"), Err(EngineError::Content));
    assert_eq!(decode("5x"), Err(EngineError::Content));
    let long = format!("2{}", "x".repeat(126));
    assert_eq!(decode(&long), Err(EngineError::Content));
    assert_eq!(
        EnginePacket::decode(&Bytes::from_static(b"4\xff")),
        Err(EngineError::NotUtf8)
    );
}

#[test]
//= docs/spec/zzw-push-proto.md#engine-io
//# An alias and a token MUST be read from the query, percent-decoded once, the first of several and
//# none that is empty.
fn queries_of_all_clients_are_read() {
    for (text, revision, transport, sid, alias) in [
        (
            "EIO=3&transport=polling&t=NyZ-a.0&b64=1",
            Revision::V4,
            Transport::Polling,
            None,
            None,
        ),
        (
            "alias=m_2&EIO=3&transport=websocket&sid=abc",
            Revision::V4,
            Transport::Websocket,
            Some("abc"),
            Some("m_2"),
        ),
        (
            "EIO=4&transport=websocket&alias=%E5%B0%8F+%e6%98%8e%F0%9F%9A%AA&alias=other",
            Revision::V5,
            Transport::Websocket,
            None,
            Some("小 明🚪"),
        ),
        (
            "transport=polling&EIO=4&alias=&sid",
            Revision::V5,
            Transport::Polling,
            None,
            None,
        ),
        (
            "EIO=4&transport=polling&alias=100%&x",
            Revision::V5,
            Transport::Polling,
            None,
            Some("100%"),
        ),
    ] {
        let query = Query::parse(text).unwrap();
        assert_eq!(query.revision, revision);
        assert_eq!(query.transport, transport);
        assert_eq!(query.sid.as_deref(), sid);
        assert_eq!(query.alias.as_deref(), alias);
        assert_eq!(Query::parse(&query.to_string()), Ok(query));
    }
}

#[test]
//= docs/spec/zzw-push-proto.md#engine-io
//# A query MUST name Engine.IO 3 or 4 and the transport `polling` or `websocket`.
//= docs/spec/zzw-push-proto.md#engine-io
//# A query of more than 4096 bytes MUST be refused.
fn a_query_that_opens_no_link_says_why() {
    for (text, error) in [
        ("", QueryError::Revision),
        ("transport=polling", QueryError::Revision),
        ("EIO=2&transport=polling", QueryError::Revision),
        ("EIO=33&transport=polling", QueryError::Revision),
        ("EIO=3", QueryError::Transport),
        ("EIO=3&transport=flashsocket", QueryError::Transport),
        (
            "EIO=3&transport=polling&alias=%ff",
            QueryError::NotUtf8 { key: "alias" },
        ),
    ] {
        assert_eq!(Query::parse(text), Err(error), "{text}");
    }
    let long = format!("EIO=3&transport=polling&alias={}", "x".repeat(4096));
    assert_eq!(Query::parse(&long), Err(QueryError::TooLong { max: 4096 }));
}

#[test]
//= docs/spec/zzw-push-proto.md#permission
//# Tokens, bodies of messages, what a device tells about itself and frames of rooms MUST NOT appear
//# in debug output.
fn debug_shows_no_token() {
    let query = Query::parse("EIO=4&transport=polling&token=secret&sid=secret").unwrap();
    assert!(!format!("{query:?}").contains("secret"));
    assert!(!format!("{:?}", message("secret")).contains("secret"));
}

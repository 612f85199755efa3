//! Packets made to bring a server down.

use bytes::Bytes;
use lenient_wire::ScanError;
use zzw_push_proto::socketio::engine::{EngineError, EnginePacket, PayloadReader};
use zzw_push_proto::socketio::*;

fn decode(packet: impl Into<Bytes>) -> Result<Packet, PacketError> {
    Packet::decode(&packet.into())
}

fn link(max_len: usize) -> Decoder {
    Decoder::new(Revision::V4, Opening::Polling).with_max_len(max_len)
}

/// CVE-2023-32695: a name that is an object with a `toString` of its own.
#[test]
//= docs/spec/zzw-push-proto.md#socket-io
//# The name of an event MUST be a text.
fn a_name_that_is_no_text_is_refused() {
    for array in [
        r#"[{"toString":"foo"}]"#,
        r#"[{"toString":"foo"},{"t":1}]"#,
        r#"[["heartbeat"]]"#,
        "[1]",
        "[null]",
        "[true,{}]",
        "[]",
    ] {
        for id in ["", "1"] {
            let packet = format!("2{id}{array}");
            assert_eq!(decode(packet.clone()), Err(PacketError::Shape), "{packet}");
        }
    }
}

/// CVE-2024-38355: an event called `error`, which nobody listens to. The others are the names of
/// the official libraries' own events.
#[test]
fn a_reserved_name_is_an_event_like_any_other() {
    for name in [
        "error",
        "connect_error",
        "disconnecting",
        "newListener",
        "removeListener",
        "__proto__",
        "constructor",
        "hasOwnProperty",
    ] {
        let Ok(Packet::Event(event)) = decode(format!(r#"2["{name}",{{}}]"#)) else {
            panic!("{name}");
        };
        assert_eq!(event.name(), name);
        assert_eq!(event.known(), None);
    }
}

/// CVE-2022-21676 and CVE-2022-41940: packets of the layer below that make no sense, on a link
/// that is open or opening.
#[test]
fn an_engine_packet_that_makes_no_sense_is_an_error() {
    for (packet, error) in [
        ("", EngineError::Empty),
        ("\u{0}", EngineError::UnknownType),
        ("8", EngineError::UnknownType),
        ("b4AAAA", EngineError::UnknownType),
        ("0", EngineError::Handshake),
        ("0null", EngineError::Handshake),
        (r#"0{"__proto__":{"sid":"x"}}"#, EngineError::Handshake),
        ("1\u{0}", EngineError::Content),
        ("5probe", EngineError::Content),
        ("6\u{1e}6", EngineError::Content),
    ] {
        let packet = Bytes::from(packet);
        assert_eq!(EnginePacket::decode(&packet), Err(error), "{packet:?}");
    }
    for end in 0..=255_u8 {
        let packet = Bytes::from(vec![b'4', end, b'1']);
        assert_eq!(EnginePacket::decode(&packet).is_ok(), end.is_ascii());
    }
}

/// CVE-2022-2421: a placeholder whose number is the name of a method. CVE-2020-36048 and the like:
/// attachments without end.
#[test]
//= docs/spec/zzw-push-proto.md#socket-io
//# A binary packet without a number of attachments or with more than 64 MUST end its link.
fn attachments_are_counted_and_never_looked_at() {
    let placeholder = r#"51-["hello",{"_placeholder":true,"num":"splice"}]"#;
    let refused = Err(PacketError::Binary { attachments: 1 });
    assert_eq!(decode(placeholder), refused);
    for packet in [
        r#"51000000000-["x"]"#,
        r#"565-["x"]"#,
        r#"599999999999999999999999-["x"]"#,
        r#"5-["x"]"#,
        r#"5-1-["x"]"#,
        r#"51["x"]"#,
        r#"5+1-["x"]"#,
        r#"51.0-["x"]"#,
        r#"5x-["x"]"#,
        "5",
        "6",
    ] {
        assert_eq!(decode(packet), Err(PacketError::Attachments), "{packet}");
    }
    let most = format!("6{MAX_ATTACHMENTS}-0[]");
    let attachments = MAX_ATTACHMENTS;
    assert_eq!(decode(most), Err(PacketError::Binary { attachments }));
}

#[test]
//= docs/spec/zzw-push-proto.md#socket-io
//# Attachments that are due MUST NOT hold memory.
fn attachments_that_never_come_hold_nothing() {
    let mut link = link(MAX_PACKET);
    for _ in 0..1_000 {
        let refused = link.text(r#"564-["x"]"#.into());
        assert_eq!(refused, Err(PacketError::Binary { attachments: 64 }));
        let instead = link.text(r#"564-["x"]"#.into());
        assert_eq!(instead, Err(PacketError::Interrupted { due: 64 }));
        assert_eq!(link.binary(), Err(PacketError::Unannounced));
    }
    let counters = link.counters();
    assert_eq!((counters.binary, counters.attachments), (1_000, 0));
    assert_eq!(counters.garbled, 2_000);
}

#[test]
fn a_payload_that_is_no_array_is_refused() {
    for json in ["{}", r#""heartbeat""#, "null", "{\"0\":\"heartbeat\"}"] {
        assert_eq!(decode(format!("2{json}")), Err(PacketError::Shape));
        assert_eq!(decode(format!("31{json}")), Err(PacketError::Shape));
    }
    for json in [r#""x""#, "[]", "null"] {
        assert_eq!(decode(format!("0{json}")), Err(PacketError::Shape));
        assert_eq!(decode(format!("1{json}")), Err(PacketError::Shape));
    }
    for json in ["[", "[\"x\"", "[\"x\",]", "[\"x\"]]", "[\"x\"],[\"y\"]", ""] {
        let refused = matches!(decode(format!("2{json}")), Err(PacketError::Json(_)));
        assert!(refused, "{json}");
    }
}

#[test]
fn an_acknowledgement_number_without_end_is_refused() {
    for digits in [17, 20, 21, 1_000, 100_000] {
        let packet = format!("2{}[\"x\"]", "9".repeat(digits));
        assert_eq!(decode(packet), Err(PacketError::AckId));
    }
}

#[test]
//= docs/spec/zzw-push-proto.md#socket-io
//# A namespace of more than 128 bytes MUST be refused.
fn a_namespace_beyond_the_limit_is_refused() {
    let longest = format!("0/{},", "n".repeat(MAX_NAMESPACE - 1));
    assert!(matches!(decode(longest), Ok(Packet::Foreign(_))));
    let longer = format!("0/{},", "n".repeat(MAX_NAMESPACE));
    assert_eq!(decode(longer), Err(PacketError::Namespace));
    let cut = Bytes::from_static(b"0/\xe5\xb0,");
    assert_eq!(decode(cut), Err(PacketError::Namespace));
}

#[test]
fn depth_costs_no_stack() {
    let deepest = format!(r#"2["x",{}{}]"#, "[".repeat(63), "]".repeat(63));
    assert!(decode(deepest).is_ok());
    let deeper = format!(r#"2["x",{}{}]"#, "[".repeat(64), "]".repeat(64));
    let refused = PacketError::Json(ScanError::TooDeep { max: MAX_DEPTH });
    assert_eq!(decode(deeper), Err(refused));
    assert_eq!(decode(format!("2{}", "[".repeat(1 << 20))), Err(refused));
    let objects = r#"{"a":"#.repeat(1 << 18);
    assert_eq!(decode(format!("2[\"x\",{objects}")), Err(refused));
}

/// CVE-2020-36049: time that grows with the square of the length would be many seconds here.
#[test]
//= docs/spec/zzw-push-proto.md#socket-io
//# The time that reading a packet takes MUST grow in proportion to its length.
fn long_packets_take_time_in_proportion() {
    const LEN: usize = 1 << 20;
    let packets = [
        format!(r#"2["x",{}0]"#, "0,".repeat(LEN / 2)),
        format!(r#"2["x","{}"]"#, "\\\\".repeat(LEN / 2)),
        format!(r#"2["x","{}"]"#, "Ã\u{a9}".repeat(LEN / 4)),
        format!(r#"2["x","{}"#, "é".repeat(LEN / 2)),
        "2".repeat(LEN),
        "0/".repeat(LEN / 2),
        "5".repeat(LEN),
        "{\"".repeat(LEN / 2),
    ];
    for packet in packets {
        let mut escaped = Vec::new();
        escape(&packet, &mut escaped);
        assert!(escaped.len() <= packet.len() * 3);
        if let Ok(Packet::Event(event)) = link(2 * LEN).text(packet.into()) {
            assert!(event.arguments().count() > 0);
        }
    }
    for body in [
        "2:40".repeat(LEN / 4),
        "1".repeat(LEN),
        "4🚪".repeat(LEN / 5),
    ] {
        let body = Bytes::from(body);
        let v4 = PayloadReader::new(Revision::V4, body.clone()).count();
        let v5 = PayloadReader::new(Revision::V5, body).count();
        assert!(v4 == 1 || v4 == LEN / 4, "{v4}");
        assert_eq!(v5, 1);
    }
}

#[test]
//= docs/spec/zzw-push-proto.md#socket-io
//# A packet that cannot be read MUST end its link.
fn everything_a_client_cannot_have_meant_ends_the_link() {
    for packet in ["", "9", "2{}", "2", "31", "5x-[]", "15", "2[\"x\",{]"] {
        assert!(decode(packet).unwrap_err().is_fatal(), "{packet}");
    }
}

//! Packets as the clients of the field send them, and ours.

use bytes::Bytes;
use lenient_wire::ScanError;
use zzw_push_proto::socketio::*;

fn decode(packet: &str) -> Result<Packet, PacketError> {
    Packet::decode(&Bytes::copy_from_slice(packet.as_bytes()))
}

fn event(packet: &str) -> Event {
    match decode(packet) {
        Ok(Packet::Event(event)) => event,
        other => panic!("{other:?}"),
    }
}

fn encoded(packet: &Packet, revision: Revision) -> String {
    let mut out = Vec::new();
    packet.encode(revision, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
//= docs/spec/zzw-push-proto.md#socket-io
//# A packet MUST be read and written in the form of the Socket.IO protocol.
fn every_golden_packet_is_read_and_written_back() {
    let golden = include_str!("samples/socketio/golden.txt");
    let mut count = 0;
    for line in golden.lines().filter(|line| !line.starts_with('#')) {
        let packet = line.strip_prefix('4').expect("an engine.io message");
        let read = decode(packet).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(encoded(&read, Revision::V5), packet);
        count += 1;
    }
    assert_eq!(count, 33);
}

#[test]
fn an_event_gives_its_name_and_exactly_its_arguments() {
    let event = event(r#"212["do_push", {"t":6} ,"小明",1.50,null,[]]"#);
    assert_eq!(event.known(), Some(EventName::DoPush));
    assert_eq!(event.id(), AckId::new(12));
    let arguments: Vec<Bytes> = event.arguments().collect();
    assert_eq!(arguments, ["{\"t\":6}", "\"小明\"", "1.50", "null", "[]"]);
    assert_eq!(event.argument().unwrap(), r#"{"t":6}"#);
}

#[test]
fn arguments_are_slices_of_the_packet() {
    let packet = Bytes::from_static(br#"2["push",{"t":5,"msg":"x"}]"#);
    let Ok(Packet::Event(event)) = Packet::decode(&packet) else {
        panic!("no event");
    };
    let whole = packet.as_ptr_range();
    assert!(whole.contains(&event.argument().unwrap().as_ptr()));
    assert!(whole.contains(&event.arguments().next().unwrap().as_ptr()));
}

#[test]
fn an_event_may_have_no_argument() {
    let event = event(r#"2["heartbeat"]"#);
    assert_eq!(event.argument(), None);
    assert_eq!(event.arguments().count(), 0);
}

#[test]
fn an_escaped_name_is_the_same_name() {
    let event_of = |packet| event(packet).known();
    assert_eq!(event_of(r#"2["\u0070ush",{}]"#), Some(EventName::Push));
    assert_eq!(event(r#"2["推送"]"#).name(), "推送");
}

#[test]
fn an_acknowledgement_needs_its_number() {
    let Ok(Packet::Ack(ack)) = decode(r#"312[{"t":-6,"num":"1"}]"#) else {
        panic!("no acknowledgement");
    };
    assert_eq!(ack.id().value(), 12);
    assert_eq!(ack.argument().unwrap(), r#"{"t":-6,"num":"1"}"#);
    assert_eq!(ack.arguments().count(), 1);
    assert_eq!(decode("3[]"), Err(PacketError::AckId));
    assert!(matches!(decode("30[]"), Ok(Packet::Ack(ack)) if ack.argument().is_none()));
}

#[test]
//= docs/spec/zzw-push-proto.md#socket-io
//# A number of an acknowledgement above 9007199254740991 MUST be refused.
fn an_acknowledgement_number_ends_at_two_to_the_53() {
    assert_eq!(event(r#"29007199254740991["x"]"#).id(), Some(AckId::MAX));
    for id in ["9007199254740992", "18446744073709551616"] {
        assert_eq!(decode(&format!(r#"2{id}["x"]"#)), Err(PacketError::AckId));
    }
    assert_eq!(AckId::new(1 << 53), None);
}

#[test]
//= docs/spec/zzw-push-proto.md#socket-io
//# An alias and a token MUST be read from `auth` in the CONNECT packet of protocol 5.
fn a_connect_of_protocol_5_tells_who_it_is() {
    let Ok(Packet::Connect(connect)) = decode(r#"0{"token":"v2.x","alias":"小明"}"#) else {
        panic!("no connect");
    };
    assert_eq!(connect.alias().as_deref(), Some("小明"));
    assert_eq!(connect.token().as_deref(), Some("v2.x"));
    assert_eq!(decode("0"), Ok(Packet::Connect(Connect::default())));
    assert_eq!(decode("0[]"), Err(PacketError::Shape));
}

#[test]
//= docs/spec/zzw-push-proto.md#socket-io
//# The namespace `/` MUST be served whether it is written out or not.
fn the_default_namespace_may_be_written_out() {
    assert_eq!(event(r#"2/,["pull"]"#).known(), Some(EventName::Pull));
    assert_eq!(event(r#"2/,7["pull"]"#).id(), AckId::new(7));
    let connect = Packet::Connect(Connect::default());
    assert_eq!(decode("0/?alias=m_2,"), Ok(connect));
}

#[test]
//= docs/spec/zzw-push-proto.md#socket-io
//# A CONNECT to another namespace MUST be refused in the shape of the link's protocol.
fn another_namespace_is_refused_in_the_shape_of_its_revision() {
    for connect in ["0/ns", "0/ns,", r#"0/ns,{"alias":"x"}"#, "0/ns?token=x,"] {
        let Ok(packet @ Packet::Foreign(_)) = decode(connect) else {
            panic!("{connect}");
        };
        let v4 = r#"4/ns,"Invalid namespace""#;
        assert_eq!(encoded(&packet, Revision::V4), v4);
        let v5 = r#"4/ns,{"message":"Invalid namespace"}"#;
        assert_eq!(encoded(&packet, Revision::V5), v5);
    }
}

#[test]
//= docs/spec/zzw-push-proto.md#socket-io
//# Anything else for another namespace MUST NOT be answered.
fn whatever_else_comes_for_another_namespace_is_not_answered() {
    for packet in [
        r#"2/ns,["x"]"#,
        "1/ns,",
        "3/ns,1[]",
        r#"4/ns,"x""#,
        "2/ns,}{",
    ] {
        let Ok(packet @ Packet::Foreign(_)) = decode(packet) else {
            panic!("{packet}");
        };
        assert_eq!(encoded(&packet, Revision::V4), "");
    }
}

#[test]
fn a_refusal_says_why_in_the_shape_of_either_protocol() {
    for (json, message) in [
        (r#""Not authorized""#, Some("Not authorized")),
        (r#"{"message":"\u4e0d"}"#, Some("不")),
        (r#"{"message":{}}"#, None),
        ("null", None),
        ("", None),
    ] {
        let Ok(Packet::Error(refusal)) = decode(&format!("4{json}")) else {
            panic!("{json}");
        };
        assert_eq!(refusal.json(), json);
        assert_eq!(refusal.message().as_deref(), message);
    }
}

#[test]
//= docs/spec/zzw-push-proto.md#socket-io
//# A binary packet MUST be dropped together with its attachments, and its link live on.
fn a_binary_packet_is_dropped_with_its_attachments_and_the_link_lives() {
    let mut link = Decoder::new(Revision::V4, Opening::Websocket);
    let packet = r#"52-["x",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#;
    let error = link.text(packet.into()).unwrap_err();
    assert_eq!(error, PacketError::Binary { attachments: 2 });
    assert!(!error.is_fatal());
    assert_eq!(link.binary(), Ok(()));
    assert_eq!(link.binary(), Ok(()));
    assert!(link.text(r#"2["heartbeat"]"#.into()).is_ok());
    let counters = link.counters();
    assert_eq!((counters.binary, counters.attachments), (1, 2));
    assert_eq!(counters.garbled, 0);
}

#[test]
//= docs/spec/zzw-push-proto.md#socket-io
//# Text where an attachment is due MUST end its link, and so an attachment that is not due.
fn a_binary_packet_without_attachments_drops_nothing_more() {
    let mut link = Decoder::new(Revision::V5, Opening::Websocket);
    let error = link.text(r#"60-5["x"]"#.into()).unwrap_err();
    assert_eq!(error, PacketError::Binary { attachments: 0 });
    assert_eq!(link.binary(), Err(PacketError::Unannounced));
}

#[test]
//= docs/spec/zzw-push-proto.md#socket-io
//# Text where an attachment is due MUST end its link, and so an attachment that is not due.
fn text_between_attachments_is_the_end_of_the_link() {
    let mut link = Decoder::new(Revision::V5, Opening::Websocket);
    link.text(r#"52-["x"]"#.into()).unwrap_err();
    link.binary().unwrap();
    let error = link.text(r#"2["heartbeat"]"#.into()).unwrap_err();
    assert_eq!(error, PacketError::Interrupted { due: 1 });
    assert!(error.is_fatal());
}

#[test]
//= docs/spec/zzw-push-proto.md#socket-io
//# A packet of more than 102400 bytes MUST be refused unless another limit is set.
fn a_packet_of_the_limit_is_taken_and_one_byte_more_is_not() {
    let packet = r#"2["heartbeat"]"#;
    let max = packet.len();
    let mut link = Decoder::new(Revision::V5, Opening::Websocket).with_max_len(max);
    assert!(link.text(packet.into()).is_ok());
    let longer = format!("{packet} ");
    assert_eq!(link.text(longer.into()), Err(PacketError::TooLong { max }));
    assert_eq!(link.counters().garbled, 1);
    let link = Decoder::new(Revision::V5, Opening::Websocket);
    assert_eq!(link.max_len(), 102_400);
}

#[test]
fn what_is_no_packet_is_told_apart() {
    assert_eq!(decode(""), Err(PacketError::Empty));
    assert_eq!(decode("7"), Err(PacketError::UnknownType));
    assert_eq!(decode("[]"), Err(PacketError::UnknownType));
    assert_eq!(decode(r#"1"bye""#), Err(PacketError::Shape));
    assert_eq!(decode("15"), Err(PacketError::AckId));
    let syntax = |at| Err(PacketError::Json(ScanError::Syntax { at }));
    assert_eq!(decode("2"), syntax(0));
    assert_eq!(decode("2[\"x\",{'t':1}]"), syntax(6));
    let cut = Bytes::from_static(b"2[\"\xe5\xb0\"]");
    let utf8 = PacketError::Json(ScanError::Utf8 { at: 2 });
    assert_eq!(Packet::decode(&cut), Err(utf8));
}

#[test]
//= docs/spec/zzw-push-proto.md#socket-io
//# The object of a reply MUST be sent as the acknowledgement, too, where the event asks for one,
//# and an empty acknowledgement where there is no reply.
fn a_reply_event_and_its_acknowledgement_carry_the_same_object() {
    let event = event(r#"212["do_push",{"t":6,"num":"7"}]"#);
    let reply = event.known().and_then(EventName::reply).unwrap();
    let object: &[u8] = br#"{"t":-6,"num":"7"}"#;
    let mut out = Vec::new();
    write_event(&mut out, None, reply.as_str(), &[object]);
    assert_eq!(out, br#"2["do_push_c",{"t":-6,"num":"7"}]"#);
    out.clear();
    write_ack(&mut out, event.id().unwrap(), &[object]);
    assert_eq!(out, br#"312[{"t":-6,"num":"7"}]"#);
}

#[test]
//= docs/spec/zzw-push-proto.md#permission
//# Tokens, bodies of messages, what a device tells about itself and frames of rooms MUST NOT appear
//# in debug output.
fn debug_shows_neither_messages_nor_tokens() {
    for packet in [
        r#"2["push",{"msg":"secret"}]"#,
        r#"31["secret"]"#,
        r#"0{"token":"secret"}"#,
        r#"4"secret""#,
        "2/secret,[]",
    ] {
        let shown = format!("{:?}", decode(packet).unwrap());
        assert!(!shown.contains("secret"), "{shown}");
    }
    let argument = Bytes::from_static(br#"{"msg":"secret"}"#);
    assert!(!format!("{:?}", payload(&argument)).contains("secret"));
}

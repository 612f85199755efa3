//! Chinese and emoji, byte for byte, through clients that encode once or twice.

use bytes::Bytes;
use std::collections::BTreeMap;
use zzw_push_proto::socketio::engine::{EnginePacket, PayloadReader};
use zzw_push_proto::socketio::*;

const PACKET: &str = r#"2["push",{"msg":"3栋2单元 小明 门🚪👨‍👩‍👧 é € ￿"}]"#;

/// What a client of 1.x makes of a text: its UTF-8, each byte taken for a character.
fn twice(text: &str) -> Bytes {
    text.bytes().map(char::from).collect::<String>().into()
}

/// What such a client makes of what it polls, or `None` where it hangs up.
fn polled_by_1_x(text: &[u8]) -> Option<String> {
    let low: Result<Vec<u8>, _> = std::str::from_utf8(text)
        .ok()?
        .chars()
        .map(u8::try_from)
        .collect();
    String::from_utf8(low.ok()?).ok()
}

#[test]
//= docs/spec/zzw-push-proto.md#doubly-encoded-text
//# Text that came over Engine.IO 3 on a link opened by polling MUST be decoded once more if no
//# character is above U+00FF and their low bytes are UTF-8 beyond ASCII.
//= docs/spec/zzw-push-proto.md#doubly-encoded-text
//# What is sent on a link that may encode twice MUST be ASCII with a JSON escape for every other
//# character.
fn text_encoded_twice_is_right_at_the_server_and_at_another_client() {
    let mut sender = Decoder::new(Revision::V4, Opening::Polling);
    let Ok(Packet::Event(event)) = sender.text(twice(PACKET)) else {
        panic!("no event");
    };
    assert_eq!(event.json(), &PACKET[1..]);
    assert_eq!(sender.fold().unwrap().memory(), FoldMemory::Twice);
    assert_eq!(sender.counters().folded, 1);

    let old = Decoder::new(Revision::V4, Opening::Polling);
    let sent = old.outbound(PACKET);
    assert!(sent.is_ascii());
    let seen = polled_by_1_x(&sent).expect("the client stays");
    let (once, through_1_x): (serde_json::Value, serde_json::Value) = (
        serde_json::from_str(&PACKET[1..]).unwrap(),
        serde_json::from_str(&seen[1..]).unwrap(),
    );
    assert_eq!(once, through_1_x);
    assert_eq!(polled_by_1_x(PACKET.as_bytes()), None, "why it is escaped");

    let new = Decoder::new(Revision::V5, Opening::Polling);
    assert_eq!(new.outbound(PACKET), PACKET.as_bytes());
}

#[test]
//= docs/spec/zzw-push-proto.md#doubly-encoded-text
//# A link on which a character above U+00FF came before any text was decoded once more MUST be
//# taken to encode once from then on.
fn a_link_that_encodes_once_is_never_touched_again() {
    let mut fold = Fold::default();
    let latin = Bytes::from("Ã©"); // `é`, had it been encoded twice
    assert_eq!(fold.fold("小明".into()), "小明");
    assert_eq!(fold.memory(), FoldMemory::Plain);
    assert_eq!(fold.fold(latin.clone()), latin);
    assert_eq!((fold.folded(), fold.kept()), (0, 0));
}

#[test]
fn ascii_tells_nothing() {
    let mut fold = Fold::default();
    assert_eq!(fold.fold("2[\"pull\"]".into()), "2[\"pull\"]");
    assert_eq!(fold.memory(), FoldMemory::Unknown);
}

#[test]
//= docs/spec/zzw-push-proto.md#doubly-encoded-text
//# Text that might be encoded twice and cannot be decoded once more MUST be kept as it is and
//# counted.
fn what_cannot_be_folded_is_kept_and_counted() {
    let mut fold = Fold::default();
    assert_eq!(fold.fold("café".into()), "café");
    assert_eq!((fold.memory(), fold.kept()), (FoldMemory::Unknown, 1));
    assert_eq!(fold.fold(twice("小明")), "小明");
    assert_eq!((fold.memory(), fold.folded()), (FoldMemory::Twice, 1));
    assert_eq!(fold.fold("café".into()), "café");
    let garbage = Bytes::from_static(b"\xff\xfe");
    assert_eq!(fold.fold(garbage.clone()), garbage);
    assert_eq!(fold.kept(), 3);
}

#[test]
//= docs/spec/zzw-push-proto.md#doubly-encoded-text
//# A link that encodes twice MUST be read right when it encodes once after its upgrade.
fn after_its_upgrade_a_doubling_client_encodes_once_and_is_read_right() {
    let mut fold = Fold::default();
    fold.fold(twice("小明"));
    assert_eq!(fold.fold("小明 é".into()), "小明 é");
    assert_eq!(fold.memory(), FoldMemory::Twice);
    assert_eq!(fold.fold(twice("门🚪")), "门🚪");
}

#[test]
//= docs/spec/zzw-push-proto.md#doubly-encoded-text
//# Text on any other link MUST NOT be decoded once more.
fn only_links_of_engine_3_opened_by_polling_are_folded_and_escaped() {
    for (revision, opening, doubles) in [
        (Revision::V4, Opening::Polling, true),
        (Revision::V4, Opening::Websocket, false),
        (Revision::V5, Opening::Polling, false),
        (Revision::V5, Opening::Websocket, false),
    ] {
        let mut link = Decoder::new(revision, opening);
        assert_eq!(link.wants_escapes(), doubles);
        let Ok(Packet::Event(event)) = link.text(twice(r#"2["小明"]"#)) else {
            panic!("no event");
        };
        assert_eq!(event.name() == "小明", doubles);
        assert_eq!(link.outbound("小明") == "小明".as_bytes(), !doubles);
    }
}

#[test]
//= docs/spec/zzw-push-proto.md#doubly-encoded-text
//# What is sent on a link that may encode twice MUST be ASCII with a JSON escape for every other
//# character.
fn every_character_outside_ascii_becomes_one_or_two_units() {
    let mut out = Vec::new();
    escape("a\u{7f}\u{80}é中\u{ffff}🚪\u{10ffff}z", &mut out);
    let expected = concat!(
        "a\u{7f}",
        r"\u0080\u00e9\u4e2d\uffff\ud83d\udeaa\udbff\udfffz"
    );
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

/// Bodies that the encoders of the official clients made of the same three packets: 1.3.2 is that
/// of 1.7.4, 2.2.1 that of 2.5.0, 5.2.3 that of 4.8.
#[test]
//= docs/spec/zzw-push-proto.md#doubly-encoded-text
//# Text that came over Engine.IO 3 on a link opened by polling MUST be decoded once more if no
//# character is above U+00FF and their low bytes are UTF-8 beyond ASCII.
fn what_the_official_clients_post_is_read_the_same() {
    let recorded = include_str!("samples/socketio/polled.json");
    let recorded: BTreeMap<String, String> = serde_json::from_str(recorded).unwrap();
    for (revision, encoder, memory) in [
        (Revision::V4, "engine.io-parser 1.3.2", FoldMemory::Twice),
        (Revision::V4, "engine.io-parser 2.2.1", FoldMemory::Plain),
        (Revision::V5, "engine.io-parser 5.2.3", FoldMemory::Unknown),
    ] {
        let mut link = Decoder::new(revision, Opening::Polling);
        let body = Bytes::from(recorded[encoder].clone());
        let packets: Result<Vec<_>, _> = PayloadReader::new(revision, body).collect();
        let packets = packets.expect(encoder);
        let [
            EnginePacket::Ping(_),
            EnginePacket::Message(register),
            EnginePacket::Message(_),
        ] = &packets[..]
        else {
            panic!("{encoder}: {packets:?}");
        };
        let Ok(Packet::Event(event)) = link.text(register.clone()) else {
            panic!("{encoder}");
        };
        assert_eq!(event.json(), &recorded["packet"][1..], "{encoder}");
        let shown = link.fold().map_or(FoldMemory::Unknown, Fold::memory);
        assert_eq!(shown, memory, "{encoder}");
    }
}

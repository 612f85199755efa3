//! What holds for every text.

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::Value;
use zzw_push_proto::socketio::engine::*;
use zzw_push_proto::socketio::*;

fn revision() -> impl Strategy<Value = Revision> {
    prop_oneof![Just(Revision::V4), Just(Revision::V5)]
}

fn opening() -> impl Strategy<Value = Opening> {
    prop_oneof![Just(Opening::Polling), Just(Opening::Websocket)]
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[a-z一-龥🚪é]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z门]{0,4}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Text that gets past the first few checks.
fn packet_like() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        "[0-6]",
        "[0-9]{0,18}",
        Just("/".to_owned()),
        "/[a-z门]{0,4}[,?]",
        Just("-".to_owned()),
        Just(r#"["push",{"msg":"门"}]"#.to_owned()),
        Just(r#"{"alias":"Ã©"}"#.to_owned()),
        r#"[\[\]{},:"\\0-9a-z门é🚪 ]{0,12}"#,
        any::<String>(),
    ];
    prop::collection::vec(part, 0..6).prop_map(|parts| parts.concat())
}

fn twice(text: &str) -> Bytes {
    text.bytes().map(char::from).collect::<String>().into()
}

proptest! {
    #[test]
    fn an_event_that_was_written_is_read_as_it_was(
        id in prop::option::of(0..=AckId::MAX.value()),
        name in any::<String>(),
        arguments in prop::collection::vec(json().prop_map(|json| json.to_string()), 0..4),
        revision in revision(),
        opening in opening(),
    ) {
        let id = id.and_then(AckId::new);
        let raw: Vec<&[u8]> = arguments.iter().map(String::as_bytes).collect();
        let mut out = Vec::new();
        write_event(&mut out, id, &name, &raw);
        let packet = Bytes::from(out);
        let Packet::Event(event) = Packet::decode(&packet).expect("our own") else {
            return Err(TestCaseError::fail("no event"));
        };
        prop_assert_eq!(event.id(), id);
        prop_assert_eq!(event.name(), name);
        prop_assert_eq!(event.arguments().collect::<Vec<_>>(), arguments.clone());
        prop_assert_eq!(event.argument(), event.arguments().next());
        prop_assert_eq!(event.payload(), event.argument().as_ref().and_then(payload));
        let mut again = Vec::new();
        Packet::Event(event.clone()).encode(revision, &mut again);
        prop_assert_eq!(&packet, &again);

        // As another client reads it, through the escapes if there are any.
        let text = std::str::from_utf8(&packet).expect("our own");
        let sent = Decoder::new(revision, opening).outbound(text).into_owned();
        let Packet::Event(seen) = Packet::decode(&sent.into()).expect("our own") else {
            return Err(TestCaseError::fail("no event"));
        };
        prop_assert_eq!(seen.name(), event.name());
        let parsed = |event: &Event| serde_json::from_slice::<Value>(event.json()).expect("json");
        prop_assert_eq!(parsed(&seen), parsed(&event));
    }

    #[test]
    fn an_acknowledgement_that_was_written_is_read_as_it_was(
        id in 0..=AckId::MAX.value(),
        arguments in prop::collection::vec(json().prop_map(|json| json.to_string()), 0..4),
    ) {
        let id = AckId::new(id).expect("in range");
        let raw: Vec<&[u8]> = arguments.iter().map(String::as_bytes).collect();
        let mut out = Vec::new();
        write_ack(&mut out, id, &raw);
        let Packet::Ack(ack) = Packet::decode(&out.into()).expect("our own") else {
            return Err(TestCaseError::fail("no acknowledgement"));
        };
        prop_assert_eq!(ack.id(), id);
        prop_assert_eq!(ack.arguments().collect::<Vec<_>>(), arguments);
    }

    #[test]
    fn whatever_is_read_is_written_and_read_the_same(
        packets in prop::collection::vec(packet_like(), 1..6),
        revision in revision(),
        opening in opening(),
    ) {
        let mut link = Decoder::new(revision, opening);
        for text in packets {
            let len = text.len();
            let Ok(packet) = link.text(text.into()) else { continue };
            let mut out = Vec::new();
            packet.encode(revision, &mut out);
            if let Packet::Foreign(_) = packet {
                prop_assert!(out.len() <= MAX_NAMESPACE + 40);
            } else {
                prop_assert!(out.len() <= len);
                prop_assert_eq!(Packet::decode(&out.into()), Ok(packet));
            }
        }
    }

    #[test]
    //= docs/spec/zzw-push-proto.md#message
    //# A reader MUST NOT panic, whatever bytes it is given.
    fn no_bytes_bring_a_link_down(
        messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 0..8),
        revision in revision(),
        opening in opening(),
    ) {
        let mut link = Decoder::new(revision, opening);
        for message in messages {
            let message = Bytes::from(message);
            if let Ok(Packet::Event(event)) = link.text(message.clone()) {
                event.arguments().for_each(|argument| drop(payload(&argument)));
            }
            let _ = payload(&message);
            let _ = EnginePacket::decode(&message);
            let read = PayloadReader::new(revision, message.clone()).count();
            prop_assert!(read <= message.len() + 1);
        }
    }

    #[test]
    //= docs/spec/zzw-push-proto.md#doubly-encoded-text
    //# What is sent on a link that may encode twice MUST be ASCII with a JSON escape for every
    //# other character.
    fn an_escaped_text_is_ascii_and_says_the_same(text in any::<String>()) {
        let json = Value::from(text).to_string();
        let mut out = Vec::new();
        escape(&json, &mut out);
        prop_assert!(out.is_ascii());
        let said: Value = serde_json::from_slice(&out).expect("still json");
        prop_assert_eq!(said.to_string(), json.clone());
        let mut again = Vec::new();
        escape(std::str::from_utf8(&out).expect("ascii"), &mut again);
        prop_assert_eq!(out, again);
    }

    #[test]
    fn a_text_encoded_twice_is_folded_once(text in any::<String>(), more in any::<String>()) {
        let mut fold = Fold::default();
        prop_assert_eq!(fold.fold(twice(&text)), text.clone());
        prop_assert_eq!(fold.fold(twice(&more)), more.clone());
        let told = !(text.is_ascii() && more.is_ascii());
        let memory = if told { FoldMemory::Twice } else { FoldMemory::Unknown };
        prop_assert_eq!(fold.memory(), memory);
    }

    #[test]
    //= docs/spec/zzw-push-proto.md#doubly-encoded-text
    //# Text that came over Engine.IO 3 on a link opened by polling MUST be decoded once more if no
    //# character is above U+00FF and their low bytes are UTF-8 beyond ASCII.
    fn a_fold_does_what_its_rule_says(
        texts in prop::collection::vec("[a-cÃ©é中🚪\u{80}-\u{ff}]{0,4}", 0..12),
    ) {
        let mut fold = Fold::default();
        let (mut memory, mut folded, mut kept) = (FoldMemory::Unknown, 0, 0);
        for text in texts {
            let low: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(c).ok()).collect();
            let once = low.clone().and_then(|low| String::from_utf8(low).ok());
            let expected = match (memory, once) {
                (FoldMemory::Plain, _) => text.clone(),
                _ if text.is_ascii() => text.clone(),
                (_, Some(once)) => {
                    memory = FoldMemory::Twice;
                    folded += 1;
                    once
                }
                (FoldMemory::Unknown, None) if low.is_none() => {
                    memory = FoldMemory::Plain;
                    text.clone()
                }
                (_, None) => {
                    kept += 1;
                    text.clone()
                }
            };
            prop_assert_eq!(fold.fold(text.into()), expected);
            prop_assert_eq!(fold.memory(), memory);
        }
        prop_assert_eq!((fold.folded(), fold.kept()), (folded, kept));
    }

    #[test]
    fn a_payload_that_was_written_is_read_as_it_was(
        texts in prop::collection::vec("[^\u{1e}]{0,12}", 1..6),
        revision in revision(),
    ) {
        let packets: Vec<EnginePacket> = texts
            .into_iter()
            .map(|text| EnginePacket::Message(text.into()))
            .collect();
        let mut out = Vec::new();
        let mut writer = PayloadWriter::new(revision, &mut out);
        for packet in &packets {
            writer.push(packet);
        }
        let read: Result<Vec<_>, _> = PayloadReader::new(revision, out.into()).collect();
        prop_assert_eq!(read, Ok(packets));
    }

    #[test]
    //= docs/spec/zzw-push-proto.md#engine-io
    //# Lengths in a polling payload of Engine.IO 3 MUST count UTF-16 code units.
    fn a_length_is_the_one_of_javascript(text in any::<String>()) {
        let mut out = Vec::new();
        let packet = EnginePacket::Message(text.clone().into());
        PayloadWriter::new(Revision::V4, &mut out).push(&packet);
        let units = text.encode_utf16().count() + 1;
        prop_assert_eq!(out, format!("{units}:4{text}").into_bytes());
    }

    #[test]
    //= docs/spec/zzw-push-proto.md#engine-io
    //# An alias and a token MUST be read from the query, percent-decoded once, the first of several
    //# and none that is empty.
    fn a_query_that_was_written_is_read_as_it_was(
        revision in revision(),
        alias in prop::option::of("\\PC{1,40}"),
        token in prop::option::of("[ -~]{1,40}"),
    ) {
        let mut query = Query::new(revision, Transport::Polling);
        query.alias = alias;
        query.token = token;
        let text = query.to_string();
        prop_assert!(text.is_ascii());
        prop_assert_eq!(Query::parse(&text), Ok(query));
    }

    #[test]
    fn no_query_is_too_odd(text in any::<String>(), tail in "[%+&=a-f0-9]{0,40}") {
        let _ = Query::parse(&text);
        let query = Query::parse(&format!("EIO=3&transport=polling&alias={tail}"));
        if let Ok(query) = query {
            prop_assert_eq!(Query::parse(&query.to_string()), Ok(query));
        }
    }

    #[test]
    fn a_handshake_that_was_written_is_read_as_it_was(
        sid in "\\PC{1,32}",
        upgrades in prop::collection::vec("[a-z]{1,12}", 0..4),
        interval in 1..86_400_000_u64,
        max_payload in prop::option::of(0..(1_u64 << 53)),
    ) {
        let mut open = Handshake::new(sid);
        open.upgrades = upgrades;
        open.ping_interval = std::time::Duration::from_millis(interval);
        open.max_payload = max_payload;
        let packet = EnginePacket::Open(open);
        let mut out = Vec::new();
        packet.encode(&mut out);
        prop_assert_eq!(EnginePacket::decode(&out.into()), Ok(packet));
    }
}

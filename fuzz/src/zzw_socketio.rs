//! Socket.IO and Engine.IO: nothing panics, what is read is written the same, nothing grows.

use arbitrary::{Arbitrary, Unstructured};
use bytes::Bytes;
use zzw_push_proto::socketio::engine::*;
use zzw_push_proto::socketio::*;

const REVISIONS: [Revision; 2] = [Revision::V4, Revision::V5];

/// The messages of one link, a line each: what is read is written and read the same, and a JSON
/// parser agrees with every slice. An empty line is a binary message.
pub fn packet(data: &[u8]) {
    let mut u = Unstructured::new(data);
    for revision in REVISIONS {
        for opening in [Opening::Polling, Opening::Websocket] {
            let mut link = Decoder::new(revision, opening);
            for line in data.split(|byte| *byte == b'\n') {
                if line.is_empty() {
                    let _ = link.binary();
                } else if let Ok(packet) = link.text(Bytes::copy_from_slice(line)) {
                    check(&packet, revision, line.len());
                }
            }
            let lines = data.split(|byte| *byte == b'\n').count() as u64;
            let counters = link.counters();
            assert!(counters.garbled + counters.binary + counters.foreign <= lines);
            assert!(counters.attachments <= counters.binary * u64::from(MAX_ATTACHMENTS));
        }
    }
    while !u.is_empty()
        && let Ok(packet) = Packet::arbitrary(&mut u)
    {
        check(&packet, Revision::V5, usize::MAX);
    }
}

fn check(packet: &Packet, revision: Revision, len: usize) {
    let mut out = Vec::new();
    packet.encode(revision, &mut out);
    let (arguments, json): (Vec<Bytes>, &Bytes) = match packet {
        Packet::Foreign(_) => return assert!(out.len() <= MAX_NAMESPACE + 40),
        Packet::Event(event) => {
            let frame = event.argument().as_ref().and_then(payload);
            assert_eq!(event.payload(), frame);
            let _ = event.known();
            (event.arguments().collect(), event.json())
        }
        Packet::Ack(ack) => (ack.arguments().collect(), ack.json()),
        Packet::Connect(connect) => {
            let _ = (connect.alias(), connect.token(), connect.sid());
            (Vec::new(), &Bytes::new())
        }
        _ => (Vec::new(), &Bytes::new()),
    };
    assert!(out.len() <= len);
    assert_eq!(Packet::decode(&out.into()).as_ref(), Ok(packet));
    if !json.is_empty() {
        let array: Vec<&serde_json::value::RawValue> =
            serde_json::from_slice(json).expect("an array");
        let expected = array.iter().map(|value| value.get().as_bytes());
        let skipped = usize::from(matches!(packet, Packet::Event(_)));
        assert!(
            expected
                .skip(skipped)
                .eq(arguments.iter().map(|raw| &raw[..]))
        );
    }
}

/// A link's texts, a line each: they never grow, what was encoded twice is read right, and what is
/// escaped says the same.
pub fn text_fold(data: &[u8]) {
    let mut fold = Fold::default();
    for line in data.split(|byte| *byte == b'\n') {
        let before = fold.memory();
        let folded = fold.fold(Bytes::copy_from_slice(line));
        assert!(folded.len() <= line.len());
        assert!(folded == line || fold.memory() == FoldMemory::Twice);
        assert!(before == FoldMemory::Unknown || fold.memory() == before);
        let Ok(text) = std::str::from_utf8(line) else {
            assert_eq!(folded, line);
            continue;
        };
        assert!(std::str::from_utf8(&folded).is_ok());
        let twice: String = text.bytes().map(char::from).collect();
        assert_eq!(Fold::default().fold(twice.into()), text);
        let mut escaped = Vec::new();
        escape(text, &mut escaped);
        assert!(escaped.is_ascii() && escaped.len() <= 3 * text.len());
        let json = serde_json::to_string(text).expect("text");
        let mut escaped = Vec::new();
        escape(&json, &mut escaped);
        let said: String = serde_json::from_slice(&escaped).expect("still json");
        assert_eq!(said, text);
        let _ = payload(&Bytes::from(json));
    }
}

/// A polling payload, a packet, a query: what is read is written and read the same.
pub fn engine(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    for revision in REVISIONS {
        let read: Vec<_> = PayloadReader::new(revision, bytes.clone()).collect();
        assert!(read.len() <= data.len() + 1);
        let errors = read.iter().filter(|packet| packet.is_err()).count();
        assert!(errors == 0 || errors == 1 && read.last().is_some_and(Result::is_err));
        let mut packets: Vec<EnginePacket> = read.into_iter().flatten().collect();
        packets.retain(|packet| *packet != EnginePacket::Binary);
        if packets.is_empty() {
            continue;
        }
        let mut out = Vec::new();
        let mut writer = PayloadWriter::new(revision, &mut out);
        for packet in &packets {
            writer.push(packet);
        }
        let again: Result<Vec<_>, _> = PayloadReader::new(revision, out.into()).collect();
        assert_eq!(again.as_ref(), Ok(&packets));
    }
    if let Ok(packet) = EnginePacket::decode(&bytes) {
        let mut out = Vec::new();
        packet.encode(&mut out);
        assert_eq!(EnginePacket::decode(&out.into()), Ok(packet));
    }
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(query) = Query::parse(text)
        && query.to_string().len() <= Query::MAX_LEN
    {
        assert_eq!(Query::parse(&query.to_string()), Ok(query));
    }
}

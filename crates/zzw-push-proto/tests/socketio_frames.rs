//! Events and the messages they carry.

use zzw_push_proto::socketio::*;
use zzw_push_proto::wire::{Lenience, Message, MessageKind};

#[test]
//= docs/spec/zzw-push-proto.md#socket-io
//# An event MUST carry the message that its name stands for.
fn every_golden_event_carries_the_message_of_its_name() {
    let golden = include_str!("samples/socketio/golden.txt");
    let mut count = 0;
    for line in golden.lines().filter(|line| !line.starts_with('#')) {
        let packet = line.strip_prefix('4').expect("an engine.io message");
        let Ok(Packet::Event(event)) = Packet::decode(&packet.into()) else {
            continue;
        };
        let Some(frame) = event.payload() else {
            assert_eq!(event.argument(), None, "{line}");
            continue;
        };
        let kind = MessageKind::of_event(event.known().expect("a documented event"));
        let message = Message::decode_event(kind, frame.json.clone(), Lenience::Strict)
            .unwrap_or_else(|error| panic!("{line}: {error}"))
            .message;
        let failed = line.contains(r#""t":0"#);
        let expected = if failed { MessageKind::Failure } else { kind };
        assert_eq!(message.kind(), Some(expected), "{line}");
        count += 1;
    }
    assert_eq!(count, 24);
}

#[test]
//= docs/spec/zzw-push-proto.md#socket-io
//# An event MUST carry the message that its name stands for.
fn names_and_types_agree_with_those_of_the_messages() {
    for event in EventName::ALL {
        let kind = MessageKind::of_event(event);
        assert_eq!(kind.event(), Some(event));
        let reply = event.reply().map(MessageKind::of_event);
        assert_eq!(kind.reply(), reply, "{event}");
        if let Some(t) = event.t() {
            assert_eq!(MessageKind::of_t(t), Some(kind), "{event}");
        }
    }
}

/// Java's lenient writers put single quotes into the text they emit.
#[test]
//= docs/spec/zzw-push-proto.md#socket-io
//# A text with broken JSON in it MUST be repaired like any other message.
fn a_broken_frame_inside_a_text_is_repaired_like_any_other() {
    let packet = r#"2["heartbeat","{'t':1,'alias':'小明'}"]"#;
    let Ok(Packet::Event(event)) = Packet::decode(&packet.into()) else {
        panic!("no event");
    };
    let frame = event.payload().expect("a frame");
    let decode =
        |lenience| Message::decode_event(MessageKind::Heartbeat, frame.json.clone(), lenience);
    let read = decode(Lenience::Vendor).expect("repaired");
    assert!(read.is_repaired);
    assert_eq!(read.message.kind(), Some(MessageKind::Heartbeat));
    assert!(decode(Lenience::Strict).is_err());
}

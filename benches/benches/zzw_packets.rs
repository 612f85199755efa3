//! Socket.IO packets beside arrays of `serde_json`, in both revisions: one says the frame's object
//! in its argument, the other often a text that holds it.

use benches::Group;
use bytes::Bytes;
use serde_json::Value;
use std::hint::black_box;
use zzw_push_proto::socketio::{Decoder, Opening, Packet, Revision, write_event};
use zzw_push_proto::wire::{Lenience, Message, MessageKind};

/// From the packet to the message.
pub(crate) fn decode(frame: &str) {
    for (revision, name) in [(Revision::V4, "protocol 4"), (Revision::V5, "protocol 5")] {
        let packet = Bytes::from(format!(r#"212["do_push",{frame}]"#));
        let _shared = packet.clone();
        let mut link = Decoder::new(revision, Opening::Polling);
        Group::new(format!("zzw: Socket.IO event to message, {name}"))
            .bytes(packet.len())
            .case("ours", || {
                let Ok(Packet::Event(event)) = link.text(packet.clone()) else {
                    return false;
                };
                let (Some(name), Some(payload)) = (event.known(), event.payload()) else {
                    return false;
                };
                let kind = MessageKind::of_event(name);
                Message::decode_event(kind, payload.json, Lenience::Vendor).is_ok()
            })
            .case("ours, packet only", || {
                matches!(Packet::decode(&packet), Ok(Packet::Event(_)))
            })
            .case("serde_json Value", || {
                let (_, json) = black_box(&packet).split_at(3);
                let event: Value = serde_json::from_slice(json).unwrap();
                event[0] == "do_push" && event[1]["t"] == 6
            })
            .against("ours", "serde_json Value")
            .against("ours, packet only", "serde_json Value")
            .run();
    }
}

/// From the message to the packet.
pub(crate) fn encode(frame: &str) {
    let json = Bytes::from(frame.to_owned());
    let message = Message::decode(json, Lenience::Strict).unwrap().message;
    let peer: Value = serde_json::from_str(frame).unwrap();
    let [mut out, mut object, mut written] = [(); 3].map(|()| Vec::with_capacity(1024));
    Group::new("zzw: message to Socket.IO event")
        .bytes(frame.len())
        .case("ours, buffers reused", || {
            object.clear();
            out.clear();
            message.encode_event(&mut object);
            write_event(&mut out, None, "push", &[&object]);
            out.len()
        })
        .case("serde_json Value", || {
            let event = serde_json::json!(["push", black_box(&peer)]);
            let mut packet = String::from("2");
            packet.push_str(&event.to_string());
            packet
        })
        .case("serde_json to_writer, buffer reused", || {
            written.clear();
            written.push(b'2');
            serde_json::to_writer(&mut written, &("push", black_box(&peer))).unwrap();
            written.len()
        })
        .against("ours, buffers reused", "serde_json Value")
        .against(
            "ours, buffers reused",
            "serde_json to_writer, buffer reused",
        )
        .run();
}

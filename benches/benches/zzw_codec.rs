//! Messages of the zzw push system beside what a program would do with `serde_json` and tokio's
//! codecs, and beside the limits of the machine.

mod zzw_frames;
mod zzw_framing;
mod zzw_packets;
mod zzw_serde;

use benches::Group;
use bytes::Bytes;
use serde::Deserialize;
use std::hint::black_box;
use zzw_frames::{ACK, DELIVERY, ESCAPED, HEARTBEAT, PUBLISH, REGISTER, REPLY};
use zzw_push_proto::wire::{DeliveryFrame, Lenience, Message, Mid};
use zzw_serde::{Flat, OwnedDelivery, OwnedPublish, OwnedReply, Type, Untagged};

fn main() {
    decode::<Vec<&str>>("publish", PUBLISH);
    decode::<Vec<&str>>("publish, body with escapes", ESCAPED);
    decode::<Vec<&str>>("register", REGISTER);
    decode::<&str>("heartbeat", HEARTBEAT);
    decode::<&str>("ack", ACK);
    decode::<&str>("delivery", DELIVERY);
    encode_push();
    encode_reply();
    fan_out();
    zzw_framing::mixed(&[PUBLISH, REGISTER, HEARTBEAT, ACK, DELIVERY]);
    zzw_framing::growth();
    zzw_packets::decode(PUBLISH);
    zzw_packets::encode(DELIVERY);
}

fn decode<T: Deserialize<'static>>(name: &str, line: &'static str) {
    // As it comes from a socket: shared memory, which a line is a slice of.
    let json = Bytes::from(line.to_owned());
    let shared = json.clone();
    Group::new(format!("zzw: decode, {name}"))
        .bytes(json.len())
        .case("ours", || {
            Message::decode(shared.clone(), Lenience::Vendor).is_ok()
        })
        .case("serde_json Value", || {
            serde_json::from_slice::<serde_json::Value>(black_box(&json)).is_ok()
        })
        .case("serde_json borrowed flat struct", || {
            serde_json::from_slice::<Flat<'_, T>>(black_box(line.as_bytes())).is_ok()
        })
        .case("serde_json untagged enum", || {
            serde_json::from_slice::<Untagged<'_>>(black_box(&json)).is_ok()
        })
        .case("serde_json {t}", || {
            serde_json::from_slice::<Type>(black_box(&json)).is_ok()
        })
        .goal("ours", "serde_json Value", 4.0)
        .goal("ours", "serde_json borrowed flat struct", 2.5)
        .goal("ours", "serde_json untagged enum", 6.0)
        .against("ours", "serde_json {t}")
        .run();
}

fn encode_push() {
    let message = message(PUBLISH);
    let peer: OwnedPublish = serde_json::from_str(PUBLISH).unwrap();
    let mut out = Vec::with_capacity(1024);
    Group::new("zzw: encode, publish")
        .bytes(PUBLISH.len())
        .case("ours, buffer reused", || {
            out.clear();
            message.encode(&mut out);
            out.len()
        })
        .case("serde_json to_vec", || {
            serde_json::to_vec(black_box(&peer)).unwrap()
        })
        .goal("ours, buffer reused", "serde_json to_vec", 1.8)
        .run();
}

fn encode_reply() {
    let message = message(REPLY);
    let peer: OwnedReply = serde_json::from_str(REPLY).unwrap();
    let mut out = Vec::with_capacity(1024);
    Group::new("zzw: encode, reply")
        .bytes(REPLY.len())
        .case("ours, buffer reused", || {
            out.clear();
            message.encode(&mut out);
            out.len()
        })
        .case("serde_json to_vec", || {
            serde_json::to_vec(black_box(&peer)).unwrap()
        })
        .goal("ours, buffer reused", "serde_json to_vec", 2.5)
        .run();
}

/// One message for 1,000 aliases, each with an id of its own.
fn fan_out() {
    const SUBSCRIBERS: usize = 1000;
    let aliases: Vec<String> = (0..SUBSCRIBERS)
        .map(|n| format!("m_2_00A1{n:04}"))
        .collect();
    let ids: Vec<String> = (0..SUBSCRIBERS).map(|n| format!("1024-{n}")).collect();
    let mids: Vec<Mid> = ids.iter().map(|id| Mid::new(id.as_str())).collect();
    let Message::Deliver(delivery) = message(DELIVERY) else {
        unreachable!("it is one")
    };
    let mut peer: OwnedDelivery = serde_json::from_str(DELIVERY).unwrap();
    let mut out = Vec::with_capacity(256 * SUBSCRIBERS);
    let mut plain = Vec::with_capacity(256 * SUBSCRIBERS);
    Group::new("zzw: a delivery to 1,000")
        .items(SUBSCRIBERS)
        .case("ours, into one buffer", || {
            out.clear();
            let frame = DeliveryFrame::new(&delivery);
            for (alias, mid) in aliases.iter().zip(&mids) {
                frame.write_line(Some(alias), mid, &mut out);
            }
            out.len()
        })
        .case("serde_json to_vec for each", || {
            let mut frames = Vec::with_capacity(SUBSCRIBERS);
            for (alias, id) in aliases.iter().zip(&ids) {
                peer.alias.clone_from(alias);
                peer.mid.clone_from(id);
                let mut line = serde_json::to_vec(&peer).unwrap();
                line.push(b'\n');
                frames.push(Bytes::from(line));
            }
            frames
        })
        .case("memcpy of the same bytes", || {
            plain.clear();
            for _ in 0..SUBSCRIBERS {
                plain.extend_from_slice(black_box(DELIVERY.as_bytes()));
            }
            plain.len()
        })
        .goal("ours, into one buffer", "serde_json to_vec for each", 15.0)
        .against("ours, into one buffer", "memcpy of the same bytes")
        .run();
}

fn message(line: &str) -> Message {
    let json = Bytes::from(line.to_owned());
    Message::decode(json, Lenience::Strict).unwrap().message
}

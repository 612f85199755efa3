//! The frames of the zzw push system: nothing panics, nothing is lost, what is written reads back.

use arbitrary::{Arbitrary, Unstructured};
use bytes::{Bytes, BytesMut};
use zzw_push_proto::line::{LineCodec, LineSplitter};
use zzw_push_proto::repair::repair;
use zzw_push_proto::rest::{Post, RestReply, RestRequest};
use zzw_push_proto::wire::{Lenience, Message, MessageKind};

/// Lines are the same however the stream is cut, and none of them is held beyond the limit.
///
/// The first byte is the limit, the second the length of the pieces.
pub fn line_stream(data: &[u8]) {
    let [max, cut, stream @ ..] = data else {
        return;
    };
    let max = usize::from(*max);
    let whole = lines(stream, stream.len().max(1), max);
    assert_eq!(lines(stream, usize::from(*cut).max(1), max), whole);
    assert_eq!(lent_lines(stream, usize::from(*cut).max(1), max), whole);
    for line in whole.into_iter().flatten() {
        assert!(line.len() <= max && !line.contains(&b'\n'));
        check_line(&line);
    }
}

fn lines(stream: &[u8], cut: usize, max: usize) -> Vec<Option<Bytes>> {
    let (mut codec, mut received, mut found) = (LineCodec::new(max), BytesMut::new(), Vec::new());
    for part in stream.chunks(cut) {
        received.extend_from_slice(part);
        while let Some(line) = codec.decode(&mut received) {
            found.push(line.ok());
        }
        assert!(received.len() <= max + 1);
    }
    found
}

fn lent_lines(stream: &[u8], cut: usize, max: usize) -> Vec<Option<Bytes>> {
    let (mut splitter, mut found) = (LineSplitter::new(max), Vec::new());
    for part in stream.chunks(cut) {
        let mut lines = splitter.split(part);
        while let Some(line) = lines.next_line() {
            found.push(line.ok().map(Bytes::copy_from_slice));
        }
    }
    found
}

/// A message, received or made up, reads back as it was written.
pub fn line_roundtrip(data: &[u8]) {
    let json = Bytes::copy_from_slice(data);
    check_line(&json);
    for event in zzw_push_proto::socketio::EventName::ALL {
        let kind = MessageKind::of_event(event);
        let _ = Message::decode_event(kind, json.clone(), Lenience::Vendor);
    }
    if let Ok(message) = Message::arbitrary(&mut Unstructured::new(data)) {
        check_message(&message, Lenience::Strict);
    }
}

fn check_line(json: &Bytes) {
    let strict = Message::decode(json.clone(), Lenience::Strict);
    match Message::decode(json.clone(), Lenience::Vendor) {
        Ok(decoded) => {
            let _ = format!("{decoded:?}");
            check_message(&decoded.message, Lenience::Vendor);
        }
        Err(error) => {
            assert!(strict.is_err(), "strict accepts more");
            assert_eq!(error.raw, json);
            check_message(&Message::Failure(error.to_failure()), Lenience::Strict);
        }
    }
    let _ = Message::decode_from_server(json.clone(), Lenience::Vendor);
}

fn check_message(message: &Message, lenience: Lenience) {
    let mut line = Vec::new();
    message.encode_line(&mut line);
    if *message == Message::Null {
        return assert!(line.is_empty());
    }
    assert_eq!(line.pop(), Some(b'\n'));
    assert!(!line.contains(&b'\n'));
    let again = Message::decode(line.into(), lenience).expect("our own message");
    assert_eq!(&again.message, message);
    assert!(!again.is_repaired);
}

/// A repair leaves valid JSON alone and at most doubles anything else.
pub fn repairs(data: &[u8]) {
    let repaired = repair(data);
    if serde_json::from_slice::<serde::de::IgnoredAny>(data).is_ok() {
        assert_eq!(repaired, None);
    }
    if let Some(repaired) = repaired {
        assert!(repaired.len() <= 2 * data.len());
    }
}

/// A path that is a call reads back as it is built; answers to it never panic.
///
/// The first line is the path, what follows is a body.
pub fn rest_path(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == b'\n');
    let path = String::from_utf8_lossy(parts.next().unwrap_or_default());
    let body = Bytes::copy_from_slice(parts.next().unwrap_or_default());
    for method in ["GET", "POST"] {
        let strict = RestRequest::parse(method, &path, Lenience::Strict);
        let Ok(request) = RestRequest::parse(method, &path, Lenience::Vendor) else {
            assert!(strict.is_err(), "strict accepts more");
            continue;
        };
        let built = RestRequest::parse(method, &request.path(), Lenience::Strict);
        assert_eq!(built.as_ref(), Ok(&request));
        if let Ok(reply) = RestReply::decode(&request.call, body.clone(), Lenience::Vendor) {
            let mut out = Vec::new();
            reply.encode(&mut out);
            let again = RestReply::decode(&request.call, out.into(), Lenience::Vendor);
            assert_eq!(again.as_ref(), Ok(&reply));
        }
    }
    let _ = Post::decode(body, Lenience::Vendor);
}

//! The lines of the TCP protocol.

use bytes::{Bytes, BytesMut};
use zzw_push_proto::LineError;
use zzw_push_proto::line::{LineCodec, LineSplitter};
use zzw_push_proto::wire::{Code, Lenience, Message};

fn all(codec: &mut LineCodec, received: &mut BytesMut) -> Vec<Result<Bytes, LineError>> {
    std::iter::from_fn(|| codec.decode(received)).collect()
}

#[test]
//= docs/spec/zzw-push-proto.md#line
//# A line MUST end with a line feed, whether or not a carriage return comes before it.
fn a_line_ends_with_a_line_feed_whether_or_not_a_return_comes_first() {
    let mut received = BytesMut::from("{\"t\":1}\n{\"t\":3}\r\n{\"t\":4}\n{\"t");
    let found = all(&mut LineCodec::default(), &mut received);
    assert_eq!(
        found,
        [
            Ok("{\"t\":1}".into()),
            Ok("{\"t\":3}".into()),
            Ok("{\"t\":4}".into())
        ]
    );
    assert_eq!(received, "{\"t");
}

#[test]
//= docs/spec/zzw-push-proto.md#line
//# Blank lines MUST be skipped.
fn blank_lines_keep_a_link_alive_and_are_nothing_else() {
    let mut received = BytesMut::from("\n\r\n  \t\r\n{}\n\n");
    assert_eq!(
        all(&mut LineCodec::default(), &mut received),
        [Ok("{}".into())]
    );
}

#[test]
//= docs/spec/zzw-push-proto.md#line
//# A line MUST be taken up to 65536 bytes by a server and up to 98304 bytes by a device unless they
//# are told otherwise.
//= docs/spec/zzw-push-proto.md#line
//# A line beyond the limit MUST count as the end of its link.
fn a_line_of_the_limit_is_taken_and_one_byte_more_is_fatal() {
    for (len, ending) in [(64 << 10, "\n"), (64 << 10, "\r\n")] {
        let line = "x".repeat(len);
        let mut received = BytesMut::from(format!("{line}{ending}").as_str());
        assert_eq!(
            all(&mut LineCodec::default(), &mut received),
            [Ok(line.clone().into())]
        );
        let mut received = BytesMut::from(format!("{line}x{ending}{{}}\n").as_str());
        let error = LineError::TooLong { max: len };
        assert!(error.is_fatal());
        assert_eq!(
            all(&mut LineCodec::default(), &mut received),
            [Err(error), Ok("{}".into())]
        );
    }
}

#[test]
//= docs/spec/zzw-push-proto.md#line
//# A line MUST be taken up to 65536 bytes by a server and up to 98304 bytes by a device unless they
//# are told otherwise.
fn a_device_takes_the_longest_body_and_what_it_comes_in() {
    let body = "x".repeat((64 << 10) - 2);
    let name = "门".repeat(42);
    let json = format!(
        r#"{{"t":5,"alias":"{name}","mid":"9007199254740991","msg":"{body}","topic":"{name}"}}"#
    );
    let mut received = BytesMut::from(format!("{json}\n").as_str());
    let mut codec = LineCodec::new(LineCodec::DEVICE_MAX);
    let found = all(&mut codec, &mut received.clone());
    assert_eq!(found, [Ok(json.into())]);
    assert_eq!(codec.max_len(), 98_304);
    let longer = all(&mut LineCodec::default(), &mut received);
    assert_eq!(longer, [Err(LineError::TooLong { max: 65_536 })]);
}

#[test]
//= docs/spec/zzw-push-proto.md#line
//# A line beyond the limit MUST be reported once and MUST NOT be held.
fn a_line_without_end_is_reported_once_and_not_held() {
    let (mut codec, mut received) = (LineCodec::new(100), BytesMut::new());
    let mut errors = 0;
    for _ in 0..10_000 {
        received.extend_from_slice(&[b'x'; 64]);
        errors += all(&mut codec, &mut received).len();
        assert!(received.len() <= 100);
    }
    assert_eq!(errors, 1);
    assert!(received.capacity() < 4096);
    received.extend_from_slice(b"tail\n{}\n");
    assert_eq!(all(&mut codec, &mut received), [Ok("{}".into())]);
}

#[test]
//= docs/spec/zzw-push-proto.md#line
//# A line beyond the limit MUST be reported once and MUST NOT be held.
fn a_line_without_end_is_reported_once_by_a_splitter_and_not_held() {
    let mut splitter = LineSplitter::new(100);
    let mut errors = 0;
    for _ in 0..10_000 {
        let mut lines = splitter.split(&[b'x'; 64]);
        while let Some(line) = lines.next_line() {
            assert_eq!(line, Err(LineError::TooLong { max: 100 }));
            errors += 1;
        }
    }
    assert_eq!(errors, 1);
    assert_eq!(
        format!("{splitter:?}"),
        "LineSplitter { max_len: 100, partial: 0, place: TooLong }"
    );
    let mut lines = splitter.split(b"tail\n{}\n");
    assert_eq!(lines.next_line(), Some(Ok(&b"{}"[..])));
    assert_eq!(lines.next_line(), None);
}

#[test]
fn what_was_not_handed_out_yet_is_the_rest_of_a_read() {
    let mut splitter = LineSplitter::default();
    assert_eq!(splitter.split(b"{\"t\"").next_line(), None);
    let mut lines = splitter.split(b":1}\n{}\n[");
    assert_eq!(lines.next_line(), Some(Ok(&b"{\"t\":1}"[..])));
    assert_eq!(lines.rest(), b"{}\n[");
    let mut lines = splitter.split(b"{}\n[");
    assert_eq!(lines.next_line(), Some(Ok(&b"{}"[..])));
    assert_eq!(lines.next_line(), None);
    assert_eq!(lines.rest(), b"");
}

#[test]
//= docs/spec/zzw-push-proto.md#permission
//# Tokens, bodies of messages, what a device tells about itself and frames of rooms MUST NOT appear
//# in debug output.
fn what_was_received_is_not_in_debug_output() {
    let (mut codec, mut received) = (LineCodec::default(), BytesMut::from("{\"t\":1}\nsecret\n"));
    assert!(codec.decode(&mut received).is_some());
    assert!(format!("{codec:?}").contains("whole: 7"));
    let mut splitter = LineSplitter::default();
    assert_eq!(splitter.split(b"secret").next_line(), None);
    let shown = format!("{:?}", splitter.split(b"secret"));
    assert!(shown.contains("partial: 6") && shown.contains("rest: 6"));
    assert!(!shown.contains("secret") && !shown.contains("115"));
}

#[test]
//= docs/spec/zzw-push-proto.md#line
//# Text that is not UTF-8 MUST cost its line and not its link.
fn text_that_is_not_utf8_costs_the_line_and_not_the_link() {
    let mut received =
        BytesMut::from(&b"{\"t\":1,\"alias\":\"\xb1\xf0\xc3\xfb\"}\n{\"t\":1}\n"[..]);
    let found = all(&mut LineCodec::default(), &mut received);
    let mut found = found.into_iter().map(|line| line.unwrap());
    let error = Message::decode(found.next().unwrap(), Lenience::Vendor).unwrap_err();
    assert_eq!(error.to_failure().code, Some(Code::Garbled));
    assert!(Message::decode(found.next().unwrap(), Lenience::Vendor).is_ok());
}

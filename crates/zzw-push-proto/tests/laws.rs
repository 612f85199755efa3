//! What holds for every input of the wire's codecs.

#[cfg(feature = "arbitrary")]
use arbitrary::{Arbitrary as _, Unstructured};
use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use zzw_push_proto::line::{LineCodec, LineSplitter};
use zzw_push_proto::repair::repair;
use zzw_push_proto::rest::{Page, RestCall, RestRequest};
use zzw_push_proto::wire::*;

#[cfg(feature = "arbitrary")]
fn written(message: &Message) -> Bytes {
    let mut out = Vec::new();
    message.encode(&mut out);
    out.into()
}

fn lines(stream: &[u8], cuts: &[usize], max: usize) -> Vec<Option<Bytes>> {
    let (mut codec, mut received, mut found) = (LineCodec::new(max), BytesMut::new(), Vec::new());
    let (mut rest, mut cuts) = (stream, cuts.iter().cycle());
    while !rest.is_empty() {
        let cut = cuts.next().map_or(rest.len(), |cut| (*cut).min(rest.len()));
        let (part, behind) = rest.split_at(cut.max(1));
        rest = behind;
        received.extend_from_slice(part);
        while let Some(line) = codec.decode(&mut received) {
            found.push(line.ok());
        }
        assert!(received.len() <= max + 2, "a long line is held");
    }
    found
}

/// The same lines from a splitter, by a reader that stops after so many and goes on with the rest.
fn lent_lines(stream: &[u8], cuts: &[usize], max: usize, stops: usize) -> Vec<Option<Bytes>> {
    let (mut splitter, mut found) = (LineSplitter::new(max), Vec::new());
    let (mut rest, mut cuts) = (stream, cuts.iter().cycle());
    while !rest.is_empty() {
        let cut = cuts.next().map_or(rest.len(), |cut| (*cut).min(rest.len()));
        let (part, behind) = rest.split_at(cut.max(1));
        rest = behind;
        let mut unheard = part;
        while !unheard.is_empty() {
            let mut lines = splitter.split(unheard);
            for _ in 0..stops {
                let Some(line) = lines.next_line() else { break };
                found.push(line.ok().map(Bytes::copy_from_slice));
            }
            unheard = lines.rest();
        }
    }
    // What was handed out last may still be there to be forgotten.
    assert_eq!(splitter.split(b"").next_line(), None);
    found
}

proptest! {
    #[test]
    //= docs/spec/zzw-push-proto.md#message
    //# A reader MUST NOT panic, whatever bytes it is given.
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
        let json = Bytes::from(bytes);
        for lenience in [Lenience::Vendor, Lenience::Strict] {
            if let Err(error) = Message::decode(json.clone(), lenience) {
                prop_assert_eq!(&error.raw, &json);
                let _ = (error.to_failure(), format!("{error:?} {error}"));
            }
        }
    }

    #[test]
    //= docs/spec/zzw-push-proto.md#message
    //# What is read and written again MUST be read as the same message.
    fn any_object_reads_back_as_it_was_written(
        members in prop::collection::vec((member(), value()), 0..6),
        t in -15_i64..16,
    ) {
        let members = members.iter().map(|(name, json)| format!("{name:?}:{json}"));
        let members: Vec<_> = std::iter::once(format!("\"t\":{t}")).chain(members).collect();
        let json = Bytes::from(format!("{{{}}}", members.join(",")));
        if let Ok(decoded) = Message::decode(json.clone(), Lenience::Vendor) {
            prop_assert!(!decoded.is_repaired);
            let mut out = Vec::new();
            decoded.message.encode(&mut out);
            let again = Message::decode(out.clone().into(), Lenience::Vendor).unwrap();
            prop_assert_eq!(&again.message, &decoded.message, "{:?} {:?}", json, out);
            let mut twice = Vec::new();
            again.message.encode(&mut twice);
            prop_assert_eq!(out, twice);
        }
    }

    #[test]
    fn a_delivery_encoded_for_many_is_written_as_one_for_each(
        alias in prop::option::of(name()), mid in name(), is_number: bool, topic in prop::option::of(name()),
        body in value(), further in prop::option::of(value()),
    ) {
        let mut delivery = Delivery::new("", Mid::new(""), Json::parse(body).unwrap());
        delivery.topic = topic.map(Text::from);
        if let Some(further) = further {
            delivery.extra.push("further", &Json::parse(further).unwrap());
        }
        let frame = DeliveryFrame::new(&delivery);
        delivery.alias = alias.map(Text::from);
        delivery.mid = if is_number { Mid::Num("1.50".into()) } else { Mid::new(mid) };
        let (alias, mid) = (delivery.alias.clone(), delivery.mid.clone());
        let message = Message::Deliver(delivery);
        let [mut line, mut own_line, mut json, mut own_json] = [const { Vec::new() }; 4];
        frame.write_line(alias.as_deref(), &mid, &mut line);
        message.encode_line(&mut own_line);
        frame.write(alias.as_deref(), &mid, &mut json);
        message.encode(&mut own_json);
        prop_assert_eq!((line, json), (own_line, own_json));
    }

    #[test]
    fn a_count_is_written_as_rust_writes_it(count in prop_oneof![any::<u64>(), 0..1000_u64]) {
        let mut out = Vec::new();
        Message::CountsReply(Counts::new(count, 0, 0, 0)).encode(&mut out);
        let written = String::from_utf8(out).unwrap();
        let counter = format!("\"One2OneSize\":{count},");
        prop_assert!(written.contains(&counter), "{}", written);
    }

    #[test]
    //= docs/spec/zzw-push-proto.md#lenience
    //# Valid JSON MUST NOT be changed by a repair.
    fn valid_json_has_nothing_to_repair(json in value()) {
        prop_assert_eq!(repair(json.as_bytes()), None);
    }

    #[test]
    //= docs/spec/zzw-push-proto.md#lenience
    //# A repair MUST be one pass whose outcome is at most twice as long.
    fn a_repair_at_most_doubles(bytes in prop::collection::vec(
        prop::sample::select(br#"'"{}[]:, 1a\"#.to_vec()), 0..80)
    ) {
        if let Some(repaired) = repair(&bytes) {
            prop_assert!(repaired.len() <= 2 * bytes.len());
        }
    }

    #[test]
    //= docs/spec/zzw-push-proto.md#line
    //# Where a stream of bytes is cut MUST NOT change its lines.
    fn the_cuts_of_a_stream_change_nothing(
        parts in prop::collection::vec(
            prop::sample::select(vec!["\n", "\r\n", "\r", "{}", "long long long line", " "]), 0..40),
        cuts in prop::collection::vec(1_usize..30, 1..5),
        max in 0_usize..24,
    ) {
        let stream = parts.concat();
        let whole = lines(stream.as_bytes(), &cuts, max);
        prop_assert_eq!(lines(stream.as_bytes(), &[1], max), whole.clone());
        for stops in [usize::MAX, 1, 2] {
            prop_assert_eq!(lent_lines(stream.as_bytes(), &cuts, max, stops), whole.clone());
        }
    }

    #[test]
    //= docs/spec/zzw-push-proto.md#rest
    //# A segment MUST be percent-decoded exactly once, as UTF-8.
    fn a_path_reads_back_as_it_was_built(
        alias in "\\PC{1,20}", token in "\\PC{1,20}", number in 1_u32.., size in 1_u32..1000, call in 0..6,
    ) {
        let page = Page::new(number).of_size(size);
        let call = match call {
            0 => RestCall::Push,
            1 => RestCall::Info,
            2 => RestCall::Servers,
            3 => RestCall::Status(alias.into()),
            4 => RestCall::ChannelAliases(page),
            _ => RestCall::SocketIoAliases(page),
        };
        let request = RestRequest::new(call, token);
        for lenience in [Lenience::Vendor, Lenience::Strict] {
            let read = RestRequest::parse(request.call.method(), &request.path(), lenience);
            prop_assert_eq!(read.as_ref(), Ok(&request));
        }
    }

    #[test]
    fn arbitrary_paths_never_panic(path in "(/|%[0-9a-f]{0,2}|info|servers|status|\\PC){0,12}") {
        let _ = RestRequest::parse("GET", &path, Lenience::Vendor);
        let _ = RestRequest::parse("GET", &path, Lenience::Strict);
    }
}

#[cfg(feature = "arbitrary")]
proptest! {
    #[test]
    //= docs/spec/zzw-push-proto.md#message
    //# A message MUST be written as strict JSON on one line, with its type first if it has one.
    fn every_message_reads_back_as_it_was_written(seed: [u8; 256]) {
        if let Ok(message) = Message::arbitrary(&mut Unstructured::new(&seed)) {
            let json = written(&message);
            prop_assert!(!json.contains(&b'\n'));
            for lenience in [Lenience::Vendor, Lenience::Strict] {
                let again = Message::decode(json.clone(), lenience);
                prop_assert_eq!(again.map(|decoded| decoded.message), Ok(message.clone()), "{:?}", json);
            }
            if let Some(kind) = message.kind().filter(|kind| kind.event().is_some()) {
                let mut event = Vec::new();
                message.encode_event(&mut event);
                let again = Message::decode_event(kind, event.into(), Lenience::Vendor).unwrap();
                prop_assert_eq!(again.message.kind(), message.kind());
            }
        }
    }
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z_0-9]{1,30}", "\\PC{1,30}", any::<String>()]
}

fn member() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "alias", "num", "topic", "msg", "mid", "method", "opts", "info", "error", "code", "gap",
        "token", "r", "u", "list", "status", "untopic", "aliases", "x", "",
    ])
}

fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        prop::sample::select(vec![
            "null",
            "true",
            "\"\"",
            "\"m_2\"",
            "\"publish\"",
            "[\"a\",1]",
            "[]",
            "7",
            "-0.5",
            "\"\\u4e2d\\ud800\"",
            "{\"time_to_live\":5,\"qos\":1}",
            "\"online\"",
            "{\"name\":\"门\"}",
        ])
        .prop_map(str::to_owned),
        any::<String>().prop_map(|text| serde_json::Value::from(text).to_string()),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3)
                .prop_map(|v| format!("[{}]", v.join(" ,\n"))),
            inner.prop_map(|json| format!("{{ \"a'b\" : {json} }}")),
        ]
    })
}

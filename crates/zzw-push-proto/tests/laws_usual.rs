//! Frames in the usual order of their members have a reader of their own, which must be unnoticed:
//! a space at the front is enough to be read by the other one.

use bytes::Bytes;
use proptest::prelude::*;
use zzw_push_proto::wire::{Decoded, Lenience, Message, MessageKind};
use zzw_push_proto::{WireError, WireErrorKind};

/// A frame as `(name, value)` in the usual order.
type Members = Vec<(&'static str, String)>;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_frame_in_the_usual_order_is_read_as_any_other_is(frame in frame(), change in change()) {
        let json = change.of(frame);
        let unusual = Bytes::from([b" ", &json[..]].concat());
        let json = Bytes::from(json);
        for lenience in [Lenience::Vendor, Lenience::Strict] {
            let read = |json: &Bytes| [
                Message::decode(json.clone(), lenience),
                Message::decode_from_server(json.clone(), lenience),
                Message::decode_event(MessageKind::Heartbeat, json.clone(), lenience),
                Message::decode_event(MessageKind::HeartbeatReply, json.clone(), lenience),
                Message::decode_event(MessageKind::Register, json.clone(), lenience),
                Message::decode_event(MessageKind::Deliver, json.clone(), lenience),
                Message::decode_event(MessageKind::Ack, json.clone(), lenience),
                Message::decode_event(MessageKind::Publish, json.clone(), lenience),
                Message::decode_event(MessageKind::Published, json.clone(), lenience),
            ];
            for (usual, other) in read(&json).into_iter().zip(read(&unusual)) {
                prop_assert_eq!(told(usual), told(other), "{:?} {:?}", lenience, json);
            }
        }
    }
}

/// All that can be told of what was read, but for the offset of a fault.
fn told(read: Result<Decoded, WireError>) -> impl PartialEq + std::fmt::Debug {
    match read {
        Ok(decoded) => {
            let mut written = Vec::new();
            decoded.message.encode(&mut written);
            Ok((decoded, String::from_utf8(written)))
        }
        Err(WireError { kind, t, num, .. }) => {
            let is_json = !matches!(kind, WireErrorKind::NotJson { .. });
            Err((is_json.then_some(kind), t, num))
        }
    }
}

/// What makes a frame a little unusual.
#[derive(Debug, Clone)]
enum Change {
    Nothing,
    Swap(usize, usize),
    Repeat(usize),
    Leave(usize),
    Value(usize, String),
    Name(usize, &'static str),
    Byte(prop::sample::Index, u8),
    Insert(prop::sample::Index, &'static str),
    Cut(prop::sample::Index),
}

impl Change {
    fn of(self, mut frame: Members) -> Vec<u8> {
        let len = frame.len();
        match &self {
            Self::Swap(one, other) => frame.swap(one % len, other % len),
            Self::Repeat(nth) => frame.push(frame[nth % len].clone()),
            Self::Leave(nth) => drop(frame.remove(nth % len)),
            Self::Value(nth, value) => frame[nth % len].1.clone_from(value),
            Self::Name(nth, name) => frame[nth % len].0 = name,
            _ => {}
        }
        let members = frame
            .iter()
            .map(|(name, value)| format!("\"{name}\":{value}"));
        let mut json = format!("{{{}}}", members.collect::<Vec<_>>().join(",")).into_bytes();
        match self {
            Self::Byte(place, byte) => {
                let place = place.index(json.len());
                json[place] = byte;
            }
            Self::Insert(place, text) => {
                let place = place.index(json.len() + 1);
                json.splice(place..place, text.bytes());
            }
            Self::Cut(place) => json.truncate(place.index(json.len())),
            _ => {}
        }
        json
    }
}

fn change() -> impl Strategy<Value = Change> {
    let place = any::<prop::sample::Index>;
    let names = prop::sample::select(vec!["t", "alias", "num", "msg", "x", "token", "\\u0074"]);
    let inserts = prop::sample::select(vec![
        " ", "\n", ",", "\"", "}", "{}", "\\n", "\\", "é", "\u{0}",
    ]);
    prop_oneof![
        4 => Just(Change::Nothing),
        1 => (0..8_usize, 0..8_usize).prop_map(|(one, other)| Change::Swap(one, other)),
        1 => (0..8_usize).prop_map(Change::Repeat),
        1 => (0..8_usize).prop_map(Change::Leave),
        2 => (0..8_usize, value()).prop_map(|(nth, value)| Change::Value(nth, value)),
        1 => (0..8_usize, names).prop_map(|(nth, name)| Change::Name(nth, name)),
        2 => (place(), any::<u8>()).prop_map(|(place, byte)| Change::Byte(place, byte)),
        2 => (place(), inserts).prop_map(|(place, text)| Change::Insert(place, text)),
        1 => place().prop_map(Change::Cut),
    ]
}

/// The frames that come most, as everybody writes them, of short and long texts.
fn frame() -> impl Strategy<Value = Members> {
    let ttl = prop::sample::select(vec![
        "0",
        "60",
        "007",
        "60.5",
        "-1",
        "1296001",
        "9999999999",
    ]);
    let opts = (ttl, any::<bool>()).prop_map(|(ttl, has_more)| {
        let more = if has_more { ",\"x\":1" } else { "" };
        format!("{{\"time_to_live\":{ttl}{more}}}")
    });
    let info =
        (text(), text()).prop_map(|(id, name)| format!("{{\"communityId\":{id},\"name\":{name}}}"));
    let parts = (text(), text(), list(), body(), opts, info);
    (0..8_u8, parts, any::<[bool; 4]>()).prop_map(
        |(kind, (alias, text, list, body, opts, info), optional)| {
            let frame = match kind {
                0 => vec![("t", "1".into()), ("alias", alias)],
                1 => vec![("t", "-1".into()), ("alias", alias)],
                2 => vec![
                    ("t", "2".into()),
                    ("topic", list),
                    ("info", info),
                    ("num", text),
                ],
                3 => vec![
                    ("t", "5".into()),
                    ("alias", alias),
                    ("mid", text.clone()),
                    ("msg", body),
                    ("topic", text),
                ],
                4 => vec![("t", "-5".into()), ("alias", alias), ("mid", text)],
                5 => vec![("t", "-6".into()), ("num", text)],
                kind => {
                    let (method, name) = match kind {
                        6 => ("\"publish\"", "topic"),
                        _ => ("\"publish_to_alias\"", "alias"),
                    };
                    vec![
                        ("t", "6".into()),
                        ("method", method.into()),
                        (name, list),
                        ("msg", body),
                        ("opts", opts),
                        ("num", text),
                    ]
                }
            };
            // Any of the last members may be missing.
            let [no_opts, no_info, no_num, no_topic] = optional;
            let is_kept = |(name, _): &(&str, String)| match *name {
                "opts" => !no_opts,
                "info" => !no_info,
                "num" => !no_num,
                "topic" => kind != 3 || !no_topic,
                _ => true,
            };
            frame.into_iter().filter(is_kept).collect()
        },
    )
}

fn text() -> impl Strategy<Value = String> {
    let usual = [
        "",
        "7",
        "m_2_00A1B2C3",
        "c_1024",
        "别名",
        "twenty two bytes of it",
        "a\\nb",
    ];
    let usual = prop::sample::select(usual.to_vec()).prop_map(|text| format!("\"{text}\""));
    let any_text = "\\PC{0,40}".prop_map(|text| serde_json::Value::from(text).to_string());
    prop_oneof![3 => usual, 1 => any_text]
}

fn list() -> impl Strategy<Value = String> {
    let lens = prop_oneof![9 => 0..4_usize, 1 => 99..102_usize, 1 => 999..1002_usize];
    lens.prop_flat_map(|len| {
        let texts = prop::collection::vec(text(), len.min(4));
        texts.prop_map(move |texts| {
            let texts: Vec<_> = texts.iter().cycle().take(len).map(String::as_str).collect();
            format!("[{}]", texts.join(","))
        })
    })
}

fn body() -> impl Strategy<Value = String> {
    let levels = prop::sample::select(vec![1, 55, 56, 57, 63, 64, 65]);
    let nested = levels.prop_map(|levels| "[".repeat(levels) + &"]".repeat(levels));
    prop_oneof![2 => text(), 1 => value(), 1 => nested]
}

/// A value that may stand where another kind is due.
fn value() -> impl Strategy<Value = String> {
    let odd = [
        "1",
        "6",
        "-5",
        "14",
        "\"1\"",
        "\"6\"",
        "null",
        "true",
        "[]",
        "[\"a\",1]",
        "[ \"a\" ]",
        "{}",
        "{\"a\":1}",
        " 7",
        "7 ",
        "1.5",
        "01",
        "1e1",
        "tru",
        "",
    ];
    prop_oneof![
        2 => prop::sample::select(odd.to_vec()).prop_map(str::to_owned),
        1 => text(),
        1 => list(),
    ]
}

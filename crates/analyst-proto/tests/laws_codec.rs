//! What holds for all bytes and all messages.

use analyst_proto::codec::{
    Dialect, Lenience, Nested, ResultKey, decode, encode, without_comments,
};
use analyst_proto::wire::*;
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

fn written(message: &Message, dialect: Dialect) -> Bytes {
    let mut json = Vec::new();
    encode(message, &dialect, &mut json);
    json.into()
}

/// Checks everything that holds for whatever was received.
fn check(payload: &Bytes) {
    let strict = decode(payload, &Lenience::strict());
    let field = decode(payload, &Lenience::field());
    let document = decode(payload, &Lenience::document());
    if strict.is_ok() {
        assert_eq!(strict, field, "{payload:?}");
    }
    if field.is_ok() {
        assert_eq!(field, document, "{payload:?}");
    }
    let Ok(message) = document else { return };
    let _ = (format!("{message:?}"), message.id(), message.action());
    // A reason may have been cut; what is written once is written for ever.
    let once = written(&message, Dialect::default());
    let again = decode(&once, &Lenience::field()).expect("our own");
    assert_eq!(written(&again, Dialect::default()), once);
    assert_eq!(again.id(), message.id());
    if !matches!(message, Message::Fail(_)) {
        assert_eq!(again, message);
    }
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[a-z0-9/:?=.]{0,40}"]
}

fn id() -> impl Strategy<Value = TaskId> {
    prop_oneof![
        any::<u64>(),
        Just(1_679_846_303_806_259_201),
        Just(9_007_199_254_740_993),
        Just(u64::MAX),
    ]
    .prop_map(TaskId)
}

fn form() -> impl Strategy<Value = IdForm> {
    prop::sample::select(vec![IdForm::Number, IdForm::String])
}

fn extra() -> impl Strategy<Value = Extra> {
    let member = (text(), any_json());
    prop::collection::vec(member, 0..3).prop_map(|members| {
        let mut extra = Extra::default();
        for (name, json) in members {
            extra.set(format!("x{name}"), json.to_string()).unwrap();
        }
        extra
    })
}

fn start() -> impl Strategy<Value = Start> {
    let floor = prop_oneof![Just(-1), 1..7, any::<i32>()].prop_map(Floor);
    let ids = prop::collection::vec((0_u64..100).prop_map(GoodsId), 0..5);
    let goods = prop::collection::vec((floor.clone(), ids), 0..6).prop_map(Goods::from_iter);
    let change = (floor, any::<(i32, i64, i64)>()).prop_map(|(floor, (weight, start, end))| {
        WeightChange::new(floor, weight, UnixMillis(start), UnixMillis(end))
    });
    let weights = prop::option::of(prop::collection::vec(change, 0..4));
    let times = any::<(Option<i64>, Option<i64>)>();
    let label = prop::option::of(prop::sample::select(vec!["7", "\"a#1\"", "[1]"]));
    let parts = (id(), form(), text(), prop::option::of(text()));
    (parts, goods, weights, times, label, extra(), extra()).prop_map(
        |((id, form, top, second), goods, weights, (open, close), label, extra, envelope)| {
            let mut start = Start::new(id, top);
            start.id_form = form;
            start.goods_ids = goods;
            start.ass_video = second.map(Text::from);
            start.weight_info = weights;
            start.door_open_timestamp = open.map(UnixMillis);
            start.door_close_timestamp = close.map(UnixMillis);
            start.analyst_id = label.map(Text::from);
            start.extra = extra;
            start.envelope = envelope;
            start
        },
    )
}

fn any_message() -> impl Strategy<Value = Message> {
    let counts = prop::collection::vec((any::<u64>().prop_map(GoodsId), any::<i32>()), 0..6);
    let finish = (id(), form(), counts, extra()).prop_map(|(id, form, taken, extra)| {
        let mut finish = Finish::new(id, taken);
        (finish.id_form, finish.extra) = (form, extra);
        finish.into()
    });
    let fail =
        (id(), form(), "[a-z不😀\"]{0,128}", extra()).prop_map(|(id, form, reason, extra)| {
            let mut fail = Fail::new(id, reason);
            (fail.id_form, fail.extra) = (form, extra);
            fail.into()
        });
    let timeout = (prop::option::of(id()), extra()).prop_map(|(id, extra)| {
        let mut timeout = Timeout::new(TaskId(0));
        (timeout.id, timeout.extra) = (id, extra);
        timeout.into()
    });
    prop_oneof![
        start().prop_map(Message::from),
        finish,
        fail,
        timeout,
        id().prop_map(|id| Progress::new(id).into()),
    ]
}

fn dialect() -> impl Strategy<Value = Dialect> {
    let key = prop::sample::select(vec![ResultKey::Upper, ResultKey::Lower, ResultKey::Both]);
    let nested = prop::sample::select(vec![Nested::Native, Nested::StringEncoded]);
    (key, nested)
        .prop_map(|(key, nested)| Dialect::default().with_result_key(key).with_nested(nested))
}

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        text().prop_map(Json::from),
        "[-0-9,.]{0,6}".prop_map(Json::from),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::vec((name(), inner), 0..4).prop_map(object),
        ]
    })
}

fn name() -> impl Strategy<Value = String> {
    let known = vec![
        "id",
        "top_video",
        "goods_ids",
        "ass_video",
        "weight_info",
        "door_open_timestamp",
        "analyst_id",
        "RESULT",
        "result",
        "Result",
        "startTimeStamp",
        "endtimestamp",
        "weight",
        "floor",
        "floorIndex",
        "goodsId",
        "1",
        "-1",
        "17",
        "01",
        "x",
    ];
    prop::sample::select(known).prop_map(str::to_owned)
}

fn object(members: Vec<(String, Json)>) -> Json {
    Json::Object(members.into_iter().collect())
}

/// An action that somebody knows, more or less, with members that somebody knows.
fn near_message() -> impl Strategy<Value = String> {
    let action = prop::sample::select(vec![
        "ANALYSIS_START",
        "ANALYSIS_FINISH",
        "ANALYSIS_FAIL",
        "ANALYSIS_TIMEOUT",
        "analysis_finish",
        "ANALYSIS_PROGRESS",
        "ANALYSIS_PAUSE",
    ]);
    let data = prop::collection::vec((name(), any_json()), 0..6).prop_map(object);
    (action, data, any::<bool>(), any::<bool>()).prop_map(|(action, mut data, has_id, is_text)| {
        if has_id {
            data["id"] = 7.into();
            data["top_video"] = "v".into();
        }
        let data = if is_text {
            Json::from(data.to_string())
        } else {
            data
        };
        json!({"action": action, "data": data, "seq": 1}).to_string()
    })
}

/// The same JSON with its members the other way round and white space between all tokens.
fn respelled(json: &Json) -> String {
    match json {
        Json::Object(members) => {
            let members = members.iter().rev();
            let members =
                members.map(|(name, json)| format!(" {} :\t{}", escaped(name), respelled(json)));
            format!("{{{}\n}}", members.collect::<Vec<_>>().join(","))
        }
        Json::Array(items) => {
            let items: Vec<_> = items.iter().map(respelled).collect();
            format!("[ {} ]", items.join(" ,"))
        }
        other => other.to_string(),
    }
}

fn escaped(name: &str) -> String {
    let units = name.encode_utf16().map(|unit| format!("\\u{unit:04x}"));
    format!("\"{}\"", units.collect::<String>())
}

proptest! {
    #[test]
    fn what_is_written_reads_back(message in any_message(), dialect in dialect()) {
        let json = written(&message, dialect);
        prop_assert_eq!(&decode(&json, &Lenience::field()).unwrap(), &message);
        check(&json);
        let is_numbered = message.id_form().is_none_or(|form| form == IdForm::Number);
        let is_native = dialect.with_result_key(ResultKey::Upper) == Dialect::default();
        if is_numbered && is_native {
            prop_assert_eq!(decode(&json, &Lenience::strict()).unwrap(), message);
        }
    }

    #[test]
    //= docs/spec/analyst-proto.md#message
    //# A reader MUST NOT panic, whatever bytes it is given.
    fn bytes_are_a_message_or_an_error(bytes: Vec<u8>) {
        check(&bytes.into());
    }

    #[test]
    //= docs/spec/analyst-proto.md#message
    //# A reader MUST NOT panic, whatever bytes it is given.
    fn a_message_that_is_cut_or_spoilt_is_a_message_or_an_error(
        message in any_message(),
        dialect in dialect(),
        cut: prop::sample::Index,
        spoilt: prop::sample::Index,
        byte: u8,
    ) {
        let json = written(&message, dialect);
        let cut = cut.index(json.len());
        prop_assert!(decode(&json.slice(..cut), &Lenience::document()).is_err());
        check(&json.slice(cut..));
        let mut bytes = json.to_vec();
        bytes[spoilt.index(json.len())] = byte;
        check(&bytes.into());
    }

    #[test]
    //= docs/spec/analyst-proto.md#message
    //# What a stricter reader reads, a more lenient one MUST read alike.
    fn a_more_lenient_reader_reads_the_same(json in near_message()) {
        check(&json.into());
    }

    #[test]
    //= docs/spec/analyst-proto.md#message
    //# The order of members MUST NOT change what a message says.
    fn the_order_of_members_and_white_space_are_irrelevant(message in any_message(), dialect in dialect()) {
        let json = written(&message, dialect);
        // `serde_json` sorts members by name, so they stand in two orders that are not ours.
        let members: Json = serde_json::from_slice(&json).unwrap();
        for other in [members.to_string(), respelled(&members)] {
            let other = decode(&other.into(), &Lenience::field()).unwrap();
            prop_assert_eq!(said(&other), said(&message));
        }
    }

    #[test]
    fn without_comments_leaves_json_alone(json in any_json()) {
        let json = json.to_string();
        prop_assert_eq!(&*without_comments(json.as_bytes()), json.as_bytes());
        let _ = without_comments(&json.as_bytes()[1..]);
    }

    #[test]
    fn bytes_without_comments_are_as_many(bytes in "[\\[\\]{},#/\"a\n \\\\]{0,20}") {
        let bytes = bytes.into_bytes();
        let plain = without_comments(&bytes);
        prop_assert_eq!(plain.len(), bytes.len());
        prop_assert_eq!(&*without_comments(&plain), &*plain);
    }
}

/// A message but for what nobody knows, which is kept as it was written.
fn said(message: &Message) -> Message {
    let mut message = message.clone();
    let (extra, envelope) = match &mut message {
        Message::Start(start) => (&mut start.extra, &mut start.envelope),
        Message::Finish(finish) => (&mut finish.extra, &mut finish.envelope),
        Message::Fail(fail) => (&mut fail.extra, &mut fail.envelope),
        Message::Timeout(timeout) => (&mut timeout.extra, &mut timeout.envelope),
        Message::Progress(progress) => (&mut progress.extra, &mut progress.envelope),
        _ => return message,
    };
    (*extra, *envelope) = (Extra::default(), Extra::default());
    message
}

//! Messages in every spelling that peers use or might use, row by row of the design (A-14 to A-39).

use analyst_proto::codec::{
    Dialect, Lenience, Nested, ResultKey, decode, encode, without_comments,
};
use analyst_proto::wire::*;
use analyst_proto::{WireError, WireErrorKind};
use bytes::Bytes;

fn with(lenience: &Lenience, json: &str) -> Result<Message, WireErrorKind> {
    decode(&Bytes::from(json.to_owned()), lenience).map_err(|WireError { kind, .. }| kind)
}

fn field(json: &str) -> Result<Message, WireErrorKind> {
    with(&Lenience::field(), json)
}

fn strict(json: &str) -> Result<Message, WireErrorKind> {
    with(&Lenience::strict(), json)
}

fn read(json: &str) -> Message {
    field(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

/// Both readers read it.
fn plain(json: &str) -> Message {
    let message = read(json);
    assert_eq!(strict(json).as_ref(), Ok(&message), "{json}");
    message
}

fn written_as(message: &Message, dialect: Dialect) -> String {
    let mut json = Vec::new();
    encode(message, &dialect, &mut json);
    String::from_utf8(json).unwrap()
}

fn written(message: &Message) -> String {
    written_as(message, Dialect::default())
}

fn start(message: Message) -> Start {
    match message {
        Message::Start(start) => start,
        other => panic!("{other:?}"),
    }
}

fn finish(message: Message) -> Finish {
    match message {
        Message::Finish(finish) => finish,
        other => panic!("{other:?}"),
    }
}

fn fail(message: Message) -> Fail {
    match message {
        Message::Fail(fail) => fail,
        other => panic!("{other:?}"),
    }
}

/// A task with these members beside the required ones.
fn task(members: &str) -> String {
    let data = format!(r#"{{"id":1,"top_video":"v","goods_ids":{{}}{members}}}"#);
    format!(r#"{{"action":"ANALYSIS_START","data":{data}}}"#)
}

fn goods(json: &str) -> String {
    let data = format!(r#"{{"id":1,"top_video":"v","goods_ids":{json}}}"#);
    format!(r#"{{"action":"ANALYSIS_START","data":{data}}}"#)
}

fn result(json: &str) -> String {
    format!(r#"{{"action":"ANALYSIS_FINISH","data":{{"id":1,"RESULT":{json}}}}}"#)
}

fn reason(json: &str) -> String {
    format!(r#"{{"action":"ANALYSIS_FAIL","data":{{"id":1,"RESULT":{json}}}}}"#)
}

fn progress(id: &str) -> String {
    format!(r#"{{"action":"ANALYSIS_PROGRESS","data":{{"id":{id}}}}}"#)
}

fn floors(goods: &Goods) -> Vec<(i32, Vec<u64>)> {
    let floors = goods.floors();
    floors
        .map(|(floor, ids)| (floor.0, ids.map(|id| id.0).collect()))
        .collect()
}

#[test]
//= docs/spec/analyst-proto.md#message
//# The order of members MUST NOT change what a message says.
//= docs/spec/analyst-proto.md#message
//# Members that nobody knows MUST be kept as JSON text, beside `action` and in `data`, and be written
//# behind the known ones.
fn a_14_members_stand_in_any_order_and_those_that_nobody_knows_are_kept() {
    let message = plain(
        r#"{"seq": 7, "data": {"x": [1, "a b"], "RESULT": {"2": 1}, "id": 5, "b\u00fc": null}, "action": "ANALYSIS_FINISH"}"#,
    );
    assert_eq!(
        written(&message),
        r#"{"action":"ANALYSIS_FINISH","data":{"id":5,"RESULT":{"2":1},"bü":null,"x":[1,"a b"]},"seq":7}"#
    );
    assert_eq!(plain(&written(&message)), message);
    let finish = finish(message);
    assert_eq!(finish.extra.get("x"), Some(&r#"[1,"a b"]"#.into()));
    assert_eq!(finish.extra.get("bü"), Some(&"null".into()));
    assert_eq!(finish.envelope.get("seq"), Some(&"7".into()));

    // What another message knows is nobody's here.
    let message = plain(r#"{"action":"ANALYSIS_TIMEOUT","data":{"id":5,"top_video":"v"}}"#);
    assert_eq!(
        written(&message),
        r#"{"action":"ANALYSIS_TIMEOUT","data":{"id":5,"top_video":"v"}}"#
    );
}

#[test]
fn a_14_known_members_are_not_written_twice() {
    let mut finish = Finish::new(TaskId(1), Taken::new());
    for name in ["id", "RESULT", "Result", "analyst_id"] {
        assert_eq!(finish.extra.set(name, "1"), Ok(false));
    }
    assert_eq!(finish.envelope.set("data", "1"), Ok(false));
    assert_eq!(finish.envelope.set("data", "[ 2 ]"), Ok(true));
    assert!(finish.extra.set("x", "{").is_err());
    assert_eq!(written(&finish.into()), result("{}"));
}

#[test]
//= docs/spec/analyst-proto.md#message
//# A message of an action that nobody knows MUST be kept whole.
//= docs/spec/analyst-proto.md#message
//# A lenient reader MUST read an action whatever the case of its letters.
fn a_15_actions_that_nobody_knows_are_no_error() {
    for (json, raw) in [
        (
            r#"{ "data": [1, 2], "action": "ANALYSIS_PAUSE", "data": 3 }"#,
            r#"{"data":[1,2],"action":"ANALYSIS_PAUSE","data":3}"#,
        ),
        (
            r#"{"action":"ANALYSIS_PAUSE"}"#,
            r#"{"action":"ANALYSIS_PAUSE"}"#,
        ),
    ] {
        let Message::Unknown(unknown) = read(json) else {
            panic!("{json}");
        };
        assert_eq!(unknown.action, "ANALYSIS_PAUSE");
        assert_eq!(unknown.raw, raw);
        assert_eq!(written(&Message::Unknown(unknown)), raw);
    }
    for action in ["analysis_timeout", "Analysis_Timeout"] {
        let json = format!(r#"{{"action":"{action}","data":{{"id":1}}}}"#);
        assert_eq!(read(&json), Timeout::new(TaskId(1)).into());
        assert_eq!(strict(&json), Err(WireErrorKind::NotStrict("action")));
    }
    assert_eq!(field("{}"), Err(WireErrorKind::Missing("action")));
    let error = field(r#"{"action":null,"data":{}}"#);
    assert_eq!(error, Err(WireErrorKind::Missing("action")));
    let error = field(r#"{"action":1,"data":{}}"#);
    assert_eq!(error, Err(WireErrorKind::Shape("action")));
}

#[test]
//= docs/spec/analyst-proto.md#message
//# Comments and trailing commas MUST be read by a reader for documents only, and never be written.
fn a_16_comments_and_trailing_commas_stand_outside_texts() {
    let json = r#"# one
        {"action": "ANALYSIS_FAIL", // two "
         "data": {"id": 1, "RESULT": "a # b // c ,] \" # d", }, # {
        }"#;
    let message = with(&Lenience::document(), json).unwrap();
    assert_eq!(fail(message).reason, r#"a # b // c ,] " # d"#);
    assert!(matches!(field(json), Err(WireErrorKind::NotJson { .. })));
    for json in [
        r#"{"action":"ANALYSIS_FAIL","data":{"id":1,"RESULT":"x",,}}"#,
        r#"{"action":"ANALYSIS_FAIL","data":{"id":1 / "RESULT":"x"}}"#,
        r#"{,"action":"ANALYSIS_FAIL"}"#,
    ] {
        let error = with(&Lenience::document(), json);
        assert!(
            matches!(error, Err(WireErrorKind::NotJson { .. })),
            "{json}"
        );
    }
    assert_eq!(*without_comments(b"[1,] # x"), *b"[1 ]    ");
    assert_eq!(*without_comments(b"[1 , //x\n ]"), *b"[1      \n ]");
}

#[test]
//= docs/spec/analyst-proto.md#message
//# A lenient reader MUST skip a byte order mark before a message and NULs behind it.
//= docs/spec/analyst-proto.md#message
//# What stands behind a message, other than white space, MUST make it unreadable.
fn a_17_a_byte_order_mark_and_nuls_are_trimmed() {
    let json = progress("1");
    let expected = Message::from(Progress::new(TaskId(1)));
    for odd in [
        format!("\u{feff}{json}"),
        format!("{json}\0"),
        format!("\u{feff} {json} \0\0\n\0"),
    ] {
        assert_eq!(read(&odd), expected, "{odd:?}");
        assert!(strict(&odd).is_err(), "{odd:?}");
    }
    assert_eq!(plain(&format!(" \t{json}\r\n")), expected);
    for odd in [
        format!("{json}x"),
        format!("{json}{json}"),
        format!("\0{json}"),
    ] {
        assert!(
            matches!(field(&odd), Err(WireErrorKind::NotJson { .. })),
            "{odd:?}"
        );
    }
    assert!(matches!(field(""), Err(WireErrorKind::NotJson { .. })));
    for odd in ["null", "[1]", "\"x\"", "7"] {
        assert_eq!(field(odd), Err(WireErrorKind::NotObject));
    }
}

#[test]
//= docs/spec/analyst-proto.md#message
//# A lenient reader MUST read `data` also from a text that holds the object.
fn a_18_data_is_read_from_a_text() {
    let json =
        r#"{"action":"ANALYSIS_FAIL","data":"{\"id\":\"5\",\"RESULT\":\"\\u4e0d\",\"x\": [ 1 ]}"}"#;
    let fail = fail(read(json));
    assert_eq!((fail.id, fail.id_form), (TaskId(5), IdForm::String));
    assert_eq!(fail.reason, "不");
    assert_eq!(fail.extra.get("x"), Some(&"[1]".into()));
    assert_eq!(strict(json), Err(WireErrorKind::NotStrict("data")));
    for text in ["", "null", "[]", "{", "{} {}", r#"{\"RESULT\":1"#] {
        let json = format!(r#"{{"action":"ANALYSIS_FAIL","data":"{text}"}}"#);
        assert_eq!(field(&json), Err(WireErrorKind::Shape("data")), "{text}");
    }
}

#[test]
//= docs/spec/analyst-proto.md#message
//# `ANALYSIS_TIMEOUT` MUST be read also with `data` missing, null or empty, and no other message of the
//# document without the number of its task.
fn a_19_only_a_cancellation_needs_no_data() {
    for data in [
        "",
        r#","data":null"#,
        r#","data":{}"#,
        r#","data":{"id":null}"#,
    ] {
        let Message::Timeout(timeout) = plain(&format!(r#"{{"action":"ANALYSIS_TIMEOUT"{data}}}"#))
        else {
            panic!("{data}");
        };
        assert_eq!(timeout.id, None);
    }
    for action in ["START", "FINISH", "FAIL", "PROGRESS"] {
        for (data, missing) in [
            ("", "data"),
            (r#","data":null"#, "data"),
            (r#","data":{}"#, "id"),
            (r#","data":{"id":null}"#, "id"),
        ] {
            let json = format!(r#"{{"action":"ANALYSIS_{action}"{data}}}"#);
            assert_eq!(field(&json), Err(WireErrorKind::Missing(missing)), "{json}");
        }
    }
    for data in ["[]", "1", "true"] {
        let json = format!(r#"{{"action":"ANALYSIS_TIMEOUT","data":{data}}}"#);
        assert_eq!(field(&json), Err(WireErrorKind::Shape("data")));
    }
    let error = field(r#"{"action":"ANALYSIS_START","data":{"id":1}}"#);
    assert_eq!(error, Err(WireErrorKind::Missing("top_video")));
    let error = field(r#"{"action":"ANALYSIS_START","data":{"id":1,"top_video":"v"}}"#);
    assert_eq!(error, Err(WireErrorKind::Missing("goods_ids")));
    let error = field(r#"{"action":"ANALYSIS_FINISH","data":{"id":1}}"#);
    assert_eq!(error, Err(WireErrorKind::Missing("RESULT")));
}

#[test]
//= docs/spec/analyst-proto.md#message
//# If a member occurs twice in one object, the last one MUST win.
//= docs/spec/analyst-proto.md#message
//# A strict reader MUST refuse a message that has a known member twice.
fn a_20_the_last_of_two_equal_names_wins() {
    for (json, repeated) in [
        (
            r#"{"action":"ANALYSIS_FAIL","action":"ANALYSIS_PROGRESS","data":{"id":1}}"#,
            "action",
        ),
        (
            r#"{"data":{"id":2,"x":1},"data":{"id":1},"action":"ANALYSIS_PROGRESS"}"#,
            "data",
        ),
        (
            r#"{"data":{"id":2.5,"i\u0064":1},"action":"ANALYSIS_PROGRESS"}"#,
            "id",
        ),
    ] {
        assert_eq!(read(json), Progress::new(TaskId(1)).into(), "{json}");
        assert_eq!(strict(json), Err(WireErrorKind::Repeated(repeated)));
    }
    let json = goods(r#"{"1":[1,2],"2":[3],"-1":[],"1":[4]}"#);
    let expected = vec![(-1, vec![]), (1, vec![4]), (2, vec![3])];
    assert_eq!(floors(&start(read(&json)).goods_ids), expected);
    assert_eq!(strict(&json), Err(WireErrorKind::Repeated("goods_ids")));
    let json = result(r#"{"2":1,"1":1,"2":3}"#);
    assert_eq!(
        finish(read(&json)).taken,
        [(GoodsId(1), 1), (GoodsId(2), 3)]
    );
    assert_eq!(strict(&json), Err(WireErrorKind::Repeated("RESULT")));
    let json = task(r#","x":1,"x":2"#);
    assert_eq!(start(read(&json)).extra.get("x"), Some(&"2".into()));
    assert!(matches!(strict(&json), Err(WireErrorKind::Repeated(_))));
}

#[test]
//= docs/spec/analyst-proto.md#message
//# Of a result's names `RESULT` MUST win over `result`, and `result` over `Result`, which only a
//# lenient reader takes.
fn a_20_the_upper_case_result_wins_wherever_it_stands() {
    let json =
        |members: &str| format!(r#"{{"action":"ANALYSIS_FAIL","data":{{"id":1,{members}}}}}"#);
    for members in [
        r#""RESULT":"a""#,
        r#""RESULT":"a","result":"b""#,
        r#""result":5,"RESULT":"a""#,
        r#""result":"a""#,
    ] {
        let fail = fail(plain(&json(members)));
        assert_eq!(fail.reason, "a");
        assert!(fail.extra.is_empty());
    }
    for members in [
        r#""Result":"a""#,
        r#""Result":"b","result":"a""#,
        r#""RESULT":"a","Result":"b""#,
    ] {
        assert_eq!(fail(read(&json(members))).reason, "a");
        assert_eq!(
            strict(&json(members)),
            Err(WireErrorKind::NotStrict("RESULT"))
        );
    }
}

#[test]
//= docs/spec/analyst-proto.md#message
//# A reader MUST refuse a message that is longer than 65536 bytes, nested deeper than 16 levels or has
//# more than 256 floors, 4096 goods, 4096 changes of weight or 256 members that nobody knows, unless it
//# is told other limits.
fn a_21_limits_hold_and_can_be_set() {
    let mut wide = Lenience::field();
    wide.limits.bytes = 1 << 20;
    let wide = |json: &str| with(&wide, json);
    let list = |of: &str, many: usize| vec![of; many].join(",");
    let many = |what, max| Err(WireErrorKind::TooMany { what, max });

    let long = format!("{}{}", progress("1"), " ".repeat(65_536));
    assert_eq!(field(&long), Err(WireErrorKind::TooLong { max: 65_536 }));
    assert!(field(&long[..65_536]).is_ok());

    let deep = |levels| {
        task(&format!(
            r#","x":{}{}"#,
            "[".repeat(levels),
            "]".repeat(levels)
        ))
    };
    assert!(field(&deep(14)).is_ok());
    assert_eq!(field(&deep(15)), Err(WireErrorKind::TooDeep { max: 16 }));

    let floors = |many: usize| {
        let floors: Vec<_> = (0..many).map(|floor| format!(r#""{floor}":[]"#)).collect();
        goods(&format!("{{{}}}", floors.join(",")))
    };
    assert!(field(&floors(256)).is_ok());
    assert_eq!(field(&floors(257)), many("floors", 256));
    let placed = |many: usize| {
        let places = (0..many).map(|floor| format!(r#"{{"floorIndex":{floor},"goodsId":1}}"#));
        goods(&format!("[{}]", places.collect::<Vec<_>>().join(",")))
    };
    assert!(field(&placed(256)).is_ok());
    assert_eq!(field(&placed(257)), many("floors", 256));

    for (before, behind) in [(r#"{"1":["#, "]}"), ("[", "]"), ("\"", "\"")] {
        let ids = |many| goods(&format!("{before}{}{behind}", list("1", many)));
        assert!(field(&ids(4_096)).is_ok());
        assert_eq!(field(&ids(4_097)), many("goods", 4_096));
    }
    let counts = |many: usize| {
        let counts: Vec<_> = (0..many).map(|goods| format!(r#""{goods}":1"#)).collect();
        result(&format!("{{{}}}", counts.join(",")))
    };
    assert!(field(&counts(4_096)).is_ok());
    assert_eq!(field(&counts(4_097)), many("goods", 4_096));

    let change = r#"{"startTimeStamp":1,"endTimeStamp":2,"weight":3,"floor":4}"#;
    let weights = |many| task(&format!(r#","weight_info":[{}]"#, list(change, many)));
    assert!(wide(&weights(4_096)).is_ok());
    assert_eq!(wide(&weights(4_097)), many("changes of weight", 4_096));

    let extra = |many: usize| {
        let extra: Vec<_> = (0..many).map(|name| format!(r#","{name}":1"#)).collect();
        task(&extra.concat())
    };
    assert!(field(&extra(256)).is_ok());
    assert_eq!(field(&extra(257)), many("members that nobody knows", 256));
}

#[test]
//= docs/spec/analyst-proto.md#message
//# The number of a task MUST be read exactly, up to 18446744073709551615.
//= docs/spec/analyst-proto.md#message
//# A lenient reader MUST read the number of a task also from digits in quotes, without a sign, white
//# space or a leading zero.
//= docs/spec/analyst-proto.md#message
//# The number of a task MUST be written in the form it came in.
fn a_22_ids_are_exact() {
    for id in [
        0,
        1,
        9_007_199_254_740_993,
        1_679_846_303_806_259_200,
        1_679_846_303_806_259_201,
        u64::MAX,
    ] {
        let number = progress(&id.to_string());
        let message = plain(&number);
        assert_eq!(message.id(), Some(TaskId(id)));
        assert_eq!(message.id_form(), Some(IdForm::Number));
        assert_eq!(written(&message), number);
        let quoted = progress(&format!("\"{id}\""));
        let message = read(&quoted);
        assert_eq!(message.id(), Some(TaskId(id)));
        assert_eq!(message.id_form(), Some(IdForm::String));
        assert_eq!(written(&message), quoted);
        assert_eq!(strict(&quoted), Err(WireErrorKind::NotStrict("id")));
    }
    for id in [
        "-1",
        "\"-1\"",
        "18446744073709551616",
        "\"18446744073709551616\"",
        "-1.0",
    ] {
        assert_eq!(
            field(&progress(id)),
            Err(WireErrorKind::Range("id")),
            "{id}"
        );
    }
    for id in [
        "\"\"", "\" 1\"", "\"1 \"", "\"+1\"", "\"01\"", "\"1.0\"", "\"1e3\"", "\"0x1\"", "\"１\"",
        "true", "[1]", "{}",
    ] {
        assert_eq!(
            field(&progress(id)),
            Err(WireErrorKind::Shape("id")),
            "{id}"
        );
    }
}

#[test]
//= docs/spec/analyst-proto.md#message
//# The number of a task that is written with a fraction or an exponent MUST be refused unless it is
//# whole and below 9007199254740992: it may have lost digits.
fn a_22_ids_that_went_through_a_float_are_refused() {
    for (id, expected) in [
        ("5.0", 5),
        ("5e2", 500),
        ("9007199254740991.0", 9_007_199_254_740_991),
    ] {
        assert_eq!(read(&progress(id)).id(), Some(TaskId(expected)));
        assert_eq!(strict(&progress(id)), Err(WireErrorKind::NotStrict("id")));
    }
    for id in [
        "1.679846303806259e18",
        "1679846303806259200.0",
        "9007199254740992.0",
        "1.5",
        "1e400",
        "1e-1",
    ] {
        assert_eq!(field(&progress(id)), Err(WireErrorKind::LossyId), "{id}");
        assert_eq!(strict(&progress(id)), Err(WireErrorKind::LossyId), "{id}");
    }
}

#[test]
//= docs/spec/analyst-proto.md#message
//# Times MUST be read as milliseconds whatever their size, and not be checked against each other.
fn a_23_times_are_milliseconds_in_any_order() {
    for time in [0, -1, 1_558_583_537, 1_558_583_537_598, i64::MAX, i64::MIN] {
        let json = task(&format!(
            r#","door_open_timestamp":{time},"door_close_timestamp":5"#
        ));
        let task_read = start(plain(&json));
        assert_eq!(task_read.door_open_timestamp, Some(UnixMillis(time)));
        assert_eq!(task_read.door_close_timestamp, Some(UnixMillis(5)));
        let quoted = task(&format!(r#","door_open_timestamp":"{time}""#));
        assert_eq!(
            start(read(&quoted)).door_open_timestamp,
            Some(UnixMillis(time))
        );
        let error = Err(WireErrorKind::NotStrict("door_open_timestamp"));
        assert_eq!(strict(&quoted), error);
    }
    for (time, error) in [
        (
            "9223372036854775808",
            WireErrorKind::Range("door_open_timestamp"),
        ),
        ("1.5", WireErrorKind::Shape("door_open_timestamp")),
        ("\"soon\"", WireErrorKind::Shape("door_open_timestamp")),
    ] {
        let json = task(&format!(r#","door_open_timestamp":{time}"#));
        assert_eq!(field(&json), Err(error));
    }
}

#[test]
//= docs/spec/analyst-proto.md#message
//# A negative count MUST be read, and be flagged.
fn a_24_counts_may_be_negative() {
    let finish_read = finish(plain(&result(r#"{"7":-2,"9":2147483647,"8":-2147483648}"#)));
    let counts = [(7, -2), (8, i32::MIN), (9, i32::MAX)].map(|(goods, n)| (GoodsId(goods), n));
    assert_eq!(finish_read.taken, counts);
    let warnings = finish_read.warnings();
    assert_eq!(warnings.len(), 2);
    assert_eq!(warnings[0].to_string(), "-2 of goods 7 were taken");
    assert!(matches!(
        warnings[1],
        Warning::NegativeCount {
            goods: GoodsId(8),
            count: i32::MIN,
            ..
        }
    ));
    for count in ["3", "\"3\"", "3.0", "0.3e1"] {
        let json = result(&format!(r#"{{"1":{count}}}"#));
        assert_eq!(finish(read(&json)).taken, [(GoodsId(1), 3)]);
        assert_eq!(strict(&json).is_ok(), count == "3");
        assert_eq!(written(&read(&json)), result(r#"{"1":3}"#));
    }
    for (count, error) in [
        ("2147483648", WireErrorKind::Range("RESULT")),
        ("3e9", WireErrorKind::Range("RESULT")),
        ("0.5", WireErrorKind::Shape("RESULT")),
        ("null", WireErrorKind::Shape("RESULT")),
        ("\"\"", WireErrorKind::Shape("RESULT")),
    ] {
        assert_eq!(
            field(&result(&format!(r#"{{"1":{count}}}"#))),
            Err(error),
            "{count}"
        );
    }
    // Counts that nobody sorted are sorted when they are written.
    let mut unsorted = Finish::new(TaskId(1), Taken::new());
    unsorted.taken = vec![(GoodsId(2), 1), (GoodsId(1), 1), (GoodsId(2), 5)];
    assert_eq!(written(&unsorted.into()), result(r#"{"1":1,"2":5}"#));
}

#[test]
//= docs/spec/analyst-proto.md#message
//# `goods_ids` and `weight_info` MUST be written as JSON, unless the dialect has them as texts that
//# hold it.
//= docs/spec/analyst-proto.md#message
//# A lenient reader MUST read `goods_ids`, `weight_info` and the result of `ANALYSIS_FINISH` also from
//# a text that holds the JSON, and null or an empty text as nothing.
fn a_25_nested_json_may_be_in_texts() {
    let native = r#"{"action":"ANALYSIS_START","data":{"id":1,"top_video":"v","goods_ids":{"-1":[4]},"weight_info":[{"startTimeStamp":1,"endTimeStamp":2,"weight":-3,"floor":4}],"analyst_id":null}}"#;
    let texts = r#"{"action":"ANALYSIS_START","data":{"id":1,"top_video":"v","goods_ids":"{\"-1\":[4]}","weight_info":"[{\"startTimeStamp\":1,\"endTimeStamp\":2,\"weight\":-3,\"floor\":4}]","analyst_id":null}}"#;
    let message = plain(native);
    assert_eq!(read(texts), message);
    assert_eq!(strict(texts), Err(WireErrorKind::NotStrict("goods_ids")));
    assert_eq!(written(&message), native);
    let dialect = Dialect::default().with_nested(Nested::StringEncoded);
    assert_eq!(written_as(&message, dialect), texts);
    for nothing in ["null", "\"\"", "\" \"", "[]", "\"[]\"", "\"{}\""] {
        assert!(start(read(&goods(nothing))).goods_ids.is_empty());
        assert!(strict(&goods(nothing)).is_err(), "{nothing}");
    }
    for wrong in [
        "1",
        "true",
        "\"{\"",
        "\"[1\"",
        "[null]",
        "{\"1\":4}",
        "{\"1\":{}}",
        "\"[] 1\"",
    ] {
        let error = Err(WireErrorKind::Shape("goods_ids"));
        assert_eq!(field(&goods(wrong)), error, "{wrong}");
    }
    for wrong in ["1", "{}", "[1]", "\"[\"", "\"x\""] {
        let json = task(&format!(r#","weight_info":{wrong}"#));
        assert_eq!(
            field(&json),
            Err(WireErrorKind::Shape("weight_info")),
            "{wrong}"
        );
    }
    assert_eq!(
        start(read(&task(r#","weight_info":"""#))).weight_info,
        Some(vec![])
    );
}

#[test]
//= docs/spec/analyst-proto.md#message
//# A lenient reader MUST read `goods_ids` also from an array of numbers and from numbers with commas
//# between them, as goods that may be on any floor, and from an array of objects with `floorIndex` and
//# `goodsId`.
fn a_25_goods_are_read_from_lists() {
    let on_any = vec![(-1, vec![1, 4, 9])];
    for list in [
        "\"1,4,9\"",
        "\"1, 4 ,9\"",
        "[1,4,9]",
        "\"[1,4,9]\"",
        "[\"1\",4.0,9]",
    ] {
        assert_eq!(
            floors(&start(read(&goods(list))).goods_ids),
            on_any,
            "{list}"
        );
        assert!(strict(&goods(list)).is_err(), "{list}");
    }
    let places = r#"[{"colIndex":1,"floorIndex":2,"goodsId":"7"},{"floorIndex":-1,"goodsId":5},
        {"floorIndex":2,"goodsId":6},{"goodsId":4},{"floorIndex":null,"goodsId":5}]"#;
    let expected = vec![(-1, vec![5, 4, 5]), (2, vec![7, 6])];
    assert_eq!(floors(&start(read(&goods(places))).goods_ids), expected);
    let error = Err(WireErrorKind::Missing("goodsId"));
    assert_eq!(field(&goods(r#"[{"floorIndex":2}]"#)), error);
    for wrong in ["\"1,,4\"", "\"1,x\"", "\",\"", "\"-1\"", "[[1]]"] {
        let error = Err(WireErrorKind::Shape("goods_ids"));
        assert_eq!(field(&goods(wrong)), error, "{wrong}");
    }
    assert_eq!(
        field(&goods("[-1]")),
        Err(WireErrorKind::Range("goods_ids"))
    );
}

#[test]
//= docs/spec/analyst-proto.md#message
//# Floors MUST be written in ascending order, with -1 before all others.
//= docs/spec/analyst-proto.md#message
//# The order of the goods on a floor and their repeats MUST be kept.
//= docs/spec/analyst-proto.md#message
//# A floor that is not written as a plain decimal number MUST be refused.
fn a_26_floors_ascend_and_goods_keep_their_order() {
    let message = plain(&goods(
        r#"{"10":[3,1,3],"2":[],"-2":[5],"-1":[18446744073709551615],"0":[7]}"#,
    ));
    let text = written(&message);
    let order = r#"{"-1":[18446744073709551615],"-2":[5],"0":[7],"2":[],"10":[3,1,3]}"#;
    assert!(text.contains(order), "{text}");
    for floor in [
        "01",
        "+1",
        "",
        " 1",
        "1.0",
        "-0",
        "-01",
        "2147483648",
        "one",
    ] {
        let json = goods(&format!(r#"{{"{floor}":[1]}}"#));
        assert_eq!(
            field(&json),
            Err(WireErrorKind::Shape("goods_ids")),
            "{floor}"
        );
    }
    let none = goods(r#"{"1":null}"#);
    assert_eq!(floors(&start(read(&none)).goods_ids), [(1, vec![])]);
    assert_eq!(strict(&none), Err(WireErrorKind::NotStrict("goods_ids")));
}

#[test]
fn a_26_goods_are_built_in_any_order() {
    let mut built = Goods::new();
    built.add(Floor(2), GoodsId(1));
    built.add(Floor::ANY, GoodsId(2));
    built.add(Floor(1), GoodsId(3));
    built.add(Floor(2), GoodsId(4));
    assert!(built.set(Floor(1), [5, 6].map(GoodsId)));
    assert!(!built.set(Floor(0), []));
    let expected = vec![(-1, vec![2]), (0, vec![]), (1, vec![5, 6]), (2, vec![1, 4])];
    assert_eq!(floors(&built), expected);
    assert_eq!(built.len(), 5);
    let again: Goods = [(2, vec![1, 4]), (1, vec![5, 6]), (0, vec![]), (-1, vec![2])]
        .into_iter()
        .map(|(floor, ids)| (Floor(floor), ids.into_iter().map(GoodsId)))
        .collect();
    assert_eq!(again, built);
    assert_eq!(
        format!("{built:?}"),
        "{-1: [2], 0: [], 1: [5, 6], 2: [1, 4]}"
    );
}

#[test]
//= docs/spec/analyst-proto.md#message
//# A lenient reader MUST read the names in `weight_info` whatever the case of their letters.
fn a_27_weights_have_names_in_both_cases() {
    let json = |members: &str| task(&format!(r#","weight_info":[{{{members}}}]"#));
    let usual = json(r#""startTimeStamp":1,"endTimeStamp":2,"weight":-81,"floor":2,"x":{}"#);
    let change = WeightChange::new(Floor(2), -81, UnixMillis(1), UnixMillis(2));
    assert_eq!(start(plain(&usual)).weight_info, Some(vec![change]));
    for members in [
        r#""floor":"2","weight":"-81","endtimestamp":"2","starttimestamp":1"#,
        r#""startTimeStamp":1,"starttimestamp":9,"endTimeStamp":2,"Weight":-81.0,"floor":2"#,
        r#""starttimestamp":9,"startTimeStamp":5,"startTimeStamp":1,"endTimeStamp":2,"weight":-81,"floor":2"#,
    ] {
        let read = start(read(&json(members)));
        assert_eq!(read.weight_info, Some(vec![change]), "{members}");
        assert!(strict(&json(members)).is_err(), "{members}");
    }
    for (members, error) in [
        (
            r#""endTimeStamp":2,"weight":3,"floor":2"#,
            WireErrorKind::Missing("startTimeStamp"),
        ),
        (
            r#""startTimeStamp":1,"weight":3,"floor":2"#,
            WireErrorKind::Missing("endTimeStamp"),
        ),
        (
            r#""startTimeStamp":1,"endTimeStamp":2,"floor":2"#,
            WireErrorKind::Missing("weight"),
        ),
        (
            r#""startTimeStamp":1,"endTimeStamp":2,"weight":3"#,
            WireErrorKind::Missing("floor"),
        ),
        (
            r#""startTimeStamp":1,"endTimeStamp":2,"weight":0.5,"floor":2"#,
            WireErrorKind::Shape("weight"),
        ),
    ] {
        assert_eq!(field(&json(members)), Err(error), "{members}");
    }
}

#[test]
//= docs/spec/analyst-proto.md#message
//# `ANALYSIS_START` MUST always be written with `analyst_id`, as null if it has none.
fn a_28_the_label_is_opaque_and_always_written_with_a_task() {
    for none in ["", r#","analyst_id":null"#] {
        let message = plain(&task(none));
        assert!(written(&message).ends_with(r#","analyst_id":null}}"#));
        assert_eq!(start(message).analyst_id, None);
    }
    for label in ["7", "\"a\"", "1.50", "[1,2]", "{\"a\":1}", "true"] {
        let message = plain(&task(&format!(r#","analyst_id": {label} "#)));
        assert!(written(&message).ends_with(&format!(r#","analyst_id":{label}}}}}"#)));
        assert_eq!(start(message).analyst_id, Some(label.into()));
    }
    let echo = r#"{"action":"ANALYSIS_FINISH","data":{"id":1,"RESULT":{},"analyst_id":"a#1"}}"#;
    assert_eq!(written(&plain(echo)), echo);
    // What is no JSON is not written.
    let mut start = Start::new(TaskId(1), "v");
    start.analyst_id = Some("a#1".into());
    assert!(written(&start.into()).ends_with(r#","analyst_id":null}}"#));
    let mut fail = Fail::new(TaskId(1), "x");
    fail.analyst_id = Some("{".into());
    assert_eq!(written(&fail.into()), reason("\"x\""));
}

#[test]
//= docs/spec/analyst-proto.md#message
//# The label of an attempt MUST be the analyser's client identifier, `#` and the number of the attempt
//# from 1, in one text in `analyst_id`.
fn a_28_an_attempt_is_a_label() {
    let client = ClientId::new("GID_Analyst@@@analyst_3").unwrap();
    let attempt = Attempt::new(client, 2);
    let label = attempt.to_json();
    assert_eq!(label, r#""GID_Analyst@@@analyst_3#2""#);
    assert_eq!(Attempt::read(&label), Some(attempt.clone()));
    let mut start = Start::new(TaskId(1), "v");
    start.analyst_id = Some(label.clone());
    assert_eq!(plain(&written(&start.clone().into())), start.clone().into());
    assert_eq!(start.attempt(), Some(attempt.clone()));
    let mut finish = Finish::new(TaskId(1), Taken::new());
    finish.analyst_id = Some(label.clone());
    assert_eq!(finish.attempt(), Some(attempt.clone()));
    let mut fail = Fail::new(TaskId(1), "x");
    fail.analyst_id = Some(label);
    assert_eq!(fail.attempt(), Some(attempt));
    for other in [
        "7",
        "\"a\"",
        "\"a#\"",
        "\"a#0\"",
        "\"a#01\"",
        "\"a#+1\"",
        "\"#1\"",
        "[\"a#1\"]",
    ] {
        assert_eq!(Attempt::read(&other.into()), None, "{other}");
    }
    assert_eq!(Attempt::read(&"\"a#99999999999\"".into()), None);
}

#[test]
//= docs/spec/analyst-proto.md#message
//# A member that is longer than the document has it MUST be read, and be flagged.
fn a_29_documented_lengths_are_flagged_and_not_enforced() {
    let video = "v".repeat(300);
    let mut start = Start::new(TaskId(1), video.as_str());
    start.ass_video = Some("v".repeat(128).as_str().into());
    start.goods_ids.set(Floor::ANY, (0..300).map(GoodsId));
    assert_eq!(plain(&written(&start.clone().into())), start.clone().into());
    let warnings = start.warnings();
    assert_eq!(
        warnings[0].to_string(),
        "`top_video` has 300 bytes, the document allows 128"
    );
    assert!(matches!(
        warnings[1],
        Warning::OverDocumentedLength {
            member: "goods_ids",
            documented: 512,
            ..
        }
    ));
    assert_eq!(warnings.len(), 2);
    let finish = Finish::new(
        TaskId(1),
        (0..100).map(|goods| (GoodsId(goods), 1)).collect(),
    );
    assert_eq!(finish.warnings().len(), 1);
    assert_eq!(
        Fail::new(TaskId(1), "x".repeat(513).as_str())
            .warnings()
            .len(),
        1
    );
    assert_eq!(
        Fail::new(TaskId(1), "x".repeat(512).as_str()).warnings(),
        []
    );
}

#[test]
//= docs/spec/analyst-proto.md#message
//# An optional member that a message does not have MUST NOT be written.
//= docs/spec/analyst-proto.md#message
//# An optional member that is null MUST be read as one that is missing.
fn a_30_optional_members_are_left_out_or_null() {
    let nulls = task(
        r#","ass_video":null,"weight_info":null,"door_open_timestamp":null,"door_close_timestamp":null"#,
    );
    let message = plain(&nulls);
    assert_eq!(message, Start::new(TaskId(1), "v").into());
    assert_eq!(written(&message), task(r#","analyst_id":null"#));
    let error = Err(WireErrorKind::Missing("top_video"));
    assert_eq!(field(&nulls.replace("\"v\"", "null")), error);
    let error = Err(WireErrorKind::Shape("top_video"));
    assert_eq!(field(&nulls.replace("\"v\"", "[]")), error);
}

#[test]
//= docs/spec/analyst-proto.md#message
//# A result MUST be written under `RESULT`, unless the dialect has it under `result` or under both.
fn a_31_a_result_has_the_name_that_the_dialect_has() {
    let messages: [Message; 2] = [
        Finish::new(TaskId(1), vec![(GoodsId(2), 3)]).into(),
        Fail::new(TaskId(1), "x").into(),
    ];
    for (message, value) in messages.iter().zip([r#"{"2":3}"#, "\"x\""]) {
        for (key, members) in [
            (ResultKey::Upper, format!(r#""RESULT":{value}"#)),
            (ResultKey::Lower, format!(r#""result":{value}"#)),
            (
                ResultKey::Both,
                format!(r#""RESULT":{value},"result":{value}"#),
            ),
        ] {
            let json = written_as(message, Dialect::default().with_result_key(key));
            assert!(
                json.ends_with(&format!(r#""data":{{"id":1,{members}}}}}"#)),
                "{json}"
            );
            assert_eq!(&plain(&json), message);
        }
    }
}

#[test]
//= docs/spec/analyst-proto.md#message
//# A lenient reader MUST read an empty array as a result of which nothing was taken.
fn a_32_nothing_taken_has_many_spellings() {
    for nothing in ["{}", "[]", "\"\"", "null", "\"{}\"", "\"[]\"", "\" \""] {
        let message = read(&result(nothing));
        assert_eq!(written(&message), result("{}"), "{nothing}");
        assert_eq!(
            strict(&result(nothing)).is_ok(),
            nothing == "{}",
            "{nothing}"
        );
    }
    let text = result(r#""{\"17\":4, \"16\":\"3\"}""#);
    assert_eq!(
        finish(read(&text)).taken,
        [(GoodsId(16), 3), (GoodsId(17), 4)]
    );
    for wrong in [
        "[1]",
        "1",
        "\"none\"",
        "{\"a\":1}",
        "{\"01\":1}",
        "{\"-1\":1}",
        "{\"1\":{}}",
        "[] 1",
    ] {
        assert!(field(&result(wrong)).is_err(), "{wrong}");
    }
}

#[test]
//= docs/spec/analyst-proto.md#message
//# A reason MUST be written with at most 512 bytes, and be cut between two characters.
//= docs/spec/analyst-proto.md#message
//# A lenient reader MUST read any JSON as the reason of `ANALYSIS_FAIL`, and an empty one where it is
//# missing or null.
fn a_33_reasons_are_anything_and_no_longer_than_512_bytes() {
    let long = "不".repeat(400);
    let message = Message::from(Fail::new(TaskId(1), long.as_str()));
    assert_eq!(
        written(&message),
        reason(&format!("\"{}\"", "不".repeat(170)))
    );
    assert_eq!(
        fail(plain(&reason(&format!("\"{long}\"")))).reason,
        long.as_str()
    );
    for (json, text) in [
        ("null", ""),
        ("5", "5"),
        ("{ \"code\": 7, \"a\": \"b c\" }", r#"{"code":7,"a":"b c"}"#),
        ("[ true ]", "[true]"),
    ] {
        assert_eq!(fail(read(&reason(json))).reason, text);
        assert_eq!(
            strict(&reason(json)),
            Err(WireErrorKind::NotStrict("RESULT"))
        );
    }
    let missing = r#"{"action":"ANALYSIS_FAIL","data":{"id":1}}"#;
    assert_eq!(fail(read(missing)).reason, "");
    assert_eq!(strict(missing), Err(WireErrorKind::Missing("RESULT")));
}

#[test]
//= docs/spec/analyst-proto.md#message
//# `ANALYSIS_TIMEOUT` MUST be written with the number of its task.
fn a_34_a_cancellation_names_its_task() {
    let message = Message::from(Timeout::new(TaskId(7)));
    let json = r#"{"action":"ANALYSIS_TIMEOUT","data":{"id":7}}"#;
    assert_eq!(written(&message), json);
    assert_eq!(plain(json), message);
}

#[test]
//= docs/spec/analyst-proto.md#message
//# A writer MUST NOT add the number of an attempt or who writes to a message that does not state it.
fn a_36_nothing_is_written_that_a_message_does_not_state() {
    assert_eq!(
        written(&Finish::new(TaskId(1), Taken::new()).into()),
        result("{}")
    );
    assert_eq!(written(&Fail::new(TaskId(1), "x").into()), reason("\"x\""));
    assert_eq!(written(&Progress::new(TaskId(1)).into()), progress("1"));
}

#[test]
//= docs/spec/analyst-proto.md#message
//# Text MUST be written as UTF-8, and a lone surrogate MUST make a message unreadable.
fn a_38_escapes_are_read_and_text_is_written_as_it_is() {
    let message = plain(&reason(r#""\u4e0d\ud83d\ude00\u0041\n\/""#));
    assert_eq!(written(&message), reason("\"不😀A\\n/\""));
    for lone in [
        r"\ud83d",
        r"\ude00",
        r"\ud83d\ud83d",
        r"\ud83dx\ude00",
        r"\\\uD800",
    ] {
        let in_text = reason(&format!("\"{lone}\""));
        let in_extra = task(&format!(r#","x":{{"{lone}":1}}"#));
        let beside = progress("1").replace('}', "").to_owned() + &format!(r#"}},"x":"{lone}"}}"#);
        for json in [in_text, in_extra, beside] {
            assert_eq!(field(&json), Err(WireErrorKind::LoneSurrogate), "{json}");
            assert_eq!(strict(&json), Err(WireErrorKind::LoneSurrogate), "{json}");
        }
    }
    assert!(field(&reason(r#""\\ud83d""#)).is_ok());
    let inner = r#"{"action":"ANALYSIS_FAIL","data":"{\"id\":1,\"RESULT\":\"\\ud800\"}"}"#;
    assert_eq!(field(inner), Err(WireErrorKind::LoneSurrogate));
    let bytes = [
        br#"{"action":"ANALYSIS_FAIL","data":{"id":1,"RESULT":""#,
        &b"\xb2\xbb\"}}"[..],
    ];
    let error = decode(&bytes.concat().into(), &Lenience::field()).unwrap_err();
    assert_eq!(error.kind, WireErrorKind::NotUtf8);
}

#[test]
//= docs/spec/analyst-proto.md#message
//# A message MUST be written as compact JSON, `action` before `data`, and always with the same bytes.
fn a_39_one_message_has_one_text() {
    let spaced = r#" { "x" : [ 1 , 2 ] , "data" : { "y" : "a b" , "id" : 1 } , "action" : "ANALYSIS_PROGRESS" } "#;
    let text = r#"{"action":"ANALYSIS_PROGRESS","data":{"id":1,"y":"a b"},"x":[1,2]}"#;
    assert_eq!(written(&plain(spaced)), text);
    assert_eq!(written(&plain(text)), text);
}

#[test]
//= docs/spec/analyst-proto.md#message
//# Debug output of a message MUST NOT hold the query of a video's address or the value of a member that
//# nobody knows.
//= docs/spec/analyst-proto.md#message
//# An error MUST NOT repeat what a peer sent.
fn debug_output_and_errors_are_fit_for_a_log() {
    let json = r#"{"z":"hush","action":"ANALYSIS_START","data":{"id":1,"top_video":"https://oss.example/v.mp4?sign=hush","ass_video":"https://oss.example/v.mp4#hush","goods_ids":{"1":[2]},"token":"hush"}}"#;
    let shown = format!("{:?}", plain(json));
    assert!(!shown.contains("hush"), "{shown}");
    for part in [
        "https://oss.example/v.mp4\"..",
        "token",
        "{1: [2]}",
        "\"z\"",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let unknown = plain(r#"{"action":"LOGIN","data":{"password":"hush"}}"#);
    let shown = format!("{unknown:?}");
    assert!(
        !shown.contains("hush") && shown.contains("LOGIN"),
        "{shown}"
    );
    let long = fail(plain(&reason(&format!("\"{}\"", "x".repeat(9_000)))));
    assert!(format!("{long:?}").len() < 400);

    for json in [
        r#"{"action":"ANALYSIS_PROGRESS","data":{"id":"hush"}}"#,
        r#"{"action":"ANALYSIS_START","data":{"id":1,"top_video":["hush"]}}"#,
        r#"{"action":"ANALYSIS_FINISH","data":{"id":1,"RESULT":"hush"}}"#,
        r#"{"hush"}"#,
        r#"{"action":["hush"]}"#,
    ] {
        let error = decode(&Bytes::from(json), &Lenience::field()).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("hush"), "{shown}");
    }
}

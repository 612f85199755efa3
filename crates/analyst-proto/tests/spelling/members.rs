//! What one kind of message has: goods, weights, results.

use super::*;

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

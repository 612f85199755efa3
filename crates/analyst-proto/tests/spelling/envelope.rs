//! What all messages have: envelope, number of the task, limits, text.

use super::*;

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
        let beside = progress("1").replace('}', "") + &format!(r#"}},"x":"{lone}"}}"#);
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
    let label = format!(
        r#"{{"RESULT":{{}},"id":1,"analyst_id":"{}"}}"#,
        "x".repeat(9_000)
    );
    let long = plain(&format!(r#"{{"action":"ANALYSIS_FINISH","data":{label}}}"#));
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

//! What a client can be told on its command line.

use crate::kit::Program;
use crate::kit_push::{Push, VIAS, ask_for_tokens, device, does, fails, listen, messages, token};
use serde_json::{Value, json};
use std::io::Write as _;

/// Texts that get lost where somebody counts bytes, characters or UTF-16.
const TEXTS: [&str; 5] = [
    "有人按门铃",
    "🔔 é ñ ß",
    "\"quoted\" \\ and / and \u{1f}",
    "Ã©",
    "- 一\t二",
];

#[test]
fn a_text_arrives_byte_for_byte_over_every_transport() {
    let push = Push::start();
    for via in VIAS {
        for from in VIAS {
            let device = listen(
                via,
                &push.address(via),
                &["--alias", "小明", "--count", "5"],
            );
            for text in TEXTS {
                push.publish(from, "小明", text);
            }
            let mut device = device;
            assert!(device.finish().success(), "{}", device.said());
            let lines = device.out.json();
            assert_eq!(messages(&lines), TEXTS, "{from} to {via}");
            let seqs = lines.iter().map(|line| line["seq"].as_u64().unwrap());
            assert!(seqs.eq(1..=5));
            assert!(lines.iter().all(|line| line["alias"] == "小明"));
            // Not only the same text, but the bytes that people grep for.
            assert!(device.out.lines()[0].contains(r#""msg":"有人按门铃""#));
        }
    }
}

#[test]
fn json_arrives_as_it_was_published() {
    let push = Push::start();
    let body = r#"{"门":"1203","n":1.50,"e":1e3,"deep":[[{}]],"null":null}"#;
    for via in VIAS {
        push.does(via, &["publish", "--to", "json", "--json", body]);
        let lines = push.does(via, &["--alias", "json", "--count", "1"]);
        assert_eq!(
            messages(&lines),
            [serde_json::from_str::<Value>(body).unwrap()]
        );
    }
    let wrong = device(
        "tcp",
        &push.address("tcp"),
        &["publish", "--to", "json", "--json", "{"],
    );
    assert!(fails(wrong).contains("1 of 1 messages were not taken"));
}

#[test]
fn what_is_published_while_nobody_is_there_waits_in_order() {
    let push = Push::start();
    let texts: Vec<String> = (0..90).map(|nth| format!("消息 {nth}")).collect();
    for via in VIAS {
        push.publish_all(via, "away", &texts);
        let lines = push.does(via, &["--alias", "away", "--count", "90"]);
        assert_eq!(messages(&lines), texts, "{via}");
        // All of it was acknowledged.
        let pulled = push.does(via, &["--alias", "away", "pull"]);
        assert_eq!(pulled, [json!({"event": "pulled", "messages": 0})], "{via}");
    }
}

#[test]
fn a_pull_prints_what_waits_and_acknowledges_it() {
    let push = Push::start();
    let texts: Vec<String> = (0..70).map(|nth| format!("第 {nth} 条")).collect();
    for via in VIAS {
        push.publish_all(via, "pulls", &texts);
        let lines = push.does(via, &["--alias", "pulls", "pull"]);
        assert_eq!(messages(&lines), texts, "{via}");
        assert_eq!(
            lines.last().unwrap(),
            &json!({"event": "pulled", "messages": 70})
        );
        assert_eq!(
            push.does(via, &["--alias", "pulls", "pull"]).len(),
            1,
            "{via}"
        );
    }
}

#[test]
fn topics_are_added_listed_published_to_and_removed() {
    let push = Push::start();
    for via in VIAS {
        let (alias, topic) = (format!("a-{via}"), format!("大厅-{via}"));
        let asks = |args: &[&str]| {
            let args = [&["--alias", &alias], args].concat();
            push.does(via, &args)
        };
        let topics = |topics: &[&str]| vec![json!({"event": "topics", "topics": topics})];
        assert_eq!(asks(&["topics"]), topics(&[]));
        let args = ["--alias", &alias, "--topic", &topic, "--count", "1"];
        let mut device = Program::start(device(via, &push.address(via), &args));
        device.err.line_with(r#"{"event":"subscribed"}"#);
        push.does(via, &["publish", "--channel", &topic, "大家好"]);
        assert!(device.finish().success(), "{}", device.said());
        assert_eq!(device.out.json()[0]["topic"], *topic);
        assert_eq!(asks(&["register", "b"]), [json!({"event": "registered"})]);
        assert_eq!(asks(&["topics"]), topics(&["b", &topic]));
        assert_eq!(asks(&["unregister", "b"]), [json!({"event": "registered"})]);
        assert_eq!(asks(&["topics"]), topics(&[&topic]));
    }
}

#[test]
fn status_tells_who_is_online_over_socketio_and_rest() {
    let push = Push::start();
    let rest = push.rest();
    let over_rest = || {
        let args = [
            "--rest",
            &rest,
            "--rest-token",
            &push.token,
            "status",
            "小明",
        ];
        let mut command = crate::kit::example("zzw_device");
        command.args(args);
        does(&mut command)
    };
    let status = |online: bool, topics: &[&str]| {
        let line = json!({"event": "status", "alias": "小明", "online": online, "topics": topics});
        vec![line]
    };
    assert_eq!(over_rest(), status(false, &[]));
    let args = ["--alias", "小明", "--topic", "大厅"];
    let online = Program::start(device("tcp", &push.address("tcp"), &args));
    online.err.line_with(r#"{"event":"subscribed"}"#);
    assert_eq!(over_rest(), status(true, &["大厅"]));
    for via in ["socketio", "socketio-v2"] {
        assert_eq!(push.does(via, &["status", "小明"]), status(true, &["大厅"]));
    }
    let refused = fails(device("tcp", &push.address("tcp"), &["status", "小明"]));
    assert!(refused.contains("--via socketio"), "{refused}");
}

#[test]
fn server_info_counts_links_over_tcp() {
    let push = Push::start();
    let _other = listen("tcp", &push.address("tcp"), &["--alias", "other"]);
    let lines = push.does("tcp", &["server-info"]);
    assert_eq!(lines[0]["channels"], 2, "{lines:?}");
    assert_eq!(lines[0]["one_to_many"], 0);
    let refused = fails(device(
        "socketio",
        &push.address("socketio"),
        &["server-info"],
    ));
    assert!(refused.contains("tcp"), "{refused}");
}

#[test]
fn rest_publishes_to_whoever_speaks_what() {
    let push = Push::start();
    let rest = push.rest();
    for via in VIAS {
        let mut device = listen(via, &push.address(via), &["--alias", "r", "--count", "2"]);
        let mut command = crate::kit::example("zzw_device");
        command.args(["--rest", &rest, "--rest-token", &push.token]);
        command.args(["publish", "--to", "r", "-"]);
        let mut program = Program::fed(command, "有人\n按门铃\n");
        assert!(program.finish().success(), "{}", program.said());
        let published = |num| json!({"event": "published", "num": num});
        assert_eq!(program.out.json(), [published(1), published(2)]);
        assert!(device.finish().success(), "{}", device.said());
        assert_eq!(messages(&device.out.json()), ["有人", "按门铃"]);
    }
}

#[test]
//= docs/spec/zzw-push-proto.md#permission
//# A call without a valid token MUST be answered with status 401 and do nothing.
fn the_server_is_the_one_that_rest_names() {
    let push = Push::start();
    let rest = push.rest();
    for via in VIAS {
        let ask = |token: &str| {
            let mut command = crate::kit::example("zzw_device");
            let args = ["--via", via, "--servers", &rest, "--rest-token", token];
            command.args(args).args(["--alias", "asks", "topics"]);
            command
        };
        let lines = does(&mut ask(&push.token));
        assert_eq!(lines[0]["event"], "topics");
        let refused = fails(ask("000102"));
        assert!(refused.contains("HTTP 401"), "{refused}");
        assert!(!refused.contains("000102"), "{refused}");
    }
}

#[test]
fn a_door_prints_who_asks_to_open_it_and_a_phone_that_it_is_there() {
    let push = Push::start();
    let address = push.address("tcp");
    let door = listen("tcp", &address, &["--alias", "d", "--door", "1203"]);
    // What is announced comes right behind: the server has read it when it answers what follows.
    push.does("tcp", &["server-info"]);
    let lines = push.does("tcp", &["open-door", "1203", "--user", "业主_7"]);
    let expected = json!({"event": "open_door", "room": "1203", "user": "业主_7"});
    assert_eq!(lines, [expected]);
    let line = door.out.line_with(r#""event":"door""#);
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        (&line["room"], &line["user"]),
        (&json!("1203"), &json!("业主_7"))
    );
    assert_eq!(line["server"], address);
    assert!(line["at"].as_u64().unwrap() > 1_600_000_000_000);
    let _phone = listen("tcp", &address, &["--alias", "p", "--phone", "1203"]);
    door.out
        .line_with(r#""event":"phone_present","room":"1203","user":"p""#);
    let over = device(
        "socketio",
        &push.address("socketio"),
        &["--alias", "d", "--door", "1"],
    );
    assert!(fails(over).contains("use --via tcp"));
}

#[test]
fn who_may_not_open_a_door_is_not_heard_there() {
    let push = Push::with(|options| options.doors = drive::zzw::server::DoorPolicy::Nobody);
    let door = listen(
        "tcp",
        &push.address("tcp"),
        &["--alias", "d", "--door", "1203"],
    );
    push.does("tcp", &["server-info"]);
    // Nothing answers the frame, whatever becomes of it.
    push.does("tcp", &["open-door", "1203", "--user", "u"]);
    push.publish("tcp", "d", "behind it");
    door.out.wait_for(1);
    assert_eq!(messages(&door.out.json()), ["behind it"]);
}

#[test]
fn acknowledged_by_hand_is_what_is_typed() {
    let push = Push::start();
    for via in VIAS {
        for text in ["一", "二"] {
            push.publish(via, "hand", text);
        }
        let command = device(
            via,
            &push.address(via),
            &["--alias", "hand", "--manual-ack"],
        );
        let (program, mut typed) = Program::typed(command);
        program.out.wait_for(2);
        let mid = program.out.json()[0]["mid"].as_str().unwrap().to_owned();
        writeln!(typed, "{mid}\nunknown").unwrap();
        // Answered in order: the first is done when the second is refused.
        program.err.line_with(r#""event":"failed""#);
        program.signal("TERM");
        let mut program = program;
        assert!(program.finish().success(), "{}", program.said());
        assert_eq!(
            messages(&push.does(via, &["--alias", "hand", "pull"])),
            ["二"],
            "{via}"
        );
    }
}

#[test]
fn a_token_is_shown_to_a_server_that_asks_for_one() {
    let push = Push::with(ask_for_tokens);
    for via in VIAS {
        let asks = |alias: &str, token: &str| {
            let args = ["--alias", alias, "--token", token, "topics"];
            device(via, &push.address(via), &args)
        };
        let valid = token("小明");
        assert_eq!(does(&mut asks("小明", &valid))[0]["event"], "topics");
        let mut by_variable = device(via, &push.address(via), &["--alias", "小明", "topics"]);
        by_variable.env("ZZW_TOKEN", &valid);
        does(&mut by_variable);
        for (alias, token) in [("小红", &*valid), ("小明", "s3cr3t")] {
            let refused = fails(asks(alias, token));
            assert!(!refused.contains(token), "{via}: {refused}");
            assert!(refused.contains("invalid token"), "{via}: {refused}");
        }
    }
}

#[test]
fn who_is_told_to_end_says_goodbye_and_succeeds() {
    let push = Push::start();
    for via in VIAS {
        for signal in ["TERM", "INT"] {
            let mut device = listen(via, &push.address(via), &["--alias", "ends"]);
            assert!(push.is_online("ends"));
            device.signal(signal);
            assert!(device.finish().success(), "{}", device.said());
            device.err.line_with(r#"{"event":"closed","why":"local"}"#);
            device.err.line_with(r#"{"event":"counters","bound":1"#);
        }
    }
}

#[test]
fn who_loses_the_alias_to_another_ends_with_that() {
    let push = Push::start();
    for via in VIAS {
        let mut first = listen(via, &push.address(via), &["--alias", "twice"]);
        let _second = listen(via, &push.address(via), &["--alias", "twice"]);
        assert_eq!(first.finish().code(), Some(1), "{}", first.said());
        first.err.line_with("another client has taken the alias");
    }
}

#[test]
fn a_refused_message_is_told_with_its_number() {
    let push = Push::with(|options| options.broker.max_body = 10);
    for via in VIAS {
        let command = device(via, &push.address(via), &["publish", "--to", "x", "-"]);
        let mut program = Program::fed(command, "a\na text beyond ten bytes\nb\n");
        assert_eq!(program.finish().code(), Some(1));
        let lines = program.out.json();
        let events: Vec<_> = lines
            .iter()
            .map(|line| (&line["num"], &line["event"]))
            .collect();
        let (published, failed) = (json!("published"), json!("failed"));
        let nums = [json!(1), json!(2), json!(3)];
        assert_eq!(
            events,
            [
                (&nums[0], &published),
                (&nums[1], &failed),
                (&nums[2], &published)
            ]
        );
        assert_eq!(
            (&lines[1]["code"], &lines[1]["sent"]),
            (&json!("too_large"), &json!(true))
        );
        program.err.line_with("1 of 3 messages were not taken");
    }
}

//! `se5_box` and `se5_subscribe` as processes, against each other.

mod kit;

use kit::{Folder, Program, SimulatedBox, example, ids, is_jpeg, sorted, subscribe};
use serde_json::Value;

#[test]
fn every_event_arrives_once_in_order_with_names_intact_in_both_dialects() {
    for dialect in ["1", "2"] {
        let args = [
            "--wait",
            "--rate",
            "50",
            "--count",
            "60",
            "--dialect",
            dialect,
        ];
        let simulator = SimulatedBox::start(&args);
        let count = ["--count", "60"];
        let mut subscriber = subscribe(&simulator.ws, &simulator.http, &count);
        let status = subscriber.finish();
        assert!(status.success(), "{}", subscriber.said());
        simulator.program.out.wait_for(60);
        let (emitted, printed) = (simulator.program.out.json(), subscriber.out.json());
        assert_eq!(emitted.len(), 60);
        for (emitted, printed) in emitted.iter().zip(&printed) {
            for member in [
                "event_id",
                "device_id",
                "identity_id",
                "identity_name",
                "timestamp_ms",
            ] {
                assert_eq!(
                    printed[member], emitted[member],
                    "dialect {dialect}: {printed}"
                );
            }
            assert_eq!(printed["source"], "live");
        }
        let names: Vec<&str> = printed
            .iter()
            .filter_map(|event| event["identity_name"].as_str())
            .collect();
        assert!(
            names.contains(&"测试员甲") && names.contains(&"测试员戊😀"),
            "{names:?}"
        );
    }
}

#[test]
fn a_line_has_what_was_promised_with_ids_as_texts() {
    let simulator = SimulatedBox::start(&["--wait", "--rate", "50"]);
    let mut subscriber = subscribe(&simulator.ws, &simulator.http, &["--count", "12"]);
    assert!(subscriber.finish().success(), "{}", subscriber.said());
    for event in subscriber.out.json() {
        let members = [
            "key",
            "device_id",
            "identity_id",
            "identity_name",
            "group_name",
            "device_type",
            "freshness",
            "source",
        ];
        for member in members {
            assert!(event[member].is_string(), "{member} in {event}");
        }
        assert!(
            event["person_type"].is_i64() && event["timestamp_ms"].is_i64(),
            "{event}"
        );
        assert!(
            event["score"].is_f64() && event["freshness"] == "live",
            "{event}"
        );
        assert_eq!(event["actionable"], Value::Bool(true));
        assert_eq!(event["pictures"], Value::Array(Vec::new()));
    }
}

#[test]
fn only_events_of_the_cameras_asked_for_arrive() {
    let simulator = SimulatedBox::start(&["--wait", "--rate", "50", "--cameras", "3"]);
    let wanted = &*simulator.devices[1];
    let args = ["--camera", wanted, "--count", "8", "--dialect", "1"];
    let mut subscriber = subscribe(&simulator.ws, &simulator.http, &args);
    assert!(subscriber.finish().success(), "{}", subscriber.said());
    for event in subscriber.out.json() {
        assert_eq!(event["device_id"], wanted);
    }
}

#[test]
fn pictures_are_saved_as_jpegs_and_never_printed() {
    for size in ["small", "large"] {
        let folder = Folder::new(&format!("pictures-{size}"));
        let simulator = SimulatedBox::start(&["--wait", "--rate", "30", "--pictures", size]);
        let album = folder.join("album");
        let args = [
            "--count",
            "10",
            "--faces",
            "--registered",
            "--pictures",
            &album,
        ];
        let mut subscriber = subscribe(&simulator.ws, &simulator.http, &args);
        assert!(subscriber.finish().success(), "{}", subscriber.said());
        let lines = subscriber.out.lines();
        assert!(lines.iter().all(|line| line.len() < 1_200), "{lines:?}");
        let album = Folder::at(folder.path().join("album"));
        let files = album.files();
        assert!(files.len() >= 20, "{:?}", files.keys());
        for event in subscriber.out.json() {
            for name in event["pictures"].as_array().unwrap() {
                assert!(is_jpeg(&files[name.as_str().unwrap()]), "{name}");
            }
        }
        let longest = files.values().map(Vec::len).max().unwrap();
        assert_eq!(longest > 100_000, size == "large", "{longest}");
    }
}

#[test]
fn a_cut_link_shows_as_a_gap_that_is_filled_without_loss_or_doubles() {
    for dialect in ["1", "2"] {
        let args = [
            "--wait",
            "--rate",
            "60",
            "--count",
            "200",
            "--dialect",
            dialect,
            "--fault",
            "cut@0.7",
            "--fault",
            "cut@1.4",
            "--fault",
            "cut@2.1",
        ];
        let simulator = SimulatedBox::start(&args);
        let subscriber = subscribe(&simulator.ws, &simulator.http, &[]);
        subscriber.err.line_with("gap: ");
        subscriber.err.line_with("gap filled: ");
        subscriber.out.wait_for(200);
        assert_eq!(sorted(ids(&subscriber.out)), sorted(simulator.emitted(200)));
        let events = subscriber.out.json();
        let backfilled = events.iter().filter(|event| event["source"] == "backfill");
        assert!(backfilled.clone().count() > 0, "{}", subscriber.said());
        for event in backfilled {
            assert_eq!(event["actionable"], Value::Bool(false), "{event}");
        }
    }
}

#[test]
fn faults_of_framing_and_content_cost_nothing() {
    let faults = [
        "binary",
        "fragments=7",
        "coalesced",
        "wrong-types",
        "escaped",
        "wrapped",
        "prefix",
        "duplicate=0.5",
        "reorder=4",
        "ping=0.2",
        "no-pong",
    ];
    for fault in faults {
        let args = ["--wait", "--rate", "60", "--count", "30", "--fault", fault];
        let simulator = SimulatedBox::start(&args);
        let folder = Folder::new(fault.split('=').next().unwrap());
        let album = folder.join("album");
        let args = ["--faces", "--count", "30", "--pictures", &album];
        let mut subscriber = subscribe(&simulator.ws, &simulator.http, &args);
        assert!(
            subscriber.finish().success(),
            "{fault}: {}",
            subscriber.said()
        );
        let (printed, emitted) = (sorted(ids(&subscriber.out)), sorted(simulator.emitted(30)));
        assert_eq!(printed, emitted, "{fault}");
        for (name, jpeg) in Folder::at(folder.path().join("album")).files() {
            assert!(is_jpeg(&jpeg), "{fault}: {name}");
        }
    }
}

#[test]
fn an_oversize_message_costs_the_connection_and_nothing_else() {
    let args = [
        "--wait",
        "--rate",
        "20",
        "--count",
        "60",
        "--fault",
        "oversize=20",
    ];
    let simulator = SimulatedBox::start(&args);
    let mut subscriber = subscribe(&simulator.ws, &simulator.http, &["--count", "60"]);
    subscriber.err.line_with("was lost: Oversize");
    assert!(subscriber.finish().success(), "{}", subscriber.said());
    assert_eq!(sorted(ids(&subscriber.out)), sorted(simulator.emitted(60)));
}

#[test]
fn truncated_messages_are_reported_and_do_not_end_the_connection() {
    let args = ["--wait", "--rate", "50", "--fault", "truncated=3"];
    let simulator = SimulatedBox::start(&args);
    let mut subscriber = subscribe(&simulator.ws, &simulator.http, &["--count", "20"]);
    assert!(subscriber.finish().success(), "{}", subscriber.said());
    assert!(subscriber.err.line_with("malformed: ").contains("not json"));
    assert!(subscriber.err.line_with("counters: ").contains("losses=0"));
}

#[test]
fn a_slow_subscriber_delays_nobody() {
    let args = [
        "--wait",
        "--rate",
        "100",
        "--count",
        "200",
        "--pictures",
        "large",
    ];
    let simulator = SimulatedBox::start(&args);
    let stalled = std::net::TcpStream::connect(simulator.ws_address()).unwrap();
    kit::subscribe_raw(&stalled, &simulator.devices);
    let all = ["--faces", "--count", "150"];
    let mut subscriber = subscribe(&simulator.ws, &simulator.http, &all);
    assert!(subscriber.finish().success(), "{}", subscriber.said());
    simulator
        .program
        .err
        .line_with("too slow, oldest event dropped");
    drop(stalled);
}

#[test]
fn a_slow_link_keeps_its_connection_and_loses_what_the_box_counts() {
    let args = [
        "--wait",
        "--exit",
        "--rate",
        "60",
        "--count",
        "240",
        "--fault",
        "slow=150000",
        "--fault",
        "heal@3",
    ];
    let mut simulator = SimulatedBox::start(&args);
    let subscriber = subscribe(&simulator.ws, &simulator.http, &["--faces"]);
    assert!(
        simulator.program.finish().success(),
        "{}",
        simulator.program.said()
    );
    subscriber.err.line_with("was lost: Eof");
    let line = simulator.program.err.line_with("link 1: left, ");
    let numbers: Vec<usize> = line
        .split([' ', ','])
        .filter_map(|word| word.parse().ok())
        .collect();
    let (sent, dropped) = (numbers[0], numbers[1]);
    assert_eq!(sent + dropped, 240, "{line}");
    assert!(dropped > 0, "{line}");
    subscriber.out.wait_for(sent);
    let (printed, emitted) = (ids(&subscriber.out), ids(&simulator.program.out));
    assert_eq!(printed.len(), sent);
    let mut left = emitted.iter();
    assert!(
        printed.iter().all(|id| left.any(|other| other == id)),
        "out of order"
    );
}

#[test]
fn a_name_that_nobody_has_is_unreachable() {
    let args = ["--camera", "gate", "--dialect", "1"];
    let subscriber = subscribe("ws://nobody.invalid:5679", "http://127.0.0.1:9", &args);
    subscriber.err.line_with("was lost: Unreachable");
}

#[test]
fn a_box_that_is_killed_and_comes_back_is_found_again() {
    let first = SimulatedBox::start(&["--rate", "50"]);
    let (ws, http) = (first.ws.clone(), first.http.clone());
    let subscriber = subscribe(&ws, &http, &[]);
    subscriber.out.wait_for(5);
    first.program.kill();
    subscriber.err.line_with("state: waiting");
    let seen = subscriber.out.lines().len();
    let (listen, questions) = (&ws[5..], &http[7..]);
    let _second = SimulatedBox::start_at(listen, questions, &["--rate", "50"]);
    subscriber.out.wait_for(seen + 20);
    subscriber.err.line_with("gap: ");
    let printed = ids(&subscriber.out);
    let mut once = printed.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), printed.len());
}

#[test]
fn a_killed_subscriber_goes_on_where_its_mark_file_says() {
    let folder = Folder::new("mark");
    let mark = folder.join("mark");
    let args = [
        "--wait", "--rate", "20", "--count", "100", "--fault", "cut@0.5",
    ];
    let simulator = SimulatedBox::start(&args);
    let first = subscribe(&simulator.ws, &simulator.http, &["--mark", &mark]);
    first.err.line_with("gap filled: ");
    while !folder.path().join("mark").exists() {
        std::thread::yield_now();
    }
    let (before, _) = first.kill();
    simulator.program.out.wait_for(100);
    let second = subscribe(&simulator.ws, &simulator.http, &["--mark", &mark]);
    second.err.line_with("gap filled: ");
    let emitted = sorted(simulator.emitted(100));
    let mut both = ids(&before);
    both.extend(ids(&second.out));
    let mut both = sorted(both);
    both.dedup();
    assert_eq!(both, emitted, "{}", second.said());
}

#[test]
fn the_clock_of_the_box_makes_events_late_but_loses_none() {
    let args = [
        "--wait",
        "--rate",
        "40",
        "--count",
        "40",
        "--fault",
        "clock=-3600000",
    ];
    let simulator = SimulatedBox::start(&args);
    let mut subscriber = subscribe(&simulator.ws, &simulator.http, &["--count", "40"]);
    assert!(subscriber.finish().success(), "{}", subscriber.said());
    assert!(subscriber.err.line_with("clock: ").contains("ahead"));
    for event in subscriber.out.json() {
        assert_eq!(event["freshness"], "late", "{event}");
        assert_eq!(event["actionable"], Value::Bool(false));
        assert!(
            event["age_ms"].as_i64().unwrap() >= 3_600_000 - 1_000,
            "{event}"
        );
    }
}

#[test]
fn a_firmware_update_into_the_other_dialect_is_followed() {
    let args = [
        "--wait",
        "--rate",
        "20",
        "--boot-time",
        "0.5",
        "--fault",
        "dialect@1",
    ];
    let simulator = SimulatedBox::start(&args);
    let subscriber = subscribe(&simulator.ws, &simulator.http, &[]);
    subscriber.err.line_with("dialect: V1");
    let found = subscriber.err.line_with("dialect: V2");
    let seen = subscriber.out.lines().len();
    subscriber.out.wait_for(seen + 10);
    drop(found);
}

#[test]
fn the_box_ends_by_itself_when_told_to_and_everyone_has_everything() {
    let args = ["--wait", "--rate", "200", "--count", "100", "--exit"];
    let mut simulator = SimulatedBox::start(&args);
    let subscriber = subscribe(&simulator.ws, &simulator.http, &[]);
    assert!(simulator.program.finish().success());
    subscriber.out.wait_for(100);
    assert_eq!(ids(&subscriber.out), simulator.emitted(100));
}

#[test]
fn both_end_cleanly_on_signals() {
    for signal in ["INT", "TERM"] {
        let mut simulator = SimulatedBox::start(&["--rate", "50"]);
        let mut subscriber = subscribe(&simulator.ws, &simulator.http, &[]);
        subscriber.out.wait_for(3);
        subscriber.signal(signal);
        assert_eq!(subscriber.finish().code(), Some(0), "{}", subscriber.said());
        subscriber.err.line_with("closed");
        simulator.program.signal(signal);
        assert_eq!(simulator.program.finish().code(), Some(0));
    }
}

#[test]
fn a_reader_that_leaves_ends_the_program_quietly() {
    let simulator = SimulatedBox::start(&["--rate", "50"]);
    let mut command = example("se5_subscribe");
    command.arg(&simulator.ws).args(["--http", &simulator.http]);
    let mut child = command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_taken_port_is_named_with_what_to_do() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for ports in [[&*address, "127.0.0.1:0"], ["127.0.0.1:0", &address]] {
        let mut command = example("se5_box");
        command.args(["--listen", ports[0], "--http", ports[1]]);
        let mut simulator = Program::start(command);
        assert_eq!(simulator.finish().code(), Some(1));
        let line = simulator.err.line_with("port is taken");
        assert!(
            line.contains(&address) && line.contains("choose another"),
            "{line}"
        );
    }
}

#[test]
fn wrong_arguments_are_explained() {
    let wrong: [(&str, &[&str], &str); 9] = [
        (
            "se5_box",
            &["--fault", "earthquake"],
            "no fault is called earthquake",
        ),
        ("se5_box", &["--fault", "slow"], "needs a value"),
        (
            "se5_box",
            &["--fault", "cut@soon"],
            "not a number of seconds",
        ),
        ("se5_box", &["--dialect", "3"], "dialects 1 and 2"),
        ("se5_box", &["--cameras", "0"], "0 is not in"),
        ("se5_box", &["--exit"], "--count"),
        ("se5_subscribe", &[], "<URL>"),
        (
            "se5_subscribe",
            &["http://127.0.0.1:5679"],
            "ws://HOST:PORT",
        ),
        (
            "se5_subscribe",
            &["ws://127.0.0.1", "--http", "127.0.0.1"],
            "http://HOST:PORT",
        ),
    ];
    for (program, args, advice) in wrong {
        let mut command = example(program);
        command.args(args);
        let mut program = Program::start(command);
        assert!(!program.finish().success());
        let said = program.err.lines().join("\n");
        assert!(said.contains(advice), "{args:?}: {said}");
    }
}

#[test]
fn an_unreachable_box_is_tried_again_until_the_user_ends_it() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = nobody.local_addr().unwrap().to_string();
    drop(nobody);
    let (ws, http) = (format!("ws://{address}"), format!("http://{address}"));
    let args = ["--camera", "gate", "--dialect", "1"];
    let mut subscriber = subscribe(&ws, &http, &args);
    subscriber.err.line_with("was lost: Refused");
    subscriber.signal("INT");
    assert_eq!(subscriber.finish().code(), Some(0));
    let mut all = subscribe(&ws, &http, &[]);
    all.err.line_with("devices: no answer");
    all.signal("INT");
    assert_eq!(all.finish().code(), Some(0));
}

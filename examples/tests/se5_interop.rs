//! `se5_box` and `se5_subscribe` against programs that others have written libraries for.

mod kit;

use kit::{Folder, Program, SimulatedBox, ids, is_jpeg, is_there, sorted, subscribe};
use serde_json::Value;
use std::process::Command;

#[test]
fn the_vendors_python_program_prints_every_event() {
    let forms: [&[&str]; 5] = [
        &[],
        &["--fault", "binary"],
        &["--fault", "fragments=9"],
        &["--pictures", "huge", "--rate", "5"],
        &["--dialect", "2"],
    ];
    for form in forms {
        let dialect = if form.contains(&"2") { "2" } else { "1" };
        let Some(mut client) = python("vendor_client.py", "import websocket") else {
            return;
        };
        let mut args = vec!["--wait", "--rate", "50", "--count", "6"];
        if form.contains(&"--rate") {
            args.drain(1..3);
        }
        args.extend(form);
        let simulator = SimulatedBox::start(&args);
        client
            .args([&simulator.ws, dialect, "6"])
            .args(&simulator.devices);
        let mut client = Program::start(client);
        assert!(client.finish().success(), "{form:?}: {}", client.said());
        let emitted = simulator.program.out.json();
        for (line, event) in client.out.lines().iter().zip(&emitted) {
            let words: Vec<&str> = line.split(' ').collect();
            assert_eq!(words[0], event["device_id"], "{form:?}");
            assert_eq!(words[1], event["event_id"], "{form:?}");
            let is_huge = words[2].parse::<usize>().unwrap() > 3_000_000;
            assert_eq!(is_huge, form.contains(&"huge"), "{form:?}: {line}");
        }
        assert_eq!(client.out.lines().len(), 6, "{form:?}");
    }
}

#[test]
fn a_ping_kills_the_vendors_python_program() {
    let Some(mut client) = python("vendor_client.py", "import websocket") else {
        return;
    };
    let simulator = SimulatedBox::start(&["--wait", "--rate", "0", "--fault", "ping=0.2"]);
    client
        .args([&simulator.ws, "1", "1"])
        .args(&simulator.devices);
    let mut client = Program::start(client);
    assert_eq!(client.finish().code(), Some(1), "{}", client.said());
    client.err.line_with("JSONDecodeError");
}

#[test]
fn node_ws_gets_every_event_and_both_sides_answer_pings() {
    let Some(mut client) = node("ws_client.js") else {
        return;
    };
    let args = [
        "--wait", "--rate", "20", "--count", "20", "--fault", "ping=0.2",
    ];
    let simulator = SimulatedBox::start(&args);
    client.arg(&simulator.ws).arg("20").args(&simulator.devices);
    let mut client = Program::start(client);
    assert!(client.finish().success(), "{}", client.said());
    assert_eq!(ids(&client.out), simulator.emitted(20));
    let line = client.err.line_with("extensions=");
    assert!(
        line.starts_with("extensions= pings=") && line.ends_with("pongs=1"),
        "{line}"
    );
    assert!(!line.contains("pings=0"), "{line}");
    let names: Vec<Value> = client.out.json();
    let emitted = simulator.program.out.json();
    assert_eq!(names[0]["name"], emitted[0]["identity_name"]);
}

#[test]
fn node_ws_is_not_told_when_the_box_ignores_pings() {
    let Some(mut client) = node("ws_client.js") else {
        return;
    };
    let simulator = SimulatedBox::start(&["--wait", "--rate", "20", "--fault", "no-pong"]);
    client.arg(&simulator.ws).arg("5").args(&simulator.devices);
    let mut client = Program::start(client);
    assert!(client.finish().success(), "{}", client.said());
    assert!(client.err.line_with("extensions=").ends_with("pongs=0"));
}

#[test]
fn a_client_that_reads_frames_may_subscribe_again_and_gets_pictures_in_dialect_2_only() {
    for (dialect, picture) in [("1", "garbage"), ("2", "picture")] {
        let Some(mut client) = python("frames_client.py", "import socket") else {
            return;
        };
        let simulator = SimulatedBox::start(&["--wait", "--rate", "50", "--dialect", dialect]);
        let (host, port) = simulator.ws_address().split_once(':').unwrap();
        client.args([host, port, dialect]).args(&simulator.devices);
        let mut client = Program::start(client);
        assert!(client.finish().success(), "{}", client.said());
        let wanted = format!("{} {picture}", simulator.devices[1]);
        assert_eq!(client.out.lines(), vec![wanted; 6], "dialect {dialect}");
    }
}

#[test]
fn a_box_on_python_websockets_is_understood_as_the_document_shows_it() {
    let Some(mut little) = python("little_box.py", "import websockets") else {
        return;
    };
    little.arg("6");
    let (little, ws, http) = listening(little);
    let folder = Folder::new("little");
    let album = folder.join("album");
    let args = ["--faces", "--count", "6", "--pictures", &album];
    let mut subscriber = subscribe(&ws, &http, &args);
    assert!(subscriber.finish().success(), "{}", subscriber.said());
    let device = "2c1a6a12-ecf4-4490-a2fc-8d7a5023bfcd";
    let config = little.out.line_with("config");
    assert_eq!(
        config,
        format!(
            r#"config {{"need_face": true, "need_register": false, "event_list": ["{device}"]}}"#
        )
    );
    let events = subscriber.out.json();
    for (number, event) in events.iter().enumerate() {
        let id = (9_007_199_254_740_993 + number as u64).to_string();
        assert_eq!(event["identity_id"], Value::String(id));
        assert_eq!(event["identity_name"], "样例小明");
        assert_eq!(event["device_id"], device);
        assert_eq!(event["freshness"], "live", "{event}");
    }
    let [whole, without_type, without_ext] = [&events[0], &events[1], &events[2]];
    assert_eq!(
        (&whole["person_type"], &whole["device_type"]),
        (&5.into(), &"0".into())
    );
    assert_eq!(
        (&whole["group_name"], &whole["score"]),
        (&"贵宾/一层".into(), &0.623_161_435_127_258_3.into())
    );
    assert_eq!(without_type["person_type_missing"], Value::Bool(true));
    assert_eq!(without_type["group_name"], Value::Null);
    assert_eq!(
        (&without_ext["score"], &without_ext["device_type"]),
        (&Value::Null, &Value::Null)
    );
    let files = Folder::at(folder.path().join("album")).files();
    assert_eq!(files.len(), 4);
    for (name, jpeg) in files {
        assert!(
            is_jpeg(&jpeg) && jpeg.len() == 1030,
            "{name}: {}",
            jpeg.len()
        );
    }
}

#[test]
fn a_box_that_never_answers_pings_stays_connected() {
    let Some(deaf) = python("deaf_box.py", "import http.server") else {
        return;
    };
    let (deaf, ws, http) = listening(deaf);
    let args = ["--idle", "0.5", "--count", "1", "--dialect", "1"];
    let mut subscriber = subscribe(&ws, &http, &args);
    deaf.out.line_with("ping ignored");
    subscriber.err.line_with("proof: HttpOnly");
    assert!(subscriber.finish().success(), "{}", subscriber.said());
    assert!(subscriber.err.line_with("counters: ").contains("losses=0"));
    assert_eq!(subscriber.out.json()[0]["identity_name"], "测试员甲");
}

#[test]
fn curl_gets_devices_history_pictures_and_errors() {
    if !is_there(curl_command(&["--version"])) {
        return;
    }
    for dialect in ["1", "2"] {
        let args = ["--rate", "100", "--count", "30", "--dialect", dialect];
        let simulator = SimulatedBox::start(&args);
        let emitted = simulator.emitted(30);
        let get = |path: &str| curl(&[&format!("{}{path}", simulator.http)]);
        let post =
            |path: &str, body: &str| curl(&["-d", body, &format!("{}{path}", simulator.http)]);
        let mut seen = Vec::new();
        let picture = if dialect == "1" {
            let devices = json(get("/SophonDevice/api/Devices"));
            assert_eq!(devices["data"]["devices_list"].as_array().unwrap().len(), 2);
            let mut last = Value::Null;
            for page in 0..3 {
                let path = "/SophonFace/api/events?datetime_gte=1&datetime_lte=4000000000";
                let answer = json(get(&format!("{path}&page={page}&per_page=12")));
                assert_eq!(answer["pagination"]["total_count"], 30, "{answer}");
                for record in answer["data"].as_array().unwrap() {
                    seen.push(record["_id"].as_str().unwrap().to_owned());
                    last = record.clone();
                }
            }
            let id = last["common"]["recognize_face_pic_id"].as_str().unwrap();
            format!(
                "/SophonFace/api/event_images/{id}?datetime={}",
                time_as_written(&last)
            )
        } else {
            let devices = json(post("/sophon/v2/face/getmediadevices", "{}"));
            assert_eq!(devices["devices"].as_array().unwrap().len(), 2);
            let mut last = Value::Null;
            for page in 0..3 {
                let body = format!(
                    r#"{{"filters":{{"datetime_gte":1000,"datetime_lte":4000000000000}},"page_limit":12,"page_index":{page}}}"#
                );
                let answer = json(post("/sophon/v2/face/getevents", &body));
                assert_eq!(answer["pagination"]["total_count"], 30, "{answer}");
                for record in answer["events"].as_array().unwrap() {
                    seen.push(record["event_id"].as_str().unwrap().to_owned());
                    last = record.clone();
                }
            }
            let id = last["recognize_face_image_id"].as_str().unwrap();
            format!(
                "/sophon/v2/face/getspotimage/{id}?timestamp={}",
                time_as_written(&last)
            )
        };
        assert_eq!(sorted(seen), sorted(emitted), "dialect {dialect}");
        assert!(is_jpeg(&get(&picture).1), "{picture}");
        assert_eq!(get("/no/such/path").0, 404);
    }
}

#[test]
fn curl_is_told_what_each_port_is_for() {
    if !is_there(curl_command(&["--version"])) {
        return;
    }
    let simulator = SimulatedBox::start(&["--rate", "0", "--dialect", "2", "--fault", "reboot"]);
    let (status, body) = curl(&[&simulator.ws.replace("ws://", "http://")]);
    assert_eq!(
        (status, &*String::from_utf8(body).unwrap()),
        (426, "this port speaks WebSocket only: dial it with ws://\n")
    );
    let booting = json(curl(&[
        "-d",
        "{}",
        &format!("{}/sophon/v2/face/getmediadevices", simulator.http),
    ]));
    assert_eq!(booting["error"]["code"], "DEVICE_INIT_ERROR", "{booting}");
    let huge = format!("@{}", std::env::current_exe().unwrap().display());
    let url = format!("{}/sophon/v2/face/getevents", simulator.http);
    assert_eq!(
        curl(&["-H", "Expect:", "--data-binary", &huge, &url]).0,
        413
    );
}

/// A Python program of ours, if Python and what it imports are there.
fn python(script: &str, check: &str) -> Option<Command> {
    let python = std::env::var_os("INTEROP_PYTHON").unwrap_or_else(|| "python3".into());
    let mut imports = Command::new(&python);
    imports.args(["-c", check]);
    let mut command = Command::new(python);
    command.arg(path(script));
    is_there(imports).then_some(command)
}

/// A Node program of ours, if Node and `ws` are there.
fn node(script: &str) -> Option<Command> {
    let modules = std::env::var_os("INTEROP_NODE_PATH").unwrap_or_else(|| "node_modules".into());
    let mut requires = Command::new("node");
    requires
        .env("NODE_PATH", &modules)
        .args(["-e", "require('ws')"]);
    let mut command = Command::new("node");
    command.env("NODE_PATH", modules).arg(path(script));
    is_there(requires).then_some(command)
}

fn path(script: &str) -> String {
    format!("{}/tests/interop/{script}", env!("CARGO_MANIFEST_DIR"))
}

/// Starts a box of someone else's and reads where it listens.
fn listening(command: Command) -> (Program, String, String) {
    let program = Program::start(command);
    let line = program.out.line_with("listening ");
    let mut words = line.split(' ').skip(1).map(str::to_owned);
    let (ws, http) = (words.next().unwrap(), words.next().unwrap());
    (program, ws, http)
}

fn curl_command(args: &[&str]) -> Command {
    let mut command = Command::new("curl");
    command.args(args);
    command
}

fn curl(args: &[&str]) -> (u16, Vec<u8>) {
    let mut command = curl_command(&["-s", "-m", "20", "-w", "\n%{http_code}"]);
    let output = command.args(args).output().unwrap();
    let end = output
        .stdout
        .iter()
        .rposition(|&byte| byte == b'\n')
        .unwrap();
    let status = String::from_utf8_lossy(&output.stdout[end + 1..]);
    (status.parse().unwrap(), output.stdout[..end].to_vec())
}

/// The box wants the time of a record as it wrote it, with all its zeros.
fn time_as_written(record: &Value) -> String {
    format!("{:.3}", record["timestamp"].as_f64().unwrap())
}

fn json((status, body): (u16, Vec<u8>)) -> Value {
    let text = String::from_utf8(body).unwrap();
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

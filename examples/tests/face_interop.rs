//! `face_receiver` against terminals that others have written HTTP libraries for.

mod kit;
mod kit_face;

use drive::face::receiver::ReceiverOptions;
use drive::records;
use kit::{Folder, Program, example, is_there};
use kit_face::{jpeg, query, record, unlike};
use serde_json::Value;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::process::Command;

#[test]
//= docs/spec/face-record-push.md#record
//# Whole numbers beyond 2^53 MUST be printed as text where the receiver prints JSON.
fn python_and_node_push_in_every_way_that_they_have() {
    let clients = [
        client(python(), "face_client.py"),
        client("node".into(), "face_client.js"),
    ];
    for (name, client) in ["python", "node"].into_iter().zip(clients) {
        let Some(mut client) = client else {
            continue;
        };
        let folder = Folder::new(&format!("push-{name}"));
        let (receiver, url) = receiver(&folder);
        client.args([&url, "12"]);
        let mut client = Program::start(client);
        assert!(client.finish().success(), "{}", client.said());
        let pushed = client.out.lines();
        assert_eq!(pushed.len(), 12);

        receiver.out.wait_for(12);
        let text = |record: &Value, member: &str| record[member].as_str().unwrap().to_owned();
        let records = receiver.out.json();
        let ids: Vec<String> = records.iter().map(|it| text(it, "user_id")).collect();
        assert_eq!(ids, pushed, "{name}: each once, in order, none rounded");
        assert!(records.iter().all(|it| text(it, "user_name") == "测试员"));
        let counts = "SELECT count(*), count(DISTINCT picture), min(user_name) FROM records";
        assert_eq!(query(&folder, counts), ["12|12|测试员"], "{name}");
    }
}

#[test]
//= docs/spec/face-record-push.md#record
//# The receiver MUST take a push with any `Content-Type` and with none.
fn curl_pushes_with_whatever_options() {
    let Some(()) = curl() else { return };
    let folder = Folder::new("push-curl");
    let (receiver, url) = receiver(&folder);
    let forms: [&[&str]; 8] = [
        &["-H", "Content-Type: application/json"],
        &["-H", "Content-Type:"],
        &["-H", "Content-Type: text/plain; charset=gbk"],
        &["-H", "Expect: 100-continue"],
        &["-H", "Expect:", "-H", "Content-Type:"],
        &["-H", "Transfer-Encoding: chunked"],
        &["--http1.0"],
        &["--no-keepalive", "-H", "Connection: close"],
    ];
    for (number, form) in (1..).zip(forms) {
        // Beyond a megabyte curl asks for leave by itself.
        let size = if number % 2 == 0 { 1_200_000 } else { 20_000 };
        let body = record(number, &number.to_string(), &unlike(number, size));
        let said = post(&folder, &url, &body, form);
        assert!(said.starts_with(r#"200 {"code":200"#), "{form:?}: {said}");
        // The same again is acknowledged again.
        assert_eq!(post(&folder, &url, &body, form), said, "{form:?}");
    }
    receiver.out.wait_for(forms.len());
    let ids = "SELECT group_concat(user_id) FROM (SELECT user_id FROM records ORDER BY id)";
    assert_eq!(query(&folder, ids), ["1,2,3,4,5,6,7,8"]);
}

#[test]
fn curl_looks_whether_the_receiver_is_there() {
    let Some(()) = curl() else { return };
    let folder = Folder::new("heartbeat-curl");
    let (receiver, url) = receiver(&folder);
    let format = ["-s", "-m", "20", "-w", "%{http_code}"];
    let said = |args: &[&str]| {
        let output = Command::new("curl").args(format).args(args).output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    assert_eq!(said(&[&url]), "{}200");
    let head = said(&["-I", &url]);
    assert!(head.ends_with("200") && !head.contains("{}"), "{head}");
    assert!(said(&["-X", "DELETE", &url]).ends_with("405"));
    receiver.signal("TERM");
    receiver.err.line_with("heartbeats=2");
}

#[test]
fn what_is_no_json_is_acknowledged_and_kept_aside() {
    let Some(()) = curl() else { return };
    let folder = Folder::new("quarantine-curl");
    let (receiver, url) = receiver(&folder);
    let good = record(1, "1", &jpeg(100));
    let comma = good.replace("36.5}", "36.5,}");
    let gbk = [
        b"{\"type\":0,\"data\":{\"user\":{\"name\":\"",
        &b"\xb2\xe2\xca\xd4"[..],
        b"\"}}}",
    ];
    for body in [comma.as_bytes(), &gbk.concat(), b"", good.as_bytes()] {
        let said = post(&folder, &url, body, &[]);
        assert!(said.starts_with(r#"200 {"code":200"#), "{said}");
    }
    receiver.out.wait_for(1);
    let counts = "SELECT (SELECT count(*) FROM records), (SELECT count(*) FROM quarantine)";
    assert_eq!(query(&folder, counts), ["1|3"]);
}

#[test]
//= docs/spec/face-record-push.md#destination
//# The receiver MUST judge the address of a terminal like a destination before it sends an account
//# or a token there.
fn a_receiver_calls_no_terminal_at_a_special_address() {
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let options = ReceiverOptions::new(listen, records::Options::new("records.db"));
    let is_allowed = |address: &str| (options.dialing.allows)(address.parse().unwrap());
    for special in [
        "127.0.0.1",
        "169.254.169.254",
        "0.0.0.0",
        "::1",
        "::ffff:127.0.0.1",
    ] {
        assert!(!is_allowed(special), "{special}");
    }
    assert!(is_allowed("192.168.1.7") && is_allowed("10.0.0.7"));
}

/// A receiver on a free port that prints JSON, and where it takes records.
fn receiver(folder: &Folder) -> (Program, String) {
    let mut command = example("face_receiver");
    let db = folder.join("records.db");
    command.args(["--listen", "127.0.0.1:0", "--json", "--db", &db]);
    let program = Program::start(command);
    let line = program.err.line_with("listening ");
    let url = line.split(' ').nth(1).unwrap().to_owned();
    (program, url)
}

/// Posts a body with curl; the status and what was answered.
fn post(folder: &Folder, url: &str, body: impl AsRef<[u8]>, options: &[&str]) -> String {
    let file = folder.join("body.json");
    std::fs::write(&file, body).unwrap();
    let output = Command::new("curl")
        .args([
            "-s",
            "-m",
            "20",
            "-o",
            &folder.join("reply"),
            "-w",
            "%{http_code} ",
        ])
        .args(["--data-binary", &format!("@{file}")])
        .args(options)
        .arg(url)
        .output();
    let status = String::from_utf8(output.unwrap().stdout).unwrap();
    status + &std::fs::read_to_string(folder.join("reply")).unwrap()
}

fn curl() -> Option<()> {
    let mut version = Command::new("curl");
    version.arg("--version");
    is_there(version).then_some(())
}

fn python() -> OsString {
    std::env::var_os("INTEROP_PYTHON").unwrap_or_else(|| "python3".into())
}

/// A script of ours, if what runs it is there.
fn client(program: OsString, script: &str) -> Option<Command> {
    let mut version = Command::new(&program);
    version.arg("--version");
    let mut command = Command::new(program);
    command.arg(format!(
        "{}/tests/interop/{script}",
        env!("CARGO_MANIFEST_DIR")
    ));
    is_there(version).then_some(command)
}

//! `face_receiver` against programs that others have written clients for.

mod kit;
mod kit_face;

use kit::{Folder, Program, is_there};
use kit_face::{Receiver, jpeg, pictures, query, record, unlike};
use std::process::Command;

#[test]
fn python_pushes_records_with_names_and_numbers_intact() {
    let python = std::env::var_os("INTEROP_PYTHON").unwrap_or_else(|| "python3".into());
    pushed_by("python", Command::new(python), "face_push.py", "PYTHON");
}

#[test]
fn node_pushes_records_with_names_and_numbers_intact() {
    pushed_by("node", Command::new("node"), "face_push.js", "NODE");
}

#[test]
fn curl_pushes_records_in_every_way_it_has() {
    let mut version = Command::new("curl");
    version.arg("--version");
    if !is_there(version) {
        return;
    }
    let folder = Folder::new("curl");
    let receiver = Receiver::start(&folder, &[]);
    let url = format!("http://{}/Record", receiver.address);
    let ways: [&[&str]; 7] = [
        &[],
        &["-H", "Content-Type: application/json"],
        &["-H", "Content-Type:"],
        &["-H", "Transfer-Encoding: chunked"],
        &["-H", "Expect: 100-continue"],
        &["-H", "Expect:"],
        &["--http1.0"],
    ];
    let large = unlike(99, 2_300_000);
    let mut number = 0;
    for picture in [&jpeg(40_000), &large] {
        for way in ways {
            number += 1;
            let path = folder.join("body.json");
            std::fs::write(&path, record(number, "1", picture)).unwrap();
            let output = Command::new("curl")
                .args(["-s", "-m", "60", "--data-binary", &format!("@{path}")])
                .args(way)
                .arg(&url)
                .output()
                .unwrap();
            let said = String::from_utf8(output.stdout).unwrap();
            assert!(said.starts_with(r#"{"code":200"#), "{way:?}: {said}");
        }
    }
    let mut head = Command::new("curl");
    let head = head.args(["-sI", &url]).output().unwrap();
    assert!(head.stdout.starts_with(b"HTTP/1.1 200 OK"));
    receiver.stop();
    assert_eq!(query(&folder, "SELECT count(*) FROM records"), ["14"]);
    assert_eq!(pictures(&folder).len(), 2);
}

/// Lets a program push ten records, which must all be there, in order.
fn pushed_by(name: &str, mut client: Command, script: &str, serial: &str) {
    let mut version = Command::new(client.get_program());
    version.arg("--version");
    if !is_there(version) {
        return;
    }
    let folder = Folder::new(&format!("pushed-by-{name}"));
    let receiver = Receiver::start(&folder, &[]);
    client
        .arg(format!(
            "{}/tests/interop/{script}",
            env!("CARGO_MANIFEST_DIR")
        ))
        .arg(format!("http://{}/Record", receiver.address))
        .args(["1", "10"]);
    let mut client = Program::start(client);
    assert!(client.finish().success(), "{}", client.said());
    receiver.program.out.wait_for(10);
    let users = (1..=10).map(|number| (9_007_199_254_740_992_u64 + number).to_string());
    let users: Vec<String> = users.collect();
    for (line, user) in receiver.program.out.json().iter().zip(&users) {
        assert_eq!(line["device_sn"], serial);
        assert_eq!(line["user_id"], **user);
        assert_eq!(line["user_name"], "样例小明");
    }
    receiver.stop();
    assert_eq!(
        query(&folder, "SELECT user_id FROM records ORDER BY id"),
        users
    );
    assert_eq!(pictures(&folder).len(), 1);
}

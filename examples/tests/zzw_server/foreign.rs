//! REST for programs that others have written.

use crate::kit::{Folder, Program, is_there};
use crate::process::{Caller, Server};
use serde_json::{Value, json};
use std::process::Command;

#[test]
fn python_asks_in_every_way_that_it_has() {
    let python = std::env::var_os("INTEROP_PYTHON").unwrap_or_else(|| "python3".into());
    let mut imports = Command::new(&python);
    imports.args(["-c", "import http.client"]);
    if !is_there(imports) {
        return;
    }
    let server = Server::start(&[]);
    let mut listener = Caller::bound(&server, "门口机");
    let script = format!(
        "{}/tests/interop/rest_client.py",
        env!("CARGO_MANIFEST_DIR")
    );
    let mut command = Command::new(python);
    command.env("PYTHONIOENCODING", "utf-8");
    command.args([&script, &format!("http://{}", server.rest), &server.token]);
    let mut client = Program::start(command);
    assert!(client.finish().success(), "{}", client.said());
    let lines = client.out.lines();
    for number in 1..=5 {
        assert_eq!(
            lines[number - 1],
            format!("200 {{\"t\":-6,\"num\":{number}}}")
        );
        let pushed = listener.hears();
        assert_eq!(pushed["msg"], format!("你好 {number} 😀"), "{pushed}");
    }
    assert_eq!(lines[5], r#"200 {"list":[],"status":"online"}"#);
    assert!(lines[6].starts_with("401 {\"t\":0,"), "{}", lines[6]);
}

#[test]
fn curl_pushes_with_whatever_options() {
    let mut version = Command::new("curl");
    version.arg("--version");
    if !is_there(version) {
        return;
    }
    let server = Server::start(&[]);
    let mut listener = Caller::bound(&server, "门口机");
    let folder = Folder::new("zzw-rest-curl");
    let push = format!("http://{}/push/{}", server.rest, server.token);
    let file = |name: &str, text: &str| {
        std::fs::write(folder.join(name), text).unwrap();
        format!("@{}", folder.join(name))
    };
    let message = json!({"t": 6, "method": "publish_to_alias", "alias": ["门口机"], "msg": "开门\n\"😀\"", "num": "1"});
    let (small, large) = (
        file("small", &message.to_string()),
        file("large", &"x".repeat(1 << 20)),
    );
    let forms: [&[&str]; 6] = [
        &[],
        &["-H", "Content-Type: application/json"],
        &["-H", "Content-Type:"],
        &["-H", "Expect: 100-continue"],
        &["-H", "Transfer-Encoding: chunked"],
        &["--http1.0"],
    ];
    for form in forms {
        let answer = curl(&[form, &["--data-binary", &small, &push]].concat());
        assert_eq!(answer, (200, json!({"t": -6, "num": "1"})), "{form:?}");
        assert_eq!(listener.hears()["msg"], "开门\n\"😀\"", "{form:?}");
    }
    for form in [
        &["-H", "Expect:"] as &[&str],
        &["-H", "Expect: 100-continue"],
        &["-H", "Transfer-Encoding: chunked"],
    ] {
        let (status, answer) = curl(&[form, &["--data-binary", &large, &push]].concat());
        assert_eq!(
            (status, &answer["code"]),
            (413, &json!("too_large")),
            "{form:?}"
        );
    }
    let status = format!("http://{}/info/status/门口机/{}", server.rest, server.token);
    assert_eq!(
        curl(&[&status]),
        (200, json!({"list": [], "status": "online"}))
    );
    let (status, answer) = curl(&["-X", "DELETE", &push]);
    assert_eq!((status, &answer["t"]), (405, &json!(0)));
}

fn curl(args: &[&str]) -> (u16, Value) {
    let mut command = Command::new("curl");
    command
        .args(["-s", "-m", "50", "-w", "\n%{http_code}"])
        .args(args);
    let said = String::from_utf8(command.output().unwrap().stdout).unwrap();
    let (body, status) = said.rsplit_once('\n').unwrap();
    let json = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {said}"));
    (status.parse().unwrap(), json)
}

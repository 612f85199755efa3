//! The same with the programs, over TLS, and what they say if they cannot.

use crate::kit::{Folder, Program, example, is_there};
use crate::kit_face::{Receiver, query};
use serde_json::{Value, json};
use std::process::Command;

const PASSWORD: &str = "open sesame 密码";

#[test]
fn a_terminal_with_an_account_is_enrolled_over_tls() {
    let folder = Folder::new("enrol-tls");
    let (mut terminal, port, pin) = guarded(&folder, &["--rate", "50", "--count", "5"]);
    let mut command = example("face_receiver");
    command
        .env("FACE_TERMINAL_ACCOUNT", format!("admin:{PASSWORD}"))
        .args(["--listen", "127.0.0.1:0", "--path", "/hidden-path"])
        .args(["--db", &folder.join("records.db"), "--allow-special"])
        .args(["--enrol", &format!("https://127.0.0.1:{port}")])
        .args(["--terminal-key-pin", &pin]);
    let receiver = Receiver::of(command);
    let line = receiver.program.err.line_with("enrolled ");
    assert!(line.contains(&port), "{line}");
    assert!(terminal.finish().success(), "{}", terminal.said());
    let said = format!("{} {}", terminal.said(), receiver.program.said());
    assert!(
        !said.contains("sesame") && !said.contains("earer"),
        "{said}"
    );
    // The terminal's own lines are for its owner, who sets it.
    let said = receiver.program.said();
    assert!(!said.contains("hidden-path"), "{said}");
    receiver.stop();
    let users = query(&folder, "SELECT user_id FROM records ORDER BY id");
    assert_eq!(users, ["1", "2", "3", "4", "5"]);
}

#[test]
fn a_terminal_that_is_not_trusted_is_told_nothing() {
    let folder = Folder::new("enrol-trust");
    let (_terminal, port, pin) = guarded(&folder, &["--rate", "0"]);
    let (certificate, account) = (folder.join("api.pem"), folder.join("account"));
    let (by_address, by_name) = (
        format!("https://127.0.0.1:{port}"),
        format!("https://localhost:{port}"),
    );
    let wrong_pin = "0".repeat(64);
    let untrusted = "no TLS, or a certificate that is not trusted, so no password was sent";
    for (url, trust, account, said) in [
        (
            &by_address,
            ["--terminal-key-pin", &wrong_pin],
            &account,
            untrusted,
        ),
        (
            &by_address,
            ["--terminal-ca", &certificate],
            &account,
            untrusted,
        ),
        (
            &by_name,
            ["--terminal-ca", &certificate],
            &account,
            "it pushes here",
        ),
        (
            &by_address,
            ["--terminal-key-pin", &pin],
            &folder.join("other"),
            "it refuses the account",
        ),
    ] {
        let mut command = example("face_receiver");
        command
            .args([
                "--listen",
                "127.0.0.1:0",
                "--db",
                &folder.join("records.db"),
            ])
            .args(["--enrol", url, "--allow-special"])
            .args(["--terminal-account", account])
            .args(trust);
        let receiver = Receiver::of(command);
        receiver.program.err.line_with(said);
        let said = receiver.program.said();
        assert!(!said.contains("sesame"), "{said}");
        receiver.stop();
    }
}

#[test]
fn curl_configures_a_terminal() {
    let mut check = Command::new("curl");
    check.arg("--version");
    if !is_there(check) {
        return;
    }
    let folder = Folder::new("enrol-curl");
    let (terminal, port, _) = guarded(&folder, &["--rate", "0"]);
    let base = format!("https://localhost:{port}");
    let ca = folder.join("api.pem");
    let curl = |path: &str, args: &[&str]| -> (String, Value) {
        let output = Command::new("curl")
            .args(["-sS", "--noproxy", "*", "--ipv4", "--cacert", &ca])
            .args(["-w", "\n%{http_code}"])
            .args(args)
            .arg(format!("{base}{path}"))
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let (body, status) = said.rsplit_once('\n').unwrap();
        let json = serde_json::from_str(body);
        (
            status.to_owned(),
            json.unwrap_or_else(|error| panic!("{error}: {said}")),
        )
    };
    let subscribe = "/v1/event/subscribe";
    let dest = r#"{"event_dest":"http://192.0.2.10:9000/Record","enabled":true}"#;
    let (status, reply) = curl(subscribe, &["-d", dest]);
    assert_eq!((&*status, &reply["code"]), ("401", &json!(401)));
    let login = json!({"username": "admin", "password": PASSWORD, "validTime": 1});
    let (status, reply) = curl("/v1/auth/login", &["-d", &login.to_string()]);
    assert_eq!(status, "200");
    let token = reply["data"]["token"].as_str().unwrap();
    let bearer = format!("Authorization: Bearer {token}");
    let (status, reply) = curl(subscribe, &["-H", &bearer, "-d", dest]);
    let ok = json!({"data": null, "code": 200, "msg": "OK"});
    assert_eq!((&*status, reply), ("200", ok));
    let (status, reply) = curl(subscribe, &["-u", &format!("admin:{PASSWORD}")]);
    let data = serde_json::from_str::<Value>(dest).unwrap();
    assert_eq!((&*status, &reply["data"]), ("200", &data));
    let said = terminal.said();
    assert!(!said.contains("sesame") && !said.contains(token), "{said}");
}

#[test]
fn what_cannot_be_enrolled_is_said_at_once() {
    let folder = Folder::new("enrol-wrong");
    let lines = [
        ("empty", ""),
        ("no-colon", "sesame"),
        ("no-user", ":sesame"),
        ("two-lines", "admin:open\nsesame"),
    ];
    for (name, text) in lines {
        std::fs::write(folder.join(name), text).unwrap();
    }
    let terminal = ["--enrol", "http://192.0.2.7:8000"];
    let file = |name: &str| folder.join(name);
    for (args, why) in [
        (
            vec!["--enrol", "http://127.0.0.1:8000"],
            "pass --allow-special",
        ),
        (
            vec!["--enrol", "http://localhost:8000"],
            "pass --allow-special",
        ),
        (
            vec!["--enrol", "https://192.0.2.7:8000"],
            "pass --terminal-key-pin or --terminal-ca",
        ),
        (vec!["--enrol", "http://192.0.2.7:8000/v1"], "has a path"),
        (vec!["--enrol", "ftp://192.0.2.7"], "must begin with http"),
        (vec!["--advertise", "http://192.0.2.1/Record"], "--enrol"),
        (
            [&terminal[..], &["--terminal-key-pin", "12"]].concat(),
            "64 hexadecimal digits",
        ),
        (
            [&terminal[..], &["--terminal-ca", &file("none")]].concat(),
            "cannot read",
        ),
        (
            [&terminal[..], &["--terminal-account", &file("none")]].concat(),
            "cannot read",
        ),
        (
            [&terminal[..], &["--terminal-account", &file("empty")]].concat(),
            "user:password",
        ),
        (
            [&terminal[..], &["--terminal-account", &file("no-colon")]].concat(),
            "user:password",
        ),
        (
            [&terminal[..], &["--terminal-account", &file("no-user")]].concat(),
            "user:password",
        ),
        (
            [&terminal[..], &["--terminal-account", &file("two-lines")]].concat(),
            "user:password",
        ),
        (
            [&terminal[..], &["--listen", "0.0.0.0:0"]].concat(),
            "pass --advertise",
        ),
        (
            [
                &terminal[..],
                &["--path", "/a", "--advertise", "http://192.0.2.1/b"],
            ]
            .concat(),
            "the same one for --advertise and --path",
        ),
    ] {
        let mut command = example("face_receiver");
        command.args(["--db", &folder.join("records.db")]);
        if !args.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        command.args(&args);
        let mut receiver = Program::start(command);
        assert!(!receiver.finish().success(), "{args:?}");
        let said = receiver.said();
        assert!(said.contains(why), "{args:?}: {said}");
        assert!(!said.contains("sesame"), "{said}");
    }
    assert!(!folder.path().join("records.db").exists());
}

#[test]
fn an_api_that_others_reach_is_warned_of() {
    let folder = Folder::new("enrol-warned");
    let account = account(&folder);
    for (args, warning) in [
        (&[][..], "pass --api-account"),
        (
            &["--api-account", &account],
            "pass --api-cert and --api-key",
        ),
    ] {
        let mut command = example("face_terminal");
        command
            .args(["--data", &folder.join("terminal"), "--rate", "0"])
            .args(["--api", "0.0.0.0:0"])
            .args(args);
        let terminal = Program::start(command);
        terminal.err.line_with(warning);
    }
}

/// A terminal whose API has an account and a certificate, its port, and the pin of its key.
fn guarded(folder: &Folder, args: &[&str]) -> (Program, String, String) {
    let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (folder.join("api.pem"), folder.join("api.key"));
    std::fs::write(&certificate, pair.cert.pem()).unwrap();
    std::fs::write(&key, pair.signing_key.serialize_pem()).unwrap();
    std::fs::write(folder.join("other"), "admin:wrong sesame\n").unwrap();
    let mut command = example("face_terminal");
    command
        .args(["--data", &folder.join("terminal"), "--api", "127.0.0.1:0"])
        .args(["--api-cert", &certificate, "--api-key", &key])
        .args(["--api-account", &account(folder), "--allow-special"])
        .args(args);
    let program = Program::start(command);
    let line = program.err.line_with("--terminal-key-pin: ");
    let pin = line.rsplit(' ').next().unwrap().to_owned();
    let line = program.out.line_with("listening https://");
    let port = line.rsplit(':').next().unwrap();
    let port = port.split('/').next().unwrap().to_owned();
    (program, port, pin)
}

fn account(folder: &Folder) -> String {
    let file = folder.join("account");
    std::fs::write(&file, format!("admin:{PASSWORD}\n")).unwrap();
    file
}

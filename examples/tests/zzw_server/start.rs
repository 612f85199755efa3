//! Arguments, keys, the configuration file, and what is told when something is wrong.

use crate::kit::{Folder, Program};
use crate::process::{KEY, Server, command, get, on_free_ports};
use serde_json::json;
use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;

#[test]
fn it_says_where_it_is_and_what_to_do_next() {
    let server = Server::start(&[]);
    server.program.out.wait_for(11);
    let lines = server.program.out.lines();
    let starts = [
        "rest http://127.0.0.1:",
        "socketio http://127.0.0.1:",
        "push 127.0.0.1:",
        "relay ws://127.0.0.1:",
        "admin http://127.0.0.1:",
        "token ",
    ];
    for (line, start) in lines.iter().zip(starts) {
        assert!(line.starts_with(start), "{line}");
    }
    let next = lines[6..].join("\n");
    let curl = format!("curl http://{}/info/servers/{}", server.rest, server.token);
    let nc = format!("nc 127.0.0.1 {}", server.push.port());
    for part in [&*curl, &nc, "--example zzw_device -- --via tcp"] {
        assert!(next.contains(part), "no {part} in {next}");
    }
    let answer = server.get("/info/servers").json();
    assert_eq!(answer["host"], "127.0.0.1");
    assert_eq!(answer["service"]["push"], server.push.port());
    assert!(
        server
            .program
            .err
            .line_with("store")
            .contains("in memory only")
    );
    let warned = server.program.err.lines();
    assert!(
        !warned.iter().any(|line| line.contains("warning")),
        "{warned:?}"
    );
}

#[test]
fn what_is_wrong_is_told_in_one_line() {
    let folder = Folder::new("zzw-wrong");
    let file = |name: &str, text: &str| {
        std::fs::write(folder.join(name), text).unwrap();
        folder.join(name)
    };
    let wrong_toml = file("wrong.toml", "[broker]\nwindows = 3\n");
    let wrong_keys = file("wrong.txt", &format!("# of May\n{KEY}\n\n{KEY}00 # typo\n"));
    let no_keys = file("none.txt", "# nothing\n");
    let missing = folder.join("missing");
    let too_many: Vec<&str> = ["--key", KEY].repeat(5);
    let cases: [(&[&str], &str); 11] = [
        (&[], "no key for tokens; pass --key HEX32"),
        (&["--key", "0123"], "--key, key 1: "),
        (&["--key", KEY, "--key", "c0ffee"], "--key, key 2: "),
        (&too_many, "more than four keys"),
        (&["--key-file", &missing], "cannot read"),
        (&["--key-file", &wrong_keys], "wrong.txt, line 4: "),
        (&["--key-file", &no_keys], "no key in it"),
        (&["--key", KEY, "--config", &missing], "cannot read"),
        (
            &["--key", KEY, "--config", &wrong_toml],
            "wrong.toml, line 2, windows: unknown field",
        ),
        (&["--key", KEY, "--bind", "0.0.0.0"], "--advertise HOST"),
        (
            &["--key", KEY, "--bind", "192.0.2.1"],
            "no network interface of this machine has it",
        ),
    ];
    for (args, what) in cases {
        assert_fails(on_free_ports(args), what);
    }
    let mut unknown = Program::start(command(&["--key", KEY, "--frobnicate"]));
    assert_eq!(unknown.finish().code(), Some(2));
}

#[test]
fn a_port_that_is_taken_is_named() {
    let server = Server::start(&[]);
    for (name, taken) in [
        ("--rest-port", server.rest),
        ("--push-port", server.push),
        ("--relay-port", server.relay),
        ("--socketio-port", server.socketio),
        ("--admin-port", server.admin),
    ] {
        let port = taken.port().to_string();
        let second = on_free_ports(&["--key", KEY, name, &port]);
        assert_fails(second, &format!("cannot listen on {taken}"));
    }
    assert_eq!(server.get("/info").status, 200);
}

#[test]
fn keys_come_from_arguments_else_from_the_file_else_from_the_environment() {
    let folder = Folder::new("zzw-keys");
    let [first, second, third] = ["1f", "2f", "3f"].map(|byte| byte.repeat(16));
    let key_file = folder.join("keys.txt");
    std::fs::write(&key_file, format!("# two\n  {second}\n{third} # old\n")).unwrap();
    let config = folder.join("server.toml");
    // Beside the configuration file.
    std::fs::write(&config, "[keys]\nfile = \"keys.txt\"\n").unwrap();
    let environment = format!("{first}, {third}");
    let cases: [(&[&str], &[&String]); 4] = [
        (&[], &[&first, &third]),
        (&["--config", &config], &[&second, &third]),
        (&["--config", &config, "--key", &first], &[&first]),
        (
            &["--key", &first, "--key-file", &key_file],
            &[&first, &second, &third],
        ),
    ];
    for (args, good) in cases {
        let mut command = on_free_ports(args);
        command.env("XTEA_KEY", &environment);
        let server = Server::run(command);
        for key in [&first, &second, &third] {
            let status = get(server.rest, &format!("/info/{}", token(key))).status;
            assert_eq!(status == 200, good.contains(&key), "{args:?}");
        }
        assert_eq!(server.get("/info").status, 200);
        let said = server.program.said();
        assert!(
            !said.contains(&*first) && !said.contains(&*second),
            "{said}"
        );
    }
}

#[test]
fn arguments_go_before_the_file_and_that_before_the_defaults() {
    let folder = Folder::new("zzw-config");
    let config = folder.join("server.toml");
    let text = format!(
        "advertise = \"of-the-file\"\n[keys]\nxtea = [\"{KEY}\"]\n[ports]\nrest = 0\nsocketio = 0\n\
         push = 0\nrelay = 0\nadmin = 0\n[store]\nfolder = \"kept\"\n"
    );
    std::fs::write(&config, text).unwrap();
    let server = Server::run(command(&["--config", &config]));
    assert_eq!(server.get("/info/servers").json()["host"], "of-the-file");
    assert!(
        server
            .program
            .err
            .line_with("store")
            .contains("kept: 0 messages")
    );
    assert!(folder.path().join("kept/broker.redb").exists());
    drop(server);
    let kept = folder.join("elsewhere");
    let args = [
        "--config",
        &config,
        "--advertise",
        "of-the-arguments",
        "--data",
        &kept,
    ];
    let server = Server::run(command(&args));
    assert_eq!(
        server.get("/info/servers").json()["host"],
        "of-the-arguments"
    );
    assert!(
        server
            .program
            .err
            .line_with("store")
            .contains("elsewhere: 0 messages")
    );
}

#[test]
fn every_address_needs_a_name_and_warns() {
    let server = Server::start(&["--bind", "0.0.0.0", "--advertise", "push.example.com"]);
    assert_eq!(server.rest.ip(), IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    server.program.err.line_with("warning: ");
    let rest = (Ipv4Addr::LOCALHOST, server.rest.port()).into();
    let answer = get(rest, &format!("/info/{}", server.token)).json();
    assert_eq!(answer["push.example.com"]["onlineAllSize"], json!(0));
}

#[test]
fn a_folder_in_use_or_of_another_program_is_left_alone() {
    let folder = Folder::new("zzw-data");
    let (data, foreign) = (folder.join("data"), folder.join("foreign"));
    let server = Server::start(&["--data", &data]);
    assert_fails(
        on_free_ports(&["--key", KEY, "--data", &data]),
        "already in use",
    );
    assert_eq!(server.get("/info").status, 200);
    std::fs::create_dir(&foreign).unwrap();
    let file = folder.path().join("foreign/broker.redb");
    std::fs::write(&file, "not ours").unwrap();
    assert_fails(
        on_free_ports(&["--key", KEY, "--data", &foreign]),
        "broker.redb",
    );
    assert_eq!(std::fs::read(&file).unwrap(), b"not ours");
}

/// It ends with status 1 and one line that says `what` and no key.
fn assert_fails(command: Command, what: &str) {
    let mut program = Program::start(command);
    let status = program.finish();
    let lines = program.err.lines();
    assert_eq!(
        (status.code(), lines.len()),
        (Some(1), 1),
        "{what}: {}",
        program.said()
    );
    let line = &lines[0];
    assert!(
        line.starts_with("zzw_server: ") && line.contains(what),
        "{line}"
    );
    assert!(!line.contains("c0ffee") && !line.contains(KEY), "{line}");
}

/// A token under a key.
fn token(key: &str) -> String {
    use xtea_token::{Claim, Key, TokenFormat};
    let key = Key::from_hex(key).unwrap();
    let token = TokenFormat::LEGACY.issue(&key, Claim::At(drive::cli::now()));
    token.unwrap().as_str().to_owned()
}

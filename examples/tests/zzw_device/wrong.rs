//! Wrong arguments, wrong ports, and servers that are none.

use crate::kit::Program;
use crate::kit_push::{Push, VIAS, device, fails, folder};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;

fn asks(via: &str, server: &str) -> String {
    fails(device(via, server, &["--alias", "a", "topics"]))
}

#[test]
fn a_port_that_speaks_something_else_is_told_by_what_it_is() {
    let push = Push::start();
    let (rest, push_port) = (push.at.rest.to_string(), push.at.push.to_string());
    let socketio = push.at.socketio.to_string();
    let lines_to_http = asks("tcp", &rest);
    assert!(
        lines_to_http.contains("an HTTP server answers"),
        "{lines_to_http}"
    );
    let lines_to_socketio = asks("tcp", &socketio);
    assert!(
        lines_to_socketio.contains("an HTTP server answers"),
        "{lines_to_socketio}"
    );
    for via in ["socketio", "socketio-v2"] {
        let events_to_lines = asks(via, &push_port);
        assert!(
            events_to_lines.contains("is this the Socket.IO port, 9906?"),
            "{events_to_lines}"
        );
        let events_to_rest = asks(via, &rest);
        assert!(
            events_to_rest.contains("is this the Socket.IO port, 9906?"),
            "{events_to_rest}"
        );
    }
    let mut command = crate::kit::example("zzw_device");
    let rest = format!("http://{push_port}");
    command.args(["--rest", &rest, "--rest-token", "t", "status", "a"]);
    let rest_to_lines = fails(command);
    assert!(
        rest_to_lines.contains("is it the REST port, 9900?"),
        "{rest_to_lines}"
    );
}

#[test]
fn a_port_where_nobody_listens_is_told() {
    // One that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    for via in VIAS {
        let refused = asks(via, &port.to_string());
        assert!(refused.contains("is the server running"), "{refused}");
    }
    let nowhere = asks("tcp", "no-such-host.invalid:9800");
    assert!(nowhere.contains("no-such-host.invalid"), "{nowhere}");
}

#[test]
fn whoever_listens_goes_on_trying_and_says_why() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let args = ["--alias", "a", "--backoff", "0.01"];
    let mut program = Program::start(device("tcp", &port.to_string(), &args));
    program.err.wait_for(6);
    program.signal("TERM");
    assert!(program.finish().success(), "{}", program.said());
    program.err.line_with("Connection refused");
    program
        .err
        .line_with(r#"{"event":"down","why":"unreachable"}"#);
}

/// Takes connections one after the other, and says these bytes on each when something has come.
fn says(bytes: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut asked = [0; 1024];
            // Who leaves early is none of this server's business.
            let _ = stream
                .read(&mut asked)
                .and_then(|_| stream.write_all(bytes));
        }
    });
    address
}

#[test]
fn whatever_a_server_says_the_client_ends_with_a_sentence() {
    let long = Box::leak(vec![b'x'; 200 << 10].into_boxed_slice());
    let floods: [&'static [u8]; 7] = [
        b"",
        b"\n\n\n",
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"\xff\xfe\x00\x01\n\x00\n\x80\n\n\x16\x03\x01\n",
        b"[[[[[[[[[[[[[\n{\"t\":\n{\"t\":-14,\"alias\":7\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff",
        long,
    ];
    for bytes in floods {
        let address = says(bytes);
        for via in VIAS {
            let said = asks(via, &address);
            assert!(
                said.starts_with("zzw_device: ") && !said.contains("panicked"),
                "{said}"
            );
        }
    }
}

#[test]
fn wrong_arguments_are_refused_with_advice() {
    let data = folder("wrong");
    let data = data.join("device");
    let cases: [(&[&str], i32, &str); 16] = [
        (&[], 1, "--alias"),
        (&["--alias", "a"], 1, "pass HOST:PORT"),
        (&["127.0.0.1"], 2, "write HOST:PORT"),
        (&["::1:9800"], 2, "[::1]:9800"),
        (&["127.0.0.1:0"], 2, "write HOST:PORT"),
        (&["--via", "udp", "127.0.0.1:9800"], 2, "socketio-v2"),
        (&["127.0.0.1:9800", "--alias", "a/b"], 2, "1 to 128 bytes"),
        (&["127.0.0.1:9800", "--alias", ""], 2, "1 to 128 bytes"),
        (&["127.0.0.1:9800", "publish", "x"], 2, "--to"),
        (
            &[
                "127.0.0.1:9800",
                "publish",
                "--to",
                "a",
                "--channel",
                "b",
                "x",
            ],
            2,
            "cannot be used",
        ),
        (&["127.0.0.1:9800", "topics"], 1, "--alias"),
        (
            &["--servers", "127.0.0.1:9900", "--alias", "a"],
            2,
            "http://HOST:9900",
        ),
        (
            &["--servers", "http://127.0.0.1:9900", "--alias", "a"],
            1,
            "--rest-token",
        ),
        (
            &["--rest", "http://127.0.0.1:9900", "--alias", "a"],
            1,
            "name a server",
        ),
        (
            &["127.0.0.1:9800", "--alias", "a", "--count", "0"],
            2,
            "--count",
        ),
        (
            &[
                "127.0.0.1:9800",
                "--alias",
                "a",
                "--data",
                &data,
                "--manual-ack",
            ],
            2,
            "cannot be used",
        ),
    ];
    for (args, code, text) in cases {
        let mut command = crate::kit::example("zzw_device");
        command.args(args).env_remove("ZZW_REST_TOKEN");
        let mut program = Program::start(command);
        assert_eq!(
            program.finish().code(),
            Some(code),
            "{args:?}: {}",
            program.said()
        );
        let said = program.err.lines().join("\n");
        assert!(said.contains(text), "{args:?}: {said}");
    }
}

#[test]
fn a_folder_is_for_one_process_and_one_alias() {
    let (push, data) = (Push::start(), folder("one"));
    let data = data.join("device");
    let address = push.address("tcp");
    let listens = |alias: &str| device("tcp", &address, &["--alias", alias, "--data", &data]);
    let first = Program::start(listens("a"));
    first.err.line_with(r#"{"event":"bound"}"#);
    assert!(fails(listens("a")).contains("is in use"));
    first.kill();
    assert!(fails(listens("b")).contains("is not of this alias"));
    std::fs::remove_dir_all(&data).unwrap();
    std::fs::write(&data, "a file").unwrap();
    assert!(fails(listens("a")).contains(&data));
}

#[test]
fn tokens_are_shown_nowhere() {
    let mut command: Command = crate::kit::example("zzw_device");
    command.args([
        "--rest",
        "http://127.0.0.1:1",
        "--rest-token",
        "s3cr3t",
        "status",
        "a",
    ]);
    assert!(!fails(command).contains("s3cr3t"));
}

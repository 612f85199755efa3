//! The configuration API of a terminal.

use crate::kit::{Folder, Program};
use crate::{Sink, table, terminal};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

#[test]
fn the_api_says_why_it_takes_no_destination_and_keeps_the_old_one() {
    let folder = Folder::new("face-api-refuses");
    let dest = "http://192.0.2.10:9000/Record";
    let terminal = terminal(&folder, Some(dest), &["--rate", "0"]);
    terminal.out.line_with("configured: ");
    for (body, why) in [
        (r#"{"event_dest":"ftp://192.0.2.1/x"}"#, "begin with http"),
        (r#"{"event_dest":"http://127.0.0.1:1/Record"}"#, "special"),
        (r#"{"event_dest":"http://[::1]/Record"}"#, "special"),
        (r#"{"event_dest":"http://169.254.169.254/x"}"#, "special"),
        (r#"{"event_dest":"http://localhost/x"}"#, "special"),
        (r#"{"event_dest":"http://user:pw@192.0.2.1/"}"#, "user"),
        (r#"{"event_dest":"http://192.0.2.1:99999/"}"#, "port"),
        (r#"{"event_dest":"http://192.0.2.1/东门"}"#, "character"),
        (r#"{"event_dest":17}"#, "event_dest must be text"),
        (r#"{"enabled":"maybe"}"#, "enabled must be"),
        ("not json", "not a json object"),
    ] {
        let (status, reply) = ask(&terminal, "POST", body);
        assert_eq!((status, &reply["code"]), (400, &json!(400)), "{body}");
        let msg = reply["msg"].as_str().unwrap();
        assert!(msg.contains(why), "{body}: {msg}");
    }
    let (status, reply) = ask(&terminal, "GET", "");
    let data = json!({"event_dest": dest, "enabled": true});
    assert_eq!((status, &reply["data"]), (200, &data));
    let long = format!(r#"{{"event_dest":"{}"}}"#, "x".repeat(70_000));
    assert_eq!(ask(&terminal, "POST", &long).0, 400);
    assert_eq!(ask(&terminal, "DELETE", "").0, 405);
    assert_eq!(ask_at(&terminal, "GET", "/v1/elsewhere", "").0, 404);
}

#[test]
fn what_the_api_sets_is_in_force_and_survives_a_kill() {
    let Some(sink) = Sink::start(&[]) else {
        return;
    };
    let folder = Folder::new("face-api-sets");
    let args = ["--rate", "100", "--count", "10", "--allow-special"];
    let first = terminal(&folder, None, &args);
    first.out.line_with("state: off");
    let (status, reply) = ask(&first, "GET", "");
    let data = json!({"event_dest": "", "enabled": true});
    assert_eq!((status, &reply["data"]), (200, &data));
    let body = json!({"event_dest": sink.dest(), "enabled": false}).to_string();
    let (status, reply) = ask(&first, "POST", &body);
    let ok = json!({"data": null, "code": 200, "msg": "OK"});
    assert_eq!((status, reply), (200, ok));
    first.kill();

    let mut second = terminal(&folder, None, &args);
    second.out.line_with("state: off");
    assert!(sink.ids(0).is_empty());
    // Only the switch: the destination stays.
    let (status, _) = ask(&second, "POST", r#"{"enabled":true}"#);
    assert_eq!(status, 200);
    assert!(second.finish().success(), "{}", second.said());
    assert_eq!(sink.ids(10), (1..=10).collect::<Vec<u64>>());
    assert_eq!(table(&second), [10, 10, 0, 0]);
}

/// Asks for the configuration, or changes it.
fn ask(terminal: &Program, method: &str, body: &str) -> (u16, Value) {
    ask_at(terminal, method, "/v1/event/subscribe", body)
}

fn ask_at(terminal: &Program, method: &str, path: &str, body: &str) -> (u16, Value) {
    let line = terminal.out.line_with("listening http://");
    let address = line.strip_prefix("listening http://").unwrap();
    let address = address.split('/').next().unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.0\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    // Who hears too much hangs up.
    let _ = stream.write_all(body.as_bytes());
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    let status = reply.split(' ').nth(1).unwrap().parse().unwrap();
    let (_, body) = reply.split_once("\r\n\r\n").unwrap();
    let json = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {reply}"));
    (status, json)
}

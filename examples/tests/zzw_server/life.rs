//! How it ends, and what is there when it starts again.

use crate::kit::Folder;
use crate::process::{Caller, Server, get};
use serde_json::json;
use std::io::{Read as _, Write as _};

/// Links are let go over so long that nothing but another signal ends it.
const SLOWLY: &str = "[broker]\ndrain_over = \"10h\"\n";

#[test]
fn a_signal_lets_links_go_and_ends_well() {
    for signal in ["TERM", "INT"] {
        let mut server = Server::start(&[]);
        let mut caller = Caller::bound(&server, "m_2");
        server.program.signal(signal);
        assert_eq!(
            server.program.finish().code(),
            Some(0),
            "{}",
            server.program.said()
        );
        let goodbye = caller.hears();
        let (t, code) = (&goodbye["t"], &goodbye["code"]);
        assert!(
            goodbye.is_null() || (t, code) == (&json!(0), &json!("draining")),
            "{goodbye}"
        );
        assert!(caller.hears().is_null());
    }
}

#[test]
fn while_it_drains_nobody_is_taken_and_a_second_signal_ends_it_at_once() {
    let folder = Folder::new("zzw-drain");
    let config = folder.join("server.toml");
    std::fs::write(&config, SLOWLY).unwrap();
    let mut server = Server::start(&["--config", &config]);
    assert_eq!(get(server.admin, "/healthz").body, "ok\n");
    let mut caller = Caller::bound(&server, "m_2");
    server.program.signal("TERM");
    server.program.err.line_with("letting links go");
    let health = get(server.admin, "/healthz");
    assert_eq!((health.status, &*health.body), (503, "draining\n"));
    // Who is there may go on for now.
    assert_eq!(
        caller.asks(r#"{"t":1,"alias":"m_2"}"#),
        json!({"t": -1, "alias": "m_2"})
    );
    let mut late = crate::process::dial(server.push);
    late.write_all(b"{\"t\":14,\"alias\":\"late\"}\n").unwrap();
    let mut said = String::new();
    // It may be hung up on before it has spoken.
    let _ = late.read_to_string(&mut said);
    assert!(said.is_empty() || said.contains("draining"), "{said}");
    let room = get(server.relay, "/capture-1-2-3/1");
    assert_eq!(room.status, 503);
    server.program.signal("TERM");
    assert_eq!(server.program.finish().code(), Some(1));
    server.program.err.line_with("ended at once");
}

#[test]
fn what_was_pushed_is_there_after_a_restart_and_after_a_kill() {
    let folder = Folder::new("zzw-kept");
    let data = folder.join("data");
    let publish = |server: &Server, number: u32| {
        let message = json!({"t": 6, "method": "publish_to_alias", "alias": ["c_2"], "msg": number, "num": number});
        assert_eq!(
            server.publish(&message).json(),
            json!({"t": -6, "num": number})
        );
    };
    let mut server = Server::start(&["--data", &data]);
    publish(&server, 1);
    server.program.signal("TERM");
    assert!(server.program.finish().success());
    let server = Server::start(&["--data", &data]);
    assert!(
        server
            .program
            .err
            .line_with("store")
            .contains("1 messages kept, 1 aliases known")
    );
    publish(&server, 2);
    server.program.kill();
    let server = Server::start(&["--data", &data]);
    assert!(
        server
            .program
            .err
            .line_with("store")
            .contains("2 messages kept")
    );
    let mut caller = Caller::bound(&server, "c_2");
    for number in 1..=2 {
        let pushed = caller.hears();
        assert_eq!((&pushed["t"], &pushed["msg"]), (&json!(5), &json!(number)));
    }
}

//! The official Socket.IO servers, with the little of a push server in `socketio_server.js`.

use crate::kit::{Program, is_there};
use crate::kit_push::{device, does, fails, listen, messages};
use serde_json::{Value, json};
use std::process::Command;

/// What a client has to speak, and which server speaks it.
const SERVERS: [(&str, &str); 2] = [("socketio-v2", "socket.io-2"), ("socketio", "socket.io-4")];

struct Foreign {
    program: Program,
    address: String,
}

impl Foreign {
    /// A server of that library, which pings or is pinged at these times in milliseconds.
    fn start(library: &str, interval: u32, timeout: u32) -> Option<Self> {
        let modules = std::env::var_os("INTEROP_NODE_PATH").unwrap_or_default();
        let mut requires = Command::new("node");
        let script = format!("require('{library}')");
        requires.env("NODE_PATH", &modules).args(["-e", &script]);
        if !is_there(requires) {
            return None;
        }
        let folder = env!("CARGO_MANIFEST_DIR");
        let mut command = Command::new("node");
        command.env("NODE_PATH", modules);
        command.arg(format!("{folder}/tests/interop/socketio_server.js"));
        command.args([library, "0", &interval.to_string(), &timeout.to_string()]);
        let program = Program::start(command);
        let line = program.out.line_with("listening");
        let line: Value = serde_json::from_str(&line).unwrap();
        let address = format!("127.0.0.1:{}", line["port"]);
        Some(Self { program, address })
    }

    /// What came to the server under this name, so far.
    fn heard(&self, event: &str) -> Vec<Value> {
        let lines = self.program.out.json().into_iter();
        lines.filter(|line| line["event"] == event).collect()
    }
}

#[test]
fn every_command_is_understood_and_text_stands_at_the_server_byte_for_byte() {
    for (via, library) in SERVERS {
        let Some(server) = Foreign::start(library, 25_000, 60_000) else {
            return;
        };
        let asks = |args: &[&str]| does(&mut device(via, &server.address, args));
        let args = [
            "--alias", "小明", "--token", "字", "--topic", "大厅", "--count", "3",
        ];
        let mut listener = Program::start(device(via, &server.address, &args));
        listener.err.line_with(r#"{"event":"subscribed"}"#);
        let connection = &server.heard("connection")[0];
        assert_eq!(
            (&connection["alias"], &connection["query"]),
            (&json!("小明"), &json!("小明"))
        );
        let published = |num| json!({"event": "published", "num": num});
        assert_eq!(
            asks(&["publish", "--to", "小明", "有人按门铃🔔"]),
            [published(1)]
        );
        let lines = Program::fed(
            device(via, &server.address, &["publish", "--channel", "大厅", "-"]),
            "一\n二\nrefuse\n",
        );
        let mut lines = lines;
        assert_eq!(lines.finish().code(), Some(1), "{}", lines.said());
        assert_eq!(lines.out.json()[..2], [published(1), published(2)]);
        assert_eq!(lines.out.json()[2]["error"], "the server refused: 参数不全");
        assert!(listener.finish().success(), "{}", listener.said());
        assert_eq!(messages(&listener.out.json()), ["有人按门铃🔔", "一", "二"]);
        assert_eq!(server.heard("do_push")[0]["frame"]["msg"], "有人按门铃🔔");
        // The goodbye came behind the last acknowledgement.
        let acked = server.heard("push_c");
        let acked = acked.iter().map(|line| line["frame"]["mid"].clone());
        assert!(acked.eq(["41", "42", "43"]), "{}", server.program.said());
        let topics = json!({"event": "topics", "topics": ["大厅"]});
        assert_eq!(asks(&["--alias", "小明", "topics"]), [topics]);
        asks(&["--alias", "小明", "unregister", "大厅"]);
        let status = json!({"event": "status", "alias": "小明", "online": false, "topics": []});
        assert_eq!(asks(&["status", "小明"]), [status]);
        asks(&["publish", "--to", "later", "下雨"]);
        let pulled = asks(&["--alias", "later", "pull"]);
        assert_eq!(messages(&pulled), ["下雨"]);
        assert_eq!(asks(&["--alias", "later", "pull"]).len(), 1);
    }
}

#[test]
fn a_link_lives_through_pings_and_ends_without_them() {
    for (via, library) in SERVERS {
        let Some(server) = Foreign::start(library, 150, 600) else {
            return;
        };
        let args = [
            "--alias",
            "pings",
            "--heartbeat",
            "0.2",
            "--backoff",
            "0.1",
            "--count",
            "1",
        ];
        let mut listener = listen(via, &server.address, &args);
        // The port, the connection, and ten heartbeats: that is more than ten pings.
        server.program.out.wait_for(12);
        assert_eq!(server.heard("connection").len(), 1, "{}", listener.said());
        server.program.signal("STOP");
        // Nothing more comes: neither pings nor answers.
        listener.err.line_with(r#""event":"disconnected""#);
        server.program.signal("CONT");
        does(&mut device(
            via,
            &server.address,
            &["publish", "--to", "pings", "醒"],
        ));
        assert!(listener.finish().success(), "{}", listener.said());
        assert_eq!(messages(&listener.out.json()), ["醒"]);
    }
}

#[test]
fn who_is_thrown_out_says_how() {
    for (via, library) in SERVERS {
        let Some(server) = Foreign::start(library, 25_000, 60_000) else {
            return;
        };
        let asks = |alias: &str| fails(device(via, &server.address, &["--alias", alias, "topics"]));
        assert_eq!(asks("kick"), "zzw_device: the server has said goodbye");
        assert_eq!(asks("drop"), "zzw_device: the server has closed the link");
    }
}

#[test]
fn the_other_revision_is_named() {
    let [(old, old_library), (new, new_library)] = SERVERS;
    for (wrong, right, library) in [(new, old, old_library), (old, new, new_library)] {
        let Some(server) = Foreign::start(library, 25_000, 60_000) else {
            return;
        };
        let refused = fails(device(wrong, &server.address, &["--alias", "a", "topics"]));
        assert!(refused.ends_with(&format!("; use {right}")), "{refused}");
    }
}

//! Every documented operation, with five clients, over each of their transports.

use crate::kit::{Witness, browser, node, python, server};
use crate::programs::Program;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::process::Command;

/// A client that others have written.
struct Client {
    name: &'static str,
    version: &'static str,
    is_python: bool,
    ways: &'static [&'static str],
}

const CLIENTS: [Client; 5] = [
    Client::javascript("socket.io-client 1.7.4", "1"),
    Client::javascript("socket.io-client 2.5.0", "2"),
    Client::javascript("socket.io-client 4.8.4", "4"),
    Client::python("python-socketio 4.6.1", "4"),
    Client::python("python-socketio 5.18.1", "5"),
];

/// Who gets what the clients send, and sends it back: over lines, and two other clients (S-5).
const WITNESSES: [&str; 3] = ["w-js2", "w-js4", "w-tcp"];

#[tokio::test(flavor = "multi_thread")]
//= docs/spec/zzw-push-proto.md#socket-io
//# A server MUST send a DISCONNECT packet to a client that has said goodbye or was replaced, and
//# MUST NOT send one to a client that is to come back.
//= docs/spec/zzw-push-proto.md#socket-io
//# The events of a link MUST be served in the order in which they came.
//= docs/spec/zzw-push-proto.md#socket-io
//# Text MUST arrive byte for byte at every other client, whichever client and transport it came
//# from.
async fn five_clients_do_every_documented_operation_over_every_transport() {
    let commands: Option<Vec<Command>> = CLIENTS.iter().map(Client::command).collect();
    let Some(commands) = commands else { return };
    let server = server().await;
    let url = format!("http://{}", server.addresses().socketio);
    let lines = Witness::start(server.addresses().push, "w-tcp");
    let others = [("2", "polling"), ("4", "websocket")].map(|(version, transport)| {
        let alias = format!("w-js{version}");
        let mut command = node("zzw_witness.js").unwrap();
        command.args([version, &url, &alias, transport]);
        let program = Program::start(command);
        program.out.line_with("ready");
        program
    });
    let mut running = Vec::new();
    for (client, mut command) in CLIENTS.iter().zip(commands) {
        command.args([client.version, &*url, &*client.alias()]);
        running.push(Program::start({
            command.args(WITNESSES);
            command
        }));
    }
    let mut sent = BTreeSet::new();
    for (client, program) in CLIENTS.iter().zip(&mut running) {
        assert!(program.finish().success(), "{}", program.said());
        let said = program.out.json();
        assert_eq!(said.len(), client.ways.len(), "{}", client.name);
        for result in said {
            let way = result["way"].as_str().unwrap().to_owned();
            assert_eq!(result, client.expected(&way), "{} {way}", client.name);
            sent.insert(format!("{}-{way}|{}", client.alias(), text()));
        }
    }
    // Byte for byte as it was written: nothing escaped, nothing encoded twice.
    let written = lines.lines();
    assert_eq!(written.len(), sent.len());
    for msg in &sent {
        let member = format!(r#""msg":"{msg}"}}"#);
        assert!(
            written.iter().any(|line| line.ends_with(&member)),
            "{msg}: {written:#?}"
        );
    }
    for witness in others {
        let lines = witness.out.json();
        let seen = lines.iter().filter_map(|line| line["msg"].as_str());
        assert_eq!(seen.map(str::to_owned).collect::<BTreeSet<_>>(), sent);
    }
}

impl Client {
    const fn javascript(name: &'static str, version: &'static str) -> Self {
        Self {
            name,
            version,
            is_python: false,
            ways: &["websocket", "polling", "upgrade"],
        }
    }

    const fn python(name: &'static str, version: &'static str) -> Self {
        Self {
            name,
            version,
            is_python: true,
            ways: &["websocket", "polling"],
        }
    }

    fn command(&self) -> Option<Command> {
        if self.is_python {
            python("zzw_client.py", self.version)
        } else {
            node("zzw_client.js")
        }
    }

    fn alias(&self) -> String {
        let language = if self.is_python { "py" } else { "js" };
        format!("{language}{}", self.version)
    }

    /// What it should have been told: every client the same, as far as it can tell.
    fn expected(&self, way: &str) -> Value {
        let alias = format!("{}-{way}", self.alias());
        let (text, offline) = (text(), words()["offline"].clone());
        let offline: Vec<&str> = offline
            .as_array()
            .unwrap()
            .iter()
            .map(|word| word.as_str().unwrap())
            .collect();
        let topic = format!("{}-{alias}", offline[0]);
        let connected = json!({"t": -14, "alias": alias});
        let beat = json!({"t": -1, "alias": alias});
        let mut expected = json!({
            "client": self.alias(),
            "way": way,
            "connect": connected,
            "heartbeat": beat,
            "heartbeatAsText": beat,
            "register": {"t": -2, "num": "1"},
            "incomplete": {"t": 0, "error": "参数不全", "code": "missing", "num": "2"},
            "topics": {"t": -3, "num": 3, "topic": [topic]},
            "unknown": {"t": 0, "error": "unknown type", "code": "unknown_type", "num": "4"},
            "pullNothing": {"t": -4, "msg": [], "num": "5"},
            "status": {"alias": alias, "list": [topic], "status": "online"},
            "publish": {"t": -6, "num": "6"},
            "delivered": {"alias": alias, "topic": topic, "msg": text},
            "acknowledged": [],
            "toWitnesses": {"t": -6, "num": ""},
            "echoes": WITNESSES.map(|witness| format!("{witness}|{text}")),
            "order": {
                "sent": 1000, "received": 1000, "inversions": 0, "replies": 1000,
                "replyInversions": 0,
            },
            "offline": "offline",
            "again": connected,
            "missed": offline,
            "pull": &offline[1..],
            "pullAgain": &offline[1..],
            "pullEmpty": [],
            "boundByHeartbeat": beat,
            "greeted": connected,
            "replaced": {"t": 0, "error": "replaced", "code": "replaced"},
        });
        let object = expected.as_object_mut().unwrap();
        let mut and = |member: &str, value| object.insert(member.to_owned(), value);
        if self.is_python {
            and("connectEvent", connected);
        } else {
            and("left", "io client disconnect".into());
            and("thrownOut", "io server disconnect".into());
        }
        if way == "upgrade" {
            and("transport", "websocket".into());
        }
        expected
    }
}

fn words() -> Value {
    serde_json::from_str(include_str!("../interop/zzw_words.json")).unwrap()
}

fn text() -> String {
    words()["text"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_in_a_browser_talks_by_plain_websocket_and_by_polling_from_another_origin() {
    let Some(mut command) = browser("zzw_browser.py") else {
        return;
    };
    let server = server().await;
    let modules = std::env::var("INTEROP_NODE_PATH").unwrap_or_else(|_| "node_modules".into());
    let files = ["1/dist/socket.io", "2/dist/socket.io", "4/dist/socket.io"];
    command.arg(server.addresses().socketio.to_string());
    command.args(files.map(|file| format!("{modules}/socket.io-client-{file}.js")));
    let mut page = Program::start(command);
    assert!(page.finish().success(), "{}", page.said());
    let said = page.out.json();
    for (way, said) in ["plain", "0", "1", "2"].into_iter().zip(&said) {
        let alias = format!("browser-{way}");
        let mid = &said["push"]["mid"];
        let end = if way == "plain" {
            "left"
        } else {
            "acknowledged"
        };
        let expected = json!({
            "way": alias,
            "connect_c": {"t": -14, "alias": alias},
            "do_push_c": {"t": -6, "num": "1"},
            "push": {"t": 5, "alias": alias, "mid": mid, "msg": text()},
            end: true,
        });
        assert_eq!(*said, expected);
    }
    assert_eq!(said.len(), 4);
}

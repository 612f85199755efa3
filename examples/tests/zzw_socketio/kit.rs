//! A server with this port, and peers of it.
#![allow(
    clippy::disallowed_methods,
    reason = "processes are waited for by the clock"
)]

use crate::programs::is_there;
use drive::zzw::server::{Options, Server};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use zzw_push_proto::platform::Rate;

/// A server on free ports, for clients that ask much, whose pings come often.
pub(crate) async fn server() -> Server {
    server_with(|_| {}).await
}

/// The same, changed by `change`.
pub(crate) async fn server_with(change: impl FnOnce(&mut Options)) -> Server {
    let key = xtea_token::Key::from_hex("000102030405060708090a0b0c0d0e0f").unwrap();
    let mut options = Options::new(key);
    options.ports.rest = 0;
    options.ports.socketio = 0;
    options.ports.push = 0;
    options.ports.relay = 0;
    options.ports.admin = Some(0);
    // python-socketio 4 waits for a pong no longer than that, however busy the machine.
    options.socketio.ping_interval = Duration::from_secs(4);
    options.socketio.ping_timeout = Duration::from_secs(20);
    let plenty = Rate {
        per_second: 1_000_000,
        burst: 1_000_000,
    };
    options.broker.frame_rate = plenty;
    options.broker.address_rate = plenty;
    options.broker.publish_rate = plenty;
    change(&mut options);
    Server::start(options).await.unwrap()
}

/// A Node program of ours, if Node and the three clients are there.
pub(crate) fn node(script: &str) -> Option<Command> {
    let modules = std::env::var_os("INTEROP_NODE_PATH").unwrap_or_else(|| "node_modules".into());
    let all = "[1, 2, 4].map((version) => require(`socket.io-client-${version}`))";
    let mut requires = Command::new("node");
    requires.env("NODE_PATH", &modules).args(["-e", all]);
    let mut command = Command::new("node");
    command.env("NODE_PATH", modules).arg(path(script));
    is_there(requires).then_some(command)
}

/// A Python program of ours with python-socketio of version 4 or 5, if Python and that are there.
pub(crate) fn python(script: &str, version: &str) -> Option<Command> {
    let python = std::env::var_os("INTEROP_PYTHON").unwrap_or_else(|| "python3".into());
    let folder = std::env::var("INTEROP_SOCKETIO_PATH").unwrap_or_else(|_| "socketio".into());
    let folder = format!("{folder}/{version}");
    let check = format!("import socketio; assert socketio.__file__.startswith({folder:?})");
    let mut imports = Command::new(&python);
    imports.env("PYTHONPATH", &folder).args(["-c", &check]);
    let mut command = Command::new(python);
    command.env("PYTHONPATH", folder).arg(path(script));
    is_there(imports).then_some(command)
}

fn path(script: &str) -> String {
    format!("{}/tests/interop/{script}", env!("CARGO_MANIFEST_DIR"))
}

/// A link of lines that keeps what it receives and sends it back.
pub(crate) struct Witness {
    stream: TcpStream,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Witness {
    /// Binds the alias; returns once that is done.
    pub(crate) fn start(address: SocketAddr, alias: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        let mut writer = stream.try_clone().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut tell = move |line: String| writer.write_all(format!("{line}\n").as_bytes());
        tell(format!(r#"{{"t":14,"alias":"{alias}"}}"#)).unwrap();
        let mut first = String::new();
        reader.read_line(&mut first).unwrap();
        assert_eq!(first, format!("{{\"t\":-14,\"alias\":\"{alias}\"}}\n"));
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (seen, alias) = (Arc::clone(&lines), alias.to_owned());
        std::thread::spawn(move || {
            for line in reader.lines().map_while(Result::ok) {
                let frame: Value = serde_json::from_str(&line).unwrap();
                if frame["t"] != 5 {
                    continue;
                }
                let (mid, msg) = (&frame["mid"], frame["msg"].as_str().unwrap());
                let (sender, text) = msg.split_once('|').unwrap();
                let echo = serde_json::json!({
                    "t": 6, "alias": [sender], "msg": format!("{alias}|{text}"), "num": mid,
                });
                seen.lock().unwrap().push(line);
                let acknowledged = tell(format!(r#"{{"t":-5,"mid":{mid}}}"#));
                if acknowledged.and_then(|()| tell(echo.to_string())).is_err() {
                    break;
                }
            }
        });
        Self { stream, lines }
    }

    /// The deliveries so far, as they were on the wire.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }
}

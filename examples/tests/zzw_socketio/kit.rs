//! A server with this port, and peers of it.
#![allow(
    clippy::disallowed_methods,
    reason = "processes are waited for by the clock"
)]

use crate::programs::{PATIENCE, is_there};
use drive::ws::Message;
use drive::zzw::server::{Options, Server};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream as AsyncStream;
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

/// A Python program of ours that looks through Chromium, if that and the three clients are there.
pub(crate) fn browser(script: &str) -> Option<Command> {
    let named = |variable: &str, usual: &str| {
        std::env::var_os(variable).unwrap_or_else(|| OsString::from(usual))
    };
    let python = named("INTEROP_PYTHON", "python3");
    let chromium = named("INTEROP_CHROMIUM", "chromium");
    for program in [python.clone(), chromium, OsString::from("chromedriver")] {
        let mut check = Command::new(program);
        check.arg("--version");
        if !is_there(check) {
            return None;
        }
    }
    let mut command = Command::new(python);
    command.arg(path(script));
    node(script).map(|_| command)
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

/// A link by websocket that says exactly what it is told to.
pub(crate) struct Raw {
    socket: drive::ws::ClientSocket,
}

impl Raw {
    /// Dials with this query, and reads the opening packet of Engine.IO.
    pub(crate) async fn dial(server: &Server, query: &str) -> Self {
        Self::dial_at(server.addresses().socketio, query).await
    }

    async fn dial_at(at: SocketAddr, query: &str) -> Self {
        let url = format!("ws://{at}/socket.io/?{query}&transport=websocket");
        let mut raw = Self {
            socket: drive::ws::dial(&url).await.unwrap(),
        };
        let opening = raw.hear().await;
        assert!(opening.starts_with(r#"0{"sid":""#), "{opening}");
        raw
    }

    /// A link of revision 3 or 4 that has the alias.
    pub(crate) async fn bound(server: &Server, eio: u8, alias: &str) -> Self {
        Self::bound_at(server.addresses().socketio, eio, alias).await
    }

    pub(crate) async fn bound_at(at: SocketAddr, eio: u8, alias: &str) -> Self {
        let mut raw = Self::dial_at(at, &format!("EIO={eio}&alias={alias}")).await;
        if eio == 4 {
            raw.say("40").await;
        }
        assert!(raw.hear().await.starts_with("40"));
        let connected = format!(r#"42["connect_c",{{"t":-14,"alias":"{alias}"}}]"#);
        assert_eq!(raw.hear().await, connected);
        raw
    }

    pub(crate) async fn say(&mut self, text: &str) {
        self.send(Message::text(text)).await;
    }

    pub(crate) async fn send(&mut self, message: Message) {
        // A server that has hung up does not listen.
        let _ = self.socket.send(message).await;
    }

    /// The next text, other than the server's pings, which are answered; nothing if it hangs up.
    pub(crate) async fn heard(&mut self) -> Option<String> {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.socket.next()).await;
            match next.expect("nothing comes") {
                Some(Ok(Message::Text(text))) if text.as_str() == "2" => self.say("3").await,
                Some(Ok(Message::Text(text))) => return Some(text.as_str().to_owned()),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }

    pub(crate) async fn hear(&mut self) -> String {
        self.heard().await.expect("it hangs up")
    }

    /// Says a packet and hears what comes for it.
    pub(crate) async fn ask(&mut self, text: &str) -> String {
        self.say(text).await;
        self.hear().await
    }

    /// True if it hangs up after at most an Engine.IO packet that says so.
    pub(crate) async fn is_left(&mut self) -> bool {
        let said = self.heard().await;
        said.is_none() || (said.as_deref() == Some("1") && self.heard().await.is_none())
    }
}

/// The answer to a request of which all is written as it stands.
pub(crate) async fn http(at: SocketAddr, request: &str, body: &str) -> (u16, String) {
    let mut stream = AsyncStream::connect(at).await.unwrap();
    let head = format!(
        "{request} HTTP/1.1\r\nHost: push\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    // It may be refused before it is read.
    let _ = stream.write_all(head.as_bytes()).await;
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    read.expect("no answer").unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), body.to_owned())
}

/// A link by polling.
pub(crate) struct Poller {
    at: SocketAddr,
    path: String,
}

impl Poller {
    pub(crate) async fn open(server: &Server, query: &str) -> Self {
        let at = server.addresses().socketio;
        let path = format!("/socket.io/?{query}&transport=polling");
        let (status, opening) = http(at, &format!("GET {path}"), "").await;
        assert_eq!(status, 200, "{opening}");
        let sid = opening.split('"').nth(3).unwrap();
        let path = format!("{path}&sid={sid}");
        Self { at, path }
    }

    pub(crate) fn place(&self) -> (SocketAddr, &str) {
        (self.at, &self.path)
    }

    pub(crate) async fn get(&self) -> (u16, String) {
        http(self.at, &format!("GET {}", self.path), "").await
    }

    pub(crate) async fn post(&self, body: &str) -> (u16, String) {
        http(self.at, &format!("POST {}", self.path), body).await
    }
}

/// What `/metrics` says of this.
pub(crate) async fn metric(server: &Server, name: &str) -> u64 {
    let mut stream = AsyncStream::connect(server.addresses().admin.unwrap())
        .await
        .unwrap();
    let request = b"GET /metrics HTTP/1.1\r\nHost: push\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let prefix = format!("zzw_{name} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&prefix));
    line.expect("no such metric").parse().unwrap()
}

/// Waits until `/metrics` says that.
pub(crate) async fn wait_for(server: &Server, name: &str, wanted: u64) {
    let told = async {
        while metric(server, name).await != wanted {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, told).await;
    assert!(
        in_time.is_ok(),
        "{name} is {} for ever",
        metric(server, name).await
    );
}

/// Waits until a link may be opened again: a seat is free when the session of a link is gone, which
/// takes a moment.
pub(crate) async fn wait_until_open(server: &Server) {
    let at = server.addresses().socketio;
    let opened = async {
        while http(at, "GET /socket.io/?EIO=4&transport=polling", "")
            .await
            .0
            != 200
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, opened).await;
    in_time.expect("no link can be opened");
}

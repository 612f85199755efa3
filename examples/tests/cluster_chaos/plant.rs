//! Three `zzw_server`s as processes, over one redis-server.

use crate::kit::{Folder, Program, example};
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// The key of the documentation's samples.
const KEY: &str = "000102030405060708090a0b0c0d0e0f";

/// A node, which can be killed, paused, and started again where it was.
pub(crate) struct Node {
    program: Option<Program>,
    host: String,
    redis: String,
    settings: String,
    ports: [u16; 4],
    pub(crate) token: String,
}

const NAMES: [&str; 4] = ["rest", "socketio", "push", "relay"];

/// Limits that fit a test whose ends all have one address.
const SETTINGS: &str = "
[store]
cap = 5000
[broker]
drain_over = \"1s\"
frame_rate = { per_second = 100000, burst = 100000 }
address_rate = { per_second = 100000, burst = 100000 }
publish_rate = { per_second = 100000, burst = 100000 }
";

impl Node {
    /// A node with an address of its own, on free ports.
    pub(crate) fn start(number: usize, redis: &str, folder: &Folder) -> Self {
        let settings = folder.join("server.toml");
        std::fs::write(&settings, SETTINGS).unwrap();
        let mut node = Self {
            program: None,
            host: format!("127.0.0.{}", number + 1),
            redis: redis.to_owned(),
            settings,
            ports: [0; 4],
            token: String::new(),
        };
        node.restart();
        node
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn push(&self) -> String {
        format!("{}:{}", self.host, self.ports[2])
    }

    pub(crate) fn socketio(&self) -> String {
        format!("{}:{}", self.host, self.ports[1])
    }

    pub(crate) fn signal(&self, name: &str) {
        self.program.as_ref().unwrap().signal(name);
    }

    /// Kills it, without a chance to tidy up.
    pub(crate) fn kill(&mut self) {
        drop(self.program.take().map(Program::kill));
    }

    /// Lets its links go, and waits until it has ended.
    pub(crate) fn stop(&mut self) {
        let mut program = self.program.take().unwrap();
        program.signal("TERM");
        assert!(program.finish().success(), "{}", program.said());
    }

    pub(crate) fn restart(&mut self) {
        let mut command = example("zzw_server");
        command.args(["--key", KEY, "--config", &self.settings]);
        command.args(["--cluster", &self.redis, "--bind", &self.host]);
        // One of them is two nodes to the others.
        if self.host == "127.0.0.1" {
            command.args(["--shards", "2"]);
        }
        for (name, port) in NAMES.into_iter().zip(self.ports) {
            command.args([&format!("--{name}-port"), &port.to_string()]);
        }
        let program = Program::start(command);
        let token = program.out.line_with("token ");
        token
            .trim_start_matches("token ")
            .clone_into(&mut self.token);
        for (name, port) in NAMES.into_iter().zip(&mut self.ports) {
            let line = program.out.line_with(&format!("{name} "));
            *port = line.rsplit(':').next().unwrap().parse().unwrap();
        }
        self.program = Some(program);
    }

    /// What it answers to a call; nothing if it does not.
    pub(crate) fn call(&self, path: &str) -> Option<Value> {
        let address = format!("{}:{}", self.host, self.ports[0]);
        let mut stream = TcpStream::connect(address).ok()?;
        let patience = Some(Duration::from_secs(5));
        stream.set_read_timeout(patience).unwrap();
        let request = format!(
            "GET {path}/{} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            self.token
        );
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (_, body) = answer.split_once("\r\n\r\n")?;
        serde_json::from_str(body).ok()
    }

    /// The hosts that it knows of.
    pub(crate) fn hosts(&self) -> Vec<String> {
        let info = self.call("/info").unwrap_or_default();
        let info = info.as_object().cloned().unwrap_or_default();
        let hosts = info.into_iter().filter(|(_, counts)| counts.is_object());
        hosts.map(|(host, _)| host).collect()
    }
}

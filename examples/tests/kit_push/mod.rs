//! A server of the push system inside the test, and clients of it as processes.
#![allow(dead_code, unreachable_pub, reason = "each test program uses its part")]

use crate::kit::{Folder, Program, example};
use drive::zzw::server::{Addresses, Options, Server};
use serde_json::Value;
use std::process::Command;
use tokio::runtime::Runtime;
use xtea_token::v2::{MacKey, Scope, Ticket};
use xtea_token::{Key, UnixSeconds};
use zzw_push_proto::platform::{ClientToken, Rate};

/// What a client can speak.
pub const VIAS: [&str; 3] = ["tcp", "socketio", "socketio-v2"];

/// A running server, on free ports unless told otherwise. Dropped, it stops at once.
pub struct Push {
    runtime: Runtime,
    server: Option<Server>,
    pub at: Addresses,
    pub token: String,
}

impl Push {
    /// One that keeps messages in memory.
    pub fn start() -> Self {
        Self::with(|_| {})
    }

    /// One with other options.
    pub fn with(change: impl FnOnce(&mut Options)) -> Self {
        let key = Key::from_hex("000102030405060708090a0b0c0d0e0f").unwrap();
        let mut options = Options::new(key);
        let ports = &mut options.ports;
        (ports.rest, ports.socketio, ports.push, ports.relay) = (0, 0, 0, 0);
        // Tests are faster than people.
        let rate = Rate::new(1_000_000, 1_000_000);
        options.broker.frame_rate = rate;
        options.broker.address_rate = rate;
        options.broker.publish_rate = rate;
        change(&mut options);
        let runtime = Runtime::new().unwrap();
        let server = runtime.block_on(Server::start(options)).unwrap();
        Self {
            at: server.addresses(),
            token: server.token().unwrap(),
            server: Some(server),
            runtime,
        }
    }

    /// Address for clients that speak this.
    pub fn address(&self, via: &str) -> String {
        match via {
            "tcp" => self.at.push.to_string(),
            _ => self.at.socketio.to_string(),
        }
    }

    /// `http://HOST:PORT` of REST.
    pub fn rest(&self) -> String {
        format!("http://{}", self.at.rest)
    }

    /// Closes all links and the store.
    pub fn stop(mut self) {
        if let Some(server) = self.server.take() {
            self.runtime.block_on(server.stop_now()).unwrap();
        }
    }

    /// Lets the links go, and closes the store.
    pub fn drain(mut self) {
        if let Some(server) = self.server.take() {
            self.runtime.block_on(server.stop()).unwrap();
        }
    }

    /// True if the alias has a link.
    pub fn is_online(&self, alias: &str) -> bool {
        let server = self.server.as_ref();
        server.is_some_and(|server| server.is_online(&alias.into()))
    }

    /// Something that a client does and ends, whose lines on standard output are returned.
    pub fn does(&self, via: &str, args: &[&str]) -> Vec<Value> {
        does(&mut device(via, &self.address(via), args))
    }

    /// Publishes this text to an alias, and sees that it is taken.
    pub fn publish(&self, via: &str, alias: &str, text: &str) {
        let answers = self.does(via, &["publish", "--to", alias, "--", text]);
        assert_eq!(answers[0]["event"], "published", "{answers:?}");
    }

    /// Publishes a message from each of these lines.
    pub fn publish_all(&self, via: &str, alias: &str, lines: &[String]) {
        let command = device(via, &self.address(via), &["publish", "--to", alias, "-"]);
        let mut program = Program::fed(command, &(lines.join("\n") + "\n"));
        assert!(program.finish().success(), "{}", program.said());
        let answers = program.out.json();
        let nums = answers.iter().map(|answer| answer["num"].as_u64().unwrap());
        assert!(nums.eq(1..=lines.len() as u64), "{}", program.said());
    }
}

/// `zzw_device` with this server and these arguments.
pub fn device(via: &str, server: &str, args: &[&str]) -> Command {
    let mut command = example("zzw_device");
    command.args(["--via", via, server]).args(args);
    command
}

/// Runs a program that has to succeed, and returns its lines on standard output.
pub fn does(command: &mut Command) -> Vec<Value> {
    let program = std::mem::replace(command, Command::new(""));
    let mut program = Program::start(program);
    assert!(program.finish().success(), "{}", program.said());
    program.out.json()
}

/// Runs a program that has to fail, and returns what it says on standard error.
pub fn fails(command: Command) -> String {
    let mut program = Program::start(command);
    assert_eq!(program.finish().code(), Some(1), "{}", program.said());
    program.err.lines().join("\n")
}

/// A client that listens, and is bound.
pub fn listen(via: &str, server: &str, args: &[&str]) -> Program {
    let program = Program::start(device(via, server, args));
    program.err.line_with(r#"{"event":"bound"}"#);
    program
}

/// The messages among these lines, as what was published.
pub fn messages(lines: &[Value]) -> Vec<Value> {
    let messages = lines.iter().filter(|line| line["event"] == "message");
    messages.map(|line| line["msg"].clone()).collect()
}

/// Has a server ask its clients for tokens.
pub fn ask_for_tokens(options: &mut Options) {
    options.keys.mac.push(mac_key());
    options.broker.client_token = ClientToken::Required;
}

/// A token of that alias for such a server, good for a minute.
pub fn token(alias: &str) -> String {
    let now = UnixSeconds(drive::cli::now().0 / 1000);
    let (from, to) = (UnixSeconds(now.0 - 60), UnixSeconds(now.0 + 60));
    let ticket = Ticket::new(Scope::CONNECT | Scope::RELAY, from, to, [1; 8]).with_subject(alias);
    let token = mac_key().issue_unbound(&ticket).unwrap();
    token.as_str().to_owned()
}

fn mac_key() -> MacKey {
    MacKey::new(7, [0x42; 32])
}

/// A folder for what clients keep.
pub fn folder(name: &str) -> Folder {
    Folder::new(&format!("zzw-{name}"))
}

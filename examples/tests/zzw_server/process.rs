//! A running server, and calls over HTTP without a runtime.
#![allow(dead_code, unreachable_pub, reason = "each test program uses its part")]

use crate::kit::{PATIENCE, Program, example};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

pub const KEY: &str = "000102030405060708090a0b0c0d0e0f";

/// A server on free ports.
pub struct Server {
    pub program: Program,
    pub rest: SocketAddr,
    pub socketio: SocketAddr,
    pub push: SocketAddr,
    pub relay: SocketAddr,
    pub admin: SocketAddr,
    pub token: String,
}

/// What a call was answered.
pub struct Answer {
    pub status: u16,
    pub body: String,
}

/// Somebody who speaks in lines.
pub struct Caller(BufReader<TcpStream>);

/// The program, with no key in its environment.
pub fn command(args: &[&str]) -> Command {
    let mut command = example("zzw_server");
    command.env_remove("XTEA_KEY").args(args);
    command
}

/// The same on free ports.
pub fn on_free_ports(args: &[&str]) -> Command {
    let ports = ["rest", "socketio", "push", "relay", "admin"];
    let mut command = command(args);
    for port in ports {
        let name = format!("--{port}-port");
        if !args.contains(&&*name) {
            command.args([&name, "0"]);
        }
    }
    command
}

impl Server {
    /// One with the usual key and these further arguments.
    pub fn start(args: &[&str]) -> Self {
        Self::run(on_free_ports(&[&["--key", KEY], args].concat()))
    }

    pub fn run(command: Command) -> Self {
        let program = Program::start(command);
        let word = |start: &str| {
            let line = program.out.line_with(start);
            line.strip_prefix(start).unwrap().to_owned()
        };
        let address = |start: &str| word(start).parse().unwrap();
        Self {
            rest: address("rest http://"),
            socketio: address("socketio http://"),
            push: address("push "),
            relay: address("relay ws://"),
            admin: address("admin http://"),
            token: word("token "),
            program,
        }
    }

    /// What `/path/{token}` answers.
    pub fn get(&self, path: &str) -> Answer {
        get(self.rest, &format!("{path}/{}", self.token))
    }

    pub fn publish(&self, body: &Value) -> Answer {
        ask(
            self.rest,
            "POST",
            &format!("/push/{}", self.token),
            &body.to_string(),
        )
    }
}

pub fn get(address: SocketAddr, path: &str) -> Answer {
    ask(address, "GET", path, "")
}

pub fn ask(address: SocketAddr, method: &str, path: &str, body: &str) -> Answer {
    let mut stream = dial(address);
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        body: body.to_owned(),
    }
}

pub fn dial(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

impl From<TcpStream> for Caller {
    fn from(stream: TcpStream) -> Self {
        Self(BufReader::new(stream))
    }
}

impl Caller {
    /// One who has an alias.
    pub fn bound(server: &Server, alias: &str) -> Self {
        let mut caller = Self(BufReader::new(dial(server.push)));
        let answer = caller.asks(&format!(r#"{{"t":14,"alias":"{alias}"}}"#));
        assert_eq!(
            (&answer["t"], &answer["alias"]),
            (&(-14).into(), &alias.into())
        );
        caller
    }

    pub fn asks(&mut self, line: &str) -> Value {
        self.write(format!("{line}\n").as_bytes());
        self.hears()
    }

    pub fn write(&mut self, bytes: &[u8]) {
        // Who is hung up on hears it.
        let _ = self.0.get_mut().write_all(bytes);
    }

    /// The next message; `Null` once it is hung up.
    pub fn hears(&mut self) -> Value {
        let mut line = String::new();
        // Some hang up rudely.
        let _ = self.0.read_line(&mut line);
        serde_json::from_str(&line).unwrap_or_default()
    }
}

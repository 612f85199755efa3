//! A `zzw_server` as a process.
#![allow(
    unreachable_pub,
    dead_code,
    missing_docs,
    reason = "each test file uses its part of this"
)]

use crate::kit::{Folder, Program, example};

/// The key of the documentation's samples.
pub const KEY: &str = "000102030405060708090a0b0c0d0e0f";

/// A running server, which can be killed and started again on the same ports.
pub struct Plant {
    pub program: Program,
    pub rest: u16,
    pub socketio: u16,
    pub push: u16,
    pub relay: u16,
    pub token: String,
}

impl Plant {
    /// Starts one over the folder, on free ports, with limits that fit a test whose ends all have one
    /// address.
    pub fn start(folder: &Folder) -> Self {
        Self::start_on(folder, [0; 4])
    }

    /// Kills it, without a chance to tidy up, and starts it again.
    pub fn kill_and_restart(self, folder: &Folder) -> Self {
        let ports = [self.rest, self.socketio, self.push, self.relay];
        self.program.kill();
        Self::start_on(folder, ports)
    }

    fn start_on(folder: &Folder, ports: [u16; 4]) -> Self {
        let settings = folder.join("server.toml");
        std::fs::write(&settings, SETTINGS).unwrap();
        let mut command = example("zzw_server");
        command.args(["--key", KEY, "--config", &settings]);
        command.args(["--data", &folder.join("data")]);
        let names = [
            "--rest-port",
            "--socketio-port",
            "--push-port",
            "--relay-port",
        ];
        for (name, port) in names.into_iter().zip(ports) {
            command.args([name, &port.to_string()]);
        }
        let program = Program::start(command);
        let port = |name: &str| {
            let line = program.out.line_with(&format!("{name} "));
            line.rsplit(':')
                .next()
                .and_then(|port| port.parse().ok())
                .unwrap()
        };
        let (rest, socketio) = (port("rest"), port("socketio"));
        let (push, relay) = (port("push"), port("relay"));
        let token = program.out.line_with("token ");
        let token = token.trim_start_matches("token ").to_owned();
        Self {
            program,
            rest,
            socketio,
            push,
            relay,
            token,
        }
    }
}

const SETTINGS: &str = "
[store]
cap = 5000
[broker]
frame_rate = { per_second = 100000, burst = 100000 }
address_rate = { per_second = 100000, burst = 100000 }
publish_rate = { per_second = 100000, burst = 100000 }
";

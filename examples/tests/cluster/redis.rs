//! A real redis-server for a test.

use crate::kit::{Folder, Program, is_there};
use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

/// A server on a port of its own, with an append-only file. Dropped, it is killed.
pub(crate) struct Redis {
    program: Option<Program>,
    folder: Folder,
    port: u16,
    args: Vec<String>,
}

impl Redis {
    /// None, with a word about it, where there is no redis-server.
    pub(crate) fn start(name: &str, args: &[&str]) -> Option<Self> {
        let mut version = Command::new("redis-server");
        version.arg("--version");
        if !is_there(version) {
            return None;
        }
        let mut redis = Self {
            program: None,
            folder: Folder::new(&format!("redis-{name}")),
            port: 0,
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
        };
        // Somebody else may take the port before it does.
        for _ in 0..20 {
            let free = TcpListener::bind("127.0.0.1:0").unwrap();
            redis.port = free.local_addr().unwrap().port();
            drop(free);
            if redis.run() {
                return Some(redis);
            }
        }
        panic!("redis-server does not start");
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Asks for something, as an operator would.
    pub(crate) fn ask(&self, command: &[&str]) -> String {
        let mut cli = Command::new("redis-cli");
        cli.args(["-p", &self.port.to_string()]).args(command);
        let output = cli.output().unwrap();
        String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned()
    }

    pub(crate) fn signal(&self, name: &str) {
        self.program.as_ref().unwrap().signal(name);
    }

    /// Kills it; what it has written to its file stays.
    pub(crate) fn kill(&mut self) {
        drop(self.program.take().map(Program::kill));
    }

    /// Starts it again where it was.
    pub(crate) fn restart(&mut self) {
        self.kill();
        let end = Instant::now() + Duration::from_secs(20);
        while !self.run() {
            assert!(Instant::now() < end, "redis-server does not start again");
        }
    }

    fn run(&mut self) -> bool {
        let mut command = Command::new("redis-server");
        let port = self.port.to_string();
        command.args(["--port", &port, "--bind", "127.0.0.1", "--save", ""]);
        command.args(["--appendonly", "yes", "--dir"]);
        command.arg(self.folder.path()).args(&self.args);
        let mut program = Program::start(command);
        let end = Instant::now() + Duration::from_secs(20);
        while program.is_running() && Instant::now() < end {
            if self.ask(&["PING"]) == "PONG" {
                self.program = Some(program);
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }
}

//! Many connections held by another process, since both ends of 10,000 need more descriptors than
//! one process usually has.
#![allow(dead_code, reason = "each test program uses its part")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};

/// Connections that are made, and kept until this is dropped.
pub(crate) struct Crowd {
    process: Child,
    len: usize,
}

impl Crowd {
    /// Makes so many connections, or as many as the system allows one process, and says this once on
    /// each. Something said has to be answered.
    pub(crate) fn gather(address: SocketAddr, wanted: usize, said: &str) -> Self {
        let program = std::env::current_exe().unwrap();
        let mut process = Command::new("sh")
            .args(["-c", "ulimit -n $(ulimit -Hn); exec \"$0\" \"$@\""])
            .arg(program)
            .args(["--exact", "crowd_of_connections", "--nocapture"])
            .env("CROWD_AT", address.to_string())
            .env("CROWD_OF", wanted.to_string())
            .env("CROWD_SAYS", said)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let len = lines.find_map(|line| line.unwrap().strip_prefix("crowd of ")?.parse().ok());
        let len = len.expect("the other process tells how many there are");
        Self { process, len }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What the other process does: nothing, unless it is one.
pub(crate) fn stand() {
    let Ok(address) = std::env::var("CROWD_AT") else {
        return;
    };
    let wanted: usize = std::env::var("CROWD_OF").unwrap().parse().unwrap();
    let said = std::env::var("CROWD_SAYS").unwrap();
    let mut crowd = vec![];
    for _ in 0..wanted.min(open_files().saturating_sub(50)) {
        let Ok(mut stream) = TcpStream::connect(&address) else {
            break;
        };
        if !said.is_empty() {
            stream.write_all(said.as_bytes()).unwrap();
            assert!(stream.read(&mut [0; 1024]).unwrap() > 0);
        }
        crowd.push(stream);
    }
    println!("\ncrowd of {}", crowd.len());
    // Until the one who wanted it is gone.
    let _ = std::io::stdin().read(&mut [0]);
}

/// How many files this process may have open.
pub(crate) fn open_files() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().nth(3));
    soft.and_then(|soft| soft.parse().ok()).unwrap_or(1024)
}

/// Memory of this process, in bytes; 0 where the system does not tell.
pub(crate) fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next());
    kilobytes
        .and_then(|value| value.parse().ok())
        .map_or(0, |value: usize| value << 10)
}

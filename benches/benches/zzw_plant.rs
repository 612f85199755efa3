//! What the cluster bench is about: a redis-server and nodes over it, each a process of its own.

use benches::process::Program;
use drive::cli;
use drive::zzw::server::{Options, Server};
use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;
use xtea_token::Key;
use zzw_push_proto::platform::Rate;

/// First argument of this program when it is to be a node.
pub(crate) const NODE: &str = "node";

/// Where a node keeps its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    Memory,
    Redb,
    Redis,
}

/// A server, or several over one Redis.
#[derive(Debug)]
pub(crate) struct Plant {
    pub(crate) redis: Option<Redis>,
    pub(crate) nodes: Vec<Node>,
}

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) program: Program,
    pub(crate) port: u16,
}

/// A redis-server that writes an append-only file and syncs it every second.
#[derive(Debug)]
pub(crate) struct Redis {
    pub(crate) program: Program,
    pub(crate) port: u16,
}

/// What Redis has counted so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts {
    /// Calls of each command, those from within scripts too.
    pub(crate) calls: BTreeMap<String, u64>,
    pub(crate) received: u64,
    pub(crate) sent: u64,
    /// Bytes of the append-only file.
    pub(crate) written: u64,
    /// Bytes of memory in use.
    pub(crate) memory: u64,
}

impl Plant {
    pub(crate) fn start(
        folder: &Path,
        kept: Kept,
        nodes: usize,
        shards: usize,
    ) -> io::Result<Self> {
        let redis = (kept == Kept::Redis)
            .then(|| Redis::start(folder))
            .transpose()?;
        let place = match (&redis, kept) {
            (Some(redis), _) => format!("redis://127.0.0.1:{}", redis.port),
            (None, Kept::Redb) => {
                let data = folder.join(format!("redb-{shards}"));
                data.to_string_lossy().into_owned()
            }
            (None, _) => String::new(),
        };
        let nodes = (0..nodes).map(|_| Node::start(&place, shards)).collect();
        let nodes: io::Result<Vec<Node>> = nodes;
        Ok(Self {
            redis,
            nodes: nodes?,
        })
    }

    /// CPU time of all nodes, and of Redis.
    pub(crate) fn cpu_time(&self) -> io::Result<(Duration, Duration)> {
        let nodes = self.nodes.iter().map(|node| node.program.cpu_time());
        let nodes = nodes.sum::<io::Result<Duration>>()?;
        let redis = self.redis.as_ref().map(|redis| redis.program.cpu_time());
        Ok((nodes, redis.transpose()?.unwrap_or_default()))
    }

    pub(crate) fn counts(&self) -> Counts {
        self.redis.as_ref().map(Redis::counts).unwrap_or_default()
    }
}

impl Node {
    fn start(place: &str, shards: usize) -> io::Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        command.args([NODE, place, &shards.to_string()]);
        let mut program = Program::start(command)?;
        let port = program.line()?.parse().map_err(io::Error::other)?;
        Ok(Self { program, port })
    }
}

impl Redis {
    pub(crate) fn is_there() -> bool {
        let version = Command::new("redis-server").arg("--version").output();
        let cli = Command::new("redis-cli").arg("--version").output();
        version.is_ok() && cli.is_ok()
    }

    pub(crate) fn start(folder: &Path) -> io::Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let folder = folder.join(format!("redis-{port}"));
        fs::create_dir_all(&folder)?;
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &port.to_string()]);
        command.args(["--save", "", "--appendonly", "yes", "--appendfsync"]);
        // A rewrite would make the file smaller while its growth is measured.
        command.args(["everysec", "--auto-aof-rewrite-percentage", "0", "--dir"]);
        command.arg(folder);
        command.args(["--enable-debug-command", "yes"]);
        let mut program = Program::start(command)?;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if !program.is_running()? {
                return Err(io::Error::other("redis-server ended at once"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Self { program, port })
    }

    /// Asks for something, as an operator would.
    pub(crate) fn ask(&self, command: &[&str]) -> String {
        let mut cli = Command::new("redis-cli");
        let output = cli
            .args(["-p", &self.port.to_string()])
            .args(command)
            .output();
        let output = output.expect("redis-cli is there");
        let text = String::from_utf8_lossy(&output.stdout);
        text.trim_end().to_owned()
    }

    pub(crate) fn counts(&self) -> Counts {
        let info = self.ask(&["INFO", "everything"]);
        let mut counts = Counts::default();
        for (name, value) in info.lines().filter_map(|line| line.split_once(':')) {
            let number = || value.trim_end().parse().unwrap_or(0);
            match name {
                "total_net_input_bytes" => counts.received = number(),
                "total_net_output_bytes" => counts.sent = number(),
                "aof_current_size" => counts.written = number(),
                "used_memory" => counts.memory = number(),
                _ => {
                    let calls = name.strip_prefix("cmdstat_").and_then(|name| {
                        let calls = value.strip_prefix("calls=")?.split(',').next()?;
                        Some((name.to_owned(), calls.parse().ok()?))
                    });
                    counts.calls.extend(calls);
                }
            }
        }
        // This bench's own.
        counts
            .calls
            .retain(|name, _| name != "info" && !name.starts_with("command"));
        counts
    }
}

impl Counts {
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let before = |name| earlier.calls.get(name).copied().unwrap_or(0);
        let calls = self.calls.iter();
        let calls = calls.map(|(name, calls)| (name.clone(), calls - before(name)));
        Self {
            calls: calls.filter(|(_, calls)| *calls > 0).collect(),
            received: self.received.saturating_sub(earlier.received),
            sent: self.sent.saturating_sub(earlier.sent),
            written: self.written.saturating_sub(earlier.written),
            memory: self.memory.saturating_sub(earlier.memory),
        }
    }

    pub(crate) fn of(&self, command: &str) -> u64 {
        self.calls.get(command).copied().unwrap_or(0)
    }
}

/// Is a node until it is killed.
pub(crate) fn serve(place: &str, shards: &str) -> ExitCode {
    cli::open_many_files();
    let shards: usize = shards.parse().expect("a number of shards");
    let mut builder = if shards == 1 {
        tokio::runtime::Builder::new_current_thread()
    } else {
        tokio::runtime::Builder::new_multi_thread()
    };
    let runtime = builder.worker_threads(shards).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let key = Key::from_hex("000102030405060708090a0b0c0d0e0f").expect("a key");
        let mut options = Options::new(key);
        let ports = &mut options.ports;
        (ports.rest, ports.socketio, ports.push, ports.relay) = (0, 0, 0, 0);
        let fast = Rate::new(1_000_000, 1_000_000);
        let broker = &mut options.broker;
        (broker.frame_rate, broker.address_rate) = (fast, fast);
        broker.publish_rate = fast;
        options.push.links_per_address = options.push.links;
        options.store.cap = 1_000;
        options.shards = shards;
        if place.starts_with("redis://") {
            options.redis = Some(place.to_owned());
        } else if !place.is_empty() {
            options.data = Some(place.into());
        }
        let server = Server::start(options).await.expect("a server");
        println!("{}", server.addresses().push.port());
        server.closed().await;
    });
    ExitCode::SUCCESS
}

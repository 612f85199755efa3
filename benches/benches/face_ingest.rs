//! What a record costs the one who receives it, beside other receivers: CPU time of the server for
//! each POST of 62 KB, while 32 terminals push over loopback, each on a connection that it keeps.
//!
//! Every server is a process with one thread that serves. Peers that are not installed are passed
//! over. `INTEROP_PYTHON` names a Python that has FastAPI and uvicorn, `NGINX` an nginx.
//!
//! Pictures become files: with `TMPDIR` name a directory where few were deleted before, since ext4
//! without a journal takes its time to find an inode that was not.
#![allow(
    clippy::disallowed_methods,
    clippy::doc_markdown,
    reason = "wall time is what is reported; FastAPI is a name"
)]

mod face_load;
mod face_samples;
mod face_servers;

use benches::process::Program;
use benches::{is_measured, median};
use face_load::Load;
use face_samples::PICTURE;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().collect();
    if let [_, mode, kind, directory] = &*arguments
        && mode == SERVER
    {
        return face_servers::serve(kind, Path::new(directory));
    }
    let directory = env::temp_dir().join(format!("face-ingest-{}", std::process::id()));
    fs::create_dir_all(&directory).expect("a directory for databases");
    let rounds = if is_measured() { 9 } else { 1 };
    compare(&NOT_KEPT, rounds, &directory);
    compare(&KEPT, rounds, &directory);
    fs::remove_dir_all(&directory).expect("nobody uses it any more");
    ExitCode::SUCCESS
}

/// First argument of this program when it is to be a server.
const SERVER: &str = "server";
const TERMINALS: usize = 32;
/// No server takes longer to start.
const PATIENCE: Duration = Duration::from_secs(10);

/// Servers that do the same.
struct Class {
    name: &'static str,
    kinds: &'static [Kind],
    goals: &'static [Goal],
}

struct Kind {
    name: &'static str,
    program: How,
    /// Records that it receives in a round.
    records: usize,
}

#[derive(Clone, Copy)]
enum How {
    /// This program, with the name of a way to serve.
    Rust(&'static str),
    Nginx,
    Node,
    Python(&'static str),
}

/// What the first is to cost, in terms of the second.
struct Goal {
    case: &'static str,
    peer: &'static str,
    bound: Bound,
}

enum Bound {
    AtMost(f64),
    FasterBy(f64),
    None,
}

const OURS: &str = "ours, kept in memory";
const BODY: &str = "axum, body only";
const VALUE: &str = "axum, serde_json Value";
const NGINX: &str = "nginx, return 200";
const NODE: &str = "node http, JSON.parse";
const FASTAPI: &str = "FastAPI, uvicorn";
const PYTHON: &str = "Python http.server, json";

const OURS_KEPT: &str = "ours, SQLite";
const AXUM_KEPT: &str = "axum, Value, SQLite";
const PYTHON_KEPT: &str = "Python http.server, sqlite3";

const fn kind(name: &'static str, program: How, records: usize) -> Kind {
    Kind {
        name,
        program,
        records,
    }
}

const fn goal(case: &'static str, peer: &'static str, bound: Bound) -> Goal {
    Goal { case, peer, bound }
}

const NOT_KEPT: Class = Class {
    name: "nothing on disk",
    kinds: &[
        kind(OURS, How::Rust("ours"), 4_000),
        kind("hyper, body only", How::Rust("hyper"), 4_000),
        kind(BODY, How::Rust("axum-body"), 4_000),
        kind(VALUE, How::Rust("axum-value"), 4_000),
        kind(NGINX, How::Nginx, 4_000),
        kind(NODE, How::Node, 2_000),
        kind(FASTAPI, How::Python("fastapi"), 600),
        kind(PYTHON, How::Python("plain"), 600),
    ],
    goals: &[
        goal(OURS, "hyper, body only", Bound::None),
        goal(OURS, BODY, Bound::AtMost(1.3)),
        goal(OURS, VALUE, Bound::FasterBy(1.9)),
        goal(OURS, NGINX, Bound::FasterBy(1.3)),
        goal(OURS, NODE, Bound::FasterBy(6.0)),
        goal(OURS, FASTAPI, Bound::FasterBy(15.0)),
        goal(OURS, PYTHON, Bound::None),
    ],
};

const KEPT: Class = Class {
    name: "on disk before it is answered",
    kinds: &[
        kind(OURS_KEPT, How::Rust("ours-sqlite"), 1_000),
        kind(AXUM_KEPT, How::Rust("axum-sqlite"), 400),
        kind(PYTHON_KEPT, How::Python("sqlite"), 400),
    ],
    goals: &[
        goal(OURS_KEPT, AXUM_KEPT, Bound::None),
        goal(OURS_KEPT, PYTHON_KEPT, Bound::None),
    ],
};

/// A server that runs, and what it has cost.
struct Running {
    kind: &'static Kind,
    program: Program,
    port: u16,
    next: usize,
    /// CPU time of a record in ns, one for each round.
    nanos: Vec<f64>,
    /// Records in a second, likewise.
    rate: Vec<f64>,
}

impl Running {
    fn start(kind: &'static Kind, directory: &Path) -> io::Result<Self> {
        let (command, port) = kind.program.command(directory)?;
        let mut program = Program::start(command)?;
        let port = match port {
            Some(port) => port,
            None => program.line()?.parse().map_err(io::Error::other)?,
        };
        let start = Instant::now();
        let mut running = Self {
            kind,
            program,
            port,
            next: 0,
            nanos: Vec::new(),
            rate: Vec::new(),
        };
        // nginx does not say when it is ready.
        while TcpStream::connect(("127.0.0.1", port)).is_err() && start.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(20));
        }
        running.load(if is_measured() { 10 * TERMINALS } else { 1 })?;
        Ok(running)
    }

    /// Terminals that have just connected and pushed so many records.
    fn load(&mut self, records: usize) -> io::Result<Load> {
        let mut load = Load::connect(self.port, TERMINALS, PICTURE, self.next)?;
        load.push(records)?;
        self.next = load.next();
        Ok(load)
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    fn measure(&mut self) -> io::Result<()> {
        let records = if is_measured() {
            self.kind.records
        } else {
            TERMINALS
        };
        let records = records.next_multiple_of(TERMINALS);
        let mut load = self.load(TERMINALS)?;
        let (start, spent) = (Instant::now(), self.program.cpu_time()?);
        load.push(records)?;
        self.next = load.next();
        let spent = self.program.cpu_time()?.saturating_sub(spent);
        self.rate
            .push(records as f64 / start.elapsed().as_secs_f64());
        self.nanos.push(spent.as_nanos() as f64 / records as f64);
        Ok(())
    }
}

impl How {
    /// The command, and its port unless it prints that.
    fn command(self, directory: &Path) -> io::Result<(Command, Option<u16>)> {
        let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers");
        let named = |variable: &str, default: &str| -> OsString {
            env::var_os(variable).unwrap_or_else(|| default.into())
        };
        let mut port = None;
        let command = match self {
            Self::Rust(way) => {
                let mut command = Command::new(env::current_exe()?);
                command.args([SERVER, way]).arg(directory);
                command
            }
            Self::Node => {
                let mut command = Command::new("node");
                command.arg(peers.join("http_receive.js"));
                command
            }
            Self::Python(way) => {
                let mut command = Command::new(named("INTEROP_PYTHON", "python3"));
                command.arg(peers.join("http_receive.py"));
                command.arg(way).arg(directory);
                command
            }
            Self::Nginx => {
                let free = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
                port = Some(free);
                let mut command = Command::new(named("NGINX", "nginx"));
                command.arg("-p").arg(directory);
                command.arg("-c").arg(nginx(directory, free)?);
                command
            }
        };
        Ok((command, port))
    }
}

/// Writes the settings of nginx: one process, one thread, no log.
fn nginx(directory: &Path, port: u16) -> io::Result<PathBuf> {
    let path = directory.join("nginx.conf");
    let own = directory.display();
    let settings = format!(
        "daemon off; master_process off; pid {own}/nginx.pid; error_log /dev/null;
events {{ worker_connections 256; }}
http {{
  access_log off; client_body_temp_path {own}; proxy_temp_path {own}; fastcgi_temp_path {own};
  uwsgi_temp_path {own}; scgi_temp_path {own}; keepalive_requests 100000000;
  server {{ listen 127.0.0.1:{port}; location / {{ return 200 '{{\"code\":200}}'; }} }}
}}
"
    );
    fs::write(&path, settings)?;
    Ok(path)
}

fn compare(class: &'static Class, rounds: usize, directory: &Path) {
    let mut running = Vec::new();
    for kind in class.kinds {
        match Running::start(kind, directory) {
            Ok(started) => running.push(started),
            Err(error) => println!("{}: passed over, {error}", kind.name),
        }
    }
    for round in 0..rounds {
        for turn in 0..running.len() {
            let index = (round + turn) % running.len();
            let server = &mut running[index];
            let measured = server.measure();
            measured.unwrap_or_else(|error| panic!("{}: {error}", server.kind.name));
        }
    }
    report(class, &running);
}

fn report(class: &Class, measured: &[Running]) {
    println!(
        "\n## face: a POST of 62 KB from one of {TERMINALS} terminals, {}\n",
        class.name
    );
    let find = |name: &str| measured.iter().find(|server| server.kind.name == name);
    let ratio = |of: fn(&Running) -> &Vec<f64>, case: &str, peer: &str| {
        let (case, peer) = (of(find(case)?), of(find(peer)?));
        Some(median(
            case.iter().zip(peer).map(|(case, peer)| case / peer),
        ))
    };
    let is_met = |met: bool| if met { "met" } else { "MISSED" };
    for Goal { case, peer, bound } in class.goals {
        let Some(cost) = ratio(|server| &server.nanos, case, peer) else {
            continue;
        };
        let wall = ratio(|server| &server.rate, case, peer).unwrap_or(f64::NAN);
        let bound = match bound {
            Bound::AtMost(most) => format!(" (goal at most {most}x: {})", is_met(cost <= *most)),
            Bound::FasterBy(goal) => {
                format!(" (goal {goal}x less: {})", is_met(1.0 / cost >= *goal))
            }
            Bound::None => String::new(),
        };
        println!(
            "{case} costs {cost:.2}x ({:.2}x less) of {peer}{bound}; {wall:.2}x as many records a second",
            1.0 / cost
        );
    }
    println!(
        "\n{:<32} {:>14} {:>18} {:>12}",
        "server", "us CPU/record", "records/CPU-second", "records/s"
    );
    for server in measured {
        let micros = median(server.nanos.iter().copied()) / 1e3;
        let rate = median(server.rate.iter().copied());
        println!(
            "{:<32} {micros:>14.1} {:>18.0} {rate:>12.0}",
            server.kind.name,
            1e6 / micros
        );
    }
}

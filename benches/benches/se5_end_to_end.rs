//! What an event costs a subscriber from the socket to the application, over loopback, beside other
//! subscribers: CPU time of one client process at a time, which this process serves.
//!
//! Peers that are not installed are passed over. `INTEROP_PYTHON` names a Python that has
//! websocket-client, `INTEROP_NODE_PATH` a `node_modules` that has ws.
#![allow(clippy::disallowed_methods, reason = "clients that hang are ended")]

mod samples;
mod se5_client;

use benches::is_measured;
use samples::{live, with_pictures};
use se5_client::{DEVICE, client};
use std::io;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};
use tokio_tungstenite::tungstenite::{self, Message, Utf8Bytes};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, mode, kind, url, first, events, _] = &*arguments
        && mode == CLIENT
    {
        let number = |text: &String| text.parse().expect("a number of events");
        return client(kind, url, number(first), number(events));
    }
    compare(if is_measured() { 15 } else { 1 });
    ExitCode::SUCCESS
}

/// First argument of this program when it is to be a client.
const CLIENT: &str = "client";
/// No client takes longer than this.
const DEADLINE: Duration = Duration::from_mins(1);

/// A client program.
struct Kind {
    name: &'static str,
    program: Program,
    /// Events that it receives in a round.
    events: usize,
    /// CPU time of an event in ns, one for each round.
    nanos: Vec<f64>,
}

enum Program {
    /// This one, with the name of a way to read.
    Rust(&'static str),
    Node,
    Python,
}

impl Kind {
    fn new(name: &'static str, program: Program, events: usize) -> Self {
        Self {
            name,
            program,
            events,
            nanos: Vec::new(),
        }
    }

    fn start(&self, url: &str, events: usize) -> io::Result<Child> {
        let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers");
        let named = |variable: &str, default: &str| {
            std::env::var_os(variable).unwrap_or_else(|| default.into())
        };
        let mut command = match self.program {
            Program::Rust(way) => {
                let mut command = Command::new(std::env::current_exe()?);
                command.args([CLIENT, way]);
                command
            }
            Program::Node => {
                let mut command = Command::new("node");
                command.env("NODE_PATH", named("INTEROP_NODE_PATH", "node_modules"));
                command.arg(peers.join("ws_receive.js"));
                command
            }
            Program::Python => {
                let mut command = Command::new(named("INTEROP_PYTHON", "python3"));
                command.arg(peers.join("ws_receive.py"));
                command
            }
        };
        let [first, events] = [first(events), events].map(|count| count.to_string());
        command.args([url, &first, &events, DEVICE]);
        // A peer that lacks its library says so at length; here it is passed over.
        command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()
    }
}

/// Events before those that are measured: buffers grow and compilers wake up.
fn first(events: usize) -> usize {
    events / 10 + 1
}

fn compare(rounds: usize) {
    let event = Utf8Bytes::try_from(live(&with_pictures(20 << 10, 120 << 10))).unwrap();
    let mut kinds = vec![
        Kind::new(SOCKET, Program::Rust("socket"), 2_000),
        Kind::new(OURS, Program::Rust("ours"), 2_000),
        Kind::new(OURS_JPEGS, Program::Rust("ours-jpegs"), 2_000),
        Kind::new(VALUE, Program::Rust("value"), 2_000),
        Kind::new(VALUE_JPEGS, Program::Rust("value-jpegs"), 2_000),
        Kind::new(NODE, Program::Node, 500),
        Kind::new(PYTHON, Program::Python, 20),
    ];
    for round in 0..rounds {
        let mut missing = Vec::new();
        for turn in 0..kinds.len() {
            let index = (round + turn) % kinds.len();
            let kind = &mut kinds[index];
            let events = if is_measured() { kind.events } else { 5 };
            match measure(kind, &event, events) {
                Ok(nanos) => kind.nanos.push(nanos),
                Err(error) => {
                    println!("{}: passed over, {error}", kind.name);
                    missing.push(kind.name);
                }
            }
        }
        kinds.retain(|kind| !missing.contains(&kind.name));
    }
    report(&kinds, event.len());
}

const SOCKET: &str = "socket only";
const OURS: &str = "ours";
const OURS_JPEGS: &str = "ours, both JPEGs";
const VALUE: &str = "serde_json Value";
const VALUE_JPEGS: &str = "serde_json Value, both JPEGs";
const NODE: &str = "node, ws, JSON.parse";
const PYTHON: &str = "vendor's program (Python)";

/// Runs one client and serves it; returns its CPU time for an event, in ns.
fn measure(kind: &Kind, event: &Utf8Bytes, events: usize) -> io::Result<f64> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("ws://{}/", listener.local_addr()?);
    let mut child = kind.start(&url, events)?;
    let served = accept(&listener, &mut child).and_then(|stream| serve(stream, event, events));
    let ended = served.and_then(|()| wait(&mut child));
    if ended.is_err() {
        // It may be gone already.
        let _ = child.kill();
    }
    let output = child.wait_with_output()?;
    ended?;
    let text = String::from_utf8_lossy(&output.stdout);
    let nanos: f64 = text
        .trim()
        .parse()
        .map_err(|_| io::Error::other("it printed no time"))?;
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    Ok(nanos / events as f64)
}

fn accept(listener: &TcpListener, child: &mut Child) -> io::Result<TcpStream> {
    listener.set_nonblocking(true)?;
    let start = Instant::now();
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false)?;
                return Ok(stream);
            }
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
            Err(_) if child.try_wait()?.is_some() => {
                return Err(io::Error::other("it is not installed, or failed to start"));
            }
            Err(_) if start.elapsed() > DEADLINE => return Err(io::ErrorKind::TimedOut.into()),
            Err(_) => std::thread::sleep(Duration::from_millis(2)),
        }
    }
}

/// Waits for the subscription, then sends the events.
fn serve(stream: TcpStream, event: &Utf8Bytes, events: usize) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.set_write_timeout(Some(DEADLINE))?;
    let mut socket =
        tungstenite::accept(stream).map_err(|_| io::Error::other("it speaks no WebSocket"))?;
    socket.read().map_err(io::Error::other)?;
    for _ in 0..first(events) + events {
        socket
            .send(Message::Text(event.clone()))
            .map_err(io::Error::other)?;
    }
    Ok(())
}

fn wait(child: &mut Child) -> io::Result<()> {
    let start = Instant::now();
    while child.try_wait()?.is_none() {
        if start.elapsed() > DEADLINE {
            return Err(io::ErrorKind::TimedOut.into());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

fn report(kinds: &[Kind], bytes: usize) {
    println!("## se5: an event of {bytes} bytes, from the socket to the application\n");
    let find = |name: &str| kinds.iter().find(|kind| kind.name == name);
    let ratio = |of: &str, to: &str| {
        let (of, to) = (find(of)?, find(to)?);
        Some(median(
            of.nanos.iter().zip(&to.nanos).map(|(of, to)| of / to),
        ))
    };
    let is_met = |met: bool| if met { "met" } else { "MISSED" };
    for (name, goal) in [(OURS, Some(1.5)), (OURS_JPEGS, None)] {
        let Some(times) = ratio(name, SOCKET) else {
            continue;
        };
        let goal = goal.map_or_else(String::new, |goal| {
            format!(" (goal at most {goal}x: {})", is_met(times <= goal))
        });
        println!("{name} costs {times:.2}x of {SOCKET}{goal}");
    }
    for (name, peer, goal) in [
        (OURS, VALUE, None),
        (OURS_JPEGS, VALUE_JPEGS, None),
        (OURS, NODE, Some(10.0)),
        (OURS, PYTHON, Some(300.0)),
    ] {
        let Some(times) = ratio(peer, name) else {
            continue;
        };
        let goal = goal.map_or_else(String::new, |goal| {
            format!(" (goal {goal}x: {})", is_met(times >= goal))
        });
        println!("{name} is {times:.1}x as fast as {peer}{goal}");
    }
    println!(
        "\n{:<32} {:>12} {:>12}",
        "case", "us CPU/event", "x of socket"
    );
    for kind in kinds {
        let micros = median(kind.nanos.iter().copied()) / 1e3;
        let times = ratio(kind.name, SOCKET).unwrap_or(f64::NAN);
        println!("{:<32} {micros:>12.1} {times:>12.2}", kind.name);
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

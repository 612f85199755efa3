//! Runs the examples, and foreign programs, as processes.
#![allow(dead_code, unreachable_pub, reason = "each test program uses its part")]
#![allow(
    clippy::disallowed_methods,
    reason = "processes are waited for by the clock"
)]

pub mod cable;

use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// The longest that anything may take.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// A running program, whose output is kept. Dropped, it is killed.
pub struct Program {
    name: String,
    child: Child,
    pub out: Stream,
    pub err: Stream,
}

/// Lines that a program has written so far.
#[derive(Clone, Default)]
pub struct Stream(Arc<(Mutex<Written>, Condvar)>);

#[derive(Default)]
struct Written {
    lines: Vec<String>,
    is_closed: bool,
}

/// One of our examples, which `cargo test` has built beside the test.
pub fn example(name: &str) -> Command {
    let mut path: PathBuf = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    Command::new(path.join("examples").join(file))
}

impl Program {
    /// Starts `command` with its output connected to the test.
    pub fn start(command: Command) -> Self {
        Self::start_with(command, Stdio::null())
    }

    /// Starts `command` with this text as its standard input.
    pub fn fed(command: Command, input: &str) -> Self {
        let mut program = Self::start_with(command, Stdio::piped());
        let (mut stdin, input) = (program.child.stdin.take().unwrap(), input.to_owned());
        // It may end before it has read everything.
        std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
        program
    }

    /// Starts `command` and gives its standard input to the test.
    pub fn typed(command: Command) -> (Self, ChildStdin) {
        let mut program = Self::start_with(command, Stdio::piped());
        let stdin = program.child.stdin.take().unwrap();
        (program, stdin)
    }

    fn start_with(mut command: Command, stdin: Stdio) -> Self {
        let name = Path::new(command.get_program()).file_name();
        let name = name.unwrap_or_default().to_string_lossy().into_owned();
        let mut child = command
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let out = Stream::of(child.stdout.take().unwrap());
        let err = Stream::of(child.stderr.take().unwrap());
        Self {
            name,
            child,
            out,
            err,
        }
    }

    /// Waits until it ends by itself.
    pub fn finish(&mut self) -> ExitStatus {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                self.out.wait_closed();
                self.err.wait_closed();
                return status;
            }
            assert!(
                Instant::now() < end,
                "{} does not end: {}",
                self.name,
                self.said()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Sends a signal by its name; whoever is stopped stands still by then.
    pub fn signal(&self, name: &str) {
        let kill = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status();
        assert!(kill.unwrap().success());
        if name == "STOP" {
            let end = Instant::now() + PATIENCE;
            while self.is_moving() {
                assert!(Instant::now() < end, "it does not stop");
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }

    /// True while a thread of it is not stopped, which takes its time on a busy machine.
    fn is_moving(&self) -> bool {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id()));
        threads.into_iter().flatten().flatten().any(|thread| {
            let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            let state = stat.rsplit(") ").next().unwrap_or_default();
            !state.is_empty() && !state.starts_with('T')
        })
    }

    /// Kills it, without a chance to tidy up, and waits until it is gone.
    pub fn kill(mut self) -> (Stream, Stream) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.out.wait_closed();
        (self.out.clone(), self.err.clone())
    }

    /// Bytes of memory that it takes up; `None` where the system does not tell.
    pub fn memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kilobytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
        Some(kilobytes << 10)
    }

    /// What it has said, for messages of failed tests.
    pub fn said(&self) -> String {
        let tail = |stream: &Stream| {
            let lines = stream.lines();
            lines[lines.len().saturating_sub(40)..].join("\n")
        };
        format!("stdout:\n{}\nstderr:\n{}", tail(&self.out), tail(&self.err))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Stream {
    fn of(source: impl Read + Send + 'static) -> Self {
        let stream = Self::default();
        let written = stream.clone();
        std::thread::spawn(move || {
            let mut source = BufReader::new(source);
            let mut line = Vec::new();
            while source
                .read_until(b'\n', &mut line)
                .is_ok_and(|length| length > 0)
            {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                written.0.0.lock().unwrap().lines.push(text);
                written.0.1.notify_all();
                line.clear();
            }
            written.0.0.lock().unwrap().is_closed = true;
            written.0.1.notify_all();
        });
        stream
    }

    /// The lines so far.
    pub fn lines(&self) -> Vec<String> {
        self.0.0.lock().unwrap().lines.clone()
    }

    /// The lines so far, each as JSON.
    pub fn json(&self) -> Vec<Value> {
        let parse = |line: &String| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
        };
        self.lines().iter().map(parse).collect()
    }

    /// Waits for the first line with `text` in it.
    pub fn line_with(&self, text: &str) -> String {
        let found = |written: &Written| {
            let mut lines = written.lines.iter();
            lines.find(|line| line.contains(text)).cloned()
        };
        self.wait(text, found)
    }

    /// Waits until there are so many lines.
    pub fn wait_for(&self, count: usize) {
        let what = format!("{count} lines");
        self.wait(&what, |written| {
            (written.lines.len() >= count).then_some(())
        });
    }

    fn wait_closed(&self) {
        self.wait("the end", |written| written.is_closed.then_some(()));
    }

    fn wait<T>(&self, what: &str, found: impl Fn(&Written) -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        let mut written = self.0.0.lock().unwrap();
        loop {
            if let Some(found) = found(&written) {
                return found;
            }
            let left = end.saturating_duration_since(Instant::now());
            let lines = &written.lines;
            assert!(
                !left.is_zero() && !written.is_closed,
                "no {what:?} among these lines: {lines:#?}"
            );
            written = self.0.1.wait_timeout(written, left).unwrap().0;
        }
    }
}

/// A running `se5_box` on free ports.
pub struct SimulatedBox {
    pub program: Program,
    pub ws: String,
    pub http: String,
    pub devices: Vec<String>,
}

impl SimulatedBox {
    /// Starts one with these further arguments.
    pub fn start(args: &[&str]) -> Self {
        Self::start_at("127.0.0.1:0", "127.0.0.1:0", args)
    }

    /// Starts one on these ports.
    pub fn start_at(listen: &str, http: &str, args: &[&str]) -> Self {
        let mut command = example("se5_box");
        command
            .args(["--listen", listen, "--http", http])
            .args(args);
        let program = Program::start(command);
        let line = program.err.line_with("listening ");
        let mut words = line.split(' ').skip(1).map(str::to_owned);
        let (ws, http) = (words.next().unwrap(), words.next().unwrap());
        program.err.line_with("ready");
        let lines = program.err.lines();
        let cameras = lines.iter().filter_map(|line| line.strip_prefix("camera "));
        let id = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
        Self {
            devices: cameras.map(id).collect(),
            program,
            ws,
            http,
        }
    }

    /// Address without its scheme.
    pub fn ws_address(&self) -> &str {
        self.ws.strip_prefix("ws://").unwrap()
    }

    /// Ids of what was emitted, in order, once there are so many.
    pub fn emitted(&self, count: usize) -> Vec<String> {
        self.program.out.wait_for(count);
        ids(&self.program.out)
    }
}

/// Starts `se5_subscribe` for the box at these addresses.
pub fn subscribe(ws: &str, http: &str, args: &[&str]) -> Program {
    let mut command = example("se5_subscribe");
    command.arg(ws).args(["--http", http]).args(args);
    Program::start(command)
}

/// The ids of the events on these lines, in order.
pub fn ids(stream: &Stream) -> Vec<String> {
    let id = |event: Value| event["event_id"].as_str().unwrap().to_owned();
    stream.json().into_iter().map(id).collect()
}

/// The same in a fixed order.
pub fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort();
    ids
}

/// A folder that is gone when this is.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("se5-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// One that exists already.
    pub fn at(path: PathBuf) -> Self {
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn join(&self, name: &str) -> String {
        self.0.join(name).to_string_lossy().into_owned()
    }

    /// Name and content of every file.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let entries = std::fs::read_dir(&self.0).unwrap();
        let file = |entry: std::io::Result<std::fs::DirEntry>| {
            let entry = entry.unwrap();
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, std::fs::read(entry.path()).unwrap())
        };
        entries.map(file).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Upgrades a plain connection and subscribes on it, with a key that is none and without waiting.
pub fn subscribe_raw(mut stream: &TcpStream, devices: &[String]) {
    let head = "GET /any/path HTTP/1.1\r\nHost: box\r\nUpgrade: WebSocket\r\n\
                Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: sloppy\r\n\
                Sec-WebSocket-Version: 13\r\n\r\n";
    let list = serde_json::to_string(devices).unwrap();
    let message = format!(r#"{{"need_face":true,"need_register":true,"event_list":{list}}}"#);
    let length = u16::try_from(message.len()).unwrap().to_be_bytes();
    // A mask of zeros changes nothing.
    let mut bytes = Vec::from(head);
    bytes.extend([0x81, 0xfe, length[0], length[1], 0, 0, 0, 0]);
    bytes.extend(message.bytes());
    stream.write_all(&bytes).unwrap();
}

/// True if `bytes` begin and end as a JPEG does.
pub fn is_jpeg(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0xff, 0xd8, 0xff]) && bytes.ends_with(&[0xff, 0xd9])
}

/// True if this command succeeds, so that what it stands for is there; otherwise says that the test
/// is skipped.
///
/// With `INTEROP=required` a missing program fails the test.
pub fn is_there(mut check: Command) -> bool {
    let status = check.stdout(Stdio::null()).stderr(Stdio::null()).status();
    if status.is_ok_and(|status| status.success()) {
        return true;
    }
    let is_required = std::env::var_os("INTEROP").is_some_and(|value| value == "required");
    assert!(!is_required, "needed, but does not run: {check:?}");
    eprintln!("skipped: this does not run here: {check:?}");
    false
}

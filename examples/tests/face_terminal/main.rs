//! `face_terminal` as a process, against a plain Python HTTP server.

#[path = "../kit/mod.rs"]
mod kit;

mod api;
mod crash;
mod inside;
mod start;

use kit::{Folder, Program, example, is_there};
use std::path::Path;
use std::process::Command;

#[test]
fn a_plain_http_server_gets_every_record_once_and_in_order() {
    for (profile, kind) in [
        ("1.0", "-"),
        ("1.1", "application/json"),
        ("1.2.1", "application/json"),
        ("1.3", "application/json"),
    ] {
        let Some(sink) = Sink::start(&[]) else {
            return;
        };
        let folder = Folder::new(&format!("face-plain-{profile}"));
        let mut args = vec!["--count", "40", "--rate", "500", "--profile", profile];
        args.extend(["--picture-bytes", "30000", "--seed", "18"]);
        let mut terminal = terminal(&folder, Some(&sink.dest()), &args);
        assert!(terminal.finish().success(), "{}", terminal.said());
        assert_eq!(sink.ids(40), (1..=40).collect::<Vec<u64>>(), "{profile}");
        let expected = format!("1 PS71HD01MC22C00018 30000 /Record?site=1 {kind} ");
        let line = sink.program.out.lines().remove(0);
        assert!(line.starts_with(&expected), "{line}");
        assert_eq!(table(&terminal), [40, 40, 0, 0]);
    }
}

#[test]
fn nothing_is_lost_whatever_a_destination_answers() {
    let kinds = [
        ("code", "the platform refuses: http status 200, code 500"),
        ("500", "the platform refuses: http status 500"),
        ("503", "the platform refuses: http status 503, code 503"),
        ("garbage", "http status 200, and the body is not json"),
        ("page", "http status 200, and the body is not json"),
        ("list", "http status 200, and the body is not json"),
        ("no-code", "http status 200, and the body has no `code`"),
        ("empty", "the platform refuses: http status 200"),
        ("endless", "http status 200, and the body does not end"),
        ("redirect", "http status 307: redirections are not followed"),
        (
            "nothing",
            "the connection broke before the answer was whole",
        ),
        ("half", "the connection broke before the answer was whole"),
    ];
    // They wait, most of the time: all at once.
    let start = |(kind, expected)| {
        let sink = Sink::start(&["0", kind, "2"])?;
        let folder = Folder::new(&format!("face-answer-{kind}"));
        let args = ["--count", "5", "--rate", "100", "--picture-bytes", "0"];
        let terminal = terminal(&folder, Some(&sink.dest()), &args);
        Some((kind, expected, sink, folder, terminal))
    };
    let started: Vec<_> = kinds.into_iter().filter_map(start).collect();
    for (kind, expected, sink, _folder, mut terminal) in started {
        assert!(terminal.finish().success(), "{kind}: {}", terminal.said());
        terminal.out.line_with(&format!("down: {expected}"));
        terminal.out.line_with("up: ");
        terminal.out.line_with("caught up: ");
        assert_eq!(sink.ids(5), [1, 2, 3, 4, 5], "{kind}");
        let others = sink.program.err.lines();
        let others = others.iter().filter(|line| *line == "other");
        assert_eq!(others.count(), 2, "{kind}");
        let elsewhere = |line: &String| line.contains("/elsewhere");
        assert!(!sink.program.out.lines().iter().any(elsewhere), "{kind}");
        assert_eq!(table(&terminal), [5, 5, 0, 0], "{kind}");
    }
}

/// A plain Python receiver.
struct Sink {
    program: Program,
    port: u16,
}

impl Sink {
    /// Starts one with these arguments: port, kind of the first answers, how many.
    fn start(args: &[&str]) -> Option<Self> {
        let python = std::env::var_os("INTEROP_PYTHON").unwrap_or_else(|| "python3".into());
        let mut check = Command::new(&python);
        check.args(["-c", "import http.server"]);
        if !is_there(check) {
            return None;
        }
        let script = "tests/interop/plain_receiver.py";
        let mut command = Command::new(python);
        command
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(script))
            .args(args);
        let program = Program::start(command);
        let line = program.err.line_with("listening ");
        let port = line.rsplit(' ').next().unwrap().parse().unwrap();
        Some(Self { program, port })
    }

    fn dest(&self) -> String {
        format!("http://127.0.0.1:{}/Record?site=1", self.port)
    }

    /// The records that it has kept, once there are so many.
    fn ids(&self, count: usize) -> Vec<u64> {
        self.program.out.wait_for(count);
        let lines = self.program.out.lines();
        let id = |line: &String| line.split(' ').next().unwrap().parse().unwrap();
        lines.iter().map(id).collect()
    }
}

/// Starts a terminal with its store in `folder`.
fn terminal(folder: &Folder, dest: Option<&str>, args: &[&str]) -> Program {
    let mut command = example("face_terminal");
    command.args(["--data", &folder.join("terminal")]);
    if !args.contains(&"--api") {
        command.args(["--api", "127.0.0.1:0"]);
    }
    if let Some(dest) = dest {
        command.args(["--dest", dest]);
    }
    command.args(args);
    Program::start(command)
}

/// Recorded, acknowledged, queued, dropped.
fn table(terminal: &Program) -> [u64; 4] {
    ["recorded ", "acknowledged ", "queued ", "dropped "].map(|name| {
        let lines = terminal.out.lines();
        let line = lines.iter().rev().find(|line| line.starts_with(name));
        let line = line.unwrap_or_else(|| panic!("no table: {}", terminal.said()));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    })
}

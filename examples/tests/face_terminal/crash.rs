//! A terminal that is killed, or told to end.

use crate::kit::{Folder, Program, example};
use crate::{Sink, table, terminal};
use drive::faces::Dice;
use std::process::Command;
use std::time::Duration;

#[test]
fn a_terminal_that_is_killed_goes_on_where_it_was() {
    let Some(sink) = Sink::start(&[]) else {
        return;
    };
    let folder = Folder::new("face-killed");
    let count = 400;
    let args = ["--rate", "150", "--count", "400", "--picture-bytes", "6000"];
    let mut dice = Dice(9);
    for _ in 0..10 {
        let terminal = terminal(&folder, Some(&sink.dest()), &args);
        terminal.out.line_with("terminal ");
        // Any moment will do.
        wait(Duration::from_millis(20 + dice.roll() % 250));
        terminal.kill();
    }
    let mut last = terminal(&folder, Some(&sink.dest()), &args);
    assert!(last.finish().success(), "{}", last.said());
    assert_eq!(table(&last), [count, count, 0, 0]);
    // What was acknowledged and not written down is pushed again, right after the kill, in order.
    let (mut seen, mut repeated) = (0, 0);
    sink.program.out.line_with(&format!("{count} PS71"));
    for id in sink.ids(400) {
        if id <= seen {
            repeated += 1;
            continue;
        }
        assert_eq!(id, seen + 1);
        seen = id;
    }
    assert_eq!(seen, count);
    assert!(repeated <= 10 * 66, "{repeated}");
}

#[test]
fn a_terminal_that_is_told_to_end_tells_its_table_and_keeps_its_queue() {
    for signal in ["TERM", "INT"] {
        let folder = Folder::new(&format!("face-ended-{signal}"));
        // Nobody listens there.
        let dest = Some("http://127.0.0.1:9/Record");
        let mut first = terminal(&folder, dest, &["--rate", "200"]);
        first.out.line_with("down: no connection");
        let queued = ended(&mut first, signal);
        let second = terminal(&folder, None, &["--rate", "0"]);
        let line = format!("{queued} recorded so far, {queued} queued");
        second.out.line_with(&line);
    }
}

#[test]
fn another_destination_on_the_command_line_wins() {
    let Some(sink) = Sink::start(&[]) else {
        return;
    };
    let folder = Folder::new("face-other-dest");
    let dest = Some("http://127.0.0.1:9/Record");
    let mut first = terminal(&folder, dest, &["--rate", "200"]);
    first.out.line_with("down: no connection");
    let queued = ended(&mut first, "TERM");
    let count = queued.to_string();
    let mut second = terminal(&folder, Some(&sink.dest()), &["--count", &count]);
    assert!(second.finish().success(), "{}", second.said());
    assert_eq!(
        sink.ids(usize::try_from(queued).unwrap()),
        (1..=queued).collect::<Vec<u64>>()
    );
    let third = terminal(&folder, None, &["--rate", "0"]);
    third.out.line_with("state: pushing");
}

#[test]
fn a_disk_that_fails_now_and_then_loses_nothing() {
    // What the system answers, to every which call.
    for (call, error, when) in [
        ("fdatasync", "EIO", "30+25"),
        ("pwrite64", "ENOSPC", "200+150"),
        ("pwrite64", "EIO", "300+400"),
    ] {
        let is_there = Command::new("strace").args(["-qq", "true"]).output();
        let is_there = is_there.is_ok_and(|output| output.status.success());
        let Some(sink) = Sink::start(&[]).filter(|_| is_there) else {
            eprintln!("skipped: strace or python does not run here");
            return;
        };
        let folder = Folder::new(&format!("face-disk-{call}-{error}"));
        let mut command = Command::new("strace");
        command
            .args(["-f", "-qq", "-o", &folder.join("trace")])
            .args(["-e", &format!("trace={call}")])
            .args(["-e", &format!("inject={call}:error={error}:when={when}")])
            .arg(example("face_terminal").get_program())
            .args(["--data", &folder.join("terminal"), "--dest", &sink.dest()])
            .args(["--api", "127.0.0.1:0", "--rate", "25", "--count", "80"]);
        let mut terminal = Program::start(command);
        assert!(terminal.finish().success(), "{}", terminal.said());
        assert_eq!(table(&terminal), [80, 80, 0, 0]);
        let trace = std::fs::read_to_string(folder.join("trace")).unwrap();
        assert!(trace.contains("INJECTED"), "{call} {error} never happened");
        sink.program.out.line_with("80 PS71");
        let mut ids = sink.ids(80);
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids, (1..=80).collect::<Vec<u64>>());
    }
}

/// Ends a terminal whose destination is down; returns how many records it keeps.
fn ended(terminal: &mut Program, signal: &str) -> u64 {
    terminal.signal(signal);
    assert!(terminal.finish().success(), "{}", terminal.said());
    let [recorded, acknowledged, queued, dropped] = table(terminal);
    assert!(recorded > 0 && queued == recorded, "{}", terminal.said());
    assert_eq!((acknowledged, dropped), (0, 0));
    queued
}

#[allow(clippy::disallowed_methods, reason = "a kill at any moment")]
fn wait(time: Duration) {
    std::thread::sleep(time);
}

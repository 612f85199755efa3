//! Programs that are told to end in the moment in which they first say anything.
#![cfg(unix)]

mod kit;
mod kit_push;

use kit::{Folder, Program, SimulatedBox, example};
use kit_push::Push;
use std::process::Command;

/// Starts a program and ends it from inside a shell, which is faster than a test: it needs no
/// process to send a signal.
const END_AT_ITS_FIRST_WORD: &str = r#"
"$@" >"$SAID" 2>&1 &
until [ -s "$SAID" ]; do :; done
kill -s TERM $!
wait $!
"#;

#[test]
fn who_hears_a_program_may_end_it() {
    let folder = Folder::new("signals");
    let simulated = SimulatedBox::start(&[]);
    let (db, data) = (folder.join("records.db"), folder.join("terminal"));
    let ports = ["127.0.0.1:0", "127.0.0.1:0"];
    let push = Push::start();
    let (lines, relay) = (push.at.push.to_string(), format!("ws://{}", push.at.relay));
    let room = "capture-7-3-2";
    let programs: [(&str, &[&str]); 8] = [
        ("analyst_broker", &["--listen", ports[0]]),
        ("face_receiver", &["--listen", ports[0], "--db", &db]),
        ("face_terminal", &["--api", ports[0], "--data", &data]),
        ("se5_box", &["--listen", ports[0], "--http", ports[1]]),
        ("se5_subscribe", &[&simulated.ws, "--http", &simulated.http]),
        ("zzw_device", &[&lines, "--alias", "m_2"]),
        ("zzw_relay", &["send", &relay, "--room", room]),
        ("zzw_relay", &["show", &relay, "--room", room]),
    ];
    for (nth, (name, args)) in programs.into_iter().enumerate() {
        for round in 0..8 {
            let said = folder.join(&format!("{nth}-{round}"));
            let mut shell = Command::new("sh");
            shell.args(["-c", END_AT_ITS_FIRST_WORD, "sh"]);
            shell.arg(example(name).get_program()).args(args);
            shell.env("SAID", &said);
            let status = Program::start(shell).finish();
            let said = std::fs::read_to_string(said).unwrap();
            assert_eq!(status.code(), Some(0), "{name}: {said}");
        }
    }
}

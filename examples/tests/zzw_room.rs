//! `zzw_relay` in the rooms of our server.

mod kit;
mod kit_push;

use kit::cable::Cable;
use kit::{Program, example, is_jpeg};
use kit_push::{Push, ask_for_tokens, fails, folder, token};
use std::io::Write as _;
use std::net::TcpListener;
use std::process::Command;

const ROOM: [&str; 2] = ["--room", "capture-7-3-2"];

fn relay(verb: &str, url: &str, args: &[&str]) -> Command {
    let mut command = example("zzw_relay");
    command.args([verb, url]).args(args);
    command
}

fn url(push: &Push) -> String {
    format!("ws://{}", push.at.relay)
}

/// Somebody who is in.
fn enter(command: Command) -> Program {
    let program = Program::start(command);
    program.err.line_with(r#"{"event":"entered"}"#);
    program
}

#[test]
fn drawn_pictures_are_seen_by_all_who_look() {
    let (push, out) = (Push::start(), folder("seen"));
    let show = |name: &str| {
        let out = out.join(name);
        let args = [&ROOM[..], &["--out", &out, "--count", "5"]].concat();
        enter(relay("show", &url(&push), &args))
    };
    let mut viewers = [show("a"), show("b")];
    let args = [&ROOM[..], &["--rate", "20"]].concat();
    let camera = enter(relay("send", &url(&push), &args));
    for (viewer, name) in viewers.iter_mut().zip(["a", "b"]) {
        assert!(viewer.finish().success(), "{}", viewer.said());
        let lines = viewer.out.json();
        assert!(lines.iter().all(|line| line["event"] == "picture"));
        for (nth, line) in lines.iter().enumerate() {
            let file = format!("{}/{:06}.jpg", out.join(name), nth + 1);
            assert_eq!(line["file"], *file);
            let picture = std::fs::read(file).unwrap();
            assert!(is_jpeg(&picture));
            assert_eq!(line["bytes"], picture.len());
        }
    }
    camera.signal("TERM");
    let mut camera = camera;
    assert!(camera.finish().success(), "{}", camera.said());
    assert_eq!(camera.out.json()[0]["event"], "sent");
}

#[test]
fn a_file_is_shown_byte_for_byte_and_ends_when_all_are_sent() {
    let (push, out) = (Push::start(), folder("file"));
    let (file, saved) = (out.join("given"), out.join("saved"));
    let picture: Vec<u8> = (0..200_000_u32).map(|nth| (nth % 251) as u8).collect();
    std::fs::write(&file, &picture).unwrap();
    let args = [&ROOM[..], &["--out", &saved, "--count", "1"]].concat();
    let mut viewer = enter(relay("show", &url(&push), &args));
    let args = [
        &ROOM[..],
        &["--picture", &file, "--count", "2", "--rate", "50"],
    ]
    .concat();
    let mut camera = Program::start(relay("send", &url(&push), &args));
    assert!(camera.finish().success(), "{}", camera.said());
    assert_eq!(camera.out.lines().len(), 2);
    assert!(viewer.finish().success(), "{}", viewer.said());
    assert!(std::fs::read(format!("{saved}/000001.bin")).unwrap() == picture);
}

#[test]
fn a_camera_and_a_viewer_come_in_again_over_cables_that_break() {
    let push = Push::start();
    let cables = [3, 4].map(|seed| Cable::new(&push.at.relay.to_string(), seed));
    let [near, far] = [&cables[0], &cables[1]].map(|cable| format!("ws://{}", cable.address()));
    let args = [&ROOM[..], &["--rate", "100", "--backoff", "0.01"]].concat();
    let camera = Program::start(relay("send", &near, &args));
    let args = [&ROOM[..], &["--backoff", "0.01", "--count", "60"]].concat();
    let mut viewer = Program::start(relay("show", &far, &args));
    assert!(viewer.finish().success(), "{}", viewer.said());
    assert!(cables.iter().all(|cable| cable.breaks() > 0));
    camera.err.line_with(r#""event":"out""#);
}

#[test]
fn both_ends_of_a_call_hear_each_other() {
    let push = Push::start();
    let (caller, mut asks) = Program::typed(call(&push, "caller", "android", &[]));
    caller.err.line_with("entered");
    // What is said before the other one comes waits for it.
    writeln!(asks, "在吗？").unwrap();
    let (other, mut answers) = Program::typed(call(&push, "callee", "ios", &["--hang-up"]));
    other.out.line_with(r#"{"event":"text","text":"在吗？"}"#);
    writeln!(answers, "在。\n\"🔔\"").unwrap();
    caller.out.line_with(r#"{"event":"text","text":"在。"}"#);
    caller.out.line_with(r#"{"event":"text","text":"\"🔔\""}"#);
    drop(answers);
    let mut other = other;
    assert!(other.finish().success(), "{}", other.said());
    // The end of its input is not the end of the call.
    drop(asks);
    let mut caller = caller;
    assert!(caller.finish().success(), "{}", caller.said());
    caller
        .err
        .line_with(r#"{"event":"out","why":"the room is over"}"#);
}

fn call(push: &Push, role: &str, device: &str, more: &[&str]) -> Command {
    let args = ["--room", "门口 1", "--role", role, "--device", device];
    relay("call", &url(push), &[&args, more].concat())
}

#[test]
fn one_camera_drives_out_another_that_then_ends() {
    let push = Push::start();
    let args = [&ROOM[..], &["--rate", "20"]].concat();
    let mut first = enter(relay("send", &url(&push), &args));
    let _second = enter(relay("send", &url(&push), &args));
    assert_eq!(first.finish().code(), Some(1), "{}", first.said());
    first.err.line_with("another one has this place now");
}

#[test]
fn what_is_wrong_is_said() {
    let push = Push::start();
    let url = url(&push);
    let show = |url: &str, room: &str| fails(relay("show", url, &["--room", room]));
    assert!(show(&url, "7-3-2").contains("write capture-COMMUNITY-BUILDING-UNIT"));
    assert!(show(&url, "capture-7-3-").contains("capture"));
    assert!(show("http://127.0.0.1:9000", "capture-7-3-2").contains("write ws://HOST:PORT"));
    assert!(show(&format!("{url}/a"), "capture-7-3-2").contains("write ws://HOST:PORT"));
    let other = show(&format!("ws://{}", push.at.push), "capture-7-3-2");
    assert!(other.contains("is this the relay's port, 9000?"), "{other}");
    let other = show(&format!("ws://{}", push.at.rest), "capture-7-3-2");
    assert!(other.contains("HTTP 4"), "{other}");
    let missing = [&ROOM[..], &["--picture", "/no/such/file"]].concat();
    assert!(fails(relay("send", &url, &missing)).contains("/no/such/file"));
}

#[test]
fn a_token_is_shown_to_a_relay_that_asks_for_one() {
    let push = Push::with(ask_for_tokens);
    let show = |alias: &str, token: &str| {
        let args = [&ROOM[..], &["--alias", alias, "--token", token]].concat();
        relay("show", &url(&push), &args)
    };
    enter(show("李 雷", &token("李 雷")));
    for (alias, token) in [("韩梅梅", token("李 雷")), ("李 雷", "s3cr3t".to_owned())] {
        let refused = fails(show(alias, &token));
        assert!(
            refused.contains("HTTP 401") && !refused.contains(&token),
            "{refused}"
        );
    }
    assert!(fails(relay("show", &url(&push), &ROOM)).contains("HTTP 401"));
}

#[test]
fn who_finds_nobody_goes_on_trying() {
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let args = [&ROOM[..], &["--backoff", "0.01"]].concat();
    let mut viewer = Program::start(relay("show", &format!("ws://{nobody}"), &args));
    viewer.err.wait_for(5);
    viewer.err.line_with("Connection refused");
    viewer.signal("TERM");
    assert!(viewer.finish().success(), "{}", viewer.said());
}

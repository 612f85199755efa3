//! What a node looks at before it keeps anything, and what it says.

use crate::fake;
use crate::kit::{Program, example};
use crate::kit_zzw::KEY;
use crate::redis::Redis;
use std::net::TcpListener;
use std::process::Command;

const SOUND: &str =
    "redis_version:7.0.15\nrole:master\naof_enabled:1\nmaxmemory_policy:noeviction\n";

fn node(url: &str, args: &[&str]) -> Command {
    let mut command = example("zzw_server");
    command.args(["--key", KEY, "--cluster", url]);
    for port in ["rest", "socketio", "push", "relay"] {
        command.args([&format!("--{port}-port"), "0"]);
    }
    command.args(args);
    command
}

/// What a node says that does not start.
fn refusal(url: &str, args: &[&str]) -> String {
    let mut program = Program::start(node(url, args));
    assert!(!program.finish().success(), "{}", program.said());
    let said = program.err.lines();
    assert_eq!(said.len(), 1, "one sentence: {said:?}");
    assert!(program.out.lines().is_empty());
    said[0].clone()
}

fn said_of(info: &str, ahead: i64) -> String {
    refusal(&fake::server(info, ahead), &[])
}

#[test]
fn a_server_that_would_lose_messages_is_refused_with_what_to_do() {
    let lru = SOUND.replace("noeviction", "allkeys-lru");
    let said = said_of(&lru, 0);
    assert!(said.contains("allkeys-lru"), "{said}");
    assert!(
        said.contains("CONFIG SET maxmemory-policy noeviction"),
        "{said}"
    );
    let said = said_of(&SOUND.replace("noeviction", "volatile-ttl"), 0);
    assert!(said.contains("volatile-ttl"), "{said}");

    let said = said_of(&SOUND.replace("7.0.15", "6.2.14"), 0);
    assert!(
        said.contains("6.2.14") && said.contains("7.0 or later"),
        "{said}"
    );

    let replica = SOUND.replace("role:master", "role:slave\nmaster_host:192.0.2.9");
    let said = said_of(&replica, 0);
    assert!(
        said.contains("replica") && said.contains("192.0.2.9"),
        "{said}"
    );

    let said = said_of(&format!("{SOUND}cluster_enabled:1\n"), 0);
    assert!(
        said.contains("several servers of a Redis Cluster"),
        "{said}"
    );
}

#[test]
fn clocks_that_differ_by_more_than_a_minute_are_refused() {
    let said = said_of(SOUND, 90);
    let is_about = ["89 s ahead", "90 s ahead"]
        .iter()
        .any(|text| said.contains(text));
    assert!(is_about && said.contains("NTP"), "{said}");
    let said = said_of(SOUND, -3_600);
    assert!(said.contains("s behind"), "{said}");
}

#[test]
fn a_server_that_is_not_there_and_an_address_that_is_none_are_told() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let said = refusal(&format!("redis://user:geheim@{address}"), &[]);
    assert!(said.contains(&address.to_string()), "{said}");
    assert!(said.contains("cannot be used"), "{said}");
    assert!(!said.contains("geheim"), "a password is told: {said}");
    let said = refusal("127.0.0.1:6379", &[]);
    assert!(said.contains("redis://host:port"), "{said}");
}

#[test]
fn what_cannot_go_together_is_refused() {
    let said = Program::start(node("redis://127.0.0.1:1", &["--data", "x"]));
    let mut said = said;
    assert!(!said.finish().success());
    let text = said.err.lines().join(" ");
    assert!(
        text.contains("--data") && text.contains("cannot be used with"),
        "{text}"
    );
    let said = refusal("redis://127.0.0.1:1", &["--bind", "0.0.0.0"]);
    assert!(said.contains("--advertise HOST"), "{said}");
}

#[test]
fn a_server_without_a_file_is_taken_with_a_warning() {
    let Some(redis) = Redis::start("no-file", &["--appendonly", "no"]) else {
        return;
    };
    let program = Program::start(node(&redis.url(), &[]));
    program.out.line_with("token ");
    program.err.line_with("appendonly yes");
    program.err.line_with("cluster: joined");
    // An operator changes it; nothing has to be started again.
    assert_eq!(redis.ask(&["CONFIG", "SET", "appendonly", "yes"]), "OK");
}

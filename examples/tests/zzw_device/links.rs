//! Links that break, servers that stop, and messages that come once all the same.

use crate::kit::Program;
use crate::kit::cable::Cable;
use crate::kit_push::{Push, VIAS, device, folder, listen, messages};
use serde_json::Value;
use std::io::Write as _;

/// `count` texts, some of them long.
fn texts(count: usize) -> Vec<String> {
    let text = |nth: usize| format!("消息 {nth} {}", "长".repeat(nth % 17 * 40));
    (0..count).map(text).collect()
}

#[test]
fn messages_come_once_and_in_order_over_a_cable_that_breaks() {
    let push = Push::start();
    let texts = texts(400);
    for (via, seed) in VIAS.into_iter().zip(1..) {
        let cable = Cable::new(&push.address(via), seed);
        let args = ["--alias", "torn", "--backoff", "0.02", "--count", "400"];
        let mut device = Program::start(device(via, &cable.address().to_string(), &args));
        // Fewer than the server keeps at a time, so that none has to go.
        for (nth, some) in texts.chunks(80).enumerate() {
            push.publish_all(via, "torn", some);
            device.out.wait_for((nth + 1) * 80);
        }
        assert!(device.finish().success(), "{}", device.said());
        assert_eq!(messages(&device.out.json()), texts, "{via}");
        assert!(cable.breaks() > 2, "{via}: {}", cable.breaks());
    }
}

#[test]
fn a_device_outlives_its_server_and_finds_the_next_one() {
    for via in VIAS {
        let data = folder(&format!("outlives-{via}"));
        let start = |ports: Option<drive::zzw::server::Addresses>| {
            Push::with(|options| {
                options.data = Some(data.path().join("server"));
                if let Some(at) = ports {
                    options.ports.push = at.push.port();
                    options.ports.socketio = at.socketio.port();
                }
            })
        };
        let push = start(None);
        let at = push.at;
        let args = ["--alias", "stays", "--backoff", "0.05", "--count", "2"];
        let mut device = listen(via, &push.address(via), &args);
        push.publish(via, "stays", "前");
        device.out.wait_for(1);
        push.drain();
        device.err.line_with(r#""event":"down""#);
        let push = start(Some(at));
        push.publish(via, "stays", "后");
        assert!(device.finish().success(), "{}", device.said());
        assert_eq!(messages(&device.out.json()), ["前", "后"], "{via}");
    }
}

#[test]
fn what_was_lost_to_the_servers_limit_is_told() {
    let push = Push::start();
    for via in VIAS {
        push.publish_all(via, "late", &texts(130));
        let args = ["--alias", "late", "--count", "100"];
        let lines = push.does(via, &args);
        let gap: Vec<&Value> = lines.iter().filter(|line| line["event"] == "gap").collect();
        assert_eq!(gap.len(), 1, "{via}");
        assert_eq!(gap[0]["lost"], 30, "{via}");
        assert_eq!(messages(&lines), texts(130)[30..], "{via}");
    }
}

#[test]
fn who_publishes_is_told_what_is_not_known_to_be_taken() {
    for via in VIAS {
        let push = Push::start();
        let address = push.address(via);
        let args = ["--timeout", "1", "publish", "--to", "x", "-"];
        let (mut program, mut typed) = Program::typed(device(via, &address, &args));
        writeln!(typed, "一").unwrap();
        program.out.wait_for(1);
        push.stop();
        program.err.line_with(r#""event":"disconnected""#);
        writeln!(typed, "二").unwrap();
        drop(typed);
        assert_eq!(program.finish().code(), Some(1), "{}", program.said());
        let lines = program.out.json();
        assert_eq!(lines[0]["event"], "published");
        assert_eq!(
            (&lines[1]["event"], &lines[1]["num"]),
            (&"failed".into(), &2.into())
        );
        // It waited for a link in vain.
        assert_eq!(lines[1]["sent"], false, "{via}");
    }
}

//! A node stands still, and its devices do not wait for it.

use crate::kit::{Folder, PATIENCE};
use crate::plant::Node;
use crate::redis::Redis;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// A device that speaks in lines.
struct Line(BufReader<TcpStream>);

impl Line {
    fn dial(node: &Node) -> Self {
        let stream = TcpStream::connect(node.push()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(stream))
    }

    fn says(&mut self, message: &Value) {
        writeln!(self.0.get_mut(), "{message}").unwrap();
    }

    fn hears(&mut self) -> Value {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    /// Asks until it has its alias: a node that has just gone on may not have found its store yet.
    fn bind(&mut self, alias: &str) {
        let end = Instant::now() + PATIENCE;
        loop {
            self.says(&json!({"t": 14, "alias": alias}));
            let answer = self.hears();
            if answer == json!({"t": -14, "alias": alias}) {
                return;
            }
            assert_eq!(answer["code"], "store_unavailable");
            assert!(Instant::now() < end, "there is no store");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

#[test]
//= docs/spec/zzw-push-proto.md#alias
//= type=test
//# When the process stood still, a link MUST NOT be bound before what may have waited meanwhile is
//# read, and not at all if its end is among that.
fn who_has_gone_to_another_node_stays_there_when_the_first_goes_on() {
    let Some(redis) = Redis::start("given-up", &[]) else {
        return;
    };
    let folder = Folder::new("cluster-given-up");
    let nodes = [1, 2].map(|number| Node::start(number, &redis.url(), &folder));
    let end = Instant::now() + PATIENCE;
    while nodes.iter().any(|node| node.hosts().len() < 2) {
        assert!(Instant::now() < end, "they do not meet");
        std::thread::sleep(Duration::from_millis(50));
    }
    let [paused, other] = &nodes;
    paused.signal("STOP");
    let tries = [(); 3].map(|()| {
        let mut line = Line::dial(paused);
        line.says(&json!({"t": 14, "alias": "室内机"}));
        line
    });
    // Too short for the node to lose Redis.
    std::thread::sleep(Duration::from_millis(1_500));
    drop(tries);
    let mut device = Line::dial(other);
    device.bind("室内机");
    paused.signal("CONT");
    // Whoever waited for it is served, when those who did not could have been.
    Line::dial(paused).bind("手机");
    for _ in 0..10 {
        std::thread::sleep(Duration::from_millis(100));
        device.says(&json!({"t": 1}));
        assert_eq!(device.hears(), json!({"t": -1, "alias": "室内机"}));
    }
}

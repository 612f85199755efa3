//! A client that is killed at any moment, with a folder and without.

use crate::kit::{Folder, Program, Stream};
use crate::kit_push::{Push, VIAS, device, folder};
use drive::faces::Dice;
use serde_json::Value;

/// Lines that were printed whole, in order: number and text.
fn printed(stream: &Stream) -> Vec<(u64, String)> {
    let lines = stream.lines();
    // A process that is killed may leave half a line.
    let whole = lines
        .iter()
        .filter_map(|line| serde_json::from_str(line).ok());
    let messages = whole.filter(|line: &Value| line["event"] == "message");
    let told = |line: Value| {
        let text = line["msg"].as_str().unwrap().to_owned();
        (line["seq"].as_u64().unwrap(), text)
    };
    messages.map(told).collect()
}

/// Tells where they differ, not all of both.
fn assert_same(one: &[String], other: &[String], via: &str) {
    let pairs = one.iter().zip(other);
    let nth = pairs.take_while(|(one, other)| one == other).count();
    assert_eq!(
        (one.get(nth), one.len()),
        (other.get(nth), other.len()),
        "{via}: at {nth}"
    );
}

/// Runs the client again and again, kills it after some time, and returns all that it printed,
/// process by process, when it has printed `count` numbers.
fn kill_and_go_on(
    via: &str,
    push: &Push,
    data: &Folder,
    texts: &[String],
    dice: &mut Dice,
) -> Vec<Vec<(u64, String)>> {
    let path = data.join("device");
    let args = ["--alias", "killed", "--data", &path, "--backoff", "0.02"];
    let mut told = Vec::new();
    for some in texts.chunks(60) {
        let program = Program::start(device(via, &push.address(via), &args));
        told.push(printed(&kill_at_work(
            via, push, program, "killed", some, dice,
        )));
    }
    let last = Program::start(device(via, &push.address(via), &args));
    last.err.line_with(r#"{"event":"bound"}"#);
    push.publish(via, "killed", "the end");
    last.out.line_with("the end");
    told.push(printed(&last.kill().0));
    told
}

/// Publishes these texts, kills the client meanwhile or soon after, and returns what it has printed.
fn kill_at_work(
    via: &str,
    push: &Push,
    client: Program,
    alias: &str,
    texts: &[String],
    dice: &mut Dice,
) -> Stream {
    client.err.line_with(r#"{"event":"bound"}"#);
    std::thread::scope(|scope| {
        let published = scope.spawn(|| push.publish_all(via, alias, texts));
        // It is killed with some lines printed, and others on their way.
        client
            .out
            .wait_for(1 + usize::try_from(dice.roll() % 50).unwrap());
        let printed = client.kill().0;
        published.join().unwrap();
        printed
    })
}

#[test]
fn a_client_with_a_folder_prints_each_message_once_but_for_the_last_of_a_process() {
    let push = Push::with(|options| options.store.cap = 1_000);
    for (via, seed) in VIAS.into_iter().zip(5..) {
        let data = folder(&format!("killed-{via}"));
        let mut texts: Vec<String> = (0..600).map(|nth| format!("消息 {nth}")).collect();
        let mut dice = Dice(seed);
        let processes = kill_and_go_on(via, &push, &data, &texts, &mut dice);
        texts.push("the end".to_owned());
        let (mut last, mut all) = (0, Vec::new());
        let whole = processes.iter().filter(|told| told.len() == 60).count();
        assert!(whole < processes.len() / 2, "{via}: killed too late");
        for process in processes {
            for (nth, (seq, text)) in process.into_iter().enumerate() {
                // Told again, with its number, is at most the last one of the process before.
                if nth == 0 && seq == last {
                    assert_eq!(all.last(), Some(&text));
                    continue;
                }
                assert_eq!(seq, last + 1, "{via}");
                last = seq;
                all.push(text);
            }
        }
        assert_same(&all, &texts, via);
    }
}

#[test]
fn a_client_without_a_folder_prints_everything_at_least_once() {
    let push = Push::with(|options| options.store.cap = 1_000);
    for (via, seed) in VIAS.into_iter().zip(9..) {
        let mut dice = Dice(seed);
        let texts: Vec<String> = (0..300).map(|nth| nth.to_string()).collect();
        let args = ["--alias", "bare", "--backoff", "0.02"];
        let mut all: Vec<String> = Vec::new();
        for some in texts.chunks(60) {
            let program = Program::start(device(via, &push.address(via), &args));
            let out = kill_at_work(via, &push, program, "bare", some, &mut dice);
            all.extend(printed(&out).into_iter().map(|(_, text)| text));
        }
        let pulled = push.does(via, &["--alias", "bare", "pull"]);
        let left = pulled.iter().filter_map(|line| line["msg"].as_str());
        all.extend(left.map(str::to_owned));
        let mut first: Vec<String> = Vec::new();
        for text in all {
            if !first.contains(&text) {
                first.push(text);
            }
        }
        assert_same(&first, &texts, via);
    }
}

//! Both our ends beside programs of others: mosquitto, a broker like most, and its clients; an
//! analyser on paho; readers that round.
#![cfg(unix)]

mod kit;
mod kit_analyst;

use analyst_proto::link::{Login, SendId};
use analyst_proto::wire::{ClientId, ParentTopic, Secret};
use drive::mqtt::{Connection, What};
use kit::{PATIENCE, Program, is_there};
use kit_analyst::{Mosquitto, Site, python_analyser, task};
use serde_json::{Value, json};
use std::io::Write as _;
use std::process::{Command, Stdio};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Ids that a reader with floating point gets wrong.
const IDS: [u64; 3] = [1_679_846_303_806_259_201, 9_007_199_254_740_993, u64::MAX];

/// A dispatcher for so many analysers over mosquitto.
fn site(name: &str, analysts: usize, lease: &str) -> Option<(Site, Mosquitto)> {
    let mut site = Site::bare(name, analysts, false);
    let mosquitto = Mosquitto::start(&site.folder, "")?;
    site.broker_url = format!("mqtt://127.0.0.1:{}", mosquitto.port());
    site.platform_args = vec!["--lease".into(), lease.into()];
    site.start_platform();
    Some((site, mosquitto))
}

/// Subscribes as this client and leaves: the broker keeps what comes from then on.
fn subscribe(mosquitto: &Mosquitto, client: &str, topic: &str) {
    let mut program = Program::start(subscriber(mosquitto, client, topic, &["-E"]));
    assert!(program.finish().success(), "{}", program.said());
}

/// The first message with this word that is kept for this client, behind its topic.
fn kept(mosquitto: &Mosquitto, client: &str, topic: &str, word: &str) -> String {
    let program = Program::start(subscriber(mosquitto, client, topic, &["-v"]));
    program.out.line_with(word)
}

fn subscriber(mosquitto: &Mosquitto, client: &str, topic: &str, args: &[&str]) -> Command {
    let mut command = mosquitto.client("mosquitto_sub");
    command
        .args(["-i", client, "-c", "-q", "1", "-t", topic])
        .args(args);
    command
}

fn publish(mosquitto: &Mosquitto, topic: &str, file: &str) {
    let mut command = mosquitto.client("mosquitto_pub");
    command.args(["-q", "1", "-t", topic, "-f", file]);
    let mut program = Program::start(command);
    assert!(program.finish().success(), "{}", program.said());
}

fn said(site: &Site, words: &str) -> String {
    site.platform.as_ref().unwrap().err.line_with(words)
}

#[test]
fn tasks_are_done_in_order_lost_sessions_are_made_anew_and_messages_wait_for_who_is_away() {
    let Some((site, mut mosquitto)) = site("mosquitto-both", 1, "60s") else {
        return;
    };
    let analyst = site.analyst(1, &["--work-ms", "10"]);
    analyst.out.line_with("connected to the broker");
    for id in IDS {
        assert_eq!(site.post(&task(id)).unwrap().0, 202);
    }
    let outcomes = site.wait_for(IDS.len(), PATIENCE);
    for id in IDS {
        let outcome = &outcomes[&id.to_string()];
        assert_eq!(outcome["outcome"], "finished", "{outcome}");
        assert_eq!(outcome["result"], json!({"1": 1, "7": 1}));
    }
    // Nobody has a session or a subscription any more.
    mosquitto.lose_everything();
    assert_eq!(site.post(&task(1)).unwrap().0, 202);
    assert_eq!(site.wait_for(4, PATIENCE)["1"]["outcome"], "finished");
    // The broker keeps the task for the analyser, whose first attempt it is.
    analyst.kill();
    assert_eq!(site.post(&task(2)).unwrap().0, 202);
    let _analyst = site.analyst(1, &["--work-ms", "10"]);
    let outcome = &site.wait_for(5, PATIENCE)["2"];
    assert_eq!(outcome["outcome"], "finished", "{outcome}");
    assert_eq!(outcome["attempts"], 1, "{outcome}");
}

#[test]
fn two_clients_of_one_name_are_noticed() {
    let Some((site, mosquitto)) = site("mosquitto-kick", 1, "60s") else {
        return;
    };
    let analyst = site.analyst(1, &[]);
    analyst.out.line_with("connected to the broker");
    // They throw each other out, again and again.
    let mut rival = mosquitto.client("mosquitto_sub");
    rival.args(["-i", "GID_Analyst@@@analyst_1", "-t", "nothing"]);
    let _rival = Program::start(rival);
    analyst
        .out
        .line_with("another client is likely to use our client id");
}

#[tokio::test]
async fn what_was_not_acknowledged_comes_again_and_says_so() {
    let folder = kit::Folder::new("mosquitto-dup");
    let Some(mosquitto) = Mosquitto::start(&folder, "") else {
        return;
    };
    let parent = ParentTopic::new("Analyst").unwrap();
    let client = ClientId::new("GID_Analyst@@@analyst_1").unwrap();
    let topic = parent.p2p(&client);
    let (port, nothing) = (mosquitto.port(), Secret::new(""));
    let login = Login::new("127.0.0.1", port, client, "anybody", nothing, parent);
    let (news, mut heard) = mpsc::channel(16);
    let mut is_again = Vec::new();
    for number in 1..=3 {
        let connection = Connection::open(number, &login, None, 1000, news.clone());
        let delivery = loop {
            let news = timeout(PATIENCE, heard.recv()).await.unwrap().unwrap();
            match news.of(Some(&connection)) {
                Some(What::Connected) if number == 1 => {
                    assert!(connection.subscribe(&topic));
                    connection
                        .publish(SendId(1), &topic, b"1".to_vec())
                        .unwrap();
                }
                Some(What::Delivered {
                    delivery,
                    duplicate,
                    payload,
                }) => {
                    is_again.push((duplicate, payload));
                    break delivery;
                }
                _ => {}
            }
        };
        if number == 2 {
            // It is not told again of what it has, whatever it said of it before.
            assert!(connection.acknowledge(delivery));
            connection
                .publish(SendId(2), &topic, b"2".to_vec())
                .unwrap();
            loop {
                let news = timeout(PATIENCE, heard.recv()).await.unwrap().unwrap();
                if matches!(news.of(Some(&connection)), Some(What::Sent(SendId(2)))) {
                    break;
                }
            }
        }
    }
    let expected = [(false, "1"), (true, "1"), (true, "2")];
    assert_eq!(
        is_again,
        expected.map(|(dup, payload)| (dup, payload.into()))
    );
}

#[test]
fn everything_can_be_encrypted() {
    let mut site = Site::bare("mosquitto-tls", 1, false);
    let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| site.folder.join(name));
    std::fs::write(&cert, pair.cert.pem()).unwrap();
    std::fs::write(&key, pair.signing_key.serialize_pem()).unwrap();
    let settings = format!("certfile {cert}\nkeyfile {key}\nuser root");
    let Some(mosquitto) = Mosquitto::start(&site.folder, &settings) else {
        return;
    };
    site.broker_url = format!("mqtts://localhost:{}", mosquitto.port());
    let args = [
        "--lease",
        "60s",
        "--broker-ca",
        &cert,
        "--cert",
        &cert,
        "--key",
        &key,
    ];
    site.platform_args = args.map(str::to_owned).into();
    site.start_platform();
    let port = site.http.rsplit_once(':').unwrap().1;
    let server = format!("https://localhost:{port}");
    // One that does not know whom to trust says so, and learns nothing.
    let mut command = site.analyst_without_server(1);
    command.args(["--server", &server]);
    let stranger = Program::start(command);
    stranger.err.line_with("its certificate is not trusted");
    stranger.kill();
    let mut command = site.analyst_without_server(1);
    command.args(["--server", &server, "--ca", &cert, "--work-ms", "10"]);
    let analyst = Program::start(command);
    analyst.out.line_with("connected to the broker");
    let mut curl = Command::new("curl");
    curl.args([
        "-sS",
        "-4",
        "--cacert",
        &cert,
        "--noproxy",
        "*",
        "-d",
        &task(IDS[0]),
    ])
    .arg(format!("{server}/tasks"));
    let mut curl = Program::start(curl);
    assert!(curl.finish().success(), "{}", curl.said());
    let outcome = &site.wait_for(1, PATIENCE)[&IDS[0].to_string()];
    assert_eq!(outcome["outcome"], "finished", "{outcome}");
}

#[test]
fn mosquittos_own_clients_give_our_analyser_a_task_and_get_the_result() {
    let Some((site, mosquitto)) = site("mosquitto-clients", 1, "60s") else {
        return;
    };
    let analyst = site.analyst(1, &["--work-ms", "10"]);
    analyst.out.line_with("connected to the broker");
    subscribe(&mosquitto, "watcher", "Analyst/p2p/#");
    let start = format!(r#"{{"action":"ANALYSIS_START","data":{}}}"#, task(IDS[0]));
    let file = site.folder.join("start.json");
    std::fs::write(&file, start).unwrap();
    publish(&mosquitto, "Analyst/p2p/GID_Analyst@@@analyst_1", &file);
    let finish = kept(&mosquitto, "watcher", "Analyst/p2p/#", "ANALYSIS_FINISH");
    let (topic, payload) = finish.split_once(' ').unwrap();
    assert_eq!(topic, "Analyst/p2p/GID_Analyst@@@monitor");
    let payload: Value = serde_json::from_str(payload).unwrap();
    assert_eq!(payload["data"]["id"], IDS[0]);
    assert_eq!(payload["data"]["RESULT"], json!({"1": 1, "7": 1}));
    // Nobody had given out that task.
    said(&site, "a result came, and the task is not known");
}

#[test]
fn what_is_too_large_is_acknowledged_and_told_so_that_it_does_not_come_for_ever() {
    let Some((site, mosquitto)) = site("mosquitto-large", 1, "60s") else {
        return;
    };
    let analyst = site.analyst(1, &["--work-ms", "10"]);
    analyst.out.line_with("connected to the broker");
    let platform = site.platform.as_ref().unwrap();
    for (size, is_read) in [(11 << 10, true), (1 << 20, false), (20 << 20, false)] {
        let start = format!(
            r#"{{"action":"ANALYSIS_START","data":{{"id":{size},"top_video":"{}","goods_ids":{{}}}}}}"#,
            "v".repeat(size)
        );
        let file = site.folder.join("large.json");
        std::fs::write(&file, start).unwrap();
        publish(&mosquitto, "Analyst/p2p/GID_Analyst@@@analyst_1", &file);
        publish(&mosquitto, "Analyst/p2p/GID_Analyst@@@monitor", &file);
        if is_read {
            analyst
                .out
                .line_with(&format!("task {size}: what run 1 found is delivered"));
        } else {
            analyst.out.line_with("a message was ignored");
            platform.err.line_with("a message was ignored");
        }
    }
    assert_eq!(site.post(&task(1)).unwrap().0, 202);
    assert_eq!(site.wait_for(1, PATIENCE)["1"]["outcome"], "finished");
    for (program, lines) in [("analyser", &analyst.out), ("dispatcher", &platform.err)] {
        let lines = lines.lines();
        let connections = lines
            .iter()
            .filter(|line| *line == "connected to the broker");
        assert_eq!(connections.count(), 1, "{program}: {lines:?}");
    }
}

#[test]
fn an_analyser_that_rounds_ids_is_found_out() {
    let script = "let said = JSON.parse(require('fs').readFileSync(0));
        console.log(JSON.stringify({action: 'ANALYSIS_FINISH', data: {id: said.data.id, RESULT: {}}}))";
    let mut node = Command::new("node");
    node.args(["-e", script]);
    let mut jq = Command::new("jq");
    jq.args([
        "-c",
        "{action: \"ANALYSIS_FINISH\", data: {id: (.data.id + 0), RESULT: {}}}",
    ]);
    for (reader, mut command) in [("node", node), ("jq", jq)] {
        let mut version = Command::new(reader);
        version.arg("--version");
        if !is_there(version) {
            continue;
        }
        let Some((site, mosquitto)) = site(&format!("mosquitto-{reader}"), 1, "60s") else {
            return;
        };
        said(&site, "connected to the broker");
        let (client, topic) = (
            "GID_Analyst@@@analyst_1",
            "Analyst/p2p/GID_Analyst@@@analyst_1",
        );
        subscribe(&mosquitto, client, topic);
        assert_eq!(site.post(&task(IDS[0])).unwrap().0, 202);
        let start = kept(&mosquitto, client, topic, "ANALYSIS_START");
        let start = start.split_once(' ').unwrap().1;
        assert!(start.contains(&IDS[0].to_string()));
        let answer = site.folder.join("answer.json");
        command.stdout(std::fs::File::create(&answer).unwrap());
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(start.as_bytes()).unwrap();
        drop(stdin);
        assert!(child.wait().unwrap().success());
        assert!(
            !std::fs::read_to_string(&answer)
                .unwrap()
                .contains(&IDS[0].to_string())
        );
        publish(&mosquitto, "Analyst/p2p/GID_Analyst@@@monitor", &answer);
        let line = said(&site, "reads numbers as floating point");
        assert!(line.contains(&format!("but {} is", IDS[0])), "{line}");
        assert!(site.outcomes().is_empty(), "it is nobody's result");
    }
}

#[test]
fn an_analyser_that_only_knows_the_document_works_with_our_dispatcher() {
    let aliyun = Some((Site::new("paho-aliyun", &[]), None));
    let plain = Some((Site::new("paho-plain", &["--plain"]), None));
    let mosquitto = site("paho-mosquitto", 2, "60s");
    let mosquitto = mosquitto.map(|(site, broker)| (site, Some(broker)));
    for (site, _broker) in [aliyun, plain, mosquitto].into_iter().flatten() {
        let analysers = [1, 2].map(|nth| python_analyser(&site, nth));
        let [Some(first), Some(second)] = analysers else {
            return;
        };
        for analyser in [&first, &second] {
            analyser.out.line_with("connected");
        }
        for id in IDS {
            assert_eq!(site.post(&task(id)).unwrap().0, 202);
        }
        let outcomes = site.wait_for(IDS.len(), PATIENCE);
        for id in IDS {
            let outcome = &outcomes[&id.to_string()];
            assert_eq!(outcome["outcome"], "finished", "{outcome}");
            assert_eq!(outcome["result"], json!({"7": 1}));
        }
    }
}

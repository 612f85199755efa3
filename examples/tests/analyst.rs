//! A dispatcher, analysers and the simulated broker as programs.
#![cfg(unix)]

mod kit;
mod kit_analyst;

use analyst_proto::sign::{Preset, SigningKey};
use analyst_proto::wire::{ConnectionInfoRequest, RequestForm, Secret, UnixMillis};
use kit::{PATIENCE, Program, example, is_there};
use kit_analyst::{SECRET, Site, task};
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use std::io::Write as _;
use std::process::Command;

#[test]
fn tasks_come_back_with_their_numbers_exact() {
    let site = Site::new("analyst-exact", &[]);
    let analysts = [1, 2].map(|nth| site.analyst(nth, &["--work-ms", "20"]));
    for analyst in &analysts {
        // Before that the broker has no use for what is for it.
        analyst.out.line_with("connected to the broker");
    }
    let ids = [
        1_679_846_303_806_259_201,
        9_007_199_254_740_993,
        u64::MAX,
        0,
    ];
    for id in ids {
        let (status, body) = site.post(&task(id)).unwrap();
        assert_eq!((status, body), (202, format!(r#"{{"id":"{id}"}}"#)));
    }
    let outcomes = site.wait_for(ids.len(), PATIENCE);
    for id in ids {
        let outcome = &outcomes[&id.to_string()];
        assert_eq!(outcome["outcome"], "finished");
        assert_eq!(outcome["result"], serde_json::json!({"1": 1, "7": 1}));
        let analyst = outcome["analyst"].as_str().unwrap_or("nobody");
        assert!(analyst.starts_with("GID_Analyst@@@analyst_"), "{outcome}");
    }
    assert_eq!(site.post(&task(ids[0])).unwrap().0, 409);
    assert_eq!(site.ask("DELETE", "/tasks/7", "").unwrap().0, 404);
    assert_eq!(site.ask("DELETE", "/tasks/0", "").unwrap().0, 409);
    for (nonsense, why) in [
        ("", "`data`"),
        ("[]", "`data`"),
        (r#"{"id":1}"#, "`top_video`"),
        (r#"{"id":1.5,"top_video":"v","goods_ids":{}}"#, "`id`"),
        (r#"{"id":-1,"top_video":"v","goods_ids":{}}"#, "`id`"),
    ] {
        let (status, body) = site.post(nonsense).unwrap();
        assert_eq!(status, 400, "{nonsense}: {body}");
        assert!(
            body.contains(why) || nonsense.is_empty(),
            "{nonsense}: {body}"
        );
    }
}

#[test]
fn tasks_on_standard_input_are_taken_and_a_users_program_finds_the_result() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut site = Site::new("analyst-hook", &["--plain"]);
    drop(site.platform.take());
    let hook = site.folder.join("hook");
    let script = "#!/bin/sh
        task=$(cat)
        case $task in
            *样例/7.mp4*) echo '{\"17\": 4}' ;;
            *样例/8.mp4*) echo 看不清 >&2; exit 3 ;;
            *) head -c 1000000 /dev/zero | tr '\\0' ' '; echo '{\"17\": 4}' ;;
        esac\n";
    std::fs::write(&hook, script).unwrap();
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
    let (platform, mut stdin) = Program::typed(site.platform());
    site.has_started(platform);
    let _analysts = [1, 2].map(|nth| site.analyst(nth, &["--hook", &hook]));
    writeln!(stdin, "{}\n\n{}\n{}", task(7), task(8), task(9)).unwrap();
    let outcomes = site.wait_for(3, PATIENCE);
    assert_eq!(outcomes["7"]["result"], serde_json::json!({"17": 4}));
    assert_eq!(outcomes["8"]["outcome"], "failed");
    assert!(outcomes["8"]["result"].as_str().unwrap().contains("看不清"));
    assert_eq!(outcomes["9"]["outcome"], "failed", "it prints too much");
}

#[test]
fn what_cannot_work_is_refused_with_advice() {
    let site = Site::new("analyst-wrong", &[]);
    let refused = |args: &[&str]| {
        let mut command = example("analyst_platform");
        command.args(args);
        let mut program = Program::start(command);
        assert!(!program.finish().success());
        program.said()
    };
    let (secrets, data) = (site.folder.join("secrets.toml"), site.folder.join("other"));
    let missing = site.folder.join("none.toml");
    assert!(refused(&["--secrets", &missing, "--data", &data]).contains("none.toml"));
    let broken = site.folder.join("broken.toml");
    std::fs::write(&broken, "[analysts]\na = hush-hush\n").unwrap();
    let said = refused(&["--secrets", &broken, "--data", &data]);
    assert!(
        said.contains("line 2") && !said.contains("hush-hush"),
        "{said}"
    );
    let in_use = refused(&[
        "--secrets",
        &secrets,
        "--data",
        &site.folder.join("platform"),
    ]);
    assert!(in_use.contains("in use"), "{in_use}");
    let taken = refused(&["--secrets", &secrets, "--data", &data, "--http", &site.http]);
    assert!(taken.contains(&site.http), "{taken}");
    let url = refused(&[
        "--secrets",
        &secrets,
        "--data",
        &data,
        "--broker",
        "mqtt://here:x",
    ]);
    assert!(url.contains("mqtt://HOST:PORT"), "{url}");
    // An analyser's folder is none of a dispatcher's.
    let analyst = site.analyst(1, &[]);
    analyst.out.line_with("connected to the broker");
    analyst.kill();
    let foreign = refused(&[
        "--secrets",
        &secrets,
        "--data",
        &site.folder.join("analyst-1"),
    ]);
    assert!(
        foreign.contains("belongs to analyser analyst_1"),
        "{foreign}"
    );
}

/// What anybody may publish to the dispatcher.
async fn publish_to_the_dispatcher(broker: &str, payloads: &[Vec<u8>]) {
    let (host, port) = broker
        .trim_start_matches("mqtt://")
        .split_once(':')
        .unwrap();
    let mut options = MqttOptions::new("GID_Analyst@@@stranger", host, port.parse().unwrap());
    options.set_credentials("any", "any");
    options.set_max_packet_size(1 << 20, 1 << 20);
    let (client, mut events) = AsyncClient::new(options, 100);
    let topic = "Analyst/p2p/GID_Analyst@@@monitor";
    for payload in payloads {
        let payload = payload.clone();
        client
            .publish(topic, QoS::AtLeastOnce, false, payload)
            .await
            .unwrap();
    }
    let mut open = payloads.len();
    while open > 0 {
        let event = tokio::time::timeout(PATIENCE, events.poll()).await.unwrap();
        if matches!(event.unwrap(), Event::Incoming(Packet::PubAck(_))) {
            open -= 1;
        }
    }
}

#[tokio::test]
async fn what_strangers_send_changes_nothing_and_the_operator_is_told() {
    let site = Site::new("analyst-strangers", &["--plain"]);
    let platform = site.platform.as_ref().unwrap();
    platform.err.line_with("connected to the broker");
    assert_eq!(site.post(&task(7)).unwrap().0, 202);
    platform.err.line_with("task 7: accepted");
    let result =
        |id: &str| format!(r#"{{"action":"ANALYSIS_FINISH","data":{{"id":{id},"RESULT":{{}}}}}}"#);
    let fail = r#"{"action":"ANALYSIS_FAIL","data":{"id":9,"RESULT":"看不清"}}"#;
    let long = format!(
        r#"{{"action":"ANALYSIS_FAIL","data":{{"id":9,"RESULT":"{}"}}}}"#,
        "x".repeat(70_000)
    );
    let payloads = [
        String::new(),
        "not JSON".into(),
        result("8"),
        fail.into(),
        result("-1"),
        result("1.5"),
        // As the document prints them; nothing sends them so.
        "{\"action\":\"ANALYSIS_FINISH\", # done\n\"data\":{\"id\":8,\"RESULT\":{},},}".into(),
        r#"{"action":"ANALYSIS_START","data":{"id":7,"top_video":"v","goods_ids":{}}}"#.into(),
        r#"{"action":"ANALYSIS_DANCE","data":{}}"#.into(),
        "[".repeat(1000),
        long,
    ];
    publish_to_the_dispatcher(&site.broker_url, &payloads.map(String::into_bytes)).await;
    for told in [
        "task 8: a result came, and the task is not known",
        "task 9: a result came, and the task is not known",
        "nobody sends ANALYSIS_START to a dispatcher",
        "a message was ignored",
    ] {
        platform.err.line_with(told);
    }
    // It was given to an analyser and nobody has said anything of it that counts.
    assert!(site.outcomes().is_empty());
    let _analysts = [1, 2].map(|nth| site.analyst(nth, &["--work-ms", "10"]));
    assert_eq!(site.wait_for(1, PATIENCE)["7"]["outcome"], "finished");
}

/// A request for connection information as this analyser, with this key, at this time.
fn question(name: &str, key: &str, at: u64) -> String {
    let key = SigningKey::new(Preset::default(), &Secret::new(key));
    let request = ConnectionInfoRequest::new(name, UnixMillis(at.cast_signed())).unwrap();
    request.signed(&key).call(RequestForm::Query).target
}

#[test]
fn whoever_may_not_know_the_broker_is_refused_and_the_operator_is_told() {
    let site = Site::new("analyst-refused", &["--plain"]);
    let platform = site.platform.as_ref().unwrap();
    let now = drive::cli::now().0;
    let good = question("analyst_1", "secret-1", now);
    let ask = |target: &str| site.ask("GET", target, "").unwrap().1;
    assert!(ask(&good).contains(r#""client_id":"GID_Analyst@@@analyst_1""#));
    let refusals = [
        (good.clone(), "the same request came before"),
        (
            question("analyst_1", "secret-2", now),
            "the signature is wrong",
        ),
        (question("分析器", "secret-1", now), "nobody has this name"),
        (
            question("analyst_1", "secret-1", now - 600_000),
            "set the clocks",
        ),
        (
            question("analyst_1", "secret-1", now + 600_000),
            "set the clocks",
        ),
        (
            good[..good.len() - 40].to_owned(),
            "was not told where the broker is",
        ),
    ];
    for (target, told) in refusals {
        let answer: serde_json::Value = serde_json::from_str(&ask(&target)).unwrap();
        assert_ne!(answer["status"], 0, "{answer}");
        assert_eq!(answer.get("data"), None, "{answer}");
        platform.err.line_with(told);
    }
    let unsigned = question("analyst_1", "secret-2", now);
    let answer = ask(&unsigned);
    assert_eq!(answer, r#"{"msg":"sign is invaild","status":4}"#);
    let said = platform.said();
    assert!(!said.contains("secret-"), "{said}");
}

#[test]
fn a_disk_that_fails_for_a_while_loses_nothing() {
    let mut check = Command::new("strace");
    check.args(["-D", "-f", "-o", "/dev/null", "true"]);
    if !is_there(check) {
        return;
    }
    let mut site = Site::bare("analyst-disk", 2, false);
    site.start_broker(&["--plain"]);
    let mut command = Command::new("strace");
    let platform = site.platform();
    let secret = platform
        .get_envs()
        .map(|(name, value)| (name, value.unwrap()));
    command
        .envs(secret)
        .args(["-D", "-f", "-o", "/dev/null"])
        // Ten writes in a row find no room, once the first tasks are kept.
        .args(["-e", "inject=pwrite64:error=ENOSPC:when=60..70"])
        .arg(platform.get_program())
        .args(platform.get_args());
    site.has_started(Program::start(command));
    let _analysts = [1, 2].map(|nth| site.analyst(nth, &["--work-ms", "10"]));
    for id in 1..=20 {
        assert_eq!(site.post(&task(id)).unwrap().0, 202);
    }
    let platform = site.platform.as_ref().unwrap();
    platform.err.line_with("the store fails and is asked again");
    for (id, outcome) in site.wait_for(20, PATIENCE) {
        assert_eq!(outcome["outcome"], "finished", "{id}: {outcome}");
    }
}

#[test]
fn secrets_come_from_files_and_what_is_missing_or_out_of_range_is_told() {
    let mut site = Site::bare("analyst-secret-files", 1, true);
    site.start_broker(&[]);
    let [broker, key] = ["broker.key", "analyst.key"].map(|name| site.folder.join(name));
    std::fs::write(&broker, format!("{SECRET}\nnot this\n")).unwrap();
    std::fs::write(&key, "secret-1\n").unwrap();
    // A file goes before the environment.
    let mut command = site.platform();
    command.env("ANALYST_BROKER_SECRET", "wrong");
    command.args(["--broker-secret-file", &broker]);
    site.has_started(Program::start(command));
    let mut command = site.analyst_without_server(1);
    command.env("ANALYST_SECRET", "wrong");
    command.args(["--server", &format!("http://{}", site.http)]);
    command.args(["--secret-file", &key]);
    let analyst = Program::start(command);
    analyst.out.line_with("connected to the broker");
    let refused = |command: Command, told: &str| {
        let mut program = Program::start(command);
        assert!(!program.finish().success());
        assert!(program.said().contains(told), "{}", program.said());
    };
    let mut without = site.analyst_at(1, "other");
    without.env_remove("ANALYST_SECRET");
    refused(without, "set ANALYST_SECRET");
    let mut hollow = site.analyst_at(1, "other");
    hollow.args(["--secret-file", &site.folder.join("none")]);
    refused(hollow, "cannot read");
    for (flag, value, told) in [
        ("--lease", "0s", "from 1s to 60m"),
        ("--lease", "2h", "a time is needed"),
        ("--broker", "http://here:1", "mqtts://HOST:PORT"),
        ("--broker", "mqtts://here:1", "--broker-ca"),
    ] {
        let mut command = example("analyst_platform");
        command.args(["--secrets", &site.folder.join("secrets.toml")]);
        command.args(["--data", &site.folder.join("other"), flag, value]);
        refused(command, told);
    }
}

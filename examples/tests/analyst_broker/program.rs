//! The simulator as a program.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn the_program_says_what_it_is_and_ends_when_told() {
    let folder = Folder::new("analyst-broker");
    let (secret, record) = (folder.join("secret"), folder.join("record"));
    std::fs::write(&secret, format!("{SECRET}\n")).unwrap();
    let mut command = example("analyst_broker");
    command.args([
        "--listen",
        "127.0.0.1:0",
        "--secret-file",
        &secret,
        "--record",
        &record,
    ]);
    command.args([
        "--redeliver",
        "50ms",
        "--reorder",
        "--duplicate",
        "0",
        "--lose",
        "0",
    ]);
    let mut program = Program::start(command);
    let line = program.out.line_with("listening ");
    program.out.line_with("no broker for production");
    program.out.line_with("mosquitto_sub");
    let at = line.strip_prefix("listening ").unwrap().parse().unwrap();
    let (mut client, ack) = Client::login_with(at, connect(ANALYST)).await;
    assert_eq!(ack.map(|ack| ack.code), Some(ConnectReturnCode::Success));
    client.publish(ANALYST, QoS::AtMostOnce, "任务").await;
    assert_eq!(text(&client.message().await), "任务");
    program.signal("TERM");
    assert_eq!(program.finish().code(), Some(0), "{}", program.said());
    assert!(!program.said().contains(SECRET));
    let record = std::fs::read_to_string(record).unwrap();
    let events = record.lines().map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        line["event"].as_str().unwrap().to_owned()
    });
    let events: Vec<_> = events.filter(|event| event != "reordered").collect();
    assert_eq!(events, ["connected", "published", "pushed"]);
    assert!(!record.contains(SECRET));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_secret_comes_from_the_environment_too() {
    let mut command = example("analyst_broker");
    command
        .args(["--listen", "127.0.0.1:0", "--plain"])
        .env("LMQ_SECRET", SECRET);
    let program = Program::start(command);
    let line = program.out.line_with("listening ");
    let at = line.strip_prefix("listening ").unwrap().parse().unwrap();
    let mut wrong = connect(ANALYST);
    wrong.set_login("user", "wrong");
    let (_, ack) = Client::login_with(at, wrong).await;
    assert_eq!(
        ack.map(|ack| ack.code),
        Some(ConnectReturnCode::BadUserNamePassword)
    );
    let (_, ack) = Client::login_with(at, connect(ANALYST)).await;
    assert_eq!(ack.map(|ack| ack.code), Some(ConnectReturnCode::Success));
}

#[test]
fn arguments_that_cannot_be_are_refused() {
    for args in [
        ["--lose", "2"],
        ["--reorder", "-1"],
        ["--redeliver", "0"],
        ["--redeliver", "soon"],
        ["--delay", "2s..1s"],
        ["--parent", "a/#"],
        ["--offline", "maybe"],
        ["--secret-file", "/nowhere/secret"],
        ["--record", "/nowhere/record"],
    ] {
        let mut command = example("analyst_broker");
        command.args(["--listen", "127.0.0.1:0"]).args(args);
        let mut program = Program::start(command);
        assert!(!program.finish().success(), "{args:?}");
        assert!(!program.err.lines().is_empty());
    }
}

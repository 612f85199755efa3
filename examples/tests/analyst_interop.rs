//! Signatures and the simulated broker against programs and libraries of others.

mod kit;

use analyst_proto::wire::{ClientId, ParentTopic};
use drive::lmq::{Lmq, Options, What};
use kit::{PATIENCE, Program, is_there};
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use std::process::Command;
use tokio::time::timeout;

const ANALYST: &str = "GID_Analyst@@@analyst_3";
const MONITOR: &str = "GID_Analyst@@@monitor";
const VECTORS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../crates/analyst-proto/tests/vectors"
);

/// A Python program of ours, if Python and what it imports are there.
fn python(script: &str, check: &str) -> Option<Command> {
    let python = std::env::var_os("INTEROP_PYTHON").unwrap_or_else(|| "python3".into());
    let mut imports = Command::new(&python);
    imports.args(["-c", check]);
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop");
    let mut command = Command::new(python);
    command.arg(format!("{folder}/{script}"));
    is_there(imports).then_some(command)
}

/// The digest of a text in hexadecimal, as openssl has it.
fn openssl(args: &[&str], text: &str) -> String {
    let mut command = Command::new("openssl");
    command.args(["dgst", "-r"]).args(args);
    let mut program = Program::fed(command, text);
    assert!(program.finish().success(), "{}", program.said());
    let line = program.out.lines().concat();
    line.split(' ').next().unwrap().to_owned()
}

#[test]
fn python_has_the_same_signatures_and_passwords() {
    let Some(mut command) = python("analyst_vectors.py", "import hmac") else {
        return;
    };
    command.args(["signatures.txt", "passwords.txt"].map(|file| format!("{VECTORS}/{file}")));
    let mut program = Program::start(command);
    assert!(program.finish().success(), "{}", program.said());
    assert_eq!(program.out.lines(), ["48"]);
}

#[test]
fn openssl_has_the_same_signatures_and_passwords() {
    let mut version = Command::new("openssl");
    version.arg("version");
    if !is_there(version) {
        return;
    }
    let pairs = "name=analyst_3&timestamp=1558583537598";
    let md5 = openssl(&["-md5"], &format!("{pairs}&key=test-secret"));
    let hmac = ["-sha256", "-hmac", "test-secret"];
    let sha256 = openssl(&hmac, &format!("{pairs}&key=test-secret"));
    let vectors = std::fs::read_to_string(format!("{VECTORS}/signatures.txt")).unwrap();
    for (preset, digest) in [("MakeMd5", md5), ("WeChatPayHmacSha256", sha256)] {
        let line = format!("{preset} {} name=s:analyst_3", digest.to_uppercase());
        assert!(vectors.contains(&line), "{line}");
    }
    let passwords = std::fs::read_to_string(format!("{VECTORS}/passwords.txt")).unwrap();
    for line in passwords.lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<_> = line.split(' ').collect();
        let group = words[2].split("@@@").next().unwrap();
        let signed = if words[0] == "whole" { words[2] } else { group };
        let digest = openssl(&["-sha1", "-hmac", words[1]], signed);
        let mut raw = Vec::new();
        lenient_wire::decode_base64(words[3].as_bytes(), &mut raw, 64).unwrap();
        let expected: Vec<_> = raw.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(digest, expected.concat(), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn paho_is_served_without_a_subscription() {
    let Some(mut command) = python("analyst_paho.py", "import paho.mqtt.enums") else {
        return;
    };
    let options = Options::new().with_secret("test-secret");
    let lmq = Lmq::start(options).await.unwrap();
    let port = lmq.address().port().to_string();
    command.args([&*port, "test-secret", "10"]);
    let mut program = Program::start(command);
    assert!(program.finish().success(), "{}", program.said());
    let expected = (0..10).map(|number| format!("Analyst/p2p/{ANALYST} 任务 {number}"));
    assert_eq!(program.out.lines(), expected.collect::<Vec<_>>());
    assert_eq!(lmq.count(What::Acknowledged), 10);
}

#[tokio::test]
async fn rumqttc_is_served_without_a_subscription() {
    let options = Options::new().with_secret("test-secret");
    let lmq = Lmq::start(options).await.unwrap();
    let id = |text: &str| ClientId::new(text).unwrap();
    let login = |client: &str| {
        let parent = ParentTopic::new("Analyst").unwrap();
        let info = lmq.info(&parent, &id(client), &id(MONITOR));
        let mut options = MqttOptions::new(client, &*info.host, info.port);
        options.set_credentials(&*info.user_name, info.password.as_str());
        options.set_clean_session(false);
        AsyncClient::new(options, 10)
    };
    let (_analyst, mut heard) = login(ANALYST);
    assert!(matches!(
        heard.poll().await,
        Ok(Event::Incoming(Packet::ConnAck(_)))
    ));
    let (monitor, mut said) = login(MONITOR);
    tokio::spawn(async move { while said.poll().await.is_ok() {} });
    let topic = format!("Analyst/p2p/{ANALYST}");
    monitor
        .publish(&topic, QoS::AtLeastOnce, false, "task")
        .await
        .unwrap();
    let arrived = timeout(PATIENCE, async {
        loop {
            if let Event::Incoming(Packet::Publish(publish)) = heard.poll().await.unwrap() {
                return publish;
            }
        }
    });
    let publish = arrived.await.unwrap();
    assert_eq!((publish.topic, &*publish.payload), (topic, &b"task"[..]));
}

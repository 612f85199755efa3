//! A dispatcher, analysers and the simulated broker as programs.
#![cfg(unix)]
#![allow(clippy::disallowed_methods, reason = "programs are waited for")]

mod kit;

use kit::{Folder, PATIENCE, Program, Stream, example, is_there};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

const SECRET: &str = "analyst-test-secret";

/// Everything that there is, in a folder of its own.
struct Site {
    folder: Folder,
    broker: Option<Program>,
    platform: Option<Program>,
    broker_address: String,
    http: String,
    is_plain: bool,
    /// What dispatchers of earlier lives have printed.
    printed: Vec<Stream>,
}

impl Site {
    fn new(name: &str, broker: &[&str]) -> Self {
        let folder = Folder::new(name);
        let secrets = "[analysts]\nanalyst_1 = \"secret-1\"\nanalyst_2 = \"secret-2\"\n";
        std::fs::write(folder.join("secrets.toml"), secrets).unwrap();
        let is_plain = broker.contains(&"--plain");
        let mut site = Self {
            folder,
            broker: None,
            platform: None,
            broker_address: "127.0.0.1:0".to_owned(),
            http: "127.0.0.1:0".to_owned(),
            is_plain,
            printed: Vec::new(),
        };
        site.start_broker(broker);
        site.start_platform();
        site
    }

    fn start_broker(&mut self, args: &[&str]) {
        let mut command = example("analyst_broker");
        command.args(["--listen", &self.broker_address]).args(args);
        if !self.is_plain {
            command.args(["--secret", SECRET]);
        }
        let broker = Program::start(command);
        let line = broker.out.line_with("listening ");
        line.trim_start_matches("listening ")
            .clone_into(&mut self.broker_address);
        self.broker = Some(broker);
    }

    fn platform(&self) -> Command {
        let mut command = example("analyst_platform");
        command
            .args(["--http", &self.http, "--broker"])
            .arg(format!("mqtt://{}", self.broker_address))
            .args(["--secrets", &self.folder.join("secrets.toml")])
            .args(["--data", &self.folder.join("platform"), "--lease", "2"]);
        if !self.is_plain {
            command.env("ANALYST_BROKER_SECRET", SECRET);
        }
        command
    }

    fn start_platform(&mut self) {
        let platform = Program::start(self.platform());
        let line = platform.err.line_with("tasks: POST http://");
        let (_, http) = line.rsplit_once("http://").unwrap();
        http.clone_into(&mut self.http);
        self.printed.push(platform.out.clone());
        self.platform = Some(platform);
    }

    fn analyst(&self, nth: usize, args: &[&str]) -> Program {
        let mut command = example("analyst_device");
        command
            .arg("--server")
            .arg(format!("http://{}", self.http))
            .args(["--name", &format!("analyst_{nth}")])
            .args(["--data", &self.folder.join(&format!("analyst-{nth}"))])
            .env("ANALYST_SECRET", format!("secret-{nth}"))
            .args(args);
        Program::start(command)
    }

    /// Posts a task; its answer's status and body.
    fn post(&self, task: &str) -> std::io::Result<(u16, String)> {
        self.ask("POST", "/tasks", task)
    }

    /// The status and body of an answer.
    fn ask(&self, method: &str, path: &str, task: &str) -> std::io::Result<(u16, String)> {
        let mut stream = TcpStream::connect(&self.http)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let length = task.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{task}",
            self.http
        );
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let parsed = answer.split_once("\r\n\r\n").and_then(|(head, body)| {
            let status = head.split(' ').nth(1)?.parse().ok()?;
            Some((status, body.trim().to_owned()))
        });
        parsed.ok_or_else(|| std::io::Error::other("half an answer"))
    }

    /// The outcomes so far, by task; an outcome that is printed again has to be the same.
    fn outcomes(&self) -> BTreeMap<String, Value> {
        let mut outcomes: BTreeMap<String, Value> = BTreeMap::new();
        for line in self.printed.iter().flat_map(Stream::json) {
            let id = line["id"].as_str().unwrap().to_owned();
            if let Some(old) = outcomes.insert(id, line.clone()) {
                assert_eq!(old["outcome"], line["outcome"], "{old} and {line}");
                assert_eq!(old["result"], line["result"], "{old} and {line}");
            }
        }
        outcomes
    }

    /// Waits until there are so many outcomes.
    fn wait_for(&self, count: usize, patience: Duration) -> BTreeMap<String, Value> {
        let end = Instant::now() + patience;
        loop {
            let outcomes = self.outcomes();
            if outcomes.len() >= count {
                return outcomes;
            }
            let said = self.platform.as_ref().map(Program::said);
            assert!(
                Instant::now() < end,
                "{} of {count}\n{said:?}",
                outcomes.len()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn task(id: u64) -> String {
    format!(r#"{{"id":{id},"top_video":"样例/{id}.mp4","goods_ids":{{"1":[1,4],"-1":[7]}}}}"#)
}

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
    platform.err.line_with("tasks: POST http://");
    let line = platform.err.line_with("tasks: POST http://");
    line.rsplit_once("http://")
        .unwrap()
        .1
        .clone_into(&mut site.http);
    site.printed.push(platform.out.clone());
    site.platform = Some(platform);
    let _analysts = [1, 2].map(|nth| site.analyst(nth, &["--hook", &hook]));
    writeln!(stdin, "{}\n\n{}\n{}", task(7), task(8), task(9)).unwrap();
    let outcomes = site.wait_for(3, PATIENCE);
    assert_eq!(outcomes["7"]["result"], serde_json::json!({"17": 4}));
    assert_eq!(outcomes["8"]["outcome"], "failed");
    assert!(outcomes["8"]["result"].as_str().unwrap().contains("看不清"));
    assert_eq!(outcomes["9"]["outcome"], "failed", "it prints too much");
}

#[test]
fn every_task_has_one_outcome_however_often_everybody_is_killed() {
    const TASKS: u64 = 40;
    const FIRST: u64 = 1_679_846_303_806_259_201;
    let faults = [
        "--plain", "--lie", "0.02", "--double", "0.05", "--kill", "0.02",
    ];
    let mut site = Site::new("analyst-chaos", &faults);
    let args = ["--work-ms", "30", "--fail", "0.1"];
    let mut analysts: Vec<Program> = (1..=2).map(|nth| site.analyst(nth, &args)).collect();
    let mut open: BTreeSet<u64> = (FIRST..FIRST + TASKS).collect();
    for round in 0..6 {
        // Whatever was not answered is asked again.
        let share: Vec<u64> = open
            .iter()
            .copied()
            .take(usize::try_from(TASKS / 5).unwrap())
            .collect();
        for id in share {
            if let Ok((202 | 409, _)) = site.post(&task(id)) {
                open.remove(&id);
            }
        }
        match round % 3 {
            0 => {
                site.platform.take().unwrap().kill();
                site.start_platform();
            }
            1 => {
                analysts.remove(0).kill();
                analysts.insert(0, site.analyst(1, &args));
            }
            _ => {
                site.broker.take().unwrap().kill();
                site.start_broker(&faults);
            }
        }
    }
    for id in open {
        assert!(matches!(site.post(&task(id)), Ok((202 | 409, _))));
    }
    let outcomes = site.wait_for(usize::try_from(TASKS).unwrap(), 4 * PATIENCE);
    let ids: BTreeSet<u64> = outcomes.keys().map(|id| id.parse().unwrap()).collect();
    assert_eq!(ids, (FIRST..FIRST + TASKS).collect());
    let platform = site.platform.as_mut().unwrap();
    platform.signal("TERM");
    assert!(platform.finish().success(), "{}", platform.said());
}

/// A Python analyser that knows nothing but the document, as this analyser of the site.
fn python_analyser(site: &Site, nth: usize) -> Option<Program> {
    let python = std::env::var_os("INTEROP_PYTHON").unwrap_or_else(|| "python3".into());
    let mut imports = Command::new(&python);
    imports.args(["-c", "import paho.mqtt.enums"]);
    if !is_there(imports) {
        return None;
    }
    let mut command = Command::new(python);
    command
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/interop/analyst_analyser.py"
        ))
        .arg(format!("http://{}", site.http))
        .args([format!("analyst_{nth}"), format!("secret-{nth}")]);
    Some(Program::start(command))
}

#[test]
fn an_analyser_that_only_knows_the_document_works_with_our_dispatcher() {
    for broker in [&[][..], &["--plain"]] {
        let site = Site::new(&format!("analyst-python-{}", broker.len()), broker);
        let analysers = [1, 2].map(|nth| python_analyser(&site, nth));
        let [Some(first), Some(second)] = analysers else {
            return;
        };
        for analyser in [&first, &second] {
            analyser.out.line_with("connected");
        }
        let ids = [1_679_846_303_806_259_201, 9_007_199_254_740_993, u64::MAX];
        for id in ids {
            assert_eq!(site.post(&task(id)).unwrap().0, 202);
        }
        let outcomes = site.wait_for(ids.len(), PATIENCE);
        for id in ids {
            let outcome = &outcomes[&id.to_string()];
            assert_eq!(outcome["outcome"], "finished", "{outcome}");
            assert_eq!(outcome["result"], serde_json::json!({"7": 1}));
        }
    }
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

//! A dispatcher, analysers and a broker as programs.
#![allow(dead_code, unreachable_pub, reason = "each test program uses its part")]
#![allow(
    clippy::disallowed_methods,
    reason = "processes are waited for by the clock"
)]

use crate::kit::{Folder, PATIENCE, Program, Stream, example, is_there};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

pub const SECRET: &str = "analyst-test-secret";

/// Everything that there is, in a folder of its own.
pub struct Site {
    pub folder: Folder,
    pub broker: Option<Program>,
    pub platform: Option<Program>,
    /// Where the broker is, `mqtt://127.0.0.1:1883`.
    pub broker_url: String,
    pub http: String,
    /// What the dispatcher is told besides where everything is.
    pub platform_args: Vec<String>,
    is_signed: bool,
    /// What dispatchers of earlier lives have printed.
    pub printed: Vec<Stream>,
}

impl Site {
    /// A dispatcher for two analysers over the simulated broker, which gets these arguments.
    pub fn new(name: &str, broker: &[&str]) -> Self {
        let mut site = Self::bare(name, 2, !broker.contains(&"--plain"));
        site.start_broker(broker);
        site.start_platform();
        site
    }

    /// The same for so many analysers, and nothing of it runs yet. Where passwords are signed the
    /// broker is Aliyun's.
    pub fn bare(name: &str, analysts: usize, is_signed: bool) -> Self {
        let folder = Folder::new(name);
        let secrets = folder.join("secrets.toml");
        let mut file = std::fs::File::create(secrets).unwrap();
        writeln!(file, "[analysts]").unwrap();
        for nth in 1..=analysts {
            writeln!(file, "analyst_{nth} = \"secret-{nth}\"").unwrap();
        }
        Self {
            folder,
            broker: None,
            platform: None,
            broker_url: "mqtt://127.0.0.1:0".to_owned(),
            http: "127.0.0.1:0".to_owned(),
            platform_args: ["--lease", "2s"].map(str::to_owned).into(),
            is_signed,
            printed: Vec::new(),
        }
    }

    /// Starts the simulated broker, where it was before if it was.
    pub fn start_broker(&mut self, args: &[&str]) {
        let mut command = example("analyst_broker");
        let address = self.broker_url.trim_start_matches("mqtt://");
        command.args(["--listen", address]).args(args);
        if self.is_signed {
            command.args(["--secret", SECRET]);
        }
        let broker = Program::start(command);
        let line = broker.out.line_with("listening ");
        let address = line.trim_start_matches("listening ");
        self.broker_url = format!("mqtt://{address}");
        self.broker = Some(broker);
    }

    /// How a dispatcher is started.
    pub fn platform(&self) -> Command {
        let mut command = example("analyst_platform");
        command
            .args(["--http", &self.http, "--broker", &self.broker_url])
            .args(["--secrets", &self.folder.join("secrets.toml")])
            .args(["--data", &self.folder.join("platform")])
            .args(&self.platform_args);
        if self.is_signed {
            command.env("ANALYST_BROKER_SECRET", SECRET);
        }
        command
    }

    pub fn start_platform(&mut self) {
        let platform = Program::start(self.platform());
        self.has_started(platform);
    }

    /// Takes over a dispatcher, as soon as it listens.
    pub fn has_started(&mut self, platform: Program) {
        let line = platform.err.line_with("tasks: POST http");
        let (_, http) = line.rsplit_once("://").unwrap();
        http.clone_into(&mut self.http);
        self.printed.push(platform.out.clone());
        self.platform = Some(platform);
    }

    pub fn analyst(&self, nth: usize, args: &[&str]) -> Program {
        let mut command = self.analyst_without_server(nth);
        command
            .arg("--server")
            .arg(format!("http://{}", self.http))
            .args(args);
        Program::start(command)
    }

    /// How an analyser is started, but for where its server is.
    pub fn analyst_without_server(&self, nth: usize) -> Command {
        self.analyst_at(nth, &format!("analyst-{nth}"))
    }

    /// The same with its data in this folder.
    pub fn analyst_at(&self, nth: usize, data: &str) -> Command {
        let mut command = example("analyst_device");
        command
            .args(["--name", &format!("analyst_{nth}")])
            .args(["--data", &self.folder.join(data)])
            .env("ANALYST_SECRET", format!("secret-{nth}"));
        command
    }

    /// Posts a task; its answer's status and body.
    pub fn post(&self, task: &str) -> std::io::Result<(u16, String)> {
        self.ask("POST", "/tasks", task)
    }

    /// The status and body of an answer.
    pub fn ask(&self, method: &str, path: &str, task: &str) -> std::io::Result<(u16, String)> {
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
    pub fn outcomes(&self) -> BTreeMap<String, Value> {
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
    pub fn wait_for(&self, count: usize, patience: Duration) -> BTreeMap<String, Value> {
        let end = Instant::now() + patience;
        loop {
            let outcomes = self.outcomes();
            if outcomes.len() >= count {
                return outcomes;
            }
            let said = self
                .platform
                .as_ref()
                .map_or_else(String::new, Program::said);
            assert!(
                Instant::now() < end,
                "{} of {count}\n{said}",
                outcomes.len()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// A task; an analyser that makes its results up finds one of goods 7 and of goods 1.
pub fn task(id: u64) -> String {
    format!(r#"{{"id":{id},"top_video":"样例/{id}.mp4","goods_ids":{{"1":[1,4],"-1":[7]}}}}"#)
}

/// Mosquitto, with these settings besides where it listens. Killed and started again it is at the
/// same port, and has forgotten everything.
pub struct Mosquitto {
    port: u16,
    settings: String,
    program: Option<Program>,
}

impl Mosquitto {
    /// `None` where there is none.
    pub fn start(folder: &Folder, settings: &str) -> Option<Self> {
        let mut check = Command::new("sh");
        let all = "command -v mosquitto && command -v mosquitto_pub && command -v mosquitto_sub";
        check.args(["-c", all]);
        if !is_there(check) {
            return None;
        }
        let path = folder.join("mosquitto.conf");
        // Whoever takes a port that was free a moment ago has it.
        let mut said = String::new();
        for _ in 0..20 {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            drop(listener);
            let text = format!(
                "listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n\
                 log_dest stderr\n{settings}\n"
            );
            std::fs::write(&path, text).unwrap();
            match Self::run(&path) {
                Ok(program) => {
                    return Some(Self {
                        port,
                        settings: path,
                        program: Some(program),
                    });
                }
                Err(why) => said = why,
            }
        }
        panic!("mosquitto does not start: {said}");
    }

    /// Or what it says if it ends at once, as it does if its port is taken.
    fn run(settings: &str) -> Result<Program, String> {
        let mut command = Command::new("mosquitto");
        command.args(["-c", settings]);
        let mut program = Program::start(command);
        let end = Instant::now() + PATIENCE;
        while !program.err.lines().concat().contains(" running") {
            if !program.is_running() {
                return Err(program.said());
            }
            assert!(Instant::now() < end, "{}", program.said());
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(program)
    }

    /// Kills it and starts it again.
    pub fn lose_everything(&mut self) {
        self.program.take().unwrap().kill();
        self.program = Some(Self::run(&self.settings).expect("its port is free again"));
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// A client of its own, `mosquitto_pub` or `mosquitto_sub`.
    pub fn client(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string()]);
        command
    }
}

/// A Python analyser that knows nothing but the document, as this analyser of the site.
pub fn python_analyser(site: &Site, nth: usize) -> Option<Program> {
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

//! The demo as a process: without a person, asked by programs, and looked at in a browser.
#![allow(
    clippy::disallowed_methods,
    reason = "processes and browsers take real time"
)]

mod kit;
#[path = "cluster/redis.rs"]
#[allow(dead_code, reason = "each test uses its part")]
mod redis;

use kit::{Program, example, is_there};
use redis::Redis;
use serde_json::Value;
use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

#[test]
fn without_a_person_everything_arrives_across_a_cut_and_a_table_says_so() {
    let mut demo = start(&["--listen", "127.0.0.1:0", "--seconds", "6"]);
    assert!(demo.finish().success(), "{}", demo.said());
    let table = demo.out.lines();
    for flow in FLOWS {
        let row = table.iter().find(|line| line.starts_with(flow));
        let row: Vec<&str> = row.unwrap().split_whitespace().collect();
        let [_, sent, arrived, repaired, gaps, "whole"] = row[..] else {
            panic!("{row:?}");
        };
        assert_eq!(sent, arrived, "{row:?}");
        assert_eq!(gaps != "0", flow != "token", "{row:?}");
        assert!(repaired != "0" || !flow.starts_with("face"), "{row:?}");
    }
}

#[test]
fn node_that_dies_loses_nothing_that_was_acknowledged_and_the_table_says_so() {
    let Some(redis) = Redis::start("demo", &[]) else {
        return;
    };
    let url = redis.url();
    let mut demo = start(&[
        "--listen",
        "127.0.0.1:0",
        "--cluster",
        &url,
        "--seconds",
        "20",
    ]);
    assert!(demo.finish().success(), "{}", demo.said());
    let row = |flow: &str| {
        let row = demo.out.line_with(flow);
        row.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let nodes = row("zzw-nodes ");
    // All that was acknowledged while one was dead, and that one died once.
    assert_ne!(nodes[1], "0", "{nodes:?}");
    assert_eq!((&nodes[1], &*nodes[4]), (&nodes[2], "1"), "{nodes:?}");
    for flow in ["zzw-sio ", "zzw-tcp "] {
        let row = row(flow);
        assert_ne!(row[1], "0", "{row:?}");
        assert_eq!(row[1], row[2], "{row:?}");
    }
    let verdict = demo.out.lines().pop();
    assert_eq!(verdict.unwrap(), WHOLE, "{}", demo.said());
    let left = redis.ask(&["KEYS", "*"]);
    assert_eq!(left, "", "the demo leaves nothing behind");
}

#[test]
fn ends_of_a_node_that_is_killed_go_on_at_others_until_none_is_left() {
    let Some(redis) = Redis::start("demo-killed", &[]) else {
        return;
    };
    let mut page = Page::of(start(&[
        "--listen",
        "127.0.0.1:0",
        "--cluster",
        &redis.url(),
    ]));
    let at = |state: &Value| {
        state["flows"]["zzw-nodes"]["assurance"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    page.wait(|state| {
        let at = at(state);
        at.contains("1: 物业中心, 物业中心-2 · 2: 物业中心-门禁, 室内机-301 · 3: 手机-样例")
    });
    page.switch("zzw-nodes", "node-2", true);
    let state = page.wait(|state| at(state).contains("3: 物业中心-门禁, 室内机-301, 手机-样例"));
    let nodes = &state["flows"]["zzw-nodes"];
    assert_eq!(nodes["link"], "node 2 dead", "{state}");
    let arrived = state["flows"]["zzw-tcp"]["counters"]["arrived"].as_u64();
    page.wait_for("zzw-tcp", "arrived", |now| Some(now) > arrived);
    // A door opens only where it is.
    page.wait(|state| {
        let is_open = state["flows"]["zzw-tcp"]["counters"]["doors"] != 0;
        if !is_open {
            page.switch("zzw-tcp", "door", true);
        }
        is_open
    });
    page.switch("zzw-nodes", "node-1", true);
    page.switch("zzw-nodes", "node-3", true);
    page.wait(|state| state["flows"]["zzw-nodes"]["link"] == "all nodes dead");
    page.wait(|state| state["flows"]["zzw-tcp"]["link"] == "server down");
    for node in ["node-1", "node-2", "node-3"] {
        page.switch("zzw-nodes", node, false);
    }
    page.wait(|state| state["flows"]["zzw-nodes"]["gaps"]["filled"] == 1);
    page.wait(|state| state["flows"]["zzw-tcp"]["link"] == "online");
    page.demo.signal("TERM");
    assert!(page.demo.finish().success(), "{}", page.demo.said());
    let verdict = page.demo.out.lines().pop();
    assert_eq!(verdict.unwrap(), WHOLE, "{}", page.demo.said());
}

#[test]
fn redis_that_cannot_be_used_is_told_in_one_sentence() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let nobody = format!("redis://user:geheim@{address}");
    for (url, what) in [
        (&*nobody, &*address),
        ("127.0.0.1:6379", "redis://host:port"),
    ] {
        let mut demo = start(&["--listen", "127.0.0.1:0", "--cluster", url]);
        assert_eq!(demo.finish().code(), Some(1), "{}", demo.said());
        let said = demo.err.lines();
        assert!(said.len() == 1 && said[0].contains(what), "{said:?}");
        assert!(!said[0].contains("geheim"), "a password is told: {said:?}");
        assert_eq!(demo.out.lines().len(), 0, "{}", demo.said());
    }
}

#[test]
fn state_tells_figures_of_every_flow() {
    let page = Page::open();
    let state = page.wait(|state| state["flows"]["se5-v2"]["counters"]["arrived"] != 0);
    for flow in FLOWS {
        assert_eq!(state["flows"][flow]["counters"]["lost"], 0, "{state}");
    }
    assert_eq!(state["flows"]["se5-v2"]["link"], "streaming");
}

#[test]
fn switch_that_cuts_the_link_gives_a_gap_that_is_repaired() {
    let page = Page::open();
    page.wait(|state| state["flows"]["se5-v1"]["counters"]["arrived"] != 0);
    page.switch("se5-v1", "cut", true);
    page.wait(|state| state["flows"]["se5-v1"]["gaps"]["open"] == 1);
    let state = page.wait(|state| state["flows"]["se5-v1"]["gaps"]["filled"] == 1);
    let counters = &state["flows"]["se5-v1"]["counters"];
    assert_ne!(counters["backfilled"], 0, "{state}");
}

#[test]
fn platform_that_is_down_fills_the_cache_which_then_drains_in_order() {
    let mut page = Page::open();
    page.wait_for("face-1-1", "arrived", |arrived| arrived > 0);
    page.switch("face-1-1", "down", true);
    let full = page.wait_for("face-1-1", "queued", |queued| queued >= 3);
    let (gap, link) = (&full["gaps"]["open"], &full["link"]);
    assert!(gap == 1 && link == "no answer", "{full}");
    page.switch("face-1-1", "power", true);
    page.wait(|state| state["flows"]["face-1-1"]["link"] == "no power");
    page.wait(|state| state["flows"]["face-1-1"]["link"] == "no answer");
    page.switch("face-1-1", "down", false);
    let whole = page.wait(|state| state["flows"]["face-1-1"]["gaps"]["filled"] == 1);
    let counters = &whole["flows"]["face-1-1"]["counters"];
    assert!(counters["late"].as_u64() >= Some(3), "{counters}");
    assert_eq!(counters["queued"], 0, "{counters}");
    assert_eq!(counters["lost"], 0, "{counters}");
    page.demo.signal("TERM");
    assert!(page.demo.finish().success());
    // The database was looked at.
    let face = page.demo.out.line_with("face-1-1 ");
    assert!(face.ends_with("  whole"), "{}", page.demo.said());
}

#[test]
fn records_whose_acknowledgement_is_lost_come_again_and_are_held_back() {
    let mut page = Page::open();
    page.switch("face-1-3", "lose", true);
    let held_back = page.wait_for("face-1-3", "duplicates", |known| known >= 2);
    assert_eq!(held_back["switched_on"][0], "lose", "{held_back}");
    page.demo.signal("TERM");
    assert!(page.demo.finish().success());
    let face = page.demo.out.line_with("face-1-3 ");
    assert!(face.ends_with("  whole"), "{}", page.demo.said());
}

#[test]
fn messages_wait_for_an_end_that_is_away_and_a_door_opens_only_now() {
    let mut page = Page::open();
    page.wait_for("zzw-tcp", "arrived", |arrived| arrived > 0);
    page.wait_for("zzw-tcp", "pictures", |pictures| pictures > 0);
    page.switch("zzw-tcp", "away", true);
    page.wait_for("zzw-tcp", "queued", |queued| queued >= 4);
    page.switch("zzw-tcp", "door", true);
    page.switch("zzw-tcp", "down", true);
    page.wait(|state| state["flows"]["zzw-tcp"]["link"] == "server down");
    page.switch("zzw-tcp", "down", false);
    page.switch("zzw-tcp", "away", false);
    let back = page.wait(|state| state["flows"]["zzw-tcp"]["gaps"]["filled"] != 0);
    let counters = &back["flows"]["zzw-tcp"]["counters"];
    assert!(counters["late"].as_u64() >= Some(1), "{counters}");
    // Nobody was there when it was asked for.
    assert_eq!(counters["doors"], 0, "{counters}");
    page.wait(|state| state["flows"]["zzw-tcp"]["link"] == "online");
    // Nothing is kept of a request that comes before the centre is back, or before the door has
    // said where it is, so a person would press again.
    page.wait(|state| {
        let is_open = state["flows"]["zzw-tcp"]["counters"]["doors"] == 1;
        if !is_open {
            page.switch("zzw-tcp", "door", true);
        }
        is_open
    });
    page.demo.signal("TERM");
    assert!(page.demo.finish().success());
    let row = page.demo.out.line_with("zzw-tcp ");
    assert!(row.ends_with("  whole"), "{}", page.demo.said());
}

#[test]
fn every_task_has_one_verdict_across_a_dispatcher_that_is_down() {
    let mut page = Page::open();
    page.wait_for("analyst", "arrived", |arrived| arrived > 0);
    page.switch("analyst", "double", true);
    page.switch("analyst", "power", true);
    page.switch("analyst", "down", true);
    page.wait(|state| state["flows"]["analyst"]["link"] == "dispatcher down");
    page.switch("analyst", "down", false);
    let before = page.wait(|state| state["flows"]["analyst"]["gaps"]["filled"] != 0);
    let before = before["flows"]["analyst"]["counters"]["arrived"].as_u64();
    page.wait_for("analyst", "arrived", |arrived| Some(arrived) > before);
    page.demo.signal("TERM");
    assert!(page.demo.finish().success(), "{}", page.demo.said());
    let row = page.demo.out.line_with("analyst ");
    assert!(row.ends_with("  whole"), "{}", page.demo.said());
}

#[test]
fn records_are_removed_at_the_end() {
    let folder = std::env::temp_dir().join(format!("demo-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let mut command = example("demo");
    command.args(["--listen", "127.0.0.1:0", "--seconds", "60"]);
    command.env("TMPDIR", &folder);
    let mut page = Page::of(Program::start(command));
    // A flow in which nothing was sent is reported as a failure.
    page.wait(|state| {
        let flows = state["flows"].as_object().unwrap();
        let has_sent = |flow: &Value| flow["counters"]["sent"].as_u64() > Some(0);
        !flows.is_empty() && flows.values().all(has_sent)
    });
    let has = || std::fs::read_dir(&folder).unwrap().count();
    // One for each lane that keeps something.
    assert_eq!(has(), 3);
    page.demo.signal("TERM");
    assert!(page.demo.finish().success(), "{}", page.demo.said());
    assert_eq!(has(), 0);
    std::fs::remove_dir(&folder).unwrap();
}

#[test]
fn faults_that_the_history_mends_lose_nothing() {
    let mut page = Page::open();
    for (flow, switch) in [
        ("se5-v1", "silent"),
        ("se5-v1", "duplicate"),
        ("se5-v2", "slow"),
        ("se5-v2", "reboot"),
    ] {
        page.wait(|state| state["flows"][flow]["link"] == "streaming");
        page.switch(flow, switch, true);
    }
    for flow in ["se5-v1", "se5-v2"] {
        page.wait(|state| state["flows"][flow]["gaps"]["filled"] != 0);
    }
    page.demo.signal("TERM");
    assert!(page.demo.finish().success());
    let verdict = page.demo.out.lines().pop();
    assert_eq!(verdict.unwrap(), WHOLE, "{}", page.demo.said());
}

#[test]
fn switches_obey_only_the_page_itself() {
    let page = Page::open();
    let token = r#"{"flow":"token","switch":"stale"}"#;
    assert_eq!(page.post(JSON, token).0, 200);
    assert_eq!(page.post("content-type: text/plain\r\n", token).0, 415);
    let elsewhere = format!("{JSON}origin: http://elsewhere.example\r\n");
    assert_eq!(page.post(&elsewhere, token).0, 403);
    let cross_site = format!("{JSON}sec-fetch-site: cross-site\r\n");
    assert_eq!(page.post(&cross_site, token).0, 403);
    assert_eq!(page.ask("GET /state", "elsewhere.example", "", "").0, 403);
    for nonsense in ["", "[]", "{}", r#"{"flow":7}"#] {
        assert_eq!(page.post(JSON, nonsense).0, 400, "{nonsense}");
    }
    let unknown = r#"{"flow":"token","switch":"cut"}"#;
    assert_eq!(page.post(JSON, unknown).0, 404);
    assert_eq!(page.post(JSON, &" ".repeat(5000)).0, 413);
}

#[test]
fn what_is_not_held_is_not_found() {
    let page = Page::open();
    for path in ["/picture/999999", "/picture/x", "/wire/", "/../Cargo.toml"] {
        assert_eq!(page.get(path).0, 404, "{path}");
    }
    assert_eq!(page.ask("DELETE /", &page.address, "", "").0, 405);
}

#[test]
fn port_that_is_taken_is_refused_if_asked_for() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (status, said) = run(&["--listen", &address]);
    assert_eq!(status.code(), Some(1));
    assert!(
        said.contains(&address) && said.contains("the port is taken"),
        "{said}"
    );
}

#[test]
fn usual_port_that_is_taken_is_replaced_by_a_free_one() {
    // Whoever has it, it is taken.
    let _taken = TcpListener::bind("127.0.0.1:8800");
    let demo = start(&["--seconds", "60"]);
    demo.err.line_with("port 8800 is taken");
    let line = demo.out.line_with("open http://127.0.0.1:");
    assert!(!line.ends_with(":8800"), "{line}");
}

#[test]
fn address_that_others_can_reach_is_refused() {
    let (status, said) = run(&["--listen", "0.0.0.0:0"]);
    assert_eq!(status.code(), Some(1));
    assert!(said.contains("use 127.0.0.1"), "{said}");
}

#[test]
fn wrong_arguments_are_explained() {
    for args in [
        &["--seconds", "0"][..],
        &["--listen", "8800"],
        &["--what"],
        &["--cluster"],
    ] {
        let (status, said) = run(args);
        assert_eq!(status.code(), Some(2), "{said}");
        assert!(said.contains("--help"), "{said}");
    }
}

#[test]
fn programs_that_the_page_offers_run() {
    let mut python = Command::new(named("INTEROP_PYTHON", "python3"));
    python.args(["-c", "import websocket"]);
    let mut curl = Command::new("curl");
    curl.arg("--version");
    if is_there(python) && is_there(curl) {
        let page = Page::open();
        page.wait(|state| state["flows"]["se5-v2"]["counters"]["arrived"] != 0);
        let mut programs = Program::start(interop("page_programs.py", &page));
        assert!(programs.finish().success(), "{}", programs.said());
    }
}

/// `DEMO_PICTURES` names a folder, from the root of the repository, for pictures of the page.
#[test]
fn browser_shows_events_gaps_and_their_repair_in_two_languages() {
    let python = named("INTEROP_PYTHON", "python3");
    let chromium = named("INTEROP_CHROMIUM", "chromium");
    for program in [python, chromium, OsString::from("chromedriver")] {
        let mut check = Command::new(program);
        check.arg("--version");
        if !is_there(check) {
            return;
        }
    }
    let page = Page::open();
    let mut look = interop("chromium.py", &page);
    if let Some(folder) = std::env::var_os("DEMO_PICTURES") {
        look.arg(Path::new(HERE).join("..").join(folder));
    }
    let mut browser = Program::start(look);
    assert!(browser.finish().success(), "{}", browser.said());
}

const FLOWS: [&str; 8] = [
    "analyst", "face-1-1", "face-1-3", "se5-v1", "se5-v2", "token", "zzw-sio", "zzw-tcp",
];
const WHOLE: &str = "every flow delivered every event exactly once";
const HERE: &str = env!("CARGO_MANIFEST_DIR");

/// A foreign program by the variable that may name it.
fn named(variable: &str, usual: &str) -> OsString {
    std::env::var_os(variable).unwrap_or_else(|| usual.into())
}

/// A Python program that is given the address of the page.
fn interop(script: &str, page: &Page) -> Command {
    let mut python = Command::new(named("INTEROP_PYTHON", "python3"));
    python
        .arg(Path::new(HERE).join("tests/interop").join(script))
        .arg(format!("http://{}/", page.address));
    python
}

/// A running demo.
struct Page {
    demo: Program,
    address: String,
}

const JSON: &str = "content-type: application/json\r\n";

impl Page {
    fn open() -> Self {
        Self::of(start(&["--listen", "127.0.0.1:0"]))
    }

    fn of(demo: Program) -> Self {
        let line = demo.out.line_with("open http://");
        let address = line.trim_start_matches("open http://").to_owned();
        Self { demo, address }
    }

    fn get(&self, path: &str) -> (u16, String) {
        self.ask(&format!("GET {path}"), &self.address, "", "")
    }

    fn post(&self, headers: &str, body: &str) -> (u16, String) {
        self.ask("POST /fault", &self.address, headers, body)
    }

    /// Status and body of an answer.
    fn ask(&self, what: &str, host: &str, headers: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let length = body.len();
        let request = format!(
            "{what} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\
             content-length: {length}\r\n{headers}\r\n{body}"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap();
        (status.parse().unwrap(), body.to_owned())
    }

    fn switch(&self, flow: &str, switch: &str, on: bool) {
        let press = format!(r#"{{"flow":"{flow}","switch":"{switch}","on":{on}}}"#);
        assert_eq!(self.post(JSON, &press).0, 200);
    }

    /// A flow once a figure of it is as wanted.
    fn wait_for(&self, flow: &str, counter: &str, is_wanted: impl Fn(u64) -> bool) -> Value {
        let figure = |state: &Value| state["flows"][flow]["counters"][counter].as_u64();
        let mut state = self.wait(|state| figure(state).is_some_and(&is_wanted));
        state["flows"][flow].take()
    }

    /// The first state that is as wanted.
    fn wait(&self, is_wanted: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + kit::PATIENCE;
        loop {
            let (status, body) = self.get("/state");
            assert_eq!(status, 200);
            let state: Value = serde_json::from_str(&body).unwrap();
            if is_wanted(&state) {
                return state;
            }
            assert!(Instant::now() < end, "{state:#}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn start(args: &[&str]) -> Program {
    let mut command = example("demo");
    command.args(args);
    Program::start(command)
}

fn run(args: &[&str]) -> (ExitStatus, String) {
    let mut program = start(args);
    (program.finish(), program.said())
}

//! Port 9800 against clients that flood it, break off, take what is not theirs, and never listen; and
//! a client beside them that does nothing of that.
#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods, reason = "latencies are of the clock")]

mod kit;
#[path = "zzw_server/process.rs"]
mod process;

use kit::{Folder, PATIENCE};
use process::{Caller, Server, get};
use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What an attack may cost in memory: far less than what comes.
const MAX_GROWTH: u64 = 96 << 20;

/// Floods run one after another, or one would be taken for the other's.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn a_flood_of_anything_leaves_others_served_and_memory_flat() {
    let _alone = alone();
    let server = Server::start(&[]);
    let mut honest = Honest::new(&server);
    let quiet = honest.rounds(100);
    println!("quiet: {quiet}");
    let before = server.program.memory().unwrap();
    let deep = "[".repeat(3_000) + "\n";
    let topics: Vec<String> = (0..100).map(|number| format!("topic-{number}")).collect();
    let register = json!({"t": 2, "topic": topics, "num": "1"}).to_string() + "\n";
    let publish = json!({"t": 6, "topic": ["a"], "msg": "x".repeat(1_000)}).to_string() + "\n";
    let kinds: [(&str, Vec<u8>); 12] = [
        ("heartbeats", "{\"t\":1}\n".repeat(1_000).into()),
        ("publications", publish.repeat(20).into()),
        ("server information", "{\"t\":7}\n".repeat(1_000).into()),
        (
            "commands to open doors",
            "{\"t\":8,\"r\":\"a\",\"u\":\"b\"}\n".repeat(500).into(),
        ),
        (
            "unknown types",
            "{\"t\":12}\n{\"t\":13}\n{\"t\":\"x\"}\n".repeat(300).into(),
        ),
        ("registrations", register.repeat(10).into()),
        ("blank lines", "\n".repeat(1 << 16).into()),
        ("no JSON", "hello\n".repeat(1_000).into()),
        ("no UTF-8", b"\xff\xfe{\"t\":1}\n".repeat(1_000)),
        ("brackets", deep.repeat(10).into()),
        (
            "quotes to repair",
            "{'t':1 'alias':'a'}\n".repeat(500).into(),
        ),
        ("one line without end", vec![b'x'; 1 << 16]),
    ];
    for (what, bytes) in kinds {
        let flood = Flood::start(server.push, 8, &bytes);
        flood.is_under_way();
        let sent = || flood.sent.load(Ordering::Relaxed);
        let (began, at_first) = (Instant::now(), sent());
        // It goes on all the while, or nothing is shown.
        let under = honest.rounds_while(|done| {
            assert!(began.elapsed() < PATIENCE, "{what}: the flood has ended");
            done < 100 || sent() < at_first + (1 << 16)
        });
        let sent = flood.stop();
        let growth = server.program.memory().unwrap().saturating_sub(before);
        let times = under.median.as_secs_f64() / quiet.median.as_secs_f64();
        println!(
            "{what}: {under}, {times:.1} times as long; {} MiB sent; {} KiB more memory",
            sent >> 20,
            growth >> 10
        );
        assert!(growth < MAX_GROWTH, "{what}: {growth} bytes more");
    }
    until_only(&server, 1);
}

#[test]
fn a_line_of_a_gigabyte_is_refused_and_not_held() {
    let _alone = alone();
    let server = Server::start(&[]);
    let mut honest = Honest::new(&server);
    honest.rounds(5);
    let before = server.program.memory().unwrap();
    let mut stream = dial(server.push);
    let chunk = vec![b'x'; 1 << 20];
    let (mut sent, mut most) = (0_u64, 0);
    for _ in 0..1_024 {
        if stream.write_all(&chunk).is_err() {
            break;
        }
        sent += chunk.len() as u64;
        most = most.max(server.program.memory().unwrap());
    }
    println!(
        "{} MiB of one line sent, {} KiB more memory",
        sent >> 20,
        most.saturating_sub(before) >> 10
    );
    assert!(
        most.saturating_sub(before) < 16 << 20,
        "{most} bytes after {before}"
    );
    let mut said = String::new();
    // The end may come rudely, and then without words.
    let _ = stream.read_to_string(&mut said);
    assert!(said.is_empty() || said.contains("too_large"), "{said}");
    honest.rounds(5);

    // One that is only a little too long is told so.
    let mut stream = dial(server.push);
    let line = "x".repeat((64 << 10) + 1) + "\n";
    stream.write_all(line.as_bytes()).unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    let failure: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (&failure["t"], &failure["code"]),
        (&json!(0), &json!("too_large"))
    );
}

#[test]
fn half_frames_and_single_bytes_wait_for_the_rest() {
    let _alone = alone();
    let server = Server::start(&[]);
    let mut honest = Honest::new(&server);
    honest.rounds(5);
    let before = server.program.memory().unwrap();
    let half = "{\"t\":6,\"topic\":[\"a\"],\"msg\":\"".to_owned() + &"x".repeat(60_000);
    let mut halves = Vec::new();
    for _ in 0..300 {
        let mut stream = dial(server.push);
        stream.write_all(half.as_bytes()).unwrap();
        halves.push(stream);
    }
    let mut slow = Caller::from(dial(server.push));
    for byte in "{\"t\":14,\"alias\":\"慢\"}".bytes() {
        slow.write(&[byte]);
    }
    assert_eq!(slow.asks(""), json!({"t": -14, "alias": "慢"}));
    honest.rounds(5);
    let growth = server.program.memory().unwrap().saturating_sub(before);
    println!("300 half frames of 60 kB take {} KiB", growth >> 10);
    assert!(growth < MAX_GROWTH, "{growth} bytes more");
    for mut stream in halves {
        stream.write_all(b"\"}\n").unwrap();
        let mut answer = [0; 6];
        stream.read_exact(&mut answer).unwrap();
        // Taken or busy: it is one address.
        assert!(answer.starts_with(b"{\"t\":-") || answer.starts_with(b"{\"t\":0"));
    }
}

#[test]
fn unknown_types_and_garbage_are_told_and_much_of_it_ends_the_link() {
    let server = Server::start(&[]);
    let mut caller = Caller::bound(&server, "m_2");
    for t in [
        "12",
        "13",
        "99",
        "-99",
        "\"x\"",
        "1.5",
        "null",
        "[]",
        "9007199254740993",
    ] {
        let answer = caller.asks(&format!("{{\"t\":{t},\"num\":\"n\"}}"));
        assert_eq!(answer["t"], 0, "{t}: {answer}");
    }
    assert_eq!(caller.asks("{\"t\":1}"), json!({"t": -1, "alias": "m_2"}));
    // Nine more are one too many: some of the above were garbage, too.
    let mut told = 0;
    for _ in 0..10 {
        match caller.asks("garbage") {
            Value::Null => break,
            answer => assert_eq!(
                (&answer["t"], &answer["code"]),
                (&json!(0), &json!("garbled"))
            ),
        }
        told += 1;
    }
    assert!((1..10).contains(&told), "{told}");
    assert!(caller.hears().is_null());
}

#[test]
fn an_alias_is_taken_over_openly_and_nothing_is_done_in_its_name() {
    let server = Server::start(&[]);
    let mut owner = Caller::bound(&server, "m_2");
    let mut thief = Caller::bound(&server, "m_3");
    let failures = [
        r#"{"t":1,"alias":"m_2"}"#,
        r#"{"t":14,"alias":"m_2"}"#,
        r#"{"t":-5,"alias":"m_2","mid":"1"}"#,
        r#"{"t":4,"alias":"m_2","num":"1"}"#,
    ];
    for line in failures {
        let answer = thief.asks(line);
        assert_eq!(
            (&answer["t"], &answer["code"]),
            (&json!(0), &json!("alias_mismatch")),
            "{line}: {answer}"
        );
    }
    assert_eq!(
        owner.asks("{\"t\":1}"),
        json!({"t": -1, "alias": "m_2"}),
        "the owner is not disturbed"
    );
    // Without client tokens the last one wins, and the one before is told.
    let mut last = Caller::bound(&server, "m_2");
    let told = owner.hears();
    assert_eq!((&told["t"], &told["code"]), (&json!(0), &json!("replaced")));
    assert!(owner.hears().is_null());
    let message = json!({"method": "publish_to_alias", "alias": ["m_2"], "msg": "secret"});
    assert_eq!(server.publish(&message).status, 200);
    assert_eq!(last.hears()["msg"], "secret");
}

#[test]
fn subscriptions_end_at_a_limit() {
    let _alone = alone();
    let server = Server::start(&[]);
    let before = server.program.memory().unwrap();
    let mut caller = Caller::bound(&server, "m_2");
    let mut refused = Vec::new();
    for round in 0..150 {
        let topics: Vec<String> = (0..100).map(|number| format!("{round}-{number}")).collect();
        let answer = caller.asks(&json!({"t": 2, "topic": topics, "num": round}).to_string());
        match answer["t"].as_i64() {
            Some(-2) => assert!(round < 10, "{round}"),
            Some(0) => refused.push(answer["code"].clone()),
            _ => panic!("{answer}"),
        }
    }
    assert_eq!(refused.len(), 140, "{refused:?}");
    let too_many: Vec<String> = (0..101).map(|number| number.to_string()).collect();
    let answer = caller.asks(&json!({"t": 2, "topic": too_many, "num": 1}).to_string());
    assert_eq!(answer["t"], 0);
    let answer = caller.asks("{\"t\":3,\"num\":1}");
    assert_eq!(
        answer["topic"].as_array().map(Vec::len),
        Some(1_000),
        "{answer}"
    );
    let growth = server.program.memory().unwrap().saturating_sub(before);
    assert!(growth < 16 << 20, "{growth} bytes more");
}

#[test]
fn whoever_never_reads_is_cut_off_and_its_messages_are_kept() {
    let _alone = alone();
    let config =
        "[broker]\nslow_timeout = \"1s\"\n[broker.publish_rate]\nper_second = 1000\nburst = 2000\n";
    let (server, _folder) = configured(config);
    let mut honest = Honest::new(&server);
    let quiet = honest.rounds(50);
    let before = server.program.memory().unwrap();
    // It asks and asks, and hears nothing.
    let mut deaf = dial(server.push);
    deaf.write_all(b"{\"t\":14,\"alias\":\"deaf\"}\n").unwrap();
    deaf.set_write_timeout(Some(Duration::from_millis(20)))
        .unwrap();
    let asked = "{\"t\":7,\"num\":\"".to_owned() + &"n".repeat(1_000) + "\"}\n";
    let end = Instant::now() + PATIENCE;
    // Once a turn's answers are not taken it is not read any more, and so it cannot write.
    let error = loop {
        assert!(Instant::now() < end, "it is never cut off");
        match deaf.write_all(asked.as_bytes()) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => break error,
            Ok(()) => {}
        }
    };
    let under = honest.rounds(50);
    println!("cut off: {error}; others: {quiet}, then {under}");
    let message = json!({"method": "publish_to_alias", "alias": ["deaf"], "msg": "kept"});
    assert_eq!(server.publish(&message).json(), json!({"t": -6}));
    let growth = server.program.memory().unwrap().saturating_sub(before);
    assert!(growth < 32 << 20, "{growth} bytes more");
    let mut back = Caller::bound(&server, "deaf");
    assert_eq!(back.hears()["msg"], "kept");
}

#[test]
fn whoever_never_acknowledges_is_given_a_window_and_then_closed() {
    let config = "[broker]\nredeliver_after = \"300ms\"\n";
    let (server, _folder) = configured(config);
    let mut silent = Caller::bound(&server, "c_2");
    let message =
        |number: u32| json!({"method": "publish_to_alias", "alias": ["c_2"], "msg": number});
    for number in 0..60 {
        assert_eq!(server.publish(&message(number)).json(), json!({"t": -6}));
    }
    let mut heard = Vec::new();
    loop {
        let pushed = silent.hears();
        match pushed["msg"].as_u64() {
            Some(number) => heard.push(number),
            None if pushed.is_null() => break,
            None => {}
        }
    }
    let mut different = heard.clone();
    different.sort_unstable();
    different.dedup();
    assert_eq!(
        different,
        (0..32).collect::<Vec<u64>>(),
        "a window and no more"
    );
    assert!(
        heard.len() <= 3 * 32,
        "three times at most: {}",
        heard.len()
    );
    // Nothing was lost by that.
    let mut back = Caller::bound(&server, "c_2");
    for number in 0..60 {
        let pushed = back.hears();
        assert_eq!(pushed["msg"], number, "{pushed}");
        back.write(format!("{{\"t\":-5,\"mid\":{}}}\n", pushed["mid"]).as_bytes());
    }
}

#[test]
fn links_end_at_a_limit_and_leave_nothing_behind() {
    let _alone = alone();
    let config = "[push]\nlinks_per_address = 500\n[broker.address_rate]\nper_second = 100000\nburst = 100000\n";
    let (server, _folder) = configured(config);
    let mut honest = Honest::new(&server);
    honest.rounds(5);
    let before = server.program.memory().unwrap();
    let mut links: Vec<TcpStream> = (0..500).map(|_| dial(server.push)).collect();
    until_only(&server, 501);
    let mut refused = Vec::new();
    dial(server.push).read_to_end(&mut refused).unwrap();
    let answer: Value = serde_json::from_slice(&refused).unwrap();
    assert_eq!((&answer["t"], &answer["code"]), (&json!(0), &json!("busy")));
    honest.rounds(5);
    let each = server.program.memory().unwrap().saturating_sub(before) / 500;
    println!("{each} bytes of memory for each idle link");
    assert!(each < 16 << 10, "{each} bytes for an idle link");
    links.clear();
    until_only(&server, 1);
    // Coming and going.
    for round in 0..2_000 {
        let mut stream = dial(server.push);
        let _ = writeln!(stream, "{{\"t\":14,\"alias\":\"a{}\"}}", round % 50);
    }
    until_only(&server, 1);
    honest.rounds(5);
    let growth = server.program.memory().unwrap().saturating_sub(before);
    assert!(growth < 32 << 20, "{growth} bytes more");
}

/// A client that behaves, from another address than the others.
struct Honest(Caller);

/// How long it waited for each answer.
struct Waited {
    median: Duration,
    longest: Duration,
}

impl Honest {
    fn new(server: &Server) -> Self {
        Self(Caller::bound(server, "honest"))
    }

    /// It asks, and is answered what it asked, each time.
    fn rounds(&mut self, count: usize) -> Waited {
        self.rounds_while(|done| done < count)
    }

    fn rounds_while(&mut self, goes_on: impl Fn(usize) -> bool) -> Waited {
        let mut waits = Vec::new();
        while goes_on(waits.len()) {
            let began = Instant::now();
            let answer = self.0.asks(r#"{"t":1,"alias":"honest"}"#);
            assert_eq!(answer, json!({"t": -1, "alias": "honest"}));
            waits.push(began.elapsed());
        }
        waits.sort_unstable();
        Waited {
            median: waits[waits.len() / 2],
            longest: waits[waits.len() - 1],
        }
    }
}

impl std::fmt::Display for Waited {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "median {:?}, longest {:?}", self.median, self.longest)
    }
}

/// Many that say the same over and over, hear nothing, and come again when they are thrown out.
struct Flood {
    sent: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Flood {
    fn start(to: SocketAddr, links: usize, bytes: &[u8]) -> Self {
        let (sent, is_over) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let threads = (0..links).map(|_| {
            let (sent, is_over) = (Arc::clone(&sent), Arc::clone(&is_over));
            let bytes = bytes.to_vec();
            std::thread::spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    let mut stream = dial(to);
                    let timeout = Some(Duration::from_millis(20));
                    stream.set_write_timeout(timeout).unwrap();
                    let mut at = 0;
                    while !is_over.load(Ordering::Relaxed) {
                        match stream.write(&bytes[at..]) {
                            Ok(length) => {
                                sent.fetch_add(length as u64, Ordering::Relaxed);
                                at = (at + length) % bytes.len();
                            }
                            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                            Err(_) => break,
                        }
                    }
                }
            })
        });
        let threads = threads.collect();
        Self {
            sent,
            is_over,
            threads,
        }
    }

    /// Waits until each has sent about a buffer full.
    fn is_under_way(&self) {
        let end = Instant::now() + PATIENCE;
        while self.sent.load(Ordering::Relaxed) < (self.threads.len() as u64) << 14 {
            assert!(Instant::now() < end, "nothing is taken at all");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Bytes that were sent in all.
    fn stop(self) -> u64 {
        self.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().unwrap();
        }
        self.sent.load(Ordering::Relaxed)
    }
}

/// A connection from an address that only hostile clients have.
fn dial(to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let from = SocketAddr::from((Ipv4Addr::new(127, 0, 0, 2), 0));
    socket.bind(&from.into()).unwrap();
    socket.connect(&to.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Waits until the server knows of no more than so many links.
fn until_only(server: &Server, links: u64) {
    let wanted = format!("\nzzw_tcp_links {links}\n");
    let end = Instant::now() + PATIENCE;
    loop {
        let page = get(server.admin, "/metrics").body;
        if page.contains(&wanted) {
            return;
        }
        assert!(Instant::now() < end, "not {links} links: {page}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn configured(text: &str) -> (Server, Folder) {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut name = String::from("zzw-hostile");
    let _ = write!(name, "-{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let folder = Folder::new(&name);
    let file = folder.join("server.toml");
    std::fs::write(&file, text).unwrap();
    (Server::start(&["--config", &file]), folder)
}

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}
